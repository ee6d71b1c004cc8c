/* leat_frame: the fixed header that opens every Leat message. One ZeroMQ message has one part, and
 * that is one frame: this header, then `count` records.
 *
 *    0  u16  magic     0x4c54, "LT"
 *    2  u8   version   1
 *    3  u8   command   a row of commands.def
 *    4  u16  count     records in the body
 *    6  u16  shard     0 until there is more than one
 *    8  u64  sequence  the sender's number of this frame, 0 = not answered (PROTOCOL.md, Sequences)
 *   16  u64  seen      the highest sequence of the other side's frames that the sender has read
 *
 * Integers are in network byte order. The decoder reads bytes, never overlays a struct on them. */
#ifndef LEAT_FRAME_H
#define LEAT_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/bytes.h"
#include "proto/base/err.h"

#define LEAT_FRAME_MAGIC   0x4c54U
#define LEAT_FRAME_VERSION 1U
#define LEAT_FRAME_BYTES   24U

typedef enum leat_command {
#define X(name, number, from, records, body) LEAT_CMD_##name = (number),
#include "proto/commands.def"
#undef X
} leat_command;

typedef struct leat_frame {
    leat_command command;
    uint16_t count;
    uint16_t shard;
    uint64_t sequence;
    uint64_t seen;
} leat_frame;

/* Who sends a command: bits, so that BOTH is their sum. */
typedef enum leat_side {
    LEAT_SIDE_PEER = 1,
    LEAT_SIDE_BROKER = 2,
    LEAT_SIDE_BOTH = 3
} leat_side;

/* Decode the header at the front of a message and check it against commands.def.
 *
 * data, size   the received bytes; borrowed for the call, any content and any length.
 * from         the side that has sent it: a command of the other direction is refused.
 * frame        filled on LEAT_ERR_OK, and on every error of a message that is long enough and has
 *              the right magic, so that the ERROR which answers it can name the sequence; its
 *              command may then be a number without a row.
 *
 * LEAT_ERR_MALFORMED  too short, wrong magic, unknown command, wrong direction, a count that the
 *                     command does not allow, a body where the command has none.
 * LEAT_ERR_VERSION    right magic, but another version.
 * LEAT_ERR_TOO_LARGE  size is above LEAT_FRAME_BYTES_MAX. */
LEAT_NODISCARD leat_err leat_frame_decode(const uint8_t *data,
                                          size_t size,
                                          leat_side from,
                                          leat_frame *frame);

/* Which part of the header leat_frame_decode did not like, as half a sentence ("magic 0x1234 is not
 * 0x4c54"), for the ERROR that answers it. Writes at most size bytes, terminated. */
void
leat_frame_explain(const uint8_t *data, size_t size, leat_side from, char *out, size_t out_size);

/* Append the header to buf: the start of a frame. Records are appended after it; then
 * leat_frame_finish fills in what was not yet known. buf may already hold other bytes. */
void leat_frame_begin(leat_buf *buf, leat_command command);

/* Set count and sequence of the frame that starts at buf->data + at. */
void leat_frame_finish(leat_buf *buf, size_t at, uint16_t count, uint64_t sequence);

/* Set `seen` in place, at sending time. data is the start of a frame. */
static inline void
leat_frame_set_seen(uint8_t *data, uint64_t seen)
{
    leat_store_u64(data + 16, seen);
}

static inline void
leat_frame_set_sequence(uint8_t *data, uint64_t sequence)
{
    leat_store_u64(data + 8, sequence);
}

/* "SEND", or "?" for a number without a row. Static storage. */
const char *leat_command_name(unsigned command);

#endif
