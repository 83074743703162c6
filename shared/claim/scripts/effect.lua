-- effect: not a script of its own, but the part of settle and receive that calls
-- the effect.
--
-- The effect is the body of function(order, KEYS, ARGV). order has id, fence,
-- owner and now (ms). It returns 'settled' or 'rejected', and a result or nil.
-- Redis does not roll a script back: the body has to check everything before
-- its first write, and raise an error only before it.
local function effect(order, KEYS, ARGV)
--[[BODY]]
end

-- attempt returns what the effect does, or 'failed' and the reason. That Redis
-- does not want to write just now is nothing that the order has done: such an
-- error goes on to the caller.
local function attempt(order, keys, args)
  local ok, verdict, result = pcall(effect, order, keys, args)
  if ok then return verdict, result end
  local reason = type(verdict) == 'table' and verdict.err or tostring(verdict)
  for _, code in ipairs({'OOM ', 'MISCONF ', 'READONLY ', 'NOREPLICAS '}) do
    if string.find(' ' .. reason, '[^%a]' .. code) then error(verdict, 0) end
  end
  return 'failed', reason
end
