/* Where each is, and what it becomes. */
#include "planted.h"

const planted_bug planted_bugs[] = {
    /* taking */
    {"a task comes 50 ms early", "take",
     "redis.call('ZRANGEBYSCORE', due, '-inf', text(now), 'WITHSCORES'",
     "redis.call('ZRANGEBYSCORE', due, '-inf', text(now + 50000), 'WITHSCORES'"},
    {"a leased task stays ready", "take", "redis.call('ZREMRANGEBYRANK', due, 0, count - 1)", ""},
    {"leases end 150 ms early", "take",
     "redis.call('ZRANGEBYSCORE', leased, '-inf', text(now), 'WITHSCORES'",
     "redis.call('ZRANGEBYSCORE', leased, '-inf', text(now + 150000), 'WITHSCORES'"},
    {"an expired lease's task is thrown away", "take",
     "redis.call('ZADD', due, expired[2 * i], id)", ""},
    {"an expiry counts no attempt", "take", "read_tries(known and known[i]) + 1",
     "read_tries(known and known[i])"},
    {"an expired lease stays", "take", "redis.call('ZREM', leased, unpack(ids, 1, #records))", ""},
    {"tokens are the clock's", "take", "math.max((tonumber(m[3]) or 0) + 1, now)", "now"},
    /* finishing */
    {"done takes any lease for the task's", "done", "if score == receipt then return true end",
     "if score then return true end"},
    {"done asks no clock", "done", "last_score, last_alive = score, tonumber(score) > now",
     "last_score, last_alive = score, true"},
    {"done leaves the lease", "done", "return redis.call('ZREMRANGEBYSCORE', leased, lease, lease)",
     "return true"},
    {"done leaves the record", "done", "redis.call('HDEL', body, unpack(ids, from, to))", ""},
    {"done removes others of the same lease", "done", "is_whole[lease] = #members == tasks",
     "is_whole[lease] = true"},
    {"what is done is not remembered", "done", "if remembering then remember(ids, from, to) end",
     ""},
    /* failing, giving back, holding on */
    {"retry forgets the delay", "retry", "local at = now + tonumber(delay_us)", "local at = now"},
    {"retry lets die one attempt early", "retry", "failures >= attempts_limit(record, limit)",
     "failures + 1 >= attempts_limit(record, limit)"},
    {"retry counts no failure", "retry", "read_tries(redis.call('HGET', tries, id)) + 1",
     "read_tries(redis.call('HGET', tries, id))"},
    {"a retry sent again is not known", "retry", "if lease ~= receipt or extended ~= '' then",
     "if true then"},
    {"release leaves the lease", "release", "redis.call('ZREM', leased, unpack(ids))", "#ids"},
    {"release forgets the task", "release", "redis.call('ZADD', due, unpack(dues))", ""},
    {"extend does not extend", "extend", "redis.call('ZADD', leased, unpack(leases))", ""},
    {"extend spoils the receipt", "extend", "redis.call('HSET', tries, unpack(entries))", ""},
    /* pushing */
    {"a push sent again is a push", "push",
     "known[i] = known[i] or (untils[i] and tonumber(untils[i]) > now and REMEMBERED)", ""},
    {"push forgets the delay", "push", "at = at < 0 and math.max(-at, now) or now + at",
     "at = now"},
    {"push counts twice", "push", "redis.call('HINCRBY', meta, 'pushed', pushed)",
     "redis.call('HINCRBY', meta, 'pushed', pushed + 1)"},
};
const size_t planted_count = sizeof planted_bugs / sizeof planted_bugs[0];
