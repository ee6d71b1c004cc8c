/* Any bytes as a line of a program that does jobs over stdin and stdout. What is accepted keeps the
 * bounds, and its bytes come back from a line that is written with them. */
#include <assert.h>
#include <stdlib.h>

#include "worker/runner/jsonl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static leat_jsonl_answer answer;
static leat_jsonl_answer again;
static leat_buf line;

/* What was read, as the payload of a job: one line, that is JSON of ours. */
static void
try_as_payload(void)
{
    const leat_message_job job = {
        .id = answer.job,
        .payload = {.data = answer.data.data, .size = (uint32_t)answer.data.size},
    };
    leat_buf_reset(&line);
    leat_jsonl_put_job(&line, &job);
    assert(!line.failed && line.size > 2 && line.data[line.size - 1] == '\n');
    assert(memchr(line.data, '\n', line.size) == line.data + line.size - 1);
}

/* An answer with these bytes is read as they were. */
static void
try_as_result(void)
{
    static const char digits[] = "0123456789abcdef";
    char why[LEAT_JSONL_WHY_BYTES];
    leat_buf_reset(&line);
    leat_put_bytes(&line, "{\"job\":\"1\",\"result\":\"", 21);
    for (size_t i = 0; i < answer.data.size; i++) {
        const uint8_t byte = answer.data.data[i];
        if (byte == 0)
            return; /* only base64 can hold it */
        if (byte >= 0x20 && byte != '"' && byte != '\\') {
            leat_put_u8(&line, byte);
            continue;
        }
        leat_put_bytes(&line, "\\u00", 4);
        leat_put_u8(&line, (uint8_t)digits[byte >> 4]);
        leat_put_u8(&line, (uint8_t)digits[byte & 15]);
    }
    leat_put_bytes(&line, "\"}", 2);
    const leat_text text = {(const char *)answer.data.data, answer.data.size};
    const leat_err err = leat_jsonl_read(line.data, line.size, &again, why);
    if (!leat_text_is_utf8(text)) {
        assert(err == LEAT_ERR_MALFORMED);
        return;
    }
    assert(err == LEAT_ERR_OK && again.kind == LEAT_JSONL_RESULT && again.job == 1);
    assert(leat_text_is(text, (leat_text){(const char *)again.data.data, again.data.size}));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[LEAT_JSONL_WHY_BYTES];
    uint8_t *const copy = malloc(size == 0 ? 1 : size); /* its end is the sanitizer's fence */
    assert(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    if (leat_jsonl_read(copy, size, &answer, why) == LEAT_ERR_OK) {
        assert(answer.kind >= LEAT_JSONL_RESULT && answer.kind <= LEAT_JSONL_CHECKPOINT);
        assert(answer.delay_ms <= LEAT_DELAY_MS_MAX);
        assert(answer.kind != LEAT_JSONL_CHECKPOINT ||
               answer.data.size <= LEAT_CHECKPOINT_BYTES_MAX);
        try_as_payload();
        try_as_result();
    } else {
        assert(why[0] != '\0' && memchr(why, '\0', sizeof why) != NULL);
    }
    free(copy);
    return 0;
}
