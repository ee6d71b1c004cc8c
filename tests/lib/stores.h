/* Stores for tests: one of each maker behind the same face, builders of what goes in, copies of
 * what comes out. What must succeed asserts, by assert(3), so that programs without Criterion can
 * use it too. */
#ifndef LEAT_TEST_STORES_H
#define LEAT_TEST_STORES_H

#include "broker/store/store.h"
#include "broker/store/turn.h"
#include "tests/lib/tmp.h"

typedef enum leat_test_maker {
    LEAT_TEST_MEMORY,
    LEAT_TEST_LMDB,
} leat_test_maker;

typedef struct leat_test_store {
    leat_test_maker maker;
    leat_store *store;    /* owned */
    leat_changes changes; /* what the next commit gives away */
    uint64_t number;      /* of the last commit */
    leat_retention retention;
    leat_tmp tmp; /* LMDB: the folder is tmp/store */
    char path[PATH_MAX];
} leat_test_store;

/* retention: NULL for the default. */
void
leat_test_store_init(leat_test_store *t, leat_test_maker maker, const leat_retention *retention);
void leat_test_store_fini(leat_test_store *t);

/* Close and open again; with memory, nothing. */
void leat_test_store_reopen(leat_test_store *t);

/* Give t->changes away and wait until they are durable. */
void leat_test_store_commit(leat_test_store *t);

/* Ask for it and commit until it is done. */
void leat_test_store_trim(leat_test_store *t, uint64_t number);

leat_store_facts leat_test_store_facts(leat_test_store *t);

/* A pack of n jobs from first_id on, its payloads payload_bytes long, of bytes that follow from the
 * id. Into t->changes. */
void leat_test_put_pack(leat_test_store *t, uint64_t first_id, unsigned n, uint32_t payload_bytes);
uint8_t leat_test_payload_byte(uint64_t id);

/* An ENDS entry: ids[0 … n - 1] end, worked on by `worker` (NULL: by none), each with a result of
 * result_bytes bytes that follow from its id. Their ended_ms is id + 1 unless ended_ms is given. */
typedef struct leat_test_ends {
    uint64_t batch;
    uint64_t first_position;
    uint8_t flags;
    const char *worker;
    const uint64_t *ids;
    unsigned n;
    uint32_t result_bytes;
    uint64_t ended_ms;
} leat_test_ends;
void leat_test_put_ends(leat_buf *turn, const leat_test_ends *ends);

/* What one fetch gave; data is a copy, released with free. */
typedef struct leat_test_answer {
    leat_fetched fetched;
    uint8_t *data;
} leat_test_answer;
leat_test_answer leat_test_fetch(leat_test_store *t, const leat_fetch *fetch);

/* The log that was fetched, opened. */
leat_items_run leat_test_open_log(const leat_test_answer *answer, leat_reader *completions);

/* Everything that load hands out, as text lines, for comparison: "object KIND ID BYTES",
 * "pack ID COUNT BYTES", "turn NUMBER BYTES". The caller frees it. */
char *leat_test_dump(leat_test_store *t);

#endif
