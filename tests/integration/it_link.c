/* The link against a scripted broker, both on the test's own thread: the script says what the
 * broker does, `events` is what the link told. */
#include "tests/lib/test.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <zmq.h>

#include "proto/base/clock.h"
#include "proto/link/link.h"
#include "tests/lib/router.h"
#include "tests/lib/tmp.h"

#define PATIENCE_MS 10000 /* a test that waits this long has failed */
#define EVENTS_MAX  512

typedef struct told {
    leat_link_event_kind kind;
    leat_command command;
    uint64_t sequence;
    bool resumed;
    leat_err err;
    char sentence[512];
} told;

static leat_tmp tmp;
static leat_router router;
static leat_link *peer;
static leat_link_options *options;
static told events[EVENTS_MAX];
static size_t event_count;
static size_t event_next;
static leat_router_frame frame;
static char first_endpoint[256];

static void
make_link(const char *first, const char *second)
{
    const char *const endpoints[] = {first, second};
    options->endpoints = endpoints;
    options->endpoint_count = second == NULL ? 1 : 2;
    LEAT_PASS(leat_link_new(options, &peer));
}

static void
begin(void)
{
    leat_tmp_init(&tmp);
    char path[PATH_MAX];
    (void)snprintf(first_endpoint, sizeof first_endpoint, "ipc://%.200s",
                   leat_tmp_path(&tmp, "a.sock", path));
    leat_router_init(&router, first_endpoint);
    options = calloc(1, sizeof *options);
    cr_assert(options != NULL);
    options->answers_beats = true;
    options->hello.role = LEAT_ROLE_CLIENT;
    (void)snprintf(options->hello.software, sizeof options->hello.software, "test");
}

static void
end(void)
{
    leat_link_destroy(&peer);
    leat_router_frame_fini(&frame);
    leat_router_fini(&router);
    free(options);
    leat_tmp_fini(&tmp);
}

TestSuite(link, .init = begin, .fini = end, .timeout = 60);

/* ------------------------------------------------------------------------------- the script */

static void
drive(void)
{
    leat_link_event event;
    while (leat_link_next(peer, &event)) {
        cr_assert(event_count < EVENTS_MAX);
        told *const t = &events[event_count++];
        *t = (told){.kind = event.kind,
                    .sequence = event.sequence,
                    .resumed = event.resumed,
                    .err = event.err};
        if (event.kind == LEAT_LINK_FRAME)
            t->command = event.frame.command;
        if (event.sentence != NULL)
            (void)snprintf(t->sentence, sizeof t->sentence, "%.500s", event.sentence);
    }
}

static told
must_tell(leat_link_event_kind kind)
{
    const int64_t end_ms = leat_clock_mono_ms() + PATIENCE_MS;
    while (event_next == event_count) {
        cr_assert(leat_clock_mono_ms() < end_ms, "no event %d", (int)kind);
        drive();
        if (event_next == event_count)
            leat_link_wait(peer, leat_clock_mono_ms() + 20);
    }
    const told t = events[event_next++];
    cr_assert(eq(int, (int)t.kind, (int)kind), "%s", t.sentence);
    return t;
}

/* The next frame at the broker; beats are skipped unless they are asked for. */
static void
must_read(leat_command command)
{
    const int64_t end_ms = leat_clock_mono_ms() + PATIENCE_MS;
    for (;;) {
        cr_assert(leat_clock_mono_ms() < end_ms, "no %s", leat_command_name(command));
        drive();
        leat_router_frame_fini(&frame);
        if (!leat_router_read(&router, 2, &frame))
            continue;
        if (frame.head.command == LEAT_CMD_HEARTBEAT && command != LEAT_CMD_HEARTBEAT)
            continue;
        cr_assert(eq(int, (int)frame.head.command, (int)command));
        return;
    }
}

static leat_hello
must_hello(void)
{
    must_read(LEAT_CMD_HELLO);
    leat_hello *const hello = leat_router_hello(&frame);
    const leat_hello copy = *hello;
    free(hello);
    return copy;
}

static void
come_up(void)
{
    make_link(router.endpoint, NULL);
    (void)must_hello();
    leat_router_welcome(&router, false);
    (void)must_tell(LEAT_LINK_UP);
}

static uint64_t
send_one(const char *payload)
{
    leat_send_head head = leat_send_head_default();
    head.channel = leat_text_of("c");
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_SEND);
    leat_send_put_head(&buf, &head);
    leat_send_put(&buf, payload, strlen(payload));
    leat_frame_finish(&buf, 0, 1, 0);
    const uint64_t sequence = leat_link_send_sequenced(peer, &buf);
    cr_assert(eq(ptr, buf.data, NULL));
    return sequence;
}

static void
send_credit(void)
{
    const leat_credit credit = {.kind = LEAT_CREDIT_RECV, .channel = leat_text_of("c"), .items = 1};
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_CREDIT);
    leat_credit_put(&buf, &credit);
    leat_frame_finish(&buf, 0, 1, 0);
    leat_link_send(peer, &buf);
    cr_assert(eq(ptr, buf.data, NULL));
}

static void
must_read_send(uint64_t sequence, const char *payload)
{
    leat_send_head head;
    leat_reader records;
    must_read(LEAT_CMD_SEND);
    cr_assert(eq(u64, frame.head.sequence, sequence));
    LEAT_PASS(leat_send_open(frame.body, frame.size, frame.head.count, &head, &records));
    const leat_bytes got = leat_send_next(&records);
    cr_assert(eq(u64, got.size, strlen(payload)));
    cr_assert(eq(int, memcmp(got.data, payload, got.size), 0));
}

static void
kill_and_restart(void)
{
    leat_router_close(&router);
    (void)must_tell(LEAT_LINK_DOWN);
    leat_router_open(&router);
}

/* ------------------------------------------------------------------------------------- keys */

/* The broker's side of CURVE: one key is let in. */
typedef struct zap {
    void *socket;
    uint8_t allowed[LEAT_KEY_RAW_BYTES];
    pthread_t thread;
} zap;

static leat_key broker_key;
static leat_key own_key;
static zap gatekeeper;

/* Answer handshakes until the context ends. Parts: version, request, domain, address, identity,
 * mechanism, key. */
static void *
keep_gate(void *argument)
{
    zap *const self = argument;
    for (;;) {
        uint8_t parts[7][256];
        int sizes[7] = {0};
        for (int i = 0; i < 7; i++)
            sizes[i] = zmq_recv(self->socket, parts[i], sizeof parts[i], 0);
        if (sizes[0] < 0)
            break; /* ETERM */
        const bool is_known = sizes[6] == LEAT_KEY_RAW_BYTES &&
                              memcmp(parts[6], self->allowed, LEAT_KEY_RAW_BYTES) == 0;
        (void)zmq_send(self->socket, "1.0", 3, ZMQ_SNDMORE);
        (void)zmq_send(self->socket, parts[1], (size_t)sizes[1], ZMQ_SNDMORE);
        (void)zmq_send(self->socket, is_known ? "200" : "400", 3, ZMQ_SNDMORE);
        (void)zmq_send(self->socket, "", 0, ZMQ_SNDMORE);
        (void)zmq_send(self->socket, is_known ? "w1" : "", is_known ? 2 : 0, ZMQ_SNDMORE);
        (void)zmq_send(self->socket, "", 0, 0);
    }
    (void)zmq_close(self->socket);
    return NULL;
}

/* A broker with keys over TCP, which lets own_key in, and a client that has it. */
static void
begin_keys(void)
{
    begin();
    leat_router_fini(&router);
    LEAT_PASS(leat_key_new("broker", LEAT_KEY_BROKER, &broker_key));
    LEAT_PASS(leat_key_new("w1", LEAT_KEY_WORKER, &own_key));
    memcpy(own_key.broker_public, broker_key.public_key, sizeof own_key.broker_public);
    options->key = &own_key;
    leat_router_init_curve(&router, "tcp://127.0.0.1:*", broker_key.secret);
    cr_assert(zmq_z85_decode(gatekeeper.allowed, own_key.public_key) != NULL);
    gatekeeper.socket = zmq_socket(router.context, ZMQ_REP);
    cr_assert(eq(int, zmq_bind(gatekeeper.socket, "inproc://zeromq.zap.01"), 0));
    cr_assert(eq(int, pthread_create(&gatekeeper.thread, NULL, keep_gate, &gatekeeper), 0));
}

static void
end_keys(void)
{
    end(); /* the end of its context ends the thread */
    cr_assert(eq(int, pthread_join(gatekeeper.thread, NULL), 0));
}

TestSuite(link_keys, .init = begin_keys, .fini = end_keys, .timeout = 60);

static void
expect_text(const told *t, const char *text)
{
    cr_expect(strstr(t->sentence, text) != NULL, "\"%s\" in \"%s\"", text, t->sentence);
}

Test(link_keys, a_key_that_the_broker_knows_is_let_in)
{
    come_up();

    cr_expect(eq(u64, send_one("x"), 1));
    must_read_send(1, "x");
}

Test(link_keys, a_key_that_the_broker_does_not_know_is_refused_for_good)
{
    char want[256];
    char public_key[LEAT_KEY_SHORT_BYTES];
    gatekeeper.allowed[0] ^= 1;
    make_link(router.endpoint, NULL);

    const told refused = must_tell(LEAT_LINK_REFUSED);

    cr_expect(eq(int, (int)refused.err, (int)LEAT_ERR_DENIED));
    (void)snprintf(want, sizeof want,
                   "%s: the broker does not know this key (w1.key, public %s): leat key allow",
                   router.endpoint, leat_key_short(own_key.public_key, public_key));
    cr_expect(strstr(refused.sentence, want) == refused.sentence, "%s", refused.sentence);
    cr_expect(eq(i64, leat_link_due_ms(peer), INT64_MAX));
}

Test(link_keys, a_broker_with_another_key_than_ours_says_is_named)
{
    leat_key other;
    LEAT_PASS(leat_key_new("other", LEAT_KEY_BROKER, &other));
    memcpy(own_key.broker_public, other.public_key, sizeof own_key.broker_public);
    make_link(router.endpoint, NULL);

    const told down = must_tell(LEAT_LINK_DOWN);

    expect_text(&down,
                "the handshake failed: the broker has another key than w1.key says, or none");
}

Test(link_keys, a_broker_without_keys_is_named)
{
    leat_router plain;
    leat_router_init(&plain, "tcp://127.0.0.1:*");
    make_link(plain.endpoint, NULL);

    const told down = must_tell(LEAT_LINK_DOWN);

    expect_text(&down,
                "the handshake failed: the broker has another key than w1.key says, or none");
    leat_link_destroy(&peer);
    leat_router_fini(&plain);
}

Test(link_keys, without_a_key_a_broker_that_wants_one_says_so)
{
    options->key = NULL;
    make_link(router.endpoint, NULL);

    const told down = must_tell(LEAT_LINK_DOWN);

    expect_text(&down, "lets in only who has a key (--key-file)");
}

Test(link_keys, a_unix_socket_needs_no_handshake)
{
    leat_router plain;
    leat_router_init(&plain, first_endpoint);
    leat_router curve = router;
    router = plain;

    come_up();
    leat_link_destroy(&peer);

    leat_router_fini(&router);
    router = curve;
}

Test(link_keys, a_key_that_is_revoked_ends_it_with_the_broker_s_words)
{
    come_up();

    leat_router_error(&router, LEAT_ERR_DENIED, 0, "key \"w1\" was revoked");
    const told refused = must_tell(LEAT_LINK_REFUSED);

    cr_expect(eq(int, (int)refused.err, (int)LEAT_ERR_DENIED));
    LEAT_SAME_TEXT(refused.sentence, "key \"w1\" was revoked");
    cr_expect(not(leat_link_is_up(peer)));
}

/* ---------------------------------------------------------------------------- coming up */

Test(link, a_first_hello_makes_a_new_session)
{
    make_link(router.endpoint, NULL);
    cr_assert(not(leat_link_is_up(peer)));

    const leat_hello hello = must_hello();
    leat_router_welcome(&router, false);
    const told up = must_tell(LEAT_LINK_UP);

    cr_expect(not(hello.resume));
    cr_expect(eq(u64, hello.connection, 1));
    cr_expect(eq(u64, hello.floor, 0));
    cr_expect(eq(u64, frame.head.seen, 0));
    cr_expect(eq(u64, frame.head.sequence, 0));
    cr_expect(eq(int, memcmp(&hello.session, leat_link_session(peer), 16), 0));
    cr_expect(not(up.resumed));
    cr_expect(leat_link_is_up(peer));
    cr_expect(eq(i64, leat_link_down_since_ms(peer), INT64_MAX));
}

Test(link, without_a_broker_it_says_what_it_tried_and_goes_on_trying)
{
    leat_router_close(&router);
    make_link(router.endpoint, "tcp://127.0.0.1:1");

    const told down = must_tell(LEAT_LINK_DOWN);
    cr_expect(eq(int, (int)down.err, (int)LEAT_ERR_NO_BROKER));
    cr_expect(strstr(down.sentence, "no broker answered (tried ipc://") == down.sentence);
    cr_expect(strstr(down.sentence, ", tcp://127.0.0.1:1)") != NULL, "%s", down.sentence);

    leat_router_open(&router);
    (void)must_hello();
    leat_router_welcome(&router, false);
    (void)must_tell(LEAT_LINK_UP);
}

Test(link, the_second_endpoint_is_taken_when_the_first_refuses)
{
    make_link("tcp://127.0.0.1:1", router.endpoint);

    (void)must_hello();
    leat_router_welcome(&router, false);

    (void)must_tell(LEAT_LINK_UP); /* and no DOWN before it */
    cr_expect(eq(int, strcmp(leat_link_endpoint(peer), router.endpoint), 0));
}

Test(link, tcp_carries_it_too)
{
    leat_router_fini(&router);
    leat_router_init(&router, "tcp://127.0.0.1:*");

    come_up();
    cr_expect(eq(u64, send_one("x"), 1));
    must_read_send(1, "x");
}

Test(link, something_that_is_no_broker_is_named)
{
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert(eq(int, bind(server, (struct sockaddr *)&address, sizeof address), 0));
    cr_assert(eq(int, listen(server, 1), 0));
    cr_assert(eq(int, getsockname(server, (struct sockaddr *)&address, &size), 0));
    char endpoint[64];
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", ntohs(address.sin_port));
    make_link(endpoint, NULL);

    const int64_t end_ms = leat_clock_mono_ms() + PATIENCE_MS;
    int guest = -1;
    while (guest < 0 && leat_clock_mono_ms() < end_ms) {
        drive();
        guest = accept(server, NULL, NULL);
    }
    cr_assert(ge(int, guest, 0));
    cr_assert(eq(int, (int)write(guest, "HTTP/1.1 400 no\r\n\r\n", 19), 19));
    close(guest);

    const told down = must_tell(LEAT_LINK_DOWN);
    cr_expect(strstr(down.sentence, "something else than a broker listens there") != NULL, "%s",
              down.sentence);
    close(server);
}

Test(link, a_broker_that_refuses_for_good_ends_it)
{
    make_link(router.endpoint, NULL);
    (void)must_hello();

    leat_router_error(&router, LEAT_ERR_VERSION, 0, "version 1 is too old, this is 9");
    const told refused = must_tell(LEAT_LINK_REFUSED);

    cr_expect(eq(int, (int)refused.err, (int)LEAT_ERR_VERSION));
    cr_expect(eq(int, strcmp(refused.sentence, "version 1 is too old, this is 9"), 0));
    cr_expect(eq(i64, leat_link_due_ms(peer), INT64_MAX));
}

Test(link, a_broker_of_another_version_is_named)
{
    make_link(router.endpoint, NULL);
    (void)must_hello();

    uint8_t bytes[LEAT_FRAME_BYTES] = {'L', 'T', 9, 2};
    leat_router_send_raw(&router, bytes, sizeof bytes, 1);
    const told refused = must_tell(LEAT_LINK_REFUSED);

    cr_expect(strstr(refused.sentence, "speaks version 9 of the protocol, this program 1") != NULL,
              "%s", refused.sentence);
}

Test(link, an_endpoint_without_port_is_refused_at_once)
{
    const char *const endpoints[] = {"tcp://127.0.0.1"};
    options->endpoints = endpoints;
    options->endpoint_count = 1;
    LEAT_FAILS(leat_link_new(options, &peer), LEAT_ERR_CONFIG);
}

/* ---------------------------------------------------------------------- losses and sessions */

Test(link, unanswered_frames_come_again_in_order_and_answered_ones_do_not)
{
    come_up();
    for (uint64_t i = 1; i <= 4; i++)
        cr_assert(eq(u64, send_one((char[]){(char)('a' + (int)i), 0}), i));
    must_read_send(1, "b");
    must_read_send(2, "c");
    must_read_send(3, "d");
    must_read_send(4, "e");
    leat_router_sent(&router, 1, 7, 7, 1);
    leat_router_sent(&router, 3, 8, 8, 1);
    (void)must_tell(LEAT_LINK_FRAME);
    (void)must_tell(LEAT_LINK_FRAME);
    cr_assert(eq(u32, leat_link_unanswered(peer), 2));

    kill_and_restart();
    cr_assert(eq(u64, send_one("f"), 5)); /* while nobody is there */
    const leat_hello hello = must_hello();
    cr_expect(hello.resume);
    cr_expect(eq(u64, hello.connection, 2));
    cr_expect(eq(u64, hello.floor, 1));
    cr_expect(eq(u64, frame.head.seen, 3)); /* WELCOME and two SENT */
    leat_router_welcome(&router, true);

    must_read_send(2, "c");
    must_read_send(4, "e");
    must_read_send(5, "f");
    cr_expect(must_tell(LEAT_LINK_UP).resumed);
}

Test(link, frames_without_sequence_are_dropped_while_down)
{
    come_up();
    kill_and_restart();

    send_credit();
    (void)must_hello();
    leat_router_welcome(&router, true);
    (void)must_tell(LEAT_LINK_UP);
    (void)send_one("x");

    must_read_send(1, "x"); /* and no CREDIT before it */
}

Test(link, an_unknown_session_makes_a_new_one_and_tells_what_is_unknown)
{
    come_up();
    (void)send_one("a");
    (void)send_one("b");
    must_read_send(1, "a");
    must_read_send(2, "b");
    leat_router_sent(&router, 1, 7, 7, 1);
    (void)must_tell(LEAT_LINK_FRAME);
    const leat_session_id old = *leat_link_session(peer);

    kill_and_restart();
    cr_expect(must_hello().resume);
    leat_router_error(&router, LEAT_ERR_SESSION_UNKNOWN, 0, "no such session");
    const leat_hello hello = must_hello(); /* on the same connection */
    leat_router_welcome(&router, false);

    cr_expect(not(hello.resume));
    cr_expect(eq(u64, hello.connection, 1));
    cr_expect(eq(u64, frame.head.seen, 0));
    cr_expect(ne(int, memcmp(&old, &hello.session, sizeof old), 0));
    cr_expect(eq(u64, must_tell(LEAT_LINK_UNKNOWN).sequence, 2));
    cr_expect(not(must_tell(LEAT_LINK_UP).resumed));
    cr_expect(eq(u64, send_one("c"), 1));
    must_read_send(1, "c");
}

Test(link, a_stranger_at_another_endpoint_does_not_get_the_session)
{
    leat_router other;
    char path[PATH_MAX];
    char endpoint[256];
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%.200s", leat_tmp_path(&tmp, "b.sock", path));
    leat_router_init(&other, endpoint);
    make_link(router.endpoint, other.endpoint);
    (void)must_hello();
    leat_router_welcome(&router, false);
    (void)must_tell(LEAT_LINK_UP);

    leat_router_close(&router);
    (void)must_tell(LEAT_LINK_DOWN);
    leat_router_frame hello = {0};
    const int64_t end_ms = leat_clock_mono_ms() + PATIENCE_MS;
    while (!leat_router_read(&other, 2, &hello) && leat_clock_mono_ms() < end_ms)
        drive();
    cr_assert(eq(int, (int)hello.head.command, (int)LEAT_CMD_HELLO));
    leat_router_error(&other, LEAT_ERR_SESSION_UNKNOWN, 0, "no such session");
    leat_router_frame_fini(&hello);
    leat_router_open(&router);
    const leat_hello again = must_hello();
    leat_router_welcome(&router, true);

    cr_expect(again.resume);
    cr_expect(must_tell(LEAT_LINK_UP).resumed);
    leat_router_fini(&other);
}

Test(link, a_broker_that_stops_is_left_and_found_again)
{
    come_up();

    leat_router_bye(&router);
    const told down = must_tell(LEAT_LINK_DOWN);
    (void)must_hello();
    leat_router_welcome(&router, true);

    cr_expect(strstr(down.sentence, "the broker is stopping") != NULL, "%s", down.sentence);
    (void)must_tell(LEAT_LINK_UP);
}

Test(link, a_broker_that_says_nothing_is_left)
{
    router.lost_ms = 100;
    come_up();

    const told down = must_tell(LEAT_LINK_DOWN);
    router.lost_ms = LEAT_LOST_MS;
    (void)must_hello();
    leat_router_welcome(&router, true);

    cr_expect(eq(int, (int)down.err, (int)LEAT_ERR_TIMEOUT));
    (void)must_tell(LEAT_LINK_UP);
}

Test(link, a_frame_that_is_none_ends_the_connection)
{
    come_up();

    leat_router_send_raw(&router, "nonsense that is long enough", 28, 1);

    cr_expect(eq(int, (int)must_tell(LEAT_LINK_DOWN).err, (int)LEAT_ERR_MALFORMED));
    cr_expect(must_hello().resume);
}

Test(link, a_second_part_ends_the_connection)
{
    come_up();
    leat_buf buf = {0};
    const leat_heartbeat heartbeat = {0};
    leat_frame_begin(&buf, LEAT_CMD_HEARTBEAT);
    leat_heartbeat_put(&buf, &heartbeat);
    leat_frame_finish(&buf, 0, 1, 2);

    leat_router_send_raw(&router, buf.data, buf.size, 2);

    cr_expect(eq(int, (int)must_tell(LEAT_LINK_DOWN).err, (int)LEAT_ERR_MALFORMED));
    leat_buf_fini(&buf);
}

Test(link, an_error_without_sequence_is_handed_out)
{
    come_up();

    leat_router_error(&router, LEAT_ERR_MALFORMED, 0, "byte 3");

    cr_expect(eq(int, (int)must_tell(LEAT_LINK_FRAME).command, (int)LEAT_CMD_ERROR));
    cr_expect(leat_link_is_up(peer));
}

Test(link, a_session_that_the_broker_ended_says_hello_again)
{
    come_up();

    leat_router_error(&router, LEAT_ERR_HELLO_FIRST, 0, "hello first");

    (void)must_tell(LEAT_LINK_DOWN);
    cr_expect(must_hello().resume);
}

/* ------------------------------------------------------------------------ windows and beats */

Test(link, the_window_closes_and_opens_with_the_answers)
{
    router.window_frames = 3;
    come_up();
    cr_assert(eq(u32, leat_link_room(peer), 3));
    for (int i = 0; i < 3; i++)
        (void)send_one("x");
    cr_assert(eq(u32, leat_link_room(peer), 0));
    for (uint64_t s = 1; s <= 3; s++)
        must_read_send(s, "x");

    leat_router_sent(&router, 2, 1, 1, 1);
    (void)must_tell(LEAT_LINK_FRAME);
    cr_expect(eq(u32, leat_link_room(peer), 0)); /* 1 is the lowest that waits */
    leat_router_error(&router, LEAT_ERR_NO_SPACE, 1, "full");
    (void)must_tell(LEAT_LINK_FRAME);
    cr_expect(eq(u32, leat_link_room(peer), 2));
    leat_router_reply(&router, "{\"sequence\":\"3\",\"result\":{}}");
    (void)must_tell(LEAT_LINK_FRAME);
    cr_expect(eq(u32, leat_link_room(peer), 3));
}

Test(link, a_select_is_answered_by_its_selected)
{
    come_up();
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_SELECT);
    leat_select_put_head(&buf, 0);
    leat_select_put(&buf,
                    &(leat_select_case){.kind = LEAT_SELECT_RECV, .channel = leat_text_of("c")});
    leat_frame_finish(&buf, 0, 1, 0);
    cr_assert(eq(u64, leat_link_send_sequenced(peer, &buf), 1));
    must_read(LEAT_CMD_SELECT);
    cr_assert(eq(u32, leat_link_unanswered(peer), 1));

    leat_frame_begin(&buf, LEAT_CMD_SELECTED);
    leat_selected_put(&buf, &(leat_selected){.sequence = 1, .id = 7});
    leat_router_send(&router, &buf, 1);
    (void)must_tell(LEAT_LINK_FRAME);
    cr_expect(eq(u32, leat_link_unanswered(peer), 0));
}

Test(link, four_frames_read_are_confirmed_with_a_heartbeat)
{
    come_up();
    for (uint64_t s = 1; s <= 4; s++)
        leat_router_acked(&router, s + 100);

    for (int i = 0; i < 4; i++)
        (void)must_tell(LEAT_LINK_FRAME);
    must_read(LEAT_CMD_HEARTBEAT);

    cr_expect(eq(u64, frame.head.seen, router.sequence));
    cr_expect(eq(u64, frame.head.sequence, 0));
}

Test(link, a_broker_that_has_forgotten_its_numbers_is_confirmed_in_its_new_ones)
{
    router.sequence = 1000;
    come_up();
    kill_and_restart();
    (void)must_hello();
    cr_expect(eq(u64, frame.head.seen, 1001));
    router.sequence = 0;

    leat_router_welcome(&router, true);
    (void)must_tell(LEAT_LINK_UP);
    leat_link_beat_now(peer);
    must_read(LEAT_CMD_HEARTBEAT);

    cr_expect(eq(u64, frame.head.seen, 1));
}

Test(link, a_beat_says_what_runs)
{
    come_up();

    leat_link_set_beat(peer, 12, 3);
    leat_link_beat_now(peer);
    must_read(LEAT_CMD_HEARTBEAT);

    leat_heartbeat heartbeat;
    LEAT_PASS(leat_heartbeat_open(frame.body, frame.size, &heartbeat));
    cr_expect(eq(u64, heartbeat.started, 12));
    cr_expect(eq(u32, heartbeat.running, 3));
    cr_expect(leat_link_due_ms(peer) <= leat_clock_mono_ms() + LEAT_HEARTBEAT_BUSY_MS);
}

Test(link, a_worker_s_beat_names_its_session_and_confirms_nothing)
{
    options->hello.role = LEAT_ROLE_BEAT;
    options->hello.session.bytes[0] = 42;
    options->answers_beats = false;
    router.sequence = 500; /* numbers of the worker's session */
    make_link(router.endpoint, NULL);

    const leat_hello hello = must_hello();
    leat_router_welcome(&router, true);
    (void)must_tell(LEAT_LINK_UP);
    leat_link_beat_now(peer);
    must_read(LEAT_CMD_HEARTBEAT);

    cr_expect(hello.resume);
    cr_expect(eq(int, hello.session.bytes[0], 42));
    cr_expect(eq(u64, frame.head.seen, 0));
}

Test(link, a_pipe_that_is_full_loses_nothing)
{
    enum {
        FRAMES = 600
    };
    come_up();
    char payload[60000];
    memset(payload, 'p', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';

    for (int i = 0; i < FRAMES; i++) {
        payload[0] = (char)('a' + i % 26);
        (void)send_one(payload);
    }

    for (int i = 0; i < FRAMES; i++) {
        payload[0] = (char)('a' + i % 26);
        must_read_send((uint64_t)i + 1, payload);
    }
}

/* ------------------------------------------------------------------ descriptors, bodies, end */

Test(link, its_descriptor_stays_readable_while_events_are_left)
{
    come_up();
    leat_router_acked(&router, 101);
    leat_router_acked(&router, 102);
    struct pollfd item = {.fd = leat_link_fd(peer), .events = POLLIN};
    leat_link_event event;
    cr_assert(eq(int, poll(&item, 1, PATIENCE_MS), 1));
    while (!leat_link_next(peer, &event))
        cr_assert(eq(int, poll(&item, 1, PATIENCE_MS), 1));

    cr_expect(eq(int, poll(&item, 1, 0), 1));
    cr_expect(eq(i64, leat_link_due_ms(peer), 0));
    while (leat_link_next(peer, &event) || poll(&item, 1, 50) > 0)
        continue;
    cr_expect(eq(int, poll(&item, 1, 0), 0));
}

/* Hand out the first of two frames that the router has sent: the other is left. */
static void
leave_one(void)
{
    leat_link_event event;
    leat_router_acked(&router, 101);
    leat_router_acked(&router, 102);
    while (!leat_link_next(peer, &event))
        leat_link_wait(peer, INT64_MAX);
}

Test(link, a_loop_that_asks_when_it_is_due_is_told_of_events_that_are_left)
{
    come_up();
    struct pollfd item = {.fd = leat_link_fd_beside_due(peer), .events = POLLIN};
    leat_link_event event;
    leave_one();

    cr_expect(eq(i64, leat_link_due_ms(peer), 0));
    unsigned more = 0;
    while (more == 0) {
        while (leat_link_next(peer, &event))
            more++;
        if (more == 0)
            (void)poll(&item, 1, PATIENCE_MS);
    }
    cr_expect(eq(uint, more, 1));
    cr_expect(gt(i64, leat_link_due_ms(peer), 0));
}

Test(link, a_descriptor_that_is_asked_for_late_shows_what_was_left_before)
{
    come_up();
    leave_one();

    struct pollfd item = {.fd = leat_link_fd(peer), .events = POLLIN};
    cr_expect(eq(int, poll(&item, 1, 0), 1));
}

Test(link, a_wake_ends_the_next_wait)
{
    come_up();
    drive();

    leat_link_wake(peer);
    leat_link_wait(peer, INT64_MAX); /* would sleep until the heartbeat, or the test's end */
    drive();

    cr_expect(leat_link_is_up(peer));
}

Test(link, a_taken_body_outlives_the_link)
{
    static const size_t sizes[] = {10, 100000};
    leat_link_body *bodies[2] = {NULL, NULL};
    come_up();
    for (int i = 0; i < 2; i++) {
        leat_buf buf = {0};
        leat_frame_begin(&buf, LEAT_CMD_MOVED);
        memset(leat_buf_room(&buf, sizes[i]), 'm', sizes[i]);
        leat_router_send(&router, &buf, 1);
        leat_link_event event;
        while (!leat_link_next(peer, &event))
            leat_link_wait(peer, INT64_MAX);
        bodies[i] = leat_link_take_body(peer);
        cr_assert(bodies[i] != NULL);
        cr_expect(eq(ptr, leat_link_take_body(peer), NULL));
    }
    leat_link_destroy(&peer);

    for (int i = 0; i < 2; i++) {
        cr_expect(eq(sz, bodies[i]->size, sizes[i]));
        cr_expect(eq(int, bodies[i]->data[sizes[i] - 1], 'm'));
        leat_link_body_free(&bodies[i]);
        cr_expect(eq(ptr, bodies[i], NULL));
    }
}

Test(link, bye_is_said_after_everything_else)
{
    come_up();
    (void)send_one("last");

    leat_link_bye(&peer, 1000);

    cr_expect(eq(ptr, peer, NULL));
    leat_router_frame got = {0};
    cr_assert(leat_router_read(&router, PATIENCE_MS, &got));
    cr_expect(eq(int, (int)got.head.command, (int)LEAT_CMD_SEND));
    leat_router_frame_fini(&got);
    cr_assert(leat_router_read(&router, PATIENCE_MS, &got));
    cr_expect(eq(int, (int)got.head.command, (int)LEAT_CMD_BYE));
    leat_router_frame_fini(&got);
}

Test(link, bye_to_a_broker_that_died_unseen_does_not_wait)
{
    come_up();
    leat_router_close(&router);
    (void)zmq_poll(NULL, 0, 100); /* it is gone, and nobody has looked */

    leat_link_bye(&peer, 3600000);

    leat_router_open(&router);
}
