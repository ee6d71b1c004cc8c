/* leat_tzif: the compiled file of a time zone (TZif, RFC 9636), and the rule at its end.
 *
 *      0  "TZif"  version '2' or above, 15 bytes not used
 *     20  6 × u32 how many there are of each: isut, isstd, leap, time, type, char
 *     44  the same data as below with times of 32 bits, which is passed over
 *         the header once more, then
 *         time × i64  when clocks change, rising
 *         time × u8   … to which type
 *         type × 6    i32 seconds ahead of UTC, u8 is summer time, u8 where its name begins
 *         char bytes of names, leap × 12 of leap seconds, isstd and isut bytes
 *         "\n" rule "\n"
 *
 * The rule is what POSIX lets TZ be, "CET-1CEST,M3.5.0,M10.5.0/3", and holds after the last time.
 * So a file of a few hundred bytes knows every year to come.
 *
 * The bytes are a file's, and files are input: any bytes are read or refused. No memory is taken.
 * Integers are big-endian. */
#ifndef LEAT_TZIF_H
#define LEAT_TZIF_H

#include <stddef.h>
#include <stdint.h>

#include "broker/core/cron.h"
#include "proto/base/err.h"

#define LEAT_TZIF_WHY_BYTES 64U

/* The changes of the clocks that a file knows of, from from_s to upto_s (seconds of UTC, from_s <=
 * upto_s, both within ±LEAT_CRON_S_MAX).
 *
 * data, size  borrowed; any content, any size.
 * out         room for max >= 1 rows; the first one has from_s and the offset that holds there,
 *             the others follow as leat_zone wants them, each with another offset than the one
 *             before it. Unspecified after an error.
 * count       rows of out, 1 … max; filled only on LEAT_ERR_OK.
 * why         "", or what is wrong with the file, in words that go after its name.
 *
 * LEAT_ERR_CORRUPT      no such file, or one that contradicts itself.
 * LEAT_ERR_UNSUPPORTED  of version 1, or one that counts leap seconds.
 * LEAT_ERR_LIMIT        there are more than max rows. */
LEAT_NODISCARD leat_err leat_tzif_read(const uint8_t *data,
                                       size_t size,
                                       int64_t from_s,
                                       int64_t upto_s,
                                       leat_zone_change *out,
                                       uint32_t max,
                                       uint32_t *count,
                                       char why[LEAT_TZIF_WHY_BYTES]);

/* The same for a rule alone, as it may stand in TZ. LEAT_ERR_CORRUPT: it is none; one that names a
 * summer time but not when it begins and ends ("EST5EDT") is none. LEAT_ERR_LIMIT as above. */
LEAT_NODISCARD leat_err leat_tzif_read_rule(const char *text,
                                            size_t size,
                                            int64_t from_s,
                                            int64_t upto_s,
                                            leat_zone_change *out,
                                            uint32_t max,
                                            uint32_t *count,
                                            char why[LEAT_TZIF_WHY_BYTES]);

#endif
