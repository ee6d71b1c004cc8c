/* Any bytes as the body of a data frame: the first byte chooses the command, two more are the count
 * of the header. What is accepted is walked to its end and is written to the same bytes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/records.h"
#include "tests/lib/transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Settings may stand in any order and may be skipped: then only what is written is compared with
 * what is written of that. */
static bool
has_settings(const uint8_t *body, size_t size)
{
    leat_reader reader = leat_reader_over(body, size);
    (void)leat_read_u8(&reader);
    (void)leat_read_text8(&reader);
    (void)leat_read_text8(&reader);
    (void)leat_read_bytes(&reader, 12);
    return leat_read_u16(&reader) > 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static leat_buf copy;
    static leat_buf again;
    static leat_buf text;
    if (size < 3)
        return 0;
    const leat_command command = (leat_command)data[0];
    const uint16_t count = leat_load_u16(data + 1);
    /* On the heap and exactly as large as it is, so that one byte too far is seen. */
    const size_t body_size = size - 3;
    uint8_t *const body = malloc(body_size + (body_size == 0));
    assert(body != NULL);
    memcpy(body, data + 3, body_size);

    leat_buf_reset(&copy);
    leat_buf_reset(&text);
    leat_err err = leat_transcript_body(command, count, body, body_size, &text, &copy);
    assert(err != LEAT_ERR_CORRUPT);
    if (err == LEAT_ERR_OK && command == LEAT_CMD_SEND && has_settings(body, body_size)) {
        leat_buf_reset(&again);
        err = leat_transcript_body(command, count, copy.data, copy.size, NULL, &again);
        assert(err == LEAT_ERR_OK && again.size == copy.size);
        assert(memcmp(again.data, copy.data, copy.size) == 0);
    } else if (err == LEAT_ERR_OK) {
        assert(copy.size == body_size);
        assert(body_size == 0 || memcmp(copy.data, body, body_size) == 0);
    }

    /* The log of completions by itself, as the store keeps it. */
    leat_reader log = leat_reader_over(body, body_size);
    leat_items_run run;
    if (leat_log_open(&log, &run) == LEAT_ERR_OK) {
        leat_completion completion;
        for (uint16_t i = 0; i < run.n; i++) {
            leat_items_next_completion(&log, &completion);
            (void)leat_items_worker(&run, completion.worker);
        }
        assert(log.at == log.end);
    }
    free(body);
    return 0;
}
