/* The names that outcomes and states have for people. The list is outcome.def; that the enum in
 * dueq.h agrees with it is proved here at compile time. */
#include "dueq.h"

#define OUTCOME(name, number, text) \
    _Static_assert((int)(name) == (number), #name " differs between dueq.h and outcome.def");
#include "outcome.def"
#undef OUTCOME

const char *dueq_outcome_text(int outcome)
{
    switch (outcome) {
#define OUTCOME(name, number, text) \
    case number:                    \
        return text;
#include "outcome.def"
#undef OUTCOME
    default:
        return "unknown outcome";
    }
}

/* Fails to compile (an enumerator without a case) when the enum has one that the list lacks. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wswitch"
static inline void list_is_complete(dueq_outcome outcome)
{
    switch (outcome) {
#define OUTCOME(name, number, text) case name:
#include "outcome.def"
#undef OUTCOME
        break;
    }
}
#pragma GCC diagnostic pop

const char *dueq_state_name(dueq_state state)
{
    (void)list_is_complete;
    switch (state) {
    case DUEQ_STATE_WAITING:
        return "waiting";
    case DUEQ_STATE_READY:
        return "ready";
    case DUEQ_STATE_LEASED:
        return "leased";
    case DUEQ_STATE_DEAD:
        return "dead";
    case DUEQ_STATE_NONE:
    default:
        return "none";
    }
}
