/* leat submit: commands, or jobs for a handler, as one batch; its number alone on stdout. */
#include <inttypes.h>

#include "client/cli/command.h"
#include "client/cli/feed.h"
#include "client/cli/json.h"
#include "client/cli/replace.h"
#include "client/cli/state.h"
#include "client/cli/stop.h"

static const leat_option rows[] = {
    LEAT_ROWS_OF_FEED,
    LEAT_ROW_TIMEOUT("how long this command tries"),
};

/* The job that was made is the first of a batch. */
static int
submit_batch(leat_feed *feed, uint64_t *id, uint64_t *jobs)
{
    char what[64];
    leat_batch *batch = NULL;
    leat_cli *const cli = feed->cli;
    leat_status status = leat_batch_open(cli->broker, &feed->treatment.options, &batch);
    if (status != LEAT_OK)
        return leat_cli_failed(cli, status, "submit");
    do {
        status = leat_stop_wanted()
                     ? LEAT_REFUSED
                     : leat_batch_add(batch, feed->handler, feed->payload.data, feed->payload.size);
        /* Who is slow to say more does not hold up what was said. */
        if (status == LEAT_OK && !leat_feed_ready(feed))
            status = leat_batch_flush(batch);
    } while (status == LEAT_OK && leat_feed_next(feed, 1));
    int code = status == LEAT_OK ? leat_feed_check(feed) : LEAT_EXIT_OK;
    if (status == LEAT_OK && code == LEAT_EXIT_OK)
        status = leat_batch_seal(batch);
    *id = leat_batch_id(batch);
    *jobs = leat_batch_accepted(batch);
    if ((status != LEAT_OK || code != LEAT_EXIT_OK) && *id != 0 && !leat_stop_wanted())
        leat_cli_say(cli, "batch %" PRIu64 " has only a part of the jobs", *id);
    (void)snprintf(what, sizeof what, "submit, %s %" PRIu64, feed->is_command ? "input" : "payload",
                   feed->number);
    if (status != LEAT_OK)
        code = leat_cli_failed(cli, status, what);
    leat_batch_free(&batch);
    return code;
}

static void
print_number(const leat_cli *cli, uint64_t id, uint64_t jobs)
{
    if (cli->json) {
        cJSON *json = cJSON_CreateObject();
        leat_json_put_id(json, "batch", id);
        (void)cJSON_AddNumberToObject(json, "jobs", (double)jobs);
        (void)leat_json_print(&json, stdout);
        return;
    }
    (void)printf("%" PRIu64 "\n", id);
    (void)leat_cli_flush();
    if (cli->verbose || (cli->err.terminal && cli->out.terminal))
        leat_cli_say(cli, "%" PRIu64 " job%s in batch %" PRIu64 ".  Wait: leat wait %" PRIu64, jobs,
                     jobs == 1 ? "" : "s", id, id);
}

static int
submit_all(leat_feed *feed)
{
    leat_cli *const cli = feed->cli;
    const leat_batch_options *const options = &feed->treatment.options;
    uint64_t id = 0;
    uint64_t jobs = 1;
    if (!leat_feed_next(feed, 1)) {
        const int wrong = leat_feed_check(feed);
        if (wrong != LEAT_EXIT_OK || leat_stop_wanted())
            return wrong != LEAT_EXIT_OK ? wrong : leat_cli_failed(cli, LEAT_REFUSED, "submit");
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_INPUT", NULL,
                             "the input is empty, nothing was submitted");
    }
    int code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    /* A unique job that joins another one is told apart from it by a batch of its own. */
    if (!feed->has_arguments && options->name == NULL && options->labels == NULL &&
        options->unique == NULL) {
        const leat_status status = leat_submit(cli->broker, options, feed->handler,
                                               feed->payload.data, feed->payload.size, &id);
        code = status == LEAT_OK ? LEAT_EXIT_OK : leat_cli_failed(cli, status, "submit");
    } else {
        code = submit_batch(feed, &id, &jobs);
    }
    if (code == LEAT_EXIT_OK) {
        leat_state_set_last(id);
        print_number(cli, id, jobs);
    }
    return code;
}

static int
run(leat_cli *cli)
{
    leat_feed feed;
    int code = leat_feed_open(cli, false, &feed);
    if (code == LEAT_EXIT_OK && (feed.order.takes & LEAT_REPLACE_SLOT) != 0)
        code = leat_cli_usage(cli, "{%%} is known to leat run -j N only; a job finds the worker's "
                                   "in $LEAT_JOB_SLOT");
    if (code == LEAT_EXIT_OK && leat_options_flag(cli->options, "dry-run"))
        code = leat_feed_print(&feed);
    else if (code == LEAT_EXIT_OK)
        code = submit_all(&feed);
    leat_feed_fini(&feed);
    return code;
}

static const leat_example examples[] = {
    {"leat submit ./backup.sh --full",                            "one command"                 },
    {"leat submit gzip {} ::: *.log",                             "a command for each file"     },
    {"leat submit --handler echo hello",                          "one job"                     },
    {"leat submit --handler seed ::: 1 2 3",                      "three jobs, one batch"       },
    {"seq 1000 | leat submit --handler echo -",                   "a job for each line of stdin"},
    {"leat submit --handler sleep --in 1h --retries 5 2s",        "later, with more attempts"   },
    {"leat submit --handler echo --after last all done",          "when the last batch is done" },
    {"leat submit --handler sha256 --needs mem=2G --on zone=a x", "where there is room for it"  },
};

const leat_cli_command leat_cli_command_submit = {
    .noun = "submit",
    .summary = "put jobs into a channel and return at once",
    .operands = "CMD [ARG…] [::: INPUT…] | --handler NAME [PAYLOAD|-|::: PAYLOAD…]",
    .about = "Prints the number of the batch, alone, on stdout. A command is put together as by\n"
             "leat run. For a handler, a payload is any bytes; - takes the\n"
             "lines of stdin, a job each. When the number is printed, the jobs are on disk (in a\n"
             "durable channel, the default).\n"
             "\n"
             "What is not said here is as the channel has it (leat channel set).\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .rows = rows,
    .row_count = LEAT_COUNT_OF(rows),
    .flags = LEAT_CLI_COMMAND_INPUTS | LEAT_CLI_COMMAND_OWN,
    .run = run,
};
