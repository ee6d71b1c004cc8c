/* A token goes round. */
#include "tests/parity/parity.h"

#define SIZE 5

static void
member(args x)
{
    int token;
    while (chan_recv(x.a, &token)) {
        if (token == 0)
            chan_send(x.c, x.n);
        else
            chan_send(x.b, token - 1);
    }
}

PROGRAM(ring)
{
    chan ring[SIZE];
    const chan result = make(1);
    for (int i = 0; i < SIZE; i++)
        ring[i] = make(0);
    for (int i = 0; i < SIZE; i++)
        go(member, (args){.a = ring[i], .b = ring[(i + 1) % SIZE], .c = result, .n = i});
    chan_send(ring[0], 23);
    printf("ended at %d\n", take(result));
}
