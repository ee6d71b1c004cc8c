/* others: what other systems do with the same jobs, by the best client that could be written for
 * each: plain sockets, a process that puts and one that takes, each with --depth commands on their
 * way, and as many in one write as there are.
 *
 *     others --system redis --port 6379 --jobs 200000       one line of JSON: jobs, seconds
 *     others --system redis --port 6379 --latency           … p50_us, p99_us of round trips
 *
 * A job is put, taken and acknowledged. What no system here does, and Leat does, is to deliver a
 * completion to who sent the job: in their favour, since it is a message more. The server runs
 * already, and is empty. A wrong answer ends the program: a figure for it would be none. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/option.h"

#define IN_BYTES    ((size_t)1 << 20U)
#define PAYLOAD_MAX 4096U
#define QUIET_S     20 /* no answer for so long: the measurement is broken */
#define JOBS_MAX    100000000U

typedef struct settings {
    const char *system;
    uint16_t port;
    uint64_t jobs;
    uint64_t depth;
    size_t payload_bytes;
    bool file; /* NATS: the stream is in files */
    bool latency;
    char payload[PAYLOAD_MAX + 1]; /* its first 16 bytes are the job's number */
} settings;

static const leat_option rows[] = {
    {"system",  's', LEAT_OPTION_TEXT,   "NAME",  NULL,     "redis, nats, beanstalkd or gearmand",             0,  0,           0,
     NULL                                                                                                                                                    },
    {"port",    'p', LEAT_OPTION_NUMBER, "N",     NULL,     "of 127.0.0.1",                                    1,  65535,       0,                       NULL},
    {"jobs",    'n', LEAT_OPTION_NUMBER, "N",     "100000", "jobs to move",                                    1,  JOBS_MAX,    0,                       NULL},
    {"depth",   0,   LEAT_OPTION_NUMBER, "N",     "500",    "commands on their way, of each of the processes",
     1,                                                                                                            100000,      0,                       NULL},
    {"payload", 0,   LEAT_OPTION_NUMBER, "BYTES", "64",     "of each job",                                     16, PAYLOAD_MAX, 0,                       NULL},
    {"file",    0,   LEAT_OPTION_FLAG,   NULL,    NULL,     "nats: keep the stream in files",                  0,  0,           0,                       NULL},
    {"latency", 'l', LEAT_OPTION_FLAG,   NULL,    NULL,     "redis: one job at a time, there and back",        0,  0,
     0,                                                                                                                                                  NULL},
    {"help",    'h', LEAT_OPTION_FLAG,   NULL,    NULL,     "show this",                                       0,  0,           LEAT_OPTION_NOT_IN_FILE, NULL},
};

__attribute__((noreturn, format(printf, 1, 2))) static void
fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("others: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    _exit(1);
}

static int64_t
now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ------------------------------------------------------------------------------------- wire
 *
 * A connection that collects what is said until it is flushed, and reads as much as there is. */

typedef struct wire {
    int fd;
    char *out;
    size_t out_size, out_room;
    char *in;
    size_t in_from, in_size;
} wire;

static void
wire_open(wire *self, const settings *set)
{
    const int yes = 1;
    const struct timeval quiet = {.tv_sec = QUIET_S};
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(set->port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *self = (wire){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                   .in = malloc(IN_BYTES),
                   .out = malloc(IN_BYTES),
                   .out_room = IN_BYTES};
    if (self->fd < 0 || self->in == NULL || self->out == NULL)
        fail("no socket or no memory");
    if (connect(self->fd, (const struct sockaddr *)&address, sizeof address) != 0)
        fail("%s does not listen on port %u", set->system, set->port);
    (void)setsockopt(self->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    (void)setsockopt(self->fd, SOL_SOCKET, SO_RCVTIMEO, &quiet, sizeof quiet);
}

static void
wire_close(wire *self)
{
    (void)close(self->fd);
    free(self->in);
    free(self->out);
}

static void
flush(wire *self)
{
    for (size_t at = 0; at < self->out_size;) {
        const ssize_t sent = send(self->fd, self->out + at, self->out_size - at, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            fail("send: error %d", errno);
        at += sent > 0 ? (size_t)sent : 0;
    }
    self->out_size = 0;
}

static void
say(wire *self, const void *data, size_t size)
{
    if (self->out_size + size > self->out_room)
        flush(self);
    memcpy(self->out + self->out_size, data, size);
    self->out_size += size;
}

static void
say_text(wire *self, const char *text)
{
    say(self, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void
say_format(wire *self, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say(self, text, (size_t)size);
}

static void
more(wire *self)
{
    if (self->in_from > 0) {
        memmove(self->in, self->in + self->in_from, self->in_size - self->in_from);
        self->in_size -= self->in_from;
        self->in_from = 0;
    }
    const ssize_t got = recv(self->fd, self->in + self->in_size, IN_BYTES - self->in_size, 0);
    if (got == 0 || (got < 0 && errno != EINTR))
        fail("no answer for %d s, or the connection is gone", QUIET_S);
    self->in_size += got > 0 ? (size_t)got : 0;
}

static bool
has_input(const wire *self)
{
    return self->in_from < self->in_size;
}

/* The next n bytes; valid until the next read. */
static char *
bytes(wire *self, size_t n)
{
    while (self->in_size - self->in_from < n)
        more(self);
    char *const data = self->in + self->in_from;
    self->in_from += n;
    return data;
}

/* The next line, terminated, without its CR LF. */
static char *
line(wire *self)
{
    size_t looked = 0;
    for (;;) {
        char *const from = self->in + self->in_from;
        const size_t size = self->in_size - self->in_from;
        char *const end = size > looked ? memchr(from + looked, '\n', size - looked) : NULL;
        if (end != NULL) {
            self->in_from += (size_t)(end - from) + 1;
            end[end > from && end[-1] == '\r' ? -1 : 0] = '\0';
            return from;
        }
        looked = size;
        more(self);
    }
}

static bool
begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void
must_begin(const char *text, const char *with)
{
    if (!begins(text, with))
        fail("\"%.200s\" was answered, not %s", text, with);
}

static uint64_t
number_of(const char *text)
{
    return strtoull(text, NULL, 10);
}

static const char *
payload(settings *set, uint64_t number)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 15; i >= 0; i--, number >>= 4U)
        set->payload[i] = digits[number & 15U];
    return set->payload;
}

/* Who takes jobs has seen this one; their sum tells at the end whether it was each of them. */
static uint64_t seen_sum;

static void
saw(const char *job)
{
    uint64_t number = 0;
    for (int i = 0; i < 16; i++) {
        const char c = job[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
            fail("a job came that was not put: %.16s", job);
        number = number << 4U | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    seen_sum += number;
}

static void
must_have_seen_all(const settings *set)
{
    const uint64_t sum =
        set->jobs % 2 == 0 ? set->jobs / 2 * (set->jobs - 1) : (set->jobs - 1) / 2 * set->jobs;
    if (seen_sum != sum)
        fail("not every job came, or one came twice");
}

/* ------------------------------------------------------------------------------------- putting
 *
 * At most depth on their way; more are sent when half of them are answered. */

typedef void put_one(wire *to, settings *set, uint64_t number);
typedef void put_answer(wire *from, const settings *set, uint64_t number);

static void
put_all(wire *to, settings *set, put_one *put, put_answer *answer)
{
    uint64_t put_so_far = 0;
    for (uint64_t answered = 0; answered < set->jobs; answered++) {
        if (put_so_far < set->jobs && put_so_far - answered <= set->depth / 2 &&
            (!has_input(to) || put_so_far == answered)) {
            for (; put_so_far < set->jobs && put_so_far - answered < set->depth; put_so_far++)
                put(to, set, put_so_far);
            flush(to);
        }
        answer(to, set, answered);
    }
}

/* ------------------------------------------------------------------------------------- redis
 *
 * The reliable queue of its manual: RPUSH, of several jobs at once; LMOVE into a list of what is
 * being done; LREM from it, and INCR of a counter in place of a completion. */

#define REDIS_GROUP 16U /* jobs that one RPUSH puts */

/* One RPUSH of n jobs begins. */
static void
redis_push(wire *to, uint64_t n)
{
    say_format(to, "*%llu\r\n$5\r\nRPUSH\r\n$1\r\nq\r\n", (unsigned long long)n + 2);
}

static void
redis_value(wire *to, settings *set, uint64_t number)
{
    say_format(to, "$%zu\r\n", set->payload_bytes);
    say(to, payload(set, number), set->payload_bytes);
    say(to, "\r\n", 2);
}

static void
redis_put(wire *to, settings *set, uint64_t number)
{
    const uint64_t left = set->jobs - number;
    if (number % REDIS_GROUP == 0)
        redis_push(to, left < REDIS_GROUP ? left : REDIS_GROUP);
    redis_value(to, set, number);
}

/* The last job of a group is answered, the others with it. */
static void
redis_put_answer(wire *from, const settings *set, uint64_t number)
{
    if (number % REDIS_GROUP == REDIS_GROUP - 1 || number == set->jobs - 1)
        must_begin(line(from), ":");
}

/* A queue that has run dry is waited for with one command, which the first job answers. */
static void
redis_take(settings *set)
{
    static const char take[] =
        "*5\r\n$5\r\nLMOVE\r\n$1\r\nq\r\n$1\r\np\r\n$4\r\nLEFT\r\n$5\r\nRIGHT\r\n";
    static const char wait[] = "*6\r\n$6\r\nBLMOVE\r\n$1\r\nq\r\n$1\r\np\r\n$4\r\nLEFT\r\n"
                               "$5\r\nRIGHT\r\n$1\r\n0\r\n";
    static const char count[] = "*2\r\n$4\r\nINCR\r\n$1\r\nc\r\n";
    wire to;
    bool dry = false;
    uint64_t asked = 0; /* LMOVEs that are not answered */
    uint64_t taken = 0;
    uint64_t acks = 0; /* two answers a job */
    wire_open(&to, set);
    while (acks < 2 * set->jobs) {
        for (; !dry && asked < set->depth && taken + asked < set->jobs; asked++)
            say(&to, take, sizeof take - 1);
        if (dry && asked == 0) {
            say(&to, wait, sizeof wait - 1);
            asked++;
        }
        flush(&to);
        do {
            const char *const head = line(&to);
            if (*head == ':') {
                acks++;
                continue;
            }
            must_begin(head, "$");
            asked--;
            dry = begins(head, "$-1");
            if (dry)
                continue;
            const size_t size = (size_t)number_of(head + 1);
            const char *const job = bytes(&to, size + 2);
            taken++;
            saw(job);
            say_format(&to, "*4\r\n$4\r\nLREM\r\n$1\r\np\r\n$1\r\n1\r\n$%zu\r\n", size);
            say(&to, job, size + 2);
            say(&to, count, sizeof count - 1);
        } while (has_input(&to));
    }
    wire_close(&to);
}

/* One job at a time over a list of jobs and a list of results. */
static void
redis_echo(settings *set)
{
    wire to;
    wire_open(&to, set);
    for (uint64_t i = 0; i < set->jobs; i++) {
        say_text(&to, "*3\r\n$5\r\nBLPOP\r\n$1\r\nq\r\n$1\r\n0\r\n");
        flush(&to);
        if (i > 0)
            must_begin(line(&to), ":"); /* of the RPUSH before */
        must_begin(line(&to), "*2");
        (void)line(&to);
        (void)line(&to);
        must_begin(line(&to), "$");
        const char *const job = bytes(&to, set->payload_bytes + 2);
        saw(job);
        say_text(&to, "*3\r\n$5\r\nRPUSH\r\n$1\r\nr\r\n$16\r\n");
        say(&to, job, 16);
        say(&to, "\r\n", 2);
    }
    flush(&to);
    must_begin(line(&to), ":");
    wire_close(&to);
}

static void
redis_trip(wire *to, settings *set, uint64_t number)
{
    redis_push(to, 1);
    redis_value(to, set, number);
    say_text(to, "*3\r\n$5\r\nBLPOP\r\n$1\r\nr\r\n$1\r\n0\r\n");
    flush(to);
    must_begin(line(to), ":");
    must_begin(line(to), "*2");
    (void)line(to);
    (void)line(to);
    must_begin(line(to), "$16");
    if (memcmp(bytes(to, 18), set->payload, 16) != 0)
        fail("another job's result came back");
}

/* ------------------------------------------------------------------------------------- beanstalkd
 */

static void
beanstalkd_put(wire *to, settings *set, uint64_t number)
{
    say_format(to, "put 0 0 60 %zu\r\n", set->payload_bytes);
    say(to, payload(set, number), set->payload_bytes);
    say(to, "\r\n", 2);
}

static void
beanstalkd_put_answer(wire *from, const settings *set, uint64_t number)
{
    (void)set;
    (void)number;
    must_begin(line(from), "INSERTED");
}

static void
beanstalkd_take(settings *set)
{
    wire to;
    uint64_t asked = 0;
    uint64_t taken = 0;
    uint64_t deleted = 0;
    wire_open(&to, set);
    while (deleted < set->jobs) {
        for (; asked < set->depth && taken + asked < set->jobs; asked++)
            say_text(&to, "reserve\r\n");
        flush(&to);
        do {
            const char *const head = line(&to);
            if (begins(head, "DELETED")) {
                deleted++;
                continue;
            }
            must_begin(head, "RESERVED ");
            char *size = NULL;
            const unsigned long long id = strtoull(head + 9, &size, 10);
            saw(bytes(&to, (size_t)number_of(size) + 2));
            asked--;
            taken++;
            say_format(&to, "delete %llu\r\n", id);
        } while (has_input(&to));
    }
    wire_close(&to);
}

/* ------------------------------------------------------------------------------------- gearmand
 *
 * Background jobs: nobody waits for their result. WORK_COMPLETE is not answered; an ECHO behind the
 * last one is. */

enum {
    GEARMAN_CAN_DO = 1,
    GEARMAN_PRE_SLEEP = 4,
    GEARMAN_NOOP = 6,
    GEARMAN_JOB_CREATED = 8,
    GEARMAN_GRAB_JOB = 9,
    GEARMAN_NO_JOB = 10,
    GEARMAN_JOB_ASSIGN = 11,
    GEARMAN_WORK_COMPLETE = 13,
    GEARMAN_ECHO = 16,
    GEARMAN_ECHO_ANSWER = 17,
    GEARMAN_SUBMIT_BACKGROUND = 18,
};

static void
gearman_say(wire *to, uint32_t type, size_t size)
{
    const uint32_t words[] = {htonl(type), htonl((uint32_t)size)};
    say(to, "\0REQ", 4);
    say(to, words, sizeof words);
}

/* The type of the next packet; its bytes are valid until the next read. */
static uint32_t
gearman_read(wire *from, char **data, size_t *size)
{
    uint32_t words[3];
    memcpy(words, bytes(from, sizeof words), sizeof words);
    if (memcmp(words, "\0RES", 4) != 0)
        fail("gearmand answers something else");
    *size = ntohl(words[2]);
    *data = bytes(from, *size);
    return ntohl(words[1]);
}

static void
gearmand_put(wire *to, settings *set, uint64_t number)
{
    gearman_say(to, GEARMAN_SUBMIT_BACKGROUND, 3 + set->payload_bytes);
    say(to, "f\0", 3); /* function and an empty key */
    say(to, payload(set, number), set->payload_bytes);
}

static void
gearmand_put_answer(wire *from, const settings *set, uint64_t number)
{
    char *data;
    (void)set;
    (void)number;
    size_t size;
    if (gearman_read(from, &data, &size) != GEARMAN_JOB_CREATED)
        fail("gearmand did not take a job");
}

static void
gearmand_complete(wire *to, const char *job)
{
    const size_t size = strlen(job) + 1; /* the handle with its end; no result */
    gearman_say(to, GEARMAN_WORK_COMPLETE, size);
    say(to, job, size);
}

/* A queue that has run dry is waited for: PRE_SLEEP is answered by NOOP when there is a job. */
static void
gearmand_take(settings *set)
{
    wire to;
    char *data;
    size_t size;
    bool dry = false;
    uint64_t asked = 0;
    uint64_t taken = 0;
    wire_open(&to, set);
    gearman_say(&to, GEARMAN_CAN_DO, 1);
    say(&to, "f", 1);
    while (taken < set->jobs) {
        for (; !dry && asked < set->depth && taken + asked < set->jobs; asked++)
            gearman_say(&to, GEARMAN_GRAB_JOB, 0);
        if (dry && asked == 0)
            gearman_say(&to, GEARMAN_PRE_SLEEP, 0);
        flush(&to);
        do {
            const uint32_t type = gearman_read(&to, &data, &size);
            if (type == GEARMAN_NOOP) {
                dry = false;
                continue;
            }
            asked--;
            dry = type == GEARMAN_NO_JOB;
            if (dry)
                continue;
            if (type != GEARMAN_JOB_ASSIGN)
                fail("gearmand sent packet %u", type);
            taken++;
            saw(data + size - set->payload_bytes);
            gearmand_complete(&to, data);
        } while (has_input(&to));
    }
    gearman_say(&to, GEARMAN_ECHO, 1);
    say(&to, "e", 1);
    flush(&to);
    while (gearman_read(&to, &data, &size) != GEARMAN_ECHO_ANSWER)
        continue;
    wire_close(&to);
}

/* ------------------------------------------------------------------------------------- nats
 *
 * JetStream: a stream with work-queue retention, acknowledged publishes, and a push consumer with
 * explicit acknowledgements, all by the text protocol. */

static void
nats_open(wire *to, const settings *set)
{
    wire_open(to, set);
    must_begin(line(to), "INFO ");
    say_text(to, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
}

/* The payload's size of the next message; its subjects are in head, terminated. */
static size_t
nats_message(wire *to, char *head, size_t head_size)
{
    for (;;) {
        char *const text = line(to);
        if (begins(text, "PING")) {
            say_text(to, "PONG\r\n");
            continue;
        }
        if (begins(text, "PONG"))
            continue;
        must_begin(text, "MSG ");
        (void)snprintf(head, head_size, "%s", text);
        const char *const size = strrchr(text, ' ');
        return (size_t)number_of(size + 1);
    }
}

static void
nats_request(wire *to, const char *subject, const char *json, char *answer, size_t answer_size)
{
    char head[512];
    say_format(to, "PUB %s api %zu\r\n%s\r\n", subject, strlen(json), json);
    flush(to);
    const size_t size = nats_message(to, head, sizeof head);
    const char *const text = bytes(to, size + 2);
    (void)snprintf(answer, answer_size, "%.*s", (int)size, text);
    if (strstr(answer, "\"error\"") != NULL)
        fail("%s: %.300s", subject, answer);
}

static void
nats_prepare(const settings *set)
{
    wire to;
    char json[512];
    char answer[4096];
    nats_open(&to, set);
    say_text(&to, "SUB api 1\r\n");
    (void)snprintf(json, sizeof json,
                   "{\"name\":\"J\",\"subjects\":[\"j\"],\"retention\":\"workqueue\","
                   "\"storage\":\"%s\",\"max_msgs\":-1,\"max_bytes\":-1,\"num_replicas\":1}",
                   set->file ? "file" : "memory");
    nats_request(&to, "$JS.API.STREAM.CREATE.J", json, answer, sizeof answer);
    (void)snprintf(json, sizeof json,
                   "{\"stream_name\":\"J\",\"config\":{\"durable_name\":\"C\","
                   "\"deliver_subject\":\"d\",\"ack_policy\":\"explicit\",\"max_ack_pending\":%llu,"
                   "\"deliver_policy\":\"all\",\"replay_policy\":\"instant\"}}",
                   (unsigned long long)set->depth * 4);
    nats_request(&to, "$JS.API.CONSUMER.DURABLE.CREATE.J.C", json, answer, sizeof answer);
    wire_close(&to);
}

static void
nats_put(wire *to, settings *set, uint64_t number)
{
    if (number == 0) {
        must_begin(line(to), "INFO ");
        say_text(to, "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB a 1\r\n");
    }
    say_format(to, "PUB j a %zu\r\n", set->payload_bytes);
    say(to, payload(set, number), set->payload_bytes);
    say(to, "\r\n", 2);
}

static void
nats_put_answer(wire *from, const settings *set, uint64_t number)
{
    char head[512];
    (void)set;
    (void)number;
    const size_t size = nats_message(from, head, sizeof head);
    if (memmem(bytes(from, size + 2), size, "\"seq\":", 6) == NULL)
        fail("nats did not take a job");
}

static void
nats_take(settings *set)
{
    wire to;
    char head[512];
    char answer[4096];
    nats_open(&to, set);
    say_text(&to, "SUB d 1\r\nSUB api 2\r\n");
    flush(&to);
    for (uint64_t taken = 0; taken < set->jobs; taken++) {
        if (!has_input(&to))
            flush(&to);
        const size_t size = nats_message(&to, head, sizeof head);
        saw(bytes(&to, size + 2));
        char *const reply = strstr(head, "$JS.ACK");
        if (reply == NULL)
            fail("a message without a subject to acknowledge: %.200s", head);
        reply[strcspn(reply, " ")] = '\0';
        say_format(&to, "PUB %s 4\r\n+ACK\r\n", reply);
    }
    do /* the last ones have been acted on when the stream is empty */
        nats_request(&to, "$JS.API.STREAM.INFO.J", "", answer, sizeof answer);
    while (strstr(answer, "\"messages\":0,") == NULL);
    wire_close(&to);
}

/* ------------------------------------------------------------------------------------- measuring
 */

static const struct system {
    const char *name;
    put_one *put;
    put_answer *answer;
    void (*take)(settings *set);
    void (*prepare)(const settings *set);
} systems[] = {
    {"redis",      redis_put,      redis_put_answer,      redis_take,      NULL        },
    {"beanstalkd", beanstalkd_put, beanstalkd_put_answer, beanstalkd_take, NULL        },
    {"gearmand",   gearmand_put,   gearmand_put_answer,   gearmand_take,   NULL        },
    {"nats",       nats_put,       nats_put_answer,       nats_take,       nats_prepare},
};

static pid_t
start(void (*run)(settings *set), settings *set)
{
    const pid_t pid = fork();
    if (pid < 0)
        fail("no process");
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    run(set);
    must_have_seen_all(set);
    _exit(0);
}

static int
end(pid_t pid)
{
    int status;
    return waitpid(pid, &status, 0) != pid || status != 0;
}

static int
by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int
measure_latency(settings *set)
{
    wire to;
    int64_t *const trips_ns = calloc(set->jobs, sizeof *trips_ns);
    if (trips_ns == NULL || strcmp(set->system, "redis") != 0)
        fail("--latency is there for redis only");
    const pid_t worker = start(redis_echo, set);
    wire_open(&to, set);
    for (uint64_t i = 0; i < set->jobs; i++) {
        const int64_t from_ns = now_ns();
        redis_trip(&to, set, i);
        trips_ns[i] = now_ns() - from_ns;
    }
    wire_close(&to);
    const int failed = end(worker);
    qsort(trips_ns, set->jobs, sizeof *trips_ns, by_value);
    const int64_t p50_ns = trips_ns[set->jobs / 2];
    const int64_t p99_ns = trips_ns[set->jobs * 99 / 100];
    (void)printf("{\"system\":\"%s\",\"jobs\":%llu,\"p50_us\":%.1f,\"p99_us\":%.1f}\n", set->system,
                 (unsigned long long)set->jobs, (double)p50_ns * 1e-3, (double)p99_ns * 1e-3);
    free(trips_ns);
    return failed;
}

static int
measure(settings *set, const struct system *system)
{
    wire to;
    if (system->prepare != NULL)
        system->prepare(set);
    const int64_t from_ns = now_ns();
    const pid_t taker = start(system->take, set);
    wire_open(&to, set);
    put_all(&to, set, system->put, system->answer);
    const int failed = end(taker);
    const double seconds = (double)(now_ns() - from_ns) * 1e-9;
    wire_close(&to);
    if (!failed)
        (void)printf(
            "{\"system\":\"%s\",\"jobs\":%llu,\"seconds\":%.6f,\"jobs_per_second\":%.0f}\n",
            set->system, (unsigned long long)set->jobs, seconds, (double)set->jobs / seconds);
    return failed;
}

static int
run(settings *set)
{
    if (set->system == NULL || set->port == 0)
        fail("--system and --port are needed");
    if (set->latency)
        return measure_latency(set);
    for (size_t i = 0; i < sizeof systems / sizeof *systems; i++) {
        if (strcmp(systems[i].name, set->system) == 0)
            return measure(set, &systems[i]);
    }
    fail("no system \"%s\"", set->system);
}

int
main(int argc, char **argv)
{
    static settings set;
    int status = 2;
    leat_options *options = NULL;
    if (leat_options_new(rows, sizeof rows / sizeof *rows, &options) != LEAT_ERR_OK)
        return 1;
    if (leat_options_read_arguments(options, argc, argv, false) != LEAT_ERR_OK) {
        (void)fprintf(stderr, "others: %s\n", leat_options_why(options));
    } else if (leat_options_flag(options, "help")) {
        (void)printf("others [OPTIONS]: what another system does with the same jobs\n\n");
        leat_options_print_help(options, stdout);
        status = 0;
    } else {
        set.system = leat_options_text(options, "system");
        set.port = (uint16_t)leat_options_number(options, "port");
        set.jobs = leat_options_number(options, "jobs");
        set.depth = leat_options_number(options, "depth");
        set.payload_bytes = (size_t)leat_options_number(options, "payload");
        set.file = leat_options_flag(options, "file");
        set.latency = leat_options_flag(options, "latency");
        memset(set.payload, 'x', PAYLOAD_MAX);
        status = run(&set);
    }
    leat_options_destroy(&options);
    return status;
}
