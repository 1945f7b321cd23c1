/* Ids that the library makes (84 bits in 14 characters that sort by time) and the checksum that
 * places ids in partitions. */
#ifndef DQ_BASE_ID_H
#define DQ_BASE_ID_H

#include <stddef.h>
#include <stdint.h>

#include "dueq.h"

/* Writes 14 characters and a NUL. The alphabet is in ASCII order, so the texts sort as the bits
 * do; ids made by one thread sort in the order made. Two threads may make the same id once in a very
 * long while: whoever pushes it is told that it exists, and makes another. */
void dq_id_make(char out[DUEQ_MADE_ID_LEN + 1], int64_t unix_ms);

/* CRC16/XMODEM, as Redis Cluster uses it for slots. */
uint16_t dq_crc16(const void *bytes, size_t len);

#endif
