/* What a terminal can show, text that cannot hurt it, and tables that fit it. */
#include "client/cli/screen.h"

#include <langinfo.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/cli/variable.h"

#define COLUMNS_USUAL 80U
#define ROWS_USUAL    24U
#define COLUMNS_LEAST 10U
#define COLUMNS_MOST  10000U

static unsigned
columns_of(const char *text)
{
    if (text == NULL)
        return 0;
    char *end;
    const unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || value == 0 || value > COLUMNS_MOST)
        return 0;
    return value < COLUMNS_LEAST ? COLUMNS_LEAST : (unsigned)value;
}

void
leat_screen_measure(leat_screen *screen, FILE *stream)
{
    struct winsize size = {0};
    const unsigned told = columns_of(leat_variable("COLUMNS"));
    if (told > 0)
        screen->columns = told;
    else if (!screen->terminal)
        screen->columns = 0;
    else if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        screen->columns = size.ws_col < COLUMNS_LEAST ? COLUMNS_LEAST : size.ws_col;
    else
        screen->columns = COLUMNS_USUAL;
}

unsigned
leat_screen_rows(FILE *stream)
{
    struct winsize size = {0};
    return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row
                                                                            : ROWS_USUAL;
}

leat_screen
leat_screen_of(FILE *stream, leat_color color)
{
    leat_screen screen = {0};
    const char *const term = leat_variable("TERM");
    const char *const no_color = leat_variable("NO_COLOR");
    screen.terminal = isatty(fileno(stream)) == 1 && term != NULL && strcmp(term, "dumb") != 0;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the locale is set once, before */
    screen.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    screen.color = color == LEAT_COLOR_ALWAYS ||
                   (color == LEAT_COLOR_AUTO && screen.terminal && no_color == NULL);
    leat_screen_measure(&screen, stream);
    return screen;
}

/* ---- safe text ---- */

size_t
leat_screen_character(const unsigned char *data, size_t size)
{
    static const struct {
        uint8_t first_min, first_max, second_min, second_max, bytes;
    } forms[] = {
        {0x00, 0x7f, 0,    0,    1},
        {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3},
        {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (data[0] < forms[i].first_min || data[0] > forms[i].first_max)
            continue;
        if (forms[i].bytes > size)
            return 0;
        for (size_t k = 1; k < forms[i].bytes; k++) {
            const uint8_t low = k == 1 ? forms[i].second_min : 0x80;
            const uint8_t high = k == 1 ? forms[i].second_max : 0xbf;
            if (data[k] < low || data[k] > high)
                return 0;
        }
        return forms[i].bytes;
    }
    return 0;
}

/* One character as it may be shown: text of at most 4 bytes, its columns, bytes taken. */
typedef struct glyph {
    char text[8];
    size_t bytes;
    size_t columns;
    size_t taken;
} glyph;

static glyph
next_glyph(const uint8_t *p, size_t size, bool utf8)
{
    glyph g = {0};
    const size_t bytes = leat_screen_character(p, size);
    /* U+0080 … U+009F are control characters of one more kind. */
    const bool c1 = bytes == 2 && p[0] == 0xc2 && p[1] < 0xa0;
    if (bytes == 1 && (*p == '\n' || *p == '\t' || *p == '\r')) {
        g = (glyph){.text = " ", .bytes = 1, .columns = 1, .taken = 1};
    } else if (bytes == 1 && *p >= 0x20 && *p != 0x7f) {
        g = (glyph){.text = {(char)*p}, .bytes = 1, .columns = 1, .taken = 1};
    } else if (bytes > 1 && !c1 && utf8) {
        memcpy(g.text, p, bytes);
        g.bytes = bytes;
        g.columns = 1;
        g.taken = bytes;
    } else if (bytes > 1 && !c1) {
        g = (glyph){.text = "?", .bytes = 1, .columns = 1, .taken = bytes};
    } else {
        (void)snprintf(g.text, sizeof g.text, "\\x%02x", *p);
        g.bytes = 4;
        g.columns = 4;
        g.taken = 1;
    }
    return g;
}

size_t
leat_screen_safe(
    const void *data, size_t size, bool utf8, size_t columns_max, char *out, size_t out_size)
{
    const uint8_t *const bytes = data;
    const char *const dots = utf8 ? "…" : "...";
    const size_t dots_columns = utf8 ? 1 : 3;
    size_t used = 0;
    size_t columns = 0;
    size_t cut_used = 0; /* where the dots go if the text turns out to be too long */
    size_t cut_columns = 0;
    bool too_long = false;
    if (out_size == 0)
        return 0;

    for (size_t at = 0; at < size;) {
        const glyph g = next_glyph(bytes + at, size - at, utf8);
        if ((columns_max > 0 && columns + g.columns > columns_max) ||
            used + g.bytes + 1 > out_size) {
            too_long = true;
            break;
        }
        memcpy(out + used, g.text, g.bytes);
        used += g.bytes;
        columns += g.columns;
        at += g.taken;
        if ((columns_max == 0 || columns + dots_columns <= columns_max) &&
            used + strlen(dots) + 1 <= out_size) {
            cut_used = used;
            cut_columns = columns;
        }
    }
    if (too_long) {
        used = cut_used;
        columns = cut_columns;
        if (used + strlen(dots) + 1 <= out_size &&
            (columns_max == 0 || columns + dots_columns <= columns_max)) {
            memcpy(out + used, dots, strlen(dots));
            used += strlen(dots);
            columns += dots_columns;
        }
    }
    out[used] = '\0';
    return columns;
}

size_t
leat_screen_columns(const char *text)
{
    size_t columns = 0;
    for (; *text != '\0'; text++)
        columns += ((unsigned char)*text & 0xc0U) != 0x80U;
    return columns;
}

/* ---- tables ---- */

struct leat_table {
    const leat_column *columns; /* borrowed */
    size_t column_count;
    char **cells; /* owned, row after row */
    size_t cell_count;
    size_t cell_room;
};

leat_table *
leat_table_new(const leat_column *columns, size_t count)
{
    leat_table *const table = calloc(1, sizeof *table);
    if (table != NULL) {
        table->columns = columns;
        table->column_count = count;
    }
    return table;
}

void
leat_table_destroy(leat_table **table_p)
{
    leat_table *const table = *table_p;
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
    *table_p = NULL;
}

bool
leat_table_add(leat_table *table, const char *const *cells)
{
    if (table->cell_count + table->column_count > table->cell_room) {
        const size_t room = table->cell_room * 2 + 16 * table->column_count;
        char **const more = realloc(table->cells, room * sizeof *more);
        if (more == NULL)
            return false;
        table->cells = more;
        table->cell_room = room;
    }
    for (size_t i = 0; i < table->column_count; i++) {
        const size_t size = strlen(cells[i]);
        const size_t room = size * 4 + 1; /* every byte may become \xNN */
        char *const safe = malloc(room);
        if (safe == NULL) {
            for (; i > 0; i--)
                free(table->cells[--table->cell_count]);
            return false;
        }
        (void)leat_screen_safe(cells[i], size, true, 0, safe, room);
        table->cells[table->cell_count++] = safe;
    }
    return true;
}

static size_t
widest(const leat_table *table, size_t column)
{
    size_t width = leat_screen_columns(table->columns[column].head);
    for (size_t i = column; i < table->cell_count; i += table->column_count) {
        const size_t columns = leat_screen_columns(table->cells[i]);
        if (columns > width)
            width = columns;
    }
    return width;
}

/* Widths of the columns so that a row fits; 0: the column is left out. */
static void
fit(const leat_table *table, unsigned limit, size_t *widths)
{
    size_t total = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        widths[i] = widest(table, i);
        total += widths[i] + (i > 0 ? 2 : 0);
    }
    while (limit > 0 && total > limit) {
        size_t least = 0;
        for (size_t i = 1; i < table->column_count; i++) {
            if (widths[i] > 0 &&
                (least == 0 || table->columns[i].keep <= table->columns[least].keep))
                least = i;
        }
        /* The first column gives way before the last figure goes. */
        const size_t over = total - limit;
        if (widths[0] > over && widths[0] - over >= COLUMNS_LEAST) {
            widths[0] -= over;
            return;
        }
        if (least == 0) {
            widths[0] = limit;
            return;
        }
        total -= widths[least] + 2;
        widths[least] = 0;
    }
}

static void
print_cell(const char *text, size_t width, bool right, bool last, bool utf8, FILE *out)
{
    char cut[4096];
    const size_t columns = leat_screen_safe(text, strlen(text), utf8, width, cut, sizeof cut);
    const int pad = columns < width ? (int)(width - columns) : 0;
    if (right)
        (void)fprintf(out, "%*s%s", pad, "", cut);
    else
        (void)fprintf(out, "%s%*s", cut, last ? 0 : pad, "");
}

static void
print_row(
    const leat_table *table, const size_t *widths, bool utf8, const char *const *row, FILE *out)
{
    size_t last = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        if (widths[i] > 0)
            last = i;
    }
    for (size_t i = 0; i < table->column_count; i++) {
        if (widths[i] == 0)
            continue;
        if (i > 0)
            (void)fputs("  ", out);
        print_cell(row[i], widths[i], table->columns[i].right, i == last, utf8, out);
    }
    (void)fputc('\n', out);
}

static void
print_plain(const leat_table *table, FILE *out)
{
    for (size_t i = 0; i < table->cell_count; i++) {
        const bool last = (i + 1) % table->column_count == 0;
        (void)fprintf(out, "%s%c", table->cells[i], last ? '\n' : '\t');
    }
}

void
leat_table_print(const leat_table *table, const leat_screen *screen, bool plain, FILE *out)
{
    if (plain) {
        print_plain(table, out);
        return;
    }
    size_t *const widths = calloc(table->column_count, sizeof *widths);
    const char **const row = calloc(table->column_count, sizeof *row);
    if (widths == NULL || row == NULL)
        goto done;
    fit(table, screen->columns, widths);
    for (size_t i = 0; i < table->column_count; i++)
        row[i] = table->columns[i].head;
    print_row(table, widths, screen->utf8, row, out);
    for (size_t i = 0; i < table->cell_count; i += table->column_count) {
        for (size_t k = 0; k < table->column_count; k++)
            row[k] = table->cells[i + k];
        print_row(table, widths, screen->utf8, row, out);
    }

done:
    free(widths);
    free(row);
}
