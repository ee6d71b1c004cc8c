/* Sums, a map of numbers for what has some, and a list of what is given. See amount.h. */
#include "worker/amount.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/settings.h"

static bool
has_numbers(const leat_amount *row)
{
    return row->total <= LEAT_AMOUNT_NUMBERS_MAX;
}

void
leat_amounts_init(leat_amounts *amounts, const leat_hello_have *haves, size_t count)
{
    assert(count <= LEAT_HAVES_MAX);
    *amounts = (leat_amounts){.count = (uint32_t)count};
    leat_list_init(&amounts->given);
    for (size_t i = 0; i < count; i++) {
        leat_amount *const row = &amounts->rows[i];
        (void)snprintf(row->name, sizeof row->name, "%s", haves[i].name);
        row->total = row->left = haves[i].amount;
    }
}

void
leat_amounts_fini(leat_amounts *amounts)
{
    LEAT_LIST_FOREACH_SAFE (node, after, &amounts->given)
        free(LEAT_CONTAINER_OF(node, leat_given, node));
    leat_amounts_init(amounts, NULL, 0);
}

static leat_amount *
row_of(leat_amounts *amounts, leat_text name)
{
    for (uint32_t i = 0; i < amounts->count; i++) {
        if (leat_text_is(name, leat_text_of(amounts->rows[i].name)))
            return &amounts->rows[i];
    }
    return NULL;
}

/* Whether all of it can be given now; numbers is how many single things that are. */
static leat_err
can_give(leat_amounts *amounts, leat_text needs, size_t *numbers)
{
    leat_err err = LEAT_ERR_OK;
    leat_text name;
    uint64_t amount;
    *numbers = 0;
    while (leat_needs_next(&needs, &name, &amount)) {
        const leat_amount *const row = row_of(amounts, name);
        if (row == NULL || amount > row->total)
            return LEAT_ERR_NOT_FOUND;
        if (amount > row->left)
            err = LEAT_ERR_FULL;
        if (has_numbers(row))
            *numbers += (size_t)amount;
    }
    return err;
}

/* Take the `count` lowest free numbers. */
static void
take_numbers(leat_amount *row, uint16_t *numbers, uint64_t count)
{
    for (uint16_t number = 0; count > 0; number++) {
        uint64_t *const word = &row->taken[number / 64];
        const uint64_t bit = UINT64_C(1) << number % 64;
        assert(number < row->total);
        if ((*word & bit) != 0)
            continue;
        *word |= bit;
        *numbers++ = number;
        count--;
    }
}

leat_err
leat_amounts_give(leat_amounts *amounts, leat_text needs, leat_given **given)
{
    *given = NULL;
    if (needs.size == 0)
        return LEAT_ERR_OK;
    size_t count;
    const leat_err err = can_give(amounts, needs, &count);
    if (err != LEAT_ERR_OK)
        return err;
    leat_given *const all = calloc(1, sizeof *all + count * sizeof all->numbers[0]);
    if (all == NULL)
        return LEAT_ERR_NOMEM;

    uint16_t *numbers = all->numbers;
    leat_text name;
    uint64_t amount;
    while (leat_needs_next(&needs, &name, &amount)) {
        leat_amount *const row = row_of(amounts, name);
        leat_given_amount *const one = &all->amounts[all->count++];
        assert(row != NULL && all->count <= LEAT_NEEDS_MAX);
        one->name = row->name;
        one->amount = amount;
        row->left -= amount;
        if (!has_numbers(row))
            continue;
        take_numbers(row, numbers, amount);
        one->numbers = numbers;
        numbers += amount;
    }
    leat_list_append(&amounts->given, &all->node);
    *given = all;
    return LEAT_ERR_OK;
}

void
leat_amounts_take_back(leat_amounts *amounts, leat_given **given_p)
{
    leat_given *const given = *given_p;
    *given_p = NULL;
    if (given == NULL)
        return;
    for (uint32_t i = 0; i < given->count; i++) {
        const leat_given_amount *const one = &given->amounts[i];
        leat_amount *const row = row_of(amounts, leat_text_of(one->name));
        assert(row != NULL && row->left + one->amount <= row->total);
        row->left += one->amount;
        for (uint64_t k = 0; one->numbers != NULL && k < one->amount; k++)
            row->taken[one->numbers[k] / 64] &= ~(UINT64_C(1) << one->numbers[k] % 64);
    }
    leat_list_remove(&given->node);
    free(given);
}

const leat_given_amount *
leat_given_of(const leat_given *given, const char *name)
{
    for (uint32_t i = 0; given != NULL && i < given->count; i++) {
        if (strcmp(given->amounts[i].name, name) == 0)
            return &given->amounts[i];
    }
    return NULL;
}
