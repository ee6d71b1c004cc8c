/* Without a buffer a try succeeds only when somebody waits. */
#include "tests/parity/parity.h"

static void
receiver(args x)
{
    chan_send(x.b, take(x.a));
}

static void
try(chan ch, int i)
{
    if (leat_try_send(here(), ch.name, &i, sizeof i) == LEAT_OK)
        printf("sent\n");
    else
        printf("nobody waits\n");
}

PROGRAM(try_send_rendezvous)
{
    const chan ch = make(0);
    const chan got = make(1);
    try(ch, 1);
    go(receiver, (args){.a = ch, .b = got});
    pause_ms(MOMENT_MS);
    try(ch, 2);
    printf("received %d\n", take(got));
}
