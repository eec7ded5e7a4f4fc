-- Included by write.lua, with its variables: a packed change with one more operation of its shape that increments. What is set is set anew, bases
-- stay. `begin`: what comes before its values. Nil if a sum has more digits than a double holds,
-- or the change is damaged.
addUp = function(begin, change, values)
  local from = #begin
  if amounts == 1 and size == 1 then
    -- One number has a head of one byte, which tells its length.
    local a, b = sub(change, from + 2), sub(values, 2)
    if #a > MAX_DIGITS or #b > MAX_DIGITS or string.byte(change, from + 1) ~= 0xa0 + #a or not tonumber(a) then return nil end
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
  -- The first of what unpack_limit returns is the place where it stopped, or -1 at the end.
  return begin .. pack(unpack(added, 2)) .. (held[2] == -1 and '' or sub(change, held[2] + 1))
end
