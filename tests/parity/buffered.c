/* A buffer takes as many as it has room for without a receiver. */
#include "tests/parity/parity.h"

PROGRAM(buffered)
{
    const chan ch = make(3);
    for (int i = 1; i <= 5; i++) {
        leat_case cases[] = {send_case(&ch, &i)};
        if (choose(cases, 1, 0, NULL) == 0)
            printf("sent %d\n", i);
        else
            printf("full at %d\n", i);
    }
    for (int i = 1; i <= 3; i++)
        printf("received %d\n", take(ch));
}
