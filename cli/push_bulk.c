/* push --lines and --ndjson: millions of lines in constant memory. Lines are gathered into a batch
 * while more are at hand, and pushed when the batch is full or the writer pauses. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "durable.h"
#include "lines.h"
#include "mem.h"
#include "ndjson.h"
#include "out.h"
#include "push.h"
#include "say.h"
#include "text.h"

#define BATCH_TASKS 5000
#define BATCH_TASKS_ALL_OR_NONE 1000 /* what --if-exists fail promises to push together */
#define BATCH_LEN ((size_t)4 * 1024 * 1024)
#define PAYLOAD_MAX_DEFAULT (1024 * 1024)          /* of a queue that the first push will make */
#define NDJSON_EXTRA_LEN ((size_t)2 * 1024 * 1024) /* room in a line for id and headers */
#define PROGRESS_EVERY_MS 200

typedef struct bulk {
    const push_plan *plan;
    dueq *handle;
    lines in;
    size_t payload_max;

    pool room; /* what the tasks of the batch point to */
    dueq_new_task *tasks;
    int64_t *numbers; /* of the lines they came from */
    size_t count, count_max;

    int64_t pushed, existed;
    int status;
    bool stopped;
    bool warned; /* that a batch is not as durable as asked */

    bool shows_progress;
    int64_t began_ms, shown_ms;
} bulk;

static void clear_progress(const bulk *b)
{
    if (b->shows_progress && b->shown_ms != 0) fputs("\r\033[K", stderr);
}

static void show_progress(bulk *b)
{
    int64_t now_ms = text_now_ms(), spent_ms = now_ms - b->began_ms;
    text_small tasks, rate;

    if (!b->shows_progress || now_ms - b->shown_ms < PROGRESS_EVERY_MS) return;
    b->shown_ms = now_ms;
    text_number(b->pushed, tasks);
    text_number(spent_ms > 0 ? b->pushed * 1000 / spent_ms : 0, rate);
    fprintf(stderr, "\r\033[K%s pushed, %s a second", tasks, rate);
    fflush(stderr);
}

/* What the progress came to stays on the terminal, if there was any. */
static void end_progress(const bulk *b)
{
    text_small tasks, span;

    if (!b->shows_progress || b->shown_ms == 0) return;
    dueq_format_duration(text_now_ms() - b->began_ms, span, sizeof(span));
    fprintf(stderr, "\r\033[K%s pushed in %s\n", text_number(b->pushed, tasks), span);
}

/* A line that is no task, or whose task was refused: the end, unless told to keep going. */
static void bad_line(bulk *b, int64_t number, const char *why)
{
    clear_progress(b);
    b->status = say_worse(b->status, STATUS_FAILED);
    if (!b->plan->keep_going) {
        say_failed("line %" PRId64 ": %s; it and what follows was not pushed", number, why);
        b->stopped = true;
    } else {
        say_failed("line %" PRId64 ": %s", number, why);
    }
}

/* Tasks that --if-exists fail kept from being pushed, for one whose id exists: the others go on. */
static void refused_batch(bulk *b, int64_t refused)
{
    text_small count;

    clear_progress(b);
    b->status = say_worse(b->status, STATUS_EXISTS);
    say_note("lines %" PRId64 " to %" PRId64 ": %s; %s of their tasks were not pushed",
             b->numbers[0], b->numbers[b->count - 1], dueq_error(b->handle),
             text_number(refused, count));
}

/* A failure that is not one line's: there is no going on. */
static void failed_batch(bulk *b, int rc)
{
    text_small before;

    clear_progress(b);
    b->status = say_worse(b->status, say_status(rc));
    b->stopped = true;
    say_note("%s; %s tasks were pushed, the first line in doubt is %" PRId64, dueq_error(b->handle),
             text_number(b->pushed, before), b->numbers[0]);
}

/* Prints and counts what became of the batch; returns how many were kept out by an id's existing. */
static int64_t count_outcomes(bulk *b)
{
    int64_t refused = 0;

    for (size_t i = 0; i < b->count; i++) {
        push_print(b->plan, b->handle, &b->tasks[i]);
        b->pushed += b->tasks[i].outcome == DUEQ_OK;
        b->existed += b->tasks[i].outcome == DUEQ_EXISTS;
        refused += b->tasks[i].outcome == DUEQ_EEXIST;
    }
    return refused;
}

/* Said of the first batch alone: what kept it from being as durable as asked may stay for long. */
static void note_short(bulk *b)
{
    dueq_reach reach;

    dueq_reached(b->handle, &reach);
    if (b->warned || !reach.waited || reach.met) return;
    clear_progress(b);
    b->warned = durable_warn(b->handle);
}

static void send_batch(bulk *b)
{
    int rc;
    int64_t refused;

    for (size_t i = 0; i < b->count; i++)
        b->tasks[i].outcome = DUEQ_ECANCELED; /* of those that a failing call does not come to */
    rc = dueq_push(b->handle, b->plan->queue, b->tasks, b->count, &b->plan->options);
    refused = count_outcomes(b);
    note_short(b);
    if (rc == DUEQ_EXISTS)
        b->status = say_worse(b->status, STATUS_EXISTS);
    else if (rc == DUEQ_EEXIST)
        refused_batch(b, refused);
    else if (rc < 0)
        failed_batch(b, rc);
    if (!out_flush()) b->stopped = true;
    show_progress(b);
}

static void push_batch(bulk *b)
{
    if (b->count > 0) send_batch(b);
    b->count = 0;
    pool_clear(&b->room);
}

/* Makes a task of a line. False: `why` says what is wrong with it. */
static bool read_task(bulk *b, const char *line, size_t len, dueq_new_task *task, char *why)
{
    *task = b->plan->task;
    if (b->plan->ndjson) {
        if (!ndjson_read(line, len, &b->room, task, why)) return false;
    } else {
        task->payload = pool_copy(&b->room, line, len);
        task->payload_len = len;
    }
    if (task->payload_len <= b->payload_max) return true;
    snprintf(why, NDJSON_WHY_MAX, "a payload of %zu bytes: the queue allows %zu", task->payload_len,
             b->payload_max);
    return false;
}

static bool is_blank(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (strchr(" \t\r", line[i]) == NULL) return false;
    }
    return true;
}

/* What stands before a line that ends it all is pushed first. */
static void refuse_line(bulk *b, const char *why)
{
    if (!b->plan->keep_going) push_batch(b);
    if (!b->stopped) bad_line(b, b->in.number, why);
}

static void add_line(bulk *b, const char *line, size_t len)
{
    char why[NDJSON_WHY_MAX];

    if (b->plan->ndjson && is_blank(line, len)) return;
    b->numbers[b->count] = b->in.number;
    if (read_task(b, line, len, &b->tasks[b->count], why)) {
        b->count++;
        return;
    }
    refuse_line(b, why);
}

static void add_too_long(bulk *b)
{
    char why[NDJSON_WHY_MAX];

    snprintf(why, sizeof(why), "longer than %zu bytes: the queue allows payloads of %zu",
             b->in.line_max, b->payload_max);
    refuse_line(b, why);
}

/* Takes in the next line. False at the end of the input. */
static bool read_line(bulk *b)
{
    const char *line;
    size_t len;

    switch (lines_next(&b->in, &line, &len)) {
    case LINE_WHOLE:
        add_line(b, line, len);
        return true;
    case LINE_TOO_LONG:
        add_too_long(b);
        return true;
    case LINE_FAILED:
        clear_progress(b);
        b->status = say_failed("cannot read stdin: %s", strerror(errno));
        return false;
    case LINE_END:
    default:
        return false;
    }
}

static bool batch_is_due(bulk *b)
{
    return b->count == b->count_max || b->room.used_len >= BATCH_LEN || !lines_ready(&b->in);
}

/* The queue's own limit, so that a payload over it is known by its line before anything is sent. */
static int ask_payload_max(bulk *b)
{
    dueq_settings settings;
    int rc = dueq_queue_config(b->handle, b->plan->queue, NULL, &settings);

    if (rc < 0) return say_error(b->handle, rc);
    b->payload_max = rc == DUEQ_OK ? (size_t)settings.payload_max : PAYLOAD_MAX_DEFAULT;
    return STATUS_DONE;
}

static void open_bulk(bulk *b)
{
    bool all_or_none = b->plan->options.if_exists == DUEQ_IF_EXISTS_FAIL;
    /* In JSON a byte of payload may be six characters long: \u0000. */
    size_t line_max = b->plan->ndjson ? b->payload_max * 6 + NDJSON_EXTRA_LEN : b->payload_max;

    b->count_max = all_or_none ? BATCH_TASKS_ALL_OR_NONE : BATCH_TASKS;
    b->tasks = mem_make(b->count_max * sizeof(b->tasks[0]));
    b->numbers = mem_make(b->count_max * sizeof(b->numbers[0]));
    lines_open(&b->in, STDIN_FILENO, line_max);
    b->began_ms = text_now_ms();
    b->shows_progress = isatty(STDERR_FILENO) && (b->plan->quiet || !out_on_terminal());
}

static void close_bulk(bulk *b)
{
    lines_close(&b->in);
    pool_clear(&b->room);
    free(b->tasks);
    free(b->numbers);
}

int push_bulk(const push_plan *plan, dueq *handle)
{
    bulk b = {.plan = plan, .handle = handle};
    int status = ask_payload_max(&b);

    if (status != STATUS_DONE) return status;
    open_bulk(&b);
    while (!b.stopped && read_line(&b)) {
        if (!b.stopped && batch_is_due(&b)) push_batch(&b);
    }
    if (!b.stopped) push_batch(&b);
    end_progress(&b);
    if (b.existed > 0)
        say_note("%" PRId64 " of the tasks existed: they stay as they were", b.existed);
    close_bulk(&b);
    return b.status;
}
