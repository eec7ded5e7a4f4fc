-- Included by write.lua, with its variables: counts a record that was clean, if there is room for it.
enter = function(index)
  dirty = dirty or call('ZCARD', dirtyKey)
  if dirty >= maxDirty then return 'backlog' end
  dirty, entered = dirty + 1, entered + 1
  if nameClean then clean[#clean + 1] = index end
end
