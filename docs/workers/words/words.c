/* A plug-in of leat-worker: counts the words of a text. */
#include <leat.h>
#include <stdio.h>

static int is_blank(char c) { return c == ' ' || c == '\n' || c == '\t'; }

static int words(leat_job *job, void *context)
{
    const char *text = leat_job_payload(job);
    size_t size = leat_job_size(job), count = 0;
    char answer[32];
    (void)context;
    if (size == 0)
        return leat_job_fatal(job, "there is nothing to count");
    for (size_t i = 0; i < size; i++) {
        count += !is_blank(text[i]) && (i == 0 || is_blank(text[i - 1]));
        if (i % 65536 == 0)
            leat_job_progress(job, i, size, "counting");
    }
    return leat_job_result(job, answer, (size_t)snprintf(answer, sizeof answer, "%zu", count));
}

static const leat_plugin_handler handlers[] = {
    {"words", words, NULL, "a text: how many words it has"},
};
LEAT_PLUGIN(handlers)
