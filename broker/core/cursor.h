/* Cursors: who waits for a batch, how far it has read, and what it is handed next. See cursor.c. */
#ifndef LEAT_CORE_CURSOR_H
#define LEAT_CORE_CURSOR_H

#include "broker/core/machine.h"

void leat_cursor_credit(leat_core *core, leat_peer *peer, const leat_credit *credit);
void leat_cursor_ack(leat_core *core, leat_peer *peer, uint64_t batch, uint64_t position);
/* A job alone has this id, and its end is in a commit that is not on disk yet: it is found later.
 */
bool leat_cursor_is_on_its_way(const leat_core *core, uint64_t id);
void leat_cursor_wake(leat_core *core, leat_cursor *cursor);
void leat_cursor_free(leat_core *core, leat_cursor *cursor);
/* Serve all cursors that are awake. */
void leat_cursor_release(leat_core *core);

#endif
