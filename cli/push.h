/* What `push` was asked to do, for one task or for a stream of them. */
#ifndef DUEQ_CLI_PUSH_H
#define DUEQ_CLI_PUSH_H

#include <dueq.h>

typedef struct push_plan {
    const char *queue;
    dueq_new_task task; /* what all tasks have in common: time, headers, attempts */
    dueq_push_options options;
    bool ndjson;     /* bulk: a line is a JSON object; else it is the payload */
    bool keep_going; /* bulk: go on past lines that are no tasks */
    bool quiet;      /* print no ids */
    bool json;
} push_plan;

/* Prints what became of a task, if it was pushed or found. */
void push_print(const push_plan *plan, const dueq *handle, const dueq_new_task *task);

/* Pushes every line of stdin. Returns a status. */
int push_bulk(const push_plan *plan, dueq *handle);

#endif
