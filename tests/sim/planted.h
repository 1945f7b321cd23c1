/* Bugs planted in the scripts, each of which the simulation must find. */
#ifndef TESTS_SIM_PLANTED_H
#define TESTS_SIM_PLANTED_H

#include "sim.h"

extern const planted_bug planted_bugs[];
extern const size_t planted_count;
#endif
