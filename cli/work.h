/* dueq work, in two parts: reading what is asked for, and doing it. */
#ifndef DUEQ_CLI_WORK_H
#define DUEQ_CLI_WORK_H

#include "command.h"

typedef struct work_request {
    dueq_worker_options options; /* neither handler nor callbacks are set */
    bool log_json;
    dueq_worker_queue *queues;
    char **names; /* theirs */
    size_t name_count;
    char *secret;
} work_request;

extern const cli_option work_options[];

/* Says what is wrong, before anything is started. Returns a status; clear in either case. */
int work_read(const cli_call *call, work_request *request);
void work_clear(work_request *request);

#endif
