/* The face of a link: making one, waiting for it, small answers, the end. */
#include "proto/link/link.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/link/machine.h"

#define COPY_BYTES   4096U /* a body up to this is copied when it is taken */
#define SLEEP_MS_MAX 60000

/* --------------------------------------------------------------------------------- making one */

static void
free_endpoints(leat_link *link)
{
    for (size_t i = 0; i < link->endpoint_count; i++)
        free(link->endpoints[i]);
    link->endpoint_count = 0;
}

static leat_err
copy_endpoints(leat_link *link, const leat_link_options *options)
{
    if (options->endpoint_count == 0 || options->endpoint_count > LEAT_LINK_ENDPOINTS_MAX)
        return LEAT_ERR_CONFIG;
    for (size_t i = 0; i < options->endpoint_count; i++) {
        if (!leat_link_endpoint_is_valid(options->endpoints[i]))
            return LEAT_ERR_CONFIG;
        link->endpoints[i] = strdup(options->endpoints[i]);
        if (link->endpoints[i] == NULL)
            return LEAT_ERR_NOMEM;
        link->endpoint_count++;
    }
    return LEAT_ERR_OK;
}

static leat_err
open_descriptors(leat_link *link)
{
    link->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    link->left_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    link->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (link->epoll_fd < 0 || link->left_fd < 0 || link->wake_fd < 0)
        return leat_err_from_errno(errno);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = link->left_fd};
    if (epoll_ctl(link->epoll_fd, EPOLL_CTL_ADD, link->left_fd, &event) != 0)
        return leat_err_from_errno(errno);
    event.data.fd = link->wake_fd;
    if (epoll_ctl(link->epoll_fd, EPOLL_CTL_ADD, link->wake_fd, &event) != 0)
        return leat_err_from_errno(errno);
    return LEAT_ERR_OK;
}

static bool
is_zero(const leat_session_id *id)
{
    static const leat_session_id zero;
    return memcmp(id, &zero, sizeof zero) == 0;
}

void
leat_link_set_key(leat_link *link, const leat_key *key)
{
    link->key = *key;
    (void)snprintf(link->handshake, sizeof link->handshake,
                   "the handshake failed: the broker has another key than %s.key says, or none",
                   key->name);
}

bool
leat_link_has_key(const leat_link *link)
{
    return link->key.name[0] != '\0';
}

leat_err
leat_link_new(const leat_link_options *options, leat_link **out)
{
    leat_link_process_init();

    leat_link *link = calloc(1, sizeof *link);
    if (link == NULL)
        return LEAT_ERR_NOMEM;
    link->epoll_fd = link->left_fd = link->wake_fd = -1;
    leat_list_init(&link->waiting);
    (void)zmq_msg_init(&link->current);
    link->answers_beats = options->answers_beats;
    link->hello = options->hello;
    link->hello.resume = options->hello.role == LEAT_ROLE_BEAT;
    link->hello.connection = 0;
    if (is_zero(&link->hello.session))
        link->hello.session = leat_session_id_new();
    link->beat.running = options->running;
    link->backoff_ms = LEAT_RECONNECT_MS_MIN;
    link->down_since_ms = leat_clock_mono_ms();
    link->expected_ms = INT64_MAX;
    uint64_t seed = (uint64_t)leat_clock_mono_us();
    if (leat_random_bytes_system(&seed, sizeof seed) != LEAT_ERR_OK)
        seed ^= (uint64_t)getpid() << 32;
    leat_random_seed(&link->random, seed);

    if (options->key != NULL)
        leat_link_set_key(link, options->key);

    leat_err err = copy_endpoints(link, options);
    if (err != LEAT_ERR_OK)
        goto done;
    err = open_descriptors(link);
    if (err != LEAT_ERR_OK)
        goto done;
    link->context = options->context;
    if (link->context == NULL) {
        link->own_context = true;
        link->context = zmq_ctx_new();
        if (link->context == NULL)
            err = LEAT_ERR_NOMEM;
    }

done:
    if (err != LEAT_ERR_OK)
        leat_link_destroy(&link);
    else
        *out = link;
    return err;
}

static void
destroy(leat_link *link, int linger_ms)
{
    leat_link_drop_waiting(link);
    leat_window_reset(&link->window);
    (void)zmq_msg_close(&link->current);
    leat_connection_close(&link->connection, linger_ms);
    if (link->own_context && link->context != NULL)
        while (zmq_ctx_term(link->context) != 0 && errno == EINTR)
            continue;
    if (link->wake_fd >= 0)
        (void)close(link->wake_fd);
    if (link->left_fd >= 0)
        (void)close(link->left_fd);
    if (link->epoll_fd >= 0)
        (void)close(link->epoll_fd);
    free_endpoints(link);
    leat_key_wipe(&link->key);
    free(link);
}

void
leat_link_destroy(leat_link **link_p)
{
    leat_link *const link = *link_p;
    *link_p = NULL;
    if (link != NULL)
        destroy(link, 0);
}

/* ------------------------------------------------------------------------------ waking up */

/* Bring left_fd in line with what is left. A caller that asks leat_link_due_ms before it waits is
 * told there, without these calls into the kernel, two for each frame. */
static void
show_left(leat_link *link)
{
    uint64_t count = 1;
    if (link->shown == link->left)
        return;
    const ssize_t n = link->left ? write(link->left_fd, &count, sizeof count)
                                 : read(link->left_fd, &count, sizeof count);
    (void)n; /* a counter of 1 can neither overflow nor be empty */
    link->shown = link->left;
}

void
leat_link_set_left(leat_link *link, bool left)
{
    link->left = left;
    if (link->is_polled)
        show_left(link);
}

void
leat_link_note_sent(leat_link *link)
{
    link->unsure = true;
    if (link->is_polled && leat_link_has_more(link))
        leat_link_set_left(link, true);
}

bool
leat_link_has_more(const leat_link *link)
{
    const int ready = leat_connection_ready(&link->connection);
    return (ready & ZMQ_POLLIN) != 0 ||
           ((ready & ZMQ_POLLOUT) != 0 && !leat_list_is_empty(&link->waiting));
}

void
leat_link_wake(leat_link *link)
{
    const uint64_t one = 1;
    const ssize_t n = write(link->wake_fd, &one, sizeof one);
    (void)n; /* only full when it has been woken 2^64 times */
}

int
leat_link_fd(leat_link *link)
{
    link->is_polled = true;
    if (link->unsure && leat_link_has_more(link))
        link->left = true;
    show_left(link);
    return link->epoll_fd;
}

int
leat_link_fd_beside_due(const leat_link *link)
{
    return link->epoll_fd;
}

int64_t
leat_link_due_ms(const leat_link *link)
{
    if (link->left || link->pending != LEAT_PENDING_NONE ||
        (link->unsure && leat_link_has_more(link)))
        return 0;
    switch (link->phase) {
    case LEAT_PHASE_REST:
    case LEAT_PHASE_CONNECTING:
    case LEAT_PHASE_GREETING:
        return link->deadline_ms;
    case LEAT_PHASE_UP: {
        const int64_t silent_ms = link->heard_ms + link->welcome.lost_ms;
        return link->answers_beats && silent_ms < link->beat_ms ? silent_ms : link->beat_ms;
    }
    case LEAT_PHASE_STOPPED:
        break;
    }
    return INT64_MAX;
}

void
leat_link_wait(leat_link *link, int64_t until_ms)
{
    const int64_t due_ms = leat_link_due_ms(link);
    const int64_t end_ms = due_ms < until_ms ? due_ms : until_ms;
    const int64_t now_ms = leat_clock_mono_ms();
    int64_t left_ms = end_ms > now_ms ? end_ms - now_ms : 0;
    if (left_ms > SLEEP_MS_MAX)
        left_ms = SLEEP_MS_MAX; /* "may be an event": waking up for nothing is allowed */

    struct epoll_event events[4];
    const int n = epoll_wait(link->epoll_fd, events, 4, (int)left_ms);
    for (int i = 0; i < n; i++) {
        uint64_t count;
        if (events[i].data.fd == link->wake_fd && read(link->wake_fd, &count, sizeof count) < 0)
            continue; /* somebody else has read it */
    }
}

/* -------------------------------------------------------------------------- taken bodies */

/* A taken body and, behind it, its bytes or the message that holds them. */
typedef struct taken_body {
    leat_link_body body; /* first */
    bool is_message;
    zmq_msg_t msg;
} taken_body;

leat_link_body *
leat_link_take_body(leat_link *link)
{
    if (!link->holding)
        return NULL;
    const size_t size = zmq_msg_size(&link->current) - LEAT_FRAME_BYTES;
    const bool copy = size <= COPY_BYTES;
    taken_body *const taken = malloc(sizeof *taken + (copy ? size : 0));
    if (taken == NULL)
        return NULL;
    (void)zmq_msg_init(&taken->msg);
    taken->is_message = !copy;
    taken->body.size = size;
    if (copy) {
        uint8_t *const bytes = (uint8_t *)(taken + 1);
        memcpy(bytes, (const uint8_t *)zmq_msg_data(&link->current) + LEAT_FRAME_BYTES, size);
        taken->body.data = bytes;
    } else {
        (void)zmq_msg_move(&taken->msg, &link->current);
        taken->body.data = (const uint8_t *)zmq_msg_data(&taken->msg) + LEAT_FRAME_BYTES;
    }
    link->holding = false;
    return &taken->body;
}

void
leat_link_body_free(leat_link_body **body_p)
{
    if (*body_p == NULL)
        return;
    taken_body *const taken = LEAT_CONTAINER_OF(*body_p, taken_body, body);
    *body_p = NULL;
    (void)zmq_msg_close(&taken->msg);
    free(taken);
}

/* ---------------------------------------------------------------------------- small answers */

uint32_t
leat_link_room(const leat_link *link)
{
    return leat_window_room(&link->window,
                            link->welcomed ? link->welcome.window_frames : LEAT_WINDOW_FRAMES);
}

uint32_t
leat_link_unanswered(const leat_link *link)
{
    return link->window.unanswered;
}

bool
leat_link_is_up(const leat_link *link)
{
    return link->phase == LEAT_PHASE_UP;
}

int64_t
leat_link_down_since_ms(const leat_link *link)
{
    return link->down_since_ms;
}

const char *
leat_link_endpoint(const leat_link *link)
{
    return link->endpoints[link->at];
}

const leat_session_id *
leat_link_session(const leat_link *link)
{
    return &link->hello.session;
}

/* ---------------------------------------------------------------------------------- the end */

/* The broker died while nobody looked: what waits for it waits in vain. */
static bool
is_gone(leat_link *link)
{
    leat_connection_news news;
    do {
        news = leat_connection_next_news(&link->connection);
    } while (news != LEAT_CONNECTION_QUIET && news != LEAT_CONNECTION_GONE);
    return news == LEAT_CONNECTION_GONE;
}

void
leat_link_bye(leat_link **link_p, int linger_ms)
{
    leat_link *const link = *link_p;
    *link_p = NULL;
    if (link == NULL)
        return;
    if (link->phase == LEAT_PHASE_UP) {
        const int64_t end_ms = leat_clock_mono_ms() + linger_ms;
        leat_buf frame = {0};
        zmq_msg_t msg;
        leat_frame_begin(&frame, LEAT_CMD_BYE);
        leat_frame_finish(&frame, 0, 0, 0);
        if (leat_link_take_frame(&frame, &msg))
            leat_link_post(link, &msg, 0);
        leat_link_send_waiting(link);
        for (int64_t now_ms = leat_clock_mono_ms();
             !leat_list_is_empty(&link->waiting) && now_ms < end_ms && !is_gone(link);
             now_ms = leat_clock_mono_ms()) {
            zmq_pollitem_t items[] = {
                {.socket = link->connection.socket,  .events = ZMQ_POLLOUT},
                {.socket = link->connection.monitor, .events = ZMQ_POLLIN },
            };
            (void)zmq_poll(items, 2, (long)(end_ms - now_ms));
            leat_link_send_waiting(link);
        }
    }
    destroy(link, linger_ms);
}

static void
seed_process(void)
{
    unsigned seed;
    if (leat_random_bytes_system(&seed, sizeof seed) != LEAT_ERR_OK)
        seed = (unsigned)leat_clock_mono_us() ^ (unsigned)getpid();
    srandom(seed);
}

void
leat_link_process_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, seed_process);
}
