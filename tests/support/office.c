/* The office: the engine's tests' desk, log, jobs and files. */
#include "office.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "work/environment.h"

static char **host_environment;
static test_folder folder;

/* ---- The office ---- */

static void keep_entry(void *context, const dueq_log_entry *entry)
{
    static const char *const levels[] = {[DUEQ_LOG_ERROR] = "error",
                                         [DUEQ_LOG_WARN] = "warn",
                                         [DUEQ_LOG_INFO] = "info",
                                         [DUEQ_LOG_DEBUG] = "debug"};
    office *o = context;
    size_t room = sizeof o->log_text - o->log_len;
    const char *level = levels[entry->level];
    int len = snprintf(o->log_text + o->log_len, room, "%s %s", level, entry->event);
    for (size_t i = 0; i < entry->field_count && (size_t)len < room; i++) {
        len += snprintf(o->log_text + o->log_len + len, room - (size_t)len, " %s=%s",
                        entry->fields[i].name, entry->fields[i].value);
    }
    if ((size_t)len + 1 < room) {
        o->log_len += (size_t)len;
        o->log_text[o->log_len++] = '\n';
    }
    o->log_text[o->log_len] = '\0';
}

bool office_logged(office *o, const char *text)
{
    pthread_mutex_lock(&o->log.lock);
    bool found = strstr(o->log_text, text) != NULL;
    pthread_mutex_unlock(&o->log.lock);
    return found;
}

office *office_open(const char *script, dq_stdio_options options)
{
    office *o = calloc(1, sizeof *o);
    o->script = strdup(script);
    char *const command[4] = {"sh", "-c", o->script, NULL};
    memcpy(o->command, command, sizeof command);
    o->jobs = calloc(OFFICE_JOBS_MAX, sizeof *o->jobs);
    o->tasks = calloc(OFFICE_JOBS_MAX, sizeof *o->tasks);
    o->through_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    o->nudge_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    o->desk = dq_desk_make(o->through_fd, o->nudge_fd);
    dq_log_init(&o->log, keep_entry, o, DUEQ_LOG_DEBUG);
    o->options = options;
    o->options.environment = host_environment;
    o->options.desk = o->desk;
    o->options.nudge_fd = o->nudge_fd;
    o->options.log = &o->log;
    if (options.command == NULL) o->options.command = o->command;
    if (options.process_count == 0) o->options.process_count = 1;
    if (options.window == 0) o->options.window = 1;
    if (options.grace_ms == 0) o->options.grace_ms = 60000;
    dq_fault fault = {0};
    assert_int_equal(dq_stdio_open(&o->stdio, &o->options, &fault), DUEQ_OK);
    return o;
}

static void office_collect(office *o)
{
    dq_job_list through = dq_desk_collect(o->desk);
    for (dueq_job *job; (job = dq_job_list_pop(&through)) != NULL;) {
        size_t at = (size_t)(job - o->jobs);
        assert_false(o->back[at]);
        o->back[at] = true;
        o->back_count++;
    }
}

void office_await(office *o, size_t count)
{
    int64_t deadline_ms = until_now_ms() + OFFICE_LONG_MS;
    for (office_collect(o); o->back_count < count; office_collect(o)) {
        struct pollfd fd = {.fd = o->through_fd, .events = POLLIN};
        if (poll(&fd, 1, (int)(deadline_ms - until_now_ms())) != 1) {
            fail_msg("%zu jobs are back, wanted %zu; the log:\n%s", o->back_count, count,
                     o->log_text);
        }
        eventfd_t ignored;
        eventfd_read(o->through_fd, &ignored);
    }
}

void office_close_engine(office *o)
{
    dq_stdio_close(o->stdio);
    o->stdio = NULL;
    office_collect(o);
}

void office_close(office *o)
{
    if (o->stdio != NULL) office_close_engine(o);
    assert_int_equal(o->back_count, o->job_count);
    dq_desk_free(o->desk);
    dq_log_clear(&o->log);
    close(o->through_fd);
    close(o->nudge_fd);
    for (size_t i = 0; i < o->job_count; i++) {
        free((void *)(uintptr_t)o->tasks[i].id);
        free((void *)(uintptr_t)o->tasks[i].receipt);
    }
    free(o->tasks);
    free(o->jobs);
    free(o->script);
    free(o);
}

dueq_job *office_make_job(office *o, const char *id, const char *payload, size_t payload_len)
{
    char *receipt = malloc(strlen(id) + 3);
    sprintf(receipt, "r-%s", id);
    dueq_job *job = &o->jobs[o->job_count];
    dueq_task *task = &o->tasks[o->job_count++];
    *task = (dueq_task){.id = strdup(id),
                        .id_len = strlen(id),
                        .receipt = receipt,
                        .attempt = 1,
                        .payload = payload,
                        .payload_len = payload_len};
    job->task = task;
    job->queue = "mail";
    atomic_store(&job->nudge_fd, -1);
    job->answer.verdict = DUEQ_VERDICT_RETRY;
    job->answer.delay_ms = -1;
    return job;
}

dueq_job *office_hand(office *o, const char *id)
{
    dueq_job *job = office_make_job(o, id, "text", 4);
    dq_job_list list = {0};
    dq_job_list_add(&list, job);
    dq_desk_hand(o->desk, &list);
    return job;
}

void office_hand_many(office *o, size_t count, const char *payload, size_t payload_len)
{
    dq_job_list list = {0};
    for (size_t i = 0; i < count; i++) {
        char id[32];
        snprintf(id, sizeof id, "t%zu", i);
        dq_job_list_add(&list, office_make_job(o, id, payload, payload_len));
    }
    dq_desk_hand(o->desk, &list);
}

void office_come_round(office *o)
{
    for (int round = 0; round < 2; round++) {
        struct pollfd nudged = {.fd = o->nudge_fd, .events = POLLIN};
        eventfd_write(o->nudge_fd, 1);
        UNTIL(OFFICE_LONG_MS, poll(&nudged, 1, 0) == 0);
    }
}

void office_assert(office *o, const dueq_job *job, dueq_verdict wanted, const char *error)
{
    if (job->answer.verdict != wanted || strcmp(job->answer.error.bytes, error) != 0) {
        fail_msg("%s: verdict %d, error \"%s\"; wanted %d, \"%s\"; the log:\n%s", job->task->id,
                 (int)job->answer.verdict, job->answer.error.bytes, (int)wanted, error,
                 o->log_text);
    }
}

void office_assert_all(office *o, dueq_verdict wanted)
{
    for (size_t i = 0; i < o->job_count; i++) {
        office_assert(o, &o->jobs[i], wanted, "");
    }
}

/* ---- Files ---- */

void office_path(char path[256], const char *name)
{
    snprintf(path, 256, "%.60s/%s", folder.path, name);
}

bool office_has_file(const char *name)
{
    char path[256];
    office_path(path, name);
    return access(path, F_OK) == 0;
}

void office_make_file(const char *name, const char *content)
{
    char path[256];
    office_path(path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    chmod(path, 0700);
}

const char *office_file(const char *name)
{
    static char text[8192];
    char path[256];
    office_path(path, name);
    FILE *file = fopen(path, "r");
    size_t len = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    if (file != NULL) fclose(file);
    text[len] = '\0';
    return text;
}

size_t office_line_count(const char *name)
{
    size_t count = 0;
    for (const char *at = office_file(name); (at = strchr(at, '\n')) != NULL; at++) {
        count++;
    }
    return count;
}

int office_clean(void **state)
{
    (void)state;
    DIR *dir = opendir(folder.path);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] != '.') unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
    return 0;
}

/* ---- Set-up ---- */

int office_set_up(void **state)
{
    (void)state;
    folder_make(&folder);
    setenv("DIR", folder.path, 1);
    host_environment = dq_environment_base(environ);
    return 0;
}

int office_tear_down(void **state)
{
    (void)state;
    free(host_environment);
    folder_free(&folder);
    return 0;
}
