/* The URL that tasks are posted to: checked, and in a form that may be shown. Pure. */
#ifndef DQ_WORK_HTTP_URL_H
#define DQ_WORK_HTTP_URL_H

#include <stdbool.h>

#include "base/fault.h"

#define DQ_HTTP_SHOWN_SIZE 200

typedef struct dq_http_url {
    bool tls;
    char shown[DQ_HTTP_SHOWN_SIZE]; /* without what may be secret: user, password, query; cut */
} dq_http_url;

/* Reads a URL of http:// or https://. DUEQ_OK; DUEQ_EINVAL or ENOMEM with the fault set. No fault
 * holds the URL itself. */
int dq_http_url_read(dq_http_url *url, const char *text, dq_fault *fault);

#endif
