/* Pushes a task that is due in ten seconds:
 *
 *     push mail 'hello'
 *
 * The server is the one of DUEQ_URL, or the private one that the library starts. */
#include <dueq.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: push QUEUE PAYLOAD\n");
        return 2;
    }
    dueq *q;
    int rc = dueq_open(&q, NULL, NULL);
    if (rc == DUEQ_OK) {
        dueq_new_task task = {
            .payload = argv[2], .payload_len = strlen(argv[2]), .delay_ms = 10000};
        rc = dueq_push(q, argv[1], &task, 1, NULL);
        if (rc == DUEQ_OK) printf("%s\n", task.made_id);
    }
    if (rc < 0) fprintf(stderr, "push: %s\n", dueq_error(q));
    dueq_close(q);
    return rc == DUEQ_OK ? 0 : 1;
}
