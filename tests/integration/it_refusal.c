/* Refusals: a real broker, a peer that sends wrong bytes, and beside it a client that works and
 * must notice nothing. Each refusal has a code and a sentence that names what is wrong; a frame
 * that was refused with its sequence is decided, and the session goes on. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <leat.h>

#include "tests/lib/peer.h"
#include "tests/lib/programs.h"
#include "tests/lib/test.h"

/* ------------------------------------------------------------------------------ the bystander */

#define BYSTANDER_JOBS 40U

static programs p;
static leat *bystander;
static leat_batch *work;

/* The worker's batch is begun before the test and ended after it. */
static void
set_up(void)
{
    programs_init(&p);
    programs_start_broker(&p);
    programs_start_worker(&p, 0, 2);
    const leat_connect_options options = {.broker = p.broker_url, .timeout_ms = 10000};
    cr_assert(eq(int, leat_connect_with(&options, &bystander), LEAT_OK));
    cr_assert(eq(int, leat_batch_open(bystander, NULL, &work), LEAT_OK));
    for (unsigned i = 0; i < BYSTANDER_JOBS / 2; i++)
        cr_assert(eq(int, leat_batch_add(work, "sleep", "5ms", 3), LEAT_OK));
    cr_assert(eq(int, leat_batch_flush(work), LEAT_OK), "%s", leat_sentence(bystander));
}

static void
expect_all(uint64_t batch, unsigned jobs)
{
    leat_wait *wait;
    leat_completed c;
    leat_status status;
    unsigned done = 0;
    cr_assert(eq(int, leat_wait_open(bystander, batch, &wait), LEAT_OK));
    while ((status = leat_wait_next(wait, &c, 10000)) == LEAT_OK)
        done += c.outcome == LEAT_DONE && c.attempt == 1;
    cr_assert(eq(int, status, LEAT_END), "%s", leat_sentence(bystander));
    cr_expect(eq(uint, done, jobs));
    leat_wait_free(&wait);
}

static void
tear_down(void)
{
    for (unsigned i = 0; i < BYSTANDER_JOBS / 2; i++)
        cr_assert(eq(int, leat_batch_add(work, "sleep", "5ms", 3), LEAT_OK));
    cr_assert(eq(int, leat_batch_seal(work), LEAT_OK), "%s", leat_sentence(bystander));
    expect_all(leat_batch_id(work), BYSTANDER_JOBS);
    leat_disconnect(&bystander);
    cr_expect(eq(int, programs_stop_broker(&p), 0), "%s", programs_log(&p, "broker"));
    programs_fini(&p);
}

TestSuite(refusal, .init = set_up, .fini = tear_down, .timeout = 60);

/* ------------------------------------------------------------------------------ asking */

/* A REPLY that has these words. */
static void
expect_reply(peer *self, const char *words)
{
    char text[4096];
    cr_assert(eq(uint, peer_read(self), LEAT_CMD_REPLY));
    (void)snprintf(text, sizeof text, "%.*s", (int)self->size, (const char *)self->body);
    cr_expect(ne(ptr, strstr(text, words), NULL), "\"%s\" is not in %s", words, text);
}

static void
ask(peer *self, const char *json, const char *words)
{
    leat_buf buf = {0};
    peer_put_json(&buf, LEAT_CMD_QUERY, json, 0);
    peer_send(self, &buf);
    expect_reply(self, words);
}

static void
command(peer *self, const char *json, const char *words)
{
    leat_buf buf = {0};
    char sequence[64];
    peer_put_json(&buf, LEAT_CMD_COMMAND, json, ++self->sequence);
    peer_send(self, &buf);
    expect_reply(self, words);
    (void)snprintf(sequence, sizeof sequence, "\"sequence\":\"%llu\"",
                   (unsigned long long)self->sequence);
    cr_expect(ne(ptr, memmem(self->body, self->size, sequence, strlen(sequence)), NULL));
}

/* ------------------------------------------------------------------------------ headers */

Test(refusal, a_header_that_cannot_be_read_is_named_and_the_session_goes_on)
{
    static const struct {
        size_t size; /* 0: whole */
        size_t at;
        uint8_t byte;
        leat_err code;
        const char *words;
    } cases[] = {
        {1,  0, 'L', LEAT_ERR_MALFORMED, "1 bytes, a frame has at least 24"             },
        {23, 0, 'L', LEAT_ERR_MALFORMED, "23 bytes, a frame has at least 24"            },
        {0,  0, 'X', LEAT_ERR_MALFORMED, "magic 0x5854"                                 },
        {0,  2, 0,   LEAT_ERR_VERSION,   "version 0"                                    },
        {0,  2, 9,   LEAT_ERR_VERSION,   "version 9 of the protocol, this side speaks 1"},
    };
    peer a;
    peer_open(&a, p.broker_url);
    peer_join(&a);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_buf buf = {0};
        peer_put_send(&buf, a.sequence + 1);
        buf.data[cases[i].at] = cases[i].byte;
        peer_send_bytes(&a, buf.data, cases[i].size == 0 ? buf.size : cases[i].size);
        leat_buf_fini(&buf);
        peer_expect_error(&a, cases[i].code, 0, cases[i].words);
        peer_expect_goes_on(&a);
    }
    peer_send_bytes(&a, "", 0);
    peer_expect_error(&a, LEAT_ERR_MALFORMED, 0, "0 bytes");
    peer_expect_goes_on(&a);
    peer_close(&a);
}

Test(refusal, a_header_that_is_not_allowed_is_refused_with_its_sequence)
{
    static const struct {
        uint8_t command;
        uint16_t count;
        const char *words;
    } cases[] = {
        {0,                1,                    "no command has the number 0"         },
        {10,               1,                    "no command has the number 10"        },
        {255,              1,                    "no command has the number 255"       },
        {LEAT_CMD_WELCOME, 1,                    "WELCOME is never sent by a peer"     },
        {LEAT_CMD_JOBS,    1,                    "JOBS is never sent by a peer"        },
        {LEAT_CMD_ERROR,   1,                    "ERROR is never sent by a peer"       },
        {LEAT_CMD_SEND,    0,                    "count 0"                             },
        {LEAT_CMD_SEND,    LEAT_RECORDS_MAX + 1, "count 8193"                          },
        {LEAT_CMD_SEND,    UINT16_MAX,           "count 65535"                         },
        {LEAT_CMD_COMMAND, 2,                    "count 2, COMMAND has 1 record"       },
        {LEAT_CMD_BYE,     1,                    "count 1, BYE has no records"         },
        {LEAT_CMD_BYE,     0,                    "bytes after the header, BYE has none"},
    };
    peer a;
    peer_open(&a, p.broker_url);
    peer_join(&a);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_buf buf = {0};
        peer_put_send(&buf, ++a.sequence);
        buf.data[3] = cases[i].command;
        leat_store_u16(buf.data + 4, cases[i].count);
        peer_send(&a, &buf);
        peer_expect_error(&a, LEAT_ERR_MALFORMED, a.sequence, cases[i].words);
        peer_expect_goes_on(&a);
    }
    peer_close(&a);
}

Test(refusal, a_second_part_ends_the_session_and_a_new_one_may_begin)
{
    leat_buf buf = {0};
    peer a;
    peer_open(&a, p.broker_url);
    peer_join(&a);
    peer_put_send(&buf, 1);
    cr_assert(gt(int, zmq_send(a.socket, buf.data, buf.size, ZMQ_SNDMORE), 0));
    cr_assert(gt(int, zmq_send(a.socket, buf.data, buf.size, 0), 0));
    peer_expect_error(&a, LEAT_ERR_MALFORMED, 0, "more than one part");
    peer_send(&a, &buf);
    peer_expect_error(&a, LEAT_ERR_HELLO_FIRST, 0, "must be HELLO");
    peer_join_as_new(&a);
    peer_expect_goes_on(&a);
    peer_close(&a);
}

/* ------------------------------------------------------------------------------ bodies */

enum body_fault {
    COUNT_TOO_HIGH,
    COUNT_TOO_LOW,
    RECORD_CUT,
    HEAD_CUT,
    BYTE_BEHIND,
    NO_CHANNEL,
    BAD_FLAGS,
    UNKNOWN_SETTING,
    PAYLOAD_TOO_LARGE,
    FRAME_TOO_LARGE
};

static void
faulty_send(leat_buf *buf, enum body_fault fault, uint64_t sequence)
{
    const size_t payload_bytes = fault == PAYLOAD_TOO_LARGE ? LEAT_PAYLOAD_BYTES_MAX + 1
                                 : fault == FRAME_TOO_LARGE ? LEAT_FRAME_BYTES_MAX
                                                            : 1;
    peer_begin_send(buf);
    leat_put_u32(buf, (uint32_t)payload_bytes);
    uint8_t *const payload = leat_buf_room(buf, payload_bytes);
    cr_assert(ne(ptr, payload, NULL));
    memset(payload, 'x', payload_bytes);
    if (fault == BYTE_BEHIND)
        leat_put_u8(buf, 0);
    leat_frame_finish(buf, 0, fault == COUNT_TOO_HIGH ? 2 : 1, sequence);
    if (fault == COUNT_TOO_LOW) {
        leat_send_put(buf, "y", 1);
        leat_frame_finish(buf, 0, 1, sequence);
    }
    if (fault == RECORD_CUT)
        buf->size -= 1;
    if (fault == HEAD_CUT)
        buf->size = LEAT_FRAME_BYTES + 5;
    if (fault == NO_CHANNEL)
        buf->data[LEAT_FRAME_BYTES + 1] = 0;
    if (fault == BAD_FLAGS)
        buf->data[LEAT_FRAME_BYTES] = 0x80;
    if (fault == UNKNOWN_SETTING) {
        /* flags, channel, handler, batch, tag, then the settings: key 99, empty */
        static const uint8_t settings[] = {0, 3, 99, 0, 0, 0, 0, 0, 1, 'x'};
        buf->size = LEAT_FRAME_BYTES + 1 + 8 + 5 + 8 + 4;
        leat_put_bytes(buf, settings, sizeof settings);
    }
}

Test(refusal, a_body_that_is_wrong_is_refused_whole_and_the_session_goes_on)
{
    static const struct {
        enum body_fault fault;
        leat_err code;
        const char *words;
    } cases[] = {
        {COUNT_TOO_HIGH,    LEAT_ERR_MALFORMED,   "SEND: the body is not 2 records"       },
        {COUNT_TOO_LOW,     LEAT_ERR_MALFORMED,   "SEND: the body is not 1 record"        },
        {RECORD_CUT,        LEAT_ERR_MALFORMED,   "SEND: the body is not 1 record"        },
        {HEAD_CUT,          LEAT_ERR_MALFORMED,   "SEND: the body is not 1 record"        },
        {BYTE_BEHIND,       LEAT_ERR_MALFORMED,   "SEND: the body is not 1 record"        },
        {NO_CHANNEL,        LEAT_ERR_MALFORMED,   "SEND: the body is not 1 record"        },
        {BAD_FLAGS,         LEAT_ERR_MALFORMED,   "SEND: the body is not 1 record"        },
        {UNKNOWN_SETTING,   LEAT_ERR_UNSUPPORTED, "SEND: a setting that is not known here"},
        {PAYLOAD_TOO_LARGE, LEAT_ERR_TOO_LARGE,   "SEND: a payload is over 1048576 bytes" },
        {FRAME_TOO_LARGE,   LEAT_ERR_TOO_LARGE,   "a frame has at most"                   },
    };
    peer a;
    peer_open(&a, p.broker_url);
    peer_join(&a);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        leat_buf buf = {0};
        faulty_send(&buf, cases[i].fault, ++a.sequence);
        peer_send(&a, &buf);
        peer_expect_error(&a, cases[i].code, a.sequence, cases[i].words);
        peer_expect_goes_on(&a);
    }
    peer_close(&a);
}

Test(refusal, a_frame_that_zeromq_does_not_let_through_costs_only_its_connection)
{
    leat_buf buf = {0};
    peer a;
    peer b;
    peer_open(&a, p.broker_url);
    peer_join(&a);
    peer_begin_send(&buf);
    cr_assert(ne(ptr, leat_buf_room(&buf, LEAT_WIRE_BYTES_MAX), NULL));
    memset(buf.data + LEAT_FRAME_BYTES, 0, buf.size - LEAT_FRAME_BYTES);
    leat_frame_finish(&buf, 0, 1, 1);
    peer_send(&a, &buf);
    peer_open(&b, p.broker_url);
    peer_join(&b);
    peer_expect_goes_on(&b);
    peer_close(&a);
    peer_close(&b);
}

Test(refusal, bytes_that_are_not_zeromq_disturb_nobody)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: broker\r\n\r\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    peer a;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s",
                   p.broker_url + strlen("ipc://"));
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(ge(int, fd, 0));
    cr_assert(eq(int, connect(fd, (struct sockaddr *)&address, sizeof address), 0));
    cr_assert(eq(int, (int)write(fd, text, sizeof text), (int)sizeof text));
    peer_open(&a, p.broker_url);
    peer_join(&a);
    peer_expect_goes_on(&a);
    peer_close(&a);
    (void)close(fd);
}

/* ------------------------------------------------------------------------------ JSON */

#define LEVELS_8  "[[[[[[[["
#define CLOSES_8  "]]]]]]]]"
#define LEVELS_17 "{\"a\":" LEVELS_8 LEVELS_8 CLOSES_8 CLOSES_8 "}"

static const struct {
    const char *json;
    leat_err code;
    const char *words;
} bad_json[] = {
    {"hello",                       LEAT_ERR_MALFORMED, "byte 0: 'h'"        },
    {"",                            LEAT_ERR_MALFORMED, "byte 0: the end"    },
    {"{\"id\":\"1\"",               LEAT_ERR_MALFORMED, "the end instead of" },
    {"[1]",                         LEAT_ERR_MALFORMED, "byte 0: '['"        },
    {"{\"id\":\"1\",\"id\":\"2\"}", LEAT_ERR_MALFORMED, "key \"id\" twice"   },
    {"{\"id\":\"\xff\"}",           LEAT_ERR_MALFORMED, "not UTF-8"          },
    {LEVELS_17,                     LEAT_ERR_TOO_LARGE, "more than 16 levels"},
};

Test(refusal, json_that_is_none_is_refused_with_the_place_of_the_fault)
{
    peer a;
    peer_open(&a, p.broker_url);
    peer_join(&a);
    for (size_t i = 0; i < sizeof bad_json / sizeof *bad_json; i++) {
        leat_buf buf = {0};
        peer_put_json(&buf, LEAT_CMD_COMMAND, bad_json[i].json, ++a.sequence);
        peer_send(&a, &buf);
        peer_expect_error(&a, bad_json[i].code, a.sequence, "COMMAND: ");
        peer_expect_goes_on(&a);

        peer_put_json(&buf, LEAT_CMD_QUERY, bad_json[i].json, 0);
        peer_send(&a, &buf);
        peer_expect_error(&a, bad_json[i].code, 0, bad_json[i].words);
        peer_expect_goes_on(&a);
    }
    peer_close(&a);
}

Test(refusal, queries_and_commands_that_are_wrong_get_a_reply_that_says_why)
{
    leat_buf buf = {0};
    peer a;
    peer_open(&a, p.broker_url);
    peer_join(&a);
    ask(&a, "{\"id\":\"1\",\"query\":\"stat\\u0075z\"}",
        "{\"id\":\"1\",\"error\":{\"code\":\"UNSUPPORTED\",\"message\":\"no query \\\"statuz\\\"");
    ask(&a, "{\"id\":\"2\",\"query\":\"status\",\"arguments\":{\"batch\":\"999\"}}",
        "{\"code\":\"NOT_FOUND\",\"message\":\"no batch 999\"}");
    ask(&a, "{\"id\":\"3\",\"query\":\"status\",\"arguments\":{\"batch\":42}}",
        "{\"code\":\"MALFORMED\",\"message\":\"\\\"batch\\\" is");
    ask(&a, "{\"id\":\"4\",\"query\":\"status\",\"arguments\":[]}",
        "{\"code\":\"MALFORMED\",\"message\":\"\\\"arguments\\\" is an object\"}");
    ask(&a, "{\"id\":\"5\",\"query\":\"workers\",\"arguments\":{\"offset\":-1}}",
        "{\"code\":\"MALFORMED\",\"message\":\"\\\"offset\\\" is");

    peer_put_json(&buf, LEAT_CMD_QUERY, "{\"query\":\"ping\"}", 0);
    peer_send(&a, &buf);
    peer_expect_error(&a, LEAT_ERR_MALFORMED, 0, "QUERY: \"id\"");
    peer_put_json(&buf, LEAT_CMD_QUERY, "{\"id\":7,\"query\":\"ping\"}", 0);
    peer_send(&a, &buf);
    peer_expect_error(&a, LEAT_ERR_MALFORMED, 0, "QUERY: \"id\"");

    command(&a, "{\"command\":\"broker.dance\"}",
            "\"error\":{\"code\":\"UNSUPPORTED\",\"message\":\"no command \\\"broker.dance\\\"\"");
    command(&a, "{\"arguments\":{}}", "\\\"command\\\" is missing");
    command(&a, "{\"command\":\"batch.seal\"}", "\"code\":\"MALFORMED\"");
    command(&a, "{\"command\":\"batch.seal\",\"arguments\":{\"batch\":\"999\"}}",
            "{\"code\":\"NOT_FOUND\",\"message\":\"no batch 999\"}");
    command(&a, "{\"command\":\"channel.close\",\"arguments\":{\"channel\":\"\"}}",
            "\"code\":\"MALFORMED\",\"message\":\"\\\"channel\\\" must name a channel");
    command(&a, "{\"command\":\"channel.new\",\"arguments\":{\"channel\":\"c\",\"kind\":7}}",
            "\"code\":\"MALFORMED\",\"message\":\"\\\"kind\\\" is jobs or messages");
    peer_expect_goes_on(&a);
    ask(&a, "{\"id\":\"9\",\"query\":\"ping\"}", "{\"id\":\"9\",\"result\":{\"broker\":");
    peer_close(&a);
}

/* ------------------------------------------------------------------------------ sessions */

Test(refusal, a_first_frame_that_is_no_hello_is_answered_once)
{
    leat_buf buf = {0};
    peer a;
    peer_open(&a, p.broker_url);
    peer_put_send(&buf, 1);
    peer_send(&a, &buf);
    peer_expect_error(&a, LEAT_ERR_HELLO_FIRST, 0, "the first frame of a connection must be HELLO");
    peer_put_json(&buf, LEAT_CMD_QUERY, "{\"id\":\"1\",\"query\":\"ping\"}", 0);
    peer_send(&a, &buf); /* dropped */
    peer_send_bytes(&a, "nonsense that is longer than a header", 37);
    peer_expect_error(&a, LEAT_ERR_MALFORMED, 0, "magic 0x6e6f");
    peer_join(&a);
    peer_expect_goes_on(&a);
    peer_close(&a);
}

Test(refusal, a_hello_that_is_wrong_says_why_and_may_be_said_again)
{
    static const struct {
        const char *json;
        const char *words;
    } cases[] = {
        {"{}",                                                                   "HELLO: "            },
        {"{\"role\":\"boss\",\"session\":\"5c0f6e0e3f7a4b1d9a2c8d7e6f504132\"}",
         "\"boss\" is not client, worker or beat"                                                     },
        {"{\"role\":\"client\",\"session\":\"12\"}",                             "session"            },
        {"{\"role\":\"client\",\"role\":\"worker\"}",                            "key \"role\" twice" },
        {LEVELS_17,                                                              "more than 16 levels"},
        {"no",                                                                   "HELLO: byte 0"      },
    };
    leat_buf buf = {0};
    peer a;
    peer_open(&a, p.broker_url);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        peer_put_json(&buf, LEAT_CMD_HELLO, cases[i].json, 0);
        peer_send(&a, &buf);
        peer_expect_error(&a, i == 4 ? LEAT_ERR_TOO_LARGE : LEAT_ERR_MALFORMED, 0, cases[i].words);
    }
    leat_hello_put(&buf, &a.hello, 0);
    buf.data[2] = 2;
    peer_send(&a, &buf);
    peer_expect_error(&a, LEAT_ERR_VERSION, 0, "version 2 of the protocol, this side speaks 1");
    peer_join(&a);
    peer_expect_goes_on(&a);
    peer_close(&a);
}

Test(refusal, a_session_that_is_unknown_is_told_so_and_may_begin_anew)
{
    static const leat_role roles[] = {LEAT_ROLE_CLIENT, LEAT_ROLE_WORKER, LEAT_ROLE_BEAT};
    peer a;
    peer_open(&a, p.broker_url);
    for (size_t i = 0; i < 3; i++) {
        a.hello.role = roles[i];
        a.hello.resume = true;
        a.hello.slots = 1;
        peer_hello(&a);
        peer_expect_error(&a, LEAT_ERR_SESSION_UNKNOWN, 0, "does not know this session");
    }
    a.hello.role = LEAT_ROLE_CLIENT;
    peer_join_as_new(&a);
    peer_expect_goes_on(&a);
    peer_close(&a);
}

Test(refusal, a_session_belongs_to_its_role_and_to_its_latest_connection)
{
    peer a;
    peer b;
    peer_open(&a, p.broker_url);
    a.hello.connection = 2;
    peer_join(&a);
    peer_open(&b, p.broker_url);
    b.hello.session = a.hello.session;
    peer_hello(&b);
    peer_expect_error(&b, LEAT_ERR_BAD_STATE, 0, "a later connection of this session is open");
    b.hello.connection = 3;
    b.hello.role = LEAT_ROLE_WORKER;
    b.hello.slots = 1;
    peer_hello(&b);
    peer_expect_error(&b, LEAT_ERR_DENIED, 0, "belongs to another peer");
    peer_expect_goes_on(&a);
    peer_close(&b);
    peer_close(&a);
}

Test(refusal, a_second_hello_moves_the_connection_to_the_new_session_only)
{
    const leat_session_id first = {{0}};
    peer a;
    peer b;
    peer_open(&a, p.broker_url);
    peer_join(&a);
    peer_expect_goes_on(&a);
    const leat_session_id old = a.hello.session;
    cr_assert(ne(int, memcmp(&old, &first, sizeof old), 0));
    peer_join_as_new(&a);
    peer_expect_goes_on(&a);

    /* The old session is away, not gone, and goes on over a connection of its own. */
    peer_open(&b, p.broker_url);
    b.hello.session = old;
    b.hello.resume = true;
    b.hello.connection = 2;
    b.sequence = 1;
    b.hello.floor = 1;
    peer_join(&b);
    peer_expect_goes_on(&b);
    peer_expect_goes_on(&a);
    peer_close(&b);
    peer_close(&a);
}

Test(refusal, nobody_sends_what_the_other_role_sends)
{
    static const leat_command tokens[] = {LEAT_CMD_RELEASE, LEAT_CMD_SNOOZE};
    const leat_credit to_work = {.kind = LEAT_CREDIT_WORK, .items = 5, .bytes = 100};
    const leat_credit to_wait = {.kind = LEAT_CREDIT_WAIT, .batch = 1, .items = 5};
    const leat_done done = {
        .token = {1, 1, 1},
          .end = LEAT_END_DONE
    };
    const leat_token_record token = {
        .token = {1, 1, 1}
    };
    leat_buf buf = {0};
    peer client;
    peer worker;
    peer_open(&client, p.broker_url);
    peer_join(&client);
    leat_frame_begin(&buf, LEAT_CMD_DONE);
    leat_done_put_head(&buf, 0);
    leat_done_put(&buf, &done);
    leat_frame_finish(&buf, 0, 1, ++client.sequence);
    peer_send(&client, &buf);
    peer_expect_error(&client, LEAT_ERR_DENIED, client.sequence, "DONE: only workers send this");
    for (size_t i = 0; i < 2; i++) {
        leat_frame_begin(&buf, tokens[i]);
        leat_tokens_put(tokens[i], &buf, &token);
        leat_frame_finish(&buf, 0, 1, ++client.sequence);
        peer_send(&client, &buf);
        peer_expect_error(&client, LEAT_ERR_DENIED, client.sequence, "only workers send this");
    }
    leat_frame_begin(&buf, LEAT_CMD_CLAIM);
    leat_tokens_put(LEAT_CMD_CLAIM, &buf, &token);
    leat_frame_finish(&buf, 0, 1, 0);
    peer_send(&client, &buf);
    peer_expect_error(&client, LEAT_ERR_DENIED, 0, "CLAIM: only workers send this");
    leat_frame_begin(&buf, LEAT_CMD_CREDIT);
    leat_credit_put(&buf, &to_work);
    leat_frame_finish(&buf, 0, 1, 0);
    peer_send(&client, &buf);
    peer_expect_error(&client, LEAT_ERR_DENIED, 0, "CREDIT: WORK is for workers");
    peer_expect_goes_on(&client);

    peer_open(&worker, p.broker_url);
    worker.hello.role = LEAT_ROLE_WORKER;
    worker.hello.slots = 1;
    (void)snprintf(worker.hello.name, sizeof worker.hello.name, "raw");
    peer_join(&worker);
    peer_put_send(&buf, ++worker.sequence);
    peer_send(&worker, &buf);
    peer_expect_error(&worker, LEAT_ERR_DENIED, worker.sequence,
                      "SEND: a worker does not send this");
    leat_frame_begin(&buf, LEAT_CMD_CREDIT);
    leat_credit_put(&buf, &to_wait);
    leat_frame_finish(&buf, 0, 1, 0);
    peer_send(&worker, &buf);
    peer_expect_error(&worker, LEAT_ERR_DENIED, 0, "CREDIT: RECV and WAIT are for clients");
    ask(&worker, "{\"id\":\"1\",\"query\":\"ping\"}", "\"result\"");
    peer_close(&worker);
    peer_close(&client);
}

Test(refusal, a_client_has_no_job_that_tells_something)
{
    leat_buf buf = {0};
    peer a;
    peer_open(&a, p.broker_url);
    peer_join(&a);
    leat_frame_begin(&buf, LEAT_CMD_PROGRESS);
    leat_put_u8(&buf, 0);
    leat_frame_finish(&buf, 0, 1, 0);
    peer_send(&a, &buf);
    peer_expect_error(&a, LEAT_ERR_DENIED, 0, "PROGRESS: only workers send this");
    peer_expect_goes_on(&a);
    peer_close(&a);
}

/* ------------------------------------------------------------------------------ sequences */

Test(refusal, a_sequence_is_there_exactly_where_it_belongs)
{
    leat_buf buf = {0};
    peer a;
    peer_open(&a, p.broker_url);
    peer_join(&a);
    peer_put_send(&buf, 0);
    peer_send(&a, &buf);
    peer_expect_error(&a, LEAT_ERR_MALFORMED, 0, "SEND: this command needs a sequence");
    peer_put_json(&buf, LEAT_CMD_COMMAND, "{\"command\":\"x\"}", 0);
    peer_send(&a, &buf);
    peer_expect_error(&a, LEAT_ERR_MALFORMED, 0, "COMMAND: this command needs a sequence");
    peer_put_json(&buf, LEAT_CMD_QUERY, "{\"id\":\"1\",\"query\":\"ping\"}", ++a.sequence);
    peer_send(&a, &buf);
    peer_expect_error(&a, LEAT_ERR_MALFORMED, a.sequence, "QUERY: this command has no sequence");
    peer_expect_goes_on(&a);
    peer_close(&a);
}

Test(refusal, a_sequence_beyond_the_window_is_refused_and_not_decided)
{
    static const uint64_t far_off[] = {LEAT_WINDOW_FRAMES + 1, LEAT_WINDOW_FRAMES + 500,
                                       UINT64_MAX};
    leat_buf buf = {0};
    peer a;
    peer_open(&a, p.broker_url);
    peer_join(&a);
    for (size_t i = 0; i < 3; i++) {
        peer_put_send(&buf, far_off[i]);
        peer_send(&a, &buf);
        peer_expect_error(&a, LEAT_ERR_LIMIT, 0, "more frames without a read answer");
        peer_put_send(&buf, far_off[i]);
        leat_store_u16(buf.data + 4, 0);
        peer_send(&a, &buf);
        peer_expect_error(&a, LEAT_ERR_LIMIT, 0, "more frames without a read answer");
    }
    peer_expect_goes_on(&a);
    peer_expect_goes_on(&a);
    peer_close(&a);
}

Test(refusal, a_refused_sequence_gets_the_same_answer_when_it_is_repeated)
{
    leat_buf buf = {0};
    peer a;
    peer_open(&a, p.broker_url);
    peer_join(&a);
    faulty_send(&buf, COUNT_TOO_HIGH, ++a.sequence);
    peer_send(&a, &buf);
    const uint64_t before = a.seen;
    peer_expect_error(&a, LEAT_ERR_MALFORMED, a.sequence, "not 2 records");
    a.seen = before; /* as if the answer had not been read */
    peer_put_send(&buf, a.sequence);
    peer_send(&a, &buf);
    peer_expect_error(&a, LEAT_ERR_MALFORMED, a.sequence, "not 2 records");
    peer_expect_goes_on(&a);
    peer_close(&a);
}

Test(refusal, every_one_of_many_wrong_frames_is_answered)
{
    leat_buf buf = {0};
    peer a;
    peer_open(&a, p.broker_url);
    peer_join(&a);
    for (unsigned i = 0; i < 30; i++) {
        peer_put_send(&buf, 0);
        buf.data[3] = i % 2 == 0 ? LEAT_CMD_SEND : LEAT_CMD_JOBS;
        peer_send(&a, &buf);
        peer_expect_error(&a, LEAT_ERR_MALFORMED, 0, i % 2 == 0 ? "sequence" : "JOBS");
    }
    for (unsigned i = 0; i < 2 * LEAT_WINDOW_FRAMES; i++) {
        faulty_send(&buf, RECORD_CUT, ++a.sequence);
        peer_send(&a, &buf);
        peer_expect_error(&a, LEAT_ERR_MALFORMED, a.sequence, "SEND");
    }
    peer_expect_goes_on(&a);
    peer_close(&a);
}

Test(refusal, a_peer_that_sends_wrong_frames_and_reads_nothing_disturbs_nobody)
{
    leat_buf buf = {0};
    peer a;
    peer b;
    peer_open(&a, p.broker_url);
    peer_join(&a);
    for (unsigned i = 0; i < 3000; i++) {
        peer_put_send(&buf, i % 3 == 0 ? 0 : ++a.sequence);
        buf.data[i % 5] ^= 0x40;
        if (zmq_send(a.socket, buf.data, buf.size, ZMQ_DONTWAIT) < 0)
            cr_assert(eq(int, errno, EAGAIN));
        leat_buf_fini(&buf);
    }
    peer_open(&b, p.broker_url);
    peer_join(&b);
    peer_expect_goes_on(&b);
    peer_close(&b);
    peer_close(&a);
}
