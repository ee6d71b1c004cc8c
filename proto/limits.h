/* Every limit of the system, and how they hang together. A limit that a peer can meet is answered
 * with an error of err.h; WELCOME tells the peer those that it has to keep. */
#ifndef LEAT_LIMITS_H
#define LEAT_LIMITS_H

#include <assert.h>
#include <stdint.h>

/* ---- bytes ---- */
#define LEAT_NAME_BYTES_MAX    128U     /* channel, handler, worker, batch name */
#define LEAT_PAYLOAD_BYTES_MAX 1048576U /* 1 MiB: payload of a job, its result, a message */
#define LEAT_FRAME_BYTES_CLOSE 262144U  /* 256 KiB: a frame is closed when it has grown to this */
/* The largest frame that is read: one full frame and one more record of the largest size. */
#define LEAT_FRAME_BYTES_MAX (LEAT_FRAME_BYTES_CLOSE + LEAT_PAYLOAD_BYTES_MAX + 4096U)
/* What libzmq lets through, so that small excesses are answered TOO_LARGE instead of a cut. */
#define LEAT_WIRE_BYTES_MAX       (LEAT_FRAME_BYTES_MAX + 65536U)
#define LEAT_JSON_BYTES_MAX       65536U
#define LEAT_JSON_DEPTH_MAX       16U
#define LEAT_JSON_TOKENS_MAX      10000U
#define LEAT_SENTENCE_BYTES_MAX   512U /* the text of an error */
#define LEAT_URL_BYTES_MAX        256U
#define LEAT_CHECKPOINT_BYTES_MAX 65536U /* 64 KiB: what a job leaves for its next attempt */
#define LEAT_PROGRESS_TEXT_MAX    256U   /* the words beside a progress */
#define LEAT_LABELS_BYTES_MAX     255U   /* of a batch, all together */
#define LEAT_LOG_BYTES_MAX        16384U /* one piece of a running job's output */
/* Of what a command prints is kept; the rest of a result is its sentence and what happened. */
#define LEAT_EXEC_OUTPUT_MAX (LEAT_PAYLOAD_BYTES_MAX - 1024U)

/* ---- counts ---- */
#define LEAT_RECORDS_MAX        8192U    /* records of one frame, jobs of one run */
#define LEAT_WINDOW_FRAMES      1024U    /* sequenced frames without a read answer, a session */
#define LEAT_OUT_FRAMES         8U       /* frames on their way to a peer that has not confirmed */
#define LEAT_OUT_BYTES          2097152U /* 2 MiB */
#define LEAT_HANDLERS_MAX       256U     /* handlers of one worker */
#define LEAT_CHANNELS_MAX       100000U
#define LEAT_SUBSCRIPTIONS_MAX  64U /* channels that one worker serves */
#define LEAT_TRAITS_MAX         32U
#define LEAT_SLOTS_MAX          1000000U
#define LEAT_WAITS_MAX          65536U /* batches and channels that one session waits for */
#define LEAT_FAILURES_DEFAULT   3U
#define LEAT_LOSSES_DEFAULT     5U
#define LEAT_SNOOZES_DEFAULT    1000U
#define LEAT_SETTINGS_BYTES_MAX 16384U    /* of one SEND */
#define LEAT_EXEC_WORDS_MAX     65536U    /* words of a command, variables that it is given */
#define LEAT_FINALLY_MAX        8U        /* jobs that follow one job */
#define LEAT_NEEDS_MAX          8U        /* amounts that one job asks for, traits as well */
#define LEAT_LABELS_MAX         8U        /* of a batch */
#define LEAT_HAVES_MAX          32U       /* amounts that one worker has */
#define LEAT_CASES_MAX          64U       /* of one select */
#define LEAT_PARKED_BYTES_MAX   16777216U /* frames of one session that wait in line */
#define LEAT_CLASSES_MAX        262144U
#define LEAT_AFTERS_MAX         64U     /* other batches that one batch waits for */
#define LEAT_DEAD_MAX           100000U /* dead jobs that are kept for a person */
#define LEAT_BATCHES_KEPT_MAX   100000U /* records of finished batches */
#define LEAT_SCHEDULES_MAX      10000U
#define LEAT_WATCHES_MAX        1024U   /* batches and jobs that one session watches */
#define LEAT_NEWS_MAX           1024U   /* things that have happened and are still told */
#define LEAT_TOLD_JOBS_MAX      100000U /* jobs whose progress is kept … */
#define LEAT_CHECKPOINTS_MAX    100000U /* … and whose checkpoint is */
#define LEAT_FAILURES_KEPT      8U /* attempts of one job of which is kept how they failed … */
#define LEAT_FAILING_MAX        100000U /* … and live jobs of which that is */
#define LEAT_PRIORITIES         10U
#define LEAT_PRIORITY_DEFAULT   5U

/* ---- time, ms ---- */
#define LEAT_HEARTBEAT_BUSY_MS  1000 /* a session with leases */
#define LEAT_HEARTBEAT_IDLE_MS  5000
#define LEAT_LOST_MS            10000   /* silence after which a session's leases return */
#define LEAT_GONE_GRACE_MS      1000    /* a connection seen gone has this to come back */
#define LEAT_RESTART_GRACE_MS   30000   /* after a broker restart, sessions with leases */
#define LEAT_SESSION_MS         3600000 /* a session without a frame is forgotten */
#define LEAT_RECONNECT_MS_MIN   100
#define LEAT_RECONNECT_MS_MAX   2000
#define LEAT_CONNECT_TIMEOUT_MS 2000
#define LEAT_BACKOFF_MIN_MS     1000   /* wait after the first failure … */
#define LEAT_BACKOFF_MAX_MS     600000 /* … and at most, unless a setting says otherwise */
#define LEAT_GRACE_MS_MAX       3600000
#define LEAT_WALL_MS_MAX        253402300799999LL /* the end of the year 9999 */
#define LEAT_GRACE_MS_DEFAULT   5000          /* from being told to stop to being ended by force */
#define LEAT_STOP_MARGIN_MS     10000         /* so much longer an answer to STOP is waited for */
#define LEAT_AGING_MS           30000         /* waiting so long is worth one priority */
#define LEAT_DEAD_MS_MAX        604800000LL   /* 7 days */
#define LEAT_BATCH_MS_MAX       86400000LL    /* 24 hours: the record of a finished batch */
#define LEAT_QUANTUM_US         5000          /* run time with which a worker is filled ahead */
#define LEAT_TRIP_MS_MAX        500           /* way to a worker and back that is made up for */
#define LEAT_DELAY_MS_MAX       31622400000LL /* 366 days */

/* ---- ids ---- */
#define LEAT_ID_SEQUENCE_BITS 52
#define LEAT_ID_RESERVE       (1ULL << 20) /* ids are reserved in durable blocks of this many */
#define LEAT_ID_RESTORE_SKIP  (1ULL << 32) /* ids that are left out after a restore */
#define LEAT_CHUNK_IDS        32U          /* ids that leave the store together */

/* ---- room on the disk ---- */
#define LEAT_ROOM_RESULT_BYTES 256U /* a result up to this has its place from the beginning */
#define LEAT_ROOM_TURN_BYTES                                                        \
    LEAT_FRAME_BYTES_MAX            /* what a turn may take beside what is promised \
                                     */
#define LEAT_ROOM_SEND_TURNS    3U  /* so many of these stay free when jobs are taken in, … */
#define LEAT_ROOM_RESULT_TURNS  2U  /* … when a large result is, … */
#define LEAT_ROOM_COMMAND_TURNS 1U  /* … when a command wants something written */
#define LEAT_ROOM_CHUNKS_MAX    64U /* chunks of ids that leave a full disk in one turn */

/* ---- turn ---- */
#define LEAT_TURN_FRAMES_MAX 256U      /* frames that are read in one turn */
#define LEAT_TURN_BYTES_MAX  16777216U /* … and bytes, but for the last of them */
#define LEAT_TURN_ENDS_MAX   2000U

static_assert(LEAT_NAME_BYTES_MAX <= UINT8_MAX, "names travel with a u8 length");
static_assert(LEAT_LABELS_BYTES_MAX <= UINT8_MAX, "labels are stored with a u8 length");
static_assert(LEAT_SETTINGS_BYTES_MAX <= UINT16_MAX, "settings travel with a u16 length");
static_assert(LEAT_RECORDS_MAX <= UINT16_MAX, "the header counts records in a u16");
static_assert(LEAT_CLASSES_MAX >= 2 * LEAT_CHANNELS_MAX, "a channel has a class, or some");
static_assert(LEAT_OUT_BYTES >= LEAT_FRAME_BYTES_MAX, "one frame of any legal size fits");
static_assert(LEAT_FRAME_BYTES_CLOSE > LEAT_CHECKPOINT_BYTES_MAX + LEAT_LOG_BYTES_MAX,
              "a job of the largest payload and its checkpoint fit into a frame");
static_assert(LEAT_WIRE_BYTES_MAX > LEAT_FRAME_BYTES_MAX, "an excess can be answered");
static_assert(LEAT_SENTENCE_BYTES_MAX + 64U <= 1024U, "a sentence fits beside the output");
static_assert(LEAT_HEARTBEAT_IDLE_MS * 2 <= LEAT_LOST_MS, "two beats may be lost");

#endif
