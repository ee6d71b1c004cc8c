/* err: the table of errors. */
#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>

#include "proto/base/err.h"

static const leat_err all[] = {
#define ROW(name, number, message) LEAT_ERR_##name,
    LEAT_ERR_MAP(ROW)
#undef ROW
};

#define COUNT (sizeof all / sizeof *all)

Test(err, the_numbers_have_no_hole_and_no_row_twice)
{
    for (size_t i = 0; i < COUNT; i++)
        cr_assert(eq(sz, (size_t)all[i], i));
}

Test(err, each_row_has_a_name_and_a_sentence_of_its_own)
{
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t j = 0; j < i; j++) {
            cr_assert(ne(int, strcmp(leat_err_name(all[i]), leat_err_name(all[j])), 0));
            cr_assert(ne(int, strcmp(leat_err_message(all[i]), leat_err_message(all[j])), 0));
        }
    }
    LEAT_SAME_TEXT(leat_err_name(LEAT_ERR_NOT_FOUND), "NOT_FOUND");
    LEAT_SAME_TEXT(leat_err_message(LEAT_ERR_FULL), "the channel is full");
}

Test(err, what_the_table_does_not_have_is_still_text)
{
    LEAT_SAME_TEXT(leat_err_name((leat_err)9999), "UNKNOWN");
    LEAT_SAME_TEXT(leat_err_message((leat_err)9999), "unknown error");
}

Test(err, a_number_from_the_wire_finds_its_row_and_a_foreign_one_is_io)
{
    for (size_t i = 0; i < COUNT; i++)
        LEAT_FAILS(leat_err_from_number((unsigned)i), all[i]);
    LEAT_FAILS(leat_err_from_number(COUNT), LEAT_ERR_IO);
    LEAT_FAILS(leat_err_from_number(UINT32_MAX), LEAT_ERR_IO);
}

Test(err, an_errno_finds_the_closest_row_and_never_ok)
{
    LEAT_FAILS(leat_err_from_errno(ENOMEM), LEAT_ERR_NOMEM);
    LEAT_FAILS(leat_err_from_errno(ENOENT), LEAT_ERR_NOT_FOUND);
    LEAT_FAILS(leat_err_from_errno(ENOSPC), LEAT_ERR_NO_SPACE);
    LEAT_FAILS(leat_err_from_errno(EACCES), LEAT_ERR_DENIED);
    LEAT_FAILS(leat_err_from_errno(EADDRINUSE), LEAT_ERR_IN_USE);
    LEAT_FAILS(leat_err_from_errno(EMFILE), LEAT_ERR_LIMIT);
    LEAT_FAILS(leat_err_from_errno(EINTR), LEAT_ERR_INTERRUPTED);
    LEAT_FAILS(leat_err_from_errno(EIO), LEAT_ERR_IO);
    for (int errnum = 0; errnum < 200; errnum++)
        cr_assert(ne(int, (int)leat_err_from_errno(errnum), (int)LEAT_ERR_OK));
}
