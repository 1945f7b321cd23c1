/* The clocks: the monotonic one, for deadlines; the one that also counts while the machine is
 * suspended, for rights that end elsewhere; and the wall clock, for display and ids only: what a
 * task's due time means is the server's to say. */
#ifndef DQ_BASE_CLOCK_H
#define DQ_BASE_CLOCK_H

#include <stdint.h>

#define DQ_NEVER_US INT64_MAX

int64_t dq_mono_us(void);
int64_t dq_boot_us(void);
int64_t dq_wall_us(void);

/* now + ms, DQ_NEVER_US when ms is negative or the sum would overflow. */
int64_t dq_deadline_us(int64_t ms);

/* poll()'s timeout for a deadline: rounded up, at most a minute, -1 for DQ_NEVER_US is never
 * returned so that waits stay bounded. */
int dq_poll_ms(int64_t deadline_us);

#endif
