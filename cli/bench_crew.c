/* Worker processes: each the library's own worker with a handler that does nothing but note how late
 * its task was, in memory that all share. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "mem.h"

#define LOOK_EVERY_US 1000
#define READY_US 30000000   /* then workers that have not connected are given up */
#define STALLED_US 60000000 /* as long as that without a task: something is wrong */
#define STOP_US 15000000    /* then workers that do not end are killed */

/* Holds: late_us[0 … finished) are written, but for those of handlers that are just writing. */
typedef struct notes {
    atomic_llong begun, finished, again;
    int64_t times_max;
    int64_t late_us[];
} notes;

typedef struct bench_crew {
    notes *shared;
    size_t shared_size;
    size_t count;
    int64_t clients_before;
    pid_t workers[]; /* 0: has ended */
} bench_crew;

/* ---- In a worker process */

static dueq_worker *running;

static void on_stop(int number)
{
    (void)number;
    dueq_worker_stop(running);
}

static dueq_verdict handle(dueq_job *job, void *context)
{
    notes *shared = context;
    int64_t now_us = bench_wall_us();
    const dueq_task *task = dueq_job_task(job);
    int64_t slot = atomic_fetch_add(&shared->begun, 1);

    if (slot < shared->times_max) shared->late_us[slot] = now_us - task->due_ms * 1000;
    if (task->attempt > 1) atomic_fetch_add(&shared->again, 1);
    atomic_fetch_add(&shared->finished, 1);
    return DUEQ_VERDICT_DONE;
}

static void tell_error(void *context, const dueq_log_entry *entry)
{
    (void)context;
    say_note("a worker: %s%s%s", entry->event, entry->field_count > 0 ? ": " : "",
             entry->field_count > 0 ? entry->fields[0].value : "");
}

static int run_worker(const dueq_worker_options *options)
{
    struct sigaction stop = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    int rc = dueq_worker_make(&running, options);

    if (running != NULL && rc == DUEQ_OK) {
        sigaction(SIGTERM, &stop, NULL);
        rc = dueq_worker_run(running);
    }
    if (rc < 0)
        say_note("a worker ended: %s",
                 running != NULL ? dueq_worker_error(running) : dueq_outcome_text(rc));
    return say_status(rc);
}

static int work(const bench *b, const bench_plan *plan, notes *shared)
{
    dueq_worker_queue queue = {.name = b->queue};
    dueq_worker_options options = {.url = b->url,
                                   .queues = &queue,
                                   .queue_count = 1,
                                   .concurrency = (int)plan->concurrency,
                                   .handler = handle,
                                   .handler_context = shared,
                                   .log = tell_error,
                                   .log_most = DUEQ_LOG_ERROR};

    return run_worker(&options);
}

static pid_t start_one(const bench *b, const bench_plan *plan, notes *shared)
{
    pid_t parent = getpid();
    pid_t child = fork();

    if (child != 0) return child;
    signal(SIGINT, SIG_IGN); /* of the terminal: the parent stops its children itself */
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(STATUS_FAILED);
    _exit(work(b, plan, shared));
}

/* ---- Starting */

static int make_notes(bench_crew *crew, int64_t times_max)
{
    void *memory;

    crew->shared_size = sizeof(notes) + (size_t)times_max * sizeof(int64_t);
    memory =
        mmap(NULL, crew->shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return say_failed("no memory to share: %s", strerror(errno));
    crew->shared = memory;
    crew->shared->times_max = times_max;
    return STATUS_DONE;
}

/* Children are to inherit no connection: the handle is closed while they are made. */
static int start_all(bench *b, const bench_plan *plan)
{
    bench_crew *crew = b->crew;
    int status = STATUS_DONE, reopened;

    dueq_close(b->handle);
    b->handle = NULL;
    for (size_t i = 0; i < crew->count && status == STATUS_DONE; i++) {
        pid_t child = start_one(b, plan, crew->shared);

        if (child < 0) status = say_failed("cannot start a worker: %s", strerror(errno));
        crew->workers[i] = child > 0 ? child : 0;
    }
    reopened = bench_reopen(b);
    return status != STATUS_DONE ? status : reopened;
}

int bench_crew_start(bench *b, const bench_plan *plan, int64_t times_max)
{
    size_t count = (size_t)plan->workers;
    bench_mark mark;
    int status = bench_look(b, &mark);

    if (status != STATUS_DONE) return status;
    b->crew = mem_make(sizeof(*b->crew) + count * sizeof(b->crew->workers[0]));
    b->crew->count = count;
    b->crew->clients_before = mark.facts.clients;
    status = make_notes(b->crew, times_max);
    return status == STATUS_DONE ? start_all(b, plan) : status;
}

/* ---- Waiting */

static bool has_ended(pid_t *worker)
{
    if (*worker != 0 && waitpid(*worker, NULL, WNOHANG) != 0) *worker = 0;
    return *worker == 0;
}

static int check_alive(bench_crew *crew)
{
    for (size_t i = 0; i < crew->count; i++) {
        if (has_ended(&crew->workers[i])) return say_failed("a worker has ended too early");
    }
    return STATUS_DONE;
}

int bench_crew_ready(bench *b)
{
    int64_t until_us = bench_mono_us() + READY_US;
    int64_t wanted = b->crew->clients_before + (int64_t)b->crew->count;
    bench_mark mark;
    int status;

    do {
        status = bench_pause_us(LOOK_EVERY_US);
        if (status == STATUS_DONE) status = check_alive(b->crew);
        if (status == STATUS_DONE) status = bench_look(b, &mark);
        if (status != STATUS_DONE || mark.facts.clients >= wanted) return status;
    } while (bench_mono_us() < until_us);
    return say_failed("%zu workers were started, and not all have connected within %d s",
                      b->crew->count, READY_US / 1000000);
}

/* Until a count that grows has reached `wanted`. */
static int await_count(bench *b, int (*count)(bench *b, int64_t *now), int64_t wanted)
{
    int64_t moved_us = bench_mono_us(), last = -1, now = 0;

    for (;;) {
        int status = count(b, &now);

        if (status != STATUS_DONE || now >= wanted) return status;
        if (now != last) moved_us = bench_mono_us();
        last = now;
        if (bench_mono_us() - moved_us > STALLED_US)
            return say_failed("%" PRId64 " of %" PRId64 " tasks are done, and no more within %d s",
                              now, wanted, STALLED_US / 1000000);
        bench_progress(b, now, wanted);
        status = bench_pause_us(LOOK_EVERY_US);
        if (status == STATUS_DONE) status = check_alive(b->crew);
        if (status != STATUS_DONE) return status;
    }
}

static int count_handled(bench *b, int64_t *now)
{
    *now = atomic_load(&b->crew->shared->finished);
    return STATUS_DONE;
}

static int count_done(bench *b, int64_t *now)
{
    dueq_stats stats;
    int rc = dueq_queue_stats(b->handle, b->queue, &stats);

    if (rc != DUEQ_OK) return say_error(b->handle, rc);
    *now = stats.done;
    return STATUS_DONE;
}

/* The server is left in peace until there is reason to ask. */
int bench_crew_await(bench *b, int64_t tasks)
{
    int status = await_count(b, count_handled, tasks);

    return status == STATUS_DONE ? await_count(b, count_done, tasks) : status;
}

void bench_crew_collect(const bench *b, bench_sample *sample)
{
    const notes *shared = b->crew->shared;
    int64_t count = atomic_load(&shared->finished);
    int64_t early = 0;

    for (int64_t i = 0; i < count && i < shared->times_max; i++) {
        early += shared->late_us[i] < 0;
        bench_times_add(&sample->times, shared->late_us[i]);
    }
    sample->figures[BENCH_EARLY] = (double)early;
    sample->figures[BENCH_AGAIN] = (double)atomic_load(&shared->again);
}

/* ---- Stopping */

static void signal_all(const bench_crew *crew, int number)
{
    for (size_t i = 0; i < crew->count; i++) {
        if (crew->workers[i] > 0) kill(crew->workers[i], number);
    }
}

static bool all_ended(bench_crew *crew)
{
    bool all = true;

    for (size_t i = 0; i < crew->count; i++) all = has_ended(&crew->workers[i]) && all;
    return all;
}

void bench_crew_stop(bench *b)
{
    bench_crew *crew = b->crew;
    int64_t until_us = bench_mono_us() + STOP_US;

    if (crew == NULL) return;
    signal_all(crew, SIGTERM);
    while (!all_ended(crew)) {
        if (bench_mono_us() > until_us) signal_all(crew, SIGKILL);
        usleep(
            LOOK_EVERY_US); /* not bench_pause_us(): an interruption is no reason to leave them */
    }
    if (crew->shared != NULL) munmap(crew->shared, crew->shared_size);
    free(crew);
    b->crew = NULL;
}
