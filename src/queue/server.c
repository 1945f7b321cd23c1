/* The public face of the embedded server: dueq_server_start, _stop and _status. Adds nothing to
 * what src/wire/local.h promises but optional arguments. */
#include <stdio.h>

#include "dueq.h"
#include "wire/local.h"

typedef int local_fn(const char *dir, dueq_server_info *info, dq_fault *fault);

static int call(local_fn *local, const char *dir, dueq_server_info *info, char *text,
                size_t text_size)
{
    dueq_server_info unwanted;
    dq_fault fault;
    dq_fault_clear(&fault);
    int rc = local(dir, info != NULL ? info : &unwanted, &fault);
    if (text != NULL && text_size > 0) snprintf(text, text_size, "%s", fault.text);
    return rc;
}

int dueq_server_start(const char *dir, dueq_server_info *info, char *text, size_t text_size)
{
    return call(dq_local_start, dir, info, text, text_size);
}

int dueq_server_stop(const char *dir, dueq_server_info *info, char *text, size_t text_size)
{
    return call(dq_local_stop, dir, info, text, text_size);
}

int dueq_server_status(const char *dir, dueq_server_info *info, char *text, size_t text_size)
{
    return call(dq_local_status, dir, info, text, text_size);
}
