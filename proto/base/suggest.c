/* "Did you mean …?": the edit distance that counts what fingers do wrong. */
#include <ctype.h>
#include <string.h>

#include "proto/base/option.h"

#define WORD_BYTES_MAX 64U /* longer words are not compared */

static int
lower(char c)
{
    return tolower((unsigned char)c);
}

static unsigned
least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Letters to put in, take out, replace or swap with their neighbour to make b of a. Three rows of
 * the usual matrix are enough. */
static unsigned
distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    unsigned rows[3][WORD_BYTES_MAX + 1];
    unsigned *before = rows[0], *above = rows[1], *here = rows[2];
    for (size_t j = 0; j <= b_size; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= a_size; i++) {
        here[0] = (unsigned)i;
        for (size_t j = 1; j <= b_size; j++) {
            const bool same = lower(a[i - 1]) == lower(b[j - 1]);
            here[j] = least(above[j - 1] + !same, least(above[j], here[j - 1]) + 1);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                here[j] = least(here[j], before[j - 2] + 1);
        }
        unsigned *const spent = before;
        before = above;
        above = here;
        here = spent;
    }
    return above[b_size];
}

const char *
leat_suggest(const char *word,
             const char *(*name_of)(const void *context, size_t i),
             const void *context,
             size_t count)
{
    const size_t size = strlen(word);
    const char *nearest = NULL;
    if (size > WORD_BYTES_MAX)
        return NULL;
    unsigned best = size < 6 ? 2 : (unsigned)size / 3 + 1; /* nothing at this distance or beyond */
    for (size_t i = 0; i < count; i++) {
        const char *const name = name_of(context, i);
        const size_t name_size = name == NULL ? 0 : strlen(name);
        if (name_size == 0 || name_size > WORD_BYTES_MAX)
            continue;
        const unsigned d = distance(word, size, name, name_size);
        if (d < best && d < size && d < name_size) {
            best = d;
            nearest = name;
        }
    }
    return nearest;
}
