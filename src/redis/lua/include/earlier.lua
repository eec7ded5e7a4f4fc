-- Returns the earlier one of two times. Either time may be missing. A record may be in the index, in the batch in flight, or in both.
local function earlier(a, b)
  if a and (not b or tonumber(a) < tonumber(b)) then return a end
  return b
end
