/* leat_failure_record: what a recover job is told of the dead one (PROTOCOL.md, RECOVER). */
#ifndef LEAT_WORKER_FAILURE_H
#define LEAT_WORKER_FAILURE_H

#include "proto/limits.h"
#include "proto/records.h"

typedef struct leat_failure_record {
    bool is_read;
    uint64_t job;
    uint64_t batch;
    uint32_t place;
    uint32_t attempts;
    char handler[LEAT_NAME_BYTES_MAX + 1];
    leat_buf error; /* owned, as the next two */
    leat_buf payload;
    leat_buf with;
} leat_failure_record;

/* From a job's payload; false: it is none. record is empty before, and then. */
bool leat_failure_read(leat_bytes payload, leat_failure_record *record);
void leat_failure_fini(leat_failure_record *record);

#endif
