/* Senders that wait are heard in the order in which they came. */
#include "tests/parity/parity.h"

static void
sender(args x)
{
    chan_send(x.a, x.n);
}

PROGRAM(rendezvous_order)
{
    const chan ch = make(0);
    for (int i = 1; i <= 4; i++) {
        go(sender, (args){.a = ch, .n = i});
        pause_ms(MOMENT_MS);
    }
    for (int i = 1; i <= 4; i++)
        printf("received %d\n", take(ch));
}
