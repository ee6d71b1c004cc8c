/* A store whose commits become durable only when a test says so, and whose calls fail when a test
 * says so. It wraps another store, which it owns: what is not durable yet is not there, as in a
 * store with a commit thread of its own; a crash is test_late_crash. */
#ifndef LEAT_TEST_LATESTORE_H
#define LEAT_TEST_LATESTORE_H

#include "broker/store/store.h"

typedef struct test_late_commit {
    leat_changes changes;
    uint64_t number;
} test_late_commit;

typedef struct test_late {
    leat_store store; /* this is what the core is given */
    leat_store *under;
    bool hold; /* commits wait for test_late_let */
    test_late_commit *waiting;
    size_t count, capacity;
    uint64_t durable;
    unsigned fail_commits;    /* so many commits from now on are refused with LEAT_ERR_IO */
    unsigned corrupt_from;    /* of the packs fetched from now on, skip so many … */
    unsigned corrupt_fetches; /* … and of the next so many say CORRUPT */
} test_late;

/* under is taken; what must succeed asserts. */
test_late *test_late_new(leat_store **under_p);
void test_late_destroy(test_late **late_p);
static inline leat_store *
test_late_store(test_late *late)
{
    return &late->store;
}

/* The oldest n waiting commits are on disk now. */
void test_late_let(test_late *late, size_t n);
void test_late_let_all(test_late *late);

/* What is not on disk is gone. The store can be loaded again. */
void test_late_crash(test_late *late);

#endif
