/* A core on two memory stores, virtual time, and peers that talk to it in real frames.
 *
 *     test_world w;
 *     world_init(&w);
 *     test_peer *client = must_client(&w);                       has said HELLO, is welcome
 *     test_peer *worker = must_worker(&w, "w1", 4, "echo");      handlers "NAME[:RUNS] …"
 *     const test_answer *sent = must_send(client, &head, 3);
 *     peer_credit(worker, 10);
 *     must_settle(&w);                                           turns until nobody hears any more
 *     must_end_all(worker, LEAT_END_DONE);
 *     world_fini(&w);
 *
 * A peer keeps every frame that it was sent and what it said, by kind. With each frame the promises
 * that hold always are checked: it is well-formed and not too large, numbers rise by one, at most
 * LEAT_OUT_FRAMES are unconfirmed, an answer that comes again is the same. What must succeed
 * asserts, by assert(3), so that programs without Criterion can use it too. */
#ifndef LEAT_TEST_PEERS_H
#define LEAT_TEST_PEERS_H

#include "broker/core/core.h"
#include "proto/control.h"
#include "proto/records.h"
#include "proto/told.h"
#include "tests/lib/latestore.h"

#define WORLD_PEERS_MAX 256U

typedef struct test_job {
    leat_token token;
    uint64_t number;
    uint64_t batch;
    uint64_t run_limit_ms;
    uint32_t place;
    leat_text channel;
    leat_text handler;
    leat_text needs;
    leat_bytes payload;
    leat_bytes checkpoint; /* empty: none */
    size_t frame;          /* index into frames */
    bool over;             /* has been reported */
} test_job;

typedef struct test_completion {
    uint64_t batch;
    uint64_t position;
    leat_completion completion;
    leat_text worker;
} test_completion;

typedef struct test_run {
    uint64_t batch;
    uint64_t first_position;
    leat_counters counters;
    uint8_t flags;
    uint16_t n;
} test_run;

typedef struct test_message {
    leat_text channel;
    leat_message message;
    bool acked;
} test_message;

typedef struct test_answer {
    uint64_t sequence;
    leat_command command; /* SENT, ACKED, REPLY, ERROR */
    leat_err code;
    unsigned times; /* how often it came */
    leat_sent sent;
    uint16_t exceptions;
    leat_acked_exception exception; /* the first */
    char *json;                     /* owned; REPLY */
    char sentence[600];
    leat_bytes record; /* as it came, in its frame */
} test_answer;

typedef struct test_selected {
    leat_selected selected;
    unsigned times; /* how often it came */
} test_selected;

/* PROGRESS or LOG. */
typedef struct test_told {
    leat_command command;
    leat_progress progress;
    leat_output output;
} test_told;

typedef struct test_peer {
    struct test_world *world;
    const leat_principal *principal; /* who speaks; borrowed */
    leat_session_id session;
    leat_hello *hello; /* owned; what the next HELLO says */
    leat_route route;  /* 0: no connection */
    bool welcome;      /* WELCOME has come on this connection */
    bool resumed;      /* as it said */
    uint64_t epoch;
    uint64_t sequence; /* own, the last used */
    uint64_t got;      /* highest of the broker's frames on this connection */
    uint64_t seen;     /* what it has told of it */
    bool deaf;         /* does not confirm what it gets */
    bool mute;         /* sends no heartbeats */
    int64_t beat_ms;
    uint64_t started; /* of a worker: said in heartbeats and DONE */
    uint32_t running; /* … slots at work: said in heartbeats */
    bool over;        /* said BYE */

    leat_buf *frames; /* owned: all that it was sent */
    size_t frame_count, frame_capacity;
    leat_buf *said; /* owned; by sequence - 1: sequenced frames, for repeats */
    size_t said_count, said_capacity;
    uint64_t answered;    /* highest sequence that was */
    test_answer *answers; /* owned; pointers into it live until the next answer comes */
    size_t answer_count, answer_capacity;
    test_job *jobs; /* owned, as the next ones */
    size_t job_count, job_capacity;
    test_completion *completions;
    size_t completion_count, completion_capacity;
    test_run *runs;
    size_t run_count, run_capacity;
    test_message *messages;
    size_t message_count, message_capacity;
    leat_token_record *stops;
    size_t stop_count, stop_capacity;
    test_selected *selected; /* SELECTED, each once */
    size_t selected_count, selected_capacity;
    leat_withdrawn withdrawn; /* the last one */
    unsigned withdrawals;
    test_told *told; /* owned */
    size_t told_count, told_capacity;
    uint64_t recalled; /* jobs that it was asked to give back */
    char *reply;       /* owned; JSON of the last answer to a QUERY */
    unsigned errors;   /* ERRORs that answer no sequence */
    leat_err error;    /* the last one */
    char error_sentence[600];
    unsigned heartbeats;
    unsigned closed; /* CLOSED has been said so often */
    unsigned byes;
    unsigned last_command_number; /* command of the last frame */
} test_peer;

typedef struct test_world {
    leat_core *core;
    test_late *disk;
    test_late *memory;
    leat_now now;
    leat_route routes; /* handed out */
    uint64_t sessions;
    test_peer *peers[WORLD_PEERS_MAX];
    size_t peer_count;
    uint64_t heard; /* frames that anybody was sent */
    cJSON *json;    /* owned; the last result, see must_do */
    bool default_memory;
    leat_keep keep; /* from the next start on */
    /* Zones of schedules; NULL: only UTC. */
    leat_err (*zone)(void *context,
                     const char *name,
                     int64_t from_s,
                     int64_t upto_s,
                     leat_zone_change *out,
                     uint32_t max,
                     uint32_t *count,
                     char why[LEAT_CRON_WHY_BYTES]);
    leat_retention retention;
    char why[256];
} test_world;

void world_init(test_world *w);
/* The same with a disk that keeps so many ended jobs. */
void world_init_keeping(test_world *w, uint64_t jobs_max);
void world_fini(test_world *w);

/* tick, commit, release. */
void world_turn(test_world *w);
/* Turns, with peers confirming what they got, until a turn in which nobody hears anything. */
void must_settle(test_world *w);
/* Virtual time goes on in turns of at most 200 ms; peers beat. */
void world_pass(test_world *w, int64_t ms);
/* The clocks jump, nothing happens. */
void world_jump(test_world *w, int64_t ms);
/* A frame from somebody whom nobody listens for; routes from WORLD_STRANGERS on. */
#define WORLD_STRANGERS (1ULL << 32)
void world_stranger(test_world *w, leat_route route, const uint8_t *data, size_t size);
/* The broker is killed and comes back with the same disk: what was not durable is gone, and all
 * connections are. LEAT_ERR_OK or what the load said (w->why). */
leat_err world_restart(test_world *w);
void must_restart(test_world *w);

/* A peer that has not said anything yet. handlers: "echo sleep:timer cmd:child", NULL: a client. */
test_peer *world_peer(test_world *w, const char *name, uint32_t slots, const char *handlers);
/* A new connection; HELLO on it. */
void peer_connect(test_peer *peer, bool resume);
/* The connection is gone, and the broker sees it. */
void peer_cut(test_peer *peer);
void peer_bye(test_peer *peer);
test_peer *must_client(test_world *w);
/* A client with a key of this number. */
test_peer *must_client_of(test_world *w, const leat_principal *principal);
test_peer *must_worker(test_world *w, const char *name, uint32_t slots, const char *handlers);
/* Resume: connect, and settle until WELCOME. A worker claims `claims` first of its open jobs and
 * says END. */
void must_resume(test_peer *peer);
void must_resume_worker(test_peer *peer, size_t claims, bool started);

/* A whole frame goes to the core as it is, but for `seen`; taken. */
void peer_say(test_peer *peer, leat_buf *frame_p);
/* The same, numbered with the next sequence, which is returned, and kept for repeats. */
uint64_t peer_say_numbered(test_peer *peer, leat_buf *frame_p);
void peer_repeat(test_peer *peer, uint64_t sequence);
void peer_beat(test_peer *peer);

/* A head for channel "default" and this handler; batch tag 0: every job alone. */
leat_send_head test_head(const char *handler, uint32_t tag);
/* n records with payloads "0", "1", …; payload_bytes > 0 fills each up to that size. */
uint64_t peer_send(test_peer *peer, const leat_send_head *head, unsigned n, size_t payload_bytes);
const test_answer *must_send(test_peer *peer, const leat_send_head *head, unsigned n);
/* Credit of all kinds; nothing is answered. */
void peer_credit(test_peer *peer, uint32_t items);
void peer_credit_bytes(test_peer *peer, uint32_t items, uint32_t bytes);
void peer_wait(test_peer *peer,
               uint64_t batch,
               uint64_t position,
               leat_goal kind,
               uint64_t goal,
               uint32_t items);
void peer_recv(test_peer *peer, const char *channel, uint32_t items);
void peer_ack_position(test_peer *peer, uint64_t batch, uint64_t position);
uint64_t peer_ack_message(test_peer *peer, uint64_t id);
/* RECV with a count of receives; WITHDRAW of a sequence, of a receive. */
void peer_receive(test_peer *peer, const char *channel, uint32_t items, uint64_t receives);
void peer_withdraw(test_peer *peer, uint64_t sequence);
void peer_withdraw_recv(test_peer *peer, const char *channel);
/* Cases "?a ?b !c": receive from a, from b, send "c" into c. */
uint64_t peer_select(test_peer *peer, const char *cases, uint8_t flags);
const test_selected *peer_selected(const test_peer *peer, uint64_t sequence); /* or NULL */
uint64_t peer_cancel(test_peer *peer, uint64_t job);
uint64_t peer_done(
    test_peer *peer, test_job *job, leat_end end, uint64_t run_us, const void *result, size_t size);
/* One DONE frame for the open jobs jobs[from … from + n - 1]. */
uint64_t peer_done_many(test_peer *peer, size_t from, size_t n, leat_end end, uint64_t run_us);
/* RELEASE, SNOOZE (numbered), CLAIM, END (not). */
uint64_t peer_token(test_peer *peer, leat_command command, const test_job *job, uint64_t delay_ms);
/* What a running job tells, with this token. */
void peer_progress(
    test_peer *peer, const leat_token *token, uint64_t done, uint64_t of, const char *text);
void peer_log(test_peer *peer, const leat_token *token, uint64_t offset, const char *text);
uint64_t peer_checkpoint(test_peer *peer, const leat_token *token, const void *data, size_t size);
void peer_claim(test_peer *peer, size_t n, bool started);
/* Report all open jobs and settle, until none is open. */
void must_end_all(test_peer *peer, leat_end end);
/* QUERY; the answer's JSON, borrowed until the next. */
const char *must_ask(test_peer *peer, const char *query, const char *arguments);
/* COMMAND; its answer. */
const test_answer *must_command(test_peer *peer, const char *command, const char *arguments);
/* The same without looking at the answer yet; the sequence. */
uint64_t peer_command(test_peer *peer, const char *command, const char *arguments);
/* A COMMAND that is done, and a QUERY that is answered; what they say is in world->json until the
 * next. Arguments as for printf. */
void must_do(test_peer *peer, const char *command, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
leat_err code_of_command(test_peer *peer, const char *command, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void must_query(test_peer *peer, const char *query, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What is at "a.b.0.c" of the last result: a text, a number (or digits as text), a bool, or -1. */
const char *said_text(const test_world *w, const char *path);
double said(const test_world *w, const char *path);

/* What came so far. */
test_answer *peer_answer(test_peer *peer, uint64_t sequence); /* or NULL */
const test_answer *must_answer(test_peer *peer, uint64_t sequence);
test_job *peer_job(test_peer *peer, uint64_t id); /* the last with this id, or NULL */
size_t peer_open_jobs(const test_peer *peer);
/* The last run of the batch, or NULL; flags of all runs together. */
const test_run *peer_last_run(const test_peer *peer, uint64_t batch);
uint8_t peer_flags(const test_peer *peer, uint64_t batch);
/* Frames of this command that it was sent. */
size_t peer_frames(const test_peer *peer, leat_command command);
/* The completions of a batch came as from, from + 1, … upto, and nothing else of it. */
bool peer_has_positions(const test_peer *peer, uint64_t batch, uint64_t from, uint64_t upto);
/* A figure of {"batch": …} of a status reply: a string of digits. */
uint64_t must_figure(test_peer *peer, uint64_t batch, const char *key);

#endif
