/* Any text as a URL: no crash, a message whenever it is refused, and what is accepted can be shown,
 * copied, and read again with the same result. */
#include <stdlib.h>
#include <string.h>

#include "wire/url.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_accepted(const dq_url *url)
{
    char place[DQ_URL_PLACE_MAX];
    dq_url copy, again;
    must(dq_url_copy(&copy, url));
    char *shown = dq_url_text(&copy);
    must(shown != NULL && dq_url_place(&copy, place)[0] != '\0');
    must(dq_url_parse(&again, shown, NULL) == DUEQ_OK);
    must(again.kind == url->kind && again.tls == url->tls && again.db == url->db);
    must(url->kind != DQ_URL_TCP ||
         (again.port == url->port && strcmp(again.host, url->host) == 0));
    must((url->seeds == NULL) == (again.seeds == NULL));
    must(url->seeds == NULL || strcmp(again.seeds, url->seeds) == 0);
    must(url->master == NULL || strcmp(again.master, url->master) == 0);
    must((url->path == NULL) == (again.path == NULL));
    must(url->path == NULL || strcmp(again.path, url->path) == 0);
    free(shown);
    dq_url_clear(&again);
    dq_url_clear(&copy);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    dq_url url;
    dq_fault fault = {0};
    int rc = dq_url_parse(&url, text, &fault);
    if (rc == DUEQ_OK) {
        check_accepted(&url);
    } else {
        must(rc == DUEQ_EINVAL && fault.code == rc && fault.text[0] != '\0');
    }
    dq_url_clear(&url);
    free(text);
    return 0;
}
