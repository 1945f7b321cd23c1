/* Pages of tasks in constant memory, whatever their number. */
#include "listing.h"

#include <inttypes.h>
#include <string.h>

#include "out.h"
#include "session.h"
#include "table.h"
#include "tasks.h"
#include "text.h"

#define PAGE_MAX 1000
#define PREVIEW_LEN 256 /* bytes of a payload or an error that a row may show */

static const table_column task_columns[] = {
    {"ID", false}, {"STATE", false}, {"WHEN", false}, {"FAILED", true}, {"PAYLOAD", false}};
static const table_column dead_columns[] = {
    {"ID", false}, {"DIED", false}, {"FAILED", true}, {"ERROR", false}};

static out_style style_of(dueq_state state)
{
    switch (state) {
    case DUEQ_STATE_READY:
        return STYLE_GOOD;
    case DUEQ_STATE_LEASED:
        return STYLE_NOTE;
    case DUEQ_STATE_DEAD:
        return STYLE_BAD;
    default:
        return STYLE_PLAIN;
    }
}

static void add_preview(table *rows, const char *bytes, size_t len)
{
    table_foreign(rows, STYLE_PLAIN, bytes, text_whole(bytes, len, PREVIEW_LEN));
}

static void add_dead_row(table *rows, const dueq_task *task, int64_t now_ms)
{
    text_small when;

    table_foreign(rows, STYLE_PLAIN, task->id, task->id_len);
    table_cell(rows, STYLE_PLAIN, "%s", text_when(task->died_ms, now_ms, when));
    table_cell(rows, STYLE_PLAIN, "%" PRId64, task->attempt);
    add_preview(rows, task->error != NULL ? task->error : "", task->error_len);
}

static void add_task_row(table *rows, const dueq_task *task, int64_t now_ms)
{
    bool leased = task->state == DUEQ_STATE_LEASED;
    text_small when;

    text_when(leased ? task->deadline_ms : task->due_ms, now_ms, when);
    table_foreign(rows, STYLE_PLAIN, task->id, task->id_len);
    table_cell(rows, style_of(task->state), "%s", dueq_state_name(task->state));
    table_cell(rows, STYLE_PLAIN, leased ? "ends %s" : "%s", when);
    table_cell(rows, STYLE_PLAIN, "%" PRId64, task->attempt);
    add_preview(rows, task->payload, task->payload_len);
}

static void print_page(const cli_call *call, const listing_plan *plan, table *rows,
                       const dueq_batch *page)
{
    int64_t now_ms = text_now_ms();

    for (size_t i = 0; i < page->count; i++) {
        if (call->json)
            out_json(tasks_json_found(&page->tasks[i]));
        else if (plan->state == DUEQ_STATE_DEAD)
            add_dead_row(rows, &page->tasks[i], now_ms);
        else
            add_task_row(rows, &page->tasks[i], now_ms);
    }
    table_print(rows);
}

static int list(const cli_call *call, const listing_plan *plan, dueq *handle, table *rows)
{
    int64_t left = plan->count_max;
    char *cursor = NULL;

    do {
        dueq_list_options options = {.state = plan->state,
                                     .tasks_max = left < PAGE_MAX ? (size_t)left : PAGE_MAX,
                                     .cursor = cursor};
        dueq_batch *page = NULL;
        char *next = NULL;
        int rc = dueq_list(handle, call->operands[0], &options, &page, &next);

        dueq_free(cursor);
        cursor = next;
        if (rc < 0) return say_error(handle, rc);
        if (rc == DUEQ_MISSING) return say_nothing("there is no queue %s", call->operands[0]);
        print_page(call, plan, rows, page);
        left -= (int64_t)page->count;
        dueq_batch_free(page);
    } while (cursor != NULL && left > 0 && out_flush());
    if (cursor != NULL && !call->json) say_note("there are more: -n N or --all shows them");
    dueq_free(cursor);
    return STATUS_DONE;
}

int listing_run(const cli_call *call, const listing_plan *plan)
{
    bool dead = plan->state == DUEQ_STATE_DEAD;
    table *rows;
    dueq *handle;
    int status = session_open(call, &handle);

    if (status != STATUS_DONE) return status;
    if (dead)
        rows = table_make(dead_columns, sizeof(dead_columns) / sizeof(dead_columns[0]));
    else
        rows = table_make(task_columns, sizeof(task_columns) / sizeof(task_columns[0]));
    status = list(call, plan, handle, rows);
    table_free(rows);
    dueq_close(handle);
    return status;
}
