/* leat_batch_options as the settings of a SEND: checked here, with a sentence for each mistake,
 * because what travels must be right. */
#include <stdio.h>
#include <string.h>

#include "client/client.h"

static_assert((int)LEAT_WHEN_OK == (int)LEAT_AFTER_OK &&
                  (int)LEAT_WHEN_ANY == (int)LEAT_AFTER_ANY &&
                  (int)LEAT_WHEN_FAILED == (int)LEAT_AFTER_FAILED,
              "the header's numbers are the protocol's");
static_assert((int)LEAT_HALT_AT_FAILED == (int)LEAT_HALT_FAIL &&
                  (int)LEAT_HALT_AT_OK == (int)LEAT_HALT_SUCCESS &&
                  (int)LEAT_HALT_AT_ENDED == (int)LEAT_HALT_DONE,
              "the header's numbers are the protocol's");

void
leat_batch_options_init_sized(leat_batch_options *options, size_t size)
{
    const leat_batch_options nothing = {.struct_size = size, .priority = -1};
    memset(options, 0, size);
    memcpy(options, &nothing, size < sizeof nothing ? size : sizeof nothing);
}

leat_status
leat_options_read(leat *self, const leat_batch_options *options, leat_batch_options *out)
{
    leat_batch_options_init(out);
    if (options == NULL)
        return LEAT_OK;
    if (options->struct_size < offsetof(leat_batch_options, losses))
        return leat_fail(self, LEAT_WRONG_USE,
                         "options are to be made with leat_batch_options_init");
    const size_t size = options->struct_size < sizeof *out ? options->struct_size : sizeof *out;
    memcpy(out, options, size);
    out->struct_size = sizeof *out;
    return LEAT_OK;
}

/* ------------------------------------------------------------------------------- checking */

static leat_status
check_number(leat *self, const char *what, int64_t value, int64_t max)
{
    if (value >= 0 && value <= max)
        return LEAT_OK;
    return leat_fail(self, LEAT_WRONG_USE, "%s is 0 for what the channel says, or up to %lld", what,
                     (long long)max);
}

static leat_status
check_numbers(leat *self, const leat_batch_options *o)
{
    const struct {
        const char *what;
        int64_t value;
        int64_t max;
    } rows[] = {
        {"failures",       o->failures,       UINT16_MAX       },
        {"losses",         o->losses,         UINT8_MAX        },
        {"snoozes",        o->snoozes,        UINT16_MAX       },
        {"delay_ms",       o->delay_ms,       LEAT_DELAY_MS_MAX},
        {"run_limit_ms",   o->run_limit_ms,   LEAT_DELAY_MS_MAX},
        {"backoff_min_ms", o->backoff_min_ms, LEAT_DELAY_MS_MAX},
        {"backoff_max_ms", o->backoff_max_ms, LEAT_DELAY_MS_MAX},
        {"grace_ms",       o->grace_ms,       LEAT_GRACE_MS_MAX},
        {"at_ms",          o->at_ms,          LEAT_WALL_MS_MAX },
        {"expires_ms",     o->expires_ms,     LEAT_DELAY_MS_MAX},
        {"unique_for_ms",  o->unique_for_ms,  LEAT_DELAY_MS_MAX},
    };
    if (o->priority < -1 || o->priority >= (int)LEAT_PRIORITIES)
        return leat_fail(self, LEAT_WRONG_USE, "a priority is 0 to 9, or -1 for the default");
    leat_status status = LEAT_OK;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && status == LEAT_OK; i++)
        status = check_number(self, rows[i].what, rows[i].value, rows[i].max);
    return status;
}

static leat_status
check_texts(leat *self, const leat_batch_options *o)
{
    const struct {
        const char *what;
        const char *text;
    } rows[] = {
        {"channel",       o->channel      },
        {"batch",         o->name         },
        {"unique key",    o->unique       },
        {"flow",          o->flow         },
        {"key",           o->key          },
        {"reply channel", o->reply        },
        {"reply handler", o->reply_handler},
    };
    leat_status status = LEAT_OK;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && status == LEAT_OK; i++)
        if (rows[i].text != NULL)
            status = leat_check_name(self, rows[i].what, rows[i].text);
    if (status != LEAT_OK)
        return status;
    if (o->needs != NULL && !leat_needs_is_valid(leat_text_of(o->needs)))
        return leat_fail(self, LEAT_WRONG_USE,
                         "needs are names with amounts, names rising: \"cpus=2,gpu=1\"");
    if (o->traits != NULL && !leat_traits_is_valid(leat_text_of(o->traits)))
        return leat_fail(self, LEAT_WRONG_USE,
                         "traits are names with values, names rising: \"arch=arm,zone=a\"");
    if (o->labels != NULL && !leat_labels_is_valid(leat_text_of(o->labels)))
        return leat_fail(self, LEAT_WRONG_USE,
                         "labels are names with values, names rising: \"env=prod,team=x\"");
    if (o->reply_handler != NULL && o->reply == NULL)
        return leat_fail(self, LEAT_WRONG_USE, "a reply handler needs a reply channel");
    if (o->unique_for_ms > 0 && o->unique == NULL)
        return leat_fail(self, LEAT_WRONG_USE, "unique_for_ms needs a unique key");
    return LEAT_OK;
}

static leat_status
check_relations(leat *self, const leat_batch_options *o)
{
    if (o->after < 0 || o->after > LEAT_WHEN_FAILED || (o->after != 0 && o->after_batch == 0))
        return leat_fail(self, LEAT_WRONG_USE, "after is LEAT_WHEN_…, and needs after_batch");
    if (o->halt < 0 || o->halt > LEAT_HALT_AT_ENDED ||
        (o->halt != 0 && (o->halt_n == 0 || (o->halt_percent && o->halt_n > 100))))
        return leat_fail(self, LEAT_WRONG_USE,
                         "halt is LEAT_HALT_AT_…, and halt_n a number, or 1 to 100 per cent");
    if (o->finally_count > LEAT_FINALLY_MAX || (o->finally_count > 0 && o->finally == NULL))
        return leat_fail(self, LEAT_WRONG_USE, "at most %u jobs can follow finally",
                         LEAT_FINALLY_MAX);
    return LEAT_OK;
}

/* ---------------------------------------------------------------------------------- writing */

static leat_status
read_follow(leat *self, const leat_follow *follow, leat_follower *out)
{
    const leat_status status = leat_check_name(self, "handler", follow->handler);
    if (status != LEAT_OK)
        return status;
    if (follow->size > LEAT_SETTINGS_BYTES_MAX)
        return leat_fail(self, LEAT_TOO_LARGE, "the payloads of jobs that follow are over %u bytes",
                         LEAT_SETTINGS_BYTES_MAX);
    *out = (leat_follower){
        .handler = leat_text_of(follow->handler),
        .payload = {.data = follow->payload, .size = (uint32_t)follow->size}
    };
    return LEAT_OK;
}

static leat_status
read_followers(leat *self, const leat_batch_options *o, leat_settings *s)
{
    leat_status status = LEAT_OK;
    if (o->recover != NULL)
        status = read_follow(self, o->recover, &s->recover);
    for (size_t i = 0; i < o->finally_count && status == LEAT_OK; i++)
        status = read_follow(self, &o->finally[i], &s->finally[i]);
    s->finally_count = (uint8_t)o->finally_count;
    return status;
}

static leat_settings
settings_of(const leat_batch_options *o)
{
    leat_settings s = leat_settings_nothing();
    if (o->priority >= 0)
        s.priority = (uint8_t)o->priority;
    s.failures = (uint16_t)o->failures;
    s.losses = (uint16_t)o->losses;
    s.snoozes = (uint16_t)o->snoozes;
    s.delay_ms = (uint64_t)o->delay_ms;
    s.run_limit_ms = (uint64_t)o->run_limit_ms;
    s.backoff_min_ms = (uint64_t)o->backoff_min_ms;
    s.backoff_max_ms = (uint64_t)o->backoff_max_ms;
    s.grace_ms = (uint64_t)o->grace_ms;
    s.at_ms = (uint64_t)o->at_ms;
    s.expires_ms = (uint64_t)o->expires_ms;
    s.unique_for_ms = (uint64_t)o->unique_for_ms;
    s.name = leat_text_of(o->name);
    s.unique = leat_text_of(o->unique);
    s.flow = leat_text_of(o->flow);
    s.key = leat_text_of(o->key);
    s.needs = leat_text_of(o->needs);
    s.traits = leat_text_of(o->traits);
    s.labels = leat_text_of(o->labels);
    s.reply = leat_text_of(o->reply);
    s.reply_handler = leat_text_of(o->reply_handler);
    s.after_batch = o->after_batch;
    if (o->after_batch != 0)
        s.after = o->after == 0 ? LEAT_AFTER_OK : (leat_after)o->after;
    s.halt = (leat_halt){.on = (leat_halt_on)o->halt,
                         .running = o->halt_running != 0,
                         .percent = o->halt_percent != 0,
                         .n = o->halt_n};
    return s;
}

leat_status
leat_options_put(leat *self, const leat_batch_options *options, leat_buf *buf)
{
    leat_status status = check_numbers(self, options);
    if (status == LEAT_OK)
        status = check_texts(self, options);
    if (status == LEAT_OK)
        status = check_relations(self, options);
    if (status != LEAT_OK)
        return status;
    leat_settings settings = settings_of(options);
    status = read_followers(self, options, &settings);
    if (status != LEAT_OK)
        return status;
    leat_settings_put(buf, &settings);
    if (buf->failed)
        return leat_fail(self, LEAT_NO_MEMORY, "out of memory");
    if (buf->size > LEAT_SETTINGS_BYTES_MAX)
        return leat_fail(self, LEAT_TOO_LARGE, "the payloads of jobs that follow are over %u bytes",
                         LEAT_SETTINGS_BYTES_MAX);
    return LEAT_OK;
}
