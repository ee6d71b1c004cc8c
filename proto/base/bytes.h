/* leat_reader, leat_buf: bytes in and bytes out, in network byte order.
 *
 * A reader walks borrowed bytes and never looks outside them: a read past the end yields zeros (or
 * NULL) and sets `failed`, which is asked once at the end instead of after every field. A buf grows
 * as it is written; when memory is out it sets `failed`, keeps what it has and ignores the rest. */
#ifndef LEAT_BYTES_H
#define LEAT_BYTES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/base/err.h"

/* Borrowed bytes that are text by their meaning; not terminated, may be empty. */
typedef struct leat_text {
    const char *data;
    size_t size;
} leat_text;

typedef struct leat_reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
} leat_reader;

static inline leat_reader
leat_reader_over(const void *data, size_t size)
{
    /* No bytes may come as NULL, but a null pointer must not be added to. */
    const uint8_t *const at = data == NULL ? (const uint8_t *)"" : data;
    assert(data != NULL || size == 0);
    return (leat_reader){.at = at, .end = at + size, .failed = false};
}

static inline size_t
leat_reader_left(const leat_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

/* size bytes, borrowed, or NULL (and failed) when fewer are left. */
static inline const uint8_t *
leat_read_bytes(leat_reader *reader, size_t size)
{
    if (reader->failed || leat_reader_left(reader) < size) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *const at = reader->at;
    reader->at += size;
    return at;
}

static inline uint16_t
leat_load_u16(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t
leat_load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}

static inline uint64_t
leat_load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}

static inline void
leat_store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void
leat_store_u32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
}

static inline void
leat_store_u64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the swaps above are for little endian");

static inline uint8_t
leat_read_u8(leat_reader *reader)
{
    const uint8_t *const p = leat_read_bytes(reader, 1);
    return p == NULL ? 0 : *p;
}

static inline uint16_t
leat_read_u16(leat_reader *reader)
{
    const uint8_t *const p = leat_read_bytes(reader, 2);
    return p == NULL ? 0 : leat_load_u16(p);
}

static inline uint32_t
leat_read_u32(leat_reader *reader)
{
    const uint8_t *const p = leat_read_bytes(reader, 4);
    return p == NULL ? 0 : leat_load_u32(p);
}

static inline uint64_t
leat_read_u64(leat_reader *reader)
{
    const uint8_t *const p = leat_read_bytes(reader, 8);
    return p == NULL ? 0 : leat_load_u64(p);
}

/* Text with a u8 length before it. */
static inline leat_text
leat_read_text8(leat_reader *reader)
{
    const size_t size = leat_read_u8(reader);
    const uint8_t *const p = leat_read_bytes(reader, size);
    return (leat_text){.data = (const char *)p, .size = p == NULL ? 0 : size};
}

/* Text with a u16 length before it. */
static inline leat_text
leat_read_text16(leat_reader *reader)
{
    const size_t size = leat_read_u16(reader);
    const uint8_t *const p = leat_read_bytes(reader, size);
    return (leat_text){.data = (const char *)p, .size = p == NULL ? 0 : size};
}

/* ------------------------------------------------------------------------------------ writing */

typedef struct leat_buf {
    uint8_t *data; /* owned; NULL while capacity is 0 */
    size_t size;
    size_t capacity;
    bool failed; /* memory ran out: what was written since is missing */
} leat_buf;

/* Empty, without memory. A zeroed leat_buf is the same. */
static inline void
leat_buf_init(leat_buf *buf)
{
    *buf = (leat_buf){0};
}

/* Give the memory back; the buf is as after init. */
void leat_buf_fini(leat_buf *buf);

/* Empty, keeps its memory. */
static inline void
leat_buf_reset(leat_buf *buf)
{
    buf->size = 0;
    buf->failed = false;
}

/* Slow path of leat_buf_room. */
uint8_t *leat_buf_grow(leat_buf *buf, size_t size);

/* Room for size more bytes, already counted into buf->size, to be filled by the caller; NULL (and
 * failed) without memory. Valid until the next call on buf. Amortised O(size). */
static inline uint8_t *
leat_buf_room(leat_buf *buf, size_t size)
{
    /* <= and not <: an empty buf has no data, and 0 bytes of it must not be NULL + 0. */
    if (buf->capacity - buf->size <= size || buf->failed)
        return leat_buf_grow(buf, size);
    uint8_t *const p = buf->data + buf->size;
    buf->size += size;
    return p;
}

static inline void
leat_put_u8(leat_buf *buf, uint8_t v)
{
    uint8_t *const p = leat_buf_room(buf, 1);
    if (p != NULL)
        *p = v;
}

static inline void
leat_put_u16(leat_buf *buf, uint16_t v)
{
    uint8_t *const p = leat_buf_room(buf, 2);
    if (p != NULL)
        leat_store_u16(p, v);
}

static inline void
leat_put_u32(leat_buf *buf, uint32_t v)
{
    uint8_t *const p = leat_buf_room(buf, 4);
    if (p != NULL)
        leat_store_u32(p, v);
}

static inline void
leat_put_u64(leat_buf *buf, uint64_t v)
{
    uint8_t *const p = leat_buf_room(buf, 8);
    if (p != NULL)
        leat_store_u64(p, v);
}

static inline void
leat_put_bytes(leat_buf *buf, const void *data, size_t size)
{
    uint8_t *const p = leat_buf_room(buf, size);
    if (p != NULL && size > 0)
        memcpy(p, data, size);
}

/* Text of at most 255 bytes with a u8 length before it. */
static inline void
leat_put_text8(leat_buf *buf, leat_text text)
{
    assert(text.size <= UINT8_MAX);
    leat_put_u8(buf, (uint8_t)text.size);
    leat_put_bytes(buf, text.data, text.size);
}

/* Text of at most 65 535 bytes with a u16 length before it. */
static inline void
leat_put_text16(leat_buf *buf, leat_text text)
{
    assert(text.size <= UINT16_MAX);
    leat_put_u16(buf, (uint16_t)text.size);
    leat_put_bytes(buf, text.data, text.size);
}

/* ------------------------------------------------------------------------------------- text */

static inline leat_text
leat_text_of(const char *string)
{
    return (leat_text){.data = string, .size = string == NULL ? 0 : strlen(string)};
}

static inline bool
leat_text_is(leat_text a, leat_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* A terminated copy on the heap, the caller's to free; NULL without memory. */
char *leat_text_dup(leat_text text);

#endif
