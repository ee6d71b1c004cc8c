/* A select gives up after a time. */
#include "tests/parity/parity.h"

static void
sender(args x)
{
    chan_send(x.a, 7);
}

PROGRAM(select_timeout)
{
    const chan a = make(0);
    const int64_t begun_ms = clock_ms();
    leat_case cases[] = {recv_case(&a)};
    if (choose(cases, 1, MOMENT_MS, NULL) == 0)
        printf("a\n");
    else
        printf("timeout\n");
    printf("waited: %s\n", word(clock_ms() - begun_ms >= MOMENT_MS));
    go(sender, (args){.a = a});
    if (choose(cases, 1, 100 * MOMENT_MS, NULL) == 0)
        printf("a %d\n", value_of(&cases[0]));
    else
        printf("timeout\n");
}
