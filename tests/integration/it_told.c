/* What running jobs tell, with real programs: a watcher sees it in order, and what a job has left
 * is there for its next attempt after its worker was killed, and after the broker was. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <leat.h>

#include "tests/lib/programs.h"
#include "tests/lib/test.h"

#define WAIT_MS 60000 /* what has not come by then never will */

static programs p;
static leat *broker;

static void
set_up(void)
{
    programs_init(&p);
    programs_start_broker(&p);
    const leat_connect_options options = {.broker = p.broker_url, .timeout_ms = 10000};
    cr_assert(eq(int, leat_connect_with(&options, &broker), LEAT_OK), "%s", leat_sentence(broker));
}

static void
tear_down(void)
{
    leat_disconnect(&broker);
    programs_fini(&p);
}

TestSuite(told, .init = set_up, .fini = tear_down, .timeout = 120);

static uint64_t
must_submit(const char *payload)
{
    uint64_t id = 0;
    cr_assert(eq(int, leat_submit(broker, NULL, "count", payload, strlen(payload), &id), LEAT_OK),
              "%s", leat_sentence(broker));
    return id;
}

static void
must_touch(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", p.dir, name);
    FILE *const file = fopen(path, "w");
    cr_assert(file != NULL);
    (void)fclose(file);
}

/* The broker knows of the watch when this returns. */
static leat_watch *
must_watch(uint64_t batch)
{
    leat_watch *watch;
    leat_told told;
    const char *json;
    cr_assert(eq(int, leat_watch_open(broker, batch, &watch), LEAT_OK), "%s",
              leat_sentence(broker));
    cr_assert(eq(int, leat_watch_next(watch, &told, 0), LEAT_TIMED_OUT));
    cr_assert(eq(int, leat_query(broker, "ping", NULL, &json), LEAT_OK));
    return watch;
}

/* Read until the job's progress has come to `done`; the attempt that told it. */
static uint32_t
must_come_to(leat_watch *watch, uint64_t done)
{
    leat_told told;
    do
        cr_assert(eq(int, leat_watch_next(watch, &told, WAIT_MS), LEAT_OK), "%s",
                  leat_sentence(broker));
    while (told.kind != LEAT_TOLD_PROGRESS || told.done < done);
    return told.attempt;
}

/* The job's result says from which number its last attempt went on. */
static unsigned long
must_go_on(uint64_t job, const char *n)
{
    leat_wait *wait;
    leat_completed c;
    char result[64];
    cr_assert(eq(int, leat_wait_open(broker, job, &wait), LEAT_OK));
    cr_assert(eq(int, leat_wait_next(wait, &c, WAIT_MS), LEAT_OK), "%s", leat_sentence(broker));
    cr_assert(eq(int, c.outcome, LEAT_DONE), "%.*s", (int)c.result_size, (const char *)c.result);
    (void)snprintf(result, sizeof result, "%.*s", (int)c.result_size, (const char *)c.result);
    leat_wait_free(&wait);
    const char *const from = strstr(result, " from ");
    cr_assert(from != NULL && strncmp(result, n, strlen(n)) == 0, "%s", result);
    return strtoul(from + 6, NULL, 10);
}

/* Until the broker has taken the job back. */
static void
must_be_ready(uint64_t batch)
{
    char arguments[64];
    const char *json = "";
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%" PRIu64 "\"}", batch);
    for (int i = 0; i < 1000; i++) {
        cr_assert(eq(int, leat_query(broker, "status", arguments, &json), LEAT_OK));
        if (strstr(json, "\"ready\":\"1\"") != NULL)
            return;
        usleep(20000);
    }
    cr_assert(false, "it is never ready: %s", json);
}

Test(told, a_watcher_sees_progress_and_lines_in_order_and_the_end)
{
    static char text[4096];
    static char wanted[4096];
    uint64_t bytes = 0;
    uint64_t done = 0;
    leat_told told;
    leat_status status;
    const uint64_t job = must_submit("200 2");
    leat_watch *watch = must_watch(job);
    for (int i = 1; i <= 200; i++)
        (void)snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%d\n", i);

    programs_start_worker(&p, 0, 1);
    while ((status = leat_watch_next(watch, &told, WAIT_MS)) == LEAT_OK) {
        cr_assert(eq(u64, told.job, job));
        cr_assert(eq(u32, told.attempt, 1));
        cr_assert(eq(u64, told.gap, 0));
        if (told.kind == LEAT_TOLD_PROGRESS) {
            cr_assert(gt(u64, told.done, done));
            cr_assert(eq(u64, told.of, 200));
            cr_assert(eq(int, strcmp(told.data, "counting"), 0));
            done = told.done;
            continue;
        }
        cr_assert(eq(int, told.stream, LEAT_TOLD_LINES));
        cr_assert(eq(u64, told.offset, bytes));
        cr_assert(lt(sz, bytes + told.size, sizeof text));
        memcpy(text + bytes, told.data, told.size);
        bytes += told.size;
    }

    cr_assert(eq(int, status, LEAT_END), "%s", leat_sentence(broker));
    cr_assert(eq(u64, done, 200));
    cr_assert(eq(int, strcmp(text, wanted), 0), "%s", text);
    leat_watch_free(&watch);
}

/* A command that waits for a file, in a batch of its own. */
static uint64_t
must_submit_command(const char *text)
{
    char out[256];
    const char *const argv[] = {"leat", "submit", "--shell", text, NULL};
    cr_assert(eq(int, programs_run(&p, out, sizeof out, "leat", argv), 0), "%s", out);
    return strtoull(out, NULL, 10);
}

/* A piece of output, whatever else is told before it. */
static leat_told
must_be_output(leat_watch *watch)
{
    leat_told told;
    do
        cr_assert(eq(int, leat_watch_next(watch, &told, WAIT_MS), LEAT_OK), "%s",
                  leat_sentence(broker));
    while (told.kind != LEAT_TOLD_LOG);
    return told;
}

static bool
is_output(const leat_told *told, int stream, uint64_t offset, const char *text)
{
    return told->stream == stream && told->offset == offset && told->size == strlen(text) &&
           memcmp(told->data, text, told->size) == 0;
}

Test(told, what_a_command_prints_is_seen_while_it_runs)
{
    char text[256];
    leat_told told;
    (void)snprintf(text, sizeof text,
                   "echo one; until test -e %s/second; do sleep 0.01; done; echo two >&2; "
                   "until test -e %s/third; do sleep 0.01; done; printf three",
                   p.dir, p.dir);
    leat_watch *watch = must_watch(must_submit_command(text));
    (void)setenv("LEAT_ALLOW_COMMANDS", "1", 1); /* NOLINT(concurrency-mt-unsafe) */
    programs_start_worker(&p, 0, 1);

    /* It goes on only when what it has printed so far has been seen. */
    told = must_be_output(watch);
    cr_assert(is_output(&told, LEAT_TOLD_STDOUT, 0, "one\n"));
    must_touch("second");
    told = must_be_output(watch);
    cr_assert(is_output(&told, LEAT_TOLD_STDERR, 0, "two\n"));
    must_touch("third");
    told = must_be_output(watch);
    cr_assert(is_output(&told, LEAT_TOLD_STDOUT, 4, "three"));
    cr_assert(eq(int, leat_watch_next(watch, &told, WAIT_MS), LEAT_END));
    leat_watch_free(&watch);
}

/* More than may be told: its end is not held up, what is missing is counted by the offsets, and the
 * job's own result has as much as ever. */
Test(told, a_command_that_floods_its_output_is_not_held_up)
{
    leat_told told;
    leat_status status;
    uint64_t bytes = 0;
    uint64_t end = 0;
    leat_watch *watch = must_watch(must_submit_command("head -c 50000000 /dev/zero"));
    (void)setenv("LEAT_ALLOW_COMMANDS", "1", 1); /* NOLINT(concurrency-mt-unsafe) */
    programs_start_worker(&p, 0, 1);
    while ((status = leat_watch_next(watch, &told, WAIT_MS)) == LEAT_OK) {
        cr_assert(eq(int, told.stream, LEAT_TOLD_STDOUT));
        cr_assert(ge(u64, told.offset, end));
        bytes += told.size;
        end = told.offset + told.size;
    }
    cr_assert(eq(int, status, LEAT_END));
    cr_assert(gt(u64, bytes, 0));
    cr_assert(le(u64, end, 50000000));
    leat_watch_free(&watch);
}

/* A program over stdio that tells of each kind, and waits for a file in between. */
Test(told, what_a_program_over_stdio_tells_is_seen_while_it_runs)
{
    char path[128];
    char option[192];
    leat_told told;
    uint64_t id = 0;
    bool said_progress = false;
    bool said_line = false;
    bool said_error = false;
    (void)snprintf(path, sizeof path, "%s/teller", p.dir);
    FILE *const file = fopen(path, "w");
    cr_assert(file != NULL);
    (void)fprintf(file,
                  "#!/bin/sh\n"
                  "read -r line; job=${line#'{\"job\":\"'}; job=${job%%%%'\"'*}\n"
                  "echo error >&2\n"
                  "echo '{\"job\":\"'$job'\",\"log\":\"a line\"}'\n"
                  "echo '{\"job\":\"'$job'\",\"progress\":3,\"of\":10,\"message\":\"half\"}'\n"
                  "until test -e %s/second; do sleep 0.01; done\n"
                  "echo '{\"job\":\"'$job'\",\"result\":\"\"}'\n",
                  p.dir);
    (void)fclose(file);
    cr_assert(eq(int, leat_submit(broker, NULL, "teller", "", 0, &id), LEAT_OK));
    leat_watch *watch = must_watch(id);
    (void)snprintf(option, sizeof option, "teller=/bin/sh %s", path);
    (void)setenv("LEAT_STDIO", option, 1); /* NOLINT(concurrency-mt-unsafe) */
    programs_start_worker(&p, 0, 1);

    while (!said_progress || !said_line || !said_error) {
        cr_assert(eq(int, leat_watch_next(watch, &told, WAIT_MS), LEAT_OK), "%s",
                  leat_sentence(broker));
        said_progress |= told.kind == LEAT_TOLD_PROGRESS && told.done == 3 && told.of == 10 &&
                         strcmp(told.data, "half") == 0;
        said_line |= told.kind == LEAT_TOLD_LOG && is_output(&told, LEAT_TOLD_LINES, 0, "a line\n");
        said_error |=
            told.kind == LEAT_TOLD_LOG && is_output(&told, LEAT_TOLD_STDERR, 0, "error\n");
    }
    must_touch("second");
    while (leat_watch_next(watch, &told, WAIT_MS) == LEAT_OK) {
    }
    cr_assert(eq(int, leat_watch_next(watch, &told, 0), LEAT_END));
    leat_watch_free(&watch);
}

Test(told, two_watch_the_same_batch_and_one_what_there_is_not)
{
    leat *other;
    leat_watch *second;
    leat_told told;
    const leat_connect_options options = {.broker = p.broker_url, .timeout_ms = 10000};
    const uint64_t job = must_submit("5");
    leat_watch *watch = must_watch(job);
    cr_assert(eq(int, leat_watch_open(broker, job, &second), LEAT_WRONG_USE));
    cr_assert(eq(int, leat_connect_with(&options, &other), LEAT_OK));
    cr_assert(eq(int, leat_watch_open(other, job, &second), LEAT_OK));
    leat_watch_only(second, 1);
    cr_assert(eq(int, leat_watch_next(second, &told, 0), LEAT_TIMED_OUT));
    leat_watch *none;
    cr_assert(eq(int, leat_watch_open(other, job + 1000000, &none), LEAT_OK));
    cr_assert(eq(int, leat_watch_next(none, &told, WAIT_MS), LEAT_NOT_FOUND), "%s",
              leat_sentence(other));

    programs_start_worker(&p, 0, 1);
    (void)must_come_to(watch, 5);
    while (leat_watch_next(second, &told, WAIT_MS) == LEAT_OK) {
    }
    cr_assert(eq(int, leat_watch_next(second, &told, 0), LEAT_END));
    leat_disconnect(&other);
}

/* What the broker has read of a worker up to a progress includes the checkpoint before it. */
Test(told, the_next_attempt_goes_on_after_its_worker_was_killed)
{
    const uint64_t job = must_submit("60 20");
    leat_watch *watch = must_watch(job);
    programs_start_worker(&p, 0, 1);
    cr_assert(eq(u32, must_come_to(watch, 20), 1));
    programs_kill_worker(&p, 0);

    programs_start_worker(&p, 1, 1);
    cr_assert(eq(u32, must_come_to(watch, 60), 2));

    const unsigned long from = must_go_on(job, "60");
    cr_assert(ge(ulong, from, 19));
    cr_assert(lt(ulong, from, 60));
    leat_watch_free(&watch);
}

Test(told, the_next_attempt_goes_on_after_the_broker_was_killed_too)
{
    const uint64_t job = must_submit("60 20");
    leat_watch *watch = must_watch(job);
    programs_start_worker(&p, 0, 1);
    (void)must_come_to(watch, 20);
    programs_kill_worker(&p, 0);
    must_be_ready(job);
    (void)must_submit("1"); /* on disk, and so is all that was read before */
    programs_kill_broker(&p);

    programs_start_broker(&p);
    programs_start_worker(&p, 1, 1);
    (void)must_come_to(watch, 60); /* the watch goes on as well */

    const unsigned long from = must_go_on(job, "60");
    cr_assert(ge(ulong, from, 19));
    cr_assert(lt(ulong, from, 60));
    leat_watch_free(&watch);
}

Test(told, a_running_job_goes_on_over_a_restart_of_the_broker)
{
    const uint64_t job = must_submit("60 20");
    leat_watch *watch = must_watch(job);
    programs_start_worker(&p, 0, 1);
    (void)must_come_to(watch, 20);
    programs_kill_broker(&p);
    programs_start_broker(&p);

    cr_assert(eq(u32, must_come_to(watch, 60), 1));
    cr_assert(eq(ulong, must_go_on(job, "60"), 0));
    leat_watch_free(&watch);
}
