/* One page of an import: members as they were read, each judged and moved by the server. Knows
 * nothing of the pages before and after. On one server a script moves them (lua/import.lua); in a
 * cluster they lie aside on the way (import_aside.c). */
#ifndef DQ_QUEUE_IMPORT_PAGE_H
#define DQ_QUEUE_IMPORT_PAGE_H

#include "queue/handle.h"

/* What is imported; all is borrowed. */
typedef struct dq_import {
    dueq *handle;
    const char *zset;
    const char *queue;
    const dueq_import_options *options; /* filled in */
    int64_t page_floor; /* in a cluster: no page that is put aside has a number below */
} dq_import;

/* What became of a page's members. Those that were no longer in the ZSET are in `count` alone. */
typedef struct dq_import_counts {
    size_t count, bytes;
    int64_t moved, overdue, held, busy, too_large, undated;
} dq_import_counts;

/* One command, within the handle's time. */
int dq_import_ask(const dq_import *import, dq_request *request);
/* Reads up to `count` members and their scores from that place of the ZSET on: MEMBER SCORE … */
int dq_import_read(const dq_import *import, int64_t from, size_t count, valkeyReply **page);
/* A score as the server writes it; NAN when it is none. */
double dq_import_score(const valkeyReply *reply);

/* Moves a page's members, or says what would be done (dry_run). DUEQ_OK or negative; *counts tells
 * what was done in either case. */
int dq_import_page(dq_import *import, const valkeyReply *page, dq_import_counts *counts);

/* Brings what another import may have left on its way to its end. DUEQ_OK, DUEQ_EMPTY when there was
 * nothing, or negative. */
int dq_import_resume(dq_import *import, dq_import_counts *counts);

#endif
