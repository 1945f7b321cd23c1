/* Writes all that is in a queue's keys into a history: each id, with where it is, and whatever else
 * of doc/protocol.md does not hold of the keys. Reads the keys themselves, with nothing of dueq's
 * own code. */
#ifndef TESTS_SUPPORT_DUMP_H
#define TESTS_SUPPORT_DUMP_H

#include "history.h"
#include "server.h"

/* One partition, of the server that has it; who dumps one by one notes the end of it. */
void dump_partition(test_server *s, const char *queue, int partition, history_writer *into);

void dump_queue(test_server *s, const char *queue, int partitions, history_writer *into);

#endif
