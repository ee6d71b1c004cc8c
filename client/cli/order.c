/* What a command job is to run, out of a command line. See order.h. */
#include "client/cli/order.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/replace.h"
#include "client/cli/shell.h"
#include "client/cli/variable.h"
#include "proto/base/log.h"
#include "proto/limits.h"

#define SHELL_SIGNS " \t\n;&|<>()$`\\\"'*?[#~="

static int
no_memory(const leat_cli *cli)
{
    return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
}

/* ---- the words ---- */

static bool
is_program(const char *name)
{
    char path[4096];
    struct stat info;
    const char *dirs = leat_variable("PATH");
    if (strchr(name, '/') != NULL)
        return stat(name, &info) == 0 && S_ISREG(info.st_mode);
    while (dirs != NULL && *dirs != '\0') {
        const size_t size = strcspn(dirs, ":");
        (void)snprintf(path, sizeof path, "%.*s/%s", (int)size, dirs, name);
        if (stat(path, &info) == 0 && S_ISREG(info.st_mode))
            return true;
        dirs += size + (dirs[size] == ':');
    }
    return false;
}

/* One word that a shell would take apart, and no such program: meant for a shell. */
static int
check_words(const leat_cli *cli, const leat_order *order)
{
    const char *const word = order->words[0];
    if (order->word_count > 1 || word[strcspn(word, SHELL_SIGNS)] == '\0' || is_program(word))
        return LEAT_EXIT_OK;
    return leat_cli_fail(cli, LEAT_EXIT_NO_PROGRAM, "NO_PROGRAM", NULL,
                         "no program \"%.200s\". Shell text? leat %s --shell '%.200s'", word,
                         cli->command->noun, word);
}

static int
take_words(leat_cli *cli, char *const *words, size_t word_count, leat_order *out)
{
    const char *const text = leat_options_text(cli->options, "shell");
    if (text != NULL && word_count > 0)
        return leat_cli_usage(cli, "--shell has the whole text, \"%.100s\" is left over", words[0]);
    if (text == NULL && word_count == 0)
        return leat_cli_usage(cli, "give a command: leat %s echo {} ::: a b c", cli->command->noun);
    if (text != NULL) {
        out->exec.flags |= LEAT_EXEC_SHELL;
        out->texts[0] = strdup(text);
        if (out->texts[0] == NULL)
            return no_memory(cli);
        out->text_count = 1;
        words = out->texts;
        word_count = 1;
    }
    out->words = words;
    out->word_count = word_count;
    for (size_t i = 0; i < word_count && text == NULL; i++) {
        if (strcmp(words[i], "::::") == 0)
            return leat_cli_usage(cli, "\"::::\" is written -a FILE here, before the command");
        if (strcmp(words[i], ":::+") == 0)
            return leat_cli_usage(cli, "\":::+\" stands behind a \":::\" that it goes beside");
    }
    if (word_count >= LEAT_EXEC_WORDS_MAX)
        return leat_cli_usage(cli, "a command has at most %u words", LEAT_EXEC_WORDS_MAX - 1);
    for (size_t i = 0; i < word_count; i++)
        out->takes |= leat_replace_takes(words[i]);
    return text == NULL ? check_words(cli, out) : LEAT_EXIT_OK;
}

/* ---- what goes with them ---- */

static int
take_directory(const leat_cli *cli, leat_order *out)
{
    char reason[64];
    const char *const given = leat_options_text(cli->options, "cwd");
    /* A folder with a whole name may be there only where the job runs. */
    if (given != NULL && given[0] == '/')
        out->directory = strdup(given);
    else
        out->directory = realpath(given == NULL ? "." : given, NULL);
    if (out->directory == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_FOLDER", NULL, "--cwd \"%.200s\": %s",
                             given == NULL ? "." : given,
                             leat_log_errno_text(errno, reason, sizeof reason));
    out->exec.directory = (leat_bytes){.data = (const uint8_t *)out->directory,
                                       .size = (uint32_t)strlen(out->directory)};
    return LEAT_EXIT_OK;
}

static int
take_variables(const leat_cli *cli, leat_order *out)
{
    const char *const *given = NULL;
    const size_t count = leat_options_list(cli->options, "env", &given);
    out->variables = calloc(count + 1, sizeof *out->variables);
    if (out->variables == NULL)
        return no_memory(cli);
    for (size_t i = 0; i < count; i++) {
        const char *text = given[i];
        if (text[0] == '=' || text[0] == '\0')
            return leat_cli_usage(cli, "--env \"%.100s\": write it as NAME or NAME=VALUE", text);
        if (strchr(text, '=') == NULL) {
            const char *const value = leat_variable(text);
            char *joined = NULL;
            if (value == NULL)
                return leat_cli_usage(cli, "--env %.100s: you have no such variable", text);
            if (asprintf(&joined, "%s=%s", text, value) < 0)
                return no_memory(cli);
            out->texts[out->text_count++] = joined;
            text = joined;
        }
        out->variables[out->exec.variable_count++] =
            (leat_bytes){.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)};
    }
    return LEAT_EXIT_OK;
}

static int
take_input(const leat_cli *cli, leat_order *out)
{
    char reason[64];
    const char *const path = leat_options_text(cli->options, "stdin");
    if (path == NULL)
        return LEAT_EXIT_OK;
    const int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && out->input.size <= LEAT_PAYLOAD_BYTES_MAX) {
        const size_t had = out->input.size;
        uint8_t *const room = leat_buf_room(&out->input, 65536);
        if (room == NULL)
            break;
        got = read(fd, room, 65536);
        out->input.size = had + (got > 0 ? (size_t)got : 0);
    }
    const int errnum = errno;
    if (fd > STDIN_FILENO)
        close(fd);
    if (got < 0)
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_FILE", NULL, "--stdin \"%.200s\": %s", path,
                             leat_log_errno_text(errnum, reason, sizeof reason));
    if (out->input.size > LEAT_PAYLOAD_BYTES_MAX)
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "TOO_LARGE", NULL,
                             "--stdin \"%.200s\": more than 1 MiB cannot go with a job", path);
    out->exec.input = (leat_bytes){.data = out->input.data, .size = (uint32_t)out->input.size};
    return LEAT_EXIT_OK;
}

static int
take_output_max(const leat_cli *cli, leat_order *out)
{
    uint64_t bytes;
    const char *const given = leat_options_text(cli->options, "output-max");
    if (given == NULL)
        return LEAT_EXIT_OK;
    if (!leat_parse_amount(given, &bytes) || bytes < 2 || bytes > LEAT_PAYLOAD_BYTES_MAX)
        return leat_cli_usage(cli, "--output-max \"%.100s\": a size from 2 bytes to 1M, as in 64K",
                              given);
    out->exec.output_max = (uint32_t)bytes;
    return LEAT_EXIT_OK;
}

int
leat_order_read(leat_cli *cli, char *const *words, size_t word_count, leat_order *out)
{
    const char *const *given = NULL;
    const size_t variables = leat_options_list(cli->options, "env", &given);
    *out = (leat_order){.exec = leat_exec_nothing()};
    out->texts = calloc(variables + 1, sizeof *out->texts);
    if (out->texts == NULL)
        return no_memory(cli);
    int code = take_words(cli, words, word_count, out);
    if (code == LEAT_EXIT_OK)
        code = take_directory(cli, out);
    if (code == LEAT_EXIT_OK)
        code = take_variables(cli, out);
    if (code == LEAT_EXIT_OK)
        code = take_input(cli, out);
    if (code == LEAT_EXIT_OK)
        code = take_output_max(cli, out);
    if (leat_options_given(cli->options, "retries"))
        out->exec.flags |= LEAT_EXEC_RETRY;
    out->exec.umask = (uint16_t)umask(0);
    (void)umask(out->exec.umask);
    return code;
}

/* ---- one job ---- */

/* The bytes since `from` are one more word. They move while there are more: only its size is noted.
 */
static void
end_word(leat_order *order, size_t from)
{
    if (order->made_count == order->made_room) {
        const size_t room = order->made_room == 0 ? 16 : order->made_room * 2;
        leat_bytes *const made = reallocarray(order->made, room, sizeof *made);
        if (made == NULL) {
            order->scratch.failed = true;
            return;
        }
        order->made = made;
        order->made_room = room;
    }
    order->made[order->made_count++].size = (uint32_t)(order->scratch.size - from);
}

/* A word of the command: as it is, or replaced, once for each argument if it takes of each. */
static void
put_word(leat_order *order, const char *word, const leat_replacement *given)
{
    leat_replacement with = *given;
    const bool each = !with.for_shell && (leat_replace_takes(word) & LEAT_REPLACE_EACH) != 0;
    size_t from = order->scratch.size;
    if (with.count == 0) {
        leat_put_bytes(&order->scratch, word, strlen(word));
        end_word(order, from);
        return;
    }
    for (with.which = 0; with.which < (each ? with.count : 1); with.which++) {
        from = order->scratch.size;
        leat_replace_word(&order->scratch, word, &with);
        end_word(order, from);
    }
}

/* Arguments that no word has taken. */
static void
put_rest(leat_order *order, const leat_replacement *with)
{
    for (size_t i = 0; i < with->count; i++) {
        const size_t from = order->scratch.size;
        if (with->for_shell) {
            leat_put_u8(&order->scratch, ' ');
            leat_replace_quote(&order->scratch, with->arguments[i]);
            order->made[0].size = (uint32_t)order->scratch.size;
        } else {
            leat_put_bytes(&order->scratch, with->arguments[i].data, with->arguments[i].size);
            end_word(order, from);
        }
    }
}

static bool
can_be_given(leat_order *order, const leat_order_job *job)
{
    order->why = NULL;
    for (size_t i = 0; i < job->count; i++) {
        const leat_text text = job->arguments[i];
        if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL)
            order->why =
                "it holds a NUL, which no program can be given (-0 if NUL ends the inputs)";
    }
    return order->why == NULL;
}

bool
leat_order_make(leat_order *order, const leat_order_job *job, leat_buf *out)
{
    const leat_replacement with = {
        .arguments = job->arguments,
        .count = job->count,
        .number = job->number,
        .slot = job->slot,
        .for_shell = (order->exec.flags & LEAT_EXEC_SHELL) != 0,
    };
    size_t at = 0;
    leat_buf_reset(out);
    leat_buf_reset(&order->scratch);
    order->made_count = 0;
    if (!can_be_given(order, job))
        return false;
    for (size_t i = 0; i < order->word_count; i++)
        put_word(order, order->words[i], &with);
    if ((order->takes & LEAT_REPLACE_ARGUMENT) == 0)
        put_rest(order, &with);
    out->failed |= order->scratch.failed;
    if (order->made_count > LEAT_EXEC_WORDS_MAX)
        order->why = "the command has more than 65536 words";
    if (out->failed || order->why != NULL)
        return false;
    for (size_t i = 0; i < order->made_count; i++) {
        order->made[i].data = order->scratch.data == NULL ? NULL : order->scratch.data + at;
        at += order->made[i].size;
    }
    order->exec.word_count = (uint32_t)order->made_count;
    leat_exec_put(out, &order->exec, order->made, order->variables);
    return !out->failed;
}

void
leat_order_text(const leat_order *order, leat_buf *out)
{
    for (size_t i = 0; i < order->made_count; i++) {
        const leat_text word = {.data = (const char *)order->made[i].data,
                                .size = order->made[i].size};
        if (i > 0)
            leat_put_u8(out, ' ');
        if ((order->exec.flags & LEAT_EXEC_SHELL) != 0)
            leat_put_bytes(out, word.data, word.size);
        else
            leat_shell_put_word(out, word);
    }
}

void
leat_order_fini(leat_order *order)
{
    for (size_t i = 0; i < order->text_count; i++)
        free(order->texts[i]);
    free((void *)order->texts);
    free(order->directory);
    free(order->variables);
    free(order->made);
    leat_buf_fini(&order->input);
    leat_buf_fini(&order->scratch);
    *order = (leat_order){0};
}
