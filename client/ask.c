/* Calls with one answer: a single item, a query, a command. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"

static bool
is_answered(leat *self, void *context)
{
    (void)context;
    return self->call.answered;
}

static void
withdraw_call(leat *self, void *context)
{
    (void)context;
    leat_withdraw_frame(self, self->call.number);
}

/* Wait for the answer to a SEND that may stand in line. */
static leat_status
await_sent(leat *self, int64_t until_ms)
{
    static const leat_question question = {.is_decided = is_answered, .withdraw = withdraw_call};
    leat_status given_up;
    leat_status status = leat_decide(self, &question, until_ms, &given_up);
    self->call.kind = LEAT_CALL_NONE;
    if (status != LEAT_OK)
        leat_withdraw_frame(self, self->call.number); /* nobody asks any more */
    if (status != LEAT_OK && given_up == LEAT_OK)     /* the link has stopped, or a stray error */
        return status;
    if (status != LEAT_OK)
        return leat_fail(self, leat_is_interrupted(self, given_up) ? LEAT_REFUSED : LEAT_UNKNOWN,
                         "%s: the broker has not said whether it is in",
                         leat_is_interrupted(self, given_up) ? "interrupted" : "the time ran out");
    status = self->call.status;
    if (leat_is_interrupted(self, given_up)) {
        if (status == LEAT_TIMED_OUT)
            return leat_fail(self, LEAT_REFUSED, "interrupted");
        leat_interrupt(self); /* too late for this call */
    }
    if (status == LEAT_TIMED_OUT)
        return leat_fail(self, status, "the channel is full, and the time ran out");
    if (status == LEAT_OK)
        self->sentence[0] = '\0';
    return status;
}

leat_status
leat_send_one(leat *self,
              const leat_send_head *head,
              const void *payload,
              size_t size,
              int64_t until_ms,
              uint64_t *id)
{
    if (size > LEAT_PAYLOAD_BYTES_MAX)
        return leat_fail(self, LEAT_TOO_LARGE, "a payload of %zu bytes is over the limit of %u",
                         size, LEAT_PAYLOAD_BYTES_MAX);
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_SEND);
    leat_send_put_head(&frame, head);
    leat_send_put(&frame, payload, size);
    if (!frame.failed)
        leat_frame_finish(&frame, 0, 1, 0);
    leat_status status = leat_await_room(self, frame.size, until_ms);
    if (status != LEAT_OK) {
        leat_buf_fini(&frame);
        return status;
    }
    const leat_open_frame *const open = leat_post(self, &frame);
    if (open == NULL)
        return leat_fail(self, LEAT_NO_MEMORY, "out of memory");
    self->call = (leat_call){.kind = LEAT_CALL_SEND, .number = open->sequence};
    status = await_sent(self, until_ms);
    if (status == LEAT_OK && id != NULL)
        *id = self->call.first_id;
    return status;
}

/* ---------------------------------------------------------------------------------- asking */

/* {"id":…,"query":SUBJECT,"arguments":…} or {"command":SUBJECT,"arguments":…}, a whole frame. */
static leat_status
put_request(leat *self,
            leat_command command,
            const char *verb,
            const char *subject,
            const char *arguments,
            leat_buf *frame)
{
    char why[128];
    cJSON *json = cJSON_CreateObject();
    cJSON *parsed = NULL;
    leat_status status = LEAT_OK;
    bool whole;
    if (arguments == NULL)
        arguments = "{}";
    const leat_err err =
        leat_json_parse((const uint8_t *)arguments, strlen(arguments), &parsed, why);
    if (err == LEAT_ERR_NOMEM || json == NULL) {
        status = leat_fail(self, LEAT_NO_MEMORY, "out of memory");
        goto done;
    }
    if (err != LEAT_ERR_OK) {
        status = leat_fail(self, LEAT_WRONG_USE, "the arguments are no JSON object: %s", why);
        goto done;
    }
    whole = cJSON_AddStringToObject(json, verb, subject) != NULL;
    if (command == LEAT_CMD_QUERY)
        whole = whole && leat_json_add_u64(json, "id", self->call.number);
    whole = whole && cJSON_AddItemToObject(json, "arguments", parsed);
    if (whole)
        parsed = NULL; /* json's now */
    leat_frame_begin(frame, command);
    leat_json_put(frame, json);
    if (!whole || frame->failed)
        status = leat_fail(self, LEAT_NO_MEMORY, "out of memory");
    else
        leat_frame_finish(frame, 0, 1, 0);

done:
    cJSON_Delete(parsed);
    cJSON_Delete(json);
    if (status != LEAT_OK)
        leat_buf_fini(frame);
    return status;
}

static void
send_query(leat *self)
{
    leat_buf copy = {0};
    leat_put_bytes(&copy, self->request.data, self->request.size);
    leat_link_send(self->link, &copy);
}

void
leat_call_on_up(leat *self)
{
    if (self->call.kind == LEAT_CALL_QUERY && !self->call.answered)
        send_query(self);
}

/* Send a query; the link is up. Its answer ends self->call. */
static leat_status
begin_query(leat *self, const char *name, const char *arguments)
{
    leat_buf_fini(&self->request);
    self->call = (leat_call){.kind = LEAT_CALL_QUERY, .number = ++self->next_id};
    const leat_status status =
        put_request(self, LEAT_CMD_QUERY, "query", name, arguments, &self->request);
    if (status == LEAT_OK)
        send_query(self);
    else
        self->call.kind = LEAT_CALL_NONE;
    return status;
}

static leat_status
give_json(leat *self, leat_status status, const char **json)
{
    *json = status == LEAT_OK ? (const char *)self->json.data : NULL;
    return status;
}

leat_status
leat_query(leat *self, const char *name, const char *arguments, const char **json)
{
    leat_begin(self);
    leat_status status = LEAT_OK;
    while (status == LEAT_OK && !leat_is_up(self))
        status = leat_turn(self, INT64_MAX);
    if (status == LEAT_OK)
        status = begin_query(self, name, arguments);
    if (status == LEAT_OK)
        status = leat_await_call(self);
    return give_json(self, status, json);
}

leat_status
leat_command_do(leat *self, const char *name, const char *arguments, const char **json)
{
    leat_buf frame = {0};
    leat_begin(self);
    leat_status status = leat_await_room(self, 0, INT64_MAX);
    if (status == LEAT_OK)
        status = put_request(self, LEAT_CMD_COMMAND, "command", name, arguments, &frame);
    if (status == LEAT_OK) {
        const leat_open_frame *const open = leat_post(self, &frame);
        if (open == NULL)
            return give_json(self, leat_fail(self, LEAT_NO_MEMORY, "out of memory"), json);
        self->call = (leat_call){.kind = LEAT_CALL_COMMAND, .number = open->sequence};
        status = leat_await_call(self);
    }
    return give_json(self, status, json);
}

/* --------------------------------------------------------------------------------- answers */

/* The row of a name as it stands in a reply; IO, which no status is made of, for others. */
static leat_err
err_of_name(const char *name)
{
    static const struct {
        const char *name;
        leat_err err;
    } rows[] = {
#define LEAT_ERR_NAMED(row, number, message) {#row, LEAT_ERR_##row},
        LEAT_ERR_MAP(LEAT_ERR_NAMED)
#undef LEAT_ERR_NAMED
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].err;
    return LEAT_ERR_IO;
}

leat_status
leat_status_of_reply(const cJSON *error, char *out, size_t size)
{
    const char *code = "";
    const char *message = "the broker refused without a reason";
    (void)leat_json_text(error, "code", &code);
    (void)leat_json_text(error, "message", &message);
    (void)snprintf(out, size, "%s", message);
    const leat_status status = leat_status_of(err_of_name(code));
    return status == LEAT_OK ? LEAT_REFUSED : status;
}

static leat_status
read_reply(leat *self, const cJSON *json)
{
    const cJSON *const error = cJSON_GetObjectItemCaseSensitive(json, "error");
    if (error != NULL)
        return leat_status_of_reply(error, self->sentence, sizeof self->sentence);
    leat_buf_reset(&self->json);
    const cJSON *const result = cJSON_GetObjectItemCaseSensitive(json, "result");
    if (result != NULL)
        leat_json_put(&self->json, result);
    else
        leat_put_bytes(&self->json, "{}", 2);
    leat_put_u8(&self->json, 0);
    return self->json.failed ? leat_fail(self, LEAT_NO_MEMORY, "out of memory") : LEAT_OK;
}

uint64_t
leat_call_on_reply(leat *self, const uint8_t *body, size_t size)
{
    char why[128];
    cJSON *json = NULL;
    uint64_t number = 0;
    if (leat_json_parse(body, size, &json, why) != LEAT_ERR_OK) {
        if (self->call.kind != LEAT_CALL_NONE && !self->call.answered) {
            self->call.answered = true;
            self->call.status =
                leat_fail(self, LEAT_REFUSED, "the broker's answer cannot be read: %s", why);
        }
        return 0;
    }
    const leat_call_kind kind = leat_json_u64(json, "id", &number)         ? LEAT_CALL_QUERY
                                : leat_json_u64(json, "sequence", &number) ? LEAT_CALL_COMMAND
                                                                           : LEAT_CALL_NONE;
    if (kind == LEAT_CALL_QUERY && leat_watches_on_reply(self, number, json)) {
        cJSON_Delete(json);
        return 0;
    }
    if (kind != LEAT_CALL_NONE && kind == self->call.kind && number == self->call.number &&
        !self->call.answered) {
        self->call.answered = true;
        self->call.status = read_reply(self, json);
    }
    cJSON_Delete(json);
    return kind == LEAT_CALL_COMMAND ? number : 0;
}
