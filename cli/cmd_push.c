/* dueq push: one task from the command line or stdin; streams of them are push_bulk.c's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "durable.h"
#include "lines.h"
#include "mem.h"
#include "ndjson.h"
#include "out.h"
#include "push.h"
#include "session.h"
#include "tasks.h"
#include "text.h"

static struct {
    int64_t in_ms, at_ms, if_exists, max_attempts;
    const char *id, *durability;
    word_list headers;
    bool lines, ndjson, keep_going, quiet;
} opt = {.in_ms = NOT_GIVEN, .at_ms = NOT_GIVEN};

/* In the order of dueq_if_exists. */
static const char *const policies[] = {"keep", "replace", "earliest", "latest", "fail", NULL};

static const cli_option options[] = {
    {.kind = OPTION_DURATION,
     .name = "in",
     .argument = "DUR",
     .to.number = &opt.in_ms,
     .max = DUEQ_DELAY_MS_MAX,
     .help = "due so long from now; else at once"},
    {.kind = OPTION_TIME,
     .name = "at",
     .argument = "TIME",
     .to.number = &opt.at_ms,
     .help = "due then; a time that has passed means at once"},
    {.kind = OPTION_TEXT,
     .name = "id",
     .argument = "ID",
     .to.text = &opt.id,
     .help = "1 to 255 bytes; else one is made"},
    {.kind = OPTION_WORDS,
     .name = "header",
     .argument = "NAME=VALUE",
     .to.words = &opt.headers,
     .help = "a header; may be given several times"},
    {.kind = OPTION_CHOICE,
     .name = "if-exists",
     .argument = "POLICY",
     .to.number = &opt.if_exists,
     .choices = policies,
     .help = "what to do when a task with the id exists: keep (the default), replace, earliest, "
             "latest, fail"},
    {.kind = OPTION_NUMBER,
     .name = "max-attempts",
     .argument = "N",
     .to.number = &opt.max_attempts,
     .min = 1,
     .max = DUEQ_ATTEMPTS_MAX,
     .help = "dead after so many failures; else as the queue says"},
    DURABLE_OPTION(&opt.durability),
    {.kind = OPTION_FLAG,
     .name = "lines",
     .to.flag = &opt.lines,
     .help = "every line of stdin is the payload of a task"},
    {.kind = OPTION_FLAG,
     .name = "ndjson",
     .to.flag = &opt.ndjson,
     .help = "every line of stdin is a task as a JSON object"},
    {.kind = OPTION_FLAG,
     .name = "keep-going",
     .to.flag = &opt.keep_going,
     .help = "go on past bad lines; the status is 1 at the end"},
    {.kind = OPTION_FLAG,
     .name = "quiet",
     .letter = "q",
     .to.flag = &opt.quiet,
     .help = "print no ids"},
    {.kind = OPTION_END},
};

void push_print(const push_plan *plan, const dueq *handle, const dueq_new_task *task)
{
    bool made = task->id == NULL;
    const void *id = made ? task->made_id : task->id;
    size_t id_len = made ? strlen(task->made_id) : task->id_len;

    if (plan->quiet || (task->outcome != DUEQ_OK && task->outcome != DUEQ_EXISTS)) return;
    if (plan->json) {
        json_t *line = json_object();

        tasks_set_bytes(line, "id", id, id_len);
        json_object_set_new(line, "outcome",
                            json_string(task->outcome == DUEQ_OK ? "pushed" : "exists"));
        durable_add_json(line, handle);
        out_json(line);
    } else {
        out_foreign(id, id_len);
        out_printf("\n");
    }
}

static int check_combination(const cli_call *call)
{
    bool bulk = opt.lines || opt.ndjson;

    if (opt.in_ms != NOT_GIVEN && opt.at_ms != NOT_GIVEN)
        return say_usage("--in and --at: give one of them");
    if (opt.lines && opt.ndjson) return say_usage("--lines and --ndjson: give one of them");
    if (bulk && opt.id != NULL)
        return say_usage("--id names one task: with --ndjson each line has its own \"id\"");
    if (bulk && call->operand_count > 1)
        return say_usage("--%s reads tasks from stdin: leave the payload out",
                         opt.lines ? "lines" : "ndjson");
    if (opt.keep_going && !bulk) return say_usage("--keep-going goes with --lines or --ndjson");
    if (!bulk && call->operand_count == 1 && isatty(STDIN_FILENO))
        return say_usage("a payload is missing: dueq push QUEUE PAYLOAD, or pipe it in");
    return STATUS_DONE;
}

static int read_header(const char *word, dueq_header *header)
{
    size_t name_len = strcspn(word, "=");
    const char *fault;

    if (word[name_len] != '=') return say_usage("--header: \"%.200s\" is not NAME=VALUE", word);
    header->value = word + name_len + 1;
    header->value_len = strlen(header->value);
    fault = ndjson_header_fault(word, name_len, header->value_len);
    if (fault != NULL) return say_usage("--header: \"%.200s\": %s", word, fault);
    header->name = mem_copy(word, name_len);
    return STATUS_DONE;
}

static bool named_before(const dueq_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(headers[i].name, name) == 0) return true;
    }
    return false;
}

static int read_headers(push_plan *plan)
{
    size_t count = opt.headers.count;
    dueq_header *headers = mem_make(count * sizeof(*headers));

    plan->task.headers = headers;
    if (count > DUEQ_HEADERS_MAX)
        return say_usage("%zu headers: a task has %d at most", count, DUEQ_HEADERS_MAX);
    for (size_t i = 0; i < count; i++) {
        int status = read_header(opt.headers.words[i], &headers[i]);

        if (status != STATUS_DONE) return status;
        plan->task.header_count = i + 1;
        if (named_before(headers, i, headers[i].name))
            return say_usage("--header: \"%s\" is given twice", headers[i].name);
    }
    return STATUS_DONE;
}

static int read_id(push_plan *plan)
{
    if (opt.id == NULL) return STATUS_DONE;
    plan->task.id = opt.id;
    plan->task.id_len = strlen(opt.id);
    if (plan->task.id_len == 0 || plan->task.id_len > DUEQ_ID_MAX)
        return say_usage("an id of %zu bytes: ids have 1 to %d", plan->task.id_len, DUEQ_ID_MAX);
    return STATUS_DONE;
}

static int make_plan(const cli_call *call, push_plan *plan)
{
    int status = check_combination(call);

    *plan = (push_plan){.queue = call->operands[0],
                        .options.if_exists = (dueq_if_exists)opt.if_exists,
                        .ndjson = opt.ndjson,
                        .keep_going = opt.keep_going,
                        .quiet = opt.quiet,
                        .json = call->json};
    plan->task.max_attempts = opt.max_attempts;
    if (opt.in_ms != NOT_GIVEN) plan->task.delay_ms = opt.in_ms;
    if (opt.at_ms != NOT_GIVEN)
        plan->task.due_ms = opt.at_ms > 0 ? opt.at_ms : 1; /* 0 would mean that none is given */
    if (status == STATUS_DONE) status = read_headers(plan);
    if (status == STATUS_DONE) status = read_id(plan);
    return status;
}

/* Reads the payload where it is given: in a word or on stdin. The caller frees *bytes. */
static int read_payload(const cli_call *call, char **bytes, size_t *len)
{
    const char *word = call->operand_count > 1 ? call->operands[1] : "-";

    *bytes = NULL;
    if (strcmp(word, "-") != 0) {
        *len = strlen(word);
        *bytes = mem_copy(word, *len);
        return STATUS_DONE;
    }
    if (lines_read_all(STDIN_FILENO, DUEQ_PAYLOAD_MAX, bytes, len)) return STATUS_DONE;
    if (errno == EFBIG)
        return say_failed("the payload on stdin is larger than any payload may be: %d bytes",
                          DUEQ_PAYLOAD_MAX);
    return say_failed("cannot read stdin: %s", strerror(errno));
}

static int push_one(const push_plan *plan, dueq *handle, const char *payload, size_t len)
{
    dueq_new_task task = plan->task;
    int rc;

    task.payload = payload;
    task.payload_len = len;
    rc = dueq_push(handle, plan->queue, &task, 1, &plan->options);
    if (rc < 0) return say_error(handle, rc);
    push_print(plan, handle, &task);
    durable_warn(handle);
    if (rc == DUEQ_EXISTS)
        say_note("task %s exists in %s: it stays as it was", opt.id, plan->queue);
    return say_status(rc);
}

static int run(const cli_call *call)
{
    static push_plan plan; /* what it points to lives as long as the program does */
    dueq *handle = NULL;
    char *payload = NULL;
    size_t payload_len = 0;
    int status = make_plan(call, &plan);
    bool bulk = opt.lines || opt.ndjson;

    if (status == STATUS_DONE && !bulk) status = read_payload(call, &payload, &payload_len);
    if (status == STATUS_DONE) status = durable_open(call, opt.durability, &handle);
    if (status == STATUS_DONE)
        status = bulk ? push_bulk(&plan, handle) : push_one(&plan, handle, payload, payload_len);
    dueq_close(handle);
    free(payload);
    return status;
}

const cli_command cmd_push = {
    .name = "push",
    .operands = "QUEUE [PAYLOAD|-]",
    .summary = "add a task, or many, to a queue",
    .details =
        "The payload is PAYLOAD, or all of stdin (\"-\", or nothing and a pipe). Prints the id of\n"
        "each task on a line. The status is 5 when a task with the id exists.\n"
        "\n"
        "--ndjson reads a task a line: {\"payload\": \"...\"} and, as wished, \"in\", \"at\", \"id\",\n"
        "\"headers\", \"max_attempts\"; bytes that are no text as \"payload_base64\", \"id_base64\".\n"
        "At a bad line it stops, the lines before having been pushed; --keep-going goes on.",
    .options = options,
    .operands_min = 1,
    .operands_max = 2,
    .queues = QUEUE_FIRST,
    .run = run,
};
