/* Terms: how items are to be treated, shared by all that are treated alike. See terms.c. */
#ifndef LEAT_CORE_TERMS_H
#define LEAT_CORE_TERMS_H

#include "broker/core/machine.h"

/* What the channel says where the settings of a job say nothing. */
void leat_terms_complete(leat_settings *s, const leat_channel *channel);
/* What complete settings amount to in this channel, for an owner and flow. `batch`: id, the flow
 * when the settings name none. NULL with LEAT_ERR_LIMIT, TOO_LARGE or NOMEM in *err. Counted
 * once more: leat_terms_drop gives it back. */
leat_terms *leat_terms_ensure(leat_core *core,
                              leat_channel *channel,
                              leat_text handler,
                              const leat_settings *settings,
                              leat_owner owner,
                              uint64_t batch,
                              uint64_t expires_wall_ms,
                              leat_err *err);
static inline void
leat_terms_keep(leat_terms *terms)
{
    terms->users++;
}
void leat_terms_drop(leat_core *core, leat_terms *terms);
/* Its settings, borrowed from it. */
leat_settings leat_terms_settings(const leat_terms *terms);
static inline leat_owner
leat_terms_owner(const leat_terms *terms)
{
    return (leat_owner){terms->principal, terms->line->flow->share->principal};
}

static inline leat_terms *
leat_terms_of(const leat_core *core, const leat_item *item)
{
    return leat_table_at(&core->terms, item->terms);
}

/* Are items with these terms of no use any more? */
static inline bool
leat_terms_are_over(const leat_core *core, const leat_terms *terms)
{
    return terms->expires_wall_ms != 0 && core->now.wall_ms >= (int64_t)terms->expires_wall_ms;
}

static inline leat_class *
leat_class_of(const leat_core *core, const leat_item *item)
{
    return leat_terms_of(core, item)->class;
}

#endif
