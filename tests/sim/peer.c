/* The peers: what proto/link, the worker and the client do, as far as the broker can see it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

#define MAX_RUN_MS 2500

/* ---------------------------------------------------------------------------------- speaking */

static void
say(sim *s, sim_peer *peer, leat_buf *frame_p)
{
    if (!peer->deaf)
        peer->told = peer->got;
    leat_frame_set_seen(frame_p->data, peer->told);
    peer->beat_ms = s->now.mono_ms;
    sim_send_up(s, peer, frame_p);
}

static sim_said *
say_numbered(sim *s, sim_peer *peer, leat_buf *frame_p)
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
        say(s, peer, frame_p);
    else
        leat_buf_fini(frame_p);
    return said;
}

void
sim_peer_tell(sim *s, sim_peer *peer, leat_buf *frame_p)
{
    (void)say_numbered(s, peer, frame_p);
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
    say(s, peer, &frame);
}

static void
say_credit(sim *s, sim_peer *peer, const leat_credit *credit)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_CREDIT);
    leat_credit_put(&frame, credit);
    leat_frame_finish(&frame, 0, 1, 0);
    say(s, peer, &frame);
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

static void
say_recv(sim *s, sim_peer *peer, const char *channel, uint32_t items)
{
    say_credit(
        s, peer,
        &(leat_credit){.kind = LEAT_CREDIT_RECV, .channel = leat_text_of(channel), .items = items});
}

static void
say_wait(sim *s, sim_peer *peer, const sim_wait *wait)
{
    say_credit(s, peer,
               &(leat_credit){.kind = LEAT_CREDIT_WAIT,
                              .batch = wait->batch,
                              .position = wait->position,
                              .goal_kind = wait->kind,
                              .goal = wait->goal,
                              .items = wait->over ? 0 : wait->items});
}

static void
say_json(sim *s, sim_peer *peer, leat_command command, const char *text, uint64_t batch, bool seals)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, command);
    leat_put_bytes(&frame, text, strlen(text));
    leat_frame_finish(&frame, 0, 1, 0);
    if (command == LEAT_CMD_QUERY) {
        say(s, peer, &frame);
        return;
    }
    sim_said *const said = say_numbered(s, peer, &frame);
    said->batch = batch;
    said->seals = seals;
}

static void
seal(sim *s, sim_peer *peer, uint64_t batch)
{
    char text[128];
    (void)snprintf(text, sizeof text,
                   "{\"command\":\"batch.seal\",\"arguments\":{\"batch\":\"%" PRIu64 "\"}}", batch);
    say_json(s, peer, LEAT_CMD_COMMAND, text, batch, true);
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
    peer->receives = sim_chance(s, 60000);
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
        hello.channel_count = 2;
        (void)snprintf(hello.channels[0], sizeof hello.channels[0], "default");
        (void)snprintf(hello.channels[1], sizeof hello.channels[1], "quick");
    }
    peer->route = ++s->routes;
    peer->state = SIM_HELLO;
    peer->heard_ms = s->now.mono_ms;
    peer->shaky_ms = 0;
    peer->core_out = peer->core_seen = 0;
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
    return job != NULL && s->ops[job->op].channel->durability == SIM_MEMORY;
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
        if (said->command != LEAT_CMD_SEND || said->arrived)
            continue;
        sim_op *const op = &s->ops[said->op];
        op->status = SIM_OP_UNKNOWN;
        if (op->delivered_wall == INT64_MAX)
            op->delivered_wall = op->high_wall = s->now.wall_ms;
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
        job->snoozes_said++;
    }
    if (command == LEAT_CMD_DONE && end == LEAT_END_FAILED)
        job->fails_said++;
    sim_note(s, "worker %u: %s %d of job %" PRIu64 ".%u%s", peer->index,
             leat_command_name((unsigned)command), (int)end, hold->token.id, hold->token.attempt,
             hold->trusted ? "" : " (perhaps not its own)");
    drop_hold(s, peer, i);
}

static void
put_report(leat_buf *frame, const sim_report *r)
{
    uint8_t result[13];
    if (r->command != LEAT_CMD_DONE) {
        leat_tokens_put(r->command, frame,
                        &(leat_token_record){.token = r->token, .delay_ms = r->delay_ms});
        return;
    }
    leat_store_u64(result, r->token.id);
    leat_store_u32(result + 8, r->token.attempt);
    result[12] = (uint8_t)r->end;
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
    sim_said *const said = say_numbered(s, peer, &frame);
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
    for (size_t i = 0; i < peer->hold_count;) {
        const sim_hold *const hold = &peer->holds[i];
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
handler_of(sim *s, leat_text name)
{
    for (unsigned i = 0; i < SIM_HANDLERS; i++) {
        if (leat_text_is(name, leat_text_of(sim_handlers[i].name)))
            return i;
    }
    sim_fail(s, "a job for a handler that nobody has");
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
            leat_jobs_next_job(&records, &record);
            sim_job *const job = sim_job_find(s, record.id);
            const unsigned handler = handler_of(s, run.handler);
            if ((peer->handler_mask >> handler & 1U) == 0 || handler != s->ops[job->op].handler)
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
            };
            sim_note(s, "worker %u gets job %" PRIu64 ".%u, number %" PRIu64, peer->index, job->id,
                     record.attempt, number);
            job->holder = peer;
            job->holder_attempt = record.attempt;
            peer->last_number = number++;
        }
    }
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
        say(s, peer, &frame);
    leat_buf_fini(&frame);
    leat_frame_begin(&frame, LEAT_CMD_END);
    leat_tokens_put(LEAT_CMD_END, &frame, &(leat_token_record){.claims = count});
    leat_frame_finish(&frame, 0, 1, 0);
    say(s, peer, &frame);
    say_work(s, peer, peer->slots + (uint32_t)sim_below(s, 60));
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
            if (hold->token.id != record.token.id || hold->token.attempt != record.token.attempt)
                continue;
            if (hold->trusted)
                sim_fail(s, "job %" PRIu64 ".%u is taken from worker %u, which has held it",
                         hold->token.id, hold->token.attempt, peer->index);
            drop_hold(s, peer, i - 1);
        }
    }
}

/* ---------------------------------------------------------------------------------- client */

static uint32_t
send_records(sim *s, sim_peer *peer, const leat_send_head *head, uint32_t number)
{
    leat_buf frame = {0};
    sim_op *const op = &s->ops[number];
    const size_t size = op->n <= 10 && sim_chance(s, 1500) ? 30000 : 8 + sim_below(s, 60);
    uint8_t *const payload = calloc(1, size);
    if (payload == NULL)
        abort();
    leat_frame_begin(&frame, LEAT_CMD_SEND);
    leat_send_put_head(&frame, head);
    for (uint32_t i = 0; i < op->n; i++) {
        leat_store_u32(payload, number);
        leat_store_u32(payload + 4, i);
        leat_send_put(&frame, payload, size);
    }
    free(payload);
    leat_frame_finish(&frame, 0, (uint16_t)op->n, 0);
    sim_said *const said = say_numbered(s, peer, &frame);
    said->op = number;
    said->tag = head->tag;
    said->seals = (head->flags & LEAT_SEND_SEAL) != 0;
    return number;
}

static void
act_send(sim *s, sim_peer *peer, bool messages)
{
    if (s->op_count >= s->op_limit)
        return;
    const uint32_t number = s->op_count++;
    sim_op *const op = &s->ops[number];
    leat_send_head head = leat_send_head_default();
    *op = (sim_op){.delivered_wall = INT64_MAX, .failures = 3, .priority = LEAT_PRIORITY_DEFAULT};
    op->n = sim_chance(s, 10000) ? 1 + (uint32_t)sim_below(s, 100) : 1 + (uint32_t)sim_below(s, 5);
    op->ids = calloc(op->n, sizeof *op->ids);
    if (op->ids == NULL)
        abort();
    op->channel = &sim_channels[(messages ? 2 : 0) + (sim_chance(s, 20000) ? 1 : 0)];
    op->handler = (unsigned)sim_below(s, SIM_HANDLERS);
    if (!messages) {
        if (sim_chance(s, 20000))
            op->failures = (uint16_t)(1 + sim_below(s, 4));
        if (sim_chance(s, 15000))
            op->delay_ms = 1 + sim_below(s, 8000);
        if (sim_chance(s, 20000))
            op->priority = (uint8_t)sim_below(s, 10);
        head.handler = leat_text_of(sim_handlers[op->handler].name);
        if (peer->tag == 0 && sim_chance(s, 60000)) {
            peer->tag = ++peer->tags;
            peer->tag_batch = 0;
            peer->tag_sends = 0;
            peer->tag_durability = op->channel->durability;
        }
        if (peer->tag != 0 && peer->tag_durability == op->channel->durability) {
            head.tag = peer->tag;
            if (++peer->tag_sends >= 4 || sim_chance(s, 30000)) {
                head.flags |= LEAT_SEND_SEAL;
                peer->tag = 0;
            }
        } else if (sim_chance(s, 5000) && peer->tags > 0) {
            head.tag = 1 + (uint32_t)sim_below(s, peer->tags); /* mostly sealed long ago */
        }
    }
    if (!messages && sim_chance(s, 3000)) /* of the wrong kind */
        op->channel = &sim_channels[2];
    head.channel = leat_text_of(op->channel->name);
    head.failures = op->failures;
    head.delay_ms = op->delay_ms;
    head.priority = op->priority;
    sim_note(s, "client %u sends op %u: %u to %s %s, tag %u%s", peer->index, number, op->n,
             op->channel->name, messages ? "" : sim_handlers[op->handler].name, head.tag,
             head.flags != 0 ? ", seals" : "");
    (void)send_records(s, peer, &head, number);
}

static void
add_wait(sim *s, sim_peer *peer, const sim_batch *batch)
{
    /* Not a second time: what was on its way for the first wait would look wrong. */
    for (unsigned i = 0; i < peer->wait_count; i++) {
        if (peer->waits[i].batch == batch->id)
            return;
    }
    if (peer->wait_count == sizeof peer->waits / sizeof *peer->waits)
        return;
    sim_wait *const wait = &peer->waits[peer->wait_count++];
    *wait = (sim_wait){
        .batch = batch->id,
        .durability = batch->durability,
        .life = batch->life,
        .kind = (leat_goal)sim_below(s, 3),
        .items = 1 + (uint32_t)sim_below(s, 40),
    };
    if (wait->kind != LEAT_GOAL_ALL)
        wait->goal = 1 + sim_below(s, batch->accepted + 1);
    say_wait(s, peer, wait);
}

static const sim_batch *
any_batch(sim *s)
{
    return s->batch_count == 0 ? NULL : &s->batches[sim_below(s, s->batch_count)];
}

static void
act(sim *s, sim_peer *peer)
{
    const uint64_t roll = sim_below(s, 100);
    const sim_batch *const batch = any_batch(s);
    char text[128];
    if (roll < 45) {
        act_send(s, peer, false);
    } else if (roll < 60) {
        act_send(s, peer, true);
    } else if (roll < 80 && batch != NULL) {
        add_wait(s, peer, batch);
    } else if (roll < 90 && batch != NULL) {
        (void)snprintf(text, sizeof text,
                       "{\"id\":\"%" PRIu64
                       "\",\"query\":\"status\",\"arguments\":{\"batch\":\"%" PRIu64 "\"}}",
                       batch->id, batch->id);
        say_json(s, peer, LEAT_CMD_QUERY, text, 0, false);
    } else if (roll < 94) {
        if (peer->tag != 0 && peer->tag_batch != 0) {
            seal(s, peer, peer->tag_batch);
            peer->tag = 0;
        }
    } else if (roll < 97) {
        peer->receives = !peer->receives;
        say_recv(s, peer, "news", peer->receives ? 1 + (uint32_t)sim_below(s, 9) : 0);
        say_recv(s, peer, "flash", peer->receives ? 1 + (uint32_t)sim_below(s, 9) : 0);
    } else {
        say_json(s, peer, LEAT_CMD_QUERY, "{\"id\":\"0\",\"query\":\"status\",\"arguments\":{}}", 0,
                 false);
    }
}

static void
ack_messages(sim *s, sim_peer *peer)
{
    while (peer->message_count > 0 && (s->healing || sim_chance(s, 30000))) {
        leat_buf frame = {0};
        const uint64_t id = peer->messages[--peer->message_count];
        leat_frame_begin(&frame, LEAT_CMD_ACK);
        leat_ack_put(&frame, &(leat_ack){.kind = LEAT_ACK_MESSAGE, .id = id});
        leat_frame_finish(&frame, 0, 1, 0);
        say_numbered(s, peer, &frame)->message = id;
    }
}

/* With the faults off: everything that was begun is brought to its end. */
static void
heal(sim *s, sim_peer *peer)
{
    if (!peer->receives) {
        peer->receives = true;
        say_recv(s, peer, "news", 20);
        say_recv(s, peer, "flash", 20);
    }
    for (size_t i = 0; i < s->batch_count; i++) {
        sim_batch *const batch = &s->batches[i];
        if (batch->sealed || (batch->durability == SIM_MEMORY && batch->life < s->life))
            continue;
        bool asked = false;
        for (size_t k = 0; k < peer->said_count; k++)
            asked |= peer->said[k].batch == batch->id && !peer->said[k].arrived;
        if (!asked)
            seal(s, peer, batch->id);
    }
}

/* ---------------------------------------------------------------------------------- hearing */

static void
hear_run(sim *s, sim_peer *peer, const leat_items_run *run, leat_reader *records)
{
    sim_wait *wait = NULL;
    for (unsigned i = 0; i < peer->wait_count; i++) {
        if (peer->waits[i].batch == run->batch && !peer->waits[i].over)
            wait = &peer->waits[i];
    }
    if (wait != NULL && run->n > 0 && run->first_position != wait->position + 1)
        sim_fail(s, "peer %u, batch %" PRIu64 ": position %" PRIu64 " comes after %" PRIu64,
                 peer->index, run->batch, run->first_position, wait->position);
    for (unsigned i = 0; i < run->n; i++) {
        leat_completion completion;
        leat_items_next_completion(records, &completion);
        if (wait != NULL)
            wait->ok += completion.outcome == LEAT_OUTCOME_DONE;
    }
    if (wait == NULL)
        return;
    wait->position += run->n;
    if (leat_counters_ended(&run->counters) > run->counters.total)
        sim_fail(s, "batch %" PRIu64 ": more have ended than were accepted", run->batch);
    if ((run->flags & (LEAT_ITEMS_UNKNOWN | LEAT_ITEMS_LOST)) != 0) {
        if (wait->durability == SIM_DISK || wait->life == s->life)
            sim_fail(s,
                     "batch %" PRIu64 " is said to be lost: flags %u, durability %d, life %" PRIu64
                     " of %" PRIu64,
                     run->batch, run->flags, (int)wait->durability, wait->life, s->life);
        wait->over = true;
    } else if ((run->flags & LEAT_ITEMS_EXPIRED) != 0) {
        sim_fail(s, "batch %" PRIu64 " is said to be out of retention", run->batch);
    } else if ((run->flags & LEAT_ITEMS_GOAL) != 0) {
        const bool all =
            (run->flags & LEAT_ITEMS_FINISHED) != 0 && wait->position == run->counters.total;
        if (!all && (wait->kind == LEAT_GOAL_ALL ||
                     (wait->kind == LEAT_GOAL_COUNT && wait->position < wait->goal) ||
                     (wait->kind == LEAT_GOAL_OK && wait->ok < wait->goal)))
            sim_fail(s, "batch %" PRIu64 ": goal told at position %" PRIu64, run->batch,
                     wait->position);
        wait->over = true;
    }
    if (wait->over) {
        say_wait(s, peer, wait);
    } else if (run->n > 0) {
        leat_buf frame = {0};
        leat_frame_begin(&frame, LEAT_CMD_ACK);
        leat_ack_put(
            &frame,
            &(leat_ack){.kind = LEAT_ACK_BATCH, .id = wait->batch, .position = wait->position});
        leat_frame_finish(&frame, 0, 1, 0);
        say(s, peer, &frame);
    }
}

static void
hear_items(sim *s, sim_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    if (leat_items_open(body, size, frame->count, &records) != LEAT_ERR_OK)
        sim_fail(s, "an ITEMS frame that cannot be read");
    for (unsigned r = 0; r < frame->count; r++) {
        leat_items_run run;
        leat_items_next_run(&records, &run);
        if (run.kind == LEAT_ITEMS_COMPLETIONS) {
            hear_run(s, peer, &run, &records);
            continue;
        }
        for (unsigned i = 0; i < run.n; i++) {
            leat_message message;
            leat_items_next_message(&records, &message);
            for (unsigned k = 0; k < peer->message_count; k++) {
                if (peer->messages[k] == message.id && peer->receives && peer->shaky_ms == 0)
                    sim_fail(s, "message %" PRIu64 " comes to %u while it has it", message.id,
                             peer->index);
            }
            if (peer->message_count < sizeof peer->messages / sizeof *peer->messages)
                peer->messages[peer->message_count++] = message.id;
        }
    }
}

static sim_said *
arrives(sim *s, sim_peer *peer, uint64_t sequence, bool *first)
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
hear_sent(sim *s, sim_peer *peer, leat_reader *records)
{
    leat_sent sent;
    bool first;
    leat_sent_next(records, &sent);
    const sim_said *const said = arrives(s, peer, sent.sequence, &first);
    sim_op *const op = &s->ops[said->op];
    if (!first)
        return;
    op->status = sent.code == LEAT_ERR_OK ? SIM_OP_OK : SIM_OP_REFUSED;
    if (op->status == SIM_OP_REFUSED) {
        for (uint32_t i = 0; i < op->n; i++) {
            if (op->ids[i] != 0 && op->channel->durability == SIM_DISK)
                sim_fail(s, "op %u is refused, and is in the store", said->op);
        }
        return;
    }
    op->batch = sent.batch;
    op->life = s->life;
    if (op->channel->messages)
        return;
    for (uint32_t i = 0; i < (said->tag == 0 ? op->n : 1); i++) {
        const uint64_t id = said->tag == 0 ? sent.first_id + i : sent.batch;
        sim_batch *batch = sim_batch_of(s, id);
        if (batch == NULL) {
            if (s->batch_count == s->batch_capacity) {
                s->batch_capacity = s->batch_capacity == 0 ? 256 : s->batch_capacity * 2;
                s->batches = realloc(s->batches, s->batch_capacity * sizeof *s->batches);
                if (s->batches == NULL)
                    abort();
            }
            batch = &s->batches[s->batch_count++];
            const sim_job *const job = sim_job_find(s, sent.first_id);
            *batch = (sim_batch){.id = id,
                                 .durability = op->channel->durability,
                                 .life = job == NULL ? s->life : job->life};
        }
        batch->accepted += said->tag == 0 ? 1 : op->n;
        batch->sealed |= said->tag == 0 || said->seals;
        if (said->tag != 0 && said->tag == peer->tag)
            peer->tag_batch = id;
        if (i == 0 && sim_chance(s, 70000))
            add_wait(s, peer, batch);
    }
}

static uint64_t
figure(const cJSON *row, const char *key)
{
    uint64_t value = 0;
    (void)leat_json_u64(row, key, &value);
    return value;
}

static void
hear_reply(sim *s, sim_peer *peer, const uint8_t *body, size_t size)
{
    char why[128];
    cJSON *json;
    uint64_t sequence;
    uint64_t id;
    bool first;
    if (leat_json_parse(body, size, &json, why) != LEAT_ERR_OK)
        sim_fail(s, "a reply that cannot be read: %s", why);
    const cJSON *const result = cJSON_GetObjectItemCaseSensitive(json, "result");
    if (leat_json_u64(json, "sequence", &sequence)) {
        const sim_said *const said = arrives(s, peer, sequence, &first);
        sim_batch *const batch = said->batch == 0 ? NULL : sim_batch_of(s, said->batch);
        if (batch != NULL && result == NULL && batch->durability == SIM_DISK && !batch->sealed &&
            batch->accepted > 0)
            sim_fail(s, "batch %" PRIu64 " cannot be sealed", said->batch);
        if (batch != NULL)
            batch->sealed = true;
    } else if (leat_json_u64(json, "id", &id) && id != 0) {
        const sim_batch *const batch = sim_batch_of(s, id);
        const cJSON *const row = cJSON_GetObjectItemCaseSensitive(result, "batch");
        /* A job alone whose end is not on disk yet is found neither here nor there. */
        const sim_job *const alone = sim_job_find(s, id);
        if (row == NULL && alone == NULL &&
            (batch->durability == SIM_DISK || batch->life == s->life))
            sim_fail(s, "batch %" PRIu64 " is not found", id);
        if (row != NULL && figure(row, "total") != figure(row, "ready") + figure(row, "running") +
                                                       figure(row, "delayed") +
                                                       figure(row, "done") + figure(row, "dead"))
            sim_fail(s, "batch %" PRIu64 " does not add up: %.*s", id, (int)size,
                     (const char *)body);
    }
    cJSON_Delete(json);
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
    const sim_said *const said = arrives(s, peer, record.sequence, &first);
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
        say(s, peer, &frame);
    }
    if (peer->worker) {
        claim(s, peer);
        return;
    }
    for (unsigned i = 0; i < peer->wait_count; i++) {
        if (!peer->waits[i].over)
            say_wait(s, peer, &peer->waits[i]);
    }
    if (peer->receives) {
        say_recv(s, peer, "news", 1 + (uint32_t)sim_below(s, 9));
        say_recv(s, peer, "flash", 1 + (uint32_t)sim_below(s, 9));
    }
}

void
sim_peer_hear(sim *s, sim_peer *peer, const leat_buf *buf)
{
    leat_frame frame;
    bool first;
    if (leat_frame_decode(buf->data, buf->size, LEAT_SIDE_BROKER, &frame) != LEAT_ERR_OK)
        sim_fail(s, "a frame that cannot be read arrives");
    const uint8_t *const body = buf->data + LEAT_FRAME_BYTES;
    const size_t size = buf->size - LEAT_FRAME_BYTES;
    leat_reader records = leat_reader_over(body, size);
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
    } else if (frame.command == LEAT_CMD_ITEMS) {
        hear_items(s, peer, &frame, body, size);
    } else if (frame.command == LEAT_CMD_STOP) {
        hear_stop(s, peer, &frame, body, size);
    } else if (frame.command == LEAT_CMD_REPLY) {
        hear_reply(s, peer, body, size);
    } else if (frame.command == LEAT_CMD_ERROR) {
        hear_error(s, peer, body, size);
    } else if (frame.command == LEAT_CMD_SENT) {
        if (leat_sent_open(body, size, frame.count, &records) != LEAT_ERR_OK)
            sim_fail(s, "a SENT frame that cannot be read");
        for (unsigned i = 0; i < frame.count; i++)
            hear_sent(s, peer, &records);
    } else if (frame.command == LEAT_CMD_ACKED) {
        if (leat_acked_open(body, size, frame.count, &records) != LEAT_ERR_OK)
            sim_fail(s, "an ACKED frame that cannot be read");
        for (unsigned i = 0; i < frame.count; i++) {
            leat_acked acked;
            leat_acked_exception exception;
            leat_acked_next(&records, &acked);
            for (unsigned e = 0; e < acked.exceptions; e++)
                leat_acked_next_exception(&records, &exception);
            (void)arrives(s, peer, acked.sequence, &first);
        }
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
    say(s, peer, &frame);
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
    if (!peer->worker) {
        ack_messages(s, peer);
        if (s->healing) {
            heal(s, peer);
        } else if (now >= peer->act_ms) {
            peer->act_ms = now + (int64_t)sim_below(s, 400);
            act(s, peer);
        }
    }
    const int64_t interval = peer->hold_count > 0 ? LEAT_HEARTBEAT_BUSY_MS : LEAT_HEARTBEAT_IDLE_MS;
    if (now - peer->beat_ms >= interval ||
        (!peer->deaf && peer->got - peer->told >= (s->healing ? 1 : 1 + sim_below(s, 4))))
        beat(s, peer);
}
