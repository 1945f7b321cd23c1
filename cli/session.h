/* What nearly every command begins with: checked names, a handle that is open. */
#ifndef DUEQ_CLI_SESSION_H
#define DUEQ_CLI_SESSION_H

#include "command.h"

/* The URL to use. When none was given, the private server is started if need be, and a line on
 * stderr says so. Returns a status. */
int session_url(const cli_call *call, const char **url);

/* Opens a handle there. On failure nothing is left open. Returns a status. */
int session_open(const cli_call *call, dueq **handle);
int session_open_with(const cli_call *call, const dueq_options *options, dueq **handle);

/* Names as typed. Each says what is wrong with it, if anything is. */
bool session_check_queue(const char *name);
bool session_check_receipt(const char *receipt);

/* Ids as typed, or in base64, for ids that no keyboard has. */
typedef struct id_list {
    dueq_name *names; /* point into `bytes` or into argv */
    size_t count;
    char *bytes;
} id_list;

/* Returns a status; free the list in either case. */
int session_read_ids(char *const *typed, size_t count, bool base64, id_list *ids);
void session_free_ids(id_list *ids);

/* Goes on when the user says yes, or said so before. Otherwise says why not. Returns a status. */
int session_confirm(bool yes, const char *question, ...) __attribute__((format(printf, 2, 3)));

#endif
