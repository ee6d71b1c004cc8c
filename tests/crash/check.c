/* crash_check: reads the histories of a run and the store that it has left, and judges them.
 *
 *     crash_check --store DIR [OPTION…] HISTORY_DIR
 *
 *     --memory CHANNEL   what this channel had may be lost (may be given again)
 *     --at-least N       fewer acknowledged: inconclusive (default 1)
 *     --ended            everything has to have ended
 *     --some-unrecorded  workers without a history took part
 *     --moments FILE     lines "START END", monotonic us, the lives of a broker: how long after the
 *                        start was a record acknowledged? What was over before is not counted.
 *
 * Prints a witness a line, then one JSON object. Exit codes: 0 valid · 1 violated · 2 inconclusive
 * · 125 it could not be judged. Nobody may have the store open meanwhile. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/core/machine.h"
#include "broker/core/object.h"
#include "broker/store/lmdb.h"
#include "proto/base/log.h"
#include "tests/crash/verdict.h"

#define EXIT_VIOLATED     1
#define EXIT_INCONCLUSIVE 2
#define EXIT_CANNOT       125
#define FETCHES           512U

struct task {
    const char *store;
    const char *histories;
    const char *moments;
    verdict_limits limits;
    verdict *v;
    leat_store *open;
    uint64_t stopped;
    leat_fetch fetches[FETCHES];
    size_t fetch_count;
    bool failed;
};

static int
complain(const char *what, const char *why)
{
    (void)fprintf(stderr, "crash_check: %s: %s\n", what, why);
    return EXIT_CANNOT;
}

/* ------------------------------------------------------------------------------- histories */

static bool
read_history(struct task *task, const char *path)
{
    leat_recording recording;
    leat_note note;
    leat_err err = leat_recording_open(path, &recording);
    if (err != LEAT_ERR_OK) {
        (void)complain(path, leat_err_message(err));
        return false;
    }
    verdict_history(task->v);
    while ((err = leat_recording_next(&recording, &note)) == LEAT_ERR_OK)
        verdict_note(task->v, &note);
    task->stopped += recording.is_stopped;
    leat_recording_close(&recording);
    if (err == LEAT_ERR_NOT_FOUND)
        return true;
    (void)complain(path, "notes follow one that is damaged");
    return false;
}

static int
is_history(const struct dirent *entry)
{
    const char *const dot = strrchr(entry->d_name, '.');
    return dot != NULL && strcmp(dot, ".history") == 0;
}

/* A process that was killed before it had written anything has left an empty file. */
static bool
is_empty(const char *path)
{
    FILE *const file = fopen(path, "r");
    uint8_t first[LEAT_NOTE_BYTES] = {0};
    static const uint8_t nothing[LEAT_NOTE_BYTES];
    if (file == NULL)
        return false;
    const size_t size = fread(first, 1, sizeof first, file);
    (void)fclose(file);
    return size == 0 || memcmp(first, nothing, sizeof nothing) == 0;
}

static bool
read_histories(struct task *task)
{
    struct dirent **entries = NULL;
    bool whole = true;
    const int count = scandir(task->histories, &entries, is_history, alphasort);
    if (count < 0) {
        char text[64];
        (void)complain(task->histories, leat_log_errno_text(errno, text, sizeof text));
        return false;
    }
    for (int i = 0; i < count; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", task->histories, entries[i]->d_name);
        if (whole && !is_empty(path))
            whole = read_history(task, path);
        free(entries[i]);
    }
    free(entries);
    return whole;
}

/* ------------------------------------------------------------------------------- the store */

static leat_err
on_object(void *context, leat_object_kind kind, uint64_t id, const uint8_t *data, size_t size)
{
    struct task *const task = context;
    leat_reader r = leat_reader_over(data, size);
    if (kind != LEAT_OBJECT_DEAD)
        return LEAT_ERR_OK;
    const uint8_t format = leat_read_u8(&r);
    (void)leat_read_text8(&r); /* channel, handler */
    (void)leat_read_text8(&r);
    (void)leat_read_bytes(&r, 8 + 4 + 8 + 8); /* batch, place, owner */
    const uint32_t attempts = leat_read_u32(&r);
    const uint16_t failed = leat_read_u16(&r);
    const uint16_t lost = leat_read_u16(&r);
    if (r.failed || format < 1 || format > 2)
        return LEAT_ERR_CORRUPT;
    verdict_dead(task->v, id, attempts, failed, lost);
    return LEAT_ERR_OK;
}

static leat_err
on_pack(void *context, uint64_t first_id, const uint8_t *data, size_t size)
{
    struct task *const task = context;
    leat_pack pack;
    leat_pack_head head;
    leat_err err = leat_pack_open(data, size, &pack);
    if (err == LEAT_ERR_OK)
        err = leat_object_read_pack_head(pack.head, pack.head_size, &head);
    for (uint8_t i = 0; err == LEAT_ERR_OK && i < pack.count; i++) {
        leat_pack_job one;
        leat_pack_next(&pack, &one);
        verdict_stored(task->v, &(verdict_stored_job){
                                    .id = first_id + one.offset,
                                    .hash = leat_note_hash(one.payload, one.payload_bytes),
                                    .recovers = head.recovers,
                                    .handler = leat_note_name(head.handler.data, head.handler.size),
                                    .message = head.message});
    }
    return err;
}

static leat_err
read_log(struct task *task, const uint8_t *data, size_t size, uint64_t batch, uint64_t position)
{
    leat_reader log = leat_reader_over(data, size);
    leat_items_run run;
    const leat_err err = leat_log_open(&log, &run);
    for (uint16_t i = 0; err == LEAT_ERR_OK && i < run.n; i++) {
        leat_completion c;
        leat_items_next_completion(&log, &c);
        verdict_end(task->v, &(verdict_completion){
                                 .batch = batch == 0 ? c.job : batch,
                                 .position = position == 0 || batch == 0 ? position : position + i,
                                 .job = c.job,
                                 .attempt = c.attempt,
                                 .outcome = (uint8_t)c.outcome,
                                 .hash = leat_note_hash(c.result.data, c.result.size)});
    }
    return err;
}

static leat_err
on_turn(void *context, uint64_t number, const uint8_t *data, size_t size)
{
    struct task *const task = context;
    leat_reader record = leat_reader_over(data, size);
    leat_turn_entry entry;
    leat_err err = LEAT_ERR_OK;
    (void)number;
    while (err == LEAT_ERR_OK && leat_turn_next(&record, &entry)) {
        if (entry.kind == LEAT_TURN_LEASES) {
            for (uint32_t i = 0; i < entry.n; i++) {
                uint64_t job;
                uint32_t attempt;
                leat_turn_lease(&entry, i, &job, &attempt);
                verdict_attempt(task->v, job, attempt);
            }
        } else if (entry.kind == LEAT_TURN_ENDS) {
            err = read_log(task, entry.data, entry.size, entry.id, entry.number);
        } else if (entry.kind == LEAT_TURN_ITEM) {
            verdict_attempt(task->v, entry.id, entry.attempt);
            if (leat_state_is_final((leat_state)entry.state))
                verdict_final(task->v, entry.id);
        }
    }
    return err == LEAT_ERR_OK && record.failed ? LEAT_ERR_CORRUPT : err;
}

static void
on_ended(void *context, const leat_fetched *fetched)
{
    struct task *const task = context;
    if (fetched->err == LEAT_ERR_NOT_FOUND)
        return;
    if (fetched->err != LEAT_ERR_OK || read_log(task, fetched->data, fetched->size, fetched->batch,
                                                fetched->position) != LEAT_ERR_OK)
        task->failed = true;
}

static void
fetch_ended(struct task *task)
{
    if (leat_store_fetch(task->open, task->fetches, task->fetch_count, on_ended, task) !=
        LEAT_ERR_OK)
        task->failed = true;
    task->fetch_count = 0;
}

static void
ask_for(void *context, uint64_t job)
{
    struct task *const task = context;
    task->fetches[task->fetch_count++] = (leat_fetch){.kind = LEAT_FETCH_ENDED, .id = job};
    if (task->fetch_count == FETCHES)
        fetch_ended(task);
}

/* What lives, and ends that are still in turns; then, of all that is known by name, the ends that
 * have gone into history. */
static int
read_store(struct task *task)
{
    char why[512] = "";
    leat_store_facts facts;
    /* Nothing may go out of retention while it is looked at. */
    const leat_store_lmdb_options options = {
        .path = task->store, .retention = {UINT64_MAX, UINT64_MAX, UINT64_MAX}
    };
    const leat_load load = {.context = task, .object = on_object, .pack = on_pack, .turn = on_turn};
    leat_err err = leat_store_lmdb_open(&options, &task->open, why);
    if (err != LEAT_ERR_OK)
        return complain(task->store, why);
    assert(task->open != NULL);
    err = leat_store_load(task->open, &load);
    if (err != LEAT_ERR_OK)
        return complain(task->store, leat_err_message(err));
    verdict_each_job(task->v, ask_for, task);
    fetch_ended(task);
    leat_store_get_facts(task->open, &facts);
    task->limits.forgotten_max = facts.history_dropped;
    return task->failed ? complain(task->store, "an ended job cannot be read") : 0;
}

/* ------------------------------------------------------------------------------- the answer */

static int
compare_times(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Median and worst time until an answer, in us; 0 of 0: none was asked for. */
static bool
look_at_moments(const struct task *task, size_t *count, uint64_t *median_us, uint64_t *worst_us)
{
    char line[64];
    uint64_t *times = NULL;
    *count = 0;
    FILE *const file = task->moments == NULL ? NULL : fopen(task->moments, "r");
    if (file == NULL)
        return task->moments == NULL;
    while (fgets(line, sizeof line, file) != NULL) {
        char *next;
        const uint64_t start_us = strtoull(line, &next, 10);
        const uint64_t end_us = strtoull(next, NULL, 10);
        const uint64_t after_us = verdict_first_ok_us(task->v, start_us);
        if (after_us > end_us - start_us)
            continue;
        times = reallocarray(times, *count + 1, sizeof *times);
        assert(times != NULL);
        times[(*count)++] = after_us;
    }
    (void)fclose(file);
    if (*count > 0)
        qsort(times, *count, sizeof *times, compare_times);
    *median_us = *count == 0 ? 0 : times[*count / 2];
    *worst_us = *count == 0 ? 0 : times[*count - 1];
    free(times);
    return true;
}

static int
tell(struct task *task)
{
    verdict_counts counts;
    verdict_judge(task->v, &task->limits, stdout, &counts);
    counts.stopped = task->stopped;
    if (task->stopped > 0) {
        (void)printf("%" PRIu64 " histories had no room: what they lack cannot be judged\n",
                     task->stopped);
        counts.inconclusive = true;
        counts.valid = false;
    }
    size_t moments;
    uint64_t median_us = 0;
    uint64_t worst_us = 0;
    if (!look_at_moments(task, &moments, &median_us, &worst_us))
        return complain(task->moments, "cannot be read");
    (void)putchar('{');
#define TELL(name) (void)printf("\"" #name "\": %" PRIu64 ", ", counts.name);
    VERDICT_VIOLATION_MAP(TELL)
    VERDICT_FIGURE_MAP(TELL)
#undef TELL
    (void)printf("\"moments\": %zu, \"median_us\": %" PRIu64 ", \"worst_us\": %" PRIu64 ", ",
                 moments, median_us, worst_us);
    (void)printf("\"inconclusive\": %s, \"valid\": %s}\n", counts.inconclusive ? "true" : "false",
                 counts.valid ? "true" : "false");
    return counts.valid ? 0 : counts.inconclusive ? EXIT_INCONCLUSIVE : EXIT_VIOLATED;
}

static bool
read_arguments(struct task *task, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "--store") == 0 && has_value)
            task->store = argv[++i];
        else if (strcmp(argv[i], "--moments") == 0 && has_value)
            task->moments = argv[++i];
        else if (strcmp(argv[i], "--memory") == 0 && has_value)
            verdict_memory_channel(task->v, argv[++i]);
        else if (strcmp(argv[i], "--at-least") == 0 && has_value)
            task->limits.acknowledged_min = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--ended") == 0)
            task->limits.all_ended = true;
        else if (strcmp(argv[i], "--some-unrecorded") == 0)
            task->limits.starts_may_lack = true;
        else if (argv[i][0] != '-' && task->histories == NULL)
            task->histories = argv[i];
        else
            return false;
    }
    return task->store != NULL && task->histories != NULL;
}

int
main(int argc, char **argv)
{
    static struct task task = {.limits.acknowledged_min = 1};
    int code = EXIT_CANNOT;
    task.v = verdict_new();
    leat_log_set_level(LEAT_LOG_WARN);
    if (!read_arguments(&task, argc, argv))
        (void)fputs("crash_check --store DIR [--memory CHANNEL] [--at-least N] [--ended] "
                    "[--some-unrecorded] HISTORY_DIR\n",
                    stderr);
    else if (read_histories(&task) && read_store(&task) == 0)
        code = tell(&task);
    leat_store_destroy(&task.open);
    verdict_destroy(&task.v);
    return code;
}
