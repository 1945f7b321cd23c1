/* Reading replies of scripts without trusting their shape. */
#ifndef DQ_QUEUE_REPLY_H
#define DQ_QUEUE_REPLY_H

#include <stdbool.h>
#include <stdint.h>
#include <valkey/valkey.h>

/* The element of an array; NULL when there is none or `reply` is no array. */
const valkeyReply *dq_reply_at(const valkeyReply *reply, size_t index);
/* Elements of an array; 0 for anything else. */
size_t dq_reply_count(const valkeyReply *reply);
/* An integer, or text that is one; `otherwise` for anything else. */
int64_t dq_reply_int(const valkeyReply *reply, int64_t otherwise);
bool dq_reply_is_text(const valkeyReply *reply);
/* The first element, as scripts answer: a dueq_outcome or script outcome; DUEQ_EPROTO otherwise. */
int dq_reply_status(const valkeyReply *reply);

#endif
