/* count_core JOBS FOLDER: a recorded input through codec, core and memory store, without sockets,
 * threads and clocks, for callgrind to count.
 *
 * A client and a worker of the test world move JOBS jobs through a core. What the core was given is
 * written down and given to a second one, in the function leat_count_core, which is what is to be
 * counted (callgrind --toggle-collect). What it said to the two is left in FOLDER, client.frames
 * and worker.frames, for count_peers. It prints how many jobs were counted. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/count/recording.h"
#include "tests/bench/count/shape.h"
#include "tests/lib/peers.h"

#define TURN_FRAMES 4U
#define DONE_JOBS   1000U
#define CREDIT      8194U

void leat_count_core(leat_recording *recording);

/* ---- the recording ---- */

static test_world world; /* 2 KiB of peers and more: not on the stack */
static test_peer *client;
static test_peer *worker;

/* A frame's worth of jobs, four times; they run; their completions are acknowledged. */
static void
turn(leat_send_head *head)
{
    const size_t from = worker->job_count;
    for (unsigned i = 0; i < TURN_FRAMES; i++)
        (void)peer_send(client, head, FRAME_JOBS, PAYLOAD_BYTES);
    must_settle(&world);
    if (head->batch == 0) {
        const test_answer *const answer = must_answer(client, 1);
        head->batch = answer->sent.batch;
        head->tag = 0;
        peer_wait(client, head->batch, 0, LEAT_GOAL_ALL, 0, 65536);
    }
    /* Of a handler that it does not know the core hands out a few first. */
    for (size_t at = from; at < from + TURN_JOBS;) {
        const size_t here = worker->job_count - at;
        const size_t n = here < DONE_JOBS ? here : DONE_JOBS;
        assert(n > 0);
        for (size_t i = at; i < at + n; i++)
            worker->jobs[i].payload.size = 0; /* noop answers nothing */
        worker->started = worker->jobs[at + n - 1].number;
        (void)peer_done_many(worker, at, n, LEAT_END_DONE, 0);
        at += n;
        if (at == worker->job_count)
            must_settle(&world);
    }
    peer_ack_position(client, head->batch, worker->job_count);
    world_jump(&world, 1);
}

static leat_recording *
record(uint64_t jobs)
{
    leat_recording *recording;
    leat_recording_begin(&recording);
    world_init(&world);
    client = must_client(&world);
    worker = must_worker(&world, "w1", 2, "noop:inline");
    peer_credit(worker, CREDIT);
    leat_send_head head = test_head("noop", 1);
    for (unsigned i = 0; i < WARM_TURNS; i++)
        turn(&head);
    leat_recording_mark(recording);
    for (uint64_t done = 0; done < jobs; done += TURN_JOBS)
        turn(&head);
    leat_recording_end(recording);
    assert(client->completion_count == worker->job_count);
    return recording;
}

/* ---- what is counted ---- */

__attribute__((noinline)) void
leat_count_core(leat_recording *recording)
{
    leat_recording_play(recording);
}

/* ---- what it said ---- */

/* Frames of two commands, each behind its size in four bytes. */
static bool
leave(const test_peer *peer, const char *folder, const char *name, unsigned one, unsigned other)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s.frames", folder, name);
    FILE *const file = fopen(path, "we");
    if (file == NULL)
        return false;
    bool written = true;
    for (size_t i = 0; i < peer->frame_count; i++) {
        const leat_buf *const frame = &peer->frames[i];
        const unsigned command = frame->data[COMMAND_AT];
        uint8_t size[4];
        if (command != one && command != other)
            continue;
        leat_store_u32(size, (uint32_t)frame->size);
        written = written && fwrite(size, sizeof size, 1, file) == 1 &&
                  fwrite(frame->data, frame->size, 1, file) == 1;
    }
    return fclose(file) == 0 && written;
}

int
main(int argc, char **argv)
{
    const uint64_t jobs = argc == 3 ? strtoull(argv[1], NULL, 10) : 0;
    if (jobs == 0 || jobs % TURN_JOBS != 0) {
        (void)fprintf(stderr, "count_core JOBS FOLDER: JOBS is a multiple of %u\n", TURN_JOBS);
        return 2;
    }
    leat_recording *recording = record(jobs);
    leat_recording_prepare(recording);
    leat_count_core(recording);
    const bool same = leat_recording_is_same(recording);
    const bool written = leave(client, argv[2], "client", LEAT_CMD_SENT, LEAT_CMD_ITEMS) &&
                         leave(worker, argv[2], "worker", LEAT_CMD_JOBS, LEAT_CMD_JOBS);
    leat_recording_destroy(&recording);
    world_fini(&world);
    if (!same)
        (void)fprintf(stderr, "count_core: the second core did not say what the first had said\n");
    if (!written)
        (void)fprintf(stderr, "count_core: %s cannot be written\n", argv[2]);
    (void)printf("%llu\n", (unsigned long long)jobs);
    return same && written ? 0 : 1;
}
