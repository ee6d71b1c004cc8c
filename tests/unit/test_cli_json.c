/* json: what is printed with --json, and what is read of the broker's answers. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/json.h"

static cJSON *json;

static void
setup(void)
{
    json = cJSON_CreateObject();
}

static void
teardown(void)
{
    cJSON_Delete(json);
}

TestSuite(cli_json, .init = setup, .fini = teardown);

static void
json_is(const char *want)
{
    char *const text = cJSON_PrintUnformatted(json);
    LEAT_SAME_TEXT(text, want);
    cJSON_free(text);
}

Test(cli_json, base64_of_every_remainder)
{
    static const char *const want[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                       "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    char out[16];
    for (size_t size = 0; size <= 6; size++) {
        leat_base64("foobar", size, out);
        LEAT_SAME_TEXT(out, want[size]);
    }
}

Test(cli_json, text_stays_text_and_other_bytes_are_base64)
{
    leat_json_put_bytes(json, "a", "grün", 5);
    leat_json_put_bytes(json, "b", "\xff\xfe", 2);
    leat_json_put_bytes(json, "c", "x\0y", 3);
    leat_json_put_bytes(json, "d", NULL, 0);

    json_is("{\"a\":\"grün\",\"b_b64\":\"//4=\",\"c_b64\":\"eAB5\",\"d\":\"\"}");
}

Test(cli_json, ids_are_strings)
{
    leat_json_put_id(json, "batch", UINT64_MAX);

    json_is("{\"batch\":\"18446744073709551615\"}");
}

Test(cli_json, times_are_utc_with_ms)
{
    leat_json_put_time(json, "ended", 1763841600007);

    json_is("{\"ended\":\"2025-11-22T20:00:00.007Z\"}");
}

Test(cli_json, counters_become_numbers_and_ids_and_names_stay)
{
    cJSON_Delete(json);
    json = cJSON_Parse("{\"id\":\"42\",\"name\":\"7\",\"total\":\"240\",\"reason\":\"12\","
                       "\"channels\":[{\"ready\":\"3\",\"done\":\"x\"}]}");

    leat_json_counts(json);

    json_is("{\"id\":\"42\",\"name\":\"7\",\"total\":240,\"reason\":\"12\","
            "\"channels\":[{\"ready\":3,\"done\":\"x\"}]}");
}

Test(cli_json, figures_are_read_in_either_form_and_have_a_value_when_missing)
{
    cJSON_Delete(json);
    json = cJSON_Parse("{\"a\":\"240\",\"b\":7,\"c\":\"x\",\"d\":1.5,\"e\":-3}");

    cr_assert(eq(u64, leat_json_count(json, "a"), 240));
    cr_assert(eq(u64, leat_json_count(json, "b"), 7));
    cr_assert(eq(u64, leat_json_count(json, "c"), 0));
    cr_assert(eq(u64, leat_json_count(json, "e"), 0));
    cr_assert(eq(u64, leat_json_count(NULL, "a"), 0));
    cr_assert(eq(dbl, leat_json_real(json, "d", -1), 1.5));
    cr_assert(eq(dbl, leat_json_real(json, "z", -1), -1.0));
    LEAT_SAME_TEXT(leat_json_string(json, "a"), "240");
    LEAT_SAME_TEXT(leat_json_string(json, "z"), "");
}

Test(cli_json, a_value_is_printed_on_one_line_and_freed)
{
    char *text = NULL;
    size_t size = 0;
    FILE *const out = open_memstream(&text, &size);
    leat_json_put_id(json, "a", 1);

    cr_assert(leat_json_print(&json, out));
    cr_assert(json == NULL);
    cr_assert(not(leat_json_print(&json, out)));

    (void)fclose(out);
    LEAT_SAME_TEXT(text, "{\"a\":\"1\"}\n");
    free(text);
}

Test(cli_json, times_and_durations_are_shown_as_people_read_them)
{
    cJSON *const tree = cJSON_Parse("{\"a\":[{\"grace_ms\":1500,\"next_ms\":1000,\"last_ms\":0}],"
                                    "\"paused_until_ms\":0,\"ms\":1,\"run_us\":3,\"x_ms\":\"1\"}");

    leat_json_times(tree);

    char *const text = cJSON_PrintUnformatted(tree);
    LEAT_SAME_TEXT(text, "{\"a\":[{\"grace_s\":1.5,\"next\":\"1970-01-01T00:00:01.000Z\","
                         "\"last\":null}],\"ms\":1,\"run_us\":3,\"x_ms\":\"1\","
                         "\"paused_until\":null}");
    cJSON_free(text);
    cJSON_Delete(tree);
}
