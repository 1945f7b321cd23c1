/* A server, a handle on it, and a worker that runs on a thread of its own: what the worker's live
 * tests have in common. A failed step fails the running test. */
#ifndef TESTS_SUPPORT_RIG_H
#define TESTS_SUPPORT_RIG_H

#include "server.h"

#include <pthread.h>

#include "dueq.h"

typedef struct rig {
    test_server *server;
    dueq *handle; /* the test's own */
    dueq_worker *worker;
    pthread_t thread;
    bool running;
    int result; /* of the last run */
    pthread_mutex_t lock;
    char log[65536]; /* the worker's entries, "event name=value" a line; cut when full */
    size_t log_len;
} rig;

/* cmocka's set-up and tear-down: *state is a rig with a fresh server. The tear-down ends a worker
 * that a failed test left running. */
int rig_set_up(void **state);
int rig_set_up_kept(void **state); /* the server has an append-only file: it can be restarted */
int rig_tear_down(void **state);

/* Runs a worker with these options on the rig's server: on queue "q" when they name none, with the
 * log kept. */
void rig_start(rig *r, dueq_worker_options options);
/* Both return what dueq_worker_run() did. */
int rig_join(rig *r); /* once it has ended by itself */
int rig_stop(rig *r);
dueq_worker_stats rig_worker_stats(rig *r);
bool rig_logged(rig *r, const char *text);

/* Pushes one task; its payload is its id. */
void rig_push(rig *r, const char *queue, const char *id, int64_t delay_ms);
/* Pushes `count` tasks, "NAME-0" and so on, in one call. */
void rig_push_many(rig *r, const char *queue, const char *name, size_t count);
dueq_stats rig_queue_stats(rig *r, const char *queue);
/* What is known of a task: copied, "" where there is none. */
typedef struct rig_task {
    dueq_state state;
    int64_t failures;
    int64_t due_ms;
    char error[DUEQ_ERROR_TEXT_MAX + 1];
} rig_task;
rig_task rig_look(rig *r, const char *queue, const char *id);

#endif
