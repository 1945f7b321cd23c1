/* dueq lock: runs a program while a lock is held, or tells who holds it. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "commands.h"
#include "lock_run.h"
#include "mem.h"
#include "options.h"
#include "out.h"
#include "session.h"
#include "tasks.h"
#include "text.h"

#define FOR_EVER (-1)
#define GRACE_DEFAULT_MS 10000

static struct {
    int64_t ttl_ms, grace_ms, conflict_status;
    const char *wait, *owner, *signal;
    word_list urls;
} opt = {.ttl_ms = NOT_GIVEN, .grace_ms = NOT_GIVEN, .conflict_status = NOT_GIVEN};

static const cli_option options[] = {
    {.kind = OPTION_DURATION,
     .name = "ttl",
     .argument = "DUR",
     .to.number = &opt.ttl_ms,
     .min = DUEQ_LOCK_TTL_MS_MIN,
     .max = DUEQ_LOCK_TTL_MS_MAX,
     .help = "the lock ends so long after this machine is gone; 30s by default"},
    {.kind = OPTION_TEXT,
     .name = "wait",
     .argument = "DUR|forever",
     .to.text = &opt.wait,
     .help = "wait so long for the lock; else not at all"},
    {.kind = OPTION_TEXT,
     .name = "owner",
     .argument = "TEXT",
     .to.text = &opt.owner,
     .help = "shown to others who ask, beside host and process; the name of CMD by default"},
    {.kind = OPTION_TEXT,
     .name = "signal",
     .argument = "SIGNAL",
     .to.text = &opt.signal,
     .help = "sent to CMD when the lock is lost; TERM by default"},
    {.kind = OPTION_DURATION,
     .name = "grace",
     .argument = "DUR",
     .to.number = &opt.grace_ms,
     .max = DUEQ_DELAY_MS_MAX,
     .help = "and SIGKILL so much later; 10s by default"},
    {.kind = OPTION_NUMBER,
     .name = "conflict-exit-code",
     .letter = "E",
     .argument = "N",
     .to.number = &opt.conflict_status,
     .max = 255,
     .help = "status when another holds the lock; 5 by default"},
    {.kind = OPTION_WORDS,
     .name = "url",
     .argument = "URL",
     .to.words = &opt.urls,
     .help = "the server; given several times: independent ones, of which more than half decide"},
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

/* "TERM", "SIGTERM" or "15". */
static int read_signal(int *number)
{
    const char *name = opt.signal;
    int64_t typed;

    *number = SIGTERM;
    if (name == NULL) return STATUS_DONE;
    if (text_to_number(name, 1, SIGRTMAX, &typed)) {
        *number = (int)typed;
        return STATUS_DONE;
    }
    if (strncmp(name, "SIG", 3) == 0) name += 3;
    for (int i = 1; i < SIGRTMIN; i++) {
        const char *known = sigabbrev_np(i);

        if (known == NULL || strcmp(known, name) != 0) continue;
        *number = i;
        return STATUS_DONE;
    }
    return say_usage("--signal: \"%s\" is no signal, such as TERM, INT or 10", opt.signal);
}

static bool anything_for_command(void)
{
    return opt.ttl_ms != NOT_GIVEN || opt.grace_ms != NOT_GIVEN || opt.wait != NULL ||
           opt.owner != NULL || opt.signal != NULL || opt.conflict_status != NOT_GIVEN;
}

/* The name of CMD alone: its arguments may be nobody else's business. The caller frees. */
static char *owner_text(char *const *command)
{
    const char *slash = strrchr(command[0], '/');
    const char *name = slash != NULL ? slash + 1 : command[0];

    if (opt.owner != NULL) return mem_copy(opt.owner, strlen(opt.owner));
    return mem_copy(name, text_whole(name, strlen(name), DUEQ_LOCK_OWNER_MAX));
}

/* ---- The servers ---- */

/* One before the command counts too. */
static void gather_urls(void)
{
    if (opt.urls.count == 0 || global.url == NULL) return;
    opt.urls.words = mem_grow(opt.urls.words, (opt.urls.count + 1) * sizeof(opt.urls.words[0]));
    opt.urls.words[opt.urls.count++] = global.url;
}

static int open_servers(const cli_call *call, dueq **handle)
{
    int rc, status;

    gather_urls();
    if (opt.urls.count == 0) return session_open(call, handle);
    rc = dueq_open_quorum(handle, opt.urls.words, opt.urls.count, NULL);
    if (rc == DUEQ_OK) return STATUS_DONE;
    status = say_error(*handle, rc);
    dueq_close(*handle);
    *handle = NULL;
    return status;
}

/* ---- Who holds it ---- */

static json_t *holder_json(const char *name, const dueq_lock_holder *holder)
{
    json_t *object = json_object();

    tasks_set_bytes(object, "lock", name, strlen(name));
    json_object_set_new(object, "left_ms",
                        holder->left_ms < 0 ? json_null() : json_integer(holder->left_ms));
    json_object_set_new(object, "token", holder->token ? json_integer(holder->token) : json_null());
    tasks_set_bytes(object, "host", holder->host, strlen(holder->host));
    json_object_set_new(object, "pid", holder->pid ? json_integer(holder->pid) : json_null());
    tasks_set_bytes(object, "owner", holder->owner, strlen(holder->owner));
    json_object_set_new(object, "servers", json_integer((json_int_t)holder->server_count));
    return object;
}

static const char *left_text(const dueq_lock_holder *holder, text_small text)
{
    if (holder->left_ms < 0) return "no time limit";
    return dueq_format_duration(holder->left_ms, text, TEXT_SMALL);
}

static void print_holder(const dueq_lock_holder *holder)
{
    text_small left;

    out_printf("owner    ");
    out_foreign(holder->owner, strlen(holder->owner));
    out_printf("\n");
    if (holder->pid != 0) {
        out_printf("host     ");
        out_foreign(holder->host, strlen(holder->host));
        out_printf("\npid      %" PRId64 "\ntoken    %" PRId64 "\n", holder->pid, holder->token);
    }
    out_printf("left     %s\n", left_text(holder, left));
    if (opt.urls.count > 1)
        out_printf("servers  %zu of %zu\n", holder->server_count, opt.urls.count);
}

static int look(const cli_call *call, dueq *handle)
{
    const char *name = call->operands[0];
    dueq_lock_holder holder;
    int rc = dueq_lock_look(handle, name, &holder);

    if (rc < 0) return say_error(handle, rc);
    if (rc == DUEQ_MISSING) return say_nothing("nobody holds the lock \"%s\"", name);
    if (call->json)
        out_json(holder_json(name, &holder));
    else
        print_holder(&holder);
    return STATUS_DONE;
}

/* Says by whom, if that can still be told. */
static int say_held(dueq *handle, const char *name)
{
    dueq_lock_holder holder;
    text_small left;
    int status = opt.conflict_status != NOT_GIVEN ? (int)opt.conflict_status : STATUS_EXISTS;

    if (dueq_lock_look(handle, name, &holder) != DUEQ_OK)
        say_note("lock \"%s\": another holds it", name);
    else if (holder.pid == 0)
        say_note("lock \"%s\": another holds it (%s; left: %s)", name, holder.owner,
                 left_text(&holder, left));
    else
        say_note("lock \"%s\": %s, process %" PRId64 ", holds it (%s; left: %s)", name, holder.host,
                 holder.pid, holder.owner, left_text(&holder, left));
    return status;
}

/* ---- Running CMD ---- */

/* Between the thread that keeps the lock and the one that watches CMD: `why` is written once, before
 * the descriptor becomes readable. */
typedef struct loss {
    int fd;
    char why[700];
} loss;

static void on_loss(void *context, const char *why)
{
    loss *told = context;

    snprintf(told->why, sizeof(told->why), "%s", why);
    eventfd_write(told->fd, 1);
}

static void set_environment(const char *name, const dueq_lock *lock)
{
    char token[32];

    snprintf(token, sizeof(token), "%" PRId64, dueq_lock_token(lock));
    setenv("DUEQ_LOCK_NAME", name, 1);
    setenv("DUEQ_LOCK_TOKEN", token, 1);
}

/* Gives the lock up. True when it turns out to have been lost before. */
static bool release(dueq *handle, const char *name, dueq_lock *lock)
{
    int rc = dueq_lock_release(handle, lock);

    if (rc < 0)
        say_note("lock \"%s\" could not be released, it ends by itself: %s", name,
                 dueq_error(handle));
    return rc == DUEQ_LOST;
}

static int run_held(const char *name, dueq *handle, dueq_lock *lock, const lock_run *run)
{
    loss told = {.fd = run->lost_fd};
    lock_run_end end;
    int rc;

    set_environment(name, lock);
    rc = dueq_lock_keep(handle, lock, on_loss, &told);
    if (rc != DUEQ_OK) {
        int status = say_error(handle, rc);

        release(handle, name, lock);
        return status;
    }
    end = lock_run_command(run);
    if (!release(handle, name, lock) && !end.lost) return end.status;
    say_note("lock \"%s\" was lost while the command ran%s%s", name, *told.why != '\0' ? ": " : "",
             told.why);
    return STATUS_LOST;
}

static int hold_and_run(const cli_call *call, dueq *handle, const dueq_lock_options *wanted,
                        lock_run *run)
{
    const char *name = call->operands[0];
    dueq_lock *lock;
    int rc, status;

    dueq_set_interrupt_fd(handle, run->signal_fd);
    rc = dueq_lock_acquire(handle, name, wanted, &lock);
    dueq_set_interrupt_fd(handle, -1);
    if (rc == DUEQ_ECANCELED) return 128 + lock_run_heard(run->signal_fd);
    if (rc < 0) return say_error(handle, rc);
    if (rc == DUEQ_HELD) return say_held(handle, name);
    status = run_held(name, handle, lock, run);
    dueq_lock_free(lock);
    return status;
}

static int lock_and_run(const cli_call *call, dueq *handle)
{
    char *owner = owner_text(call->tail);
    dueq_lock_options wanted = {.ttl_ms = opt.ttl_ms == NOT_GIVEN ? 0 : opt.ttl_ms, .owner = owner};
    lock_run run = {.command = call->tail,
                    .grace_ms = opt.grace_ms == NOT_GIVEN ? GRACE_DEFAULT_MS : opt.grace_ms};
    int status = read_wait(&wanted.wait_ms);

    if (status == STATUS_DONE) status = read_signal(&run.lost_signal);
    if (status == STATUS_DONE) {
        run.signal_fd = lock_run_hear_signals();
        run.lost_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        status = run.signal_fd < 0 || run.lost_fd < 0
                     ? say_failed("cannot hear signals: no descriptors left")
                     : hold_and_run(call, handle, &wanted, &run);
    }
    free(owner);
    return status;
}

static int run(const cli_call *call)
{
    dueq *handle;
    int status;

    if (call->tail != NULL && call->tail[0] == NULL)
        return say_usage("after -- a command is missing");
    if (call->tail == NULL && anything_for_command())
        return say_usage("that option goes with a command: dueq lock NAME ... -- CMD");
    status = open_servers(call, &handle);
    if (status == STATUS_DONE) {
        status = call->tail != NULL ? lock_and_run(call, handle) : look(call, handle);
        dueq_close(handle);
    }
    free(opt.urls.words);
    return status;
}

const cli_command cmd_lock = {
    .name = "lock",
    .operands = "NAME",
    .summary = "run a program while a lock is held",
    .details =
        "CMD runs while this machine, of all, holds the lock NAME, which is renewed meanwhile and\n"
        "released when CMD ends. DUEQ_LOCK_NAME and DUEQ_LOCK_TOKEN are in its environment. The\n"
        "status is CMD's, or 128 and the signal that ended it; 127 when there is no such program;\n"
        "5 when another holds the lock and CMD was not run; 4 when the lock was lost while CMD\n"
        "ran, which got a signal then.\n"
        "\n"
        "Without CMD: who holds the lock, and how long still. The status is 3 when nobody does.\n"
        "\n"
        "A lock with a time limit does not by itself keep a late writer out: what CMD writes to\n"
        "must refuse a token smaller than one that it has seen.",
    .options = options,
    .operands_min = 1,
    .operands_max = 1,
    .keeps_tail = true,
    .run = run,
};
