/* Reads a command line by its table. */
#ifndef DUEQ_CLI_OPTIONS_H
#define DUEQ_CLI_OPTIONS_H

#include "command.h"

/* Options that every command has: --url, --json, --help, --version. */
extern const cli_option global_options[];

typedef struct globals {
    const char *url;
    bool json, help, version;
} globals;
extern globals global;

/* Reads leading options of `global_options` only, from argv[*at] on, up to the first word that is
 * none. Returns a status. */
int options_read_leading(char **argv, int *at);

/* Reads all of argv from `at` on, options anywhere among the operands, into what the tables of
 * `command` point to, and `call`. call->operands is to be freed. Returns a status. */
int options_read(const cli_command *command, char **argv, int at, cli_call *call);

#endif
