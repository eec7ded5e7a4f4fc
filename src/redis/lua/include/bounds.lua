-- Applies maxima and minima to values of hashes. src/change/bound.ts has the rules.

local BOUNDS = { '^', '_' }
local NUMBER = '^(%-?)(%d+)%.?(%d*)$'

-- Compares stored texts of one field. Numbers are compared by sign, length and digits, because a number of Lua is a double. Times have the same
-- width. NaN is the largest number, as in PostgreSQL.
local function isLess(a, b)
  local sign, whole, fraction = string.match(a, NUMBER)
  local otherSign, otherWhole, otherFraction = string.match(b, NUMBER)
  if not sign or not otherSign then
    local x, y = tonumber(a), tonumber(b)
    if x and y and x == x and y == y then return x < y end
    return a < b
  end
  if sign ~= otherSign then return sign == '-' end
  if sign == '-' then whole, fraction, otherWhole, otherFraction = otherWhole, otherFraction, whole, fraction end
  if #whole ~= #otherWhole then return #whole < #otherWhole end
  if whole ~= otherWhole then return whole < otherWhole end
  return fraction < otherFraction
end

-- A sum outside 64 bits (put-under.lua) stays as it is, so that the database refuses it.
local function isSum(text) return string.find(text, '%d%+') ~= nil end

local function clamp(value, lower, upper, upperFirst)
  if value == NULL then return upperFirst and upper or lower or upper or NULL end
  if isSum(value) then return value end
  if lower and (isSum(lower) or isLess(value, lower)) then value = lower end
  if upper and not isSum(value) and (isSum(upper) or isLess(upper, value)) then value = upper end
  return value
end

local function clampField(hash, field, lower, upper, upperFirst)
  local value = redis.call('HGET', hash, field)
  if value then redis.call('HSET', hash, field, clamp(value, lower, upper, upperFirst)) end
  return value
end

-- Applies bounds to a field of a pending change. If a value is set, it applies them to this value and to the base of an inserted row. Otherwise it
-- applies them to the bounds of the change. `mark` is '', or '<' for the fields of operations that came before an upsert.
local function bound(change, mark, name, lower, upper, upperFirst)
  if clampField(change, mark .. '=' .. name, lower, upper, upperFirst) then
    clampField(change, mark .. '!' .. name, lower, upper, upperFirst)
    return
  end
  local heldLower = clampField(change, mark .. '^' .. name, lower, upper, upperFirst)
  local heldUpper = clampField(change, mark .. '_' .. name, lower, upper, upperFirst)
  if lower and not heldLower then redis.call('HSET', change, mark .. '^' .. name, lower) end
  if upper and not heldUpper then redis.call('HSET', change, mark .. '_' .. name, upper) end
  if not heldLower and (heldUpper and lower or not heldUpper and upperFirst) then redis.call('HSET', change, mark .. '?' .. name, '1') end
end
