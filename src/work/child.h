/* One child process: started in a process group of its own with pipes to its stdin, from its stderr
 * and, if asked for, from its stdout; watched, signalled and reaped. Safe in a host program that has
 * threads and children of its own: only this child is ever waited for. Knows no task. */
#ifndef DQ_WORK_CHILD_H
#define DQ_WORK_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

/* Holds: until it is reaped, `pid` is this child or its remains, so that signalling its group can
 * hit no stranger. Every descriptor is close-on-exec; closed ones are -1. */
typedef struct dq_child {
    pid_t pid;  /* 0: none, or reaped */
    int pid_fd; /* readable once it has exited; -1: this kernel has no such thing */
    int in_fd;  /* to its stdin; never blocks */
    int out_fd; /* from its stdout, if that was asked for; never blocks */
    int err_fd; /* from its stderr; never blocks */
} dq_child;

typedef struct dq_child_end {
    bool known; /* false: the host program took its exit status away */
    bool signalled;
    int number; /* exit status, or the signal that killed it */
} dq_child_end;

typedef struct dq_child_options {
    char *const *command; /* the program, looked up on PATH, and its arguments; ended by NULL */
    char *const *environment;
    bool reads_stdout; /* false: its stdout is ours */
} dq_child_options;

/* Whether a program is there to be started: 0, or the errno that says why not. */
int dq_child_look_up(const char *program);

/* Starts a program; 0, or an errno and nothing is left behind. */
int dq_child_start(dq_child *child, const dq_child_options *options);

bool dq_child_exited(const dq_child *child);                    /* leaves it unreaped */
void dq_child_signal(const dq_child *child, int signal_number); /* its whole group */
void dq_child_signal_alone(const dq_child *child, int signal_number);
dq_child_end dq_child_reap(dq_child *child); /* waits until it has exited */
void dq_child_close(int *fd);                /* one of its descriptors; -1 is fine */

/* Append what there is to say, in one line: "exit 3", "killed by signal 9 (SIGKILL)" … */
void dq_child_describe_end(dq_child_end end, dq_buf *text);
/* … and "cannot start mailer: No such file or directory". */
void dq_child_describe_failure(const char *program, int error, dq_buf *text);

#endif
