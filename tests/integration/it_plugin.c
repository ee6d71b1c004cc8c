/* Handlers of a plug-in, with a real broker and worker: what they do ends their own job, with a
 * sentence, and nothing else. */
#include "tests/lib/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <leat.h>

#include "tests/lib/programs.h"

#define WAIT_MS 60000 /* what has not come by then never will */

static const char hostile[] = LEAT_PLUGIN_DIR "/hostile.so";
static programs p;
static leat *client;
static leat_batch_options how;

#define MUST(expr, want)                                                                    \
    do {                                                                                    \
        const leat_status got_ = (expr);                                                    \
        cr_assert(eq(int, (int)got_, (int)(want)), "%s: %s", #expr, leat_sentence(client)); \
    } while (0)

static void
set_up(void)
{
    programs_init(&p);
    programs_start_broker(&p);
    client = NULL;
    const leat_connect_options options = {.broker = p.broker_url, .timeout_ms = WAIT_MS};
    MUST(leat_connect_with(&options, &client), LEAT_OK);
    leat_batch_options_init(&how);
    how.failures = 1;
}

static void
tear_down(void)
{
    leat_disconnect(&client);
    programs_fini(&p);
}

TestSuite(plugin, .init = set_up, .fini = tear_down, .timeout = 120);

/* A worker with the hostile plug-in; extra: up to four more words. */
static void
start_worker(const char *slots, const char *const extra[4])
{
    const char *argv[16] = {"leat-worker", "--slots", slots,  "--plugin",
                            hostile,       "--have",  "gpu=2"};
    for (size_t i = 0; extra != NULL && i < 4 && extra[i] != NULL; i++)
        argv[7 + i] = extra[i];
    programs_start_program(&p, 0, "leat-worker", argv);
}

static uint64_t
submit(const char *handler, const char *payload)
{
    uint64_t id = 0;
    MUST(leat_submit(client, &how, handler, payload, strlen(payload), &id), LEAT_OK);
    return id;
}

/* How it ended; its result, terminated, into text. */
static int
end_of(uint64_t job, char text[2048])
{
    leat_wait *wait;
    leat_completed c;
    MUST(leat_wait_open(client, job, &wait), LEAT_OK);
    MUST(leat_wait_next(wait, &c, WAIT_MS), LEAT_OK);
    (void)snprintf(text, 2048, "%.*s", (int)c.result_size, (const char *)c.result);
    const int outcome = c.outcome;
    leat_wait_free(&wait);
    return outcome;
}

static void
must_end(uint64_t job, int outcome, const char *result)
{
    char text[2048];
    cr_assert(eq(int, end_of(job, text), outcome), "%s\n%s", text, programs_log(&p, "w0"));
    LEAT_SAME_TEXT(text, result);
}

static void
must_die(uint64_t job, const char *begins, const char *has)
{
    char text[2048];
    cr_assert(eq(int, end_of(job, text), LEAT_DEAD), "%s", text);
    cr_assert(eq(int, strncmp(text, begins, strlen(begins)), 0), "%s instead of %s", text, begins);
    cr_assert(strstr(text, has) != NULL, "%s without %s", text, has);
}

static void
must_be_well(void)
{
    must_end(submit("good", "after"), LEAT_DONE, "good default 1 1 1 after a broker no key");
}

/* ---------------------------------------------------------------------------------------- tests */

Test(plugin, a_handler_has_all_that_it_has_elsewhere)
{
    start_worker("2", NULL);
    must_be_well();
    must_end(submit("snoozed", ""), LEAT_DONE, "awake");
    must_end(submit("given", ""), LEAT_DONE, "0 gpu, number -1, no limit");
    how.needs = "gpu=1";
    how.run_limit_ms = 60000;
    must_end(submit("given", ""), LEAT_DONE, "1 gpu, number 0, a minute");
    leat_batch_options_init(&how);
    how.failures = 2;
    how.backoff_min_ms = how.backoff_max_ms = 1;
    must_end(submit("twice", ""), LEAT_DONE, "kept");
}

Test(plugin, whatever_kills_its_process_ends_one_job)
{
    start_worker("1", NULL);
    must_die(submit("segv", ""), "the handler \"segv\" was ended by SIGSEGV, at\n", "hostile_segv");
    must_be_well();
    must_die(submit("die", "abort"), "the handler \"die\" was ended by SIGABRT, at\n",
             "hostile.so");
    must_die(submit("overflow", ""), "the handler \"overflow\" was ended by SIGSEGV", "");
    must_be_well();
    must_die(submit("die", "exit"), "the handler \"die\" ended its process (exit 7)", "");
    must_die(submit("die", "kill"), "the handler \"die\" was ended by SIGKILL", "");
    must_die(submit("die", "pipe"), "the handler \"die\" was ended by SIGPIPE", "");
    must_be_well();
    must_die(submit("die", "nonsense"),
             "the process of the handler \"die\" says what it cannot mean", "");
    must_die(submit("die", "socket"), "the process of the handler \"die\" has closed its socket",
             "");
    must_be_well();
    must_die(submit("die", "keeper"), "the process that watches over the command was killed", "");
    must_be_well();
    cr_assert(eq(int, programs_stop_worker(&p, 0), 0));
}

Test(plugin, what_was_told_before_a_crash_is_seen)
{
    leat_watch *watch;
    leat_told told;
    const char *json;
    bool has_progress = false;
    bool has_line = false;
    start_worker("1", NULL);
    MUST(leat_channel_new(client, "default", NULL), LEAT_OK);
    MUST(leat_channel_pause(client, "default", -1),
         LEAT_OK); /* the watch is there before it starts */
    const uint64_t job = submit("segv", "");
    MUST(leat_watch_open(client, job, &watch), LEAT_OK);
    MUST(leat_watch_next(watch, &told, 0), LEAT_TIMED_OUT);
    MUST(leat_query(client, "ping", NULL, &json), LEAT_OK);
    MUST(leat_channel_resume(client, "default"), LEAT_OK);
    leat_status status;
    while ((status = leat_watch_next(watch, &told, WAIT_MS)) == LEAT_OK) {
        has_progress |= told.kind == LEAT_TOLD_PROGRESS && told.done == 1 && told.of == 2 &&
                        strcmp(told.data, "about to crash") == 0;
        has_line |= told.kind == LEAT_TOLD_LOG && told.stream == LEAT_TOLD_STDOUT &&
                    strcmp(told.data, "said before\n") == 0;
    }
    MUST(status, LEAT_END);
    cr_assert(has_progress);
    cr_assert(has_line);
}

Test(plugin, one_that_does_not_end_is_killed_while_others_are_served)
{
    start_worker("2", NULL);
    how.run_limit_ms = 300;
    how.grace_ms = 200;
    const uint64_t spins = submit("spin", "");
    how.run_limit_ms = 0;
    for (int i = 0; i < 20; i++)
        must_be_well();
    must_die(spins, "stopped: it took longer than its run limit", "did not end in its grace");
    must_be_well();
}

Test(plugin, one_that_listens_stops_when_it_is_cancelled)
{
    leat_watch *watch;
    leat_told told;
    char before[2048];
    char after[2048];
    start_worker("1", NULL);
    cr_assert(eq(int, end_of(submit("counted", ""), before), LEAT_DONE));
    const uint64_t job = submit("wait", "");
    MUST(leat_watch_open(client, job, &watch), LEAT_OK);
    MUST(leat_watch_next(watch, &told, WAIT_MS), LEAT_OK);
    MUST(leat_cancel_jobs(client, &job, 1, NULL), LEAT_OK);
    cr_assert(eq(int, end_of(job, after), LEAT_CANCELLED));
    /* Its process was not killed for it. */
    cr_assert(eq(int, end_of(submit("counted", ""), after), LEAT_DONE));
    cr_assert(eq(long, strtol(before, NULL, 10), strtol(after, NULL, 10)), "%s, %s", before, after);
}

Test(plugin, a_process_is_used_again_and_goes_after_so_many_jobs)
{
    static const char *const jobs[4] = {"--plugin-jobs", "3"};
    char text[2048];
    int first = 0;
    start_worker("1", jobs);
    for (int i = 0; i < 9; i++) {
        cr_assert(eq(int, end_of(submit("counted", ""), text), LEAT_DONE));
        first += strstr(text, " 1") != NULL && text[strlen(text) - 2] == ' ';
        cr_assert(eq(int, atoi(strchr(text, ' ')), i % 3 + 1), "%s", text);
    }
    cr_assert(eq(int, first, 3));
}

Test(plugin, a_process_that_has_grown_goes)
{
    static const char *const memory[4] = {"--plugin-memory", "40M"};
    char text[2048];
    int highest = 0;
    int restarts = 0;
    start_worker("1", memory);
    for (int i = 0; i < 18; i++) { /* 8 MiB each */
        cr_assert(eq(int, end_of(submit("leak", ""), text), LEAT_DONE), "%s", text);
        const int calls = atoi(strchr(text, ' '));
        highest = calls > highest ? calls : highest;
        restarts += calls == 1;
    }
    cr_assert(eq(int, highest, 5));
    cr_assert(ge(int, restarts, 3));
    must_be_well();
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SHADOW 1 /* which lies at addresses that a limit of memory does not allow */
#endif
#endif
#ifndef HAS_SHADOW
Test(plugin, limits_are_those_of_programs)
{
    static const char *const limits[4] = {"--rlimit", "mem=300M,cpu=1s"};
    start_worker("1", limits);
    must_die(submit("devour", ""), "no memory after ", " MiB");
    must_die(submit("spin", ""), "the handler \"spin\" was ended by SIGXCPU", "CPU time");
    must_be_well();
}

#endif

Test(plugin, what_a_job_leaves_running_ends_with_its_process)
{
    static const char *const jobs[4] = {"--plugin-jobs", "1"};
    char text[2048];
    start_worker("1", jobs);
    cr_assert(eq(int, end_of(submit("stray", ""), text), LEAT_DONE));
    must_be_well(); /* in the next process: the one before has been ended with all it left */
    cr_assert(eq(int, kill((pid_t)atoi(text), 0), -1));
}

Test(plugin, nothing_stays_when_the_worker_is_killed)
{
    char text[2048];
    start_worker("1", NULL);
    cr_assert(eq(int, end_of(submit("counted", ""), text), LEAT_DONE));
    const pid_t child = (pid_t)atoi(text);
    programs_kill_worker(&p, 0);
    int tries = 0;
    while (kill(child, 0) == 0 && tries++ < WAIT_MS)
        usleep(1000);
    cr_assert(eq(int, kill(child, 0), -1));
}

struct wrong {
    const char *file;
    const char *word;
};

Test(plugin, what_is_no_plug_in_is_refused_at_the_start)
{
    static const struct wrong rows[] = {
        {"/nowhere/libthumb.so", "No such file or directory"                         },
        {"/",                    "cannot be loaded"                                  },
        {"/etc/passwd",          "invalid ELF header"                                },
        {"no_table.so",          "is no plug-in of Leat: it has no leat_plugin_table"},
        {"other_abi.so",         "is a plug-in of ABI 2, this worker takes 1"        },
        {"no_handlers.so",       "has 0 handlers"                                    },
        {"bad_name.so",          "handler 1 has no function, or no name"             },
        {"crashes.so",           "its own code ends by SIGABRT"                      },
        {"exits.so",             "its own code ends the process (exit 3)"            },
        {"unresolved.so",        "nobody_has_this"                                   },
        {"taken.so",             "there is a handler \"echo\" already"               },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[4096];
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", rows[i].file[0] == '/' ? "" : LEAT_PLUGIN_DIR,
                       rows[i].file);
        const char *const argv[] = {"leat-worker", "--plugin", path, NULL};
        cr_assert(eq(int, programs_run(&p, out, sizeof out, "leat-worker", argv), 2), "%s",
                  rows[i].file);
        cr_assert(strstr(out, rows[i].word) != NULL, "%s: %s", rows[i].file, out);
        cr_assert(strchr(out, '\n') == strrchr(out, '\n'), "%s", out);
    }
}

Test(plugin, help_names_its_handlers)
{
    char out[16384];
    const char *const argv[] = {"leat-worker", "--plugin", hostile, "--help", NULL};
    cr_assert(eq(int, programs_run(&p, out, sizeof out, "leat-worker", argv), 0));
    cr_assert(strstr(out, "  good      anything: says what it is\n") != NULL, "%s", out);
}

/* Whoever reaches a broker without keys over TCP could have the code run: as with commands. */
Test(plugin, a_plug_in_is_not_served_to_anybody)
{
    char out[4096];
    const char *const argv[] = {"leat-worker", "--plugin",          hostile,
                                "--broker",    "tcp://127.0.0.1:1", NULL};
    cr_assert(eq(int, programs_run(&p, out, sizeof out, "leat-worker", argv), 2));
    cr_assert(strstr(out, "anybody on this machine reaches that address") != NULL, "%s", out);
}
