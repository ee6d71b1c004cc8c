/* Timers: what has to be looked at at a time, by monotonic and by wall clock. See timer.c. */
#ifndef LEAT_CORE_TIMER_H
#define LEAT_CORE_TIMER_H

#include "broker/core/machine.h"

typedef enum leat_timer_kind {
    LEAT_TIMER_LIMIT,    /* monotonic: the run of (id, attempt) is over its limit */
    LEAT_TIMER_FORCE,    /* monotonic: … has not answered STOP */
    LEAT_TIMER_EXPIRE,   /* wall: items id … id + n - 1 expire */
    LEAT_TIMER_RESUME,   /* wall: channel with object id */
    LEAT_TIMER_UNIQUE,   /* wall: the window of the unique key with hash `id` */
    LEAT_TIMER_SCHEDULE, /* wall: schedule with object id */
} leat_timer_kind;
LEAT_NODISCARD leat_err leat_timers_init(leat_core *core);
void leat_timers_fini(leat_core *core);
/* Timers are not taken back: who is called looks whether it still concerns him. */
void leat_timer_set(leat_core *core, leat_timer_kind kind, int64_t at_ms, uint64_t id, uint32_t n);
void leat_timers_due(leat_core *core);
/* Monotonic ms of the next one, INT64_MAX: none. */
int64_t leat_timers_next_ms(const leat_core *core);

#endif
