/* The common way of get, cancel, reschedule and the dead. */
#include "names.h"

#include <stdlib.h>

#include "durable.h"
#include "out.h"
#include "session.h"
#include "tasks.h"
#include "text.h"

static void print_outcome(const dueq *handle, const dueq_name *name, const char *word)
{
    json_t *line = json_object();

    tasks_set_bytes(line, "id", name->id, name->id_len);
    json_object_set_new(line, "outcome", json_string(word));
    durable_add_json(line, handle);
    out_json(line);
}

static const char *word_of(const names_operation *operation, int outcome)
{
    switch (outcome) {
    case DUEQ_OK:
        return operation->done_word;
    case DUEQ_MISSING:
        return "missing";
    case DUEQ_STATE:
        return "state";
    default:
        return "failed";
    }
}

static int tell(const cli_call *call, const names_operation *operation, const dueq *handle,
                const dueq_name *name)
{
    char *id = text_escape(name->id, name->id_len);

    if (call->json && operation->done_word != NULL)
        print_outcome(handle, name, word_of(operation, name->outcome));
    if (name->outcome == DUEQ_MISSING)
        say_note("task %s: there is none in %s", id, call->operands[0]);
    else if (name->outcome == DUEQ_STATE)
        say_note("task %s %s", id, operation->state_text);
    else if (name->outcome < 0)
        say_note("task %s: %s", id, dueq_outcome_text(name->outcome));
    free(id);
    return say_status(name->outcome);
}

static int operate(const cli_call *call, const names_operation *operation, dueq *handle,
                   const id_list *ids)
{
    int status = STATUS_DONE;

    for (size_t from = 0; from < ids->count; from += DUEQ_CALL_TASKS_MAX) {
        size_t left = ids->count - from;
        size_t count = left < DUEQ_CALL_TASKS_MAX ? left : DUEQ_CALL_TASKS_MAX;
        dueq_name *names = ids->names + from;
        int rc = operation->run(handle, call->operands[0], names, count, call->json);

        if (rc < 0) return say_worse(status, say_error(handle, rc));
        for (size_t i = 0; i < count; i++)
            status = say_worse(status, tell(call, operation, handle, &names[i]));
        durable_warn(handle);
    }
    return status;
}

int names_run(const cli_call *call, const names_operation *operation)
{
    dueq *handle = NULL;
    id_list ids;
    int status =
        session_read_ids(call->operands + 1, call->operand_count - 1, operation->base64, &ids);

    if (status == STATUS_DONE) status = durable_open(call, operation->durability, &handle);
    if (status == STATUS_DONE) status = operate(call, operation, handle, &ids);
    dueq_close(handle);
    session_free_ids(&ids);
    return status;
}
