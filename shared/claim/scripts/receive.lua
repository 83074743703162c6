-- receive: applies an effect once for an idempotency id of its own, with no
-- order behind it and nothing to race for (goods in, for one).
--
-- KEYS  1 record, then the keys of the effect
-- ARGV  1 id   2 fingerprint   3 retention of the record in s, 0 for ever
--       then the arguments of the effect
-- Returns
--   {'received'|'replayed', result}   done now, or before
--   {'conflict'}                      the id was used for other content
--   {'failed', reason}                the effect refused or raised an error; nothing is done
--
-- See effect.lua for the effect; order.fence is '0' here, and order.owner ''.
local id, fingerprint, retention = ARGV[1], ARGV[2], tonumber(ARGV[3])

--[[EFFECT]]

local r = redis.call('HMGET', KEYS[1], 'fp', 'result')
if r[1] and r[1] ~= fingerprint then return {'conflict'} end -- guard: same content
if r[1] then return {'replayed', r[2] or ''} end -- guard: received once

local t = redis.call('TIME')
local now = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
local keys, args = {}, {}
for i = 2, #KEYS do
  keys[i - 1] = KEYS[i]
end
for i = 4, #ARGV do
  args[i - 3] = ARGV[i]
end
local verdict, result = attempt({id = id, fence = '0', owner = '', now = now}, keys, args)
if verdict ~= 'settled' then
  return {'failed', tostring(result or verdict)}
end
redis.call('HSET', KEYS[1], 'fp', fingerprint, 'at', now, 'result', result or '')
if retention > 0 then
  redis.call('EXPIRE', KEYS[1], retention)
end
return {'received', result or ''}
