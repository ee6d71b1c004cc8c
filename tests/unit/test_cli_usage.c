/* usage: what the kernel says of a process, and lists of cores. */
#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/usage.h"

TestSuite(cli_usage);

Test(cli_usage, this_process_uses_memory_and_time)
{
    const double before_s = leat_usage_cpu_s(getpid());
    volatile unsigned work = 0;
    for (unsigned i = 0; i < 50000000; i++)
        work = work + i;
    cr_assert(leat_usage_cpu_s(getpid()) > before_s);
    cr_assert(leat_usage_peak_bytes(getpid()) > 100000);
    cr_assert(leat_usage_own_bytes(getpid()) > 10000);
    cr_assert(leat_usage_own_bytes(getpid()) <= leat_usage_peak_bytes(getpid()));
}

Test(cli_usage, a_process_that_is_none_uses_nothing)
{
    cr_assert(leat_usage_cpu_s(0) <= 0);
    cr_assert(eq(u64, leat_usage_peak_bytes(-1), 0));
}

Test(cli_usage, the_machine_has_cores_and_a_system)
{
    char text[512];
    leat_usage_machine(text, sizeof text);
    cr_assert(strstr(text, " x ") != NULL);
    cr_assert(strstr(text, "Linux") != NULL);
}

Test(cli_usage, what_is_no_list_of_cores_is_refused_without_a_reason_of_the_system)
{
    static const char *const wrong[] = {"",   "x",   "1-",  "-1",    "0,",
                                        ",0", "3-2", "0 1", "99999", "0x1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        errno = EIO;
        cr_assert(not(leat_usage_pin(wrong[i])), "\"%s\"", wrong[i]);
        cr_assert(eq(int, errno, 0), "\"%s\"", wrong[i]);
    }
}

Test(cli_usage, a_core_that_is_not_there_is_the_systems_refusal)
{
    cr_assert(not(leat_usage_pin("1023")));
    cr_assert(eq(int, errno, EINVAL));
}
