/* leat_inputs: the payloads or messages that a command was given, from wherever they come: the
 * command line, what follows ":::", numbers of --array, the lines of a file or of stdin. Handed out
 * one at a time, so that a long file is never in memory; and it can be asked whether there is one
 * yet, so that a slow pipe holds nothing up. */
#ifndef LEAT_CLI_INPUTS_H
#define LEAT_CLI_INPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

#define LEAT_INPUTS_NUMBER_MAX 1000000000000ULL /* the last number of --array */

typedef struct leat_inputs {
    char *const *words; /* borrowed; NULL: lines or numbers */
    size_t word_count;
    size_t next_word;
    const char *ranges; /* borrowed: what is left of "1-10:3,15" behind the one that is counted */
    uint64_t value;     /* the next number of it … */
    uint64_t last;      /* … up to this, if is_counting */
    uint64_t step;
    bool is_counting;
    char digits[24];
    bool has_lines;
    int fd;
    bool owns; /* fd is closed by fini */
    bool has_ended;
    char separator; /* '\n' or 0 */
    char *buffer;   /* owned: bytes read and not handed out are those from at to end */
    size_t room;
    size_t at;
    size_t end;
    size_t number; /* inputs handed out, so the last one's number from 1 */
    int failed;    /* errno of a read that failed, else 0 */
} leat_inputs;

/* words are borrowed for the object's life. */
void leat_inputs_of_words(leat_inputs *inputs, char *const *words, size_t count);

/* Numbers: "1-1000", "0-100:10", "1,5,9-12"; text is borrowed. LEAT_ERR_MALFORMED: it is no such
 * text. */
LEAT_NODISCARD leat_err leat_inputs_of_ranges(leat_inputs *inputs, const char *text);

/* Lines of a file, "-" for stdin. LEAT_ERR_…: it cannot be opened; errno says why. */
LEAT_NODISCARD leat_err leat_inputs_of_file(leat_inputs *inputs, const char *path, char separator);

/* Would leat_inputs_next answer without waiting? Reads what has come. */
bool leat_inputs_ready(leat_inputs *inputs);

/* The next one; borrowed until the next call. false: there is none, or reading failed
 * (inputs->failed). The separator at the end of a line is taken off; a last line without one
 * counts, an empty rest does not. Of a line that is longer than any payload may be, a piece is
 * handed out that is longer, too. */
bool leat_inputs_next(leat_inputs *inputs, const char **data, size_t *size);

/* Is there something in the pipe on stdin, which nobody has been told to read? Likely a mistake. */
bool leat_inputs_lie_unused(void);

void leat_inputs_fini(leat_inputs *inputs);

#endif
