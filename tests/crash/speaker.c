/* A session that is spoken by hand. See speaker.h. */
#include "tests/crash/speaker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/records.h"

#define ANSWER_MS  15000
#define WELCOME_MS 1000
#define BACK_MS    20000 /* a broker that was killed is back by then */
#define CONFIRM    4U    /* frames read, then one has to be sent */

void
speaker_die(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    (void)fflush(NULL);
    _Exit(code);
}

static int64_t
now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
hang_up(speaker *self)
{
    if (self->socket != NULL)
        (void)zmq_close(self->socket);
    if (self->monitor != NULL)
        (void)zmq_close(self->monitor);
    self->socket = self->monitor = NULL;
}

static void
set(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value) != 0)
        speaker_die(SPEAKER_ALONE, "a socket option: %s", zmq_strerror(zmq_errno()));
}

static void
call_up(speaker *self)
{
    static unsigned calls;
    char name[64];
    (void)snprintf(name, sizeof name, "inproc://monitor-%u", ++calls);
    self->socket = zmq_socket(self->zmq, ZMQ_DEALER);
    self->monitor = zmq_socket(self->zmq, ZMQ_PAIR);
    if (self->socket == NULL || self->monitor == NULL)
        speaker_die(SPEAKER_ALONE, "no socket: %s", zmq_strerror(zmq_errno()));
    set(self->socket, ZMQ_RECONNECT_IVL, -1);
    set(self->socket, ZMQ_LINGER, 0);
    set(self->socket, ZMQ_SNDTIMEO, ANSWER_MS);
    set(self->monitor, ZMQ_LINGER, 0);
    if (zmq_socket_monitor(self->socket, name,
                           ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_CONNECT_RETRIED) !=
            0 ||
        zmq_connect(self->monitor, name) != 0 || zmq_connect(self->socket, self->url) != 0)
        speaker_die(SPEAKER_ALONE, "cannot connect: %s", zmq_strerror(zmq_errno()));
}

/* Wait for a frame. False: the connection has gone, or nothing came in time. */
static bool
has_come(const speaker *self, int64_t timeout_ms)
{
    zmq_pollitem_t items[] = {
        {.socket = self->socket,  .events = ZMQ_POLLIN},
        {.socket = self->monitor, .events = ZMQ_POLLIN}
    };
    if (zmq_poll(items, 2, (long)timeout_ms) <= 0)
        return false;
    return (items[0].revents & ZMQ_POLLIN) != 0; /* what has arrived is read before the loss */
}

static void
transmit(speaker *self, leat_buf *buf)
{
    if (buf->failed)
        speaker_die(SPEAKER_ALONE, "out of memory");
    leat_frame_set_seen(buf->data, self->seen);
    self->unconfirmed = 0;
    /* Without a connection it goes nowhere, and the loss is read next. */
    (void)zmq_send(self->socket, buf->data, buf->size, ZMQ_DONTWAIT);
}

static void
take_frame(speaker *self)
{
    if (zmq_msg_recv(&self->message, self->socket, 0) < 0)
        speaker_die(SPEAKER_ALONE, "cannot read: %s", zmq_strerror(zmq_errno()));
    const uint8_t *const data = zmq_msg_data(&self->message);
    const size_t size = zmq_msg_size(&self->message);
    if (leat_frame_decode(data, size, LEAT_SIDE_BROKER, &self->frame) != LEAT_ERR_OK)
        speaker_die(SPEAKER_VIOLATED, "the broker sent what is no frame");
    self->body = data + LEAT_FRAME_BYTES;
    self->size = size - LEAT_FRAME_BYTES;
    if (self->frame.sequence > self->seen)
        self->seen = self->frame.sequence;
    self->unconfirmed++;
}

/* HELLO over a new connection, and its WELCOME. */
static bool
be_welcomed(speaker *self, int64_t timeout_ms)
{
    leat_buf hello = {0};
    char why[128];
    call_up(self);
    leat_hello_put(&hello, &self->hello, self->seen);
    transmit(self, &hello);
    leat_buf_fini(&hello);
    if (!has_come(self, timeout_ms)) {
        hang_up(self);
        return false;
    }
    take_frame(self);
    if (self->frame.command != LEAT_CMD_WELCOME)
        speaker_die(SPEAKER_VIOLATED, "%s instead of WELCOME: %.*s",
                    leat_command_name(self->frame.command),
                    self->size > 12 ? (int)(self->size - 12) : 0, (const char *)self->body + 12);
    if (leat_welcome_decode(self->body, self->size, &self->welcome, why) != LEAT_ERR_OK)
        speaker_die(SPEAKER_VIOLATED, "a WELCOME that is none: %s", why);
    if (self->hello.resume && !self->welcome.resumed)
        speaker_die(SPEAKER_VIOLATED, "the session was welcomed before, and is new to the broker");
    self->hello.resume = true;
    return true;
}

static void
come_back(speaker *self)
{
    const int64_t until_ms = now_ms() + BACK_MS;
    hang_up(self);
    if (!self->resumes)
        speaker_die(SPEAKER_ALONE, "the broker is gone");
    self->losses++;
    do {
        const struct timespec pause = {.tv_nsec = 2000000};
        (void)nanosleep(&pause, NULL);
        if (now_ms() > until_ms)
            speaker_die(SPEAKER_ALONE, "no broker comes back");
        self->hello.connection++;
        self->hello.floor = self->pending.size > 0 ? self->sequence - 1 : self->sequence;
    } while (!be_welcomed(self, WELCOME_MS));
    if (self->pending.size > 0)
        transmit(self, &self->pending);
    if (self->again != NULL)
        self->again(self->context);
}

void
speaker_open(speaker *self)
{
    self->hello.session = leat_session_id_new();
    self->hello.connection = 1;
    (void)zmq_msg_init(&self->message);
    if (!be_welcomed(self, self->resumes ? WELCOME_MS : ANSWER_MS))
        come_back(self);
    else if (self->again != NULL)
        self->again(self->context);
}

void
speaker_close(speaker *self)
{
    leat_buf bye = {0};
    leat_frame_begin(&bye, LEAT_CMD_BYE);
    leat_frame_finish(&bye, 0, 0, 0);
    set(self->socket, ZMQ_LINGER, 500);
    speaker_say(self, &bye);
    hang_up(self);
    leat_buf_fini(&self->pending);
    (void)zmq_msg_close(&self->message);
}

void
speaker_say(speaker *self, leat_buf *buf)
{
    transmit(self, buf);
    leat_buf_fini(buf);
}

void
speaker_ask(speaker *self, leat_buf *buf)
{
    leat_frame_set_sequence(buf->data, ++self->sequence);
    leat_buf_fini(&self->pending);
    self->pending = *buf;
    *buf = (leat_buf){0};
    transmit(self, &self->pending);
}

void
speaker_answered(speaker *self)
{
    leat_buf_fini(&self->pending);
}

static void
confirm(speaker *self)
{
    const leat_heartbeat beat = {0};
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_HEARTBEAT);
    leat_heartbeat_put(&buf, &beat);
    leat_frame_finish(&buf, 0, 1, 0);
    speaker_say(self, &buf);
}

leat_command
speaker_read(speaker *self)
{
    const int64_t until_ms = now_ms() + ANSWER_MS;
    const uint64_t losses = self->losses;
    do {
        if (self->unconfirmed >= CONFIRM)
            confirm(self);
        while (!has_come(self, until_ms - now_ms())) {
            if (now_ms() >= until_ms && self->losses == losses)
                speaker_die(SPEAKER_ALONE, "no word from the broker, sequence %llu is open",
                            (unsigned long long)self->sequence);
            come_back(self);
        }
        take_frame(self);
    } while (self->frame.command == LEAT_CMD_HEARTBEAT || self->frame.command == LEAT_CMD_WELCOME);
    if (self->frame.command == LEAT_CMD_ERROR) {
        leat_error_record error;
        if (leat_error_open(self->body, self->size, &error) == LEAT_ERR_OK)
            speaker_die(SPEAKER_VIOLATED, "ERROR %s: %.*s", leat_err_name((leat_err)error.code),
                        (int)error.sentence.size, error.sentence.data);
    }
    if (self->frame.command == LEAT_CMD_BYE)
        come_back(self);
    return self->frame.command;
}
