/* dueq ls: the tasks of a queue by state. */
#include "commands.h"
#include "listing.h"

static struct {
    int64_t state, count;
    bool all;
} opt = {.count = LISTING_COUNT_DEFAULT};

/* In the order of dueq_state. */
static const char *const states[] = {"pending", "waiting", "ready", "leased", "dead", NULL};

static const cli_option options[] = {
    {.kind = OPTION_CHOICE,
     .name = "state",
     .argument = "STATE",
     .to.number = &opt.state,
     .choices = states,
     .help = "waiting, ready, leased or dead; else pending: waiting and ready together"},
    {.kind = OPTION_NUMBER,
     .name = "count",
     .letter = "n",
     .argument = "N",
     .to.number = &opt.count,
     .min = 1,
     .max = INT64_MAX,
     .help = "list up to so many; 100 by default"},
    {.kind = OPTION_FLAG, .name = "all", .to.flag = &opt.all, .help = "list all"},
    {.kind = OPTION_END},
};

static int run(const cli_call *call)
{
    return listing_run(call, &(listing_plan){.state = (dueq_state)opt.state,
                                             .count_max = opt.all ? INT64_MAX : opt.count});
}

const cli_command cmd_ls = {
    .name = "ls",
    .operands = "QUEUE",
    .summary = "list tasks of a queue",
    .details = "By due time; leased ones by the end of their lease, dead ones by time of death;\n"
               "one partition after the other. The status is 3 when there is no such queue.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .queues = QUEUE_FIRST,
    .run = run,
};
