/* Numbers, amounts and durations as people type them. */
#include <string.h>

#include "proto/base/option.h"

bool
leat_parse_number(const char *text, uint64_t *number)
{
    uint64_t n = 0;
    bool digit_before = false;
    for (; *text != '\0'; text++) {
        if (*text == '_' && digit_before) {
            digit_before = false;
            continue;
        }
        if (*text < '0' || *text > '9')
            return false;
        const uint64_t digit = (uint64_t)(*text - '0');
        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
        digit_before = true;
    }
    if (!digit_before) /* nothing, or a `_` at the end */
        return false;
    *number = n;
    return true;
}

bool
leat_parse_amount(const char *text, uint64_t *amount)
{
    static const char units[] = "KMGT";
    char digits[32];
    unsigned shift = 0;
    size_t size = strlen(text);
    if (size == 0 || size >= sizeof digits)
        return false;
    const char *const unit = memchr(units, text[size - 1], sizeof units - 1);
    if (unit != NULL) {
        shift = 10U * (unsigned)(unit - units + 1);
        size--;
    }
    memcpy(digits, text, size);
    digits[size] = '\0';
    uint64_t n;
    if (!leat_parse_number(digits, &n) || n > UINT64_MAX >> shift)
        return false;
    *amount = n << shift;
    return true;
}

bool
leat_parse_duration(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {
        {"d",  86400000},
        {"h",  3600000 },
        {"m",  60000   },
        {"s",  1000    },
        {"ms", 1       },
    };
    const size_t unit_count = sizeof units / sizeof *units;
    uint64_t total = 0;
    size_t next = 0; /* units before this one have had their turn */
    const bool alone = strspn(text, "0123456789_") == strlen(text);
    do {
        char digits[32];
        uint64_t n;
        size_t unit;
        const size_t digits_size = strspn(text, "0123456789_");
        if (digits_size >= sizeof digits)
            return false;
        memcpy(digits, text, digits_size);
        digits[digits_size] = '\0';
        text += digits_size;
        const char *const word = alone ? "s" : text;
        const size_t word_size = strcspn(word, "0123456789_");
        for (unit = next; unit < unit_count; unit++) {
            if (strlen(units[unit].unit) == word_size &&
                strncmp(units[unit].unit, word, word_size) == 0)
                break;
        }
        if (unit == unit_count || !leat_parse_number(digits, &n) ||
            n > ((uint64_t)INT64_MAX - total) / units[unit].ms)
            return false;
        total += n * units[unit].ms;
        next = unit + 1;
        text += alone ? 0 : word_size;
    } while (*text != '\0');
    *ms = (int64_t)total;
    return true;
}
