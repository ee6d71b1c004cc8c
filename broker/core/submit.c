/* SEND: jobs or messages come in. All records of a frame have one channel, one batch and one set of
 * settings, so what can be refused is refused once, before anything has changed; then ids are
 * given, items made, and the payloads go to the store in packs.
 *
 * A channel with a capacity takes as many records as it has room for; the rest of the frame waits
 * in line (park.c). Ids are given for the whole frame at once, so that its answer can name them by
 * the first. What the broker itself sends (orders) goes in above the capacity, as what comes back.
 */
#include "broker/core/submit.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/core/batch.h"
#include "broker/core/channel.h"
#include "broker/core/hold.h"
#include "broker/core/lease.h"
#include "broker/core/link.h"
#include "broker/core/news.h"
#include "broker/core/object.h"
#include "broker/core/park.h"
#include "broker/core/room.h"
#include "broker/core/select.h"
#include "broker/core/share.h"
#include "broker/core/terms.h"
#include "broker/core/timer.h"
#include "broker/core/unique.h"
#include "broker/core/window.h"

#define PACK_BYTES_MAX \
    1900U /* two packs fit a page of LMDB; a larger record gets pages of its own */

/* Records on their way in. */
struct intake {
    leat_core *core;
    leat_peer *peer; /* NULL: an order */
    leat_owner owner;
    const leat_send_head *head;
    leat_reader *records; /* those that are not in */
    uint64_t sequence;
    uint32_t count;
    leat_partial in; /* so far */
    leat_channel *channel;
    leat_batch *batch; /* NULL: messages, or every job alone */
    bool messages;
    uint64_t recovers; /* see leat_order, as the next ones */
    bool inside;
    bool promised;
    uint32_t place;
    bool joined;
    char sentence[LEAT_SENTENCE_BYTES_MAX];
};

static leat_err
refuse(struct intake *in, leat_err err, const char *sentence)
{
    (void)snprintf(in->sentence, sizeof in->sentence, "%s",
                   sentence == NULL ? leat_err_message(err) : sentence);
    return err;
}

/* Who pays for what a session sends: its key, and without keys the session itself. Messages are
 * first in, first out for all, as in Go. */
static leat_owner
owner_of(const leat_peer *peer, bool messages)
{
    if (messages)
        return (leat_owner){0};
    return (leat_owner){
        .principal = peer->principal,
        .share = peer->principal == LEAT_PRINCIPAL_LOCAL ? peer->key : peer->principal,
    };
}

/* ------------------------------------------------------------------------------ refusing */

static leat_err
check_channel(struct intake *in)
{
    leat_err err = LEAT_ERR_OK;
    const leat_kind kind = in->messages ? LEAT_KIND_MESSAGES : LEAT_KIND_JOBS;
    in->channel = leat_channel_ensure(in->core, in->head->channel, &err);
    if (in->channel == NULL)
        return refuse(in, err,
                      err == LEAT_ERR_LIMIT ? "there are as many channels as there may be" : NULL);
    if (in->channel->closed && !in->inside) {
        (void)snprintf(in->sentence, sizeof in->sentence, "channel \"%s\" is closed",
                       in->channel->name);
        return LEAT_ERR_CLOSED;
    }
    if (in->channel->kind != LEAT_KIND_NONE && in->channel->kind != kind) {
        (void)snprintf(in->sentence, sizeof in->sentence, "channel \"%s\" holds %s",
                       in->channel->name,
                       in->channel->kind == LEAT_KIND_JOBS ? "jobs" : "messages");
        return LEAT_ERR_WRONG_KIND;
    }
    return LEAT_ERR_OK;
}

static leat_err
check_settings(struct intake *in)
{
    const leat_settings *const s = &in->head->settings;
    const char *why = NULL;
    if (in->messages &&
        (s->unique.size > 0 || s->key.size > 0 || s->needs.size > 0 || s->traits.size > 0 ||
         s->reply.size > 0 || s->after != 0 || s->finally_count > 0 || s->recover.handler.size > 0))
        return refuse(in, LEAT_ERR_BAD_STATE,
                      "a message has no key, needs, reply, or jobs that follow it");
    if (s->unique.size > 0 && in->count != 1)
        return refuse(in, LEAT_ERR_MALFORMED, "with a unique key a frame has one record");
    if (s->after != LEAT_AFTER_NOTHING && (s->delay_ms > 0 || s->at_ms > 0))
        return refuse(in, LEAT_ERR_BAD_STATE,
                      "a job waits for a time or for another batch, not for both");
    if (s->reply_handler.size > 0 && s->reply.size == 0)
        return refuse(in, LEAT_ERR_MALFORMED, "a handler for the reply, and no channel");
    if (s->unique_for_ms > 0 && s->unique.size == 0)
        return refuse(in, LEAT_ERR_MALFORMED, "a window for a unique key, and no key");
    const leat_err err = leat_hold_check(in->core, in->batch, s, &why);
    return err == LEAT_ERR_OK ? err : refuse(in, err, why);
}

/* Where the tag stands among the session's, or would stand: they are kept in order, since a session
 * may have a million open batches. */
static uint32_t
tag_at(const leat_peer *peer, uint32_t tag)
{
    uint32_t low = 0;
    uint32_t high = peer->tag_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (peer->tags[middle].tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool
tag_is_used(const struct intake *in)
{
    const uint32_t at = tag_at(in->peer, in->head->tag);
    return at < in->peer->tag_count && in->peer->tags[at].tag == in->head->tag;
}

static leat_batch *
tagged_batch(const struct intake *in)
{
    return tag_is_used(in) ? leat_table_get(&in->core->batches,
                                            in->peer->tags[tag_at(in->peer, in->head->tag)].batch)
                           : NULL;
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
    const uint32_t at = tag_at(peer, tag); /* mostly the end: clients count up */
    memmove(&peer->tags[at + 1], &peer->tags[at], (peer->tag_count - at) * sizeof *peer->tags);
    peer->tags[at] = (struct leat_tag){.tag = tag, .batch = batch};
    peer->tag_count++;
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
check_batch(struct intake *in)
{
    if (in->messages || (in->head->batch == 0 && in->head->tag == 0))
        return LEAT_ERR_OK;
    const uint64_t id = in->in.batch != 0 ? in->in.batch : in->head->batch;
    in->batch = id != 0 ? leat_batch_find(in->core, id) : tagged_batch(in);
    if (in->batch == NULL)
        return id != 0           ? refuse(in, LEAT_ERR_NOT_FOUND, "no such batch")
               : tag_is_used(in) ? refuse(in, LEAT_ERR_BAD_STATE,
                                          "the batch is sealed: nothing is added to it any more")
                                 : LEAT_ERR_OK;
    if (in->batch->sealed)
        return refuse(in, LEAT_ERR_BAD_STATE,
                      "the batch is sealed: nothing is added to it any more");
    if (in->batch->halted || in->batch->cancel_upto != 0)
        return refuse(in, LEAT_ERR_BAD_STATE,
                      in->batch->halted
                          ? "the batch has halted: nothing is added to it any more"
                          : "the batch was cancelled: nothing is added to it any more");
    if (in->batch->durability != in->channel->durability)
        return refuse(in, LEAT_ERR_BAD_STATE,
                      "one batch is either on disk or in memory, and this channel is the other");
    if (in->batch->counters.total + in->count > UINT32_MAX)
        return refuse(in, LEAT_ERR_LIMIT, "a batch has at most 4294967295 jobs");
    return LEAT_ERR_OK;
}

leat_batch *
leat_submit_batch(leat_core *core, leat_channel *channel, uint64_t principal)
{
    const uint64_t id = leat_core_next_ids(core, channel->durability, 1);
    leat_batch *const batch = leat_batch_new(core, id, channel);
    if (batch == NULL)
        return NULL;
    batch->principal = principal;
    batch->dirty = true;
    leat_batch_touch(core, batch);
    return batch;
}

/* The batch that the session calls by this tag is new. */
static leat_err
make_batch(struct intake *in)
{
    leat_core *const core = in->core;
    if (in->batch != NULL || in->messages || in->head->tag == 0 || in->peer == NULL)
        return LEAT_ERR_OK;                            /* an order has no tag */
    if (in->peer->tag_count == in->peer->tag_capacity) /* before it grows */
        forget_tags(core, in->peer);
    leat_batch *const batch = leat_submit_batch(core, in->channel, in->peer->principal);
    if (batch == NULL)
        return refuse(in, LEAT_ERR_NOMEM, NULL);
    if (leat_peer_tag(in->peer, in->head->tag, batch->id) != LEAT_ERR_OK) {
        leat_core_fault(core, LEAT_ERR_NOMEM); /* the batch is touched: it cannot go */
        return refuse(in, LEAT_ERR_NOMEM, NULL);
    }
    /* What waits in line for this tag waits for this batch. */
    LEAT_LIST_FOREACH (node, &in->peer->parked) {
        leat_parked *const parked = LEAT_CONTAINER_OF(node, leat_parked, of_peer);
        if (parked->command == LEAT_CMD_SEND && parked->batch == 0 && parked->head.batch == 0 &&
            parked->head.tag == in->head->tag && parked->head.handler.size > 0)
            leat_park_count(core, parked, batch);
    }
    batch->session = in->peer->key;
    batch->tag = in->head->tag;
    batch->halt = in->head->settings.halt;
    memcpy(batch->name, in->head->settings.name.size == 0 ? "" : in->head->settings.name.data,
           in->head->settings.name.size);
    leat_batch_set_labels(core, batch, in->head->settings.labels);
    leat_news_batch(core, LEAT_NEWS_BATCH_SUBMITTED, batch);
    in->batch = batch;
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
take_item(struct intake *in,
          leat_terms *terms,
          const leat_pack_head *head,
          uint64_t id,
          uint32_t place,
          uint32_t size)
{
    leat_core *const core = in->core;
    const uint32_t index = leat_items_add(&core->items, id);
    leat_item *const item = leat_items_at(&core->items, index);
    item->batch = in->batch == NULL ? LEAT_NOBODY : in->batch->index;
    item->terms = terms->index;
    leat_terms_keep(terms);
    item->payload_bytes = size & ((1U << 21) - 1);
    item->place = place;
    item->since_s = (uint32_t)(core->now.wall_ms / 1000);
    item->priority = terms->priority & 15U;
    item->flags = in->messages ? LEAT_ITEM_MESSAGE : 0;
    leat_room_promise(core, item);
    if (in->batch == NULL && !in->messages)
        leat_news_alone(core, LEAT_NEWS_BATCH_SUBMITTED, item, &(leat_counters){.total = 1});
    if (in->recovers != 0) {
        leat_link *const link = leat_link_ensure(core, item);
        if (link != NULL)
            link->recovers = in->recovers;
    }
    if (terms->after != LEAT_AFTER_NOTHING) {
        leat_item_restore(item, LEAT_STATE_HELD);
        leat_hold_add(core, index);
    } else if (head->due_wall_ms != 0) {
        leat_item_restore(item, LEAT_STATE_DELAYED);
        leat_lease_delay_until(core, index, (int64_t)head->due_wall_ms);
    } else {
        leat_item_restore(item, LEAT_STATE_READY);
        leat_line_append(core, index);
    }
}

static void
put_packs(
    struct intake *in, leat_terms *terms, leat_pack_head *head, uint64_t first, uint32_t count)
{
    leat_core *const core = in->core;
    leat_book *const book = &core->books[in->channel->durability];
    leat_buf *const pack = &core->scratch;
    leat_buf head_bytes = {0};

    for (uint32_t done = 0; done < count;) {
        const uint64_t id = first + done;
        const uint8_t n = pack_count(*in->records, id, count - done);
        leat_buf_reset(&head_bytes);
        leat_object_put_pack_head(head, &head_bytes);
        leat_buf_reset(pack);
        leat_pack_put_head(pack, head_bytes.data, head_bytes.size, n);
        for (uint8_t i = 0; i < n; i++) {
            const leat_bytes payload = leat_send_next(in->records);
            leat_pack_put_job(pack, i, payload.data, payload.size);
            take_item(in, terms, head, id + i, in->batch == NULL ? 1 : head->place + i,
                      payload.size);
        }
        if (pack->failed || head_bytes.failed)
            leat_core_fault(core, LEAT_ERR_NOMEM);
        leat_changes_pack(&book->changes, id, pack->data, pack->size);
        done += n;
        if (in->batch != NULL)
            head->place += n;
    }
    leat_buf_fini(&head_bytes);
}

static int64_t
due_of(const leat_core *core, const leat_settings *s)
{
    const int64_t at = (int64_t)s->at_ms;
    const int64_t due = core->now.wall_ms + (int64_t)s->delay_ms;
    const int64_t later = at > due ? at : due;
    return later > core->now.wall_ms ? later : 0;
}

static uint64_t
expiry_of(const leat_core *core, const leat_channel *channel, const leat_settings *s)
{
    uint64_t ms = s->expires_ms;
    if (ms == 0 && channel->defaults.size > 0)
        ms = leat_channel_defaults(channel).expires_ms;
    return ms == 0 ? 0 : (uint64_t)core->now.wall_ms + ms;
}

/* The batch has got so many more jobs, from place on. */
static void
count_in(struct intake *in, leat_terms *terms, uint64_t first, uint32_t place, uint32_t count)
{
    leat_core *const core = in->core;
    leat_batch *const batch = in->batch;
    if (batch == NULL || in->recovers != 0)
        return;
    if (batch->class == 0)
        batch->class = terms->class->index;
    leat_batch_add_range(core, batch, first, place, count);
    batch->counters.total += count;
    batch->dirty = true;
    leat_batch_touch(core, batch);
}

static const char no_space[] = "no space left in the store: something has to end, or the disk to "
                               "grow, before more is taken in";

/* Is there room on the disk for the next `count` records, and for their ends? */
static leat_err
ask_room(struct intake *in, const leat_settings *settings, uint32_t count)
{
    const struct leat_sending sending = {
        .durability = in->channel->durability,
        .settings = settings,
        .payload_bytes = leat_reader_left(in->records),
        .count = count,
        .messages = in->messages,
    };
    if (in->promised || leat_room_ask_for(in->core, &sending) == LEAT_ERR_OK)
        return LEAT_ERR_OK;
    return refuse(in, LEAT_ERR_NO_SPACE, no_space);
}

/* The next `count` records go in. Nothing has changed on failure. */
static leat_err
take_records(struct intake *in, uint32_t count)
{
    leat_core *const core = in->core;
    leat_settings complete = in->head->settings;
    const leat_settings *const s = &complete;
    leat_terms_complete(&complete, in->channel);
    const uint64_t expires = expiry_of(core, in->channel, s);
    leat_err err = ask_room(in, s, count);
    if (err == LEAT_ERR_OK)
        err = make_batch(in);
    if (err != LEAT_ERR_OK)
        return err;
    leat_terms *const terms =
        leat_terms_ensure(core, in->channel, in->head->handler, s, in->owner,
                          in->batch == NULL ? 0 : in->batch->id, expires, &err);
    if (terms == NULL)
        return refuse(in, err,
                      err == LEAT_ERR_LIMIT ? "there are as many kinds of jobs (handler, needs, "
                                              "traits) as there may be"
                                            : NULL);
    if (in->in.first_id == 0)
        in->in.first_id = leat_core_next_ids(core, in->channel->durability, in->count);
    const uint64_t first = in->in.first_id + in->in.taken;
    err = leat_items_reserve(&core->items, first, count);
    if (err != LEAT_ERR_OK) {
        leat_terms_drop(core, terms);
        return refuse(in, err, NULL);
    }
    if (in->channel->kind == LEAT_KIND_NONE) {
        in->channel->kind = in->messages ? LEAT_KIND_MESSAGES : LEAT_KIND_JOBS;
        leat_channel_changed(core, in->channel);
    }
    leat_pack_head head = {
        .batch = in->batch == NULL ? 0 : in->batch->id,
        .place = in->recovers != 0   ? in->place
                 : in->batch == NULL ? 1
                                     : (uint32_t)in->batch->counters.total + 1,
        .message = in->messages,
        .owner = in->owner,
        .recovers = in->recovers,
        .due_wall_ms = (uint64_t)due_of(core, s),
        .expires_wall_ms = expires,
        .born_wall_ms = (uint64_t)core->now.wall_ms,
        .channel = in->head->channel,
        .handler = in->head->handler,
        .flow = s->flow,
        .settings = {terms->settings.data, (uint32_t)terms->settings.size},
    };
    const uint32_t place = head.place;
    put_packs(in, terms, &head, first, count);
    count_in(in, terms, first, place, count);
    if (expires != 0)
        leat_timer_set(core, LEAT_TIMER_EXPIRE, (int64_t)expires, first, count);
    if (s->unique.size > 0 && leat_unique_add(core, in->channel, in->owner.principal, s->unique,
                                              s->unique_for_ms, first) != LEAT_ERR_OK)
        leat_core_fault(core, LEAT_ERR_NOMEM);
    leat_terms_drop(core, terms);
    in->in.taken += count;
    return LEAT_ERR_OK;
}

/* A job with this key is there already: its completion goes to this sender's batch too. */
static leat_err
join(struct intake *in, const leat_unique *unique)
{
    leat_core *const core = in->core;
    leat_err err = LEAT_ERR_OK;
    if (in->channel->durability == LEAT_DISK && leat_room_ask_join(core) != LEAT_ERR_OK)
        err = refuse(in, LEAT_ERR_NO_SPACE, no_space);
    if (err == LEAT_ERR_OK)
        err = make_batch(in);
    if (err != LEAT_ERR_OK)
        return err;
    const bool alone = in->batch == NULL;
    const uint32_t index = leat_items_find(&core->items, unique->job);
    if (!alone && index != LEAT_NOBODY)
        err = leat_hold_join(core, leat_items_at(&core->items, index), in->batch);
    if (err == LEAT_ERR_BAD_STATE)
        return refuse(in, err, "the job with this unique key waits for this batch");
    if (err != LEAT_ERR_OK)
        return refuse(in, err, "the jobs of one batch wait for too many others");
    if (alone)
        in->batch = leat_submit_batch(core, in->channel, in->peer->principal);
    if (in->batch == NULL)
        return refuse(in, LEAT_ERR_NOMEM, NULL);
    const uint32_t place = (uint32_t)in->batch->counters.total + 1;
    in->batch->counters.total++;
    in->batch->dirty = true;
    leat_batch_touch(core, in->batch);
    err = leat_unique_join(core, unique, in->batch, place);
    if (err != LEAT_ERR_OK) {
        leat_core_fault(core, err);
        return refuse(in, err, NULL);
    }
    in->in.first_id = unique->job;
    in->in.taken = 1;
    in->joined = true;
    if (alone)
        leat_batch_seal(core, in->batch, false);
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------ frames */

/* Everything that can be said against the frame, at first and again when it is its turn. */
static leat_err
check(struct intake *in)
{
    leat_err err = check_channel(in);
    if (err == LEAT_ERR_OK)
        err = check_batch(in);
    return err == LEAT_ERR_OK ? check_settings(in) : err;
}

static leat_err
take_up_to(struct intake *in, uint64_t room)
{
    const uint32_t left = in->count - in->in.taken;
    if (left == 0)
        return LEAT_ERR_OK; /* only its seal waits */
    const leat_unique *const unique =
        in->head->settings.unique.size == 0
            ? NULL
            : leat_unique_find(in->core, in->channel, in->owner.principal,
                               in->head->settings.unique);
    if (unique != NULL)
        return join(in, unique);
    return room == 0 ? LEAT_ERR_OK : take_records(in, room < left ? (uint32_t)room : left);
}

/* The frame's answer: everything is in, or err says why the rest is not. */
static void
decide(struct intake *in, leat_err err)
{
    leat_core *const core = in->core;
    if (err == LEAT_ERR_OK && in->batch != NULL && (in->head->flags & LEAT_SEND_SEAL) != 0)
        leat_batch_seal(core, in->batch, false);
    const leat_sent sent = {
        .sequence = in->sequence,
        .first_id = in->in.taken == 0 ? 0 : in->in.first_id,
        .batch = in->in.taken == 0   ? 0
                 : in->batch != NULL ? in->batch->id
                 : in->in.batch != 0 ? in->in.batch /* it may be over by now */
                                     : in->in.first_id,
        .accepted = in->in.taken,
        .code = (uint16_t)err,
        .sentence = leat_text_of(err == LEAT_ERR_OK ? "" : in->sentence),
    };
    leat_buf record = {0};
    leat_sent_put(&record, &sent);
    leat_window_decide(core, in->peer, in->sequence, LEAT_CMD_SENT, &record,
                       in->in.taken > 0 && in->channel->durability == LEAT_DISK);
    leat_buf_fini(&record);
}

static void
note_partial(struct intake *in)
{
    if (in->in.taken == 0)
        return;
    in->in.batch = in->batch == NULL ? 0 : in->batch->id;
    leat_window_put_partial(in->core, in->peer, in->sequence, &in->in,
                            in->channel->durability == LEAT_DISK);
}

/* Does it seal a batch of which something still waits in line? `own`: it is counted there too. */
static bool
seal_waits(const struct intake *in, uint32_t own)
{
    return (in->head->flags & LEAT_SEND_SEAL) != 0 && in->batch != NULL &&
           in->batch->session == in->peer->key && in->batch->parked > own;
}

/* It waits in the channel's line, or everything is in and its seal waits for others. */
static void
park(struct intake *in, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_err err;
    leat_parked *const parked = leat_park_new(in->core, in->peer, frame, body, size, &err);
    if (parked == NULL) {
        decide(in, refuse(in, err,
                          err == LEAT_ERR_LIMIT ? "too much of this session waits in line" : NULL));
        return;
    }
    leat_reader records;
    err =
        leat_send_open(parked->body.data, parked->body.size, frame->count, &parked->head, &records);
    assert(err == LEAT_ERR_OK);
    for (uint32_t i = 0; i < in->in.taken; i++)
        (void)leat_send_next(&records);
    parked->records = records;
    note_partial(in);
    if (in->in.taken >= in->count) {
        leat_park_sealing(in->core, parked, in->batch);
        return;
    }
    if ((in->head->flags & LEAT_SEND_TRY) != 0)
        leat_list_append(&in->core->impatient, &parked->impatient);
    if (in->batch != NULL)
        leat_park_count(in->core, parked, in->batch);
    if (!leat_park_post(in->core, parked, in->channel, 0, (leat_bytes){0}))
        leat_core_fault(in->core, LEAT_ERR_NOMEM);
}

void
leat_submit_on_send(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_send_head head;
    leat_reader records;
    struct intake in = {
        .core = core,
        .peer = peer,
        .head = &head,
        .records = &records,
        .sequence = frame->sequence,
        .count = frame->count,
    };
    leat_err err = leat_send_open(body, size, frame->count, &head, &records);
    if (err != LEAT_ERR_OK) {
        leat_core_refuse_body(core, peer, frame, err);
        return;
    }
    in.messages = head.handler.size == 0;
    in.owner = owner_of(peer, in.messages);
    (void)leat_window_get_partial(peer, frame->sequence, &in.in);
    for (uint32_t i = 0; i < in.in.taken && i < in.count; i++)
        (void)leat_send_next(&records);
    err = check(&in);
    /* A frame that comes again has ids of before, which a purge that goes on means as well. */
    const bool in_line =
        err == LEAT_ERR_OK && (!leat_list_is_empty(&in.channel->senders) ||
                               (in.in.first_id != 0 && in.channel->purged_upto != 0));
    if (err == LEAT_ERR_OK)
        err = take_up_to(&in, in_line ? 0 : leat_channel_room(in.channel));
    const bool all_in = in.in.taken >= in.count;
    if (err != LEAT_ERR_OK || (all_in && !seal_waits(&in, 0)))
        decide(&in, err);
    else if (!all_in && (head.flags & LEAT_SEND_TRY) != 0 &&
             (in_line || in.channel->rules.capacity > 0))
        decide(&in, refuse(&in, LEAT_ERR_FULL, "the channel is full"));
    else
        park(&in, frame, body, size);
}

/* The frame that waits, as it goes on. */
static struct intake
intake_of(leat_core *core, leat_parked *parked)
{
    struct intake in = {
        .core = core,
        .peer = parked->peer,
        .owner = owner_of(parked->peer, parked->head.handler.size == 0),
        .head = &parked->head,
        .records = &parked->records,
        .sequence = parked->sequence,
        .count = parked->count,
        .messages = parked->head.handler.size == 0,
    };
    (void)leat_window_get_partial(parked->peer, parked->sequence, &in.in);
    return in;
}

void
leat_submit_give_up(leat_core *core, leat_parked *parked, leat_err err, const char *sentence)
{
    struct intake in = intake_of(core, parked);
    in.channel = leat_channel_find(core, parked->head.channel);
    in.batch = in.in.batch == 0 ? NULL : leat_table_get(&core->batches, in.in.batch);
    decide(&in, refuse(&in, err, sentence));
    leat_park_free(core, parked);
}

void
leat_submit_sealed(leat_core *core, leat_parked *parked)
{
    struct intake in = intake_of(core, parked);
    in.channel = leat_channel_find(core, parked->head.channel);
    in.batch = leat_table_get(&core->batches, parked->batch);
    decide(&in, LEAT_ERR_OK);
    leat_park_free(core, parked);
}

void
leat_submit_refuse_line(leat_core *core, leat_channel *channel)
{
    char sentence[LEAT_NAME_BYTES_MAX + 32];
    (void)snprintf(sentence, sizeof sentence, "channel \"%s\" is closed", channel->name);
    while (!leat_list_is_empty(&channel->senders) && core->ends_left > 0) {
        leat_post *const post =
            LEAT_CONTAINER_OF(leat_list_first(&channel->senders), leat_post, of_channel);
        core->ends_left--;
        if (post->parked->command == LEAT_CMD_SELECT)
            leat_select_decide(core, post->parked, post->index, LEAT_ERR_CLOSED, 0, true, sentence);
        else
            leat_submit_give_up(core, post->parked, LEAT_ERR_CLOSED, sentence);
    }
}

bool
leat_submit_next(leat_core *core, leat_channel *channel, leat_post *post, uint64_t room)
{
    leat_parked *const parked = post->parked;
    if (parked->command == LEAT_CMD_SELECT) {
        uint64_t id;
        const leat_err err = leat_submit_message(core, parked->peer, channel, post->payload, &id);
        leat_select_decide(core, parked, post->index, err, id, channel->durability == LEAT_DISK,
                           err == LEAT_ERR_OK ? "" : leat_err_message(err));
        return err == LEAT_ERR_OK;
    }
    struct intake in = intake_of(core, parked);
    leat_err err = check(&in);
    if (err == LEAT_ERR_OK)
        err = take_up_to(&in, room);
    if (err == LEAT_ERR_OK && in.in.taken >= in.count && seal_waits(&in, parked->batch != 0)) {
        note_partial(&in);
        leat_park_sealing(core, parked, in.batch);
        return true;
    }
    if (err != LEAT_ERR_OK || in.in.taken >= in.count) {
        decide(&in, err);
        leat_park_free(core, parked);
        return err == LEAT_ERR_OK;
    }
    if (in.batch != NULL && parked->batch == 0)
        leat_park_count(core, parked, in.batch);
    note_partial(&in);
    return true;
}

/* ------------------------------------------------------------------------------ orders */

static leat_err
take_order(leat_core *core, leat_peer *peer, const leat_order *order, uint64_t *id)
{
    leat_send_head head = leat_send_head_default();
    head.channel = order->channel;
    head.handler = order->handler;
    head.settings = order->settings;
    leat_buf record = {0};
    leat_send_put(&record, order->payload.data, order->payload.size);
    leat_reader records = leat_reader_over(record.data, record.size);
    struct intake in = {
        .core = core,
        .peer = peer,
        .owner = order->handler.size == 0 ? (leat_owner){0} : order->owner,
        .head = &head,
        .records = &records,
        .count = 1,
        .messages = order->handler.size == 0,
        .batch = order->batch,
        .recovers = order->recovers,
        .place = order->place,
        .inside = order->inside,
        .promised = order->promised,
    };
    leat_err err = record.failed ? LEAT_ERR_NOMEM : check_channel(&in);
    if (err == LEAT_ERR_OK && order->batch != NULL && order->recovers == 0 &&
        order->batch->durability != in.channel->durability)
        err = LEAT_ERR_BAD_STATE;
    if (err == LEAT_ERR_OK && order->settings.unique.size > 0 &&
        leat_unique_find(core, in.channel, in.owner.principal, order->settings.unique) != NULL)
        err = LEAT_ERR_BAD_STATE; /* a job with this key is there, and nobody to join it */
    if (err == LEAT_ERR_OK)
        err = take_records(&in, 1);
    leat_buf_fini(&record);
    *id = in.in.first_id;
    return err;
}

leat_err
leat_submit_order(leat_core *core, const leat_order *order, uint64_t *id)
{
    return take_order(core, NULL, order, id);
}

leat_err
leat_submit_message(
    leat_core *core, leat_peer *peer, leat_channel *channel, leat_bytes payload, uint64_t *id)
{
    const leat_order order = {
        .channel = leat_text_of(channel->name),
        .settings = leat_settings_nothing(),
        .owner = owner_of(peer, true),
        .payload = payload,
    };
    return take_order(core, NULL, &order, id);
}
