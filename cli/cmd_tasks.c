/* dueq get, cancel, reschedule: tasks by their ids. */
#include <inttypes.h>
#include <stdlib.h>

#include "commands.h"
#include "durable.h"
#include "mem.h"
#include "names.h"
#include "out.h"
#include "session.h"
#include "tasks.h"
#include "text.h"

static struct {
    int64_t in_ms, at_ms;
    const char *durability;
    bool base64;
} opt = {.in_ms = NOT_GIVEN, .at_ms = NOT_GIVEN};

static const cli_option id_options[] = {
    NAMES_BASE64_OPTION(&opt.base64),
    {.kind = OPTION_END},
};

static const cli_option cancel_options[] = {
    NAMES_BASE64_OPTION(&opt.base64),
    DURABLE_OPTION(&opt.durability),
    {.kind = OPTION_END},
};

static const cli_option reschedule_options[] = {
    {.kind = OPTION_DURATION,
     .name = "in",
     .argument = "DUR",
     .to.number = &opt.in_ms,
     .max = DUEQ_DELAY_MS_MAX,
     .help = "due so long from now"},
    {.kind = OPTION_TIME,
     .name = "at",
     .argument = "TIME",
     .to.number = &opt.at_ms,
     .help = "due then; a time that has passed means at once"},
    NAMES_BASE64_OPTION(&opt.base64),
    DURABLE_OPTION(&opt.durability),
    {.kind = OPTION_END},
};

/* get: the batch of the last call, printed before the names are gone. */
static int get(dueq *handle, const char *queue, dueq_name *names, size_t count, bool json)
{
    dueq_batch *batch = NULL;
    int64_t now_ms = text_now_ms();
    int rc = dueq_get(handle, queue, names, count, &batch);

    for (size_t i = 0; rc >= 0 && batch != NULL && i < batch->count; i++) {
        if (json) {
            out_json(tasks_json_found(&batch->tasks[i]));
            continue;
        }
        if (i > 0) out_printf("\n");
        tasks_print_card(queue, &batch->tasks[i], now_ms);
    }
    dueq_batch_free(batch);
    return rc;
}

static int cancel(dueq *handle, const char *queue, dueq_name *names, size_t count, bool json)
{
    (void)json;
    return dueq_cancel(handle, queue, names, count);
}

static int reschedule(dueq *handle, const char *queue, dueq_name *names, size_t count, bool json)
{
    int64_t due_ms = opt.at_ms > 0 ? opt.at_ms : 1; /* 0 would mean that none is given */

    (void)json;
    if (opt.at_ms == NOT_GIVEN) due_ms = 0;
    return dueq_reschedule(handle, queue, names, count, due_ms == 0 ? opt.in_ms : 0, due_ms);
}

static int run_get(const cli_call *call)
{
    return names_run(call, &(names_operation){.run = get, .base64 = opt.base64});
}

static int run_cancel(const cli_call *call)
{
    return names_run(call, &(names_operation){.run = cancel,
                                              .base64 = opt.base64,
                                              .durability = opt.durability,
                                              .done_word = "cancelled"});
}

static int run_reschedule(const cli_call *call)
{
    if ((opt.in_ms == NOT_GIVEN) == (opt.at_ms == NOT_GIVEN))
        return say_usage("reschedule: give --in DUR or --at TIME, one of them");
    return names_run(call, &(names_operation){.run = reschedule,
                                              .base64 = opt.base64,
                                              .durability = opt.durability,
                                              .done_word = "rescheduled",
                                              .state_text = "is leased or dead: only waiting and "
                                                            "ready tasks can be rescheduled"});
}

const cli_command cmd_get = {
    .name = "get",
    .operands = "QUEUE ID...",
    .summary = "show tasks, whatever their state",
    .details = "The status is 3 when one of them does not exist.",
    .options = id_options,
    .operands_min = 2,
    .operands_max = OPERANDS_ANY,
    .queues = QUEUE_FIRST,
    .run = run_get,
};

const cli_command cmd_cancel = {
    .name = "cancel",
    .operands = "QUEUE ID...",
    .summary = "remove tasks, whatever their state",
    .details = "Who holds one finds its lease lost. The status is 3 when one does not exist.",
    .options = cancel_options,
    .operands_min = 2,
    .operands_max = OPERANDS_ANY,
    .queues = QUEUE_FIRST,
    .run = run_cancel,
};

const cli_command cmd_reschedule = {
    .name = "reschedule",
    .operands = "QUEUE ID...",
    .summary = "move waiting or ready tasks to another time",
    .details = "The status is 3 when one does not exist, 1 when one is leased or dead.",
    .options = reschedule_options,
    .operands_min = 2,
    .operands_max = OPERANDS_ANY,
    .queues = QUEUE_FIRST,
    .run = run_reschedule,
};
