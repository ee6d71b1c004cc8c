/* random: the same numbers from the same seed. */
#include "tests/lib/test.h"

#include <string.h>

#include "proto/base/random.h"

Test(random, the_state_of_the_authors_gives_the_numbers_of_the_authors)
{
    /* xoshiro256** from the state 1, 2, 3, 4. */
    leat_random random = {
        .s = {1, 2, 3, 4}
    };

    cr_assert(eq(u64, leat_random_next(&random), 11520));
    cr_assert(eq(u64, leat_random_next(&random), 0));
    cr_assert(eq(u64, leat_random_next(&random), 1509978240));
    cr_assert(eq(u64, leat_random_next(&random), 1215971899390074240));
}

Test(random, a_seed_gives_the_same_numbers_again_and_another_seed_others)
{
    leat_random a, b, c;
    leat_random_seed(&a, 7);
    leat_random_seed(&b, 7);
    leat_random_seed(&c, 8);

    for (int i = 0; i < 100; i++) {
        const uint64_t v = leat_random_next(&a);
        cr_assert(eq(u64, v, leat_random_next(&b)));
        cr_assert(ne(u64, v, leat_random_next(&c)));
    }
}

Test(random, seed_zero_is_as_good_as_any)
{
    leat_random random;
    leat_random_seed(&random, 0);
    cr_assert(eq(u64, random.s[0], 0xe220a8397b1dcdaf)); /* splitmix64's first */
    cr_assert(ne(u64, leat_random_next(&random), leat_random_next(&random)));
}

Test(random, below_stays_below_and_reaches_every_number)
{
    leat_random random;
    unsigned hits[7] = {0};
    leat_random_seed(&random, 3);
    for (int i = 0; i < 7000; i++)
        hits[leat_random_below(&random, 7)]++;

    for (int i = 0; i < 7; i++) {
        cr_assert(gt(uint, hits[i], 850));
        cr_assert(lt(uint, hits[i], 1150));
    }
    for (int i = 0; i < 10; i++)
        cr_assert(eq(u64, leat_random_below(&random, 1), 0));
    for (int i = 0; i < 100; i++)
        cr_assert(lt(u64, leat_random_below(&random, UINT64_MAX), UINT64_MAX));
}

Test(random, the_system_fills_all_bytes_and_never_twice_alike)
{
    uint8_t a[1000] = {0};
    uint8_t b[1000] = {0};
    LEAT_PASS(leat_random_bytes_system(a, sizeof a));
    LEAT_PASS(leat_random_bytes_system(b, sizeof b));
    LEAT_PASS(leat_random_bytes_system(NULL, 0));

    cr_assert(ne(int, memcmp(a, b, sizeof a), 0));
    cr_assert(ne(int, memcmp(a + 984, (uint8_t[16]){0}, 16), 0)); /* filled to the end */
}
