/* What became of leased tasks, told again: for a caller who told it before in another call, whose
 * answer was lost. What the first telling did is then an ok, as for a call that was sent twice. */
#ifndef DQ_QUEUE_FINISH_H
#define DQ_QUEUE_FINISH_H

#include "queue/handle.h"

/* As dueq_done(), dueq_release() and dueq_retry() when `again` is false. */
int dq_done(dueq *handle, const char *queue, dueq_lease *leases, size_t count, bool again);
int dq_release(dueq *handle, const char *queue, dueq_lease *leases, size_t count, bool again);
int dq_retry(dueq *handle, const char *queue, dueq_failure *failures, size_t count, bool again);

#endif
