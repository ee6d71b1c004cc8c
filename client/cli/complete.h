/* leat_complete: what can be typed next, from the table of commands and from the broker.
 *
 * The scripts of `leat completion` know nothing themselves: for each key press they run
 *
 *   leat __complete WORD…
 *
 * with the words behind `leat`, the last one being the one that is typed ("" when nothing of it is
 * there yet). The first line of the answer says what the shell has to add by itself:
 *
 *   words       nothing
 *   files       the names of files
 *   folders     the names of folders
 *   command N   from the Nth WORD on (from 0) it is another program's command line
 *
 * Each further line is a word that would fit, whole, with what it means behind a tab. There is no
 * other output: what cannot be found out is left out. */
#ifndef LEAT_CLI_COMPLETE_H
#define LEAT_CLI_COMPLETE_H

#include <stdbool.h>

#define LEAT_COMPLETE_WORD "__complete"

/* Is this a kind of thing that `takes` of a row can stand for ("<channel>")? */
bool leat_complete_knows(const char *kind);

/* Answer on stdout; returns the exit code. */
int leat_complete(int word_count, char *const words[]);

#endif
