/* The simulator: a core, workers, clients, the network between them and time, all from one seed.
 *
 *     clients, workers ──packets──► core ──changes──► store (mirror.c reads what becomes durable)
 *            ▲                       │ ▲
 *            └───────packets─────────┘ └── audit.c counts again what the core has in memory
 *             (oracle.c reads what is let out)
 *     sim.c: time, faults, the run, the command line
 *
 * The oracle knows every record that was ever sent by its payload, which names it: (op, index), and
 * what the broker submits by itself by what it must have come from. It learns ids from the packs
 * that become durable, keeps a mirror of every job as the store has it, and compares what the core
 * writes and says with what the peers have really done. A violation prints the seed and the last
 * events and ends the process with 1. */
#ifndef LEAT_SIM_H
#define LEAT_SIM_H

#include <stdio.h>

#include "broker/core/machine.h"

#define SIM_PEERS_MAX       16U
#define SIM_OPS_MAX         256U
#define SIM_HELD_MAX        4096U
#define SIM_EVENTS_KEPT     160U
#define SIM_EVENT_BYTES     176U
#define SIM_CHANNELS        17U
#define SIM_HANDLERS        4U
#define SIM_SCHEDULES       3U
#define SIM_TOLD_MAX        8192U /* records of progress and log in a run */
#define SIM_CHECKPOINTS_MAX 60U   /* of one job */
#define SIM_STEADY_MS       900   /* a gap of this length never costs a session its leases … */
#define SIM_RESTARTED_MS    25000 /* … nor of this length after a restart */

typedef enum sim_durability {
    SIM_DISK = 0,
    SIM_MEMORY = 1,
} sim_durability;

#define SIM_UNLIMITED UINT64_MAX
typedef struct sim_channel {
    const char *name;
    sim_durability durability;
    bool messages;
    bool closes; /* at a random time */
    uint64_t capacity;
    unsigned running_max; /* 0: none */
    unsigned key_max;
    unsigned rate; /* items per second */
    unsigned weight;
} sim_channel;
extern const sim_channel sim_channels[SIM_CHANNELS];
extern const leat_hello_handler sim_handlers[SIM_HANDLERS];
#define SIM_REPLIES 15U /* index of the channel that replies go to */
#define SIM_NEWS    9U  /* of the first channel of messages; all behind it are */

/* ---- ids to things ---- */

typedef struct sim_map {
    uint64_t *keys; /* owned */
    void **values;  /* owned; what they point to is the user's */
    size_t slots, count;
} sim_map;
void *sim_map_get(const sim_map *map, uint64_t key);
void sim_map_put(sim_map *map, uint64_t key, void *value);
void sim_map_free(sim_map *map);

/* ---- what was sent ---- */

typedef enum sim_status {
    SIM_OP_OPEN = 0, /* no answer yet */
    SIM_OP_OK,
    SIM_OP_PARTLY, /* the first `accepted` are in, no others */
    SIM_OP_REFUSED,
    SIM_OP_UNKNOWN, /* its session is gone */
} sim_status;

/* Payloads begin with u32 word · u32 op · u32 index. */
#define SIM_WORD_SENT     0x51e40001U
#define SIM_WORD_FINALLY  0x51e40002U /* index: which of the op's finally jobs */
#define SIM_WORD_WITH     0x51e40003U
#define SIM_WORD_SCHEDULE 0x51e40004U /* op: which schedule */
#define SIM_WORD_RESULT   0x51e40005U /* then u64 id · u32 attempt · u8 end */
#define SIM_PAYLOAD_MIN   12U
#define SIM_RESULT_BYTES  17U

typedef struct sim_op {
    sim_status status;
    bool select;
    bool try_only;
    const sim_channel *channel; /* not of a select */
    unsigned handler;           /* index; of jobs */
    leat_settings settings;
    uint8_t words[LEAT_FINALLY_MAX + 1][SIM_PAYLOAD_MIN]; /* of followers */
    uint32_t n;
    uint32_t accepted;
    unsigned peer, generation; /* who sends it */
    uint32_t tag;
    bool sealing;                /* the core has read that it seals its batch */
    uint64_t batch;              /* as answered */
    uint64_t life;               /* of the broker that answered ok */
    uint64_t *ids;               /* owned; of each record, 0: not in a store yet */
    const sim_channel *cases[8]; /* of a select: by index; which of them are sends: */
    unsigned sends;
    uint64_t ended; /* instances that have ended, by the store */
    uint64_t finally_born[LEAT_FINALLY_MAX], finally_ended[LEAT_FINALLY_MAX];
    uint64_t finally_again[LEAT_FINALLY_MAX]; /* taken for a retry of a dead one */
} sim_op;
#define SIM_NO_OP UINT32_MAX

typedef enum sim_origin {
    SIM_SENT,
    SIM_FINALLY,
    SIM_RECOVER,
    SIM_REPLY,
    SIM_SCHEDULED,
} sim_origin;

typedef struct sim_claim {
    uint64_t batch;
    uint32_t place;
} sim_claim;

/* By what it is about, not by size. NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
typedef struct sim_job {
    uint64_t id;
    sim_origin origin;
    bool retry;
    uint32_t op, index; /* SIM_NO_OP: none */
    const sim_channel *channel;
    unsigned handler;
    uint64_t life, born_commit;
    uint64_t payload_hash;
    uint64_t batch; /* its own id: alone */
    uint32_t place;
    uint64_t line;   /* hash; 0: it has no place that is known */
    uint64_t unique; /* hash, 0: none */
    bool fresh;      /* was sent to be ready at once */
    bool keyed, waited;
    /* settings */
    uint16_t failures, snoozes;
    uint8_t losses, finally_count;
    bool recovers_when_dead, replies, replies_if_done;
    leat_after after;
    uint64_t after_batch, run_limit_ms, grace_ms, backoff_min_ms;
    uint64_t unique_for_ms;
    int64_t expires_wall;
    /* as the store has it; of a job on disk */
    leat_state state;
    int64_t due_wall, born_due;
    uint64_t state_commit, lease_life;
    uint32_t attempt_durable; /* highest that is on disk */
    uint16_t failed, lost, snoozed;
    unsigned timeouts;
    int64_t lease_mono;
    int64_t stop_mono;     /* when it was told to stop … */
    uint32_t stop_attempt; /* … in this attempt; 0: never */
    uint64_t stopped;      /* attempts that were, as bits */
    sim_claim *claims;     /* owned; when others have joined it */
    unsigned claim_count;
    bool joined;        /* once, at least … */
    bool joined_late;   /* … when it was to stop already */
    uint64_t recovers;  /* the dead job whose completion it brings */
    uint64_t recoverer; /* the job that brings this one's completion */
    bool completed;     /* … and has */
    bool is_dead, is_listed;
    unsigned replies_born;
    bool ended;
    uint64_t ended_commit;
    uint32_t ended_attempt;
    uint8_t outcome;
    uint64_t hash; /* of its completion, without the place */
    bool own_left; /* its own batch has given it up */
    unsigned cancels_asked;
    bool doomed;       /* must not be given out any more */
    bool held_decided; /* in this commit */
    bool checkpoint_stored, failure_stored;
    /* checkpoints, by number: the last that was said, that is acknowledged; those that were STALE
     */
    uint32_t checkpoint_said, checkpoint_acked;
    uint64_t checkpoints_stale;
    /* as it has left the broker */
    uint32_t attempt_out; /* highest that has left */
    uint64_t out_life;    /* a message: life in which it left last */
    unsigned starts;      /* attempts whose code has begun */
    unsigned fails_said;  /* reports that have been made */
    unsigned snoozes_said;
    unsigned releases_said;
    uint64_t snooze_ms; /* asked for by the last one */
    /* in whose hands it is, as far as the worker knows */
    struct sim_peer *holder;
    uint32_t holder_attempt;
    struct sim_peer *reader; /* of a message, and the route over which it has it */
    uint64_t reader_route;
    size_t live_at; /* in s->live */
} sim_job;

typedef struct sim_end {
    uint64_t job;
    uint32_t place;
    uint64_t hash; /* of the whole completion */
} sim_end;

typedef struct sim_batch {
    uint64_t id;
    sim_durability durability;
    uint64_t life;
    uint64_t accepted; /* jobs whose send was answered ok */
    uint64_t born;     /* jobs in the store, joins not counted */
    uint64_t live;     /* … that have not ended */
    uint64_t end;      /* positions that are durable */
    uint64_t bad;      /* … other than done */
    sim_end *ends;     /* owned; by position - 1 */
    uint64_t capacity;
    bool sealed;        /* a client has asked for it, and knows that it is done */
    bool may_be_sealed; /* it was asked for, or its session may have ended */
    bool cancel_asked;
    bool unsure;               /* a send to it was not answered */
    unsigned peer, generation; /* whose it is, and by which name: */
    uint32_t tag;
    leat_halt halt;
    bool may_halt;
    uint64_t halted_commit;
    bool is_lone;
    bool marked;  /* somebody has asked for the end of all of it */
    bool dropped; /* its record has left a full disk */
} sim_batch;

/* Jobs that go first in, first out. */
typedef struct sim_line {
    uint64_t hash;
    uint64_t high; /* highest id given out in this commit */
} sim_line;

typedef struct sim_schedule {
    bool added, removed, resumed;
    sim_durability durability;     /* of what it submits */
    unsigned runs_asked, runs_all; /* by command; all since the beginning */
    int64_t last_minute;
} sim_schedule;

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
    bool told;    /* to stop */
    unsigned gpus, cpus;
} sim_hold;

typedef struct sim_report {
    leat_token token;
    leat_command command;
    leat_end end;
    uint64_t delay_ms;
    uint32_t checkpoint; /* its number */
    bool trusted;
} sim_report;

typedef enum sim_verb {
    SIM_VERB_OTHER = 0,
    SIM_VERB_SEAL,
    SIM_VERB_CANCEL_BATCH,
    SIM_VERB_CANCEL_PLACES,
    SIM_VERB_PURGE,
    SIM_VERB_PAUSE,
    SIM_VERB_RESUME,
    SIM_VERB_CLOSE,
    SIM_VERB_RETRY,
    SIM_VERB_REMOVE_DEAD,
    SIM_VERB_SCHEDULE_ADD,
    SIM_VERB_SCHEDULE_REMOVE,
    SIM_VERB_SCHEDULE_RUN,
} sim_verb;

/* A frame with a sequence. */
typedef struct sim_said {
    uint64_t sequence;
    leat_buf frame;
    leat_command command;
    uint32_t op;         /* SEND, SELECT */
    uint32_t tag;        /* SEND, 0: none */
    bool seals;          /* SEND, COMMAND: the batch is sealed by it */
    sim_verb verb;       /* COMMAND */
    uint64_t batch;      /* COMMAND */
    unsigned what;       /* COMMAND: index of the channel or schedule */
    uint64_t message;    /* ACK */
    uint64_t cancels[4]; /* CANCEL */
    unsigned cancel_count;
    sim_report *reports; /* owned */
    unsigned report_count;
    uint64_t withdrawn; /* asked to be, over this connection; 0: not */
    bool read;          /* the core has read it */
    bool answered;      /* by the broker: leaves; not: has arrived */
    bool accepted;      /* … with ok, on disk: that stays */
    uint64_t hash;      /* of the answer */
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

/* What a client receives from one channel, over one connection. */
typedef struct sim_recv {
    bool on;
    bool withdrawing;
    uint64_t asked; /* receives begun */
    /* as the core has read it, and what has left it */
    uint64_t asked_read;
    uint64_t out;
    bool withdrawn;
} sim_recv;

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
    unsigned gpus, cpus; /* it has */
    unsigned zone;       /* 1: a, 2: b */
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
    bool was_silent; /* long enough for the broker to take back what it holds */
    bool deaf;       /* confirms nothing before deaf_ms */
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
    sim_recv recv[SIM_CHANNELS];
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
    uint64_t serial; /* counts all commits */
    bool full;       /* the disk was, in all of its turn */
    leat_now at;
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
    uint64_t faults; /* of any kind */
    uint64_t joins, selects, withdrawn, stops, cancelled, expired, skipped, dead, retries, finally;
    uint64_t recovered, replies, scheduled, partly, met;
    uint64_t told, checkpoints, restored;
    uint64_t full, no_space; /* steps with a full disk; what was refused for that */
} sim_figures;

typedef struct sim_options {
    bool verbose;
    bool no_faults;
    bool use_lmdb;
    const char *lmdb; /* folder of the disk store; NULL: in memory */
    FILE *history;    /* borrowed; all events, to be looked through after a failure; or NULL */
    /* Borrowed; decisions, instead of those that the seed makes: when they are used up everything
     * heals, and a violation aborts. Or NULL. */
    const uint8_t *choices;
    size_t choice_bytes;
} sim_options;

typedef struct sim {
    uint64_t seed;
    sim_options options;
    leat_random random;
    leat_random disk_random; /* of its own: seeds of before go as they did */
    unsigned disk_rate;
    bool disk_full, disk_was_full;
    leat_reader choices;
    leat_now now;
    int64_t high_wall;
    int64_t low_wall;
    uint64_t life;
    int64_t boot_ms;
    leat_core *core;
    sim_store *disk, *memory;
    leat_route routes;
    uint64_t sessions;
    sim_faults faults;
    unsigned wildness; /* how likely the rarer features are, in 1/100 */
    bool healing, setting_up;
    sim_peer peers[SIM_PEERS_MAX];
    unsigned peer_count;
    sim_packet *packets; /* owned */
    size_t packet_count, packet_capacity;
    bool packets_moved;
    int64_t packet_ms; /* when the one that arrives now was sent */
    sim_op ops[SIM_OPS_MAX];
    uint32_t op_count, op_limit;
    sim_map jobs;    /* owned: sim_job */
    sim_map batches; /* owned: sim_batch */
    sim_job **live;  /* owned; those that have not ended */
    size_t live_count, live_capacity;
    sim_batch **batch_list; /* owned; in the order in which they were seen */
    size_t batch_count, batch_capacity;
    uint64_t dead_ids[128]; /* some of the dead, to be retried */
    unsigned dead_count;
    sim_schedule schedules[SIM_SCHEDULES];
    bool told_old[SIM_TOLD_MAX + 1]; /* by number: an old attempt told it */
    bool purge_asked[SIM_CHANNELS], close_asked[SIM_CHANNELS], resumed[SIM_CHANNELS];
    double tokens[SIM_CHANNELS];
    int64_t tokens_ms[SIM_CHANNELS];
    /* of the commit that becomes durable now */
    const sim_commit *commit;
    uint64_t serial;
    uint64_t *dropped; /* owned; dead entries that it takes off the list */
    size_t dropped_count, dropped_capacity;
    sim_job **touched; /* owned; jobs that it speaks of */
    size_t touched_count, touched_capacity;
    sim_line *lines; /* owned */
    size_t line_count, line_capacity;
    struct sim_decided {
        uint64_t session, sequence;
        uint8_t command;
    } decided[64];
    unsigned decided_count;
    uint64_t told; /* records of progress and log so far */
    /* of the audit before */
    uint64_t paused_running[SIM_CHANNELS];
    uint64_t capped_running[SIM_CHANNELS], capped_max[SIM_CHANNELS];
    char events[SIM_EVENTS_KEPT][SIM_EVENT_BYTES];
    uint64_t event_count;
    sim_figures figures;
} sim;

uint64_t sim_below(sim *s, uint64_t n);
bool sim_chance(sim *s, unsigned of_100000);
__attribute__((format(printf, 2, 3))) void sim_note(sim *s, const char *format, ...);
/* Prints and ends the process with 1. */
__attribute__((format(printf, 2, 3), noreturn)) void sim_fail(sim *s, const char *format, ...);
uint64_t sim_hash(uint64_t hash, const void *data, size_t size);
const sim_channel *sim_channel_of(sim *s, leat_text name);
unsigned sim_channel_index(const sim_channel *channel);
unsigned sim_handler_of(sim *s, leat_text name);

/* ---- mirror.c ---- */
sim_store *sim_store_new(sim *s, sim_durability durability);
void sim_store_free(sim_store **store_p);
void sim_store_let(sim_store *store, size_t n);
void sim_store_crash(sim_store *store);
sim_job *sim_job_find(const sim *s, uint64_t id);
sim_batch *sim_batch_of(const sim *s, uint64_t id); /* or NULL */
sim_batch *sim_batch_ensure(sim *s, uint64_t id, sim_durability durability);
/* It was only in the memory of a broker that is gone. */
bool sim_job_is_lost(const sim *s, const sim_job *job);
void sim_job_ends(sim *s, sim_job *job);
uint64_t sim_hash_of(const leat_completion *c, bool with_place);
void sim_mirror_free(sim *s);

/* ---- oracle.c ---- */
/* A frame leaves the broker for this peer. */
void sim_oracle_out(sim *s, sim_peer *peer, const leat_buf *buf);
/* The core reads a frame with a sequence; a CREDIT. */
void sim_oracle_read(sim *s, const sim_peer *peer, sim_said *said);
void sim_oracle_credit(sim *s, sim_peer *peer, const leat_buf *frame);
/* Has this op sent it (and not joined it)? */
bool sim_job_is_of(const sim_job *job, uint32_t op);
void sim_oracle_end(sim *s);
bool sim_oracle_is_done(sim *s);

/* ---- audit.c ---- */
/* Count again what the core counts, between turns. */
void sim_audit(sim *s);
/* … and after every turn: who is paused or at its cap gives out nothing. */
void sim_audit_caps(sim *s);
/* What lies ready in the core, for who looks for what is stuck. */
void sim_audit_tell(sim *s);

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
void sim_peer_say(sim *s, sim_peer *peer, leat_buf *frame_p);
/* A frame with the next sequence. */
sim_said *sim_peer_tell(sim *s, sim_peer *peer, leat_buf *frame_p);
bool sim_peer_is_answered(const sim_peer *peer);
sim_said *sim_peer_said(sim_peer *peer, uint64_t sequence);
sim_said *sim_peer_arrives(sim *s, sim_peer *peer, uint64_t sequence, bool *first);

/* ---- told.c ---- */
/* Running jobs of a worker tell something: progress and logs at once, checkpoints as reports. */
void sim_told_work(sim *s, sim_peer *peer);
void sim_told_put(leat_buf *frame, const sim_report *report);
/* The core reads a PROGRESS or LOG. */
void sim_told_read(sim *s, const leat_buf *buf);
/* One leaves it. */
void sim_told_out(
    sim *s, const sim_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
/* A checkpoint is acknowledged; it was STALE, as its worker hears. */
void sim_told_acked(sim *s, const sim_report *report);
void sim_told_stale(sim *s, const sim_report *report);
/* A job leaves with, or without, a checkpoint. */
void sim_told_job(sim *s, const sim_job *job, const leat_jobs_job *record);

/* ---- client.c ---- */
void sim_client_step(sim *s, sim_peer *peer);
void sim_client_welcome(sim *s, sim_peer *peer);
/* True: the frame was for it. */
bool
sim_client_hears(sim *s, sim_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
sim_said *sim_client_command(sim *s, sim_peer *peer, sim_verb verb, const char *text);

/* ---- sim.c ---- */
/* A whole life; its figures are added to *sum. */
void sim_run(uint64_t seed, const sim_options *options, sim_figures *sum);
void sim_add_figures(sim_figures *sum, const sim_figures *more);
/* The last events of the run that is under way, if one is; also from a signal handler. */
void sim_tell_current(void);
void sim_send_up(sim *s, sim_peer *peer, leat_buf *frame_p);
void sim_cut_route(sim *s, leat_route route);

#endif
