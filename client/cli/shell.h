/* leat_shell: a command as a line that can be typed, and such a line taken apart again. */
#ifndef LEAT_CLI_SHELL_H
#define LEAT_CLI_SHELL_H

#include "proto/base/bytes.h"

/* Append a word as one would type it: as it is if that is safe, 'quoted', or $'with\nsigns' where
 * it holds control characters, so that a command is one line. */
void leat_shell_put_word(leat_buf *out, leat_text word);

/* Append the words of a line, a NUL behind each: what is quoted in any way is unquoted, nothing is
 * expanded, and a NUL in the line is a line feed, as in GNU parallel's job logs. Two lines that
 * give the same bytes mean the same command. */
void leat_shell_split(leat_buf *out, leat_text text);

#endif
