/* broker/store/pack: packs of jobs. */
#include "tests/lib/test.h"

#include "broker/store/store.h"
#include "proto/limits.h"

static leat_buf buf;
static leat_pack pack;

static void
fini(void)
{
    leat_buf_fini(&buf);
}

TestSuite(pack, .fini = fini);

static void
put_three(void)
{
    leat_pack_put_head(&buf, "head", 4, 3);
    leat_pack_put_job(&buf, 0, "a", 1);
    leat_pack_put_job(&buf, 5, "", 0);
    leat_pack_put_job(&buf, 31, "ccc", 3);
}

static leat_err
open_size(size_t size)
{
    return leat_pack_open(buf.data, size, &pack);
}

Test(pack, what_was_put_is_read_back)
{
    put_three();

    LEAT_PASS(open_size(buf.size));

    static const struct {
        uint8_t offset;
        const char *payload;
    } want[] = {
        {0,  "a"  },
        {5,  ""   },
        {31, "ccc"},
    };
    cr_assert(eq(uint, pack.head_size, 4));
    cr_assert(eq(int, memcmp(pack.head, "head", 4), 0));
    cr_assert(eq(uint, pack.count, 3));
    for (size_t i = 0; i < 3; i++) {
        leat_pack_job job;
        leat_pack_next(&pack, &job);
        cr_assert(eq(uint, job.offset, want[i].offset));
        cr_assert(eq(uint, job.payload_bytes, strlen(want[i].payload)));
        cr_assert(eq(int, memcmp(job.payload, want[i].payload, job.payload_bytes), 0));
    }
    cr_assert(eq(sz, leat_reader_left(&pack.jobs), 0));
}

Test(pack, its_bytes_are_these_for_ever)
{
    static const uint8_t golden[] = {0,   0, 0, 4, 'h', 'e', 'a', 'd', 3, 0, 0, 0,   0,   1,
                                     'a', 5, 0, 0, 0,   0,   31,  0,   0, 0, 3, 'c', 'c', 'c'};

    put_three();

    cr_assert(eq(sz, buf.size, sizeof golden));
    cr_assert(eq(int, memcmp(buf.data, golden, sizeof golden), 0));
}

Test(pack, a_payload_of_the_largest_size_fits)
{
    leat_pack_put_head(&buf, NULL, 0, 1);
    uint8_t *const payload = calloc(1, LEAT_PAYLOAD_BYTES_MAX);
    cr_assert(ne(ptr, payload, NULL));
    leat_pack_put_job(&buf, 3, payload, LEAT_PAYLOAD_BYTES_MAX);
    free(payload);

    LEAT_PASS(open_size(buf.size));

    leat_pack_job job;
    leat_pack_next(&pack, &job);
    cr_assert(eq(uint, job.payload_bytes, LEAT_PAYLOAD_BYTES_MAX));
}

Test(pack, every_front_and_one_byte_more_is_corrupt)
{
    put_three();
    const size_t whole = buf.size;

    for (size_t size = 0; size < whole; size++)
        LEAT_FAILS(open_size(size), LEAT_ERR_CORRUPT);
    leat_put_u8(&buf, 0);
    LEAT_FAILS(open_size(whole + 1), LEAT_ERR_CORRUPT);
}

Test(pack, without_jobs_it_is_corrupt)
{
    leat_put_u32(&buf, 0);
    leat_put_u8(&buf, 0);

    LEAT_FAILS(open_size(buf.size), LEAT_ERR_CORRUPT);
}

Test(pack, with_a_job_twice_or_out_of_its_chunk_it_is_corrupt)
{
    put_three();

    buf.data[15] = 0; /* the second offset */
    LEAT_FAILS(open_size(buf.size), LEAT_ERR_CORRUPT);
    buf.data[15] = 31;
    LEAT_FAILS(open_size(buf.size), LEAT_ERR_CORRUPT);
    buf.data[15] = 32;
    LEAT_FAILS(open_size(buf.size), LEAT_ERR_CORRUPT);
    buf.data[15] = 30;
    LEAT_PASS(open_size(buf.size));
}

Test(pack, so_many_jobs_have_no_chunk)
{
    leat_pack_put_head(&buf, "head", 4, LEAT_CHUNK_IDS);
    buf.data[buf.size - 1]++;
    LEAT_FAILS(open_size(buf.size), LEAT_ERR_CORRUPT);
    buf.data[buf.size - 1] = 0;
    LEAT_FAILS(open_size(buf.size), LEAT_ERR_CORRUPT);
}
