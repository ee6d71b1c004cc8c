/* leat_manual_header: a C header as text of a manual page: its first comment, then a heading for
 * each section (a comment that begins with ----), what is declared, literally, and what is said of
 * it. */
#ifndef LEAT_MANUAL_HEADER_H
#define LEAT_MANUAL_HEADER_H

#include <stdbool.h>
#include <stdio.h>

/* Text in which no sign means anything to scdoc; and literally, line for line. */
typedef struct leat_manual_text {
    void (*plain)(const char *text);
    void (*literal)(const char *text);
} leat_manual_text;

/* Print the header. false: it is not written as this expects, or memory ran out. */
bool leat_manual_header(FILE *header, const leat_manual_text *put);

#endif
