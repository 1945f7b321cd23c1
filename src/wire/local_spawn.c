/* Making an embedded server's process, one that owes nothing to its starter: own session, no
 * terminal, none of the starter's descriptors, default signals, its own folder. */
#include "wire/local_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 65536 /* how many are closed one by one where close_range is missing */

/* What the new process needs; all made before the fork, since after it only async-signal-safe
 * calls are allowed. None of the descriptors is 0, 1 or 2. */
typedef struct birth {
    const char *dir;
    char program[PATH_MAX]; /* not const, as exec wants its words */
    int null_fd;
    int log_fd;
    int lifeline_fd;
    int report_fd; /* gets the report of a failure; its end without one means that exec went well */
} birth;

/* A descriptor in place of `fd` that dup2() to the standard ones does not hit: a starter may have
 * those closed. -1 stays -1. */
static int above_stderr(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO) return fd;
    int high_fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return high_fd;
}

typedef enum birth_stage { STAGE_FORK, STAGE_FOLDER, STAGE_LIFELINE, STAGE_EXEC } birth_stage;

typedef struct birth_report {
    birth_stage stage;
    int cause;
} birth_report;

static _Noreturn void report_failure(const birth *b, birth_stage stage)
{
    birth_report report = {.stage = stage, .cause = errno};
    ssize_t ignored = write(b->report_fd, &report, sizeof report);
    (void)ignored;
    _exit(1);
}

static void close_between(int first, int last)
{
    if (first > last || close_range((unsigned)first, (unsigned)last, 0) == 0) return;
    for (int fd = first; fd <= last && fd < DESCRIPTORS_MAX; fd++) {
        close(fd);
    }
}

/* Closes all from 3 on but two. */
static void close_others(int keep_a, int keep_b)
{
    int low = keep_a < keep_b ? keep_a : keep_b;
    int high = keep_a < keep_b ? keep_b : keep_a;
    close_between(STDERR_FILENO + 1, low - 1);
    close_between(low + 1, high - 1);
    close_between(high + 1, INT_MAX);
}

static void reset_signals(void)
{
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) {
        sigaction(number, &by_default, NULL); /* KILL, STOP and libc's own refuse: fine */
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The lifeline is a record lock: it belongs to this very process, survives exec, is not inherited
 * by children that rewrite the file, ends with the process however it ends, and the kernel tells
 * anybody the holder's pid. */
static bool hold_lifeline(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_SETFD, 0) == 0 && fcntl(fd, F_SETLK, &lock) == 0;
}

static _Noreturn void become_server(birth *b)
{
    char config[] = DQ_PLACE_CONFIG;
    char *const words[] = {b->program, config, NULL};

    reset_signals();
    dup2(b->null_fd, STDIN_FILENO);
    dup2(b->log_fd, STDOUT_FILENO);
    dup2(b->log_fd, STDERR_FILENO);
    close_others(b->lifeline_fd, b->report_fd);
    umask(077);
    if (chdir(b->dir) < 0) report_failure(b, STAGE_FOLDER);
    if (!hold_lifeline(b->lifeline_fd)) report_failure(b, STAGE_LIFELINE);
    execv(b->program, words);
    report_failure(b, STAGE_EXEC);
}

/* The process between: it leaves the starter's session and terminal, and by ending at once leaves
 * the server without a parent that would have to reap it. */
static _Noreturn void become_parent(birth *b)
{
    setsid();
    pid_t pid = fork();
    if (pid == 0) become_server(b);
    if (pid < 0) report_failure(b, STAGE_FORK);
    _exit(0);
}

/* Forks with all signals blocked, so that no handler of the program's runs in the child. */
static pid_t fork_quietly(birth *b)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pid_t pid = fork();
    if (pid == 0) become_parent(b);
    int cause = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = cause;
    return pid;
}

static int read_report(const birth *b, int report_fd, dq_fault *fault)
{
    static const char *const DOING[] = {
        [STAGE_FORK] = "fork for",
        [STAGE_FOLDER] = "enter the folder for",
        [STAGE_LIFELINE] = "lock " DQ_PLACE_LIFELINE " for",
        [STAGE_EXEC] = "run",
    };
    birth_report report;
    ssize_t count;
    do {
        count = read(report_fd, &report, sizeof report);
    } while (count < 0 && errno == EINTR);
    if (count != (ssize_t)sizeof report) return DUEQ_OK;
    /* A server of a starter that was killed half way: as good as ours. */
    bool held = report.cause == EAGAIN || report.cause == EACCES;
    if (report.stage == STAGE_LIFELINE && held) return DUEQ_OK;
    return dq_fault_set(fault, DUEQ_ESYSTEM, "cannot %s %s: %s", DOING[report.stage], b->program,
                        strerror(report.cause));
}

static int give_birth(birth *b, dq_fault *fault)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return dq_fault_set(fault, DUEQ_ESYSTEM, "cannot make a pipe: %s", strerror(errno));
    }
    b->report_fd = above_stderr(ends[1]);
    int rc = DUEQ_OK;
    pid_t pid = b->report_fd < 0 ? -1 : fork_quietly(b);
    int cause = errno;
    if (b->report_fd >= 0) close(b->report_fd);
    if (pid < 0) {
        rc = dq_fault_set(fault, DUEQ_ESYSTEM, "cannot fork: %s", strerror(cause));
    } else {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
        rc = read_report(b, ends[0], fault);
    }
    close(ends[0]);
    return rc;
}

int dq_spawn_server(const dq_place *place, const char *program, int log_fd, dq_fault *fault)
{
    birth b = {.dir = place->dir};
    snprintf(b.program, sizeof b.program, "%s", program);
    b.log_fd = fcntl(log_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    b.null_fd = above_stderr(open("/dev/null", O_RDONLY | O_CLOEXEC));
    b.lifeline_fd = above_stderr(dq_place_open_file(place, DQ_PLACE_LIFELINE, O_RDWR | O_CREAT));
    int rc;
    if (b.log_fd < 0 || b.null_fd < 0 || b.lifeline_fd < 0) {
        rc = dq_fault_set(fault, DUEQ_ESYSTEM, "cannot open %s/" DQ_PLACE_LIFELINE ": %s",
                          place->dir, strerror(errno));
    } else {
        rc = give_birth(&b, fault);
    }
    if (b.lifeline_fd >= 0) close(b.lifeline_fd);
    if (b.null_fd >= 0) close(b.null_fd);
    if (b.log_fd >= 0) close(b.log_fd);
    return rc;
}
