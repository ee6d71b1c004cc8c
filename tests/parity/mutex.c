/* Capacity 1 as a mutex. */
#include <stdatomic.h>

#include "tests/parity/parity.h"

static atomic_int counter; /* atomic for the compiler; what is added is not */

static void
adder(args x)
{
    for (int k = 0; k < 20; k++) {
        chan_send(x.a, 1);
        const int seen = atomic_load(&counter);
        atomic_store(&counter, seen + 1);
        (void)take(x.a);
    }
    chan_send(x.b, 1);
}

PROGRAM(mutex)
{
    const chan lock = make(1);
    const chan done = make(0);
    for (int i = 0; i < 5; i++)
        go(adder, (args){.a = lock, .b = done});
    for (int i = 0; i < 5; i++)
        (void)take(done);
    printf("counter %d\n", atomic_load(&counter));
}
