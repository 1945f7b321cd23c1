/* Starting and ending child processes with posix_spawn(), which is safe beside other threads and
 * tells a failed exec as an error. Knows no task and no worker. */
#include "work/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void dq_child_close(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* A folder may be "executed" too, as far as access() knows. */
static int look_at(const char *path)
{
    struct stat found;
    if (stat(path, &found) < 0 || access(path, X_OK) < 0) return errno;
    return S_ISREG(found.st_mode) ? 0 : EACCES;
}

int dq_child_look_up(const char *program)
{
    const char *path = getenv("PATH");
    if (strchr(program, '/') != NULL) return look_at(program);
    int error = ENOENT;
    for (const char *at = path == NULL ? "/bin:/usr/bin" : path; at != NULL;) {
        char whole[PATH_MAX];
        int len = (int)strcspn(at, ":");
        snprintf(whole, sizeof whole, "%.*s%s%s", len, at, len > 0 ? "/" : "", program);
        int its_error = look_at(whole);
        if (its_error == 0) return 0;
        if (its_error != ENOENT && its_error != ENOTDIR) error = its_error;
        at = at[len] == ':' ? at + len + 1 : NULL;
    }
    return error;
}

/* A descriptor above the standard three: a host that closed its stdin must not have the child's
 * dup2() calls run over each other. */
static int move_up(int *fd)
{
    if (*fd > STDERR_FILENO) return 0;
    int higher = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (higher < 0) return errno;
    close(*fd);
    *fd = higher;
    return 0;
}

/* ends[0] is read from, ends[1] written to. `ours` is the end that must not block; the child's
 * does, as programs expect. */
static int open_pipe(int ends[2], int ours)
{
    ends[0] = ends[1] = -1;
    if (pipe2(ends, O_CLOEXEC) < 0) return errno;
    int error = move_up(&ends[0]);
    if (error == 0) error = move_up(&ends[1]);
    if (error == 0 && fcntl(ends[ours], F_SETFL, O_NONBLOCK) < 0) error = errno;
    return error;
}

/* The child starts as if from a shell: no signal blocked, SIGPIPE deadly, a group of its own. */
static int set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    int error = posix_spawnattr_setsigmask(attributes, &none);
    if (error == 0) error = posix_spawnattr_setsigdefault(attributes, &defaults);
    if (error == 0) error = posix_spawnattr_setpgroup(attributes, 0);
    if (error != 0) return error;
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                    POSIX_SPAWN_SETPGROUP);
}

/* The three ends that the child gets, by the numbers it gets them under; -1: it keeps ours. */
typedef int standard_fds[3];

static int redirect_all(posix_spawn_file_actions_t *actions, const standard_fds fds)
{
    int error = 0;
    for (int number = 0; number < 3 && error == 0; number++) {
        if (fds[number] >= 0) {
            error = posix_spawn_file_actions_adddup2(actions, fds[number], number);
        }
    }
    return error;
}

static int spawn(pid_t *pid, const dq_child_options *options, const standard_fds fds)
{
    posix_spawnattr_t attributes;
    int error = posix_spawnattr_init(&attributes);
    if (error != 0) return error;
    posix_spawn_file_actions_t actions;
    error = posix_spawn_file_actions_init(&actions);
    if (error != 0) goto destroy_attributes;

    error = set_attributes(&attributes);
    if (error == 0) error = redirect_all(&actions, fds);
    if (error == 0) {
        error = posix_spawnp(pid, options->command[0], &actions, &attributes, options->command,
                             options->environment);
    }
    posix_spawn_file_actions_destroy(&actions);
destroy_attributes:
    posix_spawnattr_destroy(&attributes);
    return error;
}

static int open_pid_fd(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    return -1;
#endif
}

int dq_child_start(dq_child *child, const dq_child_options *options)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
    *child = (dq_child){.pid_fd = -1, .in_fd = -1, .out_fd = -1, .err_fd = -1};
    int error = open_pipe(in, 1);
    if (error == 0 && options->reads_stdout) error = open_pipe(out, 0);
    if (error == 0) error = open_pipe(err, 0);
    if (error == 0) {
        const standard_fds fds = {in[0], out[1], err[1]};
        error = spawn(&child->pid, options, fds);
    }
    dq_child_close(&in[0]);
    dq_child_close(&out[1]);
    dq_child_close(&err[1]);
    if (error != 0) {
        dq_child_close(&in[1]);
        dq_child_close(&out[0]);
        dq_child_close(&err[0]);
        child->pid = 0;
        return error;
    }
    child->in_fd = in[1];
    child->out_fd = out[0];
    child->err_fd = err[0];
    child->pid_fd = open_pid_fd(child->pid);
    return 0;
}

bool dq_child_exited(const dq_child *child)
{
    siginfo_t info = {0};
    int rc;
    do {
        rc = waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    } while (rc < 0 && errno == EINTR);
    return rc < 0 || info.si_pid == child->pid;
}

void dq_child_signal(const dq_child *child, int signal_number)
{
    if (child->pid > 0) kill(-child->pid, signal_number);
}

void dq_child_signal_alone(const dq_child *child, int signal_number)
{
    if (child->pid > 0) kill(child->pid, signal_number);
}

dq_child_end dq_child_reap(dq_child *child)
{
    siginfo_t info = {0};
    int rc;
    do {
        rc = waitid(P_PID, (id_t)child->pid, &info, WEXITED);
    } while (rc < 0 && errno == EINTR);
    child->pid = 0;
    dq_child_close(&child->pid_fd);
    return (dq_child_end){
        .known = rc == 0, .signalled = info.si_code != CLD_EXITED, .number = info.si_status};
}

/* ---- Saying what happened ---- */

void dq_child_describe_end(dq_child_end end, dq_buf *text)
{
    if (!end.known) {
        dq_buf_add_text(text, "exit status unknown: the host program waits for all children");
    } else if (end.signalled) {
        const char *name = sigabbrev_np(end.number);
        dq_buf_printf(text, "killed by signal %d (SIG%s)", end.number, name ? name : "?");
    } else {
        dq_buf_printf(text, "exit %d", end.number);
    }
}

void dq_child_describe_failure(const char *program, int error, dq_buf *text)
{
    char why[256];
    dq_buf_add_text(text, "cannot start ");
    dq_buf_add_escaped(text, program, strlen(program));
    dq_buf_printf(text, ": %s", strerror_r(error, why, sizeof why));
}
