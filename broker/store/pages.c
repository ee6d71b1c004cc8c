/* Walking the pages of an LMDB file (format 1 of LMDB 0.9, 64 bits, little endian). See pages.h. */
#include "broker/store/pages.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/store/lmdb_kv.h"

/* Page: u64 number · u16 · u16 flags · u16 lower · u16 upper (or u32 pages of a long value) ·
 * u16 offset of each node. */
#define HEAD_BYTES  16U
#define PAGE_BRANCH 1U
#define PAGE_LEAF   2U
#define PAGE_LONG   4U
#define PAGE_META   8U

/* Node: u16 low · u16 high · u16 flags · u16 key size · key · value. */
#define NODE_BYTES 8U
#define NODE_LONG  1U /* the value is the number of the page where it lies */
#define NODE_TREE  2U /* the value is the root of a tree */

#define META_AT      HEAD_BYTES
#define META_BYTES   136U
#define META_MAGIC   0xBEEFC0DEU
#define META_VERSION 1U
#define TREE_BYTES   48U
#define NO_PAGE      UINT64_MAX
#define DEPTH_MAX    32U
#define KEY_BYTES    511U
#define ASK_PAGES    256U /* go_on is asked after so many */
#define PAGE_MIN     512U
#define PAGE_MAX     32768U

#define FLAG_REVERSE_KEY 2U
#define FLAG_INTEGER_KEY 8U

struct tree {
    uint16_t flags;
    uint16_t depth;
    uint64_t branches;
    uint64_t leaves;
    uint64_t longs;
    uint64_t rows;
    uint64_t root;
};

struct meta {
    bool sound;
    uint32_t page_bytes;
    struct tree free;
    struct tree main;
    uint64_t last;
    uint64_t txnid;
};

struct key {
    uint16_t size;
    uint8_t bytes[KEY_BYTES];
};

/* One walk over one tree. */
struct walk {
    struct leat_walker *w;
    const char *name;
    leat_table table;  /* LEAT_TABLES: none of ours */
    bool is_free;      /* the tree of free pages */
    bool integer_keys; /* eight bytes, as a number of this machine */
    struct tree seen;
    struct key last;
    bool has_last;
};

struct leat_walker {
    leat_pages *pages;
    int fd;
    uint64_t count; /* of pages that may be named */
    uint64_t there; /* … that the file has whole */
    uint8_t *used;  /* a bit a page */
    leat_buf value;
    struct tree tables[LEAT_TABLES];
    bool has_table[LEAT_TABLES];
    leat_totals totals;
    bool has_totals;
    uint64_t walked;
    leat_err err; /* it cannot go on */
};

static uint16_t
u16_at(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint32_t
u32_at(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t
u64_at(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static void
tell(struct leat_walker *w, const char *sentence, bool row)
{
    w->pages->findings++;
    if (w->pages->say != NULL)
        w->pages->say(w->pages->context, sentence, row);
}

__attribute__((format(printf, 2, 3))) static void
find(struct leat_walker *w, const char *format, ...)
{
    char sentence[LEAT_PAGES_SENTENCE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is not */
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    tell(w, sentence, false);
}

/* ------------------------------------------------------------------------------- the beginning */

static struct tree
tree_at(const uint8_t *p)
{
    return (struct tree){
        .flags = u16_at(p + 4),
        .depth = u16_at(p + 6),
        .branches = u64_at(p + 8),
        .leaves = u64_at(p + 16),
        .longs = u64_at(p + 24),
        .rows = u64_at(p + 32),
        .root = u64_at(p + 40),
    };
}

/* LEAT_ERR_NOT_FOUND: the file ends before. */
static leat_err
read_at(int fd, void *out, size_t size, uint64_t offset)
{
    uint8_t *at = out;
    while (size > 0) {
        const ssize_t n = pread(fd, at, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? LEAT_ERR_NOT_FOUND : LEAT_ERR_IO;
        at += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return LEAT_ERR_OK;
}

static leat_err
read_meta(int fd, uint64_t number, uint32_t page_bytes, struct meta *meta)
{
    uint8_t page[HEAD_BYTES + META_BYTES];
    const leat_err err = read_at(fd, page, sizeof page, number * page_bytes);
    if (err != LEAT_ERR_OK)
        return err;
    const uint8_t *const p = page + META_AT;
    *meta = (struct meta){
        .page_bytes = u32_at(p + 24),
        .free = tree_at(p + 24),
        .main = tree_at(p + 72),
        .last = u64_at(p + 120),
        .txnid = u64_at(p + 128),
    };
    meta->sound = u64_at(page) == number && (u16_at(page + 10) & PAGE_META) != 0 &&
                  u32_at(p) == META_MAGIC && u32_at(p + 4) == META_VERSION;
    return LEAT_ERR_OK;
}

static bool
is_page_size(uint32_t bytes)
{
    return bytes >= PAGE_MIN && bytes <= PAGE_MAX && (bytes & (bytes - 1)) == 0;
}

static bool
is_root(const struct tree *tree, uint64_t last)
{
    return tree->root == NO_PAGE ? tree->depth == 0
                                 : tree->root > 1 && tree->root <= last && tree->depth > 0 &&
                                       tree->depth <= DEPTH_MAX;
}

/* Both meta pages; *newest is the one that counts. Commits take turns with them: they are one
 * commit apart, and the odd one is the second. Which one is newer is all that a reader goes by, so
 * a number that cannot be would make an old state the present one. */
static leat_err
read_metas(int fd, struct meta metas[2], unsigned *newest, uint64_t *file_bytes, char why[256])
{
    struct stat file;
    metas[0] = metas[1] = (struct meta){0};
    (void)snprintf(why, 256, "cannot be read");
    if (fstat(fd, &file) != 0)
        return LEAT_ERR_IO;
    leat_err err = file.st_size == 0 ? LEAT_ERR_NOT_FOUND : read_meta(fd, 0, 0, &metas[0]);
    if (err == LEAT_ERR_OK && is_page_size(metas[0].page_bytes) && metas[0].sound)
        err = read_meta(fd, 1, metas[0].page_bytes, &metas[1]);
    else if (err == LEAT_ERR_OK)
        metas[1].sound = false;
    if (err == LEAT_ERR_IO)
        return err;
    if (err == LEAT_ERR_NOT_FOUND) {
        (void)snprintf(why, 256,
                       file.st_size == 0 ? "is empty" : "has been cut short: it has %lld bytes",
                       (long long)file.st_size);
        return LEAT_ERR_CORRUPT;
    }
    if (!metas[0].sound || !metas[1].sound || metas[0].page_bytes != metas[1].page_bytes) {
        (void)snprintf(why, 256, "is no store, or its first pages are damaged");
        return LEAT_ERR_CORRUPT;
    }
    *newest = metas[1].txnid > metas[0].txnid;
    const struct meta *const meta = &metas[*newest];
    const uint64_t apart = meta->txnid - metas[1 - *newest].txnid;
    if (apart > 1 || (meta->txnid != 0 && (meta->txnid & 1) != *newest) ||
        !is_root(&meta->free, meta->last) || !is_root(&meta->main, meta->last) || meta->last < 1 ||
        meta->last > (uint64_t)1 << 48) {
        (void)snprintf(why, 256, "is damaged: its first pages contradict themselves");
        return LEAT_ERR_CORRUPT;
    }
    *file_bytes = (uint64_t)file.st_size;
    return LEAT_ERR_OK;
}

leat_err
leat_pages_read_head(int fd, leat_pages_head *head, char why[256])
{
    struct meta metas[2];
    unsigned newest = 0;
    uint64_t file_bytes;
    const leat_err err = read_metas(fd, metas, &newest, &file_bytes, why);
    if (err != LEAT_ERR_OK)
        return err;
    const struct meta *const meta = &metas[newest];
    const uint64_t wanted = (meta->last + 1) * meta->page_bytes;
    *head = (leat_pages_head){.page_bytes = meta->page_bytes,
                              .pages = meta->last + 1,
                              .missing_bytes = file_bytes < wanted ? wanted - file_bytes : 0,
                              .txnid = meta->txnid};
    return LEAT_ERR_OK;
}

/* ----------------------------------------------------------------------------------- one page */

/* Take note that a page is used. false: it cannot be, which has been said. */
static bool
take(struct leat_walker *w, uint64_t number, const char *by)
{
    if (number <= 1 || number >= w->count) {
        find(w, "%s: page %" PRIu64 " is not in the file", by, number);
        return false;
    }
    uint8_t *const bits = &w->used[number / 8];
    const uint8_t bit = (uint8_t)(1U << (number % 8));
    if ((*bits & bit) != 0) {
        find(w, "%s: page %" PRIu64 " is used twice", by, number);
        return false;
    }
    *bits |= bit;
    return true;
}

static bool
read_pages(struct leat_walker *w, uint64_t number, uint64_t count, uint8_t *out, const char *by)
{
    const uint32_t bytes = w->pages->page_bytes;
    if (number + count > w->there) {
        w->pages->cut_pages++;
        find(w, "%s: page %" PRIu64 " is behind the end of the file, which has been cut short", by,
             number);
        return false;
    }
    const leat_err err = read_at(w->fd, out, (size_t)(count * bytes), number * bytes);
    if (err == LEAT_ERR_OK)
        return true;
    /* A disk that cannot read a page is a finding too. */
    find(w, "%s: page %" PRIu64 " cannot be read", by, number);
    return false;
}

static int
compare(const struct walk *walk, const struct key *a, const struct key *b)
{
    if (walk->integer_keys) {
        const uint64_t x = u64_at(a->bytes);
        const uint64_t y = u64_at(b->bytes);
        return x < y ? -1 : x > y;
    }
    const int order = memcmp(a->bytes, b->bytes, a->size < b->size ? a->size : b->size);
    return order != 0 ? order : (int)a->size - (int)b->size;
}

/* Node i of a page, checked to lie in it. *value_at is behind its key, *room what is left there. */
static const uint8_t *
node_at(const struct walk *walk, const uint8_t *page, unsigned i, size_t *value_at, size_t *room)
{
    const uint32_t bytes = walk->w->pages->page_bytes;
    const unsigned lower = u16_at(page + 12);
    const unsigned upper = u16_at(page + 14);
    const unsigned offset = u16_at(page + HEAD_BYTES + (size_t)2 * i);
    if (offset < upper || offset < lower || offset > bytes - NODE_BYTES || offset % 2 != 0)
        return NULL;
    const unsigned key_size = u16_at(page + offset + 6);
    if (key_size > KEY_BYTES || offset + NODE_BYTES + key_size > bytes)
        return NULL;
    *value_at = offset + NODE_BYTES + key_size;
    *room = bytes - *value_at;
    return page + offset;
}

static bool
read_key(const struct walk *walk, const uint8_t *node, struct key *key)
{
    key->size = u16_at(node + 6);
    memcpy(key->bytes, node + NODE_BYTES, key->size);
    return !walk->integer_keys || key->size == sizeof(uint64_t);
}

/* ------------------------------------------------------------------------------------- values */

/* The list of pages that one transaction has freed: u64 n · n × page. */
static void
take_free(struct leat_walker *w, const uint8_t *data, size_t size)
{
    const uint64_t n = size < 8 ? 0 : u64_at(data);
    if (size % 8 != 0 || size < 8 || n > size / 8 - 1) {
        find(w, "free pages: a list does not fit its row");
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (take(w, u64_at(data + 8 + i * 8), "free pages"))
            w->pages->free_pages++;
    }
}

static void
take_table(struct leat_walker *w, const struct key *name, const uint8_t *data, size_t size)
{
    for (unsigned i = 0; i < LEAT_TABLES; i++) {
        const char *const ours = leat_table_name((leat_table)i);
        if (strlen(ours) != name->size || memcmp(ours, name->bytes, name->size) != 0)
            continue;
        if (size != TREE_BYTES)
            break;
        w->tables[i] = tree_at(data);
        w->has_table[i] = true;
        return;
    }
    find(w, "it has a table that no store of Leat has");
}

static void
take_row(struct walk *walk, const struct key *key, const uint8_t *data, size_t size)
{
    struct leat_walker *const w = walk->w;
    /* NOLINTBEGIN(performance-no-int-to-ptr): LMDB has no const */
    const MDB_val at = {.mv_size = key->size, .mv_data = (void *)(uintptr_t)key->bytes};
    const MDB_val value = {.mv_size = size, .mv_data = (void *)(uintptr_t)data};
    /* NOLINTEND(performance-no-int-to-ptr) */
    leat_row row;
    const leat_err err = leat_lmdb_open_row(walk->table, &at, &value, &row);
    if (err == LEAT_ERR_CORRUPT) {
        char sentence[LEAT_PAGES_SENTENCE_BYTES];
        (void)snprintf(sentence, sizeof sentence,
                       "table %s: row %" PRIu64 "/%" PRIu64 ": the checksum does not fit",
                       walk->name, row.key.high, row.key.low);
        tell(w, sentence, true);
    } else if (err != LEAT_ERR_OK)
        find(w, "table %s: a key of %u bytes", walk->name, key->size);
    if (err != LEAT_ERR_OK || walk->table != LEAT_TABLE_OBJECTS ||
        leat_key_compare(row.key, (leat_key){0}) != 0)
        return;
    w->has_totals = leat_totals_read(&row, &w->totals) != LEAT_ERR_CORRUPT;
    if (!w->has_totals)
        find(w, "table %s: the store's own row cannot be understood", walk->name);
}

static void
take_value(
    struct walk *walk, unsigned flags, const struct key *key, const uint8_t *data, size_t size)
{
    struct leat_walker *const w = walk->w;
    const unsigned wanted = walk->is_free || walk->table < LEAT_TABLES ? 0 : NODE_TREE;
    if ((flags & ~NODE_LONG) != wanted)
        find(w, "%s: a row has flags %u", walk->name, flags);
    else if (walk->is_free)
        take_free(w, data, size);
    else if (walk->table < LEAT_TABLES)
        take_row(walk, key, data, size);
    else
        take_table(w, key, data, size);
}

/* A value in pages of its own. */
static void
take_long(struct walk *walk, unsigned flags, const struct key *key, uint64_t number, uint32_t size)
{
    struct leat_walker *const w = walk->w;
    const uint32_t bytes = w->pages->page_bytes;
    const uint64_t count = ((uint64_t)HEAD_BYTES - 1 + size) / bytes + 1;
    bool all = true;
    if (number > 1 && number + count > w->count) {
        find(w, "%s: a value of %u bytes ends behind the file", walk->name, size);
        return;
    }
    for (uint64_t i = 0; i < count && all; i++)
        all = take(w, number + i, walk->name);
    if (!all)
        return;
    walk->seen.longs += count;
    leat_buf_reset(&w->value);
    uint8_t *const page = leat_buf_room(&w->value, (size_t)(count * bytes));
    if (page == NULL) {
        w->err = LEAT_ERR_NOMEM;
        return;
    }
    if (!read_pages(w, number, count, page, walk->name))
        return;
    if (u64_at(page) != number || u16_at(page + 10) != PAGE_LONG || u32_at(page + 12) != count) {
        find(w, "%s: page %" PRIu64 " does not begin a value of %u bytes", walk->name, number,
             size);
        return;
    }
    take_value(walk, flags, key, page + HEAD_BYTES, size);
}

static void
take_leaf_node(struct walk *walk, const uint8_t *page, unsigned i, uint64_t number)
{
    struct leat_walker *const w = walk->w;
    struct key key;
    size_t at;
    size_t room;
    const uint8_t *const node = node_at(walk, page, i, &at, &room);
    if (node == NULL || !read_key(walk, node, &key)) {
        find(w, "%s: page %" PRIu64 ": node %u is damaged", walk->name, number, i);
        return;
    }
    if (walk->has_last && compare(walk, &walk->last, &key) >= 0)
        find(w, "%s: page %" PRIu64 ": key %u is out of order", walk->name, number, i);
    walk->last = key;
    walk->has_last = true;
    walk->seen.rows++;
    const unsigned flags = u16_at(node + 4);
    const uint32_t size = u32_at(node);
    if ((flags & NODE_LONG) != 0 && room >= sizeof(uint64_t))
        take_long(walk, flags, &key, u64_at(page + at), size);
    else if ((flags & NODE_LONG) != 0 || size > room)
        find(w, "%s: page %" PRIu64 ": value %u is longer than its page", walk->name, number, i);
    else
        take_value(walk, flags, &key, page + at, size);
}

/* ------------------------------------------------------------------------------------- a tree */

/* Keys of a page are at or above low (NULL: no bound) and below high. */
static void walk_page(struct walk *walk,
                      uint64_t number,
                      unsigned depth,
                      const struct key *low,
                      const struct key *high);

static void
walk_branch(struct walk *walk,
            const uint8_t *page,
            uint64_t number,
            unsigned depth,
            const struct key *low,
            const struct key *high)
{
    const unsigned count = (u16_at(page + 12) - HEAD_BYTES) / 2;
    struct key from;
    struct key upto;
    size_t at;
    size_t room;
    const uint8_t *node = node_at(walk, page, 0, &at, &room);
    for (unsigned i = 0; i < count && node != NULL && walk->w->err == LEAT_ERR_OK; i++) {
        const uint64_t child = (uint64_t)u16_at(node + 4) << 32 | u32_at(node);
        const uint8_t *const next = i + 1 < count ? node_at(walk, page, i + 1, &at, &room) : NULL;
        if (i + 1 < count && (next == NULL || !read_key(walk, next, &upto)))
            break;
        const struct key *const child_low = i == 0 ? low : &from;
        const struct key *const child_high = next == NULL ? high : &upto;
        if (child_low != NULL && child_high != NULL && compare(walk, child_low, child_high) >= 0)
            find(walk->w, "%s: page %" PRIu64 ": branch %u is out of order", walk->name, number, i);
        walk_page(walk, child, depth + 1, child_low, child_high);
        if (next == NULL)
            return;
        from = upto;
        node = next;
    }
    if (walk->w->err == LEAT_ERR_OK)
        find(walk->w, "%s: page %" PRIu64 ": a branch is damaged", walk->name, number);
}

static void
walk_leaf(struct walk *walk,
          const uint8_t *page,
          uint64_t number,
          const struct key *low,
          const struct key *high)
{
    const unsigned count = (u16_at(page + 12) - HEAD_BYTES) / 2;
    for (unsigned i = 0; i < count && walk->w->err == LEAT_ERR_OK; i++) {
        take_leaf_node(walk, page, i, number);
        if (!walk->has_last)
            continue;
        if ((low != NULL && compare(walk, &walk->last, low) < 0) ||
            (high != NULL && compare(walk, &walk->last, high) >= 0))
            find(walk->w, "%s: page %" PRIu64 ": key %u is not found from above", walk->name,
                 number, i);
    }
}

static bool
is_sound(const struct walk *walk, const uint8_t *page, uint64_t number, unsigned kind)
{
    const unsigned lower = u16_at(page + 12);
    const unsigned upper = u16_at(page + 14);
    return u64_at(page) == number && u16_at(page + 10) == kind && lower >= HEAD_BYTES + 2 &&
           lower % 2 == 0 && lower <= upper && upper <= walk->w->pages->page_bytes;
}

static void
walk_page(struct walk *walk,
          uint64_t number,
          unsigned depth,
          const struct key *low,
          const struct key *high)
{
    struct leat_walker *const w = walk->w;
    const bool is_leaf = depth == walk->seen.depth;
    if (!take(w, number, walk->name))
        return;
    if (++w->walked % ASK_PAGES == 0 && w->pages->go_on != NULL &&
        !w->pages->go_on(w->pages->context)) {
        w->err = LEAT_ERR_INTERRUPTED;
        return;
    }
    uint8_t *const page = malloc(w->pages->page_bytes);
    if (page == NULL) {
        w->err = LEAT_ERR_NOMEM;
        return;
    }
    if (!read_pages(w, number, 1, page, walk->name)) {
        free(page);
        return;
    }
    if (!is_sound(walk, page, number, is_leaf ? PAGE_LEAF : PAGE_BRANCH)) {
        find(w, "%s: page %" PRIu64 " is no %s of the tree", walk->name, number,
             is_leaf ? "leaf" : "branch");
    } else if (is_leaf) {
        walk->seen.leaves++;
        walk_leaf(walk, page, number, low, high);
    } else {
        walk->seen.branches++;
        walk_branch(walk, page, number, depth, low, high);
    }
    free(page);
}

static void
walk_tree(struct walk *walk, const struct tree *tree)
{
    struct leat_walker *const w = walk->w;
    const bool integer_keys = (tree->flags & FLAG_INTEGER_KEY) != 0;
    if (!is_root(tree, w->count - 1) || integer_keys != walk->integer_keys ||
        (tree->flags & FLAG_REVERSE_KEY) != 0) {
        find(w, "%s: the root is damaged", walk->name);
        return;
    }
    walk->seen.depth = tree->depth;
    if (tree->root != NO_PAGE)
        walk_page(walk, tree->root, 1, NULL, NULL);
    if (w->err != LEAT_ERR_OK)
        return;
    if (walk->seen.rows != tree->rows)
        find(w, "%s: %" PRIu64 " rows are there of %" PRIu64, walk->name, walk->seen.rows,
             tree->rows);
    if (walk->seen.branches != tree->branches || walk->seen.leaves != tree->leaves ||
        walk->seen.longs != tree->longs)
        find(w, "%s: the tree has other pages than its root tells", walk->name);
}

/* ------------------------------------------------------------------------------------ the face */

static void
walk_tables(struct leat_walker *w)
{
    unsigned known = 0;
    for (unsigned i = 0; i < LEAT_TABLES; i++)
        known += w->has_table[i];
    if (known == 0) {
        find(w, "it is no store of Leat: none of its tables is there");
        return;
    }
    for (unsigned i = 0; i < LEAT_TABLES && w->err == LEAT_ERR_OK; i++) {
        const leat_table table = (leat_table)i;
        struct walk walk = {.w = w,
                            .name = leat_table_name(table),
                            .table = table,
                            .integer_keys = leat_lmdb_has_one_number(table)};
        if (!w->has_table[i]) {
            find(w, "the table %s is missing", walk.name);
            continue;
        }
        walk_tree(&walk, &w->tables[i]);
        w->pages->rows[i] = walk.seen.rows;
    }
}

/* What the last commit has counted. The store's own row is not in its own total. */
static void
compare_totals(struct leat_walker *w, uint64_t txnid)
{
    w->pages->format = w->has_totals ? w->totals.format : 0;
    if (!w->has_totals) {
        find(w, "the store's own row is missing");
        return;
    }
    if (w->totals.format != LEAT_STORE_FORMAT)
        return; /* an older one has not counted; a newer one has perhaps other tables */
    for (unsigned i = 0; i < LEAT_TABLES; i++) {
        const uint64_t rows = w->pages->rows[i] - (i == LEAT_TABLE_OBJECTS);
        if (rows != w->totals.rows[i])
            find(w, "table %s: %" PRIu64 " rows are there, and %" PRIu64 " were written",
                 leat_table_name((leat_table)i), rows, w->totals.rows[i]);
    }
    if (w->totals.txnid != txnid)
        find(w, "the first pages are of commit %" PRIu64 ", the store's own row of commit %" PRIu64,
             txnid, w->totals.txnid);
}

static void
find_lost_pages(struct leat_walker *w)
{
    uint64_t lost = 0;
    uint64_t first = 0;
    for (uint64_t i = 2; i < w->count; i++) {
        if ((w->used[i / 8] >> (i % 8) & 1U) == 0 && lost++ == 0)
            first = i;
    }
    if (lost > 0)
        find(w, "%" PRIu64 " pages are neither used nor free; the first is page %" PRIu64, lost,
             first);
}

leat_err
leat_pages_check(leat_pages *pages, int fd)
{
    struct leat_walker w = {.pages = pages, .fd = fd};
    struct meta metas[2];
    unsigned newest = 0;
    uint64_t file_bytes = 0;
    char why[256];
    pages->findings = pages->free_pages = pages->cut_pages = 0;
    leat_err err = read_metas(fd, metas, &newest, &file_bytes, why);
    if (err == LEAT_ERR_CORRUPT) {
        find(&w, "the file %s", why);
        return LEAT_ERR_OK;
    }
    if (err != LEAT_ERR_OK)
        return err;
    if (pages->txnid != 0 && metas[newest].txnid != pages->txnid)
        newest = 1 - newest;
    if (pages->txnid != 0 && metas[newest].txnid != pages->txnid)
        return LEAT_ERR_NOT_FOUND;

    const struct meta *const meta = &metas[newest];
    pages->page_bytes = meta->page_bytes;
    pages->pages = w.count = meta->last + 1;
    w.there = file_bytes / meta->page_bytes;
    w.used = calloc(w.count / 8 + 1, 1);
    if (w.used == NULL)
        return LEAT_ERR_NOMEM;
    struct walk free_walk = {
        .w = &w, .name = "free pages", .table = LEAT_TABLES, .is_free = true, .integer_keys = true};
    struct walk main_walk = {.w = &w, .name = "list of tables", .table = LEAT_TABLES};
    walk_tree(&free_walk, &meta->free);
    if (w.err == LEAT_ERR_OK)
        walk_tree(&main_walk, &meta->main);
    if (w.err == LEAT_ERR_OK)
        walk_tables(&w);
    if (w.err == LEAT_ERR_OK) {
        compare_totals(&w, meta->txnid);
        find_lost_pages(&w);
    }
    leat_buf_fini(&w.value);
    free(w.used);
    return w.err;
}
