/* A peer over a link. See wire.h. */
#include "tests/bench/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
wire_fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
    (void)fflush(stdout);
    _exit(1);
}

void
wire_must(leat_err err, const char *what)
{
    if (err != LEAT_ERR_OK)
        wire_fail(what, leat_err_message(err));
}

/* ------------------------------------------------------------------------------- connection */

void
wire_channel(uint64_t number, char name[WIRE_CHANNEL_BYTES])
{
    (void)snprintf(name, WIRE_CHANNEL_BYTES, "c%06llu", (unsigned long long)number);
}

/* What a worker says of itself. */
static void
describe(leat_hello *hello, const wire_peer *peer)
{
    (void)snprintf(hello->name, sizeof hello->name, "%s", program_invocation_short_name);
    (void)snprintf(hello->host, sizeof hello->host, "bench");
    (void)snprintf(hello->handlers[0].name, sizeof hello->handlers[0].name, WIRE_HANDLER);
    hello->handlers[0].runs = LEAT_RUNS_INLINE;
    hello->handler_count = 1;
    hello->slots = (uint32_t)peer->slots;
    if (peer->channels == 0)
        (void)snprintf(hello->channels[0], sizeof hello->channels[0], "%s", peer->channel);
    for (uint64_t i = 0; i < peer->channels; i++)
        wire_channel(peer->first + i, hello->channels[i]);
    hello->channel_count = peer->channels == 0 ? 1 : (uint32_t)peer->channels;
}

leat_link *
wire_connect(const wire_peer *peer)
{
    char *endpoints[LEAT_LINK_ENDPOINTS_MAX];
    leat_link *link;
    leat_link_options *const options = calloc(1, sizeof *options);
    if (options == NULL)
        wire_fail("connect", "out of memory");
    wire_must(leat_link_endpoints(peer->broker, endpoints, &options->endpoint_count), "--broker");
    options->endpoints = (const char *const *)endpoints;
    options->answers_beats = true;
    options->context = peer->context;
    options->key = peer->key;
    leat_hello *const hello = &options->hello;
    hello->role = peer->role;
    hello->pid = getpid();
    (void)snprintf(hello->software, sizeof hello->software, "%s", program_invocation_short_name);
    if (peer->role == LEAT_ROLE_WORKER)
        describe(hello, peer);
    wire_must(leat_link_new(options, &link), "connect");
    for (size_t i = 0; i < options->endpoint_count; i++)
        free(endpoints[i]);
    free(options);
    return link;
}

bool
wire_next(leat_link *link, leat_link_event *event, bool *up)
{
    while (leat_link_next(link, event)) {
        switch (event->kind) {
        case LEAT_LINK_UP:
            *up = true;
            return true;
        case LEAT_LINK_DOWN:
            if (*up)
                wire_fail("connection", event->sentence);
            break;
        case LEAT_LINK_FRAME:
            return true;
        case LEAT_LINK_UNKNOWN:
        case LEAT_LINK_REFUSED:
            wire_fail("connection", event->kind == LEAT_LINK_REFUSED ? event->sentence : "lost");
        }
    }
    return false;
}

/* ---------------------------------------------------------------------------------- answers */

uint64_t
wire_accepted(const leat_link_event *event)
{
    leat_reader records;
    uint64_t accepted = 0;
    if (event->frame.command != LEAT_CMD_SENT)
        return 0;
    wire_must(leat_sent_open(event->body, event->body_size, event->frame.count, &records), "SENT");
    for (uint16_t i = 0; i < event->frame.count; i++) {
        leat_sent sent;
        leat_sent_next(&records, &sent);
        if (sent.code != LEAT_ERR_OK)
            wire_fail("send", leat_err_message(leat_err_from_number(sent.code)));
        accepted += sent.accepted;
    }
    return accepted;
}

void
wire_check_acked(const leat_link_event *event)
{
    leat_reader records;
    wire_must(leat_acked_open(event->body, event->body_size, event->frame.count, &records),
              "ACKED");
    for (uint16_t i = 0; i < event->frame.count; i++) {
        leat_acked acked;
        leat_acked_next(&records, &acked);
        if (acked.code != LEAT_ERR_OK || acked.exceptions > 0)
            wire_fail("DONE", "the broker did not want an end");
    }
}

/* ------------------------------------------------------------------------------------- work */

void
wire_credit(leat_link *link, uint64_t items)
{
    leat_buf frame = {0};
    const leat_credit credit = {.kind = LEAT_CREDIT_WORK,
                                .handler = LEAT_CREDIT_ALL_HANDLERS,
                                .items = (uint32_t)items,
                                .bytes = UINT32_MAX};
    leat_frame_begin(&frame, LEAT_CMD_CREDIT);
    leat_credit_put(&frame, &credit);
    leat_frame_finish(&frame, 0, 1, 0);
    if (frame.failed)
        wire_fail("CREDIT", "out of memory");
    leat_link_send(link, &frame);
}

void
wire_hands_init(wire_hands *hands, uint64_t hold)
{
    *hands = (wire_hands){.capacity = hold + WIRE_FRAME_JOBS};
    hands->jobs = calloc(hands->capacity, sizeof *hands->jobs);
    if (hands->jobs == NULL)
        wire_fail("hands", "out of memory");
}

void
wire_hands_take(wire_hands *hands, const leat_link_event *event)
{
    leat_jobs_head head;
    leat_reader records;
    wire_must(leat_jobs_open(event->body, event->body_size, event->frame.count, &head, &records),
              "JOBS");
    hands->started = head.first_number - 1;
    for (uint16_t r = 0; r < event->frame.count; r++) {
        leat_jobs_run run;
        leat_jobs_next_run(&records, &run);
        hands->started += run.jobs;
        for (uint16_t i = 0; i < run.jobs; i++) {
            leat_jobs_job job;
            leat_jobs_next_job(&records, &run, &job);
            if (hands->count == hands->capacity)
                wire_fail("JOBS", "more jobs than there was credit for");
            hands->jobs[(hands->first + hands->count++) % hands->capacity] =
                (leat_token){.id = job.id, .attempt = job.attempt, .epoch = head.epoch};
        }
    }
}

leat_token
wire_hands_let_go(wire_hands *hands)
{
    const leat_token token = hands->jobs[hands->first];
    hands->first = (hands->first + 1) % hands->capacity;
    hands->count--;
    return token;
}
