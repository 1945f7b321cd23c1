/* What dueq top does to queues and tasks: the questions before, the answers after. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "top_model.h"

/* What is said of an order, before and after the name of its queue. */
typedef struct words {
    const char *before, *after;
} words;

void top_model_tell(top_model *model, bool bad, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(model->status, sizeof(model->status), format, list);
    va_end(list);
    model->status_is_bad = bad;
}

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

/* ---- Before */

const char *top_model_question(const top_model *model, char *text, size_t text_size)
{
    static const words asked[TOP_ORDER_COUNT] = {
        [TOP_ORDER_NONE] = {"", ""},
        [TOP_ORDER_PAUSE] = {"Pause ", ", so that nothing is taken from it? (y/n)"},
        [TOP_ORDER_RESUME] = {"Let ", " go on? (y/n)"},
        [TOP_ORDER_REDRIVE_ONE] = {"Make this dead task of ", " ready again? (y/n)"},
    };
    const top_order *order = &model->question;
    const top_row *row = top_model_queue(model);
    int64_t dead = row != NULL ? row->stats.dead : 0;
    text_small number;

    if (order->kind == TOP_ORDER_REDRIVE_ALL)
        snprintf(text, text_size, "Make the %s dead task%s of %s ready again? (y/n)",
                 text_number(dead, number), plural(dead), order->queue);
    else
        snprintf(text, text_size, "%s%s%s", asked[order->kind].before, order->queue,
                 asked[order->kind].after);
    return text;
}

static void ask(top_model *model, top_order_kind kind, const char *queue)
{
    if (model->ordered) {
        top_model_tell(model, true, "what was asked for last is still being done");
        return;
    }
    model->question = (top_order){.kind = kind, .id = model->id};
    snprintf(model->question.queue, sizeof(model->question.queue), "%s", queue);
}

void top_model_pause(top_model *model)
{
    const top_row *row = top_model_queue(model);

    if (row != NULL && row->outcome == DUEQ_OK)
        ask(model, row->stats.paused ? TOP_ORDER_RESUME : TOP_ORDER_PAUSE, row->name);
}

static void redrive_task(top_model *model, const dueq_task *task)
{
    if (task == NULL) return;
    if (model->task_gone || task->state != DUEQ_STATE_DEAD)
        top_model_tell(model, true, "only a dead task can be made ready again");
    else
        ask(model, TOP_ORDER_REDRIVE_ONE, model->queue);
}

/* All that are dead in the queue, or the one task in view. */
void top_model_redrive(top_model *model)
{
    const top_row *row = top_model_queue(model);

    if (model->view == TOP_TASK) {
        redrive_task(model, top_model_task(model));
    } else if (row != NULL && row->outcome == DUEQ_OK) {
        if (row->stats.dead > 0)
            ask(model, TOP_ORDER_REDRIVE_ALL, row->name);
        else
            top_model_tell(model, false, "%s has no dead tasks", row->name);
    }
}

void top_model_reply(top_model *model, top_action action)
{
    if (action == TOP_YES) {
        model->order = model->question;
        model->ordered = true;
        top_model_tell(model, false, "asking the server ...");
    } else {
        top_model_tell(model, false, "nothing was changed");
    }
    model->question.kind = TOP_ORDER_NONE;
}

bool top_model_order(top_model *model, top_order *order)
{
    if (model->order.kind == TOP_ORDER_NONE) return false;
    *order = model->order;
    model->order.kind = TOP_ORDER_NONE;
    return true;
}

/* ---- After */

static void tell_done(top_model *model, const top_answer *answer)
{
    static const words done[TOP_ORDER_COUNT] = {
        [TOP_ORDER_NONE] = {"", ""},
        [TOP_ORDER_PAUSE] = {"", " is paused: nothing is taken from it"},
        [TOP_ORDER_RESUME] = {"", " goes on"},
        [TOP_ORDER_REDRIVE_ONE] = {"the task of ", " is ready again"},
    };
    const top_order *order = &answer->order;
    text_small number;

    if (order->kind == TOP_ORDER_REDRIVE_ALL)
        top_model_tell(model, false, "%s dead task%s of %s made ready again",
                       text_number(answer->count, number), plural(answer->count), order->queue);
    else
        top_model_tell(model, false, "%s%s%s", done[order->kind].before, order->queue,
                       done[order->kind].after);
}

void top_model_answer(top_model *model, const top_answer *answer)
{
    const top_order *order = &answer->order;

    model->ordered = false;
    if (answer->rc == DUEQ_OK)
        tell_done(model, answer);
    else if (answer->rc == DUEQ_MISSING && order->kind == TOP_ORDER_REDRIVE_ONE)
        top_model_tell(model, true, "the task is not in %s any more", order->queue);
    else if (answer->rc == DUEQ_MISSING)
        top_model_tell(model, true, "there is no queue %s any more", order->queue);
    else if (answer->rc == DUEQ_STATE)
        top_model_tell(model, true, "the task is not dead any more");
    else
        top_model_tell(model, true, "%s: %s", order->queue, answer->error);
}
