/* Packs: no bytes are read outside, and what is accepted is written again to the same bytes. */
#include <stdlib.h>

#include "broker/store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    leat_pack pack;
    if (leat_pack_open(data, size, &pack) != LEAT_ERR_OK)
        return 0;
    leat_buf again = {0};
    leat_pack_put_head(&again, pack.head, pack.head_size, pack.count);
    for (unsigned i = 0; i < pack.count; i++) {
        leat_pack_job job;
        leat_pack_next(&pack, &job);
        leat_pack_put_job(&again, job.offset, job.payload, job.payload_bytes);
    }
    if (again.size != size || memcmp(again.data, data, size) != 0)
        abort();
    leat_buf_fini(&again);
    return 0;
}
