/* The parts of bytes.h that touch the heap. */
#include "proto/base/bytes.h"

#include <stdlib.h>

/* A first allocation that holds a heartbeat, an answer or a small job without growing. */
#define CAPACITY_MIN 256U

void
leat_buf_fini(leat_buf *buf)
{
    free(buf->data);
    leat_buf_init(buf);
}

uint8_t *
leat_buf_grow(leat_buf *buf, size_t size)
{
    if (buf->failed)
        return NULL;
    if (buf->data == NULL || buf->capacity - buf->size < size) {
        if (size > SIZE_MAX / 2 - buf->size) {
            buf->failed = true;
            return NULL;
        }
        size_t capacity = buf->capacity < CAPACITY_MIN ? CAPACITY_MIN : buf->capacity;
        while (capacity - buf->size < size)
            capacity *= 2; /* stays below SIZE_MAX: size + buf->size is at most half of it */
        uint8_t *const data = realloc(buf->data, capacity);
        if (data == NULL) {
            buf->failed = true;
            return NULL;
        }
        buf->data = data;
        buf->capacity = capacity;
    }
    uint8_t *const p = buf->data + buf->size;
    buf->size += size;
    return p;
}

char *
leat_text_dup(leat_text text)
{
    char *const copy = malloc(text.size + 1);
    if (copy == NULL)
        return NULL;
    if (text.size > 0)
        memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}
