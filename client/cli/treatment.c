/* Options into leat_batch_options. */
#include "client/cli/treatment.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/batches.h"
#include "client/cli/when.h"
#include "proto/base/clock.h"
#include "proto/settings.h"

/* ---- texts ---- */

/* A text that must be a name; NULL stays NULL. */
static int
take_name(const leat_cli *cli, const char *option, const char **out)
{
    char what[64];
    *out = leat_options_text(cli->options, option);
    (void)snprintf(what, sizeof what, "--%s", option);
    return *out == NULL ? LEAT_EXIT_OK : leat_cli_check_name(cli, what, *out);
}

const char *
leat_treatment_handler(const leat_cli *cli)
{
    const char *handler;
    if (take_name(cli, "handler", &handler) != LEAT_EXIT_OK)
        return NULL;
    if (handler == NULL)
        (void)leat_cli_usage(cli, "--handler NAME is missing: which code shall run?");
    return handler;
}

/* ---- lists of pairs: --needs and --on ---- */

typedef struct pair {
    leat_text name;
    leat_text value;
    uint64_t amount;
} pair;

typedef struct pairs {
    const leat_cli *cli;
    const char *option; /* "--needs" */
    const char *right;  /* what one looks like */
    bool amounts;
    size_t count;
    pair rows[LEAT_NEEDS_MAX];
} pairs;

static int
wrong_pair(const pairs *self, const char *given, const char *why)
{
    return leat_cli_usage(self->cli, "%s \"%.100s\": %s, as in %s", self->option, given, why,
                          self->right);
}

/* Keeps them in the order of their names, which is how they travel. */
static int
add_pair(pairs *self, const char *given, const pair *one)
{
    size_t at = 0;
    if (self->count == LEAT_NEEDS_MAX)
        return leat_cli_usage(self->cli, "%s: at most %u can be given", self->option,
                              LEAT_NEEDS_MAX);
    for (; at < self->count; at++) {
        const leat_text other = self->rows[at].name;
        const size_t shared = other.size < one->name.size ? other.size : one->name.size;
        const int order = memcmp(other.data, one->name.data, shared);
        if (order == 0 && other.size == one->name.size)
            return wrong_pair(self, given, "a name stands there twice");
        if (order > 0 || (order == 0 && other.size > one->name.size))
            break;
    }
    memmove(&self->rows[at + 1], &self->rows[at], (self->count - at) * sizeof *self->rows);
    self->rows[at] = *one;
    self->count++;
    return LEAT_EXIT_OK;
}

static int
take_pair(pairs *self, const char *given, const char *data, size_t size)
{
    char text[32];
    const char *const sign = memchr(data, '=', size);
    if (sign == NULL)
        return wrong_pair(self, given, "a \"=\" is missing");
    pair one = {
        .name = {.data = data,     .size = (size_t)(sign - data)           },
        .value = {.data = sign + 1, .size = size - (size_t)(sign - data) - 1}
    };
    if (!leat_trait_name_is_valid(one.name))
        return wrong_pair(self, given, "a name has 1 to 32 of a-z 0-9 _ and -");
    if (!self->amounts && !leat_trait_value_is_valid(one.value))
        return wrong_pair(self, given,
                          "a value has 1 to 64 printable ASCII characters and no comma");
    if (self->amounts) {
        const int wrote = snprintf(text, sizeof text, "%.*s", (int)one.value.size, one.value.data);
        if (wrote >= (int)sizeof text || !leat_parse_amount(text, &one.amount) || one.amount == 0)
            return wrong_pair(self, given,
                              "an amount is a whole number above 0, for sizes with K, M, G or T "
                              "behind it");
    }
    return add_pair(self, given, &one);
}

/* One given text: pairs with commas between. */
static int
take_pairs(pairs *self, const char *given)
{
    int code = LEAT_EXIT_OK;
    const char *p = given;
    while (code == LEAT_EXIT_OK) {
        const size_t size = strcspn(p, ",");
        code = take_pair(self, given, p, size);
        if (p[size] == '\0')
            break;
        p += size + 1;
    }
    return code;
}

static int
put_pairs(const pairs *self, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < self->count; i++) {
        const pair *const one = &self->rows[i];
        const size_t room = size - used;
        const char *const gap = i > 0 ? "," : "";
        const int wrote = self->amounts
                              ? snprintf(out + used, room, "%s%.*s=%llu", gap, (int)one->name.size,
                                         one->name.data, (unsigned long long)one->amount)
                              : snprintf(out + used, room, "%s%.*s=%.*s", gap, (int)one->name.size,
                                         one->name.data, (int)one->value.size, one->value.data);
        if (wrote < 0 || (size_t)wrote >= room)
            return leat_cli_usage(self->cli, "%s: more than %zu bytes in all", self->option,
                                  size - 1);
        used += (size_t)wrote;
    }
    return LEAT_EXIT_OK;
}

static int
take_needs(const leat_cli *cli, leat_treatment *out)
{
    pairs self = {.cli = cli, .option = "--needs", .right = "cpus=4,mem=2G,gpu=1", .amounts = true};
    const char *const given = leat_options_text(cli->options, "needs");
    if (given == NULL)
        return LEAT_EXIT_OK;
    int code = take_pairs(&self, given);
    if (code == LEAT_EXIT_OK)
        code = put_pairs(&self, out->needs, sizeof out->needs);
    out->options.needs = out->needs;
    return code;
}

/* Pairs of an option that may be given several times. */
static int
take_list(const leat_cli *cli, const char *option, pairs *self, char *out, size_t size)
{
    const char *const *given = NULL;
    const size_t count = leat_options_list(cli->options, option, &given);
    int code = LEAT_EXIT_OK;
    *out = '\0';
    for (size_t i = 0; i < count && code == LEAT_EXIT_OK; i++)
        code = take_pairs(self, given[i]);
    if (code == LEAT_EXIT_OK && count > 0)
        code = put_pairs(self, out, size);
    return code;
}

static int
take_traits(const leat_cli *cli, leat_treatment *out)
{
    pairs self = {.cli = cli, .option = "--on", .right = "--on zone=a"};
    const int code = take_list(cli, "on", &self, out->traits, sizeof out->traits);
    if (*out->traits != '\0')
        out->options.traits = out->traits;
    return code;
}

static_assert(LEAT_LABELS_MAX <= LEAT_NEEDS_MAX, "labels are read as pairs are");

int
leat_treatment_labels(const leat_cli *cli, char out[LEAT_LABELS_BYTES_MAX + 1])
{
    pairs self = {.cli = cli, .option = "--label", .right = "--label env=prod"};
    return take_list(cli, "label", &self, out, LEAT_LABELS_BYTES_MAX + 1);
}

/* ---- numbers and durations ---- */

bool
leat_treatment_backoff(const char *text, int64_t *min_ms, int64_t *max_ms)
{
    char first[64];
    const char *const dots = strstr(text, "..");
    const size_t size = dots == NULL ? strlen(text) : (size_t)(dots - text);
    if (size >= sizeof first)
        return false;
    memcpy(first, text, size);
    first[size] = '\0';
    if (!leat_parse_duration(first, min_ms) ||
        !leat_parse_duration(dots == NULL ? first : dots + 2, max_ms))
        return false;
    return *min_ms >= 1 && *min_ms <= *max_ms && *max_ms <= LEAT_DELAY_MS_MAX;
}

static int
take_backoff(const leat_cli *cli, leat_treatment *out)
{
    const char *const given = leat_options_text(cli->options, "backoff");
    if (given == NULL ||
        leat_treatment_backoff(given, &out->options.backoff_min_ms, &out->options.backoff_max_ms))
        return LEAT_EXIT_OK;
    return leat_cli_usage(cli, "--backoff \"%.100s\": two durations, the shorter first, as in %s",
                          given, "1s..10m");
}

static void
take_figures(const leat_cli *cli, leat_batch_options *o)
{
    const leat_options *const options = cli->options;
    if (leat_options_given(options, "priority"))
        o->priority = (int)leat_options_number(options, "priority");
    if (leat_options_given(options, "retries"))
        o->failures = (int)leat_options_number(options, "retries") + 1;
    o->losses = (int)leat_options_number(options, "losses");
    o->snoozes = (int)leat_options_number(options, "snoozes");
    o->run_limit_ms = leat_options_ms(options, "run-limit");
    o->grace_ms = leat_options_ms(options, "grace");
    o->expires_ms = leat_options_ms(options, "expires");
    o->unique_for_ms = leat_options_ms(options, "unique-for");
}

int
leat_treatment_read(leat_cli *cli, leat_treatment *out)
{
    leat_batch_options *const o = &out->options;
    *out = (leat_treatment){0};
    leat_batch_options_init(o);
    take_figures(cli, o);
    int code = take_backoff(cli, out);
    if (code == LEAT_EXIT_OK)
        code = take_name(cli, "channel", &o->channel);
    if (code == LEAT_EXIT_OK)
        code = take_name(cli, "unique", &o->unique);
    if (code == LEAT_EXIT_OK)
        code = take_name(cli, "flow", &o->flow);
    if (code == LEAT_EXIT_OK)
        code = take_name(cli, "key", &o->key);
    if (code == LEAT_EXIT_OK)
        code = take_needs(cli, out);
    if (code == LEAT_EXIT_OK)
        code = take_traits(cli, out);
    if (code == LEAT_EXIT_OK && o->unique_for_ms > 0 && o->unique == NULL)
        code = leat_cli_usage(cli, "--unique-for goes with --unique KEY");
    return code;
}

/* ---- when, after what, and what follows ---- */

static int
take_time(const leat_cli *cli, leat_batch_options *o)
{
    const char *const at = leat_options_text(cli->options, "at");
    o->delay_ms = leat_options_ms(cli->options, "in");
    if (at == NULL)
        return LEAT_EXIT_OK;
    if (leat_options_given(cli->options, "in"))
        return leat_cli_usage(cli, "--in and --at both say when: give one of them");
    if (leat_when_parse(at, leat_clock_wall_ms(), &o->at_ms))
        return LEAT_EXIT_OK;
    return leat_cli_usage(cli,
                          "--at \"%.100s\": a time is 18:30 (the next one on this clock) or "
                          "2030-05-01T18:30:00Z",
                          at);
}

static int
take_after(leat_cli *cli, leat_batch_options *o)
{
    static const struct {
        const char *word;
        int when;
    } words[] = {
        {"ok",     LEAT_WHEN_OK    },
        {"any",    LEAT_WHEN_ANY   },
        {"failed", LEAT_WHEN_FAILED},
    };
    char selector[64];
    const char *const given = leat_options_text(cli->options, "after");
    if (given == NULL)
        return LEAT_EXIT_OK;
    const size_t size = strcspn(given, ":");
    if (size >= sizeof selector)
        return leat_cli_usage(cli, "--after \"%.100s\": give a batch, as in 42 or 42:any", given);
    memcpy(selector, given, size);
    selector[size] = '\0';
    if (given[size] == ':') {
        for (size_t i = 0; i < LEAT_COUNT_OF(words); i++) {
            if (strcmp(given + size + 1, words[i].word) == 0)
                o->after = words[i].when;
        }
        if (o->after == 0)
            return leat_cli_usage(cli, "--after \"%.100s\": behind \":\" stands ok, any or failed",
                                  given);
    }
    return leat_batches_number(cli, selector, &o->after_batch);
}

/* NAME or NAME=PAYLOAD, the payload borrowed. */
static int
take_follow(const leat_cli *cli,
            const char *option,
            const char *given,
            leat_treatment *treatment,
            leat_follow *out)
{
    const size_t size = strcspn(given, "=");
    char *const name = strndup(given, size);
    if (name == NULL)
        return leat_cli_fail(cli, LEAT_EXIT_LEAT, "NO_MEMORY", NULL, "out of memory");
    treatment->names[treatment->name_count++] = name;
    out->handler = name;
    out->payload = given[size] == '=' ? given + size + 1 : "";
    out->size = strlen(out->payload);
    return leat_cli_check_name(cli, option, name);
}

static int
take_followers(const leat_cli *cli, leat_treatment *out)
{
    const char *const *given = NULL;
    const size_t count = leat_options_list(cli->options, "finally", &given);
    const char *const recover = leat_options_text(cli->options, "recover");
    int code = LEAT_EXIT_OK;
    if (count > LEAT_FINALLY_MAX)
        return leat_cli_usage(cli, "--finally: at most %u jobs can follow", LEAT_FINALLY_MAX);
    for (size_t i = 0; i < count && code == LEAT_EXIT_OK; i++)
        code = take_follow(cli, "--finally", given[i], out, &out->finally[i]);
    if (code == LEAT_EXIT_OK && recover != NULL)
        code = take_follow(cli, "--recover", recover, out, &out->recover);
    out->options.finally = out->finally;
    out->options.finally_count = count;
    out->options.recover = recover == NULL ? NULL : &out->recover;
    return code;
}

/* now|soon,fail|success|done=N|N% */
static bool
parse_halt(const char *p, leat_batch_options *o)
{
    static const struct {
        const char *word;
        int at;
    } words[] = {
        {"fail=",    LEAT_HALT_AT_FAILED},
        {"success=", LEAT_HALT_AT_OK    },
        {"done=",    LEAT_HALT_AT_ENDED },
    };
    char digits[24];
    uint64_t n;
    o->halt_running = strncmp(p, "now,", 4) == 0;
    if (!o->halt_running && strncmp(p, "soon,", 5) != 0)
        return false;
    p += o->halt_running ? 4 : 5;
    for (size_t i = 0; i < LEAT_COUNT_OF(words); i++) {
        if (strncmp(p, words[i].word, strlen(words[i].word)) == 0)
            o->halt = words[i].at;
    }
    if (o->halt == 0)
        return false;
    p = strchr(p, '=') + 1;
    const size_t size = strcspn(p, "%");
    if (size >= sizeof digits || (p[size] == '%' && p[size + 1] != '\0'))
        return false;
    memcpy(digits, p, size);
    digits[size] = '\0';
    o->halt_percent = p[size] == '%';
    if (!leat_parse_number(digits, &n) || n == 0 || n > (o->halt_percent ? 100 : UINT32_MAX))
        return false;
    o->halt_n = (uint32_t)n;
    return true;
}

static int
take_halt(const leat_cli *cli, leat_batch_options *o)
{
    const char *const given = leat_options_text(cli->options, "halt");
    if (given == NULL || parse_halt(given, o))
        return LEAT_EXIT_OK;
    return leat_cli_usage(cli,
                          "--halt \"%.100s\": now or soon, then fail, success or done, then how "
                          "many, as in now,fail=1 or soon,done=10%%",
                          given);
}

int
leat_treatment_read_relations(leat_cli *cli, leat_treatment *out)
{
    leat_batch_options *const o = &out->options;
    int code = take_name(cli, "name", &o->name);
    if (code == LEAT_EXIT_OK)
        code = leat_treatment_labels(cli, out->labels);
    if (*out->labels != '\0')
        o->labels = out->labels;
    if (code == LEAT_EXIT_OK)
        code = take_time(cli, o);
    if (code == LEAT_EXIT_OK)
        code = take_after(cli, o);
    if (code == LEAT_EXIT_OK)
        code = take_followers(cli, out);
    if (code == LEAT_EXIT_OK)
        code = take_name(cli, "reply", &o->reply);
    if (code == LEAT_EXIT_OK)
        code = take_name(cli, "reply-handler", &o->reply_handler);
    if (code == LEAT_EXIT_OK && o->reply_handler != NULL && o->reply == NULL)
        code = leat_cli_usage(cli, "--reply-handler goes with --reply CHANNEL");
    if (code == LEAT_EXIT_OK)
        code = take_halt(cli, o);
    return code;
}

void
leat_treatment_fini(leat_treatment *treatment)
{
    for (size_t i = 0; i < treatment->name_count; i++)
        free(treatment->names[i]);
    *treatment = (leat_treatment){0};
}

/* ---- as JSON ---- */

cJSON *
leat_treatment_json(const leat_treatment *treatment)
{
    const leat_batch_options *const o = &treatment->options;
    const struct {
        const char *key;
        int64_t value;
        int64_t unsaid;
    } figures[] = {
        {"priority",       o->priority,       -1},
        {"failures",       o->failures,       0 },
        {"losses",         o->losses,         0 },
        {"snoozes",        o->snoozes,        0 },
        {"backoff_min_ms", o->backoff_min_ms, 0 },
        {"backoff_max_ms", o->backoff_max_ms, 0 },
        {"run_limit_ms",   o->run_limit_ms,   0 },
        {"grace_ms",       o->grace_ms,       0 },
        {"expires_ms",     o->expires_ms,     0 },
        {"unique_for_ms",  o->unique_for_ms,  0 },
    };
    const struct {
        const char *key;
        const char *text;
    } texts[] = {
        {"unique", o->unique},
        {"flow",   o->flow  },
        {"key",    o->key   },
        {"needs",  o->needs },
        {"traits", o->traits},
    };
    cJSON *const json = cJSON_CreateObject();
    for (size_t i = 0; i < LEAT_COUNT_OF(figures); i++) {
        if (figures[i].value != figures[i].unsaid)
            (void)cJSON_AddNumberToObject(json, figures[i].key, (double)figures[i].value);
    }
    for (size_t i = 0; i < LEAT_COUNT_OF(texts); i++) {
        if (texts[i].text != NULL)
            (void)cJSON_AddStringToObject(json, texts[i].key, texts[i].text);
    }
    return json;
}
