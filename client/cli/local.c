/* Programs of this host. See local.h. */
#include "client/cli/local.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/cli/state.h"
#include "client/cli/stop.h"
#include "proto/base/log.h"

#define LOOK_MS    100
#define NAME_BYTES 64

/* The first line of /proc/PID/FILE, without its end; false: there is none. */
static bool
read_proc(pid_t pid, const char *file, char *out, int size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, file);
    FILE *const from = fopen(path, "re");
    if (from == NULL)
        return false;
    const bool got = fgets(out, size, from) != NULL;
    (void)fclose(from);
    if (got)
        out[strcspn(out, "\n")] = '\0';
    return got;
}

leat_err
leat_local_hold(pid_t pid, const char *program, int *fd)
{
    char name[NAME_BYTES];
    *fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (*fd < 0)
        return pid <= 0 || errno == ESRCH ? LEAT_ERR_NOT_FOUND : leat_err_from_errno(errno);
    if (read_proc(pid, "comm", name, sizeof name) && strcmp(name, program) == 0)
        return LEAT_ERR_OK;
    (void)close(*fd);
    *fd = -1;
    return LEAT_ERR_NOT_FOUND;
}

int
leat_local_end(leat_cli *cli, int fd, const char *what)
{
    char reason[64];
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    if (leat_options_given(cli->options, "timeout"))
        leat_stop_after(leat_options_ms(cli->options, "timeout"));
    if (syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0) != 0 && errno != ESRCH)
        return leat_cli_fail(cli, errno == EPERM ? LEAT_EXIT_DENIED : LEAT_EXIT_LEAT,
                             errno == EPERM ? "DENIED" : "IO",
                             errno == EPERM ? "Ask who started it, or root" : NULL,
                             "%s cannot be told to end: %s", what,
                             leat_log_errno_text(errno, reason, sizeof reason));
    while (poll(&ended, 1, LOOK_MS) <= 0) {
        if (leat_stop_signal() != 0)
            return 128 + leat_stop_signal();
        if (leat_stop_timed_out())
            return leat_cli_fail(cli, LEAT_EXIT_TIMEOUT, "TIMEOUT", NULL,
                                 "%s was told to end and has not yet", what);
    }
    return LEAT_EXIT_OK;
}

pid_t
leat_local_listener(const char *endpoint)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    if (strncmp(endpoint, "ipc://", 6) != 0 || strlen(endpoint + 6) >= sizeof address.sun_path)
        return 0;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", endpoint + 6);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        peer.pid = 0;
    (void)close(fd);
    return peer.pid;
}

bool
leat_local_is_of_up(pid_t pid)
{
    char folder[LEAT_PATH_BYTES];
    char why[512];
    char text[512];
    leat_up_note note;
    long parent = 0;
    if (leat_state_folder(false, folder, why) != LEAT_ERR_OK || !leat_up_runs(folder, &note) ||
        !read_proc(pid, "stat", text, sizeof text))
        return false;
    /* PID (NAME) STATE PPID; the name may hold anything. */
    const char *const end = strrchr(text, ')');
    return end != NULL && sscanf(end + 1, " %*c %ld", &parent) == 1 && note.pid != 0 &&
           parent == note.pid;
}

bool
leat_local_is_host(const char *name)
{
    char host[NAME_BYTES + 1] = "";
    return gethostname(host, sizeof host - 1) == 0 && strcmp(host, name) == 0;
}
