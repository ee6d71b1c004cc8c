/* log: one logfmt line, whatever the values hold. */
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/log.h"

#define WALL_MS 1795377600123 /* 2026-11-22T20:00:00.123Z */
#define HEAD    "ts=2026-11-22T20:00:00.123Z level=info at=broker.start msg=ready"

/* The line with these fields, without its line feed. */
static const char *
format(char line[LEAT_LOG_LINE_BYTES + 1], const leat_log_field *fields)
{
    const size_t size =
        leat_log_format(line, WALL_MS, LEAT_LOG_INFO, "broker.start", "ready", fields);
    cr_assert(gt(sz, size, 0));
    cr_assert(le(sz, size, LEAT_LOG_LINE_BYTES));
    cr_assert(eq(chr, line[size - 1], '\n'));
    cr_assert(eq(ptr, memchr(line, '\n', size - 1), NULL));
    line[size - 1] = '\0';
    return line;
}

#define LINE_IS(want, ...)                              \
    do {                                                \
        char line_[LEAT_LOG_LINE_BYTES + 1];            \
        const leat_log_field fields_[] = {__VA_ARGS__}; \
        LEAT_SAME_TEXT(format(line_, fields_), want);   \
    } while (0)

Test(log, a_line_without_fields_is_time_level_place_and_message)
{
    LINE_IS(HEAD, LEAT_KV_END);
}

Test(log, each_type_has_its_form)
{
    LINE_IS(HEAD " bind=ipc:///run/leat part=ab session=00ff10 jobs=18446744073709551615 "
                 "skew=-9223372036854775808 load=0.500 synced=true last=false err=NO_SPACE "
                 "errno=13 why=\"Permission denied\"",
            LEAT_KV_TEXT("bind", "ipc:///run/leat"), LEAT_KV_BYTES("part", "abc", 2),
            LEAT_KV_HEX("session", "\x00\xff\x10", 3), LEAT_KV_U64("jobs", UINT64_MAX),
            LEAT_KV_I64("skew", INT64_MIN), LEAT_KV_REAL("load", 0.5), LEAT_KV_BOOL("synced", true),
            LEAT_KV_BOOL("last", false), LEAT_KV_ERR(LEAT_ERR_NO_SPACE), LEAT_KV_ERRNO(EACCES),
            LEAT_KV_END);
}

Test(log, values_are_quoted_where_logfmt_needs_it_and_only_there)
{
    LINE_IS(
        HEAD
        " a=\"\" b=\"\" c=\"two words\" d=\"k=v\" e=\"say \\\"x\\\"\" f=\"C:\\\\x\" g=plain,1/2",
        LEAT_KV_TEXT("a", ""), LEAT_KV_TEXT("b", NULL), LEAT_KV_TEXT("c", "two words"),
        LEAT_KV_TEXT("d", "k=v"), LEAT_KV_TEXT("e", "say \"x\""), LEAT_KV_TEXT("f", "C:\\x"),
        LEAT_KV_TEXT("g", "plain,1/2"), LEAT_KV_END);
}

Test(log, no_value_fakes_a_line_or_steers_a_terminal)
{
    LINE_IS(HEAD " a=\"x\\nlevel=error\" b=\"\\x1b[2J\\x00\\x7f\\r\\t\" c=\"\\xc2\\x9b31m\"",
            LEAT_KV_TEXT("a", "x\nlevel=error"), LEAT_KV_BYTES("b", "\x1b[2J\0\x7f\r\t", 8),
            LEAT_KV_TEXT("c", "\xc2\x9b"
                              "31m"),
            LEAT_KV_END);
}

Test(log, utf8_stays_readable_and_what_is_none_is_escaped)
{
    LINE_IS(HEAD " a=\"Mühle \xe2\x82\xac \xf0\x9f\x8c\x8a\" b=\"\\xff\" c=\"\\xc0\\xaf\" "
                 "d=\"\\xed\\xa0\\x80\" e=\"\\xe2\\x82\" f=\"\\xf4\\x90\\x80\\x80\" g=\"\\xc3x\"",
            LEAT_KV_TEXT("a", "Mühle \xe2\x82\xac \xf0\x9f\x8c\x8a"), LEAT_KV_TEXT("b", "\xff"),
            LEAT_KV_TEXT("c", "\xc0\xaf"), LEAT_KV_TEXT("d", "\xed\xa0\x80"),
            LEAT_KV_TEXT("e", "\xe2\x82"), LEAT_KV_TEXT("f", "\xf4\x90\x80\x80"),
            LEAT_KV_TEXT("g", "\xc3x"), LEAT_KV_END);
}

Test(log, a_line_that_is_too_long_is_cut_at_any_byte_and_says_so)
{
    char text[3000];
    memset(text, 'x', sizeof text);
    for (size_t size = 1900; size < 2100; size++) {
        char line[LEAT_LOG_LINE_BYTES + 1];
        text[size / 2] = size % 2 == 0 ? 'x' : ' '; /* bare and quoted */
        const leat_log_field fields[] = {LEAT_KV_BYTES("a", text, size), LEAT_KV_U64("z", 12345),
                                         LEAT_KV_END};
        format(line, fields);
        const char *const tail = strstr(line, " cut=true");
        if (tail == NULL)
            cr_assert(ne(ptr, strstr(line, " z=12345"), NULL));
        else
            LEAT_SAME_TEXT(tail, " cut=true");
        size_t quotes = 0;
        for (const char *p = line; *p != '\0'; p++)
            quotes += *p == '"';
        cr_assert(eq(sz, quotes % 2, 0));
        text[size / 2] = 'x';
    }
}

Test(log, a_cut_line_uses_its_room_and_never_splits_a_character)
{
    char text[4000];
    char line[LEAT_LOG_LINE_BYTES + 1];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "ü"[i % 2];
    const leat_log_field fields[] = {LEAT_KV_BYTES("a", text, sizeof text), LEAT_KV_END};
    format(line, fields);

    const size_t size = strlen(line);
    cr_assert(gt(sz, size, LEAT_LOG_LINE_BYTES - 8));
    LEAT_SAME_TEXT(line + size - 12, "ü\" cut=true");
}

Test(log, numbers_beyond_all_measure_are_still_one_line)
{
    LINE_IS(HEAD " a=inf b=-nan c=-0.000", LEAT_KV_REAL("a", (double)INFINITY),
            LEAT_KV_REAL("b", -(double)NAN), LEAT_KV_REAL("c", -0.0), LEAT_KV_END);
    char line[LEAT_LOG_LINE_BYTES + 1];
    const leat_log_field fields[] = {LEAT_KV_REAL("a", 1e308), LEAT_KV_END};
    cr_assert(gt(sz, strlen(format(line, fields)), 300));
}

Test(log, a_level_has_a_word_and_a_word_its_level)
{
    leat_log_level level = LEAT_LOG_WARN;
    cr_assert(leat_log_level_of("debug", &level));
    cr_assert(eq(int, (int)level, (int)LEAT_LOG_DEBUG));
    cr_assert(not(leat_log_level_of("loud", &level)));
    cr_assert(not(leat_log_level_of("", &level)));
    cr_assert(eq(int, (int)level, (int)LEAT_LOG_DEBUG));
}

Test(log, less_important_lines_are_neither_written_nor_evaluated)
{
    int evaluated = 0;
    leat_log_set_level(LEAT_LOG_WARN);
    LEAT_LOG(LEAT_LOG_INFO, "test", "not seen", LEAT_KV_I64("n", ++evaluated));
    cr_assert(eq(int, evaluated, 0));
    cr_assert(not(leat_log_is_on(LEAT_LOG_DEBUG)));
    cr_assert(leat_log_is_on(LEAT_LOG_WARN));
    cr_assert(leat_log_is_on(LEAT_LOG_ERROR));
}

Test(log, a_line_is_one_write_on_stderr_and_errno_survives_it)
{
    int ends[2];
    char line[LEAT_LOG_LINE_BYTES + 1] = "";
    cr_assert(eq(int, pipe2(ends, O_CLOEXEC | O_DIRECT), 0)); /* a read is one write */
    const int saved = dup(STDERR_FILENO);
    cr_assert(ge(int, dup2(ends[1], STDERR_FILENO), 0));
    errno = ENOTTY;
    LEAT_LOG(LEAT_LOG_ERROR, "test.write", "all of it", LEAT_KV_U64("n", 1));
    const int errnum = errno;
    cr_assert(ge(int, dup2(saved, STDERR_FILENO), 0));
    const ssize_t size = read(ends[0], line, sizeof line - 1);

    cr_assert(eq(int, errnum, ENOTTY));
    cr_assert(gt(i64, size, 0));
    LEAT_SAME_TEXT(strstr(line, " level="), " level=error at=test.write msg=\"all of it\" n=1\n");
    close(ends[0]);
    close(ends[1]);
    close(saved);
}
