/* hosts: what a line of a hosts file says, and which lines are wrong. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "client/cli/hosts.h"

static leat_host *hosts;
static size_t count;
static char why[512];

static void
teardown(void)
{
    leat_hosts_free(hosts, count);
}

TestSuite(cli_hosts, .fini = teardown);

static leat_err
read_text(const char *text, size_t size)
{
    union {
        const char *text;
        void *same;
    } either = {.text = text}; /* opened for reading only */
    FILE *const file = fmemopen(either.same, size, "r");
    cr_assert(file != NULL);
    leat_hosts_free(hosts, count);
    const leat_err err = leat_hosts_read(file, "h", &hosts, &count, why);
    (void)fclose(file);
    return err;
}

static void
is_wrong(const char *text, const char *sentence)
{
    LEAT_FAILS(read_text(text, strlen(text)), LEAT_ERR_CONFIG);
    LEAT_SAME_TEXT(why, sentence);
    cr_assert(eq(sz, count, 0));
}

Test(cli_hosts, a_line_is_a_host_and_its_options)
{
    static const char text[] = "# room 3\n"
                               "\n"
                               "  anna@node1:2222\tslots=4 have=gpu=2\r\n"
                               "node2 name=big key=a.key program=/opt/w allow-commands\n"
                               "[fe80::1]:22 name=v6\n"
                               "bob@fe80::2 name=v6b\n"
                               "[::1]";
    LEAT_PASS(read_text(text, sizeof text - 1));
    cr_assert(eq(sz, count, 5));

    LEAT_SAME_TEXT(hosts[0].target, "anna@node1");
    LEAT_SAME_TEXT(hosts[0].port, "2222");
    LEAT_SAME_TEXT(hosts[0].name, "node1");
    cr_assert(eq(sz, hosts[0].option_count, 2));
    LEAT_SAME_TEXT(hosts[0].options[0], "slots=4");
    LEAT_SAME_TEXT(hosts[0].options[1], "have=gpu=2");

    LEAT_SAME_TEXT(hosts[1].target, "node2");
    cr_assert(hosts[1].port == NULL);
    LEAT_SAME_TEXT(hosts[1].name, "big");
    LEAT_SAME_TEXT(hosts[1].key, "a.key");
    LEAT_SAME_TEXT(hosts[1].program, "/opt/w");
    cr_assert(eq(sz, hosts[1].option_count, 1));

    LEAT_SAME_TEXT(hosts[2].target, "fe80::1");
    LEAT_SAME_TEXT(hosts[2].port, "22");
    LEAT_SAME_TEXT(hosts[3].target, "bob@fe80::2");
    cr_assert(hosts[3].port == NULL);
    LEAT_SAME_TEXT(hosts[4].name, "::1");
}

Test(cli_hosts, a_wrong_line_is_named)
{
    is_wrong("a\nb:70000\n", "h:2: \"70000\" is no port");
    is_wrong("a:\n", "h:1: \"\" is no port");
    is_wrong("[::1\n", "h:1: \"[::1\": a \"]\" is missing");
    is_wrong("-v\n", "h:1: a host is missing; write it as who@where slots=4");
    is_wrong("anna@\n", "h:1: a host is missing; write it as who@where slots=4");
    is_wrong("@node\n", "h:1: a host is missing; write it as who@where slots=4");
    is_wrong("anna@-v\n", "h:1: a host is missing; write it as who@where slots=4");
    is_wrong("a/b\n", "h:1: \"a/b\" is no name: it has no \"/\" and begins with no dot");
    is_wrong("a name=\n", "h:1: \"\" is no name: it has no \"/\" and begins with no dot");
    is_wrong("a\nb\nanna@a\n", "h:3: there is a worker \"a\" already; give this one a name=…");
    is_wrong("a\033b\n", "h:1: there is a control character in it");
    is_wrong("#\n", "h: no hosts in it");
    LEAT_FAILS(read_text("a\0b\n", 4), LEAT_ERR_CONFIG);
    LEAT_SAME_TEXT(why, "h:1: there is a NUL in it");
}

Test(cli_hosts, options_are_as_many_as_there_is_room_for)
{
    char text[16 + 4 * (LEAT_HOST_OPTIONS_MAX + 1)] = "a";
    for (unsigned i = 0; i < LEAT_HOST_OPTIONS_MAX; i++)
        strcat(text, " a=b"); // NOLINT(clang-analyzer-security.insecureAPI.strcpy): it has room
    LEAT_PASS(read_text(text, strlen(text)));
    cr_assert(eq(sz, hosts[0].option_count, LEAT_HOST_OPTIONS_MAX));
    strcat(text, " a=b"); // NOLINT(clang-analyzer-security.insecureAPI.strcpy): it has room
    is_wrong(text, "h:1: more than 64 options");
}
