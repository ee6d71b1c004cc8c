/* What is kept of batches that have finished: a record each, for a time or up to an amount, and
 * longer while somebody needs it. */
#include <stdio.h>
#include <string.h>

#include "broker/store/memory.h"
#include "tests/lib/peers.h"
#include "tests/lib/test.h"

#define ALL 100000U

static test_world w;
static test_peer *client;
static test_peer *worker;

/* From here on at most so many records are kept, for so long. */
static void
keep(uint32_t batches, int64_t batch_ms)
{
    w.keep = (leat_keep){.batches_max = batches, .batch_ms_max = batch_ms};
    must_restart(&w);
    client = must_client(&w);
    worker = must_worker(&w, "w1", 100, "echo");
    peer_credit(worker, 100);
    must_settle(&w);
}

static void
setup(void)
{
    world_init(&w);
    keep(3, 86400000);
}

static void
teardown(void)
{
    world_fini(&w);
}

TestSuite(core_archive, .init = setup, .fini = teardown);

/* A batch of two jobs that end so; its number. */
static uint64_t
must_finish_on(const char *channel, leat_end end)
{
    leat_send_head head = test_head("echo", (uint32_t)w.heard);
    head.channel = leat_text_of(channel);
    head.flags = LEAT_SEND_SEAL;
    const uint64_t batch = must_send(client, &head, 2)->sent.batch;
    must_settle(&w);
    must_end_all(worker, end);
    return batch;
}

static uint64_t
must_finish(leat_end end)
{
    return must_finish_on("default", end);
}

/* Until logs are in history, finished batches are out of memory, and the archive has looked. */
static void
let_time_pass(void)
{
    for (unsigned i = 0; i < 20; i++) {
        leat_send_head head = test_head("nobody", (uint32_t)w.heard);
        (void)must_send(client, &head, 1); /* the store trims with commits */
        world_pass(&w, 1000);
    }
    must_settle(&w);
}

static bool
is_known(uint64_t batch)
{
    char arguments[64];
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    return strstr(must_ask(client, "status", arguments), "NOT_FOUND") == NULL;
}

static double
said_of(const char *path)
{
    must_query(client, "status", "{}");
    return said(&w, path);
}

Test(core_archive, the_oldest_records_go_when_there_are_too_many)
{
    uint64_t batches[6];
    for (unsigned i = 0; i < 6; i++)
        batches[i] = must_finish(LEAT_END_DONE);
    let_time_pass();

    for (unsigned i = 0; i < 6; i++)
        cr_assert(eq(int, is_known(batches[i]), i >= 3), "batch %u of 6", i);
    cr_assert(eq(dbl, said_of("broker.history_batches"), 3));
    cr_assert(eq(dbl, said_of("broker.dropped_batches"), 3));
}

Test(core_archive, a_record_goes_when_its_time_is_over)
{
    keep(100, 3600000);
    const uint64_t old = must_finish(LEAT_END_DONE);
    world_pass(&w, 1800000);
    const uint64_t young = must_finish(LEAT_END_DONE);
    world_pass(&w, 1795000);
    let_time_pass();

    cr_assert(not(is_known(old)));
    cr_assert(is_known(young));
}

Test(core_archive, a_full_disk_keeps_records_for_an_hour)
{
    leat_store_facts facts;
    keep(100, 86400000);
    const uint64_t old = must_finish(LEAT_END_DONE);
    let_time_pass();
    world_pass(&w, 3000000);
    const uint64_t young = must_finish(LEAT_END_DONE);
    let_time_pass();

    leat_store_get_facts(w.disk->under, &facts);
    leat_store_memory_limit(w.disk->under, facts.used_bytes + 1000);
    world_pass(&w, 500000);
    cr_assert(is_known(old));
    world_pass(&w, 100000);
    cr_assert(not(is_known(old)));
    cr_assert(is_known(young));
}

Test(core_archive, what_is_gone_is_said_to_be_out_of_retention)
{
    const uint64_t gone = must_finish(LEAT_END_DONE);
    for (unsigned i = 0; i < 3; i++)
        (void)must_finish(LEAT_END_DONE);
    let_time_pass();
    char arguments[64];
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\"}", (unsigned long long)gone);

    const char *const answer = must_ask(client, "status", arguments);
    cr_assert(ne(ptr, (void *)strstr(answer, "is kept for 24 hours, the last 3 batches"), NULL));
    peer_wait(client, gone, 0, LEAT_GOAL_ALL, 0, ALL);
    peer_wait(client, 1ULL << 40, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    cr_assert(eq(u32, peer_flags(client, gone), LEAT_ITEMS_UNKNOWN | LEAT_ITEMS_EXPIRED));
    cr_assert(eq(u32, peer_flags(client, 1ULL << 40), LEAT_ITEMS_UNKNOWN));
}

Test(core_archive, who_waits_for_a_batch_keeps_its_record)
{
    test_peer *const waiter = must_client(&w);
    const uint64_t first = must_finish(LEAT_END_DONE);
    peer_wait(waiter, first, 0, LEAT_GOAL_COUNT, 100, ALL); /* a goal that is never reached */
    must_settle(&w);
    for (unsigned i = 0; i < 5; i++)
        (void)must_finish(LEAT_END_DONE);
    let_time_pass();

    cr_assert(is_known(first));
    cr_assert(peer_has_positions(waiter, first, 1, 2));
    peer_bye(waiter);
    let_time_pass();
    cr_assert(not(is_known(first)));
}

Test(core_archive, a_batch_with_dead_jobs_goes_with_the_last_of_them)
{
    const uint64_t first = must_finish(LEAT_END_FATAL);
    for (unsigned i = 0; i < 5; i++)
        (void)must_finish(LEAT_END_DONE);
    let_time_pass();

    cr_assert(is_known(first));
    cr_assert(eq(dbl, said_of("broker.dropped_batches"), 2));
    must_do(client, "dead.remove", "{\"jobs\":[\"%llu\"]}", (unsigned long long)first + 1);
    let_time_pass();
    cr_assert(is_known(first), "the other one is dead still");
    must_do(client, "dead.remove", "{\"jobs\":[\"%llu\"]}", (unsigned long long)first + 2);
    let_time_pass();
    cr_assert(not(is_known(first)));
}

Test(core_archive, order_and_counts_survive_a_restart)
{
    uint64_t batches[5];
    batches[0] = must_finish(LEAT_END_FATAL);
    for (unsigned i = 1; i < 5; i++)
        batches[i] = must_finish(LEAT_END_DONE);
    let_time_pass();
    const double dropped = said_of("broker.dropped_batches");

    keep(2, 86400000);
    let_time_pass();

    cr_assert(eq(dbl, dropped, 1));
    cr_assert(is_known(batches[0]), "it has dead jobs");
    cr_assert(not(is_known(batches[1])));
    cr_assert(not(is_known(batches[2])));
    cr_assert(is_known(batches[3]));
    cr_assert(is_known(batches[4]));
    cr_assert(eq(dbl, said_of("broker.dropped_batches"), 2));
}

Test(core_archive, a_start_does_not_keep_them_in_memory)
{
    for (unsigned i = 0; i < 3; i++)
        (void)must_finish(LEAT_END_DONE);
    let_time_pass();
    const size_t alive = leat_core_get_facts(w.core).batches;

    LEAT_PASS(world_restart(&w));
    cr_assert(eq(sz, leat_core_get_facts(w.core).batches, alive), "before the first turn");
    world_turn(&w);
    client = must_client(&w);
    cr_assert(eq(dbl, said_of("broker.history_batches"), 3));
}

Test(core_archive, batches_in_memory_go_as_well)
{
    (void)must_command(client, "channel.new", "{\"channel\":\"m\",\"durability\":\"memory\"}");
    worker = world_peer(&w, "w2", 100, "echo");
    worker->hello->channel_count = 1;
    (void)snprintf(worker->hello->channels[0], sizeof worker->hello->channels[0], "m");
    peer_connect(worker, false);
    must_settle(&w);
    peer_credit(worker, 100);
    uint64_t batches[5];
    for (unsigned i = 0; i < 5; i++)
        batches[i] = must_finish_on("m", LEAT_END_DONE);
    for (unsigned i = 0; i < 20; i++) {
        (void)must_finish_on("m", LEAT_END_DONE);
        world_pass(&w, 1000);
    }

    for (unsigned i = 0; i < 5; i++)
        cr_assert(not(is_known(batches[i])));
}

Test(core_archive, dead_jobs_are_kept_up_to_an_amount)
{
    w.keep.dead_max = 3;
    must_restart(&w);
    client = must_client(&w);
    worker = must_worker(&w, "w2", 100, "echo");
    peer_credit(worker, 100);
    for (unsigned i = 0; i < 3; i++)
        (void)must_finish(LEAT_END_FATAL);
    let_time_pass();

    cr_assert(eq(dbl, said_of("broker.dead_jobs"), 3));
    cr_assert(eq(dbl, said_of("broker.dropped_dead"), 3));
}

/* ------------------------------------------------------------------------------ keep */

/* A batch of 100 jobs in channel "k", which keeps so much; every third of them dies. */
static uint64_t
must_finish_keeping(const char *what)
{
    char arguments[96];
    (void)snprintf(arguments, sizeof arguments, "{\"channel\":\"k\",\"keep\":\"%s\"}", what);
    (void)must_command(client, "channel.new", arguments);
    test_peer *const hand = world_peer(&w, "w2", 100, "echo");
    hand->hello->channel_count = 1;
    (void)snprintf(hand->hello->channels[0], sizeof hand->hello->channels[0], "k");
    peer_connect(hand, false);
    must_settle(&w);
    leat_send_head head = test_head("echo", (uint32_t)w.heard);
    head.channel = leat_text_of("k");
    head.flags = LEAT_SEND_SEAL;
    const uint64_t batch = must_send(client, &head, 99)->sent.batch;
    peer_credit(hand, 100);
    must_settle(&w);
    cr_assert(eq(sz, hand->job_count, 99));
    for (size_t i = 0; i < 99; i++)
        (void)peer_done(hand, &hand->jobs[i], i % 3 == 0 ? LEAT_END_FATAL : LEAT_END_DONE, 1, "x",
                        1);
    must_settle(&w);
    return batch;
}

/* Everything of the batch that can be had, when its log is in history. */
static size_t
count_kept(uint64_t batch)
{
    let_time_pass();
    test_peer *const late = must_client(&w);
    peer_wait(late, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    cr_assert(ne(u32, peer_flags(late, batch) & LEAT_ITEMS_GOAL, 0));
    cr_assert(eq(u64, peer_last_run(late, batch)->counters.done, 66));
    cr_assert(eq(u64, peer_last_run(late, batch)->counters.dead, 33));
    return late->completion_count;
}

Test(core_archive, a_channel_keeps_all_if_nothing_is_said)
{
    cr_assert(eq(sz, count_kept(must_finish_keeping("all")), 99));
}

Test(core_archive, a_channel_may_keep_what_has_failed_only)
{
    const uint64_t batch = must_finish_keeping("failed");
    cr_assert(eq(sz, count_kept(batch), 33));
    cr_assert(eq(dbl, said_of("broker.history_jobs"), 33));
}

Test(core_archive, a_channel_may_keep_nothing_but_the_figures)
{
    const uint64_t batch = must_finish_keeping("none");
    cr_assert(eq(sz, count_kept(batch), 0));
    cr_assert(eq(dbl, said_of("broker.history_jobs"), 0));
}

Test(core_archive, who_waits_is_handed_all_whatever_is_kept)
{
    test_peer *const waiter = must_client(&w);
    (void)must_command(client, "channel.new", "{\"channel\":\"default\",\"keep\":\"none\"}");
    leat_send_head head = test_head("echo", (uint32_t)w.heard);
    head.flags = LEAT_SEND_SEAL;
    const uint64_t batch = must_send(client, &head, 2)->sent.batch;
    peer_wait(waiter, batch, 0, LEAT_GOAL_COUNT, 0, ALL); /* attached, and reads nothing yet */
    must_settle(&w);
    must_end_all(worker, LEAT_END_DONE);
    let_time_pass();

    peer_wait(waiter, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    cr_assert(peer_has_positions(waiter, batch, 1, 2));
}

Test(core_archive, what_a_channel_keeps_survives_a_restart)
{
    (void)must_command(client, "channel.new", "{\"channel\":\"k\",\"keep\":\"failed\"}");
    must_restart(&w);
    client = must_client(&w);
    must_query(client, "channel", "{\"channel\":\"k\"}");
    cr_assert(eq(int, strcmp(said_text(&w, "keep"), "failed"), 0));
    cr_assert(eq(int,
                 code_of_command(client, "channel.set", "{\"channel\":\"k\",\"keep\":\"some\"}"),
                 LEAT_ERR_MALFORMED));
    must_do(client, "channel.set", "{\"channel\":\"k\",\"keep\":null}");
    must_query(client, "channel", "{\"channel\":\"k\"}");
    cr_assert(eq(int, strcmp(said_text(&w, "keep"), "all"), 0));
}
