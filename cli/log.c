/* Log lines: built whole, then written at once, so that lines of several processes do not mix. */
#include "log.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tasks.h"
#include "text.h"

/* ---- Levels */

static const struct {
    const char *name;
    int priority; /* syslog's */
} levels[] = {
    [DUEQ_LOG_ERROR] = {"error", 3},
    [DUEQ_LOG_WARN] = {"warn", 4},
    [DUEQ_LOG_INFO] = {"info", 6},
    [DUEQ_LOG_DEBUG] = {"debug", 7},
};

/* ---- logfmt */

/* The value between quotes; backslashes are escaped too, so that none of its own reads as ours. */
static void put_quoted(FILE *to, const char *value, size_t len)
{
    fputc('"', to);
    while (len > 0) {
        size_t plain = 0;
        char *escaped;

        while (plain < len && value[plain] != '"' && value[plain] != '\\') plain++;
        escaped = text_escape(value, plain);
        fputs(escaped, to);
        free(escaped);
        if (plain < len) {
            fprintf(to, "\\%c", value[plain]);
            plain++;
        }
        value += plain;
        len -= plain;
    }
    fputc('"', to);
}

static bool is_bare(const char *value, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (value[i] <= ' ' || value[i] > '~' || strchr("\"=\\", value[i]) != NULL) return false;
    }
    return len > 0;
}

static void put_pair(FILE *to, const char *name, const char *value, size_t len)
{
    fprintf(to, "%s=", name);
    if (is_bare(value, len))
        fwrite(value, 1, len, to);
    else
        put_quoted(to, value, len);
}

static void put_logfmt(FILE *to, const dueq_log_entry *entry, const char *time)
{
    fprintf(to, "time=%s level=%s ", time, levels[entry->level].name);
    put_pair(to, "event", entry->event, strlen(entry->event));
    for (size_t i = 0; i < entry->field_count; i++) {
        const dueq_log_field *field = &entry->fields[i];

        fputc(' ', to);
        put_pair(to, field->name, field->value, field->value_len);
    }
}

/* ---- JSON */

static void set_field(json_t *object, const dueq_log_field *field)
{
    if (field->is_number)
        json_object_set_new_nocheck(object, field->name,
                                    json_integer(strtoimax(field->value, NULL, 10)));
    else
        tasks_set_bytes(object, field->name, field->value, field->value_len);
}

/* ASCII only: what is left of control characters could steer a terminal all the same. */
static void put_json(FILE *to, const dueq_log_entry *entry, const char *time)
{
    json_t *object = json_object();

    json_object_set_new_nocheck(object, "time", json_string_nocheck(time));
    json_object_set_new_nocheck(object, "level", json_string_nocheck(levels[entry->level].name));
    json_object_set_new_nocheck(object, "event", json_string_nocheck(entry->event));
    for (size_t i = 0; i < entry->field_count; i++) set_field(object, &entry->fields[i]);
    json_dumpf(object, to, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(object);
}

/* ---- Lines */

char *log_line(const log_form *form, const dueq_log_entry *entry, int64_t now_ms)
{
    char *line = NULL;
    size_t len;
    FILE *to = open_memstream(&line, &len);
    text_small time;

    if (to == NULL) return NULL;
    text_time(now_ms, time);
    if (form->priority) fprintf(to, "<%d>", levels[entry->level].priority);
    if (form->json)
        put_json(to, entry, time);
    else
        put_logfmt(to, entry, time);
    fputc('\n', to);
    fclose(to);
    return line;
}

void log_write(void *context, const dueq_log_entry *entry)
{
    char *line = log_line(context, entry, text_now_ms());

    if (line != NULL) fputs(line, stderr);
    free(line);
}

/* systemd says which file its journal reads from; stderr may have been sent elsewhere since. */
bool log_goes_to_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat file;
    uintmax_t device, inode;

    return stream != NULL && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &file) == 0 && file.st_dev == device && file.st_ino == inode;
}
