/* What running jobs print, put together with what ended ones have: each byte once, in lines. */
#include "client/cli/live.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"

static struct {
    leat_live *live;
    leat_live_options options;
    char *text[2];
    size_t size[2];
} t;

static void
begin(leat_live_options options)
{
    t.options = options;
    t.options.out = open_memstream(&t.text[0], &t.size[0]);
    t.options.err = open_memstream(&t.text[1], &t.size[1]);
    t.live = leat_live_new(42, &t.options);
    cr_assert(t.live != NULL);
}

static void
teardown(void)
{
    leat_live_free(&t.live);
    if (t.options.out != NULL)
        (void)fclose(t.options.out);
    if (t.options.err != NULL)
        (void)fclose(t.options.err);
    free(t.text[0]);
    free(t.text[1]);
}

TestSuite(cli_live, .fini = teardown);

static void
told(uint32_t place, uint32_t attempt, int stream, uint64_t offset, const char *text)
{
    leat_live_told(t.live, &(leat_told){.kind = LEAT_TOLD_LOG,
                                        .stream = stream,
                                        .place = place,
                                        .attempt = attempt,
                                        .offset = offset,
                                        .data = text,
                                        .size = strlen(text)});
}

static leat_bytes
bytes(const char *text)
{
    return (leat_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static void
ended(uint32_t place, uint32_t attempt, const char *head, uint64_t cut, const char *tail)
{
    const leat_ending ending = {
        .how = LEAT_ENDING_EXIT, .out = {.head = bytes(head), .cut = cut, .tail = bytes(tail)}
    };
    cr_assert(leat_live_ended(t.live, place, attempt, &ending));
}

static void
shows(const char *want)
{
    (void)fflush(t.options.out);
    LEAT_SAME_TEXT(t.text[0], want);
}

Test(cli_live, what_was_told_is_not_shown_again_at_the_end)
{
    begin((leat_live_options){0});
    told(1, 1, LEAT_TOLD_STDOUT, 0, "one\ntw");
    told(1, 1, LEAT_TOLD_STDOUT, 6, "o\n");
    shows("one\ntwo\n");

    ended(1, 1, "one\ntwo\nthree\n", 0, "");

    shows("one\ntwo\nthree\n");
    told(1, 1, LEAT_TOLD_STDOUT, 8, "three\n"); /* it comes late */
    shows("one\ntwo\nthree\n");
}

Test(cli_live, what_was_not_told_comes_from_the_end)
{
    begin((leat_live_options){0});

    ended(1, 3, "one\n", 0, "two\n");

    shows("one\ntwo\n");
}

Test(cli_live, the_end_goes_on_where_telling_has_ended)
{
    static const char *const want[] = {"abcd\n... leat: 5 bytes are cut out here ...\nwxyz",
                                       "abcdef\n... leat: 3 bytes are cut out here ...\nwxyz",
                                       "abcdefghiwxyz", "abcdefghiwxyz"};
    static const char *const before[] = {"ab", "abcdef", "abcdefghi", "abcdefghiwx"};
    for (unsigned i = 0; i < 4; i++) {
        begin((leat_live_options){.single = true});
        told(1, 1, LEAT_TOLD_STDOUT, 0, before[i]);
        ended(1, 1, "abcd", 5, "wxyz"); /* of "abcdefghiwxyz" */
        shows(want[i]);
        if (i < 3) {
            teardown();
            memset(&t, 0, sizeof t);
        }
    }
}

Test(cli_live, lines_of_several_jobs_stay_whole)
{
    begin((leat_live_options){0});
    told(1, 1, LEAT_TOLD_STDOUT, 0, "a1 ");
    told(2, 1, LEAT_TOLD_STDOUT, 0, "b1\nb2 ");
    told(1, 1, LEAT_TOLD_STDOUT, 3, "a2\n");
    shows("b1\na1 a2\n");
    cr_assert(leat_live_holds(t.live));

    leat_live_flush(t.live);

    shows("b1\na1 a2\nb2 ");
    cr_assert(not(leat_live_holds(t.live)));
    told(1, 1, LEAT_TOLD_STDOUT, 6, "a3\n");
    shows("b1\na1 a2\nb2 \na3\n");
}

Test(cli_live, a_tag_stands_before_each_line)
{
    begin((leat_live_options){.tags = true});
    told(7, 1, LEAT_TOLD_STDOUT, 0, "one\ntwo\n");
    ended(7, 1, "one\ntwo\nthree", 0, "");
    ended(8, 1, "four\n", 0, "");

    shows("42/7\tone\n42/7\ttwo\n42/7\tthree\n42/8\tfour\n");
}

Test(cli_live, what_is_missing_is_said_and_nothing_comes_twice)
{
    begin((leat_live_options){0});
    told(1, 1, LEAT_TOLD_STDOUT, 0, "one\n");
    told(1, 1, LEAT_TOLD_STDOUT, 10, "four\n");
    told(1, 1, LEAT_TOLD_STDOUT, 10, "four\nfive\n"); /* overlaps */

    shows("one\n... leat: 6 bytes are missing here ...\nfour\nfive\n");
    ended(1, 1, "one\n234567four\nfive\nsix\n", 0, "");
    shows("one\n... leat: 6 bytes are missing here ...\nfour\nfive\nsix\n");
}

Test(cli_live, another_attempt_begins_anew)
{
    begin((leat_live_options){0});
    told(1, 1, LEAT_TOLD_STDOUT, 0, "first\nhal");
    told(1, 2, LEAT_TOLD_STDOUT, 0, "second\n");
    told(1, 1, LEAT_TOLD_STDOUT, 9, "late\n"); /* of the first */
    shows("first\nhal\nsecond\n");

    ended(1, 3, "third\n", 0, ""); /* nobody heard of it before */

    shows("first\nhal\nsecond\nthird\n");
}

Test(cli_live, streams_are_told_apart)
{
    begin((leat_live_options){.single = true});
    told(1, 1, LEAT_TOLD_STDOUT, 0, "out");
    told(1, 1, LEAT_TOLD_STDERR, 0, "err");
    told(1, 1, LEAT_TOLD_LINES, 0, "line\n");
    const leat_ending ending = {.out.head = bytes("out!"), .err.head = bytes("err!")};
    cr_assert(leat_live_ended(t.live, 1, 1, &ending));

    shows("outline\n!");
    (void)fflush(t.options.err);
    LEAT_SAME_TEXT(t.text[1], "err!");
}

Test(cli_live, of_what_has_ended_the_last_lines)
{
    begin((leat_live_options){.tail = 2});
    ended(1, 1, "1\n2\n3\n", 0, "");
    ended(2, 1, "1\n2\n3", 0, "");
    shows("2\n3\n2\n3");
    ended(3, 1, "1\n", 9, "2\n3\n4\n");
    ended(4, 1, "1\n2\n", 0, "3\n");
    ended(5, 1, "", 0, "");
    shows("2\n3\n2\n3\n3\n4\n2\n3\n");
}

Test(cli_live, a_handler_that_printed_nothing_has_nothing_to_show)
{
    begin((leat_live_options){0});

    cr_assert(not(leat_live_ended(t.live, 1, 1, NULL)));
    told(2, 1, LEAT_TOLD_LINES, 0, "hello");
    cr_assert(leat_live_ended(t.live, 2, 1, NULL));

    shows("hello");
}

Test(cli_live, very_long_lines_do_not_wait_for_ever)
{
    char *const text = calloc(1, 70000);
    begin((leat_live_options){0});
    memset(text, 'x', 69999);

    told(1, 1, LEAT_TOLD_STDOUT, 0, text);

    shows(text);
    free(text);
}
