/* The process around one command after the other. See keeper.h. */
#include "worker/runner/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/limits.h"
#include "proto/records.h"
#include "worker/runner/capture.h"
#include "worker/runner/cgroup.h"
#include "worker/runner/launch.h"
#include "worker/runner/strays.h"

/* How long a kill may take: what sits in the kernel does not hear it. */
#define KILL_MS    5000
#define KILL_TRIES 12U /* when nobody is there any more who could do it later */
/* Who is not gone by then may be making new ones all the time. */
#define KILL_SOON_MS 20
/* Reads of one stream between two looks at everything else. */
#define READS_A_PASS 16U
#define LINE_BYTES   200U /* of the last line of stderr, in a sentence */

typedef struct keeper {
    leat_launch_rights rights;
    char cgroup[LEAT_CGROUP_BYTES];
    int signals; /* signalfd: SIGCHLD */
    leat_buf in; /* a message, as far as it has come */
    leat_buf out;
    bool worker_gone;

    pid_t program; /* 0: nothing runs */
    leat_exec exec;
    leat_buf start; /* the message that exec lies in */
    int64_t started_us;
    int input; /* the program's stdin, or -1 */
    uint32_t input_at;
    int output[2]; /* its stdout and stderr, or -1 */
    leat_capture captures[2];
    size_t output_max;
    uint8_t flags;   /* of leat_ending */
    int64_t kill_ms; /* it was told to stop: killed then; 0: it was not */
} keeper;

/* ----------------------------------------------------------------------------------- the worker */

/* Read more of a message. false: the worker is gone. */
static bool
hear(keeper *self, size_t want)
{
    while (self->in.size < want) {
        const size_t had = self->in.size;
        uint8_t *const room = leat_buf_room(&self->in, want - had);
        if (room == NULL)
            return false;
        const ssize_t got = read(LEAT_KEEPER_SOCKET, room, want - had);
        self->in.size = had + (got > 0 ? (size_t)got : 0);
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
    }
    return true;
}

/* Wait for a whole message; the body is borrowed until the next call. */
static bool
hear_message(keeper *self, leat_keeper_kind *kind, leat_reader *body)
{
    leat_buf_reset(&self->in);
    if (!hear(self, LEAT_KEEPER_HEAD))
        return false;
    const uint32_t size = leat_load_u32(self->in.data);
    if (size < 1 || size > LEAT_KEEPER_BYTES_MAX || !hear(self, 4 + (size_t)size))
        return false;
    *kind = (leat_keeper_kind)self->in.data[4];
    *body = leat_reader_over(self->in.data + LEAT_KEEPER_HEAD, size - 1);
    return true;
}

static void
say(keeper *self)
{
    size_t at = 0;
    if (self->out.failed)
        _exit(1); /* the worker then says that its keeper is gone */
    leat_store_u32(self->out.data, (uint32_t)self->out.size - 4);
    while (at < self->out.size) {
        const ssize_t put =
            send(LEAT_KEEPER_SOCKET, self->out.data + at, self->out.size - at, MSG_NOSIGNAL);
        if (put < 0 && errno != EINTR) {
            self->worker_gone = true;
            return;
        }
        at += put > 0 ? (size_t)put : 0;
    }
}

static void
say_ended(keeper *self, leat_end end, const leat_ending *ending)
{
    const int64_t run_us = leat_clock_mono_us() - self->started_us;
    leat_buf_reset(&self->out);
    leat_put_u32(&self->out, 0);
    leat_put_u8(&self->out, LEAT_KEEPER_ENDED);
    leat_put_u8(&self->out, (uint8_t)end);
    leat_put_u64(&self->out, (uint64_t)run_us);
    leat_ending_put(&self->out, ending);
    say(self);
}

/* ------------------------------------------------------------------------------------ the end */

static void
close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* What is in the pipe now. false: the other end is closed, or cannot be read. */
static bool
read_some(leat_capture *capture, int fd, unsigned reads)
{
    while (reads-- > 0) {
        size_t size;
        uint8_t *const room = leat_capture_room(capture, &size);
        if (room == NULL)
            return false;
        const ssize_t got = read(fd, room, size);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (got < 0)
            return true;
        leat_capture_filled(capture, (size_t)got);
    }
    return true;
}

static leat_end
verdict(const keeper *self, const leat_ending *ending)
{
    if ((self->flags & (LEAT_ENDING_CANCELLED | LEAT_ENDING_LIMIT)) != 0)
        return LEAT_END_FAILED;
    if (ending->how == LEAT_ENDING_EXIT && ending->code == 0)
        return LEAT_END_DONE;
    if ((self->exec.flags & LEAT_EXEC_RETRY) != 0 ||
        (ending->how == LEAT_ENDING_EXIT && ending->code == LEAT_EXEC_TRY_AGAIN))
        return LEAT_END_FAILED;
    return LEAT_END_FATAL;
}

/* How it ended, in words; "" when it is done. */
static void
describe(const leat_ending *ending, char *out, size_t size)
{
    const char *const killed =
        (ending->flags & LEAT_ENDING_KILLED) != 0 ? ", and did not end in its grace" : "";
    int used;
    if ((ending->flags & LEAT_ENDING_LIMIT) != 0)
        used = snprintf(out, size, "stopped: it took longer than its run limit%s", killed);
    else if ((ending->flags & LEAT_ENDING_CANCELLED) != 0)
        used = snprintf(out, size, "stopped: cancelled%s", killed);
    else if (ending->how == LEAT_ENDING_SIGNAL)
        used = snprintf(out, size, "killed by SIG%s%s", sigabbrev_np(ending->code),
                        ending->code == SIGXCPU ? ": its CPU time is used up" : "");
    else if (ending->code != 0)
        used = snprintf(out, size, "exit %u", ending->code);
    else {
        out[0] = '\0';
        return;
    }
    const leat_text line = leat_capture_last_line(&ending->err);
    if (line.size > 0 && used > 0 && (size_t)used < size)
        (void)snprintf(out + used, size - (size_t)used, ": %.*s",
                       (int)(line.size < LINE_BYTES ? line.size : LINE_BYTES), line.data);
}

/* End everything that the program has left. */
static bool
end_strays(keeper *self, uint32_t *count)
{
    bool none = leat_strays_end(NULL, 0, KILL_SOON_MS, count);
    if (none)
        return true;
    if (self->cgroup[0] != '\0')
        leat_cgroup_bound(self->cgroup, 0, true);
    none = leat_strays_end(NULL, 0, KILL_MS, count);
    if (!none)
        LEAT_LOG(LEAT_LOG_ERROR, "keeper.strays", "processes of a job cannot be killed");
    if (self->cgroup[0] != '\0')
        leat_cgroup_bound(self->cgroup, self->rights.limits[LEAT_EXEC_PROCESSES], false);
    return none;
}

/* The program has ended with this status, or was never started: nothing of it may stay. */
static void
end_program(keeper *self, int status)
{
    char sentence[LEAT_SENTENCE_BYTES_MAX];
    leat_ending ending = {.flags = self->flags};
    size_t budgets[2];
    (void)end_strays(self, &ending.collected);
    for (size_t i = 0; i < 2; i++) {
        if (self->output[i] >= 0)
            (void)read_some(&self->captures[i], self->output[i], UINT32_MAX);
        close_one(&self->output[i]);
    }
    close_one(&self->input);
    leat_capture_share(self->output_max, self->captures[0].total, self->captures[1].total,
                       &budgets[0], &budgets[1]);
    ending.out = leat_capture_finish(&self->captures[0], budgets[0]);
    ending.err = leat_capture_finish(&self->captures[1], budgets[1]);
    ending.how = WIFSIGNALED(status) ? LEAT_ENDING_SIGNAL : LEAT_ENDING_EXIT;
    ending.code = (uint8_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    describe(&ending, sentence, sizeof sentence);
    ending.sentence = leat_text_of(sentence);
    self->program = 0;
    say_ended(self, verdict(self, &ending), &ending);
}

/* Has it ended? What is left of its group is killed while the group's number is still its own. */
static void
look_for_end(keeper *self)
{
    int status;
    struct signalfd_siginfo news;
    siginfo_t info = {0};
    while (read(self->signals, &news, sizeof news) == (ssize_t)sizeof news) {
    }
    if (waitid(P_PID, (id_t)self->program, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid != self->program) {
        /* Others that ended and were left to us. */
        for (;;) {
            info.si_pid = 0;
            if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 ||
                info.si_pid == self->program)
                return;
            (void)waitpid(info.si_pid, NULL, 0);
        }
    }
    (void)kill(-self->program, SIGKILL);
    (void)waitpid(self->program, &status, 0);
    end_program(self, status);
}

/* ---------------------------------------------------------------------------------- the start */

static void
report_not_run(keeper *self, const leat_launch_failure *failure)
{
    leat_ending ending = {
        .how = LEAT_ENDING_NOT_RUN,
        .code = (uint8_t)failure->code,
        .sentence = leat_text_of(failure->sentence),
    };
    const leat_end end = failure->is_passing ? LEAT_END_FAILED : verdict(self, &ending);
    say_ended(self, end, &ending);
}

static void
begin(keeper *self, leat_reader body)
{
    leat_launch launch = {.rights = &self->rights, .exec = &self->exec};
    leat_launch_failure failure;
    /* The message stays as long as the program: its stdin lies in it. */
    launch.job_variable_count = leat_read_u32(&body);
    launch.job_variables = body;
    for (uint32_t i = 0; i < launch.job_variable_count; i++)
        (void)leat_exec_next(&body);
    const leat_err err = body.failed
                             ? LEAT_ERR_MALFORMED
                             : leat_exec_read(body.at, leat_reader_left(&body), &self->exec);
    assert(err == LEAT_ERR_OK); /* the worker has looked at it */

    self->started_us = leat_clock_mono_us();
    self->flags = 0;
    self->kill_ms = 0;
    self->input_at = 0;
    self->output_max = self->exec.output_max == 0 || self->exec.output_max > LEAT_EXEC_OUTPUT_MAX
                           ? LEAT_EXEC_OUTPUT_MAX
                           : self->exec.output_max;
    if (self->output_max < 2)
        self->output_max = 2;
    for (size_t i = 0; i < 2; i++)
        leat_capture_reset(&self->captures[i], self->output_max);
    if (!leat_launch_run(&launch, &failure)) {
        report_not_run(self, &failure);
        return;
    }
    self->program = launch.pid;
    self->input = launch.input;
    self->output[0] = launch.output[0];
    self->output[1] = launch.output[1];
}

/* ----------------------------------------------------------------------------------- the loop */

static void
stop(keeper *self, leat_reader body)
{
    const uint32_t grace_ms = leat_read_u32(&body);
    const uint8_t flags = leat_read_u8(&body);
    if (self->program == 0 || body.failed)
        return; /* it has ended meanwhile */
    self->flags |= flags & (LEAT_ENDING_CANCELLED | LEAT_ENDING_LIMIT);
    if (self->kill_ms == 0) {
        (void)kill(-self->program, SIGTERM);
        (void)kill(-self->program, SIGCONT);
        self->kill_ms = leat_clock_mono_ms() + grace_ms;
    } else if (leat_clock_mono_ms() + grace_ms < self->kill_ms) {
        self->kill_ms = leat_clock_mono_ms() + grace_ms; /* told again, with less patience */
    }
}

static void
feed(keeper *self)
{
    const leat_bytes input = self->exec.input;
    const ssize_t put =
        write(self->input, input.data + self->input_at, input.size - self->input_at);
    if (put > 0)
        self->input_at += (uint32_t)put;
    /* A program need not read its input. */
    if (self->input_at == input.size || (put < 0 && errno != EAGAIN && errno != EINTR))
        close_one(&self->input);
}

static int
patience_ms(const keeper *self)
{
    if (self->kill_ms == 0)
        return -1;
    const int64_t left_ms = self->kill_ms - leat_clock_mono_ms();
    return left_ms < 0 ? 0 : (int)left_ms;
}

/* While a program runs: whatever comes first. */
static void
tend(keeper *self)
{
    struct pollfd fds[] = {
        {.fd = LEAT_KEEPER_SOCKET, .events = POLLIN },
        {.fd = self->signals,      .events = POLLIN },
        {.fd = self->output[0],    .events = POLLIN },
        {.fd = self->output[1],    .events = POLLIN },
        {.fd = self->input,        .events = POLLOUT},
    };
    if (poll(fds, 5, patience_ms(self)) < 0 && errno != EINTR)
        _exit(1);
    for (size_t i = 0; i < 2; i++) {
        if (fds[2 + i].revents != 0 &&
            !read_some(&self->captures[i], self->output[i], READS_A_PASS))
            close_one(&self->output[i]);
    }
    if (fds[4].revents != 0)
        feed(self);
    if (fds[0].revents != 0) {
        leat_keeper_kind kind;
        leat_reader body;
        if (!hear_message(self, &kind, &body))
            self->worker_gone = true;
        else if (kind == LEAT_KEEPER_STOP)
            stop(self, body);
    }
    if (self->kill_ms != 0 && leat_clock_mono_ms() >= self->kill_ms) {
        self->flags |= LEAT_ENDING_KILLED;
        (void)kill(-self->program, SIGKILL);
        self->kill_ms = INT64_MAX;
    }
    if (fds[1].revents != 0)
        look_for_end(self);
}

static void
idle(keeper *self)
{
    leat_keeper_kind kind;
    leat_reader body;
    if (!hear_message(self, &kind, &body)) {
        self->worker_gone = true;
    } else if (kind == LEAT_KEEPER_START) {
        const leat_buf message = self->in;
        self->in = self->start;
        self->start = message;
        begin(self, body);
    }
}

static bool
prepare(keeper *self, char *const argv[])
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

int
leat_keeper_main(int argc, char *argv[])
{
    static keeper self = {
        .input = -1, .output = {-1, -1}
    };
    uint32_t ended = 0;
    if (argc != LEAT_KEEPER_ARGS || !prepare(&self, argv))
        return 1;
    while (!self.worker_gone) {
        if (self.program == 0)
            idle(&self);
        else
            tend(&self);
    }
    /* The worker has ended, however: so does everything that it ran. */
    if (self.program != 0)
        (void)kill(-self.program, SIGKILL);
    for (unsigned i = 0; i < KILL_TRIES && !end_strays(&self, &ended); i++) {
    }
    if (self.cgroup[0] != '\0')
        leat_cgroup_leave(self.cgroup);
    return 0;
}
