/* The archive: batches that have finished, and of which a record in the store is what is left. See
 * archive.c. */
#ifndef LEAT_CORE_ARCHIVE_H
#define LEAT_CORE_ARCHIVE_H

#include "broker/core/machine.h"

/* It has just finished, or its record says so when the store is loaded. */
void leat_archive_add(leat_core *core, const leat_batch *batch);
/* All that the store has was added, in no order. */
void leat_archive_sort(leat_core *core);
/* Drop the records of what is out of retention: some of them, with this turn. */
void leat_archive_retain(leat_core *core);
/* A batch that was marked as out of retention has left memory. */
void leat_archive_left(leat_core *core, uint64_t id, bool memory);
/* A job of the batch is among the dead; it no longer is. */
void leat_archive_mourn(leat_core *core, uint64_t id, bool memory);
void leat_archive_bury(leat_core *core, uint64_t id);
/* The id is nobody's: might it have been a batch that is out of retention? */
bool leat_archive_may_have_had(const leat_core *core, uint64_t id);
/* The sentence of NOT_FOUND for a batch. */
void leat_archive_explain(const leat_core *core, uint64_t id, char *out, size_t size);
void leat_archive_fini(leat_core *core);

#endif
