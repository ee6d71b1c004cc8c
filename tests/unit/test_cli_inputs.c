/* inputs: payloads from words and from lines. */
#include "tests/lib/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/inputs.h"
#include "tests/lib/tmp.h"

static leat_inputs inputs;
static leat_tmp tmp;
static char path[PATH_MAX];

static void
setup(void)
{
    leat_tmp_init(&tmp);
    (void)leat_tmp_path(&tmp, "lines", path);
}

static void
teardown(void)
{
    leat_inputs_fini(&inputs);
    leat_tmp_fini(&tmp);
}

TestSuite(cli_inputs, .init = setup, .fini = teardown);

static void
must_open(const char *bytes, size_t size, char separator)
{
    FILE *const file = fopen(path, "w");
    cr_assert(file != NULL);
    cr_assert(eq(sz, fwrite(bytes, 1, size, file), size));
    cr_assert(eq(int, fclose(file), 0));
    LEAT_PASS(leat_inputs_of_file(&inputs, path, separator));
}

static void
next_is(const char *want, size_t want_size)
{
    const char *data;
    size_t size;
    cr_assert(leat_inputs_next(&inputs, &data, &size));
    cr_assert(eq(sz, size, want_size));
    cr_assert(eq(int, memcmp(data, want, size), 0));
}

static void
no_more(void)
{
    const char *data;
    size_t size;
    cr_assert(not(leat_inputs_next(&inputs, &data, &size)));
    cr_assert(eq(int, inputs.failed, 0));
}

Test(cli_inputs, words_come_one_by_one_empty_ones_too)
{
    char words_of[3][8] = {"a", "", "-c d"};
    char *const words[] = {words_of[0], words_of[1], words_of[2]};
    leat_inputs_of_words(&inputs, words, 3);

    next_is("a", 1);
    next_is("", 0);
    next_is("-c d", 4);
    cr_assert(eq(sz, inputs.number, 3));
    no_more();
}

Test(cli_inputs, lines_lose_their_line_feed)
{
    must_open("a\n\nb c\r\n", 8, '\n');

    next_is("a", 1);
    next_is("", 0);
    next_is("b c\r", 4);
    no_more();
}

Test(cli_inputs, a_last_line_without_line_feed_counts)
{
    must_open("a\nb", 3, '\n');

    next_is("a", 1);
    next_is("b", 1);
    no_more();
}

Test(cli_inputs, nul_ends_items_that_hold_line_feeds)
{
    must_open("a\nb\0c", 5, '\0');

    next_is("a\nb", 3);
    next_is("c", 1);
    no_more();
}

Test(cli_inputs, lines_may_hold_nul)
{
    must_open("a\0b\n", 4, '\n');

    next_is("a\0b", 3);
    no_more();
}

Test(cli_inputs, an_empty_file_has_none)
{
    must_open("", 0, '\n');

    no_more();
}

Test(cli_inputs, a_file_that_is_not_there_is_not_found)
{
    LEAT_FAILS(leat_inputs_of_file(&inputs, path, '\n'), LEAT_ERR_NOT_FOUND);
    cr_assert(eq(int, errno, ENOENT));
}

Test(cli_inputs, a_folder_cannot_be_read)
{
    const char *data;
    size_t size;
    LEAT_PASS(leat_inputs_of_file(&inputs, tmp.path, '\n'));

    cr_assert(not(leat_inputs_next(&inputs, &data, &size)));
    cr_assert(eq(int, inputs.failed, EISDIR));
}

Test(cli_inputs, ranges_are_counted)
{
    LEAT_PASS(leat_inputs_of_ranges(&inputs, "1-3,10,0-9:4"));

    next_is("1", 1);
    next_is("2", 1);
    next_is("3", 1);
    next_is("10", 2);
    next_is("0", 1);
    next_is("4", 1);
    next_is("8", 1);
    no_more();
}

Test(cli_inputs, what_is_no_range_is_malformed)
{
    static const char *const wrong[] = {
        "",   "a",   "1-",    "-3", "3-1",           "1-3:0",
        "1,", "1:2", "1-2-3", "1 ", "1000000000001", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        LEAT_FAILS(leat_inputs_of_ranges(&inputs, wrong[i]), LEAT_ERR_MALFORMED);
}

Test(cli_inputs, a_pipe_is_ready_when_it_has_a_line)
{
    int ends[2];
    cr_assert(eq(int, pipe(ends), 0));
    inputs = (leat_inputs){.has_lines = true, .fd = ends[0], .separator = '\n'};

    cr_assert(not(leat_inputs_ready(&inputs)));
    cr_assert(eq(int, (int)write(ends[1], "a", 1), 1));
    cr_assert(not(leat_inputs_ready(&inputs)));
    cr_assert(eq(int, (int)write(ends[1], "b\nc", 3), 3));
    cr_assert(leat_inputs_ready(&inputs));
    next_is("ab", 2);
    cr_assert(not(leat_inputs_ready(&inputs)));
    (void)close(ends[1]);
    cr_assert(leat_inputs_ready(&inputs));
    next_is("c", 1);
    no_more();
    (void)close(ends[0]);
}
