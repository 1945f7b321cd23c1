/* The thread that renews a lock, and its end. It has a handle of its own; of the lock it changes
 * only until when it is held, which is atomic. */
#include "work/lock_keeper.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define STACK_SIZE ((size_t)256 * 1024)

enum {
    RENEWALS = 3, /* in the lock's time */
    TRIES = 10,   /* in the lock's time, while renewing fails */
    RETRY_MAX_US = 1000000,
    CALL_MIN_US =
        100000 /* one renewal may take a sixth of the lock's time, but no less than this */
};

/* Holds: `stop_fd` is readable once keeping is to end; the thread runs until then, or until it has
 * told of a loss. */
typedef struct dq_lock_keeper {
    dueq *handle;
    dueq_lock *lock;
    int64_t ttl_ms;
    dueq_lock_lost_fn *lost;
    void *context;
    int stop_fd;
    int timer_fd; /* goes on while the machine is suspended */
    pthread_t thread;
} dq_lock_keeper;

int64_t dq_lock_renew_after_us(int64_t ttl_ms)
{
    return ttl_ms * 1000 / RENEWALS;
}

int64_t dq_lock_retry_after_us(int64_t ttl_ms)
{
    int64_t after_us = ttl_ms * 1000 / TRIES;
    return after_us < RETRY_MAX_US ? after_us : RETRY_MAX_US;
}

/* ---- The thread ---- */

/* False when keeping is to end. */
static bool sleep_until(const dq_lock_keeper *k, int64_t boot_us)
{
    int64_t at_us = boot_us > 0 ? boot_us : 1; /* a timer of 0 is off */
    struct itimerspec at = {
        .it_value = {.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000}};
    timerfd_settime(k->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
    struct pollfd fds[] = {{.fd = k->stop_fd, .events = POLLIN},
                           {.fd = k->timer_fd, .events = POLLIN}};
    while (poll(fds, 2, -1) < 0 && errno == EINTR) {}
    return fds[0].revents == 0;
}

static int64_t until_us(const dq_lock_keeper *k)
{
    return atomic_load(&k->lock->until_us);
}

/* Bounded by what is left of the lock: its end is told when it comes. */
static int renew(dq_lock_keeper *k)
{
    int64_t call_us = k->ttl_ms * 1000 / (2 * RENEWALS), left_us = until_us(k) - dq_boot_us();
    if (call_us < CALL_MIN_US) call_us = CALL_MIN_US;
    if (call_us > left_us) call_us = left_us;
    int64_t deadline_us = dq_handle_deadline_us(k->handle, 0), bound_us = dq_mono_us() + call_us;
    return dq_lock_extend(k->handle, k->lock, k->ttl_ms,
                          bound_us < deadline_us ? bound_us : deadline_us);
}

static void tell_lost(dq_lock_keeper *k, int rc)
{
    char why[sizeof k->handle->fault.text + 80];
    atomic_store(&k->lock->until_us, 0);
    if (rc < 0)
        snprintf(why, sizeof why, "the lock could not be renewed in time: %s",
                 *dueq_error(k->handle) ? dueq_error(k->handle) : dueq_outcome_text(rc));
    else if (rc == DUEQ_LOST)
        snprintf(why, sizeof why, "the lock is no longer ours: deleted, or its time was over");
    else
        snprintf(why, sizeof why, "the lock's time was over before it could be renewed");
    if (k->lost) k->lost(k->context, why);
}

static void *keep(void *context)
{
    dq_lock_keeper *k = context;
    int64_t next_us = dq_boot_us() + dq_lock_renew_after_us(k->ttl_ms);
    int rc = DUEQ_OK;
    for (;;) {
        int64_t end_us = until_us(k);
        if (!sleep_until(k, next_us < end_us ? next_us : end_us)) return NULL;
        int64_t now_us = dq_boot_us();
        if (now_us < until_us(k)) rc = renew(k);
        if (rc == DUEQ_LOST || dq_boot_us() >= until_us(k)) break;
        next_us = now_us + (rc == DUEQ_OK ? dq_lock_renew_after_us(k->ttl_ms)
                                          : dq_lock_retry_after_us(k->ttl_ms));
    }
    tell_lost(k, rc);
    return NULL;
}

/* ---- Beginning and ending ---- */

static void free_keeper(dq_lock_keeper *k)
{
    if (k->stop_fd >= 0) close(k->stop_fd);
    if (k->timer_fd >= 0) close(k->timer_fd);
    dueq_close(k->handle);
    free(k);
}

static void end_keeper(dq_lock_keeper *k)
{
    eventfd_write(k->stop_fd, 1);
    pthread_join(k->thread, NULL);
    free_keeper(k);
}

/* Signals are the host program's. 0 or an errno. */
static int start_thread(dq_lock_keeper *k)
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0) return error;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (error == 0) error = pthread_create(&k->thread, &attributes, keep, k);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

/* 0 or an errno. */
static int open_descriptors(dq_lock_keeper *k)
{
    k->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    k->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    return k->stop_fd < 0 || k->timer_fd < 0 ? errno : 0;
}

int dueq_lock_keep(dueq *handle, dueq_lock *lock, dueq_lock_lost_fn *lost, void *context)
{
    int rc = dq_lock_check_name(handle, lock->name.data);
    if (rc < 0) return rc;
    if (lock->keeper) return DUEQ_STATE;
    dq_lock_keeper *k = calloc(1, sizeof *k);
    if (!k) return dq_fault_set(&handle->fault, DUEQ_ENOMEM, "out of memory");
    *k = (dq_lock_keeper){.lock = lock, .ttl_ms = lock->ttl_ms, .lost = lost, .context = context};
    int error = open_descriptors(k);
    rc = dq_handle_twin(&k->handle, handle);
    if (rc == DUEQ_OK) {
        dueq_set_interrupt_fd(k->handle, k->stop_fd);
        if (error == 0) error = start_thread(k);
        if (error != 0)
            rc = dq_fault_set(&handle->fault, DUEQ_ESYSTEM, "cannot start a thread to keep it: %s",
                              strerror(error));
    } else {
        dq_fault_set(&handle->fault, rc, "out of memory");
    }
    if (rc < 0) {
        free_keeper(k);
        return rc;
    }
    lock->keeper = k;
    lock->end_keeping = end_keeper;
    return DUEQ_OK;
}
