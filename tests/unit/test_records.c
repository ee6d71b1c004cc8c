/* proto/records: the bodies of the data frames. */
#include "tests/lib/test.h"

#include "proto/records.h"
#include "proto/told.h"
#include "tests/lib/transcript.h"

#define TEXT(string) ((leat_text){.data = (string), .size = sizeof(string) - 1})
#define BYTES(string) \
    ((leat_bytes){.data = (const uint8_t *)(string), .size = (uint32_t)(sizeof(string) - 1)})

static const leat_token token = {.id = UINT64_C(1) << 51, .attempt = 7, .epoch = 1763000000};

/* A body as it is built up by a test. */
static leat_buf body;
static leat_buf copy;

static void
fini(void)
{
    leat_buf_fini(&body);
    leat_buf_fini(&copy);
}

TestSuite(records, .fini = fini);

/* What the decoder of command says to the body. */
static leat_err
open_body(leat_command command, uint16_t count)
{
    leat_buf_reset(&copy);
    return leat_transcript_body(command, count, body.data, body.size, NULL, &copy);
}

/* The body is accepted, walked to its end and written again to the same bytes; every front of it,
 * one byte more, and one record more or fewer are malformed. */
static void
must_be_exact(leat_command command, uint16_t count)
{
    LEAT_PASS(open_body(command, count));
    cr_assert(eq(sz, copy.size, body.size));
    cr_assert(eq(int, memcmp(copy.data, body.data, body.size), 0));

    const size_t whole = body.size;
    for (body.size = 0; body.size < whole; body.size++)
        LEAT_FAILS(open_body(command, count), LEAT_ERR_MALFORMED);
    leat_put_u8(&body, 0);
    LEAT_FAILS(open_body(command, count), LEAT_ERR_MALFORMED);
    body.size = whole;
    if (command != LEAT_CMD_HEARTBEAT && command != LEAT_CMD_ERROR) {
        LEAT_FAILS(open_body(command, (uint16_t)(count + 1)), LEAT_ERR_MALFORMED);
        LEAT_FAILS(open_body(command, (uint16_t)(count - 1)), LEAT_ERR_MALFORMED);
    }
}

/* The accepted body is refused when the byte at `at` has this value. */
static void
must_refuse_byte(leat_command command, uint16_t count, size_t at, uint8_t value)
{
    LEAT_PASS(open_body(command, count));
    const uint8_t old = body.data[at];
    body.data[at] = value;
    LEAT_FAILS(open_body(command, count), LEAT_ERR_MALFORMED);
    body.data[at] = old;
}

/* The u32 at `at` tells a payload of one byte more than is allowed, whether it is there or not. */
static void
must_refuse_large(leat_command command, uint16_t count, size_t at)
{
    LEAT_PASS(open_body(command, count));
    leat_store_u32(body.data + at, LEAT_PAYLOAD_BYTES_MAX + 1);
    LEAT_FAILS(open_body(command, count), LEAT_ERR_TOO_LARGE);
    leat_store_u32(body.data + at, UINT32_MAX);
    LEAT_FAILS(open_body(command, count), LEAT_ERR_TOO_LARGE);
    leat_store_u32(body.data + at, LEAT_PAYLOAD_BYTES_MAX);
    LEAT_FAILS(open_body(command, count), LEAT_ERR_MALFORMED);
}

/* ---------------------------------------------------------------------------------------- names */

Test(records, a_name_is_utf8_without_control_characters)
{
    const leat_text good[] = {
        TEXT("a"),
        TEXT("with blanks / and : signs"),
        TEXT("gr\xc3\xb6\xc3\x9f"),
        TEXT("\xe6\xb0\xb4"),
        TEXT("\xf0\x9f\x9a\xb0"),
        TEXT("\xc2\xa0"),
        TEXT("\xed\x9f\xbf"),
        TEXT("\xf4\x8f\xbf\xbf"),
    };
    const leat_text bad[] = {
        TEXT(""),
        TEXT("\n"),
        TEXT("a\x7f"),
        TEXT("a\0b"),
        TEXT("\xc2\x9f"), /* a control character of two bytes */
        TEXT("\xc3"),
        TEXT("\xc3(") /* no continuation */,
        TEXT("\x80"),
        TEXT("\xc1\x81"),     /* overlong */
        TEXT("\xe0\x9f\xbf"), /* overlong */
        TEXT("\xf0\x8f\xbf\xbf"),
        TEXT("\xed\xa0\x80"),     /* surrogate */
        TEXT("\xf4\x90\x80\x80"), /* beyond U+10FFFF */
        TEXT("\xf5\x80\x80\x80"),
        TEXT("\xe6\xb0"),
        TEXT("\xf0\x9f\x9a("),
    };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cr_assert(leat_name_is_valid(good[i]), "good[%zu]", i);
        cr_assert(leat_text_is_utf8(good[i]), "good[%zu]", i);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert(not(leat_name_is_valid(bad[i])), "bad[%zu]", i);
    for (size_t i = 5; i < sizeof bad / sizeof *bad; i++)
        cr_assert(not(leat_text_is_utf8(bad[i])), "bad[%zu]", i);
    cr_assert(leat_text_is_utf8(TEXT("")));
    cr_assert(leat_text_is_utf8(TEXT("a\0\n")));
}

Test(records, a_name_has_at_most_128_bytes)
{
    char name[LEAT_NAME_BYTES_MAX + 1];
    memset(name, 'n', sizeof name);

    cr_assert(leat_name_is_valid((leat_text){.data = name, .size = LEAT_NAME_BYTES_MAX}));
    cr_assert(not(leat_name_is_valid((leat_text){.data = name, .size = sizeof name})));
}

Test(records, outcomes_have_their_words)
{
#define OUTCOME_WORD(name, number, word) LEAT_SAME_TEXT(leat_outcome_name(number), (word));
    LEAT_OUTCOME_MAP(OUTCOME_WORD)
#undef OUTCOME_WORD
    LEAT_SAME_TEXT(leat_outcome_name(0), "?");
    LEAT_SAME_TEXT(leat_outcome_name(7), "?");
}

/* ----------------------------------------------------------------------------------------- SEND */

static leat_send_head
plain_head(void)
{
    leat_send_head head = leat_send_head_default();
    head.channel = TEXT("default");
    head.handler = TEXT("echo");
    return head;
}

/* A head with these settings, then one empty payload. */
static void
put_settings(const void *settings, size_t size)
{
    leat_buf_reset(&body);
    leat_put_u8(&body, 0);
    leat_put_text8(&body, TEXT("c"));
    leat_put_text8(&body, TEXT("h"));
    leat_put_u64(&body, 0);
    leat_put_u32(&body, 0);
    leat_put_u16(&body, (uint16_t)size);
    leat_put_bytes(&body, settings, size);
    leat_put_u32(&body, 0);
}

#define SETTINGS(string) put_settings((string), sizeof(string) - 1)

Test(records, send_is_exact)
{
    leat_send_head head = plain_head();
    head.flags = LEAT_SEND_FLAGS;
    head.tag = 3;

    leat_send_put_head(&body, &head);
    leat_send_put(&body, "one", 3);
    leat_send_put(&body, NULL, 0);
    leat_send_put(&body, "three", 5);

    must_be_exact(LEAT_CMD_SEND, 3);
}

Test(records, a_plain_send_head_has_no_settings)
{
    leat_send_head head = plain_head();
    leat_send_put_head(&body, &head);

    cr_assert(eq(sz, body.size, 1 + 8 + 5 + 8 + 4 + 2));
    cr_assert(eq(u16, leat_load_u16(body.data + body.size - 2), 0));
}

Test(records, the_settings_of_a_send_are_read_back)
{
    leat_send_head head = plain_head();
    leat_reader records;
    head.batch = 42;
    head.settings.priority = 0;
    head.settings.run_limit_ms = LEAT_DELAY_MS_MAX;
    head.settings.name = TEXT("night");
    leat_send_put_head(&body, &head);
    leat_send_put(&body, "x", 1);

    must_be_exact(LEAT_CMD_SEND, 1);
    LEAT_PASS(leat_send_open(body.data, body.size, 1, &head, &records));
    cr_assert(eq(u64, head.batch, 42));
    cr_assert(eq(u8, head.settings.priority, 0));
    cr_assert(eq(u16, head.settings.failures, 0));
    cr_assert(eq(u64, head.settings.run_limit_ms, LEAT_DELAY_MS_MAX));
    cr_assert(leat_text_is(head.settings.name, TEXT("night")));
    cr_assert(eq(u8, *leat_send_next(&records).data, 'x'));
}

Test(records, a_send_whose_settings_are_refused_is_refused)
{
    SETTINGS("\x01\x00\x01\x09");
    LEAT_PASS(open_body(LEAT_CMD_SEND, 1));
    SETTINGS("\x01\x00\x01\x0a");
    LEAT_FAILS(open_body(LEAT_CMD_SEND, 1), LEAT_ERR_MALFORMED);
    SETTINGS("\x7f\x00\x00");
    LEAT_FAILS(open_body(LEAT_CMD_SEND, 1), LEAT_ERR_UNSUPPORTED);
}

Test(records, settings_are_too_large_one_byte_over_their_limit)
{
    /* One setting that is skipped. */
    static uint8_t settings[LEAT_SETTINGS_BYTES_MAX + 1] = {255};
    leat_store_u16(settings + 1, LEAT_SETTINGS_BYTES_MAX - 3);
    put_settings(settings, LEAT_SETTINGS_BYTES_MAX);
    LEAT_PASS(open_body(LEAT_CMD_SEND, 1));
    leat_store_u16(settings + 1, LEAT_SETTINGS_BYTES_MAX - 2);
    put_settings(settings, LEAT_SETTINGS_BYTES_MAX + 1);
    LEAT_FAILS(open_body(LEAT_CMD_SEND, 1), LEAT_ERR_TOO_LARGE);
}

Test(records, a_send_without_a_good_channel_or_with_unknown_flags_is_malformed)
{
    SETTINGS("");
    must_refuse_byte(LEAT_CMD_SEND, 1, 0, 4);
    must_refuse_byte(LEAT_CMD_SEND, 1, 0, 0x80);
    must_refuse_byte(LEAT_CMD_SEND, 1, 2, '\n'); /* the channel */
    must_refuse_byte(LEAT_CMD_SEND, 1, 4, 0xff); /* the handler */

    leat_buf_reset(&body);
    leat_put_u16(&body, 0); /* flags, no channel */
    leat_put_text8(&body, TEXT("h"));
    leat_put_bytes(&body, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18);
    LEAT_FAILS(open_body(LEAT_CMD_SEND, 1), LEAT_ERR_MALFORMED);
}

Test(records, a_send_without_a_handler_is_messages)
{
    leat_send_head head = plain_head();
    head.handler = TEXT("");
    leat_send_put_head(&body, &head);
    leat_send_put(&body, "news", 4);

    must_be_exact(LEAT_CMD_SEND, 1);
}

Test(records, a_payload_over_the_limit_is_too_large)
{
    leat_send_head head = plain_head();
    leat_send_put_head(&body, &head);
    leat_send_put(&body, "x", 1);

    must_refuse_large(LEAT_CMD_SEND, 1, body.size - 5);
}

Test(records, a_payload_at_the_limit_is_accepted)
{
    leat_send_head head = plain_head();
    uint8_t *const payload = calloc(1, LEAT_PAYLOAD_BYTES_MAX);
    leat_send_put_head(&body, &head);
    leat_send_put(&body, payload, LEAT_PAYLOAD_BYTES_MAX);

    LEAT_PASS(open_body(LEAT_CMD_SEND, 1));
    cr_assert(eq(sz, copy.size, body.size));
    free(payload);
}

/* ----------------------------------------------------------------------------- SENT, CREDIT, ACK
 */

Test(records, sent_is_exact)
{
    leat_sent_put(&body, &(leat_sent){.sequence = 1, .batch = 42, .first_id = 43, .accepted = 3});
    leat_sent_put(&body, &(leat_sent){.sequence = UINT64_MAX,
                                      .code = LEAT_ERR_CLOSED,
                                      .sentence = TEXT("the channel \"x\" is closed")});
    must_be_exact(LEAT_CMD_SENT, 2);
}

Test(records, a_long_sentence_is_cut_between_characters)
{
    char text[LEAT_SENTENCE_BYTES_MAX + 2];
    leat_error_record error;
    memset(text, 'x', sizeof text);
    text[LEAT_SENTENCE_BYTES_MAX - 1] = '\xc3';
    text[LEAT_SENTENCE_BYTES_MAX] = '\xb6';
    const leat_text sentence = {.data = text, .size = sizeof text};

    leat_error_put(&body, &(leat_error_record){.code = 2, .sentence = sentence});

    LEAT_PASS(leat_error_open(body.data, body.size, &error));
    cr_assert(eq(sz, error.sentence.size, LEAT_SENTENCE_BYTES_MAX - 1));
}

Test(records, a_sentence_of_the_largest_size_is_left_alone_and_one_of_no_characters_is_gone)
{
    char text[LEAT_SENTENCE_BYTES_MAX + 1];
    memset(text, 'x', sizeof text);
    const leat_text most = {.data = text, .size = LEAT_SENTENCE_BYTES_MAX};
    cr_assert(eq(sz, leat_sentence_clip(most).size, LEAT_SENTENCE_BYTES_MAX));

    memset(text, 0x80, sizeof text);
    const leat_text none = {.data = text, .size = sizeof text};
    cr_assert(eq(sz, leat_sentence_clip(none).size, 0));
}

Test(records, a_sentence_over_the_limit_is_malformed)
{
    char text[LEAT_SENTENCE_BYTES_MAX + 1];
    leat_error_record error;
    memset(text, 'x', sizeof text);
    leat_put_bytes(&body, "\0\0\0\0\0\0\0\0\0\2", 10);
    leat_put_text16(&body, (leat_text){.data = text, .size = sizeof text});

    LEAT_FAILS(leat_error_open(body.data, body.size, &error), LEAT_ERR_MALFORMED);

    leat_buf_reset(&body);
    leat_put_bytes(&body, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 30);
    leat_put_text16(&body, (leat_text){.data = text, .size = sizeof text});
    LEAT_FAILS(open_body(LEAT_CMD_SENT, 1), LEAT_ERR_MALFORMED);

    body.size = 0;
    leat_put_bytes(&body, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 25);
    leat_put_text16(&body, (leat_text){.data = text, .size = sizeof text});
    LEAT_FAILS(open_body(LEAT_CMD_SELECTED, 1), LEAT_ERR_MALFORMED);
}

Test(records, credit_is_exact)
{
    leat_credit_put(&body, &(leat_credit){.kind = LEAT_CREDIT_WORK,
                                          .handler = LEAT_CREDIT_ALL_HANDLERS,
                                          .items = 68,
                                          .bytes = 1U << 23});
    leat_credit_put(&body, &(leat_credit){.kind = LEAT_CREDIT_RECV,
                                          .channel = TEXT("news"),
                                          .items = 1,
                                          .receives = UINT64_MAX});
    leat_credit_put(&body, &(leat_credit){.kind = LEAT_CREDIT_WAIT,
                                          .batch = 42,
                                          .position = 7,
                                          .goal_kind = LEAT_GOAL_OK,
                                          .goal = 10,
                                          .items = 256});
    must_be_exact(LEAT_CMD_CREDIT, 3);
}

Test(records, credit_out_of_its_ranges_is_malformed)
{
    leat_credit_put(&body, &(leat_credit){.kind = LEAT_CREDIT_WORK, .handler = 255, .items = 1});
    must_refuse_byte(LEAT_CMD_CREDIT, 1, 0, 0);
    must_refuse_byte(LEAT_CMD_CREDIT, 1, 0, 4);
    must_refuse_byte(LEAT_CMD_CREDIT, 1, 1, 1); /* handler 511 */

    leat_buf_reset(&body);
    leat_credit_put(&body, &(leat_credit){.kind = LEAT_CREDIT_RECV, .channel = TEXT("c")});
    must_refuse_byte(LEAT_CMD_CREDIT, 1, 2, 0);

    leat_buf_reset(&body);
    leat_credit_put(&body, &(leat_credit){.kind = LEAT_CREDIT_WAIT, .batch = 1});
    must_refuse_byte(LEAT_CMD_CREDIT, 1, 17, 3);
}

Test(records, ack_is_exact)
{
    leat_ack_put(&body, &(leat_ack){.kind = LEAT_ACK_BATCH, .id = 42, .position = 3});
    leat_ack_put(&body, &(leat_ack){.kind = LEAT_ACK_MESSAGE, .id = 50});

    must_be_exact(LEAT_CMD_ACK, 2);
    must_refuse_byte(LEAT_CMD_ACK, 2, 0, 0);
    must_refuse_byte(LEAT_CMD_ACK, 2, 17, 3);
}

/* --------------------------------------------------------------------------- JOBS, DONE, ACKED */

static void
put_run(uint16_t jobs)
{
    const leat_jobs_run run = {.channel = TEXT("c"), .handler = TEXT("h"), .batch = 9};
    const size_t at = leat_jobs_put_run(&body, &run);
    for (uint16_t i = 0; i < jobs; i++)
        leat_jobs_put_job(&body, i, 1, i + 1U, (leat_bytes){.size = 0});
    leat_jobs_set_run(&body, at, jobs);
}

Test(records, jobs_are_exact)
{
    leat_jobs_put_head(&body, &(leat_jobs_head){.epoch = 1763000000, .first_number = 12});
    const leat_jobs_run run = {.jobs = 2,
                               .channel = TEXT("default"),
                               .handler = TEXT("echo"),
                               .batch = 42,
                               .run_limit_ms = 5000,
                               .needs = TEXT("gpu=1,mem=1024")};
    (void)leat_jobs_put_run(&body, &run);
    leat_jobs_put_job(&body, 43, 1, 1, BYTES("payload"));
    leat_jobs_put_job(&body, 44, 2, 2, BYTES(""));
    put_run(1);

    must_be_exact(LEAT_CMD_JOBS, 2);
}

Test(records, jobs_with_checkpoints_are_exact)
{
    leat_jobs_put_head(&body, &(leat_jobs_head){.epoch = 1763000000, .first_number = 12});
    const leat_jobs_run run = {
        .channel = TEXT("c"), .handler = TEXT("h"), .batch = 42, .checkpoints = true};
    const size_t at = leat_jobs_put_run(&body, &run);
    leat_jobs_put_job(&body, 43, 2, 1, BYTES("payload"));
    leat_jobs_put_checkpoint(&body, BYTES("so far"));
    leat_jobs_put_job(&body, 44, 2, 2, BYTES(""));
    leat_jobs_put_checkpoint(&body, BYTES(""));
    leat_jobs_set_run(&body, at, 2);
    put_run(1);

    must_be_exact(LEAT_CMD_JOBS, 2);
}

Test(records, a_checkpoint_of_a_job_that_is_too_large_is_refused)
{
    leat_jobs_head head;
    leat_reader records;
    leat_jobs_put_head(&body, &(leat_jobs_head){.epoch = 1763000000, .first_number = 12});
    const leat_jobs_run run = {
        .channel = TEXT("c"), .handler = TEXT("h"), .batch = 42, .checkpoints = true};
    const size_t at = leat_jobs_put_run(&body, &run);
    leat_jobs_put_job(&body, 43, 2, 1, BYTES("payload"));
    const size_t size_at = body.size;
    leat_jobs_put_checkpoint(&body, BYTES("so far"));
    leat_jobs_set_run(&body, at, 1);
    LEAT_PASS(leat_jobs_open(body.data, body.size, 1, &head, &records));

    leat_store_u32(body.data + size_at, LEAT_CHECKPOINT_BYTES_MAX + 1);
    LEAT_FAILS(leat_jobs_open(body.data, body.size, 1, &head, &records), LEAT_ERR_TOO_LARGE);
}

static void
put_told(void)
{
    const leat_teller from = {
        .token = {.id = 43, .attempt = 1, .epoch = 1763000000},
          .batch = 42, .place = 1, .gap = 2
    };
    leat_progress_put(&body,
                      &(leat_progress){.from = from, .done = 3, .of = 9, .text = TEXT("three")});
}

Test(records, progress_is_exact)
{
    put_told();
    put_told();

    must_be_exact(LEAT_CMD_PROGRESS, 2);
}

Test(records, a_log_is_exact_and_knows_its_streams)
{
    leat_output output = {.stream = LEAT_STREAM_ERR, .offset = 12, .data = BYTES("line\n")};
    leat_output_put(&body, &output);
    output.stream = LEAT_STREAM_LOG;
    output.data = BYTES("");
    leat_output_put(&body, &output);

    must_be_exact(LEAT_CMD_LOG, 2);
    must_refuse_byte(LEAT_CMD_LOG, 2, 36, 0);
    must_refuse_byte(LEAT_CMD_LOG, 2, 36, 4);
}

Test(records, a_checkpoint_is_exact)
{
    leat_checkpoint_record record = {.token.id = 43, .data = BYTES("so far")};
    leat_checkpoint_put(&body, &record);
    record.data = BYTES("");
    leat_checkpoint_put(&body, &record);

    must_be_exact(LEAT_CMD_CHECKPOINT, 2);
}

Test(records, a_run_of_jobs_needs_a_channel_and_a_handler)
{
    leat_jobs_put_head(&body, &(leat_jobs_head){.epoch = 1});
    put_run(1);

    must_refuse_byte(LEAT_CMD_JOBS, 1, 16 + 3, '\t'); /* the channel */
    must_refuse_byte(LEAT_CMD_JOBS, 1, 16 + 5, '\t'); /* the handler */
    must_refuse_large(LEAT_CMD_JOBS, 1, body.size - 4);
}

Test(records, the_needs_of_a_run_are_read_back_and_must_be_needs)
{
    leat_jobs_head head;
    leat_jobs_run run = {
        .jobs = 1, .channel = TEXT("c"), .handler = TEXT("h"), .needs = TEXT("gpu=1")};
    leat_reader records;
    leat_jobs_put_head(&body, &(leat_jobs_head){.epoch = 1});
    (void)leat_jobs_put_run(&body, &run);
    leat_jobs_put_job(&body, 1, 1, 1, BYTES(""));

    LEAT_PASS(leat_jobs_open(body.data, body.size, 1, &head, &records));
    leat_jobs_next_run(&records, &run);
    cr_assert(leat_text_is(run.needs, TEXT("gpu=1")));
    must_refuse_byte(LEAT_CMD_JOBS, 1, body.size - 20 - 1, '0');
    must_refuse_byte(LEAT_CMD_JOBS, 1, body.size - 20 - 2, ':');
    must_refuse_byte(LEAT_CMD_JOBS, 1, body.size - 20 - 5, 'G');
}

Test(records, all_runs_of_a_frame_have_at_most_8192_jobs)
{
    leat_jobs_put_head(&body, &(leat_jobs_head){.epoch = 1});
    put_run(LEAT_RECORDS_MAX - 1);
    put_run(1);
    LEAT_PASS(open_body(LEAT_CMD_JOBS, 2));

    leat_buf_reset(&body);
    leat_jobs_put_head(&body, &(leat_jobs_head){.epoch = 1});
    put_run(LEAT_RECORDS_MAX);
    put_run(1);
    LEAT_FAILS(open_body(LEAT_CMD_JOBS, 2), LEAT_ERR_MALFORMED);
}

Test(records, done_is_exact)
{
    leat_done_put_head(&body, 12);
    leat_done_put(&body, &(leat_done){token, LEAT_END_DONE, 120, BYTES("result")});
    leat_done_put(&body, &(leat_done){token, LEAT_END_FATAL, UINT64_MAX, BYTES("")});

    must_be_exact(LEAT_CMD_DONE, 2);
    must_refuse_byte(LEAT_CMD_DONE, 2, 8 + LEAT_TOKEN_BYTES, 0);
    must_refuse_byte(LEAT_CMD_DONE, 2, 8 + LEAT_TOKEN_BYTES, 4);
    must_refuse_large(LEAT_CMD_DONE, 2, body.size - 4);
}

Test(records, acked_is_exact)
{
    leat_acked_put(&body, &(leat_acked){.sequence = 4});
    leat_acked_put(&body, &(leat_acked){.sequence = 5, .exceptions = 2});
    leat_acked_put_exception(&body, &(leat_acked_exception){1, 2, LEAT_ERR_STALE});
    leat_acked_put_exception(&body, &(leat_acked_exception){3, 4, LEAT_ERR_NO_SPACE});

    must_be_exact(LEAT_CMD_ACKED, 2);
}

/* ---------------------------------------------------------------------------------------- ITEMS */

static const leat_completion completion = {
    .job = 43,
    .place = 1,
    .attempt = 2,
    .outcome = LEAT_OUTCOME_LOST,
    .worker = 1,
    .ended_ms = 1763000001500,
    .run_us = 12,
    .result = {(const uint8_t *)"result", 6},
};

#define RUN_BYTES 66U /* of a run of completions before its log */

static void
put_log(uint16_t n)
{
    leat_put_u16(&body, 3);
    leat_put_text8(&body, TEXT("w1"));
    leat_put_text8(&body, TEXT("")); /* a worker without a name */
    leat_put_text8(&body, TEXT("w3"));
    leat_put_u16(&body, n);
    for (uint16_t i = 0; i < n; i++)
        leat_items_put_completion(&body, &completion);
}

Test(records, items_are_exact)
{
    const leat_counters counters = {10, 1, 2, 3, 4, 5};
    leat_items_put_completions(&body, 42, 7, &counters, LEAT_ITEMS_SEALED | LEAT_ITEMS_EXPIRED);
    put_log(2);
    const size_t at = leat_items_put_messages(&body, TEXT("news"), LEAT_ITEMS_CLOSED);
    leat_items_put_message(&body, &(leat_message){50, LEAT_ITEM_AGAIN, BYTES("old")});
    leat_items_put_message(&body, &(leat_message){51, 0, BYTES("")});
    leat_items_set_messages(&body, at, 2);
    leat_items_put_completions(&body, 43, 1, &counters, LEAT_ITEMS_UNKNOWN);
    leat_put_u32(&body, 0); /* no workers, no completions */

    must_be_exact(LEAT_CMD_ITEMS, 3);
    cr_assert(eq(u64, leat_counters_ended(&counters), 15));
}

Test(records, the_worker_of_a_completion_is_found_by_its_index)
{
    const leat_counters counters = {0};
    leat_reader records;
    leat_items_run run;
    leat_items_put_completions(&body, 42, 1, &counters, 0);
    put_log(1);

    LEAT_PASS(leat_items_open(body.data, body.size, 1, &records));
    leat_items_next_run(&records, &run);
    cr_assert(leat_text_is(leat_items_worker(&run, 0), TEXT("w1")));
    cr_assert(leat_text_is(leat_items_worker(&run, 1), TEXT("")));
    cr_assert(leat_text_is(leat_items_worker(&run, 2), TEXT("w3")));
    cr_assert(leat_text_is(leat_items_worker(&run, LEAT_NO_WORKER), TEXT("")));
}

Test(records, a_completion_of_a_worker_that_is_not_named_is_malformed)
{
    const leat_counters counters = {0};
    leat_items_put_completions(&body, 42, 1, &counters, 0);
    put_log(1);
    const size_t first = body.size - LEAT_COMPLETION_BYTES - 6;

    body.data[first + 18] = 2;
    LEAT_PASS(open_body(LEAT_CMD_ITEMS, 1));
    leat_store_u16(body.data + first + 17, LEAT_NO_WORKER);
    LEAT_PASS(open_body(LEAT_CMD_ITEMS, 1));
    leat_store_u16(body.data + first + 17, 3);
    LEAT_FAILS(open_body(LEAT_CMD_ITEMS, 1), LEAT_ERR_MALFORMED);
    leat_store_u16(body.data + first + 17, LEAT_NO_WORKER - 1);
    LEAT_FAILS(open_body(LEAT_CMD_ITEMS, 1), LEAT_ERR_MALFORMED);
}

Test(records, completions_out_of_their_ranges_are_refused)
{
    const leat_counters counters = {0};
    leat_items_put_completions(&body, 42, 1, &counters, 0);
    put_log(1);
    const size_t first = body.size - LEAT_COMPLETION_BYTES - 6;

    must_refuse_byte(LEAT_CMD_ITEMS, 1, 0, 0);
    must_refuse_byte(LEAT_CMD_ITEMS, 1, 0, 3);
    must_refuse_byte(LEAT_CMD_ITEMS, 1, 65, LEAT_ITEMS_CLOSED); /* of messages only */
    must_refuse_byte(LEAT_CMD_ITEMS, 1, RUN_BYTES + 3, 0x01);   /* a worker's name */
    must_refuse_byte(LEAT_CMD_ITEMS, 1, first + 16, 0);         /* outcome */
    must_refuse_byte(LEAT_CMD_ITEMS, 1, first + 16, 7);
    must_refuse_large(LEAT_CMD_ITEMS, 1, first + 35);
}

Test(records, messages_out_of_their_ranges_are_refused)
{
    const size_t at = leat_items_put_messages(&body, TEXT("c"), 0);
    leat_items_put_message(&body, &(leat_message){50, 0, BYTES("old")});
    leat_items_set_messages(&body, at, 1);

    must_refuse_byte(LEAT_CMD_ITEMS, 1, 2, '\n');
    must_refuse_byte(LEAT_CMD_ITEMS, 1, 3, LEAT_ITEMS_GOAL);
    must_refuse_byte(LEAT_CMD_ITEMS, 1, 6 + 8, 2); /* of a message */
    must_refuse_large(LEAT_CMD_ITEMS, 1, body.size - 7);
}

Test(records, all_runs_of_items_have_at_most_8192_items)
{
    const leat_counters counters = {0};
    size_t at = leat_items_put_messages(&body, TEXT("c"), 0);
    for (unsigned i = 0; i < LEAT_RECORDS_MAX; i++)
        leat_items_put_message(&body, &(leat_message){i, 0, BYTES("")});
    leat_items_set_messages(&body, at, LEAT_RECORDS_MAX);
    LEAT_PASS(open_body(LEAT_CMD_ITEMS, 1));

    at = leat_items_put_messages(&body, TEXT("d"), 0);
    leat_items_put_message(&body, &(leat_message){0, 0, BYTES("")});
    leat_items_set_messages(&body, at, 1);
    LEAT_FAILS(open_body(LEAT_CMD_ITEMS, 2), LEAT_ERR_MALFORMED);

    leat_buf_reset(&body);
    leat_items_put_completions(&body, 42, 1, &counters, 0);
    put_log(LEAT_RECORDS_MAX + 1);
    LEAT_FAILS(open_body(LEAT_CMD_ITEMS, 1), LEAT_ERR_MALFORMED);
}

Test(records, a_log_alone_opens_at_its_first_completion)
{
    leat_items_run run;
    leat_completion read;
    put_log(2);
    leat_reader log = leat_reader_over(body.data, body.size);

    LEAT_PASS(leat_log_open(&log, &run));
    cr_assert(eq(int, run.kind, LEAT_ITEMS_COMPLETIONS));
    cr_assert(eq(u16, run.workers, 3));
    cr_assert(eq(u16, run.n, 2));
    cr_assert(leat_text_is(leat_items_worker(&run, 2), TEXT("w3")));
    leat_items_next_completion(&log, &read);
    leat_items_next_completion(&log, &read);
    cr_assert(eq(u64, read.job, 43));
    cr_assert(eq(int, read.outcome, LEAT_OUTCOME_LOST));
    cr_assert(eq(u64, read.ended_ms, 1763000001500));
    cr_assert(eq(int, memcmp(read.result.data, "result", 6), 0));
    cr_assert(log.at == log.end);
}

Test(records, a_damaged_log_is_refused_and_the_reader_stays)
{
    leat_items_run run;
    put_log(2);
    for (size_t size = 0; size < body.size; size++) {
        leat_reader log = leat_reader_over(body.data, size);
        LEAT_FAILS(leat_log_open(&log, &run), LEAT_ERR_MALFORMED);
        cr_assert(log.at == body.data);
    }
    leat_put_u8(&body, 0);
    leat_reader log = leat_reader_over(body.data, body.size);
    LEAT_FAILS(leat_log_open(&log, &run), LEAT_ERR_MALFORMED);
}

/* ------------------------------------------------------ SELECT, SELECTED, WITHDRAW, CANCEL */

/* Cases that receive from "in". */
static void
put_cases(uint16_t count)
{
    leat_select_put_head(&body, 0);
    for (uint16_t i = 0; i < count; i++)
        leat_select_put(&body,
                        &(leat_select_case){.kind = LEAT_SELECT_RECV, .channel = TEXT("in")});
}

Test(records, select_is_exact)
{
    leat_select_put_head(&body, LEAT_SELECT_DEFAULT);
    leat_select_put(&body, &(leat_select_case){LEAT_SELECT_SEND, TEXT("out"), BYTES("tick")});
    leat_select_put(&body, &(leat_select_case){LEAT_SELECT_SEND, TEXT("out"), BYTES("")});
    leat_select_put(&body, &(leat_select_case){LEAT_SELECT_RECV, TEXT("in"), BYTES("")});

    must_be_exact(LEAT_CMD_SELECT, 3);
}

Test(records, select_out_of_its_ranges_is_refused)
{
    put_cases(1);
    must_refuse_byte(LEAT_CMD_SELECT, 1, 0, 2);             /* flags */
    must_refuse_byte(LEAT_CMD_SELECT, 1, 0, 0x81);          /* flags */
    must_refuse_byte(LEAT_CMD_SELECT, 1, 1, 0);             /* kind */
    must_refuse_byte(LEAT_CMD_SELECT, 1, 1, 3);             /* kind */
    must_refuse_byte(LEAT_CMD_SELECT, 1, 3, '\n');          /* the channel */
    must_refuse_byte(LEAT_CMD_SELECT, 1, body.size - 4, 1); /* bytes of a receive */

    leat_buf_reset(&body);
    leat_select_put_head(&body, 0);
    leat_select_put(&body, &(leat_select_case){LEAT_SELECT_SEND, TEXT("out"), BYTES("x")});
    must_refuse_large(LEAT_CMD_SELECT, 1, body.size - 5);
}

Test(records, a_receive_brings_nothing_even_if_it_is_there)
{
    put_cases(1);
    leat_store_u32(body.data + body.size - 4, 1);
    leat_put_u8(&body, 'x');
    LEAT_FAILS(open_body(LEAT_CMD_SELECT, 1), LEAT_ERR_MALFORMED);
}

Test(records, a_select_has_at_most_64_cases)
{
    put_cases(LEAT_CASES_MAX);
    LEAT_PASS(open_body(LEAT_CMD_SELECT, LEAT_CASES_MAX));
    leat_buf_reset(&body);
    put_cases(LEAT_CASES_MAX + 1);
    LEAT_FAILS(open_body(LEAT_CMD_SELECT, LEAT_CASES_MAX + 1), LEAT_ERR_MALFORMED);
}

Test(records, selected_is_exact)
{
    leat_reader records;
    leat_selected selected;
    leat_selected_put(&body, &(leat_selected){.sequence = 3,
                                              .index = 1,
                                              .id = 70,
                                              .flags = LEAT_ITEM_AGAIN,
                                              .payload = BYTES("hello")});
    leat_selected_put(&body, &(leat_selected){.sequence = UINT64_MAX,
                                              .index = LEAT_NO_CASE,
                                              .code = LEAT_ERR_TIMEOUT,
                                              .sentence = TEXT("you gave up")});
    must_be_exact(LEAT_CMD_SELECTED, 2);

    LEAT_PASS(leat_selected_open(body.data, body.size, 2, &records));
    leat_selected_next(&records, &selected);
    cr_assert(eq(u64, selected.id, 70));
    cr_assert(eq(u16, selected.index, 1));
    cr_assert(eq(int, memcmp(selected.payload.data, "hello", selected.payload.size), 0));
    leat_selected_next(&records, &selected);
    cr_assert(eq(u16, selected.index, LEAT_NO_CASE));
    cr_assert(eq(u16, selected.code, LEAT_ERR_TIMEOUT));
    cr_assert(leat_text_is(selected.sentence, TEXT("you gave up")));
}

Test(records, a_selected_payload_over_the_limit_is_too_large)
{
    leat_selected_put(&body, &(leat_selected){.payload = BYTES("x")});
    must_refuse_large(LEAT_CMD_SELECTED, 1, 21);
}

Test(records, withdraw_and_withdrawn_are_exact)
{
    leat_withdraw_put(&body, &(leat_withdraw){LEAT_WITHDRAW_SEQUENCE, UINT64_MAX, TEXT("")});
    leat_withdraw_put(&body, &(leat_withdraw){LEAT_WITHDRAW_RECV, 0, TEXT("news")});
    must_be_exact(LEAT_CMD_WITHDRAW, 2);
    must_refuse_byte(LEAT_CMD_WITHDRAW, 2, 0, 0);
    must_refuse_byte(LEAT_CMD_WITHDRAW, 2, 0, 3);
    must_refuse_byte(LEAT_CMD_WITHDRAW, 2, 11, 0x7f); /* the channel */

    leat_buf_reset(&body);
    leat_withdrawn_put(&body, &(leat_withdrawn){TEXT("news"), UINT64_MAX});
    leat_withdrawn_put(&body, &(leat_withdrawn){TEXT("n"), 0});
    must_be_exact(LEAT_CMD_WITHDRAWN, 2);
    must_refuse_byte(LEAT_CMD_WITHDRAWN, 2, 1, 0x7f);
}

Test(records, cancel_is_exact)
{
    leat_cancel_put(&body, UINT64_MAX);
    leat_cancel_put(&body, 43);
    must_be_exact(LEAT_CMD_CANCEL, 2);
}

/* ------------------------------------------------------------- tokens, HEARTBEAT, ERROR, memory */

Test(records, every_command_with_tokens_is_exact)
{
    static const leat_command commands[] = {LEAT_CMD_STOP,  LEAT_CMD_RELEASE, LEAT_CMD_SNOOZE,
                                            LEAT_CMD_CLAIM, LEAT_CMD_END,     LEAT_CMD_RECALL};
    const leat_token_record record = {.token = token,
                                      .reason = LEAT_STOP_STALE,
                                      .grace_ms = 10000,
                                      .delay_ms = LEAT_DELAY_MS_MAX,
                                      .started = 1,
                                      .claims = UINT64_MAX,
                                      .items = 5};

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        leat_buf_reset(&body);
        leat_tokens_put(commands[i], &body, &record);
        leat_tokens_put(commands[i], &body, &record);
        must_be_exact(commands[i], 2);
    }
}

Test(records, tokens_out_of_their_ranges_are_malformed)
{
    leat_token_record record = {.token = token, .reason = LEAT_STOP_CANCEL};

    leat_tokens_put(LEAT_CMD_STOP, &body, &record);
    must_refuse_byte(LEAT_CMD_STOP, 1, LEAT_TOKEN_BYTES, 0);
    must_refuse_byte(LEAT_CMD_STOP, 1, LEAT_TOKEN_BYTES, 4);

    leat_buf_reset(&body);
    leat_tokens_put(LEAT_CMD_CLAIM, &body, &record);
    must_refuse_byte(LEAT_CMD_CLAIM, 1, LEAT_TOKEN_BYTES, 2);

    leat_buf_reset(&body);
    record.delay_ms = LEAT_DELAY_MS_MAX;
    leat_tokens_put(LEAT_CMD_SNOOZE, &body, &record);
    must_refuse_byte(LEAT_CMD_SNOOZE, 1, LEAT_TOKEN_BYTES, 1);
}

Test(records, heartbeat_and_error_are_exact)
{
    leat_heartbeat_put(&body, &(leat_heartbeat){.started = UINT64_MAX, .running = 7});
    must_be_exact(LEAT_CMD_HEARTBEAT, 1);

    leat_buf_reset(&body);
    leat_error_put(&body, &(leat_error_record){LEAT_ERR_VERSION, 8, TEXT("version 2")});
    must_be_exact(LEAT_CMD_ERROR, 1);
}

Test(records, writers_without_memory_leave_the_buffer_alone)
{
    leat_buf full = {.failed = true};
    const leat_send_head head = plain_head();
    const leat_counters counters = {0};
    const leat_jobs_run run = {.channel = TEXT("c"), .handler = TEXT("h")};
    const leat_token_record record = {.token = token};

    leat_send_put_head(&full, &head);
    leat_send_put(&full, "x", 1);
    leat_sent_put(&full, &(leat_sent){0});
    leat_jobs_set_run(&full, leat_jobs_put_run(&full, &run), 1);
    leat_jobs_put_job(&full, 1, 1, 1, BYTES("x"));
    leat_done_put(&full, &(leat_done){.end = LEAT_END_DONE});
    leat_items_put_completions(&full, 1, 1, &counters, 0);
    leat_items_put_completion(&full, &completion);
    leat_items_set_messages(&full, leat_items_put_messages(&full, TEXT("c"), 0), 1);
    leat_items_put_message(&full, &(leat_message){0});
    leat_tokens_put(LEAT_CMD_STOP, &full, &record);
    leat_select_put_head(&full, 0);
    leat_select_put(&full, &(leat_select_case){LEAT_SELECT_SEND, TEXT("c"), BYTES("x")});
    leat_selected_put(&full, &(leat_selected){.payload = BYTES("x")});
    leat_withdraw_put(&full, &(leat_withdraw){LEAT_WITHDRAW_RECV, 0, TEXT("c")});
    leat_withdrawn_put(&full, &(leat_withdrawn){TEXT("c"), 1});
    leat_cancel_put(&full, 1);

    cr_assert(full.failed);
    cr_assert(eq(sz, full.size, 0));
    cr_assert(full.data == NULL);
}
