/* A try on an empty channel, and on one that has something. */
#include "tests/parity/parity.h"

static void
try(chan ch)
{
    const void *data;
    size_t size;
    if (leat_try_recv(here(), ch.name, &data, &size) == LEAT_OK)
        printf("received %d\n", int_of(data));
    else
        printf("empty\n");
}

PROGRAM(try_recv)
{
    const chan ch = make(1);
    try(ch);
    chan_send(ch, 1);
    try(ch);
    try(ch);
}
