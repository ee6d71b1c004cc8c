/* What waits in line and what is held, with a real broker that dies and comes back, and with
 * programs that die. On disk, so that the broker's death loses nothing. */
#include "tests/lib/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <leat.h>

#include "tests/lib/programs.h"

static programs p;
static leat *client;

#define MUST(expr, want)                                                                    \
    do {                                                                                    \
        const leat_status got_ = (expr);                                                    \
        cr_assert(eq(int, (int)got_, (int)(want)), "%s: %s", #expr, leat_sentence(client)); \
    } while (0)

static void
pause_ms(int ms)
{
    (void)usleep((useconds_t)ms * 1000);
}

static leat *
dial(void)
{
    leat *broker;
    const leat_status status = leat_connect(p.broker_url, &broker);
    cr_assert(eq(int, (int)status, (int)LEAT_OK), "%s", leat_sentence(broker));
    return broker;
}

static void
begin(void)
{
    programs_init(&p);
    programs_start_broker(&p);
    client = dial();
}

static void
end(void)
{
    leat_disconnect(&client);
    programs_fini(&p);
}

TestSuite(waiting, .init = begin, .fini = end, .timeout = 100);
TestSuite(held, .init = begin, .fini = end, .timeout = 100);
TestSuite(crowd, .init = begin, .fini = end, .timeout = 100);

static void
restart_broker(void)
{
    programs_kill_broker(&p);
    programs_start_broker(&p);
}

static void
send_number(leat *broker, const char *channel, int v)
{
    cr_assert(eq(int, (int)leat_send(broker, channel, &v, sizeof v), (int)LEAT_OK), "%s",
              leat_sentence(broker));
}

/* -1: the end; -2: nothing in time. */
static int
receive_number(leat *broker, const char *channel, int64_t timeout_ms)
{
    int v;
    size_t size;
    const void *data;
    const leat_status status = leat_recv(broker, channel, &data, &size, timeout_ms);
    if (status == LEAT_END)
        return -1;
    if (status == LEAT_TIMED_OUT)
        return -2;
    cr_assert(eq(int, (int)status, (int)LEAT_OK), "%s", leat_sentence(broker));
    cr_assert(eq(sz, size, sizeof v));
    memcpy(&v, data, sizeof v);
    return v;
}

/* A call in a thread, with a connection of its own. */
typedef struct other {
    void (*run)(struct other *);
    pthread_t thread;
    leat *broker;
    const char *channel;
    int v;
    int64_t timeout_ms;
    leat_status status;
    atomic_bool done;
} other;

static void *
run_other(void *context)
{
    other *const self = context;
    self->run(self);
    atomic_store(&self->done, true);
    return NULL;
}

static void
start(other *self)
{
    self->broker = dial();
    atomic_store(&self->done, false);
    cr_assert(eq(int, pthread_create(&self->thread, NULL, run_other, self), 0));
}

static void
join(other *self)
{
    cr_assert(eq(int, pthread_join(self->thread, NULL), 0));
    leat_disconnect(&self->broker);
}

static void
do_send(other *self)
{
    self->status =
        leat_send_within(self->broker, self->channel, &self->v, sizeof self->v, self->timeout_ms);
}

static void
do_recv(other *self)
{
    self->v = receive_number(self->broker, self->channel, self->timeout_ms);
}

/* ---------------------------------------------------------------------------- over a restart */

Test(waiting, a_send_that_waits_in_line_goes_in_once_after_the_broker_came_back)
{
    other sender = {.run = do_send, .channel = "one", .v = 2, .timeout_ms = -1};
    MUST(leat_make(client, "one", 1), LEAT_OK);
    send_number(client, "one", 1);
    start(&sender);
    pause_ms(200);
    restart_broker();
    pause_ms(500);
    cr_expect(eq(int, atomic_load(&sender.done), 0));
    cr_expect(eq(int, receive_number(client, "one", 10000), 1));
    cr_expect(eq(int, receive_number(client, "one", 10000), 2));
    cr_expect(eq(int, receive_number(client, "one", 300), -2));
    join(&sender);
    cr_expect(eq(int, (int)sender.status, (int)LEAT_OK));
}

Test(waiting, a_receive_goes_on_after_the_broker_came_back)
{
    other receiver = {.run = do_recv, .channel = "zero", .timeout_ms = -1};
    MUST(leat_make(client, "zero", 0), LEAT_OK);
    start(&receiver);
    pause_ms(200);
    restart_broker();
    send_number(client, "zero", 7);
    join(&receiver);
    cr_expect(eq(int, receiver.v, 7));
}

Test(waiting, a_select_goes_on_after_the_broker_came_back)
{
    int chosen;
    other sender = {.run = do_send, .channel = "b", .v = 8, .timeout_ms = -1};
    MUST(leat_make(client, "a", 0), LEAT_OK);
    MUST(leat_make(client, "b", 0), LEAT_OK);
    leat_case cases[] = {LEAT_SEND_CASE("a", "x", 1), LEAT_RECV_CASE("b")};
    leat_selecting *selecting;
    MUST(leat_select_start(client, cases, 2, &selecting), LEAT_OK);
    pause_ms(100);
    restart_broker();
    start(&sender);
    leat_status status;
    leat_case got;
    while ((status = leat_select_poll(selecting, &chosen, &got)) == LEAT_NOT_YET)
        pause_ms(5);
    MUST(status, LEAT_OK);
    cr_expect(eq(int, chosen, 1));
    cr_expect(eq(sz, got.size, sizeof(int)));
    leat_select_free(&selecting);
    join(&sender);
    cr_expect(eq(int, (int)sender.status, (int)LEAT_OK));
}

Test(waiting, a_time_limit_is_kept_while_the_broker_is_gone_and_nothing_is_sent)
{
    MUST(leat_make(client, "full", 1), LEAT_OK);
    send_number(client, "full", 1);
    programs_kill_broker(&p);
    while (leat_process(client) == LEAT_OK && leat_due_ms(client) > 2500)
        pause_ms(5); /* until the loss is known, and the next try is due soon */
    int v = 2;
    const leat_status status = leat_send_within(client, "full", &v, sizeof v, 300);
    cr_expect(status == LEAT_TIMED_OUT || status == LEAT_UNKNOWN, "%d", (int)status);
    programs_start_broker(&p);
    cr_expect(eq(int, receive_number(client, "full", 10000), 1));
    cr_expect(eq(int, receive_number(client, "full", 300), -2));
}

Test(waiting, senders_get_closed_when_the_channel_is)
{
    other sender = {.run = do_send, .channel = "zero", .v = 2, .timeout_ms = -1};
    MUST(leat_make(client, "zero", 0), LEAT_OK);
    start(&sender);
    pause_ms(200);
    MUST(leat_close(client, "zero"), LEAT_OK);
    join(&sender);
    cr_expect(eq(int, (int)sender.status, (int)LEAT_CLOSED));
}

Test(waiting, an_interrupted_send_is_not_in)
{
    other sender = {.run = do_send, .channel = "one", .v = 2, .timeout_ms = -1};
    MUST(leat_make(client, "one", 1), LEAT_OK);
    send_number(client, "one", 1);
    start(&sender);
    pause_ms(200);
    leat_interrupt(sender.broker);
    join(&sender);
    cr_expect(eq(int, (int)sender.status, (int)LEAT_REFUSED));
    cr_expect(eq(int, receive_number(client, "one", 10000), 1));
    cr_expect(eq(int, receive_number(client, "one", 200), -2));
}

/* ------------------------------------------------------------------------------ what is held */

/* A program that receives n messages and dies with the last one in its hands. */
static void
receive_and_die(const char *channel, int n)
{
    const pid_t pid = fork();
    cr_assert(ge(int, pid, 0));
    if (pid == 0) {
        leat *broker;
        if (leat_connect(p.broker_url, &broker) != LEAT_OK)
            _exit(1);
        for (int i = 0; i < n; i++) {
            const void *data;
            size_t size;
            if (leat_recv(broker, channel, &data, &size, 10000) != LEAT_OK)
                _exit(2);
        }
        _exit(0); /* without a word */
    }
    int status;
    cr_assert(eq(int, waitpid(pid, &status, 0), pid));
    cr_assert(eq(int, status, 0));
}

Test(held, what_a_dead_program_had_in_its_hands_comes_to_others)
{
    MUST(leat_make(client, "three", 3), LEAT_OK);
    for (int i = 1; i <= 3; i++)
        send_number(client, "three", i);
    receive_and_die("three", 2);
    /* 3 waits there; 2 comes when the broker has given up its holder. */
    cr_expect(eq(int, receive_number(client, "three", 10000), 3));
    cr_expect(eq(int, receive_number(client, "three", 10000), 2));
    cr_expect(eq(int, receive_number(client, "three", 200), -2));
}

Test(held, what_was_fetched_ahead_and_not_read_goes_back)
{
    uint64_t seen = 0;
    for (int i = 0; i < 50; i++)
        send_number(client, "many", i);
    receive_and_die("many", 20); /* fast: much of the rest is there by then */
    for (;;) {
        const int v = receive_number(client, "many", 3000);
        if (v == -2)
            break;
        cr_expect(eq(u64, seen & 1ULL << v, 0), "%d came twice", v);
        seen |= 1ULL << v;
    }
    const uint64_t unread = ((1ULL << 50) - 1) & ~((1ULL << 19) - 1);
    cr_expect(eq(u64, seen & unread, unread));
    cr_expect(eq(u64, seen & 1, 0)); /* long acknowledged */
}

Test(held, the_end_is_told_when_the_last_message_is_acknowledged)
{
    other receiver = {.run = do_recv, .channel = "two", .timeout_ms = -1};
    MUST(leat_make(client, "two", 2), LEAT_OK);
    send_number(client, "two", 1);
    MUST(leat_close(client, "two"), LEAT_OK);
    cr_expect(eq(int, receive_number(client, "two", 10000), 1));
    start(&receiver);
    pause_ms(200);
    cr_expect(eq(int, atomic_load(&receiver.done), 0));
    MUST(leat_acknowledge(client), LEAT_OK);
    join(&receiver);
    cr_expect(eq(int, receiver.v, -1));
    cr_expect(eq(int, receive_number(client, "two", -1), -1));
}

Test(held, a_broker_that_dies_does_not_show_a_message_twice_to_the_same_program)
{
    MUST(leat_make(client, "three", 3), LEAT_OK);
    send_number(client, "three", 1);
    send_number(client, "three", 2);
    cr_expect(eq(int, receive_number(client, "three", 10000), 1));
    restart_broker();
    cr_expect(eq(int, receive_number(client, "three", 10000), 2));
    cr_expect(eq(int, receive_number(client, "three", 300), -2));
}

/* ---------------------------------------------------------------------------- many at a time */

#define CROWD   4
#define NUMBERS 300

static atomic_int received[CROWD * NUMBERS];
static atomic_int sending;

/* Sends its numbers in all the ways there are. */
static void
do_produce(other *self)
{
    for (int i = 0; i < NUMBERS; i++) {
        const int v = self->v * NUMBERS + i;
        leat_status status = LEAT_TIMED_OUT;
        while (status == LEAT_TIMED_OUT || status == LEAT_FULL) {
            int chosen;
            leat_case cases[] = {LEAT_SEND_CASE(self->channel, &v, sizeof v),
                                 LEAT_RECV_CASE("never")};
            switch (i % 4) {
            case 0:
                status = leat_send(self->broker, self->channel, &v, sizeof v);
                break;
            case 1:
                status = leat_send_within(self->broker, self->channel, &v, sizeof v, 1);
                break;
            case 2:
                status = leat_try_send(self->broker, self->channel, &v, sizeof v);
                break;
            default:
                status = leat_select(self->broker, cases, 2, i % 3, &chosen);
                break;
            }
        }
        cr_assert(eq(int, (int)status, (int)LEAT_OK), "%s", leat_sentence(self->broker));
    }
    if (atomic_fetch_sub(&sending, 1) == 1)
        cr_assert(eq(int, (int)leat_close(self->broker, self->channel), (int)LEAT_OK));
}

/* … and receives them so. */
static void
do_consume(other *self)
{
    leat_status status = LEAT_OK;
    for (int i = 0; status != LEAT_END; i++) {
        int chosen;
        const void *data;
        size_t size;
        leat_case cases[] = {LEAT_RECV_CASE("never"), LEAT_RECV_CASE(self->channel)};
        switch (i % 4) {
        case 0:
            status = leat_recv(self->broker, self->channel, &data, &size, -1);
            break;
        case 1:
            status = leat_recv(self->broker, self->channel, &data, &size, 1);
            break;
        case 2:
            status = leat_recv_poll(self->broker, self->channel, &data, &size);
            break;
        default:
            status = leat_select(self->broker, cases, 2, i % 3, &chosen);
            data = cases[1].data;
            if (status == LEAT_OK && !cases[1].ok)
                status = LEAT_END;
            break;
        }
        cr_assert(status == LEAT_OK || status == LEAT_END || status == LEAT_TIMED_OUT ||
                      status == LEAT_NOT_YET,
                  "%s", leat_sentence(self->broker));
        if (status == LEAT_OK) {
            int v;
            memcpy(&v, data, sizeof v);
            (void)atomic_fetch_add(&received[v], 1);
        }
    }
}

static void
run_crowd(int64_t capacity, leat_status (*between)(void))
{
    other producers[CROWD];
    other consumers[CROWD];
    MUST(leat_make(client, "crowd", capacity), LEAT_OK);
    MUST(leat_make(client, "never", 0), LEAT_OK);
    atomic_store(&sending, CROWD);
    for (int i = 0; i < CROWD; i++) {
        producers[i] = (other){.run = do_produce, .channel = "crowd", .v = i};
        consumers[i] = (other){.run = do_consume, .channel = "crowd"};
        start(&producers[i]);
        start(&consumers[i]);
    }
    if (between != NULL)
        MUST(between(), LEAT_OK);
    for (int i = 0; i < CROWD; i++) {
        join(&producers[i]);
        join(&consumers[i]);
    }
}

static void
must_have_received_all(bool once)
{
    for (int v = 0; v < CROWD * NUMBERS; v++) {
        const int n = atomic_load(&received[v]);
        cr_assert(once ? n == 1 : n >= 1, "number %d came %d times", v, n);
    }
}

Test(crowd, meets_without_a_buffer_and_every_number_comes_once)
{
    run_crowd(0, NULL);
    must_have_received_all(true);
}

Test(crowd, goes_through_a_small_buffer_and_every_number_comes_once)
{
    run_crowd(3, NULL);
    must_have_received_all(true);
}

Test(crowd, goes_through_an_unlimited_channel_and_every_number_comes_once)
{
    run_crowd(LEAT_UNLIMITED, NULL);
    must_have_received_all(true);
}

static leat_status
kill_twice(void)
{
    for (int i = 0; i < 2; i++) {
        pause_ms(150);
        restart_broker();
    }
    return LEAT_OK;
}

Test(crowd, loses_nothing_when_the_broker_dies)
{
    run_crowd(3, kill_twice);
    must_have_received_all(false);
}
