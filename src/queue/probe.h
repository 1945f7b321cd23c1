/* The commands dueq needs of a server, and a trial of each on keys of its own. */
#ifndef DQ_QUEUE_PROBE_H
#define DQ_QUEUE_PROBE_H

#include "base/buf.h"
#include "queue/handle.h"

/* Tries every command once. `needed` and `useful` get the names of those the server's ACL refuses,
 * with commas between: without the needed ones nothing works, without the useful ones little is
 * lost. Where it refuses the keys, that is said in place of the commands. Negative when the trial could not be made. */
int dq_probe_commands(dueq *handle, int64_t deadline_us, dq_buf *needed, dq_buf *useful);

#endif
