/* A closed channel is always ready. */
#include "tests/parity/parity.h"

PROGRAM(select_closed)
{
    const int two = 2;
    bool closed;
    const chan a = make(1);
    const chan b = make(0);
    chan_send(a, 1);
    chan_close(a);
    for (int i = 0; i < 3; i++) {
        leat_case cases[] = {recv_case(&a), recv_case(&b)};
        if (choose(cases, 2, -1, NULL) == 0)
            printf("a %d %s\n", value_of(&cases[0]), word(cases[0].ok));
        else
            printf("b\n");
    }
    leat_case cases[] = {send_case(&a, &two), recv_case(&b)};
    (void)choose(cases, 2, -1, &closed);
    printf("closed: %s\n", word(closed));
}
