/* dueq top without its terminal: what keys and news do to what is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../cli/top_columns.h"
#include "../../cli/top_model.h"
#include "queue/batch.h"

enum { SECOND_US = 1000000 };

static dueq_queue_counts counted(const char *queue, int64_t pushed, int64_t done)
{
    dueq_queue_counts one = {.queue = queue};
    one.stats = (dueq_stats){.partitions = 1,
                             .pushed = pushed,
                             .done = done,
                             .ready = pushed - done,
                             .oldest_ready_ms = -1,
                             .next_due_ms = -1,
                             .late_us = -1,
                             .late_ago_ms = -1};
    return one;
}

static size_t column_called(const char *title)
{
    for (size_t i = 0; i < TOP_COLUMN_COUNT; i++)
        if (strcmp(top_columns[i].title, title) == 0) return i;
    fail_msg("no column %s", title);
    return 0;
}

/* ---- The model ------------------------------------------------------------------------------- */

typedef struct world {
    top_model model;
    dueq_queue_counts counts[100];
    char names[100][8];
    size_t count;
    int64_t now_us;
} world;

static void hear_counts(world *w)
{
    top_news news = {.counted = true, .counts = w->counts, .count = w->count};
    w->now_us += SECOND_US;
    news.at_us = w->now_us;
    top_model_wish(&w->model, &news.wish);
    if (w->model.view != TOP_QUEUES) news.batch_rc = DUEQ_ETIMEOUT;
    top_model_hear(&w->model, &news);
}

/* A world of queues "q00", "q01" … on a screen of 80x24. */
static world *make_world(size_t count)
{
    world *w = calloc(1, sizeof *w);
    top_model_open(&w->model, 1000, 0);
    top_model_resize(&w->model, 80, 24);
    w->count = count;
    for (size_t i = 0; i < count; i++) {
        snprintf(w->names[i], sizeof w->names[i], "q%02u", (unsigned)(i % 100));
        w->counts[i] = counted(w->names[i], (int64_t)i, 0);
    }
    hear_counts(w);
    return w;
}

static void free_world(world *w)
{
    top_model_close(&w->model);
    free(w);
}

static void act(world *w, const top_action *actions, size_t count)
{
    for (size_t i = 0; i < count; i++) top_model_act(&w->model, actions[i]);
}

#define ACT(w, ...)                             \
    act((w), (const top_action[]){__VA_ARGS__}, \
        sizeof((const top_action[]){__VA_ARGS__}) / sizeof(top_action))

static top_wish wish_of(const world *w)
{
    top_wish wish;
    top_model_wish(&w->model, &wish);
    return wish;
}

static void the_selection_stays_in_sight(void **state)
{
    (void)state;
    world *w = make_world(50);
    size_t visible = w->model.areas.rows;
    assert_in_range(visible, 8, 14);
    assert_string_equal(w->model.selected, "q00");
    ACT(w, TOP_UP);
    assert_string_equal(w->model.selected, "q00");
    for (size_t i = 0; i < visible; i++) ACT(w, TOP_DOWN);
    assert_int_equal(w->model.first_row, 1);
    ACT(w, TOP_END);
    assert_string_equal(w->model.selected, "q49");
    assert_int_equal(w->model.first_row, 50 - visible);
    ACT(w, TOP_DOWN, TOP_PAGE_UP);
    assert_int_equal(top_rows_find(&w->model.rows, w->model.selected), 49 - visible);
    ACT(w, TOP_HOME);
    assert_int_equal(w->model.first_row, 0);
    ACT(w, TOP_END);
    top_model_resize(&w->model, 80, 8);
    assert_int_equal(w->model.first_row, 50 - w->model.areas.rows);
    top_model_resize(&w->model, 80, 100);
    assert_int_equal(w->model.first_row, 0);
    free_world(w);
}

static void the_selection_stays_with_its_queue(void **state)
{
    (void)state;
    world *w = make_world(10);
    ACT(w, TOP_DOWN, TOP_DOWN);
    assert_string_equal(w->model.selected, "q02");
    while (w->model.rows.sort != 1 + column_called("READY")) ACT(w, TOP_SORT);
    assert_string_equal(w->model.selected, "q02");
    assert_string_equal(w->model.status, "sorted: most ready first");
    ACT(w, TOP_HOME);
    assert_string_equal(w->model.selected, "q09");
    w->count = 9; /* q09 goes: what is now in its place is selected */
    hear_counts(w);
    assert_string_equal(w->model.selected, "q08");
    ACT(w, TOP_END);
    assert_string_equal(w->model.selected, "q00");
    w->count = 0;
    hear_counts(w);
    assert_null(top_model_queue(&w->model));
    ACT(w, TOP_DOWN, TOP_ENTER, TOP_PAUSE, TOP_REDRIVE, TOP_END, TOP_PAGE_DOWN);
    assert_int_equal(w->model.view, TOP_QUEUES);
    assert_int_equal(w->model.question.kind, TOP_ORDER_NONE);
    free_world(w);
}

static void sorting_comes_round(void **state)
{
    (void)state;
    world *w = make_world(3);
    for (size_t i = 0; i <= TOP_COLUMN_COUNT; i++) ACT(w, TOP_SORT);
    assert_int_equal(w->model.rows.sort, 0);
    assert_string_equal(w->model.status, "sorted: by name");
    free_world(w);
}

/* ---- Questions and orders */

static void nothing_is_done_without_a_yes(void **state)
{
    (void)state;
    static const top_action others[] = {TOP_NOTHING, TOP_ENTER, TOP_PAUSE, TOP_BACK, TOP_DOWN};
    world *w = make_world(3);
    top_order order;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ACT(w, TOP_PAUSE);
        assert_int_equal(w->model.question.kind, TOP_ORDER_PAUSE);
        ACT(w, others[i]);
        assert_int_equal(w->model.question.kind, TOP_ORDER_NONE);
        assert_false(top_model_order(&w->model, &order));
        assert_string_equal(w->model.status, "nothing was changed");
        assert_string_equal(w->model.selected, "q00");
    }
    ACT(w, TOP_YES);
    assert_false(top_model_order(&w->model, &order));
    free_world(w);
}

static void a_pause_and_its_end(void **state)
{
    (void)state;
    world *w = make_world(3);
    top_order order;
    char text[200];
    ACT(w, TOP_DOWN, TOP_PAUSE);
    assert_string_equal(top_model_question(&w->model, text, sizeof text),
                        "Pause q01, so that nothing is taken from it? (y/n)");
    ACT(w, TOP_YES);
    assert_true(top_model_order(&w->model, &order));
    assert_int_equal(order.kind, TOP_ORDER_PAUSE);
    assert_string_equal(order.queue, "q01");
    assert_false(top_model_order(&w->model, &order)); /* once */
    ACT(w, TOP_PAUSE);                                /* the first one is not done yet */
    assert_int_equal(w->model.question.kind, TOP_ORDER_NONE);
    assert_true(w->model.status_is_bad);
    top_model_answer(&w->model, &(top_answer){.order = order});
    assert_string_equal(w->model.status, "q01 is paused: nothing is taken from it");
    w->counts[1].stats.paused = true;
    hear_counts(w);
    ACT(w, TOP_PAUSE, TOP_YES);
    assert_true(top_model_order(&w->model, &order));
    assert_int_equal(order.kind, TOP_ORDER_RESUME);
    top_answer failed = {.order = order, .rc = DUEQ_EDENIED, .error = "no"};
    top_model_answer(&w->model, &failed);
    assert_string_equal(w->model.status, "q01: no");
    assert_true(w->model.status_is_bad);
    failed.rc = DUEQ_MISSING;
    top_model_answer(&w->model, &failed);
    assert_string_equal(w->model.status, "there is no queue q01 any more");
    free_world(w);
}

static void redriving_tells_the_number(void **state)
{
    (void)state;
    world *w = make_world(1);
    top_order order;
    char text[200];
    ACT(w, TOP_REDRIVE);
    assert_int_equal(w->model.question.kind, TOP_ORDER_NONE);
    assert_string_equal(w->model.status, "q00 has no dead tasks");
    w->counts[0].stats.dead = 1234;
    hear_counts(w);
    ACT(w, TOP_REDRIVE);
    assert_string_equal(top_model_question(&w->model, text, sizeof text),
                        "Make the 1,234 dead tasks of q00 ready again? (y/n)");
    ACT(w, TOP_YES);
    assert_true(top_model_order(&w->model, &order));
    assert_int_equal(order.kind, TOP_ORDER_REDRIVE_ALL);
    top_model_answer(&w->model, &(top_answer){.order = order, .count = 1});
    assert_string_equal(w->model.status, "1 dead task of q00 made ready again");
    free_world(w);
}

/* ---- Looking in */

static void a_look_into_a_queue(void **state)
{
    (void)state;
    world *w = make_world(3);
    w->counts[1].stats.ready = 0;
    w->counts[1].stats.dead = 2;
    hear_counts(w);
    ACT(w, TOP_DOWN, TOP_ENTER);
    top_wish wish = wish_of(w);
    assert_int_equal(wish.view, TOP_TASKS);
    assert_string_equal(wish.queue, "q01");
    assert_int_equal(wish.state, DUEQ_STATE_DEAD); /* there is nothing else */
    assert_int_equal(wish.tasks_max, w->model.areas.rows);
    static const dueq_state next[] = {DUEQ_STATE_WAITING, DUEQ_STATE_READY, DUEQ_STATE_LEASED,
                                      DUEQ_STATE_DEAD};
    for (size_t i = 0; i < sizeof next / sizeof *next; i++) {
        ACT(w, TOP_NEXT_STATE);
        assert_int_equal(wish_of(w).state, next[i]);
    }
    ACT(w, TOP_PREVIOUS_STATE);
    assert_int_equal(wish_of(w).state, DUEQ_STATE_LEASED);
    ACT(w, TOP_ENTER, TOP_DOWN, TOP_UP, TOP_END, TOP_HOME); /* nothing has come yet */
    assert_int_equal(w->model.view, TOP_TASKS);
    ACT(w, TOP_BACK);
    assert_int_equal(w->model.view, TOP_QUEUES);
    assert_false(w->model.quit);
    ACT(w, TOP_BACK);
    assert_true(w->model.quit);
    free_world(w);
}

/* ---- Pages of tasks */

/* Tasks with these ids, an id a letter, as a page of what the model wishes for. */
static void hear_page(world *w, const char *ids, const char *next)
{
    dq_batch *batch = dq_batch_make();
    top_news news = {.wish = wish_of(w), .at_us = w->now_us};
    batch->tasks = calloc(strlen(ids) + 1, sizeof(dueq_task));
    for (size_t i = 0; ids[i] != '\0'; i++) {
        char *id = dq_batch_room(batch, 2);
        id[0] = ids[i];
        id[1] = '\0';
        batch->tasks[i] = (dueq_task){.id = id, .id_len = 1, .state = DUEQ_STATE_DEAD};
    }
    batch->pub = (dueq_batch){strlen(ids), batch->tasks};
    news.batch = &batch->pub;
    snprintf(news.cursor, sizeof news.cursor, "%s", next);
    top_model_hear(&w->model, &news);
    dueq_batch_free(news.batch);
}

static const char *selected_id(const world *w)
{
    const dueq_task *task = top_model_task(&w->model);
    return task != NULL ? task->id : "";
}

static world *make_world_of_tasks(void)
{
    world *w = make_world(1);
    w->counts[0].stats.dead = 9;
    hear_counts(w);
    ACT(w, TOP_ENTER);
    return w;
}

static void the_selection_stays_with_its_task(void **state)
{
    (void)state;
    world *w = make_world_of_tasks();
    hear_page(w, "abcd", "");
    assert_string_equal(selected_id(w), "a");
    ACT(w, TOP_DOWN, TOP_DOWN);
    hear_page(w, "bcd", "");
    assert_string_equal(selected_id(w), "c");
    hear_page(w, "bde", ""); /* c has gone: what is now in its place */
    assert_string_equal(selected_id(w), "d");
    ACT(w, TOP_END);
    hear_page(w, "b", "");
    assert_string_equal(selected_id(w), "b");
    hear_page(w, "", "");
    ACT(w, TOP_ENTER, TOP_UP, TOP_DOWN);
    assert_int_equal(w->model.view, TOP_TASKS);
    free_world(w);
}

static void pages_are_turned(void **state)
{
    (void)state;
    world *w = make_world_of_tasks();
    assert_string_equal(wish_of(w).cursor, "");
    hear_page(w, "ab", "two");
    ACT(w, TOP_DOWN, TOP_DOWN);
    assert_string_equal(wish_of(w).cursor, "two");
    hear_page(w, "cd", "three");
    assert_string_equal(selected_id(w), "c");
    ACT(w, TOP_UP); /* back to the end of the first */
    assert_string_equal(wish_of(w).cursor, "");
    hear_page(w, "ab", "two");
    assert_string_equal(selected_id(w), "b");
    ACT(w, TOP_PAGE_DOWN);
    hear_page(w, "cd", "three");
    ACT(w, TOP_PAGE_DOWN, TOP_PAGE_DOWN);
    assert_string_equal(wish_of(w).cursor, "three");
    hear_page(w, "", ""); /* its tasks have gone meanwhile */
    assert_string_equal(wish_of(w).cursor, "two");
    hear_page(w, "c", "");
    ACT(w, TOP_DOWN, TOP_DOWN); /* the last page: there is no more */
    assert_string_equal(wish_of(w).cursor, "two");
    ACT(w, TOP_HOME);
    assert_string_equal(wish_of(w).cursor, "");
    ACT(w, TOP_NEXT_STATE);
    assert_string_equal(wish_of(w).cursor, "");
    free_world(w);
}

static void many_pages_are_turned(void **state)
{
    (void)state;
    world *w = make_world_of_tasks();
    for (int i = 0; i < 100; i++) {
        char next[16];
        snprintf(next, sizeof next, "c%d", i);
        hear_page(w, "a", next);
        ACT(w, TOP_DOWN);
        assert_string_equal(wish_of(w).cursor, next);
    }
    assert_int_equal(w->model.page.start_count, 101);
    free_world(w);
}

static void a_task_that_goes_is_still_shown(void **state)
{
    (void)state;
    world *w = make_world_of_tasks();
    char text[200];
    top_order order;
    hear_page(w, "ab", "");
    ACT(w, TOP_DOWN, TOP_ENTER);
    top_wish wish = wish_of(w);
    assert_int_equal(wish.view, TOP_TASK);
    assert_string_equal(wish.id.bytes, "b");
    assert_int_equal(wish.id.len, 1);
    hear_page(w, "b", "");
    ACT(w, TOP_REDRIVE);
    assert_string_equal(top_model_question(&w->model, text, sizeof text),
                        "Make this dead task of q00 ready again? (y/n)");
    ACT(w, TOP_YES);
    assert_true(top_model_order(&w->model, &order));
    assert_int_equal(order.kind, TOP_ORDER_REDRIVE_ONE);
    assert_memory_equal(order.id.bytes, "b", 1);
    top_model_answer(&w->model, &(top_answer){.order = order, .rc = DUEQ_MISSING});
    assert_string_equal(w->model.status, "the task is not in q00 any more");
    hear_page(w, "", "");
    assert_true(w->model.task_gone);
    assert_string_equal(selected_id(w), "b");
    ACT(w, TOP_REDRIVE);
    assert_int_equal(w->model.question.kind, TOP_ORDER_NONE);
    assert_string_equal(w->model.status, "only a dead task can be made ready again");
    ACT(w, TOP_BACK);
    assert_string_equal(selected_id(w), "b"); /* the list is as it was */
    free_world(w);
}

static void a_task_is_scrolled(void **state)
{
    (void)state;
    world *w = make_world_of_tasks();
    hear_page(w, "a", "");
    ACT(w, TOP_ENTER);
    hear_page(w, "a", "");
    size_t visible = w->model.areas.rows;
    w->model.line_count = visible + 5;
    ACT(w, TOP_UP);
    assert_int_equal(w->model.first_line, 0);
    ACT(w, TOP_DOWN, TOP_DOWN);
    assert_int_equal(w->model.first_line, 2);
    ACT(w, TOP_PAGE_DOWN);
    assert_int_equal(w->model.first_line, 5);
    w->model.line_count = 3; /* all in sight */
    ACT(w, TOP_END);
    assert_int_equal(w->model.first_line, 0);
    free_world(w);
}

static void news_of_elsewhere_is_not_shown(void **state)
{
    (void)state;
    world *w = make_world(3);
    ACT(w, TOP_DOWN, TOP_ENTER);
    top_news late = {.wish = wish_of(w), .batch_rc = DUEQ_ESERVER, .error = "late"};
    ACT(w, TOP_NEXT_STATE);
    top_model_hear(&w->model, &late);
    assert_string_equal(w->model.status, "");
    late.wish = wish_of(w);
    top_model_hear(&w->model, &late);
    assert_string_equal(w->model.status, "q01: late");
    free_world(w);
}

static void the_server_goes_and_comes(void **state)
{
    (void)state;
    world *w = make_world(3);
    int64_t heard_us = w->model.heard_us;
    top_news away = {.rc = DUEQ_ECONNECT, .error = "refused", .at_us = heard_us + 5};
    top_model_hear(&w->model, &away);
    assert_true(w->model.away);
    assert_string_equal(w->model.away_why, "refused");
    assert_int_equal(w->model.heard_us, heard_us);
    assert_int_equal(w->model.rows.count, 3); /* the last picture stays */
    ACT(w, TOP_DOWN);
    assert_string_equal(w->model.selected, "q01");
    hear_counts(w);
    assert_false(w->model.away);
    free_world(w);
}

static void help_takes_one_key(void **state)
{
    (void)state;
    world *w = make_world(3);
    ACT(w, TOP_HELP);
    assert_true(w->model.help);
    ACT(w, TOP_BACK);
    assert_false(w->model.help);
    assert_false(w->model.quit);
    ACT(w, TOP_HELP, TOP_QUIT);
    assert_true(w->model.quit);
    free_world(w);
}

static void the_interval_has_its_bounds(void **state)
{
    (void)state;
    world *w = make_world(1);
    ACT(w, TOP_SLOWER);
    assert_int_equal(wish_of(w).interval_ms, 2000);
    for (int i = 0; i < 30; i++) ACT(w, TOP_SLOWER);
    assert_int_equal(w->model.interval_ms, TOP_INTERVAL_MAX_MS);
    for (int i = 0; i < 30; i++) ACT(w, TOP_FASTER);
    assert_int_equal(w->model.interval_ms, TOP_INTERVAL_MIN_MS);
    w->model.interval_ms = 1500; /* by --interval */
    ACT(w, TOP_FASTER);
    assert_int_equal(w->model.interval_ms, 1000);
    free_world(w);
}

/* No line stands on another, whatever the height. */
static void areas_do_not_meet(void **state)
{
    (void)state;
    world *w = make_world(60);
    for (top_view view = TOP_QUEUES; view <= TOP_TASK; view++) {
        w->model.view = view;
        for (size_t height = 0; height < 70; height++) {
            top_model_resize(&w->model, 80, height);
            assert_int_equal(w->model.too_small, height < TOP_HEIGHT_MIN);
            if (w->model.too_small) continue;
            const top_areas *a = &w->model.areas;
            size_t end = a->rows_at + a->rows;
            assert_true(a->rows >= 1);
            if (a->has_total) {
                assert_int_equal(a->total_at, end);
                end++;
            }
            if (a->panel_rows > 0) {
                assert_true(a->panel_at >= end);
                end = a->panel_at + a->panel_rows;
            }
            if (end > a->status_at) fail_msg("height %zu: %zu > %zu", height, end, a->status_at);
            assert_true(a->status_at < height);
            assert_true(a->keys_at == 0 || a->keys_at == a->status_at + 1);
        }
    }
    free_world(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_selection_stays_in_sight),
        cmocka_unit_test(the_selection_stays_with_its_queue),
        cmocka_unit_test(sorting_comes_round),
        cmocka_unit_test(nothing_is_done_without_a_yes),
        cmocka_unit_test(a_pause_and_its_end),
        cmocka_unit_test(redriving_tells_the_number),
        cmocka_unit_test(a_look_into_a_queue),
        cmocka_unit_test(the_selection_stays_with_its_task),
        cmocka_unit_test(pages_are_turned),
        cmocka_unit_test(many_pages_are_turned),
        cmocka_unit_test(a_task_that_goes_is_still_shown),
        cmocka_unit_test(a_task_is_scrolled),
        cmocka_unit_test(news_of_elsewhere_is_not_shown),
        cmocka_unit_test(the_server_goes_and_comes),
        cmocka_unit_test(help_takes_one_key),
        cmocka_unit_test(the_interval_has_its_bounds),
        cmocka_unit_test(areas_do_not_meet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
