/* The state of the screen of dueq top, moved by keys and by news. */
#include "top_model.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "text.h"
#include "top_columns.h"

void top_model_open(top_model *model, int64_t interval_ms, int64_t now_us)
{
    *model = (top_model){.interval_ms = interval_ms, .heard_us = now_us};
}

static void forget_page(top_model *model)
{
    dueq_batch_free(model->page.batch);
    model->page.batch = NULL;
    model->page.next[0] = '\0';
}

static void forget_task(top_model *model)
{
    dueq_batch_free(model->task);
    model->task = NULL;
    model->task_gone = model->other_form = false;
    model->first_line = model->line_count = 0;
}

void top_model_close(top_model *model)
{
    forget_page(model);
    forget_task(model);
    free(model->page.starts);
    top_rows_free(&model->rows);
}

/* ---- What is looked at */

const top_row *top_model_queue(const top_model *model)
{
    const char *name = model->view == TOP_QUEUES ? model->selected : model->queue;
    size_t at = top_rows_find(&model->rows, name);

    return at < model->rows.count ? model->rows.shown[at] : NULL;
}

static const dueq_task *task_at(const dueq_batch *batch, size_t index)
{
    return batch != NULL && index < batch->count ? &batch->tasks[index] : NULL;
}

const dueq_task *top_model_task(const top_model *model)
{
    switch (model->view) {
    case TOP_TASKS:
        return task_at(model->page.batch, model->page.selected);
    case TOP_TASK:
        return task_at(model->task, 0);
    default:
        return NULL;
    }
}

/* ---- The screen's parts */

static size_t areas_rows(size_t height, size_t taken)
{
    return height > taken ? height - taken : 1;
}

/* From the top: a title, the columns' titles, rows; from the bottom: keys and status. */
static void fit_areas(top_areas *areas, top_view view, size_t height)
{
    static const size_t titles_at[] = {[TOP_QUEUES] = 1, [TOP_TASKS] = 2, [TOP_TASK] = 0};
    bool has_keys = height >= 8;
    bool is_table = view == TOP_QUEUES;
    size_t below = has_keys ? 2 : 1;

    *areas = (top_areas){.titles_at = titles_at[view], .rows_at = titles_at[view] + 1};
    areas->keys_at = has_keys ? height - 1 : 0;
    areas->status_at = height - below;
    areas->panel_rows = is_table && height >= TOP_PANEL_ROWS + 9 ? TOP_PANEL_ROWS : 0;
    areas->has_total = is_table && height >= 6;
    areas->rows = areas_rows(height, areas->rows_at + areas->has_total + areas->panel_rows + below);
}

/* The sum and the panel follow the rows, however few there are. */
static void fit_table(top_areas *areas, size_t row_count)
{
    size_t shown = row_count < areas->rows ? row_count : areas->rows;

    areas->total_at = areas->rows_at + (shown > 0 ? shown : 1);
    areas->panel_at = areas->total_at + 1;
    if (areas->panel_at + areas->panel_rows < areas->status_at) areas->panel_at++;
}

static void fit(top_model *model)
{
    model->too_small = model->width < TOP_WIDTH_MIN || model->height < TOP_HEIGHT_MIN;
    if (model->too_small) return;
    fit_areas(&model->areas, model->view, model->height);
    fit_table(&model->areas, model->rows.count);
}

size_t top_scroll(size_t first, size_t selected, size_t count, size_t visible)
{
    if (selected < first) first = selected;
    if (selected >= first + visible) first = selected - visible + 1;
    if (first + visible > count) first = count > visible ? count - visible : 0;
    return first;
}

void top_model_resize(top_model *model, size_t width, size_t height)
{
    top_page *page = &model->page;

    model->width = width;
    model->height = height;
    fit(model);
    model->first_row = top_scroll(model->first_row, top_rows_find(&model->rows, model->selected),
                                  model->rows.count, model->areas.rows);
    if (page->batch != NULL)
        page->first =
            top_scroll(page->first, page->selected, page->batch->count, model->areas.rows);
}

/* ---- Moving */

#define FAR (INT64_C(1) << 40) /* past the end of any list */

/* `at` moved by so many within a list; as far as it goes. */
static size_t moved(size_t at, int64_t by, size_t count)
{
    if (count == 0) return 0;
    if (at >= count) at = count - 1;
    if (by < 0) return at > (size_t)-by ? at - (size_t)-by : 0;
    return (size_t)by < count - 1 - at ? at + (size_t)by : count - 1;
}

static void select_row(top_model *model, size_t at)
{
    if (at >= model->rows.count) return;
    memcpy(model->selected, model->rows.shown[at]->name, sizeof(model->selected));
    model->first_row = top_scroll(model->first_row, at, model->rows.count, model->areas.rows);
}

/* A queue that has gone leaves the selection to the one that is now in its place. */
static void move_row(top_model *model, int64_t by)
{
    size_t at = top_rows_find(&model->rows, model->selected);

    if (at >= model->rows.count) at = 0;
    select_row(model, moved(at, by, model->rows.count));
}

static void turn_page(top_model *model, bool forward)
{
    top_page *page = &model->page;

    if (forward) {
        page->starts =
            mem_room(page->starts, page->start_count, &page->start_cap, sizeof(page->starts[0]));
        memcpy(page->starts[page->start_count++], page->next, sizeof(page->next));
    } else {
        page->start_count--;
    }
    forget_page(model);
    page->first = page->selected = 0;
}

/* Past the end of a page begins the next one. */
static void move_task(top_model *model, int64_t by)
{
    top_page *page = &model->page;
    size_t count = page->batch != NULL ? page->batch->count : 0;

    if (page->batch == NULL) return;
    if (by > 0 && page->selected + 1 >= count && page->next[0] != '\0') {
        turn_page(model, true);
    } else if (by < 0 && page->selected == 0 && page->start_count > 1) {
        turn_page(model, false);
        page->selected = SIZE_MAX; /* the last, when it is here */
    } else {
        page->selected = moved(page->selected, by, count);
        page->first = top_scroll(page->first, page->selected, count, model->areas.rows);
    }
}

static void move_lines(top_model *model, int64_t by)
{
    size_t visible = model->areas.rows;
    size_t last = model->line_count > visible ? model->line_count - visible : 0;

    model->first_line = moved(model->first_line, by, last + 1);
}

static void move(top_model *model, int64_t by)
{
    if (model->view == TOP_QUEUES)
        move_row(model, by);
    else if (model->view == TOP_TASKS)
        move_task(model, by);
    else
        move_lines(model, by);
}

static void go_up(top_model *model)
{
    move(model, -1);
}

static void go_down(top_model *model)
{
    move(model, 1);
}

static void go_page_up(top_model *model)
{
    move(model, -(int64_t)model->areas.rows);
}

static void go_page_down(top_model *model)
{
    move(model, (int64_t)model->areas.rows);
}

static void go_home(top_model *model)
{
    if (model->view == TOP_TASKS && model->page.start_count > 1) {
        model->page.start_count = 1;
        forget_page(model);
        model->page.first = model->page.selected = 0;
    } else {
        move(model, -FAR);
    }
}

/* Of tasks: of the page, since nobody knows where the last one ends. */
static void go_end(top_model *model)
{
    size_t count = model->page.batch != NULL ? model->page.batch->count : 0;

    if (model->view != TOP_TASKS)
        move(model, FAR);
    else if (model->page.selected + 1 < count)
        move(model, (int64_t)count);
}

/* ---- Looking in and out */

static void show_state(top_model *model, dueq_state state)
{
    forget_page(model);
    model->page.state = state;
    model->page.first = model->page.selected = 0;
    model->page.starts =
        mem_room(model->page.starts, 0, &model->page.start_cap, sizeof(model->page.starts[0]));
    model->page.starts[0][0] = '\0';
    model->page.start_count = 1;
}

static void show_view(top_model *model, top_view view)
{
    model->view = view;
    fit(model);
}

/* The state that somebody who looks into a queue most likely wants to see. */
static dueq_state state_to_look_at(const dueq_stats *stats)
{
    if (stats->ready > 0) return DUEQ_STATE_READY;
    if (stats->waiting > 0) return DUEQ_STATE_WAITING;
    if (stats->leased > 0) return DUEQ_STATE_LEASED;
    return stats->dead > 0 ? DUEQ_STATE_DEAD : DUEQ_STATE_WAITING;
}

static void look_into_queue(top_model *model)
{
    const top_row *row = top_model_queue(model);

    if (row == NULL || row->outcome != DUEQ_OK) return;
    memcpy(model->queue, row->name, sizeof(model->queue));
    show_view(model, TOP_TASKS);
    show_state(model, state_to_look_at(&row->stats));
}

static void set_id(top_id *id, const dueq_task *task)
{
    *id = (top_id){.len = task->id_len < DUEQ_ID_MAX ? task->id_len : DUEQ_ID_MAX};
    memcpy(id->bytes, task->id, id->len);
}

static void look_into_task(top_model *model)
{
    const dueq_task *task = top_model_task(model);

    if (task == NULL) return;
    set_id(&model->id, task);
    forget_task(model);
    show_view(model, TOP_TASK);
}

static void go_in(top_model *model)
{
    if (model->view == TOP_QUEUES)
        look_into_queue(model);
    else if (model->view == TOP_TASKS)
        look_into_task(model);
}

static void go_back(top_model *model)
{
    if (model->view == TOP_QUEUES)
        model->quit = true;
    else if (model->view == TOP_TASKS)
        show_view(model, TOP_QUEUES);
    else
        show_view(model, TOP_TASKS);
}

static void turn_state(top_model *model, int by)
{
    int first = DUEQ_STATE_WAITING, count = DUEQ_STATE_DEAD - DUEQ_STATE_WAITING + 1;

    if (model->view != TOP_TASKS) return;
    show_state(model, (dueq_state)(first + ((int)model->page.state - first + by + count) % count));
}

static void next_state(top_model *model)
{
    turn_state(model, 1);
}

static void previous_state(top_model *model)
{
    turn_state(model, -1);
}

/* ---- Settings */

static void sort(top_model *model)
{
    size_t next = (model->rows.sort + 1) % (TOP_COLUMN_COUNT + 1);

    if (model->view != TOP_QUEUES) return;
    top_rows_sort(&model->rows, next);
    move_row(model, 0);
    top_model_tell(model, false, "sorted: %s", next > 0 ? top_columns[next - 1].sorted : "by name");
}

static void change_form(top_model *model)
{
    if (model->view == TOP_TASK) model->other_form = !model->other_form;
}

static const int64_t intervals_ms[] = {
    TOP_INTERVAL_MIN_MS, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000, 300000, 900000,
    TOP_INTERVAL_MAX_MS};

static void tell_interval(top_model *model)
{
    text_small span;

    top_model_tell(model, false, "a new picture every %s",
                   dueq_format_duration(model->interval_ms, span, sizeof(span)));
}

static void slower(top_model *model)
{
    size_t i = 0, last = sizeof(intervals_ms) / sizeof(intervals_ms[0]) - 1;

    while (i < last && intervals_ms[i] <= model->interval_ms) i++;
    model->interval_ms = intervals_ms[i];
    tell_interval(model);
}

static void faster(top_model *model)
{
    size_t i = sizeof(intervals_ms) / sizeof(intervals_ms[0]) - 1;

    while (i > 0 && intervals_ms[i] >= model->interval_ms) i--;
    model->interval_ms = intervals_ms[i];
    tell_interval(model);
}

static void show_help(top_model *model)
{
    model->help = true;
}

static void quit(top_model *model)
{
    model->quit = true;
}

static void (*const doings[TOP_ACTION_COUNT])(top_model *) = {
    [TOP_UP] = go_up,
    [TOP_DOWN] = go_down,
    [TOP_PAGE_UP] = go_page_up,
    [TOP_PAGE_DOWN] = go_page_down,
    [TOP_HOME] = go_home,
    [TOP_END] = go_end,
    [TOP_ENTER] = go_in,
    [TOP_BACK] = go_back,
    [TOP_QUIT] = quit,
    [TOP_NEXT_STATE] = next_state,
    [TOP_PREVIOUS_STATE] = previous_state,
    [TOP_PAUSE] = top_model_pause,
    [TOP_REDRIVE] = top_model_redrive,
    [TOP_SORT] = sort,
    [TOP_FORM] = change_form,
    [TOP_SLOWER] = slower,
    [TOP_FASTER] = faster,
    [TOP_HELP] = show_help,
};

/* A question and the help take the next key, whatever it is; only the end comes first. */
void top_model_act(top_model *model, top_action action)
{
    model->status[0] = '\0';
    if (action == TOP_QUIT)
        quit(model);
    else if (model->question.kind != TOP_ORDER_NONE)
        top_model_reply(model, action);
    else if (model->help)
        model->help = false;
    else if (doings[action] != NULL)
        doings[action](model);
}

/* ---- The server */

void top_model_wish(const top_model *model, top_wish *wish)
{
    const top_page *page = &model->page;

    *wish = (top_wish){.view = model->view, .interval_ms = model->interval_ms};
    if (model->view == TOP_QUEUES) return;
    memcpy(wish->queue, model->queue, sizeof(wish->queue));
    if (model->view == TOP_TASK) {
        wish->id = model->id;
        return;
    }
    wish->state = page->state;
    wish->tasks_max = model->areas.rows;
    memcpy(wish->cursor, page->starts[page->start_count - 1],
           strlen(page->starts[page->start_count - 1]));
}

bool top_wish_is_same(const top_wish *a, const top_wish *b)
{
    return a->view == b->view && a->state == b->state && a->tasks_max == b->tasks_max &&
           a->interval_ms == b->interval_ms && a->id.len == b->id.len &&
           memcmp(a->id.bytes, b->id.bytes, a->id.len) == 0 && strcmp(a->queue, b->queue) == 0 &&
           strcmp(a->cursor, b->cursor) == 0;
}

static bool is_same_id(const dueq_task *task, const top_id *id)
{
    return task->id_len == id->len && memcmp(task->id, id->bytes, id->len) == 0;
}

/* The selection stays with its task while that is on the page. */
static size_t find_selected(const top_page *page, const dueq_batch *now)
{
    const dueq_task *was = task_at(page->batch, page->selected);
    top_id id;

    if (was != NULL) {
        set_id(&id, was);
        for (size_t i = 0; i < now->count; i++)
            if (is_same_id(&now->tasks[i], &id)) return i;
    }
    if (now->count == 0) return 0;
    return page->selected < now->count ? page->selected : now->count - 1;
}

static void hear_page(top_model *model, top_news *news)
{
    top_page *page = &model->page;

    page->selected = find_selected(page, news->batch);
    forget_page(model);
    page->batch = news->batch;
    news->batch = NULL;
    memcpy(page->next, news->cursor, sizeof(page->next));
    page->first = top_scroll(page->first, page->selected, page->batch->count, model->areas.rows);
    if (page->batch->count == 0 && page->start_count > 1) turn_page(model, false);
}

/* A task that has gone is shown as it was. */
static void hear_task(top_model *model, top_news *news)
{
    model->task_gone = news->batch->count == 0;
    if (model->task_gone) return;
    dueq_batch_free(model->task);
    model->task = news->batch;
    news->batch = NULL;
}

static void hear_tasks(top_model *model, top_news *news)
{
    top_wish now;

    top_model_wish(model, &now);
    if (!top_wish_is_same(&now, &news->wish)) return; /* it looks elsewhere by now */
    if (news->batch_rc < 0)
        top_model_tell(model, true, "%s: %s", model->queue, news->error);
    else if (news->batch == NULL)
        top_model_tell(model, true, "there is no queue %s any more", model->queue);
    else if (model->view == TOP_TASKS)
        hear_page(model, news);
    else
        hear_task(model, news);
}

static void hear_counts(top_model *model, const top_news *news)
{
    size_t at = top_rows_find(&model->rows, model->selected);

    top_rows_count(&model->rows, news->counts, news->count, news->at_us);
    fit(model);
    if (top_rows_find(&model->rows, model->selected) >= news->count)
        select_row(model, moved(0, (int64_t)at, news->count));
    move_row(model, 0);
}

void top_model_hear(top_model *model, top_news *news)
{
    model->away = news->rc < 0;
    if (model->away) {
        memcpy(model->away_why, news->error, sizeof(model->away_why));
        return;
    }
    model->heard = true;
    model->heard_us = news->at_us;
    if (news->counted) hear_counts(model, news);
    if (model->view != TOP_QUEUES) hear_tasks(model, news);
}
