/* Private temporary folders with a keeper. The keeper is another program, not a thread or an exit
 * handler, so that it outlives a test that crashes. */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Unix socket paths hold 107 characters; the rest is for the names below the folder. */
#define FOLDER_LEN_MAX 60

/* What works in the folder, away from any terminal, is a server that a test has left. The test
 * itself, the keeper's parent, may be there as well. */
static const char KEEPER_SCRIPT[] =
    "cd /; read -r _\n"
    "find /proc/[0-9]*/cwd -maxdepth 0 -lname \"$1*\" | while read -r link; do\n"
    "    process=${link%/cwd}\n"
    "    [ \"$process\" != \"/proc/$PPID\" ] || continue\n"
    "    [ \"$(readlink \"$process/fd/0\")\" = /dev/null ] || continue\n"
    "    kill -KILL \"${process#/proc/}\"\n"
    "    while readlink \"$link\"; do :; done\n"
    "done\n"
    "rm -rf -- \"$1\"\n";

static void give_up(const char *doing)
{
    fprintf(stderr, "test folder: cannot %s: %s\n", doing, strerror(errno));
    exit(1);
}

static void become_keeper(int signal_fd, const char *path)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    int null_fd = open("/dev/null", O_RDWR);
    dup2(signal_fd, STDIN_FILENO);
    dup2(null_fd, STDOUT_FILENO);
    dup2(null_fd, STDERR_FILENO);
    unsetenv("LD_PRELOAD");
    execl("/bin/sh", "sh", "-c", KEEPER_SCRIPT, "keeper", path, (char *)NULL);
    _exit(127);
}

void folder_make(test_folder *folder)
{
    static const char NAME[] = "dueq-test-XXXXXX";
    const char *parent = getenv("TMPDIR");
    if (parent == NULL || parent[0] != '/' || strlen(parent) + sizeof NAME > FOLDER_LEN_MAX) {
        parent = "/tmp";
    }
    snprintf(folder->path, sizeof folder->path, "%s/%s", parent, NAME);
    if (mkdtemp(folder->path) == NULL) give_up("make a temporary folder");

    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) give_up("make a pipe");
    folder->keeper_pid = fork();
    if (folder->keeper_pid < 0) give_up("fork");
    if (folder->keeper_pid == 0) become_keeper(ends[0], folder->path);
    close(ends[0]);
    folder->keeper_fd = ends[1];
}

void folder_free(test_folder *folder)
{
    if (write(folder->keeper_fd, "\n", 1) != 1) give_up("wake the keeper of a folder");
    close(folder->keeper_fd);
    while (waitpid(folder->keeper_pid, NULL, 0) < 0 && errno == EINTR) {}
}
