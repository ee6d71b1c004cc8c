/* leat_keep: what the kinds of keeper (keeper.h) share: the talk with the worker, what the running
 * job tells, and the end of everything that a program leaves behind. Only keeper.c and the kinds
 * include it: oneshot.c (a program a job), stdio.c (a program that does many) and plugin.c (code
 * that is loaded). One thread. */
#ifndef LEAT_WORKER_RUNNER_KEEP_H
#define LEAT_WORKER_RUNNER_KEEP_H

#include "worker/runner/cgroup.h"
#include "worker/runner/launch.h"
#include "worker/runner/message.h"
#include "worker/tell.h"

/* What a job tells leaves no more often. */
#define LEAT_KEEP_TELL_MS 50

typedef struct leat_keep {
    leat_launch_rights rights;
    char cgroup[LEAT_CGROUP_BYTES];
    int signals; /* signalfd: SIGCHLD */
    bool worker_gone;
    leat_buf in;  /* a message, as far as it has come */
    leat_buf out; /* messages … */
    size_t sent;  /* … and how much of them the worker has got */

    /* Of the running job, not sent yet: by stream - 1, progress and checkpoint with the last. */
    leat_tell tells[LEAT_STREAM_LAST];
    int64_t told_ms; /* monotonic; when something left last */
} leat_keep;

/* Wait for a whole message; the body is borrowed until the next call. false: the worker is gone,
 * and that is noted. */
bool leat_keep_hear(leat_keep *keep, leat_message_kind *kind, leat_reader *body);

/* Write what is left of `out`, as far as the worker takes it now. */
void leat_keep_flush(leat_keep *keep);
static inline bool
leat_keep_is_flushed(const leat_keep *keep)
{
    return keep->sent == keep->out.size;
}

/* A job begins, which has told nothing. */
void leat_keep_begin(leat_keep *keep);
/* It has written this to one of its streams; what is too much until the next leat_keep_tell is
 * dropped. */
void leat_keep_output(leat_keep *keep, leat_stream stream, const void *data, size_t size);
/* Send what it has told, if the time for it has come and the worker takes it. Never waits. */
void leat_keep_tell(leat_keep *keep);
/* Monotonic ms at which leat_keep_tell has something to do; INT64_MAX: there is nothing. While
 * something is not flushed, that is waited for instead. */
int64_t leat_keep_tell_due_ms(const leat_keep *keep);
/* What poll may wait until then; INT64_MAX: for ever. */
int leat_keep_patience_ms(int64_t due_ms);

/* The job has ended: the rest of what it told, and its end, whose result the caller puts behind it
 * into keep->out before leat_keep_say_ended. */
void leat_keep_put_ended(leat_keep *keep, const leat_message_ended *ended, size_t *begin);
void leat_keep_say_ended(leat_keep *keep, size_t begin);
/* Both, with a result as it is: of one that is too large so much that the worker refuses it. */
void leat_keep_end_job(leat_keep *keep,
                       const leat_message_ended *ended,
                       const void *result,
                       size_t size);

/* Read the news of SIGCHLD. True: `program` has ended with this status; it was waited for, and what
 * was left of its group killed before, while the group's number was still its own. Others that have
 * ended and were left to us are waited for as well. */
bool leat_keep_has_ended(const leat_keep *keep, pid_t program, int *status);

/* A process that does job after job. */
typedef struct leat_keep_child {
    pid_t pid;      /* 0: none */
    bool is_reaped; /* its process is gone already … */
    int status;     /* … and ended so */
} leat_keep_child;

/* Has it gone? Without a process others that have ended are waited for. */
bool leat_keep_look(const leat_keep *keep, leat_keep_child *child);
/* Give it so long to end by itself. */
void leat_keep_await(const leat_keep *keep, leat_keep_child *child, int64_t ms);
/* Kill it, and wait for that, if it has not gone. The record keeps it. */
void leat_keep_kill(leat_keep_child *child);

/* End everything that programs have left, and count it; false: some cannot be killed. */
bool leat_keep_end_strays(leat_keep *keep, uint32_t *count);

/* Close it if it is open; -1 afterwards. */
void leat_keep_close(int *fd);

/* The kinds; `in` holds the body of the message that asks for it, or that serve lies in. The first
 * returns when the program has ended, the others when the worker is gone. */
void leat_keep_run(leat_keep *keep, leat_reader body);
void leat_keep_stdio(leat_keep *keep, const leat_message_serve *serve);
void leat_keep_plugin(leat_keep *keep, const leat_message_serve *serve);

#endif
