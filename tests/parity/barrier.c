/* Nobody goes on before all have come. */
#include <stdatomic.h>

#include "tests/parity/parity.h"

static atomic_int come;

static void
walker(args x)
{
    int v;
    pause_ms(x.n * MOMENT_MS / 2);
    (void)atomic_fetch_add(&come, 1);
    chan_send(x.a, x.n);
    (void)chan_recv(x.b, &v);
    chan_send(x.c, atomic_load(&come));
}

PROGRAM(barrier)
{
    const chan arrived = make(0);
    const chan open = make(0);
    const chan after = make(4);
    for (int i = 0; i < 4; i++)
        go(walker, (args){.a = arrived, .b = open, .c = after, .n = i});
    for (int i = 0; i < 4; i++)
        (void)take(arrived);
    chan_close(open);
    for (int i = 0; i < 4; i++)
        printf("there were %d\n", take(after));
}
