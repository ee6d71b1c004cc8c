/* Leases: items in the hands of workers (jobs) and clients (messages), from the grant to their end.
 *
 * A lease belongs to a session and lives as long as its heartbeats come. How it ends decides what
 * it costs: an end that the worker reports is what it says; a release or a drain costs nothing; of
 * a session that is lost, what had not started or only slept costs nothing, what ran in a process
 * of its own costs a loss, and what ran inside the worker's process is a suspect: it comes back
 * uncounted and is handed out alone until it ends, and a loss while alone counts. */
#include "broker/core/lease.h"

#include "broker/core/batch.h"
#include "broker/core/channel.h"
#include "broker/core/checkpoint.h"
#include "broker/core/class.h"
#include "broker/core/cursor.h"
#include "broker/core/dead.h"
#include "broker/core/failure.h"
#include "broker/core/follow.h"
#include "broker/core/hand.h"
#include "broker/core/link.h"
#include "broker/core/peer.h"
#include "broker/core/receiver.h"
#include "broker/core/room.h"
#include "broker/core/share.h"
#include "broker/core/stop.h"
#include "broker/core/tally.h"
#include "broker/core/terms.h"
#include "broker/core/unique.h"
#include "broker/core/watch.h"
#include "broker/core/window.h"

leat_durability
leat_item_durability(const leat_core *core, const leat_item *item)
{
    return leat_class_of(core, item)->channel->durability;
}

static leat_batch *
batch_of(const leat_core *core, const leat_item *item)
{
    return item->batch == LEAT_NOBODY ? NULL : leat_table_at(&core->batches, item->batch);
}

void
leat_lease_write_item(leat_core *core, const leat_item *item)
{
    if (leat_item_durability(core, item) != LEAT_DISK)
        return;
    const leat_turn_entry entry = {
        .id = item->id,
        .state = item->state,
        .flags = item->flags & (LEAT_ITEM_SUSPECT | LEAT_ITEM_HANDED),
        .attempt = item->attempt,
        .failed = item->failed,
        .lost = item->lost,
        .snoozed = item->snoozed,
        .due_wall_ms = item->state == LEAT_STATE_DELAYED ? (uint64_t)leat_delay_of(core, item) : 0,
    };
    leat_turn_put_item(&core->books[LEAT_DISK].turn, &entry);
}

/* ------------------------------------------------------------------------------ the list */

void
leat_lease_append(leat_core *core, leat_peer *peer, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    const leat_terms *const terms = leat_terms_of(core, item);
    leat_class *const class = terms->class;
    leat_batch *const batch = batch_of(core, item);

    item->holder = peer->index;
    item->prev = peer->lease_tail;
    item->next = LEAT_NOBODY;
    if (peer->lease_tail == LEAT_NOBODY)
        peer->lease_head = index;
    else
        leat_items_at(&core->items, peer->lease_tail)->next = index;
    peer->lease_tail = index;
    peer->held++;
    peer->held_bytes += item->payload_bytes;
    if ((item->flags & LEAT_ITEM_SUSPECT) != 0)
        peer->suspects++;
    class->running++;
    class->channel->running++;
    if (terms->run_limit_ms > 0)
        peer->limited++;
    if (terms->key != NULL)
        leat_key_count(core, terms->key, true);
    if (class->need_count > 0)
        leat_class_use(peer, class, true);
    if (batch != NULL)
        batch->running++;
}

void
leat_lease_unlink(leat_core *core, leat_peer *peer, uint32_t index, uint64_t run_us)
{
    leat_item *const item = leat_items_at(&core->items, index);
    const leat_terms *const terms = leat_terms_of(core, item);
    leat_class *const class = terms->class;
    leat_batch *const batch = batch_of(core, item);
    assert(item->holder == peer->index);

    if (item->prev == LEAT_NOBODY)
        peer->lease_head = item->next;
    else
        leat_items_at(&core->items, item->prev)->next = item->next;
    if (item->next == LEAT_NOBODY)
        peer->lease_tail = item->prev;
    else
        leat_items_at(&core->items, item->next)->prev = item->prev;
    item->next = item->prev = LEAT_NOBODY;
    item->holder = LEAT_NOBODY;
    item->flags &= (uint8_t) ~(LEAT_ITEM_CLAIMED | LEAT_ITEM_STARTED);
    peer->held--;
    peer->held_bytes -= item->payload_bytes;
    if ((item->flags & LEAT_ITEM_SUSPECT) != 0)
        peer->suspects--;
    class->running--;
    class->channel->running--;
    if (terms->run_limit_ms > 0)
        peer->limited--;
    if (class->need_count > 0)
        leat_class_use(peer, class, false);
    if (batch != NULL)
        batch->running--;
    if ((item->flags & LEAT_ITEM_MESSAGE) != 0) {
        leat_receiver_message_taken(core, peer, item);
        item->flags &= (uint8_t)~LEAT_ITEM_SELECTED;
    } else if ((item->flags & LEAT_ITEM_TELLS) != 0) {
        leat_watch_forget(core, item);
    }
    leat_share_settle(core, item, run_us);
    if (terms->key != NULL)
        leat_key_count(core, terms->key, false);
    leat_peer_update_hunger(core, peer);
}

/* ------------------------------------------------------------------------------ endings */

/* The item's state is final: it leaves memory, and the store when its chunk has nobody left. */
static void
remove_item(leat_core *core, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    const leat_durability durability = leat_item_durability(core, item);
    leat_terms *const terms = leat_terms_of(core, item);
    const uint64_t chunk = item->id / LEAT_CHUNK_IDS;
    leat_room_keep_promise(core, item);
    if (leat_items_remove(&core->items, index))
        leat_hand_clear(core, durability, chunk);
    leat_terms_drop(core, terms);
}

/* Its completion goes to its batch and to those that have joined it, and what follows it is
 * submitted; or a recover job is, and then that one's end is the completion. */
static void
end_job(leat_core *core,
        uint32_t index,
        leat_outcome outcome,
        leat_peer *worker,
        uint64_t run_us,
        leat_bytes result)
{
    leat_item *const item = leat_items_at(&core->items, index);
    const leat_terms *const terms = leat_terms_of(core, item);
    const bool plain = !terms->follows && !terms->unique && (item->flags & LEAT_ITEM_JOINED) == 0;
    if (!plain && leat_follow_end(core, index, outcome, worker, run_us, result)) {
        leat_lease_write_item(core, item); /* its end, without a completion */
        if (LEAT_FAULT(RECOVER_TWICE))
            leat_batch_complete(core, item, item->batch, item->place, outcome, worker, run_us,
                                result);
        leat_unique_end(core, item, outcome, worker, run_us, result);
        leat_link_drop(core, item);
        return;
    }
    if (outcome == LEAT_OUTCOME_DEAD)
        leat_dead_add(core, item, result);
    leat_batch_complete(core, item, item->batch, item->place, outcome, worker, run_us, result);
    if (plain)
        return;
    const leat_link *const link = leat_link_of(core, item);
    if (link != NULL && link->recovers != 0)
        leat_lease_write_item(core, item); /* the completion is another job's: its own end */
    for (uint32_t i = 0; link != NULL && i < link->count; i++)
        leat_batch_complete(core, item, link->joins[i].batch, link->joins[i].place, outcome, worker,
                            run_us, result);
    leat_unique_end(core, item, outcome, worker, run_us, result);
    leat_link_drop(core, item);
}

void
leat_lease_end(leat_core *core,
               uint32_t index,
               leat_outcome outcome,
               leat_peer *worker,
               uint64_t run_us,
               leat_bytes result)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_channel *const channel = leat_class_of(core, item)->channel;
    assert(leat_state_is_final((leat_state)item->state));

    if (outcome == LEAT_OUTCOME_DONE)
        channel->done++;
    if ((item->flags & LEAT_ITEM_MESSAGE) != 0)
        leat_lease_write_item(core, item); /* a message leaves no completion, only its end */
    else
        end_job(core, index, outcome, worker, run_us, result);
    if ((item->flags & (LEAT_ITEM_TELLS | LEAT_ITEM_FAILED)) !=
        0) { /* of a message none is found */
        leat_checkpoint_drop(core, item);
        leat_failure_drop(core, item);
    }
    remove_item(core, index);
    if (channel->closed && leat_channel_is_drained(channel))
        leat_receiver_channel_drained(core, channel);
}

/* Has its batch been given up while it ran? */
static bool
is_given_up(const leat_core *core, const leat_item *item)
{
    const leat_batch *const batch = batch_of(core, item);
    return (batch != NULL && item->id <= batch->cancel_upto && !leat_link_is_shared(core, item)) ||
           item->id <= leat_class_of(core, item)->channel->purged_upto;
}

/* Ready again: unless it is too late for that, back to its old place. */
static void
settle_ready(leat_core *core, uint32_t index, leat_peer *worker)
{
    leat_item *const item = leat_items_at(&core->items, index);
    const bool expired = leat_terms_are_over(core, leat_terms_of(core, item));
    leat_class_of(core, item)->channel->released++;
    if (expired || is_given_up(core, item)) {
        leat_item_must(item, expired ? LEAT_EVENT_EXPIRE : LEAT_EVENT_CANCEL);
        leat_lease_end(core, index, expired ? LEAT_OUTCOME_EXPIRED : LEAT_OUTCOME_CANCELLED, worker,
                       0, (leat_bytes){0});
        return;
    }
    if (LEAT_FAULT(RETURN_LAST))
        leat_line_append(core, index);
    else
        leat_line_return(core, index);
    leat_lease_write_item(core, item);
}

/* What the item's new state asks for, after it has left its holder's hands. */
static void
settle(leat_core *core, uint32_t index, leat_peer *worker, uint64_t run_us, leat_bytes result)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_outcome outcome = LEAT_OUTCOME_DEAD;

    switch ((leat_state)item->state) {
    case LEAT_STATE_READY:
        settle_ready(core, index, worker);
        return;
    case LEAT_STATE_DONE:
        outcome = LEAT_OUTCOME_DONE;
        break;
    case LEAT_STATE_DEAD:
        break;
    case LEAT_STATE_CANCELLED:
        outcome = LEAT_OUTCOME_CANCELLED;
        break;
    case LEAT_STATE_HELD:
    case LEAT_STATE_DELAYED:
    case LEAT_STATE_LEASED:
    case LEAT_STATE_STOPPING:
    case LEAT_STATE_OVERDUE:
    case LEAT_STATE_EXPIRED:
    case LEAT_STATE_SKIPPED:
        assert(false && "not a state that a lease ends in");
    }
    leat_lease_end(core, index, outcome, worker, run_us, result);
}

/* The first wait doubled with each failure, of which a random part between half and all is waited.
 */
static int64_t
back_off_ms(leat_core *core, const leat_item *item)
{
    const leat_terms *const terms = leat_terms_of(core, item);
    const unsigned n = item->failed == 0 ? 0 : item->failed - 1U;
    uint64_t ms = terms->backoff_min_ms;
    for (unsigned i = 0; i < n && ms < terms->backoff_max_ms; i++)
        ms *= 2;
    if (ms > terms->backoff_max_ms)
        ms = terms->backoff_max_ms;
    const uint64_t half = (ms + 1) / 2;
    return (int64_t)(half + leat_random_below(&core->random, ms - half + 1));
}

/* The attempt has failed (or timed out); the item is out of its holder's hands already. */
static void
fail(leat_core *core,
     uint32_t index,
     leat_peer *worker,
     leat_attempt_end end,
     bool fatal,
     uint64_t run_us,
     leat_bytes result)
{
    leat_item *const item = leat_items_at(&core->items, index);
    const bool again =
        !fatal && item->failed + !LEAT_FAULT(ONE_MORE) < leat_terms_of(core, item)->failures;
    leat_item_must(item, again ? LEAT_EVENT_RETRY : LEAT_EVENT_FAIL);
    if (item->state != LEAT_STATE_CANCELLED)
        leat_failure_note(core, item, end, worker, run_us, result);
    if (item->state == LEAT_STATE_DELAYED && is_given_up(core, item)) {
        leat_item_must(item, LEAT_EVENT_CANCEL);
        leat_lease_end(core, index, LEAT_OUTCOME_CANCELLED, worker, run_us, result);
    } else if (item->state == LEAT_STATE_DELAYED &&
               leat_terms_are_over(core, leat_terms_of(core, item))) {
        leat_item_must(item, LEAT_EVENT_EXPIRE);
        leat_lease_end(core, index, LEAT_OUTCOME_EXPIRED, worker, run_us, result);
    } else if (item->state == LEAT_STATE_DELAYED) {
        leat_lease_delay(core, index, back_off_ms(core, item));
    } else {
        settle(core, index, worker, run_us, result);
    }
}

void
leat_lease_time_out(leat_core *core, uint32_t index, leat_peer *worker)
{
    static const char sentence[] = "it ran longer than its limit";
    if (worker != NULL)
        leat_tally_count(core, worker, leat_class_of(core, leat_items_at(&core->items, index)),
                         true);
    fail(core, index, worker, LEAT_ATTEMPT_TIMEOUT, false, 0,
         (leat_bytes){(const uint8_t *)sentence, sizeof sentence - 1});
}

void
leat_lease_release(leat_core *core, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_peer *const peer = leat_table_at(&core->peers, item->holder);
    leat_lease_unlink(core, peer, index, 0);
    if (item->state == LEAT_STATE_OVERDUE) {
        leat_lease_time_out(core, index, peer);
        return;
    }
    leat_item_must(item, LEAT_EVENT_RELEASE);
    settle(core, index, peer, 0, (leat_bytes){0});
}

/* ------------------------------------------------------------------------------ delays */

/* The heap of delays has the due time; the item keeps only its place in the heap. */
int64_t
leat_delay_of(const leat_core *core, const leat_item *item)
{
    assert(item->state == LEAT_STATE_DELAYED);
    return core->delayed.entries[item->next].key;
}

static void
count_delayed(leat_core *core, const leat_item *item, bool more)
{
    leat_batch *const batch = batch_of(core, item);
    leat_channel *const channel = leat_class_of(core, item)->channel;
    if (more)
        channel->delayed++;
    else
        channel->delayed--;
    if (batch == NULL)
        return;
    if (more)
        batch->delayed++;
    else
        batch->delayed--;
}

void
leat_lease_delay_until(leat_core *core, uint32_t index, int64_t due_wall_ms)
{
    leat_item *const item = leat_items_at(&core->items, index);
    assert(item->state == LEAT_STATE_DELAYED);
    if (leat_heap_reserve(&core->delayed, core->delayed.count + 1U) != LEAT_ERR_OK) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    leat_heap_push(&core->delayed, due_wall_ms, index);
    count_delayed(core, item, true);
}

void
leat_lease_delay(leat_core *core, uint32_t index, int64_t delay_ms)
{
    leat_lease_delay_until(core, index, core->now.wall_ms + delay_ms);
    leat_lease_write_item(core, leat_items_at(&core->items, index));
}

void
leat_lease_undelay(leat_core *core, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    assert(item->state == LEAT_STATE_DELAYED);
    count_delayed(core, item, false);
    leat_heap_remove(&core->delayed, item->next);
    item->next = LEAT_NOBODY;
}

void
leat_lease_due(leat_core *core)
{
    for (uint32_t budget = LEAT_TURN_ENDS_MAX; budget > 0; budget--) {
        if (leat_heap_is_empty(&core->delayed) ||
            leat_heap_first(&core->delayed).key >
                core->now.wall_ms + (LEAT_FAULT(TOO_SOON) ? 1000 : 0))
            return;
        const uint32_t index = leat_heap_pop(&core->delayed).handle;
        leat_item *const item = leat_items_at(&core->items, index);
        count_delayed(core, item, false);
        item->next = LEAT_NOBODY;
        item->since_s = (uint32_t)(core->now.wall_ms / 1000);
        leat_item_must(item, LEAT_EVENT_DUE);
        leat_line_return(core, index);
        leat_lease_write_item(core, item);
    }
}

/* ------------------------------------------------------------------------------ a worker is gone
 */

int
leat_lease_runs(const leat_core *core, const leat_peer *peer, const leat_item *item)
{
    const leat_class *const class = leat_class_of(core, item);
    for (uint32_t i = 0; i < peer->handler_count; i++) {
        if (strcmp(peer->handlers[i].name, class->handler) == 0)
            return (int)peer->handlers[i].runs;
    }
    return LEAT_RUNS_POOL; /* not known (yet) after a restart: the careful answer */
}

static bool
had_started(const leat_peer *peer, const leat_item *item)
{
    /* Before the end of its claims a worker has said of single jobs only that they run. A lower
     * number does not tell then: the job may have been on its way when the connection went. */
    if (peer->claiming)
        return (item->flags & LEAT_ITEM_STARTED) != 0;
    /* 32 bits of a rising number: the difference tells which is higher. */
    return (int32_t)((uint32_t)peer->started - item->number) >= 0;
}

static void
lose_one(leat_core *core, leat_peer *peer, uint32_t index, bool died)
{
    static const char poison[] = "its worker died each time while it ran";
    static const char gone[] = "its worker was lost";
    leat_item *const item = leat_items_at(&core->items, index);
    const int runs = leat_lease_runs(core, peer, item);
    const bool inside = runs == LEAT_RUNS_INLINE || runs == LEAT_RUNS_POOL;
    const bool suspect = (item->flags & LEAT_ITEM_SUSPECT) != 0;
    const bool message = (item->flags & LEAT_ITEM_MESSAGE) != 0;
    const leat_bytes cause = {(const uint8_t *)gone, sizeof gone - 1};
    bool counts = false;

    if (died && !message && (runs != LEAT_RUNS_TIMER || LEAT_FAULT(SLEEP_COUNTS))) {
        if (inside)
            counts = suspect;
        else
            counts = LEAT_FAULT(ALL_COUNT) || had_started(peer, item);
    }
    if (!counts) {
        /* Inside the worker's own process a start that was not reported may have happened. */
        const bool blame = died && !message && inside;
        leat_lease_unlink(core, peer, index, 0);
        if (blame)
            item->flags |= LEAT_ITEM_SUSPECT;
        if (item->state == LEAT_STATE_OVERDUE) {
            leat_lease_time_out(core, index, peer);
            return;
        }
        leat_item_must(item, LEAT_EVENT_RELEASE);
        if (blame && item->state != LEAT_STATE_CANCELLED)
            leat_failure_note(core, item, LEAT_ATTEMPT_SUSPECT, peer, 0, cause);
        settle(core, index, peer, 0, (leat_bytes){0});
        return;
    }
    leat_lease_unlink(core, peer, index, 0);
    if (item->state == LEAT_STATE_OVERDUE) {
        leat_lease_time_out(core, index, peer);
        return;
    }
    leat_item_must(item, item->lost + 1U < leat_terms_of(core, item)->losses ? LEAT_EVENT_LOSE
                                                                             : LEAT_EVENT_POISON);
    if (item->state != LEAT_STATE_CANCELLED)
        leat_failure_note(core, item, LEAT_ATTEMPT_LOST, peer, 0, cause);
    leat_tally_count(core, peer, leat_class_of(core, item), true);
    settle(core, index, peer, 0, (leat_bytes){(const uint8_t *)poison, sizeof poison - 1});
}

void
leat_lease_return_all(leat_core *core, leat_peer *peer, bool died)
{
    while (peer->lease_head != LEAT_NOBODY)
        lose_one(core, peer, peer->lease_head, died);
}

/* ------------------------------------------------------------------------------ what peers say */

uint32_t
leat_lease_of(leat_core *core, const leat_peer *peer, const leat_token *token)
{
    const uint32_t index = leat_items_find(&core->items, token->id);
    if (index == LEAT_NOBODY)
        return LEAT_NOBODY;
    const leat_item *const item = leat_items_at(&core->items, index);
    if (LEAT_FAULT(NO_HOLDER) && leat_state_is_held_by_worker((leat_state)item->state))
        return index;
    if (!leat_state_is_held_by_worker((leat_state)item->state) || item->holder != peer->index ||
        (!LEAT_FAULT(NO_TOKEN) &&
         (item->attempt != token->attempt || core->epochs[item->epoch] != token->epoch)))
        return LEAT_NOBODY;
    return index;
}

void
leat_acking_except(struct leat_acking *acking, const leat_token *token, leat_err err)
{
    if (acking->acked.exceptions == UINT16_MAX)
        return;
    acking->acked.exceptions++;
    leat_acked_put_exception(&acking->exceptions,
                             &(leat_acked_exception){token->id, token->attempt, (uint16_t)err});
}

void
leat_acking_finish(leat_core *core, leat_peer *peer, uint64_t sequence, struct leat_acking *acking)
{
    leat_buf record = {0};
    acking->acked.sequence = sequence;
    leat_acked_put(&record, &acking->acked);
    leat_put_bytes(&record, acking->exceptions.data, acking->exceptions.size);
    record.failed |= acking->exceptions.failed;
    leat_window_decide(core, peer, sequence, LEAT_CMD_ACKED, &record, acking->depends);
    leat_buf_fini(&record);
    leat_buf_fini(&acking->exceptions);
}

void
leat_lease_on_started(leat_core *core, leat_peer *peer, uint64_t started)
{
    const uint64_t before = peer->started;
    if (started <= before || started >= peer->next_number)
        return;
    peer->started = started;
    leat_stop_on_started(core, peer, before);
}

static void
end_attempt(leat_core *core, leat_peer *peer, uint32_t index, const leat_done *done)
{
    leat_item *const item = leat_items_at(&core->items, index);
    leat_lease_unlink(core, peer, index, done->run_us);
    leat_class_ran(leat_class_of(core, item), done->run_us);
    item->flags &= (uint8_t)~LEAT_ITEM_SUSPECT; /* it has shown that it ends */
    peer->jobs_done++;
    leat_tally_count(core, peer, leat_class_of(core, item), done->end != LEAT_END_DONE);
    if (done->end == LEAT_END_DONE) {
        leat_item_must(item, LEAT_EVENT_FINISH);
        settle(core, index, peer, done->run_us, done->result);
    } else {
        fail(core, index, peer, LEAT_ATTEMPT_FAILED, done->end == LEAT_END_FATAL, done->run_us,
             done->result);
    }
}

void
leat_lease_on_done(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    uint64_t started;
    leat_reader records;
    struct leat_acking reply = {0};
    const leat_err err = leat_done_open(body, size, frame->count, &started, &records);
    if (err != LEAT_ERR_OK) {
        leat_core_refuse_body(core, peer, frame, err);
        return;
    }
    leat_lease_on_started(core, peer, started);
    for (uint16_t i = 0; i < frame->count; i++) {
        leat_done done;
        leat_done_next(&records, &done);
        const uint32_t index = leat_lease_of(core, peer, &done.token);
        if (index == LEAT_NOBODY) {
            if (peer->orphans > 0)
                peer->orphans--; /* a run that was ended by force has come to its end */
            leat_acking_except(&reply, &done.token, LEAT_ERR_STALE);
            continue;
        }
        const leat_item *const item = leat_items_at(&core->items, index);
        if (leat_room_ask_result(core, item, done.end != LEAT_END_DONE, done.result.size) !=
            LEAT_ERR_OK) {
            /* The worker keeps it, and asks again. */
            leat_acking_except(&reply, &done.token, LEAT_ERR_NO_SPACE);
            continue;
        }
        if (leat_item_durability(core, item) == LEAT_DISK)
            reply.depends = true;
        end_attempt(core, LEAT_FAULT(NO_HOLDER) ? leat_table_at(&core->peers, item->holder) : peer,
                    index, &done);
    }
    leat_acking_finish(core, peer, frame->sequence, &reply);
}

static void
snooze(leat_core *core, leat_peer *peer, uint32_t index, uint64_t delay_ms)
{
    static const char out[] = "it asked for later too often";
    leat_item *const item = leat_items_at(&core->items, index);
    leat_lease_unlink(core, peer, index, 0);
    if (item->state == LEAT_STATE_OVERDUE) {
        leat_lease_time_out(core, index, peer);
        return;
    }
    const bool again = item->snoozed + 1U < leat_terms_of(core, item)->snoozes;
    const leat_bytes cause = {(const uint8_t *)out, sizeof out - 1};
    leat_item_must(item, again ? LEAT_EVENT_SNOOZE : LEAT_EVENT_SNOOZED_OUT);
    if (item->state == LEAT_STATE_DEAD)
        leat_failure_note(core, item, LEAT_ATTEMPT_SNOOZED, peer, 0, cause);
    if (item->state == LEAT_STATE_DELAYED && is_given_up(core, item))
        leat_item_must(item, LEAT_EVENT_CANCEL);
    if (item->state == LEAT_STATE_DELAYED)
        leat_lease_delay(core, index, (int64_t)delay_ms);
    else
        settle(core, index, peer, 0, cause);
}

static void
stop_stale(leat_core *core, leat_peer *peer, const leat_token *tokens, uint16_t count)
{
    if (count == 0 || !leat_peer_can_send(peer))
        return; /* it will hear STALE when it reports */
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_STOP);
    for (uint16_t i = 0; i < count; i++)
        leat_tokens_put(LEAT_CMD_STOP, &frame,
                        &(leat_token_record){.token = tokens[i], .reason = LEAT_STOP_STALE});
    leat_frame_finish(&frame, 0, count, 0);
    (void)leat_peer_send(core, peer, &frame);
    leat_buf_fini(&frame);
}

static void
on_claims(leat_core *core, leat_peer *peer, uint16_t count, leat_reader *records)
{
    leat_token stale[256];
    uint16_t stale_count = 0;
    for (uint16_t i = 0; i < count; i++) {
        leat_token_record claim;
        leat_tokens_next(LEAT_CMD_CLAIM, records, &claim);
        const uint32_t index = leat_lease_of(core, peer, &claim.token);
        if (index != LEAT_NOBODY) {
            leat_item *const item = leat_items_at(&core->items, index);
            if (!LEAT_FAULT(CLAIMS_IGNORED))
                item->flags |= LEAT_ITEM_CLAIMED;
            if (claim.started != 0) {
                item->flags |= LEAT_ITEM_STARTED;
                leat_lease_on_started(
                    core, peer, peer->next_number - ((uint32_t)peer->next_number - item->number));
            }
            continue;
        }
        stale[stale_count++] = claim.token;
        if (stale_count == sizeof stale / sizeof *stale) {
            stop_stale(core, peer, stale, stale_count);
            stale_count = 0;
        }
    }
    stop_stale(core, peer, stale, stale_count);
}

/* The worker has named everything that it has: the rest was never delivered to it. */
static void
on_end_of_claims(leat_core *core, leat_peer *peer)
{
    uint32_t index = peer->lease_head;
    while (peer->claiming && index != LEAT_NOBODY) {
        leat_item *const item = leat_items_at(&core->items, index);
        const uint32_t next = item->next;
        if ((item->flags & LEAT_ITEM_CLAIMED) == 0)
            leat_lease_release(core, index);
        else
            item->flags &= (uint8_t)~LEAT_ITEM_CLAIMED;
        index = next;
    }
    peer->claiming = false;
    leat_stop_again(core, peer);
    leat_peer_update_hunger(core, peer);
}

void
leat_lease_on_tokens(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    struct leat_acking reply = {0};
    const leat_err err = leat_tokens_open(frame->command, body, size, frame->count, &records);
    if (err != LEAT_ERR_OK) {
        leat_core_refuse_body(core, peer, frame, err);
        return;
    }
    if (frame->command == LEAT_CMD_CLAIM) {
        on_claims(core, peer, frame->count, &records);
        return;
    }
    if (frame->command == LEAT_CMD_END) {
        on_end_of_claims(core, peer);
        return;
    }
    for (uint16_t i = 0; i < frame->count; i++) {
        leat_token_record record;
        leat_tokens_next(frame->command, &records, &record);
        const uint32_t index = leat_lease_of(core, peer, &record.token);
        if (index == LEAT_NOBODY) {
            if (frame->command == LEAT_CMD_RELEASE && peer->orphans > 0)
                peer->orphans--; /* as with DONE */
            leat_acking_except(&reply, &record.token, LEAT_ERR_STALE);
            continue;
        }
        if (leat_item_durability(core, leat_items_at(&core->items, index)) == LEAT_DISK)
            reply.depends = true;
        if (frame->command == LEAT_CMD_RELEASE) {
            peer->recalled -= peer->recalled > 0;
            leat_lease_release(core, index);
        } else {
            snooze(core, peer, index, record.delay_ms);
        }
    }
    leat_acking_finish(core, peer, frame->sequence, &reply);
}

/* ------------------------------------------------------------------------------ messages */

/* Does peer hold this message? Which client held which message is not on disk. What was handed out
 * by an earlier process of this broker and waits again is taken from its line for a session that
 * says that it has had it. */
static bool
may_acknowledge(leat_core *core, leat_peer *peer, uint32_t index)
{
    leat_item *const item = leat_items_at(&core->items, index);
    if ((item->flags & LEAT_ITEM_MESSAGE) == 0)
        return false;
    if (item->state == LEAT_STATE_READY && item->id < core->first_id_of_life && peer->resumed &&
        (item->flags & LEAT_ITEM_RETURNED) == 0) {
        leat_line_remove(core, index);
        leat_item_must(item, LEAT_EVENT_LEASE);
        leat_share_adopt(core, item);
        leat_lease_append(core, peer, index);
    }
    /* A select that is to have it again has no other answer: it was of no use to say so before. */
    if ((item->flags & LEAT_ITEM_SELECTED) != 0 && (item->flags & LEAT_ITEM_ANSWERED) == 0)
        return false;
    return item->holder == peer->index && leat_state_is_held_by_worker((leat_state)item->state);
}

void
leat_lease_on_ack(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    struct leat_acking reply = {0};
    const leat_err err = leat_ack_open(body, size, frame->count, &records);
    if (err != LEAT_ERR_OK) {
        leat_core_refuse_body(core, peer, frame, err);
        return;
    }
    for (uint16_t i = 0; i < frame->count; i++) {
        leat_ack ack;
        leat_ack_next(&records, &ack);
        if (ack.kind == LEAT_ACK_BATCH) {
            leat_cursor_ack(core, peer, ack.id, ack.position);
            continue;
        }
        const uint32_t index = leat_items_find(&core->items, ack.id);
        leat_item *const item = index == LEAT_NOBODY ? NULL : leat_items_at(&core->items, index);
        if (item == NULL || !may_acknowledge(core, peer, index)) {
            leat_acking_except(&reply, &(leat_token){.id = ack.id}, LEAT_ERR_STALE);
            continue;
        }
        if (leat_item_durability(core, item) == LEAT_DISK)
            reply.depends = true;
        leat_lease_unlink(core, peer, index, 0);
        leat_item_must(item, LEAT_EVENT_FINISH);
        leat_lease_end(core, index, LEAT_OUTCOME_DONE, NULL, 0, (leat_bytes){0});
    }
    if (frame->sequence > 0)
        leat_acking_finish(core, peer, frame->sequence, &reply);
    else
        leat_buf_fini(&reply.exceptions);
}
