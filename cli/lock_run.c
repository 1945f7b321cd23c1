/* One program, from its start to its end, beside a lock that may be lost. */
#include "lock_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "say.h"

#define NEVER_MS INT64_MAX
#define LOOK_MS 60000 /* nothing is waited for longer, just in case */

enum { STATUS_NOT_RUNNABLE = 126, STATUS_NOT_FOUND = 127, STATUS_SIGNAL = 128 };

/* The mask that the program is to start with: ours before we heard signals. */
static sigset_t mask_before;

/* Holds: until it is reaped, `pid` is the program or its remains, so that signalling it hits no
 * stranger. */
typedef struct child {
    const lock_run *run;
    pid_t pid;
    bool own_group; /* it leads one, and all that it started is signalled with it */
    bool lost;
    int64_t kill_at_ms;
} child;

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Signals ---- */

int lock_run_hear_signals(void)
{
    static const int heard[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD};
    sigset_t set;

    signal(SIGCHLD, SIG_DFL); /* a parent may have left it ignored: no exit status would be had */
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++) sigaddset(&set, heard[i]);
    if (sigprocmask(SIG_BLOCK, &set, &mask_before) < 0) return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool read_signal(int signal_fd, struct signalfd_siginfo *info)
{
    return read(signal_fd, info, sizeof(*info)) == (ssize_t)sizeof(*info);
}

int lock_run_heard(int signal_fd)
{
    struct signalfd_siginfo info;

    return read_signal(signal_fd, &info) ? (int)info.ssi_signo : 0;
}

static void send(const child *c, int number)
{
    kill(c->own_group ? -c->pid : c->pid, number);
}

/* What a terminal sends, it sends to the program as well when that is in our group. */
static void pass_on(const child *c)
{
    struct signalfd_siginfo info;

    while (read_signal(c->run->signal_fd, &info)) {
        bool by_terminal = info.ssi_code == SI_KERNEL && !c->own_group;

        if (info.ssi_signo != SIGCHLD && !by_terminal) send(c, (int)info.ssi_signo);
    }
}

/* ---- Starting ---- */

/* In the child. It ends with us: nobody would renew the lock then. */
static void become_command(const child *c, pid_t parent, int error_fd)
{
    int error;

    if (c->own_group) setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, c->run->lost_signal);
    if (getppid() != parent) _exit(STATUS_NOT_RUNNABLE);
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
    execvp(c->run->command[0], c->run->command);
    error = errno;
    if (write(error_fd, &error, sizeof(error)) < 0) _exit(STATUS_NOT_RUNNABLE);
    _exit(STATUS_NOT_FOUND);
}

/* 0 or an errno. */
static int start(child *c)
{
    int ends[2], error = 0;
    pid_t parent = getpid();
    ssize_t len;

    if (pipe2(ends, O_CLOEXEC) < 0) return errno;
    c->pid = fork();
    if (c->pid == 0) become_command(c, parent, ends[1]);
    if (c->pid < 0) error = errno;
    close(ends[1]);
    if (c->pid > 0) {
        if (c->own_group) setpgid(c->pid, c->pid); /* whoever comes first */
        do {
            len = read(ends[0], &error, sizeof(error));
        } while (len < 0 && errno == EINTR);
        if (len != (ssize_t)sizeof(error)) error = 0;
        if (error != 0) waitpid(c->pid, NULL, 0);
    }
    close(ends[0]);
    return error;
}

static int cannot_start(const char *program, int error)
{
    say_note("cannot start %s: %s", program, strerror(error));
    return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_RUNNABLE;
}

/* ---- Watching ---- */

static void hear_loss(child *c)
{
    c->lost = true;
    send(c, c->run->lost_signal);
    send(c, SIGCONT); /* a stopped program would not hear it */
    c->kill_at_ms = now_ms() + c->run->grace_ms;
}

static void keep_grace(child *c)
{
    if (now_ms() < c->kill_at_ms) return;
    c->kill_at_ms = NEVER_MS;
    send(c, SIGKILL);
}

static void wait_for_something(const child *c)
{
    struct pollfd fds[] = {{.fd = c->run->signal_fd, .events = POLLIN},
                           {.fd = c->lost ? -1 : c->run->lost_fd, .events = POLLIN}};
    int64_t left_ms = c->kill_at_ms - now_ms();

    if (left_ms < 0) left_ms = 0;
    poll(fds, 2, left_ms > LOOK_MS ? LOOK_MS : (int)left_ms);
}

static bool is_lost(const child *c)
{
    struct pollfd fd = {.fd = c->run->lost_fd, .events = POLLIN};

    return poll(&fd, 1, 0) > 0;
}

/* Leaves it unreaped. */
static bool has_exited(const child *c)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
           info.si_pid == c->pid;
}

static int reap(const child *c)
{
    int status = 0;

    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR) {}
    return WIFSIGNALED(status) ? STATUS_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}

lock_run_end lock_run_command(const lock_run *run)
{
    /* A program that talks to a terminal must stay in the group that has it. */
    child c = {.run = run, .own_group = !isatty(STDIN_FILENO), .kill_at_ms = NEVER_MS};
    int error = start(&c);

    if (error != 0) return (lock_run_end){.status = cannot_start(run->command[0], error)};
    while (!has_exited(&c)) {
        wait_for_something(&c);
        pass_on(&c);
        if (!c.lost && is_lost(&c)) hear_loss(&c);
        keep_grace(&c);
    }
    if (c.lost && c.own_group) send(&c, SIGKILL); /* nothing it left running may go on */
    return (lock_run_end){.status = reap(&c), .lost = c.lost};
}
