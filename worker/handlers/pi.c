/* pi: as many digits after the point as asked for, by Machin's formula
 *
 *     pi = 16 arctan(1/5) - 4 arctan(1/239),   arctan(1/x) = 1/x - 1/(3 x^3) + 1/(5 x^5) - …
 *
 * in fixed point: limb 0 is the whole part, each further limb has nine decimal digits. Two limbs
 * more than asked for take up what is cut off in some 7 000 terms (each cut is below one unit of
 * the last limb). The digits are cut, not rounded. */
#include <stdlib.h>

#include "worker/handler.h"

#define DIGITS_MAX   10000U
#define LIMB         1000000000U
#define LIMB_DIGITS  9U
#define LIMBS_GUARD  2U
#define TERMS_A_LOOK 16U /* terms between two looks at the cancel flag */

/* number /= divisor, from limb `from` on (those before are zero); returns the first limb that is
 * not zero now, or count. */
static size_t
divide(uint32_t *number, size_t from, size_t count, uint32_t divisor)
{
    uint64_t rest = 0;
    size_t first = count;
    for (size_t i = from; i < count; i++) {
        const uint64_t value = rest * LIMB + number[i];
        number[i] = (uint32_t)(value / divisor);
        rest = value % divisor;
        if (first == count && number[i] != 0)
            first = i;
    }
    return first;
}

/* out = number / divisor, from limb `from` on; the limbs before are not touched. */
static void
quotient(uint32_t *out, const uint32_t *number, size_t from, size_t count, uint32_t divisor)
{
    uint64_t rest = 0;
    for (size_t i = from; i < count; i++) {
        const uint64_t value = rest * LIMB + number[i];
        out[i] = (uint32_t)(value / divisor);
        rest = value % divisor;
    }
}

/* sum += part, where part has limbs from `from` on; the carry goes as far as it must. */
static void
add(uint32_t *sum, const uint32_t *part, size_t from, size_t count)
{
    uint32_t carry = 0;
    for (size_t i = count; i-- > 0 && (i >= from || carry != 0);) {
        const uint32_t value = sum[i] + (i >= from ? part[i] : 0) + carry;
        carry = value >= LIMB;
        sum[i] = carry != 0 ? value - LIMB : value;
    }
}

static void
subtract(uint32_t *sum, const uint32_t *part, size_t from, size_t count)
{
    uint32_t borrow = 0;
    for (size_t i = count; i-- > 0 && (i >= from || borrow != 0);) {
        const uint32_t away = (i >= from ? part[i] : 0) + borrow;
        borrow = sum[i] < away;
        sum[i] = borrow != 0 ? sum[i] + LIMB - away : sum[i] - away;
    }
}

/* sum += sign * factor * arctan(1/x). power and part are room of `count` limbs. false: cancelled.
 */
static bool
add_arctan(uint32_t *sum,
           uint32_t *power,
           uint32_t *part,
           size_t count,
           uint32_t factor,
           uint32_t x,
           bool minus,
           const leat_call *call)
{
    memset(power, 0, count * sizeof *power);
    power[0] = factor;
    size_t from = divide(power, 0, count, x);
    for (uint32_t n = 1; from < count; n += 2, minus = !minus) {
        if (n % (2 * TERMS_A_LOOK) == 1 && leat_call_is_cancelled(call))
            return false;
        quotient(part, power, from, count, n);
        if (minus)
            subtract(sum, part, from, count);
        else
            add(sum, part, from, count);
        from = divide(power, from, count, x * x);
    }
    return true;
}

/* "3." and the digits as the call's result. */
static leat_end
write_digits(leat_call *call, const uint32_t *number, uint32_t digits)
{
    const size_t at = call->out->size;
    uint8_t *p = leat_buf_room(call->out, digits + 2);
    if (p == NULL)
        return leat_call_end(call, LEAT_END_FAILED, "out of memory");
    *p++ = (uint8_t)('0' + number[0]);
    *p++ = '.';
    for (uint32_t i = 0; i < digits; i++) {
        uint32_t limb = number[1 + i / LIMB_DIGITS];
        for (uint32_t k = i % LIMB_DIGITS; k + 1 < LIMB_DIGITS; k++)
            limb /= 10;
        *p++ = (uint8_t)('0' + limb % 10);
    }
    call->result = (leat_bytes){.data = call->out->data + at, .size = digits + 2};
    return LEAT_END_DONE;
}

leat_end
leat_handle_pi(leat_call *call)
{
    uint64_t digits;
    if (!leat_call_number(call, 1, DIGITS_MAX, &digits))
        return leat_call_end(call, LEAT_END_FATAL, "pi wants a number of digits from 1 to 10000");

    const size_t count = 1 + (size_t)(digits + LIMB_DIGITS - 1) / LIMB_DIGITS + LIMBS_GUARD;
    uint32_t *const pi = calloc(3 * count, sizeof *pi);
    if (pi == NULL)
        return leat_call_end(call, LEAT_END_FAILED, "out of memory");
    uint32_t *const power = pi + count;
    uint32_t *const part = power + count;

    leat_end end;
    if (add_arctan(pi, power, part, count, 16, 5, false, call) &&
        add_arctan(pi, power, part, count, 4, 239, true, call))
        end = write_digits(call, pi, (uint32_t)digits);
    else
        end = leat_call_stopped(call);
    free(pi);
    return end;
}
