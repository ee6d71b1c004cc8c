/* listen: the address of `leat up --listen`, and the keys that it needs. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/keys.h"
#include "client/cli/listen.h"
#include "tests/lib/tmp.h"

TestSuite(cli_listen);

/* ---- addresses ---- */

Test(cli_listen, an_address_is_host_and_port_and_both_may_be_left_out)
{
    static const struct {
        const char *told;
        const char *host;
        unsigned port;
    } good[] = {
        {"",                  "",         5328 },
        {":6000",             "",         6000 },
        {"mill",              "mill",     5328 },
        {"10.0.0.1:1",        "10.0.0.1", 1    },
        {"tcp://10.0.0.1:99", "10.0.0.1", 99   },
        {"[::1]:65535",       "::1",      65535},
        {"[fd00::2]",         "fd00::2",  5328 },
        {"fd00::2",           "fd00::2",  5328 },
        {"0.0.0.0:5328",      "0.0.0.0",  5328 },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char host[LEAT_URL_BYTES_MAX];
        unsigned port;
        cr_assert(leat_listen_split(good[i].told, host, &port), "%s", good[i].told);
        LEAT_SAME_TEXT(host, good[i].host);
        cr_assert(eq(u32, port, good[i].port), "%s", good[i].told);
    }
}

Test(cli_listen, what_is_no_address_is_refused)
{
    static const char *const bad[] = {"h:",   "h:0",    "h:65536", "h:x",     "h:1x",
                                      "[::1", "[::1]1", "[::1]:",  "a/b",     "a b",
                                      "*:1",  "a,b",    "ipc:///", "u@h:5328"};
    char host[LEAT_URL_BYTES_MAX];
    char long_host[LEAT_URL_BYTES_MAX];
    unsigned port;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert(not(leat_listen_split(bad[i], host, &port)), "%s", bad[i]);
    memset(long_host, 'a', sizeof long_host - 1);
    long_host[sizeof long_host - 1] = '\0';
    cr_assert(not(leat_listen_split(long_host, host, &port)));
}

/* ---- keys ---- */

static leat_tmp tmp;
static leat_cli cli;
static leat_option *rows;

static void
setup(void)
{
    static char words[3][256];
    static char *argv[] = {words[0], words[1], words[2], NULL};
    char path[PATH_MAX];
    size_t count;
    leat_tmp_init(&tmp);
    cli.quiet = true;
    rows = leat_cli_command_rows(&leat_cli_command_up, true, &count);
    cr_assert(rows != NULL);
    LEAT_PASS(leat_options_new(rows, count, &cli.options));
    (void)snprintf(words[0], sizeof words[0], "leat");
    (void)snprintf(words[1], sizeof words[1], "--keys");
    (void)snprintf(words[2], sizeof words[2], "%.200s", leat_tmp_path(&tmp, "keys", path));
    LEAT_PASS(leat_options_read_arguments(cli.options, 3, argv, false));
}

static void
teardown(void)
{
    leat_options_destroy(&cli.options);
    free(rows);
    leat_tmp_fini(&tmp);
}

TestSuite(cli_listen_keys, .init = setup, .fini = teardown);

Test(cli_listen_keys, the_first_time_makes_a_key_for_who_starts_it)
{
    char path[PATH_MAX];
    char why[LEAT_KEY_WHY_BYTES];
    char url[LEAT_URL_BYTES_MAX];
    leat_listen listen = {0};
    leat_key me;

    cr_assert(eq(int, leat_listen_prepare(&cli, "127.0.0.1:6000", &listen), LEAT_EXIT_OK));

    LEAT_SAME_TEXT(listen.bind, "tcp://127.0.0.1:6000");
    LEAT_SAME_TEXT(listen.url, "tcp://127.0.0.1:6000");
    leat_keys_address(listen.keys, url);
    LEAT_SAME_TEXT(url, listen.url);
    LEAT_PASS(
        leat_key_read(leat_tmp_path(&tmp, "keys/me.key", path), LEAT_KEY_OF_PRINCIPAL, &me, why));
    cr_assert(eq(int, (int)me.role, (int)LEAT_KEY_ADMIN));
    LEAT_SAME_TEXT(me.broker, listen.url);
}

Test(cli_listen_keys, who_was_revoked_stays_out_while_somebody_is_allowed)
{
    leat_listen listen = {0};
    leat_key other;
    leat_keys_entry *entries;
    size_t count;
    cr_assert(eq(int, leat_listen_prepare(&cli, "127.0.0.1", &listen), LEAT_EXIT_OK));
    LEAT_PASS(leat_key_new("w1", LEAT_KEY_WORKER, &other));
    cr_assert(eq(int, leat_keys_allow(&cli, listen.keys, &other), LEAT_EXIT_OK));
    cr_assert(eq(int, leat_keys_revoke(&cli, listen.keys, "me"), LEAT_EXIT_OK));

    cr_assert(eq(int, leat_listen_prepare(&cli, "127.0.0.1", &listen), LEAT_EXIT_OK));

    cr_assert(eq(int, leat_keys_list(&cli, listen.keys, &entries, &count, NULL), LEAT_EXIT_OK));
    cr_assert(eq(sz, count, 1));
    LEAT_SAME_TEXT(entries[0].key.name, "w1");
    free(entries);
}

Test(cli_listen_keys, all_addresses_are_bound_and_one_is_told)
{
    leat_listen listen = {0};
    char own[LEAT_URL_BYTES_MAX];
    char want[LEAT_URL_BYTES_MAX + 16];
    if (!leat_listen_own_address(own))
        cr_skip_test("this host has no address but loopback");

    cr_assert(eq(int, leat_listen_prepare(&cli, "0.0.0.0:6000", &listen), LEAT_EXIT_OK));

    LEAT_SAME_TEXT(listen.bind, "tcp://0.0.0.0:6000");
    (void)snprintf(want, sizeof want, "tcp://%s:6000", own);
    LEAT_SAME_TEXT(listen.url, want);
}

Test(cli_listen_keys, what_is_no_address_is_refused_before_anything_is_made)
{
    leat_listen listen = {0};
    char path[PATH_MAX];
    cr_assert(eq(int, leat_listen_prepare(&cli, "h:0", &listen), LEAT_EXIT_USAGE));
    cr_assert(ne(int, access(leat_tmp_path(&tmp, "keys", path), F_OK), 0));
}
