/* primes: how many primes are not above N, by the sieve of Eratosthenes in segments.
 *
 * Only odd numbers have a cell: cell i of the segment that starts at `low` (odd) stands for
 * low + 2 i. A segment is as large as a core's first cache, so N = 10^9 needs 40 KiB and about a
 * second instead of 500 MB. */
#include <stdlib.h>

#include "worker/handler.h"

#define N_MAX         1000000000U
#define ROOT_MAX      31623U /* its square is above N_MAX */
#define SEGMENT_CELLS 32768U

typedef struct base_prime {
    uint32_t prime; /* odd */
    uint32_t next;  /* the next cell, counted from the start of the segment, that it strikes */
} base_prime;

/* Odd primes whose square is not above n, each with its square as the first cell to strike. */
static size_t
base_primes(uint32_t n, base_prime *out)
{
    static_assert((uint64_t)ROOT_MAX * ROOT_MAX > N_MAX, "all roots have a cell");
    uint8_t struck[ROOT_MAX / 2 + 1] = {0}; /* cell i stands for 2 i + 1 */
    size_t count = 0;
    for (uint32_t p = 3; (uint64_t)p * p <= n; p += 2) {
        if (struck[p / 2] != 0)
            continue;
        for (uint32_t m = p * p; m <= ROOT_MAX; m += 2 * p)
            struck[m / 2] = 1;
        /* The first segment starts at 3, which is cell 0. */
        out[count++] = (base_prime){.prime = p, .next = (p * p - 3) / 2};
    }
    return count;
}

static uint32_t
sieve_segment(uint8_t *struck, uint32_t cells, base_prime *base, size_t base_count)
{
    memset(struck, 0, cells);
    for (size_t i = 0; i < base_count; i++) {
        uint32_t cell = base[i].next;
        for (; cell < cells; cell += base[i].prime)
            struck[cell] = 1;
        base[i].next = cell - cells;
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < cells; i++)
        left += struck[i] == 0;
    return left;
}

/* Primes from 2 to n; false: cancelled. */
static bool
count_primes(const leat_call *call, uint32_t n, uint8_t *struck, base_prime *base, uint32_t *count)
{
    const size_t base_count = base_primes(n, base);
    uint32_t cells_left = n >= 3 ? (n - 3) / 2 + 1 : 0;
    *count = n >= 2; /* 2 has no cell */
    while (cells_left > 0) {
        if (leat_call_is_cancelled(call))
            return false;
        const uint32_t cells = cells_left < SEGMENT_CELLS ? cells_left : SEGMENT_CELLS;
        *count += sieve_segment(struck, cells, base, base_count);
        cells_left -= cells;
    }
    return true;
}

leat_end
leat_handle_primes(leat_call *call)
{
    uint64_t n;
    if (!leat_call_number(call, 0, N_MAX, &n))
        return leat_call_end(call, LEAT_END_FATAL, "primes wants a whole number up to 1000000000");

    leat_end end;
    uint32_t count;
    uint8_t *const struck = malloc(SEGMENT_CELLS);
    base_prime *const base = malloc((ROOT_MAX / 2) * sizeof *base);
    if (struck == NULL || base == NULL)
        end = leat_call_end(call, LEAT_END_FAILED, "out of memory");
    else if (!count_primes(call, (uint32_t)n, struck, base, &count))
        end = leat_call_stopped(call);
    else
        end = leat_call_say(call, LEAT_END_DONE, "%u", count);
    free(base);
    free(struck);
    return end;
}
