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
-- won again with the same fence. The fence only ever grows.
local owner, lease = ARGV[1], ARGV[2]

local function claim(record, lock, deliveries)
  local r = redis.call('HMGET', record, 'state', 'claim', 'msg', 'trace')
  local state, last = r[1], r[2] or ''
  if not state then return {'refused'} end -- guard: only what was placed
  redis.call('HINCRBY', record, 'racers', 1)
  local fence, by = string.match(last, '^(%d+):(.*)$')
  if state ~= 'accepted' then return {'already', state, fence or '', by or ''} end -- guard: done is final

  local held = redis.call('GET', lock)
  if held and held == last and by == owner then
    redis.call('PEXPIRE', lock, lease)
    return {'won', fence, r[3], r[4] or ''}
  end
  if held then
    local left = redis.call('PTTL', lock)
    if left < 0 then -- a lock that lost its lease would be held for ever
      redis.call('PEXPIRE', lock, lease)
      left = tonumber(lease)
    end
    return {'busy', held, left}
  end

  fence = string.format('%d', tonumber(fence or 0) + 1)
  local mine = fence .. ':' .. owner
  if not redis.call('SET', lock, mine, 'NX', 'PX', lease) then return {'busy', '', 0} end
  redis.call('HSET', record, 'claim', mine, 'tries', deliveries)
  return {'won', fence, r[3], r[4] or ''}
end

local answers = {}
for i = 1, #KEYS / 2 do
  answers[i] = claim(KEYS[2 * i - 1], KEYS[2 * i], ARGV[2 * i + 2])
end
return answers
