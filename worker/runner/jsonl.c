/* Lines of JSON, in and out. See jsonl.h. */
#include "worker/runner/jsonl.h"

#include <stdio.h>

#include "proto/control.h"
#include "proto/scan.h"

#define EXACT_MAX (1LL << 53) /* beyond it a JSON number skips whole ones */

static_assert(LEAT_JSONL_WHY_BYTES == LEAT_WHY_BYTES, "half a sentence is as long everywhere");

/* ----------------------------------------------------------------------------------------- in */

static const struct {
    leat_jsonl_kind kind;
    const char *key;
    const char *coded; /* its other name; NULL: it has none */
} words[] = {
    {LEAT_JSONL_RESULT,     "result",     "result_b64"    },
    {LEAT_JSONL_FAIL,       "fail",       "fail_b64"      },
    {LEAT_JSONL_FATAL,      "fatal",      "fatal_b64"     },
    {LEAT_JSONL_SNOOZE,     "snooze_ms",  NULL            },
    {LEAT_JSONL_PROGRESS,   "progress",   NULL            },
    {LEAT_JSONL_LOG,        "log",        "log_b64"       },
    {LEAT_JSONL_CHECKPOINT, "checkpoint", "checkpoint_b64"},
};

#define WORDS (sizeof words / sizeof *words)

static bool
has(const cJSON *json, const char *key)
{
    return key != NULL && cJSON_GetObjectItemCaseSensitive(json, key) != NULL;
}

/* Which one of the words the line holds; WORDS: none, or more than one, and why says so. */
static size_t
find_word(const cJSON *json, char why[LEAT_JSONL_WHY_BYTES])
{
    size_t found = WORDS;
    for (size_t i = 0; i < WORDS; i++) {
        if (!has(json, words[i].key) && !has(json, words[i].coded))
            continue;
        if (found < WORDS) {
            (void)leat_scan_refuse(LEAT_ERR_MALFORMED, why, "\"%s\" and \"%s\" in one line",
                                   words[found].key, words[i].key);
            return WORDS;
        }
        found = i;
    }
    if (found == WORDS)
        (void)leat_scan_refuse(LEAT_ERR_MALFORMED, why,
                               "none of result, fail, fatal, snooze_ms, progress, log, checkpoint");
    return found;
}

static leat_err
read_data(const cJSON *json, const char *key, leat_buf *data, char why[LEAT_JSONL_WHY_BYTES])
{
    if (!leat_json_bytes(json, key, data))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "\"%s\" is not text, or \"%s_b64\" base64",
                                key, key);
    return data->failed ? leat_scan_refuse(LEAT_ERR_NOMEM, why, "out of memory") : LEAT_ERR_OK;
}

static leat_err
read_number(const cJSON *json,
            const char *key,
            int64_t max,
            uint64_t *number,
            char why[LEAT_JSONL_WHY_BYTES])
{
    int64_t value;
    if (!leat_json_int(json, key, 0, max, &value))
        return leat_scan_refuse(LEAT_ERR_MALFORMED, why, "\"%s\" is not a whole number up to %lld",
                                key, (long long)max);
    *number = (uint64_t)value;
    return LEAT_ERR_OK;
}

static leat_err
read_progress(const cJSON *json, leat_jsonl_answer *answer, char why[LEAT_JSONL_WHY_BYTES])
{
    leat_err err = read_number(json, "progress", EXACT_MAX, &answer->done, why);
    if (err == LEAT_ERR_OK && has(json, "of"))
        err = read_number(json, "of", EXACT_MAX, &answer->of, why);
    if (err == LEAT_ERR_OK)
        err = read_data(json, "message", &answer->data, why);
    return err;
}

/* What is shown as lines ends with one. */
static leat_err
end_line(leat_buf *data, char why[LEAT_JSONL_WHY_BYTES])
{
    if (data->size == 0 || data->data[data->size - 1] != '\n')
        leat_put_u8(data, '\n');
    return data->failed ? leat_scan_refuse(LEAT_ERR_NOMEM, why, "out of memory") : LEAT_ERR_OK;
}

static leat_err
read_word(const cJSON *json, size_t word, leat_jsonl_answer *answer, char why[LEAT_JSONL_WHY_BYTES])
{
    answer->kind = words[word].kind;
    if (answer->kind == LEAT_JSONL_SNOOZE)
        return read_number(json, words[word].key, LEAT_DELAY_MS_MAX, &answer->delay_ms, why);
    if (answer->kind == LEAT_JSONL_PROGRESS)
        return read_progress(json, answer, why);
    const leat_err err = read_data(json, words[word].key, &answer->data, why);
    if (err == LEAT_ERR_OK && answer->kind == LEAT_JSONL_LOG)
        return end_line(&answer->data, why);
    if (err == LEAT_ERR_OK && answer->kind == LEAT_JSONL_CHECKPOINT &&
        answer->data.size > LEAT_CHECKPOINT_BYTES_MAX)
        return leat_scan_refuse(LEAT_ERR_TOO_LARGE, why, "a checkpoint of more than %u bytes",
                                LEAT_CHECKPOINT_BYTES_MAX);
    return err;
}

leat_err
leat_jsonl_read(const uint8_t *line,
                size_t size,
                leat_jsonl_answer *answer,
                char why[LEAT_JSONL_WHY_BYTES])
{
    cJSON *json = NULL;
    leat_buf data = answer->data;
    leat_buf_reset(&data);
    *answer = (leat_jsonl_answer){.data = data};
    leat_err err = leat_json_parse_up_to(line, size, LEAT_JSONL_BYTES_MAX, &json, why);
    if (err != LEAT_ERR_OK)
        return err;
    const size_t word = find_word(json, why);
    if (word == WORDS)
        err = LEAT_ERR_MALFORMED;
    else if (!leat_json_u64(json, "job", &answer->job))
        err = leat_scan_refuse(LEAT_ERR_MALFORMED, why,
                               "\"job\" is not the job's number as text, as it came");
    else
        err = read_word(json, word, answer, why);
    cJSON_Delete(json);
    return err;
}

/* ---------------------------------------------------------------------------------------- out */

static bool
add_variables(cJSON *json, const leat_message_job *job)
{
    leat_reader variables = job->variables;
    cJSON *const object = cJSON_AddObjectToObject(json, "variables");
    bool added = object != NULL;
    for (uint32_t i = 0; added && i < job->variable_count; i++) {
        char name[LEAT_NAME_BYTES_MAX + 1];
        const leat_bytes variable = leat_exec_next(&variables);
        const uint8_t *const sign =
            variable.size == 0 ? NULL : memchr(variable.data, '=', variable.size);
        const size_t size = sign == NULL ? sizeof name : (size_t)(sign - variable.data);
        if (size >= sizeof name)
            continue; /* none of ours */
        memcpy(name, variable.data, size);
        name[size] = '\0';
        added = leat_json_add_bytes(object, name, sign + 1, variable.size - size - 1);
    }
    return added;
}

static void
put(leat_buf *buf, cJSON *json, bool is_whole)
{
    leat_json_put(buf, is_whole ? json : NULL);
    leat_put_u8(buf, '\n');
    cJSON_Delete(json);
}

void
leat_jsonl_put_job(leat_buf *buf, const leat_message_job *job)
{
    cJSON *const json = cJSON_CreateObject();
    bool added =
        leat_json_add_u64(json, "job", job->id) &&
        leat_json_add_bytes(json, "handler", job->handler.data, job->handler.size) &&
        cJSON_AddNumberToObject(json, "attempt", job->attempt) != NULL &&
        (job->left_ms == 0 ||
         cJSON_AddNumberToObject(json, "left_ms", (double)job->left_ms) != NULL) &&
        leat_json_add_bytes(json, "payload", job->payload.data, job->payload.size) &&
        (job->checkpoint.size == 0 ||
         leat_json_add_bytes(json, "checkpoint", job->checkpoint.data, job->checkpoint.size));
    added = added && add_variables(json, job);
    put(buf, json, added);
}

void
leat_jsonl_put_stop(leat_buf *buf, uint64_t job, bool is_limit)
{
    cJSON *const json = cJSON_CreateObject();
    put(buf, json,
        leat_json_add_u64(json, "stop", job) &&
            cJSON_AddStringToObject(json, "reason", is_limit ? "limit" : "cancelled") != NULL);
}
