/* The shape of what is counted, for both programs. */
#ifndef LEAT_COUNT_SHAPE_H
#define LEAT_COUNT_SHAPE_H

#define FRAME_JOBS    500U
#define TURN_JOBS     2000U
#define WARM_TURNS    2U /* the core's are not counted: tables grow, the batch is opened */
#define PAYLOAD_BYTES 64U
#define COMMAND_AT    3U /* in a frame's header */

#endif
