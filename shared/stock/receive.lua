-- receive: the effect of goods in on the stock.
--
-- KEYS  1 stock   2 ledger
-- ARGV  1 SKU   2 quantity   3 the most that may be on hand
-- Settles with what is on hand then, or rejects with 'full'.
local text = redis.call('HGET', KEYS[1], ARGV[1]) or '0'
local have = tonumber(text)
-- Redis adds only to what is written just so: 5, and neither 5.0 nor 05.
if not have or string.format('%d', have) ~= text then
  error('the stock of ' .. ARGV[1] .. ' is not a whole number: ' .. string.sub(text, 1, 40), 0)
end
if have + tonumber(ARGV[2]) > tonumber(ARGV[3]) then
  return 'rejected', 'full'
end
redis.call('XADD', KEYS[2], '*', 'receipt', order.id, 'moves', ARGV[1] .. ' +' .. ARGV[2])
return 'settled', string.format('%d', redis.call('HINCRBY', KEYS[1], ARGV[1], ARGV[2]))
