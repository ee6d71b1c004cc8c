/* A send into a full buffer waits until one is received. */
#include "tests/parity/parity.h"

static void
sender(args x)
{
    const int64_t begun_ms = clock_ms();
    chan_send(x.a, 3);
    chan_send(x.b, clock_ms() - begun_ms >= MOMENT_MS / 2);
}

PROGRAM(buffered_blocks)
{
    const chan ch = make(2);
    const chan waited = make(1);
    chan_send(ch, 1);
    chan_send(ch, 2);
    go(sender, (args){.a = ch, .b = waited});
    pause_ms(MOMENT_MS);
    printf("received %d\n", take(ch));
    printf("the sender waited: %s\n", word(take(waited)));
    printf("received %d\n", take(ch));
    printf("received %d\n", take(ch));
}
