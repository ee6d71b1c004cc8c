/* Jobs on their way. See flight.h. */
#include "client/cli/flight.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUCKETS        4096U
#define HELD_BYTES_MAX (64U << 20) /* more results than this wait on disk */

static leat_flying **
bucket_of(const leat_flight *flight, uint32_t place)
{
    return &flight->buckets[place % flight->bucket_count];
}

leat_flying *
leat_flight_add(leat_flight *flight, uint32_t place, leat_text arguments, leat_text command)
{
    if (flight->buckets == NULL)
        flight->buckets = calloc(BUCKETS, sizeof(leat_flying *));
    leat_flying *const job = calloc(1, sizeof *job + arguments.size + command.size);
    if (job == NULL || flight->buckets == NULL) {
        free(job);
        return NULL;
    }
    flight->bucket_count = BUCKETS;
    char *const text = (char *)(job + 1);
    job->place = place;
    job->arguments = (leat_text){.data = text, .size = arguments.size};
    job->command = (leat_text){.data = text + arguments.size, .size = command.size};
    if (arguments.size > 0)
        memcpy(text, arguments.data, arguments.size);
    if (command.size > 0)
        memcpy(text + arguments.size, command.data, command.size);
    leat_flying **const bucket = bucket_of(flight, place);
    job->next = *bucket;
    *bucket = job;
    flight->count++;
    flight->text_bytes += arguments.size + command.size;
    return job;
}

leat_flying *
leat_flight_find(const leat_flight *flight, uint32_t place)
{
    leat_flying *job = flight->buckets == NULL ? NULL : *bucket_of(flight, place);
    while (job != NULL && job->place != place)
        job = job->next;
    return job;
}

/* ---- results that are held back ---- */

static bool
spill(leat_flight *flight, leat_flying *job, const leat_completed *done)
{
    if (flight->spill == NULL)
        flight->spill = tmpfile();
    if (flight->spill == NULL || fseek(flight->spill, 0, SEEK_END) != 0)
        return false;
    job->spilt_at = ftell(flight->spill);
    if (job->spilt_at < 0 ||
        fwrite(done->result, 1, done->result_size, flight->spill) != done->result_size ||
        fflush(flight->spill) != 0) {
        clearerr(flight->spill);
        return false;
    }
    flight->spilt_count++;
    return true;
}

bool
leat_flight_hold(leat_flight *flight, leat_flying *job, const leat_completed *done)
{
    job->done = *done;
    job->done.result = NULL;
    job->has_ended = true;
    job->worker = strdup(done->worker);
    if (job->worker == NULL)
        return false;
    job->done.worker = job->worker;
    if (flight->held_bytes + done->result_size > HELD_BYTES_MAX && spill(flight, job, done))
        return true;
    job->result = malloc(done->result_size + 1);
    if (job->result == NULL)
        return false;
    if (done->result_size > 0)
        memcpy(job->result, done->result, done->result_size);
    flight->held_bytes += done->result_size;
    return true;
}

bool
leat_flight_held(leat_flight *flight, leat_flying *job, leat_completed *out)
{
    const size_t size = job->done.result_size;
    if (job->result == NULL) {
        job->result = malloc(size + 1);
        if (job->result == NULL || fseek(flight->spill, job->spilt_at, SEEK_SET) != 0 ||
            fread(job->result, 1, size, flight->spill) != size) {
            free(job->result);
            job->result = NULL;
            return false;
        }
        flight->held_bytes += size;
        /* A file that nobody needs any more gives its room back. */
        if (--flight->spilt_count == 0)
            (void)ftruncate(fileno(flight->spill), 0);
    }
    *out = job->done;
    out->result = job->result;
    return true;
}

void
leat_flight_remove(leat_flight *flight, leat_flying **job_p)
{
    leat_flying *const job = *job_p;
    leat_flying **at = bucket_of(flight, job->place);
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    *job_p = NULL;
    flight->count--;
    flight->text_bytes -= job->arguments.size + job->command.size;
    if (job->result != NULL)
        flight->held_bytes -= job->done.result_size;
    free(job->result);
    free(job->worker);
    free(job);
}

void
leat_flight_fini(leat_flight *flight)
{
    for (size_t i = 0; flight->buckets != NULL && i < flight->bucket_count; i++) {
        while (flight->buckets[i] != NULL) {
            leat_flying *job = flight->buckets[i];
            leat_flight_remove(flight, &job);
        }
    }
    free(flight->buckets);
    if (flight->spill != NULL)
        (void)fclose(flight->spill);
    *flight = (leat_flight){0};
}
