/* Threads that handle members or tasks beside each other. Each member that is handled is counted in the hash
 * "handled" of a server, by which a test knows that each was handled once. */
#ifndef TESTS_SUPPORT_PARTY_H
#define TESTS_SUPPORT_PARTY_H

#include <pthread.h>

#include "server.h"

typedef struct party {
    void (*run)(struct party *);
    const char *url;        /* borrowed; for the thread to open */
    test_server *counts;    /* borrowed */
    valkeyContext *counter; /* the thread's own, to that server */
    pthread_t thread;
    _Atomic bool stop;
    _Atomic int64_t handled;
    _Atomic bool failed;
} party;

void party_start(party *p, void (*run)(party *), const char *url, test_server *counts);
/* Stops it; how many it handled. Fails the test if it failed. */
int64_t party_end(party *p);

/* For threads: counts a member. */
void party_count(party *p, const char *member);
/* A thread that takes and finishes the tasks of queue "q"; a payload is a member. */
void party_work(party *p);

void party_assert_each_once(test_server *counts, int count);

#endif
