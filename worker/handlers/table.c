/* The handlers that every leat-worker has. A worker in somebody else's program has none of them. */
#include "worker/handler.h"

static const leat_handler built_in[] = {
    {"seed",   LEAT_RUNS_TIMER,  leat_handle_seed,   leat_handle_seed_end,
     "an id: prints 'Worker ID starting', sleeps ID x 100 ms, prints 'Worker ID done', "
     "answers the id",                                                                                        NULL, NULL},
    {"sleep",  LEAT_RUNS_TIMER,  leat_handle_sleep,  NULL,
     "a duration (250ms, 1s, 1h30m; a bare number is seconds): answers nothing",                              NULL, NULL},
    {"echo",   LEAT_RUNS_INLINE, leat_handle_echo,   NULL,                 "any bytes: answers them",         NULL, NULL},
    {"noop",   LEAT_RUNS_INLINE, leat_handle_noop,   NULL,                 "anything: answers nothing",       NULL, NULL},
    {"fail",   LEAT_RUNS_INLINE, leat_handle_fail,   NULL,
     "a text: fails with it; 'fatal:TEXT' fails for good",                                                    NULL, NULL},
    {"burn",   LEAT_RUNS_POOL,   leat_handle_burn,   NULL,
     "microseconds, or a duration: uses so much CPU time",                                                    NULL, NULL},
    {"count",  LEAT_RUNS_POOL,   leat_handle_count,  NULL,
     "N, or N and a pause in ms ('20 100'): counts, tells how far, goes on where it was",                     NULL,
     NULL                                                                                                               },
    {"primes", LEAT_RUNS_POOL,   leat_handle_primes, NULL,
     "N up to 10^9: how many primes are not above N",                                                         NULL, NULL},
    {"pi",     LEAT_RUNS_POOL,   leat_handle_pi,     NULL,
     "N from 1 to 10000: pi with N digits after the point",                                                   NULL, NULL},
    {"sha256", LEAT_RUNS_POOL,   leat_handle_sha256, NULL,                 "any bytes: their SHA-256 in hex", NULL,
     NULL                                                                                                               },
};

const leat_handler *
leat_handlers(size_t *count)
{
    *count = sizeof built_in / sizeof *built_in;
    return built_in;
}
