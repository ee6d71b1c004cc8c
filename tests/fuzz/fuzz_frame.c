/* Any bytes as a frame from either side: the header decoder never reads outside them, explains what
 * it refuses, and what it accepts is written to the same header. */
#include <assert.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_side(const uint8_t *data, size_t size, leat_side from)
{
    static leat_buf copy;
    leat_frame frame;
    char why[128];

    memset(why, 'x', sizeof why);
    const leat_err err = leat_frame_decode(data, size, from, &frame);
    leat_frame_explain(data, size, from, why, sizeof why);
    assert(memchr(why, '\0', sizeof why) != NULL && why[0] != '\0');
    assert((err == LEAT_ERR_OK) == (strcmp(why, "the header is good") == 0));
    if (err != LEAT_ERR_OK)
        return;

    assert(size <= LEAT_FRAME_BYTES_MAX);
    leat_buf_reset(&copy);
    leat_frame_begin(&copy, frame.command);
    leat_frame_finish(&copy, 0, frame.count, frame.sequence);
    leat_frame_set_seen(copy.data, frame.seen);
    leat_store_u16(copy.data + 6, frame.shard);
    assert(memcmp(copy.data, data, LEAT_FRAME_BYTES) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_side(data, size, LEAT_SIDE_PEER);
    try_side(data, size, LEAT_SIDE_BROKER);
    return 0;
}
