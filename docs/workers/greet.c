/* A worker in a program of one's own: cc greet.c -o greet $(pkg-config --cflags --libs leat) */
#include <leat.h>
#include <signal.h>
#include <stdio.h>

static leat_worker *worker;

static int greet(leat_job *job, void *context)
{
    char text[256];
    int size = snprintf(text, sizeof text, "%s, %.*s", (const char *)context,
                        (int)leat_job_size(job), (const char *)leat_job_payload(job));
    if (size >= (int)sizeof text)
        return leat_job_fatal(job, "a name of %zu bytes is none", leat_job_size(job));
    leat_job_log(job, "attempt %u: %s\n", leat_job_attempt(job), text);
    return leat_job_result(job, text, (size_t)size);
}

static void drain(int signal) { (void)signal, leat_worker_drain(worker); }

int main(void)
{
    if (leat_worker_open(NULL, &worker) == LEAT_OK)
        leat_worker_handle(worker, "greet", greet, "hello");
    signal(SIGTERM, drain);
    leat_status status = leat_worker_run(worker); /* says what went wrong before, too */
    fputs(leat_worker_sentence(worker), stderr);
    leat_worker_close(&worker);
    return status != LEAT_OK;
}
