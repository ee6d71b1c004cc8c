/* leat_random: numbers that look random and come again from the same seed (xoshiro256**).
 *
 * For jitter, for simulation, for tests; never for keys or session ids: those are
 * leat_random_bytes_system. */
#ifndef LEAT_RANDOM_H
#define LEAT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

typedef struct leat_random {
    uint64_t s[4]; /* never all zero once seeded */
} leat_random;

/* Any seed is good, 0 too. */
void leat_random_seed(leat_random *random, uint64_t seed);

/* The next 64 bits. */
uint64_t leat_random_next(leat_random *random);

/* 0 … n - 1, each as likely as the others; n > 0. */
uint64_t leat_random_below(leat_random *random, uint64_t n);

/* Fill data with bytes that nobody can guess. LEAT_ERR_UNSUPPORTED or LEAT_ERR_DENIED where the
 * kernel gives none; data is then unspecified. */
LEAT_NODISCARD leat_err leat_random_bytes_system(void *data, size_t size);

#endif
