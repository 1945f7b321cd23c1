/* Two readings, each as uncertain as its question took: a step is what both cannot explain. */
#include "queue/clock_view.h"

int64_t dq_clock_view_note(dq_clock_view *view, int64_t server_ms, int64_t asked_us,
                           int64_t heard_us)
{
    dq_clock_view seen = {.known = true,
                          .least_ms = server_ms - heard_us / 1000 - 1,
                          .most_ms = server_ms - asked_us / 1000 + 1}; /* both round down */
    int64_t forward_ms = seen.least_ms - view->most_ms, back_ms = view->least_ms - seen.most_ms;
    bool was_known = view->known;
    *view = seen;
    if (!was_known) return 0;
    if (forward_ms >= DQ_CLOCK_STEP_MIN_MS) return forward_ms;
    return back_ms >= DQ_CLOCK_STEP_MIN_MS ? -back_ms : 0;
}
