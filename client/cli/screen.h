/* leat_screen: what stdout or stderr can show, text that is safe to show there, and tables.
 *
 * Nothing here asks the environment by itself except leat_screen_of. */
#ifndef LEAT_CLI_SCREEN_H
#define LEAT_CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum leat_color {
    LEAT_COLOR_AUTO = 0, /* on a terminal, unless NO_COLOR is set or TERM is dumb */
    LEAT_COLOR_ALWAYS,
    LEAT_COLOR_NEVER
} leat_color;

typedef struct leat_screen {
    bool terminal; /* a person looks at it, and the cursor can be moved in its line */
    bool utf8;     /* by the locale */
    bool color;
    unsigned columns; /* COLUMNS, else the terminal's width; 0: not limited (a file or pipe) */
} leat_screen;

/* Look at a stream. setlocale must have been called. */
leat_screen leat_screen_of(FILE *stream, leat_color color);

/* How many lines the terminal has; 24 where nobody knows. */
unsigned leat_screen_rows(FILE *stream);

/* A terminal's width may change while a line is being drawn. */
void leat_screen_measure(leat_screen *screen, FILE *stream);

/* Write bytes from elsewhere so that they cannot steer a terminal: control characters and what is
 * no UTF-8 become \xNN, newlines and tabs blanks. At most columns_max columns (0: no limit; a
 * character counts as one), then "…" or "...". out is always terminated; returns columns used. */
size_t leat_screen_safe(
    const void *data, size_t size, bool utf8, size_t columns_max, char *out, size_t out_size);

/* Bytes of the well-formed UTF-8 character at the front of size > 0 bytes; 0: there is none. */
size_t leat_screen_character(const unsigned char *data, size_t size);

/* Columns of terminated UTF-8 text, a character counted as one. */
size_t leat_screen_columns(const char *text);

/* ---- tables ---- */

typedef struct leat_column {
    const char *head;
    bool right;    /* figures stand to the right */
    unsigned keep; /* where the screen is narrow, columns with the smallest figure go first */
} leat_column;

typedef struct leat_table leat_table;

/* columns: borrowed for the table's life; the first one is cut when nothing else helps. NULL
 * without memory. */
leat_table *leat_table_new(const leat_column *columns, size_t count);
void leat_table_destroy(leat_table **table_p);

/* Add a row of `count` cells; they are copied and made safe. false without memory. */
bool leat_table_add(leat_table *table, const char *const *cells);

/* Print with a head and aligned; or plain: without head, tabs between the fields. */
void leat_table_print(const leat_table *table, const leat_screen *screen, bool plain, FILE *out);

#endif
