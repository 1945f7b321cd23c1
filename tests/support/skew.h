/* Servers whose wall clock a test can put forward and back while they run: between skew_open() and
 * skew_close() every server that is started has that clock. Its monotonic clock is left alone, as a
 * real step leaves it. */
#ifndef TESTS_SUPPORT_SKEW_H
#define TESTS_SUPPORT_SKEW_H

#include <stdint.h>

#include "server.h"

typedef struct skew skew;

skew *skew_open(void);
void skew_close(skew *k); /* when its servers are gone; NULL is fine */

/* From now on the servers' clocks are so far from the machine's; 0: not at all. */
void skew_set_ms(skew *k, int64_t offset_ms);

/* One server's clock is off by so much more than the others'. */
void skew_set_one_ms(const test_server *s, int64_t offset_ms);

/* In a child, before exec: the program will have that clock too. */
void skew_inherit(const skew *k);

#endif
