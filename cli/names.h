/* Operations on tasks that are named by their ids: reading the names, telling what became of each. */
#ifndef DUEQ_CLI_NAMES_H
#define DUEQ_CLI_NAMES_H

#include <dueq.h>

#include "command.h"

#define NAMES_BASE64_OPTION(destination)                                         \
    {                                                                            \
        .kind = OPTION_FLAG, .name = "base64", .to.flag = (destination),         \
        .help = "the ids are given in base64, as for bytes that cannot be typed" \
    }

typedef struct names_operation {
    /* Does it, and sets each name's outcome; prints what it has to print itself. */
    int (*run)(dueq *handle, const char *queue, dueq_name *names, size_t count, bool json);
    bool base64;
    const char *durability; /* NULL: the URL's */
    const char *done_word;  /* of the JSON line of a task that it was done to; NULL: no such line */
    const char *state_text; /* what is said of a task whose state does not allow it */
} names_operation;

/* Runs it on all ids after the queue's name. Returns a status. */
int names_run(const cli_call *call, const names_operation *operation);

#endif
