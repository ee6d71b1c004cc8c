/* Histories: what is noted is read again, whatever the process came to. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/recorder.h"
#include "tests/lib/test.h"
#include "tests/lib/tmp.h"

static leat_tmp tmp;

static void
set_up(void)
{
    leat_tmp_init(&tmp);
}

static void
tear_down(void)
{
    leat_tmp_fini(&tmp);
}

TestSuite(recorder, .init = set_up, .fini = tear_down);

static void
path_of(char path[PATH_MAX], long pid, unsigned n)
{
    char name[64];
    (void)snprintf(name, sizeof name, "test-%ld-%u.history", pid, n);
    (void)leat_tmp_path(&tmp, name, path);
}

static leat_recorder *
open_recorder(void)
{
    char why[512] = "";
    leat_recorder *recorder = NULL;
    cr_assert(eq(int, leat_recorder_open(tmp.path, "test", &recorder, why), LEAT_ERR_OK), "%s",
              why);
    return recorder;
}

static void
note_many(leat_recorder *recorder, uint64_t count)
{
    for (uint64_t i = 1; i <= count; i++)
        leat_recorder_note(recorder, &(leat_note){.operation = LEAT_NOTE_START, .job = i});
}

/* How many notes with jobs 1, 2, 3, … there are; the last error in *end. */
static uint64_t
count_notes(const char *path, leat_recording *recording, leat_err *end)
{
    leat_note note;
    uint64_t count = 0;
    cr_assert(eq(int, leat_recording_open(path, recording), LEAT_ERR_OK));
    while ((*end = leat_recording_next(recording, &note)) == LEAT_ERR_OK) {
        if (note.operation == LEAT_NOTE_START)
            cr_assert(eq(u64, note.job, ++count));
    }
    return count;
}

static void
expect_notes(const char *path, uint64_t count)
{
    leat_recording recording;
    leat_err end;
    cr_expect(eq(u64, count_notes(path, &recording, &end), count));
    cr_expect(eq(int, end, LEAT_ERR_NOT_FOUND));
    cr_expect(not(recording.is_torn));
    leat_recording_close(&recording);
}

static void
change_byte(const char *path, off_t at, uint8_t value)
{
    const int fd = open(path, O_WRONLY);
    cr_assert(ge(int, fd, 0));
    cr_assert(eq(sz, (size_t)pwrite(fd, &value, 1, at), 1));
    (void)close(fd);
}

Test(recorder, all_fields_come_back)
{
    char path[PATH_MAX];
    leat_recording recording;
    leat_note read;
    leat_recorder *recorder = open_recorder();
    const leat_note note = {.number = 1,
                            .job = 2,
                            .batch = 3,
                            .hash = leat_note_hash("abc", 3),
                            .epoch = 4,
                            .attempt = 5,
                            .extra = leat_note_name("c", 1),
                            .operation = LEAT_NOTE_SEND,
                            .phase = LEAT_PHASE_UNKNOWN,
                            .code = 6,
                            .flags = 7};
    leat_recorder_note(recorder, &note);
    leat_recorder_close(&recorder);

    path_of(path, getpid(), 1);
    cr_assert(eq(int, leat_recording_open(path, &recording), LEAT_ERR_OK));
    cr_assert(eq(int, leat_recording_next(&recording, &read), LEAT_ERR_OK));
    cr_expect(eq(u32, read.process, (uint32_t)getpid()));
    cr_expect(gt(u64, read.time_us, 0));
    read.process = 0;
    read.time_us = 0;
    read.crc = 0;
    cr_expect(eq(int, memcmp(&read, &note, sizeof note), 0));
    leat_recording_close(&recording);
}

Test(recorder, a_file_grows_over_many_chunks_and_keeps_the_order)
{
    char path[PATH_MAX];
    leat_recorder *recorder = open_recorder();
    note_many(recorder, 20000);
    leat_recorder_close(&recorder);
    path_of(path, getpid(), 1);
    expect_notes(path, 20000);
}

Test(recorder, each_recorder_of_a_process_has_a_file)
{
    char path[PATH_MAX];
    leat_recorder *one = open_recorder();
    leat_recorder *two = open_recorder();
    note_many(one, 1);
    note_many(two, 2);
    path_of(path, getpid(), 1);
    expect_notes(path, 1);
    path_of(path, getpid(), 2);
    expect_notes(path, 2);
    leat_recorder_close(&one);
    leat_recorder_close(&two);
}

static void
die(bool by_kill)
{
    const pid_t child = fork();
    cr_assert(ge(int, child, 0));
    if (child == 0) {
        leat_recorder *const recorder = open_recorder();
        note_many(recorder, 10000);
        if (by_kill)
            (void)raise(SIGKILL);
        _exit(0);
    }
    int status;
    char path[PATH_MAX];
    cr_assert(eq(int, waitpid(child, &status, 0), child));
    path_of(path, child, 1);
    expect_notes(path, 10000);
}

Test(recorder, it_survives_an_exit)
{
    die(false);
}

Test(recorder, it_survives_a_kill)
{
    die(true);
}

Test(recorder, a_note_that_was_cut_is_not_there)
{
    char path[PATH_MAX];
    leat_recording recording;
    leat_err end;
    leat_recorder *recorder = open_recorder();
    note_many(recorder, 3);
    leat_recorder_close(&recorder);
    path_of(path, getpid(), 1);
    for (off_t at = 0; at < (off_t)LEAT_NOTE_BYTES; at++) {
        leat_recording whole;
        cr_assert(eq(int, leat_recording_open(path, &whole), LEAT_ERR_OK));
        const uint8_t before = ((const uint8_t *)&whole.notes[3])[at];
        leat_recording_close(&whole);
        change_byte(path, 3 * (off_t)LEAT_NOTE_BYTES + at, before ^ 0x55U);
        cr_expect(eq(u64, count_notes(path, &recording, &end), 2), "byte %d", (int)at);
        cr_expect(eq(int, end, LEAT_ERR_NOT_FOUND));
        cr_expect(recording.is_torn);
        leat_recording_close(&recording);
        change_byte(path, 3 * (off_t)LEAT_NOTE_BYTES + at, before);
    }
}

Test(recorder, damage_before_the_last_note_is_told)
{
    char path[PATH_MAX];
    leat_recording recording;
    leat_err end;
    leat_recorder *recorder = open_recorder();
    note_many(recorder, 3);
    leat_recorder_close(&recorder);
    path_of(path, getpid(), 1);
    change_byte(path, 2 * (off_t)LEAT_NOTE_BYTES + 20, 0x77);
    cr_expect(eq(u64, count_notes(path, &recording, &end), 1));
    cr_expect(eq(int, end, LEAT_ERR_CORRUPT));
    leat_recording_close(&recording);
}

Test(recorder, a_file_that_is_none_is_refused)
{
    char path[PATH_MAX];
    leat_recording recording;
    leat_recorder *recorder = open_recorder();
    leat_recorder_close(&recorder);
    path_of(path, getpid(), 1);
    change_byte(path, 8, 9); /* the format */
    cr_expect(eq(int, leat_recording_open(path, &recording), LEAT_ERR_CORRUPT));
    cr_assert(eq(int, truncate(path, 10), 0));
    cr_expect(eq(int, leat_recording_open(path, &recording), LEAT_ERR_CORRUPT));
}

Test(recorder, a_folder_that_is_not_there_is_named)
{
    char why[512];
    char path[PATH_MAX];
    leat_recorder *recorder;
    (void)leat_tmp_path(&tmp, "none", path);
    cr_expect(eq(int, leat_recorder_open(path, "test", &recorder, why), LEAT_ERR_NOT_FOUND));
    cr_expect(ne(ptr, strstr(why, path), NULL), "%s", why);
    cr_expect(eq(ptr, recorder, NULL));
}

/* A file size limit is to the recorder what a full disk is. */
Test(recorder, without_room_it_says_so_and_stops)
{
    char path[PATH_MAX];
    leat_recording recording;
    leat_err end;
    struct rlimit limit = {.rlim_cur = 1U << 20, .rlim_max = 1U << 20};
    (void)signal(SIGXFSZ, SIG_IGN);
    leat_recorder *recorder = open_recorder();
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
    note_many(recorder, 100000);
    cr_expect(ne(ptr, strstr(leat_recorder_trouble(recorder), "nothing is recorded"), NULL));
    leat_recorder_close(&recorder);

    path_of(path, getpid(), 1);
    const uint64_t count = count_notes(path, &recording, &end);
    cr_expect(eq(u64, count, 1024 * 1024 / LEAT_NOTE_BYTES - 2)); /* OPEN, STOPPED */
    cr_expect(eq(int, end, LEAT_ERR_NOT_FOUND));
    cr_expect(recording.is_stopped);
    leat_recording_close(&recording);
}
