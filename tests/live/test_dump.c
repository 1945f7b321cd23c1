/* The dump of a queue's keys: tells where each id is, with what payload and failures, over all
 * partitions; and finds by itself what is broken in them. */
#include "support/checker.h"
#include "support/dump.h"
#include "support/queue_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AN_HOUR_MS = 3600000 };

static history *dump(const fixture *f, int partitions)
{
    char path[FILENAME_MAX], *why = NULL;
    snprintf(path, sizeof path, "%s/history", server_dir(f->server));
    unlink(path);
    history_writer *w = history_open(path, 0);
    dump_queue(f->server, "q", partitions, w);
    history_close(w);
    history *h = history_read(path, &why);
    if (h == NULL) fail_msg("%s", why);
    assert_true(h->dumped);
    return h;
}

static const history_task *find(const history *h, const char *id)
{
    for (size_t i = 0; i < h->task_count; i++) {
        if (strcmp(h->tasks[i].id, id) == 0) return &h->tasks[i];
    }
    fail_msg("\"%s\" is not in the dump", id);
    return NULL;
}

static void every_state_is_seen(void **state)
{
    fixture *f = *state;
    dueq *h = f->handle;
    dueq_settings settings = {.partitions = 3};
    queue_make(h, "q", &settings);
    ASSERT_RC(h, queue_push(h, "q", "dead", "x", 0), DUEQ_OK);
    queue_kill_one(h, "q");
    ASSERT_RC(h, queue_push(h, "q", "leased", "x", 0), DUEQ_OK);
    dueq_batch_free(queue_take_one(h, "q", AN_HOUR_MS));
    dueq_header header = {.name = "Color", .value = "red"};
    dueq_new_task task = {.id = "waiting",
                          .payload = "bytes",
                          .payload_len = 5,
                          .headers = &header,
                          .header_count = 1,
                          .max_attempts = 3,
                          .delay_ms = AN_HOUR_MS};
    ASSERT_RC(h, dueq_push(h, "q", &task, 1, NULL), DUEQ_OK);

    history *seen = dump(f, 3);
    assert_int_equal(seen->task_count, 3);
    assert_int_equal(seen->broken_count, 0);
    assert_int_equal(find(seen, "dead")->places, HISTORY_BODY | HISTORY_DEAD | HISTORY_TRIES);
    assert_int_equal(find(seen, "dead")->failures, 1);
    assert_int_equal(find(seen, "leased")->places, HISTORY_BODY | HISTORY_LEASED);
    assert_int_equal(find(seen, "waiting")->places, HISTORY_BODY | HISTORY_DUE);
    assert_int_equal(find(seen, "waiting")->payload, history_fingerprint("bytes", 5));
    history_free(seen);
}

/* Breaks one thing by hand; the dump names it, or the checker does by what the dump says. */
static void assert_found(const fixture *f, const char *what)
{
    history *seen = dump(f, 1);
    checker_verdict v = checker_check(seen);
    bool found = false;
    for (int i = 0; i < v.text_count; i++) found |= strstr(v.texts[i], what) != NULL;
    if (!found) {
        for (int i = 0; i < v.text_count; i++) print_error("    %s\n", v.texts[i]);
        fail_msg("nothing says \"%s\"", what);
    }
    history_free(seen);
}

static void what_is_broken_is_found(void **state)
{
    static const struct {
        const char *command, *found;
    } cases[] = {
        {"HDEL dueq:{q:0}:body id", "structure: id: no record, 1 states"},
        {"ZREM dueq:{q:0}:due id", "structure: id: a record, 0 states"},
        {"ZADD dueq:{q:0}:leased 5 id", "structure: id: a record, 2 states"},
        {"HSET dueq:{q:0}:tries ghost 1:::x", "structure: ghost: no record, 0 states, failures"},
        {"HSET dueq:{q:0}:body id nonsense", "structure: q:0: the record of id cannot be read"},
        {"HINCRBY dueq:{q:0}:meta pushed 1", "structure: q:0: pushed 2, but there and gone are 1"},
        {"DEL dueq:{q:0}:dead", "structure: q:0: dead has no sentinel"},
        {"SET dueq:{q:0}:tries x", "structure: q:0: tries: WRONGTYPE"},
    };
    fixture *f = *state;
    f->damaged = true;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        server_do(f->server, "FLUSHALL SYNC");
        dueq *h = fixture_open(f);
        ASSERT_RC(h, queue_push(h, "q", "id", "x", AN_HOUR_MS), DUEQ_OK);
        dueq_close(h);
        server_do(f->server, cases[i].command);
        assert_found(f, cases[i].found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(every_state_is_seen),
        FIXTURE_TEST(what_is_broken_is_found),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
