/* leat_progress: how far a wait has come, as a line on a terminal, as lines in a log, or as JSON.
 *
 *  62% ▕█████████████████▍          ▏ 620/1000  8 run  3 fail  41.2/s  eta 0:09
 *
 * On a terminal one line is drawn over and over, at most ten times a second; elsewhere a line comes
 * at the start and every 10 % or 30 s. Everything goes to stderr. */
#ifndef LEAT_CLI_PROGRESS_H
#define LEAT_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "client/cli/screen.h"

#define LEAT_PROGRESS_BYTES 1024U

typedef struct leat_progress_facts {
    uint64_t ended;
    uint64_t total;
    uint64_t failed;  /* of those that have ended */
    uint64_t running; /* 0: none, or not known */
    double per_s;     /* negative: not known */
    double eta_s;     /* negative: not known */
} leat_progress_facts;

/* The line, without a line feed, at most `columns` wide (0: as wide as it likes, without a bar).
 * Returns its columns. */
size_t leat_progress_line(const leat_progress_facts *facts,
                          unsigned columns,
                          bool utf8,
                          char out[LEAT_PROGRESS_BYTES]);

typedef enum leat_progress_form {
    LEAT_PROGRESS_NONE = 0,
    LEAT_PROGRESS_BAR,
    LEAT_PROGRESS_PLAIN,
    LEAT_PROGRESS_JSON, /* an object a line */
} leat_progress_form;

typedef struct leat_progress {
    leat_progress_form form;
    leat_screen screen;
    FILE *stream;   /* borrowed; stderr */
    char name[160]; /* "batch 42" */
    leat_progress_facts facts;
    char notice[512]; /* shown instead of the figures ("reconnecting 4s"), "" none */
    bool drawn;       /* a line stands on the terminal and must be wiped: this one */
    char line[LEAT_PROGRESS_BYTES];
    int64_t drawn_ms;
    unsigned drawn_tenths; /* PLAIN: tenths of the way that have been told */
    bool begun;
    int64_t rate_ms; /* when rate_ended was counted */
    uint64_t rate_ended;
} leat_progress;

/* The form that `how` names ("auto", "bar", "plain", "json", "none"); false: it names none. silent:
 * what auto is where nothing but data is wanted. */
bool leat_progress_form_of(const char *how, bool silent, bool terminal, leat_progress_form *out);

void leat_progress_init(leat_progress *progress,
                        leat_progress_form form,
                        const leat_screen *screen,
                        FILE *stream,
                        const char *name);

/* New counters at now_ms (monotonic): fills in rate and eta, and draws what is due. */
void leat_progress_update(
    leat_progress *progress, int64_t now_ms, uint64_t ended, uint64_t total, uint64_t failed);

/* Show a notice instead of the figures until it is set to "" again. On a terminal a new text is
 * drawn at once; elsewhere it is a line if telling is true (a notice that counts seconds is told
 * once, not every second). */
void leat_progress_notice(leat_progress *progress, int64_t now_ms, const char *text, bool telling);

/* Wipe the line, so that something else can be printed. */
void leat_progress_wipe(leat_progress *progress);

#endif
