/* Delivery is at least once: a worker that was stopped past its lease and wakes up again does not
 * know that another has its task. A store that remembers the highest token it has seen refuses
 * such a late comer. Here the store is a file that holds "TOKEN VALUE"; any database does as well:
 *
 *     UPDATE account SET balance = ?, token = ? WHERE id = ? AND token <= ?
 *
 *     fenced balance /tmp/balance
 */
#include <dueq.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

/* Writes the value unless a later token has written before. 0: written, 1: refused, -1: failed. */
static int store(const char *path, long long token, const char *value)
{
    FILE *file = fopen(path, "a+");
    if (file == NULL) return -1;
    int result = -1;
    long long newest = 0;
    if (flock(fileno(file), LOCK_EX) < 0) goto close_file;
    rewind(file);
    if (fscanf(file, "%lld", &newest) == 1 && newest > token) {
        result = 1;
        goto close_file;
    }
    if (ftruncate(fileno(file), 0) < 0) goto close_file;
    if (fprintf(file, "%lld %s\n", token, value) > 0 && fflush(file) == 0) result = 0;
close_file:
    fclose(file);
    return result;
}

static dueq_verdict handle(dueq_job *job, void *context)
{
    const dueq_task *task = dueq_job_task(job);
    switch (store(context, (long long)task->token, task->payload)) {
    case 0:
        return DUEQ_VERDICT_DONE;
    case 1:
        return DUEQ_VERDICT_RELEASE; /* our lease is lost: this is ignored, the other's counts */
    default:
        dueq_job_set_error(job, "the store cannot be written");
        return DUEQ_VERDICT_RETRY;
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: fenced QUEUE FILE\n");
        return 2;
    }
    const dueq_worker_queue queues[] = {{.name = argv[1]}};
    const dueq_worker_options options = {.queues = queues,
                                         .queue_count = 1,
                                         .handler = handle,
                                         .handler_context = argv[2],
                                         .drain = true};
    dueq_worker *worker;
    int rc = dueq_worker_make(&worker, &options);
    if (rc == DUEQ_OK) rc = dueq_worker_run(worker);
    if (rc < 0) fprintf(stderr, "fenced: %s\n", dueq_worker_error(worker));
    dueq_worker_free(worker);
    return rc == DUEQ_OK ? 0 : 1;
}
