/* dueq queue create, config, pause, resume, purge, delete: queues as such. */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "out.h"
#include "session.h"
#include "text.h"

static struct {
    dueq_settings settings;
    bool yes;
} opt;

/* What can be changed at any time. */
#define CHANGEABLE_OPTIONS                                                                       \
    {.kind = OPTION_NUMBER,                                                                      \
     .name = "max-attempts",                                                                     \
     .argument = "N",                                                                            \
     .to.number = &opt.settings.max_attempts,                                                    \
     .min = 1,                                                                                   \
     .max = DUEQ_ATTEMPTS_MAX,                                                                   \
     .help = "a task is dead after so many failures; 20 by default"},                            \
        {.kind = OPTION_DURATION,                                                                \
         .name = "lease",                                                                        \
         .argument = "DUR",                                                                      \
         .to.number = &opt.settings.lease_ms,                                                    \
         .min = 1,                                                                               \
         .max = DUEQ_LEASE_MS_MAX,                                                               \
         .help = "how long a task is held unless take says otherwise; 30s by default"},          \
        {.kind = OPTION_SIZE,                                                                    \
         .name = "payload-max",                                                                  \
         .argument = "SIZE",                                                                     \
         .to.number = &opt.settings.payload_max,                                                 \
         .min = 1,                                                                               \
         .max = DUEQ_PAYLOAD_MAX,                                                                \
         .help = "the largest payload; 1MiB by default"},                                        \
        {.kind = OPTION_NUMBER,                                                                  \
         .none = true,                                                                           \
         .name = "dead-max",                                                                     \
         .argument = "N|none",                                                                   \
         .to.number = &opt.settings.dead_max,                                                    \
         .min = 1,                                                                               \
         .max = INT32_MAX,                                                                       \
         .help = "dead tasks that are kept, the oldest go first (none: keep none); 10000 by "    \
                 "default"},                                                                     \
        {.kind = OPTION_DURATION,                                                                \
         .none = true,                                                                           \
         .name = "dead-age",                                                                     \
         .argument = "DUR|none",                                                                 \
         .to.number = &opt.settings.dead_age_ms,                                                 \
         .min = 1,                                                                               \
         .max = DUEQ_DELAY_MS_MAX,                                                               \
         .help = "how long they are kept (none: for ever); 30d by default"},                     \
    {                                                                                            \
        .kind = OPTION_DURATION, .none = true, .name = "retention", .argument = "DUR|none",      \
        .to.number = &opt.settings.retention_ms, .min = 1, .max = 7 * INT64_C(86400000),         \
        .help = "how long the id of a finished task is remembered, so that pushing it again is " \
                "known as a repetition; none by default"                                         \
    }

static const cli_option create_options[] = {
    {.kind = OPTION_NUMBER,
     .name = "partitions",
     .argument = "N",
     .to.number = &opt.settings.partitions,
     .min = 1,
     .max = DUEQ_PARTITIONS_MAX,
     .help = "independent pieces of the queue, fixed for good; 1 by default"},
    CHANGEABLE_OPTIONS,
    {.kind = OPTION_END},
};

static const cli_option config_options[] = {
    CHANGEABLE_OPTIONS,
    {.kind = OPTION_END},
};

static const cli_option yes_options[] = {
    {.kind = OPTION_FLAG, .name = "yes", .letter = "y", .to.flag = &opt.yes, .help = "do not ask"},
    {.kind = OPTION_END},
};

/* A setting as its option takes it. */
static void print_setting(const char *name, const char *value)
{
    out_styled(STYLE_FAINT, "%-14s", name);
    out_printf("%s\n", value);
}

static const char *duration(int64_t ms, text_small out)
{
    return ms < 0 ? "none" : dueq_format_duration(ms, out, TEXT_SMALL);
}

static const char *number(int64_t value, text_small out)
{
    snprintf(out, TEXT_SMALL, "%" PRId64, value);
    return value < 0 ? "none" : out;
}

static void print_settings(const dueq_settings *s)
{
    text_small out;

    print_setting("partitions", number(s->partitions, out));
    print_setting("max-attempts", number(s->max_attempts, out));
    print_setting("lease", duration(s->lease_ms, out));
    print_setting("payload-max", text_size(s->payload_max, out));
    print_setting("dead-max", number(s->dead_max, out));
    print_setting("dead-age", duration(s->dead_age_ms, out));
    print_setting("retention", duration(s->retention_ms, out));
}

/* "None" is null. */
static void set_number(json_t *object, const char *name, int64_t number)
{
    json_object_set_new(object, name, number < 0 ? json_null() : json_integer(number));
}

static json_t *settings_json(const char *queue, const dueq_settings *s)
{
    json_t *object = json_object();

    json_object_set_new(object, "queue", json_string(queue));
    set_number(object, "partitions", s->partitions);
    set_number(object, "max_attempts", s->max_attempts);
    set_number(object, "lease_ms", s->lease_ms);
    set_number(object, "payload_max", s->payload_max);
    set_number(object, "dead_max", s->dead_max);
    set_number(object, "dead_age_ms", s->dead_age_ms);
    set_number(object, "retention_ms", s->retention_ms);
    return object;
}

typedef int queue_operation(const cli_call *call, dueq *handle);

static int with_handle(const cli_call *call, queue_operation *operation)
{
    dueq *handle;
    int status = session_open(call, &handle);

    if (status != STATUS_DONE) return status;
    status = operation(call, handle);
    dueq_close(handle);
    return status;
}

/* What is said of every outcome but a plain DUEQ_OK. */
static int end(const cli_call *call, dueq *handle, int rc)
{
    const char *queue = call->operands[0];

    if (rc < 0) return say_error(handle, rc);
    if (rc == DUEQ_MISSING) return say_nothing("there is no queue %s", queue);
    if (rc == DUEQ_EXISTS) say_note("queue %s exists: it stays as it was", queue);
    return say_status(rc);
}

static int create(const cli_call *call, dueq *handle)
{
    return end(call, handle, dueq_queue_create(handle, call->operands[0], &opt.settings));
}

static bool changes_anything(const dueq_settings *s)
{
    return s->max_attempts != 0 || s->lease_ms != 0 || s->payload_max != 0 || s->dead_max != 0 ||
           s->dead_age_ms != 0 || s->retention_ms != 0;
}

/* The settings are shown when they were asked for, not when they were changed. */
static int config(const cli_call *call, dueq *handle)
{
    bool changes = changes_anything(&opt.settings);
    dueq_settings now;
    int rc = dueq_queue_config(handle, call->operands[0], changes ? &opt.settings : NULL, &now);

    if (rc == DUEQ_OK && call->json)
        out_json(settings_json(call->operands[0], &now));
    else if (rc == DUEQ_OK && !changes)
        print_settings(&now);
    return end(call, handle, rc);
}

static int pause_queue(const cli_call *call, dueq *handle)
{
    return end(call, handle, dueq_queue_pause(handle, call->operands[0]));
}

static int resume_queue(const cli_call *call, dueq *handle)
{
    return end(call, handle, dueq_queue_resume(handle, call->operands[0]));
}

static int purge(const cli_call *call, dueq *handle)
{
    const char *queue = call->operands[0];
    text_small shown;
    int64_t count = 0;
    int rc = dueq_queue_purge(handle, queue, &count);

    if (rc == DUEQ_OK && call->json)
        out_json(json_pack("{s:s, s:s, s:I}", "queue", queue, "outcome", "purged", "count",
                           (json_int_t)count));
    else if (rc == DUEQ_OK)
        out_printf("%s purged\n", text_number(count, shown));
    return end(call, handle, rc);
}

/* An empty queue goes without a question. */
static int delete_queue(const cli_call *call, dueq *handle)
{
    const char *queue = call->operands[0];
    int status, rc = dueq_queue_delete(handle, queue, false);

    if (rc == DUEQ_STATE) {
        status = session_confirm(opt.yes, "Delete queue %s and the tasks in it?", queue);
        if (status != STATUS_DONE) return status;
        rc = dueq_queue_delete(handle, queue, true);
    }
    return end(call, handle, rc);
}

static int run_create(const cli_call *call)
{
    return with_handle(call, create);
}

static int run_config(const cli_call *call)
{
    return with_handle(call, config);
}

static int run_pause(const cli_call *call)
{
    return with_handle(call, pause_queue);
}

static int run_resume(const cli_call *call)
{
    return with_handle(call, resume_queue);
}

static int run_purge(const cli_call *call)
{
    int status = session_confirm(opt.yes, "Remove every task of %s?", call->operands[0]);

    return status != STATUS_DONE ? status : with_handle(call, purge);
}

static int run_delete(const cli_call *call)
{
    return with_handle(call, delete_queue);
}

const cli_command cmd_queue_create = {
    .name = "queue create",
    .operands = "QUEUE",
    .summary = "make a queue, with settings of its own",
    .details = "The first push makes a queue too, with default settings. The status is 5 when\n"
               "there is one of that name; it stays as it was then.",
    .options = create_options,
    .operands_min = 1,
    .operands_max = 1,
    .queues = QUEUE_FIRST,
    .run = run_create,
};

const cli_command cmd_queue_config = {
    .name = "queue config",
    .operands = "QUEUE",
    .summary = "change a queue's settings, or show them",
    .details = "Without an option it shows the settings.",
    .options = config_options,
    .operands_min = 1,
    .operands_max = 1,
    .queues = QUEUE_FIRST,
    .run = run_config,
};

const cli_command cmd_queue_pause = {
    .name = "queue pause",
    .operands = "QUEUE",
    .summary = "let nothing be taken from a queue",
    .details = "All else goes on: tasks are pushed, and finished by those who hold them.",
    .operands_min = 1,
    .operands_max = 1,
    .queues = QUEUE_FIRST,
    .run = run_pause,
};

const cli_command cmd_queue_resume = {
    .name = "queue resume",
    .operands = "QUEUE",
    .summary = "end a pause",
    .operands_min = 1,
    .operands_max = 1,
    .queues = QUEUE_FIRST,
    .run = run_resume,
};

const cli_command cmd_queue_purge = {
    .name = "queue purge",
    .operands = "QUEUE",
    .summary = "remove every task of a queue",
    .details = "Settings and counters stay. It asks first; where nobody can be asked it needs\n"
               "--yes.",
    .options = yes_options,
    .operands_min = 1,
    .operands_max = 1,
    .queues = QUEUE_FIRST,
    .run = run_purge,
};

const cli_command cmd_queue_delete = {
    .name = "queue delete",
    .operands = "QUEUE",
    .summary = "remove a queue and all of its tasks",
    .details = "With tasks in it, it asks first; where nobody can be asked it needs --yes.",
    .options = yes_options,
    .operands_min = 1,
    .operands_max = 1,
    .queues = QUEUE_FIRST,
    .run = run_delete,
};
