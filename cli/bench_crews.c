/* The kinds in which worker processes have the tasks while they become due: lateness, mix, burst,
 * idle. One run each. How late a task was is what its handler's clock said against its due time,
 * which is a whole millisecond, so the difference is exact to the microsecond. */
#include <inttypes.h>

#include "bench.h"

#define PUSH_BATCH 1000
#define HEAD_START_MS 500 /* the first task is due so long after its push at the earliest */
/* Tasks a second: before due times begin, time is left for the push of all at such a rate. */
#define PUSH_RATE_EXPECTED 50000
#define MIX_DELAY_MS 100 /* a task of the mix is due so long after its push at the earliest */
#define MIX_SPAN_MS 1000
#define QUIET_US 20000    /* before a burst is due, the server is looked at for the last time */
#define SETTLE_US 1000000 /* workers that idle have done all they do at the start by then */

static int64_t lead_ms(const bench_plan *plan)
{
    return HEAD_START_MS + plan->tasks * 1000 / PUSH_RATE_EXPECTED;
}

static int start_crew(bench *b, const bench_plan *plan, int64_t times_max)
{
    int status = bench_crew_start(b, plan, times_max);

    return status == STATUS_DONE ? bench_crew_ready(b) : status;
}

/* ---- Lateness: the workers have nothing else to do */

int bench_run_lateness(bench *b, const bench_plan *plan, bench_sample *sample)
{
    bench_load load = {
        .tasks = plan->tasks, .batch = plan->batch, .payload_len = plan->payload_len};
    bench_mark from, to;
    int status = start_crew(b, plan, plan->tasks);

    if (status == STATUS_DONE) status = bench_look(b, &from);
    load.due_from_ms = bench_wall_us() / 1000 + lead_ms(plan);
    load.due_span_ms = plan->seconds * 1000;
    if (status == STATUS_DONE) status = bench_push(b, &load);
    if (status == STATUS_DONE) status = bench_crew_await(b, plan->tasks);
    if (status == STATUS_DONE) status = bench_look(b, &to);
    if (status != STATUS_DONE) return status;
    bench_set_rates(b, sample, plan->tasks, &from, &to);
    bench_crew_collect(b, sample);
    return STATUS_DONE;
}

/* ---- Mix: a steady stream of pushes while the workers work */

/* Pushes a batch whenever the rate owes one. */
static int push_steadily(bench *b, const bench_plan *plan)
{
    int64_t began_us = bench_mono_us();
    int status = STATUS_DONE;

    for (int64_t done = 0; done < plan->tasks && status == STATUS_DONE;) {
        int64_t left = plan->tasks - done;
        bench_load load = {.tasks = left < plan->batch ? left : plan->batch,
                           .batch = plan->batch,
                           .payload_len = plan->payload_len,
                           .due_span_ms = MIX_SPAN_MS};
        int64_t at_us = began_us + (done + load.tasks) * 1000000 / plan->rate;

        status = bench_pause_us(at_us - bench_mono_us());
        load.due_from_ms = bench_wall_us() / 1000 + MIX_DELAY_MS;
        if (status == STATUS_DONE) status = bench_push(b, &load);
        done += load.tasks;
        bench_progress(b, done, plan->tasks);
    }
    return status;
}

int bench_run_mix(bench *b, const bench_plan *plan, bench_sample *sample)
{
    bench_mark from, to;
    int status = start_crew(b, plan, plan->tasks);

    if (status == STATUS_DONE) status = bench_look(b, &from);
    if (status == STATUS_DONE) status = push_steadily(b, plan);
    if (status == STATUS_DONE) status = bench_crew_await(b, plan->tasks);
    if (status == STATUS_DONE) status = bench_look(b, &to);
    if (status != STATUS_DONE) return status;
    bench_set_rates(b, sample, plan->tasks, &from, &to);
    sample->figures[BENCH_CPU_PERCENT] =
        bench_server_us(b, &from, &to) / bench_seconds(&from, &to) / 1e4;
    bench_crew_collect(b, sample);
    return STATUS_DONE;
}

/* ---- Burst: all due in one instant */

static int push_burst(bench *b, const bench_plan *plan, int64_t due_ms)
{
    int status = bench_push(b, &(bench_load){.tasks = plan->tasks,
                                             .batch = PUSH_BATCH,
                                             .payload_len = plan->payload_len,
                                             .due_from_ms = due_ms});
    int64_t late_ms = bench_wall_us() / 1000 - due_ms;

    if (status == STATUS_DONE && late_ms > 0)
        say_note("pushing took longer than was expected: the last task was pushed %" PRId64
                 " ms after all were due",
                 late_ms);
    return status;
}

int bench_run_burst(bench *b, const bench_plan *plan, bench_sample *sample)
{
    int64_t due_ms, drained_us = 0;
    bench_mark from, to;
    int status = start_crew(b, plan, plan->tasks);

    due_ms = bench_wall_us() / 1000 + lead_ms(plan);
    if (status == STATUS_DONE) status = push_burst(b, plan, due_ms);
    if (status == STATUS_DONE) status = bench_pause_us(due_ms * 1000 - QUIET_US - bench_wall_us());
    if (status == STATUS_DONE) status = bench_look(b, &from);
    if (status == STATUS_DONE) status = bench_crew_await(b, plan->tasks);
    drained_us = bench_wall_us() - due_ms * 1000;
    if (status == STATUS_DONE) status = bench_look(b, &to);
    if (status != STATUS_DONE) return status;
    sample->figures[BENCH_DRAIN_S] = (double)drained_us / 1e6;
    sample->figures[BENCH_TASKS_PER_S] = (double)plan->tasks / sample->figures[BENCH_DRAIN_S];
    sample->figures[BENCH_SERVER_US] = bench_server_us(b, &from, &to) / (double)plan->tasks;
    sample->figures[BENCH_SCRIPT_P99] = bench_script_p99(&from.facts, &to.facts);
    bench_crew_collect(b, sample);
    return STATUS_DONE;
}

/* ---- Idle: what workers ask for while there is nothing to do */

int bench_run_idle(bench *b, const bench_plan *plan, bench_sample *sample)
{
    bench_mark from, to;
    int status = bench_push_far(b, plan->tasks, plan->payload_len);

    if (status == STATUS_DONE) status = start_crew(b, plan, 0);
    if (status == STATUS_DONE) status = bench_pause_us(SETTLE_US);
    if (status == STATUS_DONE) status = bench_look(b, &from);
    if (status == STATUS_DONE) status = bench_pause_us(plan->seconds * 1000000);
    if (status == STATUS_DONE) status = bench_look(b, &to);
    if (status != STATUS_DONE) return status;
    sample->figures[BENCH_TASKS_PER_S] = 0;
    sample->figures[BENCH_SERVER_US] = bench_server_us(b, &from, &to) / (double)plan->tasks;
    sample->figures[BENCH_COMMANDS_PER_S] =
        (double)bench_commands(b, &from, &to) / bench_seconds(&from, &to);
    sample->figures[BENCH_CPU_PERCENT] =
        bench_server_us(b, &from, &to) / bench_seconds(&from, &to) / 1e4;
    sample->figures[BENCH_WAITING] = (double)plan->tasks;
    return STATUS_DONE;
}
