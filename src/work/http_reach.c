/* Keeping track of an endpoint that comes and goes. */
#include "work/http_reach.h"

#include "base/clock.h"
#include "base/random.h"

#define RETRY_BASE_MS 100
#define RETRY_MAX_MS 5000

void dq_http_reach_found(dq_http_reach *reach)
{
    dq_log_entry entry;
    if (reach->failures > 0 && dq_log_begin(reach->log, &entry, DUEQ_LOG_INFO, "endpoint back")) {
        dq_log_add_text(&entry, "url", reach->url);
        dq_log_add_int(&entry, "after_ms", (dq_mono_us() - reach->since_us) / 1000);
        dq_log_send(&entry);
    }
    reach->known = true;
    reach->failures = 0;
}

static void say_away(dq_http_reach *reach, const char *error)
{
    dq_log_entry entry;
    if (!dq_log_begin(reach->log, &entry, DUEQ_LOG_WARN, "endpoint away")) return;
    dq_log_add_text(&entry, "url", reach->url);
    dq_log_add_text(&entry, "error", error);
    dq_log_send(&entry);
}

void dq_http_reach_missed(dq_http_reach *reach, const char *error)
{
    int64_t now_us = dq_mono_us();
    if (reach->failures > 0 && now_us < reach->retry_at_us) return;
    reach->known = false;
    if (reach->failures++ == 0) {
        reach->since_us = now_us;
        say_away(reach, error);
    }
    reach->retry_at_us = dq_deadline_us(
        dq_backoff_ms(reach->failures, RETRY_BASE_MS, RETRY_MAX_MS, dq_random_u64()));
}

static bool is_to_wait(const dq_http_reach *reach, int64_t now_us)
{
    return reach->failures > 0 && now_us < reach->retry_at_us;
}

size_t dq_http_reach_room(const dq_http_reach *reach, size_t most, int64_t now_us)
{
    if (reach->known) return most;
    return is_to_wait(reach, now_us) ? 0 : 1;
}

int64_t dq_http_reach_retry_at(const dq_http_reach *reach, int64_t now_us)
{
    return is_to_wait(reach, now_us) ? reach->retry_at_us : DQ_NEVER_US;
}

size_t dq_http_reach_able(const dq_http_reach *reach, size_t most)
{
    return reach->failures > 0 ? 1 : most;
}
