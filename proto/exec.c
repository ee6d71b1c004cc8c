/* What a command job says, and what its result says: bytes <-> values. See exec.h. */
#include "proto/exec.h"

#include "proto/limits.h"
#include "proto/text.h"

#define VERSION 1U

static const uint8_t mark[] = {0, 'L', 'X'};

/* ----------------------------------------------------------------------------------- both ways */

static leat_bytes
read_bytes32(leat_reader *reader)
{
    leat_bytes bytes = {.size = leat_read_u32(reader)};
    bytes.data = leat_read_bytes(reader, bytes.size);
    if (bytes.data == NULL)
        bytes.size = 0;
    return bytes;
}

static void
put_bytes32(leat_buf *buf, leat_bytes bytes)
{
    leat_put_u32(buf, bytes.size);
    leat_put_bytes(buf, bytes.data, bytes.size);
}

static bool
has_nul(leat_bytes bytes)
{
    return bytes.size > 0 && memchr(bytes.data, 0, bytes.size) != NULL;
}

/* ------------------------------------------------------------------------------------- payload */

leat_exec
leat_exec_nothing(void)
{
    return (leat_exec){.umask = LEAT_EXEC_NO_UMASK};
}

leat_bytes
leat_exec_next(leat_reader *reader)
{
    return read_bytes32(reader);
}

static bool
is_variable(leat_bytes bytes)
{
    return bytes.size > 0 && bytes.data[0] != '=';
}

/* Pass a list; `list` is where its entries begin. */
static leat_err
walk(leat_reader *reader, bool variables, uint32_t *count, leat_reader *list)
{
    *count = leat_read_u32(reader);
    *list = *reader;
    if (reader->failed)
        return LEAT_ERR_MALFORMED;
    if (*count > LEAT_EXEC_WORDS_MAX)
        return LEAT_ERR_TOO_LARGE;
    for (uint32_t i = 0; i < *count; i++) {
        const leat_bytes bytes = read_bytes32(reader);
        if (reader->failed || has_nul(bytes) || (variables && !is_variable(bytes)))
            return LEAT_ERR_MALFORMED;
    }
    return LEAT_ERR_OK;
}

leat_err
leat_exec_read(const uint8_t *data, size_t size, leat_exec *out)
{
    leat_reader reader = leat_reader_over(data, size);
    leat_exec exec = {0};
    const uint8_t version = leat_read_u8(&reader);
    if (reader.failed || version == 0)
        return LEAT_ERR_MALFORMED;
    if (version != VERSION)
        return LEAT_ERR_UNSUPPORTED;
    exec.flags = leat_read_u8(&reader);
    exec.umask = leat_read_u16(&reader);
    exec.output_max = leat_read_u32(&reader);
    for (size_t i = 0; i < LEAT_EXEC_LIMITS; i++)
        exec.limits[i] = leat_read_u64(&reader);
    exec.directory = read_bytes32(&reader);
    if (reader.failed || (exec.flags & ~LEAT_EXEC_FLAGS) != 0 || has_nul(exec.directory) ||
        (exec.umask > 0777 && exec.umask != LEAT_EXEC_NO_UMASK))
        return LEAT_ERR_MALFORMED;

    leat_err err = walk(&reader, false, &exec.word_count, &exec.words);
    if (err == LEAT_ERR_OK && exec.word_count == 0)
        err = LEAT_ERR_MALFORMED;
    if (err == LEAT_ERR_OK)
        err = walk(&reader, true, &exec.variable_count, &exec.variables);
    if (err != LEAT_ERR_OK)
        return err;
    exec.input = read_bytes32(&reader);
    if (reader.failed || reader.at != reader.end)
        return LEAT_ERR_MALFORMED;
    *out = exec;
    return LEAT_ERR_OK;
}

void
leat_exec_put(leat_buf *buf,
              const leat_exec *exec,
              const leat_bytes *words,
              const leat_bytes *variables)
{
    assert(exec->word_count > 0);
    leat_put_u8(buf, VERSION);
    leat_put_u8(buf, exec->flags);
    leat_put_u16(buf, exec->umask);
    leat_put_u32(buf, exec->output_max);
    for (size_t i = 0; i < LEAT_EXEC_LIMITS; i++)
        leat_put_u64(buf, exec->limits[i]);
    put_bytes32(buf, exec->directory);
    leat_put_u32(buf, exec->word_count);
    for (uint32_t i = 0; i < exec->word_count; i++)
        put_bytes32(buf, words[i]);
    leat_put_u32(buf, exec->variable_count);
    for (uint32_t i = 0; i < exec->variable_count; i++)
        put_bytes32(buf, variables[i]);
    put_bytes32(buf, exec->input);
}

/* -------------------------------------------------------------------------------------- result */

leat_text
leat_ending_text(const void *result, size_t size)
{
    const char *const nul = size == 0 ? NULL : memchr(result, 0, size);
    return (leat_text){.data = result,
                       .size = nul == NULL ? size : (size_t)(nul - (const char *)result)};
}

static leat_ending_stream
read_stream(leat_reader *reader)
{
    leat_ending_stream stream;
    stream.head = read_bytes32(reader);
    stream.cut = leat_read_u64(reader);
    stream.tail = read_bytes32(reader);
    return stream;
}

leat_err
leat_ending_read(const uint8_t *data, size_t size, leat_ending *out)
{
    leat_ending ending = {.sentence = leat_ending_text(data, size)};
    leat_reader reader = leat_reader_over(data, size);
    (void)leat_read_bytes(&reader, ending.sentence.size);
    const uint8_t *const found = leat_read_bytes(&reader, sizeof mark);
    if (found == NULL || memcmp(found, mark, sizeof mark) != 0 ||
        ending.sentence.size > LEAT_SENTENCE_BYTES_MAX)
        return LEAT_ERR_MALFORMED;
    const uint8_t version = leat_read_u8(&reader);
    if (reader.failed || version == 0)
        return LEAT_ERR_MALFORMED;
    if (version != VERSION)
        return LEAT_ERR_UNSUPPORTED;

    ending.how = (leat_ending_how)leat_read_u8(&reader);
    ending.code = leat_read_u8(&reader);
    ending.flags = leat_read_u8(&reader);
    ending.collected = leat_read_u32(&reader);
    ending.out = read_stream(&reader);
    ending.err = read_stream(&reader);
    if (reader.failed || reader.at != reader.end || ending.how < LEAT_ENDING_EXIT ||
        ending.how > LEAT_ENDING_NOT_RUN || (ending.flags & ~LEAT_ENDING_FLAGS) != 0)
        return LEAT_ERR_MALFORMED;
    *out = ending;
    return LEAT_ERR_OK;
}

static void
put_stream(leat_buf *buf, const leat_ending_stream *stream)
{
    put_bytes32(buf, stream->head);
    leat_put_u64(buf, stream->cut);
    put_bytes32(buf, stream->tail);
}

void
leat_ending_put(leat_buf *buf, const leat_ending *ending)
{
    leat_text sentence = leat_ending_text(ending->sentence.data, ending->sentence.size);
    if (sentence.size > LEAT_SENTENCE_BYTES_MAX)
        sentence = leat_sentence_clip(sentence);
    leat_put_bytes(buf, sentence.data, sentence.size);
    leat_put_bytes(buf, mark, sizeof mark);
    leat_put_u8(buf, VERSION);
    leat_put_u8(buf, (uint8_t)ending->how);
    leat_put_u8(buf, ending->code);
    leat_put_u8(buf, ending->flags);
    leat_put_u32(buf, ending->collected);
    put_stream(buf, &ending->out);
    put_stream(buf, &ending->err);
}

int
leat_ending_code(const leat_ending *ending)
{
    return ending->how == LEAT_ENDING_SIGNAL ? 128 + ending->code : ending->code;
}
