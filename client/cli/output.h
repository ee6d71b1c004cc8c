/* leat_output: what a command has printed, shown to people: its stdout on stdout, its stderr on
 * stderr, and a line where something was cut out. */
#ifndef LEAT_CLI_OUTPUT_H
#define LEAT_CLI_OUTPUT_H

#include "client/cli/cli.h"
#include "proto/exec.h"

/* The result of a command; false: of something else. */
bool leat_output_read(const leat_completed *done, leat_ending *out);

/* Both streams of it. A last line without an end gets none on stdout. tag: stands before each line
 * ("42/3\t"), "" for none. */
void leat_output_show(const leat_ending *ending, const char *tag);

/* stdout alone. */
void leat_output_show_stdout(const leat_ending *ending);

/* A stream as it was, and a line where something was cut out. */
void leat_output_write(const leat_ending_stream *stream, FILE *out);

/* The result of something else than a command, on stdout: its last line gets an end. */
void leat_output_show_result(const leat_completed *done, const char *tag);

/* What is known of it, into an object: exit or signal, stdout, stderr, what was cut. */
void leat_output_json(cJSON *json, const leat_ending *ending);

/* Why a job did not end well, for people: "exit 1", "killed by SIGSEGV", …, or the words that came
 * with it; made safe to show. "" when there is nothing. */
void leat_output_reason(const leat_completed *done, bool utf8, char *out, size_t size);

#endif
