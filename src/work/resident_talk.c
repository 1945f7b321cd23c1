/* Moving bytes to and from one long-lived process, and hearing its answers. Partial writes, partial
 * lines, floods: all bounded, nothing blocks. */
#include "work/resident_talk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "work/stdio_lines.h"

#define OUT_ENOUGH_LEN 65536 /* bytes not taken by its stdin yet: it is given no more tasks then */
#define READ_LEN 16384       /* bytes of its stdout that are read at a time */
#define DRAIN_LEN_MAX 1048576
#define SHOWN_LEN_MAX 200 /* bytes of a line that are shown in the log */

/* ---- To its stdin ---- */

static size_t pending_len(const dq_resident *r)
{
    return r->out.len - r->out_at;
}

bool dq_resident_is_choked(const dq_resident *r)
{
    return pending_len(r) >= OUT_ENOUGH_LEN;
}

uint64_t dq_resident_end_of_lines(const dq_resident *r)
{
    return r->sent_len + pending_len(r);
}

/* Drops what was sent, so that the buffer does not grow while it is never quite empty; keeps no
 * memory that only a large payload needed. */
static void drop_sent(dq_resident *r)
{
    size_t left = pending_len(r);
    if (left == 0 && r->out.cap > OUT_ENOUGH_LEN * 2) {
        dq_buf_clear(&r->out);
    } else if (r->out_at > 0) {
        memmove(r->out.data, r->out.data + r->out_at, left);
        r->out.len = left;
        r->out.data[left] = '\0';
    }
    r->out_at = 0;
}

bool dq_resident_write_task(dq_resident *r, dueq_job *job)
{
    drop_sent(r);
    return dq_stdio_add_task(&r->out, job->queue, job->task);
}

/* A process that goes untold for want of memory loses nothing: its answer will not count. */
void dq_resident_tell_lost(dq_resident *r, dq_resident_task *task)
{
    if (task->told_lost) return;
    task->told_lost = true;
    if (r->child.in_fd < 0) return;
    drop_sent(r);
    dq_stdio_add_lost(&r->out, task->job->task);
}

/* How much of what was sent the process has read: the rest is in the pipe still. */
static uint64_t read_len(const dq_resident *r)
{
    int unread_len = 0;
    if (r->child.in_fd < 0) return r->read_len;
    if (ioctl(r->child.in_fd, FIONREAD, &unread_len) < 0) unread_len = 0;
    return r->sent_len - (uint64_t)unread_len;
}

void dq_resident_close_stdin(dq_resident *r)
{
    if (r->child.in_fd < 0) return;
    r->read_len = read_len(r);
    dq_child_close(&r->child.in_fd);
    r->out_at = r->out.len;
    drop_sent(r);
}

/* What it has not read it will not read any more: those tasks go back. It may answer the others. */
static void stdin_is_refused(dq_resident *r)
{
    dq_fault_set(&r->complaint, DUEQ_EPROTO, "closed its stdin and went on");
    dq_resident_leave(r);
    while (r->task_count > 0 && r->tasks[r->task_count - 1].line_at >= r->read_len) {
        dq_resident_return(r, r->task_count - 1, DUEQ_VERDICT_RELEASE);
    }
}

void dq_resident_send(dq_resident *r)
{
    while (r->child.in_fd >= 0 && pending_len(r) > 0) {
        ssize_t len = write(r->child.in_fd, r->out.data + r->out_at, pending_len(r));
        if (len < 0 && errno == EINTR) continue;
        if (len < 0 && errno == EAGAIN) return;
        if (len < 0) {
            stdin_is_refused(r);
            return;
        }
        r->out_at += (size_t)len;
        r->sent_len += (uint64_t)len;
    }
    drop_sent(r);
}

/* ---- Answers ---- */

static void complain(dq_resident *r, const char *why, const char *line, size_t line_len)
{
    dq_log_entry entry;
    dq_fault_set(&r->complaint, DUEQ_EPROTO, "bad answer: %s", why);
    if (dq_log_begin(r->plan->log, &entry, DUEQ_LOG_WARN, "bad answer")) {
        dq_log_add_int(&entry, "pid", r->child.pid);
        dq_log_add_text(&entry, "error", why);
        dq_log_add(&entry, "line", line, line_len < SHOWN_LEN_MAX ? line_len : SHOWN_LEN_MAX);
        dq_log_send(&entry);
    }
    dq_child_close(&r->child.out_fd);
    dq_resident_break(r);
}

static void say_unexpected(const dq_resident *r, const char *line, size_t line_len)
{
    dq_log_entry entry;
    if (!dq_log_begin(r->plan->log, &entry, DUEQ_LOG_WARN, "unexpected answer")) return;
    dq_log_add_int(&entry, "pid", r->child.pid);
    dq_log_add_text(&entry, "error", "for a task that the process does not have");
    dq_log_add(&entry, "line", line, line_len < SHOWN_LEN_MAX ? line_len : SHOWN_LEN_MAX);
    dq_log_send(&entry);
}

/* The place of the task that it is about; task_count: there is none. A task whose line the process
 * cannot have read yet is none of its tasks: an answer too many must not finish the next one. */
static size_t find_task(const dq_resident *r, const dq_stdio_answer *answer)
{
    uint64_t seen_len = r->child.in_fd < 0 ? r->sent_len : read_len(r);
    bool names_one = dq_stdio_names_a_task(answer);
    for (size_t i = 0; i < r->task_count && r->tasks[i].line_at < seen_len; i++) {
        if (!names_one || dq_stdio_is_about(answer, r->tasks[i].job->task)) return i;
    }
    return r->task_count;
}

static void take_answer(dq_resident *r, size_t at, const dq_stdio_answer *answer)
{
    dueq_job *job = r->tasks[at].job;
    if (answer->delay_ms >= 0) dueq_job_set_delay(job, answer->delay_ms);
    if (answer->error.bytes != NULL) dq_job_set_error(job, answer->error.bytes, answer->error.len);
    r->answered = true;
    r->failures = 0;
    dq_resident_return(r, at, answer->verdict);
}

static void hear_line(dq_resident *r, const char *line, size_t line_len)
{
    dq_stdio_answer answer;
    dq_fault wrong = {0};
    if (dq_stdio_read_answer(&answer, line, line_len, &wrong) < 0) {
        complain(r, wrong.text, line, line_len);
    } else if (!dq_stdio_names_a_task(&answer) && r->task_count > 1) {
        complain(r, "it names neither \"receipt\" nor \"id\", and the process has several tasks",
                 line, line_len);
    } else {
        size_t at = find_task(r, &answer);
        if (at < r->task_count) {
            take_answer(r, at, &answer);
        } else {
            say_unexpected(r, line, line_len);
        }
    }
    dq_stdio_clear_answer(&answer);
}

/* Adds to the line; false when it does not fit. */
static bool extend_line(dq_resident *r, const char *bytes, size_t len)
{
    if (len <= DQ_STDIO_LINE_MAX - r->line.len && dq_buf_add(&r->line, bytes, len)) return true;
    char why[64];
    snprintf(why, sizeof why, "a line of more than %d bytes", DQ_STDIO_LINE_MAX);
    complain(r, r->line.failed ? "out of memory" : why, r->line.data, r->line.len);
    return false;
}

static void hear_bytes(dq_resident *r, const char *bytes, size_t len)
{
    while (len > 0 && r->child.out_fd >= 0) {
        const char *end = memchr(bytes, '\n', len);
        size_t part_len = end == NULL ? len : (size_t)(end - bytes);
        if (!extend_line(r, bytes, part_len)) return;
        if (end == NULL) return;
        hear_line(r, r->line.data, r->line.len);
        dq_buf_reset(&r->line);
        bytes = end + 1;
        len -= part_len + 1;
    }
}

/* Reads once. False when there is nothing to be had now, or ever. */
static bool read_stdout(dq_resident *r)
{
    char bytes[READ_LEN];
    if (r->child.out_fd < 0) return false;
    ssize_t len = read(r->child.out_fd, bytes, sizeof bytes);
    if (len < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (len <= 0) {
        dq_child_close(&r->child.out_fd);
        return false;
    }
    hear_bytes(r, bytes, (size_t)len);
    return true;
}

void dq_resident_drain_stdout(dq_resident *r)
{
    for (size_t read = 0; read < DRAIN_LEN_MAX && read_stdout(r); read += READ_LEN) {}
    dq_child_close(&r->child.out_fd);
    dq_buf_clear(&r->line);
}

/* The end of its stdout while it is up: it is exiting, or can answer nothing any more. */
static void hear_stdout(dq_resident *r)
{
    read_stdout(r);
    if (r->child.out_fd >= 0 || r->stage != DQ_RESIDENT_UP) return;
    dq_fault_set(&r->complaint, DUEQ_EPROTO, "closed its stdout and went on");
    dq_resident_leave(r);
}

/* ---- Polling ---- */

void dq_resident_poll(const dq_resident *r, struct pollfd fds[DQ_RESIDENT_FDS])
{
    bool stuck = dq_said_is_full(&r->said);
    fds[0] = (struct pollfd){.fd = r->exited ? -1 : r->child.pid_fd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = pending_len(r) > 0 ? r->child.in_fd : -1, .events = POLLOUT};
    fds[2] = (struct pollfd){.fd = r->child.out_fd, .events = POLLIN};
    fds[3] = (struct pollfd){.fd = stuck ? -1 : r->child.err_fd, .events = POLLIN};
}

void dq_resident_exchange(dq_resident *r, const struct pollfd fds[DQ_RESIDENT_FDS])
{
    if (r->stage == DQ_RESIDENT_DOWN) return;
    if (fds[1].revents != 0) dq_resident_send(r);
    if (fds[2].revents != 0) hear_stdout(r);
    if (fds[3].revents != 0) dq_said_read(&r->said, &r->child.err_fd);
    if (!r->exited && (fds[0].revents != 0 || r->child.pid_fd < 0)) {
        r->exited = dq_child_exited(&r->child);
    }
    dq_said_pass_on(&r->said, r->exited);
}
