/* client/cli/shell: commands as lines, and back. */
#include "tests/lib/test.h"

#include "client/cli/shell.h"

static leat_buf out;

static void
fini(void)
{
    leat_buf_fini(&out);
}

TestSuite(cli_shell, .fini = fini);

static const char *
quoted(const char *word)
{
    leat_buf_reset(&out);
    leat_shell_put_word(&out, leat_text_of(word));
    leat_put_u8(&out, 0);
    return (const char *)out.data;
}

/* The words of a line, with a '|' behind each. */
static const char *
split(leat_text line)
{
    leat_buf_reset(&out);
    leat_shell_split(&out, line);
    for (size_t i = 0; i < out.size; i++) {
        if (out.data[i] == 0)
            out.data[i] = '|';
    }
    leat_put_u8(&out, 0);
    return (const char *)out.data;
}

Test(cli_shell, a_word_is_quoted_as_far_as_it_has_to_be)
{
    LEAT_SAME_TEXT(quoted("a/b-c_1.txt"), "a/b-c_1.txt");
    LEAT_SAME_TEXT(quoted(""), "''");
    LEAT_SAME_TEXT(quoted("a b"), "'a b'");
    LEAT_SAME_TEXT(quoted("it's"), "'it'\\''s'");
    LEAT_SAME_TEXT(quoted("~a=b"), "'~a=b'");
    LEAT_SAME_TEXT(quoted("a\n\t'\\\001"), "$'a\\n\\t\\'\\\\\\001'");
}

Test(cli_shell, a_line_has_its_words_back)
{
    LEAT_SAME_TEXT(split(leat_text_of("  a   b ")), "a|b|");
    LEAT_SAME_TEXT(split(leat_text_of("'a b' c\\ d \"e'f\\\"\\$\\n\"")), "a b|c d|e'f\"$\\n|");
    LEAT_SAME_TEXT(split(leat_text_of("'' x''y $'\\n\\101\\'' $HOME")), "|xy|\nA'|$HOME|");
    LEAT_SAME_TEXT(split(leat_text_of("")), "");
}

Test(cli_shell, a_line_that_breaks_off_is_taken_as_far_as_it_goes)
{
    LEAT_SAME_TEXT(split(leat_text_of("'a b")), "a b|");
    LEAT_SAME_TEXT(split(leat_text_of("a\\")), "a\\|");
    LEAT_SAME_TEXT(split(leat_text_of("$'a\\")), "a\\|");
    LEAT_SAME_TEXT(split(leat_text_of("$")), "$|");
}

Test(cli_shell, a_nul_is_a_line_feed)
{
    LEAT_SAME_TEXT(split((leat_text){.data = "a\0'b\0c'", .size = 7}), "a|b\nc|");
}

Test(cli_shell, every_byte_comes_back)
{
    char word[256];
    leat_buf line = {0};
    for (int i = 0; i < 255; i++)
        word[i] = (char)(i + 1);
    word[255] = '\0';
    leat_shell_put_word(&line, leat_text_of(word));
    leat_shell_split(&out, (leat_text){.data = (const char *)line.data, .size = line.size});
    cr_assert(eq(sz, out.size, 256));
    cr_assert(memcmp(out.data, word, 256) == 0);
    leat_buf_fini(&line);
}
