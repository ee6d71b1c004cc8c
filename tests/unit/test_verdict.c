/* The judge of histories: it accepts 200 made-up ones that are as they should be, each another, and
 * refuses 200 in which one thing is wrong, under the right name. */
#include "tests/crash/verdict.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/random.h"
#include "proto/records.h"
#include "tests/lib/test.h"

#define CLIENTS   3U
#define WORKERS   3U
#define HISTORIES (CLIENTS + WORKERS)
#define NOTES_MAX 4096U
#define FACTS_MAX 1024U
#define JOBS_MAX  256U

/* What the store has. */
struct fact {
    enum {
        FACT_NONE,
        FACT_LIVE,
        FACT_END,
        FACT_ATTEMPT,
        FACT_FINAL,
        FACT_DEAD
    } kind;
    verdict_stored_job stored;
    verdict_completion end;
    uint64_t job;
    uint32_t attempt;
    uint16_t failed;
    uint16_t lost;
};

struct world {
    leat_random random;
    uint64_t time_us;
    leat_note notes[HISTORIES][NOTES_MAX];
    unsigned note_count[HISTORIES];
    struct fact facts[FACTS_MAX];
    unsigned fact_count;
    uint64_t next_job;
    uint64_t next_hash;
    uint64_t number[HISTORIES];   /* of records, of frames of ends */
    uint64_t sequence[HISTORIES]; /* of frames of ends */
    uint32_t waits[CLIENTS];
    verdict_limits limits;
};

static struct world w;

static unsigned
below(unsigned n)
{
    return (unsigned)leat_random_below(&w.random, n);
}

static bool
is_one_in(unsigned n)
{
    return below(n) == 0;
}

static leat_note *
note(unsigned history, leat_note_operation operation, leat_note_phase phase, leat_note more)
{
    cr_assert(lt(uint, w.note_count[history], NOTES_MAX));
    leat_note *const out = &w.notes[history][w.note_count[history]++];
    *out = more;
    out->operation = (uint8_t)operation;
    out->phase = (uint8_t)phase;
    out->time_us = ++w.time_us;
    return out;
}

static struct fact *
fact(struct fact more)
{
    cr_assert(lt(uint, w.fact_count, FACTS_MAX));
    w.facts[w.fact_count] = more;
    return &w.facts[w.fact_count++];
}

/* ------------------------------------------------------------------------------- good ones */

static uint32_t
durable(void)
{
    return leat_note_name("disk", 4);
}

struct life {
    uint64_t job;
    uint64_t hash;
    uint64_t batch;
    uint64_t position;
    uint32_t failures; /* allowed */
};

static void
start(unsigned worker, const struct life *l, uint32_t attempt)
{
    (void)note(worker, LEAT_NOTE_START, LEAT_PHASE_INVOKE,
               (leat_note){.job = l->job, .attempt = attempt, .hash = l->hash});
}

/* An attempt has ended and is reported; how the broker answers. */
static void
report(unsigned worker, const struct life *l, uint32_t attempt, leat_end end, bool stale)
{
    const uint64_t result = ++w.next_hash;
    const uint64_t frame = ++w.number[worker];
    const leat_note about = {.job = l->job, .attempt = attempt, .code = (uint8_t)end};
    leat_note *const ended = note(worker, LEAT_NOTE_END, LEAT_PHASE_OK, about);
    ended->hash = result;
    note(worker, LEAT_NOTE_REPORT, LEAT_PHASE_INVOKE, about)->number = frame;
    w.sequence[worker] += 1 + below(3); /* frames of another kind are between */
    (void)note(worker, LEAT_NOTE_REPORT, LEAT_PHASE_OK,
               (leat_note){.number = frame, .batch = w.sequence[worker]});
    if (stale)
        note(worker, LEAT_NOTE_REPORT, LEAT_PHASE_FAIL, about)->number = w.sequence[worker];
    (void)note(worker, LEAT_NOTE_ANSWER, LEAT_PHASE_OK, (leat_note){.number = w.sequence[worker]});
    if (is_one_in(4)) /* a repeat after a reconnect */
        (void)note(worker, LEAT_NOTE_ANSWER, LEAT_PHASE_OK,
                   (leat_note){.number = w.sequence[worker]});
}

static uint64_t
last_result(unsigned worker)
{
    for (unsigned i = w.note_count[worker]; i > 0; i--)
        if (w.notes[worker][i - 1].operation == LEAT_NOTE_END)
            return w.notes[worker][i - 1].hash;
    return 0;
}

static void
end_with(const struct life *l, uint32_t attempt, leat_outcome outcome, uint64_t hash)
{
    (void)fact((struct fact){
        .kind = FACT_END,
        .end = {.batch = l->batch,
                .position = l->position,
                .job = l->job,
                .attempt = attempt,
                .outcome = (uint8_t)outcome,
                .hash = hash}
    });
}

/* Whatever a job comes to. */
static void
live(const struct life *l)
{
    uint32_t attempt = 1;
    uint32_t failed = 0;
    unsigned worker = CLIENTS + below(WORKERS);
    if (is_one_in(6)) { /* nobody takes it */
        end_with(l, 0, is_one_in(2) ? LEAT_OUTCOME_CANCELLED : LEAT_OUTCOME_EXPIRED, 0);
        return;
    }
    for (;; attempt++) {
        start(worker, l, attempt);
        if (is_one_in(8)) { /* its worker is gone … */
            const unsigned before = worker;
            worker = CLIENTS + (worker - CLIENTS + 1) % WORKERS;
            if (is_one_in(2)) { /* … for a while only, and too late */
                start(worker, l, ++attempt);
                report(before, l, attempt - 1, LEAT_END_DONE, true);
                break;
            }
            continue;
        }
        if (!is_one_in(4))
            break;
        report(worker, l, attempt, LEAT_END_FAILED, false);
        if (++failed == l->failures) {
            end_with(l, attempt, LEAT_OUTCOME_DEAD, 1);
            (void)fact((struct fact){
                .kind = FACT_DEAD, .job = l->job, .attempt = attempt, .failed = (uint16_t)failed});
            return;
        }
    }
    report(worker, l, attempt, LEAT_END_DONE, false);
    end_with(l, attempt, LEAT_OUTCOME_DONE, last_result(worker));
}

/* A few records with one answer; returns the number of the first. */
static uint64_t
send(unsigned client, unsigned count, uint32_t failures, uint8_t flags)
{
    const uint64_t first = w.number[client] + 1;
    for (unsigned i = 0; i < count; i++)
        (void)note(client, LEAT_NOTE_SEND, LEAT_PHASE_INVOKE,
                   (leat_note){.number = ++w.number[client],
                               .hash = ++w.next_hash,
                               .extra = durable(),
                               .attempt = failures,
                               .flags = flags});
    return first;
}

static void
answer(unsigned client, leat_note_phase phase, uint64_t first, unsigned count, uint64_t job)
{
    (void)note(client, LEAT_NOTE_SEND, phase,
               (leat_note){.number = first, .extra = count, .job = job, .batch = job});
}

/* Somebody waits for the batch and is shown all of it. */
static void
show(unsigned client, uint64_t batch)
{
    const uint32_t wait = ++w.waits[client];
    for (uint64_t position = 1;; position++) {
        const verdict_completion *found = NULL;
        for (unsigned i = 0; i < w.fact_count && found == NULL; i++)
            if (w.facts[i].kind == FACT_END && w.facts[i].end.batch == batch &&
                w.facts[i].end.position == position)
                found = &w.facts[i].end;
        if (found == NULL)
            return;
        (void)note(client, LEAT_NOTE_SHOWN, LEAT_PHASE_OK,
                   (leat_note){.batch = batch,
                               .number = position,
                               .epoch = wait,
                               .job = found->job,
                               .attempt = found->attempt,
                               .code = found->outcome,
                               .hash = found->hash});
    }
}

static void
send_batch(unsigned client)
{
    const unsigned count = 1 + below(6);
    const uint32_t failures = below(3);
    const uint64_t hash = w.next_hash + 1;
    const uint64_t first = send(client, count, failures, 0);
    const uint64_t batch = w.next_job;
    w.next_job += count;
    answer(client, LEAT_PHASE_OK, first, count, batch);
    uint64_t position = 0;
    for (unsigned i = 0; i < count; i++) {
        struct life l = {.job = batch + i,
                         .hash = hash + i,
                         .batch = batch,
                         .failures = failures == 0 ? LEAT_FAILURES_DEFAULT : failures};
        if (is_one_in(6)) { /* it lives still */
            (void)fact((struct fact){
                .kind = FACT_LIVE, .stored = {.id = l.job, .hash = l.hash}
            });
            if (is_one_in(2)) {
                start(CLIENTS + below(WORKERS), &l, 1);
                (void)fact((struct fact){.kind = FACT_ATTEMPT, .job = l.job, .attempt = 1});
            }
            continue;
        }
        l.position = ++position;
        live(&l);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        if (is_one_in(2))
            show(i, batch);
}

/* Of some records nobody can say whether they are in. */
static void
send_unanswered(unsigned client)
{
    const uint64_t hash = w.next_hash + 1;
    const uint64_t first = send(client, 2, 0, 0);
    if (is_one_in(2))
        answer(client, LEAT_PHASE_UNKNOWN, first, 2, 0);
    struct life l = {.job = w.next_job, .hash = hash, .batch = w.next_job, .failures = 3};
    if (is_one_in(2)) {
        w.next_job++;
        l.position = 1;
        live(&l);
    }
}

static void
send_refused(unsigned client)
{
    const uint64_t first = send(client, 3, 0, 0);
    answer(client, LEAT_PHASE_FAIL, first, 3, 0);
}

static void
send_message(unsigned client)
{
    const uint64_t hash = w.next_hash + 1;
    const uint64_t first = send(client, 1, 0, LEAT_NOTE_MESSAGE);
    const uint64_t job = w.next_job++;
    answer(client, LEAT_PHASE_OK, first, 1, job);
    if (is_one_in(3)) {
        (void)fact((struct fact){
            .kind = FACT_LIVE, .stored = {.id = job, .hash = hash, .message = true}
        });
        return;
    }
    const unsigned receiver = below(CLIENTS);
    (void)note(receiver, LEAT_NOTE_RECEIVED, LEAT_PHASE_OK,
               (leat_note){.job = job, .hash = hash, .extra = durable()});
    if (is_one_in(2))
        (void)fact((struct fact){.kind = FACT_FINAL, .job = job});
}

/* Two that share a key are one job. */
static void
send_unique(unsigned client)
{
    const uint64_t first = send(client, 1, 0, LEAT_NOTE_UNIQUE);
    const uint64_t hash = w.next_hash;
    struct life l = {.job = w.next_job, .hash = hash, .batch = w.next_job, .failures = 3};
    w.next_job++;
    answer(client, LEAT_PHASE_OK, first, 1, l.job);
    const uint64_t joined = send(client, 1, 0, LEAT_NOTE_UNIQUE);
    w.notes[client][w.note_count[client] - 1].hash = hash;
    answer(client, LEAT_PHASE_OK, joined, 1, l.job);
    l.position = 1;
    live(&l);
}

/* In memory: gone with the broker. */
static void
send_to_memory(unsigned client)
{
    const uint64_t first = send(client, 1, 0, 0);
    w.notes[client][w.note_count[client] - 1].extra = leat_note_name("mem", 3);
    answer(client, LEAT_PHASE_OK, first, 1, w.next_job++);
}

/* With a job that recovers it and one that comes after it. */
static void
send_followed(unsigned client)
{
    const uint32_t handler = leat_note_name("cleanup", 7);
    const uint64_t after_hash = ++w.next_hash;
    const unsigned worker = CLIENTS + below(WORKERS);
    const leat_note follow = {.number = w.number[client] + 1, .extra = handler};
    note(client, LEAT_NOTE_FOLLOW, 0, follow)->flags = LEAT_NOTE_RECOVERS;
    leat_note *const finally = note(client, LEAT_NOTE_FOLLOW, 0, follow);
    finally->flags = LEAT_NOTE_FINALLY;
    finally->hash = after_hash;
    const uint64_t hash = w.next_hash + 1;
    const uint64_t first = send(client, 1, 1, LEAT_NOTE_RECOVERS | LEAT_NOTE_FINALLY);
    const struct life l = {.job = w.next_job, .hash = hash, .batch = w.next_job, .position = 1};
    const struct life recovery = {.job = w.next_job + 1, .hash = ++w.next_hash};
    const struct life after = {.job = w.next_job + 2, .hash = after_hash};
    w.next_job += 3;
    answer(client, LEAT_PHASE_OK, first, 1, l.job);
    start(worker, &l, 1);
    report(worker, &l, 1, LEAT_END_FATAL, false);
    start(worker, &recovery, 1);
    w.notes[worker][w.note_count[worker] - 1].extra = handler;
    start(worker, &after, 1);
    w.notes[worker][w.note_count[worker] - 1].extra = handler;
    if (is_one_in(2)) { /* it has not ended */
        (void)fact((struct fact){
            .kind = FACT_LIVE,
            .stored = {
                       .id = recovery.job, .hash = recovery.hash, .recovers = l.job, .handler = handler}
        });
        (void)fact((struct fact){.kind = FACT_ATTEMPT, .job = recovery.job, .attempt = 1});
        return;
    }
    report(worker, &recovery, 1, LEAT_END_DONE, false);
    (void)fact((struct fact){.kind = FACT_FINAL, .job = recovery.job});
    end_with(&l, 1, LEAT_OUTCOME_DONE, last_result(worker));
}

static void
make_world(uint64_t seed)
{
    static void (*const acts[])(unsigned client) = {
        send_batch,   send_batch,   send_batch,  send_batch,     send_unanswered,
        send_refused, send_message, send_unique, send_to_memory, send_followed};
    memset(&w, 0, sizeof w);
    leat_random_seed(&w.random, seed);
    w.next_job = 1 + below(1000);
    w.next_hash = 1000 * seed;
    for (unsigned i = 0; i < HISTORIES; i++)
        (void)note(i, i < CLIENTS ? LEAT_NOTE_OPEN : LEAT_NOTE_SESSION, 0, (leat_note){0});
    for (unsigned i = 20 + below(20); i > 0; i--) {
        if (is_one_in(20)) { /* a worker begins a new session */
            const unsigned worker = CLIENTS + below(WORKERS);
            (void)note(worker, LEAT_NOTE_SESSION, 0, (leat_note){0});
            w.sequence[worker] = 0;
        }
        acts[i <= 10 ? i - 1 : below(10)](below(CLIENTS));
    }
    w.limits = (verdict_limits){.acknowledged_min = 1};
}

static verdict_counts
judge(void)
{
    verdict_counts counts;
    FILE *const out = fopen("/dev/null", "w");
    verdict *v = verdict_new();
    cr_assert(ne(ptr, out, NULL));
    verdict_memory_channel(v, "mem");
    for (unsigned i = 0; i < HISTORIES; i++) {
        verdict_history(v);
        for (unsigned k = 0; k < w.note_count[i]; k++)
            verdict_note(v, &w.notes[i][k]);
    }
    for (int phase = 0; phase < 2; phase++) { /* records before turns, as the store has them */
        for (unsigned i = 0; i < w.fact_count; i++) {
            const struct fact *const f = &w.facts[i];
            if ((f->kind == FACT_LIVE) != (phase == 0))
                continue;
            if (f->kind == FACT_LIVE)
                verdict_stored(v, &f->stored);
            else if (f->kind == FACT_END)
                verdict_end(v, &f->end);
            else if (f->kind == FACT_ATTEMPT)
                verdict_attempt(v, f->job, f->attempt);
            else if (f->kind == FACT_FINAL)
                verdict_final(v, f->job);
            else if (f->kind == FACT_DEAD)
                verdict_dead(v, f->job, f->attempt, f->failed, f->lost);
        }
    }
    verdict_judge(v, &w.limits, out, &counts);
    verdict_destroy(&v);
    (void)fclose(out);
    return counts;
}

/* "lost=1 phantom=2 " */
static const char *
violations_of(const verdict_counts *counts)
{
    static char text[512];
    size_t used = 0;
    text[0] = '\0';
#define SAY(name)                                                               \
    if (counts->name > 0)                                                       \
        used += (size_t)snprintf(text + used, sizeof text - used, #name "=%u ", \
                                 (unsigned)counts->name);
    VERDICT_VIOLATION_MAP(SAY)
#undef SAY
    return text;
}

Test(verdict, histories_that_are_as_they_should_be_are_valid)
{
    uint64_t redelivered = 0;
    uint64_t stale = 0;
    uint64_t shown = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        make_world(seed);
        const verdict_counts counts = judge();
        cr_assert(counts.valid, "seed %u: %s", (unsigned)seed, violations_of(&counts));
        cr_assert(gt(u64, counts.acknowledged, 10));
        cr_assert(gt(u64, counts.refused, 0));
        redelivered += counts.redelivered;
        stale += counts.stale;
        shown += counts.shown;
    }
    cr_expect(gt(u64, redelivered, 1000));
    cr_expect(gt(u64, stale, 100));
    cr_expect(gt(u64, shown, 5000));
}

/* ------------------------------------------------------------------------------- bad ones */

/* A note as wanted, one of those that there are at random; NULL: none. */
static leat_note *
find_note(leat_note_operation operation, leat_note_phase phase, unsigned *history)
{
    leat_note *found = NULL;
    unsigned seen = 0;
    for (unsigned i = 0; i < HISTORIES; i++) {
        for (unsigned k = 0; k < w.note_count[i]; k++) {
            leat_note *const n = &w.notes[i][k];
            if (n->operation != operation || (phase != 0 && n->phase != phase) ||
                !is_one_in(++seen))
                continue;
            found = n;
            *history = i;
        }
    }
    return found;
}

static void
drop_note(unsigned history, leat_note *n)
{
    const size_t at = (size_t)(n - w.notes[history]);
    memmove(n, n + 1, (--w.note_count[history] - at) * sizeof *n);
}

/* An end of that outcome, of a job that is not followed and shares no key; at random. */
static struct fact *
find_end(leat_outcome outcome)
{
    struct fact *found = NULL;
    unsigned seen = 0;
    for (unsigned i = 0; i < w.fact_count; i++) {
        struct fact *const f = &w.facts[i];
        bool special = false;
        for (unsigned k = 0; k < CLIENTS; k++)
            for (unsigned m = 0; m < w.note_count[k]; m++) {
                const leat_note *const n = &w.notes[k][m];
                special |= n->operation == LEAT_NOTE_SEND && n->phase == LEAT_PHASE_OK &&
                           n->job <= f->end.job && f->end.job < n->job + n->extra && m > 0 &&
                           w.notes[k][m - 1].flags != 0;
            }
        if (f->kind == FACT_END && f->end.outcome == outcome && !special && is_one_in(++seen))
            found = f;
    }
    return found;
}

/* Is the job acknowledged? (Some are of a lost answer.) */
static const leat_note *
acknowledgement_of(uint64_t job)
{
    for (unsigned k = 0; k < CLIENTS; k++)
        for (unsigned m = 0; m < w.note_count[k]; m++) {
            const leat_note *const n = &w.notes[k][m];
            if (n->operation == LEAT_NOTE_SEND && n->phase == LEAT_PHASE_OK && n->job <= job &&
                job < n->job + n->extra)
                return n;
        }
    return NULL;
}

static struct fact *
find_acknowledged_end(leat_outcome outcome)
{
    for (int tries = 0; tries < 1000; tries++) {
        struct fact *const f = find_end(outcome);
        if (f == NULL || acknowledgement_of(f->end.job) != NULL)
            return f;
    }
    return NULL;
}

static struct fact *
find_fact(int kind)
{
    for (unsigned i = 0; i < w.fact_count; i++)
        if ((int)w.facts[i].kind == kind && w.facts[i].stored.recovers == 0 &&
            !w.facts[i].stored.message)
            return &w.facts[i];
    return NULL;
}

static void
start_stranger(uint64_t hash)
{
    const struct life l = {.job = w.next_job++, .hash = hash};
    start(CLIENTS, &l, 1);
}

static bool
forget_a_job(void)
{
    struct fact *const f = find_acknowledged_end(LEAT_OUTCOME_EXPIRED);
    if (f == NULL)
        return false;
    f->kind = FACT_NONE;
    return true;
}

static bool
forget_a_live_job(void)
{
    struct fact *const f = find_fact(FACT_LIVE);
    if (f == NULL)
        return false;
    f->kind = FACT_NONE;
    return true;
}

static bool
forget_an_end(void)
{
    struct fact *const f = find_acknowledged_end(LEAT_OUTCOME_DONE);
    if (f == NULL)
        return false;
    f->kind = FACT_ATTEMPT; /* and the job lives */
    f->job = f->end.job;
    f->attempt = f->end.attempt;
    uint64_t hash = 0;
    for (unsigned i = CLIENTS; i < HISTORIES; i++)
        for (unsigned k = 0; k < w.note_count[i]; k++)
            if (w.notes[i][k].operation == LEAT_NOTE_START && w.notes[i][k].job == f->job)
                hash = w.notes[i][k].hash;
    (void)fact((struct fact){
        .kind = FACT_LIVE, .stored = {.id = f->job, .hash = hash}
    });
    return true;
}

static bool
forget_a_message(void)
{
    for (unsigned i = 0; i < w.fact_count; i++)
        if (w.facts[i].kind == FACT_LIVE && w.facts[i].stored.message) {
            w.facts[i].kind = FACT_NONE;
            return true;
        }
    return false;
}

static bool
give_a_number_twice(void)
{
    const struct fact *const f = find_fact(FACT_LIVE);
    if (f == NULL)
        return false;
    const uint64_t first = send(0, 1, 0, 0);
    w.notes[0][w.note_count[0] - 1].hash = f->stored.hash;
    answer(0, LEAT_PHASE_OK, first, 1, f->stored.id);
    return true;
}

static bool
start_what_was_never_sent(void)
{
    start_stranger(77);
    return true;
}

static bool
store_what_was_never_sent(void)
{
    (void)fact((struct fact){
        .kind = FACT_LIVE, .stored = {.id = w.next_job++, .hash = 77}
    });
    return true;
}

static bool
receive_what_was_never_sent(void)
{
    (void)note(0, LEAT_NOTE_RECEIVED, LEAT_PHASE_OK, (leat_note){.job = w.next_job++, .hash = 77});
    return true;
}

static bool
change_bytes(void)
{
    unsigned history;
    leat_note *n;
    do
        n = find_note(LEAT_NOTE_START, 0, &history);
    while (n != NULL && (acknowledgement_of(n->job) == NULL ||
                         (acknowledgement_of(n->job)[-1].flags & LEAT_NOTE_UNIQUE) != 0));
    if (n == NULL)
        return false;
    n->hash++;
    return true;
}

static bool
take_one_twice(void)
{
    const struct fact *const f = find_fact(FACT_LIVE);
    if (f == NULL)
        return false;
    start_stranger(f->stored.hash);
    return true;
}

static bool
take_an_unknown_one_twice(void)
{
    (void)send(0, 1, 0, 0);
    const uint64_t hash = w.next_hash;
    start_stranger(hash);
    start_stranger(hash);
    return true;
}

static bool
take_a_refused_one(void)
{
    unsigned history;
    leat_note *const n = find_note(LEAT_NOTE_SEND, LEAT_PHASE_FAIL, &history);
    start_stranger(n[-1].hash);
    return true;
}

static bool
change_a_result(void)
{
    struct fact *const f = find_end(LEAT_OUTCOME_DONE);
    if (f == NULL)
        return false;
    const uint64_t hash = f->end.hash + 1;
    for (unsigned i = 0; i < CLIENTS; i++)
        for (unsigned k = 0; k < w.note_count[i]; k++)
            if (w.notes[i][k].operation == LEAT_NOTE_SHOWN && w.notes[i][k].job == f->end.job)
                w.notes[i][k].hash = hash;
    f->end.hash = hash;
    return true;
}

static bool
end_twice(void)
{
    const struct fact *const f = find_end(LEAT_OUTCOME_DONE);
    if (f == NULL)
        return false;
    fact(*f)->end.position += 500;
    return true;
}

static bool
end_in_two_ways(void)
{
    const struct fact *const f = find_end(LEAT_OUTCOME_CANCELLED);
    if (f == NULL)
        return false;
    struct fact *const other = fact(*f);
    other->end.position = 0;
    other->end.outcome = LEAT_OUTCOME_EXPIRED;
    return true;
}

static bool
share_a_position(void)
{
    struct fact *const a = find_end(LEAT_OUTCOME_CANCELLED);
    struct fact *const b = find_end(LEAT_OUTCOME_EXPIRED);
    if (a == NULL || b == NULL)
        return false;
    struct fact *const c = fact(*a);
    c->end.batch = b->end.batch;
    c->end.position = b->end.position;
    return a->end.batch != b->end.batch;
}

static bool
show_again(void)
{
    unsigned history;
    leat_note *const n = find_note(LEAT_NOTE_SHOWN, 0, &history);
    if (n == NULL)
        return false;
    const size_t at = (size_t)(n - w.notes[history]);
    memmove(n + 1, n, (w.note_count[history]++ - at) * sizeof *n);
    return true;
}

static bool
show_not(void)
{
    unsigned history;
    leat_note *n;
    for (int tries = 0; tries < 1000; tries++) {
        n = find_note(LEAT_NOTE_SHOWN, 0, &history);
        if (n != NULL && n[1].operation == LEAT_NOTE_SHOWN && n[1].epoch == n->epoch) {
            drop_note(history, n);
            return true;
        }
    }
    return false;
}

static bool
start_an_attempt_twice(void)
{
    unsigned history;
    leat_note *const n = find_note(LEAT_NOTE_START, 0, &history);
    (void)note(CLIENTS, LEAT_NOTE_START, LEAT_PHASE_INVOKE, *n);
    return true;
}

static bool
start_before_it_is_on_disk(void)
{
    const struct fact *const f = find_fact(FACT_LIVE);
    if (f == NULL)
        return false;
    start(CLIENTS, &(struct life){.job = f->stored.id, .hash = f->stored.hash}, 9);
    return true;
}

static bool
fail_once_more(void)
{
    struct fact *const f = find_fact(FACT_DEAD);
    if (f == NULL || acknowledgement_of(f->job) == NULL)
        return false;
    f->failed = 99;
    return true;
}

static bool
accept_one_failure_more(void)
{
    const struct fact *const f = find_fact(FACT_DEAD);
    if (f == NULL || acknowledgement_of(f->job) == NULL)
        return false;
    for (int i = 0; i < 4; i++)
        report(CLIENTS, &(struct life){.job = f->job}, f->attempt, LEAT_END_FAILED, false);
    return true;
}

static bool
poison_an_innocent(void)
{
    (void)send(0, 1, 0, 0);
    start_stranger(w.next_hash);
    const uint64_t job = w.next_job - 1;
    report(CLIENTS, &(struct life){.job = job}, 1, LEAT_END_FAILED, false);
    (void)fact((struct fact){.kind = FACT_DEAD, .job = job, .attempt = 1, .lost = 3});
    return true;
}

static bool
accept_a_late_end(void)
{
    unsigned history;
    leat_note *const n = find_note(LEAT_NOTE_REPORT, LEAT_PHASE_FAIL, &history);
    if (n == NULL)
        return false;
    drop_note(history, n);
    return true;
}

static bool
complete_another_attempt(void)
{
    unsigned history;
    leat_note *n;
    for (int tries = 0; tries < 1000; tries++) {
        n = find_note(LEAT_NOTE_REPORT, LEAT_PHASE_INVOKE, &history);
        if (n == NULL || n->code != LEAT_END_DONE || n->attempt != 1 ||
            n[2].phase == LEAT_PHASE_FAIL)
            continue;
        for (unsigned i = 0; i < w.fact_count; i++) {
            struct fact *const f = &w.facts[i];
            if (f->kind != FACT_END || f->end.job != n->job || f->end.attempt != 1)
                continue;
            /* There was an attempt with the same result, and it is that one that is named. */
            leat_note again = n[-1];
            again.attempt = 2;
            for (unsigned k = 0; k < CLIENTS; k++)
                for (unsigned m = 0; m < w.note_count[k]; m++)
                    if (w.notes[k][m].operation == LEAT_NOTE_SHOWN && w.notes[k][m].job == n->job)
                        w.notes[k][m].attempt = 2;
            f->end.attempt = 2;
            (void)note(CLIENTS, LEAT_NOTE_END, LEAT_PHASE_OK, again);
            return acknowledgement_of(n->job) == NULL ||
                   (acknowledgement_of(n->job)[-1].flags & LEAT_NOTE_RECOVERS) == 0;
        }
    }
    return false;
}

static bool
leave_one_alive(void)
{
    w.limits.all_ended = true;
    return find_fact(FACT_LIVE) != NULL;
}

#define FIELD(name) offsetof(verdict_counts, name)
#define NOTHING     ((size_t)-1)

static const struct anomaly {
    const char *name;
    bool (*inject)(void); /* false: this world has nothing to do it with */
    size_t counter;
    size_t also; /* may be counted too */
} anomalies[] = {
#define ROW(inject, counter)                     \
    {                                            \
#inject, inject, FIELD(counter), NOTHING \
    }
#define ROW2(inject, counter, also)                  \
    {                                                \
#inject, inject, FIELD(counter), FIELD(also) \
    }
    ROW(forget_a_job, lost),
    ROW(forget_a_live_job, lost),
    ROW(forget_an_end, lost),
    ROW(forget_a_message, lost),
    ROW(give_a_number_twice, lost),
    ROW(start_what_was_never_sent, phantom),
    ROW(store_what_was_never_sent, phantom),
    ROW(receive_what_was_never_sent, phantom),
    ROW(change_bytes, phantom),
    ROW(take_one_twice, doubled),
    ROW(take_an_unknown_one_twice, doubled),
    ROW(take_a_refused_one, refused_taken),
    ROW(change_a_result, wrong_result),
    ROW(end_twice, duplicated_completion),
    ROW(end_in_two_ways, duplicated_completion),
    ROW(share_a_position, duplicated_completion),
    ROW(show_again, duplicated_completion),
    ROW(show_not, missed_completion),
    ROW(start_an_attempt_twice, attempts_exceeded),
    ROW(start_before_it_is_on_disk, attempts_exceeded),
    ROW(fail_once_more, attempts_exceeded),
    ROW(accept_one_failure_more, attempts_exceeded),
    ROW(poison_an_innocent, attempts_exceeded),
    ROW2(accept_a_late_end, stale_accepted, duplicated_completion),
    ROW(complete_another_attempt, stale_accepted),
    ROW(leave_one_alive, unfinished),
};
#define ANOMALIES (sizeof anomalies / sizeof *anomalies)

static uint64_t
counter_at(const verdict_counts *counts, size_t offset)
{
    uint64_t value = 0;
    if (offset != NOTHING)
        memcpy(&value, (const char *)counts + offset, sizeof value);
    return value;
}

static uint64_t
sum_of(const verdict_counts *counts)
{
    uint64_t sum = 0;
#define SUM(name) sum += counts->name;
    VERDICT_VIOLATION_MAP(SUM)
#undef SUM
    return sum;
}

Test(verdict, one_wrong_thing_is_found_and_named)
{
    unsigned done[ANOMALIES] = {0};
    unsigned histories = 0;
    for (uint64_t seed = 1; histories < 208 && seed < 5000; seed++) {
        const size_t kind = seed % ANOMALIES;
        const struct anomaly *const a = &anomalies[kind];
        make_world(seed);
        if (done[kind] >= 8 || !a->inject())
            continue;
        done[kind]++;
        histories++;
        const verdict_counts counts = judge();
        cr_expect(not(counts.valid), "%s, seed %u", a->name, (unsigned)seed);
        cr_expect(not(counts.inconclusive));
        cr_expect(gt(u64, counter_at(&counts, a->counter), 0), "%s, seed %u: %s", a->name,
                  (unsigned)seed, violations_of(&counts));
        cr_expect(eq(u64, sum_of(&counts),
                     counter_at(&counts, a->counter) + counter_at(&counts, a->also)),
                  "%s, seed %u: %s", a->name, (unsigned)seed, violations_of(&counts));
    }
    for (size_t i = 0; i < ANOMALIES; i++)
        cr_expect(eq(uint, done[i], 8), "%s: %u", anomalies[i].name, done[i]);
}

Test(verdict, too_little_is_inconclusive)
{
    make_world(1);
    w.limits.acknowledged_min = 100000;
    const verdict_counts counts = judge();
    cr_expect(counts.inconclusive);
    cr_expect(not(counts.valid));
    cr_expect(eq(u64, sum_of(&counts), 0));
}

Test(verdict, what_is_out_of_retention_is_not_lost_and_not_judged)
{
    make_world(3);
    struct fact *const f = find_acknowledged_end(LEAT_OUTCOME_DONE);
    cr_assert(ne(ptr, f, NULL));
    f->kind = FACT_NONE;
    w.limits.forgotten_max = 1;
    cr_expect(judge().valid); /* its end has been seen */
    cr_expect(eq(u64, judge().forgotten, 0));
    w.limits.forgotten_max = 0;
    cr_expect(gt(u64, judge().lost, 0));
}
