/* Watching a batch: what its running jobs tell, in the order in which it came.
 *
 * A watch is a query that the broker answers, and that ends with the connection: it is asked again
 * after each reconnect. What comes lies in a queue of at most QUEUE_BYTES_MAX until the program
 * reads it; what finds no room is dropped and counted, as the broker does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "proto/told.h"

#define QUEUE_BYTES_MAX (4U << 20)

typedef struct told_item {
    leat_list_node node;
    leat_told told; /* data points behind this */
} told_item;

struct leat_watch {
    leat_list_node node;
    leat *self;
    uint64_t batch;
    uint32_t place;   /* 0: all */
    uint64_t query;   /* id of the question that is not answered; 0: none */
    bool asked;       /* on this connection */
    leat_status over; /* END: everything has ended; NOT_FOUND, LOST, …; OK: not over */
    char sentence[LEAT_SENTENCE_BYTES_MAX + 1]; /* of over */
    uint64_t gap;                               /* dropped, and not yet told */
    leat_list queue;
    size_t queued_bytes;
    told_item *shown; /* owned; what the program was given last */
};

leat_status
leat_watch_open(leat *self, uint64_t batch, leat_watch **out)
{
    leat_begin(self);
    *out = NULL;
    if (batch == 0)
        return leat_fail(self, LEAT_WRONG_USE, "batch 0 is none: nothing was sent yet");
    LEAT_LIST_FOREACH (node, &self->watches) {
        if (LEAT_CONTAINER_OF(node, leat_watch, node)->batch == batch)
            return leat_fail(self, LEAT_WRONG_USE, "this connection already watches batch %llu",
                             (unsigned long long)batch);
    }
    leat_watch *const watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return leat_fail(self, LEAT_NO_MEMORY, "out of memory");
    watch->self = self;
    watch->batch = batch;
    leat_list_init(&watch->queue);
    leat_list_append(&self->watches, &watch->node);
    *out = watch;
    return LEAT_OK;
}

void
leat_watch_only(leat_watch *watch, uint32_t place)
{
    watch->place = place;
}

/* ---------------------------------------------------------------------- talking to the broker */

/* `watch` or `unwatch`; lost without memory. */
static void
say_query(leat_watch *watch, const char *name, uint64_t id)
{
    char place[32] = "";
    char text[192];
    if (watch->place != 0)
        (void)snprintf(place, sizeof place, ",\"place\":%lu", (unsigned long)watch->place);
    const int size =
        snprintf(text, sizeof text,
                 "{\"id\":\"%llu\",\"query\":\"%s\",\"arguments\":"
                 "{\"batch\":\"%llu\"%s}}",
                 (unsigned long long)id, name, (unsigned long long)watch->batch, place);
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_QUERY);
    leat_put_bytes(&frame, text, (size_t)size);
    leat_say(watch->self, &frame, 1);
}

static void
ask(leat_watch *watch)
{
    watch->query = ++watch->self->next_id;
    watch->asked = true;
    say_query(watch, "watch", watch->query);
}

void
leat_watches_on_up(leat *self, bool is_same_broker)
{
    LEAT_LIST_FOREACH (node, &self->watches) {
        leat_watch *const watch = LEAT_CONTAINER_OF(node, leat_watch, node);
        if (watch->over != LEAT_OK)
            continue;
        if (!is_same_broker) { /* its number means another batch there */
            watch->over = LEAT_LOST;
            (void)snprintf(watch->sentence, sizeof watch->sentence,
                           "another store answers at %s, without batch %llu",
                           leat_link_endpoint(self->link), (unsigned long long)watch->batch);
        } else if (watch->asked) {
            ask(watch);
        }
    }
}

/* ------------------------------------------------------------------------------- what comes */

bool
leat_watches_on_reply(leat *self, uint64_t id, const cJSON *json)
{
    leat_watch *watch = NULL;
    LEAT_LIST_FOREACH (node, &self->watches) {
        leat_watch *const one = LEAT_CONTAINER_OF(node, leat_watch, node);
        if (one->query != 0 && one->query == id)
            watch = one;
    }
    if (watch == NULL)
        return false;
    watch->query = 0;
    const cJSON *const error = cJSON_GetObjectItemCaseSensitive(json, "error");
    const cJSON *const result = cJSON_GetObjectItemCaseSensitive(json, "result");
    if (error != NULL) {
        watch->over = leat_status_of_reply(error, watch->sentence, sizeof watch->sentence);
    } else if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(result, "over"))) {
        watch->over = LEAT_END;
    }
    return true;
}

static leat_watch *
find_watch(leat *self, uint64_t batch)
{
    LEAT_LIST_FOREACH (node, &self->watches) {
        leat_watch *const watch = LEAT_CONTAINER_OF(node, leat_watch, node);
        if (watch->batch == batch)
            return watch;
    }
    return NULL;
}

/* Queue it; data is copied, and terminated. */
static void
queue(leat_watch *watch, const leat_told *told, const leat_teller *from)
{
    watch->gap += from->gap;
    const size_t bytes = sizeof(told_item) + told->size + 1;
    told_item *const item = watch->queued_bytes + bytes > QUEUE_BYTES_MAX ? NULL : malloc(bytes);
    if (item == NULL) {
        watch->gap++;
        return;
    }
    char *const data = (char *)(item + 1);
    if (told->size > 0)
        memcpy(data, told->data, told->size);
    data[told->size] = '\0';
    *item = (told_item){.told = *told};
    item->told.job = from->token.id;
    item->told.attempt = from->token.attempt;
    item->told.place = from->place;
    item->told.data = data;
    item->told.gap = watch->gap;
    watch->gap = 0;
    leat_list_append(&watch->queue, &item->node);
    watch->queued_bytes += bytes;
}

static void
on_progress(leat *self, const leat_progress *progress)
{
    leat_watch *const watch = find_watch(self, progress->from.batch);
    if (watch == NULL)
        return;
    if (progress->from.token.id == 0) {
        watch->over = LEAT_END;
        return;
    }
    const leat_told told = {
        .kind = LEAT_TOLD_PROGRESS,
        .done = progress->done,
        .of = progress->of,
        .data = progress->text.data,
        .size = progress->text.size,
    };
    queue(watch, &told, &progress->from);
}

static void
on_output(leat *self, const leat_output *output)
{
    leat_watch *const watch = find_watch(self, output->from.batch);
    if (watch == NULL)
        return;
    const leat_told told = {
        .kind = LEAT_TOLD_LOG,
        .stream = (int)output->stream,
        .offset = output->offset,
        .data = (const char *)output->data.data,
        .size = output->data.size,
    };
    queue(watch, &told, &output->from);
}

void
leat_watches_on_told(leat *self, const leat_link_event *event)
{
    const bool is_log = event->frame.command == LEAT_CMD_LOG;
    const uint16_t count = event->frame.count;
    leat_reader records;
    const leat_err err = is_log
                             ? leat_output_open(event->body, event->body_size, count, &records)
                             : leat_progress_open(event->body, event->body_size, count, &records);
    if (err != LEAT_ERR_OK) {
        leat_link_drop(self->link, "what a job tells cannot be read");
        return;
    }
    for (uint16_t i = 0; i < count; i++) {
        leat_progress progress;
        leat_output output;
        if (is_log) {
            leat_output_next(&records, &output);
            on_output(self, &output);
        } else {
            leat_progress_next(&records, &progress);
            on_progress(self, &progress);
        }
    }
}

/* ---------------------------------------------------------------------------------- reading */

static bool
next_here(leat_watch *watch, leat_told *out)
{
    leat_list_node *const node = leat_list_take_first(&watch->queue);
    if (node == NULL)
        return false;
    free(watch->shown);
    watch->shown = LEAT_CONTAINER_OF(node, told_item, node);
    watch->queued_bytes -= sizeof(told_item) + watch->shown->told.size + 1;
    *out = watch->shown->told;
    return true;
}

leat_status
leat_watch_next(leat_watch *watch, leat_told *out, int64_t timeout_ms)
{
    leat *const self = watch->self;
    leat_begin(self);
    const int64_t until_ms = leat_deadline_ms(timeout_ms);
    for (;;) {
        if (next_here(watch, out)) {
            self->sentence[0] = '\0';
            return LEAT_OK;
        }
        if (watch->over == LEAT_END)
            return LEAT_END;
        if (watch->over != LEAT_OK)
            return leat_fail(self, watch->over, "%s", watch->sentence);
        if (leat_is_up(self) && !watch->asked)
            ask(watch);
        leat_status status = leat_turn(self, until_ms);
        if (status == LEAT_OK && self->stray != LEAT_OK)
            status = leat_fail(self, self->stray, "%s", self->stray_sentence);
        if (status != LEAT_OK && leat_list_is_empty(&watch->queue) && watch->over == LEAT_OK)
            return status;
    }
}

void
leat_watch_free(leat_watch **watch_p)
{
    leat_watch *const watch = *watch_p;
    *watch_p = NULL;
    if (watch == NULL)
        return;
    if (watch->asked && watch->over == LEAT_OK && leat_is_up(watch->self))
        say_query(watch, "unwatch", ++watch->self->next_id);
    for (;;) {
        leat_list_node *const node = leat_list_take_first(&watch->queue);
        if (node == NULL)
            break;
        free(LEAT_CONTAINER_OF(node, told_item, node));
    }
    free(watch->shown);
    leat_list_remove(&watch->node);
    free(watch);
}

void
leat_watches_free(leat *self)
{
    while (!leat_list_is_empty(&self->watches)) {
        leat_watch *watch = LEAT_CONTAINER_OF(leat_list_first(&self->watches), leat_watch, node);
        leat_watch_free(&watch);
    }
}
