/* The world of a run: the network, the broker's life and death, time. See sim.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/sim/sim.h"

#define FAULTY_STEPS 1500U
#define HEAL_STEPS   60000U
#define AUDIT_STEPS  4U

#define NONE SIM_UNLIMITED
/* name, durability, messages, closes, capacity, running_max, key_max, rate, weight */
const sim_channel sim_channels[SIM_CHANNELS] = {
    {"default",   SIM_DISK,   false, false, NONE, 0, 0, 0, 0},
    {"quick",     SIM_MEMORY, false, false, NONE, 0, 0, 0, 0},
    {"tight",     SIM_DISK,   false, false, 3,    0, 0, 0, 0},
    {"capped",    SIM_DISK,   false, false, NONE, 2, 1, 0, 0},
    {"meet",      SIM_DISK,   false, false, 0,    0, 0, 0, 0},
    {"slow",      SIM_DISK,   false, false, NONE, 0, 0, 8, 0},
    {"shut",      SIM_DISK,   false, true,  4,    0, 0, 0, 0},
    {"quickmeet", SIM_MEMORY, false, false, 0,    0, 0, 0, 0},
    {"heavy",     SIM_DISK,   false, false, NONE, 0, 0, 0, 3},
    {"news",      SIM_DISK,   true,  false, NONE, 0, 0, 0, 0},
    {"flash",     SIM_MEMORY, true,  false, NONE, 0, 0, 0, 0},
    {"box",       SIM_DISK,   true,  false, 3,    0, 0, 0, 0},
    {"flashbox",  SIM_MEMORY, true,  false, 2,    0, 0, 0, 0},
    {"meetup",    SIM_DISK,   true,  false, 0,    0, 0, 0, 0},
    {"flashmeet", SIM_MEMORY, true,  false, 0,    0, 0, 0, 0},
    {"replies",   SIM_DISK,   true,  false, NONE, 0, 0, 0, 0},
    {"gone",      SIM_DISK,   true,  true,  NONE, 0, 0, 0, 0},
};
const leat_hello_handler sim_handlers[SIM_HANDLERS] = {
    {"nap",   LEAT_RUNS_TIMER },
    {"quick", LEAT_RUNS_INLINE},
    {"heavy", LEAT_RUNS_POOL  },
    {"shell", LEAT_RUNS_CHILD },
};

static sim *current; /* for the handler of SIGABRT: an assertion of the core tells its seed too */

/* ---------------------------------------------------------------------------------- telling */

/* Somebody else's choices come first, until the world heals. */
static bool
is_given(const sim *s)
{
    return !s->healing && leat_reader_left(&s->choices) > 0;
}

uint64_t
sim_below(sim *s, uint64_t n)
{
    if (!is_given(s))
        return leat_random_below(&s->random, n);
    uint64_t choice = leat_read_u8(&s->choices);
    for (uint64_t most = 256; most < n && leat_reader_left(&s->choices) > 0; most <<= 8)
        choice = choice << 8 | leat_read_u8(&s->choices);
    return choice % n;
}

/* One byte is enough for a choice, and 0 is yes however rare it is. */
bool
sim_chance(sim *s, unsigned of_100000)
{
    if (of_100000 == 0)
        return false;
    if (is_given(s))
        return leat_read_u8(&s->choices) * 100000U / 256U < of_100000;
    return leat_random_below(&s->random, 100000) < of_100000;
}

uint64_t
sim_hash(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *const bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
    return hash;
}

unsigned
sim_channel_index(const sim_channel *channel)
{
    return (unsigned)(channel - sim_channels);
}

const sim_channel *
sim_channel_of(sim *s, leat_text name)
{
    for (unsigned i = 0; i < SIM_CHANNELS; i++) {
        if (leat_text_is(name, leat_text_of(sim_channels[i].name)))
            return &sim_channels[i];
    }
    sim_fail(s, "a channel that nobody has named: %.*s", (int)name.size, name.data);
}

unsigned
sim_handler_of(sim *s, leat_text name)
{
    for (unsigned i = 0; i < SIM_HANDLERS; i++) {
        if (leat_text_is(name, leat_text_of(sim_handlers[i].name)))
            return i;
    }
    sim_fail(s, "a job for a handler that nobody has");
}

void
sim_note(sim *s, const char *format, ...)
{
    va_list arguments;
    char *const event = s->events[s->event_count++ % SIM_EVENTS_KEPT];
    const int n =
        snprintf(event, SIM_EVENT_BYTES, "%9.3f  ", (double)(s->now.mono_ms - 5000000) / 1000.0);
    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    (void)vsnprintf(event + n, SIM_EVENT_BYTES - (size_t)n, format, arguments);
    va_end(arguments);
    if (s->options.verbose)
        (void)fprintf(stderr, "%s\n", event);
    if (s->options.history != NULL)
        (void)fprintf(s->options.history, "%s\n", event);
}

/* Does the line name this number, and not one that it is part of? */
static bool
names(const char *line, const char *number)
{
    const size_t size = strlen(number);
    for (const char *at = line; (at = strstr(at, number)) != NULL; at += size) {
        const bool before = at > line && at[-1] >= '0' && at[-1] <= '9';
        if (!before && !(at[size] >= '0' && at[size] <= '9'))
            return true;
    }
    return false;
}

/* Everything that was ever said of the job, batch or op that the sentence names first. */
static void
tell_history(const sim *s, const char *sentence)
{
    char line[SIM_EVENT_BYTES + 2];
    char number[24];
    const char *const at = strpbrk(sentence, "0123456789");
    if (s->options.history == NULL || at == NULL)
        return;
    (void)snprintf(number, sizeof number, "%.*s", (int)strspn(at, "0123456789"), at);
    (void)fprintf(stderr, "sim: the history of %s\n", number);
    rewind(s->options.history);
    while (fgets(line, sizeof line, s->options.history) != NULL) {
        const char *const text = strchr(line + 1, ' '); /* behind the time */
        if (strstr(line, "crashes") != NULL || (text != NULL && names(text, number)))
            (void)fputs(line, stderr);
    }
}

static void
tell_events(const sim *s)
{
    const uint64_t from = s->event_count > SIM_EVENTS_KEPT ? s->event_count - SIM_EVENTS_KEPT : 0;
    for (uint64_t i = from; i < s->event_count && !s->options.verbose; i++)
        /* Also from the handler of SIGABRT, which ends the process in any case. */
        /* NOLINTNEXTLINE(bugprone-signal-handler,cert-sig30-c) */
        (void)fprintf(stderr, "%s\n", s->events[i % SIM_EVENTS_KEPT]);
    (void)fprintf(stderr, "sim: seed %" PRIu64 " FAILED\n", s->seed);
}

void
sim_fail(sim *s, const char *format, ...)
{
    va_list arguments;
    char sentence[512];
    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    sim_note(s, "VIOLATION");
    tell_events(s);
    tell_history(s, sentence);
    (void)fprintf(stderr, "sim: %s\n", sentence);
    if (s->options.choices != NULL)
        abort(); /* who chose keeps what he chose */
    _exit(1);
}

void
sim_tell_current(void)
{
    if (current != NULL)
        tell_events(current);
}

/* ---------------------------------------------------------------------------------- network */

static void
push_packet(sim *s, const sim_packet *packet)
{
    if (s->packet_count == s->packet_capacity) {
        s->packet_capacity = s->packet_capacity == 0 ? 256 : s->packet_capacity * 2;
        s->packets = realloc(s->packets, s->packet_capacity * sizeof *s->packets);
        if (s->packets == NULL)
            abort();
    }
    s->packets[s->packet_count++] = *packet;
}

/* When what is sent now arrives: not before what was sent earlier on the same connection. */
static int64_t
arrival(sim *s, leat_route route, bool up)
{
    int64_t at = s->now.mono_ms;
    if (!s->healing)
        at += (int64_t)sim_below(s, sim_chance(s, 2000) ? 3000 : 40);
    for (size_t i = s->packet_count; i > 0; i--) {
        const sim_packet *const packet = &s->packets[i - 1];
        if (packet->route == route && packet->up == up)
            return packet->at_ms > at ? packet->at_ms : at;
    }
    return at;
}

void
sim_send_up(sim *s, sim_peer *peer, leat_buf *frame_p)
{
    sim_packet packet = {.route = peer->route,
                         .peer = peer->index,
                         .generation = peer->generation,
                         .up = true,
                         .at_ms = arrival(s, peer->route, true)};
    const uint64_t sequence = leat_load_u64(frame_p->data + 8);
    const bool may = sequence > 0 && !s->healing;
    if (may && sim_chance(s, s->faults.drop)) {
        sim_note(s, "frame %" PRIu64 " of peer %u is dropped", sequence, peer->index);
        leat_buf_fini(frame_p);
        sim_said *const said = sim_peer_said(peer, sequence);
        for (unsigned i = 0; said != NULL && i < said->report_count; i++)
            said->reports[i].trusted = false; /* END will seem to say that it was not delivered */
        peer->heard_ms = s->now.mono_ms - LEAT_LOST_MS + 300; /* it notices soon, and reconnects */
        return;
    }
    leat_put_bytes(&packet.frame, frame_p->data, frame_p->size);
    push_packet(s, &packet);
    if (may && sim_chance(s, s->faults.twice)) {
        packet.frame = (leat_buf){0};
        leat_put_bytes(&packet.frame, frame_p->data, frame_p->size);
        push_packet(s, &packet);
    }
    leat_buf_fini(frame_p);
}

static void
drop_packets(sim *s, leat_route route, bool up, int64_t after_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->packet_count; i++) {
        if (s->packets[i].route == route && s->packets[i].up == up &&
            s->packets[i].at_ms > after_ms)
            leat_buf_fini(&s->packets[i].frame);
        else
            s->packets[kept++] = s->packets[i];
    }
    s->packet_count = kept;
    s->packets_moved = true;
}

void
sim_cut_route(sim *s, leat_route route)
{
    const int64_t now = s->now.mono_ms;
    drop_packets(s, route, false, INT64_MIN);
    if (sim_chance(s, 70000)) /* else all of it still arrives, perhaps after a new HELLO */
        drop_packets(s, route, true, now + (int64_t)sim_below(s, 40) - 20);
    if (s->healing || sim_chance(s, 75000))
        push_packet(
            s, &(sim_packet){
                   .route = route, .up = true, .gone = true, .at_ms = arrival(s, route, true)});
}

static sim_peer *
peer_of(sim *s, leat_route route)
{
    for (unsigned i = 0; i < s->peer_count; i++) {
        if (s->peers[i].route == route)
            return &s->peers[i];
    }
    return NULL;
}

static leat_delivery
on_out(void *context, leat_route route, leat_buf *frame_p)
{
    sim *const s = context;
    sim_peer *const peer = peer_of(s, route);
    if (peer == NULL) {
        leat_buf_fini(frame_p);
        return sim_chance(s, 30000) ? LEAT_DELIVERY_GONE : LEAT_DELIVERY_OK;
    }
    if (sim_chance(s, s->faults.full)) {
        sim_note(s, "the pipe to peer %u is full", peer->index);
        leat_buf_fini(frame_p);
        if (peer->broken_ms == 0) {
            peer->broken_ms = s->now.mono_ms;
            peer->broken_life = s->life;
        }
        return LEAT_DELIVERY_FULL;
    }
    sim_oracle_out(s, peer, frame_p);
    push_packet(s, &(sim_packet){.route = route,
                                 .peer = peer->index,
                                 .generation = peer->generation,
                                 .sent_ms = s->now.mono_ms,
                                 .at_ms = arrival(s, route, false),
                                 .frame = *frame_p});
    *frame_p = (leat_buf){0};
    return LEAT_DELIVERY_OK;
}

/* The core reads HELLO: was it away so shortly that it cannot have lost its leases? */
static void
hello_arrives(sim *s, sim_peer *peer)
{
    if (!sim_peer_is_steady(s, peer))
        sim_peer_untrust(peer);
    peer->broken_ms = 0;
}

static void
frame_arrives(sim *s, const sim_packet *packet)
{
    sim_peer *const peer = &s->peers[packet->peer];
    const uint64_t sequence = leat_load_u64(packet->frame.data + 8);
    const uint64_t seen = leat_load_u64(packet->frame.data + 16);
    const unsigned command = packet->frame.data[3];
    if (peer->generation == packet->generation) {
        sim_said *const said = sim_peer_said(peer, sequence);
        if (said != NULL)
            sim_oracle_read(s, peer, said);
        if (peer->route != packet->route && peer->broken_ms != 0 &&
            peer->broken_life != s->life) { /* heard again, by a connection that is gone already */
            peer->broken_life = s->life;
            peer->broken_ms = s->now.mono_ms;
        }
        if (peer->route == packet->route) {
            if (command == LEAT_CMD_HELLO)
                hello_arrives(s, peer);
            if (command == LEAT_CMD_PROGRESS || command == LEAT_CMD_LOG)
                sim_told_read(s, &packet->frame);
            if (command == LEAT_CMD_CREDIT && !peer->worker)
                sim_oracle_credit(s, peer, &packet->frame);
            if (seen > peer->core_seen && seen <= peer->core_out)
                peer->core_seen = seen;
        }
    }
    leat_core_on_frame(s->core, s->now, packet->route, &leat_principal_local, packet->frame.data,
                       packet->frame.size, false);
}

/* What has arrived, up or down; the order among connections is the one of sending. */
static void
deliver(sim *s, bool up)
{
    for (size_t i = 0; i < s->packet_count;) {
        if (s->packets[i].up != up || s->packets[i].at_ms > s->now.mono_ms ||
            (!up && s->now.mono_ms < s->peers[s->packets[i].peer].stall_ms)) {
            i++;
            continue;
        }
        sim_packet packet = s->packets[i];
        s->packet_count--;
        memmove(&s->packets[i], &s->packets[i + 1], (s->packet_count - i) * sizeof packet);
        if (packet.gone)
            leat_core_on_gone(s->core, s->now, packet.route);
        else if (up)
            frame_arrives(s, &packet);
        else if (s->peers[packet.peer].route == packet.route) {
            s->packet_ms = packet.sent_ms;
            sim_peer_hear(s, &s->peers[packet.peer], &packet.frame);
        }
        leat_buf_fini(&packet.frame);
        if (s->packets_moved)
            i = 0; /* a cut has taken some out before this one */
        s->packets_moved = false;
    }
}

/* ---------------------------------------------------------------------------------- broker */

/* The zones that there are: one east of Greenwich, and one whose clocks are moved every hour. */
static leat_err
zone_of(void *context,
        const char *name,
        int64_t from_s,
        int64_t upto_s,
        leat_zone_change *out,
        uint32_t max,
        uint32_t *count,
        char why[LEAT_CRON_WHY_BYTES])
{
    (void)context;
    (void)upto_s;
    why[0] = '\0';
    const bool changing = strcmp(name, "Sim/Changing") == 0;
    *count = changing ? max : 1;
    for (uint32_t i = 0; i < *count; i++)
        out[i] = (leat_zone_change){.from_s = from_s + (int64_t)i * 86400,
                                    .offset_s = changing && i % 2 == 0 ? 3600 : 7200};
    return LEAT_ERR_OK;
}

static void
start_core(sim *s)
{
    char why[256] = "";
    const leat_core_options options = {
        .disk = &s->disk->store,
        .memory = &s->memory->store,
        .out = {.context = s, .frame = on_out},
        .seed = s->seed + s->life,
        .broker_id = {0xb0           },
        .software = "sim",
        .store_name = "memory",
        .pid = 1,
        .zone = zone_of,
    };
    s->life++;
    s->boot_ms = s->now.mono_ms;
    if (leat_core_new(&options, s->now, &s->core) != LEAT_ERR_OK)
        abort();
    if (leat_core_load(s->core, s->now, why) != LEAT_ERR_OK)
        sim_fail(s, "%s", why);
}

static void
restart(sim *s)
{
    sim_note(s, "the broker crashes, %zu commits are lost", s->disk->count);
    s->figures.restarts++;
    for (unsigned i = 0; i < s->peer_count; i++) {
        sim_peer *const peer = &s->peers[i];
        if (!sim_peer_is_steady(s, peer))
            sim_peer_untrust(peer);
        sim_peer_cut(s, peer);
    }
    for (size_t i = 0; i < s->packet_count; i++)
        leat_buf_fini(&s->packets[i].frame);
    s->packet_count = 0;
    leat_core_destroy(&s->core);
    sim_store_crash(s->disk);
    sim_store_free(&s->memory);
    s->memory = sim_store_new(s, SIM_MEMORY);
    for (unsigned i = 0; i < s->peer_count; i++) {
        sim_peer_untrust_memory(s, &s->peers[i]);
        if (s->peers[i].wake_ms < s->now.mono_ms)
            s->peers[i].wake_ms = s->now.mono_ms;
    }
    s->now.mono_ms += (int64_t)sim_below(s, 3000);
    s->now.wall_ms += (int64_t)sim_below(s, 3000);
    start_core(s);
    for (size_t i = s->live_count; i > 0; i--) {
        sim_job *const job = s->live[i - 1];
        if (job->born_due > s->now.wall_ms)
            job->line = 0; /* it may wait again, if the clock was put back */
        if (sim_job_is_lost(s, job))
            sim_job_ends(s, job);
    }
    for (unsigned i = 0; i < SIM_CHANNELS; i++) /* ends may have been forgotten */
        s->paused_running[i] = s->capped_running[i] = UINT64_MAX;
    for (unsigned i = 0; i < SIM_SCHEDULES; i++) {
        sim_schedule *const schedule = &s->schedules[i];
        if (schedule->durability == SIM_DISK)
            continue;
        schedule->last_minute = 0; /* what it has submitted is gone with it */
        schedule->runs_asked = schedule->runs_all;
    }
}

/* ---------------------------------------------------------------------------------- a step */

static void
pass_time(sim *s)
{
    const uint64_t roll = sim_below(s, 100);
    int64_t ms = (int64_t)(roll < 50   ? sim_below(s, 4)
                           : roll < 95 ? sim_below(s, 60)
                                       : sim_below(s, 900));
    if (sim_chance(s, s->faults.late_turn))
        ms = 1000 + (int64_t)sim_below(s, 20000);
    if (s->healing)
        ms = 20 + (int64_t)sim_below(s, 60);
    s->now.mono_ms += ms;
    s->now.wall_ms += ms;
    if (sim_chance(s, s->faults.clock)) {
        const int64_t jump = (int64_t)sim_below(s, 7200000) - 3600000;
        sim_note(s, "the wall clock jumps by %" PRId64 " ms", jump);
        s->now.wall_ms += jump;
    }
    if (s->high_wall < s->now.wall_ms)
        s->high_wall = s->now.wall_ms;
}

static void
make_faults(sim *s)
{
    sim_peer *const peer = &s->peers[sim_below(s, s->peer_count)];
    if (sim_chance(s, s->faults.cut))
        sim_peer_cut(s, peer);
    if (sim_chance(s, s->faults.crash_peer))
        sim_peer_crash(s, peer);
    if (sim_chance(s, s->faults.stall)) {
        const int64_t ms = 1000 + (int64_t)sim_below(s, 20000);
        sim_note(s, "peer %u stalls for %" PRId64 " ms", peer->index, ms);
        peer->stall_ms = s->now.mono_ms + ms;
        peer->shaky_ms = peer->stall_ms + 5000;
        peer->was_silent |= ms > 4000;
        if (ms > 4000)
            sim_peer_untrust(peer);
        s->figures.stalls++;
    }
    if (sim_chance(s, s->faults.deaf)) {
        peer->deaf = true;
        peer->deaf_ms = s->now.mono_ms + (int64_t)sim_below(s, 4000);
    }
    if (sim_chance(s, s->faults.crash_broker))
        restart(s);
}

/* The disk is full for a while: it has no room for anything that could be refused. */
static void
fill_disk(sim *s)
{
    const unsigned rate = s->disk_full ? 4000 : s->disk_rate;
    if (s->healing)
        s->disk_full = false;
    else if (leat_random_below(&s->disk_random, 100000) < rate)
        s->disk_full = !s->disk_full;
    s->disk_was_full |= s->disk_full;
    s->figures.full += s->disk_full;
}

static void
turn(sim *s)
{
    if (s->low_wall == 0 || s->now.wall_ms < s->low_wall)
        s->low_wall = s->now.wall_ms;
    leat_core_tick(s->core, s->now);
    if (leat_core_commit(s->core, s->now) != LEAT_ERR_OK)
        sim_fail(s, "a commit fails");
    const bool slow = s->faults.slow_disk && !s->healing;
    if (!slow || sim_chance(s, 30000))
        sim_store_let(s->disk, slow ? sim_below(s, s->disk->count + 1) : s->disk->count);
    if (sim_chance(s, s->faults.crash_broker / 2)) { /* on disk, and nobody has been told */
        restart(s);
        return;
    }
    leat_core_release(s->core, s->now);
    sim_audit_caps(s);
    if (s->figures.steps % AUDIT_STEPS == 0)
        sim_audit(s);
}

static void
step(sim *s)
{
    s->figures.steps++;
    pass_time(s);
    make_faults(s);
    fill_disk(s);
    deliver(s, true);
    turn(s);
    deliver(s, false);
    for (unsigned i = 0; i < s->peer_count; i++)
        sim_peer_step(s, &s->peers[i]);
}

/* ---------------------------------------------------------------------------------- a run */

static void
choose_faults(sim *s)
{
    sim_faults *const f = &s->faults;
    const uint64_t level = 1 + sim_below(s, 4);
#define SOMETIMES(rate) (sim_chance(s, 60000) ? (unsigned)sim_below(s, (rate)*level) : 0)
    f->cut = SOMETIMES(1500);
    f->crash_peer = SOMETIMES(500);
    f->crash_broker = SOMETIMES(300);
    f->stall = SOMETIMES(300);
    f->bye = SOMETIMES(300);
    f->clock = SOMETIMES(300);
    f->full = SOMETIMES(300);
    f->twice = SOMETIMES(5000);
    f->drop = SOMETIMES(500);
    f->deaf = SOMETIMES(500);
    f->late_turn = SOMETIMES(200);
    f->slow_disk = sim_chance(s, 60000);
#undef SOMETIMES
}

static int
put_number(char *text, size_t size, const char *key, uint64_t value, bool set)
{
    return set ? snprintf(text, size, ",\"%s\":%" PRIu64, key, value) : 0;
}

/* The channels that have to be declared, by a client before anything fails. */
static void
set_up(sim *s)
{
    sim_peer *const peer = &s->peers[0];
    for (unsigned i = 1; i < SIM_CHANNELS; i++) {
        const sim_channel *const c = &sim_channels[i];
        char text[320];
        int n = snprintf(text, sizeof text,
                         "{\"command\":\"channel.new\",\"arguments\":{\"channel\":\"%s\",\"kind\":"
                         "\"%s\",\"durability\":\"%s\"",
                         c->name, c->messages ? "messages" : "jobs",
                         c->durability == SIM_DISK ? "disk" : "memory");
#define PUT(key, value, set) n += put_number(text + n, sizeof text - (size_t)n, key, value, set)
        PUT("capacity", c->capacity, c->capacity != SIM_UNLIMITED);
        PUT("running_max", c->running_max, c->running_max > 0);
        PUT("key_max", c->key_max, c->key_max > 0);
        PUT("rate", c->rate, c->rate > 0);
        PUT("weight", c->weight, c->weight > 0);
#undef PUT
        (void)snprintf(text + n, sizeof text - (size_t)n, "}}");
        (void)sim_client_command(s, peer, SIM_VERB_OTHER, text);
    }
    s->healing = s->setting_up = true;
    while (!sim_peer_is_answered(peer))
        step(s);
    s->healing = s->setting_up = false;
    for (unsigned i = 0; i < SIM_CHANNELS; i++) {
        s->tokens[i] = sim_channels[i].rate;
        s->tokens_ms[i] = s->now.mono_ms;
        s->paused_running[i] = UINT64_MAX;
    }
}

static void
heal_all(sim *s)
{
    sim_note(s, "everything heals");
    s->faults = (sim_faults){0};
    s->healing = true;
    if (s->now.wall_ms < s->high_wall)
        s->now.wall_ms = s->high_wall;
    s->now.wall_ms += 3600000;
    for (unsigned i = 0; i < s->peer_count; i++) {
        s->peers[i].stall_ms = 0;
        s->peers[i].deaf = false;
        s->peers[i].handler_mask = 15;
        s->peers[i].gpus = s->peers[i].cpus = 4;
        s->peers[i].zone = 1 + i % 2;
        sim_peer_cut(s, &s->peers[i]); /* who was half open comes back */
    }
}

void
sim_add_figures(sim_figures *sum, const sim_figures *more)
{
    uint64_t *const to = (uint64_t *)sum;
    const uint64_t *const from = (const uint64_t *)more;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i];
}

void
sim_run(uint64_t seed, const sim_options *options, sim_figures *sum)
{
    sim *const s = calloc(1, sizeof *s);
    if (s == NULL)
        abort();
    current = s;
    s->seed = seed;
    s->options = *options;
    leat_random_seed(&s->random, seed);
    leat_random_seed(&s->disk_random, ~seed);
    s->choices = leat_reader_over(options->choices, options->choice_bytes);
    s->now = (leat_now){.mono_ms = 5000000, .wall_ms = 1700000000000};
    s->disk = sim_store_new(s, SIM_DISK);
    s->memory = sim_store_new(s, SIM_MEMORY);
    start_core(s);
    sim_peer_init(s, &s->peers[0], false);
    set_up(s);
    const unsigned clients = (unsigned)sim_below(s, 3);
    const unsigned workers = 2 + (unsigned)sim_below(s, 3);
    for (unsigned i = 0; i < clients + workers; i++)
        sim_peer_init(s, &s->peers[i + 1], i >= clients);
    s->op_limit = 10 + (uint32_t)sim_below(s, 60);
    s->wildness = sim_chance(s, 20000) ? 0 : 20 + (unsigned)sim_below(s, 81);
    if (!options->no_faults)
        choose_faults(s);
    if (!options->no_faults && leat_random_below(&s->disk_random, 100) < 40)
        s->disk_rate = 1 + (unsigned)leat_random_below(&s->disk_random, 2000);
    const unsigned steps = FAULTY_STEPS / 4 + (unsigned)sim_below(s, FAULTY_STEPS);
    for (unsigned i = 0; i < steps && (options->choices == NULL || is_given(s)); i++)
        step(s);
    heal_all(s);
    for (unsigned i = 0; i < HEAL_STEPS && !sim_oracle_is_done(s); i++)
        step(s);
    sim_oracle_end(s);

    sim_add_figures(sum, &s->figures);
    leat_core_destroy(&s->core);
    sim_store_free(&s->disk);
    sim_store_free(&s->memory);
    for (unsigned i = 0; i < s->peer_count; i++)
        sim_peer_free(&s->peers[i]);
    for (size_t i = 0; i < s->packet_count; i++)
        leat_buf_fini(&s->packets[i].frame);
    free(s->packets);
    for (uint32_t i = 0; i < s->op_count; i++)
        free(s->ops[i].ids);
    sim_mirror_free(s);
    free(s);
    current = NULL;
}
