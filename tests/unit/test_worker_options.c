/* worker/options: what the command line, the environment and files make of a worker. */
#include "tests/lib/test.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "tests/lib/tmp.h"
#include "worker/host.h"
#include "worker/options.h"

static leat_worker_settings settings;

static void
setup(void)
{
    /* Nothing of the machine that runs this. */
    // NOLINTBEGIN(concurrency-mt-unsafe): a test has one thread
    static const char *const names[] = {"LEAT_BROKER",  "LEAT_SLOTS", "LEAT_KEY_FILE",
                                        "LEAT_THREADS", "LEAT_NAME",  "LEAT_LOG_LEVEL",
                                        "LEAT_CHANNEL", "LEAT_TRAIT", "LEAT_HAVE"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unsetenv(names[i]);
    (void)setenv("XDG_CONFIG_HOME", "/nowhere", 1);
    // NOLINTEND(concurrency-mt-unsafe)
}

static void
teardown(void)
{
    leat_worker_settings_fini(&settings);
}

TestSuite(worker_options, .init = setup, .fini = teardown);

#define WORDS_MAX (2 * LEAT_SUBSCRIPTIONS_MAX + 8)
static_assert(LEAT_SUBSCRIPTIONS_MAX > LEAT_TRAITS_MAX, "channels are what there may be most of");
static_assert(LEAT_SUBSCRIPTIONS_MAX > LEAT_HAVES_MAX, "channels are what there may be most of");
#define READ(...) read_words((const char *const[]){"leat-worker", __VA_ARGS__, NULL})

/* The words as a program gets them: argv may be written to. They live as long as the settings. */
static leat_err
read_words(const char *const words[])
{
    static char storage[WORDS_MAX][256];
    static char *argv[WORDS_MAX + 1];
    int argc = 0;
    for (; words[argc] != NULL; argc++) {
        (void)snprintf(storage[argc], sizeof storage[argc], "%s", words[argc]);
        argv[argc] = storage[argc];
    }
    argv[argc] = NULL;
    return leat_worker_settings_read(&settings, argc, argv);
}

static void
must_refuse(leat_err err, const char *named)
{
    LEAT_FAILS(err, LEAT_ERR_CONFIG);
    cr_assert(strstr(settings.why, named) != NULL, "%s", settings.why);
    leat_worker_settings_fini(&settings);
    settings = (leat_worker_settings){0};
}

Test(worker_options, without_any_word_there_are_good_defaults)
{
    LEAT_PASS(read_words((const char *const[]){"leat-worker", NULL}));

    cr_assert(eq(int, (int)settings.wish, LEAT_WORKER_WISH_RUN));
    cr_assert(ge(u32, settings.worker.slots, 1));
    cr_assert(ge(u32, settings.worker.threads, 1));
    cr_assert(ge(sz, settings.worker.endpoint_count, 1));
    cr_assert(eq(sz, settings.worker.channel_count, 0));
    cr_assert(eq(int, settings.worker.signal_fd, -1));
    cr_assert(eq(int, (int)settings.log_level, LEAT_LOG_INFO));
    char end[32];
    (void)snprintf(end, sizeof end, "-%ld", (long)getpid());
    const char *const name = settings.worker.name;
    cr_assert(gt(sz, strlen(name), strlen(end)));
    cr_assert(eq(int, strcmp(name + strlen(name) - strlen(end), end), 0));
}

Test(worker_options, every_option_arrives_where_it_belongs)
{
    LEAT_PASS(READ("--broker", "tcp://h:1", "--broker=ipc:///a/b", "--slots", "1_000_000",
                   "--threads=3", "--channel", "mail", "--channel", "thumbs", "--name", "w1",
                   "--log-level", "debug"));

    const leat_engine_options *const worker = &settings.worker;
    cr_assert(eq(sz, worker->endpoint_count, 2));
    cr_assert(eq(int, strcmp(worker->endpoints[0], "tcp://h:1"), 0));
    cr_assert(eq(int, strcmp(worker->endpoints[1], "ipc:///a/b"), 0));
    cr_assert(eq(u32, worker->slots, 1000000));
    cr_assert(eq(u32, worker->threads, 3));
    cr_assert(eq(sz, worker->channel_count, 2));
    cr_assert(eq(int, strcmp(worker->channels[1], "thumbs"), 0));
    cr_assert(eq(int, strcmp(worker->name, "w1"), 0));
    cr_assert(eq(int, (int)settings.log_level, LEAT_LOG_DEBUG));
}

Test(worker_options, the_environment_is_read_and_the_command_line_wins)
{
    // NOLINTBEGIN(concurrency-mt-unsafe): a test has one thread
    (void)setenv("LEAT_BROKER", "tcp://a:1,tcp://b:2", 1);
    (void)setenv("LEAT_SLOTS", "7", 1);
    (void)setenv("LEAT_NAME", "from-environment", 1);
    // NOLINTEND(concurrency-mt-unsafe)

    LEAT_PASS(READ("--slots", "9"));

    cr_assert(eq(sz, settings.worker.endpoint_count, 2));
    cr_assert(eq(int, strcmp(settings.worker.endpoints[1], "tcp://b:2"), 0));
    cr_assert(eq(u32, settings.worker.slots, 9));
    cr_assert(eq(int, strcmp(settings.worker.name, "from-environment"), 0));
}

Test(worker_options, help_is_answered_wherever_it_stands_and_shows_examples_first)
{
    LEAT_PASS(READ("--no-such-option", "-h"));
    cr_assert(eq(int, (int)settings.wish, LEAT_WORKER_WISH_HELP));

    char *text = NULL;
    size_t size = 0;
    FILE *const out = open_memstream(&text, &size);
    leat_worker_print_help(&settings, out);
    (void)fclose(out);
    const char *const example = strstr(text, "leat-worker --broker");
    const char *const option = strstr(text, "--slots N");
    cr_assert(example != NULL);
    cr_assert(option != NULL);
    cr_assert(example < option);
    cr_assert(strstr(text, "primes") != NULL);
    free(text);
}

Test(worker_options, the_version_can_be_asked_for)
{
    LEAT_PASS(READ("--version"));
    cr_assert(eq(int, (int)settings.wish, LEAT_WORKER_WISH_VERSION));
}

Test(worker_options, a_misspelt_option_is_refused_with_the_one_that_is_meant)
{
    must_refuse(READ("--slot", "3"), "\"--slots\"");
}

Test(worker_options, what_is_wrong_is_named)
{
    must_refuse(READ("--slots", "0"), "--slots");
    must_refuse(READ("--slots", "1000001"), "--slots");
    must_refuse(READ("--slots", "many"), "--slots");
    must_refuse(READ("--threads", "0"), "--threads");
    must_refuse(READ("--broker", "localhost"), "localhost");
    must_refuse(READ("--channel", ""), "--channel");
    must_refuse(READ("--channel", "a\nb"), "--channel");
    must_refuse(READ("--name", ""), "--name");
    must_refuse(READ("--log-level", "loud"), "loud");
    must_refuse(READ("--config", "/nowhere/worker.ini"), "/nowhere/worker.ini");
    must_refuse(READ("extra"), "extra");
}

Test(worker_options, more_channels_than_a_worker_may_serve_are_refused)
{
    const char *words[2 * (LEAT_SUBSCRIPTIONS_MAX + 1) + 2] = {"leat-worker"};
    for (size_t i = 0; i <= LEAT_SUBSCRIPTIONS_MAX; i++) {
        words[1 + 2 * i] = "--channel";
        words[2 + 2 * i] = "c";
    }
    must_refuse(read_words(words), "64");
}

/* ---- traits and amounts ---- */

static bool
has_trait(const char *name, const char *value)
{
    for (size_t i = 0; i < settings.worker.trait_count; i++) {
        if (strcmp(settings.worker.traits[i].name, name) == 0)
            return strcmp(settings.worker.traits[i].value, value) == 0;
    }
    return false;
}

/* The amount, or UINT64_MAX if the worker does not have the thing at all. */
static uint64_t
amount_of(const char *name)
{
    for (size_t i = 0; i < settings.worker.have_count; i++) {
        if (strcmp(settings.worker.haves[i].name, name) == 0)
            return settings.worker.haves[i].amount;
    }
    return UINT64_MAX;
}

Test(worker_options, traits_may_be_given_one_by_one_or_with_commas)
{
    LEAT_PASS(READ("--trait", "zone=a", "--trait=arch=arm,disk=a b=c"));

    cr_assert(eq(sz, settings.worker.trait_count, 3));
    cr_assert(has_trait("zone", "a"));
    cr_assert(has_trait("arch", "arm"));
    cr_assert(has_trait("disk", "a b=c"));
}

Test(worker_options, amounts_are_whole_numbers_and_sizes_have_units_of_1024)
{
    LEAT_PASS(READ("--have", "gpu=2", "--have", "a=1K,b=3M,c=1_000G", "--have", "d=2T,none=0",
                   "--have", "huge=16777215T,max=18446744073709551615"));

    cr_assert(eq(u64, amount_of("gpu"), 2));
    cr_assert(eq(u64, amount_of("a"), 1024));
    cr_assert(eq(u64, amount_of("b"), 3 * UINT64_C(1048576)));
    cr_assert(eq(u64, amount_of("c"), 1000 * UINT64_C(1073741824)));
    cr_assert(eq(u64, amount_of("d"), 2 * UINT64_C(1099511627776)));
    cr_assert(eq(u64, amount_of("none"), 0));
    cr_assert(eq(u64, amount_of("huge"), 16777215 * UINT64_C(1099511627776)));
    cr_assert(eq(u64, amount_of("max"), UINT64_MAX));
}

Test(worker_options, cores_and_memory_are_known_without_being_told)
{
    LEAT_PASS(READ("--slots", "1"));

    cr_assert(eq(sz, settings.worker.trait_count, 0));
    cr_assert(eq(sz, settings.worker.have_count, 2));
    cr_assert(eq(u64, amount_of("cpus"), leat_host_cores()));
    cr_assert(eq(u64, amount_of("mem"), leat_host_memory("")));
}

Test(worker_options, what_is_told_of_cores_and_memory_is_what_counts)
{
    LEAT_PASS(READ("--have", "cpus=3,mem=5G"));

    cr_assert(eq(sz, settings.worker.have_count, 2));
    cr_assert(eq(u64, amount_of("cpus"), 3));
    cr_assert(eq(u64, amount_of("mem"), 5 * UINT64_C(1073741824)));
}

Test(worker_options, traits_and_amounts_come_from_the_environment_and_the_file_too)
{
    leat_tmp tmp;
    char path[PATH_MAX];
    static const char file[] = "trait = zone=a, arch=arm\nhave = gpu=4\n";
    leat_tmp_init(&tmp);
    (void)leat_tmp_write(&tmp, "worker.ini", file, sizeof file - 1, path);
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a test has one thread
    (void)setenv("LEAT_HAVE", "gpu=2,disk=1T", 1);

    LEAT_PASS(READ("--config", path));

    cr_assert(has_trait("zone", "a"));
    cr_assert(has_trait("arch", "arm"));
    cr_assert(eq(u64, amount_of("gpu"), 2));
    cr_assert(eq(u64, amount_of("disk"), UINT64_C(1099511627776)));
    leat_tmp_fini(&tmp);
}

Test(worker_options, a_wrong_trait_or_amount_is_refused_with_its_value_and_what_to_do)
{
    static const struct {
        const char *option;
        const char *value;
        const char *sentence;
    } wrong[] = {
        {"--trait", "zone",                                 "--trait \"zone\": write it as NAME=VALUE"                   },
        {"--trait", "",                                     "--trait \"\": write it as NAME=VALUE"                       },
        {"--trait", "a=b,",                                 "--trait \"a=b,\": write it as NAME=VALUE"                   },
        {"--trait", "Zone=a",                               "--trait \"Zone=a\": a name has 1 to 32 of a-z 0-9 _ and -"  },
        {"--trait", "=a",                                   "--trait \"=a\": a name has 1 to 32 of a-z 0-9 _ and -"      },
        {"--trait", "zone=",                                "--trait \"zone=\": a value has 1 to 64 printable"           },
        {"--trait", "zone=\xc3\xa4",                        "a value has 1 to 64 printable ASCII characters"             },
        {"--trait", "zone=a,zone=b",                        "\"zone\" was given before; give each name once"             },
        {"--have",  "gpu",                                  "--have \"gpu\": write it as NAME=VALUE"                     },
        {"--have",  "g p=1",                                "--have \"g p=1\": a name has 1 to 32"                       },
        {"--have",  "gpu=many",                             "--have \"gpu=many\": an amount is a whole number, for sizes"},
        {"--have",  "gpu=",                                 "an amount is a whole number"                                },
        {"--have",  "gpu=-1",                               "an amount is a whole number"                                },
        {"--have",  "mem=1.5G",                             "an amount is a whole number"                                },
        {"--have",  "mem=G",                                "an amount is a whole number"                                },
        {"--have",  "mem=1GB",                              "an amount is a whole number"                                },
        {"--have",  "mem=16777216T",                        "an amount is a whole number"                                },
        {"--have",  "mem=18446744073709551616",             "an amount is a whole number"                                },
        {"--have",  "mem=00000000000000000000000000000001", "an amount is a whole number"                                },
        {"--have",  "gpu=1,gpu=2",                          "\"gpu\" was given before; give each name once"              },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        must_refuse(READ(wrong[i].option, wrong[i].value), wrong[i].sentence);
}

/* The option so many times, with names n0, n1 … */
static leat_err
read_many(const char *option, size_t count)
{
    static char values[WORDS_MAX][16];
    const char *words[WORDS_MAX + 1] = {"leat-worker"};
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(values[i], sizeof values[i], "n%zu=1", i);
        words[1 + 2 * i] = option;
        words[2 + 2 * i] = values[i];
    }
    return read_words(words);
}

Test(worker_options, there_may_be_so_many_traits_and_amounts_and_no_more)
{
    LEAT_PASS(read_many("--trait", LEAT_TRAITS_MAX));
    cr_assert(eq(sz, settings.worker.trait_count, LEAT_TRAITS_MAX));
    leat_worker_settings_fini(&settings);
    LEAT_PASS(read_many("--have", LEAT_HAVES_MAX - 2));
    cr_assert(eq(sz, settings.worker.have_count, LEAT_HAVES_MAX));
    leat_worker_settings_fini(&settings);

    must_refuse(read_many("--trait", LEAT_TRAITS_MAX + 1), "at most 32 traits");
    must_refuse(read_many("--have", LEAT_HAVES_MAX + 1), "at most 32 amounts");
    must_refuse(read_many("--have", LEAT_HAVES_MAX - 1), "cpus and mem among them");
}

/* ---- keys ---- */

/* A worker's key file in tmp, for a broker at tcp://k:1. */
static const char *
must_make_key(const leat_tmp *tmp, char path[PATH_MAX])
{
    leat_key key;
    char why[LEAT_KEY_WHY_BYTES];
    LEAT_PASS(leat_key_new("w1", LEAT_KEY_WORKER, &key));
    memcpy(key.broker_public, key.public_key, sizeof key.broker_public);
    (void)snprintf(key.broker, sizeof key.broker, "tcp://k:1");
    leat_tmp_path(tmp, "w1.key", path);
    LEAT_PASS(leat_key_write(path, LEAT_KEY_OF_PRINCIPAL, &key, LEAT_KEY_WRITE_NEW, why));
    return path;
}

Test(worker_options, a_key_file_says_who_it_is_and_where_the_broker_is)
{
    leat_tmp tmp;
    char path[PATH_MAX];
    leat_tmp_init(&tmp);
    must_make_key(&tmp, path);

    LEAT_PASS(READ("--key-file", path));

    cr_assert(settings.worker.key != NULL);
    LEAT_SAME_TEXT(settings.worker.key->name, "w1");
    cr_assert(eq(sz, settings.worker.endpoint_count, 1));
    LEAT_SAME_TEXT(settings.worker.endpoints[0], "tcp://k:1");
    leat_tmp_fini(&tmp);
}

Test(worker_options, a_broker_that_is_told_is_stronger_than_the_key_file_s)
{
    leat_tmp tmp;
    char path[PATH_MAX];
    leat_tmp_init(&tmp);
    must_make_key(&tmp, path);
    // NOLINTBEGIN(concurrency-mt-unsafe): a test has one thread
    (void)setenv("LEAT_KEY_FILE", path, 1);
    (void)setenv("LEAT_BROKER", "tcp://a:1", 1);
    // NOLINTEND(concurrency-mt-unsafe)

    LEAT_PASS(READ("--slots", "1"));

    cr_assert(settings.worker.key != NULL);
    LEAT_SAME_TEXT(settings.worker.endpoints[0], "tcp://a:1");
    leat_tmp_fini(&tmp);
}

Test(worker_options, a_key_file_that_is_missing_or_open_to_others_is_refused)
{
    leat_tmp tmp;
    char path[PATH_MAX];
    leat_tmp_init(&tmp);
    must_refuse(READ("--key-file", leat_tmp_path(&tmp, "none.key", path)), "none.key");

    must_make_key(&tmp, path);
    cr_assert(eq(int, chmod(path, 0644), 0));
    LEAT_FAILS(READ("--key-file", path), LEAT_ERR_DENIED);

    cr_assert(strstr(settings.why, "others than its owner") != NULL, "%s", settings.why);
    cr_assert(settings.worker.key == NULL);
    leat_tmp_fini(&tmp);
}

/* ---- programs as jobs ---- */

static const leat_handler *
handler_of(const char *name)
{
    return leat_handler_find(settings.worker.handlers, settings.worker.handler_count,
                             leat_text_of(name));
}

Test(worker_options, commands_are_off_unless_they_are_allowed)
{
    LEAT_PASS(READ("--broker", "ipc:///a"));
    for (size_t i = 0; i < settings.worker.handler_count; i++)
        cr_assert(ne(int, (int)settings.worker.handlers[i].runs, LEAT_RUNS_CHILD));
    leat_worker_settings_fini(&settings);

    LEAT_PASS(READ("--broker", "ipc:///a", "--allow-commands"));
    cr_assert(handler_of("command") != NULL);
    cr_assert(eq(int, (int)handler_of("command")->runs, LEAT_RUNS_CHILD));
    cr_assert(handler_of("command")->program == NULL);
}

Test(worker_options, a_program_under_a_name_has_its_words_and_nothing_else)
{
    LEAT_PASS(READ("--broker", "ipc:///a", "--command", "up=/bin/sh  -c upper", "--command",
                   "ls=/bin/ls"));

    cr_assert(handler_of("command") == NULL);
    const leat_handler *const up = handler_of("up");
    cr_assert(up != NULL && up->program != NULL);
    LEAT_SAME_TEXT(up->program->words[0], "/bin/sh");
    LEAT_SAME_TEXT(up->program->words[1], "-c");
    LEAT_SAME_TEXT(up->program->words[2], "upper");
    cr_assert(up->program->words[3] == NULL);
    LEAT_SAME_TEXT(handler_of("ls")->program->words[0], "/bin/ls");
}

Test(worker_options, a_program_that_is_none_is_refused)
{
    must_refuse(READ("--command", "up"), "NAME=/PATH");
    must_refuse(READ("--command", "up=sh"), "NAME=/PATH");
    must_refuse(READ("--command", "=/bin/sh"), "NAME=/PATH");
    must_refuse(READ("--command", "up=/no/such"), "/no/such");
    must_refuse(READ("--command", "echo=/bin/sh"), "\"echo\" already");
    must_refuse(READ("--command", "a=/bin/sh", "--command", "a=/bin/sh"), "\"a\" already");
    must_refuse(READ("--allow-commands", "--command", "command=/bin/sh"), "\"command\" already");
}

Test(worker_options, a_program_that_stays_may_have_a_name_and_is_looked_for_in_path)
{
    LEAT_PASS(READ("--broker", "ipc:///a", "--stdio", "up=sh handler.sh a=b", "--stdio",
                   "/bin/cat -u", "--command", "ls=/bin/ls", "--recycle", "7"));

    const leat_handler *const up = handler_of("up");
    cr_assert(up != NULL && up->program != NULL);
    cr_assert(eq(int, (int)up->runs, LEAT_RUNS_CHILD));
    cr_assert(eq(int, (int)up->program->kind, LEAT_PROGRAM_STDIO));
    LEAT_SAME_TEXT(up->program->words[0], "sh");
    LEAT_SAME_TEXT(up->program->words[1], "handler.sh");
    LEAT_SAME_TEXT(up->program->words[2], "a=b");
    cr_assert(up->program->words[3] == NULL);
    LEAT_SAME_TEXT(handler_of("stdio")->program->words[0], "/bin/cat");
    LEAT_SAME_TEXT(handler_of("stdio")->program->words[1], "-u");
    cr_assert(eq(int, (int)handler_of("ls")->program->kind, LEAT_PROGRAM_ONESHOT));
    cr_assert(eq(u32, settings.worker.commands->recycle_jobs, 7));
    leat_worker_settings_fini(&settings);

    must_refuse(READ("--stdio", ""), "--stdio");
    must_refuse(READ("--stdio", "up="), "NAME=PROGRAM");
    must_refuse(READ("--stdio", "=cat"), "NAME=PROGRAM");
    must_refuse(READ("--stdio", "no-such-program"), "\"no-such-program\" is no program");
    must_refuse(READ("--stdio", "/no/such"), "/no/such");
    must_refuse(READ("--stdio", "echo=cat"), "\"echo\" already");
    must_refuse(READ("--stdio", "cat", "--stdio", "cat"), "\"stdio\" already");
    must_refuse(READ("--recycle", "0"), "--recycle");
    must_refuse(READ("--stdio", "cat", "--broker", "tcp://127.0.0.1:5328"), "--key-file");
}

Test(worker_options, limits_of_programs_have_names_and_units)
{
    LEAT_PASS(READ("--rlimit", "cpu=1500ms,mem=2G", "--rlimit", "files=100", "--rlimit=procs=7"));

    const uint64_t *const limits = settings.worker.commands->rights.limits;
    cr_assert(eq(u64, limits[LEAT_EXEC_CPU], 2));
    cr_assert(eq(u64, limits[LEAT_EXEC_MEMORY], 2ULL << 30));
    cr_assert(eq(u64, limits[LEAT_EXEC_FILES], 100));
    cr_assert(eq(u64, limits[LEAT_EXEC_PROCESSES], 7));
    leat_worker_settings_fini(&settings);
    must_refuse(READ("--rlimit", "cpu"), "NAME=VALUE");
    must_refuse(READ("--rlimit", "disk=1"), "cpu, mem, files and procs");
    must_refuse(READ("--rlimit", "mem=lots"), "--rlimit");
    must_refuse(READ("--rlimit", "files=0"), "--rlimit");
    must_refuse(READ("--user", "nobody-of-that-name"), "no such user");
}

Test(worker_options, programs_do_not_go_over_tcp_without_a_key)
{
    must_refuse(READ("--allow-commands", "--broker", "tcp://127.0.0.1:5328"), "--key-file");
    must_refuse(READ("--command", "ls=/bin/ls", "--broker", "ipc:///a", "--broker", "tcp://h:1"),
                "tcp://h:1");
    LEAT_PASS(READ("--allow-commands"));
    cr_assert(ge(sz, settings.worker.endpoint_count, 1));
    for (size_t i = 0; i < settings.worker.endpoint_count; i++)
        cr_assert(strncmp(settings.worker.endpoints[i], "ipc://", 6) == 0);
}

/* What a plug-in has is asked by loading it: tests/integration/it_plugin.c. */
Test(worker_options, bounds_of_a_plug_ins_processes_are_numbers)
{
    LEAT_PASS(READ("--broker", "ipc:///a", "--plugin-jobs", "7", "--plugin-memory", "512M"));
    cr_assert(eq(u32, settings.worker.commands->plugin_jobs, 7));
    cr_assert(eq(u64, settings.worker.commands->plugin_memory, 512ULL << 20));
    leat_worker_settings_fini(&settings);

    must_refuse(READ("--plugin-jobs", "0"), "--plugin-jobs");
    must_refuse(READ("--plugin-memory", "0"), "--plugin-memory \"0\"");
    must_refuse(READ("--plugin-memory", "much"), "--plugin-memory \"much\"");
    must_refuse(READ("--plugin", "/no/such.so"), "/no/such.so");
    must_refuse(READ("--plugin", "/"), "\"/\" cannot be loaded");
}

Test(worker_options, a_worker_is_told_when_to_end)
{
    LEAT_PASS(READ("--broker", "ipc:///a"));
    cr_assert(eq(i64, settings.worker.idle_exit_ms, 0));
    cr_assert(eq(u64, settings.worker.jobs_max, 0));
    cr_assert(eq(i64, settings.worker.until_mono_ms, 0));
    cr_assert(eq(i64, settings.worker.until_wall_ms, 0));
    leat_worker_settings_fini(&settings);

    const int64_t before_ms = leat_clock_mono_ms();
    LEAT_PASS(READ("--idle-exit", "10m", "--max-jobs", "1_000", "--until", "2h"));
    cr_assert(eq(i64, settings.worker.idle_exit_ms, 600000));
    cr_assert(eq(u64, settings.worker.jobs_max, 1000));
    cr_assert(ge(i64, settings.worker.until_mono_ms, before_ms + 7200000));
    cr_assert(le(i64, settings.worker.until_mono_ms, leat_clock_mono_ms() + 7200000));
    cr_assert(eq(i64, settings.worker.until_wall_ms, 0));
    leat_worker_settings_fini(&settings);

    LEAT_PASS(READ("--until", "2100-01-01T00:00:00Z"));
    cr_assert(eq(i64, settings.worker.until_wall_ms, 4102444800000));
    cr_assert(eq(i64, settings.worker.until_mono_ms, 0));
    leat_worker_settings_fini(&settings);
    LEAT_PASS(READ("--until", "18:30"));
    cr_assert(gt(i64, settings.worker.until_wall_ms, leat_clock_wall_ms()));
    leat_worker_settings_fini(&settings);

    must_refuse(READ("--until", "0"), "--until \"0\"");
    must_refuse(READ("--until", "tomorrow"), "18:30");
    must_refuse(READ("--until", "2001-01-01T00:00:00Z"), "that time is over");
    must_refuse(READ("--idle-exit", "0"), "--idle-exit");
    must_refuse(READ("--max-jobs", "0"), "--max-jobs");
}

Test(worker_options, slots_and_cpus_follow_the_cores)
{
    cpu_set_t all;
    char core[16];
    int first = 0;
    cr_assert(eq(int, sched_getaffinity(0, sizeof all, &all), 0));
    while (!CPU_ISSET((size_t)first, &all))
        first++;
    (void)snprintf(core, sizeof core, "%d", first);
    LEAT_PASS(READ("--cpu", core));
    cr_assert(eq(u32, settings.worker.slots, 1));
    cr_assert(eq(u32, settings.worker.threads, 1));
    for (size_t i = 0; i < settings.worker.have_count; i++)
        cr_assert(strcmp(settings.haves[i].name, "cpus") != 0 || settings.haves[i].amount == 1);
    leat_worker_settings_fini(&settings);
    must_refuse(READ("--cpu", "1-"), "--cpu \"1-\"");
    must_refuse(READ("--cpu", "0-1023"), "not there");
}
