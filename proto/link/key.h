/* leat_key: key files, by which peers and brokers know each other over TCP (CURVE).
 *
 *     # Leat key of w1 (worker). Whoever has this file is w1.
 *     name = w1
 *     role = worker
 *     public = <Z85, 40 characters>
 *     secret = <Z85, 40 characters>
 *     broker-public = <Z85, 40 characters>
 *     broker = tcp://10.0.0.1:5328
 *
 * A line is a key, blanks, `=`, blanks and the value up to the blanks at its end; lines that begin
 * with `#` are comments and lines of blanks count for nothing. Z85 uses `#`, `=` and the like, so
 * there are no comments behind a value and no quotes. Every key stands at most once, and none but
 * these.
 *
 * A keys directory (0700) holds the broker's side of it:
 *
 *     broker.key      the broker's own pair: name = broker, role = broker, public, secret
 *     allowed/NAME    a principal that is let in: name, role, public
 *     address         the URL by which others reach the broker; one line
 *
 * Files are written beside and renamed into place: half of one is never seen. Names of files that
 * are being written begin with a dot, which no principal's name does. */
#ifndef LEAT_KEY_H
#define LEAT_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/err.h"
#include "proto/limits.h"

#define LEAT_KEY_NAME_BYTES_MAX 64U
#define LEAT_KEY_Z85_BYTES      40U   /* a key as text */
#define LEAT_KEY_RAW_BYTES      32U   /* … as bytes */
#define LEAT_KEY_FILE_BYTES_MAX 4096U /* a longer file is none */
#define LEAT_KEY_WHY_BYTES      512U

/* Names inside a keys directory. */
#define LEAT_KEY_BROKER_FILE  "broker.key"
#define LEAT_KEY_ALLOWED      "allowed"
#define LEAT_KEY_ADDRESS_FILE "address"
#define LEAT_KEY_BROKER_NAME  "broker"

/* What a principal may be. An admin may do what clients and workers may. */
typedef enum leat_key_role {
    LEAT_KEY_CLIENT = 1,
    LEAT_KEY_WORKER,
    LEAT_KEY_ADMIN,
    LEAT_KEY_BROKER, /* only in broker.key */
} leat_key_role;

/* Texts are terminated; "" is what the file does not have. */
typedef struct leat_key {
    char name[LEAT_KEY_NAME_BYTES_MAX + 1];
    leat_key_role role;
    char public_key[LEAT_KEY_Z85_BYTES + 1];
    char secret[LEAT_KEY_Z85_BYTES + 1];
    char broker_public[LEAT_KEY_Z85_BYTES + 1];
    char broker[LEAT_URL_BYTES_MAX]; /* URLs with commas between; "": the usual places */
} leat_key;

/* Which keys a file must and may have. */
typedef enum leat_key_kind {
    LEAT_KEY_OF_PRINCIPAL = 1, /* NAME.key: all; broker may be empty or missing */
    LEAT_KEY_OF_BROKER,        /* broker.key: name, role (broker), public, secret */
    LEAT_KEY_OF_ALLOWED,       /* allowed/NAME, NAME.pub: name, role, public */
    LEAT_KEY_OF_ANY,           /* reading: whichever of the three it is */
} leat_key_kind;

/* Make a pair for a principal or, with LEAT_KEY_BROKER, a broker; broker_public and broker are "".
 * LEAT_ERR_CONFIG: no valid name; LEAT_ERR_UNSUPPORTED: this libzmq has no CURVE. */
LEAT_NODISCARD leat_err leat_key_new(const char *name, leat_key_role role, leat_key *key);

/* Forget the secret: nothing of key is left in memory. */
void leat_key_wipe(leat_key *key);

/* Read a key from text of any bytes. key is filled only on LEAT_ERR_OK. LEAT_ERR_CONFIG: why has a
 * sentence; it names the line, and never holds a secret. */
LEAT_NODISCARD leat_err leat_key_parse(
    const char *text, size_t size, leat_key_kind kind, leat_key *key, char why[LEAT_KEY_WHY_BYTES]);

/* Read a key file; a symbolic link is followed. why gets a sentence that begins with path, for each
 * error:
 *
 * LEAT_ERR_NOT_FOUND  there is no such file.
 * LEAT_ERR_DENIED     it holds a secret and others than its owner may read or write it, or it may
 *                     not be opened.
 * LEAT_ERR_CONFIG     it is no file of this kind, or a line of it is wrong.
 * LEAT_ERR_IO and the like: it could not be read. */
LEAT_NODISCARD leat_err leat_key_read(const char *path,
                                      leat_key_kind kind,
                                      leat_key *key,
                                      char why[LEAT_KEY_WHY_BYTES]);

typedef enum leat_key_write_mode {
    LEAT_KEY_WRITE_NEW,     /* LEAT_ERR_IN_USE when there is such a file, which is left alone */
    LEAT_KEY_WRITE_REPLACE, /* whatever was there is replaced in one step */
} leat_key_write_mode;

/* Write what a file of this kind has of key: 0600 with a secret, else 0644; synced. kind is not
 * ANY. why gets a sentence for each error, among them LEAT_ERR_IN_USE. */
LEAT_NODISCARD leat_err leat_key_write(const char *path,
                                       leat_key_kind kind,
                                       const leat_key *key,
                                       leat_key_write_mode mode,
                                       char why[LEAT_KEY_WHY_BYTES]);

/* 1 … 64 of letters, digits, `.`, `_`, `-`, the first none of `.` and `-`. */
bool leat_key_name_is_valid(const char *name);

/* Z85 of 32 bytes? */
bool leat_key_z85_is_valid(const char *text);

/* "client", "worker", "admin", "broker"; static storage. */
const char *leat_key_role_name(leat_key_role role);
/* false: there is no such role. "broker" is one. */
bool leat_key_role_from_name(const char *name, leat_key_role *role);

/* "AbCdEfGh…": enough of a public key for people to tell it by. */
#define LEAT_KEY_SHORT_BYTES 12U
const char *leat_key_short(const char *public_key, char out[LEAT_KEY_SHORT_BYTES]);

/* Where keys lie when nobody says where: $XDG_STATE_HOME/leat/keys or ~/.local/state/leat/keys; it
 * need not exist. LEAT_ERR_NOT_FOUND: there is no home; LEAT_ERR_TOO_LARGE. */
LEAT_NODISCARD leat_err leat_key_folder(char *out, size_t size);

#endif
