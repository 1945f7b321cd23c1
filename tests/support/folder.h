/* A private temporary folder for one test. A keeper (a tiny shell of its own) removes it, and ends
 * a server that still runs in it, when the test frees it and also when the test is killed: nothing
 * is left behind. Knows nothing of Redis. */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

#include <sys/types.h>

#define FOLDER_PATH_SIZE 4096

typedef struct test_folder {
    char path[FOLDER_PATH_SIZE]; /* mode 0700, under $TMPDIR or /tmp, at most 60 characters */
    int keeper_fd;               /* a byte, or the end of every holder, lets the keeper clean up */
    pid_t keeper_pid;
} test_folder;

/* Makes the folder; exits the program with a message when that is impossible. */
void folder_make(test_folder *folder);

/* Returns once everything in the folder, and the folder, is gone. */
void folder_free(test_folder *folder);

#endif
