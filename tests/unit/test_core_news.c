/* News: what has happened is told in order, when it is on disk, and what is missing is said. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "tests/lib/peers.h"
#include "tests/lib/test.h"

static test_world w;
static test_peer *client;
static char words[8192]; /* of the last answer: "batch.submitted batch.sealed" */
static char cursor[64];
static uint64_t lost;
static uint64_t first; /* number of its first */

static void
setup(void)
{
    world_init(&w);
    client = must_client(&w);
}

static void
teardown(void)
{
    world_fini(&w);
}

TestSuite(core_news, .init = setup, .fini = teardown);

static void
read_answer(const char *text)
{
    const cJSON *row;
    size_t used = 0;
    uint64_t number = 0;
    cJSON *const reply = cJSON_Parse(text);
    cJSON *const result = cJSON_GetObjectItem(reply, "result");
    cr_assert(ne(ptr, result, NULL), "%s", text);
    words[0] = '\0';
    first = 0;
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(result, "events"))
    {
        const uint64_t next =
            strtoull(cJSON_GetStringValue(cJSON_GetObjectItem(row, "number")), NULL, 10);
        cr_assert(number == 0 || next == number + 1);
        number = next;
        first = first == 0 ? number : first;
        used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", used > 0 ? " " : "",
                                 cJSON_GetStringValue(cJSON_GetObjectItem(row, "event")));
        cr_assert(lt(sz, used, sizeof words));
    }
    lost = strtoull(cJSON_GetStringValue(cJSON_GetObjectItem(result, "lost")), NULL, 10);
    (void)snprintf(cursor, sizeof cursor, "%s",
                   cJSON_GetStringValue(cJSON_GetObjectItem(result, "cursor")));
    cJSON_Delete(reply);
}

/* What has happened since the last answer. */
static const char *
must_hear(test_peer *peer)
{
    char arguments[100];
    (void)snprintf(arguments, sizeof arguments, "{\"cursor\":\"%s\"}", cursor);
    read_answer(must_ask(peer, "events", arguments));
    return words;
}

#define HEARS(want) LEAT_SAME_TEXT(must_hear(client), (want))

/* The same, waiting for something to happen: nothing is answered yet. */
static void
await(test_peer *peer)
{
    char text[160];
    leat_buf frame = {0};
    (void)snprintf(
        text, sizeof text,
        "{\"id\":\"7\",\"query\":\"events\",\"arguments\":{\"wait\":true,\"cursor\":\"%s\"}}",
        cursor);
    leat_frame_begin(&frame, LEAT_CMD_QUERY);
    leat_put_bytes(&frame, text, strlen(text));
    leat_frame_finish(&frame, 0, 1, 0);
    free(peer->reply);
    peer->reply = NULL;
    peer_say(peer, &frame);
    must_settle(&w);
}

static uint64_t
must_submit(unsigned jobs)
{
    leat_send_head head = test_head("echo", (uint32_t)w.heard);
    head.flags = LEAT_SEND_SEAL;
    head.settings.name = leat_text_of("night");
    return must_send(client, &head, jobs)->sent.batch;
}

static void
work(leat_end end)
{
    test_peer *const worker = must_worker(&w, "w1", 10, "echo");
    peer_credit(worker, 10);
    must_settle(&w);
    must_end_all(worker, end);
    peer_bye(worker);
    must_settle(&w);
}

Test(core_news, what_has_happened_is_told_in_order_and_once)
{
    HEARS("broker.started");
    const uint64_t batch = must_submit(2);
    HEARS("batch.submitted batch.sealed");
    HEARS("");
    work(LEAT_END_DONE);
    HEARS("worker.up batch.finished worker.left");
    must_query(client, "events", "{}");
    cr_assert(eq(dbl, said(&w, "events.1.batch"), (double)batch));
    LEAT_SAME_TEXT(said_text(&w, "events.1.name"), "night");
    LEAT_SAME_TEXT(said_text(&w, "events.1.channel"), "default");
    cr_assert(eq(dbl, said(&w, "events.4.done"), 2));
    LEAT_SAME_TEXT(said_text(&w, "events.3.worker"), "w1");
}

Test(core_news, channels_schedules_dead_jobs_and_lost_workers_are_told)
{
    HEARS("broker.started");
    must_do(client, "channel.new", "{\"channel\":\"news\"}");
    must_do(client, "channel.pause", "{\"channel\":\"news\",\"for_ms\":1000}");
    world_pass(&w, 1500);
    must_do(client, "channel.close", "{\"channel\":\"news\"}");
    must_do(client, "channel.purge", "{\"channel\":\"news\"}");
    must_do(client, "channel.remove", "{\"channel\":\"news\"}");
    HEARS("channel.set channel.pause channel.resume channel.close channel.purge channel.remove");
    must_do(client, "schedule.add",
            "{\"name\":\"tick\",\"expr\":\"@every 1h\",\"handler\":\"echo\"}");
    must_do(client, "schedule.run", "{\"name\":\"tick\"}");
    HEARS("batch.submitted schedule.fired");
    must_submit(1);
    HEARS("batch.submitted batch.sealed");
    work(LEAT_END_FATAL);
    HEARS("worker.up job.dead batch.finished job.dead batch.finished worker.left");
    test_peer *const worker = must_worker(&w, "w2", 1, "echo");
    worker->mute = worker->deaf = true;
    world_pass(&w, LEAT_LOST_MS + 1000);
    HEARS("worker.up worker.lost");
}

Test(core_news, who_waits_is_told_when_it_is_on_disk_and_not_before)
{
    HEARS("broker.started");
    await(client);
    world_pass(&w, 3000);
    cr_assert(eq(ptr, client->reply, NULL));

    w.disk->hold = true;
    (void)peer_command(client, "channel.new", "{\"channel\":\"news\"}");
    must_settle(&w);
    cr_assert(eq(ptr, client->reply, NULL));
    test_late_let_all(w.disk);
    must_settle(&w);
    cr_assert(ne(ptr, client->reply, NULL));
    read_answer(client->reply);
    LEAT_SAME_TEXT(words, "channel.set");
}

Test(core_news, a_second_question_takes_the_place_of_the_first)
{
    HEARS("broker.started");
    for (unsigned i = 0; i < 200; i++) /* more than may be unanswered otherwise */
        await(client);
    cr_assert(eq(uint, client->errors, 0));
    must_do(client, "channel.new", "{\"channel\":\"news\"}");
    must_settle(&w);
    cr_assert(ne(ptr, client->reply, NULL));
    LEAT_SAME_TEXT(must_hear(client), "channel.set");
}

Test(core_news, who_has_gone_waits_no_more)
{
    HEARS("broker.started");
    test_peer *const other = must_client(&w);
    await(other);
    peer_cut(other);
    must_settle(&w);
    must_do(client, "channel.new", "{\"channel\":\"news\"}");
    must_resume(other);
    world_pass(&w, 1000);
    cr_assert(eq(ptr, other->reply, NULL));
    LEAT_SAME_TEXT(must_hear(other), "channel.set");
}

Test(core_news, so_many_are_kept_and_of_the_others_it_is_said_how_many)
{
    HEARS("broker.started");
    char old[64];
    (void)snprintf(old, sizeof old, "%s", cursor);
    must_do(client, "channel.new", "{\"channel\":\"news\"}"); /* 2 */
    for (unsigned i = 0; i < LEAT_NEWS_MAX - 1; i++)
        must_do(client, "channel.pause", "{\"channel\":\"news\"}");
    (void)must_hear(client);
    cr_assert(eq(u64, lost, 0)); /* just as many as are kept */
    cr_assert(eq(u64, first, 2));

    must_do(client, "channel.pause", "{\"channel\":\"news\"}");
    (void)snprintf(cursor, sizeof cursor, "%s", old);
    (void)must_hear(client);
    cr_assert(eq(u64, lost, 1));
    cr_assert(eq(u64, first, 3));

    unsigned parts = 1;
    for (; words[0] != '\0'; parts++)
        (void)must_hear(client);
    cr_assert(gt(uint, parts, 10)); /* each of them is bounded */
    cursor[0] = '\0';
    (void)must_hear(client);
    cr_assert(eq(u64, lost, 0)); /* who asks for all there are has missed nothing */
}

Test(core_news, another_life_begins_with_its_first)
{
    HEARS("broker.started");
    (void)must_submit(2);
    (void)must_hear(client);
    must_restart(&w);
    client = must_client(&w);
    HEARS("broker.started");
    cr_assert(eq(u64, lost, 0));
}

Test(core_news, jobs_by_themselves_are_told_while_somebody_listens)
{
    const leat_send_head head = test_head("echo", 0);
    (void)must_send(client, &head, 3);
    HEARS("broker.started");
    (void)must_send(client, &head, 2);
    HEARS("batch.submitted batch.submitted");
    world_pass(&w, 3000);
    (void)must_send(client, &head, 2);
    HEARS("");
    await(client);
    world_pass(&w, 5000);
    (void)must_send(client, &head, 1);
    must_settle(&w);
    read_answer(client->reply);
    LEAT_SAME_TEXT(words, "batch.submitted");
    work(LEAT_END_DONE); /* within the time after a question */
    (void)must_hear(client);
    cr_assert(ne(ptr, strstr(words, "batch.finished batch.finished"), NULL));
}

Test(core_news, wrong_questions_are_refused)
{
    static const char *const wrong[] = {"{\"cursor\":5}", "{\"cursor\":\"x\"}",
                                        "{\"cursor\":\"1\"}", "{\"cursor\":\"1.\"}",
                                        "{\"wait\":1}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert(ne(ptr, strstr(must_ask(client, "events", wrong[i]), "MALFORMED"), NULL), "%s",
                  wrong[i]);
}
