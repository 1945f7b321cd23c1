/* An embedded server under test, in a temporary folder of its own, through dueq's public face. It
 * is stopped, or killed, and its folder removed, whatever becomes of the test. */
#ifndef TESTS_SUPPORT_LOCAL_FIXTURE_H
#define TESTS_SUPPORT_LOCAL_FIXTURE_H

#include <stdbool.h>

#include "dueq.h"
#include "folder.h"
#include "until.h"

#define LOCAL_TEXT_SIZE 1024
#define LOCAL_NAME_SIZE (FOLDER_PATH_SIZE + 512)
#define LOCAL_FACT_MS 20000 /* a bound for UNTIL */

typedef struct local_test {
    test_folder folder;
    char dir[LOCAL_NAME_SIZE];  /* the embedded server's, below the folder; not made yet */
    dueq_server_info info;      /* of the last call */
    char text[LOCAL_TEXT_SIZE]; /* of the last call */
    char *path;                 /* PATH as it was */
} local_test;

/* For cmocka; *state is a local_test. */
int local_setup(void **state);
int local_teardown(void **state);

#define LOCAL_TEST(name) cmocka_unit_test_setup_teardown(name, local_setup, local_teardown)

/* dueq_server_start, _stop and _status of the test's folder. */
int local_start(local_test *t);
int local_stop(local_test *t);
int local_status(local_test *t);

/* Fails the test, showing the last call's text, unless rc is as wanted. */
void local_must(local_test *t, int rc, int wanted);
/* Fails it unless the last call's text, which must be one line, has these words. */
void local_must_say(const local_test *t, const char *words);

/* What the server answers to a command, as text, an error reply too; yours to free. */
char *local_ask(const local_test *t, const char *command);
void local_must_answer(const local_test *t, const char *command, const char *wanted);

/* The path of a file of the server's folder; yours to free. */
char *local_path(const local_test *t, const char *name);
/* The append-only file that the server adds to; yours to free. */
char *local_growing_file(const local_test *t);
/* Without following a link. */
bool local_exists(const char *path);

#endif
