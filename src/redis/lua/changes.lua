-- Included by the scripts that hold changes in a batch. There they are packed as groups, of changes that follow each other and have the same
-- fields: { names, values of one change after the other }. Names are most of a change's texts, and so are packed and sent once.

local function hasFields(change, first)
  if #change ~= #first then return false end
  for n = 1, #change, 2 do
    if change[n] ~= first[n] then return false end
  end
  return true
end

-- Packs the changes of a list, flat lists, from one place to another.
local function fold(changes, from, to)
  local groups, first, values, size = {}, {}, nil, 0
  for c = from, to do
    local change = changes[c]
    if not hasFields(change, first) then
      local names = {}
      for n = 1, #change, 2 do names[(n + 1) / 2] = change[n] end
      first, values, size = change, {}, 0
      groups[#groups + 1] = { names, values }
    end
    for n = 2, #change, 2 do
      size = size + 1
      values[size] = change[n]
    end
  end
  return cmsgpack.pack(groups)
end

local function unfold(packed)
  local changes = {}
  for _, group in ipairs(cmsgpack.unpack(packed)) do
    local names, values = group[1], group[2]
    for before = 0, #values - 1, #names do
      local change = {}
      for n, name in ipairs(names) do
        change[2 * n - 1], change[2 * n] = name, values[before + n]
      end
      changes[#changes + 1] = change
    end
  end
  return changes
end
