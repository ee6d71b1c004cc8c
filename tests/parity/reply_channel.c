/* A channel travels through a channel. */
#include <string.h>

#include "tests/parity/parity.h"

typedef struct question {
    int n;
    chan reply;
} question;

static void
answerer(args x)
{
    const void *data;
    size_t size;
    while (leat_recv(here(), x.a.name, &data, &size, -1) == LEAT_OK) {
        question q;
        memcpy(&q, data, sizeof q);
        chan_send(q.reply, q.n * q.n);
    }
}

PROGRAM(reply_channel)
{
    const chan questions = make(0);
    go(answerer, (args){.a = questions});
    for (int i = 1; i <= 3; i++) {
        const question q = {.n = i, .reply = make(0)};
        (void)leat_send(here(), questions.name, &q, sizeof q);
        printf("%d\n", take(q.reply));
    }
    chan_close(questions);
}
