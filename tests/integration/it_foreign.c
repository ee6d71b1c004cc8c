/* A client in another language, written from PROTOCOL.md alone, against the real programs. */
#include <string.h>

#include "tests/lib/programs.h"
#include "tests/lib/test.h"

static programs p;

static void
set_up(void)
{
    programs_init(&p);
    programs_start_broker(&p);
    programs_start_worker(&p, 0, 2);
}

static void
tear_down(void)
{
    programs_fini(&p);
}

TestSuite(foreign, .init = set_up, .fini = tear_down, .timeout = 50);

Test(foreign, a_client_in_python_gets_a_thousand_completions)
{
    char out[4096];
    const char *const argv[] = {"python3", LEAT_SOURCE_DIR "/tests/integration/foreign_client.py",
                                p.broker_url, NULL};

    const int code = programs_run(&p, out, sizeof out, "/usr/bin/python3", argv);

    cr_expect(eq(int, code, 0), "%s", out);
    cr_expect(ne(ptr, strstr(out, "1000 completions"), NULL), "%s", out);
}
