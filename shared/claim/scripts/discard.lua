-- discard: takes a dead letter off the list for good. Its order stays dead, and
-- its record expires like that of a settled one.
--
-- KEYS  1 dead letters   2 record
-- ARGV  1 id of the letter in the stream   2 retention of the record in s
-- Returns {'discarded'}, or {'refused', state}: there is no such letter (any
-- more); state is that of the order, '' without a record
local letter = ARGV[1]
if redis.call('XDEL', KEYS[1], letter) == 0 then
  return {'refused', redis.call('HGET', KEYS[2], 'state') or ''}
end
-- A letter about an entry without an order may bear the id of one placed since.
if redis.call('HGET', KEYS[2], 'dead') ~= letter then return {'discarded'} end -- guard: its own order
redis.call('HDEL', KEYS[2], 'dead')
redis.call('EXPIRE', KEYS[2], ARGV[2])
return {'discarded'}
