/* Channels by name, and how much goes in and out of them. See channel.c. */
#ifndef LEAT_CORE_CHANNEL_H
#define LEAT_CORE_CHANNEL_H

#include "broker/core/machine.h"

/* The channel of this name, made if it is missing. NULL: LEAT_ERR_LIMIT or NOMEM in *err. */
leat_channel *leat_channel_ensure(leat_core *core, leat_text name, leat_err *err);
leat_channel *leat_channel_find(const leat_core *core, leat_text name);
/* Note that its record has changed: written with this turn. */
void leat_channel_changed(leat_core *core, leat_channel *channel);
bool leat_channel_is_drained(const leat_channel *channel);

void leat_channel_free(leat_channel *channel);
/* Items that it has room for now; LEAT_UNLIMITED without a capacity. */
uint64_t leat_channel_room(const leat_channel *channel);
/* Its settings for jobs that do not say; borrowed. */
leat_settings leat_channel_defaults(const leat_channel *channel);
void
leat_channel_set_rules(leat_core *core, leat_channel *channel, const leat_channel_rules *rules);
/* It has the rules and settings that the broker gives to channels that are not declared.
 * LEAT_ERR_NOMEM: nothing has changed. */
leat_err leat_channel_undeclare(leat_core *core, leat_channel *channel);
/* May something be handed out now: not paused, below its cap, a token there? */
bool leat_channel_gives(leat_core *core, leat_channel *channel);
void leat_channel_take_token(leat_channel *channel);
/* Monotonic ms at which it gives again because of its rate; INT64_MAX: not because of that. */
int64_t leat_channel_gives_ms(const leat_core *core, const leat_channel *channel);

#endif
