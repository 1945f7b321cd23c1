/* What an error reply means: one table from the first word of the server's answer to an outcome
 * and to whether the call can be sent again. Pure. */
#ifndef DQ_WIRE_ANSWER_H
#define DQ_WIRE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

typedef enum dq_remedy {
    DQ_REMEDY_NONE,      /* final: tell the caller */
    DQ_REMEDY_AGAIN,     /* not applied: send again after a while, same connection */
    DQ_REMEDY_RECONNECT, /* not applied: drop the connection, look the server up, send again */
    DQ_REMEDY_SOURCE,    /* not applied: send the script's source */
    DQ_REMEDY_MOVED,     /* not applied: the cluster has the key elsewhere, the answer says where */
    DQ_REMEDY_ASK        /* the same, this once */
} dq_remedy;

typedef struct dq_answer {
    int outcome; /* a negative dueq_outcome */
    dq_remedy remedy;
    const char *meaning; /* in plain words, with what to do about it; NULL: the text must speak */
} dq_answer;

/* `text` is an error reply without its leading '-': "NOSCRIPT No matching script", … Errors that
 * a script raises keep their first word when redis.call raised them. */
dq_answer dq_answer_of(const char *text, size_t len);

/* Whether the server's ACL forbids this one command or key; it may allow others. */
bool dq_answer_is_of_acl(dq_answer answer);

/* Notes what the error means, and the server's own words, as a failure; returns its outcome. */
int dq_answer_tell(dq_fault *fault, const char *text, size_t len);

#endif
