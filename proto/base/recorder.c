/* Notes in a mapped file, chunk by chunk. See recorder.h. */
#include "proto/base/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/crc32c.h"
#include "proto/base/log.h"

#define FORMAT      1U
#define CHUNK_BYTES ((size_t)256 * 1024)
#define CHUNK_NOTES (CHUNK_BYTES / LEAT_NOTE_BYTES)
#define WHY_BYTES   512U

struct leat_recorder {
    int fd;
    leat_note *chunk; /* mapped; NULL: nothing is recorded any more */
    size_t at;        /* notes in it */
    off_t end;        /* of the file: behind the chunk */
    uint32_t process;
    char path[4096];
    char trouble[WHY_BYTES];
};

uint64_t
leat_note_hash(const void *data, size_t size)
{
    return (uint64_t)size << 32 | leat_crc32c(0, data, size);
}

uint32_t
leat_note_name(const char *name, size_t size)
{
    return leat_crc32c(0, name, size);
}

static uint32_t
crc_of(const leat_note *note)
{
    return leat_crc32c(0, note, offsetof(leat_note, crc));
}

/* ----------------------------------------------------------------------------------- writing */

/* Allocate and map another chunk behind the file's end. errno is set on failure. */
static leat_note *
map_chunk(leat_recorder *recorder)
{
    errno = posix_fallocate(recorder->fd, recorder->end, (off_t)CHUNK_BYTES);
    if (errno != 0)
        return NULL;
    void *const chunk =
        mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, recorder->fd, recorder->end);
    if (chunk == MAP_FAILED)
        return NULL;
    recorder->end += (off_t)CHUNK_BYTES;
    return chunk;
}

/* The CRC is the last that is written: what is behind the barrier stays behind it. */
static void
write_note(leat_recorder *recorder, const leat_note *note)
{
    leat_note *const slot = &recorder->chunk[recorder->at++];
    leat_note whole = *note;
    whole.time_us = (uint64_t)leat_clock_mono_us();
    whole.process = recorder->process;
    whole.crc = crc_of(&whole);
    memcpy(slot, &whole, offsetof(leat_note, crc));
    atomic_signal_fence(memory_order_release);
    *(volatile uint32_t *)&slot->crc = whole.crc;
}

static void
stop(leat_recorder *recorder, int errnum)
{
    char text[64];
    write_note(recorder, &(leat_note){.operation = LEAT_NOTE_STOPPED});
    (void)munmap(recorder->chunk, CHUNK_BYTES);
    recorder->chunk = NULL;
    (void)snprintf(
        recorder->trouble, WHY_BYTES,
        "the history %.380s does not grow any more, nothing is recorded from here on: %s",
        recorder->path, leat_log_errno_text(errnum, text, sizeof text));
}

/* One slot is left: it is for what follows when there is another chunk, and says so when not. */
static void
grow(leat_recorder *recorder, const leat_note *note)
{
    leat_note *const next = map_chunk(recorder);
    if (next == NULL) {
        stop(recorder, errno);
        return;
    }
    write_note(recorder, note);
    (void)munmap(recorder->chunk, CHUNK_BYTES);
    recorder->chunk = next;
    recorder->at = 0;
}

void
leat_recorder_note(leat_recorder *recorder, const leat_note *note)
{
    if (recorder->chunk == NULL)
        return;
    if (recorder->at + 1 < CHUNK_NOTES)
        write_note(recorder, note);
    else
        grow(recorder, note);
}

const char *
leat_recorder_trouble(const leat_recorder *recorder)
{
    return recorder->trouble;
}

static leat_err
refuse(const leat_recorder *recorder, char *why, int errnum)
{
    char text[64];
    (void)snprintf(why, WHY_BYTES, "cannot write the history %.400s: %s", recorder->path,
                   leat_log_errno_text(errnum, text, sizeof text));
    switch (errnum) {
    case ENOSPC:
    case EDQUOT:
        return LEAT_ERR_NO_SPACE;
    case ENOENT:
    case ENOTDIR:
        return LEAT_ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return LEAT_ERR_DENIED;
    default:
        return LEAT_ERR_IO;
    }
}

/* A pid comes again after a while: the number in the name is the first that is free. */
static int
make_file(leat_recorder *recorder, const char *folder, const char *program)
{
    for (unsigned n = 1; n < 1000000; n++) {
        (void)snprintf(recorder->path, sizeof recorder->path, "%s/%s-%" PRIu32 "-%u.history",
                       folder, program, recorder->process, n);
        recorder->fd = open(recorder->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (recorder->fd >= 0)
            return 0;
        if (errno != EEXIST)
            return errno;
    }
    return EEXIST;
}

leat_err
leat_recorder_open(const char *folder, const char *program, leat_recorder **out, char why[512])
{
    leat_recorder *recorder = calloc(1, sizeof *recorder);
    *out = NULL;
    if (recorder == NULL) {
        (void)snprintf(why, WHY_BYTES, "%s", leat_err_message(LEAT_ERR_NOMEM));
        return LEAT_ERR_NOMEM;
    }
    recorder->process = (uint32_t)getpid();
    const int errnum = make_file(recorder, folder, program);
    leat_err err = errnum == 0 ? LEAT_ERR_OK : refuse(recorder, why, errnum);
    if (err == LEAT_ERR_OK) {
        recorder->chunk = map_chunk(recorder);
        if (recorder->chunk == NULL)
            err = refuse(recorder, why, errno);
    }
    if (err != LEAT_ERR_OK) {
        leat_recorder_close(&recorder);
        return err;
    }
    leat_recorder_note(recorder, &(leat_note){.operation = LEAT_NOTE_OPEN, .number = FORMAT});
    *out = recorder;
    return LEAT_ERR_OK;
}

void
leat_recorder_close(leat_recorder **recorder_p)
{
    leat_recorder *const recorder = *recorder_p;
    *recorder_p = NULL;
    if (recorder == NULL)
        return;
    if (recorder->chunk != NULL)
        (void)munmap(recorder->chunk, CHUNK_BYTES);
    if (recorder->fd >= 0)
        (void)close(recorder->fd);
    free(recorder);
}

/* ----------------------------------------------------------------------------------- reading */

leat_err
leat_recording_open(const char *path, leat_recording *out)
{
    leat_note first = {0};
    struct stat file;
    leat_err err = LEAT_ERR_OK;
    *out = (leat_recording){0};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return leat_err_from_errno(errno);
    if (fstat(fd, &file) != 0)
        err = leat_err_from_errno(errno);
    else if ((size_t)file.st_size < LEAT_NOTE_BYTES)
        err = LEAT_ERR_CORRUPT;
    if (err == LEAT_ERR_OK) {
        const size_t count = (size_t)file.st_size / LEAT_NOTE_BYTES;
        void *const notes = mmap(NULL, count * LEAT_NOTE_BYTES, PROT_READ, MAP_PRIVATE, fd, 0);
        if (notes == MAP_FAILED)
            err = leat_err_from_errno(errno);
        else
            *out = (leat_recording){.notes = notes, .count = count};
    }
    (void)close(fd);
    if (err == LEAT_ERR_OK && (leat_recording_next(out, &first) != LEAT_ERR_OK ||
                               first.operation != LEAT_NOTE_OPEN || first.number != FORMAT))
        err = LEAT_ERR_CORRUPT;
    if (err != LEAT_ERR_OK)
        leat_recording_close(out);
    return err;
}

void
leat_recording_close(leat_recording *recording)
{
    if (recording->notes != NULL) {
        union {
            const leat_note *in;
            void *out;
        } notes = {.in = recording->notes};
        (void)munmap(notes.out, recording->count * LEAT_NOTE_BYTES);
    }
    *recording = (leat_recording){0};
}

static bool
is_whole(const leat_note *note)
{
    return note->operation != 0 && note->crc == crc_of(note);
}

/* Behind the last whole note: one that was cut, and nothing. */
static leat_err
look_behind(leat_recording *recording)
{
    static const leat_note nothing;
    for (size_t i = recording->at; i < recording->count; i++) {
        if (memcmp(&recording->notes[i], &nothing, sizeof nothing) == 0)
            continue;
        if (i > recording->at)
            return LEAT_ERR_CORRUPT;
        recording->is_torn = true;
    }
    recording->at = recording->count;
    return LEAT_ERR_NOT_FOUND;
}

leat_err
leat_recording_next(leat_recording *recording, leat_note *note)
{
    if (recording->at == recording->count)
        return LEAT_ERR_NOT_FOUND;
    const leat_note *const next = &recording->notes[recording->at];
    if (!is_whole(next))
        return look_behind(recording);
    recording->at++;
    recording->is_stopped |= next->operation == LEAT_NOTE_STOPPED;
    *note = *next;
    return LEAT_ERR_OK;
}
