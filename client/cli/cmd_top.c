/* leat top: the broker live on the terminal; elsewhere one picture of it.
 *
 * Twice a second the broker is asked what has happened; what has to be counted anew is asked for
 * only then, and once a second for the figures that change by themselves. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/json.h"
#include "client/cli/overview.h"
#include "client/cli/progress.h"
#include "client/cli/stop.h"
#include "proto/base/clock.h"

#define LOOK_MS    500
#define COUNT_MS   1000
#define BATCHES    5
#define NEWS_LINES 5U
#define NEWS_BYTES 256U

typedef struct top {
    leat_cli *cli;
    cJSON *status;  /* owned; the last answers */
    cJSON *batches; /* … array of those that run, the newest first */
    int64_t counted_ms;
    char cursor[64];
    char news[NEWS_LINES][NEWS_BYTES]; /* the newest last */
    unsigned news_count;
    bool live;
    char notice[64]; /* the broker is gone; "" */
    struct termios before;
    bool has_terminal; /* it is to be restored */
} top;

/* ---- what is shown ---- */

static leat_status
ask(top *self, const char *query, const char *arguments, cJSON **answer_p)
{
    const char *text;
    cJSON_Delete(*answer_p);
    *answer_p = NULL;
    const leat_status status = leat_query(self->cli->broker, query, arguments, &text);
    if (status == LEAT_OK)
        *answer_p = cJSON_Parse(text);
    return status == LEAT_OK && *answer_p == NULL ? LEAT_NO_MEMORY : status;
}

/* "18:30:05 batch.finished 42 nightly" */
static void
add_news(top *self, const cJSON *event)
{
    static const char *const keys[] = {"batch", "worker", "channel", "schedule", "software"};
    char clock[16] = "";
    const char *about = "";
    struct tm parts;
    const time_t at = (time_t)(leat_json_real(event, "at_ms", 0) / 1000);
    for (size_t i = 0; i < LEAT_COUNT_OF(keys) && *about == '\0'; i++)
        about = leat_json_string(event, keys[i]);
    if (localtime_r(&at, &parts) != NULL)
        (void)strftime(clock, sizeof clock, "%H:%M:%S", &parts);
    if (self->news_count == NEWS_LINES)
        memmove(self->news[0], self->news[1], (NEWS_LINES - 1) * sizeof self->news[0]);
    else
        self->news_count++;
    const char *const more = cJSON_HasObjectItem(event, "error") ? leat_json_string(event, "error")
                                                                 : leat_json_string(event, "name");
    (void)snprintf(self->news[self->news_count - 1], NEWS_BYTES, "%s  %-16.40s %.100s%s%.80s",
                   clock, leat_json_string(event, "event"), about, *more == '\0' ? "" : "  ", more);
}

/* true: something has happened. */
static leat_status
look(top *self, bool *has_news)
{
    char arguments[100];
    cJSON *answer = NULL;
    const cJSON *event;
    (void)snprintf(arguments, sizeof arguments, "{\"cursor\":\"%s\"}", self->cursor);
    const leat_status status = ask(self, "events", arguments, &answer);
    cJSON_ArrayForEach(event, cJSON_GetObjectItemCaseSensitive(answer, "events"))
    {
        add_news(self, event);
        *has_news = true;
    }
    if (status == LEAT_OK)
        (void)snprintf(self->cursor, sizeof self->cursor, "%s", leat_json_string(answer, "cursor"));
    cJSON_Delete(answer);
    return status;
}

/* Of those that run, the first part of the list is enough for a screen. */
static leat_status
count(top *self)
{
    cJSON *answer = NULL;
    leat_status status = ask(self, "status", NULL, &self->status);
    if (status == LEAT_OK)
        status = ask(self, "batch.list", "{\"state\":\"running\"}", &answer);
    cJSON_Delete(self->batches);
    self->batches = cJSON_DetachItemFromObjectCaseSensitive(answer, "batches");
    cJSON_Delete(answer);
    self->counted_ms = leat_clock_mono_ms();
    return status;
}

static leat_status
refresh(top *self)
{
    bool has_news = self->status == NULL;
    leat_status status = look(self, &has_news);
    while (status == LEAT_OK && self->status == NULL && has_news) { /* all that is kept */
        has_news = false;
        status = look(self, &has_news);
        if (!has_news)
            break;
    }
    if (status == LEAT_OK &&
        (has_news || self->status == NULL || leat_clock_mono_ms() - self->counted_ms >= COUNT_MS))
        status = count(self);
    return status;
}

/* ---- the picture ---- */

static void
print_batch(const top *self, const cJSON *batch, FILE *out)
{
    char head[64];
    char line[LEAT_PROGRESS_BYTES];
    const unsigned columns = self->cli->out.columns;
    const uint64_t failed = leat_json_count(batch, "dead") + leat_json_count(batch, "cancelled") +
                            leat_json_count(batch, "expired") + leat_json_count(batch, "skipped");
    const leat_progress_facts facts = {
        .ended = failed + leat_json_count(batch, "done"),
        .total = leat_json_count(batch, "total"),
        .failed = failed,
        .running = leat_json_count(batch, "running"),
        .per_s = -1,
        .eta_s = -1,
    };
    char name[32];
    (void)leat_screen_safe(leat_json_string(batch, "name"), strlen(leat_json_string(batch, "name")),
                           self->cli->out.utf8, 8, name, sizeof name);
    const int used =
        snprintf(head, sizeof head, "%-6.20s %s ", leat_json_string(batch, "id"), name);
    const unsigned left = columns > (unsigned)used + 20 ? columns - (unsigned)used : 20;
    (void)leat_progress_line(&facts, columns == 0 ? 0 : left, self->cli->out.utf8, line);
    (void)fprintf(out, "%s%s\n", head, line);
}

static void
print_picture(const top *self, FILE *out)
{
    const cJSON *batch;
    int shown = 0;
    leat_overview_print(self->cli, self->status, out);
    cJSON_ArrayForEach(batch, self->batches)
    {
        if (shown == 0)
            (void)fprintf(out, "\n");
        if (shown++ < BATCHES)
            print_batch(self, batch, out);
    }
    if (shown > BATCHES)
        (void)fprintf(out, "%d more run: leat list\n", shown - BATCHES);
    if (self->news_count > 0)
        (void)fprintf(out, "\n");
    for (unsigned i = 0; i < self->news_count; i++) {
        char safe[NEWS_BYTES * 4];
        (void)leat_screen_safe(self->news[i], strlen(self->news[i]), self->cli->out.utf8,
                               self->cli->out.columns, safe, sizeof safe);
        (void)fprintf(out, "%s\n", safe);
    }
}

/* As much of it as fits, over what stood there; the last line says how to end. */
static void
draw(top *self)
{
    char *text = NULL;
    size_t size = 0;
    leat_screen_measure(&self->cli->out, stdout);
    const leat_screen *const screen = &self->cli->out;
    const unsigned rows = leat_screen_rows(stdout);
    FILE *const out = open_memstream(&text, &size);
    if (out == NULL)
        return;
    print_picture(self, out);
    if (fclose(out) != 0 || text == NULL) {
        free(text);
        return;
    }
    (void)fputs("\033[H", stdout);
    unsigned row = 1;
    for (const char *p = text; *p != '\0' && row < rows; row++) {
        char safe[4096];
        const size_t length = strcspn(p, "\n");
        (void)leat_screen_safe(p, length, screen->utf8, screen->columns - 1, safe, sizeof safe);
        (void)fprintf(stdout, "%s\033[K\n", safe);
        p += length + (p[length] == '\n');
    }
    (void)fprintf(stdout, "%.*s\033[J", (int)screen->columns - 1,
                  self->notice[0] != '\0' ? self->notice : "q ends");
    (void)fflush(stdout);
    free(text);
}

/* ---- the terminal ---- */

/* A screen of its own, keys one by one and unseen; Ctrl-Z would leave it so, and does nothing. */
static void
take_terminal(top *self)
{
    struct termios now;
    if (tcgetattr(STDIN_FILENO, &self->before) == 0) {
        self->has_terminal = true;
        now = self->before;
        now.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
        now.c_cc[VMIN] = 1;
        now.c_cc[VTIME] = 0;
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &now);
    }
    (void)signal(SIGTSTP, SIG_IGN);
    (void)fputs("\033[?1049h\033[?25l", stdout);
    (void)fflush(stdout);
}

static void
restore_terminal(top *self)
{
    (void)fputs("\033[?25h\033[?1049l", stdout);
    (void)fflush(stdout);
    if (self->has_terminal)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &self->before);
    (void)signal(SIGTSTP, SIG_DFL);
}

/* Rest for a moment; true: somebody has pressed q. */
static bool
is_over(const top *self)
{
    char key;
    struct pollfd fds[] = {
        {.fd = self->has_terminal ? STDIN_FILENO : -1, .events = POLLIN}
    };
    if (poll(fds, 1, LOOK_MS) <= 0 || (fds[0].revents & (POLLIN | POLLHUP)) == 0)
        return false;
    const ssize_t got = read(STDIN_FILENO, &key, 1);
    return got == 0 || (got == 1 && (key == 'q' || key == 'Q'));
}

static void
broker_gone(void *context, int64_t for_ms)
{
    top *const self = context;
    self->notice[0] = '\0';
    if (for_ms >= 0)
        (void)snprintf(self->notice, sizeof self->notice, "reconnecting %" PRId64 "s; Ctrl-C ends",
                       for_ms / 1000);
    if (self->status != NULL)
        draw(self);
}

/* ---- the command ---- */

static leat_status
show_live(top *self)
{
    leat_status status = refresh(self);
    if (status != LEAT_OK)
        return status;
    leat_stop_patiently(); /* a second signal must not leave the terminal as it is */
    self->cli->on_gone = broker_gone;
    self->cli->on_gone_context = self;
    take_terminal(self);
    while (status == LEAT_OK && !leat_stop_wanted()) {
        draw(self);
        if (is_over(self) || leat_stop_wanted())
            break;
        status = refresh(self);
    }
    restore_terminal(self);
    self->cli->on_gone = NULL;
    return leat_stop_wanted() ? LEAT_OK : status;
}

static leat_status
show_once(top *self)
{
    self->cli->gone_limit_ms = 2000;
    const leat_status status = refresh(self);
    if (status != LEAT_OK)
        return status;
    if (self->cli->json) {
        (void)cJSON_AddItemToObject(self->status, "batches", self->batches);
        self->batches = NULL;
        leat_json_counts(self->status);
        leat_json_times(self->status);
        (void)leat_json_print(&self->status, stdout);
    } else {
        print_picture(self, stdout);
    }
    return LEAT_OK;
}

static int
run(leat_cli *cli)
{
    top self = {.cli = cli};
    if (leat_options_operand_count(cli->options) > 0)
        return leat_cli_usage(cli, "top takes no operands; one batch: leat status 42");
    int code = leat_cli_connect(cli);
    if (code != LEAT_EXIT_OK)
        return code;
    self.live = cli->out.terminal && !cli->json && !cli->plain;
    const leat_status status = self.live ? show_live(&self) : show_once(&self);
    if (status != LEAT_OK)
        code = leat_cli_failed(cli, status, "top");
    else if (leat_stop_wanted())
        code = leat_stop_signal() == SIGTERM ? LEAT_EXIT_TERMINATED : LEAT_EXIT_INTERRUPTED;
    cJSON_Delete(self.status);
    cJSON_Delete(self.batches);
    return code;
}

static const leat_example examples[] = {
    {"leat top",       "what the broker does, live"                },
    {"leat top | cat", "one picture, as where there is no terminal"},
};

const leat_cli_command leat_cli_command_top = {
    .noun = "top",
    .summary = "show the broker live: workers, channels, batches, what happens",
    .operands = "",
    .about =
        "Drawn anew when something has happened, and once a second. q or Ctrl-C ends it. Where\n"
        "there is no terminal, or a dumb one, and with --plain or --json, one picture is printed.\n",
    .examples = examples,
    .example_count = LEAT_COUNT_OF(examples),
    .run = run,
};
