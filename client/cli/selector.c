/* Reading selectors. */
#include "client/cli/selector.h"

#include <string.h>

#include "proto/limits.h"

#define NUMBER_MAX ((1ULL << 63) - 1)

/* Digits with single "_" between them, at least one, at most up to NUMBER_MAX. *text moves behind
 * them. */
static bool
take_number(const char **text, uint64_t *out)
{
    const char *p = *text;
    uint64_t value = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (;; p++) {
        if (*p == '_' && p[-1] != '_' && p[1] >= '0' && p[1] <= '9')
            continue;
        if (*p < '0' || *p > '9')
            break;
        const unsigned digit = (unsigned)(*p - '0');
        if (value > (NUMBER_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *text = p;
    *out = value;
    return true;
}

static bool
parse_places(const char *p, leat_selector *out, const char **why)
{
    out->kind = LEAT_SELECTOR_JOBS;
    *why = "after \"/\" stands a place (17), places (10-20) or \"failed\"";
    if (!take_number(&p, &out->first))
        return false;
    out->last = out->first;
    if (*p == '-') {
        p++;
        if (!take_number(&p, &out->last))
            return false;
    }
    if (*p != '\0')
        return false;
    if (out->first == 0) {
        *why = "places count from 1";
        return false;
    }
    if (out->last < out->first) {
        *why = "the second place is before the first";
        return false;
    }
    return true;
}

bool
leat_selector_parse(const char *text, leat_selector *out, const char **why)
{
    const char *p = text;
    *out = (leat_selector){0};
    *why = "";
    if (strcmp(text, "last") == 0) {
        out->kind = LEAT_SELECTOR_LAST;
        return true;
    }
    if (strcmp(text, "all") == 0) {
        out->kind = LEAT_SELECTOR_ALL;
        return true;
    }
    if (*text == '@') {
        out->kind = LEAT_SELECTOR_NAME;
        out->name = text + 1;
        *why = "a name has 1 to 128 bytes";
        return text[1] != '\0' && strlen(text + 1) <= LEAT_NAME_BYTES_MAX;
    }
    *why = "a batch is named by its number (42), \"last\" or @NAME";
    if (!take_number(&p, &out->batch))
        return false;
    if (out->batch == 0) {
        *why = "batches count from 1";
        return false;
    }
    if (*p == '\0') {
        out->kind = LEAT_SELECTOR_BATCH;
        return true;
    }
    if (*p != '/')
        return false;
    p++;
    if (strcmp(p, "failed") == 0) {
        out->kind = LEAT_SELECTOR_FAILED;
        return true;
    }
    return parse_places(p, out, why);
}
