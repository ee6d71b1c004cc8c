/* message: what a worker and its keepers say to each other. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "worker/runner/message.h"

static leat_buf buf;

static void
teardown(void)
{
    leat_buf_fini(&buf);
}

TestSuite(worker_message, .fini = teardown);

static leat_bytes
bytes_of(const char *text)
{
    return (leat_bytes){.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
}

static bool
is(leat_bytes bytes, const char *text)
{
    return bytes.size == strlen(text) &&
           (bytes.size == 0 || memcmp(bytes.data, text, bytes.size) == 0);
}

/* The body of the one message in buf. */
static leat_reader
body(leat_message_kind kind)
{
    cr_assert(ge(sz, buf.size, LEAT_MESSAGE_HEAD));
    cr_assert(eq(sz, leat_load_u32(buf.data), buf.size - 4));
    cr_assert(eq(int, buf.data[4], (int)kind));
    return leat_reader_over(buf.data + LEAT_MESSAGE_HEAD, buf.size - LEAT_MESSAGE_HEAD);
}

static void
put_variable(const char *text)
{
    leat_put_u32(&buf, (uint32_t)strlen(text));
    leat_put_bytes(&buf, text, strlen(text));
}

Test(worker_message, a_job_comes_back_as_it_was_and_no_part_of_it_is_one)
{
    const leat_message_job job = {
        .id = 7,
        .batch = 6,
        .place = 3,
        .attempt = 2,
        .left_ms = 1500,
        .handler = bytes_of("resize"),
        .channel = bytes_of("images"),
        .payload = bytes_of("pay"),
        .checkpoint = bytes_of("left"),
    };
    leat_message_job got;
    const size_t begin = leat_message_begin(&buf, LEAT_MESSAGE_JOB);
    leat_message_job_put(&buf, &job);
    leat_put_u32(&buf, 2);
    put_variable("A=1");
    put_variable("B=");
    leat_message_finish(&buf, begin);

    leat_reader all = body(LEAT_MESSAGE_JOB);
    cr_assert(leat_message_job_read(all, &got));
    cr_assert(eq(u64, got.id, 7));
    cr_assert(eq(u64, got.batch, 6));
    cr_assert(eq(u32, got.place, 3));
    cr_assert(eq(u32, got.attempt, 2));
    cr_assert(eq(u64, got.left_ms, 1500));
    cr_assert(is(got.handler, "resize"));
    cr_assert(is(got.channel, "images"));
    cr_assert(is(got.payload, "pay"));
    cr_assert(is(got.checkpoint, "left"));
    cr_assert(eq(u32, got.variable_count, 2));
    cr_assert(is(leat_exec_next(&got.variables), "A=1"));
    cr_assert(is(leat_exec_next(&got.variables), "B="));
    for (size_t size = 0; size < leat_reader_left(&all); size++)
        cr_assert(not(leat_message_job_read(leat_reader_over(all.at, size), &got)), "%zu", size);
}

Test(worker_message, what_was_given_comes_back_as_it_was)
{
    static const uint16_t numbers[] = {0, 2};
    const leat_given given = {
        .count = 2,
        .amounts = {{.name = "gpu", .amount = 2, .numbers = numbers},
                    {.name = "mem", .amount = 1ULL << 40}},
    };
    leat_given *got;
    leat_message_given_put(&buf, &given);
    const leat_bytes all = {.data = buf.data, .size = (uint32_t)buf.size};
    cr_assert(leat_message_given_read(all, &got));
    cr_assert(eq(u32, got->count, 2));
    LEAT_SAME_TEXT(got->amounts[0].name, "gpu");
    cr_assert(eq(u64, got->amounts[0].amount, 2));
    cr_assert(eq(u16, got->amounts[0].numbers[0], 0));
    cr_assert(eq(u16, got->amounts[0].numbers[1], 2));
    LEAT_SAME_TEXT(got->amounts[1].name, "mem");
    cr_assert(eq(u64, got->amounts[1].amount, 1ULL << 40));
    cr_assert(got->amounts[1].numbers == NULL);
    free(got);
    for (uint32_t size = 1; size < all.size; size++) {
        /* What ends with the first amount is one, but for that. */
        const bool is_one = leat_message_given_read((leat_bytes){all.data, size}, &got);
        cr_assert(eq(int, is_one, size == 4 + 4 + 8 + 1 + 4), "%u", size);
        free(got);
    }
    cr_assert(leat_message_given_read((leat_bytes){0}, &got));
    cr_assert(got == NULL);
}

Test(worker_message, what_is_told_comes_in_the_order_in_which_it_was_put)
{
    leat_message_told told;
    const size_t begin = leat_message_begin(&buf, LEAT_MESSAGE_TOLD);
    leat_message_told_put(&buf, &(leat_message_told){.kind = LEAT_TELLING_LOG,
                                                     .stream = LEAT_STREAM_ERR,
                                                     .offset = 5,
                                                     .data = bytes_of("line\n")});
    leat_message_told_put(&buf, &(leat_message_told){.kind = LEAT_TELLING_CHECKPOINT});
    leat_message_told_put(
        &buf, &(leat_message_told){
                  .kind = LEAT_TELLING_PROGRESS, .done = 1, .of = 2, .text = leat_text_of("half")});
    leat_message_finish(&buf, begin);

    leat_reader all = body(LEAT_MESSAGE_TOLD);
    cr_assert(leat_message_told_next(&all, &told));
    cr_assert(eq(int, (int)told.kind, LEAT_TELLING_LOG));
    cr_assert(eq(int, (int)told.stream, LEAT_STREAM_ERR));
    cr_assert(eq(u64, told.offset, 5));
    cr_assert(is(told.data, "line\n"));
    cr_assert(leat_message_told_next(&all, &told));
    cr_assert(eq(int, (int)told.kind, LEAT_TELLING_CHECKPOINT));
    cr_assert(eq(u32, told.data.size, 0));
    cr_assert(leat_message_told_next(&all, &told));
    cr_assert(eq(u64, told.done, 1));
    cr_assert(eq(u64, told.of, 2));
    cr_assert(leat_text_is(told.text, leat_text_of("half")));
    cr_assert(not(leat_message_told_next(&all, &told)));
    cr_assert(not(all.failed));
}

Test(worker_message, what_nobody_tells_is_refused)
{
    static const uint8_t unknown[] = {9};
    static const uint8_t no_stream[] = {LEAT_TELLING_LOG, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t cut[] = {LEAT_TELLING_CHECKPOINT, 0, 0, 0, 2, 'a'};
    leat_message_told told;
    leat_reader reader = leat_reader_over(unknown, sizeof unknown);
    cr_assert(not(leat_message_told_next(&reader, &told)));
    cr_assert(reader.failed);
    reader = leat_reader_over(no_stream, sizeof no_stream);
    cr_assert(not(leat_message_told_next(&reader, &told)));
    cr_assert(reader.failed);
    reader = leat_reader_over(cut, sizeof cut);
    cr_assert(not(leat_message_told_next(&reader, &told)));
    cr_assert(reader.failed);
}

Test(worker_message, an_end_has_its_result_behind_it)
{
    leat_message_ended ended;
    const size_t begin = leat_message_begin(&buf, LEAT_MESSAGE_ENDED);
    leat_message_ended_put(
        &buf, &(leat_message_ended){.end = LEAT_MESSAGE_SNOOZED, .run_us = 3, .delay_ms = 4});
    leat_put_bytes(&buf, "abc", 3);
    leat_message_finish(&buf, begin);

    leat_reader all = body(LEAT_MESSAGE_ENDED);
    cr_assert(leat_message_ended_read(all, &ended));
    cr_assert(eq(int, ended.end, LEAT_MESSAGE_SNOOZED));
    cr_assert(eq(u64, ended.run_us, 3));
    cr_assert(eq(u64, ended.delay_ms, 4));
    cr_assert(is(ended.result, "abc"));
    cr_assert(not(leat_message_ended_read(leat_reader_over(all.at, 16), &ended)));
    buf.data[LEAT_MESSAGE_HEAD] = LEAT_MESSAGE_SNOOZED + 1;
    cr_assert(not(leat_message_ended_read(body(LEAT_MESSAGE_ENDED), &ended)));
}
