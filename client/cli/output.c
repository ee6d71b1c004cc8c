/* Showing what commands have printed. See output.h. */
#include "client/cli/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/json.h"

#define REASON_COLUMNS 160U

bool
leat_output_read(const leat_completed *done, leat_ending *out)
{
    return leat_ending_read(done->result, done->result_size, out) == LEAT_ERR_OK;
}

/* With a tag before each line; *inside: a line has begun. */
static void
put_tagged(leat_bytes bytes, const char *tag, bool *inside, FILE *out)
{
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    while (left > 0) {
        const uint8_t *const end = memchr(at, '\n', left);
        const size_t size = end == NULL ? left : (size_t)(end - at) + 1;
        if (!*inside)
            (void)fputs(tag, out);
        (void)fwrite(at, 1, size, out);
        *inside = end == NULL;
        at += size;
        left -= size;
    }
}

static void
put_stream(const leat_ending_stream *stream, const char *tag, FILE *out)
{
    bool inside = false;
    put_tagged(stream->head, tag, &inside, out);
    if (stream->cut > 0) {
        (void)fprintf(out, "%s... leat: %" PRIu64 " bytes are cut out here ...\n",
                      inside ? "\n" : "", stream->cut);
        inside = false;
    }
    put_tagged(stream->tail, tag, &inside, out);
    /* The next job's first line is to be a line of its own. */
    if (inside && *tag != '\0')
        (void)fputc('\n', out);
}

void
leat_output_show(const leat_ending *ending, const char *tag)
{
    put_stream(&ending->out, tag, stdout);
    (void)fflush(stdout);
    put_stream(&ending->err, tag, stderr);
}

void
leat_output_show_stdout(const leat_ending *ending)
{
    put_stream(&ending->out, "", stdout);
}

void
leat_output_write(const leat_ending_stream *stream, FILE *out)
{
    put_stream(stream, "", out);
}

void
leat_output_show_result(const leat_completed *done, const char *tag)
{
    bool inside = false;
    put_tagged((leat_bytes){.data = done->result, .size = (uint32_t)done->result_size}, tag,
               &inside, stdout);
    if (inside)
        (void)fputc('\n', stdout);
}

/* Head and tail as one text; what is missing between them is told beside it. */
static void
add_stream(cJSON *json, const char *key, const char *cut_key, const leat_ending_stream *stream)
{
    leat_buf whole = {0};
    leat_put_bytes(&whole, stream->head.data, stream->head.size);
    leat_put_bytes(&whole, stream->tail.data, stream->tail.size);
    leat_json_put_bytes(json, key, whole.data == NULL ? "" : (const char *)whole.data, whole.size);
    if (stream->cut > 0)
        (void)cJSON_AddNumberToObject(json, cut_key, (double)stream->cut);
    leat_buf_fini(&whole);
}

void
leat_output_json(cJSON *json, const leat_ending *ending)
{
    if (ending->how == LEAT_ENDING_SIGNAL)
        (void)cJSON_AddNumberToObject(json, "signal", ending->code);
    else
        (void)cJSON_AddNumberToObject(json, "exit", ending->code);
    if (ending->sentence.size > 0)
        leat_json_put_bytes(json, "why", ending->sentence.data, ending->sentence.size);
    if (ending->collected > 0)
        (void)cJSON_AddNumberToObject(json, "collected", ending->collected);
    add_stream(json, "stdout", "stdout_cut", &ending->out);
    add_stream(json, "stderr", "stderr_cut", &ending->err);
}

void
leat_output_reason(const leat_completed *done, bool utf8, char *out, size_t size)
{
    const leat_text text = leat_ending_text(done->result, done->result_size);
    (void)leat_screen_safe(text.data, text.size, utf8, REASON_COLUMNS, out, size);
}
