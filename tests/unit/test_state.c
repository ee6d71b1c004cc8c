/* The life of a job: every pair of state and event against the table of PROTOCOL.md, which is
 * written for people and is read here. */
#include "broker/core/state.h"

#include <stdio.h>

#include "broker/core/item.h"
#include "tests/lib/test.h"

#define PROTOCOL LEAT_SOURCE_DIR "/proto/PROTOCOL.md"
#define HEAD     "| state | event | becomes | costs |\n"

/* State, event, where it leads, what it costs. */
static struct row {
    leat_state from;
    leat_event event;
    leat_state to;
    leat_cost cost;
} rows[LEAT_STATE_COUNT * LEAT_EVENT_COUNT];
static size_t row_count;

/* The cell at *line, " word |"; *line goes on behind it. */
static void
must_read_cell(const char **line, char *cell, size_t size)
{
    const char *const end = strstr(*line, " |");
    const bool is_cell = **line == ' ' && end != NULL && (size_t)(end - *line) < size;
    cr_assert(is_cell, "no cell: %s", *line);
    (void)snprintf(cell, size, "%.*s", (int)(end - *line - 1), *line + 1);
    *line = end + 2;
}

static leat_state
must_find_state(const char *word)
{
    for (int s = 0; s < LEAT_STATE_COUNT; s++)
        if (strcmp(leat_state_name((leat_state)s), word) == 0)
            return (leat_state)s;
    cr_fatal("PROTOCOL.md: no state \"%s\"", word);
}

static leat_event
must_find_event(const char *word)
{
    for (int e = 0; e < LEAT_EVENT_COUNT; e++)
        if (strcmp(leat_event_name((leat_event)e), word) == 0)
            return (leat_event)e;
    cr_fatal("PROTOCOL.md: no event \"%s\"", word);
}

static leat_cost
must_find_cost(const char *word)
{
    static const char *const words[] = {
        [LEAT_COST_NONE] = "nothing",     [LEAT_COST_ATTEMPT] = "an attempt",
        [LEAT_COST_FAILED] = "a failure", [LEAT_COST_LOST] = "a loss",
        [LEAT_COST_SNOOZED] = "a snooze",
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], word) == 0)
            return (leat_cost)i;
    cr_fatal("PROTOCOL.md: no cost \"%s\"", word);
}

static const struct row *
find_row(leat_state from, leat_event event)
{
    for (size_t i = 0; i < row_count; i++)
        if (rows[i].from == from && rows[i].event == event)
            return &rows[i];
    return NULL;
}

static void
must_read_row(const char *line)
{
    char cell[32];
    struct row row;
    cr_assert(eq(chr, line[0], '|'), "%s", line);
    line++;
    must_read_cell(&line, cell, sizeof cell);
    row.from = must_find_state(cell);
    must_read_cell(&line, cell, sizeof cell);
    row.event = must_find_event(cell);
    must_read_cell(&line, cell, sizeof cell);
    row.to = must_find_state(cell);
    must_read_cell(&line, cell, sizeof cell);
    row.cost = must_find_cost(cell);
    cr_assert(eq(chr, line[0], '\n'), "%s", line);
    cr_assert(find_row(row.from, row.event) == NULL, "PROTOCOL.md: twice: %s, %s",
              leat_state_name(row.from), leat_event_name(row.event));
    rows[row_count++] = row;
}

static void
read_rows(void)
{
    char line[1024];
    FILE *const file = fopen(PROTOCOL, "rb");
    cr_assert(file != NULL, "%s", PROTOCOL);
    while (fgets(line, sizeof line, file) != NULL && strcmp(line, HEAD) != 0)
        ;
    cr_assert(fgets(line, sizeof line, file) != NULL, "%s has no table of states", PROTOCOL);
    while (fgets(line, sizeof line, file) != NULL && line[0] != '\n')
        must_read_row(line);
    (void)fclose(file);
}

TestSuite(state, .init = read_rows);

struct pair {
    leat_state state;
    leat_event event;
};

ParameterizedTestParameters(state, every_pair_leads_where_the_protocol_says)
{
    static struct pair pairs[LEAT_STATE_COUNT * LEAT_EVENT_COUNT];
    for (int s = 0; s < LEAT_STATE_COUNT; s++) {
        for (int e = 0; e < LEAT_EVENT_COUNT; e++)
            pairs[s * LEAT_EVENT_COUNT + e] = (struct pair){(leat_state)s, (leat_event)e};
    }
    return cr_make_param_array(struct pair, pairs, sizeof pairs / sizeof *pairs);
}

ParameterizedTest(struct pair *pair, state, every_pair_leads_where_the_protocol_says)
{
    const struct row *const row = find_row(pair->state, pair->event);
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
    cr_assert(gt(sz, row_count, 0));
    for (size_t i = 0; i < row_count; i++) {
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

Test(state, names_are_the_words_of_the_protocol)
{
    LEAT_SAME_TEXT(leat_state_name(LEAT_STATE_HELD), "held");
    LEAT_SAME_TEXT(leat_state_name(LEAT_STATE_SKIPPED), "skipped");
    LEAT_SAME_TEXT(leat_event_name(LEAT_EVENT_SNOOZED_OUT), "snoozed out");
    LEAT_SAME_TEXT(leat_event_name(LEAT_EVENT_EXPIRE), "expire");
}
