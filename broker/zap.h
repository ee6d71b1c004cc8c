/* leat_zap: the ZAP handler (ZeroMQ RFC 27): asked by libzmq for every CURVE handshake, from a
 * thread of its own. Without one libzmq lets any key in, so it is there before the first bind, and
 * a self-test after the binds tries what must not get in. */
#ifndef LEAT_ZAP_H
#define LEAT_ZAP_H

#include "broker/access.h"

#define LEAT_ZAP_DOMAIN "leat" /* never empty: an empty one skips the handler */

typedef struct leat_zap leat_zap;

/* Start the handler in this ZeroMQ context, which must have no CURVE socket bound yet. access is
 * borrowed for its life. LEAT_ERR_NOMEM, LEAT_ERR_IO. */
LEAT_NODISCARD leat_err leat_zap_start(void *context, leat_access *access, leat_zap **out);

/* Whether refused keys are logged; at first they are not: the self-test tries one. */
void leat_zap_log_refused(leat_zap *zap, bool on);

/* After the context was shut down (zmq_ctx_shutdown), which is what ends the thread. */
void leat_zap_stop(leat_zap **zap_p);

/* Try to get in at url as nobody should: with a key that nobody has allowed, without any, with
 * PLAIN. server_key is the broker's public key. Takes some milliseconds; needs no loop.
 * LEAT_ERR_DENIED, and a sentence: one of them was let in, or was not clearly refused: this broker
 * must not serve. */
LEAT_NODISCARD leat_err leat_zap_self_test(const char *url, const char *server_key, char why[512]);

#endif
