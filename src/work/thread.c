/* Starting threads with a small stack and no signals; how exact sleeps are. */
#include "work/thread.h"

#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>

/* A callback that needs more makes threads of its own. */
#define STACK_SIZE ((size_t)512 * 1024)

int dq_thread_start(pthread_t *thread, void *(*run)(void *), void *context)
{
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0) return error;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (error == 0) error = pthread_create(thread, &attributes, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

int dq_thread_be_punctual(void)
{
    int before = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    if (before > 0) prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* in ns */
    return before;
}

void dq_thread_relax(int before)
{
    if (before > 0) prctl(PR_SET_TIMERSLACK, before, 0, 0, 0);
}
