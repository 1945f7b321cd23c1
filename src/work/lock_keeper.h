/* Keeps a lock: renews it from a thread of its own until it is ended or the lock is lost. */
#ifndef DQ_WORK_LOCK_KEEPER_H
#define DQ_WORK_LOCK_KEEPER_H

#include "queue/lock.h"

/* When a lock of ttl_ms is to be renewed, counted from the last time; and how soon again when that
 * failed. */
int64_t dq_lock_renew_after_us(int64_t ttl_ms);
int64_t dq_lock_retry_after_us(int64_t ttl_ms);

#endif
