/* Select: of several sends and receives exactly one happens, or none. */
#include "tests/lib/peers.h"
#include "tests/lib/test.h"

static test_world w;
static test_peer *client;
static test_peer *other;

static void
setup(void)
{
    world_init(&w);
    client = must_client(&w);
    other = must_client(&w);
}

static void
teardown(void)
{
    world_fini(&w);
}

TestSuite(core_select, .init = setup, .fini = teardown);

static void
make(const char *channel, unsigned capacity)
{
    must_do(client, "channel.new", "{\"channel\":\"%s\",\"kind\":\"messages\",\"capacity\":%u}",
            channel, capacity);
}

static uint64_t
put(test_peer *peer, const char *channel, unsigned n)
{
    leat_send_head head = test_head("", 0);
    head.channel = leat_text_of(channel);
    const uint64_t sequence = peer_send(peer, &head, n, 0);
    must_settle(&w);
    return sequence;
}

static unsigned
ready_in(const char *channel)
{
    must_query(client, "channel", "{\"channel\":\"%s\"}", channel);
    return (unsigned)said(&w, "ready");
}

static unsigned
senders_in(const char *channel)
{
    must_query(client, "channel", "{\"channel\":\"%s\"}", channel);
    return (unsigned)said(&w, "senders");
}

static const leat_selected *
selected(const test_peer *peer, uint64_t sequence)
{
    const test_selected *const one = peer_selected(peer, sequence);
    const bool is_there = one != NULL;
    cr_assert(is_there);
    return &one->selected;
}

static bool
waits(const test_peer *peer, uint64_t sequence)
{
    return peer_selected(peer, sequence) == NULL;
}

static uint64_t
select_now(test_peer *peer, const char *cases)
{
    const uint64_t sequence = peer_select(peer, cases, 0);
    must_settle(&w);
    return sequence;
}

static void
must_select(test_peer *peer, uint64_t sequence, uint16_t index, leat_err code)
{
    const leat_selected *const one = selected(peer, sequence);
    cr_assert(eq(u16, one->index, index));
    cr_assert(eq(u16, one->code, code));
}

static bool
is_payload(const leat_selected *one, const char *text)
{
    return one->payload.size == strlen(text) && memcmp(one->payload.data, text, strlen(text)) == 0;
}

/* ------------------------------------------------------------------------------ at once */

Test(core_select, a_message_that_is_there_is_received)
{
    make("a", 10);
    const uint64_t id = must_answer(client, put(client, "a", 1))->sent.first_id;

    const uint64_t sequence = select_now(other, "?a");

    must_select(other, sequence, 0, LEAT_ERR_OK);
    cr_assert(eq(u64, selected(other, sequence)->id, id));
    cr_assert(eq(u32, selected(other, sequence)->flags, 0));
    cr_assert(is_payload(selected(other, sequence), "0"));
    cr_assert(eq(u32, ready_in("a"), 0));
}

Test(core_select, a_message_goes_where_there_is_room)
{
    make("a", 10);

    const uint64_t sequence = select_now(other, "!a");

    must_select(other, sequence, 0, LEAT_ERR_OK);
    cr_assert(ne(u64, selected(other, sequence)->id, 0));
    cr_assert(eq(u32, ready_in("a"), 1));
    const uint64_t back = select_now(client, "?a");
    cr_assert(eq(u64, selected(client, back)->id, selected(other, sequence)->id));
    cr_assert(is_payload(selected(client, back), "a"));
}

Test(core_select, the_case_that_can_proceed_is_found_wherever_it_stands)
{
    make("empty", 1);
    make("full", 1);
    make("a", 1);
    (void)put(client, "full", 1);
    (void)put(client, "a", 1);

    must_select(other, select_now(other, "?empty !full ?a"), 2, LEAT_ERR_OK);
    must_select(other, select_now(other, "!a ?empty"), 0, LEAT_ERR_OK);
    must_select(other, select_now(other, "?empty ?a !full"), 1, LEAT_ERR_OK);
}

Test(core_select, both_kinds_that_can_proceed_never_both_happen)
{
    make("in", 100);
    make("out", 100);
    (void)put(client, "in", 50);
    unsigned sent = 0;
    for (unsigned i = 0; i < 40; i++) {
        const uint64_t sequence = select_now(other, "?in !out");
        const leat_selected *const one = selected(other, sequence);
        cr_assert(eq(u16, one->code, LEAT_ERR_OK));
        cr_assert(le(u16, one->index, 1));
        sent += one->index == 1;
        if (one->index == 0)
            (void)peer_ack_message(other, one->id);
        must_settle(&w);
        cr_assert(eq(u32, ready_in("out"), sent));
        cr_assert(eq(u32, ready_in("in"), 50 - (i + 1 - sent)));
    }
    cr_assert(gt(u32, sent, 8)); /* as chance will have it, both */
    cr_assert(lt(u32, sent, 32));
}

Test(core_select, a_channel_that_is_named_twice_happens_once)
{
    make("a", 10);
    (void)put(client, "a", 5);

    const uint64_t sequence = select_now(other, "?a ?a");

    cr_assert(not(waits(other, sequence)));
    cr_assert(eq(u32, ready_in("a"), 4));
}

Test(core_select, sixty_four_cases_are_the_most)
{
    char cases[65 * 3 + 1] = "";
    for (size_t i = 0; i < 64; i++)
        memcpy(cases + i * 3, "?a ", 4);
    make("a", 10);
    (void)put(client, "a", 1);
    const uint64_t most = select_now(other, cases);
    cr_assert(eq(u16, selected(other, most)->code, LEAT_ERR_OK));
    memcpy(cases + strlen(cases), "?a ", 4);

    const uint64_t sequence = select_now(other, cases);

    cr_assert(eq(int, must_answer(other, sequence)->command, LEAT_CMD_ERROR));
    cr_assert(eq(int, must_answer(other, sequence)->code, LEAT_ERR_MALFORMED));
}

/* ------------------------------------------------------------------------------ none */

Test(core_select, a_default_is_taken_when_nothing_can_proceed)
{
    make("empty", 1);
    make("full", 1);
    make("meet", 0);
    (void)put(client, "full", 1);

    const uint64_t sequence = peer_select(other, "?empty !full !meet ?meet", LEAT_SELECT_DEFAULT);
    must_settle(&w);

    must_select(other, sequence, LEAT_NO_CASE, LEAT_ERR_FULL);
    cr_assert(eq(u32, senders_in("full"), 0));
    (void)put(client, "empty", 1); /* nobody waits there any more */
    cr_assert(eq(u32, ready_in("empty"), 1));
}

Test(core_select, a_default_is_not_taken_when_something_can_proceed)
{
    make("a", 1);

    const uint64_t sequence = peer_select(other, "?a !a", LEAT_SELECT_DEFAULT);
    must_settle(&w);

    must_select(other, sequence, 1, LEAT_ERR_OK);
}

Test(core_select, a_paused_channel_gives_nothing)
{
    make("a", 5);
    make("meet", 0);
    (void)put(client, "a", 1);
    (void)select_now(client, "?meet");
    must_do(other, "channel.pause", "{\"channel\":\"a\"}");
    must_do(other, "channel.pause", "{\"channel\":\"meet\"}");

    const uint64_t sequence = peer_select(other, "?a !meet", LEAT_SELECT_DEFAULT);
    must_settle(&w);

    must_select(other, sequence, LEAT_NO_CASE, LEAT_ERR_FULL);
}

Test(core_select, one_that_waits_can_be_withdrawn)
{
    make("a", 1);
    make("b", 0);
    const uint64_t sequence = select_now(other, "?a !b");
    cr_assert(waits(other, sequence));
    cr_assert(eq(u32, senders_in("b"), 1));

    peer_withdraw(other, sequence);
    must_settle(&w);

    must_select(other, sequence, LEAT_NO_CASE, LEAT_ERR_TIMEOUT);
    cr_assert(eq(u32, senders_in("b"), 0));
    (void)put(client, "a", 1);
    cr_assert(eq(u32, ready_in("a"), 1));
}

Test(core_select, one_that_has_happened_cannot_be_withdrawn)
{
    make("a", 1);
    (void)put(client, "a", 1);
    const uint64_t sequence = peer_select(other, "?a", 0);

    peer_withdraw(other, sequence);
    must_settle(&w);

    must_select(other, sequence, 0, LEAT_ERR_OK);
}

/* ------------------------------------------------------------------------------ waiting */

Test(core_select, a_message_that_comes_later_is_received)
{
    make("a", 1);
    make("b", 1);
    const uint64_t sequence = select_now(other, "?a ?b");
    cr_assert(waits(other, sequence));

    (void)put(client, "b", 1);

    must_select(other, sequence, 1, LEAT_ERR_OK);
    (void)put(client, "a", 1);
    cr_assert(eq(u32, ready_in("a"), 1)); /* the other case is withdrawn */
}

Test(core_select, room_that_comes_later_is_used)
{
    make("a", 1);
    make("b", 1);
    (void)put(client, "a", 1);
    (void)put(client, "b", 1);
    const uint64_t sequence = select_now(other, "!a !b");
    cr_assert(waits(other, sequence));

    peer_receive(client, "b", 1, 1);
    must_settle(&w);

    must_select(other, sequence, 1, LEAT_ERR_OK);
    cr_assert(eq(u32, senders_in("a"), 0));
    cr_assert(eq(u32, ready_in("b"), 1));
}

Test(core_select, a_message_is_received_while_a_send_waits)
{
    make("in", 1);
    make("out", 1);
    (void)put(client, "out", 1);
    const uint64_t sequence = select_now(other, "!out ?in");

    (void)put(client, "in", 1);

    must_select(other, sequence, 1, LEAT_ERR_OK);
    peer_receive(client, "out", 5, 5);
    must_settle(&w);
    cr_assert(eq(sz, client->message_count, 1)); /* the select has sent nothing */
}

Test(core_select, a_select_stands_in_line_with_senders)
{
    make("a", 1);
    (void)put(client, "a", 1);
    const uint64_t before = put(client, "a", 1);
    const uint64_t sequence = select_now(other, "!a");
    const uint64_t after = put(client, "a", 1);

    peer_receive(client, "a", 5, 1);
    must_settle(&w);
    cr_assert(eq(int, must_answer(client, before)->code, LEAT_ERR_OK));
    cr_assert(waits(other, sequence));
    peer_receive(client, "a", 5, 2);
    must_settle(&w);
    must_select(other, sequence, 0, LEAT_ERR_OK);
    const bool is_after_answered = peer_answer(client, after) != NULL;
    cr_assert(not(is_after_answered));
}

Test(core_select, several_selects_of_one_channel_are_served_in_turn)
{
    make("a", 10);
    uint64_t sequences[4];
    for (unsigned i = 0; i < 4; i++)
        sequences[i] = select_now(i % 2 == 0 ? other : client, "?a");

    (void)put(client, "a", 4);

    uint64_t seen = 0;
    for (unsigned i = 0; i < 4; i++) {
        const leat_selected *const one = selected(i % 2 == 0 ? other : client, sequences[i]);
        cr_assert(eq(u16, one->code, LEAT_ERR_OK));
        cr_assert(gt(u64, one->id, seen));
        seen = one->id;
    }
    cr_assert(eq(u32, ready_in("a"), 0));
}

Test(core_select, a_select_and_a_receiver_share_the_messages)
{
    make("a", 10);
    peer_receive(client, "a", 10, 1);
    const uint64_t sequence = select_now(other, "?a");

    (void)put(other, "a", 2);

    cr_assert(eq(sz, client->message_count, 1));
    must_select(other, sequence, 0, LEAT_ERR_OK);
}

/* ------------------------------------------------------------------------------ meeting */

Test(core_select, a_select_meets_a_receiver)
{
    make("a", 0);
    peer_receive(client, "a", 1, 1);
    must_settle(&w);

    must_select(other, select_now(other, "!a"), 0, LEAT_ERR_OK);

    cr_assert(eq(sz, client->message_count, 1));
}

Test(core_select, a_select_meets_a_sender)
{
    make("a", 0);
    const uint64_t sent = put(client, "a", 1);

    const uint64_t sequence = select_now(other, "?a");

    must_select(other, sequence, 0, LEAT_ERR_OK);
    cr_assert(eq(int, must_answer(client, sent)->code, LEAT_ERR_OK));
}

Test(core_select, two_selects_meet)
{
    make("a", 0);
    make("b", 0);
    const uint64_t one = select_now(client, "!a ?b");
    cr_assert(waits(client, one));

    const uint64_t two = select_now(other, "?a");

    must_select(client, one, 0, LEAT_ERR_OK);
    must_select(other, two, 0, LEAT_ERR_OK);
    cr_assert(eq(u64, selected(client, one)->id, selected(other, two)->id));
    cr_assert(is_payload(selected(other, two), "a"));
}

Test(core_select, two_selects_that_could_meet_twice_meet_once)
{
    make("a", 0);
    make("b", 0);
    const uint64_t one = select_now(client, "!a ?b");
    const uint64_t two = select_now(other, "!b ?a");

    const leat_selected *const first = selected(client, one);
    const leat_selected *const second = selected(other, two);
    cr_assert(eq(u64, first->id, second->id));
    cr_assert(ne(u16, first->index, second->index)); /* one has sent, the other received */
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 1));
}

Test(core_select, a_select_never_meets_itself)
{
    make("a", 0);

    const uint64_t sequence = select_now(other, "!a ?a");

    cr_assert(waits(other, sequence));
    const uint64_t mate = select_now(client, "?a !a");
    cr_assert(not(waits(other, sequence)));
    cr_assert(eq(u64, selected(other, sequence)->id, selected(client, mate)->id));
}

Test(core_select, two_selects_of_one_session_meet)
{
    make("a", 0);
    const uint64_t one = select_now(other, "!a");

    const uint64_t two = select_now(other, "?a");

    must_select(other, one, 0, LEAT_ERR_OK);
    must_select(other, two, 0, LEAT_ERR_OK);
}

Test(core_select, one_that_would_meet_itself_is_not_in_the_way)
{
    make("a", 0);
    const uint64_t itself = select_now(other, "!a ?a");
    const uint64_t sent = put(client, "a", 1); /* behind it in the line */

    must_select(other, itself, 1, LEAT_ERR_OK);
    cr_assert(eq(int, must_answer(client, sent)->code, LEAT_ERR_OK));
}

/* ------------------------------------------------------------------------------ closed */

Test(core_select, a_send_to_a_closed_channel_proceeds_with_that)
{
    make("a", 1);
    make("b", 1);
    must_do(client, "channel.close", "{\"channel\":\"a\"}");

    must_select(other, select_now(other, "!a ?b"), 0, LEAT_ERR_CLOSED);
}

Test(core_select, a_receive_from_a_closed_and_empty_channel_proceeds_with_that)
{
    make("a", 1);
    make("b", 1);
    must_do(client, "channel.close", "{\"channel\":\"a\"}");

    must_select(other, select_now(other, "?b ?a"), 1, LEAT_ERR_CLOSED);
}

Test(core_select, what_is_left_in_a_closed_channel_comes_first)
{
    make("a", 1);
    (void)put(client, "a", 1);
    must_do(client, "channel.close", "{\"channel\":\"a\"}");

    const uint64_t sequence = select_now(other, "?a");

    must_select(other, sequence, 0, LEAT_ERR_OK);
}

Test(core_select, a_message_that_somebody_holds_may_come_back_to_a_closed_channel)
{
    make("a", 1);
    (void)put(client, "a", 1);
    peer_receive(client, "a", 1, 1);
    must_settle(&w);
    must_do(client, "channel.close", "{\"channel\":\"a\"}");

    const uint64_t sequence = select_now(other, "?a");
    cr_assert(waits(other, sequence));
    (void)peer_ack_message(client, client->messages[0].message.id);
    must_settle(&w);

    must_select(other, sequence, 0, LEAT_ERR_CLOSED);
}

Test(core_select, closing_ends_one_that_waits)
{
    make("a", 1);
    make("b", 1);
    (void)put(client, "b", 1);
    const uint64_t receive = select_now(other, "?a");
    const uint64_t send = select_now(other, "!b ?a");

    must_do(client, "channel.close", "{\"channel\":\"b\"}");
    must_settle(&w);
    must_select(other, send, 0, LEAT_ERR_CLOSED);
    cr_assert(waits(other, receive));
    must_do(client, "channel.close", "{\"channel\":\"a\"}");
    must_settle(&w);

    must_select(other, receive, 0, LEAT_ERR_CLOSED);
}

Test(core_select, a_channel_of_jobs_is_the_wrong_kind)
{
    make("a", 1);
    leat_send_head head = test_head("echo", 0);
    (void)must_send(client, &head, 1);

    const uint64_t sequence = select_now(other, "?a ?default");

    must_select(other, sequence, 1, LEAT_ERR_WRONG_KIND);
    (void)put(client, "a", 1);
    cr_assert(eq(u32, ready_in("a"), 1));
}

/* ------------------------------------------------------------------------------ messages */

Test(core_select, a_received_message_is_acknowledged)
{
    make("a", 1);
    (void)put(client, "a", 1);
    const uint64_t sequence = select_now(other, "?a");

    const uint64_t ack = peer_ack_message(other, selected(other, sequence)->id);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(other, ack)->exceptions, 0));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_select, one_that_is_not_acknowledged_comes_again)
{
    make("a", 1);
    (void)put(client, "a", 1);
    const uint64_t sequence = select_now(other, "?a");
    must_settle(&w);

    peer_cut(other);
    world_pass(&w, 2000);
    const uint64_t again = select_now(client, "?a");

    must_select(client, again, 0, LEAT_ERR_OK);
    cr_assert(eq(u64, selected(client, again)->id, selected(other, sequence)->id));
    cr_assert(eq(u32, selected(client, again)->flags, LEAT_ITEM_AGAIN));
}

Test(core_select, a_received_message_is_nobody_elses)
{
    make("a", 5);
    (void)put(client, "a", 1);
    const uint64_t sequence = select_now(other, "?a");

    const uint64_t ack = peer_ack_message(client, selected(other, sequence)->id);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(client, ack)->exceptions, 1));
    cr_assert(eq(u32, must_answer(client, ack)->exception.code, LEAT_ERR_STALE));
}

Test(core_select, a_select_waits_for_the_disk)
{
    make("a", 0);
    const uint64_t one = select_now(client, "?a");
    w.disk->hold = true;

    const uint64_t two = select_now(other, "!a");
    cr_assert(waits(client, one));
    cr_assert(waits(other, two));
    test_late_let_all(w.disk);
    must_settle(&w);

    must_select(client, one, 0, LEAT_ERR_OK);
    must_select(other, two, 0, LEAT_ERR_OK);
}

Test(core_select, memory_does_not_wait_for_the_disk)
{
    must_do(client, "channel.new",
            "{\"channel\":\"m\",\"kind\":\"messages\",\"durability\":\"memory\",\"capacity\":0}");
    const uint64_t one = select_now(client, "?m");
    w.disk->hold = true;

    const uint64_t two = select_now(other, "!m");

    must_select(client, one, 0, LEAT_ERR_OK);
    must_select(other, two, 0, LEAT_ERR_OK);
}

/* ------------------------------------------------------------------------------ reconnects */

Test(core_select, one_that_waits_is_asked_again_after_a_reconnect)
{
    make("a", 1);
    const uint64_t sequence = select_now(other, "?a");
    peer_cut(other);
    (void)put(client, "a", 1);
    world_pass(&w, 2000);
    cr_assert(eq(u32, ready_in("a"), 1)); /* nobody is there */

    must_resume(other);
    peer_repeat(other, sequence);
    must_settle(&w);

    must_select(other, sequence, 0, LEAT_ERR_OK);
}

Test(core_select, a_receive_whose_answer_was_lost_begins_anew)
{
    make("a", 5);
    (void)put(client, "a", 1);
    const uint64_t sequence = peer_select(other, "?a", 0);
    peer_cut(other); /* the answer does not arrive */
    must_settle(&w);
    world_pass(&w, 2000);
    cr_assert(eq(u32, ready_in("a"), 1));

    must_resume(other);
    peer_repeat(other, sequence);
    must_settle(&w);

    must_select(other, sequence, 0, LEAT_ERR_OK);
    cr_assert(eq(u32, ready_in("a"), 0));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 1));
}

Test(core_select, a_receive_that_left_and_was_not_read_begins_anew)
{
    make("a", 5);
    (void)put(client, "a", 1);
    other->deaf = true;
    const uint64_t sequence = select_now(other, "?a");
    cr_assert(not(waits(other, sequence)));
    other->selected_count = 0; /* it was not read */
    other->got = other->seen;
    peer_cut(other);
    world_pass(&w, 2000);
    cr_assert(eq(u32, ready_in("a"), 1));

    other->deaf = false;
    must_resume(other);
    peer_repeat(other, sequence);
    must_settle(&w);

    must_select(other, sequence, 0, LEAT_ERR_OK);
    cr_assert(eq(u32, selected(other, sequence)->flags, LEAT_ITEM_AGAIN));
}

Test(core_select, a_send_whose_answer_was_lost_has_happened_once)
{
    make("a", 5);
    const uint64_t sequence = peer_select(other, "!a", 0);
    peer_cut(other);
    must_settle(&w);

    must_resume(other);
    peer_repeat(other, sequence);
    must_settle(&w);

    must_select(other, sequence, 0, LEAT_ERR_OK);
    cr_assert(eq(u32, ready_in("a"), 1));
}

Test(core_select, a_send_has_happened_once_over_a_restart)
{
    make("a", 5);
    const uint64_t sequence = peer_select(other, "!a ?b", 0);
    world_turn(&w); /* it is on disk, and the broker is killed */

    must_restart(&w);
    must_resume(client);
    must_resume(other);
    peer_repeat(other, sequence);
    must_settle(&w);

    must_select(other, sequence, 0, LEAT_ERR_OK);
    cr_assert(eq(u32, ready_in("a"), 1));
}

Test(core_select, a_receive_begins_anew_after_a_restart)
{
    make("a", 5);
    (void)put(client, "a", 1);
    const uint64_t sequence = peer_select(other, "?a", 0);
    peer_cut(other);
    world_turn(&w);

    must_restart(&w);
    must_resume(client);
    must_resume(other);
    peer_repeat(other, sequence);
    must_settle(&w);

    must_select(other, sequence, 0, LEAT_ERR_OK);
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 1));
}

Test(core_select, a_message_can_be_acknowledged_after_a_restart)
{
    make("a", 5);
    (void)put(client, "a", 1);
    const uint64_t sequence = select_now(other, "?a");
    must_restart(&w);
    must_resume(client);
    must_resume(other);

    const uint64_t ack = peer_ack_message(other, selected(other, sequence)->id);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(other, ack)->exceptions, 0));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_select, one_that_a_session_left_behind_takes_nothing)
{
    make("a", 1);
    make("b", 0);
    (void)select_now(other, "?a !b");
    peer_bye(other);
    must_settle(&w);

    (void)put(client, "a", 1);

    cr_assert(eq(u32, ready_in("a"), 1));
    cr_assert(eq(u32, senders_in("b"), 0));
}

Test(core_select, too_many_bytes_in_line_are_refused)
{
    make("a", 0);
    leat_send_head head = test_head("", 0);
    head.channel = leat_text_of("a");
    for (unsigned i = 0; i < 16; i++)
        (void)peer_send(other, &head, 1,
                        LEAT_PAYLOAD_BYTES_MAX - 32); /* 10 bytes are left of each */
    must_settle(&w);

    const uint64_t few = select_now(other, "!a ?z");
    cr_assert(waits(other, few));
    char cases[130] = "!";
    memset(cases + 1, 'b', 128);
    const uint64_t sequence = select_now(other, cases);

    cr_assert(eq(int, must_answer(other, sequence)->command, LEAT_CMD_ERROR));
    cr_assert(eq(int, must_answer(other, sequence)->code, LEAT_ERR_LIMIT));
}
