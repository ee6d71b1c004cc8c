/* The LMDB store under the thread sanitizer: one thread commits without waiting and reads all the
 * time what is durable, as the broker's loop does, while the commit thread writes. Criterion cannot
 * run under it, so this is a plain program: it ends with 0 when every byte that it has read is the
 * one that was written, before and after the store was opened again. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/random.h"
#include "tests/lib/stores.h"

#define TURNS      5000U
#define JOBS       20U /* a turn, in one chunk */
#define SIZE       64U /* bytes of payload, and of a result */
#define KEPT_TURNS 50U /* younger ones stay turns, older ones become history */

static leat_test_store store;
static leat_random randomness;
static uint32_t jobs_read;
static uint32_t ends_read;
static uint32_t objects_read;
static uint32_t wrong;

/* Turn n sends jobs n * LEAT_CHUNK_IDS + 0 … JOBS - 1. The first half of them end in the turn
 * after, as batch n; the others stay. Object n says n. */
static uint64_t
first_id(uint64_t turn)
{
    return turn * LEAT_CHUNK_IDS;
}

static void
put_ends(uint64_t number, uint64_t of_turn)
{
    uint64_t ids[JOBS / 2];
    leat_buf turn = {0};
    for (unsigned i = 0; i < JOBS / 2; i++)
        ids[i] = first_id(of_turn) + i;
    leat_test_put_ends(&turn, &(leat_test_ends){.batch = of_turn,
                                                .first_position = 1,
                                                .worker = "w",
                                                .ids = ids,
                                                .n = JOBS / 2,
                                                .result_bytes = SIZE});
    leat_changes_turn(&store.changes, number, turn.data, turn.size);
    leat_buf_fini(&turn);
}

/* A turn's changes, given away without waiting for the disk. */
static bool
commit_turn(uint64_t number)
{
    leat_test_put_pack(&store, first_id(number), JOBS, SIZE);
    leat_changes_put(&store.changes, LEAT_OBJECT_BATCH, number, &number, sizeof number);
    if (number > 1) {
        put_ends(number, number - 1);
        leat_changes_keep(&store.changes, number - 1, (1U << JOBS) - (1U << (JOBS / 2)));
    }
    if (number > KEPT_TURNS)
        leat_changes_trim(&store.changes, number - KEPT_TURNS);
    store.number = number;
    return leat_store_commit(store.store, &store.changes, number) == LEAT_ERR_OK;
}

static bool
is_all(leat_bytes bytes, uint64_t id)
{
    bool same = bytes.size == SIZE;
    for (size_t i = 0; i < bytes.size; i++)
        same = same && bytes.data[i] == leat_test_payload_byte(id);
    return same;
}

static void
check_pack(const leat_fetched *fetched)
{
    leat_pack pack;
    leat_pack_job job;
    if (leat_pack_open(fetched->data, fetched->size, &pack) != LEAT_ERR_OK) {
        wrong++;
        return;
    }
    unsigned seen = 0;
    for (unsigned i = 0; i < pack.count; i++) {
        leat_pack_next(&pack, &job);
        const uint64_t id = fetched->pack_id + job.offset;
        seen += id == fetched->fetch.id;
        wrong += !is_all((leat_bytes){.data = job.payload, .size = job.payload_bytes}, id);
    }
    wrong += seen != 1;
    jobs_read++;
}

static void
check_ended(const leat_fetched *fetched)
{
    leat_reader completions = leat_reader_over(fetched->data, fetched->size);
    leat_items_run run;
    leat_completion completion;
    if (leat_log_open(&completions, &run) != LEAT_ERR_OK || run.n != 1) {
        wrong++;
        return;
    }
    leat_items_next_completion(&completions, &completion);
    wrong += completion.job != fetched->fetch.id || !is_all(completion.result, completion.job);
    ends_read++;
}

static void
check_object(const leat_fetched *fetched)
{
    const uint64_t id = fetched->fetch.id;
    wrong += fetched->size != sizeof id || memcmp(fetched->data, &id, sizeof id) != 0;
    objects_read++;
}

static void
check(void *context, const leat_fetched *fetched)
{
    (void)context;
    if (fetched->err != LEAT_ERR_OK)
        wrong++;
    else if (fetched->fetch.kind == LEAT_FETCH_JOB)
        check_pack(fetched);
    else if (fetched->fetch.kind == LEAT_FETCH_ENDED)
        check_ended(fetched);
    else
        check_object(fetched);
}

/* Ask for what must be there, of a turn whose successor is durable. */
static void
read_turn(uint64_t turn)
{
    const uint64_t end = leat_random_below(&randomness, JOBS / 2);
    leat_store_facts facts;
    leat_store_get_facts(store.store, &facts);
    const leat_fetch fetches[] = {
        {.kind = LEAT_FETCH_JOB,            .id = first_id(turn) + JOBS - 1},
        { .kind = LEAT_FETCH_OBJECT, .object_kind = LEAT_OBJECT_BATCH,                      .id = turn},
        { .kind = LEAT_FETCH_ENDED,
         .id = first_id(turn) + end,
         .turn = turn + 1 < facts.trimmed ? 0 : turn + 1},
    };
    if (leat_store_fetch(store.store, fetches, sizeof fetches / sizeof fetches[0], check, NULL) !=
        LEAT_ERR_OK)
        wrong++;
}

static void
read_some(uint64_t times)
{
    const uint64_t durable = leat_store_durable_upto(store.store);
    for (uint64_t i = 0; durable > 1 && i < times; i++)
        read_turn(1 + leat_random_below(&randomness, durable - 1));
}

int
main(void)
{
    leat_random_seed(&randomness, 1);
    leat_test_store_init(&store, LEAT_TEST_LMDB, NULL);

    for (uint64_t turn = 1; turn <= TURNS; turn++) {
        if (!commit_turn(turn))
            return EXIT_FAILURE;
        read_some(leat_random_below(&randomness, 8));
    }
    while (leat_store_durable_upto(store.store) < TURNS)
        read_some(1);
    leat_test_store_reopen(&store);
    for (uint64_t turn = 1; turn < TURNS; turn++)
        read_turn(turn);
    leat_test_store_fini(&store);

    (void)printf("%u jobs, %u ends, %u objects read, %u wrong\n", jobs_read, ends_read,
                 objects_read, wrong);
    return wrong == 0 && ends_read >= TURNS && jobs_read == ends_read && objects_read == ends_read
               ? EXIT_SUCCESS
               : EXIT_FAILURE;
}
