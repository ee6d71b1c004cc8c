/* broker/store/changes: op lists. */
#include "tests/lib/test.h"

#include "broker/store/tables.h"

static leat_changes changes;

static void
fini(void)
{
    leat_changes_fini(&changes);
}

TestSuite(changes, .fini = fini);

Test(changes, ops_are_read_back_in_their_order)
{
    leat_changes_pack(&changes, 7, "pack", 4);
    leat_changes_keep(&changes, 8, 0x80000001U);
    leat_changes_turn(&changes, 9, "turn", 4);
    leat_changes_trim(&changes, 10);
    leat_changes_put(&changes, LEAT_OBJECT_SESSION, 11, "object", 6);
    leat_changes_drop(&changes, LEAT_OBJECT_BATCH, 12);

    static const leat_change want[] = {
        {.op = LEAT_OP_PACK,                .id = 7, .data = (const uint8_t *)"pack", .size = 4},
        {.op = LEAT_OP_KEEP,                                 .id = 8,                       .mask = 0x80000001U              },
        {.op = LEAT_OP_TURN,                                 .id = 9,                       .data = (const uint8_t *)"turn", .size = 4},
        {.op = LEAT_OP_TRIM,                        .id = 10                              },
        {.op = LEAT_OP_PUT,
         .kind = LEAT_OBJECT_SESSION,
         .id = 11,
         .data = (const uint8_t *)"object",
         .size = 6},
        {.op = LEAT_OP_DROP, .kind = LEAT_OBJECT_BATCH,                                  .id = 12                                                },
    };
    leat_reader ops = leat_reader_over(changes.ops.data, changes.ops.size);
    leat_change got;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        cr_assert(leat_changes_next(&ops, &got));
        cr_assert(eq(uint, got.op, want[i].op));
        cr_assert(eq(uint, got.kind, want[i].kind));
        cr_assert(eq(u64, got.id, want[i].id));
        cr_assert(eq(uint, got.mask, want[i].mask));
        cr_assert(eq(uint, got.size, want[i].size));
        if (want[i].size > 0)
            cr_assert(eq(int, memcmp(got.data, want[i].data, got.size), 0));
    }
    cr_assert(not(leat_changes_next(&ops, &got)));
    cr_assert(eq(uint, changes.count, sizeof want / sizeof *want));
}

Test(changes, an_empty_list_has_no_ops)
{
    leat_reader ops = leat_reader_over(changes.ops.data, changes.ops.size);
    leat_change got;

    cr_assert(not(leat_changes_next(&ops, &got)));
}

Test(changes, records_may_be_empty)
{
    leat_changes_put(&changes, LEAT_OBJECT_META, 0, NULL, 0);

    leat_reader ops = leat_reader_over(changes.ops.data, changes.ops.size);
    leat_change got;
    cr_assert(leat_changes_next(&ops, &got));
    cr_assert(eq(uint, got.size, 0));
}

Test(changes, fini_leaves_an_empty_list)
{
    leat_changes_trim(&changes, 1);

    leat_changes_fini(&changes);

    cr_assert(eq(uint, changes.count, 0));
    cr_assert(eq(sz, changes.ops.size, 0));
}
