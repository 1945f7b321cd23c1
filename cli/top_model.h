/* What dueq top shows and what a key does to it: the view, the selection, the page of tasks, the
 * question that is being asked. Pure: knows neither the terminal nor the server, but what is to be
 * asked of it (a wish), what to be done there (an order), and what it said (news, an answer). */
#ifndef DUEQ_CLI_TOP_MODEL_H
#define DUEQ_CLI_TOP_MODEL_H

#include <dueq.h>

#include "top_rows.h"

#define TOP_INTERVAL_MIN_MS 100
#define TOP_INTERVAL_MAX_MS 3600000

#define TOP_WIDTH_MIN 24 /* of a screen that anything can be shown on */
#define TOP_HEIGHT_MIN 5

typedef enum top_view {
    TOP_QUEUES, /* the table of queues */
    TOP_TASKS,  /* a queue's tasks of one state, a page at a time */
    TOP_TASK    /* one task */
} top_view;

/* What the user does, whatever the key. */
typedef enum top_action {
    TOP_NOTHING,
    TOP_UP,
    TOP_DOWN,
    TOP_PAGE_UP,
    TOP_PAGE_DOWN,
    TOP_HOME,
    TOP_END,
    TOP_ENTER,
    TOP_BACK,
    TOP_QUIT,
    TOP_NEXT_STATE,
    TOP_PREVIOUS_STATE,
    TOP_PAUSE,
    TOP_REDRIVE,
    TOP_SORT,
    TOP_FORM, /* text or hexadecimal */
    TOP_SLOWER,
    TOP_FASTER,
    TOP_HELP,
    TOP_YES,
    TOP_ACTION_COUNT
} top_action;

typedef struct top_id {
    size_t len;
    char bytes[DUEQ_ID_MAX + 1];
} top_id;

#define TOP_CURSOR_MAX 512 /* longer than any that dueq_list() gives */

/* What to ask of the server beside the counts. */
typedef struct top_wish {
    top_view view;
    dueq_state state;
    size_t tasks_max;
    int64_t interval_ms;
    top_id id;
    char queue[DUEQ_QUEUE_NAME_MAX + 1];
    char cursor[TOP_CURSOR_MAX];
} top_wish;

typedef enum top_order_kind {
    TOP_ORDER_NONE,
    TOP_ORDER_PAUSE,
    TOP_ORDER_RESUME,
    TOP_ORDER_REDRIVE_ALL,
    TOP_ORDER_REDRIVE_ONE,
    TOP_ORDER_COUNT
} top_order_kind;

typedef struct top_order {
    top_order_kind kind;
    char queue[DUEQ_QUEUE_NAME_MAX + 1];
    top_id id;
} top_order;

/* What came of one look at the server. */
typedef struct top_news {
    top_wish wish; /* what had been asked */
    int64_t at_us; /* when, by a clock that never steps */
    int rc;        /* negative: the server could not be asked, and `error` says why */
    char error[DUEQ_ERROR_TEXT_MAX];
    bool counted;           /* false: the counts were not due yet, only the tasks were looked at */
    dueq_queue_list *names; /* NULL: the queues were named by the user */
    dueq_queue_counts *counts;
    size_t count;
    int batch_rc;
    dueq_batch *batch;           /* a page of tasks, or the one task; NULL: none was asked for */
    char cursor[TOP_CURSOR_MAX]; /* of the page after it; "": there is none */
} top_news;

/* What came of an order. */
typedef struct top_answer {
    top_order order;
    int rc;
    int64_t count; /* tasks redriven */
    char error[DUEQ_ERROR_TEXT_MAX];
} top_answer;

/* Where things stand on the screen: lines from the top, and how many; 0: there is no room. */
typedef struct top_areas {
    size_t titles_at, rows_at, rows; /* there may be fewer rows than there is room for */
    size_t total_at, panel_at, panel_rows;
    bool has_total;
    size_t status_at, keys_at;
} top_areas;

#define TOP_PANEL_ROWS 7

/* A page of tasks. Holds: starts[0 … start_count-1] are the cursors of the first page up to the one
 * that is shown. */
typedef struct top_page {
    dueq_state state;
    dueq_batch *batch; /* NULL: not here yet */
    char (*starts)[TOP_CURSOR_MAX];
    size_t start_count, start_cap;
    char next[TOP_CURSOR_MAX]; /* "": this is the last one */
    size_t selected;
    size_t first; /* the first task that is shown */
} top_page;

typedef struct top_model {
    size_t width, height;
    bool too_small;
    top_areas areas;

    top_rows rows;
    bool heard; /* there has been news */
    char selected[DUEQ_QUEUE_NAME_MAX + 1];
    size_t first_row;

    top_view view;
    char queue[DUEQ_QUEUE_NAME_MAX + 1]; /* the one looked into */
    top_page page;
    top_id id;        /* the task looked into */
    dueq_batch *task; /* as it was last seen; NULL: not yet */
    bool task_gone;
    bool other_form; /* hexadecimal in place of text, or the other way round */
    size_t first_line, line_count;

    bool help;
    int64_t interval_ms;
    top_order question; /* what y would do; NONE: nothing is asked */
    top_order order;    /* to be carried out */
    bool ordered;       /* one is being carried out */
    char status[DUEQ_ERROR_TEXT_MAX + 256];
    bool status_is_bad;

    bool away; /* the last look failed */
    char away_why[DUEQ_ERROR_TEXT_MAX];
    int64_t heard_us; /* when there was news last that was good, or the screen was opened */
    bool quit;
} top_model;

void top_model_open(top_model *model, int64_t interval_ms, int64_t now_us);
void top_model_close(top_model *model);

void top_model_resize(top_model *model, size_t width, size_t height);
void top_model_act(top_model *model, top_action action);

void top_model_wish(const top_model *model, top_wish *wish);
bool top_wish_is_same(const top_wish *a, const top_wish *b);
/* The order that is to be carried out now, if any; it is given once. */
bool top_model_order(top_model *model, top_order *order);

/* Takes what it needs of the news, a batch that it wants too (news->batch is NULL then). */
void top_model_hear(top_model *model, top_news *news);
void top_model_answer(top_model *model, const top_answer *answer);

/* The queue that keys act on; NULL: there is none. */
const top_row *top_model_queue(const top_model *model);
/* The task that is selected, or looked into; NULL: there is none. */
const dueq_task *top_model_task(const top_model *model);
/* "Pause mail? (y/n)"; valid until the model changes. */
const char *top_model_question(const top_model *model, char *text, size_t text_size);

/* What the keys of top_orders.c do. */
void top_model_pause(top_model *model);
void top_model_redrive(top_model *model);
/* Takes the answer to the question that is being asked. */
void top_model_reply(top_model *model, top_action action);
/* What the status line says until the next key. */
void top_model_tell(top_model *model, bool bad, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first item to show of a list, so that the selected one is in sight. */
size_t top_scroll(size_t first, size_t selected, size_t count, size_t visible);

#endif
