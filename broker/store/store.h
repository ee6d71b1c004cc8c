/* leat_store: what is on disk, behind one interface.
 *
 *     core: a turn's changes (an op list) ──commit──► store ──► durable_upto
 *     core: fetch (keys)                  ──────────► store ──► fetched (bytes)
 *
 * The core fills a leat_changes during a turn and gives it away; the store applies lists in order,
 * each wholly or not at all, several together if they wait. Nothing that depends on a list may
 * leave the broker before durable_upto has reached its number. The store never looks into a job
 * record or an object; it understands turn records (turn.h) only as far as to move their ended jobs
 * into history.
 *
 * Two makers: leat_store_lmdb_open (a file, synced, one commit thread) and leat_store_memory_new
 * (everything durable at once; for channels declared memory, tests and the simulator).
 *
 * What is kept, by table:
 *   jobs     packs of job records; key = id of the first. A pack never crosses a chunk of
 *            LEAT_CHUNK_IDS ids (id / 32 is the same for all of it).
 *   turns    one packed record a turn: attempts, ends, changed fields (turn.h)
 *   objects  channels, batches, sessions, meta: whole records, key = (kind, id)
 *   history  ended jobs, packed by chunk of ids; moved here from turn records by trim
 *   logs     (batch, position) -> ids: a batch's order of completions, for batches of several jobs
 * Every value is followed by a CRC-32C that covers its key. */
#ifndef LEAT_STORE_H
#define LEAT_STORE_H

#include <stdbool.h>
#include <string.h>

#include "proto/base/bytes.h"
#include "proto/base/err.h"

typedef struct leat_store leat_store;

/* ------------------------------------------------------------------------------- changes */

typedef enum leat_object_kind {
    LEAT_OBJECT_META = 1, /* id 0 */
    LEAT_OBJECT_CHANNEL = 2,
    LEAT_OBJECT_BATCH = 3,
    LEAT_OBJECT_SESSION = 4,
    LEAT_OBJECT_DEAD = 5,       /* id: the job */
    LEAT_OBJECT_UNIQUE = 6,     /* id: the job that had the key */
    LEAT_OBJECT_SCHEDULE = 7,   /* id: its own */
    LEAT_OBJECT_CHECKPOINT = 8, /* id: the job */
    LEAT_OBJECT_FAILURE = 9,    /* id: the job */
    LEAT_OBJECT_LAST = LEAT_OBJECT_FAILURE,
} leat_object_kind;

/* An op list: bytes, built by the functions below, in the order in which it is applied.
 *
 *   1 PACK    u64 first_id · u32 size · record
 *             put a pack of jobs; replaces one of the same id
 *   2 KEEP    u64 chunk · u32 mask
 *             of the ids chunk*32 + i keep those with bit i; the others have ended.
 *             mask 0: delete all packs of the chunk
 *   3 TURN    u64 number · u32 size · record
 *             numbers rise, from 1
 *   4 TRIM    u64 number
 *             turns below it are no longer needed to rebuild the live state: move their ends into
 *             history, delete them. It is done in steps; facts.trimmed tells how far it has come
 *   5 PUT     u8 kind · u64 id · u32 size · record
 *             put an object
 *   6 DROP    u8 kind · u64 id
 *             delete an object, if it is there
 *
 * KEEP cuts single jobs out of packs; how a pack is built is below (leat_pack). */
typedef struct leat_changes {
    leat_buf ops;
    uint32_t count;
} leat_changes;

void leat_changes_fini(leat_changes *changes);
void leat_changes_pack(leat_changes *changes, uint64_t first_id, const void *data, size_t size);
void leat_changes_keep(leat_changes *changes, uint64_t chunk, uint32_t mask);
void leat_changes_turn(leat_changes *changes, uint64_t number, const void *data, size_t size);
void leat_changes_trim(leat_changes *changes, uint64_t number);
void leat_changes_put(
    leat_changes *changes, leat_object_kind kind, uint64_t id, const void *data, size_t size);
void leat_changes_drop(leat_changes *changes, leat_object_kind kind, uint64_t id);

/* One op read back; used by the stores. false at the end. The list was built by the functions
 * above, so a malformed one asserts. */
typedef struct leat_change {
    uint64_t id; /* first_id, chunk, number or object id */
    const uint8_t *data;
    uint32_t size;
    uint32_t mask;
    uint8_t op;
    uint8_t kind;
} leat_change;
bool leat_changes_next(leat_reader *ops, leat_change *change);

/* ------------------------------------------------------------------------------- packs */

/* A pack: jobs of one SEND, with ids in one chunk.
 *   u32 head_size · head (the core's: channel, handler, batch …; opaque here)
 *   u8 count · count × { u8 offset (id - first_id) · u32 payload_bytes · payload }
 * first_id is the pack's key also after jobs were cut out, so an offset need not start at 0. */
typedef struct leat_pack {
    const uint8_t *head;
    uint32_t head_size;
    uint8_t count;
    leat_reader jobs;
} leat_pack;

typedef struct leat_pack_job {
    uint8_t offset;
    const uint8_t *payload;
    uint32_t payload_bytes;
} leat_pack_job;

void leat_pack_put_head(leat_buf *buf, const void *head, size_t size, uint8_t count);
void leat_pack_put_job(leat_buf *buf, uint8_t offset, const void *payload, uint32_t size);
/* LEAT_ERR_CORRUPT: the bytes are no pack. Checks all lengths; next cannot fail after that. */
LEAT_NODISCARD leat_err leat_pack_open(const uint8_t *data, size_t size, leat_pack *pack);
void leat_pack_next(leat_pack *pack, leat_pack_job *job);

/* ------------------------------------------------------------------------------- fetching */

typedef enum leat_fetch_kind {
    LEAT_FETCH_JOB = 1,    /* the pack that holds job `id` */
    LEAT_FETCH_OBJECT = 2, /* an object: object_kind, id */
    LEAT_FETCH_LOG = 3,    /* completions of batch `id` from `position` on, at least one and about
                              max_bytes of them, without a hole. turn != 0: they are in that turn
                              record, or in history if it has been trimmed; 0: in history, or
                              in a turn that load has not handed out any more */
    LEAT_FETCH_ENDED = 4,  /* the completion of job `id`; turn as for LOG */
    LEAT_FETCH_ALONE = 5,  /* ends of jobs that were batches of their own, without their results;
                              about max_bytes of them. turn != 0: in that turn record, but for the
                              first `position`; 0: in history, those of the chunk of `id` and of the
                              ones below it, the highest chunk first, as many as one look takes */
} leat_fetch_kind;

typedef struct leat_fetch {
    leat_fetch_kind kind;
    leat_object_kind object_kind;
    uint64_t id;
    uint64_t position;  /* LOG, ALONE */
    uint64_t turn;      /* LOG, ENDED, ALONE */
    uint32_t max_bytes; /* LOG, ALONE */
    uint64_t cookie;    /* handed back */
} leat_fetch;

typedef struct leat_fetched {
    leat_fetch fetch;
    leat_err err;        /* OK, NOT_FOUND, CORRUPT, IO */
    const uint8_t *data; /* valid during the call only
                            JOB: the pack (its key in pack_id) · OBJECT: the record
                            LOG: a log as in records.h (workers, n, completions), the first of
                                 which has `position`; ENDED: a log with one completion; ALONE: a
                                 log, perhaps an empty one */
    size_t size;
    uint64_t pack_id;  /* JOB */
    uint64_t position; /* LOG: of the first completion; above fetch.position when older ones are
                          out of retention. ALONE: where to go on, the next position or id; 0: there
                          is nothing more */
    uint64_t batch;    /* ENDED: the batch that the job belongs to */
} leat_fetched;

typedef void leat_fetched_fn(void *context, const leat_fetched *fetched);

/* ------------------------------------------------------------------------------- loading */

/* What load tells beside the records. */
typedef struct leat_loaded {
    bool is_copy; /* the store was restored from a backup and nobody has started from it yet: ids
                     may have been given out that it does not know */
    char damage[192]; /* LEAT_ERR_CORRUPT: words that name table and key, or "" */
} leat_loaded;

/* What load hands out, in this order: all objects, all packs by rising id, all turns by rising
 * number. Bytes are valid during the call. A callback that returns an error ends the load with it;
 * a damaged record, or one that is missing, ends it with LEAT_ERR_CORRUPT. */
typedef struct leat_load {
    void *context;
    leat_err (*object)(
        void *context, leat_object_kind kind, uint64_t id, const uint8_t *data, size_t size);
    leat_err (*pack)(void *context, uint64_t first_id, const uint8_t *data, size_t size);
    leat_err (*turn)(void *context, uint64_t number, const uint8_t *data, size_t size);
    leat_loaded *loaded; /* NULL: nobody wants to know */
} leat_load;

/* ------------------------------------------------------------------------------- chores */

/* Something long that a store does beside its work, one at a time. */
typedef enum leat_chore_kind {
    LEAT_CHORE_NONE = 0,
    LEAT_CHORE_BACKUP = 1, /* a copy of the store as it is now, into a folder that is made */
    LEAT_CHORE_CHECK = 2,  /* everything that is damaged is named; nothing is changed */
} leat_chore_kind;

#define LEAT_CHORE_FOUND_MAX 32U

/* Of the last one that was started. */
typedef struct leat_chore {
    leat_chore_kind kind;
    bool running;
    leat_err err;       /* OK, or why there is no backup, no end of the check */
    char sentence[512]; /* err != OK: the reason, whole */
    uint64_t bytes;     /* BACKUP: copied so far */
    uint64_t pages;     /* CHECK: looked at */
    uint64_t rows;
    uint32_t format; /* of the store; 0: it could not be read */
    uint64_t findings;
    uint64_t rows_damaged;                 /* of them: a row's checksum, in a tree that is sound */
    char found[LEAT_CHORE_FOUND_MAX][256]; /* the first of them; rows behind the others */
} leat_chore;

/* ------------------------------------------------------------------------------- the store */

typedef struct leat_store_facts {
    uint64_t file_bytes;      /* 0 for memory */
    uint64_t used_bytes;      /* pages in use */
    uint64_t history_jobs;    /* ended jobs that can be read */
    uint64_t history_dropped; /* that went out of retention since the store was made */
    uint64_t trimmed;         /* turns below it are in history; fetch LOG/ENDED with turn 0 then */
    uint64_t commits;
    uint64_t room_bytes; /* free in the file, and taken ahead from the disk */
    bool full;           /* the disk gives no more */
} leat_store_facts;

/* Space for what is still to come. What was committed and is not applied yet is taken off. */
typedef struct leat_store_room {
    uint64_t bytes; /* that can be written; UINT64_MAX: no end is known */
    bool full;      /* the disk gives no more: this is all until something leaves */
} leat_store_room;

/* The makers fill this table; users call the functions under it. */
typedef struct leat_store_ops {
    leat_err (*commit)(leat_store *store, leat_changes *changes, uint64_t number);
    uint64_t (*durable_upto)(leat_store *store);
    leat_err (*fetch)(leat_store *store,
                      const leat_fetch *fetches,
                      size_t count,
                      leat_fetched_fn *call,
                      void *context);
    leat_err (*load)(leat_store *store, const leat_load *load);
    void (*facts)(leat_store *store, leat_store_facts *facts);
    void (*room)(leat_store *store, uint64_t wanted, bool wait, leat_store_room *room);
    leat_err (*start_chore)(leat_store *store,
                            leat_chore_kind kind,
                            const char *target,
                            char why[512]); /* NULL: it has none */
    void (*chore)(leat_store *store, leat_chore *chore);
    void (*destroy)(leat_store **store_p);
} leat_store_ops;

struct leat_store {
    const leat_store_ops *ops;
};

/* Give a turn's changes to the store; *changes is taken and empty afterwards. number rises by one
 * with each call. Returns before anything is on disk; blocks while too much waits for it (lmdb.c).
 * LEAT_ERR_IO: an earlier commit has failed; nothing may be acknowledged any more and the process
 * must end (leat_store_sentence says why). */
static inline leat_err
leat_store_commit(leat_store *store, leat_changes *changes, uint64_t number)
{
    return store->ops->commit(store, changes, number);
}

/* The highest number that is on disk with everything before it. Any thread. */
static inline uint64_t
leat_store_durable_upto(leat_store *store)
{
    return store->ops->durable_upto(store);
}

/* Read. call is made once for each fetch, in order or not, during this call (LMDB, memory) or from
 * a later one (other stores). Only what is durable is found: the core asks for nothing younger. JOB
 * fetches that come in rising order of ids are cheapest. */
static inline leat_err
leat_store_fetch(leat_store *store,
                 const leat_fetch *fetches,
                 size_t count,
                 leat_fetched_fn *call,
                 void *context)
{
    return store->ops->fetch(store, fetches, count, call, context);
}

static inline leat_err
leat_store_load(leat_store *store, const leat_load *load)
{
    return store->ops->load(store, load);
}

static inline void
leat_store_get_facts(leat_store *store, leat_store_facts *facts)
{
    store->ops->facts(store, facts);
}

/* How much room there is, when there should be `wanted` bytes. With as much or more it returns at
 * once, and sees to it in the background that it stays so; with less it waits (if it may) for what
 * can be had now (some pages of zeros, a commit on its way), so that less is the truth, and not
 * haste. What takes room is what is accepted on top; what was promised it goes on taking, see
 * core/room.c. */
static inline void
leat_store_get_room(leat_store *store, uint64_t wanted, bool wait, leat_store_room *room)
{
    store->ops->room(store, wanted, wait, room);
}

/* Begin a chore; target: BACKUP's folder, an absolute path. LEAT_ERR_BAD_STATE: another one runs.
 * LEAT_ERR_UNSUPPORTED: this store has none. why gets the sentence of any failure. */
static inline leat_err
leat_store_start_chore(leat_store *store, leat_chore_kind kind, const char *target, char why[512])
{
    static const char sentence[] = "this store lies in memory only";
    if (store->ops->start_chore != NULL)
        return store->ops->start_chore(store, kind, target, why);
    memcpy(why, sentence, sizeof sentence);
    return LEAT_ERR_UNSUPPORTED;
}

/* How the last chore stands; kind NONE: there was none. */
static inline void
leat_store_get_chore(leat_store *store, leat_chore *chore)
{
    *chore = (leat_chore){0};
    if (store->ops->chore != NULL)
        store->ops->chore(store, chore);
}

static inline void
leat_store_destroy(leat_store **store_p)
{
    if (*store_p != NULL)
        (*store_p)->ops->destroy(store_p);
}

/* Retention of history: the oldest goes first, by id, in whole chunks and small steps. 0 stands for
 * the default. What is exact is the order, not the moment: a chunk with a young end in it keeps
 * older ends with higher ids from leaving by age (not by count or bytes). */
typedef struct leat_retention {
    uint64_t jobs_max;   /* default 1 000 000 */
    uint64_t bytes_max;  /* of results; default 1 GiB */
    uint64_t age_ms_max; /* default 24 h; counted from ended_ms against the newest end seen */
} leat_retention;
#define LEAT_RETENTION_DEFAULT \
    ((leat_retention){.jobs_max = 1000000, .bytes_max = 1ULL << 30, .age_ms_max = 86400000})

#endif
