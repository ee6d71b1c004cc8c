/* The window: messages that wait for an answer, the floor below them, the room above. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>

#include "proto/link/window.h"

static leat_window *window;

static void
begin(void)
{
    window = calloc(1, sizeof *window);
    cr_assert(window != NULL);
}

static void
end(void)
{
    leat_window_reset(window);
    free(window);
}

TestSuite(window, .init = begin, .fini = end);

static uint64_t
keep(char byte)
{
    zmq_msg_t frame;
    cr_assert(eq(int, zmq_msg_init_size(&frame, 1), 0));
    memset(zmq_msg_data(&frame), byte, 1);
    leat_window_keep(window, &frame);
    cr_assert(eq(sz, zmq_msg_size(&frame), 0));
    return window->last;
}

Test(window, sequences_begin_at_one_and_have_no_holes)
{
    cr_expect(eq(u64, keep('a'), 1));
    cr_expect(eq(u64, keep('b'), 2));
    cr_expect(eq(u32, window->unanswered, 2));
    cr_expect(eq(int, memcmp(zmq_msg_data(leat_window_find(window, 2)), "b", 1), 0));
}

Test(window, the_floor_follows_the_lowest_that_waits)
{
    for (int i = 0; i < 4; i++)
        (void)keep('x');
    cr_expect(leat_window_answer(window, 2));
    cr_expect(leat_window_answer(window, 3));
    cr_expect(eq(u64, window->floor, 0));
    cr_expect(leat_window_answer(window, 1));
    cr_expect(eq(u64, window->floor, 3));
    cr_expect(eq(u32, window->unanswered, 1));
}

Test(window, an_answer_that_nobody_waits_for_changes_nothing)
{
    (void)keep('x');
    cr_expect(not(leat_window_answer(window, 0)));
    cr_expect(not(leat_window_answer(window, 2)));
    cr_expect(not(leat_window_answer(window, 1 + LEAT_WINDOW_FRAMES)));
    cr_expect(leat_window_answer(window, 1));
    cr_expect(not(leat_window_answer(window, 1)));
    cr_expect(eq(u32, window->unanswered, 0));
}

Test(window, room_is_what_the_other_side_allows_above_the_floor)
{
    cr_expect(eq(u32, leat_window_room(window, 3), 3));
    for (int i = 0; i < 3; i++)
        (void)keep('x');
    cr_expect(eq(u32, leat_window_room(window, 3), 0));
    cr_expect(leat_window_answer(window, 3));
    cr_expect(eq(u32, leat_window_room(window, 3), 0));
    cr_expect(leat_window_answer(window, 1));
    cr_expect(eq(u32, leat_window_room(window, 3), 1));
    cr_expect(eq(u32, leat_window_room(window, 1), 0)); /* the window has become smaller */
    cr_expect(eq(u32, leat_window_room(window, UINT32_MAX), LEAT_WINDOW_FRAMES - 2));
}

Test(window, a_full_window_goes_round)
{
    for (uint64_t s = 1; s <= 3ULL * LEAT_WINDOW_FRAMES; s++) {
        if (leat_window_room(window, LEAT_WINDOW_FRAMES) == 0)
            cr_assert(leat_window_answer(window, window->floor + 1));
        cr_assert(eq(u64, keep((char)s), s));
    }
    cr_expect(eq(u32, window->unanswered, LEAT_WINDOW_FRAMES));
    cr_expect(eq(u64, window->floor, 2ULL * LEAT_WINDOW_FRAMES));
}

Test(window, a_frame_is_new_until_it_was_sent)
{
    (void)keep('x');
    cr_expect(eq(int, (int)leat_window_state_of(window, 1), (int)LEAT_WINDOW_NEW));
    leat_window_mark_sent(window, 1);
    cr_expect(eq(int, (int)leat_window_state_of(window, 1), (int)LEAT_WINDOW_SENT));
    cr_expect(leat_window_answer(window, 1));
    cr_expect(eq(int, (int)leat_window_state_of(window, 1), (int)LEAT_WINDOW_FREE));
}

Test(window, after_a_reset_it_is_as_new)
{
    for (int i = 0; i < 10; i++)
        (void)keep('x');
    leat_window_reset(window);
    cr_expect(eq(u32, window->unanswered, 0));
    cr_expect(eq(u64, keep('y'), 1));
}
