/* What the programs here have in common: Go's words over leat.h.
 *
 * Each program is a function PROGRAM(name) in name.c, and does what its twin name.go does with real
 * channels. Both must print name.txt. A goroutine is a thread with a handle of its own; messages
 * are numbers. */
#ifndef LEAT_PARITY_H
#define LEAT_PARITY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <leat.h>

#define MOMENT_MS INT64_C(100)

typedef struct chan {
    char name[64];
} chan;

/* What a goroutine is given. */
typedef struct args {
    chan a;
    chan b;
    chan c;
    int n;
} args;

#define PROGRAM(name)         \
    void parity_##name(void); \
    void parity_##name(void)

/* The handle of this thread. */
leat *here(void);

/* make(chan int, capacity), under a name that nobody else has. */
chan make(int64_t capacity);

/* go f(given). The handle is connected when this returns. */
void go(void (*f)(args given), args given);

/* ch <- v. false: it is closed (Go panics). */
bool chan_send(chan ch, int v);
/* v, ok := <-ch. v is 0 when it is closed and drained. */
bool chan_recv(chan ch, int *v);
/* <-ch, of a channel that is not closed. */
int take(chan ch);
/* close(ch). false: it is closed (Go panics). */
bool chan_close(chan ch);

/* select; timeout_ms 0: with a default. The case, or LEAT_DEFAULT_CASE; closed, if it is not NULL:
 * a send on a closed channel. */
int choose(leat_case *cases, size_t count, int64_t timeout_ms, bool *closed);
/* Cases of a select, and what came by one. v must live until the select is over. */
leat_case send_case(const chan *ch, const int *v);
leat_case recv_case(const chan *ch);
int value_of(const leat_case *one);
/* The number that a message is; it may lie anywhere. */
int int_of(const void *data);

/* time.Sleep, time.Since. */
void pause_ms(int64_t ms);
int64_t clock_ms(void);

static inline const char *
word(bool b)
{
    return b ? "true" : "false";
}

#endif
