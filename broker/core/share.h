/* Shares: whose turn it is among ready items of one class. See share.c. */
#ifndef LEAT_CORE_SHARE_H
#define LEAT_CORE_SHARE_H

#include "broker/core/machine.h"

void leat_rank_init(leat_core *core, leat_heap *rank);
leat_line *leat_line_ensure(
    leat_core *core, leat_class *class, uint8_t priority, uint64_t principal, uint64_t key);
void leat_line_drop(leat_core *core, leat_line *line);
/* Put a ready item at the end of its line, or back to its old place. */
void leat_line_append(leat_core *core, uint32_t index);
void leat_line_return(leat_core *core, uint32_t index);
/* Take a ready item out, wherever it waits. */
void leat_line_remove(leat_core *core, uint32_t index);

typedef struct leat_candidate {
    uint32_t index;
    uint64_t id;
    unsigned level; /* its priority, and what waiting has added */
    int64_t share_slice;
    int64_t flow_slice;
} leat_candidate;
/* The item of the class whose turn it is; false: there is none that may be handed out. Items that
 * are marked, expired or over their key's cap leave the line on the way. */
bool leat_line_first(leat_core *core, leat_class *class, leat_candidate *out);
/* Negative: a comes before b. */
int leat_candidate_compare(const leat_candidate *a, const leat_candidate *b);
/* Take the class's first item, which leat_line_first has found, and charge its flow. */
void leat_line_take(leat_core *core, leat_class *class, uint32_t index);
/* It is in somebody's hands already: after a restart. */
void leat_share_adopt(leat_core *core, leat_item *item);
/* Its run is over after so long; 0: it has not run. */
void leat_share_settle(leat_core *core, leat_item *item, uint64_t run_us);
/* Charge what runs longer than was thought. */
void leat_share_accrue(leat_core *core);
/* An item with this key is in somebody's hands, or no longer. */
void leat_key_count(leat_core *core, leat_key *key, bool more);
void leat_key_settle(leat_core *core, leat_key *key);

#endif
