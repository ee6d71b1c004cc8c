/* Settings, needs and traits: bytes <-> values. See settings.h. */
#include "proto/settings.h"

#include <assert.h>
#include <string.h>

#include "proto/text.h"

#define OPTIONAL 128U /* keys from here on may be skipped */

leat_settings
leat_settings_nothing(void)
{
    return (leat_settings){.priority = LEAT_PRIORITY_NOTHING};
}

/* ------------------------------------------------------------------------------ needs, traits */

#define TRAIT_NAME_BYTES_MAX  32U
#define TRAIT_VALUE_BYTES_MAX 64U

bool
leat_trait_name_is_valid(leat_text name)
{
    if (name.size == 0 || name.size > TRAIT_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        const char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return true;
}

bool
leat_trait_value_is_valid(leat_text value)
{
    if (value.size == 0 || value.size > TRAIT_VALUE_BYTES_MAX)
        return false;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < 0x20 || value.data[i] > 0x7e || value.data[i] == ',')
            return false;
    }
    return true;
}

/* The front of text up to the first c, or all of it; text goes on behind c. */
static leat_text
cut(leat_text *text, char c)
{
    const char *const at = memchr(text->data, c, text->size);
    leat_text front = *text;
    if (at == NULL) {
        *text = (leat_text){text->data + text->size, 0};
        return front;
    }
    front.size = (size_t)(at - text->data);
    *text = (leat_text){at + 1, text->size - front.size - 1};
    return front;
}

bool
leat_traits_next(leat_text *traits, leat_text *name, leat_text *value)
{
    if (traits->size == 0)
        return false;
    *value = cut(traits, ',');
    *name = cut(value, '=');
    return true;
}

static bool
amount_of(leat_text digits, uint64_t *amount)
{
    *amount = 0;
    if (digits.size == 0 || digits.data[0] == '0')
        return false;
    for (size_t i = 0; i < digits.size; i++) {
        const unsigned digit = (unsigned)digits.data[i] - '0';
        if (digit > 9 || *amount > (UINT64_MAX - digit) / 10)
            return false;
        *amount = *amount * 10 + digit;
    }
    return true;
}

bool
leat_needs_next(leat_text *needs, leat_text *name, uint64_t *amount)
{
    leat_text digits;
    if (!leat_traits_next(needs, name, &digits))
        return false;
    const bool good = amount_of(digits, amount);
    assert(good);
    (void)good;
    return true;
}

/* Names rise, so that the same set is always the same text. */
static bool
rises(leat_text before, leat_text name)
{
    const size_t size = before.size < name.size ? before.size : name.size;
    const int order = size == 0 ? 0 : memcmp(before.data, name.data, size);
    return order < 0 || (order == 0 && before.size < name.size);
}

static bool
pairs_are_valid(leat_text text, bool amounts, unsigned count_max, size_t bytes_max)
{
    leat_text before = {"", 0};
    leat_text name;
    leat_text value;
    uint64_t amount;
    if (text.size == 0 || text.size > bytes_max || text.data[text.size - 1] == ',')
        return false;
    for (unsigned n = 0; leat_traits_next(&text, &name, &value); n++) {
        if (n >= count_max || !leat_trait_name_is_valid(name) || !rises(before, name) ||
            !(amounts ? amount_of(value, &amount) : leat_trait_value_is_valid(value)))
            return false;
        before = name;
    }
    return true;
}

bool
leat_needs_is_valid(leat_text needs)
{
    return pairs_are_valid(needs, true, LEAT_NEEDS_MAX, LEAT_NAME_BYTES_MAX);
}

bool
leat_traits_is_valid(leat_text traits)
{
    return pairs_are_valid(traits, false, LEAT_NEEDS_MAX, LEAT_NAME_BYTES_MAX);
}

bool
leat_labels_is_valid(leat_text labels)
{
    return pairs_are_valid(labels, false, LEAT_LABELS_MAX, LEAT_LABELS_BYTES_MAX);
}

bool
leat_labels_have(leat_text labels, leat_text name, leat_text value)
{
    leat_text a_name;
    leat_text a_value;
    while (leat_traits_next(&labels, &a_name, &a_value)) {
        if (leat_text_is(a_name, name) && leat_text_is(a_value, value))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------------------ reading */

/* Sizes by key; 0 is a text or a follower. */
static const uint8_t setting_bytes[] = {
#define SETTING_SIZE(name, key, size, meaning) [key] = (size),
    LEAT_SETTING_MAP(SETTING_SIZE)
#undef SETTING_SIZE
};

static bool
read_u16(const uint8_t *value, uint16_t *out)
{
    *out = leat_load_u16(value);
    return *out > 0;
}

static bool
read_duration(const uint8_t *value, uint64_t *out)
{
    *out = leat_load_u64(value);
    return *out > 0 && *out <= LEAT_DELAY_MS_MAX;
}

static bool
read_name(const uint8_t *value, size_t size, leat_text *out)
{
    *out = (leat_text){(const char *)value, size};
    return leat_name_is_valid(*out);
}

static bool
read_follower(const uint8_t *value, size_t size, leat_follower *out)
{
    leat_reader reader = leat_reader_over(value, size);
    out->handler = leat_read_text8(&reader);
    out->payload.size = (uint32_t)leat_reader_left(&reader);
    out->payload.data = leat_read_bytes(&reader, out->payload.size);
    return !reader.failed && leat_name_is_valid(out->handler);
}

static bool
read_after(const uint8_t *value, leat_settings *out)
{
    out->after_batch = leat_load_u64(value);
    out->after = (leat_after)value[8];
    return out->after_batch != 0 && value[8] >= LEAT_AFTER_OK && value[8] <= LEAT_AFTER_FAILED;
}

static bool
read_halt(const uint8_t *value, leat_halt *out)
{
    out->on = (leat_halt_on)value[0];
    out->running = value[1] != 0;
    out->percent = value[2] != 0;
    out->n = leat_load_u32(value + 3);
    return value[0] >= LEAT_HALT_FAIL && value[0] <= LEAT_HALT_DONE && value[1] <= 1 &&
           value[2] <= 1 && out->n > 0 && (!out->percent || out->n <= 100);
}

/* One value; its size is already right. */
static bool
read_setting(leat_settings *out, leat_setting key, const uint8_t *value, size_t size)
{
    switch (key) {
    case LEAT_SETTING_PRIORITY:
        out->priority = value[0];
        return out->priority < LEAT_PRIORITIES;
    case LEAT_SETTING_FAILURES:
        return read_u16(value, &out->failures);
    case LEAT_SETTING_LOSSES:
        return read_u16(value, &out->losses) && out->losses <= UINT8_MAX;
    case LEAT_SETTING_SNOOZES:
        return read_u16(value, &out->snoozes);
    case LEAT_SETTING_DELAY_MS:
        return read_duration(value, &out->delay_ms);
    case LEAT_SETTING_RUN_LIMIT_MS:
        return read_duration(value, &out->run_limit_ms);
    case LEAT_SETTING_BACKOFF_MIN_MS:
        return read_duration(value, &out->backoff_min_ms);
    case LEAT_SETTING_BACKOFF_MAX_MS:
        return read_duration(value, &out->backoff_max_ms);
    case LEAT_SETTING_GRACE_MS:
        return read_duration(value, &out->grace_ms) && out->grace_ms <= LEAT_GRACE_MS_MAX;
    case LEAT_SETTING_EXPIRES_MS:
        return read_duration(value, &out->expires_ms);
    case LEAT_SETTING_UNIQUE_FOR_MS:
        return read_duration(value, &out->unique_for_ms);
    case LEAT_SETTING_AT_MS:
        out->at_ms = leat_load_u64(value);
        return out->at_ms > 0 && out->at_ms <= LEAT_WALL_MS_MAX;
    case LEAT_SETTING_NAME:
        return read_name(value, size, &out->name);
    case LEAT_SETTING_UNIQUE:
        return read_name(value, size, &out->unique);
    case LEAT_SETTING_FLOW:
        return read_name(value, size, &out->flow);
    case LEAT_SETTING_KEY:
        return read_name(value, size, &out->key);
    case LEAT_SETTING_REPLY:
        return read_name(value, size, &out->reply);
    case LEAT_SETTING_REPLY_HANDLER:
        return read_name(value, size, &out->reply_handler);
    case LEAT_SETTING_NEEDS:
        out->needs = (leat_text){(const char *)value, size};
        return leat_needs_is_valid(out->needs);
    case LEAT_SETTING_TRAITS:
        out->traits = (leat_text){(const char *)value, size};
        return leat_traits_is_valid(out->traits);
    case LEAT_SETTING_LABELS:
        out->labels = (leat_text){(const char *)value, size};
        return leat_labels_is_valid(out->labels);
    case LEAT_SETTING_AFTER:
        return read_after(value, out);
    case LEAT_SETTING_HALT:
        return read_halt(value, &out->halt);
    case LEAT_SETTING_RECOVER:
        return read_follower(value, size, &out->recover);
    case LEAT_SETTING_FINALLY:
    default: /* every key is above */
        return out->finally_count < LEAT_FINALLY_MAX &&
               read_follower(value, size, &out->finally[out->finally_count++]);
    }
}

leat_err
leat_settings_read(const uint8_t *data, size_t size, leat_settings *out)
{
    uint32_t given = 0; /* bit of each key */
    leat_reader settings = leat_reader_over(data, size);

    *out = leat_settings_nothing();
    if (size > LEAT_SETTINGS_BYTES_MAX)
        return LEAT_ERR_TOO_LARGE;
    while (leat_reader_left(&settings) > 0) {
        const unsigned key = leat_read_u8(&settings);
        const size_t bytes = leat_read_u16(&settings);
        const uint8_t *const value = leat_read_bytes(&settings, bytes);
        if (value == NULL)
            return LEAT_ERR_MALFORMED;
        if (key >= OPTIONAL)
            continue;
        if (key == 0 || key >= sizeof setting_bytes)
            return LEAT_ERR_UNSUPPORTED;
        if (((given & 1U << key) != 0 && key != LEAT_SETTING_FINALLY) ||
            (setting_bytes[key] != 0 && setting_bytes[key] != bytes) ||
            !read_setting(out, (leat_setting)key, value, bytes))
            return LEAT_ERR_MALFORMED;
        given |= 1U << key;
    }
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------ writing */

/* key, size, and room for the value. */
static uint8_t *
put_setting(leat_buf *buf, leat_setting key, size_t size)
{
    assert(size <= UINT16_MAX);
    uint8_t *const p = leat_buf_room(buf, 3 + size);
    if (p == NULL)
        return NULL;
    p[0] = (uint8_t)key;
    leat_store_u16(p + 1, (uint16_t)size);
    return p + 3;
}

static void
put_u16(leat_buf *buf, leat_setting key, uint16_t value)
{
    uint8_t *const p = value == 0 ? NULL : put_setting(buf, key, 2);
    if (p != NULL)
        leat_store_u16(p, value);
}

static void
put_u64(leat_buf *buf, leat_setting key, uint64_t value)
{
    uint8_t *const p = value == 0 ? NULL : put_setting(buf, key, 8);
    if (p != NULL)
        leat_store_u64(p, value);
}

static void
put_duration(leat_buf *buf, leat_setting key, uint64_t ms)
{
    assert(ms <= LEAT_DELAY_MS_MAX);
    put_u64(buf, key, ms);
}

static void
put_text(leat_buf *buf, leat_setting key, leat_text text)
{
    uint8_t *const p = text.size == 0 ? NULL : put_setting(buf, key, text.size);
    if (p != NULL)
        memcpy(p, text.data, text.size);
}

static void
put_name(leat_buf *buf, leat_setting key, leat_text name)
{
    assert(name.size == 0 || leat_name_is_valid(name));
    put_text(buf, key, name);
}

static void
put_follower(leat_buf *buf, leat_setting key, const leat_follower *follower)
{
    if (follower->handler.size == 0)
        return;
    assert(leat_name_is_valid(follower->handler));
    uint8_t *const p =
        put_setting(buf, key, 1 + follower->handler.size + (size_t)follower->payload.size);
    if (p == NULL)
        return;
    p[0] = (uint8_t)follower->handler.size;
    memcpy(p + 1, follower->handler.data, follower->handler.size);
    if (follower->payload.size > 0)
        memcpy(p + 1 + follower->handler.size, follower->payload.data, follower->payload.size);
}

static void
put_after(leat_buf *buf, const leat_settings *s)
{
    assert(s->after <= LEAT_AFTER_FAILED);
    assert((s->after == LEAT_AFTER_NOTHING) == (s->after_batch == 0));
    uint8_t *const p =
        s->after == LEAT_AFTER_NOTHING ? NULL : put_setting(buf, LEAT_SETTING_AFTER, 9);
    if (p == NULL)
        return;
    leat_store_u64(p, s->after_batch);
    p[8] = (uint8_t)s->after;
}

static void
put_halt(leat_buf *buf, const leat_halt *halt)
{
    assert(halt->on <= LEAT_HALT_DONE);
    assert(halt->on == LEAT_HALT_NEVER || (halt->n > 0 && (!halt->percent || halt->n <= 100)));
    uint8_t *const p = halt->on == LEAT_HALT_NEVER ? NULL : put_setting(buf, LEAT_SETTING_HALT, 7);
    if (p == NULL)
        return;
    p[0] = (uint8_t)halt->on;
    p[1] = halt->running;
    p[2] = halt->percent;
    leat_store_u32(p + 3, halt->n);
}

void
leat_settings_put(leat_buf *buf, const leat_settings *s)
{
    assert(s->priority < LEAT_PRIORITIES || s->priority == LEAT_PRIORITY_NOTHING);
    assert(s->losses <= UINT8_MAX);
    assert(s->grace_ms <= LEAT_GRACE_MS_MAX && s->at_ms <= LEAT_WALL_MS_MAX);
    assert(s->needs.size == 0 || leat_needs_is_valid(s->needs));
    assert(s->traits.size == 0 || leat_traits_is_valid(s->traits));
    assert(s->labels.size == 0 || leat_labels_is_valid(s->labels));
    assert(s->finally_count <= LEAT_FINALLY_MAX);

    uint8_t *const p =
        s->priority == LEAT_PRIORITY_NOTHING ? NULL : put_setting(buf, LEAT_SETTING_PRIORITY, 1);
    if (p != NULL)
        p[0] = s->priority;
    put_u16(buf, LEAT_SETTING_FAILURES, s->failures);
    put_duration(buf, LEAT_SETTING_DELAY_MS, s->delay_ms);
    put_duration(buf, LEAT_SETTING_RUN_LIMIT_MS, s->run_limit_ms);
    put_name(buf, LEAT_SETTING_NAME, s->name);
    put_u16(buf, LEAT_SETTING_LOSSES, s->losses);
    put_u16(buf, LEAT_SETTING_SNOOZES, s->snoozes);
    put_duration(buf, LEAT_SETTING_BACKOFF_MIN_MS, s->backoff_min_ms);
    put_duration(buf, LEAT_SETTING_BACKOFF_MAX_MS, s->backoff_max_ms);
    put_duration(buf, LEAT_SETTING_GRACE_MS, s->grace_ms);
    put_u64(buf, LEAT_SETTING_AT_MS, s->at_ms);
    put_duration(buf, LEAT_SETTING_EXPIRES_MS, s->expires_ms);
    put_name(buf, LEAT_SETTING_UNIQUE, s->unique);
    put_duration(buf, LEAT_SETTING_UNIQUE_FOR_MS, s->unique_for_ms);
    put_name(buf, LEAT_SETTING_FLOW, s->flow);
    put_name(buf, LEAT_SETTING_KEY, s->key);
    put_text(buf, LEAT_SETTING_NEEDS, s->needs);
    put_text(buf, LEAT_SETTING_TRAITS, s->traits);
    put_name(buf, LEAT_SETTING_REPLY, s->reply);
    put_name(buf, LEAT_SETTING_REPLY_HANDLER, s->reply_handler);
    put_after(buf, s);
    for (uint8_t i = 0; i < s->finally_count; i++)
        put_follower(buf, LEAT_SETTING_FINALLY, &s->finally[i]);
    put_follower(buf, LEAT_SETTING_RECOVER, &s->recover);
    put_halt(buf, &s->halt);
    put_text(buf, LEAT_SETTING_LABELS, s->labels);
}
