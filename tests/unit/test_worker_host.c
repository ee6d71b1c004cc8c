/* worker/host: memory as the files below /proc and /sys say it, in all shapes that they have. */
#include "tests/lib/test.h"

#include "tests/lib/tmp.h"
#include "worker/host.h"

#define GIB UINT64_C(1073741824)

static leat_tmp tmp;

static void
setup(void)
{
    leat_tmp_init(&tmp);
}

static void
teardown(void)
{
    leat_tmp_fini(&tmp);
}

TestSuite(worker_host, .init = setup, .fini = teardown);

static void
must_write(const char *name, const char *text)
{
    char path[PATH_MAX];
    (void)leat_tmp_write(&tmp, name, text, strlen(text), path);
}

static void
must_have_machine(void)
{
    must_write("proc/meminfo", "MemFree:          123456 kB\nMemTotal:        8388608 kB\n");
}

Test(worker_host, there_is_at_least_one_core)
{
    cr_assert(ge(u32, leat_host_cores(), 1));
}

Test(worker_host, this_machine_says_how_much_memory_it_has)
{
    cr_assert(gt(u64, leat_host_memory(""), 0));
}

Test(worker_host, without_a_control_group_it_is_the_machine_s)
{
    must_have_machine();

    cr_assert(eq(u64, leat_host_memory(tmp.path), 8 * GIB));
}

Test(worker_host, the_lowest_limit_of_the_group_and_those_above_counts)
{
    must_have_machine();
    must_write("proc/self/cgroup", "0::/a/b/c\n");
    must_write("sys/fs/cgroup/a/b/c/memory.max", "max\n");
    must_write("sys/fs/cgroup/a/b/memory.max", "1073741824\n");
    must_write("sys/fs/cgroup/a/memory.max", "2147483648\n");

    cr_assert(eq(u64, leat_host_memory(tmp.path), GIB));
}

Test(worker_host, a_limit_above_what_the_machine_has_is_none)
{
    must_have_machine();
    must_write("proc/self/cgroup", "0::/a\n");
    must_write("sys/fs/cgroup/a/memory.max", "10737418240\n");

    cr_assert(eq(u64, leat_host_memory(tmp.path), 8 * GIB));
}

Test(worker_host, in_a_container_the_group_at_the_mount_counts)
{
    must_have_machine();
    must_write("proc/self/cgroup", "0::/\n");
    must_write("sys/fs/cgroup/memory.max", "1073741824\n");
    cr_assert(eq(u64, leat_host_memory(tmp.path), GIB));

    must_write("proc/self/cgroup", "0::/docker/of/the/host\n");
    cr_assert(eq(u64, leat_host_memory(tmp.path), GIB));
}

Test(worker_host, version_1_has_a_hierarchy_for_memory)
{
    must_have_machine();
    must_write("proc/self/cgroup", "5:cpu,cpuacct:/x\n"
                                   "4:hugetlb,memory,pids:/jobs/a\n"
                                   "1:name=systemd:/\n"
                                   "0::/\n");
    must_write("sys/fs/cgroup/memory/jobs/a/memory.limit_in_bytes", "9223372036854771712\n");
    must_write("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "2147483648\n");

    cr_assert(eq(u64, leat_host_memory(tmp.path), 2 * GIB));
}

Test(worker_host, other_controllers_and_broken_lines_are_passed_over)
{
    must_have_machine();
    must_write("proc/self/cgroup", "6:memoryx:/a\n5:xmemory:/a\nno colons\n4:one\n");
    must_write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1\n");
    must_write("sys/fs/cgroup/a/memory.max", "1\n");

    cr_assert(eq(u64, leat_host_memory(tmp.path), 8 * GIB));
}

Test(worker_host, a_controller_is_found_behind_one_whose_name_begins_alike)
{
    must_have_machine();
    must_write("proc/self/cgroup", "6:memoryx,memory:/a\n");
    must_write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1073741824\n");

    cr_assert(eq(u64, leat_host_memory(tmp.path), GIB));
}

Test(worker_host, a_path_that_is_too_long_is_not_there)
{
    static char root[PATH_MAX + 1];
    memset(root, 'x', sizeof root - 1);

    cr_assert(eq(u64, leat_host_memory(root), 0));
}

Test(worker_host, a_system_that_says_nothing_has_an_unknown_amount)
{
    cr_assert(eq(u64, leat_host_memory(tmp.path), 0));
    must_write("proc/meminfo", "MemTotal: much\n");
    cr_assert(eq(u64, leat_host_memory(tmp.path), 0));
}

Test(worker_host, a_limit_counts_where_the_machine_s_memory_is_unknown)
{
    must_write("proc/self/cgroup", "0::/a\n");
    must_write("sys/fs/cgroup/a/memory.max", "1073741824\n");

    cr_assert(eq(u64, leat_host_memory(tmp.path), GIB));
}
