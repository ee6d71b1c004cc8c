/* --check, --backup and --compact. See verb.h. */
#include "broker/verb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include "broker/store/offline.h"

#define EXIT_DAMAGED 1
#define EXIT_USAGE   2
#define EXIT_DENIED  4
#define EXIT_CANNOT  125

struct verb {
    const leat_broker_options *options;
    leat_chore chore;
    char why[512];
};

static int
complain(const struct verb *v, leat_err err)
{
    (void)fprintf(stderr, "leat-broker: %s\n", v->why[0] != '\0' ? v->why : leat_err_message(err));
    return err == LEAT_ERR_CONFIG ? EXIT_USAGE : err == LEAT_ERR_DENIED ? EXIT_DENIED : EXIT_CANNOT;
}

/* json is taken. */
static void
print_json(cJSON *json)
{
    char *const text = cJSON_PrintUnformatted(json);
    if (text != NULL)
        (void)puts(text);
    cJSON_free(text);
    cJSON_Delete(json);
}

/* --------------------------------------------------------------------------------------- check */

static void
print_check(const struct verb *v)
{
    const leat_chore *const chore = &v->chore;
    const uint64_t shown =
        chore->findings < LEAT_CHORE_FOUND_MAX ? chore->findings : LEAT_CHORE_FOUND_MAX;
    if (v->options->json) {
        cJSON *const json = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(json, "data", v->options->data);
        (void)cJSON_AddBoolToObject(json, "damaged", chore->findings > 0);
        (void)cJSON_AddNumberToObject(json, "findings", (double)chore->findings);
        cJSON *const list = cJSON_AddArrayToObject(json, "found");
        for (uint64_t i = 0; i < shown; i++)
            (void)cJSON_AddItemToArray(list, cJSON_CreateString(chore->found[i]));
        (void)cJSON_AddNumberToObject(json, "pages", (double)chore->pages);
        (void)cJSON_AddNumberToObject(json, "rows", (double)chore->rows);
        print_json(json);
        return;
    }
    for (uint64_t i = 0; i < shown; i++)
        (void)printf("%s\n", chore->found[i]);
    if (shown < chore->findings)
        (void)printf("… and %" PRIu64 " more\n", chore->findings - shown);
    if (chore->findings > 0)
        (void)printf("%s: damaged in %" PRIu64 " place%s. Nothing was changed.\n", v->options->data,
                     chore->findings, chore->findings == 1 ? "" : "s");
    else
        (void)printf("%s: nothing is damaged (%" PRIu64 " pages, %" PRIu64 " rows)\n",
                     v->options->data, chore->pages, chore->rows);
}

static int
check(struct verb *v)
{
    const leat_err err = leat_offline_check(v->options->data, &v->chore, v->why);
    if (err != LEAT_ERR_OK)
        return complain(v, err);
    print_check(v);
    return v->chore.findings > 0 ? EXIT_DAMAGED : 0;
}

/* -------------------------------------------------------------------------- backup, compact */

static int
backup(struct verb *v)
{
    const char *const to = v->options->target;
    uint64_t bytes = 0;
    const leat_err err = leat_offline_backup(v->options->data, to, &bytes, v->why);
    if (err != LEAT_ERR_OK)
        return complain(v, err);
    if (v->options->json) {
        cJSON *const json = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(json, "to", to);
        (void)cJSON_AddNumberToObject(json, "bytes", (double)bytes);
        print_json(json);
    } else {
        (void)printf("%s: %" PRIu64 " KiB, checked\n", to, (bytes + 1023) >> 10);
    }
    return 0;
}

static int
compact(struct verb *v)
{
    const char *const data = v->options->data;
    uint64_t before = 0;
    uint64_t after = 0;
    const leat_err err = leat_offline_compact(data, &before, &after, v->why);
    if (err != LEAT_ERR_OK)
        return complain(v, err);
    if (v->options->json) {
        cJSON *const json = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(json, "data", data);
        (void)cJSON_AddNumberToObject(json, "bytes_before", (double)before);
        (void)cJSON_AddNumberToObject(json, "bytes", (double)after);
        print_json(json);
    } else {
        (void)printf("%s: %" PRIu64 " KiB, before %" PRIu64 " KiB\n", data, (after + 1023) >> 10,
                     (before + 1023) >> 10);
    }
    return 0;
}

int
leat_verb_run(const leat_broker_options *options)
{
    struct verb *const v = calloc(1, sizeof *v);
    if (v == NULL)
        return EXIT_CANNOT;
    v->options = options;
    const int code = options->verb == LEAT_VERB_CHECK    ? check(v)
                     : options->verb == LEAT_VERB_BACKUP ? backup(v)
                                                         : compact(v);
    free(v);
    return fflush(stdout) == 0 ? code : EXIT_CANNOT;
}
