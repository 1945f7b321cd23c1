/* How far what was written must have got before a call returns: to replicas (WAIT) or to the disk
 * (WAITAOF). The command goes behind the requests of each server, in the same pipeline; whatever it
 * answers, what the requests themselves came to stays as it is. Knows nothing of queues. */
#ifndef DQ_WIRE_SEAL_H
#define DQ_WIRE_SEAL_H

#include <valkey/valkey.h>

#include "base/fault.h"
#include "wire/args.h"

#define DQ_REPLICAS_MAX 1000 /* what a level may ask for */

/* Both zero: nothing is waited for. */
typedef struct dq_level {
    int replicas;
    bool fsync;
} dq_level;

/* Reads "none", "replicas:N" or "fsync". NULL, or what would be right. */
const char *dq_level_read(dq_level *level, const char *text);

static inline bool dq_level_is_none(const dq_level *level)
{
    return level->replicas == 0 && !level->fsync;
}

/* One exchange's. Give level and timeout_ms, the rest zero. Holds: `replicas` and `fsynced` are the
 * least that any of the `server_count` answers told. */
typedef struct dq_seal {
    dq_level level;
    int64_t timeout_ms; /* all servers have that long together, from the first sending on */
    int64_t until_us;   /* 0: nothing has been sent yet */

    size_t server_count; /* out: how often a server told how far what was written to it has got */
    bool unknown;        /* out: of something that was written it is not known */
    int replicas;
    bool fsynced;
} dq_seal;

/* The command as it is to be sent now, within the call's deadline. */
bool dq_seal_command(dq_seal *seal, int64_t deadline_us, dq_args *args);
/* How long its answers are waited for here, should a server not keep to its time. */
int64_t dq_seal_limit_us(const dq_seal *seal, int64_t deadline_us);
/* Takes a server's answer; anything but the numbers asked for means "not known". */
void dq_seal_hear(dq_seal *seal, const valkeyReply *reply);
/* Whether all that was written is known to have got as far as asked. */
bool dq_seal_is_met(const dq_seal *seal);

#endif
