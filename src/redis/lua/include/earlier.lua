-- Included by the scripts that tell when something is due: it may be in the index, in the batch in flight, or in both.

-- Of two times, either of which may be missing.
local function earlier(a, b)
  if a and (not b or tonumber(a) < tonumber(b)) then return a end
  return b
end
