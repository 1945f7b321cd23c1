/* How durable a change is to be, as commands that change tasks ask for it, and what is said of how
 * durable it became. */
#ifndef DUEQ_CLI_DURABLE_H
#define DUEQ_CLI_DURABLE_H

#include <jansson.h>

#include "command.h"

#define DURABLE_OPTION(destination)                                                               \
    {                                                                                             \
        .kind = OPTION_TEXT, .name = "durability", .argument = "LEVEL", .to.text = (destination), \
        .help = "wait until it is safe: none, replicas:N, fsync; else as the URL says"            \
    }

/* Opens a handle at a level; NULL: the URL's. On failure nothing is left open. Returns a status. */
int durable_open(const cli_call *call, const char *level, dueq **handle);

/* A line on stderr when the last call's changes are not as durable as was asked for. True then. The
 * status is not touched: they stand. */
bool durable_warn(const dueq *handle);

/* Adds "reached" to a line of JSON, if a level was asked for. */
void durable_add_json(json_t *line, const dueq *handle);

#endif
