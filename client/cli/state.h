/* leat_state: what the program keeps between its runs, in $XDG_STATE_HOME/leat (by default
 * ~/.local/state/leat): the number of the last batch, and what `leat up` serves. */
#ifndef LEAT_CLI_STATE_H
#define LEAT_CLI_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base/err.h"

#define LEAT_PATH_BYTES 4096U

/* The folder; made (0700) when make is true. why gets a sentence that names it on failure.
 * LEAT_ERR_TOO_LARGE, LEAT_ERR_NOT_FOUND (no home), LEAT_ERR_DENIED, LEAT_ERR_IO. */
LEAT_NODISCARD leat_err leat_state_folder(bool make, char out[LEAT_PATH_BYTES], char why[512]);

/* Join a folder and a name. LEAT_ERR_TOO_LARGE. */
LEAT_NODISCARD leat_err leat_path_join(const char *folder,
                                       const char *name,
                                       char *out,
                                       size_t size);

/* Make a folder and those above it. errno says why not. */
LEAT_NODISCARD leat_err leat_path_make(const char *path, mode_t mode);

/* Remove a folder with everything in it; symbolic links are removed, not followed. */
void leat_path_remove(const char *path);

/* The last batch that was submitted from here; 0: none. Failures to write are silent: a batch that
 * was submitted is no failure because its number could not be noted. */
uint64_t leat_state_last(void);
void leat_state_set_last(uint64_t batch);

/* ---- what `leat up` serves: a file that the running one holds locked ---- */

typedef struct leat_up_note {
    pid_t pid;
    unsigned slots;
    char endpoint[256];
} leat_up_note;

/* Take the lock. *fd is the caller's; closing it (or the process's end) gives the lock back.
 * LEAT_ERR_IN_USE: somebody has it, and note says who. Others: errno. */
LEAT_NODISCARD leat_err leat_up_lock(const char *folder, int *fd, leat_up_note *note);

/* Write down who serves; fd is the lock's. */
void leat_up_write(int fd, const leat_up_note *note);

/* Is the lock held? note is then filled (pid 0 when it is not written yet). */
bool leat_up_runs(const char *folder, leat_up_note *note);

#endif
