/* What the program says on stderr, and the statuses it ends with. */
#ifndef DUEQ_CLI_SAY_H
#define DUEQ_CLI_SAY_H

#include <stdbool.h>

#include <dueq.h>

enum {
    STATUS_DONE = 0,
    STATUS_FAILED = 1,
    STATUS_USAGE = 2,
    STATUS_NOTHING = 3, /* nothing ready, no such task or queue, no server, no holder */
    STATUS_LOST = 4,    /* the lease had ended, the lock was lost */
    STATUS_EXISTS = 5   /* a task with that id, or the queue, exists; another holds the lock */
};

/* Each writes one line, "dueq: …", with whatever could steer a terminal escaped, and returns the
 * status in its name. */
int say_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
int say_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
int say_nothing(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The status that stands for an outcome of the library. */
int say_status(int outcome);
/* Says why an operation on the handle failed (a negative outcome), and returns its status. */
int say_error(const dueq *handle, int outcome);

/* Of two statuses the one to end with: failures before a normal "no", "no" before done. */
int say_worse(int a, int b);

#endif
