/* The worker's life and its loop. See worker.h. */
#include "worker/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "worker/parts.h"

/* Events of the link that are handled in one pass. */
#define EVENTS_A_PASS 64U
/* How long the good-bye may take to leave. */
#define BYE_MS         1000
#define BYE_AT_ONCE_MS 100

/* ------------------------------------------------------------------------------------- life */

static void
fill_name(char *out, size_t size, const char *name)
{
    const size_t bytes = strnlen(name, size - 1);
    memcpy(out, name, bytes);
    out[bytes] = '\0';
}

static void
fill_hello(leat_hello *hello, const leat_engine_options *options)
{
    const leat_handler *const rows = options->handlers;
    hello->role = LEAT_ROLE_WORKER;
    fill_name(hello->software, sizeof hello->software,
              options->software == NULL ? "leat " LEAT_VERSION : options->software);
    fill_name(hello->name, sizeof hello->name, options->name);
    if (gethostname(hello->host, sizeof hello->host - 1) != 0)
        fill_name(hello->host, sizeof hello->host, "localhost");
    hello->pid = getpid();
    hello->slots = options->slots;
    assert(options->handler_count <= LEAT_HANDLERS_MAX);
    for (size_t i = 0; i < options->handler_count; i++) {
        fill_name(hello->handlers[i].name, sizeof hello->handlers[i].name, rows[i].name);
        hello->handlers[i].runs = rows[i].runs;
    }
    hello->handler_count = (uint32_t)options->handler_count;
    assert(options->channel_count <= LEAT_SUBSCRIPTIONS_MAX);
    for (size_t i = 0; i < options->channel_count; i++)
        fill_name(hello->channels[i], sizeof hello->channels[i], options->channels[i]);
    hello->channel_count = (uint32_t)options->channel_count;
    assert(options->trait_count <= LEAT_TRAITS_MAX);
    for (size_t i = 0; i < options->trait_count; i++)
        hello->traits[i] = options->traits[i];
    hello->trait_count = (uint32_t)options->trait_count;
    assert(options->have_count <= LEAT_HAVES_MAX);
    for (size_t i = 0; i < options->have_count; i++)
        hello->haves[i] = options->haves[i];
    hello->have_count = (uint32_t)options->have_count;
}

static leat_err
make_link(leat_engine *worker, const leat_engine_options *options)
{
    leat_link_options *const link = calloc(1, sizeof *link);
    if (link == NULL)
        return LEAT_ERR_NOMEM;
    link->endpoints = options->endpoints;
    link->endpoint_count = options->endpoint_count;
    link->answers_beats = true;
    link->key = options->key;
    fill_hello(&link->hello, options);
    leat_err err = leat_link_new(link, &worker->link);
    if (err == LEAT_ERR_OK)
        err = leat_beat_new(&link->hello, options->key, &worker->beat);
    free(link);
    return err;
}

static leat_err
watch(const leat_engine *worker, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? LEAT_ERR_OK
                                                                       : leat_err_from_errno(errno);
}

static leat_err
make_descriptors(leat_engine *worker)
{
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (worker->wake_fd < 0 || worker->epoll_fd < 0)
        return leat_err_from_errno(errno);
    leat_err err = watch(worker, worker->wake_fd);
    if (err == LEAT_ERR_OK)
        err = watch(worker, leat_link_fd_beside_due(worker->link));
    if (err == LEAT_ERR_OK)
        err = watch(worker, leat_pool_fd(worker->pool));
    if (err == LEAT_ERR_OK && worker->commands != NULL)
        err = watch(worker, leat_commands_fd(worker->commands));
    if (err == LEAT_ERR_OK && worker->signal_fd >= 0)
        err = watch(worker, worker->signal_fd);
    return err;
}

static leat_err
open_history(leat_engine *worker, const char *folder)
{
    char why[512] = "";
    if (folder == NULL)
        return LEAT_ERR_OK;
    const leat_err err = leat_recorder_open(folder, "worker", &worker->recorder, why);
    worker->outbox.recorder = worker->recorder;
    if (err == LEAT_ERR_OK || err == LEAT_ERR_NOMEM)
        return err;
    LEAT_LOG(LEAT_LOG_ERROR, "worker.history", "no history can be written",
             LEAT_KV_TEXT("why", why));
    return LEAT_ERR_CONFIG;
}

static leat_err
make_commands(leat_engine *worker, const leat_engine_options *options)
{
    static const leat_commands_options plain = {.has_cgroup = true};
    bool wanted = false;
    for (size_t i = 0; i < options->handler_count; i++)
        wanted |= options->handlers[i].runs == LEAT_RUNS_CHILD;
    if (!wanted)
        return LEAT_ERR_OK;
    fill_name(worker->name, sizeof worker->name, options->name);
    const leat_err err = leat_commands_new(options->commands == NULL ? &plain : options->commands,
                                           &worker->commands);
    if (err != LEAT_ERR_OK)
        return err;
    leat_commands_listen(worker->commands, leat_engine_hear_run, worker);
    LEAT_LOG(LEAT_LOG_INFO, "worker.commands", "programs may be run as jobs",
             LEAT_KV_TEXT("cgroup", leat_commands_cgroup(worker->commands)));
    return LEAT_ERR_OK;
}

leat_err
leat_engine_new(const leat_engine_options *options, leat_engine **out)
{
    assert(options->slots >= 1 && options->slots <= LEAT_SLOTS_MAX);
    assert(options->threads >= 1);
    leat_beat_process_init();
    leat_engine *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return LEAT_ERR_NOMEM;

    worker->phase = LEAT_WORKER_WORKING;
    worker->slot_max = options->slots;
    worker->signal_fd = options->signal_fd;
    worker->idle_exit_ms = options->idle_exit_ms;
    worker->until_mono_ms = options->until_mono_ms;
    worker->until_wall_ms = options->until_wall_ms;
    worker->jobs_max = options->jobs_max;
    worker->wake_fd = -1;
    worker->epoll_fd = -1;
    leat_amounts_init(&worker->amounts, options->haves, options->have_count);
    leat_line_init(&worker->line, options->handlers, options->handler_count);
    leat_slots_init(&worker->slots);
    leat_sleep_init(&worker->sleep, &worker->slots);
    leat_outbox_init(&worker->outbox);
    leat_list_init(&worker->telling);
    worker->telling_ms = INT64_MAX;
    leat_kept_init(&worker->kept);

    leat_err err = open_history(worker, options->history);
    if (err == LEAT_ERR_OK)
        err = leat_pool_new(options->threads < options->slots ? options->threads : options->slots,
                            &worker->pool);
    if (err == LEAT_ERR_OK)
        err = make_commands(worker, options);
    if (err == LEAT_ERR_OK)
        err = make_link(worker, options);
    if (err == LEAT_ERR_OK)
        err = make_descriptors(worker);
    if (err != LEAT_ERR_OK) {
        leat_engine_destroy(&worker);
        return err;
    }
    *out = worker;
    return LEAT_ERR_OK;
}

void
leat_engine_destroy(leat_engine **worker_p)
{
    leat_engine *const worker = *worker_p;
    *worker_p = NULL;
    if (worker == NULL)
        return;
    leat_beat_destroy(&worker->beat);
    leat_pool_destroy(&worker->pool);
    leat_commands_destroy(&worker->commands);
    leat_link_destroy(&worker->link);
    leat_outbox_fini(&worker->outbox);
    leat_tellings_fini(&worker->tellings);
    leat_kept_fini(&worker->kept);
    leat_sleep_fini(&worker->sleep);
    leat_slots_fini(&worker->slots);
    leat_amounts_fini(&worker->amounts);
    leat_line_fini(&worker->line);
    leat_buf_fini(&worker->scratch);
    leat_recorder_close(&worker->recorder);
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
    free(worker);
}

/* -------------------------------------------------------------------------- drain and stop */

static void
ask(leat_engine *worker, atomic_bool *what)
{
    const uint64_t one = 1;
    atomic_store(what, true);
    while (write(worker->wake_fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void
leat_engine_drain(leat_engine *worker)
{
    ask(worker, &worker->asked_drain);
}

void
leat_engine_stop(leat_engine *worker)
{
    ask(worker, &worker->asked_stop);
}

static void
stop(leat_engine *worker, leat_err result)
{
    if (worker->phase == LEAT_WORKER_STOPPED)
        return;
    worker->phase = LEAT_WORKER_STOPPED;
    worker->result = result;
}

static void
begin_drain(leat_engine *worker, const char *why)
{
    if (worker->phase != LEAT_WORKER_WORKING)
        return;
    worker->phase = LEAT_WORKER_DRAINING;
    leat_engine_say_credit(worker);
    leat_engine_release_all(worker);
    LEAT_LOG(LEAT_LOG_INFO, "worker.drain", "finishing what runs, taking nothing new",
             LEAT_KV_TEXT("why", why), LEAT_KV_U64("running", worker->slots.count));
}

static bool
runs_nothing(const leat_engine *worker)
{
    return leat_engine_unended(worker) == 0;
}

/* Nothing runs, waits, or is on its way back. */
static bool
is_idle(const leat_engine *worker)
{
    return runs_nothing(worker) && worker->line.count == 0 &&
           leat_outbox_is_empty(&worker->outbox) && !leat_engine_is_blocked(worker) &&
           leat_link_unanswered(worker->link) == 0;
}

/* The worker was told at its start when to end. */
static void
check_enough(leat_engine *worker, int64_t now_ms)
{
    if (worker->phase != LEAT_WORKER_WORKING)
        return;
    if (!is_idle(worker))
        worker->idle_ms = 0;
    else if (worker->idle_ms == 0)
        worker->idle_ms = now_ms;
    if (leat_engine_has_enough(worker) && runs_nothing(worker))
        begin_drain(worker, "it has done its jobs (--max-jobs)");
    else if ((worker->until_mono_ms != 0 && now_ms >= worker->until_mono_ms) ||
             (worker->until_wall_ms != 0 && leat_clock_wall_ms() >= worker->until_wall_ms))
        begin_drain(worker, "its time is over (--until)");
    else if (worker->idle_exit_ms != 0 && worker->idle_ms != 0 &&
             now_ms - worker->idle_ms >= worker->idle_exit_ms)
        begin_drain(worker, "there was nothing to do (--idle-exit)");
}

/* Of a worker that is to do so many jobs: it leaves before the ends that make the window smaller,
 * so that the broker does not put others in their place. */
static void
say_smaller_window(leat_engine *worker)
{
    if (worker->jobs_max != 0 && worker->up && leat_engine_window(worker) != worker->said_window)
        leat_engine_say_credit(worker);
}

static void
read_signals(leat_engine *worker)
{
    struct signalfd_siginfo info;
    while (read(worker->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        worker->signal = (int)info.ssi_signo;
        if (worker->phase == LEAT_WORKER_WORKING)
            begin_drain(worker, "a signal");
        else
            stop(worker, LEAT_ERR_INTERRUPTED);
    }
}

/* A drained worker leaves when the broker has answered everything, or does not answer. */
static void
check_drained(leat_engine *worker, int64_t now_ms)
{
    if (worker->phase != LEAT_WORKER_DRAINING || !runs_nothing(worker))
        return;
    if (leat_outbox_is_empty(&worker->outbox) && !leat_engine_is_blocked(worker) &&
        leat_link_unanswered(worker->link) == 0) {
        stop(worker, LEAT_ERR_OK);
    } else if (worker->answer_due_ms == 0) {
        worker->answer_due_ms = now_ms + LEAT_WORKER_ANSWER_MS;
    } else if (now_ms >= worker->answer_due_ms) {
        fill_name(worker->sentence, sizeof worker->sentence,
                  "the broker did not answer the last results, it will run their jobs again");
        stop(worker, LEAT_ERR_TIMEOUT);
    }
}

/* ---------------------------------------------------------------------------------- the loop */

/* Until when everything in the outbox may wait: ends of commands only, with more for the slots to
 * do meanwhile. 0: something has to leave. */
static int64_t
hold_until_ms(const leat_engine *worker)
{
    const leat_outbox *const outbox = &worker->outbox;
    if (worker->held == 0 || worker->phase != LEAT_WORKER_WORKING || outbox->count > 0 ||
        outbox->done_count != worker->held || outbox->release_count > 0 ||
        outbox->snooze_count > 0 || outbox->checkpoint_count > 0 ||
        worker->line.count < worker->slot_max)
        return 0;
    return worker->held_ms + LEAT_WORKER_HOLD_MS;
}

static void
flush(leat_engine *worker)
{
    if (!worker->up || leat_clock_mono_ms() < hold_until_ms(worker))
        return;
    leat_outbox_flush(&worker->outbox, worker->link);
    worker->held = 0;
}

static void
handle_events(leat_engine *worker)
{
    leat_link_event event;
    uint32_t left = EVENTS_A_PASS;
    while (worker->phase != LEAT_WORKER_STOPPED && leat_link_next(worker->link, &event)) {
        leat_engine_on_event(worker, &event);
        if (--left == 0) {
            worker->backlog = true;
            break;
        }
    }
}

static void
handle_wishes(leat_engine *worker)
{
    uint64_t asked;
    if (read(worker->wake_fd, &asked, sizeof asked) < 0)
        return;
    if (atomic_load(&worker->asked_drain))
        begin_drain(worker, "it was told to");
    if (atomic_load(&worker->asked_stop))
        stop(worker, LEAT_ERR_INTERRUPTED);
}

static void
remind(leat_engine *worker, int64_t now_ms)
{
    if (worker->said_down_ms == 0 || leat_link_is_up(worker->link) ||
        now_ms - worker->said_down_ms < LEAT_WORKER_WAITING_MS)
        return;
    worker->said_down_ms = now_ms;
    LEAT_LOG(LEAT_LOG_WARN, "worker.waiting", "still no broker",
             LEAT_KV_TEXT("endpoint", leat_link_endpoint(worker->link)),
             LEAT_KV_I64("seconds", (now_ms - leat_link_down_since_ms(worker->link)) / 1000));
}

static void
look_at_history(leat_engine *worker)
{
    if (worker->recorder == NULL || worker->said_trouble ||
        leat_recorder_trouble(worker->recorder)[0] == '\0')
        return;
    worker->said_trouble = true;
    LEAT_LOG(LEAT_LOG_WARN, "worker.history", "the history has ended",
             LEAT_KV_TEXT("why", leat_recorder_trouble(worker->recorder)));
}

/* Heartbeats come faster while jobs are held, also while none of them runs at this moment. */
static void
say_beat(leat_engine *worker)
{
    uint32_t running = leat_engine_running(worker);
    if (running == 0 && (worker->line.count > 0 || leat_engine_is_blocked(worker)))
        running = 1;
    leat_link_set_beat(worker->link, worker->started, running);
    leat_beat_turn(worker->beat, worker->started, running);
}

/* How long the loop may wait now, ms: until the link or a sleeper is due, and at most the second in
 * which the beat wants to see it turn. */
static int
wait_ms(const leat_engine *worker)
{
    if (worker->backlog || worker->phase == LEAT_WORKER_STOPPED)
        return 0;
    const int64_t now_us = leat_clock_mono_us();
    int64_t due_us = now_us + (int64_t)LEAT_BEAT_TURN_MS * 1000;
    if (worker->kept.again_ms < due_us / 1000)
        due_us = worker->kept.again_ms * 1000;
    const int64_t link_ms = leat_link_due_ms(worker->link);
    if (link_ms < due_us / 1000)
        due_us = link_ms * 1000;
    const int64_t tell_ms = leat_tellings_due_ms(&worker->tellings);
    const int64_t soonest_ms = tell_ms < worker->telling_ms ? tell_ms : worker->telling_ms;
    if (soonest_ms < due_us / 1000)
        due_us = soonest_ms * 1000;
    const int64_t hold_ms = worker->up ? hold_until_ms(worker) : 0;
    if (hold_ms != 0 && hold_ms < due_us / 1000)
        due_us = hold_ms * 1000;
    if (leat_sleep_due_us(&worker->sleep) < due_us)
        due_us = leat_sleep_due_us(&worker->sleep);
    return due_us <= now_us ? 0 : (int)((due_us - now_us + 999) / 1000);
}

static void
wait_for_work(leat_engine *worker)
{
    struct epoll_event events[4];
    const int timeout_ms = wait_ms(worker);
    const int count = epoll_wait(worker->epoll_fd, events, 4, timeout_ms);
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == worker->signal_fd)
            read_signals(worker);
        else if (events[i].data.fd == worker->wake_fd)
            handle_wishes(worker);
    }
}

leat_err
leat_engine_run(leat_engine *worker)
{
    while (worker->phase != LEAT_WORKER_STOPPED) {
        worker->backlog = false;
        handle_events(worker);
        leat_engine_end_tasks(worker);
        leat_engine_end_commands(worker);
        leat_engine_hear_tasks(worker, leat_clock_mono_ms());
        leat_engine_end_sleepers(worker, leat_clock_mono_us());
        if (worker->phase == LEAT_WORKER_WORKING)
            leat_engine_start_jobs(worker);
        if (worker->up)
            leat_tellings_flush(&worker->tellings, worker->link, worker->tells,
                                leat_clock_mono_ms());
        worker->tells = false;
        if (worker->up)
            leat_kept_say(&worker->kept, &worker->outbox, leat_clock_mono_ms());
        say_smaller_window(worker);
        flush(worker);
        if (worker->outbox.failed) {
            fill_name(worker->sentence, sizeof worker->sentence, leat_err_message(LEAT_ERR_NOMEM));
            stop(worker, LEAT_ERR_NOMEM);
        }
        say_beat(worker);
        const int64_t now_ms = leat_clock_mono_ms();
        remind(worker, now_ms);
        look_at_history(worker);
        check_enough(worker, now_ms);
        check_drained(worker, now_ms);
        if (worker->phase != LEAT_WORKER_STOPPED)
            wait_for_work(worker);
    }
    /* The beat must not speak for a session that has said good-bye. */
    leat_beat_destroy(&worker->beat);
    leat_link_bye(&worker->link, worker->result == LEAT_ERR_OK ? BYE_MS : BYE_AT_ONCE_MS);
    return worker->result;
}

uint64_t
leat_engine_ended(const leat_engine *worker)
{
    return worker->ended;
}

uint64_t
leat_engine_failed(const leat_engine *worker)
{
    return worker->failed;
}

uint64_t
leat_engine_stale(const leat_engine *worker)
{
    return worker->stale;
}

const char *
leat_engine_sentence(const leat_engine *worker)
{
    return worker->sentence;
}

int
leat_engine_signal(const leat_engine *worker)
{
    return worker->signal;
}
