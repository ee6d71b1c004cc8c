/* Words of sh. See shell.h. */
#include "client/cli/shell.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/replace.h"

/* ---- putting ---- */

static bool
is_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_@%+:,./-", c) != NULL);
}

static void
put_escaped(leat_buf *out, leat_text word)
{
    leat_put_bytes(out, "$'", 2);
    for (size_t i = 0; i < word.size; i++) {
        const uint8_t c = (uint8_t)word.data[i];
        char octal[8];
        if (c == '\n')
            leat_put_bytes(out, "\\n", 2);
        else if (c == '\t')
            leat_put_bytes(out, "\\t", 2);
        else if (c < 32 || c == 127)
            leat_put_bytes(out, octal, (size_t)snprintf(octal, sizeof octal, "\\%03o", c));
        else if (c == '\'' || c == '\\')
            leat_put_bytes(out, (const char[]){'\\', (char)c}, 2);
        else
            leat_put_u8(out, c);
    }
    leat_put_u8(out, '\'');
}

void
leat_shell_put_word(leat_buf *out, leat_text word)
{
    bool plain = word.size > 0;
    bool controls = false;
    for (size_t i = 0; i < word.size; i++) {
        const uint8_t c = (uint8_t)word.data[i];
        plain = plain && is_plain(c);
        controls |= c < 32 || c == 127;
    }
    if (plain)
        leat_put_bytes(out, word.data, word.size);
    else if (controls)
        put_escaped(out, word);
    else
        leat_replace_quote(out, word);
}

/* ---- taking apart ---- */

typedef struct line {
    const char *at;
    const char *end;
} line;

static void
put_byte(leat_buf *out, char c)
{
    leat_put_u8(out, c == '\0' ? '\n' : (uint8_t)c);
}

/* The byte that is next: a NUL is a line feed. */
static char
byte_of(const line *self)
{
    const char c = *self->at;
    if (c == '\0')
        return '\n';
    return c;
}

/* What stands behind a backslash in $'…'. */
static void
unescape(line *self, leat_buf *out)
{
    static const char names[] = "ntrabfve";
    static const char values[] = "\n\t\r\a\b\f\v\033";
    const char c = *self->at++;
    const char *const name = c == '\0' ? NULL : strchr(names, c);
    unsigned value = 0;
    if (c >= '0' && c <= '7') {
        self->at--;
        for (int i = 0; i < 3 && self->at < self->end && *self->at >= '0' && *self->at <= '7'; i++)
            value = value * 8 + (unsigned)(*self->at++ - '0');
        leat_put_u8(out, (uint8_t)value);
    } else if (name != NULL) {
        leat_put_u8(out, (uint8_t)values[name - names]);
    } else {
        put_byte(out, c);
    }
}

/* Up to the sign that ends it; a line may end before. */
static void
take_quoted(line *self, char sign, bool escapes, leat_buf *out)
{
    while (self->at < self->end && *self->at != sign) {
        const char c = *self->at++;
        const bool is_mark = c == '\\' && self->at < self->end;
        if (is_mark && escapes)
            unescape(self, out);
        else if (is_mark && sign == '"' && *self->at != '\0' && strchr("\"\\$`", *self->at) != NULL)
            put_byte(out, *self->at++);
        else
            put_byte(out, c);
    }
    self->at += self->at < self->end ? 1 : 0;
}

static void
take_word(line *self, leat_buf *out)
{
    while (self->at < self->end && strchr(" \t\n", byte_of(self)) == NULL) {
        const char c = *self->at++;
        const bool has_more = self->at < self->end;
        if (c == '\\' && has_more) {
            put_byte(out, *self->at++);
        } else if (c == '\'' || c == '"') {
            take_quoted(self, c, false, out);
        } else if (c == '$' && has_more && *self->at == '\'') {
            self->at++;
            take_quoted(self, '\'', true, out);
        } else {
            put_byte(out, c);
        }
    }
    leat_put_u8(out, 0);
}

void
leat_shell_split(leat_buf *out, leat_text text)
{
    line self = {.at = text.data, .end = text.data + text.size};
    while (self.at < self.end) {
        if (strchr(" \t\n", byte_of(&self)) != NULL)
            self.at++;
        else
            take_word(&self, out);
    }
}
