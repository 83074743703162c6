-- settle: ends a batch of claims. For each it applies the effect, writes the
-- result and the done mark, drops the lock and acknowledges the delivery.
--
-- KEYS  1 stream
--       then for each claim: record, lock, and the keys of its effect
-- ARGV  1 group   2 owner   3 retention of the record in s
--       then for each claim: id, fence, number of the effect's keys, number of
--       its arguments, and the arguments
-- Returns for each claim
--   {'settled'|'rejected', result}              done now, or before by this very claim
--   {'already', state, fence, owner}            another claim has ended the order
--   {'lost'}                                    the lock is no longer the caller's
--   {'refused'}                                 no such order
--   {'failed', reason}                          the effect raised an error; nothing is done
--
-- The effect is the body of function(order, KEYS, ARGV). order has id, fence,
-- owner and now (ms). It returns 'settled' or 'rejected', and a result or nil.
-- Redis does not roll a script back: the body has to check everything before
-- its first write, and raise an error only before it.
local stream, group, owner, retention = KEYS[1], ARGV[1], ARGV[2], ARGV[3]

local t = redis.call('TIME')
local now = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))

local function effect(order, KEYS, ARGV)
--[[EFFECT]]
end

local function settle(record, lock, id, fence, keys, args)
  local r = redis.call('HMGET', record, 'state', 'fence', 'owner', 'result', 'entry')
  local state, entry = r[1], r[5]
  if not state then return {'refused'} end -- guard: only what was placed
  if state ~= 'accepted' and state ~= 'dead' and r[2] == fence and r[3] == owner then return {state, r[4] or ''} end -- guard: replayed
  if state ~= 'accepted' then return {'already', state, r[2] or '', r[3] or ''} end -- guard: done is final
  if redis.call('GET', lock) ~= fence .. ':' .. owner then return {'lost'} end -- guard: mine

  local order = {id = id, fence = fence, owner = owner, now = now}
  local ok, verdict, result = pcall(effect, order, keys, args)
  if not ok then
    local reason = type(verdict) == 'table' and verdict.err or tostring(verdict)
    -- Redis refuses to write just now. That is nothing that the order has done.
    for _, code in ipairs({'OOM ', 'MISCONF ', 'READONLY ', 'NOREPLICAS '}) do
      if string.find(reason, code, 1, true) then error(verdict, 0) end
    end
    return {'failed', reason}
  end
  if verdict ~= 'settled' and verdict ~= 'rejected' then
    return {'failed', 'the effect returned ' .. tostring(verdict) .. ', neither settled nor rejected'}
  end

  redis.call('HSET', record, 'state', verdict, 'done', now)
  if result then
    redis.call('HSET', record, 'result', result)
  end
  redis.call('HDEL', record, 'entry', 'err')
  redis.call('EXPIRE', record, retention)
  redis.call('DEL', lock)
  if entry then
    redis.call('XACK', stream, group, entry)
    redis.call('XDEL', stream, entry)
  end
  return {verdict, result or ''}
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
  local nkeys, nargs = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  local keys, args = slice(KEYS, k + 2, nkeys), slice(ARGV, a + 4, nargs)
  answers[#answers + 1] = settle(KEYS[k], KEYS[k + 1], ARGV[a], ARGV[a + 1], keys, args)
  k, a = k + 2 + nkeys, a + 4 + nargs
end
return answers
