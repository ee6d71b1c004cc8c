/* sim: a whole life of a broker in virtual time, again and again, each from one seed.
 *
 *     sim --seeds A..B | --seed N | --seconds S | --file SEEDS [--verbose]
 *
 * A run sets up channels, then lets clients and workers do what they do while the network, the
 * processes and the clocks fail, then heals everything: what was accepted must come to its end. The
 * last line tells how much was covered; a run that met no fault is inconclusive (exit 2). */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sim.h"

#define FAULTY_STEPS 1500U
#define HEAL_STEPS   60000U

const sim_channel sim_channels[SIM_CHANNELS] = {
    {"default", SIM_DISK,   false},
    {"quick",   SIM_MEMORY, false},
    {"news",    SIM_DISK,   true },
    {"flash",   SIM_MEMORY, true },
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
    if (s->verbose)
        (void)fprintf(stderr, "%s\n", event);
}

static void
tell_events(const sim *s)
{
    const uint64_t from = s->event_count > SIM_EVENTS_KEPT ? s->event_count - SIM_EVENTS_KEPT : 0;
    for (uint64_t i = from; i < s->event_count && !s->verbose; i++)
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
    };
    s->life++;
    s->boot_ms = s->now.mono_ms;
    if (leat_core_new(&options, s->now, &s->core) != LEAT_ERR_OK)
        abort();
    if (leat_core_load(s->core, s->now, why) != LEAT_ERR_OK)
        sim_fail(s, "%s", why);
    memcpy(s->turn_high, s->turn_last, sizeof s->turn_high);
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
    sim_oracle_restart(s);
    s->now.mono_ms += (int64_t)sim_below(s, 3000);
    s->now.wall_ms += (int64_t)sim_below(s, 3000);
    sim_oracle_pass(s);
    start_core(s);
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
    sim_oracle_pass(s);
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

/* The channels that have to be declared, by a client before anything fails. */
static void
set_up(sim *s)
{
    sim_peer *const peer = &s->peers[0];
    char text[160];
    for (unsigned i = 1; i < SIM_CHANNELS; i++) {
        leat_buf frame = {0};
        (void)snprintf(text, sizeof text,
                       "{\"command\":\"channel.new\",\"arguments\":{\"channel\":\"%s\",\"kind\":"
                       "\"%s\",\"durability\":\"%s\"}}",
                       sim_channels[i].name, sim_channels[i].messages ? "messages" : "jobs",
                       sim_channels[i].durability == SIM_DISK ? "disk" : "memory");
        leat_frame_begin(&frame, LEAT_CMD_COMMAND);
        leat_put_bytes(&frame, text, strlen(text));
        leat_frame_finish(&frame, 0, 1, 0);
        sim_peer_tell(s, peer, &frame);
    }
    s->healing = true;
    while (!sim_peer_is_answered(peer))
        step(s);
    s->healing = false;
}

static void
heal_all(sim *s)
{
    sim_note(s, "everything heals");
    s->faults = (sim_faults){0};
    s->healing = true;
    for (uint32_t i = 0; i < s->op_count; i++) {
        if (s->now.wall_ms < s->ops[i].high_wall)
            s->now.wall_ms = s->ops[i].high_wall;
    }
    s->now.wall_ms += 3600000;
    for (unsigned i = 0; i < s->peer_count; i++) {
        s->peers[i].stall_ms = 0;
        s->peers[i].deaf = false;
        if (s->peers[i].worker)
            s->peers[i].handler_mask = 15;
        sim_peer_cut(s, &s->peers[i]); /* who was half open comes back */
    }
}

static void
run(uint64_t seed, bool verbose, sim_figures *sum)
{
    sim *const s = calloc(1, sizeof *s);
    if (s == NULL)
        abort();
    current = s;
    s->seed = seed;
    s->verbose = verbose;
    leat_random_seed(&s->random, seed);
    s->now = (leat_now){.mono_ms = 5000000, .wall_ms = 1700000000000};
    s->disk = sim_store_new(s, SIM_DISK);
    s->memory = sim_store_new(s, SIM_MEMORY);
    start_core(s);
    sim_peer_init(s, &s->peers[0], false);
    set_up(s);
    const unsigned clients = (unsigned)sim_below(s, 3);
    const unsigned workers = 1 + (unsigned)sim_below(s, 4);
    for (unsigned i = 0; i < clients + workers; i++)
        sim_peer_init(s, &s->peers[i + 1], i >= clients);
    s->op_limit = 10 + (uint32_t)sim_below(s, 60);
    choose_faults(s);
    const unsigned steps = FAULTY_STEPS / 4 + (unsigned)sim_below(s, FAULTY_STEPS);
    for (unsigned i = 0; i < steps; i++)
        step(s);
    heal_all(s);
    for (unsigned i = 0; i < HEAL_STEPS && !sim_oracle_is_done(s); i++)
        step(s);
    sim_oracle_end(s);

    const uint64_t *const from = (const uint64_t *)&s->figures;
    uint64_t *const to = (uint64_t *)sum;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i];
    leat_core_destroy(&s->core);
    sim_store_free(&s->disk);
    sim_store_free(&s->memory);
    for (unsigned i = 0; i < s->peer_count; i++)
        sim_peer_free(&s->peers[i]);
    for (size_t i = 0; i < s->packet_count; i++)
        leat_buf_fini(&s->packets[i].frame);
    free(s->packets);
    sim_oracle_free(s);
    free(s);
    current = NULL;
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
    (void)fprintf(stderr, "sim --seeds A..B | --seed N | --seconds S | --file SEEDS [--verbose]\n");
    return 2;
}

static int
tell(uint64_t seeds, const sim_figures *f)
{
    (void)printf("sim: %" PRIu64 " seeds, %" PRIu64 " steps, %" PRIu64 " jobs, %" PRIu64
                 " messages, %" PRIu64 " completions, %" PRIu64 " answers, %" PRIu64
                 " stale, %" PRIu64 " cuts, %" PRIu64 " crashes, %" PRIu64 " restarts, %" PRIu64
                 " stalls, 0 violations\n",
                 seeds, f->steps, f->jobs, f->messages, f->completions, f->answers, f->stale,
                 f->cuts, f->crashes, f->restarts, f->stalls);
    if (seeds >= 100 && (f->cuts == 0 || f->crashes == 0 || f->restarts == 0 || f->stalls == 0 ||
                         f->completions == 0)) {
        (void)printf("sim: inconclusive, too little was tried\n");
        return 2;
    }
    return 0;
}

static bool
run_file(const char *path, bool verbose, uint64_t *seeds, sim_figures *sum)
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
        run(strtoull(line, NULL, 10), verbose, sum);
        (*seeds)++;
    }
    (void)fclose(file);
    return true;
}

#ifdef LEAT_FAULTS
#include <sys/wait.h>

#include "broker/core/machine.h"

leat_fault leat_fault_chosen;

/* Each planted bug, in a child process: which seed finds it? */
static int
find_faults(uint64_t seeds)
{
    int missed = 0;
    for (int fault = 1; fault < LEAT_FAULT_COUNT; fault++) {
        uint64_t seed = 0;
        bool found = false;
        while (!found && seed < seeds) {
            int status = 0;
            seed++;
            const pid_t child = fork();
            if (child == 0) {
                sim_figures sum = {0};
                leat_fault_chosen = (leat_fault)fault;
                if (freopen("/dev/null", "w", stderr) == NULL)
                    _exit(2);
                run(seed, false, &sum);
                _exit(0);
            }
            if (child < 0 || waitpid(child, &status, 0) != child)
                return 2;
            found = !WIFEXITED(status) || WEXITSTATUS(status) == 1;
        }
        missed += !found;
        (void)printf("fault %2d: %s seed %" PRIu64 "\n", fault, found ? "found by" : "MISSED upto",
                     seed);
    }
    return missed == 0 ? 0 : 1;
}
#endif

int
main(int argc, char **argv)
{
    sim_figures sum = {0};
    uint64_t seeds = 0;
    bool verbose = false;
    bool asked = false;
    for (int i = 1; i < argc; i++)
        verbose |= strcmp(argv[i], "--verbose") == 0;
    (void)signal(SIGABRT, on_abort);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            continue;
        if (i + 1 == argc)
            return usage();
        const char *const name = argv[i++];
        char *end;
#ifdef LEAT_FAULTS
        if (strcmp(name, "--faults") == 0)
            return find_faults(strtoull(argv[i], NULL, 10));
#endif
        if (strcmp(name, "--file") == 0) {
            if (!run_file(argv[i], verbose, &seeds, &sum))
                return 2;
            asked = true;
            continue;
        }
        const uint64_t first = strtoull(argv[i], &end, 10);
        if (end == argv[i])
            return usage();
        uint64_t last = first;
        if (strcmp(name, "--seeds") == 0 && strncmp(end, "..", 2) == 0)
            last = strtoull(end + 2, &end, 10);
        if (*end != '\0')
            return usage();
        asked = true;
        if (strcmp(name, "--seconds") == 0) {
            /* Other seeds each day; the one that fails is printed. */
            uint64_t seed = (uint64_t)time(NULL) << 20;
            for (const int64_t until = seconds_now() + (int64_t)first; seconds_now() < until;
                 seeds++)
                run(seed++, verbose, &sum);
        } else if (strcmp(name, "--seeds") == 0 || strcmp(name, "--seed") == 0) {
            for (uint64_t seed = first; seed <= last; seed++, seeds++)
                run(seed, verbose, &sum);
        } else {
            return usage();
        }
    }
    return asked ? tell(seeds, &sum) : usage();
}
