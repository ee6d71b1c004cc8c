/* leat_text: which texts may be names, and what UTF-8 is. */
#ifndef LEAT_TEXT_H
#define LEAT_TEXT_H

#include "proto/base/bytes.h"
#include "proto/limits.h"

/* A name of a channel, handler, worker or batch: 1 … LEAT_NAME_BYTES_MAX bytes of valid UTF-8
 * without control characters. */
bool leat_name_is_valid(leat_text name);
/* Well-formed UTF-8 of any length: no overlong form, no surrogate, nothing beyond U+10FFFF. */
bool leat_text_is_utf8(leat_text text);

/* The longest front of text that is at most LEAT_SENTENCE_BYTES_MAX bytes and does not end inside a
 * character. */
leat_text leat_sentence_clip(leat_text text);

#endif
