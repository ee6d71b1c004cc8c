/* What the store costs a job, without the rest of the broker.
 *
 *     bench_store        the file is below $TMPDIR or /tmp
 *
 * Jobs of 100 bytes are put in packs of 16, then end with results of 8 bytes, in the order of their
 * ids or in a random one; each turn of 1 000 is one list. A hand walks behind the turns, as in the
 * core: it keeps what is alive of each chunk, and when it has been everywhere the turns from before
 * its round are trimmed. "synced each": the next list is given when the last one is durable;
 * "as they come": lists wait for the commit thread, which syncs all that wait at once. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "broker/store/lmdb.h"
#include "broker/store/memory.h"
#include "broker/store/turn.h"
#include "proto/base/random.h"
#include "tests/lib/tmp.h"

#define TURN_JOBS     1000U
#define PACK_JOBS     16U
#define PAYLOAD_BYTES 100U
#define RESULT_BYTES  8U
#define HAND_CHUNKS   128U /* a turn */

struct bench {
    leat_store *store;
    bool each; /* wait for every list */
    leat_changes changes;
    uint64_t number;
    uint64_t turn;
    uint64_t jobs;
    uint32_t *alive;     /* by chunk */
    uint32_t *kept;      /* what KEEP has said last */
    uint64_t hand;       /* chunk */
    uint64_t round_turn; /* when the hand's round began */
    leat_buf record;
};

static double
now_s(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
wait_durable(struct bench *b)
{
    while (leat_store_durable_upto(b->store) < b->number) {
        struct pollfd item = {.fd = leat_store_lmdb_fd(b->store), .events = POLLIN};
        uint64_t events;
        (void)poll(&item, 1, -1);
        (void)eventfd_read(item.fd, &events);
        if (leat_store_lmdb_sentence(b->store)[0] != '\0') {
            (void)fprintf(stderr, "%s\n", leat_store_lmdb_sentence(b->store));
            abort();
        }
    }
}

static void
commit(struct bench *b)
{
    const leat_err err = leat_store_commit(b->store, &b->changes, ++b->number);
    if (err != LEAT_ERR_OK)
        abort();
    if (b->each)
        wait_durable(b);
}

static void
put_jobs(struct bench *b)
{
    static const uint8_t payload[PAYLOAD_BYTES] = {1};
    for (uint64_t id = 0; id < b->jobs; id += PACK_JOBS) {
        leat_buf_reset(&b->record);
        leat_pack_put_head(&b->record, "the head of a pack ", 20, PACK_JOBS);
        for (unsigned i = 0; i < PACK_JOBS; i++)
            leat_pack_put_job(&b->record, (uint8_t)i, payload, sizeof payload);
        leat_changes_pack(&b->changes, id, b->record.data, b->record.size);
        if ((id / PACK_JOBS + 1) % (TURN_JOBS / PACK_JOBS) == 0)
            commit(b);
    }
    commit(b);
    wait_durable(b);
}

/* What the core's hand does in a turn. */
static void
move_hand(struct bench *b)
{
    const uint64_t chunks = b->jobs / LEAT_CHUNK_IDS;
    for (unsigned i = 0; i < HAND_CHUNKS; i++) {
        if (b->alive[b->hand] != b->kept[b->hand]) {
            leat_changes_keep(&b->changes, b->hand, b->alive[b->hand]);
            b->kept[b->hand] = b->alive[b->hand];
        }
        if (++b->hand < chunks)
            continue;
        b->hand = 0;
        leat_changes_trim(&b->changes, b->round_turn);
        b->round_turn = b->turn;
        break;
    }
}

static void
put_turn(struct bench *b, const uint64_t *ids, uint64_t first_position)
{
    static const uint8_t result[RESULT_BYTES] = {2};
    leat_buf_reset(&b->record);
    const size_t at = leat_turn_put_leases(&b->record, 1, first_position, 1);
    for (unsigned i = 0; i < TURN_JOBS; i++) {
        leat_put_u64(&b->record, ids[i]);
        leat_put_u32(&b->record, 1);
    }
    leat_turn_end_leases(&b->record, at, TURN_JOBS);
    leat_buf log = {0};
    leat_put_u16(&log, 1);
    leat_put_text8(&log, leat_text_of("worker"));
    leat_put_u16(&log, TURN_JOBS);
    for (unsigned i = 0; i < TURN_JOBS; i++) {
        const leat_completion c = {
            .job = ids[i],
            .place = (uint32_t)ids[i],
            .attempt = 1,
            .outcome = LEAT_OUTCOME_DONE,
            .ended_ms = 1763000000000U,
            .run_us = 1,
            .result = {.data = result, .size = RESULT_BYTES}
        };
        leat_items_put_completion(&log, &c);
        b->alive[ids[i] / LEAT_CHUNK_IDS] &= ~(1U << ids[i] % LEAT_CHUNK_IDS);
    }
    leat_turn_put_ends(&b->record, 1U << 30, first_position, 0, &(leat_counters){.total = b->jobs},
                       log.data, log.size);
    leat_buf_fini(&log);
    leat_changes_turn(&b->changes, ++b->turn, b->record.data, b->record.size);
}

static void
end_jobs(struct bench *b, const uint64_t *ids)
{
    for (uint64_t i = 0; i < b->jobs; i += TURN_JOBS) {
        put_turn(b, ids + i, i + 1);
        move_hand(b);
        commit(b);
    }
    /* The rest of the hand's work, and of the store's, belongs to these jobs too. */
    leat_store_facts facts = {0};
    while (facts.trimmed < b->turn) {
        move_hand(b);
        commit(b);
        wait_durable(b);
        leat_store_get_facts(b->store, &facts);
    }
}

static void
run(bool lmdb, bool each, bool in_order, uint64_t jobs)
{
    struct bench b = {.each = each && lmdb, .jobs = jobs};
    uint64_t *const ids = calloc(jobs, sizeof *ids);
    b.alive = malloc(jobs / LEAT_CHUNK_IDS * sizeof *b.alive);
    b.kept = malloc(jobs / LEAT_CHUNK_IDS * sizeof *b.kept);
    if (ids == NULL || b.alive == NULL || b.kept == NULL)
        abort();
    memset(b.alive, 0xff, jobs / LEAT_CHUNK_IDS * sizeof *b.alive);
    memset(b.kept, 0xff, jobs / LEAT_CHUNK_IDS * sizeof *b.kept);
    leat_random random;
    leat_random_seed(&random, 1);
    for (uint64_t i = 0; i < jobs; i++) {
        const uint64_t at = in_order ? i : leat_random_below(&random, i + 1);
        ids[i] = ids[at];
        ids[at] = i;
    }

    char why[512] = "";
    leat_tmp tmp;
    leat_tmp_init(&tmp);
    char path[PATH_MAX];
    const leat_store_lmdb_options options = {.path = leat_tmp_path(&tmp, "store", path)};
    const leat_err err = lmdb ? leat_store_lmdb_open(&options, &b.store, why)
                              : leat_store_memory_new(NULL, &b.store);
    if (err != LEAT_ERR_OK) {
        (void)fprintf(stderr, "%s\n", why);
        abort();
    }

    const double start = now_s();
    put_jobs(&b);
    const double put = now_s();
    end_jobs(&b, ids);
    const double end = now_s();
    leat_store_facts facts;
    leat_store_get_facts(b.store, &facts);
    (void)printf("%-6s %-12s %-6s %8llu jobs  put %9.0f/s  end %9.0f/s  both %9.0f/s  %6llu commits"
                 "  file %4llu MiB\n",
                 lmdb ? "lmdb" : "memory",
                 !lmdb  ? "-"
                 : each ? "synced each"
                        : "as they come",
                 in_order ? "fifo" : "random", (unsigned long long)jobs,
                 (double)jobs / (put - start), (double)jobs / (end - put),
                 (double)jobs / (end - start), (unsigned long long)facts.commits,
                 (unsigned long long)(facts.file_bytes >> 20));
    (void)fflush(stdout);
    leat_store_destroy(&b.store);
    leat_changes_fini(&b.changes);
    leat_buf_fini(&b.record);
    leat_tmp_fini(&tmp);
    free(ids);
    free(b.alive);
    free(b.kept);
}

int
main(void)
{
    static const uint64_t sizes[] = {96000, 992000}; /* whole turns and whole chunks */
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int in_order = 1; in_order >= 0; in_order--) {
            run(false, false, in_order != 0, sizes[i]);
            run(true, false, in_order != 0, sizes[i]);
            run(true, true, in_order != 0, sizes[i]);
        }
    }
    return 0;
}
