/* Reading what INFO answers. */
#include "queue/info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool dq_info_text(const char *info, const char *field, char *value, size_t value_size)
{
    size_t field_len = strlen(field);
    value[0] = '\0';
    for (const char *line = info; line && *line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, field, field_len) != 0 || line[field_len] != ':') continue;
        line += field_len + 1;
        snprintf(value, value_size, "%.*s", (int)strcspn(line, "\r\n"), line);
        return true;
    }
    return false;
}

bool dq_info_is(const char *info, const char *field, const char *wanted)
{
    char value[128];
    return dq_info_text(info, field, value, sizeof value) && strcmp(value, wanted) == 0;
}

int64_t dq_info_int(const char *info, const char *field, int64_t otherwise)
{
    char value[128];
    return dq_info_text(info, field, value, sizeof value) ? strtoll(value, NULL, 10) : otherwise;
}
