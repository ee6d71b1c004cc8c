/* leat worker launch ssh: start leat-worker on other hosts, over the user's own ssh client.
 *
 * What runs there is one line for sh, and a key is its standard input: neither a command line nor
 * an environment ever holds a secret. Hosts are started side by side, each told how it went;
 * whether a worker is up is what the broker says. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client/cli/child.h"
#include "client/cli/command.h"
#include "client/cli/hosts.h"
#include "client/cli/json.h"
#include "client/cli/shell.h"
#include "client/cli/state.h"
#include "client/cli/stop.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/link/key.h"

#define AT_ONCE    16U /* ssh clients */
#define SSH_MS     60000
#define LOOK_US    20000
#define WORDS_MAX  32U
#define DETAIL_MAX 256U
#define PROGRAM    "leat-worker"
#define NOT_YET    (-1)

typedef enum launch_state {
    LAUNCH_WAITING = 0,
    LAUNCH_RUNNING, /* ssh is */
    LAUNCH_STARTED, /* the process is there */
    LAUNCH_UP,
    LAUNCH_WAS_UP, /* before, so nothing was done */
    LAUNCH_FAILED
} launch_state;

static const char *const state_words[] = {"waiting", "starting", "not seen",
                                          "up",      "was up",   "failed"};

typedef struct launch {
    const leat_host *host;
    launch_state state;
    leat_child ssh;
    int64_t until_ms;
    int out_fd; /* what it prints */
    int err_fd;
    char pid[24]; /* of the worker, there */
    char detail[DETAIL_MAX];
} launch;

typedef struct launches {
    leat_cli *cli;
    leat_host *hosts;
    launch *rows;
    size_t count;
    char *ssh_text; /* owned; --ssh, taken apart */
    char *ssh_words[WORDS_MAX];
    size_t ssh_count;
} launches;

/* ---- what is run there ---- */

static void
put_text(leat_buf *out, const char *text)
{
    leat_put_bytes(out, text, strlen(text));
}

static void
put_word(leat_buf *out, const char *word)
{
    put_text(out, " ");
    leat_shell_put_word(out, leat_text_of(word));
}

/* The key of a host, if it has one: key= of its line, or --worker-key with {} for its name. */
static const char *
key_path(const launches *all, const leat_host *host, char out[LEAT_PATH_BYTES])
{
    const char *const common = leat_options_text(all->cli->options, "worker-key");
    if (host->key != NULL || common == NULL)
        return host->key;
    const char *const braces = strstr(common, "{}");
    if (braces == NULL)
        return common;
    (void)snprintf(out, LEAT_PATH_BYTES, "%.*s%s%s", (int)(braces - common), common, host->name,
                   braces + 2);
    return out;
}

static void
put_worker(const launches *all, const leat_host *host, bool has_key, leat_buf *out)
{
    char option[512];
    const char *const common = leat_options_text(all->cli->options, "program");
    put_text(out, "nohup");
    put_word(out, host->program != NULL ? host->program : common);
    put_word(out, "--name");
    put_word(out, host->name);
    if (has_key)
        put_text(out, " --key-file \"$f.key\"");
    for (size_t i = 0; i < all->cli->tail_count; i++)
        put_word(out, all->cli->tail[i]);
    for (size_t i = 0; i < host->option_count; i++) {
        (void)snprintf(option, sizeof option, "--%s", host->options[i]);
        put_word(out, option);
    }
}

/* The line for sh. Its files are 0600 in the state folder there; it prints the worker's number, or
 * the end of its log. */
static void
put_script(const launches *all, const leat_host *host, bool has_key, leat_buf *out)
{
    const char *const common = leat_options_text(all->cli->options, "program");
    put_text(
        out,
        "umask 077; d=\"${XDG_STATE_HOME:-$HOME/.local/state}/leat\"; mkdir -p \"$d\" || exit; "
        "f=\"$d/launch-\"");
    leat_shell_put_word(out, leat_text_of(host->name));
    if (has_key)
        put_text(out, "; cat >\"$f.new\" && mv \"$f.new\" \"$f.key\" || exit");
    put_text(out, "; command -v");
    put_word(out, host->program != NULL ? host->program : common);
    put_text(out, " >/dev/null || { echo \"there is no program\"");
    put_word(out, host->program != NULL ? host->program : common);
    put_text(out, " >&2; exit 127; }; ");
    put_worker(all, host, has_key, out);
    put_text(out, " </dev/null >>\"$f.log\" 2>&1 & p=$!; sleep 1; kill -0 $p 2>/dev/null || "
                  "{ tail -n 1 \"$f.log\" >&2; exit 1; }; echo $p");
}

/* ---- one ssh ---- */

static void fail(launch *row, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void
fail(launch *row, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(row->detail, sizeof row->detail, format, arguments);
    va_end(arguments);
    row->state = LAUNCH_FAILED;
}

/* A pipe with the key in it. It is read twice: once to know that it is one, and as it is. */
static bool
open_key(launch *row, const char *path, int *fd)
{
    char text[LEAT_KEY_FILE_BYTES_MAX];
    char why[LEAT_KEY_WHY_BYTES];
    int ends[2] = {-1, -1};
    leat_key key = {0};
    const leat_err err = leat_key_read(path, LEAT_KEY_OF_PRINCIPAL, &key, why);
    const bool fits = key.role == LEAT_KEY_WORKER || key.role == LEAT_KEY_ADMIN;
    leat_key_wipe(&key);
    if (err != LEAT_ERR_OK) {
        fail(row, "%.200s", why);
        return false;
    }
    if (!fits) {
        fail(row, "%.200s is no key of a worker: leat key new W --role worker", path);
        return false;
    }
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t size = file < 0 ? -1 : read(file, text, sizeof text);
    if (file >= 0)
        (void)close(file);
    /* So much fits into a pipe without a reader. */
    const bool done =
        size > 0 && pipe2(ends, O_CLOEXEC) == 0 && write(ends[1], text, (size_t)size) == size;
    explicit_bzero(text, sizeof text);
    if (ends[1] >= 0)
        (void)close(ends[1]);
    if (!done) {
        fail(row, "%.200s cannot be handed over", path);
        if (ends[0] >= 0)
            (void)close(ends[0]);
        return false;
    }
    *fd = ends[0];
    return true;
}

static bool
run_ssh(const launches *all, launch *row, char *script, int stdin_fd)
{
    char reason[64];
    char batch[] = "-oBatchMode=yes";
    char limit[] = "-oConnectTimeout=10";
    char port_option[] = "-p";
    char end[] = "--";
    char port[16];
    char target[512];
    char *argv[WORDS_MAX + 8] = {NULL};
    size_t count = 0;
    for (; count < all->ssh_count; count++)
        argv[count] = all->ssh_words[count];
    argv[count++] = batch;
    argv[count++] = limit;
    if (row->host->port != NULL) {
        (void)snprintf(port, sizeof port, "%s", row->host->port);
        argv[count++] = port_option;
        argv[count++] = port;
    }
    (void)snprintf(target, sizeof target, "%s", row->host->target);
    argv[count++] = end;
    argv[count++] = target;
    argv[count] = script;
    row->out_fd = memfd_create("leat-launch-out", MFD_CLOEXEC);
    row->err_fd = memfd_create("leat-launch-err", MFD_CLOEXEC);
    if (row->out_fd < 0 || row->err_fd < 0) {
        fail(row, "%s", leat_log_errno_text(errno, reason, sizeof reason));
        return false;
    }
    const leat_child_plan plan = {.path = argv[0],
                                  .argv = argv,
                                  .stdin_fd = stdin_fd,
                                  .stdout_fd = row->out_fd,
                                  .stderr_fd = row->err_fd,
                                  .death_signal = 15,
                                  .own_group = true};
    if (leat_child_start(&plan, &row->ssh) == LEAT_ERR_OK)
        return true;
    fail(row, "cannot run %.100s: %s", argv[0], leat_log_errno_text(errno, reason, sizeof reason));
    return false;
}

static void
begin(const launches *all, launch *row)
{
    char path[LEAT_PATH_BYTES];
    int stdin_fd = -1;
    leat_buf inner;
    leat_buf outer;
    const char *const key = key_path(all, row->host, path);
    if (key != NULL && !open_key(row, key, &stdin_fd))
        return;
    leat_buf_init(&inner);
    leat_buf_init(&outer);
    put_script(all, row->host, key != NULL, &inner);
    /* The user's own shell there may be another one. */
    put_text(&outer, "exec sh -c");
    put_text(&outer, " ");
    if (!inner.failed)
        leat_shell_put_word(&outer,
                            (leat_text){.data = (const char *)inner.data, .size = inner.size});
    leat_put_u8(&outer, '\0');
    if (inner.failed || outer.failed) {
        fail(row, "out of memory");
    } else if (run_ssh(all, row, (char *)outer.data, stdin_fd)) {
        row->state = LAUNCH_RUNNING;
        row->until_ms = leat_clock_mono_ms() + SSH_MS;
    }
    leat_buf_fini(&inner);
    leat_buf_fini(&outer);
    if (stdin_fd >= 0)
        (void)close(stdin_fd);
}

/* The last line of what was printed into fd, which is closed. */
static void
take_last_line(int *fd, char *out, size_t size)
{
    char text[2048];
    const off_t whole = lseek(*fd, 0, SEEK_END);
    const off_t room = (off_t)sizeof text - 1;
    const ssize_t got = pread(*fd, text, (size_t)room, whole > room ? whole - room : 0);
    (void)close(*fd);
    *fd = NOT_YET;
    size_t end = got > 0 ? (size_t)got : 0;
    while (end > 0 && strchr("\r\n", text[end - 1]) != NULL)
        end--;
    text[end] = '\0';
    const char *const before = strrchr(text, '\n');
    (void)snprintf(out, size, "%s", before == NULL ? text : before + 1);
}

static void
finish(launch *row)
{
    char line[DETAIL_MAX];
    const int code = leat_child_exit_code(&row->ssh);
    take_last_line(&row->out_fd, row->pid, sizeof row->pid);
    take_last_line(&row->err_fd, line, sizeof line);
    if (code == 0 && row->pid[0] != '\0' && row->pid[strspn(row->pid, "0123456789")] == '\0')
        row->state = LAUNCH_STARTED;
    else if (line[0] != '\0')
        fail(row, "%s", line);
    else
        fail(row, "ssh ended with %s", leat_child_end_words(&row->ssh));
    if (row->state == LAUNCH_FAILED)
        row->pid[0] = '\0';
}

static void
look_at(launch *row)
{
    if (leat_child_has_ended(&row->ssh)) {
        finish(row);
    } else if (leat_clock_mono_ms() >= row->until_ms) {
        leat_children_end(&row->ssh, 1, 0);
        fail(row, "ssh did not end within %d s", SSH_MS / 1000);
    }
}

/* ---- all of them ---- */

/* Start them, so many at once, until each has been told how it went. A signal ends it. */
static void
start_all(launches *all)
{
    size_t next = 0;
    size_t running = 0;
    do {
        for (; next < all->count && running < AT_ONCE && !leat_stop_wanted(); next++) {
            if (all->rows[next].state == LAUNCH_WAITING)
                begin(all, &all->rows[next]);
            running += all->rows[next].state == LAUNCH_RUNNING;
        }
        running = 0;
        for (size_t i = 0; i < all->count; i++) {
            if (all->rows[i].state == LAUNCH_RUNNING)
                look_at(&all->rows[i]);
            running += all->rows[i].state == LAUNCH_RUNNING;
        }
        if (running > 0)
            (void)usleep(LOOK_US);
    } while (!leat_stop_wanted() && (running > 0 || next < all->count));
}

/* Those that the broker has as up change from `from` to `to`; how many are still `from`. */
static int
mark_up(launches *all, launch_state from, launch_state to, size_t *left)
{
    cJSON *workers = NULL;
    cJSON *arguments = NULL;
    const cJSON *worker;
    const int code = leat_cli_query_all(all->cli, "workers", &arguments, "workers", &workers);
    *left = 0;
    for (size_t i = 0; i < all->count && code == LEAT_EXIT_OK; i++) {
        launch *const row = &all->rows[i];
        if (row->state != from)
            continue;
        cJSON_ArrayForEach(worker, workers)
        {
            if (strcmp(leat_json_string(worker, "name"), row->host->name) == 0 &&
                strcmp(leat_json_string(worker, "state"), "lost") != 0)
                row->state = to;
        }
        *left += row->state == from;
    }
    cJSON_Delete(workers);
    return code;
}

static int
wait_until_up(launches *all)
{
    const int64_t until_ms = leat_clock_mono_ms() + leat_options_ms(all->cli->options, "timeout");
    size_t left;
    for (;;) {
        const int code = mark_up(all, LAUNCH_STARTED, LAUNCH_UP, &left);
        if (code != LEAT_EXIT_OK || left == 0)
            return code;
        if (leat_stop_wanted() || leat_clock_mono_ms() >= until_ms)
            break;
        (void)usleep(LOOK_US);
    }
    for (size_t i = 0; i < all->count; i++) {
        launch *const row = &all->rows[i];
        if (row->state == LAUNCH_STARTED)
            (void)snprintf(row->detail, sizeof row->detail,
                           "it runs, and the broker has not seen it: look into "
                           ".local/state/leat/launch-%.100s.log there",
                           row->host->name);
    }
    return LEAT_EXIT_OK;
}

/* ---- what is told ---- */

static void
print_json(const launches *all)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *const list = cJSON_AddArrayToObject(json, "hosts");
    for (size_t i = 0; i < all->count; i++) {
        const launch *const row = &all->rows[i];
        cJSON *const one = cJSON_CreateObject();
        (void)cJSON_AddItemToArray(list, one);
        leat_json_put_bytes(one, "host", row->host->target, strlen(row->host->target));
        leat_json_put_bytes(one, "worker", row->host->name, strlen(row->host->name));
        (void)cJSON_AddStringToObject(one, "state", state_words[row->state]);
        (void)cJSON_AddStringToObject(one, "pid", row->pid);
        leat_json_put_bytes(one, "detail", row->detail, strlen(row->detail));
    }
    (void)leat_json_print(&json, stdout);
}

static void
print_table(const launches *all)
{
    static const leat_column columns[] = {
        {"HOST",    false, 9},
        {"WORKER",  false, 5},
        {"STATE",   false, 8},
        {"PROCESS", true,  3},
        {"WHY",     false, 7},
    };
    leat_table *table = leat_table_new(columns, LEAT_COUNT_OF(columns));
    for (size_t i = 0; i < all->count && table != NULL; i++) {
        const launch *const row = &all->rows[i];
        const char *const cells[] = {row->host->target, row->host->name, state_words[row->state],
                                     row->pid[0] == '\0' ? "-" : row->pid, row->detail};
        (void)leat_table_add(table, cells);
    }
    if (table != NULL)
        leat_table_print(table, &all->cli->out, all->cli->plain, stdout);
    leat_table_destroy(&table);
}

static int
report(const launches *all)
{
    size_t up = 0;
    for (size_t i = 0; i < all->count; i++)
        up += all->rows[i].state == LAUNCH_UP || all->rows[i].state == LAUNCH_WAS_UP;
    if (all->cli->json)
        print_json(all);
    else
        print_table(all);
    (void)leat_cli_flush();
    leat_cli_say(all->cli, "%zu of %zu workers up", up, all->count);
    if (leat_stop_signal() != 0)
        return 128 + leat_stop_signal();
    return up == all->count ? LEAT_EXIT_OK : LEAT_EXIT_FAILED;
}

/* ---- the command ---- */

static int
read_hosts(launches *all)
{
    char why[512];
    char reason[64];
    const leat_cli *const cli = all->cli;
    const char *const path = leat_options_text(cli->options, "hosts");
    if (path == NULL)
        return leat_cli_usage(cli, "say which hosts: -H FILE, with lines as anna@node1 slots=4");
    FILE *const file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_FILE", NULL, "-H %s: %s", path,
                             leat_log_errno_text(errno, reason, sizeof reason));
    const leat_err err = leat_hosts_read(file, path, &all->hosts, &all->count, why);
    if (file != stdin)
        (void)fclose(file);
    if (err == LEAT_ERR_CONFIG)
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "CONFIG", NULL, "%s", why);
    all->rows = err == LEAT_ERR_OK ? calloc(all->count, sizeof *all->rows) : NULL;
    if (all->rows == NULL) {
        (void)leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
        return LEAT_EXIT_LEAT;
    }
    for (size_t i = 0; i < all->count; i++)
        all->rows[i] = (launch){.host = &all->hosts[i], .out_fd = NOT_YET, .err_fd = NOT_YET};
    return LEAT_EXIT_OK;
}

/* --ssh, at blanks; and what stands behind "--" must be sayable there. */
static int
read_words(launches *all)
{
    const leat_cli *const cli = all->cli;
    char *rest = NULL;
    all->ssh_text = strdup(leat_options_text(cli->options, "ssh"));
    if (all->ssh_text == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    for (char *word = strtok_r(all->ssh_text, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        if (all->ssh_count == WORDS_MAX)
            return leat_cli_usage(cli, "--ssh: more than %u words", WORDS_MAX);
        all->ssh_words[all->ssh_count++] = word;
    }
    if (all->ssh_count == 0)
        return leat_cli_usage(cli, "--ssh: the program is missing");
    for (size_t i = 0; i < cli->tail_count; i++) {
        if (!leat_hosts_word_is_plain(cli->tail[i]) || strpbrk(cli->tail[i], "\t\r\n") != NULL)
            return leat_cli_usage(cli, "there is a control character behind --");
    }
    return LEAT_EXIT_OK;
}

static int
run(leat_cli *cli)
{
    launches all = {.cli = cli};
    size_t left;
    int code;
    if (leat_options_operand_count(cli->options) != 1 ||
        strcmp(leat_options_operand(cli->options, 0), "ssh") != 0)
        return leat_cli_usage(cli, "say how: leat worker launch ssh -H FILE");
    code = read_hosts(&all);
    if (code == LEAT_EXIT_OK)
        code = read_words(&all);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_connect(cli);
    if (code == LEAT_EXIT_OK)
        code = mark_up(&all, LAUNCH_WAITING, LAUNCH_WAS_UP, &left);
    if (code == LEAT_EXIT_OK) {
        start_all(&all);
        code = wait_until_up(&all);
        const int told = report(&all);
        code = code != LEAT_EXIT_OK ? code : told;
    }
    for (size_t i = 0; i < all.count && all.rows != NULL; i++) {
        leat_children_end(&all.rows[i].ssh, 1, 0);
        if (all.rows[i].out_fd >= 0)
            (void)close(all.rows[i].out_fd);
        if (all.rows[i].err_fd >= 0)
            (void)close(all.rows[i].err_fd);
    }
    free(all.rows);
    leat_hosts_free(all.hosts, all.count);
    free(all.ssh_text);
    return code;
}

static const leat_option rows[] = {
    {.name = "hosts",
     .letter = 'H',
     .type = LEAT_OPTION_TEXT,
     .value = "FILE",
     .takes = "<file>",
     .help = "the hosts, one a line: who@where[:port] and options of leat-worker, as slots=4 (-: "
             "stdin)", .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "worker-key",
     .type = LEAT_OPTION_TEXT,
     .value = "FILE",
     .takes = "<file>",
     .help = "the key file that is handed to a host whose line has no key=; {} in it is the "
             "worker's name"   },
    {.name = "program",
     .type = LEAT_OPTION_TEXT,
     .value = "PATH",
     .fallback = PROGRAM,
     .help = "leat-worker there"   },
    {.name = "ssh",
     .type = LEAT_OPTION_TEXT,
     .value = "COMMAND",
     .fallback = "ssh",
     .help = "the ssh client and its options, split at blanks"},
    {.name = "timeout",
     .type = LEAT_OPTION_DURATION,
     .value = "D",
     .fallback = "30s",
     .help = "how long the broker may take to see those that were started"      },
};

static const leat_example examples[] = {
    {"leat worker launch ssh -H hosts",                                "one worker a line"         },
    {"leat worker launch ssh -H hosts --worker-key 'keys/{}.key'",     "each with a key of its own"},
    {"echo node1 slots=4 | leat worker launch ssh -H - -- --until 2h", "for two hours"             },
};

const leat_cli_command leat_cli_command_worker_launch = {
    .noun = "worker",
    .verb = "launch",
    .summary = "start workers on other hosts, over ssh",
    .operands = "ssh -H FILE [-- OPTIONS…]",
    .takes = "ssh",
    .about =
        "A line is `anna@node1:22 slots=4 channel=mail`; besides options of leat-worker it may have\n"
        "name= (the worker's, and without it the host's), key= (a key file of here) and program=.\n"
        "What stands behind -- is for all. ssh must get in without asking anything. A worker that\n"
        "has been started stays when this command or the connection ends; one whose name the broker\n"
        "has already is not started again.\n"
        "\n"
        "The key goes over ssh's standard input into launch-NAME.key (0600) in the state folder\n"
        "there; beside it is launch-NAME.log. Exit 0: all are up; 1: some are not, and why is told.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .flags = LEAT_CLI_COMMAND_TAIL,
    .run = run,
};
