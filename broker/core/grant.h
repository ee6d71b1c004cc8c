/* Grants: items on their way to who has got them. See grant.c. */
#ifndef LEAT_CORE_GRANT_H
#define LEAT_CORE_GRANT_H

#include "broker/core/machine.h"

/* Payload bytes after which a grant is closed: there is room for the runs' heads behind them. */
#define LEAT_GRANT_BYTES_MAX (LEAT_FRAME_BYTES_CLOSE - 8192U)

/* A grant that is being collected for one peer. */
typedef struct leat_filling {
    leat_peer *peer;
    leat_durability durability;
    leat_effect effect; /* its grants are owned */
    uint32_t capacity;
    size_t bytes;
    uint32_t class; /* of the last item: another one begins a run */
    uint32_t batch;
    uint64_t limit;
    bool mixed; /* messages of any channels without capacity */
} leat_filling;

/* What this peer is given in several visits of one match leaves together. NULL: there is no memory.
 */
leat_filling *leat_grant_of(leat_core *core, leat_peer *peer);
bool leat_grant_is_full(const leat_filling *f);
/* Make room for one more item; false: there is no memory. */
bool leat_grant_room(leat_filling *f);
/* Lease the item to the peer: it leaves with this grant, in which there is room. */
void leat_grant_add(leat_core *core, leat_filling *f, uint32_t index);
/* Make what was collected, if anything was, part of the turn; f begins anew. */
void leat_grant_close(leat_core *core, leat_filling *f);
/* The grant is durable: write it for its peer. */
void leat_grant_write(leat_core *core, const leat_book *book, leat_effect *effect);
/* Is the item still in this peer's hands by this grant? */
bool leat_grant_is_current(leat_core *core, const leat_peer *peer, const leat_grant *granted);
/* A record that cannot be read any more: the item ends here, in the open. */
void leat_grant_end_unreadable(leat_core *core, uint32_t index);

/* The payload of a job in the pack that was fetched, borrowed. */
bool leat_pack_find(const leat_fetched *fetched, uint64_t id, leat_bytes *payload);

#endif
