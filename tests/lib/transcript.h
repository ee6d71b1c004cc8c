/* leat_transcript: a frame told as text, and written again from what was read of it.
 *
 * The test vectors compare both with what a file says; the fuzzers use the second half to prove
 * that what is accepted can be walked to its end and encodes to the same bytes. */
#ifndef LEAT_TRANSCRIPT_H
#define LEAT_TRANSCRIPT_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"
#include "proto/frame.h"

/* Read a whole frame as `from` has sent it.
 *
 * text   gets one line "name value" a field, in the order of the wire; numbers in decimal, texts
 *        and payloads in quotes with \xNN for what is not printable ASCII. NULL: not wanted.
 * copy   gets the frame again, encoded from the values that were read.
 *
 * Returns what the decoders return; both buffers are then of no use. */
LEAT_NODISCARD leat_err
leat_transcript(const uint8_t *data, size_t size, leat_side from, leat_buf *text, leat_buf *copy);

/* The same for the body of a RECORDS command alone; copy gets the body. UNSUPPORTED: a command
 * without records or without a layout. */
LEAT_NODISCARD leat_err leat_transcript_body(leat_command command,
                                             uint16_t count,
                                             const uint8_t *body,
                                             size_t size,
                                             leat_buf *text,
                                             leat_buf *copy);

#endif
