/* Load by single calls, each of them timed: push, take and done, cancel. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "mem.h"

#define FAR_BATCH 1000

static void note_time(bench_times *times, int64_t from_us)
{
    if (times != NULL) bench_times_add(times, bench_mono_us() - from_us);
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- Push */

static void fill_tasks(bench *b, const bench_load *load, dueq_new_task *tasks, int64_t count,
                       const char *payload)
{
    for (int64_t i = 0; i < count; i++) {
        tasks[i] = (dueq_new_task){.payload = payload, .payload_len = (size_t)load->payload_len};
        if (load->due_from_ms == 0) continue;
        tasks[i].due_ms = load->due_from_ms;
        if (load->due_span_ms > 0)
            tasks[i].due_ms += (int64_t)(bench_random(&b->random) % (uint64_t)load->due_span_ms);
    }
}

static void keep_ids(const dueq_new_task *tasks, int64_t count, bench_id *ids)
{
    for (int64_t i = 0; i < count; i++) memcpy(ids[i], tasks[i].made_id, sizeof(ids[i]));
}

static int push_all(bench *b, const bench_load *load, dueq_new_task *tasks, const char *payload)
{
    for (int64_t done = 0; done < load->tasks;) {
        int64_t count = smaller(load->batch, load->tasks - done);
        int64_t from_us;
        int rc;

        if (bench_interrupted()) return say_failed("interrupted");
        fill_tasks(b, load, tasks, count, payload);
        from_us = bench_mono_us();
        rc = dueq_push(b->handle, b->queue, tasks, (size_t)count, NULL);
        if (rc < 0) return say_error(b->handle, rc);
        note_time(load->times, from_us);
        if (load->ids != NULL) keep_ids(tasks, count, load->ids + done);
        done += count;
        bench_progress(b, done, load->tasks);
    }
    return STATUS_DONE;
}

int bench_push(bench *b, const bench_load *load)
{
    dueq_new_task *tasks = mem_make((size_t)load->batch * sizeof(tasks[0]));
    char *payload = mem_make((size_t)load->payload_len + 1);
    int status;

    memset(payload, 'p', (size_t)load->payload_len);
    status = push_all(b, load, tasks, payload);
    free(payload);
    free(tasks);
    return status;
}

int bench_push_far(bench *b, int64_t tasks, int64_t payload_len)
{
    return bench_push(b, &(bench_load){.tasks = tasks,
                                       .batch = FAR_BATCH,
                                       .payload_len = payload_len,
                                       .due_from_ms = bench_wall_us() / 1000 + BENCH_FAR_MS,
                                       .due_span_ms = BENCH_FAR_MS});
}

/* ---- Take and done */

static int finish(bench *b, const dueq_batch *taken, dueq_lease *leases)
{
    int rc;

    for (size_t i = 0; i < taken->count; i++)
        leases[i] = (dueq_lease){.receipt = taken->tasks[i].receipt};
    rc = dueq_done(b->handle, b->queue, leases, taken->count);
    if (rc == DUEQ_LOST) return say_failed("a lease ended before its task was done");
    return rc < 0 ? say_error(b->handle, rc) : STATUS_DONE;
}

/* One batch; *count is how many it had. */
static int work_some(bench *b, const bench_load *load, size_t most, dueq_lease *leases,
                     int64_t *count)
{
    dueq_batch *taken = NULL;
    int64_t from_us = bench_mono_us();
    int status;
    int rc = dueq_take(b->handle, b->queue, &(dueq_take_options){.tasks_max = most}, &taken);

    if (rc < 0) return say_error(b->handle, rc);
    if (rc != DUEQ_OK)
        return say_failed("a task that was pushed is not there: is someone else "
                          "working on queue %s?",
                          b->queue);
    note_time(load->times, from_us);
    from_us = bench_mono_us();
    status = finish(b, taken, leases);
    note_time(load->times, from_us);
    *count = (int64_t)taken->count;
    dueq_batch_free(taken);
    return status;
}

int bench_work(bench *b, const bench_load *load)
{
    dueq_lease *leases = mem_make((size_t)load->batch * sizeof(leases[0]));
    int status = STATUS_DONE;

    for (int64_t done = 0; done < load->tasks && status == STATUS_DONE;) {
        int64_t count = 0;

        status = bench_interrupted()
                     ? say_failed("interrupted")
                     : work_some(b, load, (size_t)smaller(load->batch, load->tasks - done), leases,
                                 &count);
        done += count;
        bench_progress(b, done, load->tasks);
    }
    free(leases);
    return status;
}

/* ---- Cancel */

int bench_cancel(bench *b, const bench_id *ids, int64_t count)
{
    dueq_name *names = mem_make((size_t)count * sizeof(names[0]));
    int rc = DUEQ_OK;

    for (int64_t i = 0; i < count; i++)
        names[i] = (dueq_name){.id = ids[i], .id_len = strlen(ids[i])};
    for (int64_t done = 0; done < count && rc == DUEQ_OK; done += DUEQ_CALL_TASKS_MAX)
        rc = dueq_cancel(b->handle, b->queue, names + done,
                         (size_t)smaller(DUEQ_CALL_TASKS_MAX, count - done));
    free(names);
    if (rc == DUEQ_MISSING) return say_failed("a task that was pushed is not there");
    return rc < 0 ? say_error(b->handle, rc) : STATUS_DONE;
}
