/* The beat's actor, in leat-worker. See beat.h.
 *
 *     loop ── pipe: another session; the end ──► actor: leat_pulse
 *
 * The pipe is for what happens once a connection. A message in it is an endpoint and a session, or
 * CZMQ's "$TERM". */
#include "worker/beat.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include <czmq.h>

#include "proto/link/link.h"
#include "worker/pulse.h"

struct leat_beat {
    zactor_t *actor;
    leat_pulse pulse;

    /* the loop's own: what the actor was told last; "" before the first time */
    leat_session_id session;
    char endpoint[LEAT_URL_BYTES_MAX];
};

/* -------------------------------------------------------------------------------- the actor */

/* Do what the loop has said; false: it has said that this is the end. */
static bool
listen_to_loop(leat_beat *beat, zsock_t *pipe)
{
    bool goes_on = true;
    while (goes_on && (zsock_events(pipe) & ZMQ_POLLIN) != 0) {
        char *endpoint = NULL;
        byte *bytes = NULL;
        size_t size = 0;
        /* What a message lacks is NULL; without a message the pipe is gone. */
        goes_on = zsock_recv(pipe, "sb", &endpoint, &bytes, &size) == 0 && bytes != NULL;
        assert(!goes_on || size == sizeof(leat_session_id));
        if (goes_on) {
            leat_session_id session;
            memcpy(&session, bytes, sizeof session);
            leat_pulse_follow(&beat->pulse, endpoint, &session);
        }
        free(endpoint);
        free(bytes);
    }
    return goes_on;
}

/* Until the loop speaks, the link has something, or there is something to do anyway. */
static void
wait_for_either(const leat_beat *beat, zsock_t *pipe)
{
    zmq_pollitem_t items[2] = {
        {.socket = zsock_resolve(pipe), .events = ZMQ_POLLIN},
        {.events = ZMQ_POLLIN                            },
    };
    const int64_t wait_ms = leat_pulse_wait_ms(&beat->pulse, &items[1].fd);
    (void)zmq_poll(items, items[1].fd >= 0 ? 2 : 1, (long)wait_ms);
}

static void
actor_main(zsock_t *pipe, void *argument)
{
    leat_beat *const beat = argument;
    prctl(PR_SET_NAME, "leat-beat");
    zsock_signal(pipe, 0);
    while (listen_to_loop(beat, pipe)) {
        leat_pulse_work(&beat->pulse);
        wait_for_either(beat, pipe);
    }
    leat_link_destroy(&beat->pulse.link); /* a socket is closed by the thread that used it */
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
    leat_pulse_init(&beat->pulse, hello, key);

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
    leat_pulse_fini(&beat->pulse);
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
    leat_pulse_turn(&beat->pulse, started, running);
}
