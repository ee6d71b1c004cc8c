/* The beat's thread. See beat.h.
 *
 * The loop leaves its figures in atomics and, rarely, a new session under a lock. The thread looks
 * at them whenever it wakes: at the link's due times, and at least every second. */
#include "worker/beat.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/link/link.h"

struct leat_beat {
    pthread_t thread;
    bool has_thread;
    int wake_fd; /* eventfd: a new session, or the end */
    atomic_bool stopping;
    atomic_uint_fast64_t turns;
    atomic_uint_fast64_t started;
    atomic_uint_fast32_t running;

    pthread_mutex_t lock;
    uint64_t changes; /* under lock: how often the session or endpoint was set */
    leat_session_id session;
    char endpoint[LEAT_URL_BYTES_MAX];

    /* the thread's own */
    leat_link_options options;
    leat_link *link; /* NULL: no session yet, or refused */
    uint64_t changes_seen;
    uint64_t turns_seen;
    int64_t turned_ms; /* when the loop was last seen turning */
    bool stalled;
};

/* ------------------------------------------------------------------------------- the thread */

/* Connect anew if the worker has another session or broker. */
static void
follow(leat_beat *beat)
{
    char endpoint[LEAT_URL_BYTES_MAX];
    pthread_mutex_lock(&beat->lock);
    const bool same = beat->changes == beat->changes_seen;
    beat->changes_seen = beat->changes;
    beat->options.hello.session = beat->session;
    memcpy(endpoint, beat->endpoint, sizeof endpoint);
    pthread_mutex_unlock(&beat->lock);
    if (same)
        return;

    leat_link_destroy(&beat->link);
    const char *const endpoints[] = {endpoint};
    beat->options.endpoints = endpoints;
    beat->options.endpoint_count = 1;
    const leat_err err = leat_link_new(&beat->options, &beat->link);
    beat->options.endpoints = NULL;
    if (err != LEAT_ERR_OK) {
        LEAT_LOG(LEAT_LOG_WARN, "beat.failed", "no connection for heartbeats", LEAT_KV_ERR(err));
        beat->link = NULL;
    }
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

static void *
thread_main(void *argument)
{
    leat_beat *const beat = argument;
    prctl(PR_SET_NAME, "leat-beat");
    beat->turned_ms = leat_clock_mono_ms();

    while (!atomic_load(&beat->stopping)) {
        int64_t now_ms = leat_clock_mono_ms();
        int64_t until_ms = now_ms + LEAT_BEAT_TURN_MS;
        follow(beat);
        watch_loop(beat, now_ms);
        /* While the loop stands still the link is left alone: it can only beat when it is asked. */
        const bool works = beat->link != NULL && !beat->stalled;
        if (works)
            work_link(beat);
        if (works && beat->link != NULL && leat_link_due_ms(beat->link) < until_ms)
            until_ms = leat_link_due_ms(beat->link);

        struct pollfd fds[2] = {
            {.fd = beat->wake_fd, .events = POLLIN},
            {.fd = -1,            .events = POLLIN},
        };
        if (works && beat->link != NULL)
            fds[1].fd = leat_link_fd(beat->link);
        now_ms = leat_clock_mono_ms();
        (void)poll(fds, 2, until_ms <= now_ms ? 0 : (int)(until_ms - now_ms));
        uint64_t woken;
        if ((fds[0].revents & POLLIN) != 0)
            (void)!read(beat->wake_fd, &woken, sizeof woken);
    }
    leat_link_destroy(&beat->link);
    return NULL;
}

/* ------------------------------------------------------------------------------- the loop's side
 */

static void
wake(const leat_beat *beat)
{
    const uint64_t one = 1;
    while (write(beat->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

leat_err
leat_beat_new(const leat_hello *hello, leat_beat **out)
{
    leat_beat *beat = calloc(1, sizeof *beat);
    if (beat == NULL)
        return LEAT_ERR_NOMEM;
    beat->options.hello = *hello;
    beat->options.hello.role = LEAT_ROLE_BEAT;
    beat->options.hello.handler_count = 0;
    beat->options.hello.channel_count = 0;
    beat->options.answers_beats = false;
    pthread_mutex_init(&beat->lock, NULL);
    beat->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    leat_err err = beat->wake_fd < 0 ? leat_err_from_errno(errno) : LEAT_ERR_OK;
    if (err == LEAT_ERR_OK) {
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        beat->has_thread = pthread_create(&beat->thread, NULL, thread_main, beat) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (!beat->has_thread)
            err = LEAT_ERR_LIMIT;
    }
    if (err != LEAT_ERR_OK) {
        leat_beat_destroy(&beat);
        return err;
    }
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
    atomic_store(&beat->stopping, true);
    if (beat->has_thread) {
        wake(beat);
        pthread_join(beat->thread, NULL);
    }
    if (beat->wake_fd >= 0)
        close(beat->wake_fd);
    pthread_mutex_destroy(&beat->lock);
    free(beat);
}

void
leat_beat_set_session(leat_beat *beat, const leat_session_id *session, const char *endpoint)
{
    const size_t bytes = strlen(endpoint) + 1;
    assert(bytes <= sizeof beat->endpoint);
    pthread_mutex_lock(&beat->lock);
    const bool same = beat->changes > 0 && strcmp(beat->endpoint, endpoint) == 0 &&
                      memcmp(&beat->session, session, sizeof *session) == 0;
    if (!same) {
        beat->changes++;
        beat->session = *session;
        memcpy(beat->endpoint, endpoint, bytes);
    }
    pthread_mutex_unlock(&beat->lock);
    if (!same)
        wake(beat);
}

void
leat_beat_turn(leat_beat *beat, uint64_t started, uint32_t running)
{
    atomic_store_explicit(&beat->started, started, memory_order_relaxed);
    atomic_store_explicit(&beat->running, running, memory_order_relaxed);
    atomic_fetch_add_explicit(&beat->turns, 1, memory_order_relaxed);
}
