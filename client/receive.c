/* Receiving: messages taken out of channels, held until the program comes back for more.
 *
 *   CREDIT {items, receives}   items: so many may be here and not acknowledged (a channel without
 *                              capacity); receives: so many receives were begun on this connection
 *                              (a channel with one). The library does not know which kind it has
 *                              to do with, so it says both.
 *   begun > served             a receive stands at the broker: somebody may hand over to it
 *   asked                      the broker may send. What was begun and what was served begin anew
 *                              with each connection.
 *
 * A receive that is given up is withdrawn, and what the broker had handed out before it read that
 * arrives in front of its answer. A lost connection withdraws everything: what was not acknowledged
 * goes back to its channel, also what lies here unread. If such a message comes here again and the
 * program has had it, it is acknowledged and not shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"

#define WINDOW_MAX     256U /* messages that are fetched ahead */
#define WINDOW_WORK_MS 5    /* … as many as the program takes in this time */

struct leat_receiver {
    leat_list_node node;
    char channel[LEAT_NAME_BYTES_MAX + 1];
    leat_list messages; /* leat_received that nobody has seen, by id */
    bool asked;
    bool wanted;    /* the receive that stands is to go on after a reconnect */
    bool is_closed; /* nothing more will come */
    uint64_t begun;
    uint64_t served;
    uint32_t withdrawals; /* not answered */
    uint32_t window;      /* items of the next CREDIT */
    uint32_t taken;       /* messages since the last one … */
    int64_t worked_ms;    /* … and how long the program was busy with them */
    int64_t shown_ms;     /* when it was given the last one */
};

/* ------------------------------------------------------------------------- finding, making */

static leat_receiver *
find_receiver(leat *self, const char *channel, size_t size)
{
    LEAT_LIST_FOREACH (node, &self->receivers) {
        leat_receiver *const found = LEAT_CONTAINER_OF(node, leat_receiver, node);
        if (strlen(found->channel) != size || memcmp(found->channel, channel, size) != 0)
            continue;
        if (node != leat_list_first(&self->receivers)) { /* likely the next one, too */
            leat_list_remove(node);
            leat_list_prepend(&self->receivers, node);
        }
        return found;
    }
    return NULL;
}

leat_receiver *
leat_receiver_need(leat *self, const char *channel, size_t size)
{
    leat_receiver *found = find_receiver(self, channel, size);
    if (found != NULL)
        return found;
    found = calloc(1, sizeof *found);
    if (found == NULL)
        return NULL;
    memcpy(found->channel, channel, size);
    found->window = 1;
    leat_list_init(&found->messages);
    leat_list_prepend(&self->receivers, &found->node);
    return found;
}

bool
leat_receiver_has(const leat_receiver *from)
{
    return !leat_list_is_empty(&from->messages);
}

/* ------------------------------------------------------------------------ talking to the broker */

static void
say_credit(leat *self, leat_receiver *from, uint32_t items)
{
    from->asked = items > 0;
    const leat_credit credit = {.kind = LEAT_CREDIT_RECV,
                                .channel = leat_text_of(from->channel),
                                .items = items,
                                .receives = from->begun};
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_CREDIT);
    leat_credit_put(&frame, &credit);
    leat_say(self, &frame, 1);
}

/* How far to fetch ahead: as much as the program takes in WINDOW_WORK_MS, with a slow start. */
static void
adapt_window(leat_receiver *from)
{
    if (from->taken == 0)
        return;
    const uint64_t worked_ms = (uint64_t)from->worked_ms;
    const uint64_t fits =
        worked_ms == 0 ? WINDOW_MAX : (uint64_t)WINDOW_WORK_MS * from->taken / worked_ms;
    uint64_t window = (uint64_t)from->window * 2;
    window = window < fits ? window : fits;
    window = window < WINDOW_MAX ? window : WINDOW_MAX;
    from->window = window > 0 ? (uint32_t)window : 1;
    from->taken = 0;
    from->worked_ms = 0;
}

/* Have a receive stand at the broker. */
static void
begin_receive(leat *self, leat_receiver *from)
{
    if (!leat_is_up(self) || (from->asked && from->begun > from->served))
        return;
    adapt_window(from);
    from->begun = from->served + 1;
    say_credit(self, from, from->window);
}

void
leat_receiver_stop(leat *self, leat_receiver *from)
{
    from->wanted = false;
    if (self->fetching == from)
        self->fetching = NULL;
    if (!from->asked)
        return;
    from->begun = from->served;
    if (leat_is_up(self))
        say_credit(self, from, 0); /* what is on its way is kept */
    from->asked = false;
}

static void
withdraw_receive(leat *self, leat_receiver *from)
{
    from->wanted = false;
    if (!from->asked || !leat_is_up(self))
        return;
    const leat_withdraw withdraw = {.kind = LEAT_WITHDRAW_RECV,
                                    .channel = leat_text_of(from->channel)};
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_WITHDRAW);
    leat_withdraw_put(&frame, &withdraw);
    leat_say(self, &frame, 1);
    from->asked = false;
    from->begun = from->served;
    from->withdrawals++;
}

/* -------------------------------------------------------------------------- acknowledging */

void
leat_acks_flush(leat *self)
{
    leat_acks *const acks = &self->acks;
    if (acks->count == 0 || !leat_has_room(self, 0))
        return;
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_ACK);
    for (uint32_t i = 0; i < acks->count; i++)
        leat_ack_put(&frame, &(leat_ack){.kind = LEAT_ACK_MESSAGE, .id = acks->ids[i]});
    if (!frame.failed)
        leat_frame_finish(&frame, 0, (uint16_t)acks->count, 0);
    if (leat_post(self, &frame) != NULL)
        acks->count = 0; /* else there was no memory: again with the next one */
}

static void
acknowledge(leat *self, uint64_t id)
{
    leat_acks *const acks = &self->acks;
    if (id == 0)
        return;
    if (acks->count == LEAT_ACKS_MAX)
        leat_acks_flush(self);
    if (acks->count < LEAT_ACKS_MAX) /* else it comes back, to somebody */
        acks->ids[acks->count++] = id;
}

void
leat_received_drop(leat *self, leat_received **received_p)
{
    leat_received *const received = *received_p;
    *received_p = NULL;
    if (received == NULL)
        return;
    received->from->worked_ms += leat_clock_mono_ms() - received->from->shown_ms;
    acknowledge(self, received->message.id);
    leat_shared_drop(&received->shared);
    free(received);
}

leat_status
leat_acknowledge(leat *self)
{
    leat_begin(self);
    if (self->taken != NULL) {
        acknowledge(self, self->taken->message.id);
        self->taken->message.id = 0;
    }
    leat_acks_flush(self);
    return LEAT_OK;
}

static bool
was_shown(const leat *self, uint64_t id)
{
    for (uint32_t i = 0; i < LEAT_SHOWN_MAX; i++)
        if (self->acks.shown[i] == id)
            return true;
    return false;
}

/* ----------------------------------------------------------------------------- what comes */

static uint64_t
id_of(leat_list_node *node)
{
    return LEAT_CONTAINER_OF(node, leat_received, node)->message.id;
}

/* Mostly at the end; what came back to its channel and is here again belongs in front. */
static void
insert_by_id(leat_receiver *to, leat_received *received)
{
    if (leat_receiver_has(to) && id_of(leat_list_last(&to->messages)) > received->message.id) {
        LEAT_LIST_FOREACH (node, &to->messages) {
            if (id_of(node) > received->message.id) {
                leat_list_insert_before(node, &received->node);
                return;
            }
        }
    }
    leat_list_append(&to->messages, &received->node);
}

bool
leat_receiver_keep(leat *self,
                   leat_receiver *from,
                   const leat_message *message,
                   leat_shared *shared)
{
    if ((message->flags & LEAT_ITEM_AGAIN) != 0 && was_shown(self, message->id)) {
        /* The program may still be at it: then it is acknowledged when it comes back for more. */
        if (self->taken == NULL || self->taken->message.id != message->id)
            acknowledge(self, message->id);
        return false;
    }
    leat_received *const received = shared == NULL ? NULL : calloc(1, sizeof *received);
    if (received == NULL)
        return false; /* never acknowledged: it goes to others when this connection ends */
    received->message = *message;
    received->from = from;
    received->shared = shared;
    shared->users++;
    insert_by_id(from, received);
    return true;
}

void
leat_receivers_on_run(leat *self,
                      const leat_items_run *run,
                      const leat_reader *records,
                      leat_shared *shared)
{
    leat_receiver *const to = find_receiver(self, run->channel.data, run->channel.size);
    if (to == NULL)
        return;
    leat_reader messages = *records;
    for (uint16_t i = 0; i < run->n; i++) {
        leat_message message;
        leat_items_next_message(&messages, &message);
        to->served++;
        (void)leat_receiver_keep(self, to, &message, shared);
    }
    if ((run->flags & LEAT_ITEMS_CLOSED) != 0)
        to->is_closed = true;
}

void
leat_receivers_on_withdrawn(leat *self, const leat_withdrawn *withdrawn)
{
    leat_receiver *const from =
        find_receiver(self, withdrawn->channel.data, withdrawn->channel.size);
    if (from != NULL && from->withdrawals > 0)
        from->withdrawals--;
}

static void
drop_messages(leat_receiver *from)
{
    LEAT_LIST_FOREACH_SAFE (node, after, &from->messages) {
        leat_received *const received = LEAT_CONTAINER_OF(node, leat_received, node);
        leat_list_remove(node);
        leat_shared_drop(&received->shared);
        free(received);
    }
}

void
leat_receivers_on_down(leat *self)
{
    LEAT_LIST_FOREACH (node, &self->receivers) {
        leat_receiver *const from = LEAT_CONTAINER_OF(node, leat_receiver, node);
        drop_messages(from); /* they are others' now */
        from->asked = false;
        from->begun = 0;
        from->served = 0;
        from->withdrawals = 0;
    }
}

void
leat_receivers_on_up(leat *self, bool resumed, bool is_same_broker)
{
    if (!resumed)
        self->acks.count = 0; /* they belong to a session that is gone */
    if (!is_same_broker) {
        memset(self->acks.shown, 0,
               sizeof self->acks.shown); /* the same numbers mean others there */
        if (self->taken != NULL)
            self->taken->message.id = 0;
    }
    LEAT_LIST_FOREACH (node, &self->receivers) {
        leat_receiver *const from = LEAT_CONTAINER_OF(node, leat_receiver, node);
        if (from->wanted)
            begin_receive(self, from);
    }
}

/* ------------------------------------------------------------------------------- receiving */

leat_received *
leat_receiver_take(leat *self, leat_receiver *from)
{
    leat_list_node *const node = leat_list_take_first(&from->messages);
    if (node == NULL)
        return NULL;
    leat_received *const received = LEAT_CONTAINER_OF(node, leat_received, node);
    self->acks.shown[self->acks.shown_at++ % LEAT_SHOWN_MAX] = received->message.id;
    if (self->recorder != NULL)
        leat_notes_received(self, from->channel, &received->message);
    from->taken++;
    from->shown_ms = leat_clock_mono_ms();
    return received;
}

/* What can be said without waiting. false: nothing. */
static bool
look_here(leat *self, leat_receiver *from, const void **data, size_t *size, leat_status *status)
{
    self->taken = leat_receiver_take(self, from);
    if (self->taken != NULL) {
        *data = self->taken->message.payload.data;
        *size = self->taken->message.payload.size;
        *status = LEAT_OK;
        /* With much here the broker hears in time that there is room again. */
        if (self->acks.count >= from->window / 2)
            leat_acks_flush(self);
    } else if (from->is_closed) {
        from->is_closed = false; /* who asks again is told again */
        from->asked = false;
        from->wanted = false;
        from->begun = from->served;
        *status = LEAT_END;
    } else {
        return false;
    }
    self->sentence[0] = '\0';
    return true;
}

/* Begin with what all receives begin with. NULL: *status says why there is nothing to receive from.
 */
static leat_receiver *
open_receive(leat *self, const char *channel, const void **data, size_t *size, leat_status *status)
{
    leat_begin(self);
    *data = NULL;
    *size = 0;
    *status = leat_check_name(self, "channel", channel);
    if (*status != LEAT_OK)
        return NULL;
    leat_receiver *const from = leat_receiver_need(self, channel, strlen(channel));
    if (from == NULL) {
        *status = leat_fail(self, LEAT_NO_MEMORY, "out of memory");
        return NULL;
    }
    const bool is_other = self->taken != NULL && self->taken->from != from;
    leat_received_drop(self, &self->taken);
    if (is_other) /* its channel may wait for it to be closed */
        leat_acks_flush(self);
    /* The program may not come back to the other channel: nothing more is fetched from it. */
    if (self->fetching != NULL && self->fetching != from && !self->fetching->wanted)
        leat_receiver_stop(self, self->fetching);
    return from;
}

/* A receive that is waited for. */
typedef struct waiting_receive {
    leat_receiver *from;
    bool withdrawn;
} waiting_receive;

static bool
is_received(leat *self, void *context)
{
    const waiting_receive *const waiting = context;
    leat_receiver *const from = waiting->from;
    leat_acks_flush(self); /* a channel is not closed before, and has no room for us */
    if (waiting->withdrawn)
        return from->withdrawals == 0;
    if (leat_receiver_has(from) || from->is_closed)
        return true;
    begin_receive(self, from);
    return false;
}

static void
withdraw_waiting(leat *self, void *context)
{
    waiting_receive *const waiting = context;
    waiting->withdrawn = true;
    withdraw_receive(self, waiting->from);
}

static leat_status
receive(leat *self, leat_receiver *from, const void **data, size_t *size, int64_t until_ms)
{
    waiting_receive waiting = {.from = from};
    const leat_question question = {
        .is_decided = is_received, .withdraw = withdraw_waiting, .context = &waiting};
    leat_status given_up;
    leat_status status = leat_decide(self, &question, until_ms, &given_up);
    const bool is_interrupted = leat_is_interrupted(self, given_up);
    self->fetching = from->asked ? from : NULL;
    leat_status found;
    if (look_here(self, from, data, size, &found)) {
        if (is_interrupted)
            leat_interrupt(self); /* too late for this call */
        return found;
    }
    if (status != LEAT_OK && given_up == LEAT_OK) {
        /* Refused: no receive stands there. */
        from->asked = false;
        from->wanted = false;
        from->begun = from->served;
        return status;
    }
    return is_interrupted ? leat_fail(self, LEAT_REFUSED, "interrupted") : given_up;
}

/* Ask the broker once what there is. */
static leat_status
look_there(leat *self, const char *channel, const void **data, size_t *size)
{
    int chosen;
    leat_case one = LEAT_RECV_CASE(channel);
    const leat_status status = leat_select(self, &one, 1, 0, &chosen);
    if (status == LEAT_TIMED_OUT && leat_is_up(self))
        return leat_fail(self, status, "nothing is there");
    if (status != LEAT_OK)
        return status;
    if (!one.ok)
        return LEAT_END;
    *data = one.data;
    *size = one.size;
    return LEAT_OK;
}

leat_status
leat_recv(leat *self, const char *channel, const void **data, size_t *size, int64_t timeout_ms)
{
    leat_status status;
    leat_receiver *const from = open_receive(self, channel, data, size, &status);
    if (from == NULL)
        return status;
    if (look_here(self, from, data, size, &status))
        return status;
    const bool stands = from->asked && from->begun > from->served;
    if (timeout_ms == 0 && !stands)
        return look_there(self, channel, data, size);
    return receive(self, from, data, size, leat_deadline_ms(timeout_ms));
}

leat_status
leat_try_recv(leat *self, const char *channel, const void **data, size_t *size)
{
    return leat_recv(self, channel, data, size, 0);
}

leat_status
leat_recv_poll(leat *self, const char *channel, const void **data, size_t *size)
{
    leat_status status;
    leat_receiver *const from = open_receive(self, channel, data, size, &status);
    if (from == NULL)
        return status;
    if (!leat_receiver_has(from))
        status = leat_pump(self);
    leat_status found;
    if (look_here(self, from, data, size, &found)) {
        from->wanted = false; /* the receive that was begun has had its message */
        if (from->asked)
            self->fetching = from;
        return found;
    }
    if (status != LEAT_OK)
        return status;
    leat_acks_flush(self);
    begin_receive(self, from);
    from->wanted = true;
    self->fetching = from;
    return leat_fail(self, LEAT_NOT_YET, "nothing has come yet");
}

/* ---------------------------------------------------------------------------------- the end */

void
leat_receivers_end(leat *self)
{
    LEAT_LIST_FOREACH (node, &self->receivers) /* no successor for what is acknowledged now */
        leat_receiver_stop(self, LEAT_CONTAINER_OF(node, leat_receiver, node));
    leat_received_drop(self, &self->taken);
    leat_acks_flush(self);
}

void
leat_receivers_free(leat *self)
{
    leat_received_drop(self, &self->taken);
    LEAT_LIST_FOREACH_SAFE (node, after, &self->receivers) {
        leat_receiver *const from = LEAT_CONTAINER_OF(node, leat_receiver, node);
        drop_messages(from);
        leat_list_remove(node);
        free(from);
    }
}
