/* Reading the log of an embedded server. */
#include "wire/local_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"

#define LOG_LEN_MAX (1024 * 1024) /* a longer log is put aside at the next start */
#define PART_LEN_MAX (64 * 1024)  /* how much of a start's part is looked at */
#define SAID_LEN_MAX 160          /* how much of a line of it is repeated */

/* ---- Opening --------------------------------------------------------------------------------- */

static bool put_aside(const dq_place *place)
{
    char from[PATH_MAX + 32];
    char to[PATH_MAX + 32];
    snprintf(from, sizeof from, "%s/" DQ_PLACE_LOG, place->dir);
    snprintf(to, sizeof to, "%s/" DQ_PLACE_LOG ".old", place->dir);
    return rename(from, to) == 0;
}

int dq_log_open(const dq_place *place, off_t *from)
{
    struct stat found;
    *from = 0;
    int fd = dq_place_open_file(place, DQ_PLACE_LOG, O_WRONLY | O_CREAT | O_APPEND);
    if (fd < 0 || fstat(fd, &found) < 0) return fd;
    if (found.st_size > LOG_LEN_MAX && put_aside(place)) {
        close(fd);
        return dq_place_open_file(place, DQ_PLACE_LOG, O_WRONLY | O_CREAT | O_APPEND);
    }
    *from = found.st_size;
    return fd;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* The end of what was logged since `from`; empty when there is nothing. */
static void read_part(const dq_place *place, off_t from, dq_buf *part)
{
    struct stat found;
    int fd = dq_place_open_file(place, DQ_PLACE_LOG, O_RDONLY);
    if (fd < 0) return;
    if (fstat(fd, &found) == 0) {
        if (found.st_size - from > PART_LEN_MAX) from = found.st_size - PART_LEN_MAX;
        char bytes[4096];
        ssize_t count;
        while ((count = pread(fd, bytes, sizeof bytes, from)) > 0) {
            dq_buf_add(part, bytes, (size_t)count);
            from += count;
        }
    }
    close(fd);
}

/* A run of bytes within a part. */
typedef struct line {
    const char *text;
    int len;
} line;

/* What a line says, without "pid:role date time mark" before it. Warnings about the machine are
 * no reason to end. */
static bool is_warning(const line *whole, line *said)
{
    static const char MARK[] = " # ";
    const char *mark = memmem(whole->text, (size_t)whole->len, MARK, sizeof MARK - 1);
    if (mark == NULL) return false;
    said->text = mark + sizeof MARK - 1;
    said->len = whole->len - (int)(said->text - whole->text);
    return said->len > 0 && strncmp(said->text, "WARNING", 7) != 0;
}

/* The last warning; without one the last line that is not empty. */
static line telling_line(const dq_buf *part)
{
    line last = {"", 0};
    line warning = {"", 0};
    for (const char *at = part->data; at != NULL && *at != '\0';) {
        line whole = {at, (int)strcspn(at, "\r\n")};
        line said;
        if (whole.len > 0) last = whole;
        if (is_warning(&whole, &said)) warning = said;
        at += whole.len;
        at += strspn(at, "\r\n");
    }
    return warning.len > 0 ? warning : last;
}

static bool mentions(const dq_buf *part, const char *words)
{
    return part->data != NULL && strstr(part->data, words) != NULL;
}

/* ---- Judging --------------------------------------------------------------------------------- */

static bool is_disk_full(const dq_place *place, const dq_buf *part)
{
    struct statvfs disk;
    if (mentions(part, "No space left on device")) return true;
    /* A full disk also takes no log. The last blocks may be root's alone. */
    if (statvfs(place->dir, &disk) < 0) return false;
    return (geteuid() == 0 ? disk.f_bfree : disk.f_bavail) == 0;
}

/* The append-only file, or a snapshot that is its base, cannot be read to its end. */
static bool is_file_damaged(const dq_buf *part)
{
    static const char *const SIGNS[] = {
        "reading the append only file",
        "Internal error in RDB reading",
        "Short read or OOM loading DB",
    };
    for (size_t i = 0; i < sizeof SIGNS / sizeof SIGNS[0]; i++) {
        if (mentions(part, SIGNS[i])) return true;
    }
    return false;
}

/* As one word for a shell; without a backslash, which a fault would print as two. */
static void add_shell_word(dq_buf *out, const char *text)
{
    dq_buf_add_byte(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            dq_buf_add_text(out, "'\"'\"'");
        } else {
            dq_buf_add_byte(out, (unsigned char)*text);
        }
    }
    dq_buf_add_byte(out, '\'');
}

/* ".../redis-server" goes with ".../redis-check-aof". */
static void name_checker(char *out, size_t out_size, const char *program)
{
    static const char SERVER[] = "-server";
    size_t len = strlen(program);
    size_t suffix_len = sizeof SERVER - 1;
    if (len > suffix_len && strcmp(program + len - suffix_len, SERVER) == 0) {
        snprintf(out, out_size, "%.*s-check-aof", (int)(len - suffix_len), program);
    } else {
        snprintf(out, out_size, "redis-check-aof");
    }
}

/* The file of commands that the line names, or the only one there is; false when the damage is
 * elsewhere. The list of files is not named to the checker, since not every version of it reads
 * what it lists. */
static bool find_damaged_file(char *out, size_t out_size, const dq_place *place, const line *said)
{
    static const char BEFORE[] = "append only file ";
    const char *name = memmem(said->text, (size_t)said->len, BEFORE, sizeof BEFORE - 1);
    if (name != NULL) {
        name += sizeof BEFORE - 1;
        snprintf(out, out_size, "%s/appendonlydir/%.*s", place->dir, (int)strcspn(name, ":\n"),
                 name);
    } else {
        snprintf(out, out_size, "%s/appendonly.aof", place->dir);
    }
    return strstr(out, ".rdb") == NULL && access(out, F_OK) == 0;
}

static int explain_damage(const dq_place *place, const char *program, line said, dq_fault *fault)
{
    char path[PATH_MAX + 256];
    char checker[PATH_MAX + 16];
    if (said.len > SAID_LEN_MAX) said.len = SAID_LEN_MAX;
    if (!find_damaged_file(path, sizeof path, place, &said)) {
        return dq_fault_set(fault, DUEQ_ESYSTEM,
                            "the data of the embedded server is damaged (%.*s): bring %s back from "
                            "a copy, or move it away to begin anew",
                            said.len, said.text, place->dir);
    }
    dq_buf mending = {0};
    name_checker(checker, sizeof checker, program);
    add_shell_word(&mending, checker);
    dq_buf_add_text(&mending, " --fix ");
    add_shell_word(&mending, path);
    int rc = dq_fault_set(fault, DUEQ_ESYSTEM,
                          "the data of the embedded server is damaged; copy the folder, then drop "
                          "what follows the damage: %s",
                          mending.failed ? "(out of memory)" : mending.data);
    dq_buf_clear(&mending);
    return rc;
}

int dq_log_explain_end(const dq_place *place, const char *program, off_t from, dq_fault *fault)
{
    static const char NOTHING[] = "it said nothing";
    dq_buf part = {0};
    read_part(place, from, &part);
    line said = telling_line(&part);
    int rc;
    if (is_disk_full(place, &part)) {
        rc = dq_fault_set(fault, DUEQ_ESYSTEM,
                          "the embedded server cannot start: the disk of %s is full", place->dir);
    } else if (is_file_damaged(&part)) {
        rc = explain_damage(place, program, said, fault);
    } else {
        if (said.len == 0) said = (line){NOTHING, (int)sizeof NOTHING - 1};
        rc = dq_fault_set(fault, DUEQ_ESYSTEM,
                          "%s ended at its start: %.*s (log: %s/" DQ_PLACE_LOG ")", program,
                          said.len > SAID_LEN_MAX ? SAID_LEN_MAX : said.len, said.text, place->dir);
    }
    dq_buf_clear(&part);
    return rc;
}

void dq_log_note(const dq_place *place, off_t from, dq_fault *fault)
{
    dq_buf part = {0};
    read_part(place, from, &part);
    if (mentions(&part, "loaded anyway because aof-load-truncated")) {
        dq_fault_set(fault, DUEQ_OK,
                     "the embedded server's file ended in a half-written command, as a crash or a "
                     "full disk leaves it: that command was dropped (log: %s/" DQ_PLACE_LOG ")",
                     place->dir);
    }
    dq_buf_clear(&part);
}
