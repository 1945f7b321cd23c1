/* The way from what was typed to an open handle. */
#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "text.h"

int session_url(const cli_call *call, const char **url)
{
    dueq_server_info info;
    char why[512] = "";
    int rc;

    if (call->url != NULL) {
        *url = call->url;
        return STATUS_DONE;
    }
    rc = dueq_server_start(NULL, &info, why, sizeof(why));
    if (rc < 0) {
        say_note("%s", *why != '\0' ? why : dueq_outcome_text(rc));
        return say_status(rc);
    }
    if (info.started) say_note("started a private server in %s (no --url, no DUEQ_URL)", info.dir);
    *url = "local:";
    return STATUS_DONE;
}

int session_open(const cli_call *call, dueq **handle)
{
    return session_open_with(call, NULL, handle);
}

int session_open_with(const cli_call *call, const dueq_options *options, dueq **handle)
{
    const char *url = NULL;
    int status = session_url(call, &url);
    int rc;

    if (status != STATUS_DONE) return status;
    rc = dueq_open(handle, url, options);
    if (rc != DUEQ_OK) {
        status = say_error(*handle, rc);
        dueq_close(*handle);
        *handle = NULL;
    }
    return status;
}

bool session_check_queue(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "_.:-";
    size_t len = strlen(name);

    if (len > 0 && len <= DUEQ_QUEUE_NAME_MAX && strspn(name, allowed) == len) return true;
    say_usage("\"%.200s\" is not a queue name: 1 to %d of A-Z a-z 0-9 _ . : -", name,
              DUEQ_QUEUE_NAME_MAX);
    return false;
}

bool session_check_receipt(const char *receipt)
{
    size_t len = strlen(receipt);
    bool plain = len > 0 && len <= DUEQ_RECEIPT_MAX;

    for (size_t i = 0; plain && i < len; i++) plain = receipt[i] > ' ' && receipt[i] < 0x7F;
    if (!plain) say_usage("\"%.80s\" is not a receipt: take prints one with each task", receipt);
    return plain;
}

static bool decode_id(const char *typed, char *out, dueq_name *name)
{
    size_t len = strlen(typed);

    if (!text_unbase64(typed, len, (unsigned char *)out, &name->id_len)) return false;
    name->id = out;
    return true;
}

static int read_id(const char *typed, bool base64, char *out, dueq_name *name)
{
    if (!base64) {
        name->id = typed;
        name->id_len = strlen(typed);
    } else if (!decode_id(typed, out, name)) {
        return say_usage("\"%.200s\" is not base64", typed);
    }
    if (name->id_len == 0 || name->id_len > DUEQ_ID_MAX)
        return say_usage("an id of %zu bytes: ids have 1 to %d", name->id_len, DUEQ_ID_MAX);
    return STATUS_DONE;
}

int session_read_ids(char *const *typed, size_t count, bool base64, id_list *ids)
{
    size_t bytes_len = 0, at = 0;

    for (size_t i = 0; i < count; i++) bytes_len += strlen(typed[i]);
    *ids = (id_list){
        .names = mem_make(count * sizeof(dueq_name)), .count = count, .bytes = mem_make(bytes_len)};
    for (size_t i = 0; i < count; i++) {
        int status = read_id(typed[i], base64, ids->bytes + at, &ids->names[i]);

        if (status != STATUS_DONE) return status;
        at += strlen(typed[i]);
    }
    return STATUS_DONE;
}

void session_free_ids(id_list *ids)
{
    free(ids->names);
    free(ids->bytes);
}

static bool ask(const char *question)
{
    char answer[16] = "";

    fprintf(stderr, "%s [y/N] ", question);
    if (fgets(answer, sizeof(answer), stdin) == NULL) return false;
    return answer[0] == 'y' || answer[0] == 'Y';
}

int session_confirm(bool yes, const char *question, ...)
{
    char *text;
    va_list list;
    int status = STATUS_DONE;

    if (yes) return STATUS_DONE;
    va_start(list, question);
    if (vasprintf(&text, question, list) < 0) text = mem_copy("sure?", 5);
    va_end(list);
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        status = say_usage("say --yes: nobody is here to answer \"%s\"", text);
    else if (!ask(text))
        status = say_failed("nothing was changed");
    free(text);
    return status;
}
