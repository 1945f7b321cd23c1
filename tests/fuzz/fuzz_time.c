/* Any text as a point in time: no crash, and what is accepted lies in the years 0 to 9999, a day of
 * time zone and a leap second aside. */
#include <stdlib.h>
#include <string.h>

#include "dueq.h"

#define DAY_MS 86400000
#define MS_MIN (-62167219200000 - DAY_MS)
#define MS_MAX (253402300800000 + DAY_MS)

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char text[256];
    if (size >= sizeof text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    int64_t ms = INT64_MIN;
    int rc = dueq_parse_time(text, &ms);
    if (rc == DUEQ_OK ? ms < MS_MIN || ms > MS_MAX : rc != DUEQ_EINVAL || ms != INT64_MIN) {
        abort();
    }
    return 0;
}
