-- settle: ends a batch of claims. For each it applies the effect, writes the
-- result and the done mark, drops the lock and acknowledges the delivery.
--
-- KEYS  1 stream
--       then for each claim: record, lock, and the keys of its effect
-- ARGV  1 group   2 owner   3 retention of the record in s
--       then for each claim: id, fence, result to keep where the effect returns
--       none, number of the effect's keys, number of its arguments, and those
-- Returns for each claim
--   {'settled'|'rejected', result}              done now, or before by this very claim
--   {'already', state, fence, owner}            another claim has ended the order
--   {'lost'}                                    the lock is no longer the caller's
--   {'refused'}                                 no such order
--   {'failed', reason}                          the effect raised an error; nothing is done
--
-- See effect.lua for what the effect is given and has to return.
local stream, group, owner, retention = KEYS[1], ARGV[1], ARGV[2], ARGV[3]

local t = redis.call('TIME')
local now = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))

--[[EFFECT]]

local function settle(record, lock, id, fence, result, keys, args)
  local mine = fence .. ':' .. owner
  local r = redis.call('HMGET', record, 'state', 'claim', 'result', 'entry', 'at')
  local state, last, entry = r[1], r[2] or '', r[4]
  if not state then return {'refused'} end -- guard: only what was placed
  if state ~= 'accepted' and state ~= 'dead' and last == mine then return {state, r[3] or ''} end -- guard: replayed
  if state ~= 'accepted' then return {'already', state, string.match(last, '^%d*'), string.match(last, ':(.*)$') or ''} end -- guard: done is final
  if redis.call('GET', lock) ~= mine then return {'lost'} end -- guard: mine

  local verdict, answer = attempt({id = id, fence = fence, owner = owner, now = now}, keys, args)
  if verdict == 'failed' then return {'failed', answer or ''} end
  if verdict ~= 'settled' and verdict ~= 'rejected' then
    return {'failed', 'the effect returned ' .. tostring(verdict) .. ', neither settled nor rejected'}
  end

  answer = answer or result
  redis.call('HSET', record, 'state', verdict, 'took', string.format('%d', now - r[5]))
  if answer ~= '' then
    redis.call('HSET', record, 'result', answer)
  end
  redis.call('HDEL', record, 'entry', 'err', 'trace')
  redis.call('EXPIRE', record, retention)
  redis.call('DEL', lock)
  if entry then
    redis.call('XACK', stream, group, entry)
    redis.call('XDEL', stream, entry)
  end
  return {verdict, answer}
end

local function slice(from, at, n)
  local part = {}
  for i = 1, n do
    part[i] = from[at + i - 1]
  end
  return part
end

local answers, k, a = {}, 2, 4
while a <= #ARGV do
  local nkeys, nargs = tonumber(ARGV[a + 3]), tonumber(ARGV[a + 4])
  local keys, args = slice(KEYS, k + 2, nkeys), slice(ARGV, a + 5, nargs)
  answers[#answers + 1] = settle(KEYS[k], KEYS[k + 1], ARGV[a], ARGV[a + 1], ARGV[a + 2], keys, args)
  k, a = k + 2 + nkeys, a + 5 + nargs
end
return answers
