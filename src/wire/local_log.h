/* The log of an embedded server: kept from growing for ever, and read for what became of a start.
 * Knows the lines that Redis 6.2 to 8 and Valkey write. */
#ifndef DQ_WIRE_LOCAL_LOG_H
#define DQ_WIRE_LOCAL_LOG_H

#include <sys/types.h>

#include "wire/local_place.h"

/* Opens the log for a new start, whose part begins at *from. The descriptor is the caller's; -1
 * with errno when it cannot be opened. */
int dq_log_open(const dq_place *place, off_t *from);

/* Says in `fault`, from what was logged since `from`, why the server ended at its start. Returns
 * the fault's code. */
int dq_log_explain_end(const dq_place *place, const char *program, off_t from, dq_fault *fault);

/* Writes into `fault` (its code stays DUEQ_OK) what a good start has to tell, if anything. */
void dq_log_note(const dq_place *place, off_t from, dq_fault *fault);

#endif
