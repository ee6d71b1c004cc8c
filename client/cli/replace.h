/* leat_replace: replacement strings in the words of a command.
 *
 *   {}    the input          {/}   without its folder     {//}  its folder ("." if it has none)
 *   {.}   without its ending {/.}  both                   {#}   the job's number, from 1
 *   {1}   the first input of the job: there is one, so the same as {}
 *
 * Everything else between braces stays as it is. In the words of a command the input is put in byte
 * for byte; in text for a shell it is quoted, so that it is one word to it, whatever it holds. */
#ifndef LEAT_CLI_REPLACE_H
#define LEAT_CLI_REPLACE_H

#include <stdbool.h>

#include "proto/base/bytes.h"

typedef struct leat_replacement {
    leat_text input;
    uint64_t number;
    bool for_shell;
} leat_replacement;

/* Does the word hold a replacement string that takes from the input? */
bool leat_replace_wants_input(const char *word);

/* Append the word with everything replaced (look at out->failed). */
void leat_replace_word(leat_buf *out, const char *word, const leat_replacement *with);

/* Append bytes as one word of sh. */
void leat_replace_quote(leat_buf *out, leat_text text);

#endif
