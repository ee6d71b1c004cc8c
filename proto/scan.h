/* leat_scan: is this exactly one strict JSON object within our bounds?
 *
 * cJSON accepts more than JSON is and puts no limit on what it builds. So this goes over the bytes
 * first and is the stricter of the two: good UTF-8, bounded depth, size and tokens, no key twice
 * (however it is escaped), no NUL, no half of a surrogate pair, no number that is not finite. */
#ifndef LEAT_SCAN_H
#define LEAT_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

#define LEAT_WHY_BYTES 128 /* room for half a sentence */

/* body is borrowed. On failure why says what is wrong and where: "byte 17: key \"a\" twice".
 *
 * LEAT_ERR_MALFORMED, LEAT_ERR_TOO_LARGE (size, depth, tokens), LEAT_ERR_NOMEM. O(size log size).
 */
LEAT_NODISCARD leat_err leat_scan(const uint8_t *body, size_t size, char why[LEAT_WHY_BYTES]);

/* The same with another limit of the size than LEAT_JSON_BYTES_MAX. */
LEAT_NODISCARD leat_err leat_scan_up_to(const uint8_t *body,
                                        size_t size,
                                        size_t size_max,
                                        char why[LEAT_WHY_BYTES]);

/* Write half a sentence into why, cut at a character, and return err: a refusal in one line. */
__attribute__((format(printf, 3, 4))) leat_err
leat_scan_refuse(leat_err err, char why[LEAT_WHY_BYTES], const char *format, ...);

/* The value of a hex digit, or -1. */
static inline int
leat_scan_hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

#endif
