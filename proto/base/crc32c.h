/* leat_crc32c: the checksum over stored records and names (CRC-32C, Castagnoli).
 *
 * Incremental: start with 0, hand the result of one piece to the next; the CRC of the pieces is the
 * CRC of the whole. The CRC of "123456789" is 0xe3069283. */
#ifndef LEAT_CRC32C_H
#define LEAT_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* crc: 0, or the result over what stands before data. data may be NULL when size is 0. O(size), by
 * the CPU's own instruction where it has one. */
uint32_t leat_crc32c(uint32_t crc, const void *data, size_t size);

/* The same by a table: for other CPUs, and for the test that compares the two. */
uint32_t leat_crc32c_portable(uint32_t crc, const void *data, size_t size);

#endif
