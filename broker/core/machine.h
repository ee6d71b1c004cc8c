/* The core's inside: what its files share. Nobody else includes this.
 *
 *     channel ─┬─ class ── ten lines of ready items        (what waits)
 *              └─ receivers
 *     peer ────┬─ leases (worker), window of answers        (who speaks)
 *              └─ cursors (client) ── batch ── log          (who waits for what)
 *     book[disk], book[memory]: this turn's changes and the effects that wait for their commit
 *
 * Items are owned by the items table, everything else by its table below; all else borrows. */
#ifndef LEAT_MACHINE_H
#define LEAT_MACHINE_H

#include "broker/core/core.h"
#include "broker/core/item.h"
#include "broker/core/table.h"
#include "broker/store/turn.h"
#include "proto/base/heap.h"
#include "proto/base/list.h"
#include "proto/base/random.h"
#include "proto/records.h"

typedef enum leat_durability {
    LEAT_DISK = 0,
    LEAT_MEMORY = 1,
    LEAT_DURABILITY_COUNT
} leat_durability;
typedef enum leat_kind {
    LEAT_KIND_NONE = 0,
    LEAT_KIND_JOBS = 1,
    LEAT_KIND_MESSAGES = 2
} leat_kind;

/* ---- bugs put in on purpose, see tests/sim ---- */

/* In a build with LEAT_FAULTS one of them can be chosen, and the simulator has to find it. */
#ifdef LEAT_FAULTS
typedef enum leat_fault {
    LEAT_FAULT_NONE = 0,
    LEAT_FAULT_ACK_EARLY,      /* answers do not wait for the disk */
    LEAT_FAULT_JOBS_EARLY,     /* … nor do jobs */
    LEAT_FAULT_ATTEMPT_LATE,   /* attempts are not in the commit */
    LEAT_FAULT_NO_TOKEN,       /* the attempt of a report is not compared */
    LEAT_FAULT_DEDUPE,         /* a repeated frame is taken for a new one */
    LEAT_FAULT_ANSWERS_FORGOT, /* answers are not stored */
    LEAT_FAULT_CLAIMS_IGNORED, /* what a worker claims is given to others */
    LEAT_FAULT_CURSOR_SKIPS,   /* a waiter misses a completion */
    LEAT_FAULT_GOAL_EARLY,     /* the goal is told before the completions */
    LEAT_FAULT_ALL_COUNT,      /* all leases of a lost worker count a loss */
    LEAT_FAULT_ONE_MORE,       /* one failure more than allowed */
    LEAT_FAULT_TOO_SOON,       /* delays end early */
    LEAT_FAULT_COUNT
} leat_fault;
extern leat_fault leat_fault_chosen;
#define LEAT_FAULT(name) (leat_fault_chosen == LEAT_FAULT_##name)
#else
#define LEAT_FAULT(name) false
#endif

/* ---- channel and class ---- */

typedef struct leat_channel {
    uint32_t index;
    uint64_t id; /* of its object in the store */
    char name[LEAT_NAME_BYTES_MAX + 1];
    leat_kind kind;
    leat_durability durability;
    bool closed;
    bool dirty;        /* its object in the store is older than it */
    uint32_t *classes; /* owned; indices */
    uint32_t class_count;
    leat_list receivers; /* of leat_receiver.of_channel, in turn */
    /* counters; done, dead since the broker's start */
    uint64_t ready;
    uint64_t running;
    uint64_t delayed;
    uint64_t done;
    uint64_t dead;
    uint64_t rate_done; /* done at rate_ms */
    int64_t rate_ms;    /* monotonic */
    double done_per_s;
} leat_channel;

/* First in, first out; what comes back lies in the heap by id and goes first. */
typedef struct leat_line {
    uint32_t head; /* items by next/prev */
    uint32_t tail;
    leat_heap returned;
} leat_line;

/* Jobs that the same workers can take, under the same limits: handler, failures, run limit. */
typedef struct leat_class {
    uint32_t index;
    leat_channel *channel;
    char handler[LEAT_NAME_BYTES_MAX + 1]; /* "" for messages */
    uint16_t failures;
    uint64_t run_limit_ms;
    uint64_t ready;
    uint64_t running;
    uint16_t filled;  /* bit p: line p has items */
    uint16_t offered; /* workers that serve it */
    uint64_t mean_ns; /* of a run; 0: none has ended yet */
    leat_line lines[LEAT_PRIORITIES];
} leat_class;

/* ---- peer ---- */

typedef enum leat_answer_state {
    LEAT_ANSWER_FREE = 0,
    LEAT_ANSWER_DECIDED, /* waits for its commit, or for room on the way, or to be asked for again
                          */
    LEAT_ANSWER_LEFT,    /* left in a frame that the peer has not confirmed */
    LEAT_ANSWER_SETTLED, /* confirmed; kept until all before it are */
} leat_answer_state;

typedef struct leat_answer {
    leat_answer_state state;
    uint8_t command; /* SENT, ACKED, REPLY, ERROR */
    bool queued;     /* is in peer->due */
    bool stored;     /* is in a turn record: survives a restart */
    uint64_t number; /* disk commit that it depends on; 0: none */
    uint64_t frame;  /* LEFT: the frame's number */
    uint32_t size;
    uint8_t *bytes; /* owned; the record as it goes into the answering frame */
} leat_answer;

typedef struct leat_peer {
    uint64_t key; /* first 8 bytes of the session id; id of its object */
    uint32_t index;
    leat_session_id session;
    uint64_t principal; /* whose session it is */
    leat_role role;
    char principal_name[65];
    char name[LEAT_NAME_BYTES_MAX + 1];
    char host[LEAT_NAME_BYTES_MAX + 1];
    char software[64];
    int64_t pid;

    leat_route route; /* 0: away */
    leat_route beat_route;
    uint64_t connection;
    uint64_t out_sequence;               /* of the last frame sent to it */
    uint64_t out_seen;                   /* confirmed by it */
    uint64_t in_seen;                    /* highest sequence read from it */
    uint32_t out_bytes[LEAT_OUT_FRAMES]; /* sizes of the unconfirmed frames, by sequence */
    uint64_t out_unconfirmed_bytes;
    int64_t heard_ms;      /* monotonic; last frame from it or its beat */
    int64_t spoken_ms;     /* last frame to it */
    int64_t gone_ms;       /* when its connection was seen gone; INT64_MAX: it was not */
    int64_t grace_ms;      /* silence that it is allowed now */
    uint64_t hello_number; /* disk commit after which WELCOME may leave */
    bool unreachable;      /* a send has failed: taken down by the next tick */
    bool welcome_due;
    bool resumed;
    bool lost;            /* its leases have been taken back for silence */
    bool dirty;           /* its object in the store is older than it */
    bool draining;        /* worker: credit 0 after having had some */
    bool ended;           /* BYE or expired: freed when no log of a turn can name it any more */
    bool claiming;        /* between HELLO (resumed) and END */
    uint16_t stamp_index; /* see stamp */
    uint16_t items_runs;  /* see items_frame */
    uint64_t ended_turn;

    uint64_t settled;    /* every own sequence up to it is decided and confirmed */
    leat_answer *window; /* owned; ring by sequence */
    uint64_t *due;       /* owned; ring of decided sequences that have to leave */
    uint64_t *left;      /* owned; ring of sequences whose answers left, in order */
    uint32_t due_head, due_count, due_capacity;
    uint32_t left_head, left_count, left_capacity;
    uint32_t window_capacity;

    /* worker */
    uint32_t slots;
    uint32_t handler_count;
    leat_hello_handler *handlers; /* owned */
    uint32_t channel_count;
    char (*channels)[LEAT_NAME_BYTES_MAX + 1]; /* owned */
    uint64_t *classes;                         /* owned; bit set of class indices that it serves */
    uint32_t class_words;
    uint32_t credit_items;
    uint32_t credit_bytes;
    uint32_t held; /* leases */
    uint64_t held_bytes;
    uint32_t lease_head; /* items by next/prev, in order of number */
    uint32_t lease_tail;
    uint64_t next_number; /* of JOBS */
    uint64_t started;
    uint32_t running;        /* as its heartbeat says */
    uint32_t suspects;       /* leases that are suspects: nothing beside them */
    uint32_t grants_waiting; /* JOBS effects that have not left */
    uint32_t disk_grants;    /* … of these in the queue of the disk's book */
    uint64_t jobs_done;
    leat_list_node hungry;        /* in core->hungry while it may take jobs */
    leat_list_node fed;           /* in core->fed while its grant of this turn is open */
    struct leat_filling *filling; /* owned; see dispatch.c */
    uint64_t stamp; /* the log flush in which it was named last, and its index there */

    /* client */
    leat_list cursors;   /* of leat_cursor.of_peer */
    leat_list receivers; /* of leat_receiver.of_peer */
    leat_list replies;   /* of leat_reply: to queries, waiting for room on the way */
    uint32_t reply_count;
    uint32_t wait_count;
    leat_buf items_frame;    /* ITEMS being collected during release */
    leat_list_node speaking; /* in core->speaking while it has something to be sent */
    struct leat_tag {
        uint32_t tag;
        uint64_t batch; /* id */
    } * tags;           /* owned */
    uint32_t tag_count, tag_capacity;
} leat_peer;

typedef struct leat_reply {
    leat_list_node node;
    leat_buf frame;
} leat_reply;

typedef struct leat_connection {
    leat_route route;
    uint32_t index;
    leat_peer *peer; /* NULL before HELLO and after its session ended */
    bool beat;
    bool told; /* HELLO_FIRST has been said once */
} leat_connection;

/* A client that receives from a channel. */
typedef struct leat_receiver {
    leat_peer *peer;
    leat_channel *channel;
    uint32_t credit;
    uint32_t held; /* messages that it has not acknowledged */
    bool told_closed;
    leat_list_node of_peer;
    leat_list_node of_channel;
} leat_receiver;

/* ---- batch ---- */

/* A piece of a batch's log that is kept in memory because somebody waits for it. */
typedef struct leat_piece {
    uint64_t first; /* position */
    uint16_t n;
    leat_buf log; /* owned; as in records.h */
    leat_list_node of_batch;
} leat_piece;

typedef struct leat_segment {
    uint64_t first; /* position of the first completion … */
    uint64_t turn;  /* … in this turn record */
} leat_segment;

typedef struct leat_batch {
    uint64_t id;
    uint32_t index;
    uint64_t session; /* key of the peer that made it, 0: unknown */
    uint32_t tag;
    uint32_t channel; /* index */
    leat_durability durability;
    char name[LEAT_NAME_BYTES_MAX + 1];
    leat_counters counters;
    uint64_t running, delayed; /* of its live jobs; the others are ready */
    uint32_t handler;          /* class index of the first job, for people */
    bool sealed;
    bool abandoned;
    bool alone;   /* the batch of one job, with the job's id */
    bool dirty;   /* its record has to be written with this turn */
    bool touched; /* in core->touched: has an entry to write this turn */
    bool finished;
    uint64_t log_end;               /* positions given */
    uint64_t durable_end;           /* … that are on disk */
    leat_counters durable_counters; /* … as they are on disk: what waiters are told */
    uint64_t number;                /* commit of its last change */
    leat_segment *segments;         /* owned; rising */
    uint32_t segment_count, segment_capacity;
    /* this turn's completions */
    leat_buf log; /* without head */
    uint16_t log_n;
    uint64_t log_stamp;    /* names this flush, see leat_peer.stamp */
    uint32_t *log_workers; /* owned; peer indices */
    uint16_t log_worker_count, log_worker_capacity;
    leat_list pieces;
    uint64_t piece_bytes;
    leat_list cursors;            /* of leat_cursor.of_batch */
    leat_list_node finished_node; /* in core->finished until its log is in history */
    leat_list_node stale_node; /* in core->stale while its object in the store is older than it */
} leat_batch;

typedef struct leat_cursor {
    leat_peer *peer;
    leat_batch *batch; /* NULL: there is none (any more) */
    uint64_t batch_id;
    uint64_t acked;  /* read by the client */
    uint64_t handed; /* sent */
    leat_goal goal_kind;
    uint64_t goal;
    uint32_t items;
    bool expired; /* completions that it has not had are out of retention */
    bool told;    /* the present end (goal, unknown …) has been told */
    leat_list_node of_peer;
    leat_list_node of_batch;
    leat_list_node waking; /* in core->waking while it has to be looked at */
} leat_cursor;

/* ---- effects ---- */

typedef enum leat_effect_kind {
    LEAT_EFFECT_GRANT = 1, /* JOBS or MESSAGES of items leased to peer */
    LEAT_EFFECT_LOG,       /* batch's log is durable up to position */
    LEAT_EFFECT_DRAINED,   /* channel with index `position` is closed, and nothing is left in it */
} leat_effect_kind;

typedef struct leat_grant {
    uint64_t id;
    uint32_t index;
    uint32_t attempt;
} leat_grant;

typedef struct leat_effect {
    leat_effect_kind kind;
    uint64_t number;        /* commit of the book that it lies in */
    uint64_t peer;          /* key; GRANT */
    uint64_t connection;    /* GRANT: of the peer when it was made */
    uint64_t batch;         /* id; LOG */
    leat_counters counters; /* LOG: of the batch */
    uint64_t position;      /* LOG: end; GRANT: first JOBS number */
    leat_grant *grants;     /* owned */
    uint32_t grant_count;
    bool messages;              /* GRANT */
    leat_durability durability; /* GRANT: of the items; the queue may be the other one */
} leat_effect;

/* Which ids ended alone in a turn that is not yet in history. */
typedef struct leat_lone {
    uint64_t turn;
    uint64_t id_min;
    uint64_t id_max;
} leat_lone;

typedef struct leat_book {
    leat_store *store;
    leat_changes changes;
    leat_buf turn;   /* entries of this turn's record */
    uint64_t number; /* of the last commit; the present turn's will be number + 1 */
    uint64_t ends;   /* in this turn, paces the hand */
    leat_lone *lone; /* owned; rising turns */
    uint32_t lone_count, lone_capacity;
    leat_effect *effects; /* owned; ring */
    uint32_t effect_head, effect_count, effect_capacity;
} leat_book;

struct leat_core {
    leat_core_options options;
    leat_now now;
    uint8_t broker_id[16];
    uint64_t epoch;
    uint64_t *epochs; /* owned; those of live attempts, by leat_item.epoch */
    uint32_t epoch_count;
    int64_t start_ms; /* monotonic */
    uint64_t next_id;
    uint64_t first_id_of_life; /* ids below were given out by earlier processes */
    uint64_t reserved_upto;
    leat_durability last_durability; /* of the last id: a chunk of ids has one */
    leat_err fault; /* memory ran out where nothing can be refused, or the disk store stopped */
    leat_random random;

    leat_items items;
    leat_table channels;    /* by hash of the name; see channel.c */
    leat_table classes;     /* by hash of its key */
    leat_table batches;     /* by id */
    leat_table peers;       /* by key */
    leat_table connections; /* by route */
    uint64_t *active;       /* owned; bit set of classes with ready items */
    uint32_t active_words;
    uint64_t next_channel_id;
    leat_heap delayed; /* items by wall ms */

    leat_list hungry;   /* workers that may take jobs, in turn */
    leat_list fed;      /* workers that have been given some in this turn */
    leat_list speaking; /* peers with something to be sent */
    leat_list waking;   /* cursors to be looked at */
    leat_list finished; /* batches whose log is not yet in history */
    leat_list stale;    /* batches to be written at the end of the hand's round */
    uint32_t *touched;  /* owned; batches with an entry to write this turn */
    uint32_t touched_count, touched_capacity;
    uint64_t stamp; /* counts log flushes */

    leat_book books[LEAT_DURABILITY_COUNT];

    /* the hand */
    bool round_active;
    bool round_wanted; /* something has happened since the last round began */
    int64_t round_ms;  /* monotonic; when it began */
    uint64_t round_turn[LEAT_DURABILITY_COUNT]; /* turns below are superseded when it is over */
    uint64_t *round_leaves;                     /* owned; leaf numbers to visit */
    uint32_t round_count, round_at;

    bool somebody_gone;  /* a peer is unreachable */
    int64_t sweep_ms;    /* monotonic; next look at all peers */
    int64_t expected_ms; /* when the next turn was expected at the latest */
    uint64_t turns;
    uint64_t refused_frames;
    leat_hello *hello; /* owned; decoding place, 60 KiB */
    leat_buf scratch;
};

/* Memory ran out where nothing can be refused: the turn will not be committed. */
static inline void
leat_core_fault(leat_core *core, leat_err err)
{
    if (core->fault == LEAT_ERR_OK)
        core->fault = err;
}

/* ---- channel.c ---- */
/* The channel of this name, made if it is missing. NULL: LEAT_ERR_LIMIT or NOMEM in *err. */
leat_channel *leat_channel_ensure(leat_core *core, leat_text name, leat_err *err);
leat_channel *leat_channel_find(const leat_core *core, leat_text name);
/* Note that its record has changed: written with this turn. */
void leat_channel_changed(leat_core *core, leat_channel *channel);
bool leat_channel_is_drained(const leat_channel *channel);

/* ---- class.c ---- */
leat_class *leat_class_ensure(leat_core *core,
                              leat_channel *channel,
                              leat_text handler,
                              uint16_t failures,
                              uint64_t run_limit_ms);
/* Put a ready item at the end of its line, or back to its old place. */
void leat_class_append(leat_core *core, leat_class *class, uint32_t index);
void leat_class_return(leat_core *core, leat_class *class, uint32_t index);
/* The next item of the class without taking it; its priority, or -1 when there is none. */
int leat_class_peek(const leat_core *core, const leat_class *class, uint32_t *index);
uint32_t leat_class_take(leat_core *core, leat_class *class);
/* Take an item out of the middle of its line. */
void leat_class_remove(leat_core *core, leat_class *class, uint32_t index);
/* Work out which classes a worker serves (after HELLO), or which workers serve a new class. */
void leat_class_match_peer(leat_core *core, leat_peer *peer);
void leat_class_ran(leat_class *class, uint64_t run_us);

/* ---- batch.c ---- */
leat_batch *leat_batch_new(leat_core *core, uint64_t id, leat_channel *channel);
/* Note a change: an OBJECT entry is written with this turn. */
void leat_batch_touch(leat_core *core, leat_batch *batch);
/* Append a completion to the item's batch (or to its own). The item is still in the table. */
void leat_batch_complete(leat_core *core,
                         const leat_item *item,
                         leat_outcome outcome,
                         leat_peer *worker,
                         uint64_t run_us,
                         leat_bytes result);
/* The batch with this id, alive or brought back from the store; NULL: there is none (any more). */
leat_batch *leat_batch_find(leat_core *core, uint64_t id);
void leat_batch_seal(leat_core *core, leat_batch *batch, bool abandoned);
void leat_batch_add_segment(leat_core *core, leat_batch *batch, uint64_t first, uint64_t turn);
void leat_batch_note_lone(leat_core *core, leat_durability durability, uint64_t turn, uint64_t id);
/* End of the turn: write logs and objects of all touched batches into the books. */
void leat_batch_write_turn(leat_core *core);
/* The log is durable up to position. */
void
leat_batch_durable(leat_core *core, uint64_t id, uint64_t position, const leat_counters *counters);
/* Forget finished batches whose log is in history and that nobody waits for. */
void leat_batch_sweep(leat_core *core);
/* Pieces that every cursor has been handed go. */
void leat_batch_trim_pieces(leat_batch *batch);
void leat_batch_free(leat_core *core, leat_batch *batch);

/* ---- cursor.c ---- */
void leat_cursor_credit(leat_core *core, leat_peer *peer, const leat_credit *credit);
void leat_cursor_ack(leat_core *core, leat_peer *peer, uint64_t batch, uint64_t position);
void leat_cursor_wake(leat_core *core, leat_cursor *cursor);
void leat_cursor_free(leat_core *core, leat_cursor *cursor);
/* Serve all cursors that are awake. */
void leat_cursor_release(leat_core *core);

/* ---- peer.c ---- */
leat_peer *leat_peer_new(leat_core *core, const leat_session_id *session);
void leat_peer_free(leat_core *core, leat_peer *peer);
leat_peer *leat_peer_find(const leat_core *core, const leat_session_id *session);
/* End the session: leases return, everything of it is forgotten. lost: it was not its wish. */
void leat_peer_end(leat_core *core, leat_peer *peer);
/* Silence has lasted too long: leases return, the session itself stays for an hour. */
void leat_peer_lose(leat_core *core, leat_peer *peer);
/* Nobody is at its route any more. What it sent before that is still read; a second later what it
 * asked for and holds is given up. */
void leat_peer_unreachable(leat_core *core, leat_peer *peer);
/* Peers that a send has found gone. */
void leat_peer_take_down(leat_core *core);
/* Everybody: who is silent for too long, who wants a heartbeat, who has ended. */
void leat_peer_sweep(leat_core *core);
/* A frame from it has arrived that confirms ours up to seen. */
void leat_peer_heard(leat_core *core, leat_peer *peer, uint64_t sequence, uint64_t seen);
/* It has a connection, as far as is known. */
static inline bool
leat_peer_is_here(const leat_peer *peer)
{
    return peer->route != 0 && !peer->unreachable;
}
bool leat_peer_can_send(const leat_peer *peer);
/* Send a finished frame: numbers it. buf is taken. False: the connection is gone. */
bool leat_peer_send(leat_core *core, leat_peer *peer, leat_buf *frame_p);
void leat_peer_speak(leat_core *core, leat_peer *peer);
/* Put the peer among the hungry, or take it out, as it is now. */
void leat_peer_update_hunger(leat_core *core, leat_peer *peer);
void leat_peer_away(leat_core *core, leat_peer *peer);

/* ---- window.c ---- */
typedef enum leat_window_verdict {
    LEAT_WINDOW_NEW,
    LEAT_WINDOW_REPEAT,  /* decided before; the answer goes out again by itself */
    LEAT_WINDOW_DROP,    /* decided and confirmed */
    LEAT_WINDOW_OUTSIDE, /* beyond what WELCOME grants */
} leat_window_verdict;
leat_window_verdict leat_window_check(leat_core *core, leat_peer *peer, uint64_t sequence);
/* Decide: record is the answer's record as it goes into a frame of `command`. depends: it may leave
 * only after this turn is on disk (and is stored with it). */
void leat_window_decide(leat_core *core,
                        leat_peer *peer,
                        uint64_t sequence,
                        leat_command command,
                        const leat_buf *record,
                        bool depends);
void leat_window_restore(leat_core *core,
                         leat_peer *peer,
                         uint64_t sequence,
                         uint8_t command,
                         const void *data,
                         size_t size);
void leat_window_confirm(leat_peer *peer, uint64_t seen);
void leat_window_reconnect(leat_peer *peer, uint64_t floor);
/* Send what may leave. */
void leat_window_release(leat_core *core, leat_peer *peer);
void leat_window_fini(leat_peer *peer);

/* ---- lease.c ---- */
void leat_lease_append(leat_core *core, leat_peer *peer, uint32_t index);
void leat_lease_unlink(leat_core *core, leat_peer *peer, uint32_t index);
/* The item has ended: completion, counters, out of the table. Its state is final already. */
void leat_lease_end(leat_core *core,
                    uint32_t index,
                    leat_outcome outcome,
                    leat_peer *worker,
                    uint64_t run_us,
                    leat_bytes result);
/* An item that was leased goes back to its line, uncounted. */
void leat_lease_release(leat_core *core, uint32_t index);
/* Everything of a worker session comes back. died: what ran may be to blame. */
void leat_lease_return_all(leat_core *core, leat_peer *peer, bool died);
void leat_lease_on_done(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
void leat_lease_on_tokens(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
void leat_lease_on_ack(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
/* The attempt has failed or timed out; the item is out of its holder's hands. */
void leat_lease_fail(leat_core *core,
                     uint32_t index,
                     leat_peer *worker,
                     bool fatal,
                     uint64_t run_us,
                     leat_bytes result);
/* Delayed items whose time has come. */
void leat_lease_due(leat_core *core);
void leat_lease_delay_until(leat_core *core, uint32_t index, int64_t due_wall_ms);
int64_t leat_delay_of(const leat_core *core, const leat_item *item);
void leat_lease_delay(leat_core *core, uint32_t index, int64_t delay_ms);
int leat_lease_runs(const leat_core *core, const leat_peer *peer, const leat_item *item);
void leat_lease_write_item(leat_core *core, const leat_item *item);
leat_durability leat_item_durability(const leat_core *core, const leat_item *item);

/* ---- submit.c ---- */
/* The session calls this batch by this tag from now on. */
LEAT_NODISCARD leat_err leat_peer_tag(leat_peer *peer, uint32_t tag, uint64_t batch);
void leat_submit_on_send(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);

/* ---- dispatch.c ---- */
void leat_dispatch_match(leat_core *core);
/* The peer is freed. */
void leat_dispatch_forget(leat_peer *peer);
void leat_dispatch_receiver_credit(leat_core *core, leat_peer *peer, const leat_credit *credit);
void leat_dispatch_receiver_free(leat_core *core, leat_receiver *receiver);
/* The channel is closed and nothing is left in it: told to its receivers when that is on disk. */
void leat_dispatch_channel_drained(leat_core *core, const leat_channel *channel);
void leat_dispatch_tell_drained(leat_core *core, const leat_channel *channel);
void leat_dispatch_message_taken(leat_core *core, leat_peer *peer, const leat_item *item);
void leat_dispatch_grant(leat_core *core, const leat_book *book, leat_effect *effect);

/* ---- outbox.c ---- */
leat_effect *leat_outbox_add(leat_core *core, leat_durability durability, leat_effect_kind kind);
void leat_outbox_release(leat_core *core);
void leat_outbox_drop_grants(leat_core *core, uint64_t peer);
void leat_outbox_fini(leat_core *core);
/* Say something to a route or peer at once, outside of any window. */
void leat_outbox_error(leat_core *core,
                       leat_route route,
                       leat_peer *peer,
                       leat_err err,
                       uint64_t sequence,
                       const char *sentence);

/* ---- control.c ---- */
void leat_control_on_hello(leat_core *core,
                           leat_connection *connection,
                           const leat_principal *principal,
                           const leat_frame *frame,
                           const uint8_t *body,
                           size_t size);
void leat_control_welcome(leat_core *core, leat_peer *peer);
leat_welcome leat_control_welcome_of(const leat_core *core, bool resumed);
void leat_control_release_replies(leat_core *core, leat_peer *peer);
void leat_control_drop_replies(leat_peer *peer);
void leat_control_on_query(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
void leat_control_on_command(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);

/* ---- query.c ---- */
cJSON *leat_query_ping(leat_core *core);
cJSON *leat_query_status(leat_core *core);
cJSON *leat_query_batch(leat_core *core, const leat_batch *batch);
cJSON *leat_query_workers(leat_core *core, uint32_t offset);

/* ---- object.c ---- */
void leat_object_put_meta(leat_core *core, leat_buf *buf);
void leat_object_put_channel(const leat_channel *channel, leat_buf *buf);
void leat_object_put_batch(const leat_core *core, const leat_batch *batch, leat_buf *buf);
void leat_object_put_session(const leat_peer *peer, leat_buf *buf);
/* Make or change the object that a record describes. LEAT_ERR_CORRUPT, LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err leat_object_apply(
    leat_core *core, leat_object_kind kind, uint64_t id, const uint8_t *data, size_t size);
typedef struct leat_pack_head {
    uint64_t batch; /* id; 0: alone */
    uint32_t place; /* of the job with offset 0 */
    uint8_t priority;
    bool message;
    uint16_t failures;
    uint64_t run_limit_ms;
    uint64_t due_wall_ms; /* 0: ready */
    uint64_t born_wall_ms;
    leat_text channel;
    leat_text handler;
} leat_pack_head;
void leat_object_put_pack_head(const leat_pack_head *head, leat_buf *buf);
LEAT_NODISCARD leat_err leat_object_read_pack_head(const uint8_t *data,
                                                   size_t size,
                                                   leat_pack_head *head);

/* ---- hand.c ---- */
/* A step of the round, with this turn. */
void leat_hand_step(leat_core *core);
void leat_hand_write_meta(leat_core *core);

/* ---- load.c ---- */
LEAT_NODISCARD leat_err leat_load_all(leat_core *core, char why[256]);
/* Attempts are given out under this epoch from now on: the last of core->epochs. */
LEAT_NODISCARD leat_err leat_load_epoch(leat_core *core, uint64_t epoch);

/* ---- core.c ---- */
uint64_t leat_core_next_ids(leat_core *core, leat_durability durability, uint32_t count);
/* Answer a frame whose body could not be opened: err is what open() said. */
void leat_core_refuse_body(leat_core *core, leat_peer *peer, const leat_frame *frame, leat_err err);

#endif
