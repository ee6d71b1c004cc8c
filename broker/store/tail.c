/* Pages that were never written. See tail.h. */
#include "broker/store/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "broker/store/pages.h"

static leat_err
mend(int fd, char *why)
{
    leat_pages_head head;
    leat_pages pages = {0};
    leat_err err = leat_pages_read_head(fd, &head, why);
    if (err != LEAT_ERR_OK || head.missing_bytes == 0)
        return err;
    const uint64_t wanted = head.pages * head.page_bytes;
    (void)snprintf(why, 256, "cannot be read");
    err = leat_pages_check(&pages, fd);
    if (err != LEAT_ERR_OK)
        return err;
    if (pages.cut_pages > 0) {
        (void)snprintf(why, 256, "has been cut short: it has %" PRIu64 " bytes of %" PRIu64,
                       wanted - head.missing_bytes, wanted);
        return LEAT_ERR_CORRUPT;
    }
    (void)snprintf(why, 256, "cannot be given its length");
    return ftruncate(fd, (off_t)wanted) == 0 ? LEAT_ERR_OK : leat_err_from_errno(errno);
}

leat_err
leat_tail_mend(const char *path, char why[256])
{
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        (void)snprintf(why, 256, "cannot be opened");
        return leat_err_from_errno(errno);
    }
    const leat_err err = mend(fd, why);
    (void)close(fd);
    return err;
}
