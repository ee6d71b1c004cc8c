/* The worker's machine against a ROUTER that speaks for the broker: what it says, when, and in
 * which order. The worker runs on a thread of its own; the test is the broker. Nothing here depends
 * on time: the test waits for frames, and an order of frames proves what must not come. */
#include "tests/lib/test.h"

#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

#include <zmq.h>

#include "tests/lib/jobs.h"
#include "tests/lib/tmp.h"
#include "worker/beat.h"
#include "worker/engine.h"

#define EPOCH   77U
#define SLOTS   2U
#define HOUR    "1h"
#define WAIT_MS 20000 /* a frame that has not come by then never will */

/* The connections of the worker, as the broker knows them. */
static struct route {
    uint8_t id[256];
    size_t id_size; /* 0: not connected */
} worker_route, beat_route;

static leat_tmp tmp;
static char endpoint[256];
static void *context;
static void *router;
static leat_engine *worker;
static pthread_t thread;
static bool running;
static leat_err result;
static uint64_t sequence; /* of our frames */
static uint64_t seen;     /* of the worker's */
static uint32_t beats;    /* heartbeats on the beat's connection */
static leat_hello hello;  /* the worker's last */
static leat_hello beat_hello;

/* The frame that must_get has read last; body lies in it. */
static zmq_msg_t message;
static leat_frame frame;
static const uint8_t *body;
static size_t body_size;

/* ------------------------------------------------------------------------- handlers of ours */

static sem_t begun; /* a gated handler has begun */
static sem_t gate;  /* lets one of them go on */

/* "gpu 0 1, mem 1000": what the job was given. */
static leat_end
say_given(leat_call *call)
{
    static const char *const names[] = {"gpu", "mem"};
    char text[128] = "nothing";
    size_t size = 0;
    for (size_t i = 0; i < 2; i++) {
        const leat_given_amount *const one = leat_call_given(call, names[i]);
        if (one == NULL)
            continue;
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%s", size > 0 ? ", " : "",
                                 one->name);
        if (one->numbers == NULL)
            size += (size_t)snprintf(text + size, sizeof text - size, " %" PRIu64, one->amount);
        for (uint64_t k = 0; one->numbers != NULL && k < one->amount; k++)
            size += (size_t)snprintf(text + size, sizeof text - size, " %u", one->numbers[k]);
    }
    return leat_call_say(call, LEAT_END_DONE, "%s", text);
}

/* The same from a thread, when the gate opens. Payload "listens": it looks whether it was stopped
 * then; "fails": it fails for a reason of its own. */
static leat_end
run_gated(leat_call *call)
{
    char word[LEAT_CALL_WORD_BYTES] = "";
    (void)leat_call_word(call, word);
    sem_post(&begun);
    while (sem_wait(&gate) != 0)
        continue;
    if (strcmp(word, "listens") == 0 && leat_call_is_cancelled(call))
        return leat_call_stopped(call);
    if (strcmp(word, "fails") == 0)
        return leat_call_say(call, LEAT_END_FAILED, "of its own");
    return say_given(call);
}

static leat_end
fall_asleep(leat_call *call)
{
    char word[LEAT_CALL_WORD_BYTES];
    call->sleep_ms = leat_call_word(call, word) && strcmp(word, HOUR) == 0 ? 3600000 : 0;
    return LEAT_END_DONE;
}

static const leat_handler own_rows[] = {
    {"given", LEAT_RUNS_INLINE, say_given,   NULL,      "", NULL, NULL},
    {"gated", LEAT_RUNS_POOL,   run_gated,   NULL,      "", NULL, NULL},
    {"slept", LEAT_RUNS_TIMER,  fall_asleep, say_given, "", NULL, NULL},
};
#define OWN_ROWS (sizeof own_rows / sizeof *own_rows)

/* Those that every worker has, and ours. */
static leat_handler rows[LEAT_HANDLERS_MAX];
static size_t row_count;

static void
must_have_begun(void)
{
    while (sem_wait(&begun) != 0)
        continue;
}

/* ----------------------------------------------------------------------------- the broker */

static void
open_router(void)
{
    const int none = 0;
    router = zmq_socket(context, ZMQ_ROUTER);
    cr_assert(router != NULL);
    (void)zmq_setsockopt(router, ZMQ_LINGER, &none, sizeof none);
    const int wait_ms = WAIT_MS;
    (void)zmq_setsockopt(router, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    cr_assert(eq(int, zmq_bind(router, endpoint), 0), "%s: %s", endpoint, zmq_strerror(errno));
}

static void
close_router(void)
{
    cr_assert(eq(int, zmq_close(router), 0));
    router = NULL;
    worker_route.id_size = 0;
    beat_route.id_size = 0;
}

static void
must_send_to(const struct route *route, leat_buf *out)
{
    leat_frame_set_seen(out->data, seen);
    cr_assert(
        eq(int, zmq_send(router, route->id, route->id_size, ZMQ_SNDMORE), (int)route->id_size));
    cr_assert(eq(int, zmq_send(router, out->data, out->size, 0), (int)out->size));
    leat_buf_fini(out);
}

static void
must_send(leat_buf *out)
{
    leat_frame_set_sequence(out->data, ++sequence);
    must_send_to(&worker_route, out);
}

static void
must_welcome(const struct route *route, bool resumed)
{
    leat_buf out = {0};
    const leat_welcome welcome = {
        .broker = "00112233445566778899aabbccddeeff",
        .epoch = EPOCH,
        .resumed = resumed,
        .software = "leat test",
        .heartbeat_busy_ms = 20,
        .heartbeat_idle_ms = 20,
        .lost_ms = 60000,
        .frame_bytes_max = LEAT_FRAME_BYTES_MAX,
        .payload_bytes_max = LEAT_PAYLOAD_BYTES_MAX,
        .window_frames = LEAT_WINDOW_FRAMES,
    };
    leat_welcome_put(&out, &welcome, route == &worker_route ? ++sequence : 0, seen);
    must_send_to(route, &out);
}

/* Read one frame of whatever connection; *from is who has sent it. */
static void
must_read(struct route *from)
{
    from->id_size = (size_t)zmq_recv(router, from->id, sizeof from->id, 0);
    cr_assert(le(sz, from->id_size, sizeof from->id), "the worker says nothing");
    (void)zmq_msg_close(&message);
    (void)zmq_msg_init(&message);
    cr_assert(ge(int, zmq_msg_recv(&message, router, 0), 0));
    cr_assert(not(zmq_msg_more(&message)));
    const uint8_t *const data = zmq_msg_data(&message);
    const size_t size = zmq_msg_size(&message);
    LEAT_PASS(leat_frame_decode(data, size, LEAT_SIDE_PEER, &frame));
    body = data + LEAT_FRAME_BYTES;
    body_size = size - LEAT_FRAME_BYTES;
}

static void
on_hello(const struct route *from)
{
    static leat_hello read;
    char why[128];
    LEAT_PASS(leat_hello_decode(body, body_size, &read, why));
    if (read.role == LEAT_ROLE_BEAT) {
        beat_route = *from;
        beat_hello = read;
        must_welcome(&beat_route, true);
    } else {
        worker_route = *from;
        hello = read;
    }
}

/* The next frame of the worker that is neither HELLO nor HEARTBEAT, or the HELLO if `command` is
 * that. The beat is served on the way. */
static void
must_get_any(leat_command command)
{
    for (;;) {
        struct route from;
        must_read(&from);
        if (frame.command == LEAT_CMD_HELLO) {
            on_hello(&from);
            if (command == LEAT_CMD_HELLO && hello.role == LEAT_ROLE_WORKER &&
                worker_route.id_size == from.id_size &&
                memcmp(worker_route.id, from.id, from.id_size) == 0)
                return;
            continue;
        }
        const bool is_beat =
            beat_route.id_size == from.id_size && memcmp(beat_route.id, from.id, from.id_size) == 0;
        if (frame.command == LEAT_CMD_HEARTBEAT) {
            beats += is_beat;
            continue;
        }
        cr_assert(not(is_beat), "the beat sends %s", leat_command_name(frame.command));
        if (frame.sequence > seen)
            seen = frame.sequence;
        return;
    }
}

/* … which must be `command`. */
static void
must_get(leat_command command)
{
    must_get_any(command);
    cr_assert(frame.command == command, "%s instead of %s", leat_command_name(frame.command),
              leat_command_name(command));
}

static void
must_ack(void)
{
    leat_buf out = {0};
    const leat_acked acked = {.sequence = frame.sequence};
    leat_frame_begin(&out, LEAT_CMD_ACKED);
    leat_acked_put(&out, &acked);
    leat_frame_finish(&out, 0, 1, 0);
    must_send(&out);
}

static leat_credit
must_get_credit(void)
{
    leat_reader records;
    leat_credit credit;
    must_get(LEAT_CMD_CREDIT);
    LEAT_PASS(leat_credit_open(body, body_size, frame.count, &records));
    leat_credit_next(&records, &credit);
    return credit;
}

static leat_token_record
must_get_token(leat_command command, uint16_t count)
{
    leat_reader records;
    leat_token_record record;
    must_get(command);
    cr_assert(eq(u16, frame.count, count));
    LEAT_PASS(leat_tokens_open(command, body, body_size, frame.count, &records));
    leat_tokens_next(command, &records, &record);
    return record;
}

/* The worker is greeted as new: END of no claims and credit have come. */
static void
must_come_up(void)
{
    must_get(LEAT_CMD_HELLO);
    must_welcome(&worker_route, false);
    cr_assert(eq(u64, must_get_token(LEAT_CMD_END, 1).claims, 0));
    (void)must_get_credit();
}

/* One end, as a copy: `text` has the result. */
struct end {
    leat_token token;
    leat_end end;
    uint64_t started;
    char text[128];
};

/* Ends come in frames of any count; each is answered when it has been read through. */
static struct {
    leat_reader records;
    uint64_t started;
    uint16_t left;
} ends;

/* The frame that was read is a DONE. */
static void
must_open_ends(void)
{
    LEAT_PASS(leat_done_open(body, body_size, frame.count, &ends.started, &ends.records));
    ends.left = frame.count;
}

static struct end
must_get_end(void)
{
    if (ends.left == 0) {
        must_get(LEAT_CMD_DONE);
        must_open_ends();
    }
    leat_done done;
    leat_done_next(&ends.records, &done);
    struct end end = {.token = done.token, .end = done.end, .started = ends.started};
    cr_assert(lt(u32, done.result.size, sizeof end.text));
    memcpy(end.text, done.result.data, done.result.size);
    if (--ends.left == 0)
        must_ack();
    return end;
}

static void
must_get_end_of(uint64_t id, leat_end end, const char *text)
{
    const struct end got = must_get_end();
    cr_assert(eq(u64, got.token.id, id));
    cr_assert(eq(u32, got.token.attempt, 1));
    cr_assert(eq(u64, got.token.epoch, EPOCH));
    cr_assert(eq(int, (int)got.end, (int)end), "%s", got.text);
    cr_assert(eq(int, strcmp(got.text, text), 0));
}

/* One job, its number being its id. */
static void
must_give(uint64_t id, const char *handler, const char *payload)
{
    leat_buf out = {0};
    struct test_jobs jobs = must_begin_jobs(&out, EPOCH, id);
    must_add_run(&jobs, handler);
    must_add_job(&jobs, id, 1, payload);
    must_finish_jobs(&jobs, 0);
    must_send(&out);
}

static void
must_give_needing(uint64_t id, const char *handler, const char *payload, const char *needs)
{
    leat_buf out = {0};
    struct test_jobs jobs = must_begin_jobs(&out, EPOCH, id);
    must_add_run_that_needs(&jobs, handler, needs);
    must_add_job(&jobs, id, 1, payload);
    must_finish_jobs(&jobs, 0);
    must_send(&out);
}

/* Give an echo job; its end shows that every job before it has been started. */
static void
must_give_fence(uint64_t id)
{
    must_give(id, "echo", "fence");
    must_get_end_of(id, LEAT_END_DONE, "fence");
}

static void
must_stop(uint64_t id, leat_stop_reason reason)
{
    leat_buf out = {0};
    const leat_token_record record = {
        .token = {.id = id, .attempt = 1, .epoch = EPOCH},
          .reason = (uint8_t)reason
    };
    leat_frame_begin(&out, LEAT_CMD_STOP);
    leat_tokens_put(LEAT_CMD_STOP, &out, &record);
    leat_frame_finish(&out, 0, 1, 0);
    must_send(&out);
}

/* The job is given back, alone in its frame. */
static void
must_get_back(uint64_t id)
{
    cr_assert(eq(u64, must_get_token(LEAT_CMD_RELEASE, 1).token.id, id));
    must_ack();
}

/* ------------------------------------------------------------------------------ the worker */

static void *
thread_main(void *argument)
{
    (void)argument;
    result = leat_engine_run(worker);
    return NULL;
}

static leat_err
must_join(void)
{
    cr_assert(eq(int, pthread_join(thread, NULL), 0));
    running = false;
    return result;
}

static void
setup(void)
{
    const char *const endpoints[] = {endpoint};
    const char *const channels[] = {"default", "mail"};
    static const leat_hello_trait traits[] = {
        {"zone", "a"}
    };
    static const leat_hello_have haves[] = {
        {"gpu", 2      },
        {"mem", 1000000}
    };
    char path[PATH_MAX];
    leat_beat_process_init();
    (void)sem_init(&begun, 0, 0);
    (void)sem_init(&gate, 0, 0);
    const leat_handler *const built_in = leat_handlers(&row_count);
    memcpy(rows, built_in, row_count * sizeof *rows);
    memcpy(rows + row_count, own_rows, sizeof own_rows);
    row_count += OWN_ROWS;
    leat_tmp_init(&tmp);
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%.200s", leat_tmp_path(&tmp, "b", path));
    context = zmq_ctx_new();
    (void)zmq_msg_init(&message);
    open_router();

    const leat_engine_options options = {
        .endpoints = endpoints,
        .endpoint_count = 1,
        .name = "w1",
        .slots = SLOTS,
        .threads = SLOTS,
        .channels = channels,
        .channel_count = 2,
        .traits = traits,
        .trait_count = 1,
        .haves = haves,
        .have_count = 2,
        .handlers = rows,
        .handler_count = row_count,
        .signal_fd = -1,
    };
    LEAT_PASS(leat_engine_new(&options, &worker));
    cr_assert(eq(int, pthread_create(&thread, NULL, thread_main, NULL), 0));
    running = true;
}

static void
teardown(void)
{
    if (running) {
        leat_engine_stop(worker);
        (void)must_join();
    }
    leat_engine_destroy(&worker);
    (void)zmq_msg_close(&message);
    if (router != NULL)
        close_router();
    (void)zmq_ctx_term(context);
    (void)sem_destroy(&begun);
    (void)sem_destroy(&gate);
    leat_tmp_fini(&tmp);
}

TestSuite(worker, .init = setup, .fini = teardown);

/* -------------------------------------------------------------------------------- sessions */

Test(worker, hello_says_who_it_is_and_credit_follows_the_welcome)
{
    must_get(LEAT_CMD_HELLO);
    cr_assert(eq(int, strcmp(hello.name, "w1"), 0));
    cr_assert(eq(i64, hello.pid, getpid()));
    cr_assert(gt(sz, strlen(hello.host), 0));
    cr_assert(eq(u32, hello.slots, SLOTS));
    cr_assert(not(hello.resume));
    cr_assert(eq(u32, hello.channel_count, 2));
    cr_assert(eq(int, strcmp(hello.channels[1], "mail"), 0));
    cr_assert(eq(u32, hello.trait_count, 1));
    LEAT_SAME_TEXT(hello.traits[0].name, "zone");
    LEAT_SAME_TEXT(hello.traits[0].value, "a");
    cr_assert(eq(u32, hello.have_count, 2));
    LEAT_SAME_TEXT(hello.haves[0].name, "gpu");
    cr_assert(eq(u64, hello.haves[0].amount, 2));
    cr_assert(eq(u64, hello.haves[1].amount, 1000000));
    cr_assert(eq(u32, hello.handler_count, (uint32_t)row_count));
    for (size_t i = 0; i < row_count; i++) {
        cr_assert(eq(int, strcmp(hello.handlers[i].name, rows[i].name), 0));
        cr_assert(eq(int, (int)hello.handlers[i].runs, (int)rows[i].runs));
    }

    must_welcome(&worker_route, false);

    cr_assert(eq(u64, must_get_token(LEAT_CMD_END, 1).claims, 0));
    const leat_credit credit = must_get_credit();
    cr_assert(eq(int, (int)credit.kind, LEAT_CREDIT_WORK));
    cr_assert(eq(u16, credit.handler, LEAT_CREDIT_ALL_HANDLERS));
    cr_assert(eq(u32, credit.items, SLOTS + 8192));
    cr_assert(eq(u32, credit.bytes, 64 * 1024 * 1024));
}

Test(worker, the_beat_names_the_session_on_a_connection_of_its_own)
{
    must_come_up();
    const leat_session_id session = hello.session;

    while (beats < 3) {
        struct route from;
        must_read(&from);
        if (frame.command == LEAT_CMD_HELLO)
            on_hello(&from);
        else if (from.id_size == beat_route.id_size &&
                 memcmp(from.id, beat_route.id, from.id_size) == 0)
            beats += frame.command == LEAT_CMD_HEARTBEAT;
    }

    cr_assert(eq(int, (int)beat_hello.role, LEAT_ROLE_BEAT));
    cr_assert(beat_hello.resume);
    cr_assert(eq(u32, beat_hello.trait_count, 0));
    cr_assert(eq(u32, beat_hello.have_count, 0));
    cr_assert(eq(int, memcmp(&beat_hello.session, &session, sizeof session), 0));
}

Test(worker, after_a_reconnect_it_claims_what_it_holds_and_what_has_started)
{
    must_come_up();
    const leat_session_id session = hello.session;
    must_give(1, "sleep", HOUR);
    must_give(2, "burn", HOUR);
    must_give(3, "sleep", HOUR);
    must_give(4, "echo", "waits behind 3");
    must_give(5, "noop", "");
    must_stop(5, LEAT_STOP_CANCEL); /* its answer shows that 1 to 4 have been read */
    cr_assert(eq(u64, must_get_token(LEAT_CMD_RELEASE, 1).token.id, 5));

    close_router();
    open_router();
    must_get(LEAT_CMD_HELLO);
    cr_assert(hello.resume);
    cr_assert(eq(u64, hello.connection, 2));
    cr_assert(eq(int, memcmp(&hello.session, &session, sizeof session), 0));
    must_welcome(&worker_route, true);

    (void)must_get_token(LEAT_CMD_RELEASE, 1); /* it was not answered */
    leat_reader records;
    uint32_t started = 0;
    uint32_t waiting = 0;
    must_get(LEAT_CMD_CLAIM);
    cr_assert(eq(u16, frame.count, 4));
    LEAT_PASS(leat_tokens_open(LEAT_CMD_CLAIM, body, body_size, frame.count, &records));
    for (int i = 0; i < 4; i++) {
        leat_token_record claim;
        leat_tokens_next(LEAT_CMD_CLAIM, &records, &claim);
        cr_assert(eq(u64, claim.token.epoch, EPOCH));
        if (claim.started != 0)
            started |= 1U << claim.token.id;
        else
            waiting |= 1U << claim.token.id;
    }
    cr_assert(eq(u32, started, 1U << 1 | 1U << 2));
    cr_assert(eq(u32, waiting, 1U << 3 | 1U << 4));
    cr_assert(eq(u64, must_get_token(LEAT_CMD_END, 1).claims, 4));
    cr_assert(eq(u32, must_get_credit().items, SLOTS + 8192));
}

Test(worker, an_end_that_was_not_answered_is_sent_again_and_not_claimed)
{
    must_come_up();
    must_give(1, "echo", "once");
    must_get(LEAT_CMD_DONE);
    const uint64_t first = frame.sequence;

    close_router();
    open_router();
    must_get(LEAT_CMD_HELLO);
    must_welcome(&worker_route, true);

    must_get(LEAT_CMD_DONE);
    cr_assert(eq(u64, frame.sequence, first));
    cr_assert(eq(u64, must_get_token(LEAT_CMD_END, 1).claims, 0));
}

Test(worker, jobs_of_a_session_that_is_gone_are_dropped_without_a_word)
{
    must_come_up();
    must_give(1, "sleep", HOUR);
    must_give(2, "burn", HOUR);
    must_give(3, "sleep", HOUR);
    must_give(4, "noop", "");
    must_stop(4, LEAT_STOP_CANCEL); /* its answer shows that the others have come */
    (void)must_get_token(LEAT_CMD_RELEASE, 1);
    const leat_session_id session = hello.session;

    close_router();
    open_router();
    must_get(LEAT_CMD_HELLO);
    leat_buf out = {0};
    const leat_error_record unknown = {.code = LEAT_ERR_SESSION_UNKNOWN,
                                       .sentence = leat_text_of("never heard of it")};
    leat_frame_begin(&out, LEAT_CMD_ERROR);
    leat_error_put(&out, &unknown);
    leat_frame_finish(&out, 0, 1, 0);
    must_send_to(&worker_route, &out);
    sequence = 0;
    seen = 0;
    must_get(LEAT_CMD_HELLO);
    cr_assert(not(hello.resume));
    cr_assert(ne(int, memcmp(&hello.session, &session, sizeof session), 0));
    must_welcome(&worker_route, false);

    cr_assert(eq(u64, must_get_token(LEAT_CMD_END, 1).claims, 0));
    (void)must_get_credit();
    must_give(1, "sleep", "0");
    must_get_end_of(1, LEAT_END_DONE, "");
    must_give(2, "burn", "1");
    must_get_end_of(2, LEAT_END_DONE, "");
}

Test(worker, a_broker_that_refuses_it_ends_the_worker_with_its_words)
{
    must_get(LEAT_CMD_HELLO);
    leat_buf out = {0};
    const leat_error_record denied = {.code = LEAT_ERR_DENIED,
                                      .sentence = leat_text_of("no workers here")};
    leat_frame_begin(&out, LEAT_CMD_ERROR);
    leat_error_put(&out, &denied);
    leat_frame_finish(&out, 0, 1, 0);
    must_send_to(&worker_route, &out);

    LEAT_FAILS(must_join(), LEAT_ERR_DENIED);
    cr_assert(strstr(leat_engine_sentence(worker), "no workers here") != NULL);
}

/* ------------------------------------------------------------------------------------ jobs */

Test(worker, jobs_of_one_frame_end_in_one_frame_in_their_order)
{
    enum {
        COUNT = 500
    };
    must_come_up();
    leat_buf out = {0};
    struct test_jobs jobs = must_begin_jobs(&out, EPOCH, 1);
    must_add_run(&jobs, "echo");
    for (uint64_t id = 1; id <= COUNT; id++)
        must_add_job(&jobs, 1000 + id, 1, "hello");
    must_finish_jobs(&jobs, 0);
    must_send(&out);

    uint64_t last = 0;
    for (uint64_t id = 1; id <= COUNT; id++) {
        const struct end end = must_get_end();
        cr_assert(eq(u64, end.token.id, 1000 + id));
        cr_assert(eq(int, (int)end.end, LEAT_END_DONE));
        cr_assert(eq(int, strcmp(end.text, "hello"), 0));
        last = end.started;
    }
    cr_assert(eq(u64, last, COUNT));
}

Test(worker, a_job_behind_one_that_finds_no_slot_waits_for_it)
{
    must_come_up();
    must_give(1, "sleep", HOUR);
    must_give(2, "sleep", HOUR);
    must_give_fence(3);
    must_give(4, "sleep", "0");
    must_give(5, "echo", "waits behind 4");

    must_stop(1, LEAT_STOP_STALE);

    /* 4 has the slot of 1 now; 5 needs none and may be faster than even the shortest sleep. */
    const uint64_t one = must_get_end().token.id;
    const struct end end = must_get_end();
    cr_assert(eq(u64, one + end.token.id, 9));
    cr_assert(eq(u64, end.started, 5));
}

Test(worker, every_kind_of_handler_answers)
{
    must_come_up();
    must_give(1, "primes", "100000");
    must_get_end_of(1, LEAT_END_DONE, "9592");
    must_give(2, "pi", "10");
    must_get_end_of(2, LEAT_END_DONE, "3.1415926535");
    must_give(3, "fail", "no luck");
    must_get_end_of(3, LEAT_END_FAILED, "no luck");
    must_give(4, "sleep", "soon");
    const struct end end = must_get_end();
    cr_assert(eq(int, (int)end.end, LEAT_END_FATAL));
    must_give(5, "sleep", "5ms");
    must_get_end_of(5, LEAT_END_DONE, "");
    must_give(6, "thumb", "");
    must_get_end_of(6, LEAT_END_FATAL, "this worker has no handler \"thumb\"");
}

Test(worker, more_computing_jobs_than_slots_all_end)
{
    enum {
        COUNT = 100
    };
    must_come_up();
    leat_buf out = {0};
    struct test_jobs jobs = must_begin_jobs(&out, EPOCH, 1);
    must_add_run(&jobs, "burn");
    for (uint64_t id = 1; id <= COUNT; id++)
        must_add_job(&jobs, id, 1, "50");
    must_finish_jobs(&jobs, 0);
    must_send(&out);

    uint64_t sum = 0;
    for (uint64_t id = 1; id <= COUNT; id++) {
        const struct end end = must_get_end();
        cr_assert(eq(int, (int)end.end, LEAT_END_DONE));
        sum += end.token.id;
    }
    cr_assert(eq(u64, sum, COUNT * (COUNT + 1) / 2));
}

/* ----------------------------------------------------------------------------------- needs */

Test(worker, a_handler_of_every_kind_can_ask_what_its_job_was_given)
{
    must_come_up();
    for (uint64_t id = 1; id < 7; id += 3) { /* the second time round all of it is free again */
        must_give_needing(id, "given", "", "gpu=2,mem=1000000");
        must_get_end_of(id, LEAT_END_DONE, "gpu 0 1, mem 1000000");
        sem_post(&gate);
        must_give_needing(id + 1, "gated", "", "gpu=2,mem=1000000");
        must_get_end_of(id + 1, LEAT_END_DONE, "gpu 0 1, mem 1000000");
        must_give_needing(id + 2, "slept", "", "gpu=2,mem=1000000");
        must_get_end_of(id + 2, LEAT_END_DONE, "gpu 0 1, mem 1000000");
    }

    must_give(7, "given", "");
    must_get_end_of(7, LEAT_END_DONE, "nothing");
}

Test(worker, jobs_that_run_at_the_same_time_have_different_numbers)
{
    must_come_up();
    must_give_needing(1, "sleep", HOUR, "gpu=1");
    must_give_needing(2, "given", "", "gpu=1");
    must_get_end_of(2, LEAT_END_DONE, "gpu 1");
}

Test(worker, a_job_waits_for_what_another_one_holds_and_so_do_those_behind_it)
{
    must_come_up();
    must_give_needing(1, "slept", HOUR, "gpu=2");
    must_give_fence(2);
    must_give_needing(3, "given", "", "gpu=1");
    must_give(4, "given", "");
    must_give(5, "noop", "");
    must_stop(5, LEAT_STOP_CANCEL);
    must_get_back(5);

    must_stop(1, LEAT_STOP_STALE);

    must_get_end_of(3, LEAT_END_DONE, "gpu 0");
    must_get_end_of(4, LEAT_END_DONE, "nothing");
}

Test(worker, what_runs_keeps_its_share_when_nobody_wants_its_end_any_more)
{
    must_come_up();
    must_give_needing(1, "gated", "", "gpu=1");
    must_have_begun();
    must_stop(1, LEAT_STOP_STALE);
    must_give_needing(2, "given", "", "gpu=1");
    must_get_end_of(2, LEAT_END_DONE, "gpu 1");

    must_give_needing(3, "given", "", "gpu=2");
    sem_post(&gate);

    must_get_end_of(3, LEAT_END_DONE, "gpu 0 1");
}

Test(worker, a_task_that_goes_back_before_it_has_begun_gives_back_its_share)
{
    must_come_up();
    must_give(1, "gated", "");
    must_give(2, "gated", "");
    must_have_begun();
    must_have_begun();
    must_give_needing(3, "gated", "", "gpu=2");
    must_give_fence(4);

    must_stop(3, LEAT_STOP_CANCEL);
    must_get_back(3);

    must_give_needing(5, "given", "", "gpu=2");
    must_get_end_of(5, LEAT_END_DONE, "gpu 0 1");
    sem_post(&gate);
    sem_post(&gate);
}

Test(worker, a_job_that_cannot_begin_gives_back_its_share)
{
    must_come_up();
    must_give_needing(1, "sleep", "soon", "gpu=2");
    cr_assert(eq(int, (int)must_get_end().end, LEAT_END_FATAL));

    must_give_needing(2, "given", "", "gpu=2");
    must_get_end_of(2, LEAT_END_DONE, "gpu 0 1");
}

Test(worker, a_job_that_needs_what_the_worker_never_has_fails_with_a_sentence)
{
    must_come_up();
    must_give_needing(1, "given", "", "gpu=3");
    must_get_end_of(1, LEAT_END_FAILED, "this worker does not have \"gpu=3\"");
    must_give_needing(2, "thumb", "", "gpu=3");
    must_get_end_of(2, LEAT_END_FATAL, "this worker has no handler \"thumb\"");
}

Test(worker, a_worker_that_is_stopped_lets_go_of_what_its_jobs_hold)
{
    must_come_up();
    must_give_needing(1, "sleep", HOUR, "gpu=1");
    must_give_needing(2, "burn", HOUR, "gpu=1,mem=5");
    must_give_fence(3);

    leat_engine_stop(worker);

    LEAT_FAILS(must_join(), LEAT_ERR_INTERRUPTED);
}

/* ----------------------------------------------------------------------------------- stops */

/* 1 computes, and has read that it is to stop. */
static void
must_stop_gated(const char *payload, leat_stop_reason reason)
{
    must_give(1, "gated", payload);
    must_have_begun();
    must_stop(1, reason);
    must_give_fence(2);
}

Test(worker, what_sleeps_goes_back_at_once_when_it_is_stopped)
{
    must_come_up();
    must_give(1, "sleep", HOUR);
    must_give(2, "sleep", HOUR);
    must_give_fence(3);

    must_stop(1, LEAT_STOP_CANCEL);
    must_get_back(1);
    must_stop(2, LEAT_STOP_LIMIT);
    must_get_back(2);

    must_give(4, "sleep", "0"); /* their slots are free */
    must_get_end_of(4, LEAT_END_DONE, "");
}

Test(worker, what_computes_and_listens_goes_back_when_it_is_stopped)
{
    must_come_up();
    must_stop_gated("listens", LEAT_STOP_CANCEL);

    sem_post(&gate);

    must_get_back(1);
}

Test(worker, what_computes_by_itself_listens_all_the_time)
{
    must_come_up();
    must_give(1, "burn", HOUR);

    must_stop(1, LEAT_STOP_LIMIT);

    must_get_back(1);
}

Test(worker, what_was_quicker_than_the_stop_is_reported_as_it_ended)
{
    must_come_up();
    must_stop_gated("does not listen", LEAT_STOP_CANCEL);
    sem_post(&gate);
    must_get_end_of(1, LEAT_END_DONE, "nothing");

    must_give(3, "gated", "fails");
    must_have_begun();
    must_stop(3, LEAT_STOP_LIMIT);
    must_give_fence(4);
    sem_post(&gate);
    must_get_end_of(3, LEAT_END_FAILED, "of its own");
}

Test(worker, a_stopped_job_keeps_its_slot_until_it_has_ended)
{
    must_come_up();
    must_stop_gated("listens", LEAT_STOP_CANCEL);
    must_give(3, "sleep", HOUR);
    must_give(4, "sleep", HOUR);
    must_give(5, "noop", "");
    must_stop(5, LEAT_STOP_CANCEL);
    must_get_back(5);

    sem_post(&gate);
    must_get_back(1);
    must_give(6, "echo", "after 4");
    must_get_end_of(6, LEAT_END_DONE, "after 4");
}

Test(worker, so_does_one_that_nobody_wants_any_more)
{
    must_come_up();
    must_stop_gated("listens", LEAT_STOP_STALE);
    must_give(3, "sleep", HOUR);
    must_give(4, "sleep", HOUR);
    must_give(5, "noop", "");
    must_stop(5, LEAT_STOP_CANCEL);
    must_get_back(5);

    sem_post(&gate);
    must_give(6, "echo", "after 4");
    must_get_end_of(6, LEAT_END_DONE, "after 4");
}

Test(worker, a_stop_that_becomes_stale_is_not_answered)
{
    must_come_up();
    must_stop_gated("listens", LEAT_STOP_CANCEL);
    must_stop(1, LEAT_STOP_STALE);
    must_give_fence(3);

    sem_post(&gate);

    must_give(4, "sleep", HOUR);
    must_give(5, "sleep", HOUR);
    must_give_fence(6);
}

Test(worker, what_has_not_started_goes_back_when_it_is_stopped)
{
    must_come_up();
    must_give(1, "sleep", HOUR);
    must_give(2, "sleep", HOUR);
    must_give_fence(3);
    must_give(4, "sleep", HOUR);

    must_stop(4, LEAT_STOP_CANCEL);

    must_get_back(4);
    must_give_fence(5);
}

Test(worker, a_stale_job_is_dropped_without_an_answer_wherever_it_is)
{
    must_come_up();
    must_give(1, "sleep", HOUR);
    must_give(2, "burn", HOUR);
    must_give_fence(3);
    must_give(4, "sleep", HOUR);
    must_stop(4, LEAT_STOP_STALE);
    must_stop(2, LEAT_STOP_STALE);
    must_stop(1, LEAT_STOP_STALE);
    must_stop(99, LEAT_STOP_CANCEL); /* never heard of it */

    must_give(5, "sleep", "0");
    must_give(6, "primes", "10");

    const struct end first = must_get_end();
    const struct end second = must_get_end();
    cr_assert(eq(u64, first.token.id + second.token.id, 11));
}

/* Jobs 1 … count of one handler, and in the same breath a recall of `items`: the worker may read
 * both in one go. */
static void
must_give_and_recall(uint64_t count, const char *handler, const char *payload, uint32_t items)
{
    leat_buf out = {0};
    const leat_token_record recall = {.items = items};
    struct test_jobs jobs = must_begin_jobs(&out, EPOCH, 1);
    must_add_run(&jobs, handler);
    for (uint64_t id = 1; id <= count; id++)
        must_add_job(&jobs, id, 1, payload);
    must_finish_jobs(&jobs, 0);
    must_send(&out);
    leat_frame_begin(&out, LEAT_CMD_RECALL);
    leat_tokens_put(LEAT_CMD_RECALL, &out, &recall);
    leat_frame_finish(&out, 0, 1, 0);
    must_send(&out);
}

/* One frame gives back the jobs first … first + count - 1, in any order. */
static void
must_get_back_from(uint64_t first, uint16_t count)
{
    leat_reader records;
    uint64_t back = 0;
    must_get(LEAT_CMD_RELEASE);
    cr_assert(eq(u16, frame.count, count));
    LEAT_PASS(leat_tokens_open(LEAT_CMD_RELEASE, body, body_size, count, &records));
    for (uint16_t i = 0; i < count; i++) {
        leat_token_record record;
        leat_tokens_next(LEAT_CMD_RELEASE, &records, &record);
        cr_assert(ge(u64, record.token.id, first));
        cr_assert(lt(u64, record.token.id, first + count));
        back |= UINT64_C(1) << (record.token.id - first);
    }
    cr_assert(eq(u64, back, (UINT64_C(1) << count) - 1));
    must_ack();
}

Test(worker, a_recall_gives_back_the_newest_that_have_not_started)
{
    must_come_up();
    must_give_and_recall(6, "sleep", HOUR, 3);
    must_get_back_from(4, 3);

    must_stop(3, LEAT_STOP_CANCEL); /* it is still here */
    must_get_back(3);
}

Test(worker, a_recall_of_more_than_there_are_leaves_what_has_a_slot)
{
    must_come_up();
    must_give_and_recall(6, "sleep", HOUR, 100);
    must_get_back_from(3, 4);

    must_stop(1, LEAT_STOP_CANCEL);
    must_get_back(1);
    must_stop(2, LEAT_STOP_CANCEL);
    must_get_back(2);
}

Test(worker, a_recall_takes_from_the_pool_s_queue_what_no_thread_is_free_for)
{
    must_come_up();
    must_give_and_recall(5, "gated", "", 2);
    must_get_back_from(4, 2);

    for (int i = 0; i < 3; i++)
        sem_post(&gate);
    const uint64_t sum =
        must_get_end().token.id + must_get_end().token.id + must_get_end().token.id;
    cr_assert(eq(u64, sum, 6));
}

Test(worker, a_recall_takes_the_line_before_the_pool_s_queue)
{
    enum {
        COUNT = 40, /* more than the threads and what they may have ahead */
    };
    must_come_up();
    must_give_and_recall(COUNT, "gated", "", COUNT - SLOTS - 1);
    must_get_back_from(SLOTS + 2, COUNT - SLOTS - 1);

    for (uint32_t i = 0; i <= SLOTS; i++)
        sem_post(&gate);
    uint64_t sum = 0;
    for (uint64_t i = 0; i <= SLOTS; i++)
        sum += must_get_end().token.id;
    cr_assert(eq(u64, sum, 6));
}

Test(worker, a_job_that_is_here_alone_is_never_given_back)
{
    must_come_up();
    for (uint32_t i = 0; i < 20; i++) {
        must_give_and_recall(1, "gated", "", 1);
        sem_post(&gate);
        must_get_end_of(1, LEAT_END_DONE, "nothing");
    }
    must_give_and_recall(1, "echo", "alone", 1);
    must_get_end_of(1, LEAT_END_DONE, "alone");
    must_give_and_recall(1, "sleep", "0", 1);
    must_get_end_of(1, LEAT_END_DONE, "");
}

Test(worker, an_end_that_was_not_wanted_any_more_disturbs_nothing)
{
    must_come_up();
    must_give(1, "echo", "one");
    must_get(LEAT_CMD_DONE);
    leat_buf out = {0};
    const leat_acked acked = {.sequence = frame.sequence, .exceptions = 1};
    const leat_acked_exception stale = {.id = 1, .attempt = 1, .code = LEAT_ERR_STALE};
    leat_frame_begin(&out, LEAT_CMD_ACKED);
    leat_acked_put(&out, &acked);
    leat_acked_put_exception(&out, &stale);
    leat_frame_finish(&out, 0, 1, 0);
    must_send(&out);

    must_give(2, "echo", "two");

    must_get_end_of(2, LEAT_END_DONE, "two");
    leat_engine_stop(worker);
    LEAT_FAILS(must_join(), LEAT_ERR_INTERRUPTED);
    cr_assert(eq(u64, leat_engine_stale(worker), 1));
}

/* ----------------------------------------------------------------------------------- drain */

Test(worker, a_drained_worker_finishes_what_runs_gives_back_the_rest_and_says_bye)
{
    must_come_up();
    must_give(1, "sleep", HOUR);
    must_give(2, "sleep", HOUR);
    must_give_fence(3);
    must_give(4, "sleep", "0");
    must_give(5, "noop", "");
    must_stop(5, LEAT_STOP_CANCEL); /* its answer shows that 4 has come */
    (void)must_get_token(LEAT_CMD_RELEASE, 1);
    must_ack();

    leat_engine_drain(worker);

    const leat_credit credit = must_get_credit();
    cr_assert(eq(u32, credit.items, 0));
    must_get_back(4);
    must_give(6, "echo", "too late");
    must_get_back(6);
    must_stop(1, LEAT_STOP_CANCEL);
    must_get_back(1);
    must_stop(2, LEAT_STOP_CANCEL);
    must_get_back(2);
    must_get(LEAT_CMD_BYE);
    LEAT_PASS(must_join());
    cr_assert(eq(u64, leat_engine_ended(worker), 1));
    cr_assert(eq(u64, leat_engine_failed(worker), 0));
}

Test(worker, an_idle_worker_that_is_drained_leaves_at_once)
{
    must_come_up();

    leat_engine_drain(worker);

    cr_assert(eq(u32, must_get_credit().items, 0));
    must_get(LEAT_CMD_BYE);
    LEAT_PASS(must_join());
}

Test(worker, a_worker_without_a_broker_can_be_drained)
{
    close_router();

    leat_engine_drain(worker);

    LEAT_PASS(must_join());
}

Test(worker, a_worker_that_is_stopped_leaves_while_its_jobs_run)
{
    must_come_up();
    must_give(1, "burn", HOUR);

    leat_engine_stop(worker);

    LEAT_FAILS(must_join(), LEAT_ERR_INTERRUPTED);
}
