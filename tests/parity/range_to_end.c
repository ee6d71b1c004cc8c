/* A range ends with the channel. */
#include "tests/parity/parity.h"

static void
sender(args x)
{
    for (int i = 1; i <= 5; i++)
        chan_send(x.a, i);
    chan_close(x.a);
}

PROGRAM(range_to_end)
{
    const chan ch = make(0);
    int sum = 0;
    int v;
    go(sender, (args){.a = ch});
    while (chan_recv(ch, &v)) {
        printf("received %d\n", v);
        sum += v;
    }
    printf("sum %d\n", sum);
}
