/* The beat's thread in somebody else's program, by the same functions as beat.c. See beat.h.
 *
 *     loop ── under a lock: another session, the end; eventfd ──► thread: leat_pulse
 *
 * Not an actor of CZMQ: what that has for its process (handlers of signals, I/O threads, what it
 * does and says at exit) is the program's own business, which may use CZMQ itself. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "worker/beat.h"
#include "worker/pulse.h"

struct leat_beat {
    leat_pulse pulse;
    pthread_t thread;
    bool has_thread;
    int wake_fd; /* eventfd: something below has changed */

    pthread_mutex_t lock;
    bool has_changed; /* from here on under it */
    bool ends;
    leat_session_id session;
    char endpoint[LEAT_URL_BYTES_MAX]; /* "": none yet */
};

/* ------------------------------------------------------------------------------- the thread */

/* Do what the loop has said; false: it has said that this is the end. */
static bool
listen_to_loop(leat_beat *beat)
{
    uint64_t woken;
    while (read(beat->wake_fd, &woken, sizeof woken) < 0 && errno == EINTR) {
    }
    pthread_mutex_lock(&beat->lock);
    char endpoint[LEAT_URL_BYTES_MAX];
    const leat_session_id session = beat->session;
    const bool ends = beat->ends;
    const bool follows = beat->has_changed && !ends;
    memcpy(endpoint, beat->endpoint, sizeof endpoint);
    beat->has_changed = false;
    pthread_mutex_unlock(&beat->lock);
    if (follows)
        leat_pulse_follow(&beat->pulse, endpoint, &session);
    return !ends;
}

static void *
thread_main(void *argument)
{
    leat_beat *const beat = argument;
    prctl(PR_SET_NAME, "leat-beat");
    while (listen_to_loop(beat)) {
        leat_pulse_work(&beat->pulse);
        struct pollfd fds[2] = {
            {.fd = beat->wake_fd, .events = POLLIN},
            {.events = POLLIN                  },
        };
        const int64_t wait_ms = leat_pulse_wait_ms(&beat->pulse, &fds[1].fd);
        (void)poll(fds, 2, (int)wait_ms);
    }
    leat_link_destroy(&beat->pulse.link); /* a socket is closed by the thread that used it */
    return NULL;
}

/* --------------------------------------------------------------------------- the loop's side */

void
leat_beat_process_init(void)
{
    leat_link_process_init();
}

static void
wake(const leat_beat *beat)
{
    const uint64_t one = 1;
    while (write(beat->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

leat_err
leat_beat_new(const leat_hello *hello, const leat_key *key, leat_beat **out)
{
    leat_beat *beat = calloc(1, sizeof *beat);
    if (beat == NULL)
        return LEAT_ERR_NOMEM;
    pthread_mutex_init(&beat->lock, NULL);
    leat_pulse_init(&beat->pulse, hello, key);
    beat->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    leat_err err = beat->wake_fd < 0 ? leat_err_from_errno(errno) : LEAT_ERR_OK;
    if (err == LEAT_ERR_OK) {
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        beat->has_thread = pthread_create(&beat->thread, NULL, thread_main, beat) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        err = beat->has_thread ? LEAT_ERR_OK : LEAT_ERR_LIMIT;
    }
    if (err != LEAT_ERR_OK)
        leat_beat_destroy(&beat);
    *out = beat;
    return err;
}

void
leat_beat_destroy(leat_beat **beat_p)
{
    leat_beat *const beat = *beat_p;
    *beat_p = NULL;
    if (beat == NULL)
        return;
    if (beat->has_thread) {
        pthread_mutex_lock(&beat->lock);
        beat->ends = true;
        pthread_mutex_unlock(&beat->lock);
        wake(beat);
        pthread_join(beat->thread, NULL);
    }
    leat_pulse_fini(&beat->pulse);
    if (beat->wake_fd >= 0)
        close(beat->wake_fd);
    pthread_mutex_destroy(&beat->lock);
    free(beat);
}

void
leat_beat_set_session(leat_beat *beat, const leat_session_id *session, const char *endpoint)
{
    const size_t bytes = strlen(endpoint) + 1;
    assert(bytes > 1 && bytes <= sizeof beat->endpoint);
    pthread_mutex_lock(&beat->lock);
    const bool is_new = strcmp(beat->endpoint, endpoint) != 0 ||
                        memcmp(&beat->session, session, sizeof *session) != 0;
    if (is_new) {
        beat->session = *session;
        memcpy(beat->endpoint, endpoint, bytes);
        beat->has_changed = true;
    }
    pthread_mutex_unlock(&beat->lock);
    if (is_new)
        wake(beat);
}

void
leat_beat_turn(leat_beat *beat, uint64_t started, uint32_t running)
{
    leat_pulse_turn(&beat->pulse, started, running);
}
