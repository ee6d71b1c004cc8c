/* Files of what jobs printed. See results.h. */
#include "client/cli/results.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/output.h"
#include "client/cli/state.h"

leat_err
leat_results_open(const char *folder)
{
    return leat_path_make(folder, 0777);
}

static FILE *
open_file(const char *folder, uint64_t number, const char *name)
{
    char path[LEAT_PATH_BYTES];
    const int size = snprintf(path, sizeof path, "%s/%" PRIu64 "/%s", folder, number, name);
    if (size < 0 || (size_t)size >= sizeof path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    return fopen(path, "we");
}

/* A file with the pieces of a stream, or with one piece. */
static leat_err
write_file(const char *folder, uint64_t number, const char *name, const leat_ending_stream *stream)
{
    FILE *const file = open_file(folder, number, name);
    if (file == NULL)
        return leat_err_from_errno(errno);
    leat_output_write(stream, file);
    const bool failed = ferror(file) != 0;
    return fclose(file) == 0 && !failed ? LEAT_ERR_OK : leat_err_from_errno(errno);
}

static leat_err
write_text(const char *folder, uint64_t number, const char *name, leat_text text)
{
    const leat_ending_stream whole = {
        .head = {.data = (const uint8_t *)text.data, .size = (uint32_t)text.size}
    };
    return write_file(folder, number, name, &whole);
}

leat_err
leat_results_put(const char *folder, const leat_flying *job, const leat_completed *done)
{
    char path[LEAT_PATH_BYTES];
    char code[16];
    leat_ending ending = {0};
    const bool is_command = leat_output_read(done, &ending);
    if (!is_command && done->outcome == LEAT_DONE)
        ending.out.head = (leat_bytes){.data = done->result, .size = (uint32_t)done->result_size};
    (void)snprintf(code, sizeof code, "%d\n",
                   is_command                   ? leat_ending_code(&ending)
                   : done->outcome == LEAT_DONE ? 0
                                                : 255);
    if (snprintf(path, sizeof path, "%s/%" PRIu64, folder, job->number) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return LEAT_ERR_TOO_LARGE;
    }
    leat_err err = leat_path_make(path, 0777);
    if (err == LEAT_ERR_OK)
        err = write_file(folder, job->number, "stdout", &ending.out);
    if (err == LEAT_ERR_OK)
        err = write_file(folder, job->number, "stderr", &ending.err);
    if (err == LEAT_ERR_OK)
        err = write_text(folder, job->number, "command", job->command);
    if (err == LEAT_ERR_OK)
        err = write_text(folder, job->number, "exit", leat_text_of(code));
    return err;
}
