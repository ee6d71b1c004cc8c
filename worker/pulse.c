/* Heartbeats, and when they stop. See pulse.h. */
#include "worker/pulse.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "worker/beat.h"

void
leat_pulse_init(leat_pulse *pulse, const leat_hello *hello, const leat_key *key)
{
    pulse->options.hello = *hello;
    pulse->options.hello.role = LEAT_ROLE_BEAT;
    pulse->options.hello.handler_count = 0;
    pulse->options.hello.channel_count = 0;
    pulse->options.hello.trait_count = 0;
    pulse->options.hello.have_count = 0;
    pulse->options.answers_beats = false;
    pulse->turned_ms = leat_clock_mono_ms();
    if (key != NULL) {
        pulse->key = *key;
        pulse->options.key = &pulse->key;
    }
}

void
leat_pulse_fini(leat_pulse *pulse)
{
    leat_link_destroy(&pulse->link);
    leat_key_wipe(&pulse->key);
}

void
leat_pulse_turn(leat_pulse *pulse, uint64_t started, uint32_t running)
{
    atomic_store_explicit(&pulse->started, started, memory_order_relaxed);
    atomic_store_explicit(&pulse->running, running, memory_order_relaxed);
    atomic_fetch_add_explicit(&pulse->turns, 1, memory_order_relaxed);
}

void
leat_pulse_follow(leat_pulse *pulse, const char *endpoint, const leat_session_id *session)
{
    leat_link_destroy(&pulse->link);
    pulse->options.hello.session = *session;
    pulse->options.endpoints = &endpoint;
    pulse->options.endpoint_count = 1;
    const leat_err err = leat_link_new(&pulse->options, &pulse->link);
    pulse->options.endpoints = NULL;
    if (err != LEAT_ERR_OK) {
        LEAT_LOG(LEAT_LOG_WARN, "beat.failed", "no connection for heartbeats", LEAT_KV_ERR(err));
        pulse->link = NULL;
    }
}

static void
watch_loop(leat_pulse *pulse, int64_t now_ms)
{
    const uint64_t turns = atomic_load_explicit(&pulse->turns, memory_order_relaxed);
    if (turns != pulse->turns_seen) {
        pulse->turns_seen = turns;
        pulse->turned_ms = now_ms;
    }
    const bool stalled = now_ms - pulse->turned_ms >= LEAT_BEAT_STALL_MS;
    if (stalled && !pulse->stalled)
        LEAT_LOG(LEAT_LOG_WARN, "beat.silent", "the loop does not turn, heartbeats stop",
                 LEAT_KV_I64("ms", now_ms - pulse->turned_ms));
    else if (!stalled && pulse->stalled)
        LEAT_LOG(LEAT_LOG_INFO, "beat.again", "the loop turns again");
    pulse->stalled = stalled;
}

static void
work_link(leat_pulse *pulse)
{
    leat_link_set_beat(pulse->link, atomic_load_explicit(&pulse->started, memory_order_relaxed),
                       (uint32_t)atomic_load_explicit(&pulse->running, memory_order_relaxed));
    leat_link_event event;
    while (pulse->link != NULL && leat_link_next(pulse->link, &event)) {
        if (event.kind == LEAT_LINK_DOWN || event.kind == LEAT_LINK_REFUSED)
            LEAT_LOG(LEAT_LOG_DEBUG, "beat.down", "heartbeat connection lost",
                     LEAT_KV_ERR(event.err), LEAT_KV_TEXT("why", event.sentence));
        /* Refused: the worker's own connection is told too, and acts on it. */
        if (event.kind == LEAT_LINK_REFUSED)
            leat_link_destroy(&pulse->link);
    }
}

void
leat_pulse_work(leat_pulse *pulse)
{
    watch_loop(pulse, leat_clock_mono_ms());
    /* The link beats only when it is asked to do something: no asking, no beat. */
    if (pulse->link != NULL && !pulse->stalled)
        work_link(pulse);
}

int64_t
leat_pulse_wait_ms(const leat_pulse *pulse, int *fd)
{
    int64_t wait_ms = LEAT_BEAT_TURN_MS;
    *fd = -1;
    /* While the loop stands still the link is left alone. */
    if (pulse->link == NULL || pulse->stalled)
        return wait_ms;
    *fd = leat_link_fd(pulse->link);
    const int64_t due_ms = leat_link_due_ms(pulse->link) - leat_clock_mono_ms();
    if (due_ms < wait_ms)
        wait_ms = due_ms;
    return wait_ms < 0 ? 0 : wait_ms;
}
