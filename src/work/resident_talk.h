/* What goes between the worker and one long-lived process: lines to its stdin, answers from its
 * stdout, its stderr. Inside of resident.[ch] only. */
#ifndef DQ_WORK_RESIDENT_TALK_H
#define DQ_WORK_RESIDENT_TALK_H

#include "work/resident.h"

/* ---- Here ---- */

bool dq_resident_is_choked(const dq_resident *r);           /* it has enough to read for now */
uint64_t dq_resident_end_of_lines(const dq_resident *r);    /* where the next line would begin */
bool dq_resident_write_task(dq_resident *r, dueq_job *job); /* false: out of memory */
void dq_resident_tell_lost(dq_resident *r, dq_resident_task *task); /* once */
void dq_resident_close_stdin(dq_resident *r);
void dq_resident_drain_stdout(dq_resident *r); /* of a process that is gone; and closes it */

/* ---- In resident.c ---- */

/* A task in its hands is through; its delay and error are set. */
void dq_resident_return(dq_resident *r, size_t at, dueq_verdict verdict);

/* It can be given no more: `complaint` says why if that was its own doing. */
void dq_resident_leave(dq_resident *r);

/* It does not keep to the protocol, as `complaint` says: it is ended. */
void dq_resident_break(dq_resident *r);

#endif
