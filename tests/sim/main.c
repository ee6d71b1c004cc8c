/* sim: a whole life of a broker in virtual time, again and again, each from one seed.
 *
 *     sim --seeds N [--first K] | --seed S | --seconds S | --file SEEDS
 *
 * A run sets up channels, then lets clients and workers do what they do while the network, the
 * processes and the clocks fail, then heals everything: what was accepted must come to its end. The
 * last line tells how much was covered; a run that met too few faults is inconclusive (exit 2).
 * With
 * --seed a failure is told with the history of the job that it names; with --lmdb the disk store is
 * a real one in a temporary folder. */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sim.h"

static void
on_abort(int number)
{
    (void)number;
    /* It ends the process in any case. */
    /* NOLINTNEXTLINE(bugprone-signal-handler,cert-sig30-c) */
    sim_tell_current();
    _exit(1);
}

static void
remove_folder(const char *path)
{
    DIR *const folder = opendir(path);
    const struct dirent *entry;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
    }
    if (folder != NULL)
        (void)closedir(folder);
    (void)rmdir(path);
}

static void
run(uint64_t seed, const sim_options *options, sim_figures *sum)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    const char *const parent = getenv("TMPDIR");
    char path[256];
    sim_options with = *options;
    if (!options->use_lmdb) {
        sim_run(seed, options, sum);
        return;
    }
    (void)snprintf(path, sizeof path, "%s/leat-sim-XXXXXX", parent == NULL ? "/tmp" : parent);
    if (mkdtemp(path) == NULL)
        abort();
    with.lmdb = path;
    sim_run(seed, &with, sum);
    remove_folder(path);
}

/* ---------------------------------------------------------------------------------- command line
 */

static int64_t
seconds_now(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec;
}

static int
usage(void)
{
    (void)fprintf(stderr, "sim --seeds N|A..B [--first K] | --seed S | --seconds S | --file SEEDS\n"
                          "    [--verbose] [--no-faults] [--lmdb] [--jobs PROCESSES]\n");
    return 2;
}

static int
tell(uint64_t seeds, const sim_figures *f)
{
    (void)printf("sim: %" PRIu64 " seeds, %" PRIu64 " steps, %" PRIu64 " jobs, %" PRIu64
                 " messages, %" PRIu64 " completions, %" PRIu64 " answers, %" PRIu64
                 " stale, %" PRIu64 " cuts\n",
                 seeds, f->steps, f->jobs, f->messages, f->completions, f->answers, f->stale,
                 f->cuts);
    (void)printf("sim: %" PRIu64 " joins, %" PRIu64 " selects, %" PRIu64 " withdrawn, %" PRIu64
                 " partly, %" PRIu64 " stops, %" PRIu64 " cancelled, %" PRIu64 " expired, %" PRIu64
                 " skipped, %" PRIu64 " dead, %" PRIu64 " retries, %" PRIu64 " finally, %" PRIu64
                 " recovered, %" PRIu64 " replies, %" PRIu64 " scheduled, %" PRIu64
                 " told, %" PRIu64 " checkpoints, %" PRIu64 " restored\n",
                 f->joins, f->selects, f->withdrawn, f->partly, f->stops, f->cancelled, f->expired,
                 f->skipped, f->dead, f->retries, f->finally, f->recovered, f->replies,
                 f->scheduled, f->told, f->checkpoints, f->restored);
    (void)printf("sim: %" PRIu64 " seeds, %" PRIu64 " steps, %" PRIu64 " jobs, %" PRIu64
                 " crashes, %" PRIu64 " faults, 0 violations\n",
                 seeds, f->steps, f->jobs, f->crashes + f->restarts,
                 f->cuts + f->crashes + f->restarts + f->stalls);
    if (f->cuts + f->crashes + f->restarts + f->stalls < 10 * seeds || f->completions < seeds ||
        (seeds >= 100 && (f->cuts == 0 || f->crashes == 0 || f->restarts == 0 || f->stalls == 0 ||
                          f->told == 0 || f->restored == 0))) {
        (void)printf("sim: inconclusive, too little was tried\n");
        return 2;
    }
    return 0;
}

static bool
run_file(const char *path, const sim_options *options, uint64_t *seeds, sim_figures *sum)
{
    char line[256];
    FILE *const file = fopen(path, "re");
    if (file == NULL) {
        (void)fprintf(stderr, "sim: cannot read %s\n", path);
        return false;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] < '0' || line[0] > '9')
            continue;
        run(strtoull(line, NULL, 10), options, sum);
        (*seeds)++;
    }
    (void)fclose(file);
    return true;
}

#ifdef LEAT_FAULTS
leat_fault leat_fault_chosen;

/* One seed with the chosen bug, in a child process: does it find it? -1: no process. */
static int
is_found(int fault, uint64_t seed)
{
    int status = 0;
    const pid_t child = fork();
    if (child == 0) {
        sim_figures sum = {0};
        leat_fault_chosen = (leat_fault)fault;
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
        (void)alarm(20); /* a bug may also make it run for ever */
        run(seed, &(sim_options){0}, &sum);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return !WIFEXITED(status) || WEXITSTATUS(status) == 1;
}

/* Each planted bug: which seed finds it? */
static int
find_faults(uint64_t seeds)
{
#define FAULT_NAME(name, what) #name,
#define FAULT_WHAT(name, what) what,
    static const char *const names[] = {"", LEAT_FAULT_MAP(FAULT_NAME)};
    static const char *const whats[] = {"", LEAT_FAULT_MAP(FAULT_WHAT)};
    int found = 0;
    for (int fault = 1; fault < LEAT_FAULT_COUNT; fault++) {
        uint64_t seed = 0;
        int yes = 0;
        while (yes == 0 && seed < seeds)
            yes = is_found(fault, ++seed);
        if (yes < 0)
            return 2;
        found += yes;
        (void)printf("%-17s %-49s %s %" PRIu64 "\n", names[fault], whats[fault],
                     yes ? "seed" : "MISSED by", seed);
    }
    (void)printf("sim: %d of %d found\n", found, LEAT_FAULT_COUNT - 1);
    return found == LEAT_FAULT_COUNT - 1 ? 0 : 1;
}
#endif

/* What the command line asks for. */
struct task {
    sim_options options;
    const char *file;
    uint64_t first, count, seconds, processes;
    uint64_t faults;
};

/* Every so-manieth seed, in a process of its own that tells its figures at the end. */
static int
start_child(const struct task *task, uint64_t number, pid_t *child)
{
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    *child = fork();
    if (*child < 0)
        return -1;
    if (*child > 0) {
        (void)close(ends[1]);
        return ends[0];
    }
    sim_figures sum = {0};
    for (uint64_t i = number; i < task->count; i += task->processes)
        run(task->first + i, &task->options, &sum);
    _exit(write(ends[1], &sum, sizeof sum) == (ssize_t)sizeof sum ? 0 : 2);
}

#define PROCESSES_MAX 64U

/* False: a seed has failed, and has told so. */
static bool
run_all(const struct task *task, sim_figures *sum)
{
    int ends[PROCESSES_MAX];
    pid_t children[PROCESSES_MAX];
    bool good = true;
    if (task->processes < 2) {
        for (uint64_t i = 0; i < task->count; i++)
            run(task->first + i, &task->options, sum);
        return true;
    }
    for (uint64_t i = 0; i < task->processes; i++) {
        ends[i] = start_child(task, i, &children[i]);
        if (ends[i] < 0)
            abort();
    }
    for (uint64_t i = 0; i < task->processes; i++) {
        sim_figures figures;
        int status = 0;
        good = read(ends[i], &figures, sizeof figures) == (ssize_t)sizeof figures && good;
        (void)waitpid(children[i], &status, 0);
        if (status == 0)
            sim_add_figures(sum, &figures);
        good = good && status == 0;
    }
    return good;
}

static bool
read_number(const char *text, uint64_t *number, char **end)
{
    *number = strtoull(text, end, 10);
    return *end != text;
}

/* False: no such option, or no such value. */
static bool
read_option(struct task *task, const char *name, const char *value)
{
    uint64_t number;
    char *end;
    if (strcmp(name, "--file") == 0) {
        task->file = value;
        return true;
    }
    if (!read_number(value, &number, &end))
        return false;
    if (strcmp(name, "--seeds") == 0 && strncmp(end, "..", 2) == 0) {
        task->first = number;
        task->count = strtoull(end + 2, &end, 10) + 1 - number;
    } else if (strcmp(name, "--seeds") == 0) {
        task->count = number;
    } else if (strcmp(name, "--seed") == 0) {
        task->first = number;
        task->count = 1;
        task->options.history = tmpfile();
    } else if (strcmp(name, "--first") == 0) {
        task->first = number;
    } else if (strcmp(name, "--seconds") == 0) {
        task->seconds = number;
    } else if (strcmp(name, "--jobs") == 0) {
        task->processes = number < PROCESSES_MAX ? number : PROCESSES_MAX;
    } else if (strcmp(name, "--faults") == 0) {
        task->faults = number;
    } else {
        return false;
    }
    return *end == '\0';
}

static bool
read_task(struct task *task, int argc, char **argv)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    *task = (struct task){.first = 1, .processes = cores < 1 ? 1 : (uint64_t)cores};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            task->options.verbose = true;
        else if (strcmp(argv[i], "--no-faults") == 0)
            task->options.no_faults = true;
        else if (strcmp(argv[i], "--lmdb") == 0)
            task->options.use_lmdb = true;
        else if (i + 1 == argc || !read_option(task, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    if (task->count < 20 || task->options.verbose)
        task->processes = 1;
    return task->count > 0 || task->seconds > 0 || task->file != NULL || task->faults > 0;
}

int
main(int argc, char **argv)
{
    struct task task;
    sim_figures sum = {0};
    uint64_t seeds = 0;
    (void)signal(SIGABRT, on_abort);
    if (!read_task(&task, argc, argv))
        return usage();
#ifdef LEAT_FAULTS
    if (task.faults > 0)
        return find_faults(task.faults);
#endif
    if (task.file != NULL && !run_file(task.file, &task.options, &seeds, &sum))
        return 2;
    if (!run_all(&task, &sum))
        return 1;
    seeds += task.count;
    /* Other seeds each day; the one that fails is printed. */
    uint64_t seed = (uint64_t)time(NULL) << 20;
    for (const int64_t until = seconds_now() + (int64_t)task.seconds; seconds_now() < until;
         seeds++)
        run(seed++, &task.options, &sum);
    return tell(seeds, &sum);
}
