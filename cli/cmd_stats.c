/* dueq queues and stats: what queues there are and how they do. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "mem.h"
#include "out.h"
#include "session.h"
#include "table.h"
#include "text.h"

static json_t *number_or_null(int64_t number)
{
    return number < 0 ? json_null() : json_integer(number);
}

/* To the microsecond, as a fraction. */
static json_t *ms_or_null(int64_t us)
{
    return us < 0 ? json_null() : json_real((double)us / 1000);
}

static json_t *stats_json(const char *queue, const dueq_stats *s)
{
    const struct {
        const char *name;
        int64_t count;
    } counts[] = {
        {"waiting", s->waiting}, {"ready", s->ready},         {"leased", s->leased},
        {"dead", s->dead},       {"pushed", s->pushed},       {"done", s->done},
        {"retried", s->retried}, {"released", s->released},   {"expired", s->expired},
        {"died", s->died},       {"cancelled", s->cancelled}, {"dropped", s->dropped},
    };
    json_t *object = json_object();

    json_object_set_new(object, "queue", json_string(queue));
    json_object_set_new(object, "partitions", json_integer(s->partitions));
    json_object_set_new(object, "paused", json_boolean(s->paused));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        json_object_set_new(object, counts[i].name, json_integer(counts[i].count));
    json_object_set_new(object, "oldest_ready_ms", number_or_null(s->oldest_ready_ms));
    json_object_set_new(object, "next_due_ms", number_or_null(s->next_due_ms));
    json_object_set_new(object, "due_minute", json_integer(s->due_minute));
    json_object_set_new(object, "due_hour", json_integer(s->due_hour));
    json_object_set_new(object, "due_day", json_integer(s->due_day));
    json_object_set_new(object, "late_ms", ms_or_null(s->late_us));
    json_object_set_new(object, "late_ago_ms", number_or_null(s->late_ago_ms));
    return object;
}

static void print_count(const char *name, int64_t count, const char *remark)
{
    text_small number;

    out_styled(STYLE_FAINT, "  %-10s", name);
    out_printf("%14s%s\n", text_number(count, number), remark);
}

/* ", the oldest for 3s"; "" when there is none. */
static const char *remark(const char *words, int64_t ms, text_small out)
{
    text_small span;

    if (ms < 0) return "";
    snprintf(out, TEXT_SMALL, "  %.20s %.32s", words, dueq_format_duration(ms, span, sizeof(span)));
    return out;
}

/* When what waits falls due. */
static void print_falling_due(const dueq_stats *s)
{
    if (s->waiting == 0) return;
    print_count("", s->due_minute, "  within a minute");
    print_count("", s->due_hour, "  within an hour");
    print_count("", s->due_day, "  within a day");
}

static void print_lateness(const dueq_stats *s)
{
    text_small ago;

    if (s->late_us < 0) return;
    out_styled(STYLE_FAINT, "  %-10s", "last take");
    out_printf("%11.3f ms  late, %s ago\n", (double)s->late_us / 1000,
               dueq_format_duration(s->late_ago_ms, ago, sizeof(ago)));
}

static void print_card(const char *queue, const dueq_stats *s)
{
    text_small words;

    out_styled(STYLE_BOLD, "%s", queue);
    if (s->partitions > 1) out_printf("  %" PRId64 " partitions", s->partitions);
    if (s->paused) out_styled(STYLE_WARN, "  paused");
    out_printf("\n");
    print_count("waiting", s->waiting, remark("the next due in", s->next_due_ms, words));
    print_falling_due(s);
    print_count("ready", s->ready, remark("the oldest for", s->oldest_ready_ms, words));
    print_count("leased", s->leased, "");
    print_count("dead", s->dead, "");
    print_lateness(s);
    out_styled(STYLE_BOLD, "ever");
    out_printf("\n");
    print_count("pushed", s->pushed, "");
    print_count("done", s->done, "");
    print_count("retried", s->retried, "");
    print_count("released", s->released, "");
    print_count("expired", s->expired, "");
    print_count("died", s->died, "");
    print_count("cancelled", s->cancelled, "");
    print_count("dropped", s->dropped, "");
}

static const table_column columns[] = {{"QUEUE", false}, {"WAITING", true}, {"READY", true},
                                       {"LEASED", true}, {"DEAD", true},    {"PUSHED", true},
                                       {"DONE", true},   {"NOTE", false}};

static void add_count(table *rows, out_style style, int64_t count)
{
    text_small number;

    table_cell(rows, count > 0 ? style : STYLE_PLAIN, "%s", text_number(count, number));
}

static void add_row(table *rows, const char *queue, const dueq_stats *s)
{
    text_small words;

    table_cell(rows, STYLE_PLAIN, "%s", queue);
    add_count(rows, STYLE_PLAIN, s->waiting);
    add_count(rows, STYLE_GOOD, s->ready);
    add_count(rows, STYLE_NOTE, s->leased);
    add_count(rows, STYLE_BAD, s->dead);
    add_count(rows, STYLE_PLAIN, s->pushed);
    add_count(rows, STYLE_PLAIN, s->done);
    if (s->paused)
        table_cell(rows, STYLE_WARN, "paused");
    else if (s->ready > 0)
        table_cell(rows, STYLE_PLAIN, "%s",
                   remark("oldest ready for", s->oldest_ready_ms, words) + 2);
    else if (s->next_due_ms >= 0)
        table_cell(rows, STYLE_PLAIN, "%s", remark("next due in", s->next_due_ms, words) + 2);
    else
        table_cell(rows, STYLE_PLAIN, "%s", "");
}

static int stats_of_one(const cli_call *call, dueq *handle)
{
    const char *queue = call->operands[0];
    dueq_stats stats;
    int rc = dueq_queue_stats(handle, queue, &stats);

    if (rc < 0) return say_error(handle, rc);
    if (rc == DUEQ_MISSING) return say_nothing("there is no queue %s", queue);
    if (call->json)
        out_json(stats_json(queue, &stats));
    else
        print_card(queue, &stats);
    return STATUS_DONE;
}

/* A queue that goes away while the others are counted is passed over. */
static void add_all(const cli_call *call, const dueq_queue_counts *counts, size_t count,
                    table *rows)
{
    for (size_t i = 0; i < count; i++) {
        if (counts[i].outcome != DUEQ_OK) continue;
        if (call->json)
            out_json(stats_json(counts[i].queue, &counts[i].stats));
        else
            add_row(rows, counts[i].queue, &counts[i].stats);
    }
}

static int count_all(const cli_call *call, dueq *handle, const dueq_queue_list *queues, table *rows)
{
    dueq_queue_counts *counts = mem_make(queues->count * sizeof(*counts));
    int rc;

    for (size_t i = 0; i < queues->count; i++) counts[i].queue = queues->names[i];
    rc = dueq_queues_stats(handle, counts, queues->count);
    add_all(call, counts, queues->count, rows);
    free(counts);
    return rc < 0 ? say_error(handle, rc) : STATUS_DONE;
}

static int stats_of_all(const cli_call *call, dueq *handle)
{
    dueq_queue_list *queues = NULL;
    table *rows;
    int status, rc = dueq_queues(handle, &queues);

    if (rc < 0) return say_error(handle, rc);
    rows = table_make(columns, sizeof(columns) / sizeof(columns[0]));
    status = count_all(call, handle, queues, rows);
    table_print(rows);
    table_free(rows);
    dueq_queue_list_free(queues);
    return status;
}

static int run_stats(const cli_call *call)
{
    dueq *handle;
    int status = session_open(call, &handle);

    if (status != STATUS_DONE) return status;
    status = call->operand_count > 0 ? stats_of_one(call, handle) : stats_of_all(call, handle);
    dueq_close(handle);
    return status;
}

static int list_queues(const cli_call *call, dueq *handle)
{
    dueq_queue_list *queues = NULL;
    int rc = dueq_queues(handle, &queues);

    if (rc < 0) return say_error(handle, rc);
    for (size_t i = 0; i < queues->count; i++) {
        if (call->json)
            out_json(json_pack("{s:s}", "queue", queues->names[i]));
        else
            out_printf("%s\n", queues->names[i]);
    }
    dueq_queue_list_free(queues);
    return STATUS_DONE;
}

static int run_queues(const cli_call *call)
{
    dueq *handle;
    int status = session_open(call, &handle);

    if (status != STATUS_DONE) return status;
    status = list_queues(call, handle);
    dueq_close(handle);
    return status;
}

const cli_command cmd_queues = {
    .name = "queues",
    .operands = "",
    .summary = "list the queues, a name a line",
    .run = run_queues,
};

const cli_command cmd_stats = {
    .name = "stats",
    .operands = "[QUEUE]",
    .summary = "count a queue's tasks, or those of all queues",
    .details =
        "Now: waiting, ready, leased, dead; when what waits falls due; how late the earliest\n"
        "task of the last take was. Ever: pushed, done, retried, released, expired\n"
        "(leases that ran out), died, cancelled, dropped (of the dead). The status is 3\n"
        "when there is no such queue.",
    .operands_max = 1,
    .queues = QUEUE_FIRST,
    .run = run_stats,
};
