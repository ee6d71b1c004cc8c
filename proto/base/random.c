/* xoshiro256** by Blackman and Vigna, seeded through splitmix64 as its authors advise. */
#include "proto/base/random.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>

static uint64_t
splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static uint64_t
rotate_left(uint64_t v, unsigned bits)
{
    return v << bits | v >> (64 - bits);
}

void
leat_random_seed(leat_random *random, uint64_t seed)
{
    for (size_t i = 0; i < sizeof random->s / sizeof *random->s; i++)
        random->s[i] = splitmix64(&seed);
}

uint64_t
leat_random_next(leat_random *random)
{
    uint64_t *const s = random->s;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t
leat_random_below(leat_random *random, uint64_t n)
{
    assert(n > 0);
    /* 2^64 mod n numbers at the bottom would make the small results a little more likely. */
    const uint64_t uneven = (0 - n) % n;
    uint64_t v;
    do {
        v = leat_random_next(random);
    } while (v < uneven);
    return v % n;
}

leat_err
leat_random_bytes_system(void *data, size_t size)
{
    uint8_t *p = data;
    while (size > 0) {
        const ssize_t n = getrandom(p, size, 0);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return leat_err_from_errno(errno);
        }
        p += n;
        size -= (size_t)n;
    }
    return LEAT_ERR_OK;
}
