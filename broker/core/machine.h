/* The core's inside: what its files share. Nobody else includes this.
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
    /* counters; done, dead … since the broker's start */
    uint64_t ready;
    uint64_t running;
    uint64_t delayed;
    uint64_t held;
    uint64_t done;
    uint64_t dead;
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

/* ---- channel.c ---- */
/* The channel of this name, made if it is missing. NULL: LEAT_ERR_LIMIT or NOMEM in *err. */
leat_channel *leat_channel_ensure(leat_core *core, leat_text name, leat_err *err);
leat_channel *leat_channel_find(const leat_core *core, leat_text name);
/* Note that its record has changed: written with this turn. */
void leat_channel_changed(leat_core *core, leat_channel *channel);
bool leat_channel_is_drained(const leat_channel *channel);

void leat_channel_free(leat_channel *channel);
/* Items that it has room for now; LEAT_UNLIMITED without a capacity. */
uint64_t leat_channel_room(const leat_channel *channel);
/* Its settings for jobs that do not say; borrowed. */
leat_settings leat_channel_defaults(const leat_channel *channel);
void
leat_channel_set_rules(leat_core *core, leat_channel *channel, const leat_channel_rules *rules);
/* It has the rules and settings that the broker gives to channels that are not declared.
 * LEAT_ERR_NOMEM: nothing has changed. */
leat_err leat_channel_undeclare(leat_core *core, leat_channel *channel);
/* May something be handed out now: not paused, below its cap, a token there? */
bool leat_channel_gives(leat_core *core, leat_channel *channel);
void leat_channel_take_token(leat_channel *channel);
/* Monotonic ms at which it gives again because of its rate; INT64_MAX: not because of that. */
int64_t leat_channel_gives_ms(const leat_core *core, const leat_channel *channel);

/* ---- terms.c ---- */
/* What the channel says where the settings of a job say nothing. */
void leat_terms_complete(leat_settings *s, const leat_channel *channel);
/* What complete settings amount to in this channel, for an owner and flow. `batch`: id, the flow
 * when the settings name none. NULL with LEAT_ERR_LIMIT, TOO_LARGE or NOMEM in *err. Counted
 * once more: leat_terms_drop gives it back. */
leat_terms *leat_terms_ensure(leat_core *core,
                              leat_channel *channel,
                              leat_text handler,
                              const leat_settings *settings,
                              leat_owner owner,
                              uint64_t batch,
                              uint64_t expires_wall_ms,
                              leat_err *err);
static inline void
leat_terms_keep(leat_terms *terms)
{
    terms->users++;
}
void leat_terms_drop(leat_core *core, leat_terms *terms);
/* Its settings, borrowed from it. */
leat_settings leat_terms_settings(const leat_terms *terms);
static inline leat_owner
leat_terms_owner(const leat_terms *terms)
{
    return (leat_owner){terms->principal, terms->line->flow->share->principal};
}

static inline leat_terms *
leat_terms_of(const leat_core *core, const leat_item *item)
{
    return leat_table_at(&core->terms, item->terms);
}

/* Are items with these terms of no use any more? */
static inline bool
leat_terms_are_over(const leat_core *core, const leat_terms *terms)
{
    return terms->expires_wall_ms != 0 && core->now.wall_ms >= (int64_t)terms->expires_wall_ms;
}

static inline leat_class *
leat_class_of(const leat_core *core, const leat_item *item)
{
    return leat_terms_of(core, item)->class;
}

/* ---- class.c ---- */
leat_class *leat_class_ensure(leat_core *core,
                              leat_channel *channel,
                              leat_text handler,
                              leat_text needs,
                              leat_text traits,
                              leat_err *err);
/* Work out which classes a worker serves (after HELLO), or which workers serve a new class. */
void leat_class_match_peer(leat_core *core, leat_peer *peer);
bool leat_class_is_served(const leat_peer *peer, const leat_class *class);
/* What a worker lacks for this class, in the order in which people would look for it. */
typedef enum leat_lack {
    LEAT_LACK_NOTHING,
    LEAT_LACK_CHANNEL,
    LEAT_LACK_HANDLER,
    LEAT_LACK_TRAIT,
    LEAT_LACK_NEED,
} leat_lack;
leat_lack leat_class_lack(const leat_peer *peer, const leat_class *class);
void leat_class_ran(leat_class *class, uint64_t run_us);
/* Wall seconds since when the one that is next has waited; UINT32_MAX: there is none. */
uint32_t leat_class_oldest(const leat_core *core, const leat_class *class);
/* Does the worker have free what a job of this class needs? Take it, give it back. */
bool leat_class_fits(const leat_peer *peer, const leat_class *class);
void leat_class_use(leat_peer *peer, const leat_class *class, bool more);

/* ---- share.c ---- */
void leat_rank_init(leat_core *core, leat_heap *rank);
leat_line *leat_line_ensure(
    leat_core *core, leat_class *class, uint8_t priority, uint64_t principal, uint64_t key);
void leat_line_drop(leat_core *core, leat_line *line);
/* Put a ready item at the end of its line, or back to its old place. */
void leat_line_append(leat_core *core, uint32_t index);
void leat_line_return(leat_core *core, uint32_t index);
/* Take a ready item out, wherever it waits. */
void leat_line_remove(leat_core *core, uint32_t index);

typedef struct leat_candidate {
    uint32_t index;
    uint64_t id;
    unsigned level; /* its priority, and what waiting has added */
    int64_t share_slice;
    int64_t flow_slice;
} leat_candidate;
/* The item of the class whose turn it is; false: there is none that may be handed out. Items that
 * are marked, expired or over their key's cap leave the line on the way. */
bool leat_line_first(leat_core *core, leat_class *class, leat_candidate *out);
/* Negative: a comes before b. */
int leat_candidate_compare(const leat_candidate *a, const leat_candidate *b);
/* Take the class's first item, which leat_line_first has found, and charge its flow. */
void leat_line_take(leat_core *core, leat_class *class, uint32_t index);
/* It is in somebody's hands already: after a restart. */
void leat_share_adopt(leat_core *core, leat_item *item);
/* Its run is over after so long; 0: it has not run. */
void leat_share_settle(leat_core *core, leat_item *item, uint64_t run_us);
/* Charge what runs longer than was thought. */
void leat_share_accrue(leat_core *core);
/* An item with this key is in somebody's hands, or no longer. */
void leat_key_count(leat_core *core, leat_key *key, bool more);
void leat_key_settle(leat_core *core, leat_key *key);

/* ---- batch.c ---- */
leat_batch *leat_batch_new(leat_core *core, uint64_t id, leat_channel *channel);
/* Jobs id … id + n - 1 are its jobs from place on. */
void
leat_batch_add_range(leat_core *core, leat_batch *batch, uint64_t id, uint32_t place, uint32_t n);
/* The id of the job at a place, or 0. */
uint64_t leat_batch_job(const leat_batch *batch, uint32_t place);
/* Is it over, whatever may still be added? Every job that is in has ended. */
bool leat_batch_is_over(const leat_batch *batch);
/* Note a change: an OBJECT entry is written with this turn. */
void leat_batch_touch(leat_core *core, leat_batch *batch);
/* Append a completion to the batch with this index, or to the item's own (LEAT_NOBODY). The item is
 * still in the table. */
void leat_batch_complete(leat_core *core,
                         const leat_item *item,
                         uint32_t index,
                         uint32_t place,
                         leat_outcome outcome,
                         leat_peer *worker,
                         uint64_t run_us,
                         leat_bytes result);
/* The batch with this id, alive or brought back from the store; NULL: there is none (any more). */
leat_batch *leat_batch_find(leat_core *core, uint64_t id);
void leat_batch_seal(leat_core *core, leat_batch *batch, bool abandoned);
void leat_batch_set_labels(leat_core *core, leat_batch *batch, leat_text labels);
/* Append a completion that another batch has had. */
void leat_batch_copy_completion(leat_core *core, leat_batch *batch, leat_completion *completion);
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

/* ---- archive.c ---- */
/* It has just finished, or its record says so when the store is loaded. */
void leat_archive_add(leat_core *core, const leat_batch *batch);
/* All that the store has was added, in no order. */
void leat_archive_sort(leat_core *core);
/* Drop the records of what is out of retention: some of them, with this turn. */
void leat_archive_retain(leat_core *core);
/* A batch that was marked as out of retention has left memory. */
void leat_archive_left(leat_core *core, uint64_t id, bool memory);
/* A job of the batch is among the dead; it no longer is. */
void leat_archive_mourn(leat_core *core, uint64_t id, bool memory);
void leat_archive_bury(leat_core *core, uint64_t id);
/* The id is nobody's: might it have been a batch that is out of retention? */
bool leat_archive_may_have_had(const leat_core *core, uint64_t id);
/* The sentence of NOT_FOUND for a batch. */
void leat_archive_explain(const leat_core *core, uint64_t id, char *out, size_t size);
void leat_archive_fini(leat_core *core);

/* ---- cursor.c ---- */
void leat_cursor_credit(leat_core *core, leat_peer *peer, const leat_credit *credit);
void leat_cursor_ack(leat_core *core, leat_peer *peer, uint64_t batch, uint64_t position);
/* A job alone has this id, and its end is in a commit that is not on disk yet: it is found later.
 */
bool leat_cursor_is_on_its_way(const leat_core *core, uint64_t id);
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
/* Its session as it is now, with this turn. */
void leat_peer_write(leat_core *core, leat_peer *peer);
/* A person wants a worker to be given nothing more, or something again. */
void leat_peer_set_aside(leat_core *core, leat_peer *peer, bool aside);
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

bool leat_window_park(leat_core *core, leat_peer *peer, uint64_t sequence);
/* What is in of a SEND that waits in line: kept with its sequence, and stored if it is durable. */
typedef struct leat_partial {
    uint64_t first_id;
    uint64_t batch;
    uint32_t taken;
} leat_partial;
void leat_window_put_partial(
    leat_core *core, leat_peer *peer, uint64_t sequence, const leat_partial *partial, bool depends);
/* false: nothing is in yet. */
bool leat_window_get_partial(const leat_peer *peer, uint64_t sequence, leat_partial *partial);
/* The connection is gone: what waited in line is not known any more, and answers that spoke of
 * messages which go back are void. */
void leat_window_unpark(leat_peer *peer);
void leat_window_set_passing(leat_peer *peer, uint64_t sequence);

/* ---- lease.c ---- */
/* The live lease of this session that a token names, or LEAT_NOBODY. */
uint32_t leat_lease_of(leat_core *core, const leat_peer *peer, const leat_token *token);
/* An ACKED record that grows exceptions. */
struct leat_acking {
    leat_acked acked;
    leat_buf exceptions;
    bool depends; /* something durable was changed */
};
void leat_acking_except(struct leat_acking *acking, const leat_token *token, leat_err err);
void
leat_acking_finish(leat_core *core, leat_peer *peer, uint64_t sequence, struct leat_acking *acking);
void leat_lease_append(leat_core *core, leat_peer *peer, uint32_t index);
/* Out of its holder's hands, in which it has run so long. */
void leat_lease_unlink(leat_core *core, leat_peer *peer, uint32_t index, uint64_t run_us);
/* Jobs up to this number have started. */
void leat_lease_on_started(leat_core *core, leat_peer *peer, uint64_t started);
/* The item has ended: completion, counters, what follows it, out of the table. Its state is final
 * already. */
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
/* Over its run limit, and what came is no result: a failure. Out of its holder's hands. */
void leat_lease_time_out(leat_core *core, uint32_t index, leat_peer *worker);
/* Delayed items whose time has come. */
void leat_lease_due(leat_core *core);
void leat_lease_delay_until(leat_core *core, uint32_t index, int64_t due_wall_ms);
int64_t leat_delay_of(const leat_core *core, const leat_item *item);
void leat_lease_delay(leat_core *core, uint32_t index, int64_t delay_ms);
/* It does not wait for its time any more. */
void leat_lease_undelay(leat_core *core, uint32_t index);
int leat_lease_runs(const leat_core *core, const leat_peer *peer, const leat_item *item);
void leat_lease_write_item(leat_core *core, const leat_item *item);
leat_durability leat_item_durability(const leat_core *core, const leat_item *item);

/* ---- stop.c ---- */
/* What became of a job that was to be cancelled. */
typedef enum leat_cancelled {
    LEAT_CANCELLED_NOW,      /* it waited, and has ended */
    LEAT_CANCELLED_STOPPING, /* it runs, and was told to stop */
    LEAT_CANCELLED_LATE,     /* there is nothing left to cancel */
} leat_cancelled;
leat_cancelled leat_stop_cancel(leat_core *core, uint32_t index);
/* A waiting item is of no use any more. */
void leat_stop_expire(leat_core *core, uint32_t index);
/* Runs that have been reported as started since: their run limits begin. */
void leat_stop_on_started(leat_core *core, leat_peer *peer, uint64_t before);
/* Say STOP again for all that is to stop, to a worker that is back. */
void leat_stop_again(leat_core *core, leat_peer *peer);
void leat_stop_release(leat_core *core, const leat_effect *effect);
void leat_stop_on_timer(leat_core *core, uint64_t id, uint32_t attempt, bool limit);
void leat_stop_on_cancel(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);

/* ---- steer.c ---- */
/* A COMMAND that is being done. */
struct leat_steering {
    leat_core *core;
    leat_peer *peer;
    const leat_frame *frame;
    const cJSON *arguments;
    cJSON *result; /* an object, to be filled */
    bool parked;   /* it waits: its answer comes later */
    char message[256];
};
LEAT_NODISCARD leat_err leat_steer(struct leat_steering *s, const char *name);
leat_err leat_steer_bad(struct leat_steering *s, const char *what);
/* "all", "failed", "none". */
const char *leat_steer_keep_word(leat_keeping keep);
bool leat_steer_has(const cJSON *arguments, const char *key);
LEAT_NODISCARD leat_err leat_steer_channel(struct leat_steering *s,
                                           bool make,
                                           leat_channel **channel);
LEAT_NODISCARD leat_err leat_steer_batch(struct leat_steering *s, leat_batch **batch);
/* Settings out of a JSON object on top of *out; of_job: also those that only a job has. */
LEAT_NODISCARD leat_err leat_steer_settings(struct leat_steering *s,
                                            const cJSON *json,
                                            bool of_job,
                                            leat_settings *out);
/* OK, NOT_FOUND, TOO_LATE, DENIED. */
LEAT_NODISCARD leat_err leat_steer_cancel_job(leat_core *core, const leat_peer *peer, uint64_t id);
void leat_steer_resume_due(leat_core *core, uint64_t id);

/* ---- chore.c ---- */
leat_err leat_chore_backup(struct leat_steering *s);
leat_err leat_chore_check(struct leat_steering *s);
cJSON *leat_chore_query(leat_core *core);

/* ---- schedule.c ---- */
leat_err leat_schedule_add(struct leat_steering *s);
leat_err leat_schedule_remove(struct leat_steering *s);
leat_err leat_schedule_pause(struct leat_steering *s);
leat_err leat_schedule_resume(struct leat_steering *s);
leat_err leat_schedule_run(struct leat_steering *s);
void leat_schedule_on_timer(leat_core *core, uint64_t id);
LEAT_NODISCARD leat_err leat_schedule_apply(leat_core *core, uint64_t id, leat_reader *record);
cJSON *leat_schedule_query(leat_core *core, uint32_t offset);
void leat_schedules_fini(leat_core *core);

/* ---- timer.c ---- */
typedef enum leat_timer_kind {
    LEAT_TIMER_LIMIT,    /* monotonic: the run of (id, attempt) is over its limit */
    LEAT_TIMER_FORCE,    /* monotonic: … has not answered STOP */
    LEAT_TIMER_EXPIRE,   /* wall: items id … id + n - 1 expire */
    LEAT_TIMER_RESUME,   /* wall: channel with object id */
    LEAT_TIMER_UNIQUE,   /* wall: the window of the unique key with hash `id` */
    LEAT_TIMER_SCHEDULE, /* wall: schedule with object id */
} leat_timer_kind;
LEAT_NODISCARD leat_err leat_timers_init(leat_core *core);
void leat_timers_fini(leat_core *core);
/* Timers are not taken back: who is called looks whether it still concerns him. */
void leat_timer_set(leat_core *core, leat_timer_kind kind, int64_t at_ms, uint64_t id, uint32_t n);
void leat_timers_due(leat_core *core);
/* Monotonic ms of the next one, INT64_MAX: none. */
int64_t leat_timers_next_ms(const leat_core *core);

/* ---- mark.c ---- */
/* End all waiting items of a batch (and stop what runs), or of a channel, up to an id; in slices.
 */
void leat_mark_batch(leat_core *core, leat_batch *batch, bool running);
void leat_mark_channel(leat_core *core, leat_channel *channel, uint64_t upto);
void leat_mark_step(leat_core *core);
/* Is it to be ended rather than handed out? */
bool leat_mark_has(const leat_core *core, const leat_item *item);
static inline bool
leat_mark_is_pending(const leat_core *core)
{
    return !leat_list_is_empty(&core->marked);
}
void leat_mark_fini(leat_core *core);

/* ---- hold.c ---- */
/* Can jobs of this batch (NULL: a batch of their own) wait for the one that the settings name? */
LEAT_NODISCARD leat_err leat_hold_check(leat_core *core,
                                        const leat_batch *batch,
                                        const leat_settings *settings,
                                        const char **why);
/* May a batch of others join this job, which may wait for one? From now on it waits for that too.
 * BAD_STATE: it would wait for itself; LIMIT. */
LEAT_NODISCARD leat_err leat_hold_join(leat_core *core, const leat_item *item, leat_batch *batch);
/* The item waits for its batch: into the list, or decided at once if that is over. */
void leat_hold_add(leat_core *core, uint32_t index);
void leat_hold_remove(leat_core *core, uint32_t index);
void leat_hold_decide(leat_core *core, uint32_t index, bool met);
/* Something has changed that others may wait for. */
void leat_hold_look(leat_core *core, leat_batch *batch);
void leat_hold_step(leat_core *core);

/* ---- follow.c ---- */
/* The item has ended: submit what follows it. True: its completion is not written, a recover job
 * will. */
bool leat_follow_end(leat_core *core,
                     uint32_t index,
                     leat_outcome outcome,
                     leat_peer *worker,
                     uint64_t run_us,
                     leat_bytes result);

/* ---- unique.c ---- */
/* A key that is taken: by a live job, or for a while after its end. */
typedef struct leat_unique {
    uint64_t hash;
    uint32_t index;
    uint32_t channel; /* index */
    uint64_t principal;
    char name[LEAT_NAME_BYTES_MAX + 1];
    uint64_t job;
    bool ended;
    uint64_t window_ms;
    uint64_t until_wall_ms; /* ended: … */
    leat_buf log;           /* ended: the completion, as a log of one */
} leat_unique;
leat_unique *
leat_unique_find(leat_core *core, const leat_channel *channel, uint64_t principal, leat_text name);
LEAT_NODISCARD leat_err leat_unique_add(leat_core *core,
                                        const leat_channel *channel,
                                        uint64_t principal,
                                        leat_text name,
                                        uint64_t window_ms,
                                        uint64_t job);
/* The batch gets the completion of the key's job, now or when it ends. */
LEAT_NODISCARD leat_err leat_unique_join(leat_core *core,
                                         const leat_unique *unique,
                                         leat_batch *batch,
                                         uint32_t place);
/* The job that has the key has ended. */
void leat_unique_end(leat_core *core,
                     const leat_item *item,
                     leat_outcome outcome,
                     const leat_peer *worker,
                     uint64_t run_us,
                     leat_bytes result);
void leat_unique_on_timer(leat_core *core, uint64_t hash);
void leat_unique_free(leat_core *core, leat_unique *unique);
void leat_unique_put(const leat_core *core, const leat_unique *unique, leat_buf *buf);
LEAT_NODISCARD leat_err leat_unique_apply(leat_core *core, uint64_t job, leat_reader *record);

/* The payload of a live item, copied into buf; false: it cannot be read. */
bool leat_follow_payload(leat_core *core, const leat_item *item, leat_buf *buf);

/* ---- dead.c ---- */
/* A dead job, as far as it is looked for; the rest is its object in the store. */
typedef struct leat_corpse {
    uint64_t job;
    uint32_t index;
    uint64_t batch; /* id */
    uint32_t place;
    uint32_t channel;    /* index */
    uint64_t principal;  /* whose it was */
    int64_t ended_ms;    /* wall */
    bool memory;         /* its object is in the memory store */
    leat_list_node node; /* in core->corpses, oldest first */
} leat_corpse;
/* The item has died; its payload is still in the store. */
void leat_dead_add(leat_core *core, const leat_item *item, leat_bytes error);
LEAT_NODISCARD leat_err leat_dead_apply(leat_core *core,
                                        unsigned format,
                                        uint64_t job,
                                        leat_reader *record);
void leat_dead_drop(leat_core *core, leat_corpse *corpse);
/* The dead job that had this place in its batch, or NULL; looks at all of them. */
leat_corpse *leat_dead_at(const leat_core *core, uint64_t batch, uint32_t place);
void leat_dead_sweep(leat_core *core);
void leat_dead_fini(leat_core *core);
/* What its object says, read from the store; borrowed from core->scratch until the next call. */
typedef struct leat_obituary {
    leat_text channel;
    leat_text handler;
    uint64_t batch;
    uint32_t place;
    leat_owner owner;
    uint32_t attempts;
    uint32_t failed;
    uint32_t lost;
    uint32_t snoozed;
    uint64_t ended_ms;
    leat_bytes settings;
    leat_bytes error;
    leat_bytes payload;
    leat_bytes attempt_list; /* as in failure.c; empty: not known */
} leat_obituary;
bool leat_dead_read(leat_core *core, const leat_corpse *corpse, leat_obituary *out);
/* Which of the dead are meant. */
typedef struct leat_dead_filter {
    const leat_channel *channel; /* NULL: of any */
    const char *error;           /* this text is in its error; NULL: any is */
    int64_t since_ms;            /* wall; it has died since then */
} leat_dead_filter;
/* Out of `channel`, `error` and `since_ms` of a query or command; texts are borrowed. MALFORMED or
 * NOT_FOUND with a sentence in message. */
LEAT_NODISCARD leat_err leat_dead_read_filter(leat_core *core,
                                              const cJSON *arguments,
                                              leat_dead_filter *out,
                                              char message[256]);
bool leat_dead_matches(leat_core *core, const leat_corpse *corpse, const leat_dead_filter *filter);

/* ---- tally.c ---- */
#define LEAT_TALLY_MINUTES 10
#define LEAT_TALLIES       8U /* classes of one worker */
/* How the attempts of one class ended at one worker, by minute. */
typedef struct leat_tally {
    uint32_t class;  /* index; 0: none */
    uint32_t slot;   /* of minute */
    int64_t minute;  /* monotonic; the last one that was counted in … */
    int64_t over_ms; /* … and when it is over */
    uint32_t ended[LEAT_TALLY_MINUTES];
    uint32_t failed[LEAT_TALLY_MINUTES]; /* of these */
} leat_tally;
/* The worker's tally of this class, at the present minute; NULL: no memory. */
leat_tally *leat_tally_now(leat_core *core, leat_peer *peer, const leat_class *class);
/* An attempt of this class has ended so. */
static inline void
leat_tally_count(leat_core *core, leat_peer *peer, const leat_class *class, bool failed)
{
    leat_tally *tally = peer->tallies;
    if (tally == NULL || tally->class != class->index || core->now.mono_ms >= tally->over_ms)
        tally = leat_tally_now(core, peer, class);
    if (tally == NULL)
        return; /* it is but for people */
    tally->ended[tally->slot]++;
    tally->failed[tally->slot] += failed;
}
/* "outliers": workers that fail in this channel what others do well, with the numbers. */
void leat_tally_add_outliers(const leat_core *core, const leat_channel *channel, cJSON *json);
/* "lately": what this worker ended, beside what the others did. */
void leat_tally_add_worker(const leat_core *core, const leat_peer *peer, cJSON *json);

/* ---- failure.c ---- */
/* How an attempt ended that did not end well. The numbers are stored. */
#define LEAT_ATTEMPT_END_MAP(X)                                                 \
    X(FAILED, 1, "failed")                                                      \
    X(TIMEOUT, 2, "timeout") /* over its run limit */                           \
    X(LOST, 3, "lost")       /* with its worker */                              \
    X(SUSPECT, 4, "suspect") /* the same, uncounted: who did it is not known */ \
    X(SNOOZED, 5, "snoozed") /* it asked for later, and may not again */
typedef enum leat_attempt_end {
#define LEAT_ATTEMPT_ENUM(name, number, word) LEAT_ATTEMPT_##name = (number),
    LEAT_ATTEMPT_END_MAP(LEAT_ATTEMPT_ENUM)
#undef LEAT_ATTEMPT_ENUM
} leat_attempt_end;
/* What is kept of a live job's attempts; its item is marked LEAT_ITEM_FAILED. */
typedef struct leat_failure {
    uint64_t job;
    uint32_t index;
    bool memory;   /* its object is in the memory store */
    bool stored;   /* it has an object */
    leat_buf list; /* owned; as in failure.c */
} leat_failure;
typedef struct leat_failed_attempt {
    uint32_t attempt;
    uint8_t end;  /* leat_attempt_end */
    uint8_t how;  /* of a command: leat_ending_how; 0: of none */
    uint8_t code; /* … and its exit code or signal */
    uint64_t ended_ms;
    uint64_t run_us;
    leat_text worker;
    leat_text why;
} leat_failed_attempt;
/* An attempt of this job has ended so, and the item's state says what becomes of it. */
void leat_failure_note(leat_core *core,
                       leat_item *item,
                       leat_attempt_end end,
                       const leat_peer *worker,
                       uint64_t run_us,
                       leat_bytes result);
/* The job has ended: what is to be kept of it is with the dead. */
void leat_failure_drop(leat_core *core, const leat_item *item);
/* The list of a live job, borrowed; empty: nothing has failed. */
leat_bytes leat_failure_list(const leat_core *core, const leat_item *item);
/* Read a list: false at bytes that are none. Then n times next, which cannot fail. */
bool leat_failure_open(leat_bytes list, uint32_t *older, uint8_t *n, leat_reader *attempts);
leat_failed_attempt leat_failure_next(leat_reader *attempts);
LEAT_NODISCARD leat_err leat_failure_apply(leat_core *core, uint64_t job, leat_reader *record);
/* All is loaded: mark the items that have one. */
void leat_failure_settle(leat_core *core);
void leat_failure_fini(leat_core *core);
#define LEAT_FAILURE_JSON_BYTES 4096U /* of what the next two add, beside the list */
/* What a failure says: of a command its sentence, of others all that they have answered. */
leat_bytes leat_failure_why(leat_bytes error);
/* Of a command's result: "exit" or "signal", and the end of its "stderr". Of another's: nothing. */
void leat_failure_add_last(cJSON *json, leat_bytes error);
/* Of the last attempt "worker", and of a command "exit" or "signal". */
void leat_failure_add_end(cJSON *json, leat_bytes list);
/* "attempt_list" and "older_attempts". */
void leat_failure_add_attempts(cJSON *json, leat_bytes list);

/* ---- checkpoint.c ---- */
/* What a job has left for its next attempt; the bytes are an object in the store, written in the
 * turn that acknowledges them. Its item is marked LEAT_ITEM_TELLS. */
typedef struct leat_checkpoint {
    uint64_t job;
    uint64_t sequence; /* of its frame, in the session that had the attempt */
    uint32_t attempt;
    uint32_t index;
    uint32_t bytes; /* 0: it was taken away */
    bool memory;    /* its object is in the memory store */
} leat_checkpoint;
void leat_checkpoint_on_frame(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
/* Bytes of the item's checkpoint; 0: it has none. */
uint32_t leat_checkpoint_bytes(const leat_core *core, const leat_item *item);
/* The job has ended: it needs none any more. */
void leat_checkpoint_drop(leat_core *core, const leat_item *item);
LEAT_NODISCARD leat_err leat_checkpoint_apply(leat_core *core, uint64_t job, leat_reader *record);
/* All is loaded: mark the items that have one. */
void leat_checkpoint_settle(leat_core *core);
void leat_checkpoint_fini(leat_core *core);
/* The checkpoints of the jobs of a grant, out of the store. */
typedef struct leat_restored {
    leat_buf bytes; /* owned; all of them */
    struct leat_restored_one {
        uint32_t grant; /* index; rising */
        uint32_t size;  /* 0: it cannot be read */
        size_t at;
    } * ones; /* owned */
    uint32_t count;
} leat_restored;
void leat_restored_fetch(leat_core *core, const leat_effect *effect, leat_restored *out);
/* False: there is none. Without bytes: it cannot be read. */
bool leat_restored_find(const leat_restored *restored, uint32_t grant, leat_bytes *out);
void leat_restored_fini(leat_restored *restored);

/* ---- watch.c ---- */
/* The last progress that a leased job has told. Its item is marked LEAT_ITEM_TELLS. */
typedef struct leat_telling {
    uint64_t job;
    uint32_t index;
    uint32_t attempt;
    uint64_t done;
    uint64_t of;
    int64_t told_ms; /* monotonic */
    uint16_t text_bytes;
    char text[LEAT_PROGRESS_TEXT_MAX];
} leat_telling;
/* A client is told what the jobs of a batch tell, over this connection. */
typedef struct leat_watch {
    leat_peer *peer;
    leat_batch *batch; /* NULL: nothing more will be told of it; it waits to be told so */
    uint64_t batch_id;
    uint64_t over_at; /* position in the batch's log with which its one job is over; 0: not yet */
    uint32_t place;   /* of its one job; 0: all */
    uint32_t gap;     /* records that were dropped since the last one that it was told */
    leat_list_node of_peer;
    leat_list_node of_batch;
} leat_watch;
/* PROGRESS, LOG. */
void leat_watch_on_told(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
/* The attempt is over: so is what it has told. */
void leat_watch_forget(leat_core *core, leat_item *item);
/* The job at this place has its completion; the batch's log is durable; the batch is freed. */
void leat_watch_completed(leat_batch *batch, uint32_t place);
void leat_watch_durable(leat_core *core, leat_batch *batch);
void leat_watch_batch_gone(leat_core *core, leat_batch *batch);
/* Send what is collected for the peer, as far as there is room. */
void leat_watch_release(leat_core *core, leat_peer *peer);
/* Its connection is gone, and what it watched with it. */
void leat_watch_drop_all(leat_peer *peer);
void leat_watch_fini(leat_core *core);
/* The queries watch and unwatch. False: name is none of them. */
bool leat_watch_query(leat_core *core,
                      leat_peer *peer,
                      const cJSON *arguments,
                      const char *name,
                      cJSON **result,
                      char message[256],
                      leat_err *err);
/* What the running jobs of a batch (place 0: all) have told, as rows of the list. */
void leat_watch_add_progress(leat_core *core, const leat_batch *batch, uint64_t place, cJSON *list);

/* ---- submit.c ---- */
/* The session calls this batch by this tag from now on. */
LEAT_NODISCARD leat_err leat_peer_tag(leat_peer *peer, uint32_t tag, uint64_t batch);
void leat_submit_on_send(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
/* One item that the broker itself sends: what follows a job, a retry, a schedule. It goes in above
 * the capacity. */
typedef struct leat_order {
    leat_text channel;
    leat_text handler; /* empty: a message */
    leat_settings settings;
    leat_owner owner;
    leat_batch *batch; /* NULL: alone */
    uint64_t recovers; /* the dead job whose completion this one's end is; batch is that job's */
    uint32_t place;    /* of that job */
    bool inside;       /* was accepted with a job of this channel: also when that is closed now */
    bool promised;     /* … and its room is */
    leat_bytes payload;
} leat_order;
LEAT_NODISCARD leat_err leat_submit_order(leat_core *core, const leat_order *order, uint64_t *id);
/* A batch of the broker's own making, open. */
leat_batch *leat_submit_batch(leat_core *core, leat_channel *channel, uint64_t principal);
/* Go on with one that is in line, as far as there is room; true if something went in. Its place in
 * line is gone when it is decided. */
bool leat_submit_next(leat_core *core, leat_channel *channel, leat_post *post, uint64_t room);
/* One record of a select's send. */
LEAT_NODISCARD leat_err leat_submit_message(
    leat_core *core, leat_peer *peer, leat_channel *channel, leat_bytes payload, uint64_t *id);

/* ---- park.c ---- */
/* Its sequence waits. LEAT_ERR_LIMIT: too much of this session does; LEAT_ERR_NOMEM. */
leat_parked *leat_park_new(leat_core *core,
                           leat_peer *peer,
                           const leat_frame *frame,
                           const uint8_t *body,
                           size_t size,
                           leat_err *err);
/* It is one of those whose end the seal of this batch waits for. */
void leat_park_count(leat_core *core, leat_parked *parked, leat_batch *batch);
/* Take it out of all lines and forget it; its sequence is decided by the caller. */
void leat_park_free(leat_core *core, leat_parked *parked);
void leat_park_drop_all(leat_core *core, leat_peer *peer);
leat_parked *leat_park_find(const leat_peer *peer, uint64_t sequence);
bool leat_park_post(leat_core *core,
                    leat_parked *parked,
                    leat_channel *channel,
                    uint16_t index,
                    leat_bytes payload);
void leat_park_on_withdraw(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
/* The parked SEND is in: only its seal waits for others to the same batch. */
void leat_park_sealing(leat_core *core, leat_parked *parked, leat_batch *batch);
/* They are in: it is decided. */
void leat_submit_sealed(leat_core *core, leat_parked *parked);
/* The SEND that waits gets its answer. */
void leat_submit_give_up(leat_core *core, leat_parked *parked, leat_err err, const char *sentence);

/* The channel has been closed: nobody who waits to send into it will. */
void leat_submit_refuse_line(leat_core *core, leat_channel *channel);
/* SENDs of this session to the batch wait in line: the command to seal it waits too, and is
 * answered when they are in. False: nothing waits. */
bool leat_park_seal(leat_core *core, leat_peer *peer, const leat_frame *frame, leat_batch *batch);

/* ---- link.c ---- */
/* What hangs on a job beside its batch: batches that get its completion as well, or the dead job
 * that it recovers. Items that have one are marked LEAT_ITEM_JOINED. */
typedef struct leat_join {
    uint32_t batch; /* index */
    uint32_t place;
} leat_join;
typedef struct leat_link {
    uint64_t id;
    uint32_t index;
    uint64_t recovers; /* job; 0: none */
    uint32_t count;
    leat_join *joins; /* owned */
} leat_link;
leat_link *leat_link_of(const leat_core *core, const leat_item *item);
leat_link *leat_link_ensure(leat_core *core, leat_item *item);
/* Do other batches than its own want it too? */
static inline bool
leat_link_is_shared(const leat_core *core, const leat_item *item)
{
    if ((item->flags & LEAT_ITEM_JOINED) == 0)
        return false;
    const leat_link *const link = leat_link_of(core, item);
    return link != NULL && link->count > 0;
}
/* Batch gets the item's completion as well, at this place. Written with this turn. */
LEAT_NODISCARD leat_err leat_link_join(leat_core *core,
                                       leat_item *item,
                                       leat_batch *batch,
                                       uint32_t place);
/* The same without writing it: while loading. */
LEAT_NODISCARD leat_err leat_link_add(leat_core *core,
                                      leat_link *link,
                                      leat_batch *batch,
                                      uint32_t place);
/* Who waits for one waits for the other: nobody does yet. */
void leat_link_move(leat_core *core, leat_item *from, leat_item *to);
/* The job of others that has this place in the batch, or LEAT_NOBODY: its index. */
uint32_t leat_link_job(leat_core *core, const leat_batch *batch, uint32_t place);
/* The batch gives up its claim on the item: false if nobody else has one. */
bool leat_link_leave(leat_core *core, uint32_t index, leat_batch *batch);
void leat_link_write(leat_core *core, const leat_item *item);
void leat_link_drop(leat_core *core, leat_item *item);
void leat_link_free(leat_core *core, leat_link *link);

/* ---- select.c ---- */
void leat_select_on_frame(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
/* A case has happened, or none will: answer, and out of all lines. */
void leat_select_decide(leat_core *core,
                        leat_parked *parked,
                        uint16_t index,
                        leat_err code,
                        uint64_t id,
                        bool depends,
                        const char *sentence);
/* The select has received the item at index, which is leased to its peer. */
void leat_select_received(leat_core *core, leat_receiver *receiver, uint32_t index);
void leat_select_release(leat_core *core, leat_effect *effect);

/* ---- dispatch.c ---- */
void leat_dispatch_match(leat_core *core);
/* The peer is freed. */
void leat_dispatch_forget(leat_peer *peer);
/* Let the one in line go on, as far as there is room or somebody waits; true if something went in.
 */
bool leat_dispatch_serve_sender(leat_core *core, leat_post *post);

/* ---- receiver.c ---- */
void leat_receiver_credit(leat_core *core, leat_peer *peer, const leat_credit *credit);
void leat_receiver_free(leat_core *core, leat_receiver *receiver);
/* The channel is closed and nothing is left in it: told to its receivers when that is on disk. */
void leat_receiver_channel_drained(leat_core *core, const leat_channel *channel);
void leat_receiver_tell_drained(leat_core *core, const leat_channel *channel);
leat_receiver *leat_receiver_of(const leat_peer *peer, const leat_channel *channel);
/* A place for a select among a channel's receivers. */
bool leat_receiver_of_select(leat_core *core,
                             leat_parked *parked,
                             leat_channel *channel,
                             uint16_t index);
/* Is a message there that could be received now? */
bool leat_receiver_has_message(leat_core *core, leat_channel *channel);
/* Does somebody wait for a message of it, other than this select? */
leat_receiver *leat_receiver_wanting(const leat_channel *channel, const leat_parked *except);
/* Hand the item, which is ready and first, to this receiver. */
void leat_receiver_hand(leat_core *core, leat_receiver *receiver, uint32_t index);
/* Hand it the first message of its channel, if it may be handed out now. */
void leat_receiver_hand_first(leat_core *core, leat_receiver *receiver);
/* Hand out what receivers wait for, in all channels; true if something was. */
bool leat_receiver_deliver(leat_core *core);
/* Something has changed for the receivers of a channel: the next match looks at it. Channels in
 * which nothing changes cost nothing. */
void leat_receiver_stir(leat_core *core, const leat_channel *channel);
/* More can be sent to this peer: what has waited for it is looked at by the next match. */
void leat_receiver_relieve(leat_core *core, leat_peer *peer);
/* The receiver is being freed. */
void leat_receiver_unwait(leat_receiver *receiver);
void leat_receiver_message_taken(leat_core *core, leat_peer *peer, const leat_item *item);
/* Everything that a client has received and not acknowledged goes back. */
void leat_receiver_return_messages(leat_core *core, leat_peer *peer);
/* Messages of a grant do not leave, all of them or those that have stayed: they are not among those
 * that were served. */
void leat_receiver_unserve(leat_core *core, const leat_effect *effect, bool all);

/* ---- recall.c ---- */
/* What is with workers and has not started is not wanted there any more: all of it is asked back,
 * and what still is goes out again. */
void leat_recall_all(leat_core *core);
/* … of one. */
void leat_recall_from(leat_core *core, leat_peer *peer);
/* Workers with nothing to do: others give back what they have not started. */
void leat_recall_longest(leat_core *core);

/* ---- grant.c ---- */
/* Payload bytes after which a grant is closed: there is room for the runs' heads behind them. */
#define LEAT_GRANT_BYTES_MAX (LEAT_FRAME_BYTES_CLOSE - 8192U)

/* A grant that is being collected for one peer. */
typedef struct leat_filling {
    leat_peer *peer;
    leat_durability durability;
    leat_effect effect; /* its grants are owned */
    uint32_t capacity;
    size_t bytes;
    uint32_t class; /* of the last item: another one begins a run */
    uint32_t batch;
    uint64_t limit;
    bool mixed; /* messages of any channels without capacity */
} leat_filling;

/* What this peer is given in several visits of one match leaves together. NULL: there is no memory.
 */
leat_filling *leat_grant_of(leat_core *core, leat_peer *peer);
bool leat_grant_is_full(const leat_filling *f);
/* Make room for one more item; false: there is no memory. */
bool leat_grant_room(leat_filling *f);
/* Lease the item to the peer: it leaves with this grant, in which there is room. */
void leat_grant_add(leat_core *core, leat_filling *f, uint32_t index);
/* Make what was collected, if anything was, part of the turn; f begins anew. */
void leat_grant_close(leat_core *core, leat_filling *f);
/* The grant is durable: write it for its peer. */
void leat_grant_write(leat_core *core, const leat_book *book, leat_effect *effect);
/* Is the item still in this peer's hands by this grant? */
bool leat_grant_is_current(leat_core *core, const leat_peer *peer, const leat_grant *granted);
/* A record that cannot be read any more: the item ends here, in the open. */
void leat_grant_end_unreadable(leat_core *core, uint32_t index);

/* The payload of a job in the pack that was fetched, borrowed. */
bool leat_pack_find(const leat_fetched *fetched, uint64_t id, leat_bytes *payload);

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
void leat_control_drop_replies(leat_core *core, leat_peer *peer);
/* Queries that waited, for the disk or for news, are asked again. */
void leat_control_ask_again(leat_core *core, leat_list *questions);
void leat_control_drop_questions(leat_core *core);
void leat_control_on_query(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
void leat_control_on_command(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);

/* ---- query.c ---- */
cJSON *leat_query_ping(leat_core *core);
cJSON *leat_query_status(leat_core *core);
cJSON *leat_query_batch(leat_core *core, const leat_batch *batch);
cJSON *leat_query_workers(leat_core *core, uint32_t offset);
/* Sessions of the worker that is named in arguments. */
LEAT_NODISCARD leat_err leat_query_worker(leat_core *core,
                                          const cJSON *arguments,
                                          cJSON **result,
                                          char message[256]);
/* The newest of those that are in memory or have finished last. */
cJSON *leat_query_batches(const leat_core *core);

/* How a batch in memory stands; borrowed from it. */
leat_batch_record leat_query_record(const leat_core *core, const leat_batch *batch);
/* What is shown of a batch wherever it is shown. */
void leat_query_add_batch(cJSON *row, const leat_batch_record *record);

/* ---- news.c ---- */
LEAT_NODISCARD leat_err leat_news_init(leat_news *news);
void leat_news_fini(leat_news *news);
/* Each of these has just happened. */
void leat_news_started(leat_core *core);
void leat_news_batch(leat_core *core, leat_news_kind kind, const leat_batch *batch);
/* The same of a job that is a batch of its own without an object. */
void leat_news_alone(leat_core *core,
                     leat_news_kind kind,
                     const leat_item *job,
                     const leat_counters *counters);
void leat_news_dead(leat_core *core, const leat_corpse *corpse, leat_bytes error);
void leat_news_worker(leat_core *core, leat_news_kind kind, const leat_peer *peer);
void leat_news_channel(leat_core *core, leat_news_kind kind, const leat_channel *channel);
void leat_news_schedule(leat_core *core, const char *name, uint64_t batch);
/* The query events. OK without a result: the question waits. */
LEAT_NODISCARD leat_err leat_news_query(leat_core *core,
                                        const cJSON *arguments,
                                        cJSON **result,
                                        char message[256]);
/* Answer who waits, if there is something to tell. */
void leat_news_release(leat_core *core);

/* ---- listing.c ---- */
/* The queries batch.list and job.list. */
LEAT_NODISCARD leat_err leat_listing_batches(leat_core *core,
                                             const leat_peer *peer,
                                             const cJSON *arguments,
                                             cJSON **result,
                                             char message[256]);
LEAT_NODISCARD leat_err leat_listing_jobs(leat_core *core,
                                          const cJSON *arguments,
                                          cJSON **result,
                                          char message[256]);

/* ---- explain.c ---- */
/* The channel that `channel` of a query names. */
LEAT_NODISCARD leat_err leat_explain_named(leat_core *core,
                                           const cJSON *arguments,
                                           leat_channel **channel,
                                           char message[256]);
/* The queries channel, explain, dead, dead.show and schedules. False: name is none of them. */
bool leat_explain_query(leat_core *core,
                        const cJSON *arguments,
                        const char *name,
                        cJSON **result,
                        char message[256],
                        leat_err *err);
/* Why nothing of this class runs, or "". */
void leat_explain_class(const leat_core *core, const leat_class *class, char *out, size_t size);

/* ---- object.c ---- */
void leat_object_put_meta(leat_core *core, leat_buf *buf);
void leat_object_put_channel(const leat_channel *channel, leat_buf *buf);
void leat_object_put_batch(const leat_core *core, const leat_batch *batch, leat_buf *buf);
void leat_object_put_session(const leat_peer *peer, leat_buf *buf);
/* The record of a batch, changing nothing. LEAT_ERR_CORRUPT. */
LEAT_NODISCARD leat_err leat_object_read_batch(
    const leat_core *core, uint64_t id, const uint8_t *data, size_t size, leat_batch_record *out);
/* Make or change the object that a record describes. LEAT_ERR_CORRUPT, LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err leat_object_apply(
    leat_core *core, leat_object_kind kind, uint64_t id, const uint8_t *data, size_t size);
typedef struct leat_pack_head {
    uint64_t batch; /* id; 0: alone */
    uint32_t place; /* of the job with offset 0 */
    bool message;
    leat_owner owner;
    uint64_t recovers;    /* job, 0: none */
    uint64_t due_wall_ms; /* 0: ready */
    uint64_t expires_wall_ms;
    uint64_t born_wall_ms;
    leat_text channel;
    leat_text handler;
    leat_text flow;      /* empty: the batch */
    leat_bytes settings; /* of the terms */
} leat_pack_head;
void leat_object_put_pack_head(const leat_pack_head *head, leat_buf *buf);
LEAT_NODISCARD leat_err leat_object_read_pack_head(const uint8_t *data,
                                                   size_t size,
                                                   leat_pack_head *head);

/* ---- hand.c ---- */
/* A step of the round, with this turn. */
void leat_hand_step(leat_core *core);
void leat_hand_write_meta(leat_core *core);
/* Nobody lives in this chunk any more: its records leave the store, with this turn or, on a full
 * disk, some of the next ones. */
void leat_hand_clear(leat_core *core, leat_durability durability, uint64_t chunk);
/* On a full disk it does not wait for the next tick. */
bool leat_hand_is_urgent(const leat_core *core);

/* ---- room.c ---- */
/* What the end of a job with these settings needs, but for its payload. */
uint64_t leat_room_end_of(const leat_settings *settings, bool message);
/* The item is alive from now on, or no longer: its end has its room. */
void leat_room_promise(leat_core *core, const leat_item *item);
void leat_room_keep_promise(leat_core *core, const leat_item *item);
uint64_t leat_room_promised_to(const leat_core *core, const leat_item *item);
/* So many more batches get the completion of an item on disk, or fewer. */
void leat_room_join(leat_core *core, uint32_t count);
void leat_room_leave(leat_core *core, uint32_t count);
/* Take room for so many bytes now and for ends that will be promised, and leave a spare of so many
 * turns. LEAT_ERR_NO_SPACE: it is not there. */
LEAT_NODISCARD leat_err leat_room_ask(leat_core *core,
                                      unsigned spare_turns,
                                      uint64_t bytes,
                                      uint64_t ends);
/* … for items that come in. */
struct leat_sending {
    leat_durability durability;
    const leat_settings *settings;
    uint64_t payload_bytes; /* of all, with their lengths */
    uint32_t count;
    bool messages;
};
LEAT_NODISCARD leat_err leat_room_ask_for(leat_core *core, const struct leat_sending *sending);
LEAT_NODISCARD leat_err leat_room_ask_join(leat_core *core);
/* … for the result of an attempt. */
LEAT_NODISCARD leat_err leat_room_ask_result(leat_core *core,
                                             const leat_item *item,
                                             bool fails,
                                             uint32_t size);
/* May so much be written that can be done without? It is taken then. */
bool leat_room_has_spare(leat_core *core, uint64_t bytes);
/* … for a checkpoint. */
LEAT_NODISCARD leat_err leat_room_ask_checkpoint(leat_core *core,
                                                 const leat_item *item,
                                                 uint32_t size);
/* After loading, before anything is written. */
/* The disk is full, and there is less than sends would leave free: what is only kept gives way. */
bool leat_room_is_short(const leat_core *core);
void leat_room_begin(leat_core *core);
void leat_room_end_turn(leat_core *core);

/* ---- load.c ---- */
LEAT_NODISCARD leat_err leat_load_all(leat_core *core, char why[256]);
/* Attempts are given out under this epoch from now on: the last of core->epochs. */
LEAT_NODISCARD leat_err leat_load_epoch(leat_core *core, uint64_t epoch);

/* ---- core.c ---- */
/* For heaps of items: the item keeps its place in `next`. */
void leat_core_item_moved(void *owner, uint32_t handle, uint32_t position);
uint64_t leat_core_next_ids(leat_core *core, leat_durability durability, uint32_t count);
/* Answer a frame whose body could not be opened: err is what open() said. */
void leat_core_refuse_body(leat_core *core, leat_peer *peer, const leat_frame *frame, leat_err err);

#endif
