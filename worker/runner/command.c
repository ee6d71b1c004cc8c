/* The worker's side of its keepers. See command.h. */
#include "worker/runner/command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "worker/runner/keeper.h"
#include "worker/runner/strays.h"

#define EVENTS_A_TURN 64
#define READ_BYTES    65536U
/* Of one keeper, until the others have been heard. */
#define MESSAGES_A_TURN 8U
/* How long the keepers may take to end what they run. */
#define END_MS      6000
#define END_LOOK_NS 1000000
#define STRAYS_MS   200

struct leat_commands {
    leat_commands_options options;
    leat_cgroup cgroup;
    char cgroup_why[128];
    int epoll_fd;
    leat_run *runs[LEAT_COMMANDS_MAX]; /* owned; by number - 1, NULL: none */
    uint32_t count;                    /* busy */
    leat_commands_hear *hear;          /* NULL: nobody listens */
    void *hear_context;
    leat_list idle; /* keepers without a job, the last one used first */
    leat_list prepared;
    leat_list ended;
};

/* ----------------------------------------------------------------------------------------- life */

leat_err
leat_commands_new(const leat_commands_options *options, leat_commands **out)
{
    leat_commands *const commands = calloc(1, sizeof *commands);
    if (commands == NULL)
        return LEAT_ERR_NOMEM;
    commands->options = *options;
    if (options->keepers_max == 0 || options->keepers_max > LEAT_COMMANDS_MAX)
        commands->options.keepers_max = LEAT_COMMANDS_MAX;
    leat_list_init(&commands->idle);
    leat_list_init(&commands->prepared);
    leat_list_init(&commands->ended);
    commands->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (commands->epoll_fd < 0) {
        const leat_err err = leat_err_from_errno(errno);
        free(commands);
        return err;
    }
    if (options->has_cgroup)
        leat_cgroup_open(&commands->cgroup, commands->cgroup_why);
    /* What a keeper leaves behind that was killed becomes ours. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    *out = commands;
    return LEAT_ERR_OK;
}

static void
free_run(leat_commands *commands, leat_run *run)
{
    commands->runs[run->number - 1] = NULL;
    if (run->socket >= 0)
        close(run->socket);
    leat_buf_fini(&run->out);
    leat_buf_fini(&run->in);
    if (leat_list_is_linked(&run->telling))
        leat_list_remove(&run->telling);
    leat_tell_reset(&run->tell);
    free(run);
}

/* Wait for a keeper that has been told to end, or is dead; false: it does not. */
static bool
reap(pid_t keeper, int64_t until_ms)
{
    const struct timespec pause = {.tv_nsec = END_LOOK_NS};
    while (waitpid(keeper, NULL, WNOHANG) == 0) {
        if (leat_clock_mono_ms() >= until_ms)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

static size_t
pids_of(const leat_commands *commands, pid_t pids[LEAT_COMMANDS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < LEAT_COMMANDS_MAX; i++) {
        if (commands->runs[i] != NULL && !commands->runs[i]->is_gone)
            pids[count++] = commands->runs[i]->keeper;
    }
    return count;
}

void
leat_commands_destroy(leat_commands **commands_p)
{
    leat_commands *const commands = *commands_p;
    *commands_p = NULL;
    if (commands == NULL)
        return;
    pid_t pids[LEAT_COMMANDS_MAX];
    const size_t count = pids_of(commands, pids);
    uint32_t ended = 0;
    for (size_t i = 0; i < LEAT_COMMANDS_MAX; i++) {
        if (commands->runs[i] != NULL)
            free_run(commands, commands->runs[i]); /* closes its socket, which says all */
    }
    const int64_t until_ms = leat_clock_mono_ms() + END_MS;
    for (size_t i = 0; i < count; i++) {
        if (!reap(pids[i], until_ms)) {
            (void)kill(pids[i], SIGKILL);
            (void)reap(pids[i], until_ms + STRAYS_MS);
            (void)leat_strays_end(NULL, 0, STRAYS_MS, &ended);
        }
    }
    leat_cgroup_close(&commands->cgroup);
    close(commands->epoll_fd);
    free(commands);
}

int
leat_commands_fd(const leat_commands *commands)
{
    return commands->epoll_fd;
}

uint32_t
leat_commands_count(const leat_commands *commands)
{
    return commands->count;
}

const char *
leat_commands_cgroup(const leat_commands *commands)
{
    if (commands->cgroup.own[0] == '\0')
        return commands->cgroup_why[0] == '\0' ? "not asked for" : commands->cgroup_why;
    return commands->cgroup.counts ? commands->cgroup.own : "cannot bound processes";
}

/* ------------------------------------------------------------------------------------- keepers */

static leat_err
watch(const leat_commands *commands, leat_run *run, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = run};
    return epoll_ctl(commands->epoll_fd, operation, run->socket, &event) == 0
               ? LEAT_ERR_OK
               : leat_err_from_errno(errno);
}

/* The keeper's process: its socket as LEAT_KEEPER_SOCKET and our stderr, nothing else of ours. */
static leat_err
spawn(const leat_commands *commands, leat_run *run, int socket)
{
    const leat_launch_rights *const rights = &commands->options.rights;
    const char *const program =
        commands->options.keeper == NULL ? "/proc/self/exe" : commands->options.keeper;
    char numbers[LEAT_KEEPER_ARGS][24] = {{0}};
    char cgroup[LEAT_CGROUP_BYTES];
    char *argv[LEAT_KEEPER_ARGS + 1];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all;
    (void)snprintf(numbers[LEAT_KEEPER_ARG_NAME], sizeof *numbers, LEAT_KEEPER_NAME);
    (void)snprintf(numbers[LEAT_KEEPER_ARG_NUMBER], sizeof *numbers, "%" PRIu32, run->number);
    for (size_t i = 0; i < LEAT_EXEC_LIMITS; i++)
        (void)snprintf(numbers[LEAT_KEEPER_ARG_CPU + i], sizeof *numbers, "%" PRIu64,
                       rights->limits[i]);
    if (rights->drops) {
        (void)snprintf(numbers[LEAT_KEEPER_ARG_UID], sizeof *numbers, "%lu",
                       (unsigned long)rights->uid);
        (void)snprintf(numbers[LEAT_KEEPER_ARG_GID], sizeof *numbers, "%lu",
                       (unsigned long)rights->gid);
    }
    (void)snprintf(cgroup, sizeof cgroup, "%s", commands->cgroup.own);
    for (size_t i = 0; i < LEAT_KEEPER_ARGS; i++)
        argv[i] = numbers[i];
    argv[LEAT_KEEPER_ARG_CGROUP] = cgroup;
    argv[LEAT_KEEPER_ARGS] = NULL;

    sigfillset(&all);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);
    int error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, socket, LEAT_KEEPER_SOCKET);
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(&actions, LEAT_KEEPER_SOCKET + 1);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setpgroup(&attributes, 0);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    if (error == 0)
        error = posix_spawn(&run->keeper, program, &actions, &attributes, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    return error == 0 ? LEAT_ERR_OK : leat_err_from_errno(error);
}

/* The first number that no keeper has; above keepers_max: all are taken. */
static uint32_t
free_number(const leat_commands *commands)
{
    uint32_t number = 1;
    while (number <= commands->options.keepers_max && commands->runs[number - 1] != NULL)
        number++;
    return number;
}

static leat_err
new_run(leat_commands *commands, leat_run **out)
{
    int pair[2] = {-1, -1};
    const uint32_t number = free_number(commands);
    if (number > commands->options.keepers_max)
        return LEAT_ERR_LIMIT;
    leat_run *const run = calloc(1, sizeof *run);
    if (run == NULL)
        return LEAT_ERR_NOMEM;
    run->number = number;
    run->socket = -1;
    leat_list_node_init(&run->node);
    leat_list_node_init(&run->telling);
    leat_err err = LEAT_ERR_OK;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        err = leat_err_from_errno(errno);
    if (err == LEAT_ERR_OK) {
        /* A descriptor that is the keeper's own already would not lose close-on-exec by dup2. */
        run->socket = pair[0];
        err = pair[1] == LEAT_KEEPER_SOCKET ? LEAT_ERR_LIMIT : spawn(commands, run, pair[1]);
        close(pair[1]);
    }
    if (err == LEAT_ERR_OK)
        err = watch(commands, run, EPOLL_CTL_ADD, EPOLLIN);
    if (err != LEAT_ERR_OK) {
        commands->runs[number - 1] = run; /* free_run takes it out again */
        free_run(commands, run);
        return err;
    }
    commands->runs[number - 1] = run;
    *out = run;
    return LEAT_ERR_OK;
}

/* A keeper that is gone was killed, by somebody or by what it ran: what it was to end becomes ours.
 */
static void
lose_keeper(leat_commands *commands, leat_run *run)
{
    static const char sentence[] = "the process that watches over the command was killed";
    pid_t others[LEAT_COMMANDS_MAX];
    uint32_t ended = 0;
    run->is_gone = true;
    if (run->leaves) { /* it has ended all that it ran, and itself */
        (void)waitpid(run->keeper, NULL, 0);
        free_run(commands, run);
        return;
    }
    (void)kill(run->keeper, SIGKILL);
    (void)waitpid(run->keeper, NULL, 0);
    const size_t count = pids_of(commands, others);
    char cgroup[LEAT_CGROUP_BYTES];
    if (commands->cgroup.own[0] != '\0') {
        (void)snprintf(cgroup, sizeof cgroup, "%.480s/%" PRIu32, commands->cgroup.own, run->number);
        leat_cgroup_bound(cgroup, 0, true);
    }
    (void)leat_strays_end(others, count, STRAYS_MS, &ended);
    if (commands->cgroup.own[0] != '\0')
        (void)rmdir(cgroup);
    LEAT_LOG(LEAT_LOG_WARN, "worker.keeper", "a keeper is gone, what it ran has been ended",
             LEAT_KV_U64("number", run->number), LEAT_KV_U64("ended", ended));
    close(run->socket);
    run->socket = -1;
    if (run->is_busy && run->has_ended && !leat_list_is_linked(&run->node))
        return; /* the loop has it at this moment */
    if (leat_list_is_linked(&run->node))
        leat_list_remove(&run->node);
    if (!run->is_busy) {
        free_run(commands, run);
        return;
    }
    if (run->has_ended) {
        leat_list_append(&commands->ended, &run->node);
        return;
    }
    run->has_ended = true;
    run->end = LEAT_END_FAILED;
    run->run_us = 0;
    run->result = (leat_bytes){.data = (const uint8_t *)sentence, .size = sizeof sentence - 1};
    leat_list_append(&commands->ended, &run->node);
}

/* ------------------------------------------------------------------------------------ messages */

/* Write what goes; the rest when there is room. */
static void
flush(leat_commands *commands, leat_run *run)
{
    while (run->sent < run->out.size) {
        const ssize_t put = send(run->socket, run->out.data + run->sent, run->out.size - run->sent,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0 && errno == EAGAIN) {
            (void)watch(commands, run, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        if (put < 0 && errno != EINTR)
            break; /* the end of the socket is seen when it is read */
        run->sent += put > 0 ? (size_t)put : 0;
    }
    if (run->sent > 0)
        (void)watch(commands, run, EPOLL_CTL_MOD, EPOLLIN);
    leat_buf_reset(&run->out);
    run->sent = 0;
}

void
leat_commands_listen(leat_commands *commands, leat_commands_hear *hear, void *context)
{
    commands->hear = hear;
    commands->hear_context = context;
}

static bool
take_ended(leat_commands *commands, leat_run *run, leat_reader body)
{
    leat_message_ended ended;
    if (!leat_message_ended_read(body, &ended))
        return false;
    run->snoozes = ended.end == LEAT_MESSAGE_SNOOZED;
    run->end = run->snoozes ? LEAT_END_FAILED : (leat_end)ended.end;
    run->run_us = ended.run_us;
    run->delay_ms = ended.delay_ms;
    run->result = ended.result;
    run->has_ended = true;
    leat_list_append(&commands->ended, &run->node);
    return true;
}

static bool
take_told(leat_commands *commands, leat_run *run, leat_reader body)
{
    leat_message_told told;
    while (leat_message_told_next(&body, &told)) {
        run->has_told = true;
        if (commands->hear != NULL)
            commands->hear(commands->hear_context, run, &told);
    }
    leat_buf_reset(&run->in);
    return !body.failed;
}

/* The message in run->in is whole; false: it is none. */
static bool
take_message(leat_commands *commands, leat_run *run)
{
    const leat_reader body =
        leat_reader_over(run->in.data + LEAT_MESSAGE_HEAD, run->in.size - LEAT_MESSAGE_HEAD);
    const uint8_t kind = run->in.data[4];
    if (!run->is_told || run->has_ended)
        return false;
    return (kind == LEAT_MESSAGE_ENDED && take_ended(commands, run, body)) ||
           (kind == LEAT_MESSAGE_TOLD && take_told(commands, run, body));
}

/* Read what is there; false: the keeper is gone, or says what none says. */
static bool
hear(leat_commands *commands, leat_run *run)
{
    unsigned messages = 0;
    while (messages < MESSAGES_A_TURN && !run->has_ended) {
        size_t want = LEAT_MESSAGE_HEAD;
        if (run->in.size >= LEAT_MESSAGE_HEAD) {
            const uint32_t size = leat_load_u32(run->in.data);
            if (size < 1 || size > LEAT_MESSAGE_BYTES_MAX)
                return false;
            want = 4 + (size_t)size;
        }
        if (run->in.size == want) {
            messages++;
            if (!take_message(commands, run))
                return false;
            continue;
        }
        const size_t had = run->in.size;
        uint8_t *const room = leat_buf_room(&run->in, want - had);
        if (room == NULL)
            return false;
        const ssize_t got = recv(run->socket, room, want - had, MSG_DONTWAIT);
        run->in.size = had + (got > 0 ? (size_t)got : 0);
        if (got < 0 && errno == EAGAIN)
            return true;
        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
    }
    return true;
}

leat_run *
leat_commands_next_ended(leat_commands *commands)
{
    if (leat_list_is_empty(&commands->ended)) {
        struct epoll_event events[EVENTS_A_TURN];
        const int count = epoll_wait(commands->epoll_fd, events, EVENTS_A_TURN, 0);
        for (int i = 0; i < count; i++) {
            leat_run *const run = events[i].data.ptr;
            if ((events[i].events & EPOLLOUT) != 0)
                flush(commands, run);
            if ((events[i].events & ~(unsigned)EPOLLOUT) != 0 && !hear(commands, run))
                lose_keeper(commands, run);
        }
    }
    if (leat_list_is_empty(&commands->ended))
        return NULL;
    leat_list_node *const node = leat_list_first(&commands->ended);
    leat_list_remove(node);
    return LEAT_CONTAINER_OF(node, leat_run, node);
}

void
leat_commands_give_back(leat_commands *commands, leat_run **run_p)
{
    leat_run *const run = *run_p;
    *run_p = NULL;
    commands->count--;
    if (run->is_gone) {
        free_run(commands, run);
        return;
    }
    run->is_busy = false;
    run->is_told = false;
    run->has_ended = false;
    run->has_told = false;
    run->snoozes = false;
    run->slot = NULL;
    if (leat_list_is_linked(&run->telling))
        leat_list_remove(&run->telling);
    leat_tell_reset(&run->tell);
    /* A megabyte of output is rare. */
    if (run->in.capacity > READ_BYTES)
        leat_buf_fini(&run->in);
    leat_buf_reset(&run->in);
    leat_list_prepend(&commands->idle, &run->node);
}

/* -------------------------------------------------------------------------------------- starts */

__attribute__((format(printf, 3, 4))) static void
add_variable(leat_buf *out, uint32_t *count, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length < 0 || length >= (int)sizeof text)
        return;
    leat_put_u32(out, (uint32_t)length);
    leat_put_bytes(out, text, (size_t)length);
    ++*count;
}

/* A letter of a name (a-z 0-9 _ -) as variables have it. */
static char
as_variable(char letter)
{
    static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    if (letter >= 'a' && letter <= 'z')
        return upper[letter - 'a'];
    if (letter == '-')
        return '_';
    return letter;
}

/* LEAT_JOB_NEEDS_GPU=0,2: which ones where they have numbers, else how much. */
static void
add_need(leat_buf *out, uint32_t *count, const leat_given_amount *amount)
{
    char name[40];
    char numbers[900];
    size_t used = 0;
    size_t size = 0;
    for (; amount->name[size] != '\0' && size + 1 < sizeof name; size++)
        name[size] = as_variable(amount->name[size]);
    name[size] = '\0';
    if (amount->numbers == NULL) {
        add_variable(out, count, "LEAT_JOB_NEEDS_%s=%" PRIu64, name, amount->amount);
        return;
    }
    for (uint64_t i = 0; i < amount->amount && used + 8 < sizeof numbers; i++)
        used += (size_t)snprintf(numbers + used, sizeof numbers - used, "%s%u", i > 0 ? "," : "",
                                 amount->numbers[i]);
    add_variable(out, count, "LEAT_JOB_NEEDS_%s=%s", name, numbers);
}

/* What holds for all jobs of this keeper. */
static void
add_own_variables(const leat_commands *commands,
                  const leat_run *run,
                  const leat_run_job *what,
                  leat_buf *out,
                  uint32_t *count)
{
    for (size_t i = 0; i < commands->options.variable_count; i++)
        add_variable(out, count, "%s", commands->options.variables[i]);
    add_variable(out, count, "LEAT_JOB_SLOT=%" PRIu32, run->number);
    add_variable(out, count, "LEAT_JOB_WORKER=%s", what->worker);
    add_variable(out, count, "LEAT_BROKER=%s", what->broker);
}

static void
add_job_variables(const leat_run_job *what, leat_buf *out, uint32_t *count)
{
    const leat_line_job *const job = what->job;
    add_variable(out, count, "LEAT_JOB_ID=%" PRIu64, job->token.id);
    add_variable(out, count, "LEAT_JOB_BATCH=%" PRIu64, job->batch);
    add_variable(out, count, "LEAT_JOB_SEQ=%" PRIu32, job->place);
    add_variable(out, count, "LEAT_JOB_ATTEMPT=%" PRIu32, job->token.attempt);
    add_variable(out, count, "LEAT_JOB_CHANNEL=%.*s", (int)job->channel.size, job->channel.data);
    if (job->run_limit_ms > 0)
        add_variable(out, count, "LEAT_JOB_DEADLINE=%" PRId64,
                     (leat_clock_wall_ms() + (int64_t)job->run_limit_ms) / 1000);
    for (uint32_t i = 0; what->given != NULL && i < what->given->count; i++)
        add_need(out, count, &what->given->amounts[i]);
}

/* A list of variables begins, whose count is said at its end. */
static size_t
begin_variables(leat_buf *out)
{
    const size_t at = out->size;
    leat_put_u32(out, 0);
    return at;
}

static void
end_variables(leat_buf *out, size_t at, uint32_t count)
{
    if (!out->failed)
        leat_store_u32(out->data + at, count);
}

static void
put_program(leat_buf *out, const leat_program *program, leat_bytes input)
{
    leat_bytes words[LEAT_HANDLER_WORDS_MAX];
    leat_exec exec = leat_exec_nothing();
    while (exec.word_count < LEAT_HANDLER_WORDS_MAX && program->words[exec.word_count] != NULL) {
        const char *const word = program->words[exec.word_count];
        words[exec.word_count++] =
            (leat_bytes){.data = (const uint8_t *)word, .size = (uint32_t)strlen(word)};
    }
    exec.input = input;
    leat_exec_put(out, &exec, words, NULL);
}

/* START: a program for this job alone, whose stdin is the payload, or that the payload names. */
static void
put_start(const leat_commands *commands, leat_run *run, const leat_run_job *what)
{
    const leat_line_job *const job = what->job;
    uint32_t count = 0;
    const size_t begin = leat_message_begin(&run->out, LEAT_MESSAGE_START);
    const size_t variables = begin_variables(&run->out);
    add_own_variables(commands, run, what, &run->out, &count);
    add_job_variables(what, &run->out, &count);
    end_variables(&run->out, variables, count);
    if (job->handler->program == NULL)
        leat_put_bytes(&run->out, job->payload.data, job->payload.size);
    else
        put_program(&run->out, job->handler->program, job->payload);
    leat_message_finish(&run->out, begin);
}

/* SERVE: what the keeper does from now on. It starts nothing yet. */
static void
put_serve(const leat_commands *commands, leat_run *run, const leat_run_job *what)
{
    uint32_t count = 0;
    const size_t begin = leat_message_begin(&run->out, LEAT_MESSAGE_SERVE);
    leat_put_u8(&run->out, (uint8_t)run->serves->kind);
    leat_put_u32(&run->out, run->serves->kind == LEAT_PROGRAM_PLUGIN
                                ? commands->options.plugin_jobs
                                : commands->options.recycle_jobs);
    leat_put_u64(&run->out, commands->options.plugin_memory);
    const size_t variables = begin_variables(&run->out);
    add_own_variables(commands, run, what, &run->out, &count);
    end_variables(&run->out, variables, count);
    put_program(&run->out, run->serves, (leat_bytes){0});
    leat_message_finish(&run->out, begin);
}

static void
put_job(leat_run *run, const leat_run_job *what)
{
    const leat_line_job *const job = what->job;
    const leat_text handler = job->handler_name;
    uint32_t count = 0;
    leat_buf given = {0};
    leat_message_given_put(&given, what->given);
    run->out.failed |= given.failed;
    const leat_message_job message = {
        .id = job->token.id,
        .batch = job->batch,
        .place = job->place,
        .attempt = job->token.attempt,
        .left_ms = job->run_limit_ms,
        .handler = {.data = (const uint8_t *)handler.data,      .size = (uint32_t)handler.size},
        .channel = {.data = (const uint8_t *)job->channel.data,
                    .size = (uint32_t)job->channel.size                                       },
        .payload = job->payload,
        .checkpoint = job->checkpoint,
        .given = {.data = given.data,                         .size = (uint32_t)given.size  },
    };
    const size_t begin = leat_message_begin(&run->out, LEAT_MESSAGE_JOB);
    leat_message_job_put(&run->out, &message);
    leat_buf_fini(&given);
    const size_t variables = begin_variables(&run->out);
    add_job_variables(what, &run->out, &count);
    end_variables(&run->out, variables, count);
    leat_message_finish(&run->out, begin);
}

/* The program that a keeper lives for, if it does this handler's jobs; NULL: any keeper can. */
static const leat_program *
lasting(const leat_handler *handler)
{
    return handler->program == NULL || handler->program->kind == LEAT_PROGRAM_ONESHOT
               ? NULL
               : handler->program;
}

/* An idle keeper for it, the last one used; NULL: there is none. */
static leat_run *
find_idle(const leat_commands *commands, const leat_program *serves)
{
    LEAT_LIST_FOREACH (node, &commands->idle) {
        leat_run *const run = LEAT_CONTAINER_OF(node, leat_run, node);
        if (run->serves == serves)
            return run;
    }
    return NULL;
}

bool
leat_commands_may_prepare(leat_commands *commands, const leat_handler *handler)
{
    if (find_idle(commands, lasting(handler)) != NULL ||
        free_number(commands) <= commands->options.keepers_max)
        return true;
    if (!leat_list_is_empty(&commands->idle)) {
        leat_run *const run = LEAT_CONTAINER_OF(leat_list_last(&commands->idle), leat_run, node);
        leat_list_remove(&run->node);
        run->leaves = true;
        (void)shutdown(run->socket, SHUT_WR);
    }
    return false;
}

/* An idle keeper, or a new one, which is told at once what it is for. */
static leat_err
take_run(leat_commands *commands, const leat_run_job *what, leat_run **out)
{
    const leat_program *const serves = lasting(what->job->handler);
    leat_run *run = find_idle(commands, serves);
    if (run != NULL) {
        leat_list_remove(&run->node);
        *out = run;
        return LEAT_ERR_OK;
    }
    const leat_err err = new_run(commands, &run);
    if (err != LEAT_ERR_OK)
        return err;
    run->serves = serves;
    if (serves != NULL) {
        put_serve(commands, run, what);
        if (run->out.failed) {
            free_run(commands, run); /* which it notices */
            return LEAT_ERR_NOMEM;
        }
        flush(commands, run);
    }
    *out = run;
    return LEAT_ERR_OK;
}

leat_err
leat_commands_prepare(leat_commands *commands, const leat_run_job *what, leat_run **out)
{
    const leat_line_job *const job = what->job;
    leat_run *run;
    leat_exec exec;
    leat_err err = LEAT_ERR_OK;
    if (job->handler->program == NULL)
        err = leat_exec_read(job->payload.data, job->payload.size, &exec);
    if (err == LEAT_ERR_OK)
        err = take_run(commands, what, &run);
    if (err != LEAT_ERR_OK)
        return err;
    if (run->serves == NULL)
        put_start(commands, run, what);
    else
        put_job(run, what);
    if (run->out.failed) {
        leat_buf_reset(&run->out);
        leat_list_prepend(&commands->idle, &run->node);
        return LEAT_ERR_NOMEM;
    }
    run->is_busy = true;
    commands->count++;
    leat_list_append(&commands->prepared, &run->node);
    *out = run;
    return LEAT_ERR_OK;
}

bool
leat_commands_has_prepared(const leat_commands *commands)
{
    return !leat_list_is_empty(&commands->prepared);
}

void
leat_commands_go(leat_commands *commands)
{
    while (!leat_list_is_empty(&commands->prepared)) {
        leat_list_node *const node = leat_list_first(&commands->prepared);
        leat_run *const run = LEAT_CONTAINER_OF(node, leat_run, node);
        leat_list_remove(node);
        run->is_told = true;
        flush(commands, run);
    }
}

void
leat_commands_stop(leat_commands *commands, leat_run *run, uint32_t grace_ms, uint8_t flags)
{
    static const char sentence[] = "stopped before it had begun";
    if (run->has_ended)
        return;
    if (!run->is_told) {
        leat_list_remove(&run->node);
        leat_buf_reset(&run->out);
        run->has_ended = true;
        run->end = LEAT_END_FAILED;
        run->result = (leat_bytes){.data = (const uint8_t *)sentence, .size = sizeof sentence - 1};
        leat_list_append(&commands->ended, &run->node);
        return;
    }
    const size_t begin = leat_message_begin(&run->out, LEAT_MESSAGE_STOP);
    leat_put_u32(&run->out, grace_ms);
    leat_put_u8(&run->out, flags);
    leat_message_finish(&run->out, begin);
    flush(commands, run);
}
