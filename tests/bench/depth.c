/* depth: fills a broker with waiting jobs, or ends a number of them, over a link and nothing else.
 *
 *   depth fill  --jobs N [--lone | --flows F]   N jobs of 64 bytes are accepted
 *   depth drain --jobs N [--shuffle] [--hold H] a worker ends N jobs
 *
 * --lone sends each job in a frame of its own, as `leat submit` does: a batch of one. --flows gives
 * every frame of a few jobs to the next of F flows. A drain holds at most H jobs; with --shuffle it
 * fills its hands first and then ends whichever of them chance says, so that ends have no order.
 * The time of a drain is from the credit (with --shuffle: from full hands) to the answer to the
 * last end. Jobs that it holds at the end go back.
 *
 *   depth churn --jobs N --seconds S            N jobs stay alive while others end
 *
 * A churn has a client and a worker in one: for each job that has ended another one is sent, one in
 * four of them not to be run for up to three seconds; a tenth of the attempts fails and comes again
 * after some; half of what is alive is in the worker's hands, and chance says what ends.
 *
 * `./dev bench depth` and tests/crash/growth.py start brokers and run this. An end that is refused
 * fails the run. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/option.h"
#include "proto/base/random.h"
#include "tests/bench/wire.h"

#define PAYLOAD_BYTES 64U
#define FLOW_JOBS     16U   /* of a flow in one frame: flows lie interleaved in the store */
#define PATIENCE_MS   60000 /* nothing has been answered for so long: the run has failed */
#define CHURN_MS_MAX  3000U /* of delays and back-offs */

typedef struct settings {
    const char *broker;
    const char *channel;
    uint64_t jobs;
    uint64_t flows;
    uint64_t hold;
    uint64_t seconds;
    bool lone;
    bool shuffle;
} settings;

static const leat_option rows[] = {
    {"broker",  0,   LEAT_OPTION_TEXT,   "URL",  NULL,      "where the broker is",                           0, 0,     0,                       NULL},
    {"jobs",    'n', LEAT_OPTION_NUMBER, "N",    "1000000", "jobs to send, or to end",                       1, 0,     0,                       NULL},
    {"channel", 'c', LEAT_OPTION_TEXT,   "NAME", "default", "where they lie",                                0, 0,     0,                       NULL},
    {"flows",   0,   LEAT_OPTION_NUMBER, "F",    "0",       "fill: spread over so many flows; 0: one batch", 0,
     1000000,                                                                                                          0,                       NULL},
    {"lone",    0,   LEAT_OPTION_FLAG,   NULL,   NULL,      "fill: each job is a batch of its own",          0, 0,     0,
     NULL                                                                                                                                           },
    {"hold",    0,   LEAT_OPTION_NUMBER, "H",    "20000",   "drain: jobs in hand at a time",                 1,
     LEAT_SLOTS_MAX,                                                                                                   0,                       NULL},
    {"seconds", 0,   LEAT_OPTION_NUMBER, "S",    "20",      "churn: how long",                               1, 86400, 0,                       NULL},
    {"shuffle", 0,   LEAT_OPTION_FLAG,   NULL,   NULL,      "drain: end them in random order",               0, 0,     0,                       NULL},
    {"help",    'h', LEAT_OPTION_FLAG,   NULL,   NULL,      "show this",                                     0, 0,     LEAT_OPTION_NOT_IN_FILE, NULL},
};

/* ------------------------------------------------------------------------------- connection */

static leat_link *
connect_as(leat_role role, const settings *set)
{
    const wire_peer peer = {
        .role = role, .broker = set->broker, .channel = set->channel, .slots = set->hold};
    return wire_connect(&peer);
}

/* ------------------------------------------------------------------------------------- fill */

/* One frame of at most left jobs; how many it has. */
static uint64_t
send_jobs(leat_link *link, const settings *set, uint64_t frame_number, uint64_t left, bool churn)
{
    static const uint8_t payload[PAYLOAD_BYTES];
    char flow[32];
    leat_buf frame = {0};
    leat_send_head head = leat_send_head_default();
    head.channel = leat_text_of(set->channel);
    head.handler = leat_text_of(WIRE_HANDLER);
    head.tag = set->lone ? 0 : 1;
    uint64_t n = set->lone ? 1 : WIRE_FRAME_JOBS;
    if (set->flows > 0) {
        (void)snprintf(flow, sizeof flow, "f%llu", (unsigned long long)(frame_number % set->flows));
        head.settings.flow = leat_text_of(flow);
        const uint64_t each = set->jobs / set->flows;
        n = each < 1 ? 1 : each < FLOW_JOBS ? each : FLOW_JOBS;
    }
    n = n < left ? n : left;
    if (churn) {
        head.settings.failures = UINT16_MAX;
        head.settings.backoff_min_ms = CHURN_MS_MAX / 6;
        head.settings.backoff_max_ms = CHURN_MS_MAX;
        head.settings.delay_ms = frame_number % 4 == 3 ? 1 + frame_number * 7919 % CHURN_MS_MAX : 0;
        head.tag = (uint32_t)(1 + frame_number / 64);
        head.flags = frame_number % 64 == 63 ? LEAT_SEND_SEAL : 0;
    } else if (n == left && !set->lone) {
        head.flags = LEAT_SEND_SEAL;
    }
    leat_frame_begin(&frame, LEAT_CMD_SEND);
    leat_send_put_head(&frame, &head);
    for (uint64_t i = 0; i < n; i++)
        leat_send_put(&frame, payload, sizeof payload);
    leat_frame_finish(&frame, 0, (uint16_t)n, 0);
    if (frame.failed || leat_link_send_sequenced(link, &frame) == 0)
        wire_fail("send", "out of memory");
    return n;
}

static double
fill(leat_link *link, const settings *set)
{
    bool up = false;
    uint64_t sent = 0;
    uint64_t accepted = 0;
    uint64_t frames = 0;
    int64_t start_us = 0;
    int64_t heard_ms = leat_clock_mono_ms();
    while (accepted < set->jobs) {
        leat_link_event event;
        for (unsigned i = 0; up && i < 64 && sent < set->jobs && leat_link_room(link) > 0; i++)
            sent += send_jobs(link, set, frames++, set->jobs - sent, false);
        /* After sending: what it has learnt of the socket is only told here. */
        while (wire_next(link, &event, &up)) {
            if (event.kind == LEAT_LINK_UP)
                start_us = leat_clock_mono_us();
            else
                accepted += wire_accepted(&event);
            heard_ms = leat_clock_mono_ms();
        }
        if (leat_clock_mono_ms() - heard_ms > PATIENCE_MS)
            wire_fail("send", "the broker does not answer");
        if (accepted < set->jobs && (!up || sent == set->jobs || leat_link_room(link) == 0))
            leat_link_wait(link, leat_clock_mono_ms() + 1000);
    }
    return (double)(leat_clock_mono_us() - start_us) * 1e-6;
}

/* ------------------------------------------------------------------------------------ drain */

typedef struct hands {
    wire_hands held;
    uint64_t ended;
    leat_random random;
} hands;

/* The oldest, or any. */
static leat_token
let_go(hands *self, bool shuffle)
{
    wire_hands *const held = &self->held;
    if (shuffle) {
        leat_token *const first = &held->jobs[held->first];
        const uint64_t at =
            (held->first + leat_random_below(&self->random, held->count)) % held->capacity;
        const leat_token swap = *first;
        *first = held->jobs[at];
        held->jobs[at] = swap;
    }
    return wire_hands_let_go(held);
}

/* n ends; each is done but for one in `fail_one_in`. Returns how many are done. */
static uint64_t
send_ends(leat_link *link, hands *self, uint64_t n, bool shuffle, uint64_t fail_one_in)
{
    uint64_t ended = 0;
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_DONE);
    leat_done_put_head(&frame, self->held.started);
    for (uint64_t i = 0; i < n; i++) {
        const bool fails = fail_one_in > 0 && leat_random_below(&self->random, fail_one_in) == 0;
        const leat_done done = {.token = let_go(self, shuffle),
                                .end = fails ? LEAT_END_FAILED : LEAT_END_DONE,
                                .run_us = 1};
        leat_done_put(&frame, &done);
        ended += !fails;
    }
    leat_frame_finish(&frame, 0, (uint16_t)n, 0);
    if (frame.failed || leat_link_send_sequenced(link, &frame) == 0)
        wire_fail("DONE", "out of memory");
    return ended;
}

/* Say as many ends as there are and the link has room for. `spare` jobs stay in hand, unless they
 * are needed to come to the end. */
static void
end_jobs(leat_link *link, hands *self, const settings *set, uint64_t spare)
{
    while (self->ended < set->jobs && leat_link_room(link) > 0) {
        const uint64_t left = set->jobs - self->ended;
        const uint64_t stay = left <= spare ? 0 : spare;
        uint64_t n = self->held.count <= stay ? 0 : self->held.count - stay;
        n = n < left ? n : left;
        n = n < WIRE_FRAME_JOBS ? n : WIRE_FRAME_JOBS;
        if (n == 0)
            return;
        self->ended += send_ends(link, self, n, set->shuffle, 0);
    }
    leat_link_set_beat(link, self->held.started, (uint32_t)self->held.count);
}

static double
drain(leat_link *link, const settings *set)
{
    hands self = {0};
    wire_hands_init(&self.held, set->hold);
    leat_random_seed(&self.random, 1);
    bool up = false;
    bool begun = false;
    int64_t start_us = 0;
    int64_t heard_ms = leat_clock_mono_ms();
    for (;;) {
        leat_link_event event;
        if (up && !begun && (!set->shuffle || self.held.count >= set->hold)) {
            begun = true;
            start_us = leat_clock_mono_us();
        }
        if (begun)
            end_jobs(link, &self, set, set->shuffle ? set->hold / 2 : 0);
        /* After sending: what it has learnt of the socket is only told here. */
        bool heard = false;
        while (wire_next(link, &event, &up)) {
            if (event.kind == LEAT_LINK_UP)
                wire_credit(link, set->hold);
            else if (event.frame.command == LEAT_CMD_JOBS)
                wire_hands_take(&self.held, &event);
            else if (event.frame.command == LEAT_CMD_ACKED)
                wire_check_acked(&event);
            heard = true;
        }
        if (heard)
            heard_ms = leat_clock_mono_ms();
        if (self.ended == set->jobs && leat_link_unanswered(link) == 0)
            break;
        if (leat_clock_mono_ms() - heard_ms > PATIENCE_MS)
            wire_fail("drain", "the broker has no more jobs, or does not answer");
        if (!heard)
            leat_link_wait(link, leat_clock_mono_ms() + 1000);
    }
    free(self.held.jobs);
    return (double)(leat_clock_mono_us() - start_us) * 1e-6;
}

/* ------------------------------------------------------------------------------------ churn */

/* Jobs that came to the worker, and answers, as far as they are here. False: there was nothing. */
static bool
read_both(
    leat_link *client, leat_link *worker, const settings *set, hands *self, uint64_t *accepted)
{
    static bool client_up;
    static bool worker_up;
    leat_link_event event;
    bool heard = false;
    while (wire_next(client, &event, &client_up)) {
        if (event.kind == LEAT_LINK_FRAME)
            *accepted += wire_accepted(&event);
        heard = true;
    }
    while (wire_next(worker, &event, &worker_up)) {
        if (event.kind == LEAT_LINK_UP)
            wire_credit(worker, set->hold);
        else if (event.frame.command == LEAT_CMD_JOBS)
            wire_hands_take(&self->held, &event);
        else if (event.frame.command == LEAT_CMD_ACKED)
            wire_check_acked(&event);
        heard = true;
    }
    return heard;
}

/* Both are idle for the moment; heartbeats are due at times. */
static void
wait_for_both(leat_link *client, leat_link *worker)
{
    struct pollfd fds[2] = {
        {.fd = leat_link_fd(client), .events = POLLIN},
        {.fd = leat_link_fd(worker), .events = POLLIN},
    };
    (void)poll(fds, 2, 20);
}

/* Jobs that have ended. */
static uint64_t
churn(const settings *set)
{
    hands self = {0};
    leat_link *client = connect_as(LEAT_ROLE_CLIENT, set);
    leat_link *worker = connect_as(LEAT_ROLE_WORKER, set);
    wire_hands_init(&self.held, set->hold);
    leat_random_seed(&self.random, 1);
    uint64_t sent = 0;     /* jobs */
    uint64_t accepted = 0; /* … and answered */
    uint64_t frames = 0;
    const int64_t end_ms = leat_clock_mono_ms() + (int64_t)set->seconds * 1000;
    while (leat_clock_mono_ms() < end_ms) {
        const bool heard = read_both(client, worker, set, &self, &accepted);
        bool said = false;
        while (leat_link_is_up(client) && leat_link_room(client) > 0 &&
               sent - self.ended + WIRE_FRAME_JOBS <= set->jobs) {
            sent += send_jobs(client, set, frames++, WIRE_FRAME_JOBS, true);
            said = true;
        }
        /* Not before there is a choice, and never all that is in hand. */
        while (accepted >= set->jobs / 2 && leat_link_room(worker) > 0 &&
               self.held.count > set->hold / 2 + WIRE_FRAME_JOBS) {
            self.ended += send_ends(worker, &self, WIRE_FRAME_JOBS, true, 10);
            said = true;
        }
        leat_link_set_beat(worker, self.held.started, (uint32_t)self.held.count);
        if (!heard && !said)
            wait_for_both(client, worker);
    }
    leat_link_bye(&client, 1000);
    leat_link_bye(&worker, 1000);
    free(self.held.jobs);
    return self.ended;
}

/* ------------------------------------------------------------------------------------ the program
 */

static int
measure(const char *what, const settings *set)
{
    const bool fills = strcmp(what, "fill") == 0;
    leat_link_process_init();
    if (strcmp(what, "churn") == 0) {
        const uint64_t ended = churn(set);
        (void)printf("%llu ended in %llu s\n", (unsigned long long)ended,
                     (unsigned long long)set->seconds);
        return 0;
    }
    leat_link *link = connect_as(fills ? LEAT_ROLE_CLIENT : LEAT_ROLE_WORKER, set);
    const double seconds = fills ? fill(link, set) : drain(link, set);
    (void)printf("%.6f s  %.0f jobs/s  %s %llu\n", seconds, (double)set->jobs / seconds, what,
                 (unsigned long long)set->jobs);
    (void)fflush(stdout);
    leat_link_bye(&link, 1000);
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
    const char *const what = err == LEAT_ERR_OK && leat_options_operand_count(options) == 1
                                 ? leat_options_operand(options, 0)
                                 : "";
    if (err != LEAT_ERR_OK) {
        (void)fprintf(stderr, "depth: %s\n", leat_options_why(options));
    } else if (leat_options_flag(options, "help")) {
        (void)printf("depth fill|drain|churn [OPTIONS]: many waiting jobs, and their ends\n\n");
        leat_options_print_help(options, stdout);
        status = 0;
    } else if (strcmp(what, "fill") != 0 && strcmp(what, "drain") != 0 &&
               strcmp(what, "churn") != 0) {
        (void)fputs("depth: say fill, drain or churn\n", stderr);
    } else {
        const settings set = {
            .broker = leat_options_text(options, "broker"),
            .channel = leat_options_text(options, "channel"),
            .jobs = leat_options_number(options, "jobs"),
            .flows = leat_options_number(options, "flows"),
            .hold = leat_options_number(options, "hold"),
            .seconds = leat_options_number(options, "seconds"),
            .lone = leat_options_flag(options, "lone"),
            .shuffle = leat_options_flag(options, "shuffle"),
        };
        status = measure(what, &set);
    }
    leat_options_destroy(&options);
    return status;
}
