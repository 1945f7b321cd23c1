/* What an embedded server is started with: its program, found, and its configuration, written. */
#ifndef DQ_WIRE_LOCAL_SETUP_H
#define DQ_WIRE_LOCAL_SETUP_H

#include "wire/local_place.h"

/* $DUEQ_SERVER, else redis-server or valkey-server, by its absolute path. ESYSTEM with what to
 * install when none is there. */
int dq_setup_find_program(char *out, size_t out_size, dq_fault *fault);

int dq_setup_write_config(const dq_place *place, dq_fault *fault);

#endif
