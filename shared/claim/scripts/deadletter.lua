-- deadletter: takes an entry out of the stream that must not be delivered
-- again: because its order has used up its deliveries without any contender
-- saying why, because the order has ended, or because there is no such order.
--
-- KEYS  1 stream   2 dead letters   3 record   4 lock
-- ARGV  1 group   2 id   3 entry   4 limit of deliveries   5 reason where none is on record
-- Returns
--   {'buried', reason}     the order is a dead letter now
--   {'cleared', why}       the order had ended, or has another entry: only the entry is gone
--   {'refused', reason}    no such order: the entry is gone, a dead letter says that it was there
--   {'busy', ms left}      a contender holds the order
--   {'early', deliveries}  the order has deliveries left
--   {'gone'}               the entry is not pending
local stream, dead, record, lock = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local group, id, entry, limit = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local pending = redis.call('XPENDING', stream, group, entry, entry, 1)[1]
if not pending then return {'gone'} end -- guard: pending

local function acknowledge()
  redis.call('XACK', stream, group, entry)
  redis.call('XDEL', stream, entry)
end

local r = redis.call('HMGET', record, 'state', 'entry', 'err')
local state, current, err = r[1], r[2], r[3]
if not state then
  local reason = 'there is no record of this order: it was never placed, or its record has expired'
  redis.call('XADD', dead, '*', 'id', id, 'reason', reason)
  acknowledge()
  return {'refused', reason}
end
if state ~= 'accepted' or current ~= entry then
  acknowledge()
  return {'cleared', state ~= 'accepted' and state or 'stray'}
end
if redis.call('EXISTS', lock) == 1 then return {'busy', redis.call('PTTL', lock)} end -- guard: nobody's
if pending[4] < limit then return {'early', pending[4]} end -- guard: used up

local reason = err or ARGV[5]
local letter = redis.call('XADD', dead, '*', 'id', id, 'reason', reason)
redis.call('HSET', record, 'state', 'dead', 'dead', letter, 'err', reason)
redis.call('HDEL', record, 'entry')
acknowledge()
return {'buried', reason}
