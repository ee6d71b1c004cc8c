/* Leases: items in the hands of workers (jobs) and clients (messages), from the grant to their
 * end. See lease.c. */
#ifndef LEAT_CORE_LEASE_H
#define LEAT_CORE_LEASE_H

#include "broker/core/machine.h"

/* The live lease of this session that a token names, or LEAT_NOBODY. */
uint32_t leat_lease_of(leat_core *core, const leat_peer *peer, const leat_token *token);
/* An ACKED record that grows exceptions. */
struct leat_acking {
    leat_acked acked;
    leat_buf exceptions;
    bool depends; /* something durable was changed */
};
void leat_acking_except(struct leat_acking *acking, const leat_token *token, leat_err err);
void
leat_acking_finish(leat_core *core, leat_peer *peer, uint64_t sequence, struct leat_acking *acking);
void leat_lease_append(leat_core *core, leat_peer *peer, uint32_t index);
/* Out of its holder's hands, in which it has run so long. */
void leat_lease_unlink(leat_core *core, leat_peer *peer, uint32_t index, uint64_t run_us);
/* Jobs up to this number have started. */
void leat_lease_on_started(leat_core *core, leat_peer *peer, uint64_t started);
/* The item has ended: completion, counters, what follows it, out of the table. Its state is final
 * already. */
void leat_lease_end(leat_core *core,
                    uint32_t index,
                    leat_outcome outcome,
                    leat_peer *worker,
                    uint64_t run_us,
                    leat_bytes result);
/* An item that was leased goes back to its line, uncounted. */
void leat_lease_release(leat_core *core, uint32_t index);
/* Everything of a worker session comes back. died: what ran may be to blame. */
void leat_lease_return_all(leat_core *core, leat_peer *peer, bool died);
void leat_lease_on_done(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
void leat_lease_on_tokens(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
void leat_lease_on_ack(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
/* Over its run limit, and what came is no result: a failure. Out of its holder's hands. */
void leat_lease_time_out(leat_core *core, uint32_t index, leat_peer *worker);
/* Delayed items whose time has come. */
void leat_lease_due(leat_core *core);
void leat_lease_delay_until(leat_core *core, uint32_t index, int64_t due_wall_ms);
int64_t leat_delay_of(const leat_core *core, const leat_item *item);
void leat_lease_delay(leat_core *core, uint32_t index, int64_t delay_ms);
/* It does not wait for its time any more. */
void leat_lease_undelay(leat_core *core, uint32_t index);
int leat_lease_runs(const leat_core *core, const leat_peer *peer, const leat_item *item);
void leat_lease_write_item(leat_core *core, const leat_item *item);
leat_durability leat_item_durability(const leat_core *core, const leat_item *item);

#endif
