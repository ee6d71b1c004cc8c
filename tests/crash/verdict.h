/* verdict: what happened, held against what is promised.
 *
 *     histories (proto/base/recorder.h) ──► verdict_note ──┐
 *     the store, read when nobody writes ──► verdict_live, ├─► verdict_judge ──► counts, witnesses
 *                                  _end, _dead, _final ────┘
 *
 * Notes of one history come in its order, histories one after the other, the store last. It knows
 * nothing of files and stores, so that its rules can be tested with made-up histories. */
#ifndef LEAT_TEST_VERDICT_H
#define LEAT_TEST_VERDICT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/base/recorder.h"

/* X(name): violations. A run is valid when none is above 0 (and it is not inconclusive).
 *
 *   lost                   acknowledged, or ended and told so, and not in the store
 *   phantom                started, taken or ended, and never sent, or with other bytes
 *   doubled                one record is two jobs
 *   refused_taken          refused, and taken nevertheless
 *   wrong_result           a completion whose result no attempt of its job has reported
 *   duplicated_completion  two ends of one job, two jobs at one position, one shown twice
 *   missed_completion      a waiter was not shown one
 *   attempts_exceeded      an attempt's number used again or not on disk, more failures or losses
 *                          than allowed
 *   stale_accepted         an end accepted of an attempt that was not the last one
 *   unfinished             a job that has not ended, where all had to (verdict_limits.all_ended) */
#define VERDICT_VIOLATION_MAP(X) \
    X(lost)                      \
    X(phantom)                   \
    X(doubled)                   \
    X(refused_taken)             \
    X(wrong_result)              \
    X(duplicated_completion)     \
    X(missed_completion)         \
    X(attempts_exceeded)         \
    X(stale_accepted)            \
    X(unfinished)

/* X(name): what the run had of everything. */
#define VERDICT_FIGURE_MAP(X)                                    \
    X(acknowledged)                                              \
    X(durable)  /* of them, in a channel on disk */              \
    X(messages) /* of them */                                    \
    X(unknown)  /* sent, and the answer is lost */               \
    X(refused)                                                   \
    X(starts)                                                    \
    X(redelivered)          /* jobs that were started again */   \
    X(reports)              /* ends that workers reported … */ \
    X(accepted)             /* … and the broker took */        \
    X(stale)                /* … and did not want */           \
    X(shown)                /* completions to waiters */         \
    X(received)             /* messages */                       \
    X(live)                 /* not ended */                      \
    X(forgotten)            /* out of retention: inconclusive */ \
    X(histories) X(stopped) /* of them, without room */

typedef struct verdict_counts {
#define VERDICT_FIELD(name) uint64_t name;
    VERDICT_VIOLATION_MAP(VERDICT_FIELD)
    VERDICT_FIGURE_MAP(VERDICT_FIELD)
#undef VERDICT_FIELD
    bool inconclusive;
    bool valid;
} verdict_counts;

typedef struct verdict_limits {
    uint64_t acknowledged_min; /* fewer: inconclusive */
    bool all_ended;            /* what lives is a violation */
    uint64_t forgotten_max;    /* so many ended jobs are out of retention */
    bool starts_may_lack;      /* workers without a history took part */
} verdict_limits;

typedef struct verdict verdict;

/* They assert that there is memory. */
verdict *verdict_new(void);
void verdict_destroy(verdict **verdict_p);

/* A channel in memory: what it had may be lost. */
void verdict_memory_channel(verdict *v, const char *channel);

/* A history begins; its notes. */
void verdict_history(verdict *v);
void verdict_note(verdict *v, const leat_note *note);

/* Call for each id that was acknowledged or started: what the store has to be asked for. */
void verdict_each_job(verdict *v, void (*call)(void *context, uint64_t job), void *context);

/* What the store has. live: a job record without an end; its attempts come by verdict_attempt. */
typedef struct verdict_stored_job {
    uint64_t id;
    uint64_t hash;     /* of the payload */
    uint64_t recovers; /* the job whose end its end will be; 0: none */
    uint32_t handler;  /* leat_note_name */
    bool message;
} verdict_stored_job;
void verdict_stored(verdict *v, const verdict_stored_job *stored);
void verdict_attempt(verdict *v, uint64_t id, uint32_t attempt);
/* It has ended without a completion of its own. */
void verdict_final(verdict *v, uint64_t id);

typedef struct verdict_completion {
    uint64_t batch;
    uint64_t position; /* 0: not known */
    uint64_t job;
    uint64_t hash;
    uint32_t attempt;
    uint8_t outcome;
} verdict_completion;
void verdict_end(verdict *v, const verdict_completion *c);
void verdict_dead(verdict *v, uint64_t id, uint32_t attempts, uint16_t failed, uint16_t lost);

/* How long after a moment (monotonic, as in notes) the next record was acknowledged; UINT64_MAX:
 * none was. After verdict_judge. */
uint64_t verdict_first_ok_us(const verdict *v, uint64_t moment_us);

/* Witnesses, a line each, the first few of each kind; the counts. */
void verdict_judge(verdict *v, const verdict_limits *limits, FILE *out, verdict_counts *counts);

#endif
