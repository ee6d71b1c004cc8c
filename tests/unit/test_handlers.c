/* handlers: what each answers to good and to bad payloads. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <unistd.h>

#include "worker/handler.h"

static leat_buf out;

static void
teardown(void)
{
    leat_buf_fini(&out);
}

TestSuite(handlers, .fini = teardown);

static leat_call
call_with(const char *payload)
{
    leat_buf_reset(&out);
    return (leat_call){
        .payload = {.data = (const uint8_t *)payload, .size = (uint32_t)strlen(payload)},
        .out = &out,
    };
}

static bool
answers(const leat_call *call, const char *text)
{
    return call->result.size == strlen(text) &&
           (call->result.size == 0 || memcmp(call->result.data, text, call->result.size) == 0);
}

static void
must_end(leat_handler_run *run, const char *payload, leat_end end, const char *result)
{
    leat_call call = call_with(payload);
    cr_assert(eq(int, (int)run(&call), (int)end), "%.60s", payload);
    cr_assert(answers(&call, result), "%.60s: %.*s", payload, (int)call.result.size,
              (const char *)call.result.data);
}

static void
must_refuse(leat_handler_run *run, const char *payload)
{
    leat_call call = call_with(payload);
    cr_assert(eq(int, (int)run(&call), LEAT_END_FATAL), "\"%s\"", payload);
    cr_assert(gt(u32, call.result.size, 0));
}

Test(handlers, every_row_is_found_by_its_name_and_nothing_else_is)
{
    size_t count;
    const leat_handler *const rows = leat_handlers(&count);
    for (size_t i = 0; i < count; i++)
        cr_assert(leat_handler_find(rows, count, leat_text_of(rows[i].name)) == &rows[i]);
    cr_assert(leat_handler_find(rows, count, leat_text_of("ech")) == NULL);
    cr_assert(leat_handler_find(rows, count, leat_text_of("echos")) == NULL);
    cr_assert(leat_handler_find(rows, count, leat_text_of("")) == NULL);
}

Test(handlers, where_each_runs_is_as_documented)
{
    size_t count;
    const leat_handler *const rows = leat_handlers(&count);
    static const struct {
        const char *name;
        leat_runs runs;
    } want[] = {
        {"seed",   LEAT_RUNS_TIMER },
        {"sleep",  LEAT_RUNS_TIMER },
        {"echo",   LEAT_RUNS_INLINE},
        {"noop",   LEAT_RUNS_INLINE},
        {"fail",   LEAT_RUNS_INLINE},
        {"burn",   LEAT_RUNS_POOL  },
        {"count",  LEAT_RUNS_POOL  },
        {"primes", LEAT_RUNS_POOL  },
        {"pi",     LEAT_RUNS_POOL  },
        {"sha256", LEAT_RUNS_POOL  },
    };
    cr_assert(eq(sz, count, sizeof want / sizeof *want));
    for (size_t i = 0; i < count; i++) {
        const leat_handler *const row = leat_handler_find(rows, count, leat_text_of(want[i].name));
        cr_assert(row != NULL, "%s", want[i].name);
        cr_assert(eq(int, (int)row->runs, (int)want[i].runs), "%s", want[i].name);
    }
}

Test(handlers, count_goes_on_from_its_checkpoint)
{
    static const uint8_t five[8] = {0, 0, 0, 0, 0, 0, 0, 5};
    must_end(leat_handle_count, "0", LEAT_END_DONE, "0 from 0");
    must_refuse(leat_handle_count, "");
    must_refuse(leat_handle_count, "1000001");
    must_refuse(leat_handle_count, "10 60001");
    must_refuse(leat_handle_count, "10 x");
    leat_call call = call_with("5 60000");
    call.checkpoint = (leat_bytes){five, sizeof five};
    cr_assert(eq(int, (int)leat_handle_count(&call), LEAT_END_DONE));
    cr_assert(answers(&call, "5 from 5"));
}

Test(handlers, a_call_knows_what_is_left_of_its_run_limit)
{
    leat_call call = call_with("");
    cr_assert(eq(i64, leat_call_left_ms(&call), INT64_MAX));
    call.until_ms = 1; /* long ago */
    cr_assert(eq(i64, leat_call_left_ms(&call), 0));
}

Test(handlers, echo_answers_its_payload_and_noop_nothing)
{
    must_end(leat_handle_echo, "hello", LEAT_END_DONE, "hello");
    must_end(leat_handle_echo, "", LEAT_END_DONE, "");
    must_end(leat_handle_noop, "hello", LEAT_END_DONE, "");
}

Test(handlers, fail_fails_with_its_payload_and_for_good_when_asked)
{
    must_end(leat_handle_fail, "no luck", LEAT_END_FAILED, "no luck");
    must_end(leat_handle_fail, "fatal:no hope", LEAT_END_FATAL, "no hope");
    must_end(leat_handle_fail, "", LEAT_END_FAILED, "failed, as asked");
    must_end(leat_handle_fail, "fatal:", LEAT_END_FATAL, "failed, as asked");
    must_end(leat_handle_fail, "fatal", LEAT_END_FAILED, "fatal");
}

Test(handlers, sleep_reads_durations_and_bare_numbers_as_seconds)
{
    static const struct {
        const char *payload;
        int64_t ms;
    } want[] = {
        {"100ms", 100    },
        {"1s",    1000   },
        {"2",     2000   },
        {"0",     0      },
        {"1h30m", 5400000},
        {" 3s\n", 3000   },
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        leat_call call = call_with(want[i].payload);
        cr_assert(eq(int, (int)leat_handle_sleep(&call), LEAT_END_DONE), "%s", want[i].payload);
        cr_assert(eq(i64, call.sleep_ms, want[i].ms), "%s", want[i].payload);
    }
}

Test(handlers, sleep_refuses_what_is_no_duration)
{
    must_refuse(leat_handle_sleep, "");
    must_refuse(leat_handle_sleep, "soon");
    must_refuse(leat_handle_sleep, "-1");
    must_refuse(leat_handle_sleep, "1s 2s");
    must_refuse(leat_handle_sleep, "100000h");
    must_refuse(leat_handle_sleep,
                "1111111111111111111111111111111111111111111111111111111111111111111111");
}

Test(handlers, seed_says_its_two_lines_sleeps_by_its_id_and_answers_it)
{
    int ends[2];
    char said[128] = "";
    cr_assert(eq(int, pipe(ends), 0));
    const int before = dup(STDOUT_FILENO);
    cr_assert(ge(int, dup2(ends[1], STDOUT_FILENO), 0));

    leat_call call = call_with("3");
    const leat_end begun = leat_handle_seed(&call);
    const int64_t sleep_ms = call.sleep_ms;
    leat_call finish = {.value = call.value, .out = &out};
    const leat_end ended = leat_handle_seed_end(&finish);

    cr_assert(ge(int, dup2(before, STDOUT_FILENO), 0));
    close(before);
    close(ends[1]);
    cr_assert(gt(i64, read(ends[0], said, sizeof said - 1), 0));
    close(ends[0]);
    cr_assert(eq(int, strcmp(said, "Worker 3 starting\nWorker 3 done\n"), 0));
    cr_assert(eq(int, (int)begun, LEAT_END_DONE));
    cr_assert(eq(i64, sleep_ms, 300));
    cr_assert(eq(int, (int)ended, LEAT_END_DONE));
    cr_assert(answers(&finish, "3"));
}

Test(handlers, seed_refuses_what_is_no_id)
{
    must_refuse(leat_handle_seed, "");
    must_refuse(leat_handle_seed, "one");
    must_refuse(leat_handle_seed, "-1");
    must_refuse(leat_handle_seed, "18446744073709551615");
}

Test(handlers, pi_gives_as_many_digits_as_asked_for_cut_and_not_rounded)
{
    must_end(leat_handle_pi, "1", LEAT_END_DONE, "3.1");
    must_end(leat_handle_pi, "4", LEAT_END_DONE, "3.1415");
    must_end(leat_handle_pi, "10", LEAT_END_DONE, "3.1415926535");
    must_end(leat_handle_pi, "50", LEAT_END_DONE,
             "3.14159265358979323846264338327950288419716939937510");
}

Test(handlers, every_length_of_pi_is_the_beginning_of_a_longer_one)
{
    leat_call all = call_with("1000");
    cr_assert(eq(int, (int)leat_handle_pi(&all), LEAT_END_DONE));
    cr_assert(eq(u32, all.result.size, 1002));
    char longest[1003];
    memcpy(longest, all.result.data, 1002);
    /* The last ten of the first thousand digits. */
    cr_assert(eq(int, memcmp(longest + 992, "2164201989", 10), 0));

    for (int digits = 1; digits < 1000; digits += 13) {
        char payload[8];
        (void)snprintf(payload, sizeof payload, "%d", digits);
        leat_call call = call_with(payload);
        cr_assert(eq(int, (int)leat_handle_pi(&call), LEAT_END_DONE));
        cr_assert(eq(u32, call.result.size, (uint32_t)digits + 2));
        cr_assert(eq(int, memcmp(call.result.data, longest, call.result.size), 0), "%d", digits);
    }
}

Test(handlers, pi_at_its_largest_ends_as_it_should)
{
    leat_call call = call_with("10000");
    cr_assert(eq(int, (int)leat_handle_pi(&call), LEAT_END_DONE));
    cr_assert(eq(u32, call.result.size, 10002));
    cr_assert(eq(int, memcmp(call.result.data + 9992, "5256375678", 10), 0));
    must_refuse(leat_handle_pi, "10001");
    must_refuse(leat_handle_pi, "0");
    must_refuse(leat_handle_pi, "many");
}

Test(handlers, sha256_gives_the_digest_in_hex)
{
    must_end(leat_handle_sha256, "abc", LEAT_END_DONE,
             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    must_end(leat_handle_sha256, "", LEAT_END_DONE,
             "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

Test(handlers, burn_reads_microseconds_and_durations_and_refuses_the_rest)
{
    must_end(leat_handle_burn, "0", LEAT_END_DONE, "");
    must_end(leat_handle_burn, "1500", LEAT_END_DONE, "");
    must_end(leat_handle_burn, "1ms", LEAT_END_DONE, "");
    must_refuse(leat_handle_burn, "");
    must_refuse(leat_handle_burn, "hot");
    must_refuse(leat_handle_burn, "-5");
}

Test(handlers, what_computes_for_long_ends_when_it_is_cancelled)
{
    static leat_handler_run *const runs[] = {leat_handle_burn, leat_handle_primes, leat_handle_pi};
    static const char *const payloads[] = {"1h", "1000000000", "10000"};
    const atomic_bool cancelled = true;
    for (size_t i = 0; i < 3; i++) {
        leat_call call = call_with(payloads[i]);
        call.cancel = &cancelled;
        cr_assert(eq(int, (int)runs[i](&call), LEAT_END_FAILED), "%s", payloads[i]);
        cr_assert(answers(&call, "stopped"), "%s", payloads[i]);
        cr_assert(call.stopped, "%s", payloads[i]);
    }
}

Test(handlers, who_says_stopped_without_having_been_cancelled_has_failed)
{
    const atomic_bool cancelled = false;
    leat_call call = call_with("");
    cr_assert(eq(int, (int)leat_call_stopped(&call), LEAT_END_FAILED));
    cr_assert(not(call.stopped));

    call.cancel = &cancelled;
    cr_assert(eq(int, (int)leat_call_stopped(&call), LEAT_END_FAILED));
    cr_assert(not(call.stopped));
    cr_assert(answers(&call, "stopped"));
}

Test(handlers, a_word_is_taken_without_the_blanks_around_it)
{
    char word[LEAT_CALL_WORD_BYTES];
    leat_call call = call_with(" \t12 3\r\n");
    cr_assert(leat_call_word(&call, word));
    cr_assert(eq(int, strcmp(word, "12 3"), 0));
    call = call_with(" \n");
    cr_assert(not(leat_call_word(&call, word)));
    call.payload = (leat_bytes){.data = (const uint8_t *)"1\0002", .size = 3};
    cr_assert(not(leat_call_word(&call, word)));
}
