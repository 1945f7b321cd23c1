/* What a campaign came to, in a few lines. */
#include <inttypes.h>
#include <string.h>

#include "campaign.h"

static int64_t count_faults(const history *h, const char *kind)
{
    int64_t count = 0;
    for (size_t i = 0; i < h->fault_count; i++) count += strcmp(h->faults[i].kind, kind) == 0;
    return count;
}

void report_verdict(FILE *out, const history *h, const checker_verdict *v)
{
    fprintf(out,
            "operations  %" PRId64 " (%" PRId64 " unsure): pushed %" PRId64 ", delivered %" PRId64
            ", done %" PRId64 ", dead %" PRId64 "\n",
            v->ops, v->unsure, v->pushed, v->delivered, v->done, v->dead);
    fprintf(out, "faults      %zu:", h->fault_count);
    for (size_t i = 0; i < h->planned_count; i++) {
        fprintf(out, " %s %" PRId64, h->planned[i], count_faults(h, h->planned[i]));
    }
    fprintf(out, "\nduplicates ");
    for (int i = 0; i < CHECKER_CAUSES; i++) {
        fprintf(out, " %s %" PRId64, checker_cause_name((checker_cause)i), v->duplicates[i]);
    }
    fprintf(out, "; done by another %" PRId64 "\nviolations ", v->done_by_another);
    for (int i = 0; i < CHECKER_RULES; i++) {
        fprintf(out, " %s %" PRId64, checker_rule_name((checker_rule)i), v->violations[i]);
    }
    fputc('\n', out);
    for (int i = 0; i < v->text_count; i++) fprintf(out, "    %s\n", v->texts[i]);
}
