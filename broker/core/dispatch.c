/* Dispatch: ready items meet credit.
 *
 * Workers that may take jobs stand in a line (core->hungry). In each round everyone is given some,
 * from the classes that it serves: the highest priority first, among equals the oldest head. Some
 * is what runs in LEAT_QUANTUM_US, and one of what runs longer or has never been measured, so that
 * few jobs are spread. It holds at most what runs in that time beyond its slots: short jobs keep it
 * busy for a round trip, long ones are never hoarded, unmeasured ones get its idle slots. Messages
 * go to clients with RECV credit. Attempts are part of this turn's commit; JOBS leave after it. */
#include <stdlib.h>

#include "broker/core/machine.h"

#define GRANT_BYTES_MAX (LEAT_FRAME_BYTES_CLOSE - 8192U) /* room for the runs' heads */
#define GRANT_JOBS_MAX  2048U
#define RUN_BYTES       20U /* of a run's head beside its names */

/* A grant that is being collected for one peer. */
struct leat_filling {
    leat_peer *peer;
    leat_durability durability;
    leat_effect effect;
    uint32_t capacity;
    size_t bytes;
    uint32_t class; /* of the last item: another one begins a run */
    uint32_t batch;
};

/* ------------------------------------------------------------------------------ collecting */

/* Room for one more grant. */
static bool
room(struct leat_filling *f)
{
    if (f->effect.grant_count < f->capacity)
        return true;
    const uint32_t capacity = f->capacity == 0 ? 64 : f->capacity * 2;
    leat_grant *const grants = realloc(f->effect.grants, capacity * sizeof *grants);
    if (grants == NULL)
        return false;
    f->effect.grants = grants;
    f->capacity = capacity;
    return true;
}

static void
close_grant(leat_core *core, struct leat_filling *f)
{
    if (f->effect.grant_count == 0)
        return;
    leat_book *const book = &core->books[f->durability];
    if (f->durability == LEAT_DISK && !f->effect.messages && !LEAT_FAULT(ATTEMPT_LATE)) {
        const size_t at =
            leat_turn_put_leases(&book->turn, f->peer->key, f->effect.position, core->epoch);
        for (uint32_t i = 0; i < f->effect.grant_count; i++) {
            leat_put_u64(&book->turn, f->effect.grants[i].id);
            leat_put_u32(&book->turn, f->effect.grants[i].attempt);
        }
        leat_turn_end_leases(&book->turn, at, f->effect.grant_count);
    }
    if (!f->effect.messages)
        f->peer->dirty = true; /* its next number */
    /* JOBS leave in the order of their numbers: not before those that still wait for the disk. */
    const leat_durability queue = f->peer->disk_grants > 0 ? LEAT_DISK : f->durability;
    leat_effect *const effect = leat_outbox_add(core, queue, LEAT_EFFECT_GRANT);
    if (effect == NULL)
        return;
    f->peer->disk_grants += queue == LEAT_DISK;
    f->effect.durability = f->durability;
    f->effect.kind = LEAT_EFFECT_GRANT;
    f->effect.number = effect->number;
    f->effect.peer = f->peer->key;
    f->effect.connection = f->peer->connection;
    *effect = f->effect;
    f->effect = (leat_effect){0};
    f->capacity = 0;
    f->bytes = 0;
    f->class = 0;
    f->peer->grants_waiting++;
    leat_peer_update_hunger(core, f->peer);
}

static void
grant(leat_core *core, struct leat_filling *f, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    const leat_err err = leat_item_apply(item, LEAT_EVENT_LEASE);
    assert(err == LEAT_ERR_OK);
    (void)err;
    if (f->effect.grant_count == 0)
        f->effect.position = f->peer->next_number;
    item->number = (uint32_t)f->peer->next_number++;
    item->epoch = (uint8_t)(core->epoch_count - 1);
    leat_lease_append(core, f->peer, index);
    f->effect.grants[f->effect.grant_count++] =
        (leat_grant){.id = item->id, .index = index, .attempt = item->attempt};
    f->bytes += LEAT_JOBS_JOB_BYTES + (size_t)item->payload_bytes;
    if (item->class == f->class && item->batch == f->batch && item->batch != LEAT_NOBODY)
        return;
    const leat_class *const class = leat_table_at(&core->classes, item->class);
    f->bytes += RUN_BYTES + strlen(class->channel->name) + strlen(class->handler);
    f->class = item->class;
    f->batch = item->batch;
}

/* ------------------------------------------------------------------------------ jobs */

struct choice {
    leat_class *class;
    int priority;
    uint64_t id;
    uint64_t next_id; /* head of the best other class of this priority: where it is its turn */
};

/* How many jobs of this class the worker may hold at most, all its jobs counted. */
static uint32_t
fill_of(const leat_peer *peer, const leat_class *class)
{
    uint64_t fill = peer->slots;
    if (class->mean_ns > 0)
        fill += (uint64_t)LEAT_QUANTUM_US * 1000 * peer->slots / class->mean_ns;
    return fill < peer->credit_items ? (uint32_t)fill : peer->credit_items;
}

static bool
choose(const leat_core *core, const leat_peer *peer, struct choice *choice)
{
    *choice = (struct choice){.priority = -1, .next_id = UINT64_MAX};
    const uint32_t words =
        peer->class_words < core->active_words ? peer->class_words : core->active_words;
    for (uint32_t w = 0; w < words; w++) {
        for (uint64_t bits = peer->classes[w] & core->active[w]; bits != 0; bits &= bits - 1) {
            leat_class *const class =
                leat_table_at(&core->classes, w * 64 + (uint32_t)__builtin_ctzll(bits));
            uint32_t index;
            if (peer->held >= fill_of(peer, class))
                continue;
            const int priority = leat_class_peek(core, class, &index);
            const uint64_t id = leat_items_at(&core->items, index)->id;
            if (priority > choice->priority || (priority == choice->priority && id < choice->id)) {
                if (priority == choice->priority && choice->id < choice->next_id)
                    choice->next_id = choice->id;
                if (priority > choice->priority)
                    choice->next_id = UINT64_MAX;
                choice->class = class;
                choice->priority = priority;
                choice->id = id;
            } else if (priority == choice->priority && id < choice->next_id) {
                choice->next_id = id;
            }
        }
    }
    return choice->class != NULL;
}

/* Is it still this class's turn at this worker? A suspect is handed out with nothing beside it. */
static bool
may_take(const leat_core *core, const leat_peer *peer, const struct choice *choice)
{
    uint32_t index;
    if (leat_class_peek(core, choice->class, &index) != choice->priority)
        return false;
    const leat_item *const item = leat_items_at(&core->items, index);
    if (item->id >= choice->next_id || peer->suspects > 0)
        return false;
    return (item->flags & LEAT_ITEM_SUSPECT) == 0 || peer->held == 0;
}

/* So many jobs of a class one worker is given before it is the next one's turn. */
static uint64_t
quantum_of(const leat_class *class)
{
    const uint64_t quantum =
        class->mean_ns == 0 ? 0 : (uint64_t)LEAT_QUANTUM_US * 1000 / class->mean_ns;
    return quantum == 0 ? 1 : quantum;
}

/* The worker's grant of this turn: what it is given in several visits leaves in one frame. */
static struct leat_filling *
filling_of(leat_core *core, leat_peer *peer)
{
    if (peer->filling == NULL)
        peer->filling = calloc(1, sizeof *peer->filling);
    if (peer->filling != NULL && !leat_list_is_linked(&peer->fed)) {
        peer->filling->peer = peer;
        leat_list_append(&core->fed, &peer->fed);
    }
    return peer->filling;
}

static bool
is_full(const struct leat_filling *f)
{
    return f->effect.grant_count >= GRANT_JOBS_MAX || f->bytes >= GRANT_BYTES_MAX;
}

/* Give one worker its share of one class; true if it got something. */
static bool
feed(leat_core *core, leat_peer *peer)
{
    struct choice choice;
    if (!leat_list_is_linked(&peer->hungry) || !choose(core, peer, &choice))
        return false;
    struct leat_filling *const f = filling_of(core, peer);
    if (f == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return false;
    }
    const leat_durability durability = choice.class->channel->durability;
    if (f->durability != durability || is_full(f))
        close_grant(core, f);
    f->durability = durability;
    const uint32_t fill = fill_of(peer, choice.class);
    const uint64_t quantum = quantum_of(choice.class);
    uint64_t taken = 0;
    while (taken < quantum && !is_full(f) && peer->held < fill &&
           peer->held_bytes <= peer->credit_bytes && may_take(core, peer, &choice)) {
        if (!room(f)) {
            leat_core_fault(core, LEAT_ERR_NOMEM);
            break;
        }
        grant(core, f, leat_class_take(core, choice.class));
        taken++;
    }
    if (peer->suspects > 0)
        close_grant(core, f);
    leat_peer_update_hunger(core, peer);
    return taken > 0;
}

static void
close_grants(leat_core *core)
{
    for (;;) {
        leat_list_node *const node = leat_list_take_first(&core->fed);
        if (node == NULL)
            return;
        close_grant(core, LEAT_CONTAINER_OF(node, leat_peer, fed)->filling);
    }
}

void
leat_dispatch_forget(leat_peer *peer)
{
    if (leat_list_is_linked(&peer->fed))
        leat_list_remove(&peer->fed);
    if (peer->filling != NULL)
        free(peer->filling->effect.grants);
    free(peer->filling);
    peer->filling = NULL;
}

/* ------------------------------------------------------------------------------ messages */

static leat_receiver *
receiver_of(const leat_peer *peer, const leat_channel *channel)
{
    LEAT_LIST_FOREACH (node, &peer->receivers) {
        leat_receiver *const receiver = LEAT_CONTAINER_OF(node, leat_receiver, of_peer);
        if (receiver->channel == channel)
            return receiver;
    }
    return NULL;
}

void
leat_dispatch_receiver_free(leat_core *core, leat_receiver *receiver)
{
    /* What it holds comes back: nobody can take it from here any more. */
    uint32_t index = receiver->peer->lease_head;
    while (index != LEAT_NOBODY) {
        const leat_item *const item = leat_items_at(&core->items, index);
        const leat_class *const class = leat_table_at(&core->classes, item->class);
        const uint32_t next = item->next;
        if ((item->flags & LEAT_ITEM_MESSAGE) != 0 && class->channel == receiver->channel)
            leat_lease_release(core, index);
        index = next;
    }
    leat_list_remove(&receiver->of_peer);
    leat_list_remove(&receiver->of_channel);
    free(receiver);
}

void
leat_dispatch_receiver_credit(leat_core *core, leat_peer *peer, const leat_credit *credit)
{
    leat_err err = LEAT_ERR_OK;
    leat_channel *const channel = leat_channel_ensure(core, credit->channel, &err);
    if (channel == NULL || channel->kind == LEAT_KIND_JOBS) {
        leat_outbox_error(core, peer->route, peer, channel == NULL ? err : LEAT_ERR_WRONG_KIND, 0,
                          channel == NULL ? NULL : "jobs are taken by workers, not received");
        return;
    }
    leat_receiver *receiver = receiver_of(peer, channel);
    if (receiver == NULL) {
        if (credit->items == 0)
            return;
        receiver = calloc(1, sizeof *receiver);
        if (receiver == NULL || peer->wait_count >= LEAT_WAITS_MAX) {
            free(receiver);
            leat_outbox_error(core, peer->route, peer, LEAT_ERR_LIMIT, 0, NULL);
            return;
        }
        receiver->peer = peer;
        receiver->channel = channel;
        leat_list_append(&peer->receivers, &receiver->of_peer);
        leat_list_append(&channel->receivers, &receiver->of_channel);
    }
    receiver->credit = credit->items;
    receiver->told_closed = false;
    if (leat_channel_is_drained(channel))
        leat_dispatch_channel_drained(core, channel);
}

void
leat_dispatch_message_taken(leat_core *core, leat_peer *peer, const leat_item *item)
{
    const leat_class *const class = leat_table_at(&core->classes, item->class);
    leat_receiver *const receiver = receiver_of(peer, class->channel);
    if (receiver != NULL && receiver->held > 0)
        receiver->held--;
}

void
leat_dispatch_channel_drained(leat_core *core, const leat_channel *channel)
{
    if (leat_list_is_empty(&channel->receivers))
        return;
    leat_effect *const effect = leat_outbox_add(core, LEAT_DISK, LEAT_EFFECT_DRAINED);
    if (effect != NULL)
        effect->position = channel->index;
}

void
leat_dispatch_tell_drained(leat_core *core, const leat_channel *channel)
{
    LEAT_LIST_FOREACH (node, &channel->receivers) {
        leat_receiver *const receiver = LEAT_CONTAINER_OF(node, leat_receiver, of_channel);
        leat_peer *const peer = receiver->peer;
        if (receiver->told_closed || receiver->credit == 0 || !leat_peer_can_send(peer))
            continue;
        leat_buf frame = {0};
        leat_frame_begin(&frame, LEAT_CMD_ITEMS);
        const size_t at =
            leat_items_put_messages(&frame, leat_text_of(channel->name), LEAT_ITEMS_CLOSED);
        leat_items_set_messages(&frame, at, 0);
        leat_frame_finish(&frame, 0, 1, 0);
        receiver->told_closed = leat_peer_send(core, peer, &frame);
        leat_buf_fini(&frame);
    }
}

static bool
wants_message(const leat_receiver *receiver)
{
    const leat_peer *const peer = receiver->peer;
    return receiver->held < receiver->credit && peer->route != 0 && !peer->unreachable &&
           !peer->lost && peer->out_unconfirmed_bytes < LEAT_OUT_BYTES &&
           peer->out_sequence - peer->out_seen + peer->grants_waiting < LEAT_OUT_FRAMES - 2;
}

/* Items of a channel of messages, to its receivers in turn. */
static void
deliver(leat_core *core, leat_class *class)
{
    leat_channel *const channel = class->channel;
    uint32_t tried = 0;
    uint32_t receivers = 0;
    LEAT_LIST_FOREACH (node, &channel->receivers)
        receivers++;
    while (class->ready > 0 && tried < receivers) {
        leat_list_node *const node = leat_list_take_first(&channel->receivers);
        assert(node != NULL);
        leat_list_append(&channel->receivers, node);
        leat_receiver *const receiver = LEAT_CONTAINER_OF(node, leat_receiver, of_channel);
        tried++;
        struct leat_filling f = {.peer = receiver->peer, .durability = channel->durability};
        f.effect.messages = true;
        while (class->ready > 0 && wants_message(receiver) &&
               f.effect.grant_count < GRANT_JOBS_MAX && f.bytes < GRANT_BYTES_MAX) {
            if (!room(&f)) {
                leat_core_fault(core, LEAT_ERR_NOMEM);
                break;
            }
            grant(core, &f, leat_class_take(core, class));
            receiver->held++;
            tried = 0;
            if (receivers > 1)
                break; /* the next one is the next receiver's */
        }
        close_grant(core, &f);
        free(f.effect.grants);
    }
}

static void
deliver_messages(leat_core *core)
{
    for (uint32_t w = 0; w < core->active_words; w++) {
        for (uint64_t bits = core->active[w]; bits != 0; bits &= bits - 1) {
            leat_class *const class =
                leat_table_at(&core->classes, w * 64 + (uint32_t)__builtin_ctzll(bits));
            if (class->handler[0] == '\0' && !leat_list_is_empty(&class->channel->receivers))
                deliver(core, class);
        }
    }
}

void
leat_dispatch_match(leat_core *core)
{
    bool progress = true;
    deliver_messages(core);
    while (progress && core->fault == LEAT_ERR_OK) {
        progress = false;
        leat_list waiting;
        leat_list_init(&waiting);
        leat_list_append_all(&waiting, &core->hungry);
        for (;;) { /* each once, and back to the end of the line */
            leat_list_node *const node = leat_list_take_first(&waiting);
            if (node == NULL)
                break;
            leat_list_append(&core->hungry, node);
            if (feed(core, LEAT_CONTAINER_OF(node, leat_peer, hungry)))
                progress = true;
        }
    }
    close_grants(core);
}

/* ------------------------------------------------------------------------------ leaving */

/* A frame of JOBS or messages that is being written from grants and payloads. */
struct writing {
    leat_core *core;
    leat_effect *effect;
    leat_buf frame;
    uint16_t runs;
    uint16_t run_jobs;
    size_t run_at;
    uint32_t class;
    uint64_t batch;
    uint32_t sent;
    bool failed;              /* a job's record could not be read: its grant says attempt 0 */
    const uint8_t *pack_data; /* the pack that the last payload came from, NULL: none */
    leat_pack pack;
    uint32_t pack_left; /* jobs of it behind `job` */
    leat_pack_job job;
};

static void
end_run(struct writing *w)
{
    if (w->runs == 0)
        return;
    if (w->effect->messages)
        leat_items_set_messages(&w->frame, w->run_at, w->run_jobs);
    else
        leat_jobs_set_run(&w->frame, w->run_at, w->run_jobs);
}

static void
start_run(struct writing *w, const leat_item *item, uint64_t batch)
{
    const leat_class *const class = leat_table_at(&w->core->classes, item->class);
    end_run(w);
    w->class = item->class;
    w->batch = batch;
    w->run_jobs = 0;
    w->runs++;
    if (w->effect->messages) {
        w->run_at = leat_items_put_messages(&w->frame, leat_text_of(class->channel->name), 0);
        return;
    }
    const leat_jobs_run run = {
        .channel = leat_text_of(class->channel->name),
        .handler = leat_text_of(class->handler),
        .batch = batch,
        .run_limit_ms = class->run_limit_ms,
    };
    w->run_at = leat_jobs_put_run(&w->frame, &run);
}

/* Find the payload of id in its pack. Ids mostly rise, so the search goes on where it was. */
static bool
find_in_pack(struct writing *w, const leat_fetched *fetched, uint64_t id)
{
    const uint64_t offset = id - fetched->pack_id;
    if (w->pack_data != fetched->data || w->job.offset > offset) {
        if (leat_pack_open(fetched->data, fetched->size, &w->pack) != LEAT_ERR_OK)
            return false;
        w->pack_data = fetched->data;
        w->pack_left = w->pack.count;
        w->job = (leat_pack_job){0};
    }
    while (w->pack_left > 0 && (w->job.payload == NULL || w->job.offset < offset)) {
        leat_pack_next(&w->pack, &w->job);
        w->pack_left--;
    }
    return w->job.payload != NULL && w->job.offset == offset;
}

static void
on_payload(void *context, const leat_fetched *fetched)
{
    struct writing *const w = context;
    leat_grant *const granted = &w->effect->grants[fetched->fetch.cookie];
    leat_item *const item = leat_items_at(&w->core->items, granted->index);

    if (fetched->err != LEAT_ERR_OK || !find_in_pack(w, fetched, granted->id)) {
        granted->attempt = 0;
        w->failed = true;
        return;
    }
    const uint64_t batch =
        item->batch == LEAT_NOBODY
            ? item->id
            : ((const leat_batch *)leat_table_at(&w->core->batches, item->batch))->id;
    if (w->runs == 0 || w->class != item->class || w->batch != batch)
        start_run(w, item, batch);
    const leat_bytes payload = {w->job.payload, w->job.payload_bytes};
    if (w->effect->messages)
        leat_items_put_message(
            &w->frame, &(leat_message){
                           .id = item->id,
                           .flags = (item->flags & LEAT_ITEM_HANDED) != 0 ? LEAT_ITEM_AGAIN : 0,
                           .payload = payload,
                       });
    else
        leat_jobs_put_job(&w->frame, item->id, item->attempt, item->place, payload);
    /* The peer counts what it gets: jobs that left the grant in between have no number. */
    item->number = (uint32_t)(w->effect->position + w->sent++);
    item->flags |= LEAT_ITEM_HANDED;
    w->run_jobs++;
}

/* A record that cannot be read any more: the job ends here, in the open. */
static void
end_unreadable(leat_core *core, uint32_t index)
{
    static const char sentence[] = "its record in the store is damaged";
    leat_item *const item = leat_items_at(&core->items, index);
    leat_peer *const peer = leat_table_at(&core->peers, item->holder);
    leat_lease_unlink(core, peer, index);
    const leat_err err = leat_item_apply(item, LEAT_EVENT_FAIL);
    assert(err == LEAT_ERR_OK || item->state == LEAT_STATE_STOPPING);
    (void)err;
    leat_lease_end(core, index, LEAT_OUTCOME_DEAD, NULL, 0,
                   (leat_bytes){(const uint8_t *)sentence, sizeof sentence - 1});
}

/* Still in this peer's hands, by this grant? */
static bool
is_current(leat_core *core, const leat_peer *peer, const leat_grant *granted)
{
    if (leat_items_find(&core->items, granted->id) != granted->index)
        return false;
    const leat_item *const item = leat_items_at(&core->items, granted->index);
    return item->holder == peer->index && item->attempt == granted->attempt &&
           leat_state_is_held_by_worker((leat_state)item->state);
}

void
leat_dispatch_grant(leat_core *core, const leat_book *book, leat_effect *effect)
{
    leat_peer *const peer = leat_table_get(&core->peers, effect->peer);
    if (peer == NULL)
        return;
    peer->grants_waiting--;
    peer->disk_grants -= book == &core->books[LEAT_DISK];
    leat_peer_update_hunger(core, peer);
    /* A grant of before this HELLO is not sent after it: END will say that it never came. */
    if (peer->route == 0 || peer->unreachable || peer->ended || peer->claiming ||
        peer->welcome_due || effect->connection != peer->connection || effect->grant_count == 0)
        return;

    struct writing w = {.core = core, .effect = effect};
    leat_fetch *const fetches = malloc(effect->grant_count * sizeof *fetches);
    if (fetches == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < effect->grant_count; i++) {
        if (is_current(core, peer, &effect->grants[i]))
            fetches[count++] =
                (leat_fetch){.kind = LEAT_FETCH_JOB, .id = effect->grants[i].id, .cookie = i};
    }
    leat_frame_begin(&w.frame, effect->messages ? LEAT_CMD_ITEMS : LEAT_CMD_JOBS);
    if (!effect->messages)
        leat_jobs_put_head(
            &w.frame, &(leat_jobs_head){.epoch = core->epoch, .first_number = effect->position});
    leat_store *const store = core->books[effect->durability].store;
    if (count > 0 && leat_store_fetch(store, fetches, count, on_payload, &w) != LEAT_ERR_OK)
        leat_core_fault(core, LEAT_ERR_IO);
    free(fetches);
    end_run(&w);
    if (w.runs > 0) {
        leat_frame_finish(&w.frame, 0, w.runs, 0);
        (void)leat_peer_send(core, peer, &w.frame);
    }
    leat_buf_fini(&w.frame);
    for (uint32_t i = 0; i < effect->grant_count && w.failed; i++) {
        if (effect->grants[i].attempt == 0)
            end_unreadable(core, effect->grants[i].index);
    }
}
