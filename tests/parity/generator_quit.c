/* A generator that is told to stop. */
#include "tests/parity/parity.h"

static void
generator(args x)
{
    for (int i = 0;; i++) {
        leat_case cases[] = {send_case(&x.a, &i), recv_case(&x.b)};
        if (choose(cases, 2, -1, NULL) == 1)
            break;
    }
    chan_send(x.c, 1);
}

PROGRAM(generator_quit)
{
    const chan numbers = make(0);
    const chan quit = make(0);
    const chan stopped = make(0);
    go(generator, (args){.a = numbers, .b = quit, .c = stopped});
    for (int i = 0; i < 5; i++)
        printf("%d\n", take(numbers));
    chan_send(quit, 1);
    printf("stopped: %s\n", word(take(stopped)));
}
