/* The table of errors as numbers, names and sentences. */
#include "proto/base/err.h"

#include <errno.h>

leat_err
leat_err_from_errno(int errnum)
{
    switch (errnum) {
    case ENOMEM:
        return LEAT_ERR_NOMEM;
    case ENOENT:
    case ENOTDIR:
        return LEAT_ERR_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
        return LEAT_ERR_NO_SPACE;
    case EACCES:
    case EPERM:
    case EROFS:
        return LEAT_ERR_DENIED;
    case EADDRINUSE:
    case EBUSY:
    case ETXTBSY:
        return LEAT_ERR_IN_USE;
    case E2BIG:
    case EFBIG:
    case EMSGSIZE:
    case ENAMETOOLONG:
        return LEAT_ERR_TOO_LARGE;
    case EMFILE:
    case ENFILE:
    case EAGAIN: /* no more threads or processes; who locks or polls asks for it before */
        return LEAT_ERR_LIMIT;
    case EINTR:
        return LEAT_ERR_INTERRUPTED;
    case ETIMEDOUT:
        return LEAT_ERR_TIMEOUT;
    case ENOSYS:
    case EOPNOTSUPP:
        return LEAT_ERR_UNSUPPORTED;
    default:
        return LEAT_ERR_IO;
    }
}

leat_err
leat_err_from_number(unsigned number)
{
    switch (number) {
#define NUMBER_CASE(name, number, message) \
    case (number):                         \
        return LEAT_ERR_##name;
        LEAT_ERR_MAP(NUMBER_CASE)
#undef NUMBER_CASE
    default:
        return LEAT_ERR_IO;
    }
}

const char *
leat_err_name(leat_err err)
{
    switch (err) {
#define NAME_CASE(name, number, message) \
    case LEAT_ERR_##name:                \
        return #name;
        LEAT_ERR_MAP(NAME_CASE)
#undef NAME_CASE
    default:
        return "UNKNOWN";
    }
}

const char *
leat_err_message(leat_err err)
{
    switch (err) {
#define MESSAGE_CASE(name, number, message) \
    case LEAT_ERR_##name:                   \
        return (message);
        LEAT_ERR_MAP(MESSAGE_CASE)
#undef MESSAGE_CASE
    default:
        return "unknown error";
    }
}
