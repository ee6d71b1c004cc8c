/* Lists of cores. See cores.h. */
#include "proto/base/cores.h"

#include <errno.h>

#define DIGITS_MAX 4

/* A core's number at *text, which moves behind it. */
static bool
take_number(const char **text, int *out)
{
    const char *p = *text;
    *out = 0;
    for (; *p >= '0' && *p <= '9' && p - *text < DIGITS_MAX; p++)
        *out = *out * 10 + (*p - '0');
    const bool is_number = p > *text && *out < CPU_SETSIZE;
    *text = p;
    return is_number;
}

bool
leat_cores_parse(const char *text, cpu_set_t *out)
{
    CPU_ZERO(out);
    for (;;) {
        int first;
        if (!take_number(&text, &first))
            return false;
        int last = first;
        if (*text == '-') {
            text++;
            if (!take_number(&text, &last) || last < first)
                return false;
        }
        for (int core = first; core <= last; core++)
            CPU_SET((size_t)core, out);
        if (*text == '\0')
            return true;
        if (*text++ != ',')
            return false;
    }
}

leat_err
leat_cores_keep_to(const char *text)
{
    cpu_set_t wanted;
    cpu_set_t allowed;
    cpu_set_t both;
    if (!leat_cores_parse(text, &wanted))
        return LEAT_ERR_MALFORMED;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return leat_err_from_errno(errno);
    /* The kernel would silently leave out what is not there. */
    CPU_AND(&both, &wanted, &allowed);
    if (!CPU_EQUAL(&both, &wanted))
        return LEAT_ERR_NOT_FOUND;
    return sched_setaffinity(0, sizeof wanted, &wanted) == 0 ? LEAT_ERR_OK
                                                             : leat_err_from_errno(errno);
}
