/* A store against promises. See verify.h. */
#include "tests/crash/verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "broker/core/machine.h"
#include "broker/store/lmdb.h"
#include "broker/store/memory.h"
#include "broker/store/turn.h"

#define WITNESSES_MAX 12U
#define ENDINGS_MAX   6U

/* What is known of one id, from the promises and from the store. */
struct fact {
    uint64_t id;
    uint32_t op, index; /* of what was accepted */
    bool accepted, message, given_out;
    bool recovers;      /* its end is the completion of the job that it recovers, it has none */
    uint64_t recoverer; /* the job in the store that recovers this one, 0: none */
    uint32_t given;     /* highest attempt that has come to the worker */
    bool cancelling, cancelled, taking, taken;
    unsigned ending_count;
    struct {
        uint32_t attempt;
        uint8_t end;
        bool acked;
    } endings[ENDINGS_MAX];

    bool in_pack; /* and what its payload says: */
    bool stamped;
    uint32_t word, stamp_op, stamp_index;
    bool alive;
    unsigned ends;
    uint8_t outcome;
    uint32_t attempt;
    uint64_t position;
};

struct op {
    bool meant;
    uint8_t flags;
    uint32_t n;
    uint64_t batch;
    uint8_t *instances; /* owned; by index: ids in packs that carry its payload */
};

struct verifying {
    FILE *witnesses;
    unsigned witness_count;
    crash_found *found;
    struct fact *facts; /* owned; hash table by id, 0: free */
    size_t slots, fact_count;
    struct op *ops; /* owned; by number */
    uint32_t op_count;
    uint64_t *retried; /* owned; batches */
    size_t retried_count;
    bool followers; /* some op has them */
};

__attribute__((format(printf, 3, 4))) static void
violate(struct verifying *v, uint64_t *figure, const char *format, ...)
{
    va_list args;
    (*figure)++;
    if (v->witnesses == NULL || v->witness_count++ >= WITNESSES_MAX)
        return;
    va_start(args, format);
    (void)vfprintf(v->witnesses, format, args);
    va_end(args);
    (void)fputc('\n', v->witnesses);
}

static void *
must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static size_t
slot_of(const struct verifying *v, uint64_t id)
{
    size_t i = (size_t)(id * 0x9e3779b97f4a7c15ULL >> 32) & (v->slots - 1);
    while (v->facts[i].id != 0 && v->facts[i].id != id)
        i = (i + 1) & (v->slots - 1);
    return i;
}

static struct fact *
fact_of(struct verifying *v, uint64_t id)
{
    if (v->fact_count * 2 >= v->slots) {
        struct fact *const before = v->facts;
        const size_t slots = v->slots;
        v->slots = slots == 0 ? 1024 : slots * 2;
        v->facts = must(calloc(v->slots, sizeof *v->facts));
        for (size_t i = 0; i < slots; i++) {
            if (before[i].id != 0)
                v->facts[slot_of(v, before[i].id)] = before[i];
        }
        free(before);
    }
    struct fact *const fact = &v->facts[slot_of(v, id)];
    if (fact->id == 0) {
        fact->id = id;
        v->fact_count++;
    }
    return fact;
}

static struct op *
op_of(struct verifying *v, uint32_t number)
{
    if (number >= v->op_count) {
        const uint32_t count = number * 2 + 64;
        v->ops = must(realloc(v->ops, count * sizeof *v->ops));
        memset(v->ops + v->op_count, 0, (count - v->op_count) * sizeof *v->ops);
        v->op_count = count;
    }
    return &v->ops[number];
}

/* ------------------------------------------------------------------------------ promises */

static void
note_accepted(struct verifying *v, const crash_promise *p)
{
    op_of(v, p->op)->batch = p->batch;
    for (uint32_t i = 0; i < p->n && (p->flags & CRASH_FLAG_JOIN) == 0; i++) {
        struct fact *const fact = fact_of(v, p->id + i);
        fact->accepted = true;
        fact->message = (p->flags & CRASH_FLAG_MESSAGE) != 0;
        fact->op = p->op;
        fact->index = i;
        v->found->acknowledged++;
    }
}

static void
note_ending(struct fact *fact, const crash_promise *p, bool acked)
{
    for (unsigned i = 0; i < fact->ending_count; i++) {
        if (fact->endings[i].attempt == p->attempt) {
            fact->endings[i].acked |= acked;
            return;
        }
    }
    if (fact->ending_count == ENDINGS_MAX)
        abort();
    fact->endings[fact->ending_count].attempt = p->attempt;
    fact->endings[fact->ending_count].acked = acked;
    fact->endings[fact->ending_count++].end = p->end;
}

static void
note_sending(struct verifying *v, const crash_promise *p)
{
    struct op *const op = op_of(v, p->op);
    op->meant = true;
    op->n = p->n;
    op->flags = p->flags;
    op->instances = must(calloc(p->n, 1));
    v->followers |= (p->flags & CRASH_FLAG_FOLLOW) != 0;
}

/* Had this been written down at the moment? */
static bool
counts(const crash_promises *promises, size_t i, const crash_moment *moment)
{
    const crash_promise *const p = &promises->all[i];
    const bool is_meant = p->kind == CRASH_SENDING || p->kind == CRASH_ENDING ||
                          p->kind == CRASH_CANCELLING || p->kind == CRASH_TAKING ||
                          p->kind == CRASH_RETRYING;
    return p->at <= moment->at && i < (is_meant ? moment->meant : moment->sure);
}

static void
note_promise(struct verifying *v, const crash_promise *p)
{
    const uint64_t ends = v->found->ends;
    switch ((crash_promise_kind)p->kind) {
    case CRASH_SENDING:
        note_sending(v, p);
        break;
    case CRASH_ACCEPTED:
        note_accepted(v, p);
        break;
    case CRASH_GIVEN:
        fact_of(v, p->id)->given_out = true;
        fact_of(v, p->id)->recovers |= (p->flags & CRASH_FLAG_FOLLOW) != 0;
        if (p->attempt > fact_of(v, p->id)->given)
            fact_of(v, p->id)->given = p->attempt;
        break;
    case CRASH_ENDING:
        note_ending(fact_of(v, p->id), p, false);
        break;
    case CRASH_ENDED:
        note_ending(fact_of(v, p->id), p, true);
        v->found->ends = ends + 1;
        break;
    case CRASH_CANCELLING:
        fact_of(v, p->id)->cancelling = true;
        break;
    case CRASH_CANCELLED:
        fact_of(v, p->id)->cancelled = true;
        v->found->ends = ends + 1;
        break;
    case CRASH_TAKING:
        fact_of(v, p->id)->taking = true;
        break;
    case CRASH_TAKEN:
        fact_of(v, p->id)->taken = true;
        v->found->ends = ends + 1;
        break;
    case CRASH_RETRYING:
        v->retried = must(realloc(v->retried, (v->retried_count + 1) * sizeof *v->retried));
        v->retried[v->retried_count++] = p->batch;
        break;
    case CRASH_SEALED:
    case CRASH_RETRIED:
        break; /* looked at when the store is loaded */
    }
}

/* ------------------------------------------------------------------------------ the walk */

static bool
is_retried(const struct verifying *v, uint64_t batch)
{
    for (size_t i = 0; i < v->retried_count; i++) {
        if (v->retried[i] == batch)
            return true;
    }
    return false;
}

/* A recover job names the one that it recovers. */
static void
note_recoverer(struct verifying *v, uint64_t id, const leat_pack_job *job)
{
    static const char key[] = "\"job\":\"";
    const char *const at = memmem(job->payload, job->payload_bytes, key, sizeof key - 1);
    const uint64_t of = at == NULL ? 0 : strtoull(at + sizeof key - 1, NULL, 10);
    fact_of(v, id)->recovers = true;
    if (!v->followers || of == 0)
        violate(v, &v->found->phantom, "job %" PRIu64 " has a payload that nobody sent", id);
    else
        fact_of(v, of)->recoverer = id;
}

/* A payload must be one that was sent, and only once. */
static void
check_payload(struct verifying *v, struct fact *fact, const leat_pack_job *job)
{
    fact->stamped = crash_payload_read(job->payload, job->payload_bytes, &fact->word,
                                       &fact->stamp_op, &fact->stamp_index);
    if (!fact->stamped) {
        note_recoverer(v, fact->id, job);
        return;
    }
    const struct op *const op =
        fact->stamp_op < v->op_count ? &v->ops[fact->stamp_op] : &(struct op){0};
    if (!op->meant || fact->stamp_index >= op->n ||
        (fact->word == CRASH_PAYLOAD_NEXT && (op->flags & CRASH_FLAG_FOLLOW) == 0)) {
        violate(v, &v->found->phantom, "job %" PRIu64 " is %u of op %u, which nobody has sent",
                fact->id, fact->stamp_index, fact->stamp_op);
        return;
    }
    if (fact->word == CRASH_PAYLOAD_SENT && op->instances[fact->stamp_index]++ > 0 &&
        !is_retried(v, op->batch))
        violate(v, &v->found->twice, "%u of op %u is there for a second time, as job %" PRIu64,
                fact->stamp_index, fact->stamp_op, fact->id);
}

static leat_err
on_pack(void *context, uint64_t first_id, const uint8_t *data, size_t size)
{
    struct verifying *const v = context;
    leat_pack pack;
    const leat_err err = leat_pack_open(data, size, &pack);
    for (uint8_t i = 0; err == LEAT_ERR_OK && i < pack.count; i++) {
        leat_pack_job job;
        leat_pack_next(&pack, &job);
        struct fact *const fact = fact_of(v, first_id + job.offset);
        if (fact->in_pack)
            violate(v, &v->found->twice, "job %" PRIu64 " is in two packs", fact->id);
        fact->in_pack = true;
        check_payload(v, fact, &job);
    }
    return err;
}

static leat_err
on_object(void *context, leat_object_kind kind, uint64_t id, const uint8_t *data, size_t size)
{
    (void)context, (void)kind, (void)id, (void)data, (void)size;
    return LEAT_ERR_OK;
}

static void
note_end(struct verifying *v, const leat_completion *c, uint64_t position)
{
    struct fact *const fact = fact_of(v, c->job);
    const bool same = fact->ends > 0 && fact->outcome == (uint8_t)c->outcome &&
                      fact->attempt == c->attempt && fact->position == position;
    if (fact->ends > 0 && !same)
        violate(v, &v->found->twice, "job %" PRIu64 " has ended twice: %s and %s", c->job,
                leat_outcome_name(fact->outcome), leat_outcome_name(c->outcome));
    if (fact->ends++ == 0)
        v->found->ended++;
    fact->outcome = (uint8_t)c->outcome;
    fact->attempt = c->attempt;
    fact->position = position;
    uint64_t job = c->job;
    uint32_t attempt = c->attempt;
    uint32_t end = LEAT_END_DONE;
    if (c->outcome == LEAT_OUTCOME_DONE &&
        (!crash_result_read(c->result.data, c->result.size, &job, &attempt, &end) ||
         end != LEAT_END_DONE || (!v->followers && (job != c->job || attempt != c->attempt))))
        violate(v, &v->found->phantom, "job %" PRIu64 " has a result that is not its own", c->job);
}

static leat_err
on_turn(void *context, uint64_t number, const uint8_t *data, size_t size)
{
    struct verifying *const v = context;
    leat_reader record = leat_reader_over(data, size);
    leat_turn_entry entry;
    (void)number;
    while (leat_turn_next(&record, &entry)) {
        leat_reader log;
        leat_items_run run;
        if (entry.kind != LEAT_TURN_ENDS)
            continue;
        log = leat_reader_over(entry.data, entry.size);
        if (leat_log_open(&log, &run) != LEAT_ERR_OK)
            return LEAT_ERR_CORRUPT;
        for (uint16_t i = 0; i < run.n; i++) {
            leat_completion completion;
            leat_items_next_completion(&log, &completion);
            note_end(v, &completion, entry.id == 0 ? entry.number : entry.number + i);
        }
    }
    return record.failed ? LEAT_ERR_CORRUPT : LEAT_ERR_OK;
}

static void
on_fetched(void *context, const leat_fetched *fetched)
{
    struct verifying *const v = context;
    leat_reader log =
        leat_reader_over(fetched->data, fetched->err == LEAT_ERR_OK ? fetched->size : 0);
    leat_items_run run;
    leat_completion completion;
    if (fetched->err == LEAT_ERR_NOT_FOUND)
        return;
    if (fetched->err != LEAT_ERR_OK || leat_log_open(&log, &run) != LEAT_ERR_OK || run.n != 1) {
        violate(v, &v->found->lost, "the end of job %" PRIu64 " cannot be read: %s",
                fetched->fetch.id, leat_err_message(fetched->err));
        return;
    }
    leat_items_next_completion(&log, &completion);
    struct fact *const fact = fact_of(v, fetched->fetch.id);
    if (fact->ends > 0)
        return; /* the turn that it was moved from is still there */
    v->found->history++;
    note_end(v, &completion, fetched->position);
}

/* ------------------------------------------------------------------------------ the rules */

/* It may be one that is told to be done by the end of another. */
static bool
is_recovered(const struct verifying *v, const struct fact *fact)
{
    return fact->accepted && (v->ops[fact->op].flags & CRASH_FLAG_FOLLOW) != 0;
}

/* It is dead, and the job that recovers it is alive: nothing is told of it yet. */
static bool
is_being_recovered(const struct fact *fact, leat_core *core)
{
    return fact->recoverer != 0 && leat_items_find(&core->items, fact->recoverer) != LEAT_NOBODY;
}

/* Has the worker meant this end? */
static bool
was_meant(const struct verifying *v, const struct fact *fact)
{
    switch (fact->outcome) {
    case LEAT_OUTCOME_DONE:
    case LEAT_OUTCOME_DEAD:
        for (unsigned i = 0; i < fact->ending_count; i++) {
            if (fact->endings[i].attempt == fact->attempt &&
                (fact->endings[i].end == LEAT_END_DONE) == (fact->outcome == LEAT_OUTCOME_DONE))
                return true;
        }
        return is_recovered(v, fact);
    case LEAT_OUTCOME_CANCELLED:
        return fact->cancelling;
    case LEAT_OUTCOME_SKIPPED:
        return fact->accepted && (v->ops[fact->op].flags & CRASH_FLAG_AFTER) != 0;
    default:
        return false;
    }
}

/* An end that was acknowledged is there, as it was acknowledged. */
static void
check_acked(struct verifying *v, const struct fact *fact, uint32_t attempt_alive)
{
    for (unsigned i = 0; i < fact->ending_count; i++) {
        const uint32_t attempt = fact->endings[i].attempt;
        const bool is_last = fact->endings[i].end != LEAT_END_FAILED;
        if (!fact->endings[i].acked)
            continue;
        if (is_last && fact->recovers && fact->alive)
            violate(v, &v->found->lost, "the end of recover job %" PRIu64 " is lost", fact->id);
        else if (is_last && fact->ends == 0 && !fact->recovers && !is_recovered(v, fact))
            violate(v, &v->found->lost,
                    "job %" PRIu64 " has ended with attempt %u, which was acknowledged, and is %s",
                    fact->id, attempt, fact->alive ? "alive" : "not there");
        else if (is_last && fact->ends > 0 && fact->attempt != attempt && !is_recovered(v, fact))
            violate(v, &v->found->twice, "job %" PRIu64 " has ended with attempt %u, and then %u",
                    fact->id, attempt, fact->attempt);
        else if (!is_last && fact->alive && attempt_alive < attempt)
            violate(v, &v->found->lost, "the failure of job %" PRIu64 " is forgotten", fact->id);
    }
    if (fact->cancelled && (fact->ends == 0 || fact->outcome != LEAT_OUTCOME_CANCELLED))
        violate(v, &v->found->lost, "the cancel of job %" PRIu64 " was acknowledged, and is lost",
                fact->id);
    if (fact->taken && fact->alive)
        violate(v, &v->found->lost, "message %" PRIu64 " was acknowledged, and is there", fact->id);
}

static void
check_fact(struct verifying *v, struct fact *fact, leat_core *core)
{
    const uint32_t index = leat_items_find(&core->items, fact->id);
    const leat_item *const item = index == LEAT_NOBODY ? NULL : leat_items_at(&core->items, index);
    fact->alive = item != NULL;
    const uint32_t attempt = item == NULL ? fact->attempt : item->attempt;
    if (fact->accepted && !fact->alive && fact->ends == 0 && !fact->taking &&
        !is_being_recovered(fact, core))
        violate(v, &v->found->lost, "%s %" PRIu64 " (%u of op %u) was acknowledged, and is lost",
                fact->message ? "message" : "job", fact->id, fact->index, fact->op);
    if (fact->alive && fact->ends > 0)
        violate(v, &v->found->twice, "job %" PRIu64 " is alive and has ended", fact->id);
    if (fact->alive && !fact->in_pack)
        violate(v, &v->found->lost, "job %" PRIu64 " is alive without a payload", fact->id);
    if (fact->alive && fact->accepted &&
        (fact->word != CRASH_PAYLOAD_SENT || fact->stamp_op != fact->op ||
         fact->stamp_index != fact->index))
        violate(v, &v->found->lost, "job %" PRIu64 " has another's payload", fact->id);
    if (fact->ends > 0 && !was_meant(v, fact))
        violate(v, &v->found->phantom, "job %" PRIu64 " is %s, and nobody has done that", fact->id,
                leat_outcome_name(fact->outcome));
    if (fact->given_out && (fact->alive || fact->ends > 0) && attempt < fact->given &&
        !is_recovered(v, fact))
        violate(v, &v->found->attempts,
                "attempt %u of job %" PRIu64 " was given out, and the store has %u", fact->given,
                fact->id, attempt);
    check_acked(v, fact, attempt);
}

static void
check_batches(struct verifying *v,
              const crash_promises *promises,
              const crash_moment *moment,
              leat_core *core)
{
    for (size_t i = 0; i < crash_promises_count(promises); i++) {
        const crash_promise *const p = &promises->all[i];
        if (!counts(promises, i, moment) || (p->kind != CRASH_SEALED && p->kind != CRASH_RETRIED))
            continue;
        const uint64_t id = p->kind == CRASH_SEALED ? p->batch : p->id;
        const leat_batch *const batch = leat_table_get(&core->batches, id);
        if (batch != NULL && !batch->sealed)
            violate(v, &v->found->lost, "the seal of batch %" PRIu64 " is lost", id);
        if (batch != NULL && p->kind == CRASH_RETRIED && batch->counters.total != p->n)
            violate(v, &v->found->lost, "batch %" PRIu64 " has %" PRIu64 " jobs of %u", id,
                    batch->counters.total, p->n);
    }
}

/* ------------------------------------------------------------------------------ the whole */

static leat_delivery
nobody_hears(void *context, leat_route route, leat_buf *frame_p)
{
    (void)context, (void)route;
    leat_buf_fini(frame_p);
    return LEAT_DELIVERY_GONE;
}

static void
find_history(struct verifying *v, leat_store *store)
{
    for (size_t i = 0; i < v->slots; i++) {
        const leat_fetch fetch = {.kind = LEAT_FETCH_ENDED, .id = v->facts[i].id};
        if (v->facts[i].id == 0 || v->facts[i].message)
            continue;
        if (leat_store_fetch(store, &fetch, 1, on_fetched, v) != LEAT_ERR_OK)
            violate(v, &v->found->lost, "the store cannot be read");
    }
}

static void
check_loaded(struct verifying *v,
             const crash_promises *promises,
             const crash_moment *moment,
             leat_core *core)
{
    uint64_t alive = 0;
    for (size_t i = 0; i < v->slots; i++) {
        if (v->facts[i].id == 0)
            continue;
        check_fact(v, &v->facts[i], core);
        alive += v->facts[i].alive;
    }
    v->found->alive = leat_core_get_facts(core).items;
    if (alive != v->found->alive)
        violate(v, &v->found->phantom, "%" PRIu64 " jobs are alive that are in no pack",
                v->found->alive - alive);
    check_batches(v, promises, moment, core);
}

static void
verify_open(struct verifying *v,
            const crash_promises *promises,
            const crash_moment *moment,
            leat_store *store,
            leat_store *memory)
{
    const leat_load load = {.context = v, .object = on_object, .pack = on_pack, .turn = on_turn};
    const leat_core_options options = {.disk = store,
                                       .memory = memory,
                                       .out = {.frame = nobody_hears},
                                       .seed = 1,
                                       .software = "crash_verify",
                                       .store_name = "lmdb"};
    const leat_now now = {.mono_ms = 1000, .wall_ms = 1};
    char why[256] = "";
    leat_core *core = NULL;
    leat_err err = leat_store_load(store, &load);
    if (err == LEAT_ERR_OK) {
        find_history(v, store);
        err = leat_core_new(&options, now, &core);
    }
    if (err == LEAT_ERR_OK)
        err = leat_core_load(core, now, why);
    if (err == LEAT_ERR_OK) {
        check_loaded(v, promises, moment, core);
    } else {
        v->found->unopened = true;
        violate(v, &v->found->lost, "the store cannot be loaded: %s %s", leat_err_message(err),
                why);
    }
    leat_core_destroy(&core);
}

void
crash_verify(const char *store,
             const crash_promises *promises,
             const crash_moment *moment,
             FILE *witnesses,
             crash_found *found)
{
    struct verifying v = {.witnesses = witnesses, .found = found};
    const leat_retention retention = LEAT_RETENTION_DEFAULT;
    const leat_store_lmdb_options options = {.path = store, .retention = retention};
    leat_store *disk = NULL;
    leat_store *memory = NULL;
    char why[512] = "";
    *found = (crash_found){0};
    (void)fact_of(&v,
                  1); /* so that there is a table; no id of ours is 0, and 1 is a batch's or free */
    for (size_t i = 0; i < crash_promises_count(promises); i++) {
        if (counts(promises, i, moment))
            note_promise(&v, &promises->all[i]);
    }
    leat_err err = leat_store_lmdb_open(&options, &disk, why);
    if (err == LEAT_ERR_OK)
        err = leat_store_memory_new(&retention, &memory);
    if (err == LEAT_ERR_OK) {
        verify_open(&v, promises, moment, disk, memory);
    } else {
        found->unopened = true;
        violate(&v, &found->lost, "the store cannot be opened: %s", why);
    }
    leat_store_destroy(&disk);
    leat_store_destroy(&memory);
    for (uint32_t i = 0; i < v.op_count; i++)
        free(v.ops[i].instances);
    free(v.ops);
    free(v.facts);
    free(v.retried);
}

bool
crash_found_is_valid(const crash_found *found)
{
    return found->lost == 0 && found->phantom == 0 && found->twice == 0 && found->attempts == 0 &&
           !found->unopened;
}

void
crash_found_print(const crash_found *found, FILE *out)
{
    (void)fprintf(out,
                  "{\"acknowledged\": %" PRIu64 ", \"ends\": %" PRIu64 ", \"alive\": %" PRIu64
                  ", \"ended\": %" PRIu64 ", \"history\": %" PRIu64 ", \"lost\": %" PRIu64
                  ", \"phantom\": %" PRIu64 ", \"twice\": %" PRIu64
                  ", \"attempts_exceeded\": %" PRIu64 ", \"unopened\": %s, \"valid\": %s}",
                  found->acknowledged, found->ends, found->alive, found->ended, found->history,
                  found->lost, found->phantom, found->twice, found->attempts,
                  found->unopened ? "true" : "false",
                  crash_found_is_valid(found) ? "true" : "false");
}
