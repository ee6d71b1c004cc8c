/* jsonl: the lines of programs that do jobs over stdin and stdout. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/test.h"

#include "worker/runner/jsonl.h"

static leat_jsonl_answer answer;
static leat_buf line;
static char why[LEAT_JSONL_WHY_BYTES];

static void
teardown(void)
{
    leat_buf_fini(&answer.data);
    leat_buf_fini(&line);
}

TestSuite(worker_jsonl, .fini = teardown);

static leat_err
read_text(const char *text)
{
    return leat_jsonl_read((const uint8_t *)text, strlen(text), &answer, why);
}

static void
must_be(const char *text, leat_jsonl_kind kind, const char *data)
{
    LEAT_PASS(read_text(text));
    cr_assert(eq(int, (int)answer.kind, (int)kind), "%s", text);
    cr_assert(eq(u64, answer.job, 17));
    cr_assert(leat_text_is((leat_text){(const char *)answer.data.data, answer.data.size},
                           leat_text_of(data)),
              "%s: %.*s", text, (int)answer.data.size, (const char *)answer.data.data);
}

static void
must_refuse(const char *text, const char *sentence)
{
    cr_assert(ne(int, (int)read_text(text), LEAT_ERR_OK), "%s", text);
    cr_assert(strstr(why, sentence) != NULL, "%s: %s", text, why);
}

Test(worker_jsonl, every_answer_is_read)
{
    must_be("{\"job\":\"17\",\"result\":\"done\"}", LEAT_JSONL_RESULT, "done");
    must_be("{\"result\":\"\",\"job\":\"17\"}\r", LEAT_JSONL_RESULT, "");
    must_be("{\"job\":\"17\",\"fail\":\"no\"}", LEAT_JSONL_FAIL, "no");
    must_be("{\"job\":\"17\",\"fatal\":\"never\"}", LEAT_JSONL_FATAL, "never");
    must_be("{\"job\":\"17\",\"snooze_ms\":1500}", LEAT_JSONL_SNOOZE, "");
    cr_assert(eq(u64, answer.delay_ms, 1500));
    must_be("{\"job\":\"17\",\"progress\":3}", LEAT_JSONL_PROGRESS, "");
    cr_assert(eq(u64, answer.done, 3));
    cr_assert(eq(u64, answer.of, 0));
    must_be("{\"job\":\"17\",\"progress\":3,\"of\":10,\"message\":\"p\"}", LEAT_JSONL_PROGRESS,
            "p");
    cr_assert(eq(u64, answer.of, 10));
    must_be("{\"job\":\"17\",\"log\":\"line\"}", LEAT_JSONL_LOG, "line\n");
    must_be("{\"job\":\"17\",\"log\":\"line\\n\"}", LEAT_JSONL_LOG, "line\n");
    must_be("{\"job\":\"17\",\"checkpoint\":\"\\u00e9\"}", LEAT_JSONL_CHECKPOINT, "\xc3\xa9");
    must_be("{\"job\":\"17\",\"result\":\"x\",\"what nobody knows\":[1,{}]}", LEAT_JSONL_RESULT,
            "x");
}

Test(worker_jsonl, only_four_of_them_end_a_job)
{
    cr_assert(leat_jsonl_is_end(LEAT_JSONL_RESULT));
    cr_assert(leat_jsonl_is_end(LEAT_JSONL_FAIL));
    cr_assert(leat_jsonl_is_end(LEAT_JSONL_FATAL));
    cr_assert(leat_jsonl_is_end(LEAT_JSONL_SNOOZE));
    cr_assert(not(leat_jsonl_is_end(LEAT_JSONL_PROGRESS)));
    cr_assert(not(leat_jsonl_is_end(LEAT_JSONL_LOG)));
    cr_assert(not(leat_jsonl_is_end(LEAT_JSONL_CHECKPOINT)));
}

Test(worker_jsonl, bytes_that_are_no_text_come_as_base64)
{
    LEAT_PASS(read_text("{\"job\":\"17\",\"result_b64\":\"AP8=\"}"));
    cr_assert(eq(sz, answer.data.size, 2));
    cr_assert(eq(int, memcmp(answer.data.data, "\0\377", 2), 0));
    must_refuse("{\"job\":\"17\",\"result_b64\":\"AP8\"}", "base64");
    must_refuse("{\"job\":\"17\",\"result_b64\":\"AP8=\",\"result\":\"x\"}",
                "\"result\" is not text");
}

Test(worker_jsonl, what_is_no_answer_is_refused_with_what_is_wrong)
{
    must_refuse("", "byte");
    must_refuse("hello", "byte");
    must_refuse("[]", "byte");
    must_refuse("{\"job\":\"17\",\"result\":\"x\"", "byte");
    must_refuse("{\"job\":\"17\",\"result\":\"x\"} {}", "byte");
    must_refuse("{\"job\":\"17\",\"result\":\"\xff\"}", "not UTF-8");
    must_refuse("{\"job\":\"17\",\"result\":\"a\\u0000b\"}", "byte");
    must_refuse("{\"job\":\"17\",\"job\":\"17\",\"result\":\"\"}", "twice");
    must_refuse("{\"job\":\"17\"}", "none of result, fail");
    must_refuse("{\"job\":\"17\",\"resutl\":\"x\"}", "none of result, fail");
    must_refuse("{\"job\":\"17\",\"result\":\"x\",\"fail\":\"y\"}",
                "\"result\" and \"fail\" in one");
    must_refuse("{\"result\":\"x\"}", "\"job\" is not the job's number as text");
    must_refuse("{\"job\":17,\"result\":\"x\"}", "\"job\" is not the job's number as text");
    must_refuse("{\"job\":\"-1\",\"result\":\"x\"}", "\"job\" is not the job's number as text");
    must_refuse("{\"job\":\"17\",\"result\":{\"n\":1}}", "\"result\" is not text");
    must_refuse("{\"job\":\"17\",\"fail\":null}", "\"fail\" is not text");
    must_refuse("{\"job\":\"17\",\"snooze_ms\":-1}", "\"snooze_ms\" is not a whole number");
    must_refuse("{\"job\":\"17\",\"snooze_ms\":\"5\"}", "\"snooze_ms\" is not a whole number");
    must_refuse("{\"job\":\"17\",\"snooze_ms\":31622400001}", "up to 31622400000");
    must_refuse("{\"job\":\"17\",\"progress\":0.5}", "\"progress\" is not a whole number");
    must_refuse("{\"job\":\"17\",\"progress\":1,\"of\":1e100}", "\"of\" is not a whole number");
    must_refuse("{\"job\":\"17\",\"progress\":1,\"message\":7}", "\"message\" is not text");
}

/* {"job":"17","KEY":"aaa…"} with so many letters. */
static void
fill(const char *key, size_t count)
{
    leat_buf_reset(&line);
    leat_put_bytes(&line, "{\"job\":\"17\",\"", 13);
    leat_put_bytes(&line, key, strlen(key));
    leat_put_bytes(&line, "\":\"", 3);
    for (size_t i = 0; i < count; i++)
        leat_put_u8(&line, 'a');
    leat_put_bytes(&line, "\"}", 2);
    cr_assert(not(line.failed));
}

Test(worker_jsonl, a_result_and_a_checkpoint_have_their_sizes)
{
    fill("result", LEAT_PAYLOAD_BYTES_MAX);
    LEAT_PASS(leat_jsonl_read(line.data, line.size, &answer, why));
    cr_assert(eq(sz, answer.data.size, LEAT_PAYLOAD_BYTES_MAX));
    fill("result", LEAT_JSONL_BYTES_MAX);
    LEAT_FAILS(leat_jsonl_read(line.data, line.size, &answer, why), LEAT_ERR_TOO_LARGE);
    fill("checkpoint", LEAT_CHECKPOINT_BYTES_MAX);
    LEAT_PASS(leat_jsonl_read(line.data, line.size, &answer, why));
    fill("checkpoint", LEAT_CHECKPOINT_BYTES_MAX + 1);
    LEAT_FAILS(leat_jsonl_read(line.data, line.size, &answer, why), LEAT_ERR_TOO_LARGE);
}

Test(worker_jsonl, no_strict_prefix_of_an_answer_is_one)
{
    static const char whole[] = "{\"job\":\"17\",\"progress\":3,\"of\":10,\"message\":\"half\"}";
    for (size_t size = 0; size < sizeof whole - 1; size++)
        cr_assert(
            ne(int, (int)leat_jsonl_read((const uint8_t *)whole, size, &answer, why), LEAT_ERR_OK),
            "%zu", size);
}

static leat_bytes
bytes_of(const char *text)
{
    return (leat_bytes){.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
}

static void
must_have_put(const char *text)
{
    leat_put_u8(&line, 0);
    cr_assert(not(line.failed));
    LEAT_SAME_TEXT((const char *)line.data, text);
}

Test(worker_jsonl, a_job_is_one_line_with_its_number_first)
{
    static const char variables[] = "\0\0\0\x0fLEAT_JOB_SEQ=12\0\0\0\x01X";
    const leat_message_job job = {
        .id = 17,
        .attempt = 2,
        .handler = bytes_of("resize"),
        .payload = bytes_of("a \"b\"\n"),
        .variable_count = 2,
        .variables = leat_reader_over(variables, sizeof variables - 1),
    };
    leat_jsonl_put_job(&line, &job);
    must_have_put("{\"job\":\"17\",\"handler\":\"resize\",\"attempt\":2,"
                  "\"payload\":\"a \\\"b\\\"\\n\",\"variables\":{\"LEAT_JOB_SEQ\":\"12\"}}\n");
}

Test(worker_jsonl, a_job_may_have_a_checkpoint_a_limit_and_bytes_that_are_no_text)
{
    const leat_message_job job = {
        .id = 18446744073709551615U,
        .attempt = 1,
        .left_ms = 60000,
        .handler = bytes_of("h"),
        .payload = {.data = (const uint8_t *)"a\0b", .size = 3},
        .checkpoint = bytes_of("\xff"),
    };
    leat_jsonl_put_job(&line, &job);
    must_have_put("{\"job\":\"18446744073709551615\",\"handler\":\"h\",\"attempt\":1,"
                  "\"left_ms\":60000,\"payload_b64\":\"YQBi\",\"checkpoint_b64\":\"/w==\","
                  "\"variables\":{}}\n");
}

Test(worker_jsonl, a_stop_says_why)
{
    leat_jsonl_put_stop(&line, 17, false);
    leat_jsonl_put_stop(&line, 18, true);
    must_have_put("{\"stop\":\"17\",\"reason\":\"cancelled\"}\n"
                  "{\"stop\":\"18\",\"reason\":\"limit\"}\n");
}
