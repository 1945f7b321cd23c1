/* The server behind a proxy: started, opened twice, checked, ended. */
#include "behind.h"

#include <stdlib.h>

enum { TIMEOUT_MS = 10000 };

static int set_up(void **state, bool keep)
{
    behind *b = calloc(1, sizeof *b);
    if (b == NULL) fail_msg("out of memory");
    *state = b;
    b->server = server_start(&(server_options){.keep = keep});
    b->proxy =
        proxy_start(&(proxy_options){.server_socket = server_socket(b->server), .tcp = true});
    ASSERT_RC(b->near, dueq_open(&b->near, server_url(b->server), NULL), DUEQ_OK);
    b->far = behind_open(b, TIMEOUT_MS);
    return 0;
}

int behind_set_up(void **state)
{
    return set_up(state, false);
}

int behind_set_up_kept(void **state)
{
    return set_up(state, true);
}

dueq *behind_open(const behind *b, int64_t timeout_ms)
{
    dueq *handle = NULL;
    dueq_options options = {.timeout_ms = timeout_ms};
    ASSERT_RC(handle, dueq_open(&handle, proxy_url(b->proxy), &options), DUEQ_OK);
    return handle;
}

static void check_queues(dueq *handle)
{
    dueq_queue_list *list;
    ASSERT_RC(handle, dueq_queues(handle, &list), DUEQ_OK);
    for (size_t i = 0; i < list->count; i++) queue_assert_sound(handle, list->names[i]);
    dueq_queue_list_free(list);
}

int behind_tear_down(void **state)
{
    behind *b = *state;
    check_queues(b->near);
    dueq_close(b->near);
    dueq_close(b->far);
    proxy_free(b->proxy);
    server_free(b->server);
    free(b);
    return 0;
}
