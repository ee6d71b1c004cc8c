/* Plug-ins that are none: which one WRONG says. */
#include <stdlib.h>

#include <leat.h>

#define NO_TABLE    1
#define OTHER_ABI   2
#define NO_HANDLERS 3
#define BAD_NAME    4
#define CRASHES     5
#define EXITS       6
#define UNRESOLVED  7
#define TAKEN       8

static int
nothing(leat_job *job, void *context)
{
    (void)context;
    return leat_job_result(job, NULL, 0);
}

#if WRONG == UNRESOLVED
int nobody_has_this(void);
int
calls_nobody(void)
{
    return nobody_has_this();
}
#endif

#if WRONG == CRASHES || WRONG == EXITS
__attribute__((constructor)) static void
load(void)
{
    if (WRONG == CRASHES)
        abort();
    exit(3); /* NOLINT(concurrency-mt-unsafe) */
}
#endif

static const leat_plugin_handler handlers[] = {
    {WRONG == BAD_NAME ? ""
     : WRONG == TAKEN  ? "echo"
                       : "nothing",
     nothing, NULL, NULL},
};

#if WRONG == OTHER_ABI
const leat_plugin leat_plugin_table = {LEAT_PLUGIN_ABI + 1, 1, handlers};
#elif WRONG == NO_HANDLERS
const leat_plugin leat_plugin_table = {LEAT_PLUGIN_ABI, 0, handlers};
#elif WRONG == NO_TABLE
const leat_plugin_handler *leat_no_table = handlers;
#else
LEAT_PLUGIN(handlers)
#endif
