/* Of two that are ready neither starves. */
#include "tests/parity/parity.h"

PROGRAM(select_fair)
{
    const chan a = make(100);
    const chan b = make(100);
    int n[2] = {0, 0};
    for (int i = 0; i < 100; i++) {
        chan_send(a, i);
        chan_send(b, i);
    }
    for (int i = 0; i < 100; i++) {
        leat_case cases[] = {recv_case(&a), recv_case(&b)};
        n[choose(cases, 2, -1, NULL)]++;
    }
    printf("both at least 20 times: %s\n", word(n[0] >= 20 && n[1] >= 20));
    printf("together %d\n", n[0] + n[1]);
}
