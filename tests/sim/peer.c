/* The peers: what proto/link, the worker and the client do, as far as the broker can see it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

#define MAX_RUN_MS 2500

/* ---------------------------------------------------------------------------------- speaking */

void
sim_peer_say(sim *s, sim_peer *peer, leat_buf *frame_p)
{
    if (!peer->deaf)
        peer->told = peer->got;
    leat_frame_set_seen(frame_p->data, peer->told);
    peer->beat_ms = s->now.mono_ms;
    sim_send_up(s, peer, frame_p);
}

sim_said *
sim_peer_tell(sim *s, sim_peer *peer, leat_buf *frame_p)
{
    if (peer->said_count == peer->said_capacity) {
        peer->said_capacity = peer->said_capacity == 0 ? 32 : peer->said_capacity * 2;
        peer->said = realloc(peer->said, peer->said_capacity * sizeof *peer->said);
        if (peer->said == NULL)
            abort();
    }
    sim_said *const said = &peer->said[peer->said_count++];
    *said = (sim_said){.sequence = ++peer->sequence};
    leat_frame_set_sequence(frame_p->data, said->sequence);
    leat_put_bytes(&said->frame, frame_p->data, frame_p->size);
    said->command = (leat_command)frame_p->data[3];
    if (peer->state == SIM_UP || peer->state == SIM_LEAVING)
        sim_peer_say(s, peer, frame_p);
    else
        leat_buf_fini(frame_p);
    return said;
}

sim_said *
sim_peer_said(sim_peer *peer, uint64_t sequence)
{
    return sequence == 0 || sequence > peer->said_count ? NULL : &peer->said[sequence - 1];
}

static void
beat(sim *s, sim_peer *peer)
{
    leat_buf frame = {0};
    uint32_t running = 0;
    for (size_t i = 0; i < peer->hold_count; i++)
        running += peer->holds[i].state == SIM_RUNNING;
    leat_frame_begin(&frame, LEAT_CMD_HEARTBEAT);
    leat_heartbeat_put(&frame, &(leat_heartbeat){.started = peer->started, .running = running});
    leat_frame_finish(&frame, 0, 1, 0);
    sim_peer_say(s, peer, &frame);
}

static void
say_credit(sim *s, sim_peer *peer, const leat_credit *credit)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_CREDIT);
    leat_credit_put(&frame, credit);
    leat_frame_finish(&frame, 0, 1, 0);
    sim_peer_say(s, peer, &frame);
}

static void
say_work(sim *s, sim_peer *peer, uint32_t items)
{
    say_credit(s, peer,
               &(leat_credit){.kind = LEAT_CREDIT_WORK,
                              .handler = LEAT_CREDIT_ALL_HANDLERS,
                              .items = items,
                              .bytes = 64U << 20});
}

/* ---------------------------------------------------------------------------------- sessions */

static void
new_session(sim *s, sim_peer *peer)
{
    for (size_t i = 0; i < peer->said_count; i++) {
        leat_buf_fini(&peer->said[i].frame);
        free(peer->said[i].reports);
    }
    peer->said_count = 0;
    for (size_t i = 0; i < peer->hold_count; i++) {
        sim_job *const job = sim_job_find(s, peer->holds[i].token.id);
        if (job != NULL && job->holder == peer)
            job->holder = NULL;
    }
    peer->hold_count = peer->report_count = 0;
    peer->sequence = peer->got = peer->told = peer->started = peer->last_number = 0;
    peer->connection = 0;
    peer->broken_ms = 0;
    peer->welcomed = false;
    peer->generation++;
    peer->tag = 0;
    peer->tags = 0;
    peer->wait_count = 0;
    peer->message_count = 0;
    leat_store_u64(peer->session.bytes, ++s->sessions << 16);
    leat_store_u64(peer->session.bytes + 8, peer->index + 1);
}

void
sim_peer_init(sim *s, sim_peer *peer, bool worker)
{
    *peer = (sim_peer){.index = s->peer_count++, .worker = worker};
    peer->slots = 1 + (uint32_t)sim_below(s, 6);
    peer->handler_mask = sim_chance(s, 70000) ? 15 : 1 + (unsigned)sim_below(s, 15);
    peer->holds = calloc(SIM_HELD_MAX, sizeof *peer->holds);
    peer->reports = calloc(SIM_HELD_MAX, sizeof *peer->reports);
    if (peer->holds == NULL || peer->reports == NULL)
        abort();
    peer->wake_ms = s->now.mono_ms + (int64_t)sim_below(s, 500);
    peer->gpus = sim_chance(s, 60000) ? 1 + (unsigned)sim_below(s, 2) : 0;
    peer->cpus = sim_chance(s, 60000) ? 2 + (unsigned)sim_below(s, 3) : 0;
    peer->zone = (unsigned)sim_below(s, 3);
    new_session(s, peer);
}

void
sim_peer_free(sim_peer *peer)
{
    for (size_t i = 0; i < peer->said_count; i++) {
        leat_buf_fini(&peer->said[i].frame);
        free(peer->said[i].reports);
    }
    free(peer->said);
    free(peer->holds);
    free(peer->reports);
}

static void
add_have(leat_hello *hello, const char *name, unsigned amount)
{
    if (amount == 0)
        return;
    leat_hello_have *const have = &hello->haves[hello->have_count++];
    (void)snprintf(have->name, sizeof have->name, "%s", name);
    have->amount = amount;
}

static void
connect_peer(sim *s, sim_peer *peer)
{
    static leat_hello hello; /* 60 KiB */
    leat_buf frame = {0};
    uint64_t floor = 0;
    while (floor < peer->said_count && peer->said[floor].arrived)
        floor++;
    hello = (leat_hello){
        .role = peer->worker ? LEAT_ROLE_WORKER : LEAT_ROLE_CLIENT,
        .session = peer->session,
        .resume = peer->welcomed,
        .connection = ++peer->connection,
        .floor = floor,
        .pid = 1,
    };
    (void)snprintf(hello.software, sizeof hello.software, "sim");
    (void)snprintf(hello.host, sizeof hello.host, "here");
    if (peer->worker) {
        (void)snprintf(hello.name, sizeof hello.name, "w%u", peer->index);
        hello.slots = peer->slots;
        for (unsigned i = 0; i < SIM_HANDLERS; i++) {
            if ((peer->handler_mask >> i & 1U) != 0)
                hello.handlers[hello.handler_count++] = sim_handlers[i];
        }
        for (unsigned i = 0; i < SIM_CHANNELS; i++) {
            if (!sim_channels[i].messages)
                (void)snprintf(hello.channels[hello.channel_count++], sizeof hello.channels[0],
                               "%s", sim_channels[i].name);
        }
        add_have(&hello, "cpus", peer->cpus);
        add_have(&hello, "gpu", peer->gpus);
        if (peer->zone != 0) {
            hello.trait_count = 1;
            (void)snprintf(hello.traits[0].name, sizeof hello.traits[0].name, "zone");
            (void)snprintf(hello.traits[0].value, sizeof hello.traits[0].value, "%s",
                           peer->zone == 1 ? "a" : "b");
        }
    }
    peer->route = ++s->routes;
    peer->state = SIM_HELLO;
    peer->heard_ms = s->now.mono_ms;
    peer->shaky_ms = 0;
    peer->core_out = peer->core_seen = 0;
    for (unsigned i = 0; i < SIM_CHANNELS; i++)
        peer->recv[i] = (sim_recv){.on = peer->recv[i].on};
    leat_hello_put(&frame, &hello, peer->got);
    peer->told = peer->got;
    sim_note(s, "peer %u says HELLO, connection %" PRIu64 ", seen %" PRIu64, peer->index,
             peer->connection, peer->got);
    sim_send_up(s, peer, &frame);
}

bool
sim_peer_is_steady(const sim *s, const sim_peer *peer)
{
    if (peer->broken_ms == 0)
        return true;
    if (peer->broken_life == s->life)
        return s->now.mono_ms - peer->broken_ms <= SIM_STEADY_MS;
    return s->now.mono_ms - s->boot_ms <= SIM_RESTARTED_MS;
}

void
sim_peer_untrust(sim_peer *peer)
{
    for (size_t i = 0; i < peer->hold_count; i++)
        peer->holds[i].trusted = false;
    for (size_t i = 0; i < peer->said_count; i++) {
        for (unsigned k = 0; k < peer->said[i].report_count; k++)
            peer->said[i].reports[k].trusted = false;
    }
}

static bool
is_memory(sim *s, uint64_t id)
{
    const sim_job *const job = sim_job_find(s, id);
    return job != NULL && job->channel->durability == SIM_MEMORY;
}

void
sim_peer_untrust_memory(sim *s, sim_peer *peer)
{
    for (size_t i = 0; i < peer->hold_count; i++)
        peer->holds[i].trusted &= !is_memory(s, peer->holds[i].token.id);
    for (size_t i = 0; i < peer->said_count; i++) {
        sim_said *const said = &peer->said[i];
        for (unsigned k = 0; k < said->report_count; k++)
            said->reports[k].trusted &= !is_memory(s, said->reports[k].token.id);
    }
}

void
sim_peer_cut(sim *s, sim_peer *peer)
{
    if (peer->route == 0)
        return;
    sim_note(s, "peer %u is cut", peer->index);
    sim_cut_route(s, peer->route);
    if (peer->broken_ms == 0) {
        peer->broken_ms = s->now.mono_ms;
        peer->broken_life = s->life;
    }
    peer->route = 0;
    peer->state = SIM_DOWN;
    peer->message_count = 0;
    peer->wake_ms = s->now.mono_ms + 20 + (int64_t)sim_below(s, sim_chance(s, 15000) ? 15000 : 900);
    s->figures.cuts++;
}

/* What it has not been answered stays unknown; another process begins. */
static void
forget(sim *s, sim_peer *peer)
{
    for (size_t i = 0; i < peer->said_count; i++) {
        const sim_said *const said = &peer->said[i];
        if ((said->command == LEAT_CMD_SEND || said->command == LEAT_CMD_SELECT) && !said->arrived)
            s->ops[said->op].status = SIM_OP_UNKNOWN;
    }
    new_session(s, peer);
}

void
sim_peer_crash(sim *s, sim_peer *peer)
{
    sim_note(s, "peer %u crashes", peer->index);
    sim_peer_cut(s, peer);
    forget(s, peer);
    peer->state = SIM_DOWN;
    peer->stall_ms = 0;
    peer->wake_ms = s->now.mono_ms + 50 + (int64_t)sim_below(s, 3000);
    s->figures.crashes++;
}

/* ---------------------------------------------------------------------------------- worker */

static void
drop_hold(sim *s, sim_peer *peer, size_t i)
{
    sim_job *const job = sim_job_find(s, peer->holds[i].token.id);
    if (job != NULL && job->holder == peer && job->holder_attempt == peer->holds[i].token.attempt)
        job->holder = NULL;
    peer->hold_count--;
    memmove(&peer->holds[i], &peer->holds[i + 1], (peer->hold_count - i) * sizeof *peer->holds);
}

static void
report(sim *s, sim_peer *peer, size_t i, leat_command command, leat_end end)
{
    const sim_hold *const hold = &peer->holds[i];
    sim_job *const job = sim_job_find(s, hold->token.id);
    sim_report *const r = &peer->reports[peer->report_count++];
    *r = (sim_report){
        .token = hold->token, .command = command, .end = end, .trusted = hold->trusted};
    if (command == LEAT_CMD_SNOOZE) {
        r->delay_ms = 1 + sim_below(s, 5000);
        job->snooze_ms = r->delay_ms;
        job->snoozes_said++;
    }
    job->releases_said += command == LEAT_CMD_RELEASE;
    if (command == LEAT_CMD_DONE && end != LEAT_END_DONE)
        job->fails_said++;
    sim_note(s, "worker %u: %s %d of job %" PRIu64 ".%u%s", peer->index,
             leat_command_name((unsigned)command), (int)end, hold->token.id, hold->token.attempt,
             hold->trusted ? "" : " (perhaps not its own)");
    drop_hold(s, peer, i);
}

static void
put_report(leat_buf *frame, const sim_report *r)
{
    uint8_t result[SIM_RESULT_BYTES];
    if (r->command == LEAT_CMD_CHECKPOINT) {
        sim_told_put(frame, r);
        return;
    }
    if (r->command != LEAT_CMD_DONE) {
        leat_tokens_put(r->command, frame,
                        &(leat_token_record){.token = r->token, .delay_ms = r->delay_ms});
        return;
    }
    leat_store_u32(result, SIM_WORD_RESULT);
    leat_store_u64(result + 4, r->token.id);
    leat_store_u32(result + 12, r->token.attempt);
    result[16] = (uint8_t)r->end;
    leat_done_put(
        frame,
        &(leat_done){
            .token = r->token, .end = r->end, .run_us = 1000, .result = {result, sizeof result}
    });
}

static void
say_reports(sim *s, sim_peer *peer, leat_command command)
{
    leat_buf frame = {0};
    unsigned count = 0;
    for (size_t i = 0; i < peer->report_count; i++)
        count += peer->reports[i].command == command;
    if (count == 0)
        return;
    sim_report *const reports = calloc(count, sizeof *reports);
    if (reports == NULL)
        abort();
    leat_frame_begin(&frame, command);
    if (command == LEAT_CMD_DONE)
        leat_done_put_head(&frame, peer->started);
    count = 0;
    for (size_t i = 0; i < peer->report_count; i++) {
        if (peer->reports[i].command != command)
            continue;
        reports[count++] = peer->reports[i];
        put_report(&frame, &peer->reports[i]);
    }
    leat_frame_finish(&frame, 0, (uint16_t)count, 0);
    sim_said *const said = sim_peer_tell(s, peer, &frame);
    said->reports = reports;
    said->report_count = count;
}

static leat_end
how_it_ends(sim *s)
{
    const uint64_t roll = sim_below(s, 100);
    return roll < 82 ? LEAT_END_DONE : roll < 96 ? LEAT_END_FAILED : LEAT_END_FATAL;
}

static bool
kills(const sim *s, const sim_hold *hold)
{
    return !s->healing && hold->handler != 0 && hold->token.id % 13 == 5 && hold->token.attempt < 9;
}

static void
start(sim *s, sim_peer *peer, sim_hold *hold)
{
    sim_job *const job = sim_job_find(s, hold->token.id);
    hold->state = SIM_RUNNING;
    hold->end_ms = s->now.mono_ms + (int64_t)sim_below(s, s->healing ? 60 : MAX_RUN_MS);
    peer->started = hold->number;
    if (sim_handlers[hold->handler].runs == LEAT_RUNS_CHILD)
        beat(s, peer); /* before its process begins */
    if (sim_handlers[hold->handler].runs != LEAT_RUNS_TIMER)
        job->starts++;
    sim_note(s, "worker %u starts job %" PRIu64 ".%u (%s), number %" PRIu64, peer->index, job->id,
             hold->token.attempt, sim_handlers[hold->handler].name, hold->number);
}

/* True when the worker has died of it. */
static bool
work(sim *s, sim_peer *peer)
{
    uint32_t running = 0;
    sim_told_work(s, peer);
    for (size_t i = 0; i < peer->hold_count;) {
        const sim_hold *const hold = &peer->holds[i];
        if (s->healing && hold->end_ms > s->now.mono_ms + 100)
            peer->holds[i].end_ms = s->now.mono_ms + 100;
        if (hold->state == SIM_RUNNING && hold->end_ms <= s->now.mono_ms) {
            if (kills(s, hold)) {
                sim_peer_crash(s, peer);
                return true;
            }
            if (sim_chance(s, 5000))
                report(s, peer, i, LEAT_CMD_SNOOZE, LEAT_END_DONE);
            else
                report(s, peer, i, LEAT_CMD_DONE, how_it_ends(s));
            continue;
        }
        /* Only then: the broker takes what has a lower number than a started job for started. */
        if (hold->state == SIM_QUEUED && peer->state == SIM_LEAVING) {
            report(s, peer, i, LEAT_CMD_RELEASE, LEAT_END_DONE);
            continue;
        }
        running += hold->state == SIM_RUNNING;
        i++;
    }
    say_reports(s, peer, LEAT_CMD_CHECKPOINT);
    if (peer->state != SIM_UP && peer->state != SIM_LEAVING) {
        /* Work goes on without a connection, but no child is started that nobody has heard of. */
        say_reports(s, peer, LEAT_CMD_DONE);
    } else {
        for (size_t i = 0; i < peer->hold_count && running < peer->slots; i++) {
            if (peer->holds[i].state != SIM_QUEUED)
                continue;
            start(s, peer, &peer->holds[i]);
            running++;
        }
        say_reports(s, peer, LEAT_CMD_DONE);
    }
    say_reports(s, peer, LEAT_CMD_RELEASE);
    say_reports(s, peer, LEAT_CMD_SNOOZE);
    peer->report_count = 0;
    return false;
}

static unsigned
amount_in(leat_text needs, const char *name)
{
    leat_text one;
    uint64_t amount;
    while (leat_needs_next(&needs, &one, &amount)) {
        if (leat_text_is(one, leat_text_of(name)))
            return (unsigned)amount;
    }
    return 0;
}

/* What its jobs were given is never more than it has. */
static void
check_needs(sim *s, const sim_peer *peer)
{
    unsigned gpus = 0;
    unsigned cpus = 0;
    for (size_t i = 0; i < peer->hold_count; i++) {
        const sim_hold *const hold = &peer->holds[i];
        const sim_job *const job = sim_job_find(s, hold->token.id);
        if (!hold->trusted || hold->told || (job != NULL && job->stop_attempt != 0) ||
            (job != NULL && job->channel->durability == SIM_MEMORY))
            continue;
        gpus += hold->gpus;
        cpus += hold->cpus;
    }
    if (gpus > peer->gpus || cpus > peer->cpus)
        sim_fail(s, "worker %u is given %u gpus and %u cpus, and has %u and %u", peer->index, gpus,
                 cpus, peer->gpus, peer->cpus);
}

static void
hear_jobs(sim *s, sim_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_jobs_head head;
    leat_reader records;
    if (leat_jobs_open(body, size, frame->count, &head, &records) != LEAT_ERR_OK)
        sim_fail(s, "a JOBS frame that cannot be read");
    uint64_t number = head.first_number;
    if (number <= peer->last_number)
        sim_fail(s, "worker %u: job number %" PRIu64 " after %" PRIu64, peer->index, number,
                 peer->last_number);
    for (unsigned r = 0; r < frame->count; r++) {
        leat_jobs_run run;
        leat_jobs_next_run(&records, &run);
        for (unsigned i = 0; i < run.jobs; i++) {
            leat_jobs_job record;
            leat_jobs_next_job(&records, &run, &record);
            sim_job *const job = sim_job_find(s, record.id);
            const unsigned handler = sim_handler_of(s, run.handler);
            if ((peer->handler_mask >> handler & 1U) == 0 || handler != job->handler)
                sim_fail(s, "worker %u gets job %" PRIu64 " of another handler", peer->index,
                         job->id);
            if (peer->hold_count == SIM_HELD_MAX)
                sim_fail(s, "worker %u is given more than it has asked for", peer->index);
            sim_hold *const hold = &peer->holds[peer->hold_count++];
            *hold = (sim_hold){
                .token = {.id = record.id, .attempt = record.attempt, .epoch = head.epoch},
                .number = number,
                .handler = handler,
                .trusted = peer->broken_ms == 0 && s->now.mono_ms - s->packet_ms < 3500 &&
                           s->now.mono_ms > peer->shaky_ms,
                .gpus = amount_in(run.needs, "gpu"),
                .cpus = amount_in(run.needs, "cpus"),
            };
            sim_note(s, "worker %u gets job %" PRIu64 ".%u, number %" PRIu64, peer->index, job->id,
                     record.attempt, number);
            job->holder = peer;
            job->holder_attempt = record.attempt;
            peer->last_number = number++;
        }
    }
    check_needs(s, peer);
}

static void
claim(sim *s, sim_peer *peer)
{
    leat_buf frame = {0};
    uint16_t count = 0;
    leat_frame_begin(&frame, LEAT_CMD_CLAIM);
    for (size_t i = 0; i < peer->hold_count; i++) {
        leat_tokens_put(LEAT_CMD_CLAIM, &frame,
                        &(leat_token_record){.token = peer->holds[i].token,
                                             .started = peer->holds[i].state == SIM_RUNNING});
        count++;
    }
    leat_frame_finish(&frame, 0, count, 0);
    if (count > 0)
        sim_peer_say(s, peer, &frame);
    leat_buf_fini(&frame);
    leat_frame_begin(&frame, LEAT_CMD_END);
    leat_tokens_put(LEAT_CMD_END, &frame, &(leat_token_record){.claims = count});
    leat_frame_finish(&frame, 0, 1, 0);
    sim_peer_say(s, peer, &frame);
    say_work(s, peer, peer->slots + (uint32_t)sim_below(s, 60));
}

/* Its job is to stop: it does so, or ends first, or does not care. */
static void
obey(sim *s, sim_peer *peer, size_t i)
{
    sim_hold *const hold = &peer->holds[i];
    const uint64_t roll = s->healing ? 0 : sim_below(s, 100);
    if (hold->told)
        return;
    hold->told = true;
    sim_note(s, "worker %u is to stop job %" PRIu64 ".%u", peer->index, hold->token.id,
             hold->token.attempt);
    if (roll >= 60) {
        hold->end_ms += roll < 85 ? (int64_t)sim_below(s, 4000) : 40000;
        return;
    }
    if (hold->state == SIM_QUEUED || sim_chance(s, 50000))
        report(s, peer, i, LEAT_CMD_RELEASE, LEAT_END_DONE);
    else
        report(s, peer, i, LEAT_CMD_DONE, sim_chance(s, 70000) ? LEAT_END_FAILED : LEAT_END_DONE);
}

static void
hear_stop(sim *s, sim_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    if (leat_tokens_open(LEAT_CMD_STOP, body, size, frame->count, &records) != LEAT_ERR_OK)
        sim_fail(s, "a STOP frame that cannot be read");
    for (unsigned r = 0; r < frame->count; r++) {
        leat_token_record record;
        leat_tokens_next(LEAT_CMD_STOP, &records, &record);
        for (size_t i = peer->hold_count; i > 0; i--) {
            const sim_hold *const hold = &peer->holds[i - 1];
            const sim_job *const job = sim_job_find(s, record.token.id);
            if (hold->token.id != record.token.id || hold->token.attempt != record.token.attempt)
                continue;
            if (record.reason != LEAT_STOP_STALE) {
                obey(s, peer, i - 1);
                continue;
            }
            if (hold->trusted && !hold->told &&
                (job->stopped >> (hold->token.attempt % 64) & 1U) == 0 &&
                job->channel->durability == SIM_DISK)
                sim_fail(s, "job %" PRIu64 ".%u is taken from worker %u, which has held it",
                         hold->token.id, hold->token.attempt, peer->index);
            drop_hold(s, peer, i - 1);
        }
    }
}

/* What it has not started goes back, from the end of its line. */
static void
hear_recall(sim *s, sim_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    leat_token_record record;
    if (leat_tokens_open(LEAT_CMD_RECALL, body, size, frame->count, &records) != LEAT_ERR_OK)
        sim_fail(s, "a RECALL frame that cannot be read");
    leat_tokens_next(LEAT_CMD_RECALL, &records, &record);
    for (size_t i = peer->hold_count; i > 0 && record.items > 0; i--) {
        if (peer->holds[i - 1].state != SIM_QUEUED)
            continue;
        report(s, peer, i - 1, LEAT_CMD_RELEASE, LEAT_END_DONE);
        record.items--;
    }
}

/* ---------------------------------------------------------------------------------- hearing */

sim_said *
sim_peer_arrives(sim *s, sim_peer *peer, uint64_t sequence, bool *first)
{
    sim_said *const said = sim_peer_said(peer, sequence);
    if (said == NULL)
        sim_fail(s, "peer %u: an answer to %" PRIu64 ", which it has not said", peer->index,
                 sequence);
    *first = !said->arrived;
    said->arrived = true;
    return said;
}

static void
hear_error(sim *s, sim_peer *peer, const uint8_t *body, size_t size)
{
    leat_error_record record;
    bool first;
    if (leat_error_open(body, size, &record) != LEAT_ERR_OK)
        sim_fail(s, "an ERROR frame that cannot be read");
    if (record.sequence == 0 && record.code == LEAT_ERR_HELLO_FIRST) {
        sim_peer_cut(s, peer); /* the broker has given the connection up */
        return;
    }
    if (record.sequence == 0)
        sim_fail(s, "peer %u is told: %.*s", peer->index, (int)record.sentence.size,
                 record.sentence.data);
    const sim_said *const said = sim_peer_arrives(s, peer, record.sequence, &first);
    sim_fail(s, "peer %u: %s is refused: %.*s", peer->index,
             leat_command_name((unsigned)said->command), (int)record.sentence.size,
             record.sentence.data);
}

static void
hear_welcome(sim *s, sim_peer *peer)
{
    peer->state = SIM_UP;
    peer->welcomed = true;
    for (size_t i = 0; i < peer->said_count; i++) {
        if (peer->said[i].arrived)
            continue;
        leat_buf frame = {0};
        leat_put_bytes(&frame, peer->said[i].frame.data, peer->said[i].frame.size);
        sim_peer_say(s, peer, &frame);
    }
    if (peer->worker) {
        claim(s, peer);
        return;
    }
    sim_client_welcome(s, peer);
}

static void
hear_acked(sim *s, sim_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    bool first;
    if (leat_acked_open(body, size, frame->count, &records) != LEAT_ERR_OK)
        sim_fail(s, "an ACKED frame that cannot be read");
    for (unsigned i = 0; i < frame->count; i++) {
        leat_acked acked;
        leat_acked_exception exception;
        leat_acked_next(&records, &acked);
        const sim_said *const said = sim_peer_arrives(s, peer, acked.sequence, &first);
        for (unsigned e = 0; e < acked.exceptions; e++) {
            leat_acked_next_exception(&records, &exception);
            for (unsigned r = 0; said->command == LEAT_CMD_CHECKPOINT && r < said->report_count;
                 r++) {
                if (said->reports[r].token.id == exception.id &&
                    said->reports[r].token.attempt == exception.attempt)
                    sim_told_stale(s, &said->reports[r]);
            }
        }
    }
}

void
sim_peer_hear(sim *s, sim_peer *peer, const leat_buf *buf)
{
    leat_frame frame;
    if (leat_frame_decode(buf->data, buf->size, LEAT_SIDE_BROKER, &frame) != LEAT_ERR_OK)
        sim_fail(s, "a frame that cannot be read arrives");
    const uint8_t *const body = buf->data + LEAT_FRAME_BYTES;
    const size_t size = buf->size - LEAT_FRAME_BYTES;
    peer->heard_ms = s->now.mono_ms;
    if (frame.sequence != 0) {
        if (frame.sequence <= peer->got)
            sim_fail(s, "peer %u: frame %" PRIu64 " after %" PRIu64, peer->index, frame.sequence,
                     peer->got);
        peer->got = frame.sequence;
    }
    if (frame.command == LEAT_CMD_WELCOME) {
        hear_welcome(s, peer);
    } else if (frame.command == LEAT_CMD_JOBS) {
        hear_jobs(s, peer, &frame, body, size);
    } else if (frame.command == LEAT_CMD_STOP) {
        hear_stop(s, peer, &frame, body, size);
    } else if (frame.command == LEAT_CMD_RECALL) {
        hear_recall(s, peer, &frame, body, size);
    } else if (frame.command == LEAT_CMD_ERROR) {
        hear_error(s, peer, body, size);
    } else if (frame.command == LEAT_CMD_ACKED) {
        hear_acked(s, peer, &frame, body, size);
    } else if (frame.command != LEAT_CMD_HEARTBEAT &&
               !sim_client_hears(s, peer, &frame, body, size)) {
        sim_fail(s, "peer %u: a frame of command %u", peer->index, (unsigned)frame.command);
    }
}

/* ---------------------------------------------------------------------------------- a step */

bool
sim_peer_is_answered(const sim_peer *peer)
{
    for (size_t i = 0; i < peer->said_count; i++) {
        if (!peer->said[i].arrived)
            return false;
    }
    return true;
}

static void
leave(sim *s, sim_peer *peer)
{
    if (peer->state == SIM_UP) {
        peer->state = SIM_LEAVING;
        if (peer->worker)
            say_work(s, peer, 0);
    }
    if (peer->hold_count > 0 || !sim_peer_is_answered(peer))
        return;
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_BYE);
    leat_frame_finish(&frame, 0, 0, 0);
    sim_note(s, "peer %u says BYE", peer->index);
    sim_peer_say(s, peer, &frame);
    peer->route = 0;
    peer->state = SIM_DOWN;
    peer->wake_ms = s->now.mono_ms + (int64_t)sim_below(s, 2000);
    forget(s, peer);
}

void
sim_peer_step(sim *s, sim_peer *peer)
{
    const int64_t now = s->now.mono_ms;
    if (now < peer->stall_ms)
        return;
    if (peer->deaf && now >= peer->deaf_ms)
        peer->deaf = false;
    if (peer->state != SIM_DOWN && now - peer->heard_ms > LEAT_LOST_MS)
        sim_peer_cut(s, peer);
    if (peer->worker && work(s, peer))
        return;
    if (peer->state == SIM_DOWN && now >= peer->wake_ms)
        connect_peer(s, peer);
    if (peer->state == SIM_LEAVING || (peer->state == SIM_UP && sim_chance(s, s->faults.bye)))
        leave(s, peer);
    if (peer->state != SIM_UP && peer->state != SIM_LEAVING)
        return;
    if (!peer->worker)
        sim_client_step(s, peer);
    const int64_t interval = peer->hold_count > 0 ? LEAT_HEARTBEAT_BUSY_MS : LEAT_HEARTBEAT_IDLE_MS;
    if (now - peer->beat_ms >= interval ||
        (!peer->deaf && peer->got - peer->told >= (s->healing ? 1 : 1 + sim_below(s, 4))))
        beat(s, peer);
}
