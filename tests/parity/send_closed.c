/* A send on a closed channel panics: here it says closed. */
#include "tests/parity/parity.h"

PROGRAM(send_closed)
{
    int v;
    bool ok;
    const chan ch = make(2);
    chan_send(ch, 1);
    chan_close(ch);
    printf("closed: %s\n", word(!chan_send(ch, 2)));
    ok = chan_recv(ch, &v);
    printf("%d %s\n", v, word(ok));
    ok = chan_recv(ch, &v);
    printf("%d %s\n", v, word(ok));
}
