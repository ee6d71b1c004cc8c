/* A keeper with a program a job: START, what it prints, how it ends. See keep.h. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/limits.h"
#include "proto/records.h"
#include "worker/runner/capture.h"
#include "worker/runner/keep.h"
#include "worker/runner/keeper.h"

/* Reads of one stream between two looks at everything else. */
#define READS_A_PASS 16U
#define LINE_BYTES   200U /* of the last line of stderr, in a sentence */

typedef struct oneshot {
    leat_keep *keep;
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
} oneshot;

/* Memory of an earlier job is used again. */
static oneshot only;

/* ------------------------------------------------------------------------------------ the end */

/* What is in the pipe now. false: the other end is closed, or cannot be read. */
static bool
read_some(oneshot *self, size_t i, unsigned reads)
{
    leat_capture *const capture = &self->captures[i];
    while (reads-- > 0) {
        size_t size;
        uint8_t *const room = leat_capture_room(capture, &size);
        if (room == NULL)
            return false;
        const ssize_t got = read(self->output[i], room, size);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (got < 0)
            return true;
        leat_keep_output(self->keep, i == 0 ? LEAT_STREAM_OUT : LEAT_STREAM_ERR, room, (size_t)got);
        leat_capture_filled(capture, (size_t)got);
    }
    return true;
}

static leat_end
verdict(const oneshot *self, const leat_ending *ending)
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

static void
say_ended(oneshot *self, leat_end end, const leat_ending *ending)
{
    const leat_message_ended ended = {
        .end = (uint8_t)end,
        .run_us = (uint64_t)(leat_clock_mono_us() - self->started_us),
    };
    size_t begin;
    leat_keep_put_ended(self->keep, &ended, &begin);
    leat_ending_put(&self->keep->out, ending);
    leat_keep_say_ended(self->keep, begin);
}

/* The program has ended with this status, or was never started: nothing of it may stay. */
static void
end_program(oneshot *self, int status)
{
    char sentence[LEAT_SENTENCE_BYTES_MAX];
    leat_ending ending = {.flags = self->flags};
    size_t budgets[2];
    (void)leat_keep_end_strays(self->keep, &ending.collected);
    for (size_t i = 0; i < 2; i++) {
        if (self->output[i] >= 0)
            (void)read_some(self, i, UINT32_MAX);
        leat_keep_close(&self->output[i]);
    }
    leat_keep_close(&self->input);
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

/* ---------------------------------------------------------------------------------- the start */

static void
report_not_run(oneshot *self, const leat_launch_failure *failure)
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
begin(oneshot *self, leat_reader body)
{
    leat_launch launch = {.rights = &self->keep->rights, .exec = &self->exec};
    leat_launch_failure failure;
    launch.job_variables = leat_message_variables(&body, &launch.job_variable_count);
    const leat_err err = body.failed
                             ? LEAT_ERR_MALFORMED
                             : leat_exec_read(body.at, leat_reader_left(&body), &self->exec);
    assert(err == LEAT_ERR_OK); /* the worker has looked at it */

    leat_keep_begin(self->keep);
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
stop(oneshot *self, leat_reader body)
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
feed(oneshot *self)
{
    const leat_bytes input = self->exec.input;
    const ssize_t put =
        write(self->input, input.data + self->input_at, input.size - self->input_at);
    if (put > 0)
        self->input_at += (uint32_t)put;
    /* A program need not read its input. */
    if (self->input_at == input.size || (put < 0 && errno != EAGAIN && errno != EINTR))
        leat_keep_close(&self->input);
}

static int
patience_ms(const oneshot *self)
{
    const int64_t tell_ms = leat_keep_tell_due_ms(self->keep);
    int64_t due_ms = self->kill_ms == 0 ? INT64_MAX : self->kill_ms;
    if (tell_ms < due_ms)
        due_ms = tell_ms;
    return leat_keep_patience_ms(due_ms);
}

static void
hear_worker(oneshot *self)
{
    leat_message_kind kind;
    leat_reader body;
    if (leat_keep_hear(self->keep, &kind, &body) && kind == LEAT_MESSAGE_STOP)
        stop(self, body);
}

/* While a program runs: whatever comes first. */
static void
tend(oneshot *self)
{
    leat_keep *const keep = self->keep;
    int status;
    struct pollfd fds[] = {
        {.fd = LEAT_KEEPER_SOCKET, .events = POLLIN },
        {.fd = keep->signals,      .events = POLLIN },
        {.fd = self->output[0],    .events = POLLIN },
        {.fd = self->output[1],    .events = POLLIN },
        {.fd = self->input,        .events = POLLOUT},
    };
    if (!leat_keep_is_flushed(keep))
        fds[0].events |= POLLOUT;
    if (poll(fds, 5, patience_ms(self)) < 0 && errno != EINTR)
        _exit(1);
    for (size_t i = 0; i < 2; i++) {
        if (fds[2 + i].revents != 0 && !read_some(self, i, READS_A_PASS))
            leat_keep_close(&self->output[i]);
    }
    leat_keep_tell(keep);
    if (fds[4].revents != 0)
        feed(self);
    if ((fds[0].revents & ~POLLOUT) != 0)
        hear_worker(self);
    if (self->kill_ms != 0 && leat_clock_mono_ms() >= self->kill_ms) {
        self->flags |= LEAT_ENDING_KILLED;
        (void)kill(-self->program, SIGKILL);
        self->kill_ms = INT64_MAX;
    }
    if (fds[1].revents != 0 && leat_keep_has_ended(keep, self->program, &status))
        end_program(self, status);
}

void
leat_keep_run(leat_keep *keep, leat_reader body)
{
    oneshot *const self = &only;
    const leat_buf message = keep->in;
    /* The message stays as long as the program: its stdin lies in it. */
    keep->in = self->start;
    self->start = message;
    self->keep = keep;
    self->input = self->output[0] = self->output[1] = -1;
    begin(self, body);
    while (self->program != 0 && !keep->worker_gone)
        tend(self);
    /* The worker has ended, however: so does what it ran. */
    if (self->program != 0)
        (void)kill(-self->program, SIGKILL);
}
