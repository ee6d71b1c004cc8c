/* Room: a disk that gives no more refuses what comes in, and stops nothing that goes on. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/store/memory.h"
#include "tests/lib/peers.h"
#include "tests/lib/test.h"

static test_world w;
static test_peer *client;
static test_peer *worker;

static void
setup(void)
{
    world_init(&w);
    client = must_client(&w);
    worker = must_worker(&w, "w1", 100, "echo clean mend");
}

static void
teardown(void)
{
    world_fini(&w);
}

TestSuite(core_room, .init = setup, .fini = teardown, .timeout = 30);

/* The disk has so much more, and that is all. */
static void
leave_bytes(uint64_t bytes)
{
    leat_store_facts facts;
    leat_store_get_facts(w.disk->under, &facts);
    leat_store_memory_limit(w.disk->under, facts.used_bytes + bytes);
    world_turn(&w);
}

static uint64_t
promised(void)
{
    must_query(client, "status", "{}");
    return (uint64_t)said(&w, "broker.promised_bytes");
}

static const test_answer *
send(const leat_send_head *head, unsigned n)
{
    const uint64_t sequence = peer_send(client, head, n, 0);
    must_settle(&w);
    return must_answer(client, sequence);
}

static const test_answer *
done(test_job *job, leat_end end, size_t result_bytes)
{
    uint8_t *const result = calloc(1, result_bytes + 1);
    const uint64_t sequence = peer_done(worker, job, end, 100, result, result_bytes);
    free(result);
    must_settle(&w);
    return must_answer(worker, sequence);
}

Test(core_room, a_send_without_room_is_refused_and_changes_nothing)
{
    const leat_send_head head = test_head("echo", 0);
    leave_bytes(0);
    const uint64_t before = promised();
    const test_answer *const answer = send(&head, 3);
    cr_assert(eq(int, (int)answer->sent.code, LEAT_ERR_NO_SPACE));
    cr_assert(eq(u32, answer->sent.accepted, 0));
    cr_assert(ne(ptr, strstr(answer->sentence, "no space left"), NULL));
    cr_assert(eq(u64, promised(), before));
    must_query(client, "status", "{}");
    cr_assert(eq(dbl, said(&w, "broker.refused_for_space"), 1));

    leat_store_memory_limit(w.disk->under, 0);
    world_turn(&w);
    (void)must_send(client, &head, 3);
}

Test(core_room, sends_leave_a_spare_and_the_ends_of_what_is_alive)
{
    const leat_send_head head = test_head("echo", 0);
    leave_bytes(LEAT_ROOM_SEND_TURNS * (uint64_t)LEAT_ROOM_TURN_BYTES + 100000);
    uint64_t accepted = 0;
    while (send(&head, 1)->sent.code == LEAT_ERR_OK)
        accepted++;
    cr_assert(gt(u64, accepted, 20));
    cr_assert(lt(u64, accepted, 100000 / 384));
    cr_assert(ge(u64, promised(), accepted * 384));
}

Test(core_room, everything_that_was_accepted_ends_without_room)
{
    leat_send_head head = test_head("echo", 0);
    (void)must_send(client, &head, 40);
    leave_bytes(0);
    peer_credit(worker, 100);
    must_settle(&w);
    cr_assert(eq(sz, peer_open_jobs(worker), 40));
    for (size_t i = 0; i < 40; i++) {
        test_job *const job = &worker->jobs[i];
        const test_answer *const answer =
            done(job, i % 3 == 0 ? LEAT_END_FATAL : LEAT_END_DONE, LEAT_ROOM_RESULT_BYTES);
        cr_assert(eq(int, (int)answer->code, LEAT_ERR_OK));
        cr_assert(eq(int, (int)answer->exceptions, 0));
    }
    cr_assert(eq(u64, promised(), 0));
    must_query(client, "status", "{}");
    cr_assert(eq(dbl, said(&w, "broker.dead_jobs"), 14));
}

Test(core_room, a_large_result_without_room_is_the_workers_to_keep)
{
    const leat_send_head head = test_head("echo", 0);
    (void)must_send(client, &head, 2);
    leave_bytes(50000);
    peer_credit(worker, 10);
    must_settle(&w);
    test_job *const job = &worker->jobs[0];
    const test_answer *answer = done(job, LEAT_END_DONE, 100000);
    cr_assert(eq(int, (int)answer->exceptions, 1));
    cr_assert(eq(int, (int)answer->exception.code, LEAT_ERR_NO_SPACE));
    cr_assert(eq(u64, answer->exception.id, job->token.id));

    /* It is still this worker's, and it is asked again. */
    leat_store_memory_limit(w.disk->under, 0);
    world_turn(&w);
    job->over = false;
    answer = done(job, LEAT_END_DONE, 100000);
    cr_assert(eq(int, (int)answer->exceptions, 0));
    must_end_all(worker, LEAT_END_DONE);
    cr_assert(eq(u64, promised(), 0));
}

Test(core_room, what_follows_a_job_has_its_room_from_the_beginning)
{
    leat_send_head head = test_head("echo", 0);
    head.settings.finally_count = 2;
    head.settings.finally[0] = (leat_follower){
        .handler = leat_text_of("clean"), .payload = {(const uint8_t *)"x", 1}
    };
    head.settings.finally[1] = head.settings.finally[0];
    head.settings.recover = (leat_follower){
        .handler = leat_text_of("mend"), .payload = {(const uint8_t *)"y", 1}
    };
    (void)must_send(client, &head, 1);
    leave_bytes(0);
    peer_credit(worker, 10);
    must_settle(&w);
    (void)done(&worker->jobs[0], LEAT_END_FATAL, 20);
    must_end_all(worker, LEAT_END_DONE);
    cr_assert(eq(sz, worker->job_count, 4)); /* itself, its recovery, and both clean */
    cr_assert(eq(u64, promised(), 0));
}

Test(core_room, jobs_of_memory_channels_need_none)
{
    leat_send_head head = test_head("echo", 0);
    must_do(client, "channel.new", "{\"channel\":\"m\",\"durability\":\"memory\"}");
    head.channel = leat_text_of("m");
    leave_bytes(0);
    (void)must_send(client, &head, 10);
    cr_assert(eq(u64, promised(), 0));
}

Test(core_room, commands_that_bring_something_are_refused_and_those_that_end_are_not)
{
    const leat_send_head head = test_head("echo", 0);
    (void)must_send(client, &head, 5);
    must_do(client, "schedule.add",
            "{\"name\":\"s\",\"expr\":\"@daily\",\"handler\":\"echo\",\"payload\":\"x\"}");
    leave_bytes(1000);
    cr_assert(eq(int, (int)code_of_command(client, "channel.new", "{\"channel\":\"new\"}"),
                 LEAT_ERR_NO_SPACE));
    cr_assert(eq(int,
                 (int)code_of_command(client, "schedule.add",
                                      "{\"name\":\"t\",\"expr\":\"@daily\",\"handler\":\"echo\"}"),
                 LEAT_ERR_NO_SPACE));
    cr_assert(eq(int, (int)code_of_command(client, "schedule.run", "{\"name\":\"s\"}"),
                 LEAT_ERR_NO_SPACE));
    must_do(client, "schedule.pause", "{\"name\":\"s\"}");
    must_do(client, "channel.pause", "{\"channel\":\"default\"}");
    must_do(client, "channel.resume", "{\"channel\":\"default\"}");
    must_do(client, "channel.purge", "{\"channel\":\"default\"}");
    cr_assert(eq(u64, promised(), 0));
}

Test(core_room, a_schedule_that_finds_no_room_is_skipped_and_counted)
{
    must_do(client, "schedule.add",
            "{\"name\":\"s\",\"expr\":\"* * * * *\",\"handler\":\"echo\",\"payload\":\"x\"}");
    leave_bytes(1000);
    world_pass(&w, 61000);
    must_query(client, "schedules", "{}");
    cr_assert(ge(dbl, said(&w, "schedules.0.skipped"), 1));
}

Test(core_room, a_select_that_would_send_is_refused)
{
    must_do(client, "channel.new", "{\"channel\":\"news\",\"kind\":\"messages\"}");
    leave_bytes(0);
    const uint64_t sequence = peer_select(client, "!news", 0);
    must_settle(&w);
    const test_selected *const selected = peer_selected(client, sequence);
    cr_assert(selected != NULL);
    cr_assert(eq(int, (int)selected->selected.code, LEAT_ERR_NO_SPACE));
}

Test(core_room, who_joins_a_job_needs_room_for_its_completion)
{
    leat_send_head head = test_head("echo", 0);
    head.settings.unique = leat_text_of("key");
    (void)must_send(client, &head, 1);
    const uint64_t one = promised();
    (void)must_send(client, &head, 1);
    cr_assert(gt(u64, promised(), one));
    leave_bytes(0);
    cr_assert(eq(int, (int)send(&head, 1)->sent.code, LEAT_ERR_NO_SPACE));
    peer_credit(worker, 10);
    must_settle(&w);
    must_end_all(worker, LEAT_END_DONE);
    cr_assert(eq(u64, promised(), 0));
}

Test(core_room, what_is_promised_is_known_again_after_a_restart)
{
    leat_send_head head = test_head("echo", 0);
    head.settings.reply = leat_text_of("replies");
    (void)must_send(client, &head, 7);
    head.settings.unique = leat_text_of("key");
    (void)must_send(client, &head, 1);
    (void)must_send(client, &head, 1);
    const uint64_t before = promised();
    must_restart(&w);
    must_resume(client);
    cr_assert(eq(u64, promised(), before));
}

Test(core_room, a_full_disk_does_not_keep_the_broker_from_starting)
{
    const leat_send_head head = test_head("echo", 0);
    (void)must_send(client, &head, 100);
    leave_bytes(0);
    must_restart(&w);
    must_resume(client);
    cr_assert(eq(int, (int)send(&head, 1)->sent.code, LEAT_ERR_NO_SPACE));
}

/* Records leave a full disk little by little; what a turn says of ends stays until they have. */
Test(core_room, nothing_comes_back_when_the_broker_dies_while_it_clears_up)
{
    const leat_send_head head = test_head("echo", 0);
    for (unsigned i = 0; i < 10; i++)
        (void)must_send(client, &head, 1000);
    worker = must_worker(&w, "w2", 10000, "echo");
    peer_credit(worker, 20000);
    must_settle(&w);
    leave_bytes(0);
    const size_t given = worker->job_count;
    cr_assert(gt(sz, given, 2000));
    for (size_t i = 0; i < given; i += 1000)
        (void)peer_done_many(worker, i, given - i < 1000 ? given - i : 1000, LEAT_END_DONE, 1);
    world_turn(&w);
    world_turn(&w);
    must_restart(&w);
    must_resume(client);
    const uint64_t left = promised();
    cr_assert(le(u64, left, (10000 - given) * 400));
    world_pass(&w, 5000);
    must_restart(&w);
    must_resume(client);
    cr_assert(eq(u64, promised(), left));
}
