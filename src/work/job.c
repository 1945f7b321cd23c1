/* A slot's states and the handler's view of its task. Knows no server. */
#include "work/job.h"

#include <assert.h>
#include <string.h>
#include <sys/eventfd.h>

#define TO(state) (1u << (unsigned)(state))

/* What may follow each state. */
static const unsigned may_follow[DQ_JOB_STATES] = {
    [DQ_JOB_FREE] = TO(DQ_JOB_HANDED),
    [DQ_JOB_HANDED] = TO(DQ_JOB_ANSWERED) | TO(DQ_JOB_GIVEN_UP) | TO(DQ_JOB_LEFT),
    [DQ_JOB_ANSWERED] = TO(DQ_JOB_FREE),
    [DQ_JOB_GIVEN_UP] = TO(DQ_JOB_ANSWERED) | TO(DQ_JOB_LEFT),
    [DQ_JOB_LEFT] = TO(DQ_JOB_FREE),
};

bool dq_job_may(dq_job_state from, dq_job_state to)
{
    return (may_follow[from] & TO(to)) != 0;
}

void dq_job_move(dueq_job *job, dq_job_state to)
{
    assert(dq_job_may(job->state, to));
    job->state = to;
}

void dq_job_order(dueq_job *job, dq_order order)
{
    if (atomic_load(&job->order) >= (int)order) return;
    atomic_store(&job->order, (int)order);
    int nudge_fd = atomic_load(&job->nudge_fd);
    if (nudge_fd >= 0) eventfd_write(nudge_fd, 1);
}

void dq_job_log(const dueq_job *job, dq_log_entry *entry)
{
    dq_log_add_text(entry, "queue", job->queue);
    dq_log_add(entry, "id", job->task->id, job->task->id_len);
    dq_log_add_int(entry, "attempt", job->task->attempt);
}

/* ---- What a handler sees ---- */

const dueq_task *dueq_job_task(const dueq_job *job)
{
    return job->task;
}

const char *dueq_job_queue(const dueq_job *job)
{
    return job->queue;
}

bool dueq_job_lost(const dueq_job *job)
{
    return atomic_load(&job->lost);
}

bool dueq_job_stopping(const dueq_job *job)
{
    return atomic_load(job->stopping);
}

/* The longest front of the text that fits and does not cut a character in two. */
static size_t whole_characters(const char *text, size_t len)
{
    if (len <= DUEQ_ERROR_TEXT_MAX) return len;
    size_t end = DUEQ_ERROR_TEXT_MAX;
    while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80) {
        end--;
    }
    return end > 0 ? end : DUEQ_ERROR_TEXT_MAX;
}

void dq_job_set_error(dueq_job *job, const char *bytes, size_t len)
{
    dq_answer_text *error = &job->answer.error;
    error->len = whole_characters(bytes, len);
    if (error->len > 0) memcpy(error->bytes, bytes, error->len);
    error->bytes[error->len] = '\0';
}

void dueq_job_set_error(dueq_job *job, const char *text)
{
    dq_job_set_error(job, text, text == NULL ? 0 : strlen(text));
}

void dueq_job_set_delay(dueq_job *job, int64_t delay_ms)
{
    if (delay_ms < 0) delay_ms = 0;
    job->answer.delay_ms = delay_ms < DUEQ_DELAY_MS_MAX ? delay_ms : DUEQ_DELAY_MS_MAX;
}
