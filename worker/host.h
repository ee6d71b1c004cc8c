/* leat_host: what the machine under a worker lets it use. Read once, at the start. */
#ifndef LEAT_WORKER_HOST_H
#define LEAT_WORKER_HOST_H

#include <stddef.h>
#include <stdint.h>

/* Cores that this process may run on: in a container fewer than the machine has. At least 1. */
uint32_t leat_host_cores(void);

/* Bytes of memory that this process may use: what the machine has, or the lowest limit of its
 * control group and of those above it. 0: the system does not say.
 *
 * root is put before /proc and /sys; "" but in tests. */
uint64_t leat_host_memory(const char *root);

/* HOST-PID: what a worker is called that nobody has named. */
void leat_host_worker_name(char *out, size_t size);

#endif
