/* Senders that wait panic when the channel is closed; what is in stays. */
#include "tests/parity/parity.h"

static void
sender(args x)
{
    chan_send(x.b, !chan_send(x.a, 2));
}

PROGRAM(close_wakes_senders)
{
    int v;
    bool ok;
    const chan ch = make(1);
    const chan ends = make(2);
    chan_send(ch, 1);
    for (int i = 0; i < 2; i++)
        go(sender, (args){.a = ch, .b = ends});
    pause_ms(MOMENT_MS);
    chan_close(ch);
    for (int i = 0; i < 2; i++)
        printf("closed: %s\n", word(take(ends)));
    ok = chan_recv(ch, &v);
    printf("%d %s\n", v, word(ok));
    ok = chan_recv(ch, &v);
    printf("%d %s\n", v, word(ok));
}
