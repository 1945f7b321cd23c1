/* A lock as its holder has it, and how its servers are asked about it. One thread acquires, extends
 * and releases; another may renew it meanwhile, on a handle of its own (work/lock_keeper.h). */
#ifndef DQ_QUEUE_LOCK_H
#define DQ_QUEUE_LOCK_H

#include <stdatomic.h>

#include "base/buf.h"
#include "queue/handle.h"

/* Holds: all but until_us stays as it is while the lock is held. */
struct dueq_lock {
    dq_buf name;
    dq_buf fence; /* key of the counter of tokens */
    dq_buf value; /* without the server's number (lock_value.h) */
    int64_t ttl_ms;
    int64_t token;
    unsigned servers;         /* bit i: server i has it, or may have */
    _Atomic int64_t until_us; /* by dq_boot_us(): surely held until then */

    /* Who renews it, if somebody does, and how to end that before the lock ends. */
    struct dq_lock_keeper *keeper;
    void (*end_keeping)(struct dq_lock_keeper *keeper);
};

/* That the handle is open and the name good; clears the handle's fault. DUEQ_OK or negative. */
int dq_lock_check_name(dueq *handle, const char *name);

/* Does what dueq_lock_extend() does, within the deadline. */
int dq_lock_extend(dueq *handle, dueq_lock *lock, int64_t ttl_ms, int64_t deadline_us);

/* ---- lock_ask.c ---- */

/* A question for the servers of a lock. */
typedef struct dq_lock_question {
    const dq_script *script;
    const dueq_lock *lock;
    int64_t number; /* the script's argument after the value */
    int64_t ttl_ms; /* bounds how long one of several servers is waited for */
    unsigned servers;
    bool thorough;     /* ask all of them, also when the rest cannot change the result */
    bool lost_is_done; /* "lost" to a question sent again: the first sending did it */
    int64_t deadline_us;
} dq_lock_question;

#define DQ_ALL_SERVERS (~0u)

typedef struct dq_lock_answers {
    size_t count;
    int outcomes[DUEQ_LOCK_SERVERS_MAX]; /* DQ_LOCK_UNASKED: was not needed */
    dq_request requests[DUEQ_LOCK_SERVERS_MAX];
} dq_lock_answers;

/* Asks the servers, one after the other; those that failed lately last, and only while they are
 * needed. Returns what their outcomes add up to (lock_rules.h). Clear the answers. */
int dq_lock_ask(dueq *handle, const dq_lock_question *question, dq_lock_answers *answers);
void dq_lock_answers_clear(dq_lock_answers *answers);

/* The number that a server's answer holds after its outcome; `otherwise` when there is none. */
int64_t dq_lock_answer_number(const dq_lock_answers *answers, size_t server, size_t at,
                              int64_t otherwise);

#endif
