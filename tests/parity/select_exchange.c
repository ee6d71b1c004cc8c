/* Two peers offer and accept at once; exactly one way happens. */
#include "tests/parity/parity.h"

static void
peer(args x)
{
    const int one = 1;
    leat_case cases[] = {send_case(&x.a, &one), recv_case(&x.b)};
    chan_send(x.c, choose(cases, 2, -1, NULL));
}

PROGRAM(select_exchange)
{
    const chan a = make(0);
    const chan b = make(0);
    const chan words = make(2);
    for (int i = 0; i < 5; i++) {
        go(peer, (args){.a = a, .b = b, .c = words});
        go(peer, (args){.a = b, .b = a, .c = words});
        const int one = take(words);
        const int two = take(words);
        printf("one sent and one received: %s\n", word(one != two));
    }
}
