/* Limits: what is just under one is taken, what is just over it is answered. */
#include <stdio.h>
#include <stdlib.h>

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

TestSuite(core_limits, .init = setup, .fini = teardown, .timeout = 300);

/* A SEND whose settings are these bytes, whatever they are. */
static const test_answer *
send_with(const char *channel, const leat_buf *settings, size_t payload_bytes)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_SEND);
    leat_put_u8(&frame, 0);
    leat_put_text8(&frame, leat_text_of(channel));
    leat_put_text8(&frame, leat_text_of("echo"));
    leat_put_u64(&frame, 0);
    leat_put_u32(&frame, 0);
    leat_put_u16(&frame, (uint16_t)settings->size);
    leat_put_bytes(&frame, settings->data, settings->size);
    leat_put_u32(&frame, (uint32_t)payload_bytes);
    uint8_t *const payload = leat_buf_room(&frame, payload_bytes);
    memset(payload, 'x', payload_bytes);
    leat_frame_finish(&frame, 0, 1, 0);
    const uint64_t sequence = peer_say_numbered(client, &frame);
    must_settle(&w);
    return must_answer(client, sequence);
}

static void
put_followers(leat_buf *buf, unsigned n, size_t bytes)
{
    uint8_t *const payload = calloc(1, bytes + 1);
    for (unsigned i = 0; i < n; i++) {
        leat_put_u8(buf, LEAT_SETTING_FINALLY);
        leat_put_u16(buf, (uint16_t)(6 + bytes));
        leat_put_text8(buf, leat_text_of("clean"));
        leat_put_bytes(buf, payload, bytes);
    }
    free(payload);
}

static leat_err
code_of_setting(uint8_t key, const char *value)
{
    leat_buf settings = {0};
    leat_put_u8(&settings, key);
    leat_put_u16(&settings, (uint16_t)strlen(value));
    leat_put_bytes(&settings, value, strlen(value));
    const leat_err err = send_with("default", &settings, 1)->code;
    leat_buf_fini(&settings);
    return err;
}

/* ------------------------------------------------------------------------------ bytes */

Test(core_limits, a_payload_has_a_mebibyte)
{
    const leat_buf none = {0};

    cr_assert(eq(int, send_with("default", &none, LEAT_PAYLOAD_BYTES_MAX)->code, LEAT_ERR_OK));
    cr_assert(
        eq(int, send_with("default", &none, LEAT_PAYLOAD_BYTES_MAX + 1)->code, LEAT_ERR_TOO_LARGE));
    LEAT_SAME_TEXT(must_answer(client, client->sequence)->sentence,
                   "SEND: a payload is over 1048576 bytes");
}

Test(core_limits, a_name_has_a_hundred_and_twenty_eight_bytes)
{
    const leat_buf none = {0};
    char name[130];
    memset(name, 'n', sizeof name);
    name[128] = '\0';
    cr_assert(eq(int, send_with(name, &none, 1)->code, LEAT_ERR_OK));
    LEAT_PASS(code_of_command(client, "channel.pause", "{\"channel\":\"%s\"}", name));
    LEAT_PASS(code_of_setting(LEAT_SETTING_KEY, name));
    LEAT_PASS(code_of_setting(LEAT_SETTING_UNIQUE, name));
    LEAT_PASS(code_of_setting(LEAT_SETTING_FLOW, name));

    name[128] = 'n';
    name[129] = '\0';
    cr_assert(eq(int, send_with(name, &none, 1)->code, LEAT_ERR_MALFORMED));
    LEAT_FAILS(code_of_command(client, "channel.new", "{\"channel\":\"%s\"}", name),
               LEAT_ERR_MALFORMED);
    LEAT_FAILS(code_of_setting(LEAT_SETTING_KEY, name), LEAT_ERR_MALFORMED);
    LEAT_FAILS(code_of_setting(LEAT_SETTING_UNIQUE, name), LEAT_ERR_MALFORMED);
    LEAT_FAILS(code_of_setting(LEAT_SETTING_FLOW, name), LEAT_ERR_MALFORMED);
}

Test(core_limits, settings_have_sixteen_kibibytes)
{
    leat_buf settings = {0};
    put_followers(&settings, 1, LEAT_SETTINGS_BYTES_MAX - 9);
    cr_assert(eq(sz, settings.size, LEAT_SETTINGS_BYTES_MAX));
    cr_assert(eq(int, send_with("default", &settings, 1)->code, LEAT_ERR_OK));
    leat_put_u8(&settings, 200); /* one that may be skipped, and one byte too many */
    leat_put_u16(&settings, 0);
    cr_assert(eq(int, send_with("default", &settings, 1)->code, LEAT_ERR_TOO_LARGE));
    leat_buf_fini(&settings);

    must_restart(&w); /* what was taken can be read again */
    must_resume(client);
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 1));
}

Test(core_limits, with_what_the_channel_says_they_have_not_more)
{
    must_do(client, "channel.new", "{\"channel\":\"c\",\"failures\":7,\"run_limit_ms\":1000}");
    leat_buf settings = {0};
    put_followers(&settings, 1, LEAT_SETTINGS_BYTES_MAX - 9);
    cr_assert(eq(int, send_with("c", &settings, 1)->code, LEAT_ERR_TOO_LARGE));
    leat_buf_reset(&settings);
    put_followers(&settings, 1, LEAT_SETTINGS_BYTES_MAX - 9 - 16); /* 5 and 11 bytes for these */
    cr_assert(eq(int, send_with("c", &settings, 1)->code, LEAT_ERR_OK));
    leat_buf_fini(&settings);

    must_restart(&w);
    must_resume(client);
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 1));
}

Test(core_limits, a_setting_that_is_not_known_is_refused_or_skipped)
{
    LEAT_FAILS(code_of_setting(127, ""), LEAT_ERR_UNSUPPORTED);
    LEAT_PASS(code_of_setting(128, "x"));
}

/* ------------------------------------------------------------------------------ counts */

Test(core_limits, a_frame_has_eight_thousand_records)
{
    leat_send_head head = test_head("echo", 0);
    (void)must_send(client, &head, LEAT_RECORDS_MAX);

    const uint64_t sequence = peer_send(client, &head, LEAT_RECORDS_MAX + 1, 0);
    must_settle(&w);

    cr_assert(eq(int, must_answer(client, sequence)->command, LEAT_CMD_ERROR));
    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_MALFORMED));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, LEAT_RECORDS_MAX));
}

Test(core_limits, eight_jobs_follow_one)
{
    leat_buf settings = {0};
    put_followers(&settings, LEAT_FINALLY_MAX, 3);
    cr_assert(eq(int, send_with("default", &settings, 1)->code, LEAT_ERR_OK));
    put_followers(&settings, 1, 3);
    cr_assert(eq(int, send_with("default", &settings, 1)->code, LEAT_ERR_MALFORMED));
    leat_buf_fini(&settings);
}

Test(core_limits, a_job_asks_for_eight_amounts)
{
    LEAT_PASS(code_of_setting(LEAT_SETTING_NEEDS, "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1"));
    LEAT_FAILS(code_of_setting(LEAT_SETTING_NEEDS, "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1"),
               LEAT_ERR_MALFORMED);
    LEAT_PASS(code_of_setting(LEAT_SETTING_TRAITS, "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1"));
    LEAT_FAILS(code_of_setting(LEAT_SETTING_TRAITS, "a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1"),
               LEAT_ERR_MALFORMED);
}

static leat_err
code_of_duration(uint8_t key, uint64_t value)
{
    leat_buf settings = {0};
    leat_put_u8(&settings, key);
    leat_put_u16(&settings, 8);
    leat_put_u64(&settings, value);
    const leat_err err = send_with("default", &settings, 1)->code;
    leat_buf_fini(&settings);
    return err;
}

Test(core_limits, a_wait_has_three_hundred_and_sixty_six_days)
{
    const uint8_t keys[] = {LEAT_SETTING_DELAY_MS, LEAT_SETTING_RUN_LIMIT_MS,
                            LEAT_SETTING_EXPIRES_MS, LEAT_SETTING_BACKOFF_MAX_MS};
    for (size_t i = 0; i < sizeof keys; i++) {
        LEAT_PASS(code_of_duration(keys[i], LEAT_DELAY_MS_MAX));
        LEAT_FAILS(code_of_duration(keys[i], LEAT_DELAY_MS_MAX + 1), LEAT_ERR_MALFORMED);
    }
    LEAT_PASS(code_of_duration(LEAT_SETTING_GRACE_MS, LEAT_GRACE_MS_MAX));
    LEAT_FAILS(code_of_duration(LEAT_SETTING_GRACE_MS, LEAT_GRACE_MS_MAX + 1), LEAT_ERR_MALFORMED);
    LEAT_PASS(code_of_duration(LEAT_SETTING_AT_MS, LEAT_WALL_MS_MAX));
    LEAT_FAILS(code_of_duration(LEAT_SETTING_AT_MS, LEAT_WALL_MS_MAX + 1), LEAT_ERR_MALFORMED);
}

Test(core_limits, there_are_so_many_kinds_of_jobs)
{
    uint64_t last = 0;
    for (unsigned i = 0; i < LEAT_CLASSES_MAX; i++) {
        char handler[16];
        (void)snprintf(handler, sizeof handler, "h%u", i);
        const leat_send_head head = test_head(handler, 0);
        last = peer_send(client, &head, 1, 0);
        if (i % 512 != 511)
            continue;
        must_settle(&w);
        cr_assert(eq(int, must_answer(client, last)->code, LEAT_ERR_OK));
        client->answer_count = 0; /* they are not looked at again, and would be looked through */
    }

    leat_send_head head = test_head("one too many", 0);
    const uint64_t sequence = peer_send(client, &head, 1, 0);
    head.handler = leat_text_of("h77");
    const uint64_t known = peer_send(client, &head, 1, 0);
    must_settle(&w);

    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_LIMIT));
    LEAT_SAME_TEXT(must_answer(client, sequence)->sentence,
                   "there are as many kinds of jobs (handler, needs, traits) as there may be");
    cr_assert(eq(int, must_answer(client, known)->code, LEAT_ERR_OK));
}

/* RECV credit of nothing names channels, and makes them. */
static void
name_channels(test_peer *peer, unsigned from, unsigned upto, uint32_t items)
{
    while (from < upto) {
        leat_buf frame = {0};
        uint16_t count = 0;
        leat_frame_begin(&frame, LEAT_CMD_CREDIT);
        for (; count < 8192 && from < upto; count++, from++) {
            char name[16];
            (void)snprintf(name, sizeof name, "c%u", from);
            leat_credit_put(&frame, &(leat_credit){.kind = LEAT_CREDIT_RECV,
                                                   .channel = leat_text_of(name),
                                                   .items = items});
        }
        leat_frame_finish(&frame, 0, count, 0);
        peer_say(peer, &frame);
    }
}

Test(core_limits, there_are_a_hundred_thousand_channels)
{
    name_channels(client, 0, LEAT_CHANNELS_MAX, 0);
    cr_assert(eq(u32, client->errors, 0));

    const leat_buf none = {0};
    cr_assert(eq(int, send_with("c99999", &none, 1)->code, LEAT_ERR_OK));
    cr_assert(eq(int, send_with("one too many", &none, 1)->code, LEAT_ERR_LIMIT));
    LEAT_SAME_TEXT(must_answer(client, client->sequence)->sentence,
                   "there are as many channels as there may be");
    LEAT_FAILS(code_of_command(client, "channel.new", "{\"channel\":\"one too many\"}"),
               LEAT_ERR_LIMIT);
    name_channels(client, LEAT_CHANNELS_MAX, LEAT_CHANNELS_MAX + 1, 1);
    must_settle(&w);
    cr_assert(eq(int, client->error, LEAT_ERR_LIMIT));
}

Test(core_limits, a_session_receives_from_so_many_channels)
{
    name_channels(client, 0, LEAT_WAITS_MAX, 1);
    must_settle(&w);
    cr_assert(eq(u32, client->errors, 0));

    name_channels(client, LEAT_WAITS_MAX, LEAT_WAITS_MAX + 1, 1);
    must_settle(&w);

    cr_assert(eq(u32, client->errors, 1));
    cr_assert(eq(int, client->error, LEAT_ERR_LIMIT));
    name_channels(client, 5, 6, 7); /* one that it has is changed */
    must_settle(&w);
    cr_assert(eq(u32, client->errors, 1));
}

Test(core_limits, there_are_ten_thousand_schedules)
{
    uint64_t sequence = 0;
    for (unsigned i = 0; i < LEAT_SCHEDULES_MAX; i++) {
        char arguments[96];
        (void)snprintf(arguments, sizeof arguments,
                       "{\"name\":\"s%u\",\"expr\":\"@yearly\",\"handler\":\"echo\"}", i);
        sequence = peer_command(client, "schedule.add", arguments);
        if (i % 512 == 511)
            must_settle(&w);
    }
    must_settle(&w);
    cr_assert(eq(int, must_answer(client, sequence)->code, LEAT_ERR_OK));

    LEAT_FAILS(code_of_command(client, "schedule.add",
                               "{\"name\":\"s\",\"expr\":\"@yearly\",\"handler\":\"echo\"}"),
               LEAT_ERR_LIMIT);
    LEAT_SAME_TEXT(said_text(&w, "error.message"), "there are as many schedules as there may be");
    must_do(client, "schedule.remove", "{\"name\":\"s0\"}");
    LEAT_PASS(code_of_command(client, "schedule.add",
                              "{\"name\":\"s\",\"expr\":\"@yearly\",\"handler\":\"echo\"}"));
}

Test(core_limits, a_hundred_thousand_dead_are_kept)
{
    leat_send_head head = test_head("echo", 5);
    test_peer *const worker = must_worker(&w, "w1", 8192, "echo");
    peer_credit(worker, 8192);
    for (unsigned sent = 0; sent < LEAT_DEAD_MAX + 100; sent += 7150) /* 14 times */
        (void)must_send(client, &head, 7150);
    must_end_all(worker, LEAT_END_FATAL);
    cr_assert(eq(sz, worker->job_count, LEAT_DEAD_MAX + 100));
    world_pass(&w, 1000);

    must_query(client, "status", "{}");
    cr_assert(eq(dbl, said(&w, "broker.dead_jobs"), (double)LEAT_DEAD_MAX));
    must_query(client, "dead", "{}");
    cr_assert(eq(dbl, said(&w, "dropped"), 100.0));
    must_query(client, "dead.show", "{\"job\":\"%llu\"}",
               (unsigned long long)worker->jobs[99].token.id);
    LEAT_SAME_TEXT(said_text(&w, "error.code"), "NOT_FOUND"); /* the oldest have gone */
    must_query(client, "dead.show", "{\"job\":\"%llu\"}",
               (unsigned long long)worker->jobs[100].token.id);
    LEAT_SAME_TEXT(said_text(&w, "handler"), "echo");
}

/* ------------------------------------------------------------------------------ JSON */

Test(core_limits, a_command_is_of_sixty_four_kibibytes)
{
    static char filler[LEAT_JSON_BYTES_MAX];
    const char start[] = "{\"command\":\"channel.pause\",\"arguments\":{\"channel\":\"";
    for (unsigned over = 0; over < 2; over++) {
        leat_buf frame = {0};
        memset(filler, 'x', sizeof filler);
        leat_frame_begin(&frame, LEAT_CMD_COMMAND);
        leat_put_bytes(&frame, start, strlen(start));
        leat_put_bytes(&frame, filler, LEAT_JSON_BYTES_MAX + over - strlen(start) - 3);
        leat_put_bytes(&frame, "\"}}", 3);
        leat_frame_finish(&frame, 0, 1, 0);
        const uint64_t sequence = peer_say_numbered(client, &frame);
        must_settle(&w);
        cr_assert(eq(int, must_answer(client, sequence)->code,
                     over == 0 ? LEAT_ERR_MALFORMED /* no name */ : LEAT_ERR_TOO_LARGE));
    }
}

Test(core_limits, a_command_names_a_thousand_jobs)
{
    leat_send_head head = test_head("echo", 5);
    head.settings.failures = 1;
    const uint64_t first = must_send(client, &head, 1001)->sent.first_id;
    test_peer *const worker = must_worker(&w, "w1", 1001, "echo");
    peer_credit(worker, 1001);
    must_settle(&w);
    must_end_all(worker, LEAT_END_FAILED);
    for (unsigned n = 1001; n >= 1000; n--) {
        leat_buf frame = {0};
        char number[32];
        leat_frame_begin(&frame, LEAT_CMD_COMMAND);
        const char start[] = "{\"command\":\"dead.remove\",\"arguments\":{\"jobs\":[";
        leat_put_bytes(&frame, start, sizeof start - 1);
        for (unsigned i = 0; i < n; i++) {
            const int size = snprintf(number, sizeof number, "%s\"%llu\"", i == 0 ? "" : ",",
                                      (unsigned long long)first + i);
            leat_put_bytes(&frame, number, (size_t)size);
        }
        leat_put_bytes(&frame, "]}}", 3);
        leat_frame_finish(&frame, 0, 1, 0);
        const uint64_t sequence = peer_say_numbered(client, &frame);
        must_settle(&w);
        cr_assert(eq(int, must_answer(client, sequence)->code,
                     n > 1000 ? LEAT_ERR_MALFORMED : LEAT_ERR_OK));
    }
    must_query(client, "status", "{}");
    cr_assert(eq(dbl, said(&w, "broker.dead_jobs"), 1.0));
}
