/* The environment of a handler's process: the host program's, and what says which task it is. */
#ifndef DQ_WORK_ENVIRONMENT_H
#define DQ_WORK_ENVIRONMENT_H

#include "dueq.h"

/* A list of NAME=VALUE texts ended by NULL, all in one piece of memory; free() it. NULL: out of
 * memory. */

/* A copy of an environment without what dq_environment_of() adds: a worker may itself be run by a
 * handler. Taken once, since the host may change its own while threads run. */
char **dq_environment_base(char *const *environment);

/* The base and
 *   DUEQ_QUEUE DUEQ_ATTEMPT DUEQ_TOKEN DUEQ_DUE_MS
 *   DUEQ_ID             the id; when it holds control bytes or is not UTF-8, in its place
 *   DUEQ_ID_BASE64URL   the id in base64url
 *   DUEQ_HEADER_NAME    each header: its name in capitals, '-' as '_'. Left out: a value with a NUL
 *                       in it, and a name that an earlier header has taken. */
char **dq_environment_of(char *const *base, const char *queue, const dueq_task *task);

#endif
