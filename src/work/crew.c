/* Setting up whoever the options say is to handle. */
#include "work/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "work/child.h"
#include "work/environment.h"

#define SPARE_FDS 32 /* for the connections, the standard three, and the host's own few */

size_t dq_crew_room(const dueq_worker_options *options)
{
    size_t each = options->stdio ? (size_t)options->window : 1;
    return (size_t)options->concurrency * each;
}

/* ---- What programs need ---- */

static int check_descriptors(size_t process_count, dq_fault *fault)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)process_count * DQ_PROCESS_FDS + SPARE_FDS;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed) return DUEQ_OK;
    return dq_fault_set(fault, DUEQ_ESYSTEM,
                        "%zu processes at a time need %llu open files; the limit is %llu "
                        "(ulimit -n)",
                        process_count, (unsigned long long)needed,
                        (unsigned long long)limit.rlim_cur);
}

/* Where the host has its children reaped unseen, no exit status would ever be had. */
static int check_children(dq_fault *fault)
{
    struct sigaction action;
    bool unseen = sigaction(SIGCHLD, NULL, &action) == 0 &&
                  (action.sa_handler == SIG_IGN || (action.sa_flags & SA_NOCLDWAIT) != 0);
    if (!unseen) return DUEQ_OK;
    return dq_fault_set(fault, DUEQ_ESYSTEM,
                        "SIGCHLD is ignored, so that the exit status of a program is lost: set it "
                        "to SIG_DFL, without SA_NOCLDWAIT");
}

static int ready_for_programs(dq_crew *crew, size_t process_count, dq_fault *fault)
{
    int rc = check_descriptors(process_count, fault);
    if (rc == DUEQ_OK) rc = check_children(fault);
    if (rc < 0) return rc;
    crew->environment = dq_environment_base(environ);
    return crew->environment != NULL ? DUEQ_OK : dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
}

/* ---- The kinds of crew ---- */

static int open_threads(dq_crew *crew, const dq_crew_options *o, dq_fault *fault)
{
    dq_pool_options options = {
        .thread_count = crew->room,
        .handler = o->worker->handler,
        .context = o->worker->handler_context,
        .desk = crew->desk,
    };
    return dq_pool_open(&crew->pool, &options, fault);
}

static int open_processes(dq_crew *crew, const dq_crew_options *o, dq_fault *fault)
{
    int rc = ready_for_programs(crew, crew->room, fault);
    if (rc < 0) return rc;
    crew->plan = (dq_process_plan){.command = o->worker->command,
                                   .environment = crew->environment,
                                   .timeout_ms = o->worker->timeout_ms,
                                   .grace_ms = o->worker->grace_ms,
                                   .lost_signal = o->worker->lost_signal};
    dq_pool_options options = {
        .thread_count = crew->room,
        .handler = dq_process_handle,
        .context = &crew->plan,
        .takes_orders = true,
        .desk = crew->desk,
    };
    return dq_pool_open(&crew->pool, &options, fault);
}

/* Tasks wait for a long-lived program that cannot be started: one that is not there is better told
 * at once. */
static int check_program(const char *program, dq_fault *fault)
{
    int error = dq_child_look_up(program);
    if (error == 0) return DUEQ_OK;
    dq_buf text = {0};
    dq_child_describe_failure(program, error, &text);
    dq_fault_set(fault, DUEQ_ESYSTEM, "%s", text.failed ? "out of memory" : text.data);
    dq_buf_clear(&text);
    return DUEQ_ESYSTEM;
}

static int open_stdio(dq_crew *crew, const dq_crew_options *o, dq_fault *fault)
{
    size_t process_count = (size_t)o->worker->concurrency;
    int rc = check_program(o->worker->command[0], fault);
    if (rc == DUEQ_OK) rc = ready_for_programs(crew, process_count, fault);
    if (rc < 0) return rc;
    dq_stdio_options options = {
        .command = o->worker->command,
        .environment = crew->environment,
        .process_count = process_count,
        .window = (size_t)o->worker->window,
        .timeout_ms = o->worker->timeout_ms,
        .grace_ms = o->worker->grace_ms,
        .desk = crew->desk,
        .nudge_fd = crew->nudge_fd,
        .stops = o->stops,
        .log = o->log,
    };
    return dq_stdio_open(&crew->stdio, &options, fault);
}

static int open_http(dq_crew *crew, const dq_crew_options *o, dq_fault *fault)
{
    dq_http_options options = {
        .url = o->worker->http_url,
        .secret = o->worker->http_secret,
        .ca_file = o->worker->http_ca_file,
        .request_count = crew->room,
        .timeout_ms = o->worker->timeout_ms,
        .desk = crew->desk,
        .nudge_fd = crew->nudge_fd,
        .log = o->log,
    };
    return dq_http_open(&crew->http, &options, fault);
}

/* ---- Opening, closing ---- */

static int open_desk(dq_crew *crew, const dq_crew_options *o, dq_fault *fault)
{
    bool one_thread = o->worker->stdio || o->worker->http_url != NULL;
    if (one_thread) {
        crew->nudge_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (crew->nudge_fd < 0)
            return dq_fault_set(fault, DUEQ_ESYSTEM, "cannot make an eventfd: %s", strerror(errno));
    }
    crew->desk = dq_desk_make(o->through_fd, crew->nudge_fd);
    return crew->desk != NULL ? DUEQ_OK : dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
}

int dq_crew_open(dq_crew *crew, const dq_crew_options *options, dq_fault *fault)
{
    *crew = (dq_crew){.room = dq_crew_room(options->worker), .nudge_fd = -1};
    int rc = open_desk(crew, options, fault);
    if (rc < 0) return rc;
    if (options->worker->http_url != NULL) return open_http(crew, options, fault);
    if (options->worker->stdio) return open_stdio(crew, options, fault);
    if (options->worker->command != NULL) return open_processes(crew, options, fault);
    return open_threads(crew, options, fault);
}

bool dq_crew_takes_orders(const dq_crew *crew)
{
    return crew->stdio != NULL || crew->http != NULL || crew->environment != NULL;
}

void dq_crew_close(dq_crew *crew)
{
    dq_pool_close(crew->pool);
    dq_stdio_close(crew->stdio);
    dq_http_close(crew->http);
    dq_desk_free(crew->desk);
    if (crew->desk != NULL && crew->nudge_fd >= 0) close(crew->nudge_fd);
    free(crew->environment);
    *crew = (dq_crew){.nudge_fd = -1};
}
