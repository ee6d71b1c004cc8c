/* Payloads from the command line, a file or stdin. */
#include "client/cli/inputs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/limits.h"

#define READ_BYTES 65536U

/* ---- words and numbers ---- */

void
leat_inputs_of_words(leat_inputs *inputs, char *const *words, size_t count)
{
    *inputs = (leat_inputs){.words = words, .word_count = count};
}

/* A number at *p, which moves behind it. */
static bool
take_number(const char **p, uint64_t *out)
{
    const char *at = *p;
    *out = 0;
    for (; *at >= '0' && *at <= '9' && *out <= LEAT_INPUTS_NUMBER_MAX; at++)
        *out = *out * 10 + (uint64_t)(*at - '0');
    const bool is_one = at > *p && *out <= LEAT_INPUTS_NUMBER_MAX;
    *p = at;
    return is_one;
}

/* One range of the text, into value, last and step. */
static bool
take_range(leat_inputs *inputs)
{
    const char *p = inputs->ranges;
    inputs->step = 1;
    if (!take_number(&p, &inputs->value))
        return false;
    inputs->last = inputs->value;
    if (*p == '-') {
        p++;
        if (!take_number(&p, &inputs->last) || inputs->last < inputs->value)
            return false;
        if (*p == ':') {
            p++;
            if (!take_number(&p, &inputs->step) || inputs->step == 0)
                return false;
        }
    }
    if (*p == ',' ? p[1] == '\0' : *p != '\0')
        return false;
    inputs->ranges = *p == ',' ? p + 1 : p;
    inputs->is_counting = true;
    return true;
}

leat_err
leat_inputs_of_ranges(leat_inputs *inputs, const char *text)
{
    *inputs = (leat_inputs){.ranges = text};
    do {
        if (!take_range(inputs))
            return LEAT_ERR_MALFORMED;
    } while (*inputs->ranges != '\0');
    *inputs = (leat_inputs){.ranges = text};
    return LEAT_ERR_OK;
}

static bool
next_number(leat_inputs *inputs, const char **data, size_t *size)
{
    if (!inputs->is_counting && (*inputs->ranges == '\0' || !take_range(inputs)))
        return false;
    *size = (size_t)snprintf(inputs->digits, sizeof inputs->digits, "%" PRIu64, inputs->value);
    *data = inputs->digits;
    inputs->is_counting = inputs->last - inputs->value >= inputs->step;
    inputs->value += inputs->step;
    return true;
}

/* ---- lines ---- */

leat_err
leat_inputs_of_file(leat_inputs *inputs, const char *path, char separator)
{
    *inputs = (leat_inputs){.separator = separator, .has_lines = true};
    if (strcmp(path, "-") == 0) {
        inputs->fd = STDIN_FILENO;
        return LEAT_ERR_OK;
    }
    inputs->fd = open(path, O_RDONLY | O_CLOEXEC);
    inputs->owns = inputs->fd >= 0;
    return inputs->owns ? LEAT_ERR_OK : leat_err_from_errno(errno);
}

/* Is there a whole line, or the last one, or more than may be one? */
static bool
has_line(const leat_inputs *inputs, size_t from)
{
    const size_t left = inputs->end - inputs->at;
    return inputs->has_ended || left > LEAT_PAYLOAD_BYTES_MAX ||
           (left > from &&
            memchr(inputs->buffer + inputs->at + from, inputs->separator, left - from) != NULL);
}

/* Read once, which waits only where nothing is there. */
static void
fill(leat_inputs *inputs)
{
    if (inputs->at > 0)
        memmove(inputs->buffer, inputs->buffer + inputs->at, inputs->end - inputs->at);
    inputs->end -= inputs->at;
    inputs->at = 0;
    if (inputs->room - inputs->end < READ_BYTES) {
        const size_t room = inputs->room == 0 ? 2 * (size_t)READ_BYTES : 2 * inputs->room;
        char *const buffer = realloc(inputs->buffer, room);
        if (buffer == NULL) {
            inputs->failed = ENOMEM;
            inputs->has_ended = true;
            return;
        }
        inputs->buffer = buffer;
        inputs->room = room;
    }
    const ssize_t got = read(inputs->fd, inputs->buffer + inputs->end, READ_BYTES);
    inputs->failed = got < 0 ? errno : 0;
    inputs->has_ended = got == 0 || (got < 0 && errno != EINTR);
    inputs->end += got > 0 ? (size_t)got : 0;
}

bool
leat_inputs_ready(leat_inputs *inputs)
{
    struct pollfd ready = {.fd = inputs->fd, .events = POLLIN};
    size_t seen = 0;
    if (!inputs->has_lines)
        return true;
    while (!has_line(inputs, seen)) {
        seen = inputs->end - inputs->at;
        if (poll(&ready, 1, 0) != 1)
            return false;
        fill(inputs);
        if (inputs->failed == EINTR) {
            inputs->failed = 0;
            return false;
        }
    }
    return true;
}

static bool
next_line(leat_inputs *inputs, const char **data, size_t *size)
{
    size_t seen = 0;
    while (!has_line(inputs, seen)) {
        seen = inputs->end - inputs->at;
        fill(inputs);
        if (inputs->failed == EINTR)
            return false;
    }
    if (inputs->failed != 0 || inputs->at == inputs->end)
        return false;
    const size_t left = inputs->end - inputs->at;
    const char *const line = inputs->buffer + inputs->at;
    const char *const sign = memchr(line, inputs->separator, left);
    *data = line;
    *size = sign != NULL ? (size_t)(sign - line) : left;
    inputs->at += *size + (sign != NULL ? 1 : 0);
    return true;
}

bool
leat_inputs_next(leat_inputs *inputs, const char **data, size_t *size)
{
    bool found;
    if (inputs->has_lines) {
        found = next_line(inputs, data, size);
    } else if (inputs->ranges != NULL) {
        found = next_number(inputs, data, size);
    } else {
        found = inputs->next_word < inputs->word_count;
        if (found) {
            *data = inputs->words[inputs->next_word++];
            *size = strlen(*data);
        }
    }
    inputs->number += found ? 1 : 0;
    return found;
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
        (void)close(inputs->fd);
    free(inputs->buffer);
    *inputs = (leat_inputs){0};
}
