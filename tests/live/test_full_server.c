/* Servers that refuse: out of memory, disk full, read-only, short of permissions, with a key of
 * another type, without their scripts. One clear line each, nothing half done, and what can still
 * be done works. */
#include "support/queue_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AN_HOUR_MS = 3600000, SHORT_MS = 300 };

static dueq *open_with(const char *url, const dueq_options *options)
{
    dueq *handle = NULL;
    ASSERT_RC(handle, dueq_open(&handle, url, options), DUEQ_OK);
    return handle;
}

/* ---- Out of memory --------------------------------------------------------------------------- */

static void out_of_memory(void **state)
{
    fixture *f = *state;
    dueq *h = f->handle;
    ASSERT_RC(h, queue_push(h, "q", "far", "x", AN_HOUR_MS), DUEQ_OK);
    queue_push_many(h, "q", "t", 12, 0);
    dueq_batch *batch = queue_take(h, "q", 5, AN_HOUR_MS);
    dueq_batch_free(queue_take_one(h, "q", 1));
    server_do(f->server, "CONFIG SET maxmemory 1 maxmemory-policy noeviction");

    ASSERT_RC(h, queue_push(h, "q", "new", "x", 0), DUEQ_EFULL);
    fixture_assert_error(h, "out of memory");
    ASSERT_RC(h, queue_push(h, "other queue", "new", "x", 0), DUEQ_EINVAL);
    ASSERT_RC(h, queue_push(h, "other-queue", "new", "x", 0), DUEQ_EFULL);
    assert_int_equal(queue_live(h, "q"), 13); /* looking works */

    /* All that drains a server works: finish, extend, fail, release, take, cancel, purge. */
    ASSERT_RC(h, queue_done(h, "q", batch->tasks[0].receipt), DUEQ_OK);
    ASSERT_RC(h, queue_extend(h, "q", batch->tasks[1].receipt, AN_HOUR_MS), DUEQ_OK);
    ASSERT_RC(h, queue_done(h, "q", batch->tasks[1].receipt), DUEQ_OK);
    ASSERT_RC(h, queue_retry(h, "q", batch->tasks[2].receipt, 0, "full"), DUEQ_OK);
    ASSERT_RC(h, queue_release(h, "q", batch->tasks[3].receipt), DUEQ_OK);
    ASSERT_RC(h, queue_cancel(h, "q", batch->tasks[4].id), DUEQ_OK);
    dueq_batch_free(batch);
    for (int done = 0; done < 9;) { /* the expired one too, once its time has come */
        batch = queue_await(h, "q", 3, 0);
        done += (int)batch->count;
        queue_finish(h, "q", batch);
    }
    dueq_take_options waiting = {.wait_ms = 30}; /* who cannot be noted as the one to look */
    server_do(f->server, "DEL dueq:{q:0}:wake"); /* so that the note is the first write */
    ASSERT_RC(h, dueq_take(h, "q", &waiting, &batch), DUEQ_EMPTY);
    ASSERT_RC(h, dueq_queue_purge(h, "q", NULL), DUEQ_OK);
    server_do(f->server, "CONFIG SET maxmemory 0");
    ASSERT_RC(h, queue_push(h, "q", "new", "x", 0), DUEQ_OK);
}

static void eviction_of_any_key_is_refused(void **state)
{
    fixture *f = *state;
    dueq *h = NULL;
    server_do(f->server, "CONFIG SET maxmemory-policy allkeys-lru");
    ASSERT_RC(h, dueq_open(&h, server_url(f->server), NULL), DUEQ_ESERVER);
    fixture_assert_error(h, "maxmemory-policy");
    dueq_close(h);
    dueq_options any = {.any_eviction = true};
    dueq_close(open_with(server_url(f->server), &any));
    server_do(f->server, "CONFIG SET maxmemory-policy volatile-lru"); /* no key has a TTL */
    dueq_close(open_with(server_url(f->server), NULL));
    server_do(f->server, "CONFIG SET maxmemory-policy noeviction");
}

/* ---- Disk full ------------------------------------------------------------------------------- */

enum { DISK_LEN = 1 << 20 };

static void fill_disk(const char *dir)
{
    char path[300];
    static const char zeros[4096];
    snprintf(path, sizeof path, "%s/filler", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (write(fd, zeros, sizeof zeros) > 0) {}
    while (write(fd, zeros, 1) > 0) {}
    close(fd);
}

/* Pushes until the server notices that its disk is full; returns the outcome that tells. */
static int push_until_refused(dueq *h, const char *queue)
{
    int rc = DUEQ_OK;
    int64_t deadline_ms = until_now_ms() + 20000;
    do rc = queue_push(h, queue, NULL, "payload", 0);
    while (rc >= 0 && until_again(deadline_ms));
    return rc;
}

static void the_disk_of_the_log_is_full(void **state)
{
    fixture *f = *state;
    if (geteuid() != 0) skip();
    char dir[200], config[300], url[300], size[40];
    snprintf(dir, sizeof dir, "%s/disk", server_dir(f->server));
    snprintf(size, sizeof size, "size=%d", DISK_LEN);
    mkdir(dir, 0700);
    if (mount("tmpfs", dir, "tmpfs", 0, size) != 0) skip(); /* root without the right to mount */
    snprintf(config, sizeof config, "dir \"%s\"\nappendfsync everysec\n", dir);
    test_server *server = server_start(&(server_options){.keep = true, .config = config});
    snprintf(url, sizeof url, "%s?timeout=%dms", server_url(server), SHORT_MS);
    dueq *h = open_with(url, NULL);
    queue_push_many(h, "q", "t", 10, 0);
    fill_disk(dir);

    ASSERT_RC(h, push_until_refused(h, "q"), DUEQ_EUNREADY);
    fixture_assert_error(h, "cannot write to its disk");
    int64_t live = queue_live(h, "q");
    ASSERT_RC(h, queue_push(h, "q", "refused", "x", 0), DUEQ_EUNREADY);
    assert_int_equal(queue_live(h, "q"), live); /* reading works, and nothing was half done */
    dueq_batch *batch;
    ASSERT_RC(h, dueq_take(h, "q", NULL, &batch), DUEQ_EUNREADY);

    char filler[300];
    snprintf(filler, sizeof filler, "%s/filler", dir);
    unlink(filler);
    UNTIL_EQ(20000, queue_push(h, "q", "after", "x", 0) >= 0, 1);
    queue_assert_sound(h, "q");
    assert_int_equal(queue_drain(h, "q"), live + 1);
    dueq_close(h);
    server_free(server);
    umount2(dir, MNT_DETACH);
    rmdir(dir);
}

/* ---- Read-only ------------------------------------------------------------------------------- */

static void a_read_only_replica(void **state)
{
    fixture *f = *state;
    char url[300];
    snprintf(url, sizeof url, "%s?timeout=%dms", server_url(f->server), SHORT_MS);
    dueq *h = open_with(url, NULL);
    queue_push_many(h, "q", "t", 3, 0);
    dueq_batch *held = queue_take_one(h, "q", AN_HOUR_MS), *batch;
    server_do(f->server, "REPLICAOF 127.0.0.1 1"); /* of a master that is not there */
    server_do(f->server, "CONFIG SET replica-serve-stale-data yes");
    ASSERT_RC(h, queue_push(h, "q", "new", "x", 0), DUEQ_EREADONLY);
    fixture_assert_error(h, "read-only replica");
    ASSERT_RC(h, dueq_take(h, "q", NULL, &batch), DUEQ_EREADONLY);
    ASSERT_RC(h, queue_done(h, "q", held->tasks[0].receipt), DUEQ_EREADONLY);
    assert_int_equal(queue_stats(h, "q").ready, 2);
    server_do(f->server, "REPLICAOF NO ONE");
    queue_finish(h, "q", held);
    assert_int_equal(queue_drain(h, "q"), 2);
    dueq_close(h);
}

/* ---- Permissions ----------------------------------------------------------------------------- */

static void a_command_is_forbidden(void **state)
{
    fixture *f = *state;
    static const char *const forbidden[] = {"zadd", "hset", "hmget", "evalsha", "hincrby"};
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        queue_make(f->handle, forbidden[i], NULL);
        server_do(f->server, "ACL SETUSER limited reset on >secret ~* &* +@all -%s", forbidden[i]);
        dueq_options options = {.user = "limited", .password = "secret"};
        dueq *h = open_with(server_url(f->server), &options);
        ASSERT_RC(h, queue_push(h, forbidden[i], "t", "x", 0), DUEQ_EDENIED);
        assert_true(*dueq_error(h) != '\0');
        assert_null(strstr(dueq_error(h), "secret"));
        dueq_close(h);
    }
    server_do(f->server, "ACL DELUSER limited");
    f->damaged = true; /* refused in its midst, a script is half done: fsck mends */
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        dueq_fsck_options repair = {.repair = true};
        ASSERT_RC(f->handle, dueq_fsck(f->handle, forbidden[i], &repair, NULL, NULL, NULL),
                  DUEQ_OK);
    }
}

static void keys_of_others_are_forbidden(void **state)
{
    fixture *f = *state;
    server_do(f->server, "ACL SETUSER limited reset on >secret ~mine:* +@all");
    dueq_options options = {.user = "limited", .password = "secret"};
    dueq *h = open_with(server_url(f->server), &options);
    ASSERT_RC(h, queue_push(h, "q", "t", "x", 0), DUEQ_EDENIED);
    dueq_close(h);
    options.prefix = "mine";
    h = open_with(server_url(f->server), &options);
    ASSERT_RC(h, queue_push(h, "q", "t", "x", 0), DUEQ_OK);
    assert_int_equal(queue_drain(h, "q"), 1);
    dueq_close(h);
    options.password = "wrong";
    ASSERT_RC(h, dueq_open(&h, server_url(f->server), &options), DUEQ_EAUTH);
    assert_null(strstr(dueq_error(h), "wrong"));
    dueq_close(h);
    server_do(f->server, "ACL DELUSER limited");
}

/* ---- Keys of another type -------------------------------------------------------------------- */

/* Tasks in all states; returns four leased ones. */
static dueq_batch *fill(dueq *h)
{
    queue_push_many(h, "q", "dead", 2, 0);
    for (int i = 0; i < 2; i++) queue_kill_one(h, "q");
    queue_push_many(h, "q", "leased", 4, 0);
    dueq_batch *batch = queue_take(h, "q", 4, AN_HOUR_MS);
    assert_int_equal(batch->count, 4);
    queue_push_many(h, "q", "ready", 3, 0);
    return batch;
}

/* Stands for all that the server holds. */
static char *digest_of(const fixture *f)
{
    static const char script[] =
        "local keys, all = redis.call('KEYS', '*'), {} "
        "local function add(word) all[#all + 1] = #word .. ':' .. word end "
        "table.sort(keys) "
        "for _, key in ipairs(keys) do "
        "  add(key) "
        "  local kind, words = redis.call('TYPE', key).ok, {} "
        "  if kind == 'string' then words = {redis.call('GET', key)} end "
        "  if kind == 'list' then words = redis.call('LRANGE', key, 0, -1) end "
        "  if kind == 'zset' then words = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end "
        "  if kind == 'hash' then "
        "    local fields = redis.call('HKEYS', key) "
        "    table.sort(fields) "
        "    for _, field in ipairs(fields) do "
        "      add(field) "
        "      add(redis.call('HGET', key, field)) "
        "    end "
        "  end "
        "  for _, word in ipairs(words) do add(word) end "
        "end "
        "return redis.sha1hex(table.concat(all))";
    return server_text(f->server, "EVAL %s 0", script);
}

/* A call either is refused and changes nothing, or needs no such key and is done.
 * Returns whether it was refused. */
#define REFUSED_WHOLE(call) refused_whole(f, (call), #call, &digest)
static bool refused_whole(const fixture *f, int rc, const char *call, char **digest)
{
    char *now = digest_of(f);
    bool refused = rc == DUEQ_ECORRUPT;
    if (!refused && rc < 0)
        fail_msg("%s: %s: %s", call, dueq_outcome_text(rc), dueq_error(f->handle));
    if (refused && strcmp(now, *digest) != 0)
        fail_msg("%s was refused (%s), but something has changed", call, dueq_error(f->handle));
    free(*digest);
    *digest = now;
    return refused;
}

static void a_key_of_another_type_refuses_the_whole_call(void **state)
{
    fixture *f = *state;
    dueq *h = f->handle;
    static const char *const keys[] = {"due",  "leased", "body", "tries",
                                       "dead", "gone",   "meta", "wake"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        dueq_settings settings = {.retention_ms = AN_HOUR_MS};
        queue_make(h, "q", &settings);
        dueq_batch *held = fill(h), *batch;
        server_do(f->server, "SET dueq:{q:0}:%s precious", keys[i]);
        char *digest = digest_of(f);
        int refusals = 0;
        dueq_new_task known[] = {{.id = "new0"}, {.id = "ready0"}, {.id = "dead0"}};
        dueq_push_options replace = {.if_exists = DUEQ_IF_EXISTS_REPLACE};
        dueq_name name = {.id = "dead0"}, late = {.id = "ready1"};
        refusals += REFUSED_WHOLE(queue_push(h, "q", "new", "x", 0));
        refusals += REFUSED_WHOLE(dueq_push(h, "q", known, 3, &replace));
        refusals += REFUSED_WHOLE(dueq_take(h, "q", NULL, &batch));
        dueq_batch_free(batch);
        refusals += REFUSED_WHOLE(queue_done(h, "q", held->tasks[0].receipt));
        refusals += REFUSED_WHOLE(queue_release(h, "q", held->tasks[1].receipt));
        refusals += REFUSED_WHOLE(queue_extend(h, "q", held->tasks[2].receipt, 9000));
        refusals += REFUSED_WHOLE(queue_retry(h, "q", held->tasks[3].receipt, 0, ""));
        refusals += REFUSED_WHOLE(dueq_redrive(h, "q", &name, 1));
        refusals += REFUSED_WHOLE(dueq_drop(h, "q", &name, 1));
        refusals += REFUSED_WHOLE(dueq_reschedule(h, "q", &late, 1, 9000, 0));
        refusals += REFUSED_WHOLE(dueq_cancel(h, "q", &late, 1));
        bool optional = strcmp(keys[i], "wake") == 0; /* without it workers are late, no more */
        if ((refusals == 0) != optional)
            fail_msg("%s of another type: %d calls were refused", keys[i], refusals);
        free(digest);
        dueq_batch_free(held);

        char *precious = server_text(f->server, "GET dueq:{q:0}:%s", keys[i]);
        assert_string_equal(precious, "precious"); /* nobody's data is overwritten */
        free(precious);
        server_do(f->server, "FLUSHALL SYNC");
    }
}

static void the_registry_is_of_another_type(void **state)
{
    fixture *f = *state;
    dueq_queue_list *list;
    server_do(f->server, "SET dueq:queues precious");
    f->damaged = true;
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_ECORRUPT);
    fixture_assert_error(f->handle, "another type");
    ASSERT_RC(f->handle, dueq_queues(f->handle, &list), DUEQ_ECORRUPT);
    assert_null(list);
}

static void a_registry_entry_that_cannot_be_read(void **state)
{
    fixture *f = *state;
    static const char *const entries[] = {
        "",  "partitions=0",   "partitions=1025",          "partitions=x",
        "p", "partitions=1 =", "partitions=1  lease_ms=5", "partitions=99999999999999999999"};
    f->damaged = true;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        dueq *h = open_with(server_url(f->server), NULL);
        server_do(f->server, "HSET dueq:queues q %s", entries[i]);
        int rc = queue_push(h, "q", "t", "x", 0);
        if (rc != DUEQ_ECORRUPT) fail_msg("\"%s\": %s", entries[i], dueq_outcome_text(rc));
        fixture_assert_error(h, "the entry of queue \"q\"");
        dueq_close(h);
    }
    server_do(f->server, "HSET dueq:queues q %s", "partitions=2 a_later_setting=5");
    ASSERT_RC(f->handle, queue_push(f->handle, "q", "t", "x", 0), DUEQ_OK);
    f->damaged = false;
}

/* A record that no version of ours wrote: told of, and in nobody's way. */
static void a_record_that_cannot_be_read(void **state)
{
    fixture *f = *state;
    queue_push_many(f->handle, "q", "t", 3, 0);
    server_do(f->server, "HSET dueq:{q:0}:body t0 %b", "\x07garbage", (size_t)8);
    dueq_name name = {.id = "t0"};
    dueq_batch *batch;
    ASSERT_RC(f->handle, dueq_get(f->handle, "q", &name, 1, &batch), DUEQ_ECORRUPT);
    fixture_assert_error(f->handle, "the record of task \"t0\"");
    assert_int_equal(queue_drain(f->handle, "q"), 2);
    ASSERT_RC(f->handle, queue_cancel(f->handle, "q", "t0"), DUEQ_OK);
}

/* ---- Without scripts ------------------------------------------------------------------------- */

static void scripts_that_are_gone_are_sent_again(void **state)
{
    fixture *f = *state;
    dueq_settings settings = {.partitions = 3};
    queue_make(f->handle, "q", &settings);
    for (int round = 0; round < 3; round++) {
        server_do(f->server, "SCRIPT FLUSH");
        queue_push_many(f->handle, "q", "t", 2500, 0);
        server_do(f->server, "SCRIPT FLUSH");
        dueq_batch *batch = queue_take(f->handle, "q", 2500, 0);
        assert_int_equal(batch->count, 2500);
        server_do(f->server, "SCRIPT FLUSH");
        queue_finish(f->handle, "q", batch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(out_of_memory),
        FIXTURE_TEST(eviction_of_any_key_is_refused),
        FIXTURE_TEST(the_disk_of_the_log_is_full),
        FIXTURE_TEST(a_read_only_replica),
        FIXTURE_TEST(a_command_is_forbidden),
        FIXTURE_TEST(keys_of_others_are_forbidden),
        FIXTURE_TEST(a_key_of_another_type_refuses_the_whole_call),
        FIXTURE_TEST(the_registry_is_of_another_type),
        FIXTURE_TEST(a_registry_entry_that_cannot_be_read),
        FIXTURE_TEST(a_record_that_cannot_be_read),
        FIXTURE_TEST(scripts_that_are_gone_are_sent_again),
    };
    return cmocka_run_group_tests(tests, fixture_start, fixture_end);
}
