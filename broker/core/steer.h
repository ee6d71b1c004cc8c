/* Steering: the commands that change channels, batches, and dead jobs. See steer.c. */
#ifndef LEAT_CORE_STEER_H
#define LEAT_CORE_STEER_H

#include "broker/core/machine.h"

/* A COMMAND that is being done. */
struct leat_steering {
    leat_core *core;
    leat_peer *peer;
    const leat_frame *frame;
    const cJSON *arguments;
    cJSON *result; /* an object, to be filled */
    bool parked;   /* it waits: its answer comes later */
    char message[256];
};
LEAT_NODISCARD leat_err leat_steer(struct leat_steering *s, const char *name);
leat_err leat_steer_bad(struct leat_steering *s, const char *what);
/* "all", "failed", "none". */
const char *leat_steer_keep_word(leat_keeping keep);
bool leat_steer_has(const cJSON *arguments, const char *key);
LEAT_NODISCARD leat_err leat_steer_channel(struct leat_steering *s,
                                           bool make,
                                           leat_channel **channel);
LEAT_NODISCARD leat_err leat_steer_batch(struct leat_steering *s, leat_batch **batch);
/* Settings out of a JSON object on top of *out; of_job: also those that only a job has. */
LEAT_NODISCARD leat_err leat_steer_settings(struct leat_steering *s,
                                            const cJSON *json,
                                            bool of_job,
                                            leat_settings *out);
/* OK, NOT_FOUND, TOO_LATE, DENIED. */
LEAT_NODISCARD leat_err leat_steer_cancel_job(leat_core *core, const leat_peer *peer, uint64_t id);
void leat_steer_resume_due(leat_core *core, uint64_t id);

#endif
