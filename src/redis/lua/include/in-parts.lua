-- Calls `take` for one part of a list after the other, because Lua limits the number of arguments. A part has an even size, so that pairs stay
-- together.
local function inParts(list, take)
  for first = 1, #list, 1000 do take(first, unpack(list, first, math.min(first + 999, #list))) end
end
