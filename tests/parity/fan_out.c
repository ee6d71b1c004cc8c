/* One channel to four workers; each item is taken once. */
#include "tests/parity/parity.h"

static void
worker(args x)
{
    int sum = 0;
    int v;
    while (chan_recv(x.a, &v))
        sum += v;
    chan_send(x.b, sum);
}

PROGRAM(fan_out)
{
    const chan ch = make(0);
    const chan sums = make(0);
    int sum = 0;
    for (int w = 0; w < 4; w++)
        go(worker, (args){.a = ch, .b = sums});
    for (int i = 1; i <= 40; i++)
        chan_send(ch, i);
    chan_close(ch);
    for (int w = 0; w < 4; w++)
        sum += take(sums);
    printf("sum %d\n", sum);
}
