/* dueq import: moves the members of a ZSET of due times into a queue. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "commands.h"
#include "out.h"
#include "session.h"
#include "tasks.h"
#include "text.h"

#define FOR_EVER (-1)
#define PROGRESS_EVERY_MS 200

static const char *const units[] = {"s", "ms", NULL};

static struct {
    const char *zset, *queue, *lock_prefix, *wait;
    int64_t unit, lock_keep_ms, poll_ms, page;
    bool no_locks, follow, dry_run;
} opt = {.lock_keep_ms = NOT_GIVEN, .poll_ms = NOT_GIVEN, .page = NOT_GIVEN};

static const cli_option options[] = {
    {.kind = OPTION_TEXT,
     .name = "zset",
     .argument = "KEY",
     .to.text = &opt.zset,
     .help = "the ZSET, whole, without dueq's prefix"},
    {.kind = OPTION_TEXT,
     .name = "into",
     .argument = "QUEUE",
     .to.text = &opt.queue,
     .help = "the queue; made if there is none"},
    {.kind = OPTION_CHOICE,
     .name = "unit",
     .argument = "UNIT",
     .to.number = &opt.unit,
     .choices = units,
     .help = "of the scores: s (the default) or ms since the epoch"},
    {.kind = OPTION_TEXT,
     .name = "lock-prefix",
     .argument = "PREFIX",
     .to.text = &opt.lock_prefix,
     .help = "old consumers lock a member by SET PREFIXmember token NX PX; may be empty"},
    {.kind = OPTION_FLAG,
     .name = "no-locks",
     .to.flag = &opt.no_locks,
     .help = "no old consumers run, or they claim a member by ZREM"},
    {.kind = OPTION_DURATION,
     .name = "lock-keep",
     .argument = "DUR",
     .to.number = &opt.lock_keep_ms,
     .min = DUEQ_LOCK_TTL_MS_MIN,
     .max = DUEQ_LOCK_TTL_MS_MAX,
     .help = "how long an old consumer may take from reading a member to trying its lock; 1m by "
             "default"},
    {.kind = OPTION_TEXT,
     .name = "wait",
     .argument = "DUR|forever",
     .to.text = &opt.wait,
     .help = "wait so long for members that old consumers hold; else they stay"},
    {.kind = OPTION_FLAG,
     .name = "follow",
     .to.flag = &opt.follow,
     .help = "go on until stopped: producers still add to the ZSET"},
    {.kind = OPTION_DURATION,
     .name = "poll",
     .argument = "DUR",
     .to.number = &opt.poll_ms,
     .min = 1,
     .max = DUEQ_DELAY_MS_MAX,
     .help = "the pause before the ZSET is looked at again; 1s by default"},
    {.kind = OPTION_NUMBER,
     .name = "page",
     .argument = "N",
     .to.number = &opt.page,
     .min = 1,
     .max = 1000,
     .help = "members moved in one step at most; 200 by default"},
    {.kind = OPTION_FLAG,
     .name = "dry-run",
     .to.flag = &opt.dry_run,
     .help = "say what would be done, and do nothing"},
    {.kind = OPTION_END},
};

/* ---- What was typed ---- */

static int read_wait(int64_t *wait_ms)
{
    *wait_ms = 0;
    if (opt.wait == NULL) return STATUS_DONE;
    if (strcmp(opt.wait, "forever") == 0) {
        *wait_ms = FOR_EVER;
        return STATUS_DONE;
    }
    if (dueq_parse_duration(opt.wait, wait_ms) == DUEQ_OK) return STATUS_DONE;
    return say_usage("--wait: \"%s\" is neither a duration, such as 1500ms, 2s or 1h30m, nor "
                     "forever",
                     opt.wait);
}

static int check_options(void)
{
    if (opt.zset == NULL || *opt.zset == '\0')
        return say_usage("import: the ZSET is missing: --zset KEY");
    if (opt.queue == NULL) return say_usage("import: the queue is missing: --into QUEUE");
    if (!session_check_queue(opt.queue)) return STATUS_USAGE;
    if (opt.no_locks && opt.lock_prefix != NULL)
        return say_usage("import: --lock-prefix and --no-locks exclude each other");
    if (!opt.no_locks && opt.lock_prefix == NULL)
        return say_usage("import: say how old consumers keep each other out: --lock-prefix PREFIX, "
                         "or --no-locks when none run or they claim a member by ZREM");
    if (opt.follow && opt.dry_run)
        return say_usage("import: --follow and --dry-run exclude each other");
    if (opt.follow && opt.wait != NULL)
        return say_usage("import: --wait is nothing to --follow, which waits anyway");
    return STATUS_DONE;
}

static int64_t given_or(int64_t number, int64_t otherwise)
{
    return number == NOT_GIVEN ? otherwise : number;
}

/* ---- Progress ---- */

typedef struct progress {
    bool on_terminal;
    bool shown;
    int64_t shown_ms;
    int trouble; /* the last that was told */
} progress;

static void clear_progress(progress *p)
{
    if (p->shown) fputs("\r\033[K", stderr);
    p->shown = false;
}

static void tell_trouble(progress *p, int trouble)
{
    if (trouble == p->trouble) return;
    p->trouble = trouble;
    clear_progress(p);
    if (trouble != 0)
        say_note("nothing moves now: %s; still trying", dueq_outcome_text(trouble));
    else
        say_note("it moves again");
}

static void show_progress(void *context, const dueq_import_result *so_far)
{
    progress *p = context;
    int64_t now_ms = text_now_ms();
    text_small moved, members, held;

    tell_trouble(p, so_far->trouble);
    if (!p->on_terminal || now_ms - p->shown_ms < PROGRESS_EVERY_MS) return;
    p->shown_ms = now_ms;
    p->shown = true;
    fprintf(stderr, "\r\033[K%s moved (%s when it began), %s held by old consumers",
            text_number(so_far->moved, moved), text_number(so_far->members, members),
            text_number(so_far->held + so_far->busy, held));
}

/* ---- The result ---- */

static json_t *result_json(const dueq_import_result *r)
{
    json_t *object = json_object();
    bool dated = r->members > 0;

    tasks_set_bytes(object, "zset", opt.zset, strlen(opt.zset));
    json_object_set_new(object, "queue", json_string(opt.queue));
    json_object_set_new(object, "dry_run", json_boolean(opt.dry_run));
    json_object_set_new(object, "members", json_integer((json_int_t)r->members));
    json_object_set_new(object, "first_due_ms",
                        dated ? json_integer((json_int_t)r->first_due_ms) : json_null());
    json_object_set_new(object, "last_due_ms",
                        dated ? json_integer((json_int_t)r->last_due_ms) : json_null());
    json_object_set_new(object, "moved", json_integer((json_int_t)r->moved));
    json_object_set_new(object, "overdue", json_integer((json_int_t)r->overdue));
    json_object_set_new(object, "held", json_integer((json_int_t)r->held));
    json_object_set_new(object, "busy", json_integer((json_int_t)r->busy));
    json_object_set_new(object, "too_large", json_integer((json_int_t)r->too_large));
    json_object_set_new(object, "undated", json_integer((json_int_t)r->undated));
    return object;
}

static void print_row(const char *label, int64_t count, const char *what)
{
    text_small text;

    out_printf("%-11s %s%s\n", label, text_number(count, text), what);
}

/* What is none is not told, but for what the command is for. */
static void print_left(const char *label, int64_t count, const char *what)
{
    if (count > 0) print_row(label, count, what);
}

static void print_result(const dueq_import_result *r)
{
    text_small first, last;

    print_row("members", r->members, opt.dry_run ? "" : " when it began");
    if (r->members > 0)
        out_printf("%-11s %s to %s\n", "due", text_time(r->first_due_ms, first),
                   text_time(r->last_due_ms, last));
    print_row(opt.dry_run ? "would move" : "moved", r->moved, "");
    print_left("overdue", r->overdue, " of them, ready at once");
    print_left("held", r->held, " by old consumers");
    print_left("busy", r->busy, " added again while the task is leased");
    print_left("too large", r->too_large, " over the queue's payload_max");
    print_left("undated", r->undated, " with a score that is no due time within a hundred years");
}

/* ---- The run ---- */

static int hear_stops(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int status_of(const dueq *handle, int rc)
{
    if (rc == DUEQ_ECANCELED && opt.follow) return STATUS_DONE;
    if (rc < 0) return say_error(handle, rc);
    if (rc == DUEQ_STATE) return STATUS_FAILED;
    return rc == DUEQ_HELD && !opt.dry_run ? STATUS_EXISTS : STATUS_DONE;
}

static int import_zset(const cli_call *call, dueq *handle, int64_t wait_ms)
{
    progress p = {.on_terminal = isatty(STDERR_FILENO) == 1};
    dueq_import_result result;
    dueq_import_options wanted = {
        .unit = opt.unit == 1 ? DUEQ_UNIT_MS : DUEQ_UNIT_S,
        .lock_prefix = opt.lock_prefix,
        .lock_keep_ms = given_or(opt.lock_keep_ms, 0),
        .wait_ms = wait_ms,
        .poll_ms = given_or(opt.poll_ms, 0),
        .page = (size_t)given_or(opt.page, 0),
        .follow = opt.follow,
        .dry_run = opt.dry_run,
        .report = show_progress,
        .context = &p,
    };
    int rc = dueq_import(handle, opt.zset, opt.queue, &wanted, &result);

    clear_progress(&p);
    if (call->json)
        out_json(result_json(&result));
    else
        print_result(&result);
    return status_of(handle, rc);
}

static int run(const cli_call *call)
{
    dueq *handle;
    int64_t wait_ms;
    int stop_fd, status = check_options();

    if (status == STATUS_DONE) status = read_wait(&wait_ms);
    if (status == STATUS_DONE) status = session_open(call, &handle);
    if (status != STATUS_DONE) return status;
    stop_fd = hear_stops();
    dueq_set_interrupt_fd(handle, stop_fd);
    status = import_zset(call, handle, wait_ms);
    dueq_close(handle);
    if (stop_fd >= 0) close(stop_fd);
    return status;
}

const cli_command cmd_import = {
    .name = "import",
    .operands = "",
    .summary = "move a ZSET of due times into a queue",
    .details =
        "Members become tasks: the member is the payload, the score its due time. It may be stopped\n"
        "or killed at any moment, and run again: none is lost or doubled. Old consumers may run\n"
        "beside it, under their locks; dueq(1) says which.\n"
        "The status is 5 when some members are held by old consumers, 1 when some cannot become\n"
        "tasks.",
    .options = options,
    .run = run,
};
