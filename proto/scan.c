/* The strict scanner: JSON's grammar and our bounds, byte by byte, without recursion. */
#include "proto/scan.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"
#include "proto/records.h"

leat_err
leat_scan_refuse(leat_err err, char why[LEAT_WHY_BYTES], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(why, LEAT_WHY_BYTES, format, args);
    va_end(args);
    if (n < 0)
        why[0] = '\0';
    /* A cut inside a character would make the sentence bad UTF-8. */
    if (n >= LEAT_WHY_BYTES) {
        size_t size = LEAT_WHY_BYTES - 1;
        while (size > 0 && !leat_text_is_utf8((leat_text){.data = why, .size = size}))
            size--;
        why[size] = '\0';
    }
    return err;
}

#define NUMBER_BYTES_MAX    40  /* so that cJSON's buffer of 63 holds it whole */
#define NUMBER_EXPONENT_MAX 200 /* with 40 digits before it still a finite double */

/* A key where it stands in the body, for finding those that are given twice. */
typedef struct scan_key {
    const uint8_t *at; /* behind the opening quote; the string is known to be well-formed */
    uint32_t object;   /* which object it belongs to, counted from 1 */
} scan_key;

typedef struct scanner {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    uint32_t tokens;
    uint32_t objects;
    uint32_t depth;
    /* What is open: the object's number, or 0 for an array. */
    uint32_t open[LEAT_JSON_DEPTH_MAX];
    scan_key *keys; /* owned */
    size_t key_count;
    size_t key_room;
    char *why;
} scanner;

static size_t
position(const scanner *scan)
{
    return (size_t)(scan->at - scan->start);
}

static leat_err
unexpected(scanner *scan, const char *wanted)
{
    if (scan->at == scan->end)
        return leat_scan_refuse(LEAT_ERR_MALFORMED, scan->why, "byte %zu: the end instead of %s",
                                position(scan), wanted);
    if (*scan->at < 0x20 || *scan->at > 0x7e)
        return leat_scan_refuse(LEAT_ERR_MALFORMED, scan->why, "byte %zu: 0x%02x instead of %s",
                                position(scan), *scan->at, wanted);
    return leat_scan_refuse(LEAT_ERR_MALFORMED, scan->why, "byte %zu: '%c' instead of %s",
                            position(scan), *scan->at, wanted);
}

static void
skip_blanks(scanner *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
        scan->at++;
}

static bool
next_is(const scanner *scan, char c)
{
    return scan->at < scan->end && *scan->at == (uint8_t)c;
}

/* Four hex digits at p, or -1. */
static int32_t
hex_quad(const uint8_t *p, const uint8_t *end)
{
    if (end - p < 4)
        return -1;
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const int digit = leat_scan_hex(p[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool
is_high_surrogate(int32_t unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool
is_low_surrogate(int32_t unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* A backslash and what follows it. */
static leat_err
scan_escape(scanner *scan)
{
    const uint8_t *const p = scan->at;
    if (scan->end - p < 2)
        return leat_scan_refuse(LEAT_ERR_MALFORMED, scan->why, "byte %zu: a string without an end",
                                position(scan));
    if (p[1] != 'u') {
        if (p[1] == '\0' || strchr("\"\\/bfnrt", p[1]) == NULL)
            return leat_scan_refuse(LEAT_ERR_MALFORMED, scan->why, "byte %zu: unknown escape",
                                    position(scan));
        scan->at += 2;
        return LEAT_ERR_OK;
    }
    const int32_t unit = hex_quad(p + 2, scan->end);
    if (unit < 0)
        return leat_scan_refuse(LEAT_ERR_MALFORMED, scan->why,
                                "byte %zu: \\u without four hex digits", position(scan));
    if (unit == 0)
        return leat_scan_refuse(LEAT_ERR_MALFORMED, scan->why, "byte %zu: \\u0000 in a string",
                                position(scan));
    scan->at += 6;
    if (!is_high_surrogate(unit) && !is_low_surrogate(unit))
        return LEAT_ERR_OK;
    if (is_high_surrogate(unit) && scan->end - scan->at >= 2 && scan->at[0] == '\\' &&
        scan->at[1] == 'u' && is_low_surrogate(hex_quad(scan->at + 2, scan->end))) {
        scan->at += 6;
        return LEAT_ERR_OK;
    }
    return leat_scan_refuse(LEAT_ERR_MALFORMED, scan->why, "byte %zu: half of a surrogate pair",
                            (size_t)(p - scan->start));
}

static leat_err
scan_string(scanner *scan)
{
    scan->at++; /* the quote */
    while (scan->at < scan->end && *scan->at != '"') {
        if (*scan->at < 0x20)
            return leat_scan_refuse(LEAT_ERR_MALFORMED, scan->why,
                                    "byte %zu: control character 0x%02x in a string",
                                    position(scan), *scan->at);
        if (*scan->at == '\\') {
            const leat_err err = scan_escape(scan);
            if (err != LEAT_ERR_OK)
                return err;
        } else {
            scan->at++;
        }
    }
    if (scan->at == scan->end)
        return leat_scan_refuse(LEAT_ERR_MALFORMED, scan->why, "byte %zu: a string without an end",
                                position(scan));
    scan->at++;
    return LEAT_ERR_OK;
}

static size_t
skip_digits(scanner *scan)
{
    size_t n = 0;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9') {
        scan->at++;
        n++;
    }
    return n;
}

static leat_err
scan_exponent(scanner *scan)
{
    scan->at++; /* the letter */
    if (next_is(scan, '+') || next_is(scan, '-'))
        scan->at++;
    const uint8_t *digit = scan->at;
    if (skip_digits(scan) == 0)
        return unexpected(scan, "a digit");
    unsigned exponent = 0;
    for (; digit < scan->at && exponent <= NUMBER_EXPONENT_MAX; digit++)
        exponent = exponent * 10 + (unsigned)(*digit - '0');
    if (exponent > NUMBER_EXPONENT_MAX)
        return leat_scan_refuse(LEAT_ERR_MALFORMED, scan->why, "byte %zu: a number beyond 1e%d",
                                position(scan), NUMBER_EXPONENT_MAX);
    return LEAT_ERR_OK;
}

static leat_err
scan_number(scanner *scan)
{
    const uint8_t *const start = scan->at;
    if (next_is(scan, '-'))
        scan->at++;
    const bool zero = next_is(scan, '0');
    const size_t digits = skip_digits(scan);
    if (digits == 0)
        return unexpected(scan, "a digit");
    if (zero && digits > 1)
        return leat_scan_refuse(LEAT_ERR_MALFORMED, scan->why,
                                "byte %zu: a number that starts with 0",
                                (size_t)(start - scan->start));
    if (next_is(scan, '.')) {
        scan->at++;
        if (skip_digits(scan) == 0)
            return unexpected(scan, "a digit");
    }
    if (next_is(scan, 'e') || next_is(scan, 'E')) {
        const leat_err err = scan_exponent(scan);
        if (err != LEAT_ERR_OK)
            return err;
    }
    if (scan->at - start > NUMBER_BYTES_MAX)
        return leat_scan_refuse(LEAT_ERR_MALFORMED, scan->why,
                                "byte %zu: a number of more than %d characters",
                                (size_t)(start - scan->start), NUMBER_BYTES_MAX);
    return LEAT_ERR_OK;
}

static leat_err
scan_word(scanner *scan, const char *word)
{
    const size_t size = strlen(word);
    if ((size_t)(scan->end - scan->at) < size || memcmp(scan->at, word, size) != 0)
        return unexpected(scan, "a value");
    scan->at += size;
    return LEAT_ERR_OK;
}

static leat_err
count_token(scanner *scan)
{
    if (++scan->tokens > LEAT_JSON_TOKENS_MAX)
        return leat_scan_refuse(LEAT_ERR_TOO_LARGE, scan->why, "byte %zu: more than %u tokens",
                                position(scan), LEAT_JSON_TOKENS_MAX);
    return LEAT_ERR_OK;
}

static leat_err
add_key(scanner *scan, const uint8_t *at, uint32_t object)
{
    if (scan->key_count == scan->key_room) {
        const size_t room = scan->key_room == 0 ? 64 : scan->key_room * 2;
        scan_key *const keys = realloc(scan->keys, room * sizeof *keys);
        if (keys == NULL)
            return leat_scan_refuse(LEAT_ERR_NOMEM, scan->why, "out of memory");
        scan->keys = keys;
        scan->key_room = room;
    }
    scan->keys[scan->key_count++] = (scan_key){.at = at, .object = object};
    return LEAT_ERR_OK;
}

/* A key and its colon, inside the innermost object. */
static leat_err
scan_key_and_colon(scanner *scan)
{
    if (!next_is(scan, '"'))
        return unexpected(scan, "a key");
    leat_err err = count_token(scan);
    if (err == LEAT_ERR_OK)
        err = add_key(scan, scan->at + 1, scan->open[scan->depth - 1]);
    if (err == LEAT_ERR_OK)
        err = scan_string(scan);
    if (err != LEAT_ERR_OK)
        return err;
    skip_blanks(scan);
    if (!next_is(scan, ':'))
        return unexpected(scan, "a colon");
    scan->at++;
    skip_blanks(scan);
    return LEAT_ERR_OK;
}

/* Enter an object or array; *opened is false when it is empty and already closed again. */
static leat_err
scan_open(scanner *scan, bool *opened)
{
    const bool is_object = *scan->at == '{';
    if (scan->depth == LEAT_JSON_DEPTH_MAX)
        return leat_scan_refuse(LEAT_ERR_TOO_LARGE, scan->why, "byte %zu: more than %u levels",
                                position(scan), LEAT_JSON_DEPTH_MAX);
    scan->at++;
    skip_blanks(scan);
    *opened = !next_is(scan, is_object ? '}' : ']');
    if (!*opened) {
        scan->at++;
        return LEAT_ERR_OK;
    }
    scan->open[scan->depth++] = is_object ? ++scan->objects : 0;
    return is_object ? scan_key_and_colon(scan) : LEAT_ERR_OK;
}

static leat_err
scan_value(scanner *scan, bool *opened)
{
    *opened = false;
    leat_err err = count_token(scan);
    if (err != LEAT_ERR_OK)
        return err;
    if (scan->at == scan->end)
        return unexpected(scan, "a value");
    switch (*scan->at) {
    case '{':
    case '[':
        return scan_open(scan, opened);
    case '"':
        return scan_string(scan);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        if (*scan->at != '-' && (*scan->at < '0' || *scan->at > '9'))
            return unexpected(scan, "a value");
        return scan_number(scan);
    }
}

/* After a value: close what ends here and stand at the next value, or at the end (depth 0). */
static leat_err
scan_after_value(scanner *scan)
{
    while (scan->depth > 0) {
        const bool in_object = scan->open[scan->depth - 1] != 0;
        skip_blanks(scan);
        if (next_is(scan, ',')) {
            scan->at++;
            skip_blanks(scan);
            return in_object ? scan_key_and_colon(scan) : LEAT_ERR_OK;
        }
        if (!next_is(scan, in_object ? '}' : ']'))
            return unexpected(scan, in_object ? "',' or '}'" : "',' or ']'");
        scan->at++;
        scan->depth--;
    }
    return LEAT_ERR_OK;
}

static leat_err
scan_document(scanner *scan)
{
    skip_blanks(scan);
    if (!next_is(scan, '{'))
        return unexpected(scan, "an object");
    do {
        bool opened;
        leat_err err = scan_value(scan, &opened);
        if (err == LEAT_ERR_OK && !opened)
            err = scan_after_value(scan);
        if (err != LEAT_ERR_OK)
            return err;
    } while (scan->depth > 0);
    skip_blanks(scan);
    return scan->at == scan->end ? LEAT_ERR_OK : unexpected(scan, "the end");
}

/* The next UTF-16 unit or raw byte of a well-formed string, escapes resolved, or -1 at its end.
 * Raw characters beyond ASCII are turned into the same units that their escapes have. */
typedef struct unit_reader {
    const uint8_t *at;
    int32_t pending; /* low surrogate still to be given, or 0 */
} unit_reader;

static int32_t
raw_character(const uint8_t **at_p)
{
    const uint8_t *const p = *at_p;
    const size_t length = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    int32_t value = length == 1 ? p[0] : p[0] & (0x7f >> length);
    for (size_t i = 1; i < length; i++)
        value = value << 6 | (p[i] & 0x3f);
    *at_p = p + length;
    return value;
}

static int32_t
next_unit(unit_reader *reader)
{
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";

    if (reader->pending != 0) {
        const int32_t unit = reader->pending;
        reader->pending = 0;
        return unit;
    }
    const uint8_t *const p = reader->at;
    if (*p == '"')
        return -1;
    if (*p != '\\') {
        const int32_t value = raw_character(&reader->at);
        if (value < 0x10000)
            return value;
        reader->pending = 0xdc00 + ((value - 0x10000) & 0x3ff);
        return 0xd800 + ((value - 0x10000) >> 10);
    }
    if (p[1] == 'u') {
        reader->at += 6;
        return hex_quad(p + 2, p + 6);
    }
    reader->at += 2;
    const char *const letter = strchr(letters, p[1]);
    return letter == NULL ? p[1] : meanings[letter - letters];
}

static int
compare_keys(const void *a, const void *b)
{
    const scan_key *const left = a;
    const scan_key *const right = b;
    if (left->object != right->object)
        return left->object < right->object ? -1 : 1;
    unit_reader l = {.at = left->at};
    unit_reader r = {.at = right->at};
    for (;;) {
        const int32_t x = next_unit(&l);
        const int32_t y = next_unit(&r);
        if (x != y)
            return x < y ? -1 : 1;
        if (x < 0)
            return 0;
    }
}

/* Sorting keeps a hostile body at n log n, whatever its keys are. */
static leat_err
refuse_doubled_keys(scanner *scan)
{
    if (scan->key_count > 1)
        qsort(scan->keys, scan->key_count, sizeof *scan->keys, compare_keys);
    for (size_t i = 1; i < scan->key_count; i++) {
        if (compare_keys(&scan->keys[i - 1], &scan->keys[i]) != 0)
            continue;
        const uint8_t *const a = scan->keys[i - 1].at;
        const uint8_t *const b = scan->keys[i].at;
        const uint8_t *const later = a > b ? a : b;
        scan->at = later;
        while (*scan->at != '"')
            scan->at += *scan->at == '\\' ? 2 : 1;
        return leat_scan_refuse(LEAT_ERR_MALFORMED, scan->why, "byte %zu: key \"%.*s\" twice",
                                (size_t)(later - scan->start) - 1, (int)(scan->at - later),
                                (const char *)later);
    }
    return LEAT_ERR_OK;
}

leat_err
leat_scan_up_to(const uint8_t *body, size_t size, size_t size_max, char why[LEAT_WHY_BYTES])
{
    if (size > size_max)
        return leat_scan_refuse(LEAT_ERR_TOO_LARGE, why, "%zu bytes of JSON, the limit is %zu",
                                size, size_max);
    if (!leat_text_is_utf8((leat_text){.data = (const char *)body, .size = size}))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "the JSON is not UTF-8");

    scanner scan = {.start = body, .at = body, .end = body + size, .why = why};
    leat_err err = scan_document(&scan);
    if (err == LEAT_ERR_OK)
        err = refuse_doubled_keys(&scan);
    free(scan.keys);
    return err;
}

leat_err
leat_scan(const uint8_t *body, size_t size, char why[LEAT_WHY_BYTES])
{
    return leat_scan_up_to(body, size, LEAT_JSON_BYTES_MAX, why);
}
