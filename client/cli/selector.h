/* leat_selector: how people name batches and jobs: 42, 42/17, 42/10-20, 42/failed, @NAME, last,
 * all. Numbers are whole, never prefixes. */
#ifndef LEAT_CLI_SELECTOR_H
#define LEAT_CLI_SELECTOR_H

#include <stdbool.h>
#include <stdint.h>

typedef enum leat_selector_kind {
    LEAT_SELECTOR_BATCH = 1, /* 42 */
    LEAT_SELECTOR_JOBS,      /* 42/17, 42/10-20: places first … last */
    LEAT_SELECTOR_FAILED,    /* 42/failed */
    LEAT_SELECTOR_NAME,      /* @NAME */
    LEAT_SELECTOR_LAST,
    LEAT_SELECTOR_ALL,
} leat_selector_kind;

typedef struct leat_selector {
    leat_selector_kind kind;
    uint64_t batch;   /* BATCH, JOBS, FAILED */
    uint64_t first;   /* JOBS; from 1 */
    uint64_t last;    /* JOBS; not smaller than first */
    const char *name; /* NAME; borrowed from the text */
} leat_selector;

/* false: text is no selector; why (borrowed, static) then says what is wrong with it. */
bool leat_selector_parse(const char *text, leat_selector *out, const char **why);

#endif
