/* Select: one of several sends and receives, decided by the broker in one step.
 *
 *   begin ──► post SELECT ──► decided: a case, the end of a case's channel, or none
 *     │ ▲         │
 *     │ └─────────┴── a message that the program has had came again, or a session was lost that
 *     │               had nothing to send: SELECT is posted anew
 *     └── a receive's channel has a message here: taken, or, to be fair to the others, only after
 *         the broker had none for them
 *
 * Receives of these channels that stand at the broker are ended first, so that the select is the
 * only way for a message; what was on its way before arrives in front of the answer, and then the
 * select is withdrawn for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"

static_assert(LEAT_SELECT_CASES == LEAT_CASES_MAX, "the header says what the protocol allows");

typedef struct selecting_case {
    int kind; /* LEAT_CASE_… */
    const char *channel;
    leat_bytes payload;
    leat_receiver *from; /* RECV */
    bool ended;          /* RECV: the channel has said its end */
} selecting_case;

struct leat_selecting {
    leat_list_node node;
    leat *self;
    uint64_t sequence; /* of its SELECT; 0: none is out */
    bool is_default;   /* there is a default: it does not wait */
    bool has_sends;
    bool is_withdrawn;
    bool is_abandoned; /* nobody asks any more: freed when it is decided */
    bool is_decided;
    leat_status status; /* what came of it */
    int chosen;
    bool is_end; /* of a receive: its channel is closed */
    leat_received *received;
    char why[LEAT_SENTENCE_BYTES_MAX + 1];
    leat_buf copies; /* names and payloads of a select that was begun */

    size_t live; /* cases that are not NONE */
    size_t count;
    uint16_t case_of[LEAT_CASES_MAX]; /* … by its place in the frame */
    uint16_t posted;
    selecting_case cases[];
};

/* ------------------------------------------------------------------------------------ making */

static leat_status
check_case(leat *self, const leat_case *one, size_t *bytes)
{
    if (one->kind == LEAT_CASE_NONE)
        return LEAT_OK;
    if (one->kind != LEAT_CASE_SEND && one->kind != LEAT_CASE_RECV)
        return leat_fail(self, LEAT_WRONG_USE, "a case is LEAT_CASE_SEND, …_RECV or …_NONE");
    const leat_status status = leat_check_name(self, "channel", one->channel);
    if (status == LEAT_OK && one->kind == LEAT_CASE_SEND) {
        *bytes += one->size;
        if (*bytes > LEAT_PAYLOAD_BYTES_MAX || one->size > LEAT_PAYLOAD_BYTES_MAX)
            return leat_fail(self, LEAT_TOO_LARGE, "messages of over %u bytes in one select",
                             LEAT_PAYLOAD_BYTES_MAX);
    }
    return status;
}

static leat_status
check_cases(leat *self, const leat_case *cases, size_t count)
{
    size_t bytes = 0;
    leat_status status = LEAT_OK;
    if (count > LEAT_CASES_MAX)
        return leat_fail(self, LEAT_WRONG_USE, "%zu cases are more than %u", count, LEAT_CASES_MAX);
    for (size_t i = 0; i < count && status == LEAT_OK; i++)
        status = check_case(self, &cases[i], &bytes);
    return status;
}

static void
free_selecting(leat_selecting **selecting_p)
{
    leat_selecting *const selecting = *selecting_p;
    *selecting_p = NULL;
    leat_list_remove(&selecting->node);
    leat_received_drop(selecting->self, &selecting->received);
    leat_buf_fini(&selecting->copies);
    free(selecting);
}

/* cases are borrowed as long as the select lives. NULL without memory. */
static leat_selecting *
new_selecting(leat *self, const leat_case *cases, size_t count)
{
    leat_selecting *const selecting =
        calloc(1, sizeof *selecting + count * sizeof selecting->cases[0]);
    if (selecting == NULL)
        return NULL;
    selecting->self = self;
    selecting->chosen = LEAT_DEFAULT_CASE;
    selecting->count = count;
    leat_list_append(&self->selectings, &selecting->node);
    for (size_t i = 0; i < count; i++) {
        selecting_case *const one = &selecting->cases[i];
        one->kind = cases[i].kind;
        if (one->kind == LEAT_CASE_NONE)
            continue;
        selecting->live++;
        one->channel = cases[i].channel;
        if (one->kind == LEAT_CASE_SEND) {
            selecting->has_sends = true;
            one->payload = (leat_bytes){.data = cases[i].data, .size = (uint32_t)cases[i].size};
            continue;
        }
        one->from = leat_receiver_need(self, one->channel, strlen(one->channel));
        if (one->from == NULL) {
            leat_selecting *gone = selecting;
            free_selecting(&gone);
            return NULL;
        }
        leat_receiver_stop(self, one->from);
    }
    return selecting;
}

/* Make what was borrowed its own. */
static bool
copy_cases(leat_selecting *selecting)
{
    for (size_t i = 0; i < selecting->count; i++) {
        if (selecting->cases[i].kind == LEAT_CASE_NONE)
            continue;
        leat_put_bytes(&selecting->copies, selecting->cases[i].channel,
                       strlen(selecting->cases[i].channel) + 1);
        leat_put_bytes(&selecting->copies, selecting->cases[i].payload.data,
                       selecting->cases[i].payload.size);
    }
    if (selecting->copies.failed)
        return false;
    const uint8_t *at = selecting->copies.data;
    for (size_t i = 0; i < selecting->count; i++) {
        selecting_case *const one = &selecting->cases[i];
        if (one->kind == LEAT_CASE_NONE)
            continue;
        one->channel = (const char *)at;
        at += strlen(one->channel) + 1;
        one->payload.data = at;
        at += one->payload.size;
    }
    return true;
}

/* ---------------------------------------------------------------------------------- deciding */

static void
finish(leat_selecting *selecting, leat_status status, int chosen)
{
    selecting->is_decided = true;
    selecting->status = status;
    selecting->chosen = chosen;
}

static void
fail(leat_selecting *selecting, leat_status status, leat_text why)
{
    (void)snprintf(selecting->why, sizeof selecting->why, "%.*s", (int)why.size, why.data);
    finish(selecting, status == LEAT_OK ? LEAT_REFUSED : status, LEAT_DEFAULT_CASE);
}

/* Receives whose channel has a message here. */
static size_t
count_here(const leat_selecting *selecting)
{
    size_t n = 0;
    for (size_t i = 0; i < selecting->count; i++)
        n += selecting->cases[i].kind == LEAT_CASE_RECV &&
             leat_receiver_has(selecting->cases[i].from);
    return n;
}

static void
take_from(leat_selecting *selecting, size_t i)
{
    selecting->received = leat_receiver_take(selecting->self, selecting->cases[i].from);
    finish(selecting, LEAT_OK, (int)i);
}

/* Any of the n receives that have a message here. */
static void
take_here(leat_selecting *selecting, size_t n)
{
    uint64_t left = leat_random_below(&selecting->self->random, n);
    for (size_t i = 0; i < selecting->count; i++) {
        if (selecting->cases[i].kind != LEAT_CASE_RECV ||
            !leat_receiver_has(selecting->cases[i].from))
            continue;
        if (left-- == 0) {
            take_from(selecting, i);
            return;
        }
    }
}

/* Those that have no message here; the broker's default counts if others have. */
static void
post_select(leat_selecting *selecting, bool is_default)
{
    leat *const self = selecting->self;
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_SELECT);
    leat_select_put_head(&frame, is_default ? LEAT_SELECT_DEFAULT : 0);
    selecting->posted = 0;
    for (size_t i = 0; i < selecting->count; i++) {
        const selecting_case *const one = &selecting->cases[i];
        if (one->kind == LEAT_CASE_NONE ||
            (one->kind == LEAT_CASE_RECV && leat_receiver_has(one->from)))
            continue;
        const leat_select_case out = {.kind = one->kind == LEAT_CASE_SEND ? LEAT_SELECT_SEND
                                                                          : LEAT_SELECT_RECV,
                                      .channel = leat_text_of(one->channel),
                                      .payload = one->payload};
        leat_select_put(&frame, &out);
        selecting->case_of[selecting->posted++] = (uint16_t)i;
    }
    if (!frame.failed)
        leat_frame_finish(&frame, 0, selecting->posted, 0);
    if (!leat_has_room(self, frame.size)) {
        leat_buf_fini(&frame);
        return;
    }
    leat_open_frame *const open = leat_post(self, &frame);
    if (open == NULL) {
        fail(selecting, LEAT_NO_MEMORY, leat_text_of("out of memory"));
        return;
    }
    open->selecting = selecting;
    selecting->sequence = open->sequence;
}

/* Do what can be done without waiting. */
static void
go_on(leat_selecting *selecting)
{
    if (selecting->is_decided)
        return;
    const size_t here = count_here(selecting);
    if (selecting->sequence != 0) {
        if (here > 0)
            leat_withdraw_frame(selecting->self, selecting->sequence);
        return;
    }
    if (here > 0 && (here == selecting->live || selecting->is_withdrawn ||
                     leat_random_below(&selecting->self->random, selecting->live) < here))
        take_here(selecting, here);
    else if (selecting->is_withdrawn || (selecting->live == 0 && selecting->is_default))
        finish(selecting, LEAT_TIMED_OUT, LEAT_DEFAULT_CASE);
    else if (selecting->live > 0) {
        leat_acks_flush(selecting->self); /* a channel is not closed before */
        post_select(selecting, selecting->is_default || here > 0);
    }
}

/* ----------------------------------------------------------------------------------- answers */

static void
on_message(leat_selecting *selecting, size_t i, const leat_selected *selected, leat_shared *shared)
{
    const leat_message message = {
        .id = selected->id, .flags = selected->flags, .payload = selected->payload};
    if (shared == NULL)
        fail(selecting, LEAT_NO_MEMORY, leat_text_of("out of memory"));
    else if (leat_receiver_keep(selecting->self, selecting->cases[i].from, &message, shared) &&
             !selecting->is_abandoned)
        take_from(selecting, i); /* the oldest: one that was on its way before comes first */
    /* else it stays with its receiver, or the program has had it: begin anew */
}

static void
on_case(leat_selecting *selecting, size_t i, const leat_selected *selected, leat_shared *shared)
{
    const leat_err code = leat_err_from_number(selected->code);
    const bool is_send = selecting->cases[i].kind == LEAT_CASE_SEND;
    if (code == LEAT_ERR_OK && is_send) {
        finish(selecting, LEAT_OK, (int)i);
    } else if (code == LEAT_ERR_OK) {
        on_message(selecting, i, selected, shared);
    } else if (code == LEAT_ERR_CLOSED && is_send) {
        fail(selecting, LEAT_CLOSED, selected->sentence);
        selecting->chosen = (int)i;
    } else if (code == LEAT_ERR_CLOSED && leat_receiver_has(selecting->cases[i].from)) {
        take_from(selecting, i);
    } else if (code == LEAT_ERR_CLOSED) {
        selecting->is_end = true;
        finish(selecting, LEAT_OK, (int)i);
    } else {
        fail(selecting, leat_status_of(code), selected->sentence);
    }
}

/* None could proceed. */
static void
on_no_case(leat_selecting *selecting)
{
    const size_t here = count_here(selecting);
    if (here > 0 && !selecting->is_abandoned)
        take_here(selecting, here);
    else if (selecting->is_withdrawn || selecting->is_default)
        finish(selecting, LEAT_TIMED_OUT, LEAT_DEFAULT_CASE);
    /* else it was asked with a default, or withdrawn, for a message that is gone: begin anew */
}

static void
end_abandoned(leat_selecting *selecting)
{
    if (selecting->is_abandoned)
        free_selecting(&selecting);
}

void
leat_selecting_on_selected(leat_selecting *selecting,
                           const leat_selected *selected,
                           leat_shared *shared)
{
    selecting->sequence = 0;
    const leat_err code = leat_err_from_number(selected->code);
    if (selected->index < selecting->posted)
        on_case(selecting, selecting->case_of[selected->index], selected, shared);
    else if (code == LEAT_ERR_FULL || code == LEAT_ERR_TIMEOUT)
        on_no_case(selecting);
    else
        fail(selecting, leat_status_of(code), selected->sentence);
    end_abandoned(selecting);
}

void
leat_selecting_on_failure(leat_selecting *selecting, leat_status status, leat_text why)
{
    selecting->sequence = 0;
    /* The session is gone, and a message that it may have been given went back to its channel. */
    const bool can_begin_anew = status == LEAT_UNKNOWN && !selecting->has_sends;
    if (!can_begin_anew)
        fail(selecting, status, why);
    end_abandoned(selecting);
}

/* ------------------------------------------------------------------------------ one that waits */

static bool
is_decided(leat *self, void *context)
{
    (void)self;
    leat_selecting *const selecting = context;
    go_on(selecting);
    return selecting->is_decided;
}

static void
withdraw(leat *self, void *context)
{
    (void)self;
    leat_select_withdraw(context);
}

void
leat_select_withdraw(leat_selecting *selecting)
{
    selecting->is_withdrawn = true;
    if (selecting->sequence != 0)
        leat_withdraw_frame(selecting->self, selecting->sequence);
}

/* Tell what was decided; the case's results go to got, if there is one. */
static leat_status
tell(const leat_selecting *selecting, int *chosen, leat_case *got)
{
    leat *const self = selecting->self;
    *chosen = selecting->chosen;
    if (selecting->status == LEAT_TIMED_OUT)
        return leat_fail(self, selecting->status, "no case could proceed");
    if (selecting->status != LEAT_OK)
        return leat_fail(self, selecting->status, "%s", selecting->why);
    self->sentence[0] = '\0';
    if (got == NULL)
        return LEAT_OK;
    got->ok = !selecting->is_end;
    if (selecting->cases[selecting->chosen].kind == LEAT_CASE_RECV) {
        got->data = selecting->received == NULL
                        ? ""
                        : (const void *)selecting->received->message.payload.data;
        got->size = selecting->received == NULL ? 0 : selecting->received->message.payload.size;
    }
    return LEAT_OK;
}

/* It was not decided in time, or cannot be. */
static leat_status
tell_undecided(leat_selecting *selecting, leat_status status, leat_status given_up)
{
    if (given_up == LEAT_OK)
        return status;
    if (leat_is_interrupted(selecting->self, given_up))
        return leat_fail(selecting->self, LEAT_REFUSED, "interrupted");
    if (!selecting->has_sends) /* a message that comes of it nevertheless is kept */
        return leat_fail(selecting->self, LEAT_TIMED_OUT,
                         "the time ran out, and the broker is silent");
    return leat_fail(selecting->self, LEAT_UNKNOWN,
                     "the time ran out: the broker has not said whether a case has happened");
}

static leat_status
run(leat_selecting *selecting, leat_case *cases, int64_t timeout_ms, int *chosen)
{
    leat *const self = selecting->self;
    const leat_question question = {
        .is_decided = is_decided, .withdraw = withdraw, .context = selecting};
    leat_status given_up;
    selecting->is_default = timeout_ms == 0;
    /* With a default the broker answers at once: it is not asked to give up what it has not read.
     */
    if (selecting->is_default && leat_is_up(self))
        timeout_ms = LEAT_DECISION_MS;
    leat_status status = leat_decide(self, &question, leat_deadline_ms(timeout_ms), &given_up);
    if (!selecting->is_decided)
        return tell_undecided(selecting, status, given_up);
    status = tell(selecting, chosen, selecting->chosen < 0 ? NULL : &cases[selecting->chosen]);
    if (leat_is_interrupted(self, given_up)) {
        if (status == LEAT_TIMED_OUT)
            return leat_fail(self, LEAT_REFUSED, "interrupted");
        leat_interrupt(self); /* too late for this call */
    }
    self->taken = selecting->received; /* held until the program comes back */
    selecting->received = NULL;
    return status;
}

leat_status
leat_select(leat *self, leat_case *cases, size_t count, int64_t timeout_ms, int *chosen)
{
    leat_begin(self);
    *chosen = LEAT_DEFAULT_CASE;
    leat_status status = check_cases(self, cases, count);
    if (status != LEAT_OK)
        return status;
    leat_received_drop(self, &self->taken);
    leat_selecting *selecting = new_selecting(self, cases, count);
    if (selecting == NULL)
        return leat_fail(self, LEAT_NO_MEMORY, "out of memory");
    status = run(selecting, cases, timeout_ms, chosen);
    leat_select_free(&selecting);
    return status;
}

/* --------------------------------------------------------------------------- one that is begun */

leat_status
leat_select_start(leat *self, const leat_case *cases, size_t count, leat_selecting **out)
{
    leat_begin(self);
    *out = NULL;
    const leat_status status = check_cases(self, cases, count);
    if (status != LEAT_OK)
        return status;
    leat_selecting *selecting = new_selecting(self, cases, count);
    if (selecting == NULL || !copy_cases(selecting)) {
        if (selecting != NULL)
            free_selecting(&selecting);
        return leat_fail(self, LEAT_NO_MEMORY, "out of memory");
    }
    go_on(selecting);
    *out = selecting;
    return LEAT_OK;
}

leat_status
leat_select_poll(leat_selecting *selecting, int *chosen, leat_case *got)
{
    leat *const self = selecting->self;
    leat_begin(self);
    *chosen = LEAT_DEFAULT_CASE;
    go_on(selecting);
    const leat_status status = selecting->is_decided ? LEAT_OK : leat_pump(self);
    go_on(selecting);
    if (selecting->is_decided) {
        if (got != NULL && selecting->chosen >= 0)
            *got = leat_case_of(selecting->cases[selecting->chosen].kind,
                                selecting->cases[selecting->chosen].channel,
                                selecting->cases[selecting->chosen].payload.data,
                                selecting->cases[selecting->chosen].payload.size);
        return tell(selecting, chosen, got);
    }
    return status != LEAT_OK ? status : leat_fail(self, LEAT_NOT_YET, "no case has happened yet");
}

void
leat_select_free(leat_selecting **selecting_p)
{
    leat_selecting *selecting = *selecting_p;
    *selecting_p = NULL;
    if (selecting == NULL)
        return;
    if (!selecting->is_decided && selecting->sequence != 0) {
        selecting->is_abandoned = true;
        leat_select_withdraw(selecting);
        return;
    }
    leat *const self = selecting->self;
    free_selecting(&selecting);
    leat_acks_flush(self);
}

void
leat_selectings_free(leat *self)
{
    LEAT_LIST_FOREACH_SAFE (node, after, &self->selectings) {
        leat_selecting *selecting = LEAT_CONTAINER_OF(node, leat_selecting, node);
        free_selecting(&selecting);
    }
    leat_acks_flush(self);
}
