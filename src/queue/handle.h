/* The handle behind `dueq`: the link to the server, the last failure, and what is known of queues.
 * One handle is used by one thread at a time. */
#ifndef DQ_QUEUE_HANDLE_H
#define DQ_QUEUE_HANDLE_H

#include "queue/clock_view.h"
#include "queue/keys.h"
#include "wire/link.h"

/* A queue as this handle knows it; what is known may be out of date, and the scripts say so. */
typedef struct dq_queue {
    char name[DUEQ_QUEUE_NAME_MAX + 1];
    uint32_t partition_count;
    uint32_t next_partition; /* where the next take starts */
    int64_t payload_max;
    dq_keys *keys; /* partition_count of them */
    bool *armed;   /* per partition: this handle is relied upon to look (armed or deputy) */
    dq_clock_view
        *clocks; /* per partition, of its server; the first's for all where there is one */
    struct dq_queue *next;
} dq_queue;

/* See durable.h. Holds: `now` is `usual` but in a call with a level of its own. */
typedef struct dq_durable {
    dq_level usual, now;
    bool unchecked;  /* a connection was made without asking whether fsync can be had */
    bool fell_short; /* in this part of the call: there is nothing more to wait for */
    dueq_reach reach;
} dq_durable;

struct dueq {
    dq_link *link; /* NULL when opening failed: nothing can be done but read the fault */
    dq_url url;    /* with every default filled in; never LOCAL once open */
    dq_fault fault;
    char *url_text;
    char *registry;     /* key of the hash that lists the queues */
    char waiter_id[20]; /* names this handle to the scripts when it waits */
    int interrupt_fd;
    dq_durable durable;
    dq_queue *queues;
    struct dq_waiter *waiter; /* made by the first take that waits */

    bool timeout_given;        /* by the options or the URL, not a default */
    struct dq_member *members; /* of a handle on several servers (quorum.h), which has no link */
    size_t member_count;
};

/* Answers that scripts give to the library alone (script_outcome.def). */
typedef enum dq_script_outcome {
#define OUTCOME(name, number, text) name = (number),
#include "queue/script_outcome.def"
#undef OUTCOME
} dq_script_outcome;

/* As dueq_open(), but connects on first use. */
int dq_handle_make(dueq **made, const char *url, const dueq_options *options);
/* Another handle of the same settings on the same server, for another thread; not connected yet. *made
 * is NULL only when memory is out. */
int dq_handle_twin(dueq **made, const dueq *of);

/* The queue of that name, looked up on the server when the handle does not know it. DUEQ_OK,
 * DUEQ_MISSING, or negative with the handle's fault set (also for a bad name). */
int dq_queue_find(dueq *handle, const char *name, int64_t deadline_us, dq_queue **queue);

/* The scripts said that what is known of a queue is out of date (DQ_STALE): looks it up again and
 * completes it where a partition is missing. DUEQ_OK, DUEQ_MISSING or negative. */
int dq_queue_refresh(dueq *handle, const char *name, int64_t deadline_us);

/* What the handle knows of a queue is not to be relied upon any more. */
void dq_queue_forget(dueq *handle, const char *name);
void dq_queues_forget_all(dueq *handle);

/* Makes the queue (settings NULL: the defaults). DUEQ_OK, DUEQ_EXISTS or negative. */
int dq_queue_make(dueq *handle, const char *name, const dueq_settings *settings,
                  int64_t deadline_us);

/* The deadline of a call that begins now: timeout_ms from now, the handle's own where it is 0. */
int64_t dq_handle_deadline_us(const dueq *handle, int64_t timeout_ms);

#endif
