/* leat_core: the broker as a deterministic machine.
 *
 *     frames, time ──► core ──► changes ──► stores
 *                        │                    │ durable_upto
 *                        └── outbox ◄─────────┘ ──► frames
 *
 * It never reads a clock, a socket, a file or a random source, and starts no thread: time and bytes
 * come in as arguments, effects go out through the stores and leat_core_out. The same calls in the
 * same order give the same bytes out. It is linked without ZeroMQ and LMDB.
 *
 * A turn is: leat_core_on_frame for what has come, leat_core_tick, leat_core_commit,
 * leat_core_release. Between commit and release nothing may be lost; between turns everything may.
 */
#ifndef LEAT_CORE_H
#define LEAT_CORE_H

#include "broker/core/cron.h"
#include "broker/core/principal.h"
#include "broker/store/store.h"
#include "proto/base/bytes.h"
#include "proto/control.h"
#include "proto/settings.h"

typedef struct leat_core leat_core;

/* Both clocks, read once a turn. */
typedef struct leat_now {
    int64_t mono_ms;
    int64_t wall_ms;
} leat_now;

/* A connection, as the gate numbers it; never used twice in a process. 0: none. */
typedef uint64_t leat_route;

typedef enum leat_delivery {
    LEAT_DELIVERY_OK,
    LEAT_DELIVERY_GONE, /* nobody is there any more */
    LEAT_DELIVERY_FULL, /* the peer does not read and its pipe is full */
} leat_delivery;

typedef struct leat_core_out {
    void *context;
    /* Send a frame to a route. frame_p is taken. Must not call the core. */
    leat_delivery (*frame)(void *context, leat_route route, leat_buf *frame_p);
} leat_core_out;

/* What is kept of what has ended, beside the history of the stores; zeros stand for the limits of
 * proto/limits.h. */
typedef struct leat_keep {
    uint32_t batches_max; /* records of finished batches … */
    int64_t batch_ms_max; /* … and how long */
    uint32_t dead_max;    /* dead jobs … */
    int64_t dead_ms_max;  /* … and how long */
} leat_keep;

#define LEAT_UNLIMITED UINT64_MAX

/* What is kept of jobs that have ended; the numbers are stored. */
typedef enum leat_keeping {
    LEAT_KEEP_ALL,
    LEAT_KEEP_FAILED, /* of those that are done the counters only */
    LEAT_KEEP_NONE,
} leat_keeping;

/* How a channel treats its items; what `channel.set` changes. */
typedef struct leat_channel_rules {
    uint64_t capacity; /* ready items; LEAT_UNLIMITED */
    uint64_t running_max;
    uint64_t key_max;     /* running jobs of one key */
    uint32_t weight;      /* among the channels of one worker */
    uint32_t rate_per_ks; /* items in 1 000 s; 0: no rate */
    uint32_t burst;
    leat_keeping keep;
} leat_channel_rules;

typedef struct leat_core_options {
    leat_store *disk;   /* borrowed; sessions, and channels with durability disk */
    leat_store *memory; /* borrowed; channels with durability memory */
    leat_core_out out;
    uint64_t seed;          /* of jitter */
    uint8_t broker_id[16];  /* of a new store; an old one has its own */
    const char *software;   /* "leat 0.1.0"; borrowed */
    const char *store_name; /* "lmdb, synced", for people; borrowed */
    int64_t pid;            /* of the process, for people */
    bool default_memory;    /* channels that are not declared have durability memory */
    /* What else holds for channels that are not declared, when they are made: rules (NULL: none),
     * and settings of their jobs as bytes. Borrowed for the core's life. */
    const leat_channel_rules *channel_rules;
    leat_bytes channel_settings; /* as leat_settings_put writes them */
    leat_keep keep;
    /* The offsets of a time zone between two times; why gets a sentence. NULL: only UTC is known.
     */
    leat_err (*zone)(void *context,
                     const char *name,
                     int64_t from_s,
                     int64_t upto_s,
                     leat_zone_change *out,
                     uint32_t max,
                     uint32_t *count,
                     char why[LEAT_CRON_WHY_BYTES]);
    void *zone_context;
} leat_core_options;

LEAT_NODISCARD leat_err leat_core_new(const leat_core_options *options,
                                      leat_now now,
                                      leat_core **out);
void leat_core_destroy(leat_core **core_p);

/* Find everything again: load the disk store, take a new epoch, and commit both. Once, before
 * anything else. why gets a sentence on failure. */
LEAT_NODISCARD leat_err leat_core_load(leat_core *core, leat_now now, char why[256]);

/* One message from a route: any bytes. What is wrong with it is answered to the route. data is
 * borrowed for the call. principal: who speaks there, borrowed; NULL: nobody who is allowed (any
 * more). more: the message had further parts, which no frame of ours has. */
void leat_core_on_frame(leat_core *core,
                        leat_now now,
                        leat_route route,
                        const leat_principal *principal,
                        const uint8_t *data,
                        size_t size,
                        bool more);

/* The allowed keys have changed: end the sessions of every principal of which `is_allowed` says no.
 * Their leases return uncounted, and they are told. */
void leat_core_check_principals(leat_core *core,
                                leat_now now,
                                bool (*is_allowed)(const void *context, uint64_t principal),
                                const void *context);

/* The gate has seen that nobody is at this route any more. */
void leat_core_on_gone(leat_core *core, leat_now now, leat_route route);

/* Who is at this route: decides whose frames are read first in a turn. */
bool leat_core_is_worker(const leat_core *core, leat_route route);

/* Whether a session speaks over this route: if not, the gate may forget it when it is silent. */
bool leat_core_has_session(const leat_core *core, leat_route route);

/* Everything that is due: delayed jobs, silent peers, heartbeats, a step of the hand. */
void leat_core_tick(leat_core *core, leat_now now);

/* When the next tick has work, monotonic ms. */
int64_t leat_core_next_due_ms(const leat_core *core);

/* Match ready items with credit, then hand the turn's changes to the stores.
 * LEAT_ERR_IO: the disk store has stopped. LEAT_ERR_NOMEM: memory ran out in a place where nothing
 * can be refused. Either way nothing of this turn may leave; the process ends and comes back from
 * disk. */
LEAT_NODISCARD leat_err leat_core_commit(leat_core *core, leat_now now);

/* Let out what has become durable. */
void leat_core_release(leat_core *core, leat_now now);

/* True when the next turn should not wait: something is ready to be done at once. */
bool leat_core_is_busy(const leat_core *core);

/* The end, in order, between turns: tell every peer that the broker stops (BYE), and give back the
 * ids that were reserved and not used, so that people see small numbers after a restart. */
void leat_core_goodbye(leat_core *core, leat_now now);

/* Figures for logs and tests. */
typedef struct leat_core_facts {
    uint64_t epoch;
    uint32_t items;
    uint32_t batches;
    uint32_t peers;
    uint64_t turns;
    uint64_t refused_frames;
} leat_core_facts;
leat_core_facts leat_core_get_facts(const leat_core *core);

#endif
