/* Runs a program while a lock is held: passes signals on to it, ends it when the lock is lost. Knows
 * nothing of how the lock is held. */
#ifndef DUEQ_CLI_LOCK_RUN_H
#define DUEQ_CLI_LOCK_RUN_H

#include <stdbool.h>
#include <stdint.h>

/* Makes the signals that end or concern us arrive at a descriptor, for the rest of the program; -1
 * when that cannot be had. */
int lock_run_hear_signals(void);
/* The signal that has arrived there; 0: none. */
int lock_run_heard(int signal_fd);

typedef struct lock_run {
    char *const *command; /* ended by NULL */
    int signal_fd;
    int lost_fd;      /* readable once the lock is lost */
    int lost_signal;  /* sent then … */
    int64_t grace_ms; /* … and SIGKILL so much later */
} lock_run;

typedef struct lock_run_end {
    int status; /* the program's, 128 and the signal that ended it, 126 or 127 if it did not start */
    bool lost;  /* the lock was lost meanwhile */
} lock_run_end;

lock_run_end lock_run_command(const lock_run *run);

#endif
