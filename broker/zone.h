/* leat_zone_read: the clocks of a named time zone, as the table that schedules are read with.
 *
 * The machine's zone files are read here, byte by byte (tzif.h), and not asked for through
 * localtime_r. That would be less code, and wrong in four ways: it takes TZ from the environment of
 * the whole process, which no thread may change while libzmq's and the store's run; it answers UTC
 * for a name it does not know, without a word; when clocks change has to be found by trial; and a
 * test of it needs the machine's zone data. A decoder of bytes has to be fuzzed, and is. */
#ifndef LEAT_ZONE_H
#define LEAT_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/core/cron.h"
#include "proto/base/err.h"

#define LEAT_ZONE_NAME_BYTES_MAX 48U /* the longest of the world has 32 */
#define LEAT_ZONE_WHY_BYTES      128U
#define LEAT_ZONE_FILE_BYTES_MAX 32768U /* the largest of the world's has 4 KiB */
/* The table begins this much before what is asked for, as leat_zone wants it. */
#define LEAT_ZONE_BEFORE_S 172800

/* Where zones come from. All borrowed. */
typedef struct leat_zone_source {
    const char *dir;        /* with a file for each name */
    const char *local_path; /* the machine's own zone */
    const char *tz;         /* what TZ says; NULL: it is not set */
} leat_zone_source;

/* Whether it may be a zone's name: letters, digits, `_`, `+`, `-`, in parts with one `/` between
 * them, at most LEAT_ZONE_NAME_BYTES_MAX bytes. So it has no dot, and leads out of no directory. */
bool leat_zone_name_is_valid(const char *name);

/* The changes of a zone's clocks between two times.
 *
 * name    "Europe/Berlin"; "UTC", which needs no file; "local" is what other programs of this
 *         machine take for theirs: TZ if it is set (a name, a path, a rule as POSIX has it; empty:
 *         UTC), or else /etc/localtime, and UTC if there is no such file.
 * from_s  seconds of UTC, from 1970 on.
 * upto_s  at least from_s, at most LEAT_CRON_S_MAX.
 * out     room for max >= 1 rows; a year takes two, in a few countries four, and there is one more.
 *         Unspecified after an error.
 * count   rows of out; filled only on LEAT_ERR_OK. The first row is LEAT_ZONE_BEFORE_S before
 *         from_s.
 * why     "", or a sentence with the zone's name in it, always terminated and printable.
 *
 * LEAT_ERR_CONFIG       no name of a zone.
 * LEAT_ERR_NOT_FOUND    no such zone on this machine; never UTC in its place.
 * LEAT_ERR_CORRUPT, LEAT_ERR_UNSUPPORTED, LEAT_ERR_TOO_LARGE  its file can not be used.
 * LEAT_ERR_LIMIT        more than max rows.
 * LEAT_ERR_IO, LEAT_ERR_DENIED, …  its file can not be read.
 *
 * Opens, reads and closes one file; any thread. */
LEAT_NODISCARD leat_err leat_zone_read(const char *name,
                                       int64_t from_s,
                                       int64_t upto_s,
                                       leat_zone_change *out,
                                       uint32_t max,
                                       uint32_t *count,
                                       char why[LEAT_ZONE_WHY_BYTES]);

/* The same with another source than the machine's. */
LEAT_NODISCARD leat_err leat_zone_read_from(const leat_zone_source *source,
                                            const char *name,
                                            int64_t from_s,
                                            int64_t upto_s,
                                            leat_zone_change *out,
                                            uint32_t max,
                                            uint32_t *count,
                                            char why[LEAT_ZONE_WHY_BYTES]);

#endif
