/* list: links inside what is held. */
#include "tests/lib/test.h"

#include "proto/base/list.h"

typedef struct thing {
    int number;
    leat_list_node node;
} thing;

/* The numbers of a list as decimal digits, so that an order is one number to compare. */
static int
order(const leat_list *list)
{
    int digits = 0;
    LEAT_LIST_FOREACH (node, list)
        digits = digits * 10 + LEAT_CONTAINER_OF(node, thing, node)->number;
    return digits;
}

Test(list, a_new_list_is_empty_and_a_zeroed_node_is_in_none)
{
    leat_list list;
    const thing one = {.number = 1};
    leat_list_init(&list);

    cr_assert(leat_list_is_empty(&list));
    cr_assert(eq(ptr, leat_list_first(&list), NULL));
    cr_assert(eq(ptr, leat_list_last(&list), NULL));
    cr_assert(eq(ptr, leat_list_take_first(&list), NULL));
    cr_assert(not(leat_list_is_linked(&one.node)));
}

Test(list, things_stand_where_they_were_put)
{
    leat_list list;
    thing things[] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    leat_list_init(&list);
    leat_list_append(&list, &things[2].node);
    leat_list_append(&list, &things[4].node);
    leat_list_prepend(&list, &things[1].node);
    leat_list_insert_before(&things[4].node, &things[3].node);

    cr_assert(eq(int, order(&list), 1234));
    cr_assert(eq(ptr, leat_list_first(&list), &things[1].node));
    cr_assert(eq(ptr, leat_list_last(&list), &things[4].node));
    cr_assert(leat_list_is_linked(&things[3].node));
}

Test(list, what_is_taken_out_leaves_the_others_in_order_and_can_come_back)
{
    leat_list list;
    thing things[] = {{.number = 1}, {.number = 2}, {.number = 3}};
    leat_list_init(&list);
    for (size_t i = 0; i < 3; i++)
        leat_list_append(&list, &things[i].node);

    leat_list_remove(&things[1].node);
    cr_assert(eq(int, order(&list), 13));
    cr_assert(not(leat_list_is_linked(&things[1].node)));
    leat_list_append(&list, &things[1].node);
    cr_assert(eq(int, order(&list), 132));
    cr_assert(eq(ptr, leat_list_take_first(&list), &things[0].node));
    cr_assert(eq(int, order(&list), 32));
}

Test(list, a_safe_walk_may_take_out_what_it_stands_on)
{
    leat_list list;
    thing things[6];
    leat_list_init(&list);
    for (int i = 0; i < 6; i++) {
        things[i] = (thing){.number = i + 1};
        leat_list_append(&list, &things[i].node);
    }

    LEAT_LIST_FOREACH_SAFE (node, after, &list) {
        if (LEAT_CONTAINER_OF(node, thing, node)->number % 2 == 1)
            leat_list_remove(node);
    }
    cr_assert(eq(int, order(&list), 246));
    LEAT_LIST_FOREACH_SAFE (node, after, &list)
        leat_list_remove(node);
    cr_assert(leat_list_is_empty(&list));
}

Test(list, a_list_put_behind_another_leaves_nothing_behind)
{
    leat_list list, from;
    thing things[] = {{.number = 1}, {.number = 2}, {.number = 3}};
    leat_list_init(&list);
    leat_list_init(&from);
    leat_list_append_all(&list, &from);
    cr_assert(leat_list_is_empty(&list));

    leat_list_append(&list, &things[0].node);
    leat_list_append(&from, &things[1].node);
    leat_list_append(&from, &things[2].node);
    leat_list_append_all(&list, &from);
    cr_assert(eq(int, order(&list), 123));
    cr_assert(leat_list_is_empty(&from));
    leat_list_remove(&things[2].node);
    cr_assert(eq(int, order(&list), 12));
}
