/* The table of options: command line, environment and files into one value a row. */
#include "proto/base/option.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/config.h"

#define SYSTEM_DIRECTORY "/etc/leat"
#define VARIABLE_PREFIX  "LEAT_"
#define NAME_BYTES_MAX   64U   /* of a row's name, and of what is built of it */
#define WHY_BYTES        1024U /* a path and a sentence */
#define HELP_COLUMN_MAX  30    /* what is longer has its help on the same line, further right */
#define NO_ROW           SIZE_MAX

/* What a row has been given, by the strongest source so far. */
typedef struct option_value {
    leat_origin origin;
    char *place;  /* owned; where that is: "/etc/leat/worker.ini:4"; NULL: it goes without saying */
    char *text;   /* owned; TEXT */
    char **items; /* owned, items too; LIST */
    size_t item_count;
    uint64_t number; /* NUMBER, DURATION in ms, FLAG 0 or 1 */
} option_value;

/* A key in a section of a file, for who asks what there is. */
typedef struct section_value {
    char *name; /* owned, as the rest; "[channel.default] retries" */
    char *place;
    char *text;
} section_value;

struct leat_options {
    const leat_option *rows; /* borrowed */
    size_t count;
    option_value *values;  /* one a row */
    const char **operands; /* the array is owned, the strings are argv's */
    size_t operand_count;
    leat_options_section *section; /* NULL: none is known */
    section_value *in_sections;    /* owned; what it has taken */
    size_t in_section_count;
    void *section_context;
    leat_origin file_origin; /* of the file that is being read */
    const char *file_path;   /* its name, borrowed while it is */
    char why[WHY_BYTES];
};

/* A sentence into `why`, with what could upset a terminal taken out. Always LEAT_ERR_CONFIG. */
__attribute__((format(printf, 3, 4))) static leat_err
say(char *why, size_t why_size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why, why_size, format, arguments);
    va_end(arguments);
    for (char *p = why; *p != '\0'; p++) {
        if (iscntrl((unsigned char)*p))
            *p = '?';
    }
    return LEAT_ERR_CONFIG;
}

/* ---------------------------------------------------------------------------------- the rows */

static size_t
row_of_name(const leat_options *options, const char *name, size_t size)
{
    for (size_t i = 0; i < options->count; i++) {
        if (strncmp(options->rows[i].name, name, size) == 0 && options->rows[i].name[size] == '\0')
            return i;
    }
    return NO_ROW;
}

static size_t
row_of_letter(const leat_options *options, char letter)
{
    for (size_t i = 0; i < options->count; i++) {
        if (options->rows[i].letter == letter)
            return i;
    }
    return NO_ROW;
}

static const char *
name_of_row(const void *context, size_t i)
{
    return ((const leat_options *)context)->rows[i].name;
}

static const char *
name_of_key(const void *context, size_t i)
{
    const leat_option *const row = &((const leat_options *)context)->rows[i];
    return (row->flags & LEAT_OPTION_NOT_IN_FILE) != 0 ? NULL : row->name;
}

/* The value of a row that our own code asks for. */
static const option_value *
value_of(const leat_options *options, const char *name, leat_option_type type)
{
    const size_t row = row_of_name(options, name, strlen(name));
    assert(row != NO_ROW);
    assert(options->rows[row].type == type);
    (void)type;
    return &options->values[row];
}

/* ---------------------------------------------------------------------------------- reading values
 */

static bool
parse_truth(const char *text, uint64_t *truth)
{
    static const struct {
        const char *word;
        bool truth;
    } words[] = {
        {"yes",   true },
        {"true",  true },
        {"1",     true },
        {"no",    false},
        {"false", false},
        {"0",     false},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i].word, text) == 0) {
            *truth = words[i].truth;
            return true;
        }
    }
    return false;
}

/* 5400000 -> "90m": a limit of a row as somebody would type it. */
static const char *
duration_text(uint64_t ms, char *text, size_t size)
{
    static const struct {
        uint64_t ms;
        const char *unit;
    } units[] = {
        {86400000, "d" },
        {3600000,  "h" },
        {60000,    "m" },
        {1000,     "s" },
        {1,        "ms"},
    };
    size_t i = 0;
    while (ms % units[i].ms != 0)
        i++;
    (void)snprintf(text, size, "%" PRIu64 "%s", ms / units[i].ms, units[i].unit);
    return text;
}

/* Read text as the row's type. why: see say(). */
static leat_err
parse(const leat_option *row,
      const char *text,
      const char *subject,
      uint64_t *number,
      char *why,
      size_t why_size)
{
    int64_t ms = 0;
    char limit[32];
    switch (row->type) {
    case LEAT_OPTION_TEXT:
    case LEAT_OPTION_LIST:
        return LEAT_ERR_OK;
    case LEAT_OPTION_FLAG:
        if (!parse_truth(text, number))
            return say(why, why_size, "%s: \"%s\" is neither yes nor no", subject, text);
        return LEAT_ERR_OK;
    case LEAT_OPTION_NUMBER:
        if (!leat_parse_number(text, number))
            return say(why, why_size, "%s: \"%s\" is no whole number", subject, text);
        if (*number < row->min)
            return say(why, why_size, "%s: %s is less than %" PRIu64, subject, text, row->min);
        if (row->max != 0 && *number > row->max)
            return say(why, why_size, "%s: %s is more than %" PRIu64, subject, text, row->max);
        return LEAT_ERR_OK;
    case LEAT_OPTION_DURATION:
        if (!leat_parse_duration(text, &ms))
            return say(why, why_size, "%s: \"%s\" is no duration (90s, 1h30m, 250ms)", subject,
                       text);
        *number = (uint64_t)ms;
        if (*number < row->min)
            return say(why, why_size, "%s: %s is less than %s", subject, text,
                       duration_text(row->min, limit, sizeof limit));
        if (row->max != 0 && *number > row->max)
            return say(why, why_size, "%s: %s is more than %s", subject, text,
                       duration_text(row->max, limit, sizeof limit));
        return LEAT_ERR_OK;
    default:
        assert(false);
        return LEAT_ERR_OK;
    }
}

static void
clear(option_value *value)
{
    free(value->place);
    free(value->text);
    for (size_t i = 0; i < value->item_count; i++)
        free(value->items[i]);
    free(value->items);
    *value = (option_value){0};
}

static leat_err
add_item(option_value *value, const char *data, size_t size)
{
    char **const items = reallocarray(value->items, value->item_count + 1, sizeof *items);
    if (items == NULL)
        return LEAT_ERR_NOMEM;
    value->items = items;
    items[value->item_count] = strndup(data, size);
    if (items[value->item_count] == NULL)
        return LEAT_ERR_NOMEM;
    value->item_count++;
    return LEAT_ERR_OK;
}

/* "a, b,c" as three items; empty ones are dropped. */
static leat_err
add_items(option_value *value, const char *text)
{
    leat_err err = LEAT_ERR_OK;
    while (err == LEAT_ERR_OK) {
        text += strspn(text, ", \t");
        size_t size = strcspn(text, ",");
        const char *const end = text + size;
        while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
            size--;
        if (size == 0)
            break;
        err = add_item(value, text, size);
        text = end;
    }
    return err;
}

/* Give a row a value from `origin`. A weaker origin is read, so that its mistakes are told, but
 * changes nothing. subject: how the sentence calls the setting. */
static leat_err
set(leat_options *options,
    size_t row,
    const char *text,
    leat_origin origin,
    const char *subject,
    char *why,
    size_t why_size)
{
    option_value *const value = &options->values[row];
    const leat_option_type type = options->rows[row].type;
    uint64_t number = 0;
    leat_err err = parse(&options->rows[row], text, subject, &number, why, why_size);
    if (err != LEAT_ERR_OK || origin < value->origin)
        return err;
    if (type != LEAT_OPTION_LIST || origin != value->origin)
        clear(value);
    value->origin = origin;
    value->number = number;
    if (type == LEAT_OPTION_TEXT) {
        value->text = strdup(text);
        err = value->text == NULL ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
    } else if (type == LEAT_OPTION_LIST) {
        err = origin == LEAT_ORIGIN_COMMAND_LINE ? add_item(value, text, strlen(text))
                                                 : add_items(value, text);
    }
    return err;
}

/* ---------------------------------------------------------------------------------- life */

leat_err
leat_options_new(const leat_option *rows, size_t count, leat_options **out)
{
    leat_err err = LEAT_ERR_NOMEM;
    leat_options *options = calloc(1, sizeof *options);
    if (options == NULL)
        return LEAT_ERR_NOMEM;
    options->rows = rows;
    options->count = count;
    options->values = calloc(count == 0 ? 1 : count, sizeof *options->values);
    if (options->values == NULL)
        goto done;
    for (size_t i = 0; i < count; i++) {
        assert(strlen(rows[i].name) <= NAME_BYTES_MAX);
        assert((rows[i].value == NULL) == (rows[i].type == LEAT_OPTION_FLAG));
        if (rows[i].fallback == NULL)
            continue;
        err = set(options, i, rows[i].fallback, LEAT_ORIGIN_DEFAULT, rows[i].name, options->why,
                  sizeof options->why);
        assert(err != LEAT_ERR_CONFIG); /* a default that its own row refuses */
        if (err != LEAT_ERR_OK)
            goto done;
    }
    err = LEAT_ERR_OK;
    *out = options;
    options = NULL; /* now the caller's */

done:
    leat_options_destroy(&options);
    return err;
}

void
leat_options_destroy(leat_options **options_p)
{
    leat_options *const options = *options_p;
    *options_p = NULL;
    if (options == NULL)
        return;
    for (size_t i = 0; options->values != NULL && i < options->count; i++)
        clear(&options->values[i]);
    for (size_t i = 0; i < options->in_section_count; i++) {
        free(options->in_sections[i].name);
        free(options->in_sections[i].place);
        free(options->in_sections[i].text);
    }
    free(options->in_sections);
    free(options->values);
    free(options->operands);
    free(options);
}

/* ---------------------------------------------------------------------------------- command line
 */

/* The arguments that are still to be read. */
typedef struct argument_list {
    int at;
    int count;
    char *const *strings;
} argument_list;

static leat_err
add_operands(leat_options *options, char *const *strings, int count)
{
    const size_t total = options->operand_count + (size_t)count;
    if (count == 0)
        return LEAT_ERR_OK;
    const char **const operands = reallocarray(options->operands, total, sizeof *operands);
    if (operands == NULL)
        return LEAT_ERR_NOMEM;
    options->operands = operands;
    for (size_t i = options->operand_count; i < total; i++)
        operands[i] = *strings++;
    options->operand_count = total;
    return LEAT_ERR_OK;
}

/* Give `row` its value: what was stuck to it, else the next argument, else nothing for a flag. */
static leat_err
set_from_arguments(leat_options *options,
                   argument_list *arguments,
                   size_t row,
                   const char *attached,
                   const char *subject)
{
    const leat_option *const option = &options->rows[row];
    const char *text = attached;
    if (text == NULL && option->type == LEAT_OPTION_FLAG)
        text = "yes";
    if (text == NULL && arguments->at < arguments->count)
        text = arguments->strings[arguments->at++];
    if (text == NULL)
        return say(options->why, sizeof options->why, "%s needs a value (%s)", subject,
                   option->value);
    return set(options, row, text, LEAT_ORIGIN_COMMAND_LINE, subject, options->why,
               sizeof options->why);
}

/* "--name", "--name=value", "--no-name"; `word` is without the dashes. */
static leat_err
read_long(leat_options *options, argument_list *arguments, const char *word)
{
    const size_t size = strcspn(word, "=");
    const char *attached = word[size] == '=' ? word + size + 1 : NULL;
    char subject[NAME_BYTES_MAX + 32];
    char name[NAME_BYTES_MAX + 1];
    size_t row = row_of_name(options, word, size);
    if (row == NO_ROW && attached == NULL && strncmp(word, "no-", 3) == 0) {
        row = row_of_name(options, word + 3, size - 3);
        if (row != NO_ROW && options->rows[row].type == LEAT_OPTION_FLAG)
            attached = "no";
        else
            row = NO_ROW;
    }
    if (row != NO_ROW) {
        (void)snprintf(subject, sizeof subject, "option \"--%s\"", options->rows[row].name);
        return set_from_arguments(options, arguments, row, attached, subject);
    }
    (void)snprintf(name, sizeof name, "%.*s", size > INT_MAX ? INT_MAX : (int)size, word);
    const char *const meant = leat_suggest(name, name_of_row, options, options->count);
    if (meant == NULL)
        return say(options->why, sizeof options->why, "no option \"--%s\"", name);
    return say(options->why, sizeof options->why, "no option \"--%s\", did you mean \"--%s\"?",
               name, meant);
}

/* "-v", "-vq", "-j4", "-j 4"; `letters` is without the dash. */
static leat_err
read_letters(leat_options *options, argument_list *arguments, const char *letters)
{
    leat_err err = LEAT_ERR_OK;
    while (*letters != '\0' && err == LEAT_ERR_OK) {
        char subject[32];
        const size_t row = row_of_letter(options, *letters);
        (void)snprintf(subject, sizeof subject, "option \"-%c\"", *letters);
        if (row == NO_ROW)
            return say(options->why, sizeof options->why, "no %s", subject);
        letters++;
        const bool takes_rest = options->rows[row].type != LEAT_OPTION_FLAG && *letters != '\0';
        err = set_from_arguments(options, arguments, row, takes_rest ? letters : NULL, subject);
        if (takes_rest)
            break;
    }
    return err;
}

leat_err
leat_options_read_arguments(leat_options *options,
                            int argc,
                            char *const argv[],
                            bool stop_at_operand)
{
    argument_list arguments = {.at = 1, .count = argc, .strings = argv};
    leat_err err = LEAT_ERR_OK;
    while (arguments.at < argc && err == LEAT_ERR_OK) {
        const char *const word = argv[arguments.at];
        const bool is_operand = word[0] != '-' || word[1] == '\0'; /* "-": standard input */
        const bool ends_options = strcmp(word, "--") == 0;
        if (ends_options || (is_operand && stop_at_operand)) {
            arguments.at += ends_options;
            err = add_operands(options, argv + arguments.at, argc - arguments.at);
            break;
        }
        arguments.at++;
        if (is_operand)
            err = add_operands(options, argv + arguments.at - 1, 1);
        else if (word[1] == '-')
            err = read_long(options, &arguments, word + 2);
        else
            err = read_letters(options, &arguments, word + 1);
    }
    return err;
}

/* ---------------------------------------------------------------------------------- environment,
 * files */

/* Borrowed until the environment changes, which no program of ours does. */
static const char *
variable(const char *name)
{
    return getenv(name); /* NOLINT(concurrency-mt-unsafe): before any thread is started */
}

leat_err
leat_options_read_environment(leat_options *options)
{
    for (size_t i = 0; i < options->count; i++) {
        char name[sizeof VARIABLE_PREFIX + NAME_BYTES_MAX] = VARIABLE_PREFIX;
        char *to = name + sizeof VARIABLE_PREFIX - 1;
        for (const char *from = options->rows[i].name; *from != '\0'; from++)
            *to++ = (char)(*from == '-' ? '_' : toupper((unsigned char)*from) & 0x7f);
        *to = '\0';
        const char *const text = variable(name);
        if (text == NULL || text[0] == '\0' ||
            (options->rows[i].flags & LEAT_OPTION_NOT_IN_FILE) != 0)
            continue;
        const leat_err err =
            set(options, i, text, LEAT_ORIGIN_ENVIRONMENT, name, options->why, sizeof options->why);
        if (err != LEAT_ERR_OK)
            return err;
    }
    return LEAT_ERR_OK;
}

/* What a section has taken is remembered with its place, in the place of what a weaker file said.
 */
static leat_err
note_in_section(leat_options *options, const char *name, const char *text, int line)
{
    char place[PATH_MAX + 16];
    size_t i = 0;
    while (i < options->in_section_count && strcmp(options->in_sections[i].name, name) != 0)
        i++;
    if (i == options->in_section_count) {
        section_value *const more =
            reallocarray(options->in_sections, i + 1, sizeof *options->in_sections);
        if (more == NULL)
            return LEAT_ERR_NOMEM;
        options->in_sections = more;
        more[i] = (section_value){.name = strdup(name)};
        if (more[i].name == NULL)
            return LEAT_ERR_NOMEM;
        options->in_section_count++;
    }
    section_value *const value = &options->in_sections[i];
    free(value->place);
    free(value->text);
    (void)snprintf(place, sizeof place, "%s:%d", options->file_path, line);
    value->place = strdup(place);
    value->text = strdup(text);
    return value->place == NULL || value->text == NULL ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

static leat_err
take_in_section(leat_options *options,
                const char *section,
                const char *key,
                const char *text,
                int line,
                char *why,
                size_t why_size)
{
    char name[LEAT_CONFIG_SECTION_BYTES_MAX + LEAT_CONFIG_LINE_BYTES_MAX + 4];
    leat_err err = LEAT_ERR_NOT_FOUND;
    if (options->section != NULL)
        err = options->section(options->section_context, options->file_origin, section, key, text,
                               why, why_size);
    if (err == LEAT_ERR_OK) {
        (void)snprintf(name, sizeof name, "[%s] %s", section, key);
        err = note_in_section(options, name, text, line);
    }
    return err == LEAT_ERR_NOT_FOUND ? say(why, why_size, "no such section") : err;
}

/* Where a value that counts was found; of a list that stands there several times, where first. */
static leat_err
note_place(leat_options *options, size_t row, int line)
{
    char place[PATH_MAX + 16];
    option_value *const value = &options->values[row];
    if (value->origin != options->file_origin || value->place != NULL)
        return LEAT_ERR_OK;
    (void)snprintf(place, sizeof place, "%s:%d", options->file_path, line);
    value->place = strdup(place);
    return value->place == NULL ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

/* leat_config_take over the rows. */
static leat_err
take_key(void *context,
         const char *section,
         const char *key,
         const char *text,
         int line,
         char *why,
         size_t why_size)
{
    leat_options *const options = context;
    if (section != NULL)
        return take_in_section(options, section, key, text, line, why, why_size);
    const size_t row = row_of_name(options, key, strlen(key));
    /* A file that names another would make "which file counts" a riddle. */
    if (row == NO_ROW || (options->rows[row].flags & LEAT_OPTION_NOT_IN_FILE) != 0 ||
        strcmp(key, "config") == 0) {
        const char *const meant = leat_suggest(key, name_of_key, options, options->count);
        if (meant == NULL || strcmp(meant, key) == 0)
            return say(why, why_size, "no key \"%s\"", key);
        return say(why, why_size, "no key \"%s\", did you mean \"%s\"?", key, meant);
    }
    if (options->values[row].origin == options->file_origin &&
        options->rows[row].type != LEAT_OPTION_LIST)
        return say(why, why_size, "%s: given twice", key);
    const leat_err err = set(options, row, text, options->file_origin, key, why, why_size);
    return err == LEAT_ERR_OK ? note_place(options, row, line) : err;
}

void
leat_options_on_section(leat_options *options, leat_options_section *section, void *context)
{
    options->section = section;
    options->section_context = context;
}

leat_err
leat_options_read_file(leat_options *options, const char *path, leat_origin origin)
{
    FILE *const file = fopen(path, "re");
    if (file == NULL) {
        char words[64];
        if (leat_err_from_errno(errno) == LEAT_ERR_NOT_FOUND)
            return LEAT_ERR_NOT_FOUND;
        return say(options->why, sizeof options->why, "%s: %s", path,
                   strerror_r(errno, words, sizeof words));
    }
    options->file_origin = origin;
    options->file_path = path;
    const leat_err err =
        leat_config_read(file, path, take_key, options, options->why, sizeof options->why);
    (void)fclose(file); /* was only read */
    return err;
}

/* Read DIRECTORY[/SUB]/leat/NAME if it exists. */
static leat_err
read_if_there(leat_options *options,
              const char *directory,
              const char *below,
              const char *file_name,
              leat_origin origin)
{
    char path[PATH_MAX];
    const int n = snprintf(path, sizeof path, "%s%s/%s", directory, below, file_name);
    if (n < 0 || (size_t)n >= sizeof path)
        return say(options->why, sizeof options->why, "%s: the path is too long", directory);
    const leat_err err = leat_options_read_file(options, path, origin);
    return err == LEAT_ERR_NOT_FOUND ? LEAT_ERR_OK : err;
}

static leat_err
read_users_file(leat_options *options, const char *file_name)
{
    const char *const config_home = variable("XDG_CONFIG_HOME");
    const char *const home = variable("HOME");
    if (config_home != NULL && config_home[0] == '/') /* the standard: others are to be ignored */
        return read_if_there(options, config_home, "/leat", file_name, LEAT_ORIGIN_USER_FILE);
    if (home != NULL && home[0] == '/')
        return read_if_there(options, home, "/.config/leat", file_name, LEAT_ORIGIN_USER_FILE);
    return LEAT_ERR_OK;
}

leat_err
leat_options_read_rest(leat_options *options, const char *file_name)
{
    leat_err err = leat_options_read_environment(options);
    if (err != LEAT_ERR_OK)
        return err;
    if (row_of_name(options, "config", strlen("config")) != NO_ROW &&
        leat_options_given(options, "config")) {
        const char *const path = leat_options_text(options, "config");
        err = leat_options_read_file(options, path, LEAT_ORIGIN_USER_FILE);
        if (err == LEAT_ERR_NOT_FOUND)
            err = say(options->why, sizeof options->why, "%s: no such file", path);
        return err;
    }
    err = read_if_there(options, SYSTEM_DIRECTORY, "", file_name, LEAT_ORIGIN_SYSTEM_FILE);
    return err == LEAT_ERR_OK ? read_users_file(options, file_name) : err;
}

/* ---------------------------------------------------------------------------------- asking */

leat_origin
leat_options_origin(const leat_options *options, const char *name)
{
    const size_t row = row_of_name(options, name, strlen(name));
    assert(row != NO_ROW);
    return options->values[row].origin;
}

bool
leat_options_given(const leat_options *options, const char *name)
{
    return leat_options_origin(options, name) > LEAT_ORIGIN_DEFAULT;
}

bool
leat_options_flag(const leat_options *options, const char *name)
{
    return value_of(options, name, LEAT_OPTION_FLAG)->number != 0;
}

const char *
leat_options_text(const leat_options *options, const char *name)
{
    return value_of(options, name, LEAT_OPTION_TEXT)->text;
}

uint64_t
leat_options_number(const leat_options *options, const char *name)
{
    return value_of(options, name, LEAT_OPTION_NUMBER)->number;
}

int64_t
leat_options_ms(const leat_options *options, const char *name)
{
    return (int64_t)value_of(options, name, LEAT_OPTION_DURATION)->number;
}

size_t
leat_options_list(const leat_options *options, const char *name, const char *const **out)
{
    const option_value *const value = value_of(options, name, LEAT_OPTION_LIST);
    *out = (const char *const *)value->items;
    return value->item_count;
}

size_t
leat_options_operand_count(const leat_options *options)
{
    return options->operand_count;
}

const char *
leat_options_operand(const leat_options *options, size_t index)
{
    assert(index < options->operand_count);
    return options->operands[index];
}

const char *
leat_options_why(const leat_options *options)
{
    return options->why;
}

/* ---------------------------------------------------------------------------------- help */

/* "  -j, --slots N" into text; its size. */
static int
help_head(const leat_option *row, char *text, size_t size)
{
    const char letter[] = {'-', row->letter, ',', ' ', '\0'};
    const int n =
        snprintf(text, size, "  %s--%s%s%s", row->letter == 0 ? "    " : letter, row->name,
                 row->value == NULL ? "" : " ", row->value == NULL ? "" : row->value);
    return n < 0 ? 0 : n;
}

void
leat_options_print_help(const leat_options *options, FILE *out)
{
    char head[2 * NAME_BYTES_MAX];
    int width = 0;
    for (size_t i = 0; i < options->count; i++) {
        const int n =
            options->rows[i].help == NULL ? 0 : help_head(&options->rows[i], head, sizeof head);
        if (n > width && n <= HELP_COLUMN_MAX)
            width = n;
    }
    for (size_t i = 0; i < options->count; i++) {
        const leat_option *const row = &options->rows[i];
        if (row->help == NULL)
            continue;
        (void)help_head(row, head, sizeof head);
        (void)fprintf(out, "%-*s  %s", width, head, row->help);
        if (row->fallback != NULL && row->fallback[0] != '\0')
            (void)fprintf(out, " (default %s)", row->fallback);
        (void)fputc('\n', out);
    }
}

/* ---------------------------------------------------------------------------------- settings */

static void
print_field(const char *text, size_t size, FILE *out)
{
    for (size_t i = 0; i < size; i++) {
        const char *const marks = "\t\n\\";
        const char *const mark = text[i] == '\0' ? NULL : strchr(marks, text[i]);
        if (mark == NULL)
            (void)fputc(text[i], out);
        else
            (void)fprintf(out, "\\%c", "tn\\"[mark - marks]);
    }
}

static void
print_value(const leat_option *row, const option_value *value, FILE *out)
{
    char text[32];
    switch (row->type) {
    case LEAT_OPTION_TEXT:
        if (value->text != NULL)
            print_field(value->text, strlen(value->text), out);
        break;
    case LEAT_OPTION_LIST:
        for (size_t i = 0; i < value->item_count; i++) {
            (void)fputs(i == 0 ? "" : ",", out);
            print_field(value->items[i], strlen(value->items[i]), out);
        }
        break;
    case LEAT_OPTION_NUMBER:
        if (value->origin != LEAT_ORIGIN_NONE)
            (void)fprintf(out, "%" PRIu64, value->number);
        break;
    case LEAT_OPTION_DURATION:
        if (value->origin != LEAT_ORIGIN_NONE)
            (void)fputs(duration_text(value->number, text, sizeof text), out);
        break;
    case LEAT_OPTION_FLAG:
        (void)fputs(value->number != 0 ? "yes" : "no", out);
        break;
    default:
        assert(false);
    }
}

/* Where a value was said. */
static void
print_place(const leat_option *row, const option_value *value, FILE *out)
{
    if (value->origin == LEAT_ORIGIN_COMMAND_LINE) {
        (void)fprintf(out, "--%s", row->name);
    } else if (value->origin == LEAT_ORIGIN_ENVIRONMENT) {
        (void)fputs(VARIABLE_PREFIX, out);
        for (const char *p = row->name; *p != '\0'; p++)
            (void)fputc(*p == '-' ? '_' : toupper((unsigned char)*p), out);
    } else if (value->place != NULL) {
        print_field(value->place, strlen(value->place), out);
    }
}

/* "jobs at once (default: one a core)" says what holds without a value that the row could have. */
static void
print_usual(const leat_option *row, FILE *out)
{
    static const char mark[] = "(default: ";
    const char *const found = row->help == NULL ? NULL : strstr(row->help, mark);
    if (found == NULL)
        return;
    const char *const text = found + sizeof mark - 1;
    print_field(text, strcspn(text, ")"), out);
}

void
leat_options_print_settings(const leat_options *options, FILE *out)
{
    static const char *const origins[] = {
        [LEAT_ORIGIN_NONE] = "none",
        [LEAT_ORIGIN_DEFAULT] = "default",
        [LEAT_ORIGIN_SYSTEM_FILE] = "file",
        [LEAT_ORIGIN_USER_FILE] = "file",
        [LEAT_ORIGIN_ENVIRONMENT] = "environment",
        [LEAT_ORIGIN_COMMAND_LINE] = "option",
    };
    for (size_t i = 0; i < options->count; i++) {
        const leat_option *const row = &options->rows[i];
        const option_value *const value = &options->values[i];
        if ((row->flags & LEAT_OPTION_NOT_IN_FILE) != 0)
            continue;
        (void)fprintf(out, "%s\t%s\t", row->name, origins[value->origin]);
        print_place(row, value, out);
        (void)fputc('\t', out);
        print_value(row, value, out);
        (void)fputc('\t', out);
        if (value->origin == LEAT_ORIGIN_NONE)
            print_usual(row, out);
        (void)fputc('\n', out);
    }
    for (size_t i = 0; i < options->in_section_count; i++) {
        const section_value *const value = &options->in_sections[i];
        print_field(value->name, strlen(value->name), out);
        (void)fputs("\tfile\t", out);
        print_field(value->place, strlen(value->place), out);
        (void)fputc('\t', out);
        print_field(value->text, strlen(value->text), out);
        (void)fputs("\t\n", out);
    }
}
