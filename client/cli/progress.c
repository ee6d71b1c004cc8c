/* The progress line: its text for a given width, and when it is drawn. */
#include "client/cli/progress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "client/cli/duration.h"

#define BAR_COLUMNS_MAX 28U
#define BAR_COLUMNS_MIN 4U
#define NARROW_COLUMNS  60U /* under it: no rate */
#define TINY_COLUMNS    40U /* under it: only the count */
#define DRAW_MS         100
#define PLAIN_MS        30000
#define RATE_MS         500 /* the rate is taken over at least this */

/* ---- the text ---- */

static unsigned
percent_of(const leat_progress_facts *facts)
{
    if (facts->total == 0)
        return 0;
    const double part = (double)facts->ended / (double)facts->total;
    const unsigned percent = part >= 1 ? 100 : (unsigned)(part * 100);
    return percent == 100 && facts->ended < facts->total ? 99 : percent;
}

/* Append the bar, `inside` columns between its ends. */
static size_t
put_bar(char *out, size_t room, double part, size_t inside, bool utf8)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const size_t filled = (size_t)(part * (double)inside * 8);
    size_t used = 0;
    size_t columns = 0;
    used += (size_t)snprintf(out, room, "%s", utf8 ? "▕" : "[");
    for (; columns < filled / 8; columns++)
        used += (size_t)snprintf(out + used, room - used, "%s", utf8 ? "█" : "#");
    if (utf8 && columns < inside && filled % 8 > 0) {
        used += (size_t)snprintf(out + used, room - used, "%s", eighths[filled % 8]);
        columns++;
    } else if (!utf8 && columns < inside && columns > 0) {
        out[used - 1] = '>';
    }
    used += (size_t)snprintf(out + used, room - used, "%*s%s", (int)(inside - columns), "",
                             utf8 ? "▏" : "]");
    return used;
}

/* What stands behind the bar. `parts` of them at most: count, running, failed, eta, rate last. */
static void
put_figures(const leat_progress_facts *facts, unsigned parts, char *out, size_t room)
{
    char eta[LEAT_DURATION_BYTES];
    size_t used = (size_t)snprintf(out, room, " %" PRIu64 "/%" PRIu64, facts->ended, facts->total);
    if (parts > 2 && facts->running > 0)
        used += (size_t)snprintf(out + used, room - used, "  %" PRIu64 " run", facts->running);
    if (parts > 0 && facts->failed > 0)
        used += (size_t)snprintf(out + used, room - used, "  %" PRIu64 " fail", facts->failed);
    if (parts > 3 && facts->per_s >= 0)
        used += (size_t)snprintf(out + used, room - used, "  %.1f/s", facts->per_s);
    if (parts > 1 && facts->eta_s >= 0)
        (void)snprintf(out + used, room - used, "  eta %s", leat_duration_clock(facts->eta_s, eta));
}

size_t
leat_progress_line(const leat_progress_facts *facts,
                   unsigned columns,
                   bool utf8,
                   char out[LEAT_PROGRESS_BYTES])
{
    char figures[256];
    const unsigned percent = percent_of(facts);
    if (columns > 0 && columns < TINY_COLUMNS) {
        (void)snprintf(out, LEAT_PROGRESS_BYTES, "%" PRIu64 "/%" PRIu64 " %u%%", facts->ended,
                       facts->total, percent);
        return strlen(out);
    }

    unsigned parts = columns > 0 && columns < NARROW_COLUMNS ? 3 : 4;
    for (;; parts--) {
        put_figures(facts, parts, figures, sizeof figures);
        /* Without a width the line is for a log; the last column of a terminal stays free. */
        if (columns == 0 || parts == 0 || 5 + strlen(figures) < columns)
            break;
    }
    size_t used = (size_t)snprintf(out, LEAT_PROGRESS_BYTES, "%3u%%", percent);
    const size_t taken = used + 3 + strlen(figures); /* a blank and the bar's two ends */
    if (columns > taken && columns - taken > BAR_COLUMNS_MIN) {
        const size_t left = columns - taken - 1;
        const size_t inside = left < BAR_COLUMNS_MAX ? left : BAR_COLUMNS_MAX;
        const double part = facts->total == 0 ? 0 : (double)facts->ended / (double)facts->total;
        out[used++] = ' ';
        used += put_bar(out + used, LEAT_PROGRESS_BYTES - used, part > 1 ? 1 : part, inside, utf8);
    }
    (void)snprintf(out + used, LEAT_PROGRESS_BYTES - used, "%s", figures);
    return leat_screen_columns(out);
}

/* ---- drawing ---- */

bool
leat_progress_form_of(const char *how, bool silent, bool terminal, leat_progress_form *out)
{
    static const struct {
        const char *word;
        leat_progress_form form;
    } forms[] = {
        {"bar",   LEAT_PROGRESS_BAR  },
        {"plain", LEAT_PROGRESS_PLAIN},
        {"json",  LEAT_PROGRESS_JSON },
        {"none",  LEAT_PROGRESS_NONE },
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (strcmp(how, forms[i].word) == 0) {
            *out = forms[i].form;
            return true;
        }
    }
    *out = silent ? LEAT_PROGRESS_NONE : terminal ? LEAT_PROGRESS_BAR : LEAT_PROGRESS_PLAIN;
    return strcmp(how, "auto") == 0;
}

void
leat_progress_init(leat_progress *progress,
                   leat_progress_form form,
                   const leat_screen *screen,
                   FILE *stream,
                   const char *name)
{
    *progress = (leat_progress){.form = form, .screen = *screen, .stream = stream};
    progress->facts.per_s = -1;
    progress->facts.eta_s = -1;
    (void)snprintf(progress->name, sizeof progress->name, "%s", name);
}

void
leat_progress_wipe(leat_progress *progress)
{
    if (progress->drawn)
        (void)fputs("\r\033[K", progress->stream);
    progress->drawn = false;
}

static void
draw_bar(leat_progress *progress, int64_t now_ms)
{
    char line[LEAT_PROGRESS_BYTES];
    leat_screen_measure(&progress->screen, progress->stream);
    const unsigned columns = progress->screen.columns;
    if (*progress->notice == '\0')
        (void)leat_progress_line(&progress->facts, columns, progress->screen.utf8, line);
    else
        (void)leat_screen_safe(progress->notice, strlen(progress->notice), progress->screen.utf8,
                               columns > 0 ? columns - 1 : 0, line, sizeof line);
    if (!progress->drawn || strcmp(progress->line, line) != 0) {
        (void)fprintf(progress->stream, "\r%s\033[K", line);
        (void)fflush(progress->stream);
        memcpy(progress->line, line, sizeof line);
    }
    progress->drawn = true;
    progress->drawn_ms = now_ms;
}

static void
print_json(leat_progress *progress)
{
    const leat_progress_facts *const facts = &progress->facts;
    cJSON *const json = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(json, "of", progress->name);
    (void)cJSON_AddNumberToObject(json, "ended", (double)facts->ended);
    (void)cJSON_AddNumberToObject(json, "total", (double)facts->total);
    (void)cJSON_AddNumberToObject(json, "failed", (double)facts->failed);
    (void)cJSON_AddNumberToObject(json, "running", (double)facts->running);
    if (facts->per_s >= 0)
        (void)cJSON_AddNumberToObject(json, "per_s", facts->per_s);
    if (facts->eta_s >= 0)
        (void)cJSON_AddNumberToObject(json, "eta_s", facts->eta_s);
    if (*progress->notice != '\0')
        (void)cJSON_AddStringToObject(json, "notice", progress->notice);
    char *const text = cJSON_PrintUnformatted(json);
    if (text != NULL)
        (void)fprintf(progress->stream, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(json);
}

static void
print_plain(leat_progress *progress)
{
    char line[LEAT_PROGRESS_BYTES];
    if (progress->begun)
        (void)leat_progress_line(&progress->facts, 0, false, line);
    else
        (void)snprintf(line, sizeof line, " %" PRIu64 "/%" PRIu64, progress->facts.ended,
                       progress->facts.total);
    (void)fprintf(progress->stream, "leat: %s:%s\n", progress->name, line);
}

/* A log gets a line at the start, at every tenth of the way, and when nothing came for long. The
 * end is the summary's. */
static bool
line_is_due(const leat_progress *progress, int64_t now_ms, unsigned tenths)
{
    if (!progress->begun)
        return true;
    if (progress->facts.ended >= progress->facts.total)
        return false;
    return tenths > progress->drawn_tenths || now_ms - progress->drawn_ms >= PLAIN_MS;
}

static void
take_rate(leat_progress *progress, int64_t now_ms)
{
    leat_progress_facts *const facts = &progress->facts;
    const int64_t passed_ms = now_ms - progress->rate_ms;
    if (!progress->begun || passed_ms < RATE_MS)
        return;
    const double now = (double)(facts->ended - progress->rate_ended) * 1000 / (double)passed_ms;
    /* The older figures fade within some seconds, so that the line does not jump. */
    const double weight = passed_ms > 3000 ? 1 : (double)passed_ms / 3000;
    facts->per_s = facts->per_s < 0 ? now : facts->per_s + (now - facts->per_s) * weight;
    progress->rate_ms = now_ms;
    progress->rate_ended = facts->ended;
    facts->eta_s = facts->per_s > 0.001 && facts->total >= facts->ended
                       ? (double)(facts->total - facts->ended) / facts->per_s
                       : -1;
}

void
leat_progress_update(
    leat_progress *progress, int64_t now_ms, uint64_t ended, uint64_t total, uint64_t failed)
{
    if (progress->form == LEAT_PROGRESS_NONE || total == 0)
        return;
    progress->facts.ended = ended;
    progress->facts.total = total;
    progress->facts.failed = failed;
    if (!progress->begun) {
        progress->rate_ms = now_ms;
        progress->rate_ended = ended;
    }
    take_rate(progress, now_ms);

    if (progress->form == LEAT_PROGRESS_BAR) {
        if (!progress->drawn || now_ms - progress->drawn_ms >= DRAW_MS)
            draw_bar(progress, now_ms);
    } else {
        const unsigned tenths = percent_of(&progress->facts) / 10;
        if (line_is_due(progress, now_ms, tenths)) {
            if (progress->form == LEAT_PROGRESS_JSON)
                print_json(progress);
            else
                print_plain(progress);
            progress->drawn_ms = now_ms;
            progress->drawn_tenths = tenths;
        }
    }
    progress->begun = true;
}

void
leat_progress_notice(leat_progress *progress, int64_t now_ms, const char *text, bool telling)
{
    const bool same = strcmp(progress->notice, text) == 0;
    (void)snprintf(progress->notice, sizeof progress->notice, "%s", text);
    if (same || progress->form == LEAT_PROGRESS_NONE)
        return;
    if (progress->form == LEAT_PROGRESS_BAR)
        draw_bar(progress, now_ms);
    else if (telling && *text != '\0' && progress->form == LEAT_PROGRESS_JSON)
        print_json(progress);
    else if (telling && *text != '\0')
        (void)fprintf(progress->stream, "leat: %s: %s\n", progress->name, text);
}
