/* leat up: a broker and a worker of one's own, until Ctrl-C or `leat down`.
 *
 * This process is their supervisor: it starts them, starts one again that ended by itself, and ends
 * them in order: the worker drains, then the broker stops. While it lives it holds the lock of a
 * file in the state folder, which is how a second `up` and `down` find it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/duration.h"
#include "client/cli/json.h"
#include "client/cli/listen.h"
#include "client/cli/service.h"
#include "client/cli/stop.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/limits.h"
#include "proto/link/link.h"

#define READY_MS        15000
#define LOOK_MS         50
#define BACKOFF_MS_MIN  500
#define BACKOFF_MS_MAX  30000
#define CALM_MS         60000 /* a child that ran so long starts again without much back-off */
#define BROKER_GRACE_MS 10000
#define OWN_GRACE_MS    5000 /* of the worker, when CMD has ended */
#define NO_LOCK         (-1)

static const leat_option rows[] = {
    {.name = "slots",
     .letter = 'j',
     .type = LEAT_OPTION_NUMBER,
     .value = "N",
     .help = "jobs at once (default: one a core)",
     .min = 1,
     .max = LEAT_SLOTS_MAX},
    {.name = "detach",
     .letter = 'd',
     .type = LEAT_OPTION_FLAG,
     .help = "go to the background when all is up",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "listen",
     .type = LEAT_OPTION_FLAG,
     .help = "also serve other hosts, with keys; ADDR is HOST, HOST:PORT or :PORT (default: this "
             "host's first address, port 5328)"  },
    LEAT_ROW_KEYS,
};

typedef struct restart {
    int64_t started_ms;
    int64_t again_ms;   /* when it is started again; 0: it runs */
    int64_t backoff_ms; /* the last one */
} restart;

typedef struct up {
    leat_cli *cli;
    leat_service service;
    int lock; /* NO_LOCK: somebody else has it, or it is not needed */
    leat_listen listen;
    unsigned slots;
    char worker_name[LEAT_NAME_BYTES_MAX + 1];
    restart broker;
    restart worker;
    int64_t started_ms;
    int report; /* -d: where the exit code goes when all is up; -1 */
} up;

/* ---- starting ---- */

static unsigned
core_count(void)
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) == 0 && CPU_COUNT(&cores) > 0)
        return (unsigned)CPU_COUNT(&cores);
    return 1;
}

static void
name_worker(up *self)
{
    if (gethostname(self->worker_name, sizeof self->worker_name) != 0 ||
        self->worker_name[0] == '\0')
        (void)snprintf(self->worker_name, sizeof self->worker_name, "worker");
    self->worker_name[sizeof self->worker_name - 1] = '\0';
}

static int
start_all(up *self)
{
    leat_cli *const cli = self->cli;
    self->service.workers = calloc(1, sizeof *self->service.workers);
    if (self->service.workers == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    const leat_err err = leat_service_start_broker(cli, &self->service, NULL);
    if (err == LEAT_ERR_INTERRUPTED)
        return leat_cli_failed(cli, LEAT_REFUSED, "up");
    if (err == LEAT_ERR_IN_USE)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "IN_USE", "Use it as it is, or stop it first",
                             "a broker that leat up has not started is at %s",
                             self->service.endpoint);
    if (err != LEAT_ERR_OK)
        return LEAT_EXIT_LEAT;
    self->service.worker_count = 1;
    self->service.allows_commands = true;
    if (leat_service_start_worker(cli, &self->service, 0, self->worker_name, self->slots, -1) !=
        LEAT_ERR_OK)
        return LEAT_EXIT_LEAT;
    self->broker.started_ms = leat_clock_mono_ms();
    self->worker.started_ms = self->broker.started_ms;
    const leat_status status = leat_cli_connect_to(cli, self->service.endpoint, READY_MS);
    int code =
        status == LEAT_OK ? LEAT_EXIT_OK : leat_cli_failed(cli, status, self->service.endpoint);
    if (code == LEAT_EXIT_OK)
        code = leat_service_workers_up(cli, &self->service, 1, READY_MS);
    leat_cli_disconnect(cli);
    return code;
}

static void
print_up(const up *self)
{
    const leat_cli *const cli = self->cli;
    const bool has_others = self->listen.bind[0] != '\0';
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(json, "endpoint", self->service.endpoint);
        (void)cJSON_AddNumberToObject(json, "pid", getpid());
        (void)cJSON_AddNumberToObject(json, "slots", self->slots);
        (void)cJSON_AddStringToObject(json, "state", self->service.folder);
        if (has_others) {
            (void)cJSON_AddStringToObject(json, "listen", self->listen.url);
            (void)cJSON_AddStringToObject(json, "keys", self->listen.keys);
        }
        (void)leat_json_print(&json, stdout);
    } else if (!cli->quiet) {
        (void)printf("Leat is up.\n"
                     "  broker  %s\n",
                     self->service.endpoint);
        if (has_others)
            (void)printf("          %s, for those who have a key\n", self->listen.url);
        (void)printf("  worker  %s, %u slot%s\n"
                     "  state   %s\n"
                     "Try:   leat submit --handler echo hello && leat wait && leat result last\n",
                     self->worker_name, self->slots, self->slots == 1 ? "" : "s",
                     self->service.folder);
        if (has_others)
            (void)puts("Others: leat key new w1 --role worker, copy w1.key there, and: "
                       "leat-worker --key-file w1.key");
        (void)printf("Stop:  %s\n", self->report >= 0 ? "leat down" : "Ctrl-C, or leat down");
    }
    (void)leat_cli_flush();
}

/* ---- keeping them running ---- */

/* When a child has ended by itself: how, and when it is started again. */
static void
plan_restart(up *self, restart *one, const char *what, const leat_child *child)
{
    char when[LEAT_DURATION_BYTES];
    const int64_t now_ms = leat_clock_mono_ms();
    const bool calm = now_ms - one->started_ms >= CALM_MS;
    one->backoff_ms = calm || one->backoff_ms == 0 ? BACKOFF_MS_MIN : one->backoff_ms * 2;
    if (one->backoff_ms > BACKOFF_MS_MAX)
        one->backoff_ms = BACKOFF_MS_MAX;
    one->again_ms = now_ms + one->backoff_ms;
    leat_cli_say(self->cli, "the %s ended (%s), starting it again in %s", what,
                 leat_child_end_words(child),
                 leat_duration_spoken((double)one->backoff_ms / 1000, when));
}

static void
look_after(up *self)
{
    leat_service *const service = &self->service;
    const int64_t now_ms = leat_clock_mono_ms();
    if (self->broker.again_ms == 0 && leat_child_has_ended(&service->broker))
        plan_restart(self, &self->broker, "broker", &service->broker);
    if (self->worker.again_ms == 0 && leat_child_has_ended(&service->workers[0]))
        plan_restart(self, &self->worker, "worker", &service->workers[0]);
    if (self->broker.again_ms != 0 && now_ms >= self->broker.again_ms) {
        self->broker.again_ms = 0;
        self->broker.started_ms = now_ms;
        if (leat_service_start_broker(self->cli, service, NULL) == LEAT_ERR_OK)
            leat_cli_say(self->cli, "the broker runs again");
    }
    if (self->worker.again_ms != 0 && now_ms >= self->worker.again_ms) {
        self->worker.again_ms = 0;
        self->worker.started_ms = now_ms;
        if (leat_service_start_worker(self->cli, service, 0, self->worker_name, self->slots, -1) ==
            LEAT_ERR_OK)
            leat_cli_say(self->cli, "the worker runs again");
    }
}

/* Sleeps in between: a signal ends the sleep, children are looked after twenty times a second. */
static void
nap(void)
{
    (void)poll(NULL, 0, LOOK_MS);
}

/* The first signal drains: the worker gets no more jobs and finishes those it has. The second one
 * kills. */
static void
drain(up *self)
{
    leat_service *const service = &self->service;
    const unsigned before = leat_stop_count();
    leat_cli_say(self->cli, "draining: the worker finishes what it runs%s",
                 self->cli->err.terminal ? " (Ctrl-C again to stop at once)" : "");
    leat_child_signal(&service->workers[0], SIGTERM);
    while (!leat_child_has_ended(&service->workers[0])) {
        if (leat_stop_count() > before) {
            leat_cli_say(self->cli, "stopping at once");
            leat_service_stop(service, 0);
            return;
        }
        nap();
    }
    leat_service_stop(service, BROKER_GRACE_MS);
}

static int
serve(up *self)
{
    char ran[LEAT_DURATION_BYTES];
    while (leat_stop_signal() == 0) {
        look_after(self);
        nap();
    }
    drain(self);
    leat_cli_say(
        self->cli, "Leat is down, after %s",
        leat_duration_spoken((double)(leat_clock_mono_ms() - self->started_ms) / 1000, ran));
    /* Being told to end is how this command ends well. */
    return LEAT_EXIT_OK;
}

/* ---- in the background ---- */

/* Go on in a child process. In the parent, which waits until the child has told how its start went,
 * *is_parent is true and the exit code is returned; in the child report is set. */
static int
detach(up *self, bool *is_parent)
{
    int report[2];
    char reason[64];
    unsigned char code = LEAT_EXIT_LEAT;
    *is_parent = true;
    if (pipe2(report, O_CLOEXEC) != 0)
        return leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "IO", NULL,
                             "cannot go to the background: %s",
                             leat_log_errno_text(errno, reason, sizeof reason));
    (void)leat_cli_flush();
    const pid_t pid = fork();
    if (pid == 0) {
        *is_parent = false;
        (void)close(report[0]);
        (void)setsid();
        self->report = report[1];
        return LEAT_EXIT_OK;
    }
    (void)close(report[1]);
    if (pid < 0)
        (void)leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "IO", NULL,
                            "cannot go to the background: %s",
                            leat_log_errno_text(errno, reason, sizeof reason));
    /* An end without a code is a death. */
    while (pid > 0 && read(report[0], &code, 1) < 0 && errno == EINTR) {
        if (leat_stop_signal() != 0)
            (void)kill(pid, SIGTERM);
    }
    (void)close(report[0]);
    return code;
}

/* All is up: the terminal is free again. What is said from now on goes to a log. */
static void
leave_terminal(up *self)
{
    char path[LEAT_PATH_BYTES];
    const unsigned char code = LEAT_EXIT_OK;
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int log = -1;
    if (leat_path_join(self->service.folder, "up.log", path, sizeof path) == LEAT_ERR_OK)
        log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (null >= 0) {
        (void)dup2(null, STDIN_FILENO);
        (void)dup2(null, STDOUT_FILENO);
        (void)dup2(log >= 0 ? log : null, STDERR_FILENO);
        (void)close(null);
    }
    if (log >= 0)
        (void)close(log);
    self->cli->err = leat_screen_of(stderr, LEAT_COLOR_NEVER);
    (void)!write(self->report, &code, 1);
    (void)close(self->report);
    self->report = -1;
}

/* ---- leat up ---- */

static int
already_up(const leat_cli *cli, const leat_up_note *note)
{
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(json, "endpoint", note->endpoint);
        (void)cJSON_AddNumberToObject(json, "pid", note->pid);
        (void)cJSON_AddNumberToObject(json, "slots", note->slots);
        (void)cJSON_AddBoolToObject(json, "already", 1);
        (void)leat_json_print(&json, stdout);
    } else if (note->pid == 0) {
        leat_cli_say(cli, "Leat is being started or stopped by another leat up");
    } else {
        leat_cli_say(cli, "Leat is up already: %s, %u slot%s, process %ld.  Stop: leat down",
                     note->endpoint, note->slots, note->slots == 1 ? "" : "s", (long)note->pid);
    }
    return LEAT_EXIT_OK;
}

static int
use_own_socket(up *self)
{
    char path[108];
    const leat_err err = leat_link_user_socket(true, path, sizeof path);
    if (err == LEAT_ERR_OK) {
        (void)snprintf(self->service.endpoint, sizeof self->service.endpoint, "ipc://%s", path);
        return LEAT_EXIT_OK;
    }
    return leat_cli_fail(self->cli, LEAT_EXIT_LEAT, leat_err_name(err),
                         "It is leat in XDG_RUNTIME_DIR, or else /tmp/leat-UID",
                         "the folder of your own socket cannot be used: %s",
                         err == LEAT_ERR_DENIED ? "it belongs to, or is open to, somebody else"
                                                : leat_err_message(err));
}

static int
take_state(up *self)
{
    char why[512];
    char reason[64];
    leat_up_note note;
    if (leat_state_folder(true, self->service.folder, why) != LEAT_ERR_OK)
        return leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "NO_FOLDER", NULL, "%s", why);
    const leat_err err = leat_up_lock(self->service.folder, &self->lock, &note);
    if (err == LEAT_ERR_IN_USE) {
        self->lock = NO_LOCK;
        return already_up(self->cli, &note);
    }
    if (err != LEAT_ERR_OK)
        return leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "NO_FOLDER", NULL,
                             "cannot lock up.pid in %s: %s", self->service.folder,
                             leat_log_errno_text(errno, reason, sizeof reason));
    return LEAT_EXIT_OK;
}

/* What other hosts need, before anything is started. */
static int
prepare_listen(up *self)
{
    const leat_options *const options = self->cli->options;
    if (!leat_options_flag(options, "listen"))
        return LEAT_EXIT_OK;
    const bool has_address = leat_options_operand_count(options) > 0;
    const int code = leat_listen_prepare(
        self->cli, has_address ? leat_options_operand(options, 0) : "", &self->listen);
    memcpy(self->service.listen, self->listen.bind, sizeof self->service.listen);
    memcpy(self->service.keys, self->listen.keys, sizeof self->service.keys);
    return code;
}

static int
run_up(up *self)
{
    leat_up_note note = {.slots = self->slots};
    const char *const no_settings[] = {NULL};
    bool is_parent = false;
    int code = take_state(self);
    if (code != LEAT_EXIT_OK || self->lock < 0)
        return code;
    code = prepare_listen(self);
    if (code != LEAT_EXIT_OK)
        return code;
    if (leat_options_flag(self->cli->options, "detach")) {
        code = detach(self, &is_parent);
        if (is_parent)
            return code;
    }
    /* Settings in LEAT_ variables are this program's; the two others have their own files. */
    self->service.environment = leat_environment_new(LEAT_ENVIRONMENT_CLEAN, no_settings);
    code = self->service.environment == NULL
               ? leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory")
               : use_own_socket(self);
    if (code == LEAT_EXIT_OK) {
        note.pid = getpid();
        (void)snprintf(note.endpoint, sizeof note.endpoint, "%s", self->service.endpoint);
        leat_up_write(self->lock, &note);
        code = start_all(self);
    }
    if (code == LEAT_EXIT_OK) {
        print_up(self);
        if (self->report >= 0)
            leave_terminal(self);
        code = serve(self);
    }
    note = (leat_up_note){0};
    leat_service_stop(&self->service, BROKER_GRACE_MS);
    leat_up_write(self->lock, &note);
    if (self->report >= 0) {
        const unsigned char told = (unsigned char)code;
        (void)!write(self->report, &told, 1);
    }
    return code;
}

/* ---- leat up -- CMD ---- */

/* Run CMD in the foreground: Ctrl-C is its business, SIGTERM is passed on. */
static int
run_command(up *self)
{
    char broker[320];
    char reason[64];
    leat_child child;
    const leat_cli *const cli = self->cli;
    (void)snprintf(broker, sizeof broker, "LEAT_BROKER=%s", self->service.endpoint);
    const char *const more[] = {broker, NULL};
    char **const environment = leat_environment_new(LEAT_ENVIRONMENT_WHOLE, more);
    if (environment == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    const leat_child_plan plan = {
        .path = cli->tail[0],
        .argv = cli->tail,
        .environment = environment,
        .stdin_fd = 0,
        .stdout_fd = 1,
        .stderr_fd = 2,
    };
    const leat_err err = leat_child_start(&plan, &child);
    const int errnum = errno;
    leat_environment_free(environment);
    if (err != LEAT_ERR_OK)
        return leat_cli_fail(cli, errnum == ENOENT ? LEAT_EXIT_NO_PROGRAM : LEAT_EXIT_NO_EXEC,
                             "NO_PROGRAM", NULL, "cannot run \"%s\": %s", cli->tail[0],
                             leat_log_errno_text(errnum, reason, sizeof reason));
    unsigned told = 0;
    while (!leat_child_has_ended(&child)) {
        if (leat_stop_count() > told) {
            told = leat_stop_count();
            if (leat_stop_last() != SIGINT)
                leat_child_signal(&child, leat_stop_last());
        }
        (void)poll(NULL, 0, 10);
    }
    return leat_child_exit_code(&child);
}

static int
run_around(up *self)
{
    leat_cli *const cli = self->cli;
    if (cli->tail_count == 0)
        return leat_cli_usage(cli, "after -- a command is missing");
    if (leat_options_flag(cli->options, "detach"))
        return leat_cli_usage(cli, "-d and a command do not go together");
    if (leat_options_origin(cli->options, "listen") == LEAT_ORIGIN_COMMAND_LINE)
        return leat_cli_usage(cli, "--listen and a command do not go together");
    int code = leat_service_temporary(cli, &self->service, "up");
    if (code != LEAT_EXIT_OK)
        return code;
    (void)snprintf(self->service.endpoint, sizeof self->service.endpoint,
                   "ipc://%.200s/broker.sock", self->service.folder);
    if (strlen(self->service.endpoint) > 6 + 107)
        return leat_cli_fail(
            cli, LEAT_EXIT_LEAT, "TOO_LARGE", "Use a shorter one: TMPDIR=/tmp leat up …",
            "the path of a socket ends at 107 bytes, and %s is longer", self->service.endpoint + 6);
    code = start_all(self);
    if (code == LEAT_EXIT_OK)
        code = run_command(self);
    leat_service_stop(&self->service, OWN_GRACE_MS);
    return code;
}

static int
run(leat_cli *cli)
{
    up self = {.cli = cli, .lock = NO_LOCK, .report = -1, .started_ms = leat_clock_mono_ms()};
    const size_t operand_count = leat_options_operand_count(cli->options);
    const size_t known = leat_options_flag(cli->options, "listen") ? 1 : 0; /* its ADDR */
    if (operand_count > known)
        return leat_cli_usage(
            cli, "\"%.100s\" is not understood. To run a command: leat up -- %.100s",
            leat_options_operand(cli->options, known), leat_options_operand(cli->options, known));
    self.slots = leat_options_given(cli->options, "slots")
                     ? (unsigned)leat_options_number(cli->options, "slots")
                     : core_count();
    name_worker(&self);
    leat_stop_patiently();
    int code = leat_service_programs(cli, &self.service);
    if (code == LEAT_EXIT_OK) {
        /* When this process dies, the worker drains and the broker stops as if told. */
        self.service.death_signal = SIGTERM;
        code = cli->tail != NULL ? run_around(&self) : run_up(&self);
    }
    leat_cli_disconnect(cli);
    leat_service_end(&self.service);
    if (self.lock >= 0)
        (void)close(self.lock);
    return code;
}

static const leat_example up_examples[] = {
    {"leat up",              "in the foreground; Ctrl-C drains and ends it"},
    {"leat up -d -j 8",      "in the background, eight jobs at once"       },
    {"leat up --listen",     "other hosts too, who have a key"             },
    {"leat up -- make test", "a broker of its own for one command"         },
};

const leat_cli_command leat_cli_command_up = {
    .noun = "up",
    .summary = "start a broker and a worker of your own",
    .operands = "[ADDR] [-- CMD…]",
    .about =
        "The broker serves your own socket, which all commands try first. Its state is kept\n"
        "in $XDG_STATE_HOME/leat and is there again after the next `leat up`. Broker and\n"
        "worker read broker.ini and worker.ini. --listen makes the keys directory, with a key\n"
        "for the broker and one for you (me.key), and notes the address, so that `leat key\n"
        "new` makes files that need nothing else. With -- CMD it starts another broker with a\n"
        "state of its own, runs CMD with LEAT_BROKER set, and ends with CMD's exit code.\n",
    .examples = up_examples,
    .example_count = LEAT_COUNT_OF(up_examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .flags = LEAT_CLI_COMMAND_TAIL | LEAT_CLI_COMMAND_LOCAL,
    .run = run,
};

/* ---- leat down ---- */

static int
say_down(const leat_cli *cli, const leat_up_note *note, double seconds)
{
    char took[LEAT_DURATION_BYTES];
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        (void)cJSON_AddBoolToObject(json, "down", 1);
        (void)cJSON_AddNumberToObject(json, "pid", note->pid);
        (void)cJSON_AddNumberToObject(json, "took_s", seconds);
        (void)leat_json_print(&json, stdout);
    }
    leat_cli_say(cli,
                 "Leat is down: the worker has finished what it ran, the broker has stopped (%s)",
                 leat_duration_spoken(seconds, took));
    return LEAT_EXIT_OK;
}

static int
run_down(leat_cli *cli)
{
    char folder[LEAT_PATH_BYTES];
    char why[512];
    leat_up_note note;
    leat_up_note now;
    const int64_t started_ms = leat_clock_mono_ms();
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "down takes no operands");
    if (leat_state_folder(false, folder, why) != LEAT_ERR_OK)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_FOLDER", NULL, "%s", why);
    if (!leat_up_runs(folder, &note))
        return leat_cli_fail(cli, LEAT_EXIT_NOT_FOUND, "NOT_FOUND", NULL,
                             "nothing to end: no leat up of yours runs (looked in %s)", folder);
    if (note.pid == 0 || kill(note.pid, SIGTERM) != 0)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "BAD_STATE", "Try again in a moment",
                             "leat up is being started or stopped");
    if (leat_options_given(cli->options, "timeout"))
        leat_stop_after(leat_options_ms(cli->options, "timeout"));
    while (leat_up_runs(folder, &now)) {
        if (leat_stop_signal() != 0)
            return 128 + leat_stop_signal();
        if (leat_stop_timed_out())
            return leat_cli_fail(cli, LEAT_EXIT_TIMEOUT, "TIMEOUT", NULL,
                                 "still draining: the worker has jobs that run");
        nap();
    }
    return say_down(cli, &note, (double)(leat_clock_mono_ms() - started_ms) / 1000);
}

static const leat_option down_rows[] = {
    LEAT_ROW_TIMEOUT("how long to wait for the jobs that run (exit 124); draining goes on"),
};

static const leat_example down_examples[] = {
    {"leat down",               "finish what runs, then stop"},
    {"leat down --timeout 30s", "wait for half a minute only"},
};

const leat_cli_command leat_cli_command_down = {
    .noun = "down",
    .summary = "end what leat up started, draining",
    .operands = "",
    .about = "What has not started stays in the store and runs after the next `leat up`.\n",
    .examples = down_examples,
    .example_count = LEAT_COUNT_OF(down_examples),
    .rows = down_rows,
    .row_count = LEAT_COUNT_OF(down_rows),
    .flags = LEAT_CLI_COMMAND_LOCAL,
    .run = run_down,
};
