/* The clients: they send, receive, select, wait, ask, and command, at random. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim.h"

static const char *const keys[] = {"k0", "k1", "k2"};
static const char *const flows[] = {"f0", "f1"};
static const char *const uniques[] = {"u0", "u1"};
static const char *const needs[] = {"gpu=1", "cpus=2", "cpus=1,gpu=1"};
static const char *const traits[] = {"zone=a", "zone=b"};
#define ANY(list) list[sim_below(s, sizeof(list) / sizeof *(list))]

/* One of the rarer features, in 1/1 000. */
static bool
rarely(sim *s, unsigned of_1000)
{
    return sim_chance(s, of_1000 * s->wildness);
}

/* ---------------------------------------------------------------------------------- frames */

static void
say_one(sim *s, sim_peer *peer, leat_buf *frame, uint16_t count)
{
    leat_frame_finish(frame, 0, count, 0);
    sim_peer_say(s, peer, frame);
}

static void
say_recv(sim *s, sim_peer *peer, unsigned channel, uint32_t items)
{
    leat_buf frame = {0};
    sim_recv *const recv = &peer->recv[channel];
    leat_frame_begin(&frame, LEAT_CMD_CREDIT);
    leat_credit_put(&frame, &(leat_credit){.kind = LEAT_CREDIT_RECV,
                                           .channel = leat_text_of(sim_channels[channel].name),
                                           .items = items,
                                           .receives = recv->asked});
    say_one(s, peer, &frame, 1);
    recv->on = items > 0;
}

static void
say_wait(sim *s, sim_peer *peer, const sim_wait *wait)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_CREDIT);
    leat_credit_put(&frame, &(leat_credit){.kind = LEAT_CREDIT_WAIT,
                                           .batch = wait->batch,
                                           .position = wait->position,
                                           .goal_kind = wait->kind,
                                           .goal = wait->goal,
                                           .items = wait->over ? 0 : wait->items});
    say_one(s, peer, &frame, 1);
}

static void
ask(sim *s, sim_peer *peer, const char *text)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_QUERY);
    leat_put_bytes(&frame, text, strlen(text));
    say_one(s, peer, &frame, 1);
}

sim_said *
sim_client_command(sim *s, sim_peer *peer, sim_verb verb, const char *text)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_COMMAND);
    leat_put_bytes(&frame, text, strlen(text));
    leat_frame_finish(&frame, 0, 1, 0);
    sim_note(s, "client %u: %s", peer->index, text);
    sim_said *const said = sim_peer_tell(s, peer, &frame);
    said->verb = verb;
    return said;
}

static void
command_batch(
    sim *s, sim_peer *peer, sim_verb verb, const char *name, uint64_t batch, const char *more)
{
    char text[192];
    (void)snprintf(text, sizeof text,
                   "{\"command\":\"%s\",\"arguments\":{\"batch\":\"%" PRIu64 "\"%s}}", name, batch,
                   more);
    sim_said *const said = sim_client_command(s, peer, verb, text);
    said->batch = batch;
    said->seals = verb == SIM_VERB_SEAL;
}

static void
command_channel(
    sim *s, sim_peer *peer, sim_verb verb, const char *name, unsigned i, const char *more)
{
    char text[192];
    (void)snprintf(text, sizeof text, "{\"command\":\"%s\",\"arguments\":{\"channel\":\"%s\"%s}}",
                   name, sim_channels[i].name, more);
    sim_client_command(s, peer, verb, text)->what = i;
}

/* ---------------------------------------------------------------------------------- sending */

static void
put_words(uint8_t *at, uint32_t word, uint32_t op, uint32_t index)
{
    leat_store_u32(at, word);
    leat_store_u32(at + 4, op);
    leat_store_u32(at + 8, index);
}

static void
choose_followers(sim *s, sim_op *op, uint32_t number)
{
    leat_settings *const set = &op->settings;
    if (rarely(s, 60)) {
        set->finally_count = (uint8_t)(1 + sim_below(s, 3));
        for (uint32_t i = 0; i < set->finally_count; i++) {
            put_words(op->words[i], SIM_WORD_FINALLY, number, i);
            set->finally[i].handler = leat_text_of(sim_handlers[sim_below(s, 4)].name);
            set->finally[i].payload = (leat_bytes){op->words[i], SIM_PAYLOAD_MIN};
        }
    }
    if (rarely(s, 80)) {
        put_words(op->words[LEAT_FINALLY_MAX], SIM_WORD_WITH, number, 0);
        set->recover.handler = leat_text_of(sim_handlers[sim_below(s, 4)].name);
        set->recover.payload = (leat_bytes){op->words[LEAT_FINALLY_MAX], SIM_PAYLOAD_MIN};
    }
    if (rarely(s, 60)) {
        const bool job = sim_chance(s, 30000);
        set->reply = leat_text_of(sim_channels[job ? 0 : SIM_REPLIES].name);
        if (job)
            set->reply_handler = leat_text_of(sim_handlers[1].name);
    }
}

static void
choose_times(sim *s, leat_settings *set)
{
    if (sim_chance(s, 15000))
        set->delay_ms = 1 + sim_below(s, 8000);
    if (rarely(s, 40))
        set->at_ms = (uint64_t)s->now.wall_ms + sim_below(s, 9000);
    if (rarely(s, 60))
        set->expires_ms = 50 + sim_below(s, 6000);
}

/* Rather one that is not sealed. */
static const sim_batch *
any_after(sim *s)
{
    const sim_batch *const any = s->batch_list[sim_below(s, s->batch_count)];
    for (size_t i = s->batch_count; i > 0 && sim_chance(s, 90000); i--) {
        if (!s->batch_list[i - 1]->is_lone && !s->batch_list[i - 1]->sealed)
            return s->batch_list[i - 1];
    }
    return any;
}

static void
choose_settings(sim *s, sim_op *op, uint32_t number)
{
    leat_settings *const set = &op->settings;
    const bool capped = op->channel->key_max != 0;
    choose_times(s, set);
    if (sim_chance(s, 20000))
        set->failures = (uint16_t)(1 + sim_below(s, 4));
    if (rarely(s, 80))
        set->losses = (uint16_t)(1 + sim_below(s, 3));
    if (rarely(s, 80))
        set->snoozes = (uint16_t)(1 + sim_below(s, 2));
    if (rarely(s, 100)) {
        set->backoff_min_ms = 1 + sim_below(s, 3000);
        set->backoff_max_ms = 1 + sim_below(s, 6000);
    }
    if (rarely(s, 100))
        set->run_limit_ms = 100 + sim_below(s, 2000);
    if (rarely(s, 100))
        set->grace_ms = 1 + sim_below(s, 3000);
    if (rarely(s, 80))
        set->flow = leat_text_of(ANY(flows));
    if (rarely(s, capped ? 600 : 50))
        set->key = leat_text_of(ANY(keys));
    if (rarely(s, 60))
        set->needs = leat_text_of(ANY(needs));
    if (rarely(s, 50))
        set->traits = leat_text_of(ANY(traits));
    if (rarely(s, 150)) {
        op->n = 1;
        set->unique = leat_text_of(ANY(uniques));
        if (sim_chance(s, 50000))
            set->unique_for_ms = 100 + sim_below(s, 6000);
    }
    if (s->batch_count > 0 && set->delay_ms == 0 && set->at_ms == 0 && rarely(s, 80)) {
        set->after_batch = any_after(s)->id;
        set->after = (leat_after)(1 + sim_below(s, 3));
    }
    choose_followers(s, op, number);
}

static void
choose_halt(sim *s, leat_settings *set)
{
    if (!rarely(s, 120))
        return;
    set->halt = (leat_halt){.on = (leat_halt_on)(1 + sim_below(s, 3)),
                            .running = sim_chance(s, 50000),
                            .percent = sim_chance(s, 30000)};
    set->halt.n = 1 + (uint32_t)sim_below(s, set->halt.percent ? 100 : 4);
}

static void
choose_batch(sim *s, sim_peer *peer, const sim_op *op, leat_send_head *head, leat_settings *set)
{
    if (peer->tag == 0 && sim_chance(s, 60000)) {
        peer->tag = ++peer->tags;
        peer->tag_batch = 0;
        peer->tag_sends = 0;
        peer->tag_durability = op->channel->durability;
        choose_halt(s, set);
    }
    if (peer->tag != 0 && peer->tag_durability == op->channel->durability) {
        head->tag = peer->tag;
        if (++peer->tag_sends >= 4 || sim_chance(s, 30000)) {
            head->flags |= LEAT_SEND_SEAL;
            peer->tag = 0;
        }
    } else if (sim_chance(s, 5000) && peer->tags > 0) {
        head->tag = 1 + (uint32_t)sim_below(s, peer->tags); /* mostly sealed long ago */
    }
}

static sim_op *
new_op(sim *s, const sim_peer *peer)
{
    sim_op *const op = &s->ops[s->op_count++];
    *op = (sim_op){
        .settings = leat_settings_nothing(), .peer = peer->index, .generation = peer->generation};
    return op;
}

static void
put_records(sim *s, leat_buf *frame, const sim_op *op, uint32_t number)
{
    const size_t size =
        op->n <= 10 && sim_chance(s, 1500) ? 30000 : SIM_PAYLOAD_MIN + sim_below(s, 60);
    uint8_t *const payload = calloc(1, size);
    if (payload == NULL)
        abort();
    for (uint32_t i = 0; i < op->n; i++) {
        put_words(payload, SIM_WORD_SENT, number, i);
        leat_send_put(frame, payload, size);
    }
    free(payload);
}

static const sim_channel *
choose_channel(sim *s, bool messages)
{
    const unsigned first = messages ? SIM_NEWS : 0;
    const unsigned last = messages ? SIM_CHANNELS : SIM_NEWS;
    if (!rarely(s, 550))
        return &sim_channels[first + (sim_chance(s, 20000) ? 1 : 0)];
    return &sim_channels[first + sim_below(s, last - first)];
}

static void
act_send(sim *s, sim_peer *peer, bool messages)
{
    if (s->op_count >= s->op_limit)
        return;
    const uint32_t number = s->op_count;
    sim_op *const op = new_op(s, peer);
    leat_send_head head = leat_send_head_default();
    leat_buf frame = {0};
    op->n = sim_chance(s, 10000) ? 1 + (uint32_t)sim_below(s, 100) : 1 + (uint32_t)sim_below(s, 5);
    op->channel = choose_channel(s, messages);
    op->handler = (unsigned)sim_below(s, SIM_HANDLERS);
    if (sim_chance(s, 20000))
        op->settings.priority = (uint8_t)sim_below(s, 10);
    if (messages) {
        choose_times(s, &op->settings);
    } else {
        choose_settings(s, op, number);
        head.handler = leat_text_of(sim_handlers[op->handler].name);
        choose_batch(s, peer, op, &head, &op->settings);
    }
    if (!messages && sim_chance(s, 3000)) /* of the wrong kind */
        op->channel = &sim_channels[SIM_NEWS];
    op->ids = calloc(op->n, sizeof *op->ids);
    if (op->ids == NULL)
        abort();
    if (op->channel->capacity != SIM_UNLIMITED && sim_chance(s, 25000))
        head.flags |= LEAT_SEND_TRY;
    op->try_only = (head.flags & LEAT_SEND_TRY) != 0;
    op->tag = head.tag;
    head.channel = leat_text_of(op->channel->name);
    head.settings = op->settings;
    sim_note(s, "client %u sends op %u: %u to %s %s, tag %u%s%s", peer->index, number, op->n,
             op->channel->name, messages ? "" : sim_handlers[op->handler].name, head.tag,
             (head.flags & LEAT_SEND_SEAL) != 0 ? ", seals" : "", op->try_only ? ", tries" : "");
    leat_frame_begin(&frame, LEAT_CMD_SEND);
    leat_send_put_head(&frame, &head);
    put_records(s, &frame, op, number);
    leat_frame_finish(&frame, 0, (uint16_t)op->n, 0);
    sim_said *const said = sim_peer_tell(s, peer, &frame);
    said->op = number;
    said->tag = head.tag;
    said->seals = (head.flags & LEAT_SEND_SEAL) != 0;
}

static void
act_select(sim *s, sim_peer *peer)
{
    if (s->op_count >= s->op_limit || !rarely(s, 1000))
        return;
    const uint32_t number = s->op_count;
    sim_op *const op = new_op(s, peer);
    const bool may_wait = sim_chance(s, 70000);
    leat_buf frame = {0};
    op->select = true;
    op->n = 1 + (uint32_t)sim_below(s, 4);
    op->ids = calloc(op->n, sizeof *op->ids);
    if (op->ids == NULL)
        abort();
    leat_frame_begin(&frame, LEAT_CMD_SELECT);
    leat_select_put_head(&frame, (uint8_t)(may_wait ? 0U : LEAT_SELECT_DEFAULT));
    op->try_only = !may_wait;
    for (uint32_t i = 0; i < op->n; i++) {
        uint8_t words[SIM_PAYLOAD_MIN];
        const bool sends = sim_chance(s, 50000);
        put_words(words, SIM_WORD_SENT, number, i);
        op->cases[i] = choose_channel(s, true);
        op->sends |= (sends ? 1U : 0U) << i;
        leat_select_put(&frame, &(leat_select_case){
                                    .kind = sends ? LEAT_SELECT_SEND : LEAT_SELECT_RECV,
                                    .channel = leat_text_of(op->cases[i]->name),
                                    .payload = {words, sends ? SIM_PAYLOAD_MIN : 0}
        });
        sim_note(s, "client %u, select %u: case %u %s %s", peer->index, number, i,
                 sends ? "sends to" : "receives from", op->cases[i]->name);
    }
    leat_frame_finish(&frame, 0, (uint16_t)op->n, 0);
    sim_peer_tell(s, peer, &frame)->op = number;
}

/* ---------------------------------------------------------------------------------- waiting */

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

static sim_batch *
any_batch(sim *s)
{
    return s->batch_count == 0 ? NULL : s->batch_list[sim_below(s, s->batch_count)];
}

/* ---------------------------------------------------------------------------------- receiving */

static void
ask_more(sim *s, sim_peer *peer, unsigned channel, uint32_t items)
{
    if (peer->recv[channel].withdrawing)
        return;
    peer->recv[channel].asked += items;
    say_recv(s, peer, channel, items);
}

static void
act_receive(sim *s, sim_peer *peer)
{
    const unsigned channel = sim_channel_index(choose_channel(s, true));
    sim_recv *const recv = &peer->recv[channel];
    leat_buf frame = {0};
    if (recv->withdrawing)
        return;
    if (!recv->on || sim_chance(s, 60000)) {
        ask_more(s, peer, channel, 1 + (uint32_t)sim_below(s, 9));
    } else if (sim_chance(s, 50000)) {
        leat_frame_begin(&frame, LEAT_CMD_WITHDRAW);
        leat_withdraw_put(&frame,
                          &(leat_withdraw){.kind = LEAT_WITHDRAW_RECV,
                                           .channel = leat_text_of(sim_channels[channel].name)});
        say_one(s, peer, &frame, 1);
        sim_note(s, "client %u withdraws from %s", peer->index, sim_channels[channel].name);
        recv->withdrawing = true;
        recv->on = false;
    } else {
        say_recv(s, peer, channel, 0);
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
        sim_peer_tell(s, peer, &frame)->message = id;
    }
}

/* ---------------------------------------------------------------------------------- giving up */

static void
act_withdraw(sim *s, sim_peer *peer)
{
    for (size_t i = peer->said_count; i > 0; i--) {
        sim_said *const said = &peer->said[i - 1];
        leat_buf frame = {0};
        if (said->arrived || said->withdrawn == peer->connection ||
            (said->command != LEAT_CMD_SEND && said->command != LEAT_CMD_SELECT))
            continue;
        /* At the end every SEND gets through, but nothing need come for a SELECT. */
        if (s->healing ? said->command != LEAT_CMD_SELECT : !sim_chance(s, 50000))
            continue;
        said->withdrawn = peer->connection;
        leat_frame_begin(&frame, LEAT_CMD_WITHDRAW);
        leat_withdraw_put(
            &frame, &(leat_withdraw){.kind = LEAT_WITHDRAW_SEQUENCE, .sequence = said->sequence});
        sim_note(s, "client %u withdraws %" PRIu64, peer->index, said->sequence);
        say_one(s, peer, &frame, 1);
        if (!s->healing)
            return;
    }
}

static void
act_cancel(sim *s, sim_peer *peer)
{
    leat_buf frame = {0};
    uint64_t ids[4];
    unsigned n = 0;
    if (s->live_count == 0 || !rarely(s, 700))
        return;
    leat_frame_begin(&frame, LEAT_CMD_CANCEL);
    for (unsigned i = 0; i <= sim_below(s, 3); i++) {
        sim_job *const job = s->live[sim_below(s, s->live_count)];
        if (job->channel->messages)
            continue;
        job->cancels_asked++;
        ids[n++] = job->id;
        leat_cancel_put(&frame, job->id);
        sim_note(s, "client %u cancels job %" PRIu64, peer->index, job->id);
    }
    if (n == 0) {
        leat_buf_fini(&frame);
        return;
    }
    leat_frame_finish(&frame, 0, (uint16_t)n, 0);
    sim_said *const said = sim_peer_tell(s, peer, &frame);
    memcpy(said->cancels, ids, n * sizeof *ids);
    said->cancel_count = n;
}

static void
act_cancel_batch(sim *s, sim_peer *peer, sim_batch *batch)
{
    char more[64] = "";
    if (!rarely(s, 500))
        return;
    const bool places = sim_chance(s, 40000);
    if (places)
        (void)snprintf(more, sizeof more, ",\"from\":1,\"upto\":%u", 1 + (unsigned)sim_below(s, 3));
    batch->cancel_asked = true;
    command_batch(s, peer, places ? SIM_VERB_CANCEL_PLACES : SIM_VERB_CANCEL_BATCH, "batch.cancel",
                  batch->id, more);
}

static void
act_steer(sim *s, sim_peer *peer)
{
    const unsigned i = sim_channel_index(choose_channel(s, sim_chance(s, 40000)));
    const uint64_t roll = sim_below(s, 100);
    char more[64];
    if (!rarely(s, 500))
        return;
    if (roll < 20) {
        s->purge_asked[i] = true;
        command_channel(s, peer, SIM_VERB_PURGE, "channel.purge", i, "");
    } else if (roll < 50) {
        (void)snprintf(more, sizeof more, ",\"for_ms\":%u", 1 + (unsigned)sim_below(s, 5000));
        command_channel(s, peer, SIM_VERB_PAUSE, "channel.pause", i,
                        sim_chance(s, 50000) ? more : "");
    } else if (roll < 85) {
        command_channel(s, peer, SIM_VERB_RESUME, "channel.resume", i, "");
    } else if (roll < 93 && sim_channels[i].closes) {
        s->close_asked[i] = true;
        command_channel(s, peer, SIM_VERB_CLOSE, "channel.close", i, "");
    } else if (sim_channels[i].running_max > 0) {
        (void)snprintf(more, sizeof more, ",\"running_max\":%u", 1 + (unsigned)sim_below(s, 4));
        command_channel(s, peer, SIM_VERB_OTHER, "channel.set", i, more);
    }
}

static void
act_dead(sim *s, sim_peer *peer, const sim_batch *batch)
{
    char text[160];
    const uint64_t roll = sim_below(s, 100);
    if (s->dead_count == 0 || !rarely(s, 1000))
        return;
    const uint64_t id = s->dead_ids[sim_below(s, s->dead_count < 128 ? s->dead_count : 128)];
    if (roll < 30) {
        command_batch(s, peer, SIM_VERB_RETRY, "batch.retry", batch->id, "");
    } else if (roll < 75) {
        (void)snprintf(text, sizeof text,
                       "{\"command\":\"dead.retry\",\"arguments\":{\"jobs\":[\"%" PRIu64 "\"]}}",
                       id);
        (void)sim_client_command(s, peer, SIM_VERB_RETRY, text);
    } else if (roll < 85) {
        (void)sim_client_command(s, peer, SIM_VERB_RETRY,
                                 "{\"command\":\"dead.retry\",\"arguments\":{}}");
    } else {
        (void)snprintf(text, sizeof text,
                       "{\"command\":\"dead.remove\",\"arguments\":{\"jobs\":[\"%" PRIu64 "\"]}}",
                       id);
        (void)sim_client_command(s, peer, SIM_VERB_REMOVE_DEAD, text);
    }
}

/* ---------------------------------------------------------------------------------- schedules */

static void
command_schedule(sim *s, sim_peer *peer, sim_verb verb, const char *name, unsigned which)
{
    char text[96];
    (void)snprintf(text, sizeof text,
                   "{\"command\":\"schedule.%s\",\"arguments\":{\"name\":\"s%u\"}}", name, which);
    sim_client_command(s, peer, verb, text)->what = which;
}

/* Base64 of the payload that names schedule `which`. */
static void
put_schedule_payload(unsigned which, char out[24])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t words[SIM_PAYLOAD_MIN];
    put_words(words, SIM_WORD_SCHEDULE, which, 0);
    for (unsigned i = 0; i < SIM_PAYLOAD_MIN; i += 3) {
        const uint32_t bits = (uint32_t)words[i] << 16 | (uint32_t)words[i + 1] << 8 | words[i + 2];
        for (unsigned k = 0; k < 4; k++)
            *out++ = letters[bits >> (18 - 6 * k) & 63U];
    }
    *out = '\0';
}

static void
act_schedule(sim *s, sim_peer *peer)
{
    static const char *const exprs[] = {"* * * * *", "*/2 * * * *", "30 * * * *"};
    static const char *const zones[] = {"UTC", "Sim/East", "Sim/Changing"};
    const unsigned which = (unsigned)sim_below(s, SIM_SCHEDULES);
    const uint64_t roll = sim_below(s, 100);
    sim_schedule *const schedule = &s->schedules[which];
    char text[320];
    char payload[24];
    if (!rarely(s, 1000))
        return;
    if (!schedule->added) {
        put_schedule_payload(which, payload);
        const sim_channel *const channel = &sim_channels[sim_below(s, 3)];
        schedule->added = true;
        schedule->durability = channel->durability;
        (void)snprintf(
            text, sizeof text,
            "{\"command\":\"schedule.add\",\"arguments\":{\"name\":\"s%u\",\"expr\":\"%s\","
            "\"zone\":\"%s\",\"overlap\":\"%s\",\"handler\":\"quick\",\"channel\":\"%s\","
            "\"payload_b64\":\"%s\"}}",
            which, ANY(exprs), ANY(zones), sim_chance(s, 50000) ? "skip" : "queue", channel->name,
            payload);
        (void)sim_client_command(s, peer, SIM_VERB_SCHEDULE_ADD, text);
    } else if (roll < 50) {
        schedule->runs_asked++;
        schedule->runs_all++;
        command_schedule(s, peer, SIM_VERB_SCHEDULE_RUN, "run", which);
    } else if (roll < 80) {
        schedule->resumed |= roll >= 65;
        command_schedule(s, peer, SIM_VERB_OTHER, roll < 65 ? "pause" : "resume", which);
    }
}

/* ---------------------------------------------------------------------------------- questions */

static void
act_ask(sim *s, sim_peer *peer, const sim_batch *batch)
{
    char text[160];
    const sim_channel *const channel = &sim_channels[sim_below(s, SIM_CHANNELS)];
    const uint64_t roll = sim_below(s, 100);
    const uint64_t id = batch == NULL ? 0 : batch->id;
    if (roll < 50 && batch != NULL)
        (void)snprintf(text, sizeof text,
                       "{\"id\":\"%" PRIu64
                       "\",\"query\":\"status\",\"arguments\":{\"batch\":\"%" PRIu64 "\"}}",
                       id, id);
    else if (roll < 53)
        (void)snprintf(text, sizeof text,
                       "{\"id\":\"0\",\"query\":\"job.list\",\"arguments\":{\"batch\":\"%" PRIu64
                       "\",\"state\":\"all\"}}",
                       id);
    else if (roll < 56)
        (void)snprintf(text, sizeof text,
                       "{\"id\":\"0\",\"query\":\"batch.list\",\"arguments\":{\"state\":\"all\","
                       "\"cursor\":\"%" PRIu64 ".18446744073709551615.0\"}}",
                       roll - 50);
    else if (roll < 59)
        (void)snprintf(text, sizeof text, "{\"id\":\"0\",\"query\":\"events\"}");
    else if (roll < 65)
        (void)snprintf(
            text, sizeof text,
            "{\"id\":\"0\",\"query\":\"explain\",\"arguments\":{\"batch\":\"%" PRIu64 "\"}}", id);
    else if (roll < 80)
        (void)snprintf(text, sizeof text,
                       "{\"id\":\"0\",\"query\":\"channel\",\"arguments\":{\"channel\":\"%s\"}}",
                       channel->name);
    else
        (void)snprintf(text, sizeof text, "{\"id\":\"0\",\"query\":\"%s\",\"arguments\":{}}",
                       roll < 85   ? "status"
                       : roll < 90 ? "dead"
                       : roll < 95 ? "schedules"
                                   : "workers");
    ask(s, peer, text);
}

static void
act_watch(sim *s, sim_peer *peer, const sim_batch *batch)
{
    char text[160];
    (void)snprintf(text, sizeof text,
                   "{\"id\":\"0\",\"query\":\"%s\",\"arguments\":{\"batch\":\"%" PRIu64 "\"%s}}",
                   sim_chance(s, 85000) ? "watch" : "unwatch", batch->id,
                   sim_chance(s, 20000) ? ",\"place\":1" : "");
    ask(s, peer, text);
}

/* ---------------------------------------------------------------------------------- a step */

static void
act(sim *s, sim_peer *peer)
{
    const uint64_t roll = sim_below(s, 100);
    sim_batch *const batch = any_batch(s);
    if (roll < 36)
        act_send(s, peer, false);
    else if (roll < 48)
        act_send(s, peer, true);
    else if (roll < 55)
        act_select(s, peer);
    else if (roll < 64 && batch != NULL) {
        add_wait(s, peer, batch);
        act_watch(s, peer, batch);
    } else if (roll < 70)
        act_ask(s, peer, batch);
    else if (roll < 73 && peer->tag != 0 && peer->tag_batch != 0) {
        command_batch(s, peer, SIM_VERB_SEAL, "batch.seal", peer->tag_batch, "");
        peer->tag = 0;
    } else if (roll < 80)
        act_receive(s, peer);
    else if (roll < 84)
        act_cancel(s, peer);
    else if (roll < 87 && batch != NULL)
        act_cancel_batch(s, peer, batch);
    else if (roll < 91)
        act_steer(s, peer);
    else if (roll < 94 && batch != NULL)
        act_dead(s, peer, batch);
    else if (roll < 96)
        act_schedule(s, peer);
    else if (rarely(s, 1000))
        act_withdraw(s, peer);
}

static bool
asks(const sim_peer *peer, sim_verb verb, uint64_t batch, unsigned what)
{
    for (size_t i = peer->said_count; i > 0; i--) {
        const sim_said *const said = &peer->said[i - 1];
        if (!said->arrived && said->verb == verb && said->batch == batch && said->what == what)
            return true;
    }
    return false;
}

/* With the faults off: everything that was begun is brought to its end. */
static void
heal(sim *s, sim_peer *peer)
{
    act_withdraw(s, peer);
    for (unsigned i = SIM_NEWS; i < SIM_CHANNELS; i++) {
        if (peer->recv[i].asked < 1000 || !peer->recv[i].on) {
            if (!peer->recv[i].withdrawing)
                peer->recv[i].asked += 1000;
            ask_more(s, peer, i, 20);
        }
    }
    for (size_t i = 0; i < s->batch_count; i++) {
        const sim_batch *const batch = s->batch_list[i];
        if (batch->sealed || batch->is_lone ||
            (batch->durability == SIM_MEMORY && batch->life < s->life) ||
            asks(peer, SIM_VERB_SEAL, batch->id, 0))
            continue;
        command_batch(s, peer, SIM_VERB_SEAL, "batch.seal", batch->id, "");
    }
    if (peer->index != 0)
        return;
    for (unsigned i = 0; i < SIM_CHANNELS; i++) {
        if (s->resumed[i] || asks(peer, SIM_VERB_RESUME, 0, i))
            continue;
        command_channel(s, peer, SIM_VERB_RESUME, "channel.resume", i, "");
    }
    for (unsigned i = 0; i < SIM_SCHEDULES; i++) {
        if (s->schedules[i].added && !s->schedules[i].removed &&
            !asks(peer, SIM_VERB_SCHEDULE_REMOVE, 0, i))
            command_schedule(s, peer, SIM_VERB_SCHEDULE_REMOVE, "remove", i);
    }
}

void
sim_client_step(sim *s, sim_peer *peer)
{
    ack_messages(s, peer);
    if (s->setting_up)
        return;
    if (s->healing) {
        heal(s, peer);
    } else if (s->now.mono_ms >= peer->act_ms) {
        peer->act_ms = s->now.mono_ms + (int64_t)sim_below(s, 400);
        if (peer->state == SIM_UP)
            act(s, peer);
        else
            act_withdraw(s, peer); /* it wants to leave */
    }
}

void
sim_client_welcome(sim *s, sim_peer *peer)
{
    for (unsigned i = 0; i < peer->wait_count; i++) {
        if (!peer->waits[i].over)
            say_wait(s, peer, &peer->waits[i]);
    }
    for (unsigned i = SIM_NEWS; i < SIM_CHANNELS; i++) {
        if (peer->recv[i].on)
            ask_more(s, peer, i, 1 + (uint32_t)sim_below(s, 9));
    }
}

/* ---------------------------------------------------------------------------------- hearing */

static void
keep_message(sim_peer *peer, uint64_t id)
{
    if (peer->message_count < sizeof peer->messages / sizeof *peer->messages)
        peer->messages[peer->message_count++] = id;
}

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
        const sim_batch *const batch = sim_batch_of(s, run->batch);
        const bool dropped = batch != NULL && batch->dropped;
        if (!dropped && (wait->durability == SIM_DISK || wait->life == s->life))
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
        sim_peer_say(s, peer, &frame);
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
                if (peer->messages[k] == message.id && peer->shaky_ms == 0)
                    sim_fail(s, "message %" PRIu64 " comes to %u while it has it", message.id,
                             peer->index);
            }
            keep_message(peer, message.id);
        }
    }
}

/* Why a SEND or SELECT was not done must be true. */
static void
check_refusal(
    sim *s, const sim_peer *peer, const sim_said *said, const sim_channel *channel, unsigned code)
{
    const sim_op *const op = &s->ops[said->op];
    const bool closed = channel != NULL && s->close_asked[sim_channel_index(channel)];
    if ((code == LEAT_ERR_FULL && !op->try_only) ||
        (code == LEAT_ERR_TIMEOUT && said->withdrawn == 0 && !(op->select && peer->was_silent)) ||
        (code == LEAT_ERR_NO_SPACE &&
         (!s->disk_was_full || (channel != NULL && channel->durability == SIM_MEMORY))) ||
        (code == LEAT_ERR_CLOSED && !closed) || code == LEAT_ERR_LIMIT || code == LEAT_ERR_NOMEM ||
        code == LEAT_ERR_MALFORMED)
        sim_fail(s, "op %u is answered by code %u (%s), for no reason", said->op, code,
                 leat_err_message((leat_err)code));
    s->figures.no_space += code == LEAT_ERR_NO_SPACE;
}

/* The batch has so many more that were accepted. */
static sim_batch *
count_accepted(sim *s, const sim_op *op, uint64_t id, uint64_t first_id, uint32_t n)
{
    const sim_job *const job = sim_job_find(s, first_id);
    sim_batch *batch = sim_batch_of(s, id);
    if (batch == NULL) {
        batch = sim_batch_ensure(s, id, op->channel->durability);
        batch->life = job == NULL ? s->life : job->life;
    }
    batch->accepted += n;
    return batch;
}

static void
hear_sent(sim *s, sim_peer *peer, leat_reader *records)
{
    leat_sent sent;
    bool first;
    leat_sent_next(records, &sent);
    const sim_said *const said = sim_peer_arrives(s, peer, sent.sequence, &first);
    sim_op *const op = &s->ops[said->op];
    if (!first)
        return;
    op->status = sent.code == LEAT_ERR_OK ? SIM_OP_OK
                 : sent.accepted > 0      ? SIM_OP_PARTLY
                                          : SIM_OP_REFUSED;
    op->accepted = sent.accepted;
    if (sent.code != LEAT_ERR_OK)
        check_refusal(s, peer, said, op->channel, sent.code);
    s->figures.partly += op->status == SIM_OP_PARTLY;
    for (uint32_t i = sent.accepted; i < op->n; i++) {
        if (op->ids[i] != 0 && op->channel->durability == SIM_DISK)
            sim_fail(s, "op %u.%u is refused, and is in the store", said->op, i);
    }
    if (sent.accepted == 0)
        return;
    op->batch = sent.batch;
    op->life = s->life;
    if (op->channel->messages)
        return;
    const bool alone = said->tag == 0;
    const bool joined =
        op->settings.unique.size > 0 && !sim_job_is_of(sim_job_find(s, sent.first_id), said->op);
    for (uint32_t i = 0; i < (alone ? sent.accepted : 1); i++) {
        const uint64_t id = alone && !joined ? sent.first_id + i : sent.batch;
        sim_batch *const batch =
            count_accepted(s, op, id, sent.first_id, alone ? 1 : sent.accepted);
        batch->sealed |= alone || (said->seals && sent.code == LEAT_ERR_OK);
        if (!alone && said->tag == peer->tag)
            peer->tag_batch = id;
        if (i == 0 && sim_chance(s, 70000))
            add_wait(s, peer, batch);
    }
}

static void
hear_selected(sim *s, sim_peer *peer, leat_reader *records)
{
    leat_selected selected;
    bool first;
    leat_selected_next(records, &selected);
    const sim_said *const said = sim_peer_arrives(s, peer, selected.sequence, &first);
    sim_op *const op = &s->ops[said->op];
    if (!first)
        return;
    const bool ok = selected.code == LEAT_ERR_OK;
    const sim_channel *const channel = selected.index < op->n ? op->cases[selected.index] : NULL;
    if (!ok)
        check_refusal(s, peer, said, channel, selected.code);
    op->status = ok ? SIM_OP_OK : SIM_OP_REFUSED;
    op->accepted = ok;
    if (!ok || (op->sends >> selected.index & 1U) != 0)
        return;
    op->status = SIM_OP_REFUSED; /* none of its sends has happened */
    keep_message(peer, selected.id);
}

static uint64_t
figure(const cJSON *row, const char *key)
{
    uint64_t value = 0;
    (void)leat_json_u64(row, key, &value);
    return value;
}

static void
check_status(sim *s, const cJSON *result, uint64_t id, const uint8_t *body, size_t size)
{
    static const char *const parts[] = {"ready", "running",   "delayed", "held",   "done",
                                        "dead",  "cancelled", "expired", "skipped"};
    const sim_batch *const batch = sim_batch_of(s, id);
    const cJSON *const row = cJSON_GetObjectItemCaseSensitive(result, "batch");
    uint64_t sum = 0;
    /* A job alone whose end is not on disk yet is found neither here nor there. */
    if (row == NULL && sim_job_find(s, id) == NULL &&
        (batch->durability == SIM_DISK || batch->life == s->life) && !batch->dropped)
        sim_fail(s, "batch %" PRIu64 " is not found", id);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        sum += figure(row, parts[i]);
    if (row != NULL && figure(row, "total") != sum)
        sim_fail(s, "batch %" PRIu64 " does not add up: %.*s", id, (int)size, (const char *)body);
}

static void
hear_done(sim *s, const sim_said *said, const cJSON *result)
{
    sim_batch *const batch = said->batch == 0 ? NULL : sim_batch_of(s, said->batch);
    if (said->verb == SIM_VERB_RESUME)
        s->resumed[said->what] = s->healing;
    if (said->verb == SIM_VERB_PAUSE) /* said before, and done only now */
        s->resumed[said->what] = false;
    if (said->verb == SIM_VERB_SCHEDULE_REMOVE)
        s->schedules[said->what].removed = true;
    if (said->verb != SIM_VERB_SEAL || batch == NULL)
        return;
    if (result == NULL && batch->durability == SIM_DISK && !batch->sealed && batch->accepted > 0 &&
        !batch->dropped)
        sim_fail(s, "batch %" PRIu64 " cannot be sealed", said->batch);
    batch->sealed = true;
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
        const sim_said *const said = sim_peer_arrives(s, peer, sequence, &first);
        sim_note(s, "client %u is answered: %.*s", peer->index, size > 100 ? 100 : (int)size,
                 (const char *)body);
        if (first)
            hear_done(s, said, result);
    } else if (leat_json_u64(json, "id", &id) && id != 0) {
        check_status(s, result, id, body, size);
    }
    cJSON_Delete(json);
}

static void
hear_withdrawn(sim *s, sim_peer *peer, leat_reader *records)
{
    leat_withdrawn withdrawn;
    leat_withdrawn_next(records, &withdrawn);
    peer->recv[sim_channel_index(sim_channel_of(s, withdrawn.channel))].withdrawing = false;
}

typedef void record_fn(sim *s, sim_peer *peer, leat_reader *records);

bool
sim_client_hears(sim *s, sim_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    record_fn *next = NULL;
    leat_err err = LEAT_ERR_OK;
    if (frame->command == LEAT_CMD_SENT) {
        err = leat_sent_open(body, size, frame->count, &records);
        next = hear_sent;
    } else if (frame->command == LEAT_CMD_SELECTED) {
        err = leat_selected_open(body, size, frame->count, &records);
        next = hear_selected;
    } else if (frame->command == LEAT_CMD_WITHDRAWN) {
        err = leat_withdrawn_open(body, size, frame->count, &records);
        next = hear_withdrawn;
    } else if (frame->command == LEAT_CMD_ITEMS) {
        hear_items(s, peer, frame, body, size);
    } else if (frame->command == LEAT_CMD_REPLY) {
        hear_reply(s, peer, body, size);
    } else if (frame->command == LEAT_CMD_PROGRESS || frame->command == LEAT_CMD_LOG) {
        return true; /* the oracle has seen it leave */
    } else {
        return false;
    }
    if (err != LEAT_ERR_OK)
        sim_fail(s, "a frame that cannot be read arrives");
    for (unsigned i = 0; i < frame->count && next != NULL; i++)
        next(s, peer, &records);
    return true;
}
