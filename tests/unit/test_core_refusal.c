/* What is refused, and with which word: nothing is refused in silence. */
#include "tests/lib/peers.h"
#include "tests/lib/test.h"

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

TestSuite(core_refusal, .init = setup, .fini = teardown);

/* A frame of this command with this body. */
static leat_buf
frame_of(leat_command command, const void *body, size_t size, uint16_t count)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, command);
    leat_put_bytes(&frame, body, size);
    leat_frame_finish(&frame, 0, count, 0);
    return frame;
}

static leat_err
code_of(test_peer *peer, leat_command command, const void *body, size_t size, uint16_t count)
{
    leat_buf frame = frame_of(command, body, size, count);
    const uint64_t sequence = peer_say_numbered(peer, &frame);
    must_settle(&w);
    return must_answer(peer, sequence)->code;
}

Test(core_refusal, bodies_that_cannot_be_read_are_malformed)
{
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");

    cr_assert(eq(int, code_of(client, LEAT_CMD_SEND, "x", 1, 1), LEAT_ERR_MALFORMED));
    cr_assert(eq(int, code_of(client, LEAT_CMD_ACK, "x", 1, 1), LEAT_ERR_MALFORMED));
    cr_assert(eq(int, code_of(client, LEAT_CMD_COMMAND, "x", 1, 1), LEAT_ERR_MALFORMED));
    cr_assert(eq(int, code_of(worker, LEAT_CMD_DONE, "x", 1, 1), LEAT_ERR_MALFORMED));
    cr_assert(eq(int, code_of(worker, LEAT_CMD_RELEASE, "x", 1, 1), LEAT_ERR_MALFORMED));
    cr_assert(eq(int, code_of(worker, LEAT_CMD_SNOOZE, "x", 1, 1), LEAT_ERR_MALFORMED));
    cr_assert(ge(u64, leat_core_get_facts(w.core).refused_frames, 6));
}

Test(core_refusal, frames_without_a_sequence_that_cannot_be_read_are_malformed)
{
    const leat_command commands[] = {LEAT_CMD_CREDIT, LEAT_CMD_HEARTBEAT, LEAT_CMD_QUERY};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        leat_buf frame = frame_of(commands[i], "x", 1, 1);
        client->error = LEAT_ERR_OK;
        peer_say(client, &frame);
        must_settle(&w);
        cr_assert(eq(int, client->error, LEAT_ERR_MALFORMED), "%s", leat_command_name(commands[i]));
    }
}

Test(core_refusal, what_must_be_answered_needs_a_sequence)
{
    leat_send_head head = test_head("echo", 0);
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_SEND);
    leat_send_put_head(&frame, &head);
    leat_send_put(&frame, "x", 1);
    leat_frame_finish(&frame, 0, 1, 0);

    peer_say(client, &frame);
    must_settle(&w);

    cr_assert(eq(int, client->error, LEAT_ERR_MALFORMED));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_refusal, roles_keep_to_what_is_theirs)
{
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    const uint8_t token[LEAT_TOKEN_BYTES] = {0};

    cr_assert(eq(int, code_of(client, LEAT_CMD_RELEASE, token, sizeof token, 1), LEAT_ERR_DENIED));
    cr_assert(
        eq(int, code_of(client, LEAT_CMD_CHECKPOINT, token, sizeof token, 1), LEAT_ERR_DENIED));
    peer_wait(worker, 1, 0, LEAT_GOAL_ALL, 0, 1);
    must_settle(&w);
    cr_assert(eq(int, worker->error, LEAT_ERR_DENIED));
    peer_credit(client, 1);
    must_settle(&w);
    cr_assert(eq(int, client->error, LEAT_ERR_DENIED));
}

Test(core_refusal, a_frame_that_is_too_large_is_refused_with_its_sequence)
{
    static uint8_t body[LEAT_FRAME_BYTES_MAX];

    cr_assert(eq(int, code_of(client, LEAT_CMD_SEND, body, sizeof body, 1), LEAT_ERR_TOO_LARGE));
}

Test(core_refusal, hello_with_wrong_json_is_told_why)
{
    test_peer *const peer = world_peer(&w, "", 0, NULL);
    static const char body[] = "{\"role\":\"boss\"}";
    leat_buf frame = frame_of(LEAT_CMD_HELLO, body, sizeof body - 1, 1);
    peer->route = ++w.routes;

    peer_say(peer, &frame);
    must_settle(&w);

    cr_assert(eq(int, peer->error, LEAT_ERR_MALFORMED));
    cr_assert(eq(ptr, strstr(peer->error_sentence, "HELLO"), peer->error_sentence));
}

Test(core_refusal, a_session_id_of_another_role_is_denied)
{
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    test_peer *const peer = world_peer(&w, "", 0, NULL);
    peer->hello->session = worker->session;
    peer_cut(worker);

    peer_connect(peer, false);
    must_settle(&w);

    cr_assert(eq(int, peer->error, LEAT_ERR_DENIED));
    cr_assert(not(peer->welcome));
}

Test(core_refusal, commands_say_what_is_wrong)
{
    cr_assert(eq(int, must_command(client, "dance", "{}")->code, LEAT_ERR_UNSUPPORTED));
    cr_assert(eq(int, must_command(client, "channel.close", "{}")->code, LEAT_ERR_MALFORMED));
    cr_assert(eq(int, must_command(client, "channel.new", "{\"channel\":\"a\\n\"}")->code,
                 LEAT_ERR_MALFORMED));
    cr_assert(eq(int,
                 must_command(client, "channel.new", "{\"channel\":\"a\",\"kind\":\"x\"}")->code,
                 LEAT_ERR_MALFORMED));
    cr_assert(eq(int, must_command(client, "batch.seal", "{\"batch\":\"77\"}")->code,
                 LEAT_ERR_NOT_FOUND));
}

Test(core_refusal, a_channel_with_other_settings_is_there_already)
{
    const char *const jobs = "{\"channel\":\"a\",\"kind\":\"jobs\"}";
    const char *const messages = "{\"channel\":\"a\",\"kind\":\"messages\"}";

    cr_assert(eq(int, must_command(client, "channel.new", jobs)->code, LEAT_ERR_OK));
    cr_assert(eq(int, must_command(client, "channel.new", jobs)->code, LEAT_ERR_OK));
    cr_assert(eq(int, must_command(client, "channel.new", messages)->code, LEAT_ERR_BAD_STATE));
}

Test(core_refusal, a_refused_send_does_not_fix_a_channels_kind)
{
    leat_send_head head = test_head("echo", 0);
    head.channel = leat_text_of("fresh");
    head.batch = 123456; /* unknown */
    const uint64_t sequence = peer_send(client, &head, 1, 0);
    must_settle(&w);
    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_NOT_FOUND));

    leat_send_head message = test_head("", 0);
    message.channel = leat_text_of("fresh");

    (void)must_send(client, &message, 1);
}

Test(core_refusal, bytes_that_are_no_frame_are_refused)
{
    static const uint8_t bytes[] = "this is no frame of ours at all";

    leat_core_on_frame(w.core, w.now, client->route, &leat_principal_local, bytes, sizeof bytes,
                       false);
    leat_core_on_frame(w.core, w.now, client->route, &leat_principal_local, bytes, 0, false);
    must_settle(&w);

    cr_assert(eq(int, client->error, LEAT_ERR_MALFORMED));
    (void)must_ask(client, "ping", "{}");
}

Test(core_refusal, a_command_of_the_brokers_side_is_refused)
{
    leat_buf frame = frame_of(LEAT_CMD_SENT, "x", 1, 1);

    peer_say(client, &frame);
    must_settle(&w);

    cr_assert(eq(int, client->error, LEAT_ERR_MALFORMED));
}

Test(core_refusal, a_worker_with_programs_is_not_let_in_where_anybody_could_send_them)
{
    test_peer *const open = world_peer(&w, "open", 1, "echo command:child");
    test_peer *const safe = world_peer(&w, "safe", 1, "echo burn:pool");
    test_peer *const own = world_peer(&w, "own", 1, "command:child");
    open->principal = &leat_principal_anybody;
    safe->principal = &leat_principal_anybody;

    peer_connect(open, false);
    peer_connect(safe, false);
    peer_connect(own, false);
    must_settle(&w);

    cr_assert(not(open->welcome));
    cr_assert(eq(int, open->error, LEAT_ERR_DENIED));
    cr_assert(strstr(open->error_sentence, "without a key over TCP") != NULL);
    cr_assert(safe->welcome);
    cr_assert(own->welcome);
}
