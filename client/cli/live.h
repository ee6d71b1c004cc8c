/* leat_live: what the jobs of a batch print, while they run and when they have ended, each byte
 * once.
 *
 *     told (a piece of a stream, at its offset) ──┐
 *                                                 ├──► lines on stdout and stderr
 *     completion (beginning and end of a stream) ─┘
 *
 * What is told may be lost on its way, and begins when somebody looks: a line says where bytes are
 * missing. When a job has ended its completion brings what was not shown yet. Lines of several jobs
 * do not get into each other; the beginning of a line waits for its end, for a second at most. */
#ifndef LEAT_CLI_LIVE_H
#define LEAT_CLI_LIVE_H

#include "client/cli/cli.h"
#include "client/cli/output.h"

typedef struct leat_live leat_live;

typedef struct leat_live_options {
    bool tags;     /* the job's number before each line */
    bool single;   /* one job: half a line is shown at once */
    uint64_t tail; /* of an ended job so many lines of each stream, at most; 0: all */
    FILE *out;
    FILE *err;
} leat_live_options;

leat_live *leat_live_new(uint64_t batch, const leat_live_options *options);
void leat_live_free(leat_live **live_p);

/* A piece of output that was told; told->kind is LEAT_TOLD_LOG. */
void leat_live_told(leat_live *live, const leat_told *told);
/* The job at this place has ended, in this attempt; ending is NULL when it was no command. True:
 * something of it had been shown, or there is something to show now. */
bool leat_live_ended(leat_live *live, uint32_t place, uint32_t attempt, const leat_ending *ending);
/* Nothing has come for a while: beginnings of lines are shown as they are. */
void leat_live_flush(leat_live *live);
/* Does a beginning of a line wait? */
bool leat_live_holds(const leat_live *live);

#endif
