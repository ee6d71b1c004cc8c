/* SEND: jobs or messages come in. All records of a frame have one channel, one batch and one set of
 * settings, so what can be refused is refused once, before anything has changed; then ids are
 * given, items made, and the payloads go to the store in packs. */
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/machine.h"

#define PACK_BYTES_MAX \
    1900U /* two packs fit a page of LMDB; a larger record gets pages of its own */

struct submission {
    leat_core *core;
    leat_peer *peer;
    leat_send_head head;
    leat_reader records;
    uint16_t count;
    leat_channel *channel;
    leat_class *class;
    leat_batch *batch; /* NULL: messages, or every job alone */
    bool messages;
    char sentence[LEAT_SENTENCE_BYTES_MAX];
};

/* ------------------------------------------------------------------------------ refusing */

static leat_err
refuse(struct submission *s, leat_err err, const char *sentence)
{
    (void)snprintf(s->sentence, sizeof s->sentence, "%s", sentence);
    return err;
}

static leat_err
check_channel(struct submission *s)
{
    leat_err err = LEAT_ERR_OK;
    const leat_kind kind = s->messages ? LEAT_KIND_MESSAGES : LEAT_KIND_JOBS;
    s->channel = leat_channel_ensure(s->core, s->head.channel, &err);
    if (s->channel == NULL)
        return refuse(s, err,
                      err == LEAT_ERR_LIMIT ? "there are as many channels as there may be"
                                            : leat_err_message(err));
    if (s->channel->closed) {
        (void)snprintf(s->sentence, sizeof s->sentence, "channel \"%s\" is closed",
                       s->channel->name);
        return LEAT_ERR_CLOSED;
    }
    if (s->channel->kind != LEAT_KIND_NONE && s->channel->kind != kind) {
        (void)snprintf(s->sentence, sizeof s->sentence, "channel \"%s\" holds %s", s->channel->name,
                       s->channel->kind == LEAT_KIND_JOBS ? "jobs" : "messages");
        return LEAT_ERR_WRONG_KIND;
    }
    return LEAT_ERR_OK;
}

static leat_batch *
tagged_batch(const struct submission *s)
{
    for (uint32_t i = s->peer->tag_count; i > 0; i--) {
        if (s->peer->tags[i - 1].tag == s->head.tag)
            return leat_table_get(&s->core->batches, s->peer->tags[i - 1].batch);
    }
    return NULL;
}

static bool
tag_is_used(const struct submission *s)
{
    for (uint32_t i = s->peer->tag_count; i > 0; i--) {
        if (s->peer->tags[i - 1].tag == s->head.tag)
            return true;
    }
    return false;
}

leat_err
leat_peer_tag(leat_peer *peer, uint32_t tag, uint64_t batch)
{
    if (peer->tag_count == peer->tag_capacity) {
        const uint32_t capacity = peer->tag_capacity == 0 ? 4 : peer->tag_capacity * 2;
        struct leat_tag *const tags = realloc(peer->tags, capacity * sizeof *tags);
        if (tags == NULL)
            return LEAT_ERR_NOMEM;
        peer->tags = tags;
        peer->tag_capacity = capacity;
    }
    peer->tags[peer->tag_count++] = (struct leat_tag){.tag = tag, .batch = batch};
    return LEAT_ERR_OK;
}

/* Tags of batches that are no longer in memory are of no use: no job is added to them. */
static void
forget_tags(const leat_core *core, leat_peer *peer)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < peer->tag_count; i++) {
        if (leat_table_find(&core->batches, peer->tags[i].batch) != 0)
            peer->tags[kept++] = peer->tags[i];
    }
    peer->tag_count = kept;
}

static leat_err
check_batch(struct submission *s)
{
    leat_core *const core = s->core;
    if (s->messages || (s->head.batch == 0 && s->head.tag == 0))
        return LEAT_ERR_OK;
    s->batch = s->head.batch != 0 ? leat_batch_find(core, s->head.batch) : tagged_batch(s);
    if (s->batch == NULL && s->head.batch != 0)
        return refuse(s, LEAT_ERR_NOT_FOUND, "no such batch");
    if ((s->batch != NULL && s->batch->sealed) || (s->batch == NULL && tag_is_used(s)))
        return refuse(s, LEAT_ERR_BAD_STATE,
                      "the batch is sealed: nothing is added to it any more");
    if (s->batch != NULL && s->batch->durability != s->channel->durability)
        return refuse(s, LEAT_ERR_BAD_STATE,
                      "one batch is either on disk or in memory, and this channel is the other");
    if (s->batch != NULL)
        return LEAT_ERR_OK;

    const uint64_t id = leat_core_next_ids(core, s->channel->durability, 1);
    if (s->peer->tag_count == s->peer->tag_capacity) /* before it grows */
        forget_tags(core, s->peer);
    if (leat_peer_tag(s->peer, s->head.tag, id) != LEAT_ERR_OK)
        return refuse(s, LEAT_ERR_NOMEM, leat_err_message(LEAT_ERR_NOMEM));
    s->batch = leat_batch_new(core, id, s->channel);
    if (s->batch == NULL) {
        s->peer->tag_count--;
        return refuse(s, LEAT_ERR_NOMEM, leat_err_message(LEAT_ERR_NOMEM));
    }
    s->batch->session = s->peer->key;
    s->batch->tag = s->head.tag;
    s->batch->handler = s->class->index;
    memcpy(s->batch->name, s->head.name.data == NULL ? "" : s->head.name.data, s->head.name.size);
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------ taking in */

/* How many of the next records go into one pack: one chunk of ids, and not much more than half a
 * page of payload unless a single one is larger. */
static uint8_t
pack_count(leat_reader ahead, uint64_t id, uint32_t left)
{
    const uint32_t in_chunk = LEAT_CHUNK_IDS - (uint32_t)(id % LEAT_CHUNK_IDS);
    uint8_t n = 0;
    size_t bytes = 0;
    while (n < left && n < in_chunk) {
        const leat_bytes payload = leat_send_next(&ahead);
        bytes += 5 + (size_t)payload.size;
        if (n > 0 && bytes > PACK_BYTES_MAX)
            break;
        n++;
    }
    return n;
}

static void
take_item(struct submission *s, uint64_t id, uint32_t place, uint32_t size, int64_t due_wall_ms)
{
    leat_core *const core = s->core;
    const uint32_t index = leat_items_add(&core->items, id);
    leat_item *const item = leat_items_at(&core->items, index);
    item->batch = s->batch == NULL ? LEAT_NOBODY : s->batch->index;
    item->class = s->class->index;
    item->payload_bytes = size;
    item->place = place;
    item->born_s = (uint32_t)(core->now.wall_ms / 1000);
    item->priority = s->head.priority & 15U;
    item->flags = s->messages ? LEAT_ITEM_MESSAGE : 0;
    if (due_wall_ms == 0) {
        leat_item_restore(item, LEAT_STATE_READY);
        leat_class_append(core, s->class, index);
    } else {
        leat_item_restore(item, LEAT_STATE_DELAYED);
        leat_lease_delay_until(core, index, due_wall_ms);
    }
}

static void
take_records(struct submission *s, uint64_t first)
{
    leat_core *const core = s->core;
    leat_book *const book = &core->books[s->channel->durability];
    leat_buf *const pack = &core->scratch;
    leat_buf head_bytes = {0};
    const int64_t due = s->head.delay_ms == 0 ? 0 : core->now.wall_ms + (int64_t)s->head.delay_ms;
    leat_pack_head head = {
        .batch = s->batch == NULL ? 0 : s->batch->id,
        .place = s->batch == NULL ? 1 : (uint32_t)s->batch->counters.total + 1,
        .priority = s->head.priority,
        .message = s->messages,
        .failures = s->head.failures,
        .run_limit_ms = s->head.run_limit_ms,
        .due_wall_ms = (uint64_t)due,
        .born_wall_ms = (uint64_t)core->now.wall_ms,
        .channel = s->head.channel,
        .handler = s->head.handler,
    };

    for (uint32_t done = 0; done < s->count;) {
        const uint64_t id = first + done;
        const uint8_t n = pack_count(s->records, id, s->count - done);
        leat_buf_reset(&head_bytes);
        leat_object_put_pack_head(&head, &head_bytes);
        leat_buf_reset(pack);
        leat_pack_put_head(pack, head_bytes.data, head_bytes.size, n);
        for (uint8_t i = 0; i < n; i++) {
            const leat_bytes payload = leat_send_next(&s->records);
            leat_pack_put_job(pack, i, payload.data, payload.size);
            take_item(s, id + i, s->batch == NULL ? 1 : head.place + i, payload.size, due);
        }
        if (pack->failed || head_bytes.failed)
            leat_core_fault(core, LEAT_ERR_NOMEM);
        leat_changes_pack(&book->changes, id, pack->data, pack->size);
        done += n;
        if (s->batch != NULL)
            head.place += n;
    }
    leat_buf_fini(&head_bytes);
}

static leat_err
take(struct submission *s, uint64_t *first)
{
    leat_core *const core = s->core;
    leat_err err = check_channel(s);
    if (err != LEAT_ERR_OK)
        return err;
    s->class = leat_class_ensure(core, s->channel, s->head.handler, s->head.failures,
                                 s->head.run_limit_ms);
    if (s->class == NULL)
        return refuse(s, LEAT_ERR_NOMEM, leat_err_message(LEAT_ERR_NOMEM));
    err = check_batch(s);
    if (err != LEAT_ERR_OK)
        return err;
    if (s->batch != NULL && s->batch->counters.total + s->count > UINT32_MAX)
        return refuse(s, LEAT_ERR_LIMIT, "a batch has at most 4294967295 jobs");

    *first = leat_core_next_ids(core, s->channel->durability, s->count);
    err = leat_items_reserve(&core->items, *first, s->count);
    if (err != LEAT_ERR_OK)
        return refuse(s, err, leat_err_message(err));
    if (s->channel->kind == LEAT_KIND_NONE) {
        s->channel->kind = s->messages ? LEAT_KIND_MESSAGES : LEAT_KIND_JOBS;
        leat_channel_changed(core, s->channel);
    }
    take_records(s, *first);
    if (s->batch != NULL) {
        s->batch->counters.total += s->count;
        s->batch->dirty = true;
        leat_batch_touch(core, s->batch);
        if ((s->head.flags & LEAT_SEND_SEAL) != 0)
            leat_batch_seal(core, s->batch, false);
    }
    return LEAT_ERR_OK;
}

void
leat_submit_on_send(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    struct submission s = {.core = core, .peer = peer, .count = frame->count};
    leat_sent sent = {.sequence = frame->sequence};

    leat_err err = leat_send_open(body, size, frame->count, &s.head, &s.records);
    if (err != LEAT_ERR_OK) {
        leat_core_refuse_body(core, peer, frame, err);
        return;
    }
    s.messages = s.head.handler.size == 0;
    err = take(&s, &sent.first_id);
    sent.code = (uint16_t)err;
    if (err == LEAT_ERR_OK) {
        sent.accepted = s.count;
        sent.batch = s.batch == NULL ? sent.first_id : s.batch->id;
    } else {
        sent.first_id = 0;
        sent.sentence = leat_text_of(s.sentence);
    }
    leat_buf record = {0};
    leat_sent_put(&record, &sent);
    leat_window_decide(core, peer, frame->sequence, LEAT_CMD_SENT, &record,
                       err == LEAT_ERR_OK && s.channel->durability == LEAT_DISK);
    leat_buf_fini(&record);
}
