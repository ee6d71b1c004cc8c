/* The library against a broker that is a thread of the test: it keeps sessions, one log of
 * completions a batch and a line of messages a channel in arrays, ends every job at once, and does
 * what the test sets in `broker` besides. Everything in `broker` is read and written under its
 * lock. */
#include "tests/lib/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <leat.h>

#include "proto/link/key.h"
#include "tests/lib/router.h"
#include "tests/lib/tmp.h"

#define JOBS_MAX    20000
#define BATCHES_MAX 8

typedef struct fake_batch {
    uint64_t id;
    uint32_t tag;
    uint32_t total;
    uint64_t handed; /* position */
    uint64_t acked;
    bool sealed;
    bool waited;
    leat_goal goal_kind;
    uint64_t goal;
} fake_batch;

typedef struct fake_broker {
    pthread_mutex_t lock;
    pthread_t thread;
    bool stop;
    leat_router router;

    /* what the test sets */
    bool mute;            /* do not answer SEND */
    bool forget;          /* the next resume is unknown */
    bool lose;            /* the next wait is answered LOST */
    int kill_after_sends; /* close and open again after so many SEND frames; 0: never */
    int kill_after_items; /* the same after ITEMS frames */
    uint32_t refuse_from; /* records of a batch from this place on are refused CLOSED; 0: none */
    uint32_t items_a_frame;
    bool silent_channel; /* hand out no message */
    bool late_message;   /* … but when the receive is withdrawn, in front of the answer */
    bool garbled;        /* answer queries with what is no JSON */

    /* what it has seen */
    leat_session_id session;
    uint64_t answered[JOBS_MAX]; /* by sequence: first id */
    uint64_t highest;
    fake_batch batches[BATCHES_MAX];
    int batch_count;
    uint64_t next_id;
    int sends;
    int repeats;
    int items;
    int hellos;
    int byes;
    char last_handler[LEAT_NAME_BYTES_MAX + 1];
    char messages[16][32];
    int message_count;
    int message_given;
    int message_acked;
    uint32_t channel_credit;
    uint64_t channel_receives;
    int withdrawals;
    int selects;
    int credits;
    bool channel_closed;
    char command[64];
} fake_broker;

static leat_tmp tmp;
static fake_broker broker;
static leat *client;

/* -------------------------------------------------------------------------- the broker's side */

static fake_batch *
batch_of(uint64_t id, uint32_t tag)
{
    for (int i = 0; i < broker.batch_count; i++)
        if (id != 0 ? broker.batches[i].id == id : tag != 0 && broker.batches[i].tag == tag)
            return &broker.batches[i];
    return NULL;
}

static void
put_completion(leat_buf *buf, const fake_batch *batch, uint64_t position)
{
    char result[32];
    const int n = snprintf(result, sizeof result, "result %llu", (unsigned long long)position);
    const leat_completion completion = {
        .job = batch->id + position - 1,
        .place = (uint32_t)position,
        .attempt = 1,
        .outcome = position % 5 == 0 ? LEAT_OUTCOME_DEAD : LEAT_OUTCOME_DONE,
        .worker = position % 7 == 0 ? LEAT_NO_WORKER : (uint16_t)(position % 2),
        .ended_ms = 1000 + position,
        .run_us = 5,
        .result = {.data = (const uint8_t *)result, .size = (uint32_t)n},
    };
    leat_items_put_completion(buf, &completion);
}

static void
hand_out(fake_batch *batch)
{
    bool more = true;
    while (batch->waited && more) {
        uint32_t n = batch->total - (uint32_t)batch->handed;
        if (n > broker.items_a_frame)
            n = broker.items_a_frame;
        const leat_counters counters = {.total = batch->total,
                                        .done = batch->total - batch->total / 5,
                                        .dead = batch->total / 5};
        const uint64_t last = batch->handed + n;
        const bool all = batch->sealed && last == batch->total;
        const uint64_t counted = batch->goal_kind == LEAT_GOAL_OK ? last - last / 5 : last;
        const bool goal = all || (batch->goal_kind != LEAT_GOAL_ALL && counted >= batch->goal);
        const uint8_t flags =
            (uint8_t)((batch->sealed ? LEAT_ITEMS_SEALED : 0U) |
                      (batch->sealed ? LEAT_ITEMS_FINISHED : 0U) | (goal ? LEAT_ITEMS_GOAL : 0U));
        leat_buf buf = {0};
        leat_frame_begin(&buf, LEAT_CMD_ITEMS);
        leat_items_put_completions(&buf, batch->id, batch->handed + 1, &counters, flags);
        leat_put_u16(&buf, 2);
        leat_put_text8(&buf, leat_text_of("w-even"));
        leat_put_text8(&buf, leat_text_of("w-odd"));
        leat_put_u16(&buf, (uint16_t)n);
        for (uint32_t i = 1; i <= n; i++)
            put_completion(&buf, batch, batch->handed + i);
        leat_router_send(&broker.router, &buf, 1);
        batch->handed = last;
        batch->waited = !goal;
        broker.items++;
        more = n > 0 && last < batch->total;
        if (broker.kill_after_items > 0 && broker.items == broker.kill_after_items) {
            batch->waited = false; /* nothing is left to send to a route that is gone */
            more = false;
        }
    }
}

static void
on_jobs(const leat_router_frame *frame, const leat_send_head *head)
{
    fake_batch *batch = batch_of(head->batch, head->tag);
    if (batch == NULL) {
        batch = &broker.batches[broker.batch_count++];
        *batch = (fake_batch){.id = broker.next_id, .tag = head->tag};
        broker.next_id += JOBS_MAX;
    }
    (void)snprintf(broker.last_handler, sizeof broker.last_handler, "%.*s", (int)head->handler.size,
                   head->handler.data);
    uint32_t accepted = frame->head.count;
    if (broker.refuse_from != 0 && batch->total + accepted >= broker.refuse_from)
        accepted = broker.refuse_from - 1 - batch->total;
    const leat_sent sent = {
        .sequence = frame->head.sequence,
        .batch = batch->id,
        .first_id = batch->id + batch->total,
        .accepted = accepted,
        .code = accepted < frame->head.count ? LEAT_ERR_CLOSED : LEAT_ERR_OK,
        .sentence = leat_text_of(accepted < frame->head.count ? "channel \"c\" is closed" : "")};
    const bool is_new = frame->head.sequence > broker.highest;
    if (is_new) {
        broker.highest = frame->head.sequence;
        broker.answered[frame->head.sequence] = sent.first_id;
        batch->total += accepted;
        batch->sealed |= (head->flags & LEAT_SEND_SEAL) != 0;
    } else {
        broker.repeats++;
    }
    if (broker.mute)
        return;
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_SENT);
    leat_sent_put(&buf, &sent);
    leat_router_send(&broker.router, &buf, 1);
    hand_out(batch);
}

static void
hand_out_messages(void)
{
    while (broker.message_given < broker.message_count && !broker.silent_channel &&
           (uint32_t)(broker.message_given - broker.message_acked) < broker.channel_credit) {
        const char *const text = broker.messages[broker.message_given++];
        const leat_message message = {
            .id = (uint64_t)broker.message_given,
            .payload = {.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)}
        };
        leat_buf buf = {0};
        leat_frame_begin(&buf, LEAT_CMD_ITEMS);
        const size_t at = leat_items_put_messages(&buf, leat_text_of("mail"), 0);
        leat_items_put_message(&buf, &message);
        leat_items_set_messages(&buf, at, 1);
        leat_router_send(&broker.router, &buf, 1);
    }
    if (broker.channel_closed && broker.message_acked == broker.message_count &&
        broker.channel_credit > 0) {
        leat_buf buf = {0};
        leat_frame_begin(&buf, LEAT_CMD_ITEMS);
        leat_items_set_messages(
            &buf, leat_items_put_messages(&buf, leat_text_of("mail"), LEAT_ITEMS_CLOSED), 0);
        leat_router_send(&broker.router, &buf, 1);
    }
}

static void
on_message(const leat_router_frame *frame, const leat_send_head *head, leat_reader *records)
{
    if ((head->flags & LEAT_SEND_TRY) != 0 && broker.message_count >= 3) {
        const leat_sent sent = {.sequence = frame->head.sequence,
                                .code = LEAT_ERR_FULL,
                                .sentence = leat_text_of("channel \"mail\" is full")};
        leat_buf buf = {0};
        leat_frame_begin(&buf, LEAT_CMD_SENT);
        leat_sent_put(&buf, &sent);
        leat_router_send(&broker.router, &buf, 1);
        return;
    }
    const leat_bytes payload = leat_send_next(records);
    (void)snprintf(broker.messages[broker.message_count++], sizeof broker.messages[0], "%.*s",
                   (int)payload.size, (const char *)payload.data);
    leat_router_sent(&broker.router, frame->head.sequence, 0, 1, 1);
    hand_out_messages();
}

static void
on_send(const leat_router_frame *frame)
{
    leat_send_head head;
    leat_reader records;
    broker.sends++;
    LEAT_PASS(leat_send_open(frame->body, frame->size, frame->head.count, &head, &records));
    if (head.handler.size == 0)
        on_message(frame, &head, &records);
    else
        on_jobs(frame, &head);
}

static void
tell_end(uint64_t batch, uint8_t flags)
{
    const leat_counters counters = {0};
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_ITEMS);
    leat_items_put_completions(&buf, batch, 1, &counters, flags);
    leat_put_u16(&buf, 0);
    leat_put_u16(&buf, 0);
    leat_router_send(&broker.router, &buf, 1);
}

static void
on_credit(const leat_router_frame *frame)
{
    leat_reader records;
    leat_credit credit;
    LEAT_PASS(leat_credit_open(frame->body, frame->size, frame->head.count, &records));
    leat_credit_next(&records, &credit);
    broker.credits++;
    if (credit.kind == LEAT_CREDIT_RECV) {
        broker.channel_credit = credit.items;
        broker.channel_receives = credit.receives;
        hand_out_messages();
        return;
    }
    fake_batch *const batch = batch_of(credit.batch, 0);
    if (batch == NULL || broker.lose) {
        tell_end(credit.batch, broker.lose ? LEAT_ITEMS_LOST : LEAT_ITEMS_UNKNOWN);
        return;
    }
    batch->waited = credit.items > 0;
    batch->handed = credit.position;
    batch->goal_kind = credit.goal_kind;
    batch->goal = credit.goal;
    hand_out(batch);
}

static void
on_ack(const leat_router_frame *frame)
{
    leat_reader records;
    leat_ack ack;
    LEAT_PASS(leat_ack_open(frame->body, frame->size, frame->head.count, &records));
    leat_ack_next(&records, &ack);
    if (ack.kind == LEAT_ACK_BATCH) {
        fake_batch *const batch = batch_of(ack.id, 0);
        if (batch != NULL)
            batch->acked = ack.position;
        return;
    }
    broker.message_acked += frame->head.count;
    leat_router_acked(&broker.router, frame->head.sequence);
    hand_out_messages();
}

/* What a receive of "mail" gets now: a message, the end, or nothing. */
static void
on_select(const leat_router_frame *frame)
{
    uint8_t flags;
    leat_reader records;
    LEAT_PASS(leat_select_open(frame->body, frame->size, frame->head.count, &flags, &records));
    cr_assert(eq(u8, flags, LEAT_SELECT_DEFAULT));
    broker.selects++;
    leat_selected selected = {
        .sequence = frame->head.sequence, .index = LEAT_NO_CASE, .code = LEAT_ERR_FULL};
    if (broker.message_given < broker.message_count) {
        const char *const text = broker.messages[broker.message_given++];
        selected.index = 0;
        selected.code = LEAT_ERR_OK;
        selected.id = (uint64_t)broker.message_given;
        selected.payload =
            (leat_bytes){.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
    }
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_SELECTED);
    leat_selected_put(&buf, &selected);
    leat_router_send(&broker.router, &buf, 1);
}

static void
on_withdraw(const leat_router_frame *frame)
{
    leat_reader records;
    leat_withdraw withdraw;
    LEAT_PASS(leat_withdraw_open(frame->body, frame->size, frame->head.count, &records));
    leat_withdraw_next(&records, &withdraw);
    cr_assert(eq(int, (int)withdraw.kind, (int)LEAT_WITHDRAW_RECV));
    broker.withdrawals++;
    if (broker.late_message) { /* it had been handed out before */
        broker.late_message = false;
        broker.silent_channel = false;
        hand_out_messages();
    }
    broker.channel_credit = 0;
    const leat_withdrawn withdrawn = {.channel = withdraw.channel,
                                      .served = (uint64_t)broker.message_given};
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_WITHDRAWN);
    leat_withdrawn_put(&buf, &withdrawn);
    leat_router_send(&broker.router, &buf, 1);
}

static void
on_request(const leat_router_frame *frame)
{
    char why[128];
    char reply[256];
    cJSON *json = NULL;
    uint64_t number = 0;
    const char *name = "";
    LEAT_PASS(leat_json_parse(frame->body, frame->size, &json, why));
    if (frame->head.command == LEAT_CMD_QUERY) {
        cr_assert(leat_json_u64(json, "id", &number));
        cr_assert(leat_json_text(json, "query", &name));
        if (strcmp(name, "missing") == 0)
            (void)snprintf(reply, sizeof reply,
                           "{\"id\":\"%llu\",\"error\":{\"code\":\"NOT_FOUND\",\"message\":\"no "
                           "such thing\"}}",
                           (unsigned long long)number);
        else
            (void)snprintf(reply, sizeof reply, "{\"id\":\"%llu\",\"result\":{\"name\":\"%s\"}}",
                           (unsigned long long)number, name);
    } else {
        const char *batch = NULL;
        cr_assert(leat_json_text(json, "command", &name));
        const cJSON *const arguments = cJSON_GetObjectItemCaseSensitive(json, "arguments");
        if (leat_json_text(arguments, "batch", &batch)) {
            fake_batch *const sealed = batch_of(strtoull(batch, NULL, 10), 0);
            cr_assert(sealed != NULL);
            sealed->sealed = true;
        }
        (void)snprintf(broker.command, sizeof broker.command, "%s", name);
        broker.channel_closed |= strcmp(name, "channel.close") == 0;
        (void)snprintf(reply, sizeof reply, "{\"sequence\":\"%llu\",\"result\":{\"did\":\"%s\"}}",
                       (unsigned long long)frame->head.sequence, name);
    }
    leat_router_reply(&broker.router, broker.garbled ? "{" : reply);
    cJSON_Delete(json);
}

static void
on_hello(const leat_router_frame *frame)
{
    leat_hello *const hello = leat_router_hello(frame);
    broker.hellos++;
    if (hello->resume && broker.forget) {
        broker.forget = false;
        leat_router_error(&broker.router, LEAT_ERR_SESSION_UNKNOWN, 0, "no such session");
    } else {
        if (!hello->resume)
            broker.highest = 0;
        broker.session = hello->session;
        leat_router_welcome(&broker.router, hello->resume);
    }
    free(hello);
}

static void
on_frame(const leat_router_frame *frame)
{
    switch ((unsigned)frame->head.command) {
    case LEAT_CMD_HELLO:
        on_hello(frame);
        break;
    case LEAT_CMD_SEND:
        on_send(frame);
        break;
    case LEAT_CMD_CREDIT:
        on_credit(frame);
        break;
    case LEAT_CMD_ACK:
        on_ack(frame);
        break;
    case LEAT_CMD_QUERY:
    case LEAT_CMD_COMMAND:
        on_request(frame);
        break;
    case LEAT_CMD_SELECT:
        on_select(frame);
        break;
    case LEAT_CMD_WITHDRAW:
        on_withdraw(frame);
        break;
    case LEAT_CMD_BYE:
        broker.byes++;
        break;
    default:
        break;
    }
}

static void
restart(void)
{
    leat_router_close(&broker.router);
    leat_router_open(&broker.router);
}

static void *
run_broker(void *nothing)
{
    bool stop = false;
    while (!stop) {
        leat_router_frame frame = {0};
        const bool got = leat_router_read(&broker.router, 5, &frame);
        pthread_mutex_lock(&broker.lock);
        if (got)
            on_frame(&frame);
        if (broker.kill_after_sends > 0 && broker.sends >= broker.kill_after_sends) {
            broker.kill_after_sends = 0;
            broker.mute = false;
            restart();
        }
        if (broker.kill_after_items > 0 && broker.items >= broker.kill_after_items) {
            broker.kill_after_items = 0;
            restart();
        }
        stop = broker.stop;
        pthread_mutex_unlock(&broker.lock);
        leat_router_frame_fini(&frame);
    }
    return nothing;
}

/* ------------------------------------------------------------------------------ the test's side */

static void
begin_folder(void)
{
    leat_tmp_init(&tmp);
    (void)unsetenv("LEAT_BROKER");   /* NOLINT(concurrency-mt-unsafe): one thread yet */
    (void)unsetenv("LEAT_KEY_FILE"); /* NOLINT(concurrency-mt-unsafe): the same */
}

static void
end_folder(void)
{
    leat_tmp_fini(&tmp);
}

static void
begin(void)
{
    char path[PATH_MAX];
    char endpoint[256];
    leat_tmp_init(&tmp);
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%.200s", leat_tmp_path(&tmp, "s", path));
    pthread_mutex_init(&broker.lock, NULL);
    broker.items_a_frame = 1000;
    broker.next_id = 100;
    leat_router_init(&broker.router, endpoint);
    cr_assert(eq(int, pthread_create(&broker.thread, NULL, run_broker, NULL), 0));
    cr_assert(eq(int, (int)leat_connect(endpoint, &client), (int)LEAT_OK));
}

static void
end(void)
{
    leat_disconnect(&client);
    pthread_mutex_lock(&broker.lock);
    broker.stop = true;
    pthread_mutex_unlock(&broker.lock);
    pthread_join(broker.thread, NULL);
    leat_router_fini(&broker.router);
    leat_tmp_fini(&tmp);
}

TestSuite(client, .init = begin, .fini = end, .timeout = 60);
TestSuite(connect, .timeout = 60);

#define MUST(expr, want)                                                                    \
    do {                                                                                    \
        const leat_status got_ = (expr);                                                    \
        cr_assert(eq(int, (int)got_, (int)(want)), "%s: %s", #expr, leat_sentence(client)); \
    } while (0)

#define LOCKED(statement)                   \
    do {                                    \
        pthread_mutex_lock(&broker.lock);   \
        statement;                          \
        pthread_mutex_unlock(&broker.lock); \
    } while (0)

static leat_batch *
must_send(int jobs, uint32_t frame_records)
{
    leat_batch *batch = NULL;
    leat_batch_options options;
    leat_batch_options_init(&options);
    options.frame_records = frame_records;
    MUST(leat_batch_open(client, &options, &batch), LEAT_OK);
    for (int i = 0; i < jobs; i++)
        MUST(leat_batch_add(batch, "echo", &i, sizeof i), LEAT_OK);
    return batch;
}

/* Read to the end; every completion once and in order. */
static uint64_t
must_read_all(leat_wait *wait)
{
    leat_completed done;
    uint64_t n = 0;
    leat_status status;
    while ((status = leat_wait_next(wait, &done, -1)) == LEAT_OK) {
        n++;
        cr_assert(eq(u64, done.position, n));
    }
    MUST(status, LEAT_END);
    return n;
}

/* ---------------------------------------------------------------------------- connecting */

Test(connect, without_a_broker_it_fails_at_once_and_says_what_was_tried)
{
    MUST(leat_connect("tcp://127.0.0.1:1", &client), LEAT_NO_BROKER);
    cr_expect(
        eq(int, strcmp(leat_sentence(client), "no broker answered (tried tcp://127.0.0.1:1)"), 0),
        "%s", leat_sentence(client));
    leat_disconnect(&client);
}

Test(connect, who_asks_for_time_gets_it)
{
    const leat_connect_options options = {.broker = "tcp://127.0.0.1:1", .timeout_ms = 300};
    MUST(leat_connect_with(&options, &client), LEAT_NO_BROKER);
    cr_expect(strstr(leat_sentence(client), "tried tcp://127.0.0.1:1") != NULL);
    leat_disconnect(&client);
}

Test(connect, an_address_that_is_none_is_named)
{
    MUST(leat_connect("localhost", &client), LEAT_WRONG_USE);
    cr_expect(strstr(leat_sentence(client), "\"localhost\"") != NULL, "%s", leat_sentence(client));
    leat_disconnect(&client);
    cr_expect(eq(ptr, client, NULL));
}

Test(connect, calls_on_a_connection_that_never_was_fail)
{
    const char *json;
    (void)leat_connect("localhost", &client);
    MUST(leat_query(client, "ping", NULL, &json), LEAT_NO_BROKER);
    MUST(leat_send(client, "mail", "x", 1), LEAT_NO_BROKER);
    leat_disconnect(&client);
}

/* A key file in the test's folder; where its broker is, it says itself. */
static leat_connect_options
must_make_key(char path[PATH_MAX])
{
    char why[LEAT_KEY_WHY_BYTES];
    leat_key key;
    LEAT_PASS(leat_key_new("c1", LEAT_KEY_CLIENT, &key));
    memcpy(key.broker_public, key.public_key, sizeof key.broker_public);
    (void)snprintf(key.broker, sizeof key.broker, "tcp://127.0.0.1:1");
    leat_tmp_path(&tmp, "c1.key", path);
    LEAT_PASS(leat_key_write(path, LEAT_KEY_OF_PRINCIPAL, &key, LEAT_KEY_WRITE_REPLACE, why));
    return (leat_connect_options){.key_file = path};
}

TestSuite(connect_key, .init = begin_folder, .fini = end_folder, .timeout = 60);

Test(connect_key, its_file_says_where_the_broker_is)
{
    char path[PATH_MAX];
    const leat_connect_options options = must_make_key(path);

    MUST(leat_connect_with(&options, &client), LEAT_NO_BROKER);

    LEAT_SAME_TEXT(leat_sentence(client), "no broker answered (tried tcp://127.0.0.1:1)");
    leat_disconnect(&client);
}

Test(connect_key, the_environment_names_the_file_too_and_a_told_broker_is_stronger)
{
    // NOLINTBEGIN(concurrency-mt-unsafe): a test has one thread
    char path[PATH_MAX];
    (void)must_make_key(path);
    cr_assert(eq(int, setenv("LEAT_KEY_FILE", path, 1), 0));

    MUST(leat_connect(NULL, &client), LEAT_NO_BROKER);
    LEAT_SAME_TEXT(leat_endpoint(client), "tcp://127.0.0.1:1");
    leat_disconnect(&client);

    cr_assert(eq(int, setenv("LEAT_BROKER", "tcp://127.0.0.1:2", 1), 0));
    MUST(leat_connect(NULL, &client), LEAT_NO_BROKER);
    LEAT_SAME_TEXT(leat_endpoint(client), "tcp://127.0.0.1:2");
    leat_disconnect(&client);

    cr_assert(eq(int, setenv("LEAT_KEY_FILE", "/none.key", 1), 0));
    const leat_connect_options without = {.key_file = ""};
    MUST(leat_connect_with(&without, &client), LEAT_NO_BROKER);
    leat_disconnect(&client);
    // NOLINTEND(concurrency-mt-unsafe)
}

Test(connect_key, a_file_that_is_missing_or_open_to_others_is_named)
{
    char path[PATH_MAX];
    const leat_connect_options options = must_make_key(path);
    cr_assert(eq(int, chmod(path, 0640), 0));
    MUST(leat_connect_with(&options, &client), LEAT_DENIED);
    cr_expect(strstr(leat_sentence(client), "c1.key: others than its owner may use it") != NULL,
              "%s", leat_sentence(client));
    leat_disconnect(&client);

    cr_assert(eq(int, unlink(path), 0));
    MUST(leat_connect_with(&options, &client), LEAT_WRONG_USE);
    cr_expect(strstr(leat_sentence(client), "there is no such key file") != NULL, "%s",
              leat_sentence(client));
    leat_disconnect(&client);
}

Test(client, its_endpoint_and_version_are_known)
{
    cr_expect(eq(int, strncmp(leat_endpoint(client), "ipc://", 6), 0));
    cr_expect(ne(int, (int)strlen(leat_version()), 0));
    cr_expect(eq(int, (int)leat_sentence(client)[0], 0));
}

Test(client, good_bye_is_said)
{
    leat_disconnect(&client);
    for (int byes = 0; byes == 0;)
        LOCKED(byes = broker.byes);
    cr_expect(eq(ptr, client, NULL));
}

/* ------------------------------------------------------------------------------- batches */

Test(client, ten_thousand_jobs_are_sent_and_every_completion_is_shown_once)
{
    leat_batch *batch = must_send(10000, 0);
    MUST(leat_batch_seal(batch), LEAT_OK);
    cr_expect(eq(u64, leat_batch_accepted(batch), 10000));
    cr_expect(eq(u64, leat_batch_id(batch), 100));

    leat_wait *wait;
    MUST(leat_wait_open(client, leat_batch_id(batch), &wait), LEAT_OK);
    leat_completed done;
    MUST(leat_wait_next(wait, &done, -1), LEAT_OK);
    cr_expect(eq(u64, done.position, 1));
    cr_expect(eq(u64, done.job, 100));
    cr_expect(eq(u32, done.place, 1));
    cr_expect(eq(int, strcmp(done.worker, "w-odd"), 0));
    cr_expect(eq(int, done.outcome, LEAT_DONE));
    cr_expect(eq(int, memcmp(done.result, "result 1", done.result_size), 0));
    MUST(leat_wait_next(wait, &done, -1), LEAT_OK);
    cr_expect(eq(int, strcmp(done.worker, "w-even"), 0));
    uint64_t n = 2;
    while (leat_wait_next(wait, &done, -1) == LEAT_OK) {
        cr_assert(eq(u64, done.position, ++n));
        if (n == 7)
            cr_expect(eq(int, strcmp(done.worker, ""), 0));
    }
    cr_expect(eq(u64, n, 10000));
    const leat_counts counts = leat_wait_counts(wait);
    cr_expect(eq(u64, counts.total, 10000));
    cr_expect(eq(u64, counts.dead, 2000));
    cr_expect(eq(int, counts.finished, 1));
    MUST(leat_wait_next(wait, &done, -1), LEAT_END);
    for (uint64_t acked = 0; acked != 10000;)
        LOCKED(acked = broker.batches[0].acked);
}

Test(client, jobs_leave_in_frames_of_the_size_that_was_asked_for)
{
    leat_batch *batch = must_send(10, 4);
    MUST(leat_batch_flush(batch), LEAT_OK);
    LOCKED(cr_expect(eq(int, broker.sends, 3)));
    cr_expect(eq(u64, leat_batch_accepted(batch), 10));
}

Test(client, another_handler_begins_another_frame)
{
    leat_batch *batch = must_send(2, 0);
    MUST(leat_batch_add(batch, "noop", NULL, 0), LEAT_OK);
    MUST(leat_batch_seal(batch), LEAT_OK);
    LOCKED(cr_expect(eq(int, broker.sends, 2)));
    LOCKED(cr_expect(eq(int, strcmp(broker.last_handler, "noop"), 0)));
    LOCKED(cr_expect(eq(int, broker.batch_count, 1)));
}

Test(client, a_batch_whose_last_frame_has_left_is_sealed_by_name)
{
    leat_batch *batch = must_send(4, 2);
    MUST(leat_batch_seal(batch), LEAT_OK);
    LOCKED(cr_expect(eq(int, strcmp(broker.command, "batch.seal"), 0)));
    LOCKED(cr_expect(broker.batches[0].sealed));
    MUST(leat_batch_add(batch, "echo", "x", 1), LEAT_WRONG_USE);
}

Test(client, a_full_window_holds_the_sender_back)
{
    leat_batch *batch = NULL;
    leat_batch_options options;
    leat_batch_options_init(&options);
    options.frame_records = 5;
    options.window_jobs = 10;
    LOCKED(broker.mute = true);
    MUST(leat_batch_open(client, &options, &batch), LEAT_OK);
    for (int i = 0; i < 15; i++)
        MUST(leat_batch_add(batch, "echo", &i, sizeof i), LEAT_OK);

    leat_interrupt(client); /* the way out of a call that would block */
    MUST(leat_batch_add(batch, "echo", "x", 1), LEAT_REFUSED);
    cr_expect(eq(int, strcmp(leat_sentence(client), "interrupted"), 0));

    for (int sends = 0; sends < 2;)
        LOCKED(sends = broker.sends);
    LOCKED(cr_expect(eq(int, broker.sends, 2)); broker.kill_after_sends = 1); /* and unmute */
    MUST(leat_batch_seal(batch), LEAT_OK);
    LOCKED(cr_expect(eq(u32, broker.batches[0].total, 15)));
    LOCKED(cr_expect(eq(int, broker.repeats, 2)));
}

Test(client, what_the_broker_refuses_is_said_and_stays_said)
{
    LOCKED(broker.refuse_from = 4);
    leat_batch *batch = must_send(6, 0);
    MUST(leat_batch_flush(batch), LEAT_CLOSED);
    cr_expect(eq(int, strcmp(leat_sentence(client), "channel \"c\" is closed"), 0));
    cr_expect(eq(u64, leat_batch_accepted(batch), 3));
    MUST(leat_batch_add(batch, "echo", "x", 1), LEAT_CLOSED);
    MUST(leat_batch_seal(batch), LEAT_CLOSED);
}

Test(client, jobs_whose_answer_was_lost_are_sent_again)
{
    LOCKED(broker.mute = true; broker.kill_after_sends = 3);
    leat_batch *batch = must_send(10, 2);
    MUST(leat_batch_seal(batch), LEAT_OK);
    cr_expect(eq(u64, leat_batch_accepted(batch), 10));
    LOCKED(cr_expect(eq(u32, broker.batches[0].total, 10)));
    LOCKED(cr_expect(broker.repeats >= 3));
    LOCKED(cr_expect(eq(int, broker.hellos, 2)));
}

Test(client, jobs_of_a_forgotten_session_are_unknown)
{
    LOCKED(broker.mute = true; broker.kill_after_sends = 1; broker.forget = true);
    leat_batch *batch = must_send(2, 0);
    MUST(leat_batch_seal(batch), LEAT_UNKNOWN);
    cr_expect(strstr(leat_sentence(client), "may or may not") != NULL);
}

Test(client, a_payload_over_the_limit_is_not_added)
{
    char *const large = calloc(1, LEAT_PAYLOAD_BYTES_MAX + 1);
    leat_batch *batch = must_send(1, 0);
    MUST(leat_batch_add(batch, "echo", large, LEAT_PAYLOAD_BYTES_MAX + 1), LEAT_TOO_LARGE);
    MUST(leat_batch_add(batch, "echo", large, LEAT_PAYLOAD_BYTES_MAX), LEAT_OK);
    MUST(leat_batch_add(batch, "", "x", 1), LEAT_WRONG_USE);
    MUST(leat_batch_add(batch, NULL, "x", 1), LEAT_WRONG_USE);
    MUST(leat_batch_seal(batch), LEAT_OK);
    cr_expect(eq(u64, leat_batch_accepted(batch), 2));
    free(large);
}

Test(client, one_job_is_a_batch_of_its_own)
{
    uint64_t first = 0;
    uint64_t second = 0;
    MUST(leat_submit(client, NULL, "echo", "x", 1, &first), LEAT_OK);
    MUST(leat_submit(client, NULL, "echo", "y", 1, &second), LEAT_OK);
    cr_expect(ne(u64, first, 0));
    cr_expect(ne(u64, first, second));
}

Test(client, a_batch_may_be_freed_while_its_answers_are_on_their_way)
{
    LOCKED(broker.mute = true);
    leat_batch *batch = must_send(4, 2);
    leat_batch_free(&batch);
    cr_expect(eq(ptr, batch, NULL));
    LOCKED(broker.mute = false);
    const char *json;
    MUST(leat_query(client, "ping", NULL, &json), LEAT_OK);
}

Test(client, an_answer_that_cannot_be_read_ends_the_call)
{
    const char *json;
    LOCKED(broker.garbled = true);
    MUST(leat_query(client, "ping", NULL, &json), LEAT_REFUSED);
    cr_expect(ne(ptr, strstr(leat_sentence(client), "cannot be read"), NULL), "%s",
              leat_sentence(client));
    LOCKED(broker.garbled = false);
    MUST(leat_query(client, "ping", NULL, &json), LEAT_OK);
}

/* -------------------------------------------------------------------------------- waiting */

static void
count_gone(void *context, int gone, int64_t for_ms)
{
    int *const calls = context;
    calls[gone]++;
    cr_expect(ge(i64, for_ms, 0));
}

Test(client, a_wait_goes_on_when_the_broker_comes_back)
{
    int calls[2] = {0, 0};
    leat_on_gone(client, count_gone, calls);
    leat_batch *batch = must_send(1000, 0);
    MUST(leat_batch_seal(batch), LEAT_OK);
    LOCKED(broker.items_a_frame = 100; broker.kill_after_items = 3);

    leat_wait *wait;
    MUST(leat_wait_open(client, leat_batch_id(batch), &wait), LEAT_OK);
    cr_expect(eq(u64, must_read_all(wait), 1000));

    cr_expect(ge(int, calls[1], 1));
    cr_expect(eq(int, calls[0], 1));
}

Test(client, a_wait_ends_after_n)
{
    leat_batch *batch = must_send(100, 0);
    MUST(leat_batch_flush(batch), LEAT_OK); /* not sealed */
    leat_wait *wait;
    MUST(leat_wait_open(client, leat_batch_id(batch), &wait), LEAT_OK);
    leat_wait_goal(wait, 30, 0);
    cr_expect(eq(u64, must_read_all(wait), 30));
}

Test(client, a_wait_for_ok_ones_counts_only_those)
{
    leat_batch *batch = must_send(100, 0);
    MUST(leat_batch_flush(batch), LEAT_OK);
    LOCKED(broker.items_a_frame = 1);
    leat_wait *wait;
    MUST(leat_wait_open(client, leat_batch_id(batch), &wait), LEAT_OK);
    leat_wait_goal(wait, 8, 1);
    cr_expect(eq(u64, must_read_all(wait), 9)); /* the fifth is dead */
}

Test(client, a_wait_for_more_than_there_is_ends_with_the_batch)
{
    leat_batch *batch = must_send(10, 0);
    MUST(leat_batch_seal(batch), LEAT_OK);
    leat_wait *wait;
    MUST(leat_wait_open(client, leat_batch_id(batch), &wait), LEAT_OK);
    leat_wait_goal(wait, 11, 0);
    cr_expect(eq(u64, must_read_all(wait), 10));
}

Test(client, two_waits_go_side_by_side)
{
    leat_batch *a = must_send(300, 0);
    leat_batch *b = must_send(200, 0);
    MUST(leat_batch_seal(a), LEAT_OK);
    MUST(leat_batch_seal(b), LEAT_OK);
    leat_wait *wait_a;
    leat_wait *wait_b;
    leat_wait *again;
    MUST(leat_wait_open(client, leat_batch_id(a), &wait_a), LEAT_OK);
    MUST(leat_wait_open(client, leat_batch_id(b), &wait_b), LEAT_OK);
    MUST(leat_wait_open(client, leat_batch_id(b), &again), LEAT_WRONG_USE);

    leat_completed done;
    for (uint64_t i = 1; i <= 200; i++) {
        MUST(leat_wait_next(wait_a, &done, -1), LEAT_OK);
        cr_assert(eq(u64, done.position, i));
        MUST(leat_wait_next(wait_b, &done, -1), LEAT_OK);
        cr_assert(eq(u64, done.position, i));
    }
    MUST(leat_wait_next(wait_b, &done, -1), LEAT_END);
    MUST(leat_wait_next(wait_a, &done, -1), LEAT_OK);
    leat_wait_free(&wait_a);
    cr_expect(eq(ptr, wait_a, NULL));
}

Test(client, a_batch_that_is_none_is_not_found)
{
    leat_wait *wait;
    leat_completed done;
    MUST(leat_wait_open(client, 0, &wait), LEAT_WRONG_USE);
    MUST(leat_wait_open(client, 77, &wait), LEAT_OK);
    MUST(leat_wait_next(wait, &done, -1), LEAT_NOT_FOUND);
    cr_expect(eq(int, strcmp(leat_sentence(client), "no batch 77"), 0));
}

Test(client, a_batch_that_was_in_memory_is_lost)
{
    leat_wait *wait;
    leat_completed done;
    LOCKED(broker.lose = true);
    MUST(leat_wait_open(client, 77, &wait), LEAT_OK);
    MUST(leat_wait_next(wait, &done, -1), LEAT_LOST);
}

Test(client, a_batch_of_another_store_is_lost)
{
    leat_batch *batch = must_send(10, 0);
    MUST(leat_batch_flush(batch), LEAT_OK);
    leat_wait *wait;
    leat_completed done;
    MUST(leat_wait_open(client, leat_batch_id(batch), &wait), LEAT_OK);
    for (int i = 0; i < 10; i++)
        MUST(leat_wait_next(wait, &done, -1), LEAT_OK);
    LOCKED(broker.kill_after_items = 1; broker.forget = true; broker.router.broker[0] = 'b');
    MUST(leat_wait_next(wait, &done, -1), LEAT_LOST);
    cr_expect(strstr(leat_sentence(client), "another store answers") != NULL);
}

Test(client, a_wait_without_completions_times_out)
{
    leat_batch *batch = must_send(1, 0);
    MUST(leat_batch_flush(batch), LEAT_OK);
    leat_wait *wait;
    leat_completed done;
    MUST(leat_wait_open(client, leat_batch_id(batch), &wait), LEAT_OK);
    MUST(leat_wait_next(wait, &done, -1), LEAT_OK);
    MUST(leat_wait_next(wait, &done, 20), LEAT_TIMED_OUT);
    cr_expect(eq(int, strcmp(leat_sentence(client), "the time ran out"), 0));
}

static void *
interrupt_soon(void *context)
{
    leat_interrupt(context);
    return NULL;
}

Test(client, a_wait_ends_when_it_is_interrupted)
{
    pthread_t thread;
    leat_wait *wait;
    leat_completed done;
    leat_batch *batch = must_send(1, 0);
    MUST(leat_batch_flush(batch), LEAT_OK);
    MUST(leat_wait_open(client, leat_batch_id(batch), &wait), LEAT_OK);
    MUST(leat_wait_next(wait, &done, -1), LEAT_OK);
    pthread_create(&thread, NULL, interrupt_soon, client);
    MUST(leat_wait_next(wait, &done, -1), LEAT_REFUSED);
    cr_expect(eq(int, strcmp(leat_sentence(client), "interrupted"), 0));
    pthread_join(thread, NULL);
}

/* ------------------------------------------------------------------------------ raw channels */

static void
must_receive(const char *text)
{
    const void *data;
    size_t size;
    MUST(leat_recv(client, "mail", &data, &size, -1), LEAT_OK);
    cr_assert(eq(sz, size, strlen(text)));
    cr_assert(eq(int, memcmp(data, text, size), 0));
}

Test(client, messages_come_one_at_a_time_until_the_channel_is_closed)
{
    const void *data;
    size_t size;
    MUST(leat_send(client, "mail", "one", 3), LEAT_OK);
    MUST(leat_send(client, "mail", "two", 3), LEAT_OK);
    MUST(leat_send(client, "mail", "three", 5), LEAT_OK);
    must_receive("one");
    LOCKED(cr_expect(eq(int, broker.message_given, 1)));
    must_receive("two");
    LOCKED(cr_expect(eq(int, broker.message_acked, 1)));
    must_receive("three");
    MUST(leat_close(client, "mail"), LEAT_OK);
    MUST(leat_recv(client, "mail", &data, &size, -1), LEAT_END);
    MUST(leat_recv(client, "mail", &data, &size, -1), LEAT_END);
    LOCKED(cr_expect(eq(int, broker.message_acked, 3)));
}

Test(client, the_last_message_counts_as_taken_at_disconnect)
{
    MUST(leat_send(client, "mail", "one", 3), LEAT_OK);
    MUST(leat_send(client, "mail", "two", 3), LEAT_OK);
    must_receive("one");
    leat_disconnect(&client);
    for (int byes = 0; byes == 0;)
        LOCKED(byes = broker.byes);
    LOCKED(cr_expect(eq(int, broker.message_acked, 1)));
    LOCKED(cr_expect(eq(int, broker.message_given, 1)));
}

Test(client, a_full_channel_refuses_who_only_tries)
{
    for (int i = 0; i < 3; i++)
        MUST(leat_send(client, "mail", "x", 1), LEAT_OK);
    MUST(leat_try_send(client, "mail", "x", 1), LEAT_FULL);
    cr_expect(eq(int, strcmp(leat_sentence(client), "channel \"mail\" is full"), 0));
}

Test(client, nothing_there_is_said_without_waiting)
{
    const void *data;
    size_t size;
    MUST(leat_recv(client, "mail", &data, &size, 0), LEAT_TIMED_OUT);
    MUST(leat_send(client, "mail", "one", 3), LEAT_OK);
    MUST(leat_recv(client, "mail", &data, &size, 0), LEAT_OK);
    cr_expect(eq(sz, size, 3));
}

Test(client, a_receive_that_was_given_up_is_withdrawn)
{
    const void *data;
    size_t size;
    MUST(leat_recv(client, "mail", &data, &size, 10), LEAT_TIMED_OUT);
    LOCKED(cr_expect(eq(int, broker.withdrawals, 1)));
    LOCKED(cr_expect(eq(u32, broker.channel_credit, 0)));
    MUST(leat_send(client, "mail", "one", 3), LEAT_OK);
    must_receive("one");
}

Test(client, a_message_in_front_of_the_answer_to_withdraw_is_received)
{
    const void *data;
    size_t size;
    LOCKED(broker.silent_channel = true; broker.late_message = true);
    MUST(leat_send(client, "mail", "late", 4), LEAT_OK);
    MUST(leat_recv(client, "mail", &data, &size, 10), LEAT_OK);
    cr_expect(eq(sz, size, 4));
    LOCKED(cr_expect(eq(int, broker.withdrawals, 1)));
}

Test(client, a_receive_goes_on_when_the_broker_comes_back)
{
    LOCKED(broker.kill_after_sends = 2);
    MUST(leat_send(client, "mail", "one", 3), LEAT_OK);
    must_receive("one");
    MUST(leat_send(client, "mail", "two", 3), LEAT_OK);
    must_receive("two");
    LOCKED(cr_expect(eq(int, broker.hellos, 2)));
}

Test(client, a_name_that_is_none_is_refused_here)
{
    MUST(leat_send(client, "", "x", 1), LEAT_WRONG_USE);
    MUST(leat_send(client, "a\nb", "x", 1), LEAT_WRONG_USE);
    MUST(leat_close(client, NULL), LEAT_WRONG_USE);
}

/* -------------------------------------------------------------------------- asking, steering */

Test(client, a_question_is_answered_as_text)
{
    const char *json = NULL;
    MUST(leat_query(client, "status", "{\"batch\":\"42\"}", &json), LEAT_OK);
    cr_expect(eq(int, strcmp(json, "{\"name\":\"status\"}"), 0), "%s", json);
    MUST(leat_command_do(client, "channel.new", "{}", &json), LEAT_OK);
    cr_expect(eq(int, strcmp(json, "{\"did\":\"channel.new\"}"), 0), "%s", json);
}

Test(client, what_the_broker_does_not_find_is_not_found)
{
    const char *json = "";
    MUST(leat_query(client, "missing", NULL, &json), LEAT_NOT_FOUND);
    cr_expect(eq(int, strcmp(leat_sentence(client), "no such thing"), 0));
    cr_expect(json == NULL);
}

Test(client, arguments_that_are_no_object_are_refused_here)
{
    const char *json;
    MUST(leat_query(client, "status", "[1]", &json), LEAT_WRONG_USE);
    MUST(leat_query(client, "status", "{", &json), LEAT_WRONG_USE);
    MUST(leat_command_do(client, "x", "{\"a\":1,\"a\":2}", &json), LEAT_WRONG_USE);
}
