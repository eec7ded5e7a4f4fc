-- A change of more than one command is made in the hash 'draft', which nobody reads, and takes the place of the change by one RENAME.
-- Needs the include operation.
local draft = prefix .. 'draft'

-- Whether one command is enough to apply the operation to a hash that is there.
local function isOneCommand(extras)
  if bounds > 0 then return false end
  if amounts > 0 then return sets == 0 and amounts == 1 and extras == 'x' end
  return sets == 0 or extras == '-' or extras == 's'
end

-- Makes the draft a copy of the change.
local function copyChange(pend, packed)
  if not packed then
    call('COPY', pend, draft, 'REPLACE')
    return
  end
  call('DEL', draft)
  call('HSET', draft, unpack(flatten(packed)))
end

-- Puts the draft in the place of the change.
local function replace(pend, key, packed)
  if not packed then
    call('RENAME', draft, pend)
    return
  end
  -- For a moment the record has two changes. The intent tells settle.lua which of them is valid.
  call('SET', prefix .. 'intent', 'open:' .. key)
  call('RENAME', draft, pend)
  call('HDEL', prefix .. 'packed', key)
  call('DEL', prefix .. 'intent')
end

-- Returns the hash to which the operation is applied, and whether the hash is new. `inserts`: the operation inserts a row that was not inserted
-- before.
local function begin(pend, meta, state, extras, packed, inserts)
  if not meta then return pend, true end
  if inserts and state == 'd' then return pend, false end
  -- For a row that is deleted, or that was missing, earlier writes do not count.
  if kind == 'delete' or inserts and kind == 'create' then
    call('DEL', draft)
    return draft, true
  end
  if not packed and not inserts and isOneCommand(extras) then return pend, false end
  copyChange(pend, packed)
  return draft, false
end
