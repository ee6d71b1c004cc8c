/* leat_err: every error that the system can report, in one table.
 *
 * A function that can fail returns leat_err and nothing else; results leave through the last
 * parameters. The numbers travel on the wire and in the store: rows are added at the end and never
 * renumbered. Errors are for what the outside world can cause (bad input, a full disk, a lost
 * peer); a broken promise between our own functions is an assert. */
#ifndef LEAT_ERR_H
#define LEAT_ERR_H

/* X(name, wire number, sentence for people). */
#define LEAT_ERR_MAP(X)                                                     \
    X(OK, 0, "ok")                                                          \
    X(NOMEM, 1, "out of memory")                                            \
    X(MALFORMED, 2, "the message does not follow the protocol")             \
    X(TOO_LARGE, 3, "larger than the limit")                                \
    X(NOT_FOUND, 4, "no such batch, job, channel or worker")                \
    X(BAD_STATE, 5, "not possible in the present state")                    \
    X(NO_SPACE, 6, "no space left in the store")                            \
    X(IO, 7, "input/output error")                                          \
    X(FULL, 8, "the channel is full")                                       \
    X(CLOSED, 9, "the channel is closed")                                   \
    X(LIMIT, 10, "a limit is reached")                                      \
    X(DENIED, 11, "not allowed")                                            \
    X(STALE, 12, "the job is not held by this worker any more")             \
    X(LOST, 13, "lost with the broker's memory")                            \
    X(HELLO_FIRST, 14, "the first frame of a connection must be HELLO")     \
    X(SESSION_UNKNOWN, 15, "the broker does not know this session")         \
    X(VERSION, 16, "the other side speaks another version of the protocol") \
    X(UNSUPPORTED, 17, "not supported by this version")                     \
    X(TIMEOUT, 18, "the time ran out")                                      \
    X(NO_BROKER, 19, "no broker answered")                                  \
    X(WRONG_KIND, 20, "the channel holds items of the other kind")          \
    X(IN_USE, 21, "in use by another process")                              \
    X(CONFIG, 22, "a setting is wrong")                                     \
    X(INTERRUPTED, 23, "interrupted")                                       \
    X(TOO_LATE, 24, "too late, it has already ended")                       \
    X(CORRUPT, 25, "stored data is damaged")                                \
    X(UNKNOWN_OUTCOME, 26, "the answer was lost: it may or may not have happened")

typedef enum leat_err {
#define LEAT_ERR_ENUM(name, number, message) LEAT_ERR_##name = (number),
    LEAT_ERR_MAP(LEAT_ERR_ENUM)
#undef LEAT_ERR_ENUM
} leat_err;

#define LEAT_NODISCARD __attribute__((warn_unused_result))

/* The row that a system call's errno belongs to; LEAT_ERR_IO where none is closer. */
leat_err leat_err_from_errno(int errnum);

/* The row of a number that came over the wire; LEAT_ERR_IO if it has none. */
leat_err leat_err_from_number(unsigned number);

/* Name without prefix ("NOT_FOUND") for logs, or "UNKNOWN". Never NULL; static storage. */
const char *leat_err_name(leat_err err);

/* One sentence for people, or "unknown error". Never NULL; static storage. */
const char *leat_err_message(leat_err err);

#endif
