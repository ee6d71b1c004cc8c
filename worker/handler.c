/* What the code of handlers shares. See handler.h. */
#include "worker/handler.h"

#include <stdio.h>

#include "proto/base/clock.h"
#include "proto/base/option.h"

const leat_handler *
leat_handler_find(const leat_handler *rows, size_t count, leat_text name)
{
    for (size_t i = 0; i < count; i++) {
        if (leat_text_is(name, leat_text_of(rows[i].name)))
            return &rows[i];
    }
    return NULL;
}

int64_t
leat_call_left_ms(const leat_call *call)
{
    if (call->until_ms == 0)
        return INT64_MAX;
    const int64_t left_ms = call->until_ms - leat_clock_mono_ms();
    return left_ms > 0 ? left_ms : 0;
}

void
leat_call_progress(const leat_call *call, uint64_t done, uint64_t of, const char *text)
{
    if (call->job != NULL)
        call->job->listener->progress(call->job->listener, done, of, leat_text_of(text));
}

void
leat_call_log_list(const leat_call *call, const char *format, va_list args)
{
    char text[2048];
    const int length = vsnprintf(text, sizeof text, format, args);
    if (call->job != NULL && length > 0)
        call->job->listener->log(call->job->listener, text,
                                 (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

void
leat_call_log(const leat_call *call, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    leat_call_log_list(call, format, args);
    va_end(args);
}

leat_err
leat_call_checkpoint(const leat_call *call, const void *data, size_t size)
{
    return call->job == NULL ? LEAT_ERR_UNSUPPORTED
                             : call->job->listener->checkpoint(call->job->listener, data, size);
}

leat_end
leat_call_say(leat_call *call, leat_end end, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert(length >= 0);

    const size_t size = (size_t)length < sizeof text ? (size_t)length : sizeof text - 1;
    const size_t at = call->out->size;
    leat_put_bytes(call->out, text, size);
    if (call->out->failed)
        return leat_call_end(call, end, "out of memory");
    call->result = (leat_bytes){.data = call->out->data + at, .size = (uint32_t)size};
    return end;
}

leat_end
leat_call_end(leat_call *call, leat_end end, const char *text)
{
    call->result = (leat_bytes){.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
    return end;
}

leat_end
leat_call_stopped(leat_call *call)
{
    call->stopped = leat_call_is_cancelled(call);
    return leat_call_end(call, LEAT_END_FAILED, "stopped");
}

leat_end
leat_call_snooze(leat_call *call, int64_t ms)
{
    call->snoozes = true;
    call->sleep_ms = ms < 1 ? 1 : ms < LEAT_DELAY_MS_MAX ? ms : LEAT_DELAY_MS_MAX;
    return LEAT_END_FAILED;
}

static bool
is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

bool
leat_call_word(const leat_call *call, char word[LEAT_CALL_WORD_BYTES])
{
    const uint8_t *data = call->payload.data;
    size_t size = call->payload.size;
    while (size > 0 && is_blank(data[size - 1]))
        size--;
    while (size > 0 && is_blank(*data)) {
        data++;
        size--;
    }
    if (size == 0 || size >= LEAT_CALL_WORD_BYTES || memchr(data, 0, size) != NULL)
        return false;
    memcpy(word, data, size);
    word[size] = '\0';
    return true;
}

bool
leat_call_number(const leat_call *call, uint64_t min, uint64_t max, uint64_t *number)
{
    char word[LEAT_CALL_WORD_BYTES];
    uint64_t value;
    if (!leat_call_word(call, word) || !leat_parse_number(word, &value))
        return false;
    if (value < min || value > max)
        return false;
    *number = value;
    return true;
}
