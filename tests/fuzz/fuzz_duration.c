/* Any text as a duration: no crash, and what is accepted is within bounds and can be written and read
 * back, never longer than it was. */
#include <stdlib.h>
#include <string.h>

#include "dueq.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char text[256], written[64];
    if (size >= sizeof text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    int64_t ms = -1, back = -1;
    int rc = dueq_parse_duration(text, &ms);
    if (rc != DUEQ_OK) {
        if (rc != DUEQ_EINVAL || ms != -1) {
            abort();
        }
        return 0;
    }
    if (ms < 0 || ms > DUEQ_DELAY_MS_MAX ||
        dueq_parse_duration(dueq_format_duration(ms, written, sizeof written), &back) != DUEQ_OK ||
        back > ms) {
        abort();
    }
    return 0;
}
