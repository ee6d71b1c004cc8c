/* The window of answers: what was decided is answered the same again, until the peer has read it.
 */
#include "tests/lib/peers.h"
#include "tests/lib/test.h"

static test_world w;

static void
setup(void)
{
    world_init(&w);
}

static void
teardown(void)
{
    world_fini(&w);
}

TestSuite(core_window, .init = setup, .fini = teardown);

Test(core_window, a_repeated_send_makes_no_second_job_and_is_answered_the_same)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    const uint64_t sequence = peer_send(client, &head, 3, 0);

    peer_repeat(client, sequence); /* in the same turn */
    world_turn(&w);
    client->deaf = true; /* not confirmed: the answer may have been lost */
    peer_repeat(client, sequence);
    must_settle(&w);

    cr_assert(ge(u32, must_answer(client, sequence)->times, 2)); /* peers.c compares the bytes */
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 3));
}

Test(core_window, a_repeat_of_what_was_confirmed_is_dropped)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    const uint64_t sequence = must_send(client, &head, 1)->sequence;

    peer_repeat(client, sequence);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(client, sequence)->times, 1));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 1));
}

Test(core_window, an_answer_that_was_lost_with_its_connection_comes_again_on_repeat)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    client->deaf = true;
    const uint64_t seen = client->seen;
    const uint64_t sequence = must_send(client, &head, 2)->sequence;
    peer_cut(client);

    client->deaf = false;
    client->got = seen; /* it never read the answer */
    must_resume(client);
    cr_assert(eq(u32, must_answer(client, sequence)->times, 1)); /* only when it asks */
    peer_repeat(client, sequence);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(client, sequence)->times, 2));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 2));
}

Test(core_window, the_answer_is_the_same_after_a_restart)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 5);
    client->deaf = true;
    const uint64_t sequence = must_send(client, &head, 2)->sequence;

    must_restart(&w);
    client->deaf = false;
    must_resume(client);
    peer_repeat(client, sequence);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(client, sequence)->times, 2));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 2));
}

Test(core_window, the_answer_is_the_same_after_rounds_of_the_hand_and_two_restarts)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 5);
    client->deaf = true;
    client->mute = true;
    const uint64_t sequence = must_send(client, &head, 2)->sequence;

    must_restart(&w);
    world_pass(&w, 3000); /* rounds: the turn records of before are trimmed */
    must_restart(&w);
    world_pass(&w, 3000);
    must_restart(&w);
    client->deaf = false;
    must_resume(client);
    peer_repeat(client, sequence);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(client, sequence)->times, 2));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 2));
}

Test(core_window, what_was_not_durable_at_a_kill_is_decided_anew)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    w.disk->hold = true;
    const uint64_t sequence = peer_send(client, &head, 1, 0);
    must_settle(&w);
    cr_assert(eq(ptr, peer_answer(client, sequence), NULL));

    must_restart(&w);
    must_resume(client);
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
    peer_repeat(client, sequence);
    must_settle(&w);

    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_OK));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 1));
}

Test(core_window, refused_stays_refused)
{
    test_peer *const client = must_client(&w);
    leat_send_head head = test_head("echo", 0);
    head.channel = leat_text_of("c");
    (void)must_command(client, "channel.new", "{\"channel\":\"c\",\"kind\":\"messages\"}");
    client->deaf = true;
    const uint64_t sequence = peer_send(client, &head, 1, 0);
    must_settle(&w);
    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_WRONG_KIND));

    peer_repeat(client, sequence);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(client, sequence)->times, 2));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_window, a_frame_that_cannot_be_read_is_decided_as_refused)
{
    test_peer *const client = must_client(&w);
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_SEND);
    leat_put_u8(&frame, 255);
    leat_frame_finish(&frame, 0, 1, 0);
    client->deaf = true;

    const uint64_t sequence = peer_say_numbered(client, &frame);
    must_settle(&w);
    cr_assert(eq(int, must_answer(client, sequence)->command, LEAT_CMD_ERROR));
    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_MALFORMED));
    peer_repeat(client, sequence);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(client, sequence)->times, 2));
}

Test(core_window, an_unknown_command_with_a_sequence_is_decided_as_refused)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_SEND);
    leat_frame_finish(&frame, 0, 0, 0);
    frame.data[3] = 200;

    const uint64_t sequence = peer_say_numbered(client, &frame);
    must_settle(&w);

    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_MALFORMED));
    (void)must_send(client, &head, 1); /* the next number is in order */
}

Test(core_window, at_most_eight_frames_leave_unconfirmed)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    uint64_t sequence[40];
    client->deaf = true;
    client->mute = true;

    for (unsigned i = 0; i < 40; i++) {
        sequence[i] = peer_send(client, &head, 1, 0);
        world_turn(&w); /* each answer would have a frame of its own; peers.c counts */
    }
    world_pass(&w, 10000);
    cr_assert(eq(ptr, peer_answer(client, sequence[39]), NULL));

    client->deaf = false;
    must_settle(&w);
    for (unsigned i = 0; i < 40; i++)
        cr_assert(eq(int, must_answer(client, sequence[i])->code, LEAT_ERR_OK));
}

Test(core_window, beyond_the_window_the_answer_is_limit)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    for (unsigned i = 0; i < LEAT_WINDOW_FRAMES; i++) {
        client->deaf = true;
        (void)peer_send(client, &head, 1, 0);
    }
    world_turn(&w);
    cr_assert(eq(u32, client->errors, 0));

    const uint64_t beyond = peer_send(client, &head, 1, 0);
    world_turn(&w);

    cr_assert(eq(int, client->error, LEAT_ERR_LIMIT));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, LEAT_WINDOW_FRAMES));
    client->deaf = false;
    must_settle(&w);
    peer_repeat(client, beyond); /* there is room now */
    must_settle(&w);
    cr_assert(eq(int, must_answer(client, beyond)->code, LEAT_ERR_OK));
}

Test(core_window, a_full_window_of_answers_crosses_a_restart)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    client->deaf = client->mute = true;
    for (unsigned i = 0; i < LEAT_WINDOW_FRAMES; i++)
        (void)peer_send(client, &head, 1, 0);
    world_turn(&w);
    world_pass(&w, 2000);

    must_restart(&w);
    client->deaf = client->mute = false;
    must_resume(client);
    for (unsigned i = 1; i <= LEAT_WINDOW_FRAMES; i++)
        peer_repeat(client, i);
    must_settle(&w);

    for (unsigned i = 1; i <= LEAT_WINDOW_FRAMES; i++)
        cr_assert(eq(int, must_answer(client, i)->code, LEAT_ERR_OK));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, LEAT_WINDOW_FRAMES));
}

Test(core_window, thousands_of_answers_settle_as_they_are_read)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);

    for (unsigned i = 0; i < 5 * LEAT_WINDOW_FRAMES; i++) {
        (void)peer_send(client, &head, 1, 0);
        if (i % 100 == 0)
            must_settle(&w);
    }
    must_settle(&w);

    cr_assert(eq(sz, client->answer_count, 5UL * LEAT_WINDOW_FRAMES));
    cr_assert(eq(u32, client->errors, 0));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 5 * LEAT_WINDOW_FRAMES));
}

Test(core_window, answers_leave_only_after_their_commit)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    w.disk->hold = true;

    const uint64_t first = peer_send(client, &head, 1, 0);
    world_turn(&w);
    const uint64_t second = peer_send(client, &head, 1, 0);
    world_turn(&w);
    cr_assert(eq(ptr, peer_answer(client, first), NULL));

    test_late_let(w.disk, 1);
    world_turn(&w);
    cr_assert(ne(ptr, peer_answer(client, first), NULL));
    cr_assert(eq(ptr, peer_answer(client, second), NULL));
    test_late_let_all(w.disk);
    world_turn(&w);
    cr_assert(ne(ptr, peer_answer(client, second), NULL));
}

Test(core_window, hellos_floor_forgets_what_was_answered)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    client->deaf = true;
    const uint64_t first = must_send(client, &head, 1)->sequence;
    const uint64_t second = must_send(client, &head, 1)->sequence;
    client->deaf = false;
    client->got = 1; /* says so little in HELLO.seen */
    client->hello->floor = first;

    must_resume(client);
    peer_repeat(client, first);
    peer_repeat(client, second);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(client, first)->times, 1));
    cr_assert(eq(u32, must_answer(client, second)->times, 2));
}

Test(core_window, a_floor_beyond_everything_harms_nobody)
{
    test_peer *const client = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    (void)must_send(client, &head, 1);
    client->hello->floor = 1000000;
    must_resume(client);

    (void)peer_send(client, &head, 1, 0); /* 2: dropped, it has been answered */
    client->sequence = 1000000;
    must_settle(&w);

    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 1));
    (void)must_ask(client, "ping", "{}");
}

Test(core_window, answers_of_a_memory_channel_wait_for_no_disk)
{
    test_peer *const client = must_client(&w);
    leat_send_head head = test_head("echo", 0);
    (void)must_command(client, "channel.new", "{\"channel\":\"m\",\"durability\":\"memory\"}");
    head.channel = leat_text_of("m");
    w.disk->hold = true;

    const test_answer *const sent = must_send(client, &head, 3);

    cr_assert(eq(u32, sent->sent.accepted, 3));
}

Test(core_window, a_command_repeated_is_answered_the_same)
{
    test_peer *const client = must_client(&w);
    client->deaf = true;
    const uint64_t sequence =
        must_command(client, "channel.close", "{\"channel\":\"x\"}")->sequence;

    peer_repeat(client, sequence);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(client, sequence)->times, 2));
}
