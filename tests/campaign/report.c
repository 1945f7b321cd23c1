/* What a campaign came to, in a few lines. */
#include <inttypes.h>
#include <string.h>

#include "campaign.h"
#include "support/recovery.h"

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
    if (v->lossy > 0) {
        fprintf(out, "failover    lossy %" PRId64 ", acknowledged at risk %" PRId64 ":", v->lossy,
                v->at_risk);
        for (int i = 0; i < CHECKER_RULES; i++) {
            if (v->by_failover[i] == 0) continue;
            fprintf(out, " %s %" PRId64, checker_rule_name((checker_rule)i), v->by_failover[i]);
        }
        fputc('\n', out);
    }
    for (int i = 0; i < v->text_count; i++) fprintf(out, "    %s\n", v->texts[i]);
}

/* The waits themselves last, so that those of several campaigns can be put together. */
void report_recovery(FILE *out, const history *h)
{
    recovery r = recovery_of(h);
    if (r.failovers > 0) {
        fprintf(out,
                "recovery    %zu failovers, %zu calls pending: p50 %" PRId64 " ms, p99 %" PRId64
                " ms, max %" PRId64 " ms; %zu failed\nwaits_ms   ",
                r.failovers, r.count + r.failed, recovery_percentile_us(&r, 50) / 1000,
                recovery_percentile_us(&r, 99) / 1000, recovery_percentile_us(&r, 100) / 1000,
                r.failed);
        for (size_t i = 0; i < r.count; i++) fprintf(out, " %" PRId64, r.waits_us[i] / 1000);
        fputc('\n', out);
    }
    recovery_clear(&r);
}
