/* Keepers without a broker: jobs are handed to them by hand. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "tests/lib/tmp.h"

#include "worker/runner/command.h"

#define WAIT_MS 30000 /* what has not come by then never will */

static const char script[] = "while read -r line; do\n"
                             "    job=${line#'{\"job\":\"'}\n"
                             "    job=${job%%'\"'*}\n"
                             "    case $line in *hang* | *stop*) continue ;; esac\n"
                             "    echo '{\"job\":\"'$job'\",\"progress\":4}'\n"
                             "    echo '{\"job\":\"'$job'\",\"result\":\"'$$'\"}'\n"
                             "done\n";

static leat_tmp tmp;
static char path[PATH_MAX];
static leat_program programs[3];
static leat_handler handlers[3];
static leat_commands *commands;
static uint64_t next_job;
static uint64_t progress; /* that was told last */

static void
hear(void *context, leat_run *run, const leat_message_told *told)
{
    cr_assert(eq(ptr, context, &progress));
    cr_assert(not(run->has_ended));
    if (told->kind == LEAT_TELLING_PROGRESS)
        progress = told->done;
}

static void
open_commands(uint32_t keepers_max)
{
    const leat_commands_options options = {
        .keeper = LEAT_BIN_DIR "/leat-worker",
        .keepers_max = keepers_max,
    };
    LEAT_PASS(leat_commands_new(&options, &commands));
    leat_commands_listen(commands, hear, &progress);
}

static void
set_up(void)
{
    leat_tmp_init(&tmp);
    (void)leat_tmp_write(&tmp, "script", script, sizeof script - 1, path);
    for (size_t i = 0; i < 3; i++) {
        programs[i] = (leat_program){
            .kind = LEAT_PROGRAM_STDIO, .words = {"/bin/sh", path, NULL}
        };
        handlers[i] = (leat_handler){.name = "h", .runs = LEAT_RUNS_CHILD, .program = &programs[i]};
    }
}

static void
tear_down(void)
{
    leat_commands_destroy(&commands);
    leat_tmp_fini(&tmp);
}

TestSuite(keeper, .init = set_up, .fini = tear_down, .timeout = 60);

static leat_run *
must_prepare(size_t handler, const char *payload)
{
    const leat_line_job job = {
        .token = {.id = ++next_job, .attempt = 1,     .epoch = 1},
        .handler = &handlers[handler],
        .handler_name = leat_text_of("h"),
        .payload = {.data = (const uint8_t *)payload,                .size = (uint32_t)strlen(payload)},
        .channel = leat_text_of("default"),
    };
    const leat_run_job what = {.job = &job, .worker = "w", .broker = "ipc:///nowhere"};
    leat_run *run;
    cr_assert(leat_commands_may_prepare(commands, &handlers[handler]));
    LEAT_PASS(leat_commands_prepare(commands, &what, &run));
    return run;
}

static void
wait_for_news(void)
{
    struct pollfd fd = {.fd = leat_commands_fd(commands), .events = POLLIN};
    cr_assert(eq(int, poll(&fd, 1, WAIT_MS), 1));
}

/* It ends so; its result can be looked at until it is given back. */
static void
must_have_ended(leat_run *run, leat_end end)
{
    leat_run *ended;
    while ((ended = leat_commands_next_ended(commands)) == NULL)
        wait_for_news();
    cr_assert(eq(ptr, ended, run));
    cr_assert(eq(int, (int)run->end, (int)end), "%.*s", (int)run->result.size,
              (const char *)run->result.data);
}

/* The result of the run, which is given back. */
static void
must_end(leat_run *run, leat_end end, char result[128])
{
    must_have_ended(run, end);
    cr_assert(lt(u32, run->result.size, 128), "%.*s", (int)run->result.size,
              (const char *)run->result.data);
    memcpy(result, run->result.data, run->result.size);
    result[run->result.size] = '\0';
    leat_commands_give_back(commands, &run);
}

/* Do a job; the pid of the program that did it. */
static pid_t
must_do(size_t handler)
{
    char result[128];
    leat_run *const run = must_prepare(handler, "");
    leat_commands_go(commands);
    must_end(run, LEAT_END_DONE, result);
    const long pid = strtol(result, NULL, 10);
    cr_assert(gt(long, pid, 0), "%s", result);
    return (pid_t)pid;
}

Test(keeper, jobs_of_one_program_go_to_the_same_process_one_after_the_other)
{
    open_commands(0);
    const pid_t first = must_do(0);
    cr_assert(eq(u64, progress, 4));
    cr_assert(eq(int, must_do(0), first));
    cr_assert(ne(int, must_do(1), first));
    cr_assert(eq(int, must_do(0), first));
}

Test(keeper, what_runs_at_the_same_time_runs_in_several)
{
    char one[128];
    char other[128];
    open_commands(0);
    leat_run *const hangs = must_prepare(0, "hang");
    leat_run *const runs = must_prepare(0, "");
    leat_commands_go(commands);
    must_end(runs, LEAT_END_DONE, one);
    leat_commands_stop(commands, hangs, 0, LEAT_ENDING_CANCELLED);
    must_end(hangs, LEAT_END_FAILED, other);
    cr_assert(eq(int, strncmp(other, "stopped: cancelled", 18), 0), "%s", other);
    cr_assert(eq(u32, leat_commands_count(commands), 0));
}

Test(keeper, a_job_that_is_stopped_before_it_was_handed_out_does_not_run)
{
    char result[128];
    open_commands(0);
    const pid_t first = must_do(0);
    leat_run *const run = must_prepare(0, "");
    leat_commands_stop(commands, run, 0, LEAT_ENDING_CANCELLED);
    cr_assert(not(leat_commands_has_prepared(commands)));
    must_end(run, LEAT_END_FAILED, result);
    LEAT_SAME_TEXT(result, "stopped before it had begun");
    cr_assert(eq(int, must_do(0), first));
}

/* One whose first job never left still knows what it is for. */
Test(keeper, a_keeper_that_is_stopped_before_its_first_job_does_the_next_one)
{
    char result[128];
    open_commands(0);
    leat_run *const run = must_prepare(0, "");
    leat_commands_stop(commands, run, 0, LEAT_ENDING_CANCELLED);
    must_end(run, LEAT_END_FAILED, result);
    cr_assert(gt(int, must_do(0), 0));
}

Test(keeper, when_there_may_be_no_more_the_one_that_idles_longest_leaves)
{
    open_commands(2);
    const pid_t first = must_do(0);
    const pid_t second = must_do(1);
    unsigned asked = 0;
    for (; !leat_commands_may_prepare(commands, &handlers[2]); asked++) {
        wait_for_news();
        cr_assert(leat_commands_next_ended(commands) == NULL);
        cr_assert(lt(uint, asked, 1000));
    }
    cr_assert(gt(uint, asked, 0));
    cr_assert(eq(int, kill(first, 0), -1));
    const pid_t third = must_do(2);
    cr_assert(ne(int, third, second));
    cr_assert(eq(int, must_do(1), second));
}

/* Nobody reads what its keeper has to tell, as when the worker's loop stands still. */
Test(keeper, a_program_that_floods_its_output_is_not_held_up_by_a_worker_that_does_not_listen)
{
    char text[PATH_MAX + 128];
    char marker[PATH_MAX];
    const leat_program flood = {
        .kind = LEAT_PROGRAM_ONESHOT, .words = {"/bin/sh", "-c", text, NULL}
    };
    (void)leat_tmp_path(&tmp, "marker", marker);
    /* In pieces, over many times at which something is told. */
    (void)snprintf(text, sizeof text,
                   "for i in 1 2 3 4 5 6 7 8 9; do head -c 5000000 /dev/zero; sleep 0.06; done; "
                   ": >%s; exec >&- 2>&-; exit 3",
                   marker);
    handlers[0].program = &flood;
    open_commands(0);
    leat_run *const run = must_prepare(0, "");
    leat_commands_go(commands);
    unsigned looks = 0;
    for (; access(marker, F_OK) != 0; looks++) {
        cr_assert(lt(uint, looks, WAIT_MS / 10));
        (void)usleep(10000);
    }
    cr_assert(gt(uint, looks, 0));
    must_have_ended(run, LEAT_END_FATAL);
}

Test(keeper, while_all_are_busy_nobody_leaves)
{
    char result[128];
    open_commands(1);
    leat_run *const run = must_prepare(0, "");
    cr_assert(not(leat_commands_may_prepare(commands, &handlers[0])));
    cr_assert(not(leat_commands_may_prepare(commands, &handlers[1])));
    leat_commands_go(commands);
    must_end(run, LEAT_END_DONE, result);
    cr_assert(leat_commands_may_prepare(commands, &handlers[0]));
}
