/* crc32c: known answers, both ways of computing them, in pieces. */
#include "tests/lib/test.h"

#include "proto/base/crc32c.h"
#include "proto/base/random.h"

typedef uint32_t crc_function(uint32_t crc, const void *data, size_t size);

static crc_function *const ways[] = {leat_crc32c, leat_crc32c_portable};

Test(crc32c, the_known_vectors_hold_for_both_ways)
{
    /* RFC 3720, B.4, and the check value of the catalogue. */
    uint8_t zeros[32], ones[32], up[32], down[32];
    for (uint8_t i = 0; i < 32; i++) {
        zeros[i] = 0;
        ones[i] = 0xff;
        up[i] = i;
        down[i] = (uint8_t)(31 - i);
    }
    for (size_t i = 0; i < 2; i++) {
        cr_assert(eq(u32, ways[i](0, "123456789", 9), 0xe3069283));
        cr_assert(eq(u32, ways[i](0, zeros, 32), 0x8a9136aa));
        cr_assert(eq(u32, ways[i](0, ones, 32), 0x62a8ab43));
        cr_assert(eq(u32, ways[i](0, up, 32), 0x46dd794e));
        cr_assert(eq(u32, ways[i](0, down, 32), 0x113fdb5c));
        cr_assert(eq(u32, ways[i](0, NULL, 0), 0));
    }
}

Test(crc32c, both_ways_agree_at_every_size_and_alignment)
{
    uint8_t data[128];
    leat_random random;
    leat_random_seed(&random, 5);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)leat_random_next(&random);

    for (size_t from = 0; from < 16; from++) {
        for (size_t size = 0; size <= sizeof data - from; size++)
            cr_assert(eq(u32, leat_crc32c(9, data + from, size),
                         leat_crc32c_portable(9, data + from, size)));
    }
}

Test(crc32c, the_crc_of_the_pieces_is_the_crc_of_the_whole)
{
    static const char whole[] = "123456789";
    for (size_t way = 0; way < 2; way++) {
        for (size_t cut = 0; cut <= 9; cut++) {
            const uint32_t front = ways[way](0, whole, cut);
            cr_assert(eq(u32, ways[way](front, whole + cut, 9 - cut), 0xe3069283));
        }
    }
}
