/* leat_replace: replacement strings in the words of a command.
 *
 *   {}    the argument       {/}   without its folder     {//}  its folder ("." if it has none)
 *   {.}   without its ending {/.}  both                   {#}   the job's number, from 1
 *   {2}   the second argument of the job, {2.} {2/} {2//} {2/.} its parts; empty if it has fewer
 *   {%}   which of the jobs that run at once it is, from 1
 *
 * Everything else between braces stays as it is. In the words of a command an argument is put in
 * byte for byte; in text for a shell it is quoted, so that it is one word to it, whatever it holds.
 *
 * A job may have several arguments. A word of a command with {} (or {.} …) is then there once for
 * each of them; in text for a shell they stand in its place with blanks between. */
#ifndef LEAT_CLI_REPLACE_H
#define LEAT_CLI_REPLACE_H

#include <stdbool.h>

#include "proto/base/bytes.h"

typedef struct leat_replacement {
    const leat_text *arguments;
    size_t count;
    size_t which; /* the argument that {} is */
    uint64_t number;
    uint64_t slot;
    bool for_shell; /* … where {} is all of them */
} leat_replacement;

/* What a word takes, or'ed. */
#define LEAT_REPLACE_ARGUMENT 1U /* of the arguments */
#define LEAT_REPLACE_EACH     2U /* … of each: {} and its parts */
#define LEAT_REPLACE_SLOT     4U /* {%} */

unsigned leat_replace_takes(const char *word);

/* Append the word with everything replaced (look at out->failed). */
void leat_replace_word(leat_buf *out, const char *word, const leat_replacement *with);

/* Append bytes as one word of sh. */
void leat_replace_quote(leat_buf *out, leat_text text);

#endif
