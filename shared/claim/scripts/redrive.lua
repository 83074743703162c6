-- redrive: gives a dead order a new start, with all its deliveries.
--
-- KEYS  1 stream   2 dead letters   3 record
-- ARGV  1 id
-- Returns {'redriven', entry}, or {'refused', state}: the order is not dead, or
-- (state '') there is no record of it
local r = redis.call('HMGET', KEYS[3], 'state', 'dead')
if r[1] ~= 'dead' then return {'refused', r[1] or ''} end -- guard: dead

local entry = redis.call('XADD', KEYS[1], '*', 'id', ARGV[1])
redis.call('HSET', KEYS[3], 'state', 'accepted', 'entry', entry)
redis.call('HDEL', KEYS[3], 'dead', 'err', 'tries')
redis.call('PERSIST', KEYS[3])
if r[2] then
  redis.call('XDEL', KEYS[2], r[2])
end
return {'redriven', entry}
