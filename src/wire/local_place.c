/* The folder of an embedded server and the path of its socket. */
#include "wire/local_place.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSWD_TEXT_SIZE 4096
#define RUNTIME_DIR_LEN_MAX 40 /* of a base under which a socket's path fits sun_path */

static int fail_at(dq_fault *fault, const char *doing, const char *path)
{
    return dq_fault_set(fault, DUEQ_ESYSTEM, "cannot %s %s: %s", doing, path, strerror(errno));
}

/* False when it was cut. */
static bool join(char *out, size_t out_size, const char *dir, const char *name)
{
    int len = snprintf(out, out_size, "%s/%s", dir, name);
    return len >= 0 && (size_t)len < out_size;
}

/* ---- Which folder ---------------------------------------------------------------------------- */

/* As the XDG base directory specification has it, paths that are not absolute are ignored. */
static const char *absolute_env(const char *name)
{
    const char *value = secure_getenv(name);
    return value != NULL && value[0] == '/' ? value : NULL;
}

static bool home_below(char *out, size_t out_size, const char *name)
{
    const char *home = absolute_env("HOME");
    struct passwd entry;
    struct passwd *found = NULL;
    char text[PASSWD_TEXT_SIZE];
    if (home == NULL && getpwuid_r(geteuid(), &entry, text, sizeof text, &found) == 0 &&
        found != NULL) {
        home = found->pw_dir;
    }
    return home != NULL && join(out, out_size, home, name);
}

static int choose_dir(char *out, size_t out_size, const char *dir, dq_fault *fault)
{
    if (dir != NULL && dir[0] != '\0') {
        int len = snprintf(out, out_size, "%s", dir);
        if (len >= 0 && (size_t)len < out_size) return DUEQ_OK;
        return dq_fault_set(fault, DUEQ_EINVAL, "the folder's path has more than %zu bytes",
                            out_size - 1);
    }
    const char *state_home = absolute_env("XDG_STATE_HOME");
    bool fits = state_home != NULL ? join(out, out_size, state_home, "dueq")
                                   : home_below(out, out_size, ".local/state/dueq");
    if (fits) return DUEQ_OK;
    return dq_fault_set(fault, DUEQ_ESYSTEM,
                        "no home folder for the embedded server: set HOME or XDG_STATE_HOME, or "
                        "name a folder (local:/path)");
}

/* ---- Making and checking it ------------------------------------------------------------------ */

/* Makes `dir` and what is missing above it. */
static int make_folders(const char *dir, dq_fault *fault)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", dir);
    for (char *end = strchr(path + 1, '/'); end != NULL; end = strchr(end + 1, '/')) {
        *end = '\0';
        struct stat found;
        if (stat(path, &found) < 0 && mkdir(path, 0700) < 0 && errno != EEXIST) {
            return fail_at(fault, "make the folder", path);
        }
        *end = '/';
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST) return fail_at(fault, "make the folder", path);
    return DUEQ_OK;
}

/* Whoever can put files there could put commands there. */
static int check_private(const char *dir, dq_fault *fault)
{
    struct stat found;
    if (stat(dir, &found) < 0) return fail_at(fault, "look at", dir);
    if (!S_ISDIR(found.st_mode)) {
        return dq_fault_set(fault, DUEQ_ESYSTEM, "%s is not a folder", dir);
    }
    if (found.st_uid != geteuid()) {
        return dq_fault_set(fault, DUEQ_ESYSTEM,
                            "the folder %s belongs to user %ld, not to user %ld who runs this: "
                            "name one of your own (local:/path)",
                            dir, (long)found.st_uid, (long)geteuid());
    }
    if ((found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return dq_fault_set(fault, DUEQ_ESYSTEM,
                            "others may write to the folder %s (mode %04o): chmod 0700 it", dir,
                            (unsigned)(found.st_mode & 07777));
    }
    return DUEQ_OK;
}

/* ---- The socket's path ----------------------------------------------------------------------- */

static uint64_t fnv1a(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static bool link_leads_to(const char *link_path, const char *dir)
{
    char target[PATH_MAX];
    ssize_t len = readlink(link_path, target, sizeof target);
    return len >= 0 && (size_t)len == strlen(dir) && memcmp(target, dir, (size_t)len) == 0;
}

static int make_link(const char *link_path, const char *dir, dq_fault *fault)
{
    if (link_leads_to(link_path, dir)) return DUEQ_OK;
    unlink(link_path);
    /* Another process may have been quicker with the same link. */
    if (symlink(dir, link_path) == 0 || link_leads_to(link_path, dir)) return DUEQ_OK;
    return fail_at(fault, "make the link", link_path);
}

static bool is_private_folder(const char *path)
{
    struct stat found;
    return lstat(path, &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == geteuid() &&
           (found.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

/* A folder too deep for sun_path is reached through a link in a short private folder: the socket
 * itself stays where its data is. The link is made whenever it is needed, so it may be cleaned
 * away at any time. */
static int shorten(dq_place *place, dq_fault *fault)
{
    const char *base = absolute_env("XDG_RUNTIME_DIR");
    char short_dir[DQ_PLACE_SOCKET_SIZE - sizeof "/dir/" DQ_PLACE_SOCKET + 1];
    char link_path[DQ_PLACE_SOCKET_SIZE - sizeof "/" DQ_PLACE_SOCKET + 1];
    if (base == NULL || strlen(base) > RUNTIME_DIR_LEN_MAX || !is_private_folder(base)) {
        base = "/tmp";
    }
    snprintf(short_dir, sizeof short_dir, "%s/dueq-%" PRIu32 "-%016" PRIx64, base,
             (uint32_t)geteuid(), fnv1a(place->dir));
    if (mkdir(short_dir, 0700) < 0 && errno != EEXIST) {
        return fail_at(fault, "make the folder", short_dir);
    }
    if (!is_private_folder(short_dir)) {
        return dq_fault_set(fault, DUEQ_ESYSTEM,
                            "%s is not a private folder of user %ld: remove it, or choose a "
                            "folder whose path is shorter",
                            short_dir, (long)geteuid());
    }
    join(link_path, sizeof link_path, short_dir, "dir");
    join(place->socket, sizeof place->socket, link_path, DQ_PLACE_SOCKET);
    return make_link(link_path, place->dir, fault);
}

int dq_place_open(dq_place *place, const char *dir, bool make, dq_fault *fault)
{
    char chosen[PATH_MAX];
    place->dir[0] = '\0';
    place->socket[0] = '\0';
    int rc = choose_dir(chosen, sizeof chosen, dir, fault);
    if (rc < 0) return rc;

    snprintf(place->dir, sizeof place->dir, "%s", chosen);
    if (make && (rc = make_folders(chosen, fault)) < 0) return rc;
    char *real = realpath(chosen, NULL);
    if (real == NULL) {
        return errno == ENOENT && !make ? DUEQ_MISSING : fail_at(fault, "use the folder", chosen);
    }
    snprintf(place->dir, sizeof place->dir, "%s", real);
    free(real);

    rc = check_private(place->dir, fault);
    if (rc < 0) return rc;
    if (join(place->socket, sizeof place->socket, place->dir, DQ_PLACE_SOCKET)) return DUEQ_OK;
    return shorten(place, fault);
}

int dq_place_open_file(const dq_place *place, const char *name, int flags)
{
    char path[PATH_MAX];
    if (!join(path, sizeof path, place->dir, name)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}
