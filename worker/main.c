/* leat-worker: the program around worker.h. Arguments, signals, exit code; no logic.
 *
 * Exit codes: 0 drained · 1 drained, but the broker did not take the last results · 2 wrong usage
 * or setting · 4 the broker does not let it in · 125 it could not work (refused, out of memory) ·
 * 130, 143 stopped by a second SIGINT, SIGTERM. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "proto/base/log.h"
#include "worker/options.h"
#include "worker/runner/keeper.h"

#define EXIT_NOT_ANSWERED 1
#define EXIT_USAGE        2
#define EXIT_DENIED       4
#define EXIT_CANNOT       125
#define EXIT_SIGNAL       128

#define KEPT_BYTES (16 << 20) /* of free memory, before some is given back */

static int
complain(int code, const char *sentence)
{
    (void)fprintf(stderr, "leat-worker: %s\n", sentence);
    return code;
}

/* All threads block all signals, those of the libraries too, since they inherit the mask; SIGTERM
 * and SIGINT arrive as something to read. Faults (SIGSEGV …) cannot be held back. */
static int
signals_as_fd(void)
{
    sigset_t all;
    sigset_t ours;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    return signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
log_start(const leat_engine_options *options)
{
    char handlers[512];
    size_t used = 0;
    handlers[0] = '\0';
    for (size_t i = 0; i < options->handler_count && used < sizeof handlers; i++)
        used += (size_t)snprintf(handlers + used, sizeof handlers - used, "%s%s", i > 0 ? "," : "",
                                 options->handlers[i].name);
    LEAT_LOG(LEAT_LOG_INFO, "worker.start", "worker starts", LEAT_KV_TEXT("name", options->name),
             LEAT_KV_U64("slots", options->slots), LEAT_KV_U64("threads", options->threads),
             LEAT_KV_TEXT("handlers", handlers), LEAT_KV_TEXT("broker", options->endpoints[0]),
             LEAT_KV_I64("pid", getpid()));
}

static int
exit_code(const leat_engine *worker, leat_err result)
{
    switch ((int)result) {
    case LEAT_ERR_OK:
        return 0;
    case LEAT_ERR_INTERRUPTED:
        return EXIT_SIGNAL + leat_engine_signal(worker);
    case LEAT_ERR_TIMEOUT:
        return complain(EXIT_NOT_ANSWERED, leat_engine_sentence(worker));
    case LEAT_ERR_DENIED:
        return complain(EXIT_DENIED, leat_engine_sentence(worker));
    default:
        return complain(EXIT_CANNOT, leat_engine_sentence(worker));
    }
}

static int
work(leat_engine_options *options)
{
    leat_engine *worker;
    options->signal_fd = signals_as_fd();
    if (options->signal_fd < 0)
        return complain(EXIT_CANNOT, leat_err_message(leat_err_from_errno(errno)));
    log_start(options);
    const leat_err err = leat_engine_new(options, &worker);
    if (err == LEAT_ERR_CONFIG)
        return complain(EXIT_USAGE, "--broker: not an address that can be connected to, or "
                                    "--history: not a folder that can be written");
    if (err != LEAT_ERR_OK)
        return complain(EXIT_CANNOT, leat_err_message(err));

    const leat_err result = leat_engine_run(worker);
    const int code = exit_code(worker, result);
    LEAT_LOG(LEAT_LOG_INFO, "worker.stop", "worker stops", LEAT_KV_ERR(result),
             LEAT_KV_U64("jobs", leat_engine_ended(worker)),
             LEAT_KV_U64("failed", leat_engine_failed(worker)),
             LEAT_KV_U64("stale", leat_engine_stale(worker)));
    /* Handlers may still run: who asks twice does not want to wait for them. */
    if (result != LEAT_ERR_OK)
        _exit(code);
    leat_engine_destroy(&worker);
    close(options->signal_fd);
    return code;
}

/* Frames of jobs and of their ends come and go all the time. What is given back to the kernel at
 * once comes back with a page fault for each page. */
static void
keep_memory(void)
{
#ifdef __GLIBC__
    /* NOLINTBEGIN(concurrency-mt-unsafe): there is one thread yet */
    (void)mallopt(M_MMAP_THRESHOLD, KEPT_BYTES / 4);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
    (void)mallopt(M_TOP_PAD, KEPT_BYTES / 16);
    /* NOLINTEND(concurrency-mt-unsafe) */
#endif
}

int
main(int argc, char *argv[])
{
    static leat_worker_settings settings;
    int code = 0;
    if (argc > 0 && strcmp(argv[0], LEAT_KEEPER_NAME) == 0)
        return leat_keeper_main(argc, argv);
    keep_memory();
    const leat_err err = leat_worker_settings_read(&settings, argc, argv);
    if (err != LEAT_ERR_OK) {
        if (err == LEAT_ERR_CONFIG || err == LEAT_ERR_DENIED)
            code = complain(err == LEAT_ERR_DENIED ? EXIT_DENIED : EXIT_USAGE, settings.why);
        else
            code = complain(EXIT_CANNOT, leat_err_message(err));
    } else if (settings.wish == LEAT_WORKER_WISH_HELP) {
        leat_worker_print_help(&settings, stdout);
    } else if (settings.wish == LEAT_WORKER_WISH_VERSION) {
        (void)puts("leat-worker " LEAT_VERSION);
    } else if (settings.wish == LEAT_WORKER_WISH_SETTINGS) {
        leat_options_print_settings(settings.options, stdout);
    } else {
        leat_log_set_level(settings.log_level);
        code = work(&settings.worker);
    }
    leat_worker_settings_fini(&settings);
    return code;
}
