/* cores: lists as people type them, and a process that keeps to one. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/cores.h"

static int
has(size_t core, const cpu_set_t *set)
{
    return CPU_ISSET(core, set) ? 1 : 0;
}

Test(cores, a_list_has_numbers_and_ranges)
{
    cpu_set_t set;
    const struct {
        const char *text;
        int count;
        size_t member;
    } cases[] = {
        {"0",       1, 0   },
        {"0-3,8",   5, 8   },
        {"2,1,2",   2, 1   },
        {"5-5",     1, 5   },
        {"0,1023",  2, 1023},
        {"007",     1, 7   },
        {"1-2,2-4", 4, 4   },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert(leat_cores_parse(cases[i].text, &set));
        cr_assert(eq(int, CPU_COUNT(&set), cases[i].count));
        cr_assert(eq(int, has(cases[i].member, &set), 1));
    }
}

Test(cores, what_is_no_list_is_refused)
{
    static const char *const cases[] = {"",  ",",  "1,",   ",1",     "-1",   "1-",    "3-1",
                                        "a", "1 ", "1024", "0-9999", "1--2", "00001", "1-2-3"};
    cpu_set_t set;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_assert(leat_cores_parse(cases[i], &set) == false);
}

Test(cores, a_process_keeps_to_them)
{
    cpu_set_t before;
    cpu_set_t after;
    char text[16];
    size_t first = 0;
    cr_assert(eq(int, sched_getaffinity(0, sizeof before, &before), 0));
    while (!CPU_ISSET(first, &before))
        first++;
    (void)snprintf(text, sizeof text, "%zu", first);
    LEAT_PASS(leat_cores_keep_to(text));
    cr_assert(eq(int, sched_getaffinity(0, sizeof after, &after), 0));
    cr_assert(eq(int, CPU_COUNT(&after), 1));
    cr_assert(eq(int, has(first, &after), 1));
}

Test(cores, one_that_is_not_there_is_named_wrong_and_changes_nothing)
{
    cpu_set_t before;
    cpu_set_t after;
    cr_assert(eq(int, sched_getaffinity(0, sizeof before, &before), 0));
    LEAT_FAILS(leat_cores_keep_to("0-1023"), LEAT_ERR_NOT_FOUND);
    LEAT_FAILS(leat_cores_keep_to("x"), LEAT_ERR_MALFORMED);
    cr_assert(eq(int, sched_getaffinity(0, sizeof after, &after), 0));
    cr_assert(eq(int, memcmp(&before, &after, sizeof before), 0));
}
