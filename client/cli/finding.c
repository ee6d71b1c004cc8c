/* Findings. See finding.h. */
#include "client/cli/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/json.h"

#define FOUND_BYTES 1024U

static const char *const words[] = {"ok", "warn", "fail", "unknown"};

const char *
leat_finding_word(leat_finding_state state)
{
    return words[state];
}

void
leat_findings_add(leat_findings *all,
                  leat_finding_state state,
                  const char *check,
                  const char *advice,
                  const char *format,
                  ...)
{
    char found[FOUND_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(found, sizeof found, format, arguments);
    va_end(arguments);
    if (all->list == NULL)
        all->list = cJSON_CreateArray();
    cJSON *const one = cJSON_CreateObject();
    (void)cJSON_AddItemToArray(all->list, one);
    (void)cJSON_AddStringToObject(one, "check", check);
    (void)cJSON_AddStringToObject(one, "state", words[state]);
    leat_json_put_bytes(one, "found", found, strlen(found));
    leat_json_put_bytes(one, "advice", advice, strlen(advice));
    all->warnings += state == LEAT_FINDING_WARN;
    all->failures += state == LEAT_FINDING_FAIL;
    if (state > all->worst)
        all->worst = state;
}

/* "warn  disk      1.2 GiB free …", and below it what to do. */
static void
print_one(const leat_cli *cli, const cJSON *one)
{
    char found[2 * FOUND_BYTES];
    char advice[2 * FOUND_BYTES];
    const char *const said = leat_json_string(one, "found");
    const char *const told = leat_json_string(one, "advice");
    const char *const state = leat_json_string(one, "state");
    (void)leat_screen_safe(said, strlen(said), cli->out.utf8, 0, found, sizeof found);
    (void)leat_screen_safe(told, strlen(told), cli->out.utf8, 0, advice, sizeof advice);
    if (cli->plain) {
        (void)printf("%s\t%s\t%s\t%s\n", state, leat_json_string(one, "check"), found, advice);
        return;
    }
    (void)printf("%-5s %-11s %s\n", state, leat_json_string(one, "check"), found);
    if (*advice != '\0')
        (void)printf("%-17s %s %s\n", "", cli->out.utf8 ? "→" : "->", advice);
}

int
leat_findings_print(const leat_cli *cli, leat_findings *all)
{
    const cJSON *one;
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(json, "state", words[all->worst]);
        (void)cJSON_AddItemToObject(json, "checks", all->list);
        all->list = NULL;
        (void)leat_json_print(&json, stdout);
        return (int)all->worst;
    }
    cJSON_ArrayForEach(one, all->list)
    {
        print_one(cli, one);
    }
    cJSON_Delete(all->list);
    all->list = NULL;
    if (all->failures > 0 || all->warnings > 0)
        leat_cli_say(cli, "%u failed, %u to look at", all->failures, all->warnings);
    else
        leat_cli_say(cli, "nothing to do");
    return (int)all->worst;
}
