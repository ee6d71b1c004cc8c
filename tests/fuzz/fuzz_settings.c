/* Any bytes as settings, as needs and as traits. What is accepted is written again, and that reads
 * as the same; needs and traits are told pair by pair and put together again. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/settings.h"
#include "proto/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static leat_buf once;
static leat_buf twice;

/* Every text of settings that were read is what its row promises. */
static void
must_promise(const leat_settings *s)
{
    const leat_text names[] = {s->name,  s->unique,        s->flow,           s->key,
                               s->reply, s->reply_handler, s->recover.handler};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert(names[i].size == 0 || leat_name_is_valid(names[i]));
    for (unsigned i = 0; i < s->finally_count; i++)
        assert(leat_name_is_valid(s->finally[i].handler));
    assert(s->needs.size == 0 || leat_needs_is_valid(s->needs));
    assert(s->traits.size == 0 || leat_traits_is_valid(s->traits));
    assert(s->labels.size == 0 || leat_labels_is_valid(s->labels));
}

static void
try_settings(const uint8_t *data, size_t size)
{
    leat_settings settings;
    if (leat_settings_read(data, size, &settings) != LEAT_ERR_OK)
        return;
    must_promise(&settings);
    leat_buf_reset(&once);
    leat_settings_put(&once, &settings);
    assert(once.size <= size);
    const leat_err err = leat_settings_read(once.data, once.size, &settings);
    assert(err == LEAT_ERR_OK);
    leat_buf_reset(&twice);
    leat_settings_put(&twice, &settings);
    assert(twice.size == once.size);
    assert(once.size == 0 || memcmp(twice.data, once.data, once.size) == 0);
}

static void
put_pair(leat_text name, const void *value, size_t size)
{
    if (once.size > 0)
        leat_put_u8(&once, ',');
    leat_put_bytes(&once, name.data, name.size);
    leat_put_u8(&once, '=');
    leat_put_bytes(&once, value, size);
}

static void
try_pairs(leat_text text)
{
    leat_text name;
    leat_text left = text;
    if (leat_needs_is_valid(text)) {
        uint64_t amount;
        char digits[24];
        leat_buf_reset(&once);
        while (leat_needs_next(&left, &name, &amount)) {
            assert(amount > 0 && leat_trait_name_is_valid(name));
            put_pair(name, digits, (size_t)snprintf(digits, sizeof digits, "%" PRIu64, amount));
        }
        assert(once.size == text.size && memcmp(once.data, text.data, text.size) == 0);
        /* Digits are printable: what are needs could be traits. */
        assert(leat_traits_is_valid(text));
    }
    left = text;
    if (leat_traits_is_valid(text)) {
        leat_text value;
        leat_buf_reset(&once);
        while (leat_traits_next(&left, &name, &value)) {
            assert(leat_trait_name_is_valid(name) && leat_trait_value_is_valid(value));
            put_pair(name, value.data, value.size);
        }
        assert(once.size == text.size && memcmp(once.data, text.data, text.size) == 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* On the heap and exactly as large as it is, so that one byte too far is seen. */
    uint8_t *const exact = malloc(size + (size == 0));
    assert(exact != NULL);
    if (size > 0)
        memcpy(exact, data, size);
    try_settings(exact, size);
    try_pairs((leat_text){(const char *)exact, size});
    free(exact);
    return 0;
}
