/* The process around programs: what all kinds of it share, and its life. See keeper.h, keep.h. */
#include "worker/runner/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "worker/handler.h"
#include "worker/runner/keep.h"
#include "worker/runner/strays.h"

/* How long a kill may take: what sits in the kernel does not hear it. */
#define KILL_MS    5000
#define KILL_TRIES 12U /* when nobody is there any more who could do it later */
/* Who is not gone by then may be making new ones all the time. */
#define KILL_SOON_MS 20

/* ----------------------------------------------------------------------------------- the worker */

/* Read more of a message. false: the worker is gone. */
static bool
read_up_to(leat_keep *keep, size_t want)
{
    while (keep->in.size < want) {
        const size_t had = keep->in.size;
        uint8_t *const room = leat_buf_room(&keep->in, want - had);
        if (room == NULL)
            return false;
        const ssize_t got = read(LEAT_KEEPER_SOCKET, room, want - had);
        keep->in.size = had + (got > 0 ? (size_t)got : 0);
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
    }
    return true;
}

bool
leat_keep_hear(leat_keep *keep, leat_message_kind *kind, leat_reader *body)
{
    leat_buf_reset(&keep->in);
    keep->worker_gone = true;
    if (!read_up_to(keep, LEAT_MESSAGE_HEAD))
        return false;
    const uint32_t size = leat_load_u32(keep->in.data);
    if (size < 1 || size > LEAT_MESSAGE_BYTES_MAX || !read_up_to(keep, 4 + (size_t)size))
        return false;
    keep->worker_gone = false;
    *kind = (leat_message_kind)keep->in.data[4];
    *body = leat_reader_over(keep->in.data + LEAT_MESSAGE_HEAD, size - 1);
    return true;
}

static void
push(leat_keep *keep, int flags)
{
    if (keep->out.failed)
        _exit(1); /* the worker then says that its keeper is gone */
    while (keep->sent < keep->out.size) {
        const ssize_t put = send(LEAT_KEEPER_SOCKET, keep->out.data + keep->sent,
                                 keep->out.size - keep->sent, MSG_NOSIGNAL | flags);
        if (put < 0 && errno == EAGAIN)
            return;
        if (put < 0 && errno != EINTR) {
            keep->worker_gone = true;
            break;
        }
        keep->sent += put > 0 ? (size_t)put : 0;
    }
    leat_buf_reset(&keep->out);
    keep->sent = 0;
}

void
leat_keep_flush(leat_keep *keep)
{
    push(keep, MSG_DONTWAIT);
}

/* ------------------------------------------------------------------------------ what is told */

void
leat_keep_begin(leat_keep *keep)
{
    for (size_t i = 0; i < LEAT_STREAM_LAST; i++) {
        leat_buf log = keep->tells[i].log; /* its memory is used again */
        leat_buf_reset(&log);
        keep->tells[i].log = (leat_buf){0};
        leat_tell_reset(&keep->tells[i]);
        keep->tells[i].log = log;
    }
    /* A job that ends at once tells with its end. */
    keep->told_ms = leat_clock_mono_ms();
}

void
leat_keep_output(leat_keep *keep, leat_stream stream, const void *data, size_t size)
{
    leat_tell *const tell = &keep->tells[stream - 1];
    const size_t room = LEAT_TELL_LOG_BYTES - tell->log.size;
    const size_t first = size < room ? size : room;
    if (first > 0)
        leat_tell_log(tell, data, first);
    if (size > first)
        leat_tell_log(tell, (const uint8_t *)data + first, size - first);
}

static bool
has_told(const leat_keep *keep)
{
    for (size_t i = 0; i < LEAT_STREAM_LAST; i++) {
        if (leat_tell_has(&keep->tells[i]))
            return true;
    }
    return false;
}

/* Everything that was told, as one message. */
static void
put_told(leat_keep *keep)
{
    leat_tell *const own = &keep->tells[LEAT_STREAM_LOG - 1];
    if (!has_told(keep))
        return;
    const size_t begin = leat_message_begin(&keep->out, LEAT_MESSAGE_TOLD);
    for (size_t i = 0; i < LEAT_STREAM_LAST; i++) {
        leat_tell *const tell = &keep->tells[i];
        if (tell->log.size == 0)
            continue;
        leat_message_told_put(&keep->out, &(leat_message_told){
                                              .kind = LEAT_TELLING_LOG,
                                              .stream = (leat_stream)(i + 1),
                                              .offset = tell->log_at,
                                              .data = {tell->log.data, (uint32_t)tell->log.size}
        });
        leat_buf_reset(&tell->log);
    }
    if (own->has_checkpoint)
        leat_message_told_put(&keep->out,
                              &(leat_message_told){
                                  .kind = LEAT_TELLING_CHECKPOINT,
                                  .data = {own->checkpoint.data, (uint32_t)own->checkpoint.size}
        });
    if (own->has_progress)
        leat_message_told_put(&keep->out, &(leat_message_told){
                                              .kind = LEAT_TELLING_PROGRESS,
                                              .done = own->done,
                                              .of = own->of,
                                              .text = {own->text, own->text_bytes}
        });
    own->has_checkpoint = false;
    own->has_progress = false;
    leat_message_finish(&keep->out, begin);
}

void
leat_keep_tell(leat_keep *keep)
{
    const int64_t now_ms = leat_clock_mono_ms();
    leat_keep_flush(keep);
    if (!leat_keep_is_flushed(keep) || now_ms < keep->told_ms + LEAT_KEEP_TELL_MS ||
        !has_told(keep))
        return;
    keep->told_ms = now_ms;
    put_told(keep);
    leat_keep_flush(keep);
}

int64_t
leat_keep_tell_due_ms(const leat_keep *keep)
{
    return leat_keep_is_flushed(keep) && has_told(keep) ? keep->told_ms + LEAT_KEEP_TELL_MS
                                                        : INT64_MAX;
}

void
leat_keep_put_ended(leat_keep *keep, const leat_message_ended *ended, size_t *begin)
{
    put_told(keep);
    *begin = leat_message_begin(&keep->out, LEAT_MESSAGE_ENDED);
    leat_message_ended_put(&keep->out, ended);
}

void
leat_keep_say_ended(leat_keep *keep, size_t begin)
{
    leat_message_finish(&keep->out, begin);
    push(keep, 0);
}

/* ----------------------------------------------------------------------------------- processes */

bool
leat_keep_end_strays(leat_keep *keep, uint32_t *count)
{
    bool none = leat_strays_end(NULL, 0, KILL_SOON_MS, count);
    if (none)
        return true;
    if (keep->cgroup[0] != '\0')
        leat_cgroup_bound(keep->cgroup, 0, true);
    none = leat_strays_end(NULL, 0, KILL_MS, count);
    if (!none)
        LEAT_LOG(LEAT_LOG_ERROR, "keeper.strays", "processes of a job cannot be killed");
    if (keep->cgroup[0] != '\0')
        leat_cgroup_bound(keep->cgroup, keep->rights.limits[LEAT_EXEC_PROCESSES], false);
    return none;
}

void
leat_keep_end_job(leat_keep *keep, const leat_message_ended *ended, const void *result, size_t size)
{
    size_t begin;
    leat_keep_put_ended(keep, ended, &begin);
    leat_put_bytes(&keep->out, result,
                   size > LEAT_PAYLOAD_BYTES_MAX ? LEAT_PAYLOAD_BYTES_MAX + 1 : size);
    leat_keep_say_ended(keep, begin);
}

bool
leat_keep_has_ended(const leat_keep *keep, pid_t program, int *status)
{
    struct signalfd_siginfo news;
    siginfo_t info = {0};
    while (read(keep->signals, &news, sizeof news) == (ssize_t)sizeof news) {
    }
    if (waitid(P_PID, (id_t)program, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid != program) {
        /* Others that ended and were left to us. */
        for (;;) {
            info.si_pid = 0;
            if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 ||
                info.si_pid == program)
                return false;
            (void)waitpid(info.si_pid, NULL, 0);
        }
    }
    (void)kill(-program, SIGKILL);
    (void)waitpid(program, status, 0);
    return true;
}

bool
leat_keep_look(const leat_keep *keep, leat_keep_child *child)
{
    if (child->pid == 0) {
        (void)leat_keep_has_ended(keep, -1, &child->status);
        return false;
    }
    child->is_reaped = leat_keep_has_ended(keep, child->pid, &child->status);
    return child->is_reaped;
}

void
leat_keep_await(const leat_keep *keep, leat_keep_child *child, int64_t ms)
{
    const int64_t until_ms = leat_clock_mono_ms() + ms;
    while (!child->is_reaped) {
        struct pollfd fd = {.fd = keep->signals, .events = POLLIN};
        const int64_t left_ms = until_ms - leat_clock_mono_ms();
        if (left_ms <= 0)
            return;
        if (poll(&fd, 1, (int)left_ms) > 0)
            (void)leat_keep_look(keep, child);
    }
}

void
leat_keep_kill(leat_keep_child *child)
{
    if (child->is_reaped)
        return;
    (void)kill(-child->pid, SIGKILL);
    (void)kill(child->pid, SIGKILL); /* it may not have a group of its own yet */
    (void)waitpid(child->pid, &child->status, 0);
    child->is_reaped = true;
}

int
leat_keep_patience_ms(int64_t due_ms)
{
    if (due_ms == INT64_MAX)
        return -1;
    const int64_t left_ms = due_ms - leat_clock_mono_ms();
    return left_ms < 0 ? 0 : (int)left_ms;
}

void
leat_keep_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---------------------------------------------------------------------------------------- life */

static bool
prepare(leat_keep *self, char *const argv[])
{
    sigset_t all;
    sigset_t child;
    uint32_t number = 0;
    uint64_t limits[LEAT_EXEC_LIMITS];
    sigfillset(&all);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    self->signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    (void)fcntl(LEAT_KEEPER_SOCKET, F_SETFD, FD_CLOEXEC);
    for (size_t i = 0; i < LEAT_EXEC_LIMITS; i++)
        limits[i] = strtoull(argv[LEAT_KEEPER_ARG_CPU + i], NULL, 10);
    memcpy(self->rights.limits, limits, sizeof limits);
    self->rights.drops = argv[LEAT_KEEPER_ARG_UID][0] != '\0';
    self->rights.uid = (uid_t)strtoul(argv[LEAT_KEEPER_ARG_UID], NULL, 10);
    self->rights.gid = (gid_t)strtoul(argv[LEAT_KEEPER_ARG_GID], NULL, 10);
    number = (uint32_t)strtoul(argv[LEAT_KEEPER_ARG_NUMBER], NULL, 10);
    if (argv[LEAT_KEEPER_ARG_CGROUP][0] != '\0')
        (void)leat_cgroup_enter(argv[LEAT_KEEPER_ARG_CGROUP], number, limits[LEAT_EXEC_PROCESSES],
                                self->cgroup);
    return self->signals >= 0 && prctl(PR_SET_NAME, LEAT_KEEPER_NAME) == 0 &&
           prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

/* For the rest of its life it does what this says. */
static void
serve(leat_keep *self, leat_reader body)
{
    leat_message_serve serve;
    const bool is_read = leat_message_serve_read(body, &serve);
    assert(is_read);
    (void)is_read;
    if (serve.runner == LEAT_PROGRAM_STDIO)
        leat_keep_stdio(self, &serve);
    else if (serve.runner == LEAT_PROGRAM_PLUGIN)
        leat_keep_plugin(self, &serve);
}

int
leat_keeper_main(int argc, char *argv[])
{
    static leat_keep self;
    leat_message_kind kind;
    leat_reader body;
    uint32_t ended = 0;
    if (argc != LEAT_KEEPER_ARGS || !prepare(&self, argv))
        return 1;
    while (!self.worker_gone && leat_keep_hear(&self, &kind, &body)) {
        if (kind == LEAT_MESSAGE_START)
            leat_keep_run(&self, body);
        else if (kind == LEAT_MESSAGE_SERVE)
            serve(&self, body);
    }
    /* The worker has ended, however: so does everything that it ran. */
    for (unsigned i = 0; i < KILL_TRIES && !leat_keep_end_strays(&self, &ended); i++) {
    }
    if (self.cgroup[0] != '\0')
        leat_cgroup_leave(self.cgroup);
    return 0;
}
