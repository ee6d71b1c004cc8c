/* Files of hosts. See hosts.h. */
#include "client/cli/hosts.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/option.h"
#include "proto/text.h"

#define BLANKS " \t\r\n"

typedef struct reading {
    const char *file_name;
    unsigned line;
    char *why; /* 512 */
} reading;

__attribute__((format(printf, 2, 3))) static leat_err
wrong(const reading *in, const char *format, ...)
{
    va_list arguments;
    const int used = snprintf(in->why, 512, "%.200s:%u: ", in->file_name, in->line);
    va_start(arguments, format);
    (void)vsnprintf(in->why + used, 512 - (size_t)used, format, arguments);
    va_end(arguments);
    return LEAT_ERR_CONFIG;
}

bool
leat_hosts_word_is_plain(const char *word)
{
    for (const unsigned char *p = (const unsigned char *)word; *p != '\0'; p++) {
        if ((*p < ' ' && strchr(BLANKS, *p) == NULL) || *p == 0x7f)
            return false;
    }
    return true;
}

static leat_err
take_name(const reading *in, leat_host *host, const char *name)
{
    /* It is part of the names of files there. */
    if (!leat_name_is_valid(leat_text_of(name)) || strchr(name, '/') != NULL || *name == '.')
        return wrong(in, "\"%.100s\" is no name: it has no \"/\" and begins with no dot", name);
    (void)snprintf(host->name, sizeof host->name, "%s", name);
    return LEAT_ERR_OK;
}

/* "who@where:port", "[::1]:22": the port is cut off, and brackets are. */
static leat_err
take_target(const reading *in, leat_host *host, char *word)
{
    char *const at = strrchr(word, '@');
    char *where = at == NULL ? word : at + 1;
    char *colon = strchr(where, ':');
    uint64_t port = 0;
    if (*where == '[') {
        char *const end = strchr(where, ']');
        if (end == NULL)
            return wrong(in, "\"%.100s\": a \"]\" is missing", word);
        colon = end[1] == ':' ? end + 1 : NULL;
        *end = '\0';
        memmove(where, where + 1, strlen(where));
    } else if (colon != NULL && strchr(colon + 1, ':') != NULL) {
        colon = NULL; /* an IPv6 address alone */
    }
    if (colon != NULL) {
        *colon = '\0';
        host->port = colon + 1;
        if (!leat_parse_number(host->port, &port) || port == 0 || port > UINT16_MAX)
            return wrong(in, "\"%.100s\" is no port", host->port);
    }
    /* What begins with a dash would be an option of ssh. */
    if (*where == '\0' || *word == '-' || *word == '@' || *where == '-')
        return wrong(in, "a host is missing; write it as who@where slots=4");
    host->target = word;
    return take_name(in, host, where);
}

static leat_err
take_option(const reading *in, leat_host *host, const char *word)
{
    if (strncmp(word, "name=", 5) == 0)
        return take_name(in, host, word + 5);
    if (strncmp(word, "key=", 4) == 0)
        host->key = word + 4;
    else if (strncmp(word, "program=", 8) == 0)
        host->program = word + 8;
    else if (*word == '-')
        return wrong(in, "\"%.100s\": write options without their dashes, as slots=4", word);
    else if (host->option_count == LEAT_HOST_OPTIONS_MAX)
        return wrong(in, "more than %u options", LEAT_HOST_OPTIONS_MAX);
    else
        host->options[host->option_count++] = word;
    return LEAT_ERR_OK;
}

/* One line that is no remark; host->words is it. */
static leat_err
take_words(const reading *in, leat_host *host)
{
    char *rest = NULL;
    char *word = strtok_r(host->words, BLANKS, &rest);
    leat_err err = LEAT_ERR_OK;
    if (word != NULL)
        err = take_target(in, host, word);
    while (err == LEAT_ERR_OK && (word = strtok_r(NULL, BLANKS, &rest)) != NULL)
        err = take_option(in, host, word);
    return err;
}

static leat_err
check_name(const reading *in, const leat_host *hosts, size_t count, const leat_host *one)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(hosts[i].name, one->name) == 0)
            return wrong(in, "there is a worker \"%.100s\" already; give this one a name=…",
                         one->name);
    }
    return LEAT_ERR_OK;
}

static leat_err
add_line(const reading *in, const char *line, leat_host **hosts, size_t *count)
{
    const char *const text = line + strspn(line, BLANKS);
    leat_host one = {0};
    if (*text == '\0' || *text == '#')
        return LEAT_ERR_OK;
    if (!leat_hosts_word_is_plain(text))
        return wrong(in, "there is a control character in it");
    if (*count == LEAT_HOSTS_MAX)
        return wrong(in, "more than %u hosts", LEAT_HOSTS_MAX);
    one.words = strdup(text);
    leat_host *const more =
        one.words == NULL ? NULL : reallocarray(*hosts, *count + 1, sizeof **hosts);
    if (more == NULL) {
        free(one.words);
        return LEAT_ERR_NOMEM;
    }
    *hosts = more;
    leat_err err = take_words(in, &one);
    if (err == LEAT_ERR_OK)
        err = check_name(in, *hosts, *count, &one);
    (*hosts)[(*count)++] = one;
    return err;
}

leat_err
leat_hosts_read(FILE *file, const char *file_name, leat_host **out, size_t *count, char why[512])
{
    reading in = {.file_name = file_name, .why = why};
    char *line = NULL;
    size_t room = 0;
    leat_err err = LEAT_ERR_OK;
    *out = NULL;
    *count = 0;
    while (err == LEAT_ERR_OK) {
        const ssize_t size = getline(&line, &room, file);
        if (size < 0)
            break;
        in.line++;
        if (strlen(line) != (size_t)size)
            err = wrong(&in, "there is a NUL in it");
        else
            err = add_line(&in, line, out, count);
    }
    free(line);
    if (err == LEAT_ERR_OK && *count == 0) {
        (void)snprintf(why, 512, "%.200s: no hosts in it", file_name);
        err = LEAT_ERR_CONFIG;
    }
    if (err != LEAT_ERR_OK) {
        leat_hosts_free(*out, *count);
        *out = NULL;
        *count = 0;
    }
    return err;
}

void
leat_hosts_free(leat_host *hosts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(hosts[i].words);
    free(hosts);
}
