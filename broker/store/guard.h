/* leat_guard: one process has a store, and what became of the one before.
 *
 * Two processes may open one LMDB environment, so leat.lock in the folder is flock()ed before it is
 * touched. The file says who has it, and how many lives in a row a signal has ended that only a bug
 * or damage sends (SIGSEGV, SIGBUS, …); kill -9 and a power cut are none of these, the store is
 * made for them:
 *
 *     4711\n                  the process, while it runs and until the next one starts
 *     faults 2 signal 11\n    written by the handler of that signal
 *
 * A life that ends in order, or lasts a minute, makes the number 0 again. */
#ifndef LEAT_GUARD_H
#define LEAT_GUARD_H

#include <signal.h>
#include <stdbool.h>

#include "proto/base/err.h"

/* After so many the store is refused, or a supervisor would start broker after broker on it. */
#define LEAT_GUARD_FAULTS_MAX 3U

typedef struct leat_guard {
    int fd; /* -1: none */
    unsigned faults;
    int signal; /* that ended the last of these lives */
} leat_guard;

/* Take the folder's lock. why (at least 512 bytes) gets a sentence.
 *
 * LEAT_ERR_IN_USE     another process has it (its pid is in the sentence).
 * LEAT_ERR_BAD_STATE  too many lives in a row were ended by a signal.
 * LEAT_ERR_DENIED, LEAT_ERR_NO_SPACE, LEAT_ERR_IO, LEAT_ERR_NOMEM. */
LEAT_NODISCARD leat_err leat_guard_take(leat_guard *guard, const char *folder, char why[512]);

/* The same for who only reads, and changes nothing: beside other readers, and in a folder without
 * the file (guard->fd is then -1). LEAT_ERR_IN_USE: a broker runs. */
LEAT_NODISCARD leat_err leat_guard_look(leat_guard *guard, const char *folder, char why[512]);

/* From here on a signal that ends the process is written down. One guard a process. */
void leat_guard_watch_signals(const leat_guard *guard);

/* This life is a good one. */
void leat_guard_forget_faults(leat_guard *guard);

/* The end, in order. */
void leat_guard_release(leat_guard *guard);

/* Take the signals that are watched out of a set that is to be blocked: blocked, they would end the
 * process without a word. */
void leat_guard_spare_signals(sigset_t *set);

#endif
