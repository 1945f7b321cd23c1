/* What can be seen of an embedded server from outside: who holds its lifeline, and what it answers
 * on its socket. Only facts of the moment: no pid file is believed, nothing is waited for. */
#ifndef DQ_WIRE_LOCAL_LOOK_H
#define DQ_WIRE_LOCAL_LOOK_H

#include "wire/local_place.h"

typedef enum dq_look_state {
    DQ_LOOK_ABSENT,  /* nobody listens; a pid that is not 0 then lives without a socket */
    DQ_LOOK_SILENT,  /* listens, but does not answer */
    DQ_LOOK_LOADING, /* reads its data; will be ready */
    DQ_LOOK_READY
} dq_look_state;

typedef struct dq_look {
    dq_look_state state;
    int64_t pid; /* 0: none; -1: one that this machine or namespace has no number for */
    int loaded_percent;
    char program[PATH_MAX]; /* "" when unknown */
} dq_look;

/* DUEQ_OK, or negative when looking itself failed or what answers is no Redis. */
int dq_look_at(const dq_place *place, dq_look *look, dq_fault *fault);

/* Asks the server to end in good order. DUEQ_OK when it agreed, or was gone already. */
int dq_look_shut_down(const dq_place *place, dq_fault *fault);

#endif
