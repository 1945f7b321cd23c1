/* What a lock is on a server: the names of its keys and the text of its value. Pure.
 *
 * The value is 22 random characters, as other lockers write it, and then what others may read:
 * "dueq HOST PID TEXT". The last of the 22 numbers the server, so that one server under two names
 * cannot say yes twice. */
#ifndef DQ_QUEUE_LOCK_VALUE_H
#define DQ_QUEUE_LOCK_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "dueq.h"

#define DQ_LOCK_SECRET_LEN 22

/* Whether a name has 1 to DUEQ_LOCK_NAME_MAX bytes, and its counter a key in the same slot. */
bool dq_lock_name_valid(const char *name);

/* The key of the counter of tokens, in the slot of `name`, which is valid. */
bool dq_lock_fence_key(dq_buf *key, const char *name);

/* Appends a value: room for the secret, and what others may read. */
bool dq_lock_value_write(dq_buf *value, const char *host, int64_t pid, const char *owner);
/* Writes a new secret over the old one. */
void dq_lock_value_renew(char *value, uint64_t rnd_a, uint64_t rnd_b);
/* Makes the value the one for a server: 0 to DUEQ_LOCK_SERVERS_MAX - 1. */
void dq_lock_value_number(char *value, size_t server);

/* Whether two values are of one holder. */
bool dq_lock_value_same(const char *a, size_t a_len, const char *b, size_t b_len);
/* Reads what a holder told into its host, pid and owner. False: of another kind of locker, whose
 * value is the owner's text then, as far as it fits. */
bool dq_lock_value_read(dueq_lock_holder *holder, const char *value, size_t len);

#endif
