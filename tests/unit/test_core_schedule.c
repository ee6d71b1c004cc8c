/* Schedules: jobs by the clock, each time once, whatever happens to the broker or the clock; and
 * the settings of channels. */
#include <stdio.h>

#include "tests/lib/peers.h"
#include "tests/lib/test.h"

static test_world w;
static test_peer *client;

/* The world begins at 2023-11-14 22:13:20 UTC. */
#define MINUTE      60000L
#define HOUR        3600000L
#define TO_A_MINUTE 40000 /* ms to the next full minute */

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

TestSuite(core_schedule, .init = setup, .fini = teardown);

static void
add(const char *expr, const char *more)
{
    must_do(client, "schedule.add",
            "{\"name\":\"s\",\"expr\":\"%s\",\"handler\":\"echo\",\"payload\":\"p\"%s}", expr,
            more);
}

static unsigned
items(void)
{
    return leat_core_get_facts(w.core).items;
}

static test_peer *
must_hire(void)
{
    test_peer *const worker = must_worker(&w, "w1", 10, "echo");
    peer_credit(worker, 10);
    must_settle(&w);
    return worker;
}

/* What the list says of the one schedule. */
static double
figure(const char *key)
{
    char path[64];
    must_query(client, "schedules", "{}");
    (void)snprintf(path, sizeof path, "schedules.0.%s", key);
    return said(&w, path);
}

static int64_t
next_in_ms(void)
{
    return (int64_t)figure("next_ms") - w.now.wall_ms;
}

/* Time goes on without turns, and then there is one. */
static void
sleep_through(int64_t ms)
{
    world_jump(&w, ms);
    must_settle(&w);
}

static void
must_come_back(void)
{
    must_restart(&w);
    must_resume(client);
}

/* ------------------------------------------------------------------------------ firing */

Test(core_schedule, a_schedule_fires_once)
{
    add("* * * * *", "");
    cr_assert(eq(i64, next_in_ms(), TO_A_MINUTE));
    test_peer *const worker = must_hire();

    world_pass(&w, TO_A_MINUTE - 10);
    cr_assert(eq(sz, worker->job_count, 0));
    world_pass(&w, 20);

    cr_assert(eq(sz, worker->job_count, 1));
    cr_assert(eq(u32, worker->jobs[0].payload.size, 1));
    cr_assert(eq(int, worker->jobs[0].payload.data[0], 'p'));
    must_end_all(worker, LEAT_END_DONE);
    world_pass(&w, 50000);
    cr_assert(eq(sz, worker->job_count, 1));
    cr_assert(eq(i64, next_in_ms(), 9990));
    cr_assert(eq(dbl, figure("last_batch"), (double)worker->jobs[0].token.id));
}

Test(core_schedule, it_fires_again_and_again)
{
    add("@every 10s", "");
    test_peer *const worker = must_hire();
    for (unsigned i = 1; i <= 20; i++) {
        world_pass(&w, 10000);
        cr_assert(eq(sz, worker->job_count, i));
        must_end_all(worker, LEAT_END_DONE);
    }
}

Test(core_schedule, what_was_missed_runs_once)
{
    add("* * * * *", "");

    sleep_through(100 * MINUTE);
    must_settle(&w);
    world_pass(&w, 10);

    cr_assert(eq(u32, items(), 1));
    cr_assert(eq(i64, next_in_ms(), TO_A_MINUTE - 10));
}

Test(core_schedule, while_the_last_one_runs_the_next_is_skipped)
{
    add("* * * * *", "");
    test_peer *const worker = must_hire();

    world_pass(&w, 3 * MINUTE);

    cr_assert(eq(sz, worker->job_count, 1));
    cr_assert(eq(dbl, figure("skipped"), 2.0));
    must_end_all(worker, LEAT_END_DONE);
    world_pass(&w, MINUTE);
    cr_assert(eq(sz, worker->job_count, 2));
}

Test(core_schedule, they_can_queue_instead)
{
    add("* * * * *", ",\"overlap\":\"queue\"");

    world_pass(&w, 3 * MINUTE);

    cr_assert(eq(u32, items(), 3));
    cr_assert(eq(dbl, figure("skipped"), 0.0));
}

Test(core_schedule, one_that_waits_to_be_tried_again_runs_still)
{
    add("* * * * *", "");
    test_peer *const worker = must_hire();
    world_pass(&w, MINUTE);
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_FAILED, 1, "", 0);
    must_settle(&w);
    peer_credit(worker, 0);

    world_pass(&w, MINUTE);

    cr_assert(eq(u32, items(), 1));
}

Test(core_schedule, the_job_has_the_settings_that_were_given)
{
    add("* * * * *", ",\"channel\":\"c\",\"settings\":{\"priority\":7,\"run_limit_ms\":5000,"
                     "\"key\":\"k\",\"failures\":1}");
    test_peer *const worker = world_peer(&w, "w1", 1, "echo");
    worker->hello->channel_count = 1;
    worker->hello->channels[0][0] = 'c';
    peer_connect(worker, false);
    must_settle(&w);
    peer_credit(worker, 1);

    world_pass(&w, MINUTE);

    cr_assert(eq(sz, worker->job_count, 1));
    cr_assert(eq(u64, worker->jobs[0].run_limit_ms, 5000));
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_FAILED, 1, "", 0);
    must_settle(&w);
    cr_assert(eq(u32, items(), 0)); /* one failure was the most */
}

Test(core_schedule, a_unique_job_of_a_schedule_is_joined)
{
    add("* * * * *", ",\"settings\":{\"unique\":\"k\"}");
    world_pass(&w, MINUTE);
    leat_send_head head = test_head("echo", 0);
    head.settings.unique = leat_text_of("k");

    const leat_sent sent = must_send(client, &head, 1)->sent;

    cr_assert(eq(u32, items(), 1));
    cr_assert(eq(dbl, figure("last_batch"), (double)sent.first_id));
}

Test(core_schedule, bytes_are_given_as_base64)
{
    must_do(
        client, "schedule.add",
        "{\"name\":\"s\",\"expr\":\"* * * * *\",\"handler\":\"echo\",\"payload_b64\":\"AAE=\"}");
    test_peer *const worker = must_hire();

    world_pass(&w, MINUTE);

    cr_assert(eq(u32, worker->jobs[0].payload.size, 2));
    cr_assert(eq(int, worker->jobs[0].payload.data[1], 1));
}

Test(core_schedule, a_closed_channel_is_skipped)
{
    add("* * * * *", "");
    must_do(client, "channel.close", "{\"channel\":\"default\"}");

    world_pass(&w, 2 * MINUTE);

    cr_assert(eq(u32, items(), 0));
    cr_assert(eq(dbl, figure("skipped"), 2.0));
}

/* ------------------------------------------------------------------------------ restarts */

Test(core_schedule, it_is_there_after_a_restart)
{
    add("* * * * *", ",\"overlap\":\"queue\",\"settings\":{\"priority\":3}");
    must_come_back();

    cr_assert(eq(i64, next_in_ms(), TO_A_MINUTE - 2000)); /* that long the restart took */
    LEAT_SAME_TEXT(said_text(&w, "schedules.0.expr"), "* * * * *");
    LEAT_SAME_TEXT(said_text(&w, "schedules.0.overlap"), "queue");
    LEAT_SAME_TEXT(said_text(&w, "schedules.0.handler"), "echo");
    world_pass(&w, MINUTE);
    cr_assert(eq(u32, items(), 1));
}

Test(core_schedule, at_every_point_around_its_time_it_fires_once)
{
    add("* * * * *", ",\"overlap\":\"queue\"");
    unsigned want = 0;
    for (int64_t step = 0; step < 30; step++) {
        const int64_t before = w.now.wall_ms / MINUTE;
        world_pass(&w, 1777 * (1 + step % 5));
        must_come_back();
        world_pass(&w, 1 + step * 11);
        want += (unsigned)(w.now.wall_ms / MINUTE - before);
        cr_assert(eq(u32, items(), want));
    }
    cr_assert(gt(u32, want, 3));
}

Test(core_schedule, a_job_and_its_next_time_are_one_commit)
{
    add("* * * * *", ",\"overlap\":\"queue\"");
    world_pass(&w, TO_A_MINUTE - 100);
    w.disk->hold = true;
    sleep_through(200); /* it fires, and nothing of that gets to the disk */
    cr_assert(eq(u32, items(), 1));

    must_restart(&w);
    w.disk->hold = false;
    test_late_let_all(w.disk);
    must_resume(client);
    must_settle(&w);

    cr_assert(eq(u32, items(), 1)); /* once, from the time that was kept */
}

Test(core_schedule, what_was_missed_while_the_broker_was_away_runs_once)
{
    add("* * * * *", ",\"overlap\":\"queue\"");
    world_jump(&w, 100 * MINUTE);

    must_come_back();
    must_settle(&w);

    cr_assert(eq(u32, items(), 1));
}

Test(core_schedule, the_last_one_runs_still_after_a_restart)
{
    add("* * * * *", "");
    world_pass(&w, MINUTE);
    must_come_back();

    world_pass(&w, 2 * MINUTE);

    cr_assert(eq(u32, items(), 1));
}

Test(core_schedule, a_pause_and_a_removal_are_kept)
{
    add("* * * * *", "");
    must_do(client, "schedule.pause", "{\"name\":\"s\"}");
    must_come_back();
    cr_assert(eq(dbl, figure("paused"), 1.0));
    world_pass(&w, 3 * MINUTE);
    cr_assert(eq(u32, items(), 0));

    must_do(client, "schedule.remove", "{\"name\":\"s\"}");
    must_come_back();

    cr_assert(eq(dbl, figure("paused"), -1.0));
}

/* ------------------------------------------------------------------------------ clocks */

Test(core_schedule, a_clock_that_is_set_back_fires_nothing_twice)
{
    add("* * * * *", ",\"overlap\":\"queue\"");
    world_pass(&w, TO_A_MINUTE + 1000);
    cr_assert(eq(u32, items(), 1));

    w.now.wall_ms -= 30000;
    world_pass(&w, 31000); /* the same minute begins again */
    cr_assert(eq(u32, items(), 1));
    world_pass(&w, MINUTE);

    cr_assert(eq(u32, items(), 2));
}

Test(core_schedule, a_clock_that_is_set_forward_fires_once)
{
    add("* * * * *", ",\"overlap\":\"queue\"");

    w.now.wall_ms += 5 * HOUR;
    must_settle(&w);

    cr_assert(eq(u32, items(), 1));
    cr_assert(eq(i64, next_in_ms(), TO_A_MINUTE));
}

/* Central Europe around the spring of 2024 (31 March, 01:00 UTC) and the autumn (27 October). */
static leat_err
zone_of_berlin(void *context,
               const char *name,
               int64_t from_s,
               int64_t upto_s,
               leat_zone_change *out,
               uint32_t max,
               uint32_t *count,
               char why[LEAT_CRON_WHY_BYTES])
{
    static const leat_zone_change changes[] = {
        {1698541200, 3600},
        {1711846800, 7200},
        {1729990800, 3600},
        {1743296400, 7200},
    };
    (void)context;
    (void)from_s;
    (void)upto_s;
    if (strcmp(name, "Europe/Berlin") != 0) {
        (void)snprintf(why, LEAT_CRON_WHY_BYTES, "no zone \"%.32s\"", name);
        return LEAT_ERR_CONFIG;
    }
    cr_assert(ge(u32, max, 4));
    memcpy(out, changes, sizeof changes);
    *count = 4;
    return LEAT_ERR_OK;
}

static void
jump_to(int64_t wall_s)
{
    const int64_t ms = wall_s * 1000 - w.now.wall_ms;
    w.now.wall_ms += ms;
    must_settle(&w);
}

Test(core_schedule, a_zone_has_its_own_noon)
{
    w.zone = zone_of_berlin;
    add("0 12 * * *", ",\"zone\":\"Europe/Berlin\"");

    /* 14 November 22:13:20 UTC is 23:13:20 there. */
    cr_assert(eq(i64, next_in_ms(), 12 * HOUR + 46 * MINUTE + TO_A_MINUTE));
}

Test(core_schedule, what_lies_in_the_hour_that_is_skipped_fires_once)
{
    w.zone = zone_of_berlin;
    jump_to(1711846800 - 7200); /* two hours before, at midnight */
    add("30 2 * * *", ",\"zone\":\"Europe/Berlin\",\"overlap\":\"queue\"");
    cr_assert(eq(i64, next_in_ms(), 2 * HOUR));

    jump_to(1711846800);
    cr_assert(eq(u32, items(), 1));
    jump_to(1711846800 + 3600);

    cr_assert(eq(u32, items(), 1));
    cr_assert(eq(i64, next_in_ms(), 22 * HOUR + 30 * MINUTE)); /* at 04:00 summer time */
}

Test(core_schedule, what_lies_in_the_hour_that_comes_twice_fires_once)
{
    w.zone = zone_of_berlin;
    jump_to(1729990800 - 2 * 3600); /* 01:00 summer time */
    add("30 2 * * *", ",\"zone\":\"Europe/Berlin\",\"overlap\":\"queue\"");

    jump_to(1729990800 - 1800); /* 02:30 for the first time */
    cr_assert(eq(u32, items(), 1));
    jump_to(1729990800 + 1800); /* … and for the second */

    cr_assert(eq(u32, items(), 1));
}

Test(core_schedule, every_hour_means_every_hour)
{
    w.zone = zone_of_berlin;
    jump_to(1729990800 - 2 * 3600);
    add("0 * * * *", ",\"zone\":\"Europe/Berlin\",\"overlap\":\"queue\"");
    for (unsigned i = 1; i <= 5; i++) {
        jump_to(1729990800 - 2 * 3600 + i * 3600);
        cr_assert(eq(u32, items(), i));
    }
}

Test(core_schedule, a_zone_is_known_after_a_restart)
{
    w.zone = zone_of_berlin;
    jump_to(1711846800 - 7200);
    add("30 2 * * *", ",\"zone\":\"Europe/Berlin\",\"overlap\":\"queue\"");
    must_come_back();
    jump_to(1711846800);
    must_come_back();

    cr_assert(eq(u32, items(), 1));
    cr_assert(eq(i64, next_in_ms(), 23 * HOUR + 30 * MINUTE - 2000));
}

Test(core_schedule, a_zone_that_nobody_knows_is_refused)
{
    w.zone = zone_of_berlin;
    LEAT_FAILS(code_of_command(client, "schedule.add",
                               "{\"name\":\"s\",\"expr\":\"@daily\",\"handler\":\"echo\","
                               "\"zone\":\"Europe/Atlantis\"}"),
               LEAT_ERR_CONFIG);
    LEAT_SAME_TEXT(said_text(&w, "error.message"), "no zone \"Europe/Atlantis\"");
    cr_assert(eq(dbl, figure("paused"), -1.0));
}

/* ------------------------------------------------------------------------------ commands */

Test(core_schedule, what_is_missed_in_a_pause_is_not_wanted)
{
    add("* * * * *", ",\"overlap\":\"queue\"");
    must_do(client, "schedule.pause", "{\"name\":\"s\"}");
    world_pass(&w, 5 * MINUTE);
    cr_assert(eq(u32, items(), 0));

    must_do(client, "schedule.resume", "{\"name\":\"s\"}");
    must_settle(&w);
    cr_assert(eq(u32, items(), 0));
    world_pass(&w, MINUTE);

    cr_assert(eq(u32, items(), 1));
}

Test(core_schedule, pausing_twice_does_not_make_it_fire_twice)
{
    add("* * * * *", ",\"overlap\":\"queue\"");
    for (unsigned i = 0; i < 5; i++) {
        must_do(client, "schedule.pause", "{\"name\":\"s\"}");
        must_do(client, "schedule.resume", "{\"name\":\"s\"}");
    }

    world_pass(&w, MINUTE);

    cr_assert(eq(u32, items(), 1));
}

Test(core_schedule, it_can_be_run_at_once)
{
    add("@yearly", "");
    must_do(client, "schedule.run", "{\"name\":\"s\"}");
    const uint64_t batch = (uint64_t)said(&w, "batch");

    test_peer *const worker = must_hire();

    cr_assert(eq(sz, worker->job_count, 1));
    cr_assert(eq(u64, worker->jobs[0].batch, batch));
    cr_assert(eq(dbl, figure("last_batch"), (double)batch));
    cr_assert(eq(dbl, figure("last_ms"), (double)(w.now.wall_ms - w.now.wall_ms % 1000)));
}

Test(core_schedule, one_that_is_removed_fires_no_more)
{
    add("* * * * *", "");
    must_do(client, "schedule.remove", "{\"name\":\"s\"}");

    world_pass(&w, 2 * MINUTE);

    cr_assert(eq(u32, items(), 0));
    add("* * * * *", ""); /* the name is free */
    world_pass(&w, 2 * MINUTE);
    cr_assert(eq(u32, items(), 1));
}

Test(core_schedule, a_name_is_given_once)
{
    add("* * * * *", "");
    LEAT_FAILS(code_of_command(client, "schedule.add",
                               "{\"name\":\"s\",\"expr\":\"@daily\",\"handler\":\"echo\"}"),
               LEAT_ERR_BAD_STATE);
    LEAT_SAME_TEXT(said_text(&w, "error.message"), "there is a schedule \"s\" already");
}

Test(core_schedule, names_that_are_not_there_are_refused)
{
    const char *const commands[] = {"schedule.remove", "schedule.pause", "schedule.resume",
                                    "schedule.run"};
    for (size_t i = 0; i < 4; i++) {
        LEAT_FAILS(code_of_command(client, commands[i], "{\"name\":\"nobody\"}"),
                   LEAT_ERR_NOT_FOUND);
        LEAT_FAILS(code_of_command(client, commands[i], "{}"), LEAT_ERR_MALFORMED);
    }
}

Test(core_schedule, bad_expressions_are_refused_with_the_sentence)
{
    const struct {
        const char *expr;
        const char *sentence;
    } rows[] = {
        {"75 * * * *", "minute: 75 is over 59"},
        {"0 0 30 2 *", NULL                   },
        {"* * * *",    NULL                   },
        {"@never",     NULL                   },
        {"",           NULL                   },
        {"@every 0s",  NULL                   },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        LEAT_FAILS(code_of_command(client, "schedule.add",
                                   "{\"name\":\"s\",\"expr\":\"%s\",\"handler\":\"echo\"}",
                                   rows[i].expr),
                   LEAT_ERR_CONFIG);
        if (rows[i].sentence != NULL)
            LEAT_SAME_TEXT(said_text(&w, "error.message"), rows[i].sentence);
        cr_assert(ne(sz, strlen(said_text(&w, "error.message")), 0));
    }
}

Test(core_schedule, other_bad_arguments_are_refused)
{
    const char *const rows[] = {
        "{\"expr\":\"@daily\",\"handler\":\"echo\"}",
        "{\"name\":\"\",\"expr\":\"@daily\",\"handler\":\"echo\"}",
        "{\"name\":\"s\",\"expr\":\"@daily\"}",
        "{\"name\":\"s\",\"expr\":\"@daily\",\"handler\":\"echo\",\"overlap\":\"both\"}",
        "{\"name\":\"s\",\"expr\":\"@daily\",\"handler\":\"echo\",\"zone\":\"\"}",
        "{\"name\":\"s\",\"expr\":\"@daily\",\"handler\":\"echo\",\"payload\":5}",
        "{\"name\":\"s\",\"expr\":\"@daily\",\"handler\":\"echo\",\"payload_b64\":\"?\"}",
        "{\"name\":\"s\",\"expr\":\"@daily\",\"handler\":\"echo\",\"settings\":[]}",
        "{\"name\":\"s\",\"expr\":\"@daily\",\"handler\":\"echo\",\"settings\":{\"priority\":10}}",
        "{\"name\":\"s\",\"expr\":\"@daily\",\"handler\":\"echo\",\"settings\":{\"needs\":\"b=1,a=1\"}}",
        "{\"name\":\"s\",\"expr\":\"@daily\",\"handler\":\"echo\",\"settings\":{\"unique\":\"\"}}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        LEAT_FAILS(code_of_command(client, "schedule.add", "%s", rows[i]), LEAT_ERR_MALFORMED);
    cr_assert(eq(dbl, figure("paused"), -1.0));
}

Test(core_schedule, a_long_list_says_how_many_are_left_off)
{
    for (unsigned i = 0; i < 40; i++)
        must_do(client, "schedule.add",
                "{\"name\":\"s%u\",\"expr\":\"@daily\",\"handler\":\"echo\"}", i);

    must_query(client, "schedules", "{}");
    cr_assert(eq(dbl, said(&w, "left_off"), 10.0));
    must_query(client, "schedules", "{\"offset\":30}");
    cr_assert(eq(dbl, said(&w, "left_off"), 0.0));
}

/* ------------------------------------------------------------------------------ channels */

static void
must_show(const char *path, double want)
{
    must_query(client, "channel", "{\"channel\":\"c\"}");
    cr_assert(eq(dbl, said(&w, path), want), "%s", path);
}

#define EVERYTHING                                                                          \
    "\"capacity\":7,\"weight\":3,\"rate\":2.5,\"burst\":4,\"running_max\":5,\"key_max\":2," \
    "\"priority\":8,\"failures\":4,\"losses\":6,\"snoozes\":9,\"backoff_min_ms\":100,"      \
    "\"backoff_max_ms\":200,\"run_limit_ms\":3000,\"grace_ms\":400,\"expires_ms\":50000"

static void
must_show_everything(void)
{
    must_show("capacity", 7);
    must_show("weight", 3);
    must_show("rate", 2.5);
    must_show("burst", 4);
    must_show("running_max", 5);
    must_show("key_max", 2);
    must_show("priority", 8);
    must_show("failures", 4);
    must_show("losses", 6);
    must_show("snoozes", 9);
    must_show("backoff_min_ms", 100);
    must_show("backoff_max_ms", 200);
    must_show("run_limit_ms", 3000);
    must_show("grace_ms", 400);
    must_show("expires_ms", 50000);
}

Test(core_schedule, a_channel_has_the_settings_that_it_is_given)
{
    must_do(client, "channel.new", "{\"channel\":\"c\",\"kind\":\"jobs\"," EVERYTHING "}");

    must_show_everything();
    must_come_back();
    must_show_everything();
    world_pass(&w, 5000);
    must_come_back();
    must_show_everything();
}

Test(core_schedule, null_takes_a_setting_back)
{
    must_do(client, "channel.new", "{\"channel\":\"c\"," EVERYTHING "}");

    must_do(client, "channel.set",
            "{\"channel\":\"c\",\"capacity\":null,\"weight\":null,\"rate\":null,"
            "\"running_max\":null,\"key_max\":null,\"priority\":null,\"failures\":null,"
            "\"losses\":null,\"snoozes\":null,\"backoff_min_ms\":null,\"backoff_max_ms\":null,"
            "\"run_limit_ms\":null,\"grace_ms\":null,\"expires_ms\":null}");

    for (unsigned again = 0; again < 2; again++) {
        must_show("capacity", -1);
        must_show("weight", 1);
        must_show("rate", -1);
        must_show("running_max", -1);
        must_show("key_max", -1);
        must_show("priority", -1);
        must_show("failures", -1);
        must_show("run_limit_ms", -1);
        must_show("expires_ms", -1);
        must_come_back();
    }
}

Test(core_schedule, what_is_not_named_stays)
{
    must_do(client, "channel.new", "{\"channel\":\"c\"," EVERYTHING "}");

    must_do(client, "channel.set", "{\"channel\":\"c\"}");
    must_show_everything();
    must_do(client, "channel.set", "{\"channel\":\"c\",\"capacity\":8}");

    must_show("capacity", 8);
    must_show("weight", 3);
    must_show("priority", 8);
}

Test(core_schedule, what_was_accepted_before_keeps_its_terms)
{
    leat_send_head head = test_head("echo", 0);
    (void)must_send(client, &head, 1);
    must_do(client, "channel.set", "{\"channel\":\"default\",\"run_limit_ms\":3000}");
    (void)must_send(client, &head, 1);

    must_come_back();
    test_peer *const worker = must_hire();

    cr_assert(eq(u64, worker->jobs[0].run_limit_ms, 0));
    cr_assert(eq(u64, worker->jobs[1].run_limit_ms, 3000));
}

Test(core_schedule, what_a_job_says_goes_before_what_its_channel_says)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"run_limit_ms\":3000}");
    leat_send_head head = test_head("echo", 0);
    head.settings.run_limit_ms = 5000;
    (void)must_send(client, &head, 1);

    cr_assert(eq(u64, must_hire()->jobs[0].run_limit_ms, 5000));
}

Test(core_schedule, bad_values_are_refused_and_change_nothing)
{
    const char *const rows[] = {
        "\"capacity\":-1",      "\"capacity\":1.5",     "\"capacity\":\"7\"",
        "\"running_max\":0",    "\"key_max\":0",        "\"weight\":0",
        "\"weight\":1001",      "\"rate\":0",           "\"rate\":0.0001",
        "\"rate\":5000000",     "\"rate\":\"fast\"",    "\"burst\":0",
        "\"burst\":1000001",    "\"priority\":10",      "\"priority\":-1",
        "\"failures\":0",       "\"failures\":65536",   "\"losses\":256",
        "\"snoozes\":65536",    "\"backoff_min_ms\":0", "\"run_limit_ms\":31622400001",
        "\"grace_ms\":3600001", "\"expires_ms\":true",
    };
    must_do(client, "channel.new", "{\"channel\":\"c\"," EVERYTHING "}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_assert(eq(int, code_of_command(client, "channel.set", "{\"channel\":\"c\",%s}", rows[i]),
                     LEAT_ERR_MALFORMED),
                  "%s", rows[i]);
        cr_assert(ne(sz, strlen(said_text(&w, "error.message")), 0));
    }
    must_show_everything();
    LEAT_FAILS(code_of_command(client, "channel.new", "{\"channel\":\"d\",\"kind\":\"both\"}"),
               LEAT_ERR_MALFORMED);
    LEAT_FAILS(code_of_command(client, "channel.set", "{\"channel\":\"nowhere\",\"weight\":2}"),
               LEAT_ERR_NOT_FOUND);
}

Test(core_schedule, the_greatest_values_are_taken)
{
    must_do(client, "channel.new",
            "{\"channel\":\"c\",\"capacity\":9007199254740992,\"weight\":1000,\"rate\":4000000,"
            "\"burst\":1000000,\"priority\":9,\"failures\":65535,\"losses\":255,"
            "\"snoozes\":65535,\"run_limit_ms\":31622400000,\"grace_ms\":3600000}");
    must_do(client, "channel.set", "{\"channel\":\"c\",\"rate\":0.001,\"priority\":0}");

    must_show("rate", 0.001);
    must_show("priority", 0);
    must_show("losses", 255);
}

Test(core_schedule, a_channel_that_is_refused_is_not_half_there)
{
    LEAT_FAILS(code_of_command(client, "channel.new",
                               "{\"channel\":\"c\",\"kind\":\"messages\",\"weight\":0}"),
               LEAT_ERR_MALFORMED);

    must_do(client, "channel.new", "{\"channel\":\"c\",\"kind\":\"jobs\"}");
    LEAT_FAILS(code_of_command(client, "channel.new", "{\"channel\":\"c\",\"kind\":\"messages\"}"),
               LEAT_ERR_BAD_STATE);
    LEAT_FAILS(
        code_of_command(client, "channel.new", "{\"channel\":\"c\",\"durability\":\"memory\"}"),
        LEAT_ERR_BAD_STATE);
}
