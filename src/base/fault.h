/* A failure: its code and its one-line text, filled where the failure is found and carried up.
 * Knows nothing of Redis. */
#ifndef DQ_BASE_FAULT_H
#define DQ_BASE_FAULT_H

#include "dueq.h"

typedef struct dq_fault {
    int code; /* a negative dueq_outcome, 0 when there is none */
    char text[512];
} dq_fault;

void dq_fault_clear(dq_fault *fault);

/* Notes a failure and returns `code`, so that a function can `return dq_fault_set(...)`. Control
 * bytes of the text are made printable. `fault` may be NULL. */
int dq_fault_set(dq_fault *fault, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
