/* Payloads from the command line, a file or stdin. */
#include "client/cli/inputs.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
leat_inputs_of_words(leat_inputs *inputs, char *const *words, size_t count)
{
    *inputs = (leat_inputs){.words = words, .word_count = count};
}

leat_err
leat_inputs_of_file(leat_inputs *inputs, const char *path, char separator)
{
    *inputs = (leat_inputs){.separator = separator};
    if (strcmp(path, "-") == 0) {
        inputs->stream = stdin;
        return LEAT_ERR_OK;
    }
    inputs->stream = fopen(path, "re");
    if (inputs->stream == NULL)
        return leat_err_from_errno(errno);
    inputs->owns = true;
    return LEAT_ERR_OK;
}

bool
leat_inputs_next(leat_inputs *inputs, const char **data, size_t *size)
{
    if (inputs->stream == NULL) {
        if (inputs->next_word >= inputs->word_count)
            return false;
        *data = inputs->words[inputs->next_word++];
        *size = strlen(*data);
        inputs->number++;
        return true;
    }
    errno = 0;
    const ssize_t got =
        getdelim(&inputs->line, &inputs->line_room, inputs->separator, inputs->stream);
    if (got <= 0) {
        inputs->failed = ferror(inputs->stream) != 0 ? errno : 0;
        return false;
    }
    *size = (size_t)got;
    *data = inputs->line;
    if (inputs->line[*size - 1] == inputs->separator)
        (*size)--;
    inputs->number++;
    return true;
}

bool
leat_inputs_lie_unused(void)
{
    struct stat info;
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
    return fstat(STDIN_FILENO, &info) == 0 && S_ISFIFO(info.st_mode) && poll(&ready, 1, 0) == 1 &&
           (ready.revents & POLLIN) != 0;
}

void
leat_inputs_fini(leat_inputs *inputs)
{
    if (inputs->owns)
        (void)fclose(inputs->stream);
    free(inputs->line);
    *inputs = (leat_inputs){0};
}
