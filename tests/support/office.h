/* A desk with the stdio engine at it, and the test in the place of the worker's main loop: hands
 * jobs, gives orders, looks at what comes back. Handlers are shell scripts, $DIR the test's folder.
 * A failed step fails the running test. */
#ifndef TESTS_SUPPORT_OFFICE_H
#define TESTS_SUPPORT_OFFICE_H

#include "until.h"
#include "work/job.h"
#include "work/stdio.h"

enum {
    OFFICE_LONG_MS = 30000, /* longer than anything that works takes */
    OFFICE_JOBS_MAX = 4096
};

/* What scripts share. `id_of LINE` sets $id; nothing goes on for ever when the test is killed. */
#define AWAIT_GO "while [ -d $DIR ] && ! [ -e $DIR/go ]; do sleep 0.01; done; "
#define AWAIT_GIVEN "while [ -d $DIR ] && ! [ -e $DIR/given ]; do sleep 0.01; done; "
#define ID_OF "id_of() { id=${1#*\\\"id\\\":\\\"}; id=${id%%\\\"*}; }; "
#define LINGER "for i in $(seq 1200); do sleep 0.05; done"
#define DONE "sed -u 's/.*/{\"result\":\"done\"}/'"
#define DONE_BY_RECEIPT \
    "sed -u 's/.*\"receipt\":\\(\"[^\"]*\"\\).*/{\"receipt\":\\1,\"result\":\"done\"}/'"

/* A desk with an engine at it, in the place of the worker's main loop. */
typedef struct office {
    char *script;
    char *command[4];
    dq_stdio_options options;
    dq_desk *desk;
    dq_stdio *stdio;
    int through_fd, nudge_fd;
    dq_log log;
    char log_text[65536]; /* guarded by the log's lock */
    size_t log_len;
    dueq_job *jobs;
    dueq_task *tasks;
    size_t job_count;
    size_t back_count;
    bool back[OFFICE_JOBS_MAX];
} office;

/* ---- The whole ---- */

/* cmocka's set-up and tear-down of the group: a folder. And of each test: the folder is empty. */
int office_set_up(void **state);
int office_tear_down(void **state);
int office_clean(void **state);

/* Only what differs from one process, a window of one and no time-out need be said. */
office *office_open(const char *script, dq_stdio_options options);
void office_close_engine(office *o);
void office_close(office *o); /* every job must be back */

bool office_logged(office *o, const char *text); /* "debug process started pid=4711" … */

/* ---- Jobs ---- */

/* For the task ID, receipt "r-ID"; the first is not handed yet. The last is "t0", "t1" … at once. */
dueq_job *office_make_job(office *o, const char *id, const char *payload, size_t payload_len);
dueq_job *office_hand(office *o, const char *id);
void office_hand_many(office *o, size_t count, const char *payload, size_t payload_len);

void office_await(office *o, size_t count); /* until so many are back */
void office_come_round(office *o);          /* until the engine has begun all that it can */

void office_assert(office *o, const dueq_job *job, dueq_verdict wanted, const char *error);
void office_assert_all(office *o, dueq_verdict wanted); /* with no error */

/* ---- Files in $DIR ---- */

void office_path(char path[256], const char *name);
bool office_has_file(const char *name);
void office_make_file(const char *name, const char *content); /* executable */
const char *office_file(const char *name); /* its content, until the next call; "": there is none */
size_t office_line_count(const char *name);

#endif
