/* leat_inputs: the payloads or messages that a command was given, from wherever they come: the
 * command line, what follows ":::", the lines of a file or of stdin. Handed out one at a time, so
 * that a long file is never in memory. */
#ifndef LEAT_CLI_INPUTS_H
#define LEAT_CLI_INPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "proto/base/err.h"

typedef struct leat_inputs {
    char *const *words; /* borrowed; NULL: lines */
    size_t word_count;
    size_t next_word;
    FILE *stream;   /* lines */
    bool owns;      /* stream is closed by fini */
    char separator; /* '\n' or 0 */
    char *line;     /* owned */
    size_t line_room;
    size_t number; /* inputs handed out, so the last one's number from 1 */
    int failed;    /* errno of a read that failed, else 0 */
} leat_inputs;

/* words are borrowed for the object's life. */
void leat_inputs_of_words(leat_inputs *inputs, char *const *words, size_t count);

/* Lines of a file, "-" for stdin. LEAT_ERR_…: it cannot be opened; errno says why. */
LEAT_NODISCARD leat_err leat_inputs_of_file(leat_inputs *inputs, const char *path, char separator);

/* The next one; borrowed until the next call. false: there is none, or reading failed
 * (inputs->failed). The separator at the end of a line is taken off; a last line without one
 * counts, an empty rest does not. */
bool leat_inputs_next(leat_inputs *inputs, const char **data, size_t *size);

/* Is there something in the pipe on stdin, which nobody has been told to read? Likely a mistake. */
bool leat_inputs_lie_unused(void);

void leat_inputs_fini(leat_inputs *inputs);

#endif
