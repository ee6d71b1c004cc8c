/* leat_job: a handler of leat.h, in whatever runs it: a thread of the pool, or a plug-in's process.
 * Both make a leat_call, behind whose leat_listener the ways differ; the leat_job_ functions of
 * leat.h are the same code over it. */
#ifndef LEAT_WORKER_JOB_H
#define LEAT_WORKER_JOB_H

#include <leat.h>

#include "worker/handler.h"

/* What call->job->row->context points at, for leat_job_handle. */
typedef struct leat_job_code {
    leat_handle *call;
    void *context;
} leat_job_code;

/* A leat_handler_run: runs a function of leat.h. */
leat_handler_run leat_job_handle;

#endif
