/* Import in a cluster, where the ZSET and the queue lie in different slots: a page lies aside on its
 * way. Wherever it is cut short the next import goes on with it, and every member is handled once,
 * beside old consumers, under kills, while slots move and masters change.
 * test-timeout-s: 240 */
#include "support/cluster_fixture.h"
#include "support/party.h"
#include "support/queue_fixture.h"
#include "support/recipe.h"
#include "support/until.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/id.h"

enum { AN_HOUR_MS = 3600000, A_DAY_S = 86400, PARTITIONS = 12 };
#define LOCKS "lock:"
#define ASIDE "dueq:import:{old}"

typedef struct ground {
    cluster *cluster;
    test_server *count; /* of what is handled: party.h */
    dueq *handle;
} ground;

static ground the_ground;

static int start(void **state)
{
    the_ground.cluster = cluster_start(&(cluster_options){.masters = 3, .replicas = true});
    the_ground.count = server_start(NULL);
    *state = &the_ground;
    return 0;
}

static int end(void **state)
{
    ground *g = *state;
    cluster_free(g->cluster);
    server_free(g->count);
    return 0;
}

static int set_up(void **state)
{
    ground *g = *state;
    cluster_reset(g->cluster);
    server_do(g->count, "FLUSHALL");
    g->handle = cluster_open(g->cluster);
    queue_make(g->handle, "q", &(dueq_settings){.partitions = PARTITIONS});
    return 0;
}

static int tear_down(void **state)
{
    ground *g = *state;
    queue_assert_sound(g->handle, "q");
    dueq_close(g->handle);
    return 0;
}

/* The master that serves a key. */
static test_server *at(const ground *g, const char *key)
{
    const char *open = strchr(key, '{'), *close = open ? strchr(open, '}') : NULL;
    int slot = dq_crc16(close ? open + 1 : key, close ? (size_t)(close - open) - 1 : strlen(key)) %
               CLUSTER_SLOTS;
    return g->cluster->nodes[cluster_owner(g->cluster, 0, slot)];
}

static void add(const ground *g, const char *member, int64_t score)
{
    server_do(at(g, "old"), "ZADD old %lld %s", (long long)score, member);
}

static long long left(const ground *g)
{
    return server_int(at(g, "old"), "ZCARD old");
}

static long long count_aside(const ground *g)
{
    return server_int(at(g, "old"), "EXISTS " ASIDE);
}

static int64_t now_s(const ground *g)
{
    valkeyReply *now = server_command(at(g, "old"), "TIME");
    int64_t seconds = strtoll(now->element[0]->str, NULL, 10);
    freeReplyObject(now);
    return seconds;
}

static int import(dueq *handle, const dueq_import_options *options, dueq_import_result *result)
{
    return dueq_import(handle, "old", "q", options, result);
}

static void move_all(const ground *g, int64_t moved)
{
    dueq_import_result result;
    ASSERT_RC(g->handle, import(g->handle, NULL, &result), DUEQ_OK);
    assert_int_equal(result.moved, moved);
    assert_int_equal(left(g), 0);
    assert_int_equal(count_aside(g), 0);
}

/* ---- What moves, and what stays -------------------------------------------------------------- */

static void members_become_tasks_in_all_partitions(void **state)
{
    ground *g = *state;
    enum { COUNT = 1000 };
    int64_t soon_s = now_s(g) + A_DAY_S;
    for (int i = 0; i < COUNT; i++) {
        char member[16];
        snprintf(member, sizeof member, "m%d", i);
        add(g, member, soon_s + i);
    }
    move_all(g, COUNT);
    dueq_batch *batch = NULL;
    char *cursor = NULL;
    dueq_list_options all = {.tasks_max = COUNT};
    bool seen[COUNT] = {false};
    do {
        ASSERT_RC(g->handle, dueq_list(g->handle, "q", &all, &batch, &cursor), DUEQ_OK);
        for (size_t i = 0; i < batch->count; i++) {
            int number = atoi(batch->tasks[i].payload + 1);
            assert_in_range(number, 0, COUNT - 1);
            assert_int_equal(batch->tasks[i].due_ms, (soon_s + number) * 1000);
            assert_false(seen[number]);
            seen[number] = true;
        }
        dueq_batch_free(batch);
    } while (cursor != NULL);
    for (int i = 0; i < COUNT; i++) assert_true(seen[i]);
    for (int p = 0; p < PARTITIONS; p++) {
        char meta[32];
        snprintf(meta, sizeof meta, "dueq:{q:%d}:meta", p);
        assert_in_range(server_int(at(g, meta), "HGET %s pushed", meta), COUNT / PARTITIONS / 2,
                        COUNT / PARTITIONS * 2);
    }
}

/* More than a call takes: pages are cut. */
static void members_are_bytes_of_any_length(void **state)
{
    ground *g = *state;
    enum { HUGE_LEN = 900000, HUGE_COUNT = 12 };
    char *bytes = malloc(HUGE_LEN);
    for (size_t i = 0; i < HUGE_LEN; i++) bytes[i] = (char)(i * 31 + i / 256);
    for (int i = 0; i < HUGE_COUNT; i++) {
        bytes[0] = (char)i;
        server_do(at(g, "old"), "ZADD old 1 %b", bytes, (size_t)HUGE_LEN);
    }
    server_do(at(g, "old"), "ZADD old 2 %b", "", (size_t)0);
    server_do(at(g, "old"), "ZADD old 3 %b", "\0\r\n{}\xff", (size_t)6);
    dueq_import_options options = {.lock_prefix = LOCKS};
    dueq_import_result result;
    ASSERT_RC(g->handle, import(g->handle, &options, &result), DUEQ_OK);
    assert_int_equal(result.moved, HUGE_COUNT + 2);
    dueq_take_options all = {.tasks_max = 100, .bytes_max = 100 << 20};
    size_t huge = 0, empty = 0, odd = 0;
    for (dueq_batch *batch; dueq_take(g->handle, "q", &all, &batch) == DUEQ_OK;) {
        for (size_t i = 0; i < batch->count; i++) {
            const dueq_task *task = &batch->tasks[i];
            huge += task->payload_len == HUGE_LEN &&
                    memcmp(task->payload + 1, bytes + 1, HUGE_LEN - 1) == 0;
            empty += task->payload_len == 0;
            odd += task->payload_len == 6 && memcmp(task->payload, "\0\r\n{}\xff", 6) == 0;
        }
        queue_finish(g->handle, "q", batch);
    }
    assert_int_equal(huge, HUGE_COUNT);
    assert_int_equal(empty, 1);
    assert_int_equal(odd, 1);
    free(bytes);
}

static void what_cannot_be_a_task_stays(void **state)
{
    ground *g = *state;
    queue_make(g->handle, "small", &(dueq_settings){.payload_max = 4});
    add(g, "fits", 1);
    add(g, "longer", 2);
    server_do(at(g, "old"), "ZADD old +inf ever");
    server_do(at(g, "old"), "ZADD old -inf past");
    server_do(at(g, "old"), "ZADD old 90000000000 far");
    for (int dry = 1; dry >= 0; dry--) {
        dueq_import_options options = {.dry_run = dry == 1, .page = 2};
        dueq_import_result result;
        ASSERT_RC(g->handle, dueq_import(g->handle, "old", "small", &options, &result), DUEQ_STATE);
        assert_int_equal(result.moved, 1);
        assert_int_equal(result.too_large, 1);
        assert_int_equal(result.undated, 3);
        assert_int_equal(left(g), dry ? 5 : 4);
    }
    assert_int_equal(queue_live(g->handle, "small"), 1);

    /* What the handle knew of the limit is out of date. */
    dueq *other = cluster_open(g->cluster);
    dueq_settings wider = {.payload_max = 100};
    ASSERT_RC(other, dueq_queue_config(other, "small", &wider, NULL), DUEQ_OK);
    dueq_close(other);
    dueq_import_result result;
    ASSERT_RC(g->handle, dueq_import(g->handle, "old", "small", NULL, &result), DUEQ_STATE);
    assert_int_equal(result.moved, 1);
}

static long long count_keys(const ground *g)
{
    long long keys = 0;
    for (size_t i = 0; i < g->cluster->masters; i++)
        keys += server_int(g->cluster->nodes[i], "DBSIZE");
    return keys;
}

static void a_dry_run_changes_nothing(void **state)
{
    ground *g = *state;
    add(g, "due", 1);
    add(g, "later", now_s(g) + A_DAY_S);
    add(g, "locked", 2);
    server_do(at(g, LOCKS "locked"), "SET " LOCKS "locked token NX PX 100000");
    server_do(at(g, LOCKS "due"), "LPUSH " LOCKS "due of-another-type");
    long long keys = count_keys(g);
    dueq_import_result result;
    dueq_import_options options = {.dry_run = true, .lock_prefix = LOCKS};
    ASSERT_RC(g->handle, import(g->handle, &options, &result), DUEQ_HELD);
    assert_int_equal(result.members, 3);
    assert_int_equal(result.moved, 1);
    assert_int_equal(result.held, 2);
    assert_int_equal(left(g), 3);
    assert_int_equal(count_keys(g), keys);
}

static void a_key_without_a_neighbour_is_refused(void **state)
{
    ground *g = *state;
    ASSERT_RC(g->handle, dueq_import(g->handle, "a}b", "q", NULL, NULL), DUEQ_EINVAL);
    fixture_assert_error(g->handle, "copy it to another key");
    server_do(at(g, "a{old}b"), "ZADD a{old}b 1 m");
    dueq_import_result result;
    ASSERT_RC(g->handle, dueq_import(g->handle, "a{old}b", "q", NULL, &result), DUEQ_OK);
    assert_int_equal(result.moved, 1);
}

static void locked_members_are_left_and_taken_later(void **state)
{
    ground *g = *state;
    dueq_import_options options = {.lock_prefix = LOCKS, .page = 2};
    dueq_import_result result;
    add(g, "held", 1);
    add(g, "other-type", 2);
    add(g, "free", 3);
    add(g, "later", now_s(g) + A_DAY_S);
    server_do(at(g, LOCKS "held"), "SET " LOCKS "held token NX PX 100000");
    server_do(at(g, LOCKS "other-type"), "LPUSH " LOCKS "other-type x");
    ASSERT_RC(g->handle, import(g->handle, &options, &result), DUEQ_HELD);
    assert_int_equal(result.moved, 2);
    assert_int_equal(result.held, 2);
    assert_int_equal(left(g), 2);

    /* Who read the moved one before it moved is kept out, by twice the time that it may need. */
    assert_null(server_text(at(g, LOCKS "free"), "SET " LOCKS "free token NX PX 1000"));
    assert_in_range(server_int(at(g, LOCKS "free"), "PTTL " LOCKS "free"), 60000, 120000);

    /* A lock of ours keeps no importer out. */
    add(g, "free", 4);
    server_do(at(g, LOCKS "held"), "DEL " LOCKS "held");
    server_do(at(g, LOCKS "other-type"), "DEL " LOCKS "other-type");
    ASSERT_RC(g->handle, import(g->handle, &options, &result), DUEQ_OK);
    assert_int_equal(result.moved, 3);
    assert_int_equal(queue_live(g->handle, "q"), 4);
}

static void an_added_member_waits_for_its_leased_task(void **state)
{
    ground *g = *state;
    add(g, "m", 1);
    add(g, "n", 2);
    move_all(g, 2);
    dueq_batch *held = queue_take(g->handle, "q", 2, AN_HOUR_MS);
    assert_int_equal(held->count, 2);
    add(g, "m", 3);
    server_do(at(g, "old"), "ZADD old 1.5 n");
    add(g, "new", 4);
    dueq_import_result result;
    ASSERT_RC(g->handle, import(g->handle, NULL, &result), DUEQ_HELD);
    assert_int_equal(result.moved, 1);
    assert_int_equal(result.busy, 2);
    char *score = server_text(at(g, "old"), "ZSCORE old n");
    assert_string_equal(score, "1.5");
    free(score);
    assert_int_equal(left(g), 2);
    assert_int_equal(count_aside(g), 0);
    queue_finish(g->handle, "q", held);
    move_all(g, 2);
    assert_int_equal(queue_drain(g->handle, "q"), 3);
}

/* ---- Cut short ------------------------------------------------------------------------------- */

/* Fills the ZSET and has an import end with a page aside, half put: one partition cannot take its
 * part. How many members are left, in the ZSET or on their way. */
static int64_t cut_short(const ground *g, int count, const char *broken_key)
{
    for (int i = 0; i < count; i++) {
        char member[16];
        snprintf(member, sizeof member, "m%d", i);
        add(g, member, 1);
    }
    server_do(at(g, broken_key), "RENAME %s %s:kept", broken_key, broken_key);
    server_do(at(g, broken_key), "SET %s of-another-type", broken_key);
    dueq_import_result result;
    ASSERT_RC(g->handle, import(g->handle, NULL, &result), DUEQ_ECORRUPT);
    long long on_their_way = server_int(at(g, "old"), "HLEN " ASIDE) - 2;
    assert_in_range(on_their_way, 1, count);
    assert_int_equal(result.moved + left(g) + on_their_way, count);
    return count - result.moved;
}

static void mend(const ground *g, const char *broken_key)
{
    server_do(at(g, broken_key), "RENAME %s:kept %s", broken_key, broken_key);
}

static void a_page_left_between_take_and_put_is_finished(void **state)
{
    ground *g = *state;
    enum { COUNT = 100 };
    static const char KEY[] = "dueq:{q:5}:leased";
    int64_t rest = cut_short(g, COUNT, KEY);

    /* Nobody takes it for a page into another queue. */
    ASSERT_RC(g->handle, dueq_import(g->handle, "old", "other", NULL, NULL), DUEQ_EINVAL);
    fixture_assert_error(g->handle, "on their way into the queue \"dueq:{q}\"");

    /* Tasks of the other partitions are worked off meanwhile, and forgotten. */
    mend(g, KEY);
    size_t before = queue_drain(g->handle, "q");
    assert_in_range(before, 1, COUNT - 1);
    add(g, "later", 2);
    move_all(g, rest + 1);
    assert_int_equal(queue_drain(g->handle, "q"), COUNT + 1 - before);
    assert_int_equal(queue_stats(g->handle, "q").pushed, COUNT + 1);
}

static void a_page_left_between_put_and_drop_is_put_once(void **state)
{
    ground *g = *state;
    enum { COUNT = 16 }; /* one page */
    static const char KEY[] = "dueq:{q:1}:leased";
    assert_int_equal(cut_short(g, COUNT, KEY), COUNT);
    valkeyReply *page = server_command(at(g, "old"), "DUMP " ASIDE);
    mend(g, KEY);
    move_all(g, COUNT);
    assert_int_equal(queue_drain(g->handle, "q"), COUNT);

    /* As if it had not been dropped, and its tasks had been worked off in the meantime. */
    server_do(at(g, "old"), "RESTORE " ASIDE " 0 %b", page->str, page->len);
    freeReplyObject(page);
    move_all(g, COUNT);
    assert_int_equal(queue_live(g->handle, "q"), 0);
    assert_int_equal(queue_stats(g->handle, "q").pushed, COUNT);
}

/* What each partition has noted of the last page from "old"; "": nothing. */
static void read_note(const ground *g, int p, char field[64], char note[256])
{
    char meta[32];
    snprintf(meta, sizeof meta, "dueq:{q:%d}:meta", p);
    valkeyReply *all = server_command(at(g, meta), "HGETALL %s", meta);
    note[0] = '\0';
    for (size_t i = 0; i + 1 < all->elements; i += 2) {
        if (strncmp(all->element[i]->str, "import:", 7) != 0) continue;
        snprintf(field, 64, "%s", all->element[i]->str);
        snprintf(note, 256, "%s", all->element[i + 1]->str);
    }
    freeReplyObject(all);
}

/* What was refused is refused again, whatever has become of the reason. */
static void a_put_that_is_repeated_answers_the_same(void **state)
{
    ground *g = *state;
    add(g, "m", 1);
    move_all(g, 1);
    dueq_batch *held = queue_take_one(g->handle, "q", AN_HOUR_MS);
    add(g, "m", 7);
    dueq_import_result result;
    ASSERT_RC(g->handle, import(g->handle, NULL, &result), DUEQ_HELD);

    /* The page again, as it lay: its name is what the partition has noted. */
    char field[64], note[256], name[256] = "";
    for (int p = 0; p < PARTITIONS; p++) {
        read_note(g, p, field, note);
        if (strstr(note, " S")) snprintf(name, sizeof name, "%.*s", (int)strcspn(note, " "), note);
    }
    assert_string_not_equal(name, "");
    queue_finish(g->handle, "q", held);
    server_do(at(g, "old"), "ZREM old m");
    server_do(at(g, "old"), "HSET " ASIDE " page %s queue dueq:{q} mm %s", name, "7000000 7");
    ASSERT_RC(g->handle, import(g->handle, NULL, &result), DUEQ_OK);
    assert_int_equal(result.moved, 1); /* back into the ZSET first, and then by a page of its own */
    assert_int_equal(queue_drain(g->handle, "q"), 1);
}

/* A put that was held up on the network, of a page that is long over: it must not push again. Here the
 * page lies aside again, so it goes back, and its member comes by a page of its own. */
static void a_page_that_comes_late_is_not_put(void **state)
{
    ground *g = *state;
    char field[64], note[256];
    add(g, "m", 1);
    move_all(g, 1);
    assert_int_equal(queue_drain(g->handle, "q"), 1);
    server_do(at(g, "old"), "HSET " ASIDE " page 5-5-x queue dueq:{q} mm %s", "1000000 1");
    move_all(g, 1);
    assert_int_equal(queue_drain(g->handle, "q"), 1);
    int noted = 0;
    for (int p = 0; p < PARTITIONS; p++) {
        read_note(g, p, field, note);
        assert_string_not_equal(note, "5-5-x");
        noted += note[0] != '\0';
    }
    assert_int_equal(noted, 1);
}

/* After a failover the clock may be far behind the number that was noted last: it is asked for more. */
static void numbers_go_on_from_what_was_noted(void **state)
{
    ground *g = *state;
    char field[64], note[256], meta[32];
    add(g, "m", 1);
    move_all(g, 1);
    for (int p = 0; p < PARTITIONS; p++) {
        read_note(g, p, field, note);
        snprintf(meta, sizeof meta, "dueq:{q:%d}:meta", p);
        if (note[0]) server_do(at(g, meta), "HSET %s %s 9000000000000000-1-x", meta, field);
    }
    add(g, "m", 2);
    move_all(g, 1);
    assert_int_equal(queue_drain(g->handle, "q"), 1);
}

static void what_was_added_again_meanwhile_keeps_its_score(void **state)
{
    ground *g = *state;
    add(g, "m", 1);
    move_all(g, 1);
    dueq_batch *held = queue_take_one(g->handle, "q", AN_HOUR_MS);
    server_do(at(g, "old"), "HSET " ASIDE " page %s queue dueq:{q} mm %s", "8000000000000000-1-x",
              "7000000 7");
    add(g, "m", 9);
    dueq_import_result result;
    ASSERT_RC(g->handle, import(g->handle, NULL, &result), DUEQ_HELD);
    assert_int_equal(result.busy, 1);
    assert_int_equal(server_int(at(g, "old"), "ZSCORE old m"), 9);
    queue_finish(g->handle, "q", held);
}

/* The limit is lowered after the handle has learned it; and what was refused for that is refused again
 * when the put is repeated, though the limit is higher then. */
static void a_lowered_limit_is_heeded(void **state)
{
    ground *g = *state;
    add(g, "m", 1);
    move_all(g, 1);
    dueq *other = cluster_open(g->cluster);
    ASSERT_RC(other, dueq_queue_config(other, "q", &(dueq_settings){.payload_max = 4}, NULL),
              DUEQ_OK);
    add(g, "longer", 1);
    dueq_import_result result;
    ASSERT_RC(g->handle, import(g->handle, NULL, &result), DUEQ_STATE);
    assert_int_equal(result.too_large, 1);
    assert_int_equal(left(g), 1);

    char field[64], note[256], page[256] = "";
    for (int p = 0; p < PARTITIONS; p++) {
        read_note(g, p, field, note);
        if (strstr(note, " L")) snprintf(page, sizeof page, "%.*s", (int)strcspn(note, " "), note);
    }
    assert_string_not_equal(page, "");
    ASSERT_RC(other, dueq_queue_config(other, "q", &(dueq_settings){.payload_max = 99}, NULL),
              DUEQ_OK);
    dueq_close(other);
    server_do(at(g, "old"), "ZREM old longer");
    server_do(at(g, "old"), "HSET " ASIDE " page %s queue dueq:{q} mlonger %s", page, "1000000 1");
    move_all(g, 1);
    assert_int_equal(queue_drain(g->handle, "q"), 2);
}

/* Keys whose neighbours must not be one: each ZSET's page is its own. */
static void zsets_of_like_names_do_not_meet(void **state)
{
    ground *g = *state;
    static const char KEY[] = "dueq:{q:5}:leased";
    int64_t rest = cut_short(g, 100, KEY);
    mend(g, KEY);
    server_do(at(g, "{old}"), "ZADD {old} 1 m1 1 m2 1 m3");
    dueq_import_result result;
    ASSERT_RC(g->handle, dueq_import(g->handle, "{old}", "q", NULL, &result), DUEQ_OK);
    assert_int_equal(result.moved, 3);
    assert_int_equal(count_aside(g), 1);
    move_all(g, rest);
    assert_int_equal(queue_stats(g->handle, "q").pushed, 103);
}

static void a_queue_of_another_prefix_is_another(void **state)
{
    ground *g = *state;
    static const char KEY[] = "dueq:{q:5}:leased";
    int64_t rest = cut_short(g, 100, KEY);
    mend(g, KEY);
    dueq *other = NULL;
    ASSERT_RC(other, dueq_open(&other, g->cluster->url, &(dueq_options){.prefix = "other"}),
              DUEQ_OK);
    ASSERT_RC(other, import(other, NULL, NULL), DUEQ_EINVAL);
    fixture_assert_error(other, "on their way into the queue \"dueq:{q}\"");
    dueq_close(other);
    move_all(g, rest);
}

/* Another importer has taken the last of it and died: an import is not over before that is. */
static void take_the_rest_away(void *context, const dueq_import_result *so_far)
{
    ground *g = context;
    if (so_far->moved != 1 || left(g) == 0) return;
    server_do(at(g, "old"), "DEL old");
    server_do(at(g, "old"), "HSET " ASIDE " page %s queue dueq:{q} mm2 %s", "8000000000000000-1-x",
              "2000000 2");
}

static void an_import_ends_with_nothing_on_its_way(void **state)
{
    ground *g = *state;
    add(g, "m1", 1);
    add(g, "m2", 2);
    dueq_import_options options = {.page = 1, .report = take_the_rest_away, .context = g};
    dueq_import_result result;
    ASSERT_RC(g->handle, import(g->handle, &options, &result), DUEQ_OK);
    assert_int_equal(result.moved, 2);
    assert_int_equal(count_aside(g), 0);
    assert_int_equal(queue_drain(g->handle, "q"), 2);
}

/* ---- While it cannot be ---------------------------------------------------------------------- */

static void fill_twenty(const ground *g)
{
    for (int i = 0; i < 20; i++) {
        char member[16];
        snprintf(member, sizeof member, "m%d", i);
        add(g, member, 1);
    }
}

/* How many of the members' locks are set. */
static int count_locks(const ground *g)
{
    int count = 0;
    for (int i = 0; i < 20; i++) {
        char lock[32];
        snprintf(lock, sizeof lock, LOCKS "m%d", i);
        count += (int)server_int(at(g, lock), "EXISTS %s", lock);
    }
    return count;
}

static dueq *open_hasty(const ground *g)
{
    dueq *hasty = NULL;
    ASSERT_RC(hasty, dueq_open(&hasty, g->cluster->url, &(dueq_options){.timeout_ms = 300}),
              DUEQ_OK);
    return hasty;
}

/* Old consumers go on with what an import cannot take. */
static void where_nothing_can_be_taken_nothing_is_locked(void **state)
{
    ground *g = *state;
    fill_twenty(g);
    dueq *hasty = open_hasty(g);
    test_server *master = at(g, "old");
    dueq_import_options options = {.lock_prefix = LOCKS};
    server_do(master, "CONFIG SET maxmemory 1");
    ASSERT_RC(hasty, import(hasty, &options, NULL), DUEQ_EFULL);
    server_do(master, "CONFIG SET maxmemory 0");
    assert_int_equal(count_locks(g), 0);
    int slot = dq_crc16("old", 3) % CLUSTER_SLOTS;
    size_t from = cluster_owner(g->cluster, 0, slot), to = (from + 1) % g->cluster->masters;
    cluster_migrate_begin(g->cluster, slot, from, to);
    ASSERT_RC(hasty, import(hasty, &options, NULL), DUEQ_EUNREADY);
    assert_int_equal(count_locks(g), 0);
    dueq_close(hasty);
    while (cluster_migrate_keys(g->cluster, slot, from, to, 1) > 0) {}
    cluster_migrate_end(g->cluster, slot, to);
    assert_int_equal(left(g), 20);
}

/* Locks that took too long to be had may be over when the page is taken: it is not. */
static void what_was_not_locked_in_time_stays(void **state)
{
    ground *g = *state;
    fill_twenty(g);
    test_server *zset = at(g, "old");
    for (size_t i = 0; i < g->cluster->masters; i++)
        if (g->cluster->nodes[i] != zset) server_do(g->cluster->nodes[i], "CLIENT PAUSE 500 WRITE");
    dueq_import_options options = {.lock_prefix = LOCKS, .lock_keep_ms = 50};
    ASSERT_RC(g->handle, import(g->handle, &options, NULL), DUEQ_ETIMEOUT);
    fixture_assert_error(g->handle, "could not be taken within the 50 ms");
    assert_int_equal(left(g), 20);
    assert_int_equal(count_aside(g), 0);
    options.lock_keep_ms = 60000;
    UNTIL(10000,
          count_locks(g) == 0); /* else it would find its own, which keep it out of nothing */
    dueq_import_result result;
    ASSERT_RC(g->handle, import(g->handle, &options, &result), DUEQ_OK);
    assert_int_equal(result.moved, 20);
}

static void what_is_no_page_is_told(void **state)
{
    ground *g = *state;
    add(g, "m", 1);
    server_do(at(g, "old"), "HSET " ASIDE " some thing");
    ASSERT_RC(g->handle, import(g->handle, NULL, NULL), DUEQ_ECORRUPT);
    fixture_assert_error(g->handle, ASIDE);
    server_do(at(g, "old"), "DEL " ASIDE);
    server_do(at(g, "old"), "SET " ASIDE " text");
    ASSERT_RC(g->handle, import(g->handle, NULL, NULL), DUEQ_ECORRUPT);
    fixture_assert_error(g->handle, ASIDE);
    assert_int_equal(left(g), 1);
}

/* ---- Exactly once, beside others ------------------------------------------------------------- */

static void handle_as_of_old(void *context, const char *member)
{
    party_count(context, member);
}

static void consume_as_of_old(party *p)
{
    if (!recipe_consume(p->url, "old", LOCKS, handle_as_of_old, p, &p->stop)) p->failed = true;
}

static void fill(const ground *g, int count)
{
    test_server *s = at(g, "old");
    for (int i = 0; i < count; i++) server_do(s, "ZADD old %d m%d", i % 5, i);
}

static void move_one_slot(const ground *g, int slot)
{
    size_t from = cluster_owner(g->cluster, 0, slot);
    cluster_move_slot(g->cluster, slot, from, (from + 1) % g->cluster->masters);
}

static void beside_an_old_consumer_each_is_handled_once(void **state)
{
    const ground *g = *state;
    enum { COUNT = 3000 };
    fill(g, COUNT);
    party old, new;
    char nodes[64];
    snprintf(nodes, sizeof nodes, "127.0.0.1:%d", server_port(g->cluster->nodes[0]));
    party_start(&old, consume_as_of_old, nodes, g->count);
    party_start(&new, party_work, g->cluster->url, g->count);
    UNTIL(10000, old.handled > 0);
    dueq_import_options options = {.lock_prefix = LOCKS, .wait_ms = -1, .poll_ms = 1, .page = 25};
    dueq_import_result result;
    while (left(g) > 0) {
        ASSERT_RC(g->handle, import(g->handle, &options, &result), DUEQ_OK);
    }
    UNTIL_EQ(30000, server_int(g->count, "HLEN handled"), COUNT);
    UNTIL_EQ(30000, queue_live(g->handle, "q"), 0);
    int64_t by_old = party_end(&old), by_new = party_end(&new);
    party_assert_each_once(g->count, COUNT);
    assert_int_equal(by_old + by_new, COUNT);
    assert_true(by_old > 0 && by_new > 0);
}

/* An importer in a process of its own, which is killed. */
static pid_t start_importer(const ground *g)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid) return pid;
    dueq *handle = NULL;
    dueq_import_options options = {.lock_prefix = LOCKS, .page = 5, .follow = true, .poll_ms = 1};
    int rc = dueq_open(&handle, g->cluster->url, NULL);
    if (rc == DUEQ_OK) rc = import(handle, &options, NULL);
    _exit(rc < 0);
}

static void killed_anywhere_it_loses_and_doubles_none(void **state)
{
    /* Beside threads a fork under a sanitizer may find its allocator locked for ever. */
    const char *sanitizer = getenv("DUEQ_SANITIZE");
    if (sanitizer && *sanitizer) skip();
    const ground *g = *state;
    enum { COUNT = 3000, KILLS = 25 };
    fill(g, COUNT);
    party new;
    party_start(&new, party_work, g->cluster->url, g->count);
    unsigned seed = 4711;
    int kills = 0, found_aside = 0;
    for (int round = 1; round <= KILLS && left(g) > 0; round++) {
        long long until = COUNT - (COUNT - 200) / KILLS * round - rand_r(&seed) % 50;
        pid_t pid = start_importer(g);
        UNTIL(20000, left(g) < until);
        poll(NULL, 0, rand_r(&seed) % 5);
        kill(pid, SIGKILL);
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        kills++;
        found_aside += count_aside(g) > 0;
        if (round % 8 == 0) move_one_slot(g, cluster_slot("q", round % PARTITIONS));
        if (round % 8 == 4) move_one_slot(g, dq_crc16("old", 3) % CLUSTER_SLOTS);
    }
    assert_true(kills >= 5);
    assert_true(found_aside >= 1);
    ASSERT_RC(g->handle, import(g->handle, &(dueq_import_options){.lock_prefix = LOCKS}, NULL),
              DUEQ_OK);
    UNTIL_EQ(30000, server_int(g->count, "HLEN handled"), COUNT);
    UNTIL_EQ(30000, queue_live(g->handle, "q"), 0);
    party_end(&new);
    party_assert_each_once(g->count, COUNT);
    assert_int_equal(queue_stats(g->handle, "q").pushed, COUNT);
}

/* ---- Importers and masters ------------------------------------------------------------------- */

typedef struct importer {
    const ground *g;
    pthread_t thread;
    int stop_fd, rc;
    dueq_import_result result;
    char error[512];
} importer;

static void *follow(void *context)
{
    importer *i = context;
    dueq *handle = NULL;
    dueq_import_options options = {.lock_prefix = LOCKS, .page = 5, .follow = true, .poll_ms = 1};
    i->rc = dueq_open(&handle, i->g->cluster->url, NULL);
    if (i->rc == DUEQ_OK) {
        dueq_set_interrupt_fd(handle, i->stop_fd);
        i->rc = import(handle, &options, &i->result);
    }
    snprintf(i->error, sizeof i->error, "%s", dueq_error(handle));
    dueq_close(handle);
    return NULL;
}

/* Two importers at once, on the same ZSET, while slots move and masters hand over: each helps what the
 * other has left, and all that was in the ZSET is pushed once. */
static void importers_and_masters_come_and_go(void **state)
{
    const ground *g = *state;
    enum { COUNT = 6000, IMPORTERS = 2 };
    fill(g, COUNT);
    party new;
    party_start(&new, party_work, g->cluster->url, g->count);
    importer importers[IMPORTERS] = {0};
    for (int i = 0; i < IMPORTERS; i++) {
        importers[i].g = g;
        importers[i].stop_fd = eventfd(0, EFD_CLOEXEC);
        assert_int_equal(pthread_create(&importers[i].thread, NULL, follow, &importers[i]), 0);
    }
    cluster *c = g->cluster;
    int zset_slot = dq_crc16("old", 3) % CLUSTER_SLOTS;
    size_t owner = cluster_owner(c, 0, zset_slot);
    cluster_fail_over(c, owner + c->masters);
    for (size_t i = 0; i < c->count; i++)
        UNTIL_EQ(30000, cluster_owner(c, i, zset_slot), owner + c->masters);
    cluster_await_ok(c);
    cluster_move_slot(c, zset_slot, owner + c->masters, (owner + 1) % c->masters);
    for (int p = 0; p < 3; p++) {
        int slot = cluster_slot("q", p);
        size_t from = cluster_owner(c, 0, slot);
        cluster_move_slot(c, slot, from,
                          from == c->masters + owner ? (owner + 1) % c->masters
                                                     : c->masters + owner);
    }
    UNTIL_EQ(60000, server_int(g->count, "HLEN handled"), COUNT);
    int64_t moved = 0;
    for (int i = 0; i < IMPORTERS; i++) {
        eventfd_write(importers[i].stop_fd, 1);
        pthread_join(importers[i].thread, NULL);
        close(importers[i].stop_fd);
        if (importers[i].rc != DUEQ_ECANCELED) fail_msg("%s", importers[i].error);
        moved += importers[i].result.moved;
    }
    UNTIL_EQ(30000, queue_live(g->handle, "q"), 0);
    party_end(&new);
    party_assert_each_once(g->count, COUNT);
    assert_in_range(moved, COUNT - COUNT / 10,
                    COUNT + COUNT / 10); /* by lost answers more or less */
    assert_int_equal(queue_stats(g->handle, "q").pushed, COUNT);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(members_become_tasks_in_all_partitions),
        TEST(members_are_bytes_of_any_length),
        TEST(what_cannot_be_a_task_stays),
        TEST(a_dry_run_changes_nothing),
        TEST(a_key_without_a_neighbour_is_refused),
        TEST(locked_members_are_left_and_taken_later),
        TEST(an_added_member_waits_for_its_leased_task),
        TEST(a_page_left_between_take_and_put_is_finished),
        TEST(a_page_left_between_put_and_drop_is_put_once),
        TEST(a_put_that_is_repeated_answers_the_same),
        TEST(a_page_that_comes_late_is_not_put),
        TEST(numbers_go_on_from_what_was_noted),
        TEST(what_was_added_again_meanwhile_keeps_its_score),
        TEST(a_lowered_limit_is_heeded),
        TEST(zsets_of_like_names_do_not_meet),
        TEST(a_queue_of_another_prefix_is_another),
        TEST(an_import_ends_with_nothing_on_its_way),
        TEST(where_nothing_can_be_taken_nothing_is_locked),
        TEST(what_was_not_locked_in_time_stays),
        TEST(what_is_no_page_is_told),
        TEST(beside_an_old_consumer_each_is_handled_once),
        TEST(killed_anywhere_it_loses_and_doubles_none),
        TEST(importers_and_masters_come_and_go),
    };
    return cmocka_run_group_tests(tests, start, end);
}
