/* The life of a job, as one table. See state.h. */
#include "broker/core/state.h"

#include <assert.h>
#include <stddef.h>

/* One row per arrow. FINISH is accepted also when stopping: the canceller is then told TOO_LATE. */
static const struct {
    leat_state from;
    leat_event event;
    leat_state to;
    leat_cost cost;
} arrows[] = {
    {LEAT_STATE_DELAYED,  LEAT_EVENT_DUE,         LEAT_STATE_READY,     LEAT_COST_NONE   },
    {LEAT_STATE_HELD,     LEAT_EVENT_MET,         LEAT_STATE_READY,     LEAT_COST_NONE   },
    {LEAT_STATE_HELD,     LEAT_EVENT_UNMET,       LEAT_STATE_SKIPPED,   LEAT_COST_NONE   },
    {LEAT_STATE_READY,    LEAT_EVENT_LEASE,       LEAT_STATE_LEASED,    LEAT_COST_ATTEMPT},
    {LEAT_STATE_READY,    LEAT_EVENT_EXPIRE,      LEAT_STATE_EXPIRED,   LEAT_COST_NONE   },
    {LEAT_STATE_DELAYED,  LEAT_EVENT_EXPIRE,      LEAT_STATE_EXPIRED,   LEAT_COST_NONE   },
    {LEAT_STATE_HELD,     LEAT_EVENT_EXPIRE,      LEAT_STATE_EXPIRED,   LEAT_COST_NONE   },
    {LEAT_STATE_READY,    LEAT_EVENT_CANCEL,      LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_DELAYED,  LEAT_EVENT_CANCEL,      LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_HELD,     LEAT_EVENT_CANCEL,      LEAT_STATE_CANCELLED, LEAT_COST_NONE   },

    {LEAT_STATE_LEASED,   LEAT_EVENT_FINISH,      LEAT_STATE_DONE,      LEAT_COST_NONE   },
    {LEAT_STATE_LEASED,   LEAT_EVENT_RETRY,       LEAT_STATE_DELAYED,   LEAT_COST_FAILED },
    {LEAT_STATE_LEASED,   LEAT_EVENT_FAIL,        LEAT_STATE_DEAD,      LEAT_COST_FAILED },
    {LEAT_STATE_LEASED,   LEAT_EVENT_SNOOZE,      LEAT_STATE_DELAYED,   LEAT_COST_SNOOZED},
    {LEAT_STATE_LEASED,   LEAT_EVENT_SNOOZED_OUT, LEAT_STATE_DEAD,      LEAT_COST_SNOOZED},
    {LEAT_STATE_LEASED,   LEAT_EVENT_RELEASE,     LEAT_STATE_READY,     LEAT_COST_NONE   },
    {LEAT_STATE_LEASED,   LEAT_EVENT_LOSE,        LEAT_STATE_READY,     LEAT_COST_LOST   },
    {LEAT_STATE_LEASED,   LEAT_EVENT_POISON,      LEAT_STATE_DEAD,      LEAT_COST_LOST   },
    {LEAT_STATE_LEASED,   LEAT_EVENT_CANCEL,      LEAT_STATE_STOPPING,  LEAT_COST_NONE   },
    {LEAT_STATE_LEASED,   LEAT_EVENT_LIMIT,       LEAT_STATE_OVERDUE,   LEAT_COST_NONE   },

    {LEAT_STATE_STOPPING, LEAT_EVENT_FINISH,      LEAT_STATE_DONE,      LEAT_COST_NONE   },
    {LEAT_STATE_STOPPING, LEAT_EVENT_RETRY,       LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_STOPPING, LEAT_EVENT_FAIL,        LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_STOPPING, LEAT_EVENT_SNOOZE,      LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_STOPPING, LEAT_EVENT_SNOOZED_OUT, LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_STOPPING, LEAT_EVENT_RELEASE,     LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_STOPPING, LEAT_EVENT_LOSE,        LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_STOPPING, LEAT_EVENT_POISON,      LEAT_STATE_CANCELLED, LEAT_COST_NONE   },

 /* Over its limit: whatever comes but a result is a timeout, and a timeout is a failure. */
    {LEAT_STATE_OVERDUE,  LEAT_EVENT_FINISH,      LEAT_STATE_DONE,      LEAT_COST_NONE   },
    {LEAT_STATE_OVERDUE,  LEAT_EVENT_RETRY,       LEAT_STATE_DELAYED,   LEAT_COST_FAILED },
    {LEAT_STATE_OVERDUE,  LEAT_EVENT_FAIL,        LEAT_STATE_DEAD,      LEAT_COST_FAILED },
    {LEAT_STATE_OVERDUE,  LEAT_EVENT_CANCEL,      LEAT_STATE_STOPPING,  LEAT_COST_NONE   },
};

leat_err
leat_state_next(leat_state state, leat_event event, leat_state *to, leat_cost *cost)
{
    assert(state < LEAT_STATE_COUNT);
    assert(event < LEAT_EVENT_COUNT);

    for (size_t i = 0; i < sizeof arrows / sizeof *arrows; i++) {
        if (arrows[i].from == state && arrows[i].event == event) {
            *to = arrows[i].to;
            *cost = arrows[i].cost;
            return LEAT_ERR_OK;
        }
    }
    return LEAT_ERR_BAD_STATE;
}

const char *
leat_state_name(leat_state state)
{
    static const char *const names[] = {
#define LEAT_STATE_WORD(name, number, word) [number] = (word),
        LEAT_STATE_MAP(LEAT_STATE_WORD)
#undef LEAT_STATE_WORD
    };
    assert(state < LEAT_STATE_COUNT);
    return names[state];
}

const char *
leat_event_name(leat_event event)
{
    static const char *const names[] = {
#define LEAT_EVENT_WORD(name, word) (word),
        LEAT_EVENT_MAP(LEAT_EVENT_WORD)
#undef LEAT_EVENT_WORD
    };
    assert(event < LEAT_EVENT_COUNT);
    return names[event];
}
