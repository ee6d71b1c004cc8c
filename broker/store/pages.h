/* leat_pages: the pages of an LMDB file, read without LMDB, to find out what is damaged.
 *
 * LMDB has no checksums and follows every number that it finds, so that a flipped bit can end the
 * process, or hide rows without an error. Here each page is read with pread and nothing in it is
 * believed: what it says is compared with what must be there.
 *
 *   two meta pages · tree of free pages · tree of trees ── jobs, turns, objects, history, logs
 *
 * Found is: a meta page that cannot be the newest or the one before it; a page that is out of the
 * file, of another kind or number than it must have, or used twice; a page that is neither in a
 * tree nor free; a node outside its page, a key out of order or outside the range that leads to it;
 * a tree that has not the pages, depth and rows that its root tells; a row whose checksum does not
 * fit; a table that has not as many rows as the last commit counted, or first
 * pages of another commit than the store's own row (tables.h).
 *
 * Not found is what nothing depends on: bits in free pages, in the unused part of a page, and in
 * the older of the two meta pages' roots. */
#ifndef LEAT_STORE_PAGES_H
#define LEAT_STORE_PAGES_H

#include "broker/store/tables.h"

#define LEAT_PAGES_SENTENCE_BYTES 256U

typedef struct leat_pages {
    /* Called for each finding, with a sentence without a stop. row: it is a row whose checksum does
     * not fit, and the tree around it is sound. NULL: they are only counted. */
    void (*say)(void *context, const char *sentence, bool row);
    void *context;
    bool (*go_on)(void *context); /* asked now and then; NULL: to the end */
    uint64_t txnid; /* the transaction to look at, which a reader keeps; 0: the newest */

    /* Results. */
    uint64_t findings;
    uint32_t page_bytes;
    uint64_t pages;      /* of the file that are in use or free */
    uint64_t free_pages; /* of them */
    uint64_t cut_pages;  /* in use, and behind the end of the file */
    uint64_t rows[LEAT_TABLES];
    uint32_t format; /* 0: the store's own row could not be read */
} leat_pages;

/* What a file tells at its beginning. */
typedef struct leat_pages_head {
    uint32_t page_bytes;
    uint64_t pages; /* that there are; the file may end before the last ones, see tail.h */
    uint64_t missing_bytes;
    uint64_t txnid;
} leat_pages_head;

/* Look at the two meta pages and the size of the file. why (at least 256 bytes) gets the words
 * behind the file's name.
 *
 * LEAT_ERR_CORRUPT  it is no LMDB file, one of another machine, cut short, or its beginning is
 *                   damaged.
 * LEAT_ERR_IO       it cannot be read. */
LEAT_NODISCARD leat_err leat_pages_read_head(int fd, leat_pages_head *head, char why[256]);

/* Walk everything. LEAT_ERR_OK: it has been walked, pages->findings tells. LEAT_ERR_NOT_FOUND: the
 * transaction that was asked for is no longer at the beginning of the file. LEAT_ERR_INTERRUPTED:
 * go_on said no. Others: it could not be
 * walked (LEAT_ERR_NOMEM, LEAT_ERR_IO). Damage at the beginning is a finding as any other. */
LEAT_NODISCARD leat_err leat_pages_check(leat_pages *pages, int fd);

#endif
