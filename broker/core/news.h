/* News: what has happened, for who wants to hear of it. See news.c. */
#ifndef LEAT_CORE_NEWS_H
#define LEAT_CORE_NEWS_H

#include "broker/core/dead.h"
#include "broker/core/machine.h"

LEAT_NODISCARD leat_err leat_news_init(leat_news *news);
void leat_news_fini(leat_news *news);
/* Each of these has just happened. */
void leat_news_started(leat_core *core);
void leat_news_batch(leat_core *core, leat_news_kind kind, const leat_batch *batch);
/* The same of a job that is a batch of its own without an object. */
void leat_news_alone(leat_core *core,
                     leat_news_kind kind,
                     const leat_item *job,
                     const leat_counters *counters);
void leat_news_dead(leat_core *core, const leat_corpse *corpse, leat_bytes error);
void leat_news_worker(leat_core *core, leat_news_kind kind, const leat_peer *peer);
void leat_news_channel(leat_core *core, leat_news_kind kind, const leat_channel *channel);
void leat_news_schedule(leat_core *core, const char *name, uint64_t batch);
/* The query events. OK without a result: the question waits. */
LEAT_NODISCARD leat_err leat_news_query(leat_core *core,
                                        const cJSON *arguments,
                                        cJSON **result,
                                        char message[256]);
/* Answer who waits, if there is something to tell. */
void leat_news_release(leat_core *core);

#endif
