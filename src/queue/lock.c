/* Taking, extending and giving up locks, on one server or on more than half of several. */
#include "queue/lock.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"
#include "queue/check.h"
#include "queue/lock_rules.h"
#include "queue/lock_value.h"
#include "queue/quorum.h"
#include "wire/socket.h"

enum { TTL_DEFAULT_MS = 30000, RETRY_MAX_DEFAULT_MS = 1000 };
enum { GIVE_BACK_MS = 200 }; /* what may stand on a server that is gone is not worth more */

/* ---- What callers pass in ---- */

int dq_lock_check_name(dueq *handle, const char *name)
{
    bool fine = handle->members || dq_check_open(handle) == DUEQ_OK;
    if (!fine) return handle->fault.code;
    dq_fault_clear(&handle->fault);
    if (dq_lock_name_valid(name)) return DUEQ_OK;
    return dq_fault_set(
        &handle->fault, DUEQ_EINVAL,
        "lock name \"%.100s\": it has 1 to %d bytes, and a \"}\" only as the end of "
        "a hash tag {...}",
        name ? name : "", DUEQ_LOCK_NAME_MAX);
}

static int check_ttl(dueq *handle, int64_t ttl_ms)
{
    if (ttl_ms >= DUEQ_LOCK_TTL_MS_MIN && ttl_ms <= DUEQ_LOCK_TTL_MS_MAX) return DUEQ_OK;
    return dq_fault_set(&handle->fault, DUEQ_EINVAL,
                        "a lock's time of %" PRId64 " ms; it is %d to %d (7 days)", ttl_ms,
                        DUEQ_LOCK_TTL_MS_MIN, DUEQ_LOCK_TTL_MS_MAX);
}

static int check_options(dueq *handle, const dueq_lock_options *options)
{
    int rc = check_ttl(handle, options->ttl_ms);
    if (rc == DUEQ_OK && (options->wait_ms < -1 || options->wait_ms > DUEQ_DELAY_MS_MAX))
        rc = dq_fault_set(&handle->fault, DUEQ_EINVAL,
                          "a wait of %" PRId64 " ms; it is 0 or more, or -1: for ever",
                          options->wait_ms);
    if (rc == DUEQ_OK && (options->retry_max_ms < 1 || options->retry_max_ms > DUEQ_DELAY_MS_MAX))
        rc = dq_fault_set(&handle->fault, DUEQ_EINVAL,
                          "a pause of %" PRId64 " ms between tries; it is 1 or more",
                          options->retry_max_ms);
    size_t owner_len = options->owner ? strnlen(options->owner, DUEQ_LOCK_OWNER_MAX + 1) : 0;
    if (rc == DUEQ_OK && owner_len > DUEQ_LOCK_OWNER_MAX)
        rc = dq_fault_set(&handle->fault, DUEQ_ELIMIT, "an owner's text of more than %d bytes",
                          DUEQ_LOCK_OWNER_MAX);
    return rc;
}

static dueq_lock_options fill_in(const dueq_lock_options *options)
{
    dueq_lock_options filled = options ? *options : (dueq_lock_options){0};
    if (!filled.ttl_ms) filled.ttl_ms = TTL_DEFAULT_MS;
    if (!filled.retry_max_ms) filled.retry_max_ms = RETRY_MAX_DEFAULT_MS;
    return filled;
}

/* ---- Making and freeing ---- */

static dueq_lock *make_lock(const char *name, const dueq_lock_options *options)
{
    dueq_lock *lock = calloc(1, sizeof *lock);
    if (!lock) return NULL;
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    lock->ttl_ms = options->ttl_ms;
    dq_buf_add_text(&lock->name, name);
    dq_lock_fence_key(&lock->fence, name);
    dq_lock_value_write(&lock->value, host, getpid(), options->owner);
    if (!lock->name.failed && !lock->fence.failed && !lock->value.failed) return lock;
    dueq_lock_free(lock);
    return NULL;
}

static void end_keeping(dueq_lock *lock)
{
    if (lock->keeper) lock->end_keeping(lock->keeper);
    lock->keeper = NULL;
}

void dueq_lock_free(dueq_lock *lock)
{
    if (!lock) return;
    end_keeping(lock);
    dq_buf_clear(&lock->name);
    dq_buf_clear(&lock->fence);
    dq_buf_clear(&lock->value);
    free(lock);
}

int64_t dueq_lock_token(const dueq_lock *lock)
{
    return lock->token;
}

int64_t dueq_lock_left_ms(const dueq_lock *lock)
{
    int64_t left_us = atomic_load(&lock->until_us) - dq_boot_us();
    return left_us > 0 ? (left_us + 999) / 1000 : 0;
}

/* Tells all servers that may have the lock. */
static int ask_release(dueq *handle, const dueq_lock *lock, int64_t deadline_us)
{
    dq_lock_question question = {.script = &dq_script_lock_release,
                                 .lock = lock,
                                 .ttl_ms = lock->ttl_ms,
                                 .servers = lock->servers,
                                 .thorough = true,
                                 .lost_is_done = true,
                                 .deadline_us = deadline_us};
    dq_lock_answers answers;
    int rc = dq_lock_ask(handle, &question, &answers);
    dq_lock_answers_clear(&answers);
    return rc;
}

/* ---- Taking ---- */

/* Takes back what was granted, or may have been; the failure that led here stays told. */
static void give_back(dueq *handle, dueq_lock *lock)
{
    if (!lock->servers) return;
    dq_fault why = handle->fault;
    ask_release(handle, lock, handle->members ? DQ_NEVER_US : dq_deadline_us(GIVE_BACK_MS));
    handle->fault = why;
    lock->servers = 0;
}

/* What the servers' answers tell: where the lock may stand, the largest token, and how long at
 * least another has it. Returns how many answered at all. */
static size_t read_answers(dueq_lock *lock, const dq_lock_answers *answers, int64_t *left_ms)
{
    size_t answered = 0;
    lock->servers = 0;
    lock->token = 0;
    *left_ms = -1;
    for (size_t i = 0; i < answers->count; i++) {
        int outcome = answers->outcomes[i];
        bool unsure = outcome == DUEQ_EUNSURE || outcome == DUEQ_EPROTO;
        int64_t number = dq_lock_answer_number(answers, i, 1, -1);
        answered += outcome >= 0;
        if (outcome == DUEQ_OK || unsure) lock->servers |= 1u << i;
        if (outcome == DUEQ_OK && number > lock->token) lock->token = number;
        if (outcome == DUEQ_HELD && number >= 0 && (*left_ms < 0 || number < *left_ms))
            *left_ms = number;
    }
    return answered;
}

static bool any_holds(const dq_lock_answers *answers)
{
    for (size_t i = 0; i < answers->count; i++)
        if (answers->outcomes[i] == DUEQ_HELD) return true;
    return false;
}

/* Asks for the lock. Enough servers answered but not enough granted it: another has it, or is about
 * to. */
static int ask_for(dueq *handle, dueq_lock *lock, int64_t deadline_us, int64_t *left_ms)
{
    dq_lock_question question = {.script = &dq_script_lock_acquire,
                                 .lock = lock,
                                 .number = lock->ttl_ms,
                                 .ttl_ms = lock->ttl_ms,
                                 .servers = DQ_ALL_SERVERS,
                                 .deadline_us = deadline_us};
    dq_lock_answers answers;
    int rc = dq_lock_ask(handle, &question, &answers);
    size_t answered = read_answers(lock, &answers, left_ms);
    if (rc < 0 && answered >= dq_quorum_of(answers.count) && any_holds(&answers)) rc = DUEQ_HELD;
    if (rc == DUEQ_OK && lock->token < 1)
        rc = dq_fault_set(&handle->fault, DUEQ_EPROTO, "the lock was granted without a token");
    dq_lock_answers_clear(&answers);
    return rc;
}

/* Of several servers each gave a token of its own; the largest is the lock's, and more than half of
 * them must know it while they hold the lock: the next holder then gets a larger one. */
static int spread_token(dueq *handle, const dueq_lock *lock, int64_t deadline_us)
{
    if (dq_server_count(handle) == 1) return DUEQ_OK;
    dq_lock_question question = {.script = &dq_script_lock_raise,
                                 .lock = lock,
                                 .number = lock->token,
                                 .ttl_ms = lock->ttl_ms,
                                 .servers = lock->servers,
                                 .deadline_us = deadline_us};
    dq_lock_answers answers;
    int rc = dq_lock_ask(handle, &question, &answers);
    dq_lock_answers_clear(&answers);
    return rc == DUEQ_LOST ? DUEQ_HELD : rc;
}

/* One try, under a value of its own: what a late packet of it does cannot touch another try. */
static int try_once(dueq *handle, dueq_lock *lock, int64_t deadline_us, int64_t *left_ms)
{
    dq_fault_clear(&handle->fault);
    dq_lock_value_renew(lock->value.data, dq_random_u64(), dq_random_u64());
    int64_t until_us = dq_boot_us() + dq_lock_sure_us(lock->ttl_ms);
    int rc = ask_for(handle, lock, deadline_us, left_ms);
    if (rc == DUEQ_OK) rc = spread_token(handle, lock, deadline_us);
    if (rc == DUEQ_OK && dq_boot_us() >= until_us)
        rc = dq_fault_set(&handle->fault, DUEQ_ETIMEOUT,
                          "the lock's %" PRId64 " ms were over before the answers were there",
                          lock->ttl_ms);
    if (rc == DUEQ_OK)
        atomic_store(&lock->until_us, until_us);
    else
        give_back(handle, lock);
    return rc;
}

static bool is_worth_waiting(int rc)
{
    switch (rc) {
    case DUEQ_HELD:
    case DUEQ_ECONNECT:
    case DUEQ_ETIMEOUT:
    case DUEQ_EUNSURE:
    case DUEQ_EUNREADY:
    case DUEQ_EREADONLY:
        return true;
    default:
        return false;
    }
}

/* Sleeps before the next try. False when the time is over; DUEQ_ECANCELED goes to *rc. */
static bool pause_before_next(dueq *handle, int64_t pause_ms, int64_t give_up_us, int *rc)
{
    if (dq_mono_us() >= give_up_us) return false;
    int64_t until_us = dq_deadline_us(pause_ms);
    if (until_us > give_up_us) until_us = give_up_us; /* and then one last try */
    if (dq_socket_wait(-1, 0, handle->interrupt_fd, until_us) != DUEQ_ECANCELED) return true;
    *rc = dq_fault_set(&handle->fault, DUEQ_ECANCELED, "interrupted while waiting for the lock");
    return false;
}

static int wait_for(dueq *handle, dueq_lock *lock, const dueq_lock_options *options)
{
    int64_t give_up_us = dq_deadline_us(options->wait_ms);
    for (int64_t attempt = 1;; attempt++) {
        int64_t left_ms;
        int rc = try_once(handle, lock, dq_handle_deadline_us(handle, 0), &left_ms);
        if (!is_worth_waiting(rc)) return rc;
        int64_t pause_ms =
            dq_lock_pause_ms(attempt, options->retry_max_ms, left_ms, dq_random_u64());
        if (!pause_before_next(handle, pause_ms, give_up_us, &rc)) return rc;
    }
}

int dueq_lock_acquire(dueq *handle, const char *name, const dueq_lock_options *options,
                      dueq_lock **lock)
{
    *lock = NULL;
    dueq_lock_options filled = fill_in(options);
    int rc = dq_lock_check_name(handle, name);
    if (rc == DUEQ_OK) rc = check_options(handle, &filled);
    if (rc < 0) return rc;
    dueq_lock *made = make_lock(name, &filled);
    if (!made) return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    rc = wait_for(handle, made, &filled);
    if (rc == DUEQ_OK)
        *lock = made;
    else
        dueq_lock_free(made);
    return rc;
}

/* ---- Holding on, and giving up ---- */

int dq_lock_extend(dueq *handle, dueq_lock *lock, int64_t ttl_ms, int64_t deadline_us)
{
    int64_t until_us = dq_boot_us() + dq_lock_sure_us(ttl_ms);
    dq_lock_question question = {.script = &dq_script_lock_extend,
                                 .lock = lock,
                                 .number = ttl_ms,
                                 .ttl_ms = ttl_ms,
                                 .servers = lock->servers,
                                 .deadline_us = deadline_us};
    dq_lock_answers answers;
    int rc = dq_lock_ask(handle, &question, &answers);
    dq_lock_answers_clear(&answers);
    if (rc == DUEQ_OK) atomic_store(&lock->until_us, until_us);
    if (rc == DUEQ_LOST) atomic_store(&lock->until_us, 0);
    return rc;
}

int dueq_lock_extend(dueq *handle, dueq_lock *lock, int64_t ttl_ms)
{
    if (!ttl_ms) ttl_ms = lock->ttl_ms;
    int rc = dq_lock_check_name(handle, lock->name.data);
    if (rc == DUEQ_OK) rc = check_ttl(handle, ttl_ms);
    if (rc < 0) return rc;
    return dq_lock_extend(handle, lock, ttl_ms, dq_handle_deadline_us(handle, 0));
}

int dueq_lock_release(dueq *handle, dueq_lock *lock)
{
    end_keeping(lock);
    atomic_store(&lock->until_us, 0);
    int rc = dq_lock_check_name(handle, lock->name.data);
    if (rc < 0) return rc;
    return ask_release(handle, lock, dq_handle_deadline_us(handle, 0));
}
