/* What a handler of leat.h asks, tells and says. See job.h. */
#include "worker/job.h"

#include <stdarg.h>
#include <stdio.h>

#include "proto/control.h"
#include "worker/failure.h"

struct leat_job {
    leat_call *call;
    char handler[LEAT_NAME_BYTES_MAX + 1];
    char channel[LEAT_NAME_BYTES_MAX + 1];
    leat_failure_record failure; /* of leat_job_recover */
};

static void
copy_name(char out[LEAT_NAME_BYTES_MAX + 1], leat_text name)
{
    (void)snprintf(out, LEAT_NAME_BYTES_MAX + 1, "%.*s", (int)name.size, name.data);
}

/* How it ends, from what its function has returned. */
static leat_end
end_of(leat_call *call, int said)
{
    if (said != LEAT_JOB_SNOOZED)
        call->snoozes = false;
    switch (said) {
    case LEAT_JOB_DONE:
        return LEAT_END_DONE;
    case LEAT_JOB_FAILED:
        return LEAT_END_FAILED;
    case LEAT_JOB_FATAL:
        return LEAT_END_FATAL;
    case LEAT_JOB_STOPPED:
        return leat_call_stopped(call);
    case LEAT_JOB_SNOOZED:
        if (call->snoozes)
            return LEAT_END_FAILED;
        return leat_call_end(call, LEAT_END_FAILED,
                             "the handler asks for later, and has not said when");
    default:
        return leat_call_say(call, LEAT_END_FATAL, "the handler returned %d, which is no end",
                             said);
    }
}

leat_end
leat_job_handle(leat_call *call)
{
    const leat_job_code *const code = call->job->row->context;
    leat_job job = {.call = call};
    copy_name(job.handler, call->job->handler);
    copy_name(job.channel, call->job->channel);
    const leat_end end = end_of(call, code->call(&job, code->context));
    leat_failure_fini(&job.failure);
    return end;
}

/* ------------------------------------------------------------------------------------- what it is
 */

const void *
leat_job_payload(const leat_job *job)
{
    return job->call->payload.data;
}

size_t
leat_job_size(const leat_job *job)
{
    return job->call->payload.size;
}

uint64_t
leat_job_id(const leat_job *job)
{
    return job->call->job->id;
}

uint64_t
leat_job_batch(const leat_job *job)
{
    return job->call->job->batch;
}

uint32_t
leat_job_place(const leat_job *job)
{
    return job->call->job->place;
}

uint32_t
leat_job_attempt(const leat_job *job)
{
    return job->call->job->attempt;
}

const char *
leat_job_handler(const leat_job *job)
{
    return job->handler;
}

const char *
leat_job_channel(const leat_job *job)
{
    return job->channel;
}

const void *
leat_job_earlier(const leat_job *job, size_t *size)
{
    *size = job->call->checkpoint.size;
    return job->call->checkpoint.data;
}

uint64_t
leat_job_given(const leat_job *job, const char *name, const uint16_t **numbers)
{
    const leat_given_amount *const amount = leat_call_given(job->call, name);
    if (numbers != NULL)
        *numbers = amount == NULL ? NULL : amount->numbers;
    return amount == NULL ? 0 : amount->amount;
}

int64_t
leat_job_left_ms(const leat_job *job)
{
    const int64_t left_ms = leat_call_left_ms(job->call);
    return left_ms == INT64_MAX ? -1 : left_ms;
}

int
leat_job_is_cancelled(const leat_job *job)
{
    return leat_call_is_cancelled(job->call);
}

/* ----------------------------------------------------------------------------------- what it tells
 */

void
leat_job_progress(leat_job *job, uint64_t done, uint64_t of, const char *text)
{
    leat_call_progress(job->call, done, of, text);
}

void
leat_job_log(leat_job *job, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    leat_call_log_list(job->call, format, args);
    va_end(args);
}

leat_status
leat_job_checkpoint(leat_job *job, const void *data, size_t size)
{
    switch ((int)leat_call_checkpoint(job->call, data, size)) {
    case LEAT_ERR_OK:
        return LEAT_OK;
    case LEAT_ERR_TOO_LARGE:
        return LEAT_TOO_LARGE;
    default:
        return LEAT_NO_MEMORY;
    }
}

/* ------------------------------------------------------------------------------------ how it ends
 */

int
leat_job_result(leat_job *job, const void *data, size_t size)
{
    leat_call *const call = job->call;
    if (size > LEAT_PAYLOAD_BYTES_MAX) {
        (void)leat_call_say(call, LEAT_END_FATAL, "a result of %zu bytes is over the limit of %u",
                            size, LEAT_PAYLOAD_BYTES_MAX);
        return LEAT_JOB_FATAL;
    }
    leat_buf_reset(call->out);
    leat_put_bytes(call->out, data, size);
    if (call->out->failed) {
        (void)leat_call_end(call, LEAT_END_FAILED, "the worker is out of memory");
        return LEAT_JOB_FAILED;
    }
    call->result = (leat_bytes){.data = call->out->data, .size = (uint32_t)size};
    return LEAT_JOB_DONE;
}

__attribute__((format(printf, 2, 0))) static void
say(leat_call *call, const char *format, va_list args)
{
    char text[LEAT_SENTENCE_BYTES_MAX];
    (void)vsnprintf(text, sizeof text, format, args);
    leat_buf_reset(call->out);
    (void)leat_call_say(call, LEAT_END_FAILED, "%s", text);
}

int
leat_job_fail(leat_job *job, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(job->call, format, args);
    va_end(args);
    return LEAT_JOB_FAILED;
}

int
leat_job_fatal(leat_job *job, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(job->call, format, args);
    va_end(args);
    return LEAT_JOB_FATAL;
}

int
leat_job_snooze(leat_job *job, int64_t ms)
{
    (void)leat_call_snooze(job->call, ms);
    return LEAT_JOB_SNOOZED;
}

int
leat_job_recover(leat_job *job, leat_failure *out)
{
    leat_failure_record *const failure = &job->failure;
    if (!failure->is_read && !leat_failure_read(job->call->payload, failure))
        return 0;
    *out = (leat_failure){
        .job = failure->job,
        .batch = failure->batch,
        .place = failure->place,
        .attempts = failure->attempts,
        .handler = failure->handler,
        .error = failure->error.data,
        .error_size = failure->error.size,
        .payload = failure->payload.data,
        .payload_size = failure->payload.size,
        .with = failure->with.data,
        .with_size = failure->with.size,
    };
    return 1;
}
