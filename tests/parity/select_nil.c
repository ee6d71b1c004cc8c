/* A nil channel never proceeds. */
#include "tests/parity/parity.h"

PROGRAM(select_nil)
{
    const chan a = make(1);
    chan_send(a, 1);
    leat_case cases[] = {LEAT_NO_CASE_AT_ALL, LEAT_NO_CASE_AT_ALL, recv_case(&a)};
    if (choose(cases, 3, -1, NULL) == 2)
        printf("a %d\n", value_of(&cases[2]));
    else
        printf("none\n");
    if (choose(cases, 1, MOMENT_MS, NULL) == 0)
        printf("none\n");
    else
        printf("timeout\n");
}
