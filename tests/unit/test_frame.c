/* proto/frame: the header that opens every frame. */
#include "tests/lib/test.h"

#include "proto/frame.h"
#include "proto/limits.h"

/* A good header for command, to be spoiled by the tests. */
static void
header(uint8_t out[LEAT_FRAME_BYTES], unsigned command, uint16_t count)
{
    memset(out, 0, LEAT_FRAME_BYTES);
    out[0] = 'L';
    out[1] = 'T';
    out[2] = 1;
    out[3] = (uint8_t)command;
    leat_store_u16(out + 4, count);
}

static leat_err
decode(const uint8_t *data, size_t size, leat_side from)
{
    leat_frame frame;
    return leat_frame_decode(data, size, from, &frame);
}

static void
must_explain(const uint8_t *data, size_t size, leat_side from, const char *want)
{
    char got[160];
    leat_frame_explain(data, size, from, got, sizeof got);
    LEAT_SAME_TEXT(got, want);
}

Test(frame, what_is_begun_and_finished_is_read_back)
{
    leat_buf buf = {0};
    leat_frame frame;

    leat_put_u8(&buf, 0xaa);
    leat_frame_begin(&buf, LEAT_CMD_SEND);
    leat_put_u32(&buf, 0);
    leat_frame_finish(&buf, 1, 500, 0x0102030405060708U);
    leat_frame_set_seen(buf.data + 1, UINT64_MAX);

    LEAT_PASS(leat_frame_decode(buf.data + 1, buf.size - 1, LEAT_SIDE_PEER, &frame));
    cr_assert(eq(int, frame.command, LEAT_CMD_SEND));
    cr_assert(eq(u16, frame.count, 500));
    cr_assert(eq(u16, frame.shard, 0));
    cr_assert(eq(u64, frame.sequence, 0x0102030405060708U));
    cr_assert(eq(u64, frame.seen, UINT64_MAX));
    cr_assert(eq(u8, buf.data[0], 0xaa), "what stood before the frame is untouched");
    leat_buf_fini(&buf);
}

Test(frame, the_sequence_can_be_set_in_place)
{
    leat_buf buf = {0};
    leat_frame frame;

    leat_frame_begin(&buf, LEAT_CMD_BYE);
    leat_frame_set_sequence(buf.data, 77);

    LEAT_PASS(leat_frame_decode(buf.data, buf.size, LEAT_SIDE_BROKER, &frame));
    cr_assert(eq(u64, frame.sequence, 77));
    leat_buf_fini(&buf);
}

Test(frame, the_shard_is_read)
{
    uint8_t data[LEAT_FRAME_BYTES];
    leat_frame frame;

    header(data, LEAT_CMD_BYE, 0);
    leat_store_u16(data + 6, 4095);

    LEAT_PASS(leat_frame_decode(data, sizeof data, LEAT_SIDE_PEER, &frame));
    cr_assert(eq(u16, frame.shard, 4095));
}

Test(frame, every_row_of_the_table_is_accepted_from_its_side_and_refused_from_the_other)
{
    enum {
        PEER = LEAT_SIDE_PEER,
        BROKER = LEAT_SIDE_BROKER,
        BOTH = LEAT_SIDE_BOTH,
        NONE = 0,
        ONE = 1,
        MANY = LEAT_RECORDS_MAX
    };
    static const struct {
        const char *name;
        unsigned number;
        unsigned from;
        uint16_t most;
    } rows[] = {
#define X(name, number, from, records, body) {#name, (number), (from), (records)},
#include "proto/commands.def"
#undef X
    };
    uint8_t data[LEAT_FRAME_BYTES];

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        header(data, rows[i].number, rows[i].most);
        for (unsigned side = PEER; side <= BROKER; side++)
            LEAT_FAILS(decode(data, sizeof data, (leat_side)side),
                       (rows[i].from & side) != 0 ? LEAT_ERR_OK : LEAT_ERR_MALFORMED);

        const leat_side from = (rows[i].from & PEER) != 0 ? LEAT_SIDE_PEER : LEAT_SIDE_BROKER;
        header(data, rows[i].number, (uint16_t)(rows[i].most + 1));
        LEAT_FAILS(decode(data, sizeof data, from), LEAT_ERR_MALFORMED);
        header(data, rows[i].number, 0);
        LEAT_FAILS(decode(data, sizeof data, from),
                   rows[i].most == NONE ? LEAT_ERR_OK : LEAT_ERR_MALFORMED);
        LEAT_SAME_TEXT(leat_command_name(rows[i].number), rows[i].name);
    }
}

Test(frame, a_number_without_a_row_is_refused)
{
    bool known[256] = {false};
    uint8_t data[LEAT_FRAME_BYTES];
#define X(name, number, from, records, body) known[number] = true;
#include "proto/commands.def"
#undef X

    for (unsigned number = 0; number < 256; number++) {
        if (known[number])
            continue;
        for (uint16_t count = 0; count < 2; count++) {
            header(data, number, count);
            LEAT_FAILS(decode(data, sizeof data, LEAT_SIDE_PEER), LEAT_ERR_MALFORMED);
            LEAT_FAILS(decode(data, sizeof data, LEAT_SIDE_BROKER), LEAT_ERR_MALFORMED);
        }
        LEAT_SAME_TEXT(leat_command_name(number), "?");
    }
    LEAT_SAME_TEXT(leat_command_name(100000), "?");
}

Test(frame, every_shorter_message_is_malformed)
{
    uint8_t data[LEAT_FRAME_BYTES];
    header(data, LEAT_CMD_BYE, 0);

    for (size_t size = 0; size < sizeof data; size++)
        LEAT_FAILS(decode(data, size, LEAT_SIDE_PEER), LEAT_ERR_MALFORMED);
}

Test(frame, a_wrong_magic_is_malformed)
{
    uint8_t data[LEAT_FRAME_BYTES];

    header(data, LEAT_CMD_BYE, 0);
    data[0] = 'X';
    LEAT_FAILS(decode(data, sizeof data, LEAT_SIDE_PEER), LEAT_ERR_MALFORMED);
    header(data, LEAT_CMD_BYE, 0);
    data[1] = 'X';
    LEAT_FAILS(decode(data, sizeof data, LEAT_SIDE_PEER), LEAT_ERR_MALFORMED);
}

Test(frame, another_version_is_told_apart_and_its_numbers_are_read)
{
    uint8_t data[LEAT_FRAME_BYTES];
    leat_frame frame;

    header(data, LEAT_CMD_HELLO, 1);
    data[2] = 2;
    leat_store_u64(data + 8, 9);

    LEAT_FAILS(leat_frame_decode(data, sizeof data, LEAT_SIDE_PEER, &frame), LEAT_ERR_VERSION);
    cr_assert(eq(int, frame.command, LEAT_CMD_HELLO));
    cr_assert(eq(u64, frame.sequence, 9));
}

Test(frame, a_refused_count_leaves_the_sequence_readable_for_the_answer)
{
    uint8_t data[LEAT_FRAME_BYTES];
    leat_frame frame;

    header(data, LEAT_CMD_SEND, 0);
    leat_store_u64(data + 8, 12);

    LEAT_FAILS(leat_frame_decode(data, sizeof data, LEAT_SIDE_PEER, &frame), LEAT_ERR_MALFORMED);
    cr_assert(eq(u64, frame.sequence, 12));
}

Test(frame, one_byte_over_the_limit_is_too_large)
{
    uint8_t *const data = calloc(1, LEAT_FRAME_BYTES_MAX + 1);
    cr_assert(ne(ptr, data, NULL));
    header(data, LEAT_CMD_SEND, 1);

    LEAT_PASS(decode(data, LEAT_FRAME_BYTES_MAX, LEAT_SIDE_PEER));
    LEAT_FAILS(decode(data, LEAT_FRAME_BYTES_MAX + 1, LEAT_SIDE_PEER), LEAT_ERR_TOO_LARGE);
    free(data);
}

Test(frame, a_command_without_records_has_no_body)
{
    uint8_t data[LEAT_FRAME_BYTES + 1] = {0};
    header(data, LEAT_CMD_BYE, 0);

    LEAT_FAILS(decode(data, sizeof data, LEAT_SIDE_PEER), LEAT_ERR_MALFORMED);
}

Test(frame, the_explanation_names_what_is_wrong)
{
    uint8_t data[LEAT_FRAME_BYTES + 1] = {0};

    header(data, LEAT_CMD_BYE, 0);
    must_explain(data, 5, LEAT_SIDE_PEER, "5 bytes, a frame has at least 24");
    must_explain(data, LEAT_FRAME_BYTES, LEAT_SIDE_PEER, "the header is good");
    must_explain(data, sizeof data, LEAT_SIDE_PEER, "1 bytes after the header, BYE has none");
    data[1] = 'X';
    must_explain(data, sizeof data, LEAT_SIDE_PEER, "magic 0x4c58 is not 0x4c54");
    header(data, LEAT_CMD_BYE, 0);
    data[2] = 3;
    must_explain(data, sizeof data, LEAT_SIDE_PEER,
                 "version 3 of the protocol, this side speaks 1");
    header(data, 99, 0);
    must_explain(data, sizeof data, LEAT_SIDE_PEER, "no command has the number 99");
    header(data, LEAT_CMD_JOBS, 1);
    must_explain(data, sizeof data, LEAT_SIDE_PEER, "JOBS is never sent by a peer");
    header(data, LEAT_CMD_DONE, 1);
    must_explain(data, sizeof data, LEAT_SIDE_BROKER, "DONE is never sent by a broker");
    header(data, LEAT_CMD_BYE, 3);
    must_explain(data, sizeof data, LEAT_SIDE_PEER, "count 3, BYE has no records");
    header(data, LEAT_CMD_HELLO, 2);
    must_explain(data, sizeof data, LEAT_SIDE_PEER, "count 2, HELLO has 1 record");
    header(data, LEAT_CMD_SEND, 8193);
    must_explain(data, sizeof data, LEAT_SIDE_PEER, "count 8193, SEND has 1 to 8192 records");
}

Test(frame, an_explanation_fits_the_room_it_is_given)
{
    char out[8] = "#######";

    leat_frame_explain((const uint8_t *)"", 0, LEAT_SIDE_PEER, out, 5);
    LEAT_SAME_TEXT(out, "0 by");
    cr_assert(eq(chr, out[5], '#'));
    leat_frame_explain((const uint8_t *)"", 0, LEAT_SIDE_PEER, out, 0);
    cr_assert(eq(chr, out[0], '0'));
}

Test(frame, without_memory_nothing_is_touched)
{
    leat_buf buf = {.failed = true};

    leat_frame_begin(&buf, LEAT_CMD_BYE);
    leat_frame_finish(&buf, 0, 0, 1);

    cr_assert(eq(sz, buf.size, 0));
    cr_assert(buf.failed);
}
