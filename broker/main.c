/* leat-broker: arguments, the store, the core, the gate, and the loop that turns them. No logic.
 *
 * Exit codes: 0 told to end · 1 --check has found something · 2 wrong usage or setting · 4 not
 * allowed · 125 it could not work. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "broker/loop.h"
#include "broker/options.h"
#include "broker/store/guard.h"
#include "broker/store/lmdb.h"
#include "broker/store/memory.h"
#include "broker/verb.h"
#include "broker/zone.h"
#include "proto/base/random.h"
#include "proto/link/link.h"

#define EXIT_USAGE  2
#define EXIT_DENIED 4
#define EXIT_CANNOT 125

struct broker {
    leat_broker_options options;
    leat_store *disk;
    leat_store *memory;
    leat_access *access;
    leat_gate *gate;
    leat_core *core;
    int signal_fd;
    leat_buf channel_settings; /* of channels that nobody declared */
};

static int
complain(int code, const char *sentence)
{
    (void)fprintf(stderr, "leat-broker: %s\n", sentence);
    return code;
}

/* All threads block all signals, libraries' too, since they inherit the mask; SIGTERM, SIGINT
 * and SIGHUP (read the keys again) arrive as something to read. */
static int
signals_as_fd(void)
{
    sigset_t all;
    sigset_t ours;
    (void)sigfillset(&all);
    leat_guard_spare_signals(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    (void)sigemptyset(&ours);
    (void)sigaddset(&ours, SIGTERM);
    (void)sigaddset(&ours, SIGINT);
    (void)sigaddset(&ours, SIGHUP);
    return signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int
code_of(leat_err err)
{
    if (err == LEAT_ERR_CONFIG)
        return EXIT_USAGE;
    return err == LEAT_ERR_DENIED ? EXIT_DENIED : EXIT_CANNOT;
}

static int
open_gate(struct broker *broker)
{
    char why[512] = "";
    if (broker->options.keys != NULL) {
        const leat_err err = leat_access_open(broker->options.keys, &broker->access, why);
        if (err != LEAT_ERR_OK) {
            const size_t used = strlen(why);
            if (err == LEAT_ERR_NOT_FOUND)
                (void)snprintf(why + used, sizeof why - used,
                               ". Make one:  leat key new w1 --role worker --keys %.200s",
                               broker->options.keys);
            return complain(err == LEAT_ERR_NOT_FOUND ? EXIT_USAGE : code_of(err), why);
        }
    }
    if (broker->signal_fd < 0 || leat_gate_new(broker->access, &broker->gate) != LEAT_ERR_OK)
        return complain(EXIT_CANNOT, "the process cannot be set up");
    return 0;
}

static int
open_stores(struct broker *broker)
{
    char why[512] = "";
    const leat_retention retention = {
        .jobs_max = broker->options.keep_jobs,
        .bytes_max = broker->options.keep_bytes,
        .age_ms_max = (uint64_t)broker->options.keep_ms,
    };
    const leat_store_lmdb_options options = {
        .path = broker->options.data, .retention = retention, .watch_signals = true};
    leat_err err = leat_store_lmdb_open(&options, &broker->disk, why);
    if (err != LEAT_ERR_OK)
        return complain(EXIT_CANNOT, why);
    err = leat_store_memory_new(&retention, &broker->memory);
    return err == LEAT_ERR_OK ? 0 : complain(EXIT_CANNOT, leat_err_message(err));
}

/* For schedules: the core reads no files. */
static leat_err
read_zone(void *context,
          const char *name,
          int64_t from_s,
          int64_t upto_s,
          leat_zone_change *out,
          uint32_t max,
          uint32_t *count,
          char why[LEAT_CRON_WHY_BYTES])
{
    (void)context;
    return leat_zone_read(name, from_s, upto_s, out, max, count, why);
}

static int
open_core(struct broker *broker)
{
    char why[256] = "";
    char sentence[4096 + 512];
    leat_settings_put(&broker->channel_settings, &broker->options.channel_settings);
    if (broker->channel_settings.failed)
        return complain(EXIT_CANNOT, leat_err_message(LEAT_ERR_NOMEM));
    leat_core_options options = {
        .disk = broker->disk,
        .memory = broker->memory,
        .out = leat_gate_out(broker->gate),
        .software = "leat " LEAT_VERSION,
        .store_name = "lmdb, synced",
        .pid = getpid(),
        .default_memory = broker->options.default_memory,
        .channel_rules = broker->options.channel_rules,
        .channel_settings = {.data = broker->channel_settings.data,
                             .size = (uint32_t)broker->channel_settings.size},
        .keep =
            {
                             .batches_max = (uint32_t)broker->options.keep_batches,
                             .batch_ms_max = broker->options.keep_ms,
                             .dead_max = (uint32_t)broker->options.keep_dead,
                             .dead_ms_max = broker->options.keep_dead_ms,
                             },
        .zone = read_zone,
    };
    if (leat_random_bytes_system(&options.seed, sizeof options.seed) != LEAT_ERR_OK ||
        leat_random_bytes_system(options.broker_id, sizeof options.broker_id) != LEAT_ERR_OK)
        return complain(EXIT_CANNOT, "the system gives no random numbers");
    leat_err err = leat_core_new(&options, leat_loop_now(), &broker->core);
    if (err == LEAT_ERR_OK)
        err = leat_core_load(broker->core, leat_loop_now(), why);
    (void)malloc_trim(0); /* a finished batch takes 700 bytes while it is loaded, and 16 after */
    if (err == LEAT_ERR_OK)
        return 0;
    if (err == LEAT_ERR_CORRUPT)
        (void)snprintf(sentence, sizeof sentence, "the store %s is damaged: %s",
                       broker->options.data, why);
    else
        (void)snprintf(sentence, sizeof sentence, "%s",
                       why[0] != '\0' ? why : leat_err_message(err));
    return complain(EXIT_CANNOT, sentence);
}

static int
listen_all(struct broker *broker)
{
    char why[512] = "";
    for (size_t i = 0; i < broker->options.bind_count; i++) {
        const char *const url = broker->options.binds[i];
        const leat_err err =
            leat_gate_bind(broker->gate, url, broker->options.insecure_loopback, why);
        if (err != LEAT_ERR_OK)
            return complain(code_of(err), why);
    }
    for (size_t i = 0; i < broker->options.bind_count; i++)
        LEAT_LOG(LEAT_LOG_INFO, "broker.listen", "listening",
                 LEAT_KV_TEXT("bind", broker->options.binds[i]));
    return 0;
}

static int
turn(struct broker *broker)
{
    leat_loop loop = {
        .gate = broker->gate,
        .core = broker->core,
        .store_fd = leat_store_lmdb_fd(broker->disk),
        .signal_fd = broker->signal_fd,
    };
    const leat_err err = leat_loop_run(&loop);
    if (err == LEAT_ERR_OK) {
        leat_core_goodbye(broker->core, leat_loop_now());
        /* What has arrived is either committed or asked for again; nothing is lost by going now. */
        LEAT_LOG(LEAT_LOG_INFO, "broker.stop", "told to end");
        return 0;
    }
    const char *const stopped = leat_store_lmdb_sentence(broker->disk);
    LEAT_LOG(LEAT_LOG_ERROR, "broker.stop", "cannot go on; what was acknowledged is on disk",
             LEAT_KV_ERR(err), LEAT_KV_TEXT("store", stopped));
    return complain(EXIT_CANNOT, stopped[0] != '\0' ? stopped : leat_err_message(err));
}

static int
serve(struct broker *broker)
{
    leat_link_process_init();
    broker->signal_fd = signals_as_fd();
    int code = open_gate(broker);
    if (code == 0)
        code = open_stores(broker);
    if (code == 0)
        code = open_core(broker);
    if (code == 0)
        code = listen_all(broker);
    if (code != 0)
        return code;
    const leat_core_facts facts = leat_core_get_facts(broker->core);
    LEAT_LOG(LEAT_LOG_INFO, "broker.start", "ready", LEAT_KV_TEXT("version", LEAT_VERSION),
             LEAT_KV_TEXT("data", broker->options.data), LEAT_KV_U64("epoch", facts.epoch),
             LEAT_KV_U64("live_jobs", facts.items), LEAT_KV_U64("sessions", facts.peers));
    return turn(broker);
}

int
main(int argc, char **argv)
{
    struct broker broker = {.signal_fd = -1};
    int code;
    const leat_err err = leat_broker_options_read(&broker.options, argc, argv);
    if (err != LEAT_ERR_OK) {
        code = complain(err == LEAT_ERR_CONFIG ? EXIT_USAGE : EXIT_CANNOT,
                        broker.options.why[0] != '\0' ? broker.options.why : leat_err_message(err));
    } else if (broker.options.help) {
        leat_broker_options_print_help(&broker.options, stdout);
        code = 0;
    } else if (broker.options.version) {
        code = puts("leat-broker " LEAT_VERSION) < 0;
    } else if (broker.options.show_config) {
        leat_options_print_settings(broker.options.options, stdout);
        code = fflush(stdout) == 0 ? 0 : EXIT_CANNOT;
    } else {
        leat_log_set_level(broker.options.log_level);
        code = broker.options.verb == LEAT_VERB_SERVE ? serve(&broker)
                                                      : leat_verb_run(&broker.options);
    }
    leat_core_destroy(&broker.core);
    leat_buf_fini(&broker.channel_settings);
    leat_store_destroy(&broker.disk);
    leat_store_destroy(&broker.memory);
    leat_gate_destroy(&broker.gate);
    leat_access_close(&broker.access);
    if (broker.signal_fd >= 0)
        (void)close(broker.signal_fd);
    leat_broker_options_fini(&broker.options);
    return code;
}
