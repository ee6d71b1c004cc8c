/* tell: a job's words, and the frames that carry them. */
#include "tests/lib/test.h"

#include "worker/tell.h"

static const leat_token token = {.id = 7, .attempt = 2, .epoch = 77};
static leat_tell tell;
static leat_tellings tellings;

static void
teardown(void)
{
    leat_tell_reset(&tell);
    leat_tellings_fini(&tellings);
}

TestSuite(worker_tell, .fini = teardown);

static leat_progress
must_be_progress(uint16_t count)
{
    leat_reader records;
    leat_progress progress = {0};
    cr_assert(eq(u16, tellings.progress_count, count));
    LEAT_PASS(leat_progress_open(tellings.progress.data + LEAT_FRAME_BYTES,
                                 tellings.progress.size - LEAT_FRAME_BYTES, count, &records));
    for (uint16_t i = 0; i < count; i++)
        leat_progress_next(&records, &progress);
    return progress;
}

static leat_output
must_be_output(uint16_t count)
{
    leat_reader records;
    leat_output output = {0};
    cr_assert(eq(u16, tellings.log_count, count));
    LEAT_PASS(leat_output_open(tellings.log.data + LEAT_FRAME_BYTES,
                               tellings.log.size - LEAT_FRAME_BYTES, count, &records));
    for (uint16_t i = 0; i < count; i++)
        leat_output_next(&records, &output);
    return output;
}

Test(worker_tell, a_progress_replaces_the_one_before)
{
    leat_tell_progress(&tell, 1, 10, leat_text_of("one"));
    leat_tell_progress(&tell, 2, 10, leat_text_of("two"));

    cr_assert(leat_tellings_take(&tellings, &token, &tell, false, 1000));

    const leat_progress progress = must_be_progress(1);
    cr_assert(eq(u64, progress.done, 2));
    cr_assert(eq(u64, progress.from.token.id, 7));
    cr_assert(leat_text_is(progress.text, leat_text_of("two")));
    cr_assert(not(leat_tell_has(&tell)));
}

Test(worker_tell, ten_a_second_leave_and_the_last_one_always)
{
    unsigned left = 0;
    for (int64_t ms = 1000; ms < 2000; ms++) {
        leat_tell_progress(&tell, (uint64_t)ms, 0, (leat_text){0});
        left += leat_tellings_take(&tellings, &token, &tell, false, ms);
    }
    cr_assert(eq(uint, left, 10));
    cr_assert(lt(u64, must_be_progress(10).done, 1999));

    cr_assert(leat_tellings_take(&tellings, &token, &tell, true, 2000));

    cr_assert(eq(u64, must_be_progress(11).done, 1999));
}

Test(worker_tell, words_that_are_too_long_are_cut)
{
    static const char words[LEAT_PROGRESS_TEXT_MAX + 10] = {'x'};
    leat_tell_progress(&tell, 1, 1, (leat_text){words, sizeof words});

    cr_assert(leat_tellings_take(&tellings, &token, &tell, true, 1000));

    cr_assert(eq(sz, must_be_progress(1).text.size, LEAT_PROGRESS_TEXT_MAX));
}

Test(worker_tell, lines_leave_together_with_their_offset)
{
    leat_tell_log(&tell, "one\n", 4);
    leat_tell_log(&tell, "two\n", 4);
    cr_assert(leat_tellings_take(&tellings, &token, &tell, false, 1000));
    leat_tell_log(&tell, "three\n", 6);
    cr_assert(leat_tellings_take(&tellings, &token, &tell, false, 1000));

    const leat_output output = must_be_output(2);
    cr_assert(eq(u64, output.offset, 8));
    cr_assert(eq(u32, output.data.size, 6));
    cr_assert(eq(int, memcmp(output.data.data, "three\n", 6), 0));
}

Test(worker_tell, what_finds_no_room_shows_as_a_hole)
{
    static const char line[1000] = {'x'};
    for (unsigned i = 0; i < 100; i++)
        leat_tell_log(&tell, line, sizeof line);
    cr_assert(le(sz, tell.log.size, LEAT_TELL_LOG_BYTES));
    cr_assert(leat_tellings_take(&tellings, &token, &tell, false, 1000));
    const uint16_t pieces = tellings.log_count;
    leat_tell_log(&tell, "after\n", 6);
    cr_assert(leat_tellings_take(&tellings, &token, &tell, false, 1000));

    cr_assert(eq(u64, must_be_output(pieces + 1U).offset, 100000));
}

Test(worker_tell, a_frame_does_not_grow_beyond_its_size)
{
    static const char output[100000] = {'x'};
    for (unsigned i = 0; i < 10; i++)
        leat_tellings_log(&tellings, &token, LEAT_STREAM_OUT, i * sizeof output, output,
                          sizeof output);

    cr_assert(le(sz, tellings.log.size, LEAT_FRAME_BYTES_CLOSE));
    cr_assert(gt(sz, tellings.log.size, LEAT_FRAME_BYTES_CLOSE - 2 * LEAT_LOG_BYTES_MAX));
    (void)must_be_output(tellings.log_count);
}

Test(worker_tell, a_checkpoint_replaces_the_one_before_and_has_a_largest_size)
{
    static const uint8_t bytes[LEAT_CHECKPOINT_BYTES_MAX + 1] = {1};
    LEAT_PASS(leat_tell_checkpoint(&tell, "one", 3));
    LEAT_PASS(leat_tell_checkpoint(&tell, bytes, LEAT_CHECKPOINT_BYTES_MAX));
    cr_assert(eq(int, leat_tell_checkpoint(&tell, bytes, sizeof bytes), LEAT_ERR_TOO_LARGE));

    cr_assert(tell.has_checkpoint);
    cr_assert(eq(sz, tell.checkpoint.size, LEAT_CHECKPOINT_BYTES_MAX));
}
