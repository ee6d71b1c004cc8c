/* Raw channels: messages put in, and taken out one at a time.
 *
 * A receiver's credit is 1 while leat_recv waits and while its message is not acknowledged, so
 * nothing is fetched ahead that another receiver could have had. Before the last message of another
 * channel is acknowledged, that channel's credit is taken back. A message that arrives after a
 * receive was given up is kept for the next one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"

typedef struct receiver {
    leat_list_node node;
    char channel[LEAT_NAME_BYTES_MAX + 1];
    bool asked;     /* the broker has given this session credit for it */
    bool is_closed; /* nothing more will come */
    leat_list messages;
} receiver;

struct leat_received {
    leat_list_node node;
    receiver *from;
    leat_shared *shared;
    leat_message message;
};

/* ---------------------------------------------------------------------------------- sending */

static leat_status
send_message(leat *self, const char *channel, const void *data, size_t size, uint8_t flags)
{
    leat_begin(self);
    const leat_status status = leat_check_name(self, "channel", channel);
    if (status != LEAT_OK)
        return status;
    leat_send_head head = leat_send_head_default();
    head.flags = flags;
    head.channel = leat_text_of(channel);
    return leat_send_one(self, &head, data, size, NULL);
}

leat_status
leat_send(leat *self, const char *channel, const void *data, size_t size)
{
    return send_message(self, channel, data, size, 0);
}

leat_status
leat_try_send(leat *self, const char *channel, const void *data, size_t size)
{
    return send_message(self, channel, data, size, LEAT_SEND_TRY);
}

leat_status
leat_close(leat *self, const char *channel)
{
    char arguments[6 * LEAT_NAME_BYTES_MAX + 32];
    const char *answer;
    leat_begin(self);
    const leat_status status = leat_check_name(self, "channel", channel);
    if (status != LEAT_OK)
        return status;
    cJSON *const json = cJSON_CreateObject();
    const bool done = json != NULL && cJSON_AddStringToObject(json, "channel", channel) != NULL &&
                      cJSON_PrintPreallocated(json, arguments, (int)sizeof arguments, 0) != 0;
    cJSON_Delete(json);
    if (!done)
        return leat_fail(self, LEAT_NO_MEMORY, "out of memory");
    return leat_command_do(self, "channel.close", arguments, &answer);
}

/* -------------------------------------------------------------------------------- receiving */

static receiver *
find_receiver(leat *self, const char *channel, size_t size)
{
    LEAT_LIST_FOREACH (node, &self->receivers) {
        receiver *const found = LEAT_CONTAINER_OF(node, receiver, node);
        if (strlen(found->channel) == size && memcmp(found->channel, channel, size) == 0)
            return found;
    }
    return NULL;
}

static receiver *
need_receiver(leat *self, const char *channel)
{
    receiver *found = find_receiver(self, channel, strlen(channel));
    if (found != NULL)
        return found;
    found = calloc(1, sizeof *found);
    if (found == NULL)
        return NULL;
    memcpy(found->channel, channel, strlen(channel) + 1);
    leat_list_init(&found->messages);
    leat_list_append(&self->receivers, &found->node);
    return found;
}

static void
send_credit(leat *self, receiver *to, uint32_t items)
{
    to->asked = items > 0;
    if (!leat_is_up(self))
        return;
    const leat_credit credit = {
        .kind = LEAT_CREDIT_RECV, .channel = leat_text_of(to->channel), .items = items};
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_CREDIT);
    leat_credit_put(&frame, &credit);
    if (!frame.failed)
        leat_frame_finish(&frame, 0, 1, 0);
    leat_link_send(self->link, &frame);
}

static void
drop_received(leat_received **received_p)
{
    leat_received *const received = *received_p;
    *received_p = NULL;
    if (received == NULL)
        return;
    leat_shared_drop(&received->shared);
    free(received);
}

void
leat_receivers_on_run(leat *self,
                      const leat_items_run *run,
                      const leat_reader *records,
                      leat_shared *shared)
{
    receiver *const to = find_receiver(self, run->channel.data, run->channel.size);
    if (to == NULL)
        return;
    leat_reader messages = *records;
    for (uint16_t i = 0; i < run->n; i++) {
        leat_received *const received = calloc(1, sizeof *received);
        if (received == NULL)
            return; /* never acknowledged: it goes to others when this session ends */
        leat_items_next_message(&messages, &received->message);
        received->from = to;
        received->shared = shared;
        shared->users++;
        leat_list_append(&to->messages, &received->node);
    }
    if ((run->flags & LEAT_ITEMS_CLOSED) != 0)
        to->is_closed = true;
}

static void
drop_messages(receiver *from)
{
    LEAT_LIST_FOREACH_SAFE (node, after, &from->messages) {
        leat_received *received = LEAT_CONTAINER_OF(node, leat_received, node);
        leat_list_remove(node);
        drop_received(&received);
    }
}

void
leat_receivers_on_up(leat *self, bool resumed)
{
    LEAT_LIST_FOREACH (node, &self->receivers) {
        receiver *const to = LEAT_CONTAINER_OF(node, receiver, node);
        if (!resumed)
            drop_messages(to); /* the session that held them is gone: they are others' now */
        if (to->asked)
            send_credit(self, to, 1);
    }
    if (!resumed && self->taken != NULL)
        self->taken->message.id = 0; /* an acknowledgement would name what is not ours */
}

/* Acknowledge what leat_recv returned last. `next` may get its successor at once; any other
 * receiver must not. NULL: nobody. */
static leat_status
acknowledge(leat *self, const receiver *next, int64_t until_ms)
{
    if (self->taken == NULL)
        return LEAT_OK;
    const leat_status status = leat_await_room(self, until_ms);
    if (status != LEAT_OK)
        return status;
    receiver *const from = self->taken->from;
    if (from != next && from->asked)
        send_credit(self, from, 0);
    if (self->taken->message.id != 0) {
        const leat_ack ack = {.kind = LEAT_ACK_MESSAGE, .id = self->taken->message.id};
        leat_buf frame = {0};
        leat_frame_begin(&frame, LEAT_CMD_ACK);
        leat_ack_put(&frame, &ack);
        if (!frame.failed)
            leat_frame_finish(&frame, 0, 1, 0);
        if (leat_post(self, &frame, NULL, 0) == 0)
            return leat_fail(self, LEAT_NO_MEMORY, "out of memory");
    }
    drop_received(&self->taken);
    return LEAT_OK;
}

static bool
take_message(leat *self, receiver *from, const void **data, size_t *size)
{
    leat_list_node *const node = leat_list_take_first(&from->messages);
    if (node == NULL)
        return false;
    self->taken = LEAT_CONTAINER_OF(node, leat_received, node);
    *data = self->taken->message.payload.data;
    *size = self->taken->message.payload.size;
    self->sentence[0] = '\0';
    return true;
}

/* What can be said without waiting. OK with *data: a message. OK without: nothing is here. */
static leat_status
look_here(leat *self, receiver *from, const void **data, size_t *size)
{
    if (take_message(self, from, data, size))
        return LEAT_OK;
    if (!from->is_closed)
        return LEAT_OK;
    from->is_closed = false; /* who asks again is told again */
    from->asked = false;
    self->sentence[0] = '\0';
    return LEAT_END;
}

/* Let time pass until something may be here. Without time: the answer to a question that is asked
 * after the credit comes after the message, if there is one. */
static leat_status
pass_time(leat *self, receiver *from, int64_t timeout_ms, int64_t until_ms)
{
    leat_status status;
    if (!from->asked && leat_is_up(self))
        send_credit(self, from, 1);
    if (timeout_ms == 0 && leat_is_up(self)) {
        status = leat_ping_once(self);
        if (status == LEAT_OK)
            status = leat_fail(self, LEAT_TIMED_OUT, "nothing is there");
    } else {
        status = leat_turn(self, until_ms);
    }
    if (status == LEAT_OK && self->stray != LEAT_OK)
        status = leat_fail(self, self->stray, "%s", self->stray_sentence);
    return status;
}

leat_status
leat_recv(leat *self, const char *channel, const void **data, size_t *size, int64_t timeout_ms)
{
    leat_begin(self);
    *data = NULL;
    *size = 0;
    leat_status status = leat_check_name(self, "channel", channel);
    if (status != LEAT_OK)
        return status;
    receiver *const from = need_receiver(self, channel);
    if (from == NULL)
        return leat_fail(self, LEAT_NO_MEMORY, "out of memory");
    const int64_t until_ms = leat_deadline_ms(timeout_ms);
    status = acknowledge(self, from, until_ms);
    if (status != LEAT_OK)
        return status; /* nothing is taken, the last message is still held */
    for (leat_status passed = LEAT_OK;;) {
        status = look_here(self, from, data, size);
        if (status != LEAT_OK || self->taken != NULL)
            return status;
        status = passed;
        if (status != LEAT_OK)
            break;
        passed = pass_time(self, from, timeout_ms, until_ms);
    }
    if (from->asked)
        send_credit(self, from, 0); /* what still comes is kept */
    return status;
}

/* ---------------------------------------------------------------------------------- the end */

void
leat_receivers_end(leat *self)
{
    if (leat_is_up(self) && leat_link_room(self->link) > 0)
        (void)acknowledge(self, NULL, 0);
}

void
leat_receivers_free(leat *self)
{
    drop_received(&self->taken);
    LEAT_LIST_FOREACH_SAFE (node, after, &self->receivers) {
        receiver *const to = LEAT_CONTAINER_OF(node, receiver, node);
        drop_messages(to);
        leat_list_remove(node);
        free(to);
    }
}
