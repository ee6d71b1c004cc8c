/* Memory that runs out on request: a countdown before malloc, calloc, realloc, reallocarray, strdup
 * and strndup of everything that is linked statically into the test.
 *
 *     for (int after = 0; ; after++) {
 *         leat_alloc_fail_after(after);
 *         const leat_err err = what_is_tested();
 *         if (!leat_alloc_has_failed()) break;      every allocation has failed once
 *         assert that err is LEAT_ERR_NOMEM and nothing leaks
 *     }
 *
 * Link leat_testalloc. One thread. */
#ifndef LEAT_TEST_ALLOC_H
#define LEAT_TEST_ALLOC_H

#include <stdbool.h>

/* The next `after` allocations succeed, the one after them fails, all others succeed. */
void leat_alloc_fail_after(int after);

/* All succeed again; whether one has failed since leat_alloc_fail_after. */
bool leat_alloc_has_failed(void);

#endif
