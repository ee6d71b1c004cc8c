/* The beat's actor. See beat.h.
 *
 *     loop ── atomics: what a heartbeat says, and that it turns ──► actor ── link ──► broker
 *          ── pipe: another session; the end ─────────────────────►
 *
 * The loop tells its figures in every pass, so they are no messages: the actor looks at them
 * whenever it wakes, at the link's due times and at least every second. The pipe is for what
 * happens once a connection. A message in it is an endpoint and a session, or CZMQ's "$TERM". */
#include "worker/beat.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include <czmq.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/link/link.h"

struct leat_beat {
    zactor_t *actor;
    atomic_uint_fast64_t turns;
    atomic_uint_fast64_t started;
    atomic_uint_fast32_t running;

    /* the loop's own: what the actor was told last; "" before the first time */
    leat_session_id session;
    char endpoint[LEAT_URL_BYTES_MAX];

    /* the actor's own */
    leat_link_options options;
    leat_key key;    /* what options.key points at, if it does */
    leat_link *link; /* NULL: no session yet, or refused */
    uint64_t turns_seen;
    int64_t turned_ms; /* when the loop was last seen turning */
    bool stalled;
};

/* -------------------------------------------------------------------------------- the actor */

/* Connect anew, for another session or to another broker. */
static void
follow(leat_beat *beat, const char *endpoint, const void *session)
{
    leat_link_destroy(&beat->link);
    memcpy(&beat->options.hello.session, session, sizeof beat->options.hello.session);
    beat->options.endpoints = &endpoint;
    beat->options.endpoint_count = 1;
    const leat_err err = leat_link_new(&beat->options, &beat->link);
    beat->options.endpoints = NULL;
    if (err != LEAT_ERR_OK) {
        LEAT_LOG(LEAT_LOG_WARN, "beat.failed", "no connection for heartbeats", LEAT_KV_ERR(err));
        beat->link = NULL;
    }
}

/* Do what the loop has said; false: it has said that this is the end. */
static bool
listen_to_loop(leat_beat *beat, zsock_t *pipe)
{
    bool goes_on = true;
    while (goes_on && (zsock_events(pipe) & ZMQ_POLLIN) != 0) {
        char *endpoint = NULL;
        byte *session = NULL;
        size_t size = 0;
        /* What a message lacks is NULL; without a message the pipe is gone. */
        goes_on = zsock_recv(pipe, "sb", &endpoint, &session, &size) == 0 && session != NULL;
        assert(!goes_on || size == sizeof(leat_session_id));
        if (goes_on)
            follow(beat, endpoint, session);
        free(endpoint);
        free(session);
    }
    return goes_on;
}

static void
watch_loop(leat_beat *beat, int64_t now_ms)
{
    const uint64_t turns = atomic_load_explicit(&beat->turns, memory_order_relaxed);
    if (turns != beat->turns_seen) {
        beat->turns_seen = turns;
        beat->turned_ms = now_ms;
    }
    const bool stalled = now_ms - beat->turned_ms >= LEAT_BEAT_STALL_MS;
    if (stalled && !beat->stalled)
        LEAT_LOG(LEAT_LOG_WARN, "beat.silent", "the loop does not turn, heartbeats stop",
                 LEAT_KV_I64("ms", now_ms - beat->turned_ms));
    else if (!stalled && beat->stalled)
        LEAT_LOG(LEAT_LOG_INFO, "beat.again", "the loop turns again");
    beat->stalled = stalled;
}

static void
work_link(leat_beat *beat)
{
    leat_link_set_beat(beat->link, atomic_load_explicit(&beat->started, memory_order_relaxed),
                       (uint32_t)atomic_load_explicit(&beat->running, memory_order_relaxed));
    leat_link_event event;
    while (beat->link != NULL && leat_link_next(beat->link, &event)) {
        if (event.kind == LEAT_LINK_DOWN || event.kind == LEAT_LINK_REFUSED)
            LEAT_LOG(LEAT_LOG_DEBUG, "beat.down", "heartbeat connection lost",
                     LEAT_KV_ERR(event.err), LEAT_KV_TEXT("why", event.sentence));
        /* Refused: the worker's own connection is told too, and acts on it. */
        if (event.kind == LEAT_LINK_REFUSED)
            leat_link_destroy(&beat->link);
    }
}

/* Until the loop speaks, the link has something, or there is something to do anyway. */
static void
wait_for_either(const leat_beat *beat, zsock_t *pipe)
{
    zmq_pollitem_t items[2] = {
        {.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN},
        {.events = ZMQ_POLLIN                            },
    };
    int64_t wait_ms = LEAT_BEAT_TURN_MS;
    /* While the loop stands still the link is left alone. */
    const bool has_link = beat->link != NULL && !beat->stalled;
    if (has_link) {
        items[1].fd = leat_link_fd(beat->link);
        const int64_t due_ms = leat_link_due_ms(beat->link) - leat_clock_mono_ms();
        if (due_ms < wait_ms)
            wait_ms = due_ms;
    }
    (void)zmq_poll(items, has_link ? 2 : 1, wait_ms < 0 ? 0 : (long)wait_ms);
}

static void
actor_main(zsock_t *pipe, void *argument)
{
    leat_beat *const beat = argument;
    prctl(PR_SET_NAME, "leat-beat");
    beat->turned_ms = leat_clock_mono_ms();
    zsock_signal(pipe, 0);

    while (listen_to_loop(beat, pipe)) {
        watch_loop(beat, leat_clock_mono_ms());
        /* The link beats only when it is asked to do something: no asking, no beat. */
        if (beat->link != NULL && !beat->stalled)
            work_link(beat);
        wait_for_either(beat, pipe);
    }
    leat_link_destroy(&beat->link);
}

/* --------------------------------------------------------------------------- the loop's side */

static void
init_process(void)
{
    zsys_handler_set(NULL); /* SIGINT and SIGTERM are the worker's */
    zsys_init();
    zsys_set_io_threads(0); /* its context has pipes in this process only */
    leat_link_process_init();
}

void
leat_beat_process_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_process);
}

leat_err
leat_beat_new(const leat_hello *hello, const leat_key *key, leat_beat **out)
{
    leat_beat *const beat = calloc(1, sizeof *beat);
    if (beat == NULL)
        return LEAT_ERR_NOMEM;
    beat->options.hello = *hello;
    beat->options.hello.role = LEAT_ROLE_BEAT;
    beat->options.hello.handler_count = 0;
    beat->options.hello.channel_count = 0;
    beat->options.hello.trait_count = 0;
    beat->options.hello.have_count = 0;
    beat->options.answers_beats = false;
    if (key != NULL) {
        beat->key = *key;
        beat->options.key = &beat->key;
    }

    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    beat->actor = zactor_new(actor_main, beat);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    *out = beat;
    return LEAT_ERR_OK;
}

void
leat_beat_destroy(leat_beat **beat_p)
{
    leat_beat *const beat = *beat_p;
    *beat_p = NULL;
    if (beat == NULL)
        return;
    zactor_destroy(&beat->actor);
    leat_key_wipe(&beat->key);
    free(beat);
}

void
leat_beat_set_session(leat_beat *beat, const leat_session_id *session, const char *endpoint)
{
    const size_t bytes = strlen(endpoint) + 1;
    assert(bytes > 1 && bytes <= sizeof beat->endpoint);
    if (strcmp(beat->endpoint, endpoint) == 0 &&
        memcmp(&beat->session, session, sizeof *session) == 0)
        return;
    beat->session = *session;
    memcpy(beat->endpoint, endpoint, bytes);
    zsock_send(beat->actor, "sb", endpoint, session, sizeof *session);
}

void
leat_beat_turn(leat_beat *beat, uint64_t started, uint32_t running)
{
    atomic_store_explicit(&beat->started, started, memory_order_relaxed);
    atomic_store_explicit(&beat->running, running, memory_order_relaxed);
    atomic_fetch_add_explicit(&beat->turns, 1, memory_order_relaxed);
}
