/* The control plane: HELLO makes and resumes sessions; QUERY asks; COMMAND changes something. See
 * control.c. */
#ifndef LEAT_CORE_CONTROL_H
#define LEAT_CORE_CONTROL_H

#include "broker/core/machine.h"

void leat_control_on_hello(leat_core *core,
                           leat_connection *connection,
                           const leat_principal *principal,
                           const leat_frame *frame,
                           const uint8_t *body,
                           size_t size);
void leat_control_welcome(leat_core *core, leat_peer *peer);
leat_welcome leat_control_welcome_of(const leat_core *core, bool resumed);
void leat_control_release_replies(leat_core *core, leat_peer *peer);
void leat_control_drop_replies(leat_core *core, leat_peer *peer);
/* Queries that waited, for the disk or for news, are asked again. */
void leat_control_ask_again(leat_core *core, leat_list *questions);
void leat_control_drop_questions(leat_core *core);
void leat_control_on_query(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);
void leat_control_on_command(
    leat_core *core, leat_peer *peer, const leat_frame *frame, const uint8_t *body, size_t size);

#endif
