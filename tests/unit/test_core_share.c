/* Whose turn it is: priorities and waiting, principals and flows by the time that they run,
 * channels by weight; and what holds a job back: caps, rates, pauses, needs, traits. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/peers.h"
#include "tests/lib/test.h"

#define ALL     1000000U
#define SHOPS   4U
#define SLOTS   64U
#define BATCHES 4096U

static test_world w;
static test_peer *client;

/* Workers that run their jobs in virtual time, in order, as many at once as they have slots. */
static struct shop {
    test_peer *worker;
    size_t next; /* of its jobs: not started */
    unsigned busy;
    struct {
        size_t job;
        int64_t since_ms;
        int64_t until_ms;
    } slots[SLOTS];
} shops[SHOPS];
static unsigned shop_count;

/* What became of the batches that shops have worked for. */
static struct tally {
    uint64_t batch;
    uint64_t ended;
    int64_t ran_ms;
    int64_t first_ms; /* monotonic; start of the first, end of the last */
    int64_t last_ms;
} tallies[BATCHES];
static unsigned tally_count;

static int64_t (*length_of)(const test_job *job); /* ms */

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

TestSuite(core_share, .init = setup, .fini = teardown, .timeout = 30);

/* ------------------------------------------------------------------------------ shops */

static struct tally *
tally_of(uint64_t batch)
{
    for (unsigned i = tally_count; i > 0; i--) {
        if (tallies[i - 1].batch == batch)
            return &tallies[i - 1];
    }
    cr_assert(lt(u32, tally_count, BATCHES));
    tallies[tally_count] = (struct tally){.batch = batch, .first_ms = -1};
    return &tallies[tally_count++];
}

static struct shop *
open_shop(test_peer *worker)
{
    struct shop *const shop = &shops[shop_count++];
    *shop = (struct shop){.worker = worker};
    return shop;
}

static test_peer *
must_hire(uint32_t slots, const char *handlers)
{
    test_peer *const worker = must_worker(&w, "w", slots, handlers);
    peer_credit(worker, 4096);
    (void)open_shop(worker);
    return worker;
}

/* The same with more to say in its HELLO. */
static test_peer *
must_hire_for(const char *channels, const char *have, const char *traits, uint32_t slots)
{
    test_peer *const worker = world_peer(&w, "w", slots, "echo");
    leat_text text = leat_text_of(have);
    leat_text name;
    leat_text value;
    uint64_t amount;
    while (leat_needs_next(&text, &name, &amount)) {
        leat_hello_have *const one = &worker->hello->haves[worker->hello->have_count++];
        memcpy(one->name, name.data, name.size);
        one->amount = amount;
    }
    text = leat_text_of(traits);
    while (leat_traits_next(&text, &name, &value)) {
        leat_hello_trait *const one = &worker->hello->traits[worker->hello->trait_count++];
        memcpy(one->name, name.data, name.size);
        memcpy(one->value, value.data, value.size);
    }
    for (const char *at = channels; *at != '\0'; at++)
        worker->hello->channels[worker->hello->channel_count++][0] = *at;
    peer_connect(worker, false);
    must_settle(&w);
    peer_credit(worker, 4096);
    must_settle(&w);
    (void)open_shop(worker);
    return worker;
}

static int64_t
length(const test_job *job)
{
    return length_of == NULL ? 100 : length_of(job);
}

static void
start_some(struct shop *shop)
{
    test_peer *const worker = shop->worker;
    while (shop->busy < worker->hello->slots && shop->next < worker->job_count) {
        test_job *const job = &worker->jobs[shop->next++];
        if (job->over)
            continue;
        worker->started = job->number;
        const unsigned at = shop->busy++;
        shop->slots[at].job = shop->next - 1;
        shop->slots[at].since_ms = w.now.mono_ms;
        shop->slots[at].until_ms = w.now.mono_ms + length(job);
        struct tally *const tally = tally_of(job->batch);
        if (tally->first_ms < 0)
            tally->first_ms = w.now.mono_ms;
    }
}

static void
end_some(struct shop *shop)
{
    test_peer *const worker = shop->worker;
    for (unsigned i = 0; i < shop->busy;) {
        if (shop->slots[i].until_ms > w.now.mono_ms) {
            i++;
            continue;
        }
        test_job *const job = &worker->jobs[shop->slots[i].job];
        const int64_t ran = w.now.mono_ms - shop->slots[i].since_ms;
        struct tally *const tally = tally_of(job->batch);
        tally->ended++;
        tally->ran_ms += ran;
        tally->last_ms = w.now.mono_ms;
        (void)peer_done(worker, job, LEAT_END_DONE, (uint64_t)ran * 1000, "", 0);
        shop->slots[i] = shop->slots[--shop->busy];
    }
}

/* Time goes on and shops work. on_step: called whenever something may have changed; NULL: nobody.
 */
static void
work(int64_t ms, void (*on_step)(void))
{
    const int64_t end = w.now.mono_ms + ms;
    for (;;) {
        must_settle(&w);
        int64_t next = end;
        for (unsigned i = 0; i < shop_count; i++) {
            start_some(&shops[i]);
            for (unsigned k = 0; k < shops[i].busy; k++) {
                if (shops[i].slots[k].until_ms < next)
                    next = shops[i].slots[k].until_ms;
            }
        }
        if (on_step != NULL)
            on_step();
        if (w.now.mono_ms >= end)
            return;
        world_pass(&w, next - w.now.mono_ms);
        for (unsigned i = 0; i < shop_count; i++)
            end_some(&shops[i]);
    }
}

static void
work_until_idle(void)
{
    while (leat_core_get_facts(w.core).items > 0)
        work(1000, NULL);
}

/* What runs of a batch has run so far, too. */
static int64_t
ran_of(uint64_t batch)
{
    int64_t ran = tally_of(batch)->ran_ms;
    for (unsigned i = 0; i < shop_count; i++) {
        for (unsigned k = 0; k < shops[i].busy; k++) {
            if (shops[i].worker->jobs[shops[i].slots[k].job].batch == batch)
                ran += w.now.mono_ms - shops[i].slots[k].since_ms;
        }
    }
    return ran;
}

static void
must_be_near(double got, double want, double percent)
{
    cr_assert(ge(dbl, got, want * (1 - percent / 100)), "%g is no %g", got, want);
    cr_assert(le(dbl, got, want * (1 + percent / 100)), "%g is no %g", got, want);
}

/* ------------------------------------------------------------------------------ sending */

static uint32_t tags;

static uint64_t
submit_with(test_peer *peer, const leat_send_head *like, unsigned n)
{
    leat_send_head head = *like;
    head.tag = ++tags;
    uint64_t batch = 0;
    while (n > 0) {
        const unsigned now = n < LEAT_RECORDS_MAX ? n : LEAT_RECORDS_MAX;
        batch = must_send(peer, &head, now)->sent.batch;
        n -= now;
    }
    return batch;
}

static uint64_t
submit(test_peer *peer, const char *handler, unsigned n)
{
    const leat_send_head head = test_head(handler, 0);
    return submit_with(peer, &head, n);
}

static uint64_t
submit_priority(uint8_t priority, unsigned n)
{
    leat_send_head head = test_head("echo", 0);
    head.settings.priority = priority;
    return submit_with(client, &head, n);
}

static uint64_t
submit_to(const char *channel, unsigned n)
{
    leat_send_head head = test_head("echo", 0);
    head.channel = leat_text_of(channel);
    return submit_with(client, &head, n);
}

static uint64_t
submit_needing(const char *needs, const char *traits, unsigned n)
{
    leat_send_head head = test_head("echo", 0);
    head.settings.needs = leat_text_of(needs);
    head.settings.traits = leat_text_of(traits);
    return submit_with(client, &head, n);
}

static uint64_t
submit_key(const char *key, unsigned n)
{
    leat_send_head head = test_head("echo", 0);
    head.settings.key = leat_text_of(key);
    return submit_with(client, &head, n);
}

static const char *
reason_of(uint64_t batch)
{
    must_query(client, "explain", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    return said_text(&w, "reasons.0.reason");
}

/* ------------------------------------------------------------------------------ priorities */

Test(core_share, the_highest_priority_goes_first)
{
    uint64_t batches[LEAT_PRIORITIES];
    for (uint8_t p = 0; p < LEAT_PRIORITIES; p++)
        batches[p] = submit_priority(p, 2);
    test_peer *const worker = must_hire(1, "echo");

    work_until_idle();

    for (unsigned i = 0; i < 2 * LEAT_PRIORITIES; i++)
        cr_assert(eq(u64, worker->jobs[i].batch, batches[LEAT_PRIORITIES - 1 - i / 2]));
}

Test(core_share, the_default_is_in_the_middle)
{
    const uint64_t low = submit_priority(4, 1);
    const uint64_t middle = submit(client, "echo", 1);
    const uint64_t high = submit_priority(6, 1);
    test_peer *const worker = must_hire(1, "echo");

    work_until_idle();

    cr_assert(eq(u64, worker->jobs[0].batch, high));
    cr_assert(eq(u64, worker->jobs[1].batch, middle));
    cr_assert(eq(u64, worker->jobs[2].batch, low));
}

Test(core_share, priority_goes_before_fairness)
{
    const uint64_t low = submit_priority(5, 10);
    test_peer *const worker = must_hire(1, "echo");
    work(350, NULL);
    const uint64_t high = submit_priority(6, 30);

    work(31L * 100, NULL);

    cr_assert(eq(u64, tally_of(high)->ended, 30));
    cr_assert(le(u64, tally_of(low)->ended, 5));
    cr_assert(le(sz, peer_open_jobs(worker), 1));
}

Test(core_share, first_in_first_out_within_a_flow)
{
    const uint64_t batch = submit(client, "echo", 50);
    test_peer *const worker = must_hire(3, "echo");

    work_until_idle();

    for (unsigned i = 0; i < 50; i++) {
        cr_assert(eq(u64, worker->jobs[i].batch, batch));
        cr_assert(eq(u32, worker->jobs[i].place, i + 1));
    }
}

Test(core_share, a_restart_keeps_the_order)
{
    const uint64_t low = submit_priority(1, 2);
    const uint64_t high = submit_priority(8, 2);
    must_restart(&w);
    must_resume(client);
    test_peer *const worker = must_hire(1, "echo");

    work_until_idle();

    cr_assert(eq(u64, worker->jobs[0].batch, high));
    cr_assert(eq(u64, worker->jobs[2].batch, low));
}

/* ------------------------------------------------------------------------------ waiting */

static unsigned urgent_sent;

static void
send_urgent(void)
{
    for (; leat_core_get_facts(w.core).items < 5; urgent_sent++)
        (void)submit_priority(9, 1);
}

Test(core_share, the_lowest_priority_moves_under_a_constant_stream_of_the_highest)
{
    (void)must_hire(1, "echo");
    send_urgent();
    const int64_t sent_ms = w.now.mono_ms;
    const uint64_t low = submit_priority(0, 1);
    while (tally_of(low)->first_ms < 0) {
        cr_assert(le(i64, w.now.mono_ms - sent_ms, 9L * LEAT_AGING_MS + 2000));
        tally_count = tally_of(low)->first_ms < 0 ? 0 : tally_count;
        work(1000, send_urgent);
    }
    cr_assert(ge(i64, tally_of(low)->first_ms - sent_ms, 8L * LEAT_AGING_MS));
}

Test(core_share, so_many_seconds_are_worth_one_priority)
{
    const uint64_t old = submit_priority(4, 1);
    world_pass(&w, LEAT_AGING_MS + 1000);
    const uint64_t young = submit_priority(5, 1);
    test_peer *const worker = must_hire(1, "echo");
    work_until_idle();
    cr_assert(eq(u64, worker->jobs[0].batch, old));
    cr_assert(eq(u64, worker->jobs[1].batch, young));
}

Test(core_share, waiting_counts_over_a_restart)
{
    const uint64_t old = submit_priority(4, 1);
    world_pass(&w, LEAT_AGING_MS + 1000);
    must_restart(&w);
    must_resume(client);
    (void)submit_priority(5, 1);
    test_peer *const worker = must_hire(1, "echo");
    must_settle(&w);
    cr_assert(eq(u64, worker->jobs[0].batch, old));
}

/* ------------------------------------------------------------------------------ flows */

static int64_t
fifty(const test_job *job)
{
    (void)job;
    return 50;
}

Test(core_share, ten_jobs_do_not_wait_for_many)
{
    length_of = fifty;
    const uint64_t many = submit(client, "echo", 1000000);
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 1000000));
    (void)must_hire(2, "echo");
    (void)must_hire(2, "echo");
    work(5000, NULL); /* the mean is known, and lines are filled ahead */

    const int64_t sent_ms = w.now.mono_ms;
    const uint64_t ten = submit(client, "echo", 10);
    work(3000, NULL);

    cr_assert(eq(u64, tally_of(ten)->ended, 10));
    cr_assert(le(i64, tally_of(ten)->last_ms - sent_ms, 3L * 150)); /* alone: 3 rounds of 4 */
    cr_assert(gt(u64, tally_of(many)->ended, 400));
}

Test(core_share, short_jobs_share_as_well)
{
    const uint64_t one = submit(client, "echo", 3000);
    const uint64_t other = submit(client, "echo", 3000);
    test_peer *const worker = must_worker(&w, "w", 4, "echo");
    peer_credit(worker, 4096);
    must_settle(&w);
    size_t reported = 0;
    while (worker->job_count < 3000) { /* a microsecond each: hundreds in a frame */
        const size_t n = worker->job_count - reported;
        worker->started = worker->jobs[worker->job_count - 1].number;
        (void)peer_done_many(worker, reported, n < 4096 ? n : 4096, LEAT_END_DONE, 1);
        reported += n < 4096 ? n : 4096;
        must_settle(&w);
    }
    double of_one = 0;
    double of_other = 0;
    for (size_t i = 0; i < 3000; i++) {
        of_one += worker->jobs[i].batch == one;
        of_other += worker->jobs[i].batch == other;
    }
    must_be_near(of_one, 1500, 10);
    must_be_near(of_other, 1500, 10);
}

/* A million on either side with LEAT_TEST_FULL in the environment: ten seconds and some GB. */
Test(core_share, one_batch_shares_with_many_batches_of_another_principal, .timeout = 300)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    const unsigned n = getenv("LEAT_TEST_FULL") == NULL ? 20000 : 1000000;
    test_peer *const other = must_client(&w); /* without keys every session is one */
    const uint64_t batch = submit(client, "echo", n);
    for (unsigned i = 0; i < n; i++) {
        const leat_send_head head = test_head("echo", ++tags);
        (void)peer_send(other, &head, 1, 0);
        if (i % 500 == 499)
            must_settle(&w);
    }
    cr_assert(eq(u32, leat_core_get_facts(w.core).items, 2 * n));
    (void)must_hire(4, "echo");

    work(10000, NULL); /* 400 of them */

    must_be_near((double)tally_of(batch)->ended, 200, 5);
}

Test(core_share, batches_of_one_share_a_flow)
{
    const uint64_t batch = submit(client, "echo", 400);
    leat_send_head head = test_head("echo", 0);
    (void)must_send(client, &head, 400); /* each a batch of its own */
    (void)must_hire(4, "echo");

    work(100L * 100, NULL);

    must_be_near((double)tally_of(batch)->ended, 200, 5);
}

Test(core_share, a_flow_can_be_named)
{
    leat_send_head head = test_head("echo", 0);
    head.settings.flow = leat_text_of("f");
    uint64_t ended = 0;
    uint64_t batches[4];
    for (unsigned i = 0; i < 4; i++)
        batches[i] = submit_with(client, &head, 200);
    const uint64_t alone = submit(client, "echo", 200);
    (void)must_hire(2, "echo");

    work(100L * 100, NULL); /* 200 of the 1000 */

    for (unsigned i = 0; i < 4; i++)
        ended += tally_of(batches[i])->ended;
    must_be_near((double)ended, 100, 5);
    must_be_near((double)tally_of(alone)->ended, 100, 5);
}

Test(core_share, a_named_flow_is_the_same_after_a_restart)
{
    leat_send_head head = test_head("echo", 0);
    head.settings.flow = leat_text_of("f");
    const uint64_t first = submit_with(client, &head, 200);
    const uint64_t second = submit_with(client, &head, 200);
    const uint64_t alone = submit(client, "echo", 200);
    must_restart(&w);
    must_resume(client);
    (void)must_hire(2, "echo");

    work(100L * 100, NULL);

    must_be_near((double)(tally_of(first)->ended + tally_of(second)->ended), 100, 5);
    must_be_near((double)tally_of(alone)->ended, 100, 5);
}

static uint64_t long_batch;

static int64_t
long_and_short(const test_job *job)
{
    return job->batch == long_batch ? 100 : 10;
}

Test(core_share, flows_with_jobs_of_unequal_length_share_the_time)
{
    length_of = long_and_short;
    long_batch = submit(client, "echo", 3000);
    const uint64_t short_batch = submit(client, "echo", 30000);
    (void)must_hire(4, "echo");
    work(2000, NULL);
    const int64_t of_long = ran_of(long_batch);
    const int64_t of_short = ran_of(short_batch);

    work(20000, NULL);

    must_be_near((double)(ran_of(long_batch) - of_long), 40000, 10);
    must_be_near((double)(ran_of(short_batch) - of_short), 40000, 10);
}

Test(core_share, so_do_flows_of_different_handlers)
{
    length_of = long_and_short;
    long_batch = submit(client, "long", 3000);
    const uint64_t short_batch = submit(client, "echo", 30000);
    (void)must_hire(4, "echo long");
    work(2000, NULL);
    const int64_t of_long = ran_of(long_batch);
    const int64_t of_short = ran_of(short_batch);

    work(20000, NULL);

    must_be_near((double)(ran_of(long_batch) - of_long), 40000, 10);
    must_be_near((double)(ran_of(short_batch) - of_short), 40000, 10);
}

static int64_t
mixed(const test_job *job)
{
    return job->batch == long_batch ? (job->place % 10 == 0 ? 910 : 10) : 100;
}

Test(core_share, so_does_a_flow_whose_jobs_are_of_all_lengths)
{
    length_of = mixed; /* of each ten, nine short ones and a long one: 100 ms on average */
    long_batch = submit(client, "echo", 3000);
    const uint64_t even = submit(client, "echo", 3000);
    (void)must_hire(4, "echo");
    work(5000, NULL);
    const int64_t of_long = ran_of(long_batch);
    const int64_t of_even = ran_of(even);

    work(60000, NULL);

    must_be_near((double)(ran_of(long_batch) - of_long), 120000, 10);
    must_be_near((double)(ran_of(even) - of_even), 120000, 10);
}

static int64_t
very_long(const test_job *job)
{
    return job->batch == long_batch ? 60000 : 200;
}

Test(core_share, a_flow_of_long_jobs_does_not_take_all_slots_before_its_first_charge)
{
    length_of = very_long;
    long_batch = submit(client, "echo", 100);
    const uint64_t short_batch = submit(client, "echo", 100000);
    (void)must_hire(10, "echo");

    work(50000, NULL); /* none of the long ones has ended, and nothing is taken from them */
    cr_assert(ge(i64, ran_of(short_batch), 100000 - 5000));
    work(550000, NULL);

    must_be_near((double)ran_of(short_batch), 3000000, 10);
    must_be_near((double)ran_of(long_batch), 3000000, 10);
}

Test(core_share, so_it_is_when_nothing_is_known_of_its_handler)
{
    length_of = very_long;
    long_batch = submit(client, "long", 100);
    const uint64_t short_batch = submit(client, "echo", 100000);
    (void)must_hire(10, "echo long");

    work(50000, NULL);
    cr_assert(ge(i64, ran_of(short_batch), 100000 - 5000));
    work(550000, NULL);

    must_be_near((double)ran_of(short_batch), 3000000, 10);
    must_be_near((double)ran_of(long_batch), 3000000, 10);
}

Test(core_share, one_that_was_away_has_saved_nothing)
{
    const uint64_t busy = submit(client, "echo", 5000);
    (void)must_hire(4, "echo");
    work(20000, NULL);

    const uint64_t late = submit(client, "echo", 5000);
    const uint64_t before = tally_of(busy)->ended;
    work(10000, NULL);

    must_be_near((double)tally_of(late)->ended, 200, 10);
    must_be_near((double)(tally_of(busy)->ended - before), 200, 10);
}

Test(core_share, principals_share_before_their_flows_do)
{
    test_peer *const other = must_client(&w);
    uint64_t batches[9];
    for (unsigned i = 0; i < 9; i++)
        batches[i] = submit(client, "echo", 200);
    const uint64_t alone = submit(other, "echo", 900);
    (void)must_hire(4, "echo");

    work(180L * 50, NULL); /* 360 */

    must_be_near((double)tally_of(alone)->ended, 180, 6);
    for (unsigned i = 0; i < 9; i++)
        must_be_near((double)tally_of(batches[i])->ended, 20, 15);
}

Test(core_share, what_comes_back_takes_its_old_place)
{
    const uint64_t batch = submit(client, "echo", 10);
    test_peer *const worker = must_hire(3, "echo");
    must_settle(&w);
    peer_credit(worker, 0);
    for (unsigned i = 0; i < 3; i++) { /* in any order */
        const unsigned order[] = {1, 2, 0};
        worker->jobs[order[i]].over = true;
        (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[order[i]], 0);
    }
    must_settle(&w);

    peer_credit(worker, 1);
    must_settle(&w);
    for (unsigned i = 0; i < 10; i++) {
        test_job *const job = &worker->jobs[worker->job_count - 1];
        cr_assert(eq(u64, job->batch, batch));
        cr_assert(eq(u32, job->place, i + 1));
        (void)peer_done(worker, job, LEAT_END_DONE, 1000, "", 0);
        must_settle(&w);
    }
}

Test(core_share, what_is_released_is_not_charged)
{
    const uint64_t one = submit(client, "echo", 100);
    const uint64_t other = submit(client, "echo", 100);
    test_peer *const worker = must_hire(2, "echo");
    work(1000, NULL);
    peer_credit(worker, 0);
    work(1000, NULL);
    test_peer *const bad = must_worker(&w, "bad", 1, "echo");
    for (unsigned i = 0; i < 20; i++) { /* takes one job after the other and gives it back */
        peer_credit(bad, 1);
        must_settle(&w);
        test_job *const job = &bad->jobs[bad->job_count - 1];
        peer_credit(bad, 0);
        job->over = true;
        (void)peer_token(bad, LEAT_CMD_RELEASE, job, 0);
        must_settle(&w);
    }
    peer_credit(worker, 4096);

    work(2000, NULL);

    must_be_near((double)tally_of(one)->ended, (double)tally_of(other)->ended, 10);
}

/* ------------------------------------------------------------------------------ messages */

static void
put_messages(test_peer *peer, unsigned n)
{
    leat_send_head head = test_head("", 0);
    head.channel = leat_text_of("c");
    (void)must_send(peer, &head, n);
}

/* As in Go: whoever sends first is received first. */
Test(core_share, messages_are_first_in_first_out_for_all_senders)
{
    test_peer *const other = must_client(&w);
    put_messages(client, 3);
    put_messages(other, 4);
    put_messages(client, 3);
    test_peer *const receiver = must_client(&w);

    peer_recv(receiver, "c", 10);
    must_settle(&w);

    cr_assert(eq(sz, receiver->message_count, 10));
    for (size_t i = 1; i < 10; i++)
        cr_assert(gt(u64, receiver->messages[i].message.id, receiver->messages[i - 1].message.id));
}

/* ------------------------------------------------------------------------------ channels */

Test(core_share, channels_of_one_worker_share_by_weight)
{
    must_do(client, "channel.new", "{\"channel\":\"a\",\"weight\":3}");
    const uint64_t heavy = submit_to("a", 1000);
    const uint64_t light = submit_to("b", 1000);
    (void)must_hire_for("ab", "", "", 4);

    work(10000, NULL); /* 400 */

    must_be_near((double)tally_of(heavy)->ended, 300, 5);
    must_be_near((double)tally_of(light)->ended, 100, 5);
}

Test(core_share, channels_share_evenly_without_weights)
{
    const uint64_t one = submit_to("a", 1000);
    const uint64_t two = submit_to("b", 1000);
    const uint64_t three = submit_to("c", 1000);
    (void)must_hire_for("abc", "", "", 3);

    work(10000, NULL);

    must_be_near((double)tally_of(one)->ended, 100, 5);
    must_be_near((double)tally_of(two)->ended, 100, 5);
    must_be_near((double)tally_of(three)->ended, 100, 5);
}

Test(core_share, a_channel_in_memory_shares_with_one_on_disk)
{
    must_do(client, "channel.new", "{\"channel\":\"m\",\"durability\":\"memory\"}");
    const uint64_t memory = submit_to("m", 1000);
    const uint64_t disk = submit_to("d", 1000);
    (void)must_hire_for("md", "", "", 4);

    work(10000, NULL);

    must_be_near((double)tally_of(memory)->ended, 200, 10);
    must_be_near((double)tally_of(disk)->ended, 200, 10);
}

Test(core_share, a_channel_that_was_empty_has_saved_nothing)
{
    const uint64_t busy = submit_to("a", 3000);
    (void)must_hire_for("ab", "", "", 4);
    work(20000, NULL);
    const uint64_t before = tally_of(busy)->ended;

    const uint64_t late = submit_to("b", 3000);
    work(10000, NULL);

    must_be_near((double)tally_of(late)->ended, 200, 10);
    must_be_near((double)(tally_of(busy)->ended - before), 200, 10);
}

/* ------------------------------------------------------------------------------ caps */

static unsigned most_running;

static void
count_running(void)
{
    must_query(client, "channel", "{\"channel\":\"default\"}");
    const unsigned running = (unsigned)said(&w, "running");
    if (running > most_running)
        most_running = running;
}

Test(core_share, no_more_run_than_a_channel_may)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"running_max\":3}");
    const uint64_t batch = submit(client, "echo", 30);
    (void)must_hire(4, "echo");
    (void)must_hire(4, "echo");

    work(600, count_running);
    LEAT_SAME_TEXT(reason_of(batch), "runs, or is next, on worker \"w\"");
    LEAT_SAME_TEXT(said_text(&w, "reasons.1.reason"),
                   "channel \"default\" runs at most 3 jobs at once");
    work(500, count_running);

    cr_assert(eq(u32, most_running, 3));
    cr_assert(eq(u64, tally_of(batch)->ended, 30 < 33 ? 30 : 33));
}

Test(core_share, what_runs_is_counted_after_a_restart)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"running_max\":3}");
    (void)submit(client, "echo", 30);
    test_peer *const worker = must_hire(8, "echo");
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 3));
    must_restart(&w);
    must_resume(client);

    test_peer *const other = must_worker(&w, "o", 8, "echo");
    peer_credit(other, 8);
    must_settle(&w);
    cr_assert(eq(sz, other->job_count, 0));
    must_resume_worker(worker, ALL, true);
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1000, "", 0);
    must_settle(&w);

    cr_assert(eq(sz, other->job_count, 1));
}

Test(core_share, a_higher_cap_lets_more_run_at_once)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"running_max\":1}");
    (void)submit(client, "echo", 30);
    test_peer *const worker = must_hire(8, "echo");
    must_settle(&w);

    must_do(client, "channel.set", "{\"channel\":\"default\",\"running_max\":null}");
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 8));
}

static unsigned
open_of(const test_peer *worker, uint64_t batch)
{
    unsigned n = 0;
    for (size_t i = 0; i < worker->job_count; i++)
        n += !worker->jobs[i].over && worker->jobs[i].batch == batch;
    return n;
}

Test(core_share, of_one_key_no_more_run_than_may)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"key_max\":2}");
    const uint64_t one = submit_key("k1", 10);
    const uint64_t two = submit_key("k2", 10);
    const uint64_t none = submit(client, "echo", 3);
    test_peer *const worker = must_hire(20, "echo");
    must_settle(&w);

    cr_assert(eq(u32, open_of(worker, one), 2));
    cr_assert(eq(u32, open_of(worker, two), 2));
    cr_assert(eq(u32, open_of(worker, none), 3));
    (void)reason_of(one);
    LEAT_SAME_TEXT(said_text(&w, "reasons.1.reason"), "of key \"k1\" 2 jobs run, and no more may");
    must_query(client, "channel", "{\"channel\":\"default\"}");
    cr_assert(eq(dbl, said(&w, "ready"), 16.0));
    work_until_idle();
    cr_assert(eq(u64, tally_of(one)->ended, 10));
    cr_assert(eq(i64, tally_of(one)->last_ms - tally_of(one)->first_ms, 500));
}

Test(core_share, what_waits_for_its_key_comes_in_order)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"key_max\":1}");
    (void)submit_key("k", 6);
    leat_send_head head = test_head("echo", 0);
    head.settings.key = leat_text_of("k");
    head.settings.priority = 9;
    const uint64_t urgent = submit_with(client, &head, 1);
    test_peer *const worker = must_hire(20, "echo");

    work_until_idle();

    cr_assert(eq(u64, worker->jobs[0].batch, urgent));
    for (unsigned i = 1; i < 7; i++)
        cr_assert(eq(u32, worker->jobs[i].place, i));
}

Test(core_share, a_key_is_counted_after_a_restart)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"key_max\":1}");
    (void)submit_key("k", 6);
    test_peer *const worker = must_hire(20, "echo");
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 1));
    must_restart(&w);
    must_resume(client);
    test_peer *const other = must_worker(&w, "o", 8, "echo");
    peer_credit(other, 8);
    must_settle(&w);

    cr_assert(eq(sz, other->job_count, 0));
    must_resume_worker(worker, 0, false); /* it was not delivered: it comes back */
    must_settle(&w);
    cr_assert(eq(sz, other->job_count, 1));
}

Test(core_share, what_waits_for_its_key_can_be_cancelled)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"key_max\":1}");
    const uint64_t batch = submit_key("k", 6);
    test_peer *const worker = must_hire(20, "echo");
    must_settle(&w);

    must_do(client, "batch.cancel", "{\"batch\":\"%llu\",\"from\":2,\"upto\":5}",
            (unsigned long long)batch);
    cr_assert(eq(dbl, said(&w, "cancelled"), 4.0));
    work_until_idle();

    cr_assert(eq(sz, worker->job_count, 2));
    cr_assert(eq(u32, worker->jobs[1].place, 6));
}

Test(core_share, a_higher_cap_lets_the_line_of_a_key_go)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"key_max\":1}");
    (void)submit_key("k", 6);
    test_peer *const worker = must_hire(20, "echo");
    must_settle(&w);

    must_do(client, "channel.set", "{\"channel\":\"default\",\"key_max\":4}");
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 4));
    must_do(client, "channel.set", "{\"channel\":\"default\",\"key_max\":null}");
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 6));
}

/* ------------------------------------------------------------------------------ rates */

Test(core_share, a_rate_lets_so_many_go_in_a_second)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"rate\":20,\"burst\":5}");
    const uint64_t batch = submit(client, "echo", 1000);
    test_peer *const worker = must_hire(50, "echo");
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 5)); /* the burst */

    work(10000, NULL);

    cr_assert(ge(sz, worker->job_count, 203));
    cr_assert(le(sz, worker->job_count, 205));
    (void)reason_of(batch);
    LEAT_SAME_TEXT(said_text(&w, "reasons.1.reason"),
                   "channel \"default\" hands out 20 items a second");
}

Test(core_share, a_slow_rate_is_kept)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"rate\":0.5}");
    (void)submit(client, "echo", 10);
    test_peer *const worker = must_hire(50, "echo");
    must_settle(&w);
    for (unsigned i = 1; i < 6; i++) {
        cr_assert(eq(sz, worker->job_count, i));
        work(1950, NULL);
        cr_assert(eq(sz, worker->job_count, i));
        work(50 + i, NULL);
    }
}

Test(core_share, a_bucket_is_empty_after_a_restart)
{
    must_do(client, "channel.new", "{\"channel\":\"default\",\"rate\":1,\"burst\":10}");
    must_restart(&w);
    must_resume(client);
    (void)submit(client, "echo", 100);
    test_peer *const worker = must_hire(50, "echo");
    must_settle(&w);

    cr_assert(le(sz, worker->job_count, 0));
    work(5000, NULL);
    cr_assert(ge(sz, worker->job_count, 4));
    cr_assert(le(sz, worker->job_count, 5));
}

Test(core_share, a_rate_is_for_messages_too)
{
    must_do(client, "channel.new", "{\"channel\":\"c\",\"kind\":\"messages\",\"rate\":10}");
    put_messages(client, 100);
    test_peer *const receiver = must_client(&w);
    peer_recv(receiver, "c", 1000);
    must_settle(&w);
    cr_assert(eq(sz, receiver->message_count, 10));

    world_pass(&w, 2000);

    cr_assert(ge(sz, receiver->message_count, 29));
    cr_assert(le(sz, receiver->message_count, 30));
}

/* ------------------------------------------------------------------------------ pauses */

Test(core_share, a_paused_channel_hands_out_nothing)
{
    must_do(client, "channel.new", "{\"channel\":\"default\"}");
    must_do(client, "channel.pause", "{\"channel\":\"default\"}");
    const uint64_t batch = submit(client, "echo", 5);
    test_peer *const worker = must_hire(5, "echo");
    work(5000, NULL);
    cr_assert(eq(sz, worker->job_count, 0));
    LEAT_SAME_TEXT(reason_of(batch), "channel \"default\" is paused");
    LEAT_SAME_TEXT(said_text(&w, "reasons.0.hint"), "leat channel resume");

    must_do(client, "channel.resume", "{\"channel\":\"default\"}");
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 5));
}

Test(core_share, a_pause_may_have_an_end)
{
    must_do(client, "channel.new", "{\"channel\":\"default\"}");
    must_do(client, "channel.pause", "{\"channel\":\"default\",\"for_ms\":5000}");
    const uint64_t batch = submit(client, "echo", 5);
    test_peer *const worker = must_hire(5, "echo");
    LEAT_SAME_TEXT(reason_of(batch), "channel \"default\" is paused for 5 s more");
    work(4900, NULL);
    cr_assert(eq(sz, worker->job_count, 0));

    work(200, NULL);

    cr_assert(eq(sz, worker->job_count, 5));
}

Test(core_share, a_later_pause_counts)
{
    must_do(client, "channel.new", "{\"channel\":\"default\"}");
    must_do(client, "channel.pause", "{\"channel\":\"default\",\"for_ms\":1000}");
    must_do(client, "channel.pause", "{\"channel\":\"default\",\"for_ms\":5000}");
    (void)submit(client, "echo", 5);
    test_peer *const worker = must_hire(5, "echo");
    work(2000, NULL);
    cr_assert(eq(sz, worker->job_count, 0));
    must_do(client, "channel.pause", "{\"channel\":\"default\"}");
    work(10000, NULL);

    cr_assert(eq(sz, worker->job_count, 0));
}

Test(core_share, a_pause_and_its_end_are_kept_over_a_restart)
{
    must_do(client, "channel.new", "{\"channel\":\"default\"}");
    must_do(client, "channel.pause", "{\"channel\":\"default\",\"for_ms\":5000}");
    must_restart(&w); /* which takes 2 s */
    must_resume(client);
    (void)submit(client, "echo", 5);
    test_peer *const worker = must_hire(5, "echo");
    work(2800, NULL);
    cr_assert(eq(sz, worker->job_count, 0));

    work(400, NULL);

    cr_assert(eq(sz, worker->job_count, 5));
}

Test(core_share, a_pause_that_ended_while_the_broker_was_away_is_over)
{
    must_do(client, "channel.new", "{\"channel\":\"default\"}");
    must_do(client, "channel.pause", "{\"channel\":\"default\",\"for_ms\":1000}");
    must_restart(&w);
    must_resume(client);
    (void)submit(client, "echo", 5);
    test_peer *const worker = must_hire(5, "echo");
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 5));
}

/* ------------------------------------------------------------------------------ needs */

Test(core_share, what_fits_runs)
{
    const uint64_t batch = submit_needing("gpu=1", "", 6);
    test_peer *const worker = must_hire_for("", "gpu=2", "", 8);

    cr_assert(eq(sz, worker->job_count, 2));
    cr_assert(leat_text_is(worker->jobs[0].needs, leat_text_of("gpu=1")));
    work_until_idle();

    cr_assert(eq(u64, tally_of(batch)->ended, 6));
    cr_assert(eq(i64, tally_of(batch)->last_ms - tally_of(batch)->first_ms, 300));
}

Test(core_share, what_needs_nothing_runs_beside_it)
{
    (void)submit_needing("gpu=2", "", 6);
    const uint64_t plain = submit(client, "echo", 6);
    test_peer *const worker = must_hire_for("", "gpu=2", "", 8);

    cr_assert(eq(u32, open_of(worker, plain), 6));
    cr_assert(eq(sz, worker->job_count, 7));
    cr_assert(eq(u32, worker->jobs[6].needs.size + worker->jobs[0].needs.size, 5));
}

Test(core_share, several_amounts_are_counted_apart)
{
    const uint64_t both = submit_needing("gpu=1,mem=4", "", 4);
    const uint64_t mem = submit_needing("mem=2", "", 4);
    test_peer *const worker = must_hire_for("", "gpu=4,mem=8", "", 16);

    unsigned used = 4 * open_of(worker, both) + 2 * open_of(worker, mem);
    cr_assert(eq(u32, used, 8));
    work_until_idle();
    cr_assert(eq(u64, tally_of(both)->ended + tally_of(mem)->ended, 8));
}

Test(core_share, what_never_fits_is_explained)
{
    const uint64_t large = submit_needing("gpu=3", "", 2);
    const uint64_t other = submit_needing("", "zone=b", 2);
    const uint64_t unknown = submit(client, "nothing", 1);
    test_peer *const worker = must_hire_for("", "gpu=2", "zone=a", 8);

    cr_assert(eq(sz, worker->job_count, 0));
    LEAT_SAME_TEXT(reason_of(large), "no worker has as much as gpu=3");
    LEAT_SAME_TEXT(reason_of(other), "no worker has the traits zone=b");
    LEAT_SAME_TEXT(reason_of(unknown), "no worker offers handler \"nothing\"");
    LEAT_SAME_TEXT(said_text(&w, "reasons.0.hint"), "leat worker ls");
    must_query(client, "channel", "{\"channel\":\"default\"}");
    cr_assert(ne(sz, strlen(said_text(&w, "holds")), 0));
}

Test(core_share, what_is_in_use_elsewhere_is_explained)
{
    const uint64_t batch = submit_needing("gpu=1", "", 2);
    test_peer *const worker = must_hire_for("", "gpu=1", "", 8);
    cr_assert(eq(sz, worker->job_count, 1));

    (void)reason_of(batch);

    LEAT_SAME_TEXT(said_text(&w, "reasons.1.reason"), "gpu=1 is not free on any worker");
}

Test(core_share, a_worker_has_the_traits_that_are_asked_for)
{
    const uint64_t batch = submit_needing("", "arch=arm,zone=a", 2);
    test_peer *const one = must_hire_for("", "", "zone=a", 8);
    test_peer *const two = must_hire_for("", "", "arch=x86,zone=a", 8);
    cr_assert(eq(sz, one->job_count + two->job_count, 0));

    test_peer *const three = must_hire_for("", "", "arch=arm,disk=ssd,zone=a", 8);

    cr_assert(eq(u32, open_of(three, batch), 2));
}

Test(core_share, what_its_jobs_were_given_is_counted_when_a_worker_is_back)
{
    (void)submit_needing("gpu=1", "", 4);
    test_peer *const worker = must_hire_for("", "gpu=2", "", 8);
    cr_assert(eq(sz, worker->job_count, 2));

    must_restart(&w);
    must_resume(client);
    must_resume_worker(worker, ALL, true);
    peer_credit(worker, 8);
    must_settle(&w);
    cr_assert(eq(sz, worker->job_count, 2));
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, 1000, "", 0);
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 3));
}

Test(core_share, an_amount_is_free_again_when_a_worker_is_lost)
{
    (void)submit_needing("gpu=1", "", 1);
    test_peer *const worker = must_hire_for("", "gpu=1", "", 8);
    peer_cut(worker);
    world_pass(&w, 2000);
    must_resume_worker(worker, 0, false);
    shop_count = 0;
    peer_credit(worker, 8);
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 2));
}

/* ------------------------------------------------------------------------------ classes */

Test(core_share, a_job_that_nobody_can_take_is_not_in_the_way)
{
    const uint64_t stuck = submit_needing("gpu=9", "", 100);
    const uint64_t free_one = submit(client, "echo", 5);
    test_peer *const worker = must_hire(8, "echo");
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 5));
    cr_assert(eq(u32, open_of(worker, free_one), 5));
    cr_assert(eq(u32, open_of(worker, stuck), 0));
}

Test(core_share, a_class_is_offered_to_workers_that_were_there_before)
{
    test_peer *const worker = must_hire_for("", "gpu=1", "zone=a", 8);

    (void)submit_needing("gpu=1", "zone=a", 1);
    must_settle(&w);

    cr_assert(eq(sz, worker->job_count, 1));
}

Test(core_share, of_classes_in_one_flow_the_older_job_goes_first)
{
    leat_send_head head = test_head("one", 5);
    (void)must_send(client, &head, 1);
    head.handler = leat_text_of("two");
    (void)must_send(client, &head, 1);
    head.handler = leat_text_of("one");
    (void)must_send(client, &head, 1);
    test_peer *const worker = must_hire(1, "one two");

    work_until_idle();

    for (unsigned i = 0; i < 3; i++)
        cr_assert(eq(u32, worker->jobs[i].place, i + 1));
}

/* ------------------------------------------------------------------------------ giving back */

/* A worker whose confirmations take 300 ms: its line is filled for so long. */
static test_peer *
must_hire_far_away(uint32_t slots)
{
    test_peer *const worker = world_peer(&w, "far", slots, "echo");
    worker->deaf = true;
    peer_connect(worker, false);
    must_settle(&w);
    world_jump(&w, 300);
    worker->deaf = false;
    peer_beat(worker);
    worker->deaf = true; /* what it confirms at once would show how near it is */
    peer_credit(worker, 4096);
    return worker;
}

static void
run_first(test_peer *worker, uint64_t run_us)
{
    must_settle(&w);
    worker->started = worker->jobs[0].number;
    (void)peer_done(worker, &worker->jobs[0], LEAT_END_DONE, run_us, "", 0);
    must_settle(&w);
}

Test(core_share, long_jobs_lie_in_no_line)
{
    (void)submit(client, "echo", 100);
    test_peer *const worker = must_hire(2, "echo");

    run_first(worker, 100000);

    cr_assert(eq(sz, peer_open_jobs(worker), 2));
}

Test(core_share, short_jobs_are_held_for_the_way)
{
    (void)submit(client, "echo", 1000);
    test_peer *const worker = must_hire_far_away(2);

    run_first(worker, 20000);

    cr_assert(ge(sz, peer_open_jobs(worker), 30)); /* 300 ms on two slots */
    cr_assert(le(sz, peer_open_jobs(worker), 34));
}

Test(core_share, what_lies_in_a_line_is_asked_back_for_one_that_has_nothing_to_do)
{
    (void)submit(client, "echo", 20);
    test_peer *const worker = must_hire_far_away(2);
    run_first(worker, 20000);
    cr_assert(eq(sz, peer_open_jobs(worker), 19));
    worker->started = worker->jobs[2].number; /* both slots are busy, 17 lie in the line */
    peer_beat(worker);

    test_peer *const idle = must_worker(&w, "idle", 2, "echo");
    peer_credit(idle, 4096);
    world_pass(&w, 100);
    cr_assert(eq(u64, worker->recalled, 9)); /* half of it */
    for (size_t i = worker->job_count - 9; i < worker->job_count; i++) {
        worker->jobs[i].over = true;
        (void)peer_token(worker, LEAT_CMD_RELEASE, &worker->jobs[i], 0);
    }
    must_settle(&w);

    cr_assert(ge(sz, idle->job_count, 2));
    cr_assert(eq(u32, idle->jobs[0].token.attempt, 2));
    must_query(client, "channel", "{\"channel\":\"default\"}");
    cr_assert(eq(dbl, said(&w, "released"), 9.0));
}

Test(core_share, nothing_is_asked_back_for_one_that_could_not_run_it)
{
    (void)submit(client, "echo", 20);
    test_peer *const worker = must_hire_far_away(2);
    run_first(worker, 20000);

    test_peer *const idle = must_worker(&w, "idle", 2, "other");
    peer_credit(idle, 4096);
    world_pass(&w, 1000);

    cr_assert(eq(u64, worker->recalled, 0));
}

Test(core_share, the_shortest_jobs_are_not_asked_back)
{
    (void)submit(client, "echo", 2000);
    test_peer *const worker = must_hire_far_away(2);
    run_first(worker, 500);
    test_peer *const idle = must_worker(&w, "idle", 2, "echo");
    peer_credit(idle, 4096);
    world_pass(&w, 1000);

    cr_assert(eq(u64, worker->recalled, 0));
}

/* ------------------------------------------------------------------------------ explaining */

Test(core_share, explain_tells_of_one_place)
{
    leat_send_head head = test_head("echo", 5);
    const uint64_t batch = must_send(client, &head, 2)->sent.batch;
    head.settings.delay_ms = 90000;
    (void)must_send(client, &head, 1);

    must_query(client, "explain", "{\"batch\":\"%llu\",\"place\":3}", (unsigned long long)batch);
    LEAT_SAME_TEXT(said_text(&w, "reasons.0.reason"), "is not due for 90.0 s more");
    LEAT_SAME_TEXT(said_text(&w, "reasons.1.reason"), "(nothing)");
    must_query(client, "explain", "{\"batch\":\"%llu\"}", (unsigned long long)batch);
    LEAT_SAME_TEXT(said_text(&w, "reasons.0.reason"), "no worker for channel \"default\"");
    cr_assert(eq(dbl, said(&w, "reasons.0.jobs"), 2.0));
    cr_assert(eq(dbl, said(&w, "batch.delayed"), 1.0));
    must_query(client, "explain", "{\"batch\":\"%llu\",\"place\":4}", (unsigned long long)batch);
    LEAT_SAME_TEXT(said_text(&w, "error.code"), "NOT_FOUND");
    must_query(client, "explain", "{\"batch\":\"%llu\",\"place\":0}", (unsigned long long)batch);
    LEAT_SAME_TEXT(said_text(&w, "error.code"), "MALFORMED");
    must_query(client, "explain", "{}");
    LEAT_SAME_TEXT(said_text(&w, "error.code"), "MALFORMED");
}

Test(core_share, explain_tells_of_every_state)
{
    leat_send_head head = test_head("echo", 0);
    head.settings.failures = 3;
    const leat_sent failed = must_send(client, &head, 1)->sent;
    const leat_sent runs = must_send(client, &head, 1)->sent;
    const leat_sent stops = must_send(client, &head, 1)->sent;
    test_peer *const worker = must_worker(&w, "w1", 3, "echo");
    peer_credit(worker, 3);
    must_settle(&w);
    peer_credit(worker, 2);
    (void)peer_done(worker, peer_job(worker, failed.first_id), LEAT_END_FAILED, 1, "", 0);
    (void)peer_cancel(client, stops.first_id);
    must_settle(&w);
    const leat_sent waits = must_send(client, &head, 1)->sent;

    LEAT_SAME_TEXT(reason_of(runs.batch), "runs, or is next, on worker \"w1\"");
    LEAT_SAME_TEXT(reason_of(stops.batch), "was told to stop on worker \"w1\"");
    LEAT_SAME_TEXT(reason_of(waits.batch), "all slots are busy");
    cr_assert(eq(int, strncmp(reason_of(failed.batch), "waits to be tried again for", 27), 0));
    peer_cut(worker);
    world_pass(&w, 2000);
    LEAT_SAME_TEXT(reason_of(runs.batch),
                   "its worker was lost while it may have run: it waits to run alone");
    LEAT_SAME_TEXT(reason_of(waits.batch), "no worker that offers handler \"echo\" is connected");
    LEAT_SAME_TEXT(reason_of(stops.batch), "(nothing)"); /* it has ended */
}
