/* The worker's beat under the thread sanitizer: the loop turns as fast as it can, changes its
 * session all the time, and ends the beat at every moment of a connection. Criterion cannot run
 * under it, so this is a plain program: it ends with 0 when each session was named by a connection
 * of its own and a heartbeat has come that says what the loop said. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/router.h"
#include "worker/beat.h"

#define BEATS    20U
#define SESSIONS 10U /* of each beat */
#define STARTED  7U
#define WAIT_MS  20000

/* The sanitizer does not see how libzmq hands a message from thread to thread. What the loop and
 * the beat share by themselves has no function of libzmq in it. */
/* NOLINTBEGIN: the name is the sanitizer's */
const char *__tsan_default_suppressions(void);
const char *
__tsan_default_suppressions(void)
{
    return "race:libzmq.so\n";
}
/* NOLINTEND */

static leat_router router;
static leat_hello hello;
static uint32_t named;

/* The next frame from the beat; the loop turns meanwhile. */
static bool
read_frame(leat_beat *beat, leat_router_frame *frame)
{
    for (int waited_ms = 0; waited_ms < WAIT_MS; waited_ms++) {
        leat_beat_turn(beat, STARTED, 1);
        if (leat_router_read(&router, 1, frame))
            return true;
    }
    return false;
}

/* Give the beat a session and wait for the connection that names it. */
static bool
change_session(leat_beat *beat)
{
    const leat_session_id session = leat_session_id_new();
    leat_router_frame frame;
    bool found = false;
    leat_beat_set_session(beat, &session, router.endpoint);
    while (!found && read_frame(beat, &frame)) {
        if (frame.head.command == LEAT_CMD_HELLO) {
            leat_hello *const read = leat_router_hello(&frame);
            found = read->role == LEAT_ROLE_BEAT &&
                    memcmp(&read->session, &session, sizeof session) == 0;
            free(read);
            leat_router_welcome(&router, true);
        }
        leat_router_frame_fini(&frame);
    }
    named += found;
    return found;
}

static bool
has_beaten(leat_beat *beat)
{
    leat_router_frame frame;
    bool found = false;
    while (!found && read_frame(beat, &frame)) {
        leat_heartbeat heartbeat;
        if (frame.head.command == LEAT_CMD_HEARTBEAT)
            found = leat_heartbeat_open(frame.body, frame.size, &heartbeat) == LEAT_ERR_OK &&
                    heartbeat.started == STARTED && heartbeat.running == 1;
        leat_router_frame_fini(&frame);
    }
    return found;
}

int
main(void)
{
    leat_beat_process_init();
    leat_router_init(&router, "tcp://127.0.0.1:0");
    hello = (leat_hello){.pid = getpid(), .name = "w", .host = "h", .software = "leat test"};

    bool beaten = true;
    for (uint32_t i = 0; i < BEATS; i++) {
        leat_beat *beat;
        if (leat_beat_new(&hello, NULL, &beat) != LEAT_ERR_OK)
            return EXIT_FAILURE;
        for (uint32_t j = 0; j < i % SESSIONS; j++) {
            if (!change_session(beat))
                return EXIT_FAILURE;
        }
        if (i + 1 == BEATS)
            beaten = has_beaten(beat);
        leat_beat_destroy(&beat);
    }
    leat_router_fini(&router);

    (void)printf("%u sessions, %s\n", named, beaten ? "a heartbeat" : "no heartbeat");
    return beaten ? EXIT_SUCCESS : EXIT_FAILURE;
}
