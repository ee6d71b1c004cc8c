/* leat worker ls, info, drain, stop: the workers that the broker knows. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/duration.h"
#include "client/cli/json.h"
#include "client/cli/local.h"
#include "client/cli/outliers.h"

static const leat_column columns[] = {
    {"WORKER",   false, 9},
    {"STATE",    false, 8},
    {"SLOTS",    true,  7},
    {"RUNNING",  true,  6},
    {"QUEUED",   true,  3},
    {"DONE",     true,  5},
    {"SEEN",     true,  2},
    {"HOST",     false, 4},
    {"HANDLERS", false, 1},
};

/* "echo noop seed" of an array of texts. */
static void
join(const cJSON *array, char *out, size_t size)
{
    size_t used = 0;
    const cJSON *item;
    out[0] = '\0';
    cJSON_ArrayForEach(item, array)
    {
        /* Today a handler is its name; a broker that says more of it has the name inside. */
        const char *const name =
            cJSON_IsString(item) ? item->valuestring : leat_json_string(item, "name");
        const int wrote = snprintf(out + used, size - used, "%s%s", used > 0 ? " " : "", name);
        if (wrote < 0 || (size_t)wrote >= size - used)
            return;
        used += (size_t)wrote;
    }
}

static bool
add_worker(leat_table *table, const cJSON *worker)
{
    static const char *const keys[] = {"slots", "running", "queued", "done"};
    char figures[4][24];
    char seen[LEAT_DURATION_BYTES];
    char handlers[1024];
    for (size_t i = 0; i < LEAT_COUNT_OF(keys); i++)
        (void)snprintf(figures[i], sizeof figures[i], "%" PRIu64, leat_json_count(worker, keys[i]));
    (void)leat_duration_short(leat_json_real(worker, "seen_s", -1), seen);
    join(cJSON_GetObjectItemCaseSensitive(worker, "handlers"), handlers, sizeof handlers);
    const char *const cells[] = {leat_json_string(worker, "name"),
                                 leat_json_string(worker, "state"),
                                 figures[0],
                                 figures[1],
                                 figures[2],
                                 figures[3],
                                 seen,
                                 leat_json_string(worker, "host"),
                                 handlers};
    return leat_table_add(table, cells);
}

/* ---- leat worker ls ---- */

static int
run_ls(leat_cli *cli)
{
    cJSON *all = NULL;
    cJSON *arguments = NULL;
    const cJSON *worker;
    leat_table *table = NULL;
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "worker ls takes no operands");
    int code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_query_all(cli, "workers", &arguments, "workers", &all);
    if (code != LEAT_EXIT_OK)
        goto done;

    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_counts(all);
        (void)cJSON_AddItemToObject(json, "workers", all);
        all = NULL;
        (void)leat_json_print(&json, stdout);
        goto done;
    }
    table = leat_table_new(columns, LEAT_COUNT_OF(columns));
    cJSON_ArrayForEach(worker, all)
    {
        if (table != NULL)
            (void)add_worker(table, worker);
    }
    if (table != NULL && (cJSON_GetArraySize(all) > 0))
        leat_table_print(table, &cli->out, cli->plain, stdout);
    if (cJSON_GetArraySize(all) == 0)
        leat_cli_say(cli, "no workers.  Start one: leat-worker --slots 4");

done:
    leat_table_destroy(&table);
    cJSON_Delete(all);
    return code;
}

static const leat_example ls_examples[] = {
    {"leat worker ls",                   "which workers there are, and what they do"},
    {"leat worker ls --plain | cut -f1", "their names"                              },
};

const leat_cli_command leat_cli_command_worker_ls = {
    .noun = "worker",
    .verb = "ls",
    .summary = "list workers",
    .operands = "",
    .about = "",
    .examples = ls_examples,
    .example_count = LEAT_COUNT_OF(ls_examples),
    .run = run_ls,
};

/* ---- leat worker info ---- */

static void
print_line(const leat_cli *cli, const char *head, const char *text)
{
    char safe[4096];
    (void)leat_screen_safe(text, strlen(text), cli->out.utf8, 0, safe, sizeof safe);
    (void)printf("%-10s%s\n", head, safe);
}

static void
print_worker(const leat_cli *cli, const cJSON *worker)
{
    char line[4096];
    char seen[LEAT_DURATION_BYTES];
    char lists[1024];
    const cJSON *row;
    (void)snprintf(line, sizeof line, "%.128s, process %" PRIu64 " on %.128s",
                   leat_json_string(worker, "name"), leat_json_count(worker, "pid"),
                   leat_json_string(worker, "host"));
    print_line(cli, "worker", line);
    (void)snprintf(line, sizeof line, "%.40s%s, seen %s ago", leat_json_string(worker, "state"),
                   cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(worker, "drained"))
                       ? " (set aside by leat worker drain)"
                       : "",
                   leat_duration_short(leat_json_real(worker, "seen_s", -1), seen));
    print_line(cli, "state", line);
    (void)snprintf(line, sizeof line,
                   "%" PRIu64 " slots, %" PRIu64 " running, %" PRIu64 " queued, %" PRIu64
                   " ended here",
                   leat_json_count(worker, "slots"), leat_json_count(worker, "running"),
                   leat_json_count(worker, "queued"), leat_json_count(worker, "done"));
    print_line(cli, "jobs", line);
    join(cJSON_GetObjectItemCaseSensitive(worker, "handlers"), lists, sizeof lists);
    print_line(cli, "handlers", lists);
    join(cJSON_GetObjectItemCaseSensitive(worker, "channels"), lists, sizeof lists);
    print_line(cli, "channels", lists);
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(worker, "lately"))
    {
        leat_outliers_row(row, line, sizeof line);
        print_line(cli, "lately", line);
    }
    leat_outliers_hint(cli, cJSON_GetObjectItemCaseSensitive(worker, "lately"), stdout);
}

/* Ask for the workers of a name; *json_p is the caller's. Failures are printed. */
static int
ask_worker(leat_cli *cli, const char *name, cJSON **json_p)
{
    const char *text = NULL;
    cJSON *const arguments = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(arguments, "worker", name);
    char *const asked = cJSON_PrintUnformatted(arguments);
    cJSON_Delete(arguments);
    cli->gone_limit_ms = 2000;
    const leat_status status = leat_query(cli->broker, "worker", asked, &text);
    cJSON_free(asked);
    if (status == LEAT_NOT_FOUND)
        return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND",
                             "Those there are: leat worker ls", "there is no worker \"%s\"", name);
    if (status != LEAT_OK)
        return leat_cli_failed(cli, status, name);
    *json_p = cJSON_Parse(text);
    if (*json_p == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "PROTOCOL", NULL,
                             "the broker's answer is not understood");
    return LEAT_EXIT_OK;
}

static int
run_info(leat_cli *cli)
{
    const cJSON *worker;
    cJSON *json = NULL;
    if (leat_options_operand_count(cli->options) != 1)
        return leat_cli_usage(cli, "give one worker: leat worker info w1");
    const char *const name = leat_options_operand(cli->options, 0);
    int code = leat_cli_check_name(cli, "the worker", name);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = ask_worker(cli, name, &json);
    if (code != LEAT_EXIT_OK)
        return code;
    if (cli->json) {
        leat_json_counts(json);
        (void)leat_json_print(&json, stdout);
        return LEAT_EXIT_OK;
    }
    cJSON_ArrayForEach(worker, cJSON_GetObjectItemCaseSensitive(json, "workers"))
    {
        print_worker(cli, worker);
    }
    cJSON_Delete(json);
    return LEAT_EXIT_OK;
}

static const leat_example info_examples[] = {
    {"leat worker info w7", "what it does, and how its last jobs ended beside those of the others"},
};

const leat_cli_command leat_cli_command_worker_info = {
    .noun = "worker",
    .verb = "info",
    .summary = "show a worker, and how its last jobs ended",
    .operands = "WORKER",
    .takes = "<worker>",
    .about = "",
    .examples = info_examples,
    .example_count = LEAT_COUNT_OF(info_examples),
    .run = run_info,
};

/* ---- leat worker drain ---- */

static const leat_option drain_rows[] = {
    {.name = "undo",
     .type = LEAT_OPTION_FLAG,
     .help = "give it jobs again",
     .flags = LEAT_OPTION_NOT_IN_FILE},
};

static int
drain(leat_cli *cli, const char *name, bool undo)
{
    char what[192];
    cJSON *answer = NULL;
    cJSON *arguments = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(arguments, "worker", name);
    (void)cJSON_AddBoolToObject(arguments, "undo", undo);
    (void)snprintf(what, sizeof what, "draining \"%.128s\"", name);
    const int code = leat_cli_do(cli, "worker.drain", &arguments, what, &answer);
    cJSON_Delete(answer);
    if (code != LEAT_EXIT_OK)
        return code;
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_put_bytes(json, "worker", name, strlen(name));
        (void)cJSON_AddBoolToObject(json, "drained", !undo);
        (void)leat_json_print(&json, stdout);
    }
    if (undo)
        leat_cli_say(cli, "\"%s\" is given jobs again", name);
    else
        leat_cli_say(cli,
                     "\"%s\" finishes what it runs and is given nothing more.  Back: leat worker "
                     "drain %s --undo",
                     name, name);
    return LEAT_EXIT_OK;
}

static int
run_drain(leat_cli *cli)
{
    const size_t count = leat_options_operand_count(cli->options);
    const bool undo = leat_options_flag(cli->options, "undo");
    int code =
        count == 0 ? leat_cli_usage(cli, "give workers: leat worker drain w7") : LEAT_EXIT_OK;
    for (size_t i = 0; i < count && code == LEAT_EXIT_OK; i++)
        code = leat_cli_check_name(cli, "the worker", leat_options_operand(cli->options, i));
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    for (size_t i = 0; i < count && code == LEAT_EXIT_OK; i++)
        code = drain(cli, leat_options_operand(cli->options, i), undo);
    return code;
}

static const leat_example drain_examples[] = {
    {"leat worker drain w7",        "no more jobs for it; those that it runs go on"},
    {"leat worker drain w7 --undo", "it is well again"                             },
};

const leat_cli_command leat_cli_command_worker_drain = {
    .noun = "worker",
    .verb = "drain",
    .summary = "give a worker no more jobs",
    .operands = "WORKER…",
    .takes = "<worker>...",
    .about =
        "What it has not begun goes to others. The worker stays, and stays set aside when it or the\n"
        "broker loses the connection or the broker is started again; a worker that is started\n"
        "again begins anew.\n",
    .examples = drain_examples,
    .example_count = LEAT_COUNT_OF(drain_examples),
    .rows = drain_rows,
    .row_count = LEAT_COUNT_OF(drain_rows),
    .run = run_drain,
};

/* ---- leat worker stop ---- */

/* One process of that name. */
static int
stop_one(leat_cli *cli, const char *name, const cJSON *worker)
{
    int fd;
    char what[192];
    const char *const host = leat_json_string(worker, "host");
    const pid_t pid = (pid_t)leat_json_count(worker, "pid");
    (void)snprintf(what, sizeof what, "\"%.128s\"", name);
    if (!leat_local_is_host(host))
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NOT_HERE",
                             "There: leat worker stop. From here: leat worker drain",
                             "\"%s\" runs on %s, and only a process of this host can be ended",
                             name, host);
    if (leat_local_is_of_up(pid))
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "OF_UP", "Worker and broker, draining: leat down",
                             "\"%s\" is kept running by your leat up", name);
    const leat_err err = leat_local_hold(pid, "leat-worker", &fd);
    if (err != LEAT_ERR_OK)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, leat_err_name(err),
                             "In a container: docker stop. A program of yours: end it yourself",
                             "no leat-worker with the number %ld is seen from here", (long)pid);
    const int code = leat_local_end(cli, fd, what);
    (void)close(fd);
    if (code == LEAT_EXIT_OK)
        leat_cli_say(cli, "%s has finished what it ran and ended", what);
    return code;
}

static int
stop(leat_cli *cli, const char *name)
{
    cJSON *json = NULL;
    const cJSON *worker;
    int code = ask_worker(cli, name, &json);
    cJSON_ArrayForEach(worker, cJSON_GetObjectItemCaseSensitive(json, "workers"))
    {
        if (code == LEAT_EXIT_OK)
            code = stop_one(cli, name, worker);
    }
    cJSON_Delete(json);
    if (code == LEAT_EXIT_OK && cli->json) {
        cJSON *line = cJSON_CreateObject();
        leat_json_put_bytes(line, "worker", name, strlen(name));
        (void)cJSON_AddBoolToObject(line, "stopped", 1);
        (void)leat_json_print(&line, stdout);
    }
    return code;
}

static int
run_stop(leat_cli *cli)
{
    const size_t count = leat_options_operand_count(cli->options);
    int code = count == 0 ? leat_cli_usage(cli, "give workers: leat worker stop w7") : LEAT_EXIT_OK;
    for (size_t i = 0; i < count && code == LEAT_EXIT_OK; i++)
        code = leat_cli_check_name(cli, "the worker", leat_options_operand(cli->options, i));
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    for (size_t i = 0; i < count && code == LEAT_EXIT_OK; i++)
        code = stop(cli, leat_options_operand(cli->options, i));
    return code;
}

static const leat_option stop_rows[] = {
    LEAT_ROW_TIMEOUT("how long to wait for the jobs that run (exit 124); it ends after them"),
};

static const leat_example stop_examples[] = {
    {"leat worker stop w7",              "finish what runs, then end"          },
    {"leat worker stop w7 --timeout 1m", "wait for its end, but not for longer"},
};

const leat_cli_command leat_cli_command_worker_stop = {
    .noun = "worker",
    .verb = "stop",
    .summary = "end a worker of this host, draining",
    .operands = "WORKER…",
    .takes = "<worker>...",
    .about =
        "It finishes what it runs, gives back the rest and ends, as after SIGTERM. Only a leat-worker\n"
        "of this host that is yours can be ended so; one elsewhere is set aside by worker drain.\n",
    .examples = stop_examples,
    .example_count = LEAT_COUNT_OF(stop_examples),
    .rows = stop_rows,
    .row_count = LEAT_COUNT_OF(stop_rows),
    .run = run_stop,
};
