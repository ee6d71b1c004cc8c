/* The consumer says when it is done. */
#include "tests/parity/parity.h"

static void
consumer(args x)
{
    int sum = 0;
    int v;
    while (chan_recv(x.a, &v))
        sum += v;
    chan_send(x.b, sum);
}

PROGRAM(producer_consumer)
{
    const chan items = make(2);
    const chan done = make(0);
    go(consumer, (args){.a = items, .b = done});
    for (int i = 1; i <= 10; i++)
        chan_send(items, i);
    chan_close(items);
    printf("done %d\n", take(done));
}
