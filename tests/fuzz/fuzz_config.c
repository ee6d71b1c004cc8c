/* Any bytes as a config file: the reader takes them or names a line, and what it took was there.
 *
 * Checked: an error has a sentence that begins with the file's name; keys and sections are clean
 * text; keys come in the order of their lines; the same bytes are read the same way twice. */
#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/config.h"
#include "proto/base/crc32c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct taken {
    const uint8_t *data; /* the whole file */
    size_t size;
    uint32_t crc; /* over all that was taken */
    unsigned count;
} taken;

static void
check_text(const taken *self, const char *text)
{
    const size_t size = strlen(text);
    for (size_t i = 0; i < size; i++)
        assert(!iscntrl((unsigned char)text[i]) || text[i] == '\t');
    assert(size <= LEAT_CONFIG_LINE_BYTES_MAX);
    assert(size == 0 || memmem(self->data, self->size, text, size) != NULL);
}

static leat_err
take(void *context,
     const char *section,
     const char *key,
     const char *value,
     int line,
     char *why,
     size_t why_size)
{
    taken *const self = context;
    const char *const parts[] = {section == NULL ? "" : section, key, value};
    assert(key[0] != '\0');
    assert(line > 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        check_text(self, parts[i]);
        self->crc = leat_crc32c(self->crc, parts[i], strlen(parts[i]) + 1);
    }
    self->count++;
    if (strcmp(key, "refuse") == 0) {
        (void)snprintf(why, why_size, "refused");
        return LEAT_ERR_CONFIG;
    }
    return LEAT_ERR_OK;
}

static leat_err
read_once(FILE *file, taken *self)
{
    char why[256] = "";
    rewind(file);
    const leat_err err = leat_config_read(file, "f.ini", take, self, why, sizeof why);
    assert(err == LEAT_ERR_OK || err == LEAT_ERR_CONFIG);
    assert((err == LEAT_ERR_OK) == (why[0] == '\0'));
    assert(err == LEAT_ERR_OK || strncmp(why, "f.ini:", 6) == 0);
    return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char copy[1 << 16];
    if (size == 0 || size > sizeof copy)
        return 0;
    memcpy(copy, data, size);
    FILE *const file = fmemopen(copy, size, "r");
    assert(file != NULL);
    taken first = {.data = data, .size = size};
    taken second = first;
    const leat_err err = read_once(file, &first);
    assert(read_once(file, &second) == err);
    assert(first.crc == second.crc && first.count == second.count);
    (void)fclose(file);
    return 0;
}
