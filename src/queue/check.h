/* Checks of what callers pass in, before anything is sent; each sets the handle's fault. The first
 * of a call (open, queue or call) also clears what an earlier call left there. */
#ifndef DQ_QUEUE_CHECK_H
#define DQ_QUEUE_CHECK_H

#include "queue/handle.h"

int dq_check_open(dueq *handle);
/* The queue's name, and 1 to DUEQ_CALL_TASKS_MAX items. */
int dq_check_call(dueq *handle, const char *queue, const void *items, size_t count);
int dq_check_queue(dueq *handle, const char *queue);
int dq_check_id(dueq *handle, const void *id, size_t id_len);
int dq_check_when(dueq *handle, int64_t delay_ms, int64_t due_ms);
int dq_check_lease(dueq *handle, int64_t lease_ms);
int dq_check_attempts(dueq *handle, int64_t max_attempts); /* 0 is fine: the queue's */

/* A due time as the scripts take it: µs from now, or minus the time in µs since the epoch. */
int64_t dq_when_us(int64_t delay_ms, int64_t due_ms);

#endif
