/* A page of an import at work: what import_page.c and import_aside.c share. */
#ifndef DQ_QUEUE_IMPORT_STATE_H
#define DQ_QUEUE_IMPORT_STATE_H

#include "queue/fanout.h"
#include "queue/import_page.h"
#include "wire/digest.h"

/* Marks a lock as ours. Such a lock keeps old consumers out, and no importer: what it stands for is
 * done, or on its way. */
#define DQ_IMPORT_LOCK "dueq-import"

/* A task's id: a letter, which no shell takes for an option, and the digest of ZSET and member. */
enum { DQ_IMPORT_ID_LEN = 1 + DQ_DIGEST_LEN, DQ_IMPORT_HEAD_MAX = 16 };

typedef struct dq_import_member {
    const char *bytes; /* in the reply they were read from */
    size_t len;
    double score;
    int64_t due_us; /* of one that lies aside */
    char id[DQ_IMPORT_ID_LEN + 1];
    int outcome; /* of sending it */
    int given;   /* what became of it, once the former is DUEQ_OK */
} dq_import_member;

typedef struct dq_import_work {
    dq_import *import;
    dq_import_member *members;
    size_t count;
    char head[DQ_IMPORT_HEAD_MAX]; /* of each record */
    size_t head_len;
} dq_import_work;

/* Makes room for so many members, and what they share. False: out of memory. Free `members`. */
bool dq_import_work_begin(dq_import_work *work, dq_import *import, size_t room);
/* False: out of memory. */
bool dq_import_work_add(dq_import_work *work, const char *bytes, size_t len, double score);

int64_t dq_import_unit_us(const dq_import *import);
bool dq_import_add_lock(dq_args *args, const char *prefix, const dq_import_member *member);

/* Of the families, whose work begins with a dq_import_work: the partition of a member's id, how much
 * of it is sent, where its outcome is. */
uint32_t dq_import_partition(const void *work, size_t item, uint32_t partition_count);
size_t dq_import_size(const void *work, size_t item);
int *dq_import_outcome(void *work, size_t item);

/* Judges each member as a server would, without its lock: DUEQ_OK, DUEQ_ELIMIT or DUEQ_EINVAL. */
int dq_import_foretell(dq_import_work *work);
/* Adds up what became of the members. */
void dq_import_count(const dq_import_work *work, dq_import_counts *counts);

/* In a cluster: locks a page's members, puts them aside and brings them into the queue. What came of
 * those is added to *counts; the work's own members are left for dq_import_count(). */
int dq_import_by_way(dq_import_work *work, dq_import_counts *counts);

#endif
