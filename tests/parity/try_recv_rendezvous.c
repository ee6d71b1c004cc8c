/* Without a buffer a try hears a sender that waits. */
#include "tests/parity/parity.h"

static void
sender(args x)
{
    chan_send(x.a, 1);
    chan_send(x.b, 1);
}

static void
try(chan ch)
{
    leat_case cases[] = {recv_case(&ch)};
    if (choose(cases, 1, 0, NULL) == 0)
        printf("received %d\n", value_of(&cases[0]));
    else
        printf("empty\n");
}

PROGRAM(try_recv_rendezvous)
{
    const chan ch = make(0);
    const chan done = make(0);
    try(ch);
    go(sender, (args){.a = ch, .b = done});
    pause_ms(MOMENT_MS);
    try(ch);
    (void)take(done);
    try(ch);
}
