/* Connections and sessions: who may speak, who is believed to be there, and when it is over. */
#include "tests/lib/peers.h"
#include "tests/lib/test.h"

static test_world w;

static void
setup(void)
{
    world_init(&w);
}

static void
teardown(void)
{
    world_fini(&w);
}

TestSuite(core_session, .init = setup, .fini = teardown);

Test(core_session, hello_is_answered_welcome)
{
    test_peer *const peer = world_peer(&w, "w1", 4, "echo");

    peer_connect(peer, false);
    must_settle(&w);

    cr_assert(peer->welcome);
    cr_assert(not(peer->resumed));
    cr_assert(eq(u64, peer->epoch, leat_core_get_facts(w.core).epoch));
    cr_assert(leat_core_is_worker(w.core, peer->route));
}

Test(core_session, a_first_frame_that_is_no_hello_is_told_so_once)
{
    test_peer *const peer = world_peer(&w, "", 0, NULL);
    peer->route = ++w.routes;

    peer_beat(peer);
    peer_beat(peer);
    must_settle(&w);

    cr_assert(eq(u32, peer->errors, 1));
    cr_assert(eq(int, peer->error, LEAT_ERR_HELLO_FIRST));
    cr_assert(eq(sz, peer->frame_count, 1));
}

Test(core_session, hello_is_taken_after_hello_first_on_the_same_connection)
{
    test_peer *const peer = world_peer(&w, "", 0, NULL);
    peer->route = ++w.routes;
    peer_beat(peer);
    const leat_route route = peer->route;
    w.routes--;

    peer_connect(peer, false);
    must_settle(&w);

    cr_assert(eq(u64, peer->route, route));
    cr_assert(peer->welcome);
}

Test(core_session, an_unknown_session_may_begin_anew_on_the_same_connection)
{
    test_peer *const peer = world_peer(&w, "", 0, NULL);
    peer_connect(peer, true);
    must_settle(&w);
    cr_assert(eq(int, peer->error, LEAT_ERR_SESSION_UNKNOWN));
    cr_assert(not(peer->welcome));

    peer->hello->session.bytes[3] = 99;
    w.routes--; /* the connection stays */
    peer_connect(peer, false);
    must_settle(&w);

    cr_assert(peer->welcome);
    const leat_send_head head = test_head("echo", 0);
    (void)must_send(peer, &head, 1);
}

Test(core_session, welcome_waits_until_the_session_is_on_disk)
{
    test_peer *const peer = world_peer(&w, "", 0, NULL);
    w.disk->hold = true;

    peer_connect(peer, false);
    must_settle(&w);
    cr_assert(not(peer->welcome));

    test_late_let_all(w.disk);
    must_settle(&w);
    cr_assert(peer->welcome);
}

Test(core_session, words_before_welcome_are_dropped)
{
    test_peer *const peer = world_peer(&w, "", 0, NULL);
    const leat_send_head head = test_head("echo", 0);
    w.disk->hold = true;
    peer_connect(peer, false);

    (void)peer_send(peer, &head, 1, 0);
    test_late_let_all(w.disk);
    w.disk->hold = false;
    must_settle(&w);

    cr_assert(eq(sz, peer->answer_count, 0));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
}

Test(core_session, a_known_session_resumes)
{
    test_peer *const peer = must_client(&w);
    peer_cut(peer);

    must_resume(peer);

    cr_assert(peer->resumed);
    cr_assert(eq(u32, leat_core_get_facts(w.core).peers, 1));
}

Test(core_session, the_higher_connection_wins_and_the_other_is_dropped)
{
    test_peer *const peer = must_client(&w);
    const leat_send_head head = test_head("echo", 0);
    const leat_route old = peer->route;

    must_resume(peer);
    const leat_route route = peer->route;
    const size_t frames = peer->frame_count;
    peer->route = old;
    const uint64_t sequence = peer_send(peer, &head, 1, 0);
    must_settle(&w);

    cr_assert(eq(sz, peer->frame_count, frames)); /* not even an error on the old route */
    peer->route = route;
    cr_assert(eq(ptr, peer_answer(peer, sequence), NULL));
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 0));
    peer_repeat(peer, sequence);
    must_settle(&w);
    cr_assert(eq(int, must_answer(peer, sequence)->code, LEAT_ERR_OK));
}

Test(core_session, a_lower_connection_does_not_take_over)
{
    test_peer *const peer = must_client(&w);
    must_resume(peer);
    const leat_route good = peer->route;

    peer->hello->connection = 0; /* the next says 1 */
    peer_connect(peer, true);
    must_settle(&w);

    cr_assert(not(peer->welcome));
    cr_assert(eq(int, peer->error, LEAT_ERR_BAD_STATE));
    peer->route = good;
    peer->welcome = true;
    (void)must_ask(peer, "ping", "{}");
}

Test(core_session, bye_ends_the_session)
{
    test_peer *const peer = must_client(&w);

    peer_bye(peer);
    must_settle(&w);
    peer_connect(peer, true);
    must_settle(&w);

    cr_assert(eq(int, peer->error, LEAT_ERR_SESSION_UNKNOWN));
    world_pass(&w, 1000);
    cr_assert(eq(u32, leat_core_get_facts(w.core).peers, 0));
}

Test(core_session, bye_ends_the_session_on_disk_too)
{
    test_peer *const peer = must_client(&w);
    peer_bye(peer);
    must_settle(&w);

    must_restart(&w);
    peer_connect(peer, true);
    must_settle(&w);

    cr_assert(eq(int, peer->error, LEAT_ERR_SESSION_UNKNOWN));
}

Test(core_session, a_foreign_version_is_refused_with_a_sentence_that_names_both)
{
    test_peer *const peer = world_peer(&w, "", 0, NULL);
    leat_buf frame = {0};
    peer->route = ++w.routes;
    leat_hello_put(&frame, peer->hello, 0);
    frame.data[2] = 9;

    peer_say(peer, &frame);
    must_settle(&w);

    cr_assert(eq(int, peer->error, LEAT_ERR_VERSION));
    cr_assert(ne(ptr, strstr(peer->error_sentence, "9"), NULL), "%s", peer->error_sentence);
    cr_assert(ne(ptr, strstr(peer->error_sentence, "1"), NULL), "%s", peer->error_sentence);
}

Test(core_session, a_second_part_ends_the_session)
{
    test_peer *const peer = must_client(&w);
    static const uint8_t part[] = "part";

    leat_core_on_frame(w.core, w.now, peer->route, &leat_principal_local, part, sizeof part, true);
    peer->welcome = false;
    must_settle(&w);
    cr_assert(eq(int, peer->error, LEAT_ERR_MALFORMED));

    peer_connect(peer, true);
    must_settle(&w);
    cr_assert(eq(int, peer->error, LEAT_ERR_SESSION_UNKNOWN));
}

Test(core_session, a_session_lives_an_hour_after_its_last_frame)
{
    test_peer *const peer = must_client(&w);
    peer->mute = true;
    peer_cut(peer);
    world_pass(&w, LEAT_SESSION_MS - 1000);
    cr_assert(eq(u32, leat_core_get_facts(w.core).peers, 1));

    world_pass(&w, 2000);

    cr_assert(eq(u32, leat_core_get_facts(w.core).peers, 0));
    peer_connect(peer, true);
    must_settle(&w);
    cr_assert(eq(int, peer->error, LEAT_ERR_SESSION_UNKNOWN));
}

/* A connection of role beat for the worker's session. */
static test_peer *
must_beat_for(test_peer *worker)
{
    test_peer *const beat = world_peer(&w, "", 0, NULL);
    beat->hello->role = LEAT_ROLE_BEAT;
    beat->hello->session = worker->session;
    peer_connect(beat, true);
    must_settle(&w);
    cr_assert(beat->welcome);
    return beat;
}

Test(core_session, a_beat_counts_for_its_session)
{
    test_peer *const client = must_client(&w);
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    const leat_send_head head = test_head("echo", 0);
    (void)must_beat_for(worker);
    (void)must_send(client, &head, 1);
    peer_credit(worker, 1);
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 1));

    worker->mute = worker->deaf = true;
    world_pass(&w, 60000);
    worker->mute = worker->deaf = false;
    const uint64_t done = peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(worker, done)->exceptions, 0));
}

Test(core_session, a_beat_of_an_unknown_session_is_told_so)
{
    test_peer *const beat = world_peer(&w, "", 0, NULL);
    beat->hello->role = LEAT_ROLE_BEAT;

    peer_connect(beat, true);
    must_settle(&w);

    cr_assert(eq(int, beat->error, LEAT_ERR_SESSION_UNKNOWN));
}

Test(core_session, a_beat_is_sent_nothing_and_believed_nothing_but_heartbeats)
{
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    test_peer *const beat = must_beat_for(worker);
    const size_t frames = beat->frame_count;

    peer_credit(beat, 5);
    peer_bye(beat);
    beat->welcome = true;
    world_pass(&w, 20000);

    cr_assert(eq(sz, beat->frame_count, frames));
    cr_assert(eq(u32, leat_core_get_facts(w.core).peers, 1));
}

Test(core_session, the_broker_beats_when_it_has_nothing_to_say)
{
    test_peer *const client = must_client(&w);

    world_pass(&w, 21000);

    cr_assert(ge(u32, client->heartbeats, 4));
    cr_assert(le(u32, client->heartbeats, 5));
}

Test(core_session, the_brokers_own_lateness_is_forgiven)
{
    test_peer *const client = must_client(&w);
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    const leat_send_head head = test_head("echo", 0);
    (void)must_send(client, &head, 1);
    peer_credit(worker, 1);
    must_settle(&w);

    world_jump(&w, 60000); /* the broker was stopped */
    world_turn(&w);
    world_pass(&w, 1000);
    const uint64_t done = peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1, "", 0);
    must_settle(&w);

    cr_assert(eq(u32, must_answer(worker, done)->exceptions, 0));
}

Test(core_session, two_sessions_cannot_speak_over_one_connection)
{
    test_peer *const first = must_client(&w);
    test_peer *const second = world_peer(&w, "", 0, NULL);
    w.routes = first->route - 1; /* the next connection has the same route */
    first->welcome = false;

    const leat_route route = first->route;
    first->route = 0;
    peer_connect(second, false);
    must_settle(&w);
    cr_assert(eq(u64, second->route, route));
    cr_assert(second->welcome);

    first->mute = true;
    second->deaf = false;
    world_pass(&w, 30000); /* heartbeats of the first would be numbered wrongly */
    cr_assert(ge(u32, second->heartbeats, 4));
    must_resume(first);
    cr_assert(first->resumed);
    (void)must_ask(second, "ping", "{}");
}

Test(core_session, a_worker_that_was_silent_too_long_works_on_when_it_is_heard_again)
{
    test_peer *const client = must_client(&w);
    test_peer *const worker = must_worker(&w, "w1", 1, "sleep:timer");
    const leat_send_head head = test_head("sleep", 0);
    (void)must_send(client, &head, 2);
    peer_credit(worker, 1);
    must_settle(&w);
    worker->mute = worker->deaf = true; /* stopped, its connection stands */
    world_pass(&w, 15000);

    worker->mute = worker->deaf = false;
    peer_beat(worker);
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 2)); /* a new attempt */
    cr_assert(eq(u32, worker->jobs[1].token.attempt, 2));
}

Test(core_session, a_worker_that_is_silent_gets_no_jobs_before_it_is_heard_again)
{
    test_peer *const client = must_client(&w);
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");
    const leat_send_head head = test_head("echo", 0);
    peer_credit(worker, 1);
    must_settle(&w);
    worker->mute = worker->deaf = true; /* it holds nothing, and is dead */
    world_pass(&w, 15000);

    (void)must_send(client, &head, 1);

    cr_assert(eq(sz, worker->job_count, 0));
    worker->mute = worker->deaf = false;
    peer_beat(worker);
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 1));
}

Test(core_session, the_numbers_of_the_brokers_frames_rise_across_its_restart)
{
    test_peer *const client = must_client(&w);
    for (unsigned i = 0; i < 20; i++)
        (void)must_ask(client, "ping", "{}");
    const uint64_t before = client->got;

    must_restart(&w);
    must_resume(client);

    cr_assert(eq(u64, client->got, before + 1));
    for (unsigned i = 0; i < 20; i++)
        (void)must_ask(client, "ping", "{}");
}

Test(core_session, goodbye_tells_every_peer)
{
    test_peer *const client = must_client(&w);
    test_peer *const worker = must_worker(&w, "w1", 1, "echo");

    leat_core_goodbye(w.core, w.now);

    cr_assert(eq(u32, client->byes, 1));
    cr_assert(eq(u32, worker->byes, 1));
}
