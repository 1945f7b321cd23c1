/* One child process: started in a process group of its own with pipes to its stdin and from its
 * stderr, watched, signalled and reaped. Safe in a host program that has threads and children of
 * its own: only this child is ever waited for. Knows no task. */
#ifndef DQ_WORK_CHILD_H
#define DQ_WORK_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

/* Holds: until it is reaped, `pid` is this child or its remains, so that signalling its group can
 * hit no stranger. Every descriptor is close-on-exec; closed ones are -1. */
typedef struct dq_child {
    pid_t pid;  /* 0: none, or reaped */
    int pid_fd; /* readable once it has exited; -1: this kernel has no such thing */
    int in_fd;  /* to its stdin; never blocks */
    int err_fd; /* from its stderr; never blocks */
} dq_child;

typedef struct dq_child_end {
    bool known; /* false: the host program took its exit status away */
    bool signalled;
    int number; /* exit status, or the signal that killed it */
} dq_child_end;

/* Starts a program, looked up on PATH; 0, or an errno and nothing is left behind. */
int dq_child_start(dq_child *child, char *const *command, char *const *environment);

bool dq_child_exited(const dq_child *child);                    /* leaves it unreaped */
void dq_child_signal(const dq_child *child, int signal_number); /* its whole group */
dq_child_end dq_child_reap(dq_child *child);                    /* waits until it has exited */
void dq_child_close(int *fd); /* one of its descriptors; -1 is fine */

#endif
