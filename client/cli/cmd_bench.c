/* leat bench: how fast this machine, or a broker somewhere, moves jobs.
 *
 * Without --broker it starts a broker and workers as processes of their own in a temporary folder,
 * as `leat demo` does, measures over TCP of this machine, and leaves nothing behind. The clients
 * are threads of this process, each with a connection of its own (load.h). */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/load.h"
#include "client/cli/service.h"
#include "client/cli/stop.h"
#include "client/cli/usage.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/limits.h"

#define CLIENTS_MAX 256U
#define WORKERS_MAX 1000U
#define SLOTS_MAX   1000000U
#define JOBS_MAX    1000000000U
#define JOBS_FEW    10000U /* one at a time, or of a handler that takes its time */
#define JOBS_MANY   1000000U
#define WINDOW      100000U
#define TEXT_BYTES  64U
#define PATIENCE_MS 60000
#define END_MS      5000 /* an interrupted client is asked again and again for so long */
#define LOOK_US     10000

#define ROW_NUMBER(row_name, of, standard, least, most, text)                                  \
    {                                                                                          \
        .name = (row_name), .type = LEAT_OPTION_NUMBER, .value = (of), .fallback = (standard), \
        .help = (text), .min = (least), .max = (most), .flags = LEAT_OPTION_NOT_IN_FILE        \
    }
#define ROW_TEXT(row_name, of, standard, text)                                               \
    {                                                                                        \
        .name = (row_name), .type = LEAT_OPTION_TEXT, .value = (of), .fallback = (standard), \
        .help = (text), .flags = LEAT_OPTION_NOT_IN_FILE                                     \
    }

static const leat_option rows[] = {
    ROW_NUMBER("jobs",
               "N",
               NULL,
               1,
               JOBS_MAX,
               "jobs to measure (default 1 000 000; 10 000 with --latency or a handler but noop)"),
    ROW_NUMBER("payload", "BYTES", "64", 0, LEAT_PAYLOAD_BYTES_MAX, "of each job"),
    ROW_NUMBER("clients", "N", "1", 1, CLIENTS_MAX, "connections that send and wait"),
    ROW_NUMBER("workers", "N", "1", 1, WORKERS_MAX, "worker processes"),
    ROW_NUMBER("slots",
               "N",
               NULL,
               1,
               SLOTS_MAX,
               "of each worker (default: one a core; as many as jobs for sleep)"),
    ROW_NUMBER("window",
               "N",
               NULL,
               1,
               JOBS_MAX,
               "jobs on their way, of all clients together (default 100 000; all for sleep)"),
    ROW_NUMBER("frame", "N", NULL, 1, LEAT_RECORDS_MAX, "at most so many jobs in a frame"),
    ROW_NUMBER("pace", "N", NULL, 1, JOBS_MAX, "jobs a second (default: as fast as it goes)"),
    ROW_TEXT("handler", "H", "noop", "what each job does: noop, sleep:MS, or burn:US of CPU time"),
    ROW_TEXT("channel", "NAME", "default", "where the jobs go"),
    ROW_TEXT("channel-durability", "D", NULL, "disk (the default) or memory"),
    {.name = "latency",
                                                                       .type = LEAT_OPTION_FLAG,
                                                                       .help = "one job at a time: send the next when the last has come back",
                                                                       .flags = LEAT_OPTION_NOT_IN_FILE},
    ROW_NUMBER(
        "depth", "N", NULL, 1, JOBS_MAX, "jobs that wait in the channel before, and all the time"),
    ROW_TEXT("cpu", "LIST", NULL, "keep clients, broker and workers on these cores, as 0 or 0,2-3"),
};

/* What is measured of the processes, at the start and at the end. */
typedef struct used {
    double client_s;
    double broker_s;
    double worker_s;
} used;

typedef struct bench {
    leat_cli *cli;
    leat_service service; /* stays empty with --broker */
    bool own;             /* the service is ours */
    bool durable;
    bool pinned; /* --cpu was given */
    bool tmpfs;  /* the store of ours is on no disk */
    size_t client_count;
    size_t worker_count;
    unsigned slots;
    uint64_t jobs;
    uint64_t depth;
    uint64_t window;
    const char *handler_text; /* as given */
    char handler[TEXT_BYTES];
    uint64_t handler_value; /* of sleep ms, of burn us */
    char *payload;          /* owned */
    size_t payload_bytes;
    leat_load_plan *plans; /* owned, one a client */
    leat_load *loads;      /* owned, as many */
    size_t started;
    double depth_bytes; /* of the broker, for each waiting job; < 0: not known */
    used before;
    used after;
    uint64_t broker_peak_bytes;
    uint64_t worker_peak_bytes;
    /* what came of it */
    double seconds;
    uint64_t completions;
    uint64_t not_done;
    double last_start_to_end_s;
    leat_histogram times;
} bench;

/* ---- what is asked for ---- */

/* "sleep:100": handler, and its number as payload. Blanks behind it make the payload as long as it
 * was asked to be. */
static int
take_handler(bench *self)
{
    const char *const text = leat_options_text(self->cli->options, "handler");
    const char *const colon = strchr(text, ':');
    const size_t size = colon == NULL ? strlen(text) : (size_t)(colon - text);
    char number[TEXT_BYTES] = "";
    self->handler_text = text;
    const bool is_noop = strcmp(text, "noop") == 0;
    const bool is_sleep = size == 5 && strncmp(text, "sleep", 5) == 0;
    const bool is_burn = size == 4 && strncmp(text, "burn", 4) == 0;
    if (!is_noop && (!(is_sleep || is_burn) || colon == NULL ||
                     !leat_parse_number(colon + 1, &self->handler_value) ||
                     self->handler_value > (uint64_t)LEAT_DELAY_MS_MAX))
        return leat_cli_usage(
            self->cli,
            "--handler \"%.100s\": it is noop, sleep:MS (as sleep:100) or burn:US "
            "(as burn:1000)",
            text);
    (void)snprintf(self->handler, sizeof self->handler, "%.*s", (int)size, text);
    if (!is_noop)
        (void)snprintf(number, sizeof number, "%" PRIu64 "%s", self->handler_value,
                       is_sleep ? "ms" : "");
    self->payload_bytes = (size_t)leat_options_number(self->cli->options, "payload");
    if (self->payload_bytes < strlen(number))
        self->payload_bytes = strlen(number);
    self->payload = malloc(self->payload_bytes + 1);
    if (self->payload == NULL)
        return leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    memset(self->payload, is_noop ? 'x' : ' ', self->payload_bytes);
    memcpy(self->payload, number, strlen(number));
    return LEAT_EXIT_OK;
}

static bool
given(const bench *self, const char *name)
{
    return leat_options_given(self->cli->options, name);
}

static uint64_t
number_or(const bench *self, const char *name, uint64_t otherwise)
{
    return given(self, name) ? leat_options_number(self->cli->options, name) : otherwise;
}

static int
take_amounts(bench *self)
{
    const leat_options *const options = self->cli->options;
    const bool sleeps = strcmp(self->handler, "sleep") == 0;
    const bool few = leat_options_flag(options, "latency") || strcmp(self->handler, "noop") != 0;
    self->jobs = number_or(self, "jobs", few ? JOBS_FEW : JOBS_MANY);
    self->depth = number_or(self, "depth", 0);
    self->client_count = (size_t)leat_options_number(options, "clients");
    self->worker_count = (size_t)leat_options_number(options, "workers");
    self->window = number_or(self, "window", sleeps ? self->jobs : WINDOW);
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t slots = cores > 0 ? (uint64_t)cores : 1;
    if (sleeps)
        slots = self->jobs < SLOTS_MAX ? self->jobs : SLOTS_MAX;
    self->slots = (unsigned)number_or(self, "slots", slots);
    if (self->jobs < self->client_count)
        return leat_cli_usage(self->cli, "--jobs %" PRIu64 " are too few for %zu clients",
                              self->jobs, self->client_count);
    if (leat_options_flag(options, "latency") && given(self, "pace"))
        return leat_cli_usage(self->cli, "--latency sends one job at a time and has no --pace");
    return leat_cli_check_name(self->cli, "--channel", leat_options_text(options, "channel"));
}

static int
take_place(bench *self)
{
    leat_cli *const cli = self->cli;
    const char *const durability = leat_options_text(cli->options, "channel-durability");
    const char *const cores = leat_options_text(cli->options, "cpu");
    char reason[64];
    self->own = !given(self, "broker");
    self->durable = durability == NULL || strcmp(durability, "disk") == 0;
    if (durability != NULL && !self->durable && strcmp(durability, "memory") != 0)
        return leat_cli_usage(cli, "--channel-durability \"%.100s\" is not disk or memory",
                              durability);
    for (size_t i = 0; !self->own && i < 3; i++) {
        static const char *const names[] = {"channel-durability", "workers", "slots"};
        if (given(self, names[i]))
            return leat_cli_usage(
                cli,
                "--%s is for a broker that this command starts; with --broker the "
                "channel and the workers are those that are there",
                names[i]);
    }
    if (self->own && strcmp(leat_options_text(cli->options, "channel"), "default") != 0)
        return leat_cli_usage(cli, "--channel goes with --broker; the broker that this command "
                                   "starts has the channel \"default\"");
    self->pinned = cores != NULL;
    if (cores != NULL && !leat_usage_pin(cores))
        return errno == 0
                   ? leat_cli_usage(cli, "--cpu \"%.100s\": write it as 0 or 0,2-3", cores)
                   : leat_cli_fail(cli, LEAT_EXIT_USAGE, "WRONG_USE", NULL, "--cpu %.100s: %s",
                                   cores, leat_log_errno_text(errno, reason, sizeof reason));
    return LEAT_EXIT_OK;
}

static int
take_options(bench *self)
{
    if (leat_options_operand_count(self->cli->options) > 0)
        return leat_cli_usage(self->cli, "bench takes no operands");
    int code = take_place(self);
    if (code == LEAT_EXIT_OK)
        code = take_handler(self);
    return code == LEAT_EXIT_OK ? take_amounts(self) : code;
}

/* ---- broker and workers ---- */

static int
channel_command(bench *self, const char *command, const char *key, const char *value)
{
    cJSON *answer = NULL;
    cJSON *arguments = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(arguments, "channel",
                                  leat_options_text(self->cli->options, "channel"));
    if (key != NULL)
        (void)cJSON_AddStringToObject(arguments, key, value);
    const int code = leat_cli_do(self->cli, command, &arguments, command, &answer);
    cJSON_Delete(answer);
    return code;
}

static int
start_service(bench *self)
{
    leat_cli *const cli = self->cli;
    leat_service *const service = &self->service;
    service->death_signal = SIGKILL;
    int code = leat_service_programs(cli, service);
    if (code == LEAT_EXIT_OK)
        code = leat_service_temporary(cli, service, "bench");
    if (code == LEAT_EXIT_OK)
        code = leat_service_start_loopback(cli, service, "bench");
    if (code != LEAT_EXIT_OK)
        return code;
    self->tmpfs = leat_usage_is_in_memory(service->folder);
    service->workers = calloc(self->worker_count, sizeof *service->workers);
    if (service->workers == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    for (; service->worker_count < self->worker_count; service->worker_count++) {
        char name[32];
        (void)snprintf(name, sizeof name, "w%zu", service->worker_count + 1);
        if (leat_stop_wanted())
            return leat_cli_failed(cli, LEAT_REFUSED, "bench");
        if (leat_service_start_worker(cli, service, service->worker_count, name, self->slots, -1) !=
            LEAT_ERR_OK)
            return LEAT_EXIT_LEAT;
    }
    const leat_status status = leat_cli_connect_to(cli, service->endpoint, 10000);
    if (status != LEAT_OK)
        return leat_cli_failed(cli, status, service->endpoint);
    code = leat_service_workers_up(cli, service, self->worker_count,
                                   10000 + (int64_t)self->worker_count * 200);
    if (code == LEAT_EXIT_OK && !self->durable)
        code = channel_command(self, "channel.new", "durability", "memory");
    return code;
}

/* Somebody else's broker: what its channel is, and whether anybody works there. */
static int
look_around(bench *self)
{
    const char *text;
    int code = leat_cli_connect(self->cli);
    if (code == LEAT_EXIT_OK)
        code = leat_cli_query(self->cli, "status", NULL, &text);
    if (code != LEAT_EXIT_OK)
        return code;
    cJSON *const answer = cJSON_Parse(text);
    self->worker_count =
        (size_t)leat_json_count(cJSON_GetObjectItemCaseSensitive(answer, "workers"), "up");
    cJSON_Delete(answer);
    if (self->worker_count == 0)
        return leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "NO_WORKERS", "Start one: leat-worker",
                             "no worker is connected to that broker");

    cJSON *const arguments = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(arguments, "channel",
                                  leat_options_text(self->cli->options, "channel"));
    char *const json = cJSON_PrintUnformatted(arguments);
    cJSON_Delete(arguments);
    if (json == NULL)
        return leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    const leat_status status = leat_query(self->cli->broker, "channel", json, &text);
    cJSON_free(json);
    if (status == LEAT_NOT_FOUND) /* it is made by the first job, durable */
        return LEAT_EXIT_OK;
    if (status != LEAT_OK)
        return leat_cli_failed(self->cli, status, "channel");
    cJSON *const channel = cJSON_Parse(text);
    self->durable = strcmp(leat_json_string(channel, "durability"), "memory") != 0;
    cJSON_Delete(channel);
    return LEAT_EXIT_OK;
}

/* ---- clients ---- */

/* `whole` in `parts`: how much of it the part with this index is. */
static uint64_t
share(uint64_t whole, size_t parts, size_t index)
{
    return whole / parts + (index < whole % parts ? 1 : 0);
}

static int
start_clients(bench *self)
{
    const leat_options *const options = self->cli->options;
    assert(self->client_count > 0);
    self->plans = calloc(self->client_count, sizeof *self->plans);
    self->loads = calloc(self->client_count, sizeof *self->loads);
    if (self->plans == NULL || self->loads == NULL)
        return leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    for (; self->started < self->client_count; self->started++) {
        const size_t i = self->started;
        const uint64_t window = share(self->window, self->client_count, i);
        const uint64_t rate = share(number_or(self, "pace", 0), self->client_count, i);
        self->plans[i] = (leat_load_plan){
            .connection = {.broker = self->own ? self->service.endpoint
                                               : leat_options_text(options, "broker"),
                           .timeout_ms = 10000,
                           .software = "leat bench",
                           .key_file = self->own ? "" : leat_options_text(options, "key-file")},
            .channel = leat_options_text(options, "channel"),
            .handler = self->handler,
            .payload = self->payload,
            .payload_bytes = self->payload_bytes,
            .jobs = share(self->jobs, self->client_count, i),
            .depth = share(self->depth, self->client_count, i),
            .window = window > 0 ? window : 1,
            .frame_records = (uint32_t)number_or(self, "frame", 0),
            .rate = given(self, "pace") && rate == 0 ? 1 : rate,
            .patience_ms = PATIENCE_MS + (int64_t)self->handler_value,
            .one_by_one = leat_options_flag(options, "latency"),
        };
        if (leat_load_start(&self->loads[i], &self->plans[i]) != LEAT_ERR_OK)
            return leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL,
                                 "client %zu cannot be started", i + 1);
    }
    return LEAT_EXIT_OK;
}

static bool
have_reached(bench *self, leat_load_state state)
{
    for (size_t i = 0; i < self->started; i++) {
        if (leat_load_state_of(&self->loads[i]) < state)
            return false;
    }
    return true;
}

static int
fail_client(bench *self, const leat_load *load)
{
    return leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "FAILED", NULL,
                         "after %" PRIu64 " of %" PRIu64 " completions: %s", load->ended,
                         load->plan->jobs,
                         load->sentence[0] != '\0'        ? load->sentence
                         : load->status == LEAT_TIMED_OUT ? "no completion came for a minute"
                                                          : "the batch ended early");
}

/* Wait until all clients are so far; something that goes wrong meanwhile is said. */
static int
watch(bench *self, leat_load_state state)
{
    for (;;) {
        for (size_t i = 0; i < self->started; i++) {
            if (leat_load_state_of(&self->loads[i]) == LEAT_LOAD_ENDED &&
                self->loads[i].status != LEAT_OK)
                return fail_client(self, &self->loads[i]);
        }
        if (have_reached(self, state))
            return LEAT_EXIT_OK;
        if (leat_stop_wanted())
            return leat_cli_failed(self->cli, LEAT_REFUSED, "bench");
        if (self->own && leat_child_has_ended(&self->service.broker)) {
            (void)leat_cli_fail(self->cli, LEAT_EXIT_LEAT, "BROKER_ENDED", NULL,
                                "the broker ended (%s)",
                                leat_child_end_words(&self->service.broker));
            leat_service_show_log(self->cli, &self->service, "broker");
            return LEAT_EXIT_LEAT;
        }
        (void)usleep(LOOK_US);
    }
}

static void
end_clients(bench *self)
{
    const int64_t until_ms = leat_clock_mono_ms() + END_MS;
    while (!have_reached(self, LEAT_LOAD_ENDED) && leat_clock_mono_ms() < until_ms) {
        for (size_t i = 0; i < self->started; i++)
            leat_load_interrupt(&self->loads[i]);
        (void)usleep(LOOK_US);
    }
    if (!have_reached(self, LEAT_LOAD_ENDED) && self->own) /* a broker that hangs */
        leat_service_stop(&self->service, 0);
    for (size_t i = 0; i < self->started; i++)
        leat_load_join(&self->loads[i]);
    self->started = 0;
}

/* ---- measuring ---- */

static used
look_at_usage(const bench *self)
{
    used now = {.client_s = leat_usage_cpu_s(getpid()),
                .broker_s = leat_usage_cpu_s(self->service.broker.pid)};
    for (size_t i = 0; i < self->service.worker_count; i++)
        now.worker_s += leat_usage_cpu_s(self->service.workers[i].pid);
    return now;
}

static void
look_at_memory(bench *self)
{
    self->broker_peak_bytes = leat_usage_peak_bytes(self->service.broker.pid);
    for (size_t i = 0; i < self->service.worker_count; i++) {
        const uint64_t bytes = leat_usage_peak_bytes(self->service.workers[i].pid);
        if (bytes > self->worker_peak_bytes)
            self->worker_peak_bytes = bytes;
    }
}

/* Clients connect; with --depth nothing is taken until the channel is as full as was asked for. */
static int
get_ready(bench *self)
{
    const pid_t broker = self->service.broker.pid;
    const uint64_t empty_bytes = leat_usage_own_bytes(broker);
    int code = LEAT_EXIT_OK;
    self->depth_bytes = -1;
    if (self->depth > 0) {
        if (self->own && self->durable)
            code = channel_command(self, "channel.new", "durability", "disk");
        if (code == LEAT_EXIT_OK)
            code = channel_command(self, "channel.pause", NULL, NULL);
    }
    if (code == LEAT_EXIT_OK)
        code = start_clients(self);
    if (code == LEAT_EXIT_OK)
        code = watch(self, LEAT_LOAD_READY);
    if (code != LEAT_EXIT_OK)
        return code;
    if (self->own && self->depth > 0)
        self->depth_bytes =
            ((double)leat_usage_own_bytes(broker) - (double)empty_bytes) / (double)self->depth;
    return LEAT_EXIT_OK;
}

/* Figures of all clients together; the time is from the first start to the last end. */
static int
sum_up(bench *self)
{
    int64_t began_ns = INT64_MAX;
    int64_t ended_ns = 0;
    int64_t last_start_ms = 0;
    int64_t ended_wall_ms = 0;
    for (size_t i = 0; i < self->client_count; i++) {
        const leat_load *const load = &self->loads[i];
        began_ns = load->began_ns < began_ns ? load->began_ns : began_ns;
        ended_ns = load->ended_ns > ended_ns ? load->ended_ns : ended_ns;
        if (load->last_start_ms > last_start_ms)
            last_start_ms = load->last_start_ms;
        if (load->ended_wall_ms > ended_wall_ms)
            ended_wall_ms = load->ended_wall_ms;
        self->completions +=
            self->depth > 0 && load->ended > load->plan->jobs ? load->plan->jobs : load->ended;
        self->not_done += load->not_done;
        leat_histogram_merge(&self->times, &load->times);
    }
    self->seconds = (double)(ended_ns - began_ns) * 1e-9;
    self->last_start_to_end_s = (double)(ended_wall_ms - last_start_ms) / 1000;
    if (self->completions == self->jobs && self->not_done == 0)
        return LEAT_EXIT_OK;
    return leat_cli_fail(self->cli, LEAT_EXIT_FAILED, "FAILED", NULL,
                         "%" PRIu64 " completions for %" PRIu64 " jobs, %" PRIu64
                         " of them not done: this is no measurement",
                         self->completions, self->jobs, self->not_done);
}

/* With --depth jobs are left over; on somebody else's broker they must not stay. */
static void
clean_up(bench *self)
{
    leat_cancelled cancelled;
    for (size_t i = 0; !self->own && i < self->started; i++) {
        leat_load *const load = &self->loads[i];
        if (load->batch != NULL && leat_batch_id(load->batch) != 0 && load->ended < load->added)
            (void)leat_cancel(self->cli->broker, leat_batch_id(load->batch), 1, 0, &cancelled);
    }
}

static int
measure(bench *self)
{
    int code = get_ready(self);
    if (code == LEAT_EXIT_OK) {
        self->before = look_at_usage(self);
        for (size_t i = 0; i < self->started; i++)
            leat_load_go(&self->loads[i]);
        if (self->depth > 0)
            code = channel_command(self, "channel.resume", NULL, NULL);
    }
    if (code == LEAT_EXIT_OK)
        code = watch(self, LEAT_LOAD_ENDED);
    self->after = look_at_usage(self);
    look_at_memory(self);
    if (code != LEAT_EXIT_OK && self->depth > 0 && !self->own && self->cli->broker != NULL)
        (void)channel_command(self, "channel.resume", NULL, NULL);
    if (self->cli->broker != NULL)
        clean_up(self);
    end_clients(self);
    return code == LEAT_EXIT_OK ? sum_up(self) : code;
}

/* ---- what came of it ---- */

/* Processes of somebody else's cannot be looked into. */
static void
put_of_service(const bench *self, cJSON *json, const char *key, double value)
{
    if (self->own)
        (void)cJSON_AddNumberToObject(json, key, value);
    else
        (void)cJSON_AddNullToObject(json, key);
}

static void
put_times(const bench *self, cJSON *json)
{
    static const struct {
        const char *key;
        double share;
    } wanted[] = {
        {"p50_us", 0.5 },
        {"p90_us", 0.9 },
        {"p99_us", 0.99},
    };
    for (size_t i = 0; i < LEAT_COUNT_OF(wanted); i++) {
        const double us = leat_histogram_us(&self->times, wanted[i].share);
        if (self->times.count > 0)
            (void)cJSON_AddNumberToObject(json, wanted[i].key, us);
        else
            (void)cJSON_AddNullToObject(json, wanted[i].key);
    }
    (void)cJSON_AddNumberToObject(json, "max_us", (double)self->times.max_ns / 1000);
}

static void
print_json(const bench *self, const char *machine)
{
    const leat_options *const options = self->cli->options;
    cJSON *json = cJSON_CreateObject();
    (void)cJSON_AddNumberToObject(json, "jobs", (double)self->jobs);
    (void)cJSON_AddNumberToObject(json, "completions", (double)self->completions);
    (void)cJSON_AddNumberToObject(json, "seconds", self->seconds);
    (void)cJSON_AddNumberToObject(json, "jobs_per_second",
                                  (double)self->completions / self->seconds);
    (void)cJSON_AddStringToObject(json, "mode",
                                  leat_options_flag(options, "latency") ? "latency" : "throughput");
    (void)cJSON_AddStringToObject(json, "handler", self->handler_text);
    (void)cJSON_AddStringToObject(json, "durability", self->durable ? "disk" : "memory");
    (void)cJSON_AddNumberToObject(json, "payload_bytes", (double)self->payload_bytes);
    (void)cJSON_AddNumberToObject(json, "clients", (double)self->client_count);
    (void)cJSON_AddNumberToObject(json, "workers", (double)self->worker_count);
    put_of_service(self, json, "slots", self->slots);
    (void)cJSON_AddNumberToObject(json, "window", (double)self->window);
    (void)cJSON_AddNumberToObject(json, "frame", (double)number_or(self, "frame", 0));
    (void)cJSON_AddNumberToObject(json, "pace", (double)number_or(self, "pace", 0));
    (void)cJSON_AddNumberToObject(json, "depth", (double)self->depth);
    if (self->depth_bytes >= 0)
        (void)cJSON_AddNumberToObject(json, "depth_bytes_per_job", self->depth_bytes);
    if (self->pinned)
        (void)cJSON_AddStringToObject(json, "cpu", leat_options_text(options, "cpu"));
    put_times(self, json);
    (void)cJSON_AddNumberToObject(json, "last_start_to_end_s", self->last_start_to_end_s);
    (void)cJSON_AddNumberToObject(json, "client_cpu_s",
                                  self->after.client_s - self->before.client_s);
    put_of_service(self, json, "broker_cpu_s", self->after.broker_s - self->before.broker_s);
    put_of_service(self, json, "worker_cpu_s", self->after.worker_s - self->before.worker_s);
    put_of_service(self, json, "broker_peak_rss_bytes", (double)self->broker_peak_bytes);
    put_of_service(self, json, "worker_peak_rss_bytes", (double)self->worker_peak_bytes);
    if (self->own)
        (void)cJSON_AddBoolToObject(json, "store_is_in_memory", self->tmpfs);
    (void)cJSON_AddStringToObject(json, "machine", machine);
    (void)leat_json_print(&json, stdout);
}

/* 2297027 as "2 297 027". */
static const char *
grouped(double value, char out[TEXT_BYTES])
{
    char digits[32];
    size_t used_bytes = 0;
    const int size = snprintf(digits, sizeof digits, "%.0f", value);
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            out[used_bytes++] = ' ';
        out[used_bytes++] = digits[i];
    }
    out[used_bytes] = '\0';
    return out;
}

static const char *
spoken_us(double us, char out[TEXT_BYTES])
{
    if (us < 1000)
        (void)snprintf(out, TEXT_BYTES, "%.0f us", us);
    else if (us < 1e6)
        (void)snprintf(out, TEXT_BYTES, "%.*f ms", us < 1e4 ? 2 : 1, us / 1000);
    else
        (void)snprintf(out, TEXT_BYTES, "%.2f s", us / 1e6);
    return out;
}

static void
print_text(const bench *self, const char *machine)
{
    char a[TEXT_BYTES];
    char b[TEXT_BYTES];
    char c[TEXT_BYTES];
    const bool latency = leat_options_flag(self->cli->options, "latency");
    const double jobs = (double)self->completions;
    (void)printf("%s jobs/s   %s jobs in %.3f s\n", grouped(jobs / self->seconds, a),
                 grouped(jobs, b), self->seconds);
    (void)printf("  jobs      %s, %zu bytes, on %s%s\n", self->handler_text, self->payload_bytes,
                 self->durable ? "disk, synced" : "no disk (memory)",
                 self->durable && self->tmpfs ? ", but TMPDIR is no disk" : "");
    (void)printf("  from      %zu client%s, %zu worker%s, ", self->client_count,
                 self->client_count == 1 ? "" : "s", self->worker_count,
                 self->worker_count == 1 ? "" : "s");
    (void)printf(latency ? "one job at a time\n" : "%s on their way\n",
                 grouped((double)self->window, a));
    if (self->times.count > 0)
        (void)printf("  %s p50 %s   p99 %s   longest %s\n", latency ? "trip     " : "time     ",
                     spoken_us(leat_histogram_us(&self->times, 0.5), a),
                     spoken_us(leat_histogram_us(&self->times, 0.99), b),
                     spoken_us((double)self->times.max_ns / 1000, c));
    (void)printf("  CPU       %.2f us a job in the client%s",
                 (self->after.client_s - self->before.client_s) / jobs * 1e6,
                 self->client_count == 1 ? "" : "s");
    if (self->own)
        (void)printf(", %.2f in the broker, %.2f in the worker%s",
                     (self->after.broker_s - self->before.broker_s) / jobs * 1e6,
                     (self->after.worker_s - self->before.worker_s) / jobs * 1e6,
                     self->worker_count == 1 ? "" : "s");
    (void)printf("\n");
    if (self->own)
        (void)printf("  memory    broker %.0f MiB, worker %.0f MiB at the peak\n",
                     (double)self->broker_peak_bytes / 1048576,
                     (double)self->worker_peak_bytes / 1048576);
    if (self->depth_bytes >= 0)
        (void)printf("  waiting   %s jobs, %.0f bytes of the broker's memory each\n",
                     grouped((double)self->depth, a), self->depth_bytes);
    (void)printf("  machine   %s%s%s\n", machine, self->pinned ? ", only cores " : "",
                 self->pinned ? leat_options_text(self->cli->options, "cpu") : "");
}

static int
run(leat_cli *cli)
{
    char machine[512];
    bench *const self = calloc(1, sizeof *self);
    if (self == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    self->cli = cli;
    int code = take_options(self);
    if (code != LEAT_EXIT_OK)
        goto done;
    leat_stop_patiently();
    code = self->own ? start_service(self) : look_around(self);
    if (code == LEAT_EXIT_OK)
        code = measure(self);
    if (code != LEAT_EXIT_OK)
        goto done;
    leat_usage_machine(machine, sizeof machine);
    if (cli->json)
        print_json(self, machine);
    else
        print_text(self, machine);
    (void)leat_cli_flush();

done:
    leat_cli_disconnect(cli);
    leat_service_end(&self->service);
    free(self->plans);
    free(self->loads);
    free(self->payload);
    free(self);
    return code;
}

static const leat_example examples[] = {
    {"leat bench",                                     "a million jobs that do nothing, on disk"    },
    {"leat bench --channel-durability memory",         "the same without a disk"                    },
    {"leat bench --latency --cpu 0",                   "one at a time, everything on one core"      },
    {"leat bench --handler sleep:1000 --jobs 100_000", "as many jobs that sleep for a second"       },
    {"leat bench --broker tcp://HOST:5328 --json",     "a broker and its workers that run elsewhere"},
};

const leat_cli_command leat_cli_command_bench = {
    .noun = "bench",
    .summary = "measure how many jobs a second go through, and how long one takes",
    .operands = "",
    .about =
        "Starts a broker and workers as processes of their own on this machine, in a temporary\n"
        "folder and over TCP, sends jobs, waits for every completion, prints the figures, and\n"
        "leaves nothing behind. With --broker it starts nothing and measures what is there.\n"
        "Everything is in force that always is: on disk means synced before the answer, the\n"
        "history of ended jobs is kept, and every job must come back done.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .run = run,
};
