-- Adds to an integer of a hash. Returns the sum; false if it leaves 64 bits, or if a text is not one integer.
local function addTo(hash, field, amount)
  local sum = redis.pcall('HINCRBY', hash, field, amount)
  if type(sum) ~= 'table' then return sum end
  -- Another error says nothing about the numbers, for example if a right is missing. It must not count as a sum outside 64 bits.
  if not (string.find(sum.err, 'overflow', 1, true) or string.find(sum.err, 'integer', 1, true)) then error(sum) end
  return false
end
