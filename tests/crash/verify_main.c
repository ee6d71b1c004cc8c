/* crash_verify STORE PROMISES [SURE MEANT]: hold a store against what crash_script was promised,
 * all of it or, for a store of some moment, the first SURE promises and MEANT intentions. Sentences
 * for what is wrong, then one JSON object. Ends with 0 when all is there, else 1. The store is
 * opened as a broker opens it, so it is another one afterwards. */
#include <stdlib.h>

#include "tests/crash/verify.h"

int
main(int argc, char **argv)
{
    crash_promises promises;
    crash_found found;
    crash_moment moment = CRASH_MOMENT_LAST;
    if (argc != 3 && argc != 5) {
        (void)fputs("crash_verify STORE PROMISES [SURE MEANT]\n", stderr);
        return 2;
    }
    if (!crash_promises_open(&promises, argv[2], NULL, false)) {
        perror(argv[2]);
        return 2;
    }
    if (argc == 5) {
        moment.sure = strtoull(argv[3], NULL, 10);
        moment.meant = strtoull(argv[4], NULL, 10);
    }
    crash_verify(argv[1], &promises, &moment, stdout, &found);
    crash_found_print(&found, stdout);
    (void)putchar('\n');
    crash_promises_close(&promises);
    return crash_found_is_valid(&found) ? EXIT_SUCCESS : EXIT_FAILURE;
}
