/* Receivers that wait are served in the order in which they came. */
#include "tests/parity/parity.h"

static void
receiver(args x)
{
    chan_send(x.b, take(x.a));
}

PROGRAM(receivers_order)
{
    const chan ch = make(0);
    chan got[4];
    for (int i = 0; i < 4; i++) {
        got[i] = make(1);
        go(receiver, (args){.a = ch, .b = got[i]});
        pause_ms(MOMENT_MS);
    }
    for (int i = 0; i < 4; i++)
        chan_send(ch, i);
    for (int i = 0; i < 4; i++)
        printf("receiver %d got %d\n", i, take(got[i]));
}
