/* dueq: delayed tasks on Redis or Valkey.
 *
 * A producer pushes a task that is due in ten minutes or ten days; a worker takes it when it is
 * due, under a lease; a finished task is acknowledged and gone, a failed one is retried, a
 * hopeless one kept apart.
 *
 * Read first:
 * - A handle (`dueq`) is for one thread at a time. Open one a thread.
 * - Delivery is at least once: make handlers idempotent, or fence them with the task's token.
 * - All times are of the server's clock. No decision uses the caller's.
 * - Results of functions that return int: negative failed (dueq_error() has the text), zero
 *   done, positive a normal "no" (see dueq_outcome).
 * - Times and lengths carry their unit in their name. Option structs: zero means the default,
 *   a NULL options pointer means all defaults.
 * - `const char *` is borrowed; what is yours says who frees it.
 * - Ids and payloads are bytes, with a length; a length of 0 with a non-NULL id means strlen(id).
 */
#ifndef DUEQ_H
#define DUEQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DUEQ_VERSION_MAJOR 0
#define DUEQ_VERSION_MINOR 1
#define DUEQ_VERSION_PATCH 0

#if defined(__GNUC__)
#define DUEQ_API __attribute__((visibility("default")))
#else
#define DUEQ_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Limits. Over one: DUEQ_ELIMIT or DUEQ_EINVAL, and nothing has changed. ------------------ */

#define DUEQ_QUEUE_NAME_MAX 128         /* characters of a queue name: [A-Za-z0-9_.:-] */
#define DUEQ_ID_MAX 255                 /* bytes of a task id; at least 1 */
#define DUEQ_MADE_ID_LEN 14             /* characters of an id the library makes */
#define DUEQ_RECEIPT_MAX 368            /* characters of a receipt */
#define DUEQ_CALL_TASKS_MAX 10000       /* tasks, ids or receipts in one call */
#define DUEQ_HEADERS_MAX 64             /* headers of a task */
#define DUEQ_HEADER_NAME_MAX 128        /* bytes of a header's name: [A-Za-z0-9_-], at least 1 */
#define DUEQ_HEADER_VALUE_MAX 4096      /* bytes of a header's value */
#define DUEQ_ERROR_TEXT_MAX 1024        /* bytes kept of a failure's text */
#define DUEQ_PARTITIONS_MAX 1024        /* partitions of a queue */
#define DUEQ_PAYLOAD_MAX 536870000      /* bytes: what a queue's payload_max may be raised to */
#define DUEQ_DELAY_MS_MAX 3155760000000 /* a hundred years */
#define DUEQ_LEASE_MS_MAX 604800000     /* seven days */
#define DUEQ_ATTEMPTS_MAX 1000000       /* what max_attempts may be */
#define DUEQ_LOCK_NAME_MAX 1024         /* bytes of a lock's name; at least 1 */
#define DUEQ_LOCK_OWNER_MAX 256         /* bytes of the text kept with a lock */
#define DUEQ_LOCK_HOST_MAX 64           /* bytes of a holder's host name */
#define DUEQ_LOCK_TTL_MS_MIN 10         /* a lock's time: from ten milliseconds … */
#define DUEQ_LOCK_TTL_MS_MAX 604800000  /* … to seven days */
#define DUEQ_LOCK_SERVERS_MAX 15        /* independent servers that locks are kept on */

/* ---- Outcomes -------------------------------------------------------------------------------- */

typedef enum dueq_outcome {
    DUEQ_OK = 0,

    DUEQ_EMPTY = 1,   /* nothing is ready */
    DUEQ_EXISTS = 2,  /* a task with that id exists */
    DUEQ_LOST = 3,    /* the lease has ended, the lock is not held: nothing was changed */
    DUEQ_MISSING = 4, /* no such task or queue; nobody holds the lock */
    DUEQ_STATE = 5,   /* the task is in a state that does not allow it */
    DUEQ_DEAD = 6,    /* retry: the attempts are used up, the task is dead now */
    DUEQ_HELD = 7,    /* another holds the lock */

    DUEQ_EINVAL = -1,     /* an argument is not valid */
    DUEQ_ELIMIT = -2,     /* over one of the limits above or the queue's own */
    DUEQ_ENOMEM = -3,     /* this process is out of memory */
    DUEQ_ECONNECT = -4,   /* no connection; the call did not reach the server */
    DUEQ_ETLS = -5,       /* the server's certificate or the TLS settings */
    DUEQ_EAUTH = -6,      /* user or password refused, or wanted */
    DUEQ_EDENIED = -7,    /* the server's ACL forbids a command or a key */
    DUEQ_EUNSURE = -8,    /* the answer was lost: the call may or may not have taken effect */
    DUEQ_ETIMEOUT = -9,   /* not done within the deadline; it did not take effect */
    DUEQ_EPROTO = -10,    /* the peer does not speak the Redis protocol, or breaks it: what was sent
                             may have taken effect */
    DUEQ_ESERVER = -11,   /* any other error the server answered */
    DUEQ_EREADONLY = -12, /* a read-only replica */
    DUEQ_EFULL = -13,     /* the server is out of memory (noeviction) */
    DUEQ_EUNREADY = -14,  /* loading, busy, cannot persist, lacks replicas … until the deadline */
    DUEQ_ECORRUPT = -15,  /* a key of the queue has another type or an unreadable value */
    DUEQ_EEXIST = -16,    /* push with DUEQ_IF_EXISTS_FAIL found the id */
    DUEQ_ECANCELED = -17, /* interrupted by the caller */
    DUEQ_ESYSTEM = -18    /* the operating system refused something (files, processes, threads) */
} dueq_outcome;

/* A short text for an outcome, for example "the lease has ended". Never NULL. Since 0.1. */
DUEQ_API const char *dueq_outcome_text(int outcome);

/* The library's version, "0.1.0". Since 0.1. */
DUEQ_API const char *dueq_version(void);

/* ---- The handle ------------------------------------------------------------------------------ */

typedef struct dueq dueq;

typedef struct dueq_options {
    int64_t timeout_ms;          /* deadline of a call, retries included; 0: 5,000 */
    int64_t connect_timeout_ms;  /* of one attempt to connect; 0: 2,000 */
    const char *client_name;     /* shown by CLIENT LIST; NULL: "dueq" */
    const char *user;            /* overrides the URL's */
    const char *password;        /* overrides the URL's; never printed */
    const char *prefix;          /* first part of every key; NULL: the URL's, or "dueq" */
    const char *tls_ca_file;     /* overrides the URL's cacert= */
    const char *tls_ca_dir;      /* overrides the URL's cadir= */
    const char *tls_cert_file;   /* overrides the URL's cert= */
    const char *tls_key_file;    /* overrides the URL's key= */
    const char *tls_server_name; /* the name the certificate must have; overrides sni= */
    bool tls_no_verify;          /* accept any certificate: for tests only */
    bool any_eviction;      /* work on a server whose eviction policy may drop keys (allkeys-*) */
    const char *durability; /* see dueq_set_durability(); NULL: the URL's, or "none" */
    int64_t durability_timeout_ms; /* how long a call waits for it; 0: the URL's, or 1,000 */
} dueq_options;

/* Opens a handle on the server at `url` and connects.
 *
 *   redis://[USER[:PASSWORD]@]HOST[:PORT][/DB][?OPTION=VALUE&…]      also valkey://
 *   rediss://…                                  the same over TLS, also valkeys://
 *   redis-cluster://[USER[:PASSWORD]@]HOST[:PORT],HOST[:PORT],…[?…]  some nodes of a Redis Cluster
 *   redis-sentinel://[USER[:PASSWORD]@]HOST[:PORT],…/MASTER[/DB][?…] the master these sentinels watch
 *   rediss-cluster://… rediss-sentinel://…      the same over TLS; also valkey-… and valkeys-…
 *   unix:/path/to/socket[?db=N&…]               also unix:///path
 *   local: or local:/dir                        the private embedded server, started if need be
 *
 * Options of a URL: prefix, db, name, timeout, connect_timeout (durations), durability,
 * durability_timeout, cacert, cadir, cert, key, sni, verify=no, any_eviction=yes; of clusters:
 * endpoints=seed (nodes are at the host that was asked, whatever they announce); of sentinels:
 * sentinel_user, sentinel_password. User, password and values are percent-decoded.
 * `url` NULL: the environment's DUEQ_URL, else "local:".
 *
 * *handle is set even when opening fails, so that dueq_error() can say why; it is NULL only when
 * memory is out (DUEQ_ENOMEM). Close it in either case. Since 0.1. */
DUEQ_API int dueq_open(dueq **handle, const char *url, const dueq_options *options);

/* Closes the connection and frees the handle. NULL is fine. Since 0.1. */
DUEQ_API void dueq_close(dueq *handle);

/* The text of the handle's last failure, one line, "" when there was none; valid until the next
 * call on the handle. Holds no password. Since 0.1. */
DUEQ_API const char *dueq_error(const dueq *handle);

/* The URL in use, without its password; lives as long as the handle. Since 0.1. */
DUEQ_API const char *dueq_url(const dueq *handle);

/* A file descriptor that ends waits early: when it becomes readable, a dueq_take() that waits
 * returns DUEQ_ECANCELED. It is never read from. -1 (the default): none. Since 0.1. */
DUEQ_API void dueq_set_interrupt_fd(dueq *handle, int fd);

/* How durable changes are to be before the call that makes them returns:
 *
 *   none         as the server's settings have it; nothing is waited for
 *   replicas:N   N replicas have them (WAIT)
 *   fsync        they are on the server's own disk (WAITAOF: Redis 7.2 or later, Valkey)
 *
 * It holds for every later call on the handle that changes tasks or queues, until it is set again;
 * not for dueq_take(), whose loss costs no task, nor for locks. NULL: as the handle was opened. One
 * round trip does both, on each server that is written to. A change stands whether the level is
 * reached or not, and its call's outcome is the same: dueq_reached() tells. On a server that cannot
 * do fsync (no WAITAOF, no append-only file) calls fail with DUEQ_ESERVER before anything is sent.
 * DUEQ_OK or DUEQ_EINVAL. Since 0.1. */
DUEQ_API int dueq_set_durability(dueq *handle, const char *level);

/* How durable the last call's changes are known to be. */
typedef struct dueq_reach {
    bool waited;      /* a level was asked for, and the call changed something or may have */
    bool met;         /* it was reached, on every server written to; or none was asked for */
    int64_t replicas; /* that have acknowledged all of it (on disk, with fsync), on the server where
                         they were fewest; -1: not known */
    bool fsynced;     /* fsync: it is on the disk of every server written to */
} dueq_reach;

/* Tells what the handle's last call that changes something has reached. Not known, and so not met,
 * when the connection was lost on the way, though the call itself got through. It is of what the call
 * itself wrote: a push that found its id there (DUEQ_EXISTS) tells nothing of that task. Since 0.1. */
DUEQ_API void dueq_reached(const dueq *handle, dueq_reach *reach);

/* ---- Tasks ----------------------------------------------------------------------------------- */

typedef enum dueq_state {
    DUEQ_STATE_NONE = 0, /* no such task */
    DUEQ_STATE_WAITING,  /* due later */
    DUEQ_STATE_READY,    /* due now */
    DUEQ_STATE_LEASED,   /* being worked on */
    DUEQ_STATE_DEAD      /* failed for good */
} dueq_state;

/* "waiting", "ready", "leased", "dead" or "none". Since 0.1. */
DUEQ_API const char *dueq_state_name(dueq_state state);

typedef struct dueq_header {
    const char *name;
    const char *value; /* bytes; a NUL ends it for C, value_len is the truth */
    size_t value_len;  /* 0 with a non-NULL value on input: strlen(value) */
} dueq_header;

/* A task as take, get and list give it. Everything it points to belongs to its batch. */
typedef struct dueq_task {
    const char *id; /* id_len bytes and a NUL after them */
    size_t id_len;
    const char *payload; /* payload_len bytes and a NUL after them */
    size_t payload_len;
    const dueq_header *headers;
    size_t header_count;
    const char *receipt;  /* take: proof of the lease; else NULL */
    int64_t attempt;      /* take: 1 for the first; get and list: the failed attempts so far */
    int64_t token;        /* take: fencing token, grows with every take of the partition; else 0 */
    int64_t due_ms;       /* when it is due, or was when taken; leased and dead from get/list: 0 */
    int64_t pushed_ms;    /* when it was pushed */
    int64_t deadline_ms;  /* leased: when the lease ends; else 0 */
    int64_t died_ms;      /* dead: when; else 0 */
    int64_t max_attempts; /* its own limit; 0: the queue's */
    const char *error;    /* the last failure's text, or NULL */
    size_t error_len;
    dueq_state state;
} dueq_task;

/* Tasks with everything they point to. */
typedef struct dueq_batch {
    size_t count;
    const dueq_task *tasks;
} dueq_batch;

/* Frees a batch and all its tasks point to. NULL is fine. Since 0.1. */
DUEQ_API void dueq_batch_free(dueq_batch *batch);

/* ---- Push ------------------------------------------------------------------------------------ */

typedef enum dueq_if_exists {
    DUEQ_IF_EXISTS_KEEP = 0, /* any state: nothing changes, DUEQ_EXISTS */
    DUEQ_IF_EXISTS_REPLACE,  /* waiting, ready, dead: as if newly pushed; leased: DUEQ_EXISTS */
    DUEQ_IF_EXISTS_EARLIEST, /* waiting, ready: the earlier due time counts; else DUEQ_EXISTS */
    DUEQ_IF_EXISTS_LATEST,   /* waiting, ready: the later due time counts; else DUEQ_EXISTS */
    DUEQ_IF_EXISTS_FAIL      /* any state: DUEQ_EEXIST, and nothing of its script call is pushed:
                                all or none for up to 1,000 tasks and 4 MiB of one
                                partition */
} dueq_if_exists;

/* A task to push. Set what is needed, leave the rest zero. */
typedef struct dueq_new_task {
    const void *id; /* NULL: the library makes one, that sorts by time */
    size_t id_len;
    const void *payload; /* may be empty */
    size_t payload_len;
    int64_t delay_ms; /* due so long after the server gets it; 0: now */
    int64_t due_ms;   /* if not 0, due then (ms since the epoch); in the past: now */
    const dueq_header *headers;
    size_t header_count;
    int64_t max_attempts; /* 0: the queue's */

    int outcome;                        /* out: of this task, also after a failure of the call */
    char made_id[DUEQ_MADE_ID_LEN + 1]; /* out: the id made for it, "" when it brought its own */
} dueq_new_task;

typedef struct dueq_push_options {
    dueq_if_exists if_exists;
    int64_t timeout_ms;     /* 0: the handle's */
    const char *durability; /* of this call: see dueq_set_durability(); NULL: the handle's */
} dueq_push_options;

/* Pushes `count` tasks (1 to 10,000); makes the queue, with default settings, if there is none.
 * Split and pipelined by the library. Each task's own outcome: DUEQ_OK pushed (or replaced, or
 * its due time settled), DUEQ_EXISTS, or negative. When an answer is lost the same tasks are
 * sent again under the same ids, which changes nothing if they had arrived.
 * Returns DUEQ_OK, DUEQ_EXISTS when any existed, or the first failure. Since 0.1. */
DUEQ_API int dueq_push(dueq *handle, const char *queue, dueq_new_task *tasks, size_t count,
                       const dueq_push_options *options);

/* ---- Take and finish ------------------------------------------------------------------------- */

typedef struct dueq_take_options {
    size_t tasks_max;     /* up to so many tasks; 0: 1; at most 10,000 */
    size_t bytes_max;     /* stop before so many payload bytes, but give one task; 0: 8 MiB */
    int64_t lease_ms;     /* 0: the queue's setting */
    int64_t wait_ms;      /* wait so long for a first task; 0: do not; -1: for ever */
    int64_t max_attempts; /* for tasks without a limit of their own; 0: the queue's */
    int64_t timeout_ms;   /* of each exchange with the server; 0: the handle's */
} dueq_take_options;

/* Takes ready tasks under a lease, those due first first. Waiting costs the server nothing:
 * the handle sleeps on its own timer or a wake-up. Leases that have run out are
 * reclaimed on the way: an attempt counted, and dead at the limit.
 * Returns DUEQ_OK and sets *batch (free it with dueq_batch_free), DUEQ_EMPTY and NULL when
 * nothing was ready in time (or the queue is paused, or there is no such queue), or negative.
 * Since 0.1. */
DUEQ_API int dueq_take(dueq *handle, const char *queue, const dueq_take_options *options,
                       dueq_batch **batch);

/* A lease to act upon. */
typedef struct dueq_lease {
    const char *receipt;
    int outcome; /* out: of this one */
} dueq_lease;

/* Finishes tasks: they are gone and never delivered again. Each outcome: DUEQ_OK, DUEQ_LOST when
 * the lease had ended (nothing changed), or negative. Returns DUEQ_OK, DUEQ_LOST when any was
 * lost, or the first failure. Since 0.1. */
DUEQ_API int dueq_done(dueq *handle, const char *queue, dueq_lease *leases, size_t count);

/* Gives tasks back, ready at once, without counting an attempt. Outcomes as of dueq_done().
 * Since 0.1. */
DUEQ_API int dueq_release(dueq *handle, const char *queue, dueq_lease *leases, size_t count);

/* Makes leases end lease_ms from now (1 to DUEQ_LEASE_MS_MAX, sooner or later than before); the
 * receipts stay the same. Outcomes as of dueq_done(). Since 0.1. */
DUEQ_API int dueq_extend(dueq *handle, const char *queue, dueq_lease *leases, size_t count,
                         int64_t lease_ms);

typedef struct dueq_failure {
    const char *receipt;
    int64_t delay_ms;  /* ready again after so long */
    const char *error; /* why, kept with the task; NULL: none; cut at DUEQ_ERROR_TEXT_MAX bytes */
    size_t error_len;  /* 0 with a non-NULL error: strlen(error) */
    int64_t max_attempts; /* for a task without a limit of its own; 0: the queue's */
    bool hopeless;        /* do not try again: dead at once */
    int outcome;          /* out: DUEQ_OK, DUEQ_DEAD, DUEQ_LOST or negative */
} dueq_failure;

/* Says that tasks failed: an attempt is counted, and the task is ready again after its delay, or
 * dead when its attempts are used up (DUEQ_DEAD) or it is hopeless.
 * Returns DUEQ_OK (also when some are dead), DUEQ_LOST when any was lost, or the first failure.
 * Since 0.1. */
DUEQ_API int dueq_retry(dueq *handle, const char *queue, dueq_failure *failures, size_t count);

/* ---- By id ----------------------------------------------------------------------------------- */

/* A task named by its id, in its queue. */
typedef struct dueq_name {
    const void *id;
    size_t id_len;
    int outcome; /* out: of this one */
} dueq_name;

/* Looks tasks up in any state. *batch has a task for each that was found, in the order asked;
 * free it with dueq_batch_free. Outcomes: DUEQ_OK or DUEQ_MISSING. Returns DUEQ_OK,
 * DUEQ_MISSING when any is missing (*batch is set all the same), or negative. Since 0.1. */
DUEQ_API int dueq_get(dueq *handle, const char *queue, dueq_name *names, size_t count,
                      dueq_batch **batch);

/* Removes tasks in whatever state; a holder's receipt answers DUEQ_LOST from then on. Outcomes
 * and result as of dueq_get(). Since 0.1. */
DUEQ_API int dueq_cancel(dueq *handle, const char *queue, dueq_name *names, size_t count);

/* Moves waiting or ready tasks to a new due time: `due_ms` if not 0, else `delay_ms` from now.
 * Outcomes: DUEQ_OK, DUEQ_MISSING, DUEQ_STATE when leased or dead. Since 0.1. */
DUEQ_API int dueq_reschedule(dueq *handle, const char *queue, dueq_name *names, size_t count,
                             int64_t delay_ms, int64_t due_ms);

typedef struct dueq_list_options {
    dueq_state state;   /* NONE: waiting and ready together, by due time */
    size_t tasks_max;   /* of this page; 0: 100; at most 1,000 */
    const char *cursor; /* where the page before ended; NULL or "": from the start */
} dueq_list_options;

/* Lists the tasks of one state a page at a time: waiting and ready by due time, leased by
 * deadline, dead by time of death; partition by partition. *cursor is set to a text that the next
 * call takes, or to NULL when this was the last page; free it with dueq_free(). Tasks that move
 * while the pages are read may be missed or met twice. Returns DUEQ_OK (with an empty batch when
 * there is nothing), DUEQ_MISSING when there is no such queue, or negative. Since 0.1. */
DUEQ_API int dueq_list(dueq *handle, const char *queue, const dueq_list_options *options,
                       dueq_batch **batch, char **cursor);

/* Frees text that the library gave away. NULL is fine. Since 0.1. */
DUEQ_API void dueq_free(void *text);

/* ---- The dead -------------------------------------------------------------------------------- */

/* Makes dead tasks ready again, their attempts forgotten. Outcomes: DUEQ_OK, DUEQ_MISSING,
 * DUEQ_STATE when not dead. Since 0.1. */
DUEQ_API int dueq_redrive(dueq *handle, const char *queue, dueq_name *names, size_t count);

/* All that were dead when the call began; *count (may be NULL) says how many. Since 0.1. */
DUEQ_API int dueq_redrive_all(dueq *handle, const char *queue, int64_t *count);

/* Forgets dead tasks. Outcomes as of dueq_redrive(). Since 0.1. */
DUEQ_API int dueq_drop(dueq *handle, const char *queue, dueq_name *names, size_t count);

/* All that were dead when the call began; *count (may be NULL) says how many. Since 0.1. */
DUEQ_API int dueq_drop_all(dueq *handle, const char *queue, int64_t *count);

/* ---- Queues ---------------------------------------------------------------------------------- */

/* A queue's settings. In calls that set them, 0 leaves a setting as it is (at creation: the
 * default); -1 means "none" where that is said. */
typedef struct dueq_settings {
    int64_t partitions;   /* 1 to 1,024, fixed at creation; default 1 */
    int64_t max_attempts; /* default 20 */
    int64_t lease_ms;     /* default 30,000 */
    int64_t payload_max;  /* bytes; default 1 MiB */
    int64_t dead_max;     /* dead tasks kept, shared out over the partitions, the oldest dropped
                             first; default 10,000; -1: none are kept */
    int64_t dead_age_ms;  /* how long a dead task is kept; default 30 days; -1: for ever */
    int64_t retention_ms; /* how long the id of a finished task is remembered, so that pushing it
                             again answers DUEQ_EXISTS; default and -1: not at all; at most 7 d */
} dueq_settings;

/* Makes a queue. Returns DUEQ_OK, DUEQ_EXISTS when there is one (nothing changed), or negative.
 * Since 0.1. */
DUEQ_API int dueq_queue_create(dueq *handle, const char *queue, const dueq_settings *settings);

/* Changes settings (if `change` is not NULL) and reads them (if `now` is not NULL). Returns
 * DUEQ_OK, DUEQ_MISSING or negative; partitions cannot be changed (DUEQ_EINVAL). Since 0.1. */
DUEQ_API int dueq_queue_config(dueq *handle, const char *queue, const dueq_settings *change,
                               dueq_settings *now);

/* While a queue is paused nothing is taken from it; all else goes on. DUEQ_OK, DUEQ_MISSING or
 * negative. Since 0.1. */
DUEQ_API int dueq_queue_pause(dueq *handle, const char *queue);
DUEQ_API int dueq_queue_resume(dueq *handle, const char *queue);

/* Removes every task, in whatever state; settings and counters stay. *count (may be NULL): how
 * many. DUEQ_OK, DUEQ_MISSING or negative. Since 0.1. */
DUEQ_API int dueq_queue_purge(dueq *handle, const char *queue, int64_t *count);

/* Removes the queue. With tasks in it only if `force`; otherwise DUEQ_STATE. Since 0.1. */
DUEQ_API int dueq_queue_delete(dueq *handle, const char *queue, bool force);

typedef struct dueq_queue_list {
    size_t count;
    const char *const *names; /* sorted */
} dueq_queue_list;

/* The names of all queues under the handle's prefix; free with dueq_queue_list_free. Since 0.1. */
DUEQ_API int dueq_queues(dueq *handle, dueq_queue_list **list);
DUEQ_API void dueq_queue_list_free(dueq_queue_list *list);

typedef struct dueq_stats {
    int64_t partitions;
    bool paused;
    int64_t waiting, ready, leased, dead;                                       /* tasks now */
    int64_t pushed, done, retried, released, expired, died, cancelled, dropped; /* ever */
    /* Of the waiting, those due within the next minute, hour, day; each has the ones before it. */
    int64_t due_minute, due_hour, due_day;
    int64_t oldest_ready_ms; /* how long the oldest ready task has been; -1: none is ready */
    int64_t next_due_ms;     /* how long until the next waiting task is due; -1: none waits */
    int64_t late_us;         /* how late the earliest task of the last take was; -1: not known */
    int64_t late_ago_ms;     /* how long ago that take was; -1: not known */
} dueq_stats;

/* Counts of a queue. Always: pushed = waiting + ready + leased + dead + done + cancelled +
 * dropped. DUEQ_OK, DUEQ_MISSING or negative. Since 0.1. */
DUEQ_API int dueq_queue_stats(dueq *handle, const char *queue, dueq_stats *stats);

/* A queue to count among others. */
typedef struct dueq_queue_counts {
    const char *queue;
    dueq_stats stats; /* out: zero unless the outcome is DUEQ_OK */
    int outcome;      /* out: of this one, DUEQ_OK, DUEQ_MISSING or negative */
} dueq_queue_counts;

/* Counts of several queues, any number, in as few round trips as may be: one or two for up to 500
 * queues with a partition each. One that cannot be counted does not keep the others from it: each has
 * its outcome. Returns DUEQ_OK, DUEQ_MISSING when any is missing, or the first failure. Since 0.1. */
DUEQ_API int dueq_queues_stats(dueq *handle, dueq_queue_counts *queues, size_t count);

/* ---- Looking after a server ------------------------------------------------------------------ */

typedef enum dueq_grade {
    DUEQ_GRADE_OK,
    DUEQ_GRADE_NOTE,
    DUEQ_GRADE_WARN,
    DUEQ_GRADE_FAIL
} dueq_grade;

/* One finding of a check: a short name ("eviction policy"), what was found, what to do about it
 * (NULL when nothing). Borrowed for the time of the callback. */
typedef struct dueq_finding {
    dueq_grade grade;
    const char *name;
    const char *found;
    const char *advice;
} dueq_finding;

typedef void dueq_finding_fn(void *context, const dueq_finding *finding);

/* Checks what production needs: reachable, version, role, eviction policy, persistence, memory head
 * room, clock, the commands that the ACL must allow, latency; each is reported as a finding. Opens
 * a handle of its own. Returns DUEQ_OK when no finding is worse than a note, else DUEQ_STATE.
 * Since 0.1. */
DUEQ_API int dueq_doctor(const char *url, const dueq_options *options, dueq_finding_fn *report,
                         void *context);

typedef struct dueq_fsck_options {
    bool repair;
    size_t step; /* ids looked at in one script; 0: 200; at most 1,000 */
} dueq_fsck_options;

typedef struct dueq_fsck_result {
    int64_t tasks;    /* looked at */
    int64_t orphans;  /* found */
    int64_t repaired; /* of them */
} dueq_fsck_result;

/* Verifies that every task of a queue is in exactly one state, in steps that never block the
 * server; each fault is reported as a finding named by its id or key, and mended if asked.
 * DUEQ_OK (sound, or all mended), DUEQ_STATE (faults remain), DUEQ_MISSING, or negative.
 * Since 0.1. */
DUEQ_API int dueq_fsck(dueq *handle, const char *queue, const dueq_fsck_options *options,
                       dueq_finding_fn *report, void *context, dueq_fsck_result *result);

#define DUEQ_SCRIPT_TIMES_MAX 32

/* Calls of scripts that have taken at most so long, since the server's start. */
typedef struct dueq_script_time {
    int64_t us;
    int64_t calls;
} dueq_script_time;

#define DUEQ_FACTS_SERVERS_MAX 64

/* What a server tells about itself. The numbers of CPU time, commands and scripts grow until it is
 * restarted: their differences say what something cost it. Other clients' work is in them too. */
typedef struct dueq_facts {
    bool valkey;          /* else Redis */
    char version[64];     /* "7.0.15" */
    char persistence[64]; /* "none", "rdb", "aof-everysec", "aof-always+rdb"; "unknown" and "aof"
                             where it does not tell more */
    size_t server_count;  /* 1; of a cluster its masters */
    int64_t cpu_us;       /* CPU time of its main thread; of all of it before Redis 6.2 */
    int64_t cpu_us_of[DUEQ_FACTS_SERVERS_MAX]; /* the same of each of the first of them */
    int64_t memory_used;                       /* bytes */
    int64_t freeing;          /* objects that were dropped and are still being freed */
    int64_t commands;         /* processed; those that scripts call are counted too */
    int64_t clients;          /* connected now, this handle among them */
    size_t script_time_count; /* 0 before Redis 7.0, or when the ACL forbids LATENCY */
    dueq_script_time script_times[DUEQ_SCRIPT_TIMES_MAX]; /* by rising time, each with all below */
} dueq_facts;

/* Asks the server about itself, for benchmarks and monitors; of a cluster all masters, whose numbers
 * are summed (version and persistence are one's). Needs INFO; CONFIG GET and LATENCY tell more
 * where they are allowed. DUEQ_OK or negative. Since 0.1. */
DUEQ_API int dueq_server_facts(dueq *handle, dueq_facts *facts);

/* ---- The embedded server --------------------------------------------------------------------- */

typedef struct dueq_server_info {
    bool running;
    bool started; /* by this very call */
    int64_t pid;
    char dir[4096];     /* where it keeps its files */
    char socket[108];   /* its Unix socket */
    char program[4096]; /* what runs: .../redis-server or .../valkey-server */
} dueq_server_info;

/* Starts, looks at or stops the private server of `dir` (NULL: $XDG_STATE_HOME/dueq or
 * ~/.local/state/dueq). `text` (of `text_size` bytes, may be NULL) gets the reason of a failure;
 * after a good start it may hold a note, such as that a half-written last command was dropped.
 * start: DUEQ_OK when it runs. stop: DUEQ_OK, or DUEQ_MISSING when none ran. status: DUEQ_OK or
 * DUEQ_MISSING. Negative otherwise: DUEQ_ESYSTEM, DUEQ_EUNREADY when it runs but does not answer.
 * Since 0.1. */
DUEQ_API int dueq_server_start(const char *dir, dueq_server_info *info, char *text,
                               size_t text_size);
DUEQ_API int dueq_server_stop(const char *dir, dueq_server_info *info, char *text,
                              size_t text_size);
DUEQ_API int dueq_server_status(const char *dir, dueq_server_info *info, char *text,
                                size_t text_size);

/* ---- The worker ------------------------------------------------------------------------------ */

typedef enum dueq_verdict {
    DUEQ_VERDICT_DONE = 0, /* finished */
    DUEQ_VERDICT_RETRY,    /* failed; try again */
    DUEQ_VERDICT_DEAD,     /* failed for good */
    DUEQ_VERDICT_RELEASE   /* not tried: give it back uncounted */
} dueq_verdict;

/* What a handler sees of its task and how it answers; lives for the time of the call. */
typedef struct dueq_job dueq_job;

/* The task at hand; borrowed. Since 0.1. */
DUEQ_API const dueq_task *dueq_job_task(const dueq_job *job);
/* The queue it came from; borrowed. Since 0.1. */
DUEQ_API const char *dueq_job_queue(const dueq_job *job);
/* True once the lease is known to be lost: stop, nothing you do counts. Any thread. Since 0.1. */
DUEQ_API bool dueq_job_lost(const dueq_job *job);
/* True once the worker is to stop: finish soon or answer RELEASE. Any thread. Since 0.1. */
DUEQ_API bool dueq_job_stopping(const dueq_job *job);
/* The text kept as the error of a RETRY or DEAD; copied. Since 0.1. */
DUEQ_API void dueq_job_set_error(dueq_job *job, const char *text);
/* The delay of a RETRY in place of the worker's backoff. Since 0.1. */
DUEQ_API void dueq_job_set_delay(dueq_job *job, int64_t delay_ms);

/* Handles one task; called on one of the worker's threads, several at a time. */
typedef dueq_verdict dueq_handler_fn(dueq_job *job, void *context);

typedef enum dueq_log_level {
    DUEQ_LOG_ERROR = 1,
    DUEQ_LOG_WARN,
    DUEQ_LOG_INFO,
    DUEQ_LOG_DEBUG
} dueq_log_level;

/* A name and a value of a log entry. Numbers come as text. The value ends in a NUL but may hold others,
 * and any other bytes: it is for the receiver to escape. */
typedef struct dueq_log_field {
    const char *name; /* [a-z_]+ */
    const char *value;
    size_t value_len;
    bool is_number;
} dueq_log_field;

/* One thing that happened: "done", with queue, id and attempt as fields. Borrowed for the time of the
 * callback. */
typedef struct dueq_log_entry {
    dueq_log_level level;
    const char *event; /* a few plain words */
    const dueq_log_field *fields;
    size_t field_count;
} dueq_log_entry;

/* Told what the worker does; any thread, one at a time. */
typedef void dueq_log_fn(void *context, const dueq_log_entry *entry);

/* Called on the thread of dueq_worker_run() when its loop has come round, for readiness and watchdogs:
 * every tick_ms, and as soon as the server has answered for the first time; ready is true from then
 * on. Handlers that hang do not hold it up. A server that does not answer does, by a few calls'
 * time-outs (5 s each by default): a watchdog that waits for less than half a minute is too strict. */
typedef void dueq_tick_fn(void *context, bool ready);

typedef struct dueq_worker_queue {
    const char *name;
    int weight; /* share of the tasks when several have some; 0: 1 */
} dueq_worker_queue;

typedef struct dueq_worker_options {
    const char *url;             /* NULL: as dueq_open() */
    const dueq_options *connect; /* NULL: defaults */
    const dueq_worker_queue *queues;
    size_t queue_count; /* 1 to 64 */
    bool strict_order;  /* the first queue's tasks first, always; weights unused */
    int concurrency;    /* handlers at a time; 0: 1; at most 1,024 */
    int64_t prefetch;   /* tasks held ready beyond those that are being handled. 0: as many as
                           handlers would begin within about 10 ms at their pace, at most 500,
                           given back when no handler returns for 100 ms; -1: none; at most
                           10,000. Not begun at a stop: released */
    int64_t lease_ms;   /* 0: the queue's; renewed at a third of its length */
    int64_t timeout_ms; /* of a handler; 0: none. A process gets TERM, then KILL after the grace; a
                           request is given up; a callback's task is retried, and dueq_job_lost()
                           becomes true for it */
    int64_t max_attempts;   /* for tasks without a limit of their own; 0: the queue's */
    int64_t backoff_min_ms; /* first retry's longest delay; 0: 1,000; doubles with each attempt */
    int64_t backoff_max_ms; /* 0: 3,600,000; delays are drawn evenly from 0 to the bound */
    int64_t grace_ms;       /* how long handlers may go on after a stop; 0: 10,000 */
    bool drain;             /* stop once nothing is ready and nothing is leased by this worker */

    /* What handles a task. Either a callback … */
    dueq_handler_fn *handler;
    void *handler_context;
    /* … or a program and its arguments, ended by NULL: a process a task, or with `stdio` as many
     * long-lived ones as `concurrency` says, each with up to `window` tasks at a time … */
    char *const *command;
    int lost_signal; /* sent to a task's process whose lease is lost, which then goes on as it likes;
                        0: TERM, then KILL after the grace. Not with stdio: a line tells it */
    bool stdio;      /* JSON lines; the protocol is in dueq(1) */
    int window;      /* 0: 1; at most 1,000, and 10,000 tasks in all */
    /* … or a POST to a URL, http:// or https://, up to `concurrency` at a time. */
    const char *http_url;
    const char *http_secret;  /* signs each request with HMAC-SHA256; NULL: unsigned */
    const char *http_ca_file; /* PEM; NULL: the system's */

    dueq_log_fn *log; /* NULL: silent */
    void *log_context;
    dueq_log_level log_most; /* entries beyond it are not made; 0: DUEQ_LOG_INFO */
    dueq_tick_fn *tick;      /* NULL: none */
    void *tick_context;
    int64_t tick_ms; /* 0: 1,000 */
} dueq_worker_options;

typedef struct dueq_worker dueq_worker;

/* Makes a worker; nothing runs yet. The options are copied. *worker is NULL only when memory is
 * out. Free it with dueq_worker_free. Since 0.1. */
DUEQ_API int dueq_worker_make(dueq_worker **worker, const dueq_worker_options *options);

/* Works until stopped or drained; blocks. The calling thread's signals are not touched. DUEQ_OK
 * when it ended as asked, negative when it could not go on. Since 0.1. */
DUEQ_API int dueq_worker_run(dueq_worker *worker);

/* Asks a running worker to stop; any thread, and async-signal-safe. First call: take no more, let
 * handlers finish within the grace, release the rest. Second: end handlers and release at
 * once. Since 0.1. */
DUEQ_API void dueq_worker_stop(dueq_worker *worker);

/* The text of the worker's last failure; "" if none. Since 0.1. */
DUEQ_API const char *dueq_worker_error(const dueq_worker *worker);

typedef struct dueq_worker_stats {
    int64_t taken, done, retried, dead, released, lost;
} dueq_worker_stats;

/* What it has done so far; any thread. Since 0.1. */
DUEQ_API void dueq_worker_get_stats(const dueq_worker *worker, dueq_worker_stats *stats);

/* Frees a worker that is not running. NULL is fine. Since 0.1. */
DUEQ_API void dueq_worker_free(dueq_worker *worker);

/* ---- Locks ----------------------------------------------------------------------------------- */

/* A lock keeps others out: a name has one holder, who has it until it is released or its time is
 * over, whichever comes first. A process that is held up may not notice the latter: what is written
 * under a lock is safe only when the store refuses tokens that are smaller than one it has seen
 * (doc/locks.md shows how).
 *
 * The name is the key on the server, whole and without a prefix; the key's value begins with 22
 * random characters. That is what SET key random NX PX lockers do, so they and dueq keep each other
 * out. A second key holds the last token: "dueq:fence:NAME" when NAME has a hash tag {…}, else
 * "dueq:fence:{NAME}", always in the same cluster slot. A name without a hash tag has no "}". */
typedef struct dueq_lock dueq_lock;

/* Opens a handle on 1 to DUEQ_LOCK_SERVERS_MAX independent servers (none a replica of another), for
 * locks only: a lock is held while more than half of the servers say so (Redlock), and so survives
 * the loss of the others. The options are for each of them, but timeout_ms (and a URL's timeout) is
 * how long one is waited for: 0: 200; never more than an even share of half of a lock's time. One
 * URL: as dueq_open().
 * DUEQ_OK when more than half are within reach. *handle as of dueq_open(). Since 0.1. */
DUEQ_API int dueq_open_quorum(dueq **handle, const char *const *urls, size_t url_count,
                              const dueq_options *options);

typedef struct dueq_lock_options {
    int64_t ttl_ms;       /* it ends so long after it was asked for, unless extended; 0: 30,000 */
    int64_t wait_ms;      /* wait so long for it; 0: do not; -1: for ever */
    int64_t retry_max_ms; /* the longest pause between two tries while waiting, each drawn evenly
                             from 0 to a bound that doubles up to this; 0: 1,000 */
    const char *owner;    /* text for others to read beside the host's name and the process id, up
                             to DUEQ_LOCK_OWNER_MAX bytes; NULL: none */
} dueq_lock_options;

/* Takes a lock. DUEQ_OK and *lock, yours to free with dueq_lock_free(), after dueq_lock_release()
 * as a rule; DUEQ_HELD and NULL when another still held it after wait_ms; or negative. While it
 * waits it also outlasts a server that is away; dueq_set_interrupt_fd() ends waiting early. What
 * servers may have granted in vain is given back, or runs out. Since 0.1. */
DUEQ_API int dueq_lock_acquire(dueq *handle, const char *name, const dueq_lock_options *options,
                               dueq_lock **lock);

/* The lock's fencing token: larger than that of every holder of the name before. Since 0.1. */
DUEQ_API int64_t dueq_lock_token(const dueq_lock *lock);

/* How long the lock is surely held from now on, by the clock that also counts while the machine is
 * suspended, less what clocks may drift apart (1% of its time and 2 ms); 0: no longer, or released.
 * Any thread. Since 0.1. */
DUEQ_API int64_t dueq_lock_left_ms(const dueq_lock *lock);

/* Makes the lock end ttl_ms from now (sooner or later than before; 0: as when it was taken).
 * DUEQ_OK; DUEQ_LOST when it is no longer this holder's; or negative: not known, what was left is
 * still left. Since 0.1. */
DUEQ_API int dueq_lock_extend(dueq *handle, dueq_lock *lock, int64_t ttl_ms);

/* Called once, on a thread of the library's, when a lock that was kept is lost or can no longer be
 * sure to be held; `why` is a line of text. It must not release or free the lock. */
typedef void dueq_lock_lost_fn(void *context, const char *why);

/* Renews the lock at a third of its time from now on, from a thread and by connections of its own,
 * until it is released, freed or lost. DUEQ_OK; DUEQ_STATE when it is kept already; or negative.
 * Since 0.1. */
DUEQ_API int dueq_lock_keep(dueq *handle, dueq_lock *lock, dueq_lock_lost_fn *lost, void *context);

/* Gives the lock up; on any handle that leads to its servers. DUEQ_OK; DUEQ_LOST when it was no
 * longer this holder's (another's is never touched); or negative: it may stand until its time is
 * over. Not held any more in any case. Since 0.1. */
DUEQ_API int dueq_lock_release(dueq *handle, dueq_lock *lock);

/* Ends keeping the lock, and frees it; one that was not released runs out. NULL is fine.
 * Since 0.1. */
DUEQ_API void dueq_lock_free(dueq_lock *lock);

/* Who holds a lock, as they told. */
typedef struct dueq_lock_holder {
    int64_t left_ms;     /* until it ends unless extended; -1: it has no time limit */
    int64_t token;       /* 0: of another kind of locker, which has none */
    int64_t pid;         /* 0: of another kind of locker */
    size_t server_count; /* servers on which it stands */
    char host[DUEQ_LOCK_HOST_MAX + 1];
    char owner[DUEQ_LOCK_OWNER_MAX + 1]; /* the text given; of another kind of locker its value, as
                                            far as it fits */
} dueq_lock_holder;

/* Looks who holds a lock. DUEQ_OK, DUEQ_MISSING when nobody does, or negative. Since 0.1. */
DUEQ_API int dueq_lock_look(dueq *handle, const char *name, dueq_lock_holder *holder);

/* ---- Moving over from a ZSET of due times ---------------------------------------------------- */

/* The unit of a ZSET's scores, which count from the epoch. */
typedef enum dueq_unit {
    DUEQ_UNIT_S = 0, /* seconds, with fractions if need be */
    DUEQ_UNIT_MS     /* milliseconds */
} dueq_unit;

/* How an import stands. Of those that stay in the ZSET: as the last pass over it found them. */
typedef struct dueq_import_result {
    int64_t members;      /* in the ZSET when the import began */
    int64_t first_due_ms; /* of these, ms since the epoch; 0 when there were none */
    int64_t last_due_ms;
    int64_t moved;     /* into the queue; in a dry run: would be */
    int64_t overdue;   /* of them: due already */
    int64_t held;      /* stay: an old consumer holds their lock */
    int64_t busy;      /* stay: added again while the queue's task is leased */
    int64_t too_large; /* stay: over the queue's payload_max */
    int64_t undated;   /* stay: the score is no due time within a hundred years */
    int trouble;       /* while following: why nothing moves just now, a negative outcome; else 0 */
} dueq_import_result;

/* Told after each page, and each time before waiting. */
typedef void dueq_import_fn(void *context, const dueq_import_result *so_far);

typedef struct dueq_import_options {
    dueq_unit unit;
    const char
        *lock_prefix;     /* old consumers lock a member by SET PREFIX+MEMBER token NX PX; "" is a
                                prefix too. NULL: there are none, or they claim it by ZREM */
    int64_t lock_keep_ms; /* how long such consumers may take from reading a member to trying its
                                lock; 0: 60,000; at most DUEQ_LOCK_TTL_MS_MAX. In a cluster a page
                                must be locked within it, too */
    int64_t wait_ms; /* wait so long for members that are held or busy; 0: do not; -1: for ever */
    int64_t poll_ms; /* the pause before the ZSET is looked at again; 0: 1,000 */
    size_t page;     /* members moved in one step at most; 0: 200; at most 1,000 */
    bool follow;     /* go on until interrupted: producers still add to the ZSET */
    bool dry_run;    /* only count */
    dueq_import_fn *report; /* NULL: none */
    void *context;
} dueq_import_options;

/* Moves the members of a ZSET whose scores are due times into a queue of the same server or cluster:
 * each becomes a task with the member as its payload, due as the score says. Interrupted or killed at
 * any moment, nothing is lost or doubled, and another call goes on. On one server a member enters the
 * queue and leaves the ZSET in one step; in a cluster a page of them lies aside on its way, in the hash
 * "dueq:import:{ZSET}" ("dueq:import:=ZSET" where the key has a hash tag; it has one, or no "}"), and
 * the next call into the same queue goes on with it. The id follows from the ZSET's key and the member,
 * so that one that is added again while its task waits moves that task to the new due time, as it would
 * have been in the ZSET. Beside old consumers as doc/migrating.md says. Makes the queue if there is none.
 * `result` may be NULL. DUEQ_OK: none is left that could be moved; DUEQ_HELD: some are held or busy;
 * DUEQ_STATE: some cannot become tasks (too_large, undated); DUEQ_ECANCELED: interrupted by
 * dueq_set_interrupt_fd(); or another failure. Following, a server that is away or full is
 * waited for. Since 0.1. */
DUEQ_API int dueq_import(dueq *handle, const char *zset, const char *queue,
                         const dueq_import_options *options, dueq_import_result *result);

/* ---- Small helpers --------------------------------------------------------------------------- */

/* Reads a duration: "1500ms", "2s", "1h30m", "7d", "1.5s"; units ms s m h d w, each with a number
 * before it. DUEQ_OK, or DUEQ_EINVAL (also when negative or above DUEQ_DELAY_MS_MAX). Since 0.1. */
DUEQ_API int dueq_parse_duration(const char *text, int64_t *ms);

/* Reads a point in time: RFC 3339 ("2030-01-02T03:04:05.5+01:00") or "@unix[.fraction]"; ms since
 * the epoch. DUEQ_OK or DUEQ_EINVAL. Since 0.1. */
DUEQ_API int dueq_parse_time(const char *text, int64_t *ms);

/* Writes a duration as people like to read it, two units at most: "4m 12s", "350ms", "3d 2h".
 * Returns `text`. Since 0.1. */
DUEQ_API char *dueq_format_duration(int64_t ms, char *text, size_t text_size);

#ifdef __cplusplus
}
#endif

#endif
