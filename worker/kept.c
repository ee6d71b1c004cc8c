/* Results that have to wait. See kept.h. */
#include "worker/kept.h"

#include <stdlib.h>

typedef struct kept_end {
    leat_list_node node;
    leat_done done; /* its result lies behind this */
} kept_end;

void
leat_kept_init(leat_kept *kept)
{
    *kept = (leat_kept){.again_ms = INT64_MAX};
    leat_list_init(&kept->ends);
}

static kept_end *
first_of(const leat_kept *kept)
{
    leat_list_node *const node = leat_list_first(&kept->ends);
    return node == NULL ? NULL : LEAT_CONTAINER_OF(node, kept_end, node);
}

static void
forget(leat_kept *kept, kept_end *end)
{
    leat_list_remove(&end->node);
    kept->count--;
    kept->bytes -= end->done.result.size;
    if (kept->count == 0)
        kept->again_ms = INT64_MAX;
    free(end);
}

void
leat_kept_fini(leat_kept *kept)
{
    kept_end *end;
    while ((end = first_of(kept)) != NULL)
        forget(kept, end);
    leat_kept_init(kept);
}

static bool
is_same(const leat_token *a, const leat_token *b)
{
    return a->id == b->id && a->attempt == b->attempt;
}

static bool
is_among(const leat_token *token, const leat_token *tokens, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (is_same(token, &tokens[i]))
            return true;
    }
    return false;
}

static leat_err
add(leat_kept *kept, const leat_done *done)
{
    kept_end *const end = malloc(sizeof *end + done->result.size);
    if (end == NULL)
        return LEAT_ERR_NOMEM;
    uint8_t *const result = (uint8_t *)(end + 1);
    if (done->result.size > 0)
        memcpy(result, done->result.data, done->result.size);
    end->node = (leat_list_node){0};
    end->done = *done;
    end->done.result.data = result;
    leat_list_append(&kept->ends, &end->node);
    kept->count++;
    kept->bytes += done->result.size;
    return LEAT_ERR_OK;
}

leat_err
leat_kept_add(leat_kept *kept,
              const uint8_t *frame,
              size_t size,
              const leat_token *tokens,
              size_t count,
              int64_t now_ms)
{
    uint64_t started;
    leat_reader records;
    const uint16_t n = leat_load_u16(frame + 4);
    leat_err err =
        leat_done_open(frame + LEAT_FRAME_BYTES, size - LEAT_FRAME_BYTES, n, &started, &records);
    for (uint16_t i = 0; i < n && err == LEAT_ERR_OK; i++) {
        leat_done done;
        leat_done_next(&records, &done);
        if (is_among(&done.token, tokens, count))
            err = add(kept, &done);
    }
    kept->asked = false;
    kept->again_ms = now_ms + LEAT_KEPT_AGAIN_MS;
    return err;
}

void
leat_kept_taken(leat_kept *kept, int64_t now_ms)
{
    if (!kept->asked)
        return;
    kept->asked = false;
    kept->again_ms = kept->count > 0 ? now_ms : INT64_MAX;
}

void
leat_kept_say(leat_kept *kept, leat_outbox *outbox, int64_t now_ms)
{
    kept_end *const end = first_of(kept);
    if (end == NULL || kept->asked || now_ms < kept->again_ms)
        return;
    leat_outbox_done(outbox, &end->done);
    forget(kept, end);
    kept->asked = true;
    kept->again_ms = INT64_MAX;
}

bool
leat_kept_drop(leat_kept *kept, const leat_token *token)
{
    LEAT_LIST_FOREACH (node, &kept->ends) {
        kept_end *const end = LEAT_CONTAINER_OF(node, kept_end, node);
        if (!is_same(&end->done.token, token))
            continue;
        forget(kept, end);
        return true;
    }
    return false;
}

void
leat_kept_each(const leat_kept *kept, leat_outbox_visit *visit, void *context)
{
    LEAT_LIST_FOREACH (node, &kept->ends)
        visit(context, &LEAT_CONTAINER_OF(node, kept_end, node)->done.token);
}
