/* A select does the one case that can proceed. */
#include "tests/parity/parity.h"

static void
step(chan in, chan out)
{
    const int two = 2;
    leat_case cases[] = {recv_case(&in), send_case(&out, &two)};
    switch (choose(cases, 2, 0, NULL)) {
    case 0:
        printf("received %d\n", value_of(&cases[0]));
        break;
    case 1:
        printf("sent\n");
        break;
    default:
        printf("neither\n");
        break;
    }
}

PROGRAM(select_ready)
{
    const chan in = make(1);
    const chan out = make(1);
    chan_send(in, 1);
    chan_send(out, 9);
    step(in, out);
    step(in, out);
    printf("out had %d\n", take(out));
    step(in, out);
    step(in, out);
    printf("out had %d\n", take(out));
}
