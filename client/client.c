/* The connection of leat.h: connect, the pump that every blocking call turns, disconnect. */
#include "client/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_MS       2000 /* of leat_connect */
#define GONE_EVERY_MS    1000
#define BYE_MS           5000 /* at most, for what is still on its way at leat_disconnect */
#define QUICK_EVENTS_MAX 16
#define INTERRUPTED_MS   1000 /* an interrupted call waits so long for the broker's decision */

static_assert(LEAT_SILENT_MS == LEAT_LOST_MS, "the header says what the broker does");

const char *
leat_version(void)
{
    return LEAT_VERSION;
}

/* ---------------------------------------------------------------------------- small things */

leat_status
leat_fail(leat *self, leat_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
    (void)vsnprintf(self->sentence, sizeof self->sentence, format, args);
    va_end(args);
    return status;
}

void
leat_begin(leat *self)
{
    self->sentence[0] = '\0';
    self->stray = LEAT_OK;
    self->was_interrupted = false;
}

const char *
leat_sentence(const leat *self)
{
    return self == NULL ? "out of memory" : self->sentence;
}

const char *
leat_endpoint(const leat *self)
{
    return self->link == NULL ? "" : leat_link_endpoint(self->link);
}

void
leat_on_gone(leat *self, void (*call)(void *context, int gone, int64_t for_ms), void *context)
{
    self->gone = call;
    self->gone_context = context;
}

void
leat_interrupt(leat *self)
{
    atomic_store(&self->interrupted, true);
    if (self->link != NULL)
        leat_link_wake(self->link);
}

bool
leat_is_up(const leat *self)
{
    return self->link != NULL && leat_link_is_up(self->link);
}

int64_t
leat_deadline_ms(int64_t timeout_ms)
{
    const int64_t now_ms = leat_clock_mono_ms();
    return timeout_ms < 0 || timeout_ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + timeout_ms;
}

leat_status
leat_status_of(leat_err err)
{
    switch ((unsigned)err) {
    case LEAT_ERR_OK:
        return LEAT_OK;
    case LEAT_ERR_TOO_LARGE:
        return LEAT_TOO_LARGE;
    case LEAT_ERR_NOT_FOUND:
        return LEAT_NOT_FOUND;
    case LEAT_ERR_FULL:
        return LEAT_FULL;
    case LEAT_ERR_CLOSED:
        return LEAT_CLOSED;
    case LEAT_ERR_LOST:
        return LEAT_LOST;
    case LEAT_ERR_TIMEOUT:
        return LEAT_TIMED_OUT;
    case LEAT_ERR_UNKNOWN_OUTCOME:
        return LEAT_UNKNOWN;
    case LEAT_ERR_NO_BROKER:
        return LEAT_NO_BROKER;
    case LEAT_ERR_DENIED:
        return LEAT_DENIED;
    case LEAT_ERR_MALFORMED:
    case LEAT_ERR_CONFIG:
        return LEAT_WRONG_USE;
    default:
        return LEAT_REFUSED;
    }
}

leat_status
leat_check_name(leat *self, const char *what, const char *name)
{
    if (name == NULL)
        return leat_fail(self, LEAT_WRONG_USE, "no %s is named", what);
    if (leat_name_is_valid(leat_text_of(name)))
        return LEAT_OK;
    return leat_fail(self, LEAT_WRONG_USE,
                     "a %s's name has 1 to %u bytes of UTF-8 without control characters", what,
                     LEAT_NAME_BYTES_MAX);
}

void
leat_shared_drop(leat_shared **shared_p)
{
    leat_shared *const shared = *shared_p;
    *shared_p = NULL;
    if (shared == NULL || --shared->users > 0)
        return;
    leat_link_body_free(&shared->body);
    free(shared);
}

/* --------------------------------------------------------------------------------- answers */

leat_open_frame *
leat_open_frame_of(leat *self, uint64_t sequence)
{
    leat_open_frame *const frame = &self->open_frames[sequence % LEAT_WINDOW_FRAMES];
    return sequence != 0 && frame->sequence == sequence ? frame : NULL;
}

leat_open_frame *
leat_post(leat *self, leat_buf *frame)
{
    const size_t bytes = frame->size;
    uint64_t first_note = 0;
    uint32_t notes = 0;
    if (self->recorder != NULL)
        leat_notes_on_post(self, frame, &first_note, &notes);
    const uint64_t sequence = leat_link_send_sequenced(self->link, frame);
    if (sequence == 0)
        return NULL;
    leat_open_frame *const open = &self->open_frames[sequence % LEAT_WINDOW_FRAMES];
    *open = (leat_open_frame){
        .sequence = sequence, .bytes = (uint32_t)bytes, .first_note = first_note, .notes = notes};
    self->open_bytes += bytes;
    return open;
}

void
leat_say(leat *self, leat_buf *frame, uint16_t count)
{
    if (!frame->failed)
        leat_frame_finish(frame, 0, count, 0);
    leat_link_send(self->link, frame);
}

static void
say_withdraw(leat *self, uint64_t sequence)
{
    const leat_withdraw withdraw = {.kind = LEAT_WITHDRAW_SEQUENCE, .sequence = sequence};
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_WITHDRAW);
    leat_withdraw_put(&frame, &withdraw);
    leat_say(self, &frame, 1);
}

void
leat_withdraw_frame(leat *self, uint64_t sequence)
{
    leat_open_frame *const frame = leat_open_frame_of(self, sequence);
    if (frame == NULL || frame->withdrawn)
        return;
    frame->withdrawn = true;
    if (leat_is_up(self))
        say_withdraw(self, sequence);
}

/* The link has sent the unanswered frames again; what was to be withdrawn waits in line anew. */
static void
withdraw_again(leat *self)
{
    for (uint32_t i = 0; i < LEAT_WINDOW_FRAMES; i++)
        if (self->open_frames[i].sequence != 0 && self->open_frames[i].withdrawn)
            say_withdraw(self, self->open_frames[i].sequence);
}

/* Its answer is here. A copy of what stood for it; sequence 0: it had been answered before. */
static leat_open_frame
close_frame(leat *self, uint64_t sequence)
{
    leat_open_frame *const frame = leat_open_frame_of(self, sequence);
    if (frame == NULL)
        return (leat_open_frame){0};
    const leat_open_frame closed = *frame;
    self->open_bytes -= frame->bytes;
    *frame = (leat_open_frame){0};
    return closed;
}

static bool
is_called(const leat *self, leat_call_kind kind, uint64_t sequence)
{
    return self->call.kind == kind && self->call.number == sequence && !self->call.answered;
}

/* The frame was refused as a whole, or its fate is unknown. */
static void
on_refusal(leat *self, uint64_t sequence, leat_status status, leat_text why)
{
    if (is_called(self, LEAT_CALL_SEND, sequence) || is_called(self, LEAT_CALL_CANCEL, sequence) ||
        is_called(self, LEAT_CALL_COMMAND, sequence)) {
        self->call.answered = true;
        self->call.status = leat_fail(self, status, "%.*s", (int)why.size, why.data);
    }
    const leat_open_frame frame = close_frame(self, sequence);
    if (frame.notes > 0)
        leat_notes_on_refusal(self, &frame, status);
    if (frame.batch != NULL)
        leat_batch_on_failure(frame.batch, status, why, frame.jobs);
    if (frame.selecting != NULL)
        leat_selecting_on_failure(frame.selecting, status, why);
}

static void
on_sent(leat *self, const leat_sent *sent)
{
    if (is_called(self, LEAT_CALL_SEND, sent->sequence)) {
        self->call.answered = true;
        self->call.first_id = sent->first_id;
        self->call.status = leat_status_of(leat_err_from_number(sent->code));
        if (self->call.status != LEAT_OK)
            (void)leat_fail(self, LEAT_OK, "%.*s", (int)sent->sentence.size, sent->sentence.data);
    }
    const leat_open_frame frame = close_frame(self, sent->sequence);
    if (frame.notes > 0)
        leat_notes_on_sent(self, &frame, sent);
    if (frame.batch != NULL)
        leat_batch_on_sent(frame.batch, sent, frame.jobs);
}

static void
on_sent_frame(leat *self, const leat_link_event *event)
{
    leat_reader records;
    if (leat_sent_open(event->body, event->body_size, event->frame.count, &records) != LEAT_ERR_OK)
        return; /* the link has checked it */
    for (uint16_t i = 0; i < event->frame.count; i++) {
        leat_sent sent;
        leat_sent_next(&records, &sent);
        on_sent(self, &sent);
    }
}

static void
count_exception(leat *self, leat_err code)
{
    leat_cancelled *const out = self->call.cancelled;
    out->cancelled--;
    if (code == LEAT_ERR_TOO_LATE)
        out->ended++;
    else if (code == LEAT_ERR_NOT_FOUND)
        out->not_found++;
    else
        self->call.status = leat_fail(self, leat_status_of(code), "%s", leat_err_message(code));
}

/* What was acknowledged is of no interest any more; what was cancelled is. */
static void
on_acked_frame(leat *self, const leat_link_event *event)
{
    leat_reader records;
    if (leat_acked_open(event->body, event->body_size, event->frame.count, &records) != LEAT_ERR_OK)
        return;
    for (uint16_t i = 0; i < event->frame.count; i++) {
        leat_acked acked;
        leat_acked_next(&records, &acked);
        const bool is_cancel = is_called(self, LEAT_CALL_CANCEL, acked.sequence);
        const leat_err code = leat_err_from_number(acked.code);
        if (is_cancel && code != LEAT_ERR_OK)
            self->call.status = leat_fail(self, leat_status_of(code), "%s", leat_err_message(code));
        for (uint16_t k = 0; k < acked.exceptions; k++) {
            leat_acked_exception exception;
            leat_acked_next_exception(&records, &exception);
            if (is_cancel)
                count_exception(self, leat_err_from_number(exception.code));
        }
        if (is_cancel)
            self->call.answered = true;
        (void)close_frame(self, acked.sequence);
    }
}

static void
on_withdrawn_frame(leat *self, const leat_link_event *event)
{
    leat_reader records;
    if (leat_withdrawn_open(event->body, event->body_size, event->frame.count, &records) !=
        LEAT_ERR_OK) {
        leat_link_drop(self->link, "an answer to WITHDRAW that cannot be read");
        return;
    }
    for (uint16_t i = 0; i < event->frame.count; i++) {
        leat_withdrawn withdrawn;
        leat_withdrawn_next(&records, &withdrawn);
        leat_receivers_on_withdrawn(self, &withdrawn);
    }
}

static void
on_error_frame(leat *self, const leat_link_event *event)
{
    leat_error_record error;
    if (leat_error_open(event->body, event->body_size, &error) != LEAT_ERR_OK)
        return;
    const leat_status status = leat_status_of(leat_err_from_number(error.code));
    if (error.sequence != 0) {
        on_refusal(self, error.sequence, status, error.sentence);
        return;
    }
    self->stray = status == LEAT_OK ? LEAT_REFUSED : status;
    (void)snprintf(self->stray_sentence, sizeof self->stray_sentence, "%.*s",
                   (int)error.sentence.size, error.sentence.data);
}

static void
skip_run(const leat_items_run *run, leat_reader *records)
{
    for (uint16_t i = 0; i < run->n; i++) {
        leat_completion completion;
        leat_message message;
        if (run->kind == LEAT_ITEMS_COMPLETIONS)
            leat_items_next_completion(records, &completion);
        else
            leat_items_next_message(records, &message);
    }
}

static leat_shared *
take_shared(leat *self)
{
    leat_shared *shared = calloc(1, sizeof *shared);
    if (shared == NULL)
        return NULL;
    shared->users = 1;
    shared->body = leat_link_take_body(self->link);
    if (shared->body == NULL)
        leat_shared_drop(&shared);
    return shared;
}

/* The message stays in the frame that brought it. */
static void
on_selected_frame(leat *self, const leat_link_event *event)
{
    leat_reader records;
    leat_shared *shared = take_shared(self);
    const uint8_t *const body = shared == NULL ? event->body : shared->body->data;
    if (leat_selected_open(body, event->body_size, event->frame.count, &records) != LEAT_ERR_OK)
        goto done; /* the link has checked it */
    for (uint16_t i = 0; i < event->frame.count; i++) {
        leat_selected selected;
        leat_selected_next(&records, &selected);
        const leat_open_frame frame = close_frame(self, selected.sequence);
        if (frame.notes > 0)
            leat_notes_on_selected(self, &frame, &selected);
        if (frame.selecting != NULL)
            leat_selecting_on_selected(frame.selecting, &selected, shared);
    }

done:
    leat_shared_drop(&shared);
}

/* Completions and messages stay in the frame that brought them; each run's owner holds it. */
static void
on_items_frame(leat *self, const leat_link_event *event)
{
    leat_reader records;
    leat_shared *shared = take_shared(self);
    if (shared == NULL) {
        leat_waits_on_gap(self);
        return;
    }
    bool follows = true;
    if (leat_items_open(shared->body->data, shared->body->size, event->frame.count, &records) !=
        LEAT_ERR_OK) {
        leat_link_drop(self->link, "completions that cannot be read");
        goto done;
    }
    for (uint16_t i = 0; i < event->frame.count && follows; i++) {
        leat_items_run run;
        leat_items_next_run(&records, &run);
        if (run.kind == LEAT_ITEMS_COMPLETIONS)
            follows = leat_waits_on_run(self, &run, &records, shared);
        else
            leat_receivers_on_run(self, &run, &records, shared);
        if (i + 1 < event->frame.count)
            skip_run(&run, &records);
    }

    if (!follows) /* the next connection asks again from where we are */
        leat_link_drop(self->link, "completions are missing before those that came");

done:
    leat_shared_drop(&shared);
}

static void
on_frame(leat *self, const leat_link_event *event)
{
    switch ((unsigned)event->frame.command) {
    case LEAT_CMD_SENT:
        on_sent_frame(self, event);
        break;
    case LEAT_CMD_ITEMS:
        on_items_frame(self, event);
        break;
    case LEAT_CMD_REPLY:
        (void)close_frame(self, leat_call_on_reply(self, event->body, event->body_size));
        break;
    case LEAT_CMD_ERROR:
        on_error_frame(self, event);
        break;
    case LEAT_CMD_ACKED:
        on_acked_frame(self, event);
        break;
    case LEAT_CMD_SELECTED:
        on_selected_frame(self, event);
        break;
    case LEAT_CMD_WITHDRAWN:
        on_withdrawn_frame(self, event);
        break;
    case LEAT_CMD_PROGRESS:
    case LEAT_CMD_LOG:
        leat_watches_on_told(self, event);
        break;
    default:
        break;
    }
}

/* ------------------------------------------------------------------------------------ the pump */

static void
tell_gone(leat *self, int64_t now_ms)
{
    if (self->gone_since_ms == INT64_MAX || now_ms < self->gone_next_ms)
        return;
    self->gone_next_ms = now_ms + GONE_EVERY_MS;
    if (self->gone != NULL)
        self->gone(self->gone_context, 1, now_ms - self->gone_since_ms);
}

static void
on_up(leat *self, const leat_link_event *event)
{
    const bool is_same = !self->was_up || strcmp(self->broker, event->welcome->broker) == 0;
    memcpy(self->broker, event->welcome->broker, sizeof self->broker);
    self->was_up = true;
    self->was_down = false;
    if (self->gone_since_ms != INT64_MAX) {
        const int64_t for_ms = leat_clock_mono_ms() - self->gone_since_ms;
        self->gone_since_ms = INT64_MAX;
        if (self->gone != NULL)
            self->gone(self->gone_context, 0, for_ms);
    }
    withdraw_again(self);
    leat_waits_on_up(self, is_same);
    leat_watches_on_up(self, is_same);
    leat_receivers_on_up(self, event->resumed, is_same);
    leat_call_on_up(self);
}

static void
on_down(leat *self, const leat_link_event *event)
{
    self->was_down = true;
    leat_receivers_on_down(self);
    (void)snprintf(self->refusal, sizeof self->refusal, "%s", event->sentence);
    if (self->was_up && self->gone_since_ms == INT64_MAX) {
        self->gone_since_ms = leat_clock_mono_ms();
        self->gone_next_ms = self->gone_since_ms;
        tell_gone(self, self->gone_since_ms);
    }
}

static void
on_event(leat *self, const leat_link_event *event)
{
    static const char lost[] =
        "the answer is lost with the broker's session: it may or may not have happened";
    switch (event->kind) {
    case LEAT_LINK_UP:
        on_up(self, event);
        break;
    case LEAT_LINK_DOWN:
        on_down(self, event);
        break;
    case LEAT_LINK_FRAME:
        on_frame(self, event);
        break;
    case LEAT_LINK_UNKNOWN:
        on_refusal(self, event->sequence, LEAT_UNKNOWN,
                   (leat_text){.data = lost, .size = sizeof lost - 1});
        break;
    case LEAT_LINK_REFUSED:
        self->stopped = event->err == LEAT_ERR_DENIED ? LEAT_DENIED : LEAT_REFUSED;
        (void)snprintf(self->refusal, sizeof self->refusal, "%s", event->sentence);
        break;
    }
}

bool
leat_is_interrupted(const leat *self, leat_status status)
{
    return status == LEAT_REFUSED && self->was_interrupted;
}

leat_status
leat_turn(leat *self, int64_t until_ms)
{
    if (self->link == NULL)
        return leat_fail(self, LEAT_NO_BROKER, "%s", self->refusal);
    if (atomic_load_explicit(&self->interrupted, memory_order_relaxed) &&
        atomic_exchange(&self->interrupted, false)) {
        self->was_interrupted = true;
        return leat_fail(self, LEAT_REFUSED, "interrupted");
    }

    leat_link_event event;
    if (leat_link_next(self->link, &event)) {
        on_event(self, &event);
        return LEAT_OK;
    }
    if (self->stopped != LEAT_OK)
        return leat_fail(self, self->stopped, "%s", self->refusal);
    const int64_t now_ms = leat_clock_mono_ms();
    tell_gone(self, now_ms);
    if (now_ms >= until_ms) {
        if (leat_is_up(self))
            return leat_fail(self, LEAT_TIMED_OUT, "the time ran out");
        leat_link_tried(self->link, self->sentence, sizeof self->sentence);
        return LEAT_TIMED_OUT;
    }
    const bool is_gone = self->gone_since_ms != INT64_MAX;
    leat_link_wait(self->link,
                   is_gone && self->gone_next_ms < until_ms ? self->gone_next_ms : until_ms);
    return LEAT_OK;
}

void
leat_turn_quickly(leat *self)
{
    leat_link_event event;
    for (int i = 0; i < QUICK_EVENTS_MAX && leat_link_next(self->link, &event); i++)
        on_event(self, &event);
}

static leat_status
say_stray(leat *self)
{
    return leat_fail(self, self->stray, "%s", self->stray_sentence);
}

leat_status
leat_pump(leat *self)
{
    leat_link_event event;
    if (self->link == NULL)
        return leat_fail(self, LEAT_NO_BROKER, "%s", self->refusal);
    while (leat_link_next(self->link, &event))
        on_event(self, &event);
    tell_gone(self, leat_clock_mono_ms());
    if (self->stopped != LEAT_OK)
        return leat_fail(self, self->stopped, "%s", self->refusal);
    return self->stray != LEAT_OK ? say_stray(self) : LEAT_OK;
}

bool
leat_has_room(const leat *self, size_t bytes)
{
    return leat_is_up(self) && leat_link_room(self->link) > 0 &&
           (bytes == 0 || self->open_bytes == 0 || self->open_bytes + bytes <= LEAT_OPEN_BYTES_MAX);
}

leat_status
leat_await_room(leat *self, size_t bytes, int64_t until_ms)
{
    leat_status status = LEAT_OK;
    while (status == LEAT_OK && !leat_has_room(self, bytes))
        status = leat_turn(self, until_ms);
    return status;
}

leat_status
leat_decide(leat *self, const leat_question *question, int64_t until_ms, leat_status *given_up)
{
    *given_up = LEAT_OK;
    while (!question->is_decided(self, question->context)) {
        leat_status status = leat_turn(self, until_ms);
        if (status == LEAT_OK && self->stray != LEAT_OK)
            status = say_stray(self);
        if (status == LEAT_OK)
            continue;
        const bool is_interrupted = leat_is_interrupted(self, status);
        if (*given_up != LEAT_OK || (status != LEAT_TIMED_OUT && !is_interrupted))
            return status;
        *given_up = status;
        until_ms = leat_deadline_ms(is_interrupted ? INTERRUPTED_MS : LEAT_DECISION_MS);
        question->withdraw(self, question->context);
    }
    return LEAT_OK;
}

leat_status
leat_await_call(leat *self)
{
    leat_status status = LEAT_OK;
    while (status == LEAT_OK && !self->call.answered) {
        status = leat_turn(self, INT64_MAX);
        if (status == LEAT_OK && self->stray != LEAT_OK)
            status = say_stray(self);
    }
    if (status == LEAT_OK)
        status = self->call.status;
    self->call.kind = LEAT_CALL_NONE;
    return status;
}

/* ------------------------------------------------------------------------ a loop of one's own */

int
leat_fd(const leat *self)
{
    return self->link == NULL ? -1 : leat_link_fd(self->link);
}

int64_t
leat_due_ms(const leat *self)
{
    if (self->link == NULL)
        return -1;
    int64_t due_ms = leat_link_due_ms(self->link);
    if (self->gone != NULL && self->gone_since_ms != INT64_MAX && self->gone_next_ms < due_ms)
        due_ms = self->gone_next_ms;
    if (due_ms == INT64_MAX)
        return -1;
    const int64_t now_ms = leat_clock_mono_ms();
    return due_ms > now_ms ? due_ms - now_ms : 0;
}

leat_status
leat_process(leat *self)
{
    leat_begin(self);
    const leat_status status = leat_pump(self);
    if (status == LEAT_OK)
        leat_acks_flush(self);
    return status;
}

/* ---------------------------------------------------------------------- connect, disconnect */

static void
fill_hello(leat_hello *hello, const char *software)
{
    hello->role = LEAT_ROLE_CLIENT;
    hello->pid = getpid();
    if (software == NULL)
        (void)snprintf(hello->software, sizeof hello->software, "libleat %s", LEAT_VERSION);
    else
        (void)snprintf(hello->software, sizeof hello->software, "%s", software);
    if (gethostname(hello->host, sizeof hello->host) != 0)
        hello->host[0] = '\0';
    hello->host[sizeof hello->host - 1] = '\0';
}

/* Where the broker may be, and the key; the sentence stays in refusal, too. */
static leat_status
find_way(leat *self, const leat_connect_options *options, leat_way *way)
{
    const leat_err err = leat_way_find(options->broker, options->key_file, way, self->refusal);
    switch ((int)err) {
    case LEAT_ERR_OK:
        return LEAT_OK;
    case LEAT_ERR_DENIED:
        return leat_fail(self, LEAT_DENIED, "%s", self->refusal);
    case LEAT_ERR_CONFIG:
        return leat_fail(self, LEAT_WRONG_USE, "%s", self->refusal);
    default:
        return leat_fail(self, LEAT_NO_MEMORY, "%s", leat_err_message(err));
    }
}

/* leat_hello is too large for the stack of a small thread. */
static leat_status
make_link(leat *self, const leat_way *way, const char *software)
{
    leat_err err = LEAT_ERR_NOMEM;
    leat_link_options *const link_options = calloc(1, sizeof *link_options);
    if (link_options != NULL) {
        link_options->endpoints = (const char *const *)way->endpoints;
        link_options->endpoint_count = way->count;
        link_options->answers_beats = true;
        link_options->key = way->has_key ? &way->key : NULL;
        fill_hello(&link_options->hello, software);
        err = leat_link_new(link_options, &self->link);
    }
    free(link_options);
    if (err == LEAT_ERR_OK)
        return LEAT_OK;
    (void)snprintf(self->refusal, sizeof self->refusal, "%s", leat_err_message(err));
    return leat_fail(self, err == LEAT_ERR_NOMEM ? LEAT_NO_MEMORY : LEAT_REFUSED, "%s",
                     self->refusal);
}

leat_status
leat_connect_with(const leat_connect_options *options, leat **out)
{
    leat *const self = calloc(1, sizeof *self);
    *out = self;
    if (self == NULL)
        return LEAT_NO_MEMORY;
    self->gone_since_ms = INT64_MAX;
    leat_list_init(&self->batches);
    leat_list_init(&self->waits);
    leat_list_init(&self->watches);
    leat_list_init(&self->receivers);
    leat_list_init(&self->selectings);
    leat_random_seed(&self->random, (uint64_t)leat_clock_mono_us() ^ (uint64_t)(uintptr_t)self);
    leat_way way = {0};
    leat_status status = leat_notes_open(
        self, options->history != NULL ? options->history : leat_way_variable("LEAT_HISTORY"));
    if (status == LEAT_OK)
        status = find_way(self, options, &way);
    if (status == LEAT_OK)
        status = make_link(self, &way, options->software);
    leat_way_fini(&way);
    if (status != LEAT_OK)
        return status;

    /* When all endpoints have refused, waiting helps only somebody who has asked for it. */
    const bool patient = options->timeout_ms != 0;
    const int64_t until_ms = leat_deadline_ms(patient ? options->timeout_ms : CONNECT_MS);
    while (status == LEAT_OK && !self->was_up) {
        status = leat_turn(self, until_ms);
        if (status == LEAT_OK && self->was_down && !patient)
            status = leat_fail(self, LEAT_NO_BROKER, "%s", self->refusal);
    }
    return status == LEAT_TIMED_OUT ? LEAT_NO_BROKER
                                    : status; /* the sentence says what was tried */
}

leat_status
leat_connect(const char *broker, leat **out)
{
    return leat_connect_with(&(leat_connect_options){.broker = broker}, out);
}

void
leat_disconnect(leat **self_p)
{
    leat *const self = *self_p;
    *self_p = NULL;
    if (self == NULL)
        return;
    leat_receivers_end(self);
    leat_selectings_free(self);
    leat_batches_free(self);
    leat_waits_free(self);
    leat_watches_free(self);
    leat_receivers_free(self);
    if (self->link != NULL)
        leat_link_bye(&self->link, BYE_MS);
    leat_recorder_close(&self->recorder);
    leat_buf_fini(&self->request);
    leat_buf_fini(&self->json);
    free(self);
}
