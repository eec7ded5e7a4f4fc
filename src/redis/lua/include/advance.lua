-- Included by the scripts that end a batch in flight. Needs prefix, that of the shard's keys.

-- The group of a split batch that waits takes its turn under a new id; without one no batch is in flight any more. `rest`: the batch's field, as
-- it was. Returns whether there is a batch now.
local function advance(rest, previous, nextId)
  local batchKey = prefix .. 'batch'
  local groups = rest and cmsgpack.unpack(rest) or {}
  local group = table.remove(groups)
  if not group then
    redis.call('DEL', batchKey)
    return false
  end
  redis.call('HSET', batchKey, 'id', nextId, 'previous', previous, 'writes', '0', 'tries', '0', 'keys', group[1], 'changes', group[2],
    'reasons', group[3] or '', 'rest', cmsgpack.pack(groups))
  return true
end
