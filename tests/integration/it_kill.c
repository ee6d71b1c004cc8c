/* Kills: what was acknowledged survives the broker's end and a worker's, and nothing runs twice for
 * a restart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <leat.h>

#include "tests/lib/programs.h"
#include "tests/lib/test.h"

#define QUEUED  10000U
#define RUNNING 200U

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

TestSuite(kill, .init = set_up, .fini = tear_down, .timeout = 100);

static uint64_t
submit(const char *handler, const char *payload, unsigned count)
{
    leat_batch *batch;
    cr_assert(eq(int, leat_batch_open(broker, NULL, &batch), LEAT_OK));
    for (unsigned i = 0; i < count; i++)
        cr_assert(eq(int, leat_batch_add(batch, handler, payload, strlen(payload)), LEAT_OK));
    cr_assert(eq(int, leat_batch_seal(batch), LEAT_OK), "%s", leat_sentence(broker));
    const uint64_t id = leat_batch_id(batch);
    leat_batch_free(&batch);
    return id;
}

/* Until so many jobs of the batch are running. */
static void
wait_running(uint64_t batch, const char *running)
{
    char arguments[64];
    char wanted[64];
    const char *json = "";
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    (void)snprintf(wanted, sizeof wanted, "\"running\":\"%s\"", running);
    for (int i = 0; i < 500; i++) {
        cr_assert(eq(int, leat_query(broker, "status", arguments, &json), LEAT_OK));
        if (strstr(json, wanted) != NULL)
            return;
        usleep(20000);
    }
    cr_assert(false, "never %s running: %s", running, json);
}

struct tally {
    unsigned count;
    unsigned done;
    unsigned again; /* ended by another attempt than the first */
};

static struct tally
collect(uint64_t batch, unsigned jobs)
{
    struct tally tally = {0};
    leat_wait *wait;
    leat_completed c;
    leat_status status;
    unsigned char *const seen = calloc(jobs + 1U, 1);
    cr_assert(eq(int, leat_wait_open(broker, batch, &wait), LEAT_OK));
    while ((status = leat_wait_next(wait, &c, 60000)) == LEAT_OK) {
        tally.count++;
        tally.done += c.outcome == LEAT_DONE;
        tally.again += c.attempt != 1;
        cr_assert(le(u32, c.place, jobs));
        cr_assert(eq(int, seen[c.place], 0), "job at place %u is completed twice", c.place);
        seen[c.place] = 1;
    }
    cr_assert(eq(int, status, LEAT_END), "%s", leat_sentence(broker));
    leat_wait_free(&wait);
    free(seen);
    return tally;
}

Test(kill, nothing_is_lost_and_nothing_runs_twice_when_the_broker_is_killed)
{
    programs_start_worker(&p, 0, (int)RUNNING);
    const uint64_t running = submit("sleep", "2s", RUNNING);
    wait_running(running, "200");
    const uint64_t queued = submit("noop", "", QUEUED);

    programs_kill_broker(&p);
    programs_start_broker(&p);

    const struct tally slow = collect(running, RUNNING);
    const struct tally fast = collect(queued, QUEUED);
    cr_expect(eq(uint, slow.done, RUNNING));
    cr_expect(eq(uint, fast.done, QUEUED));
    cr_expect(eq(uint, slow.again, 0), "a running job was run again for the restart");
    cr_expect(eq(uint, fast.again, 0), "a queued job was run again for the restart");
}

Test(kill, jobs_of_a_killed_worker_finish_elsewhere)
{
    programs_start_worker(&p, 0, 50);
    const uint64_t batch = submit("sleep", "1s", 100);
    wait_running(batch, "50");
    programs_start_worker(&p, 1, 100);

    programs_kill_worker(&p, 0);

    const struct tally tally = collect(batch, 100);
    cr_expect(eq(uint, tally.done, 100));
    cr_expect(eq(uint, tally.again, 50), "the jobs of the worker that died ran again, no others");
}

Test(kill, a_wait_goes_on_over_a_restart_of_the_broker)
{
    leat_wait *wait;
    leat_completed c;
    programs_start_worker(&p, 0, 4);
    const uint64_t batch = submit("sleep", "300ms", 16);
    cr_assert(eq(int, leat_wait_open(broker, batch, &wait), LEAT_OK));
    unsigned count = 0;
    while (count < 4) {
        cr_assert(eq(int, leat_wait_next(wait, &c, 10000), LEAT_OK), "%s", leat_sentence(broker));
        count++;
    }

    cr_expect(eq(int, programs_stop_broker(&p), 0));
    programs_start_broker(&p);

    leat_status status;
    while ((status = leat_wait_next(wait, &c, 30000)) == LEAT_OK)
        count++;
    cr_expect(eq(int, status, LEAT_END), "%s", leat_sentence(broker));
    cr_expect(eq(uint, count, 16), "each completion is shown once");
}

/* Until two jobs of the batch have told something: they have begun. */
static void
wait_begun(uint64_t batch)
{
    leat_watch *watch;
    leat_told told;
    uint32_t first = 0;
    cr_assert(eq(int, leat_watch_open(broker, batch, &watch), LEAT_OK));
    do {
        cr_assert(eq(int, leat_watch_next(watch, &told, 20000), LEAT_OK));
        first = first == 0 ? told.place : first;
    } while (told.place == first);
    leat_watch_free(&watch);
}

Test(kill, a_drained_worker_gives_back_what_it_has_not_started)
{
    programs_start_worker(&p, 0, 2);
    const uint64_t batch = submit("count", "6 100", 10);
    wait_begun(batch);

    cr_expect(eq(int, programs_stop_worker(&p, 0), 0), "%s", programs_log(&p, "w0"));
    programs_start_worker(&p, 1, 10);

    const struct tally tally = collect(batch, 10);
    cr_expect(eq(uint, tally.done, 10));
    cr_expect(eq(uint, tally.again, 0));
}

Test(kill, two_clients_that_wait_for_one_batch_both_see_all)
{
    leat *second;
    programs_start_worker(&p, 0, 4);
    const uint64_t batch = submit("echo", "x", 2000);

    const struct tally first = collect(batch, 2000);
    leat *const kept = broker;
    cr_assert(eq(int, leat_connect(p.broker_url, &second), LEAT_OK));
    broker = second;
    const struct tally other = collect(batch, 2000);
    leat_disconnect(&second);
    broker = kept;

    cr_expect(eq(uint, first.done, 2000));
    cr_expect(eq(uint, other.done, 2000));
}
