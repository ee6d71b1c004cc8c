/* The mapped file of promises, and what payloads and results look like. See promise.h. */
#include "tests/crash/promise.h"

#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/base/bytes.h"

#define WORD_RESULT 0x454e4453U
#define FILE_BYTES  (sizeof(struct crash_promise_head) + CRASH_PROMISES_MAX * sizeof(crash_promise))

struct crash_promise_head {
    _Atomic uint64_t count;
    uint64_t spare[7];
};

static void *
map_file(const char *path, size_t size, bool write)
{
    const int fd = open(path, (write ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC, 0600);
    void *map = MAP_FAILED;
    if (fd < 0)
        return NULL;
    if (!write || ftruncate(fd, (off_t)size) == 0)
        map = mmap(NULL, size, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    (void)close(fd);
    return map == MAP_FAILED ? NULL : map;
}

bool
crash_promises_open(crash_promises *self, const char *path, const char *trace, bool write)
{
    *self = (crash_promises){0};
    self->head = map_file(path, FILE_BYTES, write);
    if (self->head == NULL)
        return false;
    self->all = (crash_promise *)(self->head + 1);
    if (trace != NULL)
        self->clock = map_file(trace, sizeof *self->clock, false);
    return trace == NULL || self->clock != NULL;
}

void
crash_promises_close(crash_promises *self)
{
    if (self->head != NULL)
        (void)munmap(self->head, FILE_BYTES);
    *self = (crash_promises){0};
}

size_t
crash_promises_count(const crash_promises *self)
{
    return atomic_load(&self->head->count);
}

void
crash_promise_add(crash_promises *self, crash_promise promise)
{
    const uint64_t at = atomic_load(&self->head->count);
    assert(at < CRASH_PROMISES_MAX);
    promise.at = self->clock == NULL ? 0 : __atomic_load_n(self->clock, __ATOMIC_SEQ_CST);
    self->all[at] = promise;
    atomic_store(&self->head->count, at + 1); /* after it, so that a reader sees whole ones */
}

static uint8_t
filling(uint32_t op, uint32_t index, uint32_t at)
{
    const uint32_t mixed = (op * 2654435761U) ^ (index * 40503U) ^ (at * 2246822519U);
    return (uint8_t)(mixed >> 13);
}

void
crash_payload_make(uint32_t word, uint32_t op, uint32_t index, uint8_t *data, uint32_t size)
{
    assert(size >= CRASH_PAYLOAD_BYTES);
    leat_store_u32(data, word);
    leat_store_u32(data + 4, op);
    leat_store_u32(data + 8, index);
    leat_store_u32(data + 12, size);
    for (uint32_t i = CRASH_PAYLOAD_BYTES; i < size; i++)
        data[i] = filling(op, index, i);
}

bool
crash_payload_read(const uint8_t *data, size_t size, uint32_t *word, uint32_t *op, uint32_t *index)
{
    if (size < CRASH_PAYLOAD_BYTES || leat_load_u32(data + 12) != size)
        return false;
    *word = leat_load_u32(data);
    *op = leat_load_u32(data + 4);
    *index = leat_load_u32(data + 8);
    for (uint32_t i = CRASH_PAYLOAD_BYTES; i < size; i++) {
        if (data[i] != filling(*op, *index, i))
            return false;
    }
    return *word == CRASH_PAYLOAD_SENT || *word == CRASH_PAYLOAD_NEXT;
}

void
crash_result_make(uint64_t job, uint32_t attempt, uint32_t end, uint8_t data[CRASH_RESULT_BYTES])
{
    leat_store_u32(data, WORD_RESULT);
    leat_store_u64(data + 4, job);
    leat_store_u32(data + 12, attempt);
    leat_store_u32(data + 16, end);
}

bool
crash_result_read(const uint8_t *data, size_t size, uint64_t *job, uint32_t *attempt, uint32_t *end)
{
    if (size != CRASH_RESULT_BYTES || leat_load_u32(data) != WORD_RESULT)
        return false;
    *job = leat_load_u64(data + 4);
    *attempt = leat_load_u32(data + 12);
    *end = leat_load_u32(data + 16);
    return true;
}
