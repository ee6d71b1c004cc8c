/* A worker in somebody else's program: this test's own process is that program, and serves jobs
 * that it sends to a real broker. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <leat.h>

#include "tests/lib/programs.h"

#define SIGNALS 32
#define WAIT_MS 60000 /* what has not come by then never will */

static programs p;
static leat *client;
static leat_batch_options how;
static leat_worker *worker;
static pthread_t thread;
static bool is_running;
static leat_status ran;
static struct sigaction before[SIGNALS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char notes[256]; /* under lock: what "note" was given, in order */

#define MUST(expr, want)                                                                    \
    do {                                                                                    \
        const leat_status got_ = (expr);                                                    \
        cr_assert(eq(int, (int)got_, (int)(want)), "%s: %s", #expr, leat_sentence(client)); \
    } while (0)

#define WORKER_MUST(expr, want)                                                 \
    do {                                                                        \
        const leat_status got_ = (expr);                                        \
        cr_assert(eq(int, (int)got_, (int)(want)), "%s: %s", #expr,             \
                  worker == NULL ? "no worker" : leat_worker_sentence(worker)); \
    } while (0)

/* ------------------------------------------------------------------------------------ handlers */

static int
result_text(leat_job *job, const char *text)
{
    return leat_job_result(job, text, strlen(text));
}

static bool
payload_is(const leat_job *job, const char *word)
{
    return leat_job_size(job) == strlen(word) &&
           memcmp(leat_job_payload(job), word, strlen(word)) == 0;
}

static int
tell(leat_job *job, void *context)
{
    char text[512];
    leat_job_progress(job, 3, 7, "half way");
    usleep(3000); /* the loop has sent that, and hears the line when it does not send again yet */
    leat_job_log(job, "line %d\n", 1);
    usleep(3000);
    (void)snprintf(text, sizeof text, "%s %s %u %u %d %.*s %s", leat_job_handler(job),
                   leat_job_channel(job), leat_job_place(job), leat_job_attempt(job),
                   leat_job_id(job) > 0 && leat_job_batch(job) > 0, (int)leat_job_size(job),
                   (const char *)leat_job_payload(job), (const char *)context);
    return result_text(job, text);
}

/* Leaves something and fails; the next attempt answers what was left. */
static int
twice(leat_job *job, void *context)
{
    size_t size;
    static const char large[65537];
    const void *const earlier = leat_job_earlier(job, &size);
    (void)context;
    if (size > 0)
        return leat_job_result(job, earlier, size);
    if (leat_job_checkpoint(job, large, sizeof large) != LEAT_TOO_LARGE)
        return leat_job_fatal(job, "a checkpoint that is too large was taken");
    if (leat_job_checkpoint(job, "first", 5) != LEAT_OK ||
        leat_job_checkpoint(job, "kept", 4) != LEAT_OK)
        return leat_job_fatal(job, "no checkpoint is taken");
    return leat_job_fail(job, "attempt %u is not enough", leat_job_attempt(job));
}

static int
hang(leat_job *job, void *context)
{
    (void)context;
    leat_job_progress(job, 0, 0, "hanging");
    while (!leat_job_is_cancelled(job))
        usleep(1000);
    return LEAT_JOB_STOPPED;
}

static int
left(leat_job *job, void *context)
{
    char text[64];
    const uint16_t *numbers;
    const uint64_t gpus = leat_job_given(job, "gpu", &numbers);
    const int64_t left_ms = leat_job_left_ms(job);
    (void)context;
    (void)snprintf(text, sizeof text, "%s, %llu gpu, number %d, %llu tpu",
                   left_ms < 0                           ? "no limit"
                   : left_ms > 50000 && left_ms <= 60000 ? "a minute"
                                                         : "another limit",
                   (unsigned long long)gpus, numbers == NULL ? -1 : (int)numbers[0],
                   (unsigned long long)leat_job_given(job, "tpu", NULL));
    return result_text(job, text);
}

static int
end_as_told(leat_job *job, void *context)
{
    static char large[(1 << 20) + 1];
    (void)context;
    if (payload_is(job, "fail"))
        return leat_job_fail(job, "failed with %d", 42);
    if (payload_is(job, "fatal"))
        return leat_job_fatal(job, "fatal with %d", 43);
    if (payload_is(job, "large"))
        return leat_job_result(job, large, sizeof large);
    if (payload_is(job, "odd"))
        return 77;
    if (payload_is(job, "stopped"))
        return LEAT_JOB_STOPPED;
    if (payload_is(job, "snooze"))
        return leat_job_attempt(job) < 3 ? leat_job_snooze(job, 1) : result_text(job, "awake");
    return LEAT_JOB_DONE;
}

static int
note(leat_job *job, void *context)
{
    (void)context;
    pthread_mutex_lock(&lock);
    const size_t used = strlen(notes);
    (void)snprintf(notes + used, sizeof notes - used, "%.*s ", (int)leat_job_size(job),
                   (const char *)leat_job_payload(job));
    pthread_mutex_unlock(&lock);
    return LEAT_JOB_DONE;
}

static int
spare(leat_job *job, void *context)
{
    leat_failure failure;
    char text[256];
    (void)context;
    if (!leat_job_recover(job, &failure))
        return leat_job_fatal(job, "this job recovers none");
    (void)snprintf(text, sizeof text, "%s failed after %u with \"%.*s\", had \"%.*s\", %.*s",
                   failure.handler, failure.attempts, (int)failure.error_size,
                   (const char *)failure.error, (int)failure.payload_size,
                   (const char *)failure.payload, (int)failure.with_size,
                   (const char *)failure.with);
    return result_text(job, text);
}

/* -------------------------------------------------------------------------------------- fixture */

static void *
run_worker(void *unused)
{
    (void)unused;
    ran = leat_worker_run(worker);
    return NULL;
}

static void
start_worker(void)
{
    static char context[] = "context";
    leat_worker_options options;
    leat_worker_options_init(&options);
    options.broker = p.broker_url;
    options.name = "guest";
    options.slots = 4;
    options.haves = "gpu=2";
    options.traits = "zone=a";
    WORKER_MUST(leat_worker_open(&options, &worker), LEAT_OK);
    WORKER_MUST(leat_worker_handle(worker, "tell", tell, context), LEAT_OK);
    WORKER_MUST(leat_worker_handle(worker, "twice", twice, NULL), LEAT_OK);
    WORKER_MUST(leat_worker_handle(worker, "hang", hang, NULL), LEAT_OK);
    WORKER_MUST(leat_worker_handle(worker, "left", left, NULL), LEAT_OK);
    WORKER_MUST(leat_worker_handle(worker, "end", end_as_told, NULL), LEAT_OK);
    WORKER_MUST(leat_worker_handle(worker, "note", note, NULL), LEAT_OK);
    WORKER_MUST(leat_worker_handle(worker, "spare", spare, NULL), LEAT_OK);
    WORKER_MUST(leat_worker_handle(worker, "spare", spare, NULL), LEAT_WRONG_USE);
    cr_assert(eq(int, pthread_create(&thread, NULL, run_worker, NULL), 0));
    is_running = true;
}

static leat_status
join_worker(void)
{
    cr_assert(eq(int, pthread_join(thread, NULL), 0));
    is_running = false;
    return ran;
}

static void
set_up(void)
{
    for (int number = 1; number < SIGNALS; number++)
        (void)sigaction(number, NULL, &before[number]);
    programs_init(&p);
    programs_start_broker(&p);
    client = NULL;
    const leat_connect_options options = {.broker = p.broker_url, .timeout_ms = WAIT_MS};
    MUST(leat_connect_with(&options, &client), LEAT_OK);
    leat_batch_options_init(&how);
    how.backoff_min_ms = how.backoff_max_ms = 1;
    start_worker();
}

static void
tear_down(void)
{
    if (is_running) {
        leat_worker_drain(worker);
        WORKER_MUST(join_worker(), LEAT_OK);
    }
    leat_worker_close(&worker);
    leat_disconnect(&client);
    programs_fini(&p);
}

TestSuite(guest, .init = set_up, .fini = tear_down, .timeout = 120);

static uint64_t
submit(const char *handler, const char *payload)
{
    uint64_t id = 0;
    MUST(leat_submit(client, &how, handler, payload, strlen(payload), &id), LEAT_OK);
    return id;
}

static void
must_end(uint64_t job, int outcome, const char *result)
{
    leat_wait *wait;
    leat_completed c;
    char text[512];
    MUST(leat_wait_open(client, job, &wait), LEAT_OK);
    MUST(leat_wait_next(wait, &c, WAIT_MS), LEAT_OK);
    (void)snprintf(text, sizeof text, "%.*s", (int)c.result_size, (const char *)c.result);
    cr_assert(eq(int, c.outcome, outcome), "%s", text);
    LEAT_SAME_TEXT(text, result);
    leat_wait_free(&wait);
}

/* ---------------------------------------------------------------------------------------- tests */

Test(guest, a_handler_knows_its_job_tells_and_answers)
{
    leat_watch *watch;
    leat_told told;
    const uint64_t hanging = submit("hang", ""); /* so that the watch is there before the end */
    MUST(leat_watch_open(client, hanging, &watch), LEAT_OK);
    MUST(leat_watch_next(watch, &told, WAIT_MS), LEAT_OK);
    cr_assert(eq(int, told.kind, LEAT_TOLD_PROGRESS));
    LEAT_SAME_TEXT(told.data, "hanging");
    leat_watch_free(&watch);
    MUST(leat_cancel_jobs(client, &hanging, 1, NULL), LEAT_OK);
    must_end(hanging, LEAT_CANCELLED, "");
    must_end(submit("tell", "payload"), LEAT_DONE, "tell default 1 1 1 payload context");
}

Test(guest, who_watches_sees_progress_and_lines)
{
    leat_watch *watch;
    leat_told told;
    const char *json;
    bool has_progress = false;
    bool has_line = false;
    MUST(leat_channel_new(client, "default", NULL), LEAT_OK);
    MUST(leat_channel_pause(client, "default", -1),
         LEAT_OK); /* the watch is there before it starts */
    const uint64_t job = submit("tell", "");
    MUST(leat_watch_open(client, job, &watch), LEAT_OK);
    MUST(leat_watch_next(watch, &told, 0), LEAT_TIMED_OUT);
    MUST(leat_query(client, "ping", NULL, &json), LEAT_OK);
    MUST(leat_channel_resume(client, "default"), LEAT_OK);
    leat_status status;
    while ((status = leat_watch_next(watch, &told, WAIT_MS)) == LEAT_OK) {
        has_progress |= told.kind == LEAT_TOLD_PROGRESS && told.done == 3 && told.of == 7 &&
                        strcmp(told.data, "half way") == 0;
        has_line |= told.kind == LEAT_TOLD_LOG && told.stream == LEAT_TOLD_LINES &&
                    strcmp(told.data, "line 1\n") == 0;
    }
    MUST(status, LEAT_END);
    cr_assert(has_progress);
    cr_assert(has_line);
}

Test(guest, a_checkpoint_is_there_for_the_next_attempt)
{
    must_end(submit("twice", ""), LEAT_DONE, "kept");
}

Test(guest, a_handler_knows_its_time_and_what_it_was_given)
{
    must_end(submit("left", ""), LEAT_DONE, "no limit, 0 gpu, number -1, 0 tpu");
    how.run_limit_ms = 60000;
    how.needs = "gpu=1";
    how.traits = "zone=a";
    must_end(submit("left", ""), LEAT_DONE, "a minute, 1 gpu, number 0, 0 tpu");
}

Test(guest, a_job_over_its_limit_is_told_to_stop)
{
    how.run_limit_ms = 100;
    how.failures = 1;
    must_end(submit("hang", ""), LEAT_DEAD, "it ran longer than its limit");
}

Test(guest, a_handler_says_how_it_ends)
{
    must_end(submit("end", ""), LEAT_DONE, "");
    must_end(submit("end", "snooze"), LEAT_DONE, "awake");
    must_end(submit("end", "fatal"), LEAT_DEAD, "fatal with 43");
    must_end(submit("end", "large"), LEAT_DEAD,
             "a result of 1048577 bytes is over the limit of 1048576");
    must_end(submit("end", "odd"), LEAT_DEAD, "the handler returned 77, which is no end");
    how.failures = 2;
    must_end(submit("end", "fail"), LEAT_DEAD, "failed with 42");
    must_end(submit("end", "stopped"), LEAT_DEAD, "stopped");
    how.snoozes = 1;
    must_end(submit("end", "snooze"), LEAT_DEAD, "it asked for later too often");
}

Test(guest, defer_and_recover_are_as_in_go)
{
    leat_batch *batch;
    leat_wait *wait;
    leat_completed c;
    char text[256];
    how.failures = 1;
    MUST(leat_batch_open(client, &how, &batch), LEAT_OK);
    MUST(leat_batch_add(batch, "note", "plain", 5), LEAT_OK);
    MUST(leat_batch_flush(batch), LEAT_OK);
    MUST(leat_wait_open(client, leat_batch_id(batch), &wait), LEAT_OK);
    MUST(leat_wait_next(wait, &c, WAIT_MS), LEAT_OK);
    MUST(leat_defer(batch, "note", "first", 5), LEAT_OK);
    MUST(leat_defer(batch, "note", "second", 6), LEAT_OK);
    MUST(leat_recover(batch, "spare", "gently", 6), LEAT_OK);
    MUST(leat_batch_add(batch, "end", "fail", 4), LEAT_OK);
    MUST(leat_batch_seal(batch), LEAT_OK);

    MUST(leat_wait_next(wait, &c, WAIT_MS), LEAT_OK);
    cr_assert(eq(int, c.outcome, LEAT_DONE));
    (void)snprintf(text, sizeof text, "%.*s", (int)c.result_size, (const char *)c.result);
    LEAT_SAME_TEXT(text, "end failed after 1 with \"failed with 42\", had \"fail\", gently");
    MUST(leat_wait_next(wait, &c, WAIT_MS), LEAT_END);

    /* The plain job has none of it; the last one deferred runs first. */
    for (int i = 0; i < WAIT_MS; i++) {
        pthread_mutex_lock(&lock);
        const bool complete = strstr(notes, "first") != NULL;
        pthread_mutex_unlock(&lock);
        if (complete)
            break;
        usleep(1000);
    }
    LEAT_SAME_TEXT(notes, "plain second first ");
    must_end(submit("spare", "{}"), LEAT_DEAD, "this job recovers none");
}

Test(guest, what_cannot_follow_a_job_is_refused)
{
    static const char large[17000];
    leat_batch *batch;
    MUST(leat_batch_open(client, &how, &batch), LEAT_OK);
    MUST(leat_defer(batch, NULL, "x", 1), LEAT_WRONG_USE);
    MUST(leat_defer(batch, "", "x", 1), LEAT_WRONG_USE);
    MUST(leat_defer(batch, "note", large, sizeof large), LEAT_TOO_LARGE);
    MUST(leat_defer(batch, "note", large, 10000), LEAT_OK);
    MUST(leat_defer(batch, "note", large, 10000), LEAT_TOO_LARGE);
    for (int i = 1; i < 8; i++)
        MUST(leat_defer(batch, "note", "x", 1), LEAT_OK);
    MUST(leat_defer(batch, "note", "x", 1), LEAT_WRONG_USE);
    MUST(leat_recover(batch, "note", large, 10000), LEAT_TOO_LARGE);
    MUST(leat_recover(batch, "spare", NULL, 0), LEAT_OK);
    MUST(leat_recover(batch, NULL, NULL, 0), LEAT_OK);
    MUST(leat_batch_add(batch, "end", "", 0), LEAT_OK);
    MUST(leat_batch_seal(batch), LEAT_OK);
    MUST(leat_defer(batch, "note", "x", 1), LEAT_WRONG_USE);
}

static void
drain_at_signal(int number)
{
    (void)number;
    leat_worker_drain(worker);
}

/* A guest leaves signals alone, and can be drained from the program's own handler of one. */
Test(guest, signals_are_the_programs_own)
{
    must_end(submit("tell", ""), LEAT_DONE, "tell default 1 1 1  context");
    for (int number = 1; number < SIGNALS; number++) {
        struct sigaction now = {0};
        if (sigaction(number, NULL, &now) == 0)
            cr_assert(now.sa_handler == before[number].sa_handler, "signal %d", number);
    }
    const struct sigaction action = {.sa_handler = drain_at_signal};
    cr_assert(eq(int, sigaction(SIGUSR1, &action, NULL), 0));
    cr_assert(eq(int, kill(getpid(), SIGUSR1), 0));
    WORKER_MUST(join_worker(), LEAT_OK);
    WORKER_MUST(leat_worker_run(worker), LEAT_WRONG_USE);
}

Test(guest, a_drain_that_comes_before_the_run_counts)
{
    leat_worker *early;
    leat_worker_options options;
    leat_worker_options_init(&options);
    options.broker = p.broker_url;
    cr_assert(eq(int, leat_worker_open(&options, &early), LEAT_OK));
    cr_assert(eq(int, leat_worker_run(early), LEAT_WRONG_USE)); /* it has no handler */
    cr_assert(eq(int, leat_worker_handle(early, "note", note, NULL), LEAT_OK));
    leat_worker_drain(early);
    cr_assert(eq(int, leat_worker_run(early), LEAT_OK), "%s", leat_worker_sentence(early));
    cr_assert(eq(int, leat_worker_handle(early, "tell", tell, NULL), LEAT_WRONG_USE));
    leat_worker_close(&early);
    cr_assert(early == NULL);
}

Test(guest, what_runs_when_the_broker_dies_goes_on_with_the_next_one)
{
    const uint64_t job = submit("hang", "");
    leat_watch *watch;
    leat_told told;
    MUST(leat_watch_open(client, job, &watch), LEAT_OK);
    MUST(leat_watch_next(watch, &told, WAIT_MS), LEAT_OK); /* it runs */
    programs_kill_broker(&p);
    programs_start_broker(&p);
    MUST(leat_cancel_jobs(client, &job, 1, NULL), LEAT_OK);
    must_end(job, LEAT_CANCELLED, "");
}

struct wrong {
    leat_worker_options options;
    const char *word; /* of the sentence */
};

Test(guest, wrong_options_get_a_sentence)
{
    static const char *const no_channel[] = {"good", ""};
    struct wrong rows[] = {
        {{.broker = "nonsense"},                       "nonsense"                },
        {{.key_file = "/nowhere/w1.key"},              "/nowhere/w1.key"         },
        {{.name = ""},                                 "name"                    },
        {{.slots = 2000000},                           "slots"                   },
        {{.threads = 2000},                            "threads"                 },
        {{.channels = no_channel, .channel_count = 2}, "channels[1]"             },
        {{.traits = "zone"},                           "traits \"zone\""         },
        {{.haves = "gpu=many"},                        "haves \"gpu=many\""      },
        {{.log_level = "loud"},                        "log_level \"loud\""      },
        {{.struct_size = 1},                           "leat_worker_options_init"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        leat_worker *wrong;
        if (rows[i].options.struct_size == 0)
            rows[i].options.struct_size = sizeof rows[i].options;
        cr_assert(eq(int, leat_worker_open(&rows[i].options, &wrong), LEAT_WRONG_USE), "%s",
                  rows[i].word);
        cr_assert(strstr(leat_worker_sentence(wrong), rows[i].word) != NULL, "%s",
                  leat_worker_sentence(wrong));
        cr_assert(eq(int, leat_worker_handle(wrong, "note", note, NULL), LEAT_WRONG_USE));
        cr_assert(eq(int, leat_worker_run(wrong), LEAT_WRONG_USE), "%s", rows[i].word);
        cr_assert(strstr(leat_worker_sentence(wrong), rows[i].word) != NULL);
        leat_worker_close(&wrong);
    }
}

/* Nothing is written to the program's streams, also while the broker is away. */
Test(guest, a_worker_writes_to_no_stream)
{
    char text[256];
    int fds[2];
    cr_assert(eq(int, pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0));
    (void)fflush(NULL);
    const int out = dup(1);
    const int err = dup(2);
    cr_assert(dup2(fds[1], 1) == 1 && dup2(fds[1], 2) == 2);
    programs_kill_broker(&p);
    usleep(200000);
    programs_start_broker(&p);
    const uint64_t job = submit("end", "fatal");
    must_end(job, LEAT_DEAD, "fatal with 43");
    leat_worker_drain(worker);
    WORKER_MUST(join_worker(), LEAT_OK);
    (void)fflush(NULL);
    (void)dup2(out, 1);
    (void)dup2(err, 2);
    close(fds[1]);
    const ssize_t got = read(fds[0], text, sizeof text - 1);
    text[got < 0 ? 0 : got] = '\0';
    cr_assert(le(int, (int)got, 0), "%s", text);
    close(fds[0]);
    close(out);
    close(err);
}
