/* The help, made from the tables that the parser reads. */
#ifndef DUEQ_CLI_HELP_H
#define DUEQ_CLI_HELP_H

#include "command.h"

void help_all(void);
void help_family(const char *family); /* "queue": its commands */
void help_command(const cli_command *which);

/* The command that the words name (one, or two of a family), or NULL; *used says how many. */
const cli_command *help_find(char *const *words, size_t *used);
bool help_is_family(const char *word);
/* Says that the words name no command, and which was probably meant. Returns a status. */
int help_unknown(char *const *words);

#endif
