/* The hand: turn records go, packs shrink, and what is left is the same state. */
#include "proto/base/random.h"
#include "tests/lib/peers.h"
#include "tests/lib/test.h"

#define ALL 100000U

static test_world w;
static test_peer *client;

static void
setup(void)
{
    world_init(&w);
    client = must_client(&w);
}

static void
teardown(void)
{
    world_fini(&w);
}

TestSuite(core_hand, .init = setup, .fini = teardown);

struct contents {
    unsigned packs, pack_jobs, turns, objects;
    size_t turn_bytes;
};

static leat_err
count_object(void *context, leat_object_kind kind, uint64_t id, const uint8_t *data, size_t size)
{
    (void)kind;
    (void)id;
    (void)data;
    (void)size;
    ((struct contents *)context)->objects++;
    return LEAT_ERR_OK;
}

static leat_err
count_pack(void *context, uint64_t first_id, const uint8_t *data, size_t size)
{
    leat_pack pack;
    (void)first_id;
    const leat_err err = leat_pack_open(data, size, &pack);
    ((struct contents *)context)->packs++;
    ((struct contents *)context)->pack_jobs += pack.count;
    return err;
}

static leat_err
count_turn(void *context, uint64_t number, const uint8_t *data, size_t size)
{
    (void)number;
    (void)data;
    ((struct contents *)context)->turns++;
    ((struct contents *)context)->turn_bytes += size;
    return LEAT_ERR_OK;
}

static struct contents
must_count(void)
{
    struct contents contents = {0};
    const leat_load load = {
        .context = &contents, .object = count_object, .pack = count_pack, .turn = count_turn};
    LEAT_PASS(leat_store_load(test_late_store(w.disk), &load));
    return contents;
}

static uint64_t
must_submit(unsigned n)
{
    leat_send_head head = test_head("echo", (uint32_t)w.heard);
    head.flags = LEAT_SEND_SEAL;
    return must_send(client, &head, n)->sent.batch;
}

static test_peer *
must_hire(uint32_t slots)
{
    test_peer *const worker = must_worker(&w, "w1", slots, "echo:child");
    peer_credit(worker, slots);
    must_settle(&w);
    return worker;
}

/* End n of its open jobs, chosen at random, one frame each hundred. */
static void
end_at_random(test_peer *worker, size_t n, uint64_t seed)
{
    leat_random random;
    leat_random_seed(&random, seed);
    for (size_t ended = 0; ended < n;) {
        const size_t at = (size_t)leat_random_below(&random, worker->job_count);
        if (worker->jobs[at].over)
            continue;
        (void)peer_done(worker, &worker->jobs[at], LEAT_END_DONE, 3600000000ULL, "r", 1);
        if (++ended % 100 == 0)
            must_settle(&w);
    }
    must_settle(&w);
}

Test(core_hand, a_round_trims_the_turns_of_before)
{
    (void)must_submit(100);
    must_end_all(must_hire(10), LEAT_END_DONE);
    const unsigned before = must_count().turns;

    world_pass(&w, 3000);

    leat_store_facts facts;
    leat_store_get_facts(test_late_store(w.disk), &facts);
    cr_assert(gt(u32, before, 5));
    cr_assert(le(u32, must_count().turns, 3));
    cr_assert(gt(u64, facts.trimmed, 1));
    cr_assert(eq(u64, facts.history_jobs, 100));
    cr_assert(eq(u32, must_count().packs, 0));
}

Test(core_hand, a_broker_at_rest_writes_nothing)
{
    (void)must_submit(100);
    test_peer *const worker = must_hire(10);
    world_pass(&w, 3000);
    leat_store_facts before;
    leat_store_get_facts(test_late_store(w.disk), &before);

    world_pass(&w, 60000);

    leat_store_facts after;
    leat_store_get_facts(test_late_store(w.disk), &after);
    cr_assert(eq(sz, worker->job_count, 10));
    cr_assert(le(u64, after.commits, before.commits + 3));
}

Test(core_hand, packs_shrink_to_who_is_left)
{
    (void)must_submit(320);
    test_peer *const worker = must_hire(320);
    cr_assert(eq(u32, must_count().pack_jobs, 320));

    end_at_random(worker, 300, 1);
    world_pass(&w, 5000);

    cr_assert(eq(u32, must_count().pack_jobs, 20));
}

Test(core_hand, after_a_round_the_turns_are_bounded_by_what_is_alive)
{
    const uint64_t batch = must_submit(1000);
    test_peer *const worker = must_hire(1000);
    end_at_random(worker, 900, 2);

    world_pass(&w, 5000);

    cr_assert(lt(sz, must_count().turn_bytes, 20000)); /* 200 for each */
    cr_assert(eq(u64, must_figure(client, batch, "done"), 900));
    cr_assert(eq(u64, must_figure(client, batch, "running"), 100));
}

Test(core_hand, the_state_after_a_restart_is_the_same)
{
    const uint64_t batch = must_submit(500);
    leat_send_head head = test_head("echo", 0);
    head.settings.delay_ms = 50000;
    (void)must_send(client, &head, 10);
    head = test_head("none", 4);
    const uint64_t open = must_send(client, &head, 5)->sent.batch;
    test_peer *const worker = must_hire(300);

    for (uint64_t life = 0; life < 3; life++) {
        end_at_random(worker, 50, life);
        world_pass(&w, 2000);
        const uint32_t items = leat_core_get_facts(w.core).items;
        const uint64_t done = must_figure(client, batch, "done");
        must_restart(&w);
        must_resume(client);
        cr_assert(eq(u32, leat_core_get_facts(w.core).items, items));
        cr_assert(eq(u64, must_figure(client, batch, "done"), done));
        cr_assert(eq(u64, must_figure(client, batch, "total"), 500));
        cr_assert(eq(u64, must_figure(client, open, "ready"), 5));
        must_resume_worker(worker, 1000, true);
        cr_assert(eq(sz, worker->stop_count, 0)); /* every lease is known */
        world_pass(&w, 2000);
    }
    peer_credit(worker, 1000);
    must_settle(&w);
    must_end_all(worker, LEAT_END_DONE);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 500));
    cr_assert(ne(u32, peer_flags(client, batch) & LEAT_ITEMS_GOAL, 0));
}

Test(core_hand, ends_in_random_order_while_rounds_go_on)
{
    const uint64_t batch = must_submit(2000);
    test_peer *const worker = must_hire(2000);

    for (uint64_t i = 0; i < 10; i++) {
        end_at_random(worker, 200, i);
        world_pass(&w, 300);
    }
    world_pass(&w, 3000);

    cr_assert(eq(u64, must_figure(client, batch, "done"), 2000));
    cr_assert(eq(u32, must_count().packs, 0));
    cr_assert(le(u32, must_count().turns, 3));
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    cr_assert(peer_has_positions(client, batch, 1, 2000));
}

Test(core_hand, a_kill_in_the_middle_of_rounds_loses_nothing)
{
    for (size_t let = 0; let < 40; let += 3) {
        world_fini(&w);
        world_init(&w);
        client = must_client(&w);
        const uint64_t batch = must_submit(200);
        test_peer *const worker = must_hire(200);
        end_at_random(worker, 100, let);
        w.disk->hold = true;
        for (size_t i = 0; i < let; i++) {
            world_jump(&w, 210);
            peer_beat(worker);
            peer_beat(client);
            must_settle(&w);
        }
        test_late_let(w.disk, w.disk->count / 2);

        must_restart(&w);
        must_resume(client);

        cr_assert(eq(u64, must_figure(client, batch, "done"), 100));
        cr_assert(eq(u32, leat_core_get_facts(w.core).items, 100));
        must_resume_worker(worker, 1000, true);
        cr_assert(eq(sz, worker->stop_count, 0));
    }
}

Test(core_hand, sessions_that_came_and_went_leave_no_record)
{
    for (unsigned i = 0; i < 50; i++)
        peer_bye(must_client(&w));
    must_settle(&w);
    world_pass(&w, 3000);

    cr_assert(eq(u32, must_count().objects, 2)); /* the broker's own and the client's */
    cr_assert(eq(u32, leat_core_get_facts(w.core).peers, 1));
}

Test(core_hand, memory_jobs_are_swept_too)
{
    (void)must_command(client, "channel.new",
                       "{\"channel\":\"default\",\"durability\":\"memory\"}");
    const uint64_t batch = must_submit(320);
    test_peer *const worker = must_hire(320);
    end_at_random(worker, 300, 3);
    world_pass(&w, 5000);
    peer_wait(client, batch, 0, LEAT_GOAL_COUNT, 300, ALL);
    must_settle(&w);

    cr_assert(peer_has_positions(client, batch, 1, 300));
    leat_store_facts facts;
    leat_store_get_facts(test_late_store(w.memory), &facts);
    cr_assert(eq(u64, facts.history_jobs, 300));
}
