/* What is left in a closed channel is received before its end. */
#include "tests/parity/parity.h"

PROGRAM(drain_closed)
{
    const chan ch = make(3);
    for (int i = 1; i <= 3; i++)
        chan_send(ch, i);
    chan_close(ch);
    for (int i = 0; i < 5; i++) {
        int v;
        const bool ok = chan_recv(ch, &v);
        printf("%d %s\n", v, word(ok));
    }
}
