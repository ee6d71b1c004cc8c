/* The rules. See verdict.h. */
#include "tests/crash/verdict.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/records.h"

#define WITNESSES_MAX 5U /* of each kind */

/* ------------------------------------------------------------------------------- containers */

/* A growing array of one type. */
typedef struct rows {
    void *data;
    size_t count;
    size_t room;
} rows;

static void *
add_row(rows *r, size_t size)
{
    if (r->count == r->room) {
        r->room = r->room == 0 ? 64 : r->room * 2;
        r->data = reallocarray(r->data, r->room, size);
        assert(r->data != NULL);
    }
    void *const row = (char *)r->data + r->count++ * size;
    memset(row, 0, size);
    return row;
}

#define ADD(rows, type)    ((type *)add_row(&(rows), sizeof(type)))
#define ROW(rows, type, i) (&((type *)(rows).data)[i])

/* Numbers to indices of rows, open addressing; 0 is no key. */
typedef struct map {
    uint64_t *keys;
    uint32_t *values;
    size_t room; /* a power of two */
    size_t count;
} map;

static size_t
place_of(const map *m, uint64_t key)
{
    size_t at = (size_t)(key * 0x9e3779b97f4a7c15ULL >> 20) & (m->room - 1);
    while (m->keys[at] != 0 && m->keys[at] != key)
        at = (at + 1) & (m->room - 1);
    return at;
}

static void
grow_map(map *m)
{
    const map before = *m;
    m->room = before.room == 0 ? 1024 : before.room * 2;
    m->keys = calloc(m->room, sizeof *m->keys);
    m->values = calloc(m->room, sizeof *m->values);
    assert(m->keys != NULL && m->values != NULL);
    for (size_t i = 0; i < before.room; i++) {
        if (before.keys[i] == 0)
            continue;
        const size_t at = place_of(m, before.keys[i]);
        m->keys[at] = before.keys[i];
        m->values[at] = before.values[i];
    }
    free(before.keys);
    free(before.values);
}

/* The value of key; *is_new: there was none, and the caller sets it. */
static uint32_t *
map_at(map *m, uint64_t key, bool *is_new)
{
    assert(key != 0);
    if (m->count * 2 >= m->room)
        grow_map(m);
    const size_t at = place_of(m, key);
    *is_new = m->keys[at] == 0;
    m->count += *is_new;
    m->keys[at] = key;
    return &m->values[at];
}

static const uint32_t *
map_find(const map *m, uint64_t key)
{
    if (m->room == 0 || key == 0)
        return NULL;
    const size_t at = place_of(m, key);
    return m->keys[at] == key ? &m->values[at] : NULL;
}

static void
free_map(map *m)
{
    free(m->keys);
    free(m->values);
}

/* ------------------------------------------------------------------------------- what is known */

typedef enum fate {
    FATE_UNKNOWN = 0, /* also: never answered */
    FATE_IN,
    FATE_REFUSED,
} fate;

/* A record that was sent. */
typedef struct sent {
    uint64_t hash;
    uint32_t channel;
    uint32_t limits;
    uint8_t fate;
    uint8_t flags;
    bool used; /* there was an invoke */
} sent;

typedef struct job {
    uint64_t id;
    uint64_t hash;
    uint64_t batch;
    uint32_t history; /* where it was acknowledged, and as what; for witnesses */
    uint64_t number;
    uint32_t limits;
    uint32_t stored_attempt;
    uint32_t highest_start;
    uint32_t starts;
    uint32_t done_report; /* the attempt whose DONE was accepted */
    uint16_t done_reports;
    uint16_t failures; /* accepted */
    uint16_t dead_failed;
    uint16_t dead_lost;
    uint8_t flags; /* of its SEND */
    bool acknowledged;
    bool memory;
    bool live;
    bool ended;      /* a completion in the store */
    bool shown;      /* … to a waiter */
    bool finished;   /* without a completion: a message, a job that follows */
    bool dead;       /* on the list of the dead */
    bool recovering; /* its end will be another one's */
    bool received;   /* message */
} job;

typedef struct start {
    uint64_t job;
    uint64_t time_us;
    uint64_t hash;
    uint32_t attempt;
    uint32_t handler;
} start;

typedef struct end {
    uint64_t job;
    uint64_t hash;
    uint32_t attempt;
    uint32_t code;
} end;

typedef enum answer {
    ANSWER_NONE = 0,
    ANSWER_ACCEPTED,
    ANSWER_STALE,
} answer;

typedef struct report {
    uint64_t job;
    uint64_t time_us;
    uint32_t attempt;
    uint8_t code;
    uint8_t answer;
} report;

/* A frame of reports, of the history that is being read. */
typedef struct frame {
    uint64_t sequence;
    size_t first;
    size_t count;
    bool answered;
} frame;

typedef struct shown {
    verdict_completion c;
    uint32_t history; /* 0: the store */
} shown;

/* What was sent under one hash. */
typedef struct payload {
    uint32_t sent;
    uint32_t acknowledged;
    uint32_t unknown;
    uint32_t refused;
    uint32_t unexplained; /* ids that are not acknowledged */
} payload;

struct verdict {
    uint64_t gone; /* acknowledged jobs that are nowhere, for which retention may answer */
    rows jobs;
    map job_of;
    rows payloads;
    map payload_of;
    rows starts;
    rows ends;
    rows reports;
    rows shown;
    rows memory;  /* uint32_t: names of channels */
    rows follows; /* leat_note */
    rows oks;     /* uint64_t: when a frame was acknowledged, us */
    bool retried;

    /* Of the history that is being read. */
    uint32_t history;
    rows sent;         /* by number - 1 */
    rows frames;       /* by number - 1 */
    size_t frame_from; /* the first of this session */
    rows positions;    /* uint64_t by the wait's serial - 1 */
    uint64_t early[3]; /* duplicated, missed, doubled numbers, seen while reading */

    verdict_counts *counts; /* while it judges */
    FILE *out;
};

verdict *
verdict_new(void)
{
    verdict *const v = calloc(1, sizeof *v);
    assert(v != NULL);
    return v;
}

static void
free_rows(rows *r)
{
    free(r->data);
    *r = (rows){0};
}

void
verdict_destroy(verdict **verdict_p)
{
    verdict *const v = *verdict_p;
    *verdict_p = NULL;
    if (v == NULL)
        return;
    rows *const all[] = {&v->jobs,   &v->payloads, &v->starts, &v->ends,   &v->reports,   &v->shown,
                         &v->memory, &v->follows,  &v->sent,   &v->frames, &v->positions, &v->oks};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) /* NOLINT(bugprone-sizeof-expression) */
        free_rows(all[i]);
    free_map(&v->job_of);
    free_map(&v->payload_of);
    free(v);
}

static job *
job_at(verdict *v, uint64_t id)
{
    bool is_new;
    uint32_t *const index = map_at(&v->job_of, id, &is_new);
    if (is_new) {
        *index = (uint32_t)v->jobs.count;
        ADD(v->jobs, job)->id = id;
    }
    return ROW(v->jobs, job, *index);
}

/* A hash of nothing is 0, which is no key. */
static payload *
payload_at(verdict *v, uint64_t hash)
{
    bool is_new;
    uint32_t *const index = map_at(&v->payload_of, hash + 1, &is_new);
    if (is_new) {
        *index = (uint32_t)v->payloads.count;
        (void)ADD(v->payloads, payload);
    }
    return ROW(v->payloads, payload, *index);
}

void
verdict_memory_channel(verdict *v, const char *channel)
{
    *ADD(v->memory, uint32_t) = leat_note_name(channel, strlen(channel));
}

static bool
is_memory(const verdict *v, uint32_t channel)
{
    for (size_t i = 0; i < v->memory.count; i++)
        if (*ROW(v->memory, uint32_t, i) == channel)
            return true;
    return false;
}

/* ------------------------------------------------------------------------------- histories */

/* What is left of a history's sends has no answer. */
static void
close_history(verdict *v)
{
    for (size_t i = 0; i < v->sent.count; i++) {
        const sent *const s = ROW(v->sent, sent, i);
        if (!s->used)
            continue;
        payload *const p = payload_at(v, s->hash);
        p->sent++;
        p->acknowledged += s->fate == FATE_IN;
        p->unknown += s->fate == FATE_UNKNOWN;
        p->refused += s->fate == FATE_REFUSED;
    }
    v->sent.count = 0;
    v->frames.count = 0;
    v->frame_from = 0;
    v->positions.count = 0;
}

void
verdict_history(verdict *v)
{
    close_history(v);
    v->history++;
}

static sent *
sent_at(verdict *v, uint64_t number)
{
    while (v->sent.count < number)
        (void)ADD(v->sent, sent);
    return ROW(v->sent, sent, number - 1);
}

static void
acknowledge(verdict *v, const sent *s, uint64_t number, uint64_t id, uint64_t batch)
{
    job *const j = job_at(v, id);
    const bool both_unique = (j->flags & s->flags & LEAT_NOTE_UNIQUE) != 0;
    if (j->acknowledged && !both_unique)
        v->early[2]++;
    j->acknowledged = true;
    j->hash = s->hash;
    j->batch = batch;
    j->history = v->history;
    j->number = number;
    j->limits = s->limits;
    j->flags |= s->flags;
    j->memory = is_memory(v, s->channel);
}

static void
note_send(verdict *v, const leat_note *note)
{
    if (note->phase == LEAT_PHASE_INVOKE) {
        sent *const s = sent_at(v, note->number);
        *s = (sent){.hash = note->hash,
                    .channel = note->extra,
                    .limits = note->attempt,
                    .flags = note->flags,
                    .used = true};
        return;
    }
    if (note->phase == LEAT_PHASE_OK)
        *ADD(v->oks, uint64_t) = note->time_us;
    for (uint32_t i = 0; i < note->extra; i++) {
        sent *const s = sent_at(v, note->number + i);
        s->fate = note->phase == LEAT_PHASE_OK     ? FATE_IN
                  : note->phase == LEAT_PHASE_FAIL ? FATE_REFUSED
                                                   : FATE_UNKNOWN;
        if (s->fate == FATE_IN && s->used)
            acknowledge(v, s, note->number + i, note->job + i, note->batch);
    }
}

static void
note_shown(verdict *v, const leat_note *note)
{
    while (v->positions.count < note->epoch)
        (void)ADD(v->positions, uint64_t);
    uint64_t *const last = ROW(v->positions, uint64_t, note->epoch - 1);
    if (note->number <= *last)
        v->early[0]++;
    else if (note->number > *last + 1)
        v->early[1]++;
    *last = note->number;
    *ADD(v->shown, shown) = (shown){
        .c = {.batch = note->batch,
              .position = note->number,
              .job = note->job,
              .hash = note->hash,
              .attempt = note->attempt,
              .outcome = note->code},
        .history = v->history
    };
    job_at(v, note->job)->shown = true;
}

static void
note_start(verdict *v, const leat_note *note)
{
    job *const j = job_at(v, note->job);
    *ADD(v->starts, start) = (start){.job = note->job,
                                     .time_us = note->time_us,
                                     .hash = note->hash,
                                     .attempt = note->attempt,
                                     .handler = note->extra};
    j->starts++;
    if (note->attempt > j->highest_start)
        j->highest_start = note->attempt;
}

static void
note_end(verdict *v, const leat_note *note)
{
    *ADD(v->ends, end) =
        (end){.job = note->job, .hash = note->hash, .attempt = note->attempt, .code = note->code};
}

static frame *
frame_of(verdict *v, uint64_t sequence)
{
    for (size_t i = v->frames.count; i > v->frame_from; i--) {
        frame *const f = ROW(v->frames, frame, i - 1);
        if (f->sequence == sequence)
            return f;
        if (f->sequence != 0 && f->sequence < sequence)
            return NULL; /* of another kind of frame */
    }
    return NULL;
}

static void
note_report(verdict *v, const leat_note *note)
{
    if (note->phase == LEAT_PHASE_FAIL) {
        const frame *const f = frame_of(v, note->number);
        for (size_t i = 0; f != NULL && !f->answered && i < f->count; i++) {
            report *const r = ROW(v->reports, report, f->first + i);
            if (r->job == note->job && r->attempt == note->attempt)
                r->answer = ANSWER_STALE;
        }
        return;
    }
    while (v->frames.count < note->number)
        *ADD(v->frames, frame) = (frame){.first = v->reports.count};
    frame *const f = ROW(v->frames, frame, note->number - 1);
    if (note->phase == LEAT_PHASE_OK) {
        f->sequence = note->batch;
        return;
    }
    f->count++;
    *ADD(v->reports, report) = (report){
        .job = note->job, .time_us = note->time_us, .attempt = note->attempt, .code = note->code};
}

/* Only the first answer counts: a repeat does not name again what was refused. */
static void
note_answer(verdict *v, const leat_note *note)
{
    frame *const f = frame_of(v, note->number);
    if (f == NULL || f->answered)
        return;
    f->answered = true;
    for (size_t i = 0; i < f->count && note->phase == LEAT_PHASE_OK; i++) {
        report *const r = ROW(v->reports, report, f->first + i);
        if (r->answer == ANSWER_NONE)
            r->answer = ANSWER_ACCEPTED;
    }
}

void
verdict_note(verdict *v, const leat_note *note)
{
    switch (note->operation) {
    case LEAT_NOTE_SESSION:
        v->frame_from = v->frames.count;
        break;
    case LEAT_NOTE_SEND:
        note_send(v, note);
        break;
    case LEAT_NOTE_FOLLOW:
        *ADD(v->follows, leat_note) = *note;
        break;
    case LEAT_NOTE_SHOWN:
        note_shown(v, note);
        break;
    case LEAT_NOTE_RECEIVED: {
        *ADD(v->starts, start) =
            (start){.job = note->job, .time_us = note->time_us, .hash = note->hash};
        job_at(v, note->job)->received = true;
        break;
    }
    case LEAT_NOTE_RETRY:
        v->retried = true;
        break;
    case LEAT_NOTE_START:
        note_start(v, note);
        break;
    case LEAT_NOTE_END:
        note_end(v, note);
        break;
    case LEAT_NOTE_REPORT:
        note_report(v, note);
        break;
    case LEAT_NOTE_ANSWER:
        note_answer(v, note);
        break;
    default: /* OPEN, STOPPED, CANCEL say nothing here */
        break;
    }
}

void
verdict_each_job(verdict *v, void (*call)(void *context, uint64_t job), void *context)
{
    const size_t count = v->jobs.count; /* call may bring more */
    for (size_t i = 0; i < count; i++) {
        const job *const j = ROW(v->jobs, job, i);
        if (!j->live && !j->ended && !j->finished)
            call(context, j->id);
    }
}

/* ------------------------------------------------------------------------------- the store */

void
verdict_stored(verdict *v, const verdict_stored_job *stored)
{
    job *const j = job_at(v, stored->id);
    j->live = true;
    if (stored->message)
        j->flags |= LEAT_NOTE_MESSAGE;
    if (stored->recovers != 0)
        job_at(v, stored->recovers)->recovering = true; /* invalidates j */
    *ADD(v->starts, start) =
        (start){.job = stored->id, .hash = stored->hash, .handler = stored->handler};
}

void
verdict_attempt(verdict *v, uint64_t id, uint32_t attempt)
{
    job *const j = job_at(v, id);
    if (attempt > j->stored_attempt)
        j->stored_attempt = attempt;
}

void
verdict_final(verdict *v, uint64_t id)
{
    job *const j = job_at(v, id);
    j->finished = true;
    j->live = false;
}

void
verdict_end(verdict *v, const verdict_completion *c)
{
    job *const j = job_at(v, c->job);
    j->ended = true;
    if ((j->flags & LEAT_NOTE_UNIQUE) == 0 || c->outcome != LEAT_OUTCOME_CANCELLED)
        j->live = false;
    j->recovering = false;
    *ADD(v->shown, shown) = (shown){.c = *c};
    verdict_attempt(v, c->job, c->attempt);
}

void
verdict_dead(verdict *v, uint64_t id, uint32_t attempts, uint16_t failed, uint16_t lost)
{
    job *const j = job_at(v, id);
    j->dead = true;
    j->dead_lost = lost;
    j->dead_failed = failed;
    verdict_attempt(v, id, attempts);
}

/* ------------------------------------------------------------------------------- judging */

__attribute__((format(printf, 4, 5))) static void
witness(verdict *v, uint64_t *count, const char *kind, const char *format, ...)
{
    va_list args;
    if (++*count > WITNESSES_MAX)
        return;
    (void)fprintf(v->out, "%s: ", kind);
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    (void)vfprintf(v->out, format, args);
    va_end(args);
    (void)fputc('\n', v->out);
}
#define WITNESS(v, kind, ...) witness((v), &(v)->counts->kind, #kind, __VA_ARGS__)

static bool
has_flag(const job *j, uint8_t flag)
{
    return (j->flags & flag) != 0;
}

/* ---- sent, and gone? ---- */

static void
judge_acknowledged(verdict *v, const verdict_limits *limits, const job *j)
{
    verdict_counts *const n = v->counts;
    n->acknowledged++;
    n->messages += has_flag(j, LEAT_NOTE_MESSAGE);
    if (j->memory)
        return;
    n->durable++;
    const bool is_there = j->live || j->ended || j->dead || j->recovering || j->finished;
    /* So many have gone by the store's own count. Whose end was seen has ended. */
    if (!is_there && !j->received && v->gone < limits->forgotten_max) {
        v->gone++;
        n->forgotten += !j->shown && j->done_reports == 0;
    } else if (!is_there && !j->received)
        WITNESS(v, lost,
                "job %" PRIu64 " of batch %" PRIu64 " (history %u, record %" PRIu64
                "): acknowledged, and neither in the store nor ended",
                j->id, j->batch, j->history, j->number);
}

static void
judge_end(verdict *v, const verdict_limits *limits, const job *j)
{
    if (j->memory || (!j->shown && j->done_reports == 0))
        return;
    const bool ended = j->ended || j->finished || j->recovering;
    if (!ended && !(limits->forgotten_max > 0 && !j->live) && (j->acknowledged || j->live))
        WITNESS(v, lost, "the end of job %" PRIu64 " was %s, and is not in the store", j->id,
                j->shown ? "shown to a waiter" : "accepted from its worker");
}

static void
judge_live(verdict *v, const verdict_limits *limits, const job *j)
{
    if (!j->live || j->ended || j->received)
        return;
    v->counts->live++;
    if (limits->all_ended && !has_flag(j, LEAT_NOTE_MESSAGE)) /* it may have no receiver */
        WITNESS(v, unfinished, "job %" PRIu64 " of batch %" PRIu64 " lives", j->id, j->batch);
}

/* ---- attempts ---- */

static uint32_t
or_default(uint32_t given, uint32_t fallback)
{
    return given == 0 ? fallback : given;
}

static void
judge_attempts(verdict *v, const job *j)
{
    const uint32_t failures = or_default(j->limits & 0xffffU, LEAT_FAILURES_DEFAULT);
    const uint32_t losses = or_default(j->limits >> 16, LEAT_LOSSES_DEFAULT);
    const bool in_store = j->live || j->ended || j->dead;
    const uint32_t failed = j->failures > j->dead_failed ? j->failures : j->dead_failed;
    if (j->acknowledged && failed > failures)
        WITNESS(v, attempts_exceeded, "job %" PRIu64 " has failed %u times, %u are allowed", j->id,
                failed, failures);
    if (j->acknowledged && j->dead_lost > losses)
        WITNESS(v, attempts_exceeded, "job %" PRIu64 " was lost %u times, %u are allowed", j->id,
                j->dead_lost, losses);
    /* An end that the worker has noted may have died with it on its way out: that is a loss, too.
     */
    const uint32_t heard = j->failures + (j->done_reports > 0 ? 1U : 0U);
    if (j->dead_lost > 0 && j->starts > 0 && heard <= j->starts && j->dead_lost > j->starts - heard)
        WITNESS(v, attempts_exceeded,
                "job %" PRIu64 " is poison of %u losses, and ran in %u of them", j->id,
                j->dead_lost, j->starts - heard);
    /* A batch that has left a job which it shares has an end of it without an attempt. */
    if (!j->memory && in_store && !has_flag(j, LEAT_NOTE_RECOVERS) &&
        !has_flag(j, LEAT_NOTE_UNIQUE) && j->highest_start > j->stored_attempt)
        WITNESS(v, attempts_exceeded,
                "job %" PRIu64 ": attempt %u was started, the store knows of %u", j->id,
                j->highest_start, j->stored_attempt);
    v->counts->redelivered += j->starts > 1;
}

static int
compare_starts(const void *left, const void *right)
{
    const start *const a = left;
    const start *const b = right;
    if (a->job != b->job)
        return a->job < b->job ? -1 : 1;
    return (a->attempt > b->attempt) - (a->attempt < b->attempt);
}

static bool
is_follower(const verdict *v, const start *s)
{
    for (size_t i = 0; i < v->follows.count; i++) {
        const leat_note *const f = ROW(v->follows, leat_note, i);
        if (f->extra == s->handler && (f->flags == LEAT_NOTE_RECOVERS || f->hash == s->hash))
            return true;
    }
    return false;
}

/* A job that nobody was told of: is it one of those that may be? */
static void
judge_stranger(verdict *v, const start *s)
{
    const uint32_t *const index = map_find(&v->payload_of, s->hash + 1);
    payload *const p = index == NULL ? NULL : ROW(v->payloads, payload, *index);
    if (is_follower(v, s) || (v->retried && p != NULL && p->acknowledged > 0))
        return;
    if (p == NULL) {
        WITNESS(v, phantom, "job %" PRIu64 " was never sent", s->job);
        return;
    }
    if (++p->unexplained <= p->unknown)
        return;
    if (p->refused > 0 && p->unknown + p->acknowledged == 0)
        WITNESS(v, refused_taken, "job %" PRIu64 " is one that was refused", s->job);
    else
        WITNESS(v, doubled, "job %" PRIu64 ": its record is another job already", s->job);
}

static void
judge_starts(verdict *v)
{
    if (v->starts.count == 0)
        return;
    qsort(v->starts.data, v->starts.count, sizeof(start), compare_starts);
    for (size_t i = 0; i < v->starts.count; i++) {
        const start *const s = ROW(v->starts, start, i);
        const start *const before = i == 0 ? NULL : s - 1;
        const bool is_first = before == NULL || before->job != s->job;
        const job *const j = job_at(v, s->job);
        v->counts->starts += s->attempt > 0;
        v->counts->received += j->received && s->attempt == 0;
        if (!is_first && s->attempt > 0 && before->attempt == s->attempt)
            WITNESS(v, attempts_exceeded, "attempt %u of job %" PRIu64 " was started twice",
                    s->attempt, s->job);
        if (j->acknowledged && s->hash != j->hash && !has_flag(j, LEAT_NOTE_UNIQUE))
            WITNESS(v, phantom, "job %" PRIu64 " has other bytes than were sent", s->job);
        if (!j->acknowledged && is_first)
            judge_stranger(v, s);
    }
}

/* ---- ends of attempts ---- */

static int
compare_ends(const void *left, const void *right)
{
    const end *const a = left;
    const end *const b = right;
    if (a->job != b->job)
        return a->job < b->job ? -1 : 1;
    return (a->attempt > b->attempt) - (a->attempt < b->attempt);
}

/* The first start of a later attempt of the job, or NULL; starts are sorted. */
static const start *
later_start(const verdict *v, uint64_t id, uint32_t attempt)
{
    size_t low = 0;
    size_t high = v->starts.count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const start *const s = ROW(v->starts, start, middle);
        if (s->job < id || (s->job == id && s->attempt <= attempt))
            low = middle + 1;
        else
            high = middle;
    }
    const start *const found = low < v->starts.count ? ROW(v->starts, start, low) : NULL;
    return found != NULL && found->job == id ? found : NULL;
}

static void
judge_reports(verdict *v)
{
    for (size_t i = 0; i < v->reports.count; i++) {
        const report *const r = ROW(v->reports, report, i);
        job *const j = job_at(v, r->job);
        v->counts->reports++;
        v->counts->stale += r->answer == ANSWER_STALE;
        if (r->answer != ANSWER_ACCEPTED)
            continue;
        v->counts->accepted++;
        const start *const later = later_start(v, r->job, r->attempt);
        if (later != NULL && (r->code == LEAT_END_DONE || later->time_us < r->time_us))
            WITNESS(v, stale_accepted,
                    "job %" PRIu64 ": the end of attempt %u was accepted, attempt %u was out",
                    r->job, r->attempt, later->attempt);
        if (r->code != LEAT_END_DONE) {
            j->failures++;
            continue;
        }
        if (++j->done_reports > 1)
            WITNESS(v, duplicated_completion,
                    "job %" PRIu64 ": attempts %u and %u were both accepted as done", r->job,
                    j->done_report, r->attempt);
        j->done_report = r->attempt;
    }
}

static bool
is_reported(const verdict *v, const verdict_completion *c)
{
    const end key = {.job = c->job, .attempt = c->attempt};
    const end *const found =
        v->ends.count == 0 ? NULL
                           : bsearch(&key, v->ends.data, v->ends.count, sizeof key, compare_ends);
    return found != NULL && found->hash == c->hash && found->code == LEAT_END_DONE;
}

/* ---- completions ---- */

static int
compare_shown(const void *left, const void *right)
{
    const verdict_completion *const a = &((const shown *)left)->c;
    const verdict_completion *const b = &((const shown *)right)->c;
    if (a->batch != b->batch)
        return a->batch < b->batch ? -1 : 1;
    if (a->position != b->position)
        return a->position < b->position ? -1 : 1;
    return 0;
}

static int
compare_by_job(const void *left, const void *right)
{
    const verdict_completion *const a = &((const shown *)left)->c;
    const verdict_completion *const b = &((const shown *)right)->c;
    if (a->job != b->job)
        return a->job < b->job ? -1 : 1;
    if (a->batch != b->batch)
        return a->batch < b->batch ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

static bool
is_same_end(const verdict_completion *a, const verdict_completion *b)
{
    return a->job == b->job && a->attempt == b->attempt && a->outcome == b->outcome &&
           a->hash == b->hash;
}

static void
judge_completion(verdict *v, const verdict_limits *limits, const verdict_completion *c)
{
    const job *const j = job_at(v, c->job);
    if (c->outcome != LEAT_OUTCOME_DONE || has_flag(j, LEAT_NOTE_RECOVERS))
        return;
    if (!is_reported(v, c) && !limits->starts_may_lack)
        WITNESS(v, wrong_result,
                "job %" PRIu64 " is done by attempt %u with a result that it has not had", c->job,
                c->attempt);
    else if (j->done_reports > 0 && j->done_report != c->attempt)
        WITNESS(v, stale_accepted,
                "job %" PRIu64 ": attempt %u was accepted, the completion names %u", c->job,
                j->done_report, c->attempt);
}

static void
judge_shown(verdict *v, const verdict_limits *limits)
{
    shown *const all = v->shown.data;
    if (v->shown.count == 0)
        return;
    qsort(all, v->shown.count, sizeof *all, compare_shown);
    for (size_t i = 0; i < v->shown.count; i++) {
        const verdict_completion *const c = &all[i].c;
        const bool is_repeat =
            i > 0 && c->position != 0 && compare_shown(&all[i], &all[i - 1]) == 0;
        v->counts->shown += all[i].history != 0;
        if (is_repeat && !is_same_end(c, &all[i - 1].c))
            WITNESS(v, duplicated_completion,
                    "position %" PRIu64 " of batch %" PRIu64 " is an end of job %" PRIu64
                    " and another one of job %" PRIu64,
                    c->position, c->batch, all[i - 1].c.job, c->job);
        if (!is_repeat)
            judge_completion(v, limits, c);
    }
    qsort(all, v->shown.count, sizeof *all, compare_by_job);
    for (size_t i = 1; i < v->shown.count; i++) {
        const verdict_completion *const a = &all[i - 1].c;
        const verdict_completion *const b = &all[i].c;
        if (a->job != b->job || a->batch != b->batch)
            continue;
        if (!is_same_end(a, b))
            WITNESS(v, duplicated_completion,
                    "job %" PRIu64 " has ended in two ways, of attempts %u and %u", a->job,
                    a->attempt, b->attempt);
        else if (a->position != 0 && a->position != b->position)
            WITNESS(v, duplicated_completion,
                    "job %" PRIu64 " has ended at position %" PRIu64 " and at %" PRIu64
                    " of batch %" PRIu64,
                    a->job, a->position, b->position, a->batch);
    }
}

static void
judge_jobs(verdict *v, const verdict_limits *limits)
{
    for (size_t i = 0; i < v->jobs.count; i++) {
        const job *const j = ROW(v->jobs, job, i);
        if (j->acknowledged)
            judge_acknowledged(v, limits, j);
        judge_end(v, limits, j);
        judge_live(v, limits, j);
        judge_attempts(v, j);
    }
    for (size_t i = 0; i < v->payloads.count; i++) {
        const payload *const p = ROW(v->payloads, payload, i);
        v->counts->unknown += p->unknown;
        v->counts->refused += p->refused;
    }
}

static int
compare_moments(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

uint64_t
verdict_first_ok_us(const verdict *v, uint64_t moment_us)
{
    size_t low = 0;
    size_t high = v->oks.count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (*ROW(v->oks, uint64_t, middle) <= moment_us)
            low = middle + 1;
        else
            high = middle;
    }
    return low == v->oks.count ? UINT64_MAX : *ROW(v->oks, uint64_t, low) - moment_us;
}

static void
judge_early(verdict *v, const verdict_limits *limits)
{
    for (uint64_t i = 0; i < v->early[0]; i++)
        WITNESS(v, duplicated_completion, "a waiter was shown a position again");
    for (uint64_t i = 0; i < v->early[1] && limits->forgotten_max == 0; i++)
        WITNESS(v, missed_completion, "a waiter was shown a position without the one before it");
    for (uint64_t i = 0; i < v->early[2]; i++)
        WITNESS(v, lost, "two records were acknowledged as the same job");
}

void
verdict_judge(verdict *v, const verdict_limits *limits, FILE *out, verdict_counts *counts)
{
    *counts = (verdict_counts){.histories = v->history};
    v->counts = counts;
    v->out = out;
    close_history(v);
    if (v->ends.count > 0)
        qsort(v->ends.data, v->ends.count, sizeof(end), compare_ends);
    if (v->oks.count > 0)
        qsort(v->oks.data, v->oks.count, sizeof(uint64_t), compare_moments);
    judge_early(v, limits);
    judge_starts(v);
    judge_reports(v);
    judge_shown(v, limits);
    judge_jobs(v, limits);

    bool violated = false;
#define VERDICT_SUM(name) violated |= counts->name > 0;
    VERDICT_VIOLATION_MAP(VERDICT_SUM)
#undef VERDICT_SUM
    counts->inconclusive =
        !violated && (counts->acknowledged < limits->acknowledged_min || counts->forgotten > 0);
    counts->valid = !violated && !counts->inconclusive;
}
