/* leat_usage: what a process has used of the machine, and which machine it is. */
#ifndef LEAT_CLI_USAGE_H
#define LEAT_CLI_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* CPU time of all threads of a process so far, in seconds; 0 when it has ended. */
double leat_usage_cpu_s(pid_t pid);
/* The most memory that it has had resident, in bytes. */
uint64_t leat_usage_peak_bytes(pid_t pid);
/* Its own memory that is resident now: anonymous and shared, without mapped files. */
uint64_t leat_usage_own_bytes(pid_t pid);

/* "2 x AMD EPYC 7763, Linux 6.1.0-18-amd64 x86_64" */
void leat_usage_machine(char *out, size_t size);

/* A folder that is no disk: what is synced there is not durable. */
bool leat_usage_is_in_memory(const char *folder);

/* "0,2-3": this process, and what it starts from now on, runs on these cores only. false: it is no
 * such list, or the machine refuses it (errno is set then, else 0). */
bool leat_usage_pin(const char *cores);

#endif
