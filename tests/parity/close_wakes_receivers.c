/* Receivers that wait hear of the end. */
#include "tests/parity/parity.h"

static void
receiver(args x)
{
    int v;
    chan_send(x.b, chan_recv(x.a, &v));
}

PROGRAM(close_wakes_receivers)
{
    const chan ch = make(0);
    const chan ends = make(3);
    for (int i = 0; i < 3; i++)
        go(receiver, (args){.a = ch, .b = ends});
    pause_ms(MOMENT_MS);
    chan_close(ch);
    for (int i = 0; i < 3; i++)
        printf("ok: %s\n", word(take(ends)));
}
