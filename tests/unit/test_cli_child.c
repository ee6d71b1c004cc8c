/* child: processes are started with certainty, and end. */
#include "tests/lib/test.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/child.h"

TestSuite(cli_child);

static leat_child_plan
plan_of(const char *path, const char *const *words)
{
    /* exec's arguments are not const for reasons of old; nobody writes to them. */
    union {
        const char *const *words;
        char *const *argv;
    } same = {.words = words};
    return (leat_child_plan){
        .path = path, .argv = same.argv, .stdin_fd = -1, .stdout_fd = 1, .stderr_fd = 2};
}

static void
must_end(leat_child *child)
{
    while (!leat_child_has_ended(child))
        (void)usleep(1000);
}

Test(cli_child, its_exit_code_is_told)
{
    static const char *const argv[] = {"sh", "-c", "exit 7", NULL};
    const leat_child_plan plan = plan_of("sh", argv);
    leat_child child;

    LEAT_PASS(leat_child_start(&plan, &child));
    must_end(&child);

    cr_assert(child.ended);
    cr_assert(eq(int, leat_child_exit_code(&child), 7));
    LEAT_SAME_TEXT(leat_child_end_words(&child), "exit 7");
}

Test(cli_child, a_signal_is_told_as_a_shell_does)
{
    static const char *const argv[] = {"sh", "-c", "kill -9 $$", NULL};
    const leat_child_plan plan = plan_of("sh", argv);
    leat_child child;

    LEAT_PASS(leat_child_start(&plan, &child));
    must_end(&child);

    cr_assert(eq(int, leat_child_exit_code(&child), 137));
    LEAT_SAME_TEXT(leat_child_end_words(&child), "signal 9");
}

Test(cli_child, a_program_that_is_not_there_is_told_at_the_start)
{
    static const char *const argv[] = {"x", NULL};
    const leat_child_plan plan = plan_of("/no/such/program", argv);
    leat_child child;

    LEAT_FAILS(leat_child_start(&plan, &child), LEAT_ERR_NOT_FOUND);

    cr_assert(eq(int, errno, ENOENT));
    cr_assert(leat_child_has_ended(&child));
}

Test(cli_child, a_folder_is_no_program)
{
    static const char *const argv[] = {"x", NULL};
    const leat_child_plan plan = plan_of("/tmp", argv);
    leat_child child;

    LEAT_FAILS(leat_child_start(&plan, &child), LEAT_ERR_DENIED);
}

Test(cli_child, ignored_signals_are_not_inherited)
{
    static const char *const argv[] = {"sh", "-c", "kill -PIPE $$; exit 3", NULL};
    const leat_child_plan plan = plan_of("sh", argv);
    leat_child child;
    (void)signal(SIGPIPE, SIG_IGN);

    LEAT_PASS(leat_child_start(&plan, &child));
    must_end(&child);

    cr_assert(eq(int, leat_child_exit_code(&child), 128 + SIGPIPE));
}

Test(cli_child, one_that_does_not_want_to_end_is_killed)
{
    static const char *const stubborn[] = {"sh", "-c", "trap '' TERM; while :; do sleep 0.01; done",
                                           NULL};
    static const char *const willing[] = {"sleep", "100", NULL};
    const leat_child_plan plans[] = {plan_of("sh", stubborn), plan_of("sleep", willing)};
    leat_child children[2];
    for (size_t i = 0; i < 2; i++)
        LEAT_PASS(leat_child_start(&plans[i], &children[i]));

    leat_children_end(children, 2, 20);

    cr_assert(children[0].ended && children[1].ended);
    cr_assert(leat_child_exit_code(&children[0]) > 128);
    cr_assert(leat_child_exit_code(&children[1]) > 128);
}

Test(cli_child, the_environment_is_clean_of_settings_and_has_what_is_added)
{
    static const char *const more[] = {"LEAT_BROKER=ipc:///x", "TERM=dumb", NULL};
    bool has_broker = false;
    bool has_slots = false;
    bool has_log_level = false;
    size_t terms = 0;
    (void)setenv("LEAT_SLOTS", "3", 1);         /* NOLINT(concurrency-mt-unsafe): one thread */
    (void)setenv("LEAT_LOG_LEVEL", "debug", 1); /* NOLINT(concurrency-mt-unsafe): the same */
    (void)setenv("TERM", "xterm", 1);           /* NOLINT(concurrency-mt-unsafe): the same */

    char **const environment = leat_environment_new(LEAT_ENVIRONMENT_CLEAN, more);

    cr_assert(environment != NULL);
    for (size_t i = 0; environment[i] != NULL; i++) {
        has_broker |= strcmp(environment[i], "LEAT_BROKER=ipc:///x") == 0;
        has_slots |= strncmp(environment[i], "LEAT_SLOTS", 10) == 0;
        has_log_level |= strncmp(environment[i], "LEAT_LOG_LEVEL", 14) == 0;
        terms += strncmp(environment[i], "TERM=", 5) == 0;
    }
    cr_assert(has_broker);
    cr_assert(has_log_level);
    cr_assert(not(has_slots));
    cr_assert(eq(sz, terms, 1));
    leat_environment_free(environment);
}

Test(cli_child, a_program_is_looked_for_in_the_folder_that_was_named_and_nowhere_else)
{
    char path[4096];
    (void)setenv("LEAT_BIN_DIR", "/bin", 1); /* NOLINT(concurrency-mt-unsafe): one thread */
    LEAT_PASS(leat_program_find("sh", path, sizeof path));
    LEAT_SAME_TEXT(path, "/bin/sh");

    (void)setenv("LEAT_BIN_DIR", "/proc", 1); /* NOLINT(concurrency-mt-unsafe): the same */
    LEAT_FAILS(leat_program_find("sh", path, sizeof path), LEAT_ERR_NOT_FOUND);
}

Test(cli_child, without_it_path_is_searched)
{
    char path[4096];
    (void)unsetenv("LEAT_BIN_DIR"); /* NOLINT(concurrency-mt-unsafe): one thread */

    LEAT_PASS(leat_program_find("sh", path, sizeof path));

    cr_assert(eq(int, access(path, X_OK), 0));
    LEAT_FAILS(leat_program_find("no-such-program-at-all", path, sizeof path), LEAT_ERR_NOT_FOUND);
}
