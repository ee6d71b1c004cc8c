/* config: what a file may hold, and which line is to blame. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/config.h"

static char taken[4096]; /* "section|key|value;" for each key */
static char why[512];

/* Writes down every key; "bad" is refused, "full" is another error. */
static leat_err
take(void *context,
     const char *section,
     const char *key,
     const char *value,
     int line,
     char *sentence,
     size_t size)
{
    cr_assert(gt(int, line, 0));
    (void)context;
    if (strcmp(key, "full") == 0)
        return LEAT_ERR_NOMEM;
    if (strcmp(key, "bad") == 0) {
        (void)snprintf(sentence, size, "bad: is bad");
        return LEAT_ERR_CONFIG;
    }
    const size_t used = strlen(taken);
    (void)snprintf(taken + used, sizeof taken - used, "%s|%s|%s;", section == NULL ? "" : section,
                   key, value);
    return LEAT_ERR_OK;
}

static leat_err
read_bytes(const char *data, size_t size)
{
    char byte = 0;
    union {
        const char *data;
        void *same;
    } either = {.data = data}; /* opened for reading only */
    FILE *const file = fmemopen(size == 0 ? &byte : either.same, size == 0 ? 1 : size, "r");
    taken[0] = why[0] = '\0';
    if (size == 0)
        cr_assert(eq(int, getc(file), 0)); /* an empty file cannot be opened this way */
    const leat_err err = leat_config_read(file, "x.ini", take, NULL, why, sizeof why);
    (void)fclose(file);
    return err;
}

#define GIVES(want, text)                              \
    do {                                               \
        LEAT_PASS(read_bytes(text, sizeof(text) - 1)); \
        LEAT_SAME_TEXT(taken, want);                   \
    } while (0)

#define WRONG(sentence, text)                                            \
    do {                                                                 \
        LEAT_FAILS(read_bytes(text, sizeof(text) - 1), LEAT_ERR_CONFIG); \
        LEAT_SAME_TEXT(why, sentence);                                   \
    } while (0)

Test(config, keys_are_taken_in_order_with_their_section)
{
    GIVES("|a|1;s|b|2;t.u|c|3;", "a = 1\n[s]\nb=2\n\n[t.u]\nc: 3\n");
}

Test(config, an_empty_file_and_one_of_comments_hold_nothing)
{
    GIVES("", "");
    GIVES("",
          "# slots = 4\n; data = x\n\n   \n\t# indented\n[section] ; of nothing\n[two] # of it");
}

Test(config, blanks_around_key_and_value_are_dropped_and_those_inside_kept)
{
    GIVES("|a|x  y;|b|;|c|= d;", "\t a\t=  x  y \t\n b =\nc = = d");
}

Test(config, a_line_at_the_margin_or_indented_is_a_key_of_its_own)
{
    GIVES("|data|/x;|slots|4;", "data = /x\n  slots = 4\n");
}

Test(config, comments_begin_after_a_blank_and_a_semicolon_only)
{
    GIVES("|a|1;|b|x;y;|c|x # y;|d|tcp://h:1#z;|e|;", "a = 1 ; one\nb = x;y\nc = x # y\n"
                                                      "d = tcp://h:1#z\ne = ; nothing\n");
}

Test(config, quotes_and_backslashes_are_part_of_the_value)
{
    GIVES("|a|\"x\";|b|C:\\x;|c|$HOME;", "a = \"x\"\nb = C:\\x\nc = $HOME\n");
}

Test(config, a_bom_and_foreign_line_ends_are_understood)
{
    GIVES("|a|1;|b|2;", "\xef\xbb\xbf"
                        "a = 1\r\nb = 2\r\n");
    GIVES("s|a|1;", "\xef\xbb\xbf[s]\r\na = 1\r");
    GIVES("|a|Mühle;", "a = Mühle");
}

Test(config, a_wrong_line_is_named_by_its_number)
{
    WRONG("x.ini:3: neither \"key = value\" nor \"[section]\"", "a = 1\n\nslots 4\nb = 2\n");
    WRONG("x.ini:1: neither \"key = value\" nor \"[section]\"", "slots");
    WRONG("x.ini:2: bad: is bad", "\r\nbad = 1\r\nslots\n");
    WRONG("x.ini:1: neither \"key = value\" nor \"[section]\"", "slots\nbad = 1\n");
    WRONG("x.ini:4: [s] bad: is bad", "[s]\n#\n\nbad = 1");
    WRONG("x.ini:2: [s] no key before the \"=\"", "[s]\n= 4");
}

Test(config, nothing_after_a_wrong_line_is_taken)
{
    LEAT_FAILS(read_bytes("a = 1\nbad = 1\nb = 2\n", 20), LEAT_ERR_CONFIG);
    LEAT_SAME_TEXT(taken, "|a|1;");
}

Test(config, what_would_be_passed_over_in_silence_is_an_error)
{
    WRONG("x.ini:1: something stands after the section", "[a] slots = 4\n");
    WRONG("x.ini:1: the section's name has no \"]\" after it", "[a\nslots = 4\n");
    WRONG("x.ini:1: the section's name is too long",
          "[channel.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\na = 1\n");
    WRONG("x.ini:2: a control character is in the line", "a = 1\nb = 2\0c\n");
    WRONG("x.ini:1: a control character is in the line", "a = 1\rb = 2\n");
    WRONG("x.ini:1: a control character is in the line", "a = \x1b[2J\n");
}

Test(config, a_section_name_of_the_longest_size_is_whole)
{
    char text[128];
    char want[128];
    char name[LEAT_CONFIG_SECTION_BYTES_MAX + 1] = "";
    memset(name, 'n', sizeof name - 1);
    (void)snprintf(text, sizeof text, "[%s]\na=1", name);
    (void)snprintf(want, sizeof want, "%s|a|1;", name);
    LEAT_PASS(read_bytes(text, strlen(text)));
    LEAT_SAME_TEXT(taken, want);
}

Test(config, a_line_of_the_longest_size_is_whole_and_one_byte_more_is_an_error)
{
    char text[LEAT_CONFIG_LINE_BYTES_MAX + 8];
    memset(text, 'v', sizeof text);
    text[0] = '\n';
    text[1] = 'k';
    text[2] = '=';
    LEAT_PASS(read_bytes(text, 1 + LEAT_CONFIG_LINE_BYTES_MAX));
    cr_assert(eq(sz, strlen(taken), 2 + LEAT_CONFIG_LINE_BYTES_MAX));

    LEAT_FAILS(read_bytes(text, 2 + LEAT_CONFIG_LINE_BYTES_MAX), LEAT_ERR_CONFIG);
    LEAT_SAME_TEXT(why, "x.ini:2: the line is too long");
    LEAT_SAME_TEXT(taken, "");
}

Test(config, an_error_of_the_taker_comes_back_as_it_is)
{
    LEAT_FAILS(read_bytes("a = 1\nfull = 2\n", 15), LEAT_ERR_NOMEM);
}
