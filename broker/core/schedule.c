/* Schedules: jobs that come again by the clock.
 *
 * A schedule is an object in the store with an expression (cron.h), a zone, and the job. When its
 * time has come the job is submitted and the next time is written in the same commit, so that no
 * restart makes it run twice or not at all. Times that were missed count as one. Zones are read by
 * the broker and come in as offsets. */
#include "broker/core/schedule.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/core/news.h"
#include "broker/core/steer.h"
#include "broker/core/submit.h"
#include "broker/core/timer.h"

#define CHANGES_MAX 32U
#define AHEAD_S     (3L * 366 * 86400) /* offsets are asked for so far ahead … */
#define AGAIN_S     (2L * 366 * 86400) /* … and again when less than this is left */
#define BEFORE_S    (2L * 86400)

typedef struct leat_schedule {
    uint64_t id;
    uint32_t index;
    char name[LEAT_NAME_BYTES_MAX + 1];
    char expr[LEAT_CRON_TEXT_BYTES_MAX + 1];
    char zone[65];
    bool queue; /* overlap: run also while the last one runs */
    bool paused;
    int64_t start_s;
    int64_t next_s; /* 0: never again */
    int64_t last_s; /* 0: never yet */
    uint64_t last_batch;
    uint64_t skipped; /* since the broker's start */
    uint64_t principal;
    char channel[LEAT_NAME_BYTES_MAX + 1];
    char handler[LEAT_NAME_BYTES_MAX + 1];
    leat_buf settings;
    leat_buf payload;
    leat_cron cron;
    int64_t offsets_upto_s;
    uint32_t change_count;
    leat_zone_change changes[CHANGES_MAX];
} leat_schedule;

static void
free_schedule(leat_core *core, leat_schedule *schedule)
{
    leat_table_remove(&core->schedules, schedule->id);
    leat_buf_fini(&schedule->settings);
    leat_buf_fini(&schedule->payload);
    free(schedule);
}

void
leat_schedules_fini(leat_core *core)
{
    for (uint32_t i = leat_table_next(&core->schedules, 0); i != 0;
         i = leat_table_next(&core->schedules, i))
        free_schedule(core, leat_table_at(&core->schedules, i));
    leat_table_fini(&core->schedules);
}

static leat_schedule *
find(const leat_core *core, const char *name)
{
    for (uint32_t i = leat_table_next(&core->schedules, 0); i != 0;
         i = leat_table_next(&core->schedules, i)) {
        leat_schedule *const schedule = leat_table_at(&core->schedules, i);
        if (strcmp(schedule->name, name) == 0)
            return schedule;
    }
    return NULL;
}

/* ------------------------------------------------------------------------------ time */

static int64_t
now_s(const leat_core *core)
{
    return core->now.wall_ms / 1000;
}

/* The zone's offsets around now. */
static leat_err
ask_offsets(const leat_core *core, leat_schedule *schedule, char why[LEAT_CRON_WHY_BYTES])
{
    const int64_t now = now_s(core);
    if (schedule->change_count > 0 && schedule->offsets_upto_s - now > AGAIN_S)
        return LEAT_ERR_OK;
    if (schedule->change_count == 0 || strcmp(schedule->zone, "UTC") == 0) {
        schedule->changes[0] = (leat_zone_change){0};
        schedule->change_count = 1;
    }
    if (strcmp(schedule->zone, "UTC") == 0) {
        schedule->offsets_upto_s = now + AHEAD_S;
        return LEAT_ERR_OK;
    }
    if (core->options.zone == NULL) {
        (void)snprintf(why, LEAT_CRON_WHY_BYTES, "no time zones here but UTC");
        return LEAT_ERR_UNSUPPORTED;
    }
    leat_zone_change changes[CHANGES_MAX];
    uint32_t count;
    const leat_err err =
        core->options.zone(core->options.zone_context, schedule->zone, now - BEFORE_S,
                           now + AHEAD_S, changes, CHANGES_MAX, &count, why);
    if (err != LEAT_ERR_OK)
        return err;
    memcpy(schedule->changes, changes, count * sizeof *changes);
    schedule->change_count = count;
    schedule->offsets_upto_s = now + AHEAD_S;
    return LEAT_ERR_OK;
}

/* The next time after `after`; 0: there is none. */
static void
advance(leat_core *core, leat_schedule *schedule, int64_t after)
{
    char why[LEAT_CRON_WHY_BYTES];
    (void)ask_offsets(core, schedule, why); /* what was known goes on to hold */
    const leat_zone zone = {.changes = schedule->changes, .count = schedule->change_count};
    if (!leat_cron_next(&schedule->cron, &zone, after, &schedule->next_s))
        schedule->next_s = 0;
    if (schedule->next_s != 0 && !schedule->paused)
        leat_timer_set(core, LEAT_TIMER_SCHEDULE, schedule->next_s * 1000, schedule->id, 0);
}

/* ------------------------------------------------------------------------------ store */

static void
write(leat_core *core, const leat_schedule *schedule)
{
    leat_buf record = {0};
    leat_put_u8(&record, 1);
    leat_put_text8(&record, leat_text_of(schedule->name));
    leat_put_text16(&record, leat_text_of(schedule->expr));
    leat_put_text8(&record, leat_text_of(schedule->zone));
    leat_put_u8(&record, (uint8_t)((schedule->queue ? 1U : 0U) | (schedule->paused ? 2U : 0U)));
    leat_put_u64(&record, (uint64_t)schedule->start_s);
    leat_put_u64(&record, (uint64_t)schedule->next_s);
    leat_put_u64(&record, (uint64_t)schedule->last_s);
    leat_put_u64(&record, schedule->last_batch);
    leat_put_u64(&record, schedule->principal);
    leat_put_text8(&record, leat_text_of(schedule->channel));
    leat_put_text8(&record, leat_text_of(schedule->handler));
    leat_put_u32(&record, (uint32_t)schedule->settings.size);
    leat_put_bytes(&record, schedule->settings.data, schedule->settings.size);
    leat_put_u32(&record, (uint32_t)schedule->payload.size);
    leat_put_bytes(&record, schedule->payload.data, schedule->payload.size);
    if (record.failed)
        leat_core_fault(core, LEAT_ERR_NOMEM);
    leat_changes_put(&core->books[LEAT_DISK].changes, LEAT_OBJECT_SCHEDULE, schedule->id,
                     record.data, record.size);
    leat_buf_fini(&record);
}

static bool
copy(char *out, size_t size, leat_text text)
{
    if (text.size >= size)
        return false;
    memcpy(out, text.size == 0 ? "" : text.data, text.size);
    out[text.size] = '\0';
    return true;
}

leat_err
leat_schedule_apply(leat_core *core, uint64_t id, leat_reader *r)
{
    leat_schedule *const schedule = calloc(1, sizeof *schedule);
    char why[LEAT_CRON_WHY_BYTES];
    if (schedule == NULL)
        return LEAT_ERR_NOMEM;
    const bool texts = copy(schedule->name, sizeof schedule->name, leat_read_text8(r)) &&
                       copy(schedule->expr, sizeof schedule->expr, leat_read_text16(r)) &&
                       copy(schedule->zone, sizeof schedule->zone, leat_read_text8(r));
    const uint8_t flags = leat_read_u8(r);
    schedule->queue = (flags & 1U) != 0;
    schedule->paused = (flags & 2U) != 0;
    schedule->start_s = (int64_t)leat_read_u64(r);
    schedule->next_s = (int64_t)leat_read_u64(r);
    schedule->last_s = (int64_t)leat_read_u64(r);
    schedule->last_batch = leat_read_u64(r);
    schedule->principal = leat_read_u64(r);
    const bool names = copy(schedule->channel, sizeof schedule->channel, leat_read_text8(r)) &&
                       copy(schedule->handler, sizeof schedule->handler, leat_read_text8(r));
    const uint32_t settings = leat_read_u32(r);
    leat_put_bytes(&schedule->settings, leat_read_bytes(r, settings), r->failed ? 0 : settings);
    const uint32_t payload = leat_read_u32(r);
    leat_put_bytes(&schedule->payload, leat_read_bytes(r, payload), r->failed ? 0 : payload);
    schedule->id = id;
    leat_err err = !texts || !names || r->failed ||
                           leat_cron_parse(schedule->expr, strlen(schedule->expr),
                                           schedule->start_s, &schedule->cron, why) != LEAT_ERR_OK
                       ? LEAT_ERR_CORRUPT
                       : leat_table_add(&core->schedules, id, schedule, &schedule->index);
    if (err != LEAT_ERR_OK) {
        leat_buf_fini(&schedule->settings);
        leat_buf_fini(&schedule->payload);
        free(schedule);
        return err;
    }
    if (id >= core->next_channel_id)
        core->next_channel_id = id + 1;
    if (schedule->next_s != 0 && !schedule->paused)
        leat_timer_set(core, LEAT_TIMER_SCHEDULE, schedule->next_s * 1000, id, 0);
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------ firing */

static leat_err
fire(leat_core *core, leat_schedule *schedule, int64_t at_s)
{
    leat_order order = {
        .channel = leat_text_of(schedule->channel),
        .handler = leat_text_of(schedule->handler),
        .owner = {schedule->principal,    schedule->principal             },
        .payload = {schedule->payload.data, (uint32_t)schedule->payload.size},
    };
    uint64_t id = 0;
    leat_err err =
        leat_settings_read(schedule->settings.data, schedule->settings.size, &order.settings);
    if (err == LEAT_ERR_OK)
        err = leat_submit_order(core, &order, &id);
    if (err != LEAT_ERR_OK)
        return err;
    schedule->last_batch = id;
    schedule->last_s = at_s;
    leat_news_schedule(core, schedule->name, id);
    return LEAT_ERR_OK;
}

void
leat_schedule_on_timer(leat_core *core, uint64_t id)
{
    leat_schedule *const schedule = leat_table_get(&core->schedules, id);
    if (schedule == NULL || schedule->paused || schedule->next_s == 0 ||
        schedule->next_s * 1000 > core->now.wall_ms)
        return;
    const bool runs = schedule->last_batch != 0 &&
                      leat_items_find(&core->items, schedule->last_batch) != LEAT_NOBODY;
    if ((runs && !schedule->queue) || fire(core, schedule, schedule->next_s) != LEAT_ERR_OK)
        schedule->skipped++;
    advance(core, schedule, now_s(core) > schedule->next_s ? now_s(core) : schedule->next_s);
    write(core, schedule);
}

/* ------------------------------------------------------------------------------ commands */

/* The schedule that the command names, or NULL with an error. */
static leat_schedule *
named(struct leat_steering *s, leat_err *err)
{
    const char *name;
    if (!leat_json_text(s->arguments, "name", &name)) {
        *err = leat_steer_bad(s, "\"name\" is the name of a schedule");
        return NULL;
    }
    leat_schedule *const schedule = find(s->core, name);
    *err = schedule == NULL ? LEAT_ERR_NOT_FOUND : LEAT_ERR_OK;
    if (schedule == NULL)
        (void)snprintf(s->message, sizeof s->message, "no schedule \"%.128s\"", name);
    return schedule;
}

static bool
text_at(const cJSON *arguments, const char *key, const char **out)
{
    return !leat_steer_has(arguments, key) || leat_json_text(arguments, key, out);
}

static leat_err
read_texts(struct leat_steering *s, leat_schedule *schedule)
{
    const char *name = "";
    const char *expr = "";
    const char *zone = "UTC";
    const char *overlap = "skip";
    const char *channel = "default";
    const char *handler = "";
    if (!text_at(s->arguments, "name", &name) || !leat_name_is_valid(leat_text_of(name)))
        return leat_steer_bad(s, "\"name\" is a name (1 to 128 bytes of text)");
    if (!text_at(s->arguments, "expr", &expr) || strlen(expr) > LEAT_CRON_TEXT_BYTES_MAX)
        return leat_steer_bad(s, "\"expr\" is five fields or @daily and the like");
    if (!text_at(s->arguments, "zone", &zone) || zone[0] == '\0' ||
        strlen(zone) >= sizeof schedule->zone)
        return leat_steer_bad(s, "\"zone\" is a time zone as \"Europe/Berlin\"");
    if (!text_at(s->arguments, "overlap", &overlap) ||
        (strcmp(overlap, "skip") != 0 && strcmp(overlap, "queue") != 0))
        return leat_steer_bad(s, "\"overlap\" is skip or queue");
    if (!text_at(s->arguments, "channel", &channel) || !leat_name_is_valid(leat_text_of(channel)))
        return leat_steer_bad(s, "\"channel\" is a name (1 to 128 bytes of text)");
    if (!text_at(s->arguments, "handler", &handler) || !leat_name_is_valid(leat_text_of(handler)))
        return leat_steer_bad(s, "\"handler\" is a name (1 to 128 bytes of text)");
    (void)copy(schedule->name, sizeof schedule->name, leat_text_of(name));
    (void)copy(schedule->expr, sizeof schedule->expr, leat_text_of(expr));
    (void)copy(schedule->zone, sizeof schedule->zone, leat_text_of(zone));
    (void)copy(schedule->channel, sizeof schedule->channel, leat_text_of(channel));
    (void)copy(schedule->handler, sizeof schedule->handler, leat_text_of(handler));
    schedule->queue = strcmp(overlap, "queue") == 0;
    return LEAT_ERR_OK;
}

static leat_err
read_job(struct leat_steering *s, leat_schedule *schedule)
{
    const cJSON *const json = cJSON_GetObjectItemCaseSensitive(s->arguments, "settings");
    leat_settings settings = leat_settings_nothing();
    leat_err err = LEAT_ERR_OK;
    if (json != NULL && !cJSON_IsObject(json))
        return leat_steer_bad(s, "\"settings\" is an object");
    if (json != NULL)
        err = leat_steer_settings(s, json, true, &settings);
    if (err == LEAT_ERR_OK && !leat_json_bytes(s->arguments, "payload", &schedule->payload))
        err = leat_steer_bad(s, "\"payload\" is a text, \"payload_b64\" base64");
    if (err == LEAT_ERR_OK) /* what is out of its range is never written */
        leat_settings_put(&schedule->settings, &settings);
    return err;
}

leat_err
leat_schedule_add(struct leat_steering *s)
{
    char why[LEAT_CRON_WHY_BYTES] = "";
    if (s->core->schedules.count >= LEAT_SCHEDULES_MAX) {
        (void)snprintf(s->message, sizeof s->message,
                       "there are as many schedules as there may be");
        return LEAT_ERR_LIMIT;
    }
    leat_schedule *const schedule = calloc(1, sizeof *schedule);
    if (schedule == NULL)
        return LEAT_ERR_NOMEM;
    schedule->start_s = now_s(s->core);
    schedule->principal = s->peer->principal;
    leat_err err = read_texts(s, schedule);
    if (err == LEAT_ERR_OK && find(s->core, schedule->name) != NULL) {
        (void)snprintf(s->message, sizeof s->message, "there is a schedule \"%s\" already",
                       schedule->name);
        err = LEAT_ERR_BAD_STATE;
    }
    if (err == LEAT_ERR_OK)
        err = read_job(s, schedule);
    if (err == LEAT_ERR_OK) {
        err = leat_cron_parse(schedule->expr, strlen(schedule->expr), schedule->start_s,
                              &schedule->cron, why);
        if (err == LEAT_ERR_OK)
            err = ask_offsets(s->core, schedule, why);
        if (err != LEAT_ERR_OK)
            (void)snprintf(s->message, sizeof s->message, "%s", why);
    }
    schedule->id = s->core->next_channel_id;
    if (err == LEAT_ERR_OK)
        err = leat_table_add(&s->core->schedules, schedule->id, schedule, &schedule->index);
    if (err != LEAT_ERR_OK) {
        leat_buf_fini(&schedule->settings);
        leat_buf_fini(&schedule->payload);
        free(schedule);
        return err;
    }
    s->core->next_channel_id++;
    advance(s->core, schedule, schedule->start_s);
    write(s->core, schedule);
    (void)cJSON_AddNumberToObject(s->result, "next_ms", (double)schedule->next_s * 1000.0);
    return LEAT_ERR_OK;
}

leat_err
leat_schedule_remove(struct leat_steering *s)
{
    leat_err err;
    leat_schedule *const schedule = named(s, &err);
    if (schedule == NULL)
        return err;
    leat_changes_drop(&s->core->books[LEAT_DISK].changes, LEAT_OBJECT_SCHEDULE, schedule->id);
    free_schedule(s->core, schedule);
    return LEAT_ERR_OK;
}

static leat_err
set_paused(struct leat_steering *s, bool paused)
{
    leat_err err;
    leat_schedule *const schedule = named(s, &err);
    if (schedule == NULL)
        return err;
    schedule->paused = paused;
    if (!paused) /* what was missed while it was paused was not wanted */
        advance(s->core, schedule, now_s(s->core));
    write(s->core, schedule);
    return LEAT_ERR_OK;
}

leat_err
leat_schedule_pause(struct leat_steering *s)
{
    return set_paused(s, true);
}

leat_err
leat_schedule_resume(struct leat_steering *s)
{
    return set_paused(s, false);
}

leat_err
leat_schedule_run(struct leat_steering *s)
{
    leat_err err;
    leat_schedule *const schedule = named(s, &err);
    if (schedule == NULL)
        return err;
    err = fire(s->core, schedule, now_s(s->core));
    if (err != LEAT_ERR_OK) {
        (void)snprintf(s->message, sizeof s->message, "%s", leat_err_message(err));
        return err;
    }
    write(s->core, schedule);
    (void)leat_json_add_u64(s->result, "batch", schedule->last_batch);
    return LEAT_ERR_OK;
}

cJSON *
leat_schedule_query(leat_core *core, uint32_t offset)
{
    cJSON *const json = cJSON_CreateObject();
    cJSON *const list = cJSON_AddArrayToObject(json, "schedules");
    uint32_t number = 0;
    uint32_t rows = 0;
    uint32_t left_off = 0;
    for (uint32_t i = leat_table_next(&core->schedules, 0); i != 0;
         i = leat_table_next(&core->schedules, i)) {
        const leat_schedule *const schedule = leat_table_at(&core->schedules, i);
        if (number++ < offset)
            continue;
        if (rows++ >= 30) { /* each row has up to 1.6 KB of names, escaped */
            left_off++;
            continue;
        }
        cJSON *const row = cJSON_CreateObject();
        (void)cJSON_AddItemToArray(list, row);
        (void)cJSON_AddStringToObject(row, "name", schedule->name);
        (void)cJSON_AddStringToObject(row, "expr", schedule->expr);
        (void)cJSON_AddStringToObject(row, "zone", schedule->zone);
        (void)cJSON_AddStringToObject(row, "overlap", schedule->queue ? "queue" : "skip");
        (void)cJSON_AddBoolToObject(row, "paused", schedule->paused);
        (void)cJSON_AddStringToObject(row, "channel", schedule->channel);
        (void)cJSON_AddStringToObject(row, "handler", schedule->handler);
        (void)cJSON_AddNumberToObject(row, "next_ms", (double)schedule->next_s * 1000.0);
        (void)cJSON_AddNumberToObject(row, "last_ms", (double)schedule->last_s * 1000.0);
        (void)leat_json_add_u64(row, "last_batch", schedule->last_batch);
        (void)cJSON_AddNumberToObject(row, "skipped", (double)schedule->skipped);
    }
    (void)cJSON_AddNumberToObject(json, "left_off", left_off);
    return json;
}
