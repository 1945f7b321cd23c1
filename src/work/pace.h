/* How many tasks to hold ready beside those at work: as many as will be begun soon, at the pace at
 * which handlers go. Pure. */
#ifndef DQ_WORK_PACE_H
#define DQ_WORK_PACE_H

#include <stddef.h>
#include <stdint.h>

#define DQ_PACE_SOON_US 10000
#define DQ_PACE_MOST 500 /* held ready, unless the options name a number: scripts stay short */
#define DQ_PACE_STUCK_US 100000 /* without a handler's return: the pace was wrong */

/* Zeroed: nothing is known yet. */
typedef struct dq_pace {
    int64_t mean_us; /* that a handler takes for a task; a moving mean, of which the last 16 or so
                        tasks are the most part; in 1/16 µs */
} dq_pace;

void dq_pace_note(dq_pace *pace, int64_t handled_us);

/* No handler has returned for DQ_PACE_STUCK_US: takes them for that slow until they prove quicker. */
void dq_pace_note_stuck(dq_pace *pace);

/* With `room` handlers at a time. 0 as long as nothing is known. */
size_t dq_pace_soon(const dq_pace *pace, size_t room);

#endif
