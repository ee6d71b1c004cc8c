/* The table of handlers, and what their code shares. See handler.h. */
#include "worker/handler.h"

#include <stdarg.h>
#include <stdio.h>

#include "proto/base/clock.h"
#include "proto/base/option.h"

static const leat_handler built_in[] = {
    {"seed",   LEAT_RUNS_TIMER,  leat_handle_seed,   leat_handle_seed_end,
     "an id: prints 'Worker ID starting', sleeps ID x 100 ms, prints 'Worker ID done', "
     "answers the id",                                                                                        NULL},
    {"sleep",  LEAT_RUNS_TIMER,  leat_handle_sleep,  NULL,
     "a duration (250ms, 1s, 1h30m; a bare number is seconds): answers nothing",                              NULL},
    {"echo",   LEAT_RUNS_INLINE, leat_handle_echo,   NULL,                 "any bytes: answers them",         NULL},
    {"noop",   LEAT_RUNS_INLINE, leat_handle_noop,   NULL,                 "anything: answers nothing",       NULL},
    {"fail",   LEAT_RUNS_INLINE, leat_handle_fail,   NULL,
     "a text: fails with it; 'fatal:TEXT' fails for good",                                                    NULL},
    {"burn",   LEAT_RUNS_POOL,   leat_handle_burn,   NULL,
     "microseconds, or a duration: uses so much CPU time",                                                    NULL},
    {"count",  LEAT_RUNS_POOL,   leat_handle_count,  NULL,
     "N, or N and a pause in ms ('20 100'): counts, tells how far, goes on where it was",                     NULL},
    {"primes", LEAT_RUNS_POOL,   leat_handle_primes, NULL,
     "N up to 10^9: how many primes are not above N",                                                         NULL},
    {"pi",     LEAT_RUNS_POOL,   leat_handle_pi,     NULL,
     "N from 1 to 10000: pi with N digits after the point",                                                   NULL},
    {"sha256", LEAT_RUNS_POOL,   leat_handle_sha256, NULL,                 "any bytes: their SHA-256 in hex", NULL},
};

const leat_handler *
leat_handlers(size_t *count)
{
    *count = sizeof built_in / sizeof *built_in;
    return built_in;
}

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
