/* The offset lies in a file that tests/preload/skew.c maps, which a wrapper that stands for the
 * server's program loads into it. */
#include "skew.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "until.h"

struct skew {
    test_folder folder;
    char *program; /* DUEQ_TEST_SERVER as it was, or NULL */
    _Atomic int64_t *offset_us;
};

static const char WRAPPER[] = "#!/bin/sh\n"
                              "server='%s'\n"
                              "[ -n \"$server\" ] || server=$(command -v redis-server) ||\n"
                              "    server=$(command -v valkey-server)\n"
                              "[ -e clock ] || printf '\\0\\0\\0\\0\\0\\0\\0\\0' >clock\n"
                              "export DUEQ_SKEW_FILE='%s/offset' DUEQ_SKEW_OWN=\"$PWD/clock\"\n"
                              "export LD_PRELOAD='%s'\n"
                              "exec \"$server\" \"$@\"\n";

static void map_offset(skew *k)
{
    char path[FOLDER_PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/offset", k->folder.path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof *k->offset_us) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    void *place = mmap(NULL, sizeof *k->offset_us, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (place == MAP_FAILED) fail_msg("%s: %s", path, strerror(errno));
    k->offset_us = place;
    close(fd);
}

static void write_wrapper(const skew *k, const char *program)
{
    char path[FOLDER_PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/server", k->folder.path);
    FILE *wrapper = fopen(path, "we");
    if (wrapper == NULL) fail_msg("%s: %s", path, strerror(errno));
    fprintf(wrapper, WRAPPER, program != NULL ? program : "", k->folder.path, SKEW_LIBRARY);
    fclose(wrapper);
    chmod(path, 0700);
    setenv("DUEQ_TEST_SERVER", path, 1);
}

skew *skew_open(void)
{
    skew *k = calloc(1, sizeof *k);
    if (k == NULL) fail_msg("out of memory");
    folder_make(&k->folder);
    map_offset(k);
    const char *program = getenv("DUEQ_TEST_SERVER");
    if (program != NULL) k->program = strdup(program);
    write_wrapper(k, k->program);
    return k;
}

void skew_set_ms(skew *k, int64_t offset_ms)
{
    atomic_store(k->offset_us, offset_ms * 1000);
}

/* The wrapper has made the file, in the server's own folder. */
void skew_set_one_ms(const test_server *s, int64_t offset_ms)
{
    char path[FOLDER_PATH_SIZE + 16];
    int64_t us = offset_ms * 1000;
    snprintf(path, sizeof path, "%s/clock", server_dir(s));
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || pwrite(fd, &us, sizeof us, 0) != sizeof us)
        fail_msg("%s: %s", path, strerror(errno));
    close(fd);
}

void skew_inherit(const skew *k)
{
    char path[FOLDER_PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/offset", k->folder.path);
    setenv("DUEQ_SKEW_FILE", path, 1);
    setenv("LD_PRELOAD", SKEW_LIBRARY, 1);
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1); /* it is content to come second */
}

void skew_close(skew *k)
{
    if (k == NULL) return;
    if (k->program != NULL) {
        setenv("DUEQ_TEST_SERVER", k->program, 1);
    } else {
        unsetenv("DUEQ_TEST_SERVER");
    }
    munmap(k->offset_us, sizeof *k->offset_us);
    folder_free(&k->folder);
    free(k->program);
    free(k);
}
