/* sim: a whole life of a broker in virtual time, again and again, each from one seed.
 *
 *     sim --seeds N [--first K] | --seed S | --seconds S | --file SEEDS
 *
 * A run sets up channels, then lets clients and workers do what they do while the network, the
 * processes and the clocks fail, then heals everything: what was accepted must come to its end. The
 * last line tells how much was covered; a run that met too few faults is inconclusive (exit 2).
 * With
 * --seed a failure is told with the history of the job that it names; with --lmdb the disk store is
 * a real one in a temporary folder. */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
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

uint64_t
sim_below(sim *s, uint64_t n)
{
    return leat_random_below(&s->random, n);
}

bool
sim_chance(sim *s, unsigned of_100000)
{
    return of_100000 > 0 && sim_below(s, 100000) < of_100000;
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
    _exit(1);
}

static void
on_abort(int number)
{
    (void)number;
    if (current != NULL)
        tell_events(current);
    _exit(1);
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

static void
turn(sim *s)
{
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

static void
add_figures(sim_figures *sum, const sim_figures *more)
{
    uint64_t *const to = (uint64_t *)sum;
    const uint64_t *const from = (const uint64_t *)more;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i];
}

static void
run_once(uint64_t seed, const sim_options *options, sim_figures *sum)
{
    sim *const s = calloc(1, sizeof *s);
    if (s == NULL)
        abort();
    current = s;
    s->seed = seed;
    s->options = *options;
    leat_random_seed(&s->random, seed);
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
    const unsigned steps = FAULTY_STEPS / 4 + (unsigned)sim_below(s, FAULTY_STEPS);
    for (unsigned i = 0; i < steps; i++)
        step(s);
    heal_all(s);
    for (unsigned i = 0; i < HEAL_STEPS && !sim_oracle_is_done(s); i++)
        step(s);
    sim_oracle_end(s);

    add_figures(sum, &s->figures);
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

static void
remove_folder(const char *path)
{
    DIR *const folder = opendir(path);
    const struct dirent *entry;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder != NULL)
        (void)closedir(folder);
    (void)rmdir(path);
}

static void
run(uint64_t seed, const sim_options *options, sim_figures *sum)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    const char *const parent = getenv("TMPDIR");
    char path[256];
    sim_options with = *options;
    if (!options->use_lmdb) {
        run_once(seed, options, sum);
        return;
    }
    (void)snprintf(path, sizeof path, "%s/leat-sim-XXXXXX", parent == NULL ? "/tmp" : parent);
    if (mkdtemp(path) == NULL)
        abort();
    with.lmdb = path;
    run_once(seed, &with, sum);
    remove_folder(path);
}

/* ---------------------------------------------------------------------------------- command line
 */

static int64_t
seconds_now(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec;
}

static int
usage(void)
{
    (void)fprintf(stderr, "sim --seeds N|A..B [--first K] | --seed S | --seconds S | --file SEEDS\n"
                          "    [--verbose] [--no-faults] [--lmdb] [--jobs PROCESSES]\n");
    return 2;
}

static int
tell(uint64_t seeds, const sim_figures *f)
{
    (void)printf("sim: %" PRIu64 " seeds, %" PRIu64 " steps, %" PRIu64 " jobs, %" PRIu64
                 " messages, %" PRIu64 " completions, %" PRIu64 " answers, %" PRIu64
                 " stale, %" PRIu64 " cuts\n",
                 seeds, f->steps, f->jobs, f->messages, f->completions, f->answers, f->stale,
                 f->cuts);
    (void)printf("sim: %" PRIu64 " joins, %" PRIu64 " selects, %" PRIu64 " withdrawn, %" PRIu64
                 " partly, %" PRIu64 " stops, %" PRIu64 " cancelled, %" PRIu64 " expired, %" PRIu64
                 " skipped, %" PRIu64 " dead, %" PRIu64 " retries, %" PRIu64 " finally, %" PRIu64
                 " recovered, %" PRIu64 " replies, %" PRIu64 " scheduled\n",
                 f->joins, f->selects, f->withdrawn, f->partly, f->stops, f->cancelled, f->expired,
                 f->skipped, f->dead, f->retries, f->finally, f->recovered, f->replies,
                 f->scheduled);
    (void)printf("sim: %" PRIu64 " seeds, %" PRIu64 " steps, %" PRIu64 " jobs, %" PRIu64
                 " crashes, %" PRIu64 " faults, 0 violations\n",
                 seeds, f->steps, f->jobs, f->crashes + f->restarts,
                 f->cuts + f->crashes + f->restarts + f->stalls);
    if (f->cuts + f->crashes + f->restarts + f->stalls < 10 * seeds || f->completions < seeds ||
        (seeds >= 100 && (f->cuts == 0 || f->crashes == 0 || f->restarts == 0 || f->stalls == 0))) {
        (void)printf("sim: inconclusive, too little was tried\n");
        return 2;
    }
    return 0;
}

static bool
run_file(const char *path, const sim_options *options, uint64_t *seeds, sim_figures *sum)
{
    char line[256];
    FILE *const file = fopen(path, "re");
    if (file == NULL) {
        (void)fprintf(stderr, "sim: cannot read %s\n", path);
        return false;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] < '0' || line[0] > '9')
            continue;
        run(strtoull(line, NULL, 10), options, sum);
        (*seeds)++;
    }
    (void)fclose(file);
    return true;
}

#ifdef LEAT_FAULTS
leat_fault leat_fault_chosen;

/* One seed with the chosen bug, in a child process: does it find it? -1: no process. */
static int
is_found(int fault, uint64_t seed)
{
    int status = 0;
    const pid_t child = fork();
    if (child == 0) {
        sim_figures sum = {0};
        leat_fault_chosen = (leat_fault)fault;
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        (void)alarm(20); /* a bug may also make it run for ever */
        run(seed, &(sim_options){0}, &sum);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return !WIFEXITED(status) || WEXITSTATUS(status) == 1;
}

/* Each planted bug: which seed finds it? */
static int
find_faults(uint64_t seeds)
{
#define FAULT_NAME(name, what) #name,
#define FAULT_WHAT(name, what) what,
    static const char *const names[] = {"", LEAT_FAULT_MAP(FAULT_NAME)};
    static const char *const whats[] = {"", LEAT_FAULT_MAP(FAULT_WHAT)};
    int found = 0;
    for (int fault = 1; fault < LEAT_FAULT_COUNT; fault++) {
        uint64_t seed = 0;
        int yes = 0;
        while (yes == 0 && seed < seeds)
            yes = is_found(fault, ++seed);
        if (yes < 0)
            return 2;
        found += yes;
        (void)printf("%-17s %-49s %s %" PRIu64 "\n", names[fault], whats[fault],
                     yes ? "seed" : "MISSED by", seed);
    }
    (void)printf("sim: %d of %d found\n", found, LEAT_FAULT_COUNT - 1);
    return found == LEAT_FAULT_COUNT - 1 ? 0 : 1;
}
#endif

/* What the command line asks for. */
struct task {
    sim_options options;
    const char *file;
    uint64_t first, count, seconds, processes;
    uint64_t faults;
};

/* Every so-manieth seed, in a process of its own that tells its figures at the end. */
static int
start_child(const struct task *task, uint64_t number, pid_t *child)
{
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    *child = fork();
    if (*child < 0)
        return -1;
    if (*child > 0) {
        (void)close(ends[1]);
        return ends[0];
    }
    sim_figures sum = {0};
    for (uint64_t i = number; i < task->count; i += task->processes)
        run(task->first + i, &task->options, &sum);
    _exit(write(ends[1], &sum, sizeof sum) == (ssize_t)sizeof sum ? 0 : 2);
}

#define PROCESSES_MAX 64U

/* False: a seed has failed, and has told so. */
static bool
run_all(const struct task *task, sim_figures *sum)
{
    int ends[PROCESSES_MAX];
    pid_t children[PROCESSES_MAX];
    bool good = true;
    if (task->processes < 2) {
        for (uint64_t i = 0; i < task->count; i++)
            run(task->first + i, &task->options, sum);
        return true;
    }
    for (uint64_t i = 0; i < task->processes; i++) {
        ends[i] = start_child(task, i, &children[i]);
        if (ends[i] < 0)
            abort();
    }
    for (uint64_t i = 0; i < task->processes; i++) {
        sim_figures figures;
        int status = 0;
        good = read(ends[i], &figures, sizeof figures) == (ssize_t)sizeof figures && good;
        (void)waitpid(children[i], &status, 0);
        if (status == 0)
            add_figures(sum, &figures);
        good = good && status == 0;
    }
    return good;
}

static bool
read_number(const char *text, uint64_t *number, char **end)
{
    *number = strtoull(text, end, 10);
    return *end != text;
}

/* False: no such option, or no such value. */
static bool
read_option(struct task *task, const char *name, const char *value)
{
    uint64_t number;
    char *end;
    if (strcmp(name, "--file") == 0) {
        task->file = value;
        return true;
    }
    if (!read_number(value, &number, &end))
        return false;
    if (strcmp(name, "--seeds") == 0 && strncmp(end, "..", 2) == 0) {
        task->first = number;
        task->count = strtoull(end + 2, &end, 10) + 1 - number;
    } else if (strcmp(name, "--seeds") == 0) {
        task->count = number;
    } else if (strcmp(name, "--seed") == 0) {
        task->first = number;
        task->count = 1;
        task->options.history = tmpfile();
    } else if (strcmp(name, "--first") == 0) {
        task->first = number;
    } else if (strcmp(name, "--seconds") == 0) {
        task->seconds = number;
    } else if (strcmp(name, "--jobs") == 0) {
        task->processes = number < PROCESSES_MAX ? number : PROCESSES_MAX;
    } else if (strcmp(name, "--faults") == 0) {
        task->faults = number;
    } else {
        return false;
    }
    return *end == '\0';
}

static bool
read_task(struct task *task, int argc, char **argv)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *task = (struct task){.first = 1, .processes = cores < 1 ? 1 : (uint64_t)cores};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            task->options.verbose = true;
        else if (strcmp(argv[i], "--no-faults") == 0)
            task->options.no_faults = true;
        else if (strcmp(argv[i], "--lmdb") == 0)
            task->options.use_lmdb = true;
        else if (i + 1 == argc || !read_option(task, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    if (task->count < 20 || task->options.verbose)
        task->processes = 1;
    return task->count > 0 || task->seconds > 0 || task->file != NULL || task->faults > 0;
}

int
main(int argc, char **argv)
{
    struct task task;
    sim_figures sum = {0};
    uint64_t seeds = 0;
    (void)signal(SIGABRT, on_abort);
    if (!read_task(&task, argc, argv))
        return usage();
#ifdef LEAT_FAULTS
    if (task.faults > 0)
        return find_faults(task.faults);
#endif
    if (task.file != NULL && !run_file(task.file, &task.options, &seeds, &sum))
        return 2;
    if (!run_all(&task, &sum))
        return 1;
    seeds += task.count;
    /* Other seeds each day; the one that fails is printed. */
    uint64_t seed = (uint64_t)time(NULL) << 20;
    for (const int64_t until = seconds_now() + (int64_t)task.seconds; seconds_now() < until;
         seeds++)
        run(seed++, &task.options, &sum);
    return tell(seeds, &sum);
}
