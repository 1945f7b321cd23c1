/* Judges the demo by its records alone. Pure: no clock, no server. */
#include <stdlib.h>

#include "demo.h"
#include "mem.h"

#define ANSWER_US 1000000 /* a done that the killed worker had begun to send is answered by then */

/* What is known of one task while its records are gone through in the order they were written. */
typedef struct history {
    int64_t starts;
    demo_role last_role; /* of the delivery before */
    int64_t last_end_us; /* 0: it has not ended */
} history;

static void add_lateness(demo_lateness *to, const demo_record *record)
{
    to->us[to->count++] = record->at_us - record->due_ms * 1000;
}

/* A delivery that follows another is explained when the one before was the killed worker's and was
 * not answered by the time it was killed. */
static bool is_explained(const history *task, const demo_facts *facts)
{
    return facts->killed_at_us != 0 && task->last_role == DEMO_DOOMED &&
           (task->last_end_us == 0 || task->last_end_us > facts->killed_at_us - ANSWER_US);
}

static void judge_start(history *task, const demo_record *record, const demo_facts *facts,
                        demo_verdict *v)
{
    v->early += record->at_us < record->due_ms * 1000;
    v->damaged += !record->intact;
    if (task->starts > 0) {
        v->again++;
        v->explained += is_explained(task, facts);
    } else {
        v->delivered++;
    }
    /* An attempt after the first one was late for the lease that had to run out. */
    if (task->starts > 0 || record->attempt > 1)
        add_lateness(&v->repeated, record);
    else
        add_lateness(record->role == DEMO_PROGRAM ? &v->by_program : &v->first, record);
    task->starts++;
    task->last_role = record->role;
    task->last_end_us = 0;
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static void make_lateness(demo_lateness *of, size_t count)
{
    of->us = mem_make(count * sizeof(of->us[0]));
}

static void sort_lateness(demo_lateness *of)
{
    qsort(of->us, of->count, sizeof(of->us[0]), compare);
}

/* Goes through the records in the order they were written. */
static void replay(const demo_plan *plan, const demo_records *records, const demo_facts *facts,
                   demo_verdict *v)
{
    history *tasks = mem_make((size_t)plan->task_count * sizeof(*tasks));

    for (size_t i = 0; i < records->count; i++) {
        const demo_record *record = &records->list[i];
        history *task = &tasks[record->task];

        if (!record->is_end)
            judge_start(task, record, facts, v);
        else if (task->last_role == record->role)
            task->last_end_us = record->at_us;
    }
    free(tasks);
}

static void make_verdict(const demo_records *records, demo_verdict *v)
{
    *v = (demo_verdict){0};
    make_lateness(&v->first, records->count);
    make_lateness(&v->by_program, records->count);
    make_lateness(&v->repeated, records->count);
}

int64_t demo_open_count(const demo_plan *plan, const demo_records *records)
{
    bool *open = mem_make((size_t)plan->task_count * sizeof(*open));
    int64_t count = 0;

    for (size_t i = 0; i < records->count; i++) {
        if (records->list[i].role == DEMO_DOOMED)
            open[records->list[i].task] = !records->list[i].is_end;
    }
    for (int64_t i = 0; i < plan->task_count; i++) count += open[i];
    free(open);
    return count;
}

void demo_judge(const demo_plan *plan, const demo_records *records, const demo_facts *facts,
                demo_verdict *verdict)
{
    make_verdict(records, verdict);
    replay(plan, records, facts, verdict);
    verdict->lost = facts->pushed - verdict->delivered;
    verdict->held = demo_open_count(plan, records);
    sort_lateness(&verdict->first);
    sort_lateness(&verdict->by_program);
    sort_lateness(&verdict->repeated);
    verdict->good = facts->pushed == plan->task_count && facts->done == facts->pushed &&
                    facts->left == 0 && verdict->lost == 0 && verdict->early == 0 &&
                    verdict->damaged == 0 && verdict->again == verdict->explained &&
                    records->garbled == 0;
}

void demo_verdict_free(demo_verdict *verdict)
{
    free(verdict->first.us);
    free(verdict->by_program.us);
    free(verdict->repeated.us);
}

int64_t demo_percentile(const demo_lateness *of, double percent)
{
    size_t rank;

    if (of->count == 0) return 0;
    rank = (size_t)((double)of->count * percent / 100);
    return of->us[rank < of->count ? rank : of->count - 1];
}
