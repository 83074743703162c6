-- renew: gives the locks of a batch of claims a new lease.
--
-- KEYS  for each claim: lock
-- ARGV  1 owner   2 lease in ms
--       then for each claim: fence
-- Returns for each claim 1 if it was the caller's and lives on, else 0
local answers = {}
for i, lock in ipairs(KEYS) do
  answers[i] = 1
  if redis.call('GET', lock) ~= ARGV[i + 2] .. ':' .. ARGV[1] then answers[i] = 0 end -- guard: mine
  if answers[i] == 1 then
    redis.call('PEXPIRE', lock, ARGV[2])
  end
end
return answers
