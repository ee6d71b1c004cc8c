/* Channels of the library, frame by frame: the test is the broker and answers by hand, the call
 * under test runs in a thread of its own. What one says and when is the test's; nothing is left to
 * time but that a call which must not return yet has not returned a moment later. */
#include "tests/lib/test.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <leat.h>

#include "tests/lib/router.h"
#include "tests/lib/tmp.h"

#define MOMENT_MS 30
#define LONG_MS   20000

static leat_tmp tmp;
static leat_router router;
static leat *client;
static char endpoint[256];

/* ------------------------------------------------------------------------- the broker's side */

static leat_router_frame frame; /* the last one that was read */
static leat_reader records;
static uint64_t acked; /* sequence of the last ACK that was answered */

/* Nothing to answer: a sign of life, or an ACK again whose answer died with the connection. */
static bool
is_noise(void)
{
    return frame.head.command == LEAT_CMD_HEARTBEAT ||
           (frame.head.command == LEAT_CMD_ACK && frame.head.sequence <= acked);
}

/* The next frame that is no noise is a `command`. */
static void
expect(leat_command command)
{
    for (;;) {
        leat_router_frame_fini(&frame);
        cr_assert(leat_router_read(&router, LONG_MS, &frame), "no %s came",
                  leat_command_name(command));
        if (!is_noise())
            break;
        if (frame.head.command == LEAT_CMD_ACK)
            leat_router_acked(&router, frame.head.sequence);
    }
    cr_assert(eq(int, (int)frame.head.command, (int)command), "%s instead of %s",
              leat_command_name(frame.head.command), leat_command_name(command));
}

static bool
is_quiet(void)
{
    for (;;) {
        leat_router_frame_fini(&frame);
        if (!leat_router_read(&router, MOMENT_MS, &frame))
            return true;
        if (frame.head.command != LEAT_CMD_HEARTBEAT)
            return false;
    }
}

static leat_send_head
expect_send(void)
{
    leat_send_head head;
    expect(LEAT_CMD_SEND);
    LEAT_PASS(leat_send_open(frame.body, frame.size, frame.head.count, &head, &records));
    return head;
}

static leat_credit
expect_credit(const char *channel)
{
    leat_credit credit;
    expect(LEAT_CMD_CREDIT);
    LEAT_PASS(leat_credit_open(frame.body, frame.size, frame.head.count, &records));
    leat_credit_next(&records, &credit);
    cr_assert(eq(int, (int)credit.kind, (int)LEAT_CREDIT_RECV));
    cr_assert(leat_text_is(credit.channel, leat_text_of(channel)));
    return credit;
}

/* Its messages, added up: they are small numbers. */
static uint64_t
expect_acks(uint16_t count)
{
    uint64_t sum = 0;
    expect(LEAT_CMD_ACK);
    LEAT_PASS(leat_ack_open(frame.body, frame.size, frame.head.count, &records));
    cr_assert(eq(u16, frame.head.count, count));
    for (uint16_t i = 0; i < count; i++) {
        leat_ack ack;
        leat_ack_next(&records, &ack);
        cr_assert(eq(int, (int)ack.kind, (int)LEAT_ACK_MESSAGE));
        sum += ack.id;
    }
    acked = frame.head.sequence;
    leat_router_acked(&router, acked);
    return sum;
}

static leat_withdraw
expect_withdraw(leat_withdraw_kind kind)
{
    leat_withdraw withdraw;
    expect(LEAT_CMD_WITHDRAW);
    LEAT_PASS(leat_withdraw_open(frame.body, frame.size, frame.head.count, &records));
    leat_withdraw_next(&records, &withdraw);
    cr_assert(eq(int, (int)withdraw.kind, (int)kind));
    return withdraw;
}

static uint8_t
expect_select(uint16_t count)
{
    uint8_t flags;
    expect(LEAT_CMD_SELECT);
    LEAT_PASS(leat_select_open(frame.body, frame.size, frame.head.count, &flags, &records));
    cr_assert(eq(u16, frame.head.count, count));
    return flags;
}

static void
say_sent(uint64_t sequence, leat_err code)
{
    const leat_sent sent = {
        .sequence = sequence, .code = (uint16_t)code, .accepted = code == LEAT_ERR_OK};
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_SENT);
    leat_sent_put(&buf, &sent);
    leat_router_send(&router, &buf, 1);
}

static void
say_message(const char *channel, uint64_t id, const char *text, uint8_t flags)
{
    const leat_message message = {
        .id = id,
        .flags = flags,
        .payload = {.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)}
    };
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_ITEMS);
    const size_t at = leat_items_put_messages(&buf, leat_text_of(channel), 0);
    leat_items_put_message(&buf, &message);
    leat_items_set_messages(&buf, at, 1);
    leat_router_send(&router, &buf, 1);
}

static void
say_closed(const char *channel)
{
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_ITEMS);
    const size_t at = leat_items_put_messages(&buf, leat_text_of(channel), LEAT_ITEMS_CLOSED);
    leat_items_set_messages(&buf, at, 0);
    leat_router_send(&router, &buf, 1);
}

static void
say_withdrawn(const char *channel, uint64_t served)
{
    const leat_withdrawn withdrawn = {.channel = leat_text_of(channel), .served = served};
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_WITHDRAWN);
    leat_withdrawn_put(&buf, &withdrawn);
    leat_router_send(&router, &buf, 1);
}

static void
say_selected(uint64_t sequence, uint16_t index, leat_err code, uint64_t id, const char *text)
{
    const leat_selected selected = {
        .sequence = sequence,
        .index = index,
        .code = (uint16_t)code,
        .id = id,
        .payload = {.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)},
        .sentence = leat_text_of(code == LEAT_ERR_OK ? "" : leat_err_message(code))
    };
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_SELECTED);
    leat_selected_put(&buf, &selected);
    leat_router_send(&router, &buf, 1);
}

static void
say_reply(const char *result)
{
    char json[256];
    (void)snprintf(json, sizeof json, "{\"sequence\":\"%llu\",\"result\":%s}",
                   (unsigned long long)frame.head.sequence, result);
    leat_router_reply(&router, json);
}

static void
greet(bool knows)
{
    expect(LEAT_CMD_HELLO);
    leat_hello *const hello = leat_router_hello(&frame);
    const bool resumes = hello->resume;
    free(hello);
    if (resumes && !knows) {
        leat_router_error(&router, LEAT_ERR_SESSION_UNKNOWN, 0, "no such session");
        expect(LEAT_CMD_HELLO);
        acked = 0;
    }
    leat_router_welcome(&router, resumes && knows);
}

/* The broker dies and comes back. */
static void
restart(bool knows)
{
    leat_router_close(&router);
    leat_router_open(&router);
    greet(knows);
}

/* ------------------------------------------------------------------------- the client's side */

/* What the thread does: one of the calls. */
typedef struct call {
    void (*run)(struct call *);
    pthread_t thread;
    atomic_bool done;
    const char *channel;
    int64_t timeout_ms;
    leat_case cases[4];
    size_t count;
    leat_status status;
    int chosen;
    char text[64]; /* what was received */
    char sentence[256];
} call;

static call now;

static void
note_text(call *c, const void *data, size_t size)
{
    (void)snprintf(c->text, sizeof c->text, "%.*s", (int)size, (const char *)data);
}

static void
do_connect(call *c)
{
    c->status = leat_connect(endpoint, &client);
}

static void
do_send(call *c)
{
    c->status = leat_send_within(client, c->channel, "hello", 5, c->timeout_ms);
}

static void
do_recv(call *c)
{
    const void *data;
    size_t size;
    c->status = leat_recv(client, c->channel, &data, &size, c->timeout_ms);
    if (c->status == LEAT_OK)
        note_text(c, data, size);
}

static void
do_select(call *c)
{
    c->status = leat_select(client, c->cases, c->count, c->timeout_ms, &c->chosen);
    if (c->chosen >= 0)
        note_text(c, c->cases[c->chosen].data, c->cases[c->chosen].size);
}

static void
do_disconnect(call *c)
{
    leat_disconnect(&client);
    c->status = LEAT_OK;
}

static void *
run_call(void *context)
{
    call *const c = context;
    c->run(c);
    if (client != NULL)
        (void)snprintf(c->sentence, sizeof c->sentence, "%s", leat_sentence(client));
    atomic_store(&c->done, true);
    return NULL;
}

static void
start(call c)
{
    now = c;
    now.chosen = 99;
    cr_assert(eq(int, pthread_create(&now.thread, NULL, run_call, &now), 0));
}

/* The call returns with status. */
static void
returns(leat_status status)
{
    cr_assert(eq(int, pthread_join(now.thread, NULL), 0));
    cr_assert(eq(int, (int)now.status, (int)status), "%s", now.sentence);
}

static void
still_waits(void)
{
    cr_assert(is_quiet());
    cr_assert(eq(int, atomic_load(&now.done), 0));
}

/* Process until the descriptor is silent for a moment. */
static void
process(void)
{
    struct pollfd fd = {.fd = leat_fd(client), .events = POLLIN};
    while (poll(&fd, 1, MOMENT_MS) > 0)
        cr_assert(eq(int, (int)leat_process(client), (int)LEAT_OK), "%s", leat_sentence(client));
}

#define RECV(name, ms) ((call){.run = do_recv, .channel = (name), .timeout_ms = (ms)})
#define SEND(name, ms) ((call){.run = do_send, .channel = (name), .timeout_ms = (ms)})

static call
select_of(int64_t timeout_ms, size_t count, leat_case a, leat_case b)
{
    call c = {.run = do_select, .timeout_ms = timeout_ms, .count = count};
    c.cases[0] = a;
    c.cases[1] = b;
    return c;
}

/* One message is received, as the first of its channel. */
static void
receive_one(const char *channel, uint64_t id, const char *text)
{
    start(RECV(channel, -1));
    (void)expect_credit(channel);
    say_message(channel, id, text, 0);
    returns(LEAT_OK);
    LEAT_SAME_TEXT(now.text, text);
}

static void
begin(void)
{
    char path[PATH_MAX];
    leat_tmp_init(&tmp);
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%.200s", leat_tmp_path(&tmp, "s", path));
    leat_router_init(&router, endpoint);
    start((call){.run = do_connect});
    greet(true);
    returns(LEAT_OK);
}

static void
end(void)
{
    start((call){.run = do_disconnect});
    cr_assert(eq(int, pthread_join(now.thread, NULL), 0));
    leat_router_frame_fini(&frame);
    leat_router_fini(&router);
    leat_tmp_fini(&tmp);
}

TestSuite(send, .init = begin, .fini = end, .timeout = 60);
TestSuite(recv, .init = begin, .fini = end, .timeout = 60);
TestSuite(poll, .init = begin, .fini = end, .timeout = 60);
TestSuite(select, .init = begin, .fini = end, .timeout = 60);
TestSuite(begun, .init = begin, .fini = end, .timeout = 60);
TestSuite(jobs, .init = begin, .fini = end, .timeout = 60);

/* ----------------------------------------------------------------------------------- sending */

Test(send, it_waits_while_the_channel_is_full)
{
    start(SEND("full", -1));
    const leat_send_head head = expect_send();
    cr_expect(eq(u8, head.flags, 0));
    const uint64_t sequence = frame.head.sequence;
    still_waits();
    say_sent(sequence, LEAT_ERR_OK);
    returns(LEAT_OK);
}

Test(send, without_time_it_does_not_stand_in_line)
{
    start(SEND("full", 0));
    const leat_send_head head = expect_send();
    cr_expect(eq(u8, head.flags, LEAT_SEND_TRY));
    say_sent(frame.head.sequence, LEAT_ERR_FULL);
    returns(LEAT_FULL);
}

Test(send, when_the_time_is_over_the_broker_decides)
{
    start(SEND("full", MOMENT_MS));
    (void)expect_send();
    const uint64_t sequence = frame.head.sequence;
    cr_expect(eq(u64, expect_withdraw(LEAT_WITHDRAW_SEQUENCE).sequence, sequence));
    still_waits();
    say_sent(sequence, LEAT_ERR_TIMEOUT);
    returns(LEAT_TIMED_OUT);
    LEAT_SAME_TEXT(now.sentence, "the channel is full, and the time ran out");
}

Test(send, what_went_in_before_it_was_withdrawn_is_in)
{
    start(SEND("full", MOMENT_MS));
    (void)expect_send();
    const uint64_t sequence = frame.head.sequence;
    (void)expect_withdraw(LEAT_WITHDRAW_SEQUENCE);
    say_sent(sequence, LEAT_ERR_OK);
    returns(LEAT_OK);
    LEAT_SAME_TEXT(now.sentence, "");
}

Test(send, it_is_sent_and_withdrawn_again_when_the_answer_was_lost)
{
    start(SEND("full", MOMENT_MS));
    (void)expect_send();
    const uint64_t sequence = frame.head.sequence;
    (void)expect_withdraw(LEAT_WITHDRAW_SEQUENCE);
    restart(true);
    (void)expect_send();
    cr_expect(eq(u64, frame.head.sequence, sequence));
    cr_expect(eq(u64, expect_withdraw(LEAT_WITHDRAW_SEQUENCE).sequence, sequence));
    say_sent(sequence, LEAT_ERR_TIMEOUT);
    returns(LEAT_TIMED_OUT);
}

Test(send, what_waits_in_line_is_sent_again_and_goes_on_waiting)
{
    start(SEND("full", -1));
    (void)expect_send();
    restart(true);
    (void)expect_send();
    const uint64_t sequence = frame.head.sequence;
    still_waits();
    say_sent(sequence, LEAT_ERR_CLOSED);
    returns(LEAT_CLOSED);
}

Test(send, after_a_forgotten_session_it_is_unknown)
{
    start(SEND("full", -1));
    (void)expect_send();
    restart(false);
    returns(LEAT_UNKNOWN);
}

Test(send, an_interrupted_one_is_withdrawn)
{
    start(SEND("full", -1));
    (void)expect_send();
    const uint64_t sequence = frame.head.sequence;
    leat_interrupt(client);
    (void)expect_withdraw(LEAT_WITHDRAW_SEQUENCE);
    say_sent(sequence, LEAT_ERR_TIMEOUT);
    returns(LEAT_REFUSED);
    LEAT_SAME_TEXT(now.sentence, "interrupted");
}

Test(send, an_interrupt_that_comes_too_late_ends_the_next_call)
{
    start(SEND("full", -1));
    (void)expect_send();
    const uint64_t sequence = frame.head.sequence;
    leat_interrupt(client);
    (void)expect_withdraw(LEAT_WITHDRAW_SEQUENCE);
    say_sent(sequence, LEAT_ERR_OK);
    returns(LEAT_OK);
    start(SEND("full", -1));
    (void)expect_send();
    (void)expect_withdraw(LEAT_WITHDRAW_SEQUENCE);
    say_sent(sequence + 1, LEAT_ERR_TIMEOUT);
    returns(LEAT_REFUSED);
}

Test(send, without_a_broker_it_gives_up_in_time_and_nothing_is_sent)
{
    leat_router_close(&router);
    start(RECV("mail", MOMENT_MS)); /* hears of the loss */
    returns(LEAT_TIMED_OUT);
    start(SEND("full", MOMENT_MS));
    returns(LEAT_TIMED_OUT);
    leat_router_open(&router);
    start(SEND("other", -1));
    greet(true);
    const leat_send_head head = expect_send();
    cr_expect(leat_text_is(head.channel, leat_text_of("other")));
    say_sent(frame.head.sequence, LEAT_ERR_OK);
    returns(LEAT_OK);
}

/* --------------------------------------------------------------------------------- receiving */

Test(recv, each_receive_is_counted_and_acknowledges_the_one_before)
{
    start(RECV("mail", -1));
    leat_credit credit = expect_credit("mail");
    cr_expect(eq(u64, credit.receives, 1));
    cr_expect(eq(u32, credit.items, 1));
    still_waits();
    say_message("mail", 7, "one", 0);
    returns(LEAT_OK);
    cr_expect(is_quiet());

    start(RECV("mail", -1));
    cr_expect(eq(u64, expect_acks(1), 7));
    credit = expect_credit("mail");
    cr_expect(eq(u64, credit.receives, 2));
    say_message("mail", 8, "two", 0);
    returns(LEAT_OK);
    LEAT_SAME_TEXT(now.text, "two");
}

Test(recv, one_that_is_given_up_returns_when_the_broker_has_said_so)
{
    start(RECV("mail", MOMENT_MS));
    (void)expect_credit("mail");
    (void)expect_withdraw(LEAT_WITHDRAW_RECV);
    still_waits();
    say_withdrawn("mail", 0);
    returns(LEAT_TIMED_OUT);

    start(RECV("mail", -1)); /* and the next one is the first again */
    cr_expect(eq(u64, expect_credit("mail").receives, 1));
    say_message("mail", 7, "one", 0);
    returns(LEAT_OK);
}

Test(recv, what_is_on_its_way_in_front_of_withdrawn_is_received)
{
    start(RECV("mail", MOMENT_MS));
    (void)expect_credit("mail");
    (void)expect_withdraw(LEAT_WITHDRAW_RECV);
    say_message("mail", 7, "late", 0);
    say_withdrawn("mail", 1);
    returns(LEAT_OK);
    LEAT_SAME_TEXT(now.text, "late");

    start(RECV("mail", -1));
    cr_expect(eq(u64, expect_acks(1), 7));
    cr_expect(eq(u64, expect_credit("mail").receives, 2));
    say_closed("mail");
    returns(LEAT_END);
}

Test(recv, a_lost_connection_withdraws_it_too)
{
    start(RECV("mail", 100));
    (void)expect_credit("mail");
    (void)expect_withdraw(LEAT_WITHDRAW_RECV);
    leat_router_close(&router);
    returns(LEAT_TIMED_OUT);
    leat_router_open(&router);
}

Test(recv, it_is_begun_again_on_the_next_connection)
{
    receive_one("mail", 7, "one");
    start(RECV("mail", -1));
    cr_expect(eq(u64, expect_acks(1), 7));
    cr_expect(eq(u64, expect_credit("mail").receives, 2));
    restart(true);
    cr_expect(eq(u64, expect_credit("mail").receives, 1));
    say_message("mail", 8, "two", 0);
    returns(LEAT_OK);
}

Test(recv, a_message_that_the_program_has_had_is_not_shown_again)
{
    receive_one("mail", 7, "one");
    leat_router_close(&router);
    leat_router_open(&router);
    start(RECV("mail", -1));
    greet(true);
    cr_expect(eq(u64, expect_acks(1), 7));
    cr_expect(eq(u64, expect_credit("mail").receives, 1));
    say_message("mail", 7, "one", LEAT_ITEM_AGAIN);
    cr_expect(eq(u64, expect_acks(1), 7));
    cr_expect(eq(u64, expect_credit("mail").receives, 2));
    say_message("mail", 8, "two", LEAT_ITEM_AGAIN);
    returns(LEAT_OK);
    LEAT_SAME_TEXT(now.text, "two");
}

/* Receive one at a time until two are asked for at once: the test is seldom slow for long. */
static uint64_t
receive_until_ahead(void)
{
    uint64_t id = 1;
    receive_one("mail", id, "x");
    for (;;) {
        start(RECV("mail", -1));
        cr_expect(eq(u64, expect_acks(1), id));
        const uint32_t items = expect_credit("mail").items;
        say_message("mail", ++id, "x", 0);
        if (items == 2)
            say_message("mail", ++id, "y", 0);
        returns(LEAT_OK);
        if (items == 2)
            return id;
    }
}

Test(recv, messages_of_a_fast_program_are_fetched_ahead)
{
    (void)receive_until_ahead();
    start(RECV("mail", -1));
    returns(LEAT_OK);
    LEAT_SAME_TEXT(now.text, "y");
}

Test(recv, what_was_fetched_ahead_is_others_when_the_connection_is_lost)
{
    const uint64_t last = receive_until_ahead();
    process();
    leat_router_close(&router);
    leat_router_open(&router);
    process();
    start(RECV("mail", -1));
    greet(true);
    cr_expect(eq(u64, expect_acks(1), last - 1));
    (void)expect_credit("mail");
    still_waits();
    say_message("mail", last + 1, "new", 0);
    returns(LEAT_OK);
    LEAT_SAME_TEXT(now.text, "new");
}

Test(recv, who_turns_to_another_channel_is_sent_nothing_more_of_the_first)
{
    receive_one("a", 7, "one");
    start(RECV("b", -1));
    cr_expect(eq(u64, expect_acks(1), 7));
    const leat_credit credit = expect_credit("a");
    cr_expect(eq(u32, credit.items, 0));
    (void)expect_credit("b");
    say_message("a", 9, "late", 0);
    say_message("b", 8, "two", 0);
    returns(LEAT_OK);
    LEAT_SAME_TEXT(now.text, "two");
    start(RECV("a", -1));
    returns(LEAT_OK);
    LEAT_SAME_TEXT(now.text, "late");
}

Test(recv, the_end_is_said_again_to_who_asks_again)
{
    for (int i = 0; i < 2; i++) {
        start(RECV("mail", -1));
        (void)expect_credit("mail");
        say_closed("mail");
        returns(LEAT_END);
    }
}

Test(recv, what_is_acknowledged_by_hand_is_acknowledged_at_once_and_once)
{
    receive_one("mail", 7, "one");
    cr_expect(eq(int, (int)leat_acknowledge(client), (int)LEAT_OK));
    cr_expect(eq(u64, expect_acks(1), 7));
    cr_expect(eq(int, (int)leat_acknowledge(client), (int)LEAT_OK));
    start(RECV("mail", -1));
    (void)expect_credit("mail");
    say_closed("mail");
    returns(LEAT_END);
}

Test(recv, without_time_the_broker_is_asked_once_what_there_is)
{
    start(RECV("mail", 0));
    cr_expect(eq(u8, expect_select(1), LEAT_SELECT_DEFAULT));
    say_selected(frame.head.sequence, LEAT_NO_CASE, LEAT_ERR_FULL, 0, "");
    returns(LEAT_TIMED_OUT);
    start(RECV("mail", 0));
    (void)expect_select(1);
    say_selected(frame.head.sequence, 0, LEAT_ERR_OK, 7, "one");
    returns(LEAT_OK);
    LEAT_SAME_TEXT(now.text, "one");
    start(RECV("mail", 0));
    cr_expect(eq(u64, expect_acks(1), 7));
    (void)expect_select(1);
    say_selected(frame.head.sequence, 0, LEAT_ERR_CLOSED, 0, "");
    returns(LEAT_END);
}

Test(recv, a_refusal_of_the_credit_ends_it)
{
    start(RECV("jobs", -1));
    (void)expect_credit("jobs");
    leat_router_error(&router, LEAT_ERR_WRONG_KIND, 0, "the channel holds jobs");
    returns(LEAT_REFUSED);
    LEAT_SAME_TEXT(now.sentence, "the channel holds jobs");
}

Test(recv, an_interrupted_one_is_withdrawn)
{
    start(RECV("mail", -1));
    (void)expect_credit("mail");
    leat_interrupt(client);
    (void)expect_withdraw(LEAT_WITHDRAW_RECV);
    say_withdrawn("mail", 0);
    returns(LEAT_REFUSED);
    LEAT_SAME_TEXT(now.sentence, "interrupted");
}

/* ---------------------------------------------------------------------------------- polling */

static leat_status
poll_mail(void)
{
    const void *data;
    size_t size;
    const leat_status status = leat_recv_poll(client, "mail", &data, &size);
    if (status == LEAT_OK)
        note_text(&now, data, size);
    return status;
}

Test(poll, a_receive_is_begun_once_and_asking_again_sends_nothing)
{
    cr_expect(eq(int, (int)poll_mail(), (int)LEAT_NOT_YET));
    cr_expect(eq(u64, expect_credit("mail").receives, 1));
    for (int i = 0; i < 100; i++)
        cr_expect(eq(int, (int)poll_mail(), (int)LEAT_NOT_YET));
    cr_expect(is_quiet());
    say_message("mail", 7, "one", 0);
    process();
    cr_expect(eq(int, (int)poll_mail(), (int)LEAT_OK));
    LEAT_SAME_TEXT(now.text, "one");
    cr_expect(is_quiet());
    cr_expect(eq(int, (int)poll_mail(), (int)LEAT_NOT_YET));
    cr_expect(eq(u64, expect_acks(1), 7));
    cr_expect(eq(u64, expect_credit("mail").receives, 2));
}

Test(poll, what_stands_is_begun_again_after_a_reconnect)
{
    cr_expect(eq(int, (int)poll_mail(), (int)LEAT_NOT_YET));
    (void)expect_credit("mail");
    leat_router_close(&router);
    leat_router_open(&router);
    leat_router_frame_fini(&frame);
    while (!leat_router_read(&router, 1, &frame))
        (void)leat_process(client);
    cr_assert(eq(int, (int)frame.head.command, (int)LEAT_CMD_HELLO));
    leat_router_welcome(&router, true);
    process();
    cr_expect(eq(u64, expect_credit("mail").receives, 1));
    say_closed("mail");
    process();
    cr_expect(eq(int, (int)poll_mail(), (int)LEAT_END));
}

Test(poll, a_receive_with_a_timeout_goes_on_with_it_and_withdraws_it)
{
    cr_expect(eq(int, (int)poll_mail(), (int)LEAT_NOT_YET));
    (void)expect_credit("mail");
    start(RECV("mail", 0));
    (void)expect_withdraw(LEAT_WITHDRAW_RECV);
    say_message("mail", 7, "one", 0);
    say_withdrawn("mail", 1);
    returns(LEAT_OK);
    LEAT_SAME_TEXT(now.text, "one");
}

Test(poll, several_channels_stand_side_by_side)
{
    const void *data;
    size_t size;
    cr_expect(eq(int, (int)leat_recv_poll(client, "a", &data, &size), (int)LEAT_NOT_YET));
    (void)expect_credit("a");
    cr_expect(eq(int, (int)leat_recv_poll(client, "b", &data, &size), (int)LEAT_NOT_YET));
    (void)expect_credit("b");
    say_message("b", 7, "b", 0);
    say_message("a", 8, "a", 0);
    process();
    cr_expect(eq(int, (int)leat_recv_poll(client, "a", &data, &size), (int)LEAT_OK));
    cr_expect(eq(int, (int)leat_recv_poll(client, "b", &data, &size), (int)LEAT_OK));
    cr_expect(eq(chr, *(const char *)data, 'b'));
}

Test(poll, the_loop_is_told_when_to_come_back)
{
    const int64_t due_ms = leat_due_ms(client);
    cr_expect(ge(i64, due_ms, 0));
    cr_expect(le(i64, due_ms, LEAT_HEARTBEAT_IDLE_MS));
}

Test(poll, an_error_that_belongs_to_no_call_is_told_by_process)
{
    leat_router_error(&router, LEAT_ERR_LIMIT, 0, "too much of it");
    leat_status status = LEAT_OK;
    while (status == LEAT_OK)
        status = leat_process(client);
    cr_expect(eq(int, (int)status, (int)LEAT_REFUSED));
    LEAT_SAME_TEXT(leat_sentence(client), "too much of it");
}

/* --------------------------------------------------------------------------------- selecting */

Test(select, a_receive_that_happens_is_told_and_held)
{
    start(select_of(-1, 2, LEAT_SEND_CASE("out", "x", 1), LEAT_RECV_CASE("in")));
    cr_expect(eq(u8, expect_select(2), 0));
    leat_select_case one;
    leat_select_next(&records, &one);
    cr_expect(eq(int, (int)one.kind, (int)LEAT_SELECT_SEND));
    cr_expect(eq(u32, one.payload.size, 1));
    leat_select_next(&records, &one);
    cr_expect(leat_text_is(one.channel, leat_text_of("in")));
    const uint64_t sequence = frame.head.sequence;
    still_waits();
    say_selected(sequence, 1, LEAT_ERR_OK, 7, "one");
    returns(LEAT_OK);
    cr_expect(eq(int, now.chosen, 1));
    cr_expect(eq(int, now.cases[1].ok, 1));
    LEAT_SAME_TEXT(now.text, "one");
    cr_expect(is_quiet());

    start(RECV("in", -1));
    cr_expect(eq(u64, expect_acks(1), 7));
    (void)expect_credit("in");
    say_closed("in");
    returns(LEAT_END);
}

Test(select, a_send_that_happens_is_told)
{
    start(select_of(-1, 2, LEAT_SEND_CASE("out", "x", 1), LEAT_RECV_CASE("in")));
    (void)expect_select(2);
    say_selected(frame.head.sequence, 0, LEAT_ERR_OK, 7, "");
    returns(LEAT_OK);
    cr_expect(eq(int, now.chosen, 0));
    cr_expect(eq(int, now.cases[0].ok, 1));
}

Test(select, a_closed_channel_is_the_end_of_a_receive_and_an_error_of_a_send)
{
    start(select_of(-1, 2, LEAT_SEND_CASE("out", "x", 1), LEAT_RECV_CASE("in")));
    (void)expect_select(2);
    say_selected(frame.head.sequence, 1, LEAT_ERR_CLOSED, 0, "");
    returns(LEAT_OK);
    cr_expect(eq(int, now.chosen, 1));
    cr_expect(eq(int, now.cases[1].ok, 0));
    cr_expect(eq(sz, now.cases[1].size, 0));

    start(select_of(-1, 2, LEAT_SEND_CASE("out", "x", 1), LEAT_RECV_CASE("in")));
    (void)expect_select(2);
    say_selected(frame.head.sequence, 0, LEAT_ERR_CLOSED, 0, "");
    returns(LEAT_CLOSED);
    cr_expect(eq(int, now.chosen, 0));
}

Test(select, with_a_default_the_broker_does_not_wait)
{
    start(select_of(0, 2, LEAT_SEND_CASE("out", "x", 1), LEAT_RECV_CASE("in")));
    cr_expect(eq(u8, expect_select(2), LEAT_SELECT_DEFAULT));
    say_selected(frame.head.sequence, LEAT_NO_CASE, LEAT_ERR_FULL, 0, "");
    returns(LEAT_TIMED_OUT);
    cr_expect(eq(int, now.chosen, LEAT_DEFAULT_CASE));
}

Test(select, when_the_time_is_over_the_broker_decides)
{
    start(select_of(MOMENT_MS, 1, LEAT_RECV_CASE("in"), LEAT_NO_CASE_AT_ALL));
    (void)expect_select(1);
    const uint64_t sequence = frame.head.sequence;
    cr_expect(eq(u64, expect_withdraw(LEAT_WITHDRAW_SEQUENCE).sequence, sequence));
    still_waits();
    say_selected(sequence, LEAT_NO_CASE, LEAT_ERR_TIMEOUT, 0, "");
    returns(LEAT_TIMED_OUT);
    cr_expect(eq(int, now.chosen, LEAT_DEFAULT_CASE));

    start(select_of(MOMENT_MS, 1, LEAT_RECV_CASE("in"), LEAT_NO_CASE_AT_ALL));
    (void)expect_select(1);
    (void)expect_withdraw(LEAT_WITHDRAW_SEQUENCE);
    say_selected(sequence + 1, 0, LEAT_ERR_OK, 7, "just in time");
    returns(LEAT_OK);
    LEAT_SAME_TEXT(now.text, "just in time");
}

Test(select, cases_that_are_none_never_proceed)
{
    start(select_of(-1, 2, LEAT_NO_CASE_AT_ALL, LEAT_RECV_CASE("in")));
    (void)expect_select(1);
    say_selected(frame.head.sequence, 0, LEAT_ERR_OK, 7, "one");
    returns(LEAT_OK);
    cr_expect(eq(int, now.chosen, 1));

    start(select_of(MOMENT_MS, 1, LEAT_NO_CASE_AT_ALL, LEAT_NO_CASE_AT_ALL));
    returns(LEAT_TIMED_OUT);
    start(select_of(0, 0, LEAT_NO_CASE_AT_ALL, LEAT_NO_CASE_AT_ALL));
    returns(LEAT_TIMED_OUT);
    start(select_of(-1, 0, LEAT_NO_CASE_AT_ALL, LEAT_NO_CASE_AT_ALL));
    leat_interrupt(client);
    returns(LEAT_REFUSED);
}

Test(select, it_is_sent_and_withdrawn_again_when_the_answer_was_lost)
{
    start(select_of(MOMENT_MS, 2, LEAT_SEND_CASE("out", "x", 1), LEAT_RECV_CASE("in")));
    (void)expect_select(2);
    const uint64_t sequence = frame.head.sequence;
    (void)expect_withdraw(LEAT_WITHDRAW_SEQUENCE);
    restart(true);
    (void)expect_select(2);
    cr_expect(eq(u64, frame.head.sequence, sequence));
    (void)expect_withdraw(LEAT_WITHDRAW_SEQUENCE);
    say_selected(sequence, 0, LEAT_ERR_OK, 7, "");
    returns(LEAT_OK);
    cr_expect(eq(int, now.chosen, 0));
}

Test(select, after_a_forgotten_session_receives_begin_anew_and_sends_are_unknown)
{
    start(select_of(-1, 1, LEAT_RECV_CASE("in"), LEAT_NO_CASE_AT_ALL));
    (void)expect_select(1);
    restart(false);
    (void)expect_select(1);
    say_selected(frame.head.sequence, 0, LEAT_ERR_OK, 7, "one");
    returns(LEAT_OK);

    start(select_of(-1, 2, LEAT_SEND_CASE("out", "x", 1), LEAT_RECV_CASE("in")));
    cr_expect(eq(u64, expect_acks(1), 7));
    (void)expect_select(2);
    restart(false);
    returns(LEAT_UNKNOWN);
    cr_expect(eq(int, now.chosen, LEAT_DEFAULT_CASE));
}

Test(select, a_message_that_the_program_has_had_is_not_told_again)
{
    start(select_of(-1, 1, LEAT_RECV_CASE("in"), LEAT_NO_CASE_AT_ALL));
    (void)expect_select(1);
    say_selected(frame.head.sequence, 0, LEAT_ERR_OK, 7, "one");
    returns(LEAT_OK);
    start(RECV("in", -1));
    cr_expect(eq(u64, expect_acks(1), 7));
    (void)expect_credit("in");
    say_message("in", 7, "one", LEAT_ITEM_AGAIN);
    cr_expect(eq(u64, expect_acks(1), 7));
    (void)expect_credit("in");
    say_message("in", 8, "two", 0);
    returns(LEAT_OK);
    LEAT_SAME_TEXT(now.text, "two");
}

Test(select, it_takes_the_place_of_a_receive_that_stands)
{
    cr_expect(eq(int, (int)poll_mail(), (int)LEAT_NOT_YET));
    (void)expect_credit("mail");
    start(select_of(-1, 2, LEAT_RECV_CASE("mail"), LEAT_SEND_CASE("out", "x", 1)));
    cr_expect(eq(u32, expect_credit("mail").items, 0));
    (void)expect_select(2);
    const uint64_t sequence = frame.head.sequence;
    say_message("mail", 7, "late", 0); /* was on its way */
    (void)expect_withdraw(LEAT_WITHDRAW_SEQUENCE);
    say_selected(sequence, LEAT_NO_CASE, LEAT_ERR_TIMEOUT, 0, "");
    returns(LEAT_OK);
    cr_expect(eq(int, now.chosen, 0));
    LEAT_SAME_TEXT(now.text, "late");
}

Test(select, what_is_wrong_with_it_is_said)
{
    start(select_of(-1, 1, LEAT_RECV_CASE("jobs"), LEAT_NO_CASE_AT_ALL));
    (void)expect_select(1);
    say_selected(frame.head.sequence, LEAT_NO_CASE, LEAT_ERR_WRONG_KIND, 0, "");
    returns(LEAT_REFUSED);
    LEAT_SAME_TEXT(now.sentence, "the channel holds items of the other kind");

    leat_case many[LEAT_SELECT_CASES + 1];
    static char large[LEAT_PAYLOAD_BYTES_MAX];
    int chosen;
    for (int i = 0; i <= LEAT_SELECT_CASES; i++)
        many[i] = LEAT_RECV_CASE("in");
    cr_expect(eq(int, (int)leat_select(client, many, LEAT_SELECT_CASES + 1, 0, &chosen),
                 (int)LEAT_WRONG_USE));
    many[0] = LEAT_RECV_CASE("");
    cr_expect(eq(int, (int)leat_select(client, many, 1, 0, &chosen), (int)LEAT_WRONG_USE));
    many[0] = LEAT_SEND_CASE("a", large, sizeof large);
    many[1] = LEAT_SEND_CASE("b", large, 1);
    cr_expect(eq(int, (int)leat_select(client, many, 2, 0, &chosen), (int)LEAT_TOO_LARGE));
    many[0].kind = 9;
    cr_expect(eq(int, (int)leat_select(client, many, 1, 0, &chosen), (int)LEAT_WRONG_USE));
}

/* ------------------------------------------------------------------------ selects that are begun
 */

static leat_selecting *
begin_select(leat_case a)
{
    leat_selecting *selecting = NULL;
    cr_assert(eq(int, (int)leat_select_start(client, &a, 1, &selecting), (int)LEAT_OK));
    return selecting;
}

Test(begun, it_is_polled_without_a_word_to_the_broker)
{
    int chosen;
    leat_case got;
    char text[] = "hello";
    leat_selecting *selecting = begin_select(LEAT_SEND_CASE("out", text, 5));
    text[0] = 'x'; /* it was copied */
    (void)expect_select(1);
    leat_select_case one;
    leat_select_next(&records, &one);
    cr_expect(eq(int, memcmp(one.payload.data, "hello", 5), 0));
    const uint64_t sequence = frame.head.sequence;
    for (int i = 0; i < 100; i++)
        cr_expect(eq(int, (int)leat_select_poll(selecting, &chosen, NULL), (int)LEAT_NOT_YET));
    cr_expect(is_quiet());
    say_selected(sequence, 0, LEAT_ERR_OK, 7, "");
    process();
    for (int i = 0; i < 2; i++) {
        cr_expect(eq(int, (int)leat_select_poll(selecting, &chosen, &got), (int)LEAT_OK));
        cr_expect(eq(int, chosen, 0));
        cr_expect(eq(int, got.ok, 1));
    }
    leat_select_free(&selecting);
    cr_expect(eq(ptr, selecting, NULL));
}

Test(begun, its_message_is_acknowledged_when_it_is_freed)
{
    int chosen;
    leat_case got;
    leat_selecting *selecting = begin_select(LEAT_RECV_CASE("in"));
    (void)expect_select(1);
    say_selected(frame.head.sequence, 0, LEAT_ERR_OK, 7, "one");
    process();
    cr_expect(eq(int, (int)leat_select_poll(selecting, &chosen, &got), (int)LEAT_OK));
    cr_expect(eq(sz, got.size, 3));
    cr_expect(is_quiet());
    leat_select_free(&selecting);
    cr_expect(eq(u64, expect_acks(1), 7));
}

Test(begun, it_can_be_withdrawn)
{
    int chosen;
    leat_selecting *selecting = begin_select(LEAT_RECV_CASE("in"));
    (void)expect_select(1);
    const uint64_t sequence = frame.head.sequence;
    leat_select_withdraw(selecting);
    cr_expect(eq(u64, expect_withdraw(LEAT_WITHDRAW_SEQUENCE).sequence, sequence));
    cr_expect(eq(int, (int)leat_select_poll(selecting, &chosen, NULL), (int)LEAT_NOT_YET));
    say_selected(sequence, LEAT_NO_CASE, LEAT_ERR_TIMEOUT, 0, "");
    process();
    cr_expect(eq(int, (int)leat_select_poll(selecting, &chosen, NULL), (int)LEAT_TIMED_OUT));
    leat_select_free(&selecting);
}

Test(begun, a_message_for_one_that_was_freed_is_kept_for_the_next_receive)
{
    leat_selecting *selecting = begin_select(LEAT_RECV_CASE("in"));
    (void)expect_select(1);
    const uint64_t sequence = frame.head.sequence;
    leat_select_free(&selecting);
    (void)expect_withdraw(LEAT_WITHDRAW_SEQUENCE);
    say_selected(sequence, 0, LEAT_ERR_OK, 7, "kept");
    process();
    start(RECV("in", -1));
    returns(LEAT_OK);
    LEAT_SAME_TEXT(now.text, "kept");
}

Test(begun, several_are_decided_each_for_itself)
{
    int chosen;
    leat_selecting *a = begin_select(LEAT_RECV_CASE("a"));
    (void)expect_select(1);
    const uint64_t sequence = frame.head.sequence;
    leat_selecting *b = begin_select(LEAT_RECV_CASE("b"));
    (void)expect_select(1);
    say_selected(frame.head.sequence, 0, LEAT_ERR_OK, 8, "b");
    process();
    cr_expect(eq(int, (int)leat_select_poll(a, &chosen, NULL), (int)LEAT_NOT_YET));
    cr_expect(eq(int, (int)leat_select_poll(b, &chosen, NULL), (int)LEAT_OK));
    say_selected(sequence, 0, LEAT_ERR_OK, 7, "a");
    process();
    cr_expect(eq(int, (int)leat_select_poll(a, &chosen, NULL), (int)LEAT_OK));
    leat_select_free(&a);
    leat_select_free(&b);
}

Test(begun, it_is_freed_with_the_connection)
{
    (void)begin_select(LEAT_RECV_CASE("a"));
    (void)begin_select(LEAT_SEND_CASE("b", "x", 1));
}

/* -------------------------------------------------------------------------------------- jobs */

static void
do_batch(call *c)
{
    leat_batch *batch;
    static char large[LEAT_PAYLOAD_BYTES_MAX];
    c->status = leat_batch_open(client, NULL, &batch);
    for (int i = 0; i < 20 && c->status == LEAT_OK; i++)
        c->status = leat_batch_add(batch, "echo", large, sizeof large);
    if (c->status == LEAT_OK)
        c->status = leat_batch_flush(batch);
}

Test(jobs, frames_that_may_wait_in_line_are_at_most_half_of_what_the_broker_parks)
{
    uint64_t first = 0;
    size_t sends = 0;
    size_t bytes = 0;
    start((call){.run = do_batch});
    leat_router_frame_fini(&frame);
    while (leat_router_read(&router, 300, &frame)) {
        if (frame.head.command == LEAT_CMD_SEND) {
            first = first == 0 ? frame.head.sequence : first;
            bytes += frame.size;
            sends++;
        }
        leat_router_frame_fini(&frame);
    }
    cr_expect(le(sz, bytes, LEAT_PARKED_BYTES_MAX / 2));
    cr_expect(eq(sz, sends, 7));
    for (uint64_t sequence = first; sends < 20; sequence++) {
        leat_router_sent(&router, sequence, 100, 100, 1);
        (void)expect_send();
        sends++;
    }
    for (uint64_t sequence = first + 13; sequence < first + 20; sequence++)
        leat_router_sent(&router, sequence, 100, 100, 1);
    returns(LEAT_OK);
}

static leat_batch_options rich;

static void
do_submit(call *c)
{
    uint64_t id;
    c->status = leat_submit(client, &rich, "echo", "x", 1, &id);
}

Test(jobs, every_setting_travels)
{
    const leat_follow after[] = {
        {"clean",  "a", 1},
        {"report", "b", 1}
    };
    const leat_follow recover = {"mend", "with", 4};
    leat_batch_options_init(&rich);
    rich.channel = "work";
    rich.name = "night";
    rich.priority = 7;
    rich.failures = 4;
    rich.losses = 2;
    rich.snoozes = 9;
    rich.delay_ms = 1;
    rich.run_limit_ms = 2;
    rich.backoff_min_ms = 3;
    rich.backoff_max_ms = 4;
    rich.grace_ms = 5;
    rich.at_ms = 6;
    rich.expires_ms = 7;
    rich.unique = "one";
    rich.unique_for_ms = 8;
    rich.flow = "f";
    rich.key = "k";
    rich.needs = "cpus=2,gpu=1";
    rich.traits = "arch=arm";
    rich.reply = "answers";
    rich.reply_handler = "next";
    rich.after_batch = 42;
    rich.after = LEAT_WHEN_FAILED;
    rich.finally = after;
    rich.finally_count = 2;
    rich.recover = &recover;
    rich.halt = LEAT_HALT_AT_FAILED;
    rich.halt_n = 5;
    rich.halt_percent = 1;
    rich.halt_running = 1;
    start((call){.run = do_submit});
    const leat_send_head head = expect_send();
    const leat_settings *const s = &head.settings;
    cr_expect(leat_text_is(head.channel, leat_text_of("work")));
    cr_expect(leat_text_is(s->name, leat_text_of("night")));
    cr_expect(eq(u8, s->priority, 7));
    cr_expect(eq(u16, s->failures, 4));
    cr_expect(eq(u16, s->losses, 2));
    cr_expect(eq(u16, s->snoozes, 9));
    cr_expect(eq(u64, s->delay_ms, 1));
    cr_expect(eq(u64, s->run_limit_ms, 2));
    cr_expect(eq(u64, s->backoff_min_ms, 3));
    cr_expect(eq(u64, s->backoff_max_ms, 4));
    cr_expect(eq(u64, s->grace_ms, 5));
    cr_expect(eq(u64, s->at_ms, 6));
    cr_expect(eq(u64, s->expires_ms, 7));
    cr_expect(leat_text_is(s->unique, leat_text_of("one")));
    cr_expect(eq(u64, s->unique_for_ms, 8));
    cr_expect(leat_text_is(s->flow, leat_text_of("f")));
    cr_expect(leat_text_is(s->key, leat_text_of("k")));
    cr_expect(leat_text_is(s->needs, leat_text_of("cpus=2,gpu=1")));
    cr_expect(leat_text_is(s->traits, leat_text_of("arch=arm")));
    cr_expect(leat_text_is(s->reply, leat_text_of("answers")));
    cr_expect(leat_text_is(s->reply_handler, leat_text_of("next")));
    cr_expect(eq(u64, s->after_batch, 42));
    cr_expect(eq(int, (int)s->after, (int)LEAT_AFTER_FAILED));
    cr_expect(eq(u8, s->finally_count, 2));
    cr_expect(leat_text_is(s->finally[1].handler, leat_text_of("report")));
    cr_expect(leat_text_is(s->recover.handler, leat_text_of("mend")));
    cr_expect(eq(u32, s->recover.payload.size, 4));
    cr_expect(eq(int, (int)s->halt.on, (int)LEAT_HALT_FAIL));
    cr_expect(s->halt.running && s->halt.percent);
    cr_expect(eq(u32, s->halt.n, 5));
    leat_router_sent(&router, frame.head.sequence, 100, 100, 1);
    returns(LEAT_OK);
}

static void
refuses(leat_batch_options options, const char *word)
{
    uint64_t id;
    cr_expect(
        eq(int, (int)leat_submit(client, &options, "echo", "x", 1, &id), (int)LEAT_WRONG_USE));
    cr_expect(ne(ptr, strstr(leat_sentence(client), word), NULL), "%s", leat_sentence(client));
}

Test(jobs, options_that_are_wrong_are_named)
{
    leat_batch_options good;
    leat_batch_options_init(&good);
    leat_batch_options bad = good;
    bad.struct_size = 0;
    refuses(bad, "leat_batch_options_init");
#define REFUSES(field, value, word) \
    do {                            \
        bad = good;                 \
        bad.field = (value);        \
        refuses(bad, word);         \
    } while (0)
    REFUSES(priority, 10, "priority");
    REFUSES(losses, 256, "losses");
    REFUSES(grace_ms, LEAT_GRACE_MS_MAX + 1, "grace_ms");
    REFUSES(run_limit_ms, -1, "run_limit_ms");
    REFUSES(needs, "gpu=1,cpus=2", "needs");
    REFUSES(traits, "zone", "traits");
    REFUSES(flow, "", "flow");
    REFUSES(reply_handler, "h", "reply");
    REFUSES(unique_for_ms, 5, "unique");
    REFUSES(after, LEAT_WHEN_OK, "after_batch");
    REFUSES(halt, LEAT_HALT_AT_OK, "halt_n");
    REFUSES(finally_count, 1, "finally");
    const leat_follow nameless = {"", NULL, 0};
    REFUSES(recover, &nameless, "handler");
#undef REFUSES
}

Test(jobs, a_program_with_shorter_options_is_understood)
{
    leat_batch_options old;
    memset(&old, 0xff, sizeof old); /* what lies behind the part that it knows */
    leat_batch_options_init_sized(&old, offsetof(leat_batch_options, losses));
    leat_batch *batch;
    cr_expect(eq(int, (int)leat_batch_open(client, &old, &batch), (int)LEAT_OK), "%s",
              leat_sentence(client));
}

Test(jobs, a_batch_is_sent_without_waiting)
{
    leat_batch *batch;
    cr_assert(eq(int, (int)leat_batch_open(client, NULL, &batch), (int)LEAT_OK));
    cr_expect(eq(int, leat_batch_has_room(batch), 1));
    cr_assert(eq(int, (int)leat_batch_add(batch, "echo", "x", 1), (int)LEAT_OK));
    cr_expect(eq(int, (int)leat_batch_push(batch), (int)LEAT_NOT_YET));
    (void)expect_send();
    cr_expect(eq(int, (int)leat_batch_push(batch), (int)LEAT_NOT_YET));
    leat_router_sent(&router, frame.head.sequence, 100, 100, 1);
    process();
    cr_expect(eq(int, (int)leat_batch_push(batch), (int)LEAT_OK));
    cr_expect(eq(u64, leat_batch_accepted(batch), 1));
}

static leat_cancelled cancelled;
static leat_status (*command)(void);

static void
do_command(call *c)
{
    c->status = command();
}

static leat_status
cancel_three(void)
{
    const uint64_t jobs[] = {1, 2, 3};
    return leat_cancel_jobs(client, jobs, 3, &cancelled);
}

Test(jobs, what_cannot_be_cancelled_is_counted_apart)
{
    command = cancel_three;
    start((call){.run = do_command});
    expect(LEAT_CMD_CANCEL);
    cr_expect(eq(u16, frame.head.count, 3));
    const leat_acked answer = {.sequence = frame.head.sequence, .exceptions = 2};
    const leat_acked_exception late = {.id = 2, .code = LEAT_ERR_TOO_LATE};
    const leat_acked_exception none = {.id = 3, .code = LEAT_ERR_NOT_FOUND};
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_ACKED);
    leat_acked_put(&buf, &answer);
    leat_acked_put_exception(&buf, &late);
    leat_acked_put_exception(&buf, &none);
    leat_router_send(&router, &buf, 1);
    returns(LEAT_OK);
    cr_expect(eq(u64, cancelled.cancelled, 1));
    cr_expect(eq(u64, cancelled.ended, 1));
    cr_expect(eq(u64, cancelled.not_found, 1));
}

/* The call sends this JSON and is answered with that one. */
static void
asks(leat_status (*call_it)(void), const char *json, const char *answer)
{
    command = call_it;
    start((call){.run = do_command});
    expect(LEAT_CMD_COMMAND);
    frame.body[frame.size] = '\0';
    LEAT_SAME_TEXT((const char *)frame.body, json);
    say_reply(answer);
    returns(LEAT_OK);
}

static leat_status
cancel_places(void)
{
    return leat_cancel(client, 42, 3, 9, &cancelled);
}

static uint64_t figure;
static uint64_t other_figure;

static leat_status
retry_batch(void)
{
    return leat_retry(client, 42, &figure, &other_figure);
}

static leat_status
make_channel(void)
{
    return leat_make(client, "work", 3);
}

static leat_status
make_rich_channel(void)
{
    leat_channel_options options;
    leat_channel_options_init(&options);
    options.kind = LEAT_KIND_JOBS;
    options.durability = LEAT_IN_MEMORY;
    options.capacity = 0;
    options.rate = 0.5;
    options.running_max = LEAT_NOTHING;
    options.priority = 7;
    return leat_channel_set(client, "work", &options);
}

static leat_status
pause_channel(void)
{
    return leat_channel_pause(client, "work", 500);
}

static leat_status
purge_channel(void)
{
    return leat_channel_purge(client, "work", &figure);
}

static leat_status
remove_channel(void)
{
    return leat_channel_remove(client, "work", 1);
}

Test(jobs, commands_have_their_arguments_and_answers)
{
    asks(cancel_places,
         "{\"command\":\"batch.cancel\",\"arguments\":{\"batch\":\"42\",\"from\":3,\"upto\":9}}",
         "{\"cancelled\":4,\"stopping\":2,\"ended\":1,\"marked\":true}");
    cr_expect(eq(u64, cancelled.cancelled, 4));
    cr_expect(eq(u64, cancelled.stopping, 2));
    cr_expect(eq(u64, cancelled.ended, 1));
    cr_expect(eq(int, cancelled.is_in_background, 1));
    asks(retry_batch, "{\"command\":\"batch.retry\",\"arguments\":{\"batch\":\"42\"}}",
         "{\"batch\":\"43\",\"jobs\":5}");
    cr_expect(eq(u64, figure, 43));
    cr_expect(eq(u64, other_figure, 5));
    asks(make_channel,
         "{\"command\":\"channel.new\",\"arguments\":{\"channel\":\"work\",\"kind\":\"messages\","
         "\"capacity\":3}}",
         "{}");
    asks(make_rich_channel,
         "{\"command\":\"channel.set\",\"arguments\":{\"channel\":\"work\",\"kind\":\"jobs\","
         "\"durability\":\"memory\",\"capacity\":0,\"rate\":0.5,\"running_max\":null,"
         "\"priority\":7}}",
         "{}");
    asks(pause_channel,
         "{\"command\":\"channel.pause\",\"arguments\":{\"channel\":\"work\",\"for_ms\":500}}",
         "{}");
    asks(purge_channel, "{\"command\":\"channel.purge\",\"arguments\":{\"channel\":\"work\"}}",
         "{\"marked\":6}");
    cr_expect(eq(u64, figure, 6));
    asks(remove_channel,
         "{\"command\":\"channel.remove\",\"arguments\":{\"channel\":\"work\",\"purge\":true}}",
         "{}");
    cr_expect(eq(int, (int)leat_channel_resume(client, ""), (int)LEAT_WRONG_USE));
}
