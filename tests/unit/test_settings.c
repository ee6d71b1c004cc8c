/* proto/settings: how jobs are to be treated, needs and traits. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "proto/settings.h"
#include "proto/text.h"

#define TEXT(string) ((leat_text){.data = (string), .size = sizeof(string) - 1})
#define BYTES(string) \
    ((leat_bytes){.data = (const uint8_t *)(string), .size = (uint32_t)(sizeof(string) - 1)})

static leat_buf bytes;
static leat_buf copy;
static leat_settings settings;

static void
fini(void)
{
    leat_buf_fini(&bytes);
    leat_buf_fini(&copy);
}

TestSuite(settings, .fini = fini);

static leat_err
read_bytes(void)
{
    return leat_settings_read(bytes.data, bytes.size, &settings);
}

/* One setting of this key and value after what is there. */
static void
put(unsigned key, const void *value, size_t size)
{
    leat_put_u8(&bytes, (uint8_t)key);
    leat_put_u16(&bytes, (uint16_t)size);
    leat_put_bytes(&bytes, value, size);
}

/* What reading says to this setting alone. */
static leat_err
read_one(unsigned key, const void *value, size_t size)
{
    leat_buf_reset(&bytes);
    put(key, value, size);
    return read_bytes();
}

#define ONE(key, string) read_one((key), (string), sizeof(string) - 1)

static leat_err
read_u16(leat_setting key, uint16_t value)
{
    uint8_t data[2];
    leat_store_u16(data, value);
    return read_one(key, data, sizeof data);
}

static leat_err
read_u64(leat_setting key, uint64_t value)
{
    uint8_t data[8];
    leat_store_u64(data, value);
    return read_one(key, data, sizeof data);
}

static leat_err
read_after(uint64_t batch, uint8_t when)
{
    uint8_t data[9];
    leat_store_u64(data, batch);
    data[8] = when;
    return read_one(LEAT_SETTING_AFTER, data, sizeof data);
}

static leat_err
read_halt(uint8_t on, uint8_t running, uint8_t percent, uint32_t n)
{
    uint8_t data[7] = {on, running, percent};
    leat_store_u32(data + 3, n);
    return read_one(LEAT_SETTING_HALT, data, sizeof data);
}

/* Everything is set. */
static leat_settings
full(void)
{
    return (leat_settings){
        .priority = 0,
        .failures = UINT16_MAX,
        .losses = UINT8_MAX,
        .snoozes = 3,
        .delay_ms = LEAT_DELAY_MS_MAX,
        .run_limit_ms = 1,
        .backoff_min_ms = 2,
        .backoff_max_ms = 3,
        .grace_ms = LEAT_GRACE_MS_MAX,
        .at_ms = LEAT_WALL_MS_MAX,
        .expires_ms = 4,
        .unique_for_ms = 5,
        .name = TEXT("night"),
        .unique = TEXT("image 7"),
        .flow = TEXT("gr\xc3\xb6\xc3\x9f"),
        .key = TEXT("user 7"),
        .needs = TEXT("cpus=2,gpu=1"),
        .traits = TEXT("arch=arm,zone=a"),
        .labels = TEXT("env=prod,team=x"),
        .reply = TEXT("results"),
        .reply_handler = TEXT("collect"),
        .after_batch = 41,
        .after = LEAT_AFTER_FAILED,
        .halt = {.on = LEAT_HALT_DONE, .running = true, .percent = true, .n = 100},
        .recover = {TEXT("mend"),            BYTES("gently")                          },
        .finally_count = 2,
        .finally = {{TEXT("last"), BYTES("")},{TEXT("first"), BYTES("\0\xff")}},
    };
}

/* ----------------------------------------------------------------------------- all of them */

static void
must_be_full(const leat_settings *s)
{
    cr_assert(eq(u8, s->priority, 0));
    cr_assert(eq(u16, s->failures, UINT16_MAX));
    cr_assert(eq(u16, s->losses, UINT8_MAX));
    cr_assert(eq(u16, s->snoozes, 3));
    cr_assert(eq(u64, s->delay_ms, LEAT_DELAY_MS_MAX));
    cr_assert(eq(u64, s->run_limit_ms, 1));
    cr_assert(eq(u64, s->backoff_min_ms, 2));
    cr_assert(eq(u64, s->backoff_max_ms, 3));
    cr_assert(eq(u64, s->grace_ms, LEAT_GRACE_MS_MAX));
    cr_assert(eq(u64, s->at_ms, LEAT_WALL_MS_MAX));
    cr_assert(eq(u64, s->expires_ms, 4));
    cr_assert(eq(u64, s->unique_for_ms, 5));
    cr_assert(leat_text_is(s->name, TEXT("night")));
    cr_assert(leat_text_is(s->unique, TEXT("image 7")));
    cr_assert(leat_text_is(s->flow, TEXT("gr\xc3\xb6\xc3\x9f")));
    cr_assert(leat_text_is(s->key, TEXT("user 7")));
    cr_assert(leat_text_is(s->needs, TEXT("cpus=2,gpu=1")));
    cr_assert(leat_text_is(s->traits, TEXT("arch=arm,zone=a")));
    cr_assert(leat_text_is(s->labels, TEXT("env=prod,team=x")));
    cr_assert(leat_text_is(s->reply, TEXT("results")));
    cr_assert(leat_text_is(s->reply_handler, TEXT("collect")));
    cr_assert(eq(u64, s->after_batch, 41));
    cr_assert(eq(int, s->after, LEAT_AFTER_FAILED));
    cr_assert(eq(int, s->halt.on, LEAT_HALT_DONE));
    cr_assert(s->halt.running);
    cr_assert(s->halt.percent);
    cr_assert(eq(u32, s->halt.n, 100));
    cr_assert(leat_text_is(s->recover.handler, TEXT("mend")));
    cr_assert(eq(u32, s->recover.payload.size, 6));
    cr_assert(eq(int, memcmp(s->recover.payload.data, "gently", 6), 0));
    cr_assert(eq(u8, s->finally_count, 2));
    cr_assert(leat_text_is(s->finally[0].handler, TEXT("last")));
    cr_assert(eq(u32, s->finally[0].payload.size, 0));
    cr_assert(leat_text_is(s->finally[1].handler, TEXT("first")));
    cr_assert(eq(u32, s->finally[1].payload.size, 2));
    cr_assert(eq(u8, s->finally[1].payload.data[1], 0xff));
}

Test(settings, all_of_them_are_read_back_and_written_to_the_same_bytes)
{
    const leat_settings written = full();
    leat_settings_put(&bytes, &written);

    LEAT_PASS(read_bytes());
    must_be_full(&settings);
    leat_settings_put(&copy, &settings);
    cr_assert(eq(sz, copy.size, bytes.size));
    cr_assert(eq(int, memcmp(copy.data, bytes.data, bytes.size), 0));
}

Test(settings, nothing_is_no_bytes_and_no_bytes_are_nothing)
{
    const leat_settings nothing = leat_settings_nothing();
    settings = full();
    leat_settings_put(&bytes, &nothing);
    cr_assert(eq(sz, bytes.size, 0));

    LEAT_PASS(leat_settings_read(NULL, 0, &settings));
    cr_assert(eq(u8, settings.priority, LEAT_PRIORITY_NOTHING));
    cr_assert(eq(u16, settings.failures, 0));
    cr_assert(eq(sz, settings.name.size, 0));
    cr_assert(eq(u8, settings.finally_count, 0));
    cr_assert(eq(int, settings.halt.on, LEAT_HALT_NEVER));
    cr_assert(eq(sz, settings.recover.handler.size, 0));
}

Test(settings, keys_rise_as_they_are_written)
{
    const leat_settings written = full();
    unsigned before = 0;
    unsigned n = 0;
    leat_settings_put(&bytes, &written);

    leat_reader reader = leat_reader_over(bytes.data, bytes.size);
    while (leat_reader_left(&reader) > 0) {
        const unsigned key = leat_read_u8(&reader);
        (void)leat_read_text16(&reader);
        cr_assert(key > before || (key == before && key == LEAT_SETTING_FINALLY));
        before = key;
        n++;
    }
    cr_assert(not(reader.failed));
    cr_assert(eq(u32, n, LEAT_SETTING_LABELS + 1), "one of each, and finally twice");
}

Test(settings, a_front_is_good_where_a_setting_ends_and_malformed_elsewhere)
{
    const leat_settings written = full();
    leat_settings_put(&bytes, &written);
    const size_t whole = bytes.size;
    size_t boundary = 0;

    for (bytes.size = 0; bytes.size < whole; bytes.size++) {
        const bool ends = bytes.size == boundary;
        LEAT_FAILS(read_bytes(), ends ? LEAT_ERR_OK : LEAT_ERR_MALFORMED);
        if (ends)
            boundary += 3U + leat_load_u16(bytes.data + boundary + 1);
    }
    cr_assert(eq(sz, boundary, whole));
}

Test(settings, any_order_is_read)
{
    put(LEAT_SETTING_NAME, "night", 5);
    put(200, "later", 5);
    put(LEAT_SETTING_PRIORITY, "\x09", 1);

    LEAT_PASS(read_bytes());
    cr_assert(eq(u8, settings.priority, 9));
    cr_assert(leat_text_is(settings.name, TEXT("night")));
}

Test(settings, an_unknown_key_below_128_is_unsupported_and_above_is_skipped)
{
    LEAT_FAILS(ONE(0, ""), LEAT_ERR_UNSUPPORTED);
    LEAT_FAILS(ONE(LEAT_SETTING_LABELS + 1, "x"), LEAT_ERR_UNSUPPORTED);
    LEAT_FAILS(ONE(127, ""), LEAT_ERR_UNSUPPORTED);
    LEAT_PASS(ONE(128, ""));
    put(128, "again", 5);
    put(255, "x", 1);
    LEAT_PASS(read_bytes());
    cr_assert(eq(u8, settings.priority, LEAT_PRIORITY_NOTHING));
}

Test(settings, no_setting_is_given_twice_but_finally)
{
    const leat_settings written = full();
    leat_settings_put(&bytes, &written);
    const size_t whole = bytes.size;
    unsigned refused = 0;

    for (size_t at = 0; at < whole;) {
        const size_t size = 3U + leat_load_u16(bytes.data + at + 1);
        const unsigned key = bytes.data[at];
        bytes.size = whole;
        uint8_t *const again = leat_buf_room(&bytes, size);
        memcpy(again, bytes.data + at, size);
        if (key == LEAT_SETTING_FINALLY) {
            LEAT_PASS(read_bytes());
            cr_assert(eq(u8, settings.finally_count, 3));
        } else {
            LEAT_FAILS(read_bytes(), LEAT_ERR_MALFORMED);
            refused++;
        }
        at += size;
    }
    cr_assert(eq(u32, refused, LEAT_SETTING_LABELS - 1));
}

Test(settings, a_setting_of_a_fixed_size_has_no_other)
{
    static const uint8_t value[16] = {0};
    unsigned fixed = 0;
#define SIZES(name, key, size, meaning)                                             \
    if ((size) != 0) {                                                              \
        LEAT_FAILS(read_one((key), value, (size_t)(size) + 1), LEAT_ERR_MALFORMED); \
        LEAT_FAILS(read_one((key), value, (size_t)(size)-1U), LEAT_ERR_MALFORMED);  \
        LEAT_FAILS(read_one((key), value, 0), LEAT_ERR_MALFORMED);                  \
        fixed++;                                                                    \
    }
    LEAT_SETTING_MAP(SIZES)
#undef SIZES
    cr_assert(eq(u32, fixed, 14));
}

Test(settings, one_byte_over_their_limit_is_too_large)
{
    static uint8_t value[LEAT_SETTINGS_BYTES_MAX];
    LEAT_PASS(read_one(255, value, LEAT_SETTINGS_BYTES_MAX - 3));
    LEAT_FAILS(read_one(255, value, LEAT_SETTINGS_BYTES_MAX - 2), LEAT_ERR_TOO_LARGE);
}

/* ------------------------------------------------------------------------------ one by one */

Test(settings, a_priority_is_0_to_9)
{
    LEAT_PASS(ONE(LEAT_SETTING_PRIORITY, "\x00"));
    LEAT_PASS(ONE(LEAT_SETTING_PRIORITY, "\x09"));
    LEAT_FAILS(ONE(LEAT_SETTING_PRIORITY, "\x0a"), LEAT_ERR_MALFORMED);
    LEAT_FAILS(ONE(LEAT_SETTING_PRIORITY, "\xff"), LEAT_ERR_MALFORMED);
}

Test(settings, failures_losses_and_snoozes_count_from_1)
{
    static const struct {
        leat_setting key;
        uint16_t most;
    } rows[] = {
        {LEAT_SETTING_FAILURES, UINT16_MAX},
        {LEAT_SETTING_LOSSES,   UINT8_MAX },
        {LEAT_SETTING_SNOOZES,  UINT16_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        LEAT_FAILS(read_u16(rows[i].key, 0), LEAT_ERR_MALFORMED);
        LEAT_PASS(read_u16(rows[i].key, 1));
        LEAT_PASS(read_u16(rows[i].key, rows[i].most));
        if (rows[i].most < UINT16_MAX)
            LEAT_FAILS(read_u16(rows[i].key, (uint16_t)(rows[i].most + 1)), LEAT_ERR_MALFORMED);
    }
}

Test(settings, times_are_above_0_and_bounded)
{
    static const struct {
        leat_setting key;
        uint64_t most;
    } rows[] = {
        {LEAT_SETTING_DELAY_MS,       LEAT_DELAY_MS_MAX},
        {LEAT_SETTING_RUN_LIMIT_MS,   LEAT_DELAY_MS_MAX},
        {LEAT_SETTING_BACKOFF_MIN_MS, LEAT_DELAY_MS_MAX},
        {LEAT_SETTING_BACKOFF_MAX_MS, LEAT_DELAY_MS_MAX},
        {LEAT_SETTING_GRACE_MS,       LEAT_GRACE_MS_MAX},
        {LEAT_SETTING_AT_MS,          LEAT_WALL_MS_MAX },
        {LEAT_SETTING_EXPIRES_MS,     LEAT_DELAY_MS_MAX},
        {LEAT_SETTING_UNIQUE_FOR_MS,  LEAT_DELAY_MS_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        LEAT_FAILS(read_u64(rows[i].key, 0), LEAT_ERR_MALFORMED);
        LEAT_PASS(read_u64(rows[i].key, 1));
        LEAT_PASS(read_u64(rows[i].key, rows[i].most));
        LEAT_FAILS(read_u64(rows[i].key, rows[i].most + 1), LEAT_ERR_MALFORMED);
        LEAT_FAILS(read_u64(rows[i].key, UINT64_MAX), LEAT_ERR_MALFORMED);
    }
}

Test(settings, names_are_names)
{
    static const leat_setting keys[] = {LEAT_SETTING_NAME,  LEAT_SETTING_UNIQUE,
                                        LEAT_SETTING_FLOW,  LEAT_SETTING_KEY,
                                        LEAT_SETTING_REPLY, LEAT_SETTING_REPLY_HANDLER};
    char name[LEAT_NAME_BYTES_MAX + 1];
    memset(name, 'n', sizeof name);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        LEAT_FAILS(ONE(keys[i], ""), LEAT_ERR_MALFORMED);
        LEAT_FAILS(ONE(keys[i], "a\nb"), LEAT_ERR_MALFORMED);
        LEAT_FAILS(ONE(keys[i], "\xff"), LEAT_ERR_MALFORMED);
        LEAT_PASS(read_one(keys[i], name, LEAT_NAME_BYTES_MAX));
        LEAT_FAILS(read_one(keys[i], name, sizeof name), LEAT_ERR_MALFORMED);
    }
}

Test(settings, needs_and_traits_are_what_they_should_be)
{
    LEAT_PASS(ONE(LEAT_SETTING_NEEDS, "gpu=1"));
    LEAT_FAILS(ONE(LEAT_SETTING_NEEDS, ""), LEAT_ERR_MALFORMED);
    LEAT_FAILS(ONE(LEAT_SETTING_NEEDS, "gpu=a"), LEAT_ERR_MALFORMED);
    LEAT_PASS(ONE(LEAT_SETTING_TRAITS, "zone=a"));
    LEAT_FAILS(ONE(LEAT_SETTING_TRAITS, ""), LEAT_ERR_MALFORMED);
    LEAT_FAILS(ONE(LEAT_SETTING_TRAITS, "zone"), LEAT_ERR_MALFORMED);
}

Test(settings, after_names_a_batch_and_one_of_three_ends)
{
    LEAT_PASS(read_after(1, LEAT_AFTER_OK));
    LEAT_PASS(read_after(UINT64_MAX, LEAT_AFTER_FAILED));
    LEAT_FAILS(read_after(0, LEAT_AFTER_OK), LEAT_ERR_MALFORMED);
    LEAT_FAILS(read_after(1, 0), LEAT_ERR_MALFORMED);
    LEAT_FAILS(read_after(1, LEAT_AFTER_FAILED + 1), LEAT_ERR_MALFORMED);
}

Test(settings, halt_counts_from_1_and_a_percentage_ends_at_100)
{
    LEAT_PASS(read_halt(LEAT_HALT_FAIL, 0, 0, 1));
    LEAT_PASS(read_halt(LEAT_HALT_DONE, 1, 0, UINT32_MAX));
    cr_assert(settings.halt.running);
    cr_assert(not(settings.halt.percent));
    LEAT_PASS(read_halt(LEAT_HALT_SUCCESS, 0, 1, 100));
    LEAT_FAILS(read_halt(LEAT_HALT_SUCCESS, 0, 1, 101), LEAT_ERR_MALFORMED);
    LEAT_FAILS(read_halt(LEAT_HALT_FAIL, 0, 0, 0), LEAT_ERR_MALFORMED);
    LEAT_FAILS(read_halt(LEAT_HALT_FAIL, 2, 0, 1), LEAT_ERR_MALFORMED);
    LEAT_FAILS(read_halt(LEAT_HALT_FAIL, 0, 2, 1), LEAT_ERR_MALFORMED);
    LEAT_FAILS(read_halt(LEAT_HALT_NEVER, 0, 0, 1), LEAT_ERR_MALFORMED);
    LEAT_FAILS(read_halt(LEAT_HALT_DONE + 1, 0, 0, 1), LEAT_ERR_MALFORMED);
}

Test(settings, a_follower_has_a_handler_and_any_payload)
{
    static const leat_setting keys[] = {LEAT_SETTING_FINALLY, LEAT_SETTING_RECOVER};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        LEAT_PASS(ONE(keys[i], "\x01h"));
        LEAT_PASS(ONE(keys[i], "\x01h\0\n\xff"));
        LEAT_FAILS(ONE(keys[i], ""), LEAT_ERR_MALFORMED);
        LEAT_FAILS(ONE(keys[i], "\0payload"), LEAT_ERR_MALFORMED);
        LEAT_FAILS(ONE(keys[i], "\x02h"), LEAT_ERR_MALFORMED);
        LEAT_FAILS(ONE(keys[i], "\x01\n"), LEAT_ERR_MALFORMED);
    }
}

Test(settings, at_most_8_jobs_follow_one)
{
    for (unsigned i = 0; i < LEAT_FINALLY_MAX; i++)
        put(LEAT_SETTING_FINALLY, "\x01h", 2);
    LEAT_PASS(read_bytes());
    cr_assert(eq(u8, settings.finally_count, LEAT_FINALLY_MAX));
    put(LEAT_SETTING_FINALLY, "\x01h", 2);
    LEAT_FAILS(read_bytes(), LEAT_ERR_MALFORMED);
}

/* --------------------------------------------------------------------------- needs, traits */

Test(settings, needs_are_amounts_under_rising_names)
{
    const leat_text good[] = {
        TEXT("gpu=1"),
        TEXT("a=1,b=2"),
        TEXT("a=1,aa=1"),
        TEXT("-=1,0=1,_=1,z=1"),
        TEXT("mem=18446744073709551615"),
        TEXT("a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1"),
        TEXT("abcdefghijklmnopqrstuvwxyz012345=1"),
    };
    const leat_text bad[] = {
        TEXT(""),
        TEXT("gpu"),
        TEXT("gpu="),
        TEXT("=1"),
        TEXT("="),
        TEXT(","),
        TEXT("gpu=0"),
        TEXT("gpu=01"),
        TEXT("gpu=-1"),
        TEXT("gpu=1.5"),
        TEXT("gpu=1 "),
        TEXT("gpu=1=1"),
        TEXT("gpu=\xff"),
        TEXT("gpu=18446744073709551616"),
        TEXT("gpu=99999999999999999999"),
        TEXT("gpu=184467440737095516150"),
        TEXT("GPU=1"),
        TEXT("g u=1"),
        TEXT("{=1"),
        TEXT(":=1"),
        TEXT("gp\xc3\xbc=1"),
        TEXT("gpu:1"),
        TEXT("gpu=1,"),
        TEXT(",gpu=1"),
        TEXT("a=1,,b=1"),
        TEXT("b=1,a=1"),
        TEXT("a=1,a=2"),
        TEXT("aa=1,a=1"),
        TEXT("a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1"),
        TEXT("abcdefghijklmnopqrstuvwxyz0123456=1"),
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_assert(leat_needs_is_valid(good[i]), "%s", good[i].data);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert(not(leat_needs_is_valid(bad[i])), "%s", bad[i].data);
}

Test(settings, traits_are_printable_values_under_rising_names)
{
    const leat_text good[] = {
        TEXT("zone=a"),
        TEXT("arch=x86_64,zone=eu-1"),
        TEXT("os=Debian 12 = ~"),
    };
    const leat_text bad[] = {
        TEXT(""),           TEXT("zone"),      TEXT("zone="),         TEXT("zone=a,"),
        TEXT("zone=\n"),    TEXT("zone=\x7f"), TEXT("zone=\xc3\xa4"), TEXT("Zone=a"),
        TEXT("z=a,zone=,"), TEXT("z=a,y=b"),
    };
    char long_value[70] = "z=";
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_assert(leat_traits_is_valid(good[i]), "%s", good[i].data);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert(not(leat_traits_is_valid(bad[i])), "%s", bad[i].data);
    memset(long_value + 2, 'v', 65);
    cr_assert(leat_traits_is_valid((leat_text){long_value, 2 + 64}));
    cr_assert(not(leat_traits_is_valid((leat_text){long_value, 2 + 65})));
}

Test(settings, needs_and_traits_have_at_most_128_bytes)
{
    char pairs[140];
    const int size =
        snprintf(pairs, sizeof pairs, "a%028d=1,b%028d=1,c%028d=1,d%028d=100", 0, 0, 0, 0);
    cr_assert(eq(int, size, LEAT_NAME_BYTES_MAX + 1));
    cr_assert(leat_needs_is_valid((leat_text){pairs, LEAT_NAME_BYTES_MAX}));
    cr_assert(not(leat_needs_is_valid((leat_text){pairs, LEAT_NAME_BYTES_MAX + 1})));
    cr_assert(leat_traits_is_valid((leat_text){pairs, LEAT_NAME_BYTES_MAX}));
    cr_assert(not(leat_traits_is_valid((leat_text){pairs, LEAT_NAME_BYTES_MAX + 1})));
}

Test(settings, labels_are_eight_pairs_of_255_bytes_at_most)
{
    char text[300];
    size_t used = 0;
    for (unsigned i = 0; i < LEAT_LABELS_MAX + 1; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%sl%u=v", i > 0 ? "," : "", i);
        cr_assert(eq(int, leat_labels_is_valid((leat_text){text, used}), i < LEAT_LABELS_MAX));
    }
    const int size =
        snprintf(text, sizeof text, "a=%060d,b=%060d,c=%060d,d=%060d,e=%05d", 0, 0, 0, 0, 0);
    cr_assert(eq(int, size, LEAT_LABELS_BYTES_MAX + 4));
    cr_assert(leat_labels_is_valid((leat_text){text, LEAT_LABELS_BYTES_MAX}));
    cr_assert(not(leat_labels_is_valid((leat_text){text, LEAT_LABELS_BYTES_MAX + 1})));
    LEAT_FAILS(ONE(LEAT_SETTING_LABELS, ""), LEAT_ERR_MALFORMED);
    LEAT_FAILS(ONE(LEAT_SETTING_LABELS, "b=1,a=2"), LEAT_ERR_MALFORMED);
    LEAT_FAILS(read_one(LEAT_SETTING_LABELS, text, LEAT_LABELS_BYTES_MAX + 1), LEAT_ERR_MALFORMED);
    LEAT_PASS(read_one(LEAT_SETTING_LABELS, text, LEAT_LABELS_BYTES_MAX));
}

Test(settings, a_label_is_found_by_name_and_value)
{
    const leat_text labels = TEXT("env=prod,team=x");
    cr_assert(leat_labels_have(labels, TEXT("env"), TEXT("prod")));
    cr_assert(leat_labels_have(labels, TEXT("team"), TEXT("x")));
    cr_assert(not(leat_labels_have(labels, TEXT("team"), TEXT("prod"))));
    cr_assert(not(leat_labels_have(labels, TEXT("env"), TEXT("pro"))));
    cr_assert(not(leat_labels_have((leat_text){0}, TEXT("env"), TEXT("prod"))));
}

Test(settings, pairs_come_one_by_one)
{
    leat_text needs = TEXT("cpus=2,gpu=18446744073709551615");
    leat_text traits = TEXT("arch=arm,os=a=b");
    leat_text name;
    leat_text value;
    uint64_t amount;

    cr_assert(leat_needs_next(&needs, &name, &amount));
    cr_assert(leat_text_is(name, TEXT("cpus")));
    cr_assert(eq(u64, amount, 2));
    cr_assert(leat_needs_next(&needs, &name, &amount));
    cr_assert(leat_text_is(name, TEXT("gpu")));
    cr_assert(eq(u64, amount, UINT64_MAX));
    cr_assert(not(leat_needs_next(&needs, &name, &amount)));

    cr_assert(leat_traits_next(&traits, &name, &value));
    cr_assert(leat_text_is(value, TEXT("arm")));
    cr_assert(leat_traits_next(&traits, &name, &value));
    cr_assert(leat_text_is(name, TEXT("os")));
    cr_assert(leat_text_is(value, TEXT("a=b")), "the first = divides");
    cr_assert(not(leat_traits_next(&traits, &name, &value)));
}

Test(settings, a_trait_is_checked_by_its_parts_as_well)
{
    char name[33];
    char value[65];
    memset(name, 'n', sizeof name);
    memset(value, 'v', sizeof value);
    cr_assert(leat_trait_name_is_valid((leat_text){name, 32}));
    cr_assert(not(leat_trait_name_is_valid((leat_text){name, 33})));
    cr_assert(not(leat_trait_name_is_valid(TEXT(""))));
    cr_assert(leat_trait_value_is_valid((leat_text){value, 64}));
    cr_assert(not(leat_trait_value_is_valid((leat_text){value, 65})));
    cr_assert(not(leat_trait_value_is_valid(TEXT(""))));
    cr_assert(not(leat_trait_value_is_valid(TEXT("a,b"))));
}

/* ---------------------------------------------------------------------------------- memory */

Test(settings, a_writer_without_memory_leaves_the_buffer_alone)
{
    const leat_settings written = full();
    leat_buf none = {.failed = true};

    leat_settings_put(&none, &written);

    cr_assert(none.failed);
    cr_assert(eq(sz, none.size, 0));
}
