/* Recalling: what a worker has got and not started is asked back, because another one idles or
 * since it is not wanted there any more. */
#include "broker/core/recall.h"

#include "broker/core/class.h"
#include "broker/core/peer.h"
#include "broker/core/terms.h"

/* Jobs that lie in its line: more than it has slots, and not started as far as is known. */
static uint32_t
line_of(const leat_peer *peer)
{
    const uint64_t given = peer->next_number - 1;
    const uint64_t ahead = given > peer->started ? given - peer->started : 0;
    const uint32_t over = peer->held > peer->slots ? peer->held - peer->slots : 0;
    return ahead < over ? (uint32_t)ahead : over;
}

/* Could this worker run what lies in the other one's line? Judged by the last of it. */
static bool
could_run(leat_core *core, leat_peer *idle, const leat_peer *from)
{
    if (from->lease_tail == LEAT_NOBODY)
        return false;
    const leat_item *const last = leat_items_at(&core->items, from->lease_tail);
    leat_class *const class = leat_class_of(core, last);
    return class->mean_ns / 1000 > LEAT_QUANTUM_US && (last->flags & LEAT_ITEM_SUSPECT) == 0 &&
           leat_class_is_served(idle, class) && leat_class_fits(idle, class);
}

static void
recall(leat_core *core, leat_peer *peer, uint32_t n)
{
    leat_buf frame = {0};
    leat_frame_begin(&frame, LEAT_CMD_RECALL);
    leat_tokens_put(LEAT_CMD_RECALL, &frame, &(leat_token_record){.items = n});
    leat_frame_finish(&frame, 0, 1, 0);
    if (leat_peer_send(core, peer, &frame))
        peer->recalled += n;
    leat_buf_fini(&frame);
}

/* Is there a worker with nothing to do that could take over from this one? */
static bool
has_taker(leat_core *core, const leat_peer *from)
{
    LEAT_LIST_FOREACH (node, &core->hungry) {
        leat_peer *const peer = LEAT_CONTAINER_OF(node, leat_peer, hungry);
        if (peer != from && peer->held == 0 && could_run(core, peer, from))
            return true;
    }
    return false;
}

/* Who has most in its line gives half of it back, if somebody else has nothing to do. One at a
 * time: it is looked at again soon. Long jobs only: what is over within the quantum is over before
 * it could be moved. */
void
leat_recall_longest(leat_core *core)
{
    leat_peer *richest = NULL;
    uint32_t most = 0;
    if (leat_list_is_empty(&core->hungry))
        return;
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        leat_peer *const peer = leat_table_at(&core->peers, i);
        const uint32_t line = peer->role == LEAT_ROLE_WORKER ? line_of(peer) : 0;
        if (line <= most || peer->recalled > 0 || peer->claiming || !leat_peer_can_send(peer) ||
            !has_taker(core, peer))
            continue;
        most = line;
        richest = peer;
    }
    if (richest != NULL)
        recall(core, richest, (most + 1) / 2);
}

void
leat_recall_from(leat_core *core, leat_peer *peer)
{
    const uint64_t given = peer->next_number - 1;
    if (peer->role == LEAT_ROLE_WORKER && peer->held > 0 && given > peer->started &&
        leat_peer_can_send(peer))
        recall(core, peer, peer->held);
}

void
leat_recall_all(leat_core *core)
{
    for (uint32_t i = leat_table_next(&core->peers, 0); i != 0;
         i = leat_table_next(&core->peers, i)) {
        leat_recall_from(core, leat_table_at(&core->peers, i));
    }
}
