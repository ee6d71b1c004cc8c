/* A try on a full channel, and on one with room again. */
#include "tests/parity/parity.h"

static void
try(chan ch, int i)
{
    if (leat_try_send(here(), ch.name, &i, sizeof i) == LEAT_OK)
        printf("sent %d\n", i);
    else
        printf("full\n");
}

PROGRAM(try_send)
{
    const chan ch = make(1);
    try(ch, 1);
    try(ch, 2);
    printf("received %d\n", take(ch));
    try(ch, 3);
    printf("received %d\n", take(ch));
}
