/* leat_cli: what every command of the program `leat` is given, and what they all do alike: connect,
 * fail with a sentence, print.
 *
 * stdout carries data only (numbers, tables, results, JSON); everything that is said to people goes
 * to stderr. A command returns its exit code; it prints its own error by leat_cli_fail first. */
#ifndef LEAT_CLI_H
#define LEAT_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>
#include <leat.h>

#include "client/cli/screen.h"
#include "proto/base/option.h"

/* Exit codes, the same for every command. */
typedef enum leat_exit {
    LEAT_EXIT_OK = 0,
    LEAT_EXIT_FAILED = 1,       /* a job ended other than done, or fewer came than were asked for */
    LEAT_EXIT_USAGE = 2,        /* wrong usage or configuration */
    LEAT_EXIT_NOT_FOUND = 3,    /* no such batch, job, channel, worker */
    LEAT_EXIT_DENIED = 4,       /* not allowed */
    LEAT_EXIT_COUNT_MORE = 101, /* --exit count: more than a hundred failed */
    LEAT_EXIT_TIMEOUT = 124,    /* --timeout ran out, --try found nothing */
    LEAT_EXIT_LEAT = 125,       /* Leat itself could not */
    LEAT_EXIT_NO_EXEC = 126,    /* a command that cannot be run */
    LEAT_EXIT_NO_PROGRAM = 127,
    LEAT_EXIT_INTERRUPTED = 130,
    LEAT_EXIT_TERMINATED = 143,
} leat_exit;

typedef struct leat_cli_command leat_cli_command;

typedef struct leat_cli {
    const leat_cli_command *command;
    leat_options *options; /* borrowed */
    char *const *inputs;   /* what followed the first ":::", borrowed; NULL: there was none */
    size_t input_count;
    char *const *tail; /* what followed "--" in a command that runs another; NULL: none */
    size_t tail_count;
    bool json;
    bool plain;
    bool quiet;
    bool verbose;
    leat_screen out; /* stdout */
    leat_screen err; /* stderr */

    leat *broker;          /* owned; NULL before leat_cli_connect */
    int64_t gone_limit_ms; /* give up when the broker has been away for so long; 0: never */
    bool gave_up;          /* gone_limit_ms was reached */
    bool told_gone;        /* a line about the lost connection is out */
    /* Called instead of the usual line when the broker goes (for how long) and comes (-1). */
    void (*on_gone)(void *context, int64_t for_ms);
    void *on_gone_context;
} leat_cli;

/* Connect to the broker that --broker, LEAT_BROKER, the key file or the usual places name, with the
 * key of --key-file. On failure the reason is printed and the exit code returned, else
 * LEAT_EXIT_OK. */
int leat_cli_connect(leat_cli *cli);

/* The same, trying again until timeout_ms have passed (0: once each), saying nothing on failure. */
leat_status leat_cli_try(leat_cli *cli, int64_t timeout_ms);

/* The same to a broker of one's own, where no key is needed. */
leat_status leat_cli_connect_to(leat_cli *cli, const char *endpoint, int64_t timeout_ms);

/* Say good-bye; nothing when not connected. */
void leat_cli_disconnect(leat_cli *cli);

/* Ask a query (name and arguments as in leat_query) once; gives up when the broker goes away. On
 * LEAT_EXIT_OK *json is the answer as text, valid until the next call on the connection. */
int leat_cli_query(leat_cli *cli, const char *name, const char *arguments, const char **json);

/* Do a command once; *arguments_p is taken and NULL afterwards (NULL before: memory ran out).
 * `what` is what is tried, for people ("pausing \"news\""). On LEAT_EXIT_OK *answer_p is the
 * caller's. Gives up when the broker goes away; whether it has happened is then said to be unknown.
 */
int leat_cli_do(
    leat_cli *cli, const char *name, cJSON **arguments_p, const char *what, cJSON **answer_p);

/* The same without a word: what the library said is in leat_sentence. */
leat_status leat_cli_try_do(leat_cli *cli, const char *name, cJSON **arguments_p, cJSON **answer_p);

/* Ask all pages of a query that answers {KEY: […], "left_off": n} and takes an offset; *arguments_p
 * is taken (NULL: none). On LEAT_EXIT_OK *all_p is an array, the caller's. */
int leat_cli_query_all(
    leat_cli *cli, const char *name, cJSON **arguments_p, const char *key, cJSON **all_p);

/* Is this a name as channels, handlers and keys have one? `what` is the option or operand ("--key",
 * "the channel"). Prints the reason if not. */
int leat_cli_check_name(const leat_cli *cli, const char *what, const char *name);

/* Something is about to be lost: ask on a terminal, or want --yes. LEAT_EXIT_OK: do it. The
 * question is what would be done, as "Purge \"news\"". */
int leat_cli_confirm(const leat_cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Print an error and return exit_code. `code` is its word in JSON ("NOT_FOUND"); hint is NULL or
 * one or more lines of what to do, without indentation. */
int leat_cli_fail(
    const leat_cli *cli, int exit_code, const char *code, const char *hint, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* As leat_cli_fail for wrong usage: exit 2, and points at the command's help. */
int leat_cli_usage(const leat_cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Turn the status of a library call into a message and an exit code. `what` is what was tried
 * ("batch 42"), or NULL where the library's words say it. Signals, --timeout and a broker that
 * stayed away are seen here too. */
int leat_cli_failed(leat_cli *cli, leat_status status, const char *what);

/* One line to stderr, "leat: " before it, unless --quiet. */
void leat_cli_say(const leat_cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Bring stdout out. false: it cannot be written any more; the command should end, main says why. */
bool leat_cli_flush(void);

/* Say why stdout cannot be written and return the exit code; a pipe whose reader has gone ends the
 * process in silence, as it ends every filter. */
int leat_cli_stdout_failed(const leat_cli *cli);

/* "ipc (yours)" for the user's own socket, else the endpoint. Valid until the next call. */
const char *leat_cli_place(const char *endpoint);

#endif
