/* The keys directory: what is read from it, and what is refused. */
#include "broker/access.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "tests/lib/tmp.h"

static leat_tmp tmp;
static leat_access *keys;

static void
must_allow(const char *name, leat_key_role role, leat_key *key)
{
    char path[PATH_MAX];
    char why[LEAT_KEY_WHY_BYTES];
    char relative[128];
    LEAT_PASS(leat_key_new(name, role, key));
    (void)snprintf(relative, sizeof relative, "%s/%s", LEAT_KEY_ALLOWED, name);
    LEAT_PASS(leat_key_write(leat_tmp_path(&tmp, relative, path), LEAT_KEY_OF_ALLOWED, key,
                             LEAT_KEY_WRITE_REPLACE, why));
}

static void
set_up(void)
{
    char path[PATH_MAX];
    char why[LEAT_KEY_WHY_BYTES];
    leat_key key;
    leat_tmp_init(&tmp);
    cr_assert(eq(int, mkdir(leat_tmp_path(&tmp, LEAT_KEY_ALLOWED, path), 0700), 0));
    LEAT_PASS(leat_key_new(LEAT_KEY_BROKER_NAME, LEAT_KEY_BROKER, &key));
    LEAT_PASS(leat_key_write(leat_tmp_path(&tmp, LEAT_KEY_BROKER_FILE, path), LEAT_KEY_OF_BROKER,
                             &key, LEAT_KEY_WRITE_NEW, why));
}

static void
tear_down(void)
{
    leat_access_close(&keys);
    leat_tmp_fini(&tmp);
}

TestSuite(access, .init = set_up, .fini = tear_down, .timeout = 10);

Test(access, each_role_may_be_what_it_says)
{
    char why[512] = "";
    leat_key client;
    leat_key worker;
    leat_key admin;
    must_allow("me", LEAT_KEY_CLIENT, &client);
    must_allow("w1", LEAT_KEY_WORKER, &worker);
    must_allow("boss", LEAT_KEY_ADMIN, &admin);

    LEAT_PASS(leat_access_open(tmp.path, &keys, why));

    const leat_principal *principal = leat_access_find(keys, client.public_key);
    cr_assert(principal != NULL);
    cr_expect(principal->may_ask);
    cr_expect(not(principal->may_work));
    principal = leat_access_find(keys, worker.public_key);
    cr_expect(not(principal->may_ask));
    cr_expect(principal->may_work);
    principal = leat_access_find(keys, admin.public_key);
    cr_expect(principal->may_ask);
    cr_expect(principal->may_work);
    cr_expect(eq(sz, leat_access_count(keys), 3));
}

Test(access, a_key_that_nobody_has_allowed_is_nobody)
{
    char why[512] = "";
    leat_key stranger;
    LEAT_PASS(leat_key_new("stranger", LEAT_KEY_ADMIN, &stranger));

    LEAT_PASS(leat_access_open(tmp.path, &keys, why));

    cr_expect(not(leat_access_allows(keys, stranger.public_key)));
    cr_expect(not(leat_access_allows(keys, "")));
    cr_expect(eq(sz, leat_access_count(keys), 0));
}

Test(access, a_key_that_is_taken_away_is_out_with_the_next_look)
{
    char path[PATH_MAX];
    char why[512] = "";
    leat_key worker;
    must_allow("w1", LEAT_KEY_WORKER, &worker);
    LEAT_PASS(leat_access_open(tmp.path, &keys, why));
    const uint64_t id = leat_access_find(keys, worker.public_key)->id;
    const uint64_t generation = leat_access_generation(keys);

    cr_assert(eq(int, unlink(leat_tmp_path(&tmp, LEAT_KEY_ALLOWED "/w1", path)), 0));

    cr_expect(leat_access_refresh(keys, false));
    cr_expect(not(leat_access_allows(keys, worker.public_key)));
    cr_expect(not(leat_access_has(keys, id)));
    cr_expect(gt(u64, leat_access_generation(keys), generation));
    cr_expect(not(leat_access_refresh(keys, false)), "nothing has changed since");
}

Test(access, a_file_that_cannot_be_understood_does_not_stop_the_others)
{
    char path[PATH_MAX];
    char why[512] = "";
    leat_key worker;
    must_allow("w1", LEAT_KEY_WORKER, &worker);
    (void)leat_tmp_write(&tmp, LEAT_KEY_ALLOWED "/w2", "role = boss\n", 12, path);

    LEAT_PASS(leat_access_open(tmp.path, &keys, why));

    cr_expect(leat_access_allows(keys, worker.public_key));
    cr_expect(eq(sz, leat_access_count(keys), 1));
}

Test(access, a_file_counts_only_under_its_own_name)
{
    char from[PATH_MAX];
    char to[PATH_MAX];
    char why[512] = "";
    leat_key worker;
    must_allow("w1", LEAT_KEY_WORKER, &worker);
    cr_assert(eq(int,
                 rename(leat_tmp_path(&tmp, LEAT_KEY_ALLOWED "/w1", from),
                        leat_tmp_path(&tmp, LEAT_KEY_ALLOWED "/w9", to)),
                 0));

    LEAT_PASS(leat_access_open(tmp.path, &keys, why));

    cr_expect(not(leat_access_allows(keys, worker.public_key)));
}

Test(access, a_folder_without_a_brokers_key_is_not_found)
{
    char path[PATH_MAX];
    char why[512] = "";
    cr_assert(eq(int, unlink(leat_tmp_path(&tmp, LEAT_KEY_BROKER_FILE, path)), 0));

    LEAT_FAILS(leat_access_open(tmp.path, &keys, why), LEAT_ERR_NOT_FOUND);
    cr_expect(ne(sz, strlen(why), 0));
}

Test(access, a_brokers_key_that_others_can_read_is_refused)
{
    char path[PATH_MAX];
    char why[512] = "";
    cr_assert(eq(int, chmod(leat_tmp_path(&tmp, LEAT_KEY_BROKER_FILE, path), 0644), 0));

    LEAT_FAILS(leat_access_open(tmp.path, &keys, why), LEAT_ERR_DENIED);
    cr_expect(ne(sz, strlen(why), 0));
}
