/* leat_stop: why a command should end before its time: a signal, or --timeout.
 *
 * SIGINT, SIGTERM and the alarm are noted and get the library out of a blocking call. The second
 * signal ends the process at once, unless the command has children to end. State of the process, so
 * there is one. */
#ifndef LEAT_CLI_STOP_H
#define LEAT_CLI_STOP_H

#include <stdbool.h>
#include <stdint.h>

#include <leat.h>

/* Note SIGINT and SIGTERM, ignore SIGPIPE. Before the first connection, and again after it (a
 * library below may have put its own handlers in place). */
void leat_stop_watch(void);

/* The connection to interrupt; NULL: none. */
void leat_stop_target(leat *broker);

/* The second signal does not end the process, since there are children to end first; SIGHUP is then
 * noted as well. */
void leat_stop_patiently(void);

/* After ms from now (and not before a look has been possible) leat_stop_timed_out is true. < 0:
 * never. */
void leat_stop_after(int64_t ms);

/* The first signal that has come, or 0; the last one; how many in all. */
int leat_stop_signal(void);
int leat_stop_last(void);
unsigned leat_stop_count(void);
bool leat_stop_timed_out(void);
/* Either of them. */
bool leat_stop_wanted(void);

#endif
