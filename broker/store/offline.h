/* leat_offline: what can be done to a store in a folder that no broker runs on. Each gives a
 * sentence on failure, in why (at least 512 bytes); LEAT_ERR_IN_USE: a broker runs, it has to be
 * asked. */
#ifndef LEAT_OFFLINE_H
#define LEAT_OFFLINE_H

#include "broker/store/store.h"

/* Look for damage; nothing is changed, nothing is made. LEAT_ERR_OK: chore->findings tells. */
LEAT_NODISCARD leat_err leat_offline_check(const char *folder, leat_chore *chore, char why[512]);

/* A copy into a folder that is made; *bytes long. LEAT_ERR_CONFIG: it is there already. */
LEAT_NODISCARD leat_err leat_offline_backup(const char *folder,
                                            const char *to,
                                            uint64_t *bytes,
                                            char why[512]);

/* Write the store again without what is free in it. What is damaged is left as it is. */
LEAT_NODISCARD leat_err leat_offline_compact(const char *folder,
                                             uint64_t *bytes_before,
                                             uint64_t *bytes,
                                             char why[512]);

#endif
