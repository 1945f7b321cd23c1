/* Histories as text: `RECORD [PROCESS NUMBER VERB] NAME=VALUE… .` Writing and reading go by the same
 * tables of names, so that they cannot part. A kill can cut a write where the file's pages meet: so a
 * line counts only with its full stop, and whatever is appended begins a new one. */
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/id.h"

/* A number or a word of a struct. */
typedef struct field {
    const char *name;
    size_t offset;
    bool is_word;
} field;

#define NUMBER(type, name)                 \
    {                                      \
#name, offsetof(type, name), false \
    }
#define WORD(type, name)                  \
    {                                     \
#name, offsetof(type, name), true \
    }
#define END_OF_FIELDS  \
    {                  \
        NULL, 0, false \
    }

static const field op_fields[] = {
    WORD(history_op, id),
    NUMBER(history_op, outcome),
    NUMBER(history_op, payload),
    NUMBER(history_op, delay_ms),
    NUMBER(history_op, due_ms),
    NUMBER(history_op, attempts_max),
    NUMBER(history_op, token),
    NUMBER(history_op, attempt),
    NUMBER(history_op, deadline_ms),
    NUMBER(history_op, lease_ms),
    NUMBER(history_op, hopeless),
    NUMBER(history_op, durable),
    WORD(history_op, receipt),
    END_OF_FIELDS,
};
static const field fault_fields[] = {
    WORD(history_fault, kind),
    NUMBER(history_fault, began_us),
    NUMBER(history_fault, ended_us),
    NUMBER(history_fault, process),
    NUMBER(history_fault, amount),
    NUMBER(history_fault, partitions),
    NUMBER(history_fault, lossy_from_us),
    NUMBER(history_fault, lossy_to_us),
    NUMBER(history_fault, known_us),
    END_OF_FIELDS,
};
static const field task_fields[] = {
    WORD(history_task, id),
    NUMBER(history_task, places),
    NUMBER(history_task, payload),
    NUMBER(history_task, failures),
    END_OF_FIELDS,
};
static const field plan_fields[] = {
    NUMBER(history_plan, attempts_max),
    NUMBER(history_plan, ops_min),
    NUMBER(history_plan, partitions),
    END_OF_FIELDS,
};

static const char *const verb_names[HISTORY_VERBS] = {"push",  "take",    "done",
                                                      "retry", "release", "extend"};

const char *history_verb_name(history_verb verb)
{
    return verb_names[verb];
}

static void give_up(const char *what)
{
    fprintf(stderr, "history: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *need(void *memory)
{
    if (memory == NULL) give_up("out of memory");
    return memory;
}

int64_t history_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* FNV-1a. */
int64_t history_fingerprint(const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < len; i++) hash = (hash ^ at[i]) * 1099511628211u;
    return (int64_t)(hash >> 12) | 1;
}

/* ---- Writing --------------------------------------------------------------------------------- */

struct history_writer {
    int fd;
    int process;
    int64_t next_number;
    char *text; /* records that are appended together */
    size_t text_len;
    FILE *stream;
};

history_writer *history_open(const char *path, int process)
{
    history_writer *w = need(calloc(1, sizeof *w));
    w->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (w->fd < 0) give_up(path);
    w->process = process;
    w->stream = need(open_memstream(&w->text, &w->text_len));
    fputc('\n', w->stream);
    return w;
}

void history_close(history_writer *w)
{
    if (w == NULL) return;
    fclose(w->stream);
    free(w->text);
    close(w->fd);
    free(w);
}

/* One write, which no other's comes between. */
static void append(history_writer *w)
{
    fflush(w->stream);
    if (write(w->fd, w->text, w->text_len) != (ssize_t)w->text_len) give_up("cannot be written");
    rewind(w->stream);
    fputc('\n', w->stream);
}

static void put_fields(history_writer *w, const field *fields, const void *of)
{
    for (const field *f = fields; f->name != NULL; f++) {
        const void *place = (const char *)of + f->offset;
        if (f->is_word) {
            const char *word = *(const char *const *)place;
            if (word != NULL) fprintf(w->stream, " %s=%s", f->name, word);
        } else {
            int64_t number = *(const int64_t *)place;
            if (number != 0) fprintf(w->stream, " %s=%" PRId64, f->name, number);
        }
    }
    fputs(" .\n", w->stream);
}

static void put_op(history_writer *w, const char *record, int64_t number, const history_op *op)
{
    fprintf(w->stream, "%s %d %" PRId64 " %s at=%" PRId64, record, w->process, number,
            verb_names[op->verb], history_now_us());
    put_fields(w, op_fields, op);
}

int64_t history_call(history_writer *w, const history_op *ops, size_t count)
{
    int64_t first = w->next_number;
    for (size_t i = 0; i < count; i++) put_op(w, "call", w->next_number++, &ops[i]);
    append(w);
    return first;
}

void history_answer(history_writer *w, int64_t number, const history_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put_op(w, "answer", number, &ops[i]);
        if (ops[i].verb != HISTORY_TAKE) number++;
    }
    append(w);
}

static void note(history_writer *w, const char *record, const field *fields, const void *of)
{
    fputs(record, w->stream);
    put_fields(w, fields, of);
    append(w);
}

void history_note_fault(history_writer *w, const history_fault *fault)
{
    note(w, "fault", fault_fields, fault);
}

void history_note_plan(history_writer *w, const history_plan *plan)
{
    note(w, "plan", plan_fields, plan);
}

void history_note_task(history_writer *w, const history_task *task)
{
    note(w, "task", task_fields, task);
}

static void note_text(history_writer *w, const char *record, const char *text)
{
    fprintf(w->stream, "%s %s .\n", record, text);
    append(w);
}

void history_note_planned(history_writer *w, const char *kind)
{
    note_text(w, "planned", kind);
}

void history_note_broken(history_writer *w, const char *what)
{
    note_text(w, "broken", what);
}

void history_note_dumped(history_writer *w)
{
    note_text(w, "dumped", "");
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* A call or an answer, as it stands in the file. */
typedef struct event {
    bool is_answer;
    size_t line;
    int64_t at_us;
    history_op op;
} event;

typedef struct reader {
    history *h;
    event *events;
    size_t event_count;
    size_t line;
    char *why;
} reader;

static bool complain(reader *r, const char *what, const char *about)
{
    if (r->why == NULL && asprintf(&r->why, "line %zu: %s: \"%.60s\"", r->line, what, about) < 0) {
        give_up("out of memory");
    }
    return false;
}

/* Room for one more: doubles at each power of two. */
static void *grow(void *list, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0) return list;
    return need(realloc(list, (count == 0 ? 1 : count * 2) * size));
}

static const field *find_field(const field *fields, const char *name, size_t name_len)
{
    for (const field *f = fields; f->name != NULL; f++) {
        if (strlen(f->name) == name_len && memcmp(f->name, name, name_len) == 0) return f;
    }
    return NULL;
}

static bool read_number(const char *text, int64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return end != text && *end == '\0' && errno == 0;
}

/* NAME=VALUE… up to the line's end, each into its place of `into`. */
static bool read_fields(reader *r, char **rest, const field *fields, void *into)
{
    for (char *word; (word = strsep(rest, " ")) != NULL;) {
        char *equals = strchr(word, '=');
        if (*word == '\0') continue;
        if (equals == NULL) return complain(r, "no value", word);
        const field *f = find_field(fields, word, (size_t)(equals - word));
        if (f == NULL) return complain(r, "an unknown name", word);
        void *place = (char *)into + f->offset;
        if (f->is_word) {
            *(const char **)place = equals + 1;
        } else if (!read_number(equals + 1, place)) {
            return complain(r, "no number", word);
        }
    }
    return true;
}

static bool read_verb(reader *r, const char *word, history_verb *verb)
{
    for (int i = 0; word != NULL && i < HISTORY_VERBS; i++) {
        if (strcmp(word, verb_names[i]) == 0) {
            *verb = (history_verb)i;
            return true;
        }
    }
    return complain(r, "an unknown verb", word != NULL ? word : "");
}

static bool read_event(reader *r, char *rest, bool is_answer)
{
    r->events = grow(r->events, r->event_count, sizeof *r->events);
    event *e = &r->events[r->event_count++];
    *e = (event){.is_answer = is_answer, .line = r->line};
    const char *process = strsep(&rest, " "), *number = strsep(&rest, " ");
    const char *verb = strsep(&rest, " "), *at = strsep(&rest, " ");
    int64_t process_number = 0;
    if (process == NULL || !read_number(process, &process_number) || number == NULL ||
        !read_number(number, &e->op.number)) {
        return complain(r, "no process and number", process != NULL ? process : "");
    }
    e->op.process = (int)process_number;
    if (!read_verb(r, verb, &e->op.verb)) return false;
    if (at == NULL || strncmp(at, "at=", 3) != 0 || !read_number(at + 3, &e->at_us)) {
        return complain(r, "no time", at != NULL ? at : "");
    }
    return read_fields(r, &rest, op_fields, &e->op);
}

static bool read_fault(reader *r, char *rest)
{
    history *h = r->h;
    h->faults = grow(h->faults, h->fault_count, sizeof *h->faults);
    history_fault *fault = &h->faults[h->fault_count++];
    *fault = (history_fault){0};
    if (!read_fields(r, &rest, fault_fields, fault)) return false;
    return fault->kind != NULL || complain(r, "a fault of no kind", "");
}

static bool read_task(reader *r, char *rest)
{
    history *h = r->h;
    h->tasks = grow(h->tasks, h->task_count, sizeof *h->tasks);
    history_task *task = &h->tasks[h->task_count++];
    *task = (history_task){0};
    if (!read_fields(r, &rest, task_fields, task)) return false;
    return task->id != NULL || complain(r, "a task without an id", "");
}

static bool read_line(reader *r, char *line)
{
    history *h = r->h;
    char *rest = line;
    const char *record = strsep(&rest, " ");
    if (rest == NULL) rest = line + strlen(line);
    if (strcmp(record, "call") == 0) return read_event(r, rest, false);
    if (strcmp(record, "answer") == 0) return read_event(r, rest, true);
    if (strcmp(record, "fault") == 0) return read_fault(r, rest);
    if (strcmp(record, "task") == 0) return read_task(r, rest);
    if (strcmp(record, "plan") == 0) return read_fields(r, &rest, plan_fields, &h->plan);
    if (strcmp(record, "planned") == 0) {
        h->planned = grow(h->planned, h->planned_count, sizeof *h->planned);
        h->planned[h->planned_count++] = rest;
    } else if (strcmp(record, "broken") == 0) {
        h->broken = grow(h->broken, h->broken_count, sizeof *h->broken);
        h->broken[h->broken_count++] = rest;
    } else if (strcmp(record, "dumped") == 0) {
        h->dumped = true;
    } else {
        return complain(r, "an unknown record", record);
    }
    return true;
}

/* By call, the call before its answers. */
static int compare_events(const void *a, const void *b)
{
    const event *left = a, *right = b;
    if (left->op.process != right->op.process) return left->op.process - right->op.process;
    if (left->op.number != right->op.number) return left->op.number < right->op.number ? -1 : 1;
    if (left->is_answer != right->is_answer) return left->is_answer - right->is_answer;
    return left->line < right->line ? -1 : left->line > right->line;
}

/* What the answer does not repeat, the call has said. */
static history_op join(const event *call, const event *answer)
{
    history_op op = answer->op;
    for (const field *f = op_fields; f->name != NULL; f++) {
        char *to = (char *)&op + f->offset;
        const char *from = (const char *)&call->op + f->offset;
        if (f->is_word && *(const char **)to == NULL)
            *(const char **)to = *(const char *const *)from;
        if (!f->is_word && *(int64_t *)to == 0) *(int64_t *)to = *(const int64_t *)from;
    }
    op.called_us = call->at_us;
    op.answered_us = answer->at_us;
    return op;
}

static history_op unanswered(const event *call)
{
    history_op op = call->op;
    op.called_us = call->at_us;
    op.answered_us = HISTORY_NEVER;
    op.outcome = HISTORY_MAYBE;
    return op;
}

/* Pairs calls with their answers. */
static bool join_events(reader *r)
{
    history *h = r->h;
    if (r->event_count == 0) return true;
    qsort(r->events, r->event_count, sizeof *r->events, compare_events);
    h->ops = need(calloc(r->event_count, sizeof *h->ops));
    const event *call = NULL;
    for (size_t i = 0; i < r->event_count; i++) {
        const event *e = &r->events[i], *next = i + 1 < r->event_count ? e + 1 : NULL;
        r->line = e->line;
        if (!e->is_answer) {
            if (next == NULL || !next->is_answer) h->ops[h->op_count++] = unanswered(e);
            call = e;
            continue;
        }
        if (call == NULL || call->op.process != e->op.process || call->op.number != e->op.number ||
            call->op.verb != e->op.verb) {
            return complain(r, "an answer to no call", verb_names[e->op.verb]);
        }
        h->ops[h->op_count++] = join(call, e);
    }
    return true;
}

/* True for a record that was written to its end, which is taken off. */
static bool is_whole(char *line)
{
    size_t len = strlen(line);
    if (len < 2 || strcmp(line + len - 2, " .") != 0) return false;
    line[len - 2] = '\0';
    return true;
}

static char *read_whole(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    if (file == NULL) return NULL;
    if (getdelim(&text, len, '\0', file) < 0 && text != NULL) text[0] = '\0';
    fclose(file);
    return need(text);
}

history *history_read(const char *path, char **why)
{
    reader r = {.h = need(calloc(1, sizeof(history)))};
    size_t size = 0;
    *why = NULL;
    r.h->text = read_whole(path, &size);
    if (r.h->text == NULL) complain(&r, strerror(errno), path);
    char *rest = r.h->text;
    for (char *line; r.why == NULL && rest != NULL && (line = strsep(&rest, "\n")) != NULL;) {
        r.line++;
        if (is_whole(line)) {
            read_line(&r, line);
        } else {
            r.h->torn_count += *line != '\0';
        }
    }
    if (r.why == NULL) join_events(&r);
    free(r.events);
    if (r.why == NULL) return r.h;
    *why = r.why;
    history_free(r.h);
    return NULL;
}

void history_free(history *h)
{
    if (h == NULL) return;
    free(h->ops);
    free(h->faults);
    free(h->tasks);
    free(h->broken);
    free(h->planned);
    free(h->text);
    free(h);
}

bool history_strikes(const history *h, const history_fault *fault, const char *id)
{
    if (fault->partitions == 0 || h->plan.partitions == 0) return true;
    int64_t partition = dq_crc16(id, strlen(id)) % h->plan.partitions;
    return (fault->partitions >> partition & 1) != 0;
}
