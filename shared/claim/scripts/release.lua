-- release: gives up a batch of claims whose work failed, and buries an order
-- that has used up its deliveries, with the reason.
--
-- KEYS  1 stream   2 dead letters
--       then for each claim: record, lock
-- ARGV  1 group   2 owner   3 limit of deliveries
--       then for each claim: id, fence, reason
-- Returns for each claim
--   {'released', deliveries}   it stays pending and will be delivered again
--   {'buried', deliveries}     it is a dead letter now
--   {'lost'}                   the lock is no longer the caller's
--
-- Deliveries are counted by Redis, in the consumer group: a contender that dies
-- counts as well as one that says that it failed.
local stream, dead, group, owner, limit = KEYS[1], KEYS[2], ARGV[1], ARGV[2], tonumber(ARGV[3])

local function release(record, lock, id, fence, reason)
  if redis.call('GET', lock) ~= fence .. ':' .. owner then return {'lost'} end -- guard: mine

  local entry = redis.call('HGET', record, 'entry')
  local pending = entry and redis.call('XPENDING', stream, group, entry, entry, 1)[1]
  local deliveries = pending and pending[4] or 0
  local last = deliveries >= limit
  if last then
    local letter = redis.call('XADD', dead, '*', 'id', id, 'reason', reason)
    redis.call('HSET', record, 'state', 'dead', 'dead', letter, 'err', reason)
    redis.call('HDEL', record, 'entry')
    redis.call('XACK', stream, group, entry)
    redis.call('XDEL', stream, entry)
  else
    redis.call('HSET', record, 'err', reason)
  end
  redis.call('DEL', lock)
  return {last and 'buried' or 'released', deliveries}
end

local answers, a = {}, 4
for k = 3, #KEYS, 2 do
  answers[#answers + 1] = release(KEYS[k], KEYS[k + 1], ARGV[a], ARGV[a + 1], ARGV[a + 2])
  a = a + 3
end
return answers
