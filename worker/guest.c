/* leat_worker of leat.h: the engine in somebody else's program. Options, the table of handlers, and
 * the way in and out; the engine does the rest.
 *
 * The engine comes to be in leat_worker_run and stays until leat_worker_close, so that
 * leat_worker_drain, from whatever thread or signal handler, finds one or none, and never one that
 * goes away. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <leat.h>

#include "proto/base/log.h"
#include "proto/link/way.h"
#include "proto/settings.h"
#include "worker/engine.h"
#include "worker/host.h"
#include "worker/job.h"

#define THREADS_MAX 1024U

struct leat_worker {
    leat_engine_options options; /* borrows from what follows */
    leat_status failed;          /* what leat_worker_open has returned */
    leat_way way;
    char name[LEAT_NAME_BYTES_MAX + 1];
    char software[LEAT_NAME_BYTES_MAX + 1];
    char *history;   /* owned; NULL: none */
    char **channels; /* owned, as the names in it */
    leat_hello_trait traits[LEAT_TRAITS_MAX];
    leat_hello_have haves[LEAT_HAVES_MAX];
    leat_handler rows[LEAT_HANDLERS_MAX];
    char *names[LEAT_HANDLERS_MAX]; /* of rows, owned */
    leat_job_code codes[LEAT_HANDLERS_MAX];

    _Atomic(leat_engine *) engine; /* owned; NULL: leat_worker_run has not been there */
    atomic_bool drains;            /* asked for */
    char sentence[1024];
};

__attribute__((format(printf, 3, 4))) static leat_status
fail(leat_worker *worker, leat_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    (void)vsnprintf(worker->sentence, sizeof worker->sentence, format, args);
    va_end(args);
    return status;
}

static leat_status
fail_by(leat_worker *worker, leat_err err)
{
    if (err == LEAT_ERR_NOMEM)
        return fail(worker, LEAT_NO_MEMORY, "%s", leat_err_message(err));
    return fail(worker, LEAT_REFUSED, "the worker cannot start: %s", leat_err_message(err));
}

const char *
leat_worker_sentence(const leat_worker *worker)
{
    return worker == NULL ? leat_err_message(LEAT_ERR_NOMEM) : worker->sentence;
}

/* -------------------------------------------------------------------------------------- options */

void
leat_worker_options_init_sized(leat_worker_options *options, size_t size)
{
    const leat_worker_options nothing = {.struct_size = size};
    memset(options, 0, size);
    memcpy(options, &nothing, size < sizeof nothing ? size : sizeof nothing);
}

static leat_status
read_options(leat_worker *worker, const leat_worker_options *given, leat_worker_options *out)
{
    leat_worker_options_init(out);
    if (given == NULL)
        return LEAT_OK;
    if (given->struct_size < offsetof(leat_worker_options, log_level))
        return fail(worker, LEAT_WRONG_USE, "options are to be made with leat_worker_options_init");
    memcpy(out, given, given->struct_size < sizeof *out ? given->struct_size : sizeof *out);
    out->struct_size = sizeof *out;
    return LEAT_OK;
}

/* One for the process: what is said last counts, and before the first time nothing is written. */
static void
be_silent(void)
{
    leat_log_set_off();
}

static leat_status
take_log_level(leat_worker *worker, const char *word)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    leat_log_level level;
    (void)pthread_once(&once, be_silent);
    if (word == NULL)
        return LEAT_OK;
    if (!leat_log_level_of(word, &level))
        return fail(worker, LEAT_WRONG_USE,
                    "log_level \"%.100s\" is not error, warn, info or debug", word);
    leat_log_set_level(level);
    return LEAT_OK;
}

static leat_status
take_way(leat_worker *worker, const leat_worker_options *given)
{
    char why[LEAT_KEY_WHY_BYTES];
    const leat_err err = leat_way_find(given->broker, given->key_file, &worker->way, why);
    if (err == LEAT_ERR_DENIED)
        return fail(worker, LEAT_DENIED, "%s", why);
    if (err == LEAT_ERR_CONFIG)
        return fail(worker, LEAT_WRONG_USE, "%s", why);
    if (err != LEAT_ERR_OK)
        return fail_by(worker, err);
    worker->options.endpoints = (const char *const *)worker->way.endpoints;
    worker->options.endpoint_count = worker->way.count;
    worker->options.key = worker->way.has_key ? &worker->way.key : NULL;
    return LEAT_OK;
}

static leat_status
take_names(leat_worker *worker, const leat_worker_options *given)
{
    if (given->name == NULL)
        leat_host_worker_name(worker->name, sizeof worker->name);
    else if (!leat_name_is_valid(leat_text_of(given->name)))
        return fail(worker, LEAT_WRONG_USE,
                    "name: a name has 1 to %u bytes of UTF-8 without control characters",
                    LEAT_NAME_BYTES_MAX);
    else
        (void)snprintf(worker->name, sizeof worker->name, "%s", given->name);
    (void)snprintf(worker->software, sizeof worker->software, "%s",
                   given->software == NULL ? "libleat " LEAT_VERSION : given->software);
    worker->options.name = worker->name;
    worker->options.software = worker->software;
    const char *const history =
        given->history == NULL ? leat_way_variable("LEAT_HISTORY") : given->history;
    if (history == NULL || history[0] == '\0')
        return LEAT_OK;
    worker->history = strdup(history);
    worker->options.history = worker->history;
    return worker->history == NULL ? fail_by(worker, LEAT_ERR_NOMEM) : LEAT_OK;
}

static leat_status
take_channels(leat_worker *worker, const leat_worker_options *given)
{
    if (given->channel_count > LEAT_SUBSCRIPTIONS_MAX)
        return fail(worker, LEAT_WRONG_USE, "channels: at most %u", LEAT_SUBSCRIPTIONS_MAX);
    if (given->channels == NULL || given->channel_count == 0)
        return LEAT_OK;
    worker->channels = calloc(given->channel_count, sizeof *worker->channels);
    if (worker->channels == NULL)
        return fail_by(worker, LEAT_ERR_NOMEM);
    worker->options.channels = (const char *const *)worker->channels;
    for (size_t i = 0; i < given->channel_count; i++) {
        const char *const channel = given->channels[i];
        if (channel == NULL || !leat_name_is_valid(leat_text_of(channel)))
            return fail(worker, LEAT_WRONG_USE,
                        "channels[%zu]: a name has 1 to %u bytes of UTF-8 without control "
                        "characters",
                        i, LEAT_NAME_BYTES_MAX);
        worker->channels[i] = strdup(channel);
        worker->options.channel_count = i + 1;
        if (worker->channels[i] == NULL)
            return fail_by(worker, LEAT_ERR_NOMEM);
    }
    return LEAT_OK;
}

static leat_status
take_traits(leat_worker *worker, const char *text)
{
    leat_text rest = leat_text_of(text);
    leat_text name;
    leat_text value;
    worker->options.traits = worker->traits;
    if (rest.size == 0)
        return LEAT_OK;
    if (!leat_traits_is_valid(rest))
        return fail(worker, LEAT_WRONG_USE,
                    "traits \"%.100s\": write them as arch=arm,zone=a, names rising", text);
    while (leat_traits_next(&rest, &name, &value)) {
        leat_hello_trait *const trait = &worker->traits[worker->options.trait_count++];
        (void)snprintf(trait->name, sizeof trait->name, "%.*s", (int)name.size, name.data);
        (void)snprintf(trait->value, sizeof trait->value, "%.*s", (int)value.size, value.data);
    }
    return LEAT_OK;
}

static void
add_have(leat_worker *worker, leat_text name, uint64_t amount)
{
    for (size_t i = 0; i < worker->options.have_count; i++) {
        if (leat_text_is(name, leat_text_of(worker->haves[i].name)))
            return; /* what was said counts */
    }
    leat_hello_have *const have = &worker->haves[worker->options.have_count++];
    (void)snprintf(have->name, sizeof have->name, "%.*s", (int)name.size, name.data);
    have->amount = amount;
}

static leat_status
take_haves(leat_worker *worker, const char *text)
{
    static_assert(LEAT_NEEDS_MAX + 2 <= LEAT_HAVES_MAX, "what is said, cpus and mem");
    static_assert(LEAT_NEEDS_MAX <= LEAT_TRAITS_MAX, "as many traits");
    leat_text rest = leat_text_of(text);
    leat_text name;
    uint64_t amount;
    worker->options.haves = worker->haves;
    if (rest.size > 0 && !leat_needs_is_valid(rest))
        return fail(worker, LEAT_WRONG_USE,
                    "haves \"%.100s\": write them as gpu=2,licences=5, names rising", text);
    while (rest.size > 0 && leat_needs_next(&rest, &name, &amount))
        add_have(worker, name, amount);
    add_have(worker, leat_text_of("cpus"), leat_host_cores());
    const uint64_t bytes = leat_host_memory("");
    if (bytes > 0)
        add_have(worker, leat_text_of("mem"), bytes);
    return LEAT_OK;
}

static leat_status
take_slots(leat_worker *worker, const leat_worker_options *given)
{
    if (given->slots > LEAT_SLOTS_MAX || given->threads > THREADS_MAX)
        return fail(worker, LEAT_WRONG_USE, "slots: at most %u; threads: at most %u",
                    LEAT_SLOTS_MAX, THREADS_MAX);
    const uint32_t slots = given->slots == 0 ? leat_host_cores() : given->slots;
    const uint32_t threads = given->threads == 0 ? slots : given->threads;
    worker->options.slots = slots;
    worker->options.threads = threads < THREADS_MAX ? threads : THREADS_MAX;
    return LEAT_OK;
}

leat_status
leat_worker_open(const leat_worker_options *options, leat_worker **out)
{
    leat_worker_options given;
    leat_worker *const worker = calloc(1, sizeof *worker);
    *out = worker;
    if (worker == NULL)
        return LEAT_NO_MEMORY;
    worker->options.handlers = worker->rows;
    worker->options.signal_fd = -1;
    leat_status status = read_options(worker, options, &given);
    if (status == LEAT_OK)
        status = take_log_level(worker, given.log_level);
    if (status == LEAT_OK)
        status = take_way(worker, &given);
    if (status == LEAT_OK)
        status = take_names(worker, &given);
    if (status == LEAT_OK)
        status = take_channels(worker, &given);
    if (status == LEAT_OK)
        status = take_traits(worker, given.traits);
    if (status == LEAT_OK)
        status = take_haves(worker, given.haves);
    if (status == LEAT_OK)
        status = take_slots(worker, &given);
    worker->failed = status;
    return status;
}

void
leat_worker_close(leat_worker **worker_p)
{
    leat_worker *const worker = *worker_p;
    *worker_p = NULL;
    if (worker == NULL)
        return;
    leat_engine *engine = atomic_load(&worker->engine);
    leat_engine_destroy(&engine);
    for (size_t i = 0; i < worker->options.handler_count; i++)
        free(worker->names[i]);
    for (size_t i = 0; i < worker->options.channel_count; i++)
        free(worker->channels[i]);
    free((void *)worker->channels);
    free(worker->history);
    leat_way_fini(&worker->way);
    free(worker);
}

/* ------------------------------------------------------------------------------------- handlers */

/* Of one that could not be opened the sentence stays. */
static leat_status
begin(leat_worker *worker)
{
    if (worker == NULL)
        return LEAT_NO_MEMORY;
    if (worker->failed == LEAT_OK)
        worker->sentence[0] = '\0';
    return worker->failed;
}

leat_status
leat_worker_handle(leat_worker *worker, const char *name, leat_handle *call, void *context)
{
    const leat_status status = begin(worker);
    if (status != LEAT_OK)
        return status;
    size_t *const count = &worker->options.handler_count;
    if (atomic_load(&worker->engine) != NULL)
        return fail(worker, LEAT_WRONG_USE, "handlers are told before leat_worker_run");
    if (name == NULL || call == NULL || !leat_name_is_valid(leat_text_of(name)))
        return fail(worker, LEAT_WRONG_USE,
                    "a handler has a name of 1 to %u bytes of UTF-8 without control characters, "
                    "and a function",
                    LEAT_NAME_BYTES_MAX);
    if (leat_handler_find(worker->rows, *count, leat_text_of(name)) != NULL)
        return fail(worker, LEAT_WRONG_USE, "there is a handler \"%s\" already", name);
    if (*count == LEAT_HANDLERS_MAX)
        return fail(worker, LEAT_WRONG_USE, "at most %u handlers", LEAT_HANDLERS_MAX);
    worker->names[*count] = strdup(name);
    if (worker->names[*count] == NULL)
        return fail_by(worker, LEAT_ERR_NOMEM);
    worker->codes[*count] = (leat_job_code){.call = call, .context = context};
    worker->rows[*count] = (leat_handler){.name = worker->names[*count],
                                          .runs = LEAT_RUNS_POOL,
                                          .run = leat_job_handle,
                                          .context = &worker->codes[*count]};
    ++*count;
    return LEAT_OK;
}

/* ------------------------------------------------------------------------------------------ life
 */

static leat_status
start(leat_worker *worker, leat_engine **out)
{
    if (atomic_load(&worker->engine) != NULL)
        return fail(worker, LEAT_WRONG_USE, "a worker runs once; open another one");
    if (worker->options.handler_count == 0)
        return fail(worker, LEAT_WRONG_USE, "a worker without handlers has nothing to do");
    const leat_err err = leat_engine_new(&worker->options, out);
    if (err == LEAT_ERR_CONFIG)
        return fail(worker, LEAT_WRONG_USE,
                    "an address that cannot be connected to, or a history that cannot be written");
    return err == LEAT_ERR_OK ? LEAT_OK : fail_by(worker, err);
}

leat_status
leat_worker_run(leat_worker *worker)
{
    leat_engine *engine = NULL;
    leat_status status = begin(worker);
    if (status == LEAT_OK)
        status = start(worker, &engine);
    if (status != LEAT_OK)
        return status;
    /* Whoever asked before has set `drains`; whoever asks from now on finds the engine. */
    atomic_store(&worker->engine, engine);
    if (atomic_load(&worker->drains))
        leat_engine_drain(engine);
    const leat_err err = leat_engine_run(engine);
    switch ((int)err) {
    case LEAT_ERR_OK:
        return LEAT_OK;
    case LEAT_ERR_TIMEOUT:
        return fail(worker, LEAT_UNKNOWN, "%s", leat_engine_sentence(engine));
    case LEAT_ERR_NOMEM:
        return fail_by(worker, err);
    default:
        return fail(worker, err == LEAT_ERR_DENIED ? LEAT_DENIED : LEAT_REFUSED, "%s",
                    leat_engine_sentence(engine));
    }
}

void
leat_worker_drain(leat_worker *worker)
{
    const int before = errno; /* of whom a signal has interrupted */
    atomic_store(&worker->drains, true);
    leat_engine *const engine = atomic_load(&worker->engine);
    if (engine != NULL)
        leat_engine_drain(engine);
    errno = before;
}
