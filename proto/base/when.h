/* A wall time as people type it: 18:30, or 2030-05-01T18:30:00Z. */
#ifndef LEAT_WHEN_H
#define LEAT_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/* Text -> ms since 1970. HH:MM (or HH:MM:SS) is the next time that the local clock shows it, after
 * now_ms; anything else is RFC 3339, with its offset from UTC. false: it is neither. */
bool leat_when_parse(const char *text, int64_t now_ms, int64_t *at_ms);

/* The beginning of a time up to now: a duration is so long before now_ms (2h), HH:MM the last time
 * that the local clock showed it, anything else RFC 3339. */
bool leat_when_since(const char *text, int64_t now_ms, int64_t *since_ms);

#endif
