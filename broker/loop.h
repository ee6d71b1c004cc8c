/* leat_loop: the only place of the broker that waits. See loop.c for the turn. */
#ifndef LEAT_LOOP_H
#define LEAT_LOOP_H

#include "broker/gate.h"

typedef struct leat_loop {
    leat_gate *gate; /* borrowed */
    leat_core *core; /* borrowed */
    int store_fd;    /* readable when something has become durable; -1: none */
    int signal_fd;   /* readable when the process is told to end */
} leat_loop;

/* Turn until a signal comes (LEAT_ERR_OK) or the store has stopped (LEAT_ERR_IO), memory is out. */
LEAT_NODISCARD leat_err leat_loop_run(leat_loop *loop);

/* Both clocks, now. */
leat_now leat_loop_now(void);

#endif
