/* The control plane: HELLO makes and resumes sessions; QUERY asks; COMMAND changes something. */
#include "broker/core/control.h"

#include <stdio.h>
#include <stdlib.h>

#include "broker/core/archive.h"
#include "broker/core/batch.h"
#include "broker/core/chore.h"
#include "broker/core/class.h"
#include "broker/core/cursor.h"
#include "broker/core/explain.h"
#include "broker/core/listing.h"
#include "broker/core/news.h"
#include "broker/core/outbox.h"
#include "broker/core/peer.h"
#include "broker/core/query.h"
#include "broker/core/receiver.h"
#include "broker/core/steer.h"
#include "broker/core/terms.h"
#include "broker/core/watch.h"
#include "broker/core/window.h"

#define REPLIES_MAX 64U /* answers to queries that wait for room on the way, a session */

/* ------------------------------------------------------------------------------ HELLO */

static bool
take_lists(leat_core *core, leat_peer *peer, const leat_hello *hello)
{
    leat_hello_handler *const handlers = calloc(hello->handler_count + 1U, sizeof *handlers);
    char(*const channels)[LEAT_NAME_BYTES_MAX + 1] =
        calloc(hello->channel_count + 1U, sizeof *channels);
    leat_hello_trait *const traits = calloc(hello->trait_count + 1U, sizeof *traits);
    struct leat_have *const haves = calloc(hello->have_count + 1U, sizeof *haves);
    if (handlers == NULL || channels == NULL || traits == NULL || haves == NULL) {
        free(handlers);
        free((void *)channels);
        free(traits);
        free(haves);
        return false;
    }
    memcpy(traits, hello->traits, hello->trait_count * sizeof *traits);
    for (uint32_t i = 0; i < hello->have_count; i++)
        haves[i].have = hello->haves[i];
    free(peer->traits);
    free(peer->haves);
    peer->traits = traits;
    peer->trait_count = hello->trait_count;
    peer->haves = haves;
    peer->have_count = hello->have_count;
    /* What its jobs were given is counted again. */
    for (uint32_t index = peer->lease_head; index != LEAT_NOBODY;) {
        const leat_item *const item = leat_items_at(&core->items, index);
        leat_class_use(peer, leat_class_of(core, item), true);
        index = item->next;
    }
    memcpy(handlers, hello->handlers, hello->handler_count * sizeof *handlers);
    memcpy((void *)channels, (const void *)hello->channels,
           hello->channel_count * sizeof *channels);
    free(peer->handlers);
    free((void *)peer->channels);
    peer->handlers = handlers;
    peer->handler_count = hello->handler_count;
    peer->channels = channels;
    peer->channel_count = hello->channel_count;
    return true;
}

static void
offer_classes(leat_core *core, leat_peer *peer)
{
    for (uint32_t i = 0; i < peer->class_words * 64; i++) {
        if ((peer->classes[i / 64] >> (i % 64) & 1U) != 0)
            ((leat_class *)leat_table_at(&core->classes, i))->offered--;
    }
    if (peer->class_words > 0)
        memset(peer->classes, 0, peer->class_words * sizeof *peer->classes);
    if (peer->role == LEAT_ROLE_WORKER)
        leat_class_match_peer(core, peer);
}

/* One connection speaks for one session: the one that spoke over it before is away. */
static void
detach(leat_core *core, leat_connection *connection)
{
    leat_peer *const peer = connection->peer;
    if (peer == NULL)
        return;
    if (connection->beat && peer->beat_route == connection->route)
        peer->beat_route = 0;
    if (!connection->beat && peer->route == connection->route)
        leat_peer_away(core, peer);
    connection->peer = NULL;
}

/* Another connection speaks for its session: what still comes over it is dropped without a word. */
static void
outdate(leat_connection *connection)
{
    connection->peer = NULL;
    connection->told = true;
}

/* The session speaks over this connection from now on. */
static void
connect_peer(leat_core *core,
             leat_connection *connection,
             leat_peer *peer,
             const leat_hello *hello,
             uint64_t seen)
{
    leat_connection *const old = leat_table_get(&core->connections, peer->route);
    if (old != NULL && old != connection)
        outdate(old);
    leat_peer_away(core, peer);
    if (seen > peer->out_sequence)
        peer->out_sequence = seen; /* numbers of an earlier life of this broker */
    leat_window_confirm(peer, seen);
    leat_window_reconnect(peer, hello->floor);
    peer->out_seen = peer->out_sequence; /* what was on its way went with the old connection */
    memset(peer->out_bytes, 0, sizeof peer->out_bytes);
    peer->out_unconfirmed_bytes = 0;
    leat_receiver_relieve(core, peer);
    peer->route = connection->route;
    peer->connection = hello->connection;
    peer->claiming = peer->role == LEAT_ROLE_WORKER && peer->held > 0;
    peer->lost = false;
    peer->draining = false;
    peer->orphans = 0;
    peer->trip_ms = -1;
    peer->heard_ms = core->now.mono_ms;
    peer->gone_ms = INT64_MAX;
    peer->grace_ms = LEAT_LOST_MS;
    connection->peer = peer;
    connection->beat = false;

    (void)snprintf(peer->name, sizeof peer->name, "%s", hello->name);
    (void)snprintf(peer->host, sizeof peer->host, "%s", hello->host);
    (void)snprintf(peer->software, sizeof peer->software, "%s", hello->software);
    peer->pid = hello->pid;
    peer->slots = hello->slots;
    leat_news_worker(core, LEAT_NEWS_WORKER_UP, peer);
    if (!take_lists(core, peer, hello))
        leat_core_fault(core, LEAT_ERR_NOMEM);
    offer_classes(core, peer);

    leat_peer_write(core, peer);
    peer->hello_number = core->books[LEAT_DISK].number + 1;
    peer->welcome_due = true;
    leat_peer_speak(core, peer);
}

static void
welcome_beat(leat_core *core, leat_connection *connection, leat_peer *peer)
{
    leat_connection *const old = leat_table_get(&core->connections, peer->beat_route);
    if (old != NULL && old != connection)
        outdate(old);
    connection->peer = peer;
    connection->beat = true;
    peer->beat_route = connection->route;
    peer->heard_ms = core->now.mono_ms;
    leat_buf frame = {0};
    const leat_welcome welcome = leat_control_welcome_of(core, true);
    leat_welcome_put(&frame, &welcome, 0, 0);
    if (!frame.failed)
        (void)core->options.out.frame(core->options.out.context, connection->route, &frame);
    leat_buf_fini(&frame);
}

static bool
may_be(const leat_principal *principal, leat_role role)
{
    return role == LEAT_ROLE_CLIENT ? principal->may_ask : principal->may_work;
}

/* A worker that runs programs would run those of anybody. */
static bool
is_too_open(const leat_principal *principal, const leat_hello *hello)
{
    for (uint32_t i = 0; principal->is_anybody && i < hello->handler_count; i++) {
        if (hello->handlers[i].runs == LEAT_RUNS_CHILD)
            return true;
    }
    return false;
}

void
leat_control_on_hello(leat_core *core,
                      leat_connection *connection,
                      const leat_principal *principal,
                      const leat_frame *frame,
                      const uint8_t *body,
                      size_t size)
{
    char why[128] = "";
    leat_hello *const hello = core->hello;
    const leat_err err = leat_hello_decode(body, size, hello, why);
    if (err != LEAT_ERR_OK) {
        char sentence[192];
        (void)snprintf(sentence, sizeof sentence, "HELLO: %s", why);
        leat_outbox_error(core, connection->route, NULL, err, 0, sentence);
        return;
    }
    if (!may_be(principal, hello->role)) {
        char sentence[160];
        (void)snprintf(sentence, sizeof sentence, "key \"%s\" has the role %s, not %s",
                       principal->name, principal->role,
                       hello->role == LEAT_ROLE_CLIENT ? "client" : "worker");
        leat_outbox_error(core, connection->route, NULL, LEAT_ERR_DENIED, 0, sentence);
        return;
    }
    if (is_too_open(principal, hello)) {
        leat_outbox_error(core, connection->route, NULL, LEAT_ERR_DENIED, 0,
                          "no worker that runs programs is let in without a key over TCP, where "
                          "any user of the machine could send it some: use ipc, or keys");
        return;
    }
    leat_peer *peer = leat_peer_find(core, &hello->session);
    if (peer != NULL && !peer->ended && peer->principal != principal->id) {
        leat_outbox_error(core, connection->route, NULL, LEAT_ERR_DENIED, 0,
                          "HELLO: this session belongs to another key");
        return;
    }
    if (peer != NULL && peer->ended)
        peer = NULL;
    const bool known = peer != NULL && (hello->role == LEAT_ROLE_BEAT || peer->role == hello->role);
    if ((hello->resume || hello->role == LEAT_ROLE_BEAT) && !known) {
        leat_outbox_error(core, connection->route, NULL, LEAT_ERR_SESSION_UNKNOWN, 0, NULL);
        return;
    }
    if (hello->role == LEAT_ROLE_BEAT) {
        detach(core, connection);
        welcome_beat(core, connection, peer);
        return;
    }
    if (peer != NULL && leat_peer_is_here(peer) && peer->route != connection->route &&
        hello->connection <= peer->connection) {
        leat_outbox_error(core, connection->route, NULL, LEAT_ERR_BAD_STATE, 0,
                          "HELLO: a later connection of this session is open");
        return;
    }
    if (peer == NULL)
        peer = leat_peer_new(core, &hello->session);
    if (peer == NULL || (!known && peer->role != 0)) {
        leat_outbox_error(core, connection->route, NULL, LEAT_ERR_DENIED, 0,
                          "HELLO: this session id belongs to another peer");
        return;
    }
    peer->role = hello->role;
    peer->principal = principal->id;
    peer->is_admin = principal->may_ask && principal->may_work;
    (void)snprintf(peer->principal_name, sizeof peer->principal_name, "%s", principal->name);
    peer->resumed = hello->resume;
    detach(core, connection);
    connection->told = false;
    connect_peer(core, connection, peer, hello, frame->seen);
}

leat_welcome
leat_control_welcome_of(const leat_core *core, bool resumed)
{
    leat_welcome welcome = {
        .epoch = core->epoch,
        .resumed = resumed,
        .heartbeat_busy_ms = LEAT_HEARTBEAT_BUSY_MS,
        .heartbeat_idle_ms = LEAT_HEARTBEAT_IDLE_MS,
        .lost_ms = LEAT_LOST_MS,
        .frame_bytes_max = LEAT_FRAME_BYTES_MAX,
        .payload_bytes_max = LEAT_PAYLOAD_BYTES_MAX,
        .window_frames = LEAT_WINDOW_FRAMES,
    };
    leat_session_id id;
    memcpy(id.bytes, core->broker_id, sizeof id.bytes);
    leat_session_id_format(&id, welcome.broker);
    (void)snprintf(welcome.software, sizeof welcome.software, "%s", core->options.software);
    return welcome;
}

void
leat_control_welcome(leat_core *core, leat_peer *peer)
{
    if (peer->route == 0 ||
        peer->hello_number > leat_store_durable_upto(core->books[LEAT_DISK].store))
        return;
    leat_buf frame = {0};
    const leat_welcome welcome = leat_control_welcome_of(core, peer->resumed);
    leat_welcome_put(&frame, &welcome, 0, 0);
    peer->welcome_due = false;
    (void)leat_peer_send(core, peer, &frame);
    leat_buf_fini(&frame);
}

/* ------------------------------------------------------------------------------ replies */

static cJSON *
error_json(leat_err err, const char *message)
{
    cJSON *const error = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(error, "code", leat_err_name(err));
    (void)cJSON_AddStringToObject(error, "message", message);
    return error;
}

/* {"id" or "sequence": …, "result" or "error": …}; result is taken. */
static void
put_reply(leat_buf *buf,
          const char *id,
          uint64_t sequence,
          cJSON *result,
          leat_err err,
          const char *message)
{
    cJSON *const reply = cJSON_CreateObject();
    if (id != NULL)
        (void)cJSON_AddStringToObject(reply, "id", id);
    else
        (void)leat_json_add_u64(reply, "sequence", sequence);
    if (err == LEAT_ERR_OK)
        (void)cJSON_AddItemToObject(reply, "result", result);
    else
        (void)cJSON_AddItemToObject(reply, "error", error_json(err, message));
    if (err != LEAT_ERR_OK)
        cJSON_Delete(result);
    leat_json_put(buf, reply);
    cJSON_Delete(reply);
}

/* ------------------------------------------------------------------------------ QUERY */

static bool
has(const cJSON *arguments, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(arguments, key) != NULL;
}

/* The arguments of a query or command: an object, or nothing. */
static leat_err
arguments_of(const cJSON *body, const cJSON **arguments, char message[256])
{
    *arguments = cJSON_GetObjectItemCaseSensitive(body, "arguments");
    if (*arguments == NULL || cJSON_IsObject(*arguments))
        return LEAT_ERR_OK;
    (void)snprintf(message, 256, "\"arguments\" is an object");
    return LEAT_ERR_MALFORMED;
}

/* "batch": a number as text. */
static leat_err
batch_id_of(const cJSON *arguments, uint64_t *id, char message[256])
{
    if (leat_json_u64(arguments, "batch", id))
        return LEAT_ERR_OK;
    (void)snprintf(message, 256, "\"batch\" is the number of a batch as text, as in \"42\"");
    return LEAT_ERR_MALFORMED;
}

static leat_err
query(leat_core *core,
      leat_peer *peer,
      const cJSON *body,
      const char *name,
      cJSON **result,
      char message[256])
{
    const cJSON *arguments;
    uint64_t batch_id;
    int64_t offset = 0;
    leat_err err = arguments_of(body, &arguments, message);
    if (err != LEAT_ERR_OK)
        return err;
    if (strcmp(name, "ping") == 0) {
        *result = leat_query_ping(core);
    } else if (strcmp(name, "workers") == 0) {
        if (has(arguments, "offset") &&
            !leat_json_int(arguments, "offset", 0, INT32_MAX, &offset)) {
            (void)snprintf(message, 256, "\"offset\" is a number from 0 to 2147483647");
            return LEAT_ERR_MALFORMED;
        }
        *result = leat_query_workers(core, (uint32_t)offset);
    } else if (strcmp(name, "status") == 0 && has(arguments, "batch")) {
        err = batch_id_of(arguments, &batch_id, message);
        if (err != LEAT_ERR_OK)
            return err;
        const leat_batch *const batch = leat_batch_find(core, batch_id);
        if (batch == NULL) {
            leat_archive_explain(core, batch_id, message, 256);
            return LEAT_ERR_NOT_FOUND;
        }
        *result = leat_query_batch(core, batch);
    } else if (leat_watch_query(core, peer, arguments, name, result, message, &err) ||
               leat_explain_query(core, arguments, name, result, message, &err)) {
        if (err != LEAT_ERR_OK)
            return err;
    } else if (strcmp(name, "status") == 0) {
        *result = leat_query_status(core);
    } else if (strcmp(name, "batches") == 0) {
        *result = leat_query_batches(core);
    } else if (strcmp(name, "batch.list") == 0) {
        return leat_listing_batches(core, peer, arguments, result, message);
    } else if (strcmp(name, "events") == 0) {
        return leat_news_query(core, arguments, result, message);
    } else if (strcmp(name, "job.list") == 0) {
        return leat_listing_jobs(core, arguments, result, message);
    } else if (strcmp(name, "store") == 0) {
        *result = leat_chore_query(core);
    } else {
        (void)snprintf(message, 256, "no query \"%.64s\"", name);
        return LEAT_ERR_UNSUPPORTED;
    }
    return *result == NULL ? LEAT_ERR_NOMEM : LEAT_ERR_OK;
}

/* About a batch that will be found when more is on disk? */
static bool
is_early(leat_core *core, const cJSON *body)
{
    const cJSON *const arguments = cJSON_GetObjectItemCaseSensitive(body, "arguments");
    uint64_t id;
    return cJSON_IsObject(arguments) && leat_json_u64(arguments, "batch", &id) &&
           leat_cursor_is_on_its_way(core, id);
}

static void
ask_later(leat_core *core, leat_peer *peer, leat_list *questions, const uint8_t *body, size_t size)
{
    leat_question *const question = calloc(1, sizeof *question);
    if (question == NULL) {
        leat_core_fault(core, LEAT_ERR_NOMEM);
        return;
    }
    leat_put_bytes(&question->body, body, size);
    if (question->body.failed)
        leat_core_fault(core, LEAT_ERR_NOMEM);
    question->peer = peer->key;
    question->connection = peer->connection;
    peer->reply_count++; /* as one that has not left */
    leat_list_append(questions, &question->node);
}

static void
drop_question(leat_question *question)
{
    leat_buf_fini(&question->body);
    free(question);
}

void
leat_control_ask_again(leat_core *core, leat_list *questions)
{
    leat_list asked;
    leat_list_init(&asked);
    leat_list_append_all(&asked, questions);
    for (;;) {
        leat_list_node *const node = leat_list_take_first(&asked);
        if (node == NULL)
            return;
        leat_question *const question = LEAT_CONTAINER_OF(node, leat_question, node);
        leat_peer *const peer = leat_table_get(&core->peers, question->peer);
        if (peer != NULL && !peer->ended && peer->route != 0 &&
            peer->connection == question->connection && peer->reply_count > 0) {
            peer->reply_count--;
            leat_control_on_query(core, peer, NULL, question->body.data, question->body.size);
        }
        drop_question(question);
    }
}

/* Those of one peer, or all (NULL). */
static void
drop_questions(leat_list *questions, const leat_peer *peer)
{
    LEAT_LIST_FOREACH_SAFE (node, after, questions) {
        leat_question *const question = LEAT_CONTAINER_OF(node, leat_question, node);
        if (peer != NULL && question->peer != peer->key)
            continue;
        leat_list_remove(node);
        drop_question(question);
    }
}

void
leat_control_drop_questions(leat_core *core)
{
    drop_questions(&core->questions, NULL);
    drop_questions(&core->news.waiting, NULL);
}

/* It waits for news, and no other question of this session does. */
static void
await_news(leat_core *core, leat_peer *peer, const uint8_t *body, size_t size)
{
    LEAT_LIST_FOREACH (node, &core->news.waiting) {
        if (LEAT_CONTAINER_OF(node, leat_question, node)->peer == peer->key)
            peer->reply_count--;
    }
    drop_questions(&core->news.waiting, peer);
    ask_later(core, peer, &core->news.waiting, body, size);
}

void
leat_control_on_query(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    cJSON *json;
    cJSON *result = NULL;
    char why[128] = "";
    char message[256] = "";
    const char *id;
    const char *name;
    (void)frame;
    leat_err err = leat_json_parse(body, size, &json, why);
    if (err != LEAT_ERR_OK) {
        (void)snprintf(message, sizeof message, "QUERY: %s", why);
        leat_outbox_error(core, peer->route, peer, err, 0, message);
        return;
    }
    if (!leat_json_text(json, "id", &id) || !leat_json_text(json, "query", &name)) {
        leat_outbox_error(core, peer->route, peer, LEAT_ERR_MALFORMED, 0,
                          "QUERY: \"id\" and \"query\" are texts");
        cJSON_Delete(json);
        return;
    }
    if (peer->reply_count >= REPLIES_MAX) {
        leat_outbox_error(core, peer->route, peer, LEAT_ERR_LIMIT, 0, "too many queries at once");
        cJSON_Delete(json);
        return;
    }
    const bool early = is_early(core, json); /* before, since it may arrive meanwhile */
    err = query(core, peer, json, name, &result, message);
    if (err == LEAT_ERR_NOT_FOUND && early) {
        ask_later(core, peer, &core->questions, body, size);
        cJSON_Delete(json);
        return;
    }
    if (err == LEAT_ERR_OK && result == NULL) {
        await_news(core, peer, body, size);
        cJSON_Delete(json);
        return;
    }
    if (err == LEAT_ERR_NOMEM)
        (void)snprintf(message, sizeof message, "%s", leat_err_message(err));
    leat_reply *const reply = calloc(1, sizeof *reply);
    if (reply == NULL) {
        cJSON_Delete(result);
        cJSON_Delete(json);
        return;
    }
    leat_frame_begin(&reply->frame, LEAT_CMD_REPLY);
    put_reply(&reply->frame, id, 0, result, err, message);
    leat_frame_finish(&reply->frame, 0, 1, 0);
    leat_list_append(&peer->replies, &reply->node);
    peer->reply_count++;
    leat_peer_speak(core, peer);
    cJSON_Delete(json);
}

void
leat_control_release_replies(leat_core *core, leat_peer *peer)
{
    while (leat_peer_can_send(peer)) {
        leat_list_node *const node = leat_list_take_first(&peer->replies);
        if (node == NULL)
            return;
        leat_reply *const reply = LEAT_CONTAINER_OF(node, leat_reply, node);
        peer->reply_count--;
        (void)leat_peer_send(core, peer, &reply->frame);
        leat_buf_fini(&reply->frame);
        free(reply);
    }
}

void
leat_control_drop_replies(leat_core *core, leat_peer *peer)
{
    drop_questions(&core->news.waiting, peer);
    for (;;) {
        leat_list_node *const node = leat_list_take_first(&peer->replies);
        if (node == NULL)
            break;
        leat_reply *const reply = LEAT_CONTAINER_OF(node, leat_reply, node);
        leat_buf_fini(&reply->frame);
        free(reply);
    }
    peer->reply_count = 0;
}

/* ------------------------------------------------------------------------------ COMMAND */

static leat_err
command(struct leat_steering *s, const cJSON *body)
{
    const char *name;
    if (!leat_json_text(body, "command", &name)) {
        (void)snprintf(s->message, sizeof s->message,
                       "COMMAND: \"command\" is missing, or no text");
        return LEAT_ERR_MALFORMED;
    }
    const leat_err err = arguments_of(body, &s->arguments, s->message);
    return err != LEAT_ERR_OK ? err : leat_steer(s, name);
}

void
leat_control_on_command(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size)
{
    struct leat_steering s = {.core = core, .peer = peer, .frame = frame};
    cJSON *json;
    char why[128] = "";
    leat_err err = leat_json_parse(body, size, &json, why);
    if (err != LEAT_ERR_OK) {
        (void)snprintf(s.message, sizeof s.message, "COMMAND: %s", why);
        leat_outbox_error(core, peer->route, peer, err, frame->sequence, s.message);
        return;
    }
    s.result = cJSON_CreateObject();
    err = command(&s, json);
    if (s.parked) {
        cJSON_Delete(s.result);
    } else {
        leat_buf record = {0};
        put_reply(&record, NULL, frame->sequence, s.result, err, s.message);
        leat_window_decide(core, peer, frame->sequence, LEAT_CMD_REPLY, &record,
                           err == LEAT_ERR_OK);
        leat_buf_fini(&record);
    }
    cJSON_Delete(json);
}
