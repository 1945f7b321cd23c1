/* The views of dueq top, line by line. What they say is in the model, how in top_panel.c and the
 * columns. */
#include "top_draw.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "top_columns.h"
#include "top_panel.h"
#include "top_screen.h"
#include "top_task.h"

#define PATIENCE_US 2000000 /* an answer that takes longer is worth a word */
#define PREVIEW_LEN 512     /* bytes of a payload or an error that a row may show */

static bool is_stale(const top_model *model, const top_scene *scene)
{
    return model->away || scene->waits_us > PATIENCE_US;
}

/* ---- What every view has */

static void draw_title(const top_model *model, const top_scene *scene)
{
    char right[160];
    text_small every;
    size_t taken, column = 0;

    snprintf(right, sizeof(right), "every %s",
             dueq_format_duration(model->interval_ms, every, sizeof(every)));
    taken = text_width(right);
    column += top_screen_put(0, 0, model->width, STYLE_BOLD, "dueq top") + 2;
    if (model->width > column + taken + 2) {
        top_screen_put(0, column, model->width - column - taken - 2, STYLE_FAINT, scene->url);
        top_screen_put(0, model->width - taken, taken, STYLE_FAINT, right);
    }
}

/* A question comes first, then that the server is away, then what came of the last key. */
static void draw_status(const top_model *model, const top_scene *scene)
{
    char text[DUEQ_ERROR_TEXT_MAX + 256] = "";
    out_style style = STYLE_WARN;
    text_small since;
    int64_t silent_ms = (scene->now_us - model->heard_us) / 1000;

    dueq_format_duration(silent_ms / 1000 * 1000, since, sizeof(since));
    if (model->question.kind != TOP_ORDER_NONE) {
        style = STYLE_BOLD;
        top_model_question(model, text, sizeof(text));
    } else if (model->away) {
        style = STYLE_BAD;
        snprintf(text, sizeof(text), "the server is away for %s, trying again: %s", since,
                 model->away_why);
    } else if (scene->waits_us > PATIENCE_US) {
        snprintf(text, sizeof(text), "the server has not answered for %s", since);
    } else {
        style = model->status_is_bad ? STYLE_BAD : STYLE_BOLD;
        snprintf(text, sizeof(text), "%s", model->status);
    }
    top_screen_dim(false);
    if (*text != '\0') {
        char *shown = text_escape(text, strlen(text));

        top_screen_put(model->areas.status_at, 0, model->width, style, shown);
        free(shown);
    }
}

static void draw_keys(const top_model *model)
{
    static const char *const hints[] = {
        [TOP_QUEUES] = "Enter look in  p pause  r redrive  s sort  + - interval  ? help  q quit",
        [TOP_TASKS] = "Enter look at it  Tab state  p pause  r redrive all  ? help  q back",
        [TOP_TASK] = "Up Down scroll  x text/hex  r redrive  ? help  q back",
    };

    if (model->areas.keys_at > 0)
        top_screen_put(model->areas.keys_at, 0, model->width, STYLE_FAINT, hints[model->view]);
}

/* ---- Queues */

static void draw_titles(const top_model *model, const top_layout *layout)
{
    size_t at = layout->name_width;

    top_screen_put(model->areas.titles_at, 1, at - 1, STYLE_BOLD, "QUEUE");
    for (size_t i = 0; i < TOP_COLUMN_COUNT; i++) {
        bool sorted = model->rows.sort == i + 1;

        if (layout->widths[i] == 0) continue;
        top_screen_put_right(model->areas.titles_at, at + 1, layout->widths[i],
                             sorted ? STYLE_NOTE : STYLE_BOLD, top_columns[i].title);
        at += layout->widths[i] + 1;
    }
}

static void draw_name(const top_row *row, size_t line, size_t width)
{
    size_t mark = row->stats.paused ? strlen(TOP_PAUSED) : 0;
    size_t taken = 1 + top_screen_put(line, 1, width - 1 - mark, STYLE_PLAIN, row->name);

    if (mark > 0) top_screen_put(line, taken, mark, STYLE_WARN, TOP_PAUSED);
}

static void draw_cells(const top_row *row, size_t line, const top_layout *layout, bool total)
{
    size_t at = layout->name_width;

    for (size_t i = 0; i < TOP_COLUMN_COUNT; i++) {
        const top_column *column = &top_columns[i];
        out_style style = column->value(row) > 0 ? column->style : STYLE_PLAIN;
        text_small text;

        if (layout->widths[i] == 0) continue;
        if (total) style = STYLE_BOLD;
        top_screen_put_right(line, at + 1, layout->widths[i], style,
                             column->text(row, layout->widths[i], text));
        at += layout->widths[i] + 1;
    }
}

static void draw_row(const top_model *model, const top_layout *layout, size_t line,
                     const top_row *row)
{
    bool selected = strcmp(row->name, model->selected) == 0;

    draw_name(row, line, layout->name_width);
    if (row->outcome == DUEQ_OK)
        draw_cells(row, line, layout, false);
    else if (model->width > layout->name_width + 1)
        top_screen_put(line, layout->name_width + 1, model->width - layout->name_width - 1,
                       STYLE_WARN,
                       row->outcome == DUEQ_MISSING ? "there is no such queue"
                                                    : dueq_outcome_text(row->outcome));
    if (!selected) return;
    top_screen_put(line, 0, 1, STYLE_PLAIN, ">");
    top_screen_select(line);
}

static void draw_total(const top_model *model, const top_layout *layout)
{
    text_small text, count;

    if (!model->areas.has_total) return;
    snprintf(text, sizeof(text), "%s queue%s", text_number((int64_t)model->rows.count, count),
             model->rows.count == 1 ? "" : "s");
    top_screen_put(model->areas.total_at, 1, layout->name_width - 1, STYLE_BOLD, text);
    draw_cells(&model->rows.total, model->areas.total_at, layout, true);
}

static size_t longest_name(const top_rows *rows)
{
    size_t longest = 0;

    for (size_t i = 0; i < rows->count; i++) {
        const top_row *row = rows->all[i];
        size_t width = 1 + strlen(row->name) + (row->stats.paused ? strlen(TOP_PAUSED) : 0);

        if (width > longest) longest = width;
    }
    return longest;
}

static void draw_queues(const top_model *model)
{
    const top_rows *rows = &model->rows;
    const top_areas *areas = &model->areas;
    const top_row *selected = top_model_queue(model);
    top_layout layout;

    top_layout_fit(&layout, model->width, longest_name(rows));
    draw_titles(model, &layout);
    for (size_t i = 0; i < areas->rows && model->first_row + i < rows->count; i++)
        draw_row(model, &layout, areas->rows_at + i, rows->shown[model->first_row + i]);
    if (rows->count == 0)
        top_screen_put(areas->rows_at, 1, model->width - 1, STYLE_FAINT,
                       model->heard ? "there are no queues yet" : "...");
    draw_total(model, &layout);
    if (areas->panel_rows > 0 && selected != NULL)
        top_panel_draw(selected, areas->panel_at, model->width);
}

/* ---- Tasks of a queue */

static void draw_tabs(const top_model *model)
{
    const top_row *row = top_model_queue(model);
    const int64_t counts[] = {
        [DUEQ_STATE_WAITING] = row != NULL ? row->stats.waiting : 0,
        [DUEQ_STATE_READY] = row != NULL ? row->stats.ready : 0,
        [DUEQ_STATE_LEASED] = row != NULL ? row->stats.leased : 0,
        [DUEQ_STATE_DEAD] = row != NULL ? row->stats.dead : 0,
    };
    size_t at = 1 + top_screen_put(1, 0, model->width, STYLE_BOLD, model->queue);

    if (row != NULL && row->stats.paused && at < model->width)
        at += top_screen_put(1, at - 1, model->width - at, STYLE_WARN, TOP_PAUSED);
    for (dueq_state state = DUEQ_STATE_WAITING; state <= DUEQ_STATE_DEAD; state++) {
        bool here = state == model->page.state;
        char text[TEXT_SMALL * 2];
        text_small count;

        snprintf(text, sizeof(text), here ? "[%s %s]" : " %s %s ", dueq_state_name(state),
                 text_number(counts[state], count));
        if (at < model->width)
            at +=
                1 + top_screen_put(1, at, model->width - at, here ? STYLE_NOTE : STYLE_PLAIN, text);
    }
    if (model->page.start_count > 1 && at + 9 < model->width) {
        text_small page;

        snprintf(page, sizeof(page), "page %zu", model->page.start_count);
        top_screen_put_right(1, at, model->width - at, STYLE_FAINT, page);
    }
}

/* Columns of the list of tasks; the last one takes the rest. */
typedef struct task_layout {
    size_t id, when, failed, preview; /* where each begins */
} task_layout;

static void fit_tasks(const top_model *model, task_layout *layout)
{
    const dueq_batch *batch = model->page.batch;
    size_t widest = 4, most = model->width / 3;

    for (size_t i = 0; batch != NULL && i < batch->count; i++) {
        char *id = text_escape(batch->tasks[i].id, batch->tasks[i].id_len);
        size_t width = text_width(id);

        if (width > widest) widest = width;
        free(id);
    }
    if (widest > most) widest = most;
    layout->id = 1;
    layout->when = layout->id + widest + 1;
    layout->failed = layout->when + 15;
    layout->preview = layout->failed + 8;
}

static size_t room(const top_model *model, size_t from, size_t to)
{
    if (to > model->width) to = model->width;
    return to > from ? to - from : 0;
}

static void draw_task_titles(const top_model *model, const task_layout *layout)
{
    static const char *const when[] = {[DUEQ_STATE_WAITING] = "DUE",
                                       [DUEQ_STATE_READY] = "DUE",
                                       [DUEQ_STATE_LEASED] = "LEASE ENDS",
                                       [DUEQ_STATE_DEAD] = "DIED"};
    bool dead = model->page.state == DUEQ_STATE_DEAD;
    size_t line = model->areas.titles_at;

    top_screen_put(line, layout->id, room(model, layout->id, layout->when - 1), STYLE_BOLD, "ID");
    top_screen_put(line, layout->when, room(model, layout->when, layout->failed - 1), STYLE_BOLD,
                   when[model->page.state]);
    top_screen_put_right(line, layout->failed, room(model, layout->failed, layout->preview - 2),
                         STYLE_BOLD, "FAILED");
    top_screen_put(line, layout->preview, room(model, layout->preview, model->width), STYLE_BOLD,
                   dead ? "ERROR" : "PAYLOAD");
}

static int64_t time_of(const dueq_task *task)
{
    if (task->state == DUEQ_STATE_LEASED) return task->deadline_ms;
    return task->state == DUEQ_STATE_DEAD ? task->died_ms : task->due_ms;
}

static void draw_task_row(const top_model *model, const top_scene *scene, const task_layout *layout,
                          size_t line, const dueq_task *task)
{
    bool dead = task->state == DUEQ_STATE_DEAD;
    const char *preview = dead ? task->error : task->payload;
    size_t len = dead ? task->error_len : task->payload_len;
    text_small text;

    top_screen_put_foreign(line, layout->id, room(model, layout->id, layout->when - 1), task->id,
                           task->id_len);
    top_screen_put(line, layout->when, room(model, layout->when, layout->failed - 1), STYLE_PLAIN,
                   text_when(time_of(task), scene->now_ms, text));
    snprintf(text, sizeof(text), "%" PRId64, task->attempt);
    top_screen_put_right(line, layout->failed, room(model, layout->failed, layout->preview - 2),
                         task->attempt > 0 ? STYLE_WARN : STYLE_PLAIN, text);
    if (preview != NULL)
        top_screen_put_foreign(line, layout->preview, room(model, layout->preview, model->width),
                               preview, text_whole(preview, len, PREVIEW_LEN));
}

static void draw_tasks(const top_model *model, const top_scene *scene)
{
    const top_page *page = &model->page;
    const top_areas *areas = &model->areas;
    size_t count = page->batch != NULL ? page->batch->count : 0;
    task_layout layout;
    text_small none;

    fit_tasks(model, &layout);
    draw_tabs(model);
    draw_task_titles(model, &layout);
    for (size_t i = 0; i < areas->rows && page->first + i < count; i++) {
        draw_task_row(model, scene, &layout, areas->rows_at + i,
                      &page->batch->tasks[page->first + i]);
        if (page->first + i != page->selected) continue;
        top_screen_put(areas->rows_at + i, 0, 1, STYLE_PLAIN, ">");
        top_screen_select(areas->rows_at + i);
    }
    if (count > 0) return;
    snprintf(none, sizeof(none), "no task is %s", dueq_state_name(page->state));
    top_screen_put(areas->rows_at, 1, model->width - 1, STYLE_FAINT,
                   page->batch != NULL ? none : "...");
}

/* ---- One task */

/* The model learns how many lines there are: it is what scrolls. */
static void draw_lines(top_model *model, const top_lines *lines)
{
    size_t visible = model->areas.rows;
    size_t last = lines->count > visible ? lines->count - visible : 0;

    model->line_count = lines->count;
    if (model->first_line > last) model->first_line = last;
    for (size_t i = 0; i < visible && model->first_line + i < lines->count; i++) {
        const top_line *line = &lines->lines[model->first_line + i];
        size_t at = model->areas.rows_at + i;

        top_screen_put(at, 0, TOP_LABEL_WIDTH - 1, STYLE_FAINT, line->label);
        top_screen_put(at, TOP_LABEL_WIDTH, model->width - TOP_LABEL_WIDTH, STYLE_PLAIN,
                       line->text);
    }
}

static void draw_task(top_model *model, const top_scene *scene)
{
    const dueq_task *task = top_model_task(model);
    top_task_look look = {
        .width = model->width, .now_ms = scene->now_ms, .other_form = model->other_form};
    top_lines lines;

    if (task == NULL) {
        top_screen_put(model->areas.rows_at, 1, model->width - 1, STYLE_FAINT,
                       model->task_gone ? "the task has gone" : "...");
        return;
    }
    if (model->task_gone) top_screen_dim(true);
    top_task_lines(task, &look, &lines);
    draw_lines(model, &lines);
    top_lines_free(&lines);
}

/* That a task has gone stands on the status line as long as nothing else does. */
static void tell_gone(top_model *model)
{
    if (model->view == TOP_TASK && model->task_gone && model->status[0] == '\0')
        top_model_tell(model, false, "the task has gone: done, cancelled or dropped");
}

/* ---- The whole */

static void draw_help(const top_model *model)
{
    const top_key_help *help;
    size_t count = top_screen_help(&help);
    size_t line = 1;

    for (size_t i = 0; i < count && line + 1 < model->height; i++, line++) {
        top_screen_put(line, 1, 20, STYLE_BOLD, help[i].names);
        top_screen_put(line, 22, model->width - 22, STYLE_PLAIN, help[i].does);
    }
    line++;
    for (size_t i = 0; i < top_legend_count && line + 1 < model->height; i++, line++) {
        top_screen_put(line, 1, 20, STYLE_BOLD, top_legend[i].name);
        top_screen_put(line, 22, model->width - 22, STYLE_PLAIN, top_legend[i].meaning);
    }
    top_screen_put(model->height - 1, 1, model->width - 1, STYLE_FAINT, "any key goes on");
}

static void draw_too_small(const top_model *model)
{
    char text[80];

    snprintf(text, sizeof(text), "please widen: %dx%d at least", TOP_WIDTH_MIN, TOP_HEIGHT_MIN);
    if (model->width > 0 && model->height > 0)
        top_screen_put(0, 0, model->width, STYLE_PLAIN, text);
}

void top_draw(top_model *model, const top_scene *scene)
{
    top_screen_begin();
    if (model->too_small) {
        draw_too_small(model);
    } else if (model->help) {
        draw_title(model, scene);
        draw_help(model);
    } else {
        top_screen_dim(is_stale(model, scene));
        draw_title(model, scene);
        if (model->view == TOP_QUEUES)
            draw_queues(model);
        else if (model->view == TOP_TASKS)
            draw_tasks(model, scene);
        else
            draw_task(model, scene);
        draw_keys(model);
        tell_gone(model);
        draw_status(model, scene);
    }
    top_screen_show();
}
