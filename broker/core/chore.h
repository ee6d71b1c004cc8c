/* What an admin may ask of the disk store beside its work: a backup, a check. See chore.c. */
#ifndef LEAT_CORE_CHORE_H
#define LEAT_CORE_CHORE_H

#include "broker/core/machine.h"

struct leat_steering;

leat_err leat_chore_backup(struct leat_steering *s);
leat_err leat_chore_check(struct leat_steering *s);
cJSON *leat_chore_query(leat_core *core);

#endif
