/* Threads in a program that is not ours. */
#ifndef DQ_WORK_THREAD_H
#define DQ_WORK_THREAD_H

#include <pthread.h>

/* With a small stack, so that a thousand fit, and with every signal blocked: signals are the host
 * program's, its own threads get them. 0 or an errno. */
int dq_thread_start(pthread_t *thread, void *(*run)(void *), void *context);

/* From here on the calling thread's sleeps end within a microsecond or so of their time, not within
 * the 50 that are usual; so would those of threads and programs that it started now. Returns what
 * to give to dq_thread_relax() in the end. */
int dq_thread_be_punctual(void);
void dq_thread_relax(int before);

#endif
