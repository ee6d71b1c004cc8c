/* spawn N P PROGRAM [ARGUMENT]: run PROGRAM N times by posix_spawn, P at a time, and print runs/s.
 * What a machine can do at all: the yardstick of commands as jobs. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int
main(int argc, char *argv[])
{
    if (argc != 4 && argc != 5) {
        (void)fprintf(stderr, "usage: spawn N P PROGRAM [ARGUMENT]\n");
        return 2;
    }
    const long runs = strtol(argv[1], NULL, 10);
    const long at_once = strtol(argv[2], NULL, 10);
    char *const words[] = {argv[3], argv[4], NULL}; /* argv ends with NULL */
    long started = 0;
    long ended = 0;
    const double begin_s = now_s();
    while (ended < runs) {
        pid_t pid;
        if (started < runs && started - ended < at_once) {
            const int error = posix_spawn(&pid, argv[3], NULL, NULL, words, environ);
            if (error != 0) {
                (void)fprintf(stderr, "spawn: %s: error %d\n", argv[3], error);
                return 1;
            }
            started++;
        } else if (wait(NULL) > 0) {
            ended++;
        }
    }
    (void)printf("%.0f\n", (double)runs / (now_s() - begin_s));
    return 0;
}
