/* JSON for --json: one value on stdout, or one a line where it streams. */
#ifndef LEAT_CLI_JSON_H
#define LEAT_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cjson/cJSON.h>

/* Print json on one line and free it; *json_p is NULL afterwards. NULL (memory ran out while it was
 * made) and a failed print are false. */
bool leat_json_print(cJSON **json_p, FILE *out);

/* Add an id as a string of digits. */
void leat_json_put_id(cJSON *object, const char *key, uint64_t id);

/* Add bytes: as text under `key` when they are UTF-8 without NUL, else as base64 under `key_b64`.
 */
void leat_json_put_bytes(cJSON *object, const char *key, const void *data, size_t size);

/* Add a wall time (ms since 1970) as RFC 3339 in UTC with ms. */
void leat_json_put_time(cJSON *object, const char *key, int64_t wall_ms);

/* The broker writes counters as strings, since they have 64 bits; what is shown has numbers. Ids
 * and names stay strings. Changes the whole tree. */
void leat_json_counts(cJSON *json);

/* The broker gives durations and times in ms ("grace_ms", "next_ms"); what is shown has seconds as
 * "grace_s", and times as RFC 3339 ("next"), null where there is none. Changes the whole tree. */
void leat_json_times(cJSON *json);

/* A counter of an answer, given as number or as string of digits; 0 when there is none. */
uint64_t leat_json_count(const cJSON *object, const char *key);
/* A figure; `otherwise` when there is none. */
double leat_json_real(const cJSON *object, const char *key, double otherwise);
/* A text; "" when there is none. Borrowed from object. */
const char *leat_json_string(const cJSON *object, const char *key);

/* Write base64 with padding; out has room for (size + 2) / 3 * 4 + 1 bytes. */
void leat_base64(const void *data, size_t size, char *out);

#endif
