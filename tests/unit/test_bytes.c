/* bytes: the reader that never looks outside, the buf that grows. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "proto/base/bytes.h"
#include "tests/lib/alloc.h"

Test(bytes, numbers_come_back_as_they_were_put_in_network_order)
{
    static const uint8_t want[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                   0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f};
    leat_buf buf = {0};
    leat_put_u8(&buf, 0x01);
    leat_put_u16(&buf, 0x0203);
    leat_put_u32(&buf, 0x04050607);
    leat_put_u64(&buf, 0x08090a0b0c0d0e0f);

    cr_assert(eq(sz, buf.size, sizeof want));
    cr_assert(eq(int, memcmp(buf.data, want, sizeof want), 0));
    leat_reader reader = leat_reader_over(buf.data, buf.size);
    cr_assert(eq(u8, leat_read_u8(&reader), 0x01));
    cr_assert(eq(u16, leat_read_u16(&reader), 0x0203));
    cr_assert(eq(u32, leat_read_u32(&reader), 0x04050607));
    cr_assert(eq(u64, leat_read_u64(&reader), 0x08090a0b0c0d0e0f));
    cr_assert(eq(sz, leat_reader_left(&reader), 0));
    cr_assert(not(reader.failed));
    leat_buf_fini(&buf);
}

Test(bytes, text_comes_back_with_its_size_and_empty_text_too)
{
    static const char zeros[300];
    leat_buf buf = {0};
    leat_put_text8(&buf, leat_text_of("a\tb"));
    leat_put_text8(&buf, leat_text_of(NULL));
    leat_put_text16(&buf, (leat_text){.data = zeros, .size = sizeof zeros});
    leat_put_text16(&buf, leat_text_of(""));

    leat_reader reader = leat_reader_over(buf.data, buf.size);
    cr_assert(leat_text_is(leat_read_text8(&reader), leat_text_of("a\tb")));
    cr_assert(eq(sz, leat_read_text8(&reader).size, 0));
    const leat_text text = leat_read_text16(&reader);
    cr_assert(leat_text_is(text, (leat_text){.data = zeros, .size = sizeof zeros}));
    cr_assert(eq(sz, leat_read_text16(&reader).size, 0));
    cr_assert(eq(sz, leat_reader_left(&reader), 0));
    cr_assert(not(reader.failed));
    leat_buf_fini(&buf);
}

Test(bytes, what_is_cut_anywhere_reads_as_nothing_and_says_so)
{
    leat_buf buf = {0};
    leat_put_text16(&buf, leat_text_of("hello"));

    for (size_t size = 0; size < buf.size; size++) {
        leat_reader reader = leat_reader_over(buf.data, size);
        const leat_text text = leat_read_text16(&reader);
        cr_assert(eq(sz, text.size, 0));
        cr_assert(reader.failed);
    }
    leat_buf_fini(&buf);
}

Test(bytes, a_reader_that_failed_yields_zeros_even_where_bytes_are_left)
{
    static const uint8_t data[] = {1, 2, 3};
    leat_reader reader = leat_reader_over(data, sizeof data);

    cr_assert(eq(u64, leat_read_u64(&reader), 0));
    cr_assert(eq(u8, leat_read_u8(&reader), 0));
    cr_assert(leat_read_bytes(&reader, 1) == NULL);
    cr_assert(reader.failed);
}

Test(bytes, a_reader_over_nothing_reads_nothing_without_failing)
{
    leat_reader reader = leat_reader_over(NULL, 0);

    cr_assert(leat_read_bytes(&reader, 0) != NULL);
    cr_assert(eq(sz, leat_reader_left(&reader), 0));
    cr_assert(not(reader.failed));
    leat_read_u8(&reader);
    cr_assert(reader.failed);
}

Test(bytes, a_buf_grows_over_many_writes_and_keeps_every_byte)
{
    leat_buf buf = {0};
    for (uint32_t i = 0; i < 50000; i++)
        leat_put_u32(&buf, i);

    cr_assert(eq(sz, buf.size, 200000));
    cr_assert(not(buf.failed));
    for (uint32_t i = 0; i < 50000; i++)
        cr_assert(eq(u32, leat_load_u32(buf.data + 4 * (size_t)i), i));
    leat_buf_fini(&buf);
}

Test(bytes, no_bytes_into_an_empty_buf_are_no_error)
{
    leat_buf buf = {0};
    leat_put_bytes(&buf, NULL, 0);

    cr_assert(eq(sz, buf.size, 0));
    cr_assert(not(buf.failed));
    leat_buf_fini(&buf);
}

Test(bytes, a_reset_buf_is_empty_and_keeps_its_memory)
{
    leat_buf buf = {0};
    leat_put_u64(&buf, 7);
    const size_t capacity = buf.capacity;
    leat_buf_reset(&buf);

    cr_assert(eq(sz, buf.size, 0));
    cr_assert(eq(sz, buf.capacity, capacity));
    leat_buf_fini(&buf);
    cr_assert(eq(sz, buf.capacity, 0));
}

Test(bytes, a_buf_without_memory_keeps_what_it_has_and_ignores_the_rest)
{
    leat_buf buf = {0};
    leat_put_u64(&buf, 1);
    const size_t capacity = buf.capacity;
    leat_alloc_fail_after(0);
    cr_assert(eq(ptr, leat_buf_room(&buf, capacity), NULL));

    cr_assert(leat_alloc_has_failed());
    cr_assert(buf.failed);
    leat_put_u64(&buf, 2);
    cr_assert(eq(sz, buf.size, 8));
    cr_assert(eq(u64, leat_load_u64(buf.data), 1));
    leat_buf_fini(&buf);
}

Test(bytes, room_for_more_than_there_is_memory_fails_without_wrapping_round)
{
    leat_buf buf = {0};
    leat_put_u8(&buf, 1);

    cr_assert(eq(ptr, leat_buf_room(&buf, SIZE_MAX - 4), NULL));
    cr_assert(buf.failed);
    cr_assert(eq(sz, buf.size, 1));
    leat_buf_fini(&buf);
}

Test(bytes, a_copy_of_text_is_terminated_and_of_none_is_empty)
{
    char *const copy = leat_text_dup((leat_text){.data = "hello", .size = 4});
    char *const empty = leat_text_dup((leat_text){0});

    LEAT_SAME_TEXT(copy, "hell");
    LEAT_SAME_TEXT(empty, "");
    free(copy);
    free(empty);
    leat_alloc_fail_after(0);
    cr_assert(eq(ptr, leat_text_dup(leat_text_of("x")), NULL));
}
