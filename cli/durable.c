/* Durability on the command line. */
#include "durable.h"

#include <inttypes.h>

#include "say.h"
#include "session.h"

int durable_open(const cli_call *call, const char *level, dueq **handle)
{
    return session_open_with(call, &(dueq_options){.durability = level}, handle);
}

bool durable_warn(const dueq *handle)
{
    dueq_reach reach;

    dueq_reached(handle, &reach);
    if (!reach.waited || reach.met) return false;
    if (reach.replicas < 0)
        say_note("it is done, but whether it is as durable as asked is not known");
    else
        say_note("it is done, but in the time given it did not become as durable as asked "
                 "(replicas: %" PRId64 ", fsync: %s)",
                 reach.replicas, reach.fsynced ? "yes" : "no");
    return true;
}

void durable_add_json(json_t *line, const dueq *handle)
{
    dueq_reach reach;

    dueq_reached(handle, &reach);
    if (!reach.waited) return;
    json_object_set_new(line, "reached",
                        json_pack("{s:b, s:o, s:b}", "met", reach.met, "replicas",
                                  reach.replicas < 0 ? json_null() : json_integer(reach.replicas),
                                  "fsync", reach.fsynced));
}
