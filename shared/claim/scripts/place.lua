-- place: puts an order on record and into the stream, once for its id.
--
-- KEYS  1 stream   2 dead letters   3 record   4 record of the variant
-- ARGV  1 id   2 fingerprint   3 message
--       4 channel to announce it on, or ''   5 announcement
--       6 what to do when the id is taken by other content:
--         'refuse' answer conflict; 'separate' place it under the variant's id;
--         'bury'   keep it under the variant's id as a dead letter
--       7 the variant's id   8 flaw, or '': bury under the variant's id, for this reason
--       9 trace context, or ''
-- Returns {'placed'|'replayed'|'conflict'|'buried', id, state, placed at in ms}
--
-- Writes that Redis may refuse for want of memory come first: it refuses only
-- the first write of a script.
local stream, dead = KEYS[1], KEYS[2]
local id, fingerprint, message, onconflict, variant, flaw = ARGV[1], ARGV[2], ARGV[3], ARGV[6], ARGV[7], ARGV[8]

local t = redis.call('TIME')
local now = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))

local function put(record, id)
  local entry = redis.call('XADD', stream, '*', 'id', id)
  redis.call('HSET', record, 'state', 'accepted', 'fp', fingerprint, 'msg', message, 'at', now, 'entry', entry)
  if ARGV[9] ~= '' then
    redis.call('HSET', record, 'trace', ARGV[9])
  end
  if ARGV[4] ~= '' then
    redis.call('PUBLISH', ARGV[4], ARGV[5])
  end
  return {'placed', id, 'accepted', now}
end

local function bury(record, id, reason)
  local letter = redis.call('XADD', dead, '*', 'id', id, 'reason', reason)
  redis.call('HSET', record, 'state', 'dead', 'fp', fingerprint, 'msg', message, 'at', now, 'dead', letter, 'err', reason)
  return {'buried', id, 'dead', now}
end

local r = redis.call('HMGET', KEYS[3], 'fp', 'state', 'at')
if r[1] == fingerprint then return {'replayed', id, r[2], r[3]} end -- guard: placed once
if r[1] and onconflict == 'refuse' then return {'conflict', id, '', ''} end -- guard: same content

local v = redis.call('HMGET', KEYS[4], 'fp', 'state', 'at')
if v[1] == fingerprint then return {'replayed', variant, v[2], v[3]} end -- guard: variant placed once

if flaw ~= '' then
  return bury(KEYS[4], variant, flaw)
end
if not r[1] then
  return put(KEYS[3], id)
end
if onconflict == 'separate' then
  return put(KEYS[4], variant)
end
return bury(KEYS[4], variant, 'order id ' .. id .. ' was used before for other content')
