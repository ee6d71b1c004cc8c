/* The gate's socket: what it is told, which nobody would miss before there are many peers. */
#include <stdio.h>

#include <zmq.h>

#include "broker/gate.h"
#include "tests/lib/test.h"
#include "tests/lib/tmp.h"

static leat_gate *gate;
static leat_tmp tmp;
static zmq_pollitem_t item;

static void
set_up(void)
{
    char path[PATH_MAX];
    char url[PATH_MAX + 8];
    char why[512] = "";
    leat_tmp_init(&tmp);
    LEAT_PASS(leat_gate_new(NULL, &gate));
    (void)snprintf(url, sizeof url, "ipc://%s", leat_tmp_path(&tmp, "a.sock", path));
    cr_assert(eq(int, (int)leat_gate_bind(gate, url, false, why), 0), "%s", why);
    cr_assert(eq(int, leat_gate_poll_items(gate, &item, 1), 1));
}

static void
tear_down(void)
{
    leat_gate_destroy(&gate);
    leat_tmp_fini(&tmp);
}

TestSuite(gate, .init = set_up, .fini = tear_down, .timeout = 20);

static int
option(int name)
{
    int value = -1;
    size_t size = sizeof value;
    cr_assert(eq(int, zmq_getsockopt(item.socket, name, &value, &size), 0));
    return value;
}

/* Each of them would cancel a timer, for which libzmq walks over those of all connections. */
Test(gate, its_connections_have_no_timers_of_zeromq)
{
    cr_expect(eq(int, option(ZMQ_HEARTBEAT_IVL), 0));
    cr_expect(eq(int, option(ZMQ_HEARTBEAT_TTL), 0));
}

Test(gate, a_host_that_has_vanished_is_found_out_by_tcp)
{
    cr_expect(eq(int, option(ZMQ_TCP_KEEPALIVE), 1));
    cr_expect(gt(int, option(ZMQ_TCP_KEEPALIVE_IDLE), 0));
    cr_expect(gt(int, option(ZMQ_TCP_MAXRT), 0));
}
