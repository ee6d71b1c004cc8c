/* The core: bytes become what a few peers say and what time does. No crash, no fault, no frame that
 * breaks a promise (tests/lib/peers.c looks at every one); in the end every job that was accepted
 * is counted once in its batch. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/peers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SLOTS     5U
#define STEPS_MAX 400U

struct fuzz {
    test_world w;
    test_peer *peers[SLOTS]; /* 0, 1, 2: clients · 3, 4: workers */
    leat_reader in;
    bool restarted;
};

static bool
is_worker(unsigned slot)
{
    return slot >= 3;
}

static void
require(bool holds)
{
    if (!holds)
        abort();
}

/* Somebody new takes the slot. */
static void
replace(struct fuzz *f, unsigned slot)
{
    static const char *const handlers[] = {"a b:child c:timer", "a:child b:pool"};
    if (f->peers[slot] != NULL && f->peers[slot]->route != 0)
        peer_cut(f->peers[slot]);
    f->peers[slot] = NULL;
    if (f->w.peer_count == WORLD_PEERS_MAX)
        return;
    f->peers[slot] = world_peer(&f->w, is_worker(slot) ? "w" : "", is_worker(slot) ? 3 : 0,
                                is_worker(slot) ? handlers[slot - 3] : NULL);
    if (is_worker(slot)) {
        f->peers[slot]->hello->channel_count = 2;
        (void)snprintf(f->peers[slot]->hello->channels[0], LEAT_NAME_BYTES_MAX, "default");
        (void)snprintf(f->peers[slot]->hello->channels[1], LEAT_NAME_BYTES_MAX, "m");
    }
    peer_connect(f->peers[slot], false);
}

static void
resume(struct fuzz *f, unsigned slot, uint8_t how)
{
    test_peer *const peer = f->peers[slot];
    if (peer->route != 0 && (how & 1U) != 0)
        peer_cut(peer);
    if (peer->hello->connection == 0 || peer->over) {
        replace(f, slot);
        return;
    }
    peer->deaf = false;
    const bool hold = f->w.disk->hold;
    f->w.disk->hold = false;
    test_late_let_all(f->w.disk);
    peer_connect(peer, true);
    must_settle(&f->w);
    f->w.disk->hold = hold;
    if (!peer->welcome) { /* its session is over */
        replace(f, slot);
        return;
    }
    for (uint64_t s = 1; s <= peer->sequence; s++) {
        if (peer_answer(peer, s) == NULL)
            peer_repeat(peer, s);
    }
    if (is_worker(slot))
        peer_claim(peer, how >> 4, (how & 2U) != 0);
}

/* A body of any bytes in a frame of any command but those that begin and end sessions. */
static void
say_anything(struct fuzz *f, test_peer *peer, uint8_t how)
{
    const uint8_t command = leat_read_u8(&f->in);
    const uint8_t count = leat_read_u8(&f->in);
    size_t size = leat_read_u8(&f->in);
    if (size > leat_reader_left(&f->in))
        size = leat_reader_left(&f->in);
    const uint8_t *const body = leat_read_bytes(&f->in, size);
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_HEARTBEAT);
    leat_put_bytes(&frame, body, body == NULL ? 0 : size);
    leat_frame_finish(&frame, 0, count, 0);
    frame.data[3] = command;
    if ((how & 8U) != 0) {
        leat_frame_set_sequence(frame.data, how);
        world_stranger(&f->w, WORLD_STRANGERS + (how & 3U), frame.data, frame.size);
    } else if (command == LEAT_CMD_HELLO || command == LEAT_CMD_BYE) {
        leat_buf_fini(&frame);
    } else if ((how & 4U) != 0 && peer->sequence + 1 < LEAT_WINDOW_FRAMES) {
        (void)peer_say_numbered(peer, &frame);
    } else {
        peer_say(peer, &frame);
    }
    leat_buf_fini(&frame);
}

/* One of the settings that make more of a job than a run. */
static void
choose_settings(leat_settings *settings, uint8_t which)
{
    static const uint8_t payload[] = "follows";
    const leat_follower follower = {
        leat_text_of("a"), {payload, sizeof payload}
    };
    switch (which % 10U) {
    case 0:
        settings->unique = leat_text_of("u");
        settings->unique_for_ms = which;
        break;
    case 1:
        settings->finally_count = 2;
        settings->finally[0] = settings->finally[1] = follower;
        break;
    case 2:
        settings->recover = follower;
        break;
    case 3:
        settings->after = (leat_after)(1 + which % 3U);
        settings->after_batch = 1;
        settings->delay_ms = 0;
        break;
    case 4:
        settings->key = leat_text_of("k");
        break;
    case 5:
        settings->run_limit_ms = 10U + which;
        settings->grace_ms = 1U + which;
        break;
    case 6:
        settings->expires_ms = 1U + which * 4U;
        break;
    case 7:
        settings->halt = (leat_halt){.on = (leat_halt_on)(1 + which % 3U), .n = 1};
        break;
    case 8:
        settings->reply = leat_text_of("c");
        break;
    default:
        settings->flow = leat_text_of("f");
    }
}

static void
send_jobs(test_peer *peer, uint8_t how, uint8_t n)
{
    static const char *const handlers[] = {"a", "b", "c", ""};
    leat_send_head head = test_head(handlers[how & 3U], (how >> 2) & 3U);
    head.channel = leat_text_of(head.handler.size == 0 ? "c" : (how & 16U) != 0 ? "m" : "default");
    head.flags = (how & 32U) != 0 && n % 5 == 0 ? LEAT_SEND_SEAL : 0;
    head.settings.delay_ms = (how & 64U) != 0 ? (uint64_t)n * 40 : 0;
    head.settings.priority = n % 10;
    head.settings.failures = (uint16_t)(1 + n % 3);
    if ((how & 96U) == 32U && head.handler.size > 0)
        choose_settings(&head.settings, n);
    if (head.settings.unique.size > 0)
        n = 0; /* one record */
    (void)peer_send(peer, &head, 1U + n % 40U, (how & 128U) != 0 ? (size_t)n * 50 : 0);
}

/* Something with one of its open jobs. */
static void
handle_job(test_peer *peer, uint8_t how, uint8_t which)
{
    static const leat_end ends[] = {LEAT_END_DONE, LEAT_END_DONE, LEAT_END_FAILED, LEAT_END_FATAL};
    if (peer->job_count == 0)
        return;
    test_job *const job = &peer->jobs[peer->job_count - 1 - which % peer->job_count];
    if ((how & 1U) != 0 && job->number > peer->started)
        peer->started = job->number;
    if ((how & 2U) != 0 && job->over)
        return; /* else: a stale one on purpose */
    job->over = true;
    if ((how & 12U) == 0)
        (void)peer_token(peer, LEAT_CMD_RELEASE, job, 0);
    else if ((how & 12U) == 4)
        (void)peer_token(peer, LEAT_CMD_SNOOZE, job, (uint64_t)which * 20);
    else
        (void)peer_done(peer, job, ends[how >> 6], (uint64_t)which * 300, &how, how & 1U);
}

static void
wait_for(struct fuzz *f, test_peer *peer, uint8_t how, uint8_t which)
{
    const test_peer *const owner = f->peers[how % 3U];
    uint64_t batch = which;
    if (owner != NULL && owner->answer_count > 0)
        batch = owner->answers[which % owner->answer_count].sent.batch;
    if ((how & 64U) != 0)
        peer_ack_position(peer, batch, how >> 2);
    else
        peer_wait(peer, batch, (how >> 2) & 3U, (leat_goal)(how % 3U), which % 8U,
                  (how & 128U) != 0 ? 1000 : how >> 5);
}

static void
receive(test_peer *peer, uint8_t how)
{
    if ((how & 1U) != 0 || peer->message_count == 0)
        peer_recv(peer, "c", how >> 3);
    else
        (void)peer_ack_message(peer, peer->messages[(size_t)how % peer->message_count].message.id);
}

static void
command(test_peer *peer, uint8_t how, uint8_t which)
{
#define CHANNEL(what, name) \
    "{\"command\":\"channel." what "\",\"arguments\":{\"channel\":\"" name "\""
    static const char *const bodies[] = {
        CHANNEL("close", "c") "}}",
        CHANNEL("new", "m") ",\"durability\":\"memory\"}}",
        CHANNEL("set", "default") ",\"capacity\":3,\"running_max\":2,\"key_max\":1}}",
        CHANNEL("set", "default") ",\"capacity\":null,\"running_max\":null,\"rate\":20}}",
        CHANNEL("set", "c") ",\"capacity\":0}}",
        CHANNEL("set", "c") ",\"capacity\":2}}",
        CHANNEL("pause", "default") ",\"for_ms\":500}}",
        CHANNEL("resume", "default") "}}",
        CHANNEL("purge", "default") "}}",
        CHANNEL("purge", "c") "}}",
        CHANNEL("remove", "m") ",\"purge\":true}}",
        "{\"command\":\"batch.seal\",\"arguments\":{\"batch\":\"33\"}}",
        "{\"command\":\"batch.seal\",\"arguments\":{\"batch\":\"1\"}}",
        "{\"command\":\"batch.cancel\",\"arguments\":{\"batch\":\"1\"}}",
        "{\"command\":\"batch.cancel\",\"arguments\":{\"batch\":\"1\",\"from\":1,\"upto\":2}}",
        "{\"command\":\"batch.retry\",\"arguments\":{\"batch\":\"1\"}}",
        "{\"command\":\"dead.retry\",\"arguments\":{}}",
        "{\"command\":\"dead.remove\",\"arguments\":{}}",
        ("{\"command\":\"schedule.add\",\"arguments\":{\"name\":\"s\",\"expr\":\"* * * * *\","
         "\"handler\":\"a\"}}"),
        "{\"command\":\"schedule.run\",\"arguments\":{\"name\":\"s\"}}",
    };
#undef CHANNEL
    static const char *const questions[] = {"status", "workers", "ping", "dead", "schedules"};
    if ((how & 4U) != 0 && !peer->deaf) {
        leat_buf frame = {0};
        char text[64];
        (void)snprintf(text, sizeof text, "{\"id\":\"1\",\"query\":\"%s\"}", questions[how % 5U]);
        leat_frame_begin(&frame, LEAT_CMD_QUERY);
        leat_put_bytes(&frame, text, strlen(text));
        leat_frame_finish(&frame, 0, 1, 0);
        peer_say(peer, &frame);
        return;
    }
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_COMMAND);
    const char *const body = bodies[which % (sizeof bodies / sizeof *bodies)];
    leat_put_bytes(&frame, body, strlen(body));
    leat_frame_finish(&frame, 0, 1, 0);
    (void)peer_say_numbered(peer, &frame);
}

static void
restart(struct fuzz *f)
{
    f->restarted = true;
    require(world_restart(&f->w) == LEAT_ERR_OK);
    world_turn(&f->w);
}

/* A peer does not ask again for an answer that it has read; in one life of the broker it may. */
static void
repeat(const struct fuzz *f, test_peer *peer, uint8_t which)
{
    if (peer->sequence == 0)
        return;
    const uint64_t sequence = 1 + which % peer->sequence;
    if (!f->restarted || peer_answer(peer, sequence) == NULL)
        peer_repeat(peer, sequence);
}

/* What a peer with a connection does. */
static void
act(struct fuzz *f, unsigned slot, uint8_t op, uint8_t how)
{
    test_peer *const peer = f->peers[slot];
    const uint8_t more = leat_read_u8(&f->in);
    if (peer == NULL || !peer->welcome)
        return;
    if (peer->sequence + 2 > LEAT_WINDOW_FRAMES && peer->deaf)
        peer->deaf = false;
    switch (op) {
    case 0:
    case 1:
        if (is_worker(slot))
            handle_job(peer, how, more);
        else
            send_jobs(peer, how, more);
        break;
    case 2:
        if (is_worker(slot))
            peer_credit_bytes(peer, how, (uint32_t)more << 10);
        else
            wait_for(f, peer, how, more);
        break;
    case 3:
        say_anything(f, peer, how);
        break;
    case 4:
        if (is_worker(slot))
            peer_claim(peer, how >> 4, (how & 1U) != 0);
        else
            receive(peer, how);
        break;
    case 5:
        command(peer, how, more);
        break;
    case 6:
        peer->deaf = (how & 1U) != 0;
        peer->mute = (how & 2U) != 0;
        break;
    case 7:
        repeat(f, peer, more);
        break;
    default:
        peer_beat(peer);
    }
}

static void
step(struct fuzz *f)
{
    const uint8_t op = leat_read_u8(&f->in);
    const uint8_t how = leat_read_u8(&f->in);
    const unsigned slot = (op >> 4) % SLOTS;
    switch (op & 15U) {
    case 9:
        world_turn(&f->w);
        break;
    case 10:
        world_pass(&f->w, (int64_t)how * (how >= 240 ? 60 : 10));
        break;
    case 11:
        if (f->peers[slot] == NULL)
            replace(f, slot);
        else
            resume(f, slot, how);
        break;
    case 12:
        if (f->peers[slot] != NULL && f->peers[slot]->route != 0)
            peer_cut(f->peers[slot]);
        break;
    case 13:
        if ((how & 1U) != 0)
            f->w.disk->hold = true;
        else if (f->w.disk->count > 0)
            test_late_let(f->w.disk, 1 + how % f->w.disk->count);
        if (f->w.disk->count == 0 && (how & 1U) == 0)
            f->w.disk->hold = false;
        break;
    case 14:
        if (how < 64)
            restart(f);
        else if (how < 96 && f->peers[slot] != NULL && f->peers[slot]->welcome)
            peer_bye(f->peers[slot]);
        else
            world_jump(&f->w, how);
        break;
    default:
        act(f, slot, op & 15U, how);
    }
}

/* Each batch of the channel on disk has at least the jobs that were answered, each in one state. */
static void
check_batches(struct fuzz *f)
{
    static const char *const states[] = {"ready", "running",   "delayed", "held",   "done",
                                         "dead",  "cancelled", "expired", "skipped"};
    test_peer *const client = must_client(&f->w);
    unsigned checked = 0;
    for (size_t p = 0; p + 1 < f->w.peer_count; p++) {
        const test_peer *const peer = f->w.peers[p];
        for (size_t i = 0; i < peer->answer_count && checked < 20; i++) {
            const leat_sent *const sent = &peer->answers[i].sent;
            if (peer->answers[i].command != LEAT_CMD_SENT || sent->accepted == 0)
                continue;
            const leat_buf *const said = &peer->said[sent->sequence - 1];
            leat_send_head head;
            leat_reader records;
            if (leat_send_open(said->data + LEAT_FRAME_BYTES, said->size - LEAT_FRAME_BYTES,
                               leat_load_u16(said->data + 4), &head, &records) != LEAT_ERR_OK ||
                !leat_text_is(head.channel, leat_text_of("default")) || head.handler.size == 0)
                continue;
            uint64_t sum = 0;
            for (size_t s = 0; s < sizeof states / sizeof *states; s++)
                sum += must_figure(client, sent->batch, states[s]);
            require(sum == must_figure(client, sent->batch, "total"));
            if (head.tag != 0)
                require(sum >= sent->accepted);
            checked++;
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz *const f = calloc(1, sizeof *f);
    if (f == NULL)
        return 0;
    f->in = leat_reader_over(data, size);
    world_init(&f->w);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        replace(f, slot);
    must_settle(&f->w);
    for (unsigned steps = 0; steps < STEPS_MAX && leat_reader_left(&f->in) > 0; steps++)
        step(f);

    test_late_let_all(f->w.disk);
    f->w.disk->hold = false;
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (f->peers[slot] != NULL)
            f->peers[slot]->deaf = false;
    }
    must_settle(&f->w);
    if (f->w.peer_count + 2 < WORLD_PEERS_MAX) {
        check_batches(f);
        restart(f);
        check_batches(f);
    }
    world_fini(&f->w);
    free(f);
    return 0;
}
