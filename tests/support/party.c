/* Threads that handle, and the hash in which they count. */
#include "party.h"

#include <stdlib.h>
#include <string.h>

#include "until.h"

#include <dueq.h>

static void *run_thread(void *context)
{
    party *p = context;
    p->counter = valkeyConnectUnix(server_socket(p->counts));
    if (p->counter && !p->counter->err)
        p->run(p);
    else
        p->failed = true;
    if (p->counter) valkeyFree(p->counter);
    return NULL;
}

void party_start(party *p, void (*run)(party *), const char *url, test_server *counts)
{
    *p = (party){.run = run, .url = url, .counts = counts};
    assert_int_equal(pthread_create(&p->thread, NULL, run_thread, p), 0);
}

int64_t party_end(party *p)
{
    p->stop = true;
    pthread_join(p->thread, NULL);
    assert_false(p->failed);
    return p->handled;
}

void party_count(party *p, const char *member)
{
    valkeyReply *reply = valkeyCommand(p->counter, "HINCRBY handled %s 1", member);
    if (!reply || reply->type != VALKEY_REPLY_INTEGER) p->failed = true;
    freeReplyObject(reply);
    p->handled++;
}

void party_work(party *p)
{
    dueq *handle = NULL;
    if (dueq_open(&handle, p->url, NULL) != DUEQ_OK) p->failed = true;
    while (!p->failed && !p->stop) {
        dueq_batch *batch = NULL;
        dueq_take_options options = {.tasks_max = 20, .wait_ms = 5};
        int rc = dueq_take(handle, "q", &options, &batch);
        for (size_t i = 0; rc == DUEQ_OK && i < batch->count; i++) {
            party_count(p, batch->tasks[i].payload);
            dueq_lease lease = {.receipt = batch->tasks[i].receipt};
            if (dueq_done(handle, "q", &lease, 1) != DUEQ_OK) p->failed = true;
        }
        dueq_batch_free(batch);
    }
    dueq_close(handle);
}

void party_assert_each_once(test_server *counts, int count)
{
    assert_int_equal(server_int(counts, "HLEN handled"), count);
    valkeyReply *all = server_command(counts, "HGETALL handled");
    for (size_t i = 0; i + 1 < all->elements; i += 2)
        if (strcmp(all->element[i + 1]->str, "1") != 0)
            fail_msg("%s was handled %s times", all->element[i]->str, all->element[i + 1]->str);
    freeReplyObject(all);
}
