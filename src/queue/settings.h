/* A queue's settings: checks, defaults, and the text in which the registry keeps them
 * ("partitions=1 max_attempts=20 …"). Pure. */
#ifndef DQ_QUEUE_SETTINGS_H
#define DQ_QUEUE_SETTINGS_H

#include "base/buf.h"
#include "base/fault.h"

/* As stored: every field is set, and 0 says "none" where the public settings say -1. */
typedef dueq_settings dq_settings;

enum { DQ_SETTING_COUNT = 7 };

typedef struct dq_setting {
    const char *name;
    size_t offset; /* in dueq_settings */
    int64_t min, max, otherwise;
    bool none; /* -1 is allowed, and is stored as 0 */
} dq_setting;

extern const dq_setting dq_setting_list[DQ_SETTING_COUNT]; /* partitions comes first */

int64_t dq_setting_get(const dueq_settings *settings, const dq_setting *setting);
void dq_setting_set(dueq_settings *settings, const dq_setting *setting, int64_t value);

/* Checks what a caller wants and lays it over *stored (which has defaults or what stands). */
int dq_settings_apply(dq_settings *stored, const dueq_settings *wanted, dq_fault *fault);
dq_settings dq_settings_default(void);
/* As callers see them: -1 for none. */
dueq_settings dq_settings_shown(const dq_settings *stored);

bool dq_settings_write(dq_buf *text, const dq_settings *stored);
/* False when the text is not of that form; unknown names are passed over. */
bool dq_settings_read(dq_settings *stored, const char *text, size_t len);

#endif
