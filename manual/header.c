/* Headers as pages. See header.h. */
#include "manual/header.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 16384
#define LINE_BYTES  512
#define SECTION     "---- "

/* What has been read and not yet printed. */
typedef struct page {
    const leat_manual_text *put;
    char comment[BLOCK_BYTES]; /* without its stars */
    char code[BLOCK_BYTES];
    bool in_comment;
    bool began; /* the header's own comment is out */
    unsigned sections;
} page;

static bool
append(char *block, const char *text)
{
    const size_t used = strlen(block);
    const int size = snprintf(block + used, BLOCK_BYTES - used, "%s\n", text);
    return size >= 0 && (size_t)size < BLOCK_BYTES - used;
}

/* A table or an example keeps its lines. */
static bool
is_literal(const char *paragraph)
{
    return strncmp(paragraph, "  ", 2) == 0 || strstr(paragraph, "\n  ") != NULL ||
           strstr(paragraph, "   ") != NULL;
}

static void
put_comment(page *self)
{
    char *text = self->comment;
    while (*text != '\0') {
        text += strspn(text, "\n");
        char *const blank = strstr(text, "\n\n");
        char *const next = blank == NULL ? text + strlen(text) : blank + 2;
        if (blank != NULL)
            *blank = '\0';
        if (*text != '\0' && is_literal(text))
            self->put->literal(text);
        else if (*text != '\0')
            self->put->plain(text);
        text = next;
    }
    self->comment[0] = '\0';
}

/* A declaration comes before what is said of it. */
static void
put_block(page *self)
{
    if (self->code[0] == '\0')
        return;
    self->put->literal(self->code);
    self->code[0] = '\0';
    put_comment(self);
}

/* "---- jobs ----" and what stands below it in the same comment. */
static void
put_section(page *self)
{
    char *const title = self->comment + strlen(SECTION);
    char *const end = strstr(title, " ----");
    if (end == NULL)
        return;
    *end = '\0';
    (void)printf("## %s\n\n", title);
    self->sections++;
    memmove(self->comment, end + strlen(" ----"), strlen(end + strlen(" ----")) + 1);
    put_comment(self);
}

static void
end_comment(page *self)
{
    self->in_comment = false;
    if (!self->began) {
        self->began = true;
        put_comment(self);
    } else if (strncmp(self->comment, SECTION, strlen(SECTION)) == 0) {
        put_section(self);
    }
}

/* A line of a comment, as it stands there. */
static bool
take_comment(page *self, char *line)
{
    char *text = line;
    char *const end = strstr(line, "*/");
    if (end != NULL)
        *end = '\0';
    if (strncmp(text, "/*", 2) == 0 || strncmp(text, " *", 2) == 0)
        text += 2;
    if (*text == ' ')
        text++;
    size_t size = strlen(text);
    while (size > 0 && text[size - 1] == ' ')
        text[--size] = '\0';
    const bool fits = append(self->comment, text);
    if (end != NULL)
        end_comment(self);
    return fits;
}

/* What is there for the compiler only. */
static bool
is_machinery(const char *line)
{
    static const char *const starts[] = {"#if",
                                         "#endif",
                                         "#include",
                                         "extern \"C\"",
                                         "#define LEAT_API",
                                         "#define LEAT_FORMAT",
                                         "#define LEAT_LEAT_H"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        if (strncmp(line, starts[i], strlen(starts[i])) == 0)
            return true;
    }
    return false;
}

static bool
take_code(page *self, const char *line)
{
    static const char mark[] = "LEAT_API ";
    if (*line == '\0' || is_machinery(line)) {
        put_block(self);
        return true;
    }
    return append(self->code,
                  strncmp(line, mark, sizeof mark - 1) == 0 ? line + sizeof mark - 1 : line);
}

bool
leat_manual_header(FILE *header, const leat_manual_text *put)
{
    char line[LINE_BYTES];
    bool fits = true;
    page *const self = calloc(1, sizeof *self);
    if (self == NULL)
        return false;
    self->put = put;
    while (fits && fgets(line, sizeof line, header) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "}", 1) == 0 && self->code[0] == '\0')
            continue; /* the end of extern "C" */
        if (!self->in_comment && strncmp(line, "/*", 2) == 0) {
            put_block(self);
            self->comment[0] = '\0';
            self->in_comment = true;
        }
        fits = self->in_comment ? take_comment(self, line) : take_code(self, line);
    }
    put_block(self);
    const bool is_good = fits && self->began && self->sections > 0 && !ferror(header);
    free(self);
    return is_good;
}
