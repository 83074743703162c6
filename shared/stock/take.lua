-- take: the effect of an order on the stock.
--
-- KEYS  1 stock   2 ledger
-- ARGV  for each item: SKU, quantity
-- Settles, or rejects with the JSON of the first item that is short.
local lines = {}
for i = 1, #ARGV, 2 do
  local sku, want = ARGV[i], tonumber(ARGV[i + 1])
  local text = redis.call('HGET', KEYS[1], sku) or '0'
  local have = tonumber(text)
  -- Redis adds only to what is written just so: 5, and neither 5.0 nor 05.
  if not have or string.format('%d', have) ~= text then
    error('the stock of ' .. sku .. ' is not a whole number: ' .. string.sub(text, 1, 40), 0)
  end
  if have < want then
    return 'rejected', cjson.encode({id = sku, wanted = want, onHand = have})
  end
  lines[#lines + 1] = sku .. ' -' .. ARGV[i + 1]
end
redis.call('XADD', KEYS[2], '*', 'order', order.id, 'fence', order.fence, 'owner', order.owner, 'moves', table.concat(lines, ','))
for i = 1, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[i], '-' .. ARGV[i + 1])
end
return 'settled'
