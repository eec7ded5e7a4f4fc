-- Makes the function that adds an operation to a packed change of the same shape. A call makes this function only when it needs it, because a
-- function costs more if it holds more variables.
local function addition()
  local sub, char, byte, format, pack, unpackSome = string.sub, string.char, string.byte, string.format, cmsgpack.pack, cmsgpack.unpack_limit

  -- `begin` is the part of the new change before its values. Sets take the new value, increments are added, and bases stay as they are. Returns nil
  -- if a number has more digits than a double holds exactly, or if the change is damaged.
  return function(begin, change, values, sets, amounts, size)
    local from = #begin
    if amounts == 1 and size == 1 then
      -- A number has a head of one byte, which tells its length.
      local a, b = sub(change, from + 2), sub(values, 2)
      if #a > MAX_DIGITS or #b > MAX_DIGITS or byte(change, from + 1) ~= 0xa0 + #a or not tonumber(a) then return nil end
      local sum = format('%d', a + b)
      return begin .. char(0xa0 + #sum) .. sum
    end
    if amounts + sets == 0 then return begin .. sub(change, from + 1) end
    local held, added = { pcall(unpackSome, change, sets + amounts, from) }, { unpackSome(values, sets + amounts, 0) }
    if not held[1] then return nil end
    for n = sets + 2, sets + amounts + 1 do
      local a, b = held[n + 1], added[n]
      if not tonumber(a) or #a > MAX_DIGITS or #b > MAX_DIGITS then return nil end
      added[n] = format('%d', a + b)
    end
    -- The first result of unpack_limit is the position at which it stopped, or -1 if it has read everything.
    return begin .. pack(unpack(added, 2)) .. (held[2] == -1 and '' or sub(change, held[2] + 1))
  end
end
