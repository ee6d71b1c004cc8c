/* progress: the line for screens of several widths, and when it is drawn. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/progress.h"

static const leat_progress_facts facts = {
    .ended = 620, .total = 1000, .failed = 3, .running = 8, .per_s = 41.2, .eta_s = 9.2};

static FILE *stream;
static char *text;
static size_t size;

static void
setup(void)
{
    (void)unsetenv("COLUMNS"); /* NOLINT(concurrency-mt-unsafe): a test has one thread */
    stream = open_memstream(&text, &size);
    cr_assert(stream != NULL);
}

static void
teardown(void)
{
    (void)fclose(stream);
    free(text);
}

TestSuite(cli_progress, .init = setup, .fini = teardown);

static void
line_is(unsigned columns, bool utf8, const char *want)
{
    char line[LEAT_PROGRESS_BYTES];
    const size_t used = leat_progress_line(&facts, columns, utf8, line);
    LEAT_SAME_TEXT(line, want);
    cr_assert(eq(sz, used, leat_screen_columns(line)));
    cr_assert(columns == 0 || used < columns, "%zu in %u", used, columns);
}

Test(cli_progress, a_wide_screen_shows_all)
{
    line_is(100, true,
            " 62% ▕█████████████████▎          ▏ 620/1000  8 run  3 fail  41.2/s  eta 0:09");
}

Test(cli_progress, ascii_where_the_locale_is)
{
    line_is(100, false,
            " 62% [################>           ] 620/1000  8 run  3 fail  41.2/s  eta 0:09");
}

Test(cli_progress, fifty_columns_have_no_rate)
{
    line_is(50, true, " 62% ▕████▉   ▏ 620/1000  8 run  3 fail  eta 0:09");
}

Test(cli_progress, thirty_columns_have_the_count_only)
{
    line_is(30, true, "620/1000 62%");
    line_is(30, false, "620/1000 62%");
}

Test(cli_progress, without_a_width_there_is_no_bar)
{
    line_is(0, true, " 62% 620/1000  8 run  3 fail  41.2/s  eta 0:09");
}

Test(cli_progress, no_width_is_too_narrow_for_its_line)
{
    const leat_progress_facts large = {.ended = 99999999,
                                       .total = 100000000,
                                       .failed = 1234567,
                                       .running = 1000000,
                                       .per_s = 1234567.8,
                                       .eta_s = 123456};
    for (unsigned columns = 24; columns < 200; columns++) {
        char line[LEAT_PROGRESS_BYTES];
        cr_assert(lt(sz, leat_progress_line(&large, columns, true, line), columns));
        cr_assert(lt(sz, leat_progress_line(&large, columns, false, line), columns));
    }
}

Test(cli_progress, a_hundred_percent_only_at_the_end)
{
    char line[LEAT_PROGRESS_BYTES];
    leat_progress_facts nearly = {.ended = 99999, .total = 100000, .per_s = -1, .eta_s = -1};

    (void)leat_progress_line(&nearly, 0, true, line);
    LEAT_SAME_TEXT(line, " 99% 99999/100000");

    nearly.ended = 100000;
    (void)leat_progress_line(&nearly, 0, true, line);
    LEAT_SAME_TEXT(line, "100% 100000/100000");
}

Test(cli_progress, the_bar_is_empty_at_the_start_and_full_at_the_end)
{
    char line[LEAT_PROGRESS_BYTES];
    leat_progress_facts ends = {.ended = 0, .total = 4, .per_s = -1, .eta_s = -1};

    (void)leat_progress_line(&ends, 60, false, line);
    LEAT_SAME_TEXT(line, "  0% [                            ] 0/4");

    ends.ended = 4;
    (void)leat_progress_line(&ends, 60, true, line);
    LEAT_SAME_TEXT(line, "100% ▕████████████████████████████▏ 4/4");
}

/* ---- drawing ---- */

static const leat_screen pipe_screen = {.terminal = false};
static const leat_screen terminal = {.terminal = true, .utf8 = false, .columns = 30};

static size_t
lines_out(void)
{
    size_t lines = 0;
    (void)fflush(stream);
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

Test(cli_progress, a_log_gets_the_start_and_every_tenth_of_the_way)
{
    leat_progress progress;
    leat_progress_init(&progress, LEAT_PROGRESS_PLAIN, &pipe_screen, stream, "batch 42");

    for (uint64_t ended = 0; ended <= 1000; ended++)
        leat_progress_update(&progress, (int64_t)ended, ended, 1000, 0);

    cr_assert(eq(sz, lines_out(), 10)); /* 0, 100 … 900; the end is the summary's */
    cr_assert(eq(int, strncmp(text, "leat: batch 42: 0/1000\n", 23), 0));
    cr_assert(strchr(text, '\033') == NULL);
}

Test(cli_progress, a_log_gets_a_line_after_thirty_seconds_without_one)
{
    leat_progress progress;
    leat_progress_init(&progress, LEAT_PROGRESS_PLAIN, &pipe_screen, stream, "batch 42");

    leat_progress_update(&progress, 0, 0, 1000, 0);
    leat_progress_update(&progress, 29999, 1, 1000, 0);
    cr_assert(eq(sz, lines_out(), 1));
    leat_progress_update(&progress, 30000, 2, 1000, 0);
    cr_assert(eq(sz, lines_out(), 2));
}

Test(cli_progress, a_terminal_gets_at_most_ten_lines_a_second)
{
    leat_progress progress;
    size_t drawn = 0;
    leat_progress_init(&progress, LEAT_PROGRESS_BAR, &terminal, stream, "batch 42");

    for (int64_t now_ms = 0; now_ms < 1000; now_ms++)
        leat_progress_update(&progress, now_ms, (uint64_t)now_ms, 1000, 0);

    (void)fflush(stream);
    for (size_t i = 0; i < size; i++)
        drawn += text[i] == '\r';
    cr_assert(eq(sz, drawn, 10));
    cr_assert(eq(sz, lines_out(), 0));
}

Test(cli_progress, the_line_is_wiped_once)
{
    leat_progress progress;
    leat_progress_init(&progress, LEAT_PROGRESS_BAR, &terminal, stream, "batch 42");
    leat_progress_update(&progress, 0, 1, 2, 0);
    (void)fflush(stream);
    const size_t before = size;

    leat_progress_wipe(&progress);
    leat_progress_wipe(&progress);

    (void)fflush(stream);
    LEAT_SAME_TEXT(text + before, "\r\033[K");
}

Test(cli_progress, a_notice_takes_the_line_and_gives_it_back)
{
    leat_progress progress;
    (void)setenv("COLUMNS", "30", 1); /* NOLINT(concurrency-mt-unsafe): a test has one thread */
    leat_progress_init(&progress, LEAT_PROGRESS_BAR, &terminal, stream, "batch 42");
    leat_progress_update(&progress, 0, 1, 2, 0);

    leat_progress_notice(&progress, 10, "reconnecting 4s", true);
    (void)fflush(stream);
    cr_assert(strstr(text, "\rreconnecting 4s\033[K") != NULL);

    leat_progress_notice(&progress, 20, "", true);
    (void)fflush(stream);
    LEAT_SAME_TEXT(strrchr(text, '\r'), "\r1/2 50%\033[K");
}

Test(cli_progress, a_log_is_told_a_notice_once)
{
    leat_progress progress;
    leat_progress_init(&progress, LEAT_PROGRESS_PLAIN, &pipe_screen, stream, "batch 42");

    leat_progress_notice(&progress, 0, "waiting: no worker", true);
    leat_progress_notice(&progress, 1, "waiting: no worker", true);
    leat_progress_notice(&progress, 2, "reconnecting 2s", false);
    leat_progress_notice(&progress, 3, "", true);

    (void)fflush(stream);
    LEAT_SAME_TEXT(text, "leat: batch 42: waiting: no worker\n");
}

Test(cli_progress, json_is_an_object_a_line)
{
    leat_progress progress;
    leat_progress_init(&progress, LEAT_PROGRESS_JSON, &pipe_screen, stream, "batch 42");

    leat_progress_update(&progress, 0, 1, 4, 1);

    (void)fflush(stream);
    LEAT_SAME_TEXT(text,
                   "{\"of\":\"batch 42\",\"ended\":1,\"total\":4,\"failed\":1,\"running\":0}\n");
}

Test(cli_progress, nothing_is_drawn_when_nothing_is_wanted)
{
    leat_progress progress;
    leat_progress_init(&progress, LEAT_PROGRESS_NONE, &terminal, stream, "batch 42");

    leat_progress_update(&progress, 0, 1, 4, 1);
    leat_progress_notice(&progress, 0, "reconnecting 1s", true);
    leat_progress_wipe(&progress);

    (void)fflush(stream);
    cr_assert(eq(sz, size, 0));
}

Test(cli_progress, rate_and_end_are_taken_from_what_came)
{
    leat_progress progress;
    leat_progress_init(&progress, LEAT_PROGRESS_BAR, &terminal, stream, "batch 42");

    leat_progress_update(&progress, 0, 500, 1000, 0);
    leat_progress_update(&progress, 1000, 600, 1000, 0);

    cr_assert(eq(dbl, progress.facts.per_s, 100.0));
    cr_assert(eq(dbl, progress.facts.eta_s, 4.0));
}
