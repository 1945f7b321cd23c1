/* Making an embedded server's process. Waits for nothing but its exec. */
#ifndef DQ_WIRE_LOCAL_SPAWN_H
#define DQ_WIRE_LOCAL_SPAWN_H

#include "wire/local_place.h"

/* Runs `program` with the folder's configuration, its output going to log_fd. On DUEQ_OK there is a
 * process that holds the lifeline: the new one, or one that another starter made meanwhile. */
int dq_spawn_server(const dq_place *place, const char *program, int log_fd, dq_fault *fault);

#endif
