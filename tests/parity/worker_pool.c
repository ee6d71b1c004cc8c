/* Jobs in, results out, three workers. */
#include "tests/parity/parity.h"

static void
worker(args x)
{
    int job;
    while (chan_recv(x.a, &job))
        chan_send(x.b, job * 2);
}

static void
submitter(args x)
{
    for (int j = 1; j <= 20; j++)
        chan_send(x.a, j);
    chan_close(x.a);
}

PROGRAM(worker_pool)
{
    const chan jobs = make(5);
    const chan results = make(5);
    int sum = 0;
    for (int w = 0; w < 3; w++)
        go(worker, (args){.a = jobs, .b = results});
    go(submitter, (args){.a = jobs});
    for (int j = 1; j <= 20; j++)
        sum += take(results);
    printf("sum %d\n", sum);
}
