/* A keeper with a program that does job after job over its stdin and stdout, in lines of JSON
 * (jsonl.h). See keep.h.
 *
 *     worker ── JOB ──► keeper ── {"job":…} ──► program
 *            ◄─ TOLD, ENDED ──  ◄─ {"job":…} ──
 *
 * The program is started with the first job and lives until it ends by itself, breaks the rules, or
 * has done as many jobs as it may. Then everything that it has left is ended, and the next job
 * starts it anew. Whatever it does, a job that it has gets an end with a sentence that says what it
 * was.
 *
 * One that ends again and again without having answered a single job is not started at once: there
 * is a pause, which doubles each time. A job that comes in a pause is put off until it is over (a
 * SNOOZE), so that it neither holds a slot nor counts a failure that it is not the reason of. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "worker/runner/capture.h"
#include "worker/runner/jsonl.h"
#include "worker/runner/keep.h"
#include "worker/runner/keeper.h"

/* Reads of one stream between two looks at everything else. */
#define READS_A_PASS 16U
#define READ_BYTES   65536U
#define ERR_BYTES    4096U /* that are kept of stderr, for its last line */
#define SHOWN_BYTES  80    /* of a line, in a sentence */
#define NAME_BYTES   100U
#define KEPT_BYTES   (1U << 20) /* of a buffer between two programs */
/* A program that closes a stream has this to end, so that its exit code is known. */
#define LEAVE_MS 1000
/* An idle program whose stdin is closed has this to end. */
#define RETIRE_MS 1000
/* Pause before a program is started again that has never done a job. */
#define PAUSE_MS_MIN 100
#define PAUSE_MS_MAX 10000

typedef struct stdio {
    leat_keep *keep;
    leat_buf serve; /* the message that exec lies in */
    leat_exec exec;
    uint32_t variable_count;
    leat_reader variables;
    uint32_t jobs_max;     /* of one program; 0: any number */
    char name[NAME_BYTES]; /* its words, for sentences */

    leat_keep_child program;
    uint32_t jobs; /* that it has ended */
    int input;     /* its stdin, or -1 */
    int output[2]; /* its stdout and stderr, or -1 */
    leat_buf to;   /* lines for it … */
    size_t put;    /* … and how much of them it has got */
    leat_buf from; /* a line, as far as it has come */
    leat_capture err;
    int64_t leave_ms; /* it has closed a stream: ended then; 0: it has not */
    char why[320];    /* which rule it has broken; "": none */

    bool is_busy;
    uint64_t job;
    int64_t started_us;
    uint8_t flags;   /* of leat_ending */
    int64_t term_ms; /* the job was told to stop: TERM then, KILL then; 0: no */
    int64_t kill_ms;

    uint32_t vain;    /* programs in a row that have done no job */
    int64_t again_ms; /* the next one is not started before */
    leat_jsonl_answer answer;
} stdio;

static stdio only = {
    .input = -1, .output = {-1, -1}
};

/* ------------------------------------------------------------------------------ a job's end */

static void
end_job(stdio *self, uint8_t end, uint64_t delay_ms, const void *result, size_t size)
{
    const leat_message_ended ended = {
        .end = end,
        .run_us = (uint64_t)(leat_clock_mono_us() - self->started_us),
        .delay_ms = delay_ms,
    };
    self->is_busy = false;
    leat_keep_end_job(self->keep, &ended, result, size);
}

static void
fail_job(stdio *self, const char *sentence)
{
    end_job(self, LEAT_END_FAILED, 0, sentence, strlen(sentence));
}

/* ------------------------------------------------------------------------ the program's end */

/* exit 1, killed by SIGSEGV … and the last that it had to say. */
static void
describe(stdio *self, int status, char *out, size_t size)
{
    const leat_ending_stream err = leat_capture_finish(&self->err, ERR_BYTES);
    const leat_text line = leat_capture_last_line(&err);
    int used;
    if (WIFSIGNALED(status))
        used = snprintf(out, size, "killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
    else
        used = snprintf(out, size, "exit %d", WEXITSTATUS(status));
    if (line.size > 0 && used > 0 && (size_t)used < size)
        (void)snprintf(out + used, size - (size_t)used, ": %.*s",
                       (int)(line.size < 200 ? line.size : 200), line.data);
}

/* Why the job that it had did not end otherwise. */
static void
explain(stdio *self, int status, char out[LEAT_SENTENCE_BYTES_MAX])
{
    char how[256];
    const char *const killed =
        (self->flags & LEAT_ENDING_KILLED) != 0 ? ", and did not end in its grace" : "";
    const char *const half =
        self->from.size > 0 ? "; it has begun a line of its answer and not ended it" : "";
    if (self->why[0] != '\0') {
        (void)snprintf(out, LEAT_SENTENCE_BYTES_MAX, "%s %s", self->name, self->why);
    } else if ((self->flags & LEAT_ENDING_LIMIT) != 0) {
        (void)snprintf(out, LEAT_SENTENCE_BYTES_MAX,
                       "stopped: it took longer than its run limit%s%s", killed, half);
    } else if ((self->flags & LEAT_ENDING_CANCELLED) != 0) {
        (void)snprintf(out, LEAT_SENTENCE_BYTES_MAX, "stopped: cancelled%s%s", killed, half);
    } else {
        describe(self, status, how, sizeof how);
        (void)snprintf(out, LEAT_SENTENCE_BYTES_MAX, "%s ended %s (%s)", self->name,
                       self->from.size > 0 ? "in the middle of a line" : "before it had answered",
                       how);
    }
}

/* The one after this has to wait if this one was good for nothing, and that was its own fault. */
static void
pause_before_next(stdio *self)
{
    if (self->jobs > 0)
        self->vain = 0;
    if (self->jobs > 0 || (self->is_busy && self->flags != 0))
        return;
    int64_t pause_ms = PAUSE_MS_MIN;
    for (uint32_t i = 0; i < self->vain && pause_ms < PAUSE_MS_MAX; i++)
        pause_ms *= 2;
    if (pause_ms > PAUSE_MS_MAX)
        pause_ms = PAUSE_MS_MAX;
    self->vain++;
    self->again_ms = leat_clock_mono_ms() + pause_ms;
    LEAT_LOG(LEAT_LOG_WARN, "stdio.pause",
             "a program has done no job, it waits to be started again",
             LEAT_KV_TEXT("program", self->name), LEAT_KV_I64("pause_ms", pause_ms));
}

/* Its process is gone, and has been waited for: nothing else of it may stay. */
static void
end_program(stdio *self, int status)
{
    char sentence[LEAT_SENTENCE_BYTES_MAX];
    uint32_t collected = 0;
    (void)leat_keep_end_strays(self->keep, &collected);
    leat_keep_close(&self->input);
    leat_keep_close(&self->output[0]);
    leat_keep_close(&self->output[1]);
    self->program.pid = 0;
    pause_before_next(self);
    explain(self, status, sentence);
    if (self->is_busy)
        fail_job(self, sentence);
    else if (self->why[0] != '\0')
        LEAT_LOG(LEAT_LOG_WARN, "stdio.end", "a program was ended", LEAT_KV_TEXT("why", sentence));
}

static void
kill_program(stdio *self)
{
    leat_keep_kill(&self->program);
    end_program(self, self->program.status);
}

/* It has broken a rule: what it says from here on cannot be trusted. */
__attribute__((format(printf, 2, 3))) static void
break_off(stdio *self, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(self->why, sizeof self->why, format, args);
    va_end(args);
    kill_program(self);
}

/* Nobody needs it any more: it is told so by the end of its stdin. */
static void
retire(stdio *self)
{
    leat_keep_close(&self->input);
    leat_keep_await(self->keep, &self->program, RETIRE_MS);
    kill_program(self);
}

/* ------------------------------------------------------------------------------ what it says */

/* The beginning of a line, as far as it can be shown. */
static void
show(const uint8_t *line, size_t size, char out[SHOWN_BYTES + 1])
{
    const size_t shown = size < SHOWN_BYTES ? size : SHOWN_BYTES;
    for (size_t i = 0; i < shown; i++)
        out[i] = (char)(line[i] >= ' ' && line[i] <= '~' ? line[i] : '?');
    out[shown] = '\0';
}

static void
take_end(stdio *self)
{
    static const uint8_t ends[] = {
        [LEAT_JSONL_RESULT] = LEAT_END_DONE,
        [LEAT_JSONL_FAIL] = LEAT_END_FAILED,
        [LEAT_JSONL_FATAL] = LEAT_END_FATAL,
        [LEAT_JSONL_SNOOZE] = LEAT_MESSAGE_SNOOZED,
    };
    const leat_jsonl_answer *const answer = &self->answer;
    if (!self->is_busy || answer->job != self->job) {
        break_off(self, "answered for job %llu, which it did not have (a job is answered once)",
                  (unsigned long long)answer->job);
        return;
    }
    self->jobs++;
    end_job(self, ends[answer->kind], answer->delay_ms, answer->data.data, answer->data.size);
    if (self->jobs == self->jobs_max)
        retire(self);
}

static void
take_line(stdio *self, const uint8_t *line, size_t size)
{
    char why[LEAT_JSONL_WHY_BYTES];
    char shown[SHOWN_BYTES + 1];
    leat_jsonl_answer *const answer = &self->answer;
    leat_tell *const tell = &self->keep->tells[LEAT_STREAM_LOG - 1];
    if (leat_jsonl_read(line, size, answer, why) != LEAT_ERR_OK) {
        show(line, size, shown);
        break_off(self, "said what is no answer (%s): %s", why, shown);
        return;
    }
    if (leat_jsonl_is_end(answer->kind)) {
        take_end(self);
        return;
    }
    if (!self->is_busy || answer->job != self->job)
        return; /* what is told may be lost, and what comes too late is */
    if (answer->kind == LEAT_JSONL_PROGRESS)
        leat_tell_progress(tell, answer->done, answer->of,
                           (leat_text){(const char *)answer->data.data, answer->data.size});
    else if (answer->kind == LEAT_JSONL_LOG)
        leat_keep_output(self->keep, LEAT_STREAM_LOG, answer->data.data, answer->data.size);
    else if (leat_tell_checkpoint(tell, answer->data.data, answer->data.size) != LEAT_ERR_OK)
        LEAT_LOG(LEAT_LOG_WARN, "stdio.checkpoint", "out of memory, a checkpoint is lost");
}

/* The whole lines in `from`; what is behind the last one stays. */
static void
take_lines(stdio *self)
{
    size_t at = 0;
    const uint8_t *end;
    while (self->program.pid != 0 && at < self->from.size &&
           (end = memchr(self->from.data + at, '\n', self->from.size - at)) != NULL) {
        const size_t size = (size_t)(end - self->from.data) - at;
        take_line(self, self->from.data + at, size);
        at += size + 1;
    }
    if (at > 0 && at < self->from.size)
        memmove(self->from.data, self->from.data + at, self->from.size - at);
    self->from.size -= at;
    if (self->program.pid != 0 && self->from.size > LEAT_JSONL_BYTES_MAX)
        break_off(self, "said a line of more than %u bytes", LEAT_JSONL_BYTES_MAX);
}

static ssize_t
read_into(int fd, leat_buf *buf)
{
    const size_t had = buf->size;
    uint8_t *const room = leat_buf_room(buf, READ_BYTES);
    const ssize_t got = room == NULL ? 0 : read(fd, room, READ_BYTES);
    buf->size = had + (got > 0 ? (size_t)got : 0);
    return got;
}

/* It has closed a stream, and may be about to end. */
static void
expect_end(stdio *self, int *fd)
{
    leat_keep_close(fd);
    if (self->leave_ms == 0)
        self->leave_ms = leat_clock_mono_ms() + LEAVE_MS;
}

static void
read_output(stdio *self, unsigned reads)
{
    while (reads-- > 0 && self->output[0] >= 0) {
        const ssize_t got = read_into(self->output[0], &self->from);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            expect_end(self, &self->output[0]);
        else if (got < 0)
            return;
        take_lines(self);
    }
}

static void
read_errors(stdio *self, unsigned reads)
{
    while (reads-- > 0 && self->output[1] >= 0) {
        size_t size;
        uint8_t *const room = leat_capture_room(&self->err, &size);
        const ssize_t got = room == NULL ? 0 : read(self->output[1], room, size);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            leat_keep_close(&self->output[1]);
        if (got <= 0)
            return;
        if (self->is_busy)
            leat_keep_output(self->keep, LEAT_STREAM_ERR, room, (size_t)got);
        leat_capture_filled(&self->err, (size_t)got);
    }
}

static void
look_for_end(stdio *self)
{
    if (!leat_keep_look(self->keep, &self->program))
        return;
    /* What it has said before stays said. Others may hold its stdout open: no more than the pipe
     * has room for is read. */
    read_errors(self, READS_A_PASS);
    read_output(self, READS_A_PASS);
    if (self->program.pid != 0)
        end_program(self, self->program.status);
}

/* ------------------------------------------------------------------------------------- a job */

static void
feed(stdio *self)
{
    while (self->input >= 0 && self->put < self->to.size) {
        const ssize_t put =
            write(self->input, self->to.data + self->put, self->to.size - self->put);
        if (put < 0 && errno == EAGAIN)
            return;
        if (put < 0 && errno != EINTR)
            expect_end(self, &self->input);
        self->put += put > 0 ? (size_t)put : 0;
    }
    leat_buf_reset(&self->to);
    self->put = 0;
}

/* Empty; megabytes are rare, and go back. */
static void
drop(leat_buf *buf)
{
    if (buf->capacity > KEPT_BYTES)
        leat_buf_fini(buf);
    leat_buf_reset(buf);
}

/* false: it cannot be, *failure says why. */
static bool
start(stdio *self, leat_launch_failure *failure)
{
    leat_launch launch = {
        .rights = &self->keep->rights,
        .exec = &self->exec,
        .job_variables = self->variables,
        .job_variable_count = self->variable_count,
        .keeps_input = true,
    };
    self->jobs = 0;
    self->leave_ms = 0;
    self->why[0] = '\0';
    self->put = 0;
    drop(&self->to);
    drop(&self->from);
    leat_capture_reset(&self->err, ERR_BYTES);
    if (!leat_launch_run(&launch, failure)) {
        pause_before_next(self);
        return false;
    }
    self->program = (leat_keep_child){.pid = launch.pid};
    self->input = launch.input;
    self->output[0] = launch.output[0];
    self->output[1] = launch.output[1];
    return true;
}

static void
take_job(stdio *self, leat_reader body)
{
    leat_message_job job;
    leat_launch_failure failure;
    const bool is_read = leat_message_job_read(body, &job);
    assert(is_read && !self->is_busy); /* the worker has one job here at a time */
    (void)is_read;
    /* One that has ended, or does not listen, must not cost the job an attempt. */
    look_for_end(self);
    if (self->program.pid != 0 && self->put < self->to.size)
        break_off(self, "does not read its stdin");
    const int64_t now_ms = leat_clock_mono_ms();
    self->is_busy = true;
    self->job = job.id;
    self->started_us = leat_clock_mono_us();
    self->flags = 0;
    self->term_ms = self->kill_ms = 0;
    leat_keep_begin(self->keep);
    if (self->program.pid == 0 && now_ms < self->again_ms) {
        end_job(self, LEAT_MESSAGE_SNOOZED, (uint64_t)(self->again_ms - now_ms), NULL, 0);
    } else if (self->program.pid == 0 && !start(self, &failure)) {
        fail_job(self, failure.sentence);
    } else {
        leat_jsonl_put_job(&self->to, &job);
        if (self->to.failed)
            break_off(self, "cannot be given the job: the worker is out of memory");
        else
            feed(self);
    }
}

static void
take_stop(stdio *self, leat_reader body)
{
    const uint32_t grace_ms = leat_read_u32(&body);
    const uint8_t flags = leat_read_u8(&body);
    const int64_t now_ms = leat_clock_mono_ms();
    if (!self->is_busy || body.failed)
        return; /* it has ended meanwhile */
    self->flags |= flags & (LEAT_ENDING_CANCELLED | LEAT_ENDING_LIMIT);
    if (self->kill_ms == 0) {
        leat_jsonl_put_stop(&self->to, self->job, (flags & LEAT_ENDING_LIMIT) != 0);
        feed(self);
        self->term_ms = now_ms + grace_ms / 2;
        self->kill_ms = now_ms + grace_ms;
    } else if (now_ms + grace_ms < self->kill_ms) {
        self->term_ms = now_ms; /* told again, with less patience */
        self->kill_ms = now_ms + grace_ms;
    }
}

/* ------------------------------------------------------------------------------------ the loop */

static void
look_at_time(stdio *self)
{
    const int64_t now_ms = leat_clock_mono_ms();
    if (self->program.pid == 0)
        return;
    if (self->is_busy && self->kill_ms != 0 && now_ms >= self->kill_ms) {
        self->flags |= LEAT_ENDING_KILLED;
        kill_program(self);
    } else if (self->is_busy && self->term_ms != 0 && now_ms >= self->term_ms) {
        (void)kill(-self->program.pid, SIGTERM);
        (void)kill(-self->program.pid, SIGCONT);
        self->term_ms = INT64_MAX;
    } else if (self->leave_ms != 0 && now_ms >= self->leave_ms) {
        break_off(self, "has closed its %s and goes on", self->input < 0 ? "stdin" : "stdout");
    }
}

static int
patience_ms(const stdio *self)
{
    int64_t due_ms = leat_keep_tell_due_ms(self->keep);
    if (self->is_busy && self->kill_ms != 0) {
        due_ms = self->kill_ms < due_ms ? self->kill_ms : due_ms;
        due_ms = self->term_ms < due_ms ? self->term_ms : due_ms;
    }
    if (self->program.pid != 0 && self->leave_ms != 0 && self->leave_ms < due_ms)
        due_ms = self->leave_ms;
    return leat_keep_patience_ms(due_ms);
}

static void
hear_worker(stdio *self)
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
tend(stdio *self)
{
    leat_keep *const keep = self->keep;
    struct pollfd fds[] = {
        {.fd = LEAT_KEEPER_SOCKET, .events = POLLIN},
        {.fd = keep->signals,      .events = POLLIN},
        {.fd = self->output[0],    .events = POLLIN},
        {.fd = self->output[1],    .events = POLLIN},
        {.fd = self->input,        .events = 0     },
    };
    if (!leat_keep_is_flushed(keep))
        fds[0].events |= POLLOUT;
    if (self->put < self->to.size)
        fds[4].events = POLLOUT;
    if (poll(fds, 5, patience_ms(self)) < 0 && errno != EINTR)
        _exit(1);
    if (fds[3].revents != 0)
        read_errors(self, READS_A_PASS);
    if (fds[2].revents != 0)
        read_output(self, READS_A_PASS);
    if ((fds[4].revents & POLLERR) != 0)
        expect_end(self, &self->input);
    else if (fds[4].revents != 0)
        feed(self);
    leat_keep_tell(keep);
    if (fds[1].revents != 0)
        look_for_end(self);
    look_at_time(self);
    if ((fds[0].revents & ~POLLOUT) != 0)
        hear_worker(self);
}

/* The program's words with blanks between, in quotes. */
static void
fill_name(stdio *self)
{
    leat_reader words = self->exec.words;
    size_t used = 0;
    self->name[used++] = '"';
    for (uint32_t i = 0; i < self->exec.word_count; i++) {
        const leat_bytes word = leat_exec_next(&words);
        if (used + word.size + 3 > sizeof self->name)
            break;
        if (i > 0)
            self->name[used++] = ' ';
        memcpy(self->name + used, word.data, word.size);
        used += word.size;
    }
    self->name[used++] = '"';
    self->name[used] = '\0';
}

void
leat_keep_stdio(leat_keep *keep, const leat_message_serve *serve)
{
    stdio *const self = &only;
    self->keep = keep;
    /* The message stays as long as the keeper: the program's words lie in it. */
    self->serve = keep->in;
    keep->in = (leat_buf){0};
    self->variables = serve->variables;
    self->variable_count = serve->variable_count;
    self->jobs_max = serve->jobs_max;
    const leat_err err = leat_exec_read(serve->exec.data, serve->exec.size, &self->exec);
    assert(err == LEAT_ERR_OK); /* the worker has written it */
    (void)err;
    fill_name(self);
    while (!keep->worker_gone)
        tend(self);
    /* The worker has ended, however: the job is somebody else's. */
    if (self->program.pid != 0 && self->is_busy)
        (void)kill(-self->program.pid, SIGKILL);
    else if (self->program.pid != 0)
        retire(self);
}
