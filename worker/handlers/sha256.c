/* sha256: the digest of the payload, in hex. A payload has at most 1 MiB, which takes a few
 * milliseconds: it never looks whether it is to stop. */
#include <sodium.h>

#include "worker/handler.h"

leat_end
leat_handle_sha256(leat_call *call)
{
    uint8_t digest[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof digest + 1];

    crypto_hash_sha256(digest, call->payload.data, call->payload.size);
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    return leat_call_say(call, LEAT_END_DONE, "%s", hex);
}
