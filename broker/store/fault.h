/* Bugs of the store that are put in on purpose, for the harnesses of tests/crash: in a build with
 * LEAT_FAULTS one of them can be chosen. In every other build there is nothing of this. */
#ifndef LEAT_STORE_FAULT_H
#define LEAT_STORE_FAULT_H

#include <stdbool.h>

#ifdef LEAT_FAULTS
#define LEAT_STORE_FAULT_MAP(X)                                      \
    X(NO_SYNC, "commits are written, and not synced")                \
    X(NO_TRIM, "what has ended never leaves the store")              \
    X(TOLD_EARLY, "a commit counts as durable before it is written") \
    X(NO_CRC, "checksums of records are not looked at")              \
    X(ERRORS_IGNORED, "a commit that fails counts as durable")
typedef enum leat_store_fault {
    LEAT_STORE_FAULT_NONE = 0,
#define LEAT_STORE_FAULT_ENUM(name, what) LEAT_STORE_FAULT_##name,
    LEAT_STORE_FAULT_MAP(LEAT_STORE_FAULT_ENUM)
#undef LEAT_STORE_FAULT_ENUM
} leat_store_fault;
extern leat_store_fault leat_store_fault_chosen;
#define LEAT_STORE_FAULT(name) (leat_store_fault_chosen == LEAT_STORE_FAULT_##name)
#else
#define LEAT_STORE_FAULT(name) false
#endif

#endif
