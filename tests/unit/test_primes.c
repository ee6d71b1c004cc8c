/* primes: counts that are known, and a count by trial division beside them. */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "worker/handler.h"

static uint64_t
must_count(uint64_t n)
{
    char payload[24];
    char answer[24];
    leat_buf out = {0};
    const int size = snprintf(payload, sizeof payload, "%llu", (unsigned long long)n);
    leat_call call = {
        .payload = {.data = (const uint8_t *)payload, .size = (uint32_t)size},
          .out = &out
    };
    cr_assert(eq(int, (int)leat_handle_primes(&call), LEAT_END_DONE));
    cr_assert(lt(u32, call.result.size, sizeof answer));
    memcpy(answer, call.result.data, call.result.size);
    answer[call.result.size] = '\0';
    leat_buf_fini(&out);
    return strtoull(answer, NULL, 10);
}

static bool
is_prime(uint32_t n)
{
    for (uint32_t d = 2; d * d <= n; d++) {
        if (n % d == 0)
            return false;
    }
    return n >= 2;
}

Test(primes, known_counts_are_met)
{
    cr_assert(eq(u64, must_count(10), 4));
    cr_assert(eq(u64, must_count(100), 25));
    cr_assert(eq(u64, must_count(100000), 9592));
    cr_assert(eq(u64, must_count(1000000), 78498));
}

Test(primes, small_numbers_agree_with_trial_division)
{
    uint64_t count = 0;
    for (uint32_t n = 0; n < 500; n++) {
        count += is_prime(n);
        cr_assert(eq(u64, must_count(n), count), "%u", n);
    }
}

Test(primes, the_borders_of_segments_agree_with_trial_division)
{
    /* A segment has 32768 odd numbers and the first begins at 3. */
    uint64_t count = must_count(65000);
    for (uint32_t n = 65001; n < 65600; n++) {
        count += is_prime(n);
        if (n > 65530 && n < 65545)
            cr_assert(eq(u64, must_count(n), count), "%u", n);
    }
    cr_assert(eq(u64, must_count(65599), count));
}

Test(primes, squares_of_primes_are_not_counted)
{
    static const uint32_t primes[] = {2, 3, 5, 7, 11, 13, 251, 257};
    for (size_t i = 0; i < sizeof primes / sizeof *primes; i++) {
        const uint64_t square = (uint64_t)primes[i] * primes[i];
        cr_assert(eq(u64, must_count(square), must_count(square - 1)), "%u", primes[i]);
    }
}

Test(primes, what_is_no_number_up_to_a_billion_is_refused)
{
    static const char *const payloads[] = {"", "1000000001", "-1", "ten", "1e6"};
    leat_buf out = {0};
    for (size_t i = 0; i < sizeof payloads / sizeof *payloads; i++) {
        leat_call call = {
            .payload = {.data = (const uint8_t *)payloads[i],
                        .size = (uint32_t)strlen(payloads[i])},
            .out = &out
        };
        cr_assert(eq(int, (int)leat_handle_primes(&call), LEAT_END_FATAL), "%s", payloads[i]);
    }
    leat_buf_fini(&out);
}
