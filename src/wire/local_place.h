/* Where an embedded server lives: its folder, chosen, made and checked, and the path of its
 * socket. Knows file names and permissions, nothing of processes or the protocol. */
#ifndef DQ_WIRE_LOCAL_PLACE_H
#define DQ_WIRE_LOCAL_PLACE_H

#include <limits.h>
#include <stdbool.h>

#include "base/fault.h"

/* Names in the folder. */
#define DQ_PLACE_SOCKET "redis.sock"
#define DQ_PLACE_CONFIG "redis.conf"
#define DQ_PLACE_LOG "redis.log"
#define DQ_PLACE_PID "redis.pid"        /* for people; nothing here believes it */
#define DQ_PLACE_GATE "start.lock"      /* held while somebody starts or stops the server */
#define DQ_PLACE_LIFELINE "server.lock" /* held by the server's process for as long as it lives */

#define DQ_PLACE_SOCKET_SIZE 108 /* of sun_path */

/* Holds: dir is absolute and has no symbolic links in it; socket can be connected to as it is. */
typedef struct dq_place {
    char dir[PATH_MAX];
    char socket[DQ_PLACE_SOCKET_SIZE];
} dq_place;

/* `dir` NULL or "": $XDG_STATE_HOME/dueq, or ~/.local/state/dueq. With `make` the folder is made
 * (0700, its parents too). DUEQ_MISSING when it is not there and not to be made; then only
 * place->dir is set. ESYSTEM when it cannot be made or used, or is not private enough. */
int dq_place_open(dq_place *place, const char *dir, bool make, dq_fault *fault);

/* Opens a file of the folder, by one of the names above; the mode of a new one is 0600. As
 * open(). */
int dq_place_open_file(const dq_place *place, const char *name, int flags);

#endif
