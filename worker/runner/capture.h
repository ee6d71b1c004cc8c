/* leat_capture: of what a program prints, the beginning and the end.
 *
 *     0          half                      max
 *     │ head      │ ring: the last of what came │
 *
 * One buffer of at most `max` bytes, which grows as it is filled. What fits is kept whole; when
 * more comes, the first half stays as it is and the second one goes round. */
#ifndef LEAT_WORKER_RUNNER_CAPTURE_H
#define LEAT_WORKER_RUNNER_CAPTURE_H

#include "proto/exec.h"

typedef struct leat_capture {
    uint8_t *data; /* owned */
    size_t room;   /* of data; at most max */
    size_t max;
    uint64_t total; /* bytes that came */
} leat_capture;

/* Empty; memory of an earlier use is kept. max is at least 2. */
void leat_capture_reset(leat_capture *capture, size_t max);
void leat_capture_fini(leat_capture *capture);

/* Where the next bytes go, *size of them at most, at least 1; NULL without memory. */
uint8_t *leat_capture_room(leat_capture *capture, size_t *size);
/* So many were put there. */
void leat_capture_filled(leat_capture *capture, size_t size);

/* What is to be kept of it in at most `budget` bytes, borrowed from capture, which gets nothing
 * more after that. */
leat_ending_stream leat_capture_finish(leat_capture *capture, size_t budget);

/* Share `max` bytes between two streams: each may have half, and what the other one leaves. */
void leat_capture_share(
    size_t max, uint64_t first, uint64_t second, size_t *first_budget, size_t *second_budget);

/* The last line of a finished stream that is not blank, without its end; may be empty. */
leat_text leat_capture_last_line(const leat_ending_stream *stream);

#endif
