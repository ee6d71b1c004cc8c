/* leat_state: the life of a job, as one table.
 *
 *            held ──► skipped
 *              │ met
 *   submit ──► ready ◄──── due ──── delayed
 *              │ lease  ▲ release, lost     ▲ retry, snooze
 *              ▼        │                   │
 *            leased ────┴───────────────────┘──► done · dead
 *              │ cancel, over its limit
 *              ▼
 *           stopping · overdue ──► cancelled · dead · delayed · done
 *
 * A pair of state and event without a row is refused. What an event costs (an attempt, a failure, a
 * loss, a snooze) is in the row too. Which event it is (failures left or not) is decided by the
 * caller from the item's counters; effects are the caller's as well. */
#ifndef LEAT_STATE_H
#define LEAT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"

/* X(name, number, word). The numbers are stored (turn.h, ITEM). */
#define LEAT_STATE_MAP(X)                                                         \
    X(HELD, 0, "held")       /* waits for another job or batch */                 \
    X(DELAYED, 1, "delayed") /* waits for a time */                               \
    X(READY, 2, "ready")                                                          \
    X(LEASED, 3, "leased")                                                        \
    X(STOPPING, 4, "stopping") /* leased, was told to stop: cancel */             \
    X(OVERDUE, 5, "overdue")   /* leased, was told to stop: over its run limit */ \
    X(DONE, 6, "done")                                                            \
    X(DEAD, 7, "dead")                                                            \
    X(CANCELLED, 8, "cancelled")                                                  \
    X(EXPIRED, 9, "expired")                                                      \
    X(SKIPPED, 10, "skipped")

typedef enum leat_state {
#define LEAT_STATE_ENUM(name, number, word) LEAT_STATE_##name = (number),
    LEAT_STATE_MAP(LEAT_STATE_ENUM)
#undef LEAT_STATE_ENUM
} leat_state;
#define LEAT_STATE_COUNT 11

/* X(name, word) */
#define LEAT_EVENT_MAP(X)                                                                      \
    X(DUE, "due")                 /* its time has come */                                      \
    X(MET, "met")                 /* what it waited for has happened */                        \
    X(UNMET, "unmet")             /* … can no longer happen */                               \
    X(LEASE, "lease")             /* a worker takes it */                                      \
    X(FINISH, "finish")           /* done, with the right token */                             \
    X(RETRY, "retry")             /* failed (or timed out), failures are left */               \
    X(FAIL, "fail")               /* failed for good (or timed out, none left) */              \
    X(SNOOZE, "snooze")           /* the handler asks for later */                             \
    X(SNOOZED_OUT, "snoozed out") /* … once too often */                                     \
    X(RELEASE, "release")         /* comes back uncounted: not started, drained, only slept */ \
    X(LOSE, "lose")               /* its worker is lost while it ran, losses are left */       \
    X(POISON, "poison")           /* … none are left */                                      \
    X(CANCEL, "cancel")                                                                        \
    X(LIMIT, "limit") /* runs longer than it may */                                            \
    X(EXPIRE, "expire")

typedef enum leat_event {
#define LEAT_EVENT_ENUM(name, word) LEAT_EVENT_##name,
    LEAT_EVENT_MAP(LEAT_EVENT_ENUM)
#undef LEAT_EVENT_ENUM
} leat_event;
#define LEAT_EVENT_COUNT 15

/* What a row costs. */
typedef enum leat_cost {
    LEAT_COST_NONE,
    LEAT_COST_ATTEMPT,
    LEAT_COST_FAILED,
    LEAT_COST_LOST,
    LEAT_COST_SNOOZED,
} leat_cost;

/* Where event leads from state. LEAT_ERR_BAD_STATE: nowhere; *to and *cost are untouched. */
LEAT_NODISCARD leat_err leat_state_next(leat_state state,
                                        leat_event event,
                                        leat_state *to,
                                        leat_cost *cost);

static inline bool
leat_state_is_final(leat_state state)
{
    return state >= LEAT_STATE_DONE;
}

static inline bool
leat_state_is_held_by_worker(leat_state state)
{
    return state == LEAT_STATE_LEASED || state == LEAT_STATE_STOPPING ||
           state == LEAT_STATE_OVERDUE;
}

const char *leat_state_name(leat_state state);
const char *leat_event_name(leat_event event);

#endif
