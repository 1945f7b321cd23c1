/* The embedded server behind "local:": a private redis-server or valkey-server on a Unix socket
 * in a folder of the user's, found, started, shared and stopped here. */
#ifndef DQ_WIRE_LOCAL_H
#define DQ_WIRE_LOCAL_H

#include "base/fault.h"

/* Starts the server of `dir` (NULL: the default folder) unless it runs, and fills info. On DUEQ_OK
 * the fault's text is empty, or something worth telling: that a half-written end of its file was
 * dropped. */
int dq_local_start(const char *dir, dueq_server_info *info, dq_fault *fault);

/* Ends it in good order; returns once its process is gone. DUEQ_OK, or DUEQ_MISSING when there was
 * none. */
int dq_local_stop(const char *dir, dueq_server_info *info, dq_fault *fault);

/* Only looks, and changes nothing. DUEQ_OK (with a text while it still loads its data),
 * DUEQ_MISSING, or DUEQ_EUNREADY when it is there but does not answer. */
int dq_local_status(const char *dir, dueq_server_info *info, dq_fault *fault);

#endif
