/* What an embedded server is started with. */
#include "wire/local_setup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define MEMORY_MIN_BYTES (INT64_C(64) * 1024 * 1024)

/* ---- The program ----------------------------------------------------------------------------- */

static bool is_program(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0 && S_ISREG(found.st_mode) && access(path, X_OK) == 0;
}

/* Looks `name` up in a list of folders as PATH has them; relative ones do not count. */
static bool find_in(const char *folders, const char *name, char *out, size_t out_size)
{
    for (const char *at = folders; *at != '\0';) {
        size_t dir_len = strcspn(at, ":");
        int len = snprintf(out, out_size, "%.*s/%s", (int)dir_len, at, name);
        if (at[0] == '/' && len >= 0 && (size_t)len < out_size && is_program(out)) return true;
        at += dir_len;
        if (*at == ':') at++;
    }
    return false;
}

static bool find_program(const char *name, char *out, size_t out_size)
{
    const char *path = getenv("PATH");
    return find_in(path != NULL ? path : "/bin:/usr/bin", name, out, out_size) ||
           find_in("/usr/sbin:/usr/local/bin:/usr/local/sbin", name, out, out_size);
}

/* Makes a path absolute; a symbolic link stays, since these programs go by the name they are called
 * with. False when it does not fit. */
static bool make_absolute(char *out, size_t out_size, const char *path)
{
    char here[PATH_MAX];
    bool relative = path[0] != '/';
    if (relative && getcwd(here, sizeof here) == NULL) return false;
    int len = relative ? snprintf(out, out_size, "%s/%s", here, path)
                       : snprintf(out, out_size, "%s", path);
    return len >= 0 && (size_t)len < out_size;
}

static int use_named_program(const char *name, char *out, size_t out_size, dq_fault *fault)
{
    bool found = strchr(name, '/') == NULL ? find_program(name, out, out_size)
                                           : make_absolute(out, out_size, name) && is_program(out);
    if (found) return DUEQ_OK;
    return dq_fault_set(fault, DUEQ_ESYSTEM,
                        "DUEQ_SERVER names %s, which is not a program that can be run", name);
}

int dq_setup_find_program(char *out, size_t out_size, dq_fault *fault)
{
    const char *named = secure_getenv("DUEQ_SERVER");
    if (named != NULL && named[0] != '\0') return use_named_program(named, out, out_size, fault);
    if (find_program("redis-server", out, out_size)) return DUEQ_OK;
    if (find_program("valkey-server", out, out_size)) return DUEQ_OK;
    return dq_fault_set(fault, DUEQ_ESYSTEM,
                        "no redis-server or valkey-server found: install one (apt-get install "
                        "redis-server), name one in DUEQ_SERVER, or give a server's URL");
}

/* ---- Its configuration ----------------------------------------------------------------------- */

/* Half of this machine's memory: over it a push is refused, where without a bound the kernel would
 * kill something. */
static int64_t memory_max_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page_bytes <= 0) return MEMORY_MIN_BYTES;
    int64_t half = (int64_t)pages / 2 * page_bytes;
    return half < MEMORY_MIN_BYTES ? MEMORY_MIN_BYTES : half;
}

/* Only settings that Redis 6.2 to 8 and Valkey know. Every path is relative to the folder, which
 * is where the server is started: so no path needs quoting or can be too long. */
static void write_settings(dq_buf *out)
{
    dq_buf_printf(out,
                  "# Written by dueq whenever it starts this server: changes here do not last.\n"
                  "port 0\n"
                  "unixsocket " DQ_PLACE_SOCKET "\n"
                  "unixsocketperm 600\n"
                  "daemonize no\n"
                  "supervised no\n"
                  "pidfile " DQ_PLACE_PID "\n"
                  "logfile \"\"\n"
                  "dir .\n"
                  "appendonly yes\n"
                  "appendfsync everysec\n"
                  "aof-load-truncated yes\n"
                  "# The append-only file is the record; snapshots beside it would only cost.\n"
                  "save \"\"\n"
                  "maxmemory %" PRId64 "\n"
                  "maxmemory-policy noeviction\n",
                  memory_max_bytes());
}

static bool file_holds(const dq_place *place, const char *name, const dq_buf *text)
{
    int fd = dq_place_open_file(place, name, O_RDONLY);
    if (fd < 0) return false;
    char *have = malloc(text->len + 1);
    bool same = have != NULL && read(fd, have, text->len + 1) == (ssize_t)text->len &&
                memcmp(have, text->data, text->len) == 0;
    free(have);
    close(fd);
    return same;
}

static bool write_whole(int fd, const dq_buf *text)
{
    ssize_t count = write(fd, text->data, text->len);
    if (count >= 0 && (size_t)count < text->len) errno = ENOSPC;
    return count == (ssize_t)text->len;
}

/* Renames over the old one, so that a server that is reading it sees the whole of either. */
static bool replace_config(const dq_place *place, const dq_buf *text)
{
    char from[PATH_MAX + 32];
    char to[PATH_MAX + 32];
    int fd = dq_place_open_file(place, DQ_PLACE_CONFIG ".new", O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0) return false;
    bool written = write_whole(fd, text);
    int cause = errno;
    close(fd);
    snprintf(from, sizeof from, "%s/" DQ_PLACE_CONFIG ".new", place->dir);
    snprintf(to, sizeof to, "%s/" DQ_PLACE_CONFIG, place->dir);
    if (written) return rename(from, to) == 0;
    unlink(from);
    errno = cause;
    return false;
}

/* Nothing is written when nothing would change: a server on a full disk can still be started. */
int dq_setup_write_config(const dq_place *place, dq_fault *fault)
{
    dq_buf text = {0};
    int rc = DUEQ_OK;
    write_settings(&text);
    if (text.failed) {
        rc = dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
    } else if (!file_holds(place, DQ_PLACE_CONFIG, &text) && !replace_config(place, &text)) {
        rc = dq_fault_set(fault, DUEQ_ESYSTEM, "cannot write %s/" DQ_PLACE_CONFIG ": %s",
                          place->dir, strerror(errno));
    }
    dq_buf_clear(&text);
    return rc;
}
