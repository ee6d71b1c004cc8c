/* Three producers into one channel. */
#include "tests/parity/parity.h"

static void
producer(args x)
{
    for (int i = 0; i < 5; i++)
        chan_send(x.a, 10 * x.n + i);
    chan_send(x.b, 1);
}

static void
closer(args x)
{
    for (int p = 1; p <= 3; p++)
        (void)take(x.b);
    chan_close(x.a);
}

PROGRAM(fan_in)
{
    const chan ch = make(0);
    const chan done = make(3);
    int last[4] = {-1, -1, -1, -1};
    bool ordered = true;
    int count = 0;
    int sum = 0;
    int v;
    for (int p = 1; p <= 3; p++)
        go(producer, (args){.a = ch, .b = done, .n = p});
    go(closer, (args){.a = ch, .b = done});
    while (chan_recv(ch, &v)) {
        ordered = ordered && v % 10 == last[v / 10] + 1;
        last[v / 10] = v % 10;
        sum += v;
        count++;
    }
    printf("count %d sum %d\n", count, sum);
    printf("each producer's are in order: %s\n", word(ordered));
}
