/* proto/control: JSON bodies, HELLO and WELCOME. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "proto/control.h"
#include "proto/frame.h"
#include "tests/lib/alloc.h"

static char why[128];
static leat_hello hello;

static leat_err
parse(const char *text)
{
    cJSON *json = NULL;
    const leat_err err =
        leat_json_parse((const uint8_t *)text, text == NULL ? 0 : strlen(text), &json, why);
    cJSON_Delete(json);
    return err;
}

static void
must_refuse(const char *text, leat_err want, const char *sentence)
{
    LEAT_FAILS(parse(text), want);
    LEAT_SAME_TEXT(why, sentence);
}

#define MALFORMED(text, sentence) must_refuse((text), LEAT_ERR_MALFORMED, (sentence))

/* Parsed, for the getters; freed by the caller. */
static cJSON *
must_parse(const char *text)
{
    cJSON *json = NULL;
    LEAT_PASS(leat_json_parse((const uint8_t *)text, strlen(text), &json, why));
    return json;
}

/* --------------------------------------------------------------------------------- the scanner */

Test(control, json_of_every_kind_is_parsed_and_printed)
{
    static const char text[] =
        "{\"a\":[1,-2.5,true,false,null,\"\xc3\xa4 \\n\\\"\"],\"b\":{\"a\":{}},\"\":[[]]}";
    cJSON *const json = must_parse(text);
    leat_buf buf = {0};

    leat_json_put(&buf, json);

    leat_put_u8(&buf, 0);
    LEAT_SAME_TEXT((const char *)buf.data, text);
    leat_buf_fini(&buf);
    cJSON_Delete(json);
}

Test(control, blanks_are_allowed_between_tokens)
{
    LEAT_PASS(parse(" \t\r\n{ \"a\" : [ 1 , 2 ] , \"b\" : { } } \n"));
}

Test(control, a_body_is_exactly_one_object)
{
    MALFORMED("", "byte 0: the end instead of an object");
    MALFORMED("[1]", "byte 0: '[' instead of an object");
    MALFORMED("\"a\"", "byte 0: '\"' instead of an object");
    MALFORMED("{}{}", "byte 2: '{' instead of the end");
    MALFORMED("{}\x01", "byte 2: 0x01 instead of the end");
    MALFORMED("\xef\xbb\xbf{}", "byte 0: 0xef instead of an object");
}

Test(control, what_is_no_json_is_malformed_and_the_place_is_named)
{
    MALFORMED("{", "byte 1: the end instead of a key");
    MALFORMED("{a:1}", "byte 1: 'a' instead of a key");
    MALFORMED("{\"a\"}", "byte 4: '}' instead of a colon");
    MALFORMED("{\"a\":}", "byte 5: '}' instead of a value");
    MALFORMED("{\"a\":", "byte 5: the end instead of a value");
    MALFORMED("{\"a\":1,}", "byte 7: '}' instead of a key");
    MALFORMED("{\"a\":1 \"b\":2}", "byte 7: '\"' instead of ',' or '}'");
    MALFORMED("{\"a\":[1 2]}", "byte 8: '2' instead of ',' or ']'");
    MALFORMED("{\"a\":[1}", "byte 7: '}' instead of ',' or ']'");
    MALFORMED("{\"a\":[1,]}", "byte 8: ']' instead of a value");
    MALFORMED("{\"a\":tru}", "byte 5: 't' instead of a value");
    MALFORMED("{\"a\":nul", "byte 5: 'n' instead of a value");
    MALFORMED("{\"a\":NaN}", "byte 5: 'N' instead of a value");
    MALFORMED("{\"a\":'x'}", "byte 5: ''' instead of a value");
    MALFORMED("{\"a\":1/**/}", "byte 6: '/' instead of ',' or '}'");
}

Test(control, numbers_follow_the_grammar)
{
    LEAT_PASS(parse("{\"a\":[0,-0,10,0.5,1e5,1E+5,-2.5e-200]}"));
    MALFORMED("{\"a\":01}", "byte 5: a number that starts with 0");
    MALFORMED("{\"a\":-}", "byte 6: '}' instead of a digit");
    MALFORMED("{\"a\":+1}", "byte 5: '+' instead of a value");
    MALFORMED("{\"a\":.5}", "byte 5: '.' instead of a value");
    MALFORMED("{\"a\":1.}", "byte 7: '}' instead of a digit");
    MALFORMED("{\"a\":1e}", "byte 7: '}' instead of a digit");
    MALFORMED("{\"a\":1e201}", "byte 10: a number beyond 1e200");
    MALFORMED("{\"a\":1e99999999999999999999}", "byte 27: a number beyond 1e200");
    MALFORMED("{\"a\":12345678901234567890123456789012345678901}",
              "byte 5: a number of more than 40 characters");
}

Test(control, strings_are_strict)
{
    LEAT_PASS(parse("{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\uDE00\"}"));
    MALFORMED("{\"a", "byte 3: a string without an end");
    MALFORMED("{\"a\\", "byte 3: a string without an end");
    MALFORMED("{\"a\n\":1}", "byte 3: control character 0x0a in a string");
    MALFORMED("{\"\\x\":1}", "byte 2: unknown escape");
    MALFORMED("{\"\\u12g4\":1}", "byte 2: \\u without four hex digits");
    MALFORMED("{\"\\u12G4\":1}", "byte 2: \\u without four hex digits");
    MALFORMED("{\"\\u12:4\":1}", "byte 2: \\u without four hex digits");
    MALFORMED("{\"\\u12!4\":1}", "byte 2: \\u without four hex digits");
    MALFORMED("{\"\\u12", "byte 2: \\u without four hex digits");
    MALFORMED("{\"a\":\"\\u0000\"}", "byte 6: \\u0000 in a string");
    MALFORMED("{\"a\":\"\\ud83d\"}", "byte 6: half of a surrogate pair");
    MALFORMED("{\"a\":\"\\ud83d\\n\"}", "byte 6: half of a surrogate pair");
    MALFORMED("{\"a\":\"\\ud83d\\ud83d\"}", "byte 6: half of a surrogate pair");
    MALFORMED("{\"a\":\"\\ud83d\\ue000\"}", "byte 6: half of a surrogate pair");
    MALFORMED("{\"a\":\"\\ud83d", "byte 6: half of a surrogate pair");
    MALFORMED("{\"a\":\"\\ude00\"}", "byte 6: half of a surrogate pair");
}

Test(control, a_nul_or_an_unknown_escape_of_nul_is_malformed)
{
    cJSON *json = NULL;
    LEAT_FAILS(leat_json_parse((const uint8_t *)"{\"\\\0\":1}", 8, &json, why), LEAT_ERR_MALFORMED);
    LEAT_FAILS(leat_json_parse((const uint8_t *)"{}\0", 3, &json, why), LEAT_ERR_MALFORMED);
    cr_assert(json == NULL);
}

Test(control, bytes_that_are_no_utf8_are_malformed)
{
    MALFORMED("{\"a\":\"\xff\"}", "the JSON is not UTF-8");
    MALFORMED("{\"a\":\"\xc3\"}", "the JSON is not UTF-8");
    MALFORMED("{\"a\":\"\xed\xa0\x80\"}", "the JSON is not UTF-8");
}

Test(control, a_key_twice_is_malformed_however_it_is_written)
{
    MALFORMED("{\"a\":1,\"a\":2}", "byte 7: key \"a\" twice");
    MALFORMED("{\"a\":1,\"b\":2,\"\\u0061\":3}", "byte 13: key \"\\u0061\" twice");
    MALFORMED("{\"\":1,\"\":2}", "byte 6: key \"\" twice");
    MALFORMED("{\"\\n\":1,\"\\u000A\":2}", "byte 8: key \"\\u000A\" twice");
    MALFORMED("{\"/\":1,\"\\/\":2}", "byte 7: key \"\\/\" twice");
    MALFORMED("{\"\xc3\xa4\":1,\"\\u00e4\":2}", "byte 8: key \"\\u00e4\" twice");
    MALFORMED("{\"\xe2\x82\xac\":1,\"\\u20ac\":2}", "byte 9: key \"\\u20ac\" twice");
    MALFORMED("{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\ude00\":2}",
              "byte 10: key \"\\ud83d\\ude00\" twice");
    MALFORMED("{\"o\":{\"x\":{},\"y\":1,\"x\":2}}", "byte 19: key \"x\" twice");
    MALFORMED("{\"o\":[{\"x\":1},{\"x\":1,\"x\":2}]}", "byte 21: key \"x\" twice");
}

Test(control, one_key_in_several_objects_or_in_another_case_is_fine)
{
    LEAT_PASS(parse("{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":1}],\"A\":1,\"aa\":2}"));
}

Test(control, a_cut_sentence_is_still_utf8)
{
    char umlauts[121] = "";
    char doubled[600];
    for (size_t i = 0; i < 120; i++)
        umlauts[i] = i % 2 == 0 ? '\xc3' : '\xa4';
    (void)snprintf(doubled, sizeof doubled, "{\"%s\":1,\"x%s\":2,\"x%s\":3}", umlauts, umlauts,
                   umlauts);

    LEAT_FAILS(parse(doubled), LEAT_ERR_MALFORMED);
    const leat_text cut = leat_text_of(why);
    cr_assert(ge(sz, cut.size, 125));
    cr_assert(eq(int, (uint8_t)why[cut.size - 1], 0xa4), "ends with a whole character");
}

/* --------------------------------------------------------------------------------------- bounds */

/* {"a": and `levels` arrays inside each other, all closed. */
static const char *
nested(unsigned levels)
{
    static char text[200];
    const size_t n = levels;
    (void)snprintf(text, sizeof text, "{\"a\":%*s}", (int)(2 * n), "");
    memset(text + 5, '[', n);
    memset(text + 5 + n, ']', n);
    return text;
}

Test(control, sixteen_levels_are_the_limit)
{
    LEAT_PASS(parse(nested(LEAT_JSON_DEPTH_MAX - 1)));
    must_refuse(nested(LEAT_JSON_DEPTH_MAX), LEAT_ERR_TOO_LARGE, "byte 20: more than 16 levels");
    must_refuse("{\"a\":[[[[[[[[[[[[[[[{\"b\":1}]]]]]]]]]]]]]]]}", LEAT_ERR_TOO_LARGE,
                "byte 20: more than 16 levels");
}

/* An object with one array of `zeros` numbers. */
static char *
array_of(unsigned zeros)
{
    char *const text = malloc(2U * zeros + 16);
    cr_assert(text != NULL);
    size_t n = (size_t)sprintf(text, "{\"a\":[0");
    for (unsigned i = 1; i < zeros; i++) {
        text[n++] = ',';
        text[n++] = '0';
    }
    memcpy(text + n, "]}", 3);
    return text;
}

Test(control, ten_thousand_tokens_are_the_limit)
{
    /* The object, its key and the array are tokens too. */
    char *const most = array_of(LEAT_JSON_TOKENS_MAX - 3);
    char *const over = array_of(LEAT_JSON_TOKENS_MAX - 2);

    LEAT_PASS(parse(most));
    must_refuse(over, LEAT_ERR_TOO_LARGE, "byte 20000: more than 10000 tokens");
    memcpy(most + strlen(most) - 1, ",\"a\":", 6); /* one key too many: its value never comes */
    must_refuse(most, LEAT_ERR_TOO_LARGE, "byte 20001: more than 10000 tokens");
    free(most);
    free(over);
}

Test(control, a_body_of_64_kib_is_the_limit)
{
    char *const text = malloc(LEAT_JSON_BYTES_MAX + 2);
    memset(text, ' ', LEAT_JSON_BYTES_MAX + 1);
    memcpy(text, "{}", 2);
    text[LEAT_JSON_BYTES_MAX] = '\0';
    LEAT_PASS(parse(text));

    text[LEAT_JSON_BYTES_MAX] = ' ';
    text[LEAT_JSON_BYTES_MAX + 1] = '\0';
    must_refuse(text, LEAT_ERR_TOO_LARGE, "65537 bytes of JSON, the limit is 65536");
    free(text);
}

Test(control, as_many_keys_as_fit_are_told_apart)
{
    char *const text = malloc(LEAT_JSON_BYTES_MAX);
    size_t n = (size_t)sprintf(text, "{\"last\":1");
    for (unsigned i = 0; i < 4000; i++)
        n += (size_t)sprintf(text + n, ",\"%x\":1", i);
    (void)sprintf(text + n, "}");
    LEAT_PASS(parse(text));

    (void)sprintf(text + n, ",\"last\":1}");
    LEAT_FAILS(parse(text), LEAT_ERR_MALFORMED);
    free(text);
}

/* --------------------------------------------------------------------------- getters and adders */

Test(control, getters_tell_missing_and_wrong_types_and_leave_out_alone)
{
    cJSON *const json =
        must_parse("{\"t\":\"x\",\"n\":7,\"b\":true,\"big\":\"18446744073709551615\"}");
    const char *text = "before";
    uint64_t u64 = 1;
    int64_t number = 2;
    bool truth = false;

    cr_assert(not(leat_json_text(json, "T", &text)), "keys are case-sensitive");
    cr_assert(not(leat_json_text(json, "n", &text)));
    cr_assert(not(leat_json_u64(json, "t", &u64)));
    cr_assert(not(leat_json_u64(json, "n", &u64)));
    cr_assert(not(leat_json_int(json, "t", 0, 9, &number)));
    cr_assert(not(leat_json_int(json, "n", 8, 9, &number)));
    cr_assert(not(leat_json_int(json, "n", 0, 6, &number)));
    cr_assert(not(leat_json_bool(json, "n", &truth)));
    LEAT_SAME_TEXT(text, "before");
    cr_assert(eq(u64, u64, 1));
    cr_assert(eq(i64, number, 2));

    cr_assert(leat_json_text(json, "t", &text));
    LEAT_SAME_TEXT(text, "x");
    cr_assert(leat_json_u64(json, "big", &u64));
    cr_assert(eq(u64, u64, UINT64_MAX));
    cr_assert(leat_json_int(json, "n", 7, 7, &number));
    cr_assert(eq(i64, number, 7));
    cr_assert(leat_json_bool(json, "b", &truth));
    cr_assert(truth);
    cJSON_Delete(json);
}

Test(control, an_id_has_one_way_to_be_written)
{
    static const char *const bad[] = {
        "\"\"",
        "\"-1\"",
        "\"+1\"",
        "\"01\"",
        "\"1 \"",
        "\" 1\"",
        "\"1e3\"",
        "\"0x1\"",
        "\"18446744073709551616\"",
        "\"99999999999999999999\"",
        "\"100000000000000000000\"",
    };
    char text[64];
    uint64_t value = 5;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)snprintf(text, sizeof text, "{\"id\":%s}", bad[i]);
        cJSON *const json = must_parse(text);
        cr_assert(not(leat_json_u64(json, "id", &value)), "%s", bad[i]);
        cJSON_Delete(json);
    }
    cr_assert(eq(u64, value, 5));
    cJSON *const zero = must_parse("{\"id\":\"0\"}");
    cr_assert(leat_json_u64(zero, "id", &value));
    cr_assert(eq(u64, value, 0));
    cJSON_Delete(zero);
}

Test(control, an_int_is_whole_and_exact)
{
    cJSON *const json = must_parse("{\"half\":0.5,\"huge\":1e100,\"most\":9007199254740992,"
                                   "\"low\":-9007199254740992,\"more\":9007199254740994}");
    int64_t value = 0;

    cr_assert(not(leat_json_int(json, "half", INT64_MIN, INT64_MAX, &value)));
    cr_assert(not(leat_json_int(json, "huge", INT64_MIN, INT64_MAX, &value)));
    cr_assert(not(leat_json_int(json, "more", INT64_MIN, INT64_MAX, &value)));
    cr_assert(leat_json_int(json, "most", INT64_MIN, INT64_MAX, &value));
    cr_assert(eq(i64, value, INT64_C(1) << 53));
    cr_assert(leat_json_int(json, "low", INT64_MIN, INT64_MAX, &value));
    cr_assert(eq(i64, value, -(INT64_C(1) << 53)));
    cJSON_Delete(json);
}

Test(control, a_number_that_is_added_is_a_string_of_digits)
{
    cJSON *const json = cJSON_CreateObject();
    uint64_t value = 0;

    cr_assert(leat_json_add_u64(json, "id", UINT64_MAX));
    cr_assert(leat_json_u64(json, "id", &value));
    cr_assert(eq(u64, value, UINT64_MAX));
    cJSON_Delete(json);
}

static void
must_add(const void *data, size_t size, const char *want)
{
    cJSON *const json = cJSON_CreateObject();
    leat_buf buf = {0};
    cr_assert(leat_json_add_bytes(json, "k", data, size));
    leat_json_put(&buf, json);
    leat_put_u8(&buf, 0);
    LEAT_SAME_TEXT((const char *)buf.data, want);
    leat_buf_fini(&buf);
    cJSON_Delete(json);
}

Test(control, bytes_are_added_as_text_or_as_base64)
{
    must_add("text", 4, "{\"k\":\"text\"}");
    must_add("\xc3\xa4", 2, "{\"k\":\"\xc3\xa4\"}");
    must_add(NULL, 0, "{\"k\":\"\"}");
    must_add("\xff", 1, "{\"k_b64\":\"/w==\"}");
    must_add("\xff\xfe", 2, "{\"k_b64\":\"//4=\"}");
    must_add("\xff\xfe\xfd", 3, "{\"k_b64\":\"//79\"}");
    must_add("\xff\xfe\xfd\x00", 4, "{\"k_b64\":\"//79AA==\"}");
    must_add("a\0b", 3, "{\"k_b64\":\"YQBi\"}");
}

Test(control, printing_nothing_fails_the_buffer)
{
    leat_buf buf = {0};
    leat_json_put(&buf, NULL);
    cr_assert(buf.failed);
}

/* ---------------------------------------------------------------------------------- session ids */

Test(control, a_session_id_is_printed_and_parsed)
{
    char text[33];
    leat_session_id read;
    const leat_session_id id = leat_session_id_new();

    leat_session_id_format(&id, text);
    cr_assert(leat_session_id_parse(text, &read));
    cr_assert(eq(int, memcmp(&id, &read, sizeof id), 0));
    cr_assert(leat_session_id_parse("0123456789abcdefABCDEF0123456789", &read));
    cr_assert(eq(u8, read.bytes[15], 0x89));
    cr_assert(not(leat_session_id_parse("", &read)));
    cr_assert(not(leat_session_id_parse("0123456789abcdefABCDEF012345678", &read)));
    cr_assert(not(leat_session_id_parse("0123456789abcdefABCDEF01234567890", &read)));
    cr_assert(not(leat_session_id_parse("0123456789abcdefABCDEF012345678g", &read)));
}

Test(control, two_new_session_ids_differ)
{
    const leat_session_id a = leat_session_id_new();
    const leat_session_id b = leat_session_id_new();
    cr_assert(ne(int, memcmp(&a, &b, sizeof a), 0));
}

/* ---------------------------------------------------------------------------------------- HELLO */

#define SESSION "\"session\":\"000102030405060708090a0b0c0d0e0f\""
#define BASE    SESSION ",\"resume\":false,\"connection\":1"
#define WORKER  "{\"role\":\"worker\"," BASE

static leat_err
decode_hello(const char *text)
{
    return leat_hello_decode((const uint8_t *)text, strlen(text), &hello, why);
}

static void
hello_fails(const char *text, leat_err want, const char *sentence)
{
    LEAT_FAILS(decode_hello(text), want);
    LEAT_SAME_TEXT(why, sentence);
}

Test(control, hello_survives_the_wire)
{
    static leat_hello written = {
        .role = LEAT_ROLE_WORKER,
        .session = {{1, 2, 3}                      },
        .resume = true,
        .connection = 3,
        .floor = UINT64_MAX,
        .software = "leat 0.1.0",
        .name = "w\xc3\xb6rker \"1\"",
        .host = "mill",
        .pid = 812,
        .slots = LEAT_SLOTS_MAX,
        .handler_count = 2,
        .handlers = { {"echo", LEAT_RUNS_INLINE},     {"sleep", LEAT_RUNS_TIMER}},
        .channel_count = 2,
        .channels = { "default",                       "thumbs"},
        .trait_count = 2,
        .traits = { {"zone", "a"}, {"os", "Debian 12 = bookworm"}},
        .have_count = 2,
        .haves = { {"gpu", UINT64_MAX},                    {"cpus", 0}},
    };
    leat_buf buf = {0};
    leat_frame frame;

    leat_hello_put(&buf, &written, 17);

    LEAT_PASS(leat_frame_decode(buf.data, buf.size, LEAT_SIDE_PEER, &frame));
    cr_assert(eq(int, frame.command, LEAT_CMD_HELLO));
    cr_assert(eq(u64, frame.sequence, 0));
    cr_assert(eq(u64, frame.seen, 17));
    LEAT_PASS(leat_hello_decode(buf.data + 24, buf.size - 24, &hello, why));
    cr_assert(eq(int, hello.role, LEAT_ROLE_WORKER));
    cr_assert(eq(u8, hello.session.bytes[2], 3));
    cr_assert(hello.resume);
    cr_assert(eq(u64, hello.connection, 3));
    cr_assert(eq(u64, hello.floor, UINT64_MAX));
    LEAT_SAME_TEXT(hello.software, "leat 0.1.0");
    LEAT_SAME_TEXT(hello.name, "w\xc3\xb6rker \"1\"");
    LEAT_SAME_TEXT(hello.host, "mill");
    cr_assert(eq(i64, hello.pid, 812));
    cr_assert(eq(u32, hello.slots, LEAT_SLOTS_MAX));
    cr_assert(eq(u32, hello.handler_count, 2));
    LEAT_SAME_TEXT(hello.handlers[1].name, "sleep");
    cr_assert(eq(int, hello.handlers[1].runs, LEAT_RUNS_TIMER));
    cr_assert(eq(u32, hello.channel_count, 2));
    LEAT_SAME_TEXT(hello.channels[1], "thumbs");
    cr_assert(eq(u32, hello.trait_count, 2));
    LEAT_SAME_TEXT(hello.traits[0].name, "zone");
    LEAT_SAME_TEXT(hello.traits[0].value, "a");
    LEAT_SAME_TEXT(hello.traits[1].value, "Debian 12 = bookworm");
    cr_assert(eq(u32, hello.have_count, 2));
    LEAT_SAME_TEXT(hello.haves[0].name, "gpu");
    cr_assert(eq(u64, hello.haves[0].amount, UINT64_MAX));
    LEAT_SAME_TEXT(hello.haves[1].name, "cpus");
    cr_assert(eq(u64, hello.haves[1].amount, 0));
    leat_buf_fini(&buf);
}

Test(control, the_largest_offer_of_plain_names_is_accepted)
{
    static leat_hello large = {.role = LEAT_ROLE_WORKER, .session = {{1}}, .connection = 1};
    leat_buf buf = {0};
    large.slots = 1;
    large.handler_count = LEAT_HANDLERS_MAX;
    large.channel_count = LEAT_SUBSCRIPTIONS_MAX;
    for (unsigned i = 0; i < LEAT_HANDLERS_MAX; i++) {
        (void)snprintf(large.handlers[i].name, sizeof large.handlers[i].name, "%0128u", i);
        large.handlers[i].runs = LEAT_RUNS_INLINE;
    }
    for (unsigned i = 0; i < LEAT_SUBSCRIPTIONS_MAX; i++)
        (void)snprintf(large.channels[i], sizeof large.channels[i], "%0128u", i);

    leat_hello_put(&buf, &large, 0);

    LEAT_PASS(leat_hello_decode(buf.data + 24, buf.size - 24, &hello, why));
    cr_assert(eq(u32, hello.handler_count, LEAT_HANDLERS_MAX));
    cr_assert(eq(u32, hello.channel_count, LEAT_SUBSCRIPTIONS_MAX));
    LEAT_SAME_TEXT(hello.channels[63], large.channels[63]);
    leat_buf_fini(&buf);
}

Test(control, a_short_hello_gets_the_defaults)
{
    memset(&hello, 0xff, sizeof hello);
    LEAT_PASS(decode_hello("{\"role\":\"client\"," BASE ",\"slots\":\"many\",\"new\":{}}"));
    cr_assert(eq(int, hello.role, LEAT_ROLE_CLIENT));
    cr_assert(eq(u64, hello.floor, 0));
    cr_assert(eq(i64, hello.pid, 0));
    cr_assert(eq(u32, hello.slots, 0), "a client's slots are not looked at");
    cr_assert(eq(u32, hello.handler_count, 0));
    cr_assert(eq(u32, hello.channel_count, 0));
    cr_assert(eq(u32, hello.trait_count, 0));
    cr_assert(eq(u32, hello.have_count, 0));
    LEAT_SAME_TEXT(hello.name, "");
    LEAT_SAME_TEXT(hello.software, "");

    LEAT_PASS(decode_hello("{\"role\":\"client\"," BASE ",\"traits\":7,\"have\":7}"));

    LEAT_PASS(decode_hello(WORKER "}"));
    cr_assert(eq(u32, hello.slots, 1));
    cr_assert(eq(u32, hello.trait_count, 0));
    cr_assert(eq(u32, hello.have_count, 0));
    LEAT_PASS(decode_hello("{\"role\":\"beat\"," BASE "}"));
    cr_assert(eq(int, hello.role, LEAT_ROLE_BEAT));
}

Test(control, a_hello_without_an_identity_is_malformed)
{
    const leat_err bad = LEAT_ERR_MALFORMED;
    hello_fails("{}", bad, "role is missing or not a string");
    hello_fails("{\"role\":\"boss\"}", bad, "role \"boss\" is not client, worker or beat");
    hello_fails("{\"role\":\"client\"}", bad, "session is missing or not a string");
    hello_fails("{\"role\":\"client\",\"session\":\"12\"}", bad,
                "session is not 32 hex digits of random bits");
    hello_fails("{\"role\":\"client\",\"session\":\"00000000000000000000000000000000\"}", bad,
                "session is not 32 hex digits of random bits");
    hello_fails("{\"role\":\"client\"," SESSION "}", bad,
                "resume is missing or neither true nor false");
    hello_fails("{\"role\":\"client\"," SESSION ",\"resume\":true,\"connection\":0}", bad,
                "connection is missing or not a number from 1");
    hello_fails("{\"role\":\"client\"," BASE ",\"floor\":7}", bad,
                "floor is not a string of digits");
    hello_fails("{\"role\":\"client\"," BASE ",\"pid\":-1}", bad, "pid is not a process number");
    hello_fails("{\"role\":\"client\"," BASE ",\"name\":7}", bad, "name is not a string");
    hello_fails("{\"role\":\"client\"," BASE ",\"host\":\"a\\tb\"}", bad,
                "host: a control character in the name");
    hello_fails("{\"role\":\"client\"", bad, "byte 16: the end instead of ',' or '}'");
}

Test(control, a_bad_offer_is_named)
{
    const leat_err bad = LEAT_ERR_MALFORMED;
    hello_fails(WORKER ",\"slots\":0}", bad, "slots is not a number from 1");
    hello_fails(WORKER ",\"slots\":1000001}", LEAT_ERR_LIMIT,
                "1000001 slots, the limit is 1000000");
    hello_fails(WORKER ",\"handlers\":{}}", bad, "handlers is not an array");
    hello_fails(WORKER ",\"handlers\":[7]}", bad, "handlers[0]: name is missing or not a string");
    hello_fails(WORKER ",\"handlers\":[{\"name\":\"\"}]}", bad, "handlers[0]: an empty name");
    hello_fails(WORKER ",\"handlers\":[{\"name\":\"a\\nb\"}]}", bad,
                "handlers[0]: a control character in the name");
    hello_fails(WORKER ",\"handlers\":[{\"name\":\"a\"}]}", bad,
                "handler \"a\": runs is missing or not a string");
    hello_fails(WORKER ",\"handlers\":[{\"name\":\"a\",\"runs\":\"away\"}]}", bad,
                "handler \"a\": runs is not timer, inline, pool or child");
    hello_fails(WORKER ",\"handlers\":[{\"name\":\"a\",\"runs\":\"pool\"},"
                       "{\"name\":\"a\",\"runs\":\"child\"}]}",
                bad, "handler \"a\" twice");
    hello_fails(WORKER ",\"channels\":[\"a\",\"b\",\"a\"]}", bad, "channel \"a\" twice");
    hello_fails(WORKER ",\"channels\":[\"a\",7]}", bad, "channels[1] is not a string");
    hello_fails(WORKER ",\"channels\":[\"\"]}", bad, "channels[0]: an empty name");
}

Test(control, a_bad_trait_or_amount_is_named)
{
    const leat_err bad = LEAT_ERR_MALFORMED;
#define A_TRAIT   ": a name of a-z 0-9 _ - and a printable value without comma"
#define AN_AMOUNT ": a name of a-z 0-9 _ - and an amount as text"
    hello_fails(WORKER ",\"traits\":[]}", bad, "traits is not an object");
    hello_fails(WORKER ",\"traits\":{\"zone\":7}}", bad, "trait \"zone\"" A_TRAIT);
    hello_fails(WORKER ",\"traits\":{\"zone\":\"\"}}", bad, "trait \"zone\"" A_TRAIT);
    hello_fails(WORKER ",\"traits\":{\"zone\":\"a,b\"}}", bad, "trait \"zone\"" A_TRAIT);
    hello_fails(WORKER ",\"traits\":{\"\":\"a\"}}", bad, "trait \"\"" A_TRAIT);
    hello_fails(WORKER ",\"traits\":{\"Zone\":\"a\"}}", bad, "trait \"Zone\"" A_TRAIT);
    hello_fails(WORKER ",\"traits\":{\"a\":\"1\",\"a\":\"2\"}}", bad, "byte 110: key \"a\" twice");
    hello_fails(WORKER ",\"have\":7}", bad, "have is not an object");
    hello_fails(WORKER ",\"have\":{\"gpu\":2}}", bad, "have \"gpu\"" AN_AMOUNT);
    hello_fails(WORKER ",\"have\":{\"gpu\":\"two\"}}", bad, "have \"gpu\"" AN_AMOUNT);
    hello_fails(WORKER ",\"have\":{\"G\":\"2\"}}", bad, "have \"G\"" AN_AMOUNT);
#undef A_TRAIT
#undef AN_AMOUNT
}

Test(control, one_trait_or_amount_too_many_is_a_limit)
{
    char *const text = malloc(LEAT_JSON_BYTES_MAX);
    static const struct {
        const char *key;
        unsigned max;
        const char *sentence;
    } rows[] = {
        {"traits", LEAT_TRAITS_MAX, "more than 32 traits" },
        {"have",   LEAT_HAVES_MAX,  "more than 32 amounts"},
    };
    for (size_t row = 0; row < 2; row++) {
        size_t n = (size_t)sprintf(text, WORKER ",\"%s\":{", rows[row].key);
        for (unsigned i = 0; i < rows[row].max; i++)
            n += (size_t)sprintf(text + n, "%s\"n%u\":\"%u\"", i == 0 ? "" : ",", i, i);
        (void)sprintf(text + n, "}}");
        LEAT_PASS(decode_hello(text));
        (void)sprintf(text + n, ",\"one-more\":\"1\"}}");
        hello_fails(text, LEAT_ERR_LIMIT, rows[row].sentence);
    }
    free(text);
}

Test(control, the_longest_trait_fits)
{
    char text[400];
    (void)snprintf(text, sizeof text, WORKER ",\"traits\":{\"%032d\":\"%064d\"}}", 0, 0);
    LEAT_PASS(decode_hello(text));
    cr_assert(eq(sz, strlen(hello.traits[0].name), 32));
    cr_assert(eq(sz, strlen(hello.traits[0].value), 64));
    (void)snprintf(text, sizeof text, WORKER ",\"traits\":{\"%033d\":\"%064d\"}}", 0, 0);
    LEAT_FAILS(decode_hello(text), LEAT_ERR_MALFORMED);
    (void)snprintf(text, sizeof text, WORKER ",\"traits\":{\"%032d\":\"%065d\"}}", 0, 0);
    LEAT_FAILS(decode_hello(text), LEAT_ERR_MALFORMED);
}

Test(control, a_name_over_128_bytes_is_too_large)
{
    char text[400];
    (void)snprintf(text, sizeof text, WORKER ",\"name\":\"%0129d\"}", 0);
    hello_fails(text, LEAT_ERR_TOO_LARGE, "name: 129 bytes, a name has at most 128");
    (void)snprintf(text, sizeof text, WORKER ",\"name\":\"%0128d\"}", 0);
    LEAT_PASS(decode_hello(text));
}

Test(control, one_handler_or_channel_too_many_is_a_limit)
{
    char *const text = malloc(LEAT_JSON_BYTES_MAX);
    size_t n = (size_t)sprintf(text, WORKER ",\"handlers\":[");
    for (unsigned i = 0; i <= LEAT_HANDLERS_MAX; i++)
        n += (size_t)sprintf(text + n, "%s{\"name\":\"%u\",\"runs\":\"pool\"}", i == 0 ? "" : ",",
                             i);
    (void)sprintf(text + n, "]}");
    hello_fails(text, LEAT_ERR_LIMIT, "more than 256 handlers");

    n = (size_t)sprintf(text, WORKER ",\"channels\":[");
    for (unsigned i = 0; i <= LEAT_SUBSCRIPTIONS_MAX; i++)
        n += (size_t)sprintf(text + n, "%s\"%u\"", i == 0 ? "" : ",", i);
    (void)sprintf(text + n, "]}");
    hello_fails(text, LEAT_ERR_LIMIT, "more than 64 channels");
    free(text);
}

Test(control, long_software_is_cut_between_characters)
{
    char text[400];
    (void)snprintf(text, sizeof text, WORKER ",\"software\":\"%062d\xc3\xa4\"}", 0);

    LEAT_PASS(decode_hello(text));
    cr_assert(eq(sz, strlen(hello.software), 62));
}

/* -------------------------------------------------------------------------------------- WELCOME */

Test(control, welcome_survives_the_wire)
{
    const leat_welcome written = {
        .broker = "000102030405060708090a0b0c0d0e0f",
        .epoch = 1763000000,
        .resumed = true,
        .software = "leat 0.1.0",
        .heartbeat_busy_ms = LEAT_HEARTBEAT_BUSY_MS,
        .heartbeat_idle_ms = LEAT_HEARTBEAT_IDLE_MS,
        .lost_ms = LEAT_LOST_MS,
        .frame_bytes_max = UINT32_MAX,
        .payload_bytes_max = LEAT_PAYLOAD_BYTES_MAX,
        .window_frames = LEAT_WINDOW_FRAMES,
    };
    leat_welcome welcome;
    leat_frame frame;
    leat_buf buf = {0};

    leat_put_u8(&buf, 0);
    leat_welcome_put(&buf, &written, 5, 3);

    LEAT_PASS(leat_frame_decode(buf.data + 1, buf.size - 1, LEAT_SIDE_BROKER, &frame));
    cr_assert(eq(int, frame.command, LEAT_CMD_WELCOME));
    cr_assert(eq(u64, frame.sequence, 5));
    cr_assert(eq(u64, frame.seen, 3));
    LEAT_PASS(leat_welcome_decode(buf.data + 25, buf.size - 25, &welcome, why));
    LEAT_SAME_TEXT(welcome.broker, written.broker);
    cr_assert(eq(u64, welcome.epoch, 1763000000));
    cr_assert(welcome.resumed);
    LEAT_SAME_TEXT(welcome.software, "leat 0.1.0");
    cr_assert(eq(i64, welcome.heartbeat_busy_ms, LEAT_HEARTBEAT_BUSY_MS));
    cr_assert(eq(i64, welcome.heartbeat_idle_ms, LEAT_HEARTBEAT_IDLE_MS));
    cr_assert(eq(i64, welcome.lost_ms, LEAT_LOST_MS));
    cr_assert(eq(u32, welcome.frame_bytes_max, UINT32_MAX));
    cr_assert(eq(u32, welcome.payload_bytes_max, LEAT_PAYLOAD_BYTES_MAX));
    cr_assert(eq(u32, welcome.window_frames, LEAT_WINDOW_FRAMES));
    leat_buf_fini(&buf);
}

static void
welcome_fails(const char *text, const char *sentence)
{
    leat_welcome welcome;
    LEAT_FAILS(leat_welcome_decode((const uint8_t *)text, strlen(text), &welcome, why),
               LEAT_ERR_MALFORMED);
    LEAT_SAME_TEXT(why, sentence);
}

Test(control, a_welcome_with_something_missing_is_malformed)
{
#define BROKER "{\"broker\":\"000102030405060708090a0b0c0d0e0f\""
    welcome_fails("[]", "byte 0: '[' instead of an object");
    welcome_fails("{}", "broker is missing or not 32 hex digits");
    welcome_fails("{\"broker\":\"x\"}", "broker is missing or not 32 hex digits");
    welcome_fails(BROKER "}", "epoch is missing or not a string of digits");
    welcome_fails(BROKER ",\"epoch\":1}", "epoch is missing or not a string of digits");
    welcome_fails(BROKER ",\"epoch\":\"1\"}", "resumed is missing or neither true nor false");
    welcome_fails(BROKER ",\"epoch\":\"1\",\"resumed\":true,\"heartbeat_busy_ms\":0}",
                  "heartbeat_busy_ms is missing or not a number from 1 to 3600000");
}

Test(control, roles_and_runs_have_their_words)
{
    LEAT_SAME_TEXT(leat_role_name(LEAT_ROLE_BEAT), "beat");
    LEAT_SAME_TEXT(leat_role_name((leat_role)0), "?");
    LEAT_SAME_TEXT(leat_role_name((leat_role)4), "?");
    LEAT_SAME_TEXT(leat_runs_name(LEAT_RUNS_CHILD), "child");
    LEAT_SAME_TEXT(leat_runs_name((leat_runs)0), "?");
    LEAT_SAME_TEXT(leat_runs_name((leat_runs)5), "?");
}

/* --------------------------------------------------------------------------------------- memory */

/* Ours, which can be told to fail: the library's own is not linked statically. */
static void *
allocate(size_t size)
{
    return malloc(size);
}

static void
count_what_cjson_allocates(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = allocate, .free_fn = free});
}

Test(control, every_allocation_of_a_parse_may_fail, .init = count_what_cjson_allocates)
{
    static const char text[] = WORKER ",\"handlers\":[{\"name\":\"a\",\"runs\":\"pool\"}]}";
    int failures = 0;

    for (int after = 0;; after++) {
        leat_alloc_fail_after(after);
        const leat_err err = decode_hello(text);
        if (!leat_alloc_has_failed()) {
            LEAT_PASS(err);
            break;
        }
        LEAT_FAILS(err, LEAT_ERR_NOMEM);
        LEAT_SAME_TEXT(why, "out of memory");
        failures++;
    }
    cr_assert(ge(int, failures, 10), "the scanner's keys, the terminated copy, and each value");
}

/* Write it again and again, with one allocation more each time; how many there are. */
static int
fail_each(void (*put)(leat_buf *buf))
{
    for (int after = 0;; after++) {
        leat_buf buf = {0};
        leat_alloc_fail_after(after);
        put(&buf);
        const bool failed = leat_alloc_has_failed();
        cr_assert(buf.failed == failed, "allocation %d", after);
        leat_buf_fini(&buf);
        if (!failed)
            return after;
    }
}

static void
put_hello(leat_buf *buf)
{
    static const leat_hello written = {
        .role = LEAT_ROLE_WORKER,
        .session = {{1}},
        .connection = 1,
        .name = "w1",
        .host = "mill",
        .handler_count = 1,
        .handlers = {{"echo", LEAT_RUNS_INLINE}},
        .channel_count = 1,
        .channels = {"default"},
        .trait_count = 1,
        .traits = {{"zone", "a"}},
        .have_count = 1,
        .haves = {{"gpu", 2}},
    };
    leat_hello_put(buf, &written, 1);
}

static void
put_welcome(leat_buf *buf)
{
    static const leat_welcome written = {.broker = "000102030405060708090a0b0c0d0e0f",
                                         .epoch = 1,
                                         .software = "leat",
                                         .window_frames = 64};
    leat_welcome_put(buf, &written, 1, 1);
}

Test(control, every_allocation_of_a_writer_may_fail, .init = count_what_cjson_allocates)
{
    cr_assert(gt(int, fail_each(put_hello), 40), "keys and values");
    cr_assert(gt(int, fail_each(put_welcome), 20), "keys and values");
}

Test(control, bytes_that_cannot_be_copied_are_not_added, .init = count_what_cjson_allocates)
{
    cJSON *const json = cJSON_CreateObject();

    leat_alloc_fail_after(0);
    cr_assert(not(leat_json_add_bytes(json, "k", "\xff", 1)));
    leat_alloc_fail_after(0);
    cr_assert(not(leat_json_add_bytes(json, "k", "text", 4)));
    cr_assert(leat_alloc_has_failed());
    cr_assert(eq(int, cJSON_GetArraySize(json), 0));
    cJSON_Delete(json);
}
