/* Dealing free slots among queues. Knows only weights. */
#include "work/share.h"

/* The open share that is furthest behind; the earlier one of equals. NULL: none is open. */
static dq_share *most_behind(dq_share *shares, size_t count)
{
    dq_share *best = NULL;
    for (size_t i = 0; i < count; i++) {
        if (shares[i].open && (best == NULL || shares[i].credit > best->credit)) best = &shares[i];
    }
    return best;
}

static void deal_one(dq_share *shares, size_t count)
{
    int64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (!shares[i].open) continue;
        shares[i].credit += shares[i].weight;
        total += shares[i].weight;
    }
    dq_share *next = most_behind(shares, count);
    next->credit -= total;
    next->quota++;
}

static dq_share *first_open(dq_share *shares, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (shares[i].open) return &shares[i];
    }
    return NULL;
}

bool dq_share_deal(dq_share *shares, size_t count, size_t slots, bool strict)
{
    for (size_t i = 0; i < count; i++) {
        shares[i].quota = 0;
    }
    dq_share *first = first_open(shares, count);
    if (first == NULL) return false;
    if (strict) {
        first->quota = slots;
        return true;
    }
    while (slots-- > 0) {
        deal_one(shares, count);
    }
    return true;
}

void dq_share_close(dq_share *share)
{
    share->open = false;
    share->credit = 0;
}
