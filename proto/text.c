/* Names and UTF-8. See text.h. */
#include "proto/text.h"

/* Length of the UTF-8 sequence at p (left > 0 bytes), or 0 when there is none: a stray or missing
 * continuation, an overlong form, a surrogate, or beyond U+10FFFF. */
static size_t
utf8_length(const uint8_t *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    const size_t length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (left < length)
        return 0;
    /* Only the second byte has a narrower range, and only after these first bytes. */
    const uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    const uint8_t high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xc0U) != 0x80U)
            return 0;
    return length;
}

bool
leat_text_is_utf8(leat_text text)
{
    const uint8_t *const p = (const uint8_t *)text.data;
    for (size_t i = 0; i < text.size;) {
        const size_t length = utf8_length(p + i, text.size - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

bool
leat_name_is_valid(leat_text name)
{
    if (name.size == 0 || name.size > LEAT_NAME_BYTES_MAX)
        return false;
    const uint8_t *const p = (const uint8_t *)name.data;
    for (size_t i = 0; i < name.size;) {
        if (p[i] < 0x20 || p[i] == 0x7f)
            return false;
        const size_t length = utf8_length(p + i, name.size - i);
        if (length == 0 || (p[i] == 0xc2 && p[i + 1] < 0xa0)) /* U+0080 … U+009F */
            return false;
        i += length;
    }
    return true;
}

leat_text
leat_sentence_clip(leat_text text)
{
    if (text.size <= LEAT_SENTENCE_BYTES_MAX)
        return text;
    size_t size = LEAT_SENTENCE_BYTES_MAX;
    while (size > 0 && ((uint8_t)text.data[size] & 0xc0U) == 0x80U)
        size--;
    return (leat_text){.data = text.data, .size = size};
}
