/* Keys, with real programs: who comes in over TCP, who does not, and who is thrown out. */
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <leat.h>

#include "proto/link/key.h"
#include "tests/lib/programs.h"
#include "tests/lib/test.h"

static programs p;
static leat_key broker_key;
static leat *client;

/* A port that is free now. */
static unsigned
free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(ge(int, fd, 0));
    cr_assert(eq(int, bind(fd, (struct sockaddr *)&address, sizeof address), 0));
    cr_assert(eq(int, getsockname(fd, (struct sockaddr *)&address, &size), 0));
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void
must_write(const char *name, leat_key_kind kind, const leat_key *key, char path[256])
{
    char why[LEAT_KEY_WHY_BYTES] = "";
    (void)snprintf(path, 256, "%s/%s", p.dir, name);
    cr_assert(eq(int, (int)leat_key_write(path, kind, key, LEAT_KEY_WRITE_REPLACE, why), 0), "%s",
              why);
}

/* Make a principal, allow it, and write its file; path is filled. */
static void
must_make(const char *name, leat_key_role role, char path[256])
{
    char allowed[160];
    char file[160];
    leat_key key;
    LEAT_PASS(leat_key_new(name, role, &key));
    memcpy(key.broker_public, broker_key.public_key, sizeof key.broker_public);
    (void)snprintf(key.broker, sizeof key.broker, "%s", p.broker_url);
    (void)snprintf(allowed, sizeof allowed, "keys/%s/%s", LEAT_KEY_ALLOWED, name);
    (void)snprintf(file, sizeof file, "%s.key", name);
    must_write(allowed, LEAT_KEY_OF_ALLOWED, &key, path);
    must_write(file, LEAT_KEY_OF_PRINCIPAL, &key, path);
}

static void
must_revoke(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s/%s", p.keys, LEAT_KEY_ALLOWED, name);
    cr_assert(eq(int, unlink(path), 0));
}

static void
set_up(void)
{
    char path[256];
    programs_init(&p);
    (void)snprintf(p.broker_url, sizeof p.broker_url, "tcp://127.0.0.1:%u", free_port());
    (void)snprintf(p.keys, sizeof p.keys, "%s/keys", p.dir);
    cr_assert(eq(int, mkdir(p.keys, 0700), 0));
    (void)snprintf(path, sizeof path, "%s/%s", p.keys, LEAT_KEY_ALLOWED);
    cr_assert(eq(int, mkdir(path, 0700), 0));
    LEAT_PASS(leat_key_new(LEAT_KEY_BROKER_NAME, LEAT_KEY_BROKER, &broker_key));
    must_write("keys/" LEAT_KEY_BROKER_FILE, LEAT_KEY_OF_BROKER, &broker_key, path);
}

static void
tear_down(void)
{
    leat_disconnect(&client);
    programs_fini(&p);
}

TestSuite(keys, .init = set_up, .fini = tear_down, .timeout = 60);

static leat_status
connect_with(const char *key_file)
{
    const leat_connect_options options = {
        .broker = p.broker_url, .key_file = key_file, .timeout_ms = 2000};
    leat_disconnect(&client);
    return leat_connect_with(&options, &client);
}

static uint64_t
submit(const char *handler, const char *payload, int count)
{
    leat_batch *batch;
    cr_assert(eq(int, leat_batch_open(client, NULL, &batch), LEAT_OK));
    for (int i = 0; i < count; i++)
        cr_assert(eq(int, leat_batch_add(batch, handler, payload, strlen(payload)), LEAT_OK));
    cr_assert(eq(int, leat_batch_seal(batch), LEAT_OK), "%s", leat_sentence(client));
    const uint64_t id = leat_batch_id(batch);
    leat_batch_free(&batch);
    return id;
}

static int
collect(uint64_t batch)
{
    leat_wait *wait;
    leat_completed c;
    leat_status status;
    int done = 0;
    cr_assert(eq(int, leat_wait_open(client, batch, &wait), LEAT_OK));
    while ((status = leat_wait_next(wait, &c, 40000)) == LEAT_OK)
        done += c.outcome == LEAT_DONE;
    cr_assert(eq(int, status, LEAT_END), "%s", leat_sentence(client));
    return done;
}

static void
start_worker(int i, const char *key_file)
{
    cr_assert(eq(int, setenv("LEAT_KEY_FILE", key_file, 1), 0)); /* NOLINT(concurrency-mt-unsafe) */
    programs_start_worker(&p, i, 10);
    cr_assert(eq(int, unsetenv("LEAT_KEY_FILE"), 0)); /* NOLINT(concurrency-mt-unsafe) */
}

Test(keys, jobs_run_over_an_encrypted_wire)
{
    char me[256];
    char w1[256];
    must_make("me", LEAT_KEY_CLIENT, me);
    must_make("w1", LEAT_KEY_WORKER, w1);
    programs_start_broker(&p);
    start_worker(0, w1);

    cr_assert(eq(int, connect_with(me), LEAT_OK), "%s", leat_sentence(client));
    cr_expect(eq(int, collect(submit("echo", "x", 1000)), 1000));
}

Test(keys, a_key_that_nobody_has_allowed_is_refused_with_its_name)
{
    char me[256];
    char stranger[256];
    must_make("me", LEAT_KEY_CLIENT, me);
    must_make("stranger", LEAT_KEY_CLIENT, stranger);
    must_revoke("stranger");
    programs_start_broker(&p);

    cr_expect(eq(int, connect_with(stranger), LEAT_DENIED));
    cr_expect(ne(ptr, strstr(leat_sentence(client), "stranger"), NULL), "%s",
              leat_sentence(client));
}

Test(keys, without_a_key_nobody_is_let_in)
{
    char me[256];
    must_make("me", LEAT_KEY_CLIENT, me);
    programs_start_broker(&p);

    cr_expect(ne(int, connect_with(""), LEAT_OK));
}

Test(keys, a_workers_key_is_no_clients)
{
    char w1[256];
    must_make("w1", LEAT_KEY_WORKER, w1);
    programs_start_broker(&p);

    cr_expect(eq(int, connect_with(w1), LEAT_DENIED));
    cr_expect(ne(ptr, strstr(leat_sentence(client), "has the role worker"), NULL), "%s",
              leat_sentence(client));
}

Test(keys, jobs_of_a_revoked_worker_finish_elsewhere)
{
    char me[256];
    char w1[256];
    char w2[256];
    must_make("me", LEAT_KEY_CLIENT, me);
    must_make("w1", LEAT_KEY_WORKER, w1);
    must_make("w2", LEAT_KEY_WORKER, w2);
    programs_start_broker(&p);
    start_worker(0, w1);
    cr_assert(eq(int, connect_with(me), LEAT_OK), "%s", leat_sentence(client));
    const uint64_t batch = submit("sleep", "1s", 10);
    const char *json = "";
    for (int i = 0; i < 500 && strstr(json, "\"busy\":10") == NULL; i++) {
        cr_assert(eq(int, leat_query(client, "status", NULL, &json), LEAT_OK));
        (void)usleep(10000);
    }
    cr_assert(ne(ptr, strstr(json, "\"busy\":10"), NULL), "%s", json);

    must_revoke("w1");
    start_worker(1, w2);

    cr_expect(eq(int, collect(batch), 10));
    cr_expect(eq(int, programs_wait_worker(&p, 0), 4), "%s", programs_log(&p, "w0"));
}

/* ---- a worker in this program ---- */

static int
say_hello(leat_job *job, void *context)
{
    (void)context;
    return leat_job_result(job, "hello", 5);
}

/* With one handler and this key. */
static leat_worker *
open_guest(const char *key_file)
{
    leat_worker *worker;
    leat_worker_options options;
    leat_worker_options_init(&options);
    options.broker = p.broker_url;
    options.key_file = key_file;
    cr_assert(eq(int, leat_worker_open(&options, &worker), LEAT_OK), "%s",
              leat_worker_sentence(worker));
    cr_assert(eq(int, leat_worker_handle(worker, "hello", say_hello, NULL), LEAT_OK));
    return worker;
}

static void *
run_guest(void *worker)
{
    static leat_status status;
    status = leat_worker_run(worker);
    return &status;
}

Test(keys, a_worker_in_this_program_shows_its_key_and_ends_when_that_is_revoked)
{
    char me[256];
    char w1[256];
    void *status = NULL;
    pthread_t thread;
    must_make("me", LEAT_KEY_CLIENT, me);
    must_make("w1", LEAT_KEY_WORKER, w1);
    programs_start_broker(&p);
    leat_worker *worker = open_guest(w1);
    cr_assert(eq(int, pthread_create(&thread, NULL, run_guest, worker), 0));
    cr_assert(eq(int, connect_with(me), LEAT_OK), "%s", leat_sentence(client));
    cr_expect(eq(int, collect(submit("hello", "", 100)), 100));

    must_revoke("w1");
    cr_assert(eq(int, pthread_join(thread, &status), 0));
    cr_expect(eq(int, *(leat_status *)status, LEAT_DENIED), "%s", leat_worker_sentence(worker));
    cr_expect(ne(sz, strlen(leat_worker_sentence(worker)), 0));
    leat_worker_close(&worker);
}

Test(keys, a_clients_key_is_no_workers)
{
    char me[256];
    must_make("me", LEAT_KEY_CLIENT, me);
    programs_start_broker(&p);
    leat_worker *worker = open_guest(me);
    cr_expect(eq(int, leat_worker_run(worker), LEAT_DENIED));
    cr_expect(ne(ptr, strstr(leat_worker_sentence(worker), "has the role client"), NULL), "%s",
              leat_worker_sentence(worker));
    leat_worker_close(&worker);
}

/* The worker's key is not the job's. */
Test(keys, a_plug_in_is_served_with_a_key_and_does_not_get_it)
{
    static const char wanted[] = "good default 1 1 1 x a broker no key";
    char me[256];
    char w1[256];
    leat_wait *wait;
    leat_completed c;
    must_make("me", LEAT_KEY_CLIENT, me);
    must_make("w1", LEAT_KEY_WORKER, w1);
    programs_start_broker(&p);
    const char *const argv[] = {"leat-worker", "--plugin", LEAT_PLUGIN_DIR "/hostile.so", NULL};
    cr_assert(eq(int, setenv("LEAT_KEY_FILE", w1, 1), 0)); /* NOLINT(concurrency-mt-unsafe) */
    programs_start_program(&p, 0, "leat-worker", argv);
    cr_assert(eq(int, unsetenv("LEAT_KEY_FILE"), 0)); /* NOLINT(concurrency-mt-unsafe) */
    cr_assert(eq(int, connect_with(me), LEAT_OK), "%s", leat_sentence(client));

    cr_assert(eq(int, leat_wait_open(client, submit("good", "x", 1), &wait), LEAT_OK));
    cr_assert(eq(int, leat_wait_next(wait, &c, 40000), LEAT_OK), "%s", leat_sentence(client));
    cr_expect(
        eq(int, c.result_size == strlen(wanted) && memcmp(c.result, wanted, c.result_size) == 0, 1),
        "%.*s", (int)c.result_size, (const char *)c.result);
}

Test(keys, a_broker_that_lets_strangers_in_does_not_serve)
{
    char me[256];
    char out[4096];
    char store[96];
    must_make("me", LEAT_KEY_CLIENT, me);
    (void)snprintf(store, sizeof store, "%s/store", p.dir);
    const char *const argv[] = {"broker_open_door", "--bind", p.broker_url, "--data", store,
                                "--keys",           p.keys,   NULL};

    const int code = programs_run(&p, out, sizeof out, "broker_open_door", argv);

    cr_expect(eq(int, code, 125), "%s", out);
    cr_expect(ne(ptr, strstr(out, "self-test"), NULL), "%s", out);
    cr_expect(eq(ptr, strstr(out, "broker.start"), NULL), "%s", out);
}
