-- claim: races for the locks of a batch of orders.
--
-- KEYS  for each order: record, lock
-- ARGV  1 owner   2 lease in ms
--       then for each order: id, how often it was delivered
-- Returns for each order
--   {'won', fence, message}                     the lock is the caller's
--   {'busy', holder's fence:owner, ms left}     another holds it
--   {'already', state, fence, owner}            it has ended: settled, rejected or dead
--   {'refused'}                                 no such order: never placed, or expired
--
-- A claim that is repeated by its own owner, because the answer got lost, is
-- won again with the same fence. The fence only ever grows.
local owner, lease = ARGV[1], ARGV[2]

local function claim(record, lock, deliveries)
  local r = redis.call('HMGET', record, 'state', 'fence', 'owner', 'msg')
  local state, fence = r[1], tonumber(r[2] or 0)
  if not state then return {'refused'} end -- guard: only what was placed
  redis.call('HINCRBY', record, 'racers', 1)
  if state ~= 'accepted' then return {'already', state, r[2] or '', r[3] or ''} end -- guard: done is final

  local mine = string.format('%d:%s', fence, owner)
  local held = redis.call('GET', lock)
  if held == mine then
    redis.call('PEXPIRE', lock, lease)
    return {'won', fence, r[4]}
  end
  if held then
    local left = redis.call('PTTL', lock)
    if left < 0 then -- a lock that lost its lease would be held for ever
      redis.call('PEXPIRE', lock, lease)
      left = tonumber(lease)
    end
    return {'busy', held, left}
  end

  fence = string.format('%d', fence + 1)
  if not redis.call('SET', lock, fence .. ':' .. owner, 'NX', 'PX', lease) then return {'busy', '', 0} end
  redis.call('HSET', record, 'fence', fence, 'owner', owner, 'tries', deliveries)
  return {'won', fence, r[4]}
end

local answers = {}
for i = 1, #KEYS / 2 do
  answers[i] = claim(KEYS[2 * i - 1], KEYS[2 * i], ARGV[2 * i + 2])
end
return answers
