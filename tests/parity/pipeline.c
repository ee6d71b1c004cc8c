/* Three stages; the end goes through. */
#include "tests/parity/parity.h"

static void
count(args x)
{
    for (int i = 1; i <= 6; i++)
        chan_send(x.a, i);
    chan_close(x.a);
}

static void
square(args x)
{
    int v;
    while (chan_recv(x.a, &v))
        chan_send(x.b, v * v);
    chan_close(x.b);
}

static void
add_one(args x)
{
    int v;
    while (chan_recv(x.a, &v))
        chan_send(x.b, v + 1);
    chan_close(x.b);
}

PROGRAM(pipeline)
{
    const chan numbers = make(0);
    const chan squares = make(0);
    const chan texts = make(0);
    int v;
    go(count, (args){.a = numbers});
    go(square, (args){.a = numbers, .b = squares});
    go(add_one, (args){.a = squares, .b = texts});
    while (chan_recv(texts, &v))
        printf("%d\n", v);
}
