/* dueq done, release, extend, retry: what can become of a task that was taken. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "commands.h"
#include "durable.h"
#include "lines.h"
#include "mem.h"
#include "out.h"
#include "session.h"

#define LINE_MAX_LEN ((size_t)1024 * 1024 * 1024) /* a line that take printed, payload and all */

static struct {
    int64_t lease_ms, in_ms;
    const char *error, *durability;
    bool dead;
} opt;

/* Of done and of release. */
static const cli_option lease_options[] = {
    DURABLE_OPTION(&opt.durability),
    {.kind = OPTION_END},
};

static const cli_option extend_options[] = {
    {.kind = OPTION_DURATION,
     .name = "lease",
     .argument = "DUR",
     .to.number = &opt.lease_ms,
     .min = 1,
     .max = DUEQ_LEASE_MS_MAX,
     .help = "the leases end so long from now (needed)"},
    DURABLE_OPTION(&opt.durability),
    {.kind = OPTION_END},
};

static const cli_option retry_options[] = {
    {.kind = OPTION_DURATION,
     .name = "in",
     .argument = "DUR",
     .to.number = &opt.in_ms,
     .max = DUEQ_DELAY_MS_MAX,
     .help = "ready again so long from now; else at once"},
    {.kind = OPTION_TEXT,
     .name = "error",
     .argument = "TEXT",
     .to.text = &opt.error,
     .help = "why it failed: kept with the task"},
    {.kind = OPTION_FLAG,
     .name = "dead",
     .to.flag = &opt.dead,
     .help = "do not try again: dead at once"},
    DURABLE_OPTION(&opt.durability),
    {.kind = OPTION_END},
};

typedef struct receipts {
    char **list;
    size_t count, cap;
} receipts;

static void free_receipts(receipts *r)
{
    for (size_t i = 0; i < r->count; i++) free(r->list[i]);
    free(r->list);
}

static int add_receipt(receipts *r, const char *text, size_t len)
{
    char *copy = mem_copy(text, len);

    if (!session_check_receipt(copy)) {
        free(copy);
        return STATUS_USAGE;
    }
    r->list = mem_room(r->list, r->count, &r->cap, sizeof(r->list[0]));
    r->list[r->count++] = copy;
    return STATUS_DONE;
}

/* A line is a receipt, or a task as take prints it. */
static int add_line(receipts *r, const char *line, size_t len)
{
    json_t *object, *receipt;
    int status;

    if (len == 0 || line[0] != '{') return len > 0 ? add_receipt(r, line, len) : STATUS_DONE;
    object = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
    receipt = json_object_get(object, "receipt");
    if (json_is_string(receipt))
        status = add_receipt(r, json_string_value(receipt), json_string_length(receipt));
    else
        status = say_usage("stdin: a line is neither a receipt nor a task that take printed");
    json_decref(object);
    return status;
}

static int read_lines(receipts *r, lines *in)
{
    const char *line;
    size_t len;

    for (;;) {
        int status;

        switch (lines_next(in, &line, &len)) {
        case LINE_WHOLE:
            status = add_line(r, line, len);
            if (status != STATUS_DONE) return status;
            break;
        case LINE_END:
            return STATUS_DONE;
        case LINE_TOO_LONG:
            return say_usage("stdin: a line is neither a receipt nor a task that take printed");
        case LINE_FAILED:
        default:
            return say_failed("cannot read stdin: %s", strerror(errno));
        }
    }
}

static bool from_stdin(const cli_call *call)
{
    return call->operand_count == 1 ||
           (call->operand_count == 2 && strcmp(call->operands[1], "-") == 0);
}

static int read_receipts(const cli_call *call, receipts *r)
{
    int status = STATUS_DONE;
    lines in;

    if (from_stdin(call)) {
        if (isatty(STDIN_FILENO))
            return say_usage("a receipt is missing: take prints one with each task");
        lines_open(&in, STDIN_FILENO, LINE_MAX_LEN);
        status = read_lines(r, &in);
        lines_close(&in);
        return status;
    }
    for (size_t i = 1; i < call->operand_count && status == STATUS_DONE; i++)
        status = add_receipt(r, call->operands[i], strlen(call->operands[i]));
    return status;
}

typedef int lease_operation(dueq *handle, const char *queue, dueq_lease *leases, size_t count);

static int extend(dueq *handle, const char *queue, dueq_lease *leases, size_t count)
{
    return dueq_extend(handle, queue, leases, count, opt.lease_ms);
}

/* One receipt's outcome: a line of JSON when asked for, a line on stderr when the lease was lost.
 * A failure of the call has been told by then, once. */
static int tell(const cli_call *call, const dueq *handle, const dueq_lease *lease,
                const char *done_word)
{
    if (call->json) {
        const char *word = lease->outcome == DUEQ_OK     ? done_word
                           : lease->outcome == DUEQ_DEAD ? "dead"
                           : lease->outcome == DUEQ_LOST ? "lost"
                                                         : "failed";

        json_t *line = json_pack("{s:s, s:s}", "receipt", lease->receipt, "outcome", word);

        durable_add_json(line, handle);
        out_json(line);
    }
    if (lease->outcome == DUEQ_LOST)
        say_note("%s: %s", lease->receipt, dueq_outcome_text(DUEQ_LOST));
    return lease->outcome < 0 ? STATUS_DONE : say_status(lease->outcome);
}

static int operate(const cli_call *call, lease_operation *operation, const char *done_word,
                   dueq *handle, const receipts *r)
{
    int status = STATUS_DONE;

    for (size_t from = 0; from < r->count; from += DUEQ_CALL_TASKS_MAX) {
        size_t left = r->count - from;
        size_t count = left < DUEQ_CALL_TASKS_MAX ? left : DUEQ_CALL_TASKS_MAX;
        dueq_lease *leases = mem_make(count * sizeof(*leases));
        int rc;

        for (size_t i = 0; i < count; i++)
            leases[i] = (dueq_lease){.receipt = r->list[from + i], .outcome = DUEQ_ECANCELED};
        rc = operation(handle, call->operands[0], leases, count);
        if (rc < 0) status = say_worse(status, say_error(handle, rc));
        for (size_t i = 0; i < count; i++)
            status = say_worse(status, tell(call, handle, &leases[i], done_word));
        free(leases);
        if (rc < 0) break;
        durable_warn(handle);
    }
    return status;
}

static int run_leases(const cli_call *call, lease_operation *operation, const char *done_word)
{
    receipts r = {0};
    dueq *handle = NULL;
    int status = read_receipts(call, &r);

    if (status == STATUS_DONE && r.count > 0) status = durable_open(call, opt.durability, &handle);
    if (status == STATUS_DONE && r.count > 0)
        status = operate(call, operation, done_word, handle, &r);
    dueq_close(handle);
    free_receipts(&r);
    return status;
}

static int run_done(const cli_call *call)
{
    return run_leases(call, dueq_done, "done");
}

static int run_release(const cli_call *call)
{
    return run_leases(call, dueq_release, "released");
}

static int run_extend(const cli_call *call)
{
    if (opt.lease_ms == 0)
        return say_usage("extend: --lease DUR is missing: for how long from now?");
    return run_leases(call, extend, "extended");
}

static int retry(const cli_call *call, dueq *handle)
{
    dueq_failure failure = {.receipt = call->operands[1],
                            .delay_ms = opt.in_ms,
                            .error = opt.error,
                            .hopeless = opt.dead};
    int rc = dueq_retry(handle, call->operands[0], &failure, 1);

    if (rc < 0) return say_error(handle, rc);
    if (failure.outcome == DUEQ_DEAD && !opt.dead)
        say_note("its attempts are used up: the task is dead");
    durable_warn(handle);
    return tell(call, handle, &(dueq_lease){failure.receipt, failure.outcome}, "retried");
}

static int run_retry(const cli_call *call)
{
    dueq *handle;
    int status;

    if (!session_check_receipt(call->operands[1])) return STATUS_USAGE;
    if (opt.dead && opt.in_ms != 0) return say_usage("--dead and --in: give one of them");
    status = durable_open(call, opt.durability, &handle);
    if (status != STATUS_DONE) return status;
    status = retry(call, handle);
    dueq_close(handle);
    return status;
}

#define FROM_STDIN                                                                           \
    "Without a RECEIPT, or with \"-\", they are read from stdin: one a line, or the lines\n" \
    "that take printed. The status is 4 when a lease had ended: nothing was changed then."

const cli_command cmd_done = {
    .name = "done",
    .operands = "QUEUE [RECEIPT...|-]",
    .summary = "finish tasks that were taken",
    .details = FROM_STDIN,
    .options = lease_options,
    .operands_min = 1,
    .operands_max = OPERANDS_ANY,
    .queues = QUEUE_FIRST,
    .run = run_done,
};

const cli_command cmd_release = {
    .name = "release",
    .operands = "QUEUE [RECEIPT...|-]",
    .summary = "give tasks back, no attempt counted",
    .details = FROM_STDIN,
    .options = lease_options,
    .operands_min = 1,
    .operands_max = OPERANDS_ANY,
    .queues = QUEUE_FIRST,
    .run = run_release,
};

const cli_command cmd_extend = {
    .name = "extend",
    .operands = "QUEUE [RECEIPT...|-]",
    .summary = "hold tasks longer, or less long",
    .details = FROM_STDIN,
    .options = extend_options,
    .operands_min = 1,
    .operands_max = OPERANDS_ANY,
    .queues = QUEUE_FIRST,
    .run = run_extend,
};

const cli_command cmd_retry = {
    .name = "retry",
    .operands = "QUEUE RECEIPT",
    .summary = "say that a task failed",
    .details = "An attempt is counted. The task is ready again after --in, or dead when its\n"
               "attempts are used up. The status is 4 when the lease had ended.",
    .options = retry_options,
    .operands_min = 2,
    .operands_max = 2,
    .queues = QUEUE_FIRST,
    .run = run_retry,
};
