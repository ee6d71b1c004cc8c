/* Closing a channel tells everybody at once. */
#include "tests/parity/parity.h"

static void
worker(args x)
{
    int n = 0;
    leat_case cases[] = {recv_case(&x.a)};
    while (choose(cases, 1, MOMENT_MS / 4, NULL) != 0)
        n++;
    chan_send(x.b, n);
}

PROGRAM(done_closed)
{
    const chan done = make(0);
    const chan ends = make(0);
    for (int i = 0; i < 3; i++)
        go(worker, (args){.a = done, .b = ends});
    pause_ms(3 * MOMENT_MS);
    chan_close(done);
    for (int i = 0; i < 3; i++)
        printf("had worked: %s\n", word(take(ends) > 0));
}
