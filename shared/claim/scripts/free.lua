-- free: gives a key back that was begun and has not ended, so that the next call
-- may begin it at once, with other content too.
--
-- KEYS  1 record   2 lock
-- ARGV  1 fence:owner of the claim to be given up   2 reason
-- Returns {'freed'}, or {'lost'}: the claim is not the last one of the key, or the
-- key has ended, or it was placed and has to be settled or released
local r = redis.call('HMGET', KEYS[1], 'state', 'claim', 'entry')
if r[1] ~= 'accepted' then return {'lost'} end -- guard: not ended
if r[2] ~= ARGV[1] then return {'lost'} end -- guard: mine
if r[3] then return {'lost'} end -- guard: not placed

redis.call('HDEL', KEYS[1], 'fp')
redis.call('HSET', KEYS[1], 'err', ARGV[2])
if redis.call('GET', KEYS[2]) == ARGV[1] then
  redis.call('DEL', KEYS[2])
end
return {'freed'}
