/* treatment: options of jobs, as values and as JSON. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/treatment.h"

static leat_cli cli;
static leat_option *rows;

static void
fini(void)
{
    leat_options_destroy(&cli.options);
    free(rows);
}

TestSuite(cli_treatment, .fini = fini);

/* Read a command line of submit: words with blanks between. */
static int
read(leat_treatment *out, const char *line)
{
    static char text[1024];
    char *words[32];
    size_t count;
    int argc = 0;
    cr_assert(lt(int, snprintf(text, sizeof text, "%s", line), (int)sizeof text));
    for (char *p = text; p != NULL && argc < 32;) {
        words[argc++] = p;
        p = strchr(p, ' ');
        if (p != NULL)
            *p++ = '\0';
    }
    cli.command = &leat_cli_command_submit;
    rows = leat_cli_command_rows(cli.command, true, &count);
    cr_assert(rows != NULL);
    cr_assert(eq(int, leat_options_new(rows, count, &cli.options), LEAT_ERR_OK));
    cr_assert(eq(int, leat_options_read_arguments(cli.options, argc, words, false), LEAT_ERR_OK));
    const int code = leat_treatment_read(&cli, out);
    return code == LEAT_EXIT_OK ? leat_treatment_read_relations(&cli, out) : code;
}

Test(cli_treatment, what_is_not_given_is_not_said)
{
    leat_treatment t;
    cr_assert(eq(int, read(&t, "submit"), LEAT_EXIT_OK));

    cJSON *const json = leat_treatment_json(&t);
    cr_assert(eq(int, cJSON_GetArraySize(json), 0));
    cJSON_Delete(json);
    cr_assert(eq(i64, t.options.delay_ms, 0));
    cr_assert(eq(i64, t.options.at_ms, 0));
    cr_assert(eq(u64, t.options.after_batch, 0));
    cr_assert(eq(sz, t.options.finally_count, 0));
    cr_assert(t.options.recover == NULL && t.options.reply == NULL && t.options.name == NULL);
    cr_assert(eq(int, t.options.halt, 0));
    cr_assert(t.options.channel == NULL); /* which means "default" */
    leat_treatment_fini(&t);
}

Test(cli_treatment, each_option_is_a_value)
{
    leat_treatment t;
    cr_assert(eq(int,
                 read(&t, "submit --priority=0 --retries=0 --losses=2 --snoozes=3 "
                          "--backoff=5ms..1s --run-limit=1m --grace=2s --expires=1h "
                          "--unique=u --unique-for=3s --flow=f --key=k --channel=c --in=4s "
                          "--after=7:failed --reply=r --reply-handler=h --name=n"),
                 LEAT_EXIT_OK));

    const leat_batch_options *const o = &t.options;
    cr_assert(eq(int, o->priority, 0));
    cr_assert(eq(int, o->failures, 1));
    cr_assert(eq(int, o->losses, 2));
    cr_assert(eq(int, o->snoozes, 3));
    cr_assert(eq(i64, o->backoff_min_ms, 5));
    cr_assert(eq(i64, o->backoff_max_ms, 1000));
    cr_assert(eq(i64, o->run_limit_ms, 60000));
    cr_assert(eq(i64, o->grace_ms, 2000));
    cr_assert(eq(i64, o->expires_ms, 3600000));
    cr_assert(eq(i64, o->unique_for_ms, 3000));
    cr_assert(eq(i64, o->delay_ms, 4000));
    cr_assert(eq(u64, o->after_batch, 7));
    cr_assert(eq(int, o->after, LEAT_WHEN_FAILED));
    LEAT_SAME_TEXT(o->unique, "u");
    LEAT_SAME_TEXT(o->flow, "f");
    LEAT_SAME_TEXT(o->key, "k");
    LEAT_SAME_TEXT(o->channel, "c");
    LEAT_SAME_TEXT(o->reply, "r");
    LEAT_SAME_TEXT(o->reply_handler, "h");
    LEAT_SAME_TEXT(o->name, "n");
    leat_treatment_fini(&t);
}

Test(cli_treatment, needs_and_traits_travel_in_the_order_of_their_names)
{
    leat_treatment t;
    cr_assert(eq(int,
                 read(&t, "submit --needs=mem=2G,gpu=1,cpus=1_0,gp=3 --on=zone=a "
                          "--on=arch=arm,disk=a=b"),
                 LEAT_EXIT_OK));

    LEAT_SAME_TEXT(t.options.needs, "cpus=10,gp=3,gpu=1,mem=2147483648");
    LEAT_SAME_TEXT(t.options.traits, "arch=arm,disk=a=b,zone=a");
    leat_treatment_fini(&t);
}

Test(cli_treatment, followers_keep_their_order_and_payloads)
{
    leat_treatment t;
    cr_assert(eq(int, read(&t, "submit --finally=a --finally=b=x=y,z --finally=c= --recover=d=1"),
                 LEAT_EXIT_OK));

    cr_assert(eq(sz, t.options.finally_count, 3));
    LEAT_SAME_TEXT(t.options.finally[0].handler, "a");
    cr_assert(eq(sz, t.options.finally[0].size, 0));
    LEAT_SAME_TEXT(t.options.finally[1].handler, "b");
    LEAT_SAME_TEXT(t.options.finally[1].payload, "x=y,z");
    cr_assert(eq(sz, t.options.finally[2].size, 0));
    LEAT_SAME_TEXT(t.options.recover->handler, "d");
    cr_assert(eq(sz, t.options.recover->size, 1));
    leat_treatment_fini(&t);
}

typedef struct halt_case {
    char text[32];
    int halt;
    int running;
    int percent;
    uint32_t n;
} halt_case;

ParameterizedTestParameters(cli_treatment, a_halt_says_when_and_how)
{
    static halt_case cases[] = {
        {"--halt=now,fail=1",           LEAT_HALT_AT_FAILED, 1, 0, 1         },
        {"--halt=soon,fail=10%",        LEAT_HALT_AT_FAILED, 0, 1, 10        },
        {"--halt=now,success=1_000",    LEAT_HALT_AT_OK,     1, 0, 1000      },
        {"--halt=soon,done=100%",       LEAT_HALT_AT_ENDED,  0, 1, 100       },
        {"--halt=soon,done=4294967295", LEAT_HALT_AT_ENDED,  0, 0, UINT32_MAX},
    };
    return cr_make_param_array(halt_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(halt_case *given, cli_treatment, a_halt_says_when_and_how)
{
    leat_treatment t;
    char line[64];
    (void)snprintf(line, sizeof line, "submit %s", given->text);
    cr_assert(eq(int, read(&t, line), LEAT_EXIT_OK));

    cr_assert(eq(int, t.options.halt, given->halt));
    cr_assert(eq(int, t.options.halt_running, given->running));
    cr_assert(eq(int, t.options.halt_percent, given->percent));
    cr_assert(eq(u32, t.options.halt_n, given->n));
    leat_treatment_fini(&t);
}

Test(cli_treatment, a_backoff_is_one_duration_or_two_that_rise)
{
    static const char *const none[] = {"",      "..",    "1s..",    "..1s", "2s..1s",
                                       "0..1s", "1s-2s", "1s...2s", "400d", "1s..2s..3s"};
    int64_t min_ms;
    int64_t max_ms;

    cr_assert(leat_treatment_backoff("1s..10m", &min_ms, &max_ms));
    cr_assert(eq(i64, min_ms, 1000));
    cr_assert(eq(i64, max_ms, 600000));
    cr_assert(leat_treatment_backoff("5s", &min_ms, &max_ms));
    cr_assert(eq(i64, min_ms, 5000));
    cr_assert(eq(i64, max_ms, 5000));
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_assert(not(leat_treatment_backoff(none[i], &min_ms, &max_ms)), "%s", none[i]);
}

Test(cli_treatment, a_schedule_gets_what_was_said_and_nothing_else)
{
    leat_treatment t;
    cr_assert(eq(int,
                 read(&t, "submit --priority=0 --retries=1 --backoff=1s..2s --on=z=a "
                          "--unique=u"),
                 LEAT_EXIT_OK));

    cJSON *const json = leat_treatment_json(&t);
    char *const text = cJSON_PrintUnformatted(json);

    LEAT_SAME_TEXT(text, "{\"priority\":0,\"failures\":2,\"backoff_min_ms\":1000,"
                         "\"backoff_max_ms\":2000,\"unique\":\"u\",\"traits\":\"z=a\"}");
    cJSON_free(text);
    cJSON_Delete(json);
    leat_treatment_fini(&t);
}
