/* dueq doctor and fsck: is the server fit, are the queues sound. */
#include <inttypes.h>
#include <string.h>

#include "commands.h"
#include "out.h"
#include "session.h"
#include "tasks.h"
#include "text.h"

static struct {
    bool repair;
} opt;

static const cli_option fsck_options[] = {
    {.kind = OPTION_FLAG,
     .name = "repair",
     .to.flag = &opt.repair,
     .help = "mend what can be mended"},
    {.kind = OPTION_END},
};

static const struct {
    const char *name; /* in JSON */
    const char *mark;
    out_style style;
} grades[] = {
    [DUEQ_GRADE_OK] = {"ok", "ok", STYLE_GOOD},
    [DUEQ_GRADE_NOTE] = {"note", "note", STYLE_NOTE},
    [DUEQ_GRADE_WARN] = {"warn", "warn", STYLE_WARN},
    [DUEQ_GRADE_FAIL] = {"fail", "FAIL", STYLE_BAD},
};

typedef struct report {
    const char *queue; /* NULL: of the server */
    bool json;
} report;

static void print_json(const report *to, const dueq_finding *finding)
{
    json_t *line = json_object();

    if (to->queue != NULL) json_object_set_new(line, "queue", json_string(to->queue));
    json_object_set_new(line, "grade", json_string(grades[finding->grade].name));
    tasks_set_bytes(line, "check", finding->name, strlen(finding->name));
    tasks_set_bytes(line, "found", finding->found, strlen(finding->found));
    if (finding->advice != NULL)
        tasks_set_bytes(line, "advice", finding->advice, strlen(finding->advice));
    else
        json_object_set_new(line, "advice", json_null());
    out_json(line);
}

static void print_finding(void *context, const dueq_finding *finding)
{
    const report *to = context;

    if (to->json) {
        print_json(to, finding);
        return;
    }
    out_styled(grades[finding->grade].style, "%-4s", grades[finding->grade].mark);
    out_printf("  ");
    if (to->queue != NULL) out_printf("%s  ", to->queue);
    out_foreign(finding->name, strlen(finding->name));
    out_printf(": ");
    out_foreign(finding->found, strlen(finding->found));
    out_printf("\n");
    if (finding->advice != NULL) {
        out_printf("      ");
        out_foreign(finding->advice, strlen(finding->advice));
        out_printf("\n");
    }
}

static int run_doctor(const cli_call *call)
{
    report to = {.json = call->json};
    const char *url;
    int rc, status = session_url(call, &url);

    if (status != STATUS_DONE) return status;
    rc = dueq_doctor(url, NULL, print_finding, &to);
    if (rc < 0) say_note("the check could not go on: %s", dueq_outcome_text(rc));
    return say_status(rc);
}

static void print_result(const cli_call *call, const char *queue, const dueq_fsck_result *result)
{
    text_small tasks, orphans, repaired;

    if (call->json) {
        out_json(json_pack("{s:s, s:I, s:I, s:I}", "queue", queue, "tasks",
                           (json_int_t)result->tasks, "orphans", (json_int_t)result->orphans,
                           "repaired", (json_int_t)result->repaired));
        return;
    }
    if (result->orphans == 0)
        out_styled(STYLE_GOOD, "ok  ");
    else
        out_styled(result->repaired == result->orphans ? STYLE_NOTE : STYLE_BAD, "%s",
                   result->repaired == result->orphans ? "note" : "FAIL");
    out_printf("  %s: %s tasks, %s faults, %s mended\n", queue, text_number(result->tasks, tasks),
               text_number(result->orphans, orphans), text_number(result->repaired, repaired));
}

static int check_queue(const cli_call *call, dueq *handle, const char *queue)
{
    report to = {.queue = queue, .json = call->json};
    dueq_fsck_result result = {0};
    int rc = dueq_fsck(handle, queue, &(dueq_fsck_options){.repair = opt.repair}, print_finding,
                       &to, &result);

    if (rc < 0) return say_error(handle, rc);
    if (rc == DUEQ_MISSING) return say_nothing("there is no queue %s", queue);
    print_result(call, queue, &result);
    return say_status(rc);
}

static int check_all(const cli_call *call, dueq *handle)
{
    dueq_queue_list *queues = NULL;
    int status = STATUS_DONE, rc = dueq_queues(handle, &queues);

    if (rc < 0) return say_error(handle, rc);
    for (size_t i = 0; i < queues->count; i++)
        status = say_worse(status, check_queue(call, handle, queues->names[i]));
    dueq_queue_list_free(queues);
    return status;
}

static int run_fsck(const cli_call *call)
{
    dueq *handle;
    int status = session_open(call, &handle);

    if (status != STATUS_DONE) return status;
    if (call->operand_count == 0) status = check_all(call, handle);
    for (size_t i = 0; i < call->operand_count; i++)
        status = say_worse(status, check_queue(call, handle, call->operands[i]));
    dueq_close(handle);
    return status;
}

const cli_command cmd_doctor = {
    .name = "doctor",
    .operands = "",
    .summary = "check what production needs of a server",
    .details = "Reachable, version, role, eviction policy, persistence, memory head room, clock,\n"
               "permissions, latency. The status is 1 when anything is graded warn or FAIL.",
    .run = run_doctor,
};

const cli_command cmd_fsck = {
    .name = "fsck",
    .operands = "[QUEUE...]",
    .summary = "verify that every task is in one state",
    .details =
        "Of all queues, or of those named, in steps that never block the server. The status\n"
        "is 1 when a fault remains.",
    .options = fsck_options,
    .operands_max = OPERANDS_ANY,
    .queues = QUEUE_EACH,
    .run = run_fsck,
};
