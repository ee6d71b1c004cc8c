/* logfmt lines: put together in a buffer on the stack, written by one write(2). */
#include "proto/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/clock.h"

/* Kept free at the end of each line for what must not be cut: a closing quote and the tail. */
#define TAIL_CUT   " cut=true"
#define TAIL_BYTES (sizeof TAIL_CUT + 2U)

typedef struct log_line {
    char *data;
    size_t size;
    bool cut; /* something did not fit; nothing follows but the tail */
} log_line;

/* The one mutable global of the room: the process has one stderr. */
static _Atomic int threshold = LEAT_LOG_INFO;

static const char *
level_word(leat_log_level level)
{
    switch (level) {
#define WORD_CASE(name, word) \
    case LEAT_LOG_##name:     \
        return (word);
        LEAT_LOG_LEVEL_MAP(WORD_CASE)
#undef WORD_CASE
    default:
        assert(false);
        return "";
    }
}

/* All of data or nothing, so that a character is never cut in two. */
static void
put(log_line *out, const char *data, size_t size)
{
    if (out->cut || LEAT_LOG_LINE_BYTES - TAIL_BYTES - out->size < size) {
        out->cut = true;
        return;
    }
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

/* Into the room that put() keeps free. */
static void
put_tail(log_line *out, const char *data, size_t size)
{
    assert(LEAT_LOG_LINE_BYTES - out->size >= size);
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

static void
put_string(log_line *out, const char *string)
{
    put(out, string, strlen(string));
}

/* Bytes of the UTF-8 character at p that a terminal may be shown, 0 if it is none: not ASCII (the
 * caller's), overlong, a surrogate, over U+10FFFF, or a control character of U+0080 … U+009F. */
static size_t
utf8_size(const uint8_t *p, size_t left)
{
    static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000};
    const size_t size = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (size == 0 || size > left)
        return 0;
    uint32_t point = p[0] & (0xffU >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0U) != 0x80U)
            return 0;
        point = point << 6 | (p[i] & 0x3fU);
    }
    const bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
    return point < least[size] || point > 0x10ffff || is_surrogate ? 0 : size;
}

static bool
needs_quotes(leat_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = (uint8_t)text.data[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
            return true;
    }
    return text.size == 0;
}

static void
put_escaped(log_line *out, uint8_t c)
{
    static const char hex[] = "0123456789abcdef";
    switch (c) {
    case '\n':
        put(out, "\\n", 2);
        break;
    case '\r':
        put(out, "\\r", 2);
        break;
    case '\t':
        put(out, "\\t", 2);
        break;
    case '"':
    case '\\':
        put(out, (const char[]){'\\', (char)c}, 2);
        break;
    default:
        put(out, (const char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
    }
}

static void
put_text(log_line *out, leat_text text)
{
    if (!needs_quotes(text)) {
        for (size_t i = 0; i < text.size && !out->cut; i++)
            put(out, &text.data[i], 1);
        return;
    }
    put(out, "\"", 1);
    if (out->cut)
        return;
    const uint8_t *const p = (const uint8_t *)text.data;
    for (size_t i = 0; i < text.size && !out->cut;) {
        size_t size = 1;
        if (p[i] >= 0x80 && (size = utf8_size(p + i, text.size - i)) > 0) {
            put(out, text.data + i, size);
        } else if (p[i] < ' ' || p[i] >= 0x7f || p[i] == '"' || p[i] == '\\') {
            put_escaped(out, p[i]);
            size = 1;
        } else {
            put(out, text.data + i, 1);
        }
        i += size;
    }
    put_tail(out, "\"", 1);
}

static void
put_hex(log_line *out, leat_text bytes)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size && !out->cut; i++) {
        const uint8_t c = (uint8_t)bytes.data[i];
        put(out, (const char[]){hex[c >> 4], hex[c & 15]}, 2);
    }
}

static void
put_value(log_line *out, const leat_log_field *field)
{
    char number[400] = ""; /* the longest double in full is 317 characters */
    switch (field->type) {
    case LEAT_LOG_TEXT:
        put_text(out, field->value.text);
        break;
    case LEAT_LOG_HEX:
        put_hex(out, field->value.text);
        break;
    case LEAT_LOG_U64:
        (void)snprintf(number, sizeof number, "%" PRIu64, field->value.u64);
        break;
    case LEAT_LOG_I64:
        (void)snprintf(number, sizeof number, "%" PRId64, field->value.i64);
        break;
    case LEAT_LOG_REAL:
        (void)snprintf(number, sizeof number, "%.3f", field->value.real);
        break;
    case LEAT_LOG_BOOL:
        put_string(out, field->value.truth ? "true" : "false");
        break;
    case LEAT_LOG_END:
    default:
        assert(false);
    }
    put_string(out, number);
}

static void
put_time(log_line *out, int64_t wall_ms)
{
    char text[40];
    struct tm tm = {0};
    const time_t seconds = (time_t)(wall_ms / 1000);
    if (gmtime_r(&seconds, &tm) == NULL)
        tm = (struct tm){.tm_mday = 1, .tm_year = 70}; /* a clock of another geological age */
    const size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    put(out, text, size);
    (void)snprintf(text, sizeof text, ".%03dZ", (int)(wall_ms % 1000));
    put_string(out, text);
}

size_t
leat_log_format(char line[LEAT_LOG_LINE_BYTES],
                int64_t wall_ms,
                leat_log_level level,
                const char *at,
                const char *msg,
                const leat_log_field *fields)
{
    log_line out = {0};
    out.data = line;
    put_string(&out, "ts=");
    put_time(&out, wall_ms);
    put_string(&out, " level=");
    put_string(&out, level_word(level));
    put_string(&out, " at=");
    put_text(&out, leat_text_of(at));
    put_string(&out, " msg=");
    put_text(&out, leat_text_of(msg));
    for (; fields->type != LEAT_LOG_END && !out.cut; fields++) {
        const size_t whole = out.size;
        put_string(&out, " ");
        put_string(&out, fields->key);
        put_string(&out, "=");
        if (out.cut)
            out.size = whole; /* half a key is worse than none */
        else
            put_value(&out, fields);
    }
    if (out.cut)
        put_tail(&out, TAIL_CUT, sizeof TAIL_CUT - 1);
    put_tail(&out, "\n", 1);
    return out.size;
}

void
leat_log_set_level(leat_log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

void
leat_log_set_off(void)
{
    atomic_store_explicit(&threshold, -1, memory_order_relaxed);
}

bool
leat_log_is_on(leat_log_level level)
{
    return (int)level <= atomic_load_explicit(&threshold, memory_order_relaxed);
}

bool
leat_log_level_of(const char *word, leat_log_level *level)
{
#define WORD_IS(name, text)          \
    if (strcmp(word, (text)) == 0) { \
        *level = LEAT_LOG_##name;    \
        return true;                 \
    }
    LEAT_LOG_LEVEL_MAP(WORD_IS)
#undef WORD_IS
    return false;
}

void
leat_log_write(leat_log_level level, const char *at, const char *msg, const leat_log_field *fields)
{
    const int errnum = errno;
    char data[LEAT_LOG_LINE_BYTES];
    const size_t size = leat_log_format(data, leat_clock_wall_ms(), level, at, msg, fields);
    ssize_t n;
    do {
        n = write(STDERR_FILENO, data, size);
    } while (n < 0 && errno == EINTR);
    errno = errnum; /* callers log between a failed call and looking at why */
}

const char *
leat_log_errno_text(int errnum, char *text, size_t size)
{
    return strerror_r(errnum, text, size); /* GNU's: may answer with static words */
}
