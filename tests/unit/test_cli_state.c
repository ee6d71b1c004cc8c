/* state: the files between two runs, and the lock of `leat up`. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/state.h"
#include "tests/lib/tmp.h"

static leat_tmp tmp;

static void
setup(void)
{
    leat_tmp_init(&tmp);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a test has one thread */
    cr_assert(eq(int, setenv("XDG_STATE_HOME", tmp.path, 1), 0));
}

static void
teardown(void)
{
    leat_tmp_fini(&tmp);
}

TestSuite(cli_state, .init = setup, .fini = teardown);

static void
must_write_last(const char *text)
{
    char path[LEAT_PATH_BYTES];
    char folder[LEAT_PATH_BYTES];
    char why[512];
    LEAT_PASS(leat_state_folder(true, folder, why));
    LEAT_PASS(leat_path_join(folder, "last", path, sizeof path));
    FILE *const file = fopen(path, "w");
    cr_assert(file != NULL);
    (void)fputs(text, file);
    (void)fclose(file);
}

Test(cli_state, the_folder_is_made_for_its_owner_only)
{
    char folder[LEAT_PATH_BYTES];
    char why[512];
    struct stat info;

    LEAT_PASS(leat_state_folder(true, folder, why));

    cr_assert(eq(int, stat(folder, &info), 0));
    cr_assert(eq(int, (int)(info.st_mode & 0777), 0700));
    LEAT_PASS(leat_state_folder(true, folder, why));
}

Test(cli_state, without_the_variable_it_is_below_home)
{
    char folder[LEAT_PATH_BYTES];
    char want[LEAT_PATH_BYTES];
    char why[512];
    (void)unsetenv("XDG_STATE_HOME");  /* NOLINT(concurrency-mt-unsafe): a test has one thread */
    (void)setenv("HOME", tmp.path, 1); /* NOLINT(concurrency-mt-unsafe): the same */
    LEAT_PASS(leat_path_join(tmp.path, ".local/state/leat", want, sizeof want));

    LEAT_PASS(leat_state_folder(false, folder, why));

    LEAT_SAME_TEXT(folder, want);
}

Test(cli_state, a_folder_that_cannot_be_made_is_named)
{
    char folder[LEAT_PATH_BYTES];
    char why[512];
    (void)setenv("XDG_STATE_HOME", "/proc/none", 1); /* NOLINT(concurrency-mt-unsafe): the same */

    cr_assert(ne(int, leat_state_folder(true, folder, why), LEAT_ERR_OK));

    cr_assert(strstr(why, "/proc/none/leat") != NULL);
}

Test(cli_state, the_last_batch_is_remembered)
{
    cr_assert(eq(u64, leat_state_last(), 0));

    leat_state_set_last(41);
    leat_state_set_last(42);

    cr_assert(eq(u64, leat_state_last(), 42));
}

Test(cli_state, a_file_with_something_else_in_it_is_no_last_batch)
{
    must_write_last("nonsense\n");
    cr_assert(eq(u64, leat_state_last(), 0));
    must_write_last("");
    cr_assert(eq(u64, leat_state_last(), 0));
    must_write_last("99999999999999999999999999\n");
    cr_assert(eq(u64, leat_state_last(), 0));
}

Test(cli_state, the_lock_is_taken_once_and_says_who_has_it)
{
    int fd;
    int second;
    leat_up_note note;
    const leat_up_note own = {.pid = 4711, .slots = 3, .endpoint = "ipc:///run/x.sock"};

    LEAT_PASS(leat_up_lock(tmp.path, &fd, &note));
    leat_up_write(fd, &own);
    LEAT_FAILS(leat_up_lock(tmp.path, &second, &note), LEAT_ERR_IN_USE);

    cr_assert(eq(int, note.pid, 4711));
    cr_assert(eq(u32, note.slots, 3));
    LEAT_SAME_TEXT(note.endpoint, "ipc:///run/x.sock");
    cr_assert(leat_up_runs(tmp.path, &note));
    (void)close(fd);
}

Test(cli_state, a_lock_that_was_given_back_is_held_by_nobody)
{
    int fd;
    leat_up_note note;
    LEAT_PASS(leat_up_lock(tmp.path, &fd, &note));
    (void)close(fd);

    cr_assert(not(leat_up_runs(tmp.path, &note)));
    LEAT_PASS(leat_up_lock(tmp.path, &fd, &note));
    (void)close(fd);
}

Test(cli_state, nothing_runs_where_there_is_no_file_and_none_is_made)
{
    leat_up_note note;
    char path[LEAT_PATH_BYTES];
    LEAT_PASS(leat_path_join(tmp.path, "up.pid", path, sizeof path));

    cr_assert(not(leat_up_runs(tmp.path, &note)));

    cr_assert(ne(int, access(path, F_OK), 0));
}

Test(cli_state, a_tree_is_removed_and_links_are_not_followed)
{
    char inside[LEAT_PATH_BYTES];
    char link[LEAT_PATH_BYTES];
    char outside[LEAT_PATH_BYTES];
    LEAT_PASS(leat_path_join(tmp.path, "outside", outside, sizeof outside));
    LEAT_PASS(leat_path_join(tmp.path, "tree/a/b", inside, sizeof inside));
    LEAT_PASS(leat_path_join(tmp.path, "tree/link", link, sizeof link));
    LEAT_PASS(leat_path_make(outside, 0700));
    LEAT_PASS(leat_path_make(inside, 0700));
    cr_assert(eq(int, symlink(outside, link), 0));
    LEAT_PASS(leat_path_join(tmp.path, "tree", inside, sizeof inside));

    leat_path_remove(inside);

    cr_assert(ne(int, access(inside, F_OK), 0));
    cr_assert(eq(int, access(outside, F_OK), 0));
}
