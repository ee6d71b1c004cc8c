/* The life of a job: every pair of state and event against the rows of the design, written out
 * again. */
#include "broker/core/state.h"

#include "broker/core/item.h"
#include "tests/lib/test.h"

/* State, event, where it leads, what it costs. */
static const struct row {
    leat_state from;
    leat_event event;
    leat_state to;
    leat_cost cost;
} rows[] = {
    {LEAT_STATE_DELAYED,  LEAT_EVENT_DUE,         LEAT_STATE_READY,     LEAT_COST_NONE   },
    {LEAT_STATE_DELAYED,  LEAT_EVENT_CANCEL,      LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_DELAYED,  LEAT_EVENT_EXPIRE,      LEAT_STATE_EXPIRED,   LEAT_COST_NONE   },
    {LEAT_STATE_HELD,     LEAT_EVENT_MET,         LEAT_STATE_READY,     LEAT_COST_NONE   },
    {LEAT_STATE_HELD,     LEAT_EVENT_UNMET,       LEAT_STATE_SKIPPED,   LEAT_COST_NONE   },
    {LEAT_STATE_HELD,     LEAT_EVENT_CANCEL,      LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_HELD,     LEAT_EVENT_EXPIRE,      LEAT_STATE_EXPIRED,   LEAT_COST_NONE   },
    {LEAT_STATE_READY,    LEAT_EVENT_LEASE,       LEAT_STATE_LEASED,    LEAT_COST_ATTEMPT},
    {LEAT_STATE_READY,    LEAT_EVENT_CANCEL,      LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_READY,    LEAT_EVENT_EXPIRE,      LEAT_STATE_EXPIRED,   LEAT_COST_NONE   },
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
 /* told to stop by a cancel: a result still counts, all else is the cancel's end */
    {LEAT_STATE_STOPPING, LEAT_EVENT_FINISH,      LEAT_STATE_DONE,      LEAT_COST_NONE   },
    {LEAT_STATE_STOPPING, LEAT_EVENT_RETRY,       LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_STOPPING, LEAT_EVENT_FAIL,        LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_STOPPING, LEAT_EVENT_SNOOZE,      LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_STOPPING, LEAT_EVENT_SNOOZED_OUT, LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_STOPPING, LEAT_EVENT_RELEASE,     LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_STOPPING, LEAT_EVENT_LOSE,        LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
    {LEAT_STATE_STOPPING, LEAT_EVENT_POISON,      LEAT_STATE_CANCELLED, LEAT_COST_NONE   },
 /* told to stop over its run limit: a timeout is a failure */
    {LEAT_STATE_OVERDUE,  LEAT_EVENT_FINISH,      LEAT_STATE_DONE,      LEAT_COST_NONE   },
    {LEAT_STATE_OVERDUE,  LEAT_EVENT_RETRY,       LEAT_STATE_DELAYED,   LEAT_COST_FAILED },
    {LEAT_STATE_OVERDUE,  LEAT_EVENT_FAIL,        LEAT_STATE_DEAD,      LEAT_COST_FAILED },
    {LEAT_STATE_OVERDUE,  LEAT_EVENT_CANCEL,      LEAT_STATE_STOPPING,  LEAT_COST_NONE   },
};

struct pair {
    leat_state state;
    leat_event event;
};

ParameterizedTestParameters(state, every_pair_leads_where_the_design_says)
{
    static struct pair pairs[LEAT_STATE_COUNT * LEAT_EVENT_COUNT];
    for (int s = 0; s < LEAT_STATE_COUNT; s++) {
        for (int e = 0; e < LEAT_EVENT_COUNT; e++)
            pairs[s * LEAT_EVENT_COUNT + e] = (struct pair){(leat_state)s, (leat_event)e};
    }
    return cr_make_param_array(struct pair, pairs, sizeof pairs / sizeof *pairs);
}

ParameterizedTest(struct pair *pair, state, every_pair_leads_where_the_design_says)
{
    const struct row *row = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].from == pair->state && rows[i].event == pair->event)
            row = &rows[i];
    }
    leat_state to = LEAT_STATE_SKIPPED;
    leat_cost cost = LEAT_COST_SNOOZED;

    const leat_err err = leat_state_next(pair->state, pair->event, &to, &cost);

    cr_log_info("%s, %s", leat_state_name(pair->state), leat_event_name(pair->event));
    if (row == NULL) {
        cr_assert(eq(int, (int)err, LEAT_ERR_BAD_STATE));
        cr_assert(eq(int, (int)to, LEAT_STATE_SKIPPED));
        cr_assert(eq(int, (int)cost, LEAT_COST_SNOOZED));
    } else {
        cr_assert(eq(int, (int)err, LEAT_ERR_OK));
        cr_assert(eq(int, (int)to, (int)row->to));
        cr_assert(eq(int, (int)cost, (int)row->cost));
    }
}

Test(state, an_item_pays_what_the_row_costs)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        leat_item item = {.id = 1};
        leat_item_restore(&item, rows[i].from);

        LEAT_PASS(leat_item_apply(&item, rows[i].event));

        cr_assert(eq(int, (int)item.state, (int)rows[i].to));
        cr_assert(eq(u32, item.attempt, rows[i].cost == LEAT_COST_ATTEMPT));
        cr_assert(eq(u32, item.failed, rows[i].cost == LEAT_COST_FAILED));
        cr_assert(eq(u32, item.lost, rows[i].cost == LEAT_COST_LOST));
        cr_assert(eq(u32, item.snoozed, rows[i].cost == LEAT_COST_SNOOZED));
    }
}

Test(state, a_refused_event_leaves_the_item_as_it_was)
{
    leat_item item = {.id = 1, .attempt = 2, .failed = 1};
    leat_item_restore(&item, LEAT_STATE_DONE);

    LEAT_FAILS(leat_item_apply(&item, LEAT_EVENT_LEASE), LEAT_ERR_BAD_STATE);

    cr_assert(eq(int, (int)item.state, LEAT_STATE_DONE));
    cr_assert(eq(u32, item.attempt, 2));
    cr_assert(eq(u32, item.failed, 1));
}

Test(state, no_event_leads_out_of_an_end)
{
    for (int s = 0; s < LEAT_STATE_COUNT; s++) {
        unsigned arrows = 0;
        for (int e = 0; e < LEAT_EVENT_COUNT; e++) {
            leat_state to;
            leat_cost cost;
            arrows += leat_state_next((leat_state)s, (leat_event)e, &to, &cost) == LEAT_ERR_OK;
        }
        cr_assert(eq(int, arrows == 0, leat_state_is_final((leat_state)s)));
    }
}

Test(state, names_are_the_words_of_the_design)
{
    LEAT_SAME_TEXT(leat_state_name(LEAT_STATE_HELD), "held");
    LEAT_SAME_TEXT(leat_state_name(LEAT_STATE_SKIPPED), "skipped");
    LEAT_SAME_TEXT(leat_event_name(LEAT_EVENT_SNOOZED_OUT), "snoozed out");
    LEAT_SAME_TEXT(leat_event_name(LEAT_EVENT_EXPIRE), "expire");
}
