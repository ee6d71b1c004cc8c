/* A ball between two. */
#include "tests/parity/parity.h"

static void
player(args x)
{
    int v;
    while (chan_recv(x.a, &v))
        chan_send(x.b, v + 1);
    chan_close(x.b);
}

PROGRAM(ping_pong)
{
    const chan ping = make(0);
    const chan pong = make(0);
    int ball = 0;
    int v;
    go(player, (args){.a = ping, .b = pong});
    for (int i = 0; i < 10; i++) {
        chan_send(ping, ball);
        ball = take(pong);
    }
    chan_close(ping);
    const bool ok = chan_recv(pong, &v);
    printf("ball %d ok: %s\n", ball, word(ok));
}
