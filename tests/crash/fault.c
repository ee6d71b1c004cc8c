/* broker_faults: the variable LEAT_FAULT names the bug that this broker is to have, one of the
 * core's (broker/core/machine.h) or of the store's (broker/store/fault.h). Without it the broker is
 * as it should be. A name that is none ends it, since a control without its bug would prove
 * nothing.
 *
 * It is read before main, so that main.c is the one that is shipped. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "broker/core/machine.h"
#include "broker/store/fault.h"

leat_fault leat_fault_chosen;
leat_store_fault leat_store_fault_chosen;

struct row {
    const char *name;
    const char *what;
    leat_fault core;
    leat_store_fault store;
};

#define CORE_ROW(name, what)  {#name, what, LEAT_FAULT_##name, LEAT_STORE_FAULT_NONE},
#define STORE_ROW(name, what) {#name, what, LEAT_FAULT_NONE, LEAT_STORE_FAULT_##name},
static const struct row rows[] = {LEAT_FAULT_MAP(CORE_ROW) LEAT_STORE_FAULT_MAP(STORE_ROW)};

#define ROWS (sizeof rows / sizeof *rows)

__attribute__((constructor)) static void
choose(void)
{
    const char *const name =
        getenv("LEAT_FAULT"); /* NOLINT(concurrency-mt-unsafe): no thread yet */
    if (name == NULL || name[0] == '\0')
        return;
    for (size_t i = 0; i < ROWS; i++) {
        if (strcasecmp(rows[i].name, name) == 0) {
            leat_fault_chosen = rows[i].core;
            leat_store_fault_chosen = rows[i].store;
            (void)fprintf(stderr, "broker_faults: on purpose: %s\n", rows[i].what);
            return;
        }
    }
    (void)fprintf(stderr, "broker_faults: LEAT_FAULT=%s is none of:\n", name);
    for (size_t i = 0; i < ROWS; i++)
        (void)fprintf(stderr, "  %-17s %s\n", rows[i].name, rows[i].what);
    _exit(2);
}
