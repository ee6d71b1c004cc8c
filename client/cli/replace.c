/* Replacement strings. See replace.h. */
#include "client/cli/replace.h"

#include <inttypes.h>
#include <stdio.h>

typedef enum form {
    FORM_NONE = 0,
    FORM_ALL,
    FORM_STEM,   /* {.} */
    FORM_NAME,   /* {/} */
    FORM_FOLDER, /* {//} */
    FORM_BASE,   /* {/.} */
    FORM_NUMBER, /* {#} */
    FORM_SLOT,   /* {%} */
} form;

/* What stands between the braces, behind a position if there is one. */
static const struct {
    const char *text;
    form form;
} forms[] = {
    {"}",   FORM_ALL   },
    {".}",  FORM_STEM  },
    {"/}",  FORM_NAME  },
    {"//}", FORM_FOLDER},
    {"/.}", FORM_BASE  },
    {"#}",  FORM_NUMBER},
    {"%}",  FORM_SLOT  },
};

#define POSITION_MAX 99999U

typedef struct string {
    form form;
    size_t size;
    uint32_t position; /* 0: of each argument */
} string;

/* The replacement string that begins here; FORM_NONE: none does. */
static string
string_at(const char *at)
{
    string found = {.form = FORM_NONE};
    const char *p = at;
    if (*p++ != '{')
        return found;
    for (; *p >= '0' && *p <= '9' && found.position <= POSITION_MAX; p++)
        found.position = found.position * 10 + (uint32_t)(*p - '0');
    const bool is_placed = p > at + 1;
    if (is_placed && found.position == 0)
        return found;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const size_t size = strlen(forms[i].text);
        const bool has_place = forms[i].form != FORM_NUMBER && forms[i].form != FORM_SLOT;
        if (strncmp(p, forms[i].text, size) == 0 && (has_place || !is_placed)) {
            found.form = forms[i].form;
            found.size = (size_t)(p - at) + size;
        }
    }
    return found;
}

unsigned
leat_replace_takes(const char *word)
{
    unsigned takes = 0;
    for (; *word != '\0'; word++) {
        const string found = string_at(word);
        if (found.form == FORM_SLOT)
            takes |= LEAT_REPLACE_SLOT;
        else if (found.form != FORM_NONE && found.form != FORM_NUMBER)
            takes |= LEAT_REPLACE_ARGUMENT | (found.position == 0 ? LEAT_REPLACE_EACH : 0);
    }
    return takes;
}

/* Bytes up to and with the last slash. */
static size_t
folder_size(leat_text path)
{
    size_t size = path.size;
    while (size > 0 && path.data[size - 1] != '/')
        size--;
    return size;
}

static leat_text
without_ending(leat_text path)
{
    const size_t folder = folder_size(path);
    for (size_t i = path.size; i > folder + 1; i--) {
        if (path.data[i - 1] == '.')
            return (leat_text){.data = path.data, .size = i - 1};
    }
    return path;
}

static leat_text
without_folder(leat_text path)
{
    const size_t folder = folder_size(path);
    return (leat_text){.data = path.data + folder, .size = path.size - folder};
}

static leat_text
folder_of(leat_text path)
{
    size_t size = folder_size(path);
    if (size == 0)
        return leat_text_of(".");
    while (size > 1 && path.data[size - 1] == '/')
        size--;
    return (leat_text){.data = path.data, .size = size};
}

static leat_text
take(form found, leat_text input)
{
    switch (found) {
    case FORM_STEM:
        return without_ending(input);
    case FORM_NAME:
        return without_folder(input);
    case FORM_FOLDER:
        return folder_of(input);
    case FORM_BASE:
        return without_ending(without_folder(input));
    case FORM_NONE:
    case FORM_ALL:
    case FORM_NUMBER:
    case FORM_SLOT:
    default:
        return input;
    }
}

void
leat_replace_quote(leat_buf *out, leat_text text)
{
    leat_put_u8(out, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\'')
            leat_put_bytes(out, "'\\''", 4);
        else
            leat_put_u8(out, (uint8_t)text.data[i]);
    }
    leat_put_u8(out, '\'');
}

static void
put_number(leat_buf *out, uint64_t number)
{
    char digits[24];
    const int size = snprintf(digits, sizeof digits, "%" PRIu64, number);
    leat_put_bytes(out, digits, (size_t)size);
}

static void
put_argument(leat_buf *out, form which, const leat_replacement *with, size_t index)
{
    const leat_text text =
        index < with->count ? take(which, with->arguments[index]) : (leat_text){0};
    if (with->for_shell)
        leat_replace_quote(out, text);
    else
        leat_put_bytes(out, text.data, text.size);
}

static void
put_string(leat_buf *out, const string *found, const leat_replacement *with)
{
    if (found->form == FORM_NUMBER) {
        put_number(out, with->number);
    } else if (found->form == FORM_SLOT) {
        put_number(out, with->slot);
    } else if (found->position > 0) {
        put_argument(out, found->form, with, found->position - 1);
    } else if (!with->for_shell) {
        put_argument(out, found->form, with, with->which);
    } else {
        for (size_t i = 0; i < with->count; i++) {
            if (i > 0)
                leat_put_u8(out, ' ');
            put_argument(out, found->form, with, i);
        }
    }
}

void
leat_replace_word(leat_buf *out, const char *word, const leat_replacement *with)
{
    while (*word != '\0') {
        const string found = string_at(word);
        if (found.form == FORM_NONE) {
            leat_put_u8(out, (uint8_t)*word++);
            continue;
        }
        put_string(out, &found, with);
        word += found.size;
    }
}
