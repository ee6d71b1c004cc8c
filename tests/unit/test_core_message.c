/* Messages: each taken by one receiver, again by another one when it was not acknowledged. */
#include "tests/lib/peers.h"
#include "tests/lib/test.h"

static test_world w;
static test_peer *sender;

static void
setup(void)
{
    world_init(&w);
    sender = must_client(&w);
}

static void
teardown(void)
{
    world_fini(&w);
}

TestSuite(core_message, .init = setup, .fini = teardown);

static uint64_t
must_put(unsigned n)
{
    leat_send_head head = test_head("", 0);
    head.channel = leat_text_of("c");
    return must_send(sender, &head, n)->sent.first_id;
}

static void
ack_all(test_peer *peer)
{
    for (size_t i = 0; i < peer->message_count; i++) {
        if (!peer->messages[i].acked)
            (void)peer_ack_message(peer, peer->messages[i].message.id);
    }
    must_settle(&w);
}

static void
close_channel(void)
{
    const test_answer *const answer = must_command(sender, "channel.close", "{\"channel\":\"c\"}");
    cr_assert(eq(int, answer->code, LEAT_ERR_OK));
}

Test(core_message, what_was_sent_is_received_in_order)
{
    const uint64_t first = must_put(20);
    test_peer *const receiver = must_client(&w);

    peer_recv(receiver, "c", 100);
    must_settle(&w);

    cr_assert(eq(sz, receiver->message_count, 20));
    for (uint64_t i = 0; i < 20; i++) {
        cr_assert(eq(u64, receiver->messages[i].message.id, first + i));
        cr_assert(eq(u32, receiver->messages[i].message.flags, 0));
        cr_assert(leat_text_is(receiver->messages[i].channel, leat_text_of("c")));
    }
}

Test(core_message, no_more_than_the_credit_is_unacknowledged)
{
    (void)must_put(20);
    test_peer *const receiver = must_client(&w);

    peer_recv(receiver, "c", 3);
    must_settle(&w);
    cr_assert(eq(sz, receiver->message_count, 3));
    const uint64_t sequence = peer_ack_message(receiver, receiver->messages[0].message.id);
    must_settle(&w);

    cr_assert(eq(int, must_answer(receiver, sequence)->command, LEAT_CMD_ACKED));
    cr_assert(eq(u32, must_answer(receiver, sequence)->exceptions, 0));
    cr_assert(eq(sz, receiver->message_count, 4));
}

Test(core_message, an_acknowledged_message_is_gone)
{
    (void)must_put(3);
    test_peer *const receiver = must_client(&w);
    peer_recv(receiver, "c", 10);
    must_settle(&w);

    ack_all(receiver);

    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
    const uint64_t again = peer_ack_message(receiver, receiver->messages[0].message.id);
    must_settle(&w);
    cr_assert(eq(u32, must_answer(receiver, again)->exception.code, LEAT_ERR_STALE));
}

Test(core_message, what_a_receiver_leaves_goes_to_another_one_marked)
{
    const uint64_t first = must_put(4);
    test_peer *const receiver = must_client(&w);
    test_peer *const other = must_client(&w);
    peer_recv(receiver, "c", 10);
    must_settle(&w);
    (void)peer_ack_message(receiver, first);
    peer_bye(receiver);

    peer_recv(other, "c", 10);
    must_settle(&w);

    cr_assert(eq(sz, other->message_count, 3));
    for (uint64_t i = 0; i < 3; i++) {
        cr_assert(eq(u64, other->messages[i].message.id, first + 1 + i));
        cr_assert(eq(u32, other->messages[i].message.flags, LEAT_ITEM_AGAIN));
    }
}

Test(core_message, a_cut_gives_back_what_was_not_acknowledged)
{
    (void)must_put(2);
    test_peer *const receiver = must_client(&w);
    peer_recv(receiver, "c", 10);
    must_settle(&w);

    peer_cut(receiver);
    must_resume(receiver);
    peer_recv(receiver, "c", 10);
    must_settle(&w);

    cr_assert(eq(sz, receiver->message_count, 4));
    cr_assert(eq(u32, receiver->messages[2].message.flags, LEAT_ITEM_AGAIN));
}

Test(core_message, a_receiver_that_is_silent_too_long_loses_what_it_has)
{
    (void)must_put(2);
    test_peer *const receiver = must_client(&w);
    test_peer *const other = must_client(&w);
    peer_recv(receiver, "c", 2);
    must_settle(&w);
    peer_recv(other, "c", 10);

    receiver->mute = receiver->deaf = true;
    world_pass(&w, LEAT_LOST_MS + 1000);
    cr_assert(eq(sz, other->message_count, 2));
    ack_all(other);
    receiver->mute = receiver->deaf = false;
    peer_beat(receiver);
    peer_bye(other);
    (void)must_put(2);

    cr_assert(eq(sz, receiver->message_count, 4)); /* its credit is whole again */
}

Test(core_message, two_receivers_take_turns)
{
    test_peer *const a = must_client(&w);
    test_peer *const b = must_client(&w);
    peer_recv(a, "c", 10);
    peer_recv(b, "c", 10);

    (void)must_put(8);

    cr_assert(eq(sz, a->message_count, 4));
    cr_assert(eq(sz, b->message_count, 4));
}

Test(core_message, closed_is_told_when_nothing_is_left)
{
    (void)must_put(2);
    test_peer *const receiver = must_client(&w);
    peer_recv(receiver, "c", 10);
    must_settle(&w);
    close_channel();
    cr_assert(eq(u32, receiver->closed, 0));

    ack_all(receiver);

    cr_assert(eq(u32, receiver->closed, 1));
}

Test(core_message, closed_is_told_to_everybody_once_and_to_who_comes_later)
{
    test_peer *const a = must_client(&w);
    test_peer *const b = must_client(&w);
    peer_recv(a, "c", 1);
    peer_recv(b, "c", 1);
    must_settle(&w);

    close_channel();
    world_pass(&w, 3000);
    test_peer *const late = must_client(&w);
    peer_recv(late, "c", 1);
    must_settle(&w);

    cr_assert(eq(u32, a->closed, 1));
    cr_assert(eq(u32, b->closed, 1));
    cr_assert(eq(u32, late->closed, 1));
}

Test(core_message, closed_is_told_only_when_it_is_on_disk)
{
    (void)must_put(1);
    test_peer *const receiver = must_client(&w);
    peer_recv(receiver, "c", 1);
    must_settle(&w);
    close_channel();
    w.disk->hold = true;

    ack_all(receiver);
    cr_assert(eq(u32, receiver->closed, 0));
    test_late_let_all(w.disk);
    must_settle(&w);

    cr_assert(eq(u32, receiver->closed, 1));
}

Test(core_message, closed_comes_when_there_is_room_on_the_way)
{
    test_peer *const receiver = must_client(&w);
    peer_recv(receiver, "c", 1);
    must_settle(&w);
    const leat_send_head head = test_head("echo", 0);
    receiver->deaf = true;
    for (unsigned i = 0; i < 12; i++) { /* fill its way with answers */
        (void)peer_send(receiver, &head, 1, 0);
        world_turn(&w);
    }

    close_channel();
    cr_assert(eq(u32, receiver->closed, 0));
    receiver->deaf = false;
    must_settle(&w);

    cr_assert(eq(u32, receiver->closed, 1));
}

Test(core_message, a_closed_channel_takes_no_more)
{
    leat_send_head head = test_head("", 0);
    head.channel = leat_text_of("c");
    (void)must_put(1);
    close_channel();

    const uint64_t sequence = peer_send(sender, &head, 1, 0);
    must_settle(&w);

    cr_assert(eq(int, must_answer(sender, sequence)->code, LEAT_ERR_CLOSED));
}

Test(core_message, messages_and_their_ends_cross_a_restart)
{
    const uint64_t first = must_put(5);
    test_peer *const receiver = must_client(&w);
    peer_recv(receiver, "c", 2);
    must_settle(&w);
    (void)peer_ack_message(receiver, first);
    must_settle(&w);

    must_restart(&w);
    must_resume(receiver);
    peer_recv(receiver, "c", 10);
    must_settle(&w);

    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 4));
    cr_assert(eq(u64, receiver->messages[receiver->message_count - 1].message.id, first + 4));
}

Test(core_message, messages_cross_rounds_and_two_restarts)
{
    const uint64_t first = must_put(40);
    test_peer *const receiver = must_client(&w);
    peer_recv(receiver, "c", 20);
    must_settle(&w);
    for (uint64_t id = first; id < first + 20; id += 2)
        (void)peer_ack_message(receiver, id);
    must_settle(&w);
    world_pass(&w, 3000);
    must_restart(&w);
    world_pass(&w, 3000);
    must_restart(&w);

    test_peer *const other = must_client(&w);
    peer_recv(other, "c", 100);
    must_settle(&w);

    /* ten were acknowledged at first, and each made room for another, none of which was */
    cr_assert(eq(sz, other->message_count, 30));
    cr_assert(eq(u64, other->messages[0].message.id, first + 1));
}

Test(core_message, jobs_are_not_received)
{
    const leat_send_head head = test_head("echo", 0);
    (void)must_send(sender, &head, 1);

    peer_recv(sender, "default", 1);
    must_settle(&w);

    cr_assert(eq(int, sender->error, LEAT_ERR_WRONG_KIND));
}

Test(core_message, messages_of_a_memory_channel_need_no_disk)
{
    (void)must_command(sender, "channel.new",
                       "{\"channel\":\"c\",\"kind\":\"messages\",\"durability\":\"memory\"}");
    test_peer *const receiver = must_client(&w);
    peer_recv(receiver, "c", 100);
    must_settle(&w);
    w.disk->hold = true;

    (void)must_put(10);

    cr_assert(eq(sz, receiver->message_count, 10));
    ack_all(receiver);
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}
