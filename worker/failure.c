/* Reading a failure record. See failure.h.
 *
 * Any client can send a job of any handler with any payload, so it is looked at as whatever comes
 * from outside. It may be as large as a payload, which the scanner of control's bodies does not
 * take; its shape is flat, and cJSON bounds its depth. */
#include "worker/failure.h"

#include <stdio.h>

#include "proto/control.h"

static bool
take(const cJSON *json, leat_failure_record *record)
{
    const char *handler;
    int64_t place;
    int64_t attempts;
    if (!leat_json_u64(json, "job", &record->job) ||
        !leat_json_u64(json, "batch", &record->batch) ||
        !leat_json_int(json, "place", 0, UINT32_MAX, &place) ||
        !leat_json_int(json, "attempts", 0, UINT32_MAX, &attempts) ||
        !leat_json_text(json, "handler", &handler) ||
        strnlen(handler, sizeof record->handler) >= sizeof record->handler)
        return false;
    record->place = (uint32_t)place;
    record->attempts = (uint32_t)attempts;
    (void)snprintf(record->handler, sizeof record->handler, "%s", handler);
    return leat_json_bytes(json, "error", &record->error) &&
           leat_json_bytes(json, "payload", &record->payload) &&
           leat_json_bytes(json, "with", &record->with) && !record->error.failed &&
           !record->payload.failed && !record->with.failed;
}

bool
leat_failure_read(leat_bytes payload, leat_failure_record *record)
{
    cJSON *const json = cJSON_ParseWithLength((const char *)payload.data, payload.size);
    record->is_read = cJSON_IsObject(json) && take(json, record);
    cJSON_Delete(json);
    if (!record->is_read)
        leat_failure_fini(record);
    return record->is_read;
}

void
leat_failure_fini(leat_failure_record *record)
{
    leat_buf_fini(&record->error);
    leat_buf_fini(&record->payload);
    leat_buf_fini(&record->with);
    record->is_read = false;
}
