/* JSON in and out by cJSON, and the getters and adders that keep our rules. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "proto/control.h"
#include "proto/records.h"
#include "proto/scan.h"

/* ============================================================================= parse and print */

leat_err
leat_json_parse(const uint8_t *body, size_t size, cJSON **json, char why[LEAT_WHY_BYTES])
{
    return leat_json_parse_up_to(body, size, LEAT_JSON_BYTES_MAX, json, why);
}

leat_err
leat_json_parse_up_to(
    const uint8_t *body, size_t size, size_t size_max, cJSON **json, char why[LEAT_WHY_BYTES])
{
    why[0] = '\0';
    leat_err err = leat_scan_up_to(body, size, size_max, why);
    if (err != LEAT_ERR_OK)
        return err;

    char *const copy = malloc(size + 1);
    if (copy == NULL)
        return leat_scan_refuse(LEAT_ERR_NOMEM, why, "out of memory");
    memcpy(copy, body, size);
    copy[size] = '\0';
    const char *end = NULL;
    cJSON *const tree = cJSON_ParseWithLengthOpts(copy, size + 1, &end, 1);
    /* The scanner is the stricter one: what it let through fails here for want of memory only. */
    if (tree == NULL) {
        err = leat_scan_refuse(LEAT_ERR_NOMEM, why, "out of memory");
        goto done;
    }
    assert(cJSON_IsObject(tree));
    *json = tree;

done:
    free(copy);
    return err;
}

void
leat_json_put(leat_buf *buf, const cJSON *json)
{
    char *const text = json == NULL ? NULL : cJSON_PrintUnformatted(json);
    if (text == NULL) {
        buf->failed = true;
        return;
    }
    leat_put_bytes(buf, text, strlen(text));
    cJSON_free(text);
}

/* ========================================================================== getters and adders */

bool
leat_json_text(const cJSON *object, const char *key, const char **out)
{
    const char *const text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    if (text == NULL)
        return false;
    *out = text;
    return true;
}

bool
leat_json_u64(const cJSON *object, const char *key, uint64_t *out)
{
    const char *text;
    if (!leat_json_text(object, key, &text))
        return false;
    /* One way to write a number: digits, no sign, no zero in front. */
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 20 || text[digits] != '\0' || (text[0] == '0' && digits > 1))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

bool
leat_json_int(const cJSON *object, const char *key, int64_t min, int64_t max, int64_t *out)
{
    const double exact_max = 9007199254740992.0; /* 2^53: beyond it a double skips whole numbers */
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= -exact_max) ||
        !(item->valuedouble <= exact_max))
        return false;
    const int64_t value = (int64_t)item->valuedouble;
    /* Both come from one division-free conversion, so equality is exact. */
    if ((double)value < item->valuedouble || (double)value > item->valuedouble || value < min ||
        value > max)
        return false;
    *out = value;
    return true;
}

bool
leat_json_bool(const cJSON *object, const char *key, bool *out)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsBool(item))
        return false;
    *out = cJSON_IsTrue(item) != 0;
    return true;
}

bool
leat_json_add_u64(cJSON *object, const char *key, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    return cJSON_AddStringToObject(object, key, text) != NULL;
}

/* 4 characters for every 3 bytes begun, and a NUL. NULL without memory. */
static char *
base64_of(const uint8_t *p, size_t size)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *const text = malloc((size + 2) / 3 * 4 + 1);
    if (text == NULL)
        return NULL;
    char *out = text;
    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const unsigned bits = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) |
                              (left > 2 ? p[i + 2] : 0U);
        *out++ = letters[bits >> 18];
        *out++ = letters[bits >> 12 & 63U];
        *out++ = '=';
        *out++ = '=';
        if (left > 1)
            out[-2] = letters[bits >> 6 & 63U];
        if (left > 2)
            out[-1] = letters[bits & 63U];
    }
    *out = '\0';
    return text;
}

bool
leat_json_add_bytes(cJSON *object, const char *key, const void *data, size_t size)
{
    const leat_text text = {.data = data, .size = size};
    /* cJSON's strings end at the first NUL, so text that holds one goes as bytes. */
    const bool plain = size == 0 || (leat_text_is_utf8(text) && memchr(data, '\0', size) == NULL);
    char name[LEAT_NAME_BYTES_MAX + sizeof "_b64"];
    assert(strlen(key) <= LEAT_NAME_BYTES_MAX);
    (void)snprintf(name, sizeof name, "%s%s", key, plain ? "" : "_b64");

    char *const value = plain ? leat_text_dup(text) : base64_of(data, size);
    const bool added = value != NULL && cJSON_AddStringToObject(object, name, value) != NULL;
    free(value);
    return added;
}

/* The value of a base64 digit, or -1. */
static int
digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool
put_base64(const char *text, leat_buf *out)
{
    const size_t size = strlen(text);
    if (size % 4 != 0)
        return false;
    for (size_t i = 0; i < size; i += 4) {
        const bool last = i + 4 == size;
        const unsigned pad = last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2U : 1U) : 0;
        uint32_t bits = 0;
        for (size_t k = 0; k < 4 - pad; k++) {
            const int digit = digit_of(text[i + k]);
            if (digit < 0)
                return false;
            bits |= (uint32_t)digit << (18 - 6 * k);
        }
        if ((pad == 2 && (bits & 0xffffU) != 0) || (pad == 1 && (bits & 0xffU) != 0))
            return false; /* two texts for one value */
        const uint8_t bytes[3] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
        leat_put_bytes(out, bytes, 3 - pad);
    }
    return true;
}

bool
leat_json_bytes(const cJSON *object, const char *key, leat_buf *out)
{
    char name[LEAT_NAME_BYTES_MAX + sizeof "_b64"];
    const char *text;
    assert(strlen(key) <= LEAT_NAME_BYTES_MAX);
    (void)snprintf(name, sizeof name, "%s_b64", key);
    const bool plain = cJSON_GetObjectItemCaseSensitive(object, key) != NULL;
    const bool coded = cJSON_GetObjectItemCaseSensitive(object, name) != NULL;
    if (!plain && !coded)
        return true;
    if (plain && coded)
        return false;
    if (!leat_json_text(object, plain ? key : name, &text))
        return false;
    if (coded)
        return put_base64(text, out);
    leat_put_bytes(out, text, strlen(text));
    return true;
}

/* ================================================================================= session ids */

void
leat_session_id_format(const leat_session_id *id, char out[33])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        out[2 * i] = digits[id->bytes[i] >> 4];
        out[2 * i + 1] = digits[id->bytes[i] & 15U];
    }
    out[32] = '\0';
}

bool
leat_session_id_parse(const char *text, leat_session_id *id)
{
    if (strlen(text) != 2 * sizeof id->bytes)
        return false;
    leat_session_id parsed;
    for (size_t i = 0; i < sizeof parsed.bytes; i++) {
        const int high = leat_scan_hex((uint8_t)text[2 * i]);
        const int low = leat_scan_hex((uint8_t)text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        parsed.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *id = parsed;
    return true;
}

leat_session_id
leat_session_id_new(void)
{
    leat_session_id id;
    ssize_t n;
    do
        n = getrandom(id.bytes, sizeof id.bytes, 0);
    while (n < 0 && errno == EINTR);
    /* Up to 256 bytes come whole; a kernel without the call is older than all we build on. */
    assert(n == (ssize_t)sizeof id.bytes);
    return id;
}
