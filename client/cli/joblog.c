/* Job logs. See joblog.h. */
#include "client/cli/joblog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/shell.h"
#include "proto/base/option.h"
#include "proto/exec.h"

#define HEADER     "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n"
#define COLUMNS    9
#define HASH_BYTES 16U

struct leat_logged {
    uint8_t hash[HASH_BYTES]; /* of the command's words */
    uint64_t number;
    uint64_t order; /* of its line */
    bool failed;
    bool is_used; /* a job of this run was found to be this one */
};

/* ---- what is in a log ---- */

static bool
hash_command(leat_text command, uint8_t out[HASH_BYTES])
{
    leat_buf words = {0};
    leat_shell_split(&words, command);
    const bool done =
        !words.failed && crypto_generichash(out, HASH_BYTES, words.data, words.size, NULL, 0) == 0;
    leat_buf_fini(&words);
    return done;
}

static leat_logged *
add_row(leat_joblog *log)
{
    if (log->row_count == log->row_room) {
        const size_t room = log->row_room == 0 ? 256 : log->row_room * 2;
        leat_logged *const rows = reallocarray(log->rows, room, sizeof *rows);
        if (rows == NULL)
            return NULL;
        log->rows = rows;
        log->row_room = room;
    }
    return &log->rows[log->row_count++];
}

/* A number that fills its column. */
static bool
read_number(const char *column, const char *end, uint64_t *out)
{
    char digits[24];
    const size_t size = (size_t)(end - column);
    if (size >= sizeof digits)
        return false;
    memcpy(digits, column, size);
    digits[size] = '\0';
    return leat_parse_number(digits, out);
}

static leat_err
read_row(leat_joblog *log, const char *line, size_t size, uint64_t order)
{
    const char *columns[COLUMNS + 1] = {line};
    uint64_t number;
    uint64_t code;
    uint64_t signal;
    for (int i = 1; i < COLUMNS; i++) {
        const size_t left = size - (size_t)(columns[i - 1] - line);
        const char *const tab = memchr(columns[i - 1], '\t', left);
        if (tab == NULL)
            return LEAT_ERR_MALFORMED;
        columns[i] = tab + 1;
    }
    if (!read_number(columns[0], columns[1] - 1, &number) ||
        !read_number(columns[6], columns[7] - 1, &code) ||
        !read_number(columns[7], columns[8] - 1, &signal))
        return LEAT_ERR_MALFORMED;
    leat_logged *const row = add_row(log);
    if (row == NULL)
        return LEAT_ERR_NOMEM;
    *row = (leat_logged){.number = number, .order = order, .failed = code != 0 || signal != 0};
    const leat_text command = {.data = columns[8], .size = size - (size_t)(columns[8] - line)};
    return hash_command(command, row->hash) ? LEAT_ERR_OK : LEAT_ERR_NOMEM;
}

static int
compare(const void *a, const void *b)
{
    const leat_logged *const left = a;
    const leat_logged *const right = b;
    const int order = memcmp(left->hash, right->hash, HASH_BYTES);
    if (order != 0)
        return order;
    if (left->number != right->number)
        return left->number < right->number ? -1 : 1;
    return left->order < right->order ? -1 : 1;
}

/* One row for each job: what was run again has ended as its last row says. */
static void
sort_rows(leat_joblog *log)
{
    size_t kept = 0;
    if (log->row_count == 0)
        return;
    qsort(log->rows, log->row_count, sizeof *log->rows, compare);
    for (size_t i = 1; i < log->row_count; i++) {
        const leat_logged *const last = &log->rows[kept];
        if (memcmp(last->hash, log->rows[i].hash, HASH_BYTES) != 0 ||
            last->number != log->rows[i].number)
            kept++;
        log->rows[kept] = log->rows[i];
    }
    log->row_count = kept + 1;
}

/* A line without its end was being written when somebody died: its job counts as not run. */
static leat_err
read_rows(leat_joblog *log, FILE *file, uint64_t *line_number)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    leat_err err = LEAT_ERR_OK;
    *line_number = 0;
    while (err == LEAT_ERR_OK && (size = getline(&line, &room, file)) > 0) {
        ++*line_number;
        if (line[size - 1] != '\n' || size == 1 || strncmp(line, "Seq\t", 4) == 0)
            continue;
        err = read_row(log, line, (size_t)size - 1, *line_number);
    }
    free(line);
    sort_rows(log);
    return err;
}

/* ---- opening ---- */

leat_err
leat_joblog_open(leat_joblog *log, const char *path, leat_joblog_want want, uint64_t *line)
{
    struct stat info;
    leat_err err = LEAT_ERR_OK;
    char last = '\n';
    const int flags = want == LEAT_JOBLOG_ALL ? O_TRUNC : 0;
    const int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0666);
    *log = (leat_joblog){.file = fd < 0 ? NULL : fdopen(fd, "a+")};
    if (log->file == NULL)
        return leat_err_from_errno(errno);
    (void)setvbuf(log->file, NULL, _IOLBF, 65536); /* a line is out when its job has ended */
    if (want != LEAT_JOBLOG_ALL)
        err = read_rows(log, log->file, line);
    if (err != LEAT_ERR_OK || fstat(fd, &info) != 0)
        return err != LEAT_ERR_OK ? err : leat_err_from_errno(errno);
    if (info.st_size == 0)
        (void)fputs(HEADER, log->file);
    else if (pread(fd, &last, 1, info.st_size - 1) == 1 && last != '\n')
        (void)fputc('\n', log->file);
    return LEAT_ERR_OK;
}

bool
leat_joblog_wants(leat_joblog *log, leat_text command, leat_joblog_want want)
{
    uint8_t hash[HASH_BYTES];
    size_t low = 0;
    size_t high = log->row_count;
    if (want == LEAT_JOBLOG_ALL || !hash_command(command, hash))
        return true;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (memcmp(log->rows[middle].hash, hash, HASH_BYTES) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low < log->row_count && memcmp(log->rows[low].hash, hash, HASH_BYTES) == 0) {
        leat_logged *const row = &log->rows[low++];
        if (row->is_used)
            continue;
        row->is_used = true;
        return row->failed && want != LEAT_JOBLOG_NEW;
    }
    return want != LEAT_JOBLOG_FAILED;
}

/* ---- writing ---- */

/* A line feed in a command is a NUL in the log, as parallel has it. */
static void
put_command(FILE *file, leat_text command)
{
    for (size_t i = 0; i < command.size; i++)
        (void)fputc(command.data[i] == '\n' ? '\0' : command.data[i], file);
}

void
leat_joblog_put(leat_joblog *log, const leat_flying *job, const leat_completed *done)
{
    leat_ending ending;
    const double run_s = (double)done->run_us / 1e6;
    uint64_t bytes = done->result_size;
    int code = done->outcome == LEAT_DONE ? 0 : 255;
    int signal = 0;
    if (log->file == NULL)
        return;
    if (leat_ending_read(done->result, done->result_size, &ending) == LEAT_ERR_OK) {
        const leat_ending_stream *const out = &ending.out;
        signal = ending.how == LEAT_ENDING_SIGNAL ? ending.code : 0;
        code = ending.how == LEAT_ENDING_SIGNAL ? 0 : ending.code;
        bytes = out->head.size + out->cut + out->tail.size;
    }
    errno = 0;
    (void)fprintf(log->file, "%" PRIu64 "\t%s\t%.3f\t%10.3f\t0\t%" PRIu64 "\t%d\t%d\t", job->number,
                  *done->worker == '\0' ? ":" : done->worker, (double)done->ended_ms / 1e3 - run_s,
                  run_s, bytes, code, signal);
    put_command(log->file, job->command);
    (void)fputc('\n', log->file);
    if (log->failed == 0 && ferror(log->file) != 0)
        log->failed = errno != 0 ? errno : EIO;
}

void
leat_joblog_fini(leat_joblog *log)
{
    if (log->file != NULL)
        (void)fclose(log->file);
    free(log->rows);
    *log = (leat_joblog){0};
}
