/* The header of a frame, in and out. What a command allows is read from commands.def, so that a new
 * row there is all that a new command needs here. */
#include "proto/frame.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "proto/limits.h"

enum {
    PEER = LEAT_SIDE_PEER,
    BROKER = LEAT_SIDE_BROKER,
    BOTH = LEAT_SIDE_BOTH
};

/* How many records a command has; `most` is 0 for NONE. */
enum {
    NONE = 0,
    ONE = 1,
    MANY = LEAT_RECORDS_MAX
};

typedef struct command_row {
    const char *name; /* NULL: no such command */
    uint16_t most;
    uint8_t from;
} command_row;

static const command_row rows[] = {
#define X(name, number, from, records, body) [number] = {#name, (records), (from)},
#include "proto/commands.def"
#undef X
};

#define ROW_COUNT (sizeof rows / sizeof *rows)

static const command_row *
row_of(unsigned command)
{
    return command < ROW_COUNT && rows[command].name != NULL ? &rows[command] : NULL;
}

/* ------------------------------------------------------------------------------------- reading */

/* Where the half sentence goes; data is NULL when nobody asked for one. */
typedef struct reason {
    char *data;
    size_t size;
} reason;

__attribute__((format(printf, 3, 4))) static leat_err
refuse(leat_err err, const reason *why, const char *format, ...)
{
    if (why->data == NULL || why->size == 0)
        return err;
    va_list args;
    why->data[0] = '\0';
    va_start(args, format);
    (void)vsnprintf(why->data, why->size, format, args);
    va_end(args);
    return err;
}

static leat_err
check_count(const command_row *row, uint16_t count, size_t body_bytes, const reason *why)
{
    if (row->most == NONE && count != 0)
        return refuse(LEAT_ERR_MALFORMED, why, "count %u, %s has no records", count, row->name);
    if (row->most == NONE && body_bytes != 0)
        return refuse(LEAT_ERR_MALFORMED, why, "%zu bytes after the header, %s has none",
                      body_bytes, row->name);
    if (row->most == ONE && count != 1)
        return refuse(LEAT_ERR_MALFORMED, why, "count %u, %s has 1 record", count, row->name);
    if (row->most == MANY && (count == 0 || count > MANY))
        return refuse(LEAT_ERR_MALFORMED, why, "count %u, %s has 1 to %u records", count, row->name,
                      LEAT_RECORDS_MAX);
    return LEAT_ERR_OK;
}

/* The one place that knows what a good header is: decode asks without a reason, explain with one.
 */
static leat_err
check(const uint8_t *data, size_t size, leat_side from, leat_frame *frame, const reason *why)
{
    if (size < LEAT_FRAME_BYTES)
        return refuse(LEAT_ERR_MALFORMED, why, "%zu bytes, a frame has at least %u", size,
                      LEAT_FRAME_BYTES);
    const unsigned magic = leat_load_u16(data);
    if (magic != LEAT_FRAME_MAGIC)
        return refuse(LEAT_ERR_MALFORMED, why, "magic 0x%04x is not 0x%04x", magic,
                      LEAT_FRAME_MAGIC);

    frame->command = (leat_command)data[3];
    frame->count = leat_load_u16(data + 4);
    frame->shard = leat_load_u16(data + 6);
    frame->sequence = leat_load_u64(data + 8);
    frame->seen = leat_load_u64(data + 16);

    if (data[2] != LEAT_FRAME_VERSION)
        return refuse(LEAT_ERR_VERSION, why, "version %u of the protocol, this side speaks %u",
                      data[2], LEAT_FRAME_VERSION);
    if (size > LEAT_FRAME_BYTES_MAX)
        return refuse(LEAT_ERR_TOO_LARGE, why, "%zu bytes, a frame has at most %u", size,
                      LEAT_FRAME_BYTES_MAX);
    const command_row *const row = row_of(data[3]);
    if (row == NULL)
        return refuse(LEAT_ERR_MALFORMED, why, "no command has the number %u", data[3]);
    if ((row->from & (unsigned)from) == 0)
        return refuse(LEAT_ERR_MALFORMED, why, "%s is never sent by a %s", row->name,
                      from == LEAT_SIDE_PEER ? "peer" : "broker");
    return check_count(row, frame->count, size - LEAT_FRAME_BYTES, why);
}

leat_err
leat_frame_decode(const uint8_t *data, size_t size, leat_side from, leat_frame *frame)
{
    return check(data, size, from, frame, &(reason){.data = NULL});
}

void
leat_frame_explain(const uint8_t *data, size_t size, leat_side from, char *out, size_t out_size)
{
    leat_frame frame;
    reason why = {.size = out_size};
    why.data = out;
    if (check(data, size, from, &frame, &why) == LEAT_ERR_OK)
        (void)refuse(LEAT_ERR_OK, &why, "the header is good");
}

const char *
leat_command_name(unsigned command)
{
    const command_row *const row = row_of(command);
    return row == NULL ? "?" : row->name;
}

/* ------------------------------------------------------------------------------------- writing */

void
leat_frame_begin(leat_buf *buf, leat_command command)
{
    assert(row_of(command) != NULL);

    uint8_t *const p = leat_buf_room(buf, LEAT_FRAME_BYTES);
    if (p == NULL)
        return;
    memset(p, 0, LEAT_FRAME_BYTES);
    leat_store_u16(p, LEAT_FRAME_MAGIC);
    p[2] = LEAT_FRAME_VERSION;
    p[3] = (uint8_t)command;
}

void
leat_frame_finish(leat_buf *buf, size_t at, uint16_t count, uint64_t sequence)
{
    if (buf->failed)
        return;
    assert(at + LEAT_FRAME_BYTES <= buf->size);
    assert(leat_load_u16(buf->data + at) == LEAT_FRAME_MAGIC);

    leat_store_u16(buf->data + at + 4, count);
    leat_frame_set_sequence(buf->data + at, sequence);
}
