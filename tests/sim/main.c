/* The simulation's program: see sim.h. Each seed runs in a process of its own, so that nothing of one
 * is left for another.
 *     sim [--seed N] [--seeds COUNT] [--jobs N]     many, one after the other
 *     sim --seed N --trace                          one, with all that happens
 *     sim --replay COUNT                            each of so many twice: must be the same
 *     sim --planted                                 each planted bug must be found
 * test-timeout-s: 900 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "campaign/actors.h"
#include "planted.h"
#include "sim.h"
#include "support/checker.h"
#include "support/dump.h"

enum {
    JOBS_MAX = 16,
    PRODUCERS_MAX = 2,
    WORKERS_MAX = 4,
    DRAIN_US = 40000000,
    DAY_US_PARTS = 1000,
    OPS_MIN = 5,
    PLANTED_SEEDS_MAX = 400,
    VACUOUS_MAX_PART = 50, /* of the seeds; more are a fault of the simulation */
    SKIPPED = 77
};
#define DAY_US INT64_C(86400000000)

/* ---- One seed -------------------------------------------------------------------------------- */

typedef struct result {
    uint64_t seed, hash;
    checker_verdict verdict;
    int64_t faults, virtual_us;
    bool ran;
} result;

static sim_world world;
static bool shows_all;

static void act(void *context)
{
    actor_run(context);
}

void actor_begin(sim_world *w, bool is_producer)
{
    actor_orders *orders = calloc(1, sizeof *orders);
    if (orders == NULL) abort();
    int process = ++w->process_count;
    *orders = (actor_orders){.role = is_producer ? "producer" : "worker",
                             .url = "unix:/simulated",
                             .history_path = w->history_path,
                             .process = process,
                             .seed = sim_random()};
    int fiber = fiber_start(act, orders);
    fiber_set_wall_us(fiber, (sim_draw(2 * DAY_US_PARTS) - DAY_US_PARTS) * (DAY_US / DAY_US_PARTS));
    w->actors[w->actor_count++] = (sim_actor){fiber, process, is_producer};
}

void actor_end(sim_world *w, int at, bool silently)
{
    fiber_kill(w->actors[at].fiber);
    net_orphan(w->actors[at].fiber, silently);
}

static void dismiss(sim_world *w, bool only_producers)
{
    for (int i = 0; i < w->actor_count; i++) {
        if (w->actors[i].is_producer || !only_producers) actor_end(w, i, false);
    }
}

static void make_queue(const sim_world *w)
{
    dueq *handle = NULL;
    dueq_settings settings = {.partitions = w->partitions,
                              .max_attempts = CAMPAIGN_ATTEMPTS_MAX,
                              .lease_ms = CAMPAIGN_LEASE_MS,
                              .dead_max = 1000000000,
                              .retention_ms = 7 * 24 * 3600 * (int64_t)1000};
    int rc = dueq_open(&handle, "unix:/simulated", NULL);
    if (rc == DUEQ_OK) rc = dueq_queue_create(handle, CAMPAIGN_QUEUE, &settings);
    if (rc != DUEQ_OK) fprintf(stderr, "simulation: no queue: %s\n", dueq_error(handle));
    dueq_close(handle);
}

static void drain(sim_world *w)
{
    int64_t until_us = sim_now_us() + DRAIN_US;
    dismiss(w, true);
    while (node_alive_tasks(CAMPAIGN_QUEUE, w->partitions) > 0) {
        if (sim_now_us() > until_us) {
            history_note_broken(w->history, "not drained");
            break;
        }
        fiber_sleep_us(20000);
    }
    dismiss(w, false);
}

/* The first fiber: the course of a run. */
static void direct(void *context)
{
    sim_world *w = context;
    w->history = history_open(w->history_path, 0);
    history_plan plan = {
        .attempts_max = CAMPAIGN_ATTEMPTS_MAX, .ops_min = OPS_MIN, .partitions = w->partitions};
    history_note_plan(w->history, &plan);
    make_queue(w);
    int64_t producers = 1 + sim_draw(PRODUCERS_MAX), workers = 1 + sim_draw(WORKERS_MAX);
    for (int64_t i = 0; i < producers; i++) actor_begin(w, true);
    for (int64_t i = 0; i < workers; i++) actor_begin(w, false);
    nemesis_run(w);
    drain(w);
    dump_queue(NULL, CAMPAIGN_QUEUE, w->partitions, w->history);
    history_close(w->history);
}

/* What the actors called and were answered, and what was broken. */
static void show_history(const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) printf("history  %s", line);
    if (file != NULL) fclose(file);
}

static result run_here(uint64_t seed, const planted_bug *bug)
{
    result r = {.seed = seed};
    int64_t began_us = sim_now_us();
    int file = memfd_create("history", 0);
    sim_seed(seed);
    snprintf(world.history_path, sizeof world.history_path, "/proc/self/fd/%d", file);
    world.seed = seed;
    world.partitions = sim_chance(60) ? 1 : 3;
    world.rage_us = 300000 + sim_draw(1700000);
    node_start(getenv("DUEQ_SOURCE"), bug);
    fiber_start(direct, &world);
    r.ran = fibers_run();
    if (!r.ran) history_note_broken(world.history, "it does not end");
    if (shows_all) show_history(world.history_path);
    char *why = NULL;
    history *h = history_read(world.history_path, &why);
    if (h == NULL) {
        fprintf(stderr, "simulation: %s\n", why);
        exit(2);
    }
    r.verdict = checker_check(h);
    r.faults = (int64_t)h->fault_count;
    r.hash = sim_trace_hash();
    r.virtual_us = sim_now_us() - began_us;
    return r;
}

/* ---- Seeds, each in a process ---------------------------------------------------------------- */

typedef struct job {
    pid_t pid;
    int from;
    uint64_t seed;
} job;

static job begin_job(uint64_t seed, const planted_bug *bug)
{
    int ends[2];
    fflush(stdout);
    if (pipe(ends) != 0) exit(2);
    pid_t pid = fork();
    if (pid == 0) {
        result r = run_here(seed, bug);
        fflush(stdout);
        _exit(write(ends[1], &r, sizeof r) == sizeof r ? 0 : 2);
    }
    close(ends[1]);
    return (job){pid, ends[0], seed};
}

static result end_job(const job *j)
{
    result r = {.seed = j->seed};
    size_t have = 0;
    for (ssize_t got; (got = read(j->from, (char *)&r + have, sizeof r - have)) > 0;) {
        have += (size_t)got;
    }
    close(j->from);
    int status;
    waitpid(j->pid, &status, 0);
    if (have < sizeof r) {
        printf("seed %" PRIu64 " crashed: wait status %#x\n", j->seed, (unsigned)status);
        r = (result){.seed = j->seed};
    }
    return r;
}

typedef struct sums {
    int64_t seeds, broken, vacuous, ops, unsure, pushed, delivered, done, dead, faults, virtual_us,
        again;
} sums;

static void show_broken(const result *r)
{
    printf("seed %" PRIu64 " is BROKEN; all of it: sim --seed %" PRIu64 " --trace\n", r->seed,
           r->seed);
    for (int i = 0; i < r->verdict.text_count; i++) printf("    %s\n", r->verdict.texts[i]);
}

/* A short run in which next to nothing could be done: it proves nothing, and breaks nothing. */
static bool is_vacuous(const result *r)
{
    for (int i = 0; i < CHECKER_RULES; i++) {
        if (i != CHECKER_VACUITY && r->verdict.violations[i] > 0) return false;
    }
    return r->ran && r->verdict.violations[CHECKER_VACUITY] > 0;
}

static bool is_good(const result *r)
{
    return r->ran && (r->verdict.good || is_vacuous(r));
}

static void add(sums *s, const result *r)
{
    s->seeds++;
    s->broken += !is_good(r);
    s->vacuous += is_vacuous(r);
    s->ops += r->verdict.ops;
    s->unsure += r->verdict.unsure;
    s->pushed += r->verdict.pushed;
    s->delivered += r->verdict.delivered;
    s->done += r->verdict.done;
    s->dead += r->verdict.dead;
    s->faults += r->faults;
    s->virtual_us += r->virtual_us;
    for (int i = 0; i < CHECKER_CAUSES; i++) s->again += r->verdict.duplicates[i];
}

/* So many seeds, some at a time. With a bug planted: until one finds it. */
static sums run_seeds(uint64_t first, int64_t count, int jobs, const planted_bug *bug)
{
    sums s = {0};
    job running[JOBS_MAX];
    int64_t begun = 0, ended = 0;
    while (ended < count) {
        while (begun < count && begun - ended < jobs) {
            running[begun % jobs] = begin_job(first + (uint64_t)begun, bug);
            begun++;
        }
        result r = end_job(&running[ended++ % jobs]);
        add(&s, &r);
        if (is_good(&r)) continue;
        if (bug == NULL) {
            show_broken(&r);
        } else {
            printf("%-46s seed %4" PRIu64 ": %.90s\n", bug->name, r.seed,
                   r.verdict.text_count > 0 ? r.verdict.texts[0] : "it crashes");
            for (count = begun; ended < count; ended++) end_job(&running[ended % jobs]);
        }
    }
    return s;
}

static int report(const sums *s, int64_t took_ms)
{
    printf("%" PRId64 " seeds in %.1f s, %" PRId64 " broken, %" PRId64 " vacuous: %" PRId64
           " operations (%" PRId64 " unsure), pushed %" PRId64 ", delivered %" PRId64
           " (again %" PRId64 "), done %" PRId64 ", dead %" PRId64 "; %" PRId64
           " faults; %.1f hours of virtual time\n",
           s->seeds, (double)took_ms / 1000, s->broken, s->vacuous, s->ops, s->unsure, s->pushed,
           s->delivered, s->again, s->done, s->dead, s->faults, (double)s->virtual_us / 3.6e9);
    return s->broken == 0 && s->vacuous <= s->seeds / VACUOUS_MAX_PART ? 0 : 1;
}

static int replay(uint64_t first, int64_t count)
{
    int64_t differing = 0;
    for (int64_t i = 0; i < count; i++) {
        job one = begin_job(first + (uint64_t)i, NULL),
            other = begin_job(first + (uint64_t)i, NULL);
        result a = end_job(&one), b = end_job(&other);
        if (a.hash == b.hash && a.ran && b.ran) continue;
        printf("seed %" PRIu64 " was not the same twice: %016" PRIx64 ", %016" PRIx64 "\n", a.seed,
               a.hash, b.hash);
        differing++;
    }
    printf("%" PRId64 " seeds twice, %" PRId64 " not the same\n", count, differing);
    return differing == 0 ? 0 : 1;
}

static int hunt(int jobs)
{
    int missed = 0;
    for (size_t i = 0; i < planted_count; i++) {
        sums s = run_seeds(1, PLANTED_SEEDS_MAX, jobs, &planted_bugs[i]);
        if (s.broken > 0) continue;
        printf("%-46s NOT FOUND in %d seeds\n", planted_bugs[i].name, PLANTED_SEEDS_MAX);
        missed++;
    }
    printf("%zu planted, %d not found\n", planted_count, missed);
    return missed == 0 ? 0 : 1;
}

/* ---- Options --------------------------------------------------------------------------------- */

static int64_t read_count(const char *text)
{
    char *end;
    errno = 0;
    long long count = strtoll(text, &end, 10);
    if (*end != '\0' || end == text || count < 1 || errno != 0) {
        fprintf(stderr, "sim: \"%s\" is not a number from 1 on\n", text);
        exit(2);
    }
    return count;
}

static int64_t real_ms(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"seeds", required_argument, NULL, 'n'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"trace", no_argument, NULL, 't'},
                                            {"replay", required_argument, NULL, 'r'},
                                            {"planted", no_argument, NULL, 'p'},
                                            {NULL, 0, NULL, 0}};
    int64_t seed = 1, seeds = 1, jobs = 2, replays = 0;
    bool planted = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        if (option == 's') seed = read_count(optarg);
        if (option == 'n') seeds = read_count(optarg);
        if (option == 'j') jobs = read_count(optarg);
        if (option == 'r') replays = read_count(optarg);
        if (option == 't') sim_show_trace(shows_all = true);
        if (option == 'p') planted = true;
        if (option == '?') return 2;
    }
    if (jobs > JOBS_MAX) jobs = JOBS_MAX;
    const char *sanitizer = getenv("DUEQ_SANITIZE");
    if (sanitizer != NULL && *sanitizer != '\0') {
        puts("skipped: sanitizers do not follow from one stack to another");
        return SKIPPED;
    }
    if (getenv("DUEQ_SOURCE") == NULL) {
        fputs("sim: DUEQ_SOURCE is to name the source tree\n", stderr);
        return 2;
    }
    if (replays > 0) return replay((uint64_t)seed, replays);
    if (planted) return hunt((int)jobs);
    int64_t began_ms = real_ms();
    sums s = run_seeds((uint64_t)seed, seeds, (int)jobs, NULL);
    return report(&s, real_ms() - began_ms);
}
