/* What the core is made of: its records and how they hang together. What its files do is in their
 * own headers. Nobody else includes any of them.
 *
 *     channel ─┬─ class ── ten ranks ── stalls ── lines of ready items   (what waits)
 *              ├─ share ── flow ── lines                                  (whose turn it is)
 *              └─ receivers, senders in line
 *     item ── terms ─── class, line, key                                  (how it is to be treated)
 *     peer ────┬─ leases (worker), window of answers                      (who speaks)
 *              └─ cursors (client) ── batch ── log                        (who waits for what)
 *     book[disk], book[memory]: this turn's changes and the effects that wait for their commit
 *
 * Items are owned by the items table, everything else by its table below; all else borrows. */
#ifndef LEAT_MACHINE_H
#define LEAT_MACHINE_H

#include "broker/core/core.h"
#include "broker/core/cron.h"
#include "broker/core/item.h"
#include "broker/core/table.h"
#include "broker/store/turn.h"
#include "proto/base/heap.h"
#include "proto/base/list.h"
#include "proto/base/random.h"
#include "proto/records.h"
#include "proto/settings.h"
#include "proto/told.h"

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
#define LEAT_FAULT_MAP(X)                                                 \
    X(ACK_EARLY, "answers do not wait for the disk")                      \
    X(JOBS_EARLY, "nor do jobs")                                          \
    X(ATTEMPT_LATE, "attempts are not in the commit")                     \
    X(NO_TOKEN, "the attempt of a report is not compared")                \
    X(NO_HOLDER, "nor who holds the job")                                 \
    X(DEDUPE, "a repeated frame is taken for a new one")                  \
    X(ANSWERS_FORGOT, "answers are not stored")                           \
    X(CLAIMS_IGNORED, "what a worker claims is given to others")          \
    X(CURSOR_SKIPS, "a waiter misses a completion")                       \
    X(GOAL_EARLY, "the goal is told before the completions")              \
    X(ALL_COUNT, "all leases of a lost worker count a loss")              \
    X(SLEEP_COUNTS, "so do jobs that slept")                              \
    X(ONE_MORE, "one failure more than allowed")                          \
    X(TOO_SOON, "delays end early")                                       \
    X(STOP_NO_TOKEN, "a run is stopped for what an earlier attempt did")  \
    X(CAP_LATE, "a cap is looked at after it was passed")                 \
    X(ROOM_OFF, "a channel has room for one more")                        \
    X(RETURN_LAST, "what comes back goes to the end of its line")         \
    X(JOIN_FORGOT, "who has joined a job is not stored")                  \
    X(CANCEL_FORGOT, "what was told to stop is not stored")               \
    X(HELD_EARLY, "a job goes on before its batch is sealed")             \
    X(RECOVER_TWICE, "a dead job has a completion, and its recovery too") \
    X(EXPIRED_STARTED, "expiry is not looked at when a job goes out")     \
    X(WITHDRAWN_SERVED, "a withdrawn receive is served")                  \
    X(PARK_LOST, "a SEND that waits is lost with its connection")         \
    X(RETRY_KEEPS, "a dead job that is tried again stays on the list")    \
    X(CHECKPOINT_FORGOT, "checkpoints are not loaded")                    \
    X(PROGRESS_STALE, "what an old attempt tells is passed on")           \
    X(ROOM_IGNORED, "what comes in is not measured against the disk")     \
    X(FAILURES_FORGOT, "how earlier attempts failed is not loaded")       \
    X(STIR_FORGOT, "who has read is not sent what waited for it")
typedef enum leat_fault {
    LEAT_FAULT_NONE = 0,
#define LEAT_FAULT_ENUM(name, what) LEAT_FAULT_##name,
    LEAT_FAULT_MAP(LEAT_FAULT_ENUM)
#undef LEAT_FAULT_ENUM
    LEAT_FAULT_COUNT
} leat_fault;
extern leat_fault leat_fault_chosen;
#define LEAT_FAULT(name) (leat_fault_chosen == LEAT_FAULT_##name)
#else
#define LEAT_FAULT(name) false
#endif

/* ---- channel, class ---- */

typedef struct leat_channel {
    uint32_t index;
    uint64_t id; /* of its object in the store */
    char name[LEAT_NAME_BYTES_MAX + 1];
    leat_kind kind;
    leat_durability durability;
    bool closed;
    bool removed; /* its items are being purged, then it goes */
    bool paused;
    bool dirty;               /* its object in the store is older than it */
    uint64_t paused_until_ms; /* wall; 0: until it is resumed */
    leat_channel_rules rules;
    leat_buf defaults;    /* settings of jobs that do not say */
    uint64_t purged_upto; /* items with ids up to this are ended, see mark.c; 0: none */
    uint32_t *classes;    /* owned; indices */
    uint32_t class_count;
    leat_list receivers;    /* of leat_receiver.of_channel, in turn */
    leat_list senders;      /* of leat_post.of_channel, in line */
    int64_t vtime_ns;       /* start of the service given last, see share.c */
    double tokens;          /* of its rate */
    int64_t tokens_ms;      /* monotonic; when they were counted */
    leat_list_node blocked; /* in core->blocked while senders wait in line */
    leat_list_node rated;   /* in core->rated while it has a rate */
    /* counters; done, released, … since the broker's start */
    uint64_t ready;
    uint64_t running;
    uint64_t delayed;
    uint64_t held;
    uint64_t done;
    uint64_t dead; /* leat_corpse of it */
    uint64_t released;
    uint64_t replies_dropped;
    uint64_t rate_done; /* done at rate_ms */
    int64_t rate_ms;    /* monotonic */
    double done_per_s;
} leat_channel;

/* Who pays for what is handed out: a principal in a channel, and inside it a flow (a batch, or what
 * the setting FLOW names). Both count the time that they were given; who has been given least is
 * next. */
typedef struct leat_share {
    uint64_t hash;
    leat_channel *channel;
    uint64_t principal;
    uint32_t users;        /* flows, stalls */
    int64_t vtime_ns;      /* given so far */
    int64_t flow_vtime_ns; /* start of the service given last to one of its flows */
    leat_list stalls;      /* of leat_stall.of_share: those with something ready */
} leat_share;

typedef struct leat_flow {
    uint64_t hash;
    leat_share *share;
    uint64_t key;
    uint32_t users; /* lines */
    uint32_t ready; /* items in its lines */
    uint32_t running;
    int64_t vtime_ns;
    int64_t charged_us;      /* of what runs now */
    int64_t start_ms;        /* sum over what runs now, monotonic */
    int64_t accrued_us;      /* charged on top because it runs longer than was thought */
    leat_list lines;         /* of leat_line.of_flow: those with something ready */
    leat_list_node accruing; /* in core->accruing while something of it runs */
} leat_flow;

/* First in, first out; what comes back lies in the heap by id and goes first. */
typedef struct leat_line {
    uint32_t index;
    uint64_t hash;     /* in core->lines */
    uint32_t position; /* in its stall's heap */
    uint32_t users;    /* terms */
    leat_flow *flow;
    struct leat_stall *stall;
    uint32_t head; /* items by next/prev */
    uint32_t tail;
    leat_heap returned;
    leat_list_node of_flow;
} leat_line;

/* The lines of one share in one rank of a class, the flow that was given least first. */
typedef struct leat_stall {
    uint32_t index;
    uint64_t hash;     /* in core->stalls */
    uint32_t position; /* in its rank's heap */
    uint32_t users;    /* lines */
    struct leat_class *class;
    uint8_t priority;
    leat_share *share;
    leat_heap lines;
    leat_list_node of_share;
} leat_stall;

typedef struct leat_need {
    leat_text name;
    uint64_t amount;
} leat_need;

/* Jobs that the same workers can take: handler, needs, traits. */
typedef struct leat_class {
    uint32_t index;
    leat_channel *channel;
    char handler[LEAT_NAME_BYTES_MAX + 1]; /* "" for messages */
    char needs[LEAT_NAME_BYTES_MAX + 1];
    char traits[LEAT_NAME_BYTES_MAX + 1];
    uint32_t need_count;
    leat_need need[LEAT_NEEDS_MAX];
    uint64_t ready; /* in its lines: without those that wait for their key */
    uint64_t running;
    uint16_t filled;                  /* bit p: rank p has items */
    uint16_t offered;                 /* workers that serve it */
    uint64_t mean_ns;                 /* of a run; 0: none has ended yet */
    leat_heap ranks[LEAT_PRIORITIES]; /* of stalls, the share that was given least first */
} leat_class;

/* Jobs of one channel with the same KEY: a cap on how many of them run. */
typedef struct leat_key {
    uint64_t hash;
    uint32_t index;
    uint32_t users; /* terms */
    leat_channel *channel;
    char name[LEAT_NAME_BYTES_MAX + 1];
    uint64_t running;
    leat_heap parked; /* ready items that wait for room, best first */
} leat_key;

/* Whose an item is, and who pays for it: without keys everybody is one principal, and each session
 * has a share of its own. */
typedef struct leat_owner {
    uint64_t principal;
    uint64_t share;
} leat_owner;

/* How items are to be treated: what the items of one SEND have in common, shared with all that have
 * the same. */
typedef struct leat_terms {
    uint32_t index;
    uint32_t users; /* items */
    uint64_t hash;
    leat_class *class;
    leat_line *line;
    leat_key *key; /* NULL: none */
    uint64_t principal;
    uint8_t priority;
    uint16_t failures;
    uint8_t losses;
    uint16_t snoozes;
    bool follows; /* it has jobs that follow, see settings.h FINALLY, RECOVER, or REPLY */
    bool unique;
    bool recovers;      /* … of which one is a recover job */
    uint64_t end_bytes; /* of room, see room.c */
    leat_after after;
    uint64_t after_batch;
    uint64_t run_limit_ms;
    uint64_t grace_ms;
    uint64_t backoff_min_ms;
    uint64_t backoff_max_ms;
    uint64_t expires_wall_ms; /* 0: never */
    leat_buf settings;        /* as on the wire: everything else is read from here */
} leat_terms;

/* ---- peer ---- */

typedef enum leat_answer_state {
    LEAT_ANSWER_FREE = 0,
    LEAT_ANSWER_PARKED,  /* known and not decided: waits in line. bytes: what is in so far */
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
    bool passing;    /* speaks of a message that goes back when the connection goes: so does this */
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
    int64_t out_ms[LEAT_OUT_FRAMES];     /* monotonic; when they left */
    int64_t trip_ms;                     /* to the peer and back, the least of late */
    uint64_t out_unconfirmed_bytes;
    int64_t heard_ms;      /* monotonic; last frame from it or its beat */
    int64_t spoken_ms;     /* last frame to it */
    int64_t gone_ms;       /* when its connection was seen gone; INT64_MAX: it was not */
    int64_t grace_ms;      /* silence that it is allowed now */
    uint64_t hello_number; /* disk commit after which WELCOME may leave */
    bool unreachable;      /* a send has failed: taken down by the next tick */
    bool welcome_due;
    bool resumed;
    bool lost;     /* its leases have been taken back for silence */
    bool dirty;    /* its object in the store is older than it */
    bool draining; /* worker: credit 0 after having had some */
    bool ended;    /* BYE or expired: freed when no log of a turn can name it any more */
    bool claiming; /* between HELLO (resumed) and END */
    bool is_admin;
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
    uint32_t running;  /* as its heartbeat says */
    uint32_t suspects; /* leases that are suspects: nothing beside them */
    uint32_t limited;  /* leases with a run limit */
    uint32_t orphans;  /* runs that were ended by force and may go on there */
    uint32_t recalled; /* asked back and not here yet */
    uint32_t trait_count, have_count, track_count;
    leat_hello_trait *traits; /* owned */
    struct leat_have {
        leat_hello_have have;
        uint64_t used;
    } * haves; /* owned */
    struct leat_track {
        leat_channel *channel;
        int64_t vtime_ns;
    } * tracks; /* owned; what it was given from each channel, by its weight */
    int64_t track_vtime_ns;
    uint32_t grants_waiting; /* JOBS effects that have not left */
    uint32_t disk_grants;    /* … of these in the queue of the disk's book */
    uint64_t jobs_done;
    struct leat_tally *tallies;   /* owned; LEAT_TALLIES, see tally.c; NULL: it has ended nothing */
    bool aside;                   /* a person has set it aside: it is given nothing more */
    leat_list_node hungry;        /* in core->hungry while it may take jobs */
    leat_list_node fed;           /* in core->fed while its grant of this turn is open */
    struct leat_filling *filling; /* owned; see grant.c */
    uint64_t stamp; /* the log flush in which it was named last, and its index there */

    /* client */
    leat_list cursors;       /* of leat_cursor.of_peer */
    leat_list receivers;     /* of leat_receiver.of_peer */
    leat_list waited;        /* of leat_receiver.waiting */
    leat_list_node relieved; /* in core->relieved */
    leat_list parked;        /* of leat_parked.of_peer */
    size_t parked_bytes;
    leat_list replies; /* of leat_reply: to queries, waiting for room on the way */
    uint32_t reply_count;
    uint32_t wait_count;
    leat_list watches; /* of leat_watch.of_peer */
    uint32_t watch_count;
    uint32_t watches_over; /* of which it has to be told so */
    struct leat_telling_frame {
        leat_buf frame; /* owned */
        uint16_t count;
    } told[2];               /* PROGRESS and LOG being collected, see watch.c */
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

/* A query about a batch of one whose end is not on disk yet: asked again when it is. */
typedef struct leat_question {
    leat_list_node node; /* in core->questions */
    uint64_t peer;       /* key */
    uint64_t connection;
    leat_buf body; /* owned */
} leat_question;

typedef struct leat_connection {
    leat_route route;
    uint32_t index;
    leat_peer *peer; /* NULL before HELLO and after its session ended */
    bool beat;
    bool told; /* HELLO_FIRST has been said once */
} leat_connection;

/* A client that receives from a channel, by itself or as a case of a select. */
typedef struct leat_receiver {
    leat_peer *peer;
    leat_channel *channel;
    struct leat_parked *select; /* NULL: by itself */
    uint16_t index;             /* of the case */
    uint32_t credit;
    uint32_t held;     /* messages that it has not acknowledged */
    uint64_t receives; /* begun by the client … */
    uint64_t served;   /* … and messages handed out, over this connection */
    bool told_closed;
    leat_list_node of_peer; /* of a select's: in select->receivers */
    leat_list_node of_channel;
    leat_list_node waiting; /* in peer->waited: its channel waits until more can be sent there */
} leat_receiver;

/* A place in a channel's line of senders. */
typedef struct leat_post {
    struct leat_parked *parked;
    leat_channel *channel;
    uint16_t index;     /* of the case */
    leat_bytes payload; /* of a select's case; into parked->body */
    leat_list_node of_channel;
    leat_list_node of_parked;
} leat_post;

/* A SEND, a SELECT, or the command to seal a batch of which a SEND waits: undecided. */
typedef struct leat_parked {
    leat_peer *peer;
    uint64_t sequence;
    leat_command command; /* SEND, SELECT, COMMAND */
    uint16_t count;       /* records */
    bool sealing;         /* a SEND that is in, and seals when nothing of its batch waits */
    leat_buf body;        /* owned; the frame's */
    leat_send_head head;  /* SEND; into body, as the next one */
    leat_reader records;  /* … those that are not in */
    uint64_t batch;       /* id of the batch that has this among its parked; 0: none */
    leat_list posts;
    leat_list receivers; /* of a select */
    leat_list_node of_peer;
    leat_list_node impatient; /* in core->impatient when it does not wait */
} leat_parked;

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
    char *labels; /* owned; NULL: none */
    leat_counters counters;
    uint64_t principal;              /* whose it is */
    uint64_t running, delayed, held; /* of its live jobs; the others are ready */
    uint32_t parked;                 /* SENDs to it that wait in line */
    uint32_t class;                  /* index; of the first job, for people */
    leat_halt halt;
    bool halted;
    bool cancelling;      /* mark.c ends its items … */
    bool cancel_running;  /* … also those that run … */
    uint64_t cancel_upto; /* … with ids up to this; 0: none */
    uint64_t cancel_at;   /* … and is here */
    uint64_t retry_of;    /* batch, 0: none */
    struct leat_range {
        uint64_t id;
        uint32_t place;
        uint32_t n;
    } * ranges; /* owned; its jobs by place, in order */
    uint32_t range_count, range_capacity;
    uint32_t joins; /* jobs of others whose completion it gets as well */
    /* what waits for it: items by next/prev, by condition */
    struct leat_waiting {
        uint32_t head, tail;
    } waiting[LEAT_AFTER_FAILED + 1];
    uint32_t waiters;
    uint64_t *afters; /* owned; ids of batches that its jobs wait for */
    uint32_t after_count;
    uint64_t walk; /* through them in which it was seen last, and who is seen after it */
    struct leat_batch *walk_next;
    leat_list_node deciding; /* in core->deciding while what waits for it is let go */
    bool sealed;
    bool abandoned;
    bool alone;   /* the batch of one job, with the job's id */
    bool dirty;   /* its record has to be written with this turn */
    bool touched; /* in core->touched: has an entry to write this turn */
    bool finished;
    bool out;                       /* of retention: its record goes when it leaves memory */
    int64_t ended_ms;               /* wall; when it was finished */
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
    leat_list watches;            /* of leat_watch.of_batch */
    leat_list_node finished_node; /* in core->finished until its log is in history */
    leat_list_node stale_node; /* in core->stale while its object in the store is older than it */
} leat_batch;

/* A batch as the store has it, or as a list shows it; texts are borrowed. */
typedef struct leat_batch_record {
    uint64_t id;
    leat_text name;
    leat_text channel; /* empty: not known any more */
    leat_text handler; /* of its first job */
    leat_text labels;
    leat_durability durability;
    uint64_t session;
    uint32_t tag;
    uint64_t principal;
    bool sealed;
    bool abandoned;
    bool finished;
    bool halted;
    bool cancel_running;
    uint64_t cancel_upto;
    uint64_t retry_of;
    leat_halt halt;
    uint64_t log_end;
    leat_counters counters;
    int64_t ended_ms;
    uint64_t running, delayed, held; /* not stored: there they are counted anew */
} leat_batch_record;

/* Finished batches of which a record is left: archive.c. */
typedef struct leat_archived {
    uint64_t id;
    uint32_t ended_s; /* wall */
    bool memory;      /* its record is in the memory store */
} leat_archived;

typedef struct leat_archive {
    leat_archived *rows; /* owned; the oldest first, from `first` on */
    uint64_t gone;       /* rows that were before these, in this life of the broker */
    uint32_t first, count, capacity;
    uint32_t fresh;     /* added in this turn */
    leat_table mourned; /* by id: batches with jobs among the dead */
    uint64_t dropped;   /* out of retention, since the store was made */
} leat_archive;

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

typedef struct leat_mark leat_mark;

/* ---- effects ---- */

typedef enum leat_effect_kind {
    LEAT_EFFECT_GRANT = 1, /* JOBS or MESSAGES of items leased to peer */
    LEAT_EFFECT_LOG,       /* batch's log is durable up to position */
    LEAT_EFFECT_DRAINED,   /* channel with index `position` is closed, and nothing is left in it */
    LEAT_EFFECT_SELECTED,  /* peer's select `batch` has received grants[0] in case `position` */
    LEAT_EFFECT_WITHDRAWN, /* `position` messages of channel `batch` were handed to peer, no more */
    LEAT_EFFECT_STOP,      /* grants[0] is to stop, for the reason `position` */
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
    uint64_t batch;         /* LOG: id; GRANT of messages: index of the channel, 0: of many … */
    leat_counters counters; /* LOG: of the batch */
    uint64_t position;      /* LOG: end; GRANT: first JOBS number, of messages its id */
    leat_grant *grants;     /* owned */
    uint32_t grant_count;
    bool messages;              /* GRANT */
    leat_durability durability; /* GRANT: of the items; the queue may be the other one */
    leat_buf bytes; /* owned; WITHDRAWN: the record; GRANT: whose messages, if of many */
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

/* ---- news ---- */

/* X(name, word) */
#define LEAT_NEWS_MAP(X)                   \
    X(BROKER_STARTED, "broker.started")    \
    X(BATCH_SUBMITTED, "batch.submitted")  \
    X(BATCH_SEALED, "batch.sealed")        \
    X(BATCH_FINISHED, "batch.finished")    \
    X(JOB_DEAD, "job.dead")                \
    X(WORKER_UP, "worker.up")              \
    X(WORKER_LOST, "worker.lost")          \
    X(WORKER_LEFT, "worker.left")          \
    X(WORKER_SET_ASIDE, "worker.drain")    \
    X(WORKER_TAKEN_BACK, "worker.undrain") \
    X(CHANNEL_SET, "channel.set")          \
    X(CHANNEL_PAUSED, "channel.pause")     \
    X(CHANNEL_RESUMED, "channel.resume")   \
    X(CHANNEL_CLOSED, "channel.close")     \
    X(CHANNEL_PURGED, "channel.purge")     \
    X(CHANNEL_REMOVED, "channel.remove")   \
    X(SCHEDULE_FIRED, "schedule.fired")
typedef enum leat_news_kind {
#define LEAT_NEWS_ENUM(name, word) LEAT_NEWS_##name,
    LEAT_NEWS_MAP(LEAT_NEWS_ENUM)
#undef LEAT_NEWS_ENUM
} leat_news_kind;

/* Something that has happened; what the fields say depends on its kind, see news.c. */
typedef struct leat_news_item {
    uint64_t number;
    int64_t wall_ms;
    leat_news_kind kind;
    leat_durability durability;
    uint64_t commit; /* of this store, after which it may be told; 0: at once */
    uint64_t id;
    uint64_t job;
    uint32_t place;
    uint64_t jobs, done, failed;
    uint8_t about_bytes; /* of an error, which may hold any bytes */
    char name[LEAT_NAME_BYTES_MAX + 1];
    char about[LEAT_NAME_BYTES_MAX + 1];
} leat_news_item;

typedef struct leat_news {
    leat_news_item *ring; /* owned; LEAT_NEWS_MAX, by number */
    uint64_t next;        /* number */
    uint64_t told;        /* who waits has been told up to this */
    int64_t asked_ms;     /* monotonic; when somebody asked last */
    leat_list waiting;    /* of leat_question */
} leat_news;

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
    uint64_t load_number;            /* disk commit that reserves the first ids of this life */
    leat_durability last_durability; /* of the last id: a chunk of ids has one */
    leat_err fault; /* memory ran out where nothing can be refused, or the disk store stopped */
    leat_random random;

    leat_items items;
    leat_table channels; /* by hash of the name; see channel.c */
    leat_table classes;  /* by hash of its key */
    leat_table terms;    /* by hash of its content */
    leat_table keys;     /* by hash of channel and name */
    leat_table stalls;   /* by hash of share, class and priority */
    leat_table lines;    /* by hash of flow and stall */
    leat_table shares;   /* by hash of channel and principal */
    leat_table flows;    /* by hash of share and key */
    leat_buf terms_scratch;
    leat_table batches;         /* by id */
    leat_table peers;           /* by key */
    leat_table connections;     /* by route */
    uint64_t *active;           /* owned; bit set of classes with ready items */
    uint64_t *stirred;          /* owned; … of classes of messages that a receiver may want now */
    uint32_t active_words;      /* of each */
    uint64_t next_channel_id;   /* of channels and schedules */
    leat_heap delayed;          /* items by wall ms */
    struct leat_timers *timers; /* owned; see timer.c */
    leat_table links;           /* by job */
    leat_table uniques;         /* by hash of channel, principal and key */
    leat_table dead;            /* leat_corpse by job */
    leat_list corpses;          /* … the oldest first */
    uint64_t dead_dropped;      /* out of retention, since the store was made */
    leat_archive archive;
    leat_table schedules;   /* by id */
    leat_table tellings;    /* leat_telling by job */
    leat_table checkpoints; /* leat_checkpoint by job */
    leat_table failures;    /* leat_failure by job */

    leat_list accruing;  /* flows of which something runs */
    leat_list blocked;   /* channels with senders in line */
    leat_list deciding;  /* batches of which what waits for them is let go */
    leat_list marked;    /* of leat_mark, see mark.c */
    uint32_t ends_left;  /* of this turn: items that marks and expiry may end */
    leat_list hungry;    /* workers that may take jobs, in turn */
    leat_list fed;       /* workers that have been given some in this turn */
    leat_list speaking;  /* peers with something to be sent */
    leat_list relieved;  /* clients that were waited for, and can be sent something again */
    leat_list waking;    /* cursors to be looked at */
    leat_list questions; /* of leat_question */
    leat_news news;
    leat_list finished; /* batches whose log is not yet in history */
    leat_list stale;    /* batches to be written at the end of the hand's round */
    uint32_t *touched;  /* owned; batches with an entry to write this turn */
    uint32_t touched_count, touched_capacity;
    uint64_t stamp; /* counts log flushes */

    leat_book books[LEAT_DURABILITY_COUNT];

    struct leat_room {
        uint64_t ends;  /* what the ends of all live items need */
        uint64_t taken; /* in this turn, beside that */
        bool known;     /* seen is of this turn */
        bool full;      /* the disk gives no more */
        leat_store_room seen;
        uint64_t refused; /* since the broker's start */
    } room;

    /* the hand */
    bool round_active;
    bool round_wanted; /* something has happened since the last round began */
    int64_t round_ms;  /* monotonic; when it began */
    uint64_t round_turn[LEAT_DURABILITY_COUNT]; /* turns below are superseded when it is over */
    uint64_t *round_leaves;                     /* owned; leaf numbers to visit */
    uint32_t round_count, round_at;
    uint64_t *cleared; /* owned; chunks on disk in which nobody lives, to be told to the store */
    uint32_t cleared_count, cleared_capacity;
    uint64_t cleared_upto; /* so many have been told … */
    uint64_t round_clear;  /* … and so many must have been before the round is over */

    bool somebody_gone; /* a peer is unreachable */
    leat_list rated;    /* channels with a rate */
    leat_list
        impatient;     /* of leat_parked: what has not happened by the end of this turn does not */
    int64_t recall_ms; /* monotonic; next look for work that idle workers could take over */
    int64_t sweep_ms;  /* monotonic; next look at all peers */
    int64_t expected_ms; /* when the next turn was expected at the latest */
    int64_t stood_ms; /* monotonic; when this process last went on after it had stood still so long
                         that its peers may have left it */
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

/* A 64-bit hash (FNV-1a), to be chained. */
static inline uint64_t
leat_hash(uint64_t seed, const void *data, size_t size)
{
    const uint8_t *const p = data;
    uint64_t hash = (seed ^ 0xcbf29ce484222325ULL) * 0x9e3779b97f4a7c15ULL;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * 0x100000001b3ULL;
    return hash;
}

/* The same for numbers. */
static inline uint64_t
leat_hash_u64(uint64_t seed, uint64_t value)
{
    const uint64_t hash = (seed ^ value ^ 0xcbf29ce484222325ULL) * 0x9e3779b97f4a7c15ULL;
    return hash ^ hash >> 32;
}

/* ---- core.c ---- */
/* For heaps of items: the item keeps its place in `next`. */
void leat_core_item_moved(void *owner, uint32_t handle, uint32_t position);
uint64_t leat_core_next_ids(leat_core *core, leat_durability durability, uint32_t count);
/* Answer a frame whose body could not be opened: err is what open() said. */
void leat_core_refuse_body(leat_core *core, leat_peer *peer, const leat_frame *frame, leat_err err);

#endif
