-- Makes leases end lease_ms from now. The receipts stay good: what they prove is remembered.
-- KEYS: leased tries meta wake
-- ARGV: partitions lease_ms
-- then: id, a task each; then: lease, a task each
-- returns: {OK} | {LOST, outcome…} with OK or LOST a task | {STALE}
-- include: clock tries write_tries held marker announce

local m = redis.call('HMGET', meta, 'partitions', 'armed_at', 'armed_until')
if m[1] ~= partitions then return {STALE} end
local count = (#ARGV - ARGS) / 2

local deadline = math.floor((now + tonumber(lease_ms) * 1000) / 1000) * 1000
local scores = redis.call('ZMSCORE', leased, unpack(ARGV, ARGS + 1, ARGS + count))
local answer, ids, leases, entries = {OK}, {}, {}, {}
for i = 1, count do
  local id, receipt = ARGV[ARGS + i], ARGV[ARGS + count + i]
  if held(id, receipt, scores[i]) then
    local score = text(deadline + tonumber(receipt) % 1000)
    local failures, _, _, why = read_tries(redis.call('HGET', tries, id))
    ids[#ids + 1] = id
    leases[#leases + 1] = score
    leases[#leases + 1] = id
    entries[#entries + 1] = id
    entries[#entries + 1] = write_tries(failures, receipt, score, why)
    answer[i + 1] = OK
  else
    answer[i + 1] = LOST
    answer[1] = LOST
  end
end
if #ids == 0 then return answer end
-- The first write frees memory, so that a full server lets leases be kept.
redis.call('HDEL', tries, unpack(ids))
redis.call('HSET', tries, unpack(entries))
redis.call('ZADD', leased, unpack(leases))
announce(deadline, m[2], m[3])
return answer[1] == OK and {OK} or answer
