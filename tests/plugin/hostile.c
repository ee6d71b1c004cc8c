/* A plug-in whose handlers do everything that a handler must not do, and some that are good. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <leat.h>

static int
text(leat_job *job, const char *words)
{
    return leat_job_result(job, words, strlen(words));
}

static int
good(leat_job *job, void *context)
{
    char answer[256];
    const char *const broker = getenv("LEAT_BROKER"); /* NOLINT(concurrency-mt-unsafe) */
    (void)context;
    (void)snprintf(answer, sizeof answer, "%s %s %u %u %d %.*s %s %s", leat_job_handler(job),
                   leat_job_channel(job), leat_job_place(job), leat_job_attempt(job),
                   leat_job_id(job) > 0 && leat_job_batch(job) > 0, (int)leat_job_size(job),
                   (const char *)leat_job_payload(job), broker != NULL ? "a broker" : "no broker",
                   getenv("LEAT_KEY_FILE") != NULL ? "a key" : "no key"); /* NOLINT */
    return text(job, answer);
}

/* Its process, and how often it was called there. */
static int
count(leat_job *job, void *context)
{
    static int calls;
    char answer[64];
    (void)context;
    (void)snprintf(answer, sizeof answer, "%ld %d", (long)getpid(), ++calls);
    return text(job, answer);
}

LEAT_API int hostile_segv(leat_job *job, void *context); /* so that a stack has its name */

int
hostile_segv(leat_job *job, void *context)
{
    volatile int *nowhere = context;
    leat_job_progress(job, 1, 2, "about to crash");
    printf("said before\n");
    *nowhere = 1;
    return LEAT_JOB_DONE;
}

static int
die(leat_job *job, void *context)
{
    char word[16] = "";
    (void)context;
    memcpy(word, leat_job_payload(job), leat_job_size(job) < 15 ? leat_job_size(job) : 15);
    if (strcmp(word, "abort") == 0)
        abort();
    if (strcmp(word, "exit") == 0)
        exit(7); /* NOLINT(concurrency-mt-unsafe) */
    if (strcmp(word, "kill") == 0)
        (void)kill(getpid(), SIGKILL);
    if (strcmp(word, "pipe") == 0)
        (void)raise(SIGPIPE);
    if (strcmp(word, "keeper") == 0)
        (void)kill(getppid(), SIGKILL);
    if (strcmp(word, "socket") == 0)
        close(3);
    if (strcmp(word, "nonsense") == 0)
        (void)!write(3, "this is no message of mine", 26);
    pause();
    return LEAT_JOB_DONE;
}

static int
overflow(leat_job *job, void *context)
{
    volatile char room[4096];
    room[0] = (char)leat_job_size(job);
    return overflow(job, context) + room[0];
}

static int
spin(leat_job *job, void *context)
{
    (void)job;
    (void)context;
    for (;;) {
    }
}

/* One that listens: stops when it is told to. */
static int
wait_for_cancel(leat_job *job, void *context)
{
    (void)context;
    leat_job_progress(job, 0, 0, "waiting");
    while (!leat_job_is_cancelled(job))
        (void)pause();
    return LEAT_JOB_STOPPED;
}

/* Memory that is used, whatever a compiler finds out about it; NULL: there is none. */
static char *
lose(size_t size)
{
    static char *volatile lost;
    lost = malloc(size);
    if (lost != NULL)
        memset(lost, 1, size);
    return lost;
}

static int
leak(leat_job *job, void *context)
{
    (void)context;
    if (lose(8U << 20) == NULL)
        return leat_job_fail(job, "no memory");
    return count(job, NULL);
}

/* As much as there is. */
static int
devour(leat_job *job, void *context)
{
    const size_t size = 8U << 20;
    (void)context;
    for (size_t taken = 0;; taken += size) {
        if (lose(size) == NULL)
            return leat_job_fatal(job, "no memory after %zu MiB", taken >> 20);
    }
}

static int
twice(leat_job *job, void *context)
{
    size_t size;
    const void *const earlier = leat_job_earlier(job, &size);
    (void)context;
    if (size > 0)
        return leat_job_result(job, earlier, size);
    if (leat_job_checkpoint(job, "kept", 4) != LEAT_OK)
        return leat_job_fatal(job, "no checkpoint is taken");
    abort();
}

static int
given(leat_job *job, void *context)
{
    char answer[64];
    const uint16_t *numbers;
    const uint64_t gpus = leat_job_given(job, "gpu", &numbers);
    const int64_t left_ms = leat_job_left_ms(job);
    (void)context;
    (void)snprintf(answer, sizeof answer, "%llu gpu, number %d, %s", (unsigned long long)gpus,
                   numbers == NULL ? -1 : (int)numbers[0],
                   left_ms < 0                           ? "no limit"
                   : left_ms > 50000 && left_ms <= 60000 ? "a minute"
                                                         : "another limit");
    return text(job, answer);
}

static int
snooze(leat_job *job, void *context)
{
    (void)context;
    return leat_job_attempt(job) < 3 ? leat_job_snooze(job, 1) : text(job, "awake");
}

static int
stray(leat_job *job, void *context)
{
    char answer[32];
    (void)context;
    const pid_t child = fork();
    if (child == 0) {
        (void)pause();
        _exit(0);
    }
    (void)snprintf(answer, sizeof answer, "%ld", (long)child);
    return text(job, answer);
}

static const leat_plugin_handler handlers[] = {
    {"good",     good,            NULL, "anything: says what it is"},
    {"counted",  count,           NULL, NULL                       },
    {"segv",     hostile_segv,    NULL, NULL                       },
    {"die",      die,             NULL, NULL                       },
    {"overflow", overflow,        NULL, NULL                       },
    {"spin",     spin,            NULL, NULL                       },
    {"wait",     wait_for_cancel, NULL, NULL                       },
    {"leak",     leak,            NULL, NULL                       },
    {"devour",   devour,          NULL, NULL                       },
    {"twice",    twice,           NULL, NULL                       },
    {"given",    given,           NULL, NULL                       },
    {"snoozed",  snooze,          NULL, NULL                       },
    {"stray",    stray,           NULL, NULL                       },
};
LEAT_PLUGIN(handlers)
