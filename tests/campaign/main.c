/* A random campaign of faults against one server, a cluster, or a master under sentinels: see campaign.h, and scripts/soak, which runs it.
 * test-timeout-s: 300 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "actors.h"
#include "campaign.h"
#include "support/dump.h"

enum { DRAIN_MS = 60000, OPS_PER_SECOND_MIN = 20, ACTOR_ARGS = 7, NODES_PARTITIONS = 12 };

static const char USAGE[] =
    "Usage: campaign [--cluster | --sentinel] [--graceful] [--durable] [--seed N] [--seconds S]\n"
    "                [--producers N] [--workers N] [--history FILE]\n"
    "       campaign --check FILE\n";

/* splitmix64, as the actors'. */
int64_t campaign_draw(campaign *c, int64_t below)
{
    uint64_t mixed = (c->random += 0x9e3779b97f4a7c15u);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    mixed ^= mixed >> 31;
    return (int64_t)(mixed % (uint64_t)below);
}

/* ---- The course of a campaign ---------------------------------------------------------------- */

static void must(const dueq *handle, int rc, const char *doing)
{
    if (rc < 0) fail_msg("%s: %s", doing, dueq_error(handle));
}

static dueq *open_direct(const campaign *c)
{
    dueq *handle = NULL;
    int rc = dueq_open(&handle, c->server != NULL ? server_url(c->server) : c->url, NULL);
    must(handle, rc, "open");
    return handle;
}

/* Finished ids are remembered, so that a push that is sent again is always known for one. */
static void make_queue(const campaign *c)
{
    dueq *handle = open_direct(c);
    dueq_settings settings = {.partitions = c->partitions,
                              .max_attempts = CAMPAIGN_ATTEMPTS_MAX,
                              .lease_ms = CAMPAIGN_LEASE_MS,
                              .dead_max = 1000000000,
                              .retention_ms = 7 * 24 * 3600 * (int64_t)1000};
    must(handle, dueq_queue_create(handle, CAMPAIGN_QUEUE, &settings), "create");
    dueq_close(handle);
}

static void start_one(campaign *c)
{
    c->server = server_start(&(server_options){.keep = true, .config = "appendfsync always\n"});
    c->proxy =
        proxy_start(&(proxy_options){.server_socket = server_socket(c->server), .tcp = true});
}

/* The proxy's faults are short: calls fail while something is broken, and go on soon when it is
 * mended. Failovers take seconds, and calls are to get through. */
static void write_url(campaign *c)
{
    const char *servers = c->proxy != NULL     ? proxy_url(c->proxy)
                          : c->cluster != NULL ? c->cluster->url
                                               : c->sentinels->url;
    snprintf(c->url, sizeof c->url, "%s?connect_timeout=500ms&timeout=%s%s", servers,
             c->proxy != NULL ? "1500ms" : "15s",
             c->options.durable ? "&durability=replicas:1&durability_timeout=200ms" : "");
}

static void set_up(campaign *c)
{
    c->random = c->options.seed;
    c->partitions = campaign_draw(c, 2) == 0 ? 1 : 3;
    int workers = (int)(2 + campaign_draw(c, 5));
    if (c->options.workers == 0) c->options.workers = workers;
    c->next_process = 1;
    c->clock = skew_open();
    c->history = history_open(c->history_path, 0);
    bool alone = c->options.shape == ON_ONE_SERVER;
    if (!alone) c->partitions = NODES_PARTITIONS;
    if (alone) start_one(c);
    if (!alone) nodes_start(c);
    write_url(c);
    history_note_plan(c->history,
                      &(history_plan){.attempts_max = CAMPAIGN_ATTEMPTS_MAX,
                                      .ops_min = c->options.seconds * OPS_PER_SECOND_MIN,
                                      .partitions = c->partitions});
    make_queue(c);
}

static int64_t alive(dueq *handle)
{
    dueq_stats stats;
    must(handle, dueq_queue_stats(handle, CAMPAIGN_QUEUE, &stats), "stats");
    return stats.waiting + stats.ready + stats.leased;
}

/* A queue that cannot be drained is checked all the same: what is left says why. */
static void drain(campaign *c)
{
    int64_t start_ms = until_now_ms(), left;
    dueq *handle = open_direct(c);
    crew_dismiss(c, "producer");
    while ((left = alive(handle)) != 0 && until_again(start_ms + DRAIN_MS)) {}
    c->drain_ms = until_now_ms() - start_ms;
    if (left != 0) {
        char text[100];
        snprintf(text, sizeof text, "%" PRId64 " tasks were not drained within %d ms", left,
                 DRAIN_MS);
        history_note_broken(c->history, text);
    }
    crew_dismiss(c, NULL);
    dueq_close(handle);
}

static void tear_down(campaign *c)
{
    proxy_free(c->proxy);
    server_free(c->server);
    nodes_free(c);
    skew_close(c->clock);
    history_close(c->history);
}

/* ---- Its verdict ----------------------------------------------------------------------------- */

static bool judge(const char *path)
{
    char *why = NULL;
    history *h = history_read(path, &why);
    if (h == NULL) {
        printf("%s: %s\n", path, why);
        free(why);
        return false;
    }
    checker_verdict v = checker_check(h);
    report_verdict(stdout, h, &v);
    report_recovery(stdout, h);
    history_free(h);
    return v.good;
}

static int run(campaign *c)
{
    const campaign_options *o = &c->options;
    if (o->history_path != NULL) {
        snprintf(c->history_path, sizeof c->history_path, "%s", o->history_path);
    } else {
        const char *folder = getenv("TMPDIR");
        snprintf(c->history_path, sizeof c->history_path, "%s/dueq-campaign-%" PRIu64 "-%d.history",
                 folder != NULL ? folder : "/tmp", o->seed, (int)getpid());
    }
    unlink(c->history_path);
    set_up(c);
    printf("seed %" PRIu64 ": %" PRId64 " s, %d producers, %d workers, %d partitions\n", o->seed,
           o->seconds, o->producers, o->workers, c->partitions);
    fflush(stdout);
    faults_plan(c);
    crew_start(c);
    faults_rage(c);
    faults_heal(c);
    drain(c);
    if (c->server != NULL) dump_queue(c->server, CAMPAIGN_QUEUE, c->partitions, c->history);
    if (c->server == NULL) nodes_dump(c);
    tear_down(c);
    bool good = judge(c->history_path);
    printf("drained     %" PRId64 " ms after healing\nverdict     %s\n", c->drain_ms,
           good ? "good" : "BROKEN");
    if (!good) {
        static const char *const SHAPES[] = {"", "--cluster ", "--sentinel "};
        printf("the history is kept: campaign --check %s\n"
               "as near as it can be replayed: scripts/soak %s%s%s--seed %" PRIu64
               " --seconds %" PRId64 "\n",
               c->history_path, SHAPES[o->shape], o->graceful ? "--graceful " : "",
               o->durable ? "--durable " : "", o->seed, o->seconds);
    } else if (o->history_path == NULL) {
        unlink(c->history_path);
    }
    return good ? 0 : 1;
}

/* ---- Options --------------------------------------------------------------------------------- */

static int run_actor(char **args)
{
    actor_orders orders = {.role = args[2],
                           .url = args[3],
                           .history_path = args[4],
                           .process = atoi(args[5]),
                           .seed = strtoull(args[6], NULL, 10)};
    return actor_run(&orders);
}

static uint64_t draw_seed(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000) % 1000000000;
}

static void bad_usage(void)
{
    fputs(USAGE, stderr);
    exit(2);
}

static int64_t read_count(const char *text, int64_t most)
{
    char *end;
    long long count = strtoll(text, &end, 10);
    if (*end != '\0' || end == text || count < 1 || count > most) bad_usage();
    return count;
}

static void read_option(campaign_options *o, int option)
{
    switch (option) {
    case 's':
        o->seed = (uint64_t)read_count(optarg, INT64_MAX);
        break;
    case 't':
        o->seconds = read_count(optarg, 86400);
        break;
    case 'p':
        o->producers = (int)read_count(optarg, CREW_MAX / 2);
        break;
    case 'w':
        o->workers = (int)read_count(optarg, CREW_MAX / 2);
        break;
    case 'h':
        o->history_path = optarg;
        break;
    case 'C':
        o->shape = ON_CLUSTER;
        break;
    case 'S':
        o->shape = ON_SENTINELS;
        break;
    case 'G':
        o->graceful = true;
        break;
    case 'D':
        o->durable = true;
        break;
    case 'c':
        exit(judge(optarg) ? 0 : 1);
    default:
        bad_usage();
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"seconds", required_argument, NULL, 't'},
                                            {"producers", required_argument, NULL, 'p'},
                                            {"workers", required_argument, NULL, 'w'},
                                            {"history", required_argument, NULL, 'h'},
                                            {"cluster", no_argument, NULL, 'C'},
                                            {"sentinel", no_argument, NULL, 'S'},
                                            {"graceful", no_argument, NULL, 'G'},
                                            {"durable", no_argument, NULL, 'D'},
                                            {"check", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    if (argc == ACTOR_ARGS && strcmp(argv[1], "--actor") == 0) return run_actor(argv);
    static campaign c;
    c.options = (campaign_options){.seed = draw_seed(), .seconds = 20, .producers = 2};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
        read_option(&c.options, option);
    }
    if (optind < argc) bad_usage();
    return run(&c);
}
