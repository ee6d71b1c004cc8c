/* A broker and workers of one's own. */
#include "client/cli/service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "client/cli/json.h"
#include "client/cli/stop.h"
#include "client/cli/variable.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define LISTEN_MS     10000 /* a broker that does not listen after that has a problem */
#define LOOK_US       5000
#define LOG_TAIL      2048
#define END_GRACE_MS  3000
#define ARGUMENTS_MAX 16U
#define PORT_TRIES    20

/* ---- getting ready ---- */

static int
find(leat_cli *cli, const char *name, char out[LEAT_PATH_BYTES])
{
    if (leat_program_find(name, out, LEAT_PATH_BYTES) == LEAT_ERR_OK)
        return LEAT_EXIT_OK;
    const char *const told = leat_variable("LEAT_BIN_DIR");
    if (told != NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_PROGRAM", NULL,
                             "no program %s in %s (LEAT_BIN_DIR)", name, told);
    return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_PROGRAM",
                         "Say where it is: LEAT_BIN_DIR=/folder leat …",
                         "no program %s beside leat or in PATH", name);
}

int
leat_service_programs(leat_cli *cli, leat_service *service)
{
    const int code = find(cli, "leat-broker", service->broker_path);
    return code != LEAT_EXIT_OK ? code : find(cli, "leat-worker", service->worker_path);
}

int
leat_service_temporary(leat_cli *cli, leat_service *service, const char *name)
{
    char entry[64];
    char reason[64];
    const char *place = leat_variable("TMPDIR");
    const char *const no_settings[] = {NULL};
    if (place == NULL || *place != '/')
        place = "/tmp";
    (void)snprintf(entry, sizeof entry, "leat-%s-XXXXXX", name);
    if (leat_path_join(place, entry, service->folder, sizeof service->folder) != LEAT_ERR_OK)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "TOO_LARGE", NULL,
                             "the path in TMPDIR is too long");
    if (mkdtemp(service->folder) == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_FOLDER",
                             "Use another place: TMPDIR=/folder leat …",
                             "cannot make a folder in %s: %s", place,
                             leat_log_errno_text(errno, reason, sizeof reason));
    service->temporary = true;
    service->environment = leat_environment_new(LEAT_ENVIRONMENT_CLEAN, no_settings);
    if (service->environment == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    if (leat_path_join(service->folder, "none.ini", service->config, sizeof service->config) !=
        LEAT_ERR_OK)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "TOO_LARGE", NULL,
                             "the path in TMPDIR is too long");
    const int fd = open(service->config, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_FOLDER", NULL, "cannot write %s: %s",
                             service->config, leat_log_errno_text(errno, reason, sizeof reason));
    (void)close(fd);
    return LEAT_EXIT_OK;
}

/* ---- logs ---- */

static leat_err
log_path(const leat_service *service, const char *name, char *out, size_t size)
{
    char file[64];
    (void)snprintf(file, sizeof file, "%.50s.log", name);
    return leat_path_join(service->folder, file, out, size);
}

static int
open_log(leat_cli *cli, const leat_service *service, const char *name)
{
    char path[LEAT_PATH_BYTES];
    char reason[64];
    if (log_path(service, name, path, sizeof path) != LEAT_ERR_OK)
        return -1;
    /* What a broker said that was tried before on another port would be misunderstood. */
    const int fresh = service->temporary ? O_TRUNC : 0;
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | fresh, 0600);
    if (fd < 0)
        (void)leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_FOLDER", NULL, "cannot write %s: %s", path,
                            leat_log_errno_text(errno, reason, sizeof reason));
    return fd;
}

/* The end of a log, terminated; its size. */
static size_t
read_log(const leat_service *service, const char *name, char out[LOG_TAIL + 1])
{
    char path[LEAT_PATH_BYTES];
    out[0] = '\0';
    if (log_path(service, name, path, sizeof path) != LEAT_ERR_OK)
        return 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    const off_t size = lseek(fd, 0, SEEK_END);
    const ssize_t got = pread(fd, out, LOG_TAIL, size > LOG_TAIL ? size - LOG_TAIL : 0);
    (void)close(fd);
    out[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

void
leat_service_show_log(const leat_cli *cli, const leat_service *service, const char *name)
{
    char text[LOG_TAIL + 1];
    char safe[LOG_TAIL];
    if (cli->json || read_log(service, name, text) == 0)
        return;
    (void)fprintf(stderr, "  the last lines of its log:\n");
    for (const char *line = text; *line != '\0';) {
        const size_t size = strcspn(line, "\n");
        (void)leat_screen_safe(line, size, cli->err.utf8, 0, safe, sizeof safe);
        (void)fprintf(stderr, "  | %s\n", safe);
        line += size + (line[size] == '\n');
    }
}

/* ---- the broker ---- */

/* Does somebody listen at the endpoint? A look without a word of the protocol. */
static bool
is_listening(const char *endpoint)
{
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_in internet;
    } address = {0};
    socklen_t size;
    if (strncmp(endpoint, "ipc://", 6) == 0) {
        address.local.sun_family = AF_UNIX;
        size = sizeof address.local;
        if (strlen(endpoint + 6) >= sizeof address.local.sun_path)
            return false;
        (void)snprintf(address.local.sun_path, sizeof address.local.sun_path, "%s", endpoint + 6);
    } else {
        const char *const colon = strrchr(endpoint, ':');
        address.internet.sin_family = AF_INET;
        address.internet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.internet.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
        size = sizeof address.internet;
    }
    const int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    const bool listening = connect(fd, &address.any, size) == 0;
    (void)close(fd);
    return listening;
}

static leat_err
start(leat_cli *cli,
      const leat_service *service,
      const char *path,
      char *const *argv,
      const char *log_name,
      int stdout_fd,
      leat_child *child)
{
    char reason[64];
    const int log = open_log(cli, service, log_name);
    if (log < 0)
        return LEAT_ERR_IO;
    const leat_child_plan plan = {
        .path = path,
        .argv = argv,
        .environment = service->environment,
        .stdin_fd = -1,
        .stdout_fd = stdout_fd < 0 ? log : stdout_fd,
        .stderr_fd = log,
        .death_signal = service->death_signal,
        .own_group = true,
    };
    const leat_err err = leat_child_start(&plan, child);
    if (err != LEAT_ERR_OK)
        (void)leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_PROGRAM", NULL, "cannot start %s: %s", path,
                            leat_log_errno_text(errno, reason, sizeof reason));
    (void)close(log);
    return err;
}

static leat_err
fail_broker(leat_cli *cli, leat_service *service, const char *what)
{
    char text[LOG_TAIL + 1];
    (void)read_log(service, "broker", text);
    if (strncmp(service->endpoint, "tcp:", 4) == 0 &&
        (strstr(text, "in use") != NULL || strstr(text, "IN_USE") != NULL))
        return LEAT_ERR_IN_USE;
    (void)leat_cli_fail(cli, LEAT_EXIT_LEAT, "BROKER_ENDED", NULL, "%s", what);
    leat_service_show_log(cli, service, "broker");
    return LEAT_ERR_IO;
}

leat_err
leat_service_start_broker(leat_cli *cli, leat_service *service, const char *more)
{
    char data[LEAT_PATH_BYTES];
    char what[128];
    char *argv[ARGUMENTS_MAX] = {NULL};
    char name[] = "leat-broker";
    char bind_option[] = "--bind";
    char data_option[] = "--data";
    char config_option[] = "--config";
    char keys_option[] = "--keys";
    char more_option[64];
    size_t count = 0;
    if (leat_path_join(service->folder, "store", data, sizeof data) != LEAT_ERR_OK)
        return LEAT_ERR_TOO_LARGE;
    argv[count++] = name;
    argv[count++] = bind_option;
    argv[count++] = service->endpoint;
    argv[count++] = data_option;
    argv[count++] = data;
    if (service->config[0] != '\0') {
        argv[count++] = config_option;
        argv[count++] = service->config;
    }
    if (service->listen[0] != '\0') {
        argv[count++] = bind_option;
        argv[count++] = service->listen;
    }
    if (service->keys[0] != '\0') {
        argv[count++] = keys_option;
        argv[count++] = service->keys;
    }
    if (more != NULL) {
        (void)snprintf(more_option, sizeof more_option, "%s", more);
        argv[count++] = more_option;
    }
    /* Who is there already would be taken for ours. */
    if (is_listening(service->endpoint))
        return LEAT_ERR_IN_USE;
    const leat_err err =
        start(cli, service, service->broker_path, argv, "broker", -1, &service->broker);
    if (err != LEAT_ERR_OK)
        return err;

    const int64_t until_ms = leat_clock_mono_ms() + LISTEN_MS;
    while (!leat_child_has_ended(&service->broker)) {
        if (is_listening(service->endpoint) && !leat_child_has_ended(&service->broker))
            return LEAT_ERR_OK;
        if (leat_stop_wanted())
            return LEAT_ERR_INTERRUPTED;
        if (leat_clock_mono_ms() >= until_ms)
            return fail_broker(cli, service, "the broker does not listen");
        (void)usleep(LOOK_US);
    }
    (void)snprintf(what, sizeof what, "the broker ended at its start (%s)",
                   leat_child_end_words(&service->broker));
    return fail_broker(cli, service, what);
}

/* A port of 127.0.0.1 that is free at the moment. 0: there is none. */
static unsigned
free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    unsigned port = 0;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    if (bind(fd, (const struct sockaddr *)&address, size) == 0 &&
        getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        port = ntohs(address.sin_port);
    (void)close(fd);
    return port;
}

/* Between the look for a free port and the broker's bind somebody else may take it: try again. */
int
leat_service_start_loopback(leat_cli *cli, leat_service *service, const char *what)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        const unsigned port = free_port();
        if (port == 0)
            break;
        (void)snprintf(service->endpoint, sizeof service->endpoint, "tcp://127.0.0.1:%u", port);
        const leat_err err = leat_service_start_broker(cli, service, "--insecure-loopback");
        if (err == LEAT_ERR_OK)
            return LEAT_EXIT_OK;
        if (err == LEAT_ERR_INTERRUPTED)
            return leat_cli_failed(cli, LEAT_REFUSED, what);
        if (err != LEAT_ERR_IN_USE)
            return LEAT_EXIT_LEAT;
    }
    return leat_cli_fail(cli, LEAT_EXIT_LEAT, "IN_USE", NULL, "no port of 127.0.0.1 is free");
}

/* ---- workers ---- */

static void
worker_log_name(size_t index, char out[32])
{
    (void)snprintf(out, 32, "worker-%zu", index + 1);
}

leat_err
leat_service_start_worker(leat_cli *cli,
                          leat_service *service,
                          size_t index,
                          const char *name,
                          unsigned slots,
                          int stdout_fd)
{
    char *argv[ARGUMENTS_MAX] = {NULL};
    char program[] = "leat-worker";
    char broker_option[] = "--broker";
    char slots_option[] = "--slots";
    char name_option[] = "--name";
    char config_option[] = "--config";
    char allow_option[] = "--allow-commands";
    char slots_text[16];
    char name_text[160];
    char log_name[32];
    size_t count = 0;
    (void)snprintf(slots_text, sizeof slots_text, "%u", slots);
    (void)snprintf(name_text, sizeof name_text, "%s", name);
    worker_log_name(index, log_name);
    argv[count++] = program;
    argv[count++] = broker_option;
    argv[count++] = service->endpoint;
    argv[count++] = slots_option;
    argv[count++] = slots_text;
    argv[count++] = name_option;
    argv[count++] = name_text;
    if (service->allows_commands)
        argv[count++] = allow_option;
    if (service->config[0] != '\0') {
        argv[count++] = config_option;
        argv[count++] = service->config;
    }
    return start(cli, service, service->worker_path, argv, log_name, stdout_fd,
                 &service->workers[index]);
}

static int
look_for_ended(leat_cli *cli, leat_service *service)
{
    char log_name[32];
    if (leat_child_has_ended(&service->broker)) {
        (void)leat_cli_fail(cli, LEAT_EXIT_LEAT, "BROKER_ENDED", NULL, "the broker ended (%s)",
                            leat_child_end_words(&service->broker));
        leat_service_show_log(cli, service, "broker");
        return LEAT_EXIT_LEAT;
    }
    for (size_t i = 0; i < service->worker_count; i++) {
        if (!leat_child_has_ended(&service->workers[i]))
            continue;
        worker_log_name(i, log_name);
        (void)leat_cli_fail(cli, LEAT_EXIT_LEAT, "WORKER_ENDED", NULL,
                            "worker %zu ended at its start (%s)", i + 1,
                            leat_child_end_words(&service->workers[i]));
        leat_service_show_log(cli, service, log_name);
        return LEAT_EXIT_LEAT;
    }
    return LEAT_EXIT_OK;
}

int
leat_service_workers_up(leat_cli *cli, leat_service *service, size_t count, int64_t limit_ms)
{
    const int64_t until_ms = leat_clock_mono_ms() + limit_ms;
    for (;;) {
        const char *text;
        int code = look_for_ended(cli, service);
        if (code == LEAT_EXIT_OK)
            code = leat_cli_query(cli, "status", NULL, &text);
        if (code != LEAT_EXIT_OK)
            return code;
        cJSON *const answer = cJSON_Parse(text);
        const uint64_t up =
            leat_json_count(cJSON_GetObjectItemCaseSensitive(answer, "workers"), "up");
        cJSON_Delete(answer);
        if (up >= count)
            return LEAT_EXIT_OK;
        if (leat_stop_wanted())
            return leat_cli_failed(cli, LEAT_REFUSED, "starting");
        if (leat_clock_mono_ms() >= until_ms)
            return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_WORKERS", NULL,
                                 "only %" PRIu64 " of %zu workers are up after %" PRId64 " s", up,
                                 count, limit_ms / 1000);
        (void)usleep(LOOK_US);
    }
}

/* ---- the end ---- */

void
leat_service_stop(leat_service *service, int64_t grace_ms)
{
    if (service->workers != NULL)
        leat_children_end(service->workers, service->worker_count, grace_ms);
    leat_children_end(&service->broker, 1, grace_ms);
}

void
leat_service_end(leat_service *service)
{
    leat_service_stop(service, END_GRACE_MS);
    if (service->temporary && service->folder[0] != '\0')
        leat_path_remove(service->folder);
    leat_environment_free(service->environment);
    free(service->workers);
    *service = (leat_service){0};
}
