/* screen: text that cannot steer a terminal, and tables that fit it. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/screen.h"

TestSuite(cli_screen);

static void
safe_is(const char *data, size_t size, bool utf8, size_t columns, const char *want)
{
    char out[256];
    const size_t used = leat_screen_safe(data, size, utf8, columns, out, sizeof out);
    LEAT_SAME_TEXT(out, want);
    cr_assert(eq(sz, used, leat_screen_columns(out)));
    cr_assert(columns == 0 || used <= columns);
}

#define SAFE(text, utf8, columns, want) safe_is((text), sizeof(text) - 1, (utf8), (columns), (want))

Test(cli_screen, plain_text_stays_as_it_is)
{
    SAFE("hello", true, 0, "hello");
    SAFE("grün ∑ 😀", true, 0, "grün ∑ 😀");
    SAFE("", true, 0, "");
}

Test(cli_screen, what_steers_a_terminal_is_written_out)
{
    SAFE("\033[31mred", true, 0, "\\x1b[31mred");
    SAFE("a\0b\x7f", true, 0, "a\\x00b\\x7f");
    SAFE("\xc2\x9b"
         "31m",
         true, 0, "\\xc2\\x9b31m");
}

Test(cli_screen, lines_become_one)
{
    SAFE("a\nb\tc\r", true, 0, "a b c ");
}

Test(cli_screen, bytes_that_are_no_utf8_are_written_out)
{
    SAFE("\xff\xc3", true, 0, "\\xff\\xc3");
    SAFE("\xed\xa0\x80", true, 0, "\\xed\\xa0\\x80");
    SAFE("\xf4\x90\x80\x80", true, 0, "\\xf4\\x90\\x80\\x80");
    SAFE("\xc0\x80", true, 0, "\\xc0\\x80");
}

Test(cli_screen, other_letters_are_question_marks_in_ascii)
{
    SAFE("grün", false, 0, "gr?n");
}

Test(cli_screen, what_is_too_long_is_cut_with_dots)
{
    SAFE("abcdefghij", true, 5, "abcd…");
    SAFE("abcdefghij", false, 5, "ab...");
    SAFE("abcde", true, 5, "abcde");
    SAFE("ab\033cd", true, 5, "ab…");
}

Test(cli_screen, a_small_buffer_is_never_overrun)
{
    for (size_t room = 1; room < 16; room++) {
        char *const out = malloc(room);
        (void)leat_screen_safe("a\033b∑😀longer", 16, true, 0, out, room);
        cr_assert(lt(sz, strlen(out), room));
        free(out);
    }
}

/* ---- tables ---- */

static const leat_column columns[] = {
    {"CHANNEL", false, 9},
    {"READY",   true,  8},
    {"RUNNING", true,  7},
    {"DONE/S",  true,  3},
};

static void
table_is(unsigned width, bool plain, const char *want)
{
    char *text = NULL;
    size_t size = 0;
    leat_table *table = leat_table_new(columns, 4);
    const char *const first[] = {"default", "412", "15", "41.2"};
    const char *const second[] = {"a channel with a long name", "0", "0", "0.0"};
    const leat_screen screen = {.utf8 = true, .columns = width};
    FILE *const out = open_memstream(&text, &size);
    cr_assert(leat_table_add(table, first));
    cr_assert(leat_table_add(table, second));

    leat_table_print(table, &screen, plain, out);

    (void)fclose(out);
    LEAT_SAME_TEXT(text, want);
    free(text);
    leat_table_destroy(&table);
    cr_assert(table == NULL);
}

Test(cli_screen, a_table_is_as_wide_as_it_needs)
{
    table_is(0, false,
             "CHANNEL                     READY  RUNNING  DONE/S\n"
             "default                       412       15    41.2\n"
             "a channel with a long name      0        0     0.0\n");
}

Test(cli_screen, where_it_is_narrow_the_first_column_is_cut)
{
    table_is(44, false,
             "CHANNEL               READY  RUNNING  DONE/S\n"
             "default                 412       15    41.2\n"
             "a channel with a lo…      0        0     0.0\n");
}

Test(cli_screen, where_it_is_narrower_the_least_important_columns_go)
{
    table_is(30, false,
             "CHANNEL         READY  RUNNING\n"
             "default           412       15\n"
             "a channel wit…      0        0\n");
}

Test(cli_screen, plain_has_tabs_and_no_head)
{
    table_is(30, true,
             "default\t412\t15\t41.2\n"
             "a channel with a long name\t0\t0\t0.0\n");
}

Test(cli_screen, cells_are_made_safe)
{
    char *text = NULL;
    size_t size = 0;
    leat_table *table = leat_table_new(columns, 1);
    const char *const cells[] = {"a\tb\033c"};
    const leat_screen screen = {.utf8 = true};
    FILE *const out = open_memstream(&text, &size);
    cr_assert(leat_table_add(table, cells));

    leat_table_print(table, &screen, true, out);

    (void)fclose(out);
    LEAT_SAME_TEXT(text, "a b\\x1bc\n");
    free(text);
    leat_table_destroy(&table);
}
