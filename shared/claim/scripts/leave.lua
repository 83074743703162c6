-- leave: removes consumers from the group that have nothing pending. Redis
-- forgets what a removed consumer had pending, so the check has to be in the
-- same script.
--
-- KEYS  1 stream   2 sign of life
-- ARGV  1 group   2 consumer, or '' for all that are idle   3 idle for at least, in ms
-- Returns {n}: how many were removed
local n = 0
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local c = {}
  for i = 1, #info, 2 do
    c[info[i]] = info[i + 1]
  end
  local goes = c.name == ARGV[2] or (ARGV[2] == '' and c.idle >= tonumber(ARGV[3]))
  if c.pending > 0 then goes = false end -- guard: nothing pending
  if goes then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], c.name)
    n = n + 1
  end
end
if redis.call('GET', KEYS[2]) == ARGV[2] then redis.call('DEL', KEYS[2]) end -- the last sign was the caller's
return {n}
