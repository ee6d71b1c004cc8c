/* keys: the keys directory as `leat key` uses it. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli/keys.h"
#include "tests/lib/tmp.h"

static leat_tmp tmp;
static leat_cli cli;
static char folder[LEAT_PATH_BYTES];
static leat_key broker;
static unsigned bad_count;
static char bad_why[LEAT_KEY_WHY_BYTES];

static void
setup(void)
{
    char path[PATH_MAX];
    leat_tmp_init(&tmp);
    cli.quiet = true;
    (void)snprintf(folder, sizeof folder, "%s", leat_tmp_path(&tmp, "keys", path));
}

static void
teardown(void)
{
    leat_tmp_fini(&tmp);
}

TestSuite(cli_keys, .init = setup, .fini = teardown);

static void
note_bad(const leat_cli *self, const char *why)
{
    cr_assert(self == &cli);
    bad_count++;
    (void)snprintf(bad_why, sizeof bad_why, "%s", why);
}

static leat_key
must_make(const char *name)
{
    leat_key key;
    LEAT_PASS(leat_key_new(name, LEAT_KEY_WORKER, &key));
    return key;
}

static size_t
count_allowed(void)
{
    leat_keys_entry *entries;
    size_t count;
    cr_assert(eq(int, leat_keys_list(&cli, folder, &entries, &count, note_bad), LEAT_EXIT_OK));
    free(entries);
    return count;
}

static void
must_write_allowed(const char *name, const char *text)
{
    char in[PATH_MAX];
    char path[PATH_MAX];
    (void)snprintf(in, sizeof in, "keys/allowed/%s", name);
    leat_tmp_write(&tmp, in, text, strlen(text), path);
}

/* ---- the folder ---- */

Test(cli_keys, the_folder_is_made_once_and_its_pair_stays)
{
    struct stat info;
    leat_key again;
    cr_assert(eq(int, leat_keys_prepare(&cli, folder, &broker), LEAT_EXIT_OK));
    cr_assert(eq(int, leat_keys_prepare(&cli, folder, &again), LEAT_EXIT_OK));

    LEAT_SAME_TEXT(again.secret, broker.secret);
    cr_assert(eq(int, stat(folder, &info), 0));
    cr_assert(eq(int, (int)(info.st_mode & 0777), 0700));
    cr_assert(eq(sz, count_allowed(), 0));
}

Test(cli_keys, a_broker_s_pair_that_others_can_read_is_refused)
{
    char path[PATH_MAX];
    cr_assert(eq(int, leat_keys_prepare(&cli, folder, &broker), LEAT_EXIT_OK));
    cr_assert(eq(int, chmod(leat_tmp_path(&tmp, "keys/broker.key", path), 0644), 0));

    cr_assert(eq(int, leat_keys_prepare(&cli, folder, &broker), LEAT_EXIT_DENIED));
}

Test(cli_keys, without_a_folder_nobody_is_allowed)
{
    cr_assert(eq(sz, count_allowed(), 0));
    cr_assert(eq(u32, bad_count, 0));
}

/* ---- who is allowed ---- */

Test(cli_keys, they_are_listed_by_name_with_their_time_and_no_secret)
{
    static const char *const names[] = {"w2", "a", "w10"};
    leat_keys_entry *entries;
    size_t count;
    cr_assert(eq(int, leat_keys_prepare(&cli, folder, &broker), LEAT_EXIT_OK));
    for (int i = 0; i < 3; i++) {
        const leat_key key = must_make(names[i]);
        cr_assert(eq(int, leat_keys_allow(&cli, folder, &key), LEAT_EXIT_OK));
    }

    cr_assert(eq(int, leat_keys_list(&cli, folder, &entries, &count, NULL), LEAT_EXIT_OK));

    cr_assert(eq(sz, count, 3));
    LEAT_SAME_TEXT(entries[0].key.name, "a");
    LEAT_SAME_TEXT(entries[1].key.name, "w10");
    LEAT_SAME_TEXT(entries[2].key.name, "w2");
    LEAT_SAME_TEXT(entries[0].key.secret, "");
    cr_assert(gt(i64, entries[0].since_ms, 1600000000000));
    free(entries);
}

Test(cli_keys, what_does_not_count_is_told_and_the_others_count)
{
    char text[256];
    const leat_key key = must_make("w1");
    cr_assert(eq(int, leat_keys_prepare(&cli, folder, &broker), LEAT_EXIT_OK));
    cr_assert(eq(int, leat_keys_allow(&cli, folder, &key), LEAT_EXIT_OK));
    (void)snprintf(text, sizeof text, "name = w1\nrole = admin\npublic = %s\n", broker.public_key);

    must_write_allowed("w2", text);
    cr_assert(eq(sz, count_allowed(), 1));
    cr_assert(eq(u32, bad_count, 1));
    cr_assert(strstr(bad_why, "allowed/w2: it holds another name, w1") != NULL, "%s", bad_why);

    must_write_allowed("w2", "nonsense\n");
    must_write_allowed("-x", text);
    must_write_allowed(".key-abcdef", text); /* being written: not looked at */
    bad_count = 0;
    cr_assert(eq(sz, count_allowed(), 1));
    cr_assert(eq(u32, bad_count, 2));
}

Test(cli_keys, the_same_key_may_be_allowed_again_with_another_role)
{
    leat_keys_entry *entries;
    size_t count;
    leat_key key = must_make("w1");
    cr_assert(eq(int, leat_keys_prepare(&cli, folder, &broker), LEAT_EXIT_OK));
    cr_assert(eq(int, leat_keys_allow(&cli, folder, &key), LEAT_EXIT_OK));
    key.role = LEAT_KEY_ADMIN;

    cr_assert(eq(int, leat_keys_allow(&cli, folder, &key), LEAT_EXIT_OK));

    cr_assert(eq(int, leat_keys_list(&cli, folder, &entries, &count, NULL), LEAT_EXIT_OK));
    cr_assert(eq(sz, count, 1));
    cr_assert(eq(int, (int)entries[0].key.role, (int)LEAT_KEY_ADMIN));
    free(entries);
}

Test(cli_keys, a_name_is_one_key_and_a_key_one_name)
{
    const leat_key key = must_make("w1");
    const leat_key other = must_make("w1");
    leat_key renamed = key;
    (void)snprintf(renamed.name, sizeof renamed.name, "w2");
    cr_assert(eq(int, leat_keys_prepare(&cli, folder, &broker), LEAT_EXIT_OK));
    cr_assert(eq(int, leat_keys_allow(&cli, folder, &key), LEAT_EXIT_OK));

    cr_assert(eq(int, leat_keys_allow(&cli, folder, &other), LEAT_EXIT_LEAT));
    cr_assert(eq(int, leat_keys_allow(&cli, folder, &renamed), LEAT_EXIT_LEAT));
    cr_assert(eq(sz, count_allowed(), 1));
}

Test(cli_keys, who_is_revoked_is_gone_and_only_once)
{
    const leat_key key = must_make("w1");
    cr_assert(eq(int, leat_keys_prepare(&cli, folder, &broker), LEAT_EXIT_OK));
    cr_assert(eq(int, leat_keys_allow(&cli, folder, &key), LEAT_EXIT_OK));

    cr_assert(eq(int, leat_keys_revoke(&cli, folder, "w1"), LEAT_EXIT_OK));

    cr_assert(eq(sz, count_allowed(), 0));
    cr_assert(eq(int, leat_keys_revoke(&cli, folder, "w1"), LEAT_EXIT_NOT_FOUND));
    cr_assert(eq(int, leat_keys_revoke(&cli, folder, "../broker.key"), LEAT_EXIT_USAGE));
}

Test(cli_keys, a_new_key_is_a_file_that_knows_its_broker_and_is_allowed)
{
    char path[PATH_MAX];
    char why[LEAT_KEY_WHY_BYTES];
    leat_key made = {.name = "w1", .role = LEAT_KEY_WORKER, .broker = "tcp://h:1"};
    leat_key got;
    leat_tmp_path(&tmp, "w1.key", path);
    cr_assert(eq(int, leat_keys_prepare(&cli, folder, &broker), LEAT_EXIT_OK));

    cr_assert(eq(int, leat_keys_new(&cli, folder, &broker, &made, path, LEAT_KEY_WRITE_NEW),
                 LEAT_EXIT_OK));

    LEAT_PASS(leat_key_read(path, LEAT_KEY_OF_PRINCIPAL, &got, why));
    LEAT_SAME_TEXT(got.broker_public, broker.public_key);
    LEAT_SAME_TEXT(got.broker, "tcp://h:1");
    LEAT_SAME_TEXT(made.public_key, got.public_key);
    LEAT_SAME_TEXT(made.secret, "");
    cr_assert(eq(sz, count_allowed(), 1));
}

/* ---- the address ---- */

Test(cli_keys, the_address_is_kept_and_nonsense_is_none)
{
    char url[LEAT_URL_BYTES_MAX];
    char path[PATH_MAX];
    leat_keys_address(folder, url);
    LEAT_SAME_TEXT(url, "");
    cr_assert(eq(int, leat_keys_prepare(&cli, folder, &broker), LEAT_EXIT_OK));
    cr_assert(eq(int, leat_keys_set_address(&cli, folder, "tcp://h:5328"), LEAT_EXIT_OK));
    leat_keys_address(folder, url);
    LEAT_SAME_TEXT(url, "tcp://h:5328");

    leat_tmp_write(&tmp, "keys/address", "rm -rf\n", 7, path);
    leat_keys_address(folder, url);
    LEAT_SAME_TEXT(url, "");
}
