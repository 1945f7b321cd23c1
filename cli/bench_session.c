/* The server that is measured: the handle, a queue that goes away again, what the server says of its
 * own cost, and the clock. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "session.h"

#define LOOKS 9 /* to learn what one costs */
#define PROGRESS_EVERY_US 100000
#define CLUSTER_PARTITIONS 12 /* spread over three masters evenly, and over four and six */

/* ---- Clocks and interruption */

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

bool bench_interrupted(void)
{
    return interrupted != 0;
}

/* Without SA_RESTART: a sleep is to end. */
static void hear_signals(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int64_t clock_us(clockid_t which)
{
    struct timespec now;

    clock_gettime(which, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t bench_wall_us(void)
{
    return clock_us(CLOCK_REALTIME);
}

int64_t bench_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int bench_pause_us(int64_t span_us)
{
    struct timespec span = {.tv_sec = span_us / 1000000, .tv_nsec = span_us % 1000000 * 1000};

    if (span_us > 0 && !interrupted) nanosleep(&span, NULL);
    return interrupted ? say_failed("interrupted") : STATUS_DONE;
}

/* ---- The progress line */

void bench_clear_progress(bench *b)
{
    if (!b->shows_progress || b->progress_at_us == 0) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    b->progress_at_us = 0;
}

void bench_progress(bench *b, int64_t done, int64_t whole)
{
    int64_t now_us = bench_mono_us();

    if (!b->shows_progress || now_us - b->progress_at_us < PROGRESS_EVERY_US) return;
    b->progress_at_us = now_us;
    fprintf(stderr, "\r\033[K%s: %" PRId64 " %%", b->label, whole > 0 ? done * 100 / whole : 0);
    fflush(stderr);
}

/* ---- Looking at the server */

int bench_look(bench *b, bench_mark *mark)
{
    int rc;

    mark->asked_us = bench_mono_us();
    rc = dueq_server_facts(b->handle, &mark->facts);
    mark->answered_us = bench_mono_us();
    return rc < 0 ? say_error(b->handle, rc) : STATUS_DONE;
}

/* Looks some times, and learns what the least is that a look costs: what comes on top of it now and
 * then is noise. What the last one saw is kept: clients that were just leaving are gone by then. */
static int get_acquainted(bench *b)
{
    bench_mark before, after;
    int status = bench_look(b, &before);

    for (int i = 0; i < LOOKS && status == STATUS_DONE; i++) {
        int64_t cpu_us;

        status = bench_look(b, &after);
        cpu_us = after.facts.cpu_us - before.facts.cpu_us;
        if (i == 0 || cpu_us < b->look_cpu_us) b->look_cpu_us = cpu_us;
        b->look_commands = after.facts.commands - before.facts.commands;
        before = after;
    }
    if (status == STATUS_DONE) b->server = before.facts;
    return status;
}

double bench_server_us(const bench *b, const bench_mark *from, const bench_mark *to)
{
    return fmax(0, (double)(to->facts.cpu_us - from->facts.cpu_us - b->look_cpu_us));
}

bool bench_has_many_servers(const bench *b)
{
    return b->server.server_count > 1;
}

/* Of the server that worked most between the marks. */
static double busiest_us(const bench *b, const bench_mark *from, const bench_mark *to)
{
    size_t count = b->server.server_count;
    int64_t most_us = 0;

    for (size_t i = 0; i < count && i < DUEQ_FACTS_SERVERS_MAX; i++) {
        int64_t us = to->facts.cpu_us_of[i] - from->facts.cpu_us_of[i];

        if (us > most_us) most_us = us;
    }
    return fmax(0, (double)most_us - (double)b->look_cpu_us / (double)count);
}

int64_t bench_commands(const bench *b, const bench_mark *from, const bench_mark *to)
{
    return to->facts.commands - from->facts.commands - b->look_commands;
}

double bench_seconds(const bench_mark *from, const bench_mark *to)
{
    return (double)(to->asked_us - from->answered_us) / 1e6;
}

void bench_set_rates(const bench *b, bench_sample *sample, int64_t tasks, const bench_mark *from,
                     const bench_mark *to)
{
    sample->figures[BENCH_TASKS_PER_S] = (double)tasks / bench_seconds(from, to);
    sample->figures[BENCH_SERVER_US] = bench_server_us(b, from, to) / (double)tasks;
    if (bench_has_many_servers(b))
        sample->figures[BENCH_BUSIEST_US] = busiest_us(b, from, to) / (double)tasks;
}

/* ---- The handle and the queue */

int bench_reopen(bench *b)
{
    return session_open(b->call, &b->handle);
}

/* What makes the figures less than they seem. */
static void tell_doubts(const bench *b)
{
    int64_t others = b->server.clients - 1;

    if (others > 0)
        say_note("the server has %" PRId64 " other client%s: what they do is in its figures too",
                 others, others > 1 ? "s" : "");
}

int bench_open(bench *b, const cli_call *call)
{
    int status;

    *b = (bench){.call = call, .shows_progress = isatty(STDERR_FILENO) == 1};
    hear_signals();
    status = session_url(call, &b->url);
    if (status == STATUS_DONE) status = bench_reopen(b);
    if (status == STATUS_DONE) status = get_acquainted(b);
    if (status == STATUS_DONE) tell_doubts(b);
    return status;
}

int64_t bench_partitions(const bench *b, const bench_plan *plan)
{
    if (plan->partitions != 0) return plan->partitions;
    return bench_has_many_servers(b) ? CLUSTER_PARTITIONS : 1;
}

int bench_new_queue(bench *b, const bench_plan *plan)
{
    dueq_settings settings = {.partitions = bench_partitions(b, plan)};
    uint32_t suffix = 0;
    int rc;

    bench_drop_queue(b);
    if (getrandom(&suffix, sizeof(suffix), 0) != (ssize_t)sizeof(suffix))
        suffix = (uint32_t)bench_wall_us();
    snprintf(b->queue, sizeof(b->queue), "bench-%s-%08" PRIx32, plan->kind, suffix);
    rc = dueq_queue_create(b->handle, b->queue, &settings);
    return rc < 0 ? say_error(b->handle, rc) : STATUS_DONE;
}

void bench_drop_queue(bench *b)
{
    if (b->queue[0] != '\0' && b->handle != NULL) dueq_queue_delete(b->handle, b->queue, true);
    b->queue[0] = '\0';
}

void bench_close(bench *b)
{
    bench_clear_progress(b);
    bench_crew_stop(b);
    bench_drop_queue(b);
    dueq_close(b->handle);
    b->handle = NULL;
}
