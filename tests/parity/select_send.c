/* A select hands over to a receiver that comes later. */
#include "tests/parity/parity.h"

static void
receiver(args x)
{
    pause_ms(MOMENT_MS);
    chan_send(x.b, take(x.a));
}

PROGRAM(select_send)
{
    const int one = 1;
    const int two = 2;
    const chan a = make(0);
    const chan b = make(0);
    const chan got = make(1);
    go(receiver, (args){.a = b, .b = got});
    leat_case cases[] = {send_case(&a, &one), send_case(&b, &two)};
    printf("sent to %c\n", choose(cases, 2, -1, NULL) == 0 ? 'a' : 'b');
    printf("received %d\n", take(got));
}
