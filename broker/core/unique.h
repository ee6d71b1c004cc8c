/* Unique keys: one live job for each key of a channel and principal; what is sent with the same
 * key joins it. See unique.c. */
#ifndef LEAT_CORE_UNIQUE_H
#define LEAT_CORE_UNIQUE_H

#include "broker/core/machine.h"

/* A key that is taken: by a live job, or for a while after its end. */
typedef struct leat_unique {
    uint64_t hash;
    uint32_t index;
    uint32_t channel; /* index */
    uint64_t principal;
    char name[LEAT_NAME_BYTES_MAX + 1];
    uint64_t job;
    bool ended;
    uint64_t window_ms;
    uint64_t until_wall_ms; /* ended: … */
    leat_buf log;           /* ended: the completion, as a log of one */
} leat_unique;
leat_unique *
leat_unique_find(leat_core *core, const leat_channel *channel, uint64_t principal, leat_text name);
LEAT_NODISCARD leat_err leat_unique_add(leat_core *core,
                                        const leat_channel *channel,
                                        uint64_t principal,
                                        leat_text name,
                                        uint64_t window_ms,
                                        uint64_t job);
/* The batch gets the completion of the key's job, now or when it ends. */
LEAT_NODISCARD leat_err leat_unique_join(leat_core *core,
                                         const leat_unique *unique,
                                         leat_batch *batch,
                                         uint32_t place);
/* The job that has the key has ended. */
void leat_unique_end(leat_core *core,
                     const leat_item *item,
                     leat_outcome outcome,
                     const leat_peer *worker,
                     uint64_t run_us,
                     leat_bytes result);
void leat_unique_on_timer(leat_core *core, uint64_t hash);
void leat_unique_free(leat_core *core, leat_unique *unique);
void leat_unique_put(const leat_core *core, const leat_unique *unique, leat_buf *buf);
LEAT_NODISCARD leat_err leat_unique_apply(leat_core *core, uint64_t job, leat_reader *record);

/* The payload of a live item, copied into buf; false: it cannot be read. */
bool leat_follow_payload(leat_core *core, const leat_item *item, leat_buf *buf);

#endif
