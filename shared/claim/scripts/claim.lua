-- claim: races for the locks of a batch of orders.
--
-- KEYS  for each order: record, lock
-- ARGV  1 owner   2 lease in ms
--       then for each order: id, how often it was delivered
-- Returns for each order
--   {'won', fence, message, trace}              the lock is the caller's
--   {'busy', holder's fence:owner, ms left}     another holds it
--   {'already', state, fence, owner}            it has ended: settled, rejected or dead
--   {'refused'}                                 no such order: never placed, or expired
--
-- A claim that is repeated by its own owner, because the answer got lost, is
-- won again with the same fence. The fence only grows, unless Redis forgets a
-- claim in a failover: then it is given out again, to another owner.
local owner, lease = ARGV[1], ARGV[2]

-- counted notes one more try.
local function counted(record, answer)
  redis.call('HINCRBY', record, 'racers', 1)
  return answer
end

local function claim(record, lock, deliveries)
  local r = redis.call('HMGET', record, 'state', 'claim', 'racers', 'msg', 'trace')
  local state, last = r[1], r[2] or ''
  local fence, by = string.match(last, '^(%d+):(.*)$')
  -- Every record has a state; one that was begun, and not placed, has no message.
  if not r[4] then return {'refused'} end -- guard: only what was placed
  if state ~= 'accepted' then return counted(record, {'already', state, fence or '', by or ''}) end -- guard: done is final

  local held = fence and redis.call('GET', lock) -- before the first claim nobody can hold it
  if held and held == last and by == owner then
    redis.call('PEXPIRE', lock, lease)
    return counted(record, {'won', fence, r[4], r[5] or ''})
  end
  fence = string.format('%d', tonumber(fence or 0) + 1)
  local mine = fence .. ':' .. owner
  if not held and redis.call('SET', lock, mine, 'NX', 'PX', lease) then
    redis.call('HSET', record, 'claim', mine, 'tries', deliveries, 'racers', tonumber(r[3] or 0) + 1)
    return {'won', fence, r[4], r[5] or ''}
  end
  local left = redis.call('PTTL', lock)
  if left < 0 then -- a lock that lost its lease would be held for ever
    redis.call('PEXPIRE', lock, lease)
    left = tonumber(lease)
  end
  return counted(record, {'busy', held or redis.call('GET', lock), left})
end

local answers = {}
for i = 1, #KEYS / 2 do
  answers[i] = claim(KEYS[2 * i - 1], KEYS[2 * i], ARGV[2 * i + 2])
end
return answers
