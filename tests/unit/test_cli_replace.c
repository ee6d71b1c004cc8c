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
    const leat_replacement with = {.input = input, .number = 12, .for_shell = for_shell};
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
        {"{ } {x} {2}", "a",          "{ } {x} {2}"},
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

Test(cli_replace, who_takes_from_the_input)
{
    cr_assert(leat_replace_wants_input("x{/.}y"));
    cr_assert(leat_replace_wants_input("{1}"));
    cr_assert(not(leat_replace_wants_input("{#} {x} {")));
    cr_assert(not(leat_replace_wants_input("")));
}
