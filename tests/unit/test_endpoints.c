/* Which brokers a program tries: the option, the environment and the defaults. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/link/link.h"
#include "tests/lib/alloc.h"
#include "tests/lib/tmp.h"

/* NOLINTBEGIN(concurrency-mt-unsafe): setenv, and a test has one thread */

static leat_tmp tmp;
static char *list[LEAT_LINK_ENDPOINTS_MAX];
static size_t count;

static void
begin(void)
{
    leat_tmp_init(&tmp);
    setenv("XDG_RUNTIME_DIR", tmp.path, 1);
    unsetenv("LEAT_BROKER");
}

static void
end(void)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    leat_tmp_fini(&tmp);
}

TestSuite(endpoints, .init = begin, .fini = end);

/* "ipc://TMP/leat/broker.sock" */
static const char *
user_endpoint(void)
{
    static char text[PATH_MAX + 32];
    (void)snprintf(text, sizeof text, "ipc://%s/leat/broker.sock", tmp.path);
    return text;
}

static bool
is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* ------------------------------------------------------------------------------- the list */

Test(endpoints, without_a_word_the_usual_places_are_tried_in_order)
{
    LEAT_PASS(leat_link_endpoints(NULL, list, &count));
    cr_assert(eq(sz, count, 3));
    cr_expect(is(list[0], user_endpoint()));
    cr_expect(is(list[1], "ipc:///run/leat/broker.sock"));
    cr_expect(is(list[2], "tcp://127.0.0.1:5328"));
}

Test(endpoints, the_variable_names_one_or_more)
{
    setenv("LEAT_BROKER", "tcp://a:1, ipc:///b", 1);
    LEAT_PASS(leat_link_endpoints(NULL, list, &count));
    cr_assert(eq(sz, count, 2));
    cr_expect(is(list[0], "tcp://a:1"));
    cr_expect(is(list[1], "ipc:///b"));
}

Test(endpoints, what_is_given_beats_the_variable)
{
    setenv("LEAT_BROKER", "tcp://a:1", 1);
    LEAT_PASS(leat_link_endpoints("tcp://b:2", list, &count));
    cr_assert(eq(sz, count, 1));
    cr_expect(is(list[0], "tcp://b:2"));
}

Test(endpoints, an_empty_variable_is_none)
{
    setenv("LEAT_BROKER", "", 1);
    LEAT_PASS(leat_link_endpoints(NULL, list, &count));
    cr_expect(eq(sz, count, 3));
}

Test(endpoints, nine_are_too_many)
{
    LEAT_FAILS(leat_link_endpoints("tcp://a:1,tcp://a:2,tcp://a:3,tcp://a:4,tcp://a:5,tcp://a:6,"
                                   "tcp://a:7,tcp://a:8,tcp://a:9",
                                   list, &count),
               LEAT_ERR_LIMIT);
    cr_expect(eq(sz, count, 0));
}

Test(endpoints, one_that_is_none_spoils_the_list)
{
    static const char *const bad[] = {"localhost", "tcp://a:1,", ",", "tcp://a:1,,tcp://b:2", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        LEAT_FAILS(leat_link_endpoints(bad[i], list, &count), LEAT_ERR_CONFIG);
        cr_expect(eq(sz, count, 0));
    }
}

Test(endpoints, without_memory_there_is_no_list_and_nothing_leaks)
{
    for (int after = 0;; after++) {
        leat_alloc_fail_after(after);
        const leat_err err = leat_link_endpoints("tcp://a:1,tcp://b:2", list, &count);
        if (!leat_alloc_has_failed()) {
            LEAT_PASS(err);
            break;
        }
        LEAT_FAILS(err, LEAT_ERR_NOMEM);
        cr_expect(eq(sz, count, 0));
    }
}

Test(endpoints, without_memory_there_is_no_link_and_nothing_leaks)
{
    static const char *const endpoints[] = {"tcp://a:1", "tcp://b:2"};
    leat_link_options *const options = calloc(1, sizeof *options);
    leat_link *link = NULL;
    cr_assert(options != NULL);
    options->endpoints = endpoints;
    options->endpoint_count = 2;
    for (int after = 0;; after++) {
        leat_alloc_fail_after(after);
        const leat_err err = leat_link_new(options, &link);
        if (!leat_alloc_has_failed()) {
            LEAT_PASS(err);
            break;
        }
        LEAT_FAILS(err, LEAT_ERR_NOMEM);
    }
    leat_link_destroy(&link);
    cr_expect(link == NULL);
    free(options);
}

/* --------------------------------------------------------------------------- one endpoint */

Test(endpoints, hosts_with_ports_and_paths_are_endpoints)
{
    static const char *const good[] = {"tcp://h:1",        "tcp://10.0.0.1:65535",
                                       "tcp://[::1]:5328", "tcp://[fe80::1%eth0]:5328",
                                       "ipc:///a/b",       "ipc://relative"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(leat_link_endpoint_is_valid(good[i]), "%s", good[i]);
}

Test(endpoints, what_cannot_be_connected_to_is_none)
{
    static const char *const bad[] = {"",
                                      "tcp://",
                                      "tcp://h",
                                      "tcp://h:",
                                      "tcp://h:0",
                                      "tcp://h:65536",
                                      "tcp://h:5328x",
                                      "tcp://h:99999999999",
                                      "tcp://:5328",
                                      "tcp://*:5328",
                                      "tcp://a b:1",
                                      "tcp://::1:5328",
                                      "tcp://[]:5328",
                                      "tcp://[::1:5328",
                                      "tcp://h/x:1",
                                      "ipc://",
                                      "ipc://*",
                                      "inproc://x",
                                      "http://h:1",
                                      "/run/leat"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect(not(leat_link_endpoint_is_valid(bad[i])), "%s", bad[i]);
}

Test(endpoints, a_path_ends_at_107_bytes)
{
    char endpoint[6 + 109] = "ipc://";
    memset(endpoint + 6, 'p', 107);
    cr_expect(leat_link_endpoint_is_valid(endpoint));
    endpoint[6 + 107] = 'p';
    cr_expect(not(leat_link_endpoint_is_valid(endpoint)));
}

Test(endpoints, people_read_words_for_the_usual_places)
{
    char words[256];
    leat_link_endpoint_words(user_endpoint(), words, sizeof words);
    cr_expect(is(words, "ipc in your runtime directory"));
    leat_link_endpoint_words("ipc:///run/leat/broker.sock", words, sizeof words);
    cr_expect(is(words, "/run/leat"));
    leat_link_endpoint_words("tcp://h:1", words, sizeof words);
    cr_expect(is(words, "tcp://h:1"));
}

/* --------------------------------------------------------------------- the user's own socket */

Test(endpoints, the_user_s_folder_is_made_for_the_user_alone)
{
    char path[128];
    struct stat status;
    LEAT_PASS(leat_link_user_socket(true, path, sizeof path));
    *strrchr(path, '/') = '\0';
    cr_assert(eq(int, stat(path, &status), 0));
    cr_expect(eq(int, (int)(status.st_mode & 0777), 0700));
    LEAT_PASS(leat_link_user_socket(true, path, sizeof path)); /* it may be there already */
}

Test(endpoints, asking_for_the_path_makes_nothing)
{
    char path[128];
    LEAT_PASS(leat_link_user_socket(false, path, sizeof path));
    *strrchr(path, '/') = '\0';
    cr_expect(ne(int, access(path, F_OK), 0));
}

Test(endpoints, without_a_runtime_directory_it_is_in_tmp)
{
    char path[128];
    char want[128];
    unsetenv("XDG_RUNTIME_DIR");
    (void)snprintf(want, sizeof want, "/tmp/leat-%u/broker.sock", (unsigned)geteuid());
    const leat_err err = leat_link_user_socket(false, path, sizeof path);
    if (err == LEAT_ERR_OK) /* else somebody has put something else there */
        cr_expect(is(path, want), "%s", path);
    else
        LEAT_FAILS(err, LEAT_ERR_DENIED);
}

Test(endpoints, a_folder_that_others_may_enter_is_refused_and_not_tried)
{
    char folder[PATH_MAX];
    char path[128];
    leat_tmp_path(&tmp, "leat", folder);
    cr_assert(eq(int, mkdir(folder, 0700), 0));
    cr_assert(eq(int, chmod(folder, 0755), 0));
    LEAT_FAILS(leat_link_user_socket(true, path, sizeof path), LEAT_ERR_DENIED);
    LEAT_FAILS(leat_link_user_socket(false, path, sizeof path), LEAT_ERR_DENIED);
    LEAT_PASS(leat_link_endpoints(NULL, list, &count));
    cr_expect(eq(sz, count, 2));
}

Test(endpoints, a_link_to_a_folder_is_refused)
{
    char folder[PATH_MAX];
    char path[128];
    leat_tmp_path(&tmp, "leat", folder);
    cr_assert(eq(int, symlink("/tmp", folder), 0));
    LEAT_FAILS(leat_link_user_socket(true, path, sizeof path), LEAT_ERR_DENIED);
}

Test(endpoints, a_path_that_is_too_long_is_refused)
{
    char folder[150];
    char path[256];
    memset(folder, 'd', sizeof folder);
    folder[0] = '/';
    folder[100] = '\0';
    setenv("XDG_RUNTIME_DIR", folder, 1);
    LEAT_FAILS(leat_link_user_socket(true, path, sizeof path), LEAT_ERR_TOO_LARGE);
    LEAT_PASS(leat_link_endpoints(NULL, list, &count));
    cr_expect(eq(sz, count, 2));
}

/* NOLINTEND(concurrency-mt-unsafe) */
