/* count_peers client|worker JOBS FOLDER: the way of a job through libleat, or through a worker,
 * without sockets, threads and clocks, for callgrind to count.
 *
 *     client   jobs into frames, completions out of frames
 *     worker   jobs out of frames, `noop`, ends into frames
 *
 * What the broker says lies in FOLDER, left there by count_core with the same JOBS. Only the
 * function leat_count_client or leat_count_worker is to be counted (callgrind --toggle-collect). It
 * prints how many jobs that were. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leat.h>

#include "tests/bench/count/link.h"
#include "tests/bench/count/shape.h"
#include "worker/parts.h"

#define FRAMES_MAX 65536U

void leat_count_client(leat_batch *batch, leat *broker, uint64_t jobs);
void leat_count_worker(leat_engine *worker, uint64_t jobs);

static leat_buf frames[FRAMES_MAX];
static size_t frame_count;

static bool
read_frames(const char *folder, const char *name)
{
    char path[4096];
    uint8_t size[4];
    (void)snprintf(path, sizeof path, "%s/%s.frames", folder, name);
    FILE *const file = fopen(path, "re");
    if (file == NULL)
        return false;
    while (frame_count < FRAMES_MAX && fread(size, sizeof size, 1, file) == 1) {
        leat_buf *const frame = &frames[frame_count++];
        const size_t bytes = leat_load_u32(size);
        uint8_t *const data = leat_buf_room(frame, bytes);
        if (data == NULL || fread(data, bytes, 1, file) != 1)
            break;
        frame->size = bytes;
    }
    const bool whole = feof(file) != 0;
    (void)fclose(file);
    return whole && frame_count > 0;
}

/* ---- what is counted ---- */

static void
must(leat_status status)
{
    assert(status == LEAT_OK);
    (void)status;
}

/* As `leat bench` does it: jobs in runs, completions in passing. */
__attribute__((noinline)) void
leat_count_client(leat_batch *batch, leat *broker, uint64_t jobs)
{
    static const char payload[PAYLOAD_BYTES];
    leat_wait *wait = NULL;
    leat_completed done;
    uint64_t ended = 0;
    for (uint64_t added = 0; added < jobs; added += FRAME_JOBS) {
        for (unsigned i = 0; i < FRAME_JOBS; i++)
            must(leat_batch_add(batch, "noop", payload, sizeof payload));
        if (added + FRAME_JOBS == TURN_JOBS) { /* so much is answered together */
            must(leat_batch_flush(batch));
            must(leat_wait_open(broker, leat_batch_id(batch), &wait));
        }
        while (wait != NULL && leat_wait_next(wait, &done, 0) == LEAT_OK)
            ended++;
    }
    while (ended < jobs) {
        must(leat_wait_next(wait, &done, -1));
        assert(done.outcome == LEAT_DONE);
        ended++;
    }
}

__attribute__((noinline)) void
leat_count_worker(leat_engine *worker, uint64_t jobs)
{
    leat_link_event event;
    while (worker->ended < jobs) {
        if (leat_link_next(worker->link, &event) && event.kind == LEAT_LINK_FRAME)
            leat_engine_on_event(worker, &event);
        leat_engine_start_jobs(worker);
        leat_outbox_flush(&worker->outbox, worker->link);
    }
}

/* ---- parts ---- */

static bool
count_client(uint64_t jobs)
{
    leat *broker;
    leat_batch *batch;
    leat_batch_options options;
    leat_count_link_frames(frames, frame_count);
    const leat_connect_options connection = {.broker = "tcp://127.0.0.1:1", .key_file = ""};
    must(leat_connect_with(&connection, &broker));
    leat_batch_options_init(&options);
    options.frame_records = FRAME_JOBS;
    must(leat_batch_open(broker, &options, &batch));
    leat_count_client(batch, broker, jobs);
    leat_disconnect(&broker);
    return leat_count_link_left() == 0;
}

static bool
count_worker(uint64_t jobs)
{
    leat_engine worker = {.phase = LEAT_WORKER_WORKING, .slot_max = 2, .signal_fd = -1, .up = true};
    size_t handler_count;
    const leat_handler *const handlers = leat_handlers(&handler_count);
    leat_count_link_frames(frames, frame_count);
    leat_line_init(&worker.line, handlers, handler_count);
    leat_outbox_init(&worker.outbox);
    leat_amounts_init(&worker.amounts, NULL, 0);
    const leat_err err = leat_link_new(&(leat_link_options){0}, &worker.link);
    assert(err == LEAT_ERR_OK);
    (void)err;
    leat_count_worker(&worker, jobs);
    const bool whole = worker.failed == 0 && leat_count_link_left() == 0;
    leat_line_fini(&worker.line);
    leat_outbox_fini(&worker.outbox);
    leat_buf_fini(&worker.scratch);
    leat_link_destroy(&worker.link);
    return whole;
}

int
main(int argc, char **argv)
{
    const char *const part = argc == 4 ? argv[1] : "";
    uint64_t jobs = argc == 4 ? strtoull(argv[2], NULL, 10) : 0;
    bool whole = false;
    if (jobs == 0 || (strcmp(part, "client") != 0 && strcmp(part, "worker") != 0)) {
        (void)fprintf(stderr, "count_peers client|worker JOBS FOLDER\n");
        return 2;
    }
    jobs += (uint64_t)WARM_TURNS * TURN_JOBS;
    if (read_frames(argv[3], part))
        whole = strcmp(part, "client") == 0 ? count_client(jobs) : count_worker(jobs);
    for (size_t i = 0; i < frame_count; i++)
        leat_buf_fini(&frames[i]);
    if (!whole)
        (void)fprintf(stderr, "count_peers: the frames in %s are not those of %llu jobs\n", argv[3],
                      (unsigned long long)jobs);
    (void)printf("%llu\n", (unsigned long long)jobs);
    return whole ? 0 : 1;
}
