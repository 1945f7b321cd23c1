/* Replies out of bytes, through libvalkey's reader, with limits on all that a hostile server could
 * make grow. Pure: knows no socket. */
#ifndef DQ_WIRE_READER_H
#define DQ_WIRE_READER_H

#include <valkey/valkey.h>

#include "base/fault.h"

/* Over one of these the server is not believed: EPROTO. A take's reply may hold one payload of
 * DUEQ_PAYLOAD_MAX beside its batch, which the first leaves room for. */
#define DQ_REPLY_BYTES_MAX ((size_t)1 << 30) /* memory of one reply, its unread part included */
#define DQ_REPLY_ELEMENTS_MAX (1u << 20)     /* elements of all its arrays together */
#define DQ_REPLY_DEPTH_MAX 8                 /* arrays in arrays */
#define DQ_REPLY_LINE_MAX ((size_t)1 << 16)  /* bytes of a status, an error or a number */

typedef struct dq_reader dq_reader;

dq_reader *dq_reader_make(void); /* NULL when out of memory */
void dq_reader_free(dq_reader *reader);

/* Takes bytes in; feed what dq_reader_next() has asked for, not megabytes ahead. ENOMEM. */
int dq_reader_feed(dq_reader *reader, const void *bytes, size_t len, dq_fault *fault);

/* The next whole reply, yours to free with freeReplyObject(); NULL when more bytes are needed.
 * EPROTO or ENOMEM, for good. */
int dq_reader_next(dq_reader *reader, valkeyReply **reply, dq_fault *fault);

/* True when the bytes so far end within a reply. */
bool dq_reader_midway(const dq_reader *reader);

#endif
