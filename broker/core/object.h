/* The records of channels, batches, sessions and the broker itself, and the head of a job pack:
 * bytes <-> objects. See object.c. */
#ifndef LEAT_CORE_OBJECT_H
#define LEAT_CORE_OBJECT_H

#include "broker/core/machine.h"

void leat_object_put_meta(leat_core *core, leat_buf *buf);
void leat_object_put_channel(const leat_channel *channel, leat_buf *buf);
void leat_object_put_batch(const leat_core *core, const leat_batch *batch, leat_buf *buf);
void leat_object_put_session(const leat_peer *peer, leat_buf *buf);
/* The record of a batch, changing nothing. LEAT_ERR_CORRUPT. */
LEAT_NODISCARD leat_err leat_object_read_batch(
    const leat_core *core, uint64_t id, const uint8_t *data, size_t size, leat_batch_record *out);
/* Make or change the object that a record describes. LEAT_ERR_CORRUPT, LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err leat_object_apply(
    leat_core *core, leat_object_kind kind, uint64_t id, const uint8_t *data, size_t size);
typedef struct leat_pack_head {
    uint64_t batch; /* id; 0: alone */
    uint32_t place; /* of the job with offset 0 */
    bool message;
    leat_owner owner;
    uint64_t recovers;    /* job, 0: none */
    uint64_t due_wall_ms; /* 0: ready */
    uint64_t expires_wall_ms;
    uint64_t born_wall_ms;
    leat_text channel;
    leat_text handler;
    leat_text flow;      /* empty: the batch */
    leat_bytes settings; /* of the terms */
} leat_pack_head;
void leat_object_put_pack_head(const leat_pack_head *head, leat_buf *buf);
LEAT_NODISCARD leat_err leat_object_read_pack_head(const uint8_t *data,
                                                   size_t size,
                                                   leat_pack_head *head);

#endif
