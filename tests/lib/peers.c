/* A core in virtual time and its peers. See peers.h. */
#include "tests/lib/peers.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/store/memory.h"

/* ---------------------------------------------------------------------------------- memory */

/* Room for one more at the end of an array. */
#define PUSH(array, count, capacity) \
    ((array) = grow((array), sizeof *(array), (count), &(capacity)), (count)++, &(array)[(count)-1])

static void *
grow(void *array, size_t size, size_t count, size_t *capacity)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    void *const more = realloc(array, *capacity * size);
    assert(more != NULL);
    memset((char *)more + count * size, 0, (*capacity - count) * size);
    return more;
}

static void
copy_text(char *out, size_t size, leat_text text)
{
    const size_t n = text.size < size - 1 ? text.size : size - 1;
    if (n > 0)
        memcpy(out, text.data, n);
    out[n] = '\0';
}

static char *
copy_bytes(const uint8_t *data, size_t size)
{
    char *const text = malloc(size + 1);
    assert(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* ---------------------------------------------------------------------------------- hearing */

/* The answer to a sequence: new, or the same as before. */
static void
note_answer(test_peer *peer, const test_answer *heard)
{
    /* Of many frames nearly every answer is the highest yet. */
    test_answer *const known =
        heard->sequence > peer->answered ? NULL : peer_answer(peer, heard->sequence);
    if (known != NULL) {
        assert(known->command == heard->command);
        assert(known->record.size == heard->record.size);
        assert(memcmp(known->record.data, heard->record.data, heard->record.size) == 0);
        known->times++;
        free(heard->json);
        return;
    }
    assert(heard->sequence <= peer->sequence);
    test_answer *const answer = PUSH(peer->answers, peer->answer_count, peer->answer_capacity);
    *answer = *heard;
    answer->times = 1;
    if (heard->sequence > peer->answered)
        peer->answered = heard->sequence;
}

static void
hear_sent(test_peer *peer, leat_reader *records)
{
    const uint8_t *const start = records->at;
    test_answer answer = {.command = LEAT_CMD_SENT};
    leat_sent_next(records, &answer.sent);
    answer.sequence = answer.sent.sequence;
    answer.code = leat_err_from_number(answer.sent.code);
    copy_text(answer.sentence, sizeof answer.sentence, answer.sent.sentence);
    answer.record = (leat_bytes){start, (uint32_t)(records->at - start)};
    note_answer(peer, &answer);
}

static void
hear_acked(test_peer *peer, leat_reader *records)
{
    const uint8_t *const start = records->at;
    test_answer answer = {.command = LEAT_CMD_ACKED};
    leat_acked acked;
    leat_acked_next(records, &acked);
    answer.sequence = acked.sequence;
    answer.code = leat_err_from_number(acked.code);
    answer.exceptions = acked.exceptions;
    for (unsigned i = 0; i < acked.exceptions; i++) {
        leat_acked_exception exception;
        leat_acked_next_exception(records, &exception);
        if (i == 0)
            answer.exception = exception;
    }
    answer.record = (leat_bytes){start, (uint32_t)(records->at - start)};
    note_answer(peer, &answer);
}

static void
hear_reply(test_peer *peer, const uint8_t *body, size_t size)
{
    char why[128];
    cJSON *json;
    test_answer answer = {.command = LEAT_CMD_REPLY};
    const leat_err err = leat_json_parse(body, size, &json, why);
    assert(err == LEAT_ERR_OK); /* what the broker says must fit its own limits */
    (void)err;
    if (leat_json_u64(json, "sequence", &answer.sequence)) {
        const cJSON *const error = cJSON_GetObjectItemCaseSensitive(json, "error");
        const char *code = "OK";
        if (error != NULL)
            (void)leat_json_text(error, "code", &code);
        for (unsigned i = 0; i < 64 && strcmp(leat_err_name(answer.code), code) != 0;)
            answer.code = (leat_err)++i;
        answer.json = copy_bytes(body, size);
        answer.record = (leat_bytes){body, (uint32_t)size};
        note_answer(peer, &answer);
    } else {
        free(peer->reply);
        peer->reply = copy_bytes(body, size);
    }
    cJSON_Delete(json);
}

static void
hear_error(test_peer *peer, const uint8_t *body, size_t size)
{
    leat_error_record record;
    const leat_err err = leat_error_open(body, size, &record);
    assert(err == LEAT_ERR_OK);
    (void)err;
    if (record.sequence == 0) {
        peer->errors++;
        peer->error = leat_err_from_number(record.code);
        copy_text(peer->error_sentence, sizeof peer->error_sentence, record.sentence);
        return;
    }
    test_answer answer = {
        .command = LEAT_CMD_ERROR,
        .sequence = record.sequence,
        .code = leat_err_from_number(record.code),
        .record = {body, (uint32_t)size}
    };
    copy_text(answer.sentence, sizeof answer.sentence, record.sentence);
    note_answer(peer, &answer);
}

static void
hear_progress(test_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    const leat_err err = leat_progress_open(body, size, frame->count, &records);
    assert(err == LEAT_ERR_OK);
    (void)err;
    for (unsigned i = 0; i < frame->count; i++) {
        test_told *const told = PUSH(peer->told, peer->told_count, peer->told_capacity);
        *told = (test_told){.command = LEAT_CMD_PROGRESS};
        leat_progress_next(&records, &told->progress);
    }
}

static void
hear_log(test_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    const leat_err err = leat_output_open(body, size, frame->count, &records);
    assert(err == LEAT_ERR_OK);
    (void)err;
    for (unsigned i = 0; i < frame->count; i++) {
        test_told *const told = PUSH(peer->told, peer->told_count, peer->told_capacity);
        *told = (test_told){.command = LEAT_CMD_LOG};
        leat_output_next(&records, &told->output);
    }
}

static void
hear_jobs(test_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_jobs_head head;
    leat_reader records;
    const leat_err err = leat_jobs_open(body, size, frame->count, &head, &records);
    assert(err == LEAT_ERR_OK);
    (void)err;
    uint64_t number = head.first_number;
    assert(peer->job_count == 0 || number > peer->jobs[peer->job_count - 1].number);
    for (unsigned r = 0; r < frame->count; r++) {
        leat_jobs_run run;
        leat_jobs_next_run(&records, &run);
        for (unsigned i = 0; i < run.jobs; i++) {
            leat_jobs_job one;
            leat_jobs_next_job(&records, &run, &one);
            test_job *const job = PUSH(peer->jobs, peer->job_count, peer->job_capacity);
            *job = (test_job){
                .token = {.id = one.id, .attempt = one.attempt, .epoch = head.epoch},
                .number = number++,
                .batch = run.batch,
                .run_limit_ms = run.run_limit_ms,
                .place = one.place,
                .channel = run.channel,
                .handler = run.handler,
                .needs = run.needs,
                .payload = one.payload,
                .checkpoint = one.checkpoint,
                .frame = peer->frame_count - 1,
            };
        }
    }
}

static void
hear_completions(test_peer *peer, const leat_items_run *run, leat_reader *records)
{
    test_run *const note = PUSH(peer->runs, peer->run_count, peer->run_capacity);
    *note = (test_run){.batch = run->batch,
                       .first_position = run->first_position,
                       .counters = run->counters,
                       .flags = run->flags,
                       .n = run->n};
    for (unsigned i = 0; i < run->n; i++) {
        test_completion *const c =
            PUSH(peer->completions, peer->completion_count, peer->completion_capacity);
        *c = (test_completion){.batch = run->batch, .position = run->first_position + i};
        leat_items_next_completion(records, &c->completion);
        c->worker = leat_items_worker(run, c->completion.worker);
    }
}

static void
hear_items(test_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    const leat_err err = leat_items_open(body, size, frame->count, &records);
    assert(err == LEAT_ERR_OK);
    (void)err;
    for (unsigned r = 0; r < frame->count; r++) {
        leat_items_run run;
        leat_items_next_run(&records, &run);
        if (run.kind == LEAT_ITEMS_COMPLETIONS) {
            hear_completions(peer, &run, &records);
            continue;
        }
        peer->closed += (run.flags & LEAT_ITEMS_CLOSED) != 0;
        for (unsigned i = 0; i < run.n; i++) {
            test_message *const m =
                PUSH(peer->messages, peer->message_count, peer->message_capacity);
            *m = (test_message){.channel = run.channel};
            leat_items_next_message(&records, &m->message);
        }
    }
}

static void
hear_stop(test_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    const leat_err err = leat_tokens_open(LEAT_CMD_STOP, body, size, frame->count, &records);
    assert(err == LEAT_ERR_OK);
    (void)err;
    for (unsigned i = 0; i < frame->count; i++) {
        leat_token_record record;
        leat_tokens_next(LEAT_CMD_STOP, &records, &record);
        *PUSH(peer->stops, peer->stop_count, peer->stop_capacity) = record;
    }
}

static void
hear_selected(test_peer *peer, leat_reader *records)
{
    leat_selected selected;
    leat_selected_next(records, &selected);
    for (size_t i = 0; i < peer->selected_count; i++) {
        test_selected *const known = &peer->selected[i];
        if (known->selected.sequence != selected.sequence)
            continue;
        assert(known->selected.index == selected.index && known->selected.id == selected.id &&
               known->selected.code == selected.code);
        known->times++;
        return;
    }
    *PUSH(peer->selected, peer->selected_count, peer->selected_capacity) =
        (test_selected){.selected = selected, .times = 1};
}

static void
hear_recall(test_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    leat_reader records;
    leat_token_record record;
    const leat_err err = leat_tokens_open(LEAT_CMD_RECALL, body, size, frame->count, &records);
    assert(err == LEAT_ERR_OK && frame->count == 1);
    (void)err;
    leat_tokens_next(LEAT_CMD_RECALL, &records, &record);
    peer->recalled += record.items;
}

static void
hear_welcome(test_peer *peer, const uint8_t *body, size_t size)
{
    char why[128];
    leat_welcome welcome;
    const leat_err err = leat_welcome_decode(body, size, &welcome, why);
    assert(err == LEAT_ERR_OK);
    (void)err;
    assert(!peer->welcome);
    peer->welcome = true;
    peer->resumed = welcome.resumed;
    peer->epoch = welcome.epoch;
}

static void
hear(test_peer *peer, leat_buf *frame_p)
{
    leat_frame frame;
    leat_buf *const kept = PUSH(peer->frames, peer->frame_count, peer->frame_capacity);
    *kept = *frame_p;
    *frame_p = (leat_buf){0};
    const leat_err err = leat_frame_decode(kept->data, kept->size, LEAT_SIDE_BROKER, &frame);
    assert(err == LEAT_ERR_OK);
    (void)err;
    peer->last_command_number = frame.command;
    const uint8_t *const body = kept->data + LEAT_FRAME_BYTES;
    const size_t size = kept->size - LEAT_FRAME_BYTES;
    leat_reader records = leat_reader_over(body, size);

    if (frame.sequence != 0) {
        if (frame.command == LEAT_CMD_WELCOME)
            peer->seen = frame.sequence - 1;
        else
            assert(frame.sequence == peer->got + 1);
        peer->got = frame.sequence;
        assert(frame.sequence - peer->seen <= LEAT_OUT_FRAMES);
    }
    assert(frame.seen <= peer->sequence);
    switch ((int)frame.command) {
    case LEAT_CMD_WELCOME:
        hear_welcome(peer, body, size);
        break;
    case LEAT_CMD_HEARTBEAT:
        peer->heartbeats++;
        break;
    case LEAT_CMD_BYE:
        peer->byes++;
        break;
    case LEAT_CMD_ERROR:
        hear_error(peer, body, size);
        break;
    case LEAT_CMD_REPLY:
        hear_reply(peer, body, size);
        break;
    case LEAT_CMD_JOBS:
        hear_jobs(peer, &frame, body, size);
        break;
    case LEAT_CMD_ITEMS:
        hear_items(peer, &frame, body, size);
        break;
    case LEAT_CMD_PROGRESS:
        hear_progress(peer, &frame, body, size);
        break;
    case LEAT_CMD_LOG:
        hear_log(peer, &frame, body, size);
        break;
    case LEAT_CMD_STOP:
        hear_stop(peer, &frame, body, size);
        break;
    case LEAT_CMD_RECALL:
        hear_recall(peer, &frame, body, size);
        break;
    case LEAT_CMD_SELECTED:
        if (leat_selected_open(body, size, frame.count, &records) != LEAT_ERR_OK)
            assert(false && "a SELECTED frame that cannot be read");
        for (unsigned i = 0; i < frame.count; i++)
            hear_selected(peer, &records);
        break;
    case LEAT_CMD_WITHDRAWN:
        if (leat_withdrawn_open(body, size, frame.count, &records) != LEAT_ERR_OK)
            assert(false && "a WITHDRAWN frame that cannot be read");
        leat_withdrawn_next(&records, &peer->withdrawn);
        peer->withdrawals++;
        break;
    case LEAT_CMD_SENT:
        if (leat_sent_open(body, size, frame.count, &records) != LEAT_ERR_OK)
            assert(false && "a SENT frame that cannot be read");
        for (unsigned i = 0; i < frame.count; i++)
            hear_sent(peer, &records);
        break;
    case LEAT_CMD_ACKED:
        if (leat_acked_open(body, size, frame.count, &records) != LEAT_ERR_OK)
            assert(false && "an ACKED frame that cannot be read");
        for (unsigned i = 0; i < frame.count; i++)
            hear_acked(peer, &records);
        break;
    default:
        assert(false && "a command that the broker does not send");
    }
}

static leat_delivery
on_frame(void *context, leat_route route, leat_buf *frame_p)
{
    test_world *const w = context;
    for (size_t i = 0; i < w->peer_count; i++) {
        if (w->peers[i]->route != route)
            continue;
        w->heard++;
        hear(w->peers[i], frame_p);
        return LEAT_DELIVERY_OK;
    }
    leat_buf_fini(frame_p);
    return route >= WORLD_STRANGERS ? LEAT_DELIVERY_OK : LEAT_DELIVERY_GONE;
}

/* ---------------------------------------------------------------------------------- world */

static test_late *
new_store(const test_world *w)
{
    leat_store *store;
    const leat_err err = leat_store_memory_new(&w->retention, &store);
    assert(err == LEAT_ERR_OK);
    (void)err;
    return test_late_new(&store);
}

static leat_err
on_zone(void *context,
        const char *name,
        int64_t from_s,
        int64_t upto_s,
        leat_zone_change *out,
        uint32_t max,
        uint32_t *count,
        char why[LEAT_CRON_WHY_BYTES])
{
    const test_world *const w = context;
    (void)snprintf(why, LEAT_CRON_WHY_BYTES, "no zone \"%.32s\"", name);
    return w->zone == NULL ? LEAT_ERR_NOT_FOUND
                           : w->zone(context, name, from_s, upto_s, out, max, count, why);
}

static leat_err
start_core(test_world *w)
{
    const leat_core_options options = {
        .disk = test_late_store(w->disk),
        .memory = test_late_store(w->memory),
        .out = {.context = w, .frame = on_frame},
        .seed = 42,
        .broker_id = {0xb0           },
        .software = "leat test",
        .store_name = "memory",
        .pid = 1,
        .default_memory = w->default_memory,
        .keep = w->keep,
        .zone = on_zone,
        .zone_context = w,
    };
    leat_err err = leat_core_new(&options, w->now, &w->core);
    assert(err == LEAT_ERR_OK);
    err = leat_core_load(w->core, w->now, w->why);
    return err;
}

void
world_stranger(test_world *w, leat_route route, const uint8_t *data, size_t size)
{
    assert(route >= WORLD_STRANGERS);
    leat_core_on_frame(w->core, w->now, route, &leat_principal_local, data, size, false);
}

void
world_init(test_world *w)
{
    world_init_keeping(w, LEAT_RETENTION_DEFAULT.jobs_max);
}

void
world_init_keeping(test_world *w, uint64_t jobs_max)
{
    *w = (test_world){
        .now = {.mono_ms = 5000000, .wall_ms = 1700000000000},
        .retention = LEAT_RETENTION_DEFAULT,
    };
    w->retention.jobs_max = jobs_max;
    w->disk = new_store(w);
    w->memory = new_store(w);
    const leat_err err = start_core(w);
    assert(err == LEAT_ERR_OK);
    (void)err;
}

static void
free_peer(test_peer *peer)
{
    for (size_t i = 0; i < peer->frame_count; i++)
        leat_buf_fini(&peer->frames[i]);
    for (size_t i = 0; i < peer->said_count; i++)
        leat_buf_fini(&peer->said[i]);
    for (size_t i = 0; i < peer->answer_count; i++)
        free(peer->answers[i].json);
    free(peer->frames);
    free(peer->said);
    free(peer->answers);
    free(peer->jobs);
    free(peer->completions);
    free(peer->runs);
    free(peer->messages);
    free(peer->stops);
    free(peer->told);
    free(peer->selected);
    free(peer->reply);
    free(peer->hello);
    free(peer);
}

void
world_fini(test_world *w)
{
    leat_core_destroy(&w->core);
    test_late_destroy(&w->disk);
    test_late_destroy(&w->memory);
    for (size_t i = 0; i < w->peer_count; i++)
        free_peer(w->peers[i]);
    w->peer_count = 0;
    cJSON_Delete(w->json);
    w->json = NULL;
}

void
world_turn(test_world *w)
{
    leat_core_tick(w->core, w->now);
    const leat_err err = leat_core_commit(w->core, w->now);
    assert(err == LEAT_ERR_OK);
    (void)err;
    leat_core_release(w->core, w->now);
}

void
must_settle(test_world *w)
{
    for (unsigned turns = 0;; turns++) {
        const uint64_t before = w->heard;
        assert(turns < 10000);
        for (size_t i = 0; i < w->peer_count; i++) {
            test_peer *const peer = w->peers[i];
            if (peer->welcome && !peer->deaf && peer->got > peer->seen)
                peer_beat(peer);
        }
        world_turn(w);
        if (w->heard == before)
            return;
    }
}

void
world_jump(test_world *w, int64_t ms)
{
    w->now.mono_ms += ms;
    w->now.wall_ms += ms;
}

void
world_pass(test_world *w, int64_t ms)
{
    const int64_t end = w->now.mono_ms + ms;
    while (w->now.mono_ms < end) {
        int64_t step = leat_core_next_due_ms(w->core) - w->now.mono_ms;
        if (step < 1)
            step = 1;
        if (step > end - w->now.mono_ms)
            step = end - w->now.mono_ms;
        world_jump(w, step);
        for (size_t i = 0; i < w->peer_count; i++) {
            test_peer *const peer = w->peers[i];
            if (peer->welcome && !peer->mute && w->now.mono_ms - peer->beat_ms >= 1000)
                peer_beat(peer);
        }
        must_settle(w);
    }
}

leat_err
world_restart(test_world *w)
{
    leat_core_destroy(&w->core);
    test_late_crash(w->disk);
    test_late_destroy(&w->memory);
    w->memory = new_store(w);
    for (size_t i = 0; i < w->peer_count; i++) {
        w->peers[i]->route = 0;
        w->peers[i]->welcome = false;
    }
    w->now.mono_ms -= 1000000; /* its zero is another one after a boot */
    w->now.wall_ms += 2000;
    return start_core(w);
}

void
must_restart(test_world *w)
{
    const leat_err err = world_restart(w);
    if (err != LEAT_ERR_OK)
        (void)fprintf(stderr, "load: %s\n", w->why);
    assert(err == LEAT_ERR_OK);
    world_turn(w);
}

/* ---------------------------------------------------------------------------------- peers */

static void
add_handlers(leat_hello *hello, const char *words)
{
    while (*words != '\0') {
        const size_t size = strcspn(words, " ");
        const size_t name = strcspn(words, ": ");
        leat_hello_handler *const handler = &hello->handlers[hello->handler_count++];
        memcpy(handler->name, words, name);
        handler->runs = LEAT_RUNS_INLINE;
        for (int runs = LEAT_RUNS_TIMER; runs <= LEAT_RUNS_CHILD && name < size; runs++) {
            if (strncmp(words + name + 1, leat_runs_name((leat_runs)runs), size - name - 1) == 0)
                handler->runs = (leat_runs)runs;
        }
        words += size + strspn(words + size, " ");
    }
}

test_peer *
world_peer(test_world *w, const char *name, uint32_t slots, const char *handlers)
{
    assert(w->peer_count < WORLD_PEERS_MAX);
    test_peer *const peer = calloc(1, sizeof *peer);
    assert(peer != NULL);
    peer->hello = calloc(1, sizeof *peer->hello);
    assert(peer->hello != NULL);
    w->peers[w->peer_count++] = peer;
    peer->world = w;
    peer->principal = &leat_principal_local;
    leat_store_u64(peer->session.bytes, ++w->sessions << 32);
    peer->session.bytes[15] = 7;
    peer->hello->session = peer->session;
    peer->hello->role = handlers == NULL ? LEAT_ROLE_CLIENT : LEAT_ROLE_WORKER;
    peer->hello->pid = 100;
    peer->hello->slots = slots;
    copy_text(peer->hello->name, sizeof peer->hello->name, leat_text_of(name));
    copy_text(peer->hello->host, sizeof peer->hello->host, leat_text_of("host"));
    copy_text(peer->hello->software, sizeof peer->hello->software, leat_text_of("test"));
    if (handlers != NULL)
        add_handlers(peer->hello, handlers);
    return peer;
}

void
peer_connect(test_peer *peer, bool resume)
{
    test_world *const w = peer->world;
    leat_buf frame = {0};
    peer->route = ++w->routes;
    peer->hello->resume = resume;
    peer->hello->connection++;
    leat_hello_put(&frame, peer->hello, peer->got);
    assert(!frame.failed);
    peer->welcome = false;
    peer->over = false;
    leat_core_on_frame(w->core, w->now, peer->route, peer->principal, frame.data, frame.size,
                       false);
    leat_buf_fini(&frame);
}

void
peer_cut(test_peer *peer)
{
    const leat_route route = peer->route;
    peer->route = 0;
    peer->welcome = false;
    leat_core_on_gone(peer->world->core, peer->world->now, route);
}

void
peer_bye(test_peer *peer)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_BYE);
    leat_frame_finish(&frame, 0, 0, 0);
    peer_say(peer, &frame);
    peer->welcome = false;
    peer->over = true;
}

static void
must_be_welcome(test_peer *peer)
{
    must_settle(peer->world);
    assert(peer->welcome);
}

test_peer *
must_client(test_world *w)
{
    test_peer *const peer = world_peer(w, "", 0, NULL);
    peer_connect(peer, false);
    must_be_welcome(peer);
    return peer;
}

test_peer *
must_client_of(test_world *w, const leat_principal *principal)
{
    test_peer *const peer = world_peer(w, "", 0, NULL);
    peer->principal = principal;
    peer_connect(peer, false);
    must_be_welcome(peer);
    return peer;
}

test_peer *
must_worker(test_world *w, const char *name, uint32_t slots, const char *handlers)
{
    test_peer *const peer = world_peer(w, name, slots, handlers);
    peer_connect(peer, false);
    must_be_welcome(peer);
    return peer;
}

void
must_resume(test_peer *peer)
{
    peer_connect(peer, true);
    must_be_welcome(peer);
}

void
must_resume_worker(test_peer *peer, size_t claims, bool started)
{
    must_resume(peer);
    peer_claim(peer, claims, started);
    must_settle(peer->world);
}

void
peer_say(test_peer *peer, leat_buf *frame_p)
{
    test_world *const w = peer->world;
    assert(!frame_p->failed);
    if (!peer->deaf)
        peer->seen = peer->got;
    leat_frame_set_seen(frame_p->data, peer->seen);
    leat_core_on_frame(w->core, w->now, peer->route, peer->principal, frame_p->data, frame_p->size,
                       false);
    leat_buf_fini(frame_p);
}

uint64_t
peer_say_numbered(test_peer *peer, leat_buf *frame_p)
{
    leat_buf *const kept = PUSH(peer->said, peer->said_count, peer->said_capacity);
    leat_frame_set_sequence(frame_p->data, ++peer->sequence);
    leat_buf_init(kept);
    leat_put_bytes(kept, frame_p->data, frame_p->size);
    peer_say(peer, frame_p);
    return peer->sequence;
}

void
peer_repeat(test_peer *peer, uint64_t sequence)
{
    leat_buf frame = {0};
    leat_put_bytes(&frame, peer->said[sequence - 1].data, peer->said[sequence - 1].size);
    peer_say(peer, &frame);
}

void
peer_beat(test_peer *peer)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_HEARTBEAT);
    leat_heartbeat_put(&frame,
                       &(leat_heartbeat){.started = peer->started, .running = peer->running});
    leat_frame_finish(&frame, 0, 1, 0);
    peer_say(peer, &frame);
    peer->beat_ms = peer->world->now.mono_ms;
}

/* ---------------------------------------------------------------------------------- frames */

leat_send_head
test_head(const char *handler, uint32_t tag)
{
    leat_send_head head = leat_send_head_default();
    head.channel = leat_text_of("default");
    head.handler = leat_text_of(handler);
    head.tag = tag;
    return head;
}

uint64_t
peer_send(test_peer *peer, const leat_send_head *head, unsigned n, size_t payload_bytes)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_SEND);
    leat_send_put_head(&frame, head);
    char *const payload = calloc(1, payload_bytes + 24);
    assert(payload != NULL);
    for (unsigned i = 0; i < n; i++) {
        const int size = snprintf(payload, 24, "%u", i);
        leat_send_put(&frame, payload, payload_bytes == 0 ? (size_t)size : payload_bytes);
    }
    free(payload);
    leat_frame_finish(&frame, 0, (uint16_t)n, 0);
    return peer_say_numbered(peer, &frame);
}

const test_answer *
must_send(test_peer *peer, const leat_send_head *head, unsigned n)
{
    const uint64_t sequence = peer_send(peer, head, n, 0);
    must_settle(peer->world);
    const test_answer *const answer = must_answer(peer, sequence);
    assert(answer->command == LEAT_CMD_SENT && answer->code == LEAT_ERR_OK);
    assert(answer->sent.accepted == n);
    return answer;
}

static void
say_credit(test_peer *peer, const leat_credit *credit)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_CREDIT);
    leat_credit_put(&frame, credit);
    leat_frame_finish(&frame, 0, 1, 0);
    peer_say(peer, &frame);
}

void
peer_credit_bytes(test_peer *peer, uint32_t items, uint32_t bytes)
{
    say_credit(peer, &(leat_credit){.kind = LEAT_CREDIT_WORK,
                                    .handler = LEAT_CREDIT_ALL_HANDLERS,
                                    .items = items,
                                    .bytes = bytes});
}

void
peer_credit(test_peer *peer, uint32_t items)
{
    peer_credit_bytes(peer, items, 64U << 20);
}

void
peer_wait(test_peer *peer,
          uint64_t batch,
          uint64_t position,
          leat_goal kind,
          uint64_t goal,
          uint32_t items)
{
    say_credit(peer, &(leat_credit){.kind = LEAT_CREDIT_WAIT,
                                    .batch = batch,
                                    .position = position,
                                    .goal_kind = kind,
                                    .goal = goal,
                                    .items = items});
}

void
peer_recv(test_peer *peer, const char *channel, uint32_t items)
{
    peer_receive(peer, channel, items, 0);
}

void
peer_receive(test_peer *peer, const char *channel, uint32_t items, uint64_t receives)
{
    say_credit(peer, &(leat_credit){.kind = LEAT_CREDIT_RECV,
                                    .channel = leat_text_of(channel),
                                    .items = items,
                                    .receives = receives});
}

static void
say_withdraw(test_peer *peer, const leat_withdraw *withdraw)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_WITHDRAW);
    leat_withdraw_put(&frame, withdraw);
    leat_frame_finish(&frame, 0, 1, 0);
    peer_say(peer, &frame);
}

void
peer_withdraw(test_peer *peer, uint64_t sequence)
{
    say_withdraw(peer, &(leat_withdraw){.kind = LEAT_WITHDRAW_SEQUENCE, .sequence = sequence});
}

void
peer_withdraw_recv(test_peer *peer, const char *channel)
{
    say_withdraw(peer,
                 &(leat_withdraw){.kind = LEAT_WITHDRAW_RECV, .channel = leat_text_of(channel)});
}

uint64_t
peer_select(test_peer *peer, const char *cases, uint8_t flags)
{
    leat_buf frame = {0};
    uint16_t count = 0;
    leat_frame_begin(&frame, LEAT_CMD_SELECT);
    leat_select_put_head(&frame, flags);
    for (const char *at = cases; *at != '\0'; count++) {
        const size_t size = strcspn(at, " ");
        const bool send = *at == '!';
        leat_select_case one = {
            .kind = send ? LEAT_SELECT_SEND : LEAT_SELECT_RECV,
            .channel = {at + 1, (uint32_t)size - 1}
        };
        if (send)
            one.payload = (leat_bytes){(const uint8_t *)at + 1, (uint32_t)size - 1};
        leat_select_put(&frame, &one);
        at += size + strspn(at + size, " ");
    }
    leat_frame_finish(&frame, 0, count, 0);
    return peer_say_numbered(peer, &frame);
}

const test_selected *
peer_selected(const test_peer *peer, uint64_t sequence)
{
    for (size_t i = peer->selected_count; i > 0; i--) {
        if (peer->selected[i - 1].selected.sequence == sequence)
            return &peer->selected[i - 1];
    }
    return NULL;
}

uint64_t
peer_cancel(test_peer *peer, uint64_t job)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_CANCEL);
    leat_cancel_put(&frame, job);
    leat_frame_finish(&frame, 0, 1, 0);
    return peer_say_numbered(peer, &frame);
}

static void
put_ack(leat_buf *frame, const leat_ack *ack)
{
    leat_frame_begin(frame, LEAT_CMD_ACK);
    leat_ack_put(frame, ack);
    leat_frame_finish(frame, 0, 1, 0);
}

void
peer_ack_position(test_peer *peer, uint64_t batch, uint64_t position)
{
    leat_buf frame = {0};
    put_ack(&frame, &(leat_ack){.kind = LEAT_ACK_BATCH, .id = batch, .position = position});
    peer_say(peer, &frame);
}

uint64_t
peer_ack_message(test_peer *peer, uint64_t id)
{
    leat_buf frame = {0};
    put_ack(&frame, &(leat_ack){.kind = LEAT_ACK_MESSAGE, .id = id});
    for (size_t i = 0; i < peer->message_count; i++) {
        if (peer->messages[i].message.id == id)
            peer->messages[i].acked = true;
    }
    return peer_say_numbered(peer, &frame);
}

static void
put_done(leat_buf *frame,
         const leat_token *token,
         leat_end end,
         uint64_t run_us,
         const void *result,
         size_t size)
{
    leat_done_put(
        frame,
        &(leat_done){
            .token = *token, .end = end, .run_us = run_us, .result = {result, (uint32_t)size}
    });
}

uint64_t
peer_done(
    test_peer *peer, test_job *job, leat_end end, uint64_t run_us, const void *result, size_t size)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_DONE);
    leat_done_put_head(&frame, peer->started);
    put_done(&frame, &job->token, end, run_us, result, size);
    leat_frame_finish(&frame, 0, 1, 0);
    job->over = true;
    return peer_say_numbered(peer, &frame);
}

uint64_t
peer_done_many(test_peer *peer, size_t from, size_t n, leat_end end, uint64_t run_us)
{
    leat_buf frame = {0};
    uint16_t count = 0;
    leat_frame_begin(&frame, LEAT_CMD_DONE);
    leat_done_put_head(&frame, peer->started);
    for (size_t i = from; i < from + n; i++) {
        test_job *const job = &peer->jobs[i];
        if (job->over)
            continue;
        job->over = true;
        put_done(&frame, &job->token, end, run_us, job->payload.data, job->payload.size);
        count++;
    }
    assert(count > 0 && count <= LEAT_RECORDS_MAX);
    leat_frame_finish(&frame, 0, count, 0);
    return peer_say_numbered(peer, &frame);
}

uint64_t
peer_token(test_peer *peer, leat_command command, const test_job *job, uint64_t delay_ms)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, command);
    leat_tokens_put(command, &frame,
                    &(leat_token_record){.token = job->token, .delay_ms = delay_ms});
    leat_frame_finish(&frame, 0, 1, 0);
    return peer_say_numbered(peer, &frame);
}

void
peer_progress(
    test_peer *peer, const leat_token *token, uint64_t done, uint64_t of, const char *text)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_PROGRESS);
    leat_progress_put(
        &frame,
        &(leat_progress){.from.token = *token, .done = done, .of = of, .text = leat_text_of(text)});
    leat_frame_finish(&frame, 0, 1, 0);
    peer_say(peer, &frame);
}

void
peer_log(test_peer *peer, const leat_token *token, uint64_t offset, const char *text)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_LOG);
    leat_output_put(&frame, &(leat_output){
                                .from.token = *token,
                                .stream = LEAT_STREAM_LOG,
                                .offset = offset,
                                .data = {(const uint8_t *)text, (uint32_t)strlen(text)}
    });
    leat_frame_finish(&frame, 0, 1, 0);
    peer_say(peer, &frame);
}

uint64_t
peer_checkpoint(test_peer *peer, const leat_token *token, const void *data, size_t size)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_CHECKPOINT);
    leat_checkpoint_put(&frame, &(leat_checkpoint_record){
                                    .token = *token, .data = {data, (uint32_t)size}
    });
    leat_frame_finish(&frame, 0, 1, 0);
    return peer_say_numbered(peer, &frame);
}

void
peer_claim(test_peer *peer, size_t n, bool started)
{
    leat_buf frame = {0};
    uint16_t count = 0;
    leat_frame_begin(&frame, LEAT_CMD_CLAIM);
    for (size_t i = 0; i < peer->job_count; i++) {
        test_job *const job = &peer->jobs[i];
        if (job->over)
            continue;
        if (count < n) {
            leat_tokens_put(LEAT_CMD_CLAIM, &frame,
                            &(leat_token_record){.token = job->token, .started = started});
            count++;
        } else {
            job->over = true; /* it says that it has never had it */
        }
    }
    leat_frame_finish(&frame, 0, count, 0);
    if (count > 0)
        peer_say(peer, &frame);
    leat_buf_fini(&frame);
    leat_frame_begin(&frame, LEAT_CMD_END);
    leat_tokens_put(LEAT_CMD_END, &frame, &(leat_token_record){.claims = count});
    leat_frame_finish(&frame, 0, 1, 0);
    peer_say(peer, &frame);
}

void
must_end_all(test_peer *peer, leat_end end)
{
    for (unsigned rounds = 0; peer_open_jobs(peer) > 0; rounds++) {
        assert(rounds < 10000);
        size_t from = 0;
        while (peer->jobs[from].over)
            from++;
        size_t n = peer->job_count - from;
        if (n > 4096)
            n = 4096;
        peer->started = peer->jobs[from + n - 1].number;
        (void)peer_done_many(peer, from, n, end, 1000);
        must_settle(peer->world);
    }
}

static void
put_json(leat_buf *frame, leat_command command, const char *text)
{
    leat_frame_begin(frame, command);
    leat_put_bytes(frame, text, strlen(text));
    leat_frame_finish(frame, 0, 1, 0);
}

const char *
must_ask(test_peer *peer, const char *query, const char *arguments)
{
    char text[512];
    leat_buf frame = {0};
    (void)snprintf(text, sizeof text, "{\"id\":\"1\",\"query\":\"%s\",\"arguments\":%s}", query,
                   arguments);
    put_json(&frame, LEAT_CMD_QUERY, text);
    free(peer->reply);
    peer->reply = NULL;
    peer_say(peer, &frame);
    must_settle(peer->world);
    assert(peer->reply != NULL);
    return peer->reply;
}

uint64_t
peer_command(test_peer *peer, const char *command, const char *arguments)
{
    char text[8192];
    leat_buf frame = {0};
    const int size =
        snprintf(text, sizeof text, "{\"command\":\"%s\",\"arguments\":%s}", command, arguments);
    assert(size > 0 && (size_t)size < sizeof text);
    (void)size;
    put_json(&frame, LEAT_CMD_COMMAND, text);
    return peer_say_numbered(peer, &frame);
}

const test_answer *
must_command(test_peer *peer, const char *command, const char *arguments)
{
    const uint64_t sequence = peer_command(peer, command, arguments);
    must_settle(peer->world);
    return must_answer(peer, sequence);
}

/* ---------------------------------------------------------------------------------- saying */

static void
keep_result(test_world *w, const char *text)
{
    char why[128];
    cJSON_Delete(w->json);
    const leat_err err = leat_json_parse((const uint8_t *)text, strlen(text), &w->json, why);
    assert(err == LEAT_ERR_OK);
    (void)err;
}

leat_err
code_of_command(test_peer *peer, const char *command, const char *format, ...)
{
    char arguments[8000];
    va_list list;
    va_start(list, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    const int size = vsnprintf(arguments, sizeof arguments, format, list);
    va_end(list);
    assert(size >= 0 && (size_t)size < sizeof arguments);
    (void)size;
    const test_answer *const answer = must_command(peer, command, arguments);
    if (answer->command == LEAT_CMD_REPLY)
        keep_result(peer->world, answer->json);
    return answer->code;
}

void
must_do(test_peer *peer, const char *command, const char *format, ...)
{
    char arguments[8000];
    va_list list;
    va_start(list, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    const int size = vsnprintf(arguments, sizeof arguments, format, list);
    va_end(list);
    assert(size >= 0 && (size_t)size < sizeof arguments);
    (void)size;
    const leat_err err = code_of_command(peer, command, "%s", arguments);
    if (err != LEAT_ERR_OK)
        (void)fprintf(stderr, "%s %s: %s\n", command, arguments,
                      said_text(peer->world, "error.message"));
    assert(err == LEAT_ERR_OK);
}

void
must_query(test_peer *peer, const char *query, const char *format, ...)
{
    char arguments[512];
    va_list list;
    va_start(list, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    const int size = vsnprintf(arguments, sizeof arguments, format, list);
    va_end(list);
    assert(size >= 0 && (size_t)size < sizeof arguments);
    (void)size;
    keep_result(peer->world, must_ask(peer, query, arguments));
}

static const cJSON *
find_json(const test_world *w, const char *path)
{
    char whole[256];
    const cJSON *at = w->json;
    (void)snprintf(whole, sizeof whole, "%s%s", strncmp(path, "error.", 6) == 0 ? "" : "result.",
                   path);
    for (const char *word = whole; at != NULL && *word != '\0';) {
        char name[128];
        const size_t size = strcspn(word, ".");
        (void)snprintf(name, sizeof name, "%.*s", (int)size, word);
        at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, atoi(name))
                               : cJSON_GetObjectItemCaseSensitive(at, name);
        word += size + (word[size] == '.');
    }
    return at;
}

const char *
said_text(const test_world *w, const char *path)
{
    const char *const text = cJSON_GetStringValue(find_json(w, path));
    return text == NULL ? "(nothing)" : text;
}

double
said(const test_world *w, const char *path)
{
    const cJSON *const item = find_json(w, path);
    if (cJSON_IsNumber(item))
        return item->valuedouble;
    if (cJSON_IsBool(item))
        return cJSON_IsTrue(item) ? 1 : 0;
    return cJSON_IsString(item) ? strtod(item->valuestring, NULL) : -1;
}

/* ---------------------------------------------------------------------------------- asking */

test_answer *
peer_answer(test_peer *peer, uint64_t sequence)
{
    for (size_t i = peer->answer_count; i > 0; i--) {
        if (peer->answers[i - 1].sequence == sequence)
            return &peer->answers[i - 1];
    }
    return NULL;
}

const test_answer *
must_answer(test_peer *peer, uint64_t sequence)
{
    const test_answer *const answer = peer_answer(peer, sequence);
    assert(answer != NULL);
    return answer;
}

test_job *
peer_job(test_peer *peer, uint64_t id)
{
    for (size_t i = peer->job_count; i > 0; i--) {
        if (peer->jobs[i - 1].token.id == id)
            return &peer->jobs[i - 1];
    }
    return NULL;
}

size_t
peer_open_jobs(const test_peer *peer)
{
    size_t n = 0;
    for (size_t i = 0; i < peer->job_count; i++)
        n += !peer->jobs[i].over;
    return n;
}

const test_run *
peer_last_run(const test_peer *peer, uint64_t batch)
{
    for (size_t i = peer->run_count; i > 0; i--) {
        if (peer->runs[i - 1].batch == batch)
            return &peer->runs[i - 1];
    }
    return NULL;
}

uint8_t
peer_flags(const test_peer *peer, uint64_t batch)
{
    uint8_t flags = 0;
    for (size_t i = 0; i < peer->run_count; i++)
        flags |= peer->runs[i].batch == batch ? peer->runs[i].flags : 0;
    return flags;
}

size_t
peer_frames(const test_peer *peer, leat_command command)
{
    size_t n = 0;
    for (size_t i = 0; i < peer->frame_count; i++)
        n += peer->frames[i].data[3] == command;
    return n;
}

bool
peer_has_positions(const test_peer *peer, uint64_t batch, uint64_t from, uint64_t upto)
{
    uint64_t next = from;
    for (size_t i = 0; i < peer->completion_count; i++) {
        if (peer->completions[i].batch != batch)
            continue;
        if (peer->completions[i].position != next)
            return false;
        next++;
    }
    return next == upto + 1;
}

uint64_t
must_figure(test_peer *peer, uint64_t batch, const char *key)
{
    char arguments[64];
    char why[128];
    cJSON *json;
    uint64_t value = UINT64_MAX;
    (void)snprintf(arguments, sizeof arguments, "{\"batch\":\"%" PRIu64 "\"}", batch);
    const char *const text = must_ask(peer, "status", arguments);
    const leat_err err = leat_json_parse((const uint8_t *)text, strlen(text), &json, why);
    assert(err == LEAT_ERR_OK);
    (void)err;
    const cJSON *const row =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(json, "result"), "batch");
    const bool found = leat_json_u64(row, key, &value);
    assert(found);
    (void)found;
    cJSON_Delete(json);
    return value;
}
