-- handback: takes back the count of deliveries that reached no contender (the
-- function was throttled, say): they say nothing against the order.
--
-- KEYS  1 stream
-- ARGV  1 group   2 consumer   then the entries
-- Returns {n}: how many were handed back
local n = 0
for i = 3, #ARGV do
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
  local mine = pending and true
  if pending and pending[2] ~= ARGV[2] then mine = false end -- guard: mine
  if mine then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'RETRYCOUNT', math.max(pending[4] - 1, 0), 'JUSTID')
    n = n + 1
  end
end
return {n}
