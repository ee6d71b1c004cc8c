/* SEND: jobs or messages come in. See submit.c. */
#ifndef LEAT_CORE_SUBMIT_H
#define LEAT_CORE_SUBMIT_H

#include "broker/core/machine.h"

/* The session calls this batch by this tag from now on. */
LEAT_NODISCARD leat_err leat_peer_tag(leat_peer *peer, uint32_t tag, uint64_t batch);
void leat_submit_on_send(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
/* One item that the broker itself sends: what follows a job, a retry, a schedule. It goes in above
 * the capacity. */
typedef struct leat_order {
    leat_text channel;
    leat_text handler; /* empty: a message */
    leat_settings settings;
    leat_owner owner;
    leat_batch *batch; /* NULL: alone */
    uint64_t recovers; /* the dead job whose completion this one's end is; batch is that job's */
    uint32_t place;    /* of that job */
    bool inside;       /* was accepted with a job of this channel: also when that is closed now */
    bool promised;     /* … and its room is */
    leat_bytes payload;
} leat_order;
LEAT_NODISCARD leat_err leat_submit_order(leat_core *core, const leat_order *order, uint64_t *id);
/* A batch of the broker's own making, open. */
leat_batch *leat_submit_batch(leat_core *core, leat_channel *channel, uint64_t principal);
/* Go on with one that is in line, as far as there is room; true if something went in. Its place in
 * line is gone when it is decided. */
bool leat_submit_next(leat_core *core, leat_channel *channel, leat_post *post, uint64_t room);
/* One record of a select's send. */
LEAT_NODISCARD leat_err leat_submit_message(
    leat_core *core, leat_peer *peer, leat_channel *channel, leat_bytes payload, uint64_t *id);

#endif
