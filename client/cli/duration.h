/* Durations for people. Each function writes into out, always terminated, and returns it. */
#ifndef LEAT_CLI_DURATION_H
#define LEAT_CLI_DURATION_H

#include <stddef.h>

#define LEAT_DURATION_BYTES 32U

/* "0.4s", "9.8s", "42s", "12m5s", "3h12m", "5d3h"; "-" for a negative one (not known). */
const char *leat_duration_short(double seconds, char out[LEAT_DURATION_BYTES]);

/* As a clock shows it: "0:09", "12:05", "1:02:03"; "-" for a negative one. */
const char *leat_duration_clock(double seconds, char out[LEAT_DURATION_BYTES]);

/* In a sentence: "0.31 s", "4.4 s", "250 s", then "12 min 5 s", "3 h 12 min". */
const char *leat_duration_spoken(double seconds, char out[LEAT_DURATION_BYTES]);

#endif
