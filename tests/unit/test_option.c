/* option: the table, the command line, the environment, files, and what wins. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/option.h"
#include "tests/lib/alloc.h"
#include "tests/lib/tmp.h"

static const leat_option rows[] = {
    {"slots",   'j', LEAT_OPTION_NUMBER,   "N",    "1",   "jobs at once",         1, 1000000, 0,                       NULL},
    {"verbose", 'v', LEAT_OPTION_FLAG,     NULL,   NULL,  "say more",             0, 0,       0,                       NULL},
    {"quiet",   'q', LEAT_OPTION_FLAG,     NULL,   NULL,  "say less",             0, 0,       0,                       NULL},
    {"color",   0,   LEAT_OPTION_FLAG,     NULL,   "yes", "colors on a terminal", 0, 0,       0,                       NULL},
    {"data",    'd', LEAT_OPTION_TEXT,     "DIR",  NULL,  "where the store is",   0, 0,       0,                       NULL},
    {"timeout", 't', LEAT_OPTION_DURATION, "D",    "90s", "how long to wait",     1, 7200000, 0,                       NULL},
    {"channel", 'c', LEAT_OPTION_LIST,     "NAME", NULL,  "channels to serve",    0, 0,       0,                       NULL},
    {"config",  0,   LEAT_OPTION_TEXT,     "F",    NULL,  "read this file",       0, 0,       0,                       NULL},
    {"hidden",  0,   LEAT_OPTION_TEXT,     "X",    NULL,  NULL,                   0, 0,       0,                       NULL},
    {"help",    'h', LEAT_OPTION_FLAG,     NULL,   NULL,  "this text",            0, 0,       LEAT_OPTION_NOT_IN_FILE, NULL},
};

#define ROW_COUNT (sizeof rows / sizeof *rows)

static leat_options *options;
static leat_tmp tmp;

/* NULL: not there. */
static void
set_variable(const char *name, const char *text)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): a test has one thread */
    const int rc = text == NULL ? unsetenv(name) : setenv(name, text, 1);
    cr_assert(eq(int, rc, 0));
}

static void
setup(void)
{
    static const char *const variables[] = {"LEAT_SLOTS",   "LEAT_VERBOSE", "LEAT_DATA",
                                            "LEAT_TIMEOUT", "LEAT_CHANNEL", "LEAT_CONFIG",
                                            "LEAT_HELP",    "LEAT_COLOR",   "LEAT_QUIET"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        set_variable(variables[i], NULL);
    leat_tmp_init(&tmp);
    set_variable("XDG_CONFIG_HOME", tmp.path);
    LEAT_PASS(leat_options_new(rows, ROW_COUNT, &options));
}

static void
teardown(void)
{
    leat_options_destroy(&options);
    leat_tmp_fini(&tmp);
}

TestSuite(option, .init = setup, .fini = teardown);

/* Read these words as a command line. */
#define ARGUMENTS(stop, ...)                                                 \
    read_words(stop, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
               (const char *[]){__VA_ARGS__, NULL})

static leat_err
read_words(bool stop_at_operand, size_t count, const char *const *words)
{
    static char *argv[32]; /* operands are borrowed from it */
    argv[0] = leat_test_text("leat");
    for (size_t i = 0; i < count; i++)
        argv[i + 1] = leat_test_text(words[i]);
    return leat_options_read_arguments(options, (int)count + 1, argv, stop_at_operand);
}

/* The options' sentence after words that are wrong. */
#define WRONG(sentence, ...)                                        \
    do {                                                            \
        LEAT_FAILS(ARGUMENTS(false, __VA_ARGS__), LEAT_ERR_CONFIG); \
        LEAT_SAME_TEXT(leat_options_why(options), sentence);        \
    } while (0)

static leat_err
read_file(const char *text, leat_origin origin)
{
    char path[PATH_MAX];
    leat_tmp_write(&tmp, "test.ini", text, strlen(text), path);
    return leat_options_read_file(options, path, origin);
}

/* The sentence behind the file's directory: "test.ini:1: …". */
#define WRONG_FILE(sentence, text)                                                  \
    do {                                                                            \
        LEAT_FAILS(read_file(text, LEAT_ORIGIN_USER_FILE), LEAT_ERR_CONFIG);        \
        LEAT_SAME_TEXT(leat_options_why(options) + strlen(tmp.path) + 1, sentence); \
    } while (0)

static void
list_is(const char *want)
{
    char text[256] = "";
    const char *const *items;
    const size_t count = leat_options_list(options, "channel", &items);
    for (size_t i = 0; i < count; i++)
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "[%s]", items[i]);
    LEAT_SAME_TEXT(text, want);
}

/* ------------------------------------------------------------------------------- command line */

Test(option, what_nobody_gives_is_the_default_of_its_row)
{
    cr_assert(eq(u64, leat_options_number(options, "slots"), 1));
    cr_assert(eq(i64, leat_options_ms(options, "timeout"), 90000));
    cr_assert(leat_options_flag(options, "color"));
    cr_assert(not(leat_options_flag(options, "verbose")));
    LEAT_SAME_TEXT(leat_options_text(options, "data"), NULL);
    list_is("");
    cr_assert(not(leat_options_given(options, "slots")));
    cr_assert(eq(int, (int)leat_options_origin(options, "slots"), (int)LEAT_ORIGIN_DEFAULT));
    cr_assert(eq(int, (int)leat_options_origin(options, "data"), (int)LEAT_ORIGIN_NONE));
}

Test(option, each_form_of_an_option_is_understood)
{
    LEAT_PASS(ARGUMENTS(false, "--slots=4", "--data", "/x", "-t", "1h30m", "-ca", "-vq"));

    cr_assert(eq(u64, leat_options_number(options, "slots"), 4));
    LEAT_SAME_TEXT(leat_options_text(options, "data"), "/x");
    cr_assert(eq(i64, leat_options_ms(options, "timeout"), 5400000));
    cr_assert(leat_options_flag(options, "verbose"));
    cr_assert(leat_options_flag(options, "quiet"));
    list_is("[a]");
    cr_assert(leat_options_given(options, "slots"));
}

Test(option, letters_of_flags_may_be_followed_by_one_that_takes_the_rest_or_the_next_word)
{
    LEAT_PASS(ARGUMENTS(false, "-vj12", "-qd", "--x"));

    cr_assert(eq(u64, leat_options_number(options, "slots"), 12));
    cr_assert(leat_options_flag(options, "verbose"));
    LEAT_SAME_TEXT(leat_options_text(options, "data"), "--x");
}

Test(option, a_flag_can_be_taken_back_and_given_a_word)
{
    LEAT_PASS(ARGUMENTS(false, "--no-color", "--verbose=yes", "--quiet", "--quiet=0"));

    cr_assert(not(leat_options_flag(options, "color")));
    cr_assert(leat_options_flag(options, "verbose"));
    cr_assert(not(leat_options_flag(options, "quiet")));
}

Test(option, the_last_of_two_counts_and_a_list_keeps_all_with_their_commas)
{
    LEAT_PASS(ARGUMENTS(false, "--slots=4", "-j5", "-ca,b", "--channel", "", "--channel=c"));

    cr_assert(eq(u64, leat_options_number(options, "slots"), 5));
    list_is("[a,b][][c]");
}

Test(option, operands_may_stand_between_options_and_anything_after_two_dashes_is_one)
{
    LEAT_PASS(ARGUMENTS(false, "a", "-v", "-", "--", "-q", "--slots=9", "--"));

    static const char *const want[] = {"a", "-", "-q", "--slots=9", "--"};
    cr_assert(eq(sz, leat_options_operand_count(options), 5));
    for (size_t i = 0; i < 5; i++)
        LEAT_SAME_TEXT(leat_options_operand(options, i), want[i]);
    cr_assert(leat_options_flag(options, "verbose"));
    cr_assert(not(leat_options_flag(options, "quiet")));
}

Test(option, the_words_of_a_jobs_own_command_are_left_alone)
{
    LEAT_PASS(ARGUMENTS(true, "-v", "convert", "--slots=9", "--", "-q"));

    static const char *const want[] = {"convert", "--slots=9", "--", "-q"};
    cr_assert(eq(sz, leat_options_operand_count(options), 4));
    for (size_t i = 0; i < 4; i++)
        LEAT_SAME_TEXT(leat_options_operand(options, i), want[i]);
    cr_assert(not(leat_options_given(options, "slots")));
}

Test(option, two_dashes_before_a_jobs_command_are_no_part_of_it)
{
    LEAT_PASS(ARGUMENTS(true, "--", "-weird"));

    cr_assert(eq(sz, leat_options_operand_count(options), 1));
    LEAT_SAME_TEXT(leat_options_operand(options, 0), "-weird");
}

Test(option, a_misspelt_option_is_named_with_the_one_that_was_meant)
{
    WRONG("no option \"--slot\", did you mean \"--slots\"?", "--slot", "4");
    WRONG("no option \"--slot\", did you mean \"--slots\"?", "--slot=4");
    WRONG("no option \"--Dtaa\", did you mean \"--data\"?", "--Dtaa");
    WRONG("no option \"--nonsense\"", "--nonsense");
    WRONG("no option \"--verb\"", "--verb"); /* no abbreviations */
    WRONG("no option \"--no-data\"", "--no-data");
    WRONG("no option \"--\"", "--=x");
    WRONG("no option \"-z\"", "-vz");
}

Test(option, a_value_that_is_none_is_named_with_its_option)
{
    WRONG("option \"--slots\": \"four\" is no whole number", "--slots=four");
    WRONG("option \"-j\": \"\" is no whole number", "-j", "");
    WRONG("option \"--slots\": 0 is less than 1", "--slots", "0");
    WRONG("option \"--slots\": 1_000_001 is more than 1000000", "--slots", "1_000_001");
    WRONG("option \"-t\": \"soon\" is no duration (90s, 1h30m, 250ms)", "-tsoon");
    WRONG("option \"--timeout\": 3h is more than 2h", "--timeout=3h");
    WRONG("option \"--timeout\": 0 is less than 1ms", "--timeout=0");
    WRONG("option \"--verbose\": \"perhaps\" is neither yes nor no", "--verbose=perhaps");
    WRONG("option \"--slots\" needs a value (N)", "--slots");
    WRONG("option \"-d\" needs a value (DIR)", "-vd");
}

Test(option, a_sentence_holds_nothing_that_steers_a_terminal)
{
    WRONG("no option \"--?[2J\"", "--\x1b[2J");
    WRONG("option \"--slots\": \"a?b\" is no whole number", "--slots=a\nb");
}

/* ------------------------------------------------------------------------ environment and files */

Test(option, a_variable_is_read_for_each_row_and_an_empty_one_is_none)
{
    set_variable("LEAT_SLOTS", "7");
    set_variable("LEAT_VERBOSE", "true");
    set_variable("LEAT_CHANNEL", "a, b c ,,d");
    set_variable("LEAT_DATA", "");
    set_variable("LEAT_HELP", "yes"); /* a row that is not for the environment */
    LEAT_PASS(leat_options_read_environment(options));

    cr_assert(eq(u64, leat_options_number(options, "slots"), 7));
    cr_assert(leat_options_flag(options, "verbose"));
    list_is("[a][b c][d]");
    cr_assert(not(leat_options_given(options, "data")));
    cr_assert(not(leat_options_flag(options, "help")));
}

Test(option, a_wrong_variable_is_named)
{
    set_variable("LEAT_SLOTS", "x");
    LEAT_FAILS(leat_options_read_environment(options), LEAT_ERR_CONFIG);
    LEAT_SAME_TEXT(leat_options_why(options), "LEAT_SLOTS: \"x\" is no whole number");
}

Test(option, the_stronger_source_wins_in_whatever_order_they_are_read)
{
    set_variable("LEAT_TIMEOUT", "2s");
    set_variable("LEAT_CHANNEL", "e1,e2");
    LEAT_PASS(ARGUMENTS(false, "--slots=4", "-cx", "-cy"));
    LEAT_PASS(leat_options_read_environment(options));
    LEAT_PASS(
        read_file("slots = 5\ntimeout = 3s\ndata = user\nchannel = u\n", LEAT_ORIGIN_USER_FILE));
    LEAT_PASS(
        read_file("slots=6\ntimeout=4s\ndata=system\nverbose=yes\n", LEAT_ORIGIN_SYSTEM_FILE));

    cr_assert(eq(u64, leat_options_number(options, "slots"), 4));
    list_is("[x][y]");
    cr_assert(eq(i64, leat_options_ms(options, "timeout"), 2000));
    LEAT_SAME_TEXT(leat_options_text(options, "data"), "user");
    cr_assert(leat_options_flag(options, "verbose"));
    static const struct {
        const char *name;
        leat_origin origin;
    } want[] = {
        {"slots",   LEAT_ORIGIN_COMMAND_LINE},
        {"timeout", LEAT_ORIGIN_ENVIRONMENT },
        {"data",    LEAT_ORIGIN_USER_FILE   },
        {"verbose", LEAT_ORIGIN_SYSTEM_FILE },
        {"color",   LEAT_ORIGIN_DEFAULT     },
        {"config",  LEAT_ORIGIN_NONE        },
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        cr_assert(eq(int, (int)leat_options_origin(options, want[i].name), (int)want[i].origin));
}

Test(option, a_list_in_a_file_may_stand_in_several_lines)
{
    LEAT_PASS(read_file("channel = a, b\nchannel = c\nchannel =\n", LEAT_ORIGIN_USER_FILE));
    list_is("[a][b][c]");
}

Test(option, a_missing_file_is_not_found_and_changes_nothing)
{
    char path[PATH_MAX];
    leat_tmp_path(&tmp, "none.ini", path);
    LEAT_FAILS(leat_options_read_file(options, path, LEAT_ORIGIN_USER_FILE), LEAT_ERR_NOT_FOUND);
    cr_assert(eq(u64, leat_options_number(options, "slots"), 1));
}

Test(option, a_directory_is_no_config_file)
{
    LEAT_FAILS(leat_options_read_file(options, tmp.path, LEAT_ORIGIN_USER_FILE), LEAT_ERR_CONFIG);
    cr_assert(ne(ptr, strstr(leat_options_why(options), ": Is a directory"), NULL));
}

Test(option, a_wrong_file_is_named_with_its_line_and_the_key_that_was_meant)
{
    WRONG_FILE("test.ini:2: no key \"dta\", did you mean \"data\"?", "# broker\ndta = /x\n");
    WRONG_FILE("test.ini:1: no key \"nonsense\"", "nonsense = 1\n");
    WRONG_FILE("test.ini:3: slots: \"x\" is no whole number", "\n\nslots = x");
    WRONG_FILE("test.ini:1: no key \"help\"", "help = yes\n");
    WRONG_FILE("test.ini:1: no key \"config\"", "config = other.ini\n");
    WRONG_FILE("test.ini:2: [channels] no such section", "[channels]\nslots = 1\n");
}

Test(option, a_key_that_stands_twice_is_an_error)
{
    WRONG_FILE("test.ini:3: data: given twice", "data = /a\nverbose = 1\ndata = /b\n");
}

/* Takes [channel.default]; its only key is retries. */
static leat_err
take_channel(void *context,
             leat_origin origin,
             const char *section,
             const char *key,
             const char *value,
             char *why,
             size_t why_size)
{
    if (strcmp(section, "channel.default") != 0)
        return LEAT_ERR_NOT_FOUND;
    if (strcmp(key, "retries") != 0) {
        (void)snprintf(why, why_size, "no key \"%s\", did you mean \"retries\"?", key);
        return LEAT_ERR_CONFIG;
    }
    cr_assert(eq(int, (int)origin, (int)LEAT_ORIGIN_USER_FILE));
    *(int *)context = atoi(value);
    return LEAT_ERR_OK;
}

Test(option, keys_in_a_section_go_to_whoever_takes_sections)
{
    int retries = 0;
    leat_options_on_section(options, take_channel, &retries);
    LEAT_PASS(read_file("slots = 3\n[channel.default]\nretries = 8\n", LEAT_ORIGIN_USER_FILE));
    cr_assert(eq(int, retries, 8));
    cr_assert(eq(u64, leat_options_number(options, "slots"), 3));

    WRONG_FILE("test.ini:2: [channel.default] no key \"retires\", did you mean \"retries\"?",
               "[channel.default]\nretires = 3\n");
    WRONG_FILE("test.ini:2: [x] no such section", "[x]\nretries = 3\n");
}

Test(option, the_rest_is_environment_and_the_users_file)
{
    char path[PATH_MAX];
    set_variable("LEAT_SLOTS", "2");
    leat_tmp_write(&tmp, "leat/worker.ini", "slots = 3\ndata = /u\n", 20, path);
    LEAT_PASS(leat_options_read_rest(options, "worker.ini"));

    cr_assert(eq(u64, leat_options_number(options, "slots"), 2));
    LEAT_SAME_TEXT(leat_options_text(options, "data"), "/u");
}

Test(option, without_a_config_directory_the_file_below_home_is_read)
{
    char path[PATH_MAX];
    set_variable("XDG_CONFIG_HOME", NULL);
    set_variable("HOME", tmp.path);
    leat_tmp_write(&tmp, ".config/leat/worker.ini", "slots = 6\n", 10, path);
    LEAT_PASS(leat_options_read_rest(options, "worker.ini"));
    cr_assert(eq(u64, leat_options_number(options, "slots"), 6));
}

Test(option, a_named_config_file_replaces_the_others_and_must_exist)
{
    char path[PATH_MAX];
    leat_tmp_write(&tmp, "leat/worker.ini", "slots = 3\n", 10, path);
    leat_tmp_write(&tmp, "other.ini", "data = /o\n", 10, path);
    LEAT_PASS(ARGUMENTS(false, "--config", path));
    LEAT_PASS(leat_options_read_rest(options, "worker.ini"));
    cr_assert(eq(u64, leat_options_number(options, "slots"), 1));
    LEAT_SAME_TEXT(leat_options_text(options, "data"), "/o");

    LEAT_PASS(ARGUMENTS(false, "--config=/nowhere/x.ini"));
    LEAT_FAILS(leat_options_read_rest(options, "worker.ini"), LEAT_ERR_CONFIG);
    LEAT_SAME_TEXT(leat_options_why(options), "/nowhere/x.ini: no such file");
}

/* ------------------------------------------------------------------------------------- the rest */

Test(option, help_is_one_line_a_row_in_columns)
{
    char text[4096] = "";
    FILE *const out = fmemopen(text, sizeof text, "w");
    leat_options_print_help(options, out);
    (void)fclose(out);

    LEAT_SAME_TEXT(text, "  -j, --slots N       jobs at once (default 1)\n"
                         "  -v, --verbose       say more\n"
                         "  -q, --quiet         say less\n"
                         "      --color         colors on a terminal (default yes)\n"
                         "  -d, --data DIR      where the store is\n"
                         "  -t, --timeout D     how long to wait (default 90s)\n"
                         "  -c, --channel NAME  channels to serve\n"
                         "      --config F      read this file\n"
                         "  -h, --help          this text\n");
}

Test(option, durations_are_what_people_type)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: none */
    } cases[] = {
        {"90",                                      90000    },
        {"90s",                                     90000    },
        {"1h30m",                                   5400000  },
        {"250ms",                                   250      },
        {"2m5s10ms",                                125010   },
        {"7d",                                      604800000},
        {"1_000ms",                                 1000     },
        {"0",                                       0        },
        {"9223372036854775807ms",                   INT64_MAX},
        {"9223372036854775808ms",                   -1       },
        {"106751991168d",                           -1       },
        {"106751991167d7h12m56s",                   -1       },
        {"",                                        -1       },
        {"s",                                       -1       },
        {"1h30",                                    -1       },
        {"30m1h",                                   -1       },
        {"1m1m",                                    -1       },
        {"1.5s",                                    -1       },
        {"-1s",                                     -1       },
        {" 1s",                                     -1       },
        {"1 s",                                     -1       },
        {"1S",                                      -1       },
        {"1__0s",                                   -1       },
        {"00000000000000000000000000000000000001s", -1       },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t ms = -1;
        const bool is = leat_parse_duration(cases[i].text, &ms);
        cr_assert(eq(int, is, cases[i].ms >= 0), "%s", cases[i].text);
        cr_assert(eq(i64, ms, cases[i].ms), "%s", cases[i].text);
    }
}

Test(option, amounts_are_numbers_with_a_unit_of_1024_behind_them)
{
    const struct {
        const char *text;
        uint64_t amount;
    } cases[] = {
        {"0",                    0                      },
        {"1_000",                1000                   },
        {"3K",                   3072                   },
        {"2M",                   2097152                },
        {"16G",                  17179869184            },
        {"1_0T",                 10995116277760         },
        {"16777215T",            16777215ULL << 40      },
        {"18446744073709551615", 18446744073709551615ULL},
    };
    static const char *const none[] = {"",
                                       "K",
                                       "2k",
                                       "2KK",
                                       "2 K",
                                       "-1",
                                       "1.5G",
                                       "G2",
                                       "2_K",
                                       "16777216T",
                                       "0x10",
                                       "2Gi",
                                       "00000000000000000000000000000001"};
    uint64_t n;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert(leat_parse_amount(cases[i].text, &n), "%s", cases[i].text);
        cr_assert(eq(u64, n, cases[i].amount), "%s", cases[i].text);
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        n = 7;
        cr_assert(not(leat_parse_amount(none[i], &n)), "%s", none[i]);
        cr_assert(eq(u64, n, 7), "%s", none[i]);
    }
}

Test(option, numbers_are_digits_with_single_marks_between)
{
    uint64_t n = 7;
    cr_assert(leat_parse_number("18446744073709551615", &n));
    cr_assert(eq(u64, n, UINT64_MAX));
    cr_assert(leat_parse_number("1_000_000", &n));
    cr_assert(eq(u64, n, 1000000));
    static const char *const none[] = {"",   "_",  "1_", "_1",  "1__0", "18446744073709551616",
                                       "+1", "-1", "1 ", "0x1", "1.0",  "٣"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_assert(not(leat_parse_number(none[i], &n)), "%s", none[i]);
    cr_assert(eq(u64, n, 1000000));
}

static const char *
word_at(const void *context, size_t i)
{
    return ((const char *const *)context)[i];
}

Test(option, the_nearest_word_is_suggested_and_none_where_all_are_far)
{
    static const char *const words[] = {"channel", "cancel", NULL, "status", "send", "ls", ""};
    static const struct {
        const char *word;
        const char *meant;
    } cases[] = {
        {"chanel",                                                                     "channel"}, /* a letter missing */
        {"cancell",                                                                    "cancel" }, /* one too many */
        {"stutas",                                                                     "status" }, /* two wrong */
        {"sned",                                                                       "send"   }, /* two swapped */
        {"STATUS",                                                                     "status" },
        {"sl",                                                                         "ls"     },
        {"rm",                                                                         NULL     },
        {"x",                                                                          NULL     },
        {"",                                                                           NULL     },
        {"finish",                                                                     NULL     },
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL     },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        LEAT_SAME_TEXT(leat_suggest(cases[i].word, word_at, words, 7), cases[i].meant);
}

Test(option, each_setting_is_printed_with_where_it_was_said)
{
    char path[PATH_MAX];
    char want[PATH_MAX + 512];
    char *got = NULL;
    size_t size = 0;
    static const char file[] = "; first\nchannel = a\n\nchannel = b\nslots = 3\n";
    leat_tmp_write(&tmp, "leat/worker.ini", file, strlen(file), path);
    set_variable("LEAT_SLOTS", "7");
    LEAT_PASS(ARGUMENTS(false, "--data=a\tb\nc\\d"));
    LEAT_PASS(leat_options_read_rest(options, "worker.ini"));
    FILE *const out = open_memstream(&got, &size);
    leat_options_print_settings(options, out);
    cr_assert(eq(int, fclose(out), 0));
    (void)snprintf(want, sizeof want,
                   "slots\tenvironment\tLEAT_SLOTS\t7\t\n"
                   "verbose\tnone\t\tno\t\n"
                   "quiet\tnone\t\tno\t\n"
                   "color\tdefault\t\tyes\t\n"
                   "data\toption\t--data\ta\\tb\\nc\\\\d\t\n"
                   "timeout\tdefault\t\t90s\t\n"
                   "channel\tfile\t%s:2\ta,b\t\n"
                   "config\tnone\t\t\t\n"
                   "hidden\tnone\t\t\t\n",
                   path);
    LEAT_SAME_TEXT(got, want);
    free(got);
}

Test(option, wherever_memory_ends_the_error_says_so_and_nothing_leaks)
{
    int after = 0;
    for (;; after++) {
        leat_options *other = NULL;
        static char words[][8] = {"leat", "-ca", "-cb", "--data=x", "op"};
        char *const argv[] = {words[0], words[1], words[2], words[3], words[4], NULL};
        leat_alloc_fail_after(after);
        leat_err err = leat_options_new(rows, ROW_COUNT, &other);
        if (err == LEAT_ERR_OK)
            err = leat_options_read_arguments(other, 5, argv, false);
        const bool failed = leat_alloc_has_failed();
        LEAT_FAILS(err, failed ? LEAT_ERR_NOMEM : LEAT_ERR_OK);
        leat_options_destroy(&other);
        if (!failed)
            break;
    }
    cr_assert(gt(int, after, 5));
}
