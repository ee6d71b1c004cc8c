/* Batches: counters, and a log of completions that every waiter reads from its own position. See
 * batch.c. */
#ifndef LEAT_CORE_BATCH_H
#define LEAT_CORE_BATCH_H

#include "broker/core/machine.h"

leat_batch *leat_batch_new(leat_core *core, uint64_t id, leat_channel *channel);
/* Jobs id … id + n - 1 are its jobs from place on. */
void
leat_batch_add_range(leat_core *core, leat_batch *batch, uint64_t id, uint32_t place, uint32_t n);
/* The id of the job at a place, or 0. */
uint64_t leat_batch_job(const leat_batch *batch, uint32_t place);
/* Is it over, whatever may still be added? Every job that is in has ended. */
bool leat_batch_is_over(const leat_batch *batch);
/* Note a change: an OBJECT entry is written with this turn. */
void leat_batch_touch(leat_core *core, leat_batch *batch);
/* Append a completion to the batch with this index, or to the item's own (LEAT_NOBODY). The item is
 * still in the table. */
void leat_batch_complete(leat_core *core,
                         const leat_item *item,
                         uint32_t index,
                         uint32_t place,
                         leat_outcome outcome,
                         leat_peer *worker,
                         uint64_t run_us,
                         leat_bytes result);
/* The batch with this id, alive or brought back from the store; NULL: there is none (any more). */
leat_batch *leat_batch_find(leat_core *core, uint64_t id);
void leat_batch_seal(leat_core *core, leat_batch *batch, bool abandoned);
void leat_batch_set_labels(leat_core *core, leat_batch *batch, leat_text labels);
/* Append a completion that another batch has had. */
void leat_batch_copy_completion(leat_core *core, leat_batch *batch, leat_completion *completion);
void leat_batch_add_segment(leat_core *core, leat_batch *batch, uint64_t first, uint64_t turn);
void leat_batch_note_lone(leat_core *core, leat_durability durability, uint64_t turn, uint64_t id);
/* End of the turn: write logs and objects of all touched batches into the books. */
void leat_batch_write_turn(leat_core *core);
/* The log is durable up to position. */
void
leat_batch_durable(leat_core *core, uint64_t id, uint64_t position, const leat_counters *counters);
/* Forget finished batches whose log is in history and that nobody waits for. */
void leat_batch_sweep(leat_core *core);
/* Pieces that every cursor has been handed go. */
void leat_batch_trim_pieces(leat_batch *batch);
void leat_batch_free(leat_core *core, leat_batch *batch);

#endif
