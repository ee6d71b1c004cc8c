/* Steering by commands: channels, cancelling, trying again. Arguments and answers are JSON, here
 * between them and the structs of leat.h. */
#include <string.h>

#include "client/client.h"

/* ------------------------------------------------------------------------------------ commands */

static leat_status
out_of_memory(leat *self)
{
    return leat_fail(self, LEAT_NO_MEMORY, "out of memory");
}

/* Do a command with what was added to *arguments_p, which is taken; whole: nothing is missing from
 * it. */
static leat_status
command(leat *self, const char *name, cJSON **arguments_p, bool whole)
{
    const char *json;
    char *const text = whole ? cJSON_PrintUnformatted(*arguments_p) : NULL;
    cJSON_Delete(*arguments_p);
    *arguments_p = NULL;
    if (text == NULL)
        return out_of_memory(self);
    const leat_status status = leat_command_do(self, name, text, &json);
    cJSON_free(text);
    return status;
}

/* The same, and the answer as an object; *answer_p is NULL after an error, else to be deleted. */
static leat_status
ask(leat *self, const char *name, cJSON **arguments_p, bool whole, cJSON **answer_p)
{
    char why[128];
    *answer_p = NULL;
    const leat_status status = command(self, name, arguments_p, whole);
    if (status != LEAT_OK)
        return status;
    const leat_err err = leat_json_parse(self->json.data, self->json.size - 1, answer_p, why);
    if (err == LEAT_ERR_NOMEM)
        return out_of_memory(self);
    return err == LEAT_ERR_OK
               ? LEAT_OK
               : leat_fail(self, LEAT_REFUSED, "the broker's answer cannot be read: %s", why);
}

static uint64_t
figure_of(const cJSON *answer, const char *key)
{
    int64_t n = 0;
    uint64_t id = 0;
    if (leat_json_int(answer, key, 0, INT64_MAX, &n))
        return (uint64_t)n;
    (void)leat_json_u64(answer, key, &id);
    return id;
}

/* ------------------------------------------------------------------------------------ channels */

/* {"channel": NAME}; *whole is cleared without memory. A wrong name: *out is NULL. */
static leat_status
name_channel(leat *self, const char *channel, cJSON **out, bool *whole)
{
    leat_begin(self);
    *out = NULL;
    const leat_status status = leat_check_name(self, "channel", channel);
    if (status != LEAT_OK)
        return status;
    *out = cJSON_CreateObject();
    *whole = *out != NULL && cJSON_AddStringToObject(*out, "channel", channel) != NULL;
    return LEAT_OK;
}

void
leat_channel_options_init_sized(leat_channel_options *options, size_t size)
{
    const leat_channel_options nothing = {
        .struct_size = size,
        .kind = LEAT_UNSAID,
        .durability = LEAT_UNSAID,
        .capacity = LEAT_UNSAID,
        .weight = LEAT_UNSAID,
        .rate = LEAT_UNSAID,
        .burst = LEAT_UNSAID,
        .running_max = LEAT_UNSAID,
        .key_max = LEAT_UNSAID,
        .priority = LEAT_UNSAID,
        .failures = LEAT_UNSAID,
        .losses = LEAT_UNSAID,
        .snoozes = LEAT_UNSAID,
        .backoff_min_ms = LEAT_UNSAID,
        .backoff_max_ms = LEAT_UNSAID,
        .run_limit_ms = LEAT_UNSAID,
        .grace_ms = LEAT_UNSAID,
        .expires_ms = LEAT_UNSAID,
        .keep = LEAT_UNSAID,
    };
    memset(options, 0, size);
    memcpy(options, &nothing, size < sizeof nothing ? size : sizeof nothing);
}

/* A figure as it stands in JSON. false: no memory. */
static bool
put_figure(cJSON *json, const char *key, double value)
{
    if (value == LEAT_UNSAID)
        return true;
    return value == LEAT_NOTHING ? cJSON_AddNullToObject(json, key) != NULL
                                 : cJSON_AddNumberToObject(json, key, value) != NULL;
}

static bool
put_word(cJSON *json, const char *key, int64_t value, const char *const *words)
{
    return value == LEAT_UNSAID || cJSON_AddStringToObject(json, key, words[value - 1]) != NULL;
}

static bool
put_options(cJSON *json, const leat_channel_options *o)
{
    static const char *const kinds[] = {"jobs", "messages"};
    static const char *const durabilities[] = {"disk", "memory"};
    static const char *const keeps[] = {"all", "failed", "none"};
    const struct {
        const char *key;
        double value;
    } rows[] = {
        {"capacity",       (double)o->capacity      },
        {"weight",         (double)o->weight        },
        {"rate",           o->rate                  },
        {"burst",          (double)o->burst         },
        {"running_max",    (double)o->running_max   },
        {"key_max",        (double)o->key_max       },
        {"priority",       (double)o->priority      },
        {"failures",       (double)o->failures      },
        {"losses",         (double)o->losses        },
        {"snoozes",        (double)o->snoozes       },
        {"backoff_min_ms", (double)o->backoff_min_ms},
        {"backoff_max_ms", (double)o->backoff_max_ms},
        {"run_limit_ms",   (double)o->run_limit_ms  },
        {"grace_ms",       (double)o->grace_ms      },
        {"expires_ms",     (double)o->expires_ms    },
    };
    bool whole = put_word(json, "kind", o->kind, kinds) &&
                 put_word(json, "durability", o->durability, durabilities) &&
                 (o->keep == LEAT_NOTHING ? put_figure(json, "keep", LEAT_NOTHING)
                                          : put_word(json, "keep", o->keep, keeps));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        whole = whole && put_figure(json, rows[i].key, rows[i].value);
    return whole;
}

/* What the broker's own check cannot say as well: a value that has no form in JSON. */
static leat_status
check_options(leat *self, const leat_channel_options *o)
{
    if (o->kind != LEAT_UNSAID && o->kind != LEAT_KIND_JOBS && o->kind != LEAT_KIND_MESSAGES)
        return leat_fail(self, LEAT_WRONG_USE, "kind is LEAT_KIND_JOBS or LEAT_KIND_MESSAGES");
    if (o->durability != LEAT_UNSAID && o->durability != LEAT_ON_DISK &&
        o->durability != LEAT_IN_MEMORY)
        return leat_fail(self, LEAT_WRONG_USE, "durability is LEAT_ON_DISK or LEAT_IN_MEMORY");
    return LEAT_OK;
}

static leat_status
set_channel(leat *self, const char *name, const char *channel, const leat_channel_options *given)
{
    bool whole;
    cJSON *json;
    leat_channel_options options;
    leat_status status = name_channel(self, channel, &json, &whole);
    if (status != LEAT_OK)
        return status;
    leat_channel_options_init(&options);
    if (given != NULL && given->struct_size < offsetof(leat_channel_options, weight))
        status = leat_fail(self, LEAT_WRONG_USE,
                           "options are to be made with leat_channel_options_init");
    else if (given != NULL)
        memcpy(&options, given,
               given->struct_size < sizeof options ? given->struct_size : sizeof options);
    if (status == LEAT_OK)
        status = check_options(self, &options);
    if (status != LEAT_OK) {
        cJSON_Delete(json);
        return status;
    }
    whole = whole && put_options(json, &options);
    return command(self, name, &json, whole);
}

leat_status
leat_channel_new(leat *self, const char *channel, const leat_channel_options *options)
{
    return set_channel(self, "channel.new", channel, options);
}

leat_status
leat_channel_set(leat *self, const char *channel, const leat_channel_options *options)
{
    return set_channel(self, "channel.set", channel, options);
}

leat_status
leat_make(leat *self, const char *channel, int64_t capacity)
{
    leat_channel_options options;
    leat_channel_options_init(&options);
    options.kind = LEAT_KIND_MESSAGES;
    options.capacity = capacity < 0 ? LEAT_UNSAID : capacity;
    return leat_channel_new(self, channel, &options);
}

/* A command that says no more than which channel it means. */
static leat_status
plain(leat *self, const char *name, const char *channel)
{
    bool whole;
    cJSON *json;
    const leat_status status = name_channel(self, channel, &json, &whole);
    return status == LEAT_OK ? command(self, name, &json, whole) : status;
}

leat_status
leat_close(leat *self, const char *channel)
{
    return plain(self, "channel.close", channel);
}

leat_status
leat_channel_resume(leat *self, const char *channel)
{
    return plain(self, "channel.resume", channel);
}

leat_status
leat_channel_pause(leat *self, const char *channel, int64_t for_ms)
{
    bool whole;
    cJSON *json;
    const leat_status status = name_channel(self, channel, &json, &whole);
    if (status != LEAT_OK)
        return status;
    if (for_ms >= 0)
        whole = whole && cJSON_AddNumberToObject(json, "for_ms", (double)for_ms) != NULL;
    return command(self, "channel.pause", &json, whole);
}

leat_status
leat_channel_purge(leat *self, const char *channel, uint64_t *marked)
{
    bool whole;
    cJSON *json;
    leat_status status = name_channel(self, channel, &json, &whole);
    if (status == LEAT_OK) {
        cJSON *answer;
        status = ask(self, "channel.purge", &json, whole, &answer);
        if (status == LEAT_OK && marked != NULL)
            *marked = figure_of(answer, "marked");
        cJSON_Delete(answer);
    }
    return status;
}

leat_status
leat_channel_remove(leat *self, const char *channel, int purge)
{
    bool whole;
    cJSON *json;
    const leat_status status = name_channel(self, channel, &json, &whole);
    if (status != LEAT_OK)
        return status;
    if (purge)
        whole = whole && cJSON_AddTrueToObject(json, "purge") != NULL;
    return command(self, "channel.remove", &json, whole);
}

/* ----------------------------------------------------------------------- cancelling, trying again
 */

leat_status
leat_cancel_jobs(leat *self, const uint64_t *jobs, size_t count, leat_cancelled *out)
{
    leat_cancelled unread;
    leat_begin(self);
    if (out == NULL)
        out = &unread;
    *out = (leat_cancelled){.cancelled = count};
    if (count == 0 || count > LEAT_RECORDS_MAX)
        return leat_fail(self, LEAT_WRONG_USE, "1 to %u jobs can be cancelled at once",
                         LEAT_RECORDS_MAX);
    leat_status status = leat_await_room(self, 0, INT64_MAX);
    if (status != LEAT_OK)
        return status;
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_CANCEL);
    for (size_t i = 0; i < count; i++)
        leat_cancel_put(&frame, jobs[i]);
    if (!frame.failed)
        leat_frame_finish(&frame, 0, (uint16_t)count, 0);
    const leat_open_frame *const open = leat_post(self, &frame);
    if (open == NULL)
        return out_of_memory(self);
    leat_notes_asked(self, LEAT_NOTE_CANCEL, jobs[0], 0);
    self->call = (leat_call){.kind = LEAT_CALL_CANCEL, .number = open->sequence, .cancelled = out};
    status = leat_await_call(self);
    leat_notes_told(self, LEAT_NOTE_CANCEL, status, jobs[0], 0);
    return status;
}

leat_status
leat_cancel(leat *self, uint64_t batch, uint32_t from, uint32_t upto, leat_cancelled *out)
{
    cJSON *answer;
    cJSON *json = cJSON_CreateObject();
    leat_begin(self);
    bool whole = json != NULL && leat_json_add_u64(json, "batch", batch);
    if (from > 1)
        whole = whole && cJSON_AddNumberToObject(json, "from", from) != NULL;
    if (upto > 0)
        whole = whole && cJSON_AddNumberToObject(json, "upto", upto) != NULL;
    leat_notes_asked(self, LEAT_NOTE_CANCEL, 0, batch);
    const leat_status status = ask(self, "batch.cancel", &json, whole, &answer);
    leat_notes_told(self, LEAT_NOTE_CANCEL, status, 0, batch);
    if (status == LEAT_OK && out != NULL) {
        bool is_marked = false;
        (void)leat_json_bool(answer, "marked", &is_marked);
        *out = (leat_cancelled){.cancelled = figure_of(answer, "cancelled"),
                                .stopping = figure_of(answer, "stopping"),
                                .ended = figure_of(answer, "ended"),
                                .is_in_background = is_marked};
    }
    cJSON_Delete(answer);
    return status;
}

leat_status
leat_retry(leat *self, uint64_t batch, uint64_t *again, uint64_t *jobs)
{
    cJSON *answer;
    cJSON *json = cJSON_CreateObject();
    leat_begin(self);
    const bool whole = json != NULL && leat_json_add_u64(json, "batch", batch);
    leat_notes_asked(self, LEAT_NOTE_RETRY, 0, batch);
    const leat_status status = ask(self, "batch.retry", &json, whole, &answer);
    leat_notes_told(self, LEAT_NOTE_RETRY, status,
                    status == LEAT_OK ? figure_of(answer, "batch") : 0, batch);
    if (status == LEAT_OK && again != NULL)
        *again = figure_of(answer, "batch");
    if (status == LEAT_OK && jobs != NULL)
        *jobs = figure_of(answer, "jobs");
    cJSON_Delete(answer);
    return status;
}
