/* The process in which a plug-in's handlers run, job after job. See plugin.h.
 *
 *     keeper ── JOB ──► child: leat_call ──► handler
 *            ◄─ TOLD, ENDED ──
 *
 * What it says is written at once, and waits for nobody but the keeper, which always reads. A
 * handler that dies leaves the signal's number and its stack in a pipe; the rest is the keeper's
 * to tell. */
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "worker/job.h"
#include "worker/runner/message.h"
#include "worker/runner/plugin.h"

#define FRAMES_MAX  32
#define FRAMES_OURS 2 /* the handler of the signal, and the way into it */
/* Writing the stack must not hang, as it may when the dynamic linker itself was interrupted. */
#define TRACE_S     2
#define STACK_BYTES 65536U

typedef struct child {
    leat_listener listener; /* first */
    const leat_plugin *plugin;
    char why[LEAT_PLUGIN_WHY_BYTES]; /* it could not be loaded; "": it was */
    uint64_t cpu_s;                  /* that a job may use; 0: any */
    leat_buf in;
    leat_buf out;
    leat_buf result; /* what call.out points to */
    leat_given *given;
} child;

static atomic_bool cancelled; /* set by SIGTERM, for the job that runs */

/* ------------------------------------------------------------------------------------- signals */

static void
on_term(int number)
{
    (void)number;
    atomic_store_explicit(&cancelled, true, memory_order_relaxed);
}

/* It dies of the same signal a moment later: the disposition is the default one again. */
static void
on_crash(int number)
{
    void *frames[FRAMES_MAX];
    const uint8_t code = (uint8_t)number;
    (void)!write(LEAT_PLUGIN_TRACE, &code, 1);
    (void)alarm(TRACE_S);
    const int count = backtrace(frames, FRAMES_MAX);
    if (count > FRAMES_OURS)
        backtrace_symbols_fd(frames + FRAMES_OURS, count - FRAMES_OURS, LEAT_PLUGIN_TRACE);
    (void)raise(number);
}

static void
take_signals(void)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
    static uint8_t stack[STACK_BYTES]; /* the handler's own may be what has overflowed */
    void *frame;
    sigset_t none;
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction crash = {.sa_handler = on_crash,
                              .sa_flags = SA_ONSTACK | (int)SA_RESETHAND | SA_NODEFER};
    /* Not SA_RESTART: what the handler waits for is interrupted. */
    const struct sigaction term = {.sa_handler = on_term};
    (void)backtrace(&frame, 1); /* loads what it needs now, while nothing is wrong */
    (void)sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
        (void)sigaction(deadly[i], &crash, NULL);
    (void)sigaction(SIGTERM, &term, NULL);
    sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
}

/* -------------------------------------------------------------------------------- to the keeper */

static void
say(child *self)
{
    size_t at = 0;
    if (self->out.failed)
        _exit(1);
    while (at < self->out.size) {
        const ssize_t put = write(LEAT_PLUGIN_SOCKET, self->out.data + at, self->out.size - at);
        if (put < 0 && errno != EINTR)
            _exit(0); /* the keeper is gone */
        at += put > 0 ? (size_t)put : 0;
    }
    leat_buf_reset(&self->out);
}

static void
tell(leat_listener *listener, const leat_message_told *told)
{
    child *const self = (child *)listener;
    const size_t begin = leat_message_begin(&self->out, LEAT_MESSAGE_TOLD);
    leat_message_told_put(&self->out, told);
    leat_message_finish(&self->out, begin);
    say(self);
}

static void
tell_progress(leat_listener *listener, uint64_t done, uint64_t of, leat_text text)
{
    if (text.size > LEAT_PROGRESS_TEXT_MAX)
        text.size = LEAT_PROGRESS_TEXT_MAX;
    tell(listener,
         &(leat_message_told){.kind = LEAT_TELLING_PROGRESS, .done = done, .of = of, .text = text});
}

static void
tell_log(leat_listener *listener, const char *text, size_t size)
{
    tell(listener, &(leat_message_told){
                       .kind = LEAT_TELLING_LOG,
                       .stream = LEAT_STREAM_LOG,
                       .data = {.data = (const uint8_t *)text, .size = (uint32_t)size}
    });
}

static leat_err
tell_checkpoint(leat_listener *listener, const void *data, size_t size)
{
    if (size > LEAT_CHECKPOINT_BYTES_MAX)
        return LEAT_ERR_TOO_LARGE;
    tell(listener,
         &(leat_message_told){
             .kind = LEAT_TELLING_CHECKPOINT, .data = {.data = data, .size = (uint32_t)size}
    });
    return LEAT_ERR_OK;
}

static void
say_ended(child *self, uint8_t end, int64_t delay_ms, leat_bytes result)
{
    const leat_message_ended ended = {.end = end, .delay_ms = (uint64_t)delay_ms};
    (void)fflush(NULL); /* what it has printed belongs to this job */
    const size_t begin = leat_message_begin(&self->out, LEAT_MESSAGE_ENDED);
    leat_message_ended_put(&self->out, &ended);
    leat_put_bytes(&self->out, result.data, result.size);
    leat_message_finish(&self->out, begin);
    say(self);
}

/* ---------------------------------------------------------------------------------------- a job */

/* SIGXCPU comes when this job, not the process, has used up its time. */
static void
limit_cpu(const child *self)
{
    struct rusage usage;
    struct rlimit limit;
    if (self->cpu_s == 0 || getrusage(RUSAGE_SELF, &usage) != 0 ||
        getrlimit(RLIMIT_CPU, &limit) != 0)
        return;
    limit.rlim_cur =
        (rlim_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + 1 + (rlim_t)self->cpu_s;
    (void)setrlimit(RLIMIT_CPU, &limit);
}

static const leat_plugin_handler *
find(const child *self, leat_bytes name)
{
    for (uint32_t i = 0; i < self->plugin->handler_count; i++) {
        const leat_plugin_handler *const row = &self->plugin->handlers[i];
        if (leat_text_is((leat_text){(const char *)name.data, name.size}, leat_text_of(row->name)))
            return row;
    }
    return NULL;
}

static void
run(child *self, const leat_message_job *job)
{
    const leat_plugin_handler *const found = find(self, job->handler);
    if (found == NULL) {
        static const char sentence[] = "the plug-in has been replaced, and lacks this handler now";
        say_ended(self, LEAT_END_FAILED, 0,
                  (leat_bytes){(const uint8_t *)sentence, sizeof sentence - 1});
        return;
    }
    leat_job_code code = {.call = found->call, .context = found->context};
    const leat_handler row = {.name = found->name, .context = &code};
    const leat_call_job facts = {
        .id = job->id,
        .batch = job->batch,
        .place = job->place,
        .attempt = job->attempt,
        .handler = {(const char *)job->handler.data, job->handler.size},
        .channel = {(const char *)job->channel.data, job->channel.size},
        .row = &row,
        .listener = &self->listener,
    };
    leat_call call = {
        .job = &facts,
        .payload = job->payload,
        .checkpoint = job->checkpoint,
        .until_ms = job->left_ms == 0 ? 0 : leat_clock_mono_ms() + (int64_t)job->left_ms,
        .out = &self->result,
        .cancel = &cancelled,
        .given = self->given,
    };
    leat_buf_reset(&self->result);
    const leat_end end = leat_job_handle(&call);
    say_ended(self, call.snoozes ? LEAT_MESSAGE_SNOOZED : (uint8_t)end,
              call.snoozes ? call.sleep_ms : 0, call.snoozes ? (leat_bytes){0} : call.result);
}

static void
read_exactly(child *self, size_t want)
{
    while (self->in.size < want) {
        const size_t had = self->in.size;
        uint8_t *const room = leat_buf_room(&self->in, want - had);
        const ssize_t got = room == NULL ? 0 : read(LEAT_PLUGIN_SOCKET, room, want - had);
        if (got == 0 || (got < 0 && errno != EINTR))
            /* Nobody needs it any more: what the plug-in does at exit is done. */
            exit(0); /* NOLINT(concurrency-mt-unsafe): one thread */
        self->in.size = had + (got > 0 ? (size_t)got : 0);
    }
}

static void
take_job(child *self)
{
    leat_message_job job;
    leat_buf_reset(&self->in);
    read_exactly(self, LEAT_MESSAGE_HEAD);
    const uint32_t size = leat_load_u32(self->in.data);
    read_exactly(self, 4 + (size_t)size);
    const leat_reader body = leat_reader_over(self->in.data + LEAT_MESSAGE_HEAD, size - 1);
    if (!leat_message_job_read(body, &job) || !leat_message_given_read(job.given, &self->given))
        _exit(1);
    atomic_store_explicit(&cancelled, false, memory_order_relaxed);
    limit_cpu(self);
    if (self->why[0] == '\0')
        run(self, &job);
    else
        say_ended(self, LEAT_END_FAILED, 0,
                  (leat_bytes){(const uint8_t *)self->why, (uint32_t)strlen(self->why)});
    free(self->given);
    self->given = NULL;
}

/* The keeper's variables, without what steers Leat (the worker's key is not the job's), and what
 * the worker says. */
static void
set_variables(const leat_plugin_life *life)
{
    leat_reader variables = life->variables;
    char **at = environ;
    for (char **from = environ; *from != NULL; from++) {
        if (strncmp(*from, "LEAT_", 5) != 0)
            *at++ = *from;
    }
    *at = NULL;
    /* What putenv takes is the environment's. */
    /* NOLINTBEGIN(clang-analyzer-unix.Malloc,concurrency-mt-unsafe): one thread */
    for (uint32_t i = 0; i < life->variable_count; i++) {
        const leat_bytes one = leat_exec_next(&variables);
        char *const text = strndup((const char *)one.data, one.size);
        if (text == NULL || putenv(text) != 0)
            _exit(1);
    }
    /* NOLINTEND(clang-analyzer-unix.Malloc,concurrency-mt-unsafe) */
}

void
leat_plugin_live(const leat_plugin_life *life)
{
    const leat_launch_rights *const rights = life->rights;
    static child self = {
        .listener = {tell_progress, tell_log, tell_checkpoint}
    };
    (void)prctl(PR_SET_NAME, "leat-plugin");
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    take_signals();
    set_variables(life);
    self.cpu_s = rights->limits[LEAT_EXEC_CPU];
    if (!leat_launch_confine(rights, life->keeper))
        (void)snprintf(self.why, sizeof self.why,
                       "a process for the plug-in cannot be given its limits and user: %s",
                       leat_err_message(leat_err_from_errno(errno)));
    else
        (void)!leat_plugin_load(life->path, &self.plugin, self.why); /* why says it */
    for (;;)
        take_job(&self);
}
