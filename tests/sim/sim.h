/* The simulator: a core, workers, clients, the network between them and time, all from one seed.
 *
 *     peers (peer.c) ──packets──► core ──changes──► store (oracle.c reads what becomes durable)
 *            ▲                      │
 *            └──────packets─────────┘  (oracle.c reads what is let out)
 *     sim.c: time, faults, the run, the command line
 *
 * The oracle knows every record that was ever sent by its payload, which names it: (op, index). It
 * learns ids from the packs that become durable, and compares what the core writes and says with
 * what the peers have really done. A violation prints the seed and the last events and ends the
 * process with 1. */
#ifndef LEAT_SIM_H
#define LEAT_SIM_H

#include "broker/core/core.h"
#include "broker/store/store.h"
#include "proto/base/random.h"
#include "proto/control.h"
#include "proto/records.h"

#define SIM_PEERS_MAX    16U
#define SIM_OPS_MAX      256U
#define SIM_HELD_MAX     4096U
#define SIM_EVENTS_KEPT  120U
#define SIM_EVENT_BYTES  160U
#define SIM_CHANNELS     4U
#define SIM_HANDLERS     4U
#define SIM_STEADY_MS    900   /* a gap of this length never costs a session its leases … */
#define SIM_RESTARTED_MS 25000 /* … nor of this length after a restart */

typedef enum sim_durability {
    SIM_DISK = 0,
    SIM_MEMORY = 1,
} sim_durability;

typedef struct sim_channel {
    const char *name;
    sim_durability durability;
    bool messages;
} sim_channel;
extern const sim_channel sim_channels[SIM_CHANNELS];
extern const leat_hello_handler sim_handlers[SIM_HANDLERS];

/* ---- what was sent ---- */

typedef enum sim_status {
    SIM_OP_OPEN = 0, /* no answer yet */
    SIM_OP_OK,
    SIM_OP_REFUSED,
    SIM_OP_UNKNOWN, /* its session is gone */
} sim_status;

typedef struct sim_op {
    sim_status status;
    const sim_channel *channel;
    unsigned handler; /* index; of jobs */
    uint8_t priority;
    uint16_t failures;
    uint64_t delay_ms;
    uint32_t n;
    uint64_t batch;         /* as answered */
    uint64_t life;          /* of the broker that answered ok */
    int64_t delivered_wall; /* when the core read it first; INT64_MAX: not yet */
    int64_t high_wall;      /* highest wall time since then */
    uint64_t *ids;          /* owned; of each record, 0: not in a store yet */
} sim_op;

typedef struct sim_job {
    uint64_t id; /* 0: free slot of the hash table */
    uint32_t op, index;
    uint64_t life;
    uint32_t attempt_durable; /* highest that is on disk */
    uint32_t attempt_out;     /* highest that has left the broker */
    uint64_t out_life;        /* a message: life in which it left last */
    unsigned starts;          /* attempts whose code has begun */
    unsigned fails_said;      /* reports that have been made */
    unsigned snoozes_said;
    bool ended;
    bool handed_to_waiter;
    uint32_t ended_attempt;
    uint8_t outcome;
    uint64_t batch, position; /* of the completion */
    uint64_t hash;            /* of the completion */
    /* in whose hands it is, as far as the worker knows */
    struct sim_peer *holder;
    uint32_t holder_attempt;
    int64_t not_before_wall; /* of the next attempt, when the report was surely accepted */
    int64_t high_wall;
    uint32_t early_attempt; /* the attempt that not_before_wall is of */
} sim_job;

typedef struct sim_batch {
    uint64_t id;
    sim_durability durability;
    uint64_t life;
    uint64_t accepted; /* jobs whose send was answered ok */
    uint64_t end;      /* positions that are durable */
    uint64_t *jobs;    /* owned; by position - 1 */
    uint64_t capacity;
    bool sealed; /* a client has asked for it */
} sim_batch;

/* ---- peers ---- */

typedef enum sim_hold_state {
    SIM_QUEUED = 0,
    SIM_RUNNING,
} sim_hold_state;

/* A job in a worker's hands. */
typedef struct sim_hold {
    leat_token token;
    uint64_t number;
    unsigned handler;
    sim_hold_state state;
    int64_t end_ms;
    bool trusted; /* the broker cannot have given it to somebody else */
} sim_hold;

/* A frame with a sequence. */
typedef struct sim_report {
    leat_token token;
    leat_command command;
    leat_end end;
    uint64_t delay_ms;
    bool trusted;
} sim_report;

typedef struct sim_said {
    uint64_t sequence;
    leat_buf frame;
    leat_command command;
    uint32_t op;         /* SEND */
    uint32_t tag;        /* SEND, 0: none */
    bool seals;          /* SEND, COMMAND: the batch is sealed by it */
    uint64_t batch;      /* COMMAND batch.seal */
    uint64_t message;    /* ACK */
    sim_report *reports; /* owned */
    unsigned report_count;
    bool read;     /* the core has read it */
    bool answered; /* by the broker: leaves; not: has arrived */
    bool accepted; /* … with ok, on disk: that stays */
    uint64_t hash; /* of the answer */
    bool arrived;
} sim_said;

typedef struct sim_wait {
    uint64_t batch;
    sim_durability durability;
    uint64_t life;
    uint64_t position;
    uint64_t ok;
    leat_goal kind;
    uint64_t goal;
    uint32_t items;
    bool over;
} sim_wait;

typedef enum sim_peer_state {
    SIM_DOWN = 0, /* connects at wake_ms */
    SIM_HELLO,
    SIM_UP,
    SIM_LEAVING, /* drains, then says BYE */
} sim_peer_state;

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
typedef struct sim_peer {
    unsigned index;
    bool worker;
    uint32_t slots;
    unsigned handler_mask;
    sim_peer_state state;
    int64_t wake_ms;
    int64_t stall_ms; /* does nothing before */
    int64_t shaky_ms; /* what comes before may be taken back already; 0: never stalled */
    leat_session_id session;
    unsigned generation; /* counts its sessions */
    bool welcomed;       /* this session has been, once */
    uint64_t connection;
    leat_route route;
    uint64_t sequence;
    uint64_t got;
    uint64_t told; /* of got, in frames sent */
    int64_t heard_ms, beat_ms;
    bool deaf; /* confirms nothing before deaf_ms */
    int64_t deaf_ms;
    int64_t broken_ms;    /* when its connection broke; 0: it stands */
    uint64_t broken_life; /* life in which that was */
    uint64_t core_seen;   /* confirmed, as the core has read it */
    uint64_t core_out;    /* last number that the core has sent on this route */
    sim_said *said;       /* owned; by sequence - 1 */
    size_t said_count, said_capacity;
    /* worker */
    sim_hold *holds;
    size_t hold_count;
    uint64_t started, last_number;
    sim_report *reports; /* owned; made in this step */
    size_t report_count;
    /* client */
    int64_t act_ms;
    uint32_t tag;       /* of the open batch, 0: none */
    uint64_t tag_batch; /* its id, when it is known */
    uint32_t tags;
    unsigned tag_sends;
    sim_durability tag_durability;
    sim_wait waits[64];
    unsigned wait_count;
    uint64_t messages[256]; /* received on this connection, not yet acknowledged */
    unsigned message_count;
    bool receives;
} sim_peer;

typedef struct sim_packet {
    leat_route route;
    unsigned peer;
    unsigned generation; /* of the peer that has sent it */
    int64_t sent_ms, at_ms;
    bool up;   /* to the core */
    bool gone; /* no frame: the connection's end */
    leat_buf frame;
} sim_packet;

/* ---- the world ---- */

typedef struct sim_commit {
    leat_changes changes;
    uint64_t number;
} sim_commit;

typedef struct sim_store {
    leat_store store;
    leat_store *under;
    struct sim *sim;
    sim_durability durability;
    sim_commit *waiting; /* owned */
    size_t count, capacity;
    uint64_t durable;
} sim_store;

/* How likely each fault is in a step, in 1/100 000. */
typedef struct sim_faults {
    unsigned cut, crash_peer, crash_broker, stall, bye, clock, full, twice, drop, deaf, late_turn;
    bool slow_disk;
} sim_faults;

typedef struct sim_figures {
    uint64_t steps, jobs, messages, completions, cuts, crashes, restarts, stalls, stale, answers;
} sim_figures;

typedef struct sim {
    uint64_t seed;
    leat_random random;
    leat_now now;
    uint64_t life;
    int64_t boot_ms;
    leat_core *core;
    sim_store *disk, *memory;
    leat_route routes;
    uint64_t sessions;
    sim_faults faults;
    bool healing;
    sim_peer peers[SIM_PEERS_MAX];
    unsigned peer_count;
    sim_packet *packets; /* owned */
    size_t packet_count, packet_capacity;
    bool packets_moved;
    int64_t packet_ms; /* when the one that arrives now was sent */
    sim_op ops[SIM_OPS_MAX];
    uint32_t op_count, op_limit;
    sim_job *jobs; /* owned; hash table */
    size_t job_slots, job_count;
    sim_batch *batches; /* owned */
    size_t batch_count, batch_capacity;
    uint64_t turn_last[SIM_HANDLERS][10]; /* highest fresh id given out, of plain jobs */
    uint64_t turn_high[SIM_HANDLERS][10];
    char events[SIM_EVENTS_KEPT][SIM_EVENT_BYTES];
    uint64_t event_count;
    bool verbose;
    sim_figures figures;
} sim;

uint64_t sim_below(sim *s, uint64_t n);
bool sim_chance(sim *s, unsigned of_100000);
__attribute__((format(printf, 2, 3))) void sim_note(sim *s, const char *format, ...);
/* Prints and ends the process with 1. */
__attribute__((format(printf, 2, 3), noreturn)) void sim_fail(sim *s, const char *format, ...);
uint64_t sim_hash(uint64_t hash, const void *data, size_t size);

/* ---- oracle.c ---- */
sim_store *sim_store_new(sim *s, sim_durability durability);
void sim_store_free(sim_store **store_p);
void sim_store_let(sim_store *store, size_t n);
void sim_store_crash(sim_store *store);
sim_job *sim_job_find(sim *s, uint64_t id);
sim_batch *sim_batch_of(sim *s, uint64_t id); /* or NULL */
/* A frame leaves the broker for this peer. */
void sim_oracle_out(sim *s, sim_peer *peer, const leat_buf *buf);
/* The core reads a frame with a sequence. */
void sim_oracle_read(sim *s, const sim_peer *peer, sim_said *said);
/* What was only in memory is gone. */
void sim_oracle_restart(sim *s);
void sim_oracle_pass(sim *s);
void sim_oracle_end(sim *s);
bool sim_oracle_is_done(sim *s);
void sim_oracle_free(sim *s);

/* ---- peer.c ---- */
void sim_peer_init(sim *s, sim_peer *peer, bool worker);
void sim_peer_free(sim_peer *peer);
void sim_peer_step(sim *s, sim_peer *peer);
void sim_peer_hear(sim *s, sim_peer *peer, const leat_buf *buf);
/* The connection breaks: the peer's side at once, the broker's when the network says so. */
void sim_peer_cut(sim *s, sim_peer *peer);
/* The process dies and another one comes later. */
void sim_peer_crash(sim *s, sim_peer *peer);
/* Away for so short a time, if at all, that the broker cannot have taken back what it holds. */
bool sim_peer_is_steady(const sim *s, const sim_peer *peer);
/* The broker may have taken back what it holds. */
void sim_peer_untrust(sim_peer *peer);
void sim_peer_untrust_memory(sim *s, sim_peer *peer);
/* A frame with the next sequence. */
void sim_peer_tell(sim *s, sim_peer *peer, leat_buf *frame_p);
bool sim_peer_is_answered(const sim_peer *peer);
sim_said *sim_peer_said(sim_peer *peer, uint64_t sequence);

/* ---- sim.c ---- */
void sim_send_up(sim *s, sim_peer *peer, leat_buf *frame_p);
void sim_cut_route(sim *s, leat_route route);

#endif
