/* scale: many of something, over links and nothing else.
 *
 *   scale workers --count N --slots S [--channels C]  N workers, each with room for S jobs, which
 *                                                     end each job at once
 *   scale idle --count N --key-file F                 N clients that only beat
 *   scale batches --count N --each K                  N sealed batches of K jobs are accepted
 *   scale jobs --channels C --count N --each K        N jobs, K in a frame, for C channels in turn
 *   scale messages --channels C --count N --each K    the same with messages, and all are received
 *
 * Workers and idle clients say "up N SECONDS" when all are welcome, and live until SIGTERM. With
 * --channels each worker serves so many, and the next worker the next ones, from --first.
 * `./dev bench scale` starts brokers and runs this; several processes, because a process has only
 * so many descriptors. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <zmq.h>

#include "proto/base/clock.h"
#include "proto/base/option.h"
#include "tests/bench/wire.h"

#define PAYLOAD_BYTES     64U
#define PATIENCE_MS       60000 /* nothing has been answered for so long: the run has failed */
#define LOOK_MS           100   /* how often peers are asked whether a beat is due */
#define READY_MAX         256   /* peers that are served between two looks */
#define CREDIT_RECORDS    2000U /* in a frame, which must not grow too long */
#define RECEIVE_ITEMS     1000U /* messages of one channel that may be here */
#define SOCKETS_MAX       65535
#define BYE_MS            100
#define STRIDE            7919U /* channels lie in no order that memory would like */
#define RECEIVER_CHANNELS 50000U

typedef struct settings {
    const char *broker;
    const char *channel;
    const char *key_file;
    uint64_t count;
    uint64_t each;
    uint64_t slots;
    uint64_t slice;
    uint64_t channels;
    uint64_t first;
} settings;

static const leat_option rows[] = {
    {"broker",   0,   LEAT_OPTION_TEXT,   "URL",  NULL,      "where the broker is",                    0, 0,                 0,                       NULL},
    {"count",    'n', LEAT_OPTION_NUMBER, "N",    "1",       "peers, batches, jobs, or messages",      1, 0,                 0,
     NULL                                                                                                                                                 },
    {"channel",  'c', LEAT_OPTION_TEXT,   "NAME", "default", "one channel: which",                     0, 0,                 0,                       NULL},
    {"channels", 0,   LEAT_OPTION_NUMBER, "C",    "0",       "many: so many; of workers, each",        0,
     LEAT_CHANNELS_MAX,                                                                                                      0,                       NULL},
    {"first",    0,   LEAT_OPTION_NUMBER, "C",    "0",       "the first of them",                      0, LEAT_CHANNELS_MAX, 0,                       NULL},
    {"each",     'k', LEAT_OPTION_NUMBER, "K",    "1",       "jobs of a batch, or records of a frame", 1,
     WIRE_FRAME_JOBS,                                                                                                        0,                       NULL},
    {"slots",    's', LEAT_OPTION_NUMBER, "S",    "64",      "jobs that a worker has room for",        1,
     LEAT_SLOTS_MAX,                                                                                                         0,                       NULL},
    {"slice",    0,   LEAT_OPTION_NUMBER, "N",    "100",     "peers that connect at the same time",    1, 0,                 0,
     NULL                                                                                                                                                 },
    {"key-file", 0,   LEAT_OPTION_TEXT,   "F",    NULL,      "key of all of them",                     0, 0,                 0,                       NULL},
    {"help",     'h', LEAT_OPTION_FLAG,   NULL,   NULL,      "show this",                              0, 0,                 LEAT_OPTION_NOT_IN_FILE, NULL},
};

/* ------------------------------------------------------------------------------------ peers */

typedef struct peer {
    leat_link *link;
    wire_hands hands; /* of a worker */
    bool up;
} peer;

typedef struct crowd {
    peer *peers;

    uint64_t slots; /* of each; 0: they are clients */
    uint64_t up;
    int epoll_fd;
} crowd;

static volatile sig_atomic_t told_to_end;

static void
on_signal(int number)
{
    (void)number;
    told_to_end = 1;
}

static void
end_jobs(peer *self)
{
    while (self->hands.count > 0 && leat_link_room(self->link) > 0) {
        const uint64_t n =
            self->hands.count < WIRE_FRAME_JOBS ? self->hands.count : WIRE_FRAME_JOBS;
        leat_buf frame = {0};
        leat_frame_begin(&frame, LEAT_CMD_DONE);
        leat_done_put_head(&frame, self->hands.started);
        for (uint64_t i = 0; i < n; i++) {
            const leat_done done = {
                .token = wire_hands_let_go(&self->hands), .end = LEAT_END_DONE, .run_us = 1};
            leat_done_put(&frame, &done);
        }
        leat_frame_finish(&frame, 0, (uint16_t)n, 0);
        if (frame.failed || leat_link_send_sequenced(self->link, &frame) == 0)
            wire_fail("DONE", "out of memory");
    }
    leat_link_set_beat(self->link, self->hands.started, (uint32_t)self->hands.count);
}

static void
serve(crowd *all, peer *self)
{
    leat_link_event event;
    bool works = false;
    /* Until nothing comes: what sending has learnt of the socket is only told by another look. */
    do {
        works = false;
        while (wire_next(self->link, &event, &self->up)) {
            if (event.kind == LEAT_LINK_UP) {
                all->up++;
                if (all->slots > 0)
                    wire_credit(self->link, all->slots);
            } else if (event.frame.command == LEAT_CMD_JOBS) {
                wire_hands_take(&self->hands, &event);
            } else if (event.frame.command == LEAT_CMD_ACKED) {
                wire_check_acked(&event);
            }
            works = true;
        }
        if (all->slots > 0 && self->hands.count > 0)
            end_jobs(self);
    } while (works);
}

static void
add_peer(crowd *all, uint64_t i, const wire_peer *how)
{
    peer *const self = &all->peers[i];
    wire_peer mine = *how;
    mine.first += i * mine.channels;
    self->link = wire_connect(&mine);
    if (all->slots > 0)
        wire_hands_init(&self->hands, all->slots);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = self};
    if (epoll_ctl(all->epoll_fd, EPOLL_CTL_ADD, leat_link_fd_beside_due(self->link), &event) != 0)
        wire_fail("epoll", "too many descriptors");
    serve(all, self);
}

/* All peers until the process is told to end. */
static void
live(crowd *all, const settings *set, const wire_peer *how)
{
    uint64_t started = 0;
    int64_t look_ms = 0;
    bool said = false;
    const int64_t began_ms = leat_clock_mono_ms();
    while (told_to_end == 0) {
        struct epoll_event ready[READY_MAX];
        while (started < set->count && started - all->up < set->slice)
            add_peer(all, started++, how);
        const int n = epoll_wait(all->epoll_fd, ready, READY_MAX, LOOK_MS);
        for (int i = 0; i < n; i++)
            serve(all, ready[i].data.ptr);
        const int64_t now_ms = leat_clock_mono_ms();
        if (now_ms - look_ms >= LOOK_MS) {
            for (uint64_t i = 0; i < started; i++) {
                if (leat_link_due_ms(all->peers[i].link) <= now_ms)
                    serve(all, &all->peers[i]);
            }
            look_ms = now_ms;
        }
        if (!said && all->up == set->count) {
            said = true;
            (void)printf("up %llu %.3f\n", (unsigned long long)all->up,
                         (double)(now_ms - began_ms) * 1e-3);
            (void)fflush(stdout);
        }
    }
}

__attribute__((noreturn)) static void
be_many(const settings *set, bool work)
{
    static leat_key key;
    char why[LEAT_KEY_WHY_BYTES];
    crowd all = {.slots = work ? set->slots : 0, .epoll_fd = epoll_create1(0)};
    all.peers = calloc(set->count, sizeof *all.peers);
    wire_peer how = {
        .role = work ? LEAT_ROLE_WORKER : LEAT_ROLE_CLIENT,
        .broker = set->broker,
        .channel = set->channel,
        .channels = set->channels,
        .first = set->first,
        .slots = set->slots,
        .context = zmq_ctx_new(),
    };
    if (all.peers == NULL || how.context == NULL || all.epoll_fd < 0)
        wire_fail("peers", "out of memory");
    (void)zmq_ctx_set(how.context, ZMQ_MAX_SOCKETS, SOCKETS_MAX);
    if (set->key_file != NULL) {
        if (leat_key_read(set->key_file, LEAT_KEY_OF_PRINCIPAL, &key, why) != LEAT_ERR_OK)
            wire_fail("--key-file", why);
        how.key = &key;
    }
    (void)signal(SIGTERM, on_signal);
    live(&all, set, &how);
    /* Not just gone: jobs that were on their way to a worker that dies are suspects afterwards, and
     * handed out one at a time. */
    for (uint64_t i = 0; i < set->count; i++) {
        if (all.peers[i].link != NULL)
            leat_link_bye(&all.peers[i].link, BYE_MS);
    }
    (void)zmq_ctx_term(how.context); /* until the last one has left */
    _exit(0);
}

/* ------------------------------------------------------------------------------------- sending
 */

typedef enum what {
    BATCHES = 1, /* each frame is a batch */
    JOBS,        /* each frame goes to the next channel */
    MESSAGES,    /* … and has messages */
} what;

/* Frame `number`, of at most `left` records; how many it has. */
static uint64_t
send_frame(leat_link *link, const settings *set, what kind, uint64_t number, uint64_t left)
{
    static const uint8_t payload[PAYLOAD_BYTES];
    char name[WIRE_CHANNEL_BYTES];
    leat_buf frame = {0};
    leat_send_head head = leat_send_head_default();
    head.channel = leat_text_of(set->channel);
    if (set->channels > 0) {
        wire_channel(set->first + number * STRIDE % set->channels, name);
        head.channel = leat_text_of(name);
    }
    head.handler = kind == MESSAGES ? leat_text_of("") : leat_text_of(WIRE_HANDLER);
    head.tag = kind == MESSAGES ? 0 : kind == JOBS ? 1 : (uint32_t)(number + 1);
    const uint64_t n = set->each < left ? set->each : left;
    if (kind == BATCHES || (kind == JOBS && n == left))
        head.flags = LEAT_SEND_SEAL;
    leat_frame_begin(&frame, LEAT_CMD_SEND);
    leat_send_put_head(&frame, &head);
    for (uint64_t i = 0; i < n; i++)
        leat_send_put(&frame, payload, sizeof payload);
    leat_frame_finish(&frame, 0, (uint16_t)n, 0);
    if (frame.failed || leat_link_send_sequenced(link, &frame) == 0)
        wire_fail("send", "out of memory");
    return n;
}

typedef struct sender {
    leat_link *link;
    what kind;
    uint64_t records; /* to be sent */
    uint64_t sent;
    uint64_t accepted;
    uint64_t frames;
    bool up;
} sender;

/* What can be done now; false: there was nothing. */
static bool
push(sender *self, const settings *set)
{
    leat_link_event event;
    bool heard = false;
    for (unsigned i = 0; self->up && i < 64 && self->sent < self->records; i++) {
        if (leat_link_room(self->link) == 0)
            break;
        self->sent +=
            send_frame(self->link, set, self->kind, self->frames++, self->records - self->sent);
    }
    /* After sending: what it has learnt of the socket is only told here. */
    while (wire_next(self->link, &event, &self->up)) {
        self->accepted += wire_accepted(&event);
        heard = true;
    }
    return heard;
}

/* Connected, so that the time that follows is of sending alone. */
static void
come_up(leat_link *link, bool *up)
{
    leat_link_event event;
    while (!*up) {
        if (!wire_next(link, &event, up))
            leat_link_wait(link, leat_clock_mono_ms() + 100);
    }
}

static sender
sender_of(const settings *set, what kind)
{
    const wire_peer how = {.role = LEAT_ROLE_CLIENT, .broker = set->broker};
    sender self = {.link = wire_connect(&how), .kind = kind, .records = set->count};
    if (kind == BATCHES)
        self.records *= set->each;
    come_up(self.link, &self.up);
    return self;
}

static void
send_all(const settings *set, what kind)
{
    sender self = sender_of(set, kind);
    const int64_t start_us = leat_clock_mono_us();
    int64_t heard_ms = leat_clock_mono_ms();
    while (self.accepted < self.records) {
        const bool heard = push(&self, set);
        const int64_t now_ms = leat_clock_mono_ms();
        if (heard)
            heard_ms = now_ms;
        if (now_ms - heard_ms > PATIENCE_MS)
            wire_fail("send", "the broker does not answer");
        if (!heard && (self.sent == self.records || leat_link_room(self.link) == 0))
            leat_link_wait(self.link, now_ms + 1000);
    }
    (void)printf("%.6f\n", (double)(leat_clock_mono_us() - start_us) * 1e-6);
    (void)fflush(stdout);
    leat_link_bye(&self.link, 1000);
}

/* ---------------------------------------------------------------------------------- receiving */

typedef struct receiver {
    leat_link *link;
    uint64_t *ids; /* that came, and are not acknowledged: fewer than all there are */
    uint64_t count;
    uint64_t acknowledged;
    bool up;
} receiver;

/* Say that messages of these channels are wanted. */
static void
ask(leat_link *link, const settings *set, uint64_t from, uint64_t upto)
{
    char name[WIRE_CHANNEL_BYTES];
    while (from < upto) {
        const uint64_t n = upto - from < CREDIT_RECORDS ? upto - from : CREDIT_RECORDS;
        leat_buf frame = {0};
        leat_frame_begin(&frame, LEAT_CMD_CREDIT);
        for (uint64_t i = 0; i < n; i++, from++) {
            leat_credit credit = {.kind = LEAT_CREDIT_RECV, .items = RECEIVE_ITEMS};
            wire_channel(set->first + from, name);
            credit.channel = set->channels == 0 ? leat_text_of(set->channel) : leat_text_of(name);
            leat_credit_put(&frame, &credit);
        }
        leat_frame_finish(&frame, 0, (uint16_t)n, 0);
        if (frame.failed)
            wire_fail("CREDIT", "out of memory");
        leat_link_send(link, &frame);
    }
}

static void
take_messages(receiver *self, const leat_link_event *event)
{
    leat_reader records;
    wire_must(leat_items_open(event->body, event->body_size, event->frame.count, &records),
              "ITEMS");
    for (uint16_t r = 0; r < event->frame.count; r++) {
        leat_items_run run;
        leat_items_next_run(&records, &run);
        for (uint16_t i = 0; run.kind == LEAT_ITEMS_MESSAGES && i < run.n; i++) {
            leat_message message;
            leat_items_next_message(&records, &message);
            if (message.payload.size != PAYLOAD_BYTES)
                wire_fail("ITEMS", "not what was sent");
            self->ids[self->count++] = message.id;
        }
    }
}

static void
acknowledge(receiver *self)
{
    while (self->count > 0 && leat_link_room(self->link) > 0) {
        leat_buf frame = {0};
        const uint64_t n = self->count < WIRE_FRAME_JOBS ? self->count : WIRE_FRAME_JOBS;
        leat_frame_begin(&frame, LEAT_CMD_ACK);
        for (uint64_t i = 0; i < n; i++) {
            const leat_ack ack = {.kind = LEAT_ACK_MESSAGE, .id = self->ids[--self->count]};
            leat_ack_put(&frame, &ack);
        }
        leat_frame_finish(&frame, 0, (uint16_t)n, 0);
        if (frame.failed || leat_link_send_sequenced(self->link, &frame) == 0)
            wire_fail("ACK", "out of memory");
        self->acknowledged += n;
    }
}

static bool
receive(receiver *self)
{
    leat_link_event event;
    bool heard = false;
    acknowledge(self);
    while (wire_next(self->link, &event, &self->up)) {
        if (event.kind == LEAT_LINK_FRAME && event.frame.command == LEAT_CMD_ITEMS)
            take_messages(self, &event);
        else if (event.kind == LEAT_LINK_FRAME && event.frame.command == LEAT_CMD_ACKED)
            wire_check_acked(&event);
        heard = true;
    }
    return heard;
}

/* Time until every message has been received, and this is known to the broker. */
static void
pass_messages(const settings *set)
{
    receiver receivers[LEAT_CHANNELS_MAX / RECEIVER_CHANNELS + 1] = {{0}};
    const uint64_t channels = set->channels == 0 ? 1 : set->channels;
    const uint64_t count = (channels + RECEIVER_CHANNELS - 1) / RECEIVER_CHANNELS;
    sender from = sender_of(set, MESSAGES);
    for (uint64_t i = 0; i < count; i++) {
        const wire_peer how = {.role = LEAT_ROLE_CLIENT, .broker = set->broker};
        const uint64_t end = (i + 1) * RECEIVER_CHANNELS;
        receivers[i] = (receiver){.link = wire_connect(&how)};
        receivers[i].ids = calloc(set->count, sizeof *receivers[i].ids);
        if (receivers[i].ids == NULL)
            wire_fail("receive", "out of memory");
        come_up(receivers[i].link, &receivers[i].up);
        ask(receivers[i].link, set, i * RECEIVER_CHANNELS, end < channels ? end : channels);
    }
    const int64_t start_us = leat_clock_mono_us();
    int64_t heard_ms = leat_clock_mono_ms();
    for (uint64_t done = 0; done < set->count;) {
        bool heard = push(&from, set);
        done = 0;
        for (uint64_t i = 0; i < count; i++) {
            heard |= receive(&receivers[i]);
            done += leat_link_unanswered(receivers[i].link) == 0 ? receivers[i].acknowledged : 0;
        }
        const int64_t now_ms = leat_clock_mono_ms();
        if (heard)
            heard_ms = now_ms;
        if (now_ms - heard_ms > PATIENCE_MS)
            wire_fail("receive", "messages are missing");
        if (!heard)
            leat_link_wait(receivers[0].link, now_ms + 1);
    }
    (void)printf("%.6f\n", (double)(leat_clock_mono_us() - start_us) * 1e-6);
    (void)fflush(stdout);
    for (uint64_t i = 0; i < count; i++) {
        leat_link_bye(&receivers[i].link, 1000);
        free(receivers[i].ids);
    }
    leat_link_bye(&from.link, 1000);
}

/* ------------------------------------------------------------------------------- the program */

static int
run(const char *part, const settings *set)
{
    leat_link_process_init();
    if (strcmp(part, "workers") == 0 || strcmp(part, "idle") == 0)
        be_many(set, strcmp(part, "workers") == 0);
    else if (strcmp(part, "batches") == 0)
        send_all(set, BATCHES);
    else if (strcmp(part, "jobs") == 0)
        send_all(set, JOBS);
    else if (strcmp(part, "messages") == 0)
        pass_messages(set);
    else {
        (void)fputs("scale: say workers, idle, batches, jobs or messages\n", stderr);
        return 2;
    }
    return 0;
}

int
main(int argc, char **argv)
{
    int status = 2;
    leat_options *options = NULL;
    if (leat_options_new(rows, sizeof rows / sizeof *rows, &options) != LEAT_ERR_OK)
        return 1;
    const leat_err err = leat_options_read_arguments(options, argc, argv, false);
    if (err != LEAT_ERR_OK) {
        (void)fprintf(stderr, "scale: %s\n", leat_options_why(options));
    } else if (leat_options_flag(options, "help")) {
        (void)printf("scale workers|idle|batches|jobs|messages [OPTIONS]: many of something\n\n");
        leat_options_print_help(options, stdout);
        status = 0;
    } else {
        const settings set = {
            .broker = leat_options_text(options, "broker"),
            .channel = leat_options_text(options, "channel"),
            .key_file = leat_options_text(options, "key-file"),
            .count = leat_options_number(options, "count"),
            .each = leat_options_number(options, "each"),
            .slots = leat_options_number(options, "slots"),
            .slice = leat_options_number(options, "slice"),
            .channels = leat_options_number(options, "channels"),
            .first = leat_options_number(options, "first"),
        };
        status = run(
            leat_options_operand_count(options) == 1 ? leat_options_operand(options, 0) : "", &set);
    }
    leat_options_destroy(&options);
    return status;
}
