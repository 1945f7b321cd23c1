/* The kinds that are measured by single calls of one connection: push, work, memory, scale; and
 * work by the library's worker. One run each. */
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "mem.h"

#define READY_BATCH 1000     /* in which tasks are pushed for a measurement of something else */
#define ROUND_TASKS_MIN 1000 /* scale: fewer could not be told from the cost of looking */
#define ROUND_TASKS_MAX 10000

static bench_load load_of(const bench_plan *plan, bench_sample *sample)
{
    return (bench_load){.tasks = plan->tasks,
                        .batch = plan->batch,
                        .payload_len = plan->payload_len,
                        .times = &sample->times};
}

/* Tasks that are ready, pushed without being measured. */
static int push_ready(bench *b, int64_t tasks, int64_t payload_len)
{
    return bench_push(
        b, &(bench_load){.tasks = tasks, .batch = READY_BATCH, .payload_len = payload_len});
}

int bench_run_push(bench *b, const bench_plan *plan, bench_sample *sample)
{
    bench_load load = load_of(plan, sample);
    bench_mark from, to;
    int status = bench_look(b, &from);

    if (status == STATUS_DONE) status = bench_push(b, &load);
    if (status == STATUS_DONE) status = bench_look(b, &to);
    if (status == STATUS_DONE) bench_set_rates(b, sample, plan->tasks, &from, &to);
    return status;
}

/* ---- Work */

static int work_by_calls(bench *b, const bench_plan *plan, bench_sample *sample)
{
    bench_load load = load_of(plan, sample);

    return bench_work(b, &load);
}

static int work_by_worker(bench *b, const bench_plan *plan)
{
    int status = bench_crew_start(b, plan, 0);

    return status == STATUS_DONE ? bench_crew_await(b, plan->tasks) : status;
}

int bench_run_work(bench *b, const bench_plan *plan, bench_sample *sample)
{
    bench_mark from, to;
    int status = push_ready(b, plan->tasks, plan->payload_len);

    if (status == STATUS_DONE) status = bench_look(b, &from);
    if (status == STATUS_DONE)
        status = plan->by_worker ? work_by_worker(b, plan) : work_by_calls(b, plan, sample);
    if (status == STATUS_DONE) status = bench_look(b, &to);
    if (status == STATUS_DONE) bench_set_rates(b, sample, plan->tasks, &from, &to);
    return status;
}

/* ---- Memory */

enum { SETTLE_MS = 10000, SETTLE_STEP_MS = 10 };

/* A look once the server has freed what was dropped before: its memory would shrink meanwhile. */
static int look_when_settled(bench *b, bench_mark *mark)
{
    const struct timespec step = {.tv_nsec = SETTLE_STEP_MS * 1000000};
    int status = bench_look(b, mark);

    for (int ms = 0; status == STATUS_DONE && mark->facts.freeing && ms < SETTLE_MS;
         ms += SETTLE_STEP_MS) {
        nanosleep(&step, NULL);
        status = bench_look(b, mark);
    }
    return status;
}

int bench_run_memory(bench *b, const bench_plan *plan, bench_sample *sample)
{
    bench_load load = load_of(plan, sample);
    bench_mark from, to;
    int status = look_when_settled(b, &from);

    load.due_from_ms = bench_wall_us() / 1000 + BENCH_FAR_MS;
    load.due_span_ms = BENCH_FAR_MS;
    if (status == STATUS_DONE) status = bench_push(b, &load);
    if (status == STATUS_DONE) status = bench_look(b, &to);
    if (status != STATUS_DONE) return status;
    bench_set_rates(b, sample, plan->tasks, &from, &to);
    sample->figures[BENCH_BYTES] =
        (double)(to.facts.memory_used - from.facts.memory_used) / (double)plan->tasks;
    return STATUS_DONE;
}

/* ---- Scale: what a task costs while so many wait. In rounds, so that their number stays the same:
 * each pushes tasks to random places among those that wait, measured, and takes them away again;
 * then has ready tasks taken and done, measured. */

typedef struct scale_sums {
    double push_us, work_us, seconds;
} scale_sums;

static int scale_push(bench *b, const bench_load *load, scale_sums *sums)
{
    bench_load far = *load;
    bench_mark from, to;
    int status;

    far.ids = mem_make((size_t)load->tasks * sizeof(far.ids[0]));
    far.due_from_ms = bench_wall_us() / 1000 + BENCH_FAR_MS;
    far.due_span_ms = BENCH_FAR_MS;
    status = bench_look(b, &from);
    if (status == STATUS_DONE) status = bench_push(b, &far);
    if (status == STATUS_DONE) status = bench_look(b, &to);
    if (status == STATUS_DONE) {
        sums->push_us += bench_server_us(b, &from, &to);
        sums->seconds += bench_seconds(&from, &to);
        status = bench_cancel(b, (const bench_id *)far.ids, load->tasks);
    }
    free(far.ids);
    return status;
}

static int scale_work(bench *b, const bench_load *load, scale_sums *sums)
{
    bench_mark from, to;
    int status = push_ready(b, load->tasks, load->payload_len);

    if (status == STATUS_DONE) status = bench_look(b, &from);
    if (status == STATUS_DONE) status = bench_work(b, load);
    if (status == STATUS_DONE) status = bench_look(b, &to);
    if (status != STATUS_DONE) return status;
    sums->work_us += bench_server_us(b, &from, &to);
    sums->seconds += bench_seconds(&from, &to);
    return STATUS_DONE;
}

static int64_t tasks_of_round(const bench_plan *plan)
{
    int64_t some = plan->waiting / 10;

    if (some < ROUND_TASKS_MIN) some = ROUND_TASKS_MIN;
    if (some > ROUND_TASKS_MAX) some = ROUND_TASKS_MAX;
    return some < plan->tasks ? some : plan->tasks;
}

int bench_run_scale(bench *b, const bench_plan *plan, bench_sample *sample)
{
    bench_load load = load_of(plan, sample);
    scale_sums sums = {0};
    int64_t done = 0;
    int status = bench_push_far(b, plan->waiting, plan->payload_len);

    load.tasks = tasks_of_round(plan);
    for (; done < plan->tasks && status == STATUS_DONE; done += load.tasks) {
        status = scale_push(b, &load, &sums);
        if (status == STATUS_DONE) status = scale_work(b, &load, &sums);
    }
    sample->figures[BENCH_WAITING] = (double)plan->waiting;
    sample->figures[BENCH_TASKS_PER_S] = (double)done / sums.seconds;
    sample->figures[BENCH_SERVER_US] = (sums.push_us + sums.work_us) / (double)done;
    sample->figures[BENCH_PUSH_SERVER_US] = sums.push_us / (double)done;
    sample->figures[BENCH_WORK_SERVER_US] = sums.work_us / (double)done;
    return status;
}
