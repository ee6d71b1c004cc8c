/* The two clocks. Only loops and programs read them; the machines get the time as an argument.
 *
 * mono: time since some start, never set back; for durations and deadlines. wall: calendar time
 * since 1970 in UTC, may jump; for records, logs, delays until a date. */
#ifndef LEAT_CLOCK_H
#define LEAT_CLOCK_H

#include <stdint.h>

int64_t leat_clock_mono_ms(void);
int64_t leat_clock_mono_us(void);
int64_t leat_clock_wall_ms(void);

#endif
