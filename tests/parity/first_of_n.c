/* The first of three answers counts, the others are not waited for. */
#include "tests/parity/parity.h"

static void
answerer(args x)
{
    pause_ms((1 + 3 * x.n) * MOMENT_MS);
    chan_send(x.a, x.n);
}

PROGRAM(first_of_n)
{
    const chan answers = make(3);
    for (int i = 0; i < 3; i++)
        go(answerer, (args){.a = answers, .n = i});
    printf("first %d\n", take(answers));
}
