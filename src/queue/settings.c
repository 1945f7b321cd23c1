/* A queue's settings as one table: everything else follows from it. */
#include "queue/settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_MS = 86400000 };

#define SETTING(field, min, max, otherwise, none)                         \
    {                                                                     \
#field, offsetof(dueq_settings, field), min, max, otherwise, none \
    }

const dq_setting dq_setting_list[DQ_SETTING_COUNT] = {
    SETTING(partitions, 1, DUEQ_PARTITIONS_MAX, 1, false),
    SETTING(max_attempts, 1, DUEQ_ATTEMPTS_MAX, 20, false),
    SETTING(lease_ms, 1, DUEQ_LEASE_MS_MAX, 30000, false),
    SETTING(payload_max, 1, DUEQ_PAYLOAD_MAX, 1 << 20, false),
    SETTING(dead_max, 1, 1000000000, 10000, true),
    SETTING(dead_age_ms, 1, DUEQ_DELAY_MS_MAX, INT64_C(30) * DAY_MS, true),
    SETTING(retention_ms, 1, INT64_C(7) * DAY_MS, 0, true),
};

int64_t dq_setting_get(const dueq_settings *settings, const dq_setting *setting)
{
    int64_t value;
    memcpy(&value, (const char *)settings + setting->offset, sizeof value);
    return value;
}

void dq_setting_set(dueq_settings *settings, const dq_setting *setting, int64_t value)
{
    memcpy((char *)settings + setting->offset, &value, sizeof value);
}

dq_settings dq_settings_default(void)
{
    dq_settings stored = {0};
    for (int i = 0; i < DQ_SETTING_COUNT; i++)
        dq_setting_set(&stored, &dq_setting_list[i], dq_setting_list[i].otherwise);
    return stored;
}

dueq_settings dq_settings_shown(const dq_settings *stored)
{
    dueq_settings shown = *stored;
    for (int i = 0; i < DQ_SETTING_COUNT; i++)
        if (dq_setting_list[i].none && !dq_setting_get(stored, &dq_setting_list[i]))
            dq_setting_set(&shown, &dq_setting_list[i], -1);
    return shown;
}

int dq_settings_apply(dq_settings *stored, const dueq_settings *wanted, dq_fault *fault)
{
    for (int i = 0; i < DQ_SETTING_COUNT; i++) {
        const dq_setting *setting = &dq_setting_list[i];
        int64_t value = dq_setting_get(wanted, setting);
        if (value == 0) continue;
        if (value == -1 && setting->none)
            value = 0;
        else if (value < setting->min || value > setting->max)
            return dq_fault_set(
                fault, DUEQ_EINVAL, "%s %" PRId64 ": it is %" PRId64 " to %" PRId64 "%s",
                setting->name, value, setting->min, setting->max, setting->none ? ", or none" : "");
        dq_setting_set(stored, setting, value);
    }
    return DUEQ_OK;
}

bool dq_settings_write(dq_buf *text, const dq_settings *stored)
{
    for (int i = 0; i < DQ_SETTING_COUNT; i++)
        dq_buf_printf(text, "%s%s=%" PRId64, i ? " " : "", dq_setting_list[i].name,
                      dq_setting_get(stored, &dq_setting_list[i]));
    return !text->failed;
}

/* One "name=value"; unknown names are another version's. */
static bool read_pair(dq_settings *stored, char *pair)
{
    char *value = strchr(pair, '=');
    if (!value) return false;
    *value++ = '\0';
    char *end;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end) return false;
    for (int i = 0; i < DQ_SETTING_COUNT; i++) {
        const dq_setting *setting = &dq_setting_list[i];
        if (strcmp(setting->name, pair) != 0) continue;
        if (number < (setting->none ? 0 : setting->min) || number > setting->max) return false;
        dq_setting_set(stored, setting, number);
    }
    return true;
}

bool dq_settings_read(dq_settings *stored, const char *text, size_t len)
{
    *stored = dq_settings_default();
    char *copy = strndup(text, len);
    char *rest = copy;
    bool fine = copy != NULL && strlen(copy) == len;
    for (char *pair; fine && (pair = strsep(&rest, " "));) fine = read_pair(stored, pair);
    free(copy);
    return fine;
}
