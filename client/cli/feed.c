/* What run and submit have in common. See feed.h. */
#include "client/cli/feed.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/json.h"
#include "client/cli/replace.h"
#include "client/cli/shell.h"
#include "client/cli/stop.h"
#include "proto/base/log.h"

/* ---- the command line ---- */

/* The operands of a handler: behind the options, or what began a command before a variable or file
 * said that it is none. */
static size_t
operand_count(const leat_cli *cli)
{
    return cli->tail != NULL ? cli->tail_count : leat_options_operand_count(cli->options);
}

static const char *
operand(const leat_cli *cli, size_t index)
{
    return cli->tail != NULL ? cli->tail[index] : leat_options_operand(cli->options, index);
}

/* Is anything said that gives each job arguments? */
static bool
has_sources(const leat_cli *cli)
{
    return cli->inputs != NULL || leat_options_given(cli->options, "arg-file") ||
           leat_options_given(cli->options, "array");
}

static int
open_handler(leat_cli *cli, bool reads_stdin, leat_feed *out)
{
    const size_t words = operand_count(cli);
    const char *const first = words > 0 ? operand(cli, 0) : NULL;
    out->handler = leat_treatment_handler(cli);
    if (out->handler == NULL)
        return LEAT_EXIT_USAGE;
    if (words > 0 && has_sources(cli))
        return leat_cli_usage(cli, "payloads come from one place: PAYLOAD, -a FILE or \":::\"");
    if (words > 1)
        return leat_cli_usage(cli, "one payload, or several after \":::\", not \"%.100s\" too",
                              operand(cli, 1));
    const bool from_stdin = first == NULL ? reads_stdin : strcmp(first, "-") == 0;
    out->has_arguments = has_sources(cli) || from_stdin;
    out->word = leat_text_of(first == NULL ? "" : first);
    if (!out->has_arguments && first == NULL && leat_inputs_lie_unused())
        leat_cli_say(cli, "input not used; add - to make its lines payloads");
    if (!out->has_arguments)
        return LEAT_EXIT_OK;
    const int code = leat_tuples_open(cli, from_stdin, &out->tuples);
    if (code == LEAT_EXIT_OK && out->tuples.source_count > 1)
        return leat_cli_usage(cli, "payloads come from one place, and there is one a job: give one "
                                   "-a, --array or \":::\"");
    if (code == LEAT_EXIT_OK && (out->tuples.at_once > 1 || out->tuples.has_columns))
        return leat_cli_usage(cli, "a handler has one payload: -N and --colsep are for commands");
    return code;
}

static int
open_command(leat_cli *cli, leat_feed *out)
{
    out->handler = LEAT_EXEC_HANDLER;
    int code = leat_order_read(cli, cli->tail, cli->tail_count, &out->order);
    if (code != LEAT_EXIT_OK)
        return code;
    const char *const input = leat_options_text(cli->options, "stdin");
    const bool is_fed = input != NULL && strcmp(input, "-") == 0;
    const bool from_stdin = (out->order.takes & LEAT_REPLACE_ARGUMENT) != 0 && !has_sources(cli);
    out->has_arguments = has_sources(cli) || from_stdin;
    if (!out->has_arguments && !is_fed && leat_inputs_lie_unused())
        leat_cli_say(cli, "input not used; add {} to make it arguments");
    if (!out->has_arguments)
        return LEAT_EXIT_OK;
    code = leat_tuples_open(cli, from_stdin, &out->tuples);
    if (code == LEAT_EXIT_OK && is_fed && leat_tuples_use_stdin(&out->tuples))
        return leat_cli_usage(cli, "stdin is either --stdin - or the arguments");
    return code;
}

int
leat_feed_open(leat_cli *cli, bool reads_stdin, leat_feed *out)
{
    const bool has_handler = leat_options_given(cli->options, "handler");
    const bool has_shell = leat_options_given(cli->options, "shell");
    *out = (leat_feed){.cli = cli, .is_command = has_shell || !has_handler};
    if (has_shell && has_handler)
        return leat_cli_usage(cli,
                              "--shell runs a command, --handler code of the worker: give one");
    if (out->is_command && !has_shell && cli->tail == NULL)
        return leat_cli_usage(cli, "give a command (leat %s make -C docs), or --handler NAME",
                              cli->command->noun);
    if (leat_options_given(cli->options, "timeout"))
        leat_stop_after(leat_options_ms(cli->options, "timeout"));
    int code = out->is_command ? open_command(cli, out) : open_handler(cli, reads_stdin, out);
    if (code == LEAT_EXIT_OK)
        code = leat_treatment_read(cli, &out->treatment);
    if (code == LEAT_EXIT_OK)
        code = leat_treatment_read_relations(cli, &out->treatment);
    return code;
}

/* ---- the jobs ---- */

bool
leat_feed_ready(leat_feed *feed)
{
    return !feed->has_arguments || leat_tuples_ready(&feed->tuples);
}

bool
leat_feed_next(leat_feed *feed, uint64_t slot)
{
    const bool is_given = feed->has_arguments ? leat_tuples_next(&feed->tuples) : feed->number == 0;
    if (!is_given)
        return false;
    feed->number++;
    if (feed->is_command) {
        const leat_order_job job = {.arguments = feed->tuples.parts,
                                    .count = feed->tuples.part_count,
                                    .number = feed->number,
                                    .slot = slot};
        return leat_order_make(&feed->order, &job, &feed->payload);
    }
    const leat_text text = feed->has_arguments ? feed->tuples.parts[0] : feed->word;
    leat_buf_reset(&feed->payload);
    leat_put_bytes(&feed->payload, text.data, text.size);
    return !feed->payload.failed;
}

int
leat_feed_check(const leat_feed *feed)
{
    char reason[64];
    const leat_source *const failed = feed->tuples.failed;
    const char *const what = feed->is_command ? "inputs" : "payloads";
    if (failed != NULL && !leat_stop_wanted())
        return leat_cli_fail(feed->cli, LEAT_EXIT_USAGE, "NO_FILE", NULL, "reading the %s: %s",
                             what,
                             leat_log_errno_text(failed->inputs.failed, reason, sizeof reason));
    if (feed->order.why != NULL)
        return leat_cli_fail(feed->cli, LEAT_EXIT_USAGE, "WRONG_INPUT", NULL,
                             "input %" PRIu64 ": %s", feed->number, feed->order.why);
    if (feed->tuples.no_memory || feed->payload.failed)
        return leat_cli_fail(feed->cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    return LEAT_EXIT_OK;
}

void
leat_feed_put_arguments(const leat_feed *feed, leat_buf *out)
{
    for (size_t i = 0; i < feed->tuples.part_count; i++) {
        if (i > 0)
            leat_put_u8(out, ' ');
        leat_put_bytes(out, feed->tuples.parts[i].data, feed->tuples.parts[i].size);
    }
}

void
leat_feed_put_text(const leat_feed *feed, leat_buf *out)
{
    if (feed->is_command) {
        leat_order_text(&feed->order, out);
        return;
    }
    leat_put_bytes(out, feed->handler, strlen(feed->handler));
    leat_put_u8(out, ' ');
    leat_shell_put_word(
        out, (leat_text){.data = (const char *)feed->payload.data, .size = feed->payload.size});
}

int
leat_feed_print(leat_feed *feed)
{
    leat_buf line = {0};
    while (!leat_stop_wanted() && ferror(stdout) == 0 && leat_feed_next(feed, 1)) {
        leat_buf_reset(&line);
        leat_feed_put_text(feed, &line);
        if (feed->cli->json) {
            cJSON *json = cJSON_CreateObject();
            (void)cJSON_AddNumberToObject(json, "seq", (double)feed->number);
            leat_json_put_bytes(json, "command", line.data, line.size);
            (void)leat_json_print(&json, stdout);
        } else {
            leat_put_u8(&line, '\n');
            (void)fwrite(line.data, 1, line.failed ? 0 : line.size, stdout);
        }
    }
    leat_buf_fini(&line);
    return leat_feed_check(feed);
}

void
leat_feed_fini(leat_feed *feed)
{
    leat_treatment_fini(&feed->treatment);
    leat_order_fini(&feed->order);
    leat_tuples_fini(&feed->tuples);
    leat_buf_fini(&feed->payload);
}
