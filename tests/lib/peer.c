/* A peer that speaks LEAT/1 by hand. See peer.h. */
#include "tests/lib/peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/test.h"

void
peer_open(peer *self, const char *url)
{
    const int wait_ms = 10000;
    const int linger = 0;
    memset(self, 0, sizeof *self);
    self->hello = (leat_hello){
        .role = LEAT_ROLE_CLIENT,
        .session = leat_session_id_new(),
        .connection = 1,
        .software = "test 1",
    };
    self->context = zmq_ctx_new();
    self->socket = zmq_socket(self->context, ZMQ_DEALER);
    cr_assert(ne(ptr, self->socket, NULL));
    (void)zmq_setsockopt(self->socket, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    (void)zmq_setsockopt(self->socket, ZMQ_LINGER, &linger, sizeof linger);
    cr_assert(eq(int, zmq_connect(self->socket, url), 0));
    (void)zmq_msg_init(&self->message);
}

void
peer_close(peer *self)
{
    (void)zmq_msg_close(&self->message);
    (void)zmq_close(self->socket);
    (void)zmq_ctx_term(self->context);
}

void
peer_send_bytes(const peer *self, const void *data, size_t size)
{
    cr_assert(eq(int, zmq_send(self->socket, data, size, 0), (int)size));
}

void
peer_send(const peer *self, leat_buf *buf)
{
    cr_assert(not(buf->failed));
    if (buf->size >= LEAT_FRAME_BYTES)
        leat_frame_set_seen(buf->data, self->seen);
    peer_send_bytes(self, buf->data, buf->size);
    leat_buf_fini(buf);
}

unsigned
peer_read(peer *self)
{
    do {
        cr_assert(ge(int, zmq_msg_recv(&self->message, self->socket, 0), 0),
                  "the broker says nothing: %s", zmq_strerror(errno));
        const uint8_t *const data = zmq_msg_data(&self->message);
        LEAT_PASS(
            leat_frame_decode(data, zmq_msg_size(&self->message), LEAT_SIDE_BROKER, &self->frame));
        self->body = data + LEAT_FRAME_BYTES;
        self->size = zmq_msg_size(&self->message) - LEAT_FRAME_BYTES;
        if (self->frame.sequence > self->seen)
            self->seen = self->frame.sequence;
    } while (self->frame.command == LEAT_CMD_HEARTBEAT);
    return self->frame.command;
}

void
peer_expect_error(peer *self, leat_err code, uint64_t sequence, const char *words)
{
    leat_error_record error;
    char sentence[LEAT_SENTENCE_BYTES_MAX + 1] = "";
    cr_assert(eq(uint, peer_read(self), LEAT_CMD_ERROR), "%s instead of ERROR \"%s\"",
              leat_command_name(self->frame.command), words);
    LEAT_PASS(leat_error_open(self->body, self->size, &error));
    memcpy(sentence, error.sentence.data, error.sentence.size);
    cr_expect(eq(uint, error.code, (unsigned)code), "%s: %s", leat_err_name((leat_err)error.code),
              sentence);
    cr_expect(eq(u64, error.sequence, sequence), "%s", sentence);
    cr_expect(ne(ptr, strstr(sentence, words), NULL), "\"%s\" is not in \"%s\"", words, sentence);
}

void
peer_hello(const peer *self)
{
    leat_buf buf = {0};
    leat_hello_put(&buf, &self->hello, self->seen);
    peer_send(self, &buf);
}

void
peer_join(peer *self)
{
    peer_hello(self);
    cr_assert(eq(uint, peer_read(self), LEAT_CMD_WELCOME));
}

void
peer_join_as_new(peer *self)
{
    self->hello.session = leat_session_id_new();
    self->hello.resume = false;
    self->hello.connection = 1;
    self->sequence = 0;
    self->seen = 0;
    peer_join(self);
}

void
peer_begin_send(leat_buf *buf)
{
    leat_send_head head = leat_send_head_default();
    head.channel = leat_text_of("default");
    head.handler = leat_text_of("noop");
    leat_frame_begin(buf, LEAT_CMD_SEND);
    leat_send_put_head(buf, &head);
}

void
peer_put_send(leat_buf *buf, uint64_t sequence)
{
    peer_begin_send(buf);
    leat_send_put(buf, "x", 1);
    leat_frame_finish(buf, 0, 1, sequence);
}

void
peer_expect_goes_on(peer *self)
{
    leat_buf buf = {0};
    leat_reader records;
    leat_sent sent;
    peer_put_send(&buf, ++self->sequence);
    peer_send(self, &buf);
    cr_assert(eq(uint, peer_read(self), LEAT_CMD_SENT));
    LEAT_PASS(leat_sent_open(self->body, self->size, self->frame.count, &records));
    leat_sent_next(&records, &sent);
    cr_expect(eq(u64, sent.sequence, self->sequence));
    cr_expect(eq(uint, sent.code, LEAT_ERR_OK));
    cr_expect(eq(uint, sent.accepted, 1));
}

void
peer_put_json(leat_buf *buf, leat_command command, const char *json, uint64_t sequence)
{
    leat_frame_begin(buf, command);
    leat_put_bytes(buf, json, strlen(json));
    leat_frame_finish(buf, 0, 1, sequence);
}
