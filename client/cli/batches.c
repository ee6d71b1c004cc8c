/* Operands that name batches, and what the broker knows of a batch. */
#include "client/cli/batches.h"

#include <inttypes.h>
#include <stdio.h>

#include "client/cli/json.h"
#include "client/cli/listing.h"
#include "client/cli/state.h"

/* The newest batch of this name. */
static int
find_name(leat_cli *cli, leat_selector *out)
{
    cJSON *answer = NULL;
    const leat_listing what = {
        .query = "batch.list", .key = "batches", .order = "id", .falling = true, .rows_max = 1};
    int code = leat_cli_check_name(cli, "the batch", out->name);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    cJSON *arguments = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(arguments, "name", out->name);
    (void)cJSON_AddStringToObject(arguments, "state", "all");
    code = leat_listing_ask(cli, &what, &arguments, &answer);
    const cJSON *const list = cJSON_GetObjectItemCaseSensitive(answer, "batches");
    out->kind = LEAT_SELECTOR_BATCH;
    out->batch = leat_json_count(cJSON_GetArrayItem(list, 0), "id");
    if (code == LEAT_EXIT_OK && out->batch == 0)
        code = leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND",
                             "Those there are: leat list --state all",
                             "there is no batch named \"%s\"", out->name);
    cJSON_Delete(answer);
    return code;
}

int
leat_batches_select(leat_cli *cli, const char *text, leat_selector *out)
{
    const char *why;
    if (!leat_selector_parse(text, out, &why))
        return leat_cli_usage(cli, "\"%.100s\" names no batch or job: %s", text, why);
    if (out->kind == LEAT_SELECTOR_ALL)
        return leat_cli_usage(
            cli, "\"%.100s\" is not understood here: give the number of a batch, or last", text);
    if (out->kind == LEAT_SELECTOR_NAME)
        return find_name(cli, out);
    if (out->kind != LEAT_SELECTOR_LAST)
        return LEAT_EXIT_OK;
    out->kind = LEAT_SELECTOR_BATCH;
    out->batch = leat_state_last();
    if (out->batch != 0)
        return LEAT_EXIT_OK;
    return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", "Name one: leat wait 42",
                         "there is no last batch: nothing has been submitted from here");
}

int
leat_batches_number(leat_cli *cli, const char *text, uint64_t *batch)
{
    leat_selector selector;
    const int code = leat_batches_select(cli, text, &selector);
    if (code != LEAT_EXIT_OK)
        return code;
    if (selector.kind != LEAT_SELECTOR_BATCH)
        return leat_cli_usage(
            cli, "\"%.100s\" names jobs; this command takes whole batches (%" PRIu64 ")", text,
            selector.batch);
    *batch = selector.batch;
    return LEAT_EXIT_OK;
}

bool
leat_batches_has(const leat_selector *which, const leat_completed *done)
{
    switch (which->kind) {
    case LEAT_SELECTOR_JOBS:
        return done->place >= which->first && done->place <= which->last;
    case LEAT_SELECTOR_FAILED:
        return done->outcome != LEAT_DONE;
    case LEAT_SELECTOR_BATCH:
    case LEAT_SELECTOR_NAME:
    case LEAT_SELECTOR_LAST:
    case LEAT_SELECTOR_ALL:
    default:
        return true;
    }
}

void
leat_batches_words(const leat_selector *which, char *out, size_t size)
{
    if (which->kind != LEAT_SELECTOR_JOBS)
        (void)snprintf(out, size, "batch %" PRIu64, which->batch);
    else if (which->first == which->last)
        (void)snprintf(out, size, "job %" PRIu64 "/%" PRIu64, which->batch, which->first);
    else
        (void)snprintf(out, size, "jobs %" PRIu64 "/%" PRIu64 "-%" PRIu64, which->batch,
                       which->first, which->last);
}

const char *
leat_batches_labels(const cJSON *batch, char out[LEAT_LABELS_BYTES_MAX + 1])
{
    size_t used = 0;
    const cJSON *label;
    *out = '\0';
    cJSON_ArrayForEach(label, cJSON_GetObjectItemCaseSensitive(batch, "labels"))
    {
        const size_t room = LEAT_LABELS_BYTES_MAX + 1 - used;
        const int wrote = snprintf(out + used, room, "%s%s=%s", used > 0 ? "," : "", label->string,
                                   cJSON_IsString(label) ? label->valuestring : "");
        if (wrote < 0 || (size_t)wrote >= room)
            break;
        used += (size_t)wrote;
    }
    return out;
}

const char *
leat_batches_outcome(int outcome)
{
    static const char *const words[] = {"?", "done", "dead", "cancelled", "expired", "skipped"};
    return outcome >= LEAT_DONE && outcome <= LEAT_SKIPPED ? words[outcome] : words[0];
}

int
leat_batches_ask(leat_cli *cli, uint64_t batch, leat_status *status, cJSON **json)
{
    char arguments[64];
    char what[48];
    const char *text;
    *json = NULL;
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%" PRIu64 "\"}", batch);
    (void)snprintf(what, sizeof what, "batch %" PRIu64, batch);
    const leat_status got = leat_query(cli->broker, "status", arguments, &text);
    if (status != NULL)
        *status = got;
    if (got != LEAT_OK) {
        if (status != NULL)
            return LEAT_EXIT_LEAT;
        if (got == LEAT_NOT_FOUND)
            return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", NULL, "%s",
                                 leat_sentence(cli->broker));
        return leat_cli_failed(cli, got, what);
    }
    cJSON *const answer = cJSON_Parse(text);
    *json = cJSON_DetachItemFromObjectCaseSensitive(answer, "batch");
    cJSON_Delete(answer);
    if (*json != NULL)
        return LEAT_EXIT_OK;
    if (status != NULL) {
        *status = LEAT_REFUSED;
        return LEAT_EXIT_LEAT;
    }
    return leat_cli_fail(cli, LEAT_EXIT_LEAT, "PROTOCOL", NULL,
                         "%s: the broker's answer is not understood", what);
}
