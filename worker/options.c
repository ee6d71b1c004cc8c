/* leat-worker's table of options, and what it means. See options.h. */
#include "worker/options.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/cores.h"
#include "proto/base/when.h"
#include "proto/settings.h"
#include "worker/host.h"
#include "worker/runner/plugin.h"

#define THREADS_MAX 1024U
/* The handler that --stdio is, if it is given no name. */
#define DEFAULT_HANDLER "stdio"

static const leat_option rows[] = {
    {.name = "broker",
     .type = LEAT_OPTION_LIST,
     .value = "URL",
     .help = "where the broker is; several are tried in turn (default: your own, the system's, "
             "tcp://127.0.0.1:5328)"                                                           },
    {.name = "key-file",
     .type = LEAT_OPTION_TEXT,
     .value = "F",
     .takes = "<file>",
     .help = "who this worker is, made by `leat key new`; needed over TCP. It also says where the "
             "broker is"},
    {.name = "slots",
     .type = LEAT_OPTION_NUMBER,
     .value = "N",
     .help = "jobs at once (default: one a core)",
     .min = 1,
     .max = LEAT_SLOTS_MAX},
    {.name = "threads",
     .type = LEAT_OPTION_NUMBER,
     .value = "N",
     .help = "threads for jobs that compute (default: one a core)",
     .min = 1,
     .max = THREADS_MAX},
    {.name = "channel",
     .type = LEAT_OPTION_LIST,
     .value = "C",
     .takes = "<channel>",
     .help = "take jobs from this channel; may be given again (default: \"default\")"},
    {.name = "trait",
     .type = LEAT_OPTION_LIST,
     .value = "NAME=VALUE",
     .help = "say something of this host that jobs can ask for, as zone=a; may be given again"                                                                      },
    {.name = "have",
     .type = LEAT_OPTION_LIST,
     .value = "NAME=N",
     .help = "what there is for jobs that need it, as gpu=2 or scratch=200G; may be given again "
             "(cpus and mem are known without)"                                                                     },
    {.name = "allow-commands",
     .type = LEAT_OPTION_FLAG,
     .help =
         "run whatever programs jobs ask for (leat run); only over your own ipc, or with a key"                                        },
    {.name = "command",
     .type = LEAT_OPTION_LIST,
     .value = "NAME=PROGRAM [ARG...]",
     .help = "a handler of this name: that program, with the payload as its stdin; may be given "
             "again"                                                                         },
    {.name = "stdio",
     .type = LEAT_OPTION_LIST,
     .value = "[NAME=]PROGRAM [ARG...]",
     .help = "a handler of this name (\"stdio\"): that program, in any language, which does job "
             "after job in lines of JSON over stdin and stdout; may be given again"},
    {.name = "recycle",
     .type = LEAT_OPTION_NUMBER,
     .value = "N",
     .help = "start such a program anew after N jobs (default: never)",
     .min = 1,
     .max = UINT32_MAX},
    {.name = "plugin",
     .type = LEAT_OPTION_LIST,
     .value = "FILE",
     .takes = "<file>",
     .help = "the handlers of this shared object (LEAT_PLUGIN in leat.h), in processes of their "
             "own; may be given again"},
    {.name = "plugin-jobs",
     .type = LEAT_OPTION_NUMBER,
     .value = "N",
     .help = "start such a process anew after N jobs (default: never)",
     .min = 1,
     .max = UINT32_MAX},
    {.name = "plugin-memory",
     .type = LEAT_OPTION_TEXT,
     .value = "SIZE",
     .help = "start such a process anew when a job has left it with more memory than that, as 512M "
             "(default: never)"                                                                  },
    {.name = "rlimit",
     .type = LEAT_OPTION_LIST,
     .value = "LIMIT=N",
     .help = "what a program may have at most: cpu=10s, mem=2G, files=100, procs=50; may be given "
             "again"                                 },
    {.name = "user",
     .type = LEAT_OPTION_TEXT,
     .value = "NAME",
     .help = "whose programs these are, if root starts the worker"                                                                         },
    {.name = "idle-exit",
     .type = LEAT_OPTION_DURATION,
     .value = "D",
     .help = "end when there was nothing to do for so long, also for want of a broker (default: "
             "never)",                                                                 .min = 1,
     .max = LEAT_DELAY_MS_MAX},
    {.name = "until",
     .type = LEAT_OPTION_TEXT,
     .value = "TIME|D",
     .help =
         "take nothing new from then on, finish what runs and end: 18:30, 2030-05-01T18:30:00Z, "
         "or 2h from the start (default: never)"                                                                           },
    {.name = "max-jobs",
     .type = LEAT_OPTION_NUMBER,
     .value = "N",
     .help = "end after N jobs (default: never)",
     .min = 1},
    {.name = "cpu",
     .type = LEAT_OPTION_TEXT,
     .value = "LIST",
     .help = "run on these cores only, with all that it starts: 0-3,8. As many are the default of "
             "--slots, --threads and --have cpus"                                                                          },
    {.name = "name",
     .type = LEAT_OPTION_TEXT,
     .value = "N",
     .help = "what `leat worker ls` calls it (default: HOST-PID)"                                                                  },
    {.name = "history",
     .type = LEAT_OPTION_TEXT,
     .value = "DIR",
     .takes = "<dir>",
     .help = "write there what is started and reported, for tests"},
    {.name = "log-level",
     .type = LEAT_OPTION_TEXT,
     .value = "L",
     .fallback = "info",
     .takes = "error warn info debug",
     .help = "error, warn, info or debug"},
    {.name = "config",
     .type = LEAT_OPTION_TEXT,
     .value = "F",
     .takes = "<file>",
     .help = "read this file instead of worker.ini",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "show-config",
     .type = LEAT_OPTION_FLAG,
     .help = "print every setting and where it was said, and end (see `leat config show`)",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "help",
     .letter = 'h',
     .type = LEAT_OPTION_FLAG,
     .help = "show this",
     .flags = LEAT_OPTION_NOT_IN_FILE},
    {.name = "version",
     .type = LEAT_OPTION_FLAG,
     .help = "show the version",
     .flags = LEAT_OPTION_NOT_IN_FILE                                                          },
};

const leat_option *
leat_worker_rows(size_t *count)
{
    *count = sizeof rows / sizeof *rows;
    return rows;
}

__attribute__((format(printf, 2, 3))) static leat_err
wrong(leat_worker_settings *settings, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(settings->why, sizeof settings->why, format, args);
    va_end(args);
    return LEAT_ERR_CONFIG;
}

static leat_err
wrong_as_options_say(leat_worker_settings *settings)
{
    return wrong(settings, "%s", leat_options_why(settings->options));
}

/* ----------------------------------------------------------------------- from values to settings
 */

static leat_err
take_key(leat_worker_settings *settings)
{
    const char *const path = leat_options_text(settings->options, "key-file");
    if (path == NULL)
        return LEAT_ERR_OK;
    const leat_err err = leat_key_read(path, LEAT_KEY_OF_PRINCIPAL, &settings->key, settings->why);
    if (err == LEAT_ERR_OK)
        settings->worker.key = &settings->key;
    return err == LEAT_ERR_OK || err == LEAT_ERR_DENIED ? err : LEAT_ERR_CONFIG;
}

static leat_err
take_endpoints(leat_worker_settings *settings)
{
    const char *const *given = NULL;
    const size_t count = leat_options_list(settings->options, "broker", &given);
    if (count == 0)
        return leat_link_endpoints(settings->key.broker[0] != '\0' ? settings->key.broker : NULL,
                                   settings->endpoints, &settings->worker.endpoint_count);
    if (count > LEAT_LINK_ENDPOINTS_MAX)
        return wrong(settings, "--broker: at most %d addresses", LEAT_LINK_ENDPOINTS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!leat_link_endpoint_is_valid(given[i]))
            return wrong(settings,
                         "--broker \"%.100s\": an address looks like tcp://HOST:5328 or "
                         "ipc:///PATH",
                         given[i]);
        settings->endpoints[i] = leat_text_dup(leat_text_of(given[i]));
        if (settings->endpoints[i] == NULL)
            return LEAT_ERR_NOMEM;
        settings->worker.endpoint_count = i + 1;
    }
    return LEAT_ERR_OK;
}

static leat_err
take_channels(leat_worker_settings *settings)
{
    const char *const *given = NULL;
    const size_t count = leat_options_list(settings->options, "channel", &given);
    if (count > LEAT_SUBSCRIPTIONS_MAX)
        return wrong(settings, "--channel: at most %u channels", LEAT_SUBSCRIPTIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (!leat_name_is_valid(leat_text_of(given[i])))
            return wrong(settings,
                         "--channel \"%.100s\": a name has 1 to %u bytes of UTF-8 without "
                         "control characters",
                         given[i], LEAT_NAME_BYTES_MAX);
        settings->channels[i] = given[i];
    }
    settings->worker.channels = settings->channels;
    settings->worker.channel_count = count;
    return LEAT_ERR_OK;
}

/* A pair of what --trait or --have was given. */
typedef struct pair {
    const char *option; /* for sentences */
    const char *given;
    leat_text name;
    leat_text value;
} pair;

/* What one value of the option holds: pairs with commas between, as in a variable. false: no more,
 * or one is wrong, then *err says so. */
static bool
next_pair(leat_worker_settings *settings, leat_text *rest, pair *one, leat_err *err)
{
    if (rest->data == NULL)
        return false;
    const char *const comma = memchr(rest->data, ',', rest->size);
    const size_t size = comma == NULL ? rest->size : (size_t)(comma - rest->data);
    const char *const sign = memchr(rest->data, '=', size);
    if (sign == NULL) {
        *err = wrong(settings, "%s \"%.100s\": write it as NAME=VALUE", one->option, one->given);
        return false;
    }
    one->name = (leat_text){.data = rest->data, .size = (size_t)(sign - rest->data)};
    one->value = (leat_text){.data = sign + 1, .size = size - one->name.size - 1};
    *rest = comma == NULL ? (leat_text){0}
                          : (leat_text){.data = comma + 1, .size = rest->size - size - 1};
    if (!leat_trait_name_is_valid(one->name)) {
        *err = wrong(settings, "%s \"%.100s\": a name has 1 to 32 of a-z 0-9 _ and -", one->option,
                     one->given);
        return false;
    }
    return true;
}

static leat_err
wrong_twice(leat_worker_settings *settings, const pair *one)
{
    return wrong(settings, "%s \"%.100s\": \"%.*s\" was given before; give each name once",
                 one->option, one->given, (int)one->name.size, one->name.data);
}

static leat_err
take_trait(leat_worker_settings *settings, const pair *one)
{
    leat_hello_trait *const traits = settings->traits;
    size_t *const count = &settings->worker.trait_count;
    if (!leat_trait_value_is_valid(one->value))
        return wrong(settings,
                     "--trait \"%.100s\": a value has 1 to 64 printable ASCII characters and no "
                     "comma",
                     one->given);
    for (size_t i = 0; i < *count; i++) {
        if (leat_text_is(one->name, leat_text_of(traits[i].name)))
            return wrong_twice(settings, one);
    }
    if (*count == LEAT_TRAITS_MAX)
        return wrong(settings, "--trait: at most %u traits", LEAT_TRAITS_MAX);
    (void)snprintf(traits[*count].name, sizeof traits->name, "%.*s", (int)one->name.size,
                   one->name.data);
    (void)snprintf(traits[*count].value, sizeof traits->value, "%.*s", (int)one->value.size,
                   one->value.data);
    ++*count;
    return LEAT_ERR_OK;
}

static bool
has_have(const leat_worker_settings *settings, leat_text name)
{
    for (size_t i = 0; i < settings->worker.have_count; i++) {
        if (leat_text_is(name, leat_text_of(settings->haves[i].name)))
            return true;
    }
    return false;
}

static leat_err
add_have(leat_worker_settings *settings, leat_text name, uint64_t amount)
{
    if (settings->worker.have_count == LEAT_HAVES_MAX)
        return wrong(settings, "--have: at most %u amounts, cpus and mem among them",
                     LEAT_HAVES_MAX);
    leat_hello_have *const have = &settings->haves[settings->worker.have_count++];
    (void)snprintf(have->name, sizeof have->name, "%.*s", (int)name.size, name.data);
    have->amount = amount;
    return LEAT_ERR_OK;
}

static leat_err
take_have(leat_worker_settings *settings, const pair *one)
{
    char text[32];
    uint64_t amount;
    const int size = snprintf(text, sizeof text, "%.*s", (int)one->value.size, one->value.data);
    if (size >= (int)sizeof text || !leat_parse_amount(text, &amount))
        return wrong(settings,
                     "--have \"%.100s\": an amount is a whole number, for sizes with K, M, G or T "
                     "behind it",
                     one->given);
    if (has_have(settings, one->name))
        return wrong_twice(settings, one);
    return add_have(settings, one->name, amount);
}

/* What the machine has, unless something else was said. */
static leat_err
add_known_haves(leat_worker_settings *settings)
{
    const leat_text cpus = leat_text_of("cpus");
    const leat_text mem = leat_text_of("mem");
    const uint64_t bytes = leat_host_memory("");
    leat_err err = LEAT_ERR_OK;
    if (!has_have(settings, cpus))
        err = add_have(settings, cpus, leat_host_cores());
    if (err == LEAT_ERR_OK && bytes > 0 && !has_have(settings, mem))
        err = add_have(settings, mem, bytes);
    return err;
}

typedef leat_err take_pair(leat_worker_settings *settings, const pair *one);

static leat_err
take_pairs(leat_worker_settings *settings, const char *name, const char *option, take_pair *take)
{
    const char *const *given = NULL;
    const size_t count = leat_options_list(settings->options, name, &given);
    leat_err err = LEAT_ERR_OK;
    for (size_t i = 0; i < count; i++) {
        pair one = {.option = option, .given = given[i]};
        leat_text rest = leat_text_of(given[i]);
        while (err == LEAT_ERR_OK && next_pair(settings, &rest, &one, &err))
            err = take(settings, &one);
    }
    return err;
}

static leat_err
take_traits_and_haves(leat_worker_settings *settings)
{
    settings->worker.traits = settings->traits;
    settings->worker.haves = settings->haves;
    leat_err err = take_pairs(settings, "trait", "--trait", take_trait);
    if (err == LEAT_ERR_OK)
        err = take_pairs(settings, "have", "--have", take_have);
    return err == LEAT_ERR_OK ? add_known_haves(settings) : err;
}

static uint32_t
number_or(const leat_options *options, const char *name, uint32_t otherwise)
{
    return leat_options_given(options, name) ? (uint32_t)leat_options_number(options, name)
                                             : otherwise;
}

/* ---- what is run as a child ---- */

/* Is there such a program? A word without a slash is looked for where PATH says. */
static bool
is_program(const char *word)
{
    char path[PATH_MAX];
    const char *rest = getenv("PATH"); /* NOLINT(concurrency-mt-unsafe): there is one thread yet */
    if (strchr(word, '/') != NULL)
        return access(word, X_OK) == 0;
    for (; rest != NULL && *rest != '\0'; rest += strcspn(rest, ":"), rest += *rest == ':') {
        const int size =
            snprintf(path, sizeof path, "%.*s/%s", (int)strcspn(rest, ":"), rest, word);
        if (size > 0 && size < (int)sizeof path && access(path, X_OK) == 0)
            return true;
    }
    return false;
}

/* Split the words of a program at blanks; text is written to. */
static leat_err
split_words(leat_worker_settings *settings, leat_program *program, char *text, const char *option)
{
    size_t count = 0;
    while (*(text += strspn(text, " ")) != '\0') {
        if (count + 1 == LEAT_HANDLER_WORDS_MAX)
            return wrong(settings, "%s \"%.100s\": at most %u words", option, program->words[0],
                         LEAT_HANDLER_WORDS_MAX - 1);
        program->words[count++] = text;
        text += strcspn(text, " ");
        if (*text != '\0')
            *text++ = '\0';
    }
    return LEAT_ERR_OK;
}

/* "NAME=PROGRAM ARG…" into a row of the table. */
static leat_err
take_program(leat_worker_settings *settings,
             const char *given,
             const char *option,
             leat_program_kind kind)
{
    leat_worker_program *const row = &settings->programs[settings->program_count];
    if (settings->program_count == LEAT_WORKER_PROGRAMS_MAX)
        return wrong(settings, "%s: at most %u programs", option, LEAT_WORKER_PROGRAMS_MAX);
    row->text = strdup(given);
    if (row->text == NULL)
        return LEAT_ERR_NOMEM;
    settings->program_count++;
    row->program.kind = kind;
    char *const sign = strchr(row->text, '=');
    const bool is_named = sign != NULL && (size_t)(sign - row->text) < strcspn(row->text, " ");
    row->name = is_named ? row->text : DEFAULT_HANDLER;
    if (is_named)
        *sign = '\0';
    const leat_err err =
        split_words(settings, &row->program, is_named ? sign + 1 : row->text, option);
    if (err != LEAT_ERR_OK)
        return err;
    const char *const word = row->program.words[0];
    const bool needs_more =
        kind == LEAT_PROGRAM_ONESHOT && (!is_named || word == NULL || *word != '/');
    if (word == NULL || needs_more || !leat_name_is_valid(leat_text_of(row->name)))
        return wrong(settings, "%s \"%.100s\": write it as %s", option, given,
                     kind == LEAT_PROGRAM_ONESHOT ? "NAME=/PATH/OF/PROGRAM ARG ARG"
                                                  : "NAME=PROGRAM ARG ARG");
    if (!is_program(word))
        return wrong(settings, "%s \"%.100s\": \"%.200s\" is no program that can be run", option,
                     row->name, word);
    return LEAT_ERR_OK;
}

static leat_err
add_handler(leat_worker_settings *settings, const char *option, const leat_handler *row)
{
    size_t *const count = &settings->worker.handler_count;
    if (leat_handler_find(settings->handlers, *count, leat_text_of(row->name)) != NULL)
        return wrong(settings, "%s: there is a handler \"%.100s\" already", option, row->name);
    if (*count == LEAT_HANDLERS_MAX)
        return wrong(settings, "%s: a worker has at most %u handlers", option, LEAT_HANDLERS_MAX);
    settings->handlers[(*count)++] = *row;
    return LEAT_ERR_OK;
}

static leat_err
add_program(leat_worker_settings *settings,
            const char *option,
            const char *name,
            const leat_program *program)
{
    return add_handler(
        settings, option,
        &(leat_handler){
            .name = name, .runs = LEAT_RUNS_CHILD, .program = program, .help = "a program"});
}

/* The handlers of one --plugin, by asking it. */
static leat_err
take_plugin(leat_worker_settings *settings, const char *given)
{
    leat_worker_program *const row = &settings->programs[settings->program_count];
    size_t count = 0;
    if (settings->program_count == LEAT_WORKER_PROGRAMS_MAX)
        return wrong(settings, "--plugin: at most %u programs and plug-ins",
                     LEAT_WORKER_PROGRAMS_MAX);
    row->text = realpath(given, NULL);
    if (row->text == NULL) {
        char reason[64];
        return errno == ENOMEM ? LEAT_ERR_NOMEM
                               : wrong(settings, "--plugin \"%.200s\": %s", given,
                                       leat_log_errno_text(errno, reason, sizeof reason));
    }
    settings->program_count++;
    row->program = (leat_program){.kind = LEAT_PROGRAM_PLUGIN, .words = {row->text}};
    char why[LEAT_PLUGIN_WHY_BYTES];
    leat_err err = leat_plugin_ask(row->text, &row->rows, &count, why);
    if (err == LEAT_ERR_CONFIG)
        return wrong(settings, "--plugin %s", why);
    for (size_t i = 0; err == LEAT_ERR_OK && i < count; i++)
        err = add_handler(settings, "--plugin",
                          &(leat_handler){.name = row->rows[i].name,
                                          .runs = LEAT_RUNS_CHILD,
                                          .program = &row->program,
                                          .help = row->rows[i].help});
    return err;
}

static leat_err
take_plugins(leat_worker_settings *settings, size_t *count)
{
    const char *const *given = NULL;
    const char *const memory = leat_options_text(settings->options, "plugin-memory");
    leat_err err = LEAT_ERR_OK;
    *count = leat_options_list(settings->options, "plugin", &given);
    settings->commands.plugin_jobs = number_or(settings->options, "plugin-jobs", 0);
    if (memory != NULL && (!leat_parse_amount(memory, &settings->commands.plugin_memory) ||
                           settings->commands.plugin_memory == 0))
        err = wrong(settings, "--plugin-memory \"%.100s\": a number above 0, with K, M, G or T",
                    memory);
    for (size_t i = 0; err == LEAT_ERR_OK && i < *count; i++)
        err = take_plugin(settings, given[i]);
    return err;
}

/* What --command or --stdio was given. */
static leat_err
take_programs(leat_worker_settings *settings,
              const char *name,
              const char *option,
              leat_program_kind kind,
              size_t *count)
{
    const char *const *given = NULL;
    leat_err err = LEAT_ERR_OK;
    *count = leat_options_list(settings->options, name, &given);
    for (size_t i = 0; err == LEAT_ERR_OK && i < *count; i++) {
        const leat_worker_program *const row = &settings->programs[settings->program_count];
        err = take_program(settings, given[i], option, kind);
        if (err == LEAT_ERR_OK)
            err = add_program(settings, option, row->name, &row->program);
    }
    return err;
}

/* One "cpu=10s". */
static leat_err
take_rlimit(leat_worker_settings *settings, const pair *one)
{
    static const char *const names[LEAT_EXEC_LIMITS] = {"cpu", "mem", "files", "procs"};
    char text[32];
    uint64_t *limit = NULL;
    int64_t ms;
    for (size_t i = 0; i < LEAT_EXEC_LIMITS; i++) {
        if (leat_text_is(one->name, leat_text_of(names[i])))
            limit = &settings->commands.rights.limits[i];
    }
    if (limit == NULL)
        return wrong(settings, "--rlimit \"%.100s\": the limits are cpu, mem, files and procs",
                     one->given);
    const int size = snprintf(text, sizeof text, "%.*s", (int)one->value.size, one->value.data);
    const bool is_cpu = limit == &settings->commands.rights.limits[LEAT_EXEC_CPU];
    const bool is_read = size < (int)sizeof text &&
                         (is_cpu ? leat_parse_duration(text, &ms) : leat_parse_amount(text, limit));
    if (is_read && is_cpu)
        *limit = (uint64_t)(ms + 999) / 1000;
    if (!is_read || *limit == 0)
        return wrong(settings, "--rlimit \"%.100s\": %s", one->given,
                     is_cpu ? "a duration, of 1s or more" : "a number above 0, with K, M, G or T");
    return LEAT_ERR_OK;
}

static leat_err
take_user(leat_worker_settings *settings)
{
    char buffer[4096];
    struct passwd entry;
    struct passwd *found = NULL;
    leat_launch_rights *const rights = &settings->commands.rights;
    const char *const name = leat_options_text(settings->options, "user");
    if (name == NULL)
        return LEAT_ERR_OK;
    if (getpwnam_r(name, &entry, buffer, sizeof buffer, &found) != 0 || found == NULL)
        return wrong(settings, "--user \"%.100s\": there is no such user", name);
    if (entry.pw_uid == geteuid())
        return LEAT_ERR_OK;
    if (geteuid() != 0)
        return wrong(settings, "--user \"%.100s\": only root can run programs as somebody else",
                     name);
    rights->drops = true;
    rights->uid = entry.pw_uid;
    rights->gid = entry.pw_gid;
    (void)snprintf(settings->user_variables[0], sizeof *settings->user_variables, "HOME=%s",
                   entry.pw_dir);
    (void)snprintf(settings->user_variables[1], sizeof *settings->user_variables, "USER=%s", name);
    (void)snprintf(settings->user_variables[2], sizeof *settings->user_variables, "LOGNAME=%s",
                   name);
    for (size_t i = 0; i < 3; i++)
        settings->variables[i] = settings->user_variables[i];
    settings->commands.variables = settings->variables;
    settings->commands.variable_count = 3;
    return LEAT_ERR_OK;
}

/* Without a key everybody on this machine reaches a TCP address, and could have programs run by it.
 * Of the usual places such an address is left out. */
static leat_err
check_endpoints(leat_worker_settings *settings)
{
    size_t kept = 0;
    if (settings->worker.key != NULL)
        return LEAT_ERR_OK;
    for (size_t i = 0; i < settings->worker.endpoint_count; i++) {
        char *const endpoint = settings->endpoints[i];
        settings->endpoints[i] = NULL;
        if (strncmp(endpoint, "tcp://", 6) != 0) {
            settings->endpoints[kept++] = endpoint;
        } else if (leat_options_given(settings->options, "broker")) {
            settings->endpoints[i] = endpoint;
            return wrong(settings,
                         "--broker %.100s: programs are run only for your own ipc, or with "
                         "--key-file: anybody on this machine reaches that address",
                         endpoint);
        } else {
            free(endpoint);
        }
    }
    settings->worker.endpoint_count = kept;
    return kept > 0 ? LEAT_ERR_OK
                    : wrong(settings, "LEAT_BROKER: programs are run only for your own ipc, or "
                                      "with --key-file");
}

static leat_err
take_commands(leat_worker_settings *settings)
{
    size_t commands = 0;
    size_t lasting = 0;
    size_t plugins = 0;
    const bool allowed = leat_options_flag(settings->options, "allow-commands");
    const leat_handler *const built_in = leat_handlers(&settings->worker.handler_count);
    memcpy(settings->handlers, built_in, settings->worker.handler_count * sizeof *built_in);
    settings->worker.handlers = settings->handlers;
    settings->commands.has_cgroup = true;
    settings->commands.recycle_jobs = number_or(settings->options, "recycle", 0);
    settings->worker.commands = &settings->commands;
    leat_err err =
        allowed ? add_program(settings, "--allow-commands", LEAT_EXEC_HANDLER, NULL) : LEAT_ERR_OK;
    if (err == LEAT_ERR_OK)
        err = take_programs(settings, "command", "--command", LEAT_PROGRAM_ONESHOT, &commands);
    if (err == LEAT_ERR_OK)
        err = take_programs(settings, "stdio", "--stdio", LEAT_PROGRAM_STDIO, &lasting);
    if (err == LEAT_ERR_OK)
        err = take_plugins(settings, &plugins);
    if (err == LEAT_ERR_OK)
        err = take_pairs(settings, "rlimit", "--rlimit", take_rlimit);
    if (err == LEAT_ERR_OK)
        err = take_user(settings);
    if (err == LEAT_ERR_OK && (allowed || commands + lasting + plugins > 0))
        err = check_endpoints(settings);
    return err;
}

static leat_err
take_name(leat_worker_settings *settings)
{
    const char *const given = leat_options_text(settings->options, "name");
    if (given == NULL) {
        leat_host_worker_name(settings->name, sizeof settings->name);
    } else if (leat_name_is_valid(leat_text_of(given))) {
        memcpy(settings->name, given, strlen(given) + 1);
    } else {
        return wrong(
            settings,
            "--name \"%.100s\": a name has 1 to %u bytes of UTF-8 without control characters",
            given, LEAT_NAME_BYTES_MAX);
    }
    settings->worker.name = settings->name;
    return LEAT_ERR_OK;
}

/* When it ends by itself. */
static leat_err
take_end(leat_worker_settings *settings)
{
    const leat_options *const options = settings->options;
    const char *const until = leat_options_text(options, "until");
    int64_t for_ms;
    settings->worker.idle_exit_ms = leat_options_ms(options, "idle-exit");
    settings->worker.jobs_max = leat_options_number(options, "max-jobs");
    if (until == NULL)
        return LEAT_ERR_OK;
    /* A bare number is a duration, as everywhere. */
    if (leat_parse_duration(until, &for_ms) && for_ms > 0 && for_ms <= LEAT_DELAY_MS_MAX) {
        settings->worker.until_mono_ms = leat_clock_mono_ms() + for_ms;
        return LEAT_ERR_OK;
    }
    const int64_t now_ms = leat_clock_wall_ms();
    if (!leat_when_parse(until, now_ms, &settings->worker.until_wall_ms))
        return wrong(settings,
                     "--until \"%.100s\": a time looks like 18:30 or 2030-05-01T18:30:00Z, a "
                     "duration like 2h",
                     until);
    if (settings->worker.until_wall_ms <= now_ms)
        return wrong(settings, "--until \"%.100s\": that time is over", until);
    return LEAT_ERR_OK;
}

/* Before anything asks how many cores there are. */
static leat_err
take_cores(leat_worker_settings *settings)
{
    const char *const list = leat_options_text(settings->options, "cpu");
    const leat_err err = list == NULL ? LEAT_ERR_OK : leat_cores_keep_to(list);
    if (err == LEAT_ERR_MALFORMED)
        return wrong(settings, "--cpu \"%.100s\": write the numbers of cores as 0-3,8", list);
    if (err == LEAT_ERR_NOT_FOUND)
        return wrong(settings,
                     "--cpu \"%.100s\": some of these cores are not there for this process", list);
    return err;
}

static leat_err
take_log_level(leat_worker_settings *settings)
{
    const char *const given = leat_options_text(settings->options, "log-level");
    if (!leat_log_level_of(given, &settings->log_level))
        return wrong(settings, "--log-level \"%.100s\" is not error, warn, info or debug", given);
    return LEAT_ERR_OK;
}

/* ------------------------------------------------------------------------------------- reading */

/* -h is answered wherever it stands, also beside something wrong. */
static bool
asks_for_help(int argc, char *const argv[])
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
            return true;
    }
    return false;
}

static leat_err
read_sources(leat_worker_settings *settings, int argc, char *const argv[])
{
    leat_options *const options = settings->options;
    leat_err err = leat_options_read_arguments(options, argc, argv, false);
    if (err == LEAT_ERR_CONFIG)
        return wrong_as_options_say(settings);
    if (err != LEAT_ERR_OK)
        return err;
    if (leat_options_flag(options, "version")) {
        settings->wish = LEAT_WORKER_WISH_VERSION;
        return LEAT_ERR_OK;
    }
    if (leat_options_operand_count(options) > 0)
        return wrong(settings,
                     "no argument \"%.100s\" is expected; jobs are sent with `leat submit`",
                     leat_options_operand(options, 0));
    err = leat_options_read_rest(options, "worker.ini");
    if (leat_options_flag(options, "show-config"))
        settings->wish = LEAT_WORKER_WISH_SETTINGS;
    return err == LEAT_ERR_CONFIG ? wrong_as_options_say(settings) : err;
}

/* For --help: what is wrong is not said now. */
static void
name_plugins(leat_worker_settings *settings, int argc, char *const argv[])
{
    size_t count;
    const leat_err err = leat_options_read_arguments(settings->options, argc, argv, false);
    settings->worker.handlers = settings->handlers;
    if (err == LEAT_ERR_OK)
        (void)take_plugins(settings, &count);
    settings->why[0] = '\0';
}

leat_err
leat_worker_settings_read(leat_worker_settings *settings, int argc, char *const argv[])
{
    *settings = (leat_worker_settings){
        .wish = LEAT_WORKER_WISH_RUN,
        .log_level = LEAT_LOG_INFO,
        .worker = {.signal_fd = -1},
    };
    leat_err err = leat_options_new(rows, sizeof rows / sizeof *rows, &settings->options);
    if (err != LEAT_ERR_OK)
        return err;
    if (asks_for_help(argc, argv)) {
        settings->wish = LEAT_WORKER_WISH_HELP;
        name_plugins(settings, argc, argv);
        return LEAT_ERR_OK;
    }
    err = read_sources(settings, argc, argv);
    if (err != LEAT_ERR_OK || settings->wish != LEAT_WORKER_WISH_RUN)
        return err;

    err = take_cores(settings);
    if (err != LEAT_ERR_OK)
        return err;
    settings->worker.slots = number_or(settings->options, "slots", leat_host_cores());
    settings->worker.threads = number_or(settings->options, "threads", leat_host_cores());
    settings->worker.endpoints = (const char *const *)settings->endpoints;
    settings->worker.history = leat_options_text(settings->options, "history");
    err = take_key(settings);
    if (err == LEAT_ERR_OK)
        err = take_endpoints(settings);
    if (err == LEAT_ERR_OK)
        err = take_channels(settings);
    if (err == LEAT_ERR_OK)
        err = take_traits_and_haves(settings);
    if (err == LEAT_ERR_OK)
        err = take_commands(settings);
    if (err == LEAT_ERR_OK)
        err = take_name(settings);
    if (err == LEAT_ERR_OK)
        err = take_end(settings);
    if (err == LEAT_ERR_OK)
        err = take_log_level(settings);
    return err;
}

void
leat_worker_settings_fini(leat_worker_settings *settings)
{
    for (size_t i = 0; i < LEAT_LINK_ENDPOINTS_MAX; i++)
        free(settings->endpoints[i]);
    for (size_t i = 0; i < settings->program_count; i++) {
        free(settings->programs[i].text);
        free(settings->programs[i].rows);
    }
    leat_options_destroy(&settings->options);
    leat_key_wipe(&settings->key);
}

void
leat_worker_print_help(const leat_worker_settings *settings, FILE *out)
{
    (void)fputs(
        "leat-worker: takes jobs from a Leat broker and runs them\n"
        "\n"
        "  leat-worker                                    your own broker, a slot a core\n"
        "  leat-worker --key-file w1.key --slots 4        the broker that the key is for\n"
        "  leat-worker --broker ipc:///run/leat/broker.sock --slots 4\n"
        "  leat-worker --slots 1000000                    a million sleeping jobs\n"
        "  leat-worker --channel mail --channel thumbs --name w1\n"
        "  leat-worker --allow-commands                   programs as jobs: leat run\n"
        "  leat-worker --command thumb=/usr/local/bin/thumb   this one, and no other\n"
        "  leat-worker --stdio resize='python3 resize.py'     handlers in any language\n"
        "  leat-worker --plugin ./libthumb.so                 handlers in C\n"
        "  leat-worker --trait zone=a --have gpu=2        for jobs that ask for zone a or a GPU\n"
        "  leat-worker --until 2h --idle-exit 10m         as long as a batch system lets it\n"
        "\n"
        "Options (each is also a variable, LEAT_SLOTS, and a line in worker.ini, slots = 4):\n",
        out);
    leat_options_print_help(settings->options, out);
    (void)fputs("\nHandlers:\n", out);
    size_t count;
    const leat_handler *const handlers = leat_handlers(&count);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, "  %-8s  %s\n", handlers[i].name, handlers[i].help);
    for (size_t i = 0; i < settings->worker.handler_count; i++)
        (void)fprintf(out, "  %-8s  %s\n", settings->handlers[i].name, settings->handlers[i].help);
    (void)fputs("\nThe first SIGTERM or Ctrl-C finishes what runs and gives back the rest, the "
                "second one stops at once.\n",
                out);
}
