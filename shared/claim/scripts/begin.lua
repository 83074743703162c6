-- begin: races for the lock of a key that nobody placed before: the plain mode,
-- for handlers. Place and claim in one step, without a delivery.
--
-- KEYS  1 record   2 lock
-- ARGV  1 fingerprint   2 owner   3 lease in ms   4 retention of the record in s
-- Returns
--   {'won', fence}                             the lock is the caller's
--   {'busy', holder's fence:owner, ms left}    another holds it
--   {'already', state, fence, owner, result, ms that the record is still kept}
--                                              it has ended: settled or rejected
--   {'conflict', state}                        the key was used for other content, or
--                                              was placed: claim races for those
--
-- The record can expire, and with it what it knows of fences. So the fence is the
-- time in us, or one more than the last: it grows even then.
local record, lock, fingerprint, owner, lease = KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3]

local r = redis.call('HMGET', record, 'state', 'fp', 'claim', 'result', 'entry', 'dead')
local state, fp, last = r[1], r[2], r[3] or ''
if fp and fp ~= fingerprint then return {'conflict', state} end -- guard: same content
if r[5] or r[6] then return {'conflict', state} end -- guard: not placed
local fence, by = string.match(last, '^(%d+):(.*)$')
if state and state ~= 'accepted' then return {'already', state, fence or '', by or '', r[4] or '', redis.call('PTTL', record)} end -- guard: done is final

local held = redis.call('GET', lock)
if held and held == last and by == owner then
  redis.call('PEXPIRE', lock, lease)
  return {'won', fence}
end
if held then
  local left = redis.call('PTTL', lock)
  if left < 0 then -- a lock that lost its lease would be held for ever
    redis.call('PEXPIRE', lock, lease)
    left = tonumber(lease)
  end
  return {'busy', held, left}
end

local t = redis.call('TIME')
fence = string.format('%.0f', math.max(t[1] * 1000000 + t[2], tonumber(fence or 0) + 1))
local mine = fence .. ':' .. owner
if not redis.call('SET', lock, mine, 'NX', 'PX', lease) then return {'busy', '', 0} end
redis.call('HSET', record, 'state', 'accepted', 'fp', fingerprint, 'claim', mine)
redis.call('HSETNX', record, 'at', string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000)))
redis.call('HINCRBY', record, 'tries', 1)
redis.call('EXPIRE', record, ARGV[4])
return {'won', fence}
