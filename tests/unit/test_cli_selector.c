/* selector: what names a batch or a job, and what does not. */
#include "tests/lib/test.h"

#include <string.h>

#include "client/cli/selector.h"

TestSuite(cli_selector);

static leat_selector
must_parse(const char *text)
{
    leat_selector selector;
    const char *why;
    cr_assert(leat_selector_parse(text, &selector, &why), "%s: %s", text, why);
    return selector;
}

Test(cli_selector, a_number_is_a_batch)
{
    const leat_selector selector = must_parse("42");

    cr_assert(eq(int, selector.kind, LEAT_SELECTOR_BATCH));
    cr_assert(eq(u64, selector.batch, 42));
}

Test(cli_selector, underscores_may_stand_between_digits)
{
    cr_assert(eq(u64, must_parse("1_000_000").batch, 1000000));
}

Test(cli_selector, a_place_and_a_range_of_places_are_jobs)
{
    const leat_selector one = must_parse("42/17");
    const leat_selector some = must_parse("42/10-20");

    cr_assert(eq(int, one.kind, LEAT_SELECTOR_JOBS));
    cr_assert(eq(u64, one.first, 17));
    cr_assert(eq(u64, one.last, 17));
    cr_assert(eq(u64, some.batch, 42));
    cr_assert(eq(u64, some.first, 10));
    cr_assert(eq(u64, some.last, 20));
}

Test(cli_selector, the_other_forms)
{
    cr_assert(eq(int, must_parse("last").kind, LEAT_SELECTOR_LAST));
    cr_assert(eq(int, must_parse("all").kind, LEAT_SELECTOR_ALL));
    cr_assert(eq(int, must_parse("42/failed").kind, LEAT_SELECTOR_FAILED));
    LEAT_SAME_TEXT(must_parse("@nightly").name, "nightly");
}

Test(cli_selector, the_largest_number_fits_and_one_more_does_not)
{
    leat_selector selector;
    const char *why;

    cr_assert(eq(u64, must_parse("9223372036854775807").batch, INT64_MAX));
    cr_assert(not(leat_selector_parse("9223372036854775808", &selector, &why)));
    cr_assert(not(leat_selector_parse("99999999999999999999999", &selector, &why)));
}

Test(cli_selector, what_is_none_is_refused_with_a_reason)
{
    static const char *const texts[] = {
        "",      "0",     "-1",    "4x",     "x4",    "42/",   "42/0",     "42/x",    "42/5-4",
        "42/5-", "42/-5", "42//1", "42/1/2", " 42",   "42 ",   "4__2",     "_42",     "42_",
        "@",     "lasts", "0x10",  "4.2",    "42/ 1", "42-43", "42/1-2-3", "42/fail",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        leat_selector selector;
        const char *why = NULL;
        cr_assert(not(leat_selector_parse(texts[i], &selector, &why)), "\"%s\"", texts[i]);
        cr_assert(why != NULL && *why != '\0', "\"%s\"", texts[i]);
    }
}
