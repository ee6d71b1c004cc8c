/* leat store check, backup, compact: what is on disk. The broker that has the store does it; where
 * none answers, or --data names a folder, this program becomes leat-broker, which can do it too. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/child.h"
#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/state.h"
#include "client/cli/stop.h"
#include "proto/base/log.h"

#define TRY_MS  500
#define LOOK_US 20000

/* ---- without a broker ---- */

/* Become leat-broker with one of its options; returns only when that cannot be. */
static int
become_broker(leat_cli *cli, const char *verb, const char *target)
{
    const char *const data = leat_options_text(cli->options, "data");
    char path[LEAT_PATH_BYTES];
    char reason[64];
    char *argv[8];
    size_t n = 0;
    if (leat_program_find("leat-broker", path, sizeof path) != LEAT_ERR_OK)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_PROGRAM",
                             "Say where it is: LEAT_BIN_DIR=/folder leat …",
                             "no program leat-broker beside leat or in PATH");
    const char *const words[] = {"leat-broker", verb,
                                 target,        data == NULL ? NULL : "--data",
                                 data,          cli->json ? "--json" : NULL};
    for (size_t i = 0; i < LEAT_COUNT_OF(words); i++) {
        if (words[i] != NULL)
            memcpy(&argv[n++], &words[i], sizeof words[i]); /* exec takes them without const */
    }
    argv[n] = NULL;
    leat_cli_disconnect(cli);
    (void)fflush(stdout);
    (void)execv(path, argv);
    return leat_cli_fail(cli, LEAT_EXIT_NO_EXEC, "NO_EXEC", NULL, "cannot run %s: %s", path,
                         leat_log_errno_text(errno, reason, sizeof reason));
}

/* Is there a broker to ask? false with *code LEAT_EXIT_OK: nobody is there, and nobody was named.
 */
static bool
is_asked(leat_cli *cli, int *code)
{
    *code = LEAT_EXIT_OK;
    if (leat_options_text(cli->options, "data") != NULL)
        return false;
    const leat_status status = leat_cli_try(cli, TRY_MS);
    if (status == LEAT_OK)
        return true;
    const bool named = leat_options_text(cli->options, "broker") != NULL;
    if (status == LEAT_NO_BROKER && !named)
        return false;
    *code = leat_cli_failed(cli, status, NULL);
    if (status == LEAT_NO_BROKER)
        leat_cli_say(cli, "a store that no broker runs on is named by --data DIR");
    return false;
}

/* ---- by the broker ---- */

/* Begin, and wait for the end. On LEAT_EXIT_OK *end_p is what the broker tells of it. */
static int
ask(leat_cli *cli, const char *name, cJSON **arguments_p, const char *what, cJSON **end_p)
{
    cJSON *answer = NULL;
    const char *text;
    int code = leat_cli_do(cli, name, arguments_p, what, &answer);
    cJSON_Delete(answer);
    while (code == LEAT_EXIT_OK) {
        code = leat_cli_query(cli, "store", NULL, &text);
        cJSON *const end = code == LEAT_EXIT_OK ? cJSON_Parse(text) : NULL;
        if (code == LEAT_EXIT_OK && end == NULL)
            return leat_cli_fail(cli, LEAT_EXIT_LEAT, "PROTOCOL", NULL,
                                 "the broker's answer is not understood");
        if (end != NULL && !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(end, "running"))) {
            *end_p = end;
            return LEAT_EXIT_OK;
        }
        cJSON_Delete(end);
        if (leat_stop_signal() != 0) {
            leat_cli_say(cli, "the broker goes on with it");
            return 128 + leat_stop_signal();
        }
        (void)usleep(LOOK_US);
    }
    return code;
}

/* What the broker could not do; LEAT_EXIT_OK: it could. */
static int
code_of(const leat_cli *cli, const cJSON *end)
{
    const cJSON *const error = cJSON_GetObjectItemCaseSensitive(end, "error");
    if (error == NULL)
        return LEAT_EXIT_OK;
    const char *const code = leat_json_string(error, "code");
    return leat_cli_fail(cli,
                         strcmp(code, "CONFIG") == 0   ? LEAT_EXIT_USAGE
                         : strcmp(code, "DENIED") == 0 ? LEAT_EXIT_DENIED
                                                       : LEAT_EXIT_LEAT,
                         code, NULL, "%s", leat_json_string(error, "message"));
}

static void
print_check(const leat_cli *cli, const cJSON *end)
{
    const char *const place = leat_cli_place(leat_endpoint(cli->broker));
    const uint64_t findings = leat_json_count(end, "findings");
    const cJSON *const found = cJSON_GetObjectItemCaseSensitive(end, "found");
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(json, "broker", leat_endpoint(cli->broker));
        (void)cJSON_AddBoolToObject(json, "damaged", findings > 0);
        (void)cJSON_AddNumberToObject(json, "findings", (double)findings);
        (void)cJSON_AddItemToObject(json, "found", cJSON_Duplicate(found, true));
        (void)cJSON_AddNumberToObject(json, "pages", (double)leat_json_count(end, "pages"));
        (void)cJSON_AddNumberToObject(json, "rows", (double)leat_json_count(end, "rows"));
        (void)leat_json_print(&json, stdout);
        return;
    }
    const cJSON *row;
    uint64_t shown = 0;
    cJSON_ArrayForEach(row, found)
    {
        if (cJSON_IsString(row))
            (void)printf("%s\n", row->valuestring);
        shown++;
    }
    if (findings > shown)
        (void)printf("… and %" PRIu64 " more\n", findings - shown);
    if (findings > 0)
        (void)printf("the store of the broker at %s: damaged in %" PRIu64
                     " place%s. Nothing was changed.\n",
                     place, findings, findings == 1 ? "" : "s");
    else
        (void)printf("the store of the broker at %s: nothing is damaged (%" PRIu64
                     " pages, %" PRIu64 " rows)\n",
                     place, leat_json_count(end, "pages"), leat_json_count(end, "rows"));
}

static int
run_check(leat_cli *cli)
{
    int code;
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "store check takes no operands");
    if (!is_asked(cli, &code))
        return code != LEAT_EXIT_OK ? code : become_broker(cli, "--check", NULL);
    cJSON *arguments = cJSON_CreateObject();
    cJSON *end = NULL;
    code = ask(cli, "store.check", &arguments, "checking the store", &end);
    if (code == LEAT_EXIT_OK)
        code = code_of(cli, end);
    if (code == LEAT_EXIT_OK) {
        print_check(cli, end);
        code = leat_json_count(end, "findings") > 0 ? LEAT_EXIT_FAILED : LEAT_EXIT_OK;
    }
    cJSON_Delete(end);
    return code;
}

/* The broker has a working folder of its own. */
static bool
make_absolute(const char *to, char out[LEAT_PATH_BYTES])
{
    char here[LEAT_PATH_BYTES];
    if (*to == '/')
        return (size_t)snprintf(out, LEAT_PATH_BYTES, "%s", to) < LEAT_PATH_BYTES;
    return getcwd(here, sizeof here) != NULL &&
           leat_path_join(here, to, out, LEAT_PATH_BYTES) == LEAT_ERR_OK;
}

static int
run_backup(leat_cli *cli)
{
    int code;
    char to[LEAT_PATH_BYTES];
    if (leat_options_operand_count(cli->options) != 1 ||
        *leat_options_operand(cli->options, 0) == '\0')
        return leat_cli_usage(cli, "say where: leat store backup /folder/of/the/copy");
    const char *const told = leat_options_operand(cli->options, 0);
    if (!make_absolute(told, to))
        return leat_cli_usage(cli, "the path %.100s is too long", told);
    if (!is_asked(cli, &code)) {
        if (code != LEAT_EXIT_OK)
            return code;
        char option[LEAT_PATH_BYTES + 16];
        (void)snprintf(option, sizeof option, "--backup=%s", to);
        return become_broker(cli, option, NULL);
    }
    cJSON *arguments = cJSON_CreateObject();
    cJSON *end = NULL;
    leat_json_put_bytes(arguments, "to", to, strlen(to));
    code = ask(cli, "store.backup", &arguments, "backing up the store", &end);
    if (code == LEAT_EXIT_OK)
        code = code_of(cli, end);
    if (code == LEAT_EXIT_OK && cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_put_bytes(json, "to", to, strlen(to));
        (void)cJSON_AddNumberToObject(json, "bytes", (double)leat_json_count(end, "bytes"));
        (void)leat_json_print(&json, stdout);
    } else if (code == LEAT_EXIT_OK) {
        (void)printf("%s: %" PRIu64 " KiB, checked\n", to,
                     (leat_json_count(end, "bytes") + 1023) >> 10);
    }
    cJSON_Delete(end);
    return code;
}

static int
run_compact(leat_cli *cli)
{
    int code;
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "store compact takes no operands");
    if (!is_asked(cli, &code))
        return code != LEAT_EXIT_OK ? code : become_broker(cli, "--compact", NULL);
    return leat_cli_fail(cli, LEAT_EXIT_LEAT, "IN_USE",
                         "End it (leat down, or a signal to leat-broker), and then:\n"
                         "leat store compact",
                         "the broker at %s has the store: it cannot be written again meanwhile",
                         leat_cli_place(leat_endpoint(cli->broker)));
}

/* ---- the table's rows ---- */

static const leat_option rows[] = {
    {.name = "data",
     .type = LEAT_OPTION_TEXT,
     .value = "DIR",
     .takes = "<dir>",
     .help = "the store in this folder, which no broker runs on"},
};

static const leat_example check_examples[] = {
    {"leat store check",                             "is anything damaged?"       },
    {"leat store check --data /var/lib/leat --json", "of a broker that is stopped"},
};

static const leat_example backup_examples[] = {
    {"leat store backup /backup/leat-monday",            "while the broker runs"      },
    {"leat store backup /backup/x --data /var/lib/leat", "of a broker that is stopped"},
};

static const leat_example compact_examples[] = {
    {"leat down && leat store compact", "make the file as small as it can be"},
};

const leat_cli_command leat_cli_command_store_check = {
    .noun = "store",
    .verb = "check",
    .summary = "look for damage in what is on disk",
    .operands = "",
    .about = "Every page and every row of the store is looked at; nothing is changed. Exit\n"
             "code 1: something is damaged, a line says what. The broker does it beside its\n"
             "work; without one, the store in --data is looked at (by default that of your\n"
             "own broker).\n",
    .examples = check_examples,
    .example_count = LEAT_COUNT_OF(check_examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run_check,
};

const leat_cli_command leat_cli_command_store_backup = {
    .noun = "store",
    .verb = "backup",
    .summary = "copy what is on disk, as it is now",
    .operands = "TO",
    .takes = "<dir>",
    .about = "TO is a folder that is made, on the broker's host. The copy is one moment of the\n"
             "store, is checked, and has its name only when it is whole on disk. The broker\n"
             "goes on meanwhile. To restore: start leat-broker with --data TO.\n",
    .examples = backup_examples,
    .example_count = LEAT_COUNT_OF(backup_examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run_backup,
};

const leat_cli_command leat_cli_command_store_compact = {
    .noun = "store",
    .verb = "compact",
    .summary = "write the store again without what is free in it",
    .operands = "",
    .about = "The broker must have ended. The new file is written beside the old one, which\n"
             "stays until the new one is whole on disk.\n",
    .examples = compact_examples,
    .example_count = LEAT_COUNT_OF(compact_examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run_compact,
};
