/* leat_verb: what leat-broker does with a store that no broker runs on: --check, --backup,
 * --compact. Results go to stdout, a sentence that it could not to stderr. */
#ifndef LEAT_VERB_H
#define LEAT_VERB_H

#include "broker/options.h"

/* options->verb is not SERVE. The exit code: 0 done · 1 the check has found something · 2 a setting
 * is wrong · 4 not allowed · 125 it could not be done. */
int leat_verb_run(const leat_broker_options *options);

#endif
