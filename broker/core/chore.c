/* What an admin may ask of the disk store beside its work: a backup, a check. The store does them
 * in its own time; here they are begun, and asked how they stand. */
#include "broker/core/chore.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/core/steer.h"

static leat_err
start(struct leat_steering *s, leat_chore_kind kind, const char *target)
{
    char why[512] = "";
    if (s->peer->principal != LEAT_PRINCIPAL_LOCAL && !s->peer->is_admin) {
        (void)snprintf(s->message, sizeof s->message, "the store is for keys with the role admin");
        return LEAT_ERR_DENIED;
    }
    leat_store *const store = s->core->books[LEAT_DISK].store;
    const leat_err err = leat_store_start_chore(store, kind, target, why);
    if (err != LEAT_ERR_OK)
        (void)snprintf(s->message, sizeof s->message, "%.255s", why);
    return err;
}

leat_err
leat_chore_backup(struct leat_steering *s)
{
    const char *to;
    if (!leat_json_text(s->arguments, "to", &to) || to[0] != '/')
        return leat_steer_bad(s, "\"to\" is the absolute path of a new folder");
    return start(s, LEAT_CHORE_BACKUP, to);
}

leat_err
leat_chore_check(struct leat_steering *s)
{
    return start(s, LEAT_CHORE_CHECK, "");
}

cJSON *
leat_chore_query(leat_core *core)
{
    static const char *const names[] = {"none", "backup", "check"};
    leat_chore *const chore = malloc(sizeof *chore);
    cJSON *const json = cJSON_CreateObject();
    if (chore == NULL || json == NULL) {
        free(chore);
        cJSON_Delete(json);
        return NULL;
    }
    leat_store_get_chore(core->books[LEAT_DISK].store, chore);
    (void)cJSON_AddStringToObject(json, "chore", names[chore->kind]);
    (void)cJSON_AddBoolToObject(json, "running", chore->running);
    if (chore->err != LEAT_ERR_OK) {
        cJSON *const error = cJSON_AddObjectToObject(json, "error");
        (void)cJSON_AddStringToObject(error, "code", leat_err_name(chore->err));
        (void)cJSON_AddStringToObject(error, "message", chore->sentence);
    }
    (void)leat_json_add_u64(json, "bytes", chore->bytes);
    (void)leat_json_add_u64(json, "pages", chore->pages);
    (void)leat_json_add_u64(json, "rows", chore->rows);
    (void)leat_json_add_u64(json, "findings", chore->findings);
    cJSON *const found = cJSON_AddArrayToObject(json, "found");
    for (uint64_t i = 0; i < chore->findings && i < LEAT_CHORE_FOUND_MAX; i++)
        (void)cJSON_AddItemToArray(found, cJSON_CreateString(chore->found[i]));
    free(chore);
    return json;
}
