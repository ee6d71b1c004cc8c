/* A keeper whose job is a plug-in. See keep.h, plugin.h.
 *
 *     worker ── JOB ──► keeper ── JOB ──► child, which has the plug-in loaded
 *            ◄─ TOLD, ENDED ──  ◄─ TOLD, ENDED ──
 *                               ◄─ stdout, stderr, and its stack when it crashes
 *
 * A child is forked when the worker says which plug-in it is, so that it is there before the first
 * job, and anew when it has ended in whatever way. It is sent away after a number of jobs, or when
 * one has left it larger than it may be. What a child says is looked at as what a stranger says:
 * whatever runs in it may have written over its memory. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "worker/runner/keep.h"
#include "worker/runner/keeper.h"
#include "worker/runner/plugin.h"

#define READS_A_PASS 16U
#define READ_BYTES   65536U
#define TRACE_BYTES  8192U      /* of a stack that are kept */
#define KEPT_BYTES   (1U << 20) /* of a buffer between two jobs */
/* A child that is sent away has this to end. */
#define RETIRE_MS 1000
/* One that closes its socket has this to end, so that it is known how. */
#define LEAVE_MS 1000

/* The child's descriptors, as this process has them. */
enum {
    SOCKET = 0,
    OUT,
    ERR,
    TRACE,
    ENDS
};

typedef struct plugin {
    leat_keep *keep;
    leat_buf serve; /* the message that variables lies in */
    leat_reader variables;
    uint32_t variable_count;
    uint32_t jobs_max;   /* of one child; 0: any number */
    uint64_t memory_max; /* bytes; a child that has more is sent away. 0: any */
    char *path;          /* owned */

    leat_keep_child child;
    int ends[ENDS];
    bool wants_child; /* the next one is forked now, and not with the next job */
    bool is_busy;
    uint8_t flags;    /* of leat_ending, of the job */
    uint32_t jobs;    /* that the child has ended */
    int64_t leave_ms; /* it has closed its socket: ended then; 0: it has not */
    leat_buf to;      /* messages for it … */
    size_t put;       /* … and how much of them it has got */
    leat_buf from;    /* a message, as far as it has come */
    size_t trace_bytes;
    char trace[TRACE_BYTES];

    uint64_t job;
    int64_t started_us;
    int64_t kill_ms; /* the job was told to stop: its child is killed then; 0: it was not */
    size_t name_bytes;
    char name[LEAT_NAME_BYTES_MAX]; /* the job's handler */
} plugin;

static const char damaged[] = "says what it cannot mean: its memory is damaged";

static plugin only = {
    .ends = {-1, -1, -1, -1}
};

/* ---------------------------------------------------------------------------------- a job's end */

static void
end_job(plugin *self, uint8_t end, uint64_t delay_ms, const void *result, size_t size)
{
    const leat_message_ended ended = {
        .end = end,
        .run_us = (uint64_t)(leat_clock_mono_us() - self->started_us),
        .delay_ms = delay_ms,
    };
    self->is_busy = false;
    leat_keep_end_job(self->keep, &ended, result, size);
}

__attribute__((format(printf, 2, 3))) static void
fail_job(plugin *self, const char *format, ...)
{
    char text[LEAT_SENTENCE_BYTES_MAX + TRACE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    end_job(self, LEAT_END_FAILED, 0, text, strlen(text));
}

/* ------------------------------------------------------------------------------ the child's end */

/* Why the job that it had did not end otherwise. The first byte of the trace is the signal, which
 * the process has not died of if writing the trace did not end. */
static void
explain(plugin *self)
{
    const int status = self->child.status;
    const char *const killed =
        (self->flags & LEAT_ENDING_KILLED) != 0 ? ", and did not end in its grace" : "";
    const int number = self->trace_bytes > 0 ? (uint8_t)self->trace[0] : WTERMSIG(status);
    const int size = (int)self->name_bytes;
    const char *const name = self->name;
    if ((self->flags & LEAT_ENDING_KILLED) != 0 && (self->flags & LEAT_ENDING_LIMIT) != 0)
        fail_job(self, "stopped: it took longer than its run limit%s", killed);
    else if ((self->flags & LEAT_ENDING_KILLED) != 0)
        fail_job(self, "stopped: cancelled%s", killed);
    else if (!WIFSIGNALED(status))
        fail_job(self, "the handler \"%.*s\" ended its process (exit %d)", size, name,
                 WEXITSTATUS(status));
    else if (self->trace_bytes > 1)
        fail_job(self, "the handler \"%.*s\" was ended by SIG%s, at\n%.*s", size, name,
                 sigabbrev_np(number), (int)self->trace_bytes - 1, self->trace + 1);
    else
        fail_job(self, "the handler \"%.*s\" was ended by SIG%s%s", size, name,
                 sigabbrev_np(number), number == SIGXCPU ? ": its CPU time is used up" : "");
}

/* Its process is gone, and has been waited for: nothing else of it may stay. */
static void
end_child(plugin *self)
{
    uint32_t collected = 0;
    (void)leat_keep_end_strays(self->keep, &collected);
    for (size_t i = 0; i < ENDS; i++)
        leat_keep_close(&self->ends[i]);
    self->child.pid = 0;
    /* One that has done nothing is not followed by the next one at once. */
    self->wants_child = self->jobs > 0;
    if (self->is_busy)
        explain(self);
}

static void
kill_child(plugin *self)
{
    leat_keep_kill(&self->child);
    end_child(self);
}

/* It has done what it cannot mean, with a job or without. */
static void
break_off(plugin *self, const char *what)
{
    LEAT_LOG(LEAT_LOG_WARN, "plugin.damaged", "a plug-in's process is ended",
             LEAT_KV_TEXT("plugin", self->path), LEAT_KV_TEXT("why", what));
    if (self->is_busy)
        fail_job(self, "the process of the handler \"%.*s\" %s", (int)self->name_bytes, self->name,
                 what);
    kill_child(self);
}

/* It has done enough: the end of its socket tells it so. */
static void
retire(plugin *self)
{
    leat_keep_close(&self->ends[SOCKET]);
    leat_keep_await(self->keep, &self->child, RETIRE_MS);
    kill_child(self);
}

/* ---------------------------------------------------------------------------------- a new child */

_Noreturn static void
be_child(const plugin *self, pid_t keeper, int fds[ENDS])
{
    static const int places[ENDS] = {LEAT_PLUGIN_SOCKET, STDOUT_FILENO, STDERR_FILENO,
                                     LEAT_PLUGIN_TRACE};
    int high[ENDS];
    bool goes_on = setsid() >= 0;
    for (size_t i = 0; i < ENDS; i++) { /* out of the way of each other's places */
        high[i] = fcntl(fds[i], F_DUPFD, 16);
        goes_on = goes_on && high[i] >= 0;
    }
    for (size_t i = 0; i < ENDS && goes_on; i++)
        goes_on = dup2(high[i], places[i]) == places[i];
    goes_on = goes_on && syscall(SYS_close_range, LEAT_PLUGIN_TRACE + 1, ~0U, 0) == 0 &&
              prctl(PR_SET_CHILD_SUBREAPER, 0) == 0 &&
              fcntl(LEAT_PLUGIN_SOCKET, F_SETFD, FD_CLOEXEC) == 0 &&
              fcntl(LEAT_PLUGIN_TRACE, F_SETFD, FD_CLOEXEC) == 0;
    if (!goes_on)
        _exit(1);
    leat_plugin_live(&(leat_plugin_life){.path = self->path,
                                         .rights = &self->keep->rights,
                                         .variables = self->variables,
                                         .variable_count = self->variable_count,
                                         .keeper = keeper});
}

/* ends: of this process; fds: of the child. */
static bool
make_ends(int ends[ENDS], int fds[ENDS])
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    ends[SOCKET] = pair[0];
    fds[SOCKET] = pair[1];
    for (size_t i = OUT; i < ENDS; i++) {
        if (pipe2(pair, O_CLOEXEC) != 0)
            return false;
        ends[i] = pair[0];
        fds[i] = pair[1];
    }
    for (size_t i = 0; i < ENDS; i++)
        (void)fcntl(ends[i], F_SETFL, fcntl(ends[i], F_GETFL) | O_NONBLOCK);
    return true;
}

/* false: none can be had now; errno says why. */
static bool
start(plugin *self)
{
    int fds[ENDS] = {-1, -1, -1, -1};
    const pid_t keeper = getpid();
    self->wants_child = false;
    self->leave_ms = 0;
    self->jobs = 0;
    self->put = 0;
    self->trace_bytes = 0;
    leat_buf_reset(&self->to);
    leat_buf_reset(&self->from);
    const bool has_ends = make_ends(self->ends, fds);
    const pid_t child = has_ends ? fork() : -1;
    if (child == 0)
        be_child(self, keeper, fds);
    const int error = errno;
    for (size_t i = 0; i < ENDS; i++) {
        leat_keep_close(&fds[i]);
        if (child < 0)
            leat_keep_close(&self->ends[i]);
    }
    if (child > 0)
        self->child = (leat_keep_child){.pid = child};
    errno = error;
    return child > 0;
}

/* -------------------------------------------------------------------------------- what it says */

/* Bytes of memory that the child has to itself; 0: nobody knows. */
static uint64_t
memory_of(pid_t child)
{
    char path[64];
    char text[128];
    unsigned long long pages[6] = {0};
    (void)snprintf(path, sizeof path, "/proc/%ld/statm", (long)child);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return 0;
    text[got] = '\0';
    char *at = text;
    for (size_t i = 0; i < 6; i++) /* size, resident, shared, text, lib, data */
        pages[i] = strtoull(at, &at, 10);
    const unsigned long long own = pages[1] > pages[2] ? pages[1] - pages[2] : 0;
    return own * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
take_told(plugin *self, leat_reader body)
{
    leat_message_told told;
    leat_tell *const tell = &self->keep->tells[LEAT_STREAM_LOG - 1];
    while (leat_message_told_next(&body, &told)) {
        if (!self->is_busy)
            continue; /* too late */
        if (told.kind == LEAT_TELLING_PROGRESS)
            leat_tell_progress(tell, told.done, told.of, told.text);
        else if (told.kind == LEAT_TELLING_LOG)
            leat_keep_output(self->keep, LEAT_STREAM_LOG, told.data.data, told.data.size);
        else if (leat_tell_checkpoint(tell, told.data.data, told.data.size) != LEAT_ERR_OK)
            LEAT_LOG(LEAT_LOG_WARN, "plugin.checkpoint", "a checkpoint is lost",
                     LEAT_KV_U64("job", self->job), LEAT_KV_U64("bytes", told.data.size));
    }
    if (body.failed)
        break_off(self, damaged);
}

static void read_output(plugin *self);

static void
take_ended(plugin *self, leat_reader body)
{
    leat_message_ended ended;
    if (!self->is_busy || !leat_message_ended_read(body, &ended) ||
        ended.delay_ms > LEAT_DELAY_MS_MAX || ended.result.size > LEAT_PAYLOAD_BYTES_MAX) {
        break_off(self, damaged);
        return;
    }
    read_output(self); /* it was written before */
    end_job(self, ended.end, ended.delay_ms, ended.result.data, ended.result.size);
    self->jobs++;
    if (self->jobs == self->jobs_max ||
        (self->memory_max > 0 && memory_of(self->child.pid) > self->memory_max))
        retire(self);
}

/* The first message in `from`, if it is whole; false: it is not. */
static bool
take_message(plugin *self)
{
    if (self->from.size < LEAT_MESSAGE_HEAD)
        return false;
    const uint32_t size = leat_load_u32(self->from.data);
    if (size < 1 || size > LEAT_MESSAGE_BYTES_MAX) {
        break_off(self, damaged);
        return false;
    }
    if (self->from.size < 4 + (size_t)size)
        return false;
    const leat_message_kind kind = (leat_message_kind)self->from.data[4];
    const leat_reader body = leat_reader_over(self->from.data + LEAT_MESSAGE_HEAD, size - 1);
    if (kind == LEAT_MESSAGE_TOLD)
        take_told(self, body);
    else if (kind == LEAT_MESSAGE_ENDED)
        take_ended(self, body);
    else
        break_off(self, damaged);
    if (self->child.pid == 0)
        return false;
    self->from.size -= 4 + (size_t)size;
    memmove(self->from.data, self->from.data + 4 + (size_t)size, self->from.size);
    return true;
}

static void
read_child(plugin *self)
{
    for (unsigned reads = 0; reads < READS_A_PASS && self->ends[SOCKET] >= 0; reads++) {
        const size_t had = self->from.size;
        uint8_t *const room = leat_buf_room(&self->from, READ_BYTES);
        const ssize_t got = room == NULL ? 0 : read(self->ends[SOCKET], room, READ_BYTES);
        self->from.size = had + (got > 0 ? (size_t)got : 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            leat_keep_close(&self->ends[SOCKET]);
            self->leave_ms = leat_clock_mono_ms() + LEAVE_MS;
            return;
        }
        while (take_message(self)) {
        }
    }
}

static void
read_stream(plugin *self, int end, leat_stream stream)
{
    uint8_t bytes[16384];
    for (unsigned reads = 0; reads < READS_A_PASS && self->ends[end] >= 0; reads++) {
        const ssize_t got = read(self->ends[end], bytes, sizeof bytes);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0)
            leat_keep_close(&self->ends[end]);
        else if (self->is_busy)
            leat_keep_output(self->keep, stream, bytes, (size_t)got);
    }
}

static void
read_trace(plugin *self)
{
    const size_t room = sizeof self->trace - 1;
    while (self->ends[TRACE] >= 0 && self->trace_bytes < room) {
        const ssize_t got =
            read(self->ends[TRACE], self->trace + self->trace_bytes, room - self->trace_bytes);
        if (got < 0)
            return;
        if (got == 0)
            leat_keep_close(&self->ends[TRACE]);
        self->trace_bytes += (size_t)got;
    }
    self->trace[self->trace_bytes] = '\0';
    /* What has called the handler is of no interest. */
    char *const ours =
        self->trace_bytes > 0 ? strstr(self->trace + 1, "\n" LEAT_KEEPER_NAME "(") : NULL;
    if (ours != NULL)
        self->trace_bytes = (size_t)(ours - self->trace);
}

static void
read_output(plugin *self)
{
    read_stream(self, OUT, LEAT_STREAM_OUT);
    read_stream(self, ERR, LEAT_STREAM_ERR);
}

static void
look_for_end(plugin *self)
{
    if (!leat_keep_look(self->keep, &self->child))
        return;
    /* What it has said before stays said. */
    read_output(self);
    read_trace(self);
    read_child(self);
    if (self->child.pid != 0)
        end_child(self);
}

/* ------------------------------------------------------------------------------------- a job */

static void
feed(plugin *self)
{
    while (self->ends[SOCKET] >= 0 && self->put < self->to.size) {
        const ssize_t put = send(self->ends[SOCKET], self->to.data + self->put,
                                 self->to.size - self->put, MSG_NOSIGNAL);
        if (put < 0 && errno == EAGAIN)
            return;
        if (put < 0 && errno != EINTR)
            break; /* its end is seen when it is read */
        self->put += put > 0 ? (size_t)put : 0;
    }
    if (self->to.capacity > KEPT_BYTES)
        leat_buf_fini(&self->to);
    leat_buf_reset(&self->to);
    self->put = 0;
}

/* The whole message goes on as it is. */
static void
take_job(plugin *self, leat_reader body)
{
    leat_message_job job;
    const bool is_read = leat_message_job_read(body, &job);
    assert(is_read && !self->is_busy); /* the worker has one job here at a time */
    (void)is_read;
    /* One that has ended must not cost the job an attempt. */
    look_for_end(self);
    self->is_busy = true;
    self->job = job.id;
    self->name_bytes = job.handler.size < sizeof self->name ? job.handler.size : sizeof self->name;
    memcpy(self->name, job.handler.data, self->name_bytes);
    self->started_us = leat_clock_mono_us();
    self->flags = 0;
    self->kill_ms = 0;
    leat_keep_begin(self->keep);
    if (self->child.pid == 0 && !start(self)) {
        fail_job(self, "no process for the plug-in can be had: %s",
                 leat_err_message(leat_err_from_errno(errno)));
        return;
    }
    leat_put_bytes(&self->to, self->keep->in.data, self->keep->in.size);
    if (self->to.failed) {
        leat_buf_fini(&self->to);
        fail_job(self, "the worker is out of memory");
        return;
    }
    feed(self);
}

static void
take_stop(plugin *self, leat_reader body)
{
    const uint32_t grace_ms = leat_read_u32(&body);
    const uint8_t flags = leat_read_u8(&body);
    const int64_t kill_ms = leat_clock_mono_ms() + grace_ms;
    if (!self->is_busy || body.failed)
        return; /* it has ended meanwhile */
    self->flags |= flags & (LEAT_ENDING_CANCELLED | LEAT_ENDING_LIMIT);
    if (self->kill_ms == 0 || kill_ms < self->kill_ms)
        self->kill_ms = kill_ms; /* told again, it is with less patience */
    assert(self->child.pid > 0); /* a job has one */
    (void)kill(self->child.pid, SIGTERM);
    (void)kill(self->child.pid, SIGCONT);
}

/* ------------------------------------------------------------------------------------ the loop */

static void
look_at_time(plugin *self)
{
    const int64_t now_ms = leat_clock_mono_ms();
    if (self->child.pid == 0)
        return;
    if (self->is_busy && self->kill_ms != 0 && now_ms >= self->kill_ms) {
        self->flags |= LEAT_ENDING_KILLED;
        kill_child(self);
    } else if (self->leave_ms != 0 && now_ms >= self->leave_ms) {
        break_off(self, "has closed its socket and goes on");
    }
}

static int
patience_ms(const plugin *self)
{
    int64_t due_ms = leat_keep_tell_due_ms(self->keep);
    if (self->is_busy && self->kill_ms != 0 && self->kill_ms < due_ms)
        due_ms = self->kill_ms;
    if (self->child.pid != 0 && self->leave_ms != 0 && self->leave_ms < due_ms)
        due_ms = self->leave_ms;
    return leat_keep_patience_ms(due_ms);
}

static void
hear_worker(plugin *self)
{
    leat_message_kind kind;
    leat_reader body;
    if (!leat_keep_hear(self->keep, &kind, &body))
        return;
    if (kind == LEAT_MESSAGE_JOB)
        take_job(self, body);
    else if (kind == LEAT_MESSAGE_STOP)
        take_stop(self, body);
}

/* Whatever comes first. */
static void
tend(plugin *self)
{
    leat_keep *const keep = self->keep;
    if (self->wants_child && self->child.pid == 0)
        (void)start(self); /* if not now, then with the next job */
    self->wants_child = false;
    struct pollfd fds[] = {
        {.fd = LEAT_KEEPER_SOCKET, .events = POLLIN},
        {.fd = keep->signals,      .events = POLLIN},
        {.fd = self->ends[SOCKET], .events = POLLIN},
        {.fd = self->ends[OUT],    .events = POLLIN},
        {.fd = self->ends[ERR],    .events = POLLIN},
    };
    if (!leat_keep_is_flushed(keep))
        fds[0].events |= POLLOUT;
    if (self->put < self->to.size)
        fds[2].events |= POLLOUT;
    if (poll(fds, sizeof fds / sizeof *fds, patience_ms(self)) < 0 && errno != EINTR)
        _exit(1);
    if (fds[3].revents != 0 || fds[4].revents != 0)
        read_output(self);
    if ((fds[2].revents & POLLOUT) != 0)
        feed(self);
    if ((fds[2].revents & ~POLLOUT) != 0)
        read_child(self);
    leat_keep_tell(keep);
    if (fds[1].revents != 0)
        look_for_end(self);
    look_at_time(self);
    if ((fds[0].revents & ~POLLOUT) != 0)
        hear_worker(self);
}

void
leat_keep_plugin(leat_keep *keep, const leat_message_serve *serve)
{
    plugin *const self = &only;
    leat_exec exec;
    self->keep = keep;
    self->serve = keep->in;
    keep->in = (leat_buf){0};
    self->variables = serve->variables;
    self->variable_count = serve->variable_count;
    self->jobs_max = serve->jobs_max;
    self->memory_max = serve->memory_max;
    const leat_err err = leat_exec_read(serve->exec.data, serve->exec.size, &exec);
    assert(err == LEAT_ERR_OK && exec.word_count == 1); /* the worker has written it */
    (void)err;
    leat_reader words = exec.words;
    const leat_bytes path = leat_exec_next(&words);
    self->path = strndup((const char *)path.data, path.size);
    if (self->path == NULL)
        _exit(1);
    self->wants_child = true;
    while (!keep->worker_gone)
        tend(self);
    /* The worker has ended, however: the job is somebody else's. */
    if (self->child.pid != 0 && self->is_busy)
        (void)kill(-self->child.pid, SIGKILL);
    else if (self->child.pid != 0)
        retire(self);
    free(self->path);
}
