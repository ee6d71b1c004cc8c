/* The peer's machine: rest → connecting → greeting → up, and back to rest on any loss.
 *
 * One round tries every endpoint once, without a pause between them; between rounds it rests for
 * 100 ms … 2 s. After the first WELCOME the endpoint that gave it is the first of each round, and a
 * stranger at another endpoint (one that does not know our session) is left alone for as long as a
 * restarting broker keeps sessions alive: batch 42 of another broker is another batch.
 *
 * The order inside leat_link_next is: hand out what has happened → send → read → ask the monitor.
 * Frames are read empty before a loss is believed, and before silence is. */
#include "proto/link/machine.h"

#include <stdio.h>
#include <string.h>

#include "proto/base/clock.h"

#define CONFIRM_FRAMES 4            /* read without sending: then a HEARTBEAT carries `seen` */
#define CONFIRM_BYTES  (512U << 10) /* the same in bytes */
#define STRANGER_MS    LEAT_RESTART_GRACE_MS
#define LATE_MS        1000 /* a call that comes this much late does not count as silence */
#define WELCOME_MS     LEAT_LOST_MS

/* -------------------------------------------------------------------- coming up, going down */

/* Why the endpoint has not brought us up; NULL: it refused, which needs no words. */
static const char *
failure_of(const leat_link *link, size_t i)
{
    if (i != link->at)
        return link->failures[i];
    switch (link->phase) {
    case LEAT_PHASE_CONNECTING:
        return link->connection.started ? "no answer" : "the name was not found";
    case LEAT_PHASE_GREETING:
        return "no welcome";
    case LEAT_PHASE_REST:
    case LEAT_PHASE_UP:
    case LEAT_PHASE_STOPPED:
        break;
    }
    return link->failures[i];
}

void
leat_link_tried(const leat_link *link, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "no broker answered (tried ");
    for (size_t i = 0; i < link->endpoint_count && used < size; i++) {
        char words[LEAT_URL_BYTES_MAX];
        leat_link_endpoint_words(link->endpoints[i], words, sizeof words);
        const char *const why = failure_of(link, i);
        used += (size_t)snprintf(out + used, size - used, "%s%s%s%s", i == 0 ? "" : ", ", words,
                                 why == NULL ? "" : ": ", why == NULL ? "" : why);
    }
    if (used < size)
        (void)snprintf(out + used, size - used, ")");
}

static void
tell(leat_link *link, leat_pending pending, leat_err err)
{
    link->pending = pending;
    link->pending_err = err;
}

static void
rest(leat_link *link, int64_t now_ms)
{
    /* Between half and whole: thousands that lost one broker do not come back in one moment. */
    const uint64_t half = (uint64_t)link->backoff_ms / 2;
    link->deadline_ms = now_ms + (int64_t)(half + leat_random_below(&link->random, half + 1));
    link->backoff_ms =
        link->backoff_ms * 2 < LEAT_RECONNECT_MS_MAX ? link->backoff_ms * 2 : LEAT_RECONNECT_MS_MAX;
    link->phase = LEAT_PHASE_REST;
    link->tried = 0;
}

static void
hang_up(leat_link *link)
{
    link->torn = false;
    leat_link_drop_waiting(link);
    leat_connection_close(&link->connection, 0);
}

/* The endpoint in use did not bring us up: the next one, or a rest after the last. */
static void
endpoint_failed(leat_link *link, int64_t now_ms, const char *why)
{
    hang_up(link);
    link->failures[link->at] = why;
    link->phase = LEAT_PHASE_REST;
    link->deadline_ms = now_ms;
    if (++link->tried < link->endpoint_count)
        return;
    rest(link, now_ms);
    if (!link->told_down) {
        link->told_down = true;
        leat_link_tried(link, link->sentence, sizeof link->sentence);
        tell(link, LEAT_PENDING_DOWN, LEAT_ERR_NO_BROKER);
    }
}

/* The connection that we were up on is of no use any more. why goes after the endpoint. */
static void
lost(leat_link *link, int64_t now_ms, leat_err err, const char *why)
{
    hang_up(link);
    (void)snprintf(link->sentence, sizeof link->sentence, "%s: %s", link->endpoints[link->at], why);
    link->down_since_ms = now_ms;
    link->told_down = true;
    link->backoff_ms = LEAT_RECONNECT_MS_MIN;
    rest(link, now_ms);
    tell(link, LEAT_PENDING_DOWN, err);
}

static void
refused(leat_link *link, int64_t now_ms, leat_err err, const char *why, size_t why_size)
{
    hang_up(link);
    if (link->phase == LEAT_PHASE_UP)
        link->down_since_ms = now_ms;
    (void)snprintf(link->sentence, sizeof link->sentence, "%.*s", (int)why_size, why);
    link->phase = LEAT_PHASE_STOPPED;
    tell(link, LEAT_PENDING_REFUSED, err);
}

/* Lost, or the endpoint failed, whichever it is in this phase. */
static void
dropped(leat_link *link, int64_t now_ms, leat_err err, const char *why)
{
    if (link->phase == LEAT_PHASE_UP)
        lost(link, now_ms, err, why);
    else
        endpoint_failed(link, now_ms, why);
}

void
leat_link_drop(leat_link *link, const char *why)
{
    if (link->phase == LEAT_PHASE_UP)
        lost(link, leat_clock_mono_ms(), LEAT_ERR_MALFORMED, why);
}

/* The endpoint of the n-th try of a round: home first, then the others in their order. */
static size_t
endpoint_of_try(const leat_link *link, size_t n)
{
    if (n == 0)
        return link->home;
    return n <= link->home ? n - 1 : n;
}

static void
try_endpoint(leat_link *link, int64_t now_ms)
{
    link->at = endpoint_of_try(link, link->tried);
    link->failures[link->at] = NULL;
    link->phase = LEAT_PHASE_CONNECTING;
    link->deadline_ms = now_ms + LEAT_CONNECT_TIMEOUT_MS;
    const leat_err err = leat_connection_open(
        &link->connection, link->context, link->epoll_fd, link->endpoints[link->at],
        leat_link_has_key(link) ? &link->key : NULL, ++link->connections);
    if (err != LEAT_ERR_OK)
        endpoint_failed(link, now_ms, leat_err_message(err));
}

static void
say_hello(leat_link *link, int64_t now_ms)
{
    leat_buf frame = {0};
    zmq_msg_t msg;
    link->hello.connection++;
    link->hello.floor = link->window.floor;
    leat_hello_put(&frame, &link->hello, link->seen);
    link->phase = LEAT_PHASE_GREETING;
    link->deadline_ms = now_ms + WELCOME_MS;
    if (leat_link_take_frame(&frame, &msg))
        leat_link_post(link, &msg, 0);
}

/* The broker does not know the session: what has no answer is unknown, and a new one begins. */
static void
begin_session(leat_link *link)
{
    for (uint64_t s = link->window.floor + 1; s <= link->window.last; s++)
        if (leat_window_state_of(&link->window, s) != LEAT_WINDOW_FREE &&
            link->unknown_count < LEAT_WINDOW_FRAMES)
            link->unknown[link->unknown_count++] = s;
    leat_window_reset(&link->window);
    link->hello.session = leat_session_id_new();
    link->hello.resume = false;
    link->hello.connection = 0;
    link->seen = 0;
}

static void
come_up(leat_link *link, int64_t now_ms)
{
    link->phase = LEAT_PHASE_UP;
    link->home = link->at;
    link->welcomed = true;
    link->hello.resume = true;
    link->told_down = false;
    link->backoff_ms = LEAT_RECONNECT_MS_MIN;
    link->down_since_ms = INT64_MAX;
    link->heard_ms = now_ms;
    link->expected_ms = INT64_MAX;
    link->beat_ms = now_ms + (link->beat.running > 0 ? link->welcome.heartbeat_busy_ms
                                                     : link->welcome.heartbeat_idle_ms);
    for (uint64_t s = link->window.floor + 1; s <= link->window.last; s++)
        leat_link_post_kept(link, s);
    tell(link, LEAT_PENDING_UP, LEAT_ERR_OK);
}

/* --------------------------------------------------------------------------------- reading */

static void
on_greeting_error(leat_link *link, int64_t now_ms, const uint8_t *body, size_t size)
{
    leat_error_record error;
    if (leat_error_open(body, size, &error) != LEAT_ERR_OK) {
        endpoint_failed(link, now_ms, "its answer does not follow the protocol");
        return;
    }
    const leat_err code = leat_err_from_number(error.code);
    if (code == LEAT_ERR_SESSION_UNKNOWN) {
        const bool is_stranger =
            link->welcomed && link->at != link->home && now_ms - link->down_since_ms < STRANGER_MS;
        if (link->hello.role == LEAT_ROLE_BEAT || !link->hello.resume)
            endpoint_failed(link, now_ms, "the broker there does not know the session");
        else if (is_stranger)
            endpoint_failed(link, now_ms, "another broker answers there");
        else {
            begin_session(link);
            say_hello(link, now_ms);
        }
    } else if (code == LEAT_ERR_VERSION || code == LEAT_ERR_DENIED || code == LEAT_ERR_MALFORMED ||
               code == LEAT_ERR_UNSUPPORTED || code == LEAT_ERR_TOO_LARGE ||
               code == LEAT_ERR_CONFIG) {
        refused(link, now_ms, code, error.sentence.data, error.sentence.size);
    } else {
        endpoint_failed(link, now_ms, leat_err_message(code));
    }
}

static void
on_greeting(
    leat_link *link, int64_t now_ms, const leat_frame *frame, const uint8_t *body, size_t size)
{
    char why[128];
    if (frame->command == LEAT_CMD_ERROR) {
        on_greeting_error(link, now_ms, body, size);
    } else if (frame->command == LEAT_CMD_BYE) {
        endpoint_failed(link, now_ms, "the broker is stopping");
    } else if (frame->command == LEAT_CMD_WELCOME) {
        if (leat_welcome_decode(body, size, &link->welcome, why) != LEAT_ERR_OK)
            endpoint_failed(link, now_ms, "its WELCOME does not follow the protocol");
        else
            come_up(link, now_ms);
    }
    /* Anything else belongs to an earlier connection of the route. */
}

/* The session is over for the broker, although the connection stands: only a HELLO helps. */
static bool
wants_hello(const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_error_record error;
    if (frame->command != LEAT_CMD_ERROR || leat_error_open(body, size, &error) != LEAT_ERR_OK)
        return false;
    return error.sequence == 0 &&
           (error.code == LEAT_ERR_HELLO_FIRST || error.code == LEAT_ERR_SESSION_UNKNOWN);
}

/* The key was revoked: the session has been ended for good. */
static bool
refuses_key(const leat_link *link, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_error_record error;
    return leat_link_has_key(link) && frame->command == LEAT_CMD_ERROR &&
           leat_error_open(body, size, &error) == LEAT_ERR_OK && error.sequence == 0 &&
           error.code == LEAT_ERR_DENIED;
}

/* true: event is a FRAME for the user. */
static bool
on_up(leat_link *link,
      int64_t now_ms,
      const leat_frame *frame,
      const uint8_t *body,
      size_t size,
      leat_link_event *event)
{
    if (link->hello.role != LEAT_ROLE_BEAT) {
        /* A beat only borrows its worker's session: it must not confirm frames of the worker. */
        if (frame->sequence > link->seen)
            link->seen = frame->sequence;
        link->unconfirmed++;
        link->unconfirmed_bytes += size;
    }
    if (frame->command == LEAT_CMD_HEARTBEAT || frame->command == LEAT_CMD_WELCOME)
        return false;
    if (frame->command == LEAT_CMD_BYE) {
        lost(link, now_ms, LEAT_ERR_NO_BROKER, "the broker is stopping");
        return false;
    }
    if (refuses_key(link, frame, body, size)) {
        on_greeting_error(link, now_ms, body, size);
        return false;
    }
    if (wants_hello(frame, body, size)) {
        lost(link, now_ms, LEAT_ERR_SESSION_UNKNOWN, "the broker has ended the session");
        return false;
    }
    if (!leat_link_note_answers(&link->window, frame, body, size)) {
        lost(link, now_ms, LEAT_ERR_MALFORMED, "the broker's frame does not follow the protocol");
        return false;
    }
    *event = (leat_link_event){
        .kind = LEAT_LINK_FRAME, .frame = *frame, .body = body, .body_size = size};
    return true;
}

/* A whole message lies in link->current. true: event is for the user. */
static bool
on_message(leat_link *link, int64_t now_ms, leat_link_event *event)
{
    const uint8_t *const data = zmq_msg_data(&link->current);
    const size_t size = zmq_msg_size(&link->current);
    leat_frame frame;
    const leat_err err = zmq_msg_more(&link->current)
                             ? LEAT_ERR_MALFORMED
                             : leat_frame_decode(data, size, LEAT_SIDE_BROKER, &frame);
    if (err == LEAT_ERR_VERSION) {
        const int n = snprintf(link->sentence, sizeof link->sentence,
                               "%s: the broker speaks version %u of the protocol, this program %u",
                               link->endpoints[link->at], data[2], LEAT_FRAME_VERSION);
        char why[sizeof link->sentence];
        memcpy(why, link->sentence, sizeof why);
        refused(link, now_ms, err, why, (size_t)n);
        return false;
    }
    if (err != LEAT_ERR_OK) {
        dropped(link, now_ms, err, "the broker's frame does not follow the protocol");
        return false;
    }
    link->heard_ms = now_ms;
    if (link->phase == LEAT_PHASE_UP)
        return on_up(link, now_ms, &frame, data + LEAT_FRAME_BYTES, size - LEAT_FRAME_BYTES, event);
    /* The numbers go on from here: a broker that was killed may have forgotten how far it was. */
    if (frame.command == LEAT_CMD_WELCOME && link->hello.role != LEAT_ROLE_BEAT)
        link->seen = frame.sequence;
    on_greeting(link, now_ms, &frame, data + LEAT_FRAME_BYTES, size - LEAT_FRAME_BYTES);
    return false;
}

/* ----------------------------------------------------------------------------- the machine */

/* A broker with keys may be gone before we have heard that it wants one: then it is not sure. */
static const char *
handshake_failed(const leat_link *link, bool is_sure)
{
    const bool is_open = leat_connection_wants_key(link->endpoints[link->at]);
    if (is_open && leat_link_has_key(link))
        return link->handshake;
    if (is_sure)
        return "the broker lets in only who has a key (--key-file)";
    return is_open
               ? "something else than a broker listens there, or a broker that lets in only who "
                 "has a key (--key-file)"
               : "something else than a broker listens there";
}

static void
on_unknown_key(leat_link *link, int64_t now_ms)
{
    char why[sizeof link->sentence];
    char public_key[LEAT_KEY_SHORT_BYTES];
    const int n = snprintf(why, sizeof why,
                           "%s: the broker does not know this key (%s.key, public %s): leat key "
                           "allow on the broker's side, or it was revoked",
                           link->endpoints[link->at], link->key.name,
                           leat_key_short(link->key.public_key, public_key));
    refused(link, now_ms, LEAT_ERR_DENIED, why, (size_t)n);
}

/* What the monitor says. true: something has changed. */
static bool
on_news(leat_link *link, int64_t now_ms)
{
    switch (leat_connection_next_news(&link->connection)) {
    case LEAT_CONNECTION_QUIET:
        return false;
    case LEAT_CONNECTION_READY:
        if (link->phase == LEAT_PHASE_CONNECTING)
            say_hello(link, now_ms);
        return true;
    case LEAT_CONNECTION_REFUSED:
        endpoint_failed(link, now_ms, NULL);
        return true;
    case LEAT_CONNECTION_FOREIGN:
        dropped(link, now_ms, LEAT_ERR_MALFORMED, handshake_failed(link, false));
        return true;
    case LEAT_CONNECTION_KEYS:
        dropped(link, now_ms, LEAT_ERR_DENIED, handshake_failed(link, true));
        return true;
    case LEAT_CONNECTION_KEY:
        on_unknown_key(link, now_ms);
        return true;
    case LEAT_CONNECTION_GONE:
        dropped(link, now_ms, LEAT_ERR_NO_BROKER, "the connection was lost");
        return true;
    }
    return false;
}

/* Deadlines, once the sockets have been read empty. true: something has changed. */
static bool
on_time(leat_link *link, int64_t now_ms)
{
    switch (link->phase) {
    case LEAT_PHASE_REST:
        if (now_ms < link->deadline_ms)
            return false;
        try_endpoint(link, now_ms);
        return true;
    case LEAT_PHASE_CONNECTING:
    case LEAT_PHASE_GREETING:
        if (now_ms < link->deadline_ms)
            return false;
        endpoint_failed(link, now_ms, failure_of(link, link->at));
        return true;
    case LEAT_PHASE_UP:
        if (link->torn) {
            lost(link, now_ms, LEAT_ERR_NOMEM, leat_err_message(LEAT_ERR_NOMEM));
            return true;
        }
        if (!link->answers_beats || now_ms < link->heard_ms + link->welcome.lost_ms)
            return false;
        lost(link, now_ms, LEAT_ERR_TIMEOUT, "the broker has been silent for too long");
        return true;
    case LEAT_PHASE_STOPPED:
        break;
    }
    return false;
}

/* What has to be said by itself. */
static void
speak(leat_link *link, int64_t now_ms)
{
    if (link->phase != LEAT_PHASE_UP)
        return;
    if (now_ms >= link->beat_ms || link->unconfirmed >= CONFIRM_FRAMES ||
        link->unconfirmed_bytes >= CONFIRM_BYTES)
        leat_link_send_beat(link, now_ms);
}

static bool
hand_out_pending(leat_link *link, leat_link_event *event)
{
    if (link->unknown_told < link->unknown_count) {
        *event = (leat_link_event){.kind = LEAT_LINK_UNKNOWN,
                                   .sequence = link->unknown[link->unknown_told++]};
        return true;
    }
    link->unknown_told = 0;
    link->unknown_count = 0;
    const leat_pending pending = link->pending;
    link->pending = LEAT_PENDING_NONE;
    switch (pending) {
    case LEAT_PENDING_NONE:
        return false;
    case LEAT_PENDING_UP:
        *event = (leat_link_event){
            .kind = LEAT_LINK_UP, .welcome = &link->welcome, .resumed = link->welcome.resumed};
        return true;
    case LEAT_PENDING_DOWN:
    case LEAT_PENDING_REFUSED:
        *event = (leat_link_event){.kind = pending == LEAT_PENDING_DOWN ? LEAT_LINK_DOWN
                                                                        : LEAT_LINK_REFUSED,
                                   .err = link->pending_err,
                                   .sentence = link->sentence};
        return true;
    }
    return false;
}

/* Every look at a socket is two calls into the kernel. Who was woken by frames need not ask the
 * monitor as well: if it has news its descriptor stays readable, and the next turn finds no frame.
 * true: something has changed. */
static bool
ask_monitor(leat_link *link, int64_t now_ms)
{
    const bool can_wait = link->heard && !link->has_news;
    link->heard = false;
    if (can_wait)
        return false;
    link->has_news = on_news(link, now_ms);
    return link->has_news;
}

/* One step of the machine. true: call again, or event is set when *told. */
static bool
step(leat_link *link, int64_t now_ms, leat_link_event *event, bool *told)
{
    *told = hand_out_pending(link, event);
    if (*told)
        return true;
    if (link->connection.socket == NULL)
        return on_time(link, now_ms);

    speak(link, now_ms);
    leat_link_send_waiting(link);
    if (leat_connection_receive(&link->connection, &link->current)) {
        link->heard = true;
        *told = on_message(link, now_ms, event);
        link->holding = *told;
        return true;
    }
    /* A read that finds nothing has acted on all that ZeroMQ's threads had to say. */
    link->unsure = false;
    return ask_monitor(link, now_ms) || on_time(link, now_ms) ||
           (!leat_list_is_empty(&link->waiting) && leat_link_has_more(link));
}

bool
leat_link_next(leat_link *link, leat_link_event *event)
{
    const int64_t now_ms = leat_clock_mono_ms();
    if (now_ms > link->expected_ms && now_ms - link->expected_ms > LATE_MS)
        link->heard_ms += now_ms - link->expected_ms; /* we slept, not the broker */
    link->expected_ms = INT64_MAX;

    link->holding = false;
    bool told = false;
    while (!told && step(link, now_ms, event, &told))
        continue;
    leat_link_set_left(link, told);
    if (!told)
        link->expected_ms = leat_link_due_ms(link);
    return told;
}
