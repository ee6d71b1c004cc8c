/* crash_script: a small story of everything that a broker can be told, always the same.
 *
 *     crash_script --broker URL --promises FILE [--trace FILE] [--rounds N] [--pause MS] [--resume]
 *
 * A client and a worker in one thread, each step waits for its answer. What is meant and what is
 * promised goes into FILE (promise.h). --rounds 0: until the broker is gone. --resume: a broker
 * that dies is waited for, and the story goes on. --pause: twice a round nothing is said for so
 * long, so that the broker comes to move what has ended into history. Ends with 0 when everything
 * was as PROTOCOL.md says, 1 when not, 3 when the broker is gone.
 *
 * A round: jobs alone, a batch over several chunks of ids, payloads of many pages, delayed ones, a
 * batch that waits for another, a job with recover and finally, two that share a unique key,
 * messages; some are cancelled; the worker ends the others as done, failed, fatal, snoozed and
 * released; the batch is sealed, waited for and acknowledged; what is dead is sent again. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/records.h"
#include "tests/crash/promise.h"
#include "tests/crash/speaker.h"

#define HANDLER        "step"
#define JOBS_MANY      40U
#define JOBS_BIG       2U
#define BYTES_BIG      20000U
#define BYTES_SMALL    24U
#define MESSAGES       3U
#define MESSAGES_TAKEN 2U
#define HELD_MAX       256U
#define OPS_A_ROUND    32U
#define TAGS_A_ROUND   3U
#define HOUR_MS        3600000U
#define SLOTS          64U

struct held {
    leat_token token;
    uint32_t word, op, index;
    bool again; /* this attempt is not the first */
    bool told;  /* its end is in a frame that has left */
};

struct story {
    crash_promises promises;
    speaker client, worker;
    uint32_t op;
    uint32_t tag;
    long pause_ms;

    struct held held[HELD_MAX];
    unsigned held_count;
    uint64_t started; /* highest number of JOBS */

    /* what the client waits for at the moment */
    uint64_t waiting; /* batch, 0: none */
    uint64_t position;
    bool goal;
    unsigned wanted; /* messages */
    uint64_t messages[MESSAGES_TAKEN];
    unsigned message_count;
    leat_sent sent;
    leat_acked acked;
    uint64_t reply_batch, reply_jobs;
};

static void
promise(struct story *s, crash_promise what)
{
    crash_promise_add(&s->promises, what);
}

/* ------------------------------------------------------------------------------ what comes in */

static void
keep_job(struct story *s, uint64_t epoch, const leat_jobs_job *job)
{
    for (unsigned i = 0; i < s->held_count; i++) {
        if (s->held[i].token.id == job->id && s->held[i].token.attempt >= job->attempt)
            speaker_die(SPEAKER_VIOLATED, "job %" PRIu64 " has come a second time as attempt %u",
                        job->id, job->attempt);
    }
    if (s->held_count == HELD_MAX)
        speaker_die(SPEAKER_VIOLATED, "more jobs than were granted");
    struct held held = {
        .token = {.id = job->id, .attempt = job->attempt, .epoch = epoch}
    };
    held.again = job->attempt > 1;
    if (!crash_payload_read(job->payload.data, job->payload.size, &held.word, &held.op,
                            &held.index) &&
        (job->payload.size == 0 || job->payload.data[0] != '{')) /* of a recover job */
        speaker_die(SPEAKER_VIOLATED, "job %" PRIu64 " has a payload that nobody sent", job->id);
    s->held[s->held_count++] = held;
    promise(s, (crash_promise){.kind = CRASH_GIVEN,
                               .id = job->id,
                               .attempt = job->attempt,
                               .flags = held.word == 0 ? CRASH_FLAG_FOLLOW : 0});
}

static void
on_jobs(struct story *s)
{
    leat_jobs_head head;
    leat_reader records;
    if (leat_jobs_open(s->worker.body, s->worker.size, s->worker.frame.count, &head, &records) !=
        LEAT_ERR_OK)
        speaker_die(SPEAKER_VIOLATED, "a JOBS that is none");
    uint64_t number = head.first_number;
    for (uint16_t i = 0; i < s->worker.frame.count; i++) {
        leat_jobs_run run;
        leat_jobs_next_run(&records, &run);
        for (uint16_t j = 0; j < run.jobs; j++) {
            leat_jobs_job job;
            leat_jobs_next_job(&records, &run, &job);
            keep_job(s, head.epoch, &job);
            s->started = number++;
        }
    }
}

static void
on_completions(struct story *s, const leat_items_run *run, leat_reader *records)
{
    if ((run->flags & (LEAT_ITEMS_LOST | LEAT_ITEMS_UNKNOWN | LEAT_ITEMS_EXPIRED)) != 0)
        speaker_die(SPEAKER_VIOLATED, "batch %" PRIu64 " is not known any more", run->batch);
    for (uint16_t i = 0; i < run->n; i++) {
        leat_completion completion;
        leat_items_next_completion(records, &completion);
        if (run->batch != s->waiting || run->first_position + i <= s->position)
            continue; /* handed out again */
        if (run->first_position + i != s->position + 1)
            speaker_die(SPEAKER_VIOLATED, "batch %" PRIu64 " has a hole before %" PRIu64,
                        run->batch, run->first_position + i);
        s->position++;
    }
    if (run->batch == s->waiting && (run->flags & LEAT_ITEMS_GOAL) != 0)
        s->goal = true;
}

static void
on_message(struct story *s, uint64_t id)
{
    for (unsigned i = 0; i < s->message_count; i++) {
        if (s->messages[i] == id)
            return; /* again, after a reconnect */
    }
    if (s->message_count < s->wanted)
        s->messages[s->message_count++] = id;
}

static void
on_items(struct story *s)
{
    leat_reader records;
    if (leat_items_open(s->client.body, s->client.size, s->client.frame.count, &records) !=
        LEAT_ERR_OK)
        speaker_die(SPEAKER_VIOLATED, "an ITEMS that is none");
    for (uint16_t i = 0; i < s->client.frame.count; i++) {
        leat_items_run run;
        leat_items_next_run(&records, &run);
        if (run.kind == LEAT_ITEMS_COMPLETIONS) {
            on_completions(s, &run, &records);
            continue;
        }
        for (uint16_t j = 0; j < run.n; j++) {
            leat_message message;
            leat_items_next_message(&records, &message);
            on_message(s, message.id);
        }
    }
}

/* One frame of this side; JOBS, ITEMS and STOP are dealt with. */
static leat_command
hear(struct story *s, speaker *side)
{
    const leat_command command = speaker_read(side);
    if (command == LEAT_CMD_JOBS)
        on_jobs(s);
    else if (command == LEAT_CMD_ITEMS)
        on_items(s);
    else if (command == LEAT_CMD_STOP)
        speaker_die(SPEAKER_VIOLATED, "the worker is told to stop what nobody has cancelled");
    return command;
}

/* Send buf and read on until its answer, a frame of this command, is there. */
static leat_reader
ask(struct story *s, speaker *side, leat_buf *buf, leat_command answer)
{
    leat_reader records = {0};
    speaker_ask(side, buf);
    for (;;) {
        leat_err err = LEAT_ERR_OK;
        uint64_t sequence = 0;
        if (hear(s, side) != answer)
            continue;
        if (answer == LEAT_CMD_REPLY)
            break;
        if (answer == LEAT_CMD_SENT) {
            err = leat_sent_open(side->body, side->size, side->frame.count, &records);
            if (err == LEAT_ERR_OK)
                leat_sent_next(&records, &s->sent);
            sequence = s->sent.sequence;
        } else {
            err = leat_acked_open(side->body, side->size, side->frame.count, &records);
            if (err == LEAT_ERR_OK)
                leat_acked_next(&records, &s->acked);
            sequence = s->acked.sequence;
        }
        if (err != LEAT_ERR_OK)
            speaker_die(SPEAKER_VIOLATED, "an answer that is none");
        if (sequence == side->sequence)
            break;
    }
    speaker_answered(side);
    return records;
}

/* ------------------------------------------------------------------------------ the client */

struct sending {
    uint32_t n;
    uint32_t bytes;
    uint32_t tag;
    uint8_t flags; /* of promise.h */
    bool seal;
    leat_settings settings;
};

/* SEND; returns the op's number. s->sent has the answer, without its sentence. */
static uint32_t
send_items(struct story *s, struct sending what)
{
    static uint8_t payload[BYTES_BIG];
    const uint32_t op = ++s->op;
    leat_send_head head = leat_send_head_default();
    leat_buf buf = {0};
    head.flags = what.seal ? LEAT_SEND_SEAL : 0;
    head.channel = leat_text_of((what.flags & CRASH_FLAG_MESSAGE) != 0 ? "news" : "default");
    head.handler = leat_text_of((what.flags & CRASH_FLAG_MESSAGE) != 0 ? "" : HANDLER);
    head.tag = what.tag;
    head.settings = what.settings;
    leat_frame_begin(&buf, LEAT_CMD_SEND);
    leat_send_put_head(&buf, &head);
    for (uint32_t i = 0; i < what.n; i++) {
        crash_payload_make(CRASH_PAYLOAD_SENT, op, i, payload, what.bytes);
        leat_send_put(&buf, payload, what.bytes);
    }
    leat_frame_finish(&buf, 0, (uint16_t)what.n, 0);
    promise(s, (crash_promise){.kind = CRASH_SENDING,
                               .op = op,
                               .n = what.n,
                               .bytes = what.bytes,
                               .flags = what.flags});
    (void)ask(s, &s->client, &buf, LEAT_CMD_SENT);
    if (s->sent.code != LEAT_ERR_OK || s->sent.accepted != what.n)
        speaker_die(SPEAKER_VIOLATED, "op %u is refused: %.*s", op, (int)s->sent.sentence.size,
                    s->sent.sentence.data);
    promise(s, (crash_promise){.kind = CRASH_ACCEPTED,
                               .op = op,
                               .n = s->sent.accepted,
                               .id = s->sent.first_id,
                               .batch = s->sent.batch,
                               .flags = what.flags});
    return op;
}

static void
cancel(struct story *s, uint64_t first, uint32_t n)
{
    leat_buf buf = {0};
    leat_frame_begin(&buf, LEAT_CMD_CANCEL);
    for (uint32_t i = 0; i < n; i++) {
        leat_cancel_put(&buf, first + i);
        promise(s, (crash_promise){.kind = CRASH_CANCELLING, .id = first + i});
    }
    leat_frame_finish(&buf, 0, (uint16_t)n, 0);
    (void)ask(s, &s->client, &buf, LEAT_CMD_ACKED);
    if (s->acked.code != LEAT_ERR_OK || s->acked.exceptions != 0)
        speaker_die(SPEAKER_VIOLATED, "a cancel of what waits is refused");
    for (uint32_t i = 0; i < n; i++)
        promise(s, (crash_promise){.kind = CRASH_CANCELLED, .id = first + i});
}

static void
command(struct story *s, const char *name, uint64_t batch)
{
    char text[128];
    char why[128];
    leat_buf buf = {0};
    cJSON *json = NULL;
    (void)snprintf(text, sizeof text,
                   "{\"command\":\"%s\",\"arguments\":{\"batch\":\"%" PRIu64 "\"}}", name, batch);
    leat_frame_begin(&buf, LEAT_CMD_COMMAND);
    leat_put_bytes(&buf, text, strlen(text));
    leat_frame_finish(&buf, 0, 1, 0);
    (void)ask(s, &s->client, &buf, LEAT_CMD_REPLY);
    const cJSON *result = NULL;
    if (leat_json_parse(s->client.body, s->client.size, &json, why) == LEAT_ERR_OK)
        result = cJSON_GetObjectItemCaseSensitive(json, "result");
    if (result == NULL)
        speaker_die(SPEAKER_VIOLATED, "%s %" PRIu64 ": %.*s", name, batch, (int)s->client.size,
                    (const char *)s->client.body);
    s->reply_batch = 0;
    (void)leat_json_u64(result, "batch", &s->reply_batch);
    cJSON_Delete(json);
}

static void
seal(struct story *s, uint64_t batch)
{
    command(s, "batch.seal", batch);
    promise(s, (crash_promise){.kind = CRASH_SEALED, .batch = batch});
}

static void
retry(struct story *s, uint64_t batch, uint32_t jobs)
{
    promise(s, (crash_promise){.kind = CRASH_RETRYING, .batch = batch});
    command(s, "batch.retry", batch);
    promise(
        s, (crash_promise){.kind = CRASH_RETRIED, .id = s->reply_batch, .batch = batch, .n = jobs});
}

/* CREDIT as it is at the moment. */
static void
say_wishes(struct story *s)
{
    leat_buf buf = {0};
    const leat_credit wait = {.kind = LEAT_CREDIT_WAIT,
                              .batch = s->waiting,
                              .position = s->position,
                              .goal_kind = LEAT_GOAL_ALL,
                              .items = 64};
    const leat_credit receive = {.kind = LEAT_CREDIT_RECV,
                                 .channel = leat_text_of("news"),
                                 .items = s->wanted,
                                 .receives = s->wanted};
    leat_frame_begin(&buf, LEAT_CMD_CREDIT);
    leat_credit_put(&buf, s->waiting != 0 ? &wait : &receive);
    leat_frame_finish(&buf, 0, 1, 0);
    speaker_say(&s->client, &buf);
}

static void
wait_for(struct story *s, uint64_t batch, uint64_t ends)
{
    s->waiting = batch;
    s->position = 0;
    s->goal = false;
    say_wishes(s);
    while (!s->goal)
        (void)hear(s, &s->client);
    if (s->position != ends)
        speaker_die(SPEAKER_VIOLATED,
                    "batch %" PRIu64 " has %" PRIu64 " completions instead of %" PRIu64, batch,
                    s->position, ends);
    leat_buf buf = {0};
    const leat_ack ack = {.kind = LEAT_ACK_BATCH, .id = batch, .position = s->position};
    leat_frame_begin(&buf, LEAT_CMD_ACK);
    leat_ack_put(&buf, &ack);
    leat_frame_finish(&buf, 0, 1, 0);
    speaker_say(&s->client, &buf);
    s->waiting = 0;
}

static void
take_messages(struct story *s)
{
    leat_buf buf = {0};
    s->message_count = 0;
    s->wanted = MESSAGES_TAKEN;
    say_wishes(s);
    while (s->message_count < s->wanted)
        (void)hear(s, &s->client);
    s->wanted = 0;
    say_wishes(s);
    leat_frame_begin(&buf, LEAT_CMD_ACK);
    for (unsigned i = 0; i < s->message_count; i++) {
        leat_ack_put(&buf, &(leat_ack){.kind = LEAT_ACK_MESSAGE, .id = s->messages[i]});
        promise(s, (crash_promise){.kind = CRASH_TAKING, .id = s->messages[i]});
    }
    leat_frame_finish(&buf, 0, (uint16_t)s->message_count, 0);
    const uint64_t losses = s->client.losses;
    leat_reader records = ask(s, &s->client, &buf, LEAT_CMD_ACKED);
    /* The connection that held them may have gone: then they are somebody else's. */
    if (s->acked.exceptions != 0 && s->client.losses == losses)
        speaker_die(SPEAKER_VIOLATED, "messages that are held cannot be acknowledged");
    for (uint16_t i = 0; i < s->acked.exceptions; i++) {
        leat_acked_exception exception;
        leat_acked_next_exception(&records, &exception);
        for (unsigned j = 0; j < s->message_count; j++)
            s->messages[j] = s->messages[j] == exception.id ? 0 : s->messages[j];
    }
    for (unsigned i = 0; i < s->message_count; i++) {
        if (s->messages[i] != 0)
            promise(s, (crash_promise){.kind = CRASH_TAKEN, .id = s->messages[i]});
    }
}

/* ------------------------------------------------------------------------------ the worker */

typedef enum way {
    WAY_DONE = LEAT_END_DONE,
    WAY_FAILED = LEAT_END_FAILED,
    WAY_FATAL = LEAT_END_FATAL,
    WAY_SNOOZE,
    WAY_RELEASE,
} way;

/* How a job ends, by what it is. */
static way
way_of(const struct held *job, uint32_t many, uint32_t follow)
{
    if (job->word != CRASH_PAYLOAD_SENT)
        return WAY_DONE;
    if (job->op == follow)
        return WAY_FATAL;
    if (job->op != many)
        return WAY_DONE;
    switch (job->index % 10) {
    case 3:
        return WAY_FAILED;
    case 5:
        return WAY_FATAL;
    case 6:
        return WAY_SNOOZE;
    case 7:
        return job->again ? WAY_DONE : WAY_RELEASE;
    default:
        return WAY_DONE;
    }
}

static void
put_end(struct story *s, leat_buf *buf, struct held *job, way how)
{
    uint8_t result[CRASH_RESULT_BYTES];
    const leat_token_record record = {.token = job->token, .delay_ms = HOUR_MS};
    job->told = true;
    if (how == WAY_SNOOZE || how == WAY_RELEASE) {
        leat_tokens_put(how == WAY_SNOOZE ? LEAT_CMD_SNOOZE : LEAT_CMD_RELEASE, buf, &record);
        return;
    }
    crash_result_make(job->token.id, job->token.attempt, (uint32_t)how, result);
    const leat_done done = {
        .token = job->token,
        .end = (leat_end)how,
        .run_us = 7,
        .result = {.data = result, .size = sizeof result}
    };
    leat_done_put(buf, &done);
    promise(s, (crash_promise){.kind = CRASH_ENDING,
                               .id = job->token.id,
                               .attempt = job->token.attempt,
                               .end = (uint8_t)how});
}

/* One frame for all held jobs that go this way. Returns how many come back. */
static unsigned
end_jobs(struct story *s, way how, uint32_t many, uint32_t follow)
{
    leat_buf buf = {0};
    uint16_t n = 0;
    leat_frame_begin(&buf, how == WAY_SNOOZE    ? LEAT_CMD_SNOOZE
                           : how == WAY_RELEASE ? LEAT_CMD_RELEASE
                                                : LEAT_CMD_DONE);
    if (how != WAY_SNOOZE && how != WAY_RELEASE)
        leat_done_put_head(&buf, s->started);
    for (unsigned i = 0; i < s->held_count; i++) {
        if (way_of(&s->held[i], many, follow) == how) {
            put_end(s, &buf, &s->held[i], how);
            n++;
        }
    }
    leat_frame_finish(&buf, 0, n, 0);
    if (n == 0) {
        leat_buf_fini(&buf);
        return 0;
    }
    (void)ask(s, &s->worker, &buf, LEAT_CMD_ACKED);
    if (s->acked.code != LEAT_ERR_OK || s->acked.exceptions != 0)
        speaker_die(SPEAKER_VIOLATED, "the end of a job that is held is refused");
    unsigned kept = 0;
    for (unsigned i = 0; i < s->held_count; i++) {
        const struct held *const job = &s->held[i];
        if (!job->told) {
            s->held[kept++] = *job;
        } else if (how <= WAY_FATAL) {
            promise(s, (crash_promise){.kind = CRASH_ENDED,
                                       .id = job->token.id,
                                       .attempt = job->token.attempt,
                                       .end = (uint8_t)how});
        }
    }
    s->held_count = kept;
    return how == WAY_RELEASE ? n : 0;
}

/* Work until so many attempts have ended; what is released comes again. */
static void
work(struct story *s, unsigned expected, uint32_t many, uint32_t follow)
{
    static const way ways[] = {WAY_RELEASE, WAY_SNOOZE, WAY_FAILED, WAY_FATAL, WAY_DONE};
    while (expected > 0) {
        while (s->held_count == 0)
            (void)hear(s, &s->worker);
        for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
            unsigned ending = 0;
            for (unsigned j = 0; j < s->held_count; j++)
                ending += way_of(&s->held[j], many, follow) == ways[i];
            /* JOBS that come while ACKED is read are not in it, and have their turn later. */
            expected -= ending;
            expected += end_jobs(s, ways[i], many, follow);
        }
    }
}

/* After each WELCOME: what is held, and credit. */
static void
claim(void *context)
{
    struct story *const s = context;
    leat_buf buf = {0};
    uint16_t n = 0;
    leat_frame_begin(&buf, LEAT_CMD_CLAIM);
    for (unsigned i = 0; i < s->held_count; i++) {
        if (s->held[i].told)
            continue;
        leat_tokens_put(LEAT_CMD_CLAIM, &buf,
                        &(leat_token_record){.token = s->held[i].token, .started = 1});
        n++;
    }
    leat_frame_finish(&buf, 0, n, 0);
    if (n > 0)
        speaker_say(&s->worker, &buf);
    else
        leat_buf_fini(&buf);
    leat_frame_begin(&buf, LEAT_CMD_END);
    leat_tokens_put(LEAT_CMD_END, &buf, &(leat_token_record){.claims = n});
    leat_frame_finish(&buf, 0, 1, 0);
    speaker_say(&s->worker, &buf);
    leat_frame_begin(&buf, LEAT_CMD_CREDIT);
    leat_credit_put(&buf, &(leat_credit){.kind = LEAT_CREDIT_WORK,
                                         .handler = LEAT_CREDIT_ALL_HANDLERS,
                                         .items = SLOTS,
                                         .bytes = 1U << 24});
    leat_frame_finish(&buf, 0, 1, 0);
    speaker_say(&s->worker, &buf);
}

static void
wish_again(void *context)
{
    struct story *const s = context;
    if (s->waiting != 0 || s->wanted != 0)
        say_wishes(s);
}

/* ------------------------------------------------------------------------------ the story */

static struct sending
jobs(uint32_t n, uint32_t bytes, uint32_t tag)
{
    return (struct sending){
        .n = n, .bytes = bytes, .tag = tag, .settings = leat_settings_nothing()};
}

static void
send_pair(struct story *s)
{
    char key[32];
    struct sending what = jobs(1, BYTES_SMALL, 0);
    (void)snprintf(key, sizeof key, "key %u", s->op);
    what.settings.unique = leat_text_of(key);
    what.settings.delay_ms = HOUR_MS;
    (void)send_items(s, what);
    what.flags = CRASH_FLAG_JOIN;
    (void)send_items(s, what);
}

static uint32_t
send_followed(struct story *s)
{
    static uint8_t next[CRASH_PAYLOAD_BYTES];
    struct sending what = jobs(1, BYTES_SMALL, 0);
    crash_payload_make(CRASH_PAYLOAD_NEXT, s->op + 1, 0, next, sizeof next);
    const leat_follower follower = {
        .handler = leat_text_of(HANDLER), .payload = {.data = next, .size = sizeof next}
    };
    what.flags = CRASH_FLAG_FOLLOW;
    what.settings.recover = follower;
    what.settings.finally_count = 1;
    what.settings.finally[0] = follower;
    return send_items(s, what);
}

static void
rest(const struct story *s)
{
    const struct timespec pause = {.tv_sec = s->pause_ms / 1000,
                                   .tv_nsec = s->pause_ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

static void
round_of(struct story *s)
{
    struct sending what = jobs(3, BYTES_SMALL, 0);
    const uint32_t tag = s->tag;
    unsigned expected = 3;
    s->tag += TAGS_A_ROUND;
    (void)send_items(s, what);

    what = jobs(JOBS_MANY, BYTES_SMALL, tag);
    what.settings.backoff_min_ms = what.settings.backoff_max_ms = HOUR_MS;
    const uint32_t many = send_items(s, what);
    const uint64_t batch = s->sent.batch;
    what = jobs(JOBS_BIG, BYTES_BIG, tag);
    what.settings.backoff_min_ms = what.settings.backoff_max_ms = HOUR_MS;
    (void)send_items(s, what);
    expected += JOBS_MANY + JOBS_BIG;

    what = jobs(4, BYTES_SMALL, 0);
    what.settings.delay_ms = HOUR_MS;
    (void)send_items(s, what);
    cancel(s, s->sent.first_id, 2);

    what = jobs(2, BYTES_SMALL, tag + 1);
    what.seal = true;
    (void)send_items(s, what);
    const uint64_t first = s->sent.batch;
    what = jobs(2, BYTES_SMALL, tag + 2);
    what.seal = true;
    what.flags = CRASH_FLAG_AFTER;
    what.settings.after = LEAT_AFTER_OK;
    what.settings.after_batch = first;
    (void)send_items(s, what);
    expected += 4;

    const uint32_t follow = send_followed(s);
    expected += 3;
    send_pair(s);
    what = jobs(MESSAGES, BYTES_SMALL, 0);
    what.flags = CRASH_FLAG_MESSAGE;
    (void)send_items(s, what);

    work(s, expected, many, follow);
    seal(s, batch);
    rest(s);
    wait_for(s, first, 2);
    take_messages(s);
    retry(s, batch, JOBS_MANY / 10);
    work(s, JOBS_MANY / 10, 0, 0);
    wait_for(s, s->reply_batch, JOBS_MANY / 10);
    rest(s);
}

static void
join(struct story *s, const char *url, bool resumes)
{
    void *const zmq = zmq_ctx_new();
    speaker *const sides[] = {&s->client, &s->worker};
    for (unsigned i = 0; i < 2; i++) {
        sides[i]->zmq = zmq;
        sides[i]->url = url;
        sides[i]->resumes = resumes;
        sides[i]->context = s;
        (void)snprintf(sides[i]->hello.software, sizeof sides[i]->hello.software, "crash_script");
    }
    s->client.hello.role = LEAT_ROLE_CLIENT;
    s->client.again = wish_again;
    s->worker.hello.role = LEAT_ROLE_WORKER;
    s->worker.hello.slots = SLOTS;
    s->worker.hello.handler_count = 1;
    s->worker.hello.handlers[0].runs = LEAT_RUNS_CHILD;
    (void)snprintf(s->worker.hello.handlers[0].name, sizeof s->worker.hello.handlers[0].name, "%s",
                   HANDLER);
    (void)snprintf(s->worker.hello.name, sizeof s->worker.hello.name, "%s", "script");
    s->worker.again = claim;
    s->tag = 1;
    speaker_open(&s->client);
    speaker_open(&s->worker);
}

int
main(int argc, char **argv)
{
    static struct story story;
    static const struct option options[] = {
        {"broker",           required_argument, NULL, 'b'},
        {"promises",              required_argument, NULL, 'p'},
        {"trace",                  required_argument, NULL, 't'},
        {"rounds",required_argument, NULL, 'n'},
        {"pause",               required_argument, NULL, 'm'},
        {"resume",            no_argument, NULL, 'r'},
        {0             }
    };
    const char *url = NULL;
    const char *promises = NULL;
    const char *trace = NULL;
    unsigned long rounds = 1;
    bool resumes = false;
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) { /* NOLINT: one thread */
        switch (c) {
        case 'b':
            url = optarg;
            break;
        case 'p':
            promises = optarg;
            break;
        case 't':
            trace = optarg;
            break;
        case 'n':
            rounds = strtoul(optarg, NULL, 10);
            break;
        case 'm':
            story.pause_ms = strtol(optarg, NULL, 10);
            break;
        case 'r':
            resumes = true;
            break;
        default:
            return 2;
        }
    }
    if (url == NULL || promises == NULL) {
        (void)fputs("crash_script --broker URL --promises FILE [--trace FILE] [--rounds N] "
                    "[--pause MS] [--resume]\n",
                    stderr);
        return 2;
    }
    if (!crash_promises_open(&story.promises, promises, trace, true)) {
        perror(promises);
        return 2;
    }
    join(&story, url, resumes);
    for (unsigned long i = 0; rounds == 0 || i < rounds; i++)
        round_of(&story);
    speaker_close(&story.client);
    speaker_close(&story.worker);
    (void)zmq_ctx_term(story.client.zmq);
    (void)printf("{\"rounds\": %lu, \"promises\": %zu, \"reconnects\": %" PRIu64 "}\n", rounds,
                 crash_promises_count(&story.promises), story.client.losses + story.worker.losses);
    crash_promises_close(&story.promises);
    return 0;
}
