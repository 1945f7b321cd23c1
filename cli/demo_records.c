/* The file that worker processes append to, a line a record: "start|end ID ATTEMPT DUE_MS AT_US
 * ROLE INTACT". It survives a SIGKILL of any of them. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"
#include "lines.h"
#include "mem.h"

#define ID_FORMAT "task-%05" PRId64
#define RECORD_MAX 160

/* The role is DEMO_PROGRAM. */
const char demo_record_script[] =
    "now=$(date +%s%6N)\n"
    "payload=$(cat)\n"
    "case $payload in \"$DUEQ_ID \"*) intact=1 ;; *) intact=0 ;; esac\n"
    "note() { echo \"$1 $DUEQ_ID $DUEQ_ATTEMPT $DUEQ_DUE_MS $2 2 $intact\"; }\n"
    "note start \"$now\" >>\"$1\"\n"
    "note end \"$(date +%s%6N)\" >>\"$1\"\n";

void demo_task_id(int64_t task, char id[DEMO_ID_LEN + 10])
{
    snprintf(id, DEMO_ID_LEN + 10, ID_FORMAT, task);
}

char *demo_task_payload(const demo_plan *plan, int64_t task)
{
    return mem_printf(ID_FORMAT " is one of %" PRId64 " tasks of this demo", task,
                      plan->task_count);
}

int64_t demo_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

bool demo_record_write(int fd, const demo_record *record)
{
    char line[RECORD_MAX];
    int len =
        snprintf(line, sizeof(line), "%s " ID_FORMAT " %" PRId64 " %" PRId64 " %" PRId64 " %d %d\n",
                 record->is_end ? "end" : "start", record->task, record->attempt, record->due_ms,
                 record->at_us, (int)record->role, record->intact);
    ssize_t written;

    do {
        written = write(fd, line, (size_t)len);
    } while (written < 0 && errno == EINTR);
    return written == len;
}

static bool read_record(const demo_plan *plan, const char *text, size_t len, demo_record *record)
{
    char line[RECORD_MAX], what[8];
    int role, intact, used = 0;

    if (len >= sizeof(line)) return false;
    memcpy(line, text, len);
    line[len] = '\0';
    if (sscanf(line, "%7s task-%" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %d %d%n", what,
               &record->task, &record->attempt, &record->due_ms, &record->at_us, &role, &intact,
               &used) != 7 ||
        (size_t)used != len)
        return false;
    record->is_end = strcmp(what, "end") == 0;
    record->role = (demo_role)role;
    record->intact = intact == 1;
    return record->task >= 0 && record->task < plan->task_count && role >= 0 &&
           role < DEMO_ROLE_COUNT;
}

bool demo_records_read(const demo_plan *plan, demo_records *records)
{
    int fd = open(plan->records, O_RDONLY | O_CLOEXEC);
    const char *text;
    lines in;
    size_t len;

    *records = (demo_records){0};
    if (fd < 0) return false;
    lines_open(&in, fd, RECORD_MAX);
    while (lines_next(&in, &text, &len) == LINE_WHOLE) {
        records->list =
            mem_room(records->list, records->count, &records->cap, sizeof(records->list[0]));
        if (read_record(plan, text, len, &records->list[records->count]))
            records->count++;
        else
            records->garbled++;
    }
    lines_close(&in);
    close(fd);
    return true;
}

void demo_records_free(demo_records *records)
{
    free(records->list);
    *records = (demo_records){0};
}
