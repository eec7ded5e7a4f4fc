-- Adds to an integer of a hash, and returns the sum: false if it leaves 64 bits, or if a text is none of one integer.
local function addTo(hash, field, amount)
  local sum = redis.pcall('HINCRBY', hash, field, amount)
  if type(sum) ~= 'table' then return sum end
  -- Any other error is none of the numbers: what may not run must not count as a sum.
  if not (string.find(sum.err, 'overflow', 1, true) or string.find(sum.err, 'integer', 1, true)) then error(sum) end
  return false
end
