/* Checks of what callers pass in. */
#include "queue/check.h"

#include <string.h>

static bool name_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c && strchr("_.:-", c));
}

int dq_check_open(dueq *handle)
{
    dq_fault_clear(&handle->fault);
    if (handle->link) return DUEQ_OK;
    if (handle->members)
        return dq_fault_set(&handle->fault, DUEQ_EINVAL,
                            "the handle is on %zu servers, for locks only; queues want one server",
                            handle->member_count);
    return dq_fault_set(&handle->fault, DUEQ_ECONNECT, "the handle could not be opened");
}

int dq_check_queue(dueq *handle, const char *queue)
{
    int rc = dq_check_open(handle);
    if (rc < 0) return rc;
    size_t len = queue ? strnlen(queue, DUEQ_QUEUE_NAME_MAX + 1) : 0;
    bool fine = len > 0 && len <= DUEQ_QUEUE_NAME_MAX;
    for (size_t i = 0; fine && i < len; i++) fine = name_char(queue[i]);
    if (fine) return DUEQ_OK;
    return dq_fault_set(&handle->fault, DUEQ_EINVAL,
                        "queue name \"%.*s\": it is 1 to %d characters of A-Z a-z 0-9 _ . : -",
                        DUEQ_QUEUE_NAME_MAX, queue ? queue : "", DUEQ_QUEUE_NAME_MAX);
}

int dq_check_call(dueq *handle, const char *queue, const void *items, size_t count)
{
    int rc = dq_check_queue(handle, queue);
    if (rc < 0) return rc;
    if (count > DUEQ_CALL_TASKS_MAX)
        return dq_fault_set(&handle->fault, DUEQ_ELIMIT, "%zu items in one call; at most %d", count,
                            DUEQ_CALL_TASKS_MAX);
    if (!items || count == 0)
        return dq_fault_set(&handle->fault, DUEQ_EINVAL, "no items in the call; at least 1");
    return DUEQ_OK;
}

int dq_check_id(dueq *handle, const void *id, size_t id_len)
{
    size_t len = id_len || !id ? id_len : strnlen(id, DUEQ_ID_MAX + 1);
    if (id && len >= 1 && len <= DUEQ_ID_MAX) return DUEQ_OK;
    return dq_fault_set(&handle->fault, DUEQ_EINVAL, "an id of %s%zu bytes; it has 1 to %d",
                        len > DUEQ_ID_MAX && !id_len ? "at least " : "", len, DUEQ_ID_MAX);
}

int dq_check_when(dueq *handle, int64_t delay_ms, int64_t due_ms)
{
    if (delay_ms < 0 || delay_ms > DUEQ_DELAY_MS_MAX)
        return dq_fault_set(&handle->fault, DUEQ_EINVAL,
                            "a delay of %lld ms; it is 0 to %lld (a hundred years)",
                            (long long)delay_ms, (long long)DUEQ_DELAY_MS_MAX);
    /* Scores are exact to 2^53 µs: until the year 2255. */
    if (due_ms < 0 || due_ms > INT64_C(9007199254740))
        return dq_fault_set(&handle->fault, DUEQ_EINVAL,
                            "due at %lld ms since 1970; the latest is 9007199254740 (year 2255)",
                            (long long)due_ms);
    return DUEQ_OK;
}

int64_t dq_when_us(int64_t delay_ms, int64_t due_ms)
{
    return due_ms ? -due_ms * 1000 : delay_ms * 1000;
}

int dq_check_lease(dueq *handle, int64_t lease_ms)
{
    if (lease_ms >= 1 && lease_ms <= DUEQ_LEASE_MS_MAX) return DUEQ_OK;
    return dq_fault_set(&handle->fault, DUEQ_EINVAL, "a lease of %lld ms; it is 1 to %lld (7 days)",
                        (long long)lease_ms, (long long)DUEQ_LEASE_MS_MAX);
}

int dq_check_attempts(dueq *handle, int64_t max_attempts)
{
    if (max_attempts >= 0 && max_attempts <= DUEQ_ATTEMPTS_MAX) return DUEQ_OK;
    return dq_fault_set(&handle->fault, DUEQ_EINVAL, "max_attempts %lld; it is 1 to %d",
                        (long long)max_attempts, DUEQ_ATTEMPTS_MAX);
}
