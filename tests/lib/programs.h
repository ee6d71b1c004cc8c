/* Real programs for tests: a broker and workers of the build under test, in a directory of their
 * own, started, killed and started again. Everything that is still alive ends with programs_fini,
 * and with the test's process in any case (parent-death signal). */
#ifndef LEAT_TEST_PROGRAMS_H
#define LEAT_TEST_PROGRAMS_H

#include <stdbool.h>
#include <sys/types.h>

#define PROGRAMS_WORKERS_MAX 8

typedef struct programs {
    char dir[64]; /* holds store/, *.log, the socket */
    char broker_url[128];
    char keys[96]; /* keys directory: the broker is started with it, "": none */
    pid_t broker;  /* 0: not running */
    pid_t workers[PROGRAMS_WORKERS_MAX];
} programs;

/* A new directory; the broker will listen on an ipc socket in it. */
void programs_init(programs *p);
void programs_fini(programs *p);

/* Start the broker on the same store and address as before, and wait until it listens. */
void programs_start_broker(programs *p);
/* kill -9 and wait. */
void programs_kill_broker(programs *p);
/* SIGTERM and wait; its exit code. */
int programs_stop_broker(programs *p);

/* Start worker number i with so many slots. extra: more arguments, NULL-terminated, or NULL. */
void programs_start_worker(programs *p, int i, int slots);
/* Start it as worker number i, with these arguments. */
void programs_start_program(programs *p, int i, const char *program, const char *const argv[]);
void programs_kill_worker(programs *p, int i);
int programs_stop_worker(programs *p, int i);
/* Wait until it has ended by itself; its exit code. */
int programs_wait_worker(programs *p, int i);

/* Run a program of the build (or one with an absolute path) with arguments to its end; stderr and
 * stdout into out (terminated, cut at size). Its exit code, or 128 + signal. */
int
programs_run(programs *p, char *out, size_t size, const char *program, const char *const argv[]);

/* The same with the two streams apart; stderr may have at most what a pipe holds. */
typedef struct programs_output {
    char out[16384];
    char err[16384];
} programs_output;
int programs_run_apart(programs *p,
                       programs_output *output,
                       const char *program,
                       const char *const argv[]);

/* What a program has logged, for messages: "broker" or "w0". Static storage. */
const char *programs_log(const programs *p, const char *name);

#endif
