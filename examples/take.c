/* Takes tasks one by one without a worker: waits, does, acknowledges. What a program does that has
 * a loop of its own:
 *
 *     take mail
 */
#include <dueq.h>
#include <stdio.h>

/* Something that may fail; here: empty payloads do. */
static int do_task(const dueq_task *task)
{
    if (task->payload_len == 0) return -1;
    printf("%.*s (attempt %lld)\n", (int)task->payload_len, task->payload,
           (long long)task->attempt);
    return 0;
}

/* One task from the queue to its end. */
static int work_once(dueq *q, const char *queue)
{
    dueq_take_options options = {.lease_ms = 30000, .wait_ms = -1};
    dueq_batch *batch;
    int rc = dueq_take(q, queue, &options, &batch);
    if (rc != DUEQ_OK) return rc;

    const dueq_task *task = &batch->tasks[0];
    if (do_task(task) == 0) {
        dueq_lease lease = {.receipt = task->receipt};
        rc = dueq_done(q, queue, &lease, 1);
    } else {
        dueq_failure failure = {
            .receipt = task->receipt, .delay_ms = 5000, .error = "the payload is empty"};
        rc = dueq_retry(q, queue, &failure, 1);
    }
    if (rc == DUEQ_LOST) fprintf(stderr, "too late: another may have the task\n");
    dueq_batch_free(batch);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: take QUEUE\n");
        return 2;
    }
    dueq *q;
    int rc = dueq_open(&q, NULL, NULL);
    while (rc >= 0) {
        rc = work_once(q, argv[1]);
    }
    fprintf(stderr, "take: %s\n", dueq_error(q));
    dueq_close(q);
    return 1;
}
