/* What every test of Criterion includes. */
#ifndef LEAT_TEST_H
#define LEAT_TEST_H

/* The only file that includes Criterion. Order matters in 2.4.1: parameterized.h before criterion.h
 * leaves Test() defined as a documentation stub. all() and any() leak: use two assertions. */
#include <criterion/criterion.h>

#include <criterion/new/assert.h>
#include <criterion/parameterized.h>

#include "proto/base/err.h"

/* Criterion's assertion macros convert freely; only test files see this. */
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"

/* Assert that an expression returns LEAT_ERR_OK, or exactly the named error, and say which it was.
 */
#define LEAT_PASS(expr) LEAT_FAILS(expr, LEAT_ERR_OK)
#define LEAT_FAILS(expr, want)                                                                \
    do {                                                                                      \
        const leat_err got_ = (expr);                                                         \
        cr_assert(eq(int, (int)got_, (int)(want)), "%s: got %s", #expr, leat_err_name(got_)); \
    } while (0)

/* Assert that two strings are the same, and show both if not. NULL is the text "(none)". */
#define LEAT_SAME_TEXT(got, want) \
    cr_assert(eq(str, leat_test_text(got), leat_test_text(want)), "%s", #got)

/* Criterion compares char * and writes to none of them. */
static inline char *
leat_test_text(const char *text)
{
    static char none[] = "(none)";
    union {
        const char *text;
        char *same;
    } either = {.text = text};
    return text == NULL ? none : either.same;
}

#endif
