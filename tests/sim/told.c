/* What running jobs tell: progress and log lines as noise with a number, checkpoints with one that
 * rises. The oracle knows which numbers an old attempt has told for certain, and between which two
 * the checkpoint lies that a next attempt must be given. */
#include <inttypes.h>

#include "tests/sim/sim.h"

#define CHECKPOINT_WORD  0x51e40006U /* then u64 id · u32 number */
#define CHECKPOINT_BYTES 16U

/* ---------------------------------------------------------------------------------- telling */

/* The number travels as what is done, and as an offset. */
static void
say(sim *s, sim_peer *peer, const leat_token *token)
{
    static const uint8_t line[] = "line\n";
    const bool is_log = sim_chance(s, 40000);
    const uint64_t number = ++s->told;
    leat_buf frame = {0};
    leat_frame_begin(&frame, is_log ? LEAT_CMD_LOG : LEAT_CMD_PROGRESS);
    if (is_log)
        leat_output_put(&frame, &(leat_output){
                                    .from.token = *token,
                                    .stream = LEAT_STREAM_LOG,
                                    .offset = number,
                                    .data = {line, sizeof line - 1}
        });
    else
        leat_progress_put(&frame,
                          &(leat_progress){.from.token = *token, .done = number, .of = token->id});
    leat_frame_finish(&frame, 0, 1, 0);
    sim_peer_say(s, peer, &frame);
    leat_buf_fini(&frame);
}

void
sim_told_work(sim *s, sim_peer *peer)
{
    for (size_t i = 0; i < peer->hold_count; i++) {
        const sim_hold *const hold = &peer->holds[i];
        if (hold->state != SIM_RUNNING)
            continue;
        sim_job *const job = sim_job_find(s, hold->token.id);
        if (job->checkpoint_said < SIM_CHECKPOINTS_MAX && peer->report_count < SIM_HELD_MAX / 2 &&
            sim_chance(s, 1000)) {
            peer->reports[peer->report_count++] = (sim_report){
                .token = hold->token,
                .command = LEAT_CMD_CHECKPOINT,
                .checkpoint = ++job->checkpoint_said,
                .trusted = hold->trusted,
            };
            sim_note(s, "worker %u leaves checkpoint %u of job %" PRIu64 ".%u", peer->index,
                     job->checkpoint_said, job->id, hold->token.attempt);
        }
        if (peer->state != SIM_UP || s->told + 1 >= SIM_TOLD_MAX || !sim_chance(s, 6000))
            continue;
        leat_token token = hold->token;
        if (token.attempt > 1 && sim_chance(s, 40000))
            token.attempt--; /* what it is not any more */
        say(s, peer, &token);
    }
}

void
sim_told_put(leat_buf *frame, const sim_report *report)
{
    uint8_t data[CHECKPOINT_BYTES];
    leat_store_u32(data, CHECKPOINT_WORD);
    leat_store_u64(data + 4, report->token.id);
    leat_store_u32(data + 12, report->checkpoint);
    leat_checkpoint_put(frame, &(leat_checkpoint_record){
                                   .token = report->token, .data = {data, sizeof data}
    });
}

/* ---------------------------------------------------------------------------------- the oracle */

/* Told by an attempt that is not the job's present one, whatever is still on its way. */
static bool
is_old(const sim *s, const leat_token *token)
{
    const sim_job *const job = sim_job_find(s, token->id);
    return job == NULL || job->ended || token->attempt < job->attempt_out;
}

void
sim_told_read(sim *s, const leat_buf *buf)
{
    leat_frame frame;
    leat_reader records;
    leat_progress progress;
    leat_output output;
    const uint8_t *const body = buf->data + LEAT_FRAME_BYTES;
    const size_t size = buf->size - LEAT_FRAME_BYTES;
    if (leat_frame_decode(buf->data, buf->size, LEAT_SIDE_PEER, &frame) != LEAT_ERR_OK)
        sim_fail(s, "a frame of ours that cannot be read");
    if (frame.command == LEAT_CMD_PROGRESS &&
        leat_progress_open(body, size, frame.count, &records) == LEAT_ERR_OK) {
        leat_progress_next(&records, &progress);
        s->told_old[progress.done] |= is_old(s, &progress.from.token);
    } else if (frame.command == LEAT_CMD_LOG &&
               leat_output_open(body, size, frame.count, &records) == LEAT_ERR_OK) {
        leat_output_next(&records, &output);
        s->told_old[output.offset] |= is_old(s, &output.from.token);
    }
}

static void
check_told(sim *s, const sim_peer *peer, const leat_teller *from, uint64_t number)
{
    if (number == 0 || number > s->told)
        sim_fail(s, "peer %u is told %" PRIu64 ", which no job has told", peer->index, number);
    if (s->told_old[number])
        sim_fail(s, "peer %u is told what an old attempt of job %" PRIu64 " tells", peer->index,
                 from->token.id);
    s->figures.told++;
}

void
sim_told_out(
    sim *s, const sim_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    const bool is_log = frame->command == LEAT_CMD_LOG;
    leat_reader records;
    const leat_err err = is_log ? leat_output_open(body, size, frame->count, &records)
                                : leat_progress_open(body, size, frame->count, &records);
    if (err != LEAT_ERR_OK || peer->worker)
        sim_fail(s, "peer %u is told what it cannot read", peer->index);
    for (unsigned i = 0; i < frame->count; i++) {
        leat_progress progress = {0};
        leat_output output = {0};
        if (is_log)
            leat_output_next(&records, &output);
        else
            leat_progress_next(&records, &progress);
        if (is_log)
            check_told(s, peer, &output.from, output.offset);
        else if (progress.from.token.id != 0)
            check_told(s, peer, &progress.from, progress.done);
    }
}

void
sim_told_acked(sim *s, const sim_report *report)
{
    sim_job *const job = sim_job_find(s, report->token.id);
    if (job->checkpoint_acked < report->checkpoint)
        job->checkpoint_acked = report->checkpoint;
    s->figures.checkpoints++;
}

void
sim_told_stale(sim *s, const sim_report *report)
{
    sim_job *const job = sim_job_find(s, report->token.id);
    job->checkpoints_stale |= 1ULL << report->checkpoint;
}

void
sim_told_job(sim *s, const sim_job *job, const leat_jobs_job *record)
{
    const leat_bytes *const data = &record->checkpoint;
    if (data->size == 0) {
        if (job->checkpoint_acked > 0)
            sim_fail(s,
                     "checkpoint %u of job %" PRIu64 " is acknowledged, and attempt %u gets none",
                     job->checkpoint_acked, job->id, record->attempt);
        return;
    }
    if (data->size != CHECKPOINT_BYTES || leat_load_u32(data->data) != CHECKPOINT_WORD ||
        leat_load_u64(data->data + 4) != job->id)
        sim_fail(s, "job %" PRIu64 ".%u gets a checkpoint that is not its own", job->id,
                 record->attempt);
    const uint32_t number = leat_load_u32(data->data + 12);
    if (number < job->checkpoint_acked || number > job->checkpoint_said)
        sim_fail(s, "job %" PRIu64 ".%u gets checkpoint %u, %u is acknowledged and %u the last",
                 job->id, record->attempt, number, job->checkpoint_acked, job->checkpoint_said);
    if ((job->checkpoints_stale >> number & 1U) != 0)
        sim_fail(s, "job %" PRIu64 ".%u gets checkpoint %u, which was STALE", job->id,
                 record->attempt, number);
    s->figures.restored++;
}
