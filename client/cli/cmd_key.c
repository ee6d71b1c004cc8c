/* leat key new, allow, revoke, ls, show: who may use the broker over TCP. All of it is files in the
 * keys directory, with or without a broker that runs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/keys.h"
#include "proto/link/link.h"

static const leat_option keys_row = LEAT_ROW_KEYS;

/* --role of a principal. false: it is missing (with `needed`) or none; the code is set. */
static bool
take_role(const leat_cli *cli, bool needed, leat_key_role *role, int *code)
{
    const char *const told = leat_options_text(cli->options, "role");
    if (told == NULL && !needed)
        return true;
    if (told != NULL && leat_key_role_from_name(told, role) && *role != LEAT_KEY_BROKER)
        return true;
    if (told == NULL)
        *code = leat_cli_usage(cli, "say what the key is for: --role client, worker or admin");
    else
        *code = leat_cli_usage(cli, "--role is client, worker or admin, not \"%.80s\"", told);
    return false;
}

static cJSON *
json_of(const leat_key *key)
{
    cJSON *const json = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(json, "name", key->name);
    (void)cJSON_AddStringToObject(json, "role", leat_key_role_name(key->role));
    (void)cJSON_AddStringToObject(json, "public", key->public_key);
    return json;
}

/* --------------------------------------------------------------------------------- leat key new */

/* Where the broker is: what was typed (a setting says where *we* find it), else what `leat up
 * --listen` has left. */
static int
take_url(const leat_cli *cli, const char *folder, char out[LEAT_URL_BYTES_MAX])
{
    char *endpoints[LEAT_LINK_ENDPOINTS_MAX] = {0};
    size_t count = 0;
    if (leat_options_origin(cli->options, "broker") != LEAT_ORIGIN_COMMAND_LINE) {
        leat_keys_address(folder, out);
        return LEAT_EXIT_OK;
    }
    const char *const told = leat_options_text(cli->options, "broker");
    const leat_err err = leat_link_endpoints(told, endpoints, &count);
    for (size_t i = 0; i < count; i++)
        free(endpoints[i]);
    if (err != LEAT_ERR_OK || *told == '\0' || strlen(told) >= LEAT_URL_BYTES_MAX)
        return leat_cli_usage(cli,
                              "--broker \"%.100s\": an address looks like tcp://HOST:5328; at most "
                              "%u bytes",
                              told, LEAT_URL_BYTES_MAX - 1);
    memcpy(out, told, strlen(told) + 1);
    return LEAT_EXIT_OK;
}

static int
report_new(const leat_cli *cli, const leat_key *key, const char *path)
{
    if (cli->json) {
        cJSON *json = json_of(key);
        leat_json_put_bytes(json, "file", path, strlen(path));
        (void)cJSON_AddStringToObject(json, "broker", key->broker);
        (void)leat_json_print(&json, stdout);
        return LEAT_EXIT_OK;
    }
    (void)printf("%s\n", path);
    if (key->broker[0] == '\0')
        leat_cli_say(cli,
                     "%s does not say where the broker is: add `broker = tcp://HOST:5328` "
                     "there, or use --broker",
                     path);
    if (key->role == LEAT_KEY_WORKER)
        leat_cli_say(cli, "copy it to the worker's host, then there: leat-worker --key-file %s",
                     path);
    else
        leat_cli_say(cli, "copy it to its host, then there: leat --key-file %s status", path);
    return LEAT_EXIT_OK;
}

static int
run_new(leat_cli *cli)
{
    char folder[LEAT_PATH_BYTES];
    char path[LEAT_PATH_BYTES];
    char own[LEAT_KEY_NAME_BYTES_MAX + 8];
    leat_key made = {.role = LEAT_KEY_CLIENT};
    leat_key broker = {0};
    struct stat info;
    int code = LEAT_EXIT_OK;
    if (leat_options_operand_count(cli->options) != 1)
        return leat_cli_usage(cli, "give the key one name: leat key new w1 --role worker");
    const char *const name = leat_options_operand(cli->options, 0);
    const char *out = leat_options_text(cli->options, "out");
    if (!take_role(cli, true, &made.role, &code))
        return code;
    code = leat_keys_folder(cli, folder);
    if (code == LEAT_EXIT_OK)
        code = leat_keys_path(cli, folder, name, path);
    if (code == LEAT_EXIT_OK)
        code = take_url(cli, folder, made.broker);
    if (code != LEAT_EXIT_OK)
        return code;
    memcpy(made.name, name, strlen(name) + 1);
    (void)snprintf(own, sizeof own, "%s.key", name);
    if (out == NULL)
        out = own;
    if (lstat(out, &info) == 0)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "EXISTS", NULL, "%s: the file exists already",
                             out);
    code = leat_keys_prepare(cli, folder, &broker);
    if (code == LEAT_EXIT_OK)
        code = leat_keys_new(cli, folder, &broker, &made, out, LEAT_KEY_WRITE_NEW);
    leat_key_wipe(&broker);
    return code == LEAT_EXIT_OK ? report_new(cli, &made, out) : code;
}

static const leat_option new_rows[] = {
    LEAT_ROW_ROLE("what it may do: client, worker, or admin (both, and more)"),
    {.name = "broker",
                                                                   .type = LEAT_OPTION_TEXT,
                                                                   .value = "URL[,URL]",
                                                                   .help = "where its hosts reach the broker (default: what leat up --listen serves)"},
    { .name = "out",
                                                                   .letter = 'o',
                                                                   .type = LEAT_OPTION_TEXT,
                                                                   .value = "FILE",
                                                                   .takes = "<file>",
                                                                   .help = "where to write it (default: NAME.key here)",
                                                                   .flags = LEAT_OPTION_NOT_IN_FILE},
    LEAT_ROW_KEYS,
};

static const leat_example new_examples[] = {
    {"leat key new w1 --role worker",                              "writes w1.key"            },
    {"leat key new me --role client --broker tcp://10.0.0.1:5328", "and says where to connect"},
};

const leat_cli_command leat_cli_command_key_new = {
    .noun = "key",
    .verb = "new",
    .summary = "make a key file for a worker or a client",
    .operands = "NAME",
    .about = "Whoever has the file is NAME: move it, do not share it. It holds the pair, the\n"
             "broker's public key and its address, so it is all that another host needs. The\n"
             "broker's side is kept in the keys directory, which is made when it is missing.\n",
    .examples = new_examples,
    .example_count = LEAT_COUNT_OF(new_examples),
    .rows = new_rows,
    .row_count = LEAT_COUNT_OF(new_rows),
    .flags = LEAT_CLI_COMMAND_LOCAL,
    .run = run_new,
};

/* ------------------------------------------------------------------------------- leat key allow */

/* The public half that the operand and options describe. */
static int
take_public(const leat_cli *cli, leat_key *key)
{
    char why[LEAT_KEY_WHY_BYTES];
    int code = LEAT_EXIT_OK;
    const char *const operand = leat_options_operand(cli->options, 0);
    const char *const public_key = leat_options_text(cli->options, "public");
    if (public_key != NULL) {
        if (!leat_key_z85_is_valid(public_key))
            return leat_cli_usage(cli, "--public: not a key of %u characters of Z85",
                                  LEAT_KEY_Z85_BYTES);
        if (strlen(operand) >= sizeof key->name)
            return leat_cli_usage(cli, "a name has at most %u letters", LEAT_KEY_NAME_BYTES_MAX);
        memcpy(key->name, operand, strlen(operand) + 1);
        memcpy(key->public_key, public_key, sizeof key->public_key);
        return take_role(cli, true, &key->role, &code) ? LEAT_EXIT_OK : code;
    }
    const leat_err err = leat_key_read(operand, LEAT_KEY_OF_ANY, key, why);
    if (err == LEAT_ERR_NOT_FOUND)
        return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND",
                             "By its public half: leat key allow NAME --public Z85 --role R", "%s",
                             why);
    if (err != LEAT_ERR_OK)
        return leat_keys_failed(cli, err, why);
    explicit_bzero(key->secret, sizeof key->secret);
    if (key->role == LEAT_KEY_BROKER)
        return leat_cli_usage(cli, "%.200s is a broker's key, not a principal's", operand);
    return take_role(cli, false, &key->role, &code) ? LEAT_EXIT_OK : code;
}

static int
run_allow(leat_cli *cli)
{
    char folder[LEAT_PATH_BYTES];
    leat_key key = {0};
    leat_key broker = {0};
    if (leat_options_operand_count(cli->options) != 1)
        return leat_cli_usage(cli, "give one key: leat key allow w1.key, or leat key allow NAME "
                                   "--public Z85 --role worker");
    int code = take_public(cli, &key);
    if (code == LEAT_EXIT_OK)
        code = leat_keys_folder(cli, folder);
    if (code == LEAT_EXIT_OK)
        code = leat_keys_prepare(cli, folder, &broker);
    if (code == LEAT_EXIT_OK)
        code = leat_keys_allow(cli, folder, &key);
    if (code == LEAT_EXIT_OK) {
        if (cli->json) {
            cJSON *json = json_of(&key);
            (void)cJSON_AddBoolToObject(json, "allowed", 1);
            (void)leat_json_print(&json, stdout);
        }
        leat_cli_say(cli, "\"%s\" is allowed as %s", key.name, leat_key_role_name(key.role));
        if (key.broker_public[0] != '\0' && strcmp(key.broker_public, broker.public_key) != 0)
            leat_cli_say(cli,
                         "its file names another broker's key: it has to say "
                         "broker-public = %s",
                         broker.public_key);
    }
    leat_key_wipe(&broker);
    return code;
}

static const leat_option allow_rows[] = {
    {.name = "public",
     .type = LEAT_OPTION_TEXT,
     .value = "Z85",
     .help = "the public half, of a pair that somebody else has made",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    LEAT_ROW_ROLE("what it may do: client, worker, or admin (default: what the file says)"),
    LEAT_ROW_KEYS,
};

static const leat_example allow_examples[] = {
    {"leat key allow w1.key",                        "a key file, or what `key show` prints of it"},
    {"leat key allow w1 --role worker --public Z85", "its public half"                            },
};

const leat_cli_command leat_cli_command_key_allow = {
    .noun = "key",
    .verb = "allow",
    .summary = "let a key in that was made elsewhere",
    .operands = "FILE|NAME",
    .takes = "<file>",
    .about = "A broker that runs with this keys directory lets it in within a second.\n",
    .examples = allow_examples,
    .example_count = LEAT_COUNT_OF(allow_examples),
    .rows = allow_rows,
    .row_count = LEAT_COUNT_OF(allow_rows),
    .flags = LEAT_CLI_COMMAND_LOCAL,
    .run = run_allow,
};

/* ------------------------------------------------------------------------------ leat key revoke */

static int
run_revoke(leat_cli *cli)
{
    char folder[LEAT_PATH_BYTES];
    if (leat_options_operand_count(cli->options) != 1)
        return leat_cli_usage(cli, "give one name: leat key revoke w1");
    const char *const name = leat_options_operand(cli->options, 0);
    int code = leat_keys_folder(cli, folder);
    if (code == LEAT_EXIT_OK)
        code = leat_keys_revoke(cli, folder, name);
    if (code != LEAT_EXIT_OK)
        return code;
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(json, "name", name);
        (void)cJSON_AddBoolToObject(json, "revoked", 1);
        (void)leat_json_print(&json, stdout);
    }
    leat_cli_say(cli,
                 "\"%s\" is revoked; the broker ends its sessions within a second, what it ran "
                 "goes to others",
                 name);
    return LEAT_EXIT_OK;
}

static const leat_example revoke_examples[] = {
    {"leat key revoke w1", "w1 is out, also where it is connected"},
};

const leat_cli_command leat_cli_command_key_revoke = {
    .noun = "key",
    .verb = "revoke",
    .summary = "let a key in no more",
    .operands = "NAME",
    .takes = "<key>",
    .about = "What its worker ran goes to others and costs them nothing.\n",
    .examples = revoke_examples,
    .example_count = LEAT_COUNT_OF(revoke_examples),
    .rows = &keys_row,
    .row_count = 1,
    .flags = LEAT_CLI_COMMAND_LOCAL,
    .run = run_revoke,
};

/* ---------------------------------------------------------------------------------- leat key ls */

static const leat_column columns[] = {
    {"NAME",   false, 4},
    {"ROLE",   false, 3},
    {"PUBLIC", false, 1},
    {"SINCE",  false, 2},
};

static void
say_bad(const leat_cli *cli, const char *why)
{
    leat_cli_say(cli, "does not count: %s", why);
}

/* Local time, to the minute. */
static const char *
local_time(int64_t wall_ms, char out[32])
{
    struct tm parts;
    const time_t seconds = (time_t)(wall_ms / 1000);
    if (localtime_r(&seconds, &parts) == NULL || strftime(out, 32, "%Y-%m-%d %H:%M", &parts) == 0)
        out[0] = '\0';
    return out;
}

static void
print_list_json(const leat_keys_entry *entries, size_t count)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *const array = cJSON_AddArrayToObject(json, "keys");
    for (size_t i = 0; i < count; i++) {
        cJSON *const one = json_of(&entries[i].key);
        leat_json_put_time(one, "since", entries[i].since_ms);
        (void)cJSON_AddItemToArray(array, one);
    }
    (void)leat_json_print(&json, stdout);
}

static int
run_ls(leat_cli *cli)
{
    char folder[LEAT_PATH_BYTES];
    leat_keys_entry *entries = NULL;
    size_t count = 0;
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "key ls takes no operands");
    int code = leat_keys_folder(cli, folder);
    if (code == LEAT_EXIT_OK)
        code = leat_keys_list(cli, folder, &entries, &count, say_bad);
    if (code != LEAT_EXIT_OK)
        goto done;
    if (cli->json) {
        print_list_json(entries, count);
    } else if (count == 0) {
        leat_cli_say(cli, "no key is allowed in %s.  Make one: leat key new w1 --role worker",
                     folder);
    } else {
        leat_table *table = leat_table_new(columns, LEAT_COUNT_OF(columns));
        bool is_whole = table != NULL;
        for (size_t i = 0; i < count && is_whole; i++) {
            char since[32];
            const char *const cells[] = {
                entries[i].key.name, leat_key_role_name(entries[i].key.role),
                entries[i].key.public_key, local_time(entries[i].since_ms, since)};
            is_whole = leat_table_add(table, cells);
        }
        if (is_whole)
            leat_table_print(table, &cli->out, cli->plain, stdout);
        else
            code = leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
        leat_table_destroy(&table);
    }

done:
    free(entries);
    return code;
}

static const leat_example ls_examples[] = {
    {"leat key ls",                   "who may use the broker over TCP"},
    {"leat key ls --plain | cut -f1", "their names"                    },
};

const leat_cli_command leat_cli_command_key_ls = {
    .noun = "key",
    .verb = "ls",
    .summary = "list the keys that are allowed",
    .operands = "",
    .about = "",
    .examples = ls_examples,
    .example_count = LEAT_COUNT_OF(ls_examples),
    .rows = &keys_row,
    .row_count = 1,
    .flags = LEAT_CLI_COMMAND_LOCAL,
    .run = run_ls,
};

/* -------------------------------------------------------------------------------- leat key show */

static int
run_show(leat_cli *cli)
{
    char why[LEAT_KEY_WHY_BYTES];
    leat_key key;
    if (leat_options_operand_count(cli->options) != 1)
        return leat_cli_usage(cli, "give one file: leat key show w1.key");
    const char *const path = leat_options_operand(cli->options, 0);
    const leat_err err = leat_key_read(path, LEAT_KEY_OF_ANY, &key, why);
    if (err != LEAT_ERR_OK)
        return leat_keys_failed(cli, err, why);
    explicit_bzero(key.secret, sizeof key.secret);
    if (cli->json) {
        cJSON *json = json_of(&key);
        if (key.broker_public[0] != '\0')
            (void)cJSON_AddStringToObject(json, "broker_public", key.broker_public);
        (void)cJSON_AddStringToObject(json, "broker", key.broker);
        (void)leat_json_print(&json, stdout);
        return LEAT_EXIT_OK;
    }
    /* What is printed is the file that `leat key allow` takes. */
    (void)printf("name = %s\nrole = %s\npublic = %s\n", key.name, leat_key_role_name(key.role),
                 key.public_key);
    if (key.broker_public[0] != '\0')
        (void)printf("# broker-public = %s\n", key.broker_public);
    if (key.broker[0] != '\0')
        (void)printf("# broker = %s\n", key.broker);
    return LEAT_EXIT_OK;
}

static const leat_example show_examples[] = {
    {"leat key show w1.key",          "whose it is, for which broker"   },
    {"leat key show w1.key > w1.pub", "its public half, for `key allow`"},
};

const leat_cli_command leat_cli_command_key_show = {
    .noun = "key",
    .verb = "show",
    .summary = "show a key file without its secret",
    .operands = "FILE",
    .takes = "<file>",
    .about = "",
    .examples = show_examples,
    .example_count = LEAT_COUNT_OF(show_examples),
    .flags = LEAT_CLI_COMMAND_LOCAL,
    .run = run_show,
};
