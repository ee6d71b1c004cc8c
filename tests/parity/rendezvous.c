/* A send without a buffer returns when somebody has received. */
#include "tests/parity/parity.h"

static void
sender(args x)
{
    const int64_t begun_ms = clock_ms();
    chan_send(x.a, 1);
    chan_send(x.b, clock_ms() - begun_ms >= MOMENT_MS / 2);
}

PROGRAM(rendezvous)
{
    const chan ch = make(0);
    const chan waited = make(1);
    go(sender, (args){.a = ch, .b = waited});
    pause_ms(MOMENT_MS);
    printf("received %d\n", take(ch));
    printf("the sender waited: %s\n", word(take(waited)));
}
