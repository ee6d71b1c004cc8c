/* What can be typed next. */
#include "client/cli/complete.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "client/cli/arguments.h"
#include "client/cli/help.h"
#include "client/cli/json.h"
#include "client/cli/keys.h"
#include "client/cli/state.h"

#define LIVE_MS    500 /* people wait for it: a broker that takes longer is as good as none */
#define LIVE_MAX   200 /* names of one kind that are offered */
#define HELP_BYTES 160U

/* One key press. */
typedef struct completion {
    leat_arguments arguments; /* what stands before the word */
    char *const *words;
    int word_count;
    const char *word;  /* what is typed of it; never NULL */
    const char *front; /* stands before each answer: "--color=" */
    size_t front_size;
    leat_option *rows; /* owned: of the command, and the common ones */
    size_t row_count;
    leat_option *all; /* owned: what a config file may hold, too */
    leat_cli cli;     /* its options: what has been typed already; NULL before they are needed */
} completion;

/* Offer a word if it begins as what is typed. */
static void
offer(const completion *self, const char *word, const char *help)
{
    if (strncmp(word, self->word, strlen(self->word)) != 0 || strpbrk(word, "\t\n") != NULL)
        return;
    (void)printf("%.*s%s\t%.*s\n", (int)self->front_size, self->front, word,
                 (int)strcspn(help, "\n"), help);
}

/* What stands before the word, the environment and client.ini. What is half typed may be wrong;
 * then nothing is looked up. */
static bool
has_options(completion *self)
{
    size_t count;
    const leat_arguments *const typed = &self->arguments;
    if (typed->command == NULL)
        return false;
    self->cli.command = typed->command;
    self->all = leat_cli_command_rows(typed->command, true, &count);
    return self->all != NULL &&
           leat_options_new(self->all, count, &self->cli.options) == LEAT_ERR_OK &&
           leat_options_read_arguments(self->cli.options, (int)typed->rest_count, typed->rest,
                                       false) == LEAT_ERR_OK &&
           leat_options_read_rest(self->cli.options, "client.ini") == LEAT_ERR_OK;
}

/* ---- from the broker ---- */

/* Where names of a kind are found: `list` of a query's answer has rows with `name`, and `help`. */
typedef struct source {
    const char *kind;
    const char *query;
    const char *list;
    const char *name;
    const char *help;
} source;

static const source sources[] = {
    {"<channel>",  "status",    "channels",  "name",     "kind" },
    {"<worker>",   "workers",   "workers",   "name",     "state"},
    {"<handler>",  "workers",   "workers",   "handlers", ""     },
    {"<schedule>", "schedules", "schedules", "name",     "expr" },
    {"<dead>",     "dead",      "dead",      "job",      "error"},
    {"<batch>",    "batches",   "batches",   "id",       "name" },
};

static const source *
source_of(const char *kind)
{
    for (size_t i = 0; i < LEAT_COUNT_OF(sources); i++) {
        if (strcmp(sources[i].kind, kind) == 0)
            return &sources[i];
    }
    return NULL;
}

bool
leat_complete_knows(const char *kind)
{
    static const char *const others[] = {"<file>", "<dir>", "<key>", "<topic>"};
    for (size_t i = 0; i < LEAT_COUNT_OF(others); i++) {
        if (strcmp(others[i], kind) == 0)
            return true;
    }
    return source_of(kind) != NULL;
}

/* The time is over: what has been offered until now is the answer. */
static void
give_up(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

static void
limit_time(suseconds_t ms)
{
    const struct sigaction action = {.sa_handler = give_up};
    const struct itimerval limit = {.it_value.tv_usec = ms * 1000};
    (void)fflush(stdout);
    (void)sigaction(SIGALRM, &action, NULL);
    (void)setitimer(ITIMER_REAL, &limit, NULL);
}

/* A worker's row has several handlers, and several workers have the same. */
static void
offer_name(const completion *self, cJSON *seen, const char *name, const char *help)
{
    if (*name == '\0' || cJSON_HasObjectItem(seen, name) || cJSON_GetArraySize(seen) >= LIVE_MAX)
        return;
    (void)cJSON_AddTrueToObject(seen, name);
    offer(self, name, help);
}

static void
offer_rows(const completion *self, const source *from, const char *text)
{
    const cJSON *row;
    const cJSON *name;
    cJSON *const seen = cJSON_CreateObject();
    cJSON *const answer = cJSON_Parse(text);
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(answer, from->list))
    {
        const cJSON *const names = cJSON_GetObjectItemCaseSensitive(row, from->name);
        if (cJSON_IsString(names))
            offer_name(self, seen, names->valuestring, leat_json_string(row, from->help));
        cJSON_ArrayForEach(name, names)
        {
            offer_name(self, seen,
                       cJSON_IsString(name) ? name->valuestring : leat_json_string(name, "name"),
                       "");
        }
    }
    cJSON_Delete(answer);
    cJSON_Delete(seen);
}

static void
offer_live(completion *self, const char *kind)
{
    const char *text;
    leat *broker = NULL;
    const source *const from = source_of(kind);
    if (from == NULL || !has_options(self))
        return;
    const leat_connect_options how = {.broker = leat_options_text(self->cli.options, "broker"),
                                      .key_file = leat_options_text(self->cli.options, "key-file"),
                                      .software = "leat completion",
                                      .history = ""};
    limit_time(LIVE_MS);
    const bool is_answered = leat_connect_with(&how, &broker) == LEAT_OK &&
                             leat_query(broker, from->query, "{}", &text) == LEAT_OK;
    limit_time(0);
    if (is_answered)
        offer_rows(self, from, text);
    if (broker != NULL)
        leat_disconnect(&broker);
}

/* ---- from this machine ---- */

static void
offer_keys(completion *self)
{
    char folder[LEAT_PATH_BYTES];
    leat_keys_entry *entries = NULL;
    size_t count = 0;
    if (!has_options(self) || leat_keys_folder(&self->cli, folder) != LEAT_EXIT_OK ||
        leat_keys_list(&self->cli, folder, &entries, &count, NULL) != LEAT_EXIT_OK)
        return;
    for (size_t i = 0; i < count; i++)
        offer(self, entries[i].key.name, leat_key_role_name(entries[i].key.role));
    free(entries);
}

/* ---- from the table ---- */

/* "auto always never" */
static void
offer_words(const completion *self, const char *words)
{
    char word[HELP_BYTES];
    while (*words != '\0') {
        const size_t size = strcspn(words, " ");
        (void)snprintf(word, sizeof word, "%.*s", (int)size, words);
        offer(self, word, "");
        words += size + strspn(words + size, " ");
    }
}

/* What a row's or a command's `takes` stands for. */
static void
offer_kind(completion *self, const char *takes)
{
    char kind[HELP_BYTES];
    (void)snprintf(kind, sizeof kind, "%.*s",
                   takes == NULL ? 0
                                 : (int)(strlen(takes) - (strstr(takes, "...") != NULL ? 3 : 0)),
                   takes == NULL ? "" : takes);
    if (strcmp(kind, "<file>") == 0) {
        (void)puts("files");
        return;
    }
    if (strcmp(kind, "<dir>") == 0) {
        (void)puts("folders");
        return;
    }
    (void)puts("words");
    if (strcmp(kind, "<batch>") == 0 && leat_state_last() != 0)
        offer(self, "last", "the last batch that was submitted from here");
    if (strcmp(kind, "<key>") == 0)
        offer_keys(self);
    else if (kind[0] == '<')
        offer_live(self, kind);
    else
        offer_words(self, kind);
}

/* Each noun once; of a group its verbs are the help. */
static void
offer_nouns(const completion *self)
{
    for (size_t i = 0; i < leat_cli_command_count(); i++) {
        const leat_cli_command *const command = leat_cli_command_at(i);
        char verbs[HELP_BYTES];
        size_t used = 0;
        if (i > 0 && strcmp(command->noun, leat_cli_command_at(i - 1)->noun) == 0)
            continue;
        for (size_t k = i; command->verb != NULL && leat_cli_command_at(k) != NULL &&
                           strcmp(leat_cli_command_at(k)->noun, command->noun) == 0;
             k++) {
            if (used < sizeof verbs)
                used += (size_t)snprintf(verbs + used, sizeof verbs - used, "%s%s",
                                         used > 0 ? ", " : "", leat_cli_command_at(k)->verb);
        }
        offer(self, command->noun, command->verb == NULL ? command->summary : verbs);
    }
}

static void
offer_verbs(const completion *self, const char *noun)
{
    for (size_t i = 0; i < leat_cli_command_count(); i++) {
        const leat_cli_command *const command = leat_cli_command_at(i);
        if (strcmp(command->noun, noun) == 0 && command->verb != NULL)
            offer(self, command->verb, command->summary);
    }
}

static void
offer_options(const completion *self)
{
    for (size_t i = 0; i < self->row_count; i++) {
        char name[HELP_BYTES];
        (void)snprintf(name, sizeof name, "--%s", self->rows[i].name);
        if (self->rows[i].help != NULL)
            offer(self, name, self->rows[i].help);
    }
}

static void
offer_help(const completion *self)
{
    const leat_arguments *const typed = &self->arguments;
    (void)puts("words");
    if (typed->operand_count == 1)
        offer_verbs(self, typed->rest[typed->rest_count - 1]);
    if (typed->operand_count > 0)
        return;
    for (size_t i = 0; leat_help_topic_name(i) != NULL; i++)
        offer(self, leat_help_topic_name(i), leat_help_topic(leat_help_topic_name(i)));
    offer_nouns(self);
}

/* ---- what comes at this place ---- */

/* The row of an option as it was typed: "--color", "-j", or letters of which the last one is it. */
static const leat_option *
row_of(const completion *self, const char *typed, size_t size)
{
    const bool is_long = size > 2 && typed[1] == '-';
    for (size_t i = 0; i < self->row_count; i++) {
        const leat_option *const row = &self->rows[i];
        if (is_long ? strlen(row->name) == size - 2 && memcmp(row->name, typed + 2, size - 2) == 0
                    : row->letter != 0 && row->letter == typed[size - 1])
            return row;
    }
    return NULL;
}

static void
answer_value(completion *self, const char *option, size_t size)
{
    const leat_option *const row = row_of(self, option, size);
    offer_kind(self, row == NULL ? NULL : row->takes);
}

/* "--color=al" */
static void
answer_joined(completion *self)
{
    const char *const equals = strchr(self->word, '=');
    self->front = self->word;
    self->front_size = (size_t)(equals - self->word) + 1;
    self->word = equals + 1;
    answer_value(self, self->front, self->front_size - 1);
}

static void
answer_operand(completion *self)
{
    const leat_arguments *const typed = &self->arguments;
    const leat_cli_command *const command = typed->command;
    const char *const takes = command->takes;
    const bool is_first = typed->operand_count == 0;
    if ((command->flags & LEAT_CLI_COMMAND_OWN) != 0 && !typed->has_handler)
        (void)printf("command %d\n", self->word_count - 1);
    else if (takes != NULL && strcmp(takes, "<topic>") == 0)
        offer_help(self);
    else if (takes != NULL && (is_first || strstr(takes, "...") != NULL))
        offer_kind(self, takes);
    else
        (void)puts("words");
}

static void
answer(completion *self)
{
    const leat_arguments *const typed = &self->arguments;
    if (typed->inputs != NULL) {
        (void)puts("files");
    } else if (typed->tail != NULL) {
        (void)printf("command %d\n", self->word_count - 1 - (int)typed->tail_count);
    } else if (typed->awaiting != NULL) {
        answer_value(self, typed->awaiting, strlen(typed->awaiting));
    } else if (self->word[0] == '-' && !typed->words_only) {
        if (strncmp(self->word, "--", 2) == 0 && strchr(self->word, '=') != NULL) {
            answer_joined(self);
        } else {
            (void)puts("words");
            offer_options(self);
        }
    } else if (typed->command != NULL) {
        answer_operand(self);
    } else {
        (void)puts("words");
        if (typed->kind == LEAT_ARGUMENTS_NONE)
            offer_nouns(self);
        else if (typed->kind == LEAT_ARGUMENTS_VERB_MISSING)
            offer_verbs(self, typed->noun);
    }
}

/* The rows of the command; before there is one, those of every command. */
static bool
take_rows(completion *self)
{
    size_t count;
    if (self->arguments.command != NULL) {
        self->rows = leat_cli_command_rows(self->arguments.command, false, &self->row_count);
        return self->rows != NULL;
    }
    const leat_option *const common = leat_common_rows(&count);
    self->rows = calloc(count, sizeof *self->rows);
    if (self->rows == NULL)
        return false;
    memcpy(self->rows, common, count * sizeof *common);
    self->row_count = count;
    return true;
}

int
leat_complete(int word_count, char *const words[])
{
    char none[] = "";
    char program[] = "leat";
    char *const nothing[] = {none};
    completion self = {
        .words = word_count > 0 ? words : nothing,
        .word_count = word_count > 0 ? word_count : 1,
        .front = "",
    };
    self.word = self.words[self.word_count - 1];
    /* The terminal belongs to the line that is typed. */
    if (freopen("/dev/null", "w", stderr) == NULL)
        return LEAT_EXIT_LEAT;
    /* argv[0] is passed over: what the shell calls it is not among the words. */
    char **const argv = calloc((size_t)self.word_count + 1, sizeof *argv);
    if (argv == NULL)
        return LEAT_EXIT_LEAT;
    argv[0] = program;
    memcpy(argv + 1, self.words, ((size_t)self.word_count - 1) * sizeof *argv);
    int code = LEAT_EXIT_LEAT;
    if (leat_arguments_split(self.word_count, argv, &self.arguments) == LEAT_ERR_OK &&
        take_rows(&self)) {
        if (self.arguments.awaiting != NULL) /* an option without its value reads as a mistake */
            self.arguments.rest_count--;
        answer(&self);
        code = LEAT_EXIT_OK;
    }
    leat_options_destroy(&self.cli.options);
    leat_arguments_fini(&self.arguments);
    free(self.all);
    free(self.rows);
    free(argv);
    return code;
}
