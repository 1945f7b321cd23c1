/* The ears of a handle that waits: connections of their own on which the server says that a marker
 * has been left (doc/design.md, "Waking up"). To one server there is one, for all keys. In a cluster
 * one command takes keys of one slot alone: there a few connections, never more, take turns at the
 * keys of their nodes. Knows keys, not what they are the keys of. */
#ifndef DQ_QUEUE_LISTEN_H
#define DQ_QUEUE_LISTEN_H

#include <poll.h>

#include "wire/link.h"

#define DQ_EARS_MAX 8

typedef struct dq_ears dq_ears;

dq_ears *dq_ears_make(dq_link *link); /* NULL: out of memory */
void dq_ears_free(dq_ears *ears);     /* NULL is fine; markers that have come are lost */

/* From now on these keys are listened to, once dq_ears_open() is called. The texts are borrowed
 * until the next call. False: out of memory, and nothing is listened to. */
bool dq_ears_set(dq_ears *ears, const char *const *keys, size_t count);

/* Sees to it that every ear listens that can: connects, asks anew, goes on to the next key. What
 * fails is tried again later. */
void dq_ears_open(dq_ears *ears);
/* When dq_ears_open() wants to be called again, if nothing comes before. */
int64_t dq_ears_open_again_us(const dq_ears *ears);
/* Whether any is listening now. */
bool dq_ears_are_open(const dq_ears *ears);

/* What poll() should watch; returns how many. */
size_t dq_ears_watch(const dq_ears *ears, struct pollfd watched[DQ_EARS_MAX]);

typedef void dq_ears_marker_fn(void *context, const char *key, size_t key_len);

/* Hears what has come, without waiting: calls `marker` for each; returns their number. */
size_t dq_ears_hear(dq_ears *ears, dq_ears_marker_fn *marker, void *context);

/* Stops listening, in the order that loses no marker: those that come in between are told too. */
void dq_ears_close(dq_ears *ears, int64_t deadline_us, dq_ears_marker_fn *marker, void *context);

#endif
