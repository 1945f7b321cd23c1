/* Whether a program is there to be started: by its path, and on PATH. What becomes of one that is
 * started is tests/unit/test_work_process.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/folder.h"
#include "work/child.h"

static test_folder folder;

static const char *path_of(const char *name)
{
    static char path[FOLDER_PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/%s", folder.path, name);
    return path;
}

static void make_program(const char *name, mode_t mode)
{
    int fd = open(path_of(name), O_CREAT | O_WRONLY | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    close(fd);
}

static void test_by_its_path(void **state)
{
    (void)state;
    make_program("plain", 0600);
    make_program("program", 0700);
    assert_int_equal(dq_child_look_up(path_of("program")), 0);
    assert_int_equal(dq_child_look_up(path_of("plain")), EACCES);
    assert_int_equal(dq_child_look_up(path_of("none")), ENOENT);
    assert_int_equal(dq_child_look_up(path_of("program/below")), ENOTDIR);
    assert_int_equal(dq_child_look_up(folder.path), EACCES);
}

/* A folder, or a file that may not be executed, is passed over for a program further on, and is why
 * there is none when there is none. */
static void test_on_path(void **state)
{
    (void)state;
    char path[4 * FOLDER_PATH_SIZE];
    snprintf(path, sizeof path, "%s/none:%s/a:%s/b", folder.path, folder.path, folder.path);
    setenv("PATH", path, 1);
    assert_int_equal(mkdir(path_of("a"), 0700), 0);
    assert_int_equal(mkdir(path_of("b"), 0700), 0);
    assert_int_equal(dq_child_look_up("handler"), ENOENT);
    assert_int_equal(mkdir(path_of("a/handler"), 0700), 0);
    assert_int_equal(dq_child_look_up("handler"), EACCES);
    make_program("b/handler", 0600);
    assert_int_equal(dq_child_look_up("handler"), EACCES);
    assert_int_equal(chmod(path_of("b/handler"), 0700), 0);
    assert_int_equal(dq_child_look_up("handler"), 0);
}

static int set_up(void **state)
{
    (void)state;
    folder_make(&folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    folder_free(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_its_path),
        cmocka_unit_test(test_on_path),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
