/* failure: what a recover job is told, from bytes that anybody may have sent. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "worker/failure.h"

static leat_failure_record record;

static void
teardown(void)
{
    leat_failure_fini(&record);
}

TestSuite(worker_failure, .fini = teardown);

static bool
reads(const char *text)
{
    return leat_failure_read(
        (leat_bytes){.data = (const uint8_t *)text, .size = (uint32_t)strlen(text)}, &record);
}

static bool
is(const leat_buf *bytes, const char *text)
{
    return bytes->size == strlen(text) &&
           (bytes->size == 0 || memcmp(bytes->data, text, bytes->size) == 0);
}

Test(worker_failure, a_record_is_read_with_text_and_with_base64)
{
    cr_assert(
        reads("{\"job\":\"7\",\"batch\":\"5\",\"place\":2,\"handler\":\"thumb\",\"attempts\":3,"
              "\"error\":\"no disk\",\"payload_b64\":\"/wA=\",\"with\":\"\"}"));
    cr_assert(eq(u64, record.job, 7));
    cr_assert(eq(u64, record.batch, 5));
    cr_assert(eq(u32, record.place, 2));
    cr_assert(eq(u32, record.attempts, 3));
    LEAT_SAME_TEXT(record.handler, "thumb");
    cr_assert(is(&record.error, "no disk"));
    cr_assert(eq(sz, record.payload.size, 2));
    cr_assert(eq(int, record.payload.data[0], 0xff));
    cr_assert(is(&record.with, ""));
}

Test(worker_failure, what_lacks_something_or_has_another_shape_is_none)
{
    static const char *const texts[] = {
        "",
        "null",
        "[]",
        "{",
        "{}",
        "{\"batch\":\"5\",\"place\":2,\"handler\":\"t\",\"attempts\":3}",
        "{\"job\":7,\"batch\":\"5\",\"place\":2,\"handler\":\"t\",\"attempts\":3}",
        "{\"job\":\"7\",\"batch\":\"5\",\"place\":-2,\"handler\":\"t\",\"attempts\":3}",
        "{\"job\":\"7\",\"batch\":\"5\",\"place\":2,\"handler\":4,\"attempts\":3}",
        "{\"job\":\"7\",\"batch\":\"5\",\"place\":2,\"handler\":\"t\",\"attempts\":1.5}",
        "{\"job\":\"7\",\"batch\":\"5\",\"place\":2,\"handler\":\"t\",\"attempts\":3,\"error\":1}",
    };
    char text[512];
    char name[200];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cr_assert(not(reads(texts[i])), "%s", texts[i]);
        cr_assert(not(record.is_read));
    }
    cr_assert(
        not(reads("{\"job\":\"7\",\"batch\":\"5\",\"place\":2,\"handler\":\"t\",\"attempts\":3,"
                  "\"error\":\"e\",\"with_b64\":\"?\"}")));
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    (void)snprintf(text, sizeof text,
                   "{\"job\":\"7\",\"batch\":\"5\",\"place\":2,\"handler\":\"%s\",\"attempts\":3}",
                   name);
    cr_assert(not(reads(text)));
}
