-- Applies the operation to the view of its record. Needs the include operation.

local function changeView(view)
  local changed = {}
  for n = 1, sets do changed[2 * n - 1], changed[2 * n] = sub(fields[2 * n - 1], 2), data[n] end
  if sets > 0 then call('HSET', view, unpack(changed)) end
  for n = 1, amounts do
    local name = counter(n)
    local value = call('HGET', view, name)
    -- A view without the field was made before the model had that field.
    if not value or value ~= NULL and not addTo(view, name, data[sets + n]) then
      call('DEL', view)
      return '-'
    end
  end
  eachBound(function(name, lower, upper) clampField(view, name, lower, upper) end)
  return 'v'
end

-- Makes the view of a row that is inserted. The view said before that the row is missing.
local function insertView(view)
  -- An upsert carries the row after its own values; a create sets every field of the row.
  local row, before = { '~', '1' }, kind == 'upsert' and size or 0
  for n, name in ipairs(rowNames) do row[2 * n + 1], row[2 * n + 2] = name, data[before + n] end
  call('HSET', view, unpack(row))
  return 'v'
end

-- Returns the flag of the view of a record that was clean. The view has no TTL until the record is clean again.
local function keepView(view)
  local present = call('HGET', view, '~')
  if not present then return '-' end
  call('PERSIST', view)
  return present == '1' and 'v' or 'm'
end

-- Returns the new flag of the view.
local function follow(view, flag)
  if kind == 'delete' and flag ~= '-' then
    call('DEL', view)
    call('HSET', view, '~', '0')
    return 'm'
  end
  if flag == 'v' then return changeView(view) end
  if flag == '-' or kind == 'update' then return flag end
  call('DEL', view)
  return condition and insertView(view) or '-'
end
