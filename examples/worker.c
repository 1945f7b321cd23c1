/* A worker with a callback: four tasks at a time, stopped by Ctrl-C once what it holds is finished,
 * by a second Ctrl-C at once:
 *
 *     worker mail
 */
#include <ctype.h>
#include <dueq.h>
#include <signal.h>
#include <stdio.h>

static dueq_worker *worker;

static void stop(int signal_number)
{
    (void)signal_number;
    dueq_worker_stop(worker); /* safe in a signal handler */
}

/* Called on one of the worker's threads. The lease is renewed as long as it runs. */
static dueq_verdict handle(dueq_job *job, void *context)
{
    (void)context;
    const dueq_task *task = dueq_job_task(job);
    if (task->payload_len == 0) {
        dueq_job_set_error(job, "the payload is empty");
        return DUEQ_VERDICT_DEAD;
    }
    printf("%s: %.*s\n", dueq_job_queue(job), (int)task->payload_len, task->payload);
    return DUEQ_VERDICT_DONE;
}

/* "retry queue=mail id=42 ..."; ids and errors come from outside and must not steer the terminal. */
static void log_entry(void *context, const dueq_log_entry *entry)
{
    (void)context;
    fputs(entry->event, stderr);
    for (size_t i = 0; i < entry->field_count; i++) {
        const dueq_log_field *field = &entry->fields[i];
        fprintf(stderr, " %s=", field->name);
        for (size_t at = 0; at < field->value_len; at++) {
            fputc(iscntrl((unsigned char)field->value[at]) ? '?' : field->value[at], stderr);
        }
    }
    fputc('\n', stderr);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: worker QUEUE\n");
        return 2;
    }
    const dueq_worker_queue queues[] = {{.name = argv[1]}};
    const dueq_worker_options options = {
        .queues = queues,
        .queue_count = 1,
        .concurrency = 4,
        .handler = handle,
        .log = log_entry,
    };
    int rc = dueq_worker_make(&worker, &options);
    if (rc == DUEQ_OK) {
        struct sigaction action = {.sa_handler = stop};
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        rc = dueq_worker_run(worker);
    }
    if (rc < 0) fprintf(stderr, "worker: %s\n", dueq_worker_error(worker));
    dueq_worker_free(worker);
    return rc == DUEQ_OK ? 0 : 1;
}
