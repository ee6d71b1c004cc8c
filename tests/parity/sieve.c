/* The prime sieve: a chain of filters. */
#include "tests/parity/parity.h"

static void
count(args x)
{
    for (int i = 2;; i++)
        chan_send(x.a, i);
}

static void
filter(args x)
{
    int v;
    while (chan_recv(x.a, &v))
        if (v % x.n != 0)
            chan_send(x.b, v);
}

PROGRAM(sieve)
{
    chan ch = make(0);
    go(count, (args){.a = ch});
    for (int i = 0; i < 8; i++) {
        const int prime = take(ch);
        printf("%d\n", prime);
        const chan next = make(0);
        go(filter, (args){.a = ch, .b = next, .n = prime});
        ch = next;
    }
}
