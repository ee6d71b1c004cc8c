/* Arguments of jobs out of several sources. See tuples.h. */
#include "client/cli/tuples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/log.h"

/* ---- the sources ---- */

static int
no_memory(const leat_cli *cli)
{
    return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
}

/* A new source behind the others; NULL: there are too many, which has been said. */
static leat_source *
add_source(const leat_cli *cli, leat_tuples *out)
{
    if (out->source_count == LEAT_TUPLES_SOURCES_MAX) {
        (void)leat_cli_usage(cli, "at most %u sources of arguments", LEAT_TUPLES_SOURCES_MAX);
        return NULL;
    }
    return &out->sources[out->source_count++];
}

static int
add_file(const leat_cli *cli, const char *path, leat_tuples *out)
{
    char reason[64];
    const char separator = leat_options_flag(cli->options, "null") ? '\0' : '\n';
    if (strcmp(path, "-") == 0 && leat_tuples_use_stdin(out))
        return leat_cli_usage(cli, "stdin can be read once only: -a - stands there twice");
    leat_source *const source = add_source(cli, out);
    if (source == NULL)
        return LEAT_EXIT_USAGE;
    if (leat_inputs_of_file(&source->inputs, path, separator) != LEAT_ERR_OK)
        return leat_cli_fail(cli, LEAT_EXIT_USAGE, "NO_FILE", NULL, "cannot read \"%.300s\": %s",
                             path, leat_log_errno_text(errno, reason, sizeof reason));
    return LEAT_EXIT_OK;
}

/* What stands behind the first ":::", up to the end. */
static int
add_words(const leat_cli *cli, leat_tuples *out)
{
    size_t from = 0;
    bool is_beside = false;
    for (size_t i = 0; i <= cli->input_count; i++) {
        const bool ends = i == cli->input_count || strcmp(cli->inputs[i], ":::") == 0 ||
                          strcmp(cli->inputs[i], ":::+") == 0;
        if (!ends)
            continue;
        leat_source *const source = add_source(cli, out);
        if (source == NULL)
            return LEAT_EXIT_USAGE;
        leat_inputs_of_words(&source->inputs, cli->inputs + from, i - from);
        source->is_beside = is_beside;
        is_beside = i < cli->input_count && cli->inputs[i][3] == '+';
        from = i + 1;
    }
    return LEAT_EXIT_OK;
}

static int
add_array(const leat_cli *cli, leat_tuples *out)
{
    const char *const text = leat_options_text(cli->options, "array");
    if (text == NULL)
        return LEAT_EXIT_OK;
    leat_source *const source = add_source(cli, out);
    if (source == NULL)
        return LEAT_EXIT_USAGE;
    if (leat_inputs_of_ranges(&source->inputs, text) == LEAT_ERR_OK)
        return LEAT_EXIT_OK;
    return leat_cli_usage(cli, "--array \"%.100s\": numbers, as in 1-1000, 0-100:10 or 1,5,9",
                          text);
}

/* A regular expression (extended) in which \t is a tab. */
static int
take_columns(const leat_cli *cli, leat_tuples *out)
{
    char why[128];
    const char *const given = leat_options_text(cli->options, "colsep");
    if (given == NULL)
        return LEAT_EXIT_OK;
    char *const text = strdup(given);
    char *to = text;
    if (text == NULL)
        return no_memory(cli);
    for (const char *p = given; *p != '\0'; p++) {
        const bool is_tab = p[0] == '\\' && p[1] == 't';
        if (p[0] == '\\' && p[1] == '\\')
            *to++ = *p++;
        *to = *p;
        if (is_tab) {
            *to = '\t';
            p++;
        }
        to++;
    }
    *to = '\0';
    const int wrong = *given == '\0' ? REG_BADPAT : regcomp(&out->columns, text, REG_EXTENDED);
    free(text);
    if (wrong != 0) {
        (void)regerror(wrong, &out->columns, why, sizeof why);
        return leat_cli_usage(cli, "--colsep \"%.100s\": %s", given, why);
    }
    out->has_columns = true;
    return LEAT_EXIT_OK;
}

/* Those behind the first, and not beside it, are gone through again and again. */
static void
keep_repeated(leat_tuples *out)
{
    bool is_repeated = false;
    for (size_t i = 1; i < out->source_count; i++) {
        is_repeated |= !out->sources[i].is_beside;
        out->sources[i].is_kept = is_repeated;
    }
}

int
leat_tuples_open(leat_cli *cli, bool from_stdin, leat_tuples *out)
{
    const char *const *files = NULL;
    const size_t file_count = leat_options_list(cli->options, "arg-file", &files);
    int code = LEAT_EXIT_OK;
    *out = (leat_tuples){.at_once = 1};
    for (size_t i = 0; i < file_count && code == LEAT_EXIT_OK; i++)
        code = add_file(cli, files[i], out);
    if (code == LEAT_EXIT_OK)
        code = add_array(cli, out);
    if (code == LEAT_EXIT_OK && cli->inputs != NULL)
        code = add_words(cli, out);
    if (code == LEAT_EXIT_OK && out->source_count == 0 && from_stdin)
        code = add_file(cli, "-", out);
    if (code == LEAT_EXIT_OK)
        code = take_columns(cli, out);
    if (code == LEAT_EXIT_OK && leat_options_given(cli->options, "max-args")) {
        out->at_once = (uint32_t)leat_options_number(cli->options, "max-args");
        if (out->source_count > 1)
            return leat_cli_usage(cli, "-N goes with one source of arguments, here are %zu",
                                  out->source_count);
    }
    keep_repeated(out);
    return code;
}

bool
leat_tuples_use_stdin(const leat_tuples *tuples)
{
    for (size_t i = 0; i < tuples->source_count; i++) {
        const leat_inputs *const inputs = &tuples->sources[i].inputs;
        if (inputs->has_lines && inputs->fd == STDIN_FILENO)
            return true;
    }
    return false;
}

/* ---- one argument of each ---- */

/* The next argument of a source into source->here. */
static bool
step(leat_tuples *tuples, leat_source *source)
{
    if (source->is_kept) {
        if (source->next >= source->kept.size)
            return false;
        const uint8_t *const p = source->kept.data + source->next;
        const uint32_t size = leat_load_u32(p);
        source->here = (leat_text){.data = (const char *)p + 4, .size = size};
        source->next += 4 + size;
        return true;
    }
    if (leat_inputs_next(&source->inputs, &source->here.data, &source->here.size))
        return true;
    if (source->inputs.failed != 0)
        tuples->failed = source;
    return false;
}

/* Read a source that is gone through again to its end. */
static bool
keep(leat_tuples *tuples, leat_source *source)
{
    leat_text one;
    while (leat_inputs_next(&source->inputs, &one.data, &one.size)) {
        leat_put_u32(&source->kept, (uint32_t)one.size);
        leat_put_bytes(&source->kept, one.data, one.size);
    }
    if (source->inputs.failed != 0)
        tuples->failed = source;
    tuples->no_memory |= source->kept.failed;
    return source->inputs.failed == 0 && !source->kept.failed;
}

/* Where the group begins to which source i belongs: it and those that stand beside it. */
static size_t
group_of(const leat_tuples *tuples, size_t i)
{
    while (tuples->sources[i].is_beside)
        i--;
    return i;
}

/* One step of the group that ends before `end`; it goes on with all or with none. */
static bool
step_group(leat_tuples *tuples, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++) {
        if (!step(tuples, &tuples->sources[i]))
            return false;
    }
    return true;
}

/* The first combination: all groups take a step. */
static bool
begin(leat_tuples *tuples)
{
    tuples->has_begun = true;
    for (size_t i = 1; i < tuples->source_count; i++) {
        if (tuples->sources[i].is_kept && !keep(tuples, &tuples->sources[i]))
            return false;
    }
    return step_group(tuples, 0, tuples->source_count);
}

/* The next combination: the last group goes fastest. */
static bool
advance(leat_tuples *tuples)
{
    size_t end = tuples->source_count;
    if (!tuples->has_begun)
        return begin(tuples);
    while (end > 0) {
        const size_t from = group_of(tuples, end - 1);
        if (step_group(tuples, from, end))
            return end == tuples->source_count || step_group(tuples, end, tuples->source_count);
        if (from == 0 || tuples->failed != NULL)
            return false;
        for (size_t i = from; i < end; i++)
            tuples->sources[i].next = 0;
        end = from;
    }
    return false;
}

/* ---- the arguments of a job ---- */

/* Bytes move while there are more, so that at first only sizes are noted. */
static void
add_part(leat_tuples *tuples, const char *data, size_t size)
{
    if (tuples->part_count == tuples->part_room) {
        const size_t room = tuples->part_room == 0 ? 16 : tuples->part_room * 2;
        leat_text *const parts = reallocarray(tuples->parts, room, sizeof *parts);
        if (parts == NULL) {
            tuples->no_memory = true;
            return;
        }
        tuples->parts = parts;
        tuples->part_room = room;
    }
    tuples->parts[tuples->part_count++] = (leat_text){.size = size};
    leat_put_bytes(&tuples->scratch, data, size);
    tuples->no_memory |= tuples->scratch.failed;
}

/* An argument, or its columns. */
static void
add_argument(leat_tuples *tuples, leat_text text)
{
    regmatch_t match = {.rm_so = 0, .rm_eo = (regoff_t)text.size};
    size_t at = 0;
    while (tuples->has_columns && at <= text.size &&
           regexec(&tuples->columns, text.data, 1, &match, REG_STARTEND) == 0 &&
           match.rm_eo > match.rm_so) {
        add_part(tuples, text.data + at, (size_t)match.rm_so - at);
        at = (size_t)match.rm_eo;
        match = (regmatch_t){.rm_so = match.rm_eo, .rm_eo = (regoff_t)text.size};
    }
    add_part(tuples, text.data + at, text.size - at);
}

static bool
is_ready(leat_tuples *tuples)
{
    for (size_t i = 0; i < tuples->source_count; i++) {
        leat_source *const source = &tuples->sources[i];
        if (!source->is_kept && !leat_inputs_ready(&source->inputs))
            return false;
    }
    return true;
}

/* Collect what the next job is given. false: there is less yet, and it was not to be waited for. */
static bool
gather(leat_tuples *tuples, bool waits)
{
    if (tuples->is_handed_out) {
        tuples->is_handed_out = false;
        tuples->taken = 0;
        tuples->part_count = 0;
        leat_buf_reset(&tuples->scratch);
    }
    while (tuples->taken < tuples->at_once && !tuples->has_ended && !tuples->no_memory) {
        if (!waits && !is_ready(tuples))
            return false;
        tuples->has_ended = tuples->source_count == 0 || !advance(tuples);
        for (size_t i = 0; i < tuples->source_count && !tuples->has_ended; i++)
            add_argument(tuples, tuples->sources[i].here);
        tuples->taken++;
    }
    return true;
}

bool
leat_tuples_ready(leat_tuples *tuples)
{
    return gather(tuples, false);
}

bool
leat_tuples_next(leat_tuples *tuples)
{
    size_t at = 0;
    (void)gather(tuples, true);
    tuples->is_handed_out = true;
    if (tuples->part_count == 0 || tuples->failed != NULL || tuples->no_memory)
        return false;
    for (size_t i = 0; i < tuples->part_count; i++) {
        tuples->parts[i].data =
            tuples->scratch.data == NULL ? "" : (const char *)tuples->scratch.data + at;
        at += tuples->parts[i].size;
    }
    return true;
}

int
leat_tuples_fd(const leat_tuples *tuples)
{
    for (size_t i = 0; i < tuples->source_count; i++) {
        if (tuples->sources[i].inputs.has_lines && !tuples->sources[i].is_kept)
            return tuples->sources[i].inputs.fd;
    }
    return -1;
}

void
leat_tuples_fini(leat_tuples *tuples)
{
    for (size_t i = 0; i < tuples->source_count; i++) {
        leat_inputs_fini(&tuples->sources[i].inputs);
        leat_buf_fini(&tuples->sources[i].kept);
    }
    if (tuples->has_columns)
        regfree(&tuples->columns);
    leat_buf_fini(&tuples->scratch);
    free(tuples->parts);
    *tuples = (leat_tuples){0};
}
