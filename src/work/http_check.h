/* What can be found wrong with an engine's options before its first request, beyond what
 * options.h has checked. */
#ifndef DQ_WORK_HTTP_CHECK_H
#define DQ_WORK_HTTP_CHECK_H

#include "work/http.h"
#include "work/http_url.h"

/* Reads the URL too. DUEQ_OK; DUEQ_EINVAL, ESYSTEM or ENOMEM with the fault set. */
int dq_http_check(dq_http_url *url, const dq_http_options *options, dq_fault *fault);

#endif
