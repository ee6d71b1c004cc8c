/* crash_states: disks as a power cut may leave them, made out of a trace of crash_disk, and each
 * opened as a store and held against what had been promised by then.
 *
 *     crash_states --trace FILE --promises FILE --store PATH --scratch FOLDER --states N --seed S
 *
 * A disk is cut at some op. What was synced is there; of what was written since, each write is
 * there, or not, or in parts (sectors of 512 bytes), whatever came before or after it: so writes
 * are lost, torn, and overtake each other. Names that were made in a folder which was not synced
 * since are there up to some moment. PATH is the store's under the root of the trace.
 *
 * A child opens each, so that a crash there is one more finding. Sentences for the first bad ones;
 * the last line is one JSON object. Ends with 0 when every state was as it should be, else 1. */
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/random.h"
#include "tests/crash/disk.h"
#include "tests/crash/verify.h"

#define SECTOR_BYTES 512U
#define FILES_MAX    64U
#define NAMES_MAX    64U
#define SHOWN_MAX    8U
#define CHILD_S      30U
#define PATH_BYTES   512U

/* What becomes of the writes that were not synced. */
typedef enum crash_fate {
    FATE_NONE,
    FATE_ALL,
    FATE_ALL_BUT_ONE,
    FATE_ONLY_ONE,
    FATE_SOME,
    FATE_TORN,
    FATES,
} crash_fate;
static const char *const fate_names[FATES] = {"none", "all", "all but one", "one", "some", "torn"};

struct image {
    uint8_t *data; /* owned */
    uint64_t size, capacity;
};

struct name {
    char path[128];
    uint32_t file; /* 0: a folder */
};

struct names {
    struct name all[NAMES_MAX];
    unsigned count;
};

struct disk {
    /* on the disk for certain */
    struct image files[FILES_MAX];
    struct names names;
    /* written and not synced, in order */
    const disk_op **writes; /* owned */
    size_t write_count, write_capacity;
    const disk_op *renames[NAMES_MAX]; /* CREATE, RENAME, UNLINK, FOLDER */
    unsigned rename_count;
    char paths[FILES_MAX][128]; /* of files as the process sees them */
};

struct trying {
    const char *store, *scratch;
    crash_promises promises;
    const disk_head *trace;
    leat_random random;
    uint64_t tried, lost, phantom, twice, unopened, crashed, shown, checked;
    uint64_t bad_by_fate[FATES];
};

static _Noreturn void
give_up(const char *what)
{
    perror(what);
    _exit(2);
}

static const uint8_t *
data_of(const disk_op *op)
{
    return (const uint8_t *)(op + 1);
}

static const disk_op *
next_op(const disk_op *op)
{
    const uint64_t bytes = (sizeof *op + op->size + 7) & ~(uint64_t)7;
    return (const disk_op *)(const void *)((const uint8_t *)op + bytes);
}

/* ------------------------------------------------------------------------------ one file */

static void
grow(struct image *image, uint64_t size)
{
    if (size > image->capacity) {
        image->capacity = size * 2;
        image->data = realloc(image->data, image->capacity);
        if (image->data == NULL)
            give_up("memory");
    }
    if (size > image->size) {
        memset(image->data + image->size, 0, size - image->size);
        image->size = size;
    }
}

/* One sector's part of a write, or all of it. */
static void
put(struct image *image, const disk_op *op, uint64_t from, uint64_t upto)
{
    if (op->kind == DISK_TRUNCATE) {
        if (op->offset < image->size)
            image->size = op->offset;
        grow(image, op->offset);
        return;
    }
    grow(image, upto);
    memcpy(image->data + from, data_of(op) + (from - op->offset), upto - from);
}

static void
put_whole(struct image *image, const disk_op *op)
{
    put(image, op, op->offset, op->offset + op->size);
}

static bool
flip(struct trying *t)
{
    return leat_random_below(&t->random, 2) == 1;
}

static void
put_torn(struct trying *t, struct image *image, const disk_op *op)
{
    const uint64_t end = op->offset + op->size;
    if (op->kind == DISK_TRUNCATE) {
        if (flip(t))
            put_whole(image, op);
        return;
    }
    /* The size may be on the disk without the content. */
    if (flip(t))
        grow(image, end);
    for (uint64_t from = op->offset; from < end;) {
        uint64_t upto = (from / SECTOR_BYTES + 1) * SECTOR_BYTES;
        upto = upto > end ? end : upto;
        if (flip(t))
            put(image, op, from, upto);
        from = upto;
    }
}

/* ------------------------------------------------------------------------------ names */

static struct name *
name_of_file(struct names *names, uint32_t file)
{
    for (unsigned i = 0; i < names->count; i++) {
        if (names->all[i].file == file)
            return &names->all[i];
    }
    return NULL;
}

static void
drop_name(struct names *names, struct name *name)
{
    if (name != NULL)
        *name = names->all[--names->count];
}

static void
text_of(const disk_op *op, char path[128])
{
    (void)snprintf(path, 128, "%.*s", (int)op->size, (const char *)data_of(op));
}

static void
put_name(struct names *names, const disk_op *op)
{
    struct name name = {.file = op->file};
    text_of(op, name.path);
    for (unsigned i = 0; i < names->count && op->kind != DISK_UNLINK; i++) {
        if (strcmp(names->all[i].path, name.path) == 0) {
            names->all[i] = names->all[--names->count];
            break;
        }
    }
    if (op->kind == DISK_RENAME || op->kind == DISK_UNLINK)
        drop_name(names, name_of_file(names, op->file));
    if (op->kind == DISK_UNLINK)
        return;
    if (names->count == NAMES_MAX)
        give_up("names");
    names->all[names->count++] = name;
}

/* The folder that the name of this op lies in. */
static void
folder_of(const struct disk *disk, const disk_op *op, char path[128])
{
    if (op->kind == DISK_UNLINK)
        (void)snprintf(path, 128, "%s", disk->paths[op->file]);
    else
        text_of(op, path);
    char *const slash = strrchr(path, '/');
    if (slash != NULL)
        *slash = '\0';
    else
        path[0] = '\0';
}

/* ------------------------------------------------------------------------------ the trace */

/* Everything of this file up to an op is on the disk. */
static void
settle_writes(struct disk *disk, uint32_t file, uint64_t upto)
{
    size_t kept = 0;
    for (size_t i = 0; i < disk->write_count; i++) {
        const disk_op *const op = disk->writes[i];
        if (op->file == file && op->number <= upto)
            put_whole(&disk->files[file], op);
        else
            disk->writes[kept++] = op;
    }
    disk->write_count = kept;
}

/* A write to a descriptor that syncs has returned: it is on the disk, and with it what lay in the
 * same pages before; nothing else. */
static void
settle_one(struct disk *disk, uint32_t file, uint64_t number)
{
    const uint64_t page_bytes = 4096;
    const disk_op *it = NULL;
    for (size_t i = 0; i < disk->write_count; i++) {
        if (disk->writes[i]->number == number)
            it = disk->writes[i];
    }
    if (it == NULL)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < disk->write_count; i++) {
        const disk_op *const op = disk->writes[i];
        const bool same_pages =
            op->file == file && op->number <= number &&
            op->offset / page_bytes <= (it->offset + it->size - 1) / page_bytes &&
            it->offset / page_bytes <=
                (op->offset + (op->size == 0 ? 1 : op->size) - 1) / page_bytes;
        if (same_pages)
            put_whole(&disk->files[file], op);
        else
            disk->writes[kept++] = op;
    }
    disk->write_count = kept;
}

static void
settle_names(struct disk *disk, const disk_op *sync)
{
    char folder[128];
    char synced[128];
    unsigned kept = 0;
    text_of(sync, synced);
    for (unsigned i = 0; i < disk->rename_count; i++) {
        folder_of(disk, disk->renames[i], folder);
        if (disk->renames[i]->number <= sync->ref && strcmp(folder, synced) == 0)
            put_name(&disk->names, disk->renames[i]);
        else
            disk->renames[kept++] = disk->renames[i];
    }
    disk->rename_count = kept;
}

static void
take_op(struct disk *disk, const disk_op *op)
{
    switch ((disk_kind)op->kind) {
    case DISK_WRITE:
    case DISK_TRUNCATE:
        if (disk->write_count == disk->write_capacity) {
            disk->write_capacity = disk->write_capacity * 2 + 64;
            disk->writes = realloc(disk->writes, disk->write_capacity * sizeof(disk_op *));
            if (disk->writes == NULL)
                give_up("memory");
        }
        disk->writes[disk->write_count++] = op;
        break;
    case DISK_WRITTEN:
        settle_one(disk, op->file, op->ref);
        break;
    case DISK_SYNC:
        settle_writes(disk, op->file, op->ref);
        break;
    case DISK_CREATE:
    case DISK_RENAME:
    case DISK_UNLINK:
    case DISK_FOLDER:
        if (op->kind == DISK_CREATE || op->kind == DISK_RENAME)
            text_of(op, disk->paths[op->file]);
        if (disk->rename_count == NAMES_MAX)
            give_up("too many names that are not synced");
        disk->renames[disk->rename_count++] = op;
        break;
    case DISK_SYNC_NAMES:
        settle_names(disk, op);
        break;
    }
}

/* ------------------------------------------------------------------------------ a state */

static int
remove_one(const char *path, const struct stat *stat, int type, struct FTW *where)
{
    (void)stat, (void)type;
    return where->level == 0 ? 0 : remove(path);
}

static void
empty_folder(const char *path)
{
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS); /* NOLINT: there is one thread */
}

static bool
has_folder(const struct names *names, const char *path)
{
    char folder[128];
    (void)snprintf(folder, sizeof folder, "%s", path);
    char *const slash = strrchr(folder, '/');
    if (slash == NULL)
        return true;
    *slash = '\0';
    for (unsigned i = 0; i < names->count; i++) {
        if (names->all[i].file == 0 && strcmp(names->all[i].path, folder) == 0)
            return has_folder(names, folder);
    }
    return false;
}

static void
write_file(const struct trying *t, const char *name, const struct image *image)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", t->scratch, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || (image->size > 0 && write(fd, image->data, image->size) != (ssize_t)image->size))
        give_up(path);
    (void)close(fd);
}

/* The state as files in the scratch folder. Folders come before what is in them, since they were
 * made before. */
static void
lay_out(const struct trying *t, const struct names *names, const struct image *files)
{
    char path[PATH_BYTES];
    empty_folder(t->scratch);
    for (size_t length = 1; length < sizeof names->all->path; length++) {
        for (unsigned i = 0; i < names->count; i++) {
            const struct name *const name = &names->all[i];
            if (strlen(name->path) != length || !has_folder(names, name->path))
                continue;
            (void)snprintf(path, sizeof path, "%s/%s", t->scratch, name->path);
            if (name->file != 0)
                write_file(t, name->path, &files[name->file]);
            else if (mkdir(path, 0700) != 0)
                give_up(path);
        }
    }
}

static void
copy_image(struct image *to, const struct image *from)
{
    to->size = 0;
    grow(to, from->size);
    if (from->size > 0)
        memcpy(to->data, from->data, from->size);
}

/* What was synced, and of the rest what fate leaves. files: scratch of the caller. */
static void
make_state(struct trying *t, const struct disk *disk, crash_fate fate, struct image *files)
{
    struct names names = disk->names;
    const size_t count = disk->write_count;
    const size_t one = count == 0 ? 0 : leat_random_below(&t->random, count);
    /* Names come in order, as from a journal. */
    const unsigned named = fate == FATE_ALL ? disk->rename_count
                           : fate == FATE_NONE
                               ? 0
                               : (unsigned)leat_random_below(&t->random, disk->rename_count + 1);
    for (unsigned i = 0; i < named; i++)
        put_name(&names, disk->renames[i]);
    for (unsigned i = 0; i < FILES_MAX; i++)
        copy_image(&files[i], &disk->files[i]);
    for (size_t i = 0; i < count; i++) {
        const disk_op *const op = disk->writes[i];
        struct image *const image = &files[op->file];
        if (fate == FATE_TORN)
            put_torn(t, image, op);
        else if (fate == FATE_ALL || (fate == FATE_ALL_BUT_ONE && i != one) ||
                 (fate == FATE_ONLY_ONE && i == one) || (fate == FATE_SOME && flip(t)))
            put_whole(image, op);
    }
    lay_out(t, &names, files);
}

/* ------------------------------------------------------------------------------ looking */

/* In a child: a crash is one more finding. What it found comes over a pipe. */
static _Noreturn void
look(const struct trying *t, uint64_t cut, int out)
{
    char path[PATH_BYTES];
    crash_found found;
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    FILE *const witnesses = fdopen(out, "w");
    (void)alarm(CHILD_S);
    if (nowhere < 0 || witnesses == NULL || dup2(nowhere, 2) < 0)
        _exit(2);
    (void)snprintf(path, sizeof path, "%s/%s", t->scratch, t->store);
    crash_verify(path, &t->promises, &(crash_moment){cut, SIZE_MAX, SIZE_MAX}, witnesses, &found);
    (void)fwrite(&found, sizeof found, 1, witnesses);
    (void)fflush(witnesses);
    _exit(crash_found_is_valid(&found) ? 0 : 1);
}

static void
count_found(struct trying *t, const crash_found *found)
{
    t->checked += found->acknowledged + found->ends;
    t->lost += found->lost > 0;
    t->phantom += found->phantom > 0;
    t->twice += found->twice > 0 || found->attempts > 0;
    t->unopened += found->unopened;
}

static void
look_at(struct trying *t, uint64_t cut, crash_fate fate)
{
    char said[8192];
    size_t size = 0;
    int ends[2];
    int status = 0;
    crash_found found;
    if (pipe2(ends, O_CLOEXEC) != 0)
        give_up("pipe");
    const pid_t child = fork();
    if (child < 0)
        give_up("fork");
    if (child == 0)
        look(t, cut, ends[1]);
    (void)close(ends[1]);
    for (ssize_t n; size < sizeof said && (n = read(ends[0], said + size, sizeof said - size)) > 0;)
        size += (size_t)n;
    (void)close(ends[0]);
    if (waitpid(child, &status, 0) != child)
        give_up("waitpid");
    t->tried++;
    const bool ended = WIFEXITED(status) && WEXITSTATUS(status) <= 1 && size >= sizeof found;
    if (ended) {
        size -= sizeof found;
        memcpy(&found, said + size, sizeof found);
        count_found(t, &found);
    } else {
        t->crashed++;
    }
    if (ended && WEXITSTATUS(status) == 0)
        return;
    t->bad_by_fate[fate]++;
    if (t->shown++ >= SHOWN_MAX)
        return;
    (void)printf("state %" PRIu64 ", cut at op %" PRIu64 ", of what was not synced: %s: ", t->tried,
                 cut, fate_names[fate]);
    if (!ended)
        (void)printf("ended with status %#x: ", (unsigned)status);
    (void)printf("%.*s\n", (int)size, said);
}

static void
try_all(struct trying *t, uint64_t states)
{
    static struct disk disk;
    static struct image files[FILES_MAX];
    const uint64_t ops = atomic_load(&t->trace->clock);
    const disk_op *op = (const disk_op *)(const void *)(t->trace + 1);
    uint64_t at = 0;
    for (uint64_t i = 0; i < states; i++) {
        const uint64_t cut = (i + 1) * ops / states;
        for (; at < cut; at++) {
            take_op(&disk, op);
            op = next_op(op);
        }
        const crash_fate fate = (crash_fate)leat_random_below(&t->random, FATES);
        make_state(t, &disk, fate, files);
        look_at(t, cut, fate);
    }
    empty_folder(t->scratch);
    for (unsigned i = 0; i < FILES_MAX; i++) {
        free(files[i].data);
        free(disk.files[i].data);
    }
    free(disk.writes);
}

static const disk_head *
map_trace(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        give_up(path);
    void *const map = mmap(NULL, DISK_TRACE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (map == MAP_FAILED)
        give_up(path);
    return map;
}

int
main(int argc, char **argv)
{
    static struct trying t;
    static const struct option options[] = {
        {"trace",            required_argument, NULL, 't'},
        {"promises",              required_argument, NULL, 'p'},
        {"store",                  required_argument, NULL, 's'},
        {"scratch",required_argument, NULL, 'd'},
        {"states",               required_argument, NULL, 'n'},
        {"seed",            required_argument, NULL, 'r'},
        {0             }
    };
    const char *given[128] = {0};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) { /* NOLINT: one thread */
        if (c == '?')
            return 2;
        given[c] = optarg;
    }
    for (const struct option *o = options; o->name != NULL; o++) {
        if (given[o->val] == NULL) {
            (void)fprintf(stderr, "crash_states: --%s is missing\n", o->name);
            return 2;
        }
    }
    if (!crash_promises_open(&t.promises, given['p'], NULL, false))
        give_up(given['p']);
    t.trace = map_trace(given['t']);
    t.store = given['s'];
    t.scratch = given['d'];
    leat_random_seed(&t.random, strtoull(given['r'], NULL, 10));
    try_all(&t, strtoull(given['n'], NULL, 10));
    (void)printf("{\"states\": %" PRIu64 ", \"ops\": %" PRIu64 ", \"checked\": %" PRIu64
                 ", \"lost\": %" PRIu64 ", \"phantom\": %" PRIu64 ", \"twice\": %" PRIu64
                 ", \"unopened\": %" PRIu64 ", \"crashed\": %" PRIu64 "}\n",
                 t.tried, atomic_load(&t.trace->clock), t.checked, t.lost, t.phantom, t.twice,
                 t.unopened, t.crashed);
    crash_promises_close(&t.promises);
    return t.lost + t.phantom + t.twice + t.unopened + t.crashed == 0 ? 0 : 1;
}
