/* proto/limits.h: what the limits promise together, tried on real frames. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/records.h"

static leat_buf frame;

static void
fini(void)
{
    leat_buf_fini(&frame);
}

TestSuite(limits, .fini = fini);

/* As long as names may be. */
static leat_text
longest_name(void)
{
    static char name[LEAT_NAME_BYTES_MAX];
    memset(name, 'n', sizeof name);
    return (leat_text){.data = name, .size = sizeof name};
}

static leat_bytes
largest_payload(void)
{
    static uint8_t payload[LEAT_PAYLOAD_BYTES_MAX];
    return (leat_bytes){.data = payload, .size = sizeof payload};
}

/* A frame that was one byte short of being closed takes one more record of the largest size. */
static void
must_be_accepted(leat_side from)
{
    leat_frame header;
    LEAT_PASS(leat_frame_decode(frame.data, frame.size, from, &header));
}

/* Bytes that bring a frame with a record head of `fixed` bytes to one below the close. */
static uint32_t
filling(size_t fixed)
{
    return (uint32_t)(LEAT_FRAME_BYTES_CLOSE - 1 - frame.size - fixed);
}

Test(limits, a_nearly_full_send_takes_one_more_of_the_largest_payload)
{
    leat_send_head head = leat_send_head_default();
    head.channel = longest_name();
    head.handler = longest_name();
    /* Filled up to their limit by what follows the job. */
    head.settings.finally_count = 1;
    head.settings.finally[0].handler = longest_name();
    head.settings.finally[0].payload = largest_payload();
    head.settings.finally[0].payload.size = LEAT_SETTINGS_BYTES_MAX - 3 - 1 - LEAT_NAME_BYTES_MAX;

    leat_frame_begin(&frame, LEAT_CMD_SEND);
    leat_send_put_head(&frame, &head);
    cr_assert(gt(sz, frame.size, LEAT_SETTINGS_BYTES_MAX));
    leat_send_put(&frame, largest_payload().data, filling(4));
    cr_assert(lt(sz, frame.size, LEAT_FRAME_BYTES_CLOSE));
    leat_send_put(&frame, largest_payload().data, LEAT_PAYLOAD_BYTES_MAX);
    leat_frame_finish(&frame, 0, 2, 1);

    must_be_accepted(LEAT_SIDE_PEER);
}

/* "aaa…1=1,aaa…2=1,…": as long as needs may be. */
static leat_text
longest_needs(void)
{
    static char needs[LEAT_NAME_BYTES_MAX + 1];
    int n = 0;
    for (int i = 0; i < 4; i++)
        n += snprintf(needs + n, sizeof needs - (size_t)n, "%sname-of-an-amount-that-is-%d=1%s",
                      i == 0 ? "" : ",", i, i == 3 ? "0" : "");
    cr_assert(le(int, n, LEAT_NAME_BYTES_MAX));
    while (n < (int)LEAT_NAME_BYTES_MAX)
        needs[n++] = '0';
    return (leat_text){.data = needs, .size = LEAT_NAME_BYTES_MAX};
}

Test(limits, a_nearly_full_jobs_takes_one_more_run_of_the_largest_payload)
{
    const leat_jobs_run run = {.jobs = 1,
                               .channel = longest_name(),
                               .handler = longest_name(),
                               .batch = 1,
                               .needs = longest_needs()};

    leat_frame_begin(&frame, LEAT_CMD_JOBS);
    leat_jobs_put_head(&frame, &(leat_jobs_head){.epoch = 1});
    (void)leat_jobs_put_run(&frame, &run);
    leat_bytes payload = largest_payload();
    payload.size = filling(LEAT_JOBS_JOB_BYTES);
    leat_jobs_put_job(&frame, 1, 1, 1, payload);
    cr_assert(lt(sz, frame.size, LEAT_FRAME_BYTES_CLOSE));
    (void)leat_jobs_put_run(&frame, &run);
    leat_jobs_put_job(&frame, 2, 1, 1, largest_payload());
    leat_frame_finish(&frame, 0, 2, 0);

    must_be_accepted(LEAT_SIDE_BROKER);
}

Test(limits, a_nearly_full_items_takes_one_more_run_of_the_largest_result)
{
    const leat_counters counters = {0};
    leat_completion completion = {.outcome = LEAT_OUTCOME_DONE, .result = largest_payload()};

    leat_frame_begin(&frame, LEAT_CMD_ITEMS);
    for (int i = 0; i < 2; i++) {
        leat_items_put_completions(&frame, 1, 1, &counters, 0);
        leat_put_u16(&frame, 1);
        leat_put_text8(&frame, longest_name());
        leat_put_u16(&frame, 1);
        completion.result.size =
            i == 0 ? filling(LEAT_COMPLETION_BYTES) : (uint32_t)LEAT_PAYLOAD_BYTES_MAX;
        leat_items_put_completion(&frame, &completion);
        if (i == 0)
            cr_assert(lt(sz, frame.size, LEAT_FRAME_BYTES_CLOSE));
    }
    leat_frame_finish(&frame, 0, 2, 1);

    must_be_accepted(LEAT_SIDE_BROKER);
}

Test(limits, a_selected_of_the_largest_message_and_sentence_fits_a_frame)
{
    char sentence[LEAT_SENTENCE_BYTES_MAX];
    memset(sentence, 's', sizeof sentence);
    leat_frame_begin(&frame, LEAT_CMD_SELECTED);
    leat_selected_put(&frame,
                      &(leat_selected){
                          .payload = largest_payload(), .sentence = {sentence, sizeof sentence}
    });
    leat_frame_finish(&frame, 0, 1, 1);

    must_be_accepted(LEAT_SIDE_BROKER);
}

Test(limits, settings_without_followers_are_far_below_their_limit)
{
    const leat_text name = longest_name();
    leat_settings settings = {
        .failures = 1,
        .losses = 1,
        .snoozes = 1,
        .delay_ms = 1,
        .run_limit_ms = 1,
        .backoff_min_ms = 1,
        .backoff_max_ms = 1,
        .grace_ms = 1,
        .at_ms = 1,
        .expires_ms = 1,
        .unique_for_ms = 1,
        .name = name,
        .unique = name,
        .flow = name,
        .key = name,
        .needs = longest_needs(),
        .traits = longest_needs(),
        .labels = longest_needs(),
        .reply = name,
        .reply_handler = name,
        .after_batch = 1,
        .after = LEAT_AFTER_OK,
        .halt = {.on = LEAT_HALT_FAIL, .n = 1},
    };
    leat_settings_put(&frame, &settings);
    cr_assert(lt(sz, frame.size, 2048));

    /* Followers without a payload fit as well, each of them. */
    settings.finally_count = LEAT_FINALLY_MAX;
    for (unsigned i = 0; i < LEAT_FINALLY_MAX; i++)
        settings.finally[i].handler = name;
    settings.recover.handler = name;
    leat_settings_put(&frame, &settings);
    cr_assert(lt(sz, frame.size, LEAT_SETTINGS_BYTES_MAX));
}

Test(limits, what_waits_in_line_has_room_for_a_frame_of_any_size)
{
    cr_assert(ge(u64, LEAT_PARKED_BYTES_MAX, LEAT_FRAME_BYTES_MAX));
    cr_assert(le(u64, LEAT_BACKOFF_MIN_MS, LEAT_BACKOFF_MAX_MS));
    cr_assert(le(u64, LEAT_BACKOFF_MAX_MS, LEAT_DELAY_MS_MAX));
    cr_assert(le(u64, LEAT_GRACE_MS_DEFAULT, LEAT_GRACE_MS_MAX));
    cr_assert(le(u64, LEAT_LOSSES_DEFAULT, UINT8_MAX));
    cr_assert(le(u64, LEAT_SNOOZES_DEFAULT, UINT16_MAX));
}

Test(limits, a_frame_of_as_many_empty_jobs_as_are_allowed_is_closed_by_their_number_alone)
{
    leat_send_head head = leat_send_head_default();
    leat_reader records;
    head.channel = longest_name();
    head.handler = longest_name();

    leat_frame_begin(&frame, LEAT_CMD_SEND);
    leat_send_put_head(&frame, &head);
    for (unsigned i = 0; i < LEAT_RECORDS_MAX; i++)
        leat_send_put(&frame, NULL, 0);
    leat_frame_finish(&frame, 0, LEAT_RECORDS_MAX, 1);

    must_be_accepted(LEAT_SIDE_PEER);
    cr_assert(lt(sz, frame.size, LEAT_FRAME_BYTES_CLOSE));
    LEAT_PASS(leat_send_open(frame.data + LEAT_FRAME_BYTES, frame.size - LEAT_FRAME_BYTES,
                             LEAT_RECORDS_MAX, &head, &records));
}

Test(limits, what_is_on_its_way_to_a_peer_holds_a_frame_of_any_size)
{
    cr_assert(ge(u64, LEAT_OUT_BYTES, LEAT_FRAME_BYTES_MAX));
    cr_assert(gt(u64, LEAT_WIRE_BYTES_MAX, LEAT_FRAME_BYTES_MAX));
    cr_assert(ge(u64, LEAT_WINDOW_FRAMES, LEAT_OUT_FRAMES));
}

Test(limits, two_beats_may_be_lost_before_a_session_is)
{
    cr_assert(le(i64, 2LL * LEAT_HEARTBEAT_BUSY_MS, LEAT_LOST_MS));
    cr_assert(le(i64, 2LL * LEAT_HEARTBEAT_IDLE_MS, LEAT_LOST_MS));
    cr_assert(lt(i64, LEAT_CONNECT_TIMEOUT_MS + LEAT_RECONNECT_MS_MAX, LEAT_LOST_MS));
    cr_assert(lt(i64, LEAT_LOST_MS, LEAT_RESTART_GRACE_MS));
    cr_assert(lt(i64, LEAT_RESTART_GRACE_MS, LEAT_SESSION_MS));
}
