/* Checking an engine's options: what would fail with every request is told here, once. */
#include "work/http_check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/buf.h"

#define SPARE_FDS \
    32 /* for the connections to servers, the standard three, and the host's own few */
#define CA_FILE_LEN_MAX 16777216

/* 0 or an errno. */
static int read_file(const char *path, dq_buf *content)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    char bytes[4096];
    ssize_t len = 1;
    while (len > 0 && content->len < CA_FILE_LEN_MAX) {
        len = read(fd, bytes, sizeof bytes);
        if (len > 0) dq_buf_add(content, bytes, (size_t)len);
    }
    int error = len < 0 ? errno : content->failed ? ENOMEM : 0;
    close(fd);
    return error;
}

/* -----BEGIN CERTIFICATE-----, or one of the older forms. */
static bool holds_certificate(const dq_buf *content)
{
    static const char end[] = "CERTIFICATE-----\n";
    const char *begin = content->len == 0 ? NULL : strstr(content->data, "-----BEGIN ");
    return begin != NULL && strstr(begin, end) != NULL;
}

static int check_ca_file(const char *path, dq_fault *fault)
{
    if (path == NULL) return DUEQ_OK;
    char reason[128];
    dq_buf content = {0};
    int error = read_file(path, &content);
    bool usable = error == 0 && holds_certificate(&content);
    dq_buf_clear(&content);
    if (usable) return DUEQ_OK;
    return dq_fault_set(fault, DUEQ_EINVAL, "cannot use the certificates in %s: %s", path,
                        error != 0 ? strerror_r(error, reason, sizeof reason)
                                   : "it holds none in the form of PEM");
}

static int check_descriptors(size_t request_count, dq_fault *fault)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)request_count + SPARE_FDS;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed) return DUEQ_OK;
    return dq_fault_set(fault, DUEQ_ESYSTEM,
                        "%zu requests at a time need %llu open files; the limit is %llu "
                        "(ulimit -n)",
                        request_count, (unsigned long long)needed,
                        (unsigned long long)limit.rlim_cur);
}

int dq_http_check(dq_http_url *url, const dq_http_options *options, dq_fault *fault)
{
    int rc = dq_http_url_read(url, options->url, fault);
    if (rc == DUEQ_OK) rc = check_ca_file(options->ca_file, fault);
    if (rc == DUEQ_OK) rc = check_descriptors(options->request_count, fault);
    return rc;
}
