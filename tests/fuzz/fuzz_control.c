/* Any bytes as a JSON body: as an object, as HELLO and as WELCOME. What is accepted survives being
 * printed and parsed again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/control.h"
#include "proto/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_explain(const char why[128])
{
    const size_t size = strnlen(why, 128);
    assert(size > 0 && size < 128);
}

static void
try_json(const uint8_t *data, size_t size)
{
    static leat_buf once;
    static leat_buf twice;
    char why[128];
    cJSON *json = NULL;
    leat_err err = leat_json_parse(data, size, &json, why);
    if (err != LEAT_ERR_OK) {
        must_explain(why);
        return;
    }
    leat_buf_reset(&once);
    leat_json_put(&once, json);
    cJSON_Delete(json);
    assert(!once.failed);

    /* cJSON writes numbers and some characters longer than they were. */
    err = leat_json_parse(once.data, once.size, &json, why);
    assert(err == LEAT_ERR_OK || err == LEAT_ERR_TOO_LARGE);
    if (err != LEAT_ERR_OK)
        return;
    leat_buf_reset(&twice);
    leat_json_put(&twice, json);
    cJSON_Delete(json);
    assert(twice.size == once.size && memcmp(twice.data, once.data, once.size) == 0);
}

static void
try_hello(const uint8_t *data, size_t size)
{
    static leat_hello hello;
    static leat_hello again;
    static leat_buf frame;
    char why[128];
    if (leat_hello_decode(data, size, &hello, why) != LEAT_ERR_OK) {
        must_explain(why);
        return;
    }
    leat_buf_reset(&frame);
    leat_hello_put(&frame, &hello, 1);
    const leat_err err = leat_hello_decode(frame.data + LEAT_FRAME_BYTES,
                                           frame.size - LEAT_FRAME_BYTES, &again, why);
    assert(err == LEAT_ERR_OK || err == LEAT_ERR_TOO_LARGE);
    if (err != LEAT_ERR_OK)
        return;
    assert(again.role == hello.role && again.connection == hello.connection);
    assert(again.floor == hello.floor && again.slots == hello.slots);
    assert(strcmp(again.name, hello.name) == 0 && strcmp(again.software, hello.software) == 0);
    assert(again.handler_count == hello.handler_count);
    for (uint32_t i = 0; i < hello.handler_count; i++) {
        assert(again.handlers[i].runs == hello.handlers[i].runs);
        assert(strcmp(again.handlers[i].name, hello.handlers[i].name) == 0);
    }
    assert(again.channel_count == hello.channel_count);
    for (uint32_t i = 0; i < hello.channel_count; i++)
        assert(strcmp(again.channels[i], hello.channels[i]) == 0);
    assert(again.trait_count == hello.trait_count && again.have_count == hello.have_count);
    for (uint32_t i = 0; i < hello.trait_count; i++) {
        assert(strcmp(again.traits[i].name, hello.traits[i].name) == 0);
        assert(strcmp(again.traits[i].value, hello.traits[i].value) == 0);
    }
    for (uint32_t i = 0; i < hello.have_count; i++) {
        assert(strcmp(again.haves[i].name, hello.haves[i].name) == 0);
        assert(again.haves[i].amount == hello.haves[i].amount);
    }
}

static void
try_welcome(const uint8_t *data, size_t size)
{
    static leat_buf frame;
    leat_welcome welcome;
    leat_welcome again;
    char why[128];
    if (leat_welcome_decode(data, size, &welcome, why) != LEAT_ERR_OK) {
        must_explain(why);
        return;
    }
    leat_buf_reset(&frame);
    leat_welcome_put(&frame, &welcome, 1, 2);
    const leat_err err = leat_welcome_decode(frame.data + LEAT_FRAME_BYTES,
                                             frame.size - LEAT_FRAME_BYTES, &again, why);
    assert(err == LEAT_ERR_OK);
    assert(again.epoch == welcome.epoch && again.resumed == welcome.resumed);
    assert(again.window_frames == welcome.window_frames && again.lost_ms == welcome.lost_ms);
    assert(strcmp(again.broker, welcome.broker) == 0);
    assert(strcmp(again.software, welcome.software) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *const body = malloc(size + (size == 0));
    assert(body != NULL);
    if (size > 0)
        memcpy(body, data, size);
    try_json(body, size);
    try_hello(body, size);
    try_welcome(body, size);
    free(body);
    return 0;
}
