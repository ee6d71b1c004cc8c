/* INI files through inih's stream interface: the reader is ours, so it can count the lines (inih as
 * distributions build it does not tell the handler) and refuse what inih would cut or pass over. */
#include "proto/base/config.h"

#include <errno.h>
#include <ini.h>
#include <stdbool.h>
#include <string.h>

#define SENTENCE_BYTES 512U
#define BOM            "\xef\xbb\xbf"
#define BOM_BYTES      3U

typedef struct reading {
    FILE *file;
    const char *name;
    leat_config_take *take;
    void *context;
    char *why;
    size_t why_size;
    int line;     /* of the text that inih has; 0 before the first */
    int err_line; /* of err; 0: the file as a whole */
    leat_err err;
} reading;

static void
fail(reading *in, leat_err err, int line, const char *section, const char *sentence)
{
    char place[16] = "";
    if (line > 0)
        (void)snprintf(place, sizeof place, "%d:", line);
    in->err = err;
    in->err_line = line;
    (void)snprintf(in->why, in->why_size, "%s:%s %s%s%s%s", in->name, place,
                   section == NULL ? "" : "[", section == NULL ? "" : section,
                   section == NULL ? "" : "] ", sentence);
}

/* Read the rest of a line into text, without its end. Sizes above size_max are counted, not kept.
 * false: nothing was left. */
static bool
read_line(reading *in, char *text, size_t size_max, size_t *size)
{
    int c = getc(in->file);
    size_t n = 0;
    if (c == EOF)
        return false;
    for (; c != EOF && c != '\n'; c = getc(in->file)) {
        if (n < size_max)
            text[n] = (char)c;
        n++;
    }
    if (n > 0 && n <= size_max && text[n - 1] == '\r')
        n--;
    *size = n;
    return true;
}

static size_t
blanks(const char *text)
{
    return strspn(text, " \t");
}

/* The sentence about what inih would misread in this line, or NULL. */
static const char *
complaint(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
            return "a control character is in the line";
    }
    if (text[0] != '[')
        return NULL;
    const char *const end = strchr(text, ']');
    if (end == NULL)
        return "the section's name has no \"]\" after it";
    if ((size_t)(end - text - 1) > LEAT_CONFIG_SECTION_BYTES_MAX)
        return "the section's name is too long";
    const char after = end[1 + blanks(end + 1)];
    return after == '\0' || after == ';' || after == '#' ? NULL
                                                         : "something stands after the section";
}

/* inih's view of the file, shaped like fgets: the next line, or NULL at the end and after an error.
 * Blanks at the front go: inih would take the line as more of the last key's value. */
static char *
next_line(char *text, int text_size, void *context)
{
    reading *const in = context;
    size_t size = 0;
    size_t size_max = (size_t)text_size - 1;
    if (size_max > LEAT_CONFIG_LINE_BYTES_MAX)
        size_max = LEAT_CONFIG_LINE_BYTES_MAX;
    errno = 0;
    const bool got = in->err == LEAT_ERR_OK && read_line(in, text, size_max, &size);
    if (ferror(in->file)) {
        char words[64];
        fail(in, LEAT_ERR_CONFIG, 0, NULL, strerror_r(errno, words, sizeof words));
    }
    if (!got || in->err != LEAT_ERR_OK)
        return NULL;
    in->line++;
    if (size > size_max) {
        fail(in, LEAT_ERR_CONFIG, in->line, NULL, "the line is too long");
        return NULL;
    }
    text[size] = '\0';
    const size_t bom =
        in->line == 1 && size >= BOM_BYTES && memcmp(text, BOM, BOM_BYTES) == 0 ? BOM_BYTES : 0;
    const size_t skipped = bom + blanks(text + bom);
    size -= skipped;
    memmove(text, text + skipped, size + 1);
    const char *const sentence = complaint(text, size);
    if (sentence != NULL) {
        fail(in, LEAT_ERR_CONFIG, in->line, NULL, sentence);
        return NULL;
    }
    return text;
}

/* inih's handler: nonzero is success. */
static int
take_key(void *context, const char *section, const char *key, const char *value)
{
    reading *const in = context;
    char sentence[SENTENCE_BYTES] = "";
    const char *const in_section = section[0] == '\0' ? NULL : section;
    if (in->err != LEAT_ERR_OK)
        return 0;
    if (key[0] == '\0') {
        fail(in, LEAT_ERR_CONFIG, in->line, in_section, "no key before the \"=\"");
        return 0;
    }
    const leat_err err = in->take(in->context, in_section, key, value == NULL ? "" : value,
                                  in->line, sentence, sizeof sentence);
    if (err != LEAT_ERR_OK)
        fail(in, err, in->line, in_section, sentence);
    return err == LEAT_ERR_OK;
}

leat_err
leat_config_read(
    FILE *file, const char *name, leat_config_take *take, void *context, char *why, size_t why_size)
{
    reading in = {
        .file = file,
        .name = name,
        .take = take,
        .context = context,
        .why = why,
        .why_size = why_size,
    };
    why[0] = '\0';
    /* inih reads on behind a line that it does not understand and returns the first one's number.
     */
    const int line = ini_parse_stream(next_line, &in, take_key, &in);
    if (line < 0)
        return LEAT_ERR_NOMEM;
    if (line > 0 && (in.err == LEAT_ERR_OK || line < in.err_line))
        fail(&in, LEAT_ERR_CONFIG, line, NULL, "neither \"key = value\" nor \"[section]\"");
    return in.err;
}
