/* The test vectors of tests/data/vectors, both ways, and what PROTOCOL.md copies out of the code:
 * its hex dumps and its tables of commands, errors, limits and checksums. */
#include "tests/lib/test.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/crc32c.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/records.h"
#include "tests/lib/transcript.h"

#define VECTORS  LEAT_SOURCE_DIR "/tests/data/vectors"
#define PROTOCOL LEAT_SOURCE_DIR "/proto/PROTOCOL.md"

#define VECTOR_COUNT_MAX 200

typedef struct vector {
    leat_buf wire;
    char *fields; /* "command SEND\ncount 3\n…", or NULL */
    leat_err err; /* what the decoder says instead */
    leat_side from;
    char name[64];
} vector;

static vector vectors[VECTOR_COUNT_MAX];
static size_t vector_count;

/* The whole file, terminated; the caller's to free. */
static char *
must_read_file(const char *path)
{
    FILE *const file = fopen(path, "rb");
    cr_assert(file != NULL, "%s", path);
    const size_t room = 1U << 20;
    char *const text = malloc(room);
    const size_t size = fread(text, 1, room - 1, file);
    cr_assert(lt(sz, size, room - 1));
    text[size] = '\0';
    (void)fclose(file);
    return text;
}

/* Append the bytes of one line "4c 54 ; magic" to buf. */
static void
must_read_hex(const char *line, leat_buf *buf)
{
    const char *p = line;
    for (;;) {
        p += strspn(p, " ");
        if (*p == '\0' || *p == '\n' || *p == ';')
            return;
        char *end;
        const unsigned long byte = strtoul(p, &end, 16);
        cr_assert(end == p + 2 && byte <= 255, "not a byte: %s", line);
        leat_put_u8(buf, (uint8_t)byte);
        p = end;
    }
}

static void
must_be_same(const leat_buf *bytes, const vector *v)
{
    cr_assert(eq(sz, bytes->size, v->wire.size), "%s", v->name);
    cr_assert(bytes->data != NULL && memcmp(bytes->data, v->wire.data, bytes->size) == 0, "%s",
              v->name);
}

static leat_err
err_of_name(const char *name)
{
    for (unsigned number = 1; number < 100; number++)
        if (strcmp(leat_err_name(leat_err_from_number(number)), name) == 0)
            return leat_err_from_number(number);
    cr_fatal("no error %s", name);
}

static void
must_read_vector(const char *file_name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", VECTORS, file_name);
    char *const text = must_read_file(path);
    cr_assert(lt(sz, vector_count, VECTOR_COUNT_MAX));
    vector *const v = &vectors[vector_count++];
    (void)snprintf(v->name, sizeof v->name, "%.*s", (int)(strlen(file_name) - 4), file_name);

    bool in_hex = false;
    for (char *line = text; *line != '\0';) {
        char *const next = line + strcspn(line, "\n") + 1;
        if (strncmp(line, "fields\n", 7) == 0) {
            v->fields = strdup(next);
            break;
        }
        next[-1] = '\0';
        if (strcmp(line, "from peer") == 0)
            v->from = LEAT_SIDE_PEER;
        else if (strcmp(line, "from broker") == 0)
            v->from = LEAT_SIDE_BROKER;
        else if (strcmp(line, "hex") == 0)
            in_hex = true;
        else if (strncmp(line, "error ", 6) == 0)
            v->err = err_of_name(line + 6);
        else if (in_hex)
            must_read_hex(line, &v->wire);
        else
            cr_assert(line[0] == '#' || line[0] == '\0', "%s: %s", path, line);
        line = next;
    }
    free(text);
    cr_assert(v->from != 0 && v->wire.size > 0, "%s", path);
    const bool has_fields = v->fields != NULL;
    cr_assert(has_fields == (v->err == LEAT_ERR_OK), "%s: fields or an error", path);
}

static void
read_vectors(void)
{
    struct dirent **names;
    const int count = scandir(VECTORS, &names, NULL, alphasort);
    cr_assert(gt(int, count, 0), "%s", VECTORS);
    for (int i = 0; i < count; i++) {
        const size_t size = strlen(names[i]->d_name);
        if (size > 4 && strcmp(names[i]->d_name + size - 4, ".txt") == 0)
            must_read_vector(names[i]->d_name);
        free(names[i]);
    }
    free(names);
}

static void
forget_vectors(void)
{
    for (size_t i = 0; i < vector_count; i++) {
        leat_buf_fini(&vectors[i].wire);
        free(vectors[i].fields);
    }
}

TestSuite(vectors, .init = read_vectors, .fini = forget_vectors);

/* ------------------------------------------------------------------------------------- the files
 */

Test(vectors, every_vector_reads_as_its_fields_and_is_written_to_the_same_bytes)
{
    size_t good = 0;
    for (size_t i = 0; i < vector_count; i++) {
        const vector *const v = &vectors[i];
        leat_buf text = {0};
        leat_buf copy = {0};
        if (v->err != LEAT_ERR_OK)
            continue;
        good++;

        const leat_err err = leat_transcript(v->wire.data, v->wire.size, v->from, &text, &copy);
        leat_put_u8(&text, 0);

        cr_assert(eq(int, err, LEAT_ERR_OK), "%s: %s", v->name, leat_err_name(err));
        cr_assert(eq(str, (char *)text.data, v->fields), "%s", v->name);
        must_be_same(&copy, v);
        leat_buf_fini(&text);
        leat_buf_fini(&copy);
    }
    cr_assert(ge(sz, good, 60));
}

Test(vectors, every_bad_vector_is_refused_as_it_says)
{
    size_t bad = 0;
    for (size_t i = 0; i < vector_count; i++) {
        const vector *const v = &vectors[i];
        leat_buf copy = {0};
        if (v->err == LEAT_ERR_OK)
            continue;
        bad++;

        const leat_err err = leat_transcript(v->wire.data, v->wire.size, v->from, NULL, &copy);

        cr_assert(eq(int, err, v->err), "%s: %s", v->name, leat_err_name(err));
        leat_buf_fini(&copy);
    }
    cr_assert(ge(sz, bad, 15));
}

Test(vectors, every_command_that_is_served_has_one)
{
    static const uint8_t later[] = {LEAT_CMD_MOVED};
    bool has[256] = {false};
    for (size_t i = 0; i < vector_count; i++)
        if (vectors[i].err == LEAT_ERR_OK)
            has[vectors[i].wire.data[3]] = true;

#define X(name, number, from, records, body)           \
    if (memchr(later, (number), sizeof later) == NULL) \
        cr_assert(has[number], "no vector of " #name);
#include "proto/commands.def"
#undef X
}

/* ---------------------------------------------------------------------------------- PROTOCOL.md */

static const vector *
find_vector(const char *name)
{
    for (size_t i = 0; i < vector_count; i++)
        if (strcmp(vectors[i].name, name) == 0)
            return &vectors[i];
    cr_fatal("PROTOCOL.md shows a vector that has no file: %s", name);
}

Test(vectors, every_hex_block_of_the_protocol_is_its_vector)
{
    static const char fence[] = "\n```hex ";
    char *const text = must_read_file(PROTOCOL);
    size_t blocks = 0;

    for (char *at = strstr(text, fence); at != NULL; at = strstr(at, fence)) {
        char name[64];
        leat_buf shown = {0};
        at += sizeof fence - 1;
        char *line = at + strcspn(at, "\n");
        (void)snprintf(name, sizeof name, "%.*s", (int)(line - at), at);
        const vector *const v = find_vector(name);
        for (line++; strncmp(line, "```", 3) != 0; line += strcspn(line, "\n") + 1)
            must_read_hex(line, &shown);

        must_be_same(&shown, v);
        leat_buf_fini(&shown);
        at = line;
        blocks++;
    }
    cr_assert(ge(sz, blocks, 15));
    free(text);
}

/* The text has a line that starts with these words. */
static void
must_have_line(const char *text, const char *start)
{
    char wanted[200];
    (void)snprintf(wanted, sizeof wanted, "\n%s", start);
    cr_assert(strstr(text, wanted) != NULL, "PROTOCOL.md has no line \"%s…\"", start);
}

Test(vectors, the_protocol_lists_every_command_with_its_number)
{
    char *const text = must_read_file(PROTOCOL);
    char row[100];
#define X(name, number, from, records, body)                          \
    (void)snprintf(row, sizeof row, "| %d | %s | ", (number), #name); \
    must_have_line(text, row);
#include "proto/commands.def"
#undef X
    free(text);
}

Test(vectors, the_protocol_lists_every_error_with_its_number)
{
    char *const text = must_read_file(PROTOCOL);
    char row[100];
#define ERR_ROW(name, number, message)                                \
    (void)snprintf(row, sizeof row, "| %d | %s | ", (number), #name); \
    must_have_line(text, row);
    LEAT_ERR_MAP(ERR_ROW)
#undef ERR_ROW
    free(text);
}

Test(vectors, the_protocol_lists_every_setting_with_its_key)
{
    char *const text = must_read_file(PROTOCOL);
    char row[100];
#define SETTING_ROW(name, key, size, meaning)                      \
    (void)snprintf(row, sizeof row, "| %d | %s | ", (key), #name); \
    must_have_line(text, row);
    LEAT_SETTING_MAP(SETTING_ROW)
#undef SETTING_ROW
    free(text);
}

Test(vectors, the_protocol_shows_the_limits_of_the_code)
{
    static const struct {
        const char *what;
        uint64_t value;
    } limits[] = {
        {"bytes of a frame",                   LEAT_FRAME_BYTES_MAX     },
        {"bytes of a payload or a result",     LEAT_PAYLOAD_BYTES_MAX   },
        {"bytes of a name",                    LEAT_NAME_BYTES_MAX      },
        {"bytes of a sentence",                LEAT_SENTENCE_BYTES_MAX  },
        {"words of a command",                 LEAT_EXEC_WORDS_MAX      },
        {"bytes of a JSON body",               LEAT_JSON_BYTES_MAX      },
        {"levels of a JSON body",              LEAT_JSON_DEPTH_MAX      },
        {"tokens of a JSON body",              LEAT_JSON_TOKENS_MAX     },
        {"records of a frame",                 LEAT_RECORDS_MAX         },
        {"sequenced frames unanswered",        LEAT_WINDOW_FRAMES       },
        {"broker frames unconfirmed",          LEAT_OUT_FRAMES          },
        {"bytes of broker frames unconfirmed", LEAT_OUT_BYTES           },
        {"handlers of a worker",               LEAT_HANDLERS_MAX        },
        {"channels of a worker",               LEAT_SUBSCRIPTIONS_MAX   },
        {"slots of a worker",                  LEAT_SLOTS_MAX           },
        {"waits of a session",                 LEAT_WAITS_MAX           },
        {"bytes of the settings of a SEND",    LEAT_SETTINGS_BYTES_MAX  },
        {"jobs that follow a job",             LEAT_FINALLY_MAX         },
        {"needs of a job",                     LEAT_NEEDS_MAX           },
        {"labels of a batch",                  LEAT_LABELS_MAX          },
        {"bytes of the labels of a batch",     LEAT_LABELS_BYTES_MAX    },
        {"traits of a worker",                 LEAT_TRAITS_MAX          },
        {"amounts of a worker",                LEAT_HAVES_MAX           },
        {"cases of a SELECT",                  LEAT_CASES_MAX           },
        {"bytes of a checkpoint",              LEAT_CHECKPOINT_BYTES_MAX},
        {"bytes of a piece of a log",          LEAT_LOG_BYTES_MAX       },
        {"bytes of the text of a progress",    LEAT_PROGRESS_TEXT_MAX   },
        {"watches of a session",               LEAT_WATCHES_MAX         },
        {"events that are kept",               LEAT_NEWS_MAX            },
        {"jobs that have a checkpoint",        LEAT_CHECKPOINTS_MAX     },
        {"jobs whose progress is kept",        LEAT_TOLD_JOBS_MAX       },
        {"bytes of a session in line",         LEAT_PARKED_BYTES_MAX    },
        {"batches that one waits for",         LEAT_AFTERS_MAX          },
        {"dead jobs that are kept",            LEAT_DEAD_MAX            },
        {"schedules",                          LEAT_SCHEDULES_MAX       },
        {"channels",                           LEAT_CHANNELS_MAX        },
        {"ms of a grace",                      LEAT_GRACE_MS_MAX        },
        {"ms of a delay",                      LEAT_DELAY_MS_MAX        },
    };
    char *const text = must_read_file(PROTOCOL);
    char row[100];
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        (void)snprintf(row, sizeof row, "| %s | %" PRIu64 " |", limits[i].what, limits[i].value);
        must_have_line(text, row);
    }
    free(text);
}

/* What of a name is hashed: the part in its first braces if there is one that is not empty. */
static leat_text
hashed_part(leat_text name)
{
    const char *const open = memchr(name.data, '{', name.size);
    if (open == NULL)
        return name;
    const size_t left = name.size - (size_t)(open + 1 - name.data);
    const char *const close = memchr(open + 1, '}', left);
    if (close == NULL || close == open + 1)
        return name;
    return (leat_text){.data = open + 1, .size = (size_t)(close - open - 1)};
}

Test(vectors, the_checksums_of_names_in_the_protocol_are_right)
{
    static const char *const names[] = {"default", "thumbs", "{thumbs}/in", "{thumbs}/out", "x{}y",
                                        "a{b",     "größer", "123456789",   "{a}{b}"};
    char *const text = must_read_file(PROTOCOL);
    char row[200];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const leat_text part = hashed_part(leat_text_of(names[i]));
        const uint32_t crc = leat_crc32c(0, part.data, part.size);
        (void)snprintf(row, sizeof row, "| `%s` | `%.*s` | %08" PRIx32 " | 0 | %u |", names[i],
                       (int)part.size, part.data, crc, crc % 64);
        must_have_line(text, row);
    }
    free(text);
}
