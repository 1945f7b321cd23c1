/* Calls that were pending when a new master could be known. A call of many tasks counts once. */
#include "recovery.h"

#include <stdlib.h>
#include <string.h>

#include <dueq.h>

static int compare(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

/* The server told what became of it. A call that is given up tells less. */
static bool got_through(const history_op *op)
{
    return op->outcome >= DUEQ_OK && op->outcome != HISTORY_MAYBE;
}

static bool was_pending(const history *h, const history_fault *over, const history_op *op)
{
    return op->id != NULL && op->verb != HISTORY_TAKE && op->called_us < over->known_us &&
           op->answered_us >= over->known_us && op->answered_us != HISTORY_NEVER &&
           history_strikes(h, over, op->id);
}

/* Tasks of one call are answered one after the other, with nothing between. */
static bool is_same_call(const history_op *op, const history_op *last)
{
    enum { CALL_US = 2000 };
    int64_t apart_us = op->called_us - last->called_us;
    return op->process == last->process && apart_us > -CALL_US && apart_us < CALL_US;
}

/* Something else struck before it got through: another failover, or its process was stopped. */
static bool was_struck_again(const history *h, const history_fault *over, const history_op *op)
{
    for (size_t i = 0; i < h->fault_count; i++) {
        const history_fault *other = &h->faults[i];
        bool same = other == over || strcmp(other->kind, "clock") == 0 ||
                    strcmp(other->kind, "two-masters") == 0;
        bool others = other->process != 0 && other->process != op->process;
        if (!same && !others && other->began_us <= op->answered_us &&
            other->ended_us >= over->known_us) {
            return true;
        }
    }
    return false;
}

static void measure(recovery *r, const history *h, const history_fault *over)
{
    const history_op **counted = calloc(h->op_count + 1, sizeof *counted);
    size_t count = 0;
    for (size_t i = 0; i < h->op_count; i++) {
        const history_op *op = &h->ops[i];
        bool again = false;
        if (!was_pending(h, over, op) || was_struck_again(h, over, op)) continue;
        for (size_t k = 0; k < count; k++) again = again || is_same_call(op, counted[k]);
        if (again) continue;
        counted[count++] = op;
        if (got_through(op)) {
            r->waits_us[r->count++] = op->answered_us - over->known_us;
        } else {
            r->failed++;
        }
    }
    free(counted);
    r->failovers++;
}

recovery recovery_of(const history *h)
{
    recovery r = {.waits_us = calloc(h->op_count * (h->fault_count + 1) + 1, sizeof(int64_t))};
    for (size_t i = 0; r.waits_us != NULL && i < h->fault_count; i++) {
        if (h->faults[i].known_us != 0) measure(&r, h, &h->faults[i]);
    }
    if (r.count > 0) qsort(r.waits_us, r.count, sizeof *r.waits_us, compare);
    return r;
}

void recovery_clear(recovery *r)
{
    free(r->waits_us);
    *r = (recovery){0};
}

int64_t recovery_percentile_us(const recovery *r, int percent)
{
    size_t rank = (r->count * (size_t)percent + 99) / 100;
    return r->count == 0 ? 0 : r->waits_us[rank > 0 ? rank - 1 : 0];
}
