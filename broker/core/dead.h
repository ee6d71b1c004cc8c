/* Dead jobs: kept with payload and error for a person, until they are retried, removed, or out of
 * retention (leat_keep). See dead.c. */
#ifndef LEAT_CORE_DEAD_H
#define LEAT_CORE_DEAD_H

#include "broker/core/machine.h"

/* A dead job, as far as it is looked for; the rest is its object in the store. */
typedef struct leat_corpse {
    uint64_t job;
    uint32_t index;
    uint64_t batch; /* id */
    uint32_t place;
    uint32_t channel;    /* index */
    uint64_t principal;  /* whose it was */
    int64_t ended_ms;    /* wall */
    bool memory;         /* its object is in the memory store */
    leat_list_node node; /* in core->corpses, oldest first */
} leat_corpse;
/* The item has died; its payload is still in the store. */
void leat_dead_add(leat_core *core, const leat_item *item, leat_bytes error);
LEAT_NODISCARD leat_err leat_dead_apply(leat_core *core,
                                        unsigned format,
                                        uint64_t job,
                                        leat_reader *record);
void leat_dead_drop(leat_core *core, leat_corpse *corpse);
/* The dead job that had this place in its batch, or NULL; looks at all of them. */
leat_corpse *leat_dead_at(const leat_core *core, uint64_t batch, uint32_t place);
void leat_dead_sweep(leat_core *core);
void leat_dead_fini(leat_core *core);
/* What its object says, read from the store; borrowed from core->scratch until the next call. */
typedef struct leat_obituary {
    leat_text channel;
    leat_text handler;
    uint64_t batch;
    uint32_t place;
    leat_owner owner;
    uint32_t attempts;
    uint32_t failed;
    uint32_t lost;
    uint32_t snoozed;
    uint64_t ended_ms;
    leat_bytes settings;
    leat_bytes error;
    leat_bytes payload;
    leat_bytes attempt_list; /* as in failure.c; empty: not known */
} leat_obituary;
bool leat_dead_read(leat_core *core, const leat_corpse *corpse, leat_obituary *out);
/* Which of the dead are meant. */
typedef struct leat_dead_filter {
    const leat_channel *channel; /* NULL: of any */
    const char *error;           /* this text is in its error; NULL: any is */
    int64_t since_ms;            /* wall; it has died since then */
} leat_dead_filter;
/* Out of `channel`, `error` and `since_ms` of a query or command; texts are borrowed. MALFORMED or
 * NOT_FOUND with a sentence in message. */
LEAT_NODISCARD leat_err leat_dead_read_filter(leat_core *core,
                                              const cJSON *arguments,
                                              leat_dead_filter *out,
                                              char message[256]);
bool leat_dead_matches(leat_core *core, const leat_corpse *corpse, const leat_dead_filter *filter);

#endif
