/* Packs of jobs: several jobs of one SEND in one record, so that a waiting job costs the store a
 * fraction of a put and of a delete. Layout in store.h. */
#include <assert.h>

#include "broker/store/store.h"
#include "proto/limits.h"

void
leat_pack_put_head(leat_buf *buf, const void *head, size_t size, uint8_t count)
{
    assert(size <= UINT32_MAX);
    assert(count > 0 && count <= LEAT_CHUNK_IDS);

    leat_put_u32(buf, (uint32_t)size);
    leat_put_bytes(buf, head, size);
    leat_put_u8(buf, count);
}

void
leat_pack_put_job(leat_buf *buf, uint8_t offset, const void *payload, uint32_t size)
{
    assert(offset < LEAT_CHUNK_IDS);

    uint8_t *const p = leat_buf_room(buf, 5 + (size_t)size);
    if (p == NULL)
        return;
    *p = offset;
    leat_store_u32(p + 1, size);
    if (size > 0)
        memcpy(p + 5, payload, size);
}

leat_err
leat_pack_open(const uint8_t *data, size_t size, leat_pack *pack)
{
    leat_reader reader = leat_reader_over(data, size);
    pack->head_size = leat_read_u32(&reader);
    pack->head = leat_read_bytes(&reader, pack->head_size);
    pack->count = leat_read_u8(&reader);
    pack->jobs = reader;
    if (pack->count == 0 || pack->count > LEAT_CHUNK_IDS)
        return LEAT_ERR_CORRUPT;

    /* Offsets rise, so no job is in a pack twice. */
    int before = -1;
    for (unsigned i = 0; i < pack->count; i++) {
        const int offset = leat_read_u8(&reader);
        (void)leat_read_bytes(&reader, leat_read_u32(&reader));
        if (reader.failed || offset <= before || offset >= (int)LEAT_CHUNK_IDS)
            return LEAT_ERR_CORRUPT;
        before = offset;
    }
    return leat_reader_left(&reader) == 0 ? LEAT_ERR_OK : LEAT_ERR_CORRUPT;
}

void
leat_pack_next(leat_pack *pack, leat_pack_job *job)
{
    job->offset = leat_read_u8(&pack->jobs);
    job->payload_bytes = leat_read_u32(&pack->jobs);
    job->payload = leat_read_bytes(&pack->jobs, job->payload_bytes);
    assert(!pack->jobs.failed);
}
