/* Any bytes as a key file of any kind: taken whole, or refused with a sentence.
 *
 * Checked: what is taken is what the kind says and passes the rules for names and keys; what is
 * refused leaves the key alone and never shows a value of Z85; the same bytes are read the same way
 * twice. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/link/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_taken(const leat_key *key, leat_key_kind kind)
{
    assert(leat_key_name_is_valid(key->name));
    assert(leat_key_z85_is_valid(key->public_key));
    assert(key->role >= LEAT_KEY_CLIENT && key->role <= LEAT_KEY_BROKER);
    assert(key->secret[0] == '\0' || leat_key_z85_is_valid(key->secret));
    assert(key->broker_public[0] == '\0' || leat_key_z85_is_valid(key->broker_public));
    assert(memchr(key->broker, '\0', sizeof key->broker) != NULL);
    if (kind == LEAT_KEY_OF_ALLOWED)
        assert(key->secret[0] == '\0' && key->broker_public[0] == '\0' && key->broker[0] == '\0');
    else if (kind == LEAT_KEY_OF_PRINCIPAL)
        assert(key->secret[0] != '\0' && key->broker_public[0] != '\0');
    if (kind != LEAT_KEY_OF_ANY)
        assert((key->role == LEAT_KEY_BROKER) == (kind == LEAT_KEY_OF_BROKER));
}

/* Some run of 40 bytes of the input that could be a secret must not be in a sentence. */
static void
check_silent(const char *why, const char *text, size_t size)
{
    for (size_t i = 0; i + LEAT_KEY_Z85_BYTES <= size; i++) {
        char part[LEAT_KEY_Z85_BYTES + 1];
        memcpy(part, text + i, LEAT_KEY_Z85_BYTES);
        part[LEAT_KEY_Z85_BYTES] = '\0';
        if (leat_key_z85_is_valid(part))
            assert(strstr(why, part) == NULL);
    }
}

static bool
is_same(const leat_key *a, const leat_key *b)
{
    return strcmp(a->name, b->name) == 0 && a->role == b->role &&
           strcmp(a->public_key, b->public_key) == 0 && strcmp(a->secret, b->secret) == 0 &&
           strcmp(a->broker_public, b->broker_public) == 0 && strcmp(a->broker, b->broker) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *const text = malloc(size == 0 ? 1 : size); /* its end is the sanitizer's fence */
    assert(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    for (leat_key_kind kind = LEAT_KEY_OF_PRINCIPAL; kind <= LEAT_KEY_OF_ANY; kind++) {
        char why[LEAT_KEY_WHY_BYTES];
        char again[LEAT_KEY_WHY_BYTES];
        leat_key key = {.broker = "untouched"};
        leat_key same = {.broker = "untouched"};
        const leat_err err = leat_key_parse(text, size, kind, &key, why);
        assert(err == LEAT_ERR_OK || err == LEAT_ERR_CONFIG);
        assert((err == LEAT_ERR_OK) == (why[0] == '\0'));
        assert(leat_key_parse(text, size, kind, &same, again) == err);
        assert(is_same(&key, &same) && strcmp(why, again) == 0);
        if (err == LEAT_ERR_OK) {
            check_taken(&key, kind);
        } else {
            assert(strcmp(key.broker, "untouched") == 0);
            check_silent(why, text, size);
        }
    }
    free(text);
    return 0;
}
