/* Starting, sharing, stopping and looking at the embedded server.
 *
 * What is believed, and nothing else: what answers on the socket, and who holds the lifeline (a
 * lock that ends with the server's process). So a stale socket, an old pid file or a reused pid
 * mislead nobody, and no two servers ever write to one folder. */
#include "wire/local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/local_log.h"
#include "wire/local_look.h"
#include "wire/local_setup.h"
#include "wire/local_spawn.h"

#define LISTEN_WAIT_MS 20000                         /* from exec to the first answer */
#define LOAD_WAIT_MS 300000                          /* for the data to be read */
#define SILENT_WAIT_MS 4000                          /* for one that listens, but does not answer */
#define STOP_WAIT_MS 60000                           /* for the process to be gone */
#define GATE_WAIT_MS (LOAD_WAIT_MS + LISTEN_WAIT_MS) /* for another who starts or stops it */
#define LOOK_EVERY_MS 5

/* Everything about one call. */
typedef struct visit {
    dq_place place;
    dq_look look;
    int gate_fd;    /* -1 while not held */
    bool launched;  /* by this call */
    off_t log_from; /* where the launch's part of the log begins */
    char program[PATH_MAX];
} visit;

static int look_again(visit *v, dq_fault *fault)
{
    return dq_look_at(&v->place, &v->look, fault);
}

static bool nobody_there(const visit *v)
{
    return v->look.state == DQ_LOOK_ABSENT && v->look.pid == 0;
}

/* False once the deadline has passed; else a moment later. */
static bool wait_a_moment(int64_t deadline_us)
{
    if (dq_mono_us() >= deadline_us) return false;
    poll(NULL, 0, LOOK_EVERY_MS);
    return true;
}

/* ---- The gate: one starts or stops at a time ------------------------------------------------- */

static int open_gate(visit *v, dq_fault *fault)
{
    v->gate_fd = dq_place_open_file(&v->place, DQ_PLACE_GATE, O_RDWR | O_CREAT);
    if (v->gate_fd >= 0) return DUEQ_OK;
    return dq_fault_set(fault, DUEQ_ESYSTEM, "cannot open %s/" DQ_PLACE_GATE ": %s", v->place.dir,
                        strerror(errno));
}

/* Waits to be let in alone; with `or_ready`, at most until the server is ready. */
static int enter_gate(visit *v, bool or_ready, dq_fault *fault)
{
    int64_t deadline_us = dq_deadline_us(GATE_WAIT_MS);
    int rc = open_gate(v, fault);
    while (rc == DUEQ_OK && flock(v->gate_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return dq_fault_set(fault, DUEQ_ESYSTEM, "cannot lock %s/" DQ_PLACE_GATE ": %s",
                                v->place.dir, strerror(errno));
        }
        if (!wait_a_moment(deadline_us)) {
            return dq_fault_set(fault, DUEQ_EUNREADY,
                                "another process has been starting or stopping the embedded "
                                "server of %s for %d seconds",
                                v->place.dir, GATE_WAIT_MS / 1000);
        }
        rc = look_again(v, fault);
        if (or_ready && v->look.state == DQ_LOOK_READY) break;
    }
    return rc;
}

/* The lock is let go by name: a descriptor that another thread's fork took along would keep it. */
static void leave_gate(visit *v)
{
    if (v->gate_fd < 0) return;
    flock(v->gate_fd, LOCK_UN);
    close(v->gate_fd);
    v->gate_fd = -1;
}

/* ---- Telling --------------------------------------------------------------------------------- */

static int tell_silent(const visit *v, dq_fault *fault)
{
    return dq_fault_set(fault, DUEQ_EUNREADY,
                        "the embedded server of %s (pid %lld) does not answer: if it was stopped, "
                        "kill -CONT %lld",
                        v->place.dir, (long long)v->look.pid, (long long)v->look.pid);
}

static int tell_deaf(const visit *v, dq_fault *fault)
{
    if (v->look.pid < 0) {
        return dq_fault_set(fault, DUEQ_EUNREADY,
                            "the folder %s is in use by a server on another machine or in another "
                            "container",
                            v->place.dir);
    }
    return dq_fault_set(fault, DUEQ_EUNREADY,
                        "the embedded server of %s (pid %lld) runs, but its socket is gone: stop "
                        "it (dueq server stop), then start it again",
                        v->place.dir, (long long)v->look.pid);
}

static int tell_loading(const visit *v, int code, dq_fault *fault)
{
    return dq_fault_set(fault, code,
                        "the embedded server of %s (pid %lld) is still loading its data (%d %%)",
                        v->place.dir, (long long)v->look.pid, v->look.loaded_percent);
}

static void fill_info(const visit *v, dueq_server_info *info)
{
    *info = (dueq_server_info){.started = v->launched};
    info->running = !nobody_there(v);
    info->pid = v->look.pid > 0 ? v->look.pid : 0;
    snprintf(info->dir, sizeof info->dir, "%s", v->place.dir);
    snprintf(info->socket, sizeof info->socket, "%s", v->place.socket);
    snprintf(info->program, sizeof info->program, "%s",
             v->look.program[0] != '\0' ? v->look.program : v->program);
}

/* ---- Start ----------------------------------------------------------------------------------- */

static int launch(visit *v, dq_fault *fault)
{
    int rc = dq_setup_find_program(v->program, sizeof v->program, fault);
    if (rc == DUEQ_OK) rc = dq_setup_write_config(&v->place, fault);
    if (rc < 0) return rc;
    int log_fd = dq_log_open(&v->place, &v->log_from);
    if (log_fd < 0) {
        return dq_fault_set(fault, DUEQ_ESYSTEM, "cannot write %s/" DQ_PLACE_LOG ": %s",
                            v->place.dir, strerror(errno));
    }
    rc = dq_spawn_server(&v->place, v->program, log_fd, fault);
    close(log_fd);
    v->launched = rc == DUEQ_OK;
    return rc;
}

static int tell_ended(const visit *v, dq_fault *fault)
{
    if (v->launched) return dq_log_explain_end(&v->place, v->program, v->log_from, fault);
    return dq_fault_set(
        fault, DUEQ_ECONNECT,
        "the embedded server of %s ended while it was waited for (log: %s/" DQ_PLACE_LOG ")",
        v->place.dir, v->place.dir);
}

static int tell_late(const visit *v, dq_fault *fault)
{
    switch (v->look.state) {
    case DQ_LOOK_LOADING:
        return tell_loading(v, DUEQ_EUNREADY, fault);
    case DQ_LOOK_SILENT:
        return tell_silent(v, fault);
    case DQ_LOOK_ABSENT:
    case DQ_LOOK_READY:
        break;
    }
    return tell_deaf(v, fault);
}

/* Somebody is there, or was launched: waits until it is ready, has ended, or takes too long. */
static int wait_until_ready(visit *v, dq_fault *fault)
{
    const int64_t deadline_us[] = {
        [DQ_LOOK_ABSENT] = dq_deadline_us(LISTEN_WAIT_MS),
        [DQ_LOOK_SILENT] = dq_deadline_us(SILENT_WAIT_MS),
        [DQ_LOOK_LOADING] = dq_deadline_us(LOAD_WAIT_MS),
    };
    for (;;) {
        int rc = look_again(v, fault);
        if (rc < 0) return rc;
        if (v->look.state == DQ_LOOK_READY) return DUEQ_OK;
        if (nobody_there(v)) return tell_ended(v, fault);
        if (!wait_a_moment(deadline_us[v->look.state])) return tell_late(v, fault);
    }
}

/* Inside the gate, or ready already. */
static int make_ready(visit *v, dq_fault *fault)
{
    int rc = look_again(v, fault);
    if (rc < 0 || v->look.state == DQ_LOOK_READY) return rc;
    if (nobody_there(v)) rc = launch(v, fault);
    if (rc == DUEQ_OK) rc = wait_until_ready(v, fault);
    if (rc == DUEQ_OK && v->launched) dq_log_note(&v->place, v->log_from, fault);
    return rc;
}

int dq_local_start(const char *dir, dueq_server_info *info, dq_fault *fault)
{
    visit v = {.gate_fd = -1};
    dq_fault_clear(fault);
    int rc = dq_place_open(&v.place, dir, true, fault);
    if (rc == DUEQ_OK) rc = look_again(&v, fault);
    if (rc == DUEQ_OK && v.look.state != DQ_LOOK_READY) {
        rc = enter_gate(&v, true, fault);
        if (rc == DUEQ_OK) rc = make_ready(&v, fault);
        leave_gate(&v);
    }
    fill_info(&v, info);
    return rc;
}

/* ---- Stop ------------------------------------------------------------------------------------ */

/* Without its socket only a signal reaches it; the lifeline vouches for the pid. */
static int ask_to_end(visit *v, dq_fault *fault)
{
    if (v->look.state != DQ_LOOK_ABSENT) return dq_look_shut_down(&v->place, fault);
    if (v->look.pid > 0 && (kill((pid_t)v->look.pid, SIGTERM) == 0 || errno == ESRCH)) {
        return DUEQ_OK;
    }
    return tell_deaf(v, fault);
}

static int wait_until_gone(visit *v, dq_fault *fault)
{
    int64_t deadline_us = dq_deadline_us(STOP_WAIT_MS);
    long long pid = v->look.pid;
    for (;;) {
        int rc = look_again(v, fault);
        if (rc < 0 || nobody_there(v)) return rc;
        if (!wait_a_moment(deadline_us)) {
            return dq_fault_set(fault, DUEQ_EUNREADY,
                                "the embedded server of %s (pid %lld) was told to stop, but runs "
                                "on after %d seconds (log: %s/" DQ_PLACE_LOG ")",
                                v->place.dir, pid, STOP_WAIT_MS / 1000, v->place.dir);
        }
    }
}

static int stop_inside(visit *v, dueq_server_info *info, dq_fault *fault)
{
    int rc = look_again(v, fault);
    if (rc < 0) return rc;
    if (nobody_there(v)) return DUEQ_MISSING;
    fill_info(v, info);
    if (v->look.state == DQ_LOOK_SILENT) return tell_silent(v, fault);
    rc = ask_to_end(v, fault);
    if (rc == DUEQ_OK) rc = wait_until_gone(v, fault);
    info->running = rc != DUEQ_OK;
    return rc;
}

int dq_local_stop(const char *dir, dueq_server_info *info, dq_fault *fault)
{
    visit v = {.gate_fd = -1};
    dq_fault_clear(fault);
    int rc = dq_place_open(&v.place, dir, false, fault);
    fill_info(&v, info);
    if (rc != DUEQ_OK) return rc;
    rc = enter_gate(&v, false, fault);
    if (rc == DUEQ_OK) rc = stop_inside(&v, info, fault);
    leave_gate(&v);
    return rc;
}

/* ---- Status ---------------------------------------------------------------------------------- */

static int tell_status(const visit *v, dq_fault *fault)
{
    switch (v->look.state) {
    case DQ_LOOK_READY:
        return DUEQ_OK;
    case DQ_LOOK_LOADING:
        return tell_loading(v, DUEQ_OK, fault);
    case DQ_LOOK_SILENT:
        return tell_silent(v, fault);
    case DQ_LOOK_ABSENT:
        break;
    }
    return nobody_there(v) ? DUEQ_MISSING : tell_deaf(v, fault);
}

int dq_local_status(const char *dir, dueq_server_info *info, dq_fault *fault)
{
    visit v = {.gate_fd = -1};
    dq_fault_clear(fault);
    int rc = dq_place_open(&v.place, dir, false, fault);
    if (rc == DUEQ_OK) rc = look_again(&v, fault);
    if (rc == DUEQ_OK) rc = tell_status(&v, fault);
    fill_info(&v, info);
    return rc;
}
