/* The turn: receive what is waiting, do what is due, commit once, let out what has become durable.
 * Group commit, and that nothing leaves before it is durable, are the order of these four lines. */
#include "broker/loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "proto/base/clock.h"

#define ITEMS_MAX 18

leat_now
leat_loop_now(void)
{
    return (leat_now){.mono_ms = leat_clock_mono_ms(), .wall_ms = leat_clock_wall_ms()};
}

static long
wait_ms(const leat_loop *loop)
{
    if (leat_core_is_busy(loop->core))
        return 0;
    const int64_t left = leat_core_next_due_ms(loop->core) - leat_clock_mono_ms();
    return left < 0 ? 0 : (long)left;
}

static void
drain(int fd)
{
    uint64_t count;
    if (read(fd, &count, sizeof count) < 0)
        return; /* somebody else's wake-up: nothing to drain */
}

/* SIGHUP: read the keys again. Everything else that is told to us ends us. */
static bool
is_hangup(int signal_fd)
{
    struct signalfd_siginfo info;
    return read(signal_fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGHUP;
}

leat_err
leat_loop_run(leat_loop *loop)
{
    zmq_pollitem_t items[ITEMS_MAX];
    const int sockets = leat_gate_poll_items(loop->gate, items, ITEMS_MAX - 2);
    const int store = sockets;
    const int signal = sockets + 1;
    items[store] = (zmq_pollitem_t){.fd = loop->store_fd, .events = ZMQ_POLLIN};
    items[signal] = (zmq_pollitem_t){.fd = loop->signal_fd, .events = ZMQ_POLLIN};

    for (;;) {
        if (zmq_poll(items, sockets + 2, wait_ms(loop)) < 0) {
            if (errno == EINTR)
                continue;
            return leat_err_from_errno(errno);
        }
        const leat_now now = leat_loop_now();
        if ((items[signal].revents & ZMQ_POLLIN) != 0 && !is_hangup(loop->signal_fd))
            return LEAT_ERR_OK;
        leat_gate_refresh(loop->gate, loop->core, now, (items[signal].revents & ZMQ_POLLIN) != 0);
        if ((items[store].revents & ZMQ_POLLIN) != 0)
            drain(loop->store_fd);

        leat_gate_receive(loop->gate, loop->core, now);
        leat_core_tick(loop->core, now);
        const leat_err err = leat_core_commit(loop->core, now);
        if (err != LEAT_ERR_OK)
            return err;
        leat_core_release(loop->core, now);
    }
}
