/* Any bytes as the payload and as the result of a command job. What is accepted is written again
 * and gives the same bytes. */
#include <assert.h>
#include <stdlib.h>

#include "proto/exec.h"
#include "proto/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static leat_buf again;

static leat_bytes *
list_of(leat_reader reader, uint32_t count)
{
    leat_bytes *const list = calloc((size_t)count + 1, sizeof *list);
    assert(list != NULL);
    for (uint32_t i = 0; i < count; i++) {
        list[i] = leat_exec_next(&reader);
        assert(!reader.failed);
        assert(list[i].size == 0 || memchr(list[i].data, 0, list[i].size) == NULL);
    }
    return list;
}

static void
must_be_same(const uint8_t *data, size_t size)
{
    assert(!again.failed && again.size == size);
    assert(size == 0 || memcmp(again.data, data, size) == 0);
}

static void
try_exec(const uint8_t *data, size_t size)
{
    leat_exec exec;
    if (leat_exec_read(data, size, &exec) != LEAT_ERR_OK)
        return;
    assert(exec.word_count >= 1 && exec.word_count <= LEAT_EXEC_WORDS_MAX);
    leat_bytes *const words = list_of(exec.words, exec.word_count);
    leat_bytes *const variables = list_of(exec.variables, exec.variable_count);
    leat_buf_reset(&again);
    leat_exec_put(&again, &exec, words, variables);
    must_be_same(data, size);
    free(words);
    free(variables);
}

static void
try_ending(const uint8_t *data, size_t size)
{
    leat_ending ending;
    const leat_text text = leat_ending_text(data, size);
    assert(text.size <= size && (text.size == 0 || memchr(text.data, 0, text.size) == NULL));
    if (leat_ending_read(data, size, &ending) != LEAT_ERR_OK)
        return;
    assert(leat_text_is(ending.sentence, text));
    leat_buf_reset(&again);
    leat_ending_put(&again, &ending);
    must_be_same(data, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *const copy = malloc(size == 0 ? 1 : size); /* its end is the sanitizer's fence */
    assert(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    try_exec(copy, size);
    try_ending(copy, size);
    free(copy);
    return 0;
}
