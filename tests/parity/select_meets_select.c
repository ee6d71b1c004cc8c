/* Two selects meet: one sends what the other receives, once. */
#include "tests/parity/parity.h"

static void
adder(args x)
{
    int sum = 0;
    leat_case cases[] = {recv_case(&x.a), recv_case(&x.b)};
    while (choose(cases, 2, -1, NULL) == 0)
        sum += value_of(&cases[0]);
    chan_send(x.c, sum);
}

PROGRAM(select_meets_select)
{
    const chan ch = make(0);
    const chan quit = make(0);
    const chan sums = make(1);
    const chan other = make(0);
    go(adder, (args){.a = ch, .b = quit, .c = sums});
    for (int i = 1; i <= 10; i++) {
        leat_case cases[] = {send_case(&ch, &i), recv_case(&other)};
        if (choose(cases, 2, -1, NULL) == 1)
            printf("other\n");
    }
    chan_send(quit, 1);
    printf("sum %d\n", take(sums));
}
