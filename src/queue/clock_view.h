/* A server's clock as this machine sees it: whether it has been put forward or back since it was
 * last seen. For telling only: nothing is decided by it. Pure. */
#ifndef DQ_QUEUE_CLOCK_VIEW_H
#define DQ_QUEUE_CLOCK_VIEW_H

#include <stdbool.h>
#include <stdint.h>

/* Steps smaller than this are not told: clocks that are being kept right drift and slew. */
#define DQ_CLOCK_STEP_MIN_MS 500

/* Holds once known: server clock - this machine's time since boot lay between the two. */
typedef struct dq_clock_view {
    bool known;
    int64_t least_ms, most_ms;
} dq_clock_view;

/* Notes the server's time as it was at some moment between asking and hearing the answer (time
 * since boot). Returns by how much its clock has been put forward since the reading before, at
 * least (negative: back); 0 when it has not, or by less than can be told. */
int64_t dq_clock_view_note(dq_clock_view *view, int64_t server_ms, int64_t asked_us,
                           int64_t heard_us);

#endif
