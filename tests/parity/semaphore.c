/* Capacity as a semaphore: never more than three inside. */
#include <stdatomic.h>

#include "tests/parity/parity.h"

static atomic_int inside;
static atomic_int most;

static void
visitor(args x)
{
    chan_send(x.a, 1);
    const int n = atomic_fetch_add(&inside, 1) + 1;
    int m = atomic_load(&most);
    while (n > m && !atomic_compare_exchange_weak(&most, &m, n))
        continue;
    pause_ms(MOMENT_MS);
    (void)atomic_fetch_sub(&inside, 1);
    (void)take(x.a);
    chan_send(x.b, 1);
}

PROGRAM(semaphore)
{
    const chan tickets = make(3);
    const chan done = make(0);
    for (int i = 0; i < 9; i++)
        go(visitor, (args){.a = tickets, .b = done});
    for (int i = 0; i < 9; i++)
        (void)take(done);
    printf("most inside %d\n", atomic_load(&most));
}
