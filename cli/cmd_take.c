/* dueq take: ready tasks under a lease, a JSON object a line. */
#include <stdlib.h>

#include "commands.h"
#include "mem.h"
#include "out.h"
#include "session.h"
#include "tasks.h"

#define WAIT_FOR_EVER (-1)

static struct {
    int64_t count, lease_ms, wait_ms;
} opt = {.count = 1};

static const cli_option options[] = {
    {.kind = OPTION_NUMBER,
     .name = "count",
     .letter = "n",
     .argument = "N",
     .to.number = &opt.count,
     .min = 1,
     .max = DUEQ_CALL_TASKS_MAX,
     .help = "take up to so many tasks; 1 by default"},
    {.kind = OPTION_DURATION,
     .name = "lease",
     .argument = "DUR",
     .to.number = &opt.lease_ms,
     .min = 1,
     .max = DUEQ_LEASE_MS_MAX,
     .help = "hold them for so long; else as the queue says"},
    {.kind = OPTION_DURATION,
     .none = true,
     .name = "wait",
     .argument = "DUR",
     .to.number = &opt.wait_ms,
     .max = DUEQ_DELAY_MS_MAX,
     .help = "wait so long for a first task (none: for as long as it takes)"},
    {.kind = OPTION_END},
};

/* What could not be handed over must not stay leased. */
static int give_back(dueq *handle, const char *queue, const dueq_batch *batch)
{
    dueq_lease *leases = mem_make(batch->count * sizeof(*leases));

    for (size_t i = 0; i < batch->count; i++) leases[i].receipt = batch->tasks[i].receipt;
    if (dueq_release(handle, queue, leases, batch->count) < 0) say_error(handle, DUEQ_ESERVER);
    free(leases);
    return STATUS_FAILED;
}

static int take(const cli_call *call, dueq *handle)
{
    dueq_take_options options_of_take = {
        .tasks_max = (size_t)opt.count, .lease_ms = opt.lease_ms, .wait_ms = opt.wait_ms};
    dueq_batch *batch = NULL;
    int status = STATUS_DONE;
    int rc = dueq_take(handle, call->operands[0], &options_of_take, &batch);

    if (rc < 0) return say_error(handle, rc);
    if (rc != DUEQ_OK) return say_status(rc);
    out_keep_going();
    for (size_t i = 0; i < batch->count; i++) out_json(tasks_json_taken(&batch->tasks[i]));
    if (!out_flush()) status = give_back(handle, call->operands[0], batch);
    dueq_batch_free(batch);
    return status;
}

static int run(const cli_call *call)
{
    dueq *handle;
    int status = session_open(call, &handle);

    if (status != STATUS_DONE) return status;
    status = take(call, handle);
    dueq_close(handle);
    return status;
}

const cli_command cmd_take = {
    .name = "take",
    .operands = "QUEUE",
    .summary = "take ready tasks under a lease, as JSON",
    .details =
        "Prints a JSON object a line: id, receipt, attempt, token, due_ms, pushed_ms, payload (or\n"
        "payload_base64 when it is not UTF-8), headers. Finish each with done, retry or release\n"
        "and its receipt before the lease ends. The status is 3 when nothing is ready.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .queues = QUEUE_FIRST,
    .run = run,
};
