/* Schedules: jobs that come again by the clock. See schedule.c. */
#ifndef LEAT_CORE_SCHEDULE_H
#define LEAT_CORE_SCHEDULE_H

#include "broker/core/machine.h"

struct leat_steering;

leat_err leat_schedule_add(struct leat_steering *s);
leat_err leat_schedule_remove(struct leat_steering *s);
leat_err leat_schedule_pause(struct leat_steering *s);
leat_err leat_schedule_resume(struct leat_steering *s);
leat_err leat_schedule_run(struct leat_steering *s);
void leat_schedule_on_timer(leat_core *core, uint64_t id);
LEAT_NODISCARD leat_err leat_schedule_apply(leat_core *core, uint64_t id, leat_reader *record);
cJSON *leat_schedule_query(leat_core *core, uint32_t offset);
void leat_schedules_fini(leat_core *core);

#endif
