/* The embedded server under test, and the questions its tests ask. */
#include "local_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <valkey/valkey.h>

int local_setup(void **state)
{
    local_test *t = calloc(1, sizeof *t);
    folder_make(&t->folder);
    snprintf(t->dir, sizeof t->dir, "%s/state/dueq", t->folder.path);
    t->path = strdup(getenv("PATH"));
    const char *program = getenv("DUEQ_TEST_SERVER");
    if (program != NULL && program[0] != '\0') setenv("DUEQ_SERVER", program, 1);
    unsetenv("XDG_RUNTIME_DIR");
    *state = t;
    return 0;
}

int local_teardown(void **state)
{
    local_test *t = *state;
    setenv("PATH", t->path, 1);
    unsetenv("DUEQ_SERVER");
    dueq_server_stop(t->dir, NULL, NULL, 0);
    folder_free(&t->folder);
    free(t->path);
    free(t);
    return 0;
}

/* ---- Doing and looking ----------------------------------------------------------------------- */

int local_start(local_test *t)
{
    return dueq_server_start(t->dir, &t->info, t->text, sizeof t->text);
}

int local_stop(local_test *t)
{
    return dueq_server_stop(t->dir, &t->info, t->text, sizeof t->text);
}

int local_status(local_test *t)
{
    return dueq_server_status(t->dir, &t->info, t->text, sizeof t->text);
}

void local_must(local_test *t, int rc, int wanted)
{
    if (rc != wanted) fail_msg("result %d, wanted %d; text: %s", rc, wanted, t->text);
}

void local_must_say(const local_test *t, const char *words)
{
    if (strstr(t->text, words) == NULL) fail_msg("\"%s\" lacks \"%s\"", t->text, words);
    assert_null(strchr(t->text, '\n'));
}

/* What the server answers, as text; yours. An error reply is text as well. */
char *local_ask(const local_test *t, const char *command)
{
    char *text = NULL;
    valkeyContext *context = valkeyConnectUnix(t->info.socket);
    if (context == NULL || context->err != 0) fail_msg("cannot connect to %s", t->info.socket);
    valkeyReply *reply = valkeyCommand(context, command);
    if (reply == NULL) fail_msg("%s: %s", command, context->errstr);
    if (reply->type == VALKEY_REPLY_INTEGER) {
        if (asprintf(&text, "%lld", reply->integer) < 0) text = NULL;
    } else if (reply->type == VALKEY_REPLY_ARRAY && reply->elements == 2) {
        text = strdup(reply->element[1]->str);
    } else {
        text = strdup(reply->str != NULL ? reply->str : "nil");
    }
    freeReplyObject(reply);
    valkeyFree(context);
    return text;
}

void local_must_answer(const local_test *t, const char *command, const char *wanted)
{
    char *have = local_ask(t, command);
    if (strcmp(have, wanted) != 0) fail_msg("%s: \"%s\", wanted \"%s\"", command, have, wanted);
    free(have);
}

char *local_path(const local_test *t, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", t->dir, name) < 0) fail_msg("out of memory");
    return path;
}

bool local_exists(const char *path)
{
    struct stat found;
    return lstat(path, &found) == 0;
}

/* The append-only file that the server adds to. */
char *local_growing_file(const local_test *t)
{
    char *path = local_path(t, "appendonlydir/appendonly.aof.1.incr.aof");
    if (local_exists(path)) return path;
    free(path);
    return local_path(t, "appendonly.aof");
}
