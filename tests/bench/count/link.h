/* A link without a socket: what the library and the worker send is thrown away, what they are to be
 * told was written down before. It has the functions of proto/link/link.h that they call. */
#ifndef LEAT_COUNT_LINK_H
#define LEAT_COUNT_LINK_H

#include "proto/base/bytes.h"
#include "proto/link/link.h"

/* What the next link made will hand out, in this order: frames with their headers, borrowed. A SENT
 * comes after the frame that it answers, ITEMS after the first frame without a sequence (a wait's
 * credit). */
void leat_count_link_frames(const leat_buf *given, size_t count);
/* Frames that were not handed out. */
size_t leat_count_link_left(void);

#endif
