/* Failures: how the attempts of a job ended that did not end well. See failure.c. */
#ifndef LEAT_CORE_FAILURE_H
#define LEAT_CORE_FAILURE_H

#include "broker/core/machine.h"

/* How an attempt ended that did not end well. The numbers are stored. */
#define LEAT_ATTEMPT_END_MAP(X)                                                 \
    X(FAILED, 1, "failed")                                                      \
    X(TIMEOUT, 2, "timeout") /* over its run limit */                           \
    X(LOST, 3, "lost")       /* with its worker */                              \
    X(SUSPECT, 4, "suspect") /* the same, uncounted: who did it is not known */ \
    X(SNOOZED, 5, "snoozed") /* it asked for later, and may not again */
typedef enum leat_attempt_end {
#define LEAT_ATTEMPT_ENUM(name, number, word) LEAT_ATTEMPT_##name = (number),
    LEAT_ATTEMPT_END_MAP(LEAT_ATTEMPT_ENUM)
#undef LEAT_ATTEMPT_ENUM
} leat_attempt_end;
/* What is kept of a live job's attempts; its item is marked LEAT_ITEM_FAILED. */
typedef struct leat_failure {
    uint64_t job;
    uint32_t index;
    bool memory;   /* its object is in the memory store */
    bool stored;   /* it has an object */
    leat_buf list; /* owned; as in failure.c */
} leat_failure;
typedef struct leat_failed_attempt {
    uint32_t attempt;
    uint8_t end;  /* leat_attempt_end */
    uint8_t how;  /* of a command: leat_ending_how; 0: of none */
    uint8_t code; /* … and its exit code or signal */
    uint64_t ended_ms;
    uint64_t run_us;
    leat_text worker;
    leat_text why;
} leat_failed_attempt;
/* An attempt of this job has ended so, and the item's state says what becomes of it. */
void leat_failure_note(leat_core *core,
                       leat_item *item,
                       leat_attempt_end end,
                       const leat_peer *worker,
                       uint64_t run_us,
                       leat_bytes result);
/* The job has ended: what is to be kept of it is with the dead. */
void leat_failure_drop(leat_core *core, const leat_item *item);
/* The list of a live job, borrowed; empty: nothing has failed. */
leat_bytes leat_failure_list(const leat_core *core, const leat_item *item);
/* Read a list: false at bytes that are none. Then n times next, which cannot fail. */
bool leat_failure_open(leat_bytes list, uint32_t *older, uint8_t *n, leat_reader *attempts);
leat_failed_attempt leat_failure_next(leat_reader *attempts);
LEAT_NODISCARD leat_err leat_failure_apply(leat_core *core, uint64_t job, leat_reader *record);
/* All is loaded: mark the items that have one. */
void leat_failure_settle(leat_core *core);
void leat_failure_fini(leat_core *core);
#define LEAT_FAILURE_JSON_BYTES 4096U /* of what the next two add, beside the list */
/* What a failure says: of a command its sentence, of others all that they have answered. */
leat_bytes leat_failure_why(leat_bytes error);
/* Of a command's result: "exit" or "signal", and the end of its "stderr". Of another's: nothing. */
void leat_failure_add_last(cJSON *json, leat_bytes error);
/* Of the last attempt "worker", and of a command "exit" or "signal". */
void leat_failure_add_end(cJSON *json, leat_bytes list);
/* "attempt_list" and "older_attempts". */
void leat_failure_add_attempts(cJSON *json, leat_bytes list);

#endif
