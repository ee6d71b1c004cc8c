/* worker/runner/capture: head and tail of what a program prints. */
#include "tests/lib/test.h"

#include "worker/runner/capture.h"

static leat_capture capture;

static void
fini(void)
{
    leat_capture_fini(&capture);
}

TestSuite(capture, .fini = fini);

/* Byte number i of what comes. */
static uint8_t
byte_at(uint64_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

/* `total` bytes come, at most `step` at a time. */
static void
come(size_t max, uint64_t total, size_t step)
{
    leat_capture_reset(&capture, max);
    while (capture.total < total) {
        size_t size;
        uint8_t *const room = leat_capture_room(&capture, &size);
        cr_assert(room != NULL && size > 0);
        if (size > step)
            size = step;
        if (size > total - capture.total)
            size = (size_t)(total - capture.total);
        for (size_t i = 0; i < size; i++)
            room[i] = byte_at(capture.total + i);
        leat_capture_filled(&capture, size);
    }
}

static void
must_hold(uint64_t total, size_t budget)
{
    const leat_ending_stream got = leat_capture_finish(&capture, budget);
    cr_assert(eq(u64, got.head.size + got.cut + got.tail.size, total));
    cr_assert(got.head.size + got.tail.size <= budget);
    cr_assert(got.cut == 0 || got.head.size + got.tail.size == budget);
    for (uint32_t i = 0; i < got.head.size; i++)
        cr_assert(eq(u8, got.head.data[i], byte_at(i)));
    for (uint32_t i = 0; i < got.tail.size; i++)
        cr_assert(eq(u8, got.tail.data[i], byte_at(total - got.tail.size + i)));
}

Test(capture, head_and_tail_are_those_of_the_stream)
{
    static const size_t maxes[] = {2, 3, 10, 100, 20000, 65536};
    for (size_t m = 0; m < sizeof maxes / sizeof *maxes; m++) {
        const size_t max = maxes[m];
        const uint64_t totals[] = {0,       1,          max - 1, max, max + 1, max + max / 2,
                                   2 * max, 7 * max + 3};
        for (size_t t = 0; t < sizeof totals / sizeof *totals; t++) {
            come(max, totals[t], 1000);
            must_hold(totals[t], max);
            come(max, totals[t], max / 3 + 1);
            must_hold(totals[t], max / 2 + 1);
        }
    }
}

Test(capture, memory_is_asked_for_as_it_fills)
{
    come(1 << 20, 100, 100);
    cr_assert(capture.room < 100000);
    come(1 << 20, 5 << 20, 4096);
    cr_assert(eq(sz, capture.room, 1 << 20));
}

Test(capture, two_streams_share_the_room)
{
    const struct {
        uint64_t first;
        uint64_t second;
        size_t want_first;
        size_t want_second;
    } rows[] = {
        {0,    0,    0,   100},
        {1000, 0,    100, 0  },
        {1000, 20,   80,  20 },
        {20,   1000, 20,  80 },
        {1000, 1000, 50,  50 },
        {50,   50,   50,  50 },
        {51,   49,   51,  49 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t first;
        size_t second;
        leat_capture_share(100, rows[i].first, rows[i].second, &first, &second);
        cr_assert(eq(sz, first, rows[i].want_first), "row %zu", i);
        cr_assert(eq(sz, second, rows[i].want_second), "row %zu", i);
    }
}

static leat_text
last_line(const char *text)
{
    const leat_ending_stream stream = {
        .head = {.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)}
    };
    return leat_capture_last_line(&stream);
}

Test(capture, the_last_line_that_says_something)
{
    cr_assert(leat_text_is(last_line("one\ntwo\n"), leat_text_of("two")));
    cr_assert(leat_text_is(last_line("one\ntwo \n\n \t\r\n"), leat_text_of("two")));
    cr_assert(leat_text_is(last_line("alone"), leat_text_of("alone")));
    cr_assert(eq(sz, last_line("").size, 0));
    cr_assert(eq(sz, last_line("\n\n").size, 0));
}
