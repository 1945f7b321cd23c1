/* The moving mean of handling times, and what follows from it. */
#include "work/pace.h"

#define PART 16

void dq_pace_note(dq_pace *pace, int64_t handled_us)
{
    if (handled_us < 1) handled_us = 1;
    if (handled_us > INT64_MAX / PART / 2) handled_us = INT64_MAX / PART / 2;
    if (pace->mean_us == 0) {
        pace->mean_us = handled_us * PART;
    } else {
        pace->mean_us += handled_us - pace->mean_us / PART;
    }
}

void dq_pace_note_stuck(dq_pace *pace)
{
    int64_t stuck_us = (int64_t)DQ_PACE_STUCK_US * PART;
    if (pace->mean_us < stuck_us) pace->mean_us = stuck_us;
}

size_t dq_pace_soon(const dq_pace *pace, size_t room)
{
    if (pace->mean_us == 0) return 0;
    int64_t each = (int64_t)DQ_PACE_SOON_US * PART / pace->mean_us;
    if (each > DQ_PACE_MOST) each = DQ_PACE_MOST;
    size_t soon = (size_t)each * room;
    return soon < DQ_PACE_MOST ? soon : DQ_PACE_MOST;
}
