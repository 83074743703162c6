-- take: delivers pending entries again, to the consumer that asks first.
--
-- KEYS  1 stream
-- ARGV  1 group   2 consumer
--       then for each entry: its id, and for how long, in ms, it has to have been idle
-- Returns for each entry
--   {'taken', order id, deliveries}   it is the caller's, delivered once more
--   {'left'}                          it is not pending, or was delivered more recently
--   {'gone'}                          it was pending but is not in the stream any more
--
-- The idle time is checked here, since not every Redis heeds that of XCLAIM.
local stream, group, consumer = KEYS[1], ARGV[1], ARGV[2]

local function take(entry, idle)
  local pending = redis.call('XPENDING', stream, group, entry, entry, 1)[1]
  if not pending then return {'left'} end
  if pending[3] < tonumber(idle) then return {'left'} end -- guard: idle
  local claimed = redis.call('XCLAIM', stream, group, consumer, 0, entry)[1]
  if not claimed then -- an entry deleted past the engine; Redis 6 leaves it pending
    redis.call('XACK', stream, group, entry)
    return {'gone'}
  end
  return {'taken', claimed[2][2], pending[4] + 1}
end

local answers = {}
for i = 3, #ARGV, 2 do
  answers[#answers + 1] = take(ARGV[i], ARGV[i + 1])
end
return answers
