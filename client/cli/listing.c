/* Queries that answer in parts. See listing.h. */
#include "client/cli/listing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/json.h"
#include "client/cli/when.h"
#include "proto/base/clock.h"

typedef struct entry {
    uint64_t number;
    cJSON *row; /* owned */
} entry;

/* One more than is wanted is kept: it tells that there are more. */
typedef struct rows {
    const leat_listing *what;
    entry *entries; /* owned; in order */
    size_t count;
    size_t capacity;
} rows;

/* Where the number stands, or belongs. */
static size_t
place_of(const rows *self, uint64_t number)
{
    size_t low = 0;
    size_t high = self->what->order == NULL ? 0 : self->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const uint64_t other = self->entries[middle].number;
        if (self->what->falling ? other > number : other < number)
            low = middle + 1;
        else
            high = middle;
    }
    return self->what->order == NULL ? self->count : low;
}

static bool
has_room(rows *self)
{
    if (self->count < self->capacity)
        return true;
    const size_t capacity = self->capacity == 0 ? 64 : self->capacity * 2;
    entry *const entries = realloc(self->entries, capacity * sizeof *entries);
    if (entries == NULL)
        return false;
    self->entries = entries;
    self->capacity = capacity;
    return true;
}

/* row is taken. false: memory ran out. */
static bool
add(rows *self, cJSON *row)
{
    const uint64_t number = self->what->order == NULL ? 0 : leat_json_count(row, self->what->order);
    const size_t at = place_of(self, number);
    const bool is_known =
        self->what->order != NULL && at < self->count && self->entries[at].number == number;
    if (is_known || at > self->what->rows_max) {
        cJSON_Delete(row);
        return true;
    }
    if (self->count > self->what->rows_max)
        cJSON_Delete(self->entries[--self->count].row);
    if (!has_room(self)) {
        cJSON_Delete(row);
        return false;
    }
    memmove(&self->entries[at + 1], &self->entries[at], (self->count - at) * sizeof *self->entries);
    self->entries[at] = (entry){.number = number, .row = row};
    self->count++;
    return true;
}

static bool
is_full(const rows *self)
{
    return self->count > self->what->rows_max;
}

/* One part. *cursor: where the next one goes on, empty at the end. */
static int
ask(leat_cli *cli, rows *self, cJSON *arguments, cJSON **answer_p)
{
    const char *json = NULL;
    char *const text = cJSON_PrintUnformatted(arguments);
    int code = text == NULL ? leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory")
                            : leat_cli_query(cli, self->what->query, text, &json);
    cJSON_free(text);
    if (code != LEAT_EXIT_OK)
        return code;
    cJSON *const answer = cJSON_Parse(json);
    cJSON *const list = cJSON_GetObjectItemCaseSensitive(answer, self->what->key);
    if (!cJSON_IsArray(list))
        code = leat_cli_fail(cli, LEAT_EXIT_LEAT, "PROTOCOL", NULL,
                             "the broker's answer is not understood");
    while (code == LEAT_EXIT_OK && cJSON_GetArraySize(list) > 0) {
        if (!add(self, cJSON_DetachItemFromArray(list, 0)))
            code = leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    }
    cJSON_Delete(*answer_p);
    *answer_p = answer;
    return code;
}

static void
set_text(cJSON *arguments, const char *key, const char *text)
{
    cJSON_DeleteItemFromObjectCaseSensitive(arguments, key);
    (void)cJSON_AddStringToObject(arguments, key, text);
}

/* Rows into the last answer. */
static void
finish(rows *self, cJSON *answer)
{
    cJSON *const list = cJSON_GetObjectItemCaseSensitive(answer, self->what->key);
    const size_t shown = is_full(self) ? self->what->rows_max : self->count;
    for (size_t i = 0; i < shown; i++) {
        (void)cJSON_AddItemToArray(list, self->entries[i].row);
        self->entries[i].row = NULL;
    }
    cJSON_DeleteItemFromObjectCaseSensitive(answer, "cursor");
    (void)cJSON_AddBoolToObject(answer, "more", is_full(self));
}

int
leat_listing_ask(leat_cli *cli, const leat_listing *what, cJSON **arguments_p, cJSON **answer_p)
{
    rows self = {.what = what};
    cJSON *const arguments = *arguments_p == NULL ? cJSON_CreateObject() : *arguments_p;
    char cursor[100] = "";
    int code = LEAT_EXIT_OK;
    *arguments_p = NULL;
    *answer_p = NULL;
    do {
        set_text(arguments, "cursor", cursor);
        if (what->order != NULL && is_full(&self)) {
            char bound[24];
            (void)snprintf(bound, sizeof bound, "%" PRIu64, self.entries[what->rows_max].number);
            set_text(arguments, what->falling ? "above" : "below", bound);
        }
        code = ask(cli, &self, arguments, answer_p);
        (void)snprintf(cursor, sizeof cursor, "%s", leat_json_string(*answer_p, "cursor"));
        /* Where nothing is put in order, what comes later is not shown. */
    } while (code == LEAT_EXIT_OK && *cursor != '\0' && !(what->order == NULL && is_full(&self)));
    if (code == LEAT_EXIT_OK)
        finish(&self, *answer_p);
    for (size_t i = 0; i < self.count; i++)
        cJSON_Delete(self.entries[i].row);
    free(self.entries);
    cJSON_Delete(arguments);
    if (code != LEAT_EXIT_OK) {
        cJSON_Delete(*answer_p);
        *answer_p = NULL;
    }
    return code;
}

int
leat_listing_since(const leat_cli *cli, cJSON *arguments)
{
    int64_t since_ms;
    const char *const text = leat_options_text(cli->options, "since");
    if (text == NULL)
        return LEAT_EXIT_OK;
    if (!leat_when_since(text, leat_clock_wall_ms(), &since_ms))
        return leat_cli_usage(cli,
                              "--since \"%.100s\": so long ago (90s, 2h), the last 18:30, or "
                              "2030-05-01T18:30:00Z",
                              text);
    (void)cJSON_AddNumberToObject(arguments, "since_ms", (double)since_ms);
    return LEAT_EXIT_OK;
}
