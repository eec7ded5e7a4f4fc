-- The operation that is carried out now. Its shape says which fields it has; `data` has their values.
local shape, kind, condition, sets, amounts, bases, bounds, setsCounter, names, limits, size
-- The arguments of HSET for the operation: the fields, each followed by a place for its value.
local data, fields
local fieldsOf = {}

local function take(newShape, values)
  if newShape ~= shape then
    shape = newShape
    local _
    kind, condition, sets, amounts, bases, bounds, setsCounter, _, names, limits = unpack(shape)
    size, fields = sets + amounts + bases + bounds, fieldsOf[names]
  end
  data = { cmsgpack.unpack(values) }
  if fields then return end
  fields = {}
  for n, name in ipairs(cmsgpack.unpack(names)) do fields[2 * n - 1] = name end
  fieldsOf[names] = fields
end

-- Returns the first `count` fields and their values.
local function carry(count)
  for n = 1, count do fields[2 * n] = data[n] end
  return unpack(fields, 1, 2 * count)
end

-- The name of the n-th field that the operation increments.
local function counter(n) return sub(fields[2 * (sets + n) - 1], 2) end

-- Calls `lay` with the name, the lower and the upper bound of each field that the operation bounds.
local function eachBound(lay)
  for n = size - bounds + 1, size do
    local marked, value = fields[2 * n - 1], data[n]
    local isLower = sub(marked, 1, 1) == '^'
    lay(sub(marked, 2), isLower and value or nil, not isLower and value or nil)
  end
end

-- The extras of a change after the operation.
local function extend(extras)
  if bounds > 0 or extras == 'a' then return 'a' end
  if amounts + bases > 0 and extras ~= 'x' then extras = extras == '-' and 'x' or 'b' end
  if setsCounter and extras ~= 's' then extras = extras == '-' and 's' or 'b' end
  return extras
end
