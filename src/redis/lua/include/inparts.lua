-- Calls with a part of a list at a time, since Lua passes only so many arguments. Their number is even, for lists of pairs.
local function inParts(list, take)
  for first = 1, #list, 1000 do take(first, unpack(list, first, math.min(first + 999, #list))) end
end
