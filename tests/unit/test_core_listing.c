/* Lists of batches and of the jobs of a batch: from memory and from the store, in parts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "tests/lib/peers.h"
#include "tests/lib/test.h"

#define IDS_MAX 20000U

static test_world w;
static test_peer *client;
static test_peer *worker;
static uint64_t ids[IDS_MAX]; /* of the last list, in the order in which they came */
static unsigned count;
static unsigned answers;
static char states[IDS_MAX][12];

static void
begin(void)
{
    client = must_client(&w);
    worker = must_worker(&w, "w1", 1000, "echo");
    must_settle(&w);
}

static void
setup(void)
{
    world_init(&w);
    w.keep = (leat_keep){.batches_max = 100000, .batch_ms_max = 86400000};
    must_restart(&w);
    begin();
}

static void
teardown(void)
{
    world_fini(&w);
}

TestSuite(core_listing, .init = setup, .fini = teardown);

static cJSON *
must_list(const char *query, const char *arguments, const char *cursor)
{
    char text[600];
    const char *const gap = *arguments == '\0' ? "" : ",";
    (void)snprintf(text, sizeof text, "{%s%s\"cursor\":\"%s\"}", arguments, gap, cursor);
    cJSON *const reply = cJSON_Parse(must_ask(client, query, text));
    cJSON *const result = cJSON_DetachItemFromObject(reply, "result");
    cr_assert(ne(ptr, result, NULL), "%s", text);
    cJSON_Delete(reply);
    return result;
}

/* Ask until there is nothing more. Every number comes once. */
static void
list(const char *query, const char *key, const char *number, const char *arguments)
{
    char cursor[100] = "";
    count = answers = 0;
    do {
        const cJSON *row;
        cJSON *const result = must_list(query, arguments, cursor);
        cJSON_ArrayForEach(row, cJSON_GetObjectItem(result, key))
        {
            const cJSON *const item = cJSON_GetObjectItem(row, number);
            const char *const state = cJSON_GetStringValue(cJSON_GetObjectItem(row, "state"));
            cr_assert(lt(uint, count, IDS_MAX));
            (void)snprintf(states[count], sizeof states[count], "%s", state == NULL ? "" : state);
            ids[count++] = cJSON_IsString(item) ? strtoull(item->valuestring, NULL, 10)
                                                : (uint64_t)item->valuedouble;
        }
        (void)snprintf(cursor, sizeof cursor, "%s",
                       cJSON_GetStringValue(cJSON_GetObjectItem(result, "cursor")));
        cJSON_Delete(result);
        answers++;
        cr_assert(lt(uint, answers, 5000U));
    } while (*cursor != '\0');
}

static void
list_batches(const char *arguments)
{
    list("batch.list", "batches", "id", arguments);
}

static bool
has(uint64_t id)
{
    unsigned times = 0;
    for (unsigned i = 0; i < count; i++)
        times += ids[i] == id;
    cr_assert(le(uint, times, 1U));
    return times == 1;
}

static uint64_t
must_submit(const char *channel, const char *name, unsigned jobs)
{
    leat_send_head head = test_head("echo", (uint32_t)w.heard);
    head.channel = leat_text_of(channel);
    head.settings.name = leat_text_of(name);
    head.flags = LEAT_SEND_SEAL;
    return must_send(client, &head, jobs)->sent.batch;
}

static uint64_t
must_submit_alone(void)
{
    const leat_send_head head = test_head("echo", 0);
    return must_send(client, &head, 1)->sent.batch;
}

static void
work(leat_end end)
{
    peer_credit(worker, 1000);
    must_settle(&w);
    must_end_all(worker, end);
    peer_credit(worker, 0);
    must_settle(&w);
}

/* Until logs are in history and finished batches out of memory. */
static void
let_time_pass(void)
{
    leat_send_head head = test_head("nobody", 0);
    head.channel = leat_text_of("elsewhere");
    for (unsigned i = 0; i < 20; i++) {
        (void)must_send(client, &head, 1); /* the store trims with commits */
        world_pass(&w, 1000);
    }
    must_settle(&w);
}

Test(core_listing, what_has_finished_is_shown_only_when_it_is_asked_for)
{
    const uint64_t old = must_submit("default", "old", 2);
    const uint64_t old_alone = must_submit_alone();
    work(LEAT_END_DONE);
    const uint64_t bad = must_submit("default", "bad", 2);
    work(LEAT_END_FATAL);
    const uint64_t live = must_submit("default", "live", 2);
    const uint64_t live_alone = must_submit_alone();

    list_batches("");
    cr_assert(eq(uint, count, 2));
    cr_assert(has(live) && has(live_alone));
    list_batches("\"state\":\"all\"");
    cr_assert(eq(uint, count, 5));
    cr_assert(has(old) && has(old_alone) && has(bad) && has(live) && has(live_alone));
    list_batches("\"state\":\"done\"");
    cr_assert(eq(uint, count, 2));
    cr_assert(has(old) && has(old_alone));
    list_batches("\"state\":\"failed\"");
    cr_assert(eq(uint, count, 1));
    cr_assert(has(bad));
    list_batches("\"state\":\"running\"");
    cr_assert(eq(uint, count, 0));
    must_query(client, "batch.list", "{}");
    cr_assert(eq(dbl, said(&w, "finished"), 2));
}

Test(core_listing, filters_leave_out_the_others)
{
    const uint64_t a = must_submit("mail", "nightly a", 2);
    const uint64_t b = must_submit("default", "nightly b", 2);
    const uint64_t alone = must_submit_alone();

    list_batches("\"channel\":\"mail\"");
    cr_assert(eq(uint, count, 1));
    cr_assert(has(a));
    list_batches("\"where\":\"night\"");
    cr_assert(eq(uint, count, 2));
    cr_assert(has(a) && has(b));
    list_batches("\"name\":\"nightly b\"");
    cr_assert(eq(uint, count, 1));
    cr_assert(has(b));
    list_batches("\"name\":\"nightly\"");
    cr_assert(eq(uint, count, 0));
    char above[64];
    (void)snprintf(above, sizeof above, "\"above\":\"%llu\"", (unsigned long long)b);
    list_batches(above);
    cr_assert(eq(uint, count, 1));
    cr_assert(has(alone));
}

static uint64_t
must_submit_labelled(const char *labels)
{
    leat_send_head head = test_head("echo", (uint32_t)w.heard);
    head.settings.labels = leat_text_of(labels);
    head.flags = LEAT_SEND_SEAL;
    return must_send(client, &head, 2)->sent.batch;
}

static void
must_list_labels(uint64_t a, uint64_t b)
{
    list_batches("\"state\":\"all\",\"labels\":{\"env\":\"prod\"}");
    cr_assert(eq(uint, count, 2));
    cr_assert(has(a) && has(b));
    list_batches("\"state\":\"all\",\"labels\":{\"team\":\"x\",\"env\":\"prod\"}");
    cr_assert(eq(uint, count, 1));
    cr_assert(has(a));
    list_batches("\"state\":\"all\",\"labels\":{\"team\":\"y\"}");
    cr_assert(eq(uint, count, 0));
    must_query(client, "status", "{\"batch\":\"%llu\"}", (unsigned long long)a);
    cr_assert(eq(int, strcmp(said_text(&w, "batch.labels.team"), "x"), 0));
}

Test(core_listing, labels_are_kept_with_the_batch)
{
    const uint64_t a = must_submit_labelled("env=prod,team=x");
    const uint64_t b = must_submit_labelled("env=prod");
    (void)must_submit_labelled("env=test,team=x");
    (void)must_submit_alone();
    must_list_labels(a, b);
    must_restart(&w);
    begin();
    must_list_labels(a, b); /* from a turn record */
    work(LEAT_END_DONE);
    let_time_pass();
    must_list_labels(a, b); /* from its last record */
    must_restart(&w);
    begin();
    must_list_labels(a, b);
}

Test(core_listing, since_a_time_means_what_has_ended_since_then_or_not_ended)
{
    char since[64];
    const uint64_t old = must_submit("default", "", 2);
    const uint64_t old_alone = must_submit_alone();
    work(LEAT_END_DONE);
    world_pass(&w, 5000);
    (void)snprintf(since, sizeof since, "\"state\":\"all\",\"since_ms\":%lld",
                   (long long)w.now.wall_ms);
    const uint64_t young = must_submit("default", "", 2);
    work(LEAT_END_DONE);
    const uint64_t live = must_submit("default", "", 2);

    list_batches(since);

    cr_assert(has(young) && has(live));
    cr_assert(not(has(old)));
    cr_assert(not(has(old_alone)));
}

Test(core_listing, mine_are_those_of_my_key)
{
    const leat_principal other = {.id = 77, .name = "other", .role = "client", .may_ask = true};
    (void)must_submit("default", "", 2);
    client = must_client_of(&w, &other);
    const uint64_t mine = must_submit("default", "", 2);
    const uint64_t alone = must_submit_alone();

    list_batches("\"mine\":true");
    cr_assert(eq(uint, count, 2));
    cr_assert(has(mine) && has(alone));
    list_batches("");
    cr_assert(eq(uint, count, 3));
}

/* The same in memory, in turns, in history, and after a restart. */
Test(core_listing, what_has_finished_is_found_wherever_it_lies)
{
    uint64_t batches[40];
    uint64_t alone[40];
    for (unsigned i = 0; i < 40; i++) {
        batches[i] = must_submit("default", "x", 3);
        alone[i] = must_submit_alone();
    }
    work(LEAT_END_DONE);
    for (unsigned stage = 0; stage < 3; stage++) {
        list_batches("\"state\":\"finished\"");
        cr_assert(eq(uint, count, 80), "stage %u: %u", stage, count);
        for (unsigned i = 0; i < 40; i++)
            cr_assert(has(batches[i]) && has(alone[i]));
        if (stage == 0) {
            let_time_pass();
        } else {
            must_restart(&w);
            begin();
        }
    }
}

Test(core_listing, a_long_list_comes_in_parts_that_are_bounded)
{
    uint64_t first = 0;
    for (unsigned i = 0; i < 400; i++) {
        const uint64_t batch =
            must_submit("default", "a name of some length, so that rows are long", 2);
        first = first == 0 ? batch : first;
    }
    for (unsigned i = 0; i < 400; i++)
        (void)must_submit_alone();

    list_batches("");
    cr_assert(eq(uint, count, 800));
    cr_assert(gt(uint, answers, 10U));
    cr_assert(has(first));
    for (unsigned i = 1; i < 400; i++)
        cr_assert(lt(u64, ids[i], ids[i - 1])); /* the newest first, in each of its places */

    work(LEAT_END_DONE);
    list_batches("\"state\":\"finished\"");
    cr_assert(eq(uint, count, 800));
    cr_assert(gt(uint, answers, 10U));
}

Test(core_listing, many_that_do_not_fit_are_passed_by_in_slices)
{
    leat_send_head head = test_head("echo", 0);
    for (unsigned i = 0; i < 5; i++)
        (void)must_send(client, &head, 8000);

    list_batches("\"state\":\"running\"");

    cr_assert(eq(uint, count, 0));
    cr_assert(ge(uint, answers, 3U)); /* 40 000 jobs, 16 384 looks an answer */
}

Test(core_listing, the_jobs_of_a_batch_are_listed_with_their_states)
{
    char batch[64];
    const uint64_t id = must_submit("default", "", 5);
    peer_credit(worker, 4);
    must_settle(&w);
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1000, "fine", 4);
    (void)peer_done(worker, &worker->jobs[1], LEAT_END_FATAL, 1000, "disk full", 9);
    must_settle(&w);
    (void)snprintf(batch, sizeof batch, "\"batch\":\"%llu\"", (unsigned long long)id);

    list("job.list", "jobs", "place", batch);
    cr_assert(eq(uint, count, 4)); /* but for the one that is done */
    cr_assert(not(has(worker->jobs[0].place)));

    (void)snprintf(batch, sizeof batch, "\"batch\":\"%llu\",\"state\":\"all\"",
                   (unsigned long long)id);
    list("job.list", "jobs", "place", batch);
    cr_assert(eq(uint, count, 5));
    unsigned running = 0;
    for (unsigned i = 0; i < count; i++) {
        running += strcmp(states[i], "running") == 0;
        if (ids[i] == worker->jobs[1].place)
            cr_assert(eq(int, strcmp(states[i], "dead"), 0));
    }
    cr_assert(eq(uint, running, 3));

    must_query(client, "job.list", "{\"batch\":\"%llu\",\"where\":\"disk\"}",
               (unsigned long long)id);
    cr_assert(eq(int, strcmp(said_text(&w, "jobs.0.error"), "disk full"), 0));
    cr_assert(eq(int, strcmp(said_text(&w, "jobs.0.worker"), "w1"), 0));
    must_query(client, "job.list", "{\"batch\":\"%llu\",\"where\":\"fine\",\"state\":\"all\"}",
               (unsigned long long)id);
    cr_assert(eq(dbl, said(&w, "jobs.0.place"), -1)); /* a result is no error */
}

Test(core_listing, the_jobs_of_a_large_batch_come_in_parts_also_from_history)
{
    char batch[80];
    const uint64_t id = must_submit("default", "", 3000);
    (void)snprintf(batch, sizeof batch, "\"batch\":\"%llu\",\"state\":\"all\"",
                   (unsigned long long)id);
    list("job.list", "jobs", "place", batch);
    cr_assert(eq(uint, count, 3000));
    cr_assert(gt(uint, answers, 40U));
    char few[120];
    (void)snprintf(few, sizeof few, "%s,\"below\":\"11\"", batch);
    list("job.list", "jobs", "place", few);
    cr_assert(eq(uint, count, 10)); /* also of those that wait */
    for (unsigned i = 0; i < 4; i++)
        work(LEAT_END_DONE);
    let_time_pass();
    must_restart(&w);
    begin();

    list("job.list", "jobs", "place", batch);

    cr_assert(eq(uint, count, 3000));
    cr_assert(has(1) && has(1500) && has(3000));

    (void)snprintf(batch, sizeof batch, "\"batch\":\"%llu\",\"state\":\"all\",\"below\":\"11\"",
                   (unsigned long long)id);
    list("job.list", "jobs", "place", batch);
    cr_assert(eq(uint, count, 10));
    cr_assert(has(1) && has(10));
    cr_assert(lt(uint, answers, 3U));
}

Test(core_listing, wrong_questions_are_refused)
{
    static const char *const wrong[] = {
        "{\"state\":\"sleeping\"}",
        "{\"state\":1}",
        "{\"cursor\":\"x\"}",
        "{\"cursor\":\"1.2\"}",
        "{\"cursor\":5}",
        "{\"cursor\":\"1.2.3.4\"}",
        "{\"above\":5}",
        "{\"mine\":\"yes\"}",
        "{\"since_ms\":\"1\"}",
        "{\"channel\":1}",
        "{\"where\":[]}",
        "{\"since_ms\":-1}",
        "{\"labels\":{\"a\":1}}",
        "{\"labels\":\"a=1\"}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert(ne(ptr, strstr(must_ask(client, "batch.list", wrong[i]), "MALFORMED"), NULL),
                  "%s", wrong[i]);
    cr_assert(ne(ptr, strstr(must_ask(client, "job.list", "{}"), "MALFORMED"), NULL));
    cr_assert(ne(
        ptr, strstr(must_ask(client, "job.list", "{\"batch\":\"1\",\"below\":\"0\"}"), "MALFORMED"),
        NULL));
    cr_assert(ne(ptr,
                 strstr(must_ask(client, "job.list", "{\"batch\":\"99999999999\"}"), "NOT_FOUND"),
                 NULL));
    /* cursors that no answer has said end the list, or begin it somewhere */
    list_batches("");
    static const char *const strange[] = {
        "9.0.0", "0.0.0", "2.0.0", "3.5.7", "4.0.1", "99999999999999999999.99999999999999999999.0"};
    for (size_t i = 0; i < sizeof strange / sizeof *strange; i++)
        cJSON_Delete(must_list("batch.list", "\"state\":\"all\"", strange[i]));
}
