/* client/cli/replace: replacement strings. */
#include "tests/lib/test.h"

#include "client/cli/replace.h"

static leat_buf out;

static void
fini(void)
{
    leat_buf_fini(&out);
}

TestSuite(cli_replace, .fini = fini);

static const char *
replaced(const char *word, leat_text input, bool for_shell)
{
    const leat_replacement with = {
        .arguments = &input, .count = 1, .number = 12, .slot = 3, .for_shell = for_shell};
    leat_buf_reset(&out);
    leat_replace_word(&out, word, &with);
    leat_put_u8(&out, 0);
    return (const char *)out.data;
}

Test(cli_replace, each_form_takes_its_part)
{
    const struct {
        const char *word;
        const char *input;
        const char *want;
    } rows[] = {
        {"{}",          "a/b.tar.gz", "a/b.tar.gz" },
        {"{.}",         "a/b.tar.gz", "a/b.tar"    },
        {"{/}",         "a/b.tar.gz", "b.tar.gz"   },
        {"{//}",        "a/b.tar.gz", "a"          },
        {"{/.}",        "a/b.tar.gz", "b.tar"      },
        {"{#}:{1}",     "x",          "12:x"       },
        {"<{}|{}>",     "x",          "<x|x>"      },
        {"{.}",         "d.x/file",   "d.x/file"   },
        {"{.}",         ".profile",   ".profile"   },
        {"{.}",         "d/.profile", "d/.profile" },
        {"{//}",        "file",       "."          },
        {"{//}",        "/file",      "/"          },
        {"{//}",        "a//b",       "a"          },
        {"{/}",         "a/",         ""           },
        {"{ } {x} {0}", "a",          "{ } {x} {0}"},
        {"{1/}{1.}",    "d/a.c",      "a.cd/a"     },
        {"<{2}{2//}>",  "a",          "<>"         },
        {"{%} {1%}",    "a",          "3 {1%}"     },
        {"{",           "a",          "{"          },
        {"{}",          "",           ""           },
        {"{}",          "a {} b",     "a {} b"     },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        LEAT_SAME_TEXT(replaced(rows[i].word, leat_text_of(rows[i].input), false), rows[i].want);
}

Test(cli_replace, any_bytes_go_as_they_are)
{
    (void)replaced("{}", (leat_text){.data = "\377\0\n", .size = 3}, false);
    cr_assert(eq(sz, out.size, 4));
    cr_assert(memcmp(out.data, "\377\0\n", 3) == 0);
}

Test(cli_replace, for_a_shell_it_is_one_word)
{
    LEAT_SAME_TEXT(replaced("cat {}", leat_text_of("it's; rm -rf $HOME"), true),
                   "cat 'it'\\''s; rm -rf $HOME'");
    LEAT_SAME_TEXT(replaced("{}", leat_text_of(""), true), "''");
    LEAT_SAME_TEXT(replaced("{#} {/.}", leat_text_of("d/a b.c"), true), "12 'a b'");
}

Test(cli_replace, several_arguments_have_places)
{
    const leat_text three[] = {leat_text_of("x y"), leat_text_of("d/b.c"), leat_text_of("")};
    leat_replacement with = {.arguments = three, .count = 3, .which = 1};
    leat_replace_word(&out, "{2/.}-{1}-{3}-{4}-{}", &with);
    leat_put_u8(&out, 0);
    LEAT_SAME_TEXT((const char *)out.data, "b-x y---d/b.c");

    leat_buf_reset(&out);
    with.for_shell = true;
    leat_replace_word(&out, "echo {} {/}", &with);
    leat_put_u8(&out, 0);
    LEAT_SAME_TEXT((const char *)out.data, "echo 'x y' 'd/b.c' '' 'x y' 'b.c' ''");
}

Test(cli_replace, who_takes_from_the_arguments)
{
    const unsigned each = LEAT_REPLACE_ARGUMENT | LEAT_REPLACE_EACH;
    cr_assert(eq(uint, leat_replace_takes("x{/.}y"), each));
    cr_assert(eq(uint, leat_replace_takes("{1}"), LEAT_REPLACE_ARGUMENT));
    cr_assert(eq(uint, leat_replace_takes("{12//}{%}"), LEAT_REPLACE_ARGUMENT | LEAT_REPLACE_SLOT));
    cr_assert(eq(uint, leat_replace_takes("{#} {x} {"), 0));
    cr_assert(eq(uint, leat_replace_takes(""), 0));
}
