/* How many descriptors this program has open: for tests that none is left behind. */
#ifndef TESTS_SUPPORT_DESCRIPTORS_H
#define TESTS_SUPPORT_DESCRIPTORS_H

int count_descriptors(void);

#endif
