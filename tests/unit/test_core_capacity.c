/* Channels with a capacity: senders wait in line, receivers are counted, and at capacity 0 they
 * meet. */
#include <stdio.h>
#include <stdlib.h>

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

TestSuite(core_capacity, .init = setup, .fini = teardown);

/* Channel "default" for jobs, channel "c" for messages. */
static void
bound_jobs(unsigned capacity)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"capacity\":%u}", capacity);
}

static void
bound_messages(unsigned capacity)
{
    must_do(client, "channel.new", "{\"channel\":\"c\",\"kind\":\"messages\",\"capacity\":%u}",
            capacity);
}

static leat_send_head
message_head(uint8_t flags)
{
    leat_send_head head = test_head("", 0);
    head.channel = leat_text_of("c");
    head.flags = flags;
    return head;
}

static uint64_t
send_jobs(test_peer *peer, uint32_t tag, unsigned n, uint8_t flags)
{
    leat_send_head head = test_head("echo", tag);
    head.flags = flags;
    const uint64_t sequence = peer_send(peer, &head, n, 0);
    must_settle(&w);
    return sequence;
}

static uint64_t
send_messages(test_peer *peer, unsigned n, uint8_t flags)
{
    const leat_send_head head = message_head(flags);
    const uint64_t sequence = peer_send(peer, &head, n, 0);
    must_settle(&w);
    return sequence;
}

static bool
is_answered(test_peer *peer, uint64_t sequence)
{
    return peer_answer(peer, sequence) != NULL;
}

static void
must_be_sent(test_peer *peer, uint64_t sequence, leat_err code, uint32_t accepted)
{
    const test_answer *const answer = must_answer(peer, sequence);
    cr_assert(eq(int, answer->command, LEAT_CMD_SENT));
    cr_assert(eq(int, answer->code, code));
    cr_assert(eq(u32, answer->sent.accepted, accepted));
}

static unsigned
ready_in(const char *channel)
{
    must_query(client, "channel", "{\"channel\":\"%s\"}", channel);
    return (unsigned)said(&w, "ready");
}

static test_peer *
must_hire(uint32_t slots)
{
    test_peer *const worker = must_worker(&w, "w1", slots, "echo");
    peer_credit(worker, slots);
    must_settle(&w);
    return worker;
}

static void
end_first(test_peer *worker)
{
    for (size_t i = 0; i < worker->job_count; i++) {
        if (worker->jobs[i].over)
            continue;
        (void)peer_done(worker, &worker->jobs[i], LEAT_END_DONE, 1000, "", 0);
        break;
    }
    must_settle(&w);
}

/* ------------------------------------------------------------------------------ the line */

Test(core_capacity, a_full_channel_lets_its_sender_wait)
{
    bound_jobs(3);
    must_be_sent(client, send_jobs(client, 0, 3, 0), LEAT_ERR_OK, 3);

    const uint64_t waiting = send_jobs(client, 0, 1, 0);

    cr_assert(not(is_answered(client, waiting)));
    cr_assert(eq(u32, ready_in("default"), 3));
    cr_assert(eq(dbl, said(&w, "senders"), 1.0));
    test_peer *const worker = must_hire(1);
    cr_assert(eq(sz, worker->job_count, 1)); /* and so there is room for the fourth */
    must_be_sent(client, waiting, LEAT_ERR_OK, 1);
    cr_assert(eq(u32, ready_in("default"), 3));
}

Test(core_capacity, of_a_frame_goes_in_what_there_is_room_for)
{
    bound_jobs(3);

    const uint64_t sequence = send_jobs(client, 4, 5, 0);

    cr_assert(not(is_answered(client, sequence)));
    cr_assert(eq(u32, ready_in("default"), 3));
    test_peer *const worker = must_hire(2);
    must_be_sent(client, sequence, LEAT_ERR_OK, 5);
    must_end_all(worker, LEAT_END_DONE);
    cr_assert(eq(sz, worker->job_count, 5));
    const uint64_t first = must_answer(client, sequence)->sent.first_id;
    for (size_t i = 0; i < 5; i++) {
        cr_assert(eq(u64, worker->jobs[i].token.id, first + i));
        cr_assert(eq(u32, worker->jobs[i].place, i + 1));
    }
}

Test(core_capacity, the_line_is_served_in_order_across_sessions)
{
    test_peer *const others[] = {must_client(&w), must_client(&w), must_client(&w)};
    bound_messages(1);
    must_be_sent(client, send_messages(client, 1, 0), LEAT_ERR_OK, 1);
    uint64_t sequences[3];
    for (unsigned i = 0; i < 3; i++)
        sequences[i] = send_messages(others[i], 1, 0);
    const uint64_t last = send_messages(client, 1, 0);

    for (unsigned i = 0; i < 3; i++) {
        cr_assert(not(is_answered(others[i], sequences[i])));
        peer_receive(client, "c", 10, i + 1);
        must_settle(&w);
        must_be_sent(others[i], sequences[i], LEAT_ERR_OK, 1);
        cr_assert(not(is_answered(client, last)));
    }
    peer_receive(client, "c", 10, 4);
    must_settle(&w);
    must_be_sent(client, last, LEAT_ERR_OK, 1);
}

Test(core_capacity, what_comes_later_does_not_overtake_the_line)
{
    test_peer *const other = must_client(&w);
    bound_messages(4);
    const uint64_t large = send_messages(client, 6, 0);
    const uint64_t small = send_messages(other, 1, 0);
    cr_assert(not(is_answered(client, large)));
    cr_assert(not(is_answered(other, small)));

    peer_receive(client, "c", 10, 2);
    must_settle(&w);

    must_be_sent(client, large, LEAT_ERR_OK, 6);
    cr_assert(not(is_answered(other, small)));
}

Test(core_capacity, another_channel_is_not_in_the_way)
{
    bound_messages(1);
    (void)send_messages(client, 2, 0);

    must_be_sent(client, send_jobs(client, 0, 5, 0), LEAT_ERR_OK, 5);
}

Test(core_capacity, who_only_tries_is_told_how_many_are_in)
{
    bound_jobs(3);

    must_be_sent(client, send_jobs(client, 0, 5, LEAT_SEND_TRY), LEAT_ERR_FULL, 3);
    must_be_sent(client, send_jobs(client, 0, 1, LEAT_SEND_TRY), LEAT_ERR_FULL, 0);
    cr_assert(eq(u32, ready_in("default"), 3));
}

Test(core_capacity, who_only_tries_does_not_overtake_the_line)
{
    test_peer *const other = must_client(&w);
    bound_messages(0);
    (void)send_messages(client, 1, 0);

    must_be_sent(other, send_messages(other, 1, LEAT_SEND_TRY), LEAT_ERR_FULL, 0);
}

Test(core_capacity, a_sender_that_withdraws_is_told_how_many_are_in)
{
    bound_jobs(3);
    const uint64_t sequence = send_jobs(client, 7, 5, 0);

    peer_withdraw(client, sequence);
    must_settle(&w);

    must_be_sent(client, sequence, LEAT_ERR_TIMEOUT, 3);
    cr_assert(eq(u64, must_figure(client, must_answer(client, sequence)->sent.batch, "total"), 3));
    cr_assert(eq(dbl, (ready_in("default"), said(&w, "senders")), 0.0));
}

Test(core_capacity, a_sender_that_withdraws_too_late_is_in)
{
    bound_messages(1);
    (void)send_messages(client, 1, 0);
    const leat_send_head head = message_head(0);
    const uint64_t sequence = peer_send(client, &head, 1, 0);
    peer_receive(client, "c", 1, 1);
    world_turn(&w); /* it is in, and the answer on its way */

    peer_withdraw(client, sequence);
    must_settle(&w);

    must_be_sent(client, sequence, LEAT_ERR_OK, 1);
}

Test(core_capacity, who_stands_behind_one_that_withdraws_moves_up)
{
    test_peer *const other = must_client(&w);
    bound_messages(2);
    (void)send_messages(client, 1, 0);
    const uint64_t large = send_messages(client, 5, 0);
    const uint64_t small = send_messages(other, 1, 0);

    peer_withdraw(client, large);
    peer_receive(client, "c", 10, 1);
    must_settle(&w);

    must_be_sent(client, large, LEAT_ERR_TIMEOUT, 1);
    must_be_sent(other, small, LEAT_ERR_OK, 1);
}

Test(core_capacity, closing_refuses_those_in_line)
{
    test_peer *const other = must_client(&w);
    bound_messages(2);
    const uint64_t first = send_messages(client, 5, 0);
    const uint64_t second = send_messages(other, 1, 0);

    must_do(client, "channel.close", "{\"channel\":\"c\"}");
    must_settle(&w);

    must_be_sent(client, first, LEAT_ERR_CLOSED, 2);
    must_be_sent(other, second, LEAT_ERR_CLOSED, 0);
    LEAT_SAME_TEXT(must_answer(other, second)->sentence, "channel \"c\" is closed");
    peer_receive(other, "c", 5, 5);
    must_settle(&w);
    cr_assert(eq(sz, other->message_count, 2)); /* what is in is received */
}

Test(core_capacity, a_larger_capacity_lets_them_in)
{
    bound_messages(2);
    const uint64_t sequence = send_messages(client, 5, 0);

    must_do(client, "channel.set", "{\"channel\":\"c\",\"capacity\":4}");
    cr_assert(eq(u32, ready_in("c"), 4));
    must_do(client, "channel.set", "{\"channel\":\"c\",\"capacity\":null}");
    must_settle(&w);

    must_be_sent(client, sequence, LEAT_ERR_OK, 5);
}

Test(core_capacity, a_smaller_capacity_throws_nothing_out)
{
    bound_messages(4);
    (void)send_messages(client, 4, 0);

    must_do(client, "channel.set", "{\"channel\":\"c\",\"capacity\":1}");

    cr_assert(eq(u32, ready_in("c"), 4));
    must_be_sent(client, send_messages(client, 1, LEAT_SEND_TRY), LEAT_ERR_FULL, 0);
}

Test(core_capacity, who_waits_goes_in_behind_a_purge)
{
    for (unsigned i = 1; i <= 8; i++) {
        char channel[2] = {(char)('a' + i), '\0'};
        leat_send_head head = message_head(0);
        head.channel = leat_text_of(channel);
        must_do(client, "channel.new", "{\"channel\":\"%s\",\"kind\":\"messages\",\"capacity\":%u}",
                channel, 700 * i);
        (void)must_send(client, &head, 700 * i - 5);
        const uint64_t sequence = peer_send(client, &head, 10, 0); /* five are in */
        must_settle(&w);

        must_do(client, "channel.purge", "{\"channel\":\"%s\"}", channel);
        world_pass(&w, 1000);

        must_be_sent(client, sequence, LEAT_ERR_OK, 10);
        cr_assert(eq(u32, ready_in(channel), 5), "%u", i);
    }
}

Test(core_capacity, a_frame_that_comes_again_during_a_purge_goes_in_behind_it)
{
    bound_messages(5600);
    (void)send_messages(client, 5595, 0);
    const uint64_t sequence = send_messages(client, 10, 0);
    test_peer *const other = must_client(&w);
    peer_cut(client);
    world_pass(&w, 2000);
    must_resume(client);
    (void)peer_command(other, "channel.purge", "{\"channel\":\"c\"}");
    world_turn(&w);
    world_turn(&w); /* there is room, and the purge is not over */

    peer_repeat(client, sequence);
    must_settle(&w);
    world_pass(&w, 1000);

    must_be_sent(client, sequence, LEAT_ERR_OK, 10);
    cr_assert(eq(u32, ready_in("c"), 5));
}

Test(core_capacity, one_that_is_paused_still_takes_in)
{
    bound_messages(4);
    must_do(client, "channel.pause", "{\"channel\":\"c\"}");

    must_be_sent(client, send_messages(client, 4, 0), LEAT_ERR_OK, 4);
}

/* ------------------------------------------------------------------------------ what counts */

Test(core_capacity, what_runs_does_not_count)
{
    bound_jobs(2);
    (void)send_jobs(client, 0, 2, 0);
    (void)must_hire(2);

    must_be_sent(client, send_jobs(client, 0, 2, 0), LEAT_ERR_OK, 2);
    cr_assert(eq(u32, ready_in("default"), 2));
}

Test(core_capacity, what_is_delayed_does_not_count)
{
    bound_jobs(2);
    leat_send_head head = test_head("echo", 0);
    head.settings.delay_ms = 10000;
    (void)must_send(client, &head, 2);

    must_be_sent(client, send_jobs(client, 0, 2, 0), LEAT_ERR_OK, 2);
}

Test(core_capacity, what_comes_back_goes_in_above_it)
{
    bound_jobs(2);
    (void)send_jobs(client, 0, 2, 0);
    test_peer *const worker = must_hire(2);
    (void)send_jobs(client, 0, 2, 0);
    peer_credit(worker, 0);

    (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[0], 0);
    (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[1], 0);
    must_settle(&w);

    cr_assert(eq(u32, ready_in("default"), 4));
    must_be_sent(client, send_jobs(client, 0, 1, LEAT_SEND_TRY), LEAT_ERR_FULL, 0);
}

Test(core_capacity, a_worker_holds_no_more_than_its_slots)
{
    bound_jobs(100);
    test_peer *const worker = must_worker(&w, "w1", 2, "echo");
    peer_credit(worker, 50);
    (void)send_jobs(client, 0, 10, 0);
    end_first(worker); /* the mean is known: a millisecond */

    cr_assert(eq(sz, worker->job_count, 3));
    cr_assert(eq(sz, peer_open_jobs(worker), 2));
}

/* ------------------------------------------------------------------------------ bytes */

Test(core_capacity, sixteen_mebibytes_wait_and_no_more)
{
    bound_messages(0);
    const leat_send_head head = message_head(0);
    const size_t payload = LEAT_PAYLOAD_BYTES_MAX - 64; /* with its head a MiB and less */
    uint64_t sequences[17];
    for (unsigned i = 0; i < 17; i++)
        sequences[i] = peer_send(client, &head, 1, payload);
    must_settle(&w);

    for (unsigned i = 0; i < 16; i++)
        cr_assert(not(is_answered(client, sequences[i])));
    must_be_sent(client, sequences[16], LEAT_ERR_LIMIT, 0);
    LEAT_SAME_TEXT(must_answer(client, sequences[16])->sentence,
                   "too much of this session waits in line");
    peer_receive(client, "c", 1, 1); /* one goes in: there is room for one more */
    must_settle(&w);
    const uint64_t again = peer_send(client, &head, 1, payload);
    must_settle(&w);
    cr_assert(not(is_answered(client, again)));
}

Test(core_capacity, others_wait_beside_a_session_that_has_too_much_in_line)
{
    test_peer *const other = must_client(&w);
    bound_messages(0);
    const leat_send_head head = message_head(0);
    for (unsigned i = 0; i < 17; i++)
        (void)peer_send(client, &head, 1, LEAT_PAYLOAD_BYTES_MAX - 64);

    const uint64_t sequence = send_messages(other, 1, 0);

    cr_assert(not(is_answered(other, sequence)));
}

/* ------------------------------------------------------------------------------ reconnects */

Test(core_capacity, a_partial_frame_goes_on_after_a_reconnect)
{
    bound_messages(3);
    const uint64_t sequence = send_messages(client, 5, 0);
    peer_cut(client);
    world_pass(&w, 2000);
    test_peer *const other = must_client(&w);
    must_query(other, "channel", "{\"channel\":\"c\"}");
    cr_assert(eq(dbl, said(&w, "senders"), 0.0)); /* what parks is forgotten */

    must_resume(client);
    peer_repeat(client, sequence);
    peer_receive(other, "c", 10, 5);
    must_settle(&w);

    must_be_sent(client, sequence, LEAT_ERR_OK, 5);
    cr_assert(eq(sz, other->message_count, 5));
    const uint64_t first = must_answer(client, sequence)->sent.first_id;
    for (size_t i = 0; i < 5; i++) {
        cr_assert(eq(u64, other->messages[i].message.id, first + i));
        cr_assert(eq(int, other->messages[i].message.payload.data[0], '0' + (int)i));
    }
}

Test(core_capacity, a_partial_frame_goes_on_after_a_restart)
{
    bound_messages(3);
    const uint64_t sequence = send_messages(client, 5, 0);
    world_pass(&w, 3000); /* the hand has passed */

    must_restart(&w);
    must_resume(client);
    test_peer *const other = must_client(&w);
    peer_receive(other, "c", 10, 1); /* takes one: there is room for one */
    must_settle(&w);
    peer_repeat(client, sequence);
    must_settle(&w);
    cr_assert(not(is_answered(client, sequence)));
    must_restart(&w); /* with four in */
    must_resume(client);
    must_resume(other);
    peer_receive(other, "c", 10, 10);
    peer_repeat(client, sequence);
    must_settle(&w);

    must_be_sent(client, sequence, LEAT_ERR_OK, 5);
    const uint64_t first = must_answer(client, sequence)->sent.first_id;
    bool seen[5] = {false};
    for (size_t i = 0; i < other->message_count; i++) {
        const test_message *const message = &other->messages[i];
        const uint64_t at = message->message.id - first;
        cr_assert(lt(u64, at, 5));
        cr_assert(eq(int, message->message.payload.data[0], '0' + (int)at));
        seen[at] = true;
    }
    for (size_t i = 0; i < 5; i++)
        cr_assert(seen[i]);
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 5)); /* none twice, none lost */
}

Test(core_capacity, a_partial_frame_of_jobs_keeps_its_batch_and_places)
{
    bound_jobs(2);
    const uint64_t sequence = send_jobs(client, 6, 5, LEAT_SEND_SEAL);

    must_restart(&w);
    must_resume(client);
    test_peer *const worker = must_hire(1);
    peer_repeat(client, sequence);
    must_settle(&w);
    must_end_all(worker, LEAT_END_DONE);

    must_be_sent(client, sequence, LEAT_ERR_OK, 5);
    const uint64_t batch = must_answer(client, sequence)->sent.batch;
    cr_assert(eq(sz, worker->job_count, 5));
    for (size_t i = 0; i < 5; i++) {
        cr_assert(eq(u64, worker->jobs[i].batch, batch));
        cr_assert(eq(u32, worker->jobs[i].place, i + 1));
    }
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    cr_assert(peer_has_positions(client, batch, 1, 5));
}

Test(core_capacity, a_partial_frame_in_memory_goes_on_after_a_reconnect)
{
    must_do(client, "channel.new",
            "{\"channel\":\"c\",\"kind\":\"messages\",\"durability\":\"memory\",\"capacity\":2}");
    const uint64_t sequence = send_messages(client, 4, 0);
    peer_cut(client);
    world_pass(&w, 2000);
    must_resume(client);
    peer_repeat(client, sequence);
    peer_receive(client, "c", 10, 10);
    must_settle(&w);

    must_be_sent(client, sequence, LEAT_ERR_OK, 4);
    cr_assert(eq(sz, client->message_count, 4));
}

Test(core_capacity, what_is_in_of_a_frame_that_never_comes_again_stays)
{
    bound_messages(3);
    (void)send_messages(client, 5, 0);
    peer_bye(client);
    must_settle(&w);

    test_peer *const other = must_client(&w);
    peer_receive(other, "c", 10, 10);
    must_settle(&w);

    cr_assert(eq(sz, other->message_count, 3));
}

Test(core_capacity, a_repeat_while_it_waits_is_dropped)
{
    bound_messages(3);
    const uint64_t sequence = send_messages(client, 5, 0);

    peer_repeat(client, sequence);
    must_settle(&w);
    peer_receive(client, "c", 10, 10);
    must_settle(&w);

    must_be_sent(client, sequence, LEAT_ERR_OK, 5);
    cr_assert(eq(sz, client->message_count, 5));
}

/* ------------------------------------------------------------------------------ seals */

Test(core_capacity, a_seal_waits_for_what_waits_in_line)
{
    bound_jobs(2);
    const uint64_t jobs = send_jobs(client, 6, 2, 0);
    const uint64_t batch = must_answer(client, jobs)->sent.batch;
    const uint64_t more = send_jobs(client, 6, 2, 0);
    char arguments[64];
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\"}", (unsigned long long)batch);

    const uint64_t seal = peer_command(client, "batch.seal", arguments);
    must_settle(&w);
    cr_assert(not(is_answered(client, seal)));
    test_peer *const worker = must_hire(2);

    must_be_sent(client, more, LEAT_ERR_OK, 2);
    cr_assert(eq(int, must_answer(client, seal)->code, LEAT_ERR_OK));
    cr_assert(eq(int, must_answer(client, seal)->command, LEAT_CMD_REPLY));
    must_end_all(worker, LEAT_END_DONE);
    peer_wait(client, batch, 0, LEAT_GOAL_ALL, 0, ALL);
    must_settle(&w);
    cr_assert(peer_has_positions(client, batch, 1, 4));
    cr_assert(ne(u32, peer_flags(client, batch) & LEAT_ITEMS_FINISHED, 0));
}

Test(core_capacity, a_frame_that_seals_waits_for_one_in_another_line)
{
    bound_jobs(1);
    (void)send_jobs(client, 0, 1, 0);
    const uint64_t first = send_jobs(client, 6, 2, 0); /* not one of it is in */
    leat_send_head head = test_head("echo", 6);
    head.channel = leat_text_of("other");
    head.flags = LEAT_SEND_SEAL;
    const uint64_t second = peer_send(client, &head, 1, 0);
    must_settle(&w);
    cr_assert(not(is_answered(client, second)));

    test_peer *const worker = must_hire(1);
    must_end_all(worker, LEAT_END_DONE);

    must_be_sent(client, first, LEAT_ERR_OK, 2);
    must_be_sent(client, second, LEAT_ERR_OK, 1);
    const uint64_t batch = must_answer(client, second)->sent.batch;
    cr_assert(eq(u64, must_answer(client, first)->sent.batch, batch));
    must_query(client, "status", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    cr_assert(eq(dbl, said(&w, "batch.sealed"), 1.0));
    cr_assert(eq(dbl, said(&w, "batch.total"), 3.0));
}

Test(core_capacity, a_seal_that_waits_is_asked_again_after_a_restart)
{
    bound_jobs(1);
    (void)send_jobs(client, 0, 1, 0);
    const uint64_t first = send_jobs(client, 6, 1, 0);
    leat_send_head head = test_head("echo", 6);
    head.channel = leat_text_of("other");
    head.flags = LEAT_SEND_SEAL;
    const uint64_t second = peer_send(client, &head, 1, 0);
    must_settle(&w);

    must_restart(&w);
    must_resume(client);
    peer_repeat(client, first);
    peer_repeat(client, second);
    must_settle(&w);
    cr_assert(not(is_answered(client, second)));
    must_end_all(must_hire(1), LEAT_END_DONE);

    must_be_sent(client, first, LEAT_ERR_OK, 1);
    must_be_sent(client, second, LEAT_ERR_OK, 1);
    cr_assert(eq(u64, must_figure(client, must_answer(client, second)->sent.batch, "total"), 2));
}

Test(core_capacity, a_seal_is_decided_when_what_it_waits_for_is_withdrawn)
{
    bound_jobs(2);
    const uint64_t jobs = send_jobs(client, 6, 2, 0);
    const uint64_t batch = must_answer(client, jobs)->sent.batch;
    const uint64_t more = send_jobs(client, 6, 2, 0);
    char arguments[64];
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    const uint64_t seal = peer_command(client, "batch.seal", arguments);
    must_settle(&w);

    peer_withdraw(client, more);
    must_settle(&w);

    must_be_sent(client, more, LEAT_ERR_TIMEOUT, 0);
    cr_assert(eq(int, must_answer(client, seal)->code, LEAT_ERR_OK));
}

/* ------------------------------------------------------------------------------ meeting */

Test(core_capacity, without_capacity_a_message_waits_for_its_receiver)
{
    test_peer *const receiver = must_client(&w);
    bound_messages(0);
    const uint64_t sequence = send_messages(client, 1, 0);
    cr_assert(not(is_answered(client, sequence)));

    peer_receive(receiver, "c", 1, 1);
    must_settle(&w);

    must_be_sent(client, sequence, LEAT_ERR_OK, 1);
    cr_assert(eq(sz, receiver->message_count, 1));
}

Test(core_capacity, without_capacity_a_receiver_waits_for_its_message)
{
    test_peer *const receiver = must_client(&w);
    bound_messages(0);
    peer_receive(receiver, "c", 1, 1);
    must_settle(&w);

    must_be_sent(client, send_messages(client, 1, 0), LEAT_ERR_OK, 1);
    cr_assert(eq(sz, receiver->message_count, 1));
    const uint64_t second = send_messages(client, 1, 0);
    cr_assert(not(is_answered(client, second))); /* nobody receives a second time */
}

Test(core_capacity, a_meeting_is_on_disk_before_it_is_told)
{
    test_peer *const receiver = must_client(&w);
    bound_messages(0);
    peer_receive(receiver, "c", 1, 1);
    must_settle(&w);
    w.disk->hold = true;

    const uint64_t sequence = send_messages(client, 1, 0);
    cr_assert(not(is_answered(client, sequence)));
    cr_assert(eq(sz, receiver->message_count, 0));
    test_late_let_all(w.disk);
    must_settle(&w);

    must_be_sent(client, sequence, LEAT_ERR_OK, 1);
    cr_assert(eq(sz, receiver->message_count, 1));
}

Test(core_capacity, of_a_frame_as_many_meet_as_receive)
{
    test_peer *const receiver = must_client(&w);
    bound_messages(0);
    const uint64_t sequence = send_messages(client, 3, 0);
    peer_receive(receiver, "c", 10, 2);
    must_settle(&w);
    cr_assert(eq(sz, receiver->message_count, 2));
    cr_assert(not(is_answered(client, sequence)));

    peer_receive(receiver, "c", 10, 3);
    must_settle(&w);

    must_be_sent(client, sequence, LEAT_ERR_OK, 3);
}

Test(core_capacity, receivers_meet_in_turn)
{
    test_peer *const one = must_client(&w);
    test_peer *const other = must_client(&w);
    bound_messages(0);
    peer_receive(one, "c", 10, 2);
    peer_receive(other, "c", 10, 2);
    must_settle(&w);

    must_be_sent(client, send_messages(client, 4, 0), LEAT_ERR_OK, 4);

    cr_assert(eq(sz, one->message_count, 2));
    cr_assert(eq(sz, other->message_count, 2));
}

Test(core_capacity, who_only_tries_meets_one_that_waits)
{
    test_peer *const receiver = must_client(&w);
    bound_messages(0);
    must_be_sent(client, send_messages(client, 1, LEAT_SEND_TRY), LEAT_ERR_FULL, 0);
    peer_receive(receiver, "c", 1, 1);
    must_settle(&w);

    must_be_sent(client, send_messages(client, 2, LEAT_SEND_TRY), LEAT_ERR_FULL, 1);
    cr_assert(eq(sz, receiver->message_count, 1));
}

Test(core_capacity, nobody_meets_in_a_channel_that_is_paused)
{
    test_peer *const receiver = must_client(&w);
    bound_messages(0);
    must_do(client, "channel.pause", "{\"channel\":\"c\"}");
    peer_receive(receiver, "c", 1, 1);
    must_settle(&w);
    const uint64_t sequence = send_messages(client, 1, 0);
    cr_assert(not(is_answered(client, sequence)));

    must_do(client, "channel.resume", "{\"channel\":\"c\"}");
    must_settle(&w);

    must_be_sent(client, sequence, LEAT_ERR_OK, 1);
}

Test(core_capacity, a_job_meets_a_worker_with_a_free_slot)
{
    bound_jobs(0);
    const uint64_t sequence = send_jobs(client, 0, 2, 0);
    cr_assert(not(is_answered(client, sequence)));

    test_peer *const worker = must_hire(1);

    cr_assert(eq(sz, worker->job_count, 1));
    cr_assert(not(is_answered(client, sequence)));
    end_first(worker);
    must_be_sent(client, sequence, LEAT_ERR_OK, 2);
    cr_assert(eq(sz, worker->job_count, 2));
}

Test(core_capacity, a_job_does_not_meet_a_worker_that_does_not_serve_it)
{
    bound_jobs(0);
    test_peer *const worker = must_worker(&w, "w1", 4, "other");
    peer_credit(worker, 4);
    must_settle(&w);

    const uint64_t sequence = send_jobs(client, 0, 1, 0);

    cr_assert(not(is_answered(client, sequence)));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_capacity, several_jobs_meet_several_workers)
{
    bound_jobs(0);
    test_peer *const one = must_hire(3);
    test_peer *const other = must_hire(3);

    must_be_sent(client, send_jobs(client, 0, 6, 0), LEAT_ERR_OK, 6);

    cr_assert(eq(sz, one->job_count, 3));
    cr_assert(eq(sz, other->job_count, 3));
}

Test(core_capacity, what_a_lost_worker_had_met_comes_back)
{
    bound_jobs(0);
    test_peer *const worker = must_hire(1);
    const uint64_t sequence = send_jobs(client, 0, 1, 0);
    must_be_sent(client, sequence, LEAT_ERR_OK, 1);
    peer_cut(worker);
    world_pass(&w, 2000);

    cr_assert(eq(sz, must_hire(1)->job_count, 1));
}

/* ------------------------------------------------------------------------------ receiving */

Test(core_capacity, one_message_for_each_receive_that_was_begun)
{
    bound_messages(10);
    (void)send_messages(client, 10, 0);
    test_peer *const receiver = must_client(&w);

    peer_receive(receiver, "c", 10, 3);
    must_settle(&w);
    cr_assert(eq(sz, receiver->message_count, 3));
    (void)peer_ack_message(receiver, receiver->messages[0].message.id);
    must_settle(&w);
    cr_assert(eq(sz, receiver->message_count, 3)); /* an ack begins nothing */
    peer_receive(receiver, "c", 10, 5);
    must_settle(&w);

    cr_assert(eq(sz, receiver->message_count, 5));
}

Test(core_capacity, without_a_capacity_receives_do_not_count)
{
    test_peer *const receiver = must_client(&w);
    (void)send_messages(client, 10, 0);

    peer_receive(receiver, "c", 4, 1);
    must_settle(&w);

    cr_assert(eq(sz, receiver->message_count, 4));
}

Test(core_capacity, a_withdrawn_receive_is_told_what_was_handed_out)
{
    bound_messages(10);
    test_peer *const receiver = must_client(&w);
    peer_receive(receiver, "c", 10, 3);
    (void)send_messages(client, 1, 0);

    peer_withdraw_recv(receiver, "c");
    must_settle(&w);
    (void)send_messages(client, 1, 0);

    cr_assert(eq(u32, receiver->withdrawals, 1));
    cr_assert(eq(u64, receiver->withdrawn.served, 1));
    cr_assert(leat_text_is(receiver->withdrawn.channel, leat_text_of("c")));
    cr_assert(eq(sz, receiver->message_count, 1));
    peer_receive(receiver, "c", 10, 2); /* the count goes on: one was served */
    must_settle(&w);
    cr_assert(eq(sz, receiver->message_count, 2));
}

Test(core_capacity, withdrawn_comes_behind_the_message_that_is_on_its_way)
{
    bound_messages(10);
    test_peer *const receiver = must_client(&w);
    peer_receive(receiver, "c", 10, 1);
    must_settle(&w);
    w.disk->hold = true;
    (void)send_messages(client, 1, 0); /* handed out, not durable */

    peer_withdraw_recv(receiver, "c");
    must_settle(&w);
    cr_assert(eq(u32, receiver->withdrawals, 0));
    test_late_let_all(w.disk);
    must_settle(&w);
    test_late_let_all(w.disk);
    must_settle(&w);

    cr_assert(eq(sz, receiver->message_count, 1));
    cr_assert(eq(u32, receiver->withdrawals, 1));
    cr_assert(eq(u64, receiver->withdrawn.served, 1));
    cr_assert(eq(int, receiver->last_command_number, LEAT_CMD_WITHDRAWN));
}

Test(core_capacity, a_receive_of_nothing_is_withdrawn_too)
{
    peer_withdraw_recv(client, "nowhere");
    must_settle(&w);

    cr_assert(eq(u32, client->withdrawals, 1));
    cr_assert(eq(u64, client->withdrawn.served, 0));
}

Test(core_capacity, what_was_not_acknowledged_comes_again)
{
    bound_messages(10);
    (void)send_messages(client, 2, 0);
    test_peer *const receiver = must_client(&w);
    peer_receive(receiver, "c", 10, 2);
    must_settle(&w);
    (void)peer_ack_message(receiver, receiver->messages[0].message.id);
    must_settle(&w);

    peer_cut(receiver);
    world_pass(&w, 2000);
    peer_receive(client, "c", 10, 2);
    must_settle(&w);

    cr_assert(eq(sz, client->message_count, 1));
    cr_assert(eq(u64, client->messages[0].message.id, receiver->messages[1].message.id));
    cr_assert(eq(u32, client->messages[0].message.flags, LEAT_ITEM_AGAIN));
}

Test(core_capacity, the_count_begins_anew_with_a_connection)
{
    bound_messages(10);
    (void)send_messages(client, 4, 0);
    test_peer *const receiver = must_client(&w);
    peer_receive(receiver, "c", 10, 2);
    must_settle(&w);
    (void)peer_ack_message(receiver, receiver->messages[0].message.id);
    (void)peer_ack_message(receiver, receiver->messages[1].message.id);
    must_settle(&w);
    peer_cut(receiver);
    world_pass(&w, 2000);
    must_resume(receiver);

    peer_receive(receiver, "c", 10, 1);
    must_settle(&w);

    cr_assert(eq(sz, receiver->message_count, 3));
}

Test(core_capacity, a_closed_channel_is_drained_before_it_says_so)
{
    bound_messages(10);
    (void)send_messages(client, 2, 0);
    must_do(client, "channel.close", "{\"channel\":\"c\"}");
    test_peer *const receiver = must_client(&w);
    peer_receive(receiver, "c", 10, 3);
    must_settle(&w);
    cr_assert(eq(sz, receiver->message_count, 2));
    cr_assert(eq(u32, receiver->closed, 0));

    (void)peer_ack_message(receiver, receiver->messages[0].message.id);
    (void)peer_ack_message(receiver, receiver->messages[1].message.id);
    must_settle(&w);

    cr_assert(eq(u32, receiver->closed, 1));
}

Test(core_capacity, a_capacity_is_kept_over_a_restart)
{
    bound_messages(2);
    (void)send_messages(client, 2, 0);

    must_restart(&w);
    must_resume(client);

    must_be_sent(client, send_messages(client, 1, LEAT_SEND_TRY), LEAT_ERR_FULL, 0);
}
