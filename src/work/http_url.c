/* Reading the URL of an endpoint with the same parser that will be used to reach it. */
#include "work/http_url.h"

#include <string.h>

#include <curl/curl.h>

#include "base/encode.h"

#define FORM "http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH"

static int fail_memory(dq_fault *fault)
{
    return dq_fault_set(fault, DUEQ_ENOMEM, "out of memory");
}

static int refuse(dq_fault *fault, const char *why)
{
    return dq_fault_set(fault, DUEQ_EINVAL, "the URL of the handler is wrong: %s; it is " FORM,
                        why);
}

static int parse(CURLU *parts, const char *text, dq_fault *fault)
{
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, text, 0);
    if (code == CURLUE_OUT_OF_MEMORY) return fail_memory(fault);
    if (code == CURLUE_BAD_SCHEME || code == CURLUE_UNSUPPORTED_SCHEME) {
        return refuse(fault, "it begins with neither http:// nor https://");
    }
    if (code != CURLUE_OK) return refuse(fault, curl_url_strerror(code));
    return DUEQ_OK;
}

static int read_scheme(CURLU *parts, bool *tls, dq_fault *fault)
{
    char *scheme = NULL;
    if (curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK) return fail_memory(fault);
    *tls = strcmp(scheme, "https") == 0;
    bool known = *tls || strcmp(scheme, "http") == 0;
    curl_free(scheme);
    return known ? DUEQ_OK : refuse(fault, "it begins with neither http:// nor https://");
}

/* Cut between characters. */
static void copy_shown(char shown[DQ_HTTP_SHOWN_SIZE], const char *text)
{
    static const char dots[] = "...";
    size_t left = strlen(text), len = 0;
    while (left > 0) {
        char form[DQ_PRINTABLE_MAX];
        size_t form_len, step = dq_printable_next(text, left, form, &form_len);
        if (len + form_len + sizeof dots > DQ_HTTP_SHOWN_SIZE) break;
        memcpy(shown + len, form, form_len);
        len += form_len;
        text += step;
        left -= step;
    }
    memcpy(shown + len, left > 0 ? dots : "", left > 0 ? sizeof dots : 1);
}

/* Called last: takes the parts away that are not to be shown. */
static int write_shown(CURLU *parts, char shown[DQ_HTTP_SHOWN_SIZE], dq_fault *fault)
{
    static const CURLUPart hidden[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
                                       CURLUPART_FRAGMENT};
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
        if (curl_url_set(parts, hidden[i], NULL, 0) != CURLUE_OK) return fail_memory(fault);
    }
    char *text = NULL;
    if (curl_url_get(parts, CURLUPART_URL, &text, 0) != CURLUE_OK) return fail_memory(fault);
    copy_shown(shown, text);
    curl_free(text);
    return DUEQ_OK;
}

int dq_http_url_read(dq_http_url *url, const char *text, dq_fault *fault)
{
    *url = (dq_http_url){0};
    CURLU *parts = curl_url();
    if (parts == NULL) return fail_memory(fault);
    int rc = parse(parts, text, fault);
    if (rc == DUEQ_OK) rc = read_scheme(parts, &url->tls, fault);
    if (rc == DUEQ_OK) rc = write_shown(parts, url->shown, fault);
    curl_url_cleanup(parts);
    return rc;
}
