/* A select with a default does not wait. */
#include "tests/parity/parity.h"

PROGRAM(select_default)
{
    const int one = 1;
    const chan a = make(0);
    const chan b = make(0);
    leat_case cases[] = {recv_case(&a), send_case(&b, &one)};
    switch (choose(cases, 2, 0, NULL)) {
    case 0:
        printf("a\n");
        break;
    case 1:
        printf("b\n");
        break;
    default:
        printf("default\n");
        break;
    }
}
