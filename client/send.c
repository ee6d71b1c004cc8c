/* Putting messages into channels. The broker decides whether one goes in, waits in line or is
 * refused; see ask.c for the wait. */
#include "client/client.h"

static leat_status
send_message(
    leat *self, const char *channel, const void *data, size_t size, uint8_t flags, int64_t until_ms)
{
    leat_begin(self);
    const leat_status status = leat_check_name(self, "channel", channel);
    if (status != LEAT_OK)
        return status;
    leat_send_head head = leat_send_head_default();
    head.flags = flags;
    head.channel = leat_text_of(channel);
    return leat_send_one(self, &head, data, size, until_ms, NULL);
}

leat_status
leat_send(leat *self, const char *channel, const void *data, size_t size)
{
    return send_message(self, channel, data, size, 0, INT64_MAX);
}

leat_status
leat_try_send(leat *self, const char *channel, const void *data, size_t size)
{
    return send_message(self, channel, data, size, LEAT_SEND_TRY, INT64_MAX);
}

leat_status
leat_send_within(leat *self, const char *channel, const void *data, size_t size, int64_t timeout_ms)
{
    if (timeout_ms == 0)
        return leat_try_send(self, channel, data, size);
    return send_message(self, channel, data, size, 0, leat_deadline_ms(timeout_ms));
}
