-- Carries out a write with a condition: the view has to fulfil the condition, and the reply has the row. Needs the include operation and the function
-- write.
local epoch

-- Whether the row can hold the sums. The sums are tried in the draft, which nobody reads.
local function fits(view)
  for n = 1, amounts do
    local name, limit = counter(n), tonumber(limits[n])
    local value = call('HGET', view, name)
    if value and value ~= NULL then
      local amount = data[sets + n]
      local sum = #value <= MAX_DIGITS and #amount <= MAX_DIGITS and value + amount
      if not sum then
        call('HSET', draft, name, value)
        sum = addTo(draft, name, amount)
        call('DEL', draft)
      end
      if not sum or sum > limit or sum < -limit - 1 then return false end
    end
  end
  return true
end

local function rowOf(view)
  return #rowNames == 0 and {} or call('HMGET', view, unpack(rowNames))
end

-- Returns '1' and the row if the view says that the row is there, and '0' if it says that the row is missing. Returns false if there is no view, if it is
-- of an earlier epoch (hold.lua), or if it lacks a field because the model got that field later.
local function presence(view)
  local said = call('HMGET', view, '~', '@')
  if (said[2] or '') ~= epoch then return false end
  if said[1] ~= '1' then return said[1] end
  local row = rowOf(view)
  for n = 1, #row do
    if not row[n] then return false end
  end
  return '1', row
end

local function writeIf(index, key, values)
  epoch = epoch or call('GET', prefix .. 'epoch') or ''
  local view = prefix .. 'view/' .. named(key)
  local present, row = presence(view)
  if not present then return 'unknown' end
  if condition == 'there' and present == '0' then return 'missing' end
  if condition == 'missing' and present == '1' then return 'there' end
  if kind ~= 'delete' and present == '1' and not fits(view) then return 'overflow' end
  local refusal, due = write(index, key, nil, values)
  if refusal then return refusal end
  if epoch ~= '' and (kind == 'delete' or present == '0') then call('HSET', view, '@', epoch) end
  rows[#rows + 1] = index
  rows[#rows + 1] = kind == 'delete' and row or rowOf(view)
  return nil, due
end
