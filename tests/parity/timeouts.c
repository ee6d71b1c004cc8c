/* Slow answers are given up, quick ones are not. */
#include "tests/parity/parity.h"

static void
answerer(args x)
{
    if (x.n % 2 == 1)
        pause_ms(4 * MOMENT_MS);
    chan_send(x.a, x.n);
}

PROGRAM(timeouts)
{
    for (int i = 0; i < 4; i++) {
        const chan answer = make(1);
        go(answerer, (args){.a = answer, .n = i});
        leat_case cases[] = {recv_case(&answer)};
        if (choose(cases, 1, i % 2 == 1 ? MOMENT_MS : 100 * MOMENT_MS, NULL) == 0)
            printf("answer %d\n", value_of(&cases[0]));
        else
            printf("too late %d\n", i);
    }
}
