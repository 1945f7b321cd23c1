/* dueq dead ls, redrive, drop: tasks that failed for good. */
#include <inttypes.h>

#include "commands.h"
#include "listing.h"
#include "names.h"
#include "out.h"
#include "session.h"
#include "text.h"

static struct {
    int64_t count;
    bool all, yes, base64;
} opt = {.count = LISTING_COUNT_DEFAULT};

static const cli_option ls_options[] = {
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

static const cli_option redrive_options[] = {
    {.kind = OPTION_FLAG, .name = "all", .to.flag = &opt.all, .help = "all that are dead now"},
    NAMES_BASE64_OPTION(&opt.base64),
    {.kind = OPTION_END},
};

static const cli_option drop_options[] = {
    {.kind = OPTION_FLAG, .name = "all", .to.flag = &opt.all, .help = "all that are dead now"},
    {.kind = OPTION_FLAG,
     .name = "yes",
     .letter = "y",
     .to.flag = &opt.yes,
     .help = "do not ask before --all"},
    NAMES_BASE64_OPTION(&opt.base64),
    {.kind = OPTION_END},
};

static int run_ls(const cli_call *call)
{
    return listing_run(call, &(listing_plan){.state = DUEQ_STATE_DEAD,
                                             .count_max = opt.all ? INT64_MAX : opt.count});
}

static int redrive(dueq *handle, const char *queue, dueq_name *names, size_t count, bool json)
{
    (void)json;
    return dueq_redrive(handle, queue, names, count);
}

static int drop(dueq *handle, const char *queue, dueq_name *names, size_t count, bool json)
{
    (void)json;
    return dueq_drop(handle, queue, names, count);
}

typedef int all_operation(dueq *handle, const char *queue, int64_t *count);

static int run_all(const cli_call *call, all_operation *operation, const char *done_word)
{
    text_small number;
    dueq *handle;
    int64_t count = 0;
    int rc, status = session_open(call, &handle);

    if (status != STATUS_DONE) return status;
    rc = operation(handle, call->operands[0], &count);
    if (rc < 0)
        status = say_error(handle, rc);
    else if (rc == DUEQ_MISSING)
        status = say_nothing("there is no queue %s", call->operands[0]);
    else if (call->json)
        out_json(json_pack("{s:s, s:s, s:I}", "queue", call->operands[0], "outcome", done_word,
                           "count", (json_int_t)count));
    else
        out_printf("%s %s\n", text_number(count, number), done_word);
    dueq_close(handle);
    return status;
}

/* Either ids or --all. */
static int check_choice(const cli_call *call)
{
    if (opt.all && call->operand_count > 1) return say_usage("--all and ids: give one of them");
    if (!opt.all && call->operand_count == 1) return say_usage("ids are missing, or --all");
    return STATUS_DONE;
}

static const char not_dead[] = "is not dead";

static int run_redrive(const cli_call *call)
{
    int status = check_choice(call);

    if (status != STATUS_DONE) return status;
    if (opt.all) return run_all(call, dueq_redrive_all, "redriven");
    return names_run(call, &(names_operation){.run = redrive,
                                              .base64 = opt.base64,
                                              .done_word = "redriven",
                                              .state_text = not_dead});
}

static int run_drop(const cli_call *call)
{
    int status = check_choice(call);

    if (status == STATUS_DONE && opt.all)
        status = session_confirm(opt.yes, "Drop all dead tasks of %s?", call->operands[0]);
    if (status != STATUS_DONE) return status;
    if (opt.all) return run_all(call, dueq_drop_all, "dropped");
    return names_run(call, &(names_operation){.run = drop,
                                              .base64 = opt.base64,
                                              .done_word = "dropped",
                                              .state_text = not_dead});
}

const cli_command cmd_dead_ls = {
    .name = "dead ls",
    .operands = "QUEUE",
    .summary = "list dead tasks and why they died",
    .options = ls_options,
    .operands_min = 1,
    .operands_max = 1,
    .queues = QUEUE_FIRST,
    .run = run_ls,
};

const cli_command cmd_dead_redrive = {
    .name = "dead redrive",
    .operands = "QUEUE [ID...]",
    .summary = "make dead tasks ready again",
    .details = "Their attempts are forgotten. The status is 3 when one does not exist, 1 when one\n"
               "is not dead.",
    .options = redrive_options,
    .operands_min = 1,
    .operands_max = OPERANDS_ANY,
    .queues = QUEUE_FIRST,
    .run = run_redrive,
};

const cli_command cmd_dead_drop = {
    .name = "dead drop",
    .operands = "QUEUE [ID...]",
    .summary = "forget dead tasks",
    .details = "--all asks first; where nobody can be asked it needs --yes. The status is 3 when\n"
               "one does not exist, 1 when one is not dead.",
    .options = drop_options,
    .operands_min = 1,
    .operands_max = OPERANDS_ANY,
    .queues = QUEUE_FIRST,
    .run = run_drop,
};
