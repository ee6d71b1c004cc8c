/* leat_keys: the keys directory (proto/link/key.h), as `leat key` and `leat up --listen` use it.
 *
 * Everything works on the files; a broker that runs sees what has changed. Functions that return an
 * exit code have printed why when it is not LEAT_EXIT_OK. */
#ifndef LEAT_CLI_KEYS_H
#define LEAT_CLI_KEYS_H

#include "client/cli/cli.h"
#include "client/cli/state.h"
#include "proto/link/key.h"

/* The directory: --keys, or keys in the state folder. It need not exist. */
int leat_keys_folder(const leat_cli *cli, char out[LEAT_PATH_BYTES]);

/* Make what is missing of the directory, the broker's own pair included, and say so; broker gets
 * that pair, to be wiped. */
int leat_keys_prepare(const leat_cli *cli, const char *folder, leat_key *broker);

/* Print why a key file could not be used; returns the exit code for err. */
int leat_keys_failed(const leat_cli *cli, leat_err err, const char *why);

/* ---- who is allowed ---- */

/* Path of allowed/NAME. */
int leat_keys_path(const leat_cli *cli,
                   const char *folder,
                   const char *name,
                   char out[LEAT_PATH_BYTES]);

typedef struct leat_keys_entry {
    leat_key key;
    int64_t since_ms; /* wall time: when it was allowed */
} leat_keys_entry;

/* All of them, by name; *entries is the caller's to free. What does not count is told in `bad`
 * calls (NULL: to nobody) with a sentence. Without a directory there are none. */
int leat_keys_list(const leat_cli *cli,
                   const char *folder,
                   leat_keys_entry **entries,
                   size_t *count,
                   void (*bad)(const leat_cli *cli, const char *why));

/* Allow the public half of key. The same key once more is fine; another key of that name, and that
 * key under another name, are refused. */
int leat_keys_allow(const leat_cli *cli, const char *folder, const leat_key *key);

/* Not any more. LEAT_EXIT_NOT_FOUND: was not. */
int leat_keys_revoke(const leat_cli *cli, const char *folder, const char *name);

/* Make a pair for made->name and ->role, write it to `path` (mode says whether over a file that is
 * there) with where the broker is (made->broker; "": not told) and which key it has (broker), and
 * allow it. made gets the rest of the key, but not its secret. */
int leat_keys_new(const leat_cli *cli,
                  const char *folder,
                  const leat_key *broker,
                  leat_key *made,
                  const char *path,
                  leat_key_write_mode mode);

/* ---- where others reach the broker ---- */

/* The URL that `leat up --listen` has written; "" when there is none. */
void leat_keys_address(const char *folder, char out[LEAT_URL_BYTES_MAX]);
int leat_keys_set_address(const leat_cli *cli, const char *folder, const char *url);

#endif
