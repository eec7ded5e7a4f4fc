-- Included by compose.lua: a write that the view has to allow, and that is answered with the row.

local epoch

-- Whether the row that is there can hold the sums, which are tried where nobody reads them.
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

-- Whether the view says that the row is there ('1', then the row) or missing ('0'). A view of an earlier epoch (hold.lua) says nothing, nor one that
-- lacks a field which the model has got since.
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

local function writeIf(index, key, bytes)
  epoch = epoch or call('GET', prefix .. 'epoch') or ''
  local view = viewPrefix .. named(key)
  local present, row = presence(view)
  if not present then return 'unknown' end
  if condition == 'there' and present == '0' then return 'missing' end
  if condition == 'missing' and present == '1' then return 'there' end
  if kind ~= 'delete' and present == '1' and not fits(view) then return 'overflow' end
  local refusal, due = write(index, key, nil, nil, bytes)
  if refusal then return refusal end
  if epoch ~= '' and (kind == 'delete' or present == '0') then call('HSET', view, '@', epoch) end
  rows[#rows + 1] = index
  rows[#rows + 1] = kind == 'delete' and row or rowOf(view)
  return nil, due
end
