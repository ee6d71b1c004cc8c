/* leat_list: a doubly linked list whose links lie inside what it holds.
 *
 *     struct worker { leat_list_node idle; … };
 *     leat_list_append(&pool->idle, &worker->idle);
 *     LEAT_LIST_FOREACH (node, &pool->idle)
 *         poke(LEAT_CONTAINER_OF(node, struct worker, idle));
 *
 * The list owns nothing; putting in and taking out allocates nothing, cannot fail and is O(1). A
 * zeroed node is in no list. A node is in at most one list at a time (asserted). A list must not be
 * moved in memory while something is in it. */
#ifndef LEAT_LIST_H
#define LEAT_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct leat_list_node leat_list_node;

struct leat_list_node {
    leat_list_node *prev; /* NULL: in no list */
    leat_list_node *next;
};

typedef struct leat_list {
    leat_list_node root; /* a ring through the root */
} leat_list;

/* The struct of `type` whose `member` is at ptr. */
#define LEAT_CONTAINER_OF(ptr, type, member) \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Walk from first to last; `node` is declared here. The list must not change meanwhile. */
#define LEAT_LIST_FOREACH(node, list)                                     \
    for (leat_list_node * (node) = leat_list_first(list); (node) != NULL; \
         (node) = leat_list_next(list, node))

/* The same where the body may take `node` (and only this one) out or free it. */
#define LEAT_LIST_FOREACH_SAFE(node, after, list)                                        \
    for (leat_list_node * (node) = leat_list_first(list),                                \
                          *(after) = (node) == NULL ? NULL : leat_list_next(list, node); \
         (node) != NULL;                                                                 \
         (node) = (after), (after) = (node) == NULL ? NULL : leat_list_next(list, node))

static inline void
leat_list_init(leat_list *list)
{
    list->root.prev = &list->root;
    list->root.next = &list->root;
}

static inline void
leat_list_node_init(leat_list_node *node)
{
    *node = (leat_list_node){0};
}

static inline bool
leat_list_is_linked(const leat_list_node *node)
{
    return node->prev != NULL;
}

static inline bool
leat_list_is_empty(const leat_list *list)
{
    return list->root.next == &list->root;
}

/* Put node between two neighbours; the others are made of this. */
static inline void
leat_list_link(leat_list_node *before, leat_list_node *node, leat_list_node *after)
{
    assert(!leat_list_is_linked(node));
    node->prev = before;
    node->next = after;
    before->next = node; /* NOLINT(clang-analyzer-core.NullDereference): what is linked has both */
    after->prev = node;
}

/* Put node at the end. */
static inline void
leat_list_append(leat_list *list, leat_list_node *node)
{
    leat_list_link(list->root.prev, node, &list->root);
}

/* Put node at the front. */
static inline void
leat_list_prepend(leat_list *list, leat_list_node *node)
{
    leat_list_link(&list->root, node, list->root.next);
}

/* Put node right before `place`, which is in a list. */
static inline void
leat_list_insert_before(leat_list_node *place, leat_list_node *node)
{
    assert(leat_list_is_linked(place));
    leat_list_link(place->prev, node, place);
}

/* Take node out of the list that it is in; it is unlinked after. */
static inline void
leat_list_remove(leat_list_node *node)
{
    assert(leat_list_is_linked(node));
    node->prev->next = node->next;
    node->next->prev = node->prev;
    leat_list_node_init(node);
}

/* The first node, NULL if there is none. */
static inline leat_list_node *
leat_list_first(const leat_list *list)
{
    /* The analyzer does not follow that a node which was taken out cannot be met here again. */
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    return leat_list_is_empty(list) ? NULL : list->root.next;
}

/* The last node, NULL if there is none. */
static inline leat_list_node *
leat_list_last(const leat_list *list)
{
    return leat_list_is_empty(list) ? NULL : list->root.prev;
}

/* The node after `node`, NULL at the end. */
static inline leat_list_node *
leat_list_next(const leat_list *list, const leat_list_node *node)
{
    return node->next == &list->root ? NULL : node->next;
}

/* The node before `node`, NULL at the beginning. */
static inline leat_list_node *
leat_list_before(const leat_list *list, const leat_list_node *node)
{
    return node->prev == &list->root ? NULL : node->prev;
}

/* Take the first node out; NULL if there is none. */
static inline leat_list_node *
leat_list_take_first(leat_list *list)
{
    leat_list_node *const node = leat_list_first(list);
    if (node != NULL)
        leat_list_remove(node);
    return node;
}

/* Everything of `from` goes to the end of `list`, in its order; `from` is empty after. O(1). */
static inline void
leat_list_append_all(leat_list *list, leat_list *from)
{
    assert(list != from);
    if (leat_list_is_empty(from))
        return;
    from->root.next->prev = list->root.prev;
    list->root.prev->next = from->root.next;
    from->root.prev->next = &list->root;
    list->root.prev = from->root.prev;
    leat_list_init(from);
}

#endif
