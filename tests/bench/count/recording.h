/* recording: what a core was given by the test world, to be given again to another one.
 *
 * The linker wraps the core's calls (--wrap), so every call of the world passes here on its way.
 * The same calls in the same order give the same bytes out (broker/core/core.h): the replay checks
 * that it sent what the recorded core has sent, and so measures the same work. */
#ifndef LEAT_COUNT_RECORDING_H
#define LEAT_COUNT_RECORDING_H

#include "broker/core/core.h"

typedef struct leat_recording leat_recording;

/* From now on calls are written down. There is one recording at a time. */
void leat_recording_begin(leat_recording **out);
/* … and from now on not. */
void leat_recording_end(leat_recording *self);
void leat_recording_destroy(leat_recording **recording_p);

/* A second core with two memory stores is given the first calls, up to where `mark` was called;
 * then leat_recording_play gives it the rest. */
void leat_recording_mark(leat_recording *self);
void leat_recording_prepare(leat_recording *self);
void leat_recording_play(leat_recording *self);

/* Did the second core send what the first had sent? */
bool leat_recording_is_same(const leat_recording *self);

#endif
