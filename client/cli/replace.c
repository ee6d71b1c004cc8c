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
} form;

static const struct {
    const char *text;
    form form;
} forms[] = {
    {"{}",   FORM_ALL   },
    {"{1}",  FORM_ALL   },
    {"{.}",  FORM_STEM  },
    {"{/}",  FORM_NAME  },
    {"{//}", FORM_FOLDER},
    {"{/.}", FORM_BASE  },
    {"{#}",  FORM_NUMBER},
};

/* The replacement string that begins here, and its size. */
static form
form_at(const char *at, size_t *size)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        *size = strlen(forms[i].text);
        if (strncmp(at, forms[i].text, *size) == 0)
            return forms[i].form;
    }
    return FORM_NONE;
}

bool
leat_replace_wants_input(const char *word)
{
    for (; *word != '\0'; word++) {
        size_t size;
        const form found = form_at(word, &size);
        if (found != FORM_NONE && found != FORM_NUMBER)
            return true;
    }
    return false;
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

void
leat_replace_word(leat_buf *out, const char *word, const leat_replacement *with)
{
    while (*word != '\0') {
        size_t size;
        const form found = form_at(word, &size);
        char number[24];
        if (found == FORM_NONE) {
            leat_put_u8(out, (uint8_t)*word++);
            continue;
        }
        if (found == FORM_NUMBER) {
            const int digits = snprintf(number, sizeof number, "%" PRIu64, with->number);
            leat_put_bytes(out, number, (size_t)digits);
        } else if (with->for_shell) {
            leat_replace_quote(out, take(found, with->input));
        } else {
            const leat_text text = take(found, with->input);
            leat_put_bytes(out, text.data, text.size);
        }
        word += size;
    }
}
