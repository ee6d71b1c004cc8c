/* What the stores share: five tables of rows behind a tiny key-value interface, and everything that
 * is done with them. Internal to broker/store.
 *
 *     memory, lmdb ──► apply · trim · load · fetch ──► leat_kv ──► memory, lmdb
 *
 * A store brings rows by key and decides when a change counts (a transaction); what the rows mean
 * is here and the same for all of them.
 *
 *   table    key (high, low)              row
 *   JOBS     0, id of the pack's first    a pack (store.h)
 *   TURNS    0, number                    a turn record (turn.h)
 *   OBJECTS  kind, id                     the core's record; kind 0 is the store's own (below), and
 *                                         LEAT_PARTS_KIND are parts of long rows (lmdb_kv.h)
 *   HISTORY  0, an id of the chunk        ended jobs of that chunk:
 *                                         u16 n · n × (u64 batch · u64 position) · log of n
 *   LOGS     batch, first position        u64 highest id · u16 n · n × u64 id
 *
 * A chunk (id / LEAT_CHUNK_IDS) has one HISTORY row, or several when results are large: a row above
 * HISTORY_MERGE_BYTES is not written again for the sake of one more job. Batches of one job that
 * have the job's id have no LOGS row.
 *
 * The store's own row: u32 format · u64 target · u64 trimmed · u64 jobs · u64 bytes · u64 dropped ·
 * u64 newest_ms · u8 flags (1: a copy that nobody has started from) · 5 × u64 rows of each table,
 * the own row not counted · u64 number of LMDB's transaction. Format 1 ended with newest_ms; in
 * format 2 only turns were put in parts, and dead jobs did not say how their attempts ended. It is
 * written with each commit: a tree that is damaged can lose rows without an error, and the totals
 * tell; a flipped bit can make LMDB take the state before the last commit, and the number tells.
 *
 * When a row's layout changes: raise LEAT_STORE_FORMAT, say in copy.c how an old row becomes a new
 * one, and keep a store of the old format in tests/data/stores. */
#ifndef LEAT_STORE_TABLES_H
#define LEAT_STORE_TABLES_H

#include "broker/store/store.h"
#include "broker/store/turn.h"

/* The ops of leat_changes. */
typedef enum leat_op {
    LEAT_OP_PACK = 1,
    LEAT_OP_KEEP = 2,
    LEAT_OP_TURN = 3,
    LEAT_OP_TRIM = 4,
    LEAT_OP_PUT = 5,
    LEAT_OP_DROP = 6,
} leat_op;

typedef enum leat_table {
    LEAT_TABLE_JOBS,
    LEAT_TABLE_TURNS,
    LEAT_TABLE_OBJECTS,
    LEAT_TABLE_HISTORY,
    LEAT_TABLE_LOGS,
    LEAT_TABLES, /* how many */
} leat_table;

#define LEAT_PARTS_KIND 256U

/* "jobs", …; static storage. */
const char *leat_table_name(leat_table table);

typedef struct leat_key {
    uint64_t high; /* 0 where the table's key is one number */
    uint64_t low;
} leat_key;

static inline int
leat_key_compare(leat_key a, leat_key b)
{
    if (a.high != b.high)
        return a.high < b.high ? -1 : 1;
    return a.low == b.low ? 0 : a.low < b.low ? -1 : 1;
}

typedef struct leat_row {
    leat_key key;
    const uint8_t *data; /* borrowed until the next put or del on this kv */
    size_t size;
} leat_row;

#define LEAT_STORE_FORMAT 3U

/* Rows in order of their keys.
 *
 * at_or_after, at_or_before   the nearest row. LEAT_ERR_NOT_FOUND: there is none. LEAT_ERR_CORRUPT:
 *                             there is one, but it is damaged; row->key is set, data is not.
 * put                         adds or replaces. data may not be borrowed from this kv.
 * del                         deletes all rows from … upto, both included, looking at none. */
typedef struct leat_kv leat_kv;
typedef struct leat_kv_ops {
    leat_err (*at_or_after)(leat_kv *kv, leat_table table, leat_key key, leat_row *row);
    leat_err (*at_or_before)(leat_kv *kv, leat_table table, leat_key key, leat_row *row);
    leat_err (*put)(leat_kv *kv, leat_table table, leat_key key, const void *data, size_t size);
    leat_err (*del)(leat_kv *kv, leat_table table, leat_key from, leat_key upto);
    uint64_t (*count)(leat_kv *kv, leat_table table);
    uint64_t (*txnid)(leat_kv *kv); /* of the transaction that writes; NULL: they have no numbers */
} leat_kv_ops;

struct leat_kv {
    const leat_kv_ops *ops;
};

/* Exactly this row; LEAT_ERR_NOT_FOUND if there is none. */
LEAT_NODISCARD leat_err leat_kv_get(leat_kv *kv, leat_table table, leat_key key, leat_row *row);

/* One line that names table and key of a damaged row. */
void leat_kv_report(leat_table table, leat_key key, const char *what);

/* The store's own row, opened. */
typedef struct leat_totals {
    uint32_t format;
    bool is_copy;
    uint64_t rows[LEAT_TABLES];
    uint64_t txnid; /* of the transaction that has written it; 0: unknown */
} leat_totals;

/* LEAT_ERR_VERSION: written by a newer Leat; format is set. LEAT_ERR_CORRUPT: it is no such row. */
LEAT_NODISCARD leat_err leat_totals_read(const leat_row *row, leat_totals *totals);

/* ------------------------------------------------------------------------------- history */

/* Turns on their way into history: trim.c. Only in memory: after a restart it begins again. */
typedef enum leat_haul_phase {
    LEAT_HAUL_COPY,   /* turns are copied and their ends gathered */
    LEAT_HAUL_CHUNKS, /* written by chunk of ids into HISTORY */
    LEAT_HAUL_LOGS,   /* written by batch and position into LOGS */
    LEAT_HAUL_TURNS,  /* the turns are deleted */
} leat_haul_phase;

typedef struct leat_haul {
    leat_haul_phase phase;
    uint64_t next; /* the first turn that is not in it */
    size_t at;     /* how far the phase has come in its array */
    size_t in_run; /* LOGS: and in that run */

    /* Owned. */
    leat_buf turns;   /* copies of the records */
    leat_buf numbers; /* uint64_t[]: the turns that will be deleted */
    leat_buf ends;    /* struct ended[] */
    leat_buf runs;    /* struct run[] */
    leat_buf order;   /* struct place[] */
    leat_buf spare;   /* for sorting */
    leat_buf workers; /* const uint8_t *[]: names of the log at hand */
} leat_haul;
void leat_haul_fini(leat_haul *haul);

/* What a store knows about its history; one per store, used by the thread that writes. */
typedef struct leat_history {
    leat_retention retention;
    uint64_t target;  /* turns below it may go; set by TRIM */
    uint64_t trimmed; /* turns below it have gone */
    uint64_t jobs;
    uint64_t bytes; /* of results */
    uint64_t dropped;
    uint64_t newest_ms; /* the latest end seen, wall time */
    leat_totals totals; /* as they were read or saved last */
    bool changed;       /* since it was saved */

    size_t step_bytes_max; /* of a step, and of a haul; 0: as usual */
    size_t haul_bytes_max;

    leat_haul haul;
    leat_buf leaving; /* scratch: jobs of the chunk that is dropped */
    leat_buf record;  /* scratch: the row that is built */
} leat_history;

/* retention: zeros stand for the defaults; NULL for all of them. */
void leat_history_init(leat_history *history, const leat_retention *retention);
void leat_history_fini(leat_history *history);

/* Read the store's own row, of this format or an older one. LEAT_ERR_NOT_FOUND: a new store,
 * history is as after init. LEAT_ERR_VERSION: written by a newer Leat. LEAT_ERR_CORRUPT: it is no
 * such row. */
LEAT_NODISCARD leat_err leat_history_read(leat_history *history, leat_kv *kv);

/* Write it with the tables' totals, if anything of it has changed. Last in its transaction. */
LEAT_NODISCARD leat_err leat_history_save(leat_history *history, leat_kv *kv);

/* One bounded step in moving the ends of turns below the target into history, then in dropping what
 * is out of retention. Goes into the same transaction as list_bytes of changes, and is no larger
 * than a few times that, so that history keeps up and no commit takes much longer for it; 0: there
 * is nothing else to do. */
LEAT_NODISCARD leat_err leat_history_step(leat_history *history, leat_kv *kv, size_t list_bytes);

/* Its second half. */
LEAT_NODISCARD leat_err leat_history_retain(leat_history *history, leat_kv *kv);

/* Drop the oldest although it is not out of retention: room is short. Some chunks, more of them
 * together with a large list. */
LEAT_NODISCARD leat_err leat_history_press(leat_history *history, leat_kv *kv, size_t list_bytes);

/* True while another step would find something to do. */
bool leat_history_is_pending(const leat_history *history);

/* A HISTORY row, opened. */
typedef struct leat_history_row {
    uint16_t n;
    const uint8_t *pairs; /* n × (u64 batch · u64 position) */
    leat_items_run run;   /* its names */
    leat_reader log;      /* at the first of n completions */
} leat_history_row;
LEAT_NODISCARD leat_err leat_history_open(const leat_row *row, leat_history_row *out);

/* A LOGS row, opened. */
typedef struct leat_log_row {
    uint64_t batch;
    uint64_t first;
    uint64_t highest_id;
    uint16_t n;
    const uint8_t *ids; /* n × u64 */
} leat_log_row;
LEAT_NODISCARD leat_err leat_log_row_open(const leat_row *row, leat_log_row *out);

static inline leat_key
leat_history_key(uint64_t id)
{
    return (leat_key){.low = id};
}

/* ------------------------------------------------------------------------------- the rest */

/* Apply a turn's op list. TRIM only sets the target. */
LEAT_NODISCARD leat_err leat_tables_apply(leat_history *history,
                                          leat_kv *kv,
                                          const leat_changes *changes);

/* leat_store_load over the tables. */
LEAT_NODISCARD leat_err leat_tables_load(const leat_history *history,
                                         leat_kv *kv,
                                         const leat_load *load);

/* Scratch of fetching; one per store, used by the thread that reads. */
typedef struct leat_fetcher {
    leat_buf names;
    leat_buf completions;
    leat_buf log;
    /* What leat_tables_load has not handed out, and may still lie in turns: whoever loaded cannot
     * name these turns, and asks as if all of it were in history. */
    uint64_t unmoved_end; /* turns below it; 0: nothing is left */
    bool has_unmoved; /* the ranges are made, at the first question that history cannot answer */
    leat_buf unmoved; /* ranges of ids, a turn each */
} leat_fetcher;
void leat_fetcher_fini(leat_fetcher *fetcher);

/* Everything has been loaded, but for the turns below `end`. */
void leat_fetcher_loaded(leat_fetcher *fetcher, uint64_t end);

/* leat_store_fetch over the tables. */
void leat_tables_fetch(leat_fetcher *fetcher,
                       leat_kv *kv,
                       const leat_fetch *fetches,
                       size_t count,
                       leat_fetched_fn *call,
                       void *context);

#endif
